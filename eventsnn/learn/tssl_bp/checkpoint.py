"""What a TSSL-BP run needs to go on, and its file."""

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from ...errors import FormatError, ParameterError
from ...io import atomic_path

CURVES = ("loss", "train_accuracy", "accuracy", "validation_loss", "rate")
ARRAYS = ("weights", "first", "second", "best")


@dataclass
class State:
    """Everything a run needs to go on: flat float32 arrays of weights, AdamW's two means and the best weights, and counters.

    `curve` holds lists per epoch: loss per sample and accuracy in training, accuracy and loss on validation data, and
    `activity`, the spikes per step and neuron of every layer (validation).
    """

    weights: np.ndarray
    first: np.ndarray
    second: np.ndarray
    best: np.ndarray
    updates: int = 0
    epoch: int = 0
    best_epoch: int = -1
    curve: dict = field(default_factory=lambda: {name: [] for name in CURVES})
    activity: list = field(default_factory=list)


def _recipe(config, data):
    """What must agree between a checkpoint and the run that resumes it; with a constant rate more epochs may follow."""
    free = ("threads", "checkpoint_every") + (() if config.schedule == "cosine" else ("epochs",))
    kept = {name: value for name, value in json.loads(json.dumps(asdict(config))).items() if name not in free}
    return kept | {"samples": [len(data[name]) for name in sorted(data)], "shape": list(data["train"].shape)}


def save_checkpoint(path, config, data, state):
    """Replace the file `path` by all that `state` holds, in one step."""
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.savez(file, recipe=json.dumps(_recipe(config, data)), **{name: getattr(state, name) for name in ARRAYS},
                 counters=np.array([state.updates, state.epoch, state.best_epoch]), activity=np.array(state.activity),
                 curve=np.array([state.curve[name] for name in CURVES]))


def load_checkpoint(path, config, data, state):
    """Fill `state`, new for the same recipe, from the file `path`.

    Raises `FormatError` for a file that is damaged or of another recipe, `ParameterError` where it has more epochs than asked
    for.
    """
    name = os.path.basename(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {key: file[key] for key in file.files}
        recipe, curve, activity = json.loads(str(saved["recipe"])), saved["curve"], saved["activity"]
        updates, epoch, best_epoch = (int(v) for v in saved["counters"])
        arrays = [saved[key] for key in ARRAYS]
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(f"{name!r} is not a checkpoint of TSSL-BP: {error}") from error
    wanted = _recipe(config, data)
    recipe = {f.name: f.default for f in fields(config)} | recipe  # settings that are newer than the file
    differ = [key for key in wanted if recipe.get(key) != wanted[key]]
    if differ or any(array.shape != state.weights.shape for array in arrays) or curve.shape != (len(CURVES), epoch):
        what = "; ".join(f"{k}: {recipe.get(k)!r} there, {wanted[k]!r} here" for k in differ) or "shapes differ"
        raise FormatError(f"{name!r} belongs to another recipe ({what})")
    if epoch > config.epochs:
        raise ParameterError(f"epochs must be >= {epoch}, the epochs already in the checkpoint, got {config.epochs}")
    for key, array in zip(ARRAYS, arrays):
        getattr(state, key)[:] = array
    state.updates, state.epoch, state.best_epoch = updates, epoch, best_epoch
    state.curve = {key: values.tolist() for key, values in zip(CURVES, curve)}
    state.activity = activity.tolist()
