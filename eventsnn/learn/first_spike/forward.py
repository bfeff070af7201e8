"""First spike times of layers of LIF neurons. Times are in units of tau_syn and C = 1: dV/dt = -c V + I, c = tau_syn / tau_mem.

Every input spike adds its weight to I, and dI/dt = -I (Goeltz et al., Nature Machine Intelligence 3, 2021).

**Flow.** Two running sums per neuron hold V and I at any later time, with s counted from an origin that moves along:

    c = 1:  V e^s   = a s + b                a = sum w e^s_i         b = -sum w s_i e^s_i
    c < 1:  V e^cs  = k (b - a e^-(1-c)s)    a = sum w e^s_i         b = sum w e^c s_i         k = 1 / (1 - c)
    c > 1:  V e^s   = k (b - a e^-(c-1)s)    a = sum w e^c s_i       b = sum w e^s_i           k = 1 / (c - 1)

less the threshold times the same exponential, each is concave wherever V can rise to the threshold, so it lies below its
tangents. The tangent at an arrival, read off at the next one, therefore decides cheaply: if it is negative there, no
crossing can lie in between. That test is `b + a P >= K` with P and K common to all neurons: one multiply and one compare.
Only the neurons left over are solved (`roots`).
"""

import math

import numpy as np

from ...jit import inner, jit, kernel
from ...kernels.elementary import exp, exp_near, growth
from ...kernels.simd import address
from .lanes import LANES, four_full, four_partial, lowest, one_full, one_partial
from .roots import crosses, solve

NONE, AXONAL, DENDRITIC, SYNAPTIC = 0, 1, 2, 3  # delays of a layer: none, one per input, per neuron, per synapse
EPOCH = 16.0  # the origin moves when an input is this much later: bounds rounding, prevents overflow
SLACK = 1.0 - 1e-12  # the cheap test errs on the side of solving
NEAREST = 3e-8  # distance of a ratio of time constants from 1 below which `_uneven_layer` takes 1
MANY = 32  # inputs from which on four are added at a time
# rows of the scratch of `layer_forward`: sorted times, time to the next, what an input adds to a and b, P, K, e^s, e^cs,
# e^c(time to the next)
F_TIME, F_GAP, F_A, F_B, F_P, F_K, F_SYN, F_MEM, F_RISE, F_ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
# rows of the scratch `found`: potential and current just after the last input before the crossing, time to the next input
N_V, N_X, N_GAP, N_ROWS = 0, 1, 2, 3


@kernel
def delays_of(kind, n, m):
    """Number of delays of a layer of `n` inputs and `m` neurons."""
    return n if kind == AXONAL else (m if kind == DENDRITIC else (n * m if kind == SYNAPTIC else 0))


@kernel
def sort_inputs(times, n, order, count):
    """Write the indices of the finite `times[:n]`, sorted by (time, index), to `order`; return how many there are.

    One bucket pass (`count` [>= n + 1] is scratch), then insertion, so already distinct times cost O(n).
    """
    low, high, m = math.inf, -math.inf, 0
    for i in range(n):
        if times[i] < math.inf:
            low, high, m = min(low, times[i]), max(high, times[i]), m + 1
    scale = (n - 1) / (high - low) if high > low else 0.0
    if m < 12 or not 0.0 < scale < 1e300:
        m = 0
        for i in range(n):
            if times[i] < math.inf:
                order[m] = i
                m += 1
    else:
        for b in range(n + 1):
            count[b] = 0
        for i in range(n):
            if times[i] < math.inf:
                count[int((times[i] - low) * scale) + 1] += 1
        for b in range(n):
            count[b + 1] += count[b]
        for i in range(n):
            if times[i] < math.inf:
                b = int((times[i] - low) * scale)
                order[count[b]] = i
                count[b] += 1
    for k in range(1, m):
        i = order[k]
        time = times[i]
        j = k
        while j > 0 and times[order[j - 1]] > time:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
    return m


