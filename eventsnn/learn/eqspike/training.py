"""EqSpike: equilibrium propagation by local updates that spikes drive.

The rule is derived from continual equilibrium propagation (Ernoult et al. 2020) and follows what the abstract of Martin et al.,
"EqSpike: spike-driven equilibrium propagation for neuromorphic implementations", iScience 24(4), 2021, says; it was not
compared with the equations there. See docs/eqspike.md.
"""

import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np

from ...errors import FormatError, InputError, ParameterError
from ...io import atomic_path
from ..optimisers import Adam, cosine_rate
from .batches import apply_changes, learn_samples, sum_changes, zero_counts
from .config import EqSpikeConfig
from .network import EqSpikeNetwork, decisions, keys_of

FREE_FIELDS = ("threads", "checkpoint_seconds")  # may differ between a checkpoint and the run that goes on from it
COUNTS = ("input", "hidden", "output")
HELD = ("w1", "w2", "bias")
MOMENTS = ("first", "second", "steps")


@dataclass(frozen=True)
class EqSpikeResult:
    """What `train` returns: `network` of the last epoch, `curve` and what a presentation took.

    curve : {"validation_accuracy": [epochs]} (empty without validation data); accuracies are fractions, `test_accuracy` is None
    without test data; counts : mean spikes and synaptic operations of a presentation, and weight updates, see `counted`
    seconds : the time of training, of all calls
    """

    config: EqSpikeConfig
    network: EqSpikeNetwork
    curve: dict
    test_accuracy: float | None
    counts: dict
    seconds: float


@dataclass
class _State:
    """Everything a run needs to go on: weights, where it is, and what it has seen."""

    w1: np.ndarray
    w2: np.ndarray
    w2_back: np.ndarray
    bias: np.ndarray
    epoch: int = 0
    done: int = 0  # batches of this epoch
    seconds: float = 0.0
    presented: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros((2, 4), np.int64))
    curve: list = field(default_factory=list)
    moments: list = field(default_factory=list)  # one Adam for each of w1, w2, biases of hidden neurons, of outputs


def accuracy(network, pixels, labels, until=0.2, seed=0, threads=1):
    """Fraction of `pixels` [m, n_in] (uint8) whose class by the free phase of `until` s is their label [m].

    >>> net = EqSpikeNetwork(np.zeros((1, 1)), np.zeros((1, 2)), [0.0, 0.0, 1.0])
    >>> accuracy(net, np.zeros((2, 1), np.uint8), [1, 1])
    1.0
    """
    return float(np.mean(decisions(network.free_phases(pixels, until, seed, threads)[0]) == np.asarray(labels)))


def schedule(config):
    """Phases [k, 4] (duration s, beta, gain of the weight changes of both layers) for a positive sign.

    >>> schedule(EqSpikeConfig(beta=2.0)).tolist()
    [[0.2, 0.0, 0.0, 0.0], [0.1, 2.0, 0.5, 0.5]]
    """
    free, beta = [config.free, 0.0, 0.0, 0.0], config.beta
    if config.phases == "two":
        return np.array([free, [config.nudged, beta, 1.0 / beta, 1.0 / beta]])
    gain = 0.5 / beta  # rates move twice as far, or there and back
    if config.phases == "swing":
        return np.array([free, [config.nudged, beta, 0.0, 0.0], [config.nudged, -beta, -gain, -gain]])
    return np.array([free, [config.nudged, beta, gain, gain], [config.nudged, 0.0, -gain, -gain]])


def learning_constants(config, network):
    """What the kernels take when `network` learns by `config`, see `present`.

    >>> learning_constants(EqSpikeConfig(), initial_network(EqSpikeConfig(hidden=5), 3, 2)).tolist()
    [0.04, 0.02, 0.05, 0.004, 1.0, 0.0, 0.0]
    """
    steepness, least = (config.steepness, config.least_error) if config.loss == "softmax" else (0.0, 0.0)
    return network.constants(config.tau_filter, config.inputs == "intervals", steepness, least)


def counted(counts, sizes):
    """Spikes, synaptic operations and weight updates from `counts` [2, 4] of `present` in a network of `sizes`, as a dict.

    "free" is what happens while nothing is learned; an update is the change of one weight by one spike.

    >>> counted(np.array([[5, 2, 1, 0], [1, 1, 1, 0]]), (4, 3, 2))["weight_updates"]
    8
    """
    _, n_hidden, n_out = sizes
    fan = np.array([n_hidden, n_out, n_hidden])
    (free, learning), found = counts[:, :3], {}
    found["spikes_free"], found["spikes_learning"] = free.sum(), learning.sum()
    found["synaptic_operations_free"], found["synaptic_operations_learning"] = free @ fan, learning @ fan
    found["weight_updates"] = learning @ fan
    return {name: value.item() for name, value in found.items()}


