"""Driver of the compiled loop of grid time: steps of `dt`, in which only neurons that something happens to are touched."""

from itertools import pairwise

import numpy as np

from .. import layout
from ..errors import InputError
from ..kernels import lattice as kernel
from ..kernels import lattice_calendar as calendar
from ..kernels import lattice_neuron as neuron
from ..kernels.draw import KIND
from ..model.grid_lower import check, reset_number, rules, steps_of
from ..model.grid_neurons import GridNeuron
from .base import Scheduler, copy_of, drawn_arrays

RING, DUE_RING = 1024, 1024  # buckets, powers of 2; the first at most
LEAST, BLOCKS = 10, 17  # the next-spike search looks 2^10 to 2^16 steps ahead at a time, by the slowest decay
QUIET = 10  # empty steps at the very beginning after which a population is no longer swept
LISTED = 1000  # steps close to the threshold that are listed
FAR = 1 << 22  # steps that `peek` looks ahead


def new_grid(lowered, dt):
    """(`Grid`, first state) of a network in grid time."""
    known = rules(lowered, dt)
    c, m = known.read.shape
    decays = np.abs(known.matrix[:, np.arange(m), np.arange(m)])
    slowest = np.max(np.where(decays < 1.0, decays, 0.0), axis=1, initial=0.0)
    lasting = 60.0 / -np.log(np.maximum(slowest, 1e-9)) + 10.0
    blocks = int(np.clip(np.ceil(np.log2(lasting.max(initial=1.0) / 15.0)), LEAST, BLOCKS - 1)) + 1
    power, gain = np.zeros((c, 7 * neuron.LEVELS, m, m)), np.zeros((c, blocks + 1, 2, m))
    neuron.fill_tables(known.matrix, known.read, power, gain, np.minimum(lasting, FAR).astype(np.int64), np.zeros((2, m)))
    pop = np.zeros((len(lowered.names), neuron.G_COLUMNS), np.int64)
    for row, population, part in zip(pop, lowered.populations, (slice(*pair) for pair in pairwise(lowered.first))):
        if isinstance(population, GridNeuron):
            alike = m <= 4 and population.refractory == 0 and bool(np.all(known.who[part] == known.who[part][:1]))
            row[:] = (population.n_modes, population.n_ports, population.strict, reset_number(population),
                      population.reset_mode, population.late, population.refractory, population.multi, 1, -1, alike)
    pop[:, neuron.G_CONVOLUTION] = lone_convolutions(lowered)
    par = np.column_stack([known.par, np.full(lowered.n, -1.0)])
    state = layout.State(
        cell=known.first, due=np.full(lowered.n, np.inf), par=par, flag=np.zeros((lowered.n, 2), np.uint8),
        stamp=np.full(lowered.n, -1, np.int64), pop=np.zeros((len(lowered.names), 2), np.int64),
        horizon=np.zeros(len(lowered.names)), arrived=np.zeros(len(lowered.projections), np.int64),
        trace=np.zeros(0), turn=np.zeros((0, 2), np.int64), buffer=np.zeros(layout.B_SIZE))
    return neuron.Grid(pop, known.who, power, gain, known.read, known.jump, known.order), state, known.longest


def lone_convolutions(lowered):
    """Per population the number of a convolution that alone feeds one of its ports, or -1.

    Its rows may be added up in another order of the neurons: as nothing else is added, sums come out the same to the bit.
    """
    wiring, found = lowered.wiring, np.full(len(lowered.names), -1)
    feeds = [tuple(row[[layout.J_TARGET, layout.J_PORT]]) for row in wiring.proj[:len(lowered.projections)]]
    for k, (p, port) in enumerate(feeds):
        row = wiring.proj[k]
        if (row[layout.J_KIND] == layout.PROCEDURAL and row[layout.J_SHARDS] == 1 and feeds.count((p, port)) == 1
                and wiring.words[row[layout.J_ROW], KIND] == layout.CONVOLUTION):
            found[p] = k
    return found


def new_entries(capacity):
    """Room for spikes on their way: (entry, born, amplitude), all free."""
    entry = np.zeros((capacity, 6), np.int64)
    entry[:, 5] = np.arange(1, capacity + 1)
    return entry, np.zeros(capacity, np.int64), np.zeros(capacity)


