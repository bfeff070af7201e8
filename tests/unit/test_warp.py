"""Distorted training images."""

import numpy as np
import pytest

from eventsnn.errors import InputError, ParameterError
from eventsnn.learn.config import Config
from eventsnn.learn.fast_and_deep import train
from eventsnn.learn.warp import warped


def blob(dark):
    """A bright square of 2 x 2 in the middle of 8 x 8."""
    image = np.full((1, 8, 8), dark)
    image[0, 3:5, 3:5] = 0.15
    return image.reshape(1, 64)


@pytest.mark.parametrize("dark", [2.0, np.inf])
def test_nothing_moves_without_spread(dark):
    assert np.allclose(warped(blob(dark), 0.0, 0.0, 0.0, np.random.default_rng(0)), blob(dark), atol=1e-12)


def test_light_is_shifted_not_made():
    draw = np.random.default_rng(1)
    images = np.repeat(blob(np.inf), 300, axis=0)
    light = (2.0 - np.where(np.isinf(moved := warped(images, 0.0, 0.8, 0.0, draw)), 2.0, moved)).reshape(300, 8, 8)
    assert np.allclose(light.sum(axis=(1, 2)), 4 * 1.85)  # bilinear reading keeps the sum of an image away from the edge
    centre = (light * np.arange(8)[:, None]).sum(axis=(1, 2)) / light.sum(axis=(1, 2)) - 3.5
    assert abs(centre.std() - 0.8) < 0.8 * 4 / np.sqrt(300) and abs(centre.mean()) < 0.8 * 4 / np.sqrt(300)
    assert moved[np.isfinite(moved)].max() <= 2.0 and moved.min() >= 0.15 - 1e-12


def test_all_kinds_change_the_image_and_dark_stays_dark():
    for spreads in ((0.2, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.7)):
        moved = warped(blob(np.inf), *spreads, np.random.default_rng(2))
        assert not np.array_equal(moved, blob(np.inf)) and np.isinf(moved).sum() > 30


def test_only_squares_are_warped():
    with pytest.raises(InputError, match="square"):
        warped(np.zeros((2, 5)), 0.1, 0.1, 0.1, np.random.default_rng(0))
    for bad in ((0.1, 0.1), (-0.1, 0.0, 0.0)):
        with pytest.raises(ParameterError, match="warp"):
            Config(warp=bad)


def toy(n=120):
    """Is the bright square in the upper or the lower half?"""
    draw = np.random.default_rng(3)
    images, labels = np.full((n, 6, 6), 2.0), draw.integers(0, 2, n)
    for image, label in zip(images, labels):
        image[1 + 3 * label:3 + 3 * label, draw.integers(0, 4):][:, :2] = 0.15  # two pixels wide
    return images.reshape(n, 36), labels


def test_training_with_warp_resumes_and_stops_early(tmp_path):
    data = {"train": toy(), "validation": toy()}
    base = dict(hidden=(12,), bias_times=(None, None), init_mean=(0.1, 0.3), init_std=(0.4, 0.5), batch=20, rate=0.02,
                warp=(0.1, 0.3, 0.3), checkpoint_every=1)
    whole = train(Config(epochs=25, **base), data=data, progress=False)
    file = tmp_path / "run.npz"
    train(Config(epochs=3, **base), data=data, progress=False, checkpoint=file)
    resumed = train(Config(epochs=25, **base), data=data, progress=False, resume=file)
    assert np.array_equal(whole.network.flat, resumed.network.flat)
    assert whole.validation_accuracy > 0.9
    early = train(Config(epochs=200, patience=3, **base), data=data, progress=False)
    assert len(early.curve["loss"]) == early.best_epoch + 4 < 200
