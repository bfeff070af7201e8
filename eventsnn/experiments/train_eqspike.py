"""Train EqSpike networks for one of their tasks, over one or several seeds, and write the first as a model file."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from .config import cores

CHOSEN = "the network of the last epoch, first seed; the test set was looked at once, at the end"


def train_task(task, preset="quick", seed=0, seeds=1, out=None, threads=0, changes=None, progress=False):
    """Train with seeds seed, seed + 1, ...; write the first network to `out` (default <task>.h5); return a summary.

    `changes` are fields of the `EqSpikeConfig`; "validation" = true keeps a part of the training data apart for an accuracy per
    epoch and leaves the test data alone, for choosing settings. A checkpoint lies beside `out` while a seed is being trained;
    the same call goes on from there after an interruption.
    Raises `UnknownNameError` for another task or preset, `ParameterError` for bad values, `FormatError` without the data.
    """
    from .. import __version__
    from ..learn.eqspike.files import save_eqspike
    from ..learn.eqspike.recipes import data_of, recipe
    from ..learn.eqspike.training import train
    from ..report.eqspike import plot_training

    if seeds < 1:
        raise ParameterError(f"seeds must be >= 1, got {seeds!r}")
    changes = dict(changes or {}) | {"threads": threads or cores()}
    validation = changes.pop("validation", False)
    if not isinstance(validation, bool):
        raise ParameterError(f"validation must be true or false, got {validation!r}")
    out = Path(out or f"{task}.h5")
    name, _ = recipe(task, preset, seed=seed, **changes)
    data, results = data_of(name, validation), []
    if validation:
        del data["test"]
    for number in range(seed, seed + seeds):
        config = recipe(task, preset, seed=number, **changes)[1]
        checkpoint = out.with_name(f"{out.stem}-seed{number}.npz")
        resume = checkpoint if checkpoint.exists() else None
        results.append(train(config, data=data, progress=progress, checkpoint=checkpoint, resume=resume))
    tests, curves = [result.test_accuracy for result in results], [result.curve["validation_accuracy"] for result in results]
    settings = json.loads(json.dumps(asdict(results[0].config)))
    save_eqspike(out, results[0].network, name, results[0].config.free, {
        "task": task, "preset": preset, "config": settings, "selected": CHOSEN, "test_accuracy": tests[0],
        "counts_per_presentation": results[0].counts, "seconds": results[0].seconds, "eventsnn": __version__})
    summary = {
        "task": task, "preset": preset, "seeds": list(range(seed, seed + seeds)), "model": str(out),
        "counts_per_presentation": results[0].counts, "seconds_per_seed": [round(result.seconds, 1) for result in results],
        "seconds_per_epoch": round(float(np.mean([result.seconds / result.config.epochs for result in results])), 2),
    }
    if validation:
        summary["validation_accuracy_per_epoch"] = [curve.tolist() for curve in curves]
        summary["validation_accuracy"] = float(np.mean([curve[-1] for curve in curves]))
        plot_training(curves, out.with_suffix(".png"))
    else:
        summary |= {"test_accuracy_per_seed": tests, "test_accuracy": float(np.mean(tests))}
    for number in range(seed, seed + seeds):
        out.with_name(f"{out.stem}-seed{number}.npz").unlink(missing_ok=True)
    return summary
