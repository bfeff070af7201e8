"""Calibration: measure the neurons of a virtual chip by experiments on it, and set its analog parameters accordingly.

An uncalibrated neuron j has tau = a_j 512 / code for both time constants (the code sets a conductance) and threshold =
b_j code / 512, with a_j, b_j unknown. Three experiments, run by the event engine, read its membrane with noise: the decay
from a raised potential gives tau_mem, the shape of a single synaptic potential tau_syn, and the least constant drive that
makes it spike the threshold. New codes follow from the measured values, within the resolution of 10-bit parameters.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..engine import simulate
from ..errors import ParameterError
from ..model.connections import Dense
from ..model.network import Network
from ..model.neurons import LIF
from ..model.sources import Input
from ..record import Record
from ..types import Spikes
from .substrate import factors, generator

MIDDLE, CODES = 512, 1023
SAMPLES, LEAST_V = 40, 0.15  # readings per experiment; those of the decay below it are left out
HALVINGS = 9  # of the range of drives, when thresholds are looked for
QUANTITIES = ("tau_mem", "tau_syn", "threshold")


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found: `before`, `after` {quantity: actual / wanted [n]}, and the `codes` {quantity: [n]} it set."""

    before: dict
    after: dict
    codes: dict

    def spreads(self):
        """{quantity: (mean and spread before, mean and spread after)} of actual / wanted."""
        return {name: (*_moments(self.before[name]), *_moments(self.after[name])) for name in QUANTITIES}

    def apply(self, hardware):
        """The chip model with the spreads that remain after calibration."""
        left = {name: self.after[name] for name in QUANTITIES}
        return hardware.but(tau_mem_spread=float(left["tau_mem"].std()), tau_syn_spread=float(left["tau_syn"].std()),
                            threshold_spread=float(left["threshold"].std()),
                            threshold_shift=float(left["threshold"].mean() - 1.0))


def _moments(values):
    return float(values.mean()), float(values.std())


class VirtualChip:
    """`n` neurons with unknown deviations, set by codes 1 to 1023 and read with noise.

    >>> import eventsnn as es
    >>> VirtualChip(es.BrainScaleS2(), 4, 6e-3, 6e-3, 1.0, spread=0.0).actual()["tau_mem"]
    array([0.006, 0.006, 0.006, 0.006])
    """

    def __init__(self, hardware, n, tau_mem, tau_syn, threshold, spread=0.3, read_noise=0.01):
        for name, value in (("spread", spread), ("read_noise", read_noise)):
            if not 0.0 <= value < 1.0:
                raise ParameterError(f"{name} of a virtual chip must lie in [0, 1), got {value!r}")
        self.n, self.wanted, self.read_noise = n, dict(zip(QUANTITIES, (tau_mem, tau_syn, threshold))), read_noise
        spreads = dict(zip(QUANTITIES, (spread, spread, 0.5 * spread)))
        self._at_middle = {name: self.wanted[name] * factors(hardware, spreads[name], n, "virtual", name) * np.ones(n)
                           for name in QUANTITIES}
        self.codes = {name: np.full(n, MIDDLE) for name in QUANTITIES}
        self._draw = generator(hardware, "virtual", "reading")

    def actual(self):
        """The true values with the present codes: what a calibration cannot see."""
        return {name: values * (self.codes[name] / MIDDLE if name == "threshold" else MIDDLE / self.codes[name])
                for name, values in self._at_middle.items()}

    def _run(self, until, inputs=None, weight=None, **changes):
        actual, net = self.actual(), Network()
        options = {"tau_mem": actual["tau_mem"], "tau_syn": actual["tau_syn"], "v_threshold": actual["threshold"],
                   "v_init": 0.0, "v_reset": -self.wanted["threshold"]} | changes
        net.add("input", Input(1))
        net.add("neurons", LIF(self.n, **options))
        if weight is not None:
            net.connect("input", "neurons", Dense(np.full((1, self.n), weight)))
        record = Record(v={"neurons": np.arange(self.n)}, v_interval=until / SAMPLES)
        return simulate(net, {"input": inputs} if inputs is not None else None, until=until, record=record, progress=False)

    def _read(self, run):
        trace = run.v["neurons"]
        noise = self.read_noise * self.wanted["threshold"] * self._draw.standard_normal(trace.values.shape)
        return trace.times, trace.values + noise

    def decay(self):
        """(times, potentials [T, n]) after the membrane was raised to the wanted threshold; the threshold itself is off."""
        return self._read(self._run(3.0 * self.wanted["tau_mem"], v_init=self.wanted["threshold"], v_threshold=math.inf))

    def potential(self):
        """(times, potentials [T, n]) of a synaptic potential of about half the threshold."""
        until = 5.0 * max(self.wanted["tau_mem"], self.wanted["tau_syn"])
        weight = 1.5 * self.wanted["threshold"] * self.wanted["tau_mem"] / self.wanted["tau_syn"]
        return self._read(self._run(until, Spikes([0.0], [0]), weight, v_threshold=math.inf))

    def fires(self, drive):
        """Whether each neuron spikes under the constant drives [n], in 12 of the wanted tau_mem."""
        run = self._run(12.0 * self.wanted["tau_mem"], i_offset=drive, t_ref=math.inf)
        return np.isin(np.arange(self.n), run.spikes["neurons"].neurons)


