"""Makes Numba compile our kernels in half the time. Nothing here changes what is compiled.

Private parts of Numba are replaced, so each step is guarded: with another Numba everything works, but compiling takes longer.
"""

import gc
import operator
from contextlib import suppress

from numba import types
from numba.core import caching as _caching
from numba.core import codegen as _codegen
from numba.core import event as _event
from numba.core import targetconfig as _targetconfig

SELDOM = (1_000_000, 20, 100)  # thresholds of garbage collection
_PLAIN = (types.Integer, types.Float, types.Boolean, types.IntegerLiteral, types.BooleanLiteral)


class _Nesting(_event.Listener):
    """Tells whether the function that Numba is compiling now is an inner one: its dispatcher has an attribute `only_linked`."""

    def __init__(self):
        self.stack = []

    def on_start(self, event):
        """Numba begins to compile a function."""
        self.stack.append(getattr(event.data.get("dispatcher"), "only_linked", False))

    def on_end(self, event):
        """Numba is done with it."""
        self.stack.pop()

    @property
    def inner(self):
        """Whether the innermost function is one."""
        return bool(self.stack) and self.stack[-1]


def _link_only():
    """Make Numba keep inner functions as plain intermediate code, for their callers to link.

    By default it optimises the code of every function, with all it calls, and translates it to machine code, once per level of
    calls: two thirds of our compile time, for code that is only ever used inside a kernel, where it is optimised again.
    """
    nesting = _Nesting()
    _event.register("numba:compile", nesting)
    library, engine = _codegen.CPUCodeLibrary, _codegen.JITCPUCodegen
    optimise = library._optimize_final_module
    finish, set_env, load = library._finalize_final_module, engine.set_env, _caching.Cache.load_overload

    def optimise_kernels(self):
        if not nesting.inner:
            optimise(self)

    def finish_kernels(self):
        if nesting.inner:
            self._finalize_dynamic_globals()
            self._finalized = True
        else:
            finish(self)

    def set_env_of_kernels(self, name, env):
        if not nesting.inner:
            set_env(self, name, env)

    def load_kernels(self, *args):  # compiled elsewhere: complete, even if an inner function asks for it
        nesting.stack.append(False)
        try:
            return load(self, *args)
        finally:
            nesting.stack.pop()

    _caching.Cache.load_overload = load_kernels
    library._optimize_final_module, library._finalize_final_module = optimise_kernels, finish_kernels
    engine.set_env = set_env_of_kernels


def _remember_operators():
    """Make Numba resolve an operator on given types of numbers once.

    For every single `+` it asks some twenty candidates, among them those for strings, lists and sets: a fifth of the time.
    """
    resolve = types.BaseFunction.get_call_type
    operators = {f for f in vars(operator).values() if callable(f)}

    def remembered(self, context, args, kws):
        if kws or self.typing_key not in operators or not all(isinstance(a, _PLAIN) for a in args):
            return resolve(self, context, args, kws)
        found = self.__dict__.setdefault("_remembered", {})
        key = context, args
        if key not in found:
            found[key] = resolve(self, context, args, kws)
        return found[key]

    types.BaseFunction.get_call_type = remembered


def _cheap_flags():
    """Make comparing two sets of compiler flags cheap: Numba does it for every lookup of a function."""
    config = _targetconfig.TargetConfig
    equal, numbers = config.__eq__, {}

    def same(self, other):
        return self is other or type(self) is type(other) and self._values == other._values or equal(self, other)

    def number(self):
        if type(self) not in numbers:
            numbers[type(self)] = hash(tuple(sorted(self.options)))
        return numbers[type(self)]

    config.__eq__, config.__hash__ = same, number


def _collect_seldom():
    """Make Python look for garbage less often while Numba compiles, which makes millions of objects that live on."""

    class Seldom(_event.Listener):
        depth, usual = 0, None

        def on_start(self, event):
            if self.depth == 0:
                self.usual = gc.get_threshold()
                gc.set_threshold(*SELDOM)
            self.depth += 1

        def on_end(self, event):
            self.depth -= 1
            if self.depth == 0 and gc.get_threshold() == SELDOM:
                gc.set_threshold(*self.usual)

    _event.register("numba:compile", Seldom())


def install():
    """Install what works with this Numba."""
    for step in (_link_only, _remember_operators, _cheap_flags, _collect_seldom):
        with suppress(AttributeError, TypeError):
            step()
