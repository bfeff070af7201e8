"""`Rule`, `NeuronRule`: plain functions of a synapse or neuron that run at events and timers, compiled or not."""

import ctypes
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError

MOST = 4  # variables of each kind
EPOCH = 10.0  # shortest time constants per epoch


@dataclass(frozen=True)
class Variable:
    """A variable that decays with `tau` (s, inf: never) and is raised by `step` at a spike, or set to it if `nearest`.

    start : its value at t = 0; of synapses also "weight", their weight then
    Raises `ParameterError` for tau <= 0 and numbers that are not finite.

    >>> Variable(20e-3).step
    1.0
    """

    tau: float
    step: float = 1.0
    nearest: bool = False
    start: float | str = 0.0

    def __post_init__(self):
        if not isinstance(self.tau, int | float | np.floating) or not self.tau > 0.0:
            raise ParameterError(f"tau of Variable must be > 0 s, got {self.tau!r}")
        if not isinstance(self.step, int | float | np.floating) or not np.isfinite(self.step):
            raise ParameterError(f"step of Variable must be a finite number, got {self.step!r}")
        if self.start != "weight" and not (isinstance(self.start, int | float | np.floating) and np.isfinite(self.start)):
            raise ParameterError(f"start of Variable must be a finite number or 'weight', got {self.start!r}")


class Hooks:
    """Functions that run at events, and their variables: what `Rule` and `NeuronRule` share."""

    projection = population = None

    def _take(self, functions, every, parameters, limits, compiled):
        for name, function in functions.items():
            if function is not None and not callable(function):
                raise ParameterError(f"{name} of a rule must be a function f(w, x, y, s, g, p), got {function!r}")
        if not any(functions.values()):
            raise ParameterError(f"a rule needs {' or '.join(functions)}, got none")
        if every is not None and (functions["on_timer"] is None or not isinstance(every, int | float)
                                  or not 0.0 < every < np.inf):
            raise ParameterError(f"every of a rule must be a finite time > 0 s, with on_timer, got {every!r}")
        self.functions, self.every = functions, every
        for trace in [*self.pre.values(), *self.post.values(), *self.network.values()]:
            if trace.start == "weight":
                raise ParameterError("start of Variable can be 'weight' for variables of synapses only")
        self.parameters = np.array(parameters, np.float64)
        if self.parameters.ndim != 1 or not np.isfinite(self.parameters).all():
            raise ParameterError(f"parameters of a rule must be a list of finite numbers, got {parameters!r}")
        (low, w_min), (high, w_max) = limits.items()
        if not w_min <= w_max:
            raise ParameterError(f"{low} of a rule must be <= {high}, got {w_min!r} and {w_max!r}")
        self.w_min, self.w_max, self.compiled = float(w_min), float(w_max), bool(compiled)
        self.error = None
        self._made = None

    def __getstate__(self):
        return self.__dict__ | {"_made": None, "error": None}

    @property
    def owner(self):
        """Name of its projection or population."""
        return self.projection or self.population

    @property
    def epoch(self):
        """Length of an epoch of its variables, s."""
        taus = [trace.tau for kind in (self.pre, self.post, self.synapse, self.network) for trace in kind.values()]
        return EPOCH * min([t for t in taus if t < np.inf], default=np.inf)

    def addresses(self):
        """Addresses of the functions at arrivals, spikes and timers, 0 where there is none; valid as long as the rule lives."""
        if self._made is None:
            self._made = [_translated(f) if self.compiled else _wrapped(f, self) for f in self._in_order()]
        return [0 if made is None else made[0] for made in self._made]

    def raise_error(self):
        """Raise what a Python function raised while it was called from compiled code."""
        error, self.error = self.error, None
        if error is not None:
            raise error


