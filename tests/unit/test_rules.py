"""Learning rules against sums over pairs and triplets of spikes written out, between schedulers, and their errors."""

import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.errors import InputError, NetworkError, NotAvailableError, ParameterError, UnknownNameError

UP, DOWN = 17e-3, 34e-3


def parrots(n_source, n_target, delay=0.0, weight=0.5, connection=None):
    """Targets that spike exactly when "drive" does, and synapses that are too weak to matter."""
    net = es.Network()
    net.add("in", es.Input(n_source))
    net.add("drive", es.Input(n_target))
    net.add("out", es.LIF(n_target, tau_mem=1e-3, tau_syn=0.0, v_threshold=1e6))
    pre, post = np.divmod(np.arange(n_source * n_target), n_target)
    net.connect("in", "out", connection or es.Sparse(pre, post, weight=weight, delay=delay), name="plastic")
    net.connect("drive", "out", es.OneToOne(2e6))
    return net


def trains(seed, n, spikes, until):
    draw = np.random.default_rng(seed)
    return es.Spikes(np.sort(draw.uniform(0.0, until, spikes)), draw.integers(0, n, spikes))


def events(pre, post):
    """All arrivals (0) and spikes of the target (1) in order of time."""
    return sorted([(t, 0) for t in pre] + [(t, 1) for t in post])


def pairs(pre, post, w, plus, minus, low, high):
    """The weight after all pairs, additive, each sum written out."""
    for t, spike in events(pre, post):
        others = [u for u in (pre if spike else post) if u < t]
        if spike:
            w += plus * sum(np.exp(-(t - u) / UP) for u in others)
        else:
            w -= minus * sum(np.exp(-(t - u) / DOWN) for u in others)
        w = min(max(w, low), high)
    return w


@pytest.mark.parametrize("delay", [0.0, 2.3e-3])
@pytest.mark.parametrize("dense", [False, True])
def test_pairs_are_summed_exactly(delay, dense):
    inputs = {"in": trains(1, 4, 60, 0.6), "drive": trains(2, 3, 45, 0.6)}
    weight = np.random.default_rng(0).uniform(0.2, 0.8, (4, 3))
    connection = es.Dense(weight, delay=delay) if dense else None
    net = parrots(4, 3, delay, weight.ravel(), connection)
    sim = es.Simulation(net, inputs, rules=[es.STDP("plastic", a_plus=0.013, a_minus=0.011, tau_plus=UP, tau_minus=DOWN)])
    run = sim.run(0.7)
    assert run.counts.spikes["out"] == 45
    source, target, found = sim.weights("plastic")
    for i, j, w in zip(source, target, found):
        pre = inputs["in"].times[inputs["in"].neurons == i] + delay
        post = inputs["drive"].times[inputs["drive"].neurons == j]
        assert w == pytest.approx(pairs(pre, post, weight[i, j], 0.013, 0.011, 0.0, 1.0), abs=1e-12)


@pytest.mark.parametrize("lag", [-40e-3, -3e-3, -1e-6, 1e-6, 5e-3, 30e-3])
def test_the_window_of_one_pair(lag):
    inputs = {"in": es.Spikes([0.1], [0]), "drive": es.Spikes([0.1 + lag], [0])}
    rule = es.STDP("plastic", a_plus=0.1, a_minus=0.2, tau_plus=UP, tau_minus=DOWN)
    sim = es.Simulation(parrots(1, 1), inputs, rules=[rule])
    sim.run(0.3)
    change = 0.1 * np.exp(-lag / UP) if lag > 0 else -0.2 * np.exp(lag / DOWN)
    assert sim.weights("plastic")[2][0] - 0.5 == pytest.approx(change, abs=1e-12)


