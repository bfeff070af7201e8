"""The shapes of layers, from words such as 120 (dense) and "16c7p2m2" (16 channels, kernel 7 x 7, padding 2, max pool 2)."""

import math
import re
from dataclasses import dataclass

from ..errors import ParameterError


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
        """Number of outputs: neurons, or pools of them."""
        return math.prod(self.pooled)

    @property
    def fan_in(self):
        """Number of weights of a neuron."""
        return self.kernel * self.kernel * self.given[2] if self.kernel else self.n_in

    @property
    def matrix(self):
        """(weights of a neuron, number of neurons with weights of their own)."""
        return self.fan_in, self.channels

    @property
    def channels(self):
        """Number of rows of the weight matrix: channels, or neurons if dense."""
        return self.full[2]

    @property
    def places(self):
        """Number of neurons that share a row of the weight matrix."""
        return self.full[0] * self.full[1]


POOLS = {"m": "max", "s": "sum"}


def stages(shape, layers, pool="m"):
    """The `Stage`s of `layers` on inputs of `shape` (height, width, channels).

    pool : the letter of pools, "m" for max pools, whose rest at the edges is left out, "s" for sum pools, which must fit
    Raises `ParameterError` for a word that is neither a number of neurons nor of the form "16c7p2m2" (p and m may be left out),
    and for kernels and pools larger than what they work on.

    >>> [stage.pooled for stage in stages((28, 28, 1), ["16c7m2", 100])]
    [(11, 11, 16), (1, 1, 100)]
    """
    if not layers:
        raise ParameterError("layers must hold at least one layer, got none")
    found = []
    for word in layers:
        if isinstance(word, int) and not isinstance(word, bool) and word >= 1:
            stage = Stage(shape, (1, 1, word), (1, 1, word))
        else:
            parts = re.fullmatch(rf"(\d+)c(\d+)(?:p(\d+))?(?:{pool}(\d+))?", word) if isinstance(word, str) else None
            if parts is None:
                raise ParameterError(f"layers holds {word!r}; a layer is a number of neurons >= 1, or channels and kernel such "
                                     f"as '16c7', with padding 'p2' and {POOLS[pool]} pool '{pool}2' behind it")
            channels, kernel, padding, width = (int(v or default) for v, default in zip(parts.groups(), (0, 0, 0, 1)))
            size = [n + 2 * padding - kernel + 1 for n in shape[:2]]
            if min(channels, kernel, width, *size) < 1 or min(size) < width or (pool == "s" and any(n % width for n in size)):
                raise ParameterError(f"layers holds {word!r}, which does not fit on {shape[0]} x {shape[1]} inputs")
            stage = Stage(shape, (*size, channels), (size[0] // width, size[1] // width, channels), kernel, padding, width)
        found.append(stage)
        shape = stage.pooled
    return found
