"""Carry a population of one kinetic class with four modes through one window (see `wide`): row after row of synapses, or,
where all rows are dense, neuron after neuron, whose modes then stay in registers. Neurons do not notice the difference.
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
    J_SCALAR,
    J_SOURCE,
    J_WEIGHT,
    JUMP_ROW,
    MARGIN,
    P_CLASS,
    P_FIRST,
    P_GROUP,
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
from .fanout import drawn_part, weights_drawn
from .general import rouse
from .hot import NO_MEMORY, OK, heat
from .lane import F_FALL, F_GROWTH, F_JUMP, F_NOW, F_TEST, H_DUE, H_ID, L_BASE, L_HOT, LANE_ROWS
from .memory import ADDRESS, load_float, load_int, load_single, store_float, store_int
from .neuron import S_PULL, arrival_row, cell_end, epoch_start
from .simd import address, wide_arrival, wide_column
from .wide import WIDE_MODES, hot_arrival, judge_wide, wide_rows, wide_test

COLUMN = 256  # rows that are carried through one neuron before the next
ENTRY, SEEN = 64, 96  # bytes of a record of the table, their factors for hot neurons


@inlined
def in_columns(kin, wir, lane, p, c, n):
    """Whether all `n` records are rows of dense projections (f4) that change the first two modes, of neurons without groups."""
    if wir.pop[p, P_GROUP] > 1:
        return False
    base = lane.mem[RECORDS, ADDRESS]
    for i in range(n):
        k = load_int(base + i * (8 * RECORD_WORDS) + R_KEY) & ((1 << PROJECTION_BITS) - 1)
        row = JUMP_ROW + wir.proj[k, J_PORT]
        if wir.proj[k, J_KIND] != DENSE_F32 or kin.f[c, row, 2] != 0.0 or kin.f[c, row, 3] != 0.0:
            return False
    return True


@inner
def columns(kin, wir, st, lane, planf, p, c, low, high, start, end, max_rounds, scratch):
    """Carry records low to high - 1, at most COLUMN, all dense, through the neurons of the lane, four by four.

    lane.ahead holds {address of the weights, amplitude, jumps} of each record; lane.behind the factors F_NOW and F_FALL of the
    records at which a hot neuron was looked at. Returns OK, NO_MEMORY or RAN_AWAY.
    """
    base, n = lane.mem[RECORDS, ADDRESS] + low * (8 * RECORD_WORDS), high - low
    table, seen, pop_first = address(lane.ahead), address(lane.behind), wir.pop[p, P_FIRST]
    told, known = -1.0, np.int64(-1)
    pulled, width = scratch[S_PULL], wir.pop[p + 1, P_FIRST] - pop_first
    first, stop = load_int(base + R_FIRST), load_int(base + R_END)
    for i in range(n):
        r = base + i * (8 * RECORD_WORDS)
        now, key = load_float(r + R_TIME), load_int(r + R_KEY)
        k = key & ((1 << PROJECTION_BITS) - 1)
        source, port = (key >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST], wir.proj[k, J_PORT]
        if now != told or port != known:
            arrival_row(kin, c, port, now - start, scratch)
            told, known = now, port
        entry = table + ENTRY * i
        store_int(entry, address(wir.w32) + 4 * (wir.proj[k, J_WEIGHT] + source * width))
        store_float(entry + 8, load_float(r + R_AMPLITUDE))
        for mode in range(WIDE_MODES):
            store_float(entry + 16 + 8 * mode, pulled[mode])
        store_float(seen + SEEN * i, np.nan)
        lane.arrived[k] += stop - first
    cells, size, factors = address(st.cell), 8 * st.cell.shape[1], address(lane.factor[F_TEST])
    since = lane.factor[F_GROWTH]  # the first record that each of the four takes by itself
    for four in range(first, stop, 4):
        last, done, alone = min(four + 4, stop), np.int64(0), np.int64(0)
        for j in range(four, last):
            if last < four + 4 or st.cell[j, MARGIN] == np.inf:
                alone |= 1 << (j - four)
                since[j - four] = 0.0
        while last == four + 4 and alone != 15 and done < n:
            found = wide_column(cells + four * size, size, table + ENTRY * done, n - done, 4 * (four - pop_first), factors,
                                alone)
            done += found >> 4
            for j in range(four, last):
                if found >> (j - four) & 1:
                    alone |= 1 << (j - four)
                    since[j - four] = done
                    heat(st, lane, p, j, load_float(base + (done - 1) * (8 * RECORD_WORDS) + R_TIME), np.nan)
        for j in range(four, last):
            if alone >> (j - four) & 1 == 0:
                continue
            for i in range(np.int64(since[j - four]), n):
                now = load_float(base + i * (8 * RECORD_WORDS) + R_TIME)
                entry = table + ENTRY * i
                w = load_single(load_int(entry) + 4 * (j - pop_first)) * load_float(entry + 8)
                m = st.cell[j, MARGIN]
                if m < np.inf:
                    if wide_arrival(cells + j * size, w, entry + 16, factors) != 0 and m > -np.inf:
                        heat(st, lane, p, j, now, np.nan)
                    continue
                kept = seen + SEEN * i
                if np.isnan(load_float(kept)):
                    wide_rows(kin, planf, p, c, now - start, lane, scratch)
                    for x in range(WIDE_MODES):
                        store_float(kept + 8 * x, lane.factor[F_NOW, x])
                    for x in range(2 * WIDE_MODES):
                        store_float(kept + 32 + 8 * x, lane.factor[F_FALL, x])
                for x in range(WIDE_MODES):
                    lane.factor[F_NOW, x] = load_float(kept + 8 * x)
                for x in range(2 * WIDE_MODES):
                    lane.factor[F_FALL, x] = load_float(kept + 32 + 8 * x)
                code = hot_arrival(kin, wir, st, lane, planf, p, np.int64(j), w, entry + 16, now, end, max_rounds, scratch)
                if code != OK:
                    return code
    return np.int64(OK)


@inner
def rows(kin, wir, st, lane, planf, iota, p, c, n, start, end, max_rounds, scratch):
    """Carry `n` records through the population, one after the other. Returns OK, NO_MEMORY or RAN_AWAY."""
    base, pulled, pop_first = lane.mem[RECORDS, ADDRESS], scratch[S_PULL], wir.pop[p, P_FIRST]
    told, known, ready = -1.0, np.int64(-1), -1.0
    jump, cells, size = lane.factor[F_JUMP], address(st.cell), 8 * st.cell.shape[1]
    jumps, factors = address(jump), address(lane.factor[F_TEST])
    for i in range(n):
        r = base + i * (8 * RECORD_WORDS)
        now, key, q = load_float(r + R_TIME), load_int(r + R_KEY), load_float(r + R_AMPLITUDE)
        first, stop = load_int(r + R_FIRST), load_int(r + R_END)
        k = key & ((1 << PROJECTION_BITS) - 1)
        kind, port = wir.proj[k, J_KIND], wir.proj[k, J_PORT]
        source = (key >> PROJECTION_BITS) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
        post, w64, shift = wir.post, wir.w64, wir.proj[k, J_WEIGHT]
        if kind == DENSE_F32 or kind == DENSE_F64:
            post = iota
            shift += source * (wir.pop[p + 1, P_FIRST] - pop_first) - pop_first
        if kind == PROCEDURAL:
            stop = drawn_part(wir, k, source, first, lane.drawn_id, lane.drawn_weight)
            kind = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR
            first, shift, post, w64 = np.int64(0), np.int64(0), lane.drawn_id, lane.drawn_weight
        if kind == CSR_SCALAR:
            q *= wir.projf[k, J_SCALAR]
        lane.arrived[k] += stop - first
        if now != told or port != known:
            arrival_row(kin, c, port, now - start, scratch)
            for mode in range(WIDE_MODES):
                jump[mode] = pulled[mode]
            told, known = now, port
        single = kind == CSR_F32 or kind == DENSE_F32
        for x in range(np.uint64(first), np.uint64(stop)):
            u = np.uint64(post[x])
            w = q
            if single:
                w = np.float64(wir.w32[np.uint64(np.int64(x) + shift)]) * q
            elif kind != CSR_SCALAR:
                w = w64[np.uint64(np.int64(x) + shift)] * q
            m = st.cell[u, MARGIN]
            if m < np.inf:
                if wide_arrival(cells + np.int64(u) * size, w, jumps, factors) != 0 and m > -np.inf:
                    heat(st, lane, p, np.int64(u), now, np.nan)
                continue
            if ready != now:
                wide_rows(kin, planf, p, c, now - start, lane, scratch)
                ready = now
            code = hot_arrival(kin, wir, st, lane, planf, p, np.int64(u), w, jumps, now, end, max_rounds, scratch)
            if code != OK:
                return code
    return np.int64(OK)


@inner
def carry_wide(kin, wir, st, lane, planf, iota, p, begin, end, per_second, max_rounds, scratch):
    """Carry population `p` from `begin` to `end` (exclusive). Returns OK, NO_MEMORY or RAN_AWAY."""
    n = collect(wir, lane, p, begin, end, per_second)
    if n < 0:
        return np.int64(NO_MEMORY)
    rouse(st, lane, p, end)
    if n == 0 and lane.pops[p, L_HOT] == 0:
        return np.int64(OK)
    c, start = wir.pop[p, P_CLASS], epoch_start(wir, st, p)
    wide_test(kin, c, begin - start, cell_end(wir, st, p, begin) - start, lane, scratch)
    lane.n[LANE_ROWS] += n
    code = np.int64(OK)
    if in_columns(kin, wir, lane, p, c, n):
        first = np.int64(0)
        while first < n and code == OK:
            code = columns(kin, wir, st, lane, planf, p, c, first, min(n, first + COLUMN), start, end, max_rounds, scratch)
            first += COLUMN
    else:
        code = rows(kin, wir, st, lane, planf, iota, p, c, n, start, end, max_rounds, scratch)
    if code != OK:
        return code
    if lane.pops[p, L_HOT] == 0:
        return np.int64(OK)
    last = np.nextafter(end, -np.inf)
    wide_rows(kin, planf, p, c, last - start, lane, scratch)
    at = lane.pops[p, L_BASE] + lane.pops[p, L_HOT] - 1
    while at >= lane.pops[p, L_BASE]:
        j, due = np.int64(lane.pool[at, H_ID]), lane.pool[at, H_DUE]
        if st.flag[j, 0] != ACTIVE or np.isnan(due) or due <= last:
            code = judge_wide(kin, wir, st, lane, p, j, last, end, max_rounds, scratch)
            if code != OK:
                return code
        at = min(at, lane.pops[p, L_BASE] + lane.pops[p, L_HOT]) - 1  # a group may have left the pool
    return np.int64(OK)
