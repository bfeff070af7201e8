"""Carry a population of many kinetic classes through one window: LIF neurons whose time constants all differ.

Two modes, coupled or not, and spikes that only reset V. Every synapse needs exponentials of its own; those of a row are
computed together, which costs a fraction of one at a time. The rest is as in `window`: the test CELL, with factors per neuron
that are made when a cell begins, hot neurons, lazy crossings.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import (
    ACTIVE,
    CSR_F32,
    CSR_F64,
    CSR_SCALAR,
    DELTA_ROW,
    DENSE_F32,
    DENSE_F64,
    GAIN_ROW,
    J_KIND,
    J_PORT,
    J_SCALAR,
    J_SOURCE,
    J_WEIGHT,
    JUMP_ROW,
    MARGIN,
    MARGIN_ROW,
    MODES,
    N_COUPLED,
    P_FIRES,
    P_FIRST,
    PROCEDURAL,
    RATE_HI,
    RATE_LO,
    S_THETA,
    S_V_INF,
    S_V_RESET,
    SLOPE_ROW,
    VOLT_ROW,
)
from .calendar import (
    PROJECTION_BITS,
    R_AMPLITUDE,
    R_END,
    R_FIRST,
    R_KEY,
    R_TIME,
    RECORD_WORDS,
    RECORDS,
    collect,
)
from .elementary import _expm1_reduced, expm1_over, growth
from .factors import W_DELTA, W_PLAIN, W_T_REF, v_rows
from .fanout import drawn_part, weights_drawn
from .flow import decay_here, read_row
from .hot import NO, NO_MEMORY, OK, UNSURE, YES, advance, condemn, cool, crossed, heat, solve_batch
from .lane import (
    F_FALL,
    F_NOW,
    H_DUE,
    H_ID,
    H_LAST,
    H_MARGIN,
    H_X,
    L_BASE,
    L_BATCH,
    L_HOT,
    LANE_HOT_EVENTS,
    LANE_ROWS,
)
from .memory import ADDRESS, load_float, load_int
from .neuron import S_EXP, S_ROW, activate, cell_end, epoch_start, margin_now
from .resting import take_endings
from .simd import SLACK

# rows of Lane.own: what the exponentials of a neuron are made of, then two jumps per port
O_RATE, O_LOW, O_GAIN, O_DELTA, O_JUMP = 0, 2, 4, 5, 6  # 1/tau of both modes, their low parts; of the coupling
# rows of Lane.block: copies of these, exponentials of both modes, transfer from the second to the first
B_EXP, B_MOVED, B_JUMP, B_ROWS = 6, 8, 9, 11
BLOCK = 256
SMALL = 0.46  # arguments below which expm1 is its series


@kernel
def own_constants(kin, wir, first, end, own):
    """Fill the columns first to end - 1 of `own` [O_JUMP + 2 ports, N]."""
    for j in range(first, end):
        c = wir.who[j, 1]
        for m in range(2):
            own[O_RATE + m, j], own[O_LOW + m, j] = kin.f[c, RATE_HI, m], kin.f[c, RATE_LO, m]
            for port in range((own.shape[0] - O_JUMP) // 2):
                own[O_JUMP + 2 * port + m, j] = kin.f[c, JUMP_ROW + port, m]
        coupled = kin.i[c, N_COUPLED] > 0
        own[O_GAIN, j] = kin.f[c, GAIN_ROW, 0] if coupled else 0.0
        own[O_DELTA, j] = kin.f[c, DELTA_ROW, 0] if coupled else 0.0


@inlined
def propagate(own, block, at, n, time, widest):
    """block[B_EXP, i], [B_EXP + 1, i] = exp(-time / tau) and block[B_MOVED, i] = `flow.transfer` of neurons at + i, i < n.

    widest : largest |O_DELTA|
    """
    for m in range(2):
        high, low, e = own[O_RATE + m, at:at + n], own[O_LOW + m, at:at + n], block[B_EXP + m]
        for i in range(np.uint64(n)):
            e[i] = growth(-time, high[i], low[i])
    gain, delta, e, moved = own[O_GAIN, at:at + n], own[O_DELTA, at:at + n], block[B_EXP], block[B_MOVED]
    for i in range(np.uint64(n)):
        z = delta[i] * time
        moved[i] = gain[i] * e[i] * time * (_expm1_reduced(z) / z if z != 0.0 else 1.0)
    if widest * abs(time) >= SMALL:
        for i in range(np.uint64(n)):
            z = delta[i] * time
            if abs(z) >= SMALL:
                moved[i] = gain[i] * e[i] * time * expm1_over(z)


@inlined
def arrivals(wir, lane, k, post, at, n, port, time, widest):
    """lane.block[B_JUMP, i], [B_JUMP + 1, i]: what an arrival of weight 1 at epoch time `time` adds to target at + i, i < n."""
    own, block = lane.own, lane.block
    jump = O_JUMP + 2 * port
    a, b = block[B_JUMP], block[B_JUMP + 1]
    e0, e1, moved = block[B_EXP], block[B_EXP + 1], block[B_MOVED]
    if wir.proj[k, J_KIND] == DENSE_F32 or wir.proj[k, J_KIND] == DENSE_F64:
        propagate(own, block, at, n, -time, widest)
        j0, j1 = own[jump, at:at + n], own[jump + 1, at:at + n]
        for i in range(np.uint64(n)):
            a[i] = j0[i] * e0[i] + j1[i] * moved[i]
        for i in range(np.uint64(n)):
            b[i] = j1[i] * e1[i]
        return
    for i in range(n):
        j = np.uint64(post[np.uint64(at + i)])
        for row in range(6):
            block[row, i] = own[row, j]
        a[i], b[i] = own[jump, j], own[jump + 1, j]
    propagate(block, block, np.int64(0), n, -time, widest)
    for i in range(np.uint64(n)):
        a[i] = a[i] * e0[i] + b[i] * moved[i]
    for i in range(np.uint64(n)):
        b[i] = b[i] * e1[i]


@inlined
def may_cross(test, m, x0, x1, length):
    """The test CELL of one neuron, over the last `length` of its cell; `test`: its row of Lane.ends."""
    a, b = test[0] * x0, test[1] * x1
    fall = -length * (test[2] * x0) - length * (test[3] * x1)
    return (m + (a + b)) + max(fall, 0.0) + SLACK * (abs(m) + abs(a) + abs(b)) >= 0.0


@inlined
def rows_now(kin, lane, c, e0, e1, moved):
    """What reads V - threshold and its slope now, for `judge_hot`, from what an arrival now was made of: no last digits."""
    f, row, slope = kin.f[c], lane.factor[F_NOW], lane.factor[F_FALL]
    d0, d1 = 1.0 / e0, 1.0 / e1
    back = -moved * d0 * d1
    row[0], row[1] = f[MARGIN_ROW, 0] * d0, f[MARGIN_ROW, 1] * d1 + f[MARGIN_ROW, 0] * back
    slope[0], slope[1] = f[SLOPE_ROW, 0] * d0, f[SLOPE_ROW, 1] * d1 + f[SLOPE_ROW, 0] * back


@inlined
def judge_hot(kin, wir, st, lane, p, j, now, end, lazy, max_rounds, scratch):
    """Hot neuron `j`, whose modes are those of its last event, lives up to `now`; lane.factor[F_NOW], [F_FALL] are prepared.

    Returns OK, NO_MEMORY or RAN_AWAY.
    """
    entry = lane.pool[lane.slot[j]]
    verdict = np.int64(UNSURE)
    if st.flag[j, 0] == ACTIVE and np.isnan(entry[H_DUE]):
        verdict = np.int64(crossed(entry[H_MARGIN], st.cell[j, MODES], st.cell[j, MODES + 1], 0.0, np.int64(2),
                                   lane.factor[F_NOW], lane.factor[F_FALL]))
    if verdict == NO:
        return np.int64(OK)
    if verdict == YES and lazy:
        condemn(st, lane, p, j)
        return np.int64(OK)
    return np.int64(advance(kin, wir, st, lane, p, j, now, end, np.int64(0), max_rounds, scratch))


@inner
def wake_mixed(kin, wir, st, lane, p, time, j, start, horizon, scratch):
    """The refractory period of neuron `j` ends at `time`; see `resting.wake`."""
    c, row = wir.who[j, 1], scratch[S_ROW]
    decay_here(kin, c, time - start, scratch[S_EXP])
    read_row(kin, c, time - start, scratch[S_EXP], kin.f[c, VOLT_ROW], row)
    v_inf, theta, v_reset = st.par[j, S_V_INF], st.par[j, S_THETA], st.par[j, S_V_RESET]
    rest = 0.0
    rest += row[1] * st.cell[j, MODES + 1]
    st.cell[j, MODES] = (v_reset - v_inf - rest) / row[0]
    activate(st, j)
    if theta == np.inf:
        return
    if (theta - v_reset <= SLACK * (abs(v_reset) + abs(theta) + abs(v_inf) + abs(rest))
            and margin_now(kin, wir, st, j, time, scratch) >= 0.0):
        heat(st, lane, p, j, time, time)
    elif may_cross(lane.ends[j], st.cell[j, MARGIN], st.cell[j, MODES], st.cell[j, MODES + 1], horizon - time):
        heat(st, lane, p, j, time, np.nan)


@inner
def carry_mixed(kin, wir, st, lane, plan, planf, iota, p, begin, end, per_second, max_rounds, scratch):
    """Carry population `p` from `begin` to `end` (exclusive). Returns OK, NO_MEMORY or RAN_AWAY."""
    n = collect(wir, lane, p, begin, end, per_second)
    if n < 0:
        return np.int64(NO_MEMORY)
    endings = take_endings(st, lane, p, end)
    start, horizon, base_of_lane = epoch_start(wir, st, p), cell_end(wir, st, p, begin), lane.pops[p, L_BASE]
    pop_first = wir.pop[p, P_FIRST]
    lazy = plan[p, W_PLAIN] != 0 and planf[p, W_T_REF] >= end - begin
    base = lane.mem[RECORDS, ADDRESS]
    ended, hot_events = np.int64(0), np.int64(0)
    done_at, done_size, done_port, done_time = np.int64(-1), np.int64(0), np.int64(0), -1.0
    lane.n[LANE_ROWS] += n
    jump0, jump1 = lane.block[B_JUMP], lane.block[B_JUMP + 1]
    grown0, grown1, moved = lane.block[B_EXP], lane.block[B_EXP + 1], lane.block[B_MOVED]
    for i in range(n):
        r = base + i * (8 * RECORD_WORDS)
        now = load_float(r + R_TIME)
        while ended < endings and lane.ending[base_of_lane + ended, 0] <= now:
            wake_mixed(kin, wir, st, lane, p, lane.ending[base_of_lane + ended, 0],
                       np.int64(lane.ending[base_of_lane + ended, 1]), start, horizon, scratch)
            ended += 1
        key, q = load_int(r + R_KEY), load_float(r + R_AMPLITUDE)
        first, stop = load_int(r + R_FIRST), load_int(r + R_END)
        k = key & ((1 << PROJECTION_BITS) - 1)
        kind, port = wir.proj[k, J_KIND], wir.proj[k, J_PORT]
        source = (key >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
        dense, post, w64, shift = kind == DENSE_F32 or kind == DENSE_F64, wir.post, wir.w64, wir.proj[k, J_WEIGHT]
        if dense:
            post = iota
            shift += source * (wir.pop[p + 1, P_FIRST] - pop_first) - pop_first
        if kind == PROCEDURAL:
            stop = drawn_part(wir, k, source, first, lane.drawn_id, lane.drawn_weight)
            kind = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR
            first, shift, post, w64 = np.int64(0), np.int64(0), lane.drawn_id, lane.drawn_weight
        if kind == CSR_SCALAR:
            q *= wir.projf[k, J_SCALAR]
        lane.arrived[k] += stop - first
        at = first
        while at < stop:
            size = min(stop - at, np.int64(BLOCK))
            if not dense or at != done_at or size != done_size or port != done_port or now != done_time:
                arrivals(wir, lane, k, post, at, size, port, now - start, planf[p, W_DELTA])
                done_at, done_size, done_port, done_time = at if dense else np.int64(-1), size, port, now
            for x in range(np.uint64(size)):
                u = np.uint64(post[np.uint64(at) + x])
                j = np.int64(u)
                if st.cell[u, MARGIN] == np.inf and lane.pool[np.uint64(lane.slot[u]), H_LAST] < now:
                    hot_events += 1
                    rows_now(kin, lane, wir.who[j, 1], grown0[x], grown1[x], moved[x])
                    code = judge_hot(kin, wir, st, lane, p, j, now, end, lazy, max_rounds, scratch)
                    if code != OK:
                        return code
                w = q
                if kind == CSR_F32 or kind == DENSE_F32:
                    w = np.float64(wir.w32[np.uint64(at + shift) + x]) * q
                elif kind != CSR_SCALAR:
                    w = w64[np.uint64(at + shift) + x] * q
                x0, x1 = st.cell[u, MODES] + w * jump0[x], st.cell[u, MODES + 1] + w * jump1[x]
                st.cell[u, MODES], st.cell[u, MODES + 1] = x0, x1
                m = st.cell[u, MARGIN]
                if m == np.inf:
                    entry = lane.pool[np.uint64(lane.slot[u])]
                    entry[H_X], entry[H_X + 1] = x0, x1
                    if st.flag[u, 0] == ACTIVE:
                        entry[H_LAST], entry[H_DUE] = now, np.nan
                        if not may_cross(lane.ends[u], entry[H_MARGIN], x0, x1, horizon - now):
                            cool(st, lane, p, j, entry[H_MARGIN])
                elif m > -np.inf and may_cross(lane.ends[u], m, x0, x1, horizon - now):
                    heat(st, lane, p, j, now, np.nan)
            at += size
    lane.n[LANE_HOT_EVENTS] += hot_events
    while ended < endings:
        wake_mixed(kin, wir, st, lane, p, lane.ending[base_of_lane + ended, 0],
                   np.int64(lane.ending[base_of_lane + ended, 1]), start, horizon, scratch)
        ended += 1
    last = np.nextafter(end, -np.inf)
    at = base_of_lane + lane.pops[p, L_HOT] - 1
    while at >= base_of_lane:
        j, due = np.int64(lane.pool[at, H_ID]), lane.pool[at, H_DUE]
        if st.flag[j, 0] != ACTIVE or np.isnan(due) or due <= last:
            v_rows(kin, planf, p, wir.who[j, 1], np.int64(2), last - start, scratch, lane.factor[F_NOW], lane.factor[F_FALL])
            code = judge_hot(kin, wir, st, lane, p, j, last, end, lazy, max_rounds, scratch)
            if code != OK:
                return code
        at -= 1
    if lane.pops[p, L_BATCH] > 0:
        return np.int64(solve_batch(kin, wir, st, lane, p, begin, end, scratch))
    return np.int64(OK)


@inner
def prepare_ends(kin, wir, st, lane, planf, p, first, end, now):
    """lane.ends[j] = V - threshold and its slope at the end of the cell that `now` lies in, as rows over the modes."""
    own, block, ends = lane.own, lane.block, lane.ends
    e0, e1, moved = block[B_EXP], block[B_EXP + 1], block[B_MOVED]
    time = cell_end(wir, st, p, now) - epoch_start(wir, st, p)
    at = first
    while at < end:
        n = min(end - at, np.int64(BLOCK))
        propagate(own, block, at, n, time, planf[p, W_DELTA])
        for i in range(np.uint64(n)):
            j = np.uint64(at) + i
            f = kin.f[wir.who[j, 1]]
            for column, row in ((0, MARGIN_ROW), (2, SLOPE_ROW)):
                ends[j, column] = f[row, 0] * e0[i]
                ends[j, column + 1] = f[row, 1] * e1[i] + f[row, 0] * moved[i]
        at += n


@inner
def begin_cell_mixed(kin, wir, st, lane, planf, p, first, end, now):
    """Look at neurons first to end - 1 of population `p` at the start of a cell."""
    if wir.pop[p, P_FIRES] == 0:
        return
    prepare_ends(kin, wir, st, lane, planf, p, first, end, now)
    for at in range(lane.pops[p, L_BASE], lane.pops[p, L_BASE] + lane.pops[p, L_HOT]):
        j = np.int64(lane.pool[at, H_ID])
        if not lane.pool[at, H_DUE] <= now:
            lane.pool[at, H_LAST] = now
        lane.pool[at, H_X], lane.pool[at, H_X + 1] = st.cell[j, MODES], st.cell[j, MODES + 1]
    length = cell_end(wir, st, p, now) - now
    for j in range(np.uint64(first), np.uint64(end)):
        m = st.cell[j, MARGIN]
        if abs(m) < np.inf and may_cross(lane.ends[j], m, st.cell[j, MODES], st.cell[j, MODES + 1], length):
            heat(st, lane, p, np.int64(j), now, np.nan)
