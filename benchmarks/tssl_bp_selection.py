"""What the choice of the epoch is worth: one TSSL-BP training on all training images, its test accuracy after every epoch.

The publication gives the best test accuracy of any epoch; we give that of the last one, or of the one that validation images
choose (`eventsnn train`). Here all test accuracies of one run are recorded, and nothing is chosen by them. An interrupted run
goes on from its checkpoint in the folder --work.

Usage: python benchmarks/tssl_bp_selection.py tssl-fashion --epochs 60 --dropout 0.2
"""

import argparse
from pathlib import Path

import measure

from eventsnn.learn.tssl_bp.recipes import data_of, recipe
from eventsnn.learn.tssl_bp.training import train


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("task")
    words.add_argument("--epochs", type=int, default=60)
    words.add_argument("--dropout", type=float, default=0.0)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--work", type=Path, default=Path("tssl-selection"))
    words.add_argument("--out")
    given = words.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    name, config = recipe(given.task, "paper", epochs=given.epochs, dropout=given.dropout, schedule="cosine", seed=given.seed,
                          threads=given.threads)
    parts = data_of(name, validation=0, steps=config.steps, bin=config.bin)
    file = given.work / f"{given.task}-{given.epochs}-{given.seed}.npz"
    result = train(config, {"train": parts["train"], "validation": parts["test"]}, checkpoint=file,
                   resume=file if file.exists() else None)
    curve = result.curve["accuracy"].tolist()
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(), "task": given.task,
              "trained_on": len(parts["train"]), "test_accuracy_last_epoch": curve[-1], "test_accuracy_best_epoch": max(curve),
              "best_epoch": curve.index(max(curve)), "test_accuracy": curve,
              "train_accuracy": result.curve["train_accuracy"].tolist(), "seconds": result.seconds}
    measure.write(given.out or measure.RESULTS / f"{given.task.replace('-', '_')}_selection.json", report)
    print(f"{given.task}: {100 * curve[-1]:.2f} % after the last epoch, "
          f"{100 * max(curve):.2f} % after epoch {report['best_epoch'] + 1}")


if __name__ == "__main__":
    main()
