"""First spike times of a layer of LIF neurons, and their exact gradients, for tau_mem = tau_syn and 2 tau_syn.

Times are in units of tau_syn and C = 1, as in Goeltz et al., Nature Machine Intelligence 3 (2021):
dV/dt = -V/ratio + I, where every input spike adds its weight to I and dI/dt = -I.

**Flow.** Between arrivals V(s) >= theta is equivalent to f >= 0 for a *concave* f with two running sums A and B:

    ratio 1:  f(s) = A s - B - theta e^s           A = sum w e^s_i,      B = sum w s_i e^s_i
    ratio 2:  f(x) = A x - B - theta/2 x^2         A = sum w x_i,        B = sum w x_i^2,       x = e^(s/2)

with s counted from a reference that moves along with the inputs. A concave f lies below its tangents. The tangent at
the last arrival, read off at the next one, therefore decides cheaply: if it is negative there, no crossing can lie in
between. That test is `A P < B + K` with P and K common to all neurons, so the loop over neurons needs one multiply
and one compare. Only the neurons left over are solved.

**Crossing.** In the local variable d = t - (last arrival) both cases have a closed form: the principal branch of the
Lambert function, written as q + e^-q - 1 = p with q >= 0 the distance to the maximum of f, or the smaller root of
a quadratic in expm1(d/2). A crossing exists if and only if f >= 0 at the next arrival, or at an interior maximum.

**Gradient.** dt/dw_i = -kappa(t - t_i)/V'(t) and dt/dt_i = w_i kappa'(t - t_i)/V'(t) for the inputs before t, with
V'(t) = I(t) - theta/ratio, all from the stored output times.
"""

import math

import numpy as np

from ..jit import jit

EPOCH = 16.0  # the reference moves when an input is this much later: bounds rounding, prevents overflow
WIDE = 60.0  # spread of times beyond which the gradient takes one exponential per pair
SLACK = 1.0 - 1e-12  # the cheap test errs on the side of solving


@jit
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


@jit
def _root_equal(v, x, h, rise):
    """Least d in [0, h] with v + x d >= e^d (v, x: potential and current over theta; rise = e^h - 1), or inf."""
    if v >= 1.0:
        return 0.0
    if not x > 1.0:
        return math.inf
    top = math.log(x)
    peak = v - x + x * top
    if top < h:
        if peak < 0.0:
            return math.inf
    elif (v - 1.0) + x * h - rise < 0.0:
        return math.inf
    p = max(peak / x, 0.0)
    if p < 2.24:  # series of q in sqrt(2 p), the last two terms fitted: good to 3e-4
        r = math.sqrt(2.0 * p)
        q = r * (1.0 + r * (1.0 / 6.0 + r * (1.0 / 36.0 + r * (0.00427 - 0.000305 * r))))
    else:
        q = p + 0.98
    if q < 1e-4:  # the series is exact to rounding here, and a step on f would only add noise
        return min(max(top - q, 0.0), h)
    left = math.exp(-q)
    step = (q + left - 1.0 - p) / (1.0 - left)
    q -= step / (1.0 - 0.5 * step * left / (1.0 - left))  # Halley
    d = max(top - q, 0.0)
    up = math.exp(d) - 1.0
    d -= ((v - 1.0) + x * d - up) / (x - 1.0 - up)  # Newton on f itself: d keeps its relative accuracy
    return min(max(d, 0.0), h)


@jit
def _root_double(v, x, h, rise):
    """Least d in [0, h] with V(d) >= theta for tau_mem = 2 tau_syn (v, x as above; rise = e^(h/2) - 1), or inf."""
    if v >= 1.0:
        return 0.0
    m, k = v + 2.0 * x - 2.0, 1.0 - v
    if not m > 0.0:
        return math.inf
    square = m * m - 4.0 * k
    if 0.5 * m < rise:
        if square < 0.0:
            return math.inf
    elif m * rise - k - rise * rise < 0.0:
        return math.inf
    y = 2.0 * k / (m + math.sqrt(max(square, 0.0)))
    return min(2.0 * math.log1p(y), h)


