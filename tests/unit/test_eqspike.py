"""EqSpike: the event kernels against a clocked loop and the general engine, the rule against its closed form."""

import math

import numpy as np
import pytest

import eventsnn as es
from eventsnn.experiments.eqspike_window import hidden_output_pair, input_hidden_pair
from eventsnn.learn.eqspike.config import EqSpikeConfig
from eventsnn.learn.eqspike.events import input_events
from eventsnn.learn.eqspike.network import EqSpikeNetwork, decisions
from eventsnn.learn.eqspike.probe import presentation
from eventsnn.learn.eqspike.rate import cosine, mean_update, settle, softmax
from eventsnn.learn.eqspike.rate import updates as rate_updates
from eventsnn.learn.eqspike.recipes import data_of
from eventsnn.learn.eqspike.training import initial_network, schedule

TAU_FILTER = 0.02
FREE = np.array([[0.2, 0.0, 0.0, 0.0]])


def case(seed=0, sizes=(12, 9, 4), **changes):
    config = EqSpikeConfig(hidden=sizes[1], seed=seed, **changes)
    draw = np.random.default_rng(seed)
    network = initial_network(config, sizes[0], sizes[2])
    network.w1 *= 1.5
    return network, draw.uniform(0.0, 1.0, sizes[0]), draw.uniform(0.0, network.theta, sizes[1] + sizes[2])


def errors_of(rates, label, steepness):
    """(Errors of softmax(steepness * rates [n]) over the largest, the largest)."""
    errors = np.eye(rates.size)[label] - softmax(steepness * rates[None])[0]
    return errors / np.abs(errors).max(), np.abs(errors).max()


def filtered(times, neurons, neuron, t):
    """Rate of a neuron at t after both filters."""
    lag = t - times[(neurons == neuron) & (times < t)]
    return 0.004 / TAU_FILTER**2 * np.sum(lag * np.exp(-lag / TAU_FILTER))


def clocked(network, x, key, v, phases, label, dt, tau_filter=TAU_FILTER, steepness=0.0):
    """The model of docs/eqspike.md in steps of dt, forward Euler: (spike counts [n], changes of w1, w2, bias)."""
    _, n_hidden, n_out = network.sizes
    n, tau_syn, steps = n_hidden + n_out, network.tau_syn, np.round(phases[:, 0] / dt).astype(int)
    times, sources = input_events(x, np.uint64(key), float(phases[:, 0].sum()), network.t_ref)
    arrivals = np.zeros((steps.sum() + 1, x.size))
    np.add.at(arrivals, (np.minimum((times / dt).astype(int), steps.sum()), sources), 1.0)
    kick = network.t_ref / tau_syn
    current, potential, held, long = np.zeros(n), v.copy(), np.zeros(n, int), round(network.t_ref / dt)
    own, r1, r2, spikes = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    w1, w2, bias = np.zeros_like(network.w1), np.zeros_like(network.w2), np.zeros(n)
    target = np.zeros(n)
    target[n_hidden + label] = 1.0
    k, fired, errors, size = 0, np.zeros(n), None, 1.0
    for many, (_, beta, gain, _) in zip(steps, phases):
        if steepness and beta and errors is None:
            errors, size = errors_of(r2[n_hidden:], label, steepness)
        nudge = np.r_[np.zeros(n_hidden), np.full(n_out, beta)]
        gain *= size
        for _ in range(many):
            hidden, out = fired[:n_hidden], fired[n_hidden:]
            current += -current * dt / tau_syn + kick * np.r_[arrivals[k] @ network.w1 + network.w2 @ out, hidden @ network.w2]
            own += -own * dt / tau_syn + kick * fired
            r2 += (r1 - r2) * dt / tau_filter
            r1 += -r1 * dt / tau_filter + network.t_ref / tau_filter * fired
            slope = (r1 - r2) / tau_filter
            w1 += gain * network.t_ref * np.outer(arrivals[k], slope[:n_hidden])
            w2 += gain * network.t_ref * (np.outer(hidden, slope[n_hidden:]) + np.outer(slope[:n_hidden], out))
            bias += gain * slope * dt
            drive = current + network.bias + nudge * (target - own if errors is None else np.r_[np.zeros(n_hidden), errors])
            free = held == 0
            potential = np.where(free, potential + (drive - potential) * dt / network.tau_mem, 0.0)
            held[held > 0] -= 1
            fired = (free & (potential >= network.theta)).astype(float)
            potential[fired > 0.0], held[fired > 0.0] = 0.0, long
            spikes += fired
            k += 1
    return spikes, w1, w2, bias


