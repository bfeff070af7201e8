"""The loop of the window scheduler: window after window, population after population.

A window is never longer than the shortest delay within a cycle, so everything that arrives in it is known when it begins. It
ends early where a population begins a new cell or epoch, and just after a sample. Within a window populations go in the order
of their connections of short delay.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import ACTIVE, J_TARGET, P_FIRES, P_FIRST, WATCHED
from .calendar import (
    E_AT,
    E_BORN,
    E_KEY,
    ENTRIES,
    ENTRY_WORDS,
    F_AMPLITUDE,
    F_ID,
    F_POPULATION,
    F_TIME,
    FIRED,
    FIRED_WORDS,
    KEPT,
    KEPT_WORDS,
    LANE_WINDOWS,
    N_WAITING,
    PROJECTION_BITS,
    bucket_of,
    link,
    send,
)
from .fanout import delay_of, prefetch_rows
from .general import begin_cell_general, carry_general
from .hot import H_DUE, H_ID, H_LAST, H_MARGIN, L_HOT, L_REST, L_WATCH, NO_MEMORY, OK, cool, heat, record, retire
from .memory import ADDRESS, CAPACITY, USED, append, grow, load_float, load_int, store_float, store_int
from .neuron import cell_end, epoch_end, rescale, search, voltage
from .window import CHORD, GENERAL_PATH, SOURCE, W_TEST, begin_cell, carry

# settings: buckets per second; longest window, s
PER_SECOND, LONGEST = 0, 1


@inlined
def part(wir, p, shard, shards):
    """(first, end) of the neurons of population `p` in `shard`."""
    first = wir.pop[p, P_FIRST]
    n = wir.pop[p + 1, P_FIRST] - first
    return first + n * shard // shards, first + n * (shard + 1) // shards


@inlined
def next_turn(wir, st, lane, plan, p, now, busy):
    """Time at which population `p` begins its next cell or epoch, as far as it needs to."""
    if plan[p, W_TEST] == SOURCE:
        return np.inf
    if wir.pop[p, P_FIRES] == 0 or not busy and (plan[p, W_TEST] == CHORD or plan[p, W_TEST] == GENERAL_PATH):
        return epoch_end(wir, st, p)
    return cell_end(wir, st, p, now)


@inner
def turn(kin, wir, st, lane, plan, planf, p, shard, shards, now, scratch):
    """Begin a new cell or epoch of population `p`."""
    first, end = part(wir, p, shard, shards)
    epoch = epoch_end(wir, st, p) <= now
    if epoch:
        for j in range(first, end):
            rescale(kin, wir, st, j, scratch)
        st.pop[p, 0] += 1
    if plan[p, W_TEST] == GENERAL_PATH:
        begin_cell_general(kin, wir, st, lane, p, first, end, epoch, now, scratch)
    else:
        begin_cell(kin, wir, st, lane, plan, planf, p, first, end, epoch, now, scratch)


@inner
def resume(kin, wir, st, lane, plan, planf, shard, shards, now, fresh, scratch):
    """Fill the lists of the lane from the state; `fresh`: a run that begins at t = 0."""
    for p in range(wir.popf.shape[0]):
        if plan[p, W_TEST] == SOURCE:
            continue
        first, end = part(wir, p, shard, shards)
        for k in range(lane.pops.shape[1]):
            lane.pops[p, k] = 0
        for j in range(first, end):
            watched = st.flag[j, 1] & WATCHED
            st.flag[j, 1] = 0
            due = st.due[j]
            if st.flag[j, 0] != ACTIVE:
                if due < np.inf:
                    retire(wir, lane, p, due, j)
            elif due < np.inf:
                heat(wir, st, lane, p, j, now, due)
                st.due[j] = np.inf
            elif watched and plan[p, W_TEST] == GENERAL_PATH:
                st.flag[j, 1] = WATCHED
                lane.watch[wir.pop[p, P_FIRST] + lane.pops[p, L_WATCH]] = j
                lane.pops[p, L_WATCH] += 1
            elif watched and plan[p, W_TEST] == CHORD and not fresh:
                heat(wir, st, lane, p, j, cell_end(wir, st, p, now), np.nan)
        if fresh:
            if plan[p, W_TEST] == GENERAL_PATH:
                begin_cell_general(kin, wir, st, lane, p, first, end, True, now, scratch)
            else:
                begin_cell(kin, wir, st, lane, plan, planf, p, first, end, True, now, scratch)


@inner
def suspend(kin, wir, st, lane, plan, scratch):
    """Search the crossings of all hot neurons, so that the state alone says all that is to come."""
    for p in range(wir.popf.shape[0]):
        if plan[p, W_TEST] == SOURCE:
            continue
        first = wir.pop[p, P_FIRST]
        while lane.pops[p, L_HOT] > 0:
            entry = lane.pool[first + lane.pops[p, L_HOT] - 1]
            j, due, last, margin = np.int64(entry[H_ID]), entry[H_DUE], entry[H_LAST], entry[H_MARGIN]
            cool(wir, st, lane, p, j, margin)
            if st.flag[j, 0] == ACTIVE:
                if np.isnan(due):
                    due = search(kin, wir, st, j, last, scratch)
                st.due[j] = due
                if due == np.inf and wir.pop[p, P_FIRES]:
                    st.flag[j, 1] |= WATCHED


@inlined
def earlier(a, b):
    """Whether the spike at address `a` comes before that at `b`."""
    ta, tb = load_float(a + F_TIME), load_float(b + F_TIME)
    return ta < tb or (ta == tb and load_int(a + F_ID) < load_int(b + F_ID))


@inner
def sort_spikes(lane, begin, end):
    """Sort the spikes of the window by time, then neuron, into the end of store KEPT. Returns False without memory."""
    n, wide, step = lane.mem[FIRED, USED], 8 * FIRED_WORDS, 8 * KEPT_WORDS
    while lane.mem[KEPT, CAPACITY] < lane.mem[KEPT, USED] + n + 1:
        if not grow(lane.mem, KEPT, KEPT_WORDS):
            return False
    source = lane.mem[FIRED, ADDRESS]
    target = lane.mem[KEPT, ADDRESS] + lane.mem[KEPT, USED] * step
    bins = 1
    while bins < n and bins < lane.count.size - 1:
        bins *= 2
    lane.count[:bins + 1] = 0
    scale = bins / (end - begin)
    for i in range(n):
        lane.count[min(max(np.int64((load_float(source + i * wide + F_TIME) - begin) * scale), 0), bins - 1) + 1] += 1
    for b in range(bins):
        lane.count[b + 1] += lane.count[b]
    for i in range(n):
        a = source + i * wide
        b = min(max(np.int64((load_float(a + F_TIME) - begin) * scale), 0), bins - 1)
        to = target + lane.count[b] * step
        lane.count[b] += 1
        store_float(to + F_TIME, load_float(a + F_TIME))
        store_int(to + F_ID, load_int(a + F_ID))
    for i in range(1, n):
        a = target + i * step
        if not earlier(a, a - step):
            continue
        time, j = load_float(a + F_TIME), load_int(a + F_ID)
        while a > target and (time < load_float(a - step + F_TIME)
                              or (time == load_float(a - step + F_TIME) and j < load_int(a - step + F_ID))):
            store_float(a + F_TIME, load_float(a - step + F_TIME))
            store_int(a + F_ID, load_int(a - step + F_ID))
            a -= step
        store_float(a + F_TIME, time)
        store_int(a + F_ID, j)
    lane.mem[KEPT, USED] += n
    lane.mem[FIRED, USED] = 0
    return True


@inlined
def idle(lane):
    """Whether nothing is on its way, hot, watched or refractory."""
    if lane.n[N_WAITING] > 0:
        return False
    for p in range(lane.pops.shape[0]):
        if lane.pops[p, L_HOT] > 0 or lane.pops[p, L_REST] > 0 or lane.pops[p, L_WATCH] > 0:
            return False
    return True


@kernel
def relink(wir, lane, settings):
    """Put every entry of the calendar into its bucket."""
    for entry in range(lane.mem[ENTRIES, USED]):
        a = lane.mem[ENTRIES, ADDRESS] + entry * (8 * ENTRY_WORDS)
        k = load_int(a + E_KEY) & ((1 << PROJECTION_BITS) - 1)
        time = load_float(a + E_BORN) + delay_of(wir, k, load_int(a + E_AT))
        link(lane, wir.proj[k, J_TARGET], entry, time, settings[PER_SECOND])


@kernel
def run_windows(kin, wir, st, lane, plan, planf, order, iota, shard, shards, settings, clock, fresh, until, source_time,
                source_id, probe, max_rounds, scratch):
    """Process every event with clock[0] <= time < until. Returns OK, NO_MEMORY or RAN_AWAY.

    order[i, 0]: populations in the order of processing; order[i, 1]: whether their spikes may arrive in the same window at
    those that follow. Spikes are appended to store KEPT of the lane.
    """
    per_second, longest = settings[PER_SECOND], settings[LONGEST]
    begin = clock[0]
    given, sample = 0, 0
    resume(kin, wir, st, lane, plan, planf, shard, shards, begin, fresh, scratch)
    while begin < until:
        busy = not idle(lane) or (given < source_time.size and source_time[given] <= begin)
        if not busy:
            end = source_time[given] if given < source_time.size else until
        elif longest < np.inf:
            end = (bucket_of(begin, per_second) + 1) / per_second
            if end <= begin:
                end = begin + longest
        else:
            end = begin + 1.0 / per_second
        end = min(end, until)
        if sample < probe.time.size and probe.time[sample] < end:
            end = np.nextafter(probe.time[sample], np.inf)
        for p in range(plan.shape[0]):
            end = min(end, next_turn(wir, st, lane, plan, p, begin, busy))
        lane.n[LANE_WINDOWS] += 1
        while given < source_time.size and source_time[given] < end:
            j = source_id[given]
            p = wir.who[j, 0]
            if shard == 0 and not record(lane, p, source_time[given], j, 1.0):
                return NO_MEMORY
            if not send(wir, lane, shard, p, j, source_time[given], 1.0, per_second):
                return NO_MEMORY
            given += 1
        sent = lane.mem[FIRED, USED]
        for i in range(order.shape[0]):
            p = order[i, 0]
            if plan[p, W_TEST] == GENERAL_PATH:
                code = carry_general(kin, wir, st, lane, p, begin, end, per_second, max_rounds, scratch)
            else:
                code = carry(kin, wir, st, lane, plan, planf, iota, p, begin, end, per_second, max_rounds, scratch)
            if code != OK:
                clock[0] = begin
                return code
            if order[i, 1]:
                while sent < lane.mem[FIRED, USED]:
                    a = lane.mem[FIRED, ADDRESS] + sent * (8 * FIRED_WORDS)
                    if sent + 6 < lane.mem[FIRED, USED]:
                        later = a + 6 * (8 * FIRED_WORDS)
                        prefetch_rows(wir, load_int(later + F_POPULATION), load_int(later + F_ID))
                    if not send(wir, lane, shard, load_int(a + F_POPULATION), load_int(a + F_ID), load_float(a + F_TIME),
                                load_float(a + F_AMPLITUDE), per_second):
                        return NO_MEMORY
                    sent += 1
        if lane.mem[FIRED, USED] > 0 and not sort_spikes(lane, begin, end):
            return NO_MEMORY
        if sample < probe.time.size and probe.time[sample] < end:
            for s in range(probe.id.size):
                probe.value[sample, s] = voltage(kin, wir, st, probe.id[s], probe.time[sample], scratch)
            sample += 1
        for p in range(plan.shape[0]):
            if end < until and next_turn(wir, st, lane, plan, p, begin, busy) <= end:
                turn(kin, wir, st, lane, plan, planf, p, shard, shards, end, scratch)
        begin = end
    clock[0] = until
    suspend(kin, wir, st, lane, plan, scratch)
    return OK
