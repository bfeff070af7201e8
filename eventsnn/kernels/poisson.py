"""Poisson spikes from a counter-based generator: interval k of neuron j depends on (seed, population, j, k) alone."""

import numpy as np

from ..jit import kernel
from .elementary import log


@kernel
def mix(x):
    """A 64-bit finaliser (splitmix64; Steele, Lea & Flood 2014, OOPSLA)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def uniform(seed, stream, neuron, count):
    """A number in (0, 1) that depends on the four integers only."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    x = mix(np.uint64(seed) + gamma)
    x = mix(x ^ (np.uint64(stream) + np.uint64(1)) * gamma)
    x = mix(x ^ (np.uint64(neuron) + np.uint64(1)) * gamma)
    x = mix(x + (np.uint64(count) + np.uint64(1)) * gamma)
    return (np.float64(x >> np.uint64(11)) + 0.5) * 1.1102230246251565e-16


@kernel
def advance_poisson(next_time, count, rate, seed, stream, until, out_time, out_id):
    """Write all spikes with time <= until, neuron by neuron; returns how many, or -1 when the arrays are full."""
    n = 0
    for j in range(next_time.size):
        if next_time[j] == -1.0:
            next_time[j] = -log(uniform(seed, stream, j, 0)) / rate[j] if rate[j] > 0.0 else np.inf
        t, k = next_time[j], count[j]
        while t <= until:
            if n == out_time.size:
                return -1
            out_time[n], out_id[n] = t, j
            n += 1
            k += 1
            t = t - log(uniform(seed, stream, j, k)) / rate[j]
        next_time[j], count[j] = t, k
    return n
