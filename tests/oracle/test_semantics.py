"""Order within one instant and the edges of every rule, exactly, for each scheduler."""

import math

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import EventsnnError, InputError, NetworkError, ParameterError, RunawayError, UnknownNameError

SCHEDULERS = ("reference", "heap", "layered", "window")
EVENT_DRIVEN = ("reference", "heap")  # any network
RECURRENT = (*EVENT_DRIVEN, "window")


@pytest.fixture(params=SCHEDULERS)
def scheduler(request):
    return request.param


def counter(n=1, **more):
    """Delta synapses, no leak: V is the plain sum of the weights."""
    return es.IF(n, **{"tau_syn": 0.0, "v_threshold": 1.0, **more})


def one_cell(neuron, arrivals, port_of=None):
    """Input -> neuron 0, one input neuron per arrival (time, weight) or (time, weight, port)."""
    net = es.Network()
    net.add("input", es.Input(max(1, len(arrivals))))
    net.add("cell", neuron)
    for port in sorted({a[2] if len(a) > 2 else 0 for a in arrivals}):
        rows = [(k, a[1]) for k, a in enumerate(arrivals) if (a[2] if len(a) > 2 else 0) == port]
        net.connect("input", "cell", es.Sparse(source=[k for k, _ in rows], target=[0] * len(rows),
                                               weight=np.array([w for _, w in rows], dtype=np.float64)), port=port)
    return net, {"input": es.Spikes([a[0] for a in arrivals], list(range(len(arrivals))))}


def simulate(net, inputs, until, scheduler, **more):
    return es.simulate(net, inputs, until=until, scheduler=scheduler, progress=False, **more)


def spikes_of_cell(neuron, arrivals, until, scheduler):
    net, inputs = one_cell(neuron, arrivals)
    return simulate(net, inputs, until, scheduler).spikes["cell"].times.tolist()


# -- threshold --------------------------------------------------------------------------------------------------------


def test_touching_the_threshold_fires(scheduler):
    assert spikes_of_cell(counter(), [(0.3, 1.0)], 1.0, scheduler) == [0.3]


def test_just_below_does_not(scheduler):
    assert spikes_of_cell(counter(), [(0.3, math.nextafter(1.0, 0.0))], 1.0, scheduler) == []


def test_touch_of_a_leaky_neuron(scheduler):
    cell = es.LIF(1, tau_mem=20e-3, tau_syn=0.0, v_threshold=1.0)
    assert spikes_of_cell(cell, [(0.3, 1.0)], 1.0, scheduler) == [0.3]


def test_two_halves_at_one_instant_make_one_spike(scheduler):
    assert spikes_of_cell(counter(), [(0.3, 0.5), (0.3, 0.5)], 1.0, scheduler) == [0.3]


def test_all_arrivals_of_an_instant_precede_the_test(scheduler):
    """3 - 2.5 stays below threshold although the running sum passes it in any order that starts with +3."""
    arrivals = [(0.3, 3.0), (0.3, -2.5)]
    assert spikes_of_cell(counter(), arrivals, 1.0, scheduler) == []
    assert spikes_of_cell(counter(), arrivals[::-1], 1.0, scheduler) == []


def test_one_spike_per_instant_whatever_the_excess(scheduler):
    assert spikes_of_cell(counter(), [(0.3, 5.0)], 1.0, scheduler) == [0.3]


def test_start_at_or_above_threshold_fires_at_zero(scheduler):
    for start in (1.0, 1.5):
        cell = es.LIF(1, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, v_init=start)
        assert spikes_of_cell(cell, [], 1.0, scheduler) == [0.0]
    below = es.LIF(1, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, v_init=math.nextafter(1.0, 0.0))
    assert spikes_of_cell(below, [], 1.0, scheduler) == []


def test_arrival_at_time_zero(scheduler):
    assert spikes_of_cell(counter(), [(0.0, 1.0)], 1.0, scheduler) == [0.0]


def test_infinite_threshold_never_fires(scheduler):
    cell = es.LIF(1, tau_mem=20e-3, tau_syn=5e-3, v_threshold=math.inf, i_offset=1e6)
    assert spikes_of_cell(cell, [(0.1, 1e9)], 1.0, scheduler) == []


def test_drive_equal_to_threshold_never_arrives(scheduler):
    """V approaches v_threshold from below for ever; rounding must not invent a touch."""
    cell = es.LIF(1, tau_mem=5e-3, tau_syn=5e-3, v_threshold=1.0, i_offset=1.0)
    assert spikes_of_cell(cell, [(0.5, -0.25)], 3.0, scheduler) == []


