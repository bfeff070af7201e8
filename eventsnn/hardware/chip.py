"""A network on a chip: the exact engine for what the neurons do, links for what happens to their spikes on the way.

Populations that do not depend on each other's future run one after the other, each over the whole time; populations in a cycle
run together in steps of the chip's latency, within which no spike can come back. Runs in parts give the bits of one run.
"""

import math
import zlib

import numpy as np

from ..errors import InputError, NetworkError, NotAvailableError, ParameterError, unknown_name
from ..model.graph import strong_components
from ..model.network import Network
from ..model.sources import Input, Poisson
from ..run import Run
from ..types import Counts, Spikes, Tally
from .links import NOTHING, Links, Traffic, in_order
from .mapper import place
from .report import HardwareReport
from .substrate import neurons, synapses, way

NOISE_PER_TAU = 200.0  # kicks of membrane noise per membrane time constant
OVERSHOOT = 0.39  # mean way of V beyond its threshold when a kick carries it there, in kicks: fitted to Siegert's formula


class _Part:
    """One simulation: populations in a cycle, or a single one, fed by inputs and by what other parts send."""

    def __init__(self, simulation, names, sources, cyclic):
        self.simulation, self.names, self.sources, self.cyclic = simulation, names, sources, cyclic
        self.begin()

    def begin(self):
        """Before the first step."""
        self.step = 0  # steps of the latency that are complete


def _number(*words):
    """A seed from numbers and names."""
    return [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in words]


