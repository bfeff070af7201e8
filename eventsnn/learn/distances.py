"""Distances between spike trains: van Rossum (2001) and Victor and Purpura (1996). Spike times in s, in any order."""

import math

import numpy as np

from ..errors import InputError, ParameterError
from ..jit import jit


def van_rossum(times, others, tau):
    """Van Rossum's distance of two spike trains: times [n] and others [m] and tau in s.

    D^2 = 1/tau times the integral of the squared difference of the trains filtered by exp(-t / tau), in closed form: a spike
    more counts 1/2, so D^2 is half the number of spikes of trains that have nothing in common, and small where spikes lie
    within tau of each other. Raises `InputError` for times that are not finite or flat, `ParameterError` for tau <= 0.

    Source: van Rossum (2001), Neural Computation 13:751.

    >>> round(van_rossum([0.01], [], 0.005) ** 2, 12)
    0.5
    """
    if not 0.0 < tau < math.inf:
        raise ParameterError(f"tau must be a finite time > 0 s, got {tau!r}")
    a, b = _checked("times", times), _checked("others", others)
    square = _overlap(a, a, tau) + _overlap(b, b, tau) - 2.0 * _overlap(a, b, tau)
    return math.sqrt(max(square, 0.0))


def victor_purpura(times, others, cost):
    """Victor and Purpura's distance: the least cost of turning one train into the other.

    Adding or removing a spike costs 1, moving it by dt costs `cost` |dt| (cost in 1/s, >= 0); times [n], others [m] in s.
    Raises `InputError` for times that are not finite or flat, `ParameterError` for a negative cost.

    Source: Victor and Purpura (1996), J. Neurophysiol. 76:1310.

    >>> victor_purpura([0.01, 0.05], [0.012], cost=100.0)
    1.2
    """
    if not 0.0 <= cost < math.inf:
        raise ParameterError(f"cost must be a finite number >= 0, got {cost!r}")
    a, b = _checked("times", times), _checked("others", others)
    return float(_edit(a, b, float(cost), np.empty(b.size + 1)))


def _checked(name, times):
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or not np.isfinite(times).all():
        raise InputError(f"{name} must be a flat array of finite times, got shape {times.shape}"
                         f"{'' if times.ndim != 1 else ' with NaN or inf'}")
    return np.sort(times)


def _overlap(a, b, tau):
    return float(np.exp(-np.abs(a[:, None] - b) / tau).sum()) / 2.0


@jit
def _edit(a, b, cost, row):
    """The usual table of an edit distance, row by row; row [m + 1] is scratch."""
    for j in range(b.size + 1):
        row[j] = j
    for i in range(a.size):
        corner = row[0]
        row[0] = i + 1.0
        for j in range(b.size):
            moved = corner + cost * abs(a[i] - b[j])
            corner = row[j + 1]
            row[j + 1] = min(moved, min(row[j], corner) + 1.0)
    return row[b.size]
