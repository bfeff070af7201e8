"""Hot neurons of the window scheduler: those that may cross before the end of their cell (or epoch).

Their margin reads +inf, so every arrival at them is noticed, and they have an entry in the pool of their population: the true
margin, the modes after the last event, its time, and the time of the next crossing once it has been searched. Whether a hot
neuron has crossed is decided lazily from the value of V; only `neuron.search` says when.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    AMP0_ROW,
    MARGIN,
    MODES,
    P_LEARNS,
    REFRACTORY,
    S_T_REF,
    SLOPE_ROW,
)
from .calendar import F_AMPLITUDE, F_ID, F_POPULATION, F_TIME, FIRED, FIRED_WORDS
from .crossing import next_crossing
from .flow import decay, dot, read_row
from .lane import (
    H_COLUMNS,
    H_DUE,
    H_ID,
    H_LAST,
    H_MARGIN,
    H_X,
    L_BASE,
    L_BATCH,
    L_HOT,
    L_REST,
    LANE_RUNAWAY,
    LANE_SEARCHES,
    LANE_SIDE,
)
from .memory import append, store_float, store_int
from .neuron import S_EXP, S_ROW, S_WORK, cell_end, epoch_start, margin_now, release, search, spike
from .plastic import learn_column
from .simd import address, prefetch

OK, NO_MEMORY, RAN_AWAY = 0, 1, 2
NO, YES, UNSURE = 0, 1, 2
SURE = 1e-9


@inlined
def heat(st, lane, p, j, last, due):
    """Make neuron `j` hot."""
    at = lane.pops[p, L_BASE] + lane.pops[p, L_HOT]
    lane.pops[p, L_HOT] += 1
    lane.slot[j] = at
    entry = lane.pool[at]
    entry[H_MARGIN] = st.cell[j, MARGIN]
    entry[H_X], entry[H_X + 1], entry[H_X + 2] = st.cell[j, MODES], st.cell[j, MODES + 1], st.cell[j, MODES + 2]
    entry[H_LAST], entry[H_DUE], entry[H_ID] = last, due, j
    st.cell[j, MARGIN] = np.inf


@inlined
def cool(st, lane, p, j, margin):
    """Take neuron `j` out of the pool."""
    at = lane.slot[j]
    lane.pops[p, L_HOT] -= 1
    end = lane.pops[p, L_BASE] + lane.pops[p, L_HOT]
    if at != end:
        for k in range(H_COLUMNS - 1):
            lane.pool[at, k] = lane.pool[end, k]
        lane.slot[np.int64(lane.pool[at, H_ID])] = at
    st.cell[j, MARGIN] = margin


@inlined
def retire(lane, p, time, j):
    """Note the end of refractoriness of neuron `j`."""
    at = lane.pops[p, L_BASE] + lane.pops[p, L_REST]
    lane.rest[at, 0], lane.rest[at, 1] = time, j
    lane.pops[p, L_REST] += 1


@inlined
def record(lane, p, time, j, amplitude):
    """Note a spike of this window. Returns False without memory."""
    a = append(lane.mem, FIRED + lane.n[LANE_SIDE], FIRED_WORDS)
    if a == 0:
        return False
    store_float(a + F_TIME, time)
    store_int(a + F_ID, j)
    store_float(a + F_AMPLITUDE, amplitude)
    store_int(a + F_POPULATION, p)
    lane.spikes[p] += 1
    return True


@inner
def rising(kin, wir, st, p, j, now, scratch):
    """Whether V of neuron `j` still rises when the cell that `now` lies in ends."""
    c = wir.who[j, 1]
    time = cell_end(wir, st, p, now) - epoch_start(wir, st, p)
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, SLOPE_ROW], scratch[S_ROW])
    return dot(kin, c, scratch[S_ROW], st.cell[j], MODES) > 0.0


@inner
def advance(kin, wir, st, lane, p, j, upto, end, patient, max_rounds, scratch):
    """Own events of hot neuron `j` up to and including time `upto`, in a window that ends at `end` (exclusive).

    Its modes in `st` are those of its last event. Afterwards it is hot still, or cooled: resting, or active without a crossing
    to come in this cell (`patient` not 0: nor in a later one). Returns OK, NO_MEMORY or RAN_AWAY.
    """
    entry = lane.pool[lane.slot[j]]
    st.cell[j, MARGIN] = entry[H_MARGIN]
    last, due = entry[H_LAST], entry[H_DUE]
    rounds, before = 0, -np.inf
    while True:
        if st.flag[j, 0] == REFRACTORY:
            time = st.due[j]
            if time > upto:
                break
            release(kin, wir, st, j, time, scratch)
            last = time
            due = time if margin_now(kin, wir, st, j, time, scratch) >= 0.0 else np.nan
        else:
            if np.isnan(due):
                lane.n[LANE_SEARCHES] += 1
                due = search(kin, wir, st, j, last, scratch)
            if due > upto:
                break
            rounds = rounds + 1 if due == before else 0
            before = last = due
            if rounds > max_rounds:
                lane.n[LANE_RUNAWAY] = j
                return RAN_AWAY
            if not record(lane, p, due, j, spike(kin, wir, st, j, due, scratch)):
                return NO_MEMORY
            if wir.pop[p, P_LEARNS]:
                learn_column(wir, st, p, j, due)
            if st.flag[j, 0] == ACTIVE:
                due = last if margin_now(kin, wir, st, j, last, scratch) >= 0.0 else np.nan
    margin = st.cell[j, MARGIN]
    if st.flag[j, 0] == REFRACTORY and st.due[j] >= end:
        cool(st, lane, p, j, -np.inf)
        if st.due[j] < np.inf:
            retire(lane, p, st.due[j], j)
        return OK
    if st.flag[j, 0] == ACTIVE and due == np.inf:
        if patient == 0 or not rising(kin, wir, st, p, j, last, scratch):
            cool(st, lane, p, j, margin)
            return OK
        due = np.nan
    entry[H_MARGIN], entry[H_LAST], entry[H_DUE] = margin, last, due
    entry[H_X], entry[H_X + 1], entry[H_X + 2] = st.cell[j, MODES], st.cell[j, MODES + 1], st.cell[j, MODES + 2]
    st.cell[j, MARGIN] = np.inf
    return OK


@inlined
def crossed(margin, x0, x1, x2, modes, row, slope):
    """Whether a hot neuron has crossed since its last event, by the value of V now: NO, YES or UNSURE.

    row : V - threshold of the modes now; slope : its derivative (two modes), or the steepest fall over the length of a cell
    before now (three modes: slope[0:3] and slope[3:6]).
    """
    a, b, c = row[0] * x0, row[1] * x1, row[2] * x2
    f = margin + (a + b + c)
    doubt = SURE * (abs(margin) + abs(a) + abs(b) + abs(c))
    if f >= doubt:
        return YES
    if f > -doubt:
        return UNSURE
    if modes < 3:
        if margin > 0.0:
            return NO
        rise, fall = slope[0] * x0, slope[1] * x1
        return NO if rise + fall > SURE * (abs(rise) + abs(fall)) else UNSURE
    fall = max(slope[0] * x0, slope[3] * x0) + max(slope[1] * x1, slope[4] * x1) + max(slope[2] * x2, slope[5] * x2)
    return NO if f + max(fall, 0.0) < -doubt else UNSURE


@inlined
def condemn(st, lane, p, j):
    """Neuron `j` has crossed in this window: keep what `solve_batch` needs, and let it rest."""
    at = lane.pops[p, L_BASE] + lane.pops[p, L_BATCH]
    lane.pops[p, L_BATCH] += 1
    entry = lane.pool[lane.slot[j]]
    for k in range(H_COLUMNS - 1):
        lane.batch[at, k] = entry[k]
    cool(st, lane, p, j, -np.inf)
    st.flag[j, 0] = REFRACTORY
    prefetch(address(st.par) + j * (8 * st.par.shape[1]) + 8 * S_T_REF)


@inner
def _in_order(times, n, begin, end, count, order):
    """order[i] = (time, place) of the `n` crossings times[place] within a window, sorted by time."""
    bins = 1
    while bins < n and 2 * bins < count.size - 1:
        bins *= 2
    count[:bins + 1] = 0
    scale = bins / (end - begin)
    for i in range(n):
        count[min(max(np.int64((times[i, H_DUE] - begin) * scale), 0), bins - 1) + 1] += 1
    for b in range(bins):
        count[b + 1] += count[b]
    for i in range(n):
        b = min(max(np.int64((times[i, H_DUE] - begin) * scale), 0), bins - 1)
        to = count[b]
        count[b] += 1
        order[to, 0], order[to, 1] = times[i, H_DUE], i
    for i in range(1, n):
        time, place = order[i, 0], order[i, 1]
        to = i
        while to > 0 and order[to - 1, 0] > time:
            order[to, 0], order[to, 1] = order[to - 1, 0], order[to - 1, 1]
            to -= 1
        order[to, 0], order[to, 1] = time, place


@inner
def solve_batch(kin, wir, st, lane, p, begin, end, scratch):
    """The crossings of all neurons condemned in the window, and cell, from `begin` to `end`. Returns OK or NO_MEMORY.

    They are noted in the order of time, so that every later sort finds them in order.
    """
    first, n = lane.pops[p, L_BASE], lane.pops[p, L_BATCH]
    batch, order = lane.batch[first:], lane.ending[first:]
    start = epoch_start(wir, st, p)
    until = cell_end(wir, st, p, begin) - start
    lane.n[LANE_SEARCHES] += n
    for at in range(n):
        entry = batch[at]
        if np.isnan(entry[H_DUE]):
            last = entry[H_LAST]
            c = wir.who[np.int64(entry[H_ID]), 1]
            t = next_crossing(kin, c, entry[H_MARGIN], entry, H_X, last - start, until, scratch[S_WORK:])
            entry[H_DUE] = max(start + t, last)
    _in_order(batch, n, begin, end, lane.count, order)
    for at in range(n):
        due, j = order[at, 0], np.int64(batch[np.int64(order[at, 1]), H_ID])
        if not record(lane, p, due, j, kin.f[wir.who[j, 1], AMP0_ROW, 0]):
            return NO_MEMORY
        st.due[j] = due + st.par[j, S_T_REF]
        if st.due[j] < np.inf:
            retire(lane, p, st.due[j], j)
    lane.pops[p, L_BATCH] = 0
    return OK
