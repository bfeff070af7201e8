"""What to record: spikes of which populations, membrane voltages of which neurons at which times."""

from dataclasses import dataclass, field

import numpy as np

from .errors import InputError, ParameterError, unknown_name
from .model.grid_neurons import GridNeuron
from .model.neurons import LinearNeuron


@dataclass(frozen=True)
class Record:
    """What a run keeps.

    spikes : "all", None, or a list of population names (counts stay exact for all of them)
    v : {population: neuron ids}, or {population: "all"}
    v_interval : s, samples at 0, v_interval, 2 v_interval, ...; or v_times : increasing times in s. Samples show V after all
        events of their instant, from the closed form.

    Raises `ParameterError` for intervals <= 0 and times that are not increasing, or v without times.

    >>> import eventsnn as es
    >>> record = es.Record(spikes=["exc"], v={"exc": [0, 1]}, v_interval=1e-3)
    """

    spikes: object = "all"
    v: dict = field(default_factory=dict)
    v_interval: float | None = None
    v_times: object = None

    def __post_init__(self):
        if isinstance(self.spikes, str) and self.spikes != "all":
            object.__setattr__(self, "spikes", [self.spikes])
        if self.v and (self.v_interval is None) == (self.v_times is None):
            raise ParameterError("Record with v needs exactly one of v_interval and v_times")
        if self.v_interval is not None and not (np.isfinite(self.v_interval) and self.v_interval > 0.0):
            raise ParameterError(f"v_interval of Record is {self.v_interval!r}; it must be > 0 s and finite")
        if self.v_times is not None:
            times = np.atleast_1d(np.asarray(self.v_times, dtype=np.float64))
            if not np.isfinite(times).all() or times.min(initial=0.0) < 0.0 or np.any(np.diff(times) <= 0.0):
                raise ParameterError("v_times of Record must be finite, >= 0 and increasing")
            object.__setattr__(self, "v_times", times)

    def wants(self, lowered):
        """Names of the populations whose spikes are kept."""
        if self.spikes is None:
            return ()
        if isinstance(self.spikes, str):
            return lowered.names
        for name in self.spikes:
            if name not in lowered.names:
                raise unknown_name("population", name, lowered.names)
        return tuple(self.spikes)

    def probes(self, lowered):
        """{population: (local ids)} of the recorded voltages, checked."""
        found = {}
        for name, ids in self.v.items():
            if name not in lowered.names:
                raise unknown_name("population", name, lowered.names)
            population = lowered.populations[lowered.pop(name)]
            if not isinstance(population, LinearNeuron | GridNeuron):
                raise InputError(f"v of Record names {name!r}, which is {population.kind} and has no membrane voltage")
            ids = np.arange(population.n) if isinstance(ids, str) and ids == "all" else np.atleast_1d(np.asarray(ids))
            ids = ids.astype(np.int64) if ids.size == 0 else ids
            if ids.dtype.kind not in "iu" or ids.size and (ids.min() < 0 or ids.max() >= population.n):
                raise InputError(f"v of Record for {name!r} must be neuron ids from 0 to {population.n - 1}, got {ids!r}")
            found[name] = ids.astype(np.int64)
        return found

    def times(self, after, until, first):
        """Sample times in (after, until], and at 0 if `first`."""
        if not self.v:
            return np.zeros(0)
        if self.v_times is not None:
            times = self.v_times
        else:
            k = np.arange(np.floor(after / self.v_interval) - 1, np.floor(until / self.v_interval) + 2)
            times = k[k >= 0] * self.v_interval
        return times[(times > after) & (times <= until)] if not first else times[times <= until]
