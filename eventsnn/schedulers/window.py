"""Driver of the window scheduler: what each population needs, the memory of the loop, and the way back to a plain state."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .. import layout
from ..kernels import calendar, draw, factors, memory, mixed, private, simd, single
from ..kernels import run as kernel
from ..kernels.calendar import ENTRY_WORDS, KEPT, PROJECTION_BITS
from ..kernels.hot import NO_MEMORY, RAN_AWAY
from ..kernels.lane import (
    BATCH,
    F_ROWS,
    FREE_ENTRY,
    H_COLUMNS,
    L_COLUMNS,
    LANE_HOT_EVENTS,
    LANE_INSTANT,
    LANE_ROWS,
    LANE_RUNAWAY,
    LANE_SEARCHES,
    LANE_SHARD,
    LANE_WINDOWS,
    MAX_KEPT,
    N_LANE,
    N_WAITING,
    Lanes,
)
from ..kernels.stream import CELL, CHORD, END
from ..kernels.wide import WIDE_MODES
from ..model.graph import ranks, strong_components
from .base import Scheduler, drawn_arrays
from .heap import Heap, new_probe

BINS = 1 << 14  # of the sorts
BUCKETS = 1 << 12  # of the calendar, at most
NARROWER = 1.0 - 2.0**-20  # windows keep this distance from the shortest delay, against rounding
CELLS = 8.0
SHORTER = 0.05  # windows are shortened to the refractory period if it is at least this part of them
IDLE_WINDOW = 10e-3  # s, where there are no cells either
NEAR = 1e-5  # distance that the tests END and CHORD keep from the threshold, in units of that from reset to threshold
HEAVY = 1e4  # weights above this many of those units make these unsafe against rounding
CHORDS = (0.7, 2.0)  # ends of the chords: times before the maximum, in units of the fastest time constant


def longest_window(lowered):
    """Shortest delay within a cycle of populations, s; inf for acyclic networks."""
    number = strong_components(len(lowered.names), lowered.edges())
    return min((d for (a, b), d in zip(lowered.edges(), lowered.least_delay) if number[a] == number[b]), default=np.inf)


def _chords(kinetics, c):
    """Three half-planes that enclose, from inside, the states that never cross: margin + (of V) V + (of its slope) V' < 0.

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
        rows.append(normal / (normal @ (v0, g0)))
    v, g = points[-1]
    rows.append(np.array([lean, 1.0]) / (lean * v + g))
    return np.concatenate(rows)


def four_modes(lowered, p):
    """Whether population `p` is of one class of four modes that `kernels.wide` carries."""
    wiring, kinetics = lowered.wiring, lowered.kinetics
    c = wiring.pop[p, layout.P_CLASS]
    return (c >= 0 and kinetics.i[c, layout.N_MODES] == WIDE_MODES and not kinetics.i[c, layout.N_COUPLED]
            and kinetics.i[c, layout.SOLVER] == layout.GENERAL and not wiring.pop[p, layout.P_JUMPS]
            and bool(wiring.pop[p, layout.P_FIRES]) and bool(np.isfinite(wiring.popf[p, layout.P_HORIZON])))


class _Course(NamedTuple):
    """How windows go through a network; the same for all its simulations."""

    settings: np.ndarray  # see `kernels.run`
    buckets: int  # of the calendar
    order: np.ndarray  # i8[n, 2] stateful populations in the order of their stages, and whether a stage ends
    iota: np.ndarray  # u4, 0, 1, 2, ...
    heavy: float  # largest weight


