"""Asynchronous adapting networks: every ReLU becomes an adapting neuron, weights unchanged (Zambrano and Bohte 2016)."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .. import ann
from ..engine import Simulation
from ..errors import InputError
from ..model.network import Network
from ..model.neurons import ASNN, LinearNeuron
from ..model.sources import Input
from ..record import Record
from ..types import Counts, Tally
from .decode import heights, mean_decoded
from .stages import fold
from .wiring import connection

INPUT, TWIN, OUTPUT = "input", "input-", "output"
AT_ONCE, IN_TURN = "at once", "in turn"  # how biases of spiking neurons act


@dataclass(frozen=True)
class AsnnRun:
    """What `run` of a converted network found for `n` images.

    logits [n, classes] at the end; predictions [n], the largest; spikes_per_image, synaptic_events_per_image [n]; counts, those
    of all images together; times [T] s, those asked for, curve [n, T, classes], the logits then, and spikes_curve [n, T], the
    spikes up to then.
    """

    logits: np.ndarray
    predictions: np.ndarray
    spikes_per_image: np.ndarray
    synaptic_events_per_image: np.ndarray
    counts: Counts
    times: np.ndarray
    curve: np.ndarray
    spikes_curve: np.ndarray


def spikes_until(runs, times):
    """[len(runs), T]: recorded spikes of every `Run` up to each of `times` [T] (s)."""
    found = np.zeros((len(runs), times.size), np.int64)
    for k, run in enumerate(runs if times.size else ()):
        for spikes in run.spikes.values():
            found[k] += np.searchsorted(spikes.times, times, side="right")
    return found


@dataclass(frozen=True)
class LayerReport:
    """How a layer of spiking neurons decodes: `slope` of decoded against ANN activations, and `rms` of the difference relative
    to the rms of the activations; `rate`, mean spikes per neuron and second.
    """

    layer: str
    neurons: int
    slope: float
    rms: float
    rate: float


class AsnnModel:
    """An ANN as a network of adapting spiking neurons; made by `es.convert`.

    >>> import eventsnn as es
    >>> model = es.convert([es.ann.Linear([[1.0, 0.5]]), es.ann.ReLU(), es.ann.Linear([[1.0], [-1.0]])], to="asnn")
    >>> model.run([[0.5, 1.0]], until=0.1).predictions
    array([0])
    """

    def __init__(self, layers, shape, *, m_f, theta_0, tau_phi, tau_eta, tau_beta, tau_gamma, tau_readout,
                 bias, dtype):
        self.layers, self.shape, self.dtype = layers, tuple(shape), dtype
        self.m_f, self.theta_0 = m_f, theta_0
        self.tau_phi, self.tau_eta, self.tau_beta, self.tau_gamma = tau_phi, tau_eta, tau_beta, tau_gamma
        self.tau_readout, self.bias = tau_readout, bias
        self.front, self.stages = fold(layers, shape)
        self.height = None  # of all pulses, where the network was trained with the saturating function
        if isinstance(self.stages[0].activation, ann.Saturation):
            self.height = ann.Saturation(m_f, tau_eta, tau_gamma, theta_0).height
        self._networks = {}
        self.network()

    @property
    def names(self):
        """Populations of spiking neurons that stand for ReLUs, in order."""
        return [f"layer{k}" for k in range(1, len(self.stages) - 1)]

    def network(self, signed=False, events=None):
        """The `es.Network`; `signed`: with a second input population for negative values.

        events : height of the pulse of one input spike: an `es.Input` in place of the neurons that encode inputs
        """
        return self._made(signed, events, True)

    def _made(self, *kind):
        if kind not in self._networks:
            self._networks[kind] = self._build(*kind)
        return self._networks[kind]

    def _build(self, signed, events, biased):
        """`biased`: with biases from the beginning."""
        net, names = Network(), [INPUT, *self.names, OUTPUT]
        constants = {"m_f": self.m_f, "theta_0": self.theta_0, "tau_phi": self.tau_phi, "tau_eta": self.tau_eta,
                     "tau_beta": self.tau_beta, "tau_gamma": self.tau_gamma, "height": self.height}
        for name, stage in zip(names, self.stages):
            bias = stage.bias
            if name == OUTPUT:
                net.add(name, LinearNeuron(stage.n, [self.tau_readout, self.tau_beta], {(0, 1): 1.0 / self.tau_readout},
                                           [[0.0, 1.0]], v_inf=bias, v_threshold=np.inf, v_init=bias, port_mode=(1,)))
            else:
                given = {"bias": bias} if self.bias == AT_ONCE else {"i_offset": bias} if biased else {}
                spiking = events is None or name != INPUT
                net.add(name, ASNN(stage.n, group=stage.tiled, **given, **constants) if spiking else Input(stage.n))
            if name == INPUT and signed:
                net.add(TWIN, ASNN(stage.n, **constants))
            for branch in stage.branches:
                from_input = branch.source == 0
                scale = self.tau_eta / self.tau_beta if events is None or not from_input else events
                for source, sign in ((names[branch.source], 1.0), *([(TWIN, -1.0)] if signed and from_input else [])):
                    net.connect(source, name, connection(branch, self.stages[branch.source], stage, sign * scale, self.dtype))
        return net

    def _signed(self, flat):
        return self.height is None and bool((flat < 0.0).any())

    def _checked(self, images):
        """The inputs [n, neurons] for `images`, after the layers that come before all maps."""
        images = np.asarray(images, np.float64)
        if images.shape[1:] != self.shape:
            raise InputError(f"images must have shape [n, {', '.join(map(str, self.shape))}], got {list(images.shape)}")
        if not np.all(np.isfinite(images)):
            raise InputError(f"images must be finite, got {images[~np.isfinite(images)][0]!r}")
        return ann.evaluate(self.front, images).reshape(len(images), self.stages[0].n)

    def run(self, images, until=0.05, *, times=None, jobs=0, scheduler="auto", progress=False):
        """Show every image [n, ...], in the ANN's own range, for `until` s to a network at rest; returns an `AsnnRun`.

        times : s, when to read the logits on the way; logits are bias + sum of weight x postsynaptic response at `until`
        jobs : threads, 0: all cores; the result does not depend on it

        Raises `InputError` for images of another shape or not finite, and as `Simulation.run` does.
        """
        flat = self._checked(images)
        times = np.array([], np.float64) if times is None else np.atleast_1d(np.asarray(times, np.float64))
        if times.size and not (np.all(np.diff(times) > 0.0) and times[0] >= 0.0 and times[-1] <= until):
            raise InputError(f"times must increase from 0 to until = {until!r}, got {times!r}")
        jobs = min(jobs or os.cpu_count() or 1, max(len(flat), 1))
        net = self._made(self._signed(flat), None, self.bias == AT_ONCE)
        record = Record(v={OUTPUT: "all"}, v_times=times) if times.size else Record(spikes=[])

        def work(first):
            simulation, found = Simulation(net, record=record, scheduler=scheduler, progress=False), []
            for row in flat[first::jobs]:
                simulation.reset()
                found.append(self._show(simulation, row, until))
            return found

        if jobs == 1:
            parts = [work(0)]
        else:
            with ThreadPoolExecutor(jobs) as pool:
                parts = list(pool.map(work, range(jobs)))
        found = [parts[k % jobs][k // jobs] for k in range(len(flat))]
        return self._collected(found, times)

    def report(self, images, start=0.2, until=0.4, scheduler="auto"):
        """How well every layer of spiking neurons stands for its ReLUs: a list of `LayerReport`, the input first.

        Decoded is the mean over `start` to `until` (s) of the pulses of a neuron, each decaying with tau_eta, with heights
        found from its spike times alone; for each neuron and image [n, ...] (a few are enough). Slope is that of the line
        through 0. Raises as `run`, and `InputError` unless 0 <= start < until.
        """
        if not 0.0 <= start < until < np.inf:
            raise InputError(f"start and until of report must be finite with 0 <= start < until, got {start!r}, {until!r}")
        flat = self._checked(images)
        names, signed, first = [INPUT, *self.names], self._signed(flat), self.stages[0]
        record = Record(spikes=[*names, *([TWIN] if signed else [])])
        simulation = Simulation(self.network(signed), record=record, scheduler=scheduler, progress=False)
        outputs = [flat.reshape(-1, *first.shape) if first.activation is None else first.activation(flat)]
        for stage in self.stages[1:-1]:
            outputs.append(stage(outputs))
        wanted = [output.reshape(len(flat), -1) for output in outputs]
        decoded, spikes = [np.zeros(activity.shape) for activity in wanted], np.zeros(len(names))
        for k, row in enumerate(flat):
            simulation.reset()
            self._drive(simulation, row)
            run = simulation.run(until)
            for at, (name, stage) in enumerate(zip(names, self.stages)):
                decoded[at][k] = self._decoded(run.spikes[name], stage, start, until)
                spikes[at] += run.counts.spikes[name]
            if signed:
                decoded[0][k] -= self._decoded(run.spikes[TWIN], first, start, until)
        reports = []
        for name, found, activity, stage, n in zip(names, decoded, wanted, self.stages, spikes):
            size = float((activity * activity).sum())
            slope = float((found * activity).sum()) / size if size else float("nan")
            rms = float(np.sqrt(((found - activity) ** 2).sum() / size)) if size else float("nan")
            rate = n / (stage.n * len(flat) * until) if len(flat) else 0.0
            reports.append(LayerReport(name, stage.n, slope, rms, float(rate)))
        return reports

    def _decoded(self, spikes, stage, start, until):
        neurons = spikes.neurons // stage.tiled
        height = self.height * np.ones(len(neurons)) if self.height is not None else heights(
            spikes.times, neurons, m_f=self.m_f, theta_0=self.theta_0, tau_gamma=self.tau_gamma)
        return mean_decoded(spikes.times, neurons, height, stage.n // stage.tiled, start, until, self.tau_eta)

    def _drive(self, simulation, row):
        simulation.set(INPUT, i_offset=np.maximum(row, 0.0))
        if TWIN in simulation.lowered.names:
            simulation.set(TWIN, i_offset=np.maximum(-row, 0.0))

    def _show(self, simulation, row, until):
        self._drive(simulation, row)
        if self.bias == IN_TURN:
            hidden = list(zip(self.names, self.stages[1:]))
            for depth in sorted({stage.depth for _, stage in hidden}):
                if depth * self.tau_phi < until:
                    simulation.news(depth * self.tau_phi, whole=True)
                    for name, stage in hidden:
                        if stage.depth == depth:
                            simulation.set(name, i_offset=stage.bias)
        simulation.news(until, whole=True)
        return simulation.voltage(OUTPUT), simulation.result()

    def _collected(self, found, times):
        logits = np.array([v for v, _ in found]).reshape(len(found), int(np.prod(self.stages[-1].out_shape)))
        counts = [run.counts for _, run in found]
        add = lambda kind, field: Tally(kind, {key: sum(getattr(c, field)[key] for c in counts)  # noqa: E731
                                               for key in (getattr(counts[0], field) if counts else ())})
        total = Counts(add("population", "spikes"), add("projection", "synaptic_events"), add("population", "neuron_updates"))
        curve = np.zeros((len(found), times.size, logits.shape[1]))
        for k, (_, run) in enumerate(found if times.size else ()):
            curve[k] = run.v[OUTPUT].values
        return AsnnRun(logits, logits.argmax(axis=1), np.array([c.spikes.total for c in counts]),
                       np.array([c.synaptic_events.total for c in counts]), total, times, curve,
                       spikes_until([run for _, run in found], times))
