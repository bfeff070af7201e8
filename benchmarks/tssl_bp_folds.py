"""How far recordings should be moved in TSSL-BP training on N-MNIST: three folds of the 1,000 training recordings.

Each fold leaves out 200 recordings, trains on the other 800 and gives the accuracy on the 200 after the last epoch. The test
recordings are not opened. The seed of fold k is k.

Usage: python benchmarks/tssl_bp_folds.py --shifts 0 1 2
"""

import argparse
import time

import measure
import numpy as np

from eventsnn.data.events import open_events
from eventsnn.data.nmnist import SIZE, nmnist_small
from eventsnn.learn.tssl_bp.inputs import Recordings
from eventsnn.learn.tssl_bp.recipes import recipe
from eventsnn.learn.tssl_bp.training import train

FOLDS, HELD_OUT, ORDER = 3, 200, 77  # ORDER: seed of the permutation that is cut into folds


def recordings(rows, config):
    return Recordings((open_events(file).read() for file, _ in rows), np.array([label for _, label in rows]), size=SIZE,
                      steps=config.steps, bin=config.bin, stabilised=True, shift=config.shift, seed=config.seed)


def measured(fold, **changes):
    """One training: the row of the report."""
    config, rows = recipe("tssl-nmnist", "paper", schedule="cosine", seed=fold, **changes)[1], nmnist_small()["train"]
    order = np.random.default_rng(ORDER).permutation(len(rows))
    held = order[fold * HELD_OUT:(fold + 1) * HELD_OUT]
    parts = {"train": np.setdiff1d(order, held), "validation": held}
    begin = time.perf_counter()
    result = train(config, {name: recordings([rows[i] for i in ids], config) for name, ids in parts.items()})
    return {"shift": config.shift, "fold": fold, "held_out_accuracy": float(result.curve["accuracy"][-1]),
            "train_accuracy": float(result.curve["train_accuracy"][-1]), "seconds": time.perf_counter() - begin}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--shifts", type=int, nargs="+", default=[0, 1, 2])
    words.add_argument("--epochs", type=int, default=30)
    words.add_argument("--bin", type=float, default=0.01, help="seconds")
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--out", default=measure.RESULTS / "tssl_nmnist_folds.json")
    given = words.parse_args()
    changes = {"epochs": given.epochs, "bin": given.bin, "threads": given.threads}
    rows = [measured(fold, shift=shift, **changes) for shift in given.shifts for fold in range(FOLDS)]
    mean = {str(shift): float(np.mean([row["held_out_accuracy"] for row in rows if row["shift"] == shift]))
            for shift in given.shifts}
    measure.write(given.out, {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
                              "load": measure.load(), "mean_held_out_accuracy": mean, "rows": rows})
    print(measure.table(["shift", "mean held-out accuracy, %"], [(k, f"{100 * v:.1f}") for k, v in mean.items()]))


if __name__ == "__main__":
    main()
