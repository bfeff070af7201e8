"""The way of a spike across the chip: jitter, neuron output, time stamp, latency, event bus."""

from dataclasses import dataclass

import numpy as np

from ..types import Spikes


@dataclass
class Traffic:
    """Events `offered` to a kind of link, `dropped` there, and how long the others waited in all, `delay` (hardware s)."""

    offered: int = 0
    dropped: int = 0
    delay: float = 0.0


def _stamp(times, step):
    """The next multiple of `step` for every time; the times themselves without a grid."""
    return np.ceil(times / step * (1.0 - 1e-12)) * step if step else times


class Links:
    """The links of one chip during one run, in biological time; queues go on from call to call.

    >>> import eventsnn as es
    >>> from eventsnn.hardware.links import Links
    >>> links = Links(es.BrainScaleS2("default", jitter=0.0, latency=0.0), np.random.default_rng(0))
    >>> links.bus(es.Spikes([0.0, 0.0], [0, 1]), np.array([3, 3])).times * 1e6
    array([0., 8.])
    """

    def __init__(self, hardware, draw):
        h = self.hardware = hardware
        self.draw, self.scale = draw, h.acceleration
        self.bus_free = np.full(h.buses, -np.inf)
        self.output_free = np.full(max(1, -(-h.neuron_circuits // h.circuits_per_output)), -np.inf)
        self.buses, self.outputs = Traffic(), Traffic()

    def _serialise(self, spikes, lane, period, depth, free, traffic):
        if not period or not spikes.times.size:
            traffic.offered += spikes.times.size
            return spikes
        from ..kernels.links import serialise

        out = np.empty(spikes.times.size)
        lost = serialise(spikes.times, lane[spikes.neurons], period * self.scale, depth, free, out)
        traffic.offered += out.size
        traffic.dropped += lost
        kept = ~np.isnan(out)
        traffic.delay += float((out[kept] - spikes.times[kept]).sum()) / self.scale
        return Spikes(out[kept], spikes.neurons[kept])

    def leave(self, spikes, outputs):
        """Spikes of neurons as their outputs send them: with jitter, in turn, on the grid of time stamps; some are dropped."""
        h = self.hardware
        times = spikes.times
        if h.jitter and times.size:
            times = np.maximum(times + self.draw.normal(0.0, h.jitter * self.scale, times.size), 0.0)
        sent = self._serialise(Spikes(times, spikes.neurons), outputs, h.output_period, h.output_depth, self.output_free,
                               self.outputs)
        return Spikes(_stamp(sent.times, h.time_step * self.scale), sent.neurons)

    def bus(self, spikes, lanes):
        """Events as they arrive at the synapses, after the queue of their bus."""
        h = self.hardware
        stamped = Spikes(_stamp(spikes.times, h.time_step * self.scale), spikes.neurons)
        return self._serialise(stamped, lanes, h.bus_period, h.bus_depth, self.bus_free, self.buses)

    def travel(self, spikes):
        """Events after the way from output to bus."""
        return Spikes(spikes.times + self.hardware.latency * self.scale, spikes.neurons)
