"""Groups of adapting neurons that spike as one: max pooling, against the equations in Python and between schedulers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.errors import NetworkError, ParameterError

PHI, BETA, ETA, GAMMA = 5e-3, 50e-3, 50e-3, 15e-3


def network(weights, group, readout=None, **constants):
    net = es.Network()
    net.add("in", es.Input(len(weights)))
    net.add("max", es.ASNN(weights.shape[1], group=group, **constants))
    net.connect("in", "max", es.Dense(weights))
    if readout is not None:
        net.add("next", es.ASNN(readout.shape[1]))
        net.connect("max", "next", es.Dense(readout))
    return net


def drive(seed, n, spikes, until):
    draw = np.random.default_rng(seed)
    return {"in": es.Spikes(np.sort(draw.uniform(0.0, until, spikes)), draw.integers(0, n, spikes))}


def signal(weights, inputs, times):
    """S of every neuron at `times`, the sum over arrivals."""
    away = times[:, None] - inputs.times
    late = np.maximum(away, 0.0)
    kernel = np.where(away > 0.0, BETA / (BETA - PHI) * (np.exp(-late / BETA) - np.exp(-late / PHI)), 0.0)
    return kernel @ weights[inputs.neurons]


def stepped(weights, inputs, until, group, m_f, dt):
    """Spike times per group of a neuron that follows the largest S of its members, in steps of `dt`."""
    times = np.arange(dt, until, dt)
    largest = signal(weights, inputs, times).reshape(times.size, -1, group).max(axis=2)
    found = [[] for _ in range(largest.shape[1])]
    r, a = np.zeros(len(found)), np.zeros(len(found))
    for t, s in zip(times, largest):
        r, a = r * np.exp(-dt / ETA), a * np.exp(-dt / GAMMA)
        height = m_f + a
        for k in np.flatnonzero(s - r > 0.5 * height):
            found[k].append(t)
            r[k] += height[k]
            a[k] += m_f * height[k]
    return found


@pytest.mark.parametrize("group", [2, 4])
def test_a_group_encodes_the_largest_signal(group):
    weights = np.random.default_rng(0).normal(0.1, 0.4, (6, 12))
    inputs = drive(1, 6, 60, 0.1)
    found = es.simulate(network(weights, group, m_f=0.1), inputs, until=0.1).spikes["max"]
    assert len(found) > 20
    for k, expected in enumerate(stepped(weights, inputs["in"], 0.1, group, 0.1, 1e-6)):
        np.testing.assert_allclose(found.times[found.neurons // group == k], expected, atol=5e-6)


def test_at_a_spike_the_winner_has_just_reached_the_decoded_signal():
    weights, inputs = np.random.default_rng(2).normal(0.1, 0.4, (6, 9)), drive(3, 6, 50, 0.1)
    found = es.simulate(network(weights, 3, m_f=0.2), inputs, until=0.1).spikes["max"]
    s = signal(weights, inputs["in"], found.times)
    assert len(found) > 10
    for k in range(3):
        r, a, last = 0.0, 0.0, 0.0
        for i in np.flatnonzero(found.neurons // 3 == k):
            t = found.times[i]
            r, a, last = r * np.exp(-(t - last) / ETA), a * np.exp(-(t - last) / GAMMA), t
            members = s[i, 3 * k:3 * k + 3]
            assert members.argmax() == found.neurons[i] - 3 * k
            assert members.max() - r - 0.5 * (0.2 + a) == pytest.approx(0.0, abs=1e-11)
            r, a = r + 0.2 + a, a + 0.2 * (0.2 + a)


@settings(max_examples=25, deadline=None)
@given(some.sampled_from([2, 3, 4]), some.integers(0, 10**6), some.floats(0.02, 0.6), some.booleans())
def test_the_same_bits_from_every_scheduler(group, seed, m_f, alike):
    draw = np.random.default_rng(seed)
    weights = draw.normal(0.1, 0.5, (5, 4 * group))
    if alike:  # members that cross at one instant
        weights = np.repeat(weights[:, ::group], group, axis=1)
    inputs, readout = drive(seed + 1, 5, 40, 0.06), draw.normal(0.0, 0.5, (4 * group, 6))
    net = network(weights, group, readout, m_f=m_f)
    one = es.simulate(net, inputs, until=0.06)
    halves = es.Simulation(net, inputs)
    halves.run(until=0.0213)
    others = [es.simulate(net, inputs, until=0.06, scheduler=name) for name in ("heap", "reference")]
    for other in [*others, es.simulate(net, inputs, until=0.06, threads=2), halves.run(until=0.06)]:
        for name in ("max", "next"):
            np.testing.assert_array_equal(one.spikes[name].times, other.spikes[name].times)
            np.testing.assert_array_equal(one.spikes[name].neurons, other.spikes[name].neurons)
        assert one.counts == other.counts
    if alike:
        assert np.all(one.spikes["max"].neurons % group == 0)


@pytest.mark.parametrize("scheduler", ["window", "heap", "reference"])
def test_members_that_begin_above_threshold_spike_until_none_is(scheduler):
    net = es.Network()
    net.add("max", es.ASNN(3, group=3, m_f=0.1, bias=[0.3, 0.9, 0.7]))
    alone = es.Network()
    alone.add("max", es.ASNN(1, m_f=0.1, bias=0.9))
    found, expected = (es.simulate(n, until=0.1, scheduler=scheduler).spikes["max"] for n in (net, alone))
    assert np.sum(found.times == 0.0) > 1
    np.testing.assert_allclose(found.times, expected.times, rtol=0.0, atol=1e-12)


def test_a_resumed_simulation_goes_on_with_the_same_bits(tmp_path):
    weights, inputs = np.random.default_rng(5).normal(0.1, 0.4, (6, 12)), drive(6, 6, 60, 0.1)
    whole = es.simulate(network(weights, 4, m_f=0.1), inputs, until=0.1).spikes["max"]
    first = es.Simulation(network(weights, 4, m_f=0.1), inputs)
    first.run(until=0.04)
    first.checkpoint(tmp_path / "half.h5")
    second = es.Simulation.resume(tmp_path / "half.h5").run(until=0.1).spikes["max"]
    np.testing.assert_array_equal(second.times, whole.times)


def test_convolution_onto_and_from_tiles():
    draw = np.random.default_rng(7)
    kernel, later = draw.normal(0.0, 0.5, (3, 2, 3, 3)), draw.normal(0.0, 0.5, (4, 3, 2, 2))
    first = es.Conv2d(kernel, (2, 7, 9), padding=1, tile=(2, 3))
    second = es.Conv2d(later, (3, 3, 3), source_tile=6)
    plain, place = es.Conv2d(kernel, (2, 7, 9), padding=1), {}
    for c in range(3):
        for y in range(6):
            for x in range(9):
                place[c, y, x] = ((c * 3 + y // 2) * 3 + x // 3) * 6 + y % 2 * 3 + x % 3
    rows = [{} for _ in range(2)]
    for conv, n, found in ((first, 162, rows[0]), (plain, 189, rows[1])):
        net = es.Network()
        net.add("a", es.Input(126))
        net.add("b", es.LI(n, tau_mem=1.0, tau_syn=0.0))
        net.connect("a", "b", conv)
        for j in range(0, 126, 5):
            run = es.Simulation(net, {"a": es.Spikes([0.0], [j])})
            run.run(until=0.0)
            found[j] = run.state("b")["v"]
    for j, values in rows[1].items():
        for (c, y, x), at in place.items():
            assert rows[0][j][at] == values[(c * 7 + y) * 9 + x]
    net = es.Network()
    net.add("b", es.Input(162))
    net.add("c", es.LI(16, tau_mem=1.0, tau_syn=0.0))
    net.connect("b", "c", second)
    values = []
    for j in (30, 35):  # two members of one tile
        run = es.Simulation(net, {"b": es.Spikes([0.0], [j])})
        run.run(until=0.0)
        values.append(run.state("c")["v"])
    unit = np.zeros((1, 27))
    unit[0, 5] = 1.0
    expected = es.ann.Conv2d(later)(unit.reshape(1, 3, 3, 3))[0].ravel()
    np.testing.assert_array_equal(values, [expected, expected])
    assert first.n_synapses(126, 162) == sum(np.count_nonzero(v) for v in
                                             written_out(kernel, (2, 7, 9), (6, 9))) and second.n_synapses(162, 16) == 6 * 192


def written_out(kernel, shape, size):
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return es.ann.Conv2d(kernel, padding=1)(units)[:, :, :size[0], :size[1]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ParameterError, match="group of ASNN must be a whole number >= 1 that divides n = 10, got 3"):
        es.ASNN(10, group=3)
    with pytest.raises(ParameterError, match="tile of Conv2d is 9; it is larger"):
        es.Conv2d(np.ones((1, 1, 2, 2)), (1, 5, 5), tile=9).output_shape  # noqa: B018
    with pytest.raises(ParameterError, match="source_tile of Conv2d is 0"):
        es.Conv2d(np.ones((1, 1, 2, 2)), (1, 5, 5), source_tile=0).output_shape  # noqa: B018
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("max", es.ASNN(4, group=2, tau_phi=[5e-3, 5e-3, 6e-3, 6e-3]))
    net.connect("in", "max", es.Dense(np.ones((1, 4))))
    with pytest.raises(NetworkError, match="unlike population 'max'"):
        es.simulate(net, until=0.1, scheduler="window")
    assert es.simulate(net, until=0.1).scheduler == "heap"
