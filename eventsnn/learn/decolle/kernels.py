"""The compiled loops of DECOLLE: everything but the matrix products. All run on one part of a batch, and allocate nothing.

Random numbers are functions of a key and a place, so they are the same whatever is computed where: four draws of 16 bits out of
each 64-bit word.
"""

import math

import numpy as np

from ...jit import inlined, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S30, S27, S31, S16 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(16)
LOW = np.uint64(0xFFFF)


@inlined
def mix(key):
    """64 well mixed bits of a key: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = np.uint64(key) * GOLDEN
    x = (x ^ (x >> S30)) * FIRST
    x = (x ^ (x >> S27)) * SECOND
    return x ^ (x >> S31)


@kernel
def keys_of(seed, kind, epoch, samples, out):
    """Keys [n] of `samples` (numbers in the data set), for one kind of random number in one epoch."""
    base = mix(mix(mix(np.uint64(seed)) + np.uint64(kind)) + np.uint64(epoch))
    for i in range(samples.size):
        out[i] = mix(base + np.uint64(samples[i]))


@kernel
def poisson(probability, keys, step, out):
    """Spikes `out` uint8 [b, n] of step `step`: 1 with `probability` / 65536, uint16 [b, n]."""
    b, n = probability.shape
    for i in range(b):
        base = mix(keys[i] + np.uint64(step))
        for first in range(0, n, 4):
            stop = min(first + 4, n)
            any_light = False
            for j in range(first, stop):
                out[i, j] = 0
                any_light |= probability[i, j] > 0
            if any_light:
                word = mix(base + np.uint64(first))
                for j in range(first, stop):
                    out[i, j] = (word & LOW) < probability[i, j]
                    word >>= S16


@kernel
def gather_events(step, index, at, end, now, most, out):
    """Counts `out` uint8 [b, n], at most `most`, of the events of step `now`; `at` [b] moves past them.

    step, index : of all events; at, end [b] : the next and the last event of every sample; now [b]
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0
        k = at[i]
        while k < end[i] and step[k] <= now[i]:
            j = index[k]
            if step[k] == now[i] and j >= 0 and out[i, j] < most:
                out[i, j] += 1
            k += 1
        at[i] = k


@kernel
def filtered(p, last, q, s, alpha, into_p, beta, into_q):
    """Traces of inputs over some steps: p [span, n] is filled for every row of the spikes or counts s uint8 [steps, n].

    Row `last` of p and q [n] hold the traces of the step before.
    """
    for k in range(s.shape[0]):
        before = p[last] if k == 0 else p[k - 1]
        now, spikes = p[k], s[k]
        for i in range(q.size):
            old = q[i]
            now[i] = alpha * before[i] + into_p * old
            q[i] = beta * old + into_q * np.float32(spikes[i])


@kernel
def patches(p, padding, size, out):
    """Rows `out` [b H' W', size size C] of what each neuron of a convolution sees of p [b, H, W, C]; zeros outside."""
    b, height, width, channels = p.shape
    high, wide = height + 2 * padding - size + 1, width + 2 * padding - size + 1
    row = 0
    for i in range(b):
        for y in range(high):
            for x in range(wide):
                at = 0
                for v in range(y - padding, y - padding + size):
                    for w in range(x - padding, x - padding + size):
                        inside = 0 <= v < height and 0 <= w < width
                        for c in range(channels):
                            out[row, at + c] = p[i, v, w, c] if inside else p.dtype.type(0.0)
                        at += channels
                row += 1


@kernel
def fire(u, r, s, last, bias, gamma, rho):
    """Some steps of neurons: u [steps, rows, channels], which holds W P, becomes U; s uint8 [span, rows, channels] the spikes.

    r [rows, channels] and s[last] are those of the step before.
    """
    zero = gamma - gamma
    for k in range(u.shape[0]):
        before, now = s[last] if k == 0 else s[k - 1], s[k]
        for i in range(u.shape[1]):
            for j in range(u.shape[2]):
                new = gamma * r[i, j] - (rho if before[i, j] else zero)
                r[i, j] = new
                v = u[k, i, j] + bias[j] + new
                u[k, i, j] = v
                now[i, j] = v >= zero


