"""Plain layers from ONNX graphs: a chain of nodes, with residual additions. The package onnx (extra `onnx`) reads the file."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import ann
from ..errors import FormatError, NotAvailableError, ParameterError
from .onnx_nodes import COMPUTED, DATA, NODES, Node, per_channel

OLDEST = 7  # of the operator sets; those before broadcast differently
OWN_DOMAIN = ("", "ai.onnx")


@dataclass(frozen=True)
class _Tensor:
    """What depends on the images: `layers` give it from the tensor named `before`; `shape` is that of one sample."""

    before: str
    layers: list
    shape: tuple


@dataclass(frozen=True)
class _Names:
    """What the names in the graph stand for.

    known : arrays; sizes : arrays computed from the shape of images; same : for what depends on the images, the name of what it
    equals in `tensors`; taken : all names that something is made of
    """

    known: dict
    sizes: dict
    same: dict
    tensors: dict
    taken: set

    def values(self, proto):
        """The inputs of a node as `Node` has them."""
        return [DATA if name in self.same else self.known.get(name, self.sizes.get(name)) for name in proto.input]


def is_onnx(network):
    """Whether `network` is a path that ends in .onnx or an `onnx.ModelProto`.

    >>> is_onnx("net.onnx"), is_onnx([ann.ReLU()])
    (True, False)
    """
    if isinstance(network, str | os.PathLike):
        return Path(network).suffix.lower() == ".onnx"
    return type(network).__name__ == "ModelProto"


def read_onnx(network, input_shape=None):
    """(list of `ann` layers, shape of one input) of an ONNX file at a path, or of an `onnx.ModelProto`.

    input_shape : of one input, for graphs that leave it open; the first dimension of the graph's input is the batch and never
        part of it

    Raises `FormatError` for damaged files and graphs that are not valid, FileNotFoundError if there is no such file,
    `NotAvailableError` naming the node and type of operator that cannot be converted, or if onnx is not installed, and
    `ParameterError` for an `input_shape` that is missing or contradicts the graph.
    Source: the ONNX operator specifications, onnx.ai/onnx/operators.

    >>> layers, shape = read_onnx("net.onnx")  # doctest: +SKIP
    """
    graph, opset = _checked(network)
    data, batch, shape = _input(graph, input_shape)
    if len(graph.output) != 1:
        raise NotAvailableError(f"a graph with {len(graph.output)} outputs cannot be converted; it must have one")
    output = graph.output[0].name
    nodes = _needed(graph, output)
    taken = {name for proto in nodes for name in proto.input} | {output}
    known = {tensor.name: _array(tensor, tensor.name) for tensor in graph.initializer if tensor.name in taken}
    names = _Names(known, {}, {data: data}, {data: _Tensor(None, [], shape)}, taken)
    for proto in nodes:
        _follow(proto, Node(proto.name or proto.output[0], proto.op_type, opset, _attributes(proto), names.values(proto), batch,
                            proto.output[0] == output), names)
    if output not in names.same:
        raise NotAvailableError(f"the output {output!r} of the graph does not depend on its input {data!r}")
    return _between(names.tensors, names.same[output], data), shape


def _checked(network):
    """(graph, version of the operator set) of a valid model."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise NotAvailableError("ONNX files need the package onnx: pip install 'eventsnn[onnx]'") from None
    name = type(network).__name__
    try:
        if isinstance(network, str | os.PathLike):
            name = Path(network).name
            network = onnx.load(network)
        onnx.checker.check_model(network, full_check=True)
    except (DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, TypeError) as error:
        reason = (str(error).strip().splitlines() or ["it is damaged"])[0]
        raise FormatError(f"{name!r} is no valid ONNX model: {reason}") from error
    opset = next((entry.version for entry in network.opset_import if entry.domain in OWN_DOMAIN), OLDEST)
    if opset < OLDEST:
        raise NotAvailableError(f"{name!r} uses operator set {opset}; it must be {OLDEST} or newer")
    return network.graph, opset


