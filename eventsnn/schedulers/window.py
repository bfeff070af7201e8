"""Driver of the window scheduler: what each population needs, the memory of the loop, and the way back to a plain state."""

import weakref

import numpy as np

from .. import layout
from ..kernels import calendar, memory, simd, single
from ..kernels import run as kernel
from ..kernels import window as w
from ..kernels.calendar import ENTRY_WORDS, KEPT, KEPT_WORDS, PROJECTION_BITS
from ..kernels.hot import H_COLUMNS, L_COLUMNS, MAX_KEPT, NO_MEMORY, RAN_AWAY, Lane
from ..model.graph import ranks, strong_components
from .base import Scheduler
from .heap import Heap, new_probe

BINS = 1 << 14  # of the sorts
BUCKETS = 1 << 12  # of the calendar, at most
NARROWER = 1.0 - 2.0**-20  # windows keep this distance from the shortest delay, against rounding
CELLS = 8.0  # longest window of acyclic networks, in cells
IDLE_WINDOW = 10e-3  # s, where there are no cells either
CHORDS = (0.7, 2.0)  # ends of the chords: times before the maximum, in units of the fastest time constant


def longest_window(lowered):
    """Shortest delay within a cycle of populations, s; inf for acyclic networks."""
    number = strong_components(len(lowered.names), lowered.edges())
    return min((d for (a, b), d in zip(lowered.edges(), lowered.least_delay) if number[a] == number[b]), default=np.inf)


def _chords(kinetics, c):
    """Three half-planes that enclose, from inside, the states that never cross: (of margin, of V, of its slope) each.

    In units of the distance D from rest to threshold, states are (V, V') above rest. Those that will just touch form the
    trajectory that runs into (1, 0); the two chords join three of its points, the third half-plane bounds what lies beyond.
    """
    rate = kinetics.f[c, layout.RATE_HI]
    if kinetics.i[c, layout.SOLVER] == layout.TWO:
        slow = kinetics.i[c, layout.SLOW]
        a, b = rate[slow], rate[1 - slow]
        p, q = b / (b - a), -a / (b - a)
        states = lambda s: (p * np.exp(a * s) + q * np.exp(b * s),  # noqa: E731
                            -a * p * np.exp(a * s) - b * q * np.exp(b * s))
        lean = b
    else:
        a, b = rate[0], rate[1]
        growth = lambda s: np.exp(a * s) * s * (np.expm1((b - a) * s) / ((b - a) * s) if b != a and s > 0.0 else 1.0)  # noqa: E731
        value = lambda s: np.exp(a * s) - a * growth(s)  # noqa: E731  (drive a at the maximum, exp(b s) a before)
        states = lambda s: (value(s), a * np.exp(b * s) - a * value(s))  # noqa: E731
        lean = a
    points = [states(s / max(a, b)) for s in (0.0, *CHORDS)]
    rows = []
    for (v0, g0), (v1, g1) in zip(points[:-1], points[1:]):
        normal = np.array([g1 - g0, v0 - v1])
        offset = normal @ (v0, g0)
        rows.append(np.array([offset, *normal]) * np.sign(offset) / abs(offset))
    v, g = points[-1]
    rows.append(np.array([lean * v + g, lean, 1.0]) / (lean * v + g))
    return np.concatenate(rows)


