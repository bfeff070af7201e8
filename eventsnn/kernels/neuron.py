"""What an event does to one neuron: arrival, test, spike, end of refractoriness, change of epoch.

Every scheduler, the pure Python one included, uses these functions and no others, so a neuron's arithmetic is the same
sequence of operations everywhere. Times are absolute seconds; T = time - start of the population's epoch.
"""

import numpy as np

from ..jit import jit
from ..layout import ACTIVE, DUE, GENERAL, MARGIN, MODES, NEVER, REFRACTORY
from .crossing import next_crossing
from .flow import decay, dot, move, read_row
from .rolle import WORK_COLUMNS, WORK_ROWS

# rows of the scratch array; the last WORK_ROWS belong to the crossing search
S_EXP, S_ROW, S_X, S_NEW, S_PULL, S_NOW, S_SLOPE, S_HOR, S_HSLOPE = 0, 1, 2, 3, 4, 5, 6, 7, 8
S_WORK = 9
SCRATCH_ROWS, SCRATCH_COLUMNS = S_WORK + WORK_ROWS, WORK_COLUMNS


@jit
def epoch_start(wir, st, p):
    """Absolute time at which the current epoch of population `p` began."""
    return st.epoch[p] * wir.pop_epoch[p] if st.epoch[p] > 0 else 0.0


@jit
def epoch_end(wir, st, p):
    """Absolute time of the next change of epoch of population `p`; inf: never."""
    return (st.epoch[p] + 1) * wir.pop_epoch[p]


@jit
def arrival_row(kin, c, port, time, scratch):
    """scratch[S_PULL] = what an arrival of weight 1 at epoch time `time` adds to the stored modes."""
    decay(kin, c, -time, scratch[S_EXP])
    move(kin, c, -time, scratch[S_EXP], kin.jump[c, port], scratch[S_PULL])


@jit
def margin_row(kin, c, time, scratch, row):
    """scratch[row] = vector that reads V - threshold at epoch time `time`."""
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.margin[c], scratch[row])


@jit
def settle_jump(kin, c, st, j, time, scratch):
    """Add the jump of V collected in this instant; returns it. The modes are as just before the instant."""
    jump = st.pending[j]
    st.pending[j] = 0.0
    if jump != 0.0:
        decay(kin, c, -time, scratch[S_EXP])
        st.cell[j, MODES] += jump * scratch[S_EXP, 0]
    return jump


@jit
def touch(kin, c, st, j, time):
    """Note an own event of a neuron whose crossing search starts at its last event."""
    if kin.solver[c] == GENERAL:
        st.cell[j, st.cell.shape[1] - 1] = time


@jit
def search(kin, wir, st, j, now, scratch):
    """Absolute time of the next crossing of active neuron `j` in this epoch (f(now) < 0 is given), or inf."""
    p = wir.pop_of[j]
    c = wir.cls[j]
    start = epoch_start(wir, st, p)
    since = st.cell[j, st.cell.shape[1] - 1] if kin.solver[c] == GENERAL else 0.0
    t = next_crossing(kin, c, st.cell[j, MARGIN], st.cell[j], MODES, now - start, since, wir.pop_epoch[p],
                      scratch[S_WORK:])
    return max(start + t, now) if t < np.inf else np.inf


@jit
def margin_now(kin, wir, st, j, now, scratch):
    """V - threshold of active neuron `j`."""
    c = wir.cls[j]
    margin_row(kin, c, now - epoch_start(wir, st, wir.pop_of[j]), scratch, S_ROW)
    return st.cell[j, MARGIN] + dot(kin, c, scratch[S_ROW], st.cell[j], MODES)


@jit
def voltage(kin, wir, st, j, now, scratch):
    """V of neuron `j`, from the closed form; v_reset while refractory."""
    if st.status[j] == REFRACTORY and wir.pop_reset[wir.pop_of[j]]:
        return st.v_reset[j]
    c = wir.cls[j]
    time = now - epoch_start(wir, st, wir.pop_of[j])
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.volt[c], scratch[S_ROW])
    return st.v_inf[j] + dot(kin, c, scratch[S_ROW], st.cell[j], MODES)


@jit
def set_membrane(kin, wir, st, j, v, now, scratch):
    """Set the membrane mode such that V = v now; all other modes stay."""
    c = wir.cls[j]
    time = now - epoch_start(wir, st, wir.pop_of[j])
    decay(kin, c, time, scratch[S_EXP])
    read_row(kin, c, time, scratch[S_EXP], kin.volt[c], scratch[S_ROW])
    rest = 0.0
    for k in range(1, kin.n_modes[c]):
        rest += scratch[S_ROW, k] * st.cell[j, MODES + k]
    st.cell[j, MODES] = (v - st.v_inf[j] - rest) / scratch[S_ROW, 0]
    touch(kin, c, st, j, time)