def test_arrivals_at_one_instant_come_before_the_spike_that_they_cause():
    inputs = {"in": es.Spikes([0.1], [0]), "drive": es.Spikes([0.1], [0])}
    net = parrots(1, 1)
    sim = es.Simulation(net, inputs, rules=[es.STDP("plastic", a_plus=0.1, a_minus=0.2)])
    sim.run(0.2)  # no trace of a spike depresses; the trace of the arrival, 1, potentiates
    assert sim.weights("plastic")[2][0] == pytest.approx(0.6, abs=1e-15)


@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0, 20.0, 50.0])
@pytest.mark.parametrize("lag", [-10e-3, 10e-3])
def test_triplets_at_a_rate(rate, lag):
    """60 pairs, as in Sjoestroem et al. 2001: sums over pairs and triplets in closed form."""
    a2p, a3p, a2m, a3m, tp, tx, tm, ty = 5e-10, 6.2e-3, 7e-3, 2.3e-4, 16.8e-3, 101e-3, 33.7e-3, 125e-3
    pre = 1.0 + np.arange(60) / rate
    post = pre + lag
    inputs = {"in": es.Spikes(pre, np.zeros(60, int)), "drive": es.Spikes(post, np.zeros(60, int))}
    rule = es.TripletSTDP("plastic", a2_plus=a2p, a3_plus=a3p, a2_minus=a2m, a3_minus=a3m, w_max=1e3)
    sim = es.Simulation(parrots(1, 1, weight=100.0), inputs, rules=[rule])
    sim.run(float(max(pre[-1], post[-1])) + 0.1)
    expected = 100.0
    for t in pre:
        expected -= np.exp(-(t - post[post < t]) / tm).sum() * (a2m + a3m * np.exp(-(t - pre[pre < t]) / tx).sum())
    for t in post:
        expected += np.exp(-(t - pre[pre < t]) / tp).sum() * (a2p + a3p * np.exp(-(t - post[post < t]) / ty).sum())
    assert sim.weights("plastic")[2][0] == pytest.approx(expected, abs=1e-11)


def test_nearest_spikes_only():
    inputs = {"in": trains(3, 1, 30, 0.5), "drive": trains(4, 1, 25, 0.5)}
    rule = es.STDP("plastic", a_plus=0.01, a_minus=0.008, tau_plus=UP, tau_minus=DOWN, nearest=True)
    sim = es.Simulation(parrots(1, 1), inputs, rules=[rule])
    sim.run(0.6)
    w, pre, post = 0.5, inputs["in"].times, inputs["drive"].times
    for t, spike in events(pre, post):
        others = [u for u in (pre if spike else post) if u < t][-1:]
        w += sum((0.01 if spike else -0.008) * np.exp(-(t - u) / (UP if spike else DOWN)) for u in others)
    assert sim.weights("plastic")[2][0] == pytest.approx(w, abs=1e-12)


def recurrent(seed):
    """A network that spikes because of its plastic synapses."""
    draw = np.random.default_rng(seed)
    net = es.Network()
    net.add("in", es.Input(30))
    net.add("exc", es.LIF(20, tau_mem=15e-3, tau_syn=4e-3, v_threshold=1.0, t_ref=2e-3))
    net.connect("in", "exc", es.Dense(draw.uniform(0.0, 1.0, (30, 20)).astype(np.float32), delay=1e-3), name="up")
    net.connect("exc", "exc", es.RandomOutdegree(6, weight=0.4, delay=1.5e-3, seed=seed), name="rec")
    return net, {"in": trains(seed, 30, 500, 0.2)}


