"""What the BrainScaleS-2 experiments share: train on chips, test each network on its chip, on none, and on another."""

import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .config import Setting, cores

SETTINGS = {
    "chips": Setting(int, "chips to train on, one network per chip and seed", least=1),
    "seeds": Setting(int, "networks per chip", least=1),
    "epochs": Setting(int, "epochs of training", least=1),
}
COLUMNS = ("chip", "seed", "validation", "own_chip", "no_chip", "other_chip", "latency_us", "events_dropped")
PUBLISHED = {
    "yinyang-bss2": {"published accuracy": 0.950, "published spread": 0.009},
    "yinyang-bss2-weights": {"published accuracy": 0.849},
    "yinyang-bss2-delays": {"published accuracy": 0.925},
    "mnist16-bss2": {"published accuracy": 0.969, "published energy_j_per_sample": 8.4e-6,
                     "published images_per_hardware_second": 21_000.0},
}


def run_task(task, settings, out, progress=False):
    """Train `task` on every chip and seed; write table, figures and the best model to `out`; return the summary."""
    from dataclasses import asdict

    from tqdm import tqdm

    from ..hardware.mapper import place
    from ..hardware.profile import BrainScaleS2
    from ..io import atomic_path
    from ..learn.fast_and_deep import accuracy, train
    from ..learn.models import save_model
    from ..learn.recipes import HARDWARE, data_of, recipe
    from ..report.bss2 import plot_chips, plot_mapping
    from .evaluate import on_chip

    s, seed = settings, settings["seed"]
    encoding, config = recipe(task, "paper", epochs=s["epochs"])
    data, ideal = data_of(encoding), BrainScaleS2(**HARDWARE[task])

    def one(point):
        chip, number = point
        hardware = ideal.but(chip_seed=chip)
        _, own = recipe(task, "paper", epochs=s["epochs"], seed=number)
        result = train(own, data=data, hardware=hardware, progress=False)
        found = on_chip(result.network, *data["test"], hardware, jobs=1)
        other = on_chip(result.network, *data["test"], hardware.but(chip_seed=chip + s["chips"]), jobs=1)["accuracy"]
        row = (chip, number, result.validation_accuracy, found["accuracy"], accuracy(result.network, *data["test"]), other,
               1e6 * found["latency_s_mean"], found["events_dropped"])
        return row, result.network, found, hardware, own

    points = [(seed + chip, number) for chip in range(s["chips"]) for number in range(s["seeds"])]
    with ThreadPoolExecutor(s["threads"] or cores()) as pool:
        results = list(tqdm(pool.map(one, points), total=len(points), unit="network", disable=not progress))
    rows = [result[0] for result in results]
    with atomic_path(out / "chips.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    row, network, found, hardware, own = max(results, key=lambda result: result[0][2])
    save_model(out / f"{task}.h5", network, encoding, {"task": task, "config": asdict(own), "hardware": asdict(hardware),
                                                       "validation_accuracy": row[2],
                                                       "selected": "epoch, chip and seed by validation accuracy"})
    mapping = place(network.to_network(), hardware)
    plot_chips(rows, PUBLISHED[task]["published accuracy"], out / "chips.png")
    plot_mapping(mapping, hardware, out / "mapping.png")
    own_chip = [r[3] for r in rows]
    return {
        "task": task, "networks": len(rows), "accuracy": float(np.mean(own_chip)), "accuracy_spread": float(np.std(own_chip)),
        "accuracy_per_network": own_chip, "accuracy_without_chip": float(np.mean([r[4] for r in rows])),
        "accuracy_on_another_chip": float(np.mean([r[5] for r in rows])), "epochs": config.epochs,
        **{key: found[key] for key in ("energy_j_per_sample", "images_per_hardware_second", "latency_s_mean", "window_s",
                                       "window_biological_s", "events_dropped")},
        **PUBLISHED[task], "resources": {name: list(pair) for name, pair in mapping.used.items()},
    }
