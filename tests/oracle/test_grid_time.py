"""Grid time against clocked loops: the same spikes, step for step, while silent neurons are not stepped."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.errors import InputError, NetworkError, ParameterError, UnknownNameError
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


def both(name, seed):
    """(grid population, clocked layer) of a preset with the same random parameters."""
    family, given_ = name.split("-")[0], parameters(name, seed)
    return getattr(es.grid, family)(N, **given_), getattr(clocked, family)(N, **given_)




def test_every_preset_is_tested():
    made = {n for n, f in vars(es.grid).items() if callable(f) and getattr(f, "__module__", "") == es.grid.__name__
            and n[0].isupper()} - {"GridNeuron"}
    assert made == {p.split("-")[0] for p in PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_300_neurons_over_400_steps_spike_for_spike(name):
    """Own parameters and own Poisson-like input of either sign for every neuron."""
    population, layer = both(name, seed=3)
    draw = np.random.default_rng(11)
    weights = draw.normal(0.4, 0.5, N) * GAIN.get(name.split("-")[0], 1.0)
    counts = (draw.random((STEPS, N)) < 0.12).astype(float)
    net = es.Network()
    net.add("in", es.Input(N))
    net.add("out", population)
    net.connect("in", "out", es.OneToOne(weights))
    run = es.simulate(net, {"in": events(counts)}, until=(STEPS - 1) * DT, dt=DT)
    expected, = clocked.run([layer], counts, [np.diag(weights)], STEPS)
    assert expected.sum() > 500
    assert np.array_equal(table(run.spikes["out"], N, STEPS), expected)
    assert run.diagnostics["near_threshold"] == 0
    assert run.counts.spikes["out"] == expected.sum()
    assert run.counts.synaptic_events["in->out"] == counts.sum()
    assert run.counts.neuron_updates["out"] == counts.sum() + expected.sum()
