"""What each training task consists of: data, their encoding as spike times, and the settings of its presets."""

from dataclasses import fields

from ..data.yin_yang import to_spike_times, yin_yang_splits
from ..errors import unknown_name
from .config import Config

NO_BIAS = (None, None)
DELAYS = {"hidden": (30,), "tau_ratio": 2.0, "bias_times": NO_BIAS, "init_mean": (1.0, 1.0), "init_std": (1.0, 1.0),
          "rate": 0.01, "loss": "shifted_mean_square", "delays": ("synaptic", "synaptic")}
MNIST = {"hidden": (350,), "bias_times": NO_BIAS, "init_mean": (0.05, 0.15), "init_std": (0.8, 0.8), "batch": 80,
         "silent_limits": (0.15, 0.05), "input_noise": 0.3, "schedule": "cosine", "checkpoint_every": 1}
MNIST_16 = {"hidden": (246,), "bias_times": NO_BIAS, "init_mean": (0.1, 0.6), "init_std": (0.4, 0.8), "batch": 50,
            "rate": 0.003, "silent_limits": (0.5, 0.5), "input_noise": 0.3, "schedule": "cosine", "checkpoint_every": 1}
# task -> (encoding, settings, {preset: what it changes})
RECIPES = {
    "yinyang": ("yinyang", {}, {"quick": {"epochs": 60}, "paper": {"epochs": 300}}),
    "yinyang-delays": ("yinyang", DELAYS, {"quick": {"epochs": 60}, "paper": {"epochs": 300}}),
    "mnist": ("mnist", MNIST, {"quick": {"epochs": 3}, "paper": {"epochs": 40}}),
    "mnist16": ("mnist16", MNIST_16, {"quick": {"epochs": 5}, "paper": {"epochs": 150}}),
    "fashion": ("fashion", MNIST, {"quick": {"epochs": 3}, "paper": {"epochs": 40}}),
}


def recipe(task, preset="quick", **changes):
    """(encoding, `Config`) of a task; `changes` are fields of the `Config`.

    Raises `UnknownNameError` for another task, preset or field and `ParameterError` for bad values.

    >>> recipe("yinyang", "paper", seed=3)[1].epochs
    300
    """
    if task not in RECIPES:
        raise unknown_name("task", task, RECIPES)
    encoding, settings, presets = RECIPES[task]
    if preset not in presets:
        raise unknown_name("preset", preset, presets)
    known = [field.name for field in fields(Config)]
    for name in changes:
        if name not in known:
            raise unknown_name("setting", name, known)
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    return encoding, Config(**(settings | presets[preset] | changes))


def data_of(encoding):
    """{"train", "validation", "test": (times [n, n_in] in tau_syn, labels [n])}; MNIST takes 0.6 GB.

    Raises `FormatError` where the data are neither found nor can be fetched.

    >>> data_of("yinyang")["test"][0].shape
    (1000, 4)
    """
    if encoding == "yinyang":
        return {name: (to_spike_times(x), y) for name, (x, y) in yin_yang_splits().items()}
    from ..data.mnist import crop_16, fashion_mnist, latency_16, latency_28, mnist, splits

    parts = splits((fashion_mnist if encoding == "fashion" else mnist)())
    encode = (lambda images: latency_16(crop_16(images))) if encoding == "mnist16" else latency_28
    return {name: (encode(images), labels) for name, (images, labels) in parts.items()}
