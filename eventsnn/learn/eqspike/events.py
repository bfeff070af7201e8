"""Compiled: periodic input spikes with hashed phases, in order of time."""

import math

import numpy as np

from ...jit import inlined, jit, scalar

STEP = np.uint64(0x9E3779B97F4A7C15)
SCALE = 1.0 / 9007199254740992.0  # 2**-53


@scalar
def mix(z):
    """The SplitMix64 finaliser (Steele, Lea and Flood 2014) of a 64-bit number."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@scalar
def uniform(key, k):
    """Number k of the stream `key`: uniform in [0, 1)."""
    return (mix(key + np.uint64(k + 1) * STEP) >> np.uint64(11)) * SCALE


@inlined
def fill_events(x, key, until, spacing, times, sources, counts):
    """Spikes of inputs with rates x [n] before `until`, sorted by (time, input), into times, sources; returns how many.

    Input j spikes every spacing / x[j] from a phase that is hashed from the key. counts : scratch, any size >= 2
    """
    bins = counts.size - 1
    per_time = bins / until
    for b in range(counts.size):
        counts[b] = 0
    for j in range(x.size):
        if x[j] > 0.0:
            period = spacing / x[j]
            t = uniform(key, j) * period
            while t < until:
                counts[min(int(t * per_time), bins - 1) + 1] += 1
                t += period
    for b in range(bins):
        counts[b + 1] += counts[b]
    total = counts[bins]
    for j in range(x.size):
        if x[j] > 0.0:
            period = spacing / x[j]
            t = uniform(key, j) * period
            while t < until:
                b = min(int(t * per_time), bins - 1)
                times[counts[b]], sources[counts[b]] = t, j
                counts[b] += 1
                t += period
    for k in range(1, total):
        t, j, m = times[k], sources[k], k
        while m > 0 and times[m - 1] > t:
            times[m], sources[m] = times[m - 1], sources[m - 1]
            m -= 1
        times[m], sources[m] = t, j
    return total


@jit
def input_events(x, key, until, spacing):
    """(times, inputs) of the spikes of one presentation, sorted by (time, input); arguments as in `fill_events`."""
    room = 0
    for j in range(x.size):
        room += int(math.ceil(x[j] * until / spacing)) + 1
    times, sources = np.empty(room), np.empty(room, np.int64)
    n = fill_events(x, key, until, spacing, times, sources, np.empty(room + 2, np.int64))
    return times[:n], sources[:n]


@jit
def start_potentials(key, n, theta):
    """Potentials [n] at the start of a presentation, uniform in [0, theta), from a stream of their own."""
    found = np.empty(n)
    other = mix(key ^ np.uint64(0x5851F42D4C957F2D))
    for i in range(n):
        found[i] = theta * uniform(other, i)
    return found
