"""Fold layers into stages: each is one affine map, of pulses, followed by spiking neurons, or, the last, by the readout."""

from dataclasses import dataclass, replace

import numpy as np

from .. import ann
from ..errors import NotAvailableError, ParameterError


@dataclass(frozen=True, eq=False)
class Stage:
    """`affine` (an `ann.Linear` or `ann.Conv2d`) from neurons of `in_shape` to neurons of `out_shape`.

    `layer`: number of the ANN layer whose output the spiking neurons stand for (a ReLU), or of the last one.
    """

    affine: object
    in_shape: tuple
    out_shape: tuple
    layer: int


def fold(layers, shape):
    """The `Stage`s of `layers` for inputs of `shape`, without the number of samples.

    Batch norms are folded into the map before them, average pools into the one after them; dropout and softmax vanish.
    Raises `NotAvailableError` naming what cannot be converted, `ParameterError` where shapes do not fit.
    """
    shape, stages, affine, pool, start = tuple(shape), [], None, None, tuple(shape)
    for number, layer in enumerate(layers):
        name = f"layer {number} ({type(layer).__name__})"
        last = number == len(layers) - 1
        if isinstance(layer, ann.Dropout) or (isinstance(layer, ann.Softmax) and last):
            continue
        if isinstance(layer, ann.Linear | ann.Conv2d):
            if affine is not None:
                raise NotAvailableError(f"{name} follows an affine layer without a ReLU in between")
            affine, out = _mapped(layer, shape, name)
            if pool is not None:
                affine, pool = _pooled(affine, pool, start, name), None
            shape = out
        elif isinstance(layer, ann.BatchNorm):
            if affine is None:
                raise NotAvailableError(f"{name} must follow a Linear or Conv2d")
            affine = _normed(affine, layer, name)
        elif isinstance(layer, ann.ReLU):
            if affine is None or pool is not None:
                raise NotAvailableError(f"{name} must follow a Linear, Conv2d or BatchNorm")
            stages.append(Stage(affine, start, shape, number))
            affine, start = None, shape
        elif isinstance(layer, ann.AvgPool2d):
            if affine is not None or pool is not None or len(shape) != 3:
                raise NotAvailableError(f"{name} must follow a ReLU, or the input, and come before a Linear or Conv2d")
            pool, shape = layer, layer.output_shape(shape)
        elif isinstance(layer, ann.Flatten):
            shape = (int(np.prod(shape)),)
        else:
            raise NotAvailableError(f"{name} cannot be converted")
    if affine is None:
        raise NotAvailableError("the last layer with weights must be the readout: a Linear or Conv2d without a ReLU behind it")
    return [*stages, Stage(affine, start, shape, len(layers) - 1)]


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
