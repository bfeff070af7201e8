"""One step of a whole population of clocked neurons.

Where all share one rule, the arithmetic goes over columns of variables, several neurons at a time, and only blocks in which
some U comes near its threshold are looked at neuron by neuron. Columns that the population does not use stay zero.
"""

import numpy as np

from ..jit import inlined
from ..layout import P_FIRST
from .lattice_calendar import SWEPT
from .lattice_neuron import (
    G_ALIKE,
    G_LATE,
    G_RESET,
    G_RESET_MODE,
    L_AMOUNT,
    NEAR,
    OPEN_RESET,
    reading,
    reset,
)
from .lattice_visit import next_step, test

BLOCK = 64


@inlined
def _onward(grid, c, x, sums, first, end, m):
    """x [N m] <- A x + jump sums for neurons of class `c`; `m` = 1 to 4 variables, the first port."""
    power, jump = grid.power, grid.jump
    if m == 1:
        a, b = power[c, 0, 0, 0], jump[c, 0, 0]
        for j in range(first, end):
            x[j] = a * x[j] + b * sums[j]
    elif m == 2:
        a, a1, b = power[c, 0, 0, 0], power[c, 0, 0, 1], jump[c, 0, 0]
        d, e = power[c, 0, 1, 1], jump[c, 0, 1]
        for j in range(first, end):
            i, s = np.uint64(2) * j, sums[j]
            y, z = x[i], x[i + np.uint64(1)]
            x[i] = a * y + a1 * z + b * s
            x[i + np.uint64(1)] = d * z + e * s
    elif m == 3:
        a, a1, a2, b = power[c, 0, 0, 0], power[c, 0, 0, 1], power[c, 0, 0, 2], jump[c, 0, 0]
        d, d1, e = power[c, 0, 1, 1], power[c, 0, 1, 2], jump[c, 0, 1]
        f, g = power[c, 0, 2, 2], jump[c, 0, 2]
        for j in range(first, end):
            i, s = np.uint64(3) * j, sums[j]
            y, z, v = x[i], x[i + np.uint64(1)], x[i + np.uint64(2)]
            x[i] = a * y + a1 * z + a2 * v + b * s
            x[i + np.uint64(1)] = d * z + d1 * v + e * s
            x[i + np.uint64(2)] = f * v + g * s
    else:
        a, a1, a2, a3 = power[c, 0, 0, 0], power[c, 0, 0, 1], power[c, 0, 0, 2], power[c, 0, 0, 3]
        d, d1, d2 = power[c, 0, 1, 1], power[c, 0, 1, 2], power[c, 0, 1, 3]
        f, f1, h = power[c, 0, 2, 2], power[c, 0, 2, 3], power[c, 0, 3, 3]
        b, e, g, k = jump[c, 0, 0], jump[c, 0, 1], jump[c, 0, 2], jump[c, 0, 3]
        for j in range(first, end):
            i, s = np.uint64(4) * j, sums[j]
            y, z, v, w = x[i], x[i + np.uint64(1)], x[i + np.uint64(2)], x[i + np.uint64(3)]
            x[i] = a * y + a1 * z + a2 * v + a3 * w + b * s
            x[i + np.uint64(1)] = d * z + d1 * v + d2 * w + e * s
            x[i + np.uint64(2)] = f * v + f1 * w + g * s
            x[i + np.uint64(3)] = h * w + k * s


@inlined
def _further_ports(grid, c, x, sums, first, end, m, ports):
    """Arrivals at all ports but the first."""
    for q in range(1, ports):
        arrived = sums[q]
        for i in range(m):
            b = grid.jump[c, q, i]
            if b != 0.0:
                for j in range(first, end):
                    x[np.uint64(m) * j + np.uint64(i)] += b * arrived[j]


