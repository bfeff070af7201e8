"""DECOLLE: traces, local gradients, schedules, isolation, memory, resume, threads; the ten tests that its equations suggest."""

import math

import numpy as np
import pytest

from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.learn.blas import one_thread
from eventsnn.learn.decolle import kernels
from eventsnn.learn.decolle.checkpoint import load_checkpoint
from eventsnn.learn.decolle.config import Config
from eventsnn.learn.decolle.inputs import PoissonImages, moved
from eventsnn.learn.decolle.layers import Parameters
from eventsnn.learn.decolle.network import Constants, DecolleNetwork
from eventsnn.learn.decolle.recipes import recipe
from eventsnn.learn.decolle.training import accuracy, learning_rate, new_state, train, train_batch
from eventsnn.learn.shapes import stages

ALPHA, BETA, GAMMA, RHO = 0.97, 0.92, 0.65, 1.0
CONV = ["3c3p1m2", "4c2", 6]


def network(shape=(6, 6, 2), layers=CONV, classes=3, seed=0, gain=20.0, **constants):
    constants = Constants(gain=gain, **constants)
    found = DecolleNetwork.draw(shape, layers, classes, np.random.default_rng(seed), constants=constants)
    for bias in found.biases:
        bias[:] = np.random.default_rng(seed + 1).normal(0.0, 0.1, bias.size)
    return found


