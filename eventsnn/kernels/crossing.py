"""Crossing: when does V reach the threshold? Decided by analysis, never by sampling.

`next_crossing` returns the first epoch time at or after `now` with V >= threshold, inf if there is none. It is the only
judge: the schedulers' cheaper tests may only rule crossings out, with a margin for rounding. For classes of one or two modes
the upward crossing is unique over the whole axis, so it is computed from the stored modes alone and does not
depend on when it was asked for; sums of more terms are searched from the last event of the neuron (module `rolle`).

f(T) = V - threshold = c + P exp(-aT) + Q exp(-bT), a < b. It has one interior extremum at most. Where it rises to a maximum
it is concave, so Newton's method from the left (or after one step from the right) is monotone; where it rises from a
minimum a bracketed Newton is used.
"""

import math

import numpy as np

from ..jit import inner, kernel
from ..layout import (
    DELTA_ROW,
    GAIN_ROW,
    GENERAL,
    MARGIN_ROW,
    NEVER,
    ONE,
    PAIR,
    RATE_HI,
    RATE_LO,
    SLOW,
    SOLVER,
    TWO,
)
from .elementary import exp_rate, expm1_over, log, log1p_over
from .rolle import first_crossing

MAX_STEPS = 80
TINY_STEP = 2.3e-16


@kernel
def cross_one(c, p, a):
    """Upward zero of c + p exp(-a T): rises only towards a positive c."""
    if c > 0.0 and p < 0.0 and a > 0.0:
        return log(-p / c) / a
    return np.inf


@inner
def _climb(c, p, q, ah, al, bh, bl, start, limit):
    """Newton on the concave rising part: one step may go left, then monotone to the right."""
    t = start
    for step in range(MAX_STEPS):
        slow = p * exp_rate(-t, ah, al)
        fast = q * exp_rate(-t, bh, bl)
        f = c + slow + fast
        slope = -(ah * slow + bh * fast)
        if not slope > 0.0:
            break
        d = -f / slope
        if step > 0 and d <= 0.0:
            break
        t += d
        if t > limit:
            t = limit
            break
        if abs(d) <= TINY_STEP * abs(t):
            break
    return t


@inner
def _narrow(low, high, t, f, slope):
    """One step of Newton kept inside the bracket (f(low) < 0 <= f(high)): (low, high, next t, done)."""
    if f >= 0.0:
        high = t
    else:
        low = t
    d = -f / slope if slope > 0.0 else np.inf
    new = t + d
    if low < new < high:
        return low, high, new, abs(d) <= TINY_STEP * abs(t)
    if abs(d) <= TINY_STEP * abs(t) or new == t:
        return low, high, t, True
    new = 0.5 * (low + high)
    if new <= low or new >= high:
        return low, high, high, True
    return low, high, new, False


@inner
def _bracket(c, p, q, ah, al, bh, bl, low, high):
    """Zero between low (f < 0) and high (f >= 0)."""
    t = high
    done = False
    for _ in range(2 * MAX_STEPS):
        slow = p * exp_rate(-t, ah, al)
        fast = q * exp_rate(-t, bh, bl)
        low, high, t, done = _narrow(low, high, t, c + slow + fast, -(ah * slow + bh * fast))
        if done:
            break
    return t


@kernel
def cross_two(c, p, q, ah, al, bh, bl, now):
    """Upward zero of c + p exp(-aT) + q exp(-bT), a < b, at or after `now`; f(now) < 0 is given."""
    if ah == 0.0:
        return cross_one(c + p, q, bh)
    if q == 0.0:
        return cross_one(c, p, ah)
    if p == 0.0:
        return cross_one(c, q, bh)
    gap = bh - ah
    if p > 0.0:
        if q > 0.0:
            return np.inf
        peak = log((bh * -q) / (ah * p)) / gap
        if not peak > now:
            return np.inf
        slow = p * exp_rate(-peak, ah, al)
        height = c + slow + q * exp_rate(-peak, bh, bl)
        if height < 0.0:
            return np.inf
        start = peak - math.sqrt(2.0 * height / (gap * ah * slow))
        level = log(-q / p) / gap
        if c <= 0.0:
            start = max(start, level)
        else:
            start = min(peak, log(-q / (c + p * exp_rate(-level, ah, al))) / bh)
        return _climb(c, p, q, ah, al, bh, bl, start, peak)
    if c <= 0.0:
        return np.inf
    slow_only = log(-p / c) / ah
    if q < 0.0:
        return _climb(c, p, q, ah, al, bh, bl, max(slow_only, log(-q / c) / bh), np.inf)
    valley = log((bh * q) / (ah * -p)) / gap
    if c + p * exp_rate(-valley, ah, al) + q * exp_rate(-valley, bh, bl) >= 0.0 or not valley < slow_only:
        return valley
    return _bracket(c, p, q, ah, al, bh, bl, valley, slow_only)


