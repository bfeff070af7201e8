"""TSSL-BP: the compiled rule against a plain transcription, its parts by hand, threads, checkpoints, the event engine."""

import json
from dataclasses import replace

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.learn.tssl_bp import kernels
from eventsnn.learn.tssl_bp.config import Config
from eventsnn.learn.tssl_bp.inputs import Images, Trains
from eventsnn.learn.tssl_bp.layers import Buffers
from eventsnn.learn.tssl_bp.losses import count_loss, goals_of, kernel_loss
from eventsnn.learn.tssl_bp.models import load_tssl, save_tssl
from eventsnn.learn.tssl_bp.network import Constants, TSSLNetwork, order
from eventsnn.learn.tssl_bp.recipes import RECIPES, data_of, recipe
from eventsnn.learn.tssl_bp.training import Part, Trainer, accuracy, matrices, train

from . import tssl_plain as plain

P, Q = 1.0 / 5.0, 1.0 / 3.0


def back(u, g, dtype=np.float64, **constants):
    """(a, delta of the sweep, delta of the event form) for drives `u` [b, T, n] and g = dL/da; `u` becomes the potentials."""
    kept = Buffers(1, Constants(steps=u.shape[1], **constants), dtype)
    a = np.empty_like(u)
    kernels.advance(u, a, kept.keep, kept.decay, kept.gain)
    swept, events = g.copy(), np.full_like(g, np.nan)
    kernels.retreat(u, a, swept, kept.rule, kept.sweep)
    kernels.retreat_events(u, a, g, kept.rule, np.empty(u.shape[1], dtype), events)
    return a, swept, events


@pytest.mark.parametrize("steps", [1, 2, 5, 13, 30])
def test_the_sweep_and_the_event_form_are_the_published_loop(steps):
    draw = np.random.default_rng(steps)
    drive, g = draw.normal(0.25, 0.6, (4, steps, 300)), draw.normal(0.0, 1.0, (4, steps, 300))
    u, a, s = plain.neurons(drive, 5.0, 3.0)
    expected = plain.delta_of(u, a, s, g, 5.0, 3.0)
    found, swept, events = back(drive, g)
    assert np.array_equal(drive > 1.0, s > 0.0) and s.mean() > 0.02
    assert np.allclose(found, a, rtol=0.0, atol=1e-12)
    assert np.allclose(swept, expected, rtol=0.0, atol=1e-12)
    assert np.allclose(events, expected, rtol=0.0, atol=1e-12)


def test_float32_is_close_to_float64():
    draw = np.random.default_rng(0)
    drive, g = draw.normal(0.25, 0.6, (2, 10, 500)), draw.normal(0.0, 1.0, (2, 10, 500))
    small = back(drive.astype(np.float32), g.astype(np.float32), np.float32)[1]
    assert np.allclose(small, back(drive, g)[1], rtol=1e-3, atol=1e-4)


def test_one_spike_by_hand():
    drive = np.zeros((1, 6, 1))
    drive[0, 0], drive[0, 2] = 0.5, 1.0  # u = 0.5, 0.4, 1.32
    g = np.arange(1.0, 7.0).reshape(1, 6, 1)
    delta = back(drive, g)[1][0, :, 0]
    heard = sum(Q * (1.0 - Q)**k * g[0, 2 + k, 0] for k in range(4))
    assert drive[0, 2, 0] == pytest.approx(1.32)
    assert delta[2] == pytest.approx(heard / (1.32 - 0.4))
    assert delta[5] == 0.0  # still active, no spike follows


def test_two_spikes_by_hand_and_the_reset_between():
    drive = np.zeros((1, 6, 1))
    drive[0, 0], drive[0, 3] = 1.25, 1.1
    g = np.zeros((1, 6, 1))
    g[0, 4] = 1.0
    delta = back(drive, g)[1][0, :, 0]
    last = Q * (1.0 - Q) / 1.1
    assert delta[3] == pytest.approx(last)
    first = (Q * (1.0 - Q)**4 + 1.25 * P * (1.0 - P)**2 * last) / 1.25
    assert delta[0] == pytest.approx(first)
    assert delta[2] == pytest.approx((1.0 - P) * last) and delta[1] == pytest.approx((1.0 - P)**2 * last)