def clocked(net, inputs):
    """Plain loops over neurons and their windows: spikes [T, n_out] per layer for inputs [T, n_in] of one sample."""
    c, found = net.constants, []
    for stage, weights, bias in zip(net.stages, net.weights, net.biases):
        high, wide, channels = stage.full
        p, q = np.zeros(stage.given), np.zeros(stage.given)
        r, s, out = np.zeros(stage.full), np.zeros(stage.full), []
        for row in inputs:
            p = c.alpha * p + (1.0 - c.alpha) * q
            q = c.beta * q + (1.0 - c.beta) * c.gain * row.reshape(stage.given)
            r = c.gamma * r - c.rho * s
            u = np.zeros(stage.full)
            around = np.pad(p, [(stage.padding, stage.padding)] * 2 + [(0, 0)])
            for y in range(high):
                for x in range(wide):
                    seen = around[y:y + stage.kernel, x:x + stage.kernel].ravel() if stage.kernel else p.ravel()
                    u[y, x] = weights @ seen + bias
            u += r
            s = (u >= 0.0).astype(float)
            k = stage.pool
            tiles = u[:high // k * k, :wide // k * k].reshape(high // k, k, wide // k, k, channels)
            out.append((tiles.max(axis=(1, 3)) >= 0.0).ravel())
        inputs = np.array(out, np.uint8)
        found.append(inputs)
    return found


# --- the model -----------------------------------------------------------------------------------------------------


def test_traces_of_one_spike_follow_the_closed_form():
    p, q = np.zeros((3000, 1)), np.zeros(1)
    spikes = np.zeros((3000, 1), np.uint8)
    spikes[0] = 1
    kernels.filtered(p, 0, q, spikes, ALPHA, 1.0 - ALPHA, BETA, 1.0 - BETA)
    n = np.arange(3000.0)
    expected = (1.0 - ALPHA) * (1.0 - BETA) * (ALPHA ** n - BETA ** n) / (ALPHA - BETA)
    assert p[0, 0] == 0.0 and np.allclose(p[:, 0], expected, rtol=1e-9, atol=1e-15)
    assert math.isclose(p.sum(), 1.0, rel_tol=1e-9)


def test_the_mean_trace_is_the_probability_of_a_spike():
    chance = np.full((4, 500), round(0.2 * 65536), np.uint16)
    keys = np.arange(4, dtype=np.uint64)
    spikes = np.zeros((400, 4, 500), np.uint8)
    for step in range(400):
        kernels.poisson(chance, keys, step, spikes[step])
    p = np.zeros((400, 2000))
    kernels.filtered(p, 0, np.zeros(2000), spikes.reshape(400, -1), ALPHA, 1.0 - ALPHA, BETA, 1.0 - BETA)
    spread = 5.0 * math.sqrt(0.2 * 0.8 / (2000 * 200))
    assert abs(spikes.mean() - 0.2) < spread
    assert abs(p[200:].mean() - 0.2) < spread + 0.2 * ALPHA ** 200
    assert abs(np.corrcoef(spikes[:-1].ravel(), spikes[1:].ravel())[0, 1]) < 5.0 / math.sqrt(spikes.size)


@pytest.mark.parametrize("layers", [[7, 5], CONV, ["2c4m3", "2c1"]])
def test_batches_compute_what_plain_loops_do(layers):
    net = network(layers=layers)
    inputs = (np.random.default_rng(3).random((60, 3, 72)) < 0.15).astype(np.uint8)
    found = net.run(inputs, keep=True)
    for sample in range(3):
        for own, plain in zip(found.spikes, clocked(net, inputs[:, sample])):
            assert np.array_equal(own[:, sample], plain)
    assert all(0.01 < s.mean() < 0.9 for s in found.spikes)
    y = found.spikes[-1][20:] @ net.readouts[-1][0].T + net.readouts[-1][1]
    votes = [np.bincount(y[:, sample].argmax(axis=1), minlength=3) for sample in range(3)]
    assert np.array_equal(net.run(inputs, burn_in=20).votes[-1], votes)


def test_refractory_trace_of_a_driven_neuron():
    net = DecolleNetwork((1,), [1], [[[0.0]]], [[0.3]], [([[1.0], [0.0]], [0.0, 0.0])])
    spikes = net.run(np.zeros((50, 1, 1), np.uint8), keep=True).spikes[0].ravel()
    r, s, expected = 0.0, False, []
    for _ in range(50):
        r = GAMMA * r - RHO * s
        s = 0.3 + r >= 0.0
        expected.append(s)
    assert spikes.tolist() == expected and 5 < spikes.sum() < 30


def test_published_gains_only_scale_the_weights():
    """With the traces scaled by tau_m^2 tau_s^2 and the weights by its inverse, a power of two nearby, spikes are the same."""
    scale = 2.0 ** round(math.log2(1.0 / ((1.0 - ALPHA) ** 2 * (1.0 - BETA) ** 2)))
    net, inputs = network(layers=[9, 8]), (np.random.default_rng(4).random((80, 2, 72)) < 0.2).astype(np.uint8)
    other = DecolleNetwork(net.shape, net.layers, [w / scale for w in net.weights], net.biases, net.readouts,
                           net.constants._replace(gain=net.constants.gain * scale))
    for a, b in zip(net.run(inputs, keep=True).spikes, other.run(inputs, keep=True).spikes):
        assert np.array_equal(a, b) and a.any()


# --- gradients -----------------------------------------------------------------------------------------------------


def smooth_loss(net, layer, flat, seen, r, labels):
    """Mean smooth L1 of a layer whose step is replaced by clip(U + 1/2, 0, 1), whose slope is the box; `seen` as in `Part`."""
    stage, own = net.stages[layer], Parameters(net.stages, np.float64, flat)
    u = (seen @ own.weights[layer].T + own.biases[layer] + r).reshape(len(labels), *stage.full)
    high, wide, channels = stage.pooled
    k = stage.pool
    u = u[:, :high * k, :wide * k].reshape(-1, high, k, wide, k, channels).max(axis=(2, 4)).reshape(len(labels), -1)
    g, offset = net.readouts[layer]
    error = np.clip(u + 0.5, 0.0, 1.0) @ g.T + offset - np.eye(net.classes)[labels]
    return np.where(np.abs(error) < 1.0, 0.5 * error**2, np.abs(error) - 0.5).mean()


@pytest.mark.parametrize("layers", [[8, 7], CONV])
def test_the_local_gradient_is_a_derivative(layers):
    """Weights and biases against central differences of the loss with the step replaced by the ramp whose slope is the box."""
    net, labels = network(layers=layers, gain=5.0), np.array([0, 2, 1, 1])
    part = net.part(4)
    inputs = np.random.default_rng(5).random((30, 4, 72)) < 0.3
    for begun in range(0, 30, part.span):
        part.inputs[:] = inputs[begun:begun + part.span]
        part.steps(part.span)
    gradients = Parameters(net.stages, np.float64)
    last = part.last
    part.learn(labels, np.zeros((len(layers), 4), np.uint64), last, last + 1, 0, 4, Config(dropout=0.0), gradients, True)
    for layer, (stage, state) in enumerate(zip(net.stages, part.state)):
        rows = slice(last * 4 * stage.places, (last + 1) * 4 * stage.places)
        seen, r, flat = state.seen[rows], state.r, part.parameters.flat
        u, g, offset = state.u[last], *net.readouts[layer]
        errors = state.s[last] @ g.T + offset - np.eye(3)[labels]
        graded = np.clip(u + 0.5, 0.0, 1.0) @ g.T + offset - np.eye(3)[labels]
        own = Parameters(net.stages, np.float64)
        add_gradient(net, layer, state, graded, own, last)
        places = np.flatnonzero(own.flat)
        assert places.size > 20
        for place in np.random.default_rng(layer).choice(places, 20, replace=False):
            h, shifted = 1e-6, flat.copy()
            shifted[place] += h
            up = smooth_loss(net, layer, shifted, seen, r, labels)
            shifted[place] -= 2.0 * h
            slope = (up - smooth_loss(net, layer, shifted, seen, r, labels)) / (2.0 * h)
            assert math.isclose(own.flat[place], slope, rel_tol=1e-6, abs_tol=1e-10)
        # the rule itself: the same product with the error of the spikes
        expected = Parameters(net.stages, np.float64)
        add_gradient(net, layer, state, errors, expected, last)
        assert np.allclose(gradients.weights[layer], expected.weights[layer], rtol=1e-10, atol=1e-15)
        assert np.allclose(gradients.biases[layer], expected.biases[layer], rtol=1e-10, atol=1e-15)


def add_gradient(net, layer, state, errors, out, last):
    """delta P for errors [b, K], written out with NumPy: clipped, times readout, gated, sent to the winners of the pools."""
    stage, b = net.stages[layer], len(errors)
    u = state.u[last]
    delta = (np.clip(errors, -1.0, 1.0) / errors.size) @ net.readouts[layer][0] * ((u > -0.5) & (u <= 0.5))
    full = np.zeros((b, *stage.full))
    u_full = state.full_u[last].reshape(full.shape)
    k, (high, wide, channels) = stage.pool, stage.pooled
    for i, y, x, c in np.ndindex(b, high, wide, channels):
        tile = u_full[i, y * k:(y + 1) * k, x * k:(x + 1) * k, c]
        dy, dx = np.unravel_index(tile.argmax(), tile.shape)
        full[i, y * k + dy, x * k + dx, c] = delta.reshape(b, high, wide, channels)[i, y, x, c]
    rows = slice(last * b * stage.places, (last + 1) * b * stage.places)
    out.weights[layer][:] = full.reshape(-1, channels).T @ state.seen[rows]
    out.biases[layer][:] = full.reshape(-1, channels).sum(axis=0)


def test_regularisers_are_derivatives():
    u = np.random.default_rng(6).normal(-2.6, 0.5, (3, 8))
    u[0, :3] = 0.3

    def cost(u):
        quiet = max(0.0, np.mean(0.1 - 1.0 / (1.0 + np.exp(-u))))
        return 0.7 * np.maximum(u + 0.01, 0.0).mean() + 0.4 * quiet

    delta = np.zeros(u.shape)
    assert math.isclose(kernels.regularise(u, 0.7, 0.4, 1.0 / u.size, delta), cost(u), rel_tol=1e-12)
    for i, j in ((0, 0), (1, 3), (2, 7)):
        up, down = u.copy(), u.copy()
        up[i, j] += 1e-6
        down[i, j] -= 1e-6
        assert math.isclose(delta[i, j], (cost(up) - cost(down)) / 2e-6, rel_tol=1e-6)


def test_errors_below_the_trigger_change_nothing():
    u, s = np.zeros((1, 4)), np.ones((1, 4), np.uint8)
    g, offset, y, delta = np.full((4, 2), 0.1), np.zeros(2), np.zeros((1, 2)), np.zeros((1, 4))

    def run(trigger):
        return kernels.local_errors(u, s, g, offset, np.array([0]), np.zeros(1, np.uint64), 0, 0, trigger, 0.5, y, delta)

    assert run(0.0)[1] == 1 and np.allclose(delta, 0.1 * 0.5 * (-0.6 + 0.4))
    assert run(0.5)[1] == 1 and np.allclose(delta, 0.1 * 0.5 * -0.6)
    assert run(0.7)[1] == 0 and not delta.any()


def test_dropout_has_its_probability_and_scale():
    n = 40_000
    u, s, delta, y = np.zeros((2, n)), np.ones((2, n), np.uint8), np.zeros((2, n)), np.zeros((2, 1))
    g = np.full((n, 1), 1.0 / n)
    keys = np.array([5, 6], np.uint64)
    loss, _ = kernels.local_errors(u, s, g, np.zeros(1), np.array([1, 1]), keys, 7, 16384, 0.0, 1.0, y, delta)
    kept = (delta != 0.0).mean(axis=1)
    assert np.allclose(kept, 0.75, atol=5.0 * math.sqrt(0.75 * 0.25 / n))
    assert math.isclose(loss, sum(0.5 * (k / 0.75) ** 2 if k < 0.75 else k / 0.75 - 0.5 for k in kept), rel_tol=1e-9)
    assert np.any((delta[0] != 0.0) != (delta[1] != 0.0))


# --- training ------------------------------------------------------------------------------------------------------


def bars(n=96, seed=0):
    """Vertical and horizontal bars of an image of 6 x 6, four classes."""
    draw = np.random.default_rng(seed)
    images, labels = draw.random((n, 6, 6)) * 0.2, draw.integers(0, 4, n)
    for image, label in zip(images, labels):
        image[(slice(None), 2 + 2 * (label % 2)) if label < 2 else (2 + 2 * (label % 2), slice(None))] = 1.0
    return images, labels


def small(**changes):
    settings = {"layers": (20, 15), "epochs": 2, "batch": 32, "steps": 50, "burn_in": 20, "test_steps": 60, "timer": 2}
    return Config(**(settings | changes))


@pytest.mark.parametrize("layers", [(20, 15), ("6c3m2", 15)])
@pytest.mark.parametrize("gather", ["sum", "last"])
def test_bars_are_learnt_and_shuffled_labels_are_not(layers, gather):
    images, labels = bars(320)
    data = {"train": PoissonImages(images[:256], labels[:256]), "test": PoissonImages(images[256:], labels[256:])}
    rate = 3e-3 if isinstance(layers[0], str) else 1e-3
    result = train(small(layers=layers, epochs=15, gather=gather, rate=rate), data, progress=False)
    assert result.test_accuracy[-1] > 0.75 and min(result.test_accuracy) > 0.6
    assert (result.curve["loss"][-1] < 0.9 * result.curve["loss"][0]).all()
    shuffled = np.random.default_rng(1).permutation(labels[:256])
    data["train"] = PoissonImages(images[:256], shuffled)
    result = train(small(layers=layers, epochs=2, gather=gather), data, progress=False)
    assert max(result.test_accuracy) < 0.6  # chance is 0.25; 64 samples


def test_a_rate_of_zero_changes_nothing():
    images, labels = bars()
    for optimiser in ("adamax", "sgd"):
        config = small(rate=0.0, optimiser=optimiser)
        start = new_state(config, PoissonImages(images, labels)).parameters.flat
        result = train(config, {"train": PoissonImages(images, labels)}, progress=False)
        assert np.array_equal(result.final_network.parameters.flat.astype(np.float32), start)


def test_threads_and_interruptions_change_no_bit(tmp_path):
    images, labels = bars()
    data = {"train": PoissonImages(images, labels, shift=1), "validation": PoissonImages(images[:40], labels[:40])}
    config = small(layers=("4c3m2", 15), epochs=3, schedule="cosine")
    whole = train(config, data, progress=False)
    path = tmp_path / "run.npz"

    class Stopped(Exception):
        pass

    class Cut(PoissonImages):
        def begin(self, samples, epoch, steps, training):
            if training and epoch == 2:
                raise Stopped
            return super().begin(samples, epoch, steps, training)

    with pytest.raises(Stopped):
        train(config, data | {"train": Cut(images, labels, shift=1)}, progress=False, checkpoint=path)
    threaded = small(layers=("4c3m2", 15), epochs=3, schedule="cosine", threads=3)
    rest = train(threaded, data, progress=False, resume=path, checkpoint=path)
    assert np.array_equal(rest.final_network.parameters.flat, whole.final_network.parameters.flat)
    assert rest.curve["accuracy"].tolist() == whole.curve["accuracy"].tolist() and rest.best_epoch == whole.best_epoch
    with pytest.raises(FormatError, match="rate"):
        load_checkpoint(path, small(layers=("4c3m2", 15), epochs=3, schedule="cosine", rate=0.1),
                        new_state(config, data["train"]))
    for size in (0, 100):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(FormatError, match="not a checkpoint"):
            train(config, data, progress=False, resume=path)


def test_layers_learn_alone():
    """A layer's weights after a batch do not depend on the readout, and so the errors, of a later layer."""
    images = PoissonImages(*bars())
    flats = []
    for factor in (1.0, -3.0):
        state = new_state(small(), images)
        state.network.readouts[1] = (factor * state.network.readouts[1][0], state.network.readouts[1][1])
        train_batch(state, small(), images, np.arange(32), np.float32(1e-3))
        flats.append([w.copy() for w in state.parameters.weights])
    assert np.array_equal(flats[0][0], flats[1][0])
    assert not np.array_equal(flats[0][1], flats[1][1])


def test_silent_inputs_leave_their_weights_alone():
    images, labels = bars()
    images[:, 0, :] = 0.0
    data = PoissonImages(images, labels)
    state = new_state(small(), data)
    before = state.parameters.weights[0].copy()
    train_batch(state, small(), data, np.arange(32), np.float32(1e-3))
    assert np.array_equal(state.parameters.weights[0][:, :6], before[:, :6])
    assert (state.parameters.weights[0] != before).mean() > 0.5


def test_coarser_timers_update_less_often():
    images = PoissonImages(*bars())
    for timer, updates in ((1, 30), (7, 5), (100, 1)):
        state = new_state(small(timer=timer), images)
        train_batch(state, small(timer=timer), images, np.arange(32), np.float32(1e-3))
        assert state.updates == updates
    state = new_state(small(error_threshold=100.0), images)
    before = state.parameters.flat.copy()
    train_batch(state, small(error_threshold=100.0), images, np.arange(32), np.float32(1e-3))
    assert state.updates == 0 and np.array_equal(state.parameters.flat, before)


def test_memory_does_not_grow_with_time():
    images, sizes = PoissonImages(*bars()), []
    for steps in (50, 400):
        state = new_state(small(steps=steps), images)
        train_batch(state, small(steps=steps), images, np.arange(32), np.float32(1e-3))
        parts = next(iter(state.parts.values()))
        sizes.append(sum(value.nbytes for part in parts for own in part.state for value in vars(own).values()
                         if isinstance(value, np.ndarray)))
    assert sizes[0] == sizes[1]


def test_rates_and_scaled_weights():
    config = Config(schedule="steps", rate=1.0, rate_every=30, rate_factor=5.0)
    assert [learning_rate(config, epoch) for epoch in (0, 29, 30, 59, 60)] == [1.0, 1.0, 0.2, 0.2, 0.1]
    cosine = [learning_rate(Config(schedule="cosine", rate=1.0, epochs=10), epoch) for epoch in range(10)]
    assert cosine[0] == 1.0 and cosine == sorted(cosine, reverse=True) and cosine[9] > 0.01
    images = PoissonImages(*bars())
    state = new_state(small(init="scaled", gain=1.0), images)
    found = state.network.run(np.stack([images.spikes(k, 50) for k in range(32)], axis=1), keep=True, dtype=np.float32)
    assert all(0.05 < s[20:].mean() < 0.6 for s in found.spikes)


def test_accuracy_is_that_of_the_votes():
    images, labels = bars(30)
    data, net = PoissonImages(images, labels), DecolleNetwork.draw((6, 6, 1), [9], 4, np.random.default_rng(0))
    found = [net.run(data.spikes(k, 40)[:, None], burn_in=10).decisions[0, 0] == labels[k] for k in range(30)]
    score, activity = accuracy(net, data, steps=40, burn_in=10, dtype=np.float64)
    assert math.isclose(score[0], np.mean(found)) and 0.0 < activity[0] < 1.0


def test_one_thread_nests():
    with one_thread(), one_thread():
        assert (np.ones((3, 2)) @ np.ones((2, 1))).tolist() == [[2.0]] * 3


# --- what is refused -----------------------------------------------------------------------------------------------


def test_shapes_of_layers():
    found = stages((28, 28, 1), ["16c7p2m2", "8c3", 10])
    assert [(s.full, s.pooled, s.fan_in) for s in found] == [((26, 26, 16), (13, 13, 16), 49), ((11, 11, 8), (11, 11, 8), 144),
                                                             ((1, 1, 10), (1, 1, 10), 968)]
    for layers in ([], [0], ["16"], ["4c40"], [True], ["2c27m4"], [2.5], ["c3"]):
        with pytest.raises(ParameterError, match="layers"):
            stages((28, 28, 1), layers)


@pytest.mark.parametrize("change", [{"rate": math.nan}, {"rate": -1.0}, {"batch": 0}, {"burn_in": 100}, {"dropout": 1.0},
                                    {"schedule": "never"}, {"timer": 0}, {"alpha": 1.0}, {"peak": 0.0}, {"threads": True},
                                    {"bin": math.inf}, {"gather": "first"}, {"init": "orthogonal"}, {"optimiser": "adam"}])
def test_bad_settings_are_named(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        Config(**change)


def test_bad_data_and_networks_are_refused():
    for images in (np.full((2, 4), math.nan), np.full((2, 4), 1.5), np.zeros((0, 4)), np.zeros(4)):
        with pytest.raises(InputError, match="images"):
            PoissonImages(images, np.zeros(len(images), int))
    for labels in ([0], [0, -1], [0.0, 1.0]):
        with pytest.raises(InputError, match="labels"):
            PoissonImages(np.zeros((2, 4)), labels)
    with pytest.raises(ParameterError, match="shift"):
        PoissonImages(np.zeros((2, 4)), [0, 1], shift=1)
    net = network()
    for inputs in (np.zeros((5, 1, 71), int), np.zeros((5, 72), int), np.full((5, 1, 72), 0.5), np.full((5, 1, 72), 300)):
        with pytest.raises(InputError, match="inputs"):
            net.run(inputs)
    with pytest.raises(ParameterError, match="burn_in"):
        net.run(np.zeros((5, 1, 72), np.uint8), burn_in=5)
    with pytest.raises(ParameterError, match=r"weights\[1\]"):
        DecolleNetwork(net.shape, net.layers, [net.weights[0], net.weights[2], net.weights[2]], net.biases, net.readouts)
    with pytest.raises(ParameterError, match="finite"):
        DecolleNetwork((1,), [1], [[[math.inf]]], [[0.0]], [([[1.0]], [0.0])])
    with pytest.raises(ParameterError, match="alpha"):
        network(alpha=1.0)
    with pytest.raises(InputError, match="shape"):
        train(small(), {"train": PoissonImages(*bars()), "test": PoissonImages(np.zeros((1, 4)), [0])}, progress=False)
    with pytest.raises(UnknownNameError, match="decolle-mnist"):
        recipe("decolle-mnst")
    with pytest.raises(UnknownNameError, match="layers"):
        recipe("decolle-mnist", "quick", layer=3)


def test_images_are_moved_with_zeros_behind():
    images = np.random.default_rng(7).random((3, 5, 4))
    found = moved(images, np.array([[0, 0], [1, -2], [-1, 0]]))
    assert np.array_equal(found[0], images[0]) and np.array_equal(found[2][:4], images[2][1:]) and not found[2][4].any()
    assert np.array_equal(found[1][1:, :2], images[1][:4, 2:]) and not found[1][0].any() and not found[1][:, 2:].any()
