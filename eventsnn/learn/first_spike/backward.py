"""Exact gradients of first spike times.

For the inputs before t: dt/dw_i = -kappa(t - t_i) / V'(t), dt/dt_i = w_i kappa'(t - t_i) / V'(t), where
kappa(s) = s e^-s for c = 1, else k (e^-cs - e^-s) with k = 1 / (1 - c) (Goeltz et al. 2021, and the implicit function theorem
for any other ratio). Everything follows from the stored spike times and V' at them. A layer is done row by row of its weights,
that is, input by input, over all samples: rows are independent, so threads take some of them each, and every sum keeps its
order.
"""

import math

import numpy as np

from ...jit import jit
from ...kernels.elementary import growth
from .forward import AXONAL, DENDRITIC, SYNAPTIC

WIDE = 60.0  # spread of times beyond which the gradient takes one exponential per pair
TILE = 8  # rows that are done together, while the sample lies in the fastest cache
# layers of the scratch `spike`: spike time (-inf: no gradient), what a weight gets per kappa, what a time gets per slope, decay
# of the membrane and of the current since the sample's reference time
B_TIME, B_WEIGHT, B_PASS, B_MEM, B_SYN, B_ROWS = 0, 1, 2, 3, 4, 5
# columns of `span`: reference time and the last spike of the sample; whether its times are far apart
S_LOW, S_HIGH, S_WIDE, S_COLUMNS = 0, 1, 2, 3


@jit
def kappa(s, c):
    """Potential at time `s` >= 0 after an input of weight 1."""
    return s * math.exp(-s) if c == 1.0 else (math.exp(-c * s) - math.exp(-s)) / (1.0 - c)


@jit
def _largest(times, n, end, c, kind, delays, begin, j, m):
    """Largest kappa from the inputs of neuron `j` that arrive before `end`."""
    best = 0.0
    for i in range(n):
        time = times[i]
        if kind == AXONAL or kind == SYNAPTIC:
            time += delays[begin + (i if kind == AXONAL else i * m + j)]
        if time < end:
            best = max(best, kappa(end - time, c))
    return best


@jit
def prepare_samples(record, at, n, m, speeds, delta, c, limit, kind, delays, begin, first, end, spike, span):
    """For samples first to end - 1: what their spikes pass on. Inputs at column `at`, outputs after them, V' at `speeds`.

    A neuron whose largest |dL/dw_i| exceeds `limit` gets no weight gradient but passes its time gradient on; one that is
    silent, or whose V' is not positive, does neither.
    """
    peak = kappa(1.0 if c == 1.0 else math.log(c) / (c - 1.0), c)
    for k in range(first, end):
        times, own = record[k, at:at + n], spike[k]
        low, high = math.inf, -math.inf
        for i in range(n):
            low = min(low, times[i] + (delays[begin + i] if kind == AXONAL else 0.0))
        for j in range(m):
            out, d, v = record[k, at + n + j], delta[k, j], record[k, speeds + j]
            alive = out < math.inf and d == d and d != 0.0 and v > 0.0
            passed = d / v if alive else 0.0
            if kind == DENDRITIC:
                out -= delays[begin + j]
            own[B_TIME, j], own[B_PASS, j] = out if alive else -math.inf, passed
            fits = peak * abs(passed) <= limit or _largest(times, n, out, c, kind, delays, begin, j, m) * abs(passed) <= limit
            own[B_WEIGHT, j] = -passed if fits else 0.0
            high = max(high, own[B_TIME, j])
        wide = high - low > WIDE * min(1.0, 1.0 / c)
        span[k, S_LOW], span[k, S_HIGH], span[k, S_WIDE] = low, high, 1.0 if wide else 0.0
        for j in range(m):
            near = own[B_TIME, j] > low and not wide
            s = low - own[B_TIME, j] if near else 0.0
            own[B_SYN, j] = growth(s, 1.0, 0.0) if near else 0.0
            own[B_MEM, j] = (growth(s, c, 0.0) if c != 1.0 else own[B_SYN, j]) if near else 0.0


@jit
def _far(times, own, grad, weights, row, m, c):
    """One input at `times` of a sample whose times are far apart: one exponential per pair. Returns dL/dt of the input."""
    total = 0.0
    for j in range(m):
        s = own[B_TIME, j] - times
        if s > 0.0:
            syn, mem = math.exp(-s), math.exp(-c * s)
            slope = (1.0 - s) * syn if c == 1.0 else (syn - c * mem) / (1.0 - c)
            grad[row + j] += (s * syn if c == 1.0 else (mem - syn) / (1.0 - c)) * own[B_WEIGHT, j]
            total += weights[row + j] * slope * own[B_PASS, j]
    return total