@inner
def _pair(c, x0, x1, ah, al, gain, delta, t):
    """f and f' of a coupled pair at t: V = exp(-at) (x0 + x1 phi), phi = gain t (e^z - 1)/z, z = delta t."""
    e = exp_rate(-t, ah, al)
    z = delta * t
    over = expm1_over(z)
    v = e * (x0 + x1 * (gain * t * over))
    drive = e * (1.0 + z * over) * x1
    return c + v, gain * drive - ah * v, drive


@inner
def _pair_bracket(c, x0, x1, ah, al, gain, delta, low, high, start):
    """Zero between low (f < 0) and high (f >= 0), from `start`."""
    t = start
    done = False
    for _ in range(2 * MAX_STEPS):
        f, slope, drive = _pair(c, x0, x1, ah, al, gain, delta, t)
        low, high, t, done = _narrow(low, high, t, f, slope)
        if done:
            break
    return t


@kernel
def cross_pair(c, x0, x1, ah, al, bh, gain, delta, now):
    """Upward zero for nearly equal or equal rates: a V' drive of rate b = a - delta, at or after `now`."""
    if x1 == 0.0:
        return cross_one(c, x0, ah)
    z = (gain - ah * x0 / x1) / (bh * gain)
    extremum = log1p_over(delta, z) if 1.0 + delta * z > 0.0 else (np.inf if delta < 0.0 else -np.inf)
    if x1 > 0.0:
        if not extremum > now:
            return np.inf
        t = np.inf
        if extremum < np.inf:
            f, slope, drive = _pair(c, x0, x1, ah, al, gain, delta, extremum)
            if f < 0.0:
                return np.inf
            t = extremum - math.sqrt(2.0 * f / (gain * bh * drive))
        if c > 0.0:
            if c + x0 >= 0.0:  # above threshold at the start of the epoch and rising: only rounding says otherwise now
                return now
            high = min(extremum, log(-x0 / c) / ah)
            return _pair_bracket(c, x0, x1, ah, al, gain, delta, 0.0, high, min(max(t, 0.0), high))
        if extremum == np.inf:
            return np.inf
        y = -x0 / (x1 * gain)
        if 1.0 + delta * y > 0.0:
            t = max(t, min(log1p_over(delta, y), extremum))
        for step in range(MAX_STEPS):
            f, slope, drive = _pair(c, x0, x1, ah, al, gain, delta, t)
            if not slope > 0.0:
                break
            d = -f / slope
            if step > 0 and d <= 0.0:
                break
            t += d
            if t > extremum:
                t = extremum
                break
            if abs(d) <= TINY_STEP * abs(t):
                break
        return t
    if c <= 0.0 or extremum == np.inf:
        return np.inf
    low = max(extremum, 0.0)
    if x0 < -c:
        low = max(low, log(-x0 / c) / ah)
    if _pair(c, x0, x1, ah, al, gain, delta, low)[0] >= 0.0:
        return low
    width = 1.0 / ah
    high = low + width
    while _pair(c, x0, x1, ah, al, gain, delta, high)[0] < 0.0:
        low = high
        width *= 2.0
        high = low + width
    return _pair_bracket(c, x0, x1, ah, al, gain, delta, low, high, high)


@inner
def closed_crossing(kin, c, margin, x0, x1, now):
    """Upward crossing of a class of one or two modes (ONE, TWO, PAIR) at or after epoch time `now`, or inf."""
    solver = kin.i[c, SOLVER]
    if solver == TWO:
        if kin.i[c, SLOW] == 0:
            t = cross_two(margin, kin.f[c, MARGIN_ROW, 0] * x0, kin.f[c, MARGIN_ROW, 1] * x1, kin.f[c, RATE_HI, 0],
                          kin.f[c, RATE_LO, 0], kin.f[c, RATE_HI, 1], kin.f[c, RATE_LO, 1], now)
        else:
            t = cross_two(margin, kin.f[c, MARGIN_ROW, 1] * x1, kin.f[c, MARGIN_ROW, 0] * x0, kin.f[c, RATE_HI, 1],
                          kin.f[c, RATE_LO, 1], kin.f[c, RATE_HI, 0], kin.f[c, RATE_LO, 0], now)
    elif solver == PAIR:
        t = cross_pair(margin, x0, x1, kin.f[c, RATE_HI, 0], kin.f[c, RATE_LO, 0], kin.f[c, RATE_HI, 1],
                       kin.f[c, GAIN_ROW, 0], kin.f[c, DELTA_ROW, 0], now)
    else:
        t = cross_one(margin, kin.f[c, MARGIN_ROW, 0] * x0, kin.f[c, RATE_HI, 0])
    return max(t, now)


@inner
def next_crossing(kin, c, margin, cell, first, now, until, work):
    """First epoch time in [now, until] with V >= threshold, or inf, for a neuron below threshold just before.

    margin : v_inf - theta; cell[first:] : stored modes; work : scratch f8[rows, columns] of `rolle`.
    """
    solver = kin.i[c, SOLVER]
    if solver == NEVER or margin == -np.inf:
        return np.inf
    if solver == GENERAL:
        t = max(first_crossing(kin, c, margin, cell, first, now, until, work), now)
    else:
        t = closed_crossing(kin, c, margin, cell[first], cell[first + 1] if solver != ONE else 0.0, now)
    return t if t <= until else np.inf
