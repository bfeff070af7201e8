"""Networks on BrainScaleS-2: ideal equals none, each distortion has its distribution, runs in parts equal one run."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import InputError, NetworkError, NotAvailableError, ParameterError, UnknownNameError
from eventsnn.hardware.substrate import COUNTER, neurons, refractory, synapses

UNTIL = 0.12
SIGMAS = 4.0


def chip(preset="ideal", **changes):
    return es.BrainScaleS2(preset, **changes)


def cells(n, **more):
    return es.LIF(n, **({"tau_mem": 6e-3, "tau_syn": 6e-3, "v_threshold": 1.0} | more))


def network(cycle=False, seed=1):
    draw = np.random.default_rng(seed)
    net = es.Network()
    net.add("left", es.Input(6))
    net.add("hidden", cells(20, tau_syn=(6e-3, 3e-3), t_ref=1e-3))
    net.add("right", es.Input(4))
    net.add("idle", es.Input(2))
    net.add("out", cells(5, i_offset=0.3))
    net.add("read", es.LI(3, tau_mem=6e-3, tau_syn=6e-3))
    net.connect("left", "hidden", es.Dense(draw.uniform(0.0, 0.9, (6, 20))))
    net.connect("right", "hidden", es.Dense(draw.uniform(-0.5, 0.7, (4, 20)), delay=0.3e-3), port=1)
    net.connect("hidden", "out", es.Dense(draw.uniform(-0.1, 0.6, (20, 5))))
    net.connect("hidden", "read", es.Dense(draw.uniform(0.0, 0.5, (20, 3))))
    if cycle:
        net.connect("out", "hidden", es.Dense(draw.uniform(-0.5, 0.5, (5, 20))))
        net.connect("hidden", "hidden", es.Sparse([0, 1, 2], [1, 2, 0], 0.4))
    spikes = {name: es.Spikes(np.round(draw.uniform(0.0, UNTIL, 25 * n), 4), draw.integers(0, n, 25 * n))
              for name, n in (("left", 6), ("right", 4), ("idle", 2))}
    return net, spikes


def same(a, b):
    assert a.counts == b.counts
    for name in a.spikes:
        assert np.array_equal(a.spikes[name].times, b.spikes[name].times)
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons)


def centred(values, mean, std):
    """Mean and spread within four standard errors."""
    assert abs(values.mean() - mean) < SIGMAS * std / np.sqrt(values.size)
    assert abs(values.std() - std) < SIGMAS * std / np.sqrt(2 * values.size)


@pytest.mark.parametrize("scheduler", ["auto", "heap", "reference"])
@pytest.mark.parametrize("cycle", [False, True])
def test_the_ideal_chip_changes_no_bit(cycle, scheduler):
    net, spikes = network(cycle)
    plain = es.simulate(net, spikes, until=UNTIL, scheduler=scheduler)
    on_chip = es.simulate(net, spikes, until=UNTIL, scheduler=scheduler, hardware=chip())
    assert plain.counts.spikes["out"] > 10 and on_chip.hardware.dropped == 0
    same(plain, on_chip)


def test_every_effect_of_the_links_small_is_the_ideal_chip_nearly():
    net, spikes = network()
    plain = es.simulate(net, spikes, until=UNTIL)
    run = es.simulate(net, spikes, until=UNTIL, hardware=chip(latency=1e-12, time_step=1e-13, jitter=1e-14))
    for name, there in plain.spikes.items():
        assert np.array_equal(run.spikes[name].neurons, there.neurons)
        assert np.allclose(run.spikes[name].times, there.times, rtol=0, atol=1e-7)


@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("changes", [{}, {"jitter": 0.0, "membrane_noise": 0.1, "bus_period": 4e-7},
                                     {"time_step": 0.0, "output_period": 1e-6, "output_depth": 1, "input_replication": 3}],
                         ids=str)
def test_runs_in_parts_equal_one_run(cycle, changes):
    net, spikes = network(cycle)
    hardware = chip("default", **({"latency": 0.5e-6 if cycle else 80e-9} | changes))
    one = es.simulate(net, spikes, until=UNTIL, hardware=hardware, seed=4)
    assert one.counts.spikes["out"] > 10 and (one.hardware.outputs.dropped > 0) == ("output_period" in changes)
    sim = es.Simulation(net, hardware=hardware, seed=4)
    stops = [0.0, 0.01 * np.pi, 0.01 * np.pi, 0.0501, 0.05018, float(one.spikes["hidden"].times[-20]), UNTIL]
    for start, stop in zip([-1.0, *stops], stops):
        sim.push({name: given.between(start, stop) for name, given in spikes.items()})
        parts = sim.run(stop)
    same(one, parts)
    for a, b in ((one.hardware.buses, parts.hardware.buses), (one.hardware.outputs, parts.hardware.outputs)):
        assert (a.offered, a.dropped) == (b.offered, b.dropped) and a.delay == pytest.approx(b.delay)
    sim.reset(spikes)
    same(one, sim.run(UNTIL))
    same(one, es.simulate(net, spikes, until=UNTIL, hardware=hardware, seed=4))
    other = es.simulate(net, spikes, until=UNTIL, hardware=hardware, seed=5)
    assert not np.array_equal(other.spikes["hidden"].times, one.spikes["hidden"].times)
    batch = es.simulate_batch(net, [spikes] * 2, until=UNTIL, hardware=hardware, seed=4)
    same(one, batch[0])
    same(other, batch[1])


def test_a_report_does_not_change_with_later_runs():
    net, spikes = network()
    sim = es.Simulation(net, spikes, hardware=chip("default"))
    early = sim.run(0.05).hardware
    text = str(early)
    sim.run(UNTIL)
    assert str(early) == text and early.seconds == pytest.approx(50e-6)
    assert early.joules == pytest.approx(0.175 * 50e-6)


@pytest.mark.parametrize("weight", [3.0, -1.0])
def test_spikes_in_one_instant_in_two_parts_are_each_sent_once(weight):
    net = es.Network()
    net.add("input", es.Input(3))
    net.add("cell", cells(3, tau_syn=0.0))
    net.connect("input", "cell", es.Dense(weight * np.eye(3)))
    sim = es.Simulation(net, {"input": es.Spikes([0.01, 0.01], [1, 2])}, hardware=chip(latency=1e-9))
    sim.run(0.01)
    sim.push({"input": es.Spikes([0.01, 0.01], [0, 2])})
    found = sim.run(0.02).spikes["cell"]
    assert found.neurons.tolist() == ([0, 1, 2, 2] if weight > 1 else [])


def test_time_stamps_lie_on_the_grid_and_latency_adds_up():
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("a", cells(1, tau_syn=0.0))
    net.add("b", cells(1, tau_syn=0.0))
    net.connect("input", "a", es.Dense([[2.0]]))
    net.connect("a", "b", es.Dense([[2.0]]))
    given = {"input": es.Spikes(np.arange(1, 50) * 1.2345e-3, np.zeros(49, int))}
    run = es.simulate(net, given, until=0.1, hardware=chip(latency=80e-9, time_step=8e-9))
    a, b = run.spikes["a"].times, run.spikes["b"].times
    assert np.allclose(a / 8e-6, np.rint(a / 8e-6))
    assert np.all((a >= given["input"].times) & (a < given["input"].times + 8e-6))
    assert np.allclose(b - a, 80e-6, rtol=0, atol=1e-12)


def test_fixed_spreads_have_their_size_and_belong_to_the_chip():
    n, names = 4000, {"threshold_spread": 0.04, "tau_mem_spread": 0.06, "tau_syn_spread": 0.05, "leak_spread": 0.02}
    ideal = cells(n, tau_syn=(6e-3, 3e-3), v_leak=0.5, v_threshold=2.5, i_offset=4.0)

    def drawn(seed, name="a"):
        made = neurons(ideal, name, chip(chip_seed=seed, threshold_shift=0.05, **names))
        return [(made.v_threshold - 2.5) / 2.0, made.tau[0] / 6e-3, made.tau[1] / 6e-3, made.tau[2] / 3e-3,
                (made.v_inf - 4.5) / 2.0]

    one = drawn(0)
    for values, mean, std in zip(one, (0.05, 1.0, 1.0, 1.0, 0.0), (0.04, 0.06, 0.05, 0.05, 0.02)):
        centred(values, mean, std)
    assert all(np.array_equal(a, b) for a, b in zip(one, drawn(0)))
    correlation = np.corrcoef([*one, *drawn(1), *drawn(0, "b")]) - np.eye(15)
    assert np.abs(correlation).max() < (SIGMAS + 1) / np.sqrt(n)
    for off in names:
        rest = neurons(ideal, "a", chip(**(names | {off: 0.0})))
        nominal = {"threshold_spread": rest.v_threshold, "tau_mem_spread": rest.tau[0] / 6e-3 * 2.5,
                   "tau_syn_spread": rest.tau[1] / 6e-3 * 2.5, "leak_spread": rest.v_inf - 2.0}
        assert np.all(nominal.pop(off) == 2.5) and all(np.std(values) > 0.01 for values in nominal.values())


def test_alpha_synapses_keep_their_shape():
    made = neurons(cells(50, synapse="alpha"), "a", chip(tau_mem_spread=0.1, tau_syn_spread=0.1))
    assert np.array_equal(made.tau[1], made.tau[2]) and np.allclose(made.coupling[1, 2], 1.0 / made.tau[2])
    assert np.all(made.coupling[0, 1] == cells(1).coupling[0, 1])  # currents charge the same capacitance


def test_threshold_noise_is_drawn_for_every_run():
    net = es.Network()
    net.add("cell", cells(400, i_offset=1.5))

    def thresholds(seed, **more):
        run = es.simulate(net, until=0.03, hardware=chip(threshold_noise=0.02, **more), seed=seed)
        first = np.full(400, np.inf)
        np.minimum.at(first, run.spikes["cell"].neurons, run.spikes["cell"].times)
        return 1.5 * -np.expm1(-first / 6e-3)

    one, two, fixed = thresholds(0), thresholds(1), thresholds(0, threshold_spread=0.05)
    centred(one, 1.0, 0.02)
    centred(fixed, 1.0, np.hypot(0.02, 0.05))
    assert np.array_equal(one, thresholds(0))
    assert abs(np.corrcoef(one, two)[0, 1]) < SIGMAS / 20


def test_weights_are_codes_and_gains_spread():
    draw = np.random.default_rng(0)
    net = es.Network()
    net.add("input", es.Input(60))
    net.add("cell", cells(70, tau_syn=(6e-3, 3e-3), v_leak=-1.0, v_threshold=np.linspace(0.1, 1.0, 70), i_offset=0.5))
    weight = draw.normal(0.0, 1.0, (60, 70))
    net.connect("input", "cell", es.Dense(weight, delay=1e-3), port=1)
    args = net.projections["input->cell"], net.populations["input"], net.populations["cell"]
    unit = (net.populations["cell"].v_threshold + 1.0) * 6e-3 / 3e-3 / 78.0
    for copies in (1, 5):
        made = synapses(*args, chip(weight_levels=63), copies)
        codes = made.weight.reshape(60, 70) / unit
        most = 63 * copies
        assert np.allclose(codes, np.rint(codes)) and np.abs(codes).max() <= most * (1 + 1e-12)
        inside = np.abs(weight / unit) < most
        assert np.abs(codes - weight / unit)[inside].max() <= 0.5 + 1e-9 and made.delay == 1e-3
        assert np.allclose(np.abs(codes[~inside]), most)
    assert synapses(*args, chip()) is net.projections["input->cell"].connection
    gains = [synapses(*args, chip(gain_spread=0.05, chip_seed=k)).weight / weight.ravel() for k in (0, 0, 1)]
    centred(gains[0], 1.0, 0.05)
    assert np.array_equal(*gains[:2]) and abs(np.corrcoef(gains[0], gains[2])[0, 1]) < SIGMAS / np.sqrt(weight.size)


def test_no_way_to_threshold_is_no_division_by_zero():
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", cells(2, i_offset=1.0))  # at rest on the threshold
    net.add("above", cells(2, v_leak=1.0))
    net.connect("input", "cell", es.Dense([[0.5, 0.5]]))
    net.connect("input", "above", es.Dense([[0.5, 0.5]]))
    es.simulate(net, {"input": es.Spikes([0.01], [0])}, until=0.02, hardware=chip("default"))


def test_a_threshold_below_the_reset_names_population_and_chip():
    with pytest.raises(ParameterError, match="'a' on chip 3: v_reset.*must be below"):
        neurons(cells(50, v_reset=0.97), "a", chip(threshold_spread=0.05, chip_seed=3))


def test_refractory_times_are_those_of_the_counter():
    wanted = np.exp(np.random.default_rng(0).uniform(np.log(3e-9), np.log(0.09), 300))
    got = refractory(wanted, chip("default"))
    ticks = 2.0 ** np.arange(1, 17) / 250e6
    possible = np.unique(np.outer(ticks, np.arange(1, COUNTER + 1)))
    best = np.abs(possible[None] - wanted[:, None]).min(axis=1)
    assert np.allclose(np.abs(got - wanted), best, rtol=1e-9, atol=1e-18)
    assert np.array_equal(refractory(np.array([0.0, np.inf]), chip("default")), [0.0, np.inf])
    assert np.array_equal(refractory(wanted, chip()), wanted)
    population = neurons(cells(3, t_ref=1.0003e-3), "a", chip(refractory_clock=250e6))
    assert np.allclose(population.t_ref, 1e-3, rtol=1e-12)


@pytest.mark.parametrize("name, value", [("jitter", -1e-9), ("latency", np.nan), ("bus_depth", 1.5), ("buses", 0), ("rows", 1),
                                         ("neuron_circuits", 7), ("acceleration", 0.0), ("threshold_shift", -1.1),
                                         ("weight_levels", True), ("power", "much"), ("chip_seed", -1),
                                         ("gain_spread", np.inf)])
def test_bad_values_are_named(name, value):
    with pytest.raises(ParameterError, match=name):
        chip(**{name: value})


def test_what_the_chip_does_not_take_is_refused():
    net, spikes = network()
    for call, error, words in (
            (lambda: chip("idael"), UnknownNameError, "ideal"),
            (lambda: chip(jiter=0.0), UnknownNameError, "jitter"),
            (lambda: es.simulate(net, until=1.0, hardware=es.BrainScaleS2), ParameterError, "hardware"),
            (lambda: es.simulate(net, until=1.0, hardware="chip"), ParameterError, "hardware"),
            (lambda: es.simulate(net, until=1.0, hardware=chip(), record=es.Record()), NotAvailableError, "record"),
            (lambda: es.simulate(net, until=np.inf, hardware=chip("default")), InputError, "until"),
            (lambda: es.Simulation(net, hardware=chip()).step(), NotAvailableError, "step"),
            (lambda: es.simulate(network(True)[0], until=1.0, hardware=chip(jitter=1e-9)), NetworkError, "latency")):
        with pytest.raises(error, match=words):
            call()
    for population in (es.IF(1, v_threshold=1.0), es.Poisson(1, rate=1.0)):
        net = es.Network()
        net.add("x", population)
        with pytest.raises(NetworkError, match="Poisson|'x' is IF"):
            es.simulate(net, until=1.0, hardware=chip())


@pytest.mark.parametrize("preset", ["ideal", "default"])
def test_bad_input_changes_nothing(preset):
    net, spikes = network()
    sim = es.Simulation(net, spikes, hardware=chip(preset))
    sim.run(0.05)
    good = es.Spikes([0.06], [0])
    for bad, error, words in (({"lfet": good}, UnknownNameError, "left"), ({"hidden": good}, UnknownNameError, "hidden"),
                              ({"right": es.Spikes([0.06], [4])}, InputError, "neuron 4"),
                              ({"right": es.Spikes([0.04], [0])}, InputError, "current time"),
                              ({"right": [0.06]}, InputError, "es.Spikes")):
        with pytest.raises(error, match=words):
            sim.push({"left": good} | bad)
    with pytest.raises(InputError, match="before the current time"):
        sim.run(0.04)
    same(sim.run(UNTIL), es.simulate(net, spikes, until=UNTIL, hardware=chip(preset)))


@pytest.mark.parametrize("preset", ["ideal", "default"])
def test_inputs_alone(preset):
    net = es.Network()
    net.add("input", es.Input(2))
    spikes = {"input": es.Spikes([0.03, 0.01, 0.01, np.inf, 0.5], [0, 1, 0, 0, 0])}
    run, plain = (es.simulate(net, spikes, until=0.1, hardware=h) for h in (chip(preset), None))
    same(run, plain)
    assert run.inputs_never == 1
