"""The public calls: run, step, peek, set, state, reset, push, batches, records, counts, Ctrl-C, what is not there yet."""

import math
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import ParameterError, UnknownNameError

SCHEDULERS = ("reference", "heap", "layered", "window")
UNTIL = 0.1


@pytest.fixture(params=SCHEDULERS)
def scheduler(request):
    return request.param


def feed_forward(seed=1, n=12):
    rng = np.random.default_rng(seed)
    net = es.Network()
    net.add("input", es.Input(8))
    net.add("exc", es.LIF(n, tau_mem=10e-3, tau_syn=(4e-3, 8e-3), v_threshold=1.0, t_ref=1e-3, i_offset=0.8))
    net.add("out", es.LI(3, tau_mem=10e-3, tau_syn=4e-3))
    net.connect("input", "exc", es.Dense(rng.uniform(0.0, 0.6, (8, n))))
    net.connect("input", "exc", es.Sparse([0, 1, 2], [0, 1, 2], -0.5, 1e-3), port=1, name="inhibition")
    net.connect("exc", "out", es.Dense(rng.uniform(0.0, 1.0, (n, 3)), delay=0.5e-3))
    spikes = es.Spikes(np.round(rng.uniform(0.0, UNTIL, 60), 3), rng.integers(0, 8, 60))
    return net, {"input": spikes}


def lone(neuron):
    net = es.Network()
    net.add("cell", neuron)
    return net


def driven(i_offset=2.0, **more):
    return lone(es.LIF(2, **{"tau_mem": 10e-3, "tau_syn": 4e-3, "v_threshold": 1.0, "i_offset": i_offset, **more}))


def same(a, b):
    assert a.counts == b.counts
    for name in a.spikes:
        assert np.array_equal(a.spikes[name].times, b.spikes[name].times)
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons)


