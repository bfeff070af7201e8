"""What an event does to one neuron: arrival, test, spike, end of refractoriness, change of epoch.

Every scheduler, the pure Python one included, uses these functions and no others, so a neuron's arithmetic is the same
sequence of operations everywhere. Times are absolute seconds; T = time - start of the population's epoch.
"""

import math

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    AMP0_ROW,
    AMP_ROW,
    COUPLED,
    JUMP_ROW,
    MARGIN,
    MARGIN_ROW,
    MATRIX_ROW,
    MODES,
    N_COUPLED,
    N_MODES,
    OFFSET_ROW,
    P_EPOCH,
    P_HORIZON,
    P_RESET,
    REFRACTORY,
    S_PENDING,
    S_T_REF,
    S_THETA,
    S_V_INF,
    S_V_RESET,
    SPIKE_ROW,
    VOLT_ROW,
)
from .crossing import next_crossing
from .flow import decay, dot, move, read_row
from .rolle import WORK_COLUMNS, WORK_ROWS

# rows of the scratch array; the last WORK_ROWS belong to the crossing search
S_EXP, S_ROW, S_X, S_NEW, S_PULL, S_NOW, S_SLOPE, S_HOR, S_HSLOPE = 0, 1, 2, 3, 4, 5, 6, 7, 8
S_WORK = 9
FAINT = 1e-200
SCRATCH_ROWS, SCRATCH_COLUMNS = S_WORK + WORK_ROWS, WORK_COLUMNS


@inner
def epoch_start(wir, st, p):
    """Absolute time at which the current epoch of population `p` began."""
    return st.pop[p, 0] * wir.popf[p, P_EPOCH] if st.pop[p, 0] > 0 else 0.0


@inner
def epoch_end(wir, st, p):
    """Absolute time of the next change of epoch of population `p`; inf: never."""
    return (st.pop[p, 0] + 1) * wir.popf[p, P_EPOCH]


@inner
def arrival_row(kin, c, port, time, scratch):
    """scratch[S_PULL] = what an arrival of weight 1 at epoch time `time` adds to the stored modes."""
    decay(kin, c, -time, scratch[S_EXP])
    move(kin, c, -time, scratch[S_EXP], kin.f[c, JUMP_ROW + port], scratch[S_PULL])


@inner
def margin_row(kin, c, time, scratch, row):
    """scratch[row] = vector that reads V - threshold at epoch time `time`."""
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, MARGIN_ROW], scratch[row])


@inner
def settle_jump(kin, c, st, j, time, scratch):
    """Add the jump of V collected in this instant; returns it. The modes are as just before the instant."""
    jump = st.par[j, S_PENDING]
    st.par[j, S_PENDING] = 0.0
    if jump != 0.0:
        decay(kin, c, -time, scratch[S_EXP])
        st.cell[j, MODES] += jump * scratch[S_EXP, 0]
    return jump


@inner
def cell_end(wir, st, p, now):
    """Absolute time at which the cell of population `p` ends that `now` lies in.

    Cells are a grid within the epoch. A crossing is looked for from the neuron's last event or the start of the cell, whichever
    is later, to the end of the cell; so what is found does not depend on when it was asked for.
    """
    end = epoch_end(wir, st, p)
    step = wir.popf[p, P_HORIZON]
    if step == np.inf:
        return end
    start = epoch_start(wir, st, p)
    k = np.floor((now - start) / step)
    while start + (k + 1.0) * step <= now:
        k += 1.0
    while start + k * step > now:
        k -= 1.0
    return min(start + (k + 1.0) * step, end)


@inner
def search(kin, wir, st, j, now, scratch):
    """Absolute time of the next crossing of active neuron `j` in the cell (f(now) < 0 is given), or inf.

    `now` must be its last event or the start of the cell.
    """
    p = wir.who[j, 0]
    c = wir.who[j, 1]
    start = epoch_start(wir, st, p)
    until = cell_end(wir, st, p, now) - start
    t = next_crossing(kin, c, st.cell[j, MARGIN], st.cell[j], MODES, now - start, until, scratch[S_WORK:])
    return max(start + t, now) if t < np.inf else np.inf


@inner
def margin_now(kin, wir, st, j, now, scratch):
    """V - threshold of active neuron `j`."""
    c = wir.who[j, 1]
    margin_row(kin, c, now - epoch_start(wir, st, wir.who[j, 0]), scratch, S_ROW)
    return st.cell[j, MARGIN] + dot(kin, c, scratch[S_ROW], st.cell[j], MODES)


@inner
def voltage(kin, wir, st, j, now, scratch):
    """V of neuron `j`, from the closed form; v_reset while refractory."""
    if st.flag[j, 0] == REFRACTORY and wir.pop[wir.who[j, 0], P_RESET]:
        return st.par[j, S_V_RESET]
    c = wir.who[j, 1]
    time = now - epoch_start(wir, st, wir.who[j, 0])
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, VOLT_ROW], scratch[S_ROW])
    return st.par[j, S_V_INF] + dot(kin, c, scratch[S_ROW], st.cell[j], MODES)