RULES = [es.STDP("up", a_plus=0.02, a_minus=0.021, mu_plus=0.5, mu_minus=1.0),
         es.TripletSTDP("rec", a2_plus=5e-3, a3_plus=6e-2, a2_minus=7e-2, a3_minus=2e-3)]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_bits_however_it_is_run(seed, tmp_path):
    net, inputs = recurrent(seed)
    whole = es.Simulation(net, inputs, rules=RULES)
    expected = whole.run(0.25)
    assert expected.scheduler == "heap" and len(expected.spikes["exc"]) > 30
    assert np.abs(whole.weights("rec")[2] - 0.4).max() > 1e-3
    slow = es.Simulation(net, inputs, rules=RULES, scheduler="reference")
    window = es.Simulation(net, inputs, rules=RULES, scheduler="window")
    parts = es.Simulation(net, inputs, rules=RULES)
    for until in (0.05, 0.0501, 0.2):
        parts.run(until)
        parts.peek()
    parts.checkpoint(tmp_path / "half.h5")
    resumed = es.Simulation.resume(tmp_path / "half.h5")
    again = es.Simulation(net, inputs, rules=RULES)
    again.run(0.1)
    again.reset(inputs)
    for other in (slow, window, parts, resumed, again):
        run = other.run(0.25)
        np.testing.assert_array_equal(run.spikes["exc"].times, expected.spikes["exc"].times)
        for name in ("up", "rec"):
            for mine, theirs in zip(other.weights(name), whole.weights(name)):
                np.testing.assert_array_equal(mine, theirs)
            for key, values in whole.learning(name).items():
                np.testing.assert_array_equal(other.learning(name)[key], values)


def test_without_rules_weights_stay_and_so_does_the_network():
    net, inputs = recurrent(0)
    first = es.simulate(net, inputs, until=0.2)
    es.simulate(net, inputs, until=0.2, rules=RULES)
    again = es.simulate(net, inputs, until=0.2)
    np.testing.assert_array_equal(first.spikes["exc"].times, again.spikes["exc"].times)


def anti(w, x, y, s, g, p):
    s[0] += x[0]
    return w + p[0] * y[0] - p[1] * s[0]


def grow(w, x, y, s, g, p):
    g[0] += 1.0
    return w * 1.01 + 0.001 * g[0] * s[0]


def test_a_rule_of_ones_own_compiled_and_as_python():
    net, inputs = recurrent(4)
    options = {"on_pre": anti, "on_post": anti, "on_timer": grow, "every": 7e-3, "pre": {"x": 20e-3}, "post": {"y": 10e-3},
               "synapse": {"e": 50e-3}, "network": {"n": np.inf}, "parameters": [0.01, 0.002], "w_min": -1.0, "w_max": 1.5}
    found = []
    for compiled in (True, False):
        sim = es.Simulation(net, inputs, rules=[es.Rule("up", compiled=compiled, **options)])
        times = sim.run(0.1).spikes["exc"].times
        found.append((times, sim.weights("up")[2], *sim.learning("up").values()))
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)
    assert sim.learning("up")["n"][0] == 14 * 600  # timer events up to 0.1 s, once per synapse


def test_timers_fall_on_their_multiples_whatever_the_chunks():
    net, inputs = parrots(2, 2), {"in": es.Spikes([0.01, 0.02], [0, 1])}
    rule = es.Rule("plastic", on_timer=lambda w, x, y, s, g, p: w + x[0], every=0.1, pre={"x": 0.05})
    found = []
    for stops in ((0.35,), (0.1, 0.2, 0.35), (0.05, 0.0999, 0.1001, 0.35)):
        sim = es.Simulation(net, inputs, rules=[rule])
        for stop in stops:
            sim.run(stop)
        found.append(sim.weights("plastic")[2])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    expected = 0.5 + sum(np.exp(-(t - 0.01) / 0.05) for t in (0.1, 0.2, 0.3))
    assert found[0][0] == pytest.approx(expected, abs=1e-12)


