"""`convert`: the one entrance from trained networks to spiking ones."""

import inspect

import numpy as np

from .. import ann
from ..errors import ParameterError, unknown_name
from .onnx import is_onnx, read_onnx
from .read import read

KINDS = ("asnn", "poisson")
ONLY = {"asnn": ("m_f", "theta_0", "tau_phi", "tau_eta", "tau_beta", "tau_gamma", "tau_readout"),
        "poisson": ("calibration", "rate", "percentile", "reset", "v_init")}


def _constant(value, name, most=np.inf):
    if not isinstance(value, int | float | np.integer | np.floating) or not (0.0 < value <= most and value < np.inf):
        limit = "" if most == np.inf else f" and <= {most:g}"
        raise ParameterError(f"{name} of convert must be a finite number > 0{limit}, got {value!r}")
    return float(value)


def _potential(value):
    if not isinstance(value, int | float | np.integer | np.floating) or not -np.inf < value < 1.0:
        raise ParameterError(f"v_init of convert must be a finite number < 1, got {value!r}")
    return float(value)


def _choice(value, name, allowed):
    if value not in allowed:
        raise ParameterError(f"{name} of convert must be {' or '.join(map(repr, allowed))}, got {value!r}")
    return value


def _refuse_foreign(to, given):
    """Refuse constants of another kind of network than `to` that are not what `convert` has as their defaults."""
    defaults = inspect.signature(convert).parameters
    for kind in set(KINDS) - {to}:
        for name in ONLY[kind]:
            value, default = given[name], defaults[name].default
            if value is not default and not (np.isscalar(value) and value == default):
                raise ParameterError(f"{name} of convert belongs to to={kind!r}; it must be left out for to={to!r}")


def convert(network, to="asnn", *, input_shape=None, m_f=0.3, theta_0=None, tau_phi=5e-3, tau_eta=50e-3, tau_beta=50e-3,
            tau_gamma=15e-3, tau_readout=None, bias=None, dtype="float32", calibration=None, rate=1000.0, percentile=99.9,
            reset="subtraction", v_init=0.0):
    """A trained ReLU network as an event-driven spiking one.

    network : a list of `es.ann` layers, a `torch.nn.Sequential`, the path of an ONNX file (.onnx), or an `onnx.ModelProto`
    to : "asnn": every ReLU becomes an adapting spiking neuron whose pulses carry its threshold; inputs are encoded by such
        neurons too, negative ones by a sign-inverted twin. Weights are used unchanged.
        "poisson": inputs, >= 0, become Poisson trains, ReLUs integrate-and-fire neurons without leak, and weights are scaled
        layer by layer, so that activations become rates: the classical conversion, to compare with
    input_shape : shape of one input; needed where the first layer (a convolution or a pool), or the ONNX graph, does not
        say it
    dtype : "float32" or "float64", of the weights

    For "asnn":
    m_f : strength of adaptation, the precision: smaller is more accurate and spikes more; 0.1 to 0.6 work
    theta_0 : resting threshold, None: m_f
    tau_phi, tau_eta, tau_beta, tau_gamma : s, of the membrane, the refractory response, the postsynaptic current, the threshold
    tau_readout : s, of the membranes of the readout, None: tau_phi; 50e-3 smooths the logits
    bias : "in turn" (None), through the membrane, that of a layer d steps from the input from d tau_phi on, when what the
        layer is to add to it begins to arrive; or "at once", in full from t = 0 on, with which networks begin with a burst
        that takes several tau_eta to fade. In the end both are the same

    For "poisson":
    calibration : images [n, ...], by which weights are scaled: the activation at this `percentile` (of those above 0) of
        each layer is shown by firing at `rate`
    rate : Hz, of an input of 1; another rate stretches time and changes nothing else
    reset : "subtraction" of the threshold (1), which loses nothing, or to "zero"
    v_init : potential at t = 0, in thresholds, below 1
    bias : "pulses" (None), one every 1 / rate to all neurons, which is how clocked simulators add it; or "current", a constant
        one, more than ten times slower to simulate

    Returns an `AsnnModel` or a `PoissonModel`, with `run(images, until=0.05)` and `network()`; the first has `report(images)`.

    Raises `NotAvailableError` naming a layer or ONNX node that cannot be converted, `ParameterError` for shapes and constants,
    `FormatError` for damaged ONNX files.
    Sources: Zambrano and Bohte, arXiv 1609.02053; Diehl et al. 2015, IJCNN, doi 10.1109/IJCNN.2015.7280696; Rueckauer et al.
    2017, Front. Neurosci. 11:682.

    >>> import eventsnn as es
    >>> model = es.convert([es.ann.Linear([[1.0], [2.0]])], to="asnn")
    >>> (model.run([[1.0]], until=0.5).logits / [1.0, 2.0]).round(1)
    array([[1., 1.]])
    """
    given = dict(locals())
    if to not in KINDS:
        raise unknown_name("kind of network", to, KINDS)
    _refuse_foreign(to, given)
    layers, input_shape = read_onnx(network, input_shape) if is_onnx(network) else (read(network), input_shape)
    if not layers:
        raise ParameterError("the network to convert has no layers")
    if input_shape is None:
        known = [layer for layer in layers if not isinstance(layer, ann.Dropout | ann.Saturation | ann.BatchNorm)]
        if not known or not isinstance(known[0], ann.Linear):
            raise ParameterError("input_shape must be given: the first layer is no Linear, which would say it")
        input_shape = (known[0].weight.shape[1],)
    _choice(dtype, "dtype", ("float32", "float64"))
    if to == "poisson":
        from .poisson import CURRENT, PULSES, SUBTRACTION, ZERO, PoissonModel

        return PoissonModel(layers, input_shape, calibration=calibration, rate=_constant(rate, "rate"),
                            percentile=_constant(percentile, "percentile", most=100.0),
                            reset=_choice(reset, "reset", (SUBTRACTION, ZERO)), v_init=_potential(v_init),
                            bias=_choice(PULSES if bias is None else bias, "bias", (PULSES, CURRENT)), dtype=dtype)
    from .asnn import AT_ONCE, IN_TURN, AsnnModel

    return AsnnModel(layers, input_shape, m_f=_constant(m_f, "m_f"),
                     theta_0=_constant(m_f if theta_0 is None else theta_0, "theta_0"), tau_phi=_constant(tau_phi, "tau_phi"),
                     tau_eta=_constant(tau_eta, "tau_eta"), tau_beta=_constant(tau_beta, "tau_beta"),
                     tau_gamma=_constant(tau_gamma, "tau_gamma"),
                     tau_readout=_constant(tau_phi if tau_readout is None else tau_readout, "tau_readout"),
                     bias=_choice(IN_TURN if bias is None else bias, "bias", (AT_ONCE, IN_TURN)), dtype=dtype)
