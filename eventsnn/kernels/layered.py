"""The layered scheduler: one population at a time, in topological order, on its sorted arrival list.

In an acyclic network all arrivals at a population are known once its sources are done, so no queue of spikes is needed.
Everything that happens to a neuron is the same code as in the heap scheduler.
"""

import numpy as np

from ..jit import kernel
from .fanout import deliver, span
from .heap import (
    DONE,
    GROW,
    RUNAWAY,
    maintain,
    next_maintenance,
    next_own,
    own_events,
    take_samples,
    test_delivered,
)
from .queue import BURST, CULPRIT, INSTANT, N_OUT, N_OWN, N_SOURCE, ROUND
from .react import answer


@kernel
def run_layer(kin, wir, st, q, p, clock, until, time, proj, source, group, amplitude, probe, out, wk, max_rounds):
    """Carry population `p` to `until`. time, proj, source (local), group, amplitude: its arrivals in canonical order."""
    n = st.flag.shape[0]
    while True:
        if out.time.size - q.n[N_OUT] < n + BURST or q.own_time.size - q.n[N_OWN] < 2 * n + 2:
            return GROW
        at = q.n[N_SOURCE]
        arrival = time[at] if at < time.size else np.inf
        now = min(next_own(st, q), arrival)
        maintenance = next_maintenance(wir, st, q, p, p + 1)
        take_samples(kin, wir, st, q, probe, min(now, maintenance), until, wk.scratch)
        if maintenance <= min(now, until):
            clock[0] = maintenance
            maintain(kin, wir, st, q, p, p + 1, maintenance, wk)
            answer(kin, wir, st, q, maintenance, wk.scratch)
            continue
        if now > until:
            clock[0] = until
            return DONE
        q.n[ROUND] = q.n[ROUND] + 1 if now == clock[0] else 0
        clock[0] = now
        culprit = own_events(kin, wir, st, q, now, out, wk, max_rounds)
        if q.n[ROUND] > max_rounds:
            culprit = out.id[q.n[N_OUT] - 1]
        if culprit < 0 and arrival == now:
            end = at
            while end < time.size and time[end] == now:
                end += 1
            if end - at > wk.rows.shape[0]:
                answer(kin, wir, st, q, now, wk.scratch)
                return GROW
            q.n[INSTANT] += 1
            n_touched = np.int64(0)
            for i in range(at, end):
                k = proj[i]
                lo, hi = span(wir, k, source[i], group[i])
                n_touched = deliver(kin, wir, st, k, source[i], lo, hi, now, amplitude[i], q.n[INSTANT], wk.touched,
                                    n_touched, wk.scratch)
                st.arrived[k] += hi - lo
                wk.rows[i - at, 0], wk.rows[i - at, 1], wk.rows[i - at, 2] = k, lo, hi
            q.n[N_SOURCE] = end
            culprit = test_delivered(kin, wir, st, q, end - at, n_touched, now, out, wk, max_rounds)
        if culprit >= 0:
            q.n[CULPRIT] = culprit
            return RUNAWAY
        answer(kin, wir, st, q, now, wk.scratch)
