"""Train with TSSL-BP for one of the tasks, over one or several seeds, and write one network as a model file."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from .config import cores

BY_VALIDATION = "epoch and seed by validation accuracy; the test set was looked at once, at the end"
LAST = "the last epoch of the first seed; the test set was looked at once, at the end"


def train_task(task, preset="quick", seed=0, seeds=1, out=None, threads=0, changes=None, progress=False):
    """Train with seeds seed, seed + 1, ...; write `out` (default <task>.h5) and its learning curves (.curves.json, .png)
    beside it; return a summary.

    The file holds the network of the best epoch and seed on validation data; without such data (`validation` = 0 among the
    `changes`, or a small data set) the last epoch of the first seed. A checkpoint lies beside `out` while a seed is being
    trained; the same call goes on from there after an interruption.

    Raises `UnknownNameError` for another task, preset or setting, `ParameterError` for bad values, `FormatError` without the
    data.
    """
    from .. import __version__
    from ..io import write_json
    from ..learn.tssl_bp.models import save_tssl
    from ..learn.tssl_bp.recipes import data_of, recipe
    from ..learn.tssl_bp.training import train
    from ..report.tssl_bp import plot_curves

    if seeds < 1:
        raise ParameterError(f"seeds must be >= 1, got {seeds!r}")
    out, changes = Path(out or f"{task}.h5"), dict(changes or {})
    validation = changes.pop("validation", None)
    changes["threads"] = threads or cores()
    name, config = recipe(task, preset, seed=seed, **changes)
    data, results = data_of(name, validation=validation, steps=config.steps, seed=seed, shift=config.shift, bin=config.bin), []
    for number in range(seed, seed + seeds):
        config = recipe(task, preset, seed=number, **changes)[1]
        checkpoint = _checkpoint(out, number)
        results.append(train(config, data, progress=progress, checkpoint=checkpoint,
                             resume=checkpoint if checkpoint.exists() else None))
    validated = "validation" in data
    best = max(results, key=lambda result: result.validation_accuracy) if validated else results[0]
    curves = {str(r.config.seed): {key: _plain(values) for key, values in r.curve.items()} for r in results}
    about = {"task": task, "preset": preset, "config": json.loads(json.dumps(asdict(best.config))), "epoch": best.best_epoch,
             "selected": BY_VALIDATION if validated else LAST, "validation_accuracy": best.validation_accuracy,
             "test_accuracy": best.test_accuracy, "trained_on": len(data["train"]), "eventsnn": __version__}
    save_tssl(out, best.network, name, about)
    write_json(out.with_suffix(".curves.json"), curves)
    plot_curves([result.curve for result in results], out.with_suffix(".png"))
    for number in range(seed, seed + seeds):
        _checkpoint(out, number).unlink(missing_ok=True)
    tests = [result.test_accuracy for result in results]
    return {
        "task": task, "preset": preset, "seeds": list(range(seed, seed + seeds)), "model": str(out),
        "figure": str(out.with_suffix(".png")), "trained_on": len(data["train"]),
        "validation_accuracy_per_seed": [r.validation_accuracy for r in results], "test_accuracy_per_seed": tests,
        "final_test_accuracy_per_seed": [r.final_test_accuracy for r in results], "test_accuracy": sum(tests) / len(tests),
        "best_epoch_per_seed": [r.best_epoch for r in results], "seconds_per_seed": [round(r.seconds, 1) for r in results],
    }


def _plain(values):
    """An array as lists, with None for NaN (there is no such data)."""
    values = np.asarray(values, dtype=object)
    values[values != values] = None
    return values.tolist()


def _checkpoint(out, number):
    return out.with_name(f"{out.stem}-seed{number}.npz")