@jit
def layer_forward(times, n, weights, first, m, ratio, theta, out, out_first, a, b, order, count):
    """First spike times of `m` neurons, written to out[out_first:out_first + m] (inf = silent).

    `times[:n]` are input times in any order (inf = never); the weight of input i to neuron j is
    weights[first + i * m + j]. `a, b` [>= m] and `order, count` [>= n + 1] are scratch.
    """
    for j in range(m):
        a[j], b[j], out[out_first + j] = 0.0, 0.0, math.inf
    used = sort_inputs(times, n, order, count)
    left = m
    origin = times[order[0]] if used else 0.0
    for k in range(used):
        now = times[order[k]]
        s = now - origin
        if s > EPOCH:
            _move_origin(a, b, m, ratio, s, out, out_first)
            origin, s = now, 0.0
        last = k + 1 == used
        gap = math.inf if last else times[order[k + 1]] - now
        if ratio == 1:
            e = math.exp(s)
            gain_a, gain_b = e, s * e
            p, bound = s + gap, theta * e * (1.0 + gap)
            slope_bound = theta * e
        else:
            x = math.exp(0.5 * s)
            e = x * x
            gain_a, gain_b = x, e
            p = math.exp(0.5 * (s + gap))
            bound = 0.5 * theta * x * (2.0 * p - x)
            slope_bound = theta * x
        bound *= SLACK
        slope_bound *= SLACK
        row = first + order[k] * m
        flagged = 0
        if last:
            for j in range(m):
                a[j] += gain_a * weights[row + j]
                b[j] += gain_b * weights[row + j]
                flagged += a[j] > slope_bound
        else:
            for j in range(m):
                a[j] += gain_a * weights[row + j]
                b[j] += gain_b * weights[row + j]
                flagged += a[j] * p - b[j] >= bound
        if flagged == 0:
            continue
        inverse = 1.0 / (e * theta)
        rise = math.expm1(gap / ratio)
        for j in range(m):
            if (a[j] > slope_bound if last else a[j] * p - b[j] >= bound) and b[j] < math.inf:
                if ratio == 1:
                    d = _root_equal((a[j] * s - b[j]) * inverse, a[j] * inverse, gap, rise)
                else:
                    d = _root_double(2.0 * (a[j] * x - b[j]) * inverse, b[j] * inverse, gap, rise)
                if d < math.inf:
                    out[out_first + j] = now + d
                    b[j] = math.inf  # never flagged again
                    left -= 1
        if left == 0:
            return


@jit
def _move_origin(a, b, m, ratio, s, out, out_first):
    """Express the running sums relative to a time `s` later."""
    fade = math.exp(-s)
    half = math.exp(-0.5 * s)
    for j in range(m):
        if out[out_first + j] < math.inf:
            a[j], b[j] = 0.0, math.inf
        elif fade == 0.0:
            a[j], b[j] = 0.0, 0.0
        elif ratio == 1:
            a[j], b[j] = a[j] * fade, (b[j] - s * a[j]) * fade
        else:
            a[j], b[j] = a[j] * half, b[j] * fade


@jit
def _kernel_row(time, growth, out, decay, m, ratio, wide, kappa, slope):
    """kappa and its derivative from an input at `time` to outputs `out[:m]`; zero where the output is not later."""
    if ratio == 1:
        for j in range(m):
            s = out[j] - time
            e = math.exp(-max(s, 0.0)) if wide else growth * decay[j]
            kappa[j] = s * e if s > 0.0 else 0.0
            slope[j] = (1.0 - s) * e if s > 0.0 else 0.0
    else:
        for j in range(m):
            s = out[j] - time
            e = math.exp(-0.5 * max(s, 0.0)) if wide else growth * decay[j]
            kappa[j] = 2.0 * e * (1.0 - e) if s > 0.0 else 0.0
            slope[j] = e * (2.0 * e - 1.0) if s > 0.0 else 0.0


