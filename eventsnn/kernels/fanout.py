"""Fan-out: deliver one row of synapses to the stored modes of its targets. One multiply-add per mode and synapse."""

import numpy as np

from ..jit import jit
from ..layout import CSR_F32, CSR_F64, CSR_SCALAR, DENSE_F32, MODES
from .neuron import S_PULL, arrival_row, epoch_start


@jit
def row_length(wir, k, source):
    """Number of synapses of row `source` (local id) of projection `k`."""
    if wir.kind[k] >= DENSE_F32:
        return wir.pop_first[wir.target[k] + 1] - wir.pop_first[wir.target[k]]
    at = wir.row_first[k] + source
    return wir.row[at + 1] - wir.row[at]


@jit
def span(wir, k, source, group):
    """(first, end) of the synapses to deliver: positions in `post` (CSR) or target ids (dense)."""
    if wir.kind[k] >= DENSE_F32:
        return wir.pop_first[wir.target[k]], wir.pop_first[wir.target[k] + 1]
    at = wir.row_first[k] + source
    if group < 0:
        return wir.row[at], wir.row[at + 1]
    return wir.group_start[group], min(wir.group_start[group + 1], wir.row[at + 1])


@jit
def target_of(wir, k, i):
    """Global id of the target at position `i` of `span`."""
    if wir.kind[k] >= DENSE_F32:
        return np.uint64(i)
    return np.uint64(wir.post[i])


@jit
def weight_of(wir, k, source, i):
    """Weight at position `i` of `span`, in double precision."""
    kind = wir.kind[k]
    if kind == CSR_SCALAR:
        return wir.scalar[k]
    if kind == CSR_F32:
        return np.float64(wir.w32[wir.weight_first[k] + i])
    if kind == CSR_F64:
        return wir.w64[wir.weight_first[k] + i]
    first = wir.pop_first[wir.target[k]]
    at = wir.weight_first[k] + source * (wir.pop_first[wir.target[k] + 1] - first) + (i - first)
    if kind == DENSE_F32:
        return np.float64(wir.w32[at])
    return wir.w64[at]


@jit
def _collect_jump(st, j, jump, instant, touched, n_touched):
    if st.stamp[j] != instant:
        st.stamp[j] = instant
        st.pending[j] = 0.0
        touched[n_touched] = j
        n_touched += 1
    st.pending[j] += jump
    return n_touched


@jit
def _deliver_two(wir, st, k, source, first, end, a, b, q):
    """The hot loops: classes of at most two modes, one class per population, no jump of V."""
    kind = wir.kind[k]
    cell = st.cell
    lo, hi = np.uint64(first), np.uint64(end)
    if kind == CSR_SCALAR:
        w = wir.scalar[k] * q
        wa, wb = w * a, w * b
        for i in range(lo, hi):
            j = np.uint64(wir.post[i])
            cell[j, MODES] += wa
            cell[j, MODES + 1] += wb
    elif kind == CSR_F32:
        shift = wir.weight_first[k]
        for i in range(lo, hi):
            j = np.uint64(wir.post[i])
            w = np.float64(wir.w32[np.uint64(shift + np.int64(i))]) * q
            cell[j, MODES] += w * a
            cell[j, MODES + 1] += w * b
    elif kind == CSR_F64:
        shift = wir.weight_first[k]
        for i in range(lo, hi):
            j = np.uint64(wir.post[i])
            w = wir.w64[np.uint64(shift + np.int64(i))] * q
            cell[j, MODES] += w * a
            cell[j, MODES + 1] += w * b
    else:
        shift = wir.weight_first[k] + source * (end - first) - first
        if kind == DENSE_F32:
            for j in range(lo, hi):
                w = np.float64(wir.w32[np.uint64(shift + np.int64(j))]) * q
                cell[j, MODES] += w * a
                cell[j, MODES + 1] += w * b
        else:
            for j in range(lo, hi):
                w = wir.w64[np.uint64(shift + np.int64(j))] * q
                cell[j, MODES] += w * a
                cell[j, MODES + 1] += w * b


@jit
def deliver(kin, wir, st, k, source, first, end, now, q, instant, touched, n_touched, scratch):
    """Add the arrivals of projection `k`, row `source`, positions [first, end), amplitude `q`, at time `now`.

    Jumps of V are collected in `pending`, and their neurons listed in `touched`; returns the length of that list.
    """
    p = wir.target[k]
    time = now - epoch_start(wir, st, p)
    c = wir.pop_class[p]
    jumps = wir.pop_jumps[p] != 0
    port = wir.port[k]
    pulled = scratch[S_PULL]
    if c >= 0:
        arrival_row(kin, c, port, time, scratch)
        if kin.n_modes[c] == 2 and not jumps:
            _deliver_two(wir, st, k, source, first, end, pulled[0], pulled[1], q)
            return n_touched
    known = c
    for i in range(first, end):
        j = target_of(wir, k, i)
        if c < 0 and wir.cls[j] != known:
            known = wir.cls[j]
            arrival_row(kin, known, port, time, scratch)
        w = weight_of(wir, k, source, i) * q
        if jumps:
            n_touched = _collect_jump(st, j, w * kin.dv[known, port], instant, touched, n_touched)
        for m in range(kin.n_modes[known]):
            st.cell[j, MODES + m] += w * pulled[m]
    return n_touched
