"""What single ONNX nodes mean as plain layers; whatever these cannot express is refused by name."""

from dataclasses import dataclass

import numpy as np

from .. import ann
from ..errors import NotAvailableError

DATA = "data"  # in the place of an input that depends on the images
COMPUTED = ("Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")  # of known numbers
UNKNOWN = -1  # the size of the batch, where the graph leaves it open


@dataclass(frozen=True, eq=False)
class Node:
    """A node of version `opset`: its attributes, and its inputs: arrays, `DATA`, or None where there is none.

    `batch`: number of samples, None where the graph leaves it open; `last`: whether the node makes the graph's output.
    """

    name: str
    kind: str
    opset: int
    attributes: dict
    inputs: list
    batch: int | None
    last: bool

    def refusal(self, reason=""):
        """A `NotAvailableError` that names the node.

        >>> print(Node("Sigmoid_3", "Sigmoid", 20, {}, [DATA], None, False).refusal())
        node 'Sigmoid_3' (Sigmoid) cannot be converted
        """
        return NotAvailableError(f"node {self.name!r} ({self.kind}) cannot be converted" + (f": {reason}" if reason else ""))

    def get(self, attribute, default):
        """The value of an attribute, lists as tuples."""
        value = self.attributes.get(attribute, default)
        return tuple(value) if isinstance(value, list) else value

    def constant(self, k):
        """Input `k`, None if there is none."""
        return self.inputs[k] if k < len(self.inputs) else None

    def numbers(self, attribute, k, since):
        """Whole numbers that are input `k` from operator set `since` on, and an attribute before; None if not given."""
        value = self.constant(k) if self.opset >= since else self.get(attribute, None)
        return None if value is None else tuple(int(v) for v in np.ravel(value))

    def value(self):
        """The array of a Constant."""
        name, value = next(iter(self.attributes.items()), (None, None))
        if name not in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            raise self.refusal(f"it must hold a dense tensor or numbers, got {name}")
        return np.asarray(value, np.int64 if name.startswith("value_int") else None)

    def sizes(self, shape):
        """What a Shape of images says: the batch, `UNKNOWN` where it is open, and `shape`."""
        full = (UNKNOWN if self.batch is None else self.batch, *shape)
        return np.array(full[self.get("start", 0):self.get("end", None)], np.int64)


def per_channel(node, constant, shape):
    """The `constant` that a node adds to a tensor of [batch, *shape], as one number per channel, [shape[0]].

    >>> per_channel(Node("a", "Add", 20, {}, [], None, False), np.ones((2, 1, 1)), (2, 5, 5))
    array([1., 1.])
    """
    dims = (1,) * (1 + len(shape) - constant.ndim) + constant.shape
    if len(dims) != 1 + len(shape) or dims[1] not in (1, shape[0]) or any(n != 1 for n in (dims[0], *dims[2:])):
        raise node.refusal(f"what it adds must be one number per channel, got shape {constant.shape} for {shape}")
    return np.zeros(shape[0]) + constant.reshape(dims[1])


def _nothing(node, shape):
    return [], shape


def _relu(node, shape):
    return [ann.ReLU()], shape


def _dense(node, shape, weight, bias):
    """A Linear with weight [n_out, n_in]."""
    if shape != weight.shape[1:]:
        raise node.refusal(f"it takes {weight.shape[1]} inputs, got shape {shape}")
    out = (len(weight),)
    return [ann.Linear(weight, None if bias is None else per_channel(node, bias, out))], out


def _gemm(node, shape):
    if node.get("transA", 0):
        raise node.refusal("transA must be 0: the first dimension is the batch")
    weight, bias = node.inputs[1], node.constant(2)
    return _dense(node, shape, node.get("alpha", 1.0) * (weight if node.get("transB", 0) else weight.T),
                  None if bias is None else node.get("beta", 1.0) * bias)


def _matmul(node, shape):
    weight = node.inputs[1]
    if weight.ndim != 2:
        raise node.refusal(f"the constant must be a matrix, got shape {weight.shape}")
    return _dense(node, shape, weight.T, None)


def _conv(node, shape):
    weight = node.inputs[1]
    if weight.ndim != 4:
        raise node.refusal(f"its kernels must have two dimensions, got {weight.ndim - 2}")
    if len(shape) != 3:
        raise node.refusal(f"it needs images (channels, height, width), got {shape}")
    stride, dilation = _pair(node, "strides"), _pair(node, "dilations")
    if node.get("kernel_shape", weight.shape[2:]) != weight.shape[2:]:
        raise node.refusal(f"kernel_shape must be that of its kernels, got {node.get('kernel_shape', None)}")
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation)]
    before, after = _pads(node, shape[1:], reach, stride)
    if before != after:
        raise node.refusal(f"its padding must be symmetric, got {before} before and {after} after")
    layer = ann.Conv2d(weight, node.constant(2), stride, before, dilation, node.get("group", 1))
    return [layer], layer.output_shape(shape)


def _pair(node, attribute, default=(1, 1)):
    value = node.get(attribute, default)
    if len(value) != 2 or min(value) < 1:
        raise node.refusal(f"{attribute} must be two numbers >= 1, got {value}")
    return value


