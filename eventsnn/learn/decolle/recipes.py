"""What each DECOLLE task consists of: data, and settings with two presets."""


import numpy as np

from ...errors import FormatError, ParameterError, unknown_name
from ..presets import chosen
from .config import Config
from .inputs import PoissonImages, Recordings

SPLITS = ("train", "validation", "test")
DIGITS = {"layers": (120, 120), "peak": 0.4, "schedule": "cosine", "epochs": 12}
DIGITS_WIDE = DIGITS | {"layers": (400, 250), "peak": 0.5, "timer": 2, "epochs": 15}
MNIST = {"layers": (400, 300, 200), "steps": 60, "burn_in": 30, "test_steps": 100, "timer": 3, "gather": "last", "peak": 0.5,
         "dropout": 0.25, "readout": 1.0, "gain": 5.0, "rate": 4e-3, "shift": 1, "schedule": "cosine"}
# bins of 2.5 ms: alpha and beta are those of the time constants of 32.8 and 12.0 ms
NMNIST = {"layers": ("16c5m2", 300, 200), "steps": 120, "burn_in": 24, "test_steps": 120, "bin": 2.5e-3, "alpha": 0.9267,
          "beta": 0.8119, "timer": 4, "gather": "last", "batch": 50, "shift": 1, "schedule": "cosine", "dropout": 0.25,
          "readout": 1.0, "gain": 10.0, "rate": 2e-3}
NMNIST_PAPER = {"layers": (1000, 1000, 1000), "side": 34, "steps": 300, "burn_in": 60, "test_steps": 300, "batch": 72,
                "rate": 3e-4, "schedule": "steps", "rate_every": 20, "rate_factor": 2.0, "epochs": 300}
GESTURE = {"layers": ("64c7p2m2", "128c7p2", "128c7p2m2"), "side": 32, "steps": 500, "burn_in": 100, "test_steps": 1800,
           "batch": 72, "rate": 3.6e-4, "schedule": "steps", "rate_every": 30, "rate_factor": 5.0, "epochs": 200, "most": 255,
           "random_start": 2, "init": "scaled", "gain": 1.0}
GESTURE_SMALL = {"layers": ("16c5m2", "32c3m2", 100), "side": 16, "steps": 140, "burn_in": 20, "test_steps": 140, "bin": 1e-2,
                 "alpha": 0.7374, "beta": 0.4346, "batch": 10, "timer": 5, "most": 1, "schedule": "cosine", "epochs": 120,
                 "dropout": 0.25, "readout": 1.0}
# task -> (encoding, {preset: settings})
RECIPES = {
    "decolle-digits": ("digits", {"quick": DIGITS, "paper": DIGITS_WIDE}),
    "decolle-mnist": ("mnist", {"quick": MNIST | {"epochs": 1}, "paper": MNIST | {"epochs": 10}}),
    "decolle-nmnist": ("nmnist", {"quick": NMNIST | {"epochs": 16}, "paper": NMNIST_PAPER}),
    "decolle-gesture": ("gesture", {"quick": GESTURE_SMALL, "paper": GESTURE}),
}
HELD_OUT = {"decolle-mnist": 2000}  # training samples that choose the epoch, where not 0
SMALL = {"decolle-nmnist": ("quick",), "decolle-gesture": ("quick",)}  # presets that take the small selections of recordings


def recipe(task, preset="quick", **changes):
    """(encoding, `Config`) of a task; `changes` are fields of the `Config`.

    Raises `UnknownNameError` for another task, preset or field and `ParameterError` for bad values.

    >>> recipe("decolle-digits", "paper", seed=3)[1].epochs
    15
    """
    return chosen(RECIPES, Config, task, preset, changes)


def data_of(encoding, config, splits=SPLITS, held_out=0, small=True):
    """{split: data} of a task for `splits` of "train", "validation" and "test", as `training.train` takes it.

    held_out : the last so many training samples are for validation instead; 0: no "validation"
    small : of recordings the small selections (1,000 and 100 of N-MNIST; ten of DVS Gesture, to train on), else the whole set

    Raises `FormatError` where the data are not there, `ParameterError` for a held_out that leaves nothing to train on.
    """
    make = {"digits": _digits, "mnist": _mnist, "nmnist": _nmnist, "gesture": _gesture}
    if encoding not in make:
        raise unknown_name("encoding", encoding, make)
    found = {}
    for name in splits:
        part = make[encoding](config, "test" if name == "test" else "train", held_out, name, small)
        if part is not None:
            found[name] = part
    return found


def _cut(n, held_out, name):
    """Slice of the training file that is for `name`, "train" or "validation", or None."""
    if not 0 <= held_out < n:
        raise ParameterError(f"held_out must be from 0 to {n - 1}, got {held_out!r}")
    if name == "validation":
        return slice(n - held_out, n) if held_out else None
    return slice(0, n - held_out) if name == "train" else slice(0, n)


def _images(images, labels, config, held_out, name):
    part = _cut(len(labels), held_out, name)
    if part is None:
        return None
    return PoissonImages(images[part], labels[part], peak=config.peak, shift=config.shift, seed=config.seed)


def _digits(config, split, held_out, name, small):
    from ...data.digits import digits

    images, labels = digits()[split]
    return _images(images / 16.0, labels, config, held_out, name)


def _mnist(config, split, held_out, name, small):
    from ...data.mnist import mnist

    return _images(*mnist()[split], config, held_out, name)


def _nmnist(config, split, held_out, name, small):
    from ...data.events import open_events
    from ...data.nmnist import SIZE, nmnist, nmnist_small

    files = (nmnist_small() if small else nmnist())[split]
    part = _cut(len(files), held_out, name)
    if part is None:
        return None
    return _films((open_events(path, unsorted="sort").read() for path, _ in files[part]), [label for _, label in files[part]],
                  config, SIZE)


def _gesture(config, split, held_out, name, small):
    from ...data.dvs_gesture import SIZE, dvs_gesture, dvs_gesture_small, gesture_events
    from ...data.events import open_events

    if small:
        if name != "train":
            return None
        files = dvs_gesture_small()
        return _films((open_events(path).read() for path, _ in files), [label for _, label in files], config, SIZE)
    gestures = dvs_gesture(split)
    part = _cut(len(gestures), held_out, name)
    if part is None:
        return None
    return _films(gesture_events(gestures[part]), [gesture.label for gesture in gestures[part]], config, SIZE)


def _films(events, labels, config, size):
    if not labels:
        raise FormatError("there are no recordings in this part of the data set")
    return Recordings(events, np.array(labels), size=size, side=config.side, bin=config.bin, most=config.most,
                      shift=config.shift, random_start=config.random_start, seed=config.seed)
