"""Procedural connections: drawn again for every spike, the same bits as the stored ones in every scheduler."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn import layout
from eventsnn.model.lower import lower

SCHEDULERS = ("window", "heap", "reference")
UNTIL = 0.06
NORMAL = {"weight": es.Normal(0.4, 0.3, low=-0.2), "weight_dtype": "float32"}
RULES = {
    "outdegree": lambda w, s: es.RandomOutdegree(12, w, 1e-3, seed=s),
    "outdegree, distinct": lambda w, s: es.RandomOutdegree(9, w, 1e-3, seed=s, replace=False, autapses=False),
    "probability": lambda w, s: es.RandomProbability(0.3, w, 1.5e-3, seed=s, autapses=False),
    "normal float32": lambda w, s: es.RandomOutdegree(12, es.Normal(w, abs(w) / 2), 1e-3, seed=s, weight_dtype="float32"),
    "normal float64": lambda w, s: es.RandomProbability(0.3, es.Normal(w, abs(w) / 2), 0.7e-3, seed=s),
    "70 synapses and more": lambda w, s: es.RandomOutdegree(75, w / 4, 1e-3, seed=s),
}
NEURONS = {
    "exponential": lambda n: es.LIF(n, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, t_ref=2e-3),
    "biased": lambda n: es.LIF(n, tau_mem=10e-3, tau_syn=4e-3, v_threshold=1.0, t_ref=2e-3, i_offset=1.2),
    "delta": lambda n: es.LIF(n, tau_mem=10e-3, tau_syn=0.0, v_threshold=1.0, t_ref=2e-3),
    "three modes": lambda n: es.LIF(n, tau_mem=10e-3, tau_syn=(4e-3, 2.5e-3), v_threshold=1.0, t_ref=2e-3),
    "adaptive": lambda n: es.AdaptiveLIF(n, tau_mem=10e-3, tau_syn=4e-3, tau_adapt=30e-3, adaptation=0.3, v_threshold=1.0,
                                         t_ref=2e-3),
    "mismatch": lambda n: es.LIF(n, tau_mem=np.linspace(8e-3, 14e-3, n), tau_syn=3e-3, v_threshold=1.0, t_ref=2e-3),
}


def network(rule, neuron, procedural, n=40):
    """A recurrent network with inhibition, all of whose random connections follow `rule`."""
    wrap = es.Procedural if procedural else lambda r: r
    rule, net = RULES[rule], es.Network()
    net.add("noise", es.Poisson(20, rate=80.0))
    net.add("exc", NEURONS[neuron](n))
    net.add("inh", NEURONS[neuron](n // 2))
    for number, (source, target, weight) in enumerate((("noise", "exc", 0.7), ("noise", "inh", 0.6), ("exc", "exc", 0.25),
                                                       ("exc", "inh", 0.3), ("inh", "exc", -0.6))):
        net.connect(source, target, wrap(rule(weight, number)))
    return net


def same(a, b):
    """Assert that two runs are the same, bit by bit."""
    assert sum(s.times.size for name, s in a.spikes.items() if name not in ("noise", "input")) > 20
    for name in a.spikes:
        assert a.spikes[name].times.tobytes() == b.spikes[name].times.tobytes(), name
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons), name
    assert a.counts == b.counts


@pytest.mark.parametrize("rule, neuron", [(rule, "exponential") for rule in RULES]
                         + [("normal float32", neuron) for neuron in NEURONS if neuron != "exponential"]
                         + [("outdegree", neuron) for neuron in ("delta", "three modes", "mismatch")])
def test_every_scheduler_gives_the_bits_of_the_stored_twin(rule, neuron):
    stored = es.simulate(network(rule, neuron, False), until=UNTIL, scheduler="heap", seed=3)
    drawn = network(rule, neuron, True)
    for scheduler in SCHEDULERS:
        same(stored, es.simulate(drawn, until=UNTIL, scheduler=scheduler, seed=3))


def test_arrivals_of_one_instant_from_several_rows():
    inputs = {"input": es.Spikes(np.repeat([1e-3, 2e-3, 2e-3, 5e-3], 6), np.tile(np.arange(6), 4))}
    runs = []
    for wrap in (es.Procedural, lambda r: r):
        net = es.Network()
        net.add("input", es.Input(6))
        net.add("a", NEURONS["exponential"](30))
        for seed in range(3):
            net.connect("input", "a", wrap(es.RandomOutdegree(20, 0.4, seed=seed)))
        runs += [es.simulate(net, inputs, until=UNTIL, scheduler=s) for s in ("heap", "reference", "layered")]
    for run in runs[1:]:
        same(runs[0], run)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_chunks_and_checkpoints_change_nothing(scheduler, tmp_path):
    net = network("normal float32", "exponential", True)
    whole = es.simulate(net, until=UNTIL, scheduler=scheduler, seed=3)
    sim = es.Simulation(net, scheduler=scheduler, seed=3)
    for stop in (0.0, 0.0107, 0.03):
        sim.run(stop)
    sim.checkpoint(tmp_path / "c.h5")
    same(whole, sim.run(UNTIL))
    same(whole, es.Simulation.resume(tmp_path / "c.h5").run(UNTIL))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("neuron", ("exponential", "delta"))
def test_rows_cut_into_shards(scheduler, neuron):
    drawn = network("normal float32", neuron, True)
    same(es.simulate(drawn, until=UNTIL, scheduler=scheduler, seed=3),
         es.Simulation(lower(drawn, shards=3), scheduler=scheduler, seed=3).run(UNTIL))


def test_nothing_is_stored_per_synapse():
    net = es.Network()
    net.add("a", es.Input(1000))
    net.add("b", NEURONS["exponential"](100_000))
    net.connect("a", "b", es.Procedural(es.RandomOutdegree(50_000, **NORMAL)))
    net.connect("a", "b", es.Procedural(es.RandomProbability(0.5, 0.1)))
    wiring = lower(net).wiring
    assert wiring.proj[:, layout.J_KIND].tolist() == [layout.PROCEDURAL] * 2
    assert sum(array.nbytes for name, array in zip(wiring._fields, wiring) if name != "who") < 5000  # `who`: per neuron
    assert len(wiring.words) == len(wiring.reals) == 2


def test_counts_are_those_of_the_synapses():
    net = es.Network()
    net.add("a", es.Input(3))
    net.add("b", es.LI(10, tau_mem=10e-3, tau_syn=4e-3))
    net.connect("a", "b", es.Procedural(es.RandomOutdegree(25, 0.1)), name="twice")
    net.connect("a", "b", es.Procedural(es.RandomOutdegree(0, 0.1)), name="none")
    net.connect("a", "b", es.Procedural(es.RandomProbability(0.0, 0.1)), name="nobody")
    for scheduler in SCHEDULERS:
        run = es.simulate(net, {"a": es.Spikes([0.01, 0.02], [0, 2])}, until=0.05, scheduler=scheduler)
        assert dict(run.counts.synaptic_events) == {"twice": 50, "none": 0, "nobody": 0}
