"""Populations whose neurons all have time constants of their own, through the window scheduler."""

import numpy as np
import pytest

import eventsnn as es


def network(seed, near, below, n=60):
    """Two such populations in a cycle; `near`: tau_mem near tau_syn; `below`: one threshold lies below rest."""
    draw, net = np.random.default_rng(seed), es.Network()
    tau_mem = 10e-3 * draw.normal(1.0, 0.05, n) if near else draw.uniform(10e-3, 20e-3, n)
    tau_syn = 10e-3 * draw.normal(1.0, 0.05, n) if near else draw.uniform(2e-3, 8e-3, n)
    net.add("in", es.Input(20))
    net.add("a", es.LIF(n, tau_mem=tau_mem, tau_syn=tau_syn, v_threshold=1.0, v_leak=1.2 if below else 0.0,
                        t_ref=draw.choice([2e-3, 1e-4])))
    net.add("b", es.LIF(n, tau_mem=tau_mem[::-1].copy(), tau_syn=tau_syn, v_threshold=draw.uniform(0.8, 1.2, n), t_ref=2e-3))
    net.connect("in", "a", es.Dense(draw.normal(0.3, 0.3, (20, n))))
    net.connect("a", "b", es.Dense(draw.normal(0.1, 0.2, (n, n)), delay=1e-3))
    net.connect("b", "a", es.RandomOutdegree(12, weight=0.15, seed=seed, delay=1.5e-3))
    net.connect("a", "a", es.Procedural(es.RandomOutdegree(5, weight=es.Normal(0.0, 0.1), seed=seed, delay=2e-3)))
    times = np.sort(np.round(draw.uniform(0.0, 0.2, 400), 4))  # many at the same instant, one at t = 0
    return net, {"in": es.Spikes(np.concatenate([[0.0], times]), draw.integers(0, 20, 401))}


def same(one, other):
    for name in ("a", "b"):
        assert one.spikes[name].times.size > 100
        np.testing.assert_array_equal(one.spikes[name].times, other.spikes[name].times)
        np.testing.assert_array_equal(one.spikes[name].neurons, other.spikes[name].neurons)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("below", [False, True])
def test_same_bits_as_heap(seed, near, below):
    net, inputs = network(seed, near, below)
    expected = es.simulate(net, inputs, until=0.25, scheduler="heap")
    same(es.simulate(net, inputs, until=0.25, scheduler="window"), expected)
    parts = es.Simulation(net, inputs, scheduler="window")
    for until in (0.01, 0.0333, 0.1, 0.25):
        run = parts.run(until)
    same(run, expected)
    assert run.counts == expected.counts


def test_same_bits_with_threads_and_after_a_checkpoint(tmp_path):
    net, inputs = network(4, True, False)
    whole = es.simulate(net, inputs, until=0.25, scheduler="window")
    same(es.simulate(net, inputs, until=0.25, scheduler="window", threads=2), whole)
    first = es.Simulation(net, inputs, scheduler="window")
    first.run(0.0871)
    first.checkpoint(tmp_path / "half.h5")
    same(es.Simulation.resume(tmp_path / "half.h5").run(0.25), whole)


def test_as_if_every_neuron_were_a_population_of_its_own():
    draw = np.random.default_rng(0)
    tau, weights = draw.uniform(5e-3, 20e-3, 8), draw.uniform(0.5, 2.0, (4, 8))
    inputs = {"in": es.Spikes(np.sort(draw.uniform(0.0, 0.1, 60)), draw.integers(0, 4, 60))}
    both = es.Network(), es.Network()
    for net in both:
        net.add("in", es.Input(4))
    both[0].add("all", es.LIF(8, tau_mem=tau, tau_syn=3e-3, v_threshold=0.8))
    both[0].connect("in", "all", es.Dense(weights))
    for k in range(8):
        both[1].add(f"n{k}", es.LIF(1, tau_mem=tau[k], tau_syn=3e-3, v_threshold=0.8))
        both[1].connect("in", f"n{k}", es.Dense(weights[:, k:k + 1]))
    together, apart = (es.simulate(net, inputs, until=0.15).spikes for net in both)
    assert len(together["all"]) > 20
    for k in range(8):  # epochs and cells follow the fastest neuron of a population, so last digits may differ
        mine = together["all"].times[together["all"].neurons == k]
        np.testing.assert_allclose(mine, apart[f"n{k}"].times, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("scheduler", ["window", "heap", "reference"])
def test_neurons_that_begin_above_threshold_spike_before_an_arrival_at_t_0(scheduler):
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("a", es.LIF(1, tau_mem=10e-3, tau_syn=9.8e-3, v_threshold=1.0, v_leak=1.2, t_ref=2e-3))
    net.connect("in", "a", es.Dense(np.array([[-3.0]])))
    run = es.simulate(net, {"in": es.Spikes([0.0], [0])}, until=0.05, scheduler=scheduler)
    assert run.spikes["a"].times[0] == 0.0 and np.all(np.isfinite(run.spikes["a"].times)) and len(run.spikes["a"]) == 2
