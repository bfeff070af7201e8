"""The Yin-Yang generator against the published draws."""

import os
from pathlib import Path

import numpy as np
import pytest

from eventsnn.data.yin_yang import SPLITS, to_spike_times, yin_yang, yin_yang_splits
from eventsnn.errors import ParameterError

DATA = Path(os.environ.get("EVENTSNN_DATA", "")) / "yin_yang"


@pytest.mark.skipif(not (DATA / "test_samples.npy").exists(), reason="EVENTSNN_DATA does not hold yin_yang")
@pytest.mark.parametrize("name", list(SPLITS))
def test_equals_the_published_draw(name):
    samples, labels = yin_yang_splits()[name]
    assert np.array_equal(samples, np.load(DATA / f"{name}_samples.npy"))
    assert np.array_equal(labels, np.load(DATA / f"{name}_labels.npy"))


def test_points_lie_in_the_disc_and_classes_are_balanced():
    samples, labels = yin_yang(600, seed=7)
    assert samples.dtype == np.float64 and labels.dtype == np.int64
    assert np.hypot(samples[:, 0] - 0.5, samples[:, 1] - 0.5).max() <= 0.5
    assert np.array_equal(samples[:, 2:], 1.0 - samples[:, :2])
    assert np.bincount(labels).min() > 150


def test_a_seed_is_a_sequence():
    assert np.array_equal(yin_yang(50, seed=3)[0], yin_yang(80, seed=3)[0][:50])


def test_encoding():
    times = to_spike_times(np.array([0.0, 0.5, 1.0]))
    assert np.allclose(times, [0.15, 1.075, 2.0], rtol=1e-15)


@pytest.mark.parametrize("arguments", [(0, 1), (1.5, 1), (5, 1, 0.3), (5, 1, 0.0), (5, 1, float("nan"))])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ParameterError, match="n must|r_small must"):
        yin_yang(*arguments)


@pytest.mark.parametrize("values", [[-0.1], [1.1], [np.nan]])
def test_bad_values_are_refused(values):
    with pytest.raises(ParameterError, match="values must"):
        to_spike_times(values)