def test_free_phase_has_the_spikes_of_the_general_engine():
    network, x, v = case(sizes=(20, 30, 5))
    network.start = lambda: v
    found = presentation(network, x, 5, v=v, phases=FREE)
    run = es.simulate(network.to_network(), {"input": es.Spikes(*input_events(x, np.uint64(5), 0.2, network.t_ref))}, until=0.2,
                      progress=False)
    times = np.r_[run.spikes["hidden"].times, run.spikes["output"].times]
    neurons = np.r_[run.spikes["hidden"].neurons, 30 + run.spikes["output"].neurons]
    order = np.lexsort((neurons, times))
    assert found.times.size > 300 and np.array_equal(found.neurons, neurons[order])
    assert np.abs(found.times - times[order]).max() < 1e-11
    assert found.counts[0, :3].tolist() == [run.counts.spikes[name] for name in ("input", "hidden", "output")]


def test_nudged_phase_is_a_current_and_an_autapse_in_the_general_engine():
    network, x, v = case(seed=1)
    beta, kick = 1.5, network.t_ref / network.tau_syn
    found = presentation(network, x, 9, v=v, phases=np.array([[0.25, beta, 0.0, 0.0]]), label=2)
    built = es.Network()
    common = {"tau_mem": network.tau_mem, "tau_syn": network.tau_syn, "v_threshold": network.theta, "t_ref": network.t_ref}
    offset = network.bias.copy()
    offset[9 + 2] += beta
    built.add("input", es.Input(12))
    built.add("hidden", es.LIF(9, i_offset=offset[:9], v_init=v[:9], **common))
    built.add("output", es.LIF(4, i_offset=offset[9:], v_init=v[9:], **common))
    built.connect("input", "hidden", es.Dense(kick * network.w1))
    built.connect("hidden", "output", es.Dense(kick * network.w2))
    built.connect("output", "hidden", es.Dense(kick * network.w2.T))
    built.connect("output", "output", es.OneToOne(-beta * kick))
    given = es.Spikes(*input_events(x, np.uint64(9), 0.25, network.t_ref))
    run = es.simulate(built, {"input": given}, until=0.25, progress=False)
    times = np.sort(np.r_[run.spikes["hidden"].times, run.spikes["output"].times])
    assert found.times.size == times.size > 100
    assert np.abs(found.times - times).max() < 1e-11


def test_softmax_nudges_are_constant_currents_in_the_general_engine():
    network, x, v = case(seed=1)
    network.start = lambda: v
    beta, gain, parts = 1.5, 0.7, ((0.15, 0.0), (0.1, 1.5), (0.12, -1.5))
    phases = np.array([[t, b, 0.0, gain if b < 0.0 else 0.0] for t, b in parts])
    found = presentation(network, x, 9, v=v, phases=phases, label=2, steepness=8.0)
    given = es.Spikes(*input_events(x, np.uint64(9), 0.37, network.t_ref))
    simulation = es.Simulation(network.to_network(), {"input": given}, progress=False)
    run = simulation.run(0.15)
    rates = [filtered(run.spikes["output"].times, run.spikes["output"].neurons, k, 0.15) for k in range(4)]
    errors, size = errors_of(np.array(rates), 2, 8.0)
    assert 0.1 < size < 1.0
    for until, sign in ((0.25, 1.0), (0.37, -1.0)):
        simulation.set("output", i_offset=network.bias[9:] + sign * beta * errors)
        run = simulation.run(until)
    times = np.r_[run.spikes["hidden"].times, run.spikes["output"].times]
    neurons = np.r_[run.spikes["hidden"].neurons, 9 + run.spikes["output"].neurons]
    order = np.lexsort((neurons, times))
    assert np.array_equal(found.neurons, neurons[order]) and times.size > 200
    assert np.abs(found.times - times[order]).max() < 1e-11
    for k in range(4):  # changes are in proportion to the largest error
        change = filtered(times, neurons, 9 + k, 0.37) - filtered(times, neurons, 9 + k, 0.25)
        assert found.bias[9 + k] == pytest.approx(size * gain * change, rel=1e-7, abs=1e-12)


