"""Ends of refractoriness within a window: taken from the list of the resting, in order of time, and acted upon."""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    MODES,
    N_COUPLED,
    S_THETA,
    S_V_INF,
    S_V_RESET,
    VOLT_ROW,
)
from .factors import chord_test, look, powers, v_rows
from .flow import decay_here, read_row
from .hot import heat
from .lane import (
    BATCH,
    F_FALL,
    F_NOW,
    L_BASE,
    L_REST,
)
from .neuron import S_EXP, S_ROW, activate, margin_now
from .simd import SLACK, address, prefetch
from .stream import (
    CHORD,
)

FETCHED = 3  # so many ends in advance the neurons are fetched


@inner
def decay_ahead(kin, c, modes, endings, n, start, out):
    """out[k, i] = exp(-time / tau_k) for the first `n` ends of refractoriness, as `flow.decay_here`; out[3]: their times."""
    for i in range(n):
        out[3, i] = start - endings[i, 0]
    powers(kin, c, modes, n, out)


@inlined
def take_endings(st, lane, p, end):
    """Move the refractory periods that end before `end` to lane.ending, in order of time. Returns how many."""
    first = lane.pops[p, L_BASE]
    kept, taken = first, first
    for at in range(first, first + lane.pops[p, L_REST]):
        time, j = lane.rest[at, 0], lane.rest[at, 1]
        if time >= end:
            lane.rest[kept, 0], lane.rest[kept, 1] = time, j
            kept += 1
            continue
        to = taken
        while to > first and (lane.ending[to - 1, 0] > time or (lane.ending[to - 1, 0] == time and lane.ending[to - 1, 1] > j)):
            lane.ending[to, 0], lane.ending[to, 1] = lane.ending[to - 1, 0], lane.ending[to - 1, 1]
            to -= 1
        lane.ending[to, 0], lane.ending[to, 1] = time, j
        taken += 1
    lane.pops[p, L_REST] = kept - first
    return taken - first


@inlined
def wake(kin, wir, st, lane, planf, test, p, c, modes, ended, endings, start, scratch):
    """The refractory period number `ended` of `endings` in lane.ending ends."""
    at = lane.pops[p, L_BASE] + ended
    time, j = lane.ending[at, 0], np.uint64(lane.ending[at, 1])
    if ended + FETCHED < endings:
        later = np.int64(lane.ending[at + FETCHED, 1])
        prefetch(address(st.par) + later * (8 * st.par.shape[1]))
        prefetch(address(st.cell) + later * (8 * st.cell.shape[1]))
    e, row = scratch[S_EXP], scratch[S_ROW]
    if kin.i[c, N_COUPLED] == 0:
        if ended & (BATCH - 1) == 0:
            decay_ahead(kin, c, modes, lane.ending[at:], min(endings - ended, BATCH), start, lane.behind)
        for k in range(modes):
            e[k] = lane.behind[k, ended & (BATCH - 1)]
    else:
        decay_here(kin, c, time - start, e)
    read_row(kin, c, time - start, e, kin.f[c, VOLT_ROW], row)
    rest, size = 0.0, 0.0
    for k in range(1, modes):
        term = row[k] * st.cell[j, MODES + k]
        rest += term
        size += abs(term)
    v_inf, theta, v_reset = st.par[j, S_V_INF], st.par[j, S_THETA], st.par[j, S_V_RESET]
    st.cell[j, MODES] = (v_reset - v_inf - rest) / row[0]  # as in `neuron.set_membrane`
    activate(st, j)
    if theta == np.inf:
        return
    if test == CHORD:
        v_rows(kin, planf, p, c, modes, time - start, scratch, lane.factor[F_NOW], lane.factor[F_FALL])
        chord_test(planf, p, lane)
    if (theta - v_reset <= SLACK * (abs(v_reset) + abs(theta) + abs(v_inf) + size)
            and margin_now(kin, wir, st, np.int64(j), time, scratch) >= 0.0):
        heat(st, lane, p, np.int64(j), time, time)
    else:
        look(wir, st, lane, test, p, np.int64(j), time)
