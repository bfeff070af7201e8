"""Compiled loops of TSSL-BP, for float32 and float64. Arrays are [samples, steps, neurons], contiguous.

Neurons of a layer are independent of each other between two matrix products, so the inner loops run over neurons and are
vectorised; the recursions in time run from row to row. Symbols as in the text of the package.
"""

import numpy as np

from ...jit import jit, kernel, scalar

LANES = 16  # sums kept side by side
SPAN = 1024  # neurons that go through all steps together: their rows stay in the fastest cache


@scalar
def _bell(u, peak, wide):
    """peak / cosh^2(z / 2) with z = (u - 1) / width cut to +-8; wide = 1 / (16 width).

    The series of cosh at z / 16, whose rest is below 1e-17, and three doublings: exact to some 1e-14, and branch-free.
    """
    kind = type(u)
    w = (u - kind(1.0)) * wide
    w = min(max(w, kind(-0.5)), kind(0.5))
    w2 = w * w
    w4 = w2 * w2
    low = kind(1.0) + w2 * kind(1.0 / 2.0) + w4 * (kind(1.0 / 24.0) + w2 * kind(1.0 / 720.0))
    high = kind(1.0 / 40320.0) + w2 * kind(1.0 / 3628800.0) + w4 * (kind(1.0 / 479001600.0) + w2 * kind(1.0 / 87178291200.0))
    c = low + w4 * w4 * high
    c = kind(2.0) * c * c - kind(1.0)
    c = kind(2.0) * c * c - kind(1.0)
    c = kind(2.0) * c * c - kind(1.0)
    return peak / (c * c)


@kernel
def advance(u, a, keep, decay, gain):
    """Run neurons through all steps: `u` [b, T, n] holds W a_pre[t] and becomes u[t]; `a` [b, T, n] is filled.

    keep = 1 - p, decay = 1 - q, gain = q, of the type of the arrays.
    """
    kind = u.dtype.type
    one, zero = kind(1.0), kind(0.0)
    b, steps, n = u.shape
    for k in range(b):
        for low in range(0, n, SPAN):
            high = min(low + SPAN, n)
            now, out = u[k, 0, low:high], a[k, 0, low:high]
            for i in range(high - low):
                out[i] = gain if now[i] > one else zero
            for t in range(1, steps):
                before, past = now, out
                now, out = u[k, t, low:high], a[k, t, low:high]
                for i in range(high - low):
                    v = keep * (zero if before[i] > one else before[i]) + now[i]
                    now[i] = v
                    out[i] = decay * past[i] + (gain if v > one else zero)


@kernel
def advance_static(drive, share, u, a, keep, decay, gain):
    """As `advance` for an input that is there all the time: W a_pre[t] = share[t] `drive` [b, n]; fills `u` and `a`."""
    kind = u.dtype.type
    one, zero = kind(1.0), kind(0.0)
    b, steps, n = u.shape
    for k in range(b):
        for low in range(0, n, SPAN):
            high = min(low + SPAN, n)
            given = drive[k, low:high]
            now, out = u[k, 0, low:high], a[k, 0, low:high]
            for i in range(high - low):
                v = share[0] * given[i]
                now[i] = v
                out[i] = gain if v > one else zero
            for t in range(1, steps):
                before, past = now, out
                now, out = u[k, t, low:high], a[k, t, low:high]
                factor = share[t]
                for i in range(high - low):
                    v = keep * (zero if before[i] > one else before[i]) + factor * given[i]
                    now[i] = v
                    out[i] = decay * past[i] + (gain if v > one else zero)


