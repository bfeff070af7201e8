"""The way of a spike across the chip: jitter, neuron output, time stamp, latency, event bus."""

import copy
from dataclasses import dataclass

import numpy as np

from ..types import Spikes

EXCHANGES = 16  # per spike, before a sort is quicker


@dataclass
class Traffic:
    """Events `offered` to a kind of link, `dropped` there, and how long the others waited in all, `delay` (hardware s)."""

    offered: int = 0
    dropped: int = 0
    delay: float = 0.0

    def __add__(self, other):
        return Traffic(self.offered + other.offered, self.dropped + other.dropped, self.delay + other.delay)


def _stamp(times, step):
    """The next multiple of `step` for every time; the times themselves without a grid."""
    return np.ceil(times / step * (1.0 - 1e-12)) * step if step else times


def in_order(*parts):
    """All spikes of `parts` by time, then neuron."""
    parts = [part for part in parts if part.times.size]
    if not parts:
        return NOTHING
    from ..kernels.links import put_in_order

    times, neurons = np.concatenate([part.times for part in parts]), np.concatenate([part.neurons for part in parts])
    if not put_in_order(times, neurons, EXCHANGES * times.size):
        order = np.lexsort((neurons, times))
        times, neurons = times[order], neurons[order]
    return Spikes.in_order(times, neurons)


NOTHING = Spikes([], [])


class Links:
    """The links of one source population during one run, in biological time; queues go on from call to call.

    What lies after `until` waits for a later call, so that calls in parts equal one call for everything.

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
        self._ready = self._coming = NOTHING

    def _serialise(self, spikes, lane, period, depth, free, traffic, copies=1):
        times, lane = np.repeat(spikes.times, copies), np.repeat(lane[spikes.neurons], copies)
        traffic.offered += times.size
        if not period or not times.size:
            return spikes
        from ..kernels.links import serialise

        out = np.empty(times.size)
        dropped, waited = serialise(times, lane, period * self.scale, depth, free, out)
        traffic.dropped += dropped
        traffic.delay += waited / self.scale
        out = out[copies - 1::copies]
        kept = ~np.isnan(out)
        return in_order(Spikes.in_order(out[kept], spikes.neurons[kept]))

    def leave(self, spikes, outputs, until=np.inf, step=0.0):
        """Spikes of neurons as their outputs send them: with jitter, in turn, on the grid of time stamps; some are dropped.

        No spike leaves so early that it would reach the bus before it happened, or, with `step`, before the end of the step
        in which it happened.
        """
        h = self.hardware
        times = spikes.times
        if h.jitter and times.size:
            first = (np.ceil(times / step) * step if step else times) - h.latency * self.scale
            jitter = self.draw.normal(0.0, h.jitter * self.scale, times.size)
            times = np.maximum(np.maximum(times + jitter, first), 0.0)
        ready = in_order(self._ready, Spikes.in_order(times, spikes.neurons))
        now, self._ready = _split(ready, until)
        sent = self._serialise(now, outputs, h.output_period, h.output_depth, self.output_free, self.outputs)
        return Spikes.in_order(_stamp(sent.times, h.time_step * self.scale), sent.neurons)

    def left_behind(self, outputs):
        """(spikes that still wait for their outputs, as they will leave; the outputs' traffic with them). Changes nothing."""
        traffic = copy.copy(self.outputs)
        sent = self._serialise(self._ready, outputs, self.hardware.output_period, self.hardware.output_depth,
                               self.output_free.copy(), traffic)
        return Spikes.in_order(_stamp(sent.times, self.hardware.time_step * self.scale), sent.neurons), traffic

    def bus(self, spikes, lanes, until=np.inf, copies=1):
        """Events as they arrive at the synapses, after the queue of their bus, which each passes `copies` times."""
        h = self.hardware
        stamped = Spikes.in_order(_stamp(spikes.times, h.time_step * self.scale), spikes.neurons)
        now, self._coming = _split(in_order(self._coming, stamped), until)
        return self._serialise(now, lanes, h.bus_period, h.bus_depth, self.bus_free, self.buses, copies)

    def travel(self, spikes):
        """Events after the way from output to bus."""
        return Spikes.in_order(spikes.times + self.hardware.latency * self.scale, spikes.neurons)


def _split(spikes, until):
    """Spikes up to `until` and those after."""
    n = np.searchsorted(spikes.times, until, side="right")
    return Spikes.in_order(spikes.times[:n], spikes.neurons[:n]), Spikes.in_order(spikes.times[n:], spikes.neurons[n:])