@inner
def set_membrane(kin, wir, st, j, v, now, scratch):
    """Set the membrane mode such that V = v now; all other modes stay."""
    c = wir.who[j, 1]
    time = now - epoch_start(wir, st, wir.who[j, 0])
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.f[c, VOLT_ROW], scratch[S_ROW])
    rest = 0.0
    for k in range(1, kin.i[c, N_MODES]):
        rest += scratch[S_ROW, k] * st.cell[j, MODES + k]
    st.cell[j, MODES] = (v - st.par[j, S_V_INF] - rest) / scratch[S_ROW, 0]


@inlined
def activate(st, j):
    """Make a neuron able to fire: its margin constant back in place, nothing due."""
    st.flag[j, 0] = ACTIVE
    st.cell[j, MARGIN] = st.par[j, S_V_INF] - st.par[j, S_THETA]
    st.due[j] = np.inf


@inner
def release(kin, wir, st, j, now, scratch):
    """End of refractoriness: V leaves v_reset."""
    set_membrane(kin, wir, st, j, st.par[j, S_V_RESET], now, scratch)
    activate(st, j)


@inner
def spike(kin, wir, st, j, now, scratch):
    """Neuron `j` fires now: x := M x + c, reset, refractoriness. Returns the amplitude of the spike."""
    c = wir.who[j, 1]
    m = kin.i[c, N_MODES]
    time = now - epoch_start(wir, st, wir.who[j, 0])
    amplitude = kin.f[c, AMP0_ROW, 0]
    changes = False
    for k in range(m):
        changes = changes or kin.i[c, SPIKE_ROW + k] != 0 or kin.f[c, AMP_ROW, k] != 0.0
    if changes:
        x, new, pulled, e = scratch[S_X], scratch[S_NEW], scratch[S_PULL], scratch[S_EXP]
        decay(kin, c, time, e)
        move(kin, c, time, e, st.cell[j, MODES:], x)
        for k in range(m):
            amplitude += kin.f[c, AMP_ROW, k] * x[k]
            new[k] = x[k]
            if kin.i[c, SPIKE_ROW + k]:
                total = kin.f[c, OFFSET_ROW, k]
                for i in range(m):
                    total += kin.f[c, MATRIX_ROW + k, i] * x[i]
                new[k] = total
        decay(kin, c, -time, e)
        move(kin, c, -time, e, new, pulled)
        for k in range(m):
            changed = kin.i[c, SPIKE_ROW + k] != 0
            for q in range(kin.i[c, N_COUPLED]):
                if kin.i[c, COUPLED + 3 * q] == k and kin.i[c, SPIKE_ROW + kin.i[c, COUPLED + 3 * q + 1]]:
                    changed = True
            if changed:
                st.cell[j, MODES + k] = pulled[k]
    if wir.pop[wir.who[j, 0], P_RESET]:
        if st.par[j, S_T_REF] > 0.0:
            st.flag[j, 0] = REFRACTORY
            st.cell[j, MARGIN] = -np.inf
            st.due[j] = now + st.par[j, S_T_REF]
        else:
            release(kin, wir, st, j, now, scratch)
    else:
        st.due[j] = np.inf
    return amplitude


@inlined
def _not_zero(x, before):
    return math.copysign(FAINT, before) if abs(x) < FAINT and before != 0.0 else x


@inner
def rescale(kin, wir, st, first, end, scratch):
    """Carry the stored modes of neurons first to end - 1, all of one population, over one epoch: X := Phi(L) X.

    A mode never decays to zero: a V that approaches its threshold for ever must not touch it by underflow.
    """
    known, e, x = np.int64(-1), scratch[S_EXP], scratch[S_X]
    for j in range(first, end):
        c = wir.who[j, 1]
        if c < 0:
            return
        length = wir.popf[wir.who[j, 0], P_EPOCH]
        if c != known:
            decay(kin, c, length, e)
            known = c
        if kin.i[c, N_COUPLED] == 0:
            for k in range(kin.i[c, N_MODES]):
                st.cell[j, MODES + k] = _not_zero(st.cell[j, MODES + k] * e[k], st.cell[j, MODES + k])
        else:
            move(kin, c, length, e, st.cell[j, MODES:], x)
            for k in range(kin.i[c, N_MODES]):
                st.cell[j, MODES + k] = _not_zero(x[k], st.cell[j, MODES + k])


@inner
def reaches(kin, wir, st, j, now, scratch):
    """After all arrivals of an instant: whether a jump of V has carried active neuron `j` to its threshold.

    Without a jump V is continuous at arrivals, and only a crossing can fire. The jump is added to the V of just before,
    not read back from the stored modes, so a weight that equals the distance to threshold fires exactly.
    """
    p = wir.who[j, 0]
    c = wir.who[j, 1]
    time = now - epoch_start(wir, st, p)
    fires = False
    if st.par[j, S_PENDING] != 0.0:
        f = margin_now(kin, wir, st, j, now, scratch)
        fires = f + settle_jump(kin, c, st, j, time, scratch) >= 0.0
    return fires
