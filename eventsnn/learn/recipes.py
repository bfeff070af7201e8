"""What each training task consists of: data, their encoding as spike times, settings and presets, and the chip, if any."""

import numpy as np

from ..data.yin_yang import BIAS_TIME, to_spike_times, yin_yang_splits
from .config import Config
from .presets import chosen

SPLITS = ("train", "validation", "test")
COPIES = 5  # of every input of "yinyang-x5" and "yinyang-x5-only", as on the chip
NO_BIAS = (None, None)
DELAYS = {"hidden": (30,), "tau_ratio": 2.0, "bias_times": NO_BIAS, "init_mean": (1.0, 1.0), "init_std": (1.0, 1.0),
          "rate": 0.01, "loss": "shifted_mean_square", "delays": ("synaptic", "synaptic")}
MNIST = {"hidden": (350,), "bias_times": NO_BIAS, "init_mean": (0.05, 0.15), "init_std": (0.8, 0.8), "batch": 80,
         "silent_limits": (0.15, 0.05), "input_noise": 0.3, "schedule": "cosine", "checkpoint_every": 1}
MNIST_16 = {"hidden": (246,), "bias_times": NO_BIAS, "init_mean": (0.1, 0.6), "init_std": (0.4, 0.8), "batch": 50,
            "rate": 0.003, "silent_limits": (0.5, 0.5), "input_noise": 0.1, "warp": (0.05, 0.3, 0.3), "schedule": "cosine",
            "checkpoint_every": 1}
MNIST_BEST = {"hidden": (600,), "bias_times": NO_BIAS, "tau_ratio": 2.0, "init_mean": (0.05, 0.15), "init_std": (0.4, 0.8),
              "batch": 80, "rate": 0.004, "silent_limits": (0.5, 0.5), "warp": (0.08, 0.5, 0.6), "schedule": "cosine",
              "checkpoint_every": 1}
YINYANG_CHIP = {"hidden": (120,), "bias_times": NO_BIAS, "theta": 2.6, "init_mean": (0.1, 0.075), "init_std": (0.12, 0.15),
                "batch": 40, "rate": 0.005, "silent_limits": (0.3, 0.05), "schedule": "cosine"}
SMALL_CHIP = {"hidden": (30,), "bias_times": NO_BIAS, "theta": 2.6, "init_mean": (0.3, 0.5), "init_std": (0.3, 0.5),
              "batch": 40, "rate": 0.005, "silent_limits": (0.3, 0.05), "schedule": "cosine", "loss": "shifted_mean_square",
              "gap": 0.3}
DELAYS_CHIP = SMALL_CHIP | {"delays": ("axonal", "axonal"), "delay_scale": 2.0, "delay_std": 0.5, "delay_rate": 0.005}
MNIST_CHIP = MNIST_16 | {"theta": 1.52, "init_mean": (0.05, 0.05), "init_std": (0.1, 0.2)}
LONG = {"quick": {"epochs": 60}, "paper": {"epochs": 300}}
# task -> (encoding, settings, {preset: what it changes})
RECIPES = {
    "yinyang": ("yinyang", {}, LONG),
    "yinyang-delays": ("yinyang", DELAYS, LONG),
    "yinyang-bss2": ("yinyang-x5", YINYANG_CHIP, {"quick": {"epochs": 30}, "paper": {"epochs": 200}}),
    "yinyang-bss2-weights": ("yinyang-x5-only", SMALL_CHIP, {"quick": {"epochs": 30}, "paper": {"epochs": 150}}),
    "yinyang-bss2-delays": ("yinyang-x5-only", DELAYS_CHIP, {"quick": {"epochs": 30}, "paper": {"epochs": 150}}),
    "mnist": ("mnist", MNIST, {"quick": {"epochs": 3}, "paper": {"epochs": 150}}),
    "mnist16": ("mnist16", MNIST_16, {"quick": {"epochs": 5}, "paper": {"epochs": 120}}),
    "mnist16-bss2": ("mnist16", MNIST_CHIP, {"quick": {"epochs": 5}, "paper": {"epochs": 120}}),
    "mnist-best": ("mnist-silent", MNIST_BEST, {"quick": {"epochs": 3}, "paper": {"epochs": 90}}),
    "fashion": ("fashion", MNIST, {"quick": {"epochs": 3}, "paper": {"epochs": 40}}),
}
# task -> arguments of `BrainScaleS2`; the others need no chip
HARDWARE = {"yinyang-bss2": {"preset": "delgrad", "threshold_codes": 78.0},
            "yinyang-bss2-weights": {"preset": "delgrad", "threshold_codes": 78.0},
            "yinyang-bss2-delays": {"preset": "delgrad", "threshold_codes": 78.0},
            "mnist16-bss2": {"preset": "delgrad", "threshold_codes": 45.6}}


def recipe(task, preset="quick", **changes):
    """(encoding, `Config`) of a task; `changes` are fields of the `Config`.

    Raises `UnknownNameError` for another task, preset or field and `ParameterError` for bad values.

    >>> recipe("yinyang", "paper", seed=3)[1].epochs
    300
    """
    return chosen(RECIPES, Config, task, preset, changes)


def data_of(encoding, splits=SPLITS):
    """{split: (times [n, n_in] in tau_syn, labels [n])} for "train", "validation", "test"; all of MNIST takes 0.6 GB.

    Encodings: "yinyang"; "yinyang-x5", every input and a bias spike five times; "yinyang-x5-only", without the bias spikes;
    "mnist", "fashion": black pixels spike last; "mnist-silent": black pixels do not spike; "mnist16": so on 16 x 16 pixels.
    Raises `FormatError` where the data are neither found nor can be fetched.

    >>> data_of("yinyang")["test"][0].shape
    (1000, 4)
    """
    if encoding.startswith("yinyang"):
        data = {name: (to_spike_times(x), y) for name, (x, y) in yin_yang_splits().items() if name in splits}
        if encoding != "yinyang":
            bias = COPIES if encoding == "yinyang-x5" else 0
            data = {name: (_copied(times, bias), labels) for name, (times, labels) in data.items()}
        return data
    from ..data.mnist import crop_16, fashion_mnist, latency_16, latency_28, mnist
    from ..data.mnist import splits as cut

    images = (fashion_mnist if encoding == "fashion" else mnist)()
    parts = {"test": images["test"]} if splits == ("test",) else cut(images)
    encode = {"mnist16": lambda images: latency_16(crop_16(images)),
              "mnist-silent": lambda images: latency_28(images, silent_black=True)}.get(encoding, latency_28)
    return {name: (encode(parts[name][0]), parts[name][1]) for name in splits}


def _copied(times, bias):
    return np.hstack([np.repeat(times, COPIES, axis=1), np.full((len(times), bias), BIAS_TIME)])
