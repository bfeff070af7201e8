"""Links that carry one event at a time: queues of fixed service time and finite depth."""

import numpy as np

from ..jit import kernel


@kernel
def serialise(times, lane, period, depth, free, out):
    """Pass events at `times` [n], in order, through the links `lane` [n]; fill `out` [n], nan where dropped.

    A link takes an event as soon as it is free and is then busy for `period`; an event that finds more than `depth` periods of
    waiting before it is dropped. free [n_lanes], when each link is free again, is read and changed.
    Returns how many were dropped and how long the others waited in all.
    """
    dropped, waited = 0, 0.0
    for k in range(times.size):
        j = lane[k]
        start = times[k] if times[k] > free[j] else free[j]
        if start - times[k] > (depth + 1e-6) * period:  # beyond rounding
            out[k] = np.nan
            dropped += 1
            continue
        out[k] = start
        waited += start - times[k]
        free[j] = start + period
    return dropped, waited


@kernel
def put_in_order(times, neurons, moves):
    """Sort spikes that are nearly in order by (time, neuron), in place; False if that takes more than `moves` exchanges."""
    for k in range(1, times.size):
        time, neuron, at = times[k], neurons[k], k
        while at > 0 and (times[at - 1] > time or (times[at - 1] == time and neurons[at - 1] > neuron)):
            times[at], neurons[at] = times[at - 1], neurons[at - 1]
            at -= 1
        times[at], neurons[at] = time, neuron
        moves -= k - at
        if moves < 0:
            return False
    return True