def train(config=None, *, data, progress=True, checkpoint=None, resume=None):
    """Train an EqSpike network; returns an `EqSpikeResult`.

    data : {"train": (pixels uint8 [m, n_in], labels int [m]), ...}, with "validation" and "test" if there are; the last is
    looked at once, at the end. checkpoint : .npz file, replaced atomically after every epoch and every `checkpoint_seconds`;
    resume : such a file to go on from, with bit-identical results. Nothing depends on `config.threads` but the time.

    Raises `InputError` for data that do not fit, `FormatError` for a checkpoint that is damaged or of another recipe.

    >>> draw = np.random.default_rng(0)
    >>> pixels = draw.integers(0, 256, (20, 6)).astype(np.uint8)
    >>> result = train(EqSpikeConfig(hidden=4, epochs=1), data={"train": (pixels, np.arange(20) % 2)}, progress=False)
    >>> result.network.sizes
    (6, 4, 2)
    """
    config = EqSpikeConfig() if config is None else config
    data = {name: _checked(name, *pair) for name, pair in data.items()}
    n_in, n_out = data["train"][0].shape[1], int(data["train"][1].max()) + 1
    for name, (pixels, labels) in data.items():
        if pixels.shape[1] != n_in or labels.max() >= n_out:
            raise InputError(f"data[{name!r}] must have {n_in} pixels and labels below {n_out}, as data['train'] has, "
                             f"got {pixels.shape[1]} and {labels.max()}")
    state = _State(*initial_network(config, n_in, n_out).padded())
    if config.optimiser == "adam":
        state.moments = [Adam(size) for size in (state.w1.size, state.w2.size, config.hidden, state.bias.size - config.hidden)]
    if resume is not None:
        _load(resume, config, state)
    bar = None
    if progress:
        from tqdm import tqdm

        m = len(data["train"][1])
        bar = tqdm(total=config.epochs * m, initial=min(state.epoch * m + state.done * config.batch, config.epochs * m),
                   unit="sample", mininterval=0.5)
    pool = ThreadPoolExecutor(config.threads)
    try:
        while state.epoch < config.epochs:
            _run_epoch(state, config, data, pool, bar, checkpoint)
    finally:
        pool.shutdown()
        if bar is not None:
            bar.close()
    network = _network(config, state)
    test = accuracy(network, *data["test"], config.free, config.seed, config.threads) if "test" in data else None
    counts = {name: value / max(state.presented, 1) for name, value in counted(state.counts, network.sizes).items()}
    curve = {"validation_accuracy": np.array(state.curve)}
    return EqSpikeResult(config, network, curve, test, counts, state.seconds)


def initial_network(config, n_in, n_out):
    """The network that training with `config` starts from: weights uniform within sqrt(6 / (fan in + fan out)).

    >>> initial_network(EqSpikeConfig(hidden=5), 3, 2).sizes
    (3, 5, 2)
    """
    draw, n = np.random.default_rng([config.seed, 0, 0]), config.hidden
    w1, w2 = (draw.uniform(-1.0, 1.0, shape) * np.sqrt(6.0 / sum(shape)) for shape in ((n_in, n), (n, n_out)))
    last = config.bias if config.bias_output is None else config.bias_output
    return EqSpikeNetwork(w1, w2 * config.output_scale, np.repeat([config.bias, last], [n, n_out]), tau_mem=config.tau_mem,
                          t_ref=config.t_ref, theta=config.theta)


def _checked(name, pixels, labels):
    pixels, labels = np.ascontiguousarray(pixels), np.asarray(labels)
    if pixels.ndim != 2 or pixels.dtype != np.uint8 or labels.shape != pixels.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(f"data[{name!r}] must be (pixels uint8 [m, n_in], whole-number labels [m]), got {pixels.dtype} "
                         f"{list(pixels.shape)} and {labels.dtype} {list(labels.shape)}")
    if not labels.size or labels.min() < 0:
        raise InputError(f"data[{name!r}] must have labels >= 0, got {labels.min() if labels.size else 'none'}")
    return pixels, labels.astype(np.int64)


def _network(config, state):
    n_hidden, n_out = state.w2.shape
    return EqSpikeNetwork(state.w1[:, :n_hidden], state.w2, state.bias[:n_hidden + n_out], tau_mem=config.tau_mem,
                          t_ref=config.t_ref, theta=config.theta)


