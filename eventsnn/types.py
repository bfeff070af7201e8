"""Plain data that every layer shares: spike lists, traces, counters."""

from dataclasses import dataclass

import numpy as np

from .errors import InputError, unknown_name


def _integral(values, what):
    values = np.asarray(values)
    if values.size == 0:
        return np.zeros(0, np.int64)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f" and np.all(np.isfinite(values)) and np.all(values == np.floor(values)):
        return values.astype(np.int64)
    whole = np.isfinite(values) & (values == np.floor(values)) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    bad = values[~whole].ravel()[0]
    raise InputError(f"{what} must be whole numbers, got {bad!r} (dtype {values.dtype})")


@dataclass(frozen=True)
class Spikes:
    """A list of spikes: `times` [n] in seconds (float64) and `neurons` [n] (int64).

    Input may be given in any order; it is sorted by time, ties keep the order given. Duplicates both count. A time of
    `inf` means never (dropped and counted as ``inputs_never`` by the simulation).

    Raises `InputError` for NaN or negative times, ids that are negative or not whole, and unequal lengths.

    >>> import eventsnn as es
    >>> es.Spikes([0.002, 0.001], [1, 0]).neurons
    array([0, 1])
    """

    times: np.ndarray
    neurons: np.ndarray

    def __post_init__(self):
        times = np.atleast_1d(np.asarray(self.times, dtype=np.float64)).ravel()
        neurons = np.atleast_1d(_integral(self.neurons, "neurons of Spikes")).ravel()
        if times.shape != neurons.shape:
            raise InputError(f"times and neurons of Spikes differ in length: {times.size} and {neurons.size}")
        if np.isnan(times).any():
            raise InputError(f"times of Spikes must not be NaN (entry {int(np.flatnonzero(np.isnan(times))[0])})")
        if times.size and times.min() < 0.0:
            raise InputError(f"times of Spikes must be >= 0 s, got {times.min()!r}")
        if neurons.size and neurons.min() < 0:
            raise InputError(f"neurons of Spikes must be >= 0, got {int(neurons.min())}")
        if times.size > 1 and np.any(times[1:] < times[:-1]):
            order = np.argsort(times, kind="stable")
            times, neurons = times[order], neurons[order]
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "neurons", neurons)

    @classmethod
    def in_order(cls, times, neurons):
        """Without checks: `times` (float64) in order, `neurons` (int64)."""
        self = object.__new__(cls)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "neurons", neurons)
        return self

    def __len__(self):
        return self.times.size

    def between(self, start, stop):
        """The spikes with start < time <= stop, as a new `Spikes`."""
        first, end = np.searchsorted(self.times, (start, stop), side="right")
        return Spikes.in_order(self.times[first:end], self.neurons[first:end])


@dataclass(frozen=True)
class Trace:
    """Sampled membrane voltage: `times` [T] s, `neurons` [k], `values` [T, k] in the user's unit."""

    times: np.ndarray
    neurons: np.ndarray
    values: np.ndarray


class NamedResults(dict):
    """A dict whose missing keys raise `UnknownNameError` with a suggestion."""

    def __init__(self, kind, items=()):
        super().__init__(items)
        self.kind = kind

    def __missing__(self, key):
        raise unknown_name(self.kind, key, self)


class Tally(NamedResults):
    """Exact counts by name; `total` is their sum."""

    @property
    def total(self):
        return int(sum(self.values()))


@dataclass(frozen=True)
class Counts:
    """What a run did: `spikes` and `neuron_updates` by population, `synaptic_events` by projection.

    `spikes` counts every population, inputs included. `synaptic_events` are arrivals with time <= until, also those at
    refractory neurons. `neuron_updates` = arrivals + own spikes.
    """

    spikes: Tally
    synaptic_events: Tally
    neuron_updates: Tally