def test_grazing_peak_of_ratio_two(scheduler):
    """tau_mem = 2 tau_syn: peak = weight / 4 at tau_mem ln 2; a part in 1e12 decides."""
    make = lambda: es.LIF(1, tau_mem=20e-3, tau_syn=10e-3, v_threshold=1.0, t_ref=math.inf)  # noqa: E731
    assert len(spikes_of_cell(make(), [(0.1, 4.0 * (1 + 1e-12))], 1.0, scheduler)) == 1
    assert spikes_of_cell(make(), [(0.1, 4.0 * (1 - 1e-12))], 1.0, scheduler) == []


# -- refractoriness ---------------------------------------------------------------------------------------------------


def test_arrival_at_the_end_of_refractoriness_counts(scheduler):
    cell = counter(t_ref=0.25)
    assert spikes_of_cell(cell, [(0.5, 1.0), (0.75, 1.0)], 2.0, scheduler) == [0.5, 0.75]


def test_delta_arrivals_in_refractoriness_are_counted_and_discarded(scheduler):
    net, inputs = one_cell(counter(t_ref=0.25), [(0.5, 1.0), (0.5, 0.75), (0.625, 0.75), (0.7499, 0.75), (0.75, 0.5),
                                                 (0.875, 0.25), (1.0, 0.25)])
    run = simulate(net, inputs, 2.0, scheduler)
    assert run.spikes["cell"].times.tolist() == [0.5, 1.0]
    assert run.counts.synaptic_events["input->cell"] == 7
    assert run.counts.neuron_updates["cell"] == 9
    assert run.counts.spikes["cell"] == 2


def test_drive_goes_on_in_refractoriness(scheduler):
    """The same input during refractoriness still pushes V afterwards, from v_reset."""
    cell = es.IF(1, tau_syn=(0.0, 0.5), v_threshold=1.0, t_ref=0.25)
    net, inputs = one_cell(cell, [(0.5, 1.0, 0), (0.5, 8.0, 1)])
    times = simulate(net, inputs, 1.2, scheduler).spikes["cell"].times
    left = 8.0 * math.exp(-0.25 / 0.5)
    assert times[0] == pytest.approx(0.5, rel=4e-16)  # V of 1 plus a drive of 8, each rounded
    assert times[1] == pytest.approx(0.75 - 0.5 * math.log1p(-1.0 / (0.5 * left)), rel=1e-14)


def test_t_ref_zero_is_legal(scheduler):
    assert spikes_of_cell(counter(), [(0.5, 1.0), (0.5000001, 1.0)], 1.0, scheduler) == [0.5, 0.5000001]


def test_infinite_t_ref_fires_once(scheduler):
    cell = counter(t_ref=math.inf)
    net, inputs = one_cell(cell, [(0.1 * k, 1.0) for k in range(1, 6)])
    run = simulate(net, inputs, 1.0, scheduler)
    assert run.spikes["cell"].times.tolist() == [0.1]
    assert run.counts.synaptic_events.total == 5


def test_held_at_reset(scheduler):
    cell = es.LIF(1, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, v_reset=-0.5, t_ref=0.25, i_offset=3.0)
    net = es.Network()
    net.add("cell", cell)
    sim = es.Simulation(net, None, scheduler=scheduler)
    first = sim.run(until=0.02).spikes["cell"].times[0]
    sim.run(until=first + 0.1)
    assert sim.state("cell")["v"][0] == -0.5
    sim.run(until=0.5)
    times = sim.run(until=0.5).spikes["cell"].times
    assert times[1] - times[0] == pytest.approx(0.25 + 20e-3 * math.log(3.5 / 2.0), rel=1e-13)


# -- infinity, counts, limits of the run ------------------------------------------------------------------------------


def test_inputs_at_infinity_are_dropped_and_counted(scheduler):
    net = es.Network()
    net.add("input", es.Input(2))
    net.add("cell", counter())
    net.connect("input", "cell", es.Dense(np.ones((2, 1))))
    run = simulate(net, {"input": es.Spikes([math.inf, 0.2, math.inf], [0, 0, 1])}, 1.0, scheduler)
    assert run.inputs_never == 2
    assert run.spikes["cell"].times.tolist() == [0.2]
    assert run.counts.spikes["input"] == 1
    assert run.counts.synaptic_events.total == 1


