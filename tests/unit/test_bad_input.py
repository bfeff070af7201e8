"""Bad input: each mistake has a defined answer, and the message names the parameter, its owner and the value."""

import math

import h5py
import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import FormatError, InputError, NetworkError, ParameterError, RunawayError, UnknownNameError

NAN, INF = math.nan, math.inf
LIF = {"tau_mem": 10e-3, "tau_syn": 4e-3, "v_threshold": 1.0}
ALIF = LIF | {"tau_adapt": 0.1, "adaptation": 0.1}


def refuse(call, *words, error=ParameterError):
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    for word in words:
        assert str(word) in text, f"{word!r} is not in {text!r}"


def small(n=2, **more):
    net = es.Network()
    net.add("input", es.Input(n))
    net.add("exc", es.LIF(n, **(LIF | more)))
    return net


BAD_LIF = [(name, value) for name in ("tau_mem", "tau_syn", "v_threshold", "v_reset", "v_leak", "t_ref", "i_offset", "v_init")
           for value in (NAN, INF, -INF) if (name, value) not in (("v_threshold", INF), ("t_ref", INF))]
BAD_LIF += [("tau_mem", 0.0), ("tau_mem", -1e-3), ("tau_syn", -1e-3), ("t_ref", -1e-3), ("tau_mem", "fast")]


@pytest.mark.parametrize("name, value", BAD_LIF, ids=str)
def test_parameters_of_lif(name, value):
    refuse(lambda: es.LIF(3, **(LIF | {name: value})), name, "LIF", value)


@pytest.mark.parametrize("name, value", [("tau_mem", 0.0), ("t_ref", -1.0), ("v_threshold", NAN), ("i_offset", INF)])
def test_arrays_name_the_neuron(name, value):
    values = np.full(3, 0.5)
    values[1] = value
    refuse(lambda: es.LIF(3, **(LIF | {name: values})), f"{name}[1]", "LIF", value)
    refuse(lambda: es.LIF(3, **(LIF | {name: np.full(2, 0.5)})), name, "LIF", "(2,)")


@pytest.mark.parametrize("make, words", [
    (lambda: es.AdaptiveLIF(1, **(ALIF | {"tau_adapt": 0.0})), ("tau_adapt", "AdaptiveLIF", "0.0")),
    (lambda: es.AdaptiveLIF(1, **(ALIF | {"adaptation": -0.1})), ("adaptation", "AdaptiveLIF", "-0.1")),
    (lambda: es.IF(1, v_threshold=NAN), ("v_threshold", "IF", "nan")),
    (lambda: es.IF(1, v_threshold=1.0, t_ref=-2.0), ("t_ref", "IF", "-2.0")),
    (lambda: es.LI(1, tau_mem=0.0, tau_syn=1e-3), ("tau_mem", "LI", "0.0")),
    (lambda: es.ASNN(1, m_f=0.0), ("m_f", "ASNN", "0.0")),
    (lambda: es.ASNN(1, tau_gamma=-1.0), ("tau_gamma", "ASNN", "-1.0")),
    (lambda: es.Poisson(1, rate=-3.0), ("rate", "Poisson", "-3.0")),
    (lambda: es.Poisson(1, rate=INF), ("rate", "Poisson", "inf")),
    (lambda: es.Input(0), ("n", "Input", "0")),
    (lambda: es.LIF(-1, **LIF), ("n", "LIF", "-1")),
    (lambda: es.LIF(2.5, **LIF), ("n", "LIF", "2.5")),
    (lambda: es.LIF(1, **(LIF | {"tau_syn": (1e-3, -1e-3)})), ("tau_syn[1]", "LIF", "-0.001")),
    (lambda: es.LIF(1, **(LIF | {"tau_syn": ()})), ("tau_syn", "LIF")),
])
def test_parameters_of_the_others(make, words):
    refuse(make, *words)


@pytest.mark.parametrize("make", [lambda **m: es.LIF(2, **(LIF | m)), lambda **m: es.AdaptiveLIF(2, **(ALIF | m)),
                                  lambda **m: es.IF(2, **({"v_threshold": 1.0} | m))])
def test_reset_at_or_above_threshold(make):
    refuse(lambda: make(v_reset=1.0), "v_reset", "1.0", "v_threshold")
    refuse(lambda: make(v_reset=2.5), "v_reset", "2.5", "v_threshold")
    refuse(lambda: make(v_reset=np.array([0.0, 1.0])), "v_reset[1]", "1.0", "v_threshold")


def test_legal_infinities():
    net = small(t_ref=INF, i_offset=3.0)
    assert es.simulate(net, until=0.5).counts.spikes["exc"] == 2
    net = small(v_threshold=INF, i_offset=3.0)
    assert es.simulate(net, until=0.5).counts.spikes["exc"] == 0


