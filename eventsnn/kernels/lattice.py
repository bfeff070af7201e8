"""The loop of grid time: step by step, but in a quiet population only neurons at which something arrives or that may fire are
touched.

One step: spikes of the sources, then population by population in the order of the zero-delay projections: all arrivals are
summed, and every neuron that got one or is due is brought up to date, tested, and its next candidate step worked out. In a busy
population that costs more than a sweep over all its neurons, which needs no candidate steps and no lists; `mood` says when to
change from one to the other. The loop returns to its caller when an array is full and goes on from there, so nothing is
allocated inside.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import P_FIRST, P_OUT
from .fanout import shards
from .lattice_arrivals import arrivals
from .lattice_calendar import (
    BALANCE,
    N_ENTRIES,
    N_OUT,
    N_SOURCE,
    NEXT,
    NOBODY,
    SWEEPING,
    VISITS,
    enter,
    record,
    schedule,
    send,
    unschedule,
)
from .lattice_neuron import (
    G_MODES,
    G_PORTS,
    G_RESET,
    G_RESET_MODE,
    G_STATEFUL,
    L_AMOUNT,
    L_FREE,
    OPEN_RESET,
    advance,
    multiply,
    reading,
    reset,
)
from .lattice_sweep import sweep
from .lattice_visit import bring, hold, predict, test

DONE, GROW, STEPPED = 0, 1, 2
VISIT, SEARCH = 16, 16  # cost of a visit, and of the first candidate step of a neuron, in neurons of a sweep (measured)


@inner
def add_due(st, cal, step, p, ports, now, n):
    """Add the neurons of population `p` that are due now to those touched; returns how many there are."""
    j = cal.due_head[p, now & (cal.due_head.shape[1] - 1)]
    while j != NOBODY:
        following = cal.due_link[j, 0]
        if st.due[j] == now:
            unschedule(cal, p, j)
            if step.mark[j] != now:
                step.mark[j] = now
                for q in range(ports):
                    step.sums[q, j] = 0.0
                step.touched[n] = j
                n += 1
        j = following
    return n


@inlined
def visit_all(grid, st, cal, step, p, n, now, m, ports):
    """Visit the first `n` of those touched; returns how many fired."""
    n_fired = 0
    for i in range(n):
        j = step.touched[i]
        spikes = np.int64(0)
        if not bring(grid, st, step, p, j, now, m, ports):
            spikes = test(grid, st, cal, step, p, j, now, m)
        predict(grid, st, cal, step, p, j, m)
        if spikes > 0:
            step.fired[n_fired], step.count[j] = j, spikes
            n_fired += 1
    cal.n[VISITS] += n
    return n_fired


@inner
def wake(grid, wir, st, cal, p):
    """From visits to sweeps: nothing is due any more."""
    cal.mood[p, SWEEPING], cal.mood[p, BALANCE] = 1, 0
    for j in range(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST]):
        schedule(st, cal, p, j, np.inf)


@inner
def settle(grid, wir, st, cal, step, p):
    """From sweeps to visits: the candidate step of every neuron."""
    cal.mood[p, SWEEPING], cal.mood[p, BALANCE] = 0, 0
    for j in range(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST]):
        predict(grid, st, cal, step, p, j, grid.pop[p, G_MODES])


@inner
def consider(grid, wir, st, cal, step, p, touched):
    """Change between visits and sweeps of population `p`, once what the other would have saved since pays for the change.

    touched : how many neurons were visited in this step, or at most would have been
    """
    n = wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]
    gain = VISIT * touched - n
    if cal.mood[p, SWEEPING]:
        cal.mood[p, BALANCE] = max(cal.mood[p, BALANCE] - gain, 0)
        if cal.mood[p, BALANCE] > SEARCH * n:
            settle(grid, wir, st, cal, step, p)
    else:
        cal.mood[p, BALANCE] = max(cal.mood[p, BALANCE] + gain, 0)
        if cal.mood[p, BALANCE] > SEARCH * n:
            wake(grid, wir, st, cal, p)


@inner
def sort(ids, n):
    """Sort the first n entries in place (Shell's method): the order of emission must not depend on that of the lists."""
    gap = np.int64(1)
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            value, k = ids[i], i
            while k >= gap and ids[k - gap] > value:
                ids[k] = ids[k - gap]
                k -= gap
            ids[k] = value
        gap //= 3


@inner
def one_population(grid, wir, st, cal, step, p, now, dt):
    """Arrivals, tests and spikes of population `p` in step `now`."""
    ports, m, sweeping = grid.pop[p, G_PORTS], grid.pop[p, G_MODES], cal.mood[p, SWEEPING]
    n = arrivals(grid, wir, st, cal, step, p, ports, now, dt)
    if sweeping:
        n_fired = sweep(grid, wir, st, cal, step, p, now, m, ports)
        n = min(n + n_fired, wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST])
    else:
        n = add_due(st, cal, step, p, ports, now, n)
        if ports == 1 and m == 1:
            n_fired = visit_all(grid, st, cal, step, p, n, now, 1, 1)
        elif ports == 1 and m == 2:
            n_fired = visit_all(grid, st, cal, step, p, n, now, 2, 1)
        elif ports == 1 and m == 4:
            n_fired = visit_all(grid, st, cal, step, p, n, now, 4, 1)
        else:
            n_fired = visit_all(grid, st, cal, step, p, n, now, m, ports)
        sort(step.fired, n_fired)
    for i in range(n_fired):
        j = step.fired[i]
        record(st, cal, step, p, j, now, step.count[j])
        send(wir, cal, p, j, now, np.float64(step.count[j]), dt)
    consider(grid, wir, st, cal, step, p, n)