def test_events_at_until_belong_to_the_run(scheduler):
    net, inputs = one_cell(counter(), [(0.5, 1.0), (math.nextafter(0.5, 1.0), 1.0)])
    run = simulate(net, inputs, 0.5, scheduler)
    assert run.spikes["cell"].times.tolist() == [0.5]
    assert run.counts.synaptic_events.total == 1
    assert run.counts.spikes["input"] == 1


def test_delayed_arrivals_after_until_do_not_count(scheduler):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", counter())
    net.connect("input", "cell", es.Dense([[1.0]], delay=0.25))
    inputs = {"input": es.Spikes([0.25, 0.5], [0, 0])}
    run = simulate(net, inputs, 0.5, scheduler)
    assert run.spikes["cell"].times.tolist() == [0.5]
    assert run.counts.synaptic_events["input->cell"] == 1
    assert run.counts.spikes["input"] == 2


def test_nan_and_bad_values_are_errors(scheduler):
    with pytest.raises(InputError):
        es.Spikes([math.nan], [0])
    for bad in ({"v_threshold": math.nan}, {"v_reset": math.inf}, {"t_ref": -1.0}, {"tau_mem": 0.0},
                {"i_offset": math.nan}):
        with pytest.raises(ParameterError):
            es.LIF(1, **{"tau_mem": 1e-2, "tau_syn": 1e-3, "v_threshold": 1.0, **bad})
    net, inputs = one_cell(counter(), [(0.1, 1.0)])
    with pytest.raises(EventsnnError):
        simulate(net, inputs, math.nan, scheduler)
    with pytest.raises(UnknownNameError):
        simulate(net, {"imput": inputs["input"]}, 1.0, scheduler)


def test_silent_input_and_no_inputs(scheduler):
    net = es.Network()
    net.add("input", es.Input(3))
    net.add("cell", es.LIF(2, tau_mem=1e-2, tau_syn=1e-3, v_threshold=1.0))
    net.connect("input", "cell", es.Dense(np.ones((3, 2))))
    for inputs in (None, {}):
        run = simulate(net, inputs, 1.0, scheduler)
        assert run.counts.spikes.total == run.counts.synaptic_events.total == 0


# -- one instant, several populations ---------------------------------------------------------------------------------


def chain(n, weight=1.0, neuron=counter):
    net = es.Network()
    net.add("input", es.Input(1))
    before = "input"
    for k in range(n):
        net.add(f"layer{k}", neuron())
        net.connect(before, f"layer{k}", es.Dense([[weight]]))
        before = f"layer{k}"
    return net


def test_zero_delay_chain_passes_in_one_instant(scheduler):
    net = chain(20)
    run = simulate(net, {"input": es.Spikes([0.1, 0.7], [0, 0])}, 1.0, scheduler)
    for k in range(20):
        assert run.spikes[f"layer{k}"].times.tolist() == [0.1, 0.7]


def test_populations_are_tested_in_topological_order(scheduler):
    """The direct path excites, the path over two relays inhibits: with all arrivals in, the cell stays silent."""
    net = es.Network()
    net.add("cell", counter())
    net.add("relay2", counter())
    net.add("relay1", counter())
    net.add("input", es.Input(1))
    net.connect("input", "cell", es.Dense([[1.5]]))
    net.connect("input", "relay1", es.Dense([[1.0]]))
    net.connect("relay1", "relay2", es.Dense([[1.0]]))
    net.connect("relay2", "cell", es.Dense([[-1.0]]))
    run = simulate(net, {"input": es.Spikes([0.25], [0])}, 1.0, scheduler)
    assert run.spikes["relay2"].times.tolist() == [0.25]
    assert len(run.spikes["cell"]) == 0
    assert run.counts.neuron_updates["cell"] == 2


@pytest.mark.parametrize("which", EVENT_DRIVEN)
def test_zero_delay_cycle_that_dies_out_is_fine(which):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("ring", counter(5, t_ref=1e-3))
    net.connect("input", "ring", es.Sparse(source=[0], target=[0], weight=[1.0]))
    net.connect("ring", "ring", es.Sparse(source=[0, 1, 2, 3, 4], target=[1, 2, 3, 4, 0], weight=1.0))
    run = simulate(net, {"input": es.Spikes([0.5], [0])}, 1.0, which)
    assert run.spikes["ring"].times.tolist() == [0.5] * 5
    assert run.spikes["ring"].neurons.tolist() == [0, 1, 2, 3, 4]
    assert run.counts.synaptic_events.total == 6


