"""Train a DECOLLE network for one of its tasks, over one or several seeds; write the best as a model file, and curves."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from .config import cores


def train_task(task, preset="quick", seed=0, seeds=1, out=None, threads=0, changes=None, progress=False):
    """Train with seeds seed, seed + 1, ...; write the best network to `out` (default <task>.h5), curves beside it; a summary.

    `changes` are fields of the `Config`, and besides: held_out, so many of the last training samples choose the epoch and the
    seed (0: the last epoch, the first seed); test, whether the test set is looked at, once per seed at the end. A checkpoint
    lies beside `out` while a seed is being trained; the same call goes on from there after an interruption.
    Raises `UnknownNameError` for another task or preset, `ParameterError` for bad values, `FormatError` without the data.
    """
    from .. import __version__
    from ..learn.decolle.files import save_decolle
    from ..learn.decolle.recipes import HELD_OUT, SMALL, SPLITS, data_of, recipe
    from ..learn.decolle.training import accuracy, train
    from ..report.decolle import plot_curves

    if seeds < 1:
        raise ParameterError(f"seeds must be >= 1, got {seeds!r}")
    out, changes = Path(out or f"{task}.h5"), dict(changes or {})
    held_out, test = changes.pop("held_out", HELD_OUT.get(task, 0)), changes.pop("test", True)
    if isinstance(held_out, bool) or not isinstance(held_out, int) or not isinstance(test, bool):
        raise ParameterError(f"held_out must be a whole number and test true or false, got {held_out!r} and {test!r}")
    changes["threads"], small, results = threads or cores(), preset in SMALL.get(task, ()), []
    for number in range(seed, seed + seeds):
        encoding, config = recipe(task, preset, seed=number, **changes)
        data = data_of(encoding, config, SPLITS if test else SPLITS[:2], held_out, small)
        checkpoint = out.with_name(f"{out.stem}-seed{number}.npz")
        resume = checkpoint if checkpoint.exists() else None
        result = train(config, data, progress=progress, checkpoint=checkpoint, resume=resume)
        window = {"steps": config.test_steps, "burn_in": config.burn_in, "threads": config.threads}
        results.append((result, accuracy(result.network, data["train"], limit=1000, **window)[0].tolist()))
    best, _ = max(results, key=lambda pair: pair[0].validation_accuracy[-1]) if held_out else results[0]
    chosen = f"epoch and seed by {held_out} training samples held out" if held_out else "the last epoch of the first seed"
    save_decolle(out, best.network, encoding, {
        "task": task, "preset": preset, "config": json.loads(json.dumps(asdict(best.config))), "selected": chosen,
        "small": small, "epoch": best.best_epoch, "validation_accuracy": best.validation_accuracy,
        "test_accuracy": best.test_accuracy, "seconds": round(best.seconds, 1), "eventsnn": __version__})
    plot_curves([result.curve for result, _ in results], out.with_suffix(".png"))
    for number in range(seed, seed + seeds):
        out.with_name(f"{out.stem}-seed{number}.npz").unlink(missing_ok=True)
    summary = {
        "task": task, "preset": preset, "seeds": list(range(seed, seed + seeds)), "model": str(out),
        "figure": str(out.with_suffix(".png")), "selected": chosen,
        "best_epoch_per_seed": [result.best_epoch for result, _ in results],
        "seconds_per_seed": [round(result.seconds, 1) for result, _ in results],
        "loss_per_layer": best.curve["loss"][-1].tolist(),
        "train_accuracy_per_seed": [train_accuracy for _, train_accuracy in results],
    }
    for name in ("validation_accuracy", "test_accuracy"):
        found = [getattr(result, name) for result, _ in results]
        if found[0] is not None:
            summary |= {f"{name}_per_seed": found, f"{name}_per_layer": np.mean(found, axis=0).tolist(),
                        name: float(np.mean([layers[-1] for layers in found]))}
    return summary