def test_small_errors_teach_nothing_and_cost_no_spikes():
    network, x, v = case(seed=1)
    phases = np.array([[0.15, 0.0, 0.0, 0.0], [0.1, 1.0, 1.0, 1.0]])
    kept = {"v": v, "label": 2, "steepness": 8.0}
    free = presentation(network, x, 9, phases=phases[:1], v=v)
    taught, passed = (presentation(network, x, 9, phases=phases, least_error=least, **kept) for least in (0.01, 1.0))
    assert np.array_equal(passed.times, free.times) and taught.times.size > free.times.size
    assert not passed.w1.any() and not passed.w2.any() and not passed.bias.any() and taught.w2.any()
    assert passed.counts[1].sum() == 0


# no two spikes that a change depends on within a coarse step
@pytest.mark.parametrize(("seed", "steepness"), [(1, 0.0), (2, 0.0), (2, 8.0), (5, 8.0)])
def test_clocked_loop_converges_to_the_events(seed, steepness):
    network, x, v = case(seed=seed, sizes=(6, 4, 3))
    phases = np.array([[0.06, 0.0, 0.0, 0.0], [0.06, 1.0, 1.0, 1.0]])
    exact = presentation(network, x, 3, v=v, phases=phases, label=1, steepness=steepness)
    spikes, errors = np.bincount(exact.neurons, minlength=7), []
    for dt in (2e-5, 2e-6):
        counted, *changes = clocked(network, x, 3, v, phases, 1, dt, steepness=steepness)
        assert np.array_equal(counted, spikes)
        errors.append(max(np.abs(a - b).max() for a, b in zip(changes, (exact.w1, exact.w2, exact.bias))))
    scale = max(np.abs(part).max() for part in (exact.w1, exact.w2, exact.bias))
    assert errors[1] < 0.3 * errors[0] and errors[1] < 0.02 * scale


def test_changes_are_sums_over_spikes_of_the_other_neurons_slope():
    network, x, v = case(seed=4)
    phases = np.array([[0.1, 0.0, 0.0, 0.0], [0.1, 1.0, 2.0, 3.0]])
    found = presentation(network, x, 7, v=v, phases=phases, label=0)
    times, sources = input_events(x, np.uint64(7), 0.2, network.t_ref)

    def slope(neuron, t):
        lag = t - found.times[(found.neurons == neuron) & (found.times < t)]
        return network.t_ref / TAU_FILTER**2 * np.sum((1.0 - lag / TAU_FILTER) * np.exp(-lag / TAU_FILTER))

    def rate(neuron, t):  # after the second filter
        lag = t - found.times[(found.neurons == neuron) & (found.times < t)]
        return network.t_ref / TAU_FILTER**2 * np.sum(lag * np.exp(-lag / TAU_FILTER))

    learnt = times >= 0.1
    for j, i in ((0, 0), (5, 3), (11, 8)):
        expected = 2.0 * network.t_ref * sum(slope(i, t) for t in times[learnt & (sources == j)])
        assert found.w1[j, i] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    late = found.times >= 0.1
    for i, k in ((0, 0), (4, 2), (8, 3)):
        expected = 3.0 * network.t_ref * (sum(slope(9 + k, t) for t in found.times[late & (found.neurons == i)])
                                          + sum(slope(i, t) for t in found.times[late & (found.neurons == 9 + k)]))
        assert found.w2[i, k] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    for i in range(13):  # the integral of the slope
        assert found.bias[i] == pytest.approx((2.0 if i < 9 else 3.0) * (rate(i, 0.2) - rate(i, 0.1)), rel=1e-9, abs=1e-12)
    means = presentation(network, x, 7, v=v, phases=phases, label=0, inputs="intervals")
    assert np.allclose(means.w1, np.outer(x, found.bias[:9]), rtol=1e-12)
    assert np.array_equal(means.w2, found.w2)


