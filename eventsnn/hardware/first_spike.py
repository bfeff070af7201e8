"""A first-spike network on a chip, for training with the chip in the loop: the substrate that the event engine would meet.

The same draws as in `substrate` (thresholds, time constants, synapses, weight codes), in the units of first-spike layers. What
the links do to all spikes alike (latency) changes no decision, and time stamps and queues shift a spike by a thousandth of
tau_syn: training leaves them out, simulations with `hardware=` have them.
"""

import math

import numpy as np

from ..errors import NetworkError
from ..learn.first_spike.network import FirstSpikeNetwork, first_to_spike
from .substrate import LEAST, factors, gains

TAU_SYN = 6e-3  # biological s: the operating point of the published networks


class FirstSpikeChip:
    """`network` on the chip `hardware`; takes the place of `learn.distortion.Chip` in training and testing.

    `nominal`: the network with the weights that its codes stand for; `actual`: what runs. `load` follows the network.

    >>> import eventsnn as es
    >>> network = FirstSpikeNetwork([np.full((5, 2), 0.5)], bias_times=(None,))
    >>> chip = FirstSpikeChip(network, es.BrainScaleS2("ideal", weight_levels=63, threshold_codes=30.0))
    >>> float(chip.nominal.flat[0])
    0.5
    """

    def __init__(self, network, hardware, tau_syn=TAU_SYN):
        h = self.hardware = hardware
        self.network, self.tau_syn = network, tau_syn
        if h.membrane_noise or h.leak_spread:
            raise NetworkError("training on a chip with leak_spread or membrane_noise is not available; both must be 0")
        names, sizes = network.layer_names(), network.fan_out.tolist()
        spread = [np.broadcast_to(factors(h, h.threshold_spread, n, name, "threshold"), n) for name, n in zip(names, sizes)]
        self.thresholds = np.concatenate(spread) + h.threshold_shift
        self.gains = [self._gains(k, name) for k, name in enumerate(names)]
        taus = None
        if h.tau_mem_spread or h.tau_syn_spread:
            taus = np.concatenate([np.stack([np.broadcast_to(factors(h, h.tau_mem_spread, n, name, "tau_mem"), n),
                                             np.broadcast_to(factors(h, h.tau_syn_spread, n, name, "tau_syn", 0), n)], axis=1)
                                   for name, n in zip(names, sizes)])
        self.alive = np.ones(sum(sizes), bool)
        self.nominal, self.actual = self._like(None), self._like(taus)
        self.load()

    def _gains(self, layer, name):
        """Gain of every synapse of a layer, as the projections of `to_network` have it."""
        h, (n, m) = self.hardware, self.network.weights[layer].shape
        source = "input" if layer == 0 else self.network.layer_names()[layer - 1]
        bias = layer > 0 and self.network.bias_times[layer] is not None
        own = np.broadcast_to(gains(h, (n - bias) * m, f"{source}->{name}"), (n - bias) * m)
        if bias:
            where = f"{'bias' if layer == 1 else f'bias{layer}'}->{name}"
            own = np.concatenate([own, np.broadcast_to(gains(h, m, where), m)])
        return own.reshape(n, m)

    def _like(self, taus):
        network = self.network
        return FirstSpikeNetwork(network.weights, tau_ratio=network.tau_ratio, bias_times=network.bias_times,
                                 theta=network.theta, delays=network.delays, tau_factors=taus)

    @property
    def weight_max(self):
        """Largest weight of the chip, in the network's units; inf without limit."""
        h = self.hardware
        return h.weight_levels / h.threshold_codes * self.network.theta if h.weight_levels else math.inf

    def load(self, noise=None):
        """Take over weights and delays; `noise` [n_neurons] are factors of this run's thresholds."""
        h, theta = self.hardware, self.network.theta
        nominal = self.nominal.flat
        nominal[:] = self.network.flat
        if h.weight_levels:
            for k, weights in enumerate(self.nominal.weights):
                most = h.weight_levels * (h.input_replication if k == 0 else 1)
                weights[:] = np.clip(np.rint(weights / theta * h.threshold_codes), -most, most) * theta / h.threshold_codes
        scale = self.thresholds if noise is None else self.thresholds * noise
        scale = np.split(scale, np.cumsum(self.network.fan_out)[:-1])
        for there, weights, gain, factor in zip(self.actual.weights, self.nominal.weights, self.gains, scale):
            there[:] = weights * gain / factor
        self.nominal.lags[:] = self.actual.lags[:] = self.network.lags

    def fill(self, record, draw, pool=None, threads=1):
        """Run the chip on a `record`; `draw` is the generator of what differs between runs."""
        h, neurons = self.hardware, int(self.network.fan_out.sum())
        if h.threshold_noise:
            self.load(np.maximum(1.0 + h.threshold_noise * draw.standard_normal(neurons), LEAST))
        noise = None
        if h.jitter:
            noise = draw.normal(0.0, h.jitter * h.acceleration / self.tau_syn, (len(record), neurons))
        return self.actual.fill(record, pool, threads, noise)

    def predict(self, times, seed=0):
        """Class [n] of each sample, or -1, for input `times` [n, n_in] (tau_syn); `seed` is that of the run."""
        record = self.fill(self.actual.record(times), np.random.default_rng([self.hardware.chip_seed, seed, 3]))
        return first_to_spike(self.actual.layers(record)[-1])