@inner
def _common(time, syn, mem, gap, ga, gb, p, bound, rise, origin, c, theta):
    for i in range(time.size):
        rise[i] = exp_near(c * gap[i])
    for i in range(time.size):
        syn[i] = growth(time[i] - origin, 1.0, 0.0)
    if c == 1.0:
        for i in range(time.size):
            s = time[i] - origin
            mem[i], ga[i], gb[i], p[i], bound[i] = syn[i], syn[i], -s * syn[i], s + gap[i], theta * syn[i] * (1.0 + gap[i])
        return
    k = 1.0 / abs(1.0 - c)
    for i in range(time.size):
        mem[i] = growth(time[i] - origin, c, 0.0)
    if c < 1.0:
        for i in range(time.size):
            ga[i], gb[i] = syn[i], mem[i]
            p[i], bound[i] = mem[i] / syn[i] * (gap[i] - k) / k, theta * mem[i] * (1.0 + c * gap[i]) / k
    else:
        for i in range(time.size):
            ga[i], gb[i] = mem[i], syn[i]
            p[i], bound[i] = syn[i] / mem[i] * (gap[i] - k) / k, theta * syn[i] * (1.0 + gap[i]) / k


@inner
def prepare(work, first, end, origin, c, theta):
    """Fill the columns first to end - 1 of `work` with all that the neurons share, s counted from `origin`."""
    _common(work[F_TIME, first:end], work[F_SYN, first:end], work[F_MEM, first:end], work[F_GAP, first:end],
            work[F_A, first:end], work[F_B, first:end], work[F_P, first:end], work[F_K, first:end],
            work[F_RISE, first:end], origin, c, theta * SLACK)


@inner
def _move_origin(a, b, m, c, s):
    """Express the running sums relative to a time `s` later; neurons that have fired keep b = -inf."""
    fade, half = exp(-s), exp(-c * s)
    for j in range(m):
        if b[j] > -math.inf:
            if c == 1.0:
                a[j], b[j] = (a[j] * fade, (b[j] + s * a[j]) * fade) if fade > 0.0 else (0.0, 0.0)
            elif c < 1.0:
                a[j], b[j] = a[j] * fade, b[j] * half
            else:
                a[j], b[j] = a[j] * half, b[j] * fade
        else:
            a[j] = 0.0


@inner
def _state(a, b, work, k, origin, c, theta):
    """(potential, current) just after input `k`, in units of the threshold."""
    syn, mem = work[F_SYN, k], work[F_MEM, k]
    inverse = 1.0 / (syn * theta)
    if c == 1.0:
        return (a * (work[F_TIME, k] - origin) + b) * inverse, a * inverse
    if c < 1.0:
        return (b / mem - a / syn) / ((1.0 - c) * theta), a * inverse
    return (a / mem - b / syn) / ((1.0 - c) * theta), b * inverse


@inner
def _single(group, rest, row, k, origin, work, a, b, out, found, c, theta):
    """Add input `k`, its weights beginning at address `row`, to eight neurons; those that cross before the next are done.

    What is known of a crossing goes to `found`, for `solve`. Returns whether all eight are done.
    """
    at = LANES * group
    sums_a, sums_b = address(a) + 8 * at, address(b) + 8 * at
    ga, gb, p, bound = work[F_A, k], work[F_B, k], work[F_P, k], work[F_K, k]
    if rest >= LANES:
        mask = one_full(sums_a, sums_b, 0, row + 8 * at, ga, gb, p, bound)
    else:
        mask = one_partial(sums_a, sums_b, rest, row + 8 * at, ga, gb, p, bound)
    if mask == 0:
        return False
    while mask != 0:
        j = np.uint64(at + lowest(mask))
        v, x = _state(a[j], b[j], work, k, origin, c, theta)
        if crosses(v, x, work[F_GAP, k], work[F_RISE, k], c):
            out[j], found[N_V, j], found[N_X, j], found[N_GAP, j] = work[F_TIME, k], v, x, work[F_GAP, k]
            b[j] = -math.inf  # never flagged again
        mask &= mask - 1
    for j in range(at, at + LANES):
        if b[np.uint64(j)] > -math.inf:
            return False
    return True


@inner
def _one(active, live, m, row, k, origin, work, a, b, out, found, c, theta):
    """Add input `k` to the groups active[:live]; returns how many of them are left, at the front."""
    left = 0
    for r in range(live):
        group = active[r]
        done = _single(group, m - LANES * group, row, k, origin, work, a, b, out, found, c, theta)
        active[left] = group
        left += 0 if done else 1
    return left


