"""Convolutional connections: `Conv2d`. The kernel is stored once; the row of a neuron is worked out whenever it spikes."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError


@dataclass(frozen=True, eq=False)
class ConvEdges:
    """`kernel` [in, kh, kw, out / groups], and `words` (uint64), the rule that `kernels.convolution` reads.

    >>> Conv2d(np.ones((2, 1, 3, 3)), (1, 5, 5)).build(25, 18, False, "projection 'a->b'").longest_row
    18
    """

    words: np.ndarray
    kernel: np.ndarray
    n_synapses: int
    longest_row: int
    delay: float


def two(value, name, where, least):
    """(vertical, horizontal) of one or two whole numbers; raises `ParameterError`."""
    pair = (value, value) if isinstance(value, int | np.integer) else tuple(value) if np.iterable(value) else (value,)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and v >= least for v in pair):
        raise ParameterError(f"{name} of {where} is {value!r}; it must be one or two whole numbers >= {least}")
    return int(pair[0]), int(pair[1])


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Two-dimensional cross-correlation, as in PyTorch: neuron (c, y, x) excites all neurons whose window contains it.

    kernel : [out, in / groups, kh, kw], unit of the potential; float32 is kept, anything else becomes float64
    input_shape : (channels, height, width) of the source, whose neurons are flattened in this order, the last index fastest;
        the target's are (out, height, width) of the result
    stride, padding, dilation : one or two whole numbers (vertical, horizontal)
    groups : channels are cut into so many groups, as in PyTorch
    delay : s, of all synapses
    tile : one or two whole numbers; the target's neurons of one channel then follow tile by tile of this many rows and columns
        (row by row within each), so that a tile can be a group of `es.ASNN`; what is left over at the edge has no neurons
    source_tile : number of neurons that stand for one place of `input_shape`: the size of the source's groups

    Nothing but the kernel is stored: rows are worked out at every spike. Raises `ParameterError` for shapes that do not fit
    and for values that are not finite or out of range.

    >>> conv = Conv2d(np.ones((4, 1, 3, 3)), (1, 28, 28), stride=2, padding=1)
    >>> conv.output_shape
    (4, 14, 14)
    """

    kernel: Any
    input_shape: Any
    stride: Any = 1
    padding: Any = 0
    _: KW_ONLY
    dilation: Any = 1
    groups: int = 1
    delay: float = 0.0
    tile: Any = 1
    source_tile: int = 1

    def _numbers(self, where):
        """(kernel, input shape, output shape, stride, padding, dilation), checked."""
        kernel = np.asarray(self.kernel)
        kernel = np.array(kernel, np.float32 if kernel.dtype == np.float32 else np.float64)
        if kernel.ndim != 4 or not kernel.size:
            raise ParameterError(f"kernel of {where} has shape {kernel.shape}; it must be [out, in / groups, kh, kw]")
        if not np.all(np.isfinite(kernel)):
            raise ParameterError(f"kernel of {where} contains {kernel[~np.isfinite(kernel)][0]!r}; it must be finite")
        shape = tuple(self.input_shape) if np.iterable(self.input_shape) else (self.input_shape,)
        if len(shape) != 3 or not all(isinstance(n, int | np.integer) and n >= 1 for n in shape):
            raise ParameterError(f"input_shape of {where} is {self.input_shape!r}; it must be (channels, height, width)")
        stride, dilation = two(self.stride, "stride", where, 1), two(self.dilation, "dilation", where, 1)
        padding = two(self.padding, "padding", where, 0)
        groups = self.groups
        if not isinstance(groups, int | np.integer) or groups < 1 or kernel.shape[0] % groups:
            raise ParameterError(f"groups of {where} is {groups!r}; it must be a whole number that divides the "
                                 f"{kernel.shape[0]} output channels")
        if kernel.shape[1] * groups != shape[0]:
            raise ParameterError(f"kernel of {where} takes {kernel.shape[1]} x {groups} input channels; input_shape has "
                                 f"{shape[0]}")
        size = [(n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, p, d, k, s in zip(shape[1:], padding, dilation, kernel.shape[2:], stride)]
        if min(size) < 1:
            raise ParameterError(f"kernel of {where} is larger than its input {shape} with padding {padding}")
        tile, share = two(self.tile, "tile", where, 1), self.source_tile
        if min(n // t for n, t in zip(size, tile)) < 1:
            raise ParameterError(f"tile of {where} is {self.tile!r}; it is larger than the result {tuple(size)}")
        if not isinstance(share, int | np.integer) or share < 1:
            raise ParameterError(f"source_tile of {where} is {share!r}; it must be a whole number >= 1")
        if not isinstance(self.delay, int | float | np.floating) or not np.isfinite(self.delay) or self.delay < 0.0:
            raise ParameterError(f"delay of {where} is {self.delay!r}; it must be one finite number >= 0")
        return kernel, tuple(map(int, shape)), (kernel.shape[0], *size), stride, padding, dilation

    @property
    def output_shape(self):
        """(channels, height, width) of the result."""
        return self._numbers("Conv2d")[2]

    def _n_target(self, out):
        return out[0] * int(np.prod([n // t * t for n, t in zip(out[1:], two(self.tile, "tile", "Conv2d", 1))]))

    def n_synapses(self, n_source, n_target):
        """Number of synapses: pairs of an input and an output whose window contains it."""
        kernel, (_, *size), (_, *out), stride, padding, dilation = self._numbers("Conv2d")
        seen = 1
        for n, m, t, k, s, p, d in zip(size, out, two(self.tile, "tile", "Conv2d", 1), kernel.shape[2:], stride, padding,
                                       dilation):
            places = np.arange(m // t * t)[:, None] * s - p + np.arange(k) * d
            seen *= int(((places >= 0) & (places < n)).sum())
        return seen * kernel.shape[0] * kernel.shape[1] * int(self.source_tile)

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        _, shape, out, *_ = self._numbers(where)
        for name, n, dims, needs in (("source", n_source, shape, int(np.prod(shape)) * int(self.source_tile)),
                                     ("target", n_target, out, self._n_target(out))):
            if n != needs:
                exact = " = " if needs == np.prod(dims) else " in tiles: "
                raise ParameterError(f"the {name} of {where} has {n} neurons; the convolution needs "
                                     f"{' x '.join(map(str, dims))}{exact}{needs}")

    def build(self, n_source, n_target, same_population, where):
        """Return the rule as `ConvEdges`."""
        self.validate(n_source, n_target, where)
        from ..layout import CONVOLUTION

        kernel, shape, out, stride, padding, dilation = self._numbers(where)
        words = np.array([CONVOLUTION, n_target, *shape, *out, *kernel.shape[2:], *stride, *padding, *dilation, self.groups,
                          *two(self.tile, "tile", where, 1), self.source_tile], np.uint64)
        by_input = kernel.reshape(self.groups, -1, *kernel.shape[1:]).transpose(0, 2, 3, 4, 1)
        by_input = np.ascontiguousarray(by_input.reshape(shape[0], *kernel.shape[2:], -1))
        return ConvEdges(words, by_input, self.n_synapses(n_source, n_target), by_input[0].size, float(self.delay))
