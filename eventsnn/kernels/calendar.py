"""The calendar of the window scheduler: spikes on their way, and the arrivals of one window in order.

An entry is a spike on its way along one row (or shard of a row), at the next synapse to deliver; it lies in the bucket of that
arrival time, in the ring of buckets of the target population. `collect` takes what arrives within a window out of the buckets:
one record per run of synapses of equal delay, sorted by (time, source, projection, position, order of emission).
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import J_OUT, J_TARGET, J_WEIGHT, P_FIRST, P_OUT
from .fanout import delay_of, prefetch_delay, row_span, run_end
from .lane import FREE_ENTRY, L_BASE, L_STOP, LANE_SHARD, N_WAITING
from .memory import ADDRESS, CAPACITY, USED, append, grow, load_float, load_int, store_float, store_int
from .private import N_TARGET, collect_noise
from .simd import address, prefetch

# stores of Lane.mem, and their words
# FIRED and the one after it are filled in turn: other threads may still read the one while the next is filled
ENTRIES, RECORDS, SORTED, FIRED, GATHERED, KEPT, N_STORES = 0, 1, 2, 3, 5, 6, 7
ENTRY_WORDS, RECORD_WORDS, FIRED_WORDS = 6, 6, 4
# words of an entry: time of the spike, amplitude, key (source, projection), position, end of the row, next entry
E_BORN, E_AMPLITUDE, E_KEY, E_AT, E_STOP, E_NEXT = 0, 8, 16, 24, 32, 40
# words of a record: time, amplitude, key, first and end of the synapses, bucket while sorting
R_TIME, R_AMPLITUDE, R_KEY, R_FIRST, R_END, R_BIN = 0, 8, 16, 24, 32, 40
# words of a spike: time, neuron, amplitude, population
F_TIME, F_ID, F_AMPLITUDE, F_POPULATION = 0, 8, 16, 24
KEPT_WORDS = 2  # of a spike in the order of time: time, neuron
PROJECTION_BITS = 20
NONE = -1
FEW_SYNAPSES = 3  # rows as short as this are fetched when they are collected
FEW = 24  # records below this are sorted by insertion alone


@inlined
def bucket_of(time, per_second):
    """Number of the bucket (not wrapped) that `time` lies in."""
    return np.int64(time * per_second)


@inlined
def link(lane, p, entry, time, per_second):
    """Append entry number `entry` to its bucket."""
    mask = lane.head.shape[1] // 2 - 1
    b = 2 * (bucket_of(time, per_second) & mask)
    base = lane.mem[ENTRIES, ADDRESS]
    store_int(base + entry * (8 * ENTRY_WORDS) + E_NEXT, np.int64(NONE))
    last = lane.head[p, b + 1]
    if last == NONE:
        lane.head[p, b] = entry
    else:
        store_int(base + last * (8 * ENTRY_WORDS) + E_NEXT, entry)
    lane.head[p, b + 1] = entry


@inlined
def send(wir, lane, shard, p, j, time, amplitude, per_second):
    """Put a spike of neuron `j` of population `p` on its way to the neurons of `shard`. Returns False without memory."""
    source = j - wir.pop[p, P_FIRST]
    for o in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[o, J_OUT]
        first, end = row_span(wir, k, source, shard)
        if first == end:
            continue
        entry = lane.n[FREE_ENTRY]
        if entry != NONE:
            a = lane.mem[ENTRIES, ADDRESS] + entry * (8 * ENTRY_WORDS)
            lane.n[FREE_ENTRY] = load_int(a + E_NEXT)
        else:
            entry = lane.mem[ENTRIES, USED]
            a = append(lane.mem, ENTRIES, ENTRY_WORDS)
            if a == 0:
                return False
        store_float(a + E_BORN, time)
        store_float(a + E_AMPLITUDE, amplitude)
        store_int(a + E_KEY, (j << PROJECTION_BITS) | k)
        store_int(a + E_AT, first)
        store_int(a + E_STOP, end)
        lane.n[N_WAITING] += 1
        link(lane, wir.proj[k, J_TARGET], entry, time + delay_of(wir, k, first), per_second)
    return True


@inlined
def _before(a, b):
    """Whether record at address `a` comes before that at `b`; equal ones keep their order."""
    ta, tb = load_float(a + R_TIME), load_float(b + R_TIME)
    if ta != tb:
        return ta < tb
    ka, kb = load_int(a + R_KEY), load_int(b + R_KEY)
    if ka != kb:
        return ka < kb
    return load_int(a + R_FIRST) < load_int(b + R_FIRST)


@inlined
def _copy(source, target):
    for word in range(0, 8 * RECORD_WORDS, 8):
        store_int(target + word, load_int(source + word))


@inner
def _insert(base, n, spare):
    """Insertion sort of `n` records at `base`; `spare`: address of room for one more."""
    step = 8 * RECORD_WORDS
    for i in range(1, n):
        a = base + i * step
        if not _before(a, a - step):
            continue
        _copy(a, spare)
        while a > base and _before(spare, a - step):
            _copy(a - step, a)
            a -= step
        _copy(spare, a)


@inner
def _sort(lane, n, start, end):
    """Sort the records of store RECORDS: into bins of time, then by insertion. Returns `n`, or -1 without memory."""
    for k in (RECORDS, SORTED):
        while lane.mem[k, CAPACITY] < n + 1:
            if not grow(lane.mem, k, RECORD_WORDS):
                return np.int64(-1)
    step = 8 * RECORD_WORDS
    base, sorted_ = lane.mem[RECORDS, ADDRESS], lane.mem[SORTED, ADDRESS]
    if n <= FEW:
        _insert(base, n, sorted_)
        return n
    bins = 1
    while bins < n and 2 * bins < lane.count.size - 1:
        bins *= 2
    lane.count[:bins + 1] = 0
    scale = bins / (end - start)
    for i in range(n):
        a = base + i * step
        b = min(max(np.int64((load_float(a + R_TIME) - start) * scale), 0), bins - 1)
        store_int(a + R_BIN, b)
        lane.count[b + 1] += 1
    for b in range(bins):
        lane.count[b + 1] += lane.count[b]
    for i in range(n):
        a = base + i * step
        b = load_int(a + R_BIN)
        _copy(a, sorted_ + lane.count[b] * step)
        lane.count[b] += 1
    _insert(sorted_, n, base)
    for word in range(CAPACITY + 1):
        lane.mem[RECORDS, word], lane.mem[SORTED, word] = lane.mem[SORTED, word], lane.mem[RECORDS, word]
    return n


@inner
def collect(wir, lane, p, start, end, per_second):
    """Records of all arrivals at population `p` with start <= time < end. Returns their number, or -1 without memory.

    They lie in order in store RECORDS.
    """
    lane.mem[RECORDS, USED] = 0
    buckets = lane.head.shape[1] // 2
    low = bucket_of(start, per_second)
    high = min(bucket_of(end, per_second), low + buckets - 1)
    in_order = True
    posts, weights = address(wir.post), address(wir.w32)
    for b in range(low, high + 1):
        at = 2 * (b & (buckets - 1))
        entry = lane.head[p, at]
        lane.head[p, at], lane.head[p, at + 1] = NONE, NONE
        while entry != NONE:
            a = lane.mem[ENTRIES, ADDRESS] + entry * (8 * ENTRY_WORDS)
            following = load_int(a + E_NEXT)
            if following != NONE:
                later = lane.mem[ENTRIES, ADDRESS] + following * (8 * ENTRY_WORDS)
                prefetch_delay(wir, load_int(later + E_KEY) & ((1 << PROJECTION_BITS) - 1), load_int(later + E_AT))
            key = load_int(a + E_KEY)
            k = key & ((1 << PROJECTION_BITS) - 1)
            born, first, stop = load_float(a + E_BORN), load_int(a + E_AT), load_int(a + E_STOP)
            time = born + delay_of(wir, k, first)
            while time < end:
                until = run_end(wir, k, first, stop)
                r = append(lane.mem, RECORDS, RECORD_WORDS)
                if r == 0:
                    return np.int64(-1)
                store_float(r + R_TIME, time)
                store_float(r + R_AMPLITUDE, load_float(a + E_AMPLITUDE))
                store_int(r + R_KEY, key)
                store_int(r + R_FIRST, first)
                store_int(r + R_END, until)
                if until - first <= FEW_SYNAPSES:
                    prefetch(posts + 4 * first)
                    prefetch(weights + 4 * (wir.proj[k, J_WEIGHT] + first))
                if lane.mem[RECORDS, USED] > 1 and in_order:
                    in_order = not _before(r, r - 8 * RECORD_WORDS)
                first = until
                if first == stop:
                    break
                time = born + delay_of(wir, k, first)
            if first < stop:
                store_int(a + E_AT, first)
                link(lane, p, entry, time, per_second)
            else:
                store_int(a + E_NEXT, lane.n[FREE_ENTRY])
                lane.n[FREE_ENTRY] = entry
                lane.n[N_WAITING] -= 1
            entry = following
    for row in range(lane.noise.shape[0]):
        if lane.noise[row, N_TARGET] == p:
            zero = wir.pop[p, P_FIRST]
            if not collect_noise(wir, lane, row, lane.n[LANE_SHARD], lane.pops[p, L_BASE] - zero, lane.pops[p, L_STOP] - zero,
                                 end, RECORDS, RECORD_WORDS, PROJECTION_BITS):
                return np.int64(-1)
            in_order = False
    n = lane.mem[RECORDS, USED]
    return n if in_order else _sort(lane, n, start, end)