def measure(chip):
    """Estimates of tau_mem, tau_syn and threshold of every neuron of a `VirtualChip`, {quantity: [n]}."""
    times, v = chip.decay()
    use = v > LEAST_V * chip.wanted["threshold"]
    weight = np.where(use, v**2, 0.0)  # the noise of log V is that of V over V
    log_v = np.log(np.where(use, v, 1.0))
    t = np.broadcast_to(times[:, None], v.shape)
    mean_t, mean_l = ((weight * x).sum(axis=0) / weight.sum(axis=0) for x in (t, log_v))
    slope = (weight * (t - mean_t) * (log_v - mean_l)).sum(axis=0) / (weight * (t - mean_t) ** 2).sum(axis=0)
    tau_mem = -1.0 / slope
    times, v = chip.potential()
    candidates = chip.wanted["tau_syn"] * np.geomspace(0.2, 5.0, 401)
    tau_syn, best = np.empty(chip.n), np.full(chip.n, math.inf)
    for candidate in candidates:
        other = np.where(np.abs(tau_mem - candidate) < 1e-6 * candidate, candidate * (1.0 + 1e-6), tau_mem)
        shape = np.exp(-times[:, None] / other) - np.exp(-times[:, None] / candidate)
        size = (shape * v).sum(axis=0) / (shape**2).sum(axis=0)
        miss = ((v - size * shape) ** 2).sum(axis=0)
        tau_syn = np.where(miss < best, candidate, tau_syn)
        best = np.minimum(best, miss)
    low, high = np.zeros(chip.n), np.full(chip.n, 4.0 * chip.wanted["threshold"])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        fired = chip.fires(middle)
        low, high = np.where(fired, low, middle), np.where(fired, middle, high)
    return dict(zip(QUANTITIES, (tau_mem, tau_syn, 0.5 * (low + high))))


def calibrate(hardware, n=256, *, tau_mem=6e-3, tau_syn=6e-3, threshold=1.0, spread=0.3, read_noise=0.01, rounds=2):
    """Calibrate a virtual chip of `n` neurons towards the wanted values (biological s; any unit of potential).

    spread : relative spread of time constants before, twice that of thresholds; read_noise : of one reading, in thresholds
    rounds : how often to measure and correct

    Returns a `Calibration`. Raises `ParameterError` for values out of range.
    Source of the procedure: what calix does on the chip; the fit of tau_mem and tau_syn is ours.

    >>> import eventsnn as es
    >>> found = calibrate(es.BrainScaleS2(), 32).spreads()["threshold"]
    >>> found[1] > 0.1, found[3] < 0.02
    (True, True)
    """
    if rounds < 1 or n < 1:
        raise ParameterError(f"rounds and n of calibrate must be >= 1, got {rounds!r} and {n!r}")
    chip = VirtualChip(hardware, n, tau_mem, tau_syn, threshold, spread, read_noise)
    relative = lambda: {name: values / chip.wanted[name] for name, values in chip.actual().items()}  # noqa: E731
    before = relative()
    for _ in range(rounds):
        found = measure(chip)
        for name in QUANTITIES:
            ratio = found[name] / chip.wanted[name]
            wanted = chip.codes[name] * (1.0 / ratio if name == "threshold" else ratio)
            chip.codes[name] = np.clip(np.rint(wanted), 1, CODES).astype(np.int64)
    return Calibration(before, relative(), chip.codes)
