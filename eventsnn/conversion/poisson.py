"""Rate-coded networks: inputs become Poisson trains, ReLUs integrate-and-fire neurons (Diehl 2015, Rueckauer 2017)."""

import numpy as np

from .. import ann
from ..engine import simulate_batch
from ..errors import InputError, NotAvailableError, ParameterError
from ..model.connections import Dense
from ..model.network import Network
from ..model.neurons import LinearNeuron
from ..model.sources import Input
from ..record import Record
from ..types import Counts, Spikes, Tally
from .asnn import INPUT, OUTPUT, AsnnRun, spikes_until
from .stages import fold
from .wiring import connection

CLOCK = "bias"  # the source of bias pulses, whose spikes are not counted
SUBTRACTION, ZERO = "subtraction", "zero"  # resets
PULSES, CURRENT = "pulses", "current"  # how biases act


def poisson_spikes(values, rate, until, seed):
    """`Spikes` of independent Poisson processes of `rate` x `values` [n] Hz, up to `until` (s).

    seed : list of whole numbers. The trains to a later `until` begin with those to an earlier one, and another `rate` only
    stretches time. They are drawn as one process of the summed rate, whose spikes fall on neurons in proportion to theirs.

    >>> round(len(poisson_spikes([0.0, 0.5], 1000.0, 20.0, [0])) / 1e4, 2)
    1.01
    """
    summed = np.cumsum(values)
    mean = float(rate * summed[-1] * until)  # number of spikes expected
    if mean == 0.0:
        return Spikes([], [])
    when, who = (np.random.default_rng([*seed, part]) for part in range(2))
    gaps = np.zeros(0)
    while gaps.sum() <= mean:
        gaps = np.concatenate([gaps, when.standard_exponential(int(mean / 8 + 8 * np.sqrt(mean) + 8))])
    times = np.cumsum(gaps) / (rate * summed[-1])
    times = times[:np.searchsorted(times, until, side="right")]
    neurons = np.searchsorted(summed, who.random(times.size) * summed[-1], side="right")
    return Spikes(times, np.minimum(neurons, np.searchsorted(summed, summed[-1])))


class _Inputs:
    """What `simulate_batch` indexes: the input spikes of image k, made when they are asked for."""

    def __init__(self, model, flat, until, seed, first):
        self.model, self.flat, self.until, self.seed, self.first = model, flat, until, seed, first

    def __len__(self):
        return len(self.flat)

    def __getitem__(self, k):
        rate = self.model.rate
        found = {INPUT: poisson_spikes(self.flat[k], rate, self.until, [self.seed, self.first + k])}
        if CLOCK in self.model.network().populations:
            times = np.arange(1, int(np.floor(self.until * rate)) + 1) / rate
            found[CLOCK] = Spikes(times, np.zeros(times.size, np.int64))
        return found


