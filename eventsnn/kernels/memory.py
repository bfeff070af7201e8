"""Growable memory for compiled loops that may not allocate arrays: records at raw addresses, grown by realloc.

A `Store` lies in one row of an int64 table: address, capacity, number of records used. Records are 8-byte words; the accessors
take the address of the word. `kernels` own nothing: the driver frees what the table points to.
"""

import ctypes

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import inlined, inner

ADDRESS, CAPACITY, USED = 0, 1, 2
FAILED = -1

_LIBC = ctypes.pythonapi  # PyMem_RawRealloc: in every Python process, needs no interpreter lock
llvmlite.binding.add_symbol("eventsnn_realloc", ctypes.cast(_LIBC.PyMem_RawRealloc, ctypes.c_void_p).value)
_realloc = types.ExternalFunction("eventsnn_realloc", types.int64(types.int64, types.int64))


def _loader(kind, width):
    def load(typing, address):
        def generate(context, builder, signature, args):
            return builder.load(builder.inttoptr(args[0], width.as_pointer()))

        return kind(types.int64), generate

    return intrinsic(load)


def _storer(kind, width):
    def store(typing, address, value):
        def generate(context, builder, signature, args):
            builder.store(args[1], builder.inttoptr(args[0], width.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.int64, kind), generate

    return intrinsic(store)


load_int, load_float = _loader(types.int64, ir.IntType(64)), _loader(types.float64, ir.DoubleType())


@intrinsic
def load_id(typing, address):
    """An unsigned 32-bit number as int64."""
    def generate(context, builder, signature, args):
        narrow = builder.load(builder.inttoptr(args[0], ir.IntType(32).as_pointer()))
        return builder.zext(narrow, ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def load_single(typing, address):
    """A float32 as float64."""
    def generate(context, builder, signature, args):
        narrow = builder.load(builder.inttoptr(args[0], ir.FloatType().as_pointer()))
        return builder.fpext(narrow, ir.DoubleType())

    return types.float64(types.int64), generate


store_int, store_float = _storer(types.int64, ir.IntType(64)), _storer(types.float64, ir.DoubleType())


@inner
def grow(table, k, words):
    """Double store `k` of records of `words` words. Returns False without memory."""
    capacity = max(2 * table[k, CAPACITY], 256)
    new = _realloc(table[k, ADDRESS], capacity * words * 8)
    if new == 0:
        return False
    table[k, ADDRESS], table[k, CAPACITY] = new, capacity
    return True


@inlined
def append(table, k, words):
    """Address of a new record at the end of store `k`, or 0 without memory."""
    n = table[k, USED]
    if n == table[k, CAPACITY] and not grow(table, k, words):
        return np.int64(0)
    table[k, USED] = n + 1
    return table[k, ADDRESS] + n * (words * 8)


def free(table):
    """Give back the memory of every store of `table` (called by the driver, from Python)."""
    release = _LIBC.PyMem_RawFree
    release.argtypes, release.restype = [ctypes.c_void_p], None
    for row in table:
        if row[ADDRESS]:
            release(int(row[ADDRESS]))
        row[:] = 0


def contents(table, k, words):
    """A copy of the records of store `k` as int64 [used, words] (view as float64 where they are)."""
    used = int(table[k, USED])
    if used == 0:
        return np.zeros((0, words), np.int64)
    data = (ctypes.c_int64 * (used * words)).from_address(int(table[k, ADDRESS]))
    return np.frombuffer(data, np.int64).reshape(used, words).copy()


def fill(table, k, words, records):
    """Replace the contents of store `k` by int64 [n, words]."""
    table[k, USED] = 0
    while table[k, CAPACITY] < len(records):
        if not grow_from_python(table, k, words):
            raise MemoryError(f"no memory for {len(records)} records")
    if len(records):
        data = (ctypes.c_int64 * records.size).from_address(int(table[k, ADDRESS]))
        np.frombuffer(data, np.int64)[:] = np.ascontiguousarray(records, np.int64).ravel()
    table[k, USED] = len(records)


def grow_from_python(table, k, words):
    """`grow`, without compiling anything."""
    realloc = _LIBC.PyMem_RawRealloc
    realloc.argtypes, realloc.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_void_p
    capacity = max(2 * int(table[k, CAPACITY]), 256)
    new = realloc(int(table[k, ADDRESS]) or None, capacity * words * 8)
    if not new:
        return False
    table[k, ADDRESS], table[k, CAPACITY] = new, capacity
    return True
