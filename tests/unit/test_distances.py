"""Distances of spike trains against their definitions: a fine sum for van Rossum's, brute force over pairings for Victor's."""

from itertools import combinations

import numpy as np
import pytest

from eventsnn.errors import InputError, ParameterError
from eventsnn.learn.distances import van_rossum, victor_purpura


def trains(seed):
    draw = np.random.default_rng(seed)
    return draw.uniform(0.0, 0.1, draw.integers(0, 6)), draw.uniform(0.0, 0.1, draw.integers(0, 6))


@pytest.mark.parametrize("seed", range(5))
def test_van_rossum_is_the_integral_of_the_squared_difference(seed):
    a, b = trains(seed)
    tau, step = 0.008, 1e-6
    t = np.arange(0.0, 0.25, step)

    def curve(times):
        total = np.zeros(t.size)
        for x in times:
            total += np.where(t >= x, np.exp(-np.maximum(t - x, 0.0) / tau), 0.0)
        return total

    expected = np.square(curve(a) - curve(b)).sum() * step / tau
    assert van_rossum(a, b, tau)**2 == pytest.approx(expected, abs=2e-3)
    assert van_rossum(a, a, tau) == pytest.approx(0.0, abs=1e-7)
    assert van_rossum(a, b, tau) == van_rossum(b[::-1], a, tau)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cost", [0.0, 20.0, 1000.0])
def test_victor_purpura_is_the_cheapest_of_all_pairings(seed, cost):
    a, b = (np.sort(x) for x in trains(seed))
    best = np.inf
    for k in range(min(a.size, b.size) + 1):
        for some in combinations(range(a.size), k):
            for others in combinations(range(b.size), k):
                moved = cost * np.abs(a[list(some)] - b[list(others)]).sum()
                best = min(best, a.size + b.size - 2 * k + moved)
    assert victor_purpura(a[::-1], b, cost) == pytest.approx(best)


def test_bad_trains_are_named():
    with pytest.raises(ParameterError, match="tau"):
        van_rossum([0.0], [0.0], 0.0)
    with pytest.raises(ParameterError, match="cost"):
        victor_purpura([0.0], [0.0], -1.0)
    for bad in ([[0.0]], [np.nan], [np.inf]):
        with pytest.raises(InputError, match="times"):
            van_rossum(bad, [0.0], 1.0)
        with pytest.raises(InputError, match="others"):
            victor_purpura([0.0], bad, 1.0)
