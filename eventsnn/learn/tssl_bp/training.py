"""Training with TSSL-BP: a batch is cut into parts that run side by side, whose gradients are added in order."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..blas import one_thread
from . import kernels
from .checkpoint import CURVES, State, load_checkpoint, save_checkpoint
from .layers import stack
from .losses import count_loss, filtered, goals_of, kernel_loss
from .network import BLOCK, TSSLNetwork, at_a_time

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of AdamW


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    `network` is that of `best_epoch` (counted from 0): of the best validation accuracy (least validation loss for spike
    trains), the earlier of equals, or the last one where there are no validation data; `final_network` that of the last epoch.
    `curve`: an [epochs] array each for "loss" (per sample), "train_accuracy" (while it learns), "accuracy" and
    "validation_loss", "rate", and [epochs, layers] "activity" (spikes per step and neuron, validation data). Accuracies are
    fractions, None without such data.
    """

    config: object
    network: TSSLNetwork
    final_network: TSSLNetwork
    curve: dict
    best_epoch: int
    validation_accuracy: float | None
    test_accuracy: float | None
    final_test_accuracy: float | None
    seconds: float


class Part:
    """One part of a batch at work: layers with a gradient of their own."""

    def __init__(self, stages, weights, size, flat, config, static, dtype=np.float32):
        self.gradient = np.empty(flat, dtype)
        self.entry, self.layers = stack(stages, weights, matrices(stages, self.gradient), size, config.constants, static, dtype,
                                        config.dropout > 0.0, config.spike_cost)
        self.config = config

    def forward(self, x, masks=None):
        """Run samples `x` through all layers; returns a of the last one [b, steps, outputs]."""
        self.entry.take(x)
        for k, layer in enumerate(self.layers):
            layer.forward(len(x), masks[k] if masks and k < len(masks) else None)
        return self.layers[-1].a[:len(x)]

    def loss(self, a, labels, goals):
        """The loss of outputs `a` and of hidden spikes; the last layer's `back` is filled."""
        back, price = self.layers[-1].back[:len(a)].reshape(a.shape), 0.0
        if self.config.spike_cost:
            price = self.config.spike_cost * sum(float(layer.a[:len(a)].sum(dtype=np.float64)) for layer in self.layers[:-1])
        if goals is None and self.config.loss == "count":
            return price + count_loss(a, labels, self.config.desired, self.config.undesired, back)
        if goals is None:
            goals = goals_of(labels, a.shape[2], self.config.constants, a.dtype)
        return price + kernel_loss(a, goals, back)

    def backward(self, b):
        """From the last layer's `back` to `gradient`."""
        for layer in reversed(self.layers):
            layer.backward(b)


def matrices(stages, flat):
    """Views of the vector `flat` as the weight matrices of `stages`."""
    ends = np.cumsum([math.prod(stage.matrix) for stage in stages])
    return [part.reshape(stage.matrix) for part, stage in zip(np.split(flat[:ends[-1]], ends[:-1]), stages)]