@jit
def _equal(time, up, end, weight, decay, grad, m):
    for j in range(m):
        s = end[j] - time
        grad[j] += s * (up * decay[j]) * weight[j] if s > 0.0 else 0.0


@jit
def _equal_both(time, up, end, weight, passed, decay, grad, weights, m):
    total = 0.0
    for j in range(m):
        s = end[j] - time
        e = up * decay[j] if s > 0.0 else 0.0
        grad[j] += s * e * weight[j] if s > 0.0 else 0.0
        total += weights[j] * (1.0 - s) * e * passed[j] if s > 0.0 else 0.0
    return total


@jit
def _apart(time, up, rise, end, weight, syn, mem, grad, m, k):
    for j in range(m):
        s = end[j] - time
        grad[j] += k * (rise * mem[j] - up * syn[j]) * weight[j] if s > 0.0 else 0.0


@jit
def _apart_both(time, up, rise, end, weight, passed, syn, mem, grad, weights, m, k, c):
    total = 0.0
    for j in range(m):
        s = end[j] - time
        slow, fast = rise * mem[j], up * syn[j]
        grad[j] += k * (slow - fast) * weight[j] if s > 0.0 else 0.0
        total += weights[j] * k * (fast - c * slow) * passed[j] if s > 0.0 else 0.0
    return total


@jit
def backward_rows(record, at, m, c, weights, first, kind, delays, begin, low, high, spike, span, grad, delta_in, through):
    """Inputs low to high - 1 of a layer: their rows of `grad` (overwritten) and, if `through`, dL/dt of their times.

    `weights`, `grad` are flat, the matrix of the layer begins at `first`; delta_in [samples, inputs]. Delays, if axonal or
    dendritic, are those from delays[begin] on.
    """
    k = 0.0 if c == 1.0 else 1.0 / (1.0 - c)
    for tile in range(low, high, TILE):
        stop = min(tile + TILE, high)
        for j in range(first + tile * m, first + stop * m):
            grad[j] = 0.0
        for sample in range(record.shape[0]):
            own, reference, last = spike[sample], span[sample, S_LOW], span[sample, S_HIGH]
            for i in range(tile, stop):
                time, row, total = record[sample, at + i], first + i * m, 0.0
                if kind == AXONAL:
                    time += delays[begin + i]
                if time < last:
                    if span[sample, S_WIDE] != 0.0:
                        total = _far(time, own, grad, weights, row, m, c)
                    else:
                        up = growth(time - reference, 1.0, 0.0)
                        rise = up if c == 1.0 else growth(time - reference, c, 0.0)
                        there, w = grad[row:row + m], weights[row:row + m]
                        if c == 1.0 and through:
                            total = _equal_both(time, up, own[B_TIME], own[B_WEIGHT], own[B_PASS], own[B_SYN], there, w, m)
                        elif c == 1.0:
                            _equal(time, up, own[B_TIME], own[B_WEIGHT], own[B_SYN], there, m)
                        elif through:
                            total = _apart_both(time, up, rise, own[B_TIME], own[B_WEIGHT], own[B_PASS], own[B_SYN], own[B_MEM],
                                                there, w, m, k, c)
                        else:
                            _apart(time, up, rise, own[B_TIME], own[B_WEIGHT], own[B_SYN], own[B_MEM], there, m, k)
                if through:
                    delta_in[sample, i] = total


@jit
def backward_synaptic(record, at, m, c, weights, first, delays, begin, low, high, spike, grad, delay_grad, delta_in):
    """As `backward_rows` for a layer with a delay per synapse; also dL/dd [n_delays], flat like `delays` (overwritten)."""
    for i in range(low, high):
        for j in range(m):
            grad[first + i * m + j] = delay_grad[begin + i * m + j] = 0.0
        for sample in range(record.shape[0]):
            own, total = spike[sample], 0.0
            for j in range(m):
                s = own[B_TIME, j] - record[sample, at + i] - delays[begin + i * m + j]
                if s > 0.0:
                    syn, mem = math.exp(-s), math.exp(-c * s)
                    slope = (1.0 - s) * syn if c == 1.0 else (syn - c * mem) / (1.0 - c)
                    grad[first + i * m + j] += (s * syn if c == 1.0 else (mem - syn) / (1.0 - c)) * own[B_WEIGHT, j]
                    passed = weights[first + i * m + j] * slope * own[B_PASS, j]
                    delay_grad[begin + i * m + j] += passed
                    total += passed
            delta_in[sample, i] = total


def scratch(samples, widest):
    """(spike, span): memory for `prepare_samples` and `backward_rows`."""
    return np.empty((samples, B_ROWS, widest)), np.empty((samples, S_COLUMNS))
