"""What a network meets on a real substrate: coarse and bounded weights, unequal neurons, jitter, missing neurons.

A `Chip` is one draw of these; networks are tested on it as they are, or trained with it in the loop: forward on the chip,
gradients of the ideal network at the times the chip gave (Goeltz et al. 2021, section on hardware in the loop).
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError
from .first_spike.network import FirstSpikeNetwork, first_to_spike

LEAST_FACTOR = 0.1  # draws below are replaced by it: time constants and thresholds stay positive


@dataclass(frozen=True)
class Distortion:
    """How far a substrate departs from the ideal; every default means: not at all.

    weight_max, weight_step : weights are clipped to +- weight_max, then rounded to multiples of weight_step
    tau_spread, threshold_spread : relative spread (normal) of tau_mem and of tau_syn, of thresholds, fixed per neuron
    missing : probability that a hidden neuron never spikes
    jitter : spread of a normal jitter of every spike of a neuron, in tau_syn, new in every run
    chip : seed of what is fixed; the same number is the same chip

    Raises `ParameterError` for values out of range.

    >>> Distortion(weight_step=1 / 30, weight_max=2.1).chip
    0
    """

    weight_max: float = math.inf
    weight_step: float = 0.0
    tau_spread: float = 0.0
    threshold_spread: float = 0.0
    missing: float = 0.0
    jitter: float = 0.0
    chip: int = 0

    def __post_init__(self):
        if not self.weight_max > 0.0:
            raise ParameterError(f"weight_max must be > 0, got {self.weight_max!r}")
        for name in ("weight_step", "tau_spread", "threshold_spread", "jitter"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ParameterError(f"{name} must be finite and >= 0, got {getattr(self, name)!r}")
        if not 0.0 <= self.missing < 1.0:
            raise ParameterError(f"missing must lie in [0, 1), got {self.missing!r}")
        if self.chip < 0 or int(self.chip) != self.chip:
            raise ParameterError(f"chip must be a whole number >= 0, got {self.chip!r}")


class Chip:
    """One substrate with a `FirstSpikeNetwork` on it.

    `nominal` is the network with its weights as they are stored there, `actual` what runs.
    `load` copies the weights again after the network has changed.

    >>> network = FirstSpikeNetwork([np.full((2, 1), 2.34)], bias_times=(None,))
    >>> Chip(network, Distortion(weight_max=2.0, weight_step=0.3)).nominal.flat.round(6)
    array([1.8, 1.8])
    """

    def __init__(self, network, distortion):
        self.network, self.distortion = network, distortion
        neurons = int(network.fan_out.sum())
        draws = [np.random.default_rng([distortion.chip, 0x0D15, k]) for k in range(3)]
        self.thresholds = self._factors(draws[0], distortion.threshold_spread, neurons)
        self.alive = draws[2].random(neurons) >= distortion.missing
        self.alive[neurons - network.fan_out[-1]:] = True
        factors = None
        if distortion.tau_spread:
            factors = self._factors(draws[1], distortion.tau_spread, (neurons, 2))
        self.nominal, self.actual = self._like(None), self._like(factors)
        self.load()

    @property
    def weight_max(self):
        """Largest weight that the substrate can hold."""
        return self.distortion.weight_max

    @staticmethod
    def _factors(draw, spread, shape):
        return np.maximum(1.0 + spread * draw.standard_normal(shape), LEAST_FACTOR)

    def _like(self, factors):
        network = self.network
        return FirstSpikeNetwork(network.weights, tau_ratio=network.tau_ratio, bias_times=network.bias_times,
                                 theta=network.theta, delays=network.delays, tau_factors=factors)

    def load(self):
        """Take over weights and delays of the network. A threshold k times higher is the same as weights k times lower."""
        step = self.distortion.weight_step
        flat = self.nominal.flat
        np.clip(self.network.flat, -self.distortion.weight_max, self.distortion.weight_max, out=flat)
        if step:
            top = self.distortion.weight_max / step
            top = math.floor(top * (1.0 + 1e-12)) if top < math.inf else top
            flat[:] = np.clip(np.rint(flat / step), -top, top) * step
        scale = np.split(self.alive / self.thresholds, np.cumsum(self.network.fan_out)[:-1])
        for there, weights, factor in zip(self.actual.weights, self.nominal.weights, scale):
            there[:] = weights * factor
        self.nominal.lags[:] = self.actual.lags[:] = self.network.lags

    def fill(self, record, draw, pool=None, threads=1):
        """Run the chip on a `record`; `draw` is the generator of the jitter."""
        noise = None
        if self.distortion.jitter:
            noise = draw.normal(0.0, self.distortion.jitter, (len(record), int(self.network.fan_out.sum())))
        return self.actual.fill(record, pool, threads, noise)

    def predict(self, times, seed=0):
        """Class [n] of each sample, or -1, for input `times` [n, n_in]; `seed` is that of the jitter."""
        record = self.fill(self.actual.record(times), np.random.default_rng([self.distortion.chip, seed, 0x71773]))
        return first_to_spike(self.actual.layers(record)[-1])