class _Changes:
    """Weight changes of the chunks of a batch, each summed by one thread."""

    def __init__(self, config, state):
        if config.at_once:
            self.parts = [part[None] for part in (state.w1, state.w2, state.w2_back)]
        else:
            chunks = -(-config.batch // config.chunk)
            self.parts = [np.zeros((chunks, *part.shape)) for part in (state.w1, state.w2, state.w2_back)]
        self.bias = np.zeros((len(self.parts[0]), state.bias.size))


def _run_epoch(state, config, data, pool, bar, checkpoint):
    pixels, labels = data["train"]
    m = labels.size
    draw = np.random.default_rng([config.seed, 1, state.epoch])
    order, keys = draw.permutation(m), keys_of(config.seed, state.epoch + 1, m)
    signs = np.where(draw.random(m) < 0.5, -1.0, 1.0) if config.sign == "random" else np.ones(m)
    changes, phases = _Changes(config, state), schedule(config)
    constants = learning_constants(config, _network(config, state))
    batches = -(-m // config.batch)
    saved = begun = time.perf_counter()

    def learn(chunk):
        first = start + chunk * config.chunk
        part = slice(first, min(first + config.chunk, stop))
        picked = order[part]
        g1, g2, g2_back = (each[chunk] for each in changes.parts)
        learn_samples(pixels[picked], keys[part], labels[picked], signs[part], state.w1, state.w2, state.w2_back, state.bias,
                      at_once if config.at_once else phases, constants, g1, g2, g2_back, changes.bias[chunk], config.at_once,
                      counts[first - start:part.stop - start])

    for batch in range(state.done, batches):
        start, stop = batch * config.batch, min((batch + 1) * config.batch, m)
        counts = zero_counts(stop - start)
        progressed = state.epoch + batch / batches
        rates = np.array([cosine_rate(rate, progressed, config.epochs) for rate in (*config.rates, *config.rates)])
        at_once = phases * np.array([1.0, 1.0, *rates[:2]])
        chunks = range(-(-(stop - start) // config.chunk))
        if config.threads == 1 or len(chunks) == 1:
            for chunk in chunks:
                learn(chunk)
        else:
            list(pool.map(learn, chunks))
        _apply(state, config, changes, rates, stop - start)
        state.done = batch + 1
        state.counts += counts.sum(axis=0)
        state.presented += stop - start
        if bar is not None:
            bar.update(stop - start)
        now = time.perf_counter()
        if checkpoint is not None and now - saved >= config.checkpoint_seconds:
            state.seconds, begun, saved = state.seconds + now - begun, now, now
            _save(checkpoint, config, state)
    state.seconds += time.perf_counter() - begun
    if "validation" in data:
        state.curve.append(accuracy(_network(config, state), *data["validation"], config.free, config.seed, config.threads))
        if bar is not None:
            bar.set_postfix(val=f"{state.curve[-1]:.4f}")
    state.epoch, state.done = state.epoch + 1, 0
    if checkpoint is not None:
        _save(checkpoint, config, state)


def _apply(state, config, changes, rates, many):
    if config.at_once:  # the weights are there already; biases change once, by what their filters say
        state.bias += changes.bias[0]
        changes.bias[:] = 0.0
    elif config.optimiser == "adam":
        first, second, biases = sum_changes(*changes.parts, changes.bias)
        parts = (state.w1, first), (state.w2, second), *zip(*(np.split(b, [config.hidden]) for b in (state.bias, biases)))
        for adam, (weights, change), rate in zip(state.moments, parts, rates):
            adam.step(weights.reshape(-1), -change.reshape(-1) / many, rate)
        state.w2_back[:] = state.w2.T
    else:
        apply_changes(state.w1, state.w2, state.w2_back, state.bias, *changes.parts, changes.bias, rates / many)


def _recipe(config):
    return {name: value for name, value in json.loads(json.dumps(asdict(config))).items() if name not in FREE_FIELDS}


def _save(path, config, state):
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.savez(file, recipe=json.dumps(_recipe(config)), w1=state.w1, w2=state.w2, bias=state.bias, counts=state.counts,
                 numbers=np.array([state.epoch, state.done, state.presented]), seconds=state.seconds,
                 curve=np.array(state.curve), **{f"{name}{k}": getattr(adam, name) for k, adam in enumerate(state.moments)
                                                 for name in MOMENTS})


def _load(path, config, state):
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {name: file[name] for name in file.files}
        recipe = json.loads(str(saved["recipe"]))
        epoch, done, presented = (int(value) for value in saved["numbers"])
        arrays = [saved[name] for name in HELD]
        moments = [[saved[f"{name}{k}"] for name in MOMENTS] for k in range(len(state.moments))
                   if recipe.get("optimiser") == config.optimiser]
        counts, curve, seconds = saved["counts"], saved["curve"].tolist(), float(saved["seconds"])
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(f"{os.fspath(path)!r} is not a checkpoint of an EqSpike training: {error}") from error
    wanted = _recipe(config)
    differ = [name for name in wanted if recipe.get(name) != wanted[name]]
    if differ or any(part.shape != getattr(state, name).shape for name, part in zip(HELD, arrays)):
        what = "; ".join(f"{name}: {recipe.get(name)!r} there, {wanted[name]!r} here" for name in differ) or "shapes differ"
        raise FormatError(f"{os.fspath(path)!r} belongs to another recipe ({what})")
    if epoch > config.epochs:
        raise ParameterError(f"epochs must be >= {epoch}, the epochs already in the checkpoint, got {config.epochs}")
    state.w1, state.w2, state.bias = arrays
    for adam, (first, second, steps) in zip(state.moments, moments):
        adam.first[:], adam.second[:], adam.steps = first, second, int(steps)
    state.w2_back = np.ascontiguousarray(state.w2.T)
    state.epoch, state.done, state.presented, state.counts, state.curve, state.seconds = (
        epoch, done, presented, counts, curve, seconds)