def test_a_slow_rise_counts_as_an_eighth_of_a_unit():
    drive = np.zeros((1, 3, 1))
    drive[0, 0] = 0.99
    drive[0, 1] = 1.05 - 0.8 * 0.99
    g = np.ones((1, 3, 1))
    delta = back(drive, g)[1][0, :, 0]
    assert drive[0, 1, 0] - drive[0, 0, 0] < 0.125
    assert delta[1] == pytest.approx(8.0 * (Q + Q * (1.0 - Q)))


def test_a_silent_neuron_gets_the_derivative_of_a_soft_threshold():
    """The loss of a network whose spikes are a logistic function of u, by finite differences."""
    draw = np.random.default_rng(3)
    drive = np.abs(draw.normal(0.0, 0.2, (1, 7, 80)))
    goal = draw.random((1, 7, 80))
    potentials = plain.neurons(drive, 5.0, 3.0)[0]
    silent = ~(potentials > 1.0).any(axis=1)[0]
    drive, goal, potentials = drive[..., silent], goal[..., silent], potentials[..., silent]

    def soft(u):
        return plain.filtered(1.0 / (1.0 + np.exp((1.0 - u) / 0.2)), 3.0)

    delta = back(drive, soft(potentials) - goal)[1]
    for t in range(7):
        up, down = potentials.copy(), potentials.copy()
        up[:, t] += 1e-5
        down[:, t] -= 1e-5
        slope = (0.5 * np.square(soft(up) - goal) - 0.5 * np.square(soft(down) - goal)).sum(axis=1) / 2e-5
        assert np.allclose(delta[:, t], slope, atol=1e-7)
    assert silent.sum() > 20


def test_the_losses_and_their_derivatives():
    draw = np.random.default_rng(4)
    a, labels = draw.random((3, 5, 4)), np.array([0, 3, 2])
    goals, found = goals_of(labels, 4, Constants(steps=5), np.float64), np.empty((3, 5, 4))
    assert np.allclose(goals[1, :, 3], plain.filtered(np.array([[[0.0], [1], [1], [1], [1]]]), 3.0)[0, :, 0])
    assert goals[1, :, :3].max() == 0.0
    value = kernel_loss(a, goals, found)
    nudged = a.copy()
    nudged[1, 2, 3] += 1e-6
    assert (kernel_loss(nudged, goals, np.empty_like(a)) - value) / 1e-6 == pytest.approx(found[1, 2, 3], abs=1e-5)
    value = count_loss(a, labels, 4.0, 1.0, found)
    counts = a.sum(axis=1)
    for k, label in enumerate(labels):
        for j in range(4):
            d = (counts[k, j] - (4.0 if j == label else 1.0)) / 5.0
            d = min(d, 0.0) if j == label else max(d, 0.0)
            assert np.allclose(found[k, :, j], d)
    assert value == pytest.approx(0.5 * np.square(found).sum())


CASES = {
    "dense": ((1, 1, 9), (7, 4), True),
    "dense-spikes": ((1, 1, 9), (7, 5, 4), False),
    "conv": ((10, 8, 2), ("3c3s2", "4c2", 6, 3), True),
    "conv-padded": ((8, 8, 1), ("3c3p1s2", "4c3p2s3", 3), True),
    "conv-spikes": ((8, 8, 2), ("3c3p1s2", "2c3s2", 3), False),
}


