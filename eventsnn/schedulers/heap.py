"""Driver of the compiled heap loop: owns the queues, grows them, hands out the spikes."""

from dataclasses import replace

import numpy as np

from .. import layout
from ..kernels import heap as kernel
from ..kernels import single
from ..kernels.queue import (
    BURST,
    INSTANT,
    N_FREE,
    N_HEAP,
    N_OUT,
    N_OWN,
    N_SAMPLE,
    N_SCALARS,
    N_SEQ,
    N_SOURCE,
    N_WATCH,
    PEAK,
    SEARCHES,
    Out,
    Probe,
    Queue,
    Work,
    push,
)
from .base import Scheduler, copy_of, drawn_arrays

NO_LIMIT = np.iinfo(np.int64).max
GONE = 2000.0  # time constants after which a transient is below the smallest double


def new_queue(n, capacity, own_capacity):
    """Empty queues for `n` neurons."""
    numbers = np.zeros(N_SCALARS, np.int64)
    numbers[N_FREE] = capacity
    integers = lambda size: np.zeros(size, np.int64)  # noqa: E731
    return Queue(numbers, np.zeros(capacity), np.zeros(capacity, np.uint64), integers(capacity), np.zeros(capacity),
                 np.zeros(capacity), integers(capacity), integers(capacity), integers(capacity),
                 np.arange(capacity - 1, -1, -1), np.zeros(own_capacity), integers(own_capacity), integers(n), integers(n))


def grow_queue(q, capacity, own_capacity):
    """The same queues with more room."""
    old = q.time.size
    new = new_queue(q.watched.size, capacity, own_capacity)
    new.n[:] = q.n
    for name in ("time", "key", "slot", "born", "amplitude", "at", "stop", "seq"):
        getattr(new, name)[:old] = getattr(q, name)
    free = q.n[N_FREE]
    new.free[:free] = q.free[:free]
    new.free[free:free + capacity - old] = np.arange(capacity - 1, old - 1, -1)
    new.n[N_FREE] = free + capacity - old
    new.own_time[:q.own_time.size], new.own_id[:q.own_id.size] = q.own_time, q.own_id
    new.watched[:] = q.watched
    return new


def fill_own(q, state, first, end):
    """Fill the queue of own events with what is due for neurons first to end - 1; a sorted list is a heap."""
    due = state.due[first:end]
    ids = np.flatnonzero(due < np.inf)
    ids = ids[np.argsort(due[ids], kind="stable")]
    q.own_time[:ids.size], q.own_id[:ids.size], q.n[N_OWN] = due[ids], ids + first, ids.size


def new_out(capacity):
    """Room for spikes."""
    return Out(np.empty(capacity), np.empty(capacity, np.int64), np.empty(capacity))


def with_room(out, used, needed):
    """`out` with room for `needed` more spikes after the first `used`."""
    if out.time.size - used >= needed:
        return out
    bigger = new_out(2 * out.time.size + needed)
    for old, new in zip(out, bigger):
        new[:used] = old[:used]
    return bigger


def new_probe(probe):
    """The compiled form of a probe (times, global ids), or an empty one."""
    times, ids = (np.zeros(0), np.zeros(0, np.int64)) if probe is None else probe
    return Probe(times, ids, np.full((times.size, ids.size), np.nan))


