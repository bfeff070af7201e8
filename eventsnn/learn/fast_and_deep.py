"""Fast & Deep: training classifiers that decide by their first output spike, with exact spike-time gradients.

Source: Goeltz et al., "Fast and energy-efficient neuromorphic deep learning with first-spike times", Nature Machine
Intelligence 3 (2021). All times are in units of tau_syn.
"""

import json
import math
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np

from ..data.yin_yang import BIAS_TIME, to_spike_times, yin_yang_splits
from ..errors import FormatError, InputError, ParameterError, unknown_name
from .first_spike.network import KINDS, FirstSpikeNetwork, first_to_spike
from .losses import LOSSES, loss_of
from .optimisers import OPTIMISERS, Adam, cosine_rate, new_optimiser, step_rate


@dataclass(frozen=True)
class Config:
    """The training recipe (Goeltz et al. 2021, Yin-Yang column of the published settings); times in tau_syn.

    `hidden` sizes of the hidden layers; `init_mean, init_std, silent_limits, bias_times` one entry per layer (a bias
    time of None means no bias). `schedule` "step" lets `rate` fall by `rate_factor` every `rate_every` epochs, "cosine"
    along half a cosine to a hundredth. `optimiser` is "adam" (AdamW with `weight_decay`) or "sgd". `input_noise` is the
    spread of a normal jitter of every input spike in training; times that would be negative are reflected at 0. `loss` is
    "cross_entropy" (shaped by `xi, alpha, beta`), "mean_square" (to `target`, and `gap` later for the wrong classes) or
    "shifted_mean_square" (wrong classes `gap` after the correct one); `max_gradient` guards against V' -> 0: where one
    sample's |dL/dw| (after the mean over the batch) exceeds it, that sample does not count for that neuron.

    Learned delays (DelGrad, Goeltz et al. 2025): `delays` holds for every layer None, "axonal", "dendritic" or "synaptic". A
    delay is delay_scale / (1 + exp(-p)); p begins normal with spread `delay_std` and moves at `delay_rate` (same schedule).

    Silent neurons: the first layer whose share of missing spikes in a batch exceeds its limit gets `bump`, doubled
    each time the same layer is next again, added to all weights into its neurons that missed a spike. `bump_step`
    "also" takes the gradient step as well, "instead" does not (the publication's rule). Most batches contain some
    missing spike, so "instead" throws away about three gradients in four; on the validation set of Yin-Yang "also" wins
    by 2.7 points after 60 epochs (three seeds).

    Raises `ParameterError` with the name, the value and the allowed range.

    >>> Config.preset("quick", seed=3).seed
    3
    """

    hidden: tuple = (120,)
    tau_ratio: float = 1.0
    theta: float = 1.0
    bias_times: tuple = (BIAS_TIME, BIAS_TIME)
    init_mean: tuple = (1.5, 0.5)
    init_std: tuple = (0.8, 0.8)
    epochs: int = 60
    batch: int = 150
    rate: float = 0.005
    rate_factor: float = 0.95
    rate_every: int = 20
    schedule: str = "step"
    optimiser: str = "adam"
    weight_decay: float = 0.0
    input_noise: float = 0.0
    delays: tuple | None = None
    delay_rate: float = 0.003
    delay_std: float = 0.25
    delay_scale: float = 1.0
    loss: str = "cross_entropy"
    target: float = 0.9
    gap: float = 0.2
    xi: float = 0.2
    alpha: float = 0.005
    beta: float = 1.0
    silent_limits: tuple = (0.3, 0.0)
    bump: float = 5e-4
    bump_step: str = "also"
    max_gradient: float = 0.2
    seed: int = 0
    threads: int = 1
    checkpoint_every: int = 10

    def __post_init__(self):
        layers = len(self.hidden) + 1
        for name in ("bias_times", "init_mean", "init_std", "silent_limits"):
            if len(getattr(self, name)) != layers:
                raise ParameterError(f"{name} must have {layers} entries, one per layer, got {getattr(self, name)!r}")
        for name in ("epochs", "batch", "rate_every", "threads", "checkpoint_every"):
            self._check(name, getattr(self, name), 1, whole=True)
        for size in self.hidden:
            self._check("hidden", size, 1, whole=True)
        self._check("seed", self.seed, 0, whole=True)
        if self.delays is not None and (len(self.delays) != layers or any(kind not in KINDS for kind in self.delays)):
            raise ParameterError(f"delays must be None or have {layers} entries, each one of "
                                 f"{', '.join(map(repr, KINDS))}, got {self.delays!r}")
        for name in ("theta", "rate", "rate_factor", "xi", "beta", "max_gradient", "delay_rate", "delay_scale"):
            self._check(name, getattr(self, name), 0.0, strict=True)
        for name in ("alpha", "bump", "weight_decay", "input_noise", "delay_std", "gap", "target"):
            self._check(name, getattr(self, name), 0.0)
        for value in self.init_std:
            self._check("init_std", value, 0.0)
        for value in self.silent_limits:
            if not 0.0 <= value <= 1.0:
                raise ParameterError(f"silent_limits must lie in [0, 1], got {value!r}")
        self._check("tau_ratio", self.tau_ratio, 0.0, strict=True)
        known_values = {"bump_step": ("also", "instead"), "loss": LOSSES, "schedule": ("step", "cosine"),
                        "optimiser": OPTIMISERS}
        for name, known in known_values.items():
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} must be one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}")

    @staticmethod
    def _check(name, value, low, whole=False, strict=False):
        fits = value > low if strict else value >= low
        if not (fits and value < math.inf and (not whole or int(value) == value)):
            kind = "a whole number" if whole else "finite and"
            raise ParameterError(f"{name} must be {kind} {'>' if strict else '>='} {low}, got {value!r}")

    @classmethod
    def preset(cls, name, **changes):
        """The recipe `name`: "quick" (60 epochs, seconds) or "paper" (300 epochs), with some fields changed.

        Raises `UnknownNameError` for another name and `ParameterError` for bad values.
        """
        if name not in PRESETS:
            raise unknown_name("preset", name, PRESETS)
        return cls(**(PRESETS[name] | changes))


