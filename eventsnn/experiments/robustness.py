"""Accuracy of a trained first-spike network on distorted substrates, as it is and after training on them.

Six distortions, one at a time: jitter of spikes, fewer weight bits, clipped weights, unequal time constants, unequal
thresholds, missing neurons (`learn.distortion`). Training goes on from the model's weights, with the substrate in the loop.
"""

import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .config import Setting, cores

SETTINGS = {
    "model": Setting(str, "a shipped first-spike model or an HDF5 file of one"),
    "chips": Setting(int, "draws of everything that is fixed on a substrate", least=1),
    "epochs": Setting(int, "epochs of training on the substrate", least=1),
    "rate": Setting(float, "learning rate at the start; it falls along half a cosine", above=0.0),
    "samples": Setting(int, "training samples used; 0 means all", least=0),
}
FEWEST = 100  # training samples
# distortion -> (what its levels are, the levels from none to severe)
LEVELS = {
    "jitter": ("spread of spike times / tau_syn", (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)),
    "weight_bits": ("bits of a weight's size", (8, 6, 5, 4, 3, 2)),
    "weight_clip": ("largest weight / largest of the model", (1.0, 0.7, 0.5, 0.35, 0.25, 0.15)),
    "tau_spread": ("relative spread of tau_mem and tau_syn", (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)),
    "threshold_spread": ("relative spread of thresholds", (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)),
    "missing": ("part of hidden neurons that never spike", (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)),
}
COLUMNS = ("distortion", "level", "chip", "trained", "accuracy")


def distortion_of(kind, level, chip, largest):
    """The `Distortion` of one point; `largest` is the size of the model's largest weight.

    >>> distortion_of("weight_bits", 2, 0, 3.0).weight_step
    1.0
    """
    from ..learn.distortion import Distortion

    if kind == "weight_bits":
        return Distortion(weight_max=largest, weight_step=largest / (2**level - 1), chip=chip)
    if kind == "weight_clip":
        return Distortion(weight_max=largest * level, chip=chip)
    return Distortion(**{kind: level}, chip=chip)


def test_and_train(point, network, config, data, s, substrate, options):
    """The rows of one distortion, level and chip, (distortion, level, chip, trained, accuracy): without and with training.

    substrate : network -> what it runs on; options : what makes `train` put the same into the loop
    """
    from dataclasses import replace

    from ..learn.fast_and_deep import accuracy, train

    plain = accuracy(substrate(network), *data["test"])
    config = replace(config, epochs=s["epochs"], rate=s["rate"], schedule="cosine", seed=point[2], threads=1,
                     **options.pop("config", {}))
    trained = train(config, data=data, start=network, progress=False, **options).test_accuracy
    return [(*point, 0, plain), (*point, 1, trained)]


def sweep(s, levels, out, progress, work):
    """Run `work`(point, network, config, data) at every distortion, level and chip; write table and figure; return means."""
    from tqdm import tqdm

    from ..errors import ParameterError
    from ..io import atomic_path
    from ..learn.config import Config
    from ..learn.models import load_model
    from ..learn.recipes import data_of
    from ..report.robustness import plot_robustness

    if 0 < s["samples"] < FEWEST:
        raise ParameterError(f"samples of the experiment is {s['samples']}; it must be 0 or >= {FEWEST}")
    network, facts = load_model(s["model"])
    config, data = Config.from_dict(facts["config"]), data_of(facts["encoding"])
    if s["samples"]:
        data["train"] = tuple(part[:s["samples"]] for part in data["train"])
    points = [(kind, level, s["seed"] + chip) for kind, (_, steps) in levels.items() for level in steps
              for chip in range(s["chips"])]
    with ThreadPoolExecutor(s["threads"] or cores()) as pool:
        bar = tqdm(pool.map(lambda point: work(point, network, config, data, facts), points), total=len(points), unit="point",
                   disable=not progress)
        rows = [row for pair in bar for row in pair]
    with atomic_path(out / "robustness.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    plot_robustness(rows, levels, out / "robustness.png", model=str(s["model"]))
    means = {}
    for kind, (_, steps) in levels.items():
        for trained, name in ((0, kind), (1, f"{kind}_trained")):
            means[name] = [float(np.mean([row[4] for row in rows if row[:2] == (kind, level) and row[3] == trained]))
                           for level in steps]
    return {"model": s["model"], "chips": s["chips"], "epochs": s["epochs"],
            "levels": {kind: list(steps) for kind, (_, steps) in levels.items()}, **means}


def run(settings, out, progress=False):
    """Test and train on every substrate; write robustness.csv and robustness.png to `out`; return the summary."""
    from ..learn.distortion import Chip

    def work(point, network, config, data, facts):
        distortion = distortion_of(*point, float(np.abs(network.flat).max()))
        return test_and_train(point, network, config, data, settings, lambda n: Chip(n, distortion),
                              {"config": {"distortion": distortion}})

    return sweep(settings, LEVELS, out, progress, work)
