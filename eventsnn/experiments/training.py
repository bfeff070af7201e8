"""Train a first-spike network for one of the tasks, over one or several seeds, and write the best as a model file."""

import json
from dataclasses import asdict
from pathlib import Path

from ..errors import ParameterError
from .config import cores
from .registry import trainer

CHOSEN = "epoch and seed by validation accuracy; the test set was looked at once, at the end"


def train_task(task, preset="quick", seed=0, seeds=1, out=None, threads=0, changes=None, progress=False, chip_seed=0):
    """Train with seeds seed, seed + 1, ...; write `out` (default <task>.h5), the best on validation data; return a summary.

    Tasks whose first word is in `registry.TRAINERS` are trained by the module named there. Tasks for a chip are trained with the chip `chip_seed` in the loop. A checkpoint lies beside `out` while a seed is being
    trained; the same call goes on from there after an interruption.
    Raises `UnknownNameError` for another task or preset, `ParameterError` for bad values, `FormatError` without the data.
    """
    other = trainer(task)
    if other is not None:
        return other.train_task(task, preset, seed, seeds, out, threads, changes, progress)
    from .. import __version__
    from ..hardware.profile import BrainScaleS2
    from ..learn.fast_and_deep import train
    from ..learn.models import save_model
    from ..learn.recipes import HARDWARE, data_of, recipe

    if seeds < 1:
        raise ParameterError(f"seeds must be >= 1, got {seeds!r}")
    out = Path(out or f"{task}.h5")
    changes = dict(changes or {}) | {"threads": threads or cores()}
    hardware = BrainScaleS2(**HARDWARE[task], chip_seed=chip_seed) if task in HARDWARE else None
    encoding, _ = recipe(task, preset, seed=seed, **changes)
    data, results = data_of(encoding), []
    for number in range(seed, seed + seeds):
        config = recipe(task, preset, seed=number, **changes)[1]
        checkpoint = out.with_name(f"{out.stem}-seed{number}.npz")
        resume = checkpoint if checkpoint.exists() else None
        options = {"hardware": hardware, "progress": progress, "checkpoint": checkpoint, "resume": resume}
        results.append((config, train(config, data=data, **options)))
    config, best = max(results, key=lambda pair: pair[1].validation_accuracy)
    settings = json.loads(json.dumps(asdict(config)))
    save_model(out, best.network, encoding, {"task": task, "preset": preset, "config": settings, "selected": CHOSEN,
                                             "validation_accuracy": best.validation_accuracy, "epoch": best.best_epoch,
                                             "hardware": None if hardware is None else asdict(hardware),
                                             "eventsnn": __version__})
    for number in range(seed, seed + seeds):
        out.with_name(f"{out.stem}-seed{number}.npz").unlink(missing_ok=True)
    tests = [result.test_accuracy for _, result in results]
    return {
        "task": task, "preset": preset, "seeds": list(range(seed, seed + seeds)), "model": str(out),
        "validation_accuracy_per_seed": [result.validation_accuracy for _, result in results],
        "test_accuracy_per_seed": tests, "test_accuracy": sum(tests) / len(tests),
        "best_epoch_per_seed": [result.best_epoch for _, result in results],
        "seconds_per_seed": [round(result.seconds, 1) for _, result in results],
    }
