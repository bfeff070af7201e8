"""Networks on the chip's circuits, rows and buses: nothing is given twice, what does not fit is refused with its reason."""

import tomllib
from dataclasses import fields
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.errors import NetworkError
from eventsnn.hardware.mapper import place


def layers(*sizes, skip=False):
    net = es.Network()
    net.add("layer 0", es.Input(sizes[0]))
    for k, n in enumerate(sizes[1:]):
        net.add(f"layer {k + 1}", es.LIF(n, tau_mem=6e-3, tau_syn=6e-3, v_threshold=1.0))
        for source in range(k + 1) if skip else [k]:
            net.connect(f"layer {source}", f"layer {k + 1}", es.Dense(np.full((sizes[source], n), 0.1)))
    return net


def check(mapping, net, hardware):
    half, taken = hardware.neuron_circuits // 2, []
    for name, placement in mapping.placements.items():
        assert placement.first.shape == (net.populations[name].n,)
        each = max(1, placement.circuits // 2)
        own = (placement.first[:, None] + np.arange(each)).ravel()
        taken += own.tolist() + ((own + half).tolist() if placement.circuits > 1 else [])
        assert mapping.outputs[name].shape == placement.first.shape
        assert mapping.outputs[name].max() < -(-hardware.neuron_circuits // hardware.circuits_per_output)
    assert len(set(taken)) == len(taken) == mapping.used["neuron circuits"][0]
    assert not taken or (min(taken) >= 0 and max(taken) < hardware.neuron_circuits)
    for array in (0, 1):
        rows = [row for (_, side), mine in mapping.rows.items() if side == array for row in mine]
        assert len(set(rows)) == len(rows)
    for name, bus in mapping.buses.items():
        assert bus.shape == (net.populations[name].n,) and bus.min() >= 0 and bus.max() < hardware.buses
    assert all(used <= most for used, most in mapping.used.values())


@settings(max_examples=40, deadline=None)
@given(some.lists(some.integers(1, 140), min_size=2, max_size=5), some.booleans(), some.integers(1, 3), some.integers(1, 9),
       some.integers(1, 200))
def test_a_placement_gives_nothing_twice_or_says_why_not(sizes, skip, copies, buses, per_output):
    net = layers(*sizes, skip=skip)
    hardware = es.BrainScaleS2(input_replication=copies, buses=buses, circuits_per_output=per_output)
    fan_in = [sum((n * (copies if j == 0 else 1)) for j, n in enumerate(sizes[:k]) if skip or j == k - 1)
              for k in range(1, len(sizes))]
    need = sum(n * (1 if pairs <= 128 else 2 * -(-pairs // 256)) for n, pairs in zip(sizes[1:], fan_in))
    if need > 512:
        with pytest.raises(NetworkError, match=f"needs {need:,} neuron circuits and the chip has 512"):
            place(net, hardware)
    else:
        mapping = place(net, hardware)
        assert mapping.used["neuron circuits"] == (need, 512)
        check(mapping, net, hardware)


def test_known_networks():
    mnist = place(layers(256, 246, 10), es.BrainScaleS2("mnist"))
    assert mnist.used["neuron circuits"] == (246 * 2 + 10 * 2, 512) and mnist.placements["layer 1"].circuits == 2
    yinyang = place(layers(5, 30, 3), es.BrainScaleS2("yinyang"))
    assert yinyang.used["neuron circuits"] == (33, 512) and len(yinyang.rows["layer 0", 0]) == 25
    assert "neuron circuits" in mnist.table() and "100.0 %" in mnist.table()


def test_source_populations_have_buses_of_their_own():
    mapping = place(layers(256, 100, 60, 20), es.BrainScaleS2())
    used = [set(bus.tolist()) for bus in mapping.buses.values()]
    assert all(used) and len(set.union(*used)) == sum(map(len, used)) <= 8


@pytest.mark.parametrize("net, words", [
    (layers(100, 600), ("needs 600 ", "has 512", "'layer 1': 600 neurons x 1 circuits for 100 signed inputs", "fewer neurons")),
    (layers(300, 200), ("needs 800 ", "x 4 circuits for 300 signed inputs", "fewer inputs")),
    (layers(40_000, 1), ("needs 20,000 signed rows", "there are 128", "64 sources", "fewer inputs"))])
def test_what_does_not_fit_is_refused_with_its_reason(net, words):
    with pytest.raises(NetworkError) as caught:
        es.simulate(net, until=0.1, hardware=es.BrainScaleS2())
    assert all(word in str(caught.value) for word in words)


def test_every_number_of_the_profile_has_a_source():
    table = tomllib.loads((resources.files("eventsnn.hardware") / "brainscales2.toml").read_text(encoding="utf-8"))
    known = {field.name for field in fields(es.BrainScaleS2)} - {"chip_seed"}
    assert set(table["values"]) == known == set(es.BrainScaleS2.sources())
    for about, source, confidence in es.BrainScaleS2.sources().values():
        assert about and source and confidence in ("high", "medium", "low")
    for preset, changes in table["presets"].items():
        hardware = es.BrainScaleS2(preset)
        assert set(changes) <= known and all(getattr(hardware, key) == value for key, value in changes.items())
        assert hardware.but() == hardware and hardware.but(chip_seed=7).chip_seed == 7
    assert es.BrainScaleS2("ideal").ideal and not es.BrainScaleS2().ideal