@kernel
def retreat(u, a, g, rule, scratch):
    """The backward sweep: `g` [b, T, n] holds dL/da and becomes delta.

    rule : (p, q, bound of 1 / du, factor of E at spikes, a below which the surrogate counts, its 1 / (4 width),
        1 / (16 width)), of the type of the arrays; scratch [2, SPAN] of the same type
    """
    kind = u.dtype.type
    one, zero = kind(1.0), kind(0.0)
    p, q, bound, factor, quiet, peak, wide = rule[0], rule[1], rule[2], rule[3], rule[4], rule[5], rule[6]
    leak, hold = one - p, one - q
    b, steps, n = u.shape
    for k in range(b):
        for low in range(0, n, SPAN):
            width = min(SPAN, n - low)
            heard, later = scratch[0, :width], scratch[1, :width]
            for i in range(width):
                heard[i] = zero
                later[i] = zero
            for t in range(steps - 1, -1, -1):
                now, out, d = u[k, t, low:low + width], a[k, t, low:low + width], g[k, t, low:low + width]
                before = u[k, max(t - 1, 0), low:low + width]
                first = zero if t == 0 else one
                for i in range(width):
                    e = q * d[i] + hold * heard[i]
                    heard[i] = e
                    v = now[i]
                    rise = v - first * (zero if before[i] > one else before[i])
                    steep = min(one / rise, bound)
                    by_spike = steep * (factor * e + p * v * later[i])
                    own = by_spike if v > one else leak * later[i]
                    later[i] = own
                    d[i] = e * _bell(v, peak, wide) if out[i] < quiet else own


@jit
def retreat_events(u, a, g, rule, heard, delta):
    """As `retreat`, in the form of events: the paths through spike times visit spikes only; `delta` [b, T, n] is filled, g is
    left.

    Each spike passes its delta on to the one before in one factor (1 - p)^gap, and to the active steps between, by their
    distance. E and the surrogate are visited step by step. heard : scratch [T]
    """
    kind = u.dtype.type
    one, zero = kind(1.0), kind(0.0)
    p, q, bound, factor, quiet, peak, wide = rule[0], rule[1], rule[2], rule[3], rule[4], rule[5], rule[6]
    leak, hold = one - p, one - q
    b, steps, n = u.shape
    for k in range(b):
        for i in range(n):
            e, last = zero, -1
            for t in range(steps - 1, -1, -1):
                e = q * g[k, t, i] + hold * e
                heard[t] = e
                delta[k, t, i] = e * _bell(u[k, t, i], peak, wide) if a[k, t, i] < quiet else zero
                if last < 0 and u[k, t, i] > one:
                    last = t
            following, later = -1, zero
            while last >= 0:
                rise, before = u[k, last, i], last - 1
                if before >= 0 and u[k, before, i] <= one:
                    rise -= u[k, before, i]
                arrived = zero if following < 0 else leak ** (following - last - 1) * later
                later = min(one / rise, bound) * (factor * heard[last] + p * u[k, last, i] * arrived)
                delta[k, last, i] = later
                while before >= 0 and u[k, before, i] <= one:
                    if not a[k, before, i] < quiet:
                        delta[k, before, i] = leak ** (last - before) * later
                    before -= 1
                following, last = last, before


@kernel
def filtered(s, decay, gain, a):
    """The filter of inputs: `s` [b, T, n] (any type) to `a` [b, T, n]."""
    b, steps, n = a.shape
    for k in range(b):
        row = a[k, 0]
        for i in range(n):
            row[i] = gain * s[k, 0, i]
        for t in range(1, steps):
            past, row = row, a[k, t]
            for i in range(n):
                row[i] = decay * past[i] + gain * s[k, t, i]


@kernel
def summed(delta, share, out):
    """out [b, n] = sum over t of share[t] delta[b, t, n]: what an input that is there all the time meets."""
    b, steps, n = delta.shape
    for k in range(b):
        row = out[k]
        for i in range(n):
            row[i] = share[0] * delta[k, 0, i]
        for t in range(1, steps):
            now, factor = delta[k, t], share[t]
            for i in range(n):
                row[i] += factor * now[i]