class ChipSimulation:
    """What `Simulation(net, ..., hardware=...)` gives: `run`, `push`, `result`, `reset`, `time`.

    begin : makes a `Simulation` without hardware from (network, options); spikes and times are biological
    """

    def __init__(self, begin, net, inputs, hardware, seed, options):
        self.net, self.hardware, self.seed, self.options, self._make = net, hardware, seed, options, begin
        if not isinstance(net, Network):
            raise ParameterError(f"a simulation with hardware needs an es.Network, got {type(net).__name__}")
        if any(isinstance(population, Poisson) for population in net.populations.values()):
            raise NetworkError("Poisson populations are not on the chip: make their spikes and pass them to an Input")
        self.mapping = place(net, hardware)
        self._build()
        self.reset(inputs)

    def _build(self):
        net, h = self.net, self.hardware
        draw = np.random.default_rng([h.chip_seed, self.seed, 1])
        targets = [name for name, p in net.populations.items() if not isinstance(p, Input)]
        noise = {name: np.maximum(1.0 + h.threshold_noise * draw.standard_normal(net.populations[name].n), 0.1)
                 if h.threshold_noise else None for name in targets}
        order = {name: k for k, name in enumerate(targets)}
        edges = [(order[p.source], order[p.target]) for p in net.projections.values() if p.source in order]
        number = strong_components(len(targets), edges)
        groups = {}
        for name, k in zip(targets, number):
            groups.setdefault(k, []).append(name)
        cyclic = {k for k in groups if len(groups[k]) > 1 or any((a, a) in edges for a in map(order.get, groups[k]))}
        if cyclic and not h.latency and not h.clear_links:
            raise NetworkError("a network with cycles needs latency > 0, the time in which no spike can come back; got 0.0")
        if h.clear_links or not targets:  # one simulation, as without hardware
            groups, cyclic = {0: targets}, set()
        self._parts = [self._part(groups[k], k in cyclic, noise) for k in sorted(groups)]

    def _part(self, names, cyclic, noise):
        net, h, part = self.net, self.hardware, Network()
        onto = [p for p in net.projections.values() if p.target in names]
        direct = h.clear_links
        if direct or not names:
            sources = self._input_names()
        else:
            sources = [name for name in net.populations if any(p.source == name for p in onto) and name not in names]
        for name, population in net.populations.items():
            if name in names:
                part.add(name, neurons(population, name, h, noise[name]))
                if h.membrane_noise:
                    _kick(part, name, h.membrane_noise * way(population))
            elif name in sources:
                part.add(name, Input(population.n))
        if cyclic:
            for name in names:
                part.add(f"{name} sent", Input(net.populations[name].n))
        for p in onto:
            source = net.populations[p.source]
            copies = self.mapping.replication[p.source]
            connection = synapses(p, source, net.populations[p.target], h, copies)
            begin = f"{p.source} sent" if cyclic and p.source in names else p.source
            part.connect(begin, p.target, connection, port=p.port, name=p.name)
        seed = np.random.SeedSequence(_number(h.chip_seed, self.seed, 3, *names)).generate_state(1)[0]
        return _Part(self._make(part, int(seed), self.options), names, sources, cyclic)

    def reset(self, inputs=None, trial=0):
        """Back to t = 0 with new inputs; the chip stays. What differs from trial to trial follows from the number `trial`."""
        h = self.hardware
        self.links = {name: Links(h, np.random.default_rng(_number(h.chip_seed, self.seed, 2, trial, name)))
                      for name in self.net.populations}
        self.sent = dict.fromkeys(self.net.populations, NOTHING)
        self.time, self.inputs_never = 0.0, 0
        self._waiting = {}
        for part in self._parts:
            part.simulation.reset()
            part.begin()
        self.push(inputs or {})

    def _input_names(self):
        return [name for name, p in self.net.populations.items() if isinstance(p, Input)]

    def push(self, inputs):
        """Add input spikes, {population: `Spikes`}, none before the current time. Nothing is added if any is refused.

        Raises as `Simulation.push` does.
        """
        checked = {}
        for name, spikes in inputs.items():
            if name not in self._input_names():
                raise unknown_name("input population", name, self._input_names())
            if not isinstance(spikes, Spikes):
                raise InputError(f"inputs[{name!r}] must be es.Spikes, got {type(spikes).__name__}")
            n = self.net.populations[name].n
            if spikes.neurons.size and spikes.neurons.max() >= n:
                raise InputError(f"inputs[{name!r}] names neuron {int(spikes.neurons.max())}; population {name!r} has "
                                 f"neurons 0 to {n - 1}")
            finite = np.isfinite(spikes.times)
            checked[name] = Spikes(spikes.times[finite], spikes.neurons[finite]), int((~finite).sum())
            if finite.any() and spikes.times[0] < self.time:
                raise InputError(f"inputs[{name!r}] has a spike at {spikes.times[0]!r} s, before the current time "
                                 f"{self.time!r} s")
        for name, (spikes, never) in checked.items():
            self.inputs_never += never
            self.sent[name] = in_order(self.sent[name], spikes)
            self._waiting[name] = in_order(self._waiting.get(name, NOTHING), spikes)

    def run(self, until):
        """Everything up to `until` (biological s); returns a `Run` whose `hardware` is a `HardwareReport`."""
        if not isinstance(until, int | float | np.integer | np.floating) or not np.isfinite(until):
            raise InputError(f"until must be a finite number of seconds, got {until!r}")
        if until < self.time:
            raise InputError(f"until = {until!r} s lies before the current time {self.time!r} s")
        until, latency = float(until), self.hardware.latency * self.hardware.acceleration
        for name in self._input_names():
            spikes = self._waiting.pop(name, NOTHING)
            if name in self.mapping.buses and not self.hardware.clear_links:
                spikes = self.links[name].bus(spikes, self.mapping.buses[name], until, self.mapping.replication[name])
            for part in self._parts:
                if name in part.sources:
                    part.simulation.push({name: spikes})
        for part in self._parts:
            while part.cyclic and part.simulation.time < until:
                end = (part.step + 1) * latency
                found = part.simulation.news(min(end, until), whole=True)
                part.step += end <= until
                self._forward(part, found, until)
            if not part.cyclic:
                self._forward(part, part.simulation.news(until), until)
        self.time = until
        return self.result()

    def _forward(self, part, found, until):
        """Send the spikes that a part has `found` on their way."""
        h = self.hardware
        if h.clear_links:
            return
        latency = h.latency * h.acceleration
        ready, arrived = until - latency if h.jitter else until, until  # no later spike is ready or arrives before
        if part.cyclic:
            ready, arrived = (np.nextafter((part.step + k) * latency, -1.0) for k in (0, 1))
        for name in part.names:
            links = self.links[name]
            left = links.leave(found[name], self.mapping.outputs[name], ready, latency if part.cyclic else 0.0)
            self.sent[name] = in_order(self.sent[name], left) if left.times.size else self.sent[name]
            if name not in self.mapping.buses:
                continue
            arriving = links.bus(links.travel(left), self.mapping.buses[name], arrived)
            for other in self._parts if arriving.times.size else ():
                begin = f"{name} sent" if other is part else name
                if name in other.sources or (other is part and part.cyclic):
                    times = np.maximum(arriving.times, other.simulation.time)  # rounding
                    other.simulation.push({begin: Spikes(times, arriving.neurons)})

    def result(self):
        """A `Run` of what was observed up to the current time: spikes as the neuron outputs sent them."""
        spikes, arrived, updates, diagnostics = {}, {}, {}, {}
        buses, outputs = Traffic(), Traffic()
        for name, sent in self.sent.items():
            links = self.links[name]
            left = links.outputs
            if name in self.mapping.outputs:  # what waits for its output; later spikes may still come before it
                waiting, left = links.left_behind(self.mapping.outputs[name])
                sent = in_order(sent, waiting) if waiting.times.size else sent
            buses, outputs = buses + links.buses, outputs + left
            spikes[name] = sent.between(-1.0, self.time)
        for part in self._parts:
            run = part.simulation.result()
            arrived |= {p: run.counts.synaptic_events[p] for p in run.counts.synaptic_events if p in self.net.projections}
            updates |= {name: run.counts.spikes[name] for name in part.names}
            diagnostics |= run.diagnostics
            if self.hardware.clear_links:
                spikes |= {name: run.spikes[name] for name in (*part.names, *part.sources)}
        emitted = {name: found.times.size for name, found in spikes.items()}
        updates = emitted | updates
        for projection in self.net.projections.values():
            updates[projection.target] += arrived[projection.name]
        counts = Counts(Tally("population", emitted), Tally("projection", arrived), Tally("population", updates))
        report = HardwareReport(self.hardware, self.time / self.hardware.acceleration, buses, outputs, self.mapping)
        return Run(spikes=spikes, v={}, counts=counts, duration=self.time,
                   populations={name: p.n for name, p in self.net.populations.items()}, diagnostics=diagnostics,
                   seed=self.seed, scheduler=self._parts[0].simulation.scheduler.name, inputs_never=self.inputs_never,
                   hardware=report)

    def __getattr__(self, name):
        if name in ("step", "peek", "state", "set", "checkpoint"):
            raise NotAvailableError(f"{name} is not available in simulations with hardware")
        raise AttributeError(name)