@inner
def _four(active, live, m, weights, order, k, origin, work, a, b, out, found, c, theta):
    """As `_one` for inputs `k` to k + 3; `weights` is the address of the matrix."""
    size = 8 * m
    row0, row1 = weights + order[k] * size, weights + order[k + 1] * size
    row2, row3 = weights + order[k + 2] * size, weights + order[k + 3] * size
    a0, b0, p0, bound0 = work[F_A, k], work[F_B, k], work[F_P, k], work[F_K, k]
    a1, b1, p1, bound1 = work[F_A, k + 1], work[F_B, k + 1], work[F_P, k + 1], work[F_K, k + 1]
    a2, b2, p2, bound2 = work[F_A, k + 2], work[F_B, k + 2], work[F_P, k + 2], work[F_K, k + 2]
    a3, b3, p3, bound3 = work[F_A, k + 3], work[F_B, k + 3], work[F_P, k + 3], work[F_K, k + 3]
    left = 0
    for r in range(live):
        group = active[r]
        at, rest = 8 * LANES * group, m - LANES * group
        sums_a, sums_b = address(a) + at, address(b) + at
        w0, w1, w2, w3 = row0 + at, row1 + at, row2 + at, row3 + at
        if rest >= LANES:
            mask = four_full(sums_a, sums_b, 0, w0, w1, w2, w3, a0, b0, p0, bound0, a1, b1, p1, bound1, a2, b2, p2, bound2,
                             a3, b3, p3, bound3)
        else:
            mask = four_partial(sums_a, sums_b, rest, w0, w1, w2, w3, a0, b0, p0, bound0, a1, b1, p1, bound1, a2, b2, p2,
                                bound2, a3, b3, p3, bound3)
        done = False
        if mask != 0:
            for q in range(4):
                row = weights + order[k + q] * size
                done = _single(group, rest, row, k + q, origin, work, a, b, out, found, c, theta)
                if done:
                    break
        active[left] = group
        left += 0 if done else 1
    return left


@kernel
def layer_forward(times, n, weights, first, m, c, theta, out, speed, sums, order, count, work, found):
    """First spike times of `m` neurons, written to out[:m] (inf = silent), and V' at these times to speed[:m].

    `times[:n]` are input times in any order (inf = never); the weight of input i to neuron j is weights[first + i m + j].
    sums [2, >= m + LANES], order, count [>= n + 1 and >= m], work [F_ROWS, >= n], found [N_ROWS, >= m + LANES] are scratch.
    """
    used = sort_inputs(times, n, order, count)
    if used == 0:
        for j in range(m):
            out[j], speed[j] = math.inf, 0.0
        return
    for k in range(used):
        work[F_TIME, k] = times[order[k]]
    for k in range(used - 1):
        work[F_GAP, k] = work[F_TIME, k + 1] - work[F_TIME, k]
    work[F_GAP, used - 1] = 0.0
    a, b, active, live = sums[0], sums[1], count, (m + LANES - 1) // LANES
    for j in range(LANES * live):
        a[j], b[j] = 0.0, 0.0 if j < m else -math.inf
    for group in range(live):
        active[group] = group
    origin, ready, k, matrix = 0.0, 0, 0, address(weights) + 8 * first
    while k < used and live > 0:
        if k == ready:
            if k > 0:
                _move_origin(a, b, m, c, work[F_TIME, k] - origin)
            origin = work[F_TIME, k]
            while ready < used and work[F_TIME, ready] - origin <= EPOCH:
                ready += 1
            prepare(work, k, ready, origin, c, theta)
            if ready == used:
                work[F_K, used - 1] = math.inf  # what the last input does is found out below, for all neurons at once
        if used >= MANY and k + 4 <= ready:
            live = _four(active, live, m, matrix, order, k, origin, work, a, b, out, found, c, theta)
            k += 4
        else:
            live = _one(active, live, m, matrix + 8 * order[k] * m, k, origin, work, a, b, out, found, c, theta)
            k += 1
    for j in range(m):
        if b[j] > -math.inf:
            out[j], found[N_GAP, j] = work[F_TIME, used - 1], math.inf
            found[N_V, j], found[N_X, j] = _state(a[j], b[j], work, used - 1, origin, c, theta)
    solve(out[:m], speed[:m], found[N_V, :m], found[N_X, :m], found[N_GAP, :m], c, theta)


