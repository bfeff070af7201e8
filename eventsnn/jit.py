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
from numba.core import config as _config

from . import compiler

PACKAGE = Path(__file__).parent
compiler.install()


@cache
def cache_dir():
    """Directory of the compiled kernels of exactly this source tree and Numba version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in ("kernels", "learn"):
        for source in sorted((PACKAGE / folder).rglob("*.py")):
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
    dispatcher.only_linked = True
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


def callback(function, pointers, what):
    """(address, what keeps it alive) of function(float64, so many pointers to float64) -> float64 as machine code.

    what : its name in the `ParameterError` raised where Numba cannot translate it
    """
    from numba.core.errors import NumbaError

    from .errors import ParameterError

    number, pointer = numba.types.float64, numba.types.CPointer(numba.types.float64)
    try:
        made = numba.cfunc(number(number, *[pointer] * pointers), error_model="numpy")(function)
    except NumbaError as error:
        raise ParameterError(f"{what} cannot be compiled: {error}; compiled=False runs it as it is") from error
    return made.address, made
