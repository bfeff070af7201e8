"""An EqSpike network: inputs, one hidden layer, outputs, and the same weights forward and back between the last two."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...errors import InputError, ParameterError
from .batches import LANES, classify_samples, zero_counts
from .events import input_events, start_potentials

START = 2**32 - 5  # key of the potentials at the start of the free phases that classify
PIECE = 100  # samples a thread classifies at a time
CONSTANTS = ("tau_mem", "t_ref", "theta")


def decisions(readout):
    """Classes [m] of readouts [m, 3, n_out] (spikes, time of the first, time of the last): most spikes, -1 if there are none.

    Of outputs with equally many the one with the shortest mean interval wins, then the first.

    >>> decisions(np.array([[[3.0, 3.0, 1.0], [0.0, 0.1, 0.5], [0.9, 0.9, 0.5]]]))
    array([1])
    """
    spikes, first, last = readout[:, 0], readout[:, 1], readout[:, 2]
    best, span = spikes == spikes.max(axis=1, keepdims=True), np.full(spikes.shape, np.inf)
    np.subtract(last, first, out=span, where=best & (spikes > 0.0))
    return np.where(spikes.max(axis=1) > 0.0, span.argmin(axis=1), -1)


class EqSpikeNetwork:
    """Weights, biases and constants of an EqSpike network.

    w1 [n_in, n_hidden], w2 [n_hidden, n_out] (used in both directions); bias [n_hidden + n_out]; in units in which the synaptic
    current is the weighted sum of rates, as fractions of 1 / t_ref. tau_mem, t_ref in s; tau_syn = tau_mem / 2; theta :
    threshold

    Raises `ParameterError` for shapes that do not fit, weights that are not finite, and constants that are not > 0.

    >>> EqSpikeNetwork(np.zeros((4, 3)), np.zeros((3, 2)), np.full(5, 0.3)).sizes
    (4, 3, 2)
    """

    def __init__(self, w1, w2, bias, *, tau_mem=0.04, t_ref=0.004, theta=0.05):
        self.w1, self.w2, self.bias = (np.array(part, dtype=np.float64) for part in (w1, w2, bias))
        shapes = self.w1.shape, self.w2.shape, self.bias.shape
        if self.w1.ndim != 2 or self.w2.ndim != 2 or shapes[0][1] != shapes[1][0] or shapes[2] != (sum(shapes[1]),):
            raise ParameterError("w1, w2, bias must have shapes [n_in, n_hidden], [n_hidden, n_out], [n_hidden + n_out], got "
                                 f"{shapes[0]}, {shapes[1]}, {shapes[2]}")
        for name in ("w1", "w2", "bias"):
            if not np.isfinite(getattr(self, name)).all():
                raise ParameterError(f"{name} must be finite")
        for name, value in zip(CONSTANTS, (tau_mem, t_ref, theta)):
            if not 0.0 < value < np.inf:
                raise ParameterError(f"{name} must be a finite number > 0, got {value!r}")
        self.tau_mem, self.t_ref, self.theta = float(tau_mem), float(t_ref), float(theta)

    @property
    def sizes(self):
        """(n_in, n_hidden, n_out)."""
        return (*self.w1.shape, self.w2.shape[1])

    @property
    def tau_syn(self):
        """Time constant of the synapses, s."""
        return self.tau_mem / 2.0

    def constants(self, tau_filter=1.0, intervals=True, steepness=0.0, least_error=0.0):
        """What the kernels take, see `present`; steepness 0 : the nudge of the squared error."""
        return np.array([self.tau_mem, tau_filter, self.theta, self.t_ref, float(intervals), steepness, least_error])

    def padded(self):
        """(w1, w2, w2 transposed, bias) with neurons filled up to whole vectors; copies."""
        _, n_hidden, n_out = self.sizes
        n = -(-(n_hidden + n_out) // LANES) * LANES
        w1, bias = np.zeros((self.w1.shape[0], n)), np.zeros(n)
        w1[:, :n_hidden], bias[:n_hidden + n_out] = self.w1, self.bias
        return w1, self.w2.copy(), np.ascontiguousarray(self.w2.T), bias

    def start(self):
        """Potentials [n_hidden + n_out] that free phases start from when samples are classified, hashed, in [0, theta)."""
        return start_potentials(np.uint64(START), self.bias.size, self.theta)

    def events(self, pixels, key, until):
        """(times s, inputs) of the periodic spikes of one sample, pixels [n_in] of 255, their phases hashed from `key`."""
        return input_events(np.asarray(pixels) / 255.0, np.uint64(key), float(until), self.t_ref)

    def free_phases(self, pixels, until, seed=0, threads=1):
        """(readouts [m, 3, n_out] of the last two thirds of `until` s, counts [m, 2, 4]) of pixels [m, n_in], uint8.

        The result does not depend on `threads`. Raises `InputError` for other pixels.
        """
        pixels = self.check(pixels)
        m, parts = len(pixels), self.padded()
        v = np.zeros(parts[3].size)
        v[:self.bias.size] = self.start()
        keys, found, counts = keys_of(seed, 0, m), np.empty((m, 3, self.sizes[2])), zero_counts(m)

        def classify(first):
            piece = slice(first, first + PIECE)
            classify_samples(pixels[piece], keys[piece], v, *parts, until, until / 3.0, self.constants(), found[piece],
                             counts[piece])

        in_threads(classify, range(0, m, PIECE), threads)
        return found, counts

    def check(self, pixels):
        """`pixels` [m, n_in] as a contiguous uint8 array; raises `InputError` for anything else."""
        pixels = np.asarray(pixels)
        if pixels.ndim != 2 or pixels.shape[1] != self.sizes[0] or pixels.dtype != np.uint8:
            raise InputError(f"pixels must be uint8 [m, {self.sizes[0]}], got {pixels.dtype} {list(pixels.shape)}")
        return np.ascontiguousarray(pixels)

    def to_network(self):
        """The network for `es.simulate`: populations input, hidden, output; give `events` to the input.

        >>> net = EqSpikeNetwork(np.zeros((4, 3)), np.zeros((3, 2)), np.full(5, 0.3)).to_network()
        """
        import eventsnn as es

        n_in, n_hidden, n_out = self.sizes
        common = {"tau_mem": self.tau_mem, "tau_syn": self.tau_syn, "v_threshold": self.theta, "t_ref": self.t_ref}
        net, v, scale = es.Network(), self.start(), self.t_ref / self.tau_syn  # a spike is a current of mean weight at rate 1
        net.add("input", es.Input(n_in))
        net.add("hidden", es.LIF(n_hidden, i_offset=self.bias[:n_hidden], v_init=v[:n_hidden], **common))
        net.add("output", es.LIF(n_out, i_offset=self.bias[n_hidden:], v_init=v[n_hidden:], **common))
        net.connect("input", "hidden", es.Dense(scale * self.w1))
        net.connect("hidden", "output", es.Dense(scale * self.w2))
        net.connect("output", "hidden", es.Dense(scale * self.w2.T))
        return net


def keys_of(seed, epoch, m):
    """Keys [m] of the random numbers of presentations: epoch 0 for tests, 1, 2, ... for training."""
    return np.random.default_rng([seed, epoch]).integers(0, 2**64, m, dtype=np.uint64)


def in_threads(function, items, threads):
    """Call `function` for every item, in so many threads."""
    if threads == 1:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, items))
