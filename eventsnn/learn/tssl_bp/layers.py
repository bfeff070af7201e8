"""Layers at work on part of a batch: forward and backward through all steps, in buffers that are used again and again.

A matrix product per layer does all steps of all samples, compiled sweeps (`kernels`) the rest. What a layer hands on lies in
`out`, the derivative of the loss by it in `back`, both [samples, steps, height, width, channels] with the zeros around it that
the next convolution asks for. An input that is there all the time needs its product once, not once per step, and so does its
gradient.
"""

import numpy as np

from . import kernels

POOL_GAIN = 1.1  # of a sum pool
ROWS = 512  # of an unrolled convolution at a time, so that they stay in cache
AT_ONCE = 1 << 18  # neurons times steps of a convolution that are swept together


class Buffers:
    """What all layers of a part share: `rule` of the neurons as numbers of the type, and the sizes."""

    def __init__(self, size, constants, dtype):
        self.size, self.steps, self.kind = size, constants.steps, np.dtype(dtype).type
        p, q = 1.0 / constants.tau_mem, 1.0 / constants.tau_syn
        self.keep, self.decay, self.gain = (self.kind(v) for v in (1.0 - p, 1.0 - q, q))
        quiet, width = constants.quiet * q, constants.width
        self.rule = np.array([p, q, constants.bound, constants.factor, quiet, 0.25 / width, 1.0 / (16.0 * width)], dtype)
        self.share = (1.0 - (1.0 - q) ** np.arange(1, self.steps + 1)).astype(dtype)
        self.sweep = np.empty((2, kernels.SPAN), dtype)

    def new(self, *shape, zero=False):
        """A new array of the type."""
        return (np.zeros if zero else np.empty)(shape, self.kind)


class Entry:
    """The input of a network: `x` [b, n_in] that is there all the time, or spikes [b, steps, n_in], filtered."""

    def __init__(self, shape, buffers, static, edge):
        self.shape, self.buffers, self.edge, self.static = shape, buffers, edge, static
        height, width, channels = shape
        lead = (buffers.size,) if static else (buffers.size, buffers.steps)
        self.out = buffers.new(*lead, height + 2 * edge, width + 2 * edge, channels, zero=True)
        self.flat = None if static else buffers.new(buffers.size, buffers.steps, height * width * channels)
        self.back = None

    def take(self, x):
        """Filter (or copy) the inputs of this part."""
        buffers, b = self.buffers, len(x)
        inside = self.out[(Ellipsis, *(slice(self.edge, self.edge + n) for n in self.shape[:2]), slice(None))]
        if self.static:
            inside[:b] = x.reshape(b, *self.shape)
            return
        kernels.filtered(x, buffers.decay, buffers.gain, self.flat[:b])
        inside[:b] = self.flat[:b].reshape(b, buffers.steps, *self.shape)


