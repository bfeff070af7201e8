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


def _point(point, network, config, data, s):
    """The rows of one distortion, level and chip: without and with training."""
    from dataclasses import replace

    from ..learn.distortion import Chip
    from ..learn.fast_and_deep import accuracy, train

    kind, level, chip = point
    distortion = distortion_of(kind, level, chip, float(np.abs(network.flat).max()))
    plain = accuracy(Chip(network, distortion), *data["test"])
    config = replace(config, distortion=distortion, epochs=s["epochs"], rate=s["rate"], schedule="cosine", seed=chip,
                     threads=1)
    trained = train(config, data=data, start=network, progress=False).test_accuracy
    return [(kind, level, chip, 0, plain), (kind, level, chip, 1, trained)]


def run(settings, out, progress=False):
    """Test and train on every substrate; write robustness.csv and robustness.png to `out`; return the summary."""
    from tqdm import tqdm

    from ..errors import ParameterError
    from ..io import atomic_path
    from ..learn.config import Config
    from ..learn.models import load_model
    from ..learn.recipes import data_of
    from ..report.robustness import plot_robustness

    s = settings
    if 0 < s["samples"] < FEWEST:
        raise ParameterError(f"samples of experiment 'robustness' is {s['samples']}; it must be 0 or >= {FEWEST}")
    network, facts = load_model(s["model"])
    config = Config.from_dict(facts["config"])
    data = data_of(facts["encoding"])
    if s["samples"]:
        data["train"] = tuple(part[:s["samples"]] for part in data["train"])
    points = [(kind, level, s["seed"] + chip) for kind, (_, levels) in LEVELS.items() for level in levels
              for chip in range(s["chips"])]
    with ThreadPoolExecutor(s["threads"] or cores()) as pool:
        bar = tqdm(pool.map(lambda point: _point(point, network, config, data, s), points), total=len(points), unit="point",
                   disable=not progress)
        rows = [row for pair in bar for row in pair]
    with atomic_path(out / "robustness.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    plot_robustness(rows, LEVELS, out / "robustness.png", model=str(s["model"]))
    means = {}
    for kind, (_, levels) in LEVELS.items():
        for trained, name in ((0, kind), (1, f"{kind}_trained")):
            means[name] = [float(np.mean([row[4] for row in rows if row[:2] == (kind, level) and row[3] == trained]))
                           for level in levels]
    return {"model": s["model"], "chips": s["chips"], "epochs": s["epochs"],
            "levels": {kind: list(levels) for kind, (_, levels) in LEVELS.items()}, **means}