@pytest.mark.parametrize("which", EVENT_DRIVEN)
def test_runaway_in_one_instant_names_the_neurons(which):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("ping", counter())
    net.add("pong", counter())
    net.connect("input", "ping", es.Dense([[1.0]]))
    net.connect("ping", "pong", es.Dense([[1.0]]))
    net.connect("pong", "ping", es.Dense([[1.0]]))
    with pytest.raises(RunawayError) as error:
        simulate(net, {"input": es.Spikes([0.5], [0])}, 1.0, which)
    assert "ping" in str(error.value) or "pong" in str(error.value)
    assert "0.5" in str(error.value)


def test_layered_refuses_cycles_and_names_them():
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("ping", counter())
    net.add("pong", counter())
    net.connect("input", "ping", es.Dense([[1.0]]))
    net.connect("ping", "pong", es.Dense([[1.0]], delay=1e-3))
    net.connect("pong", "ping", es.Dense([[1.0]], delay=1e-3))
    with pytest.raises(NetworkError) as error:
        simulate(net, {"input": es.Spikes([0.5], [0])}, 1.0, "layered")
    assert "ping" in str(error.value) and "pong" in str(error.value)


def test_conductance_synapses_are_refused_by_name():
    with pytest.raises(ParameterError, match="[Cc]onductance"):
        es.LIF(1, tau_mem=1e-2, tau_syn=1e-3, v_threshold=1.0, synapse="conductance")


# -- chunks, push, peek, step, reset ----------------------------------------------------------------------------------


def busy_network(seed=4, recurrent=False):
    rng = np.random.default_rng(seed)
    net = es.Network()
    net.add("input", es.Input(30))
    net.add("exc", es.LIF(20, tau_mem=20e-3, tau_syn=(5e-3, 8e-3), v_threshold=1.0, t_ref=2e-3,
                          i_offset=rng.uniform(0.0, 1.2, 20)))
    net.add("code", es.ASNN(10, bias=rng.uniform(0.0, 0.3, 10)))
    net.add("out", es.LI(3, tau_mem=20e-3, tau_syn=5e-3))
    for source, target, n, port in [("input", "exc", 150, 0), ("input", "exc", 80, 1), ("input", "code", 60, 0),
                                    ("exc", "code", 60, 0), ("code", "out", 30, 0)]:
        sizes = {"input": 30, "exc": 20, "code": 10, "out": 3}
        sign = -1.0 if port else 1.0
        net.connect(source, target, es.Sparse(source=rng.integers(0, sizes[source], n),
                                              target=rng.integers(0, sizes[target], n),
                                              weight=sign * rng.uniform(0.1, 0.9, n),
                                              delay=rng.choice([0.0, 1e-3, 1.7e-3], n)), port=port)
    if recurrent:
        net.connect("exc", "exc", es.Sparse(source=rng.integers(0, 20, 60), target=rng.integers(0, 20, 60),
                                            weight=rng.uniform(-0.5, 0.9, 60), delay=rng.uniform(5e-4, 3e-3, 60)))
    times = rng.uniform(0.0, 0.3, 240)
    return net, es.Spikes(times, rng.integers(0, 30, 240))


def same_spikes(a, b, names=("exc", "code")):
    for name in names:
        assert len(a.spikes[name]) > 10
        assert np.array_equal(a.spikes[name].times, b.spikes[name].times)
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons)
    assert a.counts == b.counts


@pytest.mark.parametrize("recurrent", [False, True])
def test_chunks_equal_the_whole(scheduler, recurrent):
    if recurrent and scheduler == "layered":
        pytest.skip("layered runs acyclic networks only")
    net, spikes = busy_network(recurrent=recurrent)
    whole = simulate(net, {"input": spikes}, 0.3, scheduler)
    sim = es.Simulation(net, {"input": spikes}, scheduler=scheduler)
    inside = float(whole.spikes["exc"].times[17])
    for until in sorted([0.0, 0.013, inside, inside, 0.15, math.nextafter(0.15, 1.0), 0.3]):
        part = sim.run(until=until)
        assert part.duration == until
        assert part.spikes["exc"].times.max(initial=0.0) <= until
        sim.peek()
    same_spikes(whole, part)


