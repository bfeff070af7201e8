"""Distorted substrates: each effect has the distribution it promises, is off by default, and is what the engine computes."""

from dataclasses import asdict

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import InputError, ParameterError
from eventsnn.learn.config import Config
from eventsnn.learn.distortion import Chip, Distortion
from eventsnn.learn.fast_and_deep import accuracy, train
from eventsnn.learn.first_spike.network import FirstSpikeNetwork


def network(n=400, ratio=1.0, **options):
    draw = np.random.default_rng(5)
    weights = [draw.normal(1.2, 0.8, (5, n)), draw.normal(0.1, 0.3, (n, 3))]
    return FirstSpikeNetwork(weights, bias_times=(None, None), tau_ratio=ratio, **options)


def times(n=40):
    return np.random.default_rng(6).uniform(0.15, 2.0, (n, 5))


def test_no_distortion_is_the_network_itself_bit_for_bit():
    net, x = network(), times()
    chip = Chip(net, Distortion())
    record = chip.fill(chip.actual.record(x), np.random.default_rng(0))
    assert np.array_equal(record, net.fill(net.record(x)))
    assert np.array_equal(chip.predict(x), net.predict(x))


def test_weights_are_clipped_then_rounded():
    net = network()
    chip = Chip(net, Distortion(weight_max=2.1, weight_step=1 / 30))
    steps = chip.nominal.flat * 30
    assert np.abs(steps - np.rint(steps)).max() < 1e-9 and np.abs(steps).max() == pytest.approx(63)
    inside = np.abs(net.flat) < 2.1
    assert np.abs(chip.nominal.flat - net.flat)[inside].max() <= 1 / 60 + 1e-12
    coarse = Chip(net, Distortion(weight_max=2.0, weight_step=0.3)).nominal.flat
    assert np.abs(coarse).max() == pytest.approx(1.8)  # the largest multiple that is allowed


def test_spreads_have_their_size_and_belong_to_the_chip():
    net = network(4000)
    same, other = (Chip(net, Distortion(threshold_spread=0.1, tau_spread=0.05, missing=0.2, chip=k)) for k in (0, 1))
    again = Chip(net, Distortion(threshold_spread=0.1, tau_spread=0.05, missing=0.2))
    assert np.array_equal(same.actual.flat, again.actual.flat)
    assert np.array_equal(same.actual.tau_factors, again.actual.tau_factors)
    error = 4.0 / np.sqrt(4000)
    for chip in (same, other):
        assert abs(chip.thresholds.std() - 0.1) < 0.1 * error and abs(chip.thresholds.mean() - 1.0) < 0.1 * error
        assert np.abs(chip.actual.tau_factors.std(axis=0) - 0.05).max() < 0.05 * error
        assert abs(chip.alive[:4000].mean() - 0.8) < 0.4 * error and chip.alive[4000:].all()
    pairs = [same.thresholds, other.thresholds, *same.actual.tau_factors.T, *other.actual.tau_factors.T]
    correlation = np.corrcoef(pairs) - np.eye(6)
    assert np.abs(correlation).max() < error


def test_missing_neurons_never_spike_and_the_rest_does_not_notice():
    net, x = network(), times()
    chip = Chip(net, Distortion(missing=0.3))
    hidden = chip.actual.forward(x)[0]
    alive = chip.alive[:400]
    assert np.isinf(hidden[:, ~alive]).all()
    assert np.array_equal(hidden[:, alive], net.forward(x)[0][:, alive])


