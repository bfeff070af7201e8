"""A network of DECOLLE: its weights, readouts and constants; a clocked run in any precision; the same for the event engine."""

from typing import NamedTuple

import numpy as np

from ...errors import InputError, ParameterError
from ...types import Spikes
from ..blas import one_thread
from ..shapes import stages
from . import kernels
from .layers import Parameters, Part

STEP = 1e-3  # s


class Constants(NamedTuple):
    """Decays per step of P (`alpha`), Q (`beta`), R (`gamma`), the jump `rho` of R, and the `gain` of every input.

    >>> Constants().alpha
    0.97
    """

    alpha: float = 0.97
    beta: float = 0.92
    gamma: float = 0.65
    rho: float = 1.0
    gain: float = 1.0


class Voted(NamedTuple):
    """Per layer: `decisions` [layers, n], the most frequent winner over the steps; `votes` [layers, n, classes]; `activity`
    [layers], spikes that are sent on per step and output; and, where asked for, `spikes`, uint8 [T, n, n_out] per layer."""

    decisions: np.ndarray
    votes: np.ndarray
    activity: np.ndarray
    spikes: list


class DecolleNetwork:
    """Layers on inputs of `shape` (height, width, channels), or (n,) for n inputs without places.

    layers : words as in `shapes.stages`
    weights : per layer [neurons, inputs], or [channels, size size C] for a convolution, whose columns are row, column, channel
    biases : per layer [neurons] or [channels]
    readouts : per layer (G [classes, outputs], g [classes]); outputs are numbered row, column, channel
    constants : `Constants`

    All arrays are kept as float64. Raises `ParameterError` for shapes that do not fit, and values that are not finite.

    >>> net = DecolleNetwork.draw((4,), [8, 8], 3, np.random.default_rng(0))
    >>> net.run(np.ones((50, 1, 4), np.uint8)).decisions.shape
    (2, 1)
    """

    def __init__(self, shape, layers, weights, biases, readouts, constants=None):
        self.shape = tuple(int(v) for v in shape)
        self.layers = tuple(layers)
        constants = Constants() if constants is None else constants
        self.constants = Constants(*(float(v) for v in constants))
        for name, value in self.constants._asdict().items():
            if not 0.0 <= value < (np.inf if name in ("rho", "gain") else 1.0):
                raise ParameterError(f"{name} must be from 0 to 1 (rho and gain: >= 0), got {value!r}")
        self.stages = stages(self.shape if len(self.shape) == 3 else (1, 1, *self.shape), self.layers)
        for name, found in (("weights", weights), ("biases", biases), ("readouts", readouts)):
            if len(found) != len(self.stages):
                raise ParameterError(f"{name} must have one entry per layer, {len(self.stages)}, got {len(found)}")
        self.classes = len(readouts[0][1])
        self.parameters = Parameters(self.stages, np.float64)
        self.readouts = []
        for layer, stage in enumerate(self.stages):
            self.parameters.weights[layer][:] = _array(weights[layer], f"weights[{layer}]", (stage.channels, stage.fan_in))
            self.parameters.biases[layer][:] = _array(biases[layer], f"biases[{layer}]", (stage.channels,))
            self.readouts.append((_array(readouts[layer][0], f"readouts[{layer}]", (self.classes, stage.n_out)),
                                  _array(readouts[layer][1], f"readouts[{layer}]", (self.classes,))))

    @classmethod
    def draw(cls, shape, layers, classes, draw, readout=0.5, constants=None):
        """A random network: weights normal with variance 1 / fan in, biases 0, readouts uniform in +-readout / sqrt(fan in).

        `draw` is a NumPy generator.

        >>> DecolleNetwork.draw((4,), [8], 3, np.random.default_rng(0)).weights[0].shape
        (8, 4)
        """
        shape = tuple(shape)
        found = stages(shape if len(shape) == 3 else (1, 1, *shape), layers)
        weights = [draw.normal(0.0, stage.fan_in ** -0.5, (stage.channels, stage.fan_in)) for stage in found]
        biases = [np.zeros(stage.channels) for stage in found]
        readouts = []
        for stage in found:
            a = readout * stage.n_out ** -0.5
            readouts.append((draw.uniform(-a, a, (classes, stage.n_out)), draw.uniform(-a, a, classes)))
        return cls(shape, layers, weights, biases, readouts, constants)

    @property
    def weights(self):
        """Per layer [neurons or channels, fan in]: views, which may be written to."""
        return self.parameters.weights

    @property
    def biases(self):
        """Per layer [neurons or channels]: views, which may be written to."""
        return self.parameters.biases

    @property
    def n_in(self):
        """Number of inputs."""
        return self.stages[0].n_in

    def part(self, b, dtype=np.float64):
        """A `Part` for `b` samples with the parameters as they are now, in another precision if asked for."""
        parameters = Parameters(self.stages, dtype, self.parameters.flat.astype(dtype))
        return Part(self, parameters, b)

    def run(self, inputs, *, burn_in=0, dtype=np.float64, keep=False):
        """Step through `inputs` [T, n, n_in] (spikes or counts, 0 to 255) and vote after `burn_in` steps; returns `Voted`.

        Raises `InputError` for inputs of another shape or out of range, `ParameterError` for a burn_in that leaves no step.
        """
        inputs = np.asarray(inputs)
        if inputs.ndim != 3 or inputs.shape[2] != self.n_in or inputs.dtype.kind not in "uib":
            raise InputError(f"inputs must be whole numbers [T, n, {self.n_in}], got {inputs.dtype} {inputs.shape}")
        if inputs.size and (inputs.min() < 0 or inputs.max() > 255):
            raise InputError(f"inputs must lie in 0 ... 255, got {inputs.min()} ... {inputs.max()}")
        return self.vote(lambda step, out: out.__setitem__(slice(None), inputs[step]), len(inputs), inputs.shape[1], burn_in,
                         dtype, keep)

    def vote(self, fill, steps, n, burn_in=0, dtype=np.float64, keep=False):
        """As `run`; `fill(step, out)` writes the inputs of a step to `out` uint8 [n, n_in]."""
        if not 0 <= burn_in < steps:
            raise ParameterError(f"burn_in must be from 0 to {steps - 1}, below the number of steps, got {burn_in!r}")
        part = self.part(n, dtype)
        kept = [np.zeros((steps, n, stage.n_out), np.uint8) if keep else None for stage in self.stages]
        with one_thread():
            for begun in range(0, steps, part.span):
                count = min(part.span, steps - begun)
                for step in range(count):
                    fill(begun + step, part.inputs[step])
                part.steps(count)
                for step in range(max(burn_in - begun, 0), count):
                    part.decide(step)
                if keep:
                    for array, state in zip(kept, part.state):
                        array[begun:begun + count] = state.s[:count]
        outputs = np.array([stage.n_out for stage in self.stages]) * max(n, 1) * (steps - burn_in)
        return Voted(part.votes.argmax(axis=2), part.votes, part.spikes / outputs, kept)

    def to_network(self):
        """An `es.Network` for grid time, `simulate(..., dt=1e-3)`: populations "input", "layer0", ... and, behind max pools,
        "pool0", ... whose neurons spike in every step in which one of their group does.

        Neurons of a convolution are numbered channel, row, column there, as in `es.Conv2d`: see `order`.
        """
        import eventsnn as es

        net, c = es.Network(), self.constants
        net.add("input", es.Input(self.n_in))
        before, given = "input", self.stages[0].given
        for layer, stage in enumerate(self.stages):
            bias, weights = self.biases[layer], c.gain * self.weights[layer]
            net.add(f"layer{layer}", es.grid.DECOLLE(stage.n, alpha=c.alpha, beta=c.beta, gamma=c.gamma, rho=c.rho,
                                                 bias=np.repeat(bias, stage.places)))
            height, width, channels = stage.given
            if stage.kernel:
                kernel = weights.reshape(stage.channels, stage.kernel, stage.kernel, channels).transpose(0, 3, 1, 2)
                edges = es.Conv2d(np.ascontiguousarray(kernel), (channels, height, width), 1, stage.padding)
            else:
                edges = es.Dense(np.ascontiguousarray(weights[:, order(given)].T))
            net.connect(before, f"layer{layer}", edges)
            before, given = f"layer{layer}", stage.pooled
            if stage.pool > 1:
                net.add(f"pool{layer}", es.GridNeuron(stage.n_out, matrix=[[0.0]], jump=[[1.0]], threshold=0.5, strict=False))
                source, target = _members(stage)
                net.connect(before, f"pool{layer}", es.Sparse(source=source, target=target, weight=1.0))
                before = f"pool{layer}"
        return net

    def senders(self):
        """Names of the populations of `to_network` whose spikes are read out, layer by layer.

        >>> DecolleNetwork.draw((6, 6, 1), ["2c3m2", 8], 3, np.random.default_rng(0)).senders()
        ['pool0', 'layer1']
        """
        return [f"{'pool' if stage.pool > 1 else 'layer'}{layer}" for layer, stage in enumerate(self.stages)]

    def encode(self, inputs):
        """`Spikes` of "input" for one sample [T, n_in], step t at t ms; a count of two is two spikes at once."""
        inputs = np.asarray(inputs)[:, order(self.stages[0].given)]
        steps, neurons = np.nonzero(inputs)
        many = inputs[steps, neurons]
        return Spikes(np.repeat(steps, many) * STEP, np.repeat(neurons, many))

    def spikes_of(self, run, steps):
        """Spikes of a `Run` of `to_network` as uint8 [steps, n_out] per layer, numbered as here."""
        found = []
        for name, stage in zip(self.senders(), self.stages):
            spikes = run.spikes[name]
            step = np.rint(spikes.times / STEP).astype(np.int64)
            array = np.zeros((steps, stage.n_out), np.uint8)
            array[step, order(stage.pooled)[spikes.neurons]] = 1
            found.append(array)
        return found

    def winners_of(self, run, steps, burn_in):
        """Class of the largest readout in every step from `burn_in` on, of a `Run` of `to_network`: [layers, so many]."""
        found = np.zeros((len(self.stages), steps - burn_in), np.int64)
        for layer, spikes in enumerate(self.spikes_of(run, steps)):
            y = np.zeros((steps - burn_in, self.classes))
            kernels.read_out(spikes[burn_in:], np.ascontiguousarray(self.readouts[layer][0].T), self.readouts[layer][1], y)
            found[layer] = y.argmax(axis=1)
        return found


def order(shape):
    """Number here (row, column, channel) of every neuron of the engine (channel, row, column) [n].

    >>> order((1, 2, 2)).tolist()
    [0, 2, 1, 3]
    """
    return np.arange(np.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()


def _members(stage):
    """(neuron, pool) of all neurons that belong to a pool, numbered as in the engine."""
    height, width, channels = stage.full
    high, wide, _ = stage.pooled
    c, y, x = np.meshgrid(np.arange(channels), np.arange(high * stage.pool), np.arange(wide * stage.pool), indexing="ij")
    pool = (c * high + y // stage.pool) * wide + x // stage.pool
    return ((c * height + y) * width + x).ravel(), pool.ravel()


def _array(value, name, shape):
    found = np.array(value, np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ParameterError(f"{name} must be finite with shape {shape}, got shape {found.shape}"
                             + ("" if np.isfinite(found).all() else " with values that are not finite"))
    return found