@jit
def activate(st, j):
    """Make a neuron able to fire: its margin constant back in place, nothing due."""
    st.status[j] = ACTIVE
    st.cell[j, MARGIN] = st.v_inf[j] - st.theta[j]
    st.cell[j, DUE] = np.inf


@jit
def release(kin, wir, st, j, now, scratch):
    """End of refractoriness: V leaves v_reset."""
    set_membrane(kin, wir, st, j, st.v_reset[j], now, scratch)
    activate(st, j)


@jit
def spike(kin, wir, st, j, now, scratch):
    """Neuron `j` fires now: x := M x + c, reset, refractoriness. Returns the amplitude of the spike."""
    c = wir.cls[j]
    m = kin.n_modes[c]
    time = now - epoch_start(wir, st, wir.pop_of[j])
    amplitude = kin.amp0[c]
    changes = False
    for k in range(m):
        changes = changes or kin.spike_row[c, k] != 0 or kin.ampv[c, k] != 0.0
    if changes:
        x, new, pulled, e = scratch[S_X], scratch[S_NEW], scratch[S_PULL], scratch[S_EXP]
        decay(kin, c, time, e)
        move(kin, c, time, e, st.cell[j, MODES:], x)
        for k in range(m):
            amplitude += kin.ampv[c, k] * x[k]
            new[k] = x[k]
            if kin.spike_row[c, k]:
                total = kin.spike_offset[c, k]
                for i in range(m):
                    total += kin.spike_matrix[c, k, i] * x[i]
                new[k] = total
        decay(kin, c, -time, e)
        move(kin, c, -time, e, new, pulled)
        for k in range(m):
            changed = kin.spike_row[c, k] != 0
            for q in range(kin.n_coupled[c]):
                if kin.coupled[c, q, 0] == k and kin.spike_row[c, kin.coupled[c, q, 1]]:
                    changed = True
            if changed:
                st.cell[j, MODES + k] = pulled[k]
        touch(kin, c, st, j, time)
    if wir.pop_reset[wir.pop_of[j]]:
        if st.t_ref[j] > 0.0:
            st.status[j] = REFRACTORY
            st.cell[j, MARGIN] = -np.inf
            st.cell[j, DUE] = now + st.t_ref[j]
        else:
            release(kin, wir, st, j, now, scratch)
    else:
        st.cell[j, DUE] = np.inf
    return amplitude


@jit
def rescale(kin, wir, st, j, scratch):
    """Carry the stored modes of neuron `j` over one epoch: X := Phi(L) X."""
    p = wir.pop_of[j]
    c = wir.cls[j]
    if c < 0:
        return
    length = wir.pop_epoch[p]
    decay(kin, c, length, scratch[S_EXP])
    move(kin, c, length, scratch[S_EXP], st.cell[j, MODES:], scratch[S_X])
    for k in range(kin.n_modes[c]):
        st.cell[j, MODES + k] = scratch[S_X, k]
    touch(kin, c, st, j, 0.0)


@jit
def restart(kin, wir, st, j, scratch):
    """After `rescale` and the change of epoch number: what is due in the new epoch. Returns the due time."""
    if st.status[j] == REFRACTORY or st.cell[j, DUE] < np.inf or kin.solver[wir.cls[j]] == NEVER:
        return st.cell[j, DUE]
    start = epoch_start(wir, st, wir.pop_of[j])
    if margin_now(kin, wir, st, j, start, scratch) >= 0.0:
        st.cell[j, DUE] = start
    else:
        st.cell[j, DUE] = search(kin, wir, st, j, start, scratch)
    return st.cell[j, DUE]


@jit
def reaches(kin, wir, st, j, now, scratch):
    """After all arrivals of an instant: whether active neuron `j` is at or above threshold now.

    A jump of V is added to the V of just before, not read back from the stored modes, so that a weight that equals the
    distance to threshold fires exactly.
    """
    p = wir.pop_of[j]
    f = margin_now(kin, wir, st, j, now, scratch)
    if wir.pop_jumps[p]:
        f += settle_jump(kin, wir.cls[j], st, j, now - epoch_start(wir, st, p), scratch)
    touch(kin, wir.cls[j], st, j, now - epoch_start(wir, st, p))
    return f >= 0.0
