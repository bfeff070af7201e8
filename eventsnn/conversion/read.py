"""Plain layers from what users have: a list of `ann` layers, a PyTorch `nn.Sequential`, an ONNX file.

PyTorch is never imported here.
"""

import numpy as np

from .. import ann
from ..errors import NotAvailableError, ParameterError
from .onnx import is_onnx, read_onnx


def read(network):
    """A list of `ann` layers from a list of such layers or a PyTorch `nn.Sequential`, which may be nested, or an ONNX file.

    Raises `NotAvailableError` naming a layer that cannot be converted, `ParameterError` for anything else; see `read_onnx`.

    >>> read([ann.Linear([[1.0]]), ann.ReLU()])[1]
    ReLU()
    """
    if is_onnx(network):
        return read_onnx(network)[0]
    if isinstance(network, list | tuple):
        found = []
        for layer in network:
            if isinstance(layer, ann.Residual):
                layer = ann.Residual(read(layer.layers), read(layer.shortcut))
            found += [layer] if isinstance(layer, ann.LAYERS) else read(layer)
        return found
    name = type(network).__name__
    if not hasattr(network, "named_modules"):
        raise ParameterError(f"a network to convert is a list of es.ann layers, a torch.nn.Sequential, the path of an "
                             f".onnx file or an onnx.ModelProto, got {repr(network) if isinstance(network, str) else name}")
    if name == "Sequential":
        return [layer for child in network for layer in read(child)]
    if name not in _TORCH:
        known = ", ".join(["Sequential", *_TORCH])
        raise NotAvailableError(f"layer {name} cannot be converted; known are {known}")
    return [_TORCH[name](network)]


def _numbers(tensor):
    return None if tensor is None else np.asarray(tensor.detach().cpu().double())


def _convolution(m):
    if m.padding_mode != "zeros":
        raise NotAvailableError(f"Conv2d with padding_mode {m.padding_mode!r} cannot be converted; it must be 'zeros'")
    padding = m.padding
    if isinstance(padding, str):
        raise NotAvailableError(f"Conv2d with padding {padding!r} cannot be converted; give it as numbers")
    return ann.Conv2d(_numbers(m.weight), _numbers(m.bias), m.stride, padding, m.dilation, m.groups)


def _norm(m):
    if m.running_mean is None:
        raise NotAvailableError("a batch norm without running statistics cannot be converted")
    n = m.num_features
    weight, bias = (_numbers(v) if v is not None else default for v, default in ((m.weight, np.ones(n)), (m.bias, np.zeros(n))))
    return ann.BatchNorm(weight, bias, _numbers(m.running_mean), _numbers(m.running_var), m.eps)


def _pool(kind):
    def make(m):
        kernel = m.kernel_size
        stride = m.stride if m.stride is not None else kernel
        pair = lambda v: (v, v) if isinstance(v, int) else tuple(v)  # noqa: E731
        if pair(stride) != pair(kernel) or pair(m.padding) != (0, 0) or getattr(m, "ceil_mode", False):
            raise NotAvailableError(f"{type(m).__name__} with stride {stride}, padding {m.padding} cannot be converted; the "
                                    f"stride must be the kernel, the padding 0, and ceil_mode False")
        return kind(pair(kernel))

    return make


def _flatten(m):
    if m.start_dim != 1 or m.end_dim != -1:
        raise NotAvailableError(f"Flatten of dimensions {m.start_dim} to {m.end_dim} cannot be converted; it must be 1 to -1")
    return ann.Flatten()


_TORCH = {
    "Linear": lambda m: ann.Linear(_numbers(m.weight), _numbers(m.bias)),
    "Conv2d": _convolution,
    "BatchNorm1d": _norm,
    "BatchNorm2d": _norm,
    "ReLU": lambda m: ann.ReLU(),
    "Saturation": lambda m: ann.Saturation(m.m_f, m.tau_eta, m.tau_gamma, m.theta_0, m.cutoff),
    "AvgPool2d": _pool(ann.AvgPool2d),
    "MaxPool2d": _pool(ann.MaxPool2d),
    "Flatten": _flatten,
    "Dropout": lambda m: ann.Dropout(),
    "Dropout2d": lambda m: ann.Dropout(),
    "Identity": lambda m: ann.Dropout(),
    "Softmax": lambda m: ann.Softmax(),
    "LogSoftmax": lambda m: ann.Softmax(),
}
