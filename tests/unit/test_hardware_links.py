"""Links and noise of BrainScaleS-2: queues agree with plain Python, nothing is lost uncounted, noise has its statistics."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.hardware.chip import NOISE_PER_TAU, ChipSimulation
from eventsnn.hardware.links import Links

SIGMAS = 4.0
PERIOD = 8  # ns on the chip, us in biological time


def chip(**changes):
    return es.BrainScaleS2("ideal", **changes)


def queue(events, lanes, depth, copies=1):
    """Plain queues, one per lane, of whole times: [(start, neuron)], offered, dropped, sum of waits."""
    ends, done, dropped, offered, wait = {}, [], 0, 0, 0
    for time, neuron in sorted(events):
        line = ends.setdefault(lanes[neuron], deque())
        for copy in range(copies):
            while line and line[0] <= time:
                line.popleft()
            offered += 1
            if len(line) > depth:  # one in service, `depth` waiting
                dropped += 1
                continue
            start = max([time, *line])
            line.append(start + PERIOD)
            wait += start - time
            if copy == copies - 1:
                done.append((start, neuron))
    return sorted(done), offered, dropped, wait


def times_of(spikes):
    return list(zip(np.rint(spikes.times * 1e6).astype(int).tolist(), spikes.neurons.tolist()))


events_of = some.lists(some.tuples(some.integers(0, 200), some.integers(0, 5)), max_size=60)


@settings(max_examples=40, deadline=None)
@given(events_of, some.integers(0, 4), some.integers(1, 3), some.integers(-1, 200))
def test_buses_and_outputs_agree_with_plain_queues(events, depth, copies, pause):
    lanes = np.array([0, 1, 1, 7, 7, 7])
    spikes = es.Spikes(*np.array(events, float).reshape(-1, 2).T * np.array([[1e-6], [1.0]]))
    done, offered, dropped, wait = queue(events, lanes, depth, copies)
    links = Links(chip(bus_period=8e-9, bus_depth=depth), np.random.default_rng(0))
    first = links.bus(spikes, lanes, pause * 1e-6 + 1e-9, copies)
    found = times_of(first) + times_of(links.bus(es.Spikes([], []), lanes, copies=copies))
    assert sorted(found) == done and (links.buses.offered, links.buses.dropped) == (offered, dropped)
    assert links.buses.delay == pytest.approx(wait * 1e-9, abs=1e-15)
    done, offered, dropped, wait = queue(events, lanes, depth)
    links = Links(chip(output_period=8e-9, output_depth=depth), np.random.default_rng(0))
    found = times_of(links.leave(spikes, lanes, pause * 1e-6 + 1e-9)) + times_of(links.leave(es.Spikes([], []), lanes))
    assert sorted(found) == done and (links.outputs.offered, links.outputs.dropped) == (offered, dropped)
    assert links.outputs.delay == pytest.approx(wait * 1e-9, abs=1e-15)


@pytest.mark.parametrize("load", [0.5, 0.95, 2.0])
def test_a_bus_saturates_as_a_queue_of_fixed_service_does(load):
    draw = np.random.default_rng(3)
    arrivals = np.cumsum(draw.exponential(8e-6 / load, 20000))
    links = Links(chip(bus_period=8e-9, bus_depth=10**6 if load < 1 else 20), np.random.default_rng(0))
    arrived = links.bus(es.Spikes(arrivals, np.zeros(20000, int)), np.array([0]))
    assert len(arrived) + links.buses.dropped == links.buses.offered == 20000
    assert np.diff(arrived.times).min() >= 8e-6 * (1 - 1e-9)
    if load < 1:  # Pollaczek-Khinchine: mean wait of M/D/1
        assert links.buses.dropped == 0
        wait = load / (2 * (1 - load)) * 8e-9
        assert links.buses.delay / 20000 == pytest.approx(wait, rel=0.1 if load < 0.9 else 0.3)
    else:
        assert len(arrived) / arrivals[-1] * 8e-6 == pytest.approx(1.0, rel=0.01)


def relay(n, weight=2.0):
    """Every input spike is one of `mid`, and then one of `out`, at once."""
    net = es.Network()
    net.add("a", es.Input(n))
    net.add("b", es.Input(n))
    for name in ("mid", "out"):
        net.add(name, es.LIF(n, tau_mem=6e-3, tau_syn=0.0, v_threshold=1.0))
    for source, target in (("a", "mid"), ("b", "mid"), ("mid", "out")):
        net.connect(source, target, es.OneToOne(weight))
    return net


def test_every_event_is_delivered_or_counted_and_inputs_do_not_wait_for_later_ones():
    draw = np.random.default_rng(0)
    n, net = 64, relay(64)
    given = {name: es.Spikes(np.round(draw.uniform(0.0, 1e-2, 3000), 6), draw.integers(0, n, 3000)) for name in "ab"}
    hardware = chip(bus_period=20e-9, bus_depth=5, output_period=12e-9, output_depth=1, latency=80e-9)
    run = es.simulate(net, given, until=1.0, hardware=hardware)
    mapping, report, arrived = run.hardware.mapping, run.hardware, []
    for name in "ab":
        links = Links(hardware, np.random.default_rng(0))
        arrived += times_of(links.bus(given[name], mapping.buses[name]))
    events = run.counts.synaptic_events
    assert len(arrived) == events["a->mid"] + events["b->mid"] < 6000
    assert report.outputs.dropped and report.buses.offered - report.buses.dropped == events.total
    assert report.dropped == report.buses.dropped + report.outputs.dropped
    assert report.outputs.offered == events.total and report.outputs.offered - report.outputs.dropped == \
        run.counts.spikes["mid"] + run.counts.spikes["out"]
    quiet = es.simulate(net, given, until=1.0, hardware=chip(bus_period=1e-12, output_period=1e-12, latency=80e-9))
    assert quiet.hardware.dropped == 0 and quiet.counts.spikes["out"] == quiet.counts.spikes["mid"]


def test_events_after_the_end_of_a_run_are_in_flight():
    net, given = relay(1), {"a": es.Spikes([1e-3, 2e-3, 5e-3], [0, 0, 0])}
    sim = es.Simulation(net, given, hardware=chip(latency=100e-9, bus_period=8e-9))
    run = sim.run(2.05e-3)
    assert isinstance(sim, ChipSimulation) and run.hardware.buses.offered == 3  # two inputs, one of mid
    assert [run.counts.spikes[name] for name in ("a", "mid", "out")] == [2, 2, 1]
    run = sim.run(1e-2)
    assert [run.counts.spikes[name] for name in ("a", "mid", "out")] == [3, 3, 3]


def test_jitter_is_gaussian_and_never_earlier_than_its_cause():
    n = 20000
    given = es.Spikes(np.arange(1, n + 1) * 1e-2, np.zeros(n, int))

    def noise(seed, **more):
        links = Links(chip(jitter=60e-9, **more), np.random.default_rng(seed))
        return (links.leave(given, np.array([0])).times - given.times) / 60e-6

    free = noise(0, latency=1e-6)
    assert abs(free.mean()) < SIGMAS / np.sqrt(n) and abs(free.std() - 1) < SIGMAS / np.sqrt(2 * n)
    assert abs(np.corrcoef(free[1:], free[:-1])[0, 1]) < SIGMAS / np.sqrt(n)
    assert abs(np.corrcoef(free, noise(1, latency=1e-6))[0, 1]) < SIGMAS / np.sqrt(n)
    bound = noise(0, latency=80e-9)
    assert np.allclose(bound, np.maximum(free, -80 / 60), rtol=0, atol=1e-8)
    links = Links(chip(), np.random.default_rng(0))
    assert np.array_equal(links.leave(given, np.array([0])).times, given.times)


def test_jitter_differs_between_populations_chips_and_runs():
    net, given = relay(1), {"a": es.Spikes(np.arange(1, 2000) * 1e-3, np.zeros(1999, int))}

    def noise(seed, chip_seed):
        run = es.simulate(net, given, until=2.5, hardware=chip(jitter=20e-9, latency=200e-9, chip_seed=chip_seed), seed=seed)
        mid, out = run.spikes["mid"].times, run.spikes["out"].times
        return [mid - given["a"].times, out - mid - 200e-6]

    one = noise(0, 0)
    assert np.array_equal(one, noise(0, 0))
    correlation = np.corrcoef([*one, *noise(1, 0), *noise(0, 1)]) - np.eye(6)
    assert np.abs(correlation).max() < (SIGMAS + 0.5) / np.sqrt(1999)
    assert one[0].std() == pytest.approx(20e-6, rel=SIGMAS / np.sqrt(2 * 1999))


@pytest.mark.parametrize("population", [es.LI, es.LIF])
def test_membrane_noise_is_an_ornstein_uhlenbeck_process(population):
    n, tau, spread, step = 60, 6e-3, 0.1, 1.5e-3
    more = {} if population is es.LI else {"v_threshold": 3.0, "v_leak": 1.0, "i_offset": 0.25}
    way, rest = (1.0, 0.0) if population is es.LI else (2.0, 1.25)
    net = es.Network()
    net.add("a", population(n, tau_mem=tau, tau_syn=3e-3, **more))
    net.add("b", population(n, tau_mem=tau, tau_syn=3e-3, **more))
    sim = es.Simulation(net, hardware=chip(membrane_noise=spread, latency=80e-9))
    v = []
    for k in range(80):
        sim.run(0.03 + k * step)
        v.append([part.simulation.state(name)["v"] for part in sim._parts for name in part.names])
    v = (np.array(v) - rest) / (way * spread)  # [time, population, neuron]
    independent = v.shape[0] * v.shape[2] * step / tau / 2  # samples of one population, about
    assert np.abs(v.mean(axis=(0, 2))).max() < SIGMAS / np.sqrt(independent)
    assert np.abs(v.std(axis=(0, 2)) - 1).max() < SIGMAS / np.sqrt(independent)
    for lag in (1, 2, 4, 8):
        measured = (v[lag:] * v[:-lag]).mean(axis=(0, 2)) / v.var(axis=(0, 2))
        assert np.abs(measured - np.exp(-lag * step / tau)).max() < SIGMAS / np.sqrt(independent)
    kurtosis = (v ** 4).mean() / v.var() ** 2 - 3.0  # of a sum of Poisson kicks: 1 / NOISE_PER_TAU
    assert abs(kurtosis) < 2.0 / NOISE_PER_TAU + SIGMAS * np.sqrt(24 / independent)
    assert abs(np.corrcoef(v[:, 0].ravel(), v[:, 1].ravel())[0, 1]) < SIGMAS / np.sqrt(independent)


def test_membrane_noise_follows_the_seeds():
    net = es.Network()
    net.add("cell", es.LIF(50, tau_mem=6e-3, tau_syn=6e-3, v_threshold=1.0, i_offset=0.95))

    def spikes(seed, chip_seed):
        hardware = chip(membrane_noise=0.1, chip_seed=chip_seed)
        return es.simulate(net, until=0.05, hardware=hardware, seed=seed).spikes["cell"].times

    assert spikes(0, 0).size > 50 and np.array_equal(spikes(0, 0), spikes(0, 0))
    assert not np.array_equal(spikes(0, 0), spikes(1, 0)) and not np.array_equal(spikes(0, 0), spikes(0, 1))
