"""The loop of grid time: step by step, but only neurons at which something arrives or that may fire are touched.

One step: spikes of the sources, then population by population in the order of the zero-delay projections: all arrivals are
summed, and every neuron that got one or is due is brought up to date, tested, and its next candidate step worked out. Spikes on
their way are entries in a ring of buckets, one per step and target population; they hop from delay to delay along their row.
Candidate steps lie in a second ring, of doubly linked lists. The loop returns to its caller when an array is full and goes on
from there, so nothing is allocated inside.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import (
    CSR_F32,
    CSR_F64,
    CSR_SCALAR,
    DENSE_F32,
    DENSE_F64,
    J_KIND,
    J_OUT,
    J_PORT,
    J_SCALAR,
    J_SHARDS,
    J_TARGET,
    J_WEIGHT,
    P_FIRST,
    P_OUT,
    PROCEDURAL,
)
from .fanout import delay_of, drawn_part, row_span, run_end, shards, weights_drawn
from .lattice_neuron import (
    G_LATE,
    G_MODES,
    G_MULTI,
    G_PORTS,
    G_REFRACTORY,
    G_RESET,
    G_RESET_MODE,
    G_STATEFUL,
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

DONE, GROW, STEPPED = 0, 1, 2
# Calendar.n
NEXT, N_ENTRIES, FREE, N_OUT, N_SOURCE, VISITS, SEARCHES, N_NEAR, PEAK, N_COUNTERS = range(10)
NOBODY = -1


class Calendar(NamedTuple):
    """What is to come. Steps are whole numbers; the rings have `head.shape[1]` and `due_head.shape[1]` buckets, powers of 2."""

    n: np.ndarray  # i8[N_COUNTERS]
    entry: np.ndarray  # i8[capacity, 6] step of arrival, source, projection, position, end of the row, next in its list
    born: np.ndarray  # i8[capacity] step of the spike
    amplitude: np.ndarray  # f8[capacity]
    head: np.ndarray  # i8[n_pop, ring]
    tail: np.ndarray  # i8[n_pop, ring]
    due_head: np.ndarray  # i8[n_pop, due ring]
    due_link: np.ndarray  # i8[N, 3] next, previous, bucket (-1: in none)


class Step(NamedTuple):
    """Scratch memory of one step, and what comes out."""

    sums: np.ndarray  # f8[N, ports] arrivals of this step
    mark: np.ndarray  # i8[N] the last step in which the neuron was touched
    touched: np.ndarray  # i8[N]
    fired: np.ndarray  # i8[N]
    count: np.ndarray  # i8[N] spikes of a neuron in this step
    y: np.ndarray  # f8[M]
    drawn_id: np.ndarray  # u4
    drawn_weight: np.ndarray  # f8
    out: np.ndarray  # i8[capacity, 3] step, neuron, how many
    near: np.ndarray  # i8[capacity, 2] neuron, step


@inlined
def put(cal, slot, target):
    """Append entry `slot` to the bucket of its step."""
    ring = cal.entry[slot, 0] & (cal.head.shape[1] - 1)
    cal.entry[slot, 5] = NOBODY
    if cal.head[target, ring] == NOBODY:
        cal.head[target, ring] = slot
    else:
        cal.entry[cal.tail[target, ring], 5] = slot
    cal.tail[target, ring] = slot


@inner
def send(wir, cal, p, j, now, amplitude, dt):
    """Put a spike of neuron `j` of population `p` on its way along all its rows."""
    source = j - wir.pop[p, P_FIRST]
    for o in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[o, J_OUT]
        for shard in range(wir.proj[k, J_SHARDS]):
            at, stop = row_span(wir, k, source, shard)
            if at >= stop:
                continue
            slot = cal.n[FREE]
            cal.n[FREE] = cal.entry[slot, 5]
            cal.n[N_ENTRIES] += 1
            cal.entry[slot, 0] = now + np.int64(delay_of(wir, k, at) / dt + 0.5)
            cal.entry[slot, 1], cal.entry[slot, 2], cal.entry[slot, 3], cal.entry[slot, 4] = source, k, at, stop
            cal.born[slot], cal.amplitude[slot] = now, amplitude
            put(cal, slot, wir.proj[k, J_TARGET])
    cal.n[PEAK] = max(cal.n[PEAK], cal.n[N_ENTRIES])


@inlined
def _add(step, ports, j, port, w, now, n):
    if step.mark[j] != now:
        step.mark[j] = now
        for q in range(ports):
            step.sums[j, q] = 0.0
        step.touched[n] = np.int64(j)
        n += 1
    step.sums[j, port] += w
    return n


@inlined
def deliver_row(wir, step, k, source, first, end, amplitude, ports, now, n):
    """Add the arrivals of one run of synapses to the sums; returns the length of the list of touched neurons."""
    kind, port, shift, post, w64 = wir.proj[k, J_KIND], wir.proj[k, J_PORT], wir.proj[k, J_WEIGHT], wir.post, wir.w64
    if kind == PROCEDURAL:
        kind, shift, post, w64 = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR, np.int64(0), step.drawn_id, step.drawn_weight
    lo, hi = np.uint64(first), np.uint64(end)
    if kind == CSR_SCALAR:
        w = wir.projf[k, J_SCALAR] * amplitude
        for i in range(lo, hi):
            n = _add(step, ports, np.uint64(post[i]), port, w, now, n)
    elif kind == CSR_F32:
        for i in range(lo, hi):
            w = np.float64(wir.w32[np.uint64(shift + np.int64(i))]) * amplitude
            n = _add(step, ports, np.uint64(post[i]), port, w, now, n)
    elif kind == CSR_F64:
        for i in range(lo, hi):
            n = _add(step, ports, np.uint64(post[i]), port, w64[np.uint64(shift + np.int64(i))] * amplitude, now, n)
    else:
        p = wir.proj[k, J_TARGET]
        shift += source * (wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]) - wir.pop[p, P_FIRST]
        if kind == DENSE_F32:
            for j in range(lo, hi):
                n = _add(step, ports, j, port, np.float64(wir.w32[np.uint64(shift + np.int64(j))]) * amplitude, now, n)
        elif kind == DENSE_F64:
            for j in range(lo, hi):
                n = _add(step, ports, j, port, wir.w64[np.uint64(shift + np.int64(j))] * amplitude, now, n)
    return n


@inner
def arrivals(wir, st, cal, step, p, ports, now, dt):
    """Deliver the bucket of this step of population `p`; returns how many neurons were touched."""
    ring, n = now & (cal.head.shape[1] - 1), np.int64(0)
    slot = cal.head[p, ring]
    cal.head[p, ring] = NOBODY
    while slot != NOBODY:
        following = cal.entry[slot, 5]
        if cal.entry[slot, 0] > now:
            put(cal, slot, p)
            slot = following
            continue
        source, k, at, stop = cal.entry[slot, 1], cal.entry[slot, 2], cal.entry[slot, 3], cal.entry[slot, 4]
        if wir.proj[k, J_KIND] == PROCEDURAL:
            first, end, rest = np.int64(0), drawn_part(wir, k, source, at, step.drawn_id, step.drawn_weight), stop
        else:
            first, end, rest = at, run_end(wir, k, at, stop), run_end(wir, k, at, stop)
        n = deliver_row(wir, step, k, source, first, end, cal.amplitude[slot], ports, now, n)
        st.arrived[k] += (end - first) * np.int64(cal.amplitude[slot])
        if rest < stop:
            cal.entry[slot, 0] = cal.born[slot] + np.int64(delay_of(wir, k, rest) / dt + 0.5)
            cal.entry[slot, 3] = rest
            put(cal, slot, p)
        else:
            cal.entry[slot, 5] = cal.n[FREE]
            cal.n[FREE] = slot
            cal.n[N_ENTRIES] -= 1
        slot = following
    return n


@inlined
def unschedule(cal, p, j):
    """Take neuron `j` out of the bucket of its candidate step."""
    bucket = cal.due_link[j, 2]
    if bucket == NOBODY:
        return
    after, before = cal.due_link[j, 0], cal.due_link[j, 1]
    if before == NOBODY:
        cal.due_head[p, bucket] = after
    else:
        cal.due_link[before, 0] = after
    if after != NOBODY:
        cal.due_link[after, 1] = before
    cal.due_link[j, 2] = NOBODY


@inlined
def enter(cal, p, j, due):
    """Put neuron `j` into the bucket of its candidate step."""
    bucket = due & (cal.due_head.shape[1] - 1)
    first = cal.due_head[p, bucket]
    cal.due_link[j, 0], cal.due_link[j, 1], cal.due_link[j, 2] = first, NOBODY, bucket
    if first != NOBODY:
        cal.due_link[first, 1] = j
    cal.due_head[p, bucket] = j


@inlined
def schedule(st, cal, p, j, due):
    """Let neuron `j` be looked at in step `due`, instead of what was due before."""
    if due == st.due[j]:
        return
    unschedule(cal, p, j)
    st.due[j] = due
    if due < np.inf:
        enter(cal, p, j, np.int64(due))


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
                    step.sums[j, q] = 0.0
                step.touched[n] = j
                n += 1
        j = following
    return n


@inlined
def _hold(grid, c, m, n, y):
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
        _hold(grid, c, m, np.int64(st.par[j, L_FREE]) - begin, y)
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
        s = step.sums[j, q]
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
        _hold(grid, c, m, n, y)
        _arrive(grid, step, c, ports, m, j, y, 1)
        return True
    if now - n < free:
        _hold(grid, c, m, free - (now - n), y)
        n = now - free
    advance(grid.power, c, n, y, m)
    _arrive(grid, step, c, ports, m, j, y, 0)
    return False


@inlined
def visit(grid, st, cal, step, p, j, now, m, ports):
    """Bring neuron `j` up to date, test and reset it. Returns its number of spikes."""
    cal.n[VISITS] += 1
    refractory = bring(grid, st, step, p, j, now, m, ports)
    spikes, c, y = np.int64(0), grid.who[j], st.cell[j]
    if not refractory:
        u, theta = reading(grid.read, c, y, m), st.par[j, L_THETA]
        if abs(u - theta) < NEAR:
            if cal.n[N_NEAR] < step.near.shape[0]:
                step.near[cal.n[N_NEAR], 0], step.near[cal.n[N_NEAR], 1] = j, now
            cal.n[N_NEAR] += 1
        if u > theta or u == theta and grid.pop[p, G_STRICT] == 0:
            spikes = np.int64(np.floor(u / theta)) if grid.pop[p, G_MULTI] else np.int64(1)
            if grid.pop[p, G_LATE]:
                st.flag[j, 0] = OPEN_RESET
            else:
                reset(grid.pop[p, G_RESET], grid.pop[p, G_RESET_MODE], st.par[j, L_AMOUNT], np.float64(spikes), y)
                if grid.pop[p, G_REFRACTORY] > 0:
                    st.par[j, L_FREE] = np.float64(now + grid.pop[p, G_REFRACTORY])
    predict(grid, st, cal, step, p, j, m)
    return spikes


@inlined
def visit_all(grid, st, cal, step, p, n, now, m, ports):
    """Visit the first `n` of those touched; returns how many fired."""
    n_fired = 0
    for i in range(n):
        j = step.touched[i]
        spikes = visit(grid, st, cal, step, p, j, now, m, ports)
        if spikes > 0:
            step.fired[n_fired], step.count[j] = j, spikes
            n_fired += 1
    return n_fired


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
    ports, m = grid.pop[p, G_PORTS], grid.pop[p, G_MODES]
    n = arrivals(wir, st, cal, step, p, ports, now, dt)
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


@inlined
def record(st, cal, step, p, j, now, count):
    """Note `count` spikes of neuron `j`."""
    out = cal.n[N_OUT]
    step.out[out, 0], step.out[out, 1], step.out[out, 2] = now, j, count
    cal.n[N_OUT] += 1
    st.pop[p, 1] += count


@kernel
def start(grid, wir, st, cal, step):
    """Look for the first candidate step of every neuron, before step 0."""
    for p in range(grid.pop.shape[0]):
        if grid.pop[p, G_STATEFUL]:
            for j in range(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST]):
                predict(grid, st, cal, step, p, j, grid.pop[p, G_MODES])


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
        _hold(grid, c, m, held, y)
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
            if grid.pop[p, G_STATEFUL] and (cal.head[p, now & (cal.head.shape[1] - 1)] != NOBODY
                                            or cal.due_head[p, now & (cal.due_head.shape[1] - 1)] != NOBODY):
                one_population(grid, wir, st, cal, step, p, now, dt)
        cal.n[NEXT] = now + 1
        if limit and happened(st, cal) > before:
            return STEPPED
    return DONE