class Window(Scheduler):
    """Look-ahead windows: any network whose cycles all have a delay."""

    name = "window"

    def __init__(self, lowered, **options):
        super().__init__(lowered, **options)
        n_pop, wiring, edges = len(lowered.names), lowered.wiring, lowered.edges()
        self._longest = longest_window(lowered)
        cells = wiring.popf[:, layout.P_HORIZON]
        cells = cells[np.isfinite(cells)]
        width = self._longest * NARROWER if np.isfinite(self._longest) else (
            CELLS * cells.max() if cells.size else IDLE_WINDOW)
        self._settings = np.array([1.0 / width, self._longest])
        most = max([0.0, *(d for d in self._greatest_delays() if np.isfinite(d))])
        buckets = 2
        while buckets < min(most / width + 2.0, BUCKETS):
            buckets *= 2
        stage = ranks(n_pop, [e for e, d in zip(edges, lowered.least_delay)
                              if d <= width or not np.isfinite(self._longest)])
        stateful = [p for p in range(n_pop) if wiring.pop[p, layout.P_FIRST] < wiring.pop[p + 1, layout.P_FIRST]
                    and wiring.who[wiring.pop[p, layout.P_FIRST], 1] >= 0]
        stateful.sort(key=lambda p: (stage[p], p))
        last = [k + 1 == len(stateful) or stage[stateful[k + 1]] != stage[p] for k, p in enumerate(stateful)]
        self._order = np.array([stateful, last], np.int64).T.reshape(-1, 2).copy()
        self._iota = np.arange(lowered.n + 2 * simd.SYNAPSES_AHEAD, dtype=np.uint32)
        self._iota[lowered.n:] = 0
        self._stateful = set(stateful)
        self.lanes = [self._new_lane(n_pop, buckets)]
        self._fresh = True
        self._scratch = self.scratch

    def _greatest_delays(self):
        wiring = self.lowered.wiring
        for k in range(len(wiring.proj)):
            kind, at = wiring.proj[k, layout.J_DELAYS], wiring.proj[k, layout.J_TABLE]
            if kind == layout.UNIFORM:
                yield float(wiring.projf[k, layout.J_DELAY])
            else:
                yield float(wiring.delay.max())

    def _new_lane(self, n_pop, buckets):
        n, wiring = self.lowered.n, self.lowered.wiring
        integers = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
        sparse = wiring.proj[:, layout.J_KIND] < layout.DENSE_F32
        longest = max([1, int(np.diff(wiring.row).max(initial=0)) if sparse.any() else 1,
                       *(p.n for p in self.lowered.populations)])
        lane = Lane(
            n=integers(calendar.N_LANE), mem=integers(calendar.N_STORES, 3), head=np.full((n_pop, 2 * buckets), -1),
            count=integers(BINS + 2), pops=integers(n_pop, L_COLUMNS), slot=integers(n), pool=np.zeros((n, H_COLUMNS)),
            batch=np.zeros((n, H_COLUMNS)), rest=np.zeros((n, 2)), ending=np.zeros((n, 2)), watch=integers(n),
            touched=integers(n), listed=integers(longest + 8), arrived=integers(len(wiring.proj)), spikes=integers(n_pop),
            factor=np.zeros((w.F_ROWS, 12)))
        lane.n[calendar.FREE_ENTRY] = -1
        weakref.finalize(self, memory.free, lane.mem)
        return lane

    def _plan(self):
        """What each population needs; thresholds and refractory periods may have been changed since."""
        wiring, kinetics, state = self.lowered.wiring, self.lowered.kinetics, self.state
        n_pop = len(self.lowered.names)
        plan, planf = np.zeros((n_pop, w.W_COLUMNS), np.int64), np.zeros((n_pop, w.WF_COLUMNS))
        for p in range(n_pop):
            if p not in self._stateful:
                plan[p, w.W_TEST] = w.SOURCE
                continue
            part = slice(wiring.pop[p, layout.P_FIRST], wiring.pop[p + 1, layout.P_FIRST])
            c = wiring.pop[p, layout.P_CLASS]
            plan[p, w.W_TEST] = self._test(p, c, part)
            if plan[p, w.W_TEST] == w.GENERAL_PATH:
                continue
            planf[p, w.W_T_REF] = state.par[part, layout.S_T_REF].min()
            plan[p, w.W_PLAIN] = planf[p, w.W_T_REF] > 0.0
            if plan[p, w.W_TEST] == w.CHORD:
                planf[p, w.W_CHORD:w.W_CHORD + 9] = _chords(kinetics, c)
        planf[:, w.W_T_REF] *= 1.0 - 1e-9
        return plan, planf

    def _test(self, p, c, part):
        wiring, kinetics, state = self.lowered.wiring, self.lowered.kinetics, self.state
        if c < 0 or wiring.pop[p, layout.P_JUMPS] or kinetics.i[c, layout.N_MODES] > MAX_KEPT:
            return w.GENERAL_PATH
        if not wiring.pop[p, layout.P_FIRES]:
            return w.END
        m, solver = int(kinetics.i[c, layout.N_MODES]), kinetics.i[c, layout.SOLVER]
        plain = (wiring.pop[p, layout.P_RESET] and not kinetics.i[c, layout.SPIKE_ROW:layout.SPIKE_ROW + m].any()
                 and not kinetics.f[c, layout.AMP_ROW, :m].any() and np.isfinite(wiring.popf[p, layout.P_HORIZON]))
        two = m == 2 and solver in (layout.TWO, layout.PAIR)
        three = m == 3 and solver == layout.GENERAL and not kinetics.i[c, layout.N_COUPLED]
        if not plain or not (two or three):
            return w.GENERAL_PATH
        margin = state.par[part, layout.S_V_INF] - state.par[part, layout.S_THETA]
        if two and margin.min() > 0.0:
            return w.END
        leaky = kinetics.f[c, layout.RATE_HI, :m].min() > 0.0
        return w.CHORD if two and leaky and margin.max() <= 0.0 else w.CELL

    def advance(self, until, probe=None):
        """Process every event with time <= until; see `Heap.advance`."""
        compiled = new_probe(probe)
        times, ids = self.sources.take(until)
        plan, planf = self._plan()
        lane, clock = self.lanes[0], np.array([self.time])
        lane.mem[KEPT, memory.USED] = 0
        self.state.stamp[:] = -1
        code = kernel.run_windows(self.lowered.kinetics, self.lowered.wiring, self.state, lane, plan, planf, self._order,
                                  self._iota, 0, 1, self._settings, clock, self._fresh, np.nextafter(until, np.inf), times,
                                  ids, compiled, self.max_rounds, self.scratch)
        if code == NO_MEMORY:
            raise MemoryError("no memory left for the spikes on their way")
        if code == RAN_AWAY:
            self.time = float(clock[0])
            raise self.runaway([lane.n[calendar.LANE_RUNAWAY]])
        self._fresh, self.time = False, float(until)
        self.state.arrived[:] += lane.arrived
        self.state.pop[:, 1] += lane.spikes
        lane.arrived[:] = 0
        lane.spikes[:] = 0
        words = memory.contents(lane.mem, KEPT, KEPT_WORDS)
        return words[:, 0].copy().view(np.float64), words[:, 1].copy(), compiled.value

    def _waiting(self):
        """Entries of the calendar in use [n, words], in the order of their numbers."""
        lane = self.lanes[0]
        entries = memory.contents(lane.mem, calendar.ENTRIES, ENTRY_WORDS)
        live = np.ones(len(entries), bool)
        free = lane.n[calendar.FREE_ENTRY]
        while free >= 0:
            live[free] = False
            free = entries[free, 5]
        return entries[live]

    def to_heap(self):
        """A heap scheduler in the same state."""
        wiring = self.lowered.wiring
        heap = Heap(self.lowered, max_rounds=self.max_rounds, state=self.state)
        heap.sources, heap.time = self.sources.copy(), self.time
        state = heap.state
        fires = wiring.pop[wiring.who[:, 0], layout.P_FIRES] == 1
        if not self._fresh:
            open_ = fires & (wiring.who[:, 1] >= 0) & (state.flag[:, 0] == layout.ACTIVE) & (state.due == np.inf)
            state.flag[:, 1] = np.where(open_, layout.WATCHED, 0)
            for p in self._stateful:
                state.horizon[p] = single.cell_end(wiring, state, p, self.time)
        heap.requeue()
        for entry in self._waiting():
            born, amplitude = entry[:2].copy().view(np.float64)
            heap.add(float(born), float(amplitude), int(entry[2]) >> PROJECTION_BITS,
                     int(entry[2]) & ((1 << PROJECTION_BITS) - 1), int(entry[3]), int(entry[4]))
        return heap

    def peek(self):
        """Time of the next event, or inf; asked of a heap scheduler in the same state. Leaves everything as it is."""
        return self.to_heap().peek()

    def diagnostics(self):
        """How the scheduler worked; not part of the result."""
        n = self.lanes[0].n
        return {"windows": int(n[calendar.LANE_WINDOWS]), "rows": int(n[calendar.LANE_ROWS]),
                "arrivals_at_hot_neurons": int(n[calendar.LANE_HOT_EVENTS]),
                "crossing_searches": int(n[calendar.LANE_SEARCHES]), "in_flight": int(n[calendar.N_WAITING])}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        return {"entries": self._waiting(), "numbers": self.lanes[0].n, "fresh": np.array(self._fresh)}

    def restore(self, data):
        """Inverse of `snapshot`."""
        lane, entries = self.lanes[0], data["entries"].astype(np.int64)
        lane.n[:] = data["numbers"]
        lane.n[calendar.FREE_ENTRY], lane.n[calendar.N_WAITING] = -1, len(entries)
        lane.head[:] = -1
        memory.fill(lane.mem, calendar.ENTRIES, ENTRY_WORDS, entries)
        kernel.relink(self.lowered.wiring, lane, self._settings)
        self._fresh = bool(data["fresh"])


class Layered(Window):
    """The same for networks without cycles: a window may be as long as a few cells, whatever the delays."""

    name = "layered"
