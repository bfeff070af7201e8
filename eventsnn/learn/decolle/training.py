"""Training with DECOLLE: batches of samples are stepped, and every `timer` steps all layers learn from their own errors.

A batch is cut into `PARTS` parts, whatever the number of threads; their gradients are added in order. So threads change no bit.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...errors import InputError, ParameterError
from ..blas import one_thread
from . import kernels
from .checkpoint import CURVES, State, load_checkpoint, save_checkpoint
from .inputs import TEST, _keys
from .layers import Parameters, Part
from .network import Constants, DecolleNetwork

PARTS = 2
DROP = 16  # kind of random number, one per layer from here on
DECAY, EPSILON = np.float32(0.95), np.float32(1e-12)  # of Adamax
TEST_BATCH = 500
INIT_SAMPLES, INIT_ROUNDS = 32, 10


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    `network` is that of `best_epoch` (counted from 0; best validation accuracy of the last layer, the earlier of equals), or
    the last one where there are no validation data; `final_network` that of the last epoch. `curve`: an [epochs, layers] array
    each for "loss", "accuracy" (validation) and "activity" (spikes per step and output, validation). Accuracies: one per layer,
    None without such data. `seconds` is the time of this call.
    """

    config: object
    network: DecolleNetwork
    final_network: DecolleNetwork
    curve: dict
    best_epoch: int
    validation_accuracy: list | None
    test_accuracy: list | None
    seconds: float


def accuracy(network, data, *, steps, burn_in, threads=1, dtype=np.float32, limit=None):
    """(accuracy, activity), each one per layer, of `network` on `data` (`PoissonImages` or `Recordings`), by a clocked run.

    The decision of a layer is the class that wins most steps after `burn_in`.
    """
    right, active, n = np.zeros(len(network.stages)), np.zeros(len(network.stages)), min(len(data), limit or len(data))
    starts = range(0, n, TEST_BATCH)

    def run(start):
        samples = np.arange(start, min(start + TEST_BATCH, n))
        found = network.vote(data.begin(samples, TEST, steps, False), steps, len(samples), burn_in, dtype)
        return (found.decisions == data.labels[samples]).sum(axis=1), found.activity * len(samples)

    with one_thread(), ThreadPoolExecutor(threads) as pool:
        for correct, activity in pool.map(run, starts):
            right, active = right + correct, active + activity
    return right / n, active / n


