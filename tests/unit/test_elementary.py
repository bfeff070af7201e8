"""Elementary functions against mpmath, in units of the last place, and at the ends of their ranges."""

import math

import mpmath as mp
import numpy as np
import pytest

from eventsnn.kernels import elementary as el
from eventsnn.model.kinetics import _rates

N = 1500
mp.mp.dps = 40


def ulps(got, want):
    """|got - want| in units of the last place of `want`."""
    return float(abs(mp.mpf(got) - want) / mp.mpf(math.ulp(float(want))))


def worst(function, exact, points):
    return max(ulps(function(x), exact(mp.mpf(x))) for x in map(float, points))


def logarithmic(rng, low, high):
    return 10.0 ** rng.uniform(low, high, N)


def signed(rng, low, high):
    return rng.choice([-1.0, 1.0], N) * logarithmic(rng, low, high)


@pytest.mark.parametrize("low, high", [(-700.0, 700.0), (-1.0, 1.0), (-50.0, 50.0)])
def test_exp(low, high):
    assert worst(el.exp, mp.exp, np.random.default_rng(1).uniform(low, high, N)) < 1.1


def test_exp_of_tiny_arguments():
    assert worst(el.exp, mp.exp, signed(np.random.default_rng(2), -20.0, 0.0)) < 1.1


def test_exp_near_the_ends():
    rng = np.random.default_rng(3)
    assert worst(el.exp, mp.exp, rng.uniform(700.0, 709.7, N)) < 1.1
    assert worst(el.exp, mp.exp, rng.uniform(-707.0, -700.0, N)) < 1.1
    assert worst(el.exp, mp.exp, rng.uniform(-745.0, -707.0, N)) < 2.1  # subnormal: units of 2^-1074


def test_exp_extremes():
    assert el.exp(0.0) == el.exp(-0.0) == 1.0
    assert el.exp(709.78) < math.inf
    assert el.exp(709.79) == el.exp(1e4) == el.exp(1e300) == el.exp(math.inf) == math.inf
    assert el.exp(-744.0) > 0.0
    assert el.exp(-746.0) == el.exp(-1e4) == el.exp(-1e300) == el.exp(-math.inf) == 0.0


@pytest.mark.parametrize("function", [el.exp, el.expm1, el.log, el.log1p])
def test_nan_stays_nan(function):
    """It must not become an index into the table of powers: what lies there is anybody's memory."""
    assert math.isnan(function(math.nan))


@pytest.mark.parametrize("t", [0.0, 1.0, math.inf, -math.inf])
def test_nothing_decays_at_rate_zero(t):
    assert el.exp_rate(t, 0.0, 0.0) == 1.0


def test_exp_rate_at_infinite_times():
    assert el.exp_rate(-math.inf, 100.0, 0.0) == 0.0
    assert math.isnan(el.exp_rate(math.nan, 100.0, 0.0))


@pytest.mark.parametrize("longest", [1.0, 30.0, 600.0])
def test_exp_rate(longest):
    """exp(t / tau) with t as large as 600 tau: the rounding of 1/tau and of the product must not show."""
    rng = np.random.default_rng(4)
    tau = logarithmic(rng, -4.0, 1.0)
    t = rng.uniform(-longest, longest, N) * tau
    errors = [ulps(el.exp_rate(a, *_rates(b)), mp.exp(mp.mpf(a) / mp.mpf(b))) for a, b in zip(t.tolist(), tau.tolist())]
    assert max(errors) < 1.3


def test_exp_rate_extremes():
    high, low = _rates(5e-3)
    assert el.exp_rate(0.0, high, low) == 1.0
    assert el.exp_rate(1.0, 0.0, 0.0) == 1.0
    assert el.exp_rate(-10.0, high, low) == 0.0
    assert el.exp_rate(10.0, high, low) == math.inf


