"""Fan-out: deliver one row of synapses to the stored modes of its targets. One multiply-add per mode and synapse."""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    CLASS8,
    CLASS16,
    CONVOLUTION,
    CSR_F32,
    CSR_F64,
    CSR_SCALAR,
    DENSE_F32,
    DENSE_F64,
    DV_ROW,
    J_AT,
    J_DELAY,
    J_DELAYS,
    J_KIND,
    J_OUT,
    J_PORT,
    J_ROW,
    J_SCALAR,
    J_SHARDS,
    J_TABLE,
    J_TARGET,
    J_WEIGHT,
    MODES,
    N_MODES,
    P_CLASS,
    P_FIRST,
    P_JUMPS,
    P_OUT,
    PROCEDURAL,
    S_PENDING,
    UNIFORM,
)
from .convolution import convolution_row
from .draw import KIND, NORMAL, draw_row
from .groups import part
from .neuron import S_PULL, arrival_row, epoch_start
from .simd import address, prefetch, same_bytes


@inlined
def row_span(wir, k, source, shard):
    """(first, end) of the part of row `source` (local id) of projection `k` that belongs to `shard`.

    Positions in `post`; of dense projections target ids; of procedural ones the number of the shard.
    """
    kind = wir.proj[k, J_KIND]
    if kind == PROCEDURAL:
        return shard, shard + 1
    if kind == DENSE_F32 or kind == DENSE_F64:
        return part(wir, wir.proj[k, J_TARGET], shard, wir.proj[k, J_SHARDS])
    at = wir.proj[k, J_ROW] + source * wir.proj[k, J_SHARDS] + shard
    return wir.row[at], wir.row[at + 1]


@inlined
def prefetch_rows(wir, shard, p, j):
    """Ask for the row pointers of neuron `j` of population `p`, which are needed when it spikes."""
    source = j - wir.pop[p, P_FIRST]
    for o in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[o, J_OUT]
        prefetch(address(wir.row) + 8 * (wir.proj[k, J_ROW] + source * wir.proj[k, J_SHARDS] + shard))


@inlined
def prefetch_delay(wir, k, at):
    """Ask for the delay of the synapse at position `at` of projection `k`."""
    kind = wir.proj[k, J_DELAYS]
    i = wir.proj[k, J_AT] + at
    if kind == CLASS8:
        prefetch(address(wir.d8) + i)
    elif kind == CLASS16:
        prefetch(address(wir.d16) + 2 * i)
    elif kind != UNIFORM:
        prefetch(address(wir.delay) + 8 * i)


@inlined
def prefetch_delays(wir, shard, p, j):
    """Ask for the first delays of the rows of neuron `j` of population `p`; to be called after `prefetch_rows`."""
    for o in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[o, J_OUT]
        if wir.proj[k, J_DELAYS] != UNIFORM:
            prefetch_delay(wir, k, row_span(wir, k, j - wir.pop[p, P_FIRST], shard)[0])


@inlined
def shards(wir):
    """Number of shards that the rows are cut into."""
    return wir.proj[0, J_SHARDS] if wir.proj.shape[0] > 0 else 1


@inlined
def delay_of(wir, k, at):
    """Delay of the synapse at position `at` of projection `k`, s."""
    kind = wir.proj[k, J_DELAYS]
    if kind == UNIFORM:
        return wir.projf[k, J_DELAY]
    i = wir.proj[k, J_AT] + at
    if kind == CLASS8:
        return wir.delay[wir.proj[k, J_TABLE] + np.int64(wir.d8[i])]
    if kind == CLASS16:
        return wir.delay[wir.proj[k, J_TABLE] + np.int64(wir.d16[i])]
    return wir.delay[i]