@jit
def layer_backward(times, n, weights, first, m, ratio, limit, out, delta, grad, delta_in, growth, work):
    """Add dL/dw of one sample to `grad` (laid out like `weights`) and write dL/dt_i to delta_in[:n].

    `out[:m]` are the output times and `delta[:m]` dL/dt of each. A neuron whose largest |dL/dw_i| exceeds `limit`
    gets no weight gradient (but passes its time gradient on); one that is silent, or whose V' is not positive, gets
    neither. `growth` [>= n] and `work` [>= 6, >= m] are scratch.
    """
    end, decay, rate, peak, kappa, slope = work[0], work[1], work[2], work[3], work[4], work[5]
    low, high = math.inf, -math.inf
    for j in range(m):
        alive = out[j] < math.inf and delta[j] == delta[j] and delta[j] != 0.0
        end[j] = out[j] if alive else -math.inf
        high = max(high, end[j])
        rate[j], peak[j] = 0.0, 0.0
    for i in range(n):
        low = min(low, times[i])
        delta_in[i] = 0.0
    if not low < high:
        return
    wide = high - low > WIDE
    for j in range(m):
        decay[j] = math.exp((low - end[j]) / ratio) if end[j] > low and not wide else 0.0
    for i in range(n):
        if times[i] < high:
            growth[i] = 0.0 if wide else math.exp((times[i] - low) / ratio)
            _kernel_row(times[i], growth[i], end, decay, m, ratio, wide, kappa, slope)
            row = first + i * m
            for j in range(m):
                rate[j] += weights[row + j] * slope[j]  # V' at the output spike
                peak[j] = kappa[j] if kappa[j] > peak[j] else peak[j]
    for j in range(m):
        passed = delta[j] / rate[j] if rate[j] > 0.0 else 0.0
        rate[j] = passed
        peak[j] = -passed if peak[j] * abs(passed) <= limit else 0.0
    for i in range(n):
        if times[i] < high:
            _kernel_row(times[i], growth[i], end, decay, m, ratio, wide, kappa, slope)
            row = first + i * m
            total = 0.0
            for j in range(m):
                grad[row + j] += kappa[j] * peak[j]
                total += weights[row + j] * slope[j] * rate[j]
            delta_in[i] = total


@jit
def forward_samples(record, start, stop, fan_in, fan_out, weights, ratio, theta):
    """Run samples start..stop through all layers, in place.

    A row of `record` holds the inputs of the first layer (its bias spike last), then those of the second (again with
    its bias spike), ..., then the outputs. `weights` is the flat concatenation of the [fan_in, fan_out] matrices.
    """
    n, m = fan_in.max(), fan_out.max()
    a, b = np.empty(m), np.empty(m)
    order, count = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    for k in range(start, stop):
        row = record[k]
        at, first = 0, 0
        for layer in range(fan_in.size):
            n, m = fan_in[layer], fan_out[layer]
            layer_forward(row[at:], n, weights, first, m, ratio, theta, row, at + n, a, b, order, count)
            at += n
            first += n * m


@jit
def backward_blocks(record, delta, block, first_block, last_block, fan_in, fan_out, weights, ratio, limit, grads):
    """Gradients of the blocks first_block..last_block of `block` samples each, block b in grads[b] (overwritten).

    `delta` [samples, fan_out[-1]] is dL/dt of the last layer.
    """
    n, m, layers = fan_in.max(), fan_out.max(), fan_in.size
    wide = max(n, m)
    growth, work = np.empty(wide), np.empty((6, m))
    after, before = np.empty(wide), np.empty(wide)
    for b in range(first_block, last_block):
        grad = grads[b]
        grad[:] = 0.0
        for k in range(b * block, min((b + 1) * block, record.shape[0])):
            row = record[k]
            after[: fan_out[layers - 1]] = delta[k]
            at, first = row.size - fan_out[layers - 1], weights.size
            for layer in range(layers - 1, -1, -1):
                n, m = fan_in[layer], fan_out[layer]
                first -= n * m
                layer_backward(
                    row[at - n :], n, weights, first, m, ratio, limit, row[at:], after, grad, before, growth, work
                )
                at -= n
                after, before = before, after
