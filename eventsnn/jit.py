"""The only place that touches Numba's flags.

Strict IEEE arithmetic (no fast-math, no contraction), no GIL, compiled code cached on disk. Numba does not
notice when a function in *another* file changes, so the cache directory's name holds a hash of every
kernel source file: an edited kernel never meets stale machine code.
"""

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

import numba
from numba.core import codegen as _codegen
from numba.core import config as _config
from numba.core import event as _event

PACKAGE = Path(__file__).parent


class _Nesting(_event.Listener):
    """Tells whether the function that Numba is compiling now is an `inner` one."""

    def __init__(self):
        self.stack = []

    def on_start(self, event):
        """Numba begins to compile a function."""
        self.stack.append(bool(getattr(event.data.get("dispatcher"), "only_linked", False)))

    def on_end(self, event):
        """Numba is done with it."""
        self.stack.pop()

    def inside_inner(self):
        """Whether it is an inner one."""
        return bool(self.stack) and self.stack[-1]


def _link_only():
    """Make Numba keep inner functions as plain intermediate code, for their callers to link.

    By default it optimises the code of every function, with all it calls, and translates it to machine code, once per level of
    calls: two thirds of our compile time, for code that is only ever used inside a kernel, where it is optimised again.
    """
    nesting = _Nesting()
    _event.register("numba:compile", nesting)
    library, engine = _codegen.CPUCodeLibrary, _codegen.JITCPUCodegen
    optimise, finish, set_env = library._optimize_final_module, library._finalize_final_module, engine.set_env

    def optimise_kernels(self):
        if not nesting.inside_inner():
            optimise(self)

    def finish_kernels(self):
        if nesting.inside_inner():
            self._finalize_dynamic_globals()
            self._finalized = True
        else:
            finish(self)

    def set_env_of_kernels(self, name, env):
        if not nesting.inside_inner():
            set_env(self, name, env)

    library._optimize_final_module, library._finalize_final_module = optimise_kernels, finish_kernels
    engine.set_env = set_env_of_kernels
    return True


try:
    LINK_ONLY = _link_only()
except AttributeError:  # another Numba inside: everything works, compiling takes longer
    LINK_ONLY = False


@cache
def cache_dir():
    """Directory of the compiled kernels of exactly this source tree and Numba version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in ("kernels", "learn"):
        for source in sorted((PACKAGE / folder).glob("*.py")):
            digest.update(source.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    candidates = [Path(base) if base else Path.home() / ".cache", Path(tempfile.gettempdir())]
    for candidate in candidates:
        path = candidate / "eventsnn" / digest.hexdigest()[:16]
        try:
            path.mkdir(parents=True, exist_ok=True)
            return str(path)
        except OSError:
            continue
    return ""


def jit(function=None, **flags):
    """Compile `function` in nopython mode with the flags every kernel shares.

    >>> from eventsnn.jit import jit
    >>> @jit
    ... def twice(x):
    ...     return 2.0 * x
    """
    if function is None:
        return lambda f: jit(f, **flags)
    options = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False} | flags
    previous, _config.CACHE_DIR = _config.CACHE_DIR, cache_dir() or _config.CACHE_DIR
    try:
        return numba.njit(**options)(function)
    finally:
        _config.CACHE_DIR = previous


def kernel(function):
    """As `jit`, for functions that allocate nothing: without reference counts, which cost more than the arithmetic."""
    return jit(function, _nrt=False)


def _linked(function, **flags):
    dispatcher = jit(function, cache=False, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, **flags)
    dispatcher.only_linked = LINK_ONLY
    return dispatcher


def inner(function):
    """As `kernel`, for functions that only compiled code calls: never translated by themselves, they compile much faster."""
    return _linked(function)


def inlined(function):
    """As `inner`, always inlined: a call that passes the network's arrays costs a hundred nanoseconds."""
    return _linked(function, forceinline=True)


def scalar(function):
    """As `kernel`, always inlined: short functions of numbers, whose latencies then overlap."""
    return jit(function, _nrt=False, forceinline=True)