def test_reward_turns_eligibility_into_weight():
    inputs = {"in": es.Spikes([0.1], [0]), "drive": es.Spikes([0.11], [0])}
    rule = es.RewardSTDP("plastic", a_plus=0.1, a_minus=0.1, tau_plus=UP, tau_minus=DOWN, tau_eligibility=0.4)
    sim = es.Simulation(parrots(1, 1), inputs, rules=[rule])
    sim.run(0.5)
    eligible = 0.1 * np.exp(-0.01 / UP) * np.exp(-0.39 / 0.4)
    assert sim.weights("plastic")[2][0] == 0.5
    assert sim.learning("plastic")["eligibility"][0] == pytest.approx(eligible, abs=1e-14)
    sim.trigger("plastic", reward=2.0)
    assert sim.weights("plastic")[2][0] == pytest.approx(0.5 + 2.0 * eligible, abs=1e-14)
    with pytest.raises(UnknownNameError, match="rewrd"):
        sim.trigger("plastic", rewrd=1.0)


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10**6), some.floats(0.0, 0.3), some.floats(0.0, 0.3), some.sampled_from([0.0, 0.4, 1.0]))
def test_weights_stay_within_their_bounds(seed, plus, minus, mu):
    inputs = {"in": trains(seed, 3, 80, 0.3), "drive": trains(seed + 1, 2, 60, 0.3)}
    rule = es.STDP("plastic", a_plus=plus, a_minus=minus, mu_plus=mu, mu_minus=mu, w_min=0.1, w_max=0.7)
    sim = es.Simulation(parrots(3, 2, 1e-3), inputs, rules=[rule])
    sim.run(0.4)
    w = sim.weights("plastic")[2]
    assert np.all((w >= 0.1) & (w <= 0.7)) and (plus == minus == 0.0) <= np.all(w == 0.5)


def test_an_error_of_a_python_function_comes_out():
    def broken(w, x, y, s, g, p):
        raise RuntimeError("no weight today")

    inputs = {"in": es.Spikes([0.1], [0])}
    with pytest.raises(RuntimeError, match="no weight today"):
        es.simulate(parrots(1, 1), inputs, until=0.2, rules=[es.Rule("plastic", on_pre=broken, compiled=False)])
    with pytest.raises(ParameterError, match="'broken' of a rule cannot be compiled|no weight"):
        es.Simulation(parrots(1, 1), inputs, rules=[es.Rule("plastic", on_pre=lambda w, x, y, s, g, p: open(w))])


def test_what_cannot_learn_is_refused(tmp_path):
    rule = es.STDP("plastic", a_plus=0.1, a_minus=0.1)
    with pytest.raises(UnknownNameError, match="plastik"):
        es.Simulation(parrots(1, 1), rules=[es.STDP("plastik", a_plus=0.1, a_minus=0.1)])
    with pytest.raises(ParameterError, match="two rules"):
        es.Simulation(parrots(1, 1), rules=[rule, rule])
    with pytest.raises(NetworkError, match="only local rules"):
        es.Simulation(parrots(1, 1), rules=[es.RewardSTDP("plastic", a_plus=0.1, a_minus=0.1)], scheduler="window")
    with pytest.raises(ParameterError, match="threads"):
        es.Simulation(parrots(1, 1), rules=[rule], threads=2)
    with pytest.raises(ParameterError, match="got str"):
        es.Simulation(parrots(1, 1), rules=["stdp"])
    with pytest.raises(NotAvailableError, match="not stored"):
        net = es.Network()
        net.add("in", es.Input(4))
        net.add("out", es.LIF(4, tau_mem=1e-2, tau_syn=0.0, v_threshold=1.0))
        net.connect("in", "out", es.Conv2d(np.ones((1, 1, 1, 1)), (1, 2, 2)), name="plastic")
        es.Simulation(net, rules=[rule])
    sim = es.Simulation(parrots(1, 1), rules=[es.Rule("plastic", on_pre=lambda w, x, y, s, g, p: w)])
    with pytest.raises(InputError, match="top level"):
        sim.checkpoint(tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ParameterError, match="no on_timer"):
        sim.trigger("plastic")
    with pytest.raises(ParameterError, match="has no rule"):
        sim.learning("drive->out")


