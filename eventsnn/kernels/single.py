"""Single operations callable from Python: for the reference scheduler, state access and changes by the user.

The loops use the same functions without these wrappers, whose compile time only those pay who need them.
"""

import numpy as np

from ..jit import kernel
from ..layout import (
    ACTIVE,
    COUPLED,
    GAIN_ROW,
    J_KIND,
    J_SCALAR,
    MARGIN,
    MARGIN_ROW,
    MODES,
    N_COUPLED,
    N_MODES,
    P_FIRES,
    PROCEDURAL,
    RATE_HI,
    S_THETA,
    S_V_INF,
    WATCHED,
)
from . import fanout, flow, neuron, plastic
from .neuron import S_EXP, S_X


@kernel
def arrival_row(kin, c, port, time, scratch):
    """See `neuron.arrival_row`."""
    neuron.arrival_row(kin, c, port, time, scratch)


@kernel
def margin_now(kin, wir, st, j, now, scratch):
    """See `neuron.margin_now`."""
    return neuron.margin_now(kin, wir, st, j, now, scratch)


@kernel
def search(kin, wir, st, j, now, scratch):
    """See `neuron.search`."""
    return neuron.search(kin, wir, st, j, now, scratch)


@kernel
def reaches(kin, wir, st, j, now, scratch):
    """See `neuron.reaches`."""
    return neuron.reaches(kin, wir, st, j, now, scratch)


@kernel
def spike(kin, wir, st, j, now, scratch):
    """See `neuron.spike`."""
    return neuron.spike(kin, wir, st, j, now, scratch)


@kernel
def release(kin, wir, st, j, now, scratch):
    """See `neuron.release`."""
    neuron.release(kin, wir, st, j, now, scratch)


@kernel
def rescale(kin, wir, st, j, scratch):
    """See `neuron.rescale`, for neuron `j`."""
    neuron.rescale(kin, wir, st, j, j + 1, scratch)


@kernel
def voltages(kin, wir, st, ids, now, scratch, found):
    """found[i] = V of neuron ids[i], see `neuron.voltage`."""
    for i in range(ids.size):
        found[i] = neuron.voltage(kin, wir, st, ids[i], now, scratch)


@kernel
def set_membrane(kin, wir, st, j, v, now, scratch):
    """See `neuron.set_membrane`."""
    neuron.set_membrane(kin, wir, st, j, v, now, scratch)


@kernel
def synapses(wir, k, source, at, stop, target, weight):
    """Write targets and weights of positions `at` to `stop` - 1 of a row; returns how many."""
    if wir.proj[k, J_KIND] == PROCEDURAL:
        n = fanout.drawn_part(wir, k, source, at, target, weight)
        if not fanout.weights_drawn(wir, k):
            weight[:n] = wir.projf[k, J_SCALAR]
        return n
    for i in range(at, stop):
        target[i - at] = fanout.target_of(wir, k, i)
        weight[i - at] = fanout.weight_of(wir, k, source, i)
    return stop - at


@kernel
def row_span(wir, k, source, shard):
    """See `fanout.row_span`."""
    return fanout.row_span(wir, k, source, shard)


@kernel
def run_end(wir, k, at, stop):
    """See `fanout.run_end`."""
    return fanout.run_end(wir, k, at, stop)


@kernel
def delay_of(wir, k, at):
    """See `fanout.delay_of`."""
    return fanout.delay_of(wir, k, at)


@kernel
def cell_end(wir, st, p, now):
    """See `neuron.cell_end`."""
    return neuron.cell_end(wir, st, p, now)


@kernel
def modes_of(kin, wir, st, ids, now, scratch, found):
    """found[i] = modes of neuron ids[i] at time `now`."""
    for i in range(ids.size):
        c = wir.who[ids[i], 1]
        time = now - neuron.epoch_start(wir, st, wir.who[ids[i], 0])
        flow.decay(kin, c, time, scratch[S_EXP])
        flow.move(kin, c, time, scratch[S_EXP], st.cell[ids[i], MODES:], scratch[S_X])
        for k in range(found.shape[1]):
            found[i, k] = scratch[S_X, k]


