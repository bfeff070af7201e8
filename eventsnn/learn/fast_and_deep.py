"""Fast & Deep: training classifiers that decide by their first output spike, with exact spike-time gradients.

Source: Goeltz et al., "Fast and energy-efficient neuromorphic deep learning with first-spike times", Nature Machine
Intelligence 3 (2021). All times are in units of tau_syn.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..data.yin_yang import to_spike_times, yin_yang_splits
from ..errors import InputError, ParameterError
from .checkpoint import CURVES, State, delays_of, load_checkpoint, save_checkpoint
from .config import Config
from .distortion import Chip
from .first_spike.network import FirstSpikeNetwork, first_to_spike
from .losses import loss_of
from .optimisers import cosine_rate, new_optimiser, step_rate
from .warp import warped

MARGIN = 1e-4  # of a delay from the ends of its range, when a run begins with given ones


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


def accuracy(network, times, labels):
    """Fraction of samples whose first output spike is the neuron of their label (silence is wrong).

    `network`: a `FirstSpikeNetwork` or `Chip`; `times` [n, n_in] in tau_syn, `labels` [n].
    Raises `InputError` like `FirstSpikeNetwork.forward`.

    >>> accuracy(FirstSpikeNetwork([np.eye(2) * 4.0], bias_times=(None,)), [[0.0, 1.0], [1.0, 0.0]], [0, 1])
    1.0
    """
    return float(np.mean(network.predict(times) == labels))


def train(config=None, *, data=None, start=None, hardware=None, progress=True, checkpoint=None, resume=None):
    """Train a first-spike classifier; returns a `TrainingResult`.

    `config` defaults to `Config.preset("quick")`. `data` maps "train", "validation" and (optional) "test" to (input
    times [n, n_in] in tau_syn, labels [n] int); default: the Yin-Yang set. `start` is a `FirstSpikeNetwork` of the same
    shape whose weights and delays the run begins with. `hardware`, an `es.BrainScaleS2`, puts its chip into the loop:
    forward on the chip, gradients of the ideal network with the chip's weights at the times the chip gave. `checkpoint` is
    a .npz file, replaced atomically every `config.checkpoint_every` epochs and at the end; `resume` is such a file to go on
    from, with bit-identical results. Nothing depends on `config.threads` but the time. The test set is looked at once, at
    the end.

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
    if hardware is not None and config.distortion is not None:
        raise ParameterError("hardware and config.distortion exclude each other: give one of them")
    substrate = _substrate(config, hardware)
    state = _initial_state(config, data["train"])
    if start is not None:
        _begin_with(state, config, start)
    state.chip = substrate(state.network)
    if resume is not None:
        load_checkpoint(resume, config, state, hardware)
    pool = ThreadPoolExecutor(config.threads) if config.threads > 1 else None
    epochs = range(state.epoch, config.epochs)
    if progress:
        from tqdm import tqdm

        epochs = tqdm(epochs, initial=state.epoch, total=config.epochs, unit="epoch", mininterval=0.5)
    try:
        for epoch in epochs:
            if config.patience and epoch > state.best_epoch + config.patience:
                break
            _run_epoch(state, config, data, pool)
            if progress:
                epochs.set_postfix(loss=state.curve["loss"][-1], val=state.curve["validation_accuracy"][-1])
            if checkpoint is not None and (epoch + 1) % config.checkpoint_every == 0:
                save_checkpoint(checkpoint, config, state, hardware)
        if checkpoint is not None:
            save_checkpoint(checkpoint, config, state, hardware)
    finally:
        if pool is not None:
            pool.shutdown()
    final = state.network
    best = _network(config, data["train"], state.best, state.best_lags)
    runs = [substrate(network) or network for network in (best, final)]
    score = [accuracy(n, *data["test"]) if "test" in data else None for n in runs]
    curve = {name: np.array(values) for name, values in state.curve.items()}
    top = float(curve["validation_accuracy"][state.best_epoch])
    return TrainingResult(config, best, final, curve, state.best_epoch, top, *score, time.perf_counter() - started)