class Layer:
    """One layer on up to `size` samples.

    before : the `Entry` or `Layer` in front; weights, gradient : [inputs, channels]; edge : zeros around `out`; dropped :
    whether `forward` is given masks; cost : added to dL/da of every neuron and step
    """

    def __init__(self, stage, before, weights, gradient, buffers, edge=0, dropped=False, cost=0.0):
        self.stage, self.before, self.weights, self.gradient, self.buffers = stage, before, weights, gradient, buffers
        self.static = isinstance(before, Entry) and before.static
        self.edge, size, steps, self.cost = edge, buffers.size, buffers.steps, buffers.kind(cost)
        self.u, self.a = (buffers.new(size, steps, stage.n) for _ in range(2))
        self.direct = stage.pool == 1 and not edge and not dropped
        self.gain = buffers.kind(POOL_GAIN if stage.pool > 1 else 1.0)
        height, width, channels = stage.pooled
        padded = (size, steps, height + 2 * edge, width + 2 * edge, channels)
        self.out = self.a.reshape(padded) if self.direct else buffers.new(*padded, zero=True)
        self.back = buffers.new(*padded)
        self.mask = None
        self.step = max(1, min(size, AT_ONCE // (stage.n * steps))) if stage.kernel else size
        self.delta = self.back.reshape(size, steps, stage.n) if self.direct else buffers.new(self.step, steps, stage.n)
        self.flat = buffers.new(self.step, stage.n) if self.static else None
        self.part = np.empty_like(weights)
        if stage.kernel:
            self.maps = max(1, ROWS // stage.places)
            self.columns = buffers.new(self.maps * stage.places, len(weights))
            self.back_columns = None if before.back is None else np.empty_like(self.columns)

    def _blocks(self, b):
        return [slice(low, min(low + self.step, b)) for low in range(0, b, self.step)]

    def _unrolled(self, x):
        """The windows of maps `x` [m, H, W, C], block by block: (rows of the matrix, columns)."""
        places = self.stage.places
        for low in range(0, len(x), self.maps):
            high = min(low + self.maps, len(x))
            columns = self.columns[:(high - low) * places]
            kernels.unroll(_wide(x[low:high]), self.stage.kernel, x.shape[3], columns)
            yield slice(low * places, high * places), slice(low, high), columns

    def _product(self, x, out):
        """out = x W for inputs `x` [m, ...] and `out` [m, n]."""
        if not self.stage.kernel:
            np.matmul(x.reshape(len(x), -1), self.weights, out=out)
            return
        rows = out.reshape(-1, self.stage.full[2])
        for place, _, columns in self._unrolled(x):
            np.matmul(columns, self.weights, out=rows[place])

    def _maps(self, array, part):
        return array[part].reshape(-1, *array.shape[-3:])

    def forward(self, b, mask=None):
        """All steps of the first `b` samples; mask : [b, rows, channels] of dropout."""
        buffers, stage = self.buffers, self.stage
        self.mask = mask
        for part in self._blocks(b):
            u, a = self.u[part], self.a[part]
            if self.static:
                drive = self.flat[:len(u)]
                self._product(self.before.out[part], drive)
                kernels.advance_static(drive, buffers.share, u, a, buffers.keep, buffers.decay, buffers.gain)
            else:
                self._product(self._maps(self.before.out, part), u.reshape(-1, stage.n))
                kernels.advance(u, a, buffers.keep, buffers.decay, buffers.gain)
            if not self.direct:
                kernels.pool(self._rows(a), stage.pool, self.gain, self.edge, stage.pooled[0], stage.full[2],
                             _wide(self._maps(self.out, part)))
                self._drop(self.out, part)

    def _rows(self, array):
        """`array` [b, steps, n] as maps [m, height, width * channels]."""
        height, width, channels = self.stage.full
        return array.reshape(-1, height, width * channels)

    def _drop(self, array, part):
        """Multiply by the mask."""
        if self.mask is not None:
            edge, (height, width, _) = self.edge, self.stage.pooled
            array[part, :, edge:edge + height, edge:edge + width] *= self.mask[part, None, :, None]

    def backward(self, b):
        """From `back` to the gradient of the weights, which is set, and to `back` of the layer before."""
        buffers, stage = self.buffers, self.stage
        fresh = True
        for part in self._blocks(b):
            u, a = self.u[part], self.a[part]
            if self.direct:
                delta = self.delta[part]
            else:
                delta = self.delta[:len(u)]
                self._drop(self.back, part)
                kernels.unpool(_wide(self._maps(self.back, part)), stage.pool, self.gain, self.edge, stage.pooled[0],
                               stage.full[2], self._rows(delta))
            if self.cost:
                delta += self.cost
            kernels.retreat(u, a, delta, buffers.rule, buffers.sweep)
            if self.static:
                flat = self.flat[:len(u)]
                kernels.summed(delta, buffers.share, flat)
                self._gradient(self.before.out[part], flat, None, fresh)
            else:
                behind = None if self.before.back is None else self._maps(self.before.back, part)
                self._gradient(self._maps(self.before.out, part), delta.reshape(-1, stage.n), behind, fresh)
            fresh = False

    def _gradient(self, x, delta, behind, fresh):
        """Add x^T delta to the gradient (set it if `fresh`); behind : where W delta goes, or None."""
        if not self.stage.kernel:
            self._add(x.reshape(len(x), -1), delta, fresh)
            if behind is not None:
                np.matmul(delta, self.weights.T, out=behind.reshape(len(x), -1))
            return
        rows = delta.reshape(-1, self.stage.full[2])
        for place, maps, columns in self._unrolled(x):
            self._add(columns, rows[place], fresh)
            fresh = False
            if behind is not None:
                back = self.back_columns[:len(columns)]
                np.matmul(rows[place], self.weights.T, out=back)
                kernels.roll(back, self.stage.kernel, x.shape[3], _wide(behind[maps]))

    def _add(self, x, delta, fresh):
        if fresh:
            np.matmul(x.T, delta, out=self.gradient)
        else:
            np.matmul(x.T, delta, out=self.part)
            self.gradient += self.part


def _wide(maps):
    """Maps [m, H, W, C] as [m, H, W * C]."""
    return maps.reshape(*maps.shape[:2], -1)


def stack(stages, weights, gradients, size, constants, static, dtype, dropped=False, cost=0.0):
    """(entry, layers) of a network on up to `size` samples; weights, gradients : lists of matrices; dropped, cost : of hidden
    layers, see `Layer`."""
    buffers = Buffers(size, constants, dtype)
    edges = [stage.padding for stage in stages] + [0]
    entry = before = Entry(stages[0].given, buffers, static, edges[0])
    layers = []
    for k, stage in enumerate(stages):
        hidden = k + 1 < len(stages)
        before = Layer(stage, before, weights[k], gradients[k], buffers, edges[k + 1], dropped and hidden, cost * hidden)
        layers.append(before)
    return entry, layers
