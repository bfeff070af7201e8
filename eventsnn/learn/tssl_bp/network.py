"""Networks of TSSL-BP: their weights, what they do in steps, and the same as a network of the event engine in grid time."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...errors import InputError, ParameterError
from ..blas import one_thread
from ..checks import finite, whole
from ..shapes import stages
from .layers import POOL_GAIN, stack

BLOCK = 100  # samples that go through a network at a time, fewer in large ones:
ROOM = 1 << 25  # neurons times steps of all samples at a time
DT = 1e-3  # s; what a step is taken for in the engine


@dataclass(frozen=True)
class Constants:
    """The constants of neurons and rule; times in steps.

    steps : T; tau_mem, tau_syn : time constants, >= 1
    width : of the logistic function whose derivative stands in at quiet neurons, which are those with a < quiet / tau_syn
    bound : 1 / du is cut to this; factor : of E at spikes, 1 in the publication (see `continuous` for other steps). -1 turns
    the sign of the path through spike times; quiet = 0 takes the surrogate away
    Raises `ParameterError`.

    >>> Constants(steps=5).tau_syn
    3.0
    """

    steps: int = 5
    tau_mem: float = 5.0
    tau_syn: float = 3.0
    width: float = 0.2
    bound: float = 8.0
    factor: float = 1.0
    quiet: float = 0.25

    def __post_init__(self):
        whole(self, "steps")
        finite(self, "tau_mem", "tau_syn", least=1.0)
        finite(self, "width", "bound", above=0.0)
        finite(self, "factor")
        finite(self, "quiet", least=0.0)


@dataclass
class Response:
    """What a network did: `spikes` per layer, bool [n, steps, neurons], and `sums` [n, outputs], the sums of a over all
    steps."""

    spikes: list
    sums: np.ndarray

    @property
    def predictions(self):
        """The class of the largest sum, the first of equals: int64 [n]."""
        return self.sums.argmax(axis=1)


class TSSLNetwork:
    """A feed-forward network of TSSL-BP neurons.

    shape : (height, width, channels) of the inputs, or their number; layers : as in `shapes.stages`
    weights : per layer [inputs, channels or neurons]; rows in the order of inputs (height, width, channel; channel fastest), or
        of the kernel (its height, width, input channel)
    static : inputs are numbers that stay all the time (images), else spikes in steps
    Raises `ParameterError` for weights of other shapes or that are not finite.

    >>> network = TSSLNetwork(2, [1], [np.array([[1.5], [0.0]])], Constants(steps=3), static=False)
    >>> network.forward(np.array([[[1, 0], [1, 0], [1, 0]]])).spikes[0][0, :, 0].astype(int)
    array([0, 1, 1])
    """

    def __init__(self, shape, layers, weights, constants=None, static=True):
        self.shape = (1, 1, int(shape)) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ParameterError(f"shape must be (height, width, channels) or a number of inputs, got {shape!r}")
        self.layers, self.constants, self.static = tuple(layers), constants or Constants(), bool(static)
        self.stages = stages(self.shape, self.layers, "s")
        if len(weights) != len(self.stages):
            raise ParameterError(f"weights must hold one matrix per layer, {len(self.stages)}, got {len(weights)}")
        self.weights = []
        for k, (matrix, stage) in enumerate(zip(weights, self.stages)):
            matrix = np.ascontiguousarray(matrix, dtype=np.float64)
            if matrix.shape != stage.matrix or not np.isfinite(matrix).all():
                rest = "" if matrix.shape != stage.matrix else " with entries that are not finite"
                raise ParameterError(f"weights[{k}] must be finite [{stage.matrix[0]}, {stage.matrix[1]}], got shape "
                                     f"{matrix.shape}{rest}")
            self.weights.append(matrix)

    @classmethod
    def draw(cls, shape, layers, generator, constants=None, static=True, conv_scale=1.0):
        """A network with the initial weights of the authors: normal with variance 2 / inputs (dense layers), and uniform within
        +-conv_scale / sqrt(inputs) (convolutions).

        >>> TSSLNetwork.draw(4, [3], np.random.default_rng(0)).weights[0].shape
        (4, 3)
        """
        shape = (1, 1, int(shape)) if np.ndim(shape) == 0 else tuple(shape)
        weights = []
        for stage in stages(shape, layers, "s"):
            bound = conv_scale / math.sqrt(stage.matrix[0])
            weights.append(generator.uniform(-bound, bound, stage.matrix) if stage.kernel
                           else generator.normal(0.0, math.sqrt(2.0 / stage.matrix[0]), stage.matrix))
        return cls(shape, layers, weights, constants, static)

    @property
    def n_in(self):
        """Number of inputs."""
        return math.prod(self.shape)

    def check(self, x):
        """`x` as [n, inputs] (static) or [n, steps, inputs]; raises `InputError` for other shapes and numbers."""
        x = np.asarray(x)
        lead = 1 if self.static else 2
        if x.ndim <= lead or math.prod(x.shape[lead:]) != self.n_in or (not self.static and x.shape[1] != self.constants.steps):
            wanted = f"[n, {self.n_in}]" if self.static else f"[n, {self.constants.steps}, {self.n_in}]"
            raise InputError(f"inputs must be {wanted}, got shape {x.shape}")
        if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
            raise InputError(f"inputs must be finite numbers, got dtype {x.dtype}" + " with NaN or inf" * (x.dtype.kind == "f"))
        return x.reshape(*x.shape[:lead], self.n_in)

    def forward(self, x, threads=1, dtype=np.float64, keep=True):
        """The `Response` to inputs `x` [n, inputs] or [n, steps, inputs], computed in `dtype`; keep: the spikes too.

        Raises `InputError`.
        """
        x = self.check(x)
        weights = [w.astype(dtype) for w in self.weights]
        block = at_a_time(self.stages, self.constants.steps)
        starts = range(0, len(x), block)

        def run(start):
            part = x[start:start + block]
            entry, layers = stack(self.stages, weights, weights, len(part), self.constants, self.static, dtype)
            entry.take(part)
            for layer in layers:
                layer.forward(len(part))
            sums = layers[-1].a.sum(axis=1, dtype=np.float64)
            return [layer.u > 1.0 for layer in layers] if keep else [], sums

        with one_thread(), ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(run, starts))
        spikes = [np.concatenate(parts) for parts in zip(*(s for s, _ in found))] if keep else []
        return Response(spikes, np.concatenate([s for _, s in found]) if found else np.zeros((0, self.stages[-1].n)))

    def drives(self, x):
        """What static inputs `x` [n, inputs] give the neurons of the first layer: [n, neurons], float64."""
        x = self.check(x)
        drive, stage, weights = np.empty((len(x), self.stages[0].n)), self.stages[0], self.weights[:1]
        block = at_a_time([stage], self.constants.steps)
        for start in range(0, len(x), block):
            part = x[start:start + block]
            entry, layers = stack([stage], weights, weights, len(part), self.constants, True, np.float64)
            entry.take(part)
            layers[0].forward(len(part))
            layers[0]._product(entry.out, drive[start:start + block])
        return drive

    def to_network(self, images=None):
        """This network as an `es.Network` for grid time (dt = 1 ms), populations "input", "layer0", "layer1", ...

        images : for static networks, [k, inputs]: "input" has a neuron per image, whose spike in step 0 turns its drive of the
            first layer on; otherwise "input" has a neuron per input
        Neurons of a layer are numbered (channel, height, width), the last fastest, as `es.Conv2d` does: see `order`. Sum pools
        are part of the connections. Raises `InputError`.

        >>> network = TSSLNetwork(2, [3], [np.ones((2, 3))])
        >>> list(network.to_network(np.ones((1, 2))).populations)
        ['input', 'layer0']
        """
        import eventsnn as es

        net, c = es.Network(), self.constants
        net.add("input", es.Input(len(images) if self.static else self.n_in))
        before, pool = "input", 1
        for k, (stage, matrix) in enumerate(zip(self.stages, self.weights)):
            analog = (1.0,) if self.static and k == 0 else ()
            net.add(f"layer{k}", es.grid.TSSLBP(stage.n, tau_mem=c.tau_mem, tau_syn=c.tau_syn, analog=analog))
            if analog:
                net.connect(before, "layer0", es.Dense(np.ascontiguousarray(self.drives(images)[:, order(stage.full)])), port=1)
            else:
                given = self.stages[k - 1].full if k else self.shape
                net.connect(before, f"layer{k}", _connection(stage, matrix, given, pool))
            before, pool = f"layer{k}", stage.pool
        return net

    def to_spikes(self, x):
        """The `es.Spikes` of "input" for one sample: spikes [steps, inputs] (counts are repeated)."""
        import eventsnn as es

        x = self.check(np.asarray(x)[None])[0][:, order(self.shape)]
        at, who = np.nonzero(x)
        many = x[at, who].astype(np.int64)
        return es.Spikes(np.repeat(at, many) * DT, np.repeat(who, many))


def at_a_time(stages, steps):
    """How many samples go through a network at a time.

    >>> from .shapes import stages
    >>> at_a_time(stages((28, 28, 1), [400, 10]), 5)
    100
    """
    return max(1, min(BLOCK, ROOM // (steps * sum(stage.n for stage in stages))))


def order(shape):
    """For neurons numbered (channel, height, width): their numbers in the order (height, width, channel) of this package.

    >>> order((1, 2, 2)).tolist()
    [0, 2, 1, 3]
    """
    return np.arange(math.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()


def _connection(stage, matrix, given, pool):
    """The connection into `stage` from neurons of shape `given`, whose sums over `pool` x `pool` it takes."""
    import eventsnn as es

    gain = POOL_GAIN if pool > 1 else 1.0
    if stage.kernel:
        kernel = matrix.reshape(stage.kernel, stage.kernel, stage.given[2], -1).transpose(3, 2, 0, 1)
        kernel = gain * np.repeat(np.repeat(kernel, pool, 2), pool, 3)
        return es.Conv2d(kernel, (given[2], *given[:2]), pool, pool * stage.padding)
    full = gain * np.repeat(np.repeat(matrix.reshape(*stage.given, stage.n), pool, 0), pool, 1)
    return es.Dense(np.ascontiguousarray(full.reshape(-1, stage.n)[order(given)]))
