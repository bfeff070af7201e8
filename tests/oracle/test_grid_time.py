"""Grid time against clocked loops: the same spikes, step for step, while silent neurons are not stepped."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.kernels import lattice_neuron

from . import clocked

DT = 1e-3
N, STEPS = 300, 400


def table(spikes, n, steps, dt=DT):
    """Counts [steps, n] of a list of spikes."""
    counts = np.zeros((steps, n))
    at = np.rint(spikes.times / dt).astype(int)
    assert np.array_equal(at * dt, spikes.times)
    np.add.at(counts, (at, spikes.neurons), 1)
    return counts


def events(counts, dt=DT):
    """The list of spikes of counts [steps, n]."""
    at, who = np.nonzero(counts)
    many = counts[at, who].astype(int)
    return es.Spikes(np.repeat(at, many) * dt, np.repeat(who, many))


def parameters(name, seed):
    """Random parameters of N neurons, every neuron its own."""
    draw = np.random.default_rng(seed)
    between = lambda low, high: draw.uniform(low, high, N)  # noqa: E731
    if name.startswith("Leaky"):
        return {"beta": between(0.5, 0.99), "threshold": between(0.5, 1.5), "reset_mechanism": name.split("-")[1]}
    if name.startswith("Synaptic"):
        return {"alpha": between(0.3, 0.95), "beta": between(0.5, 0.99), "threshold": between(1.0, 4.0),
                "reset_mechanism": name.split("-")[1]}
    if name.startswith("NorseLIF"):
        return {"tau_mem": between(5e-3, 4e-2), "tau_syn": between(2e-3, 1e-2), "v_leak": between(-0.2, 0.2),
                "v_threshold": between(0.3, 1.0), "v_reset": between(-0.3, 0.1), "refractory": 5 * name.endswith("refractory")}
    if name.startswith("SlayerCUBA"):
        return {"threshold": between(0.8, 3.0), "current_decay": between(0.1, 1.0), "voltage_decay": between(0.01, 0.5),
                "bias": between(-0.02, 0.06) if name.endswith("bias") else 0.0}
    if name.startswith("DECOLLE"):
        return {"alpha": between(0.9, 0.98), "beta": between(0.8, 0.95), "gamma": between(0.4, 0.8), "rho": between(0.5, 1.5),
                "bias": between(-0.4, 0.02) if name.endswith("bias") else -0.1}
    if name == "TSSLBP":
        return {"tau_mem": between(2.0, 12.0), "tau_syn": between(1.5, 8.0), "threshold": between(0.7, 1.5)}
    if name == "TSSLBP-equal":
        return {"tau_mem": 5.0, "tau_syn": 5.0}
    return {"threshold": between(0.5, 2.0), "reset": "zero" if name.endswith("zero") else "subtract",
            "multi": name.endswith("multi"), "bias": between(-0.01, 0.08) if name.endswith("bias") else 0.0}


GAIN = {"DECOLLE": 10.0, "NorseLIF": 3.0, "TSSLBP": 2.0, "SlayerCUBA": 1.5, "IF": 0.7}
PRESETS = ["Leaky-subtract", "Leaky-zero", "Leaky-none", "Synaptic-subtract", "Synaptic-zero", "Synaptic-none", "NorseLIF",
           "NorseLIF-refractory", "SlayerCUBA", "SlayerCUBA-bias", "DECOLLE", "DECOLLE-bias", "TSSLBP", "TSSLBP-equal", "IF",
           "IF-zero", "IF-multi", "IF-bias"]


def both(name, seed, shared=False):
    """(grid population, clocked layer) of a preset with the same random parameters; `shared`: those of the first neuron."""
    family, given_ = name.split("-")[0], parameters(name, seed)
    if shared:
        given_ = {key: value[0] if isinstance(value, np.ndarray) else value for key, value in given_.items()}
    return getattr(es.grid, family)(N, **given_), getattr(clocked, family)(N, **given_)


def test_every_preset_is_tested():
    made = {n for n, f in vars(es.grid).items() if callable(f) and getattr(f, "__module__", "") == es.grid.__name__
            and n[0].isupper()} - {"GridNeuron"}
    assert made == {p.split("-")[0] for p in PRESETS}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_300_neurons_over_400_steps_spike_for_spike(name, shared):
    """Own (or shared) parameters and own Poisson-like input of either sign for every neuron."""
    population, layer = both(name, 3, shared)
    draw = np.random.default_rng(11)
    weights = draw.normal(0.4, 0.5, N) * GAIN.get(name.split("-")[0], 1.0)
    counts = (draw.random((STEPS, N)) < 0.12).astype(float)
    net = es.Network()
    net.add("in", es.Input(N))
    net.add("out", population)
    net.connect("in", "out", es.OneToOne(weights))
    run = es.simulate(net, {"in": events(counts)}, until=(STEPS - 1) * DT, dt=DT)
    expected, = clocked.run([layer], counts, [np.diag(weights)], STEPS)
    assert expected.sum() > 400 and run.diagnostics["swept"] > 100 * N
    assert np.array_equal(table(run.spikes["out"], N, STEPS), expected)
    assert run.diagnostics["near_threshold"] == 0
    assert run.counts.spikes["out"] == expected.sum()
    assert run.counts.synaptic_events["in->out"] == counts.sum()
    assert run.counts.neuron_updates["out"] == counts.sum() + expected.sum()


@pytest.mark.parametrize("name", PRESETS)
def test_a_fifth_of_the_updates_at_two_percent_activity(name):
    population, layer = both(name, 3)
    draw = np.random.default_rng(12)
    weights = draw.normal(0.3, 0.3, N) * GAIN.get(name.split("-")[0], 1.0)
    counts = (draw.random((STEPS, N)) < 0.02).astype(float)
    net = es.Network()
    net.add("in", es.Input(N))
    net.add("out", population)
    net.connect("in", "out", es.OneToOne(weights))
    run = es.simulate(net, {"in": events(counts)}, until=(STEPS - 1) * DT, dt=DT)
    expected, = clocked.run([layer], counts, [np.diag(weights)], STEPS)
    assert np.array_equal(table(run.spikes["out"], N, STEPS), expected)
    if expected.sum() < 0.1 * expected.size:
        assert run.diagnostics["visits"] < 1.01 * (counts.sum() + expected.sum()) + N / 10
        assert 5 * (run.diagnostics["visits"] + run.diagnostics["swept"]) < N * STEPS


def layered(makers, weights, seed, recurrent=None, kind=es.Dense):
    """(network, clocked layers) of a stack of layers, each fed within the step; `recurrent` per layer [n, n] or None."""
    net, layers = es.Network(), []
    net.add("layer0", es.Input(weights[0].shape[0]))
    for k, (maker, w) in enumerate(zip(makers, weights)):
        family, options = maker
        net.add(f"layer{k + 1}", getattr(es.grid, family)(w.shape[1], **options))
        net.connect(f"layer{k}", f"layer{k + 1}", kind(w))
        layers.append(getattr(clocked, family)(w.shape[1], **options))
        if recurrent is not None and recurrent[k] is not None:
            net.connect(f"layer{k + 1}", f"layer{k + 1}", es.Dense(recurrent[k], delay=DT))
    return net, layers


STACKS = {
    "Leaky": ({"beta": 0.9}, 0.5), "Synaptic": ({"alpha": 0.8, "beta": 0.9, "reset_mechanism": "zero"}, 0.2),
    "NorseLIF": ({}, 1.2), "SlayerCUBA": ({"threshold": 1.0, "current_decay": 0.4, "voltage_decay": 0.1}, 0.3),
    "DECOLLE": ({"bias": -0.05}, 2.0), "TSSLBP": ({}, 0.7), "IF": ({}, 0.25)}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_three_layers_within_one_step_and_recurrence_one_step_later(name, recurrent):
    options, scale = STACKS[name]
    draw = np.random.default_rng(5)
    sizes = (40, 60, 50, 30)
    weights = [draw.normal(0.1 * scale, 0.7 * scale, size) for size in zip(sizes[:-1], sizes[1:])]
    feedback = [draw.normal(-0.1 * scale, 0.5 * scale, (n, n)) if recurrent else None for n in sizes[1:]]
    net, layers = layered([(name, options)] * 3, weights, 1, feedback)
    counts = (draw.random((STEPS, sizes[0])) < 0.05).astype(float)
    run = es.simulate(net, {"layer0": events(counts)}, until=(STEPS - 1) * DT, dt=DT)
    expected = clocked.run(layers, counts, weights, STEPS, feedback)
    for k, (n, e) in enumerate(zip(sizes[1:], expected), 1):
        assert np.array_equal(table(run.spikes[f"layer{k}"], n, STEPS), e), k
        assert 20 < e.sum() < 0.9 * e.size
        assert run.counts.spikes[f"layer{k}"] == e.sum()
        before = counts if k == 1 else expected[k - 2]
        assert run.counts.synaptic_events[f"layer{k - 1}->layer{k}"] == before.sum() * n
    assert run.diagnostics["near_threshold"] == 0


def with_delays(populations, projections, counts, steps):
    """The clocked loop of any network: (name, layer, n) in an order that fits; (source, target, matrix, delays in steps)."""
    spikes = {name: np.zeros((steps, n)) for name, _, n in populations}
    spikes["in"] = counts
    for t in range(steps):
        for name, layer, n in populations:
            drive = np.zeros(n)
            for source, target, matrix, delays in projections:
                for d in np.unique(delays) if target == name else ():
                    if t >= d:
                        drive += spikes[source][t - d] @ np.where(delays == d, matrix, 0.0)
            spikes[name][t] = layer.step(drive)
    return spikes


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 10**6), some.sampled_from(sorted(STACKS)), some.sampled_from(sorted(STACKS)), some.booleans())
def test_networks_with_delays(seed, first, second, single_precision):
    """Two populations of different presets, four projections, delays of 0 to 2,500 steps per synapse."""
    draw = np.random.default_rng(seed)
    n, steps, longest = 12, 150, draw.choice([3, 40, 2500])
    projections, net = [], es.Network()
    for name, family in (("in", None), ("a", first), ("b", second)):
        net.add(name, es.Input(n) if family is None else getattr(es.grid, family)(n, **STACKS[family][0]))
    for source, target, least in (("in", "a", 0), ("a", "b", 0), ("a", "a", 1), ("b", "a", 1), ("in", "b", 0)):
        scale = STACKS[first if target == "a" else second][1]
        matrix = draw.normal(0.3 * scale, 2.0 * scale, (n, n)) * (draw.random((n, n)) < 0.5)
        matrix = matrix.astype(np.float32).astype(np.float64) if single_precision else matrix
        delays = draw.choice([least, 1, 2, longest], (n, n))
        pre, post = np.nonzero(matrix)
        kept = matrix[pre, post]
        net.connect(source, target, es.Sparse(pre, post, weight=kept.astype(np.float32) if single_precision else kept,
                                              delay=delays[pre, post] * DT))
        projections.append((source, target, matrix, delays))
    counts = (draw.random((steps, n)) < 0.1).astype(float)
    run = es.simulate(net, {"in": events(counts)}, until=(steps - 1) * DT, dt=DT)
    layers = [(name, getattr(clocked, family)(n, **STACKS[family][0]), n) for name, family in (("a", first), ("b", second))]
    expected = with_delays(layers, projections, counts, steps)
    for name in "ab":
        assert np.array_equal(table(run.spikes[name], n, steps), expected[name])


@pytest.mark.parametrize("name", ["Leaky", "DECOLLE", "TSSLBP", "NorseLIF", "SlayerCUBA"])
def test_analog_inputs_are_modes_not_events(name):
    """A current that is switched twice and one that decays, against a loop that feeds them in every step."""
    options, scale = STACKS[name]
    draw = np.random.default_rng(2)
    population = getattr(es.grid, name)(N, **options, analog=(1.0, 0.97))
    level, burst, switch = draw.normal(0.3, 0.3, N) * scale, draw.normal(0.5, 1.0, N) * scale, draw.normal(0.0, 0.3, N) * scale
    net = es.Network()
    for source in ("on", "later", "burst"):
        net.add(source, es.Input(1))
    net.add("out", population)
    for source, w, port in (("on", level, 1), ("later", switch, 1), ("burst", burst, 2)):
        net.connect(source, "out", es.Dense(w[None]), port=port)
    at = {"on": 0, "later": 200, "burst": 30}
    run = es.simulate(net, {k: es.Spikes([v * DT], [0]) for k, v in at.items()}, until=(STEPS - 1) * DT, dt=DT)
    t = np.arange(STEPS)[:, None]
    drive = level + switch * (t >= at["later"]) + np.where(t >= at["burst"], burst * 0.97 ** (t - at["burst"]), 0.0)
    layer = getattr(clocked, name)(N, **options)
    expected = np.stack([layer.step(s) for s in drive])
    assert expected.sum() > 500
    assert np.array_equal(table(run.spikes["out"], N, STEPS), expected)
    assert run.counts.synaptic_events.total == 3 * N
    assert run.diagnostics["visits"] + run.diagnostics["swept"] < max(2 * (expected.sum() + 3 * N), 1.01 * N * STEPS)


def test_neurons_driven_by_a_bias_are_predicted_not_stepped():
    draw = np.random.default_rng(8)
    options = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.01, "bias": draw.uniform(0.005, 0.03, N)}
    net = es.Network()
    net.add("out", es.grid.SlayerCUBA(N, **options))
    run = es.simulate(net, until=5.0, dt=DT)
    layer = clocked.SlayerCUBA(N, **options)
    expected = np.stack([layer.step(np.zeros(N)) for _ in range(5001)])
    assert np.array_equal(table(run.spikes["out"], N, 5001), expected)
    visits, swept = run.diagnostics["visits"], run.diagnostics["swept"]
    assert swept <= 18 * N  # at the beginning
    assert 1000 < expected.sum() - swept <= visits < 1.01 * expected.sum()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_bursts_are_swept_and_pauses_are_not(name, shared):
    """Input that comes and goes: every neuron in every step or hardly any; spikes are those of the loop all the way."""
    population, layer = both(name, 4, shared)
    draw = np.random.default_rng(13)
    steps, family = 900, name.split("-")[0]
    weights = draw.normal(0.1, 0.25, (30, N)) * GAIN.get(family, 1.0)
    busy = (np.arange(steps) // 60) % 3 == 1
    counts = (draw.random((steps, 30)) < np.where(busy, 0.2, 0.0003)[:, None]).astype(float)
    net = es.Network()
    net.add("in", es.Input(30))
    net.add("out", population)
    net.connect("in", "out", es.Dense(weights.astype(np.float32)) if family == "IF" else es.Dense(weights))
    run = es.simulate(net, {"in": events(counts)}, until=(steps - 1) * DT, dt=DT)
    weights = weights.astype(np.float32).astype(float) if family == "IF" else weights
    expected, = clocked.run([layer], counts, [weights], steps)
    assert np.array_equal(table(run.spikes["out"], N, steps), expected)
    assert expected.sum() > 500
    assert run.counts.synaptic_events["in->out"] == counts.sum() * N
    visits, swept = run.diagnostics["visits"], run.diagnostics["swept"]
    assert swept % N == 0 and swept >= 240 * N
    if expected[~busy].sum() < 0.01 * N * (~busy).sum():
        assert swept < 700 * N and 0 < visits < 60 * N
        assert run.diagnostics["next_spike_searches"] - visits >= 4 * N  # a search per neuron after every burst


def test_recorded_potentials_are_those_of_the_loop():
    draw = np.random.default_rng(4)
    weights = draw.normal(0.4, 0.5, (20, N))
    net, (layer,) = layered([("Synaptic", {"alpha": 0.8, "beta": 0.9, "threshold": 4.0})], [weights], 1)
    counts = (draw.random((STEPS, 20)) < 0.03).astype(float)
    run = es.simulate(net, {"layer0": events(counts)}, until=(STEPS - 1) * DT, dt=DT,
                      record=es.Record(v={"layer1": "all"}, v_interval=DT))
    for t in range(STEPS):
        layer.step(counts[t] @ weights)
        assert run.v["layer1"].values[t] == pytest.approx(layer.mem, rel=1e-12, abs=1e-12)


def test_ties_are_counted_and_listed():
    """Weights of a tenth: sums that reach the threshold up to rounding only."""
    net = es.Network()
    net.add("in", es.Input(2))
    net.add("out", es.grid.IF(2))
    net.connect("in", "out", es.OneToOne([0.1, 0.125]))
    counts = np.ones((25, 2))
    run = es.simulate(net, {"in": events(counts)}, until=24 * DT, dt=DT)
    expected, = clocked.run([clocked.IF(2)], counts, [np.diag([0.1, 0.125])], 25)
    assert np.array_equal(table(run.spikes["out"], 2, 25)[:, 1], expected[:, 1])
    near = run.diagnostics["near_threshold_steps"].split()
    assert [w for w in near if w.startswith("out[1]")] == ["out[1]@7", "out[1]@15", "out[1]@23"]
    assert [w for w in near if w.startswith("out[0]")][0] == "out[0]@9"
    assert run.diagnostics["near_threshold"] == len(near)


@settings(max_examples=200, deadline=None)
@given(some.integers(0, 10**6), some.integers(1, 4), some.booleans())
@example(3, 3, True)
def test_the_search_finds_the_first_step(seed, m, equal):
    """Any signs, decays close to one another, equal, 0 and 1, against stepping; up to the rounding of the tables."""
    draw = np.random.default_rng(seed)
    a = np.triu(draw.normal(0.0, 0.5, (m, m)), 1)
    np.fill_diagonal(a, draw.choice([0.0, 0.5, 0.9, 0.97, 1.0, *draw.uniform(0.0, 1.0, 6)], m))
    if equal:
        np.fill_diagonal(a, a[0, 0])
    read, y = draw.normal(0.0, 1.0, m), draw.normal(0.0, 1.0, m)
    power, gain = np.zeros((1, 7 * lattice_neuron.LEVELS, m, m)), np.zeros((1, 8, 2, m))
    slow = max((d for d in np.diag(a) if d < 1.0), default=0.0)
    lasting = int(60.0 / -np.log(max(slow, 1e-9))) + 10
    lattice_neuron.fill_tables(a[None], read[None], power, gain, np.array([lasting]), np.zeros((2, m)))
    u, x = [], y.copy()
    for _ in range(300):
        x = a @ x
        u.append(read @ x)
    u = np.array(u)
    level = draw.choice([u.max() - 1e-7 * abs(u.max()), np.quantile(u, 0.99), draw.normal(0.0, 1.0), u[-1] + 0.1])
    surely, perhaps = (np.flatnonzero(u >= level + margin) for margin in (1e-12, -1e-12))
    grid = lattice_neuron.Grid(np.zeros((1, 1), np.int64), np.zeros(1, np.int64), power, gain, read[None],
                               np.zeros((1, 1, m)), np.zeros(1, np.int64))
    k, exact = lattice_neuron.candidate(grid, y.copy(), m, level)
    if exact:
        assert k - 1 in perhaps and not (surely < k - 1).any()
    elif k == 0:
        assert not surely.size
    else:
        assert k == 64 and not (surely < 64).any()
