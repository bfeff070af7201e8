"""Carry a population of any kind through one window, neuron by neuron: jumps of V, adaptation, many modes, mixed classes.

The same hot neurons and own events as in `window`, but a hot neuron lives up to an arrival before the arrival is added.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    DV_ROW,
    J_KIND,
    J_PORT,
    J_RULE,
    J_SCALAR,
    J_SOURCE,
    MARGIN,
    MODES,
    N_MODES,
    P_FIRES,
    P_FIRST,
    P_JUMPS,
    PROCEDURAL,
    S_PENDING,
    WATCHED,
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
from .fanout import drawn_part, target_of, weight_of, weights_drawn
from .flow import decay, dot
from .hot import NO_MEMORY, OK, advance, cool, heat
from .lane import H_DUE, H_ID, H_LAST, H_MARGIN, L_BASE, L_HOT, L_REST, L_WATCH, LANE_INSTANT, LANE_ROWS
from .memory import ADDRESS, load_float, load_int
from .neuron import S_NOW, S_PULL, arrival_row, cell_end, epoch_start
from .plastic import learn_row
from .screen import SEARCH, WATCH, prepare, screen


@inlined
def keep_watch(wir, st, lane, p, j):
    """Look at neuron `j` again when the next cell begins."""
    if wir.pop[p, P_FIRES] and st.flag[j, 1] & WATCHED == 0:
        st.flag[j, 1] |= WATCHED
        lane.watch[lane.pops[p, L_BASE] + lane.pops[p, L_WATCH]] = j
        lane.pops[p, L_WATCH] += 1


@inner
def live(kin, wir, st, lane, p, j, now, end, max_rounds, scratch):
    """`hot.advance`, and a watch on the neuron where it is active without a crossing to come in this cell."""
    code = advance(kin, wir, st, lane, p, j, now, end, np.int64(0), max_rounds, scratch)
    if code == OK and st.flag[j, 0] == ACTIVE and st.cell[j, MARGIN] < np.inf:
        keep_watch(wir, st, lane, p, j)
    return code


@inner
def judge(kin, wir, st, lane, p, n, now, end, max_rounds, scratch):
    """Test neurons lane.touched[first:first + n] after all arrivals of this instant. Returns OK, NO_MEMORY or RAN_AWAY."""
    known, drive, slow = np.int64(-1), 0.0, 0.0
    first = lane.pops[p, L_BASE]
    start, horizon = epoch_start(wir, st, p), cell_end(wir, st, p, now)
    for i in range(first, first + n):
        j = lane.touched[i]
        if st.flag[j, 0] != ACTIVE:
            st.par[j, S_PENDING] = 0.0
            continue
        c = wir.who[j, 1]
        if c != known:
            known = c
            decay(kin, c, start - now, scratch[S_PULL])
            drive, slow = prepare(kin, c, now - start, horizon - start, scratch)
        if st.cell[j, MARGIN] == np.inf:
            cool(st, lane, p, j, lane.pool[lane.slot[j], H_MARGIN])
        jump = st.par[j, S_PENDING]
        if jump != 0.0:
            f = st.cell[j, MARGIN] + dot(kin, c, scratch[S_NOW], st.cell[j], MODES)
            st.par[j, S_PENDING] = 0.0
            st.cell[j, MODES] += jump * scratch[S_PULL, 0]
            if f + jump >= 0.0:
                known = np.int64(-1)
                heat(st, lane, p, j, now, now)
                code = live(kin, wir, st, lane, p, j, now, end, max_rounds, scratch)
                if code != OK:
                    return code
                continue
        if wir.pop[p, P_FIRES] == 0:
            continue
        verdict = screen(kin, c, st.cell[j], horizon - now, drive, slow, scratch)
        if verdict == SEARCH:
            heat(st, lane, p, j, now, np.nan)
        elif verdict == WATCH:
            keep_watch(wir, st, lane, p, j)
    return OK


@inlined
def rouse(st, lane, p, end):
    """Neurons whose refractory period ends within the window become hot: their arrivals wait for that end."""
    first = lane.pops[p, L_BASE]
    kept = first
    for at in range(first, first + lane.pops[p, L_REST]):
        time, j = lane.rest[at, 0], np.int64(lane.rest[at, 1])
        if time >= end:
            lane.rest[kept, 0], lane.rest[kept, 1] = time, lane.rest[at, 1]
            kept += 1
        else:
            heat(st, lane, p, j, -np.inf, np.nan)
    lane.pops[p, L_REST] = kept - first


@inner
def carry_general(kin, wir, st, lane, p, begin, end, per_second, max_rounds, scratch):
    """Carry population `p` from `begin` to `end` (exclusive). Returns OK, NO_MEMORY or RAN_AWAY."""
    n = collect(wir, lane, p, begin, end, per_second)
    if n < 0:
        return NO_MEMORY
    rouse(st, lane, p, end)
    first_of_all = lane.pops[p, L_BASE]
    start, jumps = epoch_start(wir, st, p), wir.pop[p, P_JUMPS] != 0
    base = lane.mem[RECORDS, ADDRESS]
    lane.n[LANE_ROWS] += n
    i = 0
    while i < n:
        now = load_float(base + i * (8 * RECORD_WORDS) + R_TIME)
        lane.n[LANE_INSTANT] += 1
        instant, touched = lane.n[LANE_INSTANT], np.int64(0)
        while i < n:
            r = base + i * (8 * RECORD_WORDS)
            if load_float(r + R_TIME) != now:
                break
            i += 1
            key, q = load_int(r + R_KEY), load_float(r + R_AMPLITUDE)
            first, stop = load_int(r + R_FIRST), load_int(r + R_END)
            k = key & ((1 << PROJECTION_BITS) - 1)
            source, port = (key >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST], wir.proj[k, J_PORT]
            drawn, scalar = wir.proj[k, J_KIND] == PROCEDURAL, False
            if drawn:
                stop = drawn_part(wir, k, source, first, lane.drawn_id, lane.drawn_weight)
                first, scalar = np.int64(0), not weights_drawn(wir, k)
            lane.arrived[k] += stop - first
            known = np.int64(-1)
            learns = wir.proj[k, J_RULE] >= 0
            if learns:  # all targets live up to now before the rule sees them
                for x in range(first, stop):
                    j = np.int64(target_of(wir, k, x))
                    if st.stamp[j] != instant:
                        st.stamp[j] = instant
                        st.par[j, S_PENDING] = 0.0
                        lane.touched[first_of_all + touched] = j
                        touched += 1
                        if st.cell[j, MARGIN] == np.inf:
                            code = live(kin, wir, st, lane, p, j, now, end, max_rounds, scratch)
                            if code != OK:
                                return code
                learn_row(wir, st, k, source, first, stop, now)
            for x in range(first, stop):
                j = np.int64(lane.drawn_id[x]) if drawn else np.int64(target_of(wir, k, x))
                if not learns and st.stamp[j] != instant:
                    st.stamp[j] = instant
                    st.par[j, S_PENDING] = 0.0
                    lane.touched[first_of_all + touched] = j
                    touched += 1
                    if st.cell[j, MARGIN] == np.inf:
                        known = np.int64(-1)
                        code = live(kin, wir, st, lane, p, j, now, end, max_rounds, scratch)
                        if code != OK:
                            return code
                if wir.who[j, 1] != known:
                    known = wir.who[j, 1]
                    arrival_row(kin, known, port, now - start, scratch)
                w = wir.projf[k, J_SCALAR]
                if drawn and not scalar:
                    w = lane.drawn_weight[x]
                elif not drawn:
                    w = weight_of(wir, k, source, x)
                w *= q
                if jumps:
                    st.par[j, S_PENDING] += w * kin.f[known, DV_ROW, port]
                for m in range(kin.i[known, N_MODES]):
                    st.cell[j, MODES + m] += w * scratch[S_PULL, m]
        code = judge(kin, wir, st, lane, p, touched, now, end, max_rounds, scratch)
        if code != OK:
            return code
    last = np.nextafter(end, -np.inf)
    at = first_of_all + lane.pops[p, L_HOT] - 1
    while at >= first_of_all:
        j, due = np.int64(lane.pool[at, H_ID]), lane.pool[at, H_DUE]
        if st.flag[j, 0] != ACTIVE or np.isnan(due) or due <= last:
            code = live(kin, wir, st, lane, p, j, last, end, max_rounds, scratch)
            if code != OK:
                return code
        at -= 1
    return OK


@inner
def begin_cell_general(kin, wir, st, lane, p, first, end, everyone, now, scratch):
    """At the start of a cell: look at the watched neurons, or at all of first to end - 1 (`everyone`: a new epoch)."""
    base = lane.pops[p, L_BASE]
    for at in range(base, base + lane.pops[p, L_HOT]):
        if not lane.pool[at, H_DUE] <= now:
            lane.pool[at, H_LAST] = now
    n = lane.pops[p, L_WATCH]
    lane.pops[p, L_WATCH] = 0
    for at in range(base, base + n):
        st.flag[lane.watch[at], 1] &= ~np.uint8(WATCHED)
        lane.touched[at] = lane.watch[at]
    if everyone:
        n = end - first
        for k in range(n):
            lane.touched[base + k] = first + k
    if wir.pop[p, P_FIRES] == 0:
        return
    known, drive, slow = np.int64(-1), 0.0, 0.0
    start, horizon = epoch_start(wir, st, p), cell_end(wir, st, p, now)
    for at in range(base, base + n):
        j = lane.touched[at]
        if st.flag[j, 0] != ACTIVE or st.cell[j, MARGIN] == np.inf:
            continue
        c = wir.who[j, 1]
        if c != known:
            known = c
            drive, slow = prepare(kin, c, now - start, horizon - start, scratch)
        verdict = screen(kin, c, st.cell[j], horizon - now, drive, slow, scratch)
        if verdict == SEARCH:
            heat(st, lane, p, j, now, np.nan)
        elif verdict == WATCH:
            keep_watch(wir, st, lane, p, j)