@pytest.mark.parametrize("change, words", [
    ({"on_pre": None}, "needs on_pre"), ({"on_pre": 3}, "on_pre of a rule"), ({"every": 0.1}, "every of a rule"),
    ({"pre": [20e-3]}, "pre of a rule"), ({"post": {"y": 0.0}}, "tau of Variable"), ({"parameters": [np.nan]}, "parameters"),
    ({"w_min": 2.0, "w_max": 1.0}, "w_min of a rule"), ({"synapse": dict.fromkeys("abcde", 1.0)}, "at most 4"),
])
def test_bad_rules_are_refused(change, words):
    with pytest.raises(ParameterError, match=words):
        es.Rule("plastic", **({"on_pre": anti} | change))


def test_bad_constants_of_stdp_are_named():
    with pytest.raises(ParameterError, match="a_plus of STDP must be a finite number >= 0, got -1"):
        es.STDP("plastic", a_plus=-1, a_minus=0.0)
    with pytest.raises(ParameterError, match="w_max of STDP must be > 0"):
        es.STDP("plastic", a_plus=0.1, a_minus=0.1, mu_plus=1.0, w_max=0.0)


def test_the_rule_of_the_docs_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "plasticity.md").read_text()
    code = page.split("```python\n")[2].split("```")[0]
    found = {}
    exec(compile(code, "docs/plasticity.md", "exec"), found)
    w = found["simulation"].weights("in->out")[2]
    assert capsys.readouterr().out and w.min() >= 0.0 and w.max() <= 1.0 and w.std() > 0.0


def test_examples_of_docstrings():
    for name in ("rule", "stdp", "other"):
        assert doctest.testmod(import_module(f"eventsnn.rules.{name}")).failed == 0


@pytest.mark.parametrize("tau_fac", [0.0, 0.3])
def test_short_term_plasticity_delivers_what_is_left(tau_fac):
    times, weights = np.sort(np.random.default_rng(8).uniform(0.0, 1.0, 30)), np.array([2.0, -3.0])
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("out", es.LI(2, tau_mem=1e9, tau_syn=0.0))
    net.connect("in", "out", es.Dense(weights[None]), name="plastic")
    rule = es.TsodyksMarkram("plastic", U=0.4, tau_rec=0.5, tau_fac=tau_fac)
    simulation = es.Simulation(net, {"in": es.Spikes(times, np.zeros(30, int))}, rules=[rule])
    u, left, last, total = 0.0, 1.0, 0.0, 0.0
    for t in times:
        u = 0.4 if tau_fac == 0.0 else u * np.exp(-(t - last) / tau_fac)
        u = u if tau_fac == 0.0 else u + 0.4 * (1.0 - u)
        left = 1.0 - (1.0 - left) * np.exp(-(t - last) / 0.5)
        simulation.run(t)
        np.testing.assert_allclose(simulation.weights("plastic")[2], weights * u * left, rtol=1e-12)
        total, left, last = total + u * left, left - u * left, t
        np.testing.assert_allclose(simulation.state("out")["v"], weights * total, rtol=1e-8)
    simulation.reset({"in": es.Spikes(times[:1], [0])})
    simulation.run(1.0)
    np.testing.assert_allclose(simulation.weights("plastic")[2], weights * 0.4, rtol=1e-12)


@pytest.mark.parametrize("delays", [[1e-3, 2e-3, 1e-3, 3.5e-3] * 5, list(np.linspace(0.5e-3, 9e-3, 20))])
def test_synapses_of_different_delays_learn_as_projections_of_one_delay_each(delays):
    delays, draw = np.array(delays), np.random.default_rng(5)
    pre, post = np.divmod(np.arange(20), 5)
    weight = draw.uniform(0.1, 0.9, 20)
    inputs = {"in": trains(3, 4, 120, 0.5), "drive": trains(4, 5, 60, 0.5)}
    rule = {"a_plus": 0.02, "a_minus": 0.015, "tau_plus": UP, "tau_minus": DOWN}
    found = []
    for scheduler in ("heap", "window", "reference"):
        net = parrots(4, 5, connection=es.Sparse(pre, post, weight=weight, delay=delays))
        sim = es.Simulation(net, inputs, rules=[es.STDP("plastic", **rule)], scheduler=scheduler)
        sim.run(0.6)
        found.append((sim.weights("plastic")[2], sim.learning("plastic")["x"]))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    source, target, learned = sim.weights("plastic")
    for i, j, w, trace in zip(source, target, learned, found[0][1]):
        delay = delays[5 * i + j]
        arrivals = inputs["in"].times[inputs["in"].neurons == i] + delay
        spikes = inputs["drive"].times[inputs["drive"].neurons == j]
        assert w == pytest.approx(pairs(arrivals, spikes, weight[5 * i + j], 0.02, 0.015, 0.0, 1.0), abs=1e-12)
        assert trace == pytest.approx(np.exp(-(0.6 - arrivals) / UP).sum(), rel=1e-12)