# -- connections ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connection, words", [
    (es.Sparse([0, 2], [0, 0], 1.0), ("source", "synapse 1", "2", "0..1")),
    (es.Sparse([0, 1], [0, -1], 1.0), ("target", "synapse 1", "-1")),
    (es.Sparse([0, 0.5], [0, 0], 1.0), ("source", "0.5", "whole")),
    (es.Sparse([0], [0], NAN), ("weight", "nan")),
    (es.Sparse([0, 1], [0, 0], [1.0, INF]), ("weight", "synapse 1", "inf")),
    (es.Sparse([0], [0], 1.0, -1e-3), ("delay", "-0.001")),
    (es.Sparse([0, 1], [0, 0], 1.0, [0.0, NAN]), ("delay", "synapse 1", "nan")),
    (es.Sparse([0], [0], 1.0, INF), ("delay", "inf")),
    (es.Dense(np.ones((3, 2))), ("weight", "(3, 2)", "(2, 2)")),
], ids=str)
def test_connections_name_projection_and_value(connection, words):
    refuse(lambda: small().connect("input", "exc", connection), "'input->exc'", *words)


def test_ports_names_and_objects():
    net = small()
    refuse(lambda: net.connect("input", "exc", es.OneToOne(1.0), port=1), "port", "input->exc", "1")
    refuse(lambda: net.connect("input", "exc", es.OneToOne(1.0), port=-1), "port", "-1")
    refuse(lambda: net.connect("input", "exc", [[1.0]]), "input->exc", "list")
    refuse(lambda: net.connect("inptu", "exc", es.OneToOne(1.0)), "inptu", "did you mean 'input'", error=UnknownNameError)
    refuse(lambda: net.connect("exc", "input", es.OneToOne(1.0)), "input", error=NetworkError)
    refuse(lambda: net.add("exc", es.Input(1)), "'exc'", "exists", error=NetworkError)
    refuse(lambda: net.add("other", 3), "'other'", "int", error=NetworkError)
    refuse(lambda: net.add("", es.Input(1)), "name", error=NetworkError)
    net.connect("input", "exc", es.OneToOne(1.0), name="p")
    refuse(lambda: net.connect("input", "exc", es.OneToOne(1.0), name="p"), "'p'", error=NetworkError)
    assert list(net.projections) == ["p"]


# -- spikes and runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times, neurons, words", [
    ([0.1, NAN], [0, 0], ("times", "NaN")),
    ([-0.1], [0], ("times", "-0.1")),
    ([-INF], [0], ("times", "-inf")),
    ([0.1], [-1], ("neurons", "-1")),
    ([0.1], [0.5], ("neurons", "0.5")),
    ([0.1], [NAN], ("neurons", "nan")),
    ([0.1], [INF], ("neurons", "inf")),
    ([0.1], ["a"], ("neurons",)),
    ([0.1, 0.2], [0], ("times", "neurons", "2", "1")),
], ids=str)
def test_spikes(times, neurons, words):
    refuse(lambda: es.Spikes(times, neurons), *words, error=InputError)


def test_spikes_in_any_order_and_twice():
    spikes = es.Spikes([0.3, 0.1, 0.2, 0.1], [0, 2.0, 1, 1])
    assert spikes.times.tolist() == [0.1, 0.1, 0.2, 0.3] and spikes.neurons.tolist() == [2, 1, 1, 0]
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("exc", es.IF(1, v_threshold=2.0))
    net.connect("input", "exc", es.Dense([[1.0]]))
    run = es.simulate(net, {"input": es.Spikes([0.1, 0.1], [0, 0])}, until=1.0)
    assert run.spikes["exc"].times.tolist() == [0.1] and run.counts.synaptic_events.total == 2


def test_inputs_of_a_simulation():
    net = small()
    sim = es.Simulation(net)
    refuse(lambda: sim.push({"input": es.Spikes([0.1], [2])}), "'input'", "2", "0 to 1", error=InputError)
    refuse(lambda: sim.push({"inpt": es.Spikes([0.1], [0])}), "did you mean 'input'", error=UnknownNameError)
    refuse(lambda: sim.push({"exc": es.Spikes([0.1], [0])}), "'exc'", error=UnknownNameError)
    refuse(lambda: sim.push({"input": [0.1]}), "'input'", "list", error=InputError)
    sim.run(until=0.2)
    refuse(lambda: sim.push({"input": es.Spikes([0.1, 0.3], [0, 0])}), "'input'", "0.1", "0.2", error=InputError)
    refuse(lambda: sim.run(until=0.1), "until", "0.1", "0.2", error=InputError)
    for until in (NAN, INF, None, "soon"):
        refuse(lambda until=until: sim.run(until=until), "until", until, error=InputError)
    assert sim.run(until=0.4).counts.spikes["input"] == 0  # a refused push adds nothing


def test_arguments_of_a_simulation():
    net = small()
    refuse(lambda: es.simulate(es.Network(), until=1.0), "empty", error=NetworkError)
    refuse(lambda: es.simulate(net, until=1.0, scheduler="haep"), "did you mean 'heap'", error=UnknownNameError)
    refuse(lambda: es.simulate(net, until=1.0, seed=-1), "seed", "-1")
    refuse(lambda: es.simulate(net, until=1.0, seed=0.5), "seed", "0.5")
    refuse(lambda: es.simulate(net, until=1.0, threads=0), "threads", "0")
    refuse(lambda: es.simulate(net, until=1.0, max_rounds=0), "max_rounds", "0")
    refuse(lambda: es.simulate(net, until=1.0, record="all"), "record", "str")
    refuse(lambda: es.simulate_batch(net, [None], until=1.0, jobs=-1), "jobs", "-1")