@pytest.mark.parametrize("low, high", [(-20.0, -1.0), (-1.0, 1.0), (0.0, 2.5)])
def test_expm1(low, high):
    assert worst(el.expm1, mp.expm1, signed(np.random.default_rng(5), low, high)) < 2.2


def test_expm1_extremes():
    assert el.expm1(0.0) == 0.0
    assert el.expm1(-50.0) == el.expm1(-1e300) == el.expm1(-math.inf) == -1.0
    assert el.expm1(800.0) == el.expm1(math.inf) == math.inf
    assert el.expm1(1e-300) == 1e-300


def test_log():
    rng = np.random.default_rng(6)
    assert worst(el.log, mp.log, logarithmic(rng, -300.0, 300.0)) < 1.1
    assert worst(el.log, mp.log, rng.uniform(0.5, 2.0, N)) < 1.1
    assert worst(el.log, mp.log, 1.0 + signed(rng, -15.0, -1.0)) < 1.1


def test_forms_without_branches_have_the_same_bits():
    rng = np.random.default_rng(16)
    x = np.concatenate([rng.uniform(-700.0, 700.0, N), signed(rng, -15.0, 2.0)])
    assert [el.exp_near(v) for v in x] == [el.exp(v) for v in x]
    assert el.exp_near(1e9) == el.exp(700.0) and el.exp_near(-np.inf) == el.exp(-700.0) == el.exp_near(np.nan)
    x = np.concatenate([logarithmic(rng, -300.0, 300.0), rng.uniform(0.5, 2.0, N), [1.0, 2.0**0.5, 1e308, 2.3e-308]])
    assert [el.log_normal(v) for v in x] == [el.log(v) for v in x]


def test_log_extremes():
    assert el.log(1.0) == 0.0
    assert el.log(0.0) == -math.inf
    assert el.log(math.inf) == math.inf
    assert math.isnan(el.log(-1.0)) and math.isnan(el.log(math.nan)) and math.isnan(el.log(-math.inf))
    assert ulps(el.log(5e-324), mp.log(mp.mpf(5e-324))) < 1.1
    assert ulps(el.log(1.7e308), mp.log(mp.mpf(1.7e308))) < 1.1


def test_log1p():
    rng = np.random.default_rng(7)
    log1p = lambda x: mp.log(1 + x)  # noqa: E731
    assert worst(el.log1p, log1p, signed(rng, -18.0, -0.4)) < 1.3
    assert worst(el.log1p, log1p, logarithmic(rng, -1.0, 300.0)) < 1.3
    assert worst(el.log1p, log1p, -1.0 + logarithmic(rng, -15.0, 0.0)) < 1.3


def test_log1p_extremes():
    assert el.log1p(0.0) == 0.0
    assert el.log1p(-1.0) == -math.inf
    assert el.log1p(math.inf) == math.inf
    assert math.isnan(el.log1p(-2.0)) and math.isnan(el.log1p(math.nan))
    assert el.log1p(1e-300) == 1e-300


def test_divided_differences():
    rng = np.random.default_rng(8)
    assert worst(el.expm1_over, lambda z: mp.expm1(z) / z, signed(rng, -18.0, 2.5)) < 3.3
    points = np.concatenate([signed(rng, -18.0, 0.0), signed(rng, -0.5, 2.0), rng.uniform(-1.1, 1.1, N)])
    mp.mp.dps = 60
    try:
        assert worst(el.double_integral, lambda z: (mp.exp(z) * (z - 1) + 1) / z**2, points) < 8.0
    finally:
        mp.mp.dps = 40
    assert el.expm1_over(0.0) == 1.0
    assert el.double_integral(0.0) == 0.5


def test_log1p_over_is_continuous_into_zero():
    assert el.log1p_over(0.0, 0.7) == 0.7
    assert el.log1p_over(1e-17, 0.7) == pytest.approx(0.7, rel=1e-15)
    assert el.log1p_over(-0.3, 0.7) == pytest.approx(math.log1p(-0.21) / -0.3, rel=1e-15)
