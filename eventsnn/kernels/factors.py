"""What the tests of `stream` are made of: the plan of a population, and the factors for one cell or one row."""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    MARGIN,
    MARGIN_ROW,
    MODES,
    N_COUPLED,
    RATE_HI,
    RATE_LO,
    SLOPE_ROW,
)
from .elementary import exp, growth
from .flow import decay_here, read_row
from .hot import heat
from .lane import (
    F_FALL,
    F_NOW,
    F_TEST,
)
from .neuron import S_EXP, S_ROW, S_SLOPE
from .stream import (
    END,
    trips,
)

# plan[p, ...]: which test, or GENERAL_PATH, SOURCE, MIXED or WIDE; whether a spike does nothing but reset V;
# whether its spikes are wanted
W_TEST, W_PLAIN, W_KEEP, W_COLUMNS = 0, 1, 2, 3
GENERAL_PATH, SOURCE, MIXED, WIDE = 3, 4, 5, 6
# planf[p, ...]: shortest refractory period, distance that END and CHORD keep from the threshold, chords (three of: factor of V,
# of its slope), and what makes the terms of V their steepest falls over a cell (at its end, at its start)
W_T_REF, W_NEAR, W_CHORD, W_FALL, WF_COLUMNS = 0, 1, 2, 8, 14
W_DELTA = W_CHORD  # MIXED: largest difference of rates within a coupled pair
W_WIDE = W_CHORD  # WIDE: as W_FALL, four modes each


@inlined
def v_rows(kin, planf, p, c, modes, time, scratch, row, fall):
    """row: what reads V - threshold at epoch time `time`; fall: see `hot.crossed`, over the length of a cell before it."""
    decay_here(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, MARGIN_ROW], scratch[S_ROW])
    for k in range(modes):
        row[k] = scratch[S_ROW, k]
    for k in range(modes, 3):
        row[k] = 0.0
    if modes < 3:
        read_row(kin, c, time, scratch[S_EXP], kin.f[c, SLOPE_ROW], scratch[S_SLOPE])
        for k in range(6):
            fall[k] = scratch[S_SLOPE, k] if k < modes else 0.0
    else:
        for k in range(3):
            fall[k], fall[3 + k] = planf[p, W_FALL + k] * row[k], planf[p, W_FALL + 3 + k] * row[k]


@inlined
def v_rows_here(kin, planf, p, c, modes, time, growth, scratch, row, fall):
    """As `v_rows`, from the factors exp(time/tau) that are known already: for tests, which need no last digits."""
    if kin.i[c, N_COUPLED] > 0:
        v_rows(kin, planf, p, c, modes, time, scratch, row, fall)
        return
    for k in range(modes):
        decayed = 1.0 / growth[k]
        row[k] = kin.f[c, MARGIN_ROW, k] * decayed
        if modes < 3:
            fall[k] = kin.f[c, SLOPE_ROW, k] * decayed
    if modes == 3:
        for k in range(3):
            fall[k], fall[3 + k] = planf[p, W_FALL + k] * row[k], planf[p, W_FALL + 3 + k] * row[k]


@inner
def powers(kin, c, modes, n, out):
    """out[k, i] = exp(out[3, i] / tau_k) for the first `n` times in out[3]: many exponentials at once."""
    times = out[3]
    for k in range(modes):
        high, low, row = kin.f[c, RATE_HI, k], kin.f[c, RATE_LO, k], out[k]
        for i in range(np.uint64(n)):
            row[i] = growth(times[i], high, low)


@inlined
def cell_test(kin, planf, p, c, modes, test, here, there, lane, scratch):
    """Factors of the tests END and CELL from epoch time `here` to the end of the cell, `there`."""
    f = lane.factor[F_TEST]
    v_rows(kin, planf, p, c, modes, there, scratch, lane.factor[F_TEST], lane.factor[F_FALL])
    fall = lane.factor[F_FALL]
    for k in range(3):
        if test == END:
            f[3 + k] = f[6 + k] = -planf[p, W_NEAR]
        elif modes < 3:
            f[3 + k] = f[6 + k] = -fall[k] * (there - here)  # V is concave from its maximum to the end of the cell
        else:
            part = kin.f[c, RATE_HI, k] * (there - here)
            f[3 + k], f[6 + k] = part * f[k], part * f[k] * exp(part)


@inlined
def chord_test(planf, p, lane):
    """Factors of the test CHORD from the rows of V and its slope now."""
    f, row, slope = lane.factor[F_TEST], lane.factor[F_NOW], lane.factor[F_FALL]
    for k in range(3):
        along, up = planf[p, W_CHORD + 2 * k], planf[p, W_CHORD + 2 * k + 1]
        f[2 * k] = along * row[0] + up * slope[0]
        f[2 * k + 1] = along * row[1] + up * slope[1]
    f[6] = -planf[p, W_NEAR]


@inlined
def look(wir, st, lane, test, p, j, now):
    """Make active neuron `j` hot if it may cross."""
    m = st.cell[j, MARGIN]
    if m > -np.inf and trips(test, m, st.cell[j, MODES], st.cell[j, MODES + 1], st.cell[j, MODES + 2], lane.factor[F_TEST]):
        heat(st, lane, p, j, now, np.nan)
