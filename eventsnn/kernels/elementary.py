"""exp, expm1, log, log1p in plain double arithmetic, so that every code path and machine gets the same bits.

Library and vector-library versions differ in the last bit between platforms, and one bit is enough to part two runs of a
chaotic network. Errors are near 1 ulp (at most 2; tested against mpmath). `exp_rate` takes the exponent t/tau as an unevaluated
product and keeps its rounding error, so the factor of a late event is as accurate as that of an early one.
"""

import math

import numpy as np

from ..jit import kernel, scalar

LOG2E = 1.4426950408889634
LN2_HI = 0.6931471803691238  # ln 2 with its low 32 bits clear: k * LN2_HI is exact
LN2_LO = 1.9082149292705877e-10
SPLIT = 134217729.0  # 2^27 + 1, Dekker's splitter
POW2_BIAS = 1080
POW2 = np.ldexp(1.0, np.arange(-POW2_BIAS, 1024))


@scalar
def _expm1_reduced(r):
    """exp(r) - 1 for |r| <= 0.46 by its Taylor series (remainder below 2e-17 relative), summed as a tree."""
    r2 = r * r
    r4 = r2 * r2
    low = (0.5 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    middle = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    high = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0))
    return r + r2 * (low + r4 * (middle + r4 * (high + r4 * (1.0 / 87178291200.0))))


@scalar
def exp_sum(x, low):
    """exp(x + low) for a small correction `low` (|low| <= 1 ulp of x); NaN at NaN."""
    if not x >= -745.2:  # a NaN must not become an index
        return 0.0 if x < -745.2 else np.nan
    x = min(x, 710.0)
    k = math.floor(x * LOG2E + 0.5)
    r = (x - k * LN2_HI) - k * LN2_LO + low
    return POW2[int(k) - 1 + POW2_BIAS] * (1.0 + _expm1_reduced(r)) * 2.0


@kernel
def exp(x):
    """exp(x)."""
    return exp_sum(x, 0.0)


@scalar
def exp_rate(t, rate_hi, rate_lo):
    """exp(t * (rate_hi + rate_lo)) with the product's rounding error kept (Dekker's exact product); 1 at rate 0, for all t."""
    x = t * rate_hi
    if not x >= -745.2:
        return 0.0 if x < -745.2 else 1.0 if rate_hi == 0.0 else np.nan
    c = SPLIT * t
    t1 = c - (c - t)
    t2 = t - t1
    c = SPLIT * rate_hi
    r1 = c - (c - rate_hi)
    r2 = rate_hi - r1
    low = ((t1 * r1 - x) + t1 * r2 + t2 * r1) + t2 * r2
    return exp_sum(x, low + t * rate_lo)


@scalar
def growth(t, rate_hi, rate_lo):
    """`exp_rate` for 0 <= t * rate <= 700, without branches: the same bits, and loops over it run several at a time."""
    x = t * rate_hi
    c = SPLIT * t
    t1 = c - (c - t)
    t2 = t - t1
    c = SPLIT * rate_hi
    r1 = c - (c - rate_hi)
    r2 = rate_hi - r1
    low = ((t1 * r1 - x) + t1 * r2 + t2 * r1) + t2 * r2
    k = math.floor(x * LOG2E + 0.5)
    r = (x - k * LN2_HI) - k * LN2_LO + (low + t * rate_lo)
    return POW2[np.uint64(int(k) - 1 + POW2_BIAS)] * (1.0 + _expm1_reduced(r)) * 2.0


@scalar
def exp_near(x):
    """exp(x) for |x| <= 700 without branches, the same bits; beyond, that of the nearer end."""
    x = x if x > -700.0 else -700.0
    x = x if x < 700.0 else 700.0
    k = math.floor(x * LOG2E + 0.5)
    r = (x - k * LN2_HI) - k * LN2_LO
    return POW2[np.uint64(int(k) - 1 + POW2_BIAS)] * (1.0 + _expm1_reduced(r)) * 2.0


@kernel
def expm1(x):
    """exp(x) - 1 without cancellation."""
    if abs(x) < 0.46:
        return _expm1_reduced(x)
    if not abs(x) <= 40.0:
        return -1.0 if x < 0.0 else exp_sum(x, 0.0)
    k = math.floor(x * LOG2E + 0.5)
    r = (x - k * LN2_HI) - k * LN2_LO
    scale = POW2[int(k) + POW2_BIAS]
    return scale * _expm1_reduced(r) + (scale - 1.0)


@scalar
def _log_reduced(f):
    """(s * (f - R)) such that log(1 + f) = f - s * (f - R), for 1 + f between sqrt(1/2) and sqrt(2)."""
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))
    middle = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))
    high = (2.0 / 19.0 + z * (2.0 / 21.0)) + z2 * (2.0 / 23.0 + z * (2.0 / 25.0))
    return s * (f - z * (low + z4 * (middle + z4 * high)))


@kernel
def log(x):
    """Natural logarithm; -inf at 0, NaN below."""
    if x <= 0.0:
        return -np.inf if x == 0.0 else np.nan
    if x == np.inf:
        return np.inf
    m, k = math.frexp(x)
    if m < 0.7071067811865476:
        m *= 2.0
        k -= 1
    f = m - 1.0
    return k * LN2_HI + (f - (_log_reduced(f) - k * LN2_LO))


@scalar
def log_normal(x):
    """log(x) for 2^-1022 <= x < inf without branches: the same bits."""
    bits = np.float64(x).view(np.int64)
    k = (bits >> 52) - 1023
    m = np.int64((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    large = m >= 1.4142135623730951
    m, k = m * (0.5 if large else 1.0), float(k) + (1.0 if large else 0.0)
    f = m - 1.0
    return k * LN2_HI + (f - (_log_reduced(f) - k * LN2_LO))


@kernel
def log1p(x):
    """log(1 + x) without cancellation."""
    if -0.29 < x < 0.41:
        return x - _log_reduced(x)
    u = 1.0 + x
    if u <= 0.0 or u == np.inf:
        return log(u)
    return log(u) + (x - (u - 1.0)) / u


@kernel
def expm1_over(z):
    """(exp(z) - 1) / z, equal to 1 at z = 0: the divided difference of two nearly equal rates."""
    return expm1(z) / z if z != 0.0 else 1.0


@kernel
def double_integral(z):
    """(exp(z) (z - 1) + 1) / z^2, equal to 1/2 at z = 0: the divided difference of three nearly equal rates."""
    if abs(z) > 1.0:
        return (exp(z) * (z - 1.0) + 1.0) / (z * z)
    term = 1.0
    total = 0.5
    for n in range(1, 22):
        term *= z / n
        total += term / (n + 2.0)
    return total


@kernel
def log1p_over(delta, z):
    """log(1 + delta z) / delta, equal to z at delta = 0; the caller makes sure that 1 + delta z > 0."""
    y = delta * z
    return log1p(y) / delta if delta != 0.0 else z