@pytest.mark.parametrize("dropped, cost", [(False, 0.0), (True, 0.0), (False, 0.05), (True, 0.05)])
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_whole_networks_are_those_of_the_plain_loop(case, dropped, cost, monkeypatch):
    from eventsnn.learn.tssl_bp import layers as module

    monkeypatch.setattr(module, "ROWS", 40)
    monkeypatch.setattr(module, "AT_ONCE", 700)
    shape, words, static = CASES[case]
    draw = np.random.default_rng(len(case))
    constants = Constants(steps=6)
    network = TSSLNetwork.draw(shape, words, draw, constants, static)
    weights = [3.0 * w + 0.1 for w in network.weights]
    b, n = 5, network.n_in
    x = draw.normal(0.5, 1.0, (b, n)) if static else (draw.random((b, 6, n)) < 0.3).astype(np.uint8)
    layers, masks = [], []
    for stage, w in zip(network.stages, weights):
        layers.append(("conv", w, stage.kernel, stage.given, stage.padding, stage.pool) if stage.kernel else ("dense", w))
        masks.append((draw.random((b, stage.pooled[0], stage.pooled[2])) < 0.7) / 0.7)
    goal = draw.random((b, 6, network.stages[-1].n))
    expected, spikes, wanted = plain.gradients(layers, x, static, lambda a: a - goal, steps=6, masks=masks if dropped else None,
                                               cost=cost)
    part = Part(network.stages, weights, b, sum(w.size for w in weights),
                Config(layers=words, steps=6, dropout=0.3 * dropped, spike_cost=cost), static, np.float64)
    a = part.forward(x, masks[:-1] if dropped else None)
    assert np.allclose(a, expected, rtol=0.0, atol=1e-12)
    part.layers[-1].back[:] = (a - goal).reshape(part.layers[-1].back.shape)
    part.backward(b)
    assert all(s.mean() > 0.02 for s in spikes)
    for found, expect in zip(matrices(network.stages, part.gradient), wanted):
        assert np.allclose(found, expect, rtol=1e-12, atol=1e-12) and np.abs(expect).max() > 0.0


@pytest.mark.parametrize("case", CASES)
def test_the_event_engine_spikes_as_the_dense_loop_does(case):
    shape, words, static = CASES[case]
    draw = np.random.default_rng(len(case) + 1)
    network = TSSLNetwork.draw(shape, words, draw, Constants(steps=8, tau_mem=6.0, tau_syn=2.5), static)
    for w, stage in zip(network.weights, network.stages):
        w *= 2.5 if stage.kernel else 1.5
    x = draw.normal(0.5, 1.0, (6, network.n_in)) if static else (draw.random((6, 8, network.n_in)) < 0.3).astype(np.uint8)
    response = network.forward(x)
    net = network.to_network(x if static else None)
    for k in range(6):
        inputs = {"input": es.Spikes([0.0], [k]) if static else network.to_spikes(x[k])}
        run = es.simulate(net, inputs, until=7e-3, dt=1e-3, progress=False)
        assert run.diagnostics["near_threshold"] == 0
        for number, stage in enumerate(network.stages):
            spikes, found = run.spikes[f"layer{number}"], np.zeros((8, stage.n), bool)
            found[np.rint(spikes.times / 1e-3).astype(int), order(stage.full)[spikes.neurons]] = True
            assert np.array_equal(found, response.spikes[number][k])
    assert all(s.any() for s in response.spikes)


def some_images(n=60, seed=0):
    draw = np.random.default_rng(seed)
    return Images(draw.random((n, 6, 6)), draw.integers(0, 3, n), mean=0.3, std=0.3)


SMALL = {"layers": ("3c3s2", 8, 3), "batch": 17, "epochs": 3, "dropout": 0.2, "parts": 3}


def test_threads_change_no_bit():
    data = {"train": some_images(), "validation": some_images(150, 1), "test": some_images(30, 2)}
    one, two = (train(Config(**SMALL, threads=n), data, progress=False) for n in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.final_network.weights, two.final_network.weights))
    assert all(np.array_equal(one.curve[key], two.curve[key]) for key in one.curve)
    assert one.test_accuracy == two.test_accuracy
    start = Trainer(Config(**SMALL), data["train"]).network()
    assert not any(np.array_equal(a, b) for a, b in zip(one.final_network.weights, start.weights))


