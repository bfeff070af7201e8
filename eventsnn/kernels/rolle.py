"""All zeros of a sum of exponentials, by the Rolle chain: nothing between two zeros is left unseen.

With f_0 = V - threshold and f_{j+1} = (d/ds + rate_j) f_j, each step removes one exponential, and exp(rate_j s) f_j is
monotone between consecutive zeros of f_{j+1}. So the zeros of the last level (a single term: none) isolate those of the
level above, and so on up to f_0. Coupled (confluent) modes are covered: the operator is the same.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import LEVEL_ROW, MARGIN_ROW, N_COUPLED, N_LEVELS, N_MODES, RATE_HI, RATE_LO
from .elementary import exp_rate
from .flow import decay, move, read_row

MAX_ZEROS = 24
# rows of the scratch array
_LOCAL, _EXP, _ROW, _EVEN, _ODD, _TERM, _LEFT, _RIGHT = 0, 1, 2, 3, 4, 5, 6, 7
WORK_ROWS, WORK_COLUMNS = 8, 32
_TOP = np.int64(0)  # an int64 like the other level numbers, not a literal, which would compile twice
STAGE = 0.5  # first piece of a search in units of the fastest time constant; each next one is twice as long
FINEST = 1.0 / 64.0  # part of a piece below which the chain decides
SLACK = -1e-10  # bounds keep this distance from zero, in units of the sum of the terms
CUBIC = 5e-6  # a step of third order below this (in units of the local scale) leaves an error below rounding


@inner
def _value(kin, c, margin, j, s, work):
    """f_j at local time s."""
    decay(kin, c, s, work[_EXP])
    read_row(kin, c, s, work[_EXP], kin.f[c, LEVEL_ROW + j], work[_ROW])
    total = margin if j == 0 else 0.0
    for k in range(kin.i[c, N_MODES]):
        total += work[_ROW, k] * work[_LOCAL, k]
    return total


@inner
def _zero(kin, c, margin, j, low, high, f_low, f_high, work):
    """The zero of f_j in [low, high], where the signs differ: false position (Illinois), kept by bisection."""
    side = 0
    for step in range(200):
        if step % 4 == 3:
            t = 0.5 * (low + high)
        else:
            t = (low * f_high - high * f_low) / (f_high - f_low)
        if not (low < t < high):
            t = 0.5 * (low + high)
            if t <= low or t >= high:
                break
        f = _value(kin, c, margin, j, t, work)
        if (f >= 0.0) == (f_high >= 0.0):
            high, f_high = t, f
            if side == 1:
                f_low *= 0.5
            side = 1
        else:
            low, f_low = t, f
            if side == -1:
                f_high *= 0.5
            side = -1
        if high - low <= 4.5e-16 * high or f == 0.0:
            break
    return high if j == 0 else 0.5 * (low + high)


@inner
def _one_sign(kin, c, j, work):
    """True if the terms of level j all have one sign, so that f_j has no zero (uncoupled classes)."""
    if kin.i[c, N_COUPLED] > 0:
        return False
    plus, minus = False, False
    for k in range(kin.i[c, N_MODES]):
        term = kin.f[c, LEVEL_ROW + j, k] * work[_LOCAL, k]
        plus = plus or term > 0.0
        minus = minus or term < 0.0
    return not (plus and minus)


@inner
def _chain(kin, c, margin, start, end, work):
    """First local time in [start, end] with f_0 >= 0, or inf, by the chain."""
    count = 0
    for j in range(kin.i[c, N_LEVELS] - 1, 0, -1):
        here = work[_EVEN] if j % 2 == 0 else work[_ODD]
        below = work[_ODD] if j % 2 == 0 else work[_EVEN]
        if _one_sign(kin, c, j, work):
            count = 0
            continue
        found = 0
        low = start
        f_low = _value(kin, c, margin, j, start, work)
        for k in range(count + 1):
            high = below[k] if k < count else end
            f_high = _value(kin, c, margin, j, high, work)
            if f_high == 0.0:
                if found < MAX_ZEROS and high < end:
                    here[found] = high
                    found += 1
            elif f_low != 0.0 and (f_low < 0.0) != (f_high < 0.0):
                here[found] = _zero(kin, c, margin, j, low, high, f_low, f_high, work)
                found += 1
            low, f_low = high, f_high
        count = found
    low = start
    f_low = _value(kin, c, margin, _TOP, start, work)
    for k in range(count + 1):
        high = work[_ODD, k] if k < count else end
        f_high = _value(kin, c, margin, _TOP, high, work)
        if f_high >= 0.0:
            if f_low >= 0.0:
                return low
            return _zero(kin, c, margin, _TOP, low, high, f_low, f_high, work)
        low, f_low = high, f_high
    return np.inf


@inner
def _terms(kin, c, s, work, row):
    """work[row] = the terms of f_0 at local time s (uncoupled classes)."""
    for k in range(kin.i[c, N_MODES]):
        work[row, k] = work[_TERM, k] * exp_rate(-s, kin.f[c, RATE_HI, k], kin.f[c, RATE_LO, k])


@inlined
def _unique(kin, c, margin, low, high, f_low, f_high, d_low, d_high, work):
    """The only zero of f_0 in [low, high], f_low < 0 <= f_high: Halley's method, kept inside the bracket."""
    rise = f_high - f_low
    x = -f_low / rise
    t = low + (high - low) * x
    if d_low > 0.0 and d_high > 0.0:  # inverse cubic interpolation
        y = 1.0 - x
        guess = low + (high - low) * x * x * (3.0 - 2.0 * x) + rise * x * y * (y / d_low - x / d_high)
        if low < guess < high:
            t = guess
    for step in range(120):
        f, slope, bend, fastest = margin, 0.0, 0.0, 0.0
        for k in range(kin.i[c, N_MODES]):
            rate = kin.f[c, RATE_HI, k]
            term = work[_TERM, k] * exp_rate(-t, rate, kin.f[c, RATE_LO, k])
            f += term
            slope -= rate * term
            bend += rate * rate * term
            fastest = max(fastest, rate)
        if f >= 0.0:
            high = t
        else:
            low = t
        new = high
        if slope > 0.0:
            curve = bend / slope
            newton = -f / slope
            d = newton / (1.0 + 0.5 * newton * curve)
            new = t + d
            if abs(d) * (fastest + abs(curve)) <= CUBIC:
                return min(max(new, low), high)
        if not (low < new < high) or step > 40:
            new = 0.5 * (low + high)
            if new <= low or new >= high:
                return high
        t = new
    return high


