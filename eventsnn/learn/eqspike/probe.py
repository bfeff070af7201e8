"""One presentation with everything that happened in it, for tests and measurements."""

from dataclasses import dataclass

import numpy as np

from .batches import zero_counts
from .kernels import WORK, present


@dataclass(frozen=True)
class Presentation:
    """What one presentation did.

    times [k] s, neurons [k] : spikes of hidden neurons (0, 1, ...) and outputs (n_hidden, ...), sorted; counts [2, 4] : see
    `present`; w1, w2, bias : changes of the weights, or the weights themselves where they change at once
    """

    times: np.ndarray
    neurons: np.ndarray
    counts: np.ndarray
    w1: np.ndarray
    w2: np.ndarray
    bias: np.ndarray


def presentation(network, x, key, phases, label=0, v=None, inputs="spikes", at_once=False, tau_filter=0.02, steepness=0.0,
                 least_error=0.0):
    """Present rates x [n_in] in [0, 1] to `network`; returns a `Presentation`.

    key : of the phases of the inputs; phases [k, 4] : see `present`; label : of the output to be raised, -1 for none; v
    [n_hidden + n_out] : potentials at the start [0]; inputs, least_error : see `EqSpikeConfig`; steepness : of the softmax,
    0 for the squared error

    >>> from .network import EqSpikeNetwork
    >>> network = EqSpikeNetwork(np.zeros((1, 1)), np.zeros((1, 1)), [0.1, 0.0])
    >>> presentation(network, [0.0], 0, np.array([[0.05, 0.0, 0.0, 0.0]])).times.round(4)
    array([0.0277])
    """
    w1, w2, w2_back, bias = network.padded()
    n_in, n_hidden, n_out = network.sizes
    start, x = np.zeros(bias.size), np.asarray(x, float)
    if v is not None:
        start[:n_hidden + n_out] = v
    until = phases[:, 0].sum()
    g_bias = np.zeros(bias.size)
    g1, g2, g2_back = (w1, w2, w2_back) if at_once else (np.zeros(part.shape) for part in (w1, w2, w2_back))
    room, each = int((until / network.t_ref * x + 2.0).sum()), int(until / network.t_ref) + 2
    spikes, who, counts = np.empty(each * bias.size), np.empty(each * bias.size, np.int64), zero_counts(1)[0]
    n = present(x, np.uint64(key), start, w1, w2, w2_back, bias, label, phases, 0.0,
                network.constants(tau_filter, inputs == "intervals", steepness, least_error), n_hidden, n_out, g1, g2, g2_back,
                g_bias, at_once, np.empty((3, n_out)), counts, np.empty(room), np.empty(room, np.int64),
                np.empty(room + 2, np.int64), np.empty((WORK, bias.size)), np.empty((2, bias.size), np.int64), spikes, who)
    order = np.lexsort((who[:n], spikes[:n]))
    both = g2 if at_once else g2 + g2_back.T
    return Presentation(spikes[:n][order], who[:n][order], counts, g1[:, :n_hidden], both, g_bias[:n_hidden + n_out])
