"""What each TSSL-BP training task consists of: data, settings, presets. Sources: Zhang and Li (2020), configurations of their
code."""

from pathlib import Path

import numpy as np

from ...errors import FormatError, ParameterError, unknown_name
from ..presets import chosen
from .config import Config
from .inputs import Images, Recordings

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of Fashion-MNIST too, as published
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
DIGITS_MEAN, DIGITS_STD = 4.884 / 16.0, 6.017 / 16.0
DATA = ("digits", "mnist", "fashion", "nmnist", "cifar10")
# so many of the last training samples are for validation
HELD_OUT = {"digits": 0, "mnist": 10_000, "fashion": 10_000, "nmnist": 0, "cifar10": 5_000}
EVENTS = {"steps": 30, "tau_mem": 8.0, "tau_syn": 4.0, "loss": "count", "desired": 15.0, "undesired": 3.0, "parts": 2}
CIFAR = {"layers": ("96c3p1", "256c3p1s2", "384c3p1s2", "384c3p1", "256c3p1", 1024, 1024, 10), "dropout": 0.2,
         "conv_scale": 5.0, "rate": 2e-4, "shift": 4}
# task -> (data, settings, {preset: what it changes})
RECIPES = {
    "tssl-digits": ("digits", {"layers": (100, 10), "rate": 2e-3}, {"quick": {"epochs": 20}, "paper": {"epochs": 100}}),
    "tssl-mnist": ("mnist", {"layers": ("15c5s2", "40c5s2", 300, 10)}, {"quick": {"epochs": 2}, "paper": {"epochs": 100}}),
    "tssl-fashion": ("fashion", {"layers": (400, 400, 10), "batch": 100}, {"quick": {"epochs": 3}, "paper": {"epochs": 100}}),
    "tssl-fashion-cnn": ("fashion", {"layers": ("32c5p2s2", "64c5p2s2", 1024, 10)},
                         {"quick": {"epochs": 1}, "paper": {"epochs": 100}}),
    "tssl-nmnist": ("nmnist", EVENTS | {"layers": ("12c5p1s2", "64c5s2", 10)},
                    {"quick": {"epochs": 5}, "paper": {"epochs": 100}}),
    "tssl-cifar10": ("cifar10", CIFAR, {"quick": {"epochs": 1}, "paper": {"epochs": 150}}),
}


def recipe(task, preset="quick", **changes):
    """(data, `Config`) of a task; `changes` are fields of the `Config`.

    Raises `UnknownNameError` for another task, preset or field and `ParameterError` for bad values.

    >>> recipe("tssl-fashion", "paper", seed=3)[1].layers
    (400, 400, 10)
    """
    return chosen(RECIPES, Config, task, preset, changes)


def data_of(name, splits=("train", "validation", "test"), validation=None, steps=30, seed=0, shift=0, bin=3e-3):
    """{split: samples} of the data set `name`; the last `validation` training samples are for validation (none: no such entry).

    "digits": 8 x 8 pixels, none held out; "mnist", "fashion": normalised by mean 0.1307 and deviation 0.3081; "nmnist": the
    whole of N-MNIST if it is there, else the small selection, `steps` bins of `bin` s, saccades undone; "cifar10": mirrored in
    training. In training all but "digits" are moved by up to `shift` pixels, by `seed`. Raises `UnknownNameError`,
    `ParameterError`, and `FormatError` where data are neither found nor can be fetched.

    >>> data_of("digits", ("test",))["test"].shape
    (1, 1, 64)
    """
    if name not in DATA:
        raise unknown_name("data set", name, DATA)
    held = HELD_OUT[name] if validation is None else validation
    files, make = SETS[name](steps, shift, seed, bin)
    n = len(files["train"][1])
    if isinstance(held, bool) or not isinstance(held, int) or not 0 <= held < n:
        raise ParameterError(f"validation must be a whole number in [0, {n}), got {held!r}")
    cut = n - held
    (x, y), parts = files["train"], {}
    for split, pair in (("train", (x[:cut], y[:cut])), ("validation", (x[cut:], y[cut:])), ("test", files["test"])):
        if split in splits and len(pair[1]):
            parts[split] = make(*pair)
    return parts


def _digits(steps, shift, seed, bin):
    from ...data.digits import digits

    files = {split: (images.reshape(len(images), 64) / 16.0, labels) for split, (images, labels) in digits().items()}
    return files, lambda x, y: Images(x, y, mean=DIGITS_MEAN, std=DIGITS_STD, crop=shift, seed=seed)


def _mnist(steps, shift, seed, bin):
    from ...data.mnist import mnist

    return mnist(), lambda x, y: Images(x, y, mean=MNIST_MEAN, std=MNIST_STD, crop=shift, seed=seed)


def _fashion(steps, shift, seed, bin):
    from ...data.mnist import fashion_mnist

    return fashion_mnist(), lambda x, y: Images(x, y, mean=MNIST_MEAN, std=MNIST_STD, crop=shift, seed=seed)


def _cifar10(steps, shift, seed, bin):
    from ...data.cifar10 import cifar10

    return cifar10(), lambda x, y: Images(x, y, mean=CIFAR_MEAN, std=CIFAR_STD, crop=shift, flip=True, seed=seed)


def _nmnist(steps, shift, seed, bin):
    from ...data.events import open_events
    from ...data.nmnist import SIZE, nmnist, nmnist_small

    try:
        lists = {split: sorted(rows, key=lambda row: Path(row[0]).name) for split, rows in nmnist().items()}
    except FormatError:
        lists = nmnist_small()
    files = {split: ([path for path, _ in rows], np.array([label for _, label in rows])) for split, rows in lists.items()}

    def make(x, y):
        films = (open_events(path).read() for path in x)
        return Recordings(films, y, size=SIZE, steps=steps, bin=bin, stabilised=True, shift=shift, seed=seed)

    return files, make


SETS = {"digits": _digits, "mnist": _mnist, "fashion": _fashion, "nmnist": _nmnist, "cifar10": _cifar10}
