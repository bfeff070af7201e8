"""Compiled: many presentations after one another, and the step that a batch makes; threads take fixed chunks of samples."""

import numpy as np

from ...jit import jit
from .events import start_potentials
from .kernels import ALL, WORK, present

LANES = 8  # neurons are padded to a multiple of this


@jit
def _room(x, until, t_ref):
    most = 0
    for s in range(x.shape[0]):
        room = 0
        for j in range(x.shape[1]):
            if x[s, j] > 0.0:
                room += int(x[s, j] * until / t_ref) + 2
        most = max(most, room)
    return most


@jit
def learn_samples(x, keys, labels, signs, w1, w2, w2_back, bias, phases, constants, g1, g2, g2_back, g_bias, at_once, counts):
    """Present samples one after the other and add up their weight changes.

    x [m, n_in] uint8 : pixels, of 255; keys, labels, signs [m]; phases [k, 4] : betas and gains are multiplied by the sign of
    the sample; other arguments as those of `present`; counts [m, 2, 4] is filled
    """
    n_hidden, n_out, n = w2.shape[0], w2.shape[1], bias.size
    rates = np.empty((1, x.shape[1]))
    until = phases[:, 0].sum()
    signed, output = phases.copy(), np.empty((3, n_out))
    none, nobody = np.empty(0), np.empty(0, np.int64)
    most = 0
    for s in range(x.shape[0]):
        rates[0] = x[s] / 255.0
        most = max(most, _room(rates, until, constants[3]))
    work, lists = np.empty((WORK, bias.size)), np.empty((2, bias.size), np.int64)
    times, sources, bins = np.empty(most), np.empty(most, np.int64), np.empty(most // 2 + 2, np.int64)
    for s in range(x.shape[0]):
        rates[0] = x[s] / 255.0
        signed[:, 1:] = phases[:, 1:] * signs[s]
        v = start_potentials(keys[s], n, constants[2])
        counts[s] = 0
        present(rates[0], keys[s], v, w1, w2, w2_back, bias, labels[s], signed, 0.0, constants, n_hidden, n_out, g1, g2,
                g2_back, g_bias, at_once, output, counts[s], times, sources, bins, work, lists, none, nobody)


@jit
def classify_samples(x, keys, v, w1, w2, w2_back, bias, until, read_from, constants, found, counts):
    """Free phases: found [m, 3, n_out] gets the readout of every sample, see `present`; v [n] : potentials at the start."""
    n_hidden, n_out = w2.shape
    phases = np.array([[until, 0.0, 0.0, 0.0]])
    none, nobody, g = np.empty(0), np.empty(0, np.int64), np.empty((0, 0))
    rates = np.empty((1, x.shape[1]))
    most = 0
    for s in range(x.shape[0]):
        rates[0] = x[s] / 255.0
        most = max(most, _room(rates, until, constants[3]))
    work, lists = np.empty((WORK, bias.size)), np.empty((2, bias.size), np.int64)
    times, sources, bins = np.empty(most), np.empty(most, np.int64), np.empty(most // 2 + 2, np.int64)
    for s in range(x.shape[0]):
        rates[0] = x[s] / 255.0
        counts[s] = 0
        present(rates[0], keys[s], v, w1, w2, w2_back, bias, -1, phases, read_from, constants, n_hidden, n_out, g, w2, w2_back,
                none, False, found[s], counts[s], times, sources, bins, work, lists, none, nobody)


@jit
def apply_changes(w1, w2, w2_back, bias, g1, g2, g2_back, g_bias, rates):
    """Add rates [4] (w1, w2, bias of hidden neurons and of outputs) times the changes of all chunks [c, ...], in their order.

    The changes are zeroed.
    """
    chunks, n_hidden, n_out = g1.shape[0], w2.shape[0], w2.shape[1]
    for j in range(w1.shape[0]):
        for c in range(chunks):
            row, change = w1[j], g1[c, j]
            for i in range(n_hidden):
                row[i] += rates[0] * change[i]
                change[i] = 0.0
    for i in range(n_hidden):
        for k in range(n_out):
            total = 0.0
            for c in range(chunks):
                total += g2[c, i, k] + g2_back[c, k, i]
                g2[c, i, k] = g2_back[c, k, i] = 0.0
            w2[i, k] += rates[1] * total
            w2_back[k, i] = w2[i, k]
    for i in range(n_hidden + n_out):
        for c in range(chunks):
            bias[i] += rates[2 if i < n_hidden else 3] * g_bias[c, i]
            g_bias[c, i] = 0.0


@jit
def sum_changes(g1, g2, g2_back, g_bias):
    """Changes (w1, w2, bias), those of all chunks [c, ...] added up in their order; the chunks are zeroed."""
    first, second, biases = np.zeros(g1.shape[1:]), np.zeros(g2.shape[1:]), np.zeros(g_bias.shape[1])
    for c in range(g1.shape[0]):
        first += g1[c]
        second += g2[c] + g2_back[c].T
        biases += g_bias[c]
        g1[c] = 0.0
        g2[c] = 0.0
        g2_back[c] = 0.0
        g_bias[c] = 0.0
    return first, second, biases


def zero_counts(n):
    """Counts [n, 2, 4] of n presentations, see `present`."""
    return np.zeros((n, 2, ALL), np.int64)
