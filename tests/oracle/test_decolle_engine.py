"""DECOLLE in the event engine and event by event: the same spikes, sums and updates as the clocked model."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import ParameterError
from eventsnn.learn.decolle.config import Config
from eventsnn.learn.decolle.layers import Parameters
from eventsnn.learn.decolle.network import Constants, DecolleNetwork
from eventsnn.learn.decolle.online import OnlineLayer, trace_sum

STEP = 1e-3
CONSTANTS = Constants(gain=20.0)


def random_network(shape, layers, classes=4, seed=0):
    draw = np.random.default_rng(seed)
    net = DecolleNetwork.draw(shape, layers, classes, draw, constants=CONSTANTS)
    for bias in net.biases:
        bias[:] = draw.normal(-0.05, 0.2, bias.size)
    return net


@pytest.mark.parametrize("shape, layers", [((40,), [150, 100, 50]), ((9, 8, 2), ["5c3p1m2", "4c2m2", 20]),
                                           ((8, 8, 1), ["3c3", "2c4p2"])])
def test_the_engine_spikes_as_the_clocked_model(shape, layers):
    """300 neurons over 400 steps, and convolutions with max pools, spike for spike; votes and decisions follow."""
    net, steps = random_network(shape, layers), 400 if len(shape) == 1 else 120
    inputs = (np.random.default_rng(1).random((steps, 3, net.n_in)) < 0.1).astype(np.uint8)
    clocked = net.run(inputs, burn_in=30, keep=True)
    samples = [{"input": net.encode(inputs[:, k])} for k in range(3)]
    runs = es.simulate_batch(net.to_network(), samples, until=(steps - 1) * STEP, dt=STEP, jobs=1)
    for k, run in enumerate(runs):
        assert run.diagnostics["near_threshold"] == 0
        for engine, loop in zip(net.spikes_of(run, steps), clocked.spikes):
            assert np.array_equal(engine, loop[:, k]) and 0.005 < engine.mean() < 0.9
        votes = [np.bincount(row, minlength=4) for row in net.winners_of(run, steps, 30)]
        assert np.array_equal(votes, clocked.votes[:, k])
    assert sum(int(s.sum()) for s in clocked.spikes) > 1000


def test_counts_are_several_spikes_at_once():
    net, inputs = random_network((12,), [30, 20]), np.random.default_rng(2).poisson(0.3, (100, 1, 12)).astype(np.uint8)
    run = es.simulate(net.to_network(), {"input": net.encode(inputs[:, 0])}, until=99 * STEP, dt=STEP)
    clocked = net.run(inputs, keep=True)
    assert inputs.max() > 1
    for engine, loop in zip(net.spikes_of(run, 100), clocked.spikes):
        assert np.array_equal(engine, loop[:, 0])


def test_a_driven_neuron_fires_at_the_clocked_rate():
    for drive in (0.05, 0.4, 1.5):
        net = DecolleNetwork((1,), [1], [[[0.0]]], [[drive]], [([[1.0]], [0.0])])
        run = es.simulate(net.to_network(), until=199 * STEP, dt=STEP)
        loop = net.run(np.zeros((200, 1, 1), np.uint8), keep=True).spikes[0]
        assert np.array_equal(net.spikes_of(run, 200)[0], loop[:, 0])


def test_learning_event_by_event_is_learning_step_by_step():
    """An `OnlineLayer` beside the batch rule in float64, plain descent, timers every 3 steps: spikes, sums, weights."""
    net, rate, steps = random_network((25,), [30], seed=3), 20.0, 300
    inputs = (np.random.default_rng(4).random((steps, 25)) < 0.08).astype(np.uint8)
    online, part = OnlineLayer(net, 0, rate), net.part(1)
    gradients = Parameters(net.stages, np.float64)
    config, keys = Config(dropout=0.0), np.zeros((1, 1), np.uint64)
    start = net.weights[0].copy()
    for step in range(steps):
        part.inputs[0, 0] = inputs[step]
        part.steps(1)
        if inputs[step].any():
            online.arrive(step, np.flatnonzero(inputs[step]))
        timer = step % 3 == 2
        if timer or inputs[step].any():
            assert np.array_equal(online.fired(step) if online.now < step else online.spikes, part.state[0].s[0, 0] != 0)
        if online.now < step:
            online.fired(step)
        if timer:
            online.learn(2)
            part.learn(np.array([2]), keys, 0, 1, step, 1, config, gradients, True)
            part.parameters.flat -= rate * gradients.flat
            P, Q = online.traces()  # noqa: N806
            assert np.allclose(online.p, online.weights @ P, rtol=0.0, atol=1e-10)
            assert np.allclose(online.q, online.weights @ Q, rtol=0.0, atol=1e-10)
    assert np.abs(online.weights - start).max() > 0.05
    assert np.allclose(online.weights, part.parameters.weights[0], rtol=0.0, atol=1e-10)
    assert np.allclose(online.bias, part.parameters.biases[0], rtol=0.0, atol=1e-10)


def test_traces_of_silent_inputs_are_summed_in_closed_form():
    c, draw = CONSTANTS, np.random.default_rng(5)
    p, q = draw.random(50), draw.random(50)
    total, a, b = 0.0, p, q
    for _ in range(37):
        a, b = c.alpha * a + (1.0 - c.alpha) * b, c.beta * b
        total = total + a
    assert np.allclose(trace_sum(p, q, 37, c.alpha, c.beta), total, rtol=1e-13)


def test_only_dense_layers_learn_event_by_event():
    with pytest.raises(ParameterError, match="convolution"):
        OnlineLayer(random_network((6, 6, 1), ["2c3"]), 0, 1.0)
    with pytest.raises(ParameterError, match="alpha"):
        OnlineLayer(DecolleNetwork.draw((4,), [3], 2, np.random.default_rng(0), constants=Constants(0.9, 0.9)), 0, 1.0)