def test_a_resumed_run_gives_the_same_bits(tmp_path):
    data = {"train": some_images(), "validation": some_images(40, 1)}
    whole = train(Config(**SMALL), data, progress=False)
    file = tmp_path / "c.npz"
    train(Config(**SMALL | {"epochs": 1}), data, progress=False, checkpoint=file)
    resumed = train(Config(**SMALL), data, progress=False, checkpoint=file, resume=file)
    assert all(np.array_equal(a, b) for a, b in zip(whole.final_network.weights, resumed.final_network.weights))
    assert all(np.array_equal(a, b) for a, b in zip(whole.network.weights, resumed.network.weights))
    assert all(np.array_equal(whole.curve[key], resumed.curve[key]) for key in whole.curve)
    with pytest.raises(FormatError, match="rate: 0.0005 there, 0.001 here"):
        train(Config(**SMALL, rate=1e-3), data, progress=False, resume=file)
    with pytest.raises(ParameterError, match="epochs must be >= 3"):
        train(Config(**SMALL | {"epochs": 2}), data, progress=False, resume=file)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(FormatError, match="not a checkpoint"):
        train(Config(**SMALL), data, progress=False, resume=file)


def test_a_checkpoint_from_before_a_setting_was_there_is_one_with_its_default(tmp_path):
    file, data = tmp_path / "c.npz", {"train": some_images()}
    config = Config(layers=(8, 3), epochs=1)
    train(config, data, progress=False, checkpoint=file)
    with np.load(file) as saved:
        parts = {name: saved[name] for name in saved.files}
    recipe = json.loads(str(parts["recipe"]))
    del recipe["spike_cost"]
    np.savez(file, **parts | {"recipe": json.dumps(recipe)})
    assert train(replace(config, epochs=2), data, progress=False, resume=file).curve["loss"].size == 2
    with pytest.raises(FormatError, match="spike_cost: 0.0 there, 0.1 here"):
        train(replace(config, epochs=2, spike_cost=0.1), data, progress=False, resume=file)


def test_an_interrupted_run_leaves_a_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    from eventsnn.learn.tssl_bp import training

    data, file, calls = {"train": some_images()}, tmp_path / "c.npz", []
    real = training.Trainer.update

    def update(self, *arguments):
        calls.append(1)
        if len(calls) == 6:  # within the second epoch
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(training.Trainer, "update", update)
    with pytest.raises(KeyboardInterrupt):
        train(Config(**SMALL), data, progress=False, checkpoint=file)
    monkeypatch.setattr(training.Trainer, "update", real)
    resumed = train(Config(**SMALL), data, progress=False, resume=file)
    whole = train(Config(**SMALL), data, progress=False)
    assert np.array_equal(resumed.final_network.weights[0], whole.final_network.weights[0])


def test_adamw_is_the_textbook_one():
    data = some_images()
    config = Config(**SMALL | {"dropout": 0.0, "parts": 2}, rate=0.01, clip=0.5)
    trainer = Trainer(config, data)
    w = trainer.state.weights.astype(np.float64)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, 4):
        _, _, parts = trainer.gradient(np.arange(17), 0)
        g = sum(part.gradient.astype(np.float64) for part in trainer.parts[:parts])
        g *= min(1.0, 0.5 / (np.linalg.norm(g) + 1e-6))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.01 * 0.01 * w - 0.01 * (m / (1.0 - 0.9**step)) / (np.sqrt(v / (1.0 - 0.999**step)) + 1e-8)
        trainer.update(parts, 0.01)
        assert np.allclose(trainer.state.weights, np.clip(w, -4.0, 4.0), atol=1e-5)


def test_digits_are_learned_and_not_with_the_sign_turned():
    data = data_of("digits")
    assert train(recipe("tssl-digits")[1], data, progress=False).test_accuracy > 0.94
    assert train(recipe("tssl-digits", factor=-1.0)[1], data, progress=False).test_accuracy < 0.3
    assert train(recipe("tssl-digits", quiet=0.0)[1], data, progress=False).test_accuracy < 0.8


def test_a_price_of_spikes_makes_hidden_neurons_quiet_at_little_cost():
    data = data_of("digits", validation=300)
    free, priced = (train(recipe("tssl-digits", spike_cost=cost)[1], data, progress=False) for cost in (0.0, 2e-3))
    assert priced.curve["activity"][-1, 0] < 0.4 * free.curve["activity"][-1, 0]
    assert priced.validation_accuracy > free.validation_accuracy - 0.03