def test_one_pair_of_spikes_gives_the_slope_of_the_double_filter():
    """Symmetric where both spikes act, one-sided where only the input's does (the neuron before the input)."""
    for lag in (-0.05, -0.021, -0.004, 0.004, 0.019, 0.06):
        x = abs(lag) / TAU_FILTER
        closed = (1.0 - x) * math.exp(-x) / TAU_FILTER**2
        assert hidden_output_pair(lag, TAU_FILTER) == pytest.approx(closed, rel=1e-9)
        assert input_hidden_pair(lag, TAU_FILTER) == pytest.approx(closed if lag < 0.0 else 0.0, rel=1e-9)


def test_changes_at_once_are_those_of_a_batch_where_the_weights_hardly_move():
    network, x, v = case(seed=6)
    phases = np.array([[0.1, 0.0, 0.0, 0.0], [0.1, 1.0, 1e-9, 1e-9]])
    late = presentation(network, x, 2, v=v, phases=phases, label=1)
    now = presentation(network, x, 2, v=v, phases=phases, label=1, at_once=True)
    assert np.abs(now.times - late.times).max() < 1e-6
    for moved, begun, change in ((now.w1, network.w1, late.w1), (now.w2, network.w2, late.w2)):
        assert np.abs(moved - begun - change).max() < 1e-5 * np.abs(change).max()


def test_changes_at_once_are_those_of_a_user_rule_on_the_general_engine():
    """The rule has two traces of unlike time constants; at 0.01 % apart they are the two equal filters to second order."""
    network, x, v = case(seed=8, sizes=(10, 6, 1))
    network.w2[:], network.bias[6] = 0.0, 0.0  # a layer of inputs and hidden neurons
    phases, gain, apart = np.array([[0.15, 0.0, 0.3, 0.0]]), 0.3, 1e-4
    found = presentation(network, x, 4, v=v, phases=phases, label=-1, at_once=True)
    slow, fast = TAU_FILTER * (1.0 + apart), TAU_FILTER * (1.0 - apart)
    q, kick = network.t_ref, network.t_ref / network.tau_syn
    first, second = q / slow, q / (slow - fast)  # r1 = first y0, r2 = second (y0 - y1)

    def on_pre(w, x, y, s, g, p):
        return w + p[0] * (p[1] * y[0] - p[2] * (y[0] - y[1]))

    built = es.Network()
    built.add("input", es.Input(10))
    built.add("hidden", es.LIF(6, tau_mem=network.tau_mem, tau_syn=network.tau_syn, v_threshold=network.theta,
                               t_ref=network.t_ref, i_offset=network.bias[:6], v_init=v[:6]))
    built.connect("input", "hidden", es.Dense(kick * network.w1), name="plastic")
    rule = es.Rule("plastic", on_pre=on_pre, post={"slow": slow, "fast": fast}, compiled=False,
                   parameters=[gain * q * kick / fast, first, second])
    simulation = es.Simulation(built, {"input": es.Spikes(*input_events(x, np.uint64(4), 0.15, q))}, rules=[rule],
                               progress=False)
    run = simulation.run(0.15)
    hidden = found.neurons < 6
    assert np.abs(np.sort(run.spikes["hidden"].times) - found.times[hidden]).max() < 1e-7
    weights = simulation.weights("plastic")[2].reshape(10, 6) / kick
    change = found.w1 - network.w1
    assert np.abs(change).max() > 0.01 and np.abs(weights - found.w1).max() < 1e-5 * np.abs(change).max()


def test_stationary_rates_drift_little_and_a_target_that_is_reached_teaches_nothing():
    """Where the nudge has nothing to change, mean changes vanish; with the opposite target they do not."""
    network, x, v = case(seed=2, sizes=(12, 9, 2))
    network.w2[:, 1], network.bias[9:] = 0.0, -1.0  # no output spikes: the free rates are 0
    phases, none, some = schedule(EqSpikeConfig(beta=2.0, inputs="intervals")), [], []
    for key in range(40):
        none.append(presentation(network, x, key, v=v, phases=phases, label=-1, inputs="intervals").bias[9:])
        some.append(presentation(network, x, key, v=v, phases=phases, label=1, inputs="intervals").bias[9:])
    assert np.abs(np.mean(none, axis=0)).max() == 0.0
    assert np.mean(some, axis=0)[1] > 0.1