@kernel
def pool(a, size, gain, edge, rows, channels, out):
    """Sum `size` x `size` windows of maps `a` [m, H, W * C], times gain, into the inside of `out` [m, H', W' * C].

    edge : zeros around the inside of `out`, which stay; rows : H' without them; channels : C
    """
    columns, width = out.shape[2] // channels - 2 * edge, size * channels
    for k in range(a.shape[0]):
        for y in range(rows):
            for x in range(columns):
                to = out[k, y + edge, (x + edge) * channels:(x + edge + 1) * channels]
                first = a[k, y * size, x * width:(x + 1) * width]
                if size == 2:
                    second = a[k, 2 * y + 1, x * width:(x + 1) * width]
                    for c in range(channels):
                        to[c] = gain * ((first[c] + first[channels + c]) + (second[c] + second[channels + c]))
                else:
                    for c in range(channels):
                        to[c] = gain * first[c]
                    for i in range(1, size * size):
                        come = a[k, y * size + i // size, x * width + i % size * channels:x * width + (i % size + 1) * channels]
                        for c in range(channels):
                            to[c] += gain * come[c]


@kernel
def unpool(g, size, gain, edge, rows, channels, out):
    """The transpose of `pool`: from the inside of `g` [m, H', W' * C] to `out` [m, H, W * C]."""
    columns = g.shape[2] // channels - 2 * edge
    for k in range(g.shape[0]):
        for y in range(rows):
            for x in range(columns):
                come = g[k, y + edge, (x + edge) * channels:(x + edge + 1) * channels]
                for i in range(size * size):
                    low = (x * size + i % size) * channels
                    to = out[k, y * size + i // size, low:low + channels]
                    for c in range(channels):
                        to[c] = gain * come[c]


@kernel
def unroll(x, size, channels, columns):
    """columns [m * H * W, size * size * C]: the windows of maps `x` [m, H + size - 1, (W + size - 1) * C], row by row."""
    m, high, wide = x.shape
    rows, places, width = high - size + 1, wide // channels - size + 1, size * channels
    for k in range(m):
        for y in range(rows):
            for dy in range(size):
                for i in range(places):
                    to = columns[(k * rows + y) * places + i, dy * width:dy * width + width]
                    come = x[k, y + dy, i * channels:i * channels + width]
                    for c in range(width):
                        to[c] = come[c]


@kernel
def roll(columns, size, channels, x):
    """The transpose of `unroll`: sums of the windows; `x` is filled."""
    m, high, wide = x.shape
    rows, places, width = high - size + 1, wide // channels - size + 1, size * channels
    for k in range(m):
        x[k, :, :] = 0.0
        for y in range(rows):
            for dy in range(size):
                for i in range(places):
                    come = columns[(k * rows + y) * places + i, dy * width:dy * width + width]
                    to = x[k, y + dy, i * channels:i * channels + width]
                    for c in range(width):
                        to[c] += come[c]


@jit
def gather(gradient, total, fresh, low, high):
    """Set (`fresh`) or add `gradient` to `total` from `low` to `high`; returns the sum of squares of what is there then."""
    sums = np.zeros(LANES)
    to, come = total[low:high], gradient[low:high]
    n = high - low
    if fresh:
        for i in range(n):
            to[i] = come[i]
    else:
        for i in range(n):
            to[i] += come[i]
    whole = n // LANES * LANES
    for i in range(0, whole, LANES):
        for j in range(LANES):
            sums[j] += np.float64(to[i + j]) * np.float64(to[i + j])
    for i in range(whole, n):
        sums[0] += np.float64(to[i]) * np.float64(to[i])
    found = 0.0
    for j in range(LANES):
        found += sums[j]
    return found


@kernel
def adamw(weights, gradient, first, second, low, high, settings):
    """One step of AdamW (Loshchilov and Hutter 2019) from `low` to `high`, and the weights cut to +-clamp.

    settings : (factor of the gradient, rate / (1 - beta1^n), beta1, beta2, epsilon, rate * decay, 1 / (1 - beta2^n), clamp), of
        the type of the weights
    """
    kind = weights.dtype.type
    scale, rate, beta1, beta2 = settings[0], settings[1], settings[2], settings[3]
    epsilon, shrink, correction, clamp = settings[4], settings[5], settings[6], settings[7]
    rest1, rest2 = kind(1.0) - beta1, kind(1.0) - beta2
    w, d, m, v = weights[low:high], gradient[low:high], first[low:high], second[low:high]
    for i in range(high - low):
        g = scale * d[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * (g * g)
        new = w[i] - shrink * w[i] - rate * m[i] / (np.sqrt(v[i] * correction) + epsilon)
        w[i] = min(max(new, -clamp), clamp)