def test_the_price_of_spikes_is_part_of_the_loss():
    images = Images(np.eye(4), [0, 1, 2, 3])
    losses, spikes = [], 0.0
    for cost in (0.0, 0.5):
        trainer = Trainer(Config(layers=(30, 4), spike_cost=cost, parts=1), images)
        losses.append(trainer.gradient(np.arange(4), 0)[0])
        spikes = float(trainer.parts[0].layers[0].a.astype(np.float64)[:4].sum())
    assert spikes > 0.0 and losses[1] - losses[0] == pytest.approx(0.5 * spikes)


def test_given_spike_trains_are_learned():
    draw = np.random.default_rng(5)
    inputs = (draw.random((4, 30, 40)) < 0.1).astype(int)
    targets = np.zeros((4, 30, 2), int)
    for k in range(4):
        targets[k, draw.choice(np.arange(5, 30), 3, replace=False), k % 2] = 1
    data = {"train": Trains(inputs, targets), "validation": Trains(inputs, targets)}
    config = Config(layers=(100, 2), steps=30, tau_mem=5.0, tau_syn=2.0, epochs=400, batch=4, rate=2e-3, schedule="cosine")
    result = train(config, data, progress=False)
    assert result.curve["validation_loss"][result.best_epoch] < 0.1 * result.curve["validation_loss"][0]
    assert result.test_accuracy is None and result.validation_accuracy is None


def test_files_of_models(tmp_path):
    network = TSSLNetwork.draw((6, 6, 1), ("3c3s2", 3), np.random.default_rng(0), Constants(steps=7, tau_syn=2.0))
    file = tmp_path / "net.h5"
    save_tssl(file, network, "mnist", {"seed": 1}, "float64")
    same, facts = load_tssl(file)
    assert all(np.array_equal(a, b) for a, b in zip(same.weights, network.weights))
    assert (same.layers, same.constants, same.shape, same.static) == (("3c3s2", 3), network.constants, (6, 6, 1), True)
    assert facts == {"seed": 1, "data": "mnist"}
    save_tssl(file, network, "mnist")
    assert np.array_equal(load_tssl(file)[0].weights[0], network.weights[0].astype(np.float16))
    with pytest.raises(ParameterError, match="data must be one of"):
        save_tssl(file, network, "moons")
    with pytest.raises(ParameterError, match="do not fit"):
        save_tssl(file, TSSLNetwork(1, [1], [[[1e6]]]), "mnist")
    (tmp_path / "cut.h5").write_bytes(file.read_bytes()[:900])
    with pytest.raises(FormatError):
        load_tssl(tmp_path / "cut.h5")
    with pytest.raises(UnknownNameError):
        load_tssl("tssl-nothing")


@pytest.mark.parametrize("changes, match", [
    ({"steps": 0}, "steps"), ({"tau_mem": 0.5}, "tau_mem"), ({"tau_syn": np.nan}, "tau_syn"), ({"width": 0.0}, "width"),
    ({"loss": "hinge"}, "loss"), ({"schedule": "steps"}, "schedule"), ({"batch": 2.5}, "batch"), ({"seed": -1}, "seed"),
    ({"rate": np.inf}, "rate"), ({"dropout": 1.0}, "dropout"), ({"weight_decay": -1.0}, "weight_decay"),
    ({"clip": 0.0}, "clip"), ({"bound": np.inf}, "bound"),
])
def test_bad_settings_are_named(changes, match):
    with pytest.raises(ParameterError, match=match):
        Config(**changes)


@pytest.mark.parametrize("layers", [(), (0,), ("5c",), ("5c9",), ("5c3s9",), (True,), (2.0,)])
def test_bad_layers_are_named(layers):
    with pytest.raises(ParameterError, match="layers"):
        Config(layers=layers).stages((6, 6, 1))


