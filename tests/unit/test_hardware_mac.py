"""The chip as a matrix multiplier: the mock's arithmetic, its two parameters, and what it refuses."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from eventsnn.errors import InputError, ParameterError
from eventsnn.hardware.mac import MockParameter, measure, multiply


@settings(max_examples=30, deadline=None)
@given(some.integers(1, 400), some.integers(1, 3), some.integers(0, 2**31))
def test_blocks_are_rounded_down_and_limited_one_by_one(rows, sends, seed):
    draw = np.random.default_rng(seed)
    x, w = draw.integers(0, 32, (3, rows)), draw.integers(-63, 64, (rows, 2))
    found = multiply(x, w, MockParameter(0.002, 0.0), num_sends=sends)
    for i in range(3):
        for j in range(2):
            total = 0
            for a in range(0, rows, 128):
                exact = sum(int(p) * int(q) for p, q in zip(x[i, a:a + 128], w[a:a + 128, j]))
                total += max(-128, min(127, int(np.floor(0.002 * sends * exact))))
            assert found[i, j] == max(-128, min(127, total))


def test_noise_has_its_spread_and_follows_the_seed():
    x, w = np.full((4000, 20), 10), np.full((20, 2), 5)
    found = multiply(x, w, MockParameter(0.02, 3.0), seed=1)
    assert found.std() == pytest.approx(np.hypot(3.0, 12**-0.5), rel=0.05) and found.mean() == pytest.approx(19.5, abs=0.15)
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.06
    np.testing.assert_array_equal(found, multiply(x, w, MockParameter(0.02, 3.0), seed=1))
    assert np.any(found != multiply(x, w, MockParameter(0.02, 3.0), seed=2))


@pytest.mark.parametrize("gain, noise", [(0.002, 2.0), (0.003, 1.5), (0.001, 0.5)])
def test_both_parameters_are_measured(gain, noise):
    found = measure(partial(multiply, mock=MockParameter(gain, noise), seed=3))
    assert found.gain == pytest.approx(gain, rel=0.005) and found.noise_std == pytest.approx(noise, rel=0.03)


@pytest.mark.parametrize("inputs, weights, words", [
    ([[32]], [[1]], "inputs must be 0 to 31, got 32"), ([[1]], [[-64]], "weights must be -63 to 63"),
    ([[0.5]], [[1]], "whole numbers"), ([1], [[1]], "2 dimensions"), ([[np.nan]], [[1]], "whole numbers"),
    ([[1, 2]], [[1]], "2 columns and weights 1 rows"),
])
def test_other_inputs_are_refused(inputs, weights, words):
    with pytest.raises(InputError, match=words):
        multiply(inputs, weights)


@pytest.mark.parametrize("values, words", [({"gain": 0.0}, "gain of MockParameter must be finite and > 0, got 0.0"),
                                           ({"noise_std": -1.0}, "noise_std"), ({"gain": np.nan}, "gain")])
def test_other_parameters_are_refused(values, words):
    with pytest.raises(ParameterError, match=words):
        MockParameter(**values)
    with pytest.raises(ParameterError, match="num_sends"):
        multiply([[1]], [[1]], num_sends=0)