class Window(Scheduler):
    """Look-ahead windows: any network whose cycles all have a delay."""

    name = "window"

    def __init__(self, lowered, **options):
        super().__init__(lowered, **options)
        if "course" not in lowered.known:
            lowered.known["course"] = self._course()
        course = lowered.known["course"]
        self._settings, self._order, self._iota, self._heavy = course.settings, course.order, course.iota, course.heavy
        self._stateful = set(course.order[:, 0].tolist())
        self._shards = lowered.shards
        self.lanes = self._new_lanes(len(lowered.names), course.buckets)
        self._take_noise()
        self._take_mixed()
        self._fresh = True
        self._plans = None
        self._hands = kernel.FEWER_HANDS  # what the last windows asked for

    def _course(self):
        """`_Course` of the network."""
        lowered = self.lowered
        n_pop, wiring = len(lowered.names), lowered.wiring
        longest, cells = longest_window(lowered), wiring.popf[:, layout.P_HORIZON]
        cells = cells[np.isfinite(cells)]
        width = longest * NARROWER if np.isfinite(longest) else CELLS * cells.max() if cells.size else IDLE_WINDOW
        resting = self._shortest_rest()
        if SHORTER * width <= resting < width:
            width = resting * NARROWER
        most = max([0.0, *(d for d in self._greatest_delays() if np.isfinite(d))])
        buckets = 2
        while buckets < min(most / width + 2.0, BUCKETS):
            buckets *= 2
        near = [e for e, d in zip(lowered.edges(), lowered.least_delay) if d <= width or not np.isfinite(longest)]
        stage = ranks(n_pop, near)
        stateful = [p for p in range(n_pop) if wiring.pop[p, layout.P_FIRST] < wiring.pop[p + 1, layout.P_FIRST]
                    and wiring.who[wiring.pop[p, layout.P_FIRST], 1] >= 0]
        stateful.sort(key=lambda p: (stage[p], p))
        last = [k + 1 == len(stateful) or stage[stateful[k + 1]] != stage[p] for k, p in enumerate(stateful)]
        iota = np.arange(lowered.n + 2 * simd.SYNAPSES_AHEAD, dtype=np.uint32)
        iota[lowered.n:] = 0
        return _Course(np.array([1.0 / width, longest]), buckets, np.array([stateful, last], np.int64).T.reshape(-1, 2).copy(),
                       iota, self._heaviest())

    def _shortest_rest(self):
        """Shortest refractory period that is not 0, s: in longer windows crossings are not solved lazily (`kernels.hot`)."""
        found = [float(np.min(p.t_ref)) for p in self.lowered.populations if hasattr(p, "t_ref") and p.v_reset is not None]
        return min((t for t in found if t > 0.0), default=np.inf)

    def _greatest_delays(self):
        wiring = self.lowered.wiring
        for k in range(len(wiring.proj)):
            if wiring.proj[k, layout.J_DELAYS] == layout.UNIFORM:
                yield float(wiring.projf[k, layout.J_DELAY])
            else:
                yield float(wiring.delay.max())

    def _new_lanes(self, n_pop, buckets):
        n, wiring, k = self.lowered.n, self.lowered.wiring, self._shards
        integers = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
        drawn_id, drawn_weight = drawn_arrays(wiring)
        longest = max([drawn_id.size, int(np.diff(wiring.row).max(initial=0)), *(p.n for p in self.lowered.populations)])
        lanes = Lanes(
            n=integers(k, N_LANE), mem=integers(k, calendar.N_STORES, 3), head=np.full((k, n_pop, 2 * buckets), -1),
            count=integers(k, BINS + 2), pops=integers(k, n_pop, L_COLUMNS), listed=integers(k, longest + 8),
            arrived=integers(k, len(wiring.proj)), spikes=integers(k, n_pop), factor=np.zeros((k, F_ROWS, 12)),
            ahead=np.zeros((k, 4, BATCH)), behind=np.zeros((k, 4, BATCH)), epoch=integers(k, n_pop, 2),
            scratch=np.zeros((k, *self.scratch.shape)), slot=integers(n), pool=np.zeros((n, H_COLUMNS)),
            batch=np.zeros((n, H_COLUMNS)), rest=np.zeros((n, 2)), ending=np.zeros((n, 2)), watch=integers(n),
            touched=integers(n), noise=integers(0, private.N_COLUMNS), noise_f=np.zeros((0, 2)),
            noise_u=np.zeros((0, 2), np.uint64), drawn_id=np.tile(drawn_id, (k, 1)),
            drawn_weight=np.tile(drawn_weight, (k, 1)), own=np.zeros((mixed.O_JUMP, 0)), ends=np.zeros((0, 4)),
            block=np.zeros((k, mixed.B_ROWS, mixed.BLOCK)))
        lanes.n[:, [FREE_ENTRY, LANE_RUNAWAY]] = -1
        lanes.n[:, LANE_SHARD] = np.arange(k)
        for table in lanes.mem:
            weakref.finalize(self, memory.free, table)
        return lanes

    def _take_noise(self):
        """Move Poisson populations that may stay private from the sources to the lanes (see `kernels.private`)."""
        rows, tables, kept, n = [], [], [], 0
        for first, p, rate, next_time, count in self.sources.poisson:
            k = self._private_projection(p)
            if k is None:
                kept.append((first, p, rate, next_time, count))
                continue
            rows.append((k, self.lowered.wiring.proj[k, layout.J_TARGET], n))
            table = np.zeros((rate.size, 2)), np.zeros((rate.size, 2), np.uint64)
            private.start_noise(self.sources.seed, p, next_time, count, rate, *table)
            tables.append(table)
            n += rate.size
        self.sources.poisson = kept
        if rows:
            self.lanes = self.lanes._replace(
                noise=np.array(rows, np.int64), noise_f=np.concatenate([f for f, _ in tables]),
                noise_u=np.concatenate([u for _, u in tables]))

    def _take_mixed(self):
        """Tables of the populations whose neurons have time constants of their own (see `kernels.mixed`)."""
        low = self.lowered
        if "mixed" not in low.known:
            mine, own = [p for p in self._stateful if self._of_many_classes(p)], np.zeros((mixed.O_JUMP, 0))
            if mine:
                own = np.zeros((mixed.O_JUMP + 2 * (low.kinetics.f.shape[1] - layout.JUMP_ROW), low.n))
            for p in mine:
                mixed.own_constants(low.kinetics, low.wiring, low.first[p], low.first[p + 1], own)
            low.known["mixed"] = frozenset(mine), own
        self._mixed, own = low.known["mixed"]
        self.lanes = self.lanes._replace(own=own, ends=np.zeros((own.shape[1], 4)))

    def _of_many_classes(self, p):
        """Whether population `p` has several kinetic classes, all of two modes whose spikes only reset V."""
        wiring, kinetics = self.lowered.wiring, self.lowered.kinetics
        if wiring.pop[p, layout.P_LEARNS]:
            return False
        if wiring.pop[p, layout.P_CLASS] >= 0 or wiring.pop[p, layout.P_JUMPS] or not wiring.pop[p, layout.P_RESET]:
            return False
        who = np.unique(wiring.who[wiring.pop[p, layout.P_FIRST]:wiring.pop[p + 1, layout.P_FIRST], 1])
        f, i = kinetics.f[who], kinetics.i[who]
        return bool(np.all(i[:, layout.N_MODES] == 2) and np.isin(i[:, layout.SOLVER], (layout.TWO, layout.PAIR)).all()
                    and not i[:, layout.SPIKE_ROW:layout.SPIKE_ROW + 2].any() and not f[:, layout.AMP_ROW, :2].any()
                    and np.isfinite(wiring.popf[p, layout.P_HORIZON]))

    def _private_projection(self, p):
        """The projection of Poisson population `p` if nobody records it and each neuron excites only that of its number."""
        wiring = self.lowered.wiring
        out = wiring.proj[wiring.pop[p, layout.P_OUT]:wiring.pop[p + 1, layout.P_OUT], layout.J_OUT]
        if self.wanted is None or self.lowered.names[p] in self.wanted or out.size != 1:
            return None
        k, n = int(out[0]), int(wiring.pop[p + 1, layout.P_FIRST] - wiring.pop[p, layout.P_FIRST])
        row, target = wiring.proj[k], int(wiring.proj[k, layout.J_TARGET])
        first = int(wiring.pop[target, layout.P_FIRST])
        if (row[layout.J_KIND] not in (layout.CSR_SCALAR, layout.CSR_F32, layout.CSR_F64)
                or row[layout.J_DELAYS] != layout.UNIFORM or wiring.pop[target + 1, layout.P_FIRST] - first != n):
            return None
        ends = wiring.row[row[layout.J_ROW]:row[layout.J_ROW] + n * self._shards + 1:self._shards]
        same = np.all(np.diff(ends) == 1) and np.all(wiring.post[ends[0]:ends[-1]] == np.arange(first, first + n))
        return k if same else None

    def _noise(self):
        """(population, projection, its rows of noise_f and noise_u) of every private noise."""
        ends = [*self.lanes.noise[1:, private.N_FIRST], len(self.lanes.noise_f)]
        for (k, _, first), end in zip(self.lanes.noise.tolist(), ends):
            rows = slice(first, end)
            yield int(self.lowered.wiring.proj[k, layout.J_SOURCE]), k, self.lanes.noise_f[rows], self.lanes.noise_u[rows]

    def _plan(self):
        """What each population needs; asked again after a change of parameters."""
        wiring, kinetics, state = self.lowered.wiring, self.lowered.kinetics, self.state
        n_pop = len(self.lowered.names)
        plan, planf = np.zeros((n_pop, factors.W_COLUMNS), np.int64), np.zeros((n_pop, factors.WF_COLUMNS))
        plan[:, factors.W_KEEP] = [self.wanted is None or name in self.wanted for name in self.lowered.names]
        for p in range(n_pop):
            if p not in self._stateful:
                plan[p, factors.W_TEST] = factors.SOURCE
                continue
            part = slice(wiring.pop[p, layout.P_FIRST], wiring.pop[p + 1, layout.P_FIRST])
            c = wiring.pop[p, layout.P_CLASS]
            plan[p, factors.W_TEST] = self._test(p, c, part)
            if plan[p, factors.W_TEST] == factors.GENERAL_PATH:
                continue
            if plan[p, factors.W_TEST] == factors.MIXED:
                planf[p, factors.W_DELTA] = np.abs(self.lanes.own[mixed.O_DELTA, part]).max()
            planf[p, factors.W_T_REF] = state.par[part, layout.S_T_REF].min()
            plan[p, factors.W_PLAIN] = planf[p, factors.W_T_REF] > 0.0
            if plan[p, factors.W_TEST] == factors.MIXED:
                continue
            if plan[p, factors.W_TEST] == factors.WIDE:
                rates = kinetics.f[c, layout.RATE_HI, :WIDE_MODES] * wiring.popf[p, layout.P_HORIZON]
                planf[p, factors.W_WIDE:factors.W_WIDE + 2 * WIDE_MODES] = np.concatenate([rates, rates * np.exp(rates)])
                continue
            planf[p, factors.W_NEAR] = NEAR * (state.par[part, layout.S_THETA] - state.par[part, layout.S_V_RESET]).min()
            rates = kinetics.f[c, layout.RATE_HI, :3] * wiring.popf[p, layout.P_HORIZON]
            if rates.size == 3:
                planf[p, factors.W_FALL:factors.W_FALL + 6] = np.concatenate([rates, rates * np.exp(rates)])
            if plan[p, factors.W_TEST] == CHORD:
                planf[p, factors.W_CHORD:factors.W_CHORD + 6] = _chords(kinetics, c)
        planf[:, factors.W_T_REF] *= 1.0 - 1e-9
        return plan, planf

    def _heaviest(self):
        """Largest weight of the network."""
        wiring = self.lowered.wiring
        found = np.abs(wiring.projf[:, layout.J_SCALAR]).max(initial=0.0)
        for weights in (wiring.w32, wiring.w64):
            if weights.size:
                found = max(found, -float(weights.min()), float(weights.max()))
        for rule in wiring.reals:  # zeros where the weights are not drawn
            spread = draw.FARTHEST * rule[draw.STD]
            found = max(found, -max(rule[draw.MEAN] - spread, rule[draw.LOW]), min(rule[draw.MEAN] + spread, rule[draw.HIGH]))
        return found

    def _test(self, p, c, part):
        wiring, kinetics, state = self.lowered.wiring, self.lowered.kinetics, self.state
        if p in self._mixed:
            return factors.MIXED
        if four_modes(self.lowered, p):
            return factors.GENERAL_PATH if wiring.pop[p, layout.P_LEARNS] else factors.WIDE
        if c < 0 or wiring.pop[p, layout.P_JUMPS] or kinetics.i[c, layout.N_MODES] > MAX_KEPT:
            return factors.GENERAL_PATH
        if not wiring.pop[p, layout.P_FIRES]:
            return END
        m, solver = int(kinetics.i[c, layout.N_MODES]), kinetics.i[c, layout.SOLVER]
        plain = (wiring.pop[p, layout.P_RESET] and not kinetics.i[c, layout.SPIKE_ROW:layout.SPIKE_ROW + m].any()
                 and not kinetics.f[c, layout.AMP_ROW, :m].any() and np.isfinite(wiring.popf[p, layout.P_HORIZON]))
        two = m == 2 and solver in (layout.TWO, layout.PAIR)
        three = m == 3 and solver == layout.GENERAL and not kinetics.i[c, layout.N_COUPLED]
        if not plain or not (two or three):
            return factors.GENERAL_PATH
        margin = state.par[part, layout.S_V_INF] - state.par[part, layout.S_THETA]
        span = (state.par[part, layout.S_THETA] - state.par[part, layout.S_V_RESET]).min()
        largest = np.abs(margin[np.isfinite(margin)]).max(initial=0.0)
        tame = max(largest, self._heavy * np.abs(kinetics.f[c, layout.JUMP_ROW:]).max()) < HEAVY * span
        if two and margin.min() > 0.0 and tame:
            return END
        leaky = kinetics.f[c, layout.RATE_HI, :m].min() > 0.0
        return CHORD if two and leaky and tame and margin.max() <= 0.0 else CELL

    def change(self, p, new):
        """See `Scheduler.change`."""
        if self._plans is not None and (self._plans[0][p, factors.W_TEST] != factors.WIDE or "t_ref" in new):
            self._plans = None
        super().change(p, new)

    def advance(self, until, probe=None):
        """Process every event with time <= until; see `Heap.advance`."""
        low, lanes, k = self.lowered, self.lanes, self._shards
        compiled = new_probe(probe)
        source = self.sources.take(until)
        if self._plans is None:
            self._plans = self._plan()
        plan, planf = self._plans
        lanes.epoch[:] = self.state.pop
        self.state.stamp[:] = -1
        lanes.n[:, LANE_INSTANT] = 0
        lanes.mem[:, [calendar.FIRED, calendar.FIRED + 1], memory.USED] = 0
        kernel.resume(low.kinetics, low.wiring, self.state, lanes, plan, planf, self.time, self._fresh)
        self._fresh = False
        gate, board = np.zeros(1, np.int64), np.zeros((2, k, kernel.B_COLUMNS), np.int64)
        clock, progress = np.full(k, self.time), np.zeros((k, kernel.G_COLUMNS), np.int64)
        progress[:, kernel.G_BUSY] = 1
        stop = np.nextafter(until, np.inf)

        def carry(first, end):
            return kernel.run_windows(low.kinetics, low.wiring, self.state, lanes, plan, planf, self._order, self._iota,
                                      first, end, gate, board, self._settings, clock, progress, stop, *source, compiled,
                                      self.max_rounds)

        code = self._hands if k > 1 else carry(0, k)
        while code in (kernel.MORE_HANDS, kernel.FEWER_HANDS):
            self._hands = code
            if code == kernel.MORE_HANDS:
                clock[:], progress[:], gate[0] = clock[0], progress[0], 0
                progress[:, kernel.G_MEETING] &= 1
                gate[0] = k * progress[0, kernel.G_MEETING]
                with ThreadPoolExecutor(k) as pool:
                    code = max(pool.map(lambda s: carry(s, s + 1), range(k)))
            else:
                code = carry(0, k)
        self._stop(code, clock[0])
        kernel.suspend(low.kinetics, low.wiring, self.state, lanes, plan)
        self.time = float(until)
        self.state.pop[:, 0] = lanes.epoch[0, :, 0]
        self.state.pop[:, 1] += lanes.spikes.sum(axis=0)
        self.state.arrived[:] += lanes.arrived.sum(axis=0)
        for p, _, noise_f, noise_u in self._noise():
            ahead = np.empty(len(noise_f)), np.empty(len(noise_f), np.int64)
            self.state.pop[p, 1] = private.emitted(noise_f, noise_u, until, *ahead)
        lanes.arrived[:] = 0
        lanes.spikes[:] = 0
        n = int(lanes.mem[:, KEPT, memory.USED].sum())
        times, ids = np.empty(n), np.empty(n, np.int64)
        kernel.merge(lanes, times, ids)
        return times, ids, compiled.value

    def _stop(self, code, time):
        """Raise what a result of the loop other than success means."""
        if code == NO_MEMORY:
            raise MemoryError("no memory left for the spikes on their way")
        if code == RAN_AWAY:
            self.time = float(time)
            raise self.runaway(self.lanes.n[:, LANE_RUNAWAY][self.lanes.n[:, LANE_RUNAWAY] >= 0])

    def _waiting(self):
        """Entries of the calendars in use, one array [n, words] per lane."""
        found = []
        for table, numbers in zip(self.lanes.mem, self.lanes.n):
            entries = memory.contents(table, calendar.ENTRIES, ENTRY_WORDS)
            live = np.ones(len(entries), bool)
            free = numbers[FREE_ENTRY]
            while free >= 0:
                live[free] = False
                free = entries[free, 5]
            found.append(entries[live])
        return found

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
        for p, k, noise_f, noise_u in self._noise():
            n, first = len(noise_f), int(wiring.pop[p, layout.P_FIRST])
            ahead = np.empty(n), np.empty(n, np.int64)
            private.emitted(noise_f, noise_u, self.time, *ahead)
            heap.sources.poisson.append((first, p, noise_f[:, private.N_RATE].copy(), *ahead))
            flying = np.empty(private.in_flight(noise_f, noise_u, self.time, np.empty(0), np.empty(0, np.int64)))
            who = np.empty(flying.size, np.int64)
            private.in_flight(noise_f, noise_u, self.time, flying, who)
            for born, i in zip(flying.tolist(), who.tolist()):
                for shard in range(self._shards):
                    at, stop = single.row_span(wiring, k, i, shard)
                    if at < stop:
                        heap.add(born, 1.0, first + i, k, at, stop)
        for entry in np.concatenate(self._waiting()):
            born, amplitude = entry[:2].copy().view(np.float64)
            heap.add(float(born), float(amplitude), int(entry[2]) >> PROJECTION_BITS,
                     int(entry[2]) & ((1 << PROJECTION_BITS) - 1), int(entry[3]), int(entry[4]))
        return heap

    def peek(self):
        """Time of the next event, or inf; asked of a heap scheduler in the same state. Leaves everything as it is."""
        return self.to_heap().peek()

    def diagnostics(self):
        """How the scheduler worked; not part of the result."""
        n = self.lanes.n
        return {"windows": int(n[0, LANE_WINDOWS]), "rows": int(n[:, LANE_ROWS].sum()),
                "arrivals_at_hot_neurons": int(n[:, LANE_HOT_EVENTS].sum()),
                "crossing_searches": int(n[:, LANE_SEARCHES].sum()), "in_flight": int(n[:, N_WAITING].sum())}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        entries = {f"entries_{s}": e for s, e in enumerate(self._waiting())}
        return entries | {"numbers": self.lanes.n, "fresh": np.array(self._fresh), "noise_f": self.lanes.noise_f,
                          "noise_u": self.lanes.noise_u}

    def restore(self, data):
        """Inverse of `snapshot`."""
        lanes = self.lanes
        lanes.n[:] = data["numbers"]
        lanes.n[:, FREE_ENTRY] = -1
        lanes.head[:] = -1
        for s, table in enumerate(lanes.mem):
            entries = data[f"entries_{s}"].astype(np.int64)
            lanes.n[s, N_WAITING] = len(entries)
            memory.fill(table, calendar.ENTRIES, ENTRY_WORDS, entries)
        kernel.relink(self.lowered.wiring, lanes, self._settings)
        self._fresh = bool(data["fresh"])
        lanes.noise_f[:], lanes.noise_u[:] = data["noise_f"], data["noise_u"]


class Layered(Window):
    """The same for networks without cycles: a window may be as long as a few cells, whatever the delays."""

    name = "layered"