class Lattice(Scheduler):
    """Clocked neurons on the lattice of steps `dt` (s); acyclic within a step."""

    name = "lattice"

    def __init__(self, lowered, *, dt, state=None, **options):
        if ("lattice", dt) not in lowered.known:
            check(lowered, dt)
            lowered.known["lattice", dt] = new_grid(lowered, dt)
        self.grid, first, longest = lowered.known["lattice", dt]
        super().__init__(lowered, state=first if state is None else state, **options)
        self.dt = dt
        n, n_pop, ports = lowered.n, len(lowered.names), self.grid.jump.shape[1]
        ring, bins = min(1 << int(longest).bit_length(), RING), DUE_RING
        self.calendar = calendar.Calendar(
            np.zeros(calendar.N_COUNTERS, np.int64), *new_entries(1024), np.full((n_pop, ring), -1, np.int64),
            np.full((n_pop, ring), -1, np.int64), np.full((n_pop, bins), -1, np.int64), np.full((n, 3), -1, np.int64),
            np.column_stack([np.ones(n_pop, np.int64), (kernel.SEARCH - QUIET) * np.diff(lowered.first)]))
        whole = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
        self.step = calendar.Step(np.zeros((ports, n)), np.zeros(n), np.full(n, -1, np.int64), whole(n), whole(n), whole(n),
                                np.zeros(self.grid.read.shape[1]), *drawn_arrays(lowered.wiring), whole(2 * n + 1024, 3),
                                whole(LISTED, 2))

    def place(self, times, name):
        """Input times [n] put on the lattice. Raises `InputError` for one between two steps or of a step that is done."""
        steps, fits = steps_of(times, self.dt)
        if not fits.all():
            time = float(times[np.flatnonzero(~fits)[0]])
            raise InputError(f"inputs[{name!r}] has a spike at {time!r} s, between two steps of dt = {self.dt!r} s; round the "
                             f"times to whole steps first")
        if steps.size and steps.min() < self.calendar.n[calendar.NEXT]:
            raise InputError(f"inputs[{name!r}] has a spike in step {int(steps.min())}, which is done; the next step is "
                             f"{int(self.calendar.n[calendar.NEXT])}")
        return steps * self.dt

    def _last(self, until):
        """Number of the last step that is not after `until`."""
        step, fits = steps_of([until], self.dt)
        return int(step[0]) if fits[0] else int(np.floor(until / self.dt))

    def _grow(self, n_source):
        cal, low = self.calendar, self.lowered
        fan = np.diff(low.wiring.pop[:, layout.P_OUT]) * low.shards
        room = int((fan * np.diff(low.wiring.pop[:, layout.P_FIRST])).sum() + n_source * fan.max(initial=0)) + 2
        old = cal.entry.shape[0]
        if old - cal.n[calendar.N_ENTRIES] < room:
            new = 2 * old + room
            bigger = new_entries(new)
            for a, b in zip((cal.entry, cal.born, cal.amplitude), bigger):
                b[:old] = a
            bigger[0][-1, 5] = cal.n[calendar.FREE]
            cal.n[calendar.FREE] = old
            self.calendar = cal._replace(entry=bigger[0], born=bigger[1], amplitude=bigger[2])
        used = int(cal.n[calendar.N_OUT])
        out = np.zeros((2 * self.step.out.shape[0] + low.n + n_source, 3), np.int64)
        out[:used] = self.step.out[:used]
        self.step = self.step._replace(out=out)

    def _run(self, last, limit):
        """The compiled loop, grown as needed; its spikes are then in `step.out`. Returns its code."""
        cal = self.calendar
        cal.n[calendar.N_OUT] = cal.n[calendar.N_SOURCE] = 0
        times, ids = self.sources.take(last * self.dt)
        steps, fits = steps_of(times, self.dt)
        steps = np.minimum(np.where(fits, steps, np.ceil(times / self.dt)).astype(np.int64), max(last, 0))
        while True:
            code = kernel.run_lattice(self.grid, self.lowered.wiring, self.state, self.calendar, self.step, last, limit,
                                      steps, ids, self.dt)
            if code != kernel.GROW:
                break
            self._grow(steps.size)
        used = int(self.calendar.n[calendar.N_SOURCE])
        self.sources.push(times[used:], ids[used:])
        return code

    def _steps_to(self, last):
        """Process every step up to `last`; (times, ids) of the spikes, by step and neuron."""
        self._run(last, False)
        out, n = self.step.out, int(self.calendar.n[calendar.N_OUT])
        total = kernel.number_of_spikes(out, n)
        times, ids = np.empty(total), np.empty(total, np.int64)
        if not kernel.write_spikes(out, n, self.dt, times, ids):
            order = np.lexsort((ids, times))
            times, ids = times[order], ids[order]
        return times, ids

    def advance(self, until, probe=None):
        """Process every step up to `until` (s); returns (times, ids, samples), as the other schedulers do."""
        values, found = np.zeros((0, 0)), []
        if probe is not None:
            values = np.zeros((probe[0].size, probe[1].size))
            for k, time in enumerate(probe[0]):
                found.append(self._steps_to(self._last(time)))
                values[k] = self._read(probe[1])[:, 0]
        found.append(self._steps_to(self._last(until)))
        self.time = float(until)
        times, ids = found[0] if len(found) == 1 else map(np.concatenate, zip(*found))
        return times, ids, values

    def _read(self, ids):
        found = np.zeros((len(ids), 1 + self.grid.read.shape[1]))
        kernel.voltages(self.grid, self.lowered.wiring, self.state, self.step, np.asarray(ids, np.int64),
                        int(self.calendar.n[calendar.NEXT]) - 1, found)
        return found

    def voltage(self, ids):
        """U of neurons `ids` (global) after the last step."""
        return self._read(ids)[:, 0]

    def modes(self, ids):
        """x of neurons `ids` (global) after the last step [len(ids), M]."""
        return self._read(ids)[:, 1:]

    def describe(self, p):
        """State of population `p`, a dict of arrays: v (U), the variables of the rule, threshold, refractory_until (s)."""
        population = self.lowered.populations[p]
        ids = np.arange(self.lowered.first[p], self.lowered.first[p + 1])
        found = self._read(ids)
        result = {"v": found[:, 0]}
        for k, name in enumerate(population.variables):
            result[name] = found[:, 1 + k]
        result["threshold"] = self.state.par[ids, neuron.L_THETA]
        free = self.state.par[ids, neuron.L_FREE]
        now = self.calendar.n[calendar.NEXT] - 1
        result["refractory_until"] = np.where(free > now, free * self.dt, -np.inf)
        return result

    def peek(self):
        """Time of the next step in which something arrives or fires, or inf; leaves everything as it is.

        A copy runs ahead, at most 2^22 steps beyond what is known to come.
        """
        twin = Lattice.__new__(Lattice)
        twin.__dict__.update(self.__dict__)
        twin.state, twin.sources = copy_of(self.state), self.sources.copy()
        twin.calendar = calendar.Calendar(*(a.copy() for a in self.calendar))
        twin.step = calendar.Step(*(a.copy() for a in self.step))
        span = 64
        while span <= FAR:
            step = int(twin.calendar.n[calendar.NEXT])
            if not twin.calendar.n[calendar.N_ENTRIES] and not twin.swept().any():
                ahead = min([twin.state.due.min(), twin.sources.next_poisson() / self.dt, *(twin.sources.times[:1] / self.dt)])
                if ahead == np.inf:
                    return np.inf
                step = max(step, int(ahead))
            if twin._run(step + span, True) == kernel.STEPPED:
                return (int(twin.calendar.n[calendar.NEXT]) - 1) * self.dt
            span *= 2
        return np.inf

    def swept(self):
        """Whether each population [n_pop] is at present swept as a whole."""
        return (self.calendar.mood[:, calendar.SWEEPING] == 1) & (self.grid.pop[:, neuron.G_STATEFUL] == 1)

    def diagnostics(self):
        """Neurons visited and swept, searches, and how many steps had |U - threshold| < 1e-9, with the first of them."""
        n = self.calendar.n
        listed = self.step.near[:min(int(n[calendar.N_NEAR]), LISTED)]
        names = ("{}[{}]@{}".format(*self.lowered.locate(int(j)), step) for j, step in listed.tolist())
        return {"steps": int(n[calendar.NEXT]), "visits": int(n[calendar.VISITS]), "swept": int(n[calendar.SWEPT]),
                "next_spike_searches": int(n[calendar.SEARCHES]), "queue_peak": int(n[calendar.PEAK]),
                "in_flight": int(n[calendar.N_ENTRIES]), "near_threshold": int(n[calendar.N_NEAR]),
                "near_threshold_steps": " ".join(names)}

    def snapshot(self):
        """Arrays that restore the scheduler bit for bit."""
        cal = self.calendar
        data = {name: getattr(cal, name) for name in ("n", "entry", "born", "amplitude", "head", "tail", "mood")}
        return data | {"near": self.step.near}

    def restore(self, data):
        """Inverse of `snapshot`; the lists of candidate steps follow from the state."""
        near = np.ascontiguousarray(data.pop("near"))
        self.step = self.step._replace(near=near)
        self.calendar = self.calendar._replace(**{k: np.ascontiguousarray(v) for k, v in data.items()})
        kernel.reschedule(self.grid, self.lowered.wiring, self.state, self.calendar)