def _substrate(config, hardware):
    """network -> what it runs on, or None."""
    if hardware is not None:
        return hardware.first_spike_chip
    return lambda network: None if config.distortion is None else Chip(network, config.distortion)


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
    network.lags[:] = delays_of(config, lag_state)
    return State(network, new_optimiser(config.optimiser, network.flat.size, config.weight_decay),
                  new_optimiser(config.optimiser, network.lags.size), lag_state, network.flat.copy(), network.lags.copy())


def _begin_with(state, config, start):
    network = state.network
    shapes = [[n.fan_in.tolist(), n.fan_out.tolist(), n.kinds.tolist()] for n in (network, start)]
    if shapes[0] != shapes[1]:
        raise InputError("start must have the inputs, layers and kinds of delays {} of the recipe, got {}".format(*shapes))
    network.flat[:] = state.best[:] = start.flat
    if network.lags.size:
        share = np.clip(start.lags / config.delay_scale, MARGIN, 1.0 - MARGIN)
        state.lag_state = np.log(share / (1.0 - share))
        network.lags[:] = state.best_lags[:] = delays_of(config, state.lag_state)


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
        if any(config.warp):
            inputs = warped(inputs, *config.warp, noise)
        if config.input_noise > 0.0:
            inputs = np.abs(inputs + noise.normal(0.0, config.input_noise, inputs.shape))
        record = state.network.record(inputs)
        share, mean_loss, bumped = _run_batch(state, config, record, labels[batch], rate, noise, pool)
        silent += share * batch.size
        loss += mean_loss * batch.size
        bumps += bumped
    record = _fill(state, config, state.network.record(data["validation"][0]), noise, pool)
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


def _fill(state, config, record, noise, pool):
    """Run the network as it is, or on its chip; `noise` is the generator of the jitter there."""
    if state.chip is None:
        return state.network.fill(record, pool, config.threads)
    state.chip.load()
    return state.chip.fill(record, noise, pool, config.threads)


def _run_batch(state, config, record, labels, rate, noise, pool):
    """One step; returns the share of missing hidden spikes, the loss, and whether a layer was bumped."""
    network = state.network
    _fill(state, config, record, noise, pool)
    missing = [~np.isfinite(times) for times in network.layers(record)]
    outputs = network.layers(record)[-1]
    delta = np.empty(outputs.shape)
    loss = loss_of(config, outputs, labels, delta)
    if state.chip is not None:  # those that cannot spike are not missed
        for layer, alive in zip(missing, np.split(state.chip.alive, np.cumsum(network.fan_out)[:-1])):
            layer[:, ~alive] = False
    shares = [layer.mean() for layer in missing]
    bumped = next((k for k, share in enumerate(shares) if share > config.silent_limits[k]), -1)
    if bumped < 0 or config.bump_step == "also":
        model = network if state.chip is None else state.chip.nominal
        gradients = model.gradients(record, delta, config.max_gradient, pool, config.threads)
        state.optimiser.step(network.flat, gradients.weights, rate)
        if network.lags.size:
            steep = network.lags * (1.0 - network.lags / config.delay_scale)
            state.lag_optimiser.step(state.lag_state, gradients.delays * steep, rate * config.delay_rate / config.rate)
            network.lags[:] = delays_of(config, state.lag_state)
    if bumped >= 0:
        state.bump = 2.0 * state.bump if bumped == state.bumped_layer else config.bump
        network.weights[bumped][:, missing[bumped].any(axis=0)] += state.bump
    state.bumped_layer = bumped
    if state.chip is not None:
        np.clip(network.flat, -state.chip.weight_max, state.chip.weight_max, out=network.flat)
    hidden = [layer.sum() for layer in missing[:-1]]
    return sum(hidden) / max(sum(layer.size for layer in missing[:-1]), 1), loss, bumped >= 0