@inner
def _delayed_layer(times, n, weights, first, m, c, theta, kind, delays, begin, out, speed, sums, order, count, work, found,
                   memory):
    """As `layer_forward`, with delays from delays[begin] on: see `NONE` to `SYNAPTIC`. memory [2, >= n]: scratch."""
    arrivals, column = memory[0], memory[1]
    if kind == SYNAPTIC:
        for j in range(m):
            for i in range(n):
                arrivals[i], column[i] = times[i] + delays[begin + i * m + j], weights[first + i * m + j]
            layer_forward(arrivals, n, column, 0, 1, c, theta, out[j:], speed[j:], sums, order, count, work, found)
        return
    for i in range(n):
        arrivals[i] = times[i] + (delays[begin + i] if kind == AXONAL else 0.0)
    layer_forward(arrivals, n, weights, first, m, c, theta, out, speed, sums, order, count, work, found)
    if kind == DENDRITIC:
        for j in range(m):
            out[j] += delays[begin + j]


@inner
def _uneven_layer(times, n, weights, first, m, c, theta, kind, delays, begin, factors, out, speed, sums, order, count, work,
                  found, memory):
    """As `_delayed_layer`; the time constants (mem, syn) of neuron j are factors[j] times those of the others.

    Time is counted in units of the neuron's own tau_syn, in which a weight drives so much longer. Within NEAREST of 1 the ratio
    of its time constants counts as 1: both ways an error of about 1e-8.
    """
    arrivals, column = memory[0], memory[1]
    for j in range(m):
        syn = factors[j, 1]
        own = c * syn / factors[j, 0]
        if abs(own - 1.0) < NEAREST:
            own = 1.0
        for i in range(n):
            delay = 0.0
            if kind == AXONAL or kind == SYNAPTIC:
                delay = delays[begin + (i if kind == AXONAL else i * m + j)]
            arrivals[i], column[i] = (times[i] + delay) / syn, weights[first + i * m + j] * syn
        layer_forward(arrivals, n, column, 0, 1, own, theta, out[j:], speed[j:], sums, order, count, work, found)
        out[j] = out[j] * syn + (delays[begin + j] if kind == DENDRITIC else 0.0)
        speed[j] /= syn


@jit
def forward_samples(record, start, stop, fan_in, fan_out, weights, kinds, delays, factors, noise, c, theta):
    """Run samples start to stop - 1 through all layers, in place.

    A row of `record` holds the inputs of the first layer (its bias spike last), then those of the second (again with its bias
    spike), ..., then the outputs; then V' at the spikes of every layer. `weights`: the flat [fan_in, fan_out] matrices;
    `delays`: what the layers of `kinds` have, one after the other. factors [n_neurons, 2] of tau_mem and tau_syn, and
    noise [n, n_neurons], added to the times of the spikes, may have no rows: then all neurons are alike, and there is none.
    """
    n, m = fan_in.max(), fan_out.max()
    memory, work = np.empty((2, n)), np.empty((F_ROWS, n + 1))
    sums, found = np.empty((2, m + LANES)), np.empty((N_ROWS, m + LANES))
    order, count = np.empty(n + 1, np.int64), np.empty(max(n + 1, m), np.int64)
    speeds = record.shape[1] - fan_out.sum()
    for k in range(start, stop):
        row = record[k]
        at, first, pace, begin, neuron = 0, 0, speeds, 0, 0
        for layer in range(fan_in.size):
            n, m = fan_in[layer], fan_out[layer]
            if factors.shape[0] > 0:
                _uneven_layer(row[at:], n, weights, first, m, c, theta, kinds[layer], delays, begin, factors[neuron:],
                              row[at + n:], row[pace:], sums, order, count, work, found, memory)
            elif kinds[layer] == NONE:
                layer_forward(row[at:], n, weights, first, m, c, theta, row[at + n:], row[pace:], sums, order, count, work,
                              found)
            else:
                _delayed_layer(row[at:], n, weights, first, m, c, theta, kinds[layer], delays, begin, row[at + n:], row[pace:],
                               sums, order, count, work, found, memory)
            if noise.shape[0] > 0:
                for j in range(m):
                    row[at + n + j] += noise[k, neuron + j]
            begin += delays_of(kinds[layer], n, m)
            neuron += m
            at += n
            pace += m
            first += n * m
