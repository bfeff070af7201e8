"""Simulation: a network carried through time by one of the schedulers, and the one-call forms of it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from . import layout
from .checkpoint import read_checkpoint, write_checkpoint
from .errors import InputError, NotAvailableError, ParameterError, unknown_name
from .learning import Learning, checked_rules
from .model.checks import count, real
from .model.grid_neurons import GridNeuron
from .model.lower import Lowered, lower
from .model.neurons import LinearNeuron, check_reset
from .model.plastic import attach
from .model.sources import Input
from .progress import TARGET_CHUNK, Pace, over
from .record import Record
from .run import Run
from .schedulers import choose
from .types import Counts, Spikes, Tally, Trace

SETTABLE = ("i_offset", "v_leak", "bias", "v_threshold", "v_reset", "t_ref")


def _refuse_with_hardware(dt, rules):
    for value, name in ((dt, "dt (grid time)"), (rules or None, "rules")):
        if value is not None:
            raise NotAvailableError(f"{name} is not available in simulations with hardware")


class Simulation(Learning):
    """A network ready to run: validated, lowered to arrays, compiled on first use.

    Arguments as in `simulate`. `run` only simulates; everything else happens here.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("input", es.Input(1))
    >>> net.add("out", es.LIF(1, tau_mem=10e-3, tau_syn=0.0, v_threshold=1.0))
    >>> net.connect("input", "out", es.Dense([[1.0]]))
    >>> sim = es.Simulation(net, {"input": es.Spikes([0.001, 0.003], [0, 0])})
    >>> sim.run(until=0.002).spikes["out"].times
    array([0.001])
    """

    def __new__(cls, net=None, inputs=None, *, hardware=None, **options):
        """A `Simulation`; with `hardware`, what that makes of the network."""
        if hardware is None:
            return super().__new__(cls)
        if isinstance(hardware, type) or not hasattr(hardware, "simulation"):
            raise ParameterError(f"hardware must be an es.BrainScaleS2(...), got {hardware!r}")
        _refuse_with_hardware(options.pop("dt", None), options.pop("rules", ()))
        if options.pop("record", None) is not None:
            raise NotAvailableError("record is not available in simulations with hardware: all spikes are recorded")
        seed = count(options.pop("seed", 0), "seed", "the simulation", minimum=0)
        options["progress"] = False
        return hardware.simulation(lambda part, s, o: cls(part, seed=s, **o), net, inputs, seed, options)

    def __init__(self, net, inputs=None, *, scheduler="auto", threads=1, seed=0, dt=None, record=None, rules=(),
                 hardware=None, progress=True, max_rounds=1000):
        self.dt = None if dt is None else float(real(dt, "dt", "the simulation", above=0.0))
        self.rules = checked_rules(rules, count(threads, "threads", "the simulation"))
        if self.rules and self.dt is not None:
            raise NotAvailableError("rules are not available in grid time (dt)")
        plain = net if isinstance(net, Lowered) else lower(net, threads, {rule.projection for rule in self.rules})
        self._plain = plain if self.rules else None
        self.lowered = attach(plain, self.rules) if self.rules else plain
        self.seed = count(seed, "seed", "the simulation", minimum=0)
        self.record = Record() if record is None else record
        if not isinstance(self.record, Record):
            raise ParameterError(f"record must be an es.Record, got {type(record).__name__}")
        self._keep = self.record.wants(self.lowered)
        self._probes = self.record.probes(self.lowered)
        self._progress = progress
        self._kind = choose(scheduler, self.lowered, self.dt)
        self._max_rounds = count(max_rounds, "max_rounds", "the simulation")
        self._begin(inputs)

    def _begin(self, inputs):
        self.scheduler = self._kind(self.lowered, seed=self.seed, max_rounds=self._max_rounds, wanted=self._keep)
        self.inputs_never = 0
        self._times, self._ids, self._n_spikes = [], [], 0
        self._sample_times, self._samples = [], []
        self._push(inputs)

    @property
    def time(self):
        """Current time, s: every event up to and including it is done."""
        return self.scheduler.time

    def _push(self, inputs):
        inputs = {} if inputs is None else inputs
        known = [n for n, p in zip(self.lowered.names, self.lowered.populations) if isinstance(p, Input)]
        checked = []
        for name, spikes in inputs.items():
            if name not in known:
                raise unknown_name("input population", name, known)
            if not isinstance(spikes, Spikes):
                raise InputError(f"inputs[{name!r}] must be es.Spikes, got {type(spikes).__name__}")
            p = self.lowered.pop(name)
            n = self.lowered.populations[p].n
            if spikes.neurons.size and spikes.neurons.max() >= n:
                raise InputError(f"inputs[{name!r}] names neuron {int(spikes.neurons.max())}; population {name!r} has "
                                 f"neurons 0 to {n - 1}")
            keep = np.isfinite(spikes.times)
            times = self.scheduler.place(spikes.times[keep], name)
            if times.size and times[0] < self.time:
                raise InputError(f"inputs[{name!r}] has a spike at {times[0]!r} s, before the current time "
                                 f"{self.time!r} s")
            checked.append((times, spikes.neurons[keep] + self.lowered.first[p], int((~keep).sum())))
        for times, ids, never in checked:
            self.scheduler.push(times, ids)
            self.inputs_never += never

    def push(self, inputs):
        """Add input spikes, {population: `Spikes`}, none before the current time. Nothing is added if any is refused.

        Raises `UnknownNameError` for an unknown population, `InputError` for ids out of range and past times.
        """
        self._push(inputs)

    def run(self, until, whole=False):
        """Process every event with time <= until (s) and return a `Run` of everything since t = 0.

        Long runs go in chunks with a progress bar; an interrupt (Ctrl-C) leaves the simulation at the end of a chunk, and
        `result()` gives what there is. whole : in one go, without chunks, for short runs. Raises `InputError` for `until`
        before the current time or not finite.
        """
        self._go(self._check_until(until), whole)
        return self.result()

    def _go(self, until, whole):
        if whole:
            self._chunk(until, not self._sample_times and self.time == 0.0)
        else:
            self._advance(until)

    def news(self, until, whole=False, keep=True):
        """As `run`, but returns only the spikes that were not there before: {population: `Spikes`}, recorded populations.

        whole : in one go, without chunks: for short steps, which then cost half as much
        keep : False: they are not kept for `result`, so that memory stays constant however long this goes on

        >>> import eventsnn as es
        >>> net = es.Network()
        >>> _ = net.add("in", es.Input(1))
        >>> simulation = es.Simulation(net, {"in": es.Spikes([0.1, 0.3], [0, 0])})
        >>> [simulation.news(until)["in"].times for until in (0.2, 0.4)]
        [array([0.1]), array([0.3])]
        """
        before = len(self._times)
        self._go(self._check_until(until), whole)
        found = self._by_population(np.concatenate(self._times[before:]), np.concatenate(self._ids[before:]))
        if not keep:
            del self._times[before:], self._ids[before:]
        return found

    def _by_population(self, times, ids):
        low = self.lowered
        whose = low.wiring.who[ids, 0] if ids.size else np.zeros(0, np.int32)
        spikes = {}
        for name in self._keep:
            p = low.pop(name)
            mine = np.flatnonzero(whose == p)
            spikes[name] = Spikes.in_order(times[mine], ids[mine] - low.first[p])
        return spikes

    def _check_until(self, until):
        if not isinstance(until, (int, float, np.integer, np.floating)) or not np.isfinite(until):
            raise InputError(f"until must be a finite number of seconds, got {until!r}")
        if until < self.time:
            raise InputError(f"until = {until!r} s lies before the current time {self.time!r} s")
        return float(until)

    def _advance(self, until):
        fresh = not self._sample_times and self.time == 0.0
        with Pace(self.time, until, self._progress) as pace:
            while True:
                self._chunk(pace.next_stop(self.time), fresh)
                fresh = False
                if self.time >= until:
                    break
                pace.show(self.time, self._n_spikes)

    def _chunk(self, stop, fresh):
        if any(rule.every for rule in self.rules):
            fresh = self._timers(stop, fresh)
        self._section(stop, fresh)

    def _section(self, stop, fresh):
        times = self.record.times(self.time, stop, fresh)
        probe = None
        if times.size:
            ids = np.concatenate([ids + self.lowered.first[self.lowered.pop(n)] for n, ids in self._probes.items()])
            probe = times, ids
        spike_times, spike_ids, values = self.scheduler.advance(stop, probe)
        for r in range(len(self.rules)):
            self._complain(r)
        self._times.append(spike_times)
        self._n_spikes += spike_times.size
        self._ids.append(spike_ids)
        if probe is not None:
            self._sample_times.append(times)
            self._samples.append(values)

    def step(self):
        """Process the next instant; returns its time, or inf if nothing is left to happen."""
        time = self.peek()
        if time < np.inf:
            self._chunk(time, not self._sample_times and self.time == 0.0)
        return time

    def peek(self):
        """Time of the next event (arrival, crossing, end of refractoriness, input spike), or inf. Changes nothing."""
        return float(self.scheduler.peek())

    def result(self):
        """A `Run` of everything from t = 0 to the current time."""
        low, state = self.lowered, self.scheduler.state
        times = np.concatenate([np.zeros(0), *self._times])
        ids = np.concatenate([np.zeros(0, np.int64), *self._ids])
        if np.any((times[1:] == times[:-1]) & (ids[1:] < ids[:-1])):  # an instant that went on in a later chunk
            order = np.lexsort((ids, times))
            times, ids = times[order], ids[order]
        self._times, self._ids = [times], [ids]
        spikes = self._by_population(times, ids)
        emitted = {n: int(c) for n, c in zip(low.names, state.pop[:, 1])}
        arrived = {p.name: int(c) for p, c in zip(low.projections, state.arrived)}
        updates = dict(emitted)
        for projection in low.projections:
            updates[projection.target] += arrived[projection.name]
        counts = Counts(Tally("population", emitted), Tally("projection", arrived), Tally("population", updates))
        return Run(spikes=spikes, v=self._traces(), counts=counts, duration=self.time,
                   populations={n: p.n for n, p in zip(low.names, low.populations)},
                   diagnostics=self.scheduler.diagnostics(), seed=self.seed, scheduler=self.scheduler.name,
                   inputs_never=self.inputs_never)

    def _traces(self):
        times = np.concatenate([np.zeros(0), *self._sample_times])
        traces, at = {}, 0
        for name, ids in self._probes.items():
            parts = [s[:, at:at + ids.size] for s in self._samples]
            traces[name] = Trace(times, ids, np.concatenate(parts) if parts else np.zeros((0, ids.size)))
            at += ids.size
        return traces

    def voltage(self, name):
        """V [n] of population `name` at the current time. Raises as `state` does."""
        low, p = self.lowered, self._stateful(name)
        return self.scheduler.voltage(np.arange(low.first[p], low.first[p + 1]))

    def _stateful(self, name):
        """Number of population `name`, which must have a state."""
        low = self.lowered
        if name not in low.names:
            raise unknown_name("population", name, low.names)
        p = low.pop(name)
        if not isinstance(low.populations[p], LinearNeuron | GridNeuron):
            raise InputError(f"population {name!r} is {low.populations[p].kind} and has no state")
        return p

    def state(self, name):
        """State of population `name` at the current time, a dict of arrays.

        v [n], drive_0, drive_1, ... [n] per port, threshold [n], refractory_until [n] (-inf: not refractory, inf: for
        good), and every further variable of the model by its name. Of clocked neurons (`dt`): U as v, the variables of their
        rule, threshold, refractory_until.
        """
        return self.scheduler.describe(self._stateful(name))

    def set(self, name, **parameters):
        """Change parameters of population `name` from now on: i_offset, v_leak, bias, v_threshold, v_reset, t_ref.

        Scalars or arrays [n]. V is continuous; a neuron that finds itself at or above its threshold fires now (in the next
        `run`). Raises `ParameterError` for values out of range, `UnknownNameError` for other parameters.
        """
        low, state = self.lowered, self.scheduler.state
        if name not in low.names:
            raise unknown_name("population", name, low.names)
        p = low.pop(name)
        population = low.populations[p]
        allowed = [s for s in SETTABLE if isinstance(population, LinearNeuron)
                   and (s in population.set_map or s in ("v_threshold", "v_reset", "t_ref")
                        and not (s != "v_threshold" and population.v_reset is None))]
        part = slice(low.first[p], low.first[p + 1])
        new = {}
        for key, value in parameters.items():
            if key not in allowed:
                raise unknown_name(f"settable parameter of population {name!r}", key, allowed)
            bounds = {"least": 0.0, "infinite": True} if key == "t_ref" else {"infinite": key == "v_threshold"}
            new[key] = np.broadcast_to(real(value, key, f"population {name!r}", population.n, **bounds), population.n)
        if "v_reset" in new or "v_threshold" in new:
            current = state.par[part]
            check_reset(new.get("v_reset", current[:, layout.S_V_RESET]), new.get("v_threshold", current[:, layout.S_THETA]),
                        f"population {name!r}")
        if "v_threshold" in new and np.isfinite(new["v_threshold"]).any() and not low.wiring.pop[p, layout.P_FIRES]:
            raise ParameterError(f"v_threshold of population {name!r} cannot be set: it was built without one")
        self.scheduler.change(p, new)

    def reset(self, inputs=None):
        """Back to t = 0 and the initial state, with new `inputs` (or none)."""
        if self.rules:
            self.lowered = attach(self._plain, self.rules)
        self._begin(inputs)

    def checkpoint(self, path):
        """Write the complete state to an HDF5 file, atomically; `resume` continues with the same bits."""
        write_checkpoint(self, path)

    @classmethod
    def resume(cls, path):
        """A `Simulation` as it was when `checkpoint` wrote `path`. Raises `FormatError` for damaged or newer files."""
        return read_checkpoint(cls, path)


def simulate(net, inputs=None, *, until, scheduler="auto", threads=1, seed=0, dt=None, record=None, rules=(),
             hardware=None, progress=True, max_rounds=1000):
    """Simulate `net` from t = 0 to `until` (s) and return a `Run`.

    net : `Network`
    inputs : {name of an Input: `Spikes`}; an Input without spikes is silent
    dt : None, or the step of grid time, s: all neurons are clocked ones (`es.grid`), spikes lie on whole multiples of dt
    scheduler : "auto" | "heap" | "layered" | "reference"; the spikes are the same bits from each
    threads : number of threads; the result never depends on it, and today's schedulers use one (see `simulate_batch`)
    seed : of the Poisson populations, and of what varies between runs on hardware
    hardware : a model of a chip, `BrainScaleS2`: the network as it would run there; times stay biological
    record : `Record`; default: all spikes
    progress : show a bar on stderr when a run takes longer than a second and stderr is a terminal
    max_rounds : guard against zero-delay cycles that never come to rest

    Raises `NetworkError`, `InputError`, `ParameterError`, `UnknownNameError`, `RunawayError`; `NotAvailableError` for
    features of later versions. After Ctrl-C use `Simulation`, whose state survives.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("noise", es.Poisson(100, rate=20.0))
    >>> net.add("exc", es.LIF(10, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    >>> net.connect("noise", "exc", es.RandomIndegree(50, weight=0.3, seed=1))
    >>> run = es.simulate(net, until=0.2, seed=7)
    """
    sim = Simulation(net, inputs, scheduler=scheduler, threads=threads, seed=seed, dt=dt, record=record, rules=rules,
                     hardware=hardware, progress=progress, max_rounds=max_rounds)
    return sim.run(until)


def simulate_batch(net, inputs, *, until, jobs=0, scheduler="auto", seed=0, dt=None, record=None, hardware=None,
                   progress=False, max_rounds=1000):
    """Simulate one network on many inputs, each from t = 0; returns a list of `Run` in the order of `inputs`.

    inputs : list of dicts as in `simulate`; jobs : threads, 0 means all cores. The network is built once (on `hardware` once
    per sample, for what varies between runs); sample k has seed `seed` + k. The result does not depend on `jobs`.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("input", es.Input(1))
    >>> net.add("out", es.IF(1, v_threshold=1.0))
    >>> net.connect("input", "out", es.Dense([[1.0]]))
    >>> runs = es.simulate_batch(net, [{"input": es.Spikes([t], [0])} for t in (0.1, 0.2)], until=1.0)
    """
    jobs = count(jobs, "jobs", "simulate_batch", minimum=0) or os.cpu_count() or 1
    lowered = lower(net) if hardware is None else net

    short = False  # whether a sample is over so soon that Ctrl-C may wait for its end

    def one(k):
        nonlocal short
        sim = Simulation(lowered, inputs[k], scheduler=scheduler, seed=seed + k, dt=dt, record=record, hardware=hardware,
                         progress=False, max_rounds=max_rounds)
        begun = time.perf_counter()
        run = sim.run(until, whole=True) if short and hardware is None else sim.run(until)
        short = time.perf_counter() - begun < TARGET_CHUNK
        return run

    if jobs == 1 or len(inputs) < 2:
        return list(over(map(one, range(len(inputs))), len(inputs), progress))
    first = one(0)
    with ThreadPoolExecutor(jobs) as pool:
        return [first, *over(pool.map(one, range(1, len(inputs))), len(inputs) - 1, progress)]
