"""Optimisers that keep their whole state in plain arrays, so that a checkpoint can hold it."""

import numpy as np

from ..errors import ParameterError


class Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1) for one flat parameter vector, changed in place.

    `size` is the number of parameters. State: `first`, `second` [size] and the step count `steps`.
    Raises `ParameterError` for a decay outside [0, 1) or epsilon <= 0.

    >>> w = np.zeros(2)
    >>> Adam(2).step(w, np.array([1.0, -1.0]), rate=0.1)
    >>> w.round(6)
    array([-0.1,  0.1])
    """

    def __init__(self, size, decay=(0.9, 0.999), epsilon=1e-8):
        for value in decay:
            if not 0.0 <= value < 1.0:
                raise ParameterError(f"decay must lie in [0, 1), got {value!r}")
        if not epsilon > 0.0:
            raise ParameterError(f"epsilon must be > 0, got {epsilon!r}")
        self.decay, self.epsilon = tuple(decay), float(epsilon)
        self.first, self.second, self.steps = np.zeros(size), np.zeros(size), 0

    def step(self, weights, gradient, rate):
        """Move `weights` [size] against `gradient` [size] with learning rate `rate`."""
        beta1, beta2 = self.decay
        self.steps += 1
        self.first += (1.0 - beta1) * (gradient - self.first)
        self.second += (1.0 - beta2) * (gradient * gradient - self.second)
        unbiased = np.sqrt(self.second / (1.0 - beta2**self.steps))
        weights -= rate / (1.0 - beta1**self.steps) * self.first / (unbiased + self.epsilon)


def step_rate(rate, epoch, factor=0.95, every=20):
    """Learning rate in `epoch` (from 0): multiplied by `factor` after each `every` epochs.

    >>> step_rate(0.1, 40, factor=0.5, every=20)
    0.025
    """
    return rate * factor ** (epoch // every)
