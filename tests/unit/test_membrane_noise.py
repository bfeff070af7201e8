"""Membrane noise: the stationary distribution, and firing rates against a closed form and a simulation in small steps."""

import mpmath as mp
import numpy as np
import pytest

import eventsnn as es

TAU, T_REF, START = 10e-3, 2e-3, 0.1


def rate_on_chip(drive, spread, n, until, seed=0):
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("cell", es.LIF(n, tau_mem=TAU, tau_syn=5e-3, v_threshold=1.0, i_offset=drive, t_ref=T_REF))
    net.connect("in", "cell", es.Dense(np.zeros((1, n))))
    run = es.simulate(net, until=until, hardware=es.BrainScaleS2("ideal", membrane_noise=spread), seed=seed)
    counts = np.bincount(run.spikes["cell"].neurons[run.spikes["cell"].times > START], minlength=n) / (until - START)
    return counts.mean(), counts.std() / np.sqrt(n)


def siegert(drive, spread):
    """Rate of a leaky neuron with white noise (Siegert, Phys. Rev. 81:617, 1951; Ricciardi 1977)."""
    low, high = (0.0 - drive) / (spread * np.sqrt(2.0)), (1.0 - drive) / (spread * np.sqrt(2.0))
    return float(1 / (T_REF + TAU * mp.sqrt(mp.pi) * mp.quad(lambda u: mp.exp(u * u) * mp.erfc(-u), [low, high])))


def rate_in_steps(drive, spread, n, until, dt, seed=1):
    """Exact steps of the Ornstein-Uhlenbeck process, and the chance that a Brownian bridge touches the threshold within one."""
    draw, decay = np.random.default_rng(seed), np.exp(-dt / TAU)
    v, rest, spikes = np.zeros(n), np.zeros(n), 0
    size = spread * np.sqrt(1.0 - decay**2)
    for k in range(round(until / dt)):
        active = rest <= 0.0
        new = drive + (v - drive) * decay + size * draw.standard_normal(n)
        with np.errstate(over="ignore"):
            touched = np.exp(-2.0 * np.maximum(1.0 - v, 0.0) * np.maximum(1.0 - new, 0.0) / size**2) > draw.random(n)
        fired = active & ((new >= 1.0) | touched)
        spikes += int(fired.sum()) * (k * dt > START)
        v = np.where(fired | ~active, 0.0, new)
        rest = np.where(fired, T_REF, rest - dt)
    return spikes / (n * (until - START))


@pytest.mark.parametrize("drive, spread", [(0.8, 0.2), (0.6, 0.3)])
def test_rates_are_those_of_white_noise(drive, spread):
    found, error = rate_on_chip(drive, spread, 100, 2.0)
    assert found == pytest.approx(siegert(drive, spread), abs=4.0 * error + 0.01 * found)
    assert rate_in_steps(drive, spread, 400, 1.0, 5e-5) == pytest.approx(siegert(drive, spread), rel=0.04)
    assert found == pytest.approx(rate_in_steps(drive, spread, 400, 1.0, 5e-5), rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("drive, spread", [(0.8, 0.2), (0.6, 0.3), (0.9, 0.1), (1.2, 0.2)])
def test_rates_are_those_of_white_noise_within_a_percent(drive, spread):
    found, error = rate_on_chip(drive, spread, 400, 5.0)
    assert found == pytest.approx(siegert(drive, spread), rel=0.01) and error < 0.005 * found


def test_v_has_the_spread_and_memory_that_were_asked_for_and_none_without():
    net, n = es.Network(), 300
    net.add("in", es.Input(1))
    net.add("cell", es.LIF(n, tau_mem=TAU, tau_syn=5e-3, v_threshold=1e3))
    net.connect("in", "cell", es.Dense(np.zeros((1, n))))
    chip = es.BrainScaleS2("ideal", membrane_noise=1e-3)
    simulation = es.Simulation(net, hardware=chip)
    part = simulation._parts[0].simulation
    samples = []
    for time in np.arange(0.1, 0.3, 0.01):
        simulation.run(float(time))
        samples.append(part.state("cell")["v"])
    v = np.array(samples)
    assert v.std() == pytest.approx(1.0, rel=0.03)  # 1e-3 of the way of 1000
    assert abs(v.mean()) < 0.06
    neighbours = np.mean(v[1:] * v[:-1]) / v.var()
    assert neighbours == pytest.approx(np.exp(-0.01 / TAU), abs=0.05)
    assert abs(np.mean(v[:, 1:] * v[:, :-1])) < 0.05
    quiet = es.Simulation(net, hardware=chip.but(membrane_noise=0.0))
    quiet.run(0.1)
    assert np.all(quiet._parts[0].simulation.state("cell")["v"] == 0.0)
