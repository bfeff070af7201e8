"""First-spike networks through the event engine: the published one, and random ones against the layer kernels."""

import os
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es
from eventsnn.data.yin_yang import to_spike_times
from eventsnn.experiments.evaluate import first_spikes
from eventsnn.learn.first_spike.network import FirstSpikeNetwork

TAU = 6e-3


def golden(name):
    folder = os.environ.get("EVENTSNN_GOLDEN")
    path = Path(folder or "", "fast_and_deep", name)
    if not folder or not path.is_file():
        pytest.skip(f"EVENTSNN_GOLDEN does not hold fast_and_deep/{name}")
    return np.load(path)


def published_test_set():
    folder = Path(os.environ.get("EVENTSNN_DATA", ""), "yin_yang")
    if not (folder / "test_samples.npy").is_file():
        pytest.skip("EVENTSNN_DATA does not hold yin_yang/test_samples.npy")
    return np.load(folder / "test_samples.npy"), np.load(folder / "test_labels.npy")


@pytest.mark.parametrize("scheduler", ["heap", "layered", "window"])
def test_published_network_spike_for_spike(scheduler):
    data = golden("yinyang_120.npz")
    samples, labels = published_test_set()
    network = FirstSpikeNetwork([data["p0"], data["p1"]])
    inputs = [network.encode_spikes(row, TAU) for row in to_spike_times(samples)]
    runs = es.simulate_batch(network.to_network(TAU), inputs, until=12 * TAU, scheduler=scheduler)
    times = np.stack([first_spikes(run, "output") for run in runs]) / TAU
    recorded = data["test_spiketimes"]
    assert np.array_equal(np.isfinite(times), np.isfinite(recorded))
    fired = np.isfinite(times)
    assert fired.sum() > 2900
    assert np.abs(times[fired] - recorded[fired]).max() < 2e-5
    assert np.mean(times.argmin(axis=1) == labels) == pytest.approx(0.960, abs=5e-4)


def compare(n, seed):
    """Largest difference between engine and kernels over `n` random networks, in tau_syn, and the spikes compared."""
    rng = np.random.default_rng(seed)
    worst, count = 0.0, 0
    for k in range(n):
        ratio = 1 + k % 2
        width, out = int(rng.integers(3, 25)), int(rng.integers(1, 6))
        fan_in = int(rng.integers(2, 12))
        scale = rng.uniform(0.5, 2.0)
        weights = [rng.normal(scale * 4.0 / fan_in, 1.0, (fan_in + 1, width)),
                   rng.normal(scale * 6.0 / width, 0.8, (width + 1, out))]
        network = FirstSpikeNetwork(weights, tau_ratio=ratio)
        times = rng.uniform(0.15, 2.0, fan_in)
        times[rng.random(fan_in) < 0.1] = np.inf
        run = es.simulate(network.to_network(TAU), network.encode_spikes(times, TAU), until=40 * TAU,
                          scheduler=("heap", "layered", "window")[k % 3])
        for name, layer in zip(("hidden", "output"), network.forward(times[None])):
            engine, kernel = first_spikes(run, name) / TAU, layer[0]
            both = np.isfinite(kernel)
            assert np.array_equal(np.isfinite(engine), both), (k, name)
            slope = crossing_slopes(network, times, layer[0], name)
            difference = np.abs(engine[both] - kernel[both])
            assert np.all(difference <= 1e-12 * (1.0 + 1.0 / slope[both])), (k, name)
            worst, count = max(worst, difference.max(initial=0.0)), count + int(both.sum())
    return worst, count


def crossing_slopes(network, times, spikes, name):
    """dV/dt at the output spikes, in threshold per tau_syn, from the sum of postsynaptic potentials."""
    hidden = network.forward(times[None])[0][0]
    inputs = np.append(times, network.bias_times[0]) if name == "hidden" else np.append(hidden, network.bias_times[1])
    matrix = network.weights[0 if name == "hidden" else 1]
    with np.errstate(invalid="ignore"):  # both inf: silent before and after
        s = spikes[None] - inputs[:, None]
    causal = (s > 0) & np.isfinite(s)
    s = np.where(causal, s, 0.0)
    if network.tau_ratio == 1:
        kernel = (1.0 - s) * np.exp(-s)
    else:
        kernel = 2.0 * np.exp(-s) - np.exp(-s / 2.0)
    return np.maximum((np.where(causal, kernel, 0.0) * matrix).sum(axis=0), 1e-9)


def test_random_networks_equal_the_kernels():
    worst, count = compare(100, 5)
    assert count > 800
    assert worst < 1e-9


@pytest.mark.slow
def test_a_thousand_random_networks_equal_the_kernels():
    worst, count = compare(1000, 6)
    assert count > 8000
