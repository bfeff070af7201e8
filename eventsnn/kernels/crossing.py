"""Crossing: when does V reach the threshold? Decided by analysis, never by sampling.

`next_crossing` returns the first epoch time at or after `now` with V >= threshold, inf if there is none before `until`. It is
the only judge: the schedulers' cheaper tests may only rule crossings out, with a margin for rounding. They ask it with `now`
the neuron's last event or the start of its cell, whichever is later, and `until` the end of the cell, so the answer does not
depend on who asks when.

Exponentials are taken once, at `now`; the way from there is short, and expm1 of short ways is cheap and exact where V is
close to the threshold. Sums of more terms, where simple bounds do not decide, go to the Rolle chain (module `rolle`).
"""

import math

import numpy as np

from ..jit import inlined, inner, kernel
from ..layout import (
    DELTA_ROW,
    GAIN_ROW,
    GENERAL,
    MARGIN_ROW,
    N_COUPLED,
    N_MODES,
    NEVER,
    ONE,
    PAIR,
    RATE_HI,
    RATE_LO,
    SLOW,
    SOLVER,
    TWO,
)
from .elementary import exp_rate, expm1, expm1_over, log, log1p_over
from .rolle import first_crossing

MAX_STEPS = 80
TINY_STEP = 2.3e-16
CUBIC = 5e-6  # a step of third order below this (in units of the local scale) leaves an error below rounding
SURE = 1e-10  # bounds keep this distance from zero, in units of the sum of the terms


@kernel
def cross_one(c, p, a):
    """Upward zero of c + p exp(-a T): rises only towards a positive c."""
    if c > 0.0 and p < 0.0 and a > 0.0:
        return log(-p / c) / a
    return np.inf


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


@inlined
def _guess(high, f_low, f_high, d_low, d_high):
    """Where f, known with its slope at 0 and `high`, crosses zero: inverse cubic interpolation, or the chord."""
    rise = f_high - f_low
    x = -f_low / rise
    if d_low > 0.0 and d_high > 0.0:
        y = 1.0 - x
        guess = high * x * x * (3.0 - 2.0 * x) + rise * x * y * (y / d_low - x / d_high)
        if 0.0 < guess < high:
            return guess
    return high * x


@inlined
def _halley(low, high, t, f, slope, bend, fastest):
    """One step of Halley's method kept inside the bracket (f(low) < 0 <= f(high)): (low, high, next t, done)."""
    if f >= 0.0:
        high = t
    else:
        low = t
    if slope > 0.0:
        curve = bend / slope
        newton = -f / slope
        d = newton / (1.0 + 0.5 * newton * curve)
        new = t + d
        if abs(d) * (fastest + abs(curve)) <= CUBIC:
            return low, high, min(max(new, low), high), True
        if low < new < high:
            return low, high, new, False
    new = 0.5 * (low + high)
    if new <= low or new >= high:
        return low, high, high, True
    return low, high, new, False


@kernel
def cross_two(c, p, q, ah, al, bh, bl, now, until):
    """First time in [now, until] with c + p exp(-aT) + q exp(-bT) >= 0 (a < b), or inf; f(now) < 0 is given.

    There is one extremum at most, so if f(until) < 0 only a maximum in between can reach zero, and the way up is unique.
    """
    length = until - now
    if not length > 0.0:
        return np.inf
    slow = p * exp_rate(-now, ah, al)
    fast = q * exp_rate(-now, bh, bl)
    f = c + slow + fast
    d = -(ah * slow + bh * fast)
    change_s, change_f = slow * expm1(-ah * length), fast * expm1(-bh * length)
    high, f_high = length, f + (change_s + change_f)
    d_high = -(ah * (slow + change_s) + bh * (fast + change_f))
    if f_high < 0.0:
        if not (d > 0.0 and d_high < 0.0):
            return np.inf
        high = min(log((bh * -fast) / (ah * slow)) / (bh - ah), length)
        f_high, d_high = f + (slow * expm1(-ah * high) + fast * expm1(-bh * high)), 0.0
        if f_high < 0.0:
            return np.inf
    if f >= 0.0:
        return now
    t = _guess(high, f, f_high, d, d_high)
    low, done = 0.0, False
    for step in range(MAX_STEPS):
        es, ef = slow * expm1(-ah * t), fast * expm1(-bh * t)
        at_s, at_f = ah * (slow + es), bh * (fast + ef)
        low, high, t, done = _halley(low, high, t, f + (es + ef), -(at_s + at_f), ah * at_s + bh * at_f, bh)
        if done:
            break
        if step > 20:
            t = 0.5 * (low + high)
    return now + t