@inlined
def _near(grid, c, x, par, first, end, m):
    """How many of the neurons have U at their threshold or above."""
    hits, read, three = 0, grid.read, np.uint64(3)
    if m == 1:
        r = read[c, 0]
        for j in range(first, end):
            hits += r * x[j] >= par[three * j] - NEAR
    elif m == 2:
        r, r1 = read[c, 0], read[c, 1]
        for j in range(first, end):
            i = np.uint64(2) * j
            hits += r * x[i] + r1 * x[i + np.uint64(1)] >= par[three * j] - NEAR
    elif m == 3:
        r, r1, r2 = read[c, 0], read[c, 1], read[c, 2]
        for j in range(first, end):
            i = np.uint64(3) * j
            hits += r * x[i] + r1 * x[i + np.uint64(1)] + r2 * x[i + np.uint64(2)] >= par[three * j] - NEAR
    else:
        r, r1, r2, r3 = read[c, 0], read[c, 1], read[c, 2], read[c, 3]
        for j in range(first, end):
            i = np.uint64(4) * j
            u = r * x[i] + r1 * x[i + np.uint64(1)] + r2 * x[i + np.uint64(2)] + r3 * x[i + np.uint64(3)]
            hits += u >= par[three * j] - NEAR
    return hits


@inlined
def _columns(grid, st, cal, step, p, first, end, now, m, ports):
    """All neurons of a population whose neurons share their rule, without refractory steps; `m` columns of variables."""
    c, n_fired = grid.who[first], 0
    x, par = st.cell.reshape(st.cell.size), st.par.reshape(st.par.size)
    stamp, late = st.stamp, grid.pop[p, G_LATE]
    for j in range(first, end):
        stamp[j] = now
    _onward(grid, c, x, step.sums[0], first, end, m)
    _further_ports(grid, c, x, step.sums, first, end, m, ports)
    n = np.uint64(0)
    for begin in range(first, end, np.uint64(BLOCK)):
        stop = min(begin + np.uint64(BLOCK), end)
        if late:
            opened = 0
            for j in range(begin, stop):
                opened += st.flag[j, 0]
            if opened:
                for j in range(begin, stop):
                    if st.flag[j, 0] == OPEN_RESET:
                        st.flag[j, 0] = 0
                        reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], 1.0, st.cell[j])
        if _near(grid, c, x, par, begin, stop, m):
            for j in range(begin, stop):
                step.touched[n] = np.int64(j)
                n += np.uint64(reading(grid.read, c, st.cell[j], m) >= par[np.uint64(3) * j] - NEAR)
    for i in range(n):
        j = np.uint64(step.touched[i])
        spikes = test(grid, st, cal, step, p, j, now, m)
        if spikes > 0:
            step.fired[n_fired], step.count[j] = np.int64(j), spikes
            n_fired += 1
    return n_fired


@inlined
def _one_by_one(grid, st, cal, step, p, first, end, now, m, ports):
    n_fired = 0
    for j in range(first, end):
        if next_step(grid, st, step, p, j, now, m, ports):
            continue
        spikes = test(grid, st, cal, step, p, j, now, m)
        if spikes > 0:
            step.fired[n_fired], step.count[j] = np.int64(j), spikes
            n_fired += 1
    return n_fired


@inlined
def sweep(grid, wir, st, cal, step, p, now, m, ports):
    """Bring every neuron of population `p` one step further; returns how many fired."""
    first, end = np.uint64(wir.pop[p, P_FIRST]), np.uint64(wir.pop[p + 1, P_FIRST])
    cal.n[SWEPT] += np.int64(end - first)
    if grid.pop[p, G_ALIKE]:
        if st.cell.shape[1] == 1:
            return _columns(grid, st, cal, step, p, first, end, now, 1, ports)
        if st.cell.shape[1] == 2:
            return _columns(grid, st, cal, step, p, first, end, now, 2, ports)
        if st.cell.shape[1] == 3:
            return _columns(grid, st, cal, step, p, first, end, now, 3, ports)
        return _columns(grid, st, cal, step, p, first, end, now, 4, ports)
    if m == 1:
        return _one_by_one(grid, st, cal, step, p, first, end, now, 1, ports)
    if m == 2:
        return _one_by_one(grid, st, cal, step, p, first, end, now, 2, ports)
    return _one_by_one(grid, st, cal, step, p, first, end, now, m, ports)
