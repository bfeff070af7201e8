"""Arrivals of one step of grid time: every row that has come is added to the sums of its targets."""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    CSR_F32,
    CSR_F64,
    CSR_SCALAR,
    DENSE_F32,
    DENSE_F64,
    J_KIND,
    J_PORT,
    J_ROW,
    J_SCALAR,
    J_TARGET,
    J_WEIGHT,
    P_FIRST,
    PROCEDURAL,
)
from .convolution import convolution_sum, unfold
from .fanout import delay_of, drawn_part, run_end, weights_drawn
from .lattice_calendar import FREE, N_ENTRIES, NOBODY, SWEEPING, put
from .lattice_neuron import G_CONVOLUTION


@inlined
def _add(step, ports, j, port, w, now, n):
    if step.mark[j] != now:
        step.mark[j] = now
        for q in range(ports):
            step.sums[q, j] = 0.0
        step.touched[n] = np.int64(j)
        n += 1
    step.sums[port, j] += w
    return n


@inlined
def deliver_row(wir, step, k, source, first, end, amplitude, ports, now, n):
    """Add the arrivals of one run of synapses to the sums; returns the length of the list of touched neurons."""
    kind, port, shift, post, w64 = wir.proj[k, J_KIND], wir.proj[k, J_PORT], wir.proj[k, J_WEIGHT], wir.post, wir.w64
    if kind == PROCEDURAL:
        kind, shift, post, w64 = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR, np.int64(0), step.drawn_id, step.drawn_weight
    lo, hi = np.uint64(first), np.uint64(end)
    if kind == CSR_SCALAR:
        w = wir.projf[k, J_SCALAR] * amplitude
        for i in range(lo, hi):
            n = _add(step, ports, np.uint64(post[i]), port, w, now, n)
    elif kind == CSR_F32:
        for i in range(lo, hi):
            w = np.float64(wir.w32[np.uint64(shift + np.int64(i))]) * amplitude
            n = _add(step, ports, np.uint64(post[i]), port, w, now, n)
    elif kind == CSR_F64:
        for i in range(lo, hi):
            n = _add(step, ports, np.uint64(post[i]), port, w64[np.uint64(shift + np.int64(i))] * amplitude, now, n)
    else:
        p = wir.proj[k, J_TARGET]
        shift += source * (wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]) - wir.pop[p, P_FIRST]
        if kind == DENSE_F32:
            for j in range(lo, hi):
                n = _add(step, ports, j, port, np.float64(wir.w32[np.uint64(shift + np.int64(j))]) * amplitude, now, n)
        elif kind == DENSE_F64:
            for j in range(lo, hi):
                n = _add(step, ports, j, port, wir.w64[np.uint64(shift + np.int64(j))] * amplitude, now, n)
    return n


@inlined
def sum_row(wir, step, k, source, first, end, amplitude):
    """As `deliver_row`, for a population that is swept as a whole: nothing is marked or listed."""
    kind, shift, post, w64 = wir.proj[k, J_KIND], wir.proj[k, J_WEIGHT], wir.post, wir.w64
    sums = step.sums[wir.proj[k, J_PORT]]
    if kind == PROCEDURAL:
        kind, shift, post, w64 = CSR_F64 if weights_drawn(wir, k) else CSR_SCALAR, np.int64(0), step.drawn_id, step.drawn_weight
    lo, hi = np.uint64(first), np.uint64(end)
    if kind == CSR_SCALAR:
        w = wir.projf[k, J_SCALAR] * amplitude
        for i in range(lo, hi):
            sums[np.uint64(post[i])] += w
    elif kind == CSR_F32:
        for i in range(lo, hi):
            sums[np.uint64(post[i])] += np.float64(wir.w32[np.uint64(shift + np.int64(i))]) * amplitude
    elif kind == CSR_F64:
        for i in range(lo, hi):
            sums[np.uint64(post[i])] += w64[np.uint64(shift + np.int64(i))] * amplitude
    else:
        p = wir.proj[k, J_TARGET]
        shift += source * (wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]) - wir.pop[p, P_FIRST]
        part = sums[first:end]
        if kind == DENSE_F32:
            w32 = wir.w32[shift + first:shift + end]
            for i in range(np.uint64(part.size)):
                part[i] += np.float64(w32[i]) * amplitude
        elif kind == DENSE_F64:
            w64 = wir.w64[shift + first:shift + end]
            for i in range(np.uint64(part.size)):
                part[i] += w64[i] * amplitude


@inlined
def _convolve(wir, step, k, source, amplitude):
    """Add a row of convolution `k` to `step.places`; returns its length."""
    row, at, p = wir.proj[k, J_ROW], wir.proj[k, J_WEIGHT], wir.proj[k, J_TARGET]
    places = step.places[wir.pop[p, P_FIRST]:wir.pop[p + 1, P_FIRST]]
    if wir.reals[row, 0] == 0.0:
        return convolution_sum(wir.words[row], wir.w32[at:], source, amplitude, places)
    return convolution_sum(wir.words[row], wir.w64[at:], source, amplitude, places)


@inner
def arrivals(grid, wir, st, cal, step, p, ports, now, dt):
    """Deliver the bucket of this step of population `p`; returns how many neurons were touched, if swept, how many synapses."""
    ring, n, sweeping = now & (cal.head.shape[1] - 1), np.int64(0), cal.mood[p, SWEEPING]
    if sweeping:
        for q in range(ports):
            for j in range(np.uint64(wir.pop[p, P_FIRST]), np.uint64(wir.pop[p + 1, P_FIRST])):
                step.sums[q, j] = 0.0
    slot = cal.head[p, ring]
    cal.head[p, ring] = NOBODY
    while slot != NOBODY:
        following = cal.entry[slot, 5]
        if cal.entry[slot, 0] > now:
            put(cal, slot, p)
            slot = following
            continue
        source, k, at, stop = cal.entry[slot, 1], cal.entry[slot, 2], cal.entry[slot, 3], cal.entry[slot, 4]
        convolved = sweeping and grid.pop[p, G_CONVOLUTION] == k
        if convolved:
            first, end, rest = np.int64(0), _convolve(wir, step, k, source, cal.amplitude[slot]), stop
        elif wir.proj[k, J_KIND] == PROCEDURAL:
            first, end, rest = np.int64(0), drawn_part(wir, k, source, at, step.drawn_id, step.drawn_weight), stop
        else:
            first, end, rest = at, run_end(wir, k, at, stop), run_end(wir, k, at, stop)
        if sweeping:
            if not convolved:
                sum_row(wir, step, k, source, first, end, cal.amplitude[slot])
            n += end - first
        else:
            n = deliver_row(wir, step, k, source, first, end, cal.amplitude[slot], ports, now, n)
        st.arrived[k] += (end - first) * np.int64(cal.amplitude[slot])
        if rest < stop:
            cal.entry[slot, 0] = cal.born[slot] + np.int64(delay_of(wir, k, rest) / dt + 0.5)
            cal.entry[slot, 3] = rest
            put(cal, slot, p)
        else:
            cal.entry[slot, 5] = cal.n[FREE]
            cal.n[FREE] = slot
            cal.n[N_ENTRIES] -= 1
        slot = following
    k = grid.pop[p, G_CONVOLUTION]
    if sweeping and n > 0 and k != NOBODY:
        part = slice(wir.pop[p, P_FIRST], wir.pop[p + 1, P_FIRST])
        unfold(wir.words[wir.proj[k, J_ROW]], step.places[part], step.sums[wir.proj[k, J_PORT]][part])
    return n