@kernel
def reschedule(grid, wir, st, cal):
    """Fill the ring of candidate steps from `st.due`."""
    for p in range(grid.pop.shape[0]):
        for j in range(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST]):
            if st.due[j] < np.inf:
                enter(cal, p, j, np.int64(st.due[j]))


@kernel
def voltages(grid, wir, st, step, ids, at, found):
    """U [len(ids)] and x [len(ids), M] of neurons `ids` after step `at`, in `found` [len(ids), 1 + M]; nothing changes."""
    for i in range(ids.size):
        j = ids[i]
        p = wir.who[j, 0]
        m, c, y, n = grid.pop[p, G_MODES], grid.who[j], step.y, at - st.stamp[j]
        for k in range(m):
            y[k] = st.cell[j, k]
        if st.flag[j, 0] == OPEN_RESET and n > 0:
            multiply(grid.power, c, 0, y, m)
            reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], 1.0, y)
            n -= 1
        held = min(max(np.int64(st.par[j, L_FREE]) - st.stamp[j], 0), n)
        hold(grid, c, m, held, y)
        advance(grid.power, c, n - held, y, m)
        found[i, 0] = reading(grid.read, c, y, m)
        for k in range(m):
            found[i, 1 + k] = y[k]


@inner
def happened(st, cal):
    """Spikes and arrivals so far."""
    total = cal.n[N_OUT]
    for k in range(st.arrived.size):
        total += st.arrived[k]
    return total


@kernel
def run_lattice(grid, wir, st, cal, step, last, limit, source_step, source_id, dt):
    """Process every step up to `last`; with `limit`, only up to the first in which something arrives or fires.

    Returns DONE, GROW or STEPPED. source_step, source_id: spikes of the sources, sorted by step.
    """
    n_pop = grid.pop.shape[0]
    rows, widest = np.int64(0), np.int64(0)
    for p in range(n_pop):
        fan = (wir.pop[p + 1, P_OUT] - wir.pop[p, P_OUT]) * shards(wir)
        widest = max(widest, fan)
        if grid.pop[p, G_STATEFUL]:
            rows += fan * (wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST])
    while cal.n[NEXT] <= last:
        now = cal.n[NEXT]
        fresh = cal.n[N_SOURCE]
        while fresh < source_step.size and source_step[fresh] == now:
            fresh += 1
        fresh -= cal.n[N_SOURCE]
        if (cal.entry.shape[0] - cal.n[N_ENTRIES] < rows + fresh * widest + 1
                or step.out.shape[0] - cal.n[N_OUT] < st.flag.shape[0] + fresh):
            return GROW
        before = happened(st, cal) if limit else np.int64(0)
        for _ in range(fresh):
            j = source_id[cal.n[N_SOURCE]]
            p = wir.who[j, 0]
            record(st, cal, step, p, j, now, np.int64(1))
            send(wir, cal, p, j, now, 1.0, dt)
            cal.n[N_SOURCE] += 1
        for i in range(n_pop):
            p = grid.order[i]
            if grid.pop[p, G_STATEFUL] and (cal.mood[p, SWEEPING] or cal.head[p, now & (cal.head.shape[1] - 1)] != NOBODY
                                            or cal.due_head[p, now & (cal.due_head.shape[1] - 1)] != NOBODY):
                one_population(grid, wir, st, cal, step, p, now, dt)
        cal.n[NEXT] = now + 1
        if limit and happened(st, cal) > before:
            return STEPPED
    return DONE


@kernel
def number_of_spikes(out, n):
    """How many spikes the first `n` records [step, neuron, how many] stand for."""
    total = np.int64(0)
    for i in range(np.uint64(n)):
        total += out[i, 2]
    return total


@kernel
def write_spikes(out, n, dt, times, ids):
    """Times (s) and neurons of the first `n` records; returns whether neurons ascend within every step."""
    to, ordered = np.uint64(0), True
    for i in range(np.uint64(n)):
        if i > 0 and out[i, 0] == out[i - np.uint64(1), 0] and out[i, 1] < out[i - np.uint64(1), 1]:
            ordered = False
        for _ in range(out[i, 2]):
            times[to], ids[to] = np.float64(out[i, 0]) * dt, out[i, 1]
            to += np.uint64(1)
    return ordered