class Heap(Scheduler):
    """Priority queue of spikes; any network, any delays, zero-delay cycles included."""

    name = "heap"

    def __init__(self, lowered, **options):
        super().__init__(lowered, **options)
        n, wiring = lowered.n, lowered.wiring
        fan = np.diff(wiring.pop[:, layout.P_OUT])
        stateful = wiring.who[wiring.pop[:-1, layout.P_FIRST], 1] >= 0
        shards = int(wiring.proj[:, layout.J_SHARDS].max(initial=1))
        self._spare = int((np.diff(wiring.pop[:, layout.P_FIRST]) * fan * stateful).sum() + fan.sum() * BURST) * shards
        capacity = 2 * self._spare + 1024
        self.queue = new_queue(n, capacity, 4 * n + 64)
        self.out = new_out(4 * n + 4 * BURST)
        self.work = Work(np.empty((capacity + self._spare, 4), np.int64), np.empty(n, np.int64),
                         np.empty(n, np.int64), self.scratch, *drawn_arrays(wiring))
        self.requeue()

    def requeue(self):
        """Rebuild the queue of own events from the due times in the state."""
        fill_own(self.queue, self.state, 0, self.lowered.n)
        watched = np.flatnonzero(self.state.flag[:, 1])
        self.queue.watched[:watched.size], self.queue.n[N_WATCH] = watched, watched.size

    def add(self, born, amplitude, source, k, at, stop):
        """Put a spike of neuron `source` on its way along projection `k`, from synapse `at` to the end of its row `stop`."""
        if self.queue.n[N_FREE] < self._spare + 64:
            self._grow()
        q, wiring = self.queue, self.lowered.wiring
        q.n[N_FREE] -= 1
        slot = q.free[q.n[N_FREE]]
        q.born[slot], q.amplitude[slot], q.at[slot], q.stop[slot], q.seq[slot] = born, amplitude, at, stop, q.n[N_SEQ]
        q.n[N_SEQ] += 1
        rank = int(wiring.pop[wiring.proj[k, layout.J_TARGET], layout.P_RANK])
        push(q, born + single.delay_of(wiring, k, at), np.uint64(rank << 52 | source << 20 | k), slot)

    def _grow(self):
        q, n = self.queue, self.lowered.n
        capacity, own = q.time.size, q.own_time.size
        if q.n[N_FREE] < self._spare + 64:
            capacity *= 2
        if own - q.n[N_OWN] < 2 * n + 2:
            own *= 2
        if (capacity, own) != (q.time.size, q.own_time.size):
            self.queue = grow_queue(q, capacity, own)
            self.work = self.work._replace(rows=np.empty((capacity + self._spare, 4), np.int64))
        self.out = with_room(self.out, q.n[N_OUT], n + BURST)

    def _run(self, until, limit, compiled):
        """The compiled loop, grown as needed. Returns (code, spike times, spike ids) in the order of processing."""
        self.queue.n[N_OUT] = self.queue.n[N_SAMPLE] = self.queue.n[N_SOURCE] = 0
        times, ids = self.sources.take(until)
        clock = np.array([self.time])
        while True:
            code = kernel.run_heap(self.lowered.kinetics, self.lowered.wiring, self.state, self.queue, clock, until,
                                   limit, times, ids, compiled, self.out, self.work, self.max_rounds)
            if code != kernel.GROW:
                break
            self._grow()
        self.time = float(clock[0])
        used, n = int(self.queue.n[N_SOURCE]), int(self.queue.n[N_OUT])
        self.sources.push(times[used:], ids[used:])
        return code, self.out.time[:n].copy(), self.out.id[:n].copy()

    def advance(self, until, probe=None):
        """Process every event with time <= until.

        Returns (times, ids, voltages): the new spikes in canonical order, and the samples of `probe` = (times, ids).
        """
        compiled = new_probe(probe)
        code, times, ids = self._run(until, NO_LIMIT, compiled)
        if code == kernel.RUNAWAY:
            raise self.runaway(ids[times == self.time])
        order = np.lexsort((ids, times))
        return times[order], ids[order], compiled.value

    def peek(self):
        """Time of the next event, or inf; leaves everything as it is.

        A copy runs ahead to its first instant, over ever longer stretches while something may still happen.
        """
        twin = Heap.__new__(Heap)
        twin.__dict__.update(self.__dict__)
        twin.state = copy_of(self.state)
        wiring = self.lowered.wiring
        if wiring.rule.size:  # weights may change
            twin.lowered = replace(self.lowered, wiring=wiring._replace(w32=wiring.w32.copy(), w64=wiring.w64.copy()))
        twin.queue = Queue(*(a.copy() for a in self.queue))
        twin.out, twin.sources = new_out(self.out.time.size), self.sources.copy()
        bound = twin.sources.next_poisson()
        rates = self.lowered.kinetics.f[:, layout.RATE_HI]
        slowest = 1.0 / rates[rates > 0.0].min() if np.any(rates > 0.0) else 1.0
        drift = np.any((rates[:, 0] == 0.0) & (self.lowered.kinetics.i[:, layout.N_COUPLED] > 0))
        step = slowest
        while True:
            stop = min(twin.time + step, bound)
            step *= 2.0
            if twin._run(stop, 1, new_probe(None))[0] != kernel.DONE:
                return twin.time
            if stop == bound:
                return bound
            if twin.queue.n[N_HEAP] or twin.sources.times.size or np.isfinite(twin.state.due).any():
                continue
            if not single.could_fire(self.lowered.kinetics, self.lowered.wiring, twin.state, twin.time, self.scratch):
                return bound
            if step > GONE * slowest and not drift:
                return bound

    def diagnostics(self):
        """How the scheduler worked; not part of the result."""
        n = self.queue.n
        return {"arrival_batches": int(n[INSTANT]), "queue_peak": int(n[PEAK]),
                "crossing_searches": int(n[SEARCHES]), "in_flight": int(n[N_HEAP])}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        return {f"queue/{k}": v for k, v in zip(Queue._fields, self.queue)}

    def restore(self, data):
        """Inverse of `snapshot`."""
        self.queue = Queue(*(np.ascontiguousarray(data[f"queue/{k}"]) for k in Queue._fields))
        self.work = self.work._replace(rows=np.empty((self.queue.time.size + self._spare, 4), np.int64))