def _kick(part, name, spread):
    """Membrane noise of population `name`: balanced Poisson kicks of V, whose sum tends to an Ornstein-Uhlenbeck process.

    spread : of V, stationary, scalar or array [n]. With kicks +-q at rate r per neuron, the stationary variance of V is
        q^2 r tau_mem / 2. A kick carries V past its threshold, so neurons would fire too late: thresholds are lowered by the
        part `OVERSHOOT` of a kick. Rates of leaky neurons then are those of white noise within 1 % (Siegert's formula).
    """
    from dataclasses import replace

    population = part.populations[name]
    tau = np.broadcast_to(population.tau[0], population.n)
    size = np.broadcast_to(spread, population.n) * math.sqrt(2.0 / NOISE_PER_TAU)
    jump = np.vstack([population.jump, np.eye(len(population.tau))[:1]])
    threshold = np.where(np.isfinite(population.v_threshold), population.v_threshold - OVERSHOOT * size, population.v_threshold)
    part.populations[name] = replace(population, jump=jump, port_mode=(*population.port_mode, 0), v_threshold=threshold)
    from ..model.connections import OneToOne

    for sign in (1, -1):
        kicks = f"{name} kicks {sign:+d}"
        part.add(kicks, Poisson(population.n, rate=NOISE_PER_TAU / (2.0 * tau)))
        part.connect(kicks, name, OneToOne(sign * size), port=population.n_ports)
