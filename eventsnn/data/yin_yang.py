"""The Yin-Yang set: points in a disc, three classes (yin, yang, dots), generated on the fly.

Source: Kriener, Goeltz and Petrovici, "The Yin-Yang dataset" (2022). The draws below reproduce the published arrays
bit for bit.
"""

import numpy as np

from ..errors import ParameterError

SPLITS = {"train": (5000, 42), "validation": (1000, 41), "test": (1000, 40)}
EARLY, LATE = 0.15, 2.0
BIAS_TIME = 0.9


def _label(x, y, r_small, r_big):
    to_right = np.sqrt((x - 1.5 * r_big) ** 2 + (y - r_big) ** 2)
    to_left = np.sqrt((x - 0.5 * r_big) ** 2 + (y - r_big) ** 2)
    if to_right < r_small or to_left < r_small:
        return 2
    in_left_lobe = r_small < to_left <= 0.5 * r_big
    in_upper_half = y > r_big and to_right > 0.5 * r_big
    return int(to_right <= r_small or in_left_lobe or in_upper_half)


def yin_yang(n, seed, r_small=0.1, r_big=0.5):
    """Draw `n` points; return (samples [n, 4] float64 holding x, y, 1-x, 1-y; labels [n] int64 in {0, 1, 2}).

    A class is drawn first, then points until one lies in that class, so the classes are balanced. `r_small` is the
    radius of the dots and `r_big` that of the disc, in the unit of x and y. Labels: 0 yin, 1 yang, 2 dots.

    Raises `ParameterError` for n < 1 and for radii outside 0 < r_small < r_big / 2.

    >>> samples, labels = yin_yang(100, seed=1)
    >>> samples.shape, labels.shape
    ((100, 4), (100,))
    """
    if int(n) != n or n < 1:
        raise ParameterError(f"n must be a whole number >= 1, got {n!r}")
    if not 0.0 < r_small < 0.5 * r_big:
        raise ParameterError(f"r_small must lie in (0, r_big / 2) = (0, {0.5 * r_big!r}), got {r_small!r}")
    draw = np.random.RandomState(seed)  # noqa: NPY002 (the published arrays come from this generator)
    samples = np.empty((int(n), 4))
    labels = np.empty(int(n), np.int64)
    for k in range(int(n)):
        goal = draw.randint(3)
        while True:
            x, y = draw.rand(2) * 2.0 * r_big
            inside = np.sqrt((x - r_big) ** 2 + (y - r_big) ** 2) <= r_big
            if inside and _label(x, y, r_small, r_big) == goal:
                break
        samples[k] = x, y, 1.0 - x, 1.0 - y
        labels[k] = goal
    return samples, labels


def yin_yang_splits():
    """The published draws: dict "train" (5000 points), "validation" (1000), "test" (1000) -> (samples, labels).

    >>> yin_yang_splits()["test"][0].shape
    (1000, 4)
    """
    return {name: yin_yang(n, seed) for name, (n, seed) in SPLITS.items()}


def to_spike_times(values, early=EARLY, late=LATE):
    """Encode `values` in [0, 1], any shape, as spike times `early + values * (late - early)` in units of tau_syn.

    Raises `ParameterError` for values outside [0, 1] or NaN, and unless 0 <= early < late.

    >>> to_spike_times([0.0, 1.0])
    array([0.15, 2.  ])
    """
    values = np.asarray(values, dtype=np.float64)
    if not 0.0 <= early < late < np.inf:
        raise ParameterError(f"early and late must satisfy 0 <= early < late < inf, got {early!r} and {late!r}")
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ParameterError(f"values must lie in [0, 1], got a range of {values.min()!r} to {values.max()!r}")
    return early + values * (late - early)
