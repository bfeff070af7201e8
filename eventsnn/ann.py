"""Plain layers of trained networks, in PyTorch's array layouts: what `convert` reads, and a reference that evaluates them.

Arrays are float64; images are [n, channels, height, width]. Nothing here is trained.

>>> import eventsnn as es
>>> layers = [es.ann.Linear([[1.0, -1.0]], [0.5]), es.ann.ReLU()]
>>> es.ann.evaluate(layers, [[2.0, 1.0]])
array([[1.5]])
"""

from dataclasses import dataclass, field

import numpy as np

from .errors import ParameterError


def _array(values, name, owner, dimensions):
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} of {owner} must be numbers, got {values!r}") from None
    if array.ndim != dimensions:
        raise ParameterError(f"{name} of {owner} must have {dimensions} dimension(s), got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ParameterError(f"{name} of {owner} must be finite, got {array[~np.isfinite(array)][0]!r}")
    return array


def _bias(values, owner, n):
    bias = np.zeros(n) if values is None else _array(values, "bias", owner, 1)
    if bias.size != n:
        raise ParameterError(f"bias of {owner} must have {n} entries, one per output, got {bias.size}")
    return bias


def _pair(value, name, owner, least):
    pair = (value, value) if isinstance(value, int | np.integer) else tuple(value) if np.iterable(value) else (value,)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and v >= least for v in pair):
        raise ParameterError(f"{name} of {owner} must be one or two whole numbers >= {least}, got {value!r}")
    return int(pair[0]), int(pair[1])


@dataclass(eq=False)
class Linear:
    """y = weight x + bias; weight [n_out, n_in], bias [n_out] or None."""

    weight: np.ndarray
    bias: np.ndarray = None

    def __post_init__(self):
        self.weight = _array(self.weight, "weight", "Linear", 2)
        self.bias = _bias(self.bias, "Linear", len(self.weight))

    def __call__(self, x):
        if x.shape[-1] != self.weight.shape[1]:
            raise ParameterError(f"Linear takes {self.weight.shape[1]} inputs, got {x.shape[-1]}")
        return x @ self.weight.T + self.bias


@dataclass(eq=False)
class Conv2d:
    """Cross-correlation; weight [out, in / groups, kh, kw], bias [out] or None; stride, padding (zeros), dilation, groups."""

    weight: np.ndarray
    bias: np.ndarray = None
    stride: tuple = 1
    padding: tuple = 0
    dilation: tuple = 1
    groups: int = 1

    def __post_init__(self):
        self.weight = _array(self.weight, "weight", "Conv2d", 4)
        self.bias = _bias(self.bias, "Conv2d", len(self.weight))
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
            setattr(self, name, _pair(getattr(self, name), name, "Conv2d", least))
        if not isinstance(self.groups, int) or self.groups < 1 or len(self.weight) % self.groups:
            raise ParameterError(f"groups of Conv2d must be a whole number >= 1 that divides the {len(self.weight)} outputs, "
                                 f"got {self.groups!r}")

    def output_shape(self, shape):
        """(channels, height, width) for an input of that shape. Raises `ParameterError` where they do not fit."""
        c, *size = shape
        if c != self.weight.shape[1] * self.groups:
            raise ParameterError(f"Conv2d takes {self.weight.shape[1] * self.groups} channels, got {c}")
        size = [(n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, p, d, k, s in zip(size, self.padding, self.dilation, self.weight.shape[2:], self.stride)]
        if min(size) < 1:
            raise ParameterError(f"Conv2d with kernel {self.weight.shape[2:]} is larger than its input {shape}")
        return len(self.weight), *size

    def __call__(self, x):
        out, h, w = self.output_shape(x.shape[1:])
        (ph, pw), (sh, sw), (dh, dw) = self.padding, self.stride, self.dilation
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        y = np.zeros((len(x), out, h, w)) + self.bias[:, None, None]
        per, each = out // self.groups, x.shape[1] // self.groups
        for g in range(self.groups):
            mine, seen = slice(g * per, (g + 1) * per), x[:, g * each:(g + 1) * each]
            for i in range(self.weight.shape[2]):
                for j in range(self.weight.shape[3]):
                    part = seen[:, :, i * dh:i * dh + sh * (h - 1) + 1:sh, j * dw:j * dw + sw * (w - 1) + 1:sw]
                    y[:, mine] += np.einsum("nchw,oc->nohw", part, self.weight[mine, :, i, j], optimize=True)
        return y


@dataclass(eq=False)
class BatchNorm:
    """weight (x - mean) / sqrt(var + eps) + bias, per channel; arrays [channels]."""

    weight: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    eps: float = 1e-5

    def __post_init__(self):
        for name in ("weight", "bias", "mean", "var"):
            values = _array(getattr(self, name), name, "BatchNorm", 1)
            setattr(self, name, values)
            if values.size != self.weight.size:
                raise ParameterError(f"{name} of BatchNorm must have {self.weight.size} entries, got {values.size}")
        if not np.all(self.var + self.eps > 0.0):
            raise ParameterError(f"var + eps of BatchNorm must be > 0, got {float((self.var + self.eps).min())!r}")

    def line(self):
        """(factor, shift) [channels]: the layer is factor x + shift."""
        factor = self.weight / np.sqrt(self.var + self.eps)
        return factor, self.bias - self.mean * factor

    def __call__(self, x):
        factor, shift = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in self.line())
        return factor * x + shift


