"""Two small data sets of the UCI repository: irises (Fisher 1936) and sonar echoes (Gorman and Sejnowski 1988)."""

import numpy as np

from ..errors import FormatError
from .files import content, locate

SOURCES = {
    "iris": ("https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.5.0/sklearn/datasets/data/iris.csv",
             "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449", (150, 4), 3),
    "sonar": ("https://raw.githubusercontent.com/jbrownlee/Datasets/master/sonar.csv",
              "3079c09b5d2789a0f96aff82c28e5164fafe2495c5f8da96c6c256c1bd25763f", (208, 60), 2),
}
HELD_OUT = 3  # every third sample is for testing


def iris():
    """Irises: dict "train" (100), "test" (50) -> (lengths in cm [n, 4], species [n], 0 to 2). Raises as `locate` does.

    >>> iris()["test"][0].shape     # doctest: +SKIP
    (50, 4)
    """
    return _split("iris", lambda lines: lines[1:], int)


def sonar():
    """Sonar echoes: dict "train", "test" -> (energies [n, 60], 1 for a mine and 0 for a rock). Raises as `locate` does.

    >>> sonar()["train"][0].max() <= 1.0     # doctest: +SKIP
    True
    """
    return _split("sonar", lambda lines: lines, lambda word: "RM".index(word))


def _split(name, rows_of, label_of):
    url, digest, shape, classes = SOURCES[name]
    path = locate(name, f"{name}.csv", url, digest)
    try:
        rows = [line.split(",") for line in rows_of(content(path).decode("ascii").split())]
        inputs, labels = np.array([row[:-1] for row in rows], float), np.array([label_of(row[-1]) for row in rows])
        good = inputs.shape == shape and np.isfinite(inputs).all() and set(labels) == set(range(classes))
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path} is damaged: {error}") from error
    if not good:
        raise FormatError(f"{path} is damaged: it must hold {shape[0]} rows of {shape[1]} numbers and a class")
    test = np.arange(len(labels)) % HELD_OUT == HELD_OUT - 1
    return {"train": (inputs[~test], labels[~test]), "test": (inputs[test], labels[test])}