class Trainer:
    """A network in training: `step` takes one batch. Weights and AdamW's state lie in `state`, flat and in float32."""

    def __init__(self, config, samples):
        self.config, self.samples = config, samples
        self.n_out = samples.targets.shape[2] if samples.labels is None else int(samples.labels.max()) + 1
        self.stages = config.stages(samples.shape)
        if self.stages[-1].n < self.n_out:
            raise InputError(f"the last of layers {config.layers!r} has {self.stages[-1].n} neurons; the data need "
                             f"{self.n_out}")
        if not samples.static and samples.steps != config.steps:
            raise InputError(f"samples have {samples.steps} steps, config.steps is {config.steps}")
        draw = np.random.default_rng([config.seed, 0])
        network = TSSLNetwork.draw(samples.shape, config.layers, draw, config.constants, samples.static, config.conv_scale)
        flat = np.concatenate([w.ravel() for w in network.weights]).astype(np.float32)
        self.state = State(flat, np.zeros_like(flat), np.zeros_like(flat), flat.copy())
        self.weights, self.total = matrices(self.stages, self.state.weights), np.empty_like(flat)
        size = -(-config.batch // config.parts)
        self.parts = [Part(self.stages, self.weights, size, flat.size, config, samples.static) for _ in range(config.parts)]
        self.bounds = np.linspace(0, flat.size, config.parts + 1).astype(np.int64)
        self.testers = {}

    def network(self, flat=None):
        """The `TSSLNetwork` with the present weights, or those in `flat`."""
        weights = matrices(self.stages, (self.state.weights if flat is None else flat).astype(np.float64))
        return TSSLNetwork(self.samples.shape, self.config.layers, weights, self.config.constants, self.samples.static)

    def gradient(self, samples, epoch, run=map, draw=None):
        """Gradients of one batch, one per part in use; returns (loss, right ones, parts in use)."""
        groups = np.array_split(samples, min(self.config.parts, len(samples)))
        masks = self._masks(len(samples), draw)
        ends = np.cumsum([len(group) for group in groups])

        def work(k):
            part, group, low = self.parts[k], groups[k], ends[k] - len(groups[k])
            own = [mask[low:ends[k]] for mask in masks] if masks else None
            a = part.forward(self.samples.inputs(group, epoch, True, np.float32), own)
            labels = None if self.samples.labels is None else self.samples.labels[group]
            loss = part.loss(a, labels, self._goals(self.samples, group))
            part.backward(len(group))
            return loss, 0 if labels is None else int((a.sum(axis=1).argmax(axis=1) == labels).sum())

        found = list(run(work, range(len(groups))))
        return sum(loss for loss, _ in found), sum(right for _, right in found), len(groups)

    def _goals(self, samples, group):
        if samples.labels is not None:
            return None
        return filtered(samples.targets[group], self.config.tau_syn, np.float32)

    def _masks(self, b, draw):
        if not self.config.dropout:
            return None
        keep, masks = 1.0 - self.config.dropout, []
        for stage in self.stages[:-1]:
            kept = draw.random((b, stage.pooled[0], stage.pooled[2]), np.float32) < keep
            masks.append(kept.astype(np.float32) * np.float32(1.0 / keep))
        return masks

    def update(self, parts, rate, run=map):
        """One step of AdamW on the sum of the gradients of the first `parts` parts, cut to the norm `clip`."""
        config, state = self.config, self.state
        gradients = [part.gradient for part in self.parts[:parts]]
        limits = range(len(self.bounds) - 1)

        def add(k):
            for fresh, gradient in zip([True] + [False] * parts, gradients):
                found = kernels.gather(gradient, self.total, fresh, self.bounds[k], self.bounds[k + 1])
            return found

        norm = math.sqrt(sum(run(add, limits)))
        state.updates += 1
        settings = np.array([min(config.clip / (norm + 1e-6), 1.0), rate / (1.0 - BETA1**state.updates), BETA1, BETA2, EPSILON,
                             rate * config.weight_decay, 1.0 / (1.0 - BETA2**state.updates), config.clamp], np.float32)
        list(run(lambda k: kernels.adamw(state.weights, self.total, state.first, state.second, self.bounds[k],
                                         self.bounds[k + 1], settings), limits))

    def test(self, samples, run=map, limit=None):
        """(accuracy, loss per sample, activity [layers]) on other `samples`, in float32."""
        n = min(len(samples), limit or len(samples))
        config, block = self.config, at_a_time(self.stages, self.config.steps)
        starts = range(0, n, block)
        if not self.testers:
            self.testers = {k: Part(self.stages, self.weights, block, self.state.weights.size, config, samples.static)
                            for k in range(config.parts)}
        columns = [list(starts)[k::config.parts] for k in range(config.parts)]

        def work(k):
            part, found = self.testers[k], {}
            for start in columns[k]:
                group = np.arange(start, min(start + block, n))
                a = part.forward(samples.inputs(group, 0, False, np.float32))
                labels = None if samples.labels is None else samples.labels[group]
                loss = part.loss(a, labels, self._goals(samples, group))
                right = 0 if labels is None else int((a.sum(axis=1).argmax(axis=1) == labels).sum())
                found[start] = right, loss, np.array([np.count_nonzero(layer.u[:len(group)] > 1.0) for layer in part.layers])
            return found

        blocks = {}
        for found in run(work, range(config.parts)):
            blocks |= found
        rights, losses, spikes = zip(*(blocks[start] for start in starts))
        size = n * config.steps * np.array([stage.n for stage in self.stages])
        accuracy = math.nan if samples.labels is None else sum(rights) / n
        return accuracy, sum(losses) / n, sum(spikes) / size


def learning_rate(config, epoch):
    """Rate of an epoch.

    >>> from .config import Config
    >>> learning_rate(Config(rate=1.0, epochs=10, schedule="cosine"), 5)
    0.505
    """
    if config.schedule == "cosine":
        return config.rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * epoch / config.epochs)))
    return config.rate