@inlined
def _decided(f, f_high, d, d_high, rise, fall, bend, length, slack):
    """What bounds say of a sum f that begins with slope d and ends as f_high with slope d_high: inf if it has no zero on the
    way, 0 if it has exactly one, -1 if they do not tell.

    rise, fall: bounds of the slope from above and below; bend: bound of the curvature from above.
    """
    if not f < 0.0:
        return -1.0
    if f_high < -slack:
        if rise <= 0.0 or fall >= 0.0:
            return np.inf
        if bend <= 0.0:
            rise, fall = d, d_high
        if rise <= 0.0 or fall >= 0.0 or f + rise * ((f_high - f - fall * length) / (rise - fall)) < -slack:
            return np.inf
        return -1.0
    if f_high < 0.0 or not (fall >= 0.0 or bend <= 0.0):
        return -1.0
    return 0.0


@kernel
def cross_three(c, x0, x1, x2, r0, r1, r2, length):
    """First local time in [0, length] with f = c + sum of x_k exp(-r_k s) >= 0 where bounds decide: inf if there is none, -1 if
    they do not decide.

    Every term, slope and curvature lies between its values at the two ends.
    """
    f = c + x0 + x1 + x2
    e0, e1, e2 = x0 * expm1(-r0 * length), x1 * expm1(-r1 * length), x2 * expm1(-r2 * length)
    y0, y1, y2 = x0 + e0, x1 + e1, x2 + e2
    f_high = f + (e0 + e1 + e2)
    u0, u1, u2, v0, v1, v2 = -r0 * x0, -r1 * x1, -r2 * x2, -r0 * y0, -r1 * y1, -r2 * y2
    d, d_high = u0 + u1 + u2, v0 + v1 + v2
    rise = max(u0, v0) + max(u1, v1) + max(u2, v2)
    fall = min(u0, v0) + min(u1, v1) + min(u2, v2)
    bend = max(-r0 * u0, -r0 * v0) + max(-r1 * u1, -r1 * v1) + max(-r2 * u2, -r2 * v2)
    slack = SURE * (abs(c) + abs(x0) + abs(x1) + abs(x2))
    verdict = _decided(f, f_high, d, d_high, rise, fall, bend, length, slack)
    if verdict != 0.0:
        return verdict
    t, low, high, done = _guess(length, f, f_high, d, d_high), 0.0, length, False
    fastest = max(r0, max(r1, r2))
    for step in range(MAX_STEPS):
        e0, e1, e2 = x0 * expm1(-r0 * t), x1 * expm1(-r1 * t), x2 * expm1(-r2 * t)
        y0, y1, y2 = r0 * (x0 + e0), r1 * (x1 + e1), r2 * (x2 + e2)
        low, high, t, done = _halley(low, high, t, f + (e0 + e1 + e2), -(y0 + y1 + y2), r0 * y0 + r1 * y1 + r2 * y2, fastest)
        if done:
            break
        if step > 20:
            t = 0.5 * (low + high)
    return t


@kernel
def cross_four(c, x0, x1, x2, x3, r0, r1, r2, r3, length):
    """`cross_three` for four terms."""
    f = c + ((x0 + x1) + (x2 + x3))
    e0, e1, e2, e3 = x0 * expm1(-r0 * length), x1 * expm1(-r1 * length), x2 * expm1(-r2 * length), x3 * expm1(-r3 * length)
    y0, y1, y2, y3 = x0 + e0, x1 + e1, x2 + e2, x3 + e3
    f_high = f + ((e0 + e1) + (e2 + e3))
    u0, u1, u2, u3 = -r0 * x0, -r1 * x1, -r2 * x2, -r3 * x3
    v0, v1, v2, v3 = -r0 * y0, -r1 * y1, -r2 * y2, -r3 * y3
    d, d_high = (u0 + u1) + (u2 + u3), (v0 + v1) + (v2 + v3)
    rise = (max(u0, v0) + max(u1, v1)) + (max(u2, v2) + max(u3, v3))
    fall = (min(u0, v0) + min(u1, v1)) + (min(u2, v2) + min(u3, v3))
    bend = (max(-r0 * u0, -r0 * v0) + max(-r1 * u1, -r1 * v1)) + (max(-r2 * u2, -r2 * v2) + max(-r3 * u3, -r3 * v3))
    slack = SURE * (abs(c) + abs(x0) + abs(x1) + abs(x2) + abs(x3))
    verdict = _decided(f, f_high, d, d_high, rise, fall, bend, length, slack)
    if verdict != 0.0:
        return verdict
    t, low, high, done = _guess(length, f, f_high, d, d_high), 0.0, length, False
    fastest = max(max(r0, r1), max(r2, r3))
    for step in range(MAX_STEPS):
        e0, e1, e2, e3 = x0 * expm1(-r0 * t), x1 * expm1(-r1 * t), x2 * expm1(-r2 * t), x3 * expm1(-r3 * t)
        y0, y1, y2, y3 = r0 * (x0 + e0), r1 * (x1 + e1), r2 * (x2 + e2), r3 * (x3 + e3)
        low, high, t, done = _halley(low, high, t, f + ((e0 + e1) + (e2 + e3)), -((y0 + y1) + (y2 + y3)),
                                     (r0 * y0 + r1 * y1) + (r2 * y2 + r3 * y3), fastest)
        if done:
            break
        if step > 20:
            t = 0.5 * (low + high)
    return t


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
        return now if c > 0.0 and c + x0 >= 0.0 else cross_one(c, x0, ah)  # as below: at or above threshold from the start
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


