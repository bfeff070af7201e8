"""The shapes of layers, from words such as 400 (dense) and "15c5p2s2" (15 channels, kernel 5 x 5, padding 2, sum pool 2)."""

import math
import re
from dataclasses import dataclass

from ...errors import ParameterError


@dataclass(frozen=True)
class Stage:
    """One layer. Shapes are (height, width, channels), and neurons are numbered in this order, the channel fastest.

    given : of its input; full : of its neurons; pooled : of what it sends on; kernel 0: dense
    """

    given: tuple
    full: tuple
    pooled: tuple
    kernel: int = 0
    padding: int = 0
    pool: int = 1

    @property
    def n_in(self):
        """Number of inputs."""
        return math.prod(self.given)

    @property
    def n(self):
        """Number of neurons."""
        return math.prod(self.full)

    @property
    def n_out(self):
        """Number of outputs: neurons, or sums of them if there is a pool."""
        return math.prod(self.pooled)

    @property
    def places(self):
        """Number of neurons that share a column of the weight matrix."""
        return self.full[0] * self.full[1]

    @property
    def matrix(self):
        """Shape of the weight matrix: (inputs of a neuron, channels or neurons)."""
        return (self.kernel * self.kernel * self.given[2] if self.kernel else self.n_in), self.full[2]


def stages(shape, layers):
    """The `Stage`s of `layers` on inputs of `shape` (height, width, channels).

    Raises `ParameterError` for a word that is neither a number of neurons nor of the form "15c5p2s2" (p and s may be left out),
    and for kernels larger than what they work on, and pools that do not divide it.

    >>> [stage.pooled for stage in stages((28, 28, 1), ["15c5s2", 100])]
    [(12, 12, 15), (1, 1, 100)]
    """
    if not layers:
        raise ParameterError("layers must hold at least one layer, got none")
    found = []
    for word in layers:
        if isinstance(word, int) and not isinstance(word, bool) and word >= 1:
            stage = Stage(shape, (1, 1, word), (1, 1, word))
        else:
            parts = re.fullmatch(r"(\d+)c(\d+)(?:p(\d+))?(?:s(\d+))?", word) if isinstance(word, str) else None
            if parts is None:
                raise ParameterError(f"layers holds {word!r}; a layer is a number of neurons >= 1, or channels and kernel such "
                                     f"as '15c5', with padding 'p2' and sum pool 's2' behind it")
            channels, kernel, padding, pool = (int(v or default) for v, default in zip(parts.groups(), (0, 0, 0, 1)))
            size = [n + 2 * padding - kernel + 1 for n in shape[:2]]
            if min(channels, kernel, pool, *size) < 1 or any(n % pool for n in size):
                raise ParameterError(f"layers holds {word!r}, which does not fit on {shape[0]} x {shape[1]} inputs")
            stage = Stage(shape, (*size, channels), (size[0] // pool, size[1] // pool, channels), kernel, padding, pool)
        found.append(stage)
        shape = stage.pooled
    return found
