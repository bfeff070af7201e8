"""All zeros of a sum of exponentials, by the Rolle chain: nothing between two zeros is left unseen.

With f_0 = V - threshold and f_{j+1} = (d/ds + rate_j) f_j, each step removes one exponential, and exp(rate_j s) f_j is
monotone between consecutive zeros of f_{j+1}. So the zeros of the last level (a single term: none) isolate those of the
level above, and so on up to f_0. Coupled (confluent) modes are covered: the operator is the same.
"""

import numpy as np

from ..jit import inner
from ..layout import LEVEL_ROW, N_COUPLED, N_LEVELS, N_MODES
from .flow import decay, move, read_row

MAX_ZEROS = 24
# rows of the scratch array
_LOCAL, _EXP, _ROW, _EVEN, _ODD = 0, 1, 2, 3, 4
WORK_ROWS, WORK_COLUMNS = 5, 32
_TOP = np.int64(0)  # an int64 like the other level numbers, not a literal, which would compile twice


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
def first_crossing(kin, c, margin, cell, first, since, until, work):
    """First epoch time in [since, until] with f_0 >= 0, or inf; f_0 < 0 just after `since` is given."""
    decay(kin, c, since, work[_EXP])
    move(kin, c, since, work[_EXP], cell[first:], work[_LOCAL])
    span = until - since
    if not span > 0.0 or kin.i[c, N_LEVELS] < 2:
        return np.inf
    count = 0
    for j in range(kin.i[c, N_LEVELS] - 1, 0, -1):
        here = work[_EVEN] if j % 2 == 0 else work[_ODD]
        below = work[_ODD] if j % 2 == 0 else work[_EVEN]
        if _one_sign(kin, c, j, work):
            count = 0
            continue
        found = 0
        low = 0.0
        f_low = _value(kin, c, margin, j, 0.0, work)
        for k in range(count + 1):
            high = below[k] if k < count else span
            f_high = _value(kin, c, margin, j, high, work)
            if f_high == 0.0:
                if found < MAX_ZEROS and high < span:
                    here[found] = high
                    found += 1
            elif f_low != 0.0 and (f_low < 0.0) != (f_high < 0.0):
                here[found] = _zero(kin, c, margin, j, low, high, f_low, f_high, work)
                found += 1
            low, f_low = high, f_high
        count = found
    low = 0.0
    f_low = _value(kin, c, margin, _TOP, 0.0, work)
    for k in range(count + 1):
        high = work[_ODD, k] if k < count else span
        f_high = _value(kin, c, margin, _TOP, high, work)
        if f_high >= 0.0:
            if f_low >= 0.0:
                return since + low
            return since + _zero(kin, c, margin, _TOP, low, high, f_low, f_high, work)
        low, f_low = high, f_high
    return np.inf
