"""The loop of the window scheduler: window after window, population after population, lane after lane.

A window is never longer than the shortest delay within a cycle, so everything that arrives in it is known when it begins. It
ends early where a population begins a new cell or epoch, and just after a sample. Within a window populations go in the order
of their connections of short delay. Lanes are independent within a stage of that order; after it everyone takes the spikes of
everyone. One thread may carry all lanes, or a team of threads one each, with the same result.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import ACTIVE, J_TARGET, P_FIRES, WATCHED
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
    GATHERED,
    KEPT,
    KEPT_WORDS,
    PROJECTION_BITS,
    bucket_of,
    link,
    send,
)
from .factors import GENERAL_PATH, MIXED, SOURCE, W_KEEP, W_TEST, WIDE
from .fanout import delay_of, prefetch_delays, prefetch_rows
from .general import begin_cell_general, carry_general
from .groups import part
from .hot import NO_MEMORY, OK, cool, heat, retire
from .lane import (
    H_DUE,
    H_ID,
    H_LAST,
    H_MARGIN,
    L_BASE,
    L_BATCH,
    L_HOT,
    L_REST,
    L_STOP,
    L_WATCH,
    LANE_SIDE,
    LANE_WINDOWS,
    N_WAITING,
    lane_of,
    state_of,
)
from .memory import ADDRESS, CAPACITY, USED, append, grow, load_float, load_int, store_float, store_int
from .mixed import begin_cell_mixed, carry_mixed, prepare_ends
from .neuron import cell_end, epoch_end, rescale, search, voltage
from .plastic import next_epoch
from .stream import CHORD
from .team import meet
from .wide import begin_cell_wide
from .wide_window import carry_wide
from .window import begin_cell, carry

# settings: buckets per second; longest window, s
PER_SECOND, LONGEST = 0, 1
# clock[lane]: where the next window begins. progress[lane, ...]: source spikes given, samples taken, meetings,
# windows since it was last asked whether a team is worth while, synaptic events until then, whether anything is going on
G_GIVEN, G_SAMPLE, G_MEETING, G_TRIAL, G_BUSY, G_EVENTS, G_COLUMNS = 0, 1, 2, 3, 4, 5, 6
# board[side, lane, ...]: what a lane tells the others at a meeting
B_CODE, B_BUSY, B_EVENTS, B_COLUMNS = 0, 1, 2, 8
# results of `run_windows` beside those of `hot`
MORE_HANDS, FEWER_HANDS = 10, 11
RICH, PATIENCE = 4000, 16  # synaptic events per window that are worth a team; windows before it is changed
AHEAD = 6  # spikes whose rows are asked for in advance


@inlined
def next_turn(wir, st, plan, p, now, busy):
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
        rescale(kin, wir, st, first, end, scratch)
        st.pop[p, 0] += 1
    if plan[p, W_TEST] == GENERAL_PATH:
        begin_cell_general(kin, wir, st, lane, p, first, end, epoch, now, scratch)
    elif plan[p, W_TEST] == MIXED:
        begin_cell_mixed(kin, wir, st, lane, planf, p, first, end, now)
    elif plan[p, W_TEST] == WIDE:
        begin_cell_wide(kin, wir, st, lane, p, first, end, now, scratch)
    else:
        begin_cell(kin, wir, st, lane, plan, planf, p, first, end, epoch, now, scratch)


@kernel
def resume(kin, wir, st_all, lanes, plan, planf, now, fresh):
    """Fill the lists of all lanes from the state; `fresh`: a run that begins at t = 0."""
    shards = lanes.n.shape[0]
    for s in range(shards):
        lane, st, scratch = lane_of(lanes, s), state_of(st_all, lanes, s), lanes.scratch[s]
        for p in range(wir.popf.shape[0]):
            if plan[p, W_TEST] == SOURCE:
                continue
            first, end = part(wir, p, s, shards)
            lane.pops[p, L_HOT] = lane.pops[p, L_REST] = lane.pops[p, L_BATCH] = lane.pops[p, L_WATCH] = 0
            lane.pops[p, L_BASE], lane.pops[p, L_STOP] = first, end
            for j in range(first, end):
                watched = st.flag[j, 1] & WATCHED
                st.flag[j, 1] = 0
                due = st.due[j]
                if st.flag[j, 0] != ACTIVE:
                    if due < np.inf:
                        retire(lane, p, due, j)
                elif due < np.inf:
                    heat(st, lane, p, j, now if due > now else -np.inf, due)  # due now: before anything arrives
                    st.due[j] = np.inf
                elif watched and plan[p, W_TEST] == GENERAL_PATH:
                    st.flag[j, 1] = WATCHED
                    lane.watch[first + lane.pops[p, L_WATCH]] = j
                    lane.pops[p, L_WATCH] += 1
                elif watched and plan[p, W_TEST] == CHORD and not fresh:
                    heat(st, lane, p, j, cell_end(wir, st, p, now), np.nan)
            if plan[p, W_TEST] == MIXED and not fresh:
                prepare_ends(kin, wir, st, lane, planf, p, first, end, now)
            if fresh:
                if plan[p, W_TEST] == GENERAL_PATH:
                    begin_cell_general(kin, wir, st, lane, p, first, end, fresh, now, scratch)
                elif plan[p, W_TEST] == MIXED:
                    begin_cell_mixed(kin, wir, st, lane, planf, p, first, end, now)
                elif plan[p, W_TEST] == WIDE:
                    begin_cell_wide(kin, wir, st, lane, p, first, end, now, scratch)
                else:
                    begin_cell(kin, wir, st, lane, plan, planf, p, first, end, fresh, now, scratch)


@kernel
def suspend(kin, wir, st_all, lanes, plan):
    """Search the crossings of all hot neurons, so that the state alone says all that is to come."""
    for s in range(lanes.n.shape[0]):
        lane, st, scratch = lane_of(lanes, s), state_of(st_all, lanes, s), lanes.scratch[s]
        for p in range(wir.popf.shape[0]):
            if plan[p, W_TEST] == SOURCE:
                continue
            while lane.pops[p, L_HOT] > 0:
                entry = lane.pool[lane.pops[p, L_BASE] + lane.pops[p, L_HOT] - 1]
                j, due, last, margin = np.int64(entry[H_ID]), entry[H_DUE], entry[H_LAST], entry[H_MARGIN]
                cool(st, lane, p, j, margin)
                if st.flag[j, 0] == ACTIVE:
                    if np.isnan(due):
                        due = search(kin, wir, st, j, last, scratch)
                    st.due[j] = due
                    if due == np.inf and wir.pop[p, P_FIRES]:
                        st.flag[j, 1] |= WATCHED


@inlined
def gather(lane, side, plan):
    """Copy the spikes of this stage that are wanted to store GATHERED. Returns False without memory."""
    for i in range(lane.mem[FIRED + side, USED]):
        a = lane.mem[FIRED + side, ADDRESS] + i * (8 * FIRED_WORDS)
        if plan[load_int(a + F_POPULATION), W_KEEP] == 0:
            continue
        to = append(lane.mem, GATHERED, KEPT_WORDS)
        if to == 0:
            return False
        store_float(to + F_TIME, load_float(a + F_TIME))
        store_int(to + F_ID, load_int(a + F_ID))
    return True


@inlined
def _first(a, b):
    """Whether the spike at address `a` comes before that at `b`, by time, then neuron."""
    before, after = load_float(a + F_TIME), load_float(b + F_TIME)
    return before < after or (before == after and load_int(a + F_ID) < load_int(b + F_ID))


@inner
def keep(lane, begin, end):
    """Append the spikes of the window to store KEPT, sorted by time, then neuron. Returns False without memory."""
    n, step = lane.mem[GATHERED, USED], 8 * KEPT_WORDS
    while lane.mem[KEPT, CAPACITY] < lane.mem[KEPT, USED] + n + 1:
        if not grow(lane.mem, KEPT, KEPT_WORDS):
            return False
    source = lane.mem[GATHERED, ADDRESS]
    target = lane.mem[KEPT, ADDRESS] + lane.mem[KEPT, USED] * step
    ordered = 1
    while ordered < n and _first(source + (ordered - 1) * step, source + ordered * step):
        ordered += 1
    if ordered >= n:
        for word in range(0, n * step, 8):
            store_int(target + word, load_int(source + word))
        lane.mem[KEPT, USED] += n
        lane.mem[GATHERED, USED] = 0
        return True
    bins = 1
    while bins < n and 2 * bins < lane.count.size - 1:
        bins *= 2
    lane.count[:bins + 1] = 0
    scale = bins / (end - begin)
    for i in range(n):
        lane.count[min(max(np.int64((load_float(source + i * step + F_TIME) - begin) * scale), 0), bins - 1) + 1] += 1
    for b in range(bins):
        lane.count[b + 1] += lane.count[b]
    for i in range(n):
        a = source + i * step
        b = min(max(np.int64((load_float(a + F_TIME) - begin) * scale), 0), bins - 1)
        to = target + lane.count[b] * step
        lane.count[b] += 1
        store_float(to + F_TIME, load_float(a + F_TIME))
        store_int(to + F_ID, load_int(a + F_ID))
    for i in range(1, n):
        a = target + i * step
        time, j = load_float(a + F_TIME), load_int(a + F_ID)
        while a > target and (time < load_float(a - step + F_TIME)
                              or (time == load_float(a - step + F_TIME) and j < load_int(a - step + F_ID))):
            store_float(a + F_TIME, load_float(a - step + F_TIME))
            store_int(a + F_ID, load_int(a - step + F_ID))
            a -= step
        store_float(a + F_TIME, time)
        store_int(a + F_ID, j)
    lane.mem[KEPT, USED] += n
    lane.mem[GATHERED, USED] = 0
    return True


@kernel
def merge(lanes, times, ids):
    """Merge the sorted spikes of all lanes into times, ids; empties store KEPT."""
    shards = lanes.n.shape[0]
    used = np.int64(0)
    while used < times.size:
        best, time, j = -1, np.inf, np.int64(0)
        for s in range(shards):
            at = lanes.mem[s, GATHERED, USED]
            if at == lanes.mem[s, KEPT, USED]:
                continue
            a = lanes.mem[s, KEPT, ADDRESS] + at * (8 * KEPT_WORDS)
            t, i = load_float(a + F_TIME), load_int(a + F_ID)
            if best < 0 or t < time or (t == time and i < j):
                best, time, j = s, t, i
        lanes.mem[best, GATHERED, USED] += 1
        times[used], ids[used] = time, j
        used += 1
    for s in range(shards):
        lanes.mem[s, GATHERED, USED] = lanes.mem[s, KEPT, USED] = 0


@inlined
def going_on(lane):
    """Whether anything is on its way, hot, watched or refractory."""
    if lane.n[N_WAITING] > 0 or lane.noise.shape[0] > 0:
        return True
    for p in range(lane.pops.shape[0]):
        if lane.pops[p, L_HOT] > 0 or lane.pops[p, L_REST] > 0 or lane.pops[p, L_WATCH] > 0:
            return True
    return False


@kernel
def relink(wir, lanes, settings):
    """Put every entry of the calendars into its bucket."""
    for s in range(lanes.n.shape[0]):
        lane = lane_of(lanes, s)
        for entry in range(lane.mem[ENTRIES, USED]):
            a = lane.mem[ENTRIES, ADDRESS] + entry * (8 * ENTRY_WORDS)
            k = load_int(a + E_KEY) & ((1 << PROJECTION_BITS) - 1)
            time = load_float(a + E_BORN) + delay_of(wir, k, load_int(a + E_AT))
            link(lane, wir.proj[k, J_TARGET], entry, time, settings[PER_SECOND])


@inner
def take(wir, lane, lanes, shard, side, per_second):
    """Put the spikes of all lanes on their way to the neurons of `lane`. Returns False without memory."""
    for z in range(lanes.n.shape[0]):
        n, base = lanes.mem[z, FIRED + side, USED], lanes.mem[z, FIRED + side, ADDRESS]
        for i in range(n):
            a = base + i * (8 * FIRED_WORDS)
            if i + AHEAD < n:
                later = a + AHEAD * (8 * FIRED_WORDS)
                prefetch_rows(wir, shard, load_int(later + F_POPULATION), load_int(later + F_ID))
                soon = a + (AHEAD // 2) * (8 * FIRED_WORDS)
                prefetch_delays(wir, shard, load_int(soon + F_POPULATION), load_int(soon + F_ID))
            if not send(wir, lane, shard, load_int(a + F_POPULATION), load_int(a + F_ID), load_float(a + F_TIME),
                        load_float(a + F_AMPLITUDE), per_second):
                return False
    return True


@inner
def give(wir, lane, shard, plan, source_time, source_id, first, end, per_second):
    """Send the source spikes first to end - 1 on their way; the first lane notes them. Returns False without memory."""
    for i in range(first, end):
        j = source_id[i]
        p = wir.who[j, 0]
        if not send(wir, lane, shard, p, j, source_time[i], 1.0, per_second):
            return False
        if shard == 0:
            lane.spikes[p] += 1
            if plan[p, W_KEEP]:
                to = append(lane.mem, GATHERED, KEPT_WORDS)
                if to == 0:
                    return False
                store_float(to + F_TIME, source_time[i])
                store_int(to + F_ID, j)
    return True


@inlined
def end_of_window(wir, st, plan, settings, begin, until, busy, next_source, next_sample):
    """Where the window that begins at `begin` ends (exclusive)."""
    if not busy:
        end = next_source
    elif settings[LONGEST] < np.inf:
        end = (bucket_of(begin, settings[PER_SECOND]) + 1) / settings[PER_SECOND]
        if end <= begin:
            end = begin + 1.0 / settings[PER_SECOND]
    else:
        end = begin + 1.0 / settings[PER_SECOND]
    end = min(end, until)
    if next_sample < end:
        end = np.nextafter(next_sample, np.inf)
    for p in range(plan.shape[0]):
        end = min(end, next_turn(wir, st, plan, p, begin, busy))
    for r in range(wir.rule.shape[0]):
        end = min(end, next_epoch(wir, r, begin))
    return end


@kernel
def run_windows(kin, wir, st_all, lanes, plan, planf, order, iota, low, high, gate, board, settings, clock, progress, until,
                source_time, source_id, probe, max_rounds):
    """Carry lanes low to high - 1 through every event with clock[low] <= time < until.

    order[i]: population, and whether its stage ends with it. gate, board: where a team of one thread per lane meets. Returns
    OK, NO_MEMORY or RAN_AWAY; MORE_HANDS or FEWER_HANDS where a team would be worth while, or is not.
    """
    shards = lanes.n.shape[0]
    team = high - low < shards
    per_second = settings[PER_SECOND]
    begin = clock[low]
    given, sample = progress[low, G_GIVEN], progress[low, G_SAMPLE]
    meeting, trial = progress[low, G_MEETING], progress[low, G_TRIAL]
    busy = progress[low, G_BUSY] != 0
    code, mine = np.int64(OK), np.int64(OK)
    while begin < until and code == OK:
        next_source = source_time[given] if given < source_time.size else np.inf
        busy = busy or next_source <= begin
        next_sample = probe.time[sample] if sample < probe.time.size else np.inf
        end = end_of_window(wir, state_of(st_all, lanes, low), plan, settings, begin, until, busy, next_source, next_sample)
        last = given
        while last < source_time.size and source_time[last] < end:
            last += 1
        fired, events = np.int64(0), np.int64(0)
        for s in range(low, high):
            lane = lane_of(lanes, s)
            lane.n[LANE_WINDOWS] += 1
            if not give(wir, lane, s, plan, source_time, source_id, given, last, per_second):
                mine = np.int64(NO_MEMORY)
        for i in range(order.shape[0]):
            p = order[i, 0]
            side = meeting & 1
            for s in range(low, high):
                lane, st = lane_of(lanes, s), state_of(st_all, lanes, s)
                scratch = lanes.scratch[s]
                lane.n[LANE_SIDE] = side
                if plan[p, W_TEST] == GENERAL_PATH:
                    status = np.int64(carry_general(kin, wir, st, lane, p, begin, end, per_second, max_rounds, scratch))
                elif plan[p, W_TEST] == MIXED:
                    status = carry_mixed(kin, wir, st, lane, plan, planf, iota, p, begin, end, per_second, max_rounds, scratch)
                elif plan[p, W_TEST] == WIDE:
                    status = carry_wide(kin, wir, st, lane, planf, iota, p, begin, end, per_second, max_rounds, scratch)
                else:
                    status = carry(kin, wir, st, lane, plan, planf, iota, p, begin, end, per_second, max_rounds, scratch)
                mine = max(mine, np.int64(status))
            if not order[i, 1]:
                continue
            if team:
                lane = lane_of(lanes, low)
                board[side, low, B_CODE], board[side, low, B_BUSY] = mine, going_on(lane)
                total = np.int64(0)
                for k in range(lane.arrived.size):
                    total += lane.arrived[k]
                board[side, low, B_EVENTS] = total
                meet(gate, shards, meeting + 1)
                for s in range(shards):
                    code = max(code, board[side, s, B_CODE])
            else:
                code = mine
            if code != OK:
                break
            for s in range(shards):
                fired += lanes.mem[s, FIRED + side, USED]
            for s in range(low, high):
                lane = lane_of(lanes, s)
                if not take(wir, lane, lanes, s, side, per_second) or not gather(lane, side, plan):
                    mine = np.int64(NO_MEMORY)  # the others learn of it at the next meeting
            for s in range(low, high):
                lanes.mem[s, FIRED + 1 - side, USED] = 0
            meeting += 1
        if code != OK:
            break
        for s in range(low, high):
            lane, st, scratch = lane_of(lanes, s), state_of(st_all, lanes, s), lanes.scratch[s]
            if lane.mem[GATHERED, USED] > 0 and not keep(lane, begin, end):
                mine = np.int64(NO_MEMORY)
            if next_sample < end:
                for k in range(probe.id.size):
                    first, stop = part(wir, wir.who[probe.id[k], 0], s, shards)
                    if first <= probe.id[k] < stop:
                        probe.value[sample, k] = voltage(kin, wir, st, probe.id[k], next_sample, scratch)
            for p in range(plan.shape[0]):
                if end < until and next_turn(wir, st, plan, p, begin, busy) <= end:
                    turn(kin, wir, st, lane, plan, planf, p, s, shards, end, scratch)
        sample += next_sample < end
        given = last
        busy = fired > 0
        if team:
            for s in range(shards):
                busy = busy or board[1 - (meeting & 1), s, B_BUSY] != 0
                events += board[1 - (meeting & 1), s, B_EVENTS]
        else:
            for s in range(low, high):
                busy = busy or going_on(lane_of(lanes, s))
                for k in range(lanes.arrived.shape[1]):
                    events += lanes.arrived[s, k]
        begin = end
        if shards > 1:
            trial += 1
            if trial == PATIENCE:
                rich = events - progress[low, G_EVENTS] >= RICH * PATIENCE
                progress[low, G_EVENTS] = events
                trial = 0
                if rich != team and begin < until:
                    code = np.int64(FEWER_HANDS if team else MORE_HANDS)
    clock[low] = begin
    progress[low, G_GIVEN], progress[low, G_SAMPLE] = given, sample
    progress[low, G_MEETING], progress[low, G_TRIAL] = meeting, trial
    progress[low, G_BUSY] = busy
    return max(code, mine) if mine != OK else code
