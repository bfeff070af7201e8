"""Asynchronous adapting networks: every ReLU becomes an adapting neuron, weights unchanged (Zambrano and Bohte 2016)."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .. import ann
from ..engine import Simulation
from ..errors import InputError
from ..model.connections import Dense
from ..model.convolution import Conv2d
from ..model.network import Network
from ..model.neurons import ASNN, LinearNeuron
from ..record import Record
from ..types import Counts, Tally
from .stages import fold

INPUT, TWIN, OUTPUT = "input", "input-", "output"
AT_ONCE, FILTERED = "at once", "filtered"  # how biases of spiking neurons act


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
        self.stages = fold(layers, shape)
        self._networks = {}
        self.network()

    @property
    def names(self):
        """Populations of spiking neurons that stand for ReLUs, in order."""
        return [f"layer{k}" for k in range(1, len(self.stages))]

    def network(self, signed=False):
        """The `es.Network`; `signed`: with a second input population for negative values."""
        if signed not in self._networks:
            self._networks[signed] = self._build(signed)
        return self._networks[signed]

    def _build(self, signed):
        net, n = Network(), int(np.prod(self.shape))
        constants = {"m_f": self.m_f, "theta_0": self.theta_0, "tau_phi": self.tau_phi, "tau_eta": self.tau_eta,
                     "tau_beta": self.tau_beta, "tau_gamma": self.tau_gamma}
        net.add(INPUT, ASNN(n, **constants))
        if signed:
            net.add(TWIN, ASNN(n, **constants))
        source = INPUT
        for name, stage in zip([*self.names, OUTPUT], self.stages):
            size = int(np.prod(stage.out_shape))
            bias = np.repeat(stage.affine.bias, size // stage.affine.bias.size)
            if name == OUTPUT:
                net.add(name, LinearNeuron(size, [self.tau_readout, self.tau_beta], {(0, 1): 1.0 / self.tau_readout},
                                           [[0.0, 1.0]], v_inf=bias, v_threshold=np.inf, v_init=bias, port_mode=(1,)))
            else:
                net.add(name, ASNN(size, **({"bias": bias} if self.bias == AT_ONCE else {"i_offset": bias}), **constants))
            net.connect(source, name, self._connection(stage, 1.0))
            if signed and source == INPUT:
                net.connect(TWIN, name, self._connection(stage, -1.0))
            source = name
        return net

    def _connection(self, stage, sign):
        """Pulses are scaled by tau_eta / tau_beta, so that what arrives has the mean of what the sender decodes."""
        affine, scale = stage.affine, sign * self.tau_eta / self.tau_beta
        if isinstance(affine, ann.Conv2d):
            return Conv2d((scale * affine.weight).astype(self.dtype), stage.in_shape, affine.stride, affine.padding,
                          dilation=affine.dilation, groups=affine.groups)
        return Dense(np.ascontiguousarray((scale * affine.weight.T).astype(self.dtype)))

    def _checked(self, images):
        images = np.asarray(images, np.float64)
        if images.shape[1:] != self.shape:
            raise InputError(f"images must have shape [n, {', '.join(map(str, self.shape))}], got {list(images.shape)}")
        if not np.all(np.isfinite(images)):
            raise InputError(f"images must be finite, got {images[~np.isfinite(images)][0]!r}")
        return images.reshape(len(images), int(np.prod(self.shape)))

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
        net = self.network(bool((flat < 0.0).any()))
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

    def report(self, images, start=0.2, until=0.4, step=1e-3, scheduler="auto"):
        """How well every layer of spiking neurons stands for its ReLUs: a list of `LayerReport`, the input first.

        Decoded is the mean of S_hat, the decay-filtered pulses, over `start` to `until`, read every `step` (s), for each neuron
        and image [n, ...] (a few are enough). Slope is that of the line through 0. Raises as `run`.
        """
        flat = self._checked(images)
        signed = bool((flat < 0.0).any())
        simulation = Simulation(self.network(signed), record=Record(spikes=[]), scheduler=scheduler, progress=False)
        outputs = ann.evaluate(self.layers, np.asarray(images, np.float64), each=True)
        wanted = [flat, *(outputs[stage.layer].reshape(len(flat), -1) for stage in self.stages[:-1])]
        names = [INPUT, *self.names]
        sums, spikes = [np.zeros(activity.shape) for activity in wanted], np.zeros(len(names))
        moments = np.arange(start, until, step)
        for k, row in enumerate(flat):
            simulation.reset()
            self._drive(simulation, row)
            for moment in moments:
                simulation.news(float(moment), whole=True)
                for total, name in zip(sums, names):
                    total[k] += simulation.state(name)["s_hat"]
                if signed:
                    sums[0][k] -= simulation.state(TWIN)["s_hat"]
            counts = simulation.result().counts.spikes
            spikes += [counts[name] for name in names]
        reports = []
        for name, total, activity, n in zip(names, sums, wanted, spikes):
            decoded = total / max(moments.size, 1)
            size = float((activity * activity).sum())
            slope = float((decoded * activity).sum()) / size if size else float("nan")
            rms = float(np.sqrt(((decoded - activity) ** 2).sum() / size)) if size else float("nan")
            rate = n / (activity.size * moments[-1]) if moments.size and activity.size else 0.0
            reports.append(LayerReport(name, activity.shape[1], slope, rms, float(rate)))
        return reports

    def _drive(self, simulation, row):
        simulation.set(INPUT, i_offset=np.maximum(row, 0.0))
        if TWIN in simulation.lowered.names:
            simulation.set(TWIN, i_offset=np.maximum(-row, 0.0))

    def _show(self, simulation, row, until):
        self._drive(simulation, row)
        simulation.news(until, whole=True)
        return simulation.state(OUTPUT)["v"], simulation.result()

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
