"""Populations that only emit: spikes given by the user, and Poisson processes."""

from dataclasses import dataclass

import numpy as np

from .checks import count, real


@dataclass(frozen=True, eq=False)
class Input:
    """A population of `n` spike sources driven by the `inputs` of a simulation. Without spikes it is silent.

    >>> import eventsnn as es
    >>> retina = es.Input(1000)
    """

    n: int
    kind = "Input"

    def __post_init__(self):
        object.__setattr__(self, "n", count(self.n, "n", "Input"))

    def __repr__(self):
        return f"Input(n={self.n})"


@dataclass(frozen=True, eq=False)
class Poisson:
    """`n` independent Poisson processes; rate in Hz, scalar or array [n], >= 0.

    Interval k of neuron j is -log(u)/rate with u a counter-based random number of (seed, population, j, k): the same
    bits on every machine, for every scheduler and chunking. The seed is that of the simulation.

    Raises `ParameterError` for negative, infinite or NaN rates.

    >>> import eventsnn as es
    >>> noise = es.Poisson(100, rate=20.0)
    """

    n: int
    rate: np.ndarray
    kind = "Poisson"

    def __post_init__(self):
        object.__setattr__(self, "n", count(self.n, "n", "Poisson"))
        object.__setattr__(self, "rate", real(self.rate, "rate", "Poisson", self.n, least=0.0))

    def __repr__(self):
        return f"Poisson(n={self.n})"
