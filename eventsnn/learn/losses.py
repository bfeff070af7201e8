"""Losses on first-spike times: their mean over a batch and the exact derivative by every output time."""

import math

from ..errors import unknown_name
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


@jit
def mean_square(times, labels, early, late, delta):
    """As `first_spike_cross_entropy`: half the squared distance to target times, `early` for the correct class, else `late`.

    A silent neuron costs the constant 100 and has no derivative.

    >>> import numpy as np
    >>> mean_square(np.array([[1.0, 1.5]]), np.array([0]), 1.0, 1.4, np.empty((1, 2))).__round__(6)
    0.005
    """
    n, classes = times.shape
    total = 0.0
    for k in range(n):
        for j in range(classes):
            away = times[k, j] - (early if j == labels[k] else late)
            delta[k, j] = away / n if away < math.inf else 0.0
            total += 0.5 * away * away if away < math.inf else SILENT_LOSS
    return total / n


@jit
def shifted_mean_square(times, labels, gap, delta):
    """As `first_spike_cross_entropy`: wrong classes should spike `gap` after the correct one, whenever that is.

    0.5 sum over wrong classes k of (t_k - t_c - gap)^2. A silent correct class costs the constant 100 and has no derivative;
    silent wrong classes add nothing. Source: Goeltz et al., DelGrad (2025).

    >>> import numpy as np
    >>> shifted_mean_square(np.array([[1.0, 1.3]]), np.array([0]), 0.2, np.empty((1, 2))).__round__(6)
    0.005
    """
    n, classes = times.shape
    total = 0.0
    for k in range(n):
        own, pulled = times[k, labels[k]], 0.0
        for j in range(classes):
            away = times[k, j] - own - gap
            delta[k, j] = 0.0
            if j != labels[k] and own < math.inf and times[k, j] < math.inf:
                delta[k, j] = away / n
                pulled += away / n
                total += 0.5 * away * away
        delta[k, labels[k]] = -pulled
        if not own < math.inf:
            total += SILENT_LOSS
    return total / n


LOSSES = ("cross_entropy", "mean_square", "shifted_mean_square")


def loss_of(config, times, labels, delta):
    """The loss that `config.loss` names, with its parameters. Raises `UnknownNameError`.

    >>> import numpy as np
    >>> from eventsnn.learn.config import Config
    >>> loss_of(Config(), np.ones((1, 2)), np.array([0]), np.empty((1, 2))).__round__(3)
    0.707
    """
    if config.loss == "cross_entropy":
        return first_spike_cross_entropy(times, labels, config.xi, config.alpha, config.beta, delta)
    if config.loss == "mean_square":
        return mean_square(times, labels, config.target, config.target + config.gap, delta)
    if config.loss == "shifted_mean_square":
        return shifted_mean_square(times, labels, config.gap, delta)
    raise unknown_name("loss", config.loss, LOSSES)
