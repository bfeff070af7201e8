"""The training loop: recipe, reproducibility, checkpoints, and the losses and optimiser it uses."""

from dataclasses import replace

import numpy as np
import pytest

import eventsnn as es
from eventsnn.data.yin_yang import to_spike_times, yin_yang
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.experiments.training import train_task
from eventsnn.learn import fast_and_deep
from eventsnn.learn.fast_and_deep import Config, accuracy, train
from eventsnn.learn.first_spike.network import FirstSpikeNetwork
from eventsnn.learn.losses import first_spike_cross_entropy, loss_of
from eventsnn.learn.models import load_model
from eventsnn.learn.optimisers import Adam, new_optimiser, step_rate
from eventsnn.learn.recipes import recipe

SMALL = Config(hidden=(30,), epochs=4, batch=50, checkpoint_every=2)


@pytest.fixture(scope="module")
def data():
    sizes = {"train": (600, 1), "validation": (200, 2), "test": (200, 3)}
    return {name: (to_spike_times(x), y) for name, (n, seed) in sizes.items() for x, y in [yin_yang(n, seed)]}


def same(a, b):
    assert np.array_equal(a.network.flat, b.network.flat)
    assert np.array_equal(a.final_network.flat, b.final_network.flat)
    assert all(np.array_equal(a.curve[name], b.curve[name]) for name in a.curve)
    assert (a.best_epoch, a.test_accuracy) == (b.best_epoch, b.test_accuracy)


def test_learns(data):
    result = train(replace(SMALL, epochs=12, hidden=(60,), batch=30), data=data, progress=False)
    assert result.validation_accuracy > 0.75
    assert result.validation_accuracy == result.curve["validation_accuracy"].max()
    assert result.validation_accuracy == accuracy(result.network, *data["validation"])
    assert result.test_accuracy == accuracy(result.network, *data["test"])
    assert all(values.shape == (12,) for values in result.curve.values())
    assert ((result.curve["silent"] >= 0) & (result.curve["silent"] <= 1)).all()


@pytest.mark.parametrize("ratio", [1, 2])
def test_runs_are_reproducible_for_any_number_of_threads(data, ratio):
    config = replace(SMALL, tau_ratio=ratio, epochs=2)
    one = train(config, data=data, progress=False)
    same(one, train(replace(config, threads=2), data=data, progress=False))
    other = train(replace(config, seed=1), data=data, progress=False)
    assert not np.array_equal(one.final_network.flat, other.final_network.flat)


@pytest.mark.parametrize("step", ["also", "instead"])
def test_resume_is_bit_identical(data, tmp_path, step):
    config = replace(SMALL, bump_step=step, silent_limits=(0.05, 0.0))
    whole = train(config, data=data, progress=False)
    file = tmp_path / "half.npz"
    train(replace(config, epochs=2), data=data, progress=False, checkpoint=file)
    assert [p.name for p in tmp_path.iterdir()] == ["half.npz"]
    same(whole, train(replace(config, threads=2), data=data, progress=False, checkpoint=file, resume=file))
    same(whole, train(config, data=data, progress=False, resume=file))
    with pytest.raises(ParameterError, match="epochs must be >= 4"):
        train(replace(config, epochs=3), data=data, progress=False, resume=file)