def test_seeds_too_large_for_the_generator():
    net = es.Network()
    net.add("noise", es.Poisson(1, rate=10.0))
    assert es.simulate(net, until=1.0, seed=2**63 - 1).counts.spikes.total > 0
    refuse(lambda: es.simulate(net, until=1.0, seed=2**64), "seed", 2**64)


@pytest.mark.parametrize("arguments, words", [
    ({"v": {"exc": [0]}}, ("v_interval", "v_times")),
    ({"v": {"exc": [0]}, "v_interval": 0.0}, ("v_interval", "0.0")),
    ({"v": {"exc": [0]}, "v_interval": NAN}, ("v_interval", "nan")),
    ({"v": {"exc": [0]}, "v_interval": -1.0}, ("v_interval", "-1.0")),
    ({"v": {"exc": [0]}, "v_times": [0.2, 0.1]}, ("v_times",)),
    ({"v": {"exc": [0]}, "v_times": [NAN]}, ("v_times",)),
])
def test_records(arguments, words):
    refuse(lambda: es.Record(**arguments), "Record", *words)


def test_records_of_unknown_things():
    net = small()
    run = lambda **k: es.simulate(net, until=0.1, record=es.Record(**k))  # noqa: E731
    refuse(lambda: run(spikes=["ecx"]), "did you mean 'exc'", error=UnknownNameError)
    refuse(lambda: run(v={"ecx": [0]}, v_interval=0.1), "did you mean 'exc'", error=UnknownNameError)
    refuse(lambda: run(v={"exc": [2]}, v_interval=0.1), "'exc'", "2", "0 to 1", error=InputError)
    refuse(lambda: run(v={"exc": [0.5]}, v_interval=0.1), "'exc'", "0.5", error=InputError)
    refuse(lambda: run(v={"input": [0]}, v_interval=0.1), "'input'", error=InputError)
    assert run(v={"exc": []}, v_interval=0.1).v["exc"].values.shape == (2, 0)


# -- cycles --------------------------------------------------------------------------------------------------------------


def ring(delay):
    net = es.Network()
    net.add("input", es.Input(1))
    net.add("ping", es.IF(1, v_threshold=1.0))
    net.add("pong", es.IF(1, v_threshold=1.0))
    for source, target in (("input", "ping"), ("ping", "pong"), ("pong", "ping")):
        net.connect(source, target, es.Dense([[1.0]], delay=0.0 if source == "input" else delay))
    return net, {"input": es.Spikes([0.5], [0])}


def test_cycles_under_layered_are_named():
    net, inputs = ring(1e-3)
    refuse(lambda: es.simulate(net, inputs, until=1.0, scheduler="layered"), "ping -> pong -> ping", "heap",
           error=NetworkError)


@pytest.mark.parametrize("scheduler", ["heap", "reference"])
@pytest.mark.parametrize("max_rounds", [10, 1000])
def test_runaway_of_a_zero_delay_cycle(scheduler, max_rounds):
    net, inputs = ring(0.0)
    sim = es.Simulation(net, inputs, scheduler=scheduler, max_rounds=max_rounds)
    refuse(lambda: sim.run(until=1.0), "max_rounds", max_rounds, "0.5", "p", error=RunawayError)


# -- files ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    sim = es.Simulation(small(i_offset=2.0))
    sim.run(until=0.05)
    sim.checkpoint(tmp_path / "c.h5")
    return tmp_path / "c.h5"


def resume_fails(path, *words):
    refuse(lambda: es.Simulation.resume(path), path.name, *words, error=FormatError)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_truncated_checkpoints(checkpoint, share):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:int(share * len(content))])
    resume_fails(checkpoint)


def test_checkpoints_of_a_newer_version_or_another_kind(checkpoint, tmp_path):
    with h5py.File(checkpoint, "r+") as file:
        file.attrs["version"] = 999
    resume_fails(checkpoint, "newer", "999")
    es.simulate(small(), until=0.01).save(tmp_path / "run.h5")
    resume_fails(tmp_path / "run.h5", "not an eventsnn checkpoint")
    with pytest.raises(FileNotFoundError):
        es.Simulation.resume(tmp_path / "nowhere.h5")
    with pytest.raises(FormatError):
        es.Run.load(checkpoint)


@pytest.mark.parametrize("part", ["network", "state/cell", "sources/times", "run/times", "scheduler"])
def test_checkpoints_without_a_part(checkpoint, part):
    with h5py.File(checkpoint, "r+") as file:
        del file[part]
    resume_fails(checkpoint)


def test_failed_checkpoint_keeps_the_old_one(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()
    sim = es.Simulation(small(i_offset=2.0))
    monkeypatch.setattr(sim.scheduler, "snapshot", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sim.checkpoint(checkpoint)
    assert checkpoint.read_bytes() == before and [p.name for p in checkpoint.parent.iterdir()] == ["c.h5"]
