"""Delays of first-spike layers: times against shifted inputs, the engine and the published network; gradients."""

import os
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es
from eventsnn.data.yin_yang import to_spike_times, yin_yang_splits
from eventsnn.errors import ParameterError
from eventsnn.learn.first_spike.network import FirstSpikeNetwork

GOLDEN = Path(os.environ.get("EVENTSNN_GOLDEN", "")) / "fast_and_deep"
KINDS = ("axonal", "dendritic", "synaptic")
RATIOS = (1.0, 2.0, 3.5)


def shapes(kind, n, m):
    return {"axonal": n, "dendritic": m, "synaptic": (n, m)}[kind]


def network(kinds, ratio=1.0, seed=0, sizes=(5, 20, 4)):
    """Two layers with biases and random delays of these kinds."""
    draw = np.random.default_rng(seed)
    weights = [draw.normal(1.5, 0.8, (sizes[0] + 1, sizes[1])), draw.normal(0.6, 0.5, (sizes[1] + 1, sizes[2]))]
    delays = [None if k is None else (k, draw.uniform(0.0, 1.0, shapes(k, *w.shape))) for k, w in zip(kinds, weights)]
    return FirstSpikeNetwork(weights, tau_ratio=ratio, delays=delays)


def times_of(n, count, seed=1):
    return np.random.default_rng(seed).uniform(0.15, 2.0, (count, n))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_delay_shifts_the_arrival(kind, ratio):
    """Every neuron of a layer with delays is one without, on inputs that come later by them."""
    draw = np.random.default_rng(3)
    weights, times = draw.normal(0.7, 1.0, (6, 8)), times_of(6, 5)
    lags = draw.uniform(0.0, 1.5, shapes(kind, 6, 8))
    got = FirstSpikeNetwork([weights], tau_ratio=ratio, bias_times=(None,), delays=[(kind, lags)]).forward(times)[0]
    full = np.broadcast_to(lags[:, None] if kind == "axonal" else lags, (6, 8))
    for j in range(8):
        one = FirstSpikeNetwork([weights[:, j:j + 1]], tau_ratio=ratio, bias_times=(None,))
        expected = one.forward(times + full[:, j])[0][:, 0]
        assert np.array_equal(np.isfinite(got[:, j]), np.isfinite(expected))
        fired = np.isfinite(expected)
        assert np.allclose(got[fired, j], expected[fired], rtol=1e-12)
    assert 10 < np.isfinite(got).sum() < 40


@pytest.mark.parametrize("kinds", [(a, b) for a in (*KINDS, None) for b in KINDS])
def test_the_engine_agrees(kinds):
    net, times = network(kinds), times_of(5, 4)
    layers = net.forward(times)
    for k, sample in enumerate(times):
        run = es.simulate(net.to_network(6e-3), net.encode_spikes(sample, 6e-3), until=0.3)
        for name, expected in zip(("hidden", "output"), layers):
            first = np.full(expected.shape[1], np.inf)
            first[run.spikes[name].neurons] = run.spikes[name].times / 6e-3
            assert np.array_equal(np.isfinite(first), np.isfinite(expected[k])), name
            fired = np.isfinite(first)
            assert np.allclose(first[fired], expected[k][fired], rtol=1e-11), name


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kinds", [("axonal", "axonal"), ("dendritic", "dendritic"), ("synaptic", "synaptic"),
                                   ("synaptic", "axonal"), (None, "dendritic")])
def test_gradients_equal_finite_differences(kinds, ratio):
    net, times = network(kinds, ratio), times_of(5, 6)
    mix = np.random.default_rng(5).normal(size=(6, 4))

    def loss():
        out = net.forward(times)[-1]
        return np.sum(mix * np.where(np.isfinite(out), out, 0.0)), np.isfinite(out)

    record = net.fill(net.record(times))
    found = net.gradients(record, mix)
    fired, step, checked = loss()[1], 1e-6, 0
    draw = np.random.default_rng(6)
    for values, gradient in ((net.flat, found.weights), (net.lags, found.delays)):
        for i in draw.choice(values.size, min(25, values.size), replace=False):
            before, sides = values[i], []
            for sign in (1, -1):
                values[i] = before + sign * step
                value, same = loss()
                sides.append(value)
                assert np.array_equal(same, fired)
            values[i] = before
            expected = (sides[0] - sides[1]) / (2 * step)
            assert gradient[i] == pytest.approx(expected, rel=2e-5, abs=2e-6), i
            checked += abs(expected) > 1e-3
    assert checked > 10


def test_all_delays_together_shift_the_output():
    """Delays of one kind in one layer sum to the shift of time: sum over the causal synapses of dt/dd = 1."""
    for kind in KINDS:
        net = network((None, kind))
        record = net.fill(net.record(times_of(5, 3)))
        out = net.layers(record)[-1]
        mix = np.where(np.isfinite(out), 1.0, 0.0)
        mix[:, 1:] = 0.0
        assert net.gradients(record, mix).delays.sum() == pytest.approx(mix.sum(), rel=1e-11)


@pytest.mark.skipif(not GOLDEN.exists(), reason="EVENTSNN_GOLDEN does not hold fast_and_deep")
@pytest.mark.parametrize("name, accuracy", [("delgrad_30_weights", 0.967), ("delgrad_30_synaptic", 0.982)])
def test_published_networks(name, accuracy):
    """All recorded output times, by the kernels and by the engine."""
    golden = np.load(GOLDEN / f"{name}.npz")
    sigmoid = lambda p: 1.0 / (1.0 + np.exp(-p))  # noqa: E731
    if name.endswith("synaptic"):
        weights, delays = [golden["p1"], golden["p4"]], [sigmoid(golden["p0"]), sigmoid(golden["p3"])]
    else:
        weights, delays = [golden["p0"], golden["p2"]], None
    net = FirstSpikeNetwork(weights, tau_ratio=2, bias_times=(None, None), delays=delays)
    times, labels = to_spike_times(yin_yang_splits()["test"][0]), golden["test_labels"]
    got, published = net.forward(times)[-1], golden["test_spiketimes"]
    fired = np.isfinite(published)
    assert np.array_equal(np.isfinite(got), fired)
    assert np.abs(got[fired] - published[fired]).max() < 5e-5
    assert np.mean(net.predict(times) == labels) == pytest.approx(accuracy, abs=1e-9)
    built = net.to_network(6e-3)
    for sample, expected in zip(times[:60], got):
        run = es.simulate(built, net.encode_spikes(sample, 6e-3), until=0.3)
        first = np.full(3, np.inf)
        first[run.spikes["output"].neurons] = run.spikes["output"].times / 6e-3
        assert np.allclose(first, expected, rtol=1e-11)


@pytest.mark.parametrize("delays, word", [
    ([None], "one entry per layer"), ([None, np.ones((3, 3))], "shape"), ([None, ("axonal", -np.ones(21))], "delays"),
    ([("axial", np.ones(6)), None], "axial"), ([("dendritic", np.full(20, np.nan)), None], "finite"),
])
def test_bad_delays_are_named(delays, word):
    with pytest.raises(ParameterError, match=word):
        FirstSpikeNetwork([np.ones((6, 20)), np.ones((21, 4))], delays=delays)