def tire(v, x, y, s, g, p):
    return v + p[0] + p[1] * y[0]


def tired(scheduler, rule, tmp_path=None, t_ref=0.0):
    net = es.Network()
    net.add("out", es.LIF(2, tau_mem=10e-3, tau_syn=0.0, v_threshold=[0.5, 0.7], i_offset=2.0, t_ref=t_ref))
    sim = es.Simulation(net, rules=[rule], scheduler=scheduler)
    if tmp_path:
        sim.run(0.051)
        sim.checkpoint(tmp_path / "half.h5")
        sim = es.Simulation.resume(tmp_path / "half.h5")
    return sim, sim.run(0.2).spikes["out"]


@pytest.mark.parametrize("compiled, t_ref", [(True, 0.0), (True, 2e-3), (False, 2e-3)])
def test_thresholds_rise_at_spikes_as_in_closed_form(compiled, t_ref, tmp_path):
    rule = es.NeuronRule("out", on_spike=tire, variables={"y": 30e-3}, parameters=[0.01, 0.05], v_max=1.9, compiled=compiled)
    sim, spikes = tired("auto", rule, t_ref=t_ref)
    for j, v in enumerate((0.5, 0.7)):
        t, y = 0.0, 0.0
        for found in spikes.times[spikes.neurons == j]:
            rise = -10e-3 * np.log1p(-v / 2.0)
            assert found == pytest.approx(t + rise, rel=1e-12)
            y *= np.exp(-(rise + (t_ref if t else 0.0)) / 30e-3)
            v = min(v + 0.01 + 0.05 * y, 1.9)
            y, t = y + 1.0, found + t_ref
        assert sim.state("out")["threshold"][j] == pytest.approx(v, rel=1e-12)
        assert np.sum(spikes.neurons == j) > 5
    others = [tired("reference", rule, t_ref=t_ref), tired("heap", rule, tmp_path, t_ref=t_ref)]
    for _, other in others:
        np.testing.assert_array_equal(other.times, spikes.times)
    sim.reset()
    np.testing.assert_array_equal(sim.run(0.2).spikes["out"].times, spikes.times)