def test_foreign_and_damaged_checkpoints_are_refused(data, tmp_path):
    file = tmp_path / "c.npz"
    train(replace(SMALL, epochs=1), data=data, progress=False, checkpoint=file)
    with pytest.raises(FormatError, match="rate: 0.005 there, 0.01 here"):
        train(replace(SMALL, rate=0.01), data=data, progress=False, resume=file)
    content = file.read_bytes()
    for damaged in (b"", b"no archive", content[: len(content) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(FormatError, match="is not a checkpoint"):
            train(SMALL, data=data, progress=False, resume=file)
    with pytest.raises(FileNotFoundError):
        train(SMALL, data=data, progress=False, resume=tmp_path / "missing.npz")


def test_silent_layers_are_woken(data):
    """Weights far too small: every neuron is silent, no gradient exists, and only the bumps can help."""
    config = replace(SMALL, init_mean=(0.05, 0.05), init_std=(0.01, 0.01), epochs=3)
    result = train(config, data=data, progress=False)
    assert result.curve["bumps"][0] > 0.5
    assert result.curve["loss"][0] > result.curve["loss"][-1]
    assert result.curve["silent"][-1] < 0.5


def test_instead_makes_no_gradient_step_in_a_bumped_batch(data):
    config = replace(SMALL, init_mean=(0.05, 0.05), init_std=(0.0, 0.0), epochs=1, batch=600, bump=0.125)
    for step in ("instead", "also"):  # all silent: both only bump the hidden layer, once
        network = train(replace(config, bump_step=step), data=data, progress=False).final_network
        assert np.allclose(network.weights[0], 0.175, rtol=1e-15)
        assert np.allclose(network.weights[1], 0.05, rtol=1e-15)


def test_several_hidden_layers_and_no_bias(data):
    config = replace(SMALL, hidden=(20, 10), epochs=1, bias_times=(0.9, None, 0.9), init_mean=(1.5, 1.0, 0.8),
                     init_std=(0.8, 0.8, 0.8), silent_limits=(0.3, 0.3, 0.0))
    network = train(config, data=data, progress=False).network
    assert [w.shape for w in network.weights] == [(5, 20), (20, 10), (11, 3)]


def test_presets():
    assert Config.preset("paper").epochs == 300
    assert Config.preset("quick", seed=4).seed == 4
    with pytest.raises(UnknownNameError, match="quick"):
        Config.preset("quik")


@pytest.mark.parametrize("change", [
    {"rate": 0.0}, {"rate": float("nan")}, {"epochs": 0}, {"epochs": 1.5}, {"batch": 0}, {"hidden": (0,)},
    {"init_mean": (1.0,)}, {"init_std": (-1.0, 0.0)}, {"silent_limits": (0.3, 1.5)}, {"tau_ratio": 0.0}, {"xi": 0.0},
    {"bump_step": "never"}, {"bump": -1.0}, {"max_gradient": 0.0}, {"seed": -1}, {"threads": 0}, {"theta": 0.0},
    {"alpha": float("inf")}, {"beta": 0.0},
])
def test_bad_configs_name_the_parameter(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        Config(**change)


def test_bad_data_are_named(data):
    for bad in ((data["train"][0], data["train"][1][:-1]), (data["train"][0], -data["train"][1])):
        with pytest.raises(InputError, match="train"):
            train(SMALL, data=data | {"train": bad}, progress=False)


def test_loss_and_its_derivative():
    draw = np.random.default_rng(0)
    times, labels = draw.uniform(0.5, 2.0, (6, 3)), np.array([0, 1, 2, 0, 1, 2])
    times[1, 0] = times[2, 2] = np.inf
    delta = np.empty(times.shape)
    loss = first_spike_cross_entropy(times, labels, 0.2, 0.005, 1.0, delta)
    direct = []
    for row, label in zip(times, labels):
        own = row[label]
        if np.isinf(own):
            direct.append(100.0)
        else:
            direct.append(np.log(np.exp(-(row - own) / 0.2).sum()) + 0.005 * np.exp(own))
    assert loss == pytest.approx(np.mean(direct), rel=1e-13)
    assert delta[1, 0] == 0.0 and not delta[2].any()
    for index in [(0, 0), (0, 1), (1, 1), (5, 2)]:
        pair = []
        for sign in (1, -1):
            moved = times.copy()
            moved[index] += sign * 1e-6
            pair.append(first_spike_cross_entropy(moved, labels, 0.2, 0.005, 1.0, np.empty(times.shape)))
        assert delta[index] == pytest.approx((pair[0] - pair[1]) / 2e-6, abs=1e-7)


def test_loss_survives_far_times():
    delta = np.empty((1, 2))
    loss = first_spike_cross_entropy(np.array([[400.0, 1.0]]), np.array([0]), 0.2, 0.0, 1.0, delta)
    assert loss == pytest.approx(1995.0) and np.isfinite(delta).all()


def test_adam_follows_its_definition():
    draw = np.random.default_rng(1)
    weights, adam = draw.normal(size=5), Adam(5)
    expected, m, v = weights.copy(), np.zeros(5), np.zeros(5)
    for t in range(1, 6):
        gradient = draw.normal(size=5)
        adam.step(weights, gradient, 0.01)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert np.allclose(weights, expected, rtol=1e-13)
    with pytest.raises(ParameterError, match="decay"):
        Adam(2, decay=(1.0, 0.9))
    assert [step_rate(1.0, e, 0.5, 2) for e in range(5)] == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_spikes_for_the_engine():
    network = FirstSpikeNetwork([np.ones((5, 6)), np.ones((7, 3))])
    spikes = network.encode_spikes([0.2, 0.1, np.inf, 0.4], tau_syn=6e-3)
    assert sorted(spikes) == ["bias", "input"]
    assert spikes["input"].neurons.tolist()[:2] == [1, 0]
    assert np.isclose(spikes["input"].times[0], 0.1 * 6e-3, rtol=1e-15)
    assert spikes["bias"].times.tolist() == [0.9 * 6e-3]
    for tau in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match="tau_syn"):
            network.encode_spikes([0.2, 0.1, 0.3, 0.4], tau_syn=tau)


def test_network_for_the_engine_is_built():
    network = FirstSpikeNetwork([np.ones((5, 6)), np.ones((7, 3))], tau_ratio=2)
    assert isinstance(network.to_network(tau_syn=6e-3), es.Network)
    with pytest.raises(ParameterError, match="tau_syn"):
        network.to_network(tau_syn=0.0)


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_engine_gives_the_same_spikes(ratio):
    draw = np.random.default_rng(9)
    network = FirstSpikeNetwork([draw.normal(1.5, 0.8, (5, 20)), draw.normal(0.8, 0.5, (21, 3))], tau_ratio=ratio)
    times, tau = draw.uniform(0.15, 2.0, 4), 6e-3
    expected = network.forward(times[None])
    run = es.simulate(network.to_network(tau), network.encode_spikes(times, tau), until=30 * tau,
                      scheduler="reference", progress=False)
    for name, layer in zip(("hidden", "output"), expected):
        found = np.full(layer.shape[1], np.inf)
        found[run.spikes[name].neurons] = run.spikes[name].times / tau
        assert np.allclose(found, layer[0], rtol=1e-12)


# -- tasks ---------------------------------------------------------------------------------------------------------------


def test_recipes_refuse_what_they_do_not_know():
    for arguments, word in ((("yingyang",), "yinyang"), (("mnist", "paler"), "paper")):
        with pytest.raises(UnknownNameError, match=word):
            recipe(*arguments)
    with pytest.raises(UnknownNameError, match="hidden"):
        recipe("mnist", "quick", hiden=(3,))
    assert recipe("mnist", "quick", hidden=[3, 4], bias_times=[None] * 3, init_mean=[0.1] * 3, init_std=[0.1] * 3,
                  silent_limits=[0.1] * 3)[1].hidden == (3, 4)


def test_a_task_writes_the_model_that_is_best_on_validation_data(tmp_path):
    out = tmp_path / "points.h5"
    found = train_task("yinyang-delays", seeds=2, out=out, changes={"epochs": 3, "hidden": [6]})
    network, facts = load_model(out)
    assert [path.name for path in tmp_path.iterdir()] == ["points.h5"]
    assert facts["validation_accuracy"] == max(found["validation_accuracy_per_seed"])
    assert network.kinds.tolist() == [3, 3] and network.fan_out.tolist() == [6, 3]
    assert found["test_accuracy"] == pytest.approx(np.mean(found["test_accuracy_per_seed"]))


def test_an_interrupted_task_goes_on(tmp_path, monkeypatch):
    changes = {"epochs": 4, "hidden": [6], "checkpoint_every": 1}
    whole = train_task("yinyang-delays", out=tmp_path / "whole.h5", changes=changes)
    epoch, calls = fast_and_deep._run_epoch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(fast_and_deep, "_run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_task("yinyang-delays", out=tmp_path / "cut.h5", changes=changes)
    assert [path.name for path in tmp_path.glob("cut*")] == ["cut-seed0.npz"]
    monkeypatch.setattr(fast_and_deep, "_run_epoch", epoch)
    again = train_task("yinyang-delays", out=tmp_path / "cut.h5", changes=changes)
    assert again["validation_accuracy_per_seed"] == whole["validation_accuracy_per_seed"]
    one, two = (load_model(tmp_path / name)[0] for name in ("whole.h5", "cut.h5"))
    assert np.array_equal(one.flat, two.flat) and np.array_equal(one.lags, two.lags)


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_square", "shifted_mean_square"])
def test_losses_have_the_derivative_they_give(loss):
    draw = np.random.default_rng(3)
    times, labels = draw.uniform(0.5, 2.0, (6, 4)), draw.integers(0, 4, 6)
    times[0, (labels[0] + 1) % 4] = np.inf
    config, delta, scratch = Config(loss=loss), np.empty((6, 4)), np.empty((6, 4))
    loss_of(config, times, labels, delta)
    for k, j in [(0, 0), (0, (labels[0] + 1) % 4), (1, labels[1]), (2, 3), (5, 0)]:
        if not np.isfinite(times[k, j]):
            assert delta[k, j] == 0.0
            continue
        sides = []
        for sign in (1, -1):
            moved = times.copy()
            moved[k, j] += sign * 1e-6
            sides.append(loss_of(config, moved, labels, scratch))
        assert delta[k, j] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_weight_decay_pulls_to_zero(optimiser):
    weights = np.array([4.0, -4.0])
    new_optimiser(optimiser, 2, weight_decay=0.5).step(weights, np.zeros(2), rate=0.1)
    assert np.allclose(weights, [3.8, -3.8])


def test_input_noise_and_schedules_change_only_training(tmp_path):
    data = {name: (np.random.default_rng(k).uniform(0.15, 2.0, (60, 4)), np.arange(60) % 3)
            for k, name in enumerate(("train", "validation"))}
    runs = {name: train(Config(epochs=3, hidden=(8,), seed=1, **change), data=data, progress=False)
            for name, change in (("plain", {}), ("noise", {"input_noise": 0.3}), ("cosine", {"schedule": "cosine"}))}
    assert len({run.network.flat.tobytes() for run in runs.values()}) == 3