@dataclass(eq=False)
class ReLU:
    """max(x, 0)."""

    def __call__(self, x):
        return np.maximum(x, 0.0)


@dataclass(eq=False)
class _Pool:
    kernel: tuple

    def __post_init__(self):
        self.kernel = _pair(self.kernel, "kernel", type(self).__name__, 1)

    def output_shape(self, shape):
        """(channels, height, width) for an input of that shape; what is left over at the edge is not pooled."""
        c, *size = shape
        size = [n // k for n, k in zip(size, self.kernel)]
        if min(size) < 1:
            raise ParameterError(f"{type(self).__name__} with kernel {self.kernel} is larger than its input {shape}")
        return c, *size

    def _tiles(self, x):
        n, (c, h, w), (kh, kw) = len(x), self.output_shape(x.shape[1:]), self.kernel
        return x[:, :, :h * kh, :w * kw].reshape(n, c, h, kh, w, kw)


class AvgPool2d(_Pool):
    """Mean over tiles of `kernel` (stride = kernel)."""

    def __call__(self, x):
        return self._tiles(x).mean(axis=(3, 5))


class MaxPool2d(_Pool):
    """Maximum over tiles of `kernel` (stride = kernel)."""

    def __call__(self, x):
        return self._tiles(x).max(axis=(3, 5))


@dataclass(eq=False)
class Flatten:
    """[n, channels, height, width] to [n, channels height width], the last index fastest."""

    def __call__(self, x):
        return x.reshape(len(x), -1)


@dataclass(eq=False)
class Dropout:
    """Nothing, once trained."""

    def __call__(self, x):
        return x


@dataclass(eq=False)
class Softmax:
    """exp(x) / sum of exp(x), over classes; only as the last layer."""

    def __call__(self, x):
        raised = np.exp(x - x.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)


@dataclass(eq=False)
class Residual:
    """shortcut(x) + layers(x); an empty `shortcut` is x itself."""

    layers: list = field(default_factory=list)
    shortcut: list = field(default_factory=list)

    def __call__(self, x):
        return evaluate(self.shortcut, x) + evaluate(self.layers, x)


@dataclass(eq=False)
class Saturation:
    """The saturating function that an adapting neuron with pulses of one height computes; for x <= `cutoff` it is 0.

    m_f, tau_eta, tau_gamma (s), theta_0 (None: m_f) : of the neuron, see `es.ASNN`
    cutoff : 0, or theta_0 / 2, below which the neuron is silent

    Source: Zambrano et al., Frontiers in Neuroscience 12:987 (2019), in the form of their group's public code.

    >>> Saturation(0.1)(np.array([0.0, 1.0, 5.0])).round(3)
    array([0.   , 1.   , 2.607])
    """

    m_f: float = 0.1
    tau_eta: float = 50e-3
    tau_gamma: float = 15e-3
    theta_0: float = None
    cutoff: float = 0.0

    def __post_init__(self):
        self.theta_0 = self.m_f if self.theta_0 is None else self.theta_0
        for name, least in (("m_f", False), ("tau_eta", False), ("tau_gamma", False), ("theta_0", False), ("cutoff", True)):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.floating) or not np.isfinite(value) or value < 0 or not (value or least):
                raise ParameterError(f"{name} of Saturation must be a finite number {'>=' if least else '>'} 0, got {value!r}")

    def line(self):
        """(c1, c2, c3, c4): the interval between pulses in a steady state is about tau_eta (c1 x + c2) / (c3 x + c4)."""
        m_f, eta, gamma, theta = self.m_f, self.tau_eta, self.tau_gamma, self.theta_0
        return (2.0 * m_f * gamma**2, 2.0 * theta * eta * gamma, gamma * (m_f * gamma + 2.0 * (m_f + 1.0) * eta),
                theta * eta * (gamma + eta))

    def trace(self, x):
        """Decoded output just before a pulse, in units of its height."""
        c1, c2, c3, c4 = self.line()
        return 1.0 / np.expm1((c1 * x + c2) / (c3 * x + c4))

    @property
    def height(self):
        """Height of the pulses such that 1 becomes 1."""
        return 1.0 / (self.trace(1.0) - self.trace(0.5 * self.theta_0) + 0.5)

    def __call__(self, x):
        x = np.maximum(x, 0.0)
        found = self.height * (self.trace(x) - self.trace(0.5 * self.theta_0) + 0.5)
        return np.where(x > self.cutoff, np.maximum(found, 0.0), 0.0)


LAYERS = (Linear, Conv2d, BatchNorm, ReLU, Saturation, AvgPool2d, MaxPool2d, Flatten, Dropout, Softmax, Residual)


def evaluate(layers, x, each=False):
    """Outputs of the network for inputs `x` [n, ...]; with `each`, a list of the outputs of all layers."""
    x, found = np.asarray(x, np.float64), []
    for layer in layers:
        x = layer(x)
        found.append(x)
    return found if each else x