def _pads(node, size, reach, stride):
    """((top, left), (bottom, right)): zeros around an image of `size`, for a kernel that covers `reach` pixels."""
    auto = node.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = node.get("pads", (0, 0, 0, 0))
        return pads[:2], pads[2:]
    if auto == "VALID":
        return (0, 0), (0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.refusal(f"auto_pad {auto!r} is not known")
    total = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(size, reach, stride)]
    less, more = tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def _norm(node, shape):
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        raise node.refusal("it must be for inference, with one mean and variance per channel")
    weight, bias, mean, var = node.inputs[1:5]
    if weight.shape != shape[:1]:
        raise node.refusal(f"it has {weight.size} channels, got shape {shape}")
    return [ann.BatchNorm(weight, bias, mean, var, node.get("epsilon", 1e-5))], shape


def _pool(kind):
    def make(node, shape):
        if len(shape) != 3:
            raise node.refusal(f"it needs images (channels, height, width), got {shape}")
        kernel, stride = _pair(node, "kernel_shape", ()), _pair(node, "strides")
        if _pair(node, "dilations") != (1, 1):
            raise node.refusal("its dilations must be 1")
        before, after = _pads(node, shape[1:], kernel, stride)
        if any((*before, *after)):
            raise node.refusal(f"its padding must be 0, got {before} before and {after} after")
        for n, k, s in zip(shape[1:], kernel, stride):
            if s != k and (n - k >= s or n >= 2 * k):  # where there is one tile only, the stride does not matter
                raise node.refusal(f"its strides must be its kernel, got {stride} and {kernel}")
            if node.get("ceil_mode", 0) and (n - k) % s:
                raise node.refusal(f"ceil_mode must be 0 where tiles of {kernel} do not fill {shape[1:]}")
        layer = kind(kernel)
        return [layer], layer.output_shape(shape)

    return make


def _whole(node, shape):
    """The mean over the map."""
    if len(shape) != 3:
        raise node.refusal(f"it needs images (channels, height, width), got {shape}")
    return [ann.AvgPool2d(shape[1:])], (shape[0], 1, 1)


def _mean(node, shape):
    axes = node.numbers("axes", 1, since=18)
    if axes is None or len(shape) != 3 or sorted(_positive(axes, shape)) != [2, 3]:
        raise node.refusal(f"it must be the mean over height and width, got axes {axes} of shape {shape}")
    layers, out = _whole(node, shape)
    return (layers, out) if node.get("keepdims", 1) else ([*layers, ann.Flatten()], shape[:1])


def _positive(axes, shape):
    """The axes counted from the front; the batch is axis 0."""
    return [axis + 1 + len(shape) if axis < 0 else axis for axis in axes]


def _flat(shape):
    return [ann.Flatten()], (int(np.prod(shape)),)


def _flatten(node, shape):
    if _positive((node.get("axis", 1),), shape) != [1]:
        raise node.refusal(f"axis must be 1, got {node.get('axis', 1)}")
    return _flat(shape)


def _reshape(node, shape):
    """Flat, or as before; in the target, 0 copies a size and -1 is what remains."""
    target = [int(n) for n in np.ravel(node.inputs[1])]
    full, copied = (UNKNOWN if node.batch is None else node.batch, *shape), not node.get("allowzero", 0)
    first, *rest = [full[k] if n == 0 and copied and k < len(full) else n for k, n in enumerate(target)] or [0]
    n = int(np.prod(shape))
    if rest.count(-1) == 1:
        others = -int(np.prod(rest))
        rest = [n // others if r == -1 and others > 0 else r for r in rest]
    if first in (UNKNOWN, node.batch):
        if rest == [n]:
            return _flat(shape)
        if tuple(rest) == shape:
            return [], shape
    raise node.refusal(f"it must flatten all dimensions but the batch, got {target} for shape {shape}")


def _squeeze(node, shape):
    axes = node.numbers("axes", 1, since=13)
    if axes is None:
        raise node.refusal("its axes must be given: without them it may remove the batch")
    gone = _positive(axes, shape)
    left = tuple(n for k, n in enumerate(shape, 1) if k not in gone)
    if 0 in gone or left != (int(np.prod(shape)),):
        raise node.refusal(f"it must flatten all dimensions but the batch, got axes {axes} of shape {shape}")
    return _flat(shape)


def _dropout(node, shape):
    training = node.constant(2)
    if training is not None and np.any(training):
        raise node.refusal("training_mode must be false")
    return [ann.Dropout()], shape


def _softmax(node, shape):
    axis = node.get("axis", -1 if node.opset >= 13 else 1)
    if len(shape) != 1 or _positive((axis,), shape) != [1]:
        raise node.refusal(f"it must be over the classes, got axis {axis} of shape {shape}")
    if not node.last:
        raise node.refusal("it must be the last node")
    return [ann.Softmax()], shape


# type of operator: function of the node and the shape of one sample that gives the layers and the shape of their output
NODES = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _conv,
    "BatchNormalization": _norm,
    "Relu": _relu,
    "MaxPool": _pool(ann.MaxPool2d),
    "AveragePool": _pool(ann.AvgPool2d),
    "GlobalAveragePool": _whole,
    "ReduceMean": _mean,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Dropout": _dropout,
    "Identity": _nothing,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
