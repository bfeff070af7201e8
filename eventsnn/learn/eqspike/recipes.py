"""The EqSpike training tasks: data, settings and presets."""

import numpy as np

from ..presets import chosen
from .config import EqSpikeConfig

SOFTMAX = {"loss": "softmax", "phases": "swing", "sign": "fixed", "beta": 1.0, "optimiser": "adam", "batch": 16, "chunk": 8,
           "bias_output": 0.5, "output_scale": 0.3}
# task -> (data, settings, {preset: what it changes})
RECIPES = {
    "eqspike-digits": ("digits", SOFTMAX | {"rates": (0.003, 0.003)}, {"quick": {"epochs": 8}, "paper": {"epochs": 40}}),
    "eqspike-mnist": ("mnist", SOFTMAX | {"rates": (0.001, 0.001)}, {"quick": {"epochs": 1}, "paper": {"epochs": 20}}),
}


def recipe(task, preset="quick", **changes):
    """(name of the data, `EqSpikeConfig`) of a task; `changes` are fields of the `EqSpikeConfig`.

    Raises `UnknownNameError` for another task, preset or field and `ParameterError` for bad values.

    >>> recipe("eqspike-digits", seed=3)[1].seed
    3
    """
    return chosen(RECIPES, EqSpikeConfig, task, preset, changes)


def data_of(name, validation=False):
    """{split: (pixels uint8 [m, n_in], labels [m])} of "digits" (8 x 8, 1437 and 360) or "mnist" (28 x 28, 60,000 and 10,000).

    `validation`: the last fifth (digits) or sixth (mnist) of the training data is kept apart as "validation".
    Raises `FormatError` where the data are neither found nor can be fetched.

    >>> data_of("digits")["test"][0].shape
    (360, 64)
    """
    if name == "digits":
        from ...data.digits import digits

        found = {split: (np.round(images * (255.0 / 16.0)).astype(np.uint8), y) for split, (images, y) in digits().items()}
    else:
        from ...data.mnist import mnist

        found = mnist()
    found = {split: (np.ascontiguousarray(images.reshape(len(images), -1)), y) for split, (images, y) in found.items()}
    if validation:
        pixels, labels = found["train"]
        kept = len(labels) - len(labels) // (5 if name == "digits" else 6)
        found |= {"train": (pixels[:kept], labels[:kept]), "validation": (pixels[kept:], labels[kept:])}
    return found