@inlined
def closed_crossing(kin, c, margin, x0, x1, now, until):
    """First epoch time in [now, until] at which a class of one or two modes (ONE, TWO, PAIR) is at threshold, or inf."""
    solver = kin.i[c, SOLVER]
    if solver == TWO:
        s = kin.i[c, SLOW]
        p, q = kin.f[c, MARGIN_ROW, 0] * x0, kin.f[c, MARGIN_ROW, 1] * x1
        if s == 1:
            p, q = q, p
        return cross_two(margin, p, q, kin.f[c, RATE_HI, s], kin.f[c, RATE_LO, s], kin.f[c, RATE_HI, 1 - s],
                         kin.f[c, RATE_LO, 1 - s], now, until)
    if solver == PAIR:
        t = cross_pair(margin, x0, x1, kin.f[c, RATE_HI, 0], kin.f[c, RATE_LO, 0], kin.f[c, RATE_HI, 1],
                       kin.f[c, GAIN_ROW, 0], kin.f[c, DELTA_ROW, 0], now)
    else:
        t = cross_one(margin, kin.f[c, MARGIN_ROW, 0] * x0, kin.f[c, RATE_HI, 0])
    t = max(t, now)
    return t if t <= until else np.inf


@inlined
def _term(kin, c, k, x, now):
    """Term number `k` of V - threshold at `now` for a stored mode `x`."""
    return kin.f[c, MARGIN_ROW, k] * x * exp_rate(-now, kin.f[c, RATE_HI, k], kin.f[c, RATE_LO, k])


@inner
def next_crossing(kin, c, margin, cell, first, now, until, work):
    """First epoch time in [now, until] with V >= threshold, or inf, for a neuron below threshold just before.

    margin : v_inf - theta; cell[first:] : stored modes; work : scratch f8[rows, columns] of `rolle`.
    """
    solver = kin.i[c, SOLVER]
    if solver == NEVER or margin == -np.inf:
        return np.inf
    if solver != GENERAL:
        return closed_crossing(kin, c, margin, cell[first], cell[first + 1] if solver != ONE else 0.0, now, until)
    if kin.i[c, N_MODES] == 3 and kin.i[c, N_COUPLED] == 0 and until > now:
        x0, x1, x2 = (_term(kin, c, 0, cell[first], now), _term(kin, c, 1, cell[first + 1], now),
                      _term(kin, c, 2, cell[first + 2], now))
        s = cross_three(margin, x0, x1, x2, kin.f[c, RATE_HI, 0], kin.f[c, RATE_HI, 1], kin.f[c, RATE_HI, 2], until - now)
        if s >= 0.0:
            return min(now + s, until) if s < np.inf else np.inf
    if kin.i[c, N_MODES] == 4 and kin.i[c, N_COUPLED] == 0 and until > now:
        x0, x1, x2, x3 = (_term(kin, c, 0, cell[first], now), _term(kin, c, 1, cell[first + 1], now),
                          _term(kin, c, 2, cell[first + 2], now), _term(kin, c, 3, cell[first + 3], now))
        s = cross_four(margin, x0, x1, x2, x3, kin.f[c, RATE_HI, 0], kin.f[c, RATE_HI, 1], kin.f[c, RATE_HI, 2],
                       kin.f[c, RATE_HI, 3], until - now)
        if s >= 0.0:
            return min(now + s, until) if s < np.inf else np.inf
    return max(first_crossing(kin, c, margin, cell, first, now, until, work), now)
