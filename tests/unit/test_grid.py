"""Grid time in the engine: steps, pushes, chunks, checkpoints, states, every kind of connection, and what is refused."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import InputError, NetworkError, NotAvailableError, ParameterError, UnknownNameError

DT = 1e-3


def random_network(seed=0, n=60, delay=3e-3, rule=None):
    """A recurrent network of two presets; procedural feedback where `rule`."""
    draw = np.random.default_rng(seed)
    net = es.Network()
    net.add("in", es.Input(20))
    net.add("noise", es.Poisson(10, rate=20.0))
    net.add("a", es.grid.Leaky(n, beta=draw.uniform(0.8, 0.95, n)))
    net.add("b", es.grid.NorseLIF(n, refractory=2))
    net.connect("in", "a", es.Dense(draw.normal(0.2, 0.4, (20, n))))
    net.connect("noise", "a", es.RandomIndegree(3, weight=0.4, seed=2))
    net.connect("a", "b", es.RandomOutdegree(10, weight=es.Normal(0.8, 0.3), delay=es.Normal(4e-3, 2e-3, 0.0, 9e-3, step=1e-3),
                                             seed=3))
    back = es.RandomOutdegree(8, weight=-0.2, delay=delay, seed=4)
    net.connect("b", "a", es.Procedural(back) if rule else back)
    at = draw.integers(0, 300, 500)
    return net, {"in": es.Spikes(at * DT, draw.integers(0, 20, 500))}


def same(one, other, way=True):
    """The same spikes and counts; `way`: and found in the same way."""
    for name in one.spikes:
        assert np.array_equal(one.spikes[name].times, other.spikes[name].times), name
        assert np.array_equal(one.spikes[name].neurons, other.spikes[name].neurons), name
    assert one.counts == other.counts
    assert not way or one.diagnostics == other.diagnostics


def test_the_same_bits_in_chunks_steps_and_after_a_checkpoint(tmp_path):
    net, inputs = random_network()
    whole = es.simulate(net, inputs, until=0.3, dt=DT, seed=5)
    assert min(whole.counts.spikes.values()) > 50
    chunks = es.Simulation(net, inputs, dt=DT, seed=5)
    for until in (0.0, 0.0005, 0.0307, 0.1, 0.1, 0.25):
        chunks.run(until)
    chunks.checkpoint(tmp_path / "c.h5")
    same(whole, chunks.run(0.3))
    resumed = es.Simulation.resume(tmp_path / "c.h5")
    same(whole, resumed.run(0.3))
    by_news = es.Simulation(net, inputs, dt=DT, seed=5)
    found = [by_news.news(until, whole=True)["b"].times for until in (0.1, 0.2, 0.3)]
    assert np.array_equal(np.concatenate(found), whole.spikes["b"].times)


def test_threads_and_batches_change_nothing():
    net, inputs = random_network()
    whole = es.simulate(net, inputs, until=0.3, dt=DT, seed=5)
    same(whole, es.simulate(net, inputs, until=0.3, dt=DT, seed=5, threads=3, scheduler="lattice"), way=False)
    for run in es.simulate_batch(net, [inputs, inputs], until=0.3, dt=DT, seed=4, jobs=2)[1:]:
        same(whole, run)


@pytest.mark.parametrize("kind", ["procedural", "stored"])
def test_rows_that_are_drawn_again_are_those_that_are_stored(kind):
    runs = [es.simulate(*random_network(rule=rule), until=0.3, dt=DT) for rule in (None, "procedural")]
    for name in "ab":
        assert np.array_equal(runs[0].spikes[name].times, runs[1].spikes[name].times)
    assert runs[0].counts == runs[1].counts


def test_convolutions_deliver_what_their_matrix_does():
    draw = np.random.default_rng(1)
    kernel = draw.normal(0.1, 0.4, (3, 2, 3, 3))
    conv = es.Conv2d(kernel, (2, 6, 6), stride=2, padding=1)
    unit = np.eye(72).reshape(72, 2, 6, 6)
    padded = np.pad(unit, ((0, 0), (0, 0), (1, 1), (1, 1)))
    matrix = np.zeros((72, 3, 3, 3))
    for y in range(3):
        for x in range(3):
            matrix[:, :, y, x] = np.einsum("ncij,ocij->no", padded[:, :, 2 * y:2 * y + 3, 2 * x:2 * x + 3], kernel)
    inputs = {"in": es.Spikes(draw.integers(0, 50, 300) * DT, draw.integers(0, 72, 300))}
    runs = []
    for connection in (conv, es.Dense(matrix.reshape(72, -1))):
        net = es.Network()
        net.add("in", es.Input(72))
        net.add("out", es.grid.IF(27))
        net.connect("in", "out", connection)
        runs.append(es.simulate(net, inputs, until=0.06, dt=DT))
    assert len(runs[0].spikes["out"]) > 50
    assert np.array_equal(runs[0].spikes["out"].times, runs[1].spikes["out"].times)
    assert np.array_equal(runs[0].spikes["out"].neurons, runs[1].spikes["out"].neurons)


def test_step_and_peek_visit_the_steps_in_which_something_happens():
    net, inputs = random_network()
    whole = es.simulate(net, inputs, until=0.1, dt=DT, seed=5)
    sim = es.Simulation(net, inputs, dt=DT, seed=5)
    seen = []
    while sim.peek() <= 0.1:
        seen.append(sim.step())
    happened = np.unique(np.concatenate([s.times for s in whole.spikes.values()]))
    assert np.all(np.diff(seen) > 0) and set(happened) <= set(seen)
    got = sim.result()
    for name in whole.spikes:
        assert np.array_equal(whole.spikes[name].times, got.spikes[name].times)


def test_peek_of_a_network_that_rests_for_ever():
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("out", es.grid.SlayerCUBA(1, threshold=1.0, current_decay=0.5, voltage_decay=0.1, bias=0.099))
    net.connect("in", "out", es.OneToOne(0.2, delay=5e-3))
    sim = es.Simulation(net, dt=DT)
    assert sim.peek() == np.inf == sim.step()
    sim.push({"in": es.Spikes([0.5], [0])})
    assert sim.peek() == 0.5
    assert sim.step() == 0.5
    assert sim.peek() == pytest.approx(0.505)
    assert sim.time == 0.5


def test_pushed_spikes_and_the_state():
    net = es.Network()
    net.add("in", es.Input(2))
    net.add("out", es.grid.Synaptic(2, alpha=0.5, beta=0.75, threshold=10.0))
    net.connect("in", "out", es.OneToOne(2.0))
    sim = es.Simulation(net, {"in": es.Spikes([0.0], [1])}, dt=DT)
    sim.run(0.002)
    sim.push({"in": es.Spikes([0.003], [0])})
    sim.run(0.004)
    state = sim.state("out")
    syn, mem = np.zeros(2), np.zeros(2)
    for t in range(5):
        syn = 0.5 * syn + np.array([2.0 * (t == 3), 2.0 * (t == 0)])
        mem = 0.75 * mem + syn
    assert state["syn"].tolist() == syn.tolist() and state["v"].tolist() == mem.tolist() == sim.voltage("out").tolist()
    assert state["threshold"].tolist() == [10.0, 10.0] and np.all(np.isneginf(state["refractory_until"]))
    with pytest.raises(InputError, match="step 4, which is done; the next step is 5"):
        sim.push({"in": es.Spikes([0.004], [0])})
    with pytest.raises(UnknownNameError, match="settable parameter"):
        sim.set("out", v_threshold=1.0)
    sim.reset()
    assert sim.time == 0.0 and sim.state("out")["v"].tolist() == [0.0, 0.0]


def test_a_refractory_neuron_is_held_and_says_until_when():
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("out", es.grid.NorseLIF(1, refractory=4, v_reset=-0.5))
    net.connect("in", "out", es.Dense([[60.0]]))
    sim = es.Simulation(net, {"in": es.Spikes([0.001], [0])}, dt=DT)
    sim.run(0.003)
    assert sim.state("out")["refractory_until"].tolist() == [0.005]
    assert sim.state("out")["v"].tolist() == [-0.5]
    assert sim.run(0.006).spikes["out"].times.tolist() == [0.001, 0.006]


def small(population=None, delay=0.0, **options):
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("out", population if population is not None else es.grid.IF(1))
    net.connect("in", "out", es.OneToOne(1.0, delay=delay), **options)
    return net


def test_what_does_not_fit_the_lattice_is_refused():
    lif = es.LIF(1, tau_mem=1e-2, tau_syn=5e-3, v_threshold=1.0)
    with pytest.raises(NetworkError, match=r"population 'out' \(LIF\) is continuous in time"):
        es.simulate(small(lif), until=1.0, dt=DT)
    with pytest.raises(NetworkError, match=r"population 'out' \(grid.IF\) is clocked: give the step"):
        es.simulate(small(), until=1.0)
    with pytest.raises(NetworkError, match=r"'in->out' has a delay of 0.0015 s; with dt = 0.001 s"):
        es.simulate(small(delay=1.5e-3), until=1.0, dt=DT)
    with pytest.raises(NetworkError, match="scheduler 'heap' works in continuous time"):
        es.simulate(small(), until=1.0, dt=DT, scheduler="heap")
    with pytest.raises(NetworkError, match="'out' .NorseLIF. was made for dt = 0.001 s, but the simulation has dt = 0.002"):
        es.simulate(small(es.grid.NorseLIF(1)), until=1.0, dt=2e-3)
    net = small()
    net.connect("out", "out", es.OneToOne(1.0))
    with pytest.raises(NetworkError, match="out -> out is a cycle without delay"):
        es.simulate(net, until=1.0, dt=DT)
    with pytest.raises(InputError, match=r"inputs\['in'\] has a spike at 0.0015 s, between two steps"):
        es.simulate(small(), {"in": es.Spikes([0.001, 0.0015], [0, 0])}, until=1.0, dt=DT)
    for dt in (0.0, -1.0, np.nan, np.inf, "fast"):
        with pytest.raises(ParameterError, match="dt of the simulation"):
            es.simulate(small(), until=1.0, dt=dt)
    with pytest.raises(NotAvailableError, match="dt .grid time. is not available in simulations with hardware"):
        es.simulate(small(), until=1.0, dt=DT, hardware=es.BrainScaleS2())
    draw = np.random.default_rng(0).uniform(0.0, 1e-2, 300)
    for delays in (np.where(np.arange(300) == 7, 0.5, 1.0) * 1e-3, draw):
        net = es.Network()
        net.add("in", es.Input(300))
        net.add("out", es.grid.IF(300))
        net.connect("in", "out", es.OneToOne(1.0, delay=delays))
        with pytest.raises(NetworkError, match="delays must be whole multiples"):
            es.simulate(net, until=1.0, dt=DT)


def test_times_within_rounding_of_a_step_are_put_on_it():
    times = np.arange(2000) * DT * (1.0 + 2e-16)
    run = es.simulate(small(), {"in": es.Spikes(times, np.zeros(2000, int))}, until=2.0, dt=DT)
    assert np.array_equal(run.spikes["out"].times, np.arange(2000) * DT)
    assert es.simulate(small(), {"in": es.Spikes([0.3], [0])}, until=0.1 * 3 - 1e-17, dt=0.1).counts.spikes["out"] == 1


@pytest.mark.parametrize("change, words", [
    ({"matrix": [[1.1]]}, r"matrix\[0\]\[0\] of GridNeuron is 1.1; it must be from -1 to 1"),
    ({"matrix": [[0.5, 0.0], [0.1, 0.5]], "jump": [[1.0, 0.0]]}, r"upper triangular, but matrix\[1\]\[0\] is not 0"),
    ({"matrix": [[0.5, 1.0]]}, "matrix of GridNeuron must be square"),
    ({"jump": [[1.0, 2.0]]}, "one row of 1 entries per port"),
    ({"matrix": [[np.nan]]}, r"matrix\[0\]\[0\] of GridNeuron is nan"),
    ({"threshold": np.nan}, "threshold of GridNeuron is nan"),
    ({"reset": "softly"}, "reset of GridNeuron must be one of none, value, subtract, got 'softly'"),
    ({"reset_mode": 1}, "reset_mode of GridNeuron"),
    ({"refractory": -1}, "refractory of GridNeuron"),
    ({"refractory": 2, "late": True}, "refractory of GridNeuron is 2; it must be 0 where late is set"),
    ({"multi": True, "threshold": 0.0, "reset": "subtract"}, "multi of GridNeuron needs thresholds > 0"),
    ({"read": [1.0, 2.0]}, "read of GridNeuron must be finite with 1 entries"),
    ({"bias_in": [1.0, 2.0]}, "bias_in of GridNeuron must have 1 entries"),
    ({"analog": (1.2,)}, r"analog\[0\] of GridNeuron is 1.2; it must be from 0 to 1"),
    ({"analog": (0.9,) * 6}, "GridNeuron needs 7 modes"),
    ({"dt": 0.0}, "dt of GridNeuron is 0.0"),
    ({"n": 0}, "n of GridNeuron"),
    ({"init": {2: 0.0}}, "a mode in init of GridNeuron"),
])
def test_bad_rules_are_refused(change, words):
    with pytest.raises(ParameterError, match=words):
        es.GridNeuron(**{"n": 2, "matrix": [[0.9]], "jump": [[1.0]], "threshold": 1.0} | change)


@pytest.mark.parametrize("make, words", [
    (lambda: es.grid.Leaky(2, beta=1.2), "beta of Leaky must be from 0 to 1"),
    (lambda: es.grid.Leaky(2, beta=0.5, reset_mechanism="half"), "reset_mechanism of Leaky"),
    (lambda: es.grid.Synaptic(2, alpha=-0.1, beta=0.5), "alpha of Synaptic"),
    (lambda: es.grid.NorseLIF(2, tau_mem=5e-4), "tau_mem of NorseLIF must be at least dt = 0.001 s"),
    (lambda: es.grid.SlayerCUBA(2, threshold=0.0, current_decay=0.5, voltage_decay=0.5), "threshold of SlayerCUBA"),
    (lambda: es.grid.TSSLBP(2, tau_mem=0.5), "tau_mem of TSSLBP"),
    (lambda: es.grid.IF(2, reset="none"), "reset of grid.IF must be 'subtract' or 'zero'"),
    (lambda: es.grid.DECOLLE(2, gamma=[0.5, 0.6, 0.7]), "gamma of DECOLLE"),
])
def test_bad_parameters_of_presets_are_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


def test_a_neuron_without_threshold_reads_out():
    population = es.GridNeuron(1, matrix=[[0.5]], jump=[[1.0]], threshold=np.inf)
    run = es.simulate(small(population), {"in": es.Spikes([0.0, 0.002], [0, 0])}, until=0.005, dt=DT,
                      record=es.Record(v={"out": [0]}, v_times=[0.0, 0.001, 0.0025, 0.005]))
    assert run.v["out"].values[:, 0].tolist() == [1.0, 0.5, 1.25, 0.15625]
    assert run.counts.spikes["out"] == 0