def test_bad_networks_and_inputs_are_named():
    with pytest.raises(ParameterError, match=r"weights\[0\] must be finite \[2, 3\]"):
        TSSLNetwork(2, [3], [np.ones((3, 2))])
    with pytest.raises(ParameterError, match="not finite"):
        TSSLNetwork(2, [3], [np.full((2, 3), np.nan)])
    with pytest.raises(ParameterError, match="one matrix per layer"):
        TSSLNetwork(2, [3, 2], [np.ones((2, 3))])
    with pytest.raises(ParameterError, match="shape must be"):
        TSSLNetwork((2, 2), [3], [np.ones((4, 3))])
    network = TSSLNetwork(2, [3], [np.ones((2, 3))])
    for bad in (np.ones(2), np.ones((4, 3)), np.array([[0.0, np.nan]])):
        with pytest.raises(InputError, match="inputs must be"):
            network.forward(bad)
    assert network.forward(np.zeros((0, 2))).predictions.size == 0
    for images, labels in ((np.full((2, 4), np.inf), [0, 1]), (np.ones((2, 4)), [0]), (np.ones((2, 4)), [0, -1]),
                           (np.ones((0, 4)), [])):
        with pytest.raises(InputError):
            Images(images, labels)
    with pytest.raises(ParameterError, match="std"):
        Images(np.ones((1, 4)), [0], std=0.0)
    with pytest.raises(ParameterError, match="crop"):
        Images(np.ones((1, 4)), [0], crop=2)
    for inputs, targets in ((np.ones((1, 2)), np.ones((1, 2, 1))), (np.full((1, 2, 1), 2), np.ones((1, 2, 1))),
                            (np.ones((1, 3, 1)), np.ones((1, 2, 1)))):
        with pytest.raises(InputError):
            Trains(inputs, targets)
    with pytest.raises(InputError, match="need 3"):
        Trainer(Config(layers=(2,)), some_images())
    with pytest.raises(InputError, match="steps"):
        Trainer(Config(layers=(2,), steps=4), Trains(np.ones((1, 3, 2)), np.ones((1, 3, 2))))
    with pytest.raises(InputError, match="'train'"):
        train(Config(), {})


def test_recipes():
    for task in RECIPES:
        name, config = recipe(task, "paper")
        assert config.epochs >= 100
    assert recipe("tssl-nmnist")[1].loss == "count"
    with pytest.raises(UnknownNameError):
        recipe("tssl-nothing")
    with pytest.raises(UnknownNameError):
        recipe("tssl-mnist", "slow")
    with pytest.raises(UnknownNameError):
        recipe("tssl-mnist", speed=1)
    with pytest.raises(ParameterError, match="validation"):
        data_of("digits", validation=5000)
    parts = data_of("digits", validation=100)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [1337, 100, 360]
    with pytest.raises(UnknownNameError):
        data_of("moons")


def test_augmented_images_are_shifted_and_mirrored_by_seed():
    draw = np.random.default_rng(0)
    images = Images(draw.integers(1, 255, (40, 6, 6, 3)).astype(np.uint8), np.zeros(40, int), crop=2, flip=True)
    samples = np.arange(40)
    first = images.inputs(samples, 0, True)
    assert np.array_equal(first, images.inputs(samples, 0, True))
    assert np.array_equal(first[7:9], images.inputs(samples[7:9], 0, True))
    assert not np.array_equal(first, images.inputs(samples, 1, True))
    plain_ones = images.inputs(samples, 0, False).reshape(40, 6, 6, 3)
    assert np.allclose(plain_ones, images.images / 255.0)
    framed = np.pad(plain_ones, ((0, 0), (2, 2), (2, 2), (0, 0)))
    mirrored = 0
    for k, image in enumerate(first.reshape(40, 6, 6, 3)):
        fits = [(flip, y, x) for flip in (False, True) for y in range(5) for x in range(5)
                if np.array_equal(framed[k, y:y + 6, x:x + 6][:, ::-1] if flip else framed[k, y:y + 6, x:x + 6], image)]
        assert len(fits) == 1
        mirrored += fits[0][0]
    assert 10 < mirrored < 30


def test_accuracy_counts_right_answers():
    network = TSSLNetwork(2, [2], [np.eye(2) * 3.0])
    assert accuracy(network, Images(np.eye(2), [0, 0])) == 0.5
