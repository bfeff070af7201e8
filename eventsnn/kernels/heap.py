"""The heap scheduler: a priority queue of spikes, processed one instant at a time.

One instant: own events that are due (crossings fire, refractory periods end), spikes of the sources, then arrivals by rank of
the target population: first all rows are added, then every neuron they touched is tested once. Crossings are searched for up to
the horizon of the population only; between horizons the watched neurons are looked at again. The loop returns to its caller
when an array is full and goes on from there, so nothing is allocated inside.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import (
    ACTIVE,
    ASKED,
    J_KIND,
    J_RULE,
    J_SOURCE,
    J_TARGET,
    P_FIRES,
    P_FIRST,
    P_JUMPS,
    P_OUT,
    PROCEDURAL,
)
from .fanout import delay_of, deliver, drawn_part, run_end, shards
from .neuron import epoch_end, margin_now, release, rescale, voltage
from .plastic import learn_row
from .queue import (
    BURST,
    CULPRIT,
    INSTANT,
    N_FREE,
    N_HEAP,
    N_OUT,
    N_OWN,
    N_SAMPLE,
    N_SOURCE,
    N_WATCH,
    PEAK,
    ROUND,
    pop,
    pop_own,
    push,
    push_own,
)
from .react import answer, emit, fire, look, test_list, test_row, watch, watch_again

DONE, GROW, RUNAWAY, STEPPED = 0, 1, 2, 3
NO_HORIZON = -1.0


@inlined
def next_maintenance(wir, st, q, p0, p1):
    """Time of the next change of epoch or watched horizon of populations p0 to p1 - 1."""
    time = np.inf
    for p in range(p0, p1):
        time = min(time, epoch_end(wir, st, p))
        if q.n[N_WATCH] > 0 and wir.pop[p, P_FIRES] and st.horizon[p] >= 0.0:
            time = min(time, st.horizon[p])
    return time


@inner
def maintain(kin, wir, st, q, p0, p1, now, wk):
    """Changes of epoch that are due, then the watched neurons whose horizon is reached."""
    for p in range(p0, p1):
        if epoch_end(wir, st, p) > now:
            continue
        rescale(kin, wir, st, wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST], wk.scratch)
        st.pop[p, 0] += 1
        for j in range(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST]):
            if wir.pop[p, P_FIRES] and st.flag[j, 0] == ACTIVE and st.due[j] == np.inf:
                watch(st, q, j)
        st.horizon[p] = now
    n = q.n[N_WATCH]
    q.n[N_WATCH] = 0
    kept = np.int64(0)
    for i in range(n):
        j = q.watched[i]
        if st.horizon[wir.who[j, 0]] > now:
            q.watched[q.n[N_WATCH]] = j
            q.n[N_WATCH] += 1
        else:
            st.flag[j, 1] &= ASKED
            if st.flag[j, 0] == ACTIVE and st.due[j] == np.inf:
                wk.rest[kept] = j
                kept += 1
    watch_again(kin, wir, st, q, wk.rest, kept, now, wk.scratch)
    for p in range(p0, p1):
        if st.horizon[p] <= now:
            st.horizon[p] = NO_HORIZON


@inlined
def next_own(st, q):
    """Time of the next own event; drops entries that are out of date."""
    while q.n[N_OWN] > 0 and st.due[q.own_id[0]] != q.own_time[0]:
        pop_own(q)
    return q.own_time[0] if q.n[N_OWN] > 0 else np.inf


@inlined
def next_event(st, q, source_time):
    """Time of the next event other than maintenance."""
    time = next_own(st, q)
    if q.n[N_HEAP] > 0:
        time = min(time, q.time[0])
    if q.n[N_SOURCE] < source_time.size:
        time = min(time, source_time[q.n[N_SOURCE]])
    return time


@inlined
def own_events(kin, wir, st, q, now, out, wk, max_rounds):
    """Crossings due now fire; then refractory periods that end now end. Returns -1, or the neuron that ran away."""
    n = 0
    while q.n[N_OWN] > 0 and q.own_time[0] == now:
        j = q.own_id[0]
        pop_own(q)
        if st.due[j] != now:
            continue
        if st.flag[j, 0] != ACTIVE:
            wk.touched[n] = j
            n += 1
            st.due[j] = np.inf
        elif not fire(kin, wir, st, q, j, now, out, max_rounds, wk.scratch):
            return j
    for i in range(n):
        j = wk.touched[i]
        release(kin, wir, st, j, now, wk.scratch)
        if margin_now(kin, wir, st, j, now, wk.scratch) >= 0.0:
            st.due[j] = now
            push_own(q, now, j)
        else:
            look(kin, wir, st, q, j, now, wk.scratch)
    return np.int64(-1)


@inlined
def test_delivered(kin, wir, st, q, n_rows, n_touched, drawn, now, out, wk, max_rounds):
    """Test every neuron that this instant's arrivals touched; row `drawn` lies in wk.drawn_id, others are drawn again.

    Returns -1, or the neuron that ran away.
    """
    culprit = test_list(kin, wir, st, q, wk.touched, n_touched, now, out, max_rounds, wk.scratch)
    if culprit >= 0:
        return culprit
    for i in range(n_rows):
        k, first, end = wk.rows[i, 0], wk.rows[i, 1], wk.rows[i, 2]
        p = wir.proj[k, J_TARGET]
        if wir.pop[p, P_JUMPS] != 0 or wir.pop[p, P_FIRES] == 0:
            continue
        post = wir.post
        if wir.proj[k, J_KIND] == PROCEDURAL:
            if drawn != i:
                drawn_part(wir, k, wk.rows[i, 3], first, wk.drawn_id, wk.drawn_weight)
                drawn = np.int64(i)
            post, first, end = wk.drawn_id, np.int64(0), end - first
        test_row(kin, wir, st, q, k, post, first, end, now, wk.scratch)
    return np.int64(-1)


@inlined
def arrivals(kin, wir, st, q, now, out, wk, max_rounds):
    """All arrivals of this instant at the populations of the lowest rank due: add, then test. -1 or the runaway."""
    q.n[INSTANT] += 1
    rank = q.key[0] >> np.uint64(52)
    n_rows, n_touched, drawn = 0, np.int64(0), np.int64(-1)
    while q.n[N_HEAP] > 0 and q.time[0] == now and q.key[0] >> np.uint64(52) == rank and n_rows < wk.rows.shape[0]:
        key, slot = q.key[0], q.slot[0]
        k = np.int64(key & np.uint64(0xFFFFF))
        source = np.int64((key >> np.uint64(20)) & np.uint64(0xFFFFFFFF)) - wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
        first, end = q.at[slot], run_end(wir, k, q.at[slot], q.stop[slot])
        at, size = first, end - first
        if wir.proj[k, J_KIND] == PROCEDURAL:
            at, size = np.int64(0), drawn_part(wir, k, source, first, wk.drawn_id, wk.drawn_weight)
            drawn = np.int64(n_rows)
        if wir.proj[k, J_RULE] >= 0:
            learn_row(wir, st, k, source, first, end, now)
        n_touched = deliver(kin, wir, st, k, source, at, at + size, now, q.amplitude[slot], q.n[INSTANT], wk.touched,
                            n_touched, wk.scratch, wk.drawn_id, wk.drawn_weight)
        st.arrived[k] += size
        wk.rows[n_rows, 0], wk.rows[n_rows, 1], wk.rows[n_rows, 2], wk.rows[n_rows, 3] = k, first, first + size, source
        n_rows += 1
        pop(q)
        if end < q.stop[slot]:
            q.at[slot] = end
            push(q, q.born[slot] + delay_of(wir, k, end), key, slot)
        else:
            q.free[q.n[N_FREE]] = slot
            q.n[N_FREE] += 1
    return test_delivered(kin, wir, st, q, n_rows, n_touched, drawn, now, out, wk, max_rounds)


@inner
def take_samples(kin, wir, st, q, probe, before, until, scratch):
    """Record the voltages at all probe times that lie before `before` and not after `until`."""
    while q.n[N_SAMPLE] < probe.time.size:
        i = q.n[N_SAMPLE]
        if not (probe.time[i] < before and probe.time[i] <= until):
            break
        for s in range(probe.id.size):
            probe.value[i, s] = voltage(kin, wir, st, probe.id[s], probe.time[i], scratch)
        q.n[N_SAMPLE] = i + 1


@kernel
def run_heap(kin, wir, st, q, clock, until, limit, source_time, source_id, probe, out, wk, max_rounds):
    """Process every event with time <= until, or `limit` instants. Returns DONE, GROW, STEPPED or RUNAWAY.

    clock[0] is the current time; source_time, source_id: spikes of the inputs, sorted by time, then id.
    """
    n_pop = wir.popf.shape[0]
    need_slots = wir.proj.shape[0] * BURST * shards(wir)
    for p in range(n_pop):
        need_slots += (wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]) * (wir.pop[p + 1, P_OUT] - wir.pop[p, P_OUT]) \
            * (wir.who[wir.pop[p, P_FIRST], 1] >= 0) * shards(wir)
    n = st.flag.shape[0]
    done = 0
    while True:
        if (out.time.size - q.n[N_OUT] < n + BURST or q.n[N_FREE] < need_slots or q.own_time.size - q.n[N_OWN] < 2 * n + 2
                or wk.rows.shape[0] < q.n[N_HEAP] + need_slots):
            return GROW
        q.n[PEAK] = max(q.n[PEAK], q.n[N_HEAP])
        now = next_event(st, q, source_time)
        maintenance = next_maintenance(wir, st, q, 0, n_pop)
        if done >= limit:
            return STEPPED
        if q.n[N_SAMPLE] < probe.time.size:
            take_samples(kin, wir, st, q, probe, min(now, maintenance), until, wk.scratch)
        if maintenance <= min(now, until):
            clock[0] = maintenance
            maintain(kin, wir, st, q, 0, n_pop, maintenance, wk)
            answer(kin, wir, st, q, maintenance, wk.scratch)
            continue
        if now > until:
            clock[0] = until
            return DONE
        q.n[ROUND] = q.n[ROUND] + 1 if now == clock[0] else 0
        clock[0] = now
        culprit = own_events(kin, wir, st, q, now, out, wk, max_rounds)
        if q.n[ROUND] > max_rounds + n_pop:
            culprit = out.id[q.n[N_OUT] - 1]
        if culprit < 0:
            while q.n[N_SOURCE] < source_time.size and source_time[q.n[N_SOURCE]] == now:
                if out.time.size == q.n[N_OUT] or q.n[N_FREE] < wir.proj.shape[0] * shards(wir):
                    answer(kin, wir, st, q, now, wk.scratch)
                    return GROW
                emit(wir, st, q, source_id[q.n[N_SOURCE]], now, 1.0, out)
                q.n[N_SOURCE] += 1
            if q.n[N_HEAP] > 0 and q.time[0] == now:
                if wk.rows.shape[0] < q.n[N_HEAP] + need_slots:
                    answer(kin, wir, st, q, now, wk.scratch)
                    return GROW
                culprit = arrivals(kin, wir, st, q, now, out, wk, max_rounds)
        if culprit >= 0:
            q.n[CULPRIT] = culprit
            return RUNAWAY
        answer(kin, wir, st, q, now, wk.scratch)
        if next_event(st, q, source_time) > now:
            done += 1
