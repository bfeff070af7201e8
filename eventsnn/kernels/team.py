"""How threads wait for each other: one barrier, spinning briefly, then giving the core away.

A barrier that only spins collapses where the other thread has lost its core.
"""

import os

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import inlined
from .simd import address

SPINS = 2000
_I64 = ir.IntType(64)


def _give_way():
    """Address of a C function without arguments that lets other threads run."""
    import ctypes
    if os.name == "nt":
        return ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value


llvmlite.binding.add_symbol("eventsnn_yield", _give_way())
_yield = types.ExternalFunction("eventsnn_yield", types.int32())


@intrinsic
def _add(typing, place, value):
    """Atomically add; returns what was there before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], _I64.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _read(typing, place):
    """Atomically read."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], _I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@inlined
def meet(gate, threads, turn):
    """Wait until all `threads` have come here for the `turn`-th time (1, 2, ...); gate : i8[1], zero at the start."""
    place = address(gate)
    _add(place, 1)
    spins = 0
    while _read(place) < threads * turn:
        spins += 1
        if spins > SPINS:
            _yield()
