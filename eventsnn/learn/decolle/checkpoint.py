"""What a DECOLLE run needs to go on, and its file."""

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field

import numpy as np

from ...errors import FormatError, ParameterError
from ...io import atomic_path
from .layers import Parameters
from .network import DecolleNetwork

CURVES = ("loss", "accuracy", "activity")


@dataclass
class State:
    """A run between two epochs. `network` holds shapes, readouts and constants; `parameters` (float32) are what is trained.

    largest : of Adamax; best : parameters of the best epoch; parts, gradients : memory that is used again
    """

    network: DecolleNetwork
    parameters: Parameters
    largest: np.ndarray
    best: np.ndarray
    epoch: int = 0
    best_epoch: int = -1
    updates: int = 0
    curve: dict = field(default_factory=lambda: {name: [] for name in CURVES})
    parts: dict = field(default_factory=dict)
    gradients: np.ndarray | None = None


def _recipe(config):
    """What must agree between a checkpoint and the run that resumes it; unless the rate is "cosine" more epochs may follow."""
    free = ("threads", "checkpoint_every") + (() if config.schedule == "cosine" else ("epochs",))
    return {name: value for name, value in json.loads(json.dumps(asdict(config))).items() if name not in free}


def save_checkpoint(path, config, state):
    """Replace the file `path` by all that `state` holds, in one step."""
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.savez(file, recipe=json.dumps(_recipe(config)), parameters=state.parameters.flat, largest=state.largest,
                 best=state.best, counters=np.array([state.epoch, state.best_epoch, state.updates]),
                 curve=np.array([state.curve[name] for name in CURVES]))


def load_checkpoint(path, config, state):
    """Fill `state`, new for the same recipe, from the file `path`.

    Raises `FormatError` for a file that is damaged or of another recipe, `ParameterError` if it has more epochs than asked for.
    """
    name = os.path.basename(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {key: file[key] for key in file.files}
        recipe, curve = json.loads(str(saved["recipe"])), saved["curve"]
        epoch, best_epoch, updates = (int(v) for v in saved["counters"])
        arrays = [saved[key] for key in ("parameters", "largest", "best")]
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(f"{name!r} is not a checkpoint of DECOLLE: {error}") from error
    wanted = _recipe(config)
    differ = [key for key in wanted if recipe.get(key) != wanted[key]]
    if differ or any(array.shape != state.parameters.flat.shape for array in arrays):
        what = "; ".join(f"{k}: {recipe.get(k)!r} there, {wanted[k]!r} here" for k in differ) or "shapes differ"
        raise FormatError(f"{name!r} belongs to another recipe ({what})")
    if epoch > config.epochs:
        raise ParameterError(f"epochs must be >= {epoch}, the epochs already in the checkpoint, got {config.epochs}")
    state.parameters.flat[:], state.largest[:], state.best = arrays
    state.epoch, state.best_epoch, state.updates = epoch, best_epoch, updates
    state.curve = {key: values.tolist() for key, values in zip(CURVES, curve)}
