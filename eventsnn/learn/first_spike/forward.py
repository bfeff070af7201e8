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
from ...kernels.elementary import growth
from .roots import root_any, root_double, root_equal

NONE, AXONAL, DENDRITIC, SYNAPTIC = 0, 1, 2, 3  # delays of a layer: none, one per input, per neuron, per synapse
EPOCH = 16.0  # the origin moves when an input is this much later: bounds rounding, prevents overflow
SLACK = 1.0 - 1e-12  # the cheap test errs on the side of solving
CHUNK, FEW = 64, 8  # neurons that are searched together when one of them is flagged, and those among them
# rows of the scratch of `layer_forward`: sorted times, time to the next, what an input adds to a and b, P, K, e^s, e^cs
F_TIME, F_GAP, F_A, F_B, F_P, F_K, F_SYN, F_MEM, F_ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8


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
def _common(time, syn, mem, gap, ga, gb, p, bound, origin, c, theta):
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
            work[F_A, first:end], work[F_B, first:end], work[F_P, first:end], work[F_K, first:end], origin, c, theta * SLACK)


@inner
def _move_origin(a, b, m, c, s):
    """Express the running sums relative to a time `s` later; neurons that have fired keep b = -inf."""
    fade, half = math.exp(-s), math.exp(-c * s)
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
def _solve(a, b, s, syn, mem, gap, rise, c, theta):
    """(time since the arrival, V' there) of the crossing before the next arrival of a neuron with sums a, b; inf if none."""
    inverse = 1.0 / (syn * theta)
    if c == 1.0:
        x = a * inverse
        d, fade = root_equal((a * s + b) * inverse, x, gap, rise)
    else:
        x = (a if c < 1.0 else b) * inverse
        v = ((b if c < 1.0 else a) / mem - (a if c < 1.0 else b) / syn) / ((1.0 - c) * theta)
        d, fade = root_double(v, x, gap, rise) if c == 0.5 else root_any(v, x, gap, c)
    return d, theta * (x * fade - c)


@inner
def _add(a, b, weights, ga, gb, p, bound):
    """Add one input to the sums of some neurons; returns how many may cross before the next."""
    flagged = 0
    for j in range(a.size):
        x = a[j] + ga * weights[j]
        y = b[j] + gb * weights[j]
        a[j], b[j] = x, y
        flagged += 1 if y + x * p >= bound else 0
    return flagged


@inner
def _count(a, b, p, bound):
    """How many of some neurons are flagged."""
    flagged = 0
    for j in range(a.size):
        flagged += 1 if b[j] + a[j] * p >= bound else 0
    return flagged


@kernel
def layer_forward(times, n, weights, first, m, c, theta, out, speed, a, b, order, count, work):
    """First spike times of `m` neurons, written to out[:m] (inf = silent), and V' at these times to speed[:m].

    `times[:n]` are input times in any order (inf = never); the weight of input i to neuron j is weights[first + i m + j].
    a, b [>= m], order, count [>= n + 1], work [F_ROWS, >= n] are scratch.
    """
    for j in range(m):
        a[j], b[j], out[j], speed[j] = 0.0, 0.0, math.inf, 0.0
    used = sort_inputs(times, n, order, count)
    for k in range(used):
        work[F_TIME, k] = times[order[k]]
    for k in range(used - 1):
        work[F_GAP, k] = work[F_TIME, k + 1] - work[F_TIME, k]
    work[F_GAP, max(used - 1, 0)] = 0.0
    origin, ready, left = 0.0, 0, m
    for k in range(used):
        now = work[F_TIME, k]
        if k == ready:
            if k > 0:
                _move_origin(a, b, m, c, now - origin)
            origin = now
            while ready < used and work[F_TIME, ready] - origin <= EPOCH:
                ready += 1
            prepare(work, k, ready, origin, c, theta)
        ga, gb, p, bound = work[F_A, k], work[F_B, k], work[F_P, k], work[F_K, k]
        last = k + 1 == used
        gap, rise = math.inf if last else work[F_GAP, k], -1.0
        row = first + order[k] * m
        for low in range(0, m, CHUNK):
            high = min(low + CHUNK, m)
            if _add(a[low:high], b[low:high], weights[row + low:row + high], ga, gb, p, bound) == 0 and not last:
                continue
            if rise < 0.0:
                rise = math.expm1(gap * c)
            for few in range(low, high, FEW):
                end = min(few + FEW, high)
                if not last and _count(a[few:end], b[few:end], p, bound) == 0:
                    continue
                for j in range(few, end):
                    if (last or b[j] + a[j] * p >= bound) and b[j] > -math.inf:
                        d, rate = _solve(a[j], b[j], now - origin, work[F_SYN, k], work[F_MEM, k], gap, rise, c, theta)
                        if d < math.inf:
                            out[j], speed[j] = now + d, rate
                            b[j] = -math.inf  # never flagged again
                            left -= 1
        if left == 0:
            return


@inner
def _delayed_layer(times, n, weights, first, m, c, theta, kind, delays, begin, out, speed, memory, order, count, work):
    """As `layer_forward`, with delays from delays[begin] on: see `NONE` to `SYNAPTIC`. memory [4, >= n and >= m]: scratch."""
    a, b, arrivals, column = memory[0], memory[1], memory[2], memory[3]
    if kind == SYNAPTIC:
        for j in range(m):
            for i in range(n):
                arrivals[i], column[i] = times[i] + delays[begin + i * m + j], weights[first + i * m + j]
            layer_forward(arrivals, n, column, 0, 1, c, theta, out[j:], speed[j:], a, b, order, count, work)
        return
    for i in range(n):
        arrivals[i] = times[i] + (delays[begin + i] if kind == AXONAL else 0.0)
    layer_forward(arrivals, n, weights, first, m, c, theta, out, speed, a, b, order, count, work)
    if kind == DENDRITIC:
        for j in range(m):
            out[j] += delays[begin + j]


@jit
def forward_samples(record, start, stop, fan_in, fan_out, weights, kinds, delays, c, theta):
    """Run samples start to stop - 1 through all layers, in place.

    A row of `record` holds the inputs of the first layer (its bias spike last), then those of the second (again with its bias
    spike), ..., then the outputs; then V' at the spikes of every layer. `weights`: the flat [fan_in, fan_out] matrices;
    `delays`: what the layers of `kinds` have, one after the other.
    """
    n, m = fan_in.max(), fan_out.max()
    memory, work = np.empty((4, max(n, m))), np.empty((F_ROWS, n + 1))
    order, count = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    speeds = record.shape[1] - fan_out.sum()
    for k in range(start, stop):
        row = record[k]
        at, first, pace, begin = 0, 0, speeds, 0
        for layer in range(fan_in.size):
            n, m = fan_in[layer], fan_out[layer]
            if kinds[layer] == NONE:
                layer_forward(row[at:], n, weights, first, m, c, theta, row[at + n:], row[pace:], memory[0], memory[1], order,
                              count, work)
            else:
                _delayed_layer(row[at:], n, weights, first, m, c, theta, kinds[layer], delays, begin, row[at + n:], row[pace:],
                               memory, order, count, work)
                begin += delays_of(kinds[layer], n, m)
            at += n
            pace += m
            first += n * m
