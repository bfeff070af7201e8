"""What a training run needs to go on, and its file: a resumed run gives the same bits as one that was never interrupted."""

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field

import numpy as np

from ..errors import FormatError, ParameterError
from .distortion import Chip
from .first_spike.network import FirstSpikeNetwork
from .optimisers import Adam

CURVES = ("loss", "validation_accuracy", "validation_loss", "silent", "bumps")


@dataclass
class State:
    """Everything a run needs to go on: what a checkpoint holds."""

    network: FirstSpikeNetwork
    optimiser: Adam
    lag_optimiser: Adam
    lag_state: np.ndarray  # of the delays: p
    best: np.ndarray
    best_lags: np.ndarray
    chip: Chip | None = None
    epoch: int = 0
    best_epoch: int = -1
    bump: float = 0.0
    bumped_layer: int = -1
    curve: dict = field(default_factory=lambda: {name: [] for name in CURVES})


def delays_of(config, p):
    """The delays that belong to their parameters `p` [n_delays]."""
    return config.delay_scale / (1.0 + np.exp(-p))


def _recipe(config, hardware):
    """What must agree between a checkpoint and the run that resumes it."""
    free = ("threads", "checkpoint_every") + (("epochs",) if config.schedule == "step" else ())
    kept = {name: value for name, value in asdict(config).items() if name not in free}
    return json.dumps(kept | {"hardware": None if hardware is None else asdict(hardware)}, sort_keys=True)


def save_checkpoint(path, config, state, hardware):
    path = os.fspath(path)
    partial = f"{path}.{os.getpid()}.part"
    with open(partial, "wb") as file:
        np.savez(
            file,
            recipe=_recipe(config, hardware),
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


def load_checkpoint(path, config, state, hardware):
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
    wanted = json.loads(_recipe(config, hardware))
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
    state.network.lags[:] = delays_of(config, state.lag_state)
    state.epoch, state.best_epoch, state.bumped_layer, state.bump = epoch, best_epoch, bumped_layer, float(bump)
    state.curve = {name: values.tolist() for name, values in zip(CURVES, curve)}
