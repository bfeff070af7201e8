"""What is to come in grid time, and lists of what is due: rings of buckets, one per step.

Spikes on their way are entries in a ring of buckets, one per step and target population; they hop from delay to delay along
their row. Candidate steps lie in a second ring, of doubly linked lists.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inlined, inner
from ..layout import J_OUT, J_SHARDS, J_TARGET, P_FIRST, P_OUT
from .fanout import delay_of, row_span

# Calendar.n
NEXT, N_ENTRIES, FREE, N_OUT, N_SOURCE, VISITS, SEARCHES, N_NEAR, PEAK, SWEPT, N_COUNTERS = range(11)
# Calendar.mood
SWEEPING, BALANCE, MOODS = range(3)
NOBODY = -1


class Calendar(NamedTuple):
    """What is to come. Steps are whole numbers; the rings have `head.shape[1]` and `due_head.shape[1]` buckets, powers of 2."""

    n: np.ndarray  # i8[N_COUNTERS]
    entry: np.ndarray  # i8[capacity, 6] step of arrival, source, projection, position, end of the row, next in its list
    born: np.ndarray  # i8[capacity] step of the spike
    amplitude: np.ndarray  # f8[capacity]
    head: np.ndarray  # i8[n_pop, ring]
    tail: np.ndarray  # i8[n_pop, ring]
    due_head: np.ndarray  # i8[n_pop, due ring]
    due_link: np.ndarray  # i8[N, 3] next, previous, bucket (-1: in none)
    mood: np.ndarray  # i8[n_pop, MOODS] whether it is swept as a whole, and what the other way would have saved so far


class Step(NamedTuple):
    """Scratch memory of one step, and what comes out."""

    sums: np.ndarray  # f8[ports, N] arrivals of this step
    places: np.ndarray  # f8[N] the same of convolutions, in the order (place, channel) within a population
    mark: np.ndarray  # i8[N] the last step in which the neuron was touched
    touched: np.ndarray  # i8[N]
    fired: np.ndarray  # i8[N]
    count: np.ndarray  # i8[N] spikes of a neuron in this step
    y: np.ndarray  # f8[M]
    drawn_id: np.ndarray  # u4
    drawn_weight: np.ndarray  # f8
    out: np.ndarray  # i8[capacity, 3] step, neuron, how many
    near: np.ndarray  # i8[capacity, 2] neuron, step


@inlined
def put(cal, slot, target):
    """Append entry `slot` to the bucket of its step."""
    ring = cal.entry[slot, 0] & (cal.head.shape[1] - 1)
    cal.entry[slot, 5] = NOBODY
    if cal.head[target, ring] == NOBODY:
        cal.head[target, ring] = slot
    else:
        cal.entry[cal.tail[target, ring], 5] = slot
    cal.tail[target, ring] = slot


@inner
def send(wir, cal, p, j, now, amplitude, dt):
    """Put a spike of neuron `j` of population `p` on its way along all its rows."""
    source = j - wir.pop[p, P_FIRST]
    for o in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[o, J_OUT]
        for shard in range(wir.proj[k, J_SHARDS]):
            at, stop = row_span(wir, k, source, shard)
            if at >= stop:
                continue
            slot = cal.n[FREE]
            cal.n[FREE] = cal.entry[slot, 5]
            cal.n[N_ENTRIES] += 1
            cal.entry[slot, 0] = now + np.int64(delay_of(wir, k, at) / dt + 0.5)
            cal.entry[slot, 1], cal.entry[slot, 2], cal.entry[slot, 3], cal.entry[slot, 4] = source, k, at, stop
            cal.born[slot], cal.amplitude[slot] = now, amplitude
            put(cal, slot, wir.proj[k, J_TARGET])
    cal.n[PEAK] = max(cal.n[PEAK], cal.n[N_ENTRIES])


@inlined
def unschedule(cal, p, j):
    """Take neuron `j` out of the bucket of its candidate step."""
    bucket = cal.due_link[j, 2]
    if bucket == NOBODY:
        return
    after, before = cal.due_link[j, 0], cal.due_link[j, 1]
    if before == NOBODY:
        cal.due_head[p, bucket] = after
    else:
        cal.due_link[before, 0] = after
    if after != NOBODY:
        cal.due_link[after, 1] = before
    cal.due_link[j, 2] = NOBODY


@inlined
def enter(cal, p, j, due):
    """Put neuron `j` into the bucket of its candidate step."""
    bucket = due & (cal.due_head.shape[1] - 1)
    first = cal.due_head[p, bucket]
    cal.due_link[j, 0], cal.due_link[j, 1], cal.due_link[j, 2] = first, NOBODY, bucket
    if first != NOBODY:
        cal.due_link[first, 1] = j
    cal.due_head[p, bucket] = j


@inlined
def schedule(st, cal, p, j, due):
    """Let neuron `j` be looked at in step `due`, instead of what was due before."""
    if due == st.due[j]:
        return
    unschedule(cal, p, j)
    st.due[j] = due
    if due < np.inf:
        enter(cal, p, j, np.int64(due))


@inlined
def record(st, cal, step, p, j, now, count):
    """Note `count` spikes of neuron `j`."""
    out = cal.n[N_OUT]
    step.out[out, 0], step.out[out, 1], step.out[out, 2] = now, j, count
    cal.n[N_OUT] += 1
    st.pop[p, 1] += count
