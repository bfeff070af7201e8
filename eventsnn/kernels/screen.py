"""Screens: cheap tests that rule crossings out before the exact search is asked.

They never decide that there is a crossing, and keep a relative margin of 1e-9 against rounding, so the spikes do not depend on
them. A screen is valid from `now` up to a horizon; neurons that may still cross later in the epoch are to be watched.
"""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    GAIN_ROW,
    GENERAL,
    MARGIN,
    MARGIN_ROW,
    MODES,
    N_COUPLED,
    N_MODES,
    NEVER,
    PAIR,
    RATE_HI,
    SLOPE_ROW,
    SLOW,
    SOLVER,
    TWO,
)
from .flow import decay, read_row
from .neuron import S_EXP, S_HOR, S_HSLOPE, S_NOW, S_SLOPE

QUIET, WATCH, SEARCH = 0, 1, 2
MARGIN_REL = 1e-9


@inlined
def prepare(kin, c, time, horizon, scratch):
    """Rows of class `c` that `screen` reads: margin and slope at `time` and at `horizon` (epoch times).

    Returns the two drive factors (see `screen`); they depend on `time` only.
    """
    e = scratch[S_EXP]
    decay(kin, c, horizon, e)
    read_row(kin, c, horizon, e, kin.f[c, MARGIN_ROW], scratch[S_HOR])
    read_row(kin, c, horizon, e, kin.f[c, SLOPE_ROW], scratch[S_HSLOPE])
    decay(kin, c, time, e)
    read_row(kin, c, time, e, kin.f[c, MARGIN_ROW], scratch[S_NOW])
    read_row(kin, c, time, e, kin.f[c, SLOPE_ROW], scratch[S_SLOPE])
    if kin.i[c, SOLVER] == TWO:
        s = kin.i[c, SLOW]
        a, b = kin.f[c, RATE_HI, s], kin.f[c, RATE_HI, 1 - s]
        if a == 0.0:
            return np.inf, 1.0
        return -scratch[S_NOW, 1 - s] * (b - a) / a * (1.0 + MARGIN_REL), scratch[S_NOW, s] * (1.0 + MARGIN_REL)
    if kin.i[c, SOLVER] == PAIR:
        return e[1] * kin.f[c, GAIN_ROW, 0] / kin.f[c, RATE_HI, 0] * (1.0 + MARGIN_REL), 1.0
    return 0.0, 0.0


@inner
def screen(kin, c, cell, ahead, drive, slow, scratch):
    """Verdict on an active neuron below threshold: SEARCH, WATCH or QUIET.

    ahead : horizon - now. For c <= 0 (threshold above rest) a crossing needs drive * x_fast >= -c and
    slow * x_slow >= -c now; for c > 0 it needs V >= threshold at the horizon, or a maximum before it that the tangent at
    `now` does not keep below threshold (V is concave up to a maximum). With more modes each term lies between its values
    at `now` and at the horizon, which bounds V and, better, its slope.
    """
    row, slope = scratch[S_NOW], scratch[S_SLOPE]
    margin = cell[MARGIN]
    solver = kin.i[c, SOLVER]
    m = kin.i[c, N_MODES]
    f = row[0] * cell[MODES]
    for k in range(1, m):
        f += row[k] * cell[MODES + k]
    f = margin + f
    if solver == NEVER:
        return QUIET
    if f >= 0.0:
        return SEARCH
    if solver == GENERAL:
        if kin.i[c, N_COUPLED] > 0:
            return SEARCH
        later, size, ever, there, rise, fall = margin, abs(margin), margin, margin, 0.0, 0.0
        for k in range(m):
            x = cell[MODES + k]
            here, then = row[k] * x, scratch[S_HOR, k] * x
            there += then
            later += max(here, then)
            ever += max(here, 0.0)
            size += abs(here)
            rise += max(slope[k] * x, scratch[S_HSLOPE, k] * x)
            fall += min(slope[k] * x, scratch[S_HSLOPE, k] * x)
        slack = -MARGIN_REL * size
        if there >= slack:
            return SEARCH
        if (rise > 0.0) & (fall < 0.0) & (later >= slack):
            # the lines of steepest rise from now and of steepest fall to the horizon meet above V
            if f * -fall + rise * (there - fall * ahead) >= slack * (rise - fall):
                return SEARCH
        return WATCH if ever >= slack else QUIET
    if margin <= 0.0:
        if solver == TWO:
            s = kin.i[c, SLOW]
            if drive == np.inf:
                return SEARCH if margin + row[s] * cell[MODES + s] > 0.0 else QUIET
            if drive * cell[MODES + 1 - s] >= -margin and slow * cell[MODES + s] >= -margin:
                return SEARCH
        elif solver == PAIR:
            if drive * cell[MODES + 1] >= -margin:
                return SEARCH
        return QUIET
    there, size, rise, fall = margin, margin, 0.0, 0.0
    for k in range(m):
        term = scratch[S_HOR, k] * cell[MODES + k]
        there += term
        size += abs(term)
        rise += slope[k] * cell[MODES + k]
        fall += scratch[S_HSLOPE, k] * cell[MODES + k]
    if there >= -MARGIN_REL * size:
        return SEARCH
    if rise > 0.0 and fall <= 0.0 and f + rise * ahead >= -MARGIN_REL * size:
        return SEARCH
    return WATCH