def test_jitter_reaches_the_next_layer_and_differs_between_runs():
    net, x = network(), times(200)
    chip = Chip(net, Distortion(jitter=0.05))
    ideal = net.forward(x)[0]
    one, two = (chip.fill(net.record(x), np.random.default_rng(k)) for k in (0, 1))
    noise = net.layers(one)[0][np.isfinite(ideal)] - ideal[np.isfinite(ideal)]
    assert abs(noise.std() - 0.05) < 0.05 * 4 / np.sqrt(noise.size) and abs(noise.mean()) < 0.05 * 4 / np.sqrt(noise.size)
    assert not np.array_equal(one, two, equal_nan=True)
    assert np.array_equal(chip.predict(x, seed=3), chip.predict(x, seed=3))
    outputs = net.layers(one)[1]
    clean = network().fill(net.record(x))
    assert not np.allclose(outputs[np.isfinite(outputs)], net.layers(clean)[1][np.isfinite(outputs)])


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.5])
def test_unequal_time_constants_equal_the_engine(ratio):
    draw = np.random.default_rng(8)
    factors = draw.uniform(0.7, 1.4, (23, 2))
    factors[:5] = 1.0  # and some that are nominal
    weights = [draw.normal(1.2, 0.8, (5, 20)), draw.normal(0.5, 0.8, (20, 3))]
    delays = [("axonal", draw.uniform(0, 1, 5)), draw.uniform(0, 1, (20, 3))]
    net = FirstSpikeNetwork(weights, bias_times=(None, None), tau_ratio=ratio, tau_factors=factors, delays=delays)
    engine, tau_syn = net.to_network(tau_syn=5e-3), 5e-3
    fired = 0
    for sample in times(12):
        layers = net.forward(sample[None])
        run = es.simulate(engine, until=0.2, inputs=net.encode_spikes(sample, tau_syn))
        for name, there in zip(("hidden", "output"), layers):
            got = np.full(there.size, np.inf)
            got[run.spikes[name].neurons] = run.spikes[name].times / tau_syn
            assert np.array_equal(np.isfinite(got), np.isfinite(there[0]))
            fired += np.isfinite(got).sum()
            assert np.allclose(got, there[0], rtol=0, atol=1e-9)
    assert fired > 100


def test_a_higher_threshold_is_a_smaller_weight():
    net, x = network(), times()
    chip = Chip(net, Distortion(threshold_spread=0.2))
    for j in (0, 7, 399):
        alone = FirstSpikeNetwork([net.weights[0][:, j:j + 1]], bias_times=(None,), theta=float(chip.thresholds[j]))
        assert np.allclose(alone.forward(x)[0][:, 0], chip.actual.forward(x)[0][:, j], rtol=1e-12)


def test_training_on_the_substrate_recovers_what_it_costs():
    plain = train(Config(epochs=12, hidden=(40,), seed=1), progress=False)
    from eventsnn.learn.recipes import data_of

    distortion = Distortion(threshold_spread=0.15, weight_max=2.1, weight_step=1 / 30, chip=3)
    loaded = accuracy(Chip(plain.network, distortion), *data_of("yinyang")["test"])
    trained = train(Config(epochs=12, hidden=(40,), seed=1, distortion=distortion), start=plain.network, progress=False)
    assert trained.test_accuracy > loaded + 0.05
    assert np.abs(trained.network.flat).max() <= 2.1
    config = Config(distortion=distortion)
    assert Config.from_dict(asdict(config)) == config


def test_threads_do_not_change_training_with_jitter():
    base = dict(epochs=2, hidden=(20,), distortion=Distortion(jitter=0.02))
    runs = [train(Config(threads=k, **base), progress=False) for k in (1, 3)]
    assert np.array_equal(runs[0].network.flat, runs[1].network.flat)
    assert runs[0].test_accuracy == runs[1].test_accuracy


def test_training_can_begin_with_a_network_with_delays():
    base = dict(hidden=(8,), tau_ratio=2.0, bias_times=(None, None), init_mean=(1.0, 1.0), init_std=(1.0, 1.0),
                delays=("synaptic", "axonal"))
    first = train(Config(epochs=2, **base), progress=False)
    again = train(Config(epochs=1, rate=1e-12, delay_rate=1e-12, bump=0.0, **base), start=first.network, progress=False)
    assert np.allclose(again.network.flat, first.network.flat) and np.allclose(again.network.lags, first.network.lags)
    with pytest.raises(InputError, match="start must have"):
        train(Config(epochs=1, hidden=(8,)), start=first.network, progress=False)


@pytest.mark.parametrize("name, value", [("weight_max", 0.0), ("weight_max", np.nan), ("weight_step", -1.0), ("jitter", np.inf),
                                         ("tau_spread", -0.1), ("threshold_spread", np.nan), ("missing", 1.0), ("chip", -1)])
def test_bad_values_are_named(name, value):
    with pytest.raises(ParameterError, match=name):
        Distortion(**{name: value})


@pytest.mark.parametrize("factors", [np.ones((3, 2)), np.zeros((403, 2)), np.full((403, 2), np.nan)])
def test_bad_factors_are_refused(factors):
    with pytest.raises(ParameterError, match="tau_factors"):
        network(tau_factors=factors)