class PoissonModel:
    """An ANN as a rate-coded network; made by `es.convert(..., to="poisson")`.

    >>> import eventsnn as es
    >>> layers = [es.ann.Linear([[1.0, 0.5]]), es.ann.ReLU(), es.ann.Linear([[1.0], [-1.0]])]
    >>> model = es.convert(layers, to="poisson", calibration=[[0.5, 1.0]])
    >>> model.run([[0.5, 1.0]], until=0.5).predictions
    array([0])
    """

    def __init__(self, layers, shape, *, calibration, rate, percentile, reset, v_init, bias, dtype):
        self.layers, self.shape, self.dtype = layers, tuple(shape), dtype
        self.rate, self.reset, self.v_init, self.bias = rate, reset, v_init, bias
        self.front, self.stages = fold(layers, shape)
        for stage in self.stages:
            if stage.tiled > 1 or isinstance(stage.activation, ann.Saturation):
                kind = "MaxPool2d" if stage.tiled > 1 else "Saturation"
                raise NotAvailableError(f"a layer {kind} cannot be converted to a rate-coded network")
        self.scales = self._scales(calibration, percentile)
        self._network = self._build()

    @property
    def names(self):
        """Populations of spiking neurons that stand for ReLUs, in order."""
        return [f"layer{k}" for k in range(1, len(self.stages) - 1)]

    def network(self):
        """The `es.Network`."""
        return self._network

    def _scales(self, calibration, percentile):
        """Per ReLU layer the activation that its neurons show by firing at `rate`."""
        if calibration is None:
            raise ParameterError("calibration of convert must be images [n, ...] of the kind to be shown, got None")
        outputs, scales = [self._checked(calibration, "calibration").reshape(-1, *self.stages[0].shape)], []
        for stage in self.stages[1:-1]:
            outputs.append(stage(outputs))
            active = outputs[-1][outputs[-1] > 0.0]
            scales.append(float(np.percentile(active, percentile)) if active.size else 1.0)
        return scales

    def _neurons(self, size, bias, fires):
        """Integrators of threshold 1, or, without `fires`, of none; a `bias` [size] that is a current is a constant mode."""
        spiking = {"v_threshold": 1.0, "v_init": self.v_init} if fires else {"v_threshold": np.inf, "v_init": 0.0}
        if fires and self.reset == ZERO:
            spiking["v_reset"] = 0.0
        modes = 2 if self.bias == CURRENT and bias.any() else 1
        if fires and self.reset == SUBTRACTION:
            spiking["spike_offset"] = [-1.0, 0.0][:modes]
        if modes == 2:
            return LinearNeuron(size, [np.inf, np.inf], {(0, 1): 1.0}, [[1.0, 0.0]], v_inf=0.0,
                                state_init={1: bias * self.rate}, **spiking)
        return LinearNeuron(size, [np.inf], {}, [[1.0]], v_inf=0.0, **spiking)

    def _build(self):
        net, names, scales = Network(), [INPUT, *self.names, OUTPUT], [1.0, *self.scales, 1.0]
        net.add(INPUT, Input(self.stages[0].n))
        if self.bias == PULSES and any(stage.bias.any() for stage in self.stages[1:]):
            net.add(CLOCK, Input(1))
        for name, stage, scale in list(zip(names, self.stages, scales))[1:]:
            bias = stage.bias / scale
            net.add(name, self._neurons(stage.n, bias, name != OUTPUT))
            for branch in stage.branches:
                factor, source = scales[branch.source] / scale, self.stages[branch.source]
                net.connect(names[branch.source], name, connection(branch, source, stage, factor, self.dtype))
            if self.bias == PULSES and bias.any():
                net.connect(CLOCK, name, Dense(bias[None].astype(self.dtype)))
        return net

    def _checked(self, images, name="images"):
        images = np.asarray(images, np.float64)
        if images.shape[1:] != self.shape:
            raise InputError(f"{name} must have shape [n, {', '.join(map(str, self.shape))}], got {list(images.shape)}")
        images = ann.evaluate(self.front, images)
        bad = ~(np.isfinite(images) & (images >= 0.0))
        if bad.any():
            raise InputError(f"{name} must be finite and >= 0, since rates are, got {float(images[bad][0])!r}")
        return images.reshape(len(images), self.stages[0].n)

    def run(self, images, until=0.1, *, times=None, jobs=0, seed=0, first=0, scheduler="auto"):
        """Show every image [n, ...], in the ANN's own range, for `until` s to a network at rest; returns an `AsnnRun`.

        times : s, when to read logits and spikes on the way; logits are the readout's V / (rate x time)
        jobs : threads, 0: all cores; the result does not depend on it
        seed, first : of the Poisson trains; image k has those of (seed, first + k), so a set may be shown in parts

        Spikes and synaptic events of bias pulses are not counted. Raises `InputError` for images of another shape, negative
        or not finite, and for times; otherwise as `simulate_batch` does.
        """
        flat = self._checked(images)
        times = np.array([], np.float64) if times is None else np.atleast_1d(np.asarray(times, np.float64))
        if not (isinstance(until, int | float | np.integer | np.floating) and 0.0 < until < np.inf):
            raise InputError(f"until must be a finite number of seconds > 0, got {until!r}")
        if times.size and not (np.all(np.diff(times) > 0.0) and times[0] > 0.0 and times[-1] <= until):
            raise InputError(f"times must increase, above 0 and up to until = {until!r}, got {times!r}")
        moments = times if times.size and times[-1] == until else np.append(times, float(until))
        record = Record(spikes=[INPUT, *self.names] if times.size else [], v={OUTPUT: "all"}, v_times=moments)
        runs = simulate_batch(self.network(), _Inputs(self, flat, float(until), seed, first), until=float(until), jobs=jobs,
                              scheduler=scheduler, record=record)
        curve = np.zeros((len(runs), moments.size, self.stages[-1].n))
        for k, found in enumerate(runs):
            curve[k] = found.v[OUTPUT].values / (self.rate * moments)[:, None]
        counts = [self._counted(found.counts) for found in runs]
        logits = curve[:, -1]
        return AsnnRun(logits, logits.argmax(axis=1), np.array([c.spikes.total for c in counts], np.int64),
                       np.array([c.synaptic_events.total for c in counts], np.int64), _added(counts), times,
                       curve[:, :times.size], spikes_until(runs, times))

    def _counted(self, counts):
        """`counts` without bias pulses."""
        spikes, events, updates = dict(counts.spikes), dict(counts.synaptic_events), dict(counts.neuron_updates)
        if CLOCK in spikes:
            del spikes[CLOCK], updates[CLOCK]
            for projection in self.network().projections.values():
                if projection.source == CLOCK:
                    updates[projection.target] -= events.pop(projection.name)
        return Counts(Tally("population", spikes), Tally("projection", events), Tally("population", updates))


def _added(counts):
    """The sum of several `Counts` of one network."""
    total = {"spikes": "population", "synaptic_events": "projection", "neuron_updates": "population"}
    for field, kind in total.items():
        tallies = [getattr(c, field) for c in counts]
        total[field] = Tally(kind, {key: sum(t[key] for t in tallies) for key in (tallies[0] if tallies else ())})
    return Counts(**total)
