"""The oracle itself against closed forms, and the error propagation against a direct perturbation."""

import math

import mpmath
import pytest
from mpmath import mpf

from .exact_neuron import ExpPoly, peak, simulate

TINY = 1e-45


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(60):
        yield


def test_period_under_constant_bias():
    run = simulate({"kind": "LIF", "tau_mem": 20e-3, "tau_syn": 5e-3, "v_threshold": 1.0, "i_offset": 1.5,
                    "t_ref": 2e-3}, [], 0.2)
    period = mpf(20e-3) * mpmath.log(mpf(1.5) / (mpf(1.5) - 1))
    assert len(run.times) == 8
    for k, t in enumerate(run.times):
        assert abs(t - (k + 1) * period - k * mpf(2e-3)) < TINY


@pytest.mark.parametrize("weight", [2.7183, 3.0, 5.0, 50.0])
def test_equal_time_constants_are_lambert_w(weight):
    run = simulate({"kind": "LIF", "tau_mem": 0.02, "tau_syn": 0.02, "v_threshold": 1.0, "t_ref": math.inf},
                   [(0.01, weight)], 1.0)
    right = mpf(0.01) - mpf(0.02) * mpmath.lambertw(-1 / mpf(weight)).real
    assert abs(run.times[0] - right) < 1e-40


@pytest.mark.parametrize("weight", [4.0 + 1e-13, 4.5, 5.0, 100.0])
def test_ratio_two_is_quadratic(weight):
    run = simulate({"kind": "LIF", "tau_mem": 0.02, "tau_syn": 0.01, "v_threshold": 1.0, "t_ref": math.inf},
                   [(0.01, weight)], 1.0)
    z = (1 + mpmath.sqrt(1 - 4 / mpf(weight))) / 2  # w (z - z^2) = 1 with z = exp(-s / tau_mem)
    assert abs(run.times[0] - mpf(0.01) + mpf(0.02) * mpmath.log(z)) < 1e-40


def test_touch_fires_and_less_does_not():
    model = {"kind": "LIF", "tau_mem": 0.02, "tau_syn": 0.01, "v_threshold": 1.0, "t_ref": math.inf}
    assert len(simulate(model, [(0.01, 4.0)], 1.0).times) == 1
    assert len(simulate(model, [(0.01, math.nextafter(4.0, 0.0))], 1.0).times) == 0
    when, height = peak(model, [(0.01, 4.0)], 1.0)
    assert abs(height - 1) < TINY and abs(when - mpf(0.01) - mpf(0.02) * mpmath.log(2)) < 1e-25


def test_alpha_current_of_equal_time_constants():
    run = simulate({"kind": "LIF", "tau_mem": 0.02, "tau_syn": 0.02, "v_threshold": 1.0, "synapse": "alpha",
                    "t_ref": math.inf}, [(0.01, 5.0)], 1.0)
    s = (run.times[0] - mpf(0.01)) / mpf(0.02)
    assert abs(5 * mpmath.e * s**2 / 2 * mpmath.exp(-s) - 1) < 1e-40


@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
def test_nearly_equal_time_constants_are_continuous(synapse):
    model = {"kind": "LIF", "tau_mem": 0.01, "tau_syn": 0.01, "v_threshold": 1.0, "synapse": synapse, "t_ref": 2e-3}
    arrivals = [(0.0, 4.0), (0.003, 6.0), (0.02, 9.0)]
    equal = simulate(model, arrivals, 0.1)
    near = simulate({**model, "tau_syn": math.nextafter(0.01, 1.0)}, arrivals, 0.1)
    assert len(equal.times) == len(near.times) > 1
    assert all(abs(a - b) < 1e-15 for a, b in zip(equal.times, near.times))


def test_linear_neuron_without_leak():
    model = {"kind": "IF", "tau_syn": 5e-3, "v_threshold": 1.0, "i_offset": 10.0}
    run = simulate(model, [(0.0, 150.0)], 0.05)
    t = run.times[0]
    assert abs(mpf(150) * mpf(5e-3) * (1 - mpmath.exp(-t / mpf(5e-3))) + 10 * t - 1) < 1e-40


def test_delta_in_refractoriness_is_discarded_and_its_end_is_open():
    model = {"kind": "IF", "tau_syn": 0.0, "v_threshold": 1.0, "t_ref": 0.25}
    run = simulate(model, [(0.5, 1.0), (0.625, 0.75), (0.75, 0.5), (1.0, 0.5)], 2.0)
    assert [float(t) for t in run.times] == [0.5, 1.0]


def test_onset_of_the_sigma_delta_neuron():
    run = simulate({"kind": "ASNN", "i_offset": 1.0}, [], 1e-3)
    right = -mpf(5e-3) * mpmath.log(1 - mpf(0.1) / 2)
    assert abs(run.times[0] - right) < 1e-40


def test_periodic_state_of_the_sigma_delta_neuron():
    run = simulate({"kind": "ASNN", "bias": 1.0}, [], 1.0)
    x = (run.times[-1] - run.times[-2]) / mpf(50e-3)
    assert abs(run.amplitudes[-1] / 2 * mpmath.coth(x / 2) - 1) < 1e-15


def test_all_zeros_of_an_exponential_polynomial_are_found():
    ctx = mpmath.mp
    zeros = [mpf(1) / 7, mpf(1) / 7 + mpf(10) ** -12, mpf(1) / 3, mpf(9) / 10]
    poly = [mpf(1)]
    for zero in zeros:  # prod (z - exp(-zero)) with z = exp(-s)
        poly = [a - mpmath.exp(-zero) * b for a, b in zip([mpf(0), *poly], [*poly, mpf(0)])]
    f = ExpPoly(ctx, {mpf(k): [c] for k, c in enumerate(poly)})
    found = f.zeros(mpf(2))
    assert len(found) == 4
    assert all(abs(a - b) < 1e-40 for a, b in zip(found, zeros))


@pytest.mark.parametrize("model", [
    {"kind": "LIF", "tau_mem": 20e-3, "tau_syn": 5e-3, "v_threshold": 1.0, "t_ref": 2e-3, "i_offset": 1.3},
    {"kind": "AdaptiveLIF", "tau_mem": 20e-3, "tau_syn": 5e-3, "v_threshold": 1.0, "t_ref": 1e-3, "i_offset": 1.9,
     "tau_adapt": 50e-3, "adaptation": 0.2},
])
def test_bounds_carry_a_shifted_reset_forward(model):
    """Move the first spike by changing v_init: later spikes must move as the propagated errors say."""
    step = 1e-9
    base, moved = simulate(model, [], 0.15), simulate({**model, "v_init": step}, [], 0.15)
    shift = [abs(float(b - a)) for a, b in zip(base.times, moved.times)]
    assert len(shift) > 3
    # the bound of spike k contains local_0 times the same amplification
    for k in range(1, len(shift)):
        assert base.local[0] * shift[k] / shift[0] <= base.bounds[k] * (1 + 1e-4)
    second = base.bounds[1] - base.local[1]
    assert second == pytest.approx(base.local[0] * shift[1] / shift[0], rel=1e-4)