@kernel
def learn_row(wir, st, k, source, first, end, now):
    """See `plastic.learn_row`."""
    plastic.learn_row(wir, st, k, source, first, end, now)


@kernel
def learn_column(wir, st, p, j, now):
    """See `plastic.learn_column`."""
    plastic.learn_column(wir, st, p, j, now)


@kernel
def learn_all(wir, st, r, now):
    """See `plastic.learn_all`."""
    plastic.learn_all(wir, st, r, now)


@kernel
def bring(wir, st, r, now):
    """See `plastic.bring`."""
    plastic.bring(wir, st, r, now)


@kernel
def adapt_all(wir, st, r, now, out):
    """See `plastic.adapt_all`."""
    plastic.adapt_all(wir, st, r, now, out)


@kernel
def could_fire(kin, wir, st, now, scratch):
    """Whether any active neuron may still reach its threshold without input, at any later time.

    Bounds V by the positive terms, and a coupled mode by the whole integral of its driver.
    """
    for j in range(st.flag.shape[0]):
        c = wir.who[j, 1]
        if c < 0 or st.flag[j, 0] != ACTIVE or st.cell[j, MARGIN] == -np.inf:
            continue
        if st.cell[j, MARGIN] > 0.0:
            return True
        time = now - neuron.epoch_start(wir, st, wir.who[j, 0])
        flow.decay(kin, c, time, scratch[S_EXP])
        flow.move(kin, c, time, scratch[S_EXP], st.cell[j, MODES:], scratch[S_X])
        bound = st.cell[j, MARGIN]
        for k in range(kin.i[c, N_MODES]):
            bound += max(0.0, kin.f[c, MARGIN_ROW, k] * scratch[S_X, k])
        for q in range(kin.i[c, N_COUPLED]):
            slave, driver, order = (kin.i[c, COUPLED + 3 * q], kin.i[c, COUPLED + 3 * q + 1],
                                    kin.i[c, COUPLED + 3 * q + 2])
            push = kin.f[c, MARGIN_ROW, slave] * kin.f[c, GAIN_ROW, q] * scratch[S_X, driver]
            if push > 0.0:
                bound += push / kin.f[c, RATE_HI, slave] ** order if kin.f[c, RATE_HI, slave] > 0.0 else np.inf
        if bound >= 0.0 and (kin.i[c, N_MODES] > 1 or bound == np.inf):
            return True
    return False


@kernel
def change(kin, wir, st, first, v_inf, bias, now, scratch):
    """New v_inf [n] and thresholds of neurons `first` on: V is continuous, except for a `bias`; what is due is found.

    Neurons for which nothing is new are left as they are.
    """
    for i in range(v_inf.size):
        j = first + i
        if v_inf[i] == st.par[j, S_V_INF] and st.cell[j, MARGIN] == v_inf[i] - st.par[j, S_THETA]:
            continue
        if v_inf[i] != st.par[j, S_V_INF]:
            v = neuron.voltage(kin, wir, st, j, now, scratch)
            st.par[j, S_V_INF] = v_inf[i]
            if not bias and st.flag[j, 0] == ACTIVE:
                neuron.set_membrane(kin, wir, st, j, v, now, scratch)
        if st.flag[j, 0] != ACTIVE:
            continue
        st.cell[j, MARGIN] = st.par[j, S_V_INF] - st.par[j, S_THETA]
        above = neuron.margin_now(kin, wir, st, j, now, scratch) >= 0.0
        st.due[j] = now if above else neuron.search(kin, wir, st, j, now, scratch)
        if st.due[j] == np.inf and wir.pop[wir.who[j, 0], P_FIRES]:
            st.flag[j, 1] = WATCHED
