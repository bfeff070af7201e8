"""A network on a chip: the exact engine for what the neurons do, links for what happens to their spikes on the way.

Populations that do not depend on each other's future run one after the other, each over the whole time; populations in a cycle
run together in steps of the chip's latency, within which no spike can come back.
"""

import math

import numpy as np

from ..errors import NetworkError, NotAvailableError, ParameterError
from ..model.graph import strong_components
from ..model.network import Network
from ..model.sources import Input, Poisson
from ..run import Run
from ..types import Counts, Spikes, Tally
from .links import Links
from .mapper import place
from .report import HardwareReport
from .substrate import neurons, synapses

NOISE_PER_TAU = 200.0  # kicks of membrane noise per membrane time constant


class _Part:
    """One simulation: populations in a cycle, or a single one, fed by inputs and by what other parts send."""

    def __init__(self, simulation, names, sources, cyclic):
        self.simulation, self.names, self.sources, self.cyclic = simulation, names, sources, cyclic
        self.seen = dict.fromkeys(names, 0)


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
        if h.clear_links:  # one simulation, as without hardware
            groups, cyclic = {0: targets}, set()
        self._parts = [self._part(groups[k], k in cyclic, noise) for k in sorted(groups)]

    def _part(self, names, cyclic, noise):
        net, h, part = self.net, self.hardware, Network()
        onto = [p for p in net.projections.values() if p.target in names]
        direct = h.clear_links
        sources = [name for name in net.populations if any(p.source == name for p in onto) and not (direct and name in names)]
        for name in net.populations:
            if name in names:
                continue
            if name in sources:
                part.add(name, Input(net.populations[name].n))
        built = {name: neurons(net.populations[name], name, h, noise[name]) for name in names}
        for name in net.populations:
            if name in names:
                part.add(name, built[name])
                if h.membrane_noise:
                    _kick(part, name, h)
        if cyclic:
            for name in names:
                part.add(f"{name} sent", Input(net.populations[name].n))
        for p in onto:
            source = net.populations[p.source]
            copies = self.mapping.replication[p.source]
            connection = synapses(p, source, net.populations[p.target], h, copies)
            begin = f"{p.source} sent" if cyclic and p.source in names else p.source
            part.connect(begin, p.target, connection, port=p.port, name=p.name)
        return _Part(self._make(part, self.seed, self.options), names, sources, cyclic)

    def reset(self, inputs=None, trial=0):
        """Back to t = 0 with new inputs; the chip stays. What differs from trial to trial follows from the number `trial`."""
        h = self.hardware
        self.links = Links(h, np.random.default_rng([h.chip_seed, self.seed, 2, trial]))
        self.sent = {name: [] for name in self.net.populations}
        self.time, self.inputs_never, self._inputs = 0.0, 0, dict.fromkeys(self._input_names(), 0)
        for part in self._parts:
            part.simulation.reset()
            part.seen = dict.fromkeys(part.names, 0)
        self.push(inputs or {})

    def _input_names(self):
        return [name for name, p in self.net.populations.items() if isinstance(p, Input)]

    def push(self, inputs):
        """Add input spikes, {population: `Spikes`}, none before the current time, each population in order of time."""
        for name, spikes in inputs.items():
            if name in self._inputs:
                finite = np.isfinite(spikes.times)
                self.inputs_never += int((~finite).sum())
                spikes = Spikes(spikes.times[finite], spikes.neurons[finite])
                self._inputs[name] += spikes.times.size
                self.sent[name].append(spikes)
                copies = self.mapping.replication[name]
                if copies > 1 and self.hardware.bus_period:  # every copy of an input takes its turn; the last one counts
                    lanes = self.mapping.buses[name]
                    for _ in range(copies - 1):
                        self.links.bus(spikes, lanes)
                if name in self.mapping.buses and not self.hardware.clear_links:
                    spikes = self.links.bus(spikes, self.mapping.buses[name])
            targets = [part for part in self._parts if name in part.sources] or self._parts[:1]
            for part in targets:
                part.simulation.push({name: spikes})

    def run(self, until):
        """Everything up to `until` (biological s); returns a `Run` whose `hardware` is a `HardwareReport`."""
        for part in self._parts:
            stop = self.time
            while stop < until:
                stop = min(stop + self.hardware.latency * self.hardware.acceleration, until) if part.cyclic else until
                part.simulation.run(stop)
                self._forward(part)
        self.time = until
        return self.result()

    def _forward(self, part):
        """Send the new spikes of a part on their way."""
        found = part.simulation.result().spikes
        for name in part.names:
            spikes = Spikes(found[name].times[part.seen[name]:], found[name].neurons[part.seen[name]:])
            part.seen[name] = found[name].times.size
            if self.hardware.clear_links:
                self.sent[name].append(spikes)
                continue
            left = self.links.leave(spikes, self.mapping.outputs[name])
            self.sent[name].append(left)
            if name not in self.mapping.buses:
                continue
            arriving = self.links.bus(self.links.travel(left), self.mapping.buses[name])
            for other in self._parts:
                if name in other.sources and other is not part:
                    other.simulation.push({name: arriving})
            if part.cyclic:
                late = np.maximum(arriving.times, part.simulation.time)
                part.simulation.push({f"{name} sent": Spikes(late, arriving.neurons)})

    def result(self):
        """A `Run` of what was observed up to the current time: spikes as the neuron outputs sent them."""
        spikes, emitted, arrived, updates, diagnostics = {}, {}, {}, {}, {}
        for name, parts in self.sent.items():
            times = np.concatenate([np.zeros(0), *(p.times for p in parts)])
            ids = np.concatenate([np.zeros(0, np.int64), *(p.neurons for p in parts)])
            kept = times <= self.time
            spikes[name] = Spikes(times[kept], ids[kept])
            emitted[name] = int(kept.sum())
        for part in self._parts:
            run = part.simulation.result()
            arrived |= {p: run.counts.synaptic_events[p] for p in run.counts.synaptic_events if p in self.net.projections}
            updates |= {name: run.counts.neuron_updates[name] for name in part.names}
            diagnostics |= run.diagnostics
        counts = Counts(Tally("population", emitted), Tally("projection", arrived), Tally("population", updates))
        report = HardwareReport(self.hardware, self.time / self.hardware.acceleration, self.links.buses, self.links.outputs,
                                self.mapping)
        return Run(spikes=spikes, v={}, counts=counts, duration=self.time,
                   populations={name: p.n for name, p in self.net.populations.items()}, diagnostics=diagnostics,
                   seed=self.seed, scheduler=self._parts[0].simulation.scheduler.name, inputs_never=self.inputs_never,
                   hardware=report)

    def __getattr__(self, name):
        if name in ("step", "peek", "state", "set", "checkpoint"):
            raise NotAvailableError(f"{name} is not available in simulations with hardware")
        raise AttributeError(name)


def _kick(part, name, hardware):
    """Membrane noise of population `name`: balanced Poisson kicks of V, whose sum tends to an Ornstein-Uhlenbeck process.

    With kicks +-q at rate r per neuron, the stationary variance of V is q^2 r tau_mem / 2.
    """
    from dataclasses import replace

    population = part.populations[name]
    tau = np.broadcast_to(population.tau[0], population.n)
    way = np.where(np.isinf(population.v_threshold), 1.0, population.v_threshold - population.v_inf)
    size = hardware.membrane_noise * np.broadcast_to(way, population.n) * math.sqrt(2.0 / NOISE_PER_TAU)
    jump = np.vstack([population.jump, np.eye(len(population.tau))[:1]])
    part.populations[name] = replace(population, jump=jump, port_mode=(*population.port_mode, 0))
    from ..model.connections import OneToOne

    for sign in (1, -1):
        kicks = f"{name} kicks {sign:+d}"
        part.add(kicks, Poisson(population.n, rate=NOISE_PER_TAU / (2.0 * tau)))
        part.connect(kicks, name, OneToOne(sign * size), port=population.n_ports)
