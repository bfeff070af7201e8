"""One clocked neuron in its step: brought up to date, tested and reset; and its next candidate step worked out."""

import numpy as np

from ..jit import inlined
from .lattice_calendar import N_NEAR, SEARCHES, schedule
from .lattice_neuron import (
    G_LATE,
    G_MULTI,
    G_REFRACTORY,
    G_RESET,
    G_RESET_MODE,
    G_STRICT,
    L_AMOUNT,
    L_FREE,
    L_THETA,
    NEAR,
    OPEN_RESET,
    advance,
    multiply,
    next_candidate,
    reading,
    reset,
)


@inlined
def hold(grid, c, m, n, y):
    """Advance everything but x_0 by n steps."""
    kept = y[0]
    advance(grid.power, c, n, y, m)
    y[0] = kept


@inlined
def predict(grid, st, cal, step, p, j, m):
    """Next step in which neuron `j` may fire, if nothing arrives."""
    c, y, theta = grid.who[j], step.y, st.par[j, L_THETA]
    if theta == np.inf:
        return
    for i in range(m):
        y[i] = st.cell[j, i]
    begin, level = st.stamp[j], theta - NEAR
    if begin < st.par[j, L_FREE]:
        hold(grid, c, m, np.int64(st.par[j, L_FREE]) - begin, y)
        begin = np.int64(st.par[j, L_FREE])
    elif st.flag[j, 0] == OPEN_RESET:
        begin += 1
        multiply(grid.power, c, 0, y, m)
        reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], 1.0, y)
        if reading(grid.read, c, y, m) >= level:
            schedule(st, cal, p, j, np.float64(begin))
            return
    k, _ = next_candidate(grid, c, y, m, level)
    cal.n[SEARCHES] += 1
    schedule(st, cal, p, j, np.float64(begin + k) if k > 0 else np.inf)


@inlined
def _arrive(grid, step, c, ports, m, j, y, first):
    """Add the sums of the ports to the variables from `first` on."""
    for q in range(ports):
        s = step.sums[q, j]
        if s != 0.0:
            for i in range(first, m):
                y[i] += grid.jump[c, q, i] * s


@inlined
def bring(grid, st, step, p, j, now, m, ports):
    """State of neuron `j` after step `now`, before the test. Returns whether it is refractory."""
    c, y, n, free = grid.who[j], st.cell[j], now - st.stamp[j], np.int64(st.par[j, L_FREE])
    st.stamp[j] = now
    if st.flag[j, 0] == OPEN_RESET:
        st.flag[j, 0] = 0
        multiply(grid.power, c, 0, y, m)
        if n == 1:
            _arrive(grid, step, c, ports, m, j, y, 0)
        reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], 1.0, y)
        if n > 1:
            advance(grid.power, c, n - 1, y, m)
            _arrive(grid, step, c, ports, m, j, y, 0)
        return False
    if now <= free:
        hold(grid, c, m, n, y)
        _arrive(grid, step, c, ports, m, j, y, 1)
        return True
    if now - n < free:
        hold(grid, c, m, free - (now - n), y)
        n = now - free
    advance(grid.power, c, n, y, m)
    _arrive(grid, step, c, ports, m, j, y, 0)
    return False


@inlined
def next_step(grid, st, step, p, j, now, m, ports):
    """As `bring`, with the same bits, for a neuron that was brought up to date in the step before."""
    c, y = grid.who[j], st.cell[j]
    kept, refractory, reset_due = y[0], np.float64(now) <= st.par[j, L_FREE], st.flag[j, 0] == OPEN_RESET
    st.stamp[j] = now
    multiply(grid.power, c, 0, y, m)
    for q in range(ports):
        for i in range(m):
            y[i] += grid.jump[c, q, i] * step.sums[q, j]
    if reset_due:
        st.flag[j, 0] = 0
        reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], 1.0, y)
    elif refractory:
        y[0] = kept
        return True
    return False


@inlined
def test(grid, st, cal, step, p, j, now, m):
    """Test and reset neuron `j`, which is up to date. Returns its number of spikes."""
    c, y, theta = grid.who[j], st.cell[j], st.par[j, L_THETA]
    u = reading(grid.read, c, y, m)
    if u < theta - NEAR:
        return np.int64(0)
    if abs(u - theta) < NEAR:
        if cal.n[N_NEAR] < step.near.shape[0]:
            step.near[cal.n[N_NEAR], 0], step.near[cal.n[N_NEAR], 1] = j, now
        cal.n[N_NEAR] += 1
    if not (u > theta or u == theta and grid.pop[p, G_STRICT] == 0):
        return np.int64(0)
    spikes = np.int64(np.floor(u / theta)) if grid.pop[p, G_MULTI] else np.int64(1)
    if grid.pop[p, G_LATE]:
        st.flag[j, 0] = OPEN_RESET
    else:
        reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], np.float64(spikes), y)
        if grid.pop[p, G_REFRACTORY] > 0:
            st.par[j, L_FREE] = np.float64(now + grid.pop[p, G_REFRACTORY])
    return spikes
