"""Driver of the layered loop: builds each population's sorted arrival list from its sources' spikes."""

import numpy as np

from ..kernels import heap as kernel
from ..kernels.layered import run_layer
from ..kernels.queue import BURST, INSTANT, N_OUT, N_SAMPLE, N_SOURCE, SEARCHES, Work
from ..layout import J_DELAY, J_GROUP, J_OUT, J_ROW, J_SOURCE, J_TARGET, P_FIRST, P_OUT
from ..model.graph import strong_components
from .base import Scheduler
from .heap import Heap, fill_own, new_out, new_probe, new_queue, with_room

_FIELDS = ("time", "source", "proj", "group", "seq", "amplitude")


def _empty():
    return {"time": np.zeros(0), "amplitude": np.zeros(0)} | {k: np.zeros(0, np.int64) for k in
                                                              ("source", "proj", "group", "seq")}


class Layered(Scheduler):
    """Population by population in topological order; acyclic networks."""

    name = "layered"

    def __init__(self, lowered, **options):
        super().__init__(lowered, **options)
        n = lowered.n
        edges = lowered.edges()
        self.order = [int(p) for p in np.argsort(strong_components(len(lowered.names), edges), kind="stable")]
        silent = lowered.wiring.pop.copy()
        silent[:, P_OUT] = 0
        self._alone = lowered.wiring._replace(pop=silent)  # spikes are sent on in `_send`, not by the loop
        self.queue = new_queue(n, 1, 4 * n + 64)
        self.out = new_out(2 * n + 4 * BURST)
        self.work = Work(np.empty((1024, 3), np.int64), np.empty(n, np.int64), np.empty(n, np.int64), self.scratch)
        self.coming = [_empty() for _ in lowered.names]
        first = lowered.first
        self.watched = [np.flatnonzero(self.state.flag[a:b, 1]) + a for a, b in zip(first[:-1], first[1:])]
        self.seq = 0

    def _send(self, p, times, ids, amplitudes):
        """Turn the new spikes of population `p` into arrivals at its targets."""
        wiring = self.lowered.wiring
        local = ids - wiring.pop[p, P_FIRST]
        seq = np.arange(self.seq, self.seq + times.size)
        self.seq += times.size
        for k in wiring.proj[wiring.pop[p, P_OUT]:wiring.pop[p + 1, P_OUT], J_OUT]:
            if wiring.proj[k, J_GROUP] >= 0:
                rows = wiring.row[wiring.proj[k, J_GROUP] + local]
                count = wiring.row[wiring.proj[k, J_GROUP] + local + 1] - rows
                pick = np.repeat(np.arange(times.size), count)
                group = np.arange(pick.size) - np.repeat(np.cumsum(count) - count, count) + rows[pick]
                delay = wiring.group_delay[group]
            else:
                if wiring.proj[k, J_ROW] >= 0:
                    at = wiring.proj[k, J_ROW] + local
                    pick = np.flatnonzero(wiring.row[at + 1] > wiring.row[at])
                else:
                    pick = np.arange(times.size)
                group, delay = np.full(pick.size, -1, np.int64), wiring.projf[k, J_DELAY]
            new = {"time": times[pick] + delay, "source": ids[pick], "proj": np.full(pick.size, k, np.int64),
                   "group": group, "seq": seq[pick], "amplitude": amplitudes[pick]}
            target = int(wiring.proj[k, J_TARGET])
            self.coming[target] = {f: np.concatenate([self.coming[target][f], new[f]]) for f in _FIELDS}

    def _arrivals(self, p, until):
        """The arrivals at population `p` up to `until` in canonical order; later ones stay."""
        pending = self.coming[p]
        order = np.lexsort([pending[f] for f in ("seq", "group", "proj", "source", "time")])
        pending = {f: pending[f][order] for f in _FIELDS}
        n = int(np.searchsorted(pending["time"], until, side="right"))
        self.coming[p] = {f: pending[f][n:] for f in _FIELDS}
        return {f: pending[f][:n] for f in _FIELDS}

    def _run(self, p, until, compiled):
        wiring, q = self.lowered.wiring, self.queue
        now = self._arrivals(p, until)
        local = now["source"] - wiring.pop[wiring.proj[now["proj"], J_SOURCE], P_FIRST] if now["time"].size else now["source"]
        watched = self.watched[p]
        q.watched[:watched.size] = watched
        q.n[kernel.N_WATCH] = watched.size
        q.n[N_OUT] = q.n[N_SAMPLE] = q.n[N_SOURCE] = 0
        fill_own(q, self.state, wiring.pop[p, P_FIRST], wiring.pop[p + 1, P_FIRST])
        clock = np.array([self.time])
        while True:
            code = run_layer(self.lowered.kinetics, self._alone, self.state, q, p, clock, until, now["time"], now["proj"],
                             local, now["group"], now["amplitude"], compiled, self.out, self.work, self.max_rounds)
            if code != kernel.GROW:
                break
            n = self.lowered.n
            self.out = with_room(self.out, q.n[N_OUT], n + BURST)
            if q.own_time.size - q.n[kernel.N_OWN] < 2 * n + 2:
                q = self.queue = q._replace(own_time=np.concatenate([q.own_time, np.zeros_like(q.own_time)]),
                                            own_id=np.concatenate([q.own_id, np.zeros_like(q.own_id)]))
            at = int(q.n[N_SOURCE])
            same = int(np.searchsorted(now["time"], now["time"][at], side="right")) - at if at < now["time"].size else 0
            if same > len(self.work.rows):
                self.work = self.work._replace(rows=np.empty((same, 3), np.int64))
        n = int(q.n[N_OUT])
        times, ids, amplitudes = (a[:n].copy() for a in self.out)
        if code == kernel.RUNAWAY:
            self.time = float(clock[0])
            raise self.runaway(ids[times == self.time])
        self.watched[p] = q.watched[:q.n[kernel.N_WATCH]].copy()
        order = np.lexsort((ids, times))
        return times[order], ids[order], amplitudes[order]

    def advance(self, until, probe=None):
        """Process every event with time <= until; see `Heap.advance`."""
        wiring = self.lowered.wiring
        source_times, source_ids = self.sources.take(until)
        whose = wiring.who[source_ids, 0]
        times, ids, columns = [], [], []
        for p in self.order:
            if wiring.who[wiring.pop[p, P_FIRST], 1] < 0:
                mine = whose == p
                spikes = source_times[mine], source_ids[mine], np.ones(int(mine.sum()))
                self.state.pop[p, 1] += spikes[0].size
            else:
                wanted = np.flatnonzero(wiring.who[probe[1], 0] == p) if probe is not None else np.zeros(0, np.int64)
                compiled = new_probe((probe[0], probe[1][wanted]) if wanted.size else None)
                spikes = self._run(p, until, compiled)
                columns.append((wanted, compiled.value))
            self._send(p, *spikes)
            times.append(spikes[0])
            ids.append(spikes[1])
        self.time = float(until)
        times, ids = np.concatenate(times), np.concatenate(ids)
        order = np.lexsort((ids, times))
        value = None if probe is None else np.full((probe[0].size, probe[1].size), np.nan)
        for wanted, part in columns:
            if wanted.size:
                value[:, wanted] = part
        return times[order], ids[order], value

    def peek(self):
        """Time of the next event, or inf; asked of a heap scheduler in the same state. Leaves everything as it is."""
        heap = Heap(self.lowered, max_rounds=self.max_rounds, state=self.state)
        heap.sources, heap.time = self.sources.copy(), self.time
        first = min((c["time"].min(initial=np.inf) for c in self.coming), default=np.inf)
        return min(float(first), heap.peek())

    def diagnostics(self):
        """How the scheduler worked; not part of the result."""
        n = self.queue.n
        return {"arrival_batches": int(n[INSTANT]), "crossing_searches": int(n[SEARCHES]),
                "in_flight": sum(c["time"].size for c in self.coming)}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        data = {f"coming_{p}/{f}": c[f] for p, c in enumerate(self.coming) for f in _FIELDS}
        data |= {f"watched_{p}": w for p, w in enumerate(self.watched)}
        return data | {"seq": np.array(self.seq), "numbers": self.queue.n}

    def restore(self, data):
        """Inverse of `snapshot`."""
        self.coming = [{f: data[f"coming_{p}/{f}"] for f in _FIELDS} for p in range(len(self.coming))]
        self.watched = [data[f"watched_{p}"].astype(np.int64) for p in range(len(self.watched))]
        self.seq = int(data["seq"])
        self.queue.n[:] = data["numbers"]
