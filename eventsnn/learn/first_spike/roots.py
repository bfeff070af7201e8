"""The crossing after an arrival, in closed form where there is one.

In units of the threshold, with d the time since the arrival, v the potential and x the current just after it, and c =
tau_syn / tau_mem: V(d) = v + x d over e^d for c = 1, (v + x k) e^(-c d) - x k e^(-d) with k = 1 / (1 - c) otherwise. All
answer with the least d in [0, h] at which V reaches 1, or inf, and with e^-d there.
"""

import math

from ...jit import inner
from ...kernels.crossing import cross_two

FAR = 10.0


@inner
def root_equal(v, x, h, rise):
    """c = 1: the principal branch of the Lambert function. `rise` = e^h - 1.

    With q >= 0 the distance to the maximum: q + e^-q - 1 = p. A crossing exists if and only if V >= 1 at h, or at an interior
    maximum.
    """
    if v >= 1.0:
        return 0.0, 1.0
    if not x > 1.0:
        return math.inf, 0.0
    top = math.log(x)
    peak = v - x + x * top
    if top < h:
        if peak < 0.0:
            return math.inf, 0.0
    elif (v - 1.0) + x * h - rise < 0.0:
        return math.inf, 0.0
    p = max(peak / x, 0.0)
    if p < 2.24:  # series of q in sqrt(2 p), the last two terms fitted: good to 3e-4
        r = math.sqrt(2.0 * p)
        q = r * (1.0 + r * (1.0 / 6.0 + r * (1.0 / 36.0 + r * (0.00427 - 0.000305 * r))))
    else:
        q = p + 0.98
    if q < 1e-4:  # the series is exact to rounding here, and a step on f would only add noise
        d = min(max(top - q, 0.0), h)
        return d, math.exp(-d)
    left = math.exp(-q)
    step = (q + left - 1.0 - p) / (1.0 - left)
    q -= step / (1.0 - 0.5 * step * left / (1.0 - left))  # Halley
    d = max(top - q, 0.0)
    up = math.exp(d) - 1.0
    d -= ((v - 1.0) + x * d - up) / (x - 1.0 - up)  # Newton on f itself: d keeps its relative accuracy
    d = min(max(d, 0.0), h)
    return d, 1.0 / (v + x * d)


@inner
def root_double(v, x, h, rise):
    """c = 1/2: the smaller root of a quadratic in expm1(d / 2). `rise` = e^(h / 2) - 1."""
    if v >= 1.0:
        return 0.0, 1.0
    m, k = v + 2.0 * x - 2.0, 1.0 - v
    if not m > 0.0:
        return math.inf, 0.0
    square = m * m - 4.0 * k
    if 0.5 * m < rise:
        if square < 0.0:
            return math.inf, 0.0
    elif m * rise - k - rise * rise < 0.0:
        return math.inf, 0.0
    y = 2.0 * k / (m + math.sqrt(max(square, 0.0)))
    return min(2.0 * math.log1p(y), h), 1.0 / ((1.0 + y) * (1.0 + y))


@inner
def root_any(v, x, h, c):
    """Any other c: the engine's own search."""
    if v >= 1.0:
        return 0.0, 1.0
    if not x > c:
        return math.inf, 0.0
    q = x / (1.0 - c)
    if h > FAR:  # no farther than beyond the maximum, while V' can be told from 0
        if not q * (v + q) > 0.0:
            return math.inf, 0.0
        h = min(h, 2.0 * math.log(q / (c * (v + q))) / (1.0 - c))
    if c < 1.0:
        d = cross_two(-1.0, v + q, -q, c, 0.0, 1.0, 0.0, 0.0, h)
    else:
        d = cross_two(-1.0, -q, v + q, 1.0, 0.0, c, 0.0, 0.0, h)
    return d, math.exp(-d)