@inner
def _first_in(kin, c, margin, start, end, work):
    """First local time in [start, end] with f_0 >= 0, or inf.

    Without coupled modes every term, slope and curvature lies between its values at the ends of an interval. Where these
    bounds exclude a crossing, or leave exactly one, the chain is not needed; where they decide nothing, the interval is halved.
    """
    low, high = start, end
    finest = FINEST * (end - start)
    left, right = _LEFT, _RIGHT
    _terms(kin, c, low, work, left)
    _terms(kin, c, high, work, right)
    coupled = kin.i[c, N_COUPLED] > 0
    while True:
        f_low, f_high, bound, size = margin, margin, margin, abs(margin)
        d_low, d_high, rise, fall, bend, sag = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(kin.i[c, N_MODES]):
            rate, a, b = kin.f[c, RATE_HI, k], work[left, k], work[right, k]
            f_low += a
            f_high += b
            bound += max(a, b)
            size += abs(a)
            da, db = -rate * a, -rate * b
            d_low += da
            d_high += db
            rise += max(da, db)
            fall += min(da, db)
            bend += max(-rate * da, -rate * db)
            sag += min(-rate * da, -rate * db)
        slack = SLACK * size
        bounded = f_low < 0.0 and not coupled
        clear = bounded and (bound < slack or rise <= 0.0)
        if not clear and bounded:
            if fall >= 0.0 or bend <= 0.0 or sag >= 0.0:  # monotone, concave or convex: one crossing if f_high >= 0
                if f_high >= 0.0:
                    return _unique(kin, c, margin, low, high, f_low, f_high, d_low, d_high, work)
                clear = fall >= 0.0 or sag >= 0.0
            if not clear and f_high < 0.0:
                if bend <= 0.0:
                    rise, fall = d_low, d_high
                width = high - low
                clear = rise <= 0.0 or f_low + rise * ((f_high - f_low - fall * width) / (rise - fall)) < slack
        if not clear:
            if high - low > finest and bounded:
                high = 0.5 * (low + high)
                _terms(kin, c, high, work, right)
                continue
            t = _chain(kin, c, margin, low, high, work)
            if t < np.inf:
                return t
        if high >= end:
            return np.inf
        low, high = high, end
        left, right = right, left
        _terms(kin, c, high, work, right)


@inner
def first_crossing(kin, c, margin, cell, first, since, until, work):
    """First epoch time in [since, until] with f_0 >= 0, or inf; f_0 < 0 just after `since` is given."""
    span = until - since
    if not span > 0.0 or kin.i[c, N_LEVELS] < 2:
        return np.inf
    decay(kin, c, since, work[_EXP])
    move(kin, c, since, work[_EXP], cell[first:], work[_LOCAL])
    coupled = kin.i[c, N_COUPLED] > 0
    fastest, ever, size = 0.0, margin, abs(margin)
    for k in range(kin.i[c, N_MODES]):
        fastest = max(fastest, kin.f[c, RATE_HI, k])
        term = kin.f[c, MARGIN_ROW, k] * work[_LOCAL, k]
        work[_TERM, k] = term
        ever += max(term, 0.0)
        size += abs(term)
    if ever < SLACK * size and not coupled:
        return np.inf
    width = span if coupled else STAGE / fastest
    low, high = 0.0, min(width, span)
    while True:
        t = _first_in(kin, c, margin, low, high, work)
        if t < np.inf:
            return since + t
        if high >= span:
            return np.inf
        width *= 2.0
        low, high = high, min(high + width, span)