@pytest.mark.parametrize("recurrent", [False, True])
def test_all_schedulers_agree_bit_for_bit(recurrent):
    net, spikes = busy_network(recurrent=recurrent)
    runs = [simulate(net, {"input": spikes}, 0.3, s) for s in (RECURRENT if recurrent else SCHEDULERS)]
    for other in runs[1:]:
        same_spikes(runs[0], other)


def test_push_in_the_middle_equals_knowing_from_the_start(scheduler):
    net, spikes = busy_network()
    whole = simulate(net, {"input": spikes}, 0.3, scheduler)
    sim = es.Simulation(net, {"input": spikes.between(-1.0, 0.2)}, scheduler=scheduler)
    sim.run(until=0.12)
    sim.push({"input": spikes.between(0.2, 1.0)})
    same_spikes(whole, sim.run(until=0.3))


def test_push_into_the_past_is_refused(scheduler):
    net, spikes = busy_network()
    sim = es.Simulation(net, {"input": spikes}, scheduler=scheduler)
    sim.run(until=0.25)
    with pytest.raises(InputError):
        sim.push({"input": es.Spikes([0.1], [0])})
    with pytest.raises(EventsnnError):
        sim.run(until=0.1)


def test_reset_starts_over(scheduler):
    net, spikes = busy_network()
    sim = es.Simulation(net, {"input": spikes}, scheduler=scheduler)
    first = sim.run(until=0.3)
    sim.reset({"input": spikes})
    same_spikes(first, sim.run(until=0.3))


@pytest.mark.parametrize("which", RECURRENT)
def test_steps_equal_the_whole(which):
    net, spikes = busy_network(recurrent=True)
    whole = simulate(net, {"input": spikes}, 0.1, which)
    sim = es.Simulation(net, {"input": spikes}, scheduler=which)
    before = -1.0
    while sim.peek() <= 0.1:
        following = sim.peek()
        assert following > before
        sim.step()
        before = following
    same_spikes(whole, sim.run(until=0.1))


@pytest.mark.parametrize("which", RECURRENT)
def test_peek_is_the_next_event_or_infinity(which):
    net, inputs = one_cell(counter(), [(0.25, 0.5), (0.75, 0.5)])
    sim = es.Simulation(net, inputs, scheduler=which)
    assert sim.peek() == 0.25
    sim.run(until=0.5)
    assert sim.peek() == 0.75
    sim.run(until=1.0)
    assert sim.peek() == math.inf


def test_spikes_are_sorted_by_time_then_neuron(scheduler):
    net = es.Network()
    net.add("input", es.Input(2))
    net.add("cells", counter(6))
    net.connect("input", "cells", es.Sparse(source=[0] * 6, target=[5, 3, 1, 0, 2, 4], weight=1.0))
    run = simulate(net, {"input": es.Spikes([0.5, 0.25], [0, 0])}, 1.0, scheduler)
    assert run.spikes["cells"].times.tolist() == [0.25] * 6 + [0.5] * 6
    assert run.spikes["cells"].neurons.tolist() == [0, 1, 2, 3, 4, 5] * 2


def test_duplicate_synapses_and_input_spikes_all_count(scheduler):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", counter(v_threshold=2.0))
    net.connect("input", "cell", es.Sparse(source=[0, 0], target=[0, 0], weight=[0.5, 0.5]))
    run = simulate(net, {"input": es.Spikes([0.5, 0.5], [0, 0])}, 1.0, scheduler)
    assert run.spikes["cell"].times.tolist() == [0.5]
    assert run.counts.synaptic_events.total == 4


def test_equal_values_in_an_array_are_the_scalar(scheduler):
    net, spikes = busy_network()
    arguments = {"tau_mem": 20e-3, "tau_syn": 5e-3, "v_threshold": 1.0, "t_ref": 2e-3, "i_offset": 1.1}
    results = []
    for wrap in (lambda x: x, lambda x: np.full(4, x)):
        other = es.Network()
        other.add("input", es.Input(30))
        other.add("cells", es.LIF(4, **{k: wrap(v) for k, v in arguments.items()}))
        other.connect("input", "cells", es.Dense(np.linspace(0.2, 0.8, 120).reshape(30, 4)))
        results.append(simulate(other, {"input": spikes}, 0.3, scheduler))
    assert len(results[0].spikes["cells"]) > 10
    assert np.array_equal(results[0].spikes["cells"].times, results[1].spikes["cells"].times)
