"""The spikes of `Input` and `Poisson` populations, merged and in order, handed out up to a time."""

import numpy as np

from ..kernels.poisson import advance_poisson
from ..model.sources import Poisson


class Sources:
    """Pending source spikes (global ids), sorted by (time, id); Poisson spikes are generated when asked for."""

    def __init__(self, lowered, seed):
        self.seed = seed
        self.times, self.ids = np.zeros(0), np.zeros(0, np.int64)
        self.poisson = []
        for p, population in enumerate(lowered.populations):
            if isinstance(population, Poisson):
                rate = np.broadcast_to(population.rate, population.n).astype(np.float64)
                self.poisson.append((int(lowered.first[p]), p, rate, np.full(population.n, -1.0),
                                     np.zeros(population.n, np.int64)))

    def push(self, times, ids):
        """Add spikes; both [n]."""
        if times.size:
            self.times = np.concatenate([self.times, times])
            self.ids = np.concatenate([self.ids, ids])
            order = np.lexsort((self.ids, self.times))
            self.times, self.ids = self.times[order], self.ids[order]

    def _generate(self, until):
        for first, stream, rate, next_time, count in self.poisson:
            expected = rate.sum() * max(0.0, until - max(0.0, next_time.min()))
            capacity = int(64 + expected + 6.0 * np.sqrt(expected))
            while True:
                times, ids = np.empty(capacity), np.empty(capacity, np.int64)
                saved = next_time.copy(), count.copy()
                n = advance_poisson(next_time, count, rate, self.seed, stream, until, times, ids)
                if n >= 0:
                    break
                next_time[:], count[:] = saved
                capacity *= 2
            self.push(times[:n], ids[:n] + first)

    def take(self, until):
        """Remove and return (times, ids) of all spikes with time <= until."""
        self._generate(until)
        n = int(np.searchsorted(self.times, until, side="right"))
        times, ids = self.times[:n].copy(), self.ids[:n].copy()
        self.times, self.ids = self.times[n:], self.ids[n:]
        return times, ids

    def next_poisson(self):
        """Time of the next Poisson spike that is not generated yet, or inf."""
        self._generate(-np.inf)
        return float(min((next_time.min() for *_, next_time, _ in self.poisson), default=np.inf))

    def copy(self):
        """An independent copy."""
        other = Sources.__new__(Sources)
        other.seed, other.times, other.ids = self.seed, self.times.copy(), self.ids.copy()
        other.poisson = [(f, s, r, t.copy(), c.copy()) for f, s, r, t, c in self.poisson]
        return other

    def snapshot(self):
        """Arrays that restore the sources."""
        data = {"times": self.times, "ids": self.ids}
        for k, (_, _, _, next_time, count) in enumerate(self.poisson):
            data[f"next_{k}"], data[f"count_{k}"] = next_time, count
        return data

    def restore(self, data):
        """Inverse of `snapshot`."""
        self.times, self.ids = data["times"].astype(np.float64), data["ids"].astype(np.int64)
        for k, (_, _, _, next_time, count) in enumerate(self.poisson):
            next_time[:], count[:] = data[f"next_{k}"], data[f"count_{k}"]
