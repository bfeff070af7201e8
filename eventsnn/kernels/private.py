"""Private noise: Poisson neurons that each excite one neuron, the one of the same number, and whose spikes nobody records.

There may be a thousand million such spikes a second. They are never stored: each lane draws the arrivals at its own neurons
when a window begins. Interval n of a neuron is the same number as in `poisson`, so the arrivals are the same bits.
"""

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import J_ROW, J_SHARDS, J_SOURCE, P_FIRST
from .elementary import log
from .fanout import delay_of
from .memory import append, store_float, store_int
from .poisson import mix, uniform

GAMMA = np.uint64(0x9E3779B97F4A7C15)
# columns of Lane.noise: projection, target population, first row of Lane.noise_f and Lane.noise_u
N_PROJECTION, N_TARGET, N_FIRST, N_COLUMNS = 0, 1, 2, 3
# columns of Lane.noise_f: time of the next spike to arrive, rate; of Lane.noise_u: key of the neuron, number of its interval
N_NEXT, N_RATE, N_KEY, N_COUNT = 0, 1, 0, 1


@kernel
def start_noise(seed, stream, next_time, count, rate, noise_f, noise_u):
    """Fill the tables from the state of a Poisson population: time of the next spike (-1: not drawn yet), its number, rate."""
    for i in range(next_time.size):
        x = mix(np.uint64(seed) + GAMMA)
        x = mix(x ^ (np.uint64(stream) + np.uint64(1)) * GAMMA)
        noise_u[i, N_KEY] = mix(x ^ (np.uint64(i) + np.uint64(1)) * GAMMA)
        noise_u[i, N_COUNT] = np.uint64(count[i])
        time = next_time[i]
        if time == -1.0:
            time = -log(uniform(seed, stream, i, 0)) / rate[i] if rate[i] > 0.0 else np.inf
        noise_f[i, N_NEXT], noise_f[i, N_RATE] = time, rate[i]


@inlined
def following(noise_f, noise_u, i, time, count):
    """Time of the spike after the one at `time`, which has number `count`."""
    x = mix(noise_u[i, N_KEY] + (count + np.uint64(2)) * GAMMA)
    return time - log((np.float64(x >> np.uint64(11)) + 0.5) * 1.1102230246251565e-16) / noise_f[i, N_RATE]


@inner
def collect_noise(wir, lane, row, shard, first, stop, end, records, words, bits):
    """Append a record for every arrival before `end` at neurons first to stop - 1 (numbers within their population).

    row : of Lane.noise. Returns False without memory.
    """
    k, base = lane.noise[row, N_PROJECTION], lane.noise[row, N_FIRST]
    delay = delay_of(wir, k, np.int64(0))
    source = wir.pop[wir.proj[k, J_SOURCE], P_FIRST]
    shards = wir.proj[k, J_SHARDS]
    for n in range(first, stop):
        i = np.uint64(base + n)
        time = lane.noise_f[i, N_NEXT]
        if time + delay >= end:
            continue
        count = lane.noise_u[i, N_COUNT]
        at = wir.row[wir.proj[k, J_ROW] + n * shards + shard]
        while time + delay < end:
            a = append(lane.mem, records, words)
            if a == 0:
                return False
            store_float(a, time + delay)
            store_float(a + 8, 1.0)
            store_int(a + 16, ((source + n) << bits) | k)
            store_int(a + 24, at)
            store_int(a + 32, at + 1)
            time = following(lane.noise_f, lane.noise_u, i, time, count)
            count += np.uint64(1)
        lane.noise_f[i, N_NEXT], lane.noise_u[i, N_COUNT] = time, count
    return True


@kernel
def emitted(noise_f, noise_u, until, ahead_time, ahead_count):
    """Number of spikes with time <= until; ahead_time, ahead_count: the first spike after it of each neuron, and its number."""
    total = np.uint64(0)
    for i in range(noise_f.shape[0]):
        time, count = noise_f[i, N_NEXT], noise_u[i, N_COUNT]
        while time <= until:
            time = following(noise_f, noise_u, i, time, count)
            count += np.uint64(1)
        ahead_time[i], ahead_count[i] = time, np.int64(count)
        total += count
    return np.int64(total)


@kernel
def in_flight(noise_f, noise_u, until, times, numbers):
    """Spikes with time <= until that have not arrived; returns how many, writes as many as there is room for."""
    n = 0
    for i in range(noise_f.shape[0]):
        time, count = noise_f[i, N_NEXT], noise_u[i, N_COUNT]
        while time <= until:
            if n < times.size:
                times[n], numbers[n] = time, i
            n += 1
            time = following(noise_f, noise_u, i, time, count)
            count += np.uint64(1)
    return n
