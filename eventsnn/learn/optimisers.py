"""Optimisers that keep their whole state in plain arrays, so that a checkpoint can hold it, and schedules of their rates."""

import math

import numpy as np

from ..errors import ParameterError, unknown_name
from ..jit import kernel


@kernel
def _adam(weights, gradient, first, second, rate, decay1, decay2, epsilon, shrink, correction):
    for i in range(weights.size):
        g = gradient[i]
        first[i] += (1.0 - decay1) * (g - first[i])
        second[i] += (1.0 - decay2) * (g * g - second[i])
        weights[i] -= shrink * weights[i] + rate * first[i] / (math.sqrt(second[i] / correction) + epsilon)


@kernel
def _momentum(weights, gradient, first, rate, momentum, shrink):
    for i in range(weights.size):
        first[i] = momentum * first[i] + gradient[i]
        weights[i] -= shrink * weights[i] + rate * first[i]


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) for one flat parameter vector, changed in place; AdamW with `weight_decay`.

    `size` is the number of parameters. `weight_decay` takes rate times this part of every weight away (Loshchilov and Hutter
    2019). State: `first`, `second` [size] and the step count `steps`.
    Raises `ParameterError` for a decay outside [0, 1), epsilon <= 0 or weight_decay < 0.

    >>> w = np.zeros(2)
    >>> Adam(2).step(w, np.array([1.0, -1.0]), rate=0.1)
    >>> w.round(6)
    array([-0.1,  0.1])
    """

    def __init__(self, size, decay=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0):
        for value in decay:
            if not 0.0 <= value < 1.0:
                raise ParameterError(f"decay must lie in [0, 1), got {value!r}")
        if not epsilon > 0.0:
            raise ParameterError(f"epsilon must be > 0, got {epsilon!r}")
        if not 0.0 <= weight_decay < math.inf:
            raise ParameterError(f"weight_decay must lie in [0, inf), got {weight_decay!r}")
        self.decay, self.epsilon, self.weight_decay = tuple(decay), float(epsilon), float(weight_decay)
        self.first, self.second, self.steps = np.zeros(size), np.zeros(size), 0

    def step(self, weights, gradient, rate):
        """Move `weights` [size] against `gradient` [size] with learning rate `rate`."""
        beta1, beta2 = self.decay
        self.steps += 1
        _adam(weights, gradient, self.first, self.second, rate / (1.0 - beta1**self.steps), beta1, beta2, self.epsilon,
              rate * self.weight_decay, 1.0 - beta2**self.steps)


class SGD:
    """Gradient descent with momentum: m := momentum m + gradient, w := w - rate m. State: `first` [size] = m, `steps`.

    Raises `ParameterError` for a momentum outside [0, 1) or weight_decay < 0.

    >>> w = np.zeros(1)
    >>> SGD(1, momentum=0.0).step(w, np.array([2.0]), rate=0.1)
    >>> w
    array([-0.2])
    """

    def __init__(self, size, momentum=0.9, weight_decay=0.0):
        if not 0.0 <= momentum < 1.0:
            raise ParameterError(f"momentum must lie in [0, 1), got {momentum!r}")
        if not 0.0 <= weight_decay < math.inf:
            raise ParameterError(f"weight_decay must lie in [0, inf), got {weight_decay!r}")
        self.momentum, self.weight_decay = float(momentum), float(weight_decay)
        self.first, self.second, self.steps = np.zeros(size), np.zeros(0), 0

    def step(self, weights, gradient, rate):
        """Move `weights` [size] against `gradient` [size] with learning rate `rate`."""
        self.steps += 1
        _momentum(weights, gradient, self.first, rate, self.momentum, rate * self.weight_decay)


OPTIMISERS = {"adam": Adam, "sgd": SGD}


def new_optimiser(name, size, weight_decay=0.0):
    """The optimiser `name` for `size` parameters. Raises `UnknownNameError`.

    >>> new_optimiser("adam", 3).steps
    0
    """
    if name not in OPTIMISERS:
        raise unknown_name("optimiser", name, OPTIMISERS)
    return OPTIMISERS[name](size, weight_decay=weight_decay)


def step_rate(rate, epoch, factor=0.95, every=20):
    """Learning rate in `epoch` (from 0): multiplied by `factor` after each `every` epochs.

    >>> step_rate(0.1, 40, factor=0.5, every=20)
    0.025
    """
    return rate * factor ** (epoch // every)


def cosine_rate(rate, epoch, epochs, least=0.01):
    """Learning rate in `epoch` of `epochs`: half a cosine from `rate` down to `least` times it.

    >>> round(cosine_rate(0.1, 5, 10, least=0.0), 6)
    0.05
    """
    return rate * (least + (1.0 - least) * 0.5 * (1.0 + math.cos(math.pi * epoch / epochs)))