def learning_rate(config, epoch):
    """Rate of an epoch.

    >>> from .config import Config
    >>> [learning_rate(Config(schedule="steps", rate=1.0), epoch) for epoch in (0, 4, 8)]
    [1.0, 0.2, 0.1]
    """
    if config.schedule == "cosine":
        return config.rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * epoch / config.epochs)))
    if config.schedule == "steps" and epoch >= config.rate_every:
        return config.rate / (config.rate_factor * (epoch // config.rate_every))
    return config.rate


def train(config, data, *, progress=True, checkpoint=None, resume=None):
    """Train a network on `data`, a dict "train", and if given "validation" and "test" -> `PoissonImages` or `Recordings`.

    checkpoint : .npz file, replaced atomically every `config.checkpoint_every` epochs and at the end; resume : such a file to
    go on from, with the same bits as without the interruption. The test set is looked at once, at the end; a `TrainingResult`.

    Raises `InputError` for data of different shapes, `FormatError` for a checkpoint that is damaged or of another recipe, and
    `ParameterError`.

    >>> from .config import Config
    >>> from .inputs import PoissonImages
    >>> images = PoissonImages(np.eye(4), [0, 1, 2, 3])
    >>> result = train(Config(layers=(8,), epochs=1, batch=4), {"train": images}, progress=False)
    >>> result.curve["loss"].shape
    (1, 1)
    """
    started = time.perf_counter()
    if "train" not in data:
        raise InputError("data must have the key 'train'")
    for name, part in data.items():
        if part.shape != data["train"].shape:
            raise InputError(f"data[{name!r}] has samples of shape {part.shape}, data['train'] of {data['train'].shape}")
    state = _initial(config, data["train"])
    if resume is not None:
        load_checkpoint(resume, config, state)
    epochs = range(state.epoch, config.epochs)
    if progress:
        from tqdm import tqdm

        epochs = tqdm(epochs, initial=state.epoch, total=config.epochs, unit="epoch", mininterval=0.5)
    with one_thread(), ThreadPoolExecutor(min(config.threads, PARTS)) as pool:
        run = pool.map if config.threads > 1 else map
        for epoch in epochs:
            _epoch(state, config, data, run)
            if progress:
                shown = {name: " ".join(f"{v:.4g}" for v in state.curve[name][-1]) for name in CURVES}
                epochs.set_postfix_str(f"loss {shown['loss']}, validation {shown['accuracy']}")
            if checkpoint is not None and ((epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs):
                save_checkpoint(checkpoint, config, state)
    final, best = (_with(state.network, flat) for flat in (state.parameters.flat, state.best))
    curve = {name: np.array(values) for name, values in state.curve.items()}
    score = None
    if "test" in data:
        window = {"steps": config.test_steps, "burn_in": config.burn_in, "threads": config.threads}
        score = accuracy(best, data["test"], **window)[0].tolist()
    at_best = curve["accuracy"][state.best_epoch].tolist() if "validation" in data else None
    return TrainingResult(config, best, final, curve, state.best_epoch, at_best, score, time.perf_counter() - started)


def _with(network, flat):
    """A copy of `network` with the parameters `flat`."""
    found = Parameters(network.stages, np.float64, flat.astype(np.float64))
    return DecolleNetwork(network.shape, network.layers, found.weights, found.biases, network.readouts, network.constants)


def _initial(config, images):
    draw = np.random.default_rng([config.seed, 0])
    constants = Constants(config.alpha, config.beta, config.gamma, config.rho, config.gain)
    classes = int(images.labels.max()) + 1
    network = DecolleNetwork.draw(images.shape, config.layers, classes, draw, config.readout, constants)
    if config.init == "scaled":
        _scale(network, images, config)
    parameters = Parameters(network.stages, np.float32, network.parameters.flat.astype(np.float32))
    return State(network, parameters, np.zeros_like(parameters.flat), parameters.flat.copy())


def _scale(network, images, config):
    """Divide the weights by the standard deviation of U, and shift the biases, until its variance is 1 and its mean 0.

    As the authors' later code does: layer by layer, on the last step of a small batch, within 0.1 and 0.2.
    """
    samples = np.arange(min(INIT_SAMPLES, len(images)))
    for layer in range(len(network.stages)):
        for _ in range(INIT_ROUNDS):
            part = network.part(len(samples), np.float32)
            feed = images.begin(samples, TEST, config.steps, False)
            with one_thread():
                for begun in range(0, config.steps, part.span):
                    count = min(part.span, config.steps - begun)
                    for step in range(count):
                        feed(begun + step, part.inputs[step])
                    part.steps(count)
            u = part.state[layer].full_u[part.last].astype(np.float64)
            mean, variance = u.mean(), u.var()
            if abs(variance - 1.0) <= 0.1 and abs(mean) <= 0.2 or variance == 0.0:
                break
            network.weights[layer][:] /= math.sqrt(variance)
            network.biases[layer][:] -= mean / math.sqrt(variance)


def _epoch(state, config, data, run):
    images = data["train"]
    rate, n = np.float32(learning_rate(config, state.epoch)), len(images)
    order = np.random.default_rng([config.seed, 1, state.epoch]).permutation(n)
    loss, steps = np.zeros(len(state.network.stages)), 0
    for start in range(0, n, config.batch):
        found, count = train_batch(state, config, images, order[start:start + config.batch], rate, run)
        loss, steps = loss + found, steps + count
    score = activity = np.full(len(loss), np.nan)
    state.network = _with(state.network, state.parameters.flat)
    if "validation" in data:
        score, activity = accuracy(state.network, data["validation"], steps=config.test_steps, burn_in=config.burn_in,
                                   threads=config.threads)
    past = [values[-1] for values in state.curve["accuracy"]]
    if state.best_epoch < 0 or "validation" not in data or score[-1] > past[state.best_epoch]:
        state.best_epoch, state.best = state.epoch, state.parameters.flat.copy()
    for name, values in zip(CURVES, (loss / steps, score, activity)):
        state.curve[name].append([float(v) for v in values])
    state.epoch += 1


def train_batch(state, config, images, samples, rate, run=map):
    """Show one batch, learning as it runs. Returns (sums of the losses per layer over samples and steps, their number).

    run : maps a function over the parts, `map` or that of a pool of threads
    """
    groups = np.array_split(samples, min(PARTS, len(samples)))
    key = len(groups), len(samples)
    if key not in state.parts:
        state.parts[key] = [Part(state.network, state.parameters, len(group)) for group in groups]
    parts = state.parts[key]
    if state.gradients is None:
        state.gradients = np.zeros((PARTS, state.parameters.flat.size), np.float32)
    gradients = [Parameters(state.network.stages, np.float32, row) for row in state.gradients]
    feeds = [images.begin(group, state.epoch, config.steps, True) for group in groups]
    layers = range(len(state.network.stages))
    keys = [np.array([_keys(config.seed, DROP + layer, state.epoch, group) for layer in layers]) for group in groups]
    for part in parts:
        part.reset()

    def interval(which, first, stop):
        part, losses, fresh, learning = parts[which], np.zeros(len(layers)), True, 0
        for begun in range(first, stop, part.span):
            count = min(part.span, stop - begun)
            for step in range(count):
                feeds[which](begun + step, part.inputs[step])
            part.steps(count)
            if first >= config.burn_in and (config.gather == "sum" or begun + count == stop):
                begin = 0 if config.gather == "sum" else count - 1
                found, active = part.learn(images.labels[groups[which]], keys[which], begin, count, begun, len(samples), config,
                                           gradients[which], fresh)
                losses, fresh, learning = losses + found, False, learning + active
        return losses, learning

    total, counted, first = np.zeros(len(layers)), 0, 0
    with one_thread():
        while first < config.steps:
            stop = config.burn_in if first < config.burn_in else min(first + config.timer, config.steps)
            found = list(run(lambda which: interval(which, first, stop), range(len(parts))))  # noqa: B023
            if stop > config.burn_in:
                total += sum(losses for losses, _ in found)
                counted += len(samples) * (stop - first if config.gather == "sum" else 1)
                if any(learning for _, learning in found) or config.activity > 0.0 or config.silence > 0.0:
                    state.updates += 1
                    _update(state, config, len(parts), rate, run)
            first = stop
    return total, counted


def _update(state, config, parts, rate, run):
    flat, gradients = state.parameters.flat, state.gradients[:parts]
    bounds = np.linspace(0, flat.size, PARTS + 1).astype(np.int64)

    def one(which):
        if config.optimiser == "adamax":
            kernels.adamax(flat, state.largest, gradients, bounds[which], bounds[which + 1], rate, DECAY, EPSILON)
        else:
            kernels.descend(flat, gradients, bounds[which], bounds[which + 1], rate)

    list(run(one, range(PARTS)))


def new_state(config, images):
    """The `State` that a run on `images` begins with. Raises `ParameterError` for layers that do not fit.

    >>> from .config import Config
    >>> from .inputs import PoissonImages
    >>> new_state(Config(layers=(8,)), PoissonImages(np.eye(4), [0, 1, 2, 3])).parameters.flat.size
    40
    """
    if config.epochs < 1:
        raise ParameterError(f"epochs must be >= 1, got {config.epochs!r}")
    return _initial(config, images)
