"""The reference scheduler: the semantics in plain Python. Slow; the oracle, and the place to read what happens when.

One instant t: crossings due fire, refractory periods end, sources emit; then, rank by rank of the target populations, all
arrivals are added and every neuron they reached is tested once. Whatever became due at t in the meantime follows in a
further round of the same instant. The arithmetic of one neuron is `kernels.neuron`, as everywhere.
"""

import numpy as np
from sortedcontainers import SortedKeyList, SortedList

from ..kernels import single
from ..kernels.neuron import S_PULL
from ..layout import (
    ACTIVE,
    DV_ROW,
    J_OUT,
    J_PORT,
    J_RULE,
    J_SHARDS,
    J_SOURCE,
    J_TARGET,
    MODES,
    N_MODES,
    P_EPOCH,
    P_FIRES,
    P_FIRST,
    P_GROUP,
    P_LEARNS,
    P_OUT,
    P_RANK,
    REFRACTORY,
    S_PENDING,
    WATCHED,
)
from .base import SPARE, Scheduler, longest_drawn
from .heap import Heap


class Reference(Scheduler):
    """Sorted lists of arrivals and own events; crossings are searched after every event of a single."""

    name = "reference"

    def __init__(self, lowered, **options):
        super().__init__(lowered, **options)
        self.arrivals = SortedKeyList(key=lambda a: a[:6])
        self.seq = self.n_instants = 0
        longest = max([longest_drawn(lowered.wiring) + SPARE, *(int(n) for n in np.diff(lowered.wiring.row)),
                       *(p.n for p in lowered.populations)])
        self._targets, self._weights = np.zeros(longest, np.uint32), np.zeros(longest)
        self._args = lowered.kinetics, lowered.wiring, self.state
        for j in np.flatnonzero(self.state.flag[:, 1] & WATCHED):
            self.state.due[j] = single.search(*self._args, j, self.time, self.scratch)
        self.state.flag[:, 1] = 0
        pop = lowered.wiring.pop[lowered.wiring.who[:, 0]]
        self._firing = np.flatnonzero((lowered.wiring.who[:, 1] >= 0) & (pop[:, P_FIRES] == 1))
        self._cells = sorted(set(lowered.wiring.who[self._firing, 0].tolist()))  # populations, searched cell by cell
        self.requeue()

    def requeue(self):
        """Rebuild the list of own events from the due times in the state."""
        self.own = SortedList((self.state.due[j], j) for j in np.flatnonzero(self.state.due < np.inf).tolist())

    def _epoch(self, p, ahead=0):
        """Start of the current epoch of population `p`, or of a later one."""
        number = self.state.pop[p, 0] + ahead
        return number * self.lowered.wiring.popf[p, P_EPOCH] if number else 0.0

    def _set_due(self, j, due):
        """Own event of neuron `j`, replacing what was due before."""
        before = self.state.due[j]
        if due != before:
            self.own.discard((before, j))
            self.state.due[j] = due
        if due < np.inf and (due, j) not in self.own:
            self.own.add((due, j))

    def _emit(self, j, now, amplitude, spikes):
        """Record a spike and send it along every delay group of every projection."""
        wiring = self.lowered.wiring
        p = wiring.who[j, 0]
        self.state.pop[p, 1] += 1
        spikes.append((now, j))
        source = j - wiring.pop[p, P_FIRST]
        for k in wiring.proj[wiring.pop[p, P_OUT]:wiring.pop[p + 1, P_OUT], J_OUT]:
            rank = int(wiring.pop[wiring.proj[k, J_TARGET], P_RANK])
            for shard in range(wiring.proj[k, J_SHARDS]):
                at, stop = single.row_span(wiring, k, source, shard)
                while at < stop:
                    end = single.run_end(wiring, k, at, stop)
                    self.arrivals.add((now + single.delay_of(wiring, k, at), rank, int(j), int(k), int(at), self.seq,
                                       amplitude, int(end)))
                    at = end
                self.seq += 1

    def _fire(self, j, now, spikes):
        """Spike, and again while the neuron stays at or above threshold; then look ahead."""
        for _ in range(self.max_rounds):
            self.own.discard((self.state.due[j], j))
            self._emit(j, now, single.spike(*self._args, j, now, self.scratch), spikes)
            if self.lowered.wiring.pop[self.lowered.wiring.who[j, 0], P_LEARNS]:
                single.learn_column(self.lowered.wiring, self.state, self.lowered.wiring.who[j, 0], j, now)
            self._follow(j, now)
            if self.state.flag[j, 0] == REFRACTORY:
                if self.state.due[j] < np.inf:
                    self.own.add((self.state.due[j], j))
                return
            if single.margin_now(*self._args, j, now, self.scratch) < 0.0:
                self._set_due(j, single.search(*self._args, j, now, self.scratch))
                return
        raise self.runaway([j])

    def _follow(self, j, now):
        """All others of the group of neuron `j`, which has just spiked, change as it did."""
        pop = self.lowered.wiring.pop[self.lowered.wiring.who[j, 0]]
        first = j - (j - pop[P_FIRST]) % pop[P_GROUP]
        for m in range(first, first + pop[P_GROUP]):
            if m == j:
                continue
            due = self.state.due[m]
            self.own.discard((due, m))
            single.spike(*self._args, m, now, self.scratch)
            if due <= now and single.margin_now(*self._args, m, now, self.scratch) >= 0.0:
                self._set_due(m, now)
            elif due < np.inf:
                self._set_due(m, single.search(*self._args, m, now, self.scratch))

    def _deliver(self, arrival, now):
        """Add the synapses of one row; returns the neurons reached."""
        kinetics, wiring, state = self._args
        _, _, j, k, at, _, amplitude, end = arrival
        p, port, source = wiring.proj[k, J_TARGET], wiring.proj[k, J_PORT], j - wiring.pop[wiring.proj[k, J_SOURCE], P_FIRST]
        time = now - self._epoch(p)
        if wiring.proj[k, J_RULE] >= 0:
            single.learn_row(wiring, self.state, k, source, at, end, now)
        n = single.synapses(wiring, k, source, at, end, self._targets, self._weights)
        self.state.arrived[k] += n
        reached = self._targets[:n].tolist()
        for target, weight in zip(reached, self._weights[:n].tolist()):
            c = wiring.who[target, 1]
            single.arrival_row(kinetics, c, port, time, self.scratch)
            w = weight * amplitude
            self.state.par[target, S_PENDING] += w * kinetics.f[c, DV_ROW, port]
            for m in range(kinetics.i[c, N_MODES]):
                self.state.cell[target, MODES + m] += w * self.scratch[S_PULL, m]
        return reached

    def _own_events(self, now, spikes):
        ending = []
        while self.own and self.own[0][0] == now:
            _, j = self.own.pop(0)
            if self.state.flag[j, 0] == ACTIVE:
                self._fire(j, now, spikes)
            else:
                self.state.due[j] = np.inf
                ending.append(j)
        for j in ending:
            single.release(*self._args, j, now, self.scratch)
            above = single.margin_now(*self._args, j, now, self.scratch) >= 0.0
            self._set_due(j, now if above else single.search(*self._args, j, now, self.scratch))

    def _arrive(self, now, spikes):
        """The arrivals of the lowest rank that is due."""
        rank, reached = self.arrivals[0][1], set()
        batch = []
        while self.arrivals and self.arrivals[0][0] == now and self.arrivals[0][1] == rank:
            batch.append(self.arrivals.pop(0))
        for arrival in batch:
            reached.update(self._deliver(arrival, now))
        for j in sorted(reached):
            if self.state.flag[j, 0] != ACTIVE:
                self.state.par[j, S_PENDING] = 0.0
            elif single.reaches(*self._args, j, now, self.scratch):
                self._fire(j, now, spikes)
            else:
                self._set_due(j, single.search(*self._args, j, now, self.scratch))
            self.state.par[j, S_PENDING] = 0.0

    def _change_epochs(self, now):
        wiring = self.lowered.wiring
        for p in range(len(self.lowered.names)):
            if self._epoch(p, 1) > now:
                continue
            members = [j for j in range(wiring.pop[p, P_FIRST], wiring.pop[p + 1, P_FIRST]) if wiring.who[j, 1] >= 0]
            for j in members:
                single.rescale(*self._args, j, self.scratch)
            self.state.pop[p, 0] += 1
            for j in members:
                if self.state.flag[j, 0] == ACTIVE and self.state.due[j] == np.inf:
                    self._set_due(j, single.search(*self._args, j, self._epoch(p), self.scratch))

    def _change_cells(self, now):
        """Look again for crossings of all populations whose cell begins now."""
        begun = [p for p in self._cells if self._cell_begins(p, now)]
        for j in self._firing[np.isin(self.lowered.wiring.who[self._firing, 0], begun)].tolist():
            if self.state.flag[j, 0] == ACTIVE and self.state.due[j] == np.inf:
                self._set_due(j, single.search(*self._args, j, now, self.scratch))

    def _cell_begins(self, p, now):
        before = np.nextafter(now, -np.inf)
        return single.cell_end(self.lowered.wiring, self.state, p, before) == now

    def advance(self, until, probe=None):
        """Process every event with time <= until; see `Heap.advance`."""
        times, ids = self.sources.take(until)
        probe_times, probe_ids = probe if probe is not None else (np.zeros(0), np.zeros(0, np.int64))
        values = np.full((probe_times.size, probe_ids.size), np.nan)
        spikes, used, sampled, rounds = [], 0, 0, 0
        n_pop, wiring = len(self.lowered.names), self.lowered.wiring
        while True:
            now = min(self.own[0][0] if self.own else np.inf, self.arrivals[0][0] if self.arrivals else np.inf,
                      times[used] if used < times.size else np.inf)
            epoch = min(self._epoch(p, 1) for p in range(n_pop))
            cell = min((single.cell_end(wiring, self.state, p, self.time) for p in self._cells), default=np.inf)
            while (sampled < probe_times.size and probe_times[sampled] < min(now, epoch, cell)
                   and probe_times[sampled] <= until):
                single.voltages(*self._args, probe_ids, probe_times[sampled], self.scratch, values[sampled])
                sampled += 1
            if epoch <= min(now, until, cell):
                self.time = float(epoch)
                self._change_epochs(epoch)
                self._change_cells(epoch)
                continue
            if cell <= min(now, until):
                self.time = float(cell)
                self._change_cells(cell)
                continue
            if now > until:
                self.time = float(until)
                break
            rounds = rounds + 1 if now == self.time else 0
            self.time = float(now)
            self._own_events(now, spikes)
            if rounds > self.max_rounds + n_pop:
                raise self.runaway([j for t, j in spikes if t == now])
            while used < times.size and times[used] == now:
                self._emit(int(ids[used]), now, 1.0, spikes)
                used += 1
            if self.arrivals and self.arrivals[0][0] == now:
                self._arrive(now, spikes)
            self.n_instants += 1
        self.sources.push(times[used:], ids[used:])
        spikes.sort()
        return (np.array([t for t, _ in spikes], dtype=np.float64), np.array([j for _, j in spikes], dtype=np.int64),
                values)

    def peek(self):
        """Time of the next event, or inf; asked of a heap scheduler in the same state. Leaves everything as it is."""
        heap = Heap(self.lowered, max_rounds=self.max_rounds, state=self.state)
        open_cells = self._firing[self.state.due[self._firing] == np.inf]
        heap.state.flag[open_cells, 1] = WATCHED
        for p in self._cells:
            heap.state.horizon[p] = single.cell_end(self.lowered.wiring, self.state, p, self.time)
        heap.requeue()
        heap.sources, heap.time = self.sources.copy(), self.time
        first = self.arrivals[0][0] if self.arrivals else np.inf
        return min(first, heap.peek())

    def diagnostics(self):
        """How the scheduler worked; not part of the result."""
        return {"instants": self.n_instants, "in_flight": len(self.arrivals)}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        table = np.array([a for a in self.arrivals], dtype=np.float64).reshape(-1, 8)
        return {"arrivals": table, "seq": np.array([self.seq, self.n_instants])}

    def restore(self, data):
        """Inverse of `snapshot`; the own events follow from the state."""
        self.arrivals.clear()
        self.arrivals.update((t, int(r), int(j), int(k), int(at), int(s), a, int(end))
                             for t, r, j, k, at, s, a, end in data["arrivals"])
        self.seq, self.n_instants = (int(v) for v in data["seq"])
        self.requeue()
