"""The shapes of layers, from words such as 120 (dense) and "16c7p2m2" (16 channels, kernel 7 x 7, padding 2, max pool 2)."""

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
        return _product(self.given)

    @property
    def n(self):
        """Number of neurons."""
        return _product(self.full)

    @property
    def n_out(self):
        """Number of outputs: neurons, or groups of them if there is a pool."""
        return _product(self.pooled)

    @property
    def fan_in(self):
        """Number of weights of a neuron."""
        return self.kernel * self.kernel * self.given[2] if self.kernel else self.n_in

    @property
    def channels(self):
        """Number of rows of the weight matrix: channels, or neurons if dense."""
        return self.full[2]

    @property
    def places(self):
        """Number of neurons that share a row of the weight matrix."""
        return self.full[0] * self.full[1]


def _product(shape):
    return shape[0] * shape[1] * shape[2]


def stages(shape, layers):
    """The `Stage`s of `layers` on inputs of `shape` (height, width, channels).

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
            parts = re.fullmatch(r"(\d+)c(\d+)(?:p(\d+))?(?:m(\d+))?", str(word))
            if not parts or isinstance(word, bool):
                raise ParameterError(f"layers holds {word!r}; a layer is a number of neurons >= 1, or channels and kernel such "
                                     f"as '16c7', with padding 'p2' and max pool 'm2' behind it")
            channels, kernel, padding, pool = (int(v or default) for v, default in zip(parts.groups(), (0, 0, 0, 1)))
            size = [n + 2 * padding - kernel + 1 for n in shape[:2]]
            if min(channels, kernel, pool, *size) < 1 or min(n // max(pool, 1) for n in size) < 1:
                raise ParameterError(f"layers holds {word!r}, which does not fit on {shape[0]} x {shape[1]} inputs")
            stage = Stage(shape, (*size, channels), (size[0] // pool, size[1] // pool, channels), kernel, padding, pool)
        found.append(stage)
        shape = stage.pooled
    return found
