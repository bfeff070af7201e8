"""Fold layers into stages: a sum of affine maps of earlier stages, then neurons, which may spike in tiles for their largest."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .. import ann
from ..errors import NotAvailableError, ParameterError

FRONT = (ann.BatchNorm, ann.AvgPool2d, ann.MaxPool2d, ann.Flatten, ann.Dropout)  # may come before all maps: done to the inputs
NEURONS = (ann.ReLU, ann.Saturation)


@dataclass(frozen=True, eq=False)
class Branch:
    """What stage number `source` sends: `affine` of its maps, which have `shape` there, or the maps themselves (None)."""

    source: int
    affine: object
    shape: tuple

    def __call__(self, x):
        """Its share of the stage's input, for outputs `x` [n, ...] of the source."""
        if self.affine is None:
            return x
        return self.affine(x.reshape(len(x), *(self.shape if isinstance(self.affine, ann.Conv2d) else (-1,))))


@dataclass(frozen=True, eq=False)
class Stage:
    """Neurons that stand for `activation` (a ReLU or Saturation; None: the readout, or the inputs as they are).

    branches : of which the sum is taken; none for the inputs
    shape : of the neurons' maps; tile : of these (rows, columns) the largest is sent on
    depth : number of stages before it on the longest way
    """

    branches: tuple
    shape: tuple
    activation: object = None
    tile: tuple = (1, 1)
    depth: int = 0

    @property
    def out_shape(self):
        """Shape of what is sent on."""
        return ann.MaxPool2d(self.tile).output_shape(self.shape) if self.tile != (1, 1) else self.shape

    @property
    def tiled(self):
        """Number of neurons per place of `out_shape`."""
        return self.tile[0] * self.tile[1]

    @property
    def n(self):
        """Number of neurons."""
        return int(np.prod(self.out_shape)) * self.tiled

    @cached_property
    def bias(self):
        """Bias of every neuron [n], in the order in which they are numbered."""
        total = np.zeros(1)
        for branch in self.branches:
            if branch.affine is not None:
                total = total + branch.affine.bias
        return np.repeat(total, self.n // total.size)

    def __call__(self, outputs):
        """What it sends on [m, *out_shape], given the list of `outputs` of the stages before it."""
        x = sum(branch(outputs[branch.source]).reshape(-1, *self.shape) for branch in self.branches)
        x = x if self.activation is None else self.activation(x)
        return x if self.tile == (1, 1) else ann.MaxPool2d(self.tile)(x)


@dataclass(frozen=True, eq=False)
class _Value:
    """What a layer gives: a sum of branches, not yet neurons. `pool`: an average pool that the next map takes in."""

    branches: tuple
    shape: tuple
    pool: object = None
    tile: tuple = (1, 1)

    @property
    def clean(self):
        """Whether it is what one stage sends, as it is."""
        return len(self.branches) == 1 and self.branches[0].affine is None


def fold(layers, shape):
    """(layers to be applied to the inputs, `Stage`s: the inputs first, the readout last) of `layers` for one input of `shape`.

    Batch norms are folded into the map before them, average pools into the one after them; dropout and softmax vanish.
    Raises `NotAvailableError` naming what cannot be converted, `ParameterError` where shapes do not fit.
    """
    layers = list(layers)
    if layers and isinstance(layers[-1], ann.Softmax):
        layers.pop()
    front, shape = [], tuple(shape)
    while layers[len(front):] and isinstance(layers[len(front)], FRONT):
        front.append(layers[len(front)])
        shape = front[-1](np.zeros((1, *shape))).shape[1:]
    stages, first = [Stage((), shape)], len(front)
    if layers[first:] and isinstance(layers[first], ann.Saturation):
        stages, first = [Stage((), shape, layers[first])], first + 1
    value = _run(layers[first:], first, "", _sent(stages), stages)
    kinds = {type(stage.activation) for stage in stages[1:]}
    if ann.Saturation in kinds | {type(stages[0].activation)} and kinds | {type(stages[0].activation)} != {ann.Saturation}:
        raise NotAvailableError("a network with Saturation must begin with one, which stands for its inputs, and have no ReLU")
    if value.clean and value.pool is None or value.tile != (1, 1):
        raise NotAvailableError("the last layer with weights must be the readout: a Linear or Conv2d without a ReLU behind it")
    return front, [*stages, _stage(value, stages)]


def _run(layers, start, inside, value, stages, shared=0):
    for number, layer in enumerate(layers, start):
        value = _applied(layer, f"layer {number} ({type(layer).__name__}){inside}", value, stages, shared)
    return value


def _sent(stages):
    return _Value((Branch(len(stages) - 1, None, stages[-1].out_shape),), stages[-1].out_shape)


def _stage(value, stages, activation=None):
    branches = _branches(value)
    return Stage(branches, value.shape, activation, value.tile, 1 + max(stages[b.source].depth for b in branches))


def _branches(value):
    """Those of `value`, with an average pool that no map has taken in as one."""
    if value.pool is None:
        return value.branches
    (branch,), channels, size = value.branches, value.shape[0], value.pool.kernel[0] * value.pool.kernel[1]
    mean = ann.Conv2d(np.full((channels, 1, *value.pool.kernel), 1.0 / size), None, value.pool.kernel, groups=channels)
    return (replace(branch, affine=mean),)


def _applied(layer, name, value, stages, shared):
    if isinstance(layer, ann.Dropout):
        return value
    if value.tile != (1, 1) and not isinstance(layer, NEURONS):
        raise NotAvailableError(f"{name} follows a MaxPool2d that follows no ReLU; a ReLU must come first")
    if isinstance(layer, ann.Linear | ann.Conv2d):
        if not value.clean:
            raise NotAvailableError(f"{name} follows an affine layer without a ReLU in between")
        affine, out = _mapped(layer, value.shape, name)
        branch = value.branches[0]
        if value.pool is not None:
            affine = _pooled(affine, value.pool, branch.shape, name)
        return _Value((replace(branch, affine=affine),), out)
    if isinstance(layer, ann.BatchNorm):
        if len(value.branches) != 1 or value.clean:
            raise NotAvailableError(f"{name} must follow a Linear or Conv2d")
        return replace(value, branches=(replace(value.branches[0], affine=_normed(value.branches[0].affine, layer, name)),))
    if isinstance(layer, NEURONS):
        if value.clean and value.pool is None:
            raise NotAvailableError(f"{name} must follow a Linear, Conv2d or BatchNorm")
        stages.append(_stage(value, stages, layer))
        return _sent(stages)
    if isinstance(layer, ann.MaxPool2d):
        return _tiled(layer, name, value, stages, shared)
    if isinstance(layer, ann.AvgPool2d):
        if not value.clean or value.pool is not None or len(value.shape) != 3:
            raise NotAvailableError(f"{name} must follow a ReLU or MaxPool2d")
        return replace(value, pool=layer, shape=layer.output_shape(value.shape))
    if isinstance(layer, ann.Flatten):
        return replace(value, shape=(int(np.prod(value.shape)),))
    if isinstance(layer, ann.Residual):
        return _added(layer, name, value, stages)
    raise NotAvailableError(f"{name} cannot be converted")


def _tiled(layer, name, value, stages, shared):
    """A maximum before the neurons, or of the neurons that have just been made, which nothing else has seen yet."""
    if len(value.shape) != 3 or value.pool is not None:
        raise NotAvailableError(f"{name} must follow a ReLU, Conv2d or BatchNorm of images")
    layer.output_shape(value.shape)
    if not value.clean:
        return replace(value, tile=layer.kernel)
    last = value.branches[0].source
    if last < max(shared, 1) or last != len(stages) - 1 or stages[last].tile != (1, 1):
        raise NotAvailableError(f"{name} must directly follow a ReLU, Conv2d or BatchNorm of its own block")
    stages[last] = replace(stages[last], tile=layer.kernel)
    return _sent(stages)


def _added(layer, name, value, stages):
    inside, shared = f" in {name}", len(stages)
    ways = [_run(part, 0, inside, value, stages, shared) for part in (layer.layers, layer.shortcut)]
    if any(way.tile != (1, 1) for way in ways) or ways[0].shape != ways[1].shape:
        raise NotAvailableError(f"{name} adds {ways[0].shape} to {ways[1].shape}; they must be alike, without a MaxPool2d as "
                                f"their last layer")
    return _Value(_branches(ways[0]) + _branches(ways[1]), ways[0].shape)


def _mapped(layer, shape, name):
    """(the layer, shape of its outputs)."""
    if isinstance(layer, ann.Conv2d):
        if len(shape) != 3:
            raise ParameterError(f"{name} needs images (channels, height, width), got {shape}")
        return layer, layer.output_shape(shape)
    if len(shape) != 1 or shape[0] != layer.weight.shape[1]:
        raise ParameterError(f"{name} takes {layer.weight.shape[1]} inputs, got {shape}; is a Flatten missing?")
    return layer, (len(layer.weight),)


def _normed(affine, norm, name):
    factor, shift = norm.line()
    if factor.size != len(affine.weight):
        raise ParameterError(f"{name} has {factor.size} channels, the layer before it {len(affine.weight)}")
    weight = affine.weight * factor.reshape(-1, *[1] * (affine.weight.ndim - 1))
    return replace(affine, weight=weight, bias=affine.bias * factor + shift)


def _pooled(affine, pool, shape, name):
    """The map from the neurons before an average pool, which are (channels, height, width) = `shape`."""
    (kh, kw), size = pool.kernel, pool.kernel[0] * pool.kernel[1]
    if isinstance(affine, ann.Linear):
        (c, h, w), (_, ph, pw) = shape, pool.output_shape(shape)
        wide = np.zeros((len(affine.weight), c, h, w))
        wide[:, :, :ph * kh, :pw * kw] = affine.weight.reshape(-1, c, ph, pw).repeat(kh, axis=2).repeat(kw, axis=3) / size
        return replace(affine, weight=wide.reshape(len(wide), -1))
    if affine.dilation != (1, 1):
        raise NotAvailableError(f"{name} with dilation after an average pool cannot be converted")
    if any(p and n % k for p, n, k in zip(affine.padding, shape[1:], pool.kernel)):
        raise NotAvailableError(f"{name} with padding after an average pool that leaves out part of {shape} cannot be "
                                f"converted")
    weight = affine.weight.repeat(kh, axis=2).repeat(kw, axis=3) / size
    return replace(affine, weight=weight, stride=(affine.stride[0] * kh, affine.stride[1] * kw),
                   padding=(affine.padding[0] * kh, affine.padding[1] * kw))