def within(seconds, call, *arguments):
    """Result of call(*arguments) in a process of its own, which is ended when it takes too long."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put(call(*arguments)), daemon=True)
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"no answer within {seconds} s")
    return queue.get(timeout=5)


# -- step and peek -------------------------------------------------------------------------------------------------------


def test_steps_give_the_run(scheduler):
    net, inputs = feed_forward()
    whole = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler)
    sim = es.Simulation(net, inputs, scheduler=scheduler)
    times = []
    while sim.peek() <= UNTIL:
        expected = sim.peek()
        times.append(sim.step())
        assert times[-1] == expected == sim.time
    assert times == sorted(set(times))
    assert set(whole.spikes["exc"].times) | set(whole.spikes["input"].times) <= set(times)
    same(whole, sim.run(until=UNTIL))


def test_peek_names_every_kind_of_event(scheduler):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", es.IF(1, v_threshold=1.0, t_ref=0.25))
    net.connect("input", "cell", es.Dense([[1.0]], delay=0.125))
    sim = es.Simulation(net, {"input": es.Spikes([0.5], [0])}, scheduler=scheduler)
    seen = []
    while sim.peek() < math.inf:
        seen.append(sim.step())
    assert seen == [0.5, 0.625, 0.875]  # the input, its arrival and the spike, the end of refractoriness
    assert sim.step() == math.inf and sim.time == 0.875


def test_peek_of_a_driven_neuron_is_its_crossing(scheduler):
    sim = es.Simulation(driven(), scheduler=scheduler)
    assert sim.peek() == pytest.approx(10e-3 * math.log(2.0), rel=1e-14)


def test_peek_of_poisson_is_its_first_spike(scheduler):
    net = es.Network()
    net.add("noise", es.Poisson(5, rate=20.0))
    sim = es.Simulation(net, scheduler=scheduler, seed=9)
    following = sim.peek()
    assert sim.time == 0.0
    run = sim.run(until=following)
    assert run.spikes["noise"].times.tolist() == [following]


SILENT = {
    "lif": lambda: es.LIF(1, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, i_offset=0.5),
    "equal time constants": lambda: es.LIF(1, tau_mem=10e-3, tau_syn=10e-3, v_threshold=1.0),
    "alpha": lambda: es.LIF(1, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, synapse="alpha"),
    "drive at threshold": lambda: es.LIF(1, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, i_offset=1.0),
    "falling": lambda: es.IF(1, v_threshold=1.0, i_offset=-1.0),
    "adaptive": lambda: es.AdaptiveLIF(1, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, tau_adapt=0.1, adaptation=0.1),
    "asnn": lambda: es.ASNN(1),
    "readout": lambda: es.LI(1, tau_mem=10e-3, tau_syn=4e-3),
}


@pytest.mark.parametrize("kind", SILENT)
def test_peek_of_nothing_is_never(kind, scheduler):
    es.Simulation(driven(), scheduler=scheduler).peek()  # compiled beforehand
    sim = es.Simulation(lone(SILENT[kind]()), scheduler=scheduler)
    sim.run(until=0.01)
    assert within(3.0, sim.peek) == math.inf


# -- set, state, reset ---------------------------------------------------------------------------------------------------


def test_set_i_offset_keeps_v(scheduler):
    sim = es.Simulation(driven(i_offset=0.5), scheduler=scheduler)
    sim.run(until=0.02)
    before = sim.state("cell")["v"]
    sim.set("cell", i_offset=[0.5, 3.0])
    assert sim.state("cell")["v"] == pytest.approx(before, rel=1e-14)
    run = sim.run(until=0.03)
    expected = 0.02 + 10e-3 * math.log((3.0 - before[1]) / 2.0)
    assert run.spikes["cell"].neurons[0] == 1
    assert run.spikes["cell"].times[0] == pytest.approx(expected, rel=1e-13)


def test_lowered_threshold_fires_now(scheduler):
    sim = es.Simulation(driven(i_offset=0.8), scheduler=scheduler)
    sim.run(until=0.05)
    sim.set("cell", v_threshold=[0.5, 1.0])
    assert sim.peek() == 0.05
    run = sim.run(until=0.05)
    assert run.spikes["cell"].times.tolist() == [0.05] and run.spikes["cell"].neurons.tolist() == [0]


def test_spikes_stay_sorted_when_an_instant_goes_on_after_set(scheduler):
    net = lone(es.LIF(2, tau_mem=10e-3, tau_syn=4e-3, v_threshold=[1.0, 0.7], v_init=[0.0, 0.7], i_offset=0.5, v_reset=-9.0))
    sim = es.Simulation(net, scheduler=scheduler)
    assert sim.run(until=0.0).spikes["cell"].neurons.tolist() == [1]
    sim.set("cell", v_threshold=[0.0, 0.7])
    assert sim.run(until=0.0).spikes["cell"].neurons.tolist() == [0, 1]


def test_set_is_the_same_for_all_schedulers():
    runs = []
    for which in SCHEDULERS:
        net, inputs = feed_forward()
        sim = es.Simulation(net, inputs, scheduler=which)
        sim.run(until=0.0313)
        sim.set("exc", i_offset=1.4, t_ref=2e-3)
        sim.run(until=0.06)
        sim.set("exc", v_threshold=0.9, v_reset=-0.1, v_leak=0.05)
        runs.append(sim.run(until=UNTIL))
    assert runs[0].counts.spikes["exc"] > 20
    for other in runs[1:]:
        same(runs[0], other)


def test_set_survives_a_checkpoint(tmp_path, scheduler):
    """Later changes of other parameters build on the values in force, not on those the network was made with."""
    sims = [es.Simulation(driven(i_offset=0.5), scheduler=scheduler)]
    sims[0].run(until=0.01)
    sims[0].set("cell", i_offset=2.0)
    sims[0].checkpoint(tmp_path / "c.h5")
    sims.append(es.Simulation.resume(tmp_path / "c.h5"))
    runs = []
    for sim in sims:
        sim.set("cell", v_threshold=1.1)
        runs.append(sim.run(until=UNTIL))
    assert runs[0].counts.spikes["cell"] > 5
    same(*runs)


def test_set_refuses_bad_names_and_values():
    net, _ = feed_forward()
    sim = es.Simulation(net)
    with pytest.raises(UnknownNameError, match="did you mean 'i_offset'"):
        sim.set("exc", i_ofset=1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'exc'"):
        sim.set("ecx", i_offset=1.0)
    with pytest.raises(UnknownNameError):
        sim.set("exc", tau_mem=1.0)
    with pytest.raises(UnknownNameError):
        sim.set("input", i_offset=1.0)
    for bad in ({"i_offset": math.nan}, {"t_ref": -1.0}, {"v_reset": 1.0}, {"v_threshold": -1.0}, {"i_offset": [1.0, 2.0]},
                {"v_leak": math.inf}):
        with pytest.raises(ParameterError) as error:
            sim.set("exc", **bad)
        assert "'exc'" in str(error.value) and next(iter(bad)) in str(error.value)
    with pytest.raises(ParameterError, match="v_threshold"):
        sim.set("out", v_threshold=1.0)


def test_state_has_the_named_parts(scheduler):
    net, inputs = feed_forward()
    sim = es.Simulation(net, inputs, scheduler=scheduler)
    run = sim.run(until=0.05)
    state = sim.state("exc")
    assert {"v", "drive_0", "drive_1", "threshold", "refractory_until"} <= set(state)
    assert all(values.shape == (12,) for values in state.values())
    last = np.full(12, -np.inf)
    np.maximum.at(last, run.spikes["exc"].neurons, run.spikes["exc"].times)
    refractory = last + 1e-3 > 0.05
    assert np.array_equal(state["refractory_until"][refractory], last[refractory] + 1e-3)
    assert np.all(state["refractory_until"][~refractory] == -np.inf)
    assert np.all(state["v"][refractory] == 0.0) and np.all(state["v"] < 1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'exc'"):
        sim.state("exk")


def test_drive_decays_and_adaptation_is_named(scheduler):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", es.AdaptiveLIF(1, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, tau_adapt=0.1, adaptation=0.25,
                                   v_init=1.0))
    net.connect("input", "cell", es.Dense([[0.5]]))
    sim = es.Simulation(net, {"input": es.Spikes([0.01], [0])}, scheduler=scheduler)
    sim.run(until=0.02)
    state = sim.state("cell")
    assert state["drive_0"][0] == pytest.approx(0.5 * math.exp(-2.5), rel=1e-14)
    assert state["adaptation"][0] == pytest.approx(0.25 * math.exp(-0.2), rel=1e-14)
    assert state["threshold"][0] == pytest.approx(1.0 + 0.25 * math.exp(-0.2), rel=1e-14)


def test_reset_forgets_everything(scheduler):
    net, inputs = feed_forward()
    fresh = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler)
    sim = es.Simulation(net, inputs, scheduler=scheduler)
    sim.run(until=0.03)
    sim.set("exc", i_offset=5.0)
    sim.reset(inputs)
    assert sim.time == 0.0
    same(fresh, sim.run(until=UNTIL))
    sim.reset()
    assert sim.run(until=0.01).counts.spikes["input"] == 0


# -- batches, records, counts, energy, files -----------------------------------------------------------------------------


def test_batch_keeps_order_for_any_number_of_jobs():
    net, _ = feed_forward()
    net.add("noise", es.Poisson(4, rate=100.0))
    net.connect("noise", "exc", es.RandomOutdegree(3, weight=0.5, seed=1))
    rng = np.random.default_rng(0)
    samples = [{"input": es.Spikes(rng.uniform(0.0, 0.05, 20), rng.integers(0, 8, 20))} for _ in range(7)]
    one = es.simulate_batch(net, samples, until=0.05, jobs=1, seed=5)
    two = es.simulate_batch(net, samples, until=0.05, jobs=2, seed=5)
    assert len(one) == len(two) == 7
    for k, (a, b) in enumerate(zip(one, two)):
        same(a, b)
        same(a, es.simulate(net, samples[k], until=0.05, seed=5 + k))
        assert np.array_equal(a.spikes["input"].times, samples[k]["input"].times)
    assert es.simulate_batch(net, [], until=0.05) == []


def test_record_chooses_spikes_and_voltages(scheduler):
    net, inputs = feed_forward()
    everything = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler)
    assert set(everything.spikes) == {"input", "exc", "out"} and not everything.v
    record = es.Record(spikes=["exc"], v={"exc": [3, 0], "out": "all"}, v_interval=10e-3)
    run = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler, record=record)
    assert set(run.spikes) == {"exc"} and run.counts == everything.counts
    assert np.array_equal(run.spikes["exc"].times, everything.spikes["exc"].times)
    assert run.v["exc"].neurons.tolist() == [3, 0] and run.v["exc"].values.shape == (11, 2)
    assert np.array_equal(run.v["exc"].times, np.arange(11) * 10e-3)
    assert run.v["out"].values.shape == (11, 3)
    chosen = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler,
                         record=es.Record(spikes=None, v={"exc": [0]}, v_times=[0.0, 0.02, 0.2]))
    assert not chosen.spikes and chosen.v["exc"].times.tolist() == [0.0, 0.02]
    assert np.array_equal(chosen.v["exc"].values[:, 0], run.v["exc"].values[[0, 2], 1])


def test_voltage_is_the_closed_form_after_the_instant(scheduler):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("cell", es.LIF(1, tau_mem=20e-3, tau_syn=0.0, v_threshold=1.0))
    net.connect("input", "cell", es.Dense([[0.5]]))
    run = es.simulate(net, {"input": es.Spikes([0.01], [0])}, until=0.03, scheduler=scheduler,
                      record=es.Record(v={"cell": [0]}, v_times=[0.005, 0.01, 0.03]))
    assert run.v["cell"].values[:, 0] == pytest.approx([0.0, 0.5, 0.5 * math.exp(-1.0)], rel=1e-15)


def test_counts_are_what_they_say(scheduler):
    net, inputs = feed_forward()
    run = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler)
    counts = run.counts
    for name in net.populations:
        assert counts.spikes[name] == len(run.spikes[name])
        arrived = sum(counts.synaptic_events[k] for k, p in net.projections.items() if p.target == name)
        assert counts.neuron_updates[name] == arrived + counts.spikes[name]
    assert counts.synaptic_events["input->exc"] == 12 * counts.spikes["input"]
    delivered = run.spikes["exc"].times + 0.5e-3 <= UNTIL
    assert counts.synaptic_events["exc->out"] == 3 * delivered.sum()
    assert counts.spikes.total == sum(counts.spikes.values())
    assert counts.neuron_updates.total == counts.synaptic_events.total + counts.spikes.total


def test_energy_of_a_run():
    net, inputs = feed_forward()
    run = es.simulate(net, inputs, until=UNTIL)
    energy = run.energy("loihi")
    assert energy.total == pytest.approx(sum(energy.items.values())) and energy.total > 0.0
    with pytest.raises(UnknownNameError, match="did you mean 'loihi'"):
        run.energy("loihy")


def test_save_and_load(tmp_path, scheduler):
    net, inputs = feed_forward()
    run = es.simulate(net, inputs, until=UNTIL, scheduler=scheduler, record=es.Record(v={"exc": [1]}, v_interval=1e-3))
    run.save(tmp_path / "run.h5")
    again = es.Run.load(tmp_path / "run.h5")
    same(run, again)
    assert np.array_equal(run.v["exc"].values, again.v["exc"].values)
    assert (again.duration, again.scheduler, again.seed) == (UNTIL, scheduler, 0)


def test_no_inputs_mean_silence(scheduler):
    net, inputs = feed_forward()
    runs = [es.simulate(net, given, until=0.02, scheduler=scheduler) for given in (None, {}, {"input": es.Spikes([], [])})]
    assert all(run.counts.synaptic_events["input->exc"] == 0 for run in runs)
    with pytest.raises(UnknownNameError, match="did you mean 'input'"):
        es.simulate(net, {"imput": inputs["input"]}, until=0.02, scheduler=scheduler)


# -- Poisson -------------------------------------------------------------------------------------------------------------


def noise(rate, n=200):
    net = es.Network()
    net.add("noise", es.Poisson(n, rate=rate))
    return net


def test_poisson_has_its_rate_and_is_irregular():
    run = es.simulate(noise(50.0), until=10.0, seed=2)
    expected = 200 * 50.0 * 10.0
    assert abs(run.counts.spikes["noise"] - expected) < 5.0 * math.sqrt(expected)
    intervals = np.concatenate([np.diff(run.spikes["noise"].times[run.spikes["noise"].neurons == j]) for j in range(200)])
    assert np.std(intervals) / np.mean(intervals) == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(intervals[:-1], intervals[1:])[0, 1]) < 0.02


def test_poisson_depends_on_the_seed_alone():
    runs = [es.simulate(noise(50.0), until=0.5, seed=s, scheduler=k) for s in (7, 8) for k in SCHEDULERS]
    for run in runs[1:len(SCHEDULERS)]:
        same(runs[0], run)
    assert not np.array_equal(runs[0].spikes["noise"].times, runs[len(SCHEDULERS)].spikes["noise"].times)
    sim = es.Simulation(noise(50.0), seed=7, scheduler="heap")
    for until in (0.0, 0.1, 0.1003, 0.4):
        sim.run(until=until)
        sim.peek()
    same(runs[0], sim.run(until=0.5))


def test_poisson_rates_per_neuron_and_zero(scheduler):
    run = es.simulate(noise(np.array([0.0, 100.0, 0.0]), n=3), until=1.0, scheduler=scheduler)
    assert set(run.spikes["noise"].neurons) == {1}
    silent = es.simulate(noise(0.0), until=1.0, scheduler=scheduler)
    assert silent.counts.spikes.total == 0


# -- what is not there yet, Ctrl-C ---------------------------------------------------------------------------------------



def test_news_that_are_not_kept():
    """What is handed out is the same; the result has the counts, and only the spikes that were kept."""
    whole = es.simulate(driven(), until=0.3)
    simulation, found = es.Simulation(driven()), []
    for step in range(1, 31):
        news = simulation.news(0.01 * step, whole=step % 2 == 0, keep=step == 30)
        found.append({name: spikes.times for name, spikes in news.items()})
    last = simulation.result()
    assert last.counts == whole.counts
    for name, spikes in whole.spikes.items():
        assert np.array_equal(np.concatenate([part[name] for part in found]), spikes.times)
        assert np.array_equal(last.spikes[name].times, found[-1][name])


def balanced(seed=3):
    net = es.Network()
    net.add("exc", es.LIF(400, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, t_ref=1e-3,
                          i_offset=np.linspace(1.2, 1.6, 400)))
    net.connect("exc", "exc", es.RandomOutdegree(100, weight=-0.02, delay=es.Normal(2e-3, 1e-3, low=5e-4), seed=seed))
    return net


@pytest.mark.skipif(os.name == "nt", reason="signals to oneself")
def test_interrupt_leaves_a_valid_simulation():
    net = balanced()
    es.simulate(net, until=1e-3, scheduler="heap")  # compiled beforehand
    sim = es.Simulation(net, scheduler="heap")
    timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    begun = time.perf_counter()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sim.run(until=6.0)
    finally:
        timer.cancel()
    assert time.perf_counter() - begun < 30.0
    assert signal.getsignal(signal.SIGINT) is before
    part = sim.result()
    assert 0.0 < part.duration == sim.time < 6.0
    assert len(part.spikes["exc"]) == part.counts.spikes["exc"] > 0
    end = part.duration + 0.05
    whole = es.simulate(net, until=end, scheduler="heap")
    assert np.array_equal(whole.spikes["exc"].between(-1.0, part.duration).times, part.spikes["exc"].times)
    same(whole, sim.run(until=end))
