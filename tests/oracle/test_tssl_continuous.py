"""TSSL-BP in continuous time: against fine quadrature of its equations, the grid version as its step shrinks, and by hand."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import InputError, ParameterError
from eventsnn.learn.distances import van_rossum
from eventsnn.learn.tssl_bp.continuous import ContinuousNetwork, grid_constants
from eventsnn.learn.tssl_bp.layers import stack

TAU_MEM, TAU_SYN, STEP = 7e-3, 4e-3, 1e-3


def problem(seed=0, sizes=(12, 8, 3), **options):
    """(network, input spikes, goals) with a few spikes per neuron within 50 ms."""
    draw = np.random.default_rng(seed)
    weights = [draw.normal(0.25, 0.5, (a, b)) for a, b in zip(sizes, sizes[1:])]
    times = np.round(draw.uniform(0.0, 0.03, 3 * sizes[0]), 4)
    inputs = es.Spikes(times, draw.integers(0, sizes[0], times.size))
    goals = es.Spikes(np.round(draw.uniform(0.005, 0.035, 5), 4), draw.integers(0, sizes[-1], 5))
    return ContinuousNetwork(weights, tau_mem=TAU_MEM, tau_syn=TAU_SYN, step=STEP, **options), inputs, goals


def quadrature(network, run, goals, until, fine=2e-6):
    """(loss, gradients) of the equations of the module, every integral as a sum over a fine grid of time."""
    t = np.arange(0.0, 0.12, fine) / STEP
    dt, tm, ts = fine / STEP, TAU_MEM / STEP, TAU_SYN / STEP

    def filtered(spikes, n):
        a = np.zeros((n, t.size))
        for time, j in zip(spikes.times / STEP, spikes.neurons):
            a[j] += np.where(t >= time, np.exp(-np.maximum(t - time, 0.0) / ts) / ts, 0.0)
        return a

    def after(g, at):
        """Integral from `at` on of e^(-(s - at) / ts) / ts g(s)."""
        return float((np.where(t >= at, np.exp(-np.maximum(t - at, 0.0) / ts), 0.0) * g).sum() * dt / ts)

    spikes = [run.spikes["input"], *(run.spikes[name] for name in network.names)]
    sizes = [network.weights[0].shape[0], *(w.shape[1] for w in network.weights)]
    a = [filtered(s, n) for s, n in zip(spikes, sizes)]
    error = a[-1] - filtered(goals, sizes[-1])
    g, loss, found = error, 0.5 * np.square(error).sum() * dt, []
    impulses = [[] for _ in range(sizes[-1])]  # of g, (time, size)
    for layer in range(len(network.weights) - 1, -1, -1):
        w, own = network.weights[layer], spikes[layer + 1]
        drive = w.T @ a[layer]
        passed, gradient = np.zeros((sizes[layer + 1], t.size)), np.zeros(w.shape)
        sent = [[] for _ in range(sizes[layer])]
        for i in range(sizes[layer + 1]):
            fired = own.times[own.neurons == i] / STEP

            def hear(at, i=i):
                sudden = sum(np.exp(-(when - at) / ts) / ts * size for when, size in impulses[i] if when >= at)  # noqa: B023
                return after(g[i], at) + sudden  # noqa: B023

            def impulse(at, size, i=i):
                gradient[:, i] += size * np.array([np.interp(at, t, row) for row in a[layer]])  # noqa: B023
                for j in range(sizes[layer]):  # noqa: B023
                    sent[j].append((at, w[j, i] * size))  # noqa: B023

            active = a[layer + 1][i] >= 0.25 / ts if network.probe else np.ones(t.size, bool)
            later, following = 0.0, None
            for k in range(fired.size - 1, -1, -1):
                now = fired[k]
                slope = np.interp(now, t, drive[i]) - 1.0 / tm
                if following is not None:
                    later *= np.exp(-(following - now) / tm)
                later = min(1.0 / slope, network.bound) * (hear(now) + later / tm)
                start = fired[k - 1] if k else -1.0
                passed[i] += np.where((t > start) & (t <= now) & active, later * np.exp(-np.maximum(now - t, 0.0) / tm), 0.0)
                following = now
                if network.probe:
                    impulse(now, later)
            if network.probe:
                for probe in np.arange(1, int(until / network.probe + 1e-9) + 1) * (network.probe / STEP):
                    psc = sum(np.exp(-(probe - r) / ts) / ts for r in fired if r <= probe)
                    if psc < 0.25 / ts:
                        since = max((r for r in fired if r <= probe), default=0.0)
                        seen = (t >= since) & (t <= probe)
                        v = (np.exp(-(probe - t[seen]) / tm) * drive[i][seen]).sum() * dt
                        z = np.exp(np.clip((1.0 - v) / network.width, -8.0, 8.0))
                        impulse(probe, network.probe / STEP * hear(probe) * z / (network.width * (1.0 + z)**2))
        gradient += a[layer] @ passed.T * dt
        found.insert(0, gradient)
        g, impulses = w @ passed, sent
    return loss, found


@pytest.mark.parametrize("probe", [0.0, 3.3e-3])
def test_the_sweep_over_spikes_is_the_quadrature_of_the_equations(probe):
    network, inputs, goals = problem(probe=probe)
    run = network.forward(inputs.times, inputs.neurons, until=0.06)
    assert all(run.counts.spikes[name] > 5 for name in network.names)
    found = network.gradients(run, goals, 0.05)
    loss, expected = quadrature(network, run, goals, 0.05)
    assert found.loss == pytest.approx(loss, rel=1e-3)
    for mine, theirs in zip(found.weights, expected):
        assert np.abs(mine - theirs).max() < 4e-3 * np.abs(theirs).max()
    assert np.allclose(np.concatenate(found.heights), 1.0, atol=1e-9)


def on_a_grid(network, inputs, goals, grid, horizon):
    """(gradients, spikes per layer) of the grid version with steps of `grid` s, without surrogates."""
    steps = int(round(horizon / grid))
    constants = grid_constants(TAU_MEM, TAU_SYN, STEP, grid, steps, network.bound)
    sizes = [network.weights[0].shape[0], *(w.shape[1] for w in network.weights)]
    from eventsnn.learn.shapes import stages
    from eventsnn.learn.tssl_bp.losses import filtered

    def counts(spikes, n):
        table = np.zeros((1, steps, n))
        np.add.at(table[0], (np.rint(spikes.times / grid).astype(int), spikes.neurons), 1.0)
        return table

    gradients = [np.empty_like(w) for w in network.weights]
    entry, layers = stack(stages((1, 1, sizes[0]), sizes[1:]), network.weights, gradients, 1, constants, False, np.float64)
    entry.take(counts(inputs, sizes[0]))
    for layer in layers:
        layer.forward(1)
    goal = filtered(counts(goals, sizes[-1]), constants.tau_syn)
    layers[-1].back[:] = ((layers[-1].a - goal) * STEP / grid).reshape(layers[-1].back.shape)
    for layer in layers[::-1]:
        layer.backward(1)
    return gradients, [int((layer.u > 1.0).sum()) for layer in layers]


def test_the_grid_version_goes_to_it_as_the_step_shrinks():
    network, inputs, goals = problem()
    run = network.forward(inputs.times, inputs.neurons, until=0.1)
    exact = network.gradients(run, goals, 0.1)
    counts = [run.counts.spikes[name] for name in network.names]
    errors = []
    for grid in (1e-4, 2e-5, 4e-6):
        found, spikes = on_a_grid(network, inputs, goals, grid, 0.1)
        if grid < 1e-4:
            assert spikes == counts
        errors.append(max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, exact.weights)))
    assert errors[2] < 0.02 and errors[2] < 0.4 * errors[1]


def test_one_neuron_and_one_spike_by_hand():
    network = ContinuousNetwork([[[2.6]]], tau_mem=TAU_MEM, tau_syn=TAU_SYN, step=STEP, bound=8.0)
    run = network.forward([0.0], [0], until=0.1)
    spike, = run.spikes["layer0"].times / STEP
    found = network.gradients(run, es.Spikes([], []), 0.1)
    tm, ts = TAU_MEM / STEP, TAU_SYN / STEP
    a = np.exp(-spike / ts) / ts
    delta = (1.0 / (2.0 * ts)) / (2.6 * a - 1.0 / tm)
    assert found.deltas[0][0] == pytest.approx(delta)
    p = (np.exp(-spike / tm) - np.exp(-spike / ts)) * tm * ts / (tm - ts) / ts
    assert 2.6 * p == pytest.approx(1.0)
    assert found.weights[0][0, 0] == pytest.approx(delta * p)


def test_the_slope_is_bounded():
    network, inputs, goals = problem(bound=1e-3)
    run = network.forward(inputs.times, inputs.neurons, until=0.06)
    found = network.gradients(run, goals, 0.05)
    assert max(np.abs(delta).max() for delta in found.deltas) < 0.01


def test_the_loss_is_van_rossums_distance():
    network, inputs, goals = problem(seed=2)
    run = network.forward(inputs.times, inputs.neurons, until=0.06)
    own = run.spikes["layer1"]
    square = sum(van_rossum(own.times[own.neurons == k], goals.times[goals.neurons == k], TAU_SYN)**2 for k in range(3))
    assert network.gradients(run, goals, 0.05).loss == pytest.approx(square / (2.0 * TAU_SYN / STEP))


def test_spike_trains_are_learned_in_continuous_time():
    draw = np.random.default_rng(3)
    inputs = es.Spikes(draw.uniform(0.0, 0.05, 150), draw.integers(0, 50, 150))
    goals = es.Spikes([0.021, 0.04, 0.013, 0.033], [0, 0, 1, 1])
    weights = [draw.normal(0.0, (2.0 / a)**0.5, (a, b)) for a, b in ((50, 40), (40, 2))]
    network = ContinuousNetwork(weights, tau_mem=5e-3, tau_syn=2e-3, step=1e-3, probe=1e-3)
    losses = network.fit([inputs], [goals], 0.06, epochs=500, rate=1e-3)
    assert losses[-1] < 0.2 * losses[0]


def test_bad_values_are_named():
    good = {"tau_mem": TAU_MEM, "tau_syn": TAU_SYN, "step": STEP}
    for name, value in (("tau_mem", 0.0), ("tau_syn", np.nan), ("step", np.inf), ("probe", -1.0), ("width", 0.0),
                        ("bound", 0.0)):
        with pytest.raises(ParameterError, match=name):
            ContinuousNetwork([[[1.0]]], **(good | {name: value}))
    for weights in ([], [np.ones(3)], [np.ones((2, 3)), np.ones((2, 1))], [[[np.nan]]]):
        with pytest.raises(ParameterError, match="weights"):
            ContinuousNetwork(weights, **good)
    network = ContinuousNetwork([[[1.0]]], **good)
    run = network.forward([], [], until=0.01)
    assert network.gradients(run, es.Spikes([], []), 0.01).loss == 0.0
    with pytest.raises(InputError, match="goals names neuron 3"):
        network.gradients(run, es.Spikes([0.0], [3]), 0.01)
    with pytest.raises(InputError, match="lists of one length"):
        network.fit([], [], 0.01, epochs=1)


def test_equal_time_constants():
    network = ContinuousNetwork([[[4.0]]], tau_mem=TAU_SYN, tau_syn=TAU_SYN, step=STEP)
    near = ContinuousNetwork([[[4.0]]], tau_mem=TAU_SYN * (1.0 + 1e-4), tau_syn=TAU_SYN, step=STEP)
    goal = es.Spikes([0.004], [0])
    one, two = (n.gradients(n.forward([0.0], [0], until=0.1), goal, 0.1).weights[0] for n in (network, near))
    assert one == pytest.approx(two, rel=1e-2)