def _input(graph, input_shape):
    """(name, size of the batch or None, shape of one sample) of the graph's input."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise NotAvailableError(f"a graph with {len(inputs)} inputs cannot be converted; it must have one")
    name, given = inputs[0].name, None if input_shape is None else _shape(input_shape)
    dims = [d.dim_value if d.dim_value > 0 else None for d in inputs[0].type.tensor_type.shape.dim]
    if len(dims) < 2:
        raise NotAvailableError(f"input {name!r} of the graph must have a batch dimension and others, got {len(dims)} in all")
    batch, *stated = dims
    if given is None and None in stated:
        raise ParameterError(f"input_shape must be given: the graph leaves open that of its input {name!r}, {_text(stated)}")
    if given is not None and (len(given) != len(stated) or any(n not in (m, None) for n, m in zip(stated, given))):
        raise ParameterError(f"input_shape must agree with input {name!r} of the graph, {_text(stated)}, got {given}")
    return name, batch, given or tuple(stated)


def _shape(input_shape):
    given = tuple(input_shape) if np.iterable(input_shape) else (input_shape,)
    if not given or not all(isinstance(n, int | np.integer) and n >= 1 for n in given):
        raise ParameterError(f"input_shape must be whole numbers >= 1, got {input_shape!r}")
    return tuple(int(n) for n in given)


def _text(sizes):
    return f"({', '.join('?' if n is None else str(n) for n in sizes)})"


def _needed(graph, output):
    """The nodes that the output depends on, in the order of the graph, in which producers come first."""
    wanted, found = {output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            found.append(node)
    return found[::-1]


def _array(tensor, name):
    """The constant `tensor`, floating-point numbers as float64."""
    from onnx import external_data_helper, numpy_helper

    if external_data_helper.uses_external_data(tensor):
        raise FormatError(f"the constant {name!r} lies in another file, which was not loaded; give the path of the model")
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise FormatError(f"the constant {name!r} is damaged: {error}") from error
    if array.dtype.kind in "iub":
        return array
    try:
        with np.errstate(invalid="ignore"):
            array = array.astype(np.float64)
    except (ValueError, TypeError):
        raise FormatError(f"the constant {name!r} must hold numbers, got {array.dtype}") from None
    if not np.all(np.isfinite(array)):
        raise FormatError(f"the constant {name!r} must be finite, got {array[~np.isfinite(array)][0]!r}")
    return array


def _attributes(proto):
    """Values of the attributes by name, texts as str, tensors as arrays."""
    from onnx import TensorProto, helper

    found = {}
    for attribute in proto.attribute:
        value = helper.get_attribute_value(attribute)
        value = _array(value, proto.output[0]) if isinstance(value, TensorProto) else value
        found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found


def _computed(proto, node):
    """What a node makes of known numbers."""
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(proto.input, node.inputs) if name}
    try:
        return ReferenceEvaluator(proto, opsets={"": node.opset}).run(None, feeds)[0]
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        raise FormatError(f"node {node.name!r} ({node.kind}) cannot be computed: {error}") from error


def _follow(proto, node, names):
    """Enter what a node makes into `names`."""
    name, images = proto.output[0], [names.same[n] for n in proto.input if n in names.same]
    sized = any(n in names.sizes for n in proto.input)
    if proto.domain not in OWN_DOMAIN:
        raise node.refusal(f"operators of {proto.domain!r} are not known")
    if any(n and value is None for n, value in zip(proto.input, node.inputs)):
        raise node.refusal("its constants must be dense")
    if node.kind == "Constant":
        names.known[name] = node.value()
    elif node.kind == "Shape" and images:
        names.sizes[name] = node.sizes(names.tensors[images[0]].shape)
    elif node.kind in COMPUTED and not images:
        (names.sizes if sized else names.known)[name] = _computed(proto, node)
    elif sized and node.kind != "Reshape":
        raise node.refusal("its inputs must not depend on the size of the batch")
    elif any(n in names.taken for n in proto.output[1:] if n):
        raise node.refusal("only its first output can be used")
    else:
        tensor = _tensor(node, images, names.tensors)
        names.same[name] = name if tensor.layers else tensor.before
        names.tensors[name] = tensor


def _tensor(node, images, tensors):
    """The `_Tensor` that a node makes of those named `images`."""
    if node.kind == "Add" and len(images) == 2:
        return _sum(node, *images, tensors)
    if node.kind == "Add" and len(images) == 1:
        return _shifted(node, tensors[images[0]])
    if node.kind not in NODES:
        raise node.refusal()
    if [k for k, value in enumerate(node.inputs) if value is DATA] != [0]:
        raise node.refusal("its first input must depend on the images, and no other")
    try:
        layers, shape = NODES[node.kind](node, tensors[images[0]].shape)
    except ParameterError as error:
        raise ParameterError(f"node {node.name!r} ({node.kind}): {error}") from error
    return _Tensor(images[0], layers, shape)


def _shifted(node, before):
    """The addition of a constant: a bias of the layer before."""
    constant = next(value for value in node.inputs if value is not DATA)
    if not before.layers or not isinstance(before.layers[-1], ann.Linear | ann.Conv2d):
        raise node.refusal("constants can only be added to the output of a Gemm, MatMul or Conv")
    *others, last = before.layers
    return replace(before, layers=[*others, replace(last, bias=last.bias + per_channel(node, constant, before.shape))])


def _sum(node, one, other, tensors):
    """A residual addition: the two tensors meet, on their ways back, where their branches begin."""
    back = set(_way(tensors, one))
    begin = next(name for name in _way(tensors, other) if name in back)
    branches = [_between(tensors, name, begin) for name in (one, other)]
    if tensors[one].shape != tensors[other].shape:
        raise node.refusal(f"its inputs must have one shape, got {tensors[one].shape} and {tensors[other].shape}")
    for branch, rest in (branches, branches[::-1]):
        if all(isinstance(layer, ann.Dropout) for layer in branch):
            return _Tensor(begin, [ann.Residual(rest)], tensors[one].shape)
    return _Tensor(begin, [ann.Residual(*branches)], tensors[one].shape)


def _way(tensors, name):
    """Names of the tensors from `name` back to the input of the graph; branches that were added are passed over."""
    while name is not None:
        yield name
        name = tensors[name].before


def _between(tensors, name, begin):
    """Layers that give the tensor `name` from the tensor `begin`."""
    parts = []
    for step in _way(tensors, name):
        if step == begin:
            break
        parts.append(tensors[step].layers)
    return [layer for part in reversed(parts) for layer in part]
