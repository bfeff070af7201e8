"""Losses on first-spike times: their mean over a batch and the exact derivative by every output time."""

import math

from ..jit import jit

SILENT_LOSS = 100.0


@jit
def first_spike_cross_entropy(times, labels, xi, alpha, beta, delta):
    """Mean loss of `times` [n, classes] (units of tau_syn, inf = silent) for `labels` [n]; fills `delta` [n, classes].

    Per sample, with the correct class c: ln sum_k exp(-(t_k - t_c) / xi) + alpha exp(t_c / beta). `delta` receives
    the derivative of the *mean* loss by each time. A silent correct class costs the constant 100 and has no
    derivative; silent wrong classes add nothing.

    Source: Goeltz et al., Nature Machine Intelligence 3 (2021), equation 7.

    >>> import numpy as np
    >>> d = np.empty((1, 2))
    >>> round(first_spike_cross_entropy(np.array([[1.0, 1.0]]), np.array([0]), 0.2, 0.0, 1.0, d), 6)
    0.693147
    """
    n, classes = times.shape
    total = 0.0
    for k in range(n):
        own = times[k, labels[k]]
        if not own < math.inf:
            total += SILENT_LOSS
            for j in range(classes):
                delta[k, j] = 0.0
            continue
        first = math.inf
        for j in range(classes):
            first = min(first, times[k, j])
        norm = 0.0
        for j in range(classes):
            delta[k, j] = math.exp((first - times[k, j]) / xi)
            norm += delta[k, j]
        late = alpha * math.exp(own / beta)
        total += math.log(norm) + (own - first) / xi + late
        for j in range(classes):
            delta[k, j] *= -1.0 / (norm * xi * n)
        delta[k, labels[k]] += (1.0 / xi + late / beta) / n
    return total / n
