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
            self.times, self.ids = _merged([self.times, times], [self.ids, ids])

    def _generate(self, until):
        """([times], [ids]) of the Poisson spikes with time <= until that have not been generated before."""
        found = [], []
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
            found[0].append(times[:n])
            found[1].append(ids[:n] + first)
        return found

    def take(self, until):
        """Remove and return (times, ids) of all spikes with time <= until."""
        times, ids = self._generate(until)
        n = int(np.searchsorted(self.times, until, side="right"))
        taken = self.times[:n].copy(), self.ids[:n].copy()
        if times:
            taken = _merged([taken[0], *times], [taken[1], *ids])
        self.times, self.ids = self.times[n:], self.ids[n:]
        return taken

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


def _merged(times, ids):
    """Spikes of several arrays in canonical order, as two new arrays."""
    times, ids = np.concatenate(times), np.concatenate(ids)
    order = np.lexsort((ids, times))
    return times[order], ids[order]