@kernel
def pooled(u, size, out, who, s):
    """Max pool of u [b, H, W, C] over tiles of `size` x `size`: `out`, the number of the winner in its tile, spikes."""
    b, height, width, channels = out.shape
    for i in range(b):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    best, number = u[i, y * size, x * size, c], 0
                    for k in range(1, size * size):
                        v = u[i, y * size + k // size, x * size + k % size, c]
                        if v > best:
                            best, number = v, k
                    out[i, y, x, c], who[i, y, x, c] = best, number
                    s[i, y, x, c] = best >= 0.0


@kernel
def unpooled(delta, size, who, out):
    """Send delta [b, H', W', C] to the winners of the tiles: `out` [b, H, W, C], zero elsewhere."""
    b, height, width, channels = delta.shape
    flat = out.reshape(out.size)
    for k in range(out.size):
        flat[k] = 0.0
    for i in range(b):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    k = who[i, y, x, c]
                    out[i, y * size + k // size, x * size + k % size, c] = delta[i, y, x, c]


@kernel
def read_out(s, g, offset, y):
    """y [b, K] = s [b, n] uint8 times g [n, K], plus `offset` [K]."""
    for i in range(s.shape[0]):
        for k in range(y.shape[1]):
            y[i, k] = offset[k]
        for j in range(s.shape[1]):
            if s[i, j]:
                for k in range(y.shape[1]):
                    y[i, k] += g[j, k]


@kernel
def vote(y, votes):
    """Add one to `votes` [b, K] for the largest entry of every row of y [b, K], the first of equal ones."""
    for i in range(y.shape[0]):
        best = 0
        for k in range(1, y.shape[1]):
            if y[i, k] > y[i, best]:
                best = k
        votes[i, best] += 1


@kernel
def local_errors(u, s, g, offset, labels, keys, step, dropped, trigger, share, y, delta):
    """The local error of one layer in one step; returns (sum of smooth L1 over samples and classes, samples that learn).

    u, s [b, n] : membrane and spikes (pooled); g [n, K], offset [K] : readout; dropped : chance of dropout times 65536
    trigger : errors no larger than this do not count; share : 1 / (batch K); y : scratch [b, K]
    delta [b, n] : dL/dU with the box in place of the slope of the step, 1 where -0.5 < U <= 0.5 (overwritten)
    """
    kind = delta.dtype.type
    scale, half, zero, one = kind(65536.0 / (65536.0 - dropped)), kind(0.5), kind(0.0), kind(1.0)
    loss, learning = 0.0, 0
    for i in range(u.shape[0]):
        base = mix(keys[i] + np.uint64(step))
        for k in range(y.shape[1]):
            y[i, k] = offset[k]
        word = np.uint64(0)
        for j in range(u.shape[1]):
            if dropped > 0:
                if j & 3 == 0:
                    word = mix(base + np.uint64(j))
                delta[i, j] = scale if (word & LOW) >= np.uint64(dropped) else zero
                word >>= S16
            else:
                delta[i, j] = one
            if s[i, j] and delta[i, j] > zero:
                for k in range(y.shape[1]):
                    y[i, k] += g[j, k] * delta[i, j]
        active = False
        for k in range(y.shape[1]):
            error = y[i, k] - (one if k == labels[i] else zero)
            size = abs(error)
            loss += 0.5 * size * size if size < 1.0 else size - 0.5
            if size > trigger:
                y[i, k], active = min(max(error, -one), one) * share, True
            else:
                y[i, k] = zero
        learning += active
        for j in range(u.shape[1]):
            if active and delta[i, j] > zero and -half < u[i, j] <= half:
                total = zero
                for k in range(y.shape[1]):
                    total += g[j, k] * y[i, k]
                delta[i, j] *= total
            else:
                delta[i, j] = zero
    return loss, learning


@kernel
def regularise(u, activity, silence, share, delta):
    """Add to delta [b, n] the derivative of activity mean [U + 0.01]+ + silence [mean(0.1 - logistic(U))]+.

    share : 1 / (batch n). The second mean is over the samples given here. Returns the two terms, times share.
    """
    cost, quiet = 0.0, 0.0
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            v = u[i, j] + 0.01
            if v > 0.0:
                cost += v
                delta[i, j] += delta.dtype.type(activity * share)
            if silence > 0.0:
                quiet += 0.1 - 1.0 / (1.0 + math.exp(-float(u[i, j])))
    if quiet > 0.0:
        for i in range(u.shape[0]):
            for j in range(u.shape[1]):
                on = 1.0 / (1.0 + math.exp(-float(u[i, j])))
                delta[i, j] -= delta.dtype.type(silence * share * on * (1.0 - on))
    return (activity * cost + silence * max(quiet, 0.0)) * share


@kernel
def add_columns(delta, out, fresh):
    """out [n] (+)= sum over the rows of delta [rows, n]; `fresh`: out is overwritten."""
    if fresh:
        for j in range(out.size):
            out[j] = 0.0
    for i in range(delta.shape[0]):
        for j in range(out.size):
            out[j] += delta[i, j]


@kernel
def add(total, more):
    """total [n] += more [n]."""
    for i in range(total.size):
        total[i] += more[i]


@kernel
def adamax(weights, largest, gradients, first, end, rate, decay, epsilon):
    """Adamax (Kingma and Ba 2015, section 7.1) without momentum on entries first ... end - 1; gradients [parts, n] are summed.

    largest <- max(decay largest, |g| + epsilon);   weights -= rate g / largest
    """
    for i in range(first, end):
        g = gradients[0, i]
        for part in range(1, gradients.shape[0]):
            g += gradients[part, i]
        bound, size = decay * largest[i], abs(g) + epsilon
        bound = bound if bound > size else size
        largest[i] = bound
        weights[i] -= rate * g / bound


@kernel
def descend(weights, gradients, first, end, rate):
    """weights -= rate g, as `adamax`."""
    for i in range(first, end):
        g = gradients[0, i]
        for part in range(1, gradients.shape[0]):
            g += gradients[part, i]
        weights[i] -= rate * g