PRESETS = {"quick": {"epochs": 60}, "paper": {"epochs": 300}}


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    `network` is the one of `best_epoch` (counted from 0: best validation accuracy, then lower validation loss, then
    the earlier), `final_network` that of the last epoch. `curve` holds an [epochs] array each for "loss",
    "validation_accuracy", "validation_loss", "silent" (fraction of missing hidden spikes) and "bumps" (share of
    batches with a bump). Accuracies are fractions; those on the test set are None without one. `seconds` is the time
    of this call, compilation included.
    """

    config: Config
    network: FirstSpikeNetwork
    final_network: FirstSpikeNetwork
    curve: dict
    best_epoch: int
    validation_accuracy: float
    test_accuracy: float | None
    final_test_accuracy: float | None
    seconds: float


CURVES = ("loss", "validation_accuracy", "validation_loss", "silent", "bumps")


@dataclass
class _State:
    """Everything a run needs to go on: what a checkpoint holds."""

    network: FirstSpikeNetwork
    optimiser: Adam
    lag_optimiser: Adam
    lag_state: np.ndarray  # of the delays: p
    best: np.ndarray
    best_lags: np.ndarray
    epoch: int = 0
    best_epoch: int = -1
    bump: float = 0.0
    bumped_layer: int = -1
    curve: dict = field(default_factory=lambda: {name: [] for name in CURVES})


def accuracy(network, times, labels):
    """Fraction of samples whose first output spike is the neuron of their label (silence is wrong).

    `times` [n, n_in] in tau_syn, `labels` [n]. Raises `InputError` like `FirstSpikeNetwork.forward`.

    >>> accuracy(FirstSpikeNetwork([np.eye(2) * 4.0], bias_times=(None,)), [[0.0, 1.0], [1.0, 0.0]], [0, 1])
    1.0
    """
    return float(np.mean(network.predict(times) == labels))


def train(config=None, *, data=None, progress=True, checkpoint=None, resume=None):
    """Train a first-spike classifier; returns a `TrainingResult`.

    `config` defaults to `Config.preset("quick")`. `data` maps "train", "validation" and (optional) "test" to (input
    times [n, n_in] in tau_syn, labels [n] int); default: the Yin-Yang set. `checkpoint` is a .npz file, replaced
    atomically every `config.checkpoint_every` epochs and at the end; `resume` is such a file to go on from, with
    bit-identical results. Nothing depends on `config.threads` but the time. The test set is looked at once, at the end.

    Raises `ParameterError`, `InputError`, and `FormatError` for a checkpoint that is damaged or of another recipe.

    Source: Goeltz et al., Nature Machine Intelligence 3 (2021), methods.

    >>> result = train(Config(epochs=1, hidden=(10,)), progress=False)
    >>> sorted(result.curve)
    ['bumps', 'loss', 'silent', 'validation_accuracy', 'validation_loss']
    """
    started = time.perf_counter()
    config = Config.preset("quick") if config is None else config
    if data is None:
        data = {name: (to_spike_times(x), y) for name, (x, y) in yin_yang_splits().items()}
    data = {name: _check_data(name, *pair) for name, pair in data.items()}
    state = _initial_state(config, data["train"])
    if resume is not None:
        _load_checkpoint(resume, config, state)
    pool = ThreadPoolExecutor(config.threads) if config.threads > 1 else None
    epochs = range(state.epoch, config.epochs)
    if progress:
        from tqdm import tqdm

        epochs = tqdm(epochs, initial=state.epoch, total=config.epochs, unit="epoch", mininterval=0.5)
    try:
        for epoch in epochs:
            _run_epoch(state, config, data, pool)
            if progress:
                epochs.set_postfix(loss=state.curve["loss"][-1], val=state.curve["validation_accuracy"][-1])
            if checkpoint is not None and ((epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs):
                _save_checkpoint(checkpoint, config, state)
    finally:
        if pool is not None:
            pool.shutdown()
    final = state.network
    best = _network(config, data["train"], state.best, state.best_lags)
    score = [accuracy(n, *data["test"]) if "test" in data else None for n in (best, final)]
    curve = {name: np.array(values) for name, values in state.curve.items()}
    top = float(curve["validation_accuracy"][state.best_epoch])
    return TrainingResult(config, best, final, curve, state.best_epoch, top, *score, time.perf_counter() - started)


def _check_data(name, times, labels):
    times, labels = np.asarray(times, dtype=np.float64), np.asarray(labels)
    if times.ndim != 2 or labels.shape != times.shape[:1] or labels.dtype.kind not in "iu" or not labels.size:
        raise InputError(f"data[{name!r}] must be (times [n, n_in], whole-number labels [n]) with n >= 1, "
                         f"got shapes {times.shape} and {labels.shape}")
    if labels.min() < 0:
        raise InputError(f"labels in data[{name!r}] must be >= 0, got {labels.min()}")
    return times, labels.astype(np.int64)


def _network(config, train_set, flat, lags=None):
    sizes = [train_set[0].shape[1], *config.hidden, int(train_set[1].max()) + 1]
    shapes = [(a + (bias is not None), b) for a, b, bias in zip(sizes, sizes[1:], config.bias_times)]
    ends = np.cumsum([a * b for a, b in shapes])
    weights = [part.reshape(shape) for part, shape in zip(np.split(flat[: ends[-1]], ends[:-1]), shapes)]
    delays = None
    if config.delays is not None:
        sizes = [{None: 0, "axonal": a, "dendritic": b, "synaptic": a * b}[kind] for kind, (a, b) in zip(config.delays, shapes)]
        lags = np.zeros(sum(sizes)) if lags is None else lags
        parts = np.split(lags, np.cumsum(sizes)[:-1])
        delays = [None if kind is None else (kind, part.reshape(shape) if kind == "synaptic" else part)
                  for kind, part, shape in zip(config.delays, parts, shapes)]
    return FirstSpikeNetwork(weights, tau_ratio=config.tau_ratio, bias_times=config.bias_times, theta=config.theta,
                             delays=delays)


def _initial_state(config, train_set):
    sizes = [train_set[0].shape[1], *config.hidden, int(train_set[1].max()) + 1]
    fan_in = [n + (bias is not None) for n, bias in zip(sizes, config.bias_times)]
    draw = np.random.default_rng([config.seed, 0])
    shapes = zip(config.init_mean, config.init_std, fan_in, sizes[1:])
    network = _network(config, train_set, np.concatenate([draw.normal(m, s, a * b) for m, s, a, b in shapes]))
    lag_state = draw.normal(0.0, config.delay_std, network.lags.size)
    network.lags[:] = _lags(config, lag_state)
    return _State(network, new_optimiser(config.optimiser, network.flat.size, config.weight_decay),
                  new_optimiser(config.optimiser, network.lags.size), lag_state, network.flat.copy(), network.lags.copy())


def _lags(config, p):
    return config.delay_scale / (1.0 + np.exp(-p))


def _run_epoch(state, config, data, pool):
    times, labels = data["train"]
    order = np.random.default_rng([config.seed, 1, state.epoch]).permutation(len(labels))
    noise = np.random.default_rng([config.seed, 2, state.epoch])
    rate = (step_rate(config.rate, state.epoch, config.rate_factor, config.rate_every) if config.schedule == "step"
            else cosine_rate(config.rate, state.epoch, config.epochs))
    loss = silent = bumps = 0.0
    for start in range(0, order.size, config.batch):
        batch = order[start : start + config.batch]
        inputs = times[batch]
        if config.input_noise > 0.0:
            inputs = np.abs(inputs + noise.normal(0.0, config.input_noise, inputs.shape))
        record = state.network.record(inputs)
        share, mean_loss, bumped = _run_batch(state, config, record, labels[batch], rate, pool)
        silent += share * batch.size
        loss += mean_loss * batch.size
        bumps += bumped
    record = state.network.fill(state.network.record(data["validation"][0]), pool, config.threads)
    score, validation_loss = _score(state.network, config, record, data["validation"][1])
    batches = -(-order.size // config.batch)
    values = loss / order.size, score, validation_loss, silent / order.size, bumps / batches
    past = state.curve
    best = state.best_epoch
    if best < 0 or (score, -validation_loss) > (past["validation_accuracy"][best], -past["validation_loss"][best]):
        state.best_epoch, state.best, state.best_lags = state.epoch, state.network.flat.copy(), state.network.lags.copy()
    for name, value in zip(CURVES, values):
        past[name].append(float(value))
    state.epoch += 1


def _score(network, config, record, labels):
    outputs = network.layers(record)[-1]
    loss = loss_of(config, outputs, labels, np.empty(outputs.shape))
    return float(np.mean(first_to_spike(outputs) == labels)), loss


def _run_batch(state, config, record, labels, rate, pool):
    """One step; returns the share of missing hidden spikes, the loss, and whether a layer was bumped."""
    network = state.network
    network.fill(record, pool, config.threads)
    missing = [~np.isfinite(times) for times in network.layers(record)]
    outputs = network.layers(record)[-1]
    delta = np.empty(outputs.shape)
    loss = loss_of(config, outputs, labels, delta)
    shares = [layer.mean() for layer in missing]
    bumped = next((k for k, share in enumerate(shares) if share > config.silent_limits[k]), -1)
    if bumped < 0 or config.bump_step == "also":
        gradients = network.gradients(record, delta, config.max_gradient, pool, config.threads)
        state.optimiser.step(network.flat, gradients.weights, rate)
        if network.lags.size:
            steep = network.lags * (1.0 - network.lags / config.delay_scale)
            state.lag_optimiser.step(state.lag_state, gradients.delays * steep, rate * config.delay_rate / config.rate)
            network.lags[:] = _lags(config, state.lag_state)
    if bumped >= 0:
        state.bump = 2.0 * state.bump if bumped == state.bumped_layer else config.bump
        network.weights[bumped][:, missing[bumped].any(axis=0)] += state.bump
    state.bumped_layer = bumped
    hidden = [layer.sum() for layer in missing[:-1]]
    return sum(hidden) / max(sum(layer.size for layer in missing[:-1]), 1), loss, bumped >= 0


def _recipe(config):
    """What must agree between a checkpoint and the run that resumes it."""
    free = ("threads", "checkpoint_every") + (("epochs",) if config.schedule == "step" else ())
    return json.dumps({name: value for name, value in asdict(config).items() if name not in free}, sort_keys=True)


def _save_checkpoint(path, config, state):
    path = os.fspath(path)
    partial = f"{path}.{os.getpid()}.part"
    with open(partial, "wb") as file:
        np.savez(
            file,
            recipe=_recipe(config),
            weights=state.network.flat,
            best=state.best,
            first=state.optimiser.first,
            second=state.optimiser.second,
            lag_state=state.lag_state,
            best_lags=state.best_lags,
            lag_first=state.lag_optimiser.first,
            lag_second=state.lag_optimiser.second,
            counters=np.array([state.optimiser.steps, state.epoch, state.best_epoch, state.bumped_layer]),
            bump=state.bump,
            curve=np.array([state.curve[name] for name in CURVES]),
        )
    os.replace(partial, path)


def _load_checkpoint(path, config, state):
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {name: file[name] for name in file.files}
        recipe, flat = json.loads(str(saved["recipe"])), saved["weights"]
        steps, epoch, best_epoch, bumped_layer = (int(v) for v in saved["counters"])
        first, second, best, curve, bump = (saved[k] for k in ("first", "second", "best", "curve", "bump"))
        lags = [saved[k] for k in ("lag_state", "best_lags", "lag_first", "lag_second")]
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(f"{os.fspath(path)!r} is not a checkpoint of train(): {error}") from error
    wanted = json.loads(_recipe(config))
    differ = [k for k in wanted if recipe.get(k) != wanted[k]]
    if differ or flat.shape != state.network.flat.shape:
        what = "; ".join(f"{k}: {recipe.get(k)!r} there, {wanted[k]!r} here" for k in differ) or "shapes differ"
        raise FormatError(f"{os.fspath(path)!r} belongs to another recipe ({what})")
    if epoch > config.epochs:
        raise ParameterError(f"epochs must be >= {epoch}, the epochs already in the checkpoint, got {config.epochs}")
    state.network.flat[:], state.best = flat, best
    state.optimiser.first[:], state.optimiser.second[:], state.optimiser.steps = first, second, steps
    state.lag_state[:], state.best_lags, state.lag_optimiser.first[:], state.lag_optimiser.second[:] = lags
    state.lag_optimiser.steps = steps
    state.network.lags[:] = _lags(config, state.lag_state)
    state.epoch, state.best_epoch, state.bumped_layer, state.bump = epoch, best_epoch, bumped_layer, float(bump)
    state.curve = {name: values.tolist() for name, values in zip(CURVES, curve)}