@inlined
def run_end(wir, k, at, stop):
    """First position after `at` whose delay differs from the one there, at most `stop`."""
    kind = wir.proj[k, J_DELAYS]
    if kind == UNIFORM:
        return stop
    shift = wir.proj[k, J_AT]
    i = at + 1
    if kind == CLASS8:
        same = np.int64(1)
        while i < stop and same > 0:
            same = same_bytes(address(wir.d8) + shift + i, wir.d8[shift + at])
            i += same
        return min(i, stop)
    if kind == CLASS16:
        while i < stop and wir.d16[shift + i] == wir.d16[shift + at]:
            i += 1
    else:
        while i < stop and wir.delay[shift + i] == wir.delay[shift + at]:
            i += 1
    return i


@inner
def target_of(wir, k, i):
    """Global id of the target at position `i` of `row_span` (no procedural projections)."""
    if wir.proj[k, J_KIND] == DENSE_F32 or wir.proj[k, J_KIND] == DENSE_F64:
        return np.uint64(i)
    return np.uint64(wir.post[i])


@inner
def weight_of(wir, k, source, i):
    """Weight at position `i` of `row_span`, in double precision (no procedural projections)."""
    kind = wir.proj[k, J_KIND]
    if kind == CSR_SCALAR:
        return wir.projf[k, J_SCALAR]
    if kind == CSR_F32:
        return np.float64(wir.w32[wir.proj[k, J_WEIGHT] + i])
    if kind == CSR_F64:
        return wir.w64[wir.proj[k, J_WEIGHT] + i]
    first = wir.pop[wir.proj[k, J_TARGET], P_FIRST]
    at = wir.proj[k, J_WEIGHT] + source * (wir.pop[wir.proj[k, J_TARGET] + 1, P_FIRST] - first) + (i - first)
    if kind == DENSE_F32:
        return np.float64(wir.w32[at])
    return wir.w64[at]


@inlined
def weights_drawn(wir, k):
    """Whether the weights of procedural projection `k` are drawn; one number otherwise."""
    row = wir.words[wir.proj[k, J_ROW]]
    return row[KIND] == np.uint64(CONVOLUTION) or row[NORMAL] != np.uint64(0)


@inner
def drawn_part(wir, k, source, shard, targets, weights):
    """Draw row `source` (local id) of procedural projection `k`: what lies in `shard` remains. Returns how many synapses.

    targets : u4, global ids; weights : f8, written where they are drawn. Both have room for the longest row.
    """
    row, p, parts = wir.proj[k, J_ROW], wir.proj[k, J_TARGET], wir.proj[k, J_SHARDS]
    if wir.words[row, KIND] == np.uint64(CONVOLUTION):
        at = wir.proj[k, J_WEIGHT]
        if wir.reals[row, 0] == 0.0:
            n = convolution_row(wir.words[row], wir.w32[at:], source, targets, weights)
        else:
            n = convolution_row(wir.words[row], wir.w64[at:], source, targets, weights)
    else:
        n = np.int64(draw_row(wir.words[row], wir.reals[row], source, 0, targets, weights))
    first = wir.pop[p, P_FIRST]
    if parts == 1:
        for i in range(n):
            targets[i] = np.uint32(targets[i] + first)
        return n
    low, high = part(wir, p, shard, parts)
    kept = 0
    for i in range(n):
        j = np.int64(targets[i]) + first
        if low <= j < high:
            targets[kept], weights[kept] = np.uint32(j), weights[i]
            kept += 1
    return kept


@inner
def _collect_jump(st, j, jump, instant, touched, n_touched):
    if st.stamp[j] != instant:
        st.stamp[j] = instant
        st.par[j, S_PENDING] = 0.0
        touched[n_touched] = j
        n_touched += 1
    st.par[j, S_PENDING] += jump
    return n_touched


