"""Carry one population through one window: its arrivals are all known when the window begins.

`carry` is for populations of one kinetic class with two or three modes, whose spikes only reset V: rows stream past the
neurons four at a time (`stream`). `kernels.general` carries all others, neuron by neuron. Neither needs a queue: a
neuron is looked at when an arrival finds it hot, when its refractory period ends, and at the end of the window.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    CSR_F32,
    CSR_F64,
    CSR_SCALAR,
    DENSE_F32,
    DENSE_F64,
    J_KIND,
    J_PORT,
    J_RULE,
    J_SCALAR,
    J_SOURCE,
    J_WEIGHT,
    JUMP_ROW,
    MARGIN,
    MODES,
    N_COUPLED,
    N_MODES,
    P_CLASS,
    P_FIRES,
    P_FIRST,
    P_LEARNS,
    PROCEDURAL,
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
from .factors import W_PLAIN, W_T_REF, W_TEST, cell_test, chord_test, powers, v_rows, v_rows_here
from .fanout import drawn_part, weights_drawn
from .hot import NO, NO_MEMORY, OK, UNSURE, YES, advance, condemn, cool, crossed, heat, solve_batch
from .lane import (
    BATCH,
    F_FALL,
    F_GROWTH,
    F_JUMP,
    F_NOW,
    F_TEST,
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
from .neuron import S_EXP, S_PULL, arrival_row, cell_end, epoch_start
from .plastic import learn_row
from .resting import take_endings, wake
from .simd import address, prefetch
from .stream import (
    CELL,
    CHORD,
    END,
    f4_cell,
    f4_chord,
    f4_end,
    f8_cell,
    f8_chord,
    f8_end,
    row_cell,
    row_chord,
    row_end,
    sweep_cell,
    sweep_chord,
    sweep_end,
    trips,
)

LINE = 64
FEW, SOON = 3, 8  # the neurons of rows of so few synapses are fetched so many records in advance
LONG, LONG_AHEAD, SHORT_AHEAD = 32, 2, 6  # rows are fetched so many records in advance, short and long ones


@inlined
def settle(kin, wir, st, lane, test, p, j, modes, now, end, lazy, max_rounds, scratch):
    """Decide whether hot neuron `j`, whose modes are those of its last event, has crossed up to `now`; act on it.

    lane.factor[F_NOW] and [F_FALL] are prepared for `now`.
    """
    entry = lane.pool[lane.slot[j]]
    if st.flag[j, 0] == ACTIVE and np.isnan(entry[H_DUE]):
        verdict = crossed(entry[H_MARGIN], st.cell[j, MODES], st.cell[j, MODES + 1], st.cell[j, MODES + 2], modes,
                          lane.factor[F_NOW], lane.factor[F_FALL])
        if verdict == NO:
            return OK
        if verdict == YES and lazy:
            condemn(st, lane, p, j)
            return OK
    return advance(kin, wir, st, lane, p, j, now, end, np.int64(test == CHORD), max_rounds, scratch)


@inlined
def arrive_listed(kin, wir, st, lane, p, c, modes, test, post, at, w32, w64, first, kind, q, found, now, start, end, lazy,
                  planf, max_rounds, scratch):
    """What a row did to the neurons it listed: the new ones become hot; the hot ones first live up to `now`."""
    ready = test == CHORD
    jump = lane.factor[F_JUMP]
    hot_events = 0
    j0, j1, j2 = jump[0], jump[1], jump[2]
    for x in range(found):
        code = lane.listed[x]
        i = np.uint64(code >> 1)
        u = np.uint64(post[np.uint64(at) + i])
        j = np.int64(u)
        margin = st.cell[u, MARGIN]
        if code & 1 == 0:
            if margin == np.inf:  # listed twice
                entry = lane.pool[np.uint64(lane.slot[u])]
                entry[H_X], entry[H_X + 1], entry[H_X + 2] = st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2]
            else:
                heat(st, lane, p, j, now, np.nan)
            continue
        hot_events += 1
        x0, x1, x2 = st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2]
        if margin == np.inf:
            entry = lane.pool[np.uint64(lane.slot[u])]
            x0, x1, x2 = entry[H_X], entry[H_X + 1], entry[H_X + 2]
            if entry[H_LAST] < now:
                if not ready:
                    v_rows_here(kin, planf, p, c, modes, now - start, lane.factor[F_GROWTH], scratch, lane.factor[F_NOW],
                                lane.factor[F_FALL])
                    ready = True
                verdict = NO
                if st.flag[u, 0] != ACTIVE or not np.isnan(entry[H_DUE]):
                    verdict = UNSURE
                else:
                    verdict = crossed(entry[H_MARGIN], x0, x1, x2, modes, lane.factor[F_NOW], lane.factor[F_FALL])
                if verdict == YES and lazy:
                    condemn(st, lane, p, j)
                elif verdict != NO:
                    st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2] = x0, x1, x2
                    status = advance(kin, wir, st, lane, p, j, now, end, np.int64(test == CHORD), max_rounds, scratch)
                    if status != OK:
                        return status
                    x0, x1, x2 = st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2]
        w = q
        if kind == CSR_F32 or kind == DENSE_F32:
            w = np.float64(w32[np.uint64(first) + i]) * q
        elif kind != CSR_SCALAR:
            w = w64[np.uint64(first) + i] * q
        x0, x1, x2 = x0 + w * j0, x1 + w * j1, x2 + w * j2
        st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2] = x0, x1, x2
        margin = st.cell[u, MARGIN]
        if margin == np.inf:
            entry = lane.pool[np.uint64(lane.slot[u])]
            entry[H_X], entry[H_X + 1], entry[H_X + 2] = x0, x1, x2
            if st.flag[u, 0] == ACTIVE:
                entry[H_LAST], entry[H_DUE] = now, np.nan
                if not trips(test, entry[H_MARGIN], x0, x1, x2, lane.factor[F_TEST]):
                    cool(st, lane, p, j, entry[H_MARGIN])
        elif margin > -np.inf and trips(test, margin, x0, x1, x2, lane.factor[F_TEST]):
            heat(st, lane, p, j, now, np.nan)
    lane.n[LANE_HOT_EVENTS] += hot_events
    return OK


@inlined
def live_row(kin, wir, st, lane, planf, test, p, c, modes, post, at, size, now, start, end, max_rounds, scratch):
    """The hot neurons among post[at:at + size] live up to `now`, so that a rule sees their spikes before the row arrives."""
    ready = test == CHORD
    for i in range(np.uint64(at), np.uint64(at + size)):
        u = np.uint64(post[i])
        if st.cell[u, MARGIN] != np.inf or lane.pool[np.uint64(lane.slot[u]), H_LAST] >= now:
            continue
        if not ready:
            v_rows_here(kin, planf, p, c, modes, now - start, lane.factor[F_GROWTH], scratch, lane.factor[F_NOW],
                        lane.factor[F_FALL])
            ready = True
        code = settle(kin, wir, st, lane, test, p, np.int64(u), modes, now, end, False, max_rounds, scratch)
        if code != OK:
            return code
    return OK


@inlined
def end_window(kin, wir, st, lane, test, p, modes, end, lazy, max_rounds, scratch):
    """All hot neurons live up to the end of the window."""
    first = lane.pops[p, L_BASE]
    last = np.nextafter(end, -np.inf)
    at = first + lane.pops[p, L_HOT] - 1
    while at >= first:
        due = lane.pool[at, H_DUE]
        j = np.int64(lane.pool[at, H_ID])
        if st.flag[j, 0] != ACTIVE or np.isnan(due) or due <= last:
            code = settle(kin, wir, st, lane, test, p, j, modes, last, end, lazy, max_rounds, scratch)
            if code != OK:
                return code
        at -= 1
    return OK


@inlined
def fetch_lines(first, end):
    """Ask for the cache lines from address `first` to `end`."""
    line = first & -LINE
    while line < end:
        prefetch(line)
        line += LINE


@inner
def grow_ahead(kin, c, modes, base, n, start, out):
    """out[k, i] = exp(time / tau_k) for the first `n` records at address `base`: the exponentials of many rows at once."""
    for i in range(n):
        out[3, i] = load_float(base + i * (8 * RECORD_WORDS) + R_TIME) - start
    powers(kin, c, modes, n, out)


@inner
def carry(kin, wir, st, lane, plan, planf, iota, p, begin, end, per_second, max_rounds, scratch):
    """Carry population `p` from `begin` to `end` (exclusive). Returns OK, NO_MEMORY or RAN_AWAY."""
    n = collect(wir, lane, p, begin, end, per_second)
    if n < 0:
        return NO_MEMORY
    endings = take_endings(st, lane, p, end)
    if n == 0 and endings == 0 and lane.pops[p, L_HOT] == 0:
        return OK
    c, test, base_of_lane, pop_first = wir.pop[p, P_CLASS], plan[p, W_TEST], lane.pops[p, L_BASE], wir.pop[p, P_FIRST]
    modes = kin.i[c, N_MODES]
    start = epoch_start(wir, st, p)
    lazy = plan[p, W_PLAIN] != 0 and planf[p, W_T_REF] >= end - begin and wir.pop[p, P_LEARNS] == 0
    if test != CHORD:
        cell_test(kin, planf, p, c, modes, test, begin - start, cell_end(wir, st, p, begin) - start, lane, scratch)
    cell, posts, iotas = address(st.cell), address(wir.post), address(iota)
    w32s = address(wir.w32)
    shift = np.int64(5) if st.cell.shape[1] == 4 else (np.int64(6) if st.cell.shape[1] == 8 else np.int64(7))
    jump, grown, listed, ahead = lane.factor[F_JUMP], lane.factor[F_GROWTH], address(lane.listed), lane.ahead
    for m in range(3):
        jump[m] = 0.0
    simple = kin.i[c, N_COUPLED] == 0
    f = lane.factor[F_TEST]
    jumps, factors = address(jump), address(f)
    base = lane.mem[RECORDS, ADDRESS]
    ended, told, known = np.int64(0), -1.0, np.int64(-1)
    lane.n[LANE_ROWS] += n
    for i in range(n):
        r = base + i * (8 * RECORD_WORDS)
        if simple and i & (BATCH - 1) == 0:
            grow_ahead(kin, c, modes, r, min(n - i, BATCH), start, ahead)
        now = load_float(r + R_TIME)
        while ended < endings and lane.ending[base_of_lane + ended, 0] <= now:
            wake(kin, wir, st, lane, planf, test, p, c, modes, ended, endings, start, scratch)
            ended += 1
            told = -1.0
        k = load_int(r + R_KEY) & ((1 << PROJECTION_BITS) - 1)
        kind, port = wir.proj[k, J_KIND], wir.proj[k, J_PORT]
        if now != told or port != known:
            if simple:
                for m in range(modes):
                    grown[m] = ahead[m, i & (BATCH - 1)]
                    jump[m] = kin.f[c, JUMP_ROW + port, m] * grown[m]
            else:
                arrival_row(kin, c, port, now - start, scratch)
                for m in range(modes):
                    jump[m] = scratch[S_PULL, m]
                    grown[m] = scratch[S_EXP, m]
            if test == CHORD and now != told:
                v_rows_here(kin, planf, p, c, modes, now - start, grown, scratch, lane.factor[F_NOW], lane.factor[F_FALL])
                chord_test(planf, p, lane)
            told, known = now, port
        at, stop, q = load_int(r + R_FIRST), load_int(r + R_END), load_float(r + R_AMPLITUDE)
        size = stop - at
        if kind == PROCEDURAL:
            source = (load_int(r + R_KEY) >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
            size = drawn_part(wir, k, source, at, lane.drawn_id, lane.drawn_weight)
        lane.arrived[k] += size
        far = LONG_AHEAD if size > LONG else SHORT_AHEAD
        if size > FEW and i + far < n:
            later = r + far * (8 * RECORD_WORDS)
            a = load_int(later + R_FIRST)
            b = min(load_int(later + R_END), a + 256)
            o = wir.proj[load_int(later + R_KEY) & ((1 << PROJECTION_BITS) - 1), J_WEIGHT]
            fetch_lines(posts + 4 * a, posts + 4 * b)
            fetch_lines(w32s + 4 * (o + a), w32s + 4 * (o + b))
        elif size <= FEW and i + SOON < n:
            later = r + SOON * (8 * RECORD_WORDS)
            k_later = load_int(later + R_KEY) & ((1 << PROJECTION_BITS) - 1)
            if wir.proj[k_later, J_KIND] < DENSE_F32:
                prefetch(cell + (np.int64(wir.post[np.uint64(load_int(later + R_FIRST))]) << shift))
        first, post, targets, w64 = at + wir.proj[k, J_WEIGHT], wir.post, posts + 4 * at, wir.w64
        if kind == PROCEDURAL:
            kind = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR
            first, at, post, targets, w64 = np.int64(0), np.int64(0), lane.drawn_id, address(lane.drawn_id), lane.drawn_weight
        elif kind == DENSE_F32 or kind == DENSE_F64:
            source = (load_int(r + R_KEY) >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
            width = wir.pop[p + 1, P_FIRST] - pop_first
            first, post, targets = wir.proj[k, J_WEIGHT] + source * width + at - pop_first, iota, iotas + 4 * at
        if wir.proj[k, J_RULE] >= 0:
            code = live_row(kin, wir, st, lane, planf, test, p, c, modes, post, at, size, now, start, end, max_rounds, scratch)
            if code != OK:
                return code
            learn_row(wir, st, k, (load_int(r + R_KEY) >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST], at, stop,
                      now)
        following = targets
        if i + 1 < n:
            after = r + 8 * RECORD_WORDS
            if wir.proj[load_int(after + R_KEY) & ((1 << PROJECTION_BITS) - 1), J_KIND] < DENSE_F32:
                following = posts + 4 * load_int(after + R_FIRST)
        found = np.int64(0)
        if size == 1:
            u = np.uint64(post[np.uint64(at)])
            w = q
            if kind == CSR_SCALAR:
                q *= wir.projf[k, J_SCALAR]
                w = q
            elif kind == CSR_F32 or kind == DENSE_F32:
                w = np.float64(wir.w32[np.uint64(first)]) * q
            else:
                w = w64[np.uint64(first)] * q
            m = st.cell[u, MARGIN]
            x0, x1 = st.cell[u, MODES] + w * jump[0], st.cell[u, MODES + 1] + w * jump[1]
            x2 = st.cell[u, MODES + 2] + w * jump[2]
            st.cell[u, MODES], st.cell[u, MODES + 1], st.cell[u, MODES + 2] = x0, x1, x2
            if m > -np.inf and trips(test, m, x0, x1, x2, f):
                lane.listed[0] = 1 if m == np.inf else 0
                found = np.int64(1)
        elif kind == CSR_F32 or kind == DENSE_F32:
            v = w32s + 4 * first
            if test == END:
                found = f4_end(cell, shift, targets, following, v, size, q, jumps, factors, listed)
            elif test == CELL:
                found = f4_cell(cell, shift, targets, following, v, size, q, jumps, factors, listed)
            else:
                found = f4_chord(cell, shift, targets, following, v, size, q, jumps, factors, listed)
        elif kind == CSR_SCALAR:
            q *= wir.projf[k, J_SCALAR]
            if test == END:
                found = row_end(cell, shift, targets, following, w32s, size, q, jumps, factors, listed)
            elif test == CELL:
                found = row_cell(cell, shift, targets, following, w32s, size, q, jumps, factors, listed)
            else:
                found = row_chord(cell, shift, targets, following, w32s, size, q, jumps, factors, listed)
        else:
            v = address(w64) + 8 * first
            if test == END:
                found = f8_end(cell, shift, targets, following, v, size, q, jumps, factors, listed)
            elif test == CELL:
                found = f8_cell(cell, shift, targets, following, v, size, q, jumps, factors, listed)
            else:
                found = f8_chord(cell, shift, targets, following, v, size, q, jumps, factors, listed)
        if found > 0:
            code = arrive_listed(kin, wir, st, lane, p, c, modes, test, post, at, wir.w32, w64, first, kind, q, found, now,
                                 start, end, lazy, planf, max_rounds, scratch)
            if code != OK:
                return code
    while ended < endings:
        wake(kin, wir, st, lane, planf, test, p, c, modes, ended, endings, start, scratch)
        ended += 1
    if lane.pops[p, L_HOT] > 0:
        v_rows(kin, planf, p, c, modes, end - start, scratch, lane.factor[F_NOW], lane.factor[F_FALL])
        code = end_window(kin, wir, st, lane, test, p, modes, end, lazy, max_rounds, scratch)
        if code != OK:
            return code
    if lane.pops[p, L_BATCH] > 0:
        return solve_batch(kin, wir, st, lane, p, begin, end, scratch)
    return OK


@inner
def begin_cell(kin, wir, st, lane, plan, planf, p, first, end, everyone, now, scratch):
    """Look at neurons first to end - 1 of population `p` at the start of a cell, or of an epoch (`everyone`)."""
    if wir.pop[p, P_FIRES] == 0:
        return
    c, test = wir.pop[p, P_CLASS], plan[p, W_TEST]
    modes = kin.i[c, N_MODES]
    start = epoch_start(wir, st, p)
    for at in range(lane.pops[p, L_BASE], lane.pops[p, L_BASE] + lane.pops[p, L_HOT]):
        j = np.int64(lane.pool[at, H_ID])
        if not lane.pool[at, H_DUE] <= now:
            lane.pool[at, H_LAST] = now
        for k in range(3):
            lane.pool[at, H_X + k] = st.cell[j, MODES + k]
    if test == CHORD:
        if not everyone:
            return
        v_rows(kin, planf, p, c, modes, now - start, scratch, lane.factor[F_NOW], lane.factor[F_FALL])
        chord_test(planf, p, lane)
    else:
        cell_test(kin, planf, p, c, modes, test, now - start, cell_end(wir, st, p, now) - start, lane, scratch)
    shift = np.int64(5) if st.cell.shape[1] == 4 else (np.int64(6) if st.cell.shape[1] == 8 else np.int64(7))
    at, factors, listed = address(st.cell) + (first << shift), address(lane.factor[F_TEST]), address(lane.listed)
    if test == END:
        found = sweep_end(at, shift, end - first, factors, listed)
    elif test == CHORD:
        found = sweep_chord(at, shift, end - first, factors, listed)
    else:
        found = sweep_cell(at, shift, end - first, factors, listed)
    for i in range(found):
        heat(st, lane, p, first + lane.listed[i], now, np.nan)