class Rule(Hooks):
    """A learning rule of one projection: functions f(w, x, y, s, g, p) that return the new weight.

    projection : its name; its synapses get weights of their own
    on_pre : at the arrival of a spike, before it is delivered, with the new weight; then the traces x of its source are raised
    on_post : at a spike of the target neuron; then its traces y are raised
    on_timer : every `every` s, after everything else of that instant, and whenever `Simulation.trigger` is called
    pre, post : {name: `Variable` or tau} of source and target neurons: x[0], x[1], ... and y[0], ... as just before the event;
        a spike counts for x when it arrives. At most four of each
    synapse, network : {name: tau}, variables of each synapse and of all together, s[0], ... and g[0], ..., 0 at first, which
        functions may change
    parameters : numbers p[0], p[1], ...
    w_min, w_max : weights are kept within
    compiled : translate the functions to machine code, for which they must be of the kind that Numba's nopython mode takes;
        False: call them as Python functions, far slower, with the same result

    w is the weight in double precision, as stored before. Raises `ParameterError` for bad names, numbers and functions.

    >>> def pull(w, x, y, s, g, p):
    ...     return w + p[0] * y[0]
    >>> rule = Rule("in->out", on_pre=pull, post={"late": 20e-3}, parameters=[-0.01], w_min=0.0)
    >>> rule.post["late"].tau
    0.02
    """

    def __init__(self, projection, *, on_pre=None, on_post=None, on_timer=None, every=None, pre=None, post=None, synapse=None,
                 network=None, parameters=(), w_min=-np.inf, w_max=np.inf, compiled=True):
        self.projection = projection
        self.pre, self.post = (_traces(given, name) for given, name in ((pre, "pre"), (post, "post")))
        self.synapse, self.network = (_traces(given, name) for given, name in ((synapse, "synapse"), (network, "network")))
        self._take({"on_pre": on_pre, "on_post": on_post, "on_timer": on_timer}, every, parameters,
                   {"w_min": w_min, "w_max": w_max}, compiled)

    def _in_order(self):
        return self.functions.values()


class NeuronRule(Hooks):
    """A rule of the neurons of one population: functions f(v, x, y, s, g, p) that return the new threshold v of a neuron.

    population : its name. Its neurons keep their thresholds from the network until the rule changes them
    on_spike : at a spike of the neuron, after its reset; then its variables y are raised
    on_timer : every `every` s, after everything else of that instant, and whenever `Simulation.trigger` is called
    variables, network : {name: `Variable` or tau}, of each neuron and of all together, y[0], ... and g[0], ..., which functions
        may change. x and s are empty: they are there so that all functions of rules look alike
    parameters : numbers p[0], p[1], ...
    v_min, v_max : thresholds are kept within
    compiled : as in `Rule`

    The threshold in `Simulation.state` is the one now. Raises `ParameterError` for bad names, numbers and functions.

    >>> def tire(v, x, y, s, g, p):
    ...     return v + p[0]
    >>> NeuronRule("out", on_spike=tire, parameters=[0.05], v_max=3.0).w_max
    3.0
    """

    def __init__(self, population, *, on_spike=None, on_timer=None, every=None, variables=None, network=None, parameters=(),
                 v_min=-np.inf, v_max=np.inf, compiled=True):
        self.population = population
        self.pre, self.synapse = {}, {}
        self.post, self.network = _traces(variables, "variables"), _traces(network, "network")
        self._take({"on_spike": on_spike, "on_timer": on_timer}, every, parameters, {"v_min": v_min, "v_max": v_max}, compiled)

    def _in_order(self):
        return [None, *self.functions.values()]


def _traces(given, name):
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MOST:
        raise ParameterError(f"{name} of a rule must be a dict of at most {MOST} variables, got {given!r}")
    return {key: trace if isinstance(trace, Variable) else Variable(trace) for key, trace in given.items()}


def _translated(function):
    """(address, what keeps it alive) of the function as machine code."""
    if function is None:
        return None
    from ..jit import callback

    return callback(function, 5, f"function {function.__name__!r} of a rule")


def _wrapped(function, rule):
    """(address, what keeps it alive) of a way to call the Python function; an error is kept in `rule.error`."""
    if function is None:
        return None
    number, pointer = ctypes.c_double, ctypes.POINTER(ctypes.c_double)

    def call(w, *variables):
        if rule.error is not None:
            return w
        try:
            return float(function(w, *variables))
        except BaseException as error:  # noqa: BLE001  it is raised when the simulation is back in Python
            rule.error = error
            return w

    made = ctypes.CFUNCTYPE(number, number, *[pointer] * 5)(call)
    return ctypes.cast(made, ctypes.c_void_p).value, made
