"""The NEST golden sets, spike for spike, and the oracle against single neurons of one of them."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es

from . import exact_neuron

MS = 1e-3
SETS = ("ff_eq", "ff_distinct", "rec_eq", "rec_distinct")
SCHEDULERS = {"ff": ("reference", "heap", "layered", "window"), "rec": ("reference", "heap", "window")}
TOLERANCE = 1e-12  # s, that is 1e-9 ms
V_TOLERANCE = 1e-8  # mV


def folder():
    path = os.environ.get("EVENTSNN_GOLDEN")
    if not path or not (Path(path) / "ff_eq.npz").exists():
        pytest.skip("set EVENTSNN_GOLDEN to the folder of the golden sets")
    return Path(path)


@dataclass
class Golden:
    """One set in SI seconds and mV: per-neuron parameters, synapses, input trains, the right spikes, the end state."""

    name: str
    p: dict
    n: int
    v0: np.ndarray
    bias: np.ndarray
    synapses: tuple
    external: tuple
    trains: tuple
    spikes: list
    end: dict


def right_spikes(data, n):
    """Per neuron the spike times in s; where the two resolutions differ the finer one is right."""
    fine_ids, fine_times = data["spike_ids_alt"], data["spike_times_alt"]
    return [np.sort(fine_times[fine_ids == i]) * MS for i in range(n)]


def load(name):
    data = np.load(folder() / f"{name}.npz")
    p = json.loads(str(data["params"]))
    unit = p["tau_m"] / p["C_m"]  # mV per pA
    n = p["n"]
    sizes = np.diff(data["ext_train_ptr"])
    return Golden(
        name=name, p=p, n=n, v0=data["v0"], bias=data["i_e"] * unit,
        synapses=(data["pre"], data["post"], data["weight"] * unit, data["delay"] * MS),
        external=(data["ext_src"], data["ext_post"], data["ext_weight"] * unit, data["ext_delay"] * MS),
        trains=(data["ext_times"] * MS, np.repeat(np.arange(sizes.size), sizes), sizes.size),
        spikes=right_spikes(data, n),
        end={"v": data["v_end"], "ex": data["iex_end"] * unit, "in": data["iin_end"] * unit},
    )


def neuron_arguments(golden):
    p = golden.p
    return {"tau_mem": p["tau_m"] * MS, "v_threshold": p["V_th"], "v_reset": p["V_reset"], "v_leak": p["E_L"],
            "t_ref": p["t_ref"] * MS}


def build(golden):
    """Network, inputs and the populations' ranges of neuron ids."""
    net = es.Network()
    net.add("external", es.Input(golden.trains[2]))
    feed_forward = golden.name.startswith("ff")
    split = int(golden.synapses[0].max()) + 1
    ranges = {"first": (0, split), "second": (split, golden.n)} if feed_forward else {"cells": (0, golden.n)}
    taus = (golden.p["tau_ex"] * MS, golden.p["tau_in"] * MS)
    for name, (a, b) in ranges.items():
        net.add(name, es.LIF(b - a, tau_syn=taus, i_offset=golden.bias[a:b], v_init=golden.v0[a:b],
                             **neuron_arguments(golden)))
    sources = [("external", 0, golden.external)] + [(name, a, golden.synapses) for name, (a, b) in ranges.items()]
    for source, offset, (pre, post, weight, delay) in sources:
        end = golden.trains[2] if source == "external" else ranges[source][1]
        for target, (a, b) in ranges.items():
            for port in (0, 1):
                own = (pre >= offset) & (pre < end) & (post >= a) & (post < b) & ((weight < 0) == bool(port))
                if own.any():
                    net.connect(source, target, es.Sparse(source=pre[own] - offset, target=post[own] - a,
                                                          weight=weight[own], delay=delay[own]), port=port)
    times, trains, _ = golden.trains
    return net, {"external": es.Spikes(times, trains)}, ranges


RUNS = [pytest.param(name, s, marks=[pytest.mark.slow] if s == "reference" else [])
        for name in SETS for s in SCHEDULERS[name.split("_")[0]]]


@pytest.mark.parametrize(("name", "scheduler"), RUNS)
def test_every_spike_and_the_end_state(name, scheduler):
    golden = load(name)
    net, inputs, ranges = build(golden)
    sim = es.Simulation(net, inputs, scheduler=scheduler)
    run = sim.run(until=golden.p["t_ms"] * MS)
    worst = 0.0
    for population, (a, _) in ranges.items():
        spikes = run.spikes[population]
        for i in range(ranges[population][1] - a):
            times, right = spikes.times[spikes.neurons == i], golden.spikes[a + i]
            assert len(times) == len(right), f"neuron {a + i}: spikes at {times}, NEST {right}"
            worst = max(worst, float(np.abs(times - right).max(initial=0.0)))
    assert worst < TOLERANCE, f"largest difference {worst:.3g} s"
    shared = golden.p["tau_ex"] == golden.p["tau_in"]
    for population, (a, b) in ranges.items():
        state = sim.state(population)
        assert np.abs(state["v"] - golden.end["v"][a:b]).max() < V_TOLERANCE
        excitation, inhibition = golden.end["ex"][a:b], golden.end["in"][a:b]
        if shared:  # ports of one time constant share one mode: each shows the sum
            excitation = inhibition = excitation + inhibition
        assert np.abs(state["drive_0"] - excitation).max() < V_TOLERANCE
        assert np.abs(state["drive_1"] - inhibition).max() < V_TOLERANCE


@pytest.mark.parametrize("name", SETS)
def test_schedulers_give_the_same_bits(name):
    golden = load(name)
    net, inputs, ranges = build(golden)
    kind = name.split("_")[0]
    runs = [es.simulate(net, inputs, until=0.03, scheduler=s, progress=False) for s in SCHEDULERS[kind]]
    assert runs[0].counts.spikes.total > 200
    for other in runs[1:]:
        assert other.counts == runs[0].counts
        for population in ranges:
            assert np.array_equal(other.spikes[population].times, runs[0].spikes[population].times)
            assert np.array_equal(other.spikes[population].neurons, runs[0].spikes[population].neurons)


@pytest.mark.parametrize("neuron", [3, 922])
def test_the_oracle_reproduces_a_neuron(neuron):
    """All arrivals of one neuron, from the input trains and from the recorded spikes of its sources."""
    golden = load("ff_eq")
    arrivals = []
    times, trains, _ = golden.trains
    for (pre, post, weight, delay), spikes_of in [
        (golden.external, lambda s: times[trains == s]), (golden.synapses, lambda s: golden.spikes[s]),
    ]:
        for k in np.flatnonzero(post == neuron):
            arrivals += [(t + delay[k], weight[k], int(weight[k] < 0)) for t in spikes_of(pre[k])]
    model = {"kind": "LIF", "tau_syn": (golden.p["tau_ex"] * MS, golden.p["tau_in"] * MS),
             "i_offset": golden.bias[neuron], "v_init": golden.v0[neuron], **neuron_arguments(golden)}
    until = 0.25
    exact = exact_neuron.simulate(model, arrivals, until, digits=30)
    right = golden.spikes[neuron][golden.spikes[neuron] <= until]
    assert len(exact.times) == len(right) > 0
    assert max(abs(float(a - float(b))) for a, b in zip(exact.times, right)) < TOLERANCE
    assert not math.isinf(exact.margin)