@pytest.mark.parametrize("steepness", [0.0, 5.0])
def test_rate_updates_go_down_the_gradient_of_the_loss(steepness):
    network, x, _ = case(seed=3, sizes=(6, 5, 3))
    network.bias[:] = 0.4
    x, label, step = x[None], np.array([1]), 1e-5
    first, second = rate_updates(network, x, label, steepness=steepness)

    def loss():
        if steepness:
            return -np.log(softmax(steepness * settle(network, x)[1])[0, 1]) / steepness
        return 0.5 * np.sum((np.eye(3)[label] - settle(network, x)[1]) ** 2)

    for weights, update in ((network.w1, first[0]), (network.w2, second[0])):
        slope = np.empty(weights.shape)
        for place in np.ndindex(*weights.shape):
            kept, sides = weights[place], []
            for sign in (1.0, -1.0):
                weights[place] = kept + sign * step
                sides.append(loss())
            weights[place] = kept
            slope[place] = (sides[0] - sides[1]) / (2.0 * step)
        assert cosine(update, -slope) > 0.999 and np.abs(update + slope).max() < 0.02 * np.abs(slope).max()


@pytest.mark.parametrize("changes", [{"inputs": "spikes"}, {}, {"phases": "three", "sign": "fixed"},
                                     {"phases": "swing", "loss": "softmax", "least_error": 0.0}])
def test_mean_updates_are_those_of_rate_based_equilibrium_propagation(changes):
    config = EqSpikeConfig(hidden=30, **changes)
    pixels, labels = data_of("digits")["train"]
    network, x, labels = initial_network(config, 64, 10), pixels[:9] / 255.0, labels[:9]
    exact = rate_updates(network, x, labels, steepness=config.steepness if config.loss == "softmax" else 0.0)
    found = [mean_update(network, x[k], labels[k], config) for k in range(9)]
    for layer in (0, 1):
        assert np.median([cosine(found[k][layer], exact[layer][k]) for k in range(9)]) > 0.8


def test_decisions():
    spikes, first, last = np.array([[2, 5, 5], [0, 0, 0], [4, 1, 2]], float), np.zeros((3, 3)), np.zeros((3, 3))
    last[0] = [0.1, 0.12, 0.11]
    assert decisions(np.stack([spikes, first, last], axis=1)).tolist() == [2, -1, 0]


def test_input_events_are_periodic_with_hashed_phases():
    x = np.array([1.0, 0.0, 0.37, 0.05])
    times, sources = input_events(x, np.uint64(77), 0.5, 0.004)
    assert np.all(np.diff(times) >= 0.0) and not np.any(sources == 1)
    for j in (0, 2, 3):
        own = times[sources == j]
        assert np.allclose(np.diff(own), 0.004 / x[j], rtol=1e-9) and own[0] < 0.004 / x[j]
        assert own.size == np.ceil((0.5 - own[0]) / (0.004 / x[j]) - 1e-9)
    assert not np.array_equal(times[:5], input_events(x, np.uint64(78), 0.5, 0.004)[0][:5])


def test_a_lone_neuron_has_the_rate_of_the_closed_form():
    theta, tau, t_ref = 0.05, 0.04, 0.004
    bias = np.array([0.04, 0.0501, 0.06, 0.2, 1.0, -3.0])
    network = EqSpikeNetwork(np.zeros((1, 5)), np.zeros((5, 1)), bias)
    found = presentation(network, [0.0], 0, v=np.zeros(6), phases=np.array([[3.0, 0.0, 0.0, 0.0]]), label=-1)
    for i, current in enumerate(bias):
        spikes = found.times[found.neurons == i]
        if current <= theta:
            assert not spikes.size
        else:
            period = tau * math.log(current / (current - theta)) + t_ref
            assert np.allclose(spikes, period - t_ref + period * np.arange(spikes.size), rtol=1e-9)
            assert spikes[-1] + period > 3.0
