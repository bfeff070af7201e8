"""Links that carry one event at a time: queues of fixed service time and finite depth."""

import numpy as np

from ..jit import kernel


@kernel
def serialise(times, lane, period, depth, free, out):
    """Pass events at `times` [n], in order, through the links `lane` [n]; fill `out` [n], nan where dropped; count drops.

    A link takes an event as soon as it is free and is then busy for `period`; an event that finds more than `depth` periods of
    waiting before it is dropped. free [n_lanes], when each link is free again, is read and changed.
    """
    dropped = 0
    for k in range(times.size):
        j = lane[k]
        start = times[k] if times[k] > free[j] else free[j]
        if start - times[k] > depth * period * (1.0 + 1e-9):
            out[k] = np.nan
            dropped += 1
            continue
        out[k] = start
        free[j] = start + period
    return dropped