def train(config, data, *, progress=True, checkpoint=None, resume=None):
    """Train a network on `data`, a dict "train", and if given "validation" and "test" -> `Images`, `Recordings` or `Trains`.

    checkpoint : .npz file, replaced atomically every `config.checkpoint_every` epochs and at the end; resume : such a file to
    go on from, with the same bits as without the interruption. Nothing depends on `config.threads` but the time. The test set
    is looked at once, at the end. Returns a `TrainingResult`.

    Raises `InputError` for data of different shapes, `FormatError` for a checkpoint that is damaged or of another recipe, and
    `ParameterError`. Source: Zhang and Li (2020).

    >>> from .config import Config
    >>> from .inputs import Images
    >>> result = train(Config(layers=(8, 4), epochs=1, batch=4), {"train": Images(np.eye(4), [0, 1, 2, 3])}, progress=False)
    >>> result.curve["loss"].shape
    (1,)
    """
    started = time.perf_counter()
    if "train" not in data:
        raise InputError("data must have the key 'train'")
    for name, part in data.items():
        if part.shape != data["train"].shape or part.static != data["train"].static:
            raise InputError(f"data[{name!r}] has samples of shape {part.shape}, data['train'] of {data['train'].shape}")
    trainer = Trainer(config, data["train"])
    state = trainer.state
    if resume is not None:
        load_checkpoint(resume, config, data, state)
    epochs = range(state.epoch, config.epochs)
    if progress:
        from tqdm import tqdm

        epochs = tqdm(epochs, initial=state.epoch, total=config.epochs, unit="epoch", mininterval=0.5)
    with one_thread(), ThreadPoolExecutor(min(config.threads, config.parts)) as pool:
        run = pool.map if config.threads > 1 else map
        for _ in epochs:
            run_epoch(trainer, data, run)
            if progress:
                epochs.set_postfix({name: f"{state.curve[name][-1]:.4g}" for name in ("loss", "train_accuracy", "accuracy")})
            if checkpoint is not None and (state.epoch % config.checkpoint_every == 0 or state.epoch == config.epochs):
                save_checkpoint(checkpoint, config, data, state)
    final, best = trainer.network(), trainer.network(state.best)
    scores = [None, None]
    if "test" in data and data["test"].labels is not None:
        scores = [accuracy(network, data["test"], config.threads) for network in (best, final)]
    curve = {name: np.array(values) for name, values in state.curve.items()} | {"activity": np.array(state.activity)}
    top = float(curve["accuracy"][state.best_epoch]) if "validation" in data and data["train"].labels is not None else None
    return TrainingResult(config, best, final, curve, state.best_epoch, top, *scores, time.perf_counter() - started)


def accuracy(network, samples, threads=1):
    """Fraction of `samples` whose class has the largest sum of a, computed in float32.

    >>> from .inputs import Images
    >>> accuracy(TSSLNetwork(2, [2], [np.eye(2) * 3.0]), Images(np.eye(2), [0, 1]))
    1.0
    """
    right = 0
    for start in range(0, len(samples), 10 * BLOCK):
        group = np.arange(start, min(start + 10 * BLOCK, len(samples)))
        found = network.forward(samples.inputs(group, 0, False, np.float32), threads, np.float32, keep=False)
        right += int((found.predictions == samples.labels[group]).sum())
    return right / len(samples)


def run_epoch(trainer, data, run=map):
    """One pass over the training data, then over the validation data; all is kept in `trainer.state`."""
    config, state, images = trainer.config, trainer.state, data["train"]
    rate, n = learning_rate(config, state.epoch), len(images)
    order = np.random.default_rng([config.seed, 1, state.epoch]).permutation(n)
    draw = np.random.default_rng([config.seed, 2, state.epoch])
    loss = right = 0
    for start in range(0, n, config.batch):
        found, hits, parts = trainer.gradient(order[start:start + config.batch], state.epoch, run, draw)
        trainer.update(parts, rate, run)
        loss, right = loss + found, right + hits
    score = validation_loss = math.nan
    activity = np.full(len(trainer.stages), math.nan)
    if "validation" in data:
        score, validation_loss, activity = trainer.test(data["validation"], run)
    if _better(state, score, validation_loss, "validation" in data):
        state.best_epoch, state.best = state.epoch, state.weights.copy()
    hits = math.nan if images.labels is None else right / n
    for name, value in zip(CURVES, (loss / n, hits, score, validation_loss, rate)):
        state.curve[name].append(float(value))
    state.activity.append([float(v) for v in activity])
    state.epoch += 1


def _better(state, score, loss, validated):
    if state.best_epoch < 0 or not validated:
        return True
    if math.isnan(score):
        return loss < state.curve["validation_loss"][state.best_epoch]
    return score > state.curve["accuracy"][state.best_epoch]