@inlined
def _deliver_two(wir, st, k, source, first, end, a, b, at_a, at_b, q, drawn_id, drawn_weight):
    """The hot loops: arrivals that change the columns `at_a` and `at_b` only, one class per population, no jump of V."""
    kind, shift, post, w64 = wir.proj[k, J_KIND], wir.proj[k, J_WEIGHT], wir.post, wir.w64
    cell = st.cell
    if kind == PROCEDURAL:
        kind, shift, post, w64 = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR, np.int64(0), drawn_id, drawn_weight
    lo, hi = np.uint64(first), np.uint64(end)
    if kind == CSR_SCALAR:
        w = wir.projf[k, J_SCALAR] * q
        wa, wb = w * a, w * b
        for i in range(lo, hi):
            j = np.uint64(post[i])
            cell[j, at_a] += wa
            cell[j, at_b] += wb
    elif kind == CSR_F32:
        for i in range(lo, hi):
            j = np.uint64(post[i])
            w = np.float64(wir.w32[np.uint64(shift + np.int64(i))]) * q
            cell[j, at_a] += w * a
            cell[j, at_b] += w * b
    elif kind == CSR_F64:
        for i in range(lo, hi):
            j = np.uint64(post[i])
            w = w64[np.uint64(shift + np.int64(i))] * q
            cell[j, at_a] += w * a
            cell[j, at_b] += w * b
    else:
        at = wir.pop[wir.proj[k, J_TARGET], P_FIRST]
        shift += source * (wir.pop[wir.proj[k, J_TARGET] + 1, P_FIRST] - at) - at
        if kind == DENSE_F32:
            for j in range(lo, hi):
                w = np.float64(wir.w32[np.uint64(shift + np.int64(j))]) * q
                cell[j, at_a] += w * a
                cell[j, at_b] += w * b
        else:
            for j in range(lo, hi):
                w = wir.w64[np.uint64(shift + np.int64(j))] * q
                cell[j, at_a] += w * a
                cell[j, at_b] += w * b


@inlined
def _columns(m, pulled):
    """Two different modes such that `pulled` is zero elsewhere, the smaller first; (0, 0) if there are none."""
    if m < 2:
        return 0, 0
    low, high, count = m, 0, 0
    for i in range(m):
        if pulled[i] != 0.0:
            low, high = min(low, i), i
            count += 1
    if count > 2:
        return 0, 0
    if count < 2:
        high = max(high, 1)
        low = high - 1
    return low, high


@inlined
def deliver(kin, wir, st, k, source, first, end, now, q, instant, touched, n_touched, scratch, drawn_id, drawn_weight):
    """Add the arrivals of projection `k`, row `source`, positions [first, end), amplitude `q`, at time `now`.

    Of procedural projections these are positions in `drawn_id` and `drawn_weight`, see `drawn_part`. Jumps of V are collected
    in `pending`, and their neurons listed in `touched`; returns the length of that list.
    """
    p = wir.proj[k, J_TARGET]
    time = now - epoch_start(wir, st, p)
    c = wir.pop[p, P_CLASS]
    jumps = wir.pop[p, P_JUMPS] != 0
    port = wir.proj[k, J_PORT]
    pulled = scratch[S_PULL]
    if c >= 0:
        arrival_row(kin, c, port, time, scratch)
        if not jumps:
            at_a, at_b = _columns(kin.i[c, N_MODES], pulled)
            if at_b > 0:
                _deliver_two(wir, st, k, source, first, end, pulled[at_a], pulled[at_b], MODES + at_a, MODES + at_b, q,
                             drawn_id, drawn_weight)
                return n_touched
    known, drawn = c, wir.proj[k, J_KIND] == PROCEDURAL
    scalar = drawn and not weights_drawn(wir, k)
    for i in range(first, end):
        j = np.uint64(drawn_id[i]) if drawn else target_of(wir, k, i)
        if c < 0 and wir.who[j, 1] != known:
            known = wir.who[j, 1]
            arrival_row(kin, known, port, time, scratch)
        w = wir.projf[k, J_SCALAR]
        if drawn and not scalar:
            w = drawn_weight[i]
        elif not drawn:
            w = weight_of(wir, k, source, i)
        w *= q
        if jumps:
            n_touched = _collect_jump(st, j, w * kin.f[known, DV_ROW, port], instant, touched, n_touched)
        for m in range(kin.i[known, N_MODES]):
            st.cell[j, MODES + m] += w * pulled[m]
    return n_touched
