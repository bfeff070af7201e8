"""Neurons of one kinetic class with four modes in a window: adapting neurons, graded spikes, no jumps of V.

The test CELL over four modes for every arrival, hot neurons as in `window`; a hot neuron lives up to an arrival before the
arrival is added, and its spikes, which may change modes, are solved one by one.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    MARGIN,
    MARGIN_ROW,
    MODES,
    P_CLASS,
    P_GROUP,
    P_HORIZON,
    P_RESET,
    RATE_HI,
)
from .elementary import exp
from .factors import W_WIDE
from .flow import decay, read_row
from .groups import group
from .hot import NO, NO_MEMORY, OK, RAN_AWAY, SURE, UNSURE, advance, cool, heat, record
from .lane import (
    F_FALL,
    F_NOW,
    F_TEST,
    H_DUE,
    H_LAST,
    H_MARGIN,
    L_BASE,
    L_HOT,
    LANE_HOT_EVENTS,
    LANE_RUNAWAY,
    LANE_SEARCHES,
)
from .neuron import S_EXP, S_ROW, cell_end, epoch_start, margin_now, search, spike
from .simd import SLACK, address, wide_arrival

WIDE_MODES = 4


@inlined
def wide_test(kin, c, here, there, lane, scratch):
    """lane.factor[F_TEST] for the rest of a cell, epoch times `here` to `there`: V - threshold at its end, steepest falls."""
    f = lane.factor[F_TEST]
    decay(kin, c, there, scratch[S_EXP])
    read_row(kin, c, there, scratch[S_EXP], kin.f[c, MARGIN_ROW], scratch[S_ROW])
    for k in range(WIDE_MODES):
        part = kin.f[c, RATE_HI, k] * (there - here)
        f[k] = scratch[S_ROW, k]
        f[4 + k], f[8 + k] = part * f[k], part * f[k] * exp(part)


@inlined
def may_cross_wide(m, x0, x1, x2, x3, f):
    """The test CELL for one neuron."""
    a, b, c, d = f[0] * x0, f[1] * x1, f[2] * x2, f[3] * x3
    fall = (max(f[4] * x0, f[8] * x0) + max(f[5] * x1, f[9] * x1)) + (max(f[6] * x2, f[10] * x2) + max(f[7] * x3, f[11] * x3))
    return (m + ((a + b) + (c + d))) + max(fall, 0.0) + SLACK * (abs(m) + abs(a) + abs(b) + abs(c) + abs(d)) >= 0.0


@inlined
def wide_rows(kin, planf, p, c, time, lane, scratch):
    """lane.factor[F_NOW]: V - threshold at epoch time `time`; [F_FALL]: the steepest falls over a whole cell before it."""
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, MARGIN_ROW], scratch[S_ROW])
    row, fall = lane.factor[F_NOW], lane.factor[F_FALL]
    for k in range(WIDE_MODES):
        row[k] = scratch[S_ROW, k]
        fall[k], fall[4 + k] = planf[p, W_WIDE + k] * row[k], planf[p, W_WIDE + 4 + k] * row[k]


@inlined
def still_below(margin, x0, x1, x2, x3, row, fall, share):
    """Whether a hot neuron surely has not crossed since its last event, so long ago as `share` of a cell."""
    a, b, c, d = row[0] * x0, row[1] * x1, row[2] * x2, row[3] * x3
    most = (max(fall[0] * x0, fall[4] * x0) + max(fall[1] * x1, fall[5] * x1)) + (
        max(fall[2] * x2, fall[6] * x2) + max(fall[3] * x3, fall[7] * x3))
    doubt = SURE * (abs(margin) + abs(a) + abs(b) + abs(c) + abs(d))
    return (margin + ((a + b) + (c + d))) + share * max(most, 0.0) < -doubt


@inner
def live_wide(kin, wir, st, lane, p, j, upto, max_rounds, scratch):
    """`hot.advance` for a neuron without reset, up to and including time `upto`: a search only where the test asks for one."""
    entry, x = lane.pool[lane.slot[j]], st.cell[j]
    margin, last, due = entry[H_MARGIN], entry[H_LAST], entry[H_DUE]
    x[MARGIN] = margin
    rounds, before = 0, -np.inf
    while True:
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
        due = np.inf
        if may_cross_wide(margin, x[MODES], x[MODES + 1], x[MODES + 2], x[MODES + 3], lane.factor[F_TEST]):
            due = last if margin_now(kin, wir, st, j, last, scratch) >= 0.0 else np.nan
    if due == np.inf:
        cool(st, lane, p, j, margin)
        return OK
    entry[H_LAST], entry[H_DUE] = last, due
    x[MARGIN] = np.inf
    return OK


@inlined
def calm(wir, st, lane, p, j, now):
    """Whether neuron `j` surely does not cross up to `now`; F_NOW and F_FALL are prepared."""
    if st.cell[j, MARGIN] != np.inf:
        return True
    entry, x = lane.pool[lane.slot[j]], st.cell[j]
    if not np.isnan(entry[H_DUE]):
        return entry[H_DUE] > now
    return still_below(entry[H_MARGIN], x[MODES], x[MODES + 1], x[MODES + 2], x[MODES + 3], lane.factor[F_NOW],
                       lane.factor[F_FALL], (now - entry[H_LAST]) / wir.popf[p, P_HORIZON] * (1.0 + SURE))


@inner
def _searched(kin, wir, st, lane, p, j, scratch):
    """When hot neuron `j` is due; it is cooled if it does not cross in this cell."""
    entry = lane.pool[lane.slot[j]]
    if np.isnan(entry[H_DUE]):
        lane.n[LANE_SEARCHES] += 1
        st.cell[j, MARGIN] = entry[H_MARGIN]
        entry[H_DUE] = search(kin, wir, st, j, entry[H_LAST], scratch)
        st.cell[j, MARGIN] = np.inf
    due = entry[H_DUE]
    if due == np.inf:
        cool(st, lane, p, j, entry[H_MARGIN])
    return due


@inner
def live_group(kin, wir, st, lane, p, first, stop, upto, max_rounds, scratch):
    """Spikes of the group first to stop - 1, of whom the first to cross spikes for all, up to and including time `upto`.

    A spike lowers V - threshold of all of them, so those that are cold stay so.
    """
    rounds, before = 0, -np.inf
    while True:
        due, who = np.inf, np.int64(-1)
        for j in range(first, stop):
            if not calm(wir, st, lane, p, j, upto):
                time = _searched(kin, wir, st, lane, p, j, scratch)
                if time < due:
                    due, who = time, np.int64(j)
        if due > upto:
            return OK
        rounds = rounds + 1 if due == before else 0
        before = due
        if rounds > max_rounds:
            lane.n[LANE_RUNAWAY] = who
            return RAN_AWAY
        if not record(lane, p, due, who, spike(kin, wir, st, who, due, scratch)):
            return NO_MEMORY
        for j in range(first, stop):
            if j != who:
                spike(kin, wir, st, j, due, scratch)
            if st.cell[j, MARGIN] != np.inf:
                continue
            entry, x = lane.pool[lane.slot[j]], st.cell[j]
            waited = entry[H_DUE]
            entry[H_LAST], entry[H_DUE] = max(entry[H_LAST], due), np.nan
            if not may_cross_wide(entry[H_MARGIN], x[MODES], x[MODES + 1], x[MODES + 2], x[MODES + 3], lane.factor[F_TEST]):
                cool(st, lane, p, j, entry[H_MARGIN])
            elif waited <= due:
                x[MARGIN] = entry[H_MARGIN]
                above = margin_now(kin, wir, st, j, due, scratch) >= 0.0
                x[MARGIN] = np.inf
                if above:
                    entry[H_DUE] = due


@inlined
def judge_group(kin, wir, st, lane, p, j, now, max_rounds, scratch):
    """The group of neuron `j` lives up to `now`; F_NOW and F_FALL are prepared."""
    first, stop = group(wir, p, j)
    for m in range(first, stop):
        if not calm(wir, st, lane, p, m, now):
            return live_group(kin, wir, st, lane, p, first, stop, now, max_rounds, scratch)
    return OK


@inlined
def judge_wide(kin, wir, st, lane, p, j, now, end, max_rounds, scratch):
    """Hot neuron `j`, whose modes are those of its last event, lives up to `now`; F_NOW and F_FALL are prepared."""
    if wir.pop[p, P_GROUP] > 1:
        return np.int64(judge_group(kin, wir, st, lane, p, j, now, max_rounds, scratch))
    entry = lane.pool[lane.slot[j]]
    verdict = np.int64(UNSURE)
    if st.flag[j, 0] == ACTIVE and np.isnan(entry[H_DUE]):
        x = st.cell[j]
        if still_below(entry[H_MARGIN], x[MODES], x[MODES + 1], x[MODES + 2], x[MODES + 3], lane.factor[F_NOW],
                       lane.factor[F_FALL], (now - entry[H_LAST]) / wir.popf[p, P_HORIZON] * (1.0 + SURE)):
            verdict = np.int64(NO)
    if verdict == NO:
        return np.int64(OK)
    if wir.pop[p, P_RESET]:
        return np.int64(advance(kin, wir, st, lane, p, j, now, end, np.int64(0), max_rounds, scratch))
    return np.int64(live_wide(kin, wir, st, lane, p, j, now, max_rounds, scratch))


@inlined
def hot_arrival(kin, wir, st, lane, planf, p, j, weight, jumps, now, end, max_rounds, scratch):
    """An arrival at hot neuron `j`, which lives up to `now` before it is added; F_NOW and F_FALL are prepared.

    jumps: address of what an arrival of weight 1 adds to the modes.
    """
    if lane.pool[lane.slot[j], H_LAST] < now:
        lane.n[LANE_HOT_EVENTS] += 1
        code = judge_wide(kin, wir, st, lane, p, j, now, end, max_rounds, scratch)
        if code != OK:
            return code
    f = lane.factor[F_TEST]
    wide_arrival(address(st.cell) + j * (8 * st.cell.shape[1]), weight, jumps, address(f))
    y = st.cell[j]
    m = y[MARGIN]
    if m == np.inf:
        entry = lane.pool[lane.slot[j]]
        if st.flag[j, 0] == ACTIVE:
            entry[H_LAST], entry[H_DUE] = now, np.nan
            if not may_cross_wide(entry[H_MARGIN], y[MODES], y[MODES + 1], y[MODES + 2], y[MODES + 3], f):
                cool(st, lane, p, j, entry[H_MARGIN])
    elif m > -np.inf and may_cross_wide(m, y[MODES], y[MODES + 1], y[MODES + 2], y[MODES + 3], f):
        heat(st, lane, p, j, now, np.nan)
    return np.int64(OK)


@inner
def begin_cell_wide(kin, wir, st, lane, p, first, end, now, scratch):
    """Look at neurons first to end - 1 of population `p` at the start of a cell."""
    c, start = wir.pop[p, P_CLASS], epoch_start(wir, st, p)
    wide_test(kin, c, now - start, cell_end(wir, st, p, now) - start, lane, scratch)
    f = lane.factor[F_TEST]
    for at in range(lane.pops[p, L_BASE], lane.pops[p, L_BASE] + lane.pops[p, L_HOT]):
        if not lane.pool[at, H_DUE] <= now:
            lane.pool[at, H_LAST] = now
    for j in range(np.uint64(first), np.uint64(end)):
        m = st.cell[j, MARGIN]
        if abs(m) < np.inf and may_cross_wide(m, st.cell[j, MODES], st.cell[j, MODES + 1], st.cell[j, MODES + 2],
                                              st.cell[j, MODES + 3], f):
            heat(st, lane, p, np.int64(j), now, np.nan)
