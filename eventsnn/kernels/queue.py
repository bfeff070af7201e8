"""Binary heaps over parallel arrays: spikes on their way, and the neurons' own events.

A spike on its way is one entry per projection (and shard of its row); it walks along its row, which is sorted by delay, so the
heap holds spikes, not synapses. Entries of one instant come out in the canonical order: rank of the target population, source
neuron, projection, position in the row, order of emission.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inner, kernel

N_HEAP, N_FREE, N_OWN, N_SEQ, N_OUT, N_WATCH, INSTANT, STAGE, N_TOUCHED, N_SAMPLE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
N_SOURCE, N_SPLIT, PEAK, SEARCHES, OWN_PUSHES, ROUND, CULPRIT, N_ASKED, N_SCALARS = 10, 11, 12, 13, 14, 15, 16, 17, 18
BURST = 1024  # spikes of one instant, beyond one per neuron, that there is always room for


class Queue(NamedTuple):
    """Pending events. `n` holds the counters named above; times are absolute seconds."""

    n: np.ndarray  # i8[N_SCALARS]
    time: np.ndarray  # f8[capacity] arrival
    key: np.ndarray  # u8[capacity] rank, source, projection
    slot: np.ndarray  # i8[capacity]
    born: np.ndarray  # f8[capacity], by slot: time of the spike
    amplitude: np.ndarray  # f8[capacity], by slot
    at: np.ndarray  # i8[capacity], by slot: position of the next synapse to deliver (target id if dense)
    stop: np.ndarray  # i8[capacity], by slot: end of the row
    seq: np.ndarray  # i8[capacity], by slot: order of emission
    free: np.ndarray  # i8[capacity]
    own_time: np.ndarray  # f8[own capacity]
    own_id: np.ndarray  # i8[own capacity]
    watched: np.ndarray  # i8[N] neurons to look at again at the next horizon
    asked: np.ndarray  # i8[N] neurons whose next crossing is to be searched before time goes on


class Out(NamedTuple):
    """Spikes emitted, in the order of processing: time, global id, amplitude."""

    time: np.ndarray  # f8
    id: np.ndarray  # i8
    amplitude: np.ndarray  # f8


class Work(NamedTuple):
    """Scratch memory of the loops; holds nothing between instants."""

    rows: np.ndarray  # i8[capacity, 4] projection, first, end, source of the rows delivered in this instant
    touched: np.ndarray  # i8[N]
    rest: np.ndarray  # i8[N]
    scratch: np.ndarray  # f8[rows, columns]
    drawn_id: np.ndarray  # u4[longest procedural row] targets of the procedural row drawn last
    drawn_weight: np.ndarray  # f8[longest procedural row]


class Probe(NamedTuple):
    """Membrane voltages to record: `value` [times, ids] is filled as the loop passes each time."""

    time: np.ndarray  # f8
    id: np.ndarray  # i8
    value: np.ndarray  # f8


@inner
def earlier(q, ta, ka, sa, tb, kb, sb):
    """Whether entry a comes before entry b."""
    if ta != tb:
        return ta < tb
    if ka != kb:
        return ka < kb
    if q.at[sa] != q.at[sb]:
        return q.at[sa] < q.at[sb]
    return q.seq[sa] < q.seq[sb]


@kernel
def push(q, time, key, slot):
    """Add an entry; the caller has made sure of the capacity."""
    i = q.n[N_HEAP]
    q.n[N_HEAP] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if not earlier(q, time, key, slot, q.time[parent], q.key[parent], q.slot[parent]):
            break
        q.time[i], q.key[i], q.slot[i] = q.time[parent], q.key[parent], q.slot[parent]
        i = parent
    q.time[i], q.key[i], q.slot[i] = time, key, slot


@inner
def pop(q):
    """Remove the first entry."""
    n = q.n[N_HEAP] - 1
    q.n[N_HEAP] = n
    if n == 0:
        return
    time, key, slot = q.time[n], q.key[n], q.slot[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        right = child + 1
        if right < n and earlier(q, q.time[right], q.key[right], q.slot[right],
                                 q.time[child], q.key[child], q.slot[child]):
            child = right
        if not earlier(q, q.time[child], q.key[child], q.slot[child], time, key, slot):
            break
        q.time[i], q.key[i], q.slot[i] = q.time[child], q.key[child], q.slot[child]
        i = child
    q.time[i], q.key[i], q.slot[i] = time, key, slot


@inner
def push_own(q, time, j):
    """Add an own event (crossing or end of refractoriness) of neuron `j`."""
    i = q.n[N_OWN]
    q.n[N_OWN] = i + 1
    q.n[OWN_PUSHES] += 1
    while i > 0:
        parent = (i - 1) >> 1
        if q.own_time[parent] < time or (q.own_time[parent] == time and q.own_id[parent] <= j):
            break
        q.own_time[i], q.own_id[i] = q.own_time[parent], q.own_id[parent]
        i = parent
    q.own_time[i], q.own_id[i] = time, j


@inner
def pop_own(q):
    """Remove the first own event."""
    n = q.n[N_OWN] - 1
    q.n[N_OWN] = n
    if n == 0:
        return
    time, j = q.own_time[n], q.own_id[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        right = child + 1
        if right < n and (q.own_time[right] < q.own_time[child]
                          or (q.own_time[right] == q.own_time[child] and q.own_id[right] < q.own_id[child])):
            child = right
        if q.own_time[child] > time or (q.own_time[child] == time and q.own_id[child] >= j):
            break
        q.own_time[i], q.own_id[i] = q.own_time[child], q.own_id[child]
        i = child
    q.own_time[i], q.own_id[i] = time, j
