"""The crossing after an arrival, in closed form where there is one.

In units of the threshold, with d the time since the arrival, v the potential and x the current just after it, and c =
tau_syn / tau_mem: V(d) = v + x d over e^d for c = 1, (v + x k) e^(-c d) - x k e^(-d) with k = 1 / (1 - c) otherwise.

`crosses` decides whether V reaches 1 within [0, h], `solve` finds where. Deciding is cheap and done neuron by neuron as the
inputs pass; solving waits until the end of the layer and runs over all its neurons at once, without branches.
"""

import math

from ...jit import inner
from ...kernels.crossing import cross_two
from ...kernels.elementary import exp, exp_near, log, log_normal

FAR = 10.0


@inner
def crosses(v, x, h, rise, c):
    """Whether V reaches 1 before `h` < inf; `rise` = e^(c h)."""
    if v >= 1.0:
        return True
    if c == 1.0:
        if not x > 1.0:
            return False
        if v + x * h >= rise:
            return True
        top = log(x)
        return top < h and v - x + x * top >= 0.0
    if c == 0.5:
        m, k, y = v + 2.0 * x - 2.0, 1.0 - v, rise - 1.0
        if not m > 0.0:
            return False
        return m * y - k - y * y >= 0.0 or (0.5 * m < y and m * m - 4.0 * k >= 0.0)
    return _any(v, x, h, c) < math.inf


@inner
def _any(v, x, h, c):
    """Time of the crossing for any c but 1, inf if there is none: the engine's own search."""
    if v >= 1.0:
        return 0.0
    if not x > c:
        return math.inf
    q = x / (1.0 - c)
    if h > FAR:  # no farther than beyond the maximum, while V' can be told from 0
        if not q * (v + q) > 0.0:
            return math.inf
        h = min(h, 2.0 * log(q / (c * (v + q))) / (1.0 - c))
    if c < 1.0:
        return cross_two(-1.0, v + q, -q, c, 0.0, 1.0, 0.0, 0.0, h)
    return cross_two(-1.0, -q, v + q, 1.0, 0.0, c, 0.0, 0.0, h)


@inner
def _solve_equal(out, speed, v, x, h, theta):
    """c = 1: the principal branch of the Lambert function. With q >= 0 the distance to the maximum: q + e^-q - 1 = p."""
    for j in range(out.size):
        up = x[j] > 1.0
        xj = x[j] if up else 2.0
        top = log_normal(xj)
        p = v[j] / xj - 1.0 + top
        high = p >= 0.0
        p = p if high else 0.0
        r = math.sqrt(2.0 * p)  # series of q in sqrt(2 p), the last two terms fitted: good to 3e-4
        q = r * (1.0 + r * (1.0 / 6.0 + r * (1.0 / 36.0 + r * (0.00427 - 0.000305 * r)))) if p < 2.24 else p + 0.98
        steep = q >= 1e-4  # below, the series is exact to rounding, and a step on f would only add noise
        left = exp_near(-q)
        slope, miss = 1.0 - left, q + left - 1.0 - p
        step = miss * slope / (slope * slope - 0.5 * miss * left) if steep else 0.0  # Halley
        d = top - q + step  # just after an arrival it may come out below 0, which the last step mends
        square = step * step  # e^step by its series: |step| < 0.03
        much = 1.0 / 6.0 + step * (1.0 / 24.0) + square * (1.0 / 120.0 + step * (1.0 / 720.0) + square * (1.0 / 5040.0))
        rise = xj * left * (1.0 + step + square * (0.5 + step * much))  # e^d
        d -= ((v[j] - rise) + xj * d) / (xj - rise) if steep else 0.0  # Newton on f itself
        d = d if d > 0.0 else 0.0
        d = d if d < h[j] else h[j]
        there = v[j] >= 1.0
        d = 0.0 if there else d
        found = there or (up and (h[j] < math.inf or high))
        fade = 1.0 if there else 1.0 / (v[j] + xj * d)
        out[j] += d if found else math.inf
        speed[j] = theta * (x[j] * fade - 1.0) if found else 0.0


@inner
def _solve_double(out, speed, v, x, h, theta):
    """c = 1/2: the smaller root of a quadratic in expm1(d / 2)."""
    for j in range(out.size):
        m, k = v[j] + 2.0 * x[j] - 2.0, 1.0 - v[j]
        there, up = k <= 0.0, m > 0.0
        square = m * m - 4.0 * k
        root = math.sqrt(square if square > 0.0 else 0.0)
        y = 2.0 * k / (m + root) if up and not there else 0.0
        u = 1.0 + y
        d = 2.0 * (log_normal(u) + (y - (u - 1.0)) / u)
        d = d if d < h[j] else h[j]
        found = there or (up and (h[j] < math.inf or square >= 0.0))
        out[j] += d if found else math.inf
        speed[j] = theta * (x[j] / (u * u) - 0.5) if found else 0.0


@inner
def solve(out, speed, v, x, h, c, theta):
    """Add to every out[j] the least d at which V reaches 1, or inf; V' there (in units of potential) to speed[j], else 0.

    Where h[j] is finite, a crossing before it is known to exist (`crosses`).
    """
    if c == 1.0:
        _solve_equal(out, speed, v, x, h, theta)
    elif c == 0.5:
        _solve_double(out, speed, v, x, h, theta)
    else:
        for j in range(out.size):
            d = _any(v[j], x[j], h[j], c)
            out[j] += d
            speed[j] = theta * (x[j] * exp(-d) - c) if d < math.inf else 0.0