def test_thresholds_settle_where_the_rate_is_the_wanted_one():
    net = es.Network()
    net.add("in", es.Poisson(50, rate=20.0))
    net.add("out", es.LIF(3, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    net.connect("in", "out", es.Dense(np.array([0.2, 0.4, 0.6]) * np.ones((50, 1))))
    rule = es.IntrinsicPlasticity("out", rate=8.0, strength=0.1, tau=5.0)
    sim = es.Simulation(net, rules=[rule], seed=3)
    sim.run(200.0)
    spikes, thresholds = sim.result().spikes["out"], sim.state("out")["threshold"]
    rates = np.bincount(spikes.neurons[spikes.times > 100.0], minlength=3) / 100.0
    np.testing.assert_allclose(rates, 8.0, rtol=0.1)
    assert np.all(np.diff(thresholds) > 0.1) and sim.learning("out")["rate"].shape == (3,)


def test_the_delta_rule_follows_the_error_of_the_rates():
    inputs = {"in": trains(3, 4, 120, 0.5), "drive": trains(4, 3, 60, 0.5)}
    sim = es.Simulation(parrots(4, 3), inputs, rules=[es.Delta("plastic", rate=1e-4, tau=0.05, every=20e-3)])
    wanted = np.array([5.0, 50.0, 80.0])
    sim.set_learning("plastic", wanted=wanted)
    sim.run(0.31)
    sim.set_learning("plastic", wanted=20.0)
    sim.trigger("plastic")
    expected = np.full((4, 3), 0.5)
    for t, goal in [(k * 20e-3, wanted) for k in range(1, 16)] + [(0.31, 20.0)]:
        rate = [[np.exp(-(t - s.times[(s.neurons == i) & (s.times < t)]) / 0.05).sum() / 0.05 for i in range(n)]
                for s, n in ((inputs["in"], 4), (inputs["drive"], 3))]
        expected += 1e-4 * 20e-3 * np.outer(rate[0], goal - np.array(rate[1]))
    np.testing.assert_allclose(sim.weights("plastic")[2].reshape(4, 3), expected, rtol=1e-12)
    assert expected.std() > 1e-3


def test_the_delta_rule_brings_rates_to_the_wanted_ones():
    net = es.Network()
    net.add("in", es.Poisson(40, rate=30.0))
    net.add("out", es.LIF(3, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    net.connect("in", "out", es.Dense(np.full((40, 3), 0.3)), name="plastic")
    sim = es.Simulation(net, rules=[es.Delta("plastic", rate=2e-5, tau=0.5)], seed=1)
    sim.set_learning("plastic", wanted=[5.0, 15.0, 40.0])
    sim.run(60.0)
    spikes = sim.result().spikes["out"]
    np.testing.assert_allclose(np.bincount(spikes.neurons[spikes.times > 30.0]) / 30.0, [5.0, 15.0, 40.0], rtol=0.1)


def lost(w, x, y, s, g, p):
    return np.nan if x[0] > 0.0 else w


def test_a_function_that_gives_nan_is_named():
    inputs = {"in": es.Spikes([0.1, 0.105], [0, 0])}
    for scheduler in ("heap", "window"):
        sim = es.Simulation(parrots(1, 1), inputs, rules=[es.Rule("plastic", on_pre=lost, pre={"x": 1.0})], scheduler=scheduler)
        with pytest.raises(ParameterError, match="the rule of 'plastic' returned nan"):
            sim.run(0.2)
        assert sim.weights("plastic")[2] == 0.5


def test_rules_of_neurons_that_cannot_be_are_refused():
    rule = es.NeuronRule("out", on_spike=tire, parameters=[0.1, 0.0])
    for change, words in (({"on_spike": None}, "needs on_spike or on_timer"), ({"v_min": 2.0, "v_max": 1.0}, "v_min of a rule"),
                          ({"variables": {"y": -1.0}}, "tau of Variable")):
        with pytest.raises(ParameterError, match=words):
            es.NeuronRule("out", **({"on_spike": tire} | change))
    with pytest.raises(NetworkError, match="only local rules of synapses"):
        es.Simulation(parrots(1, 1), rules=[rule], scheduler="window")
    with pytest.raises(ParameterError, match="'out' has two rules"):
        es.Simulation(parrots(1, 1), rules=[rule, rule])
    with pytest.raises(UnknownNameError, match="aut"):
        es.Simulation(parrots(1, 1), rules=[es.NeuronRule("aut", on_spike=tire)])
    with pytest.raises(ParameterError, match="'in' has no thresholds"):
        es.Simulation(parrots(1, 1), rules=[es.NeuronRule("in", on_spike=tire)])
    sim = es.Simulation(parrots(1, 2), rules=[es.Delta("plastic", rate=1e-4)])
    with pytest.raises(UnknownNameError, match="want"):
        sim.set_learning("plastic", want=1.0)
    with pytest.raises(ParameterError, match="array of length 2"):
        sim.set_learning("plastic", wanted=[1.0, 2.0, 3.0])
    with pytest.raises(ParameterError, match="wanted .*nan"):
        sim.set_learning("plastic", wanted=np.nan)


def test_scaling_brings_a_neuron_to_its_rate():
    net = es.Network()
    net.add("in", es.Poisson(50, rate=20.0))
    net.add("out", es.LIF(3, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    net.connect("in", "out", es.Dense(np.array([0.05, 0.2, 0.6]) * np.ones((50, 1))), name="plastic")
    sim = es.Simulation(net, rules=[es.Scaling("plastic", rate=8.0, strength=0.02, tau=5.0)], seed=3)
    sim.run(200.0)
    spikes = sim.result().spikes["out"]
    rates = np.bincount(spikes.neurons[spikes.times > 100.0], minlength=3) / 100.0
    np.testing.assert_allclose(rates, 8.0, rtol=0.1)


def test_bad_constants_of_other_rules_are_named():
    for make, words in ((lambda: es.TsodyksMarkram("p", U=0.0, tau_rec=1.0), "U of TsodyksMarkram must be .* > 0 and <= 1"),
                        (lambda: es.TsodyksMarkram("p", U=0.5, tau_rec=0.0), "tau_rec"),
                        (lambda: es.Scaling("p", rate=np.nan, strength=1.0), "rate of Scaling"),
                        (lambda: es.Variable(1.0, start="w"), "start of Variable"),
                        (lambda: es.Rule("p", on_pre=anti, pre={"x": es.Variable(1.0, start="weight")}), "synapses only")):
        with pytest.raises(ParameterError, match=words):
            make()


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 10**6), some.floats(0.2e-3, 5e-3), some.booleans(), some.sampled_from([0.0, 0.3e-3, 1e-3, 8e-3]),
       some.sampled_from([0.0, 40.0, 90.0, 130.0]))
def test_heap_and_window_learn_the_same_bits(seed, delay, triplets, t_ref, drive):
    draw = np.random.default_rng(seed)
    net = es.Network()
    net.add("in", es.Input(8))
    net.add("a", es.LIF(6, tau_mem=draw.uniform(5e-3, 30e-3), tau_syn=draw.choice([0.0, 3e-3]), v_threshold=1.0, t_ref=t_ref,
                        i_offset=drive * 1e-2))
    net.add("b", es.LIF(5, tau_mem=10e-3, tau_syn=(3e-3, 8e-3), v_threshold=0.5, t_ref=t_ref))
    pre, post = np.divmod(np.arange(48), 6)
    delays = delay * draw.choice([1.0, 1.5, 2.0], 48) if seed % 3 else delay
    net.connect("in", "a", es.Sparse(pre, post, weight=draw.uniform(0.0, 1.2, 48), delay=delays), name="p")
    between = es.Dense(draw.uniform(0.0, 1.0, (6, 5)).astype(np.float32), delay=1.3 * delay)
    net.connect("a", "b", between, name="q", port=1)
    net.connect("b", "a", es.Dense(draw.normal(0.0, 0.3, (5, 6)), delay=delay), name="back")
    rules = [es.STDP("p", a_plus=0.05, a_minus=0.06, tau_plus=7e-3, tau_minus=3e-3, w_max=2.0, nearest=bool(seed % 2)),
             es.TripletSTDP("q", a2_plus=0.01, a3_plus=0.05, a2_minus=0.03, a3_minus=0.01) if triplets
             else es.TsodyksMarkram("q", U=0.3, tau_rec=0.1, tau_fac=0.05)]
    inputs, found = {"in": trains(seed, 8, 200, 0.15)}, []
    for scheduler in ("heap", "window"):
        sim = es.Simulation(net, inputs, rules=rules, scheduler=scheduler)
        sim.run(0.0731)
        run = sim.run(0.16)
        found.append((*(run.spikes[name].times for name in "ab"), *sim.weights("p"), *sim.weights("q"),
                      *sim.learning("p").values(), *sim.learning("q").values()))
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)
