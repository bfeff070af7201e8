"""`convert`: the one entrance from trained networks to spiking ones."""

import numpy as np

from .. import ann
from ..errors import ParameterError, unknown_name
from .onnx import is_onnx, read_onnx
from .read import read

KINDS = ("asnn",)


def _constant(value, name, above=0.0):
    if not isinstance(value, int | float | np.integer | np.floating) or not np.isfinite(value) or not value > above:
        raise ParameterError(f"{name} of convert must be a finite number > {above:g}, got {value!r}")
    return float(value)


def convert(network, to="asnn", *, input_shape=None, m_f=0.3, theta_0=None, tau_phi=5e-3, tau_eta=50e-3, tau_beta=50e-3,
            tau_gamma=15e-3, tau_readout=None, bias="in turn", dtype="float32"):
    """A trained ReLU network as an event-driven spiking one; its weights are used unchanged.

    network : a list of `es.ann` layers, a `torch.nn.Sequential`, the path of an ONNX file (.onnx), or an `onnx.ModelProto`
    to : "asnn": every ReLU becomes an adapting spiking neuron whose pulses carry its threshold; inputs are encoded by such
        neurons too, negative ones by a sign-inverted twin
    input_shape : shape of one input; needed where the first layer (a convolution or a pool), or the ONNX graph, does not
        say it
    m_f : strength of adaptation, the precision: smaller is more accurate and spikes more; 0.1 to 0.6 work
    theta_0 : resting threshold, None: m_f
    tau_phi, tau_eta, tau_beta, tau_gamma : s, of the membrane, the refractory response, the postsynaptic current, the threshold
    tau_readout : s, of the membranes of the readout, None: tau_phi; 50e-3 smooths the logits
    bias : "in turn", through the membrane, that of a layer d steps from the input from d tau_phi on, when what the layer is
        to add to it begins to arrive; or "at once", in full from t = 0 on, with which networks begin with a burst that takes
        several tau_eta to fade. In the end both are the same
    dtype : "float32" or "float64", of the weights

    Returns an `AsnnModel`: `run(images, until=0.05)`, `report(images)`, `network()`.

    Raises `NotAvailableError` naming a layer or ONNX node that cannot be converted, `ParameterError` for shapes and constants,
    `FormatError` for damaged ONNX files.
    Source: Zambrano and Bohte, arXiv 1609.02053.

    >>> import eventsnn as es
    >>> model = es.convert([es.ann.Linear([[1.0], [2.0]])], to="asnn")
    >>> (model.run([[1.0]], until=0.5).logits / [1.0, 2.0]).round(1)
    array([[1., 1.]])
    """
    if to not in KINDS:
        raise unknown_name("kind of network", to, KINDS)
    layers, input_shape = read_onnx(network, input_shape) if is_onnx(network) else (read(network), input_shape)
    if not layers:
        raise ParameterError("the network to convert has no layers")
    if input_shape is None:
        known = [layer for layer in layers if not isinstance(layer, ann.Dropout | ann.Saturation | ann.BatchNorm)]
        if not known or not isinstance(known[0], ann.Linear):
            raise ParameterError("input_shape must be given: the first layer is no Linear, which would say it")
        input_shape = (known[0].weight.shape[1],)
    if dtype not in ("float32", "float64"):
        raise ParameterError(f"dtype of convert must be 'float32' or 'float64', got {dtype!r}")
    from .asnn import AT_ONCE, IN_TURN, AsnnModel

    if bias not in (AT_ONCE, IN_TURN):
        raise ParameterError(f"bias of convert must be {AT_ONCE!r} or {IN_TURN!r}, got {bias!r}")

    return AsnnModel(layers, input_shape, m_f=_constant(m_f, "m_f"),
                     theta_0=_constant(m_f if theta_0 is None else theta_0, "theta_0"), tau_phi=_constant(tau_phi, "tau_phi"),
                     tau_eta=_constant(tau_eta, "tau_eta"), tau_beta=_constant(tau_beta, "tau_beta"),
                     tau_gamma=_constant(tau_gamma, "tau_gamma"),
                     tau_readout=_constant(tau_phi if tau_readout is None else tau_readout, "tau_readout"), bias=bias,
                     dtype=dtype)
