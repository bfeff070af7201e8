"""Spike times against 60-digit arithmetic and the published network; gradients against three derivations."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from eventsnn.data.mnist import latency_28, mnist
from eventsnn.data.yin_yang import to_spike_times, yin_yang_splits
from eventsnn.errors import InputError, ParameterError
from eventsnn.learn.first_spike.network import FirstSpikeNetwork, first_to_spike

GOLDEN = Path(os.environ.get("EVENTSNN_GOLDEN", "")) / "fast_and_deep" / "yinyang_120.npz"
DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
EPS = 2.0**-52
RATIOS = [1, 2, 3.7, 1.01, 0.4, 0.99]


def one_layer(weights, ratio, theta=1.0):
    return FirstSpikeNetwork([weights], tau_ratio=ratio, bias_times=(None,), theta=theta)


def kappa(s, ratio):
    return s * mp.exp(-s) if ratio == 1 else (mp.exp(-s / mp.mpf(ratio)) - mp.exp(-s)) / (1 - 1 / mp.mpf(ratio))


def slope(s, ratio):
    if ratio == 1:
        return (1 - s) * mp.exp(-s)
    c = 1 / mp.mpf(ratio)
    return (mp.exp(-s) - c * mp.exp(-c * s)) / (1 - c)


def voltage(t, times, weights, ratio, function=kappa):
    return mp.fsum(w * function(t - s, ratio) for s, w in zip(times, weights) if s <= t)


def oracle(times, weights, ratio, theta=1.0):
    """(first spike, conditioning bound eps sum |terms| / V', how far the highest earlier peak missed theta)."""
    keep = np.isfinite(times)
    times, weights = times[keep], weights[keep]
    order = np.argsort(times, kind="stable")
    times = [mp.mpf(float(t)) for t in times[order]]
    weights = [mp.mpf(float(w)) for w in weights[order]]
    margin = mp.inf
    for n in range(1, len(times) + 1):
        t0 = times[n - 1]
        end = times[n] if n < len(times) else t0 + 2000
        current = mp.fsum(w * mp.exp(-(t0 - s)) for s, w in zip(times[:n], weights[:n]))
        v0 = voltage(t0, times[:n], weights[:n], ratio)
        top = end  # V' = 0, exactly
        if ratio == 1 and current > 0:
            top = min(end, t0 + 1 - v0 / current)
        elif ratio != 1 and current > 0:
            c = 1 / mp.mpf(ratio)
            fast = current / (1 - c)
            if fast * (v0 + fast) > 0:
                top = min(end, t0 + mp.log(fast / (c * (v0 + fast))) / (1 - c))
            elif c > 1:
                continue  # V falls
        if top <= t0:
            continue
        miss = voltage(top, times[:n], weights[:n], ratio) - theta
        margin = min(margin, abs(miss))
        if miss >= 0:
            low, high = t0, top
            for _ in range(130):
                middle = (low + high) / 2
                if voltage(middle, times[:n], weights[:n], ratio) >= theta:
                    high = middle
                else:
                    low = middle
            terms = mp.fsum(abs(w) * kappa(high - s, ratio) for s, w in zip(times[:n], weights[:n])) + theta
            rise = voltage(high, times[:n], weights[:n], ratio, slope)
            return high, EPS * terms / rise if rise > 0 else mp.inf, margin
    return mp.inf, mp.mpf(0), margin


@pytest.fixture(autouse=True)
def sixty_digits():
    with mp.workdps(60):
        yield


def lost(ratio):
    """By how much rounding grows where two exponentials nearly cancel."""
    return 1.0 if ratio == 1 else max(1.0, 1.0 / abs(1.0 - ratio))


def check(times, weights, ratio, theta=1.0):
    """All neurons of one sample against the oracle; returns how many spiked."""
    got = one_layer(weights, ratio, theta).forward(times[None])[0][0]
    for j, t in enumerate(got):
        exact, bound, margin = oracle(times, weights[:, j], ratio, theta)
        if margin < 64 * EPS * lost(ratio) * (1 + np.abs(weights[:, j]).sum()):
            continue  # decided by rounding: no float64 method can tell
        assert np.isfinite(t) == (exact < mp.inf), (t, exact)
        if np.isfinite(t):
            assert abs(mp.mpf(float(t)) - exact) <= max(1e-12 * abs(exact), 64 * lost(ratio) * bound), (t, exact, bound)
    return np.isfinite(got).sum()


@pytest.mark.parametrize("ratio", RATIOS)
def test_times_equal_the_oracle(ratio):
    draw = np.random.default_rng(int(100 * ratio))
    spikes = 0
    for size in (1, 2, 5, 13, 30):
        for _ in range(3):
            times = draw.uniform(0.0, 3.0, size)
            times[draw.random(size) < 0.1] = np.inf
            spikes += check(times, draw.normal(2.0 / np.sqrt(size), 1.5, (size, 8)), ratio)
    assert 40 < spikes < 115


@pytest.mark.parametrize("ratio", RATIOS)
def test_accuracy_is_1e_12_away_from_tangents(ratio):
    draw = np.random.default_rng(10 + int(100 * ratio))
    times, weights = draw.uniform(0.0, 2.0, 12), draw.normal(1.5, 0.5, (12, 20))
    got = one_layer(weights, ratio).forward(times[None])[0][0]
    for j in range(20):
        exact = oracle(times, weights[:, j], ratio)[0]
        assert abs(got[j] - exact) <= 1e-12 * exact


@pytest.mark.parametrize("ratio", RATIOS)
def test_near_tangent_decisions_and_times(ratio):
    top = mp.mpf(1) if ratio == 1 else mp.log(1 / mp.mpf(ratio)) / (1 / mp.mpf(ratio) - 1)
    peak_weight = float(1 / kappa(top, ratio))  # one input of this weight just touches theta = 1
    offsets = np.array([s * 10.0**-k for k in range(2, 15) for s in (-1, 1)])
    spikes = check(np.array([0.3]), (peak_weight * (1 + offsets))[None], ratio)
    assert abs(spikes - 13) <= (lost(ratio) > 10.0)  # the last one is decided by rounding there
    second = np.array([0.0, 0.7])
    check(second, np.stack([1.0 + 0 * offsets, np.zeros_like(offsets)]) * (1 + offsets), ratio)
    for gap in (0.5, 0.9, 1.3):  # a peak inside the gap that an inhibitory input cuts off soon after
        check(np.array([0.0, gap]), np.stack([peak_weight * (1 + offsets), -5.0 + 0 * offsets]), ratio)


def test_an_exact_touch_fires_and_a_hair_less_does_not():
    """kappa peaks at exactly 1/2 for ratio 2; at 1/e for ratio 1, which no float64 weight can touch exactly."""
    assert one_layer([[2.0]], 2).forward([[0.0]])[0][0, 0] == pytest.approx(2 * np.log(2), rel=1e-7)
    assert one_layer([[np.nextafter(2.0, 0)]], 2).forward([[0.0]])[0][0, 0] == np.inf
    assert one_layer([[np.e * (1 + 1e-15)]], 1).forward([[0.0]])[0][0, 0] == pytest.approx(1.0, abs=1e-7)
    assert one_layer([[np.e * (1 - 1e-15)]], 1).forward([[0.0]])[0][0, 0] == np.inf


@pytest.mark.parametrize("ratio", RATIOS)
def test_large_times_and_wide_gaps(ratio):
    draw = np.random.default_rng(20 + int(100 * ratio))
    for scale in (1e3, 1e6):
        check(np.sort(draw.uniform(0, scale, 6)), draw.normal(2.0, 2.0, (6, 10)), ratio)
    times, weights = draw.uniform(0, 2, 8), draw.normal(1.0, 1.0, (8, 20))
    near = one_layer(weights, ratio).forward(times[None])[0]
    far = one_layer(weights, ratio).forward(times[None] + 1024.0)[0]
    assert np.array_equal(np.isinf(near), np.isinf(far))
    assert np.allclose(far[np.isfinite(far)] - 1024.0, near[np.isfinite(near)], atol=1e-9)
    assert check(np.array([0.0, 5000.0]), np.array([[1.0, 5.0], [9.0, 1.0]]), ratio) == 2


@pytest.mark.parametrize("ratio", RATIOS)
def test_ties_order_and_silence(ratio):
    draw = np.random.default_rng(30 + int(100 * ratio))
    times = np.round(draw.uniform(0, 2, 40), 1)
    weights = draw.normal(0.4, 0.6, (40, 10))
    check(times, weights, ratio)
    shuffled = draw.permutation(40)
    a = one_layer(weights, ratio).forward(times[None])[0]
    b = one_layer(weights[shuffled], ratio).forward(times[None, shuffled])[0]
    assert np.allclose(a, b, rtol=1e-12)
    assert np.isinf(one_layer(weights, ratio).forward(np.full((1, 40), np.inf))[0]).all()
    assert check(times, weights, ratio, theta=0.01) > 0


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("scale", [2.0, 200.0])
def test_a_neuron_does_not_notice_its_neighbours(ratio, scale):
    """Groups of eight, the rest of a group, inputs taken four at a time, and epochs of the origin: the same bits."""
    draw = np.random.default_rng(40 + int(100 * ratio))
    times, weights = draw.uniform(0, scale, (3, 71)), draw.normal(0.1, 1.0, (71, 27))
    times[0, 30:] = np.inf
    together = one_layer(weights, ratio).forward(times)[0]
    alone = np.concatenate([one_layer(w[:, None], ratio).forward(times)[0] for w in weights.T], axis=1)
    assert np.array_equal(together, alone)
    check(times[1], weights[:, :9], ratio)


@pytest.mark.skipif(not GOLDEN.exists(), reason="EVENTSNN_GOLDEN does not hold fast_and_deep/yinyang_120.npz")
def test_published_network():
    golden = np.load(GOLDEN)
    samples, labels = yin_yang_splits()["test"]
    network = FirstSpikeNetwork([golden["p0"], golden["p1"]])
    times, published = network.forward(to_spike_times(samples))[-1], golden["test_spiketimes"]
    fired = np.isfinite(published)
    assert np.array_equal(np.isfinite(times), fired)
    assert np.abs(times[fired] - published[fired]).max() < 2e-5
    assert np.mean(network.predict(to_spike_times(samples)) == labels) == pytest.approx(0.96, abs=1e-12)


@pytest.mark.skipif(not GOLDEN.exists() or not (DATA / "mnist").is_dir(),
                    reason="EVENTSNN_GOLDEN or EVENTSNN_DATA does not hold MNIST and its published network")
def test_published_mnist_network():
    """Its authors recorded spike times on a grid of 0.01 tau_syn: ours are a little earlier, and the accuracy is theirs."""
    golden = np.load(GOLDEN.with_name("mnist_784_350.npz"))
    images, labels = mnist()["test"]
    network = FirstSpikeNetwork([golden["p0"], golden["p1"]], bias_times=(None, None))
    times, published = network.forward(latency_28(images))[-1], golden["test_spiketimes"]
    both = np.isfinite(times) & np.isfinite(published)
    assert 0.969 <= np.mean(first_to_spike(times) == labels) <= 0.971
    assert np.median(published[both] - times[both]) == pytest.approx(0.005, abs=0.005)
    assert times.min(axis=1).mean() == pytest.approx(0.477, abs=0.01)


def random_case(ratio, seed):
    draw = np.random.default_rng(seed)
    times, weights = draw.uniform(0.1, 2.0, 15), draw.normal(0.9, 0.9, (15, 24))
    out = one_layer(weights, ratio).forward(times[None])[0][0]
    fired = np.isfinite(out)
    return times, weights[:, fired], out[fired]


def jacobian(times, weights, ratio, out, theta=1.0):
    """dt_j/dw_ij [n, m] from the kernel, and dt_j/dt_i [n, m] by one call per output."""
    layer = one_layer(weights, ratio, theta)
    record = layer.fill(layer.record(times[None]))
    by_weight = layer.gradient(record, np.ones((1, out.size))).reshape(weights.shape)
    by_time = [layer.gradients(record, row[None], inputs=True).inputs[0] for row in np.eye(out.size)]
    return by_weight, np.array(by_time).T


def direct_form(times, weights, ratio, out):
    """The closed form in the inputs alone (sums over the causal set, W0 or the root of the quadratic), 60 digits."""
    by_weight, by_time = np.zeros(weights.shape), np.zeros(weights.shape)
    for j in range(out.size):
        causal = [i for i in range(len(times)) if times[i] < out[j]]
        t = {i: mp.mpf(float(times[i])) for i in causal}
        w = {i: mp.mpf(float(weights[i, j])) for i in causal}
        a1 = mp.fsum(w[i] * mp.exp(t[i]) for i in causal)
        if ratio == 1:
            b = mp.fsum(w[i] * t[i] * mp.exp(t[i]) for i in causal)
            lam = mp.lambertw(-mp.exp(b / a1) / a1).real
            for i in causal:
                front = -mp.exp(t[i]) / (a1 * (1 + lam))
                by_weight[i, j] = front * (b / a1 - lam - t[i])
                by_time[i, j] = front * w[i] * (b / a1 - lam - t[i] - 1)
        else:
            a2 = mp.fsum(w[i] * mp.exp(t[i] / 2) for i in causal)
            s = mp.sqrt(a2 * a2 - 2 * a1)
            u = (a2 + s) / (2 * a1)
            for i in causal:
                by_weight[i, j] = -2 / s * (mp.exp(t[i] / 2) - mp.exp(t[i]) * u)
                by_time[i, j] = -w[i] / s * (mp.exp(t[i] / 2) - 2 * mp.exp(t[i]) * u)
    return by_weight, by_time


@pytest.mark.parametrize("ratio", [1, 2])
def test_gradients_equal_the_direct_form(ratio):
    times, weights, out = random_case(ratio, 40)
    assert out.size > 8
    for got, expected in zip(jacobian(times, weights, ratio, out), direct_form(times, weights, ratio, out)):
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("ratio", RATIOS)
def test_gradients_equal_finite_differences(ratio):
    times, weights, out = random_case(ratio, 41)
    by_weight, by_time = jacobian(times, weights, ratio, out)
    h = 1e-6
    for i in range(len(times)):
        pair = []
        for sign in (1, -1):
            changed = weights.copy()
            changed[i] += sign * h
            pair.append(one_layer(changed, ratio).forward(times[None])[0][0])
        ok = by_weight.min(axis=0) > -5  # away from tangents, where the second derivative is moderate
        assert np.allclose(by_weight[i, ok], ((pair[0] - pair[1]) / (2 * h))[ok], rtol=1e-6, atol=1e-6)
        pair = []
        for sign in (1, -1):
            moved = times.copy()
            moved[i] += sign * h
            pair.append(one_layer(weights, ratio).forward(moved[None])[0][0])
        ok &= np.abs(times[i] - out) > 1e-4
        assert np.allclose(by_time[i, ok], ((pair[0] - pair[1]) / (2 * h))[ok], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("theta", [1.0, 0.6])
def test_invariants(ratio, theta):
    draw = np.random.default_rng(42)
    times, weights = draw.uniform(0.0, 2.0, 20), draw.normal(0.8, 0.8, (20, 30))
    out = one_layer(weights, ratio, theta).forward(times[None])[0][0]
    weights, out = weights[:, np.isfinite(out)], out[np.isfinite(out)]
    by_weight, by_time = jacobian(times, weights, ratio, out, theta)
    rise = [float(voltage(mp.mpf(float(t)), times, weights[:, j], ratio, slope)) for j, t in enumerate(out)]
    assert np.allclose(by_time.sum(axis=0), 1.0, rtol=0, atol=1e-12)
    assert np.allclose((weights * by_weight).sum(axis=0), -theta / np.array(rise), rtol=1e-12)
    assert by_weight.max() <= 0.0


@pytest.mark.parametrize("ratio", RATIOS)
def test_wide_spread_takes_the_same_gradient(ratio):
    """The path with one exponential per pair and the path with precomputed factors agree."""
    times, weights, out = random_case(ratio, 43)
    narrow = jacobian(times, weights, ratio, out)
    weights_far = np.vstack([weights, np.ones((1, out.size))])
    far = jacobian(np.append(times, -200.0), weights_far, ratio, out)
    for a, b in zip(narrow, far):
        assert np.allclose(a, b[:-1], rtol=1e-12 * lost(ratio), atol=1e-15 * lost(ratio))


def test_chain_through_two_layers():
    draw = np.random.default_rng(5)
    weights = [draw.normal(1.5, 0.8, (4, 20)), draw.normal(0.5, 0.5, (21, 3))]
    times = draw.uniform(0.15, 2.0, (7, 3))
    mix = draw.normal(size=(7, 3))

    def loss(first, second):
        out = FirstSpikeNetwork([first, second]).forward(times)[-1]
        return np.sum(mix * np.where(np.isfinite(out), out, 0.0))

    network = FirstSpikeNetwork(weights)
    record = network.fill(network.record(times))
    parts = np.split(network.gradient(record, mix), [80])
    for k in range(2):
        for index in [(0, 0), (3, 1), (2, 2), (1, 0)]:
            up, down = [w.copy() for w in weights], [w.copy() for w in weights]
            up[k][index] += 1e-6
            down[k][index] -= 1e-6
            expected = (loss(*up) - loss(*down)) / 2e-6
            assert parts[k].reshape(weights[k].shape)[index] == pytest.approx(expected, rel=2e-6, abs=2e-6)


def test_guard_drops_the_column_but_passes_time_gradients():
    times, weights, out = random_case(1, 44)
    layer = one_layer(weights, 1)
    record = layer.fill(layer.record(times[None]))
    free = layer.gradient(record, np.ones((1, out.size))).reshape(weights.shape)
    top = np.abs(free).max(axis=0)
    limit = np.median(top)
    guarded = layer.gradient(record, np.ones((1, out.size)), limit).reshape(weights.shape)
    assert np.array_equal(guarded, np.where(top > limit, 0.0, free))
    stacked = FirstSpikeNetwork([np.eye(15) * 4.0, weights], bias_times=(None, None))
    record = stacked.fill(stacked.record(times[None] - 0.1))
    first = stacked.gradient(record, np.ones((1, out.size)), 1e-9)
    assert not first.any()


def test_silent_and_nan_deltas_give_no_gradient():
    layer = one_layer(np.array([[5.0, 0.1, 5.0]]), 1)
    record = layer.fill(layer.record([[0.0]]))
    gradient = layer.gradient(record, np.array([[np.nan, 1.0, 1.0]]))
    assert gradient[0] == 0.0 and gradient[1] == 0.0 and gradient[2] < 0.0


def test_bits_do_not_depend_on_threads():
    draw = np.random.default_rng(6)
    network = FirstSpikeNetwork([draw.normal(1.5, 0.8, (5, 40)), draw.normal(0.5, 0.8, (41, 3))])
    times, delta = draw.uniform(0.15, 2.0, (101, 4)), draw.normal(size=(101, 3))
    one = network.fill(network.record(times))
    for threads in (2, 3):
        with ThreadPoolExecutor(threads) as pool:
            many = network.fill(network.record(times), pool, threads)
            assert np.array_equal(one, many)
            assert np.array_equal(network.gradient(one, delta), network.gradient(one, delta, np.inf, pool, threads))


@pytest.mark.parametrize("change, word", [
    ({"tau_ratio": 0.0}, "tau_ratio"), ({"tau_ratio": 1.0001}, "tau_ratio"),
    ({"tau_ratio": np.nan}, "tau_ratio"), ({"theta": 0.0}, "theta"), ({"bias_times": (None,)}, "bias_times"),
    ({"bias_times": (np.nan, 0.9)}, "bias_times"), ({"bias_times": (None, None)}, "chain"),
])
def test_bad_networks_are_named(change, word):
    with pytest.raises(ParameterError, match=word):
        FirstSpikeNetwork([np.ones((3, 4)), np.ones((5, 2))], **change)


def test_bad_times_are_refused():
    network = FirstSpikeNetwork([np.ones((3, 4)), np.ones((5, 2))])
    for times in ([[0.0]], [0.0, 1.0], [[np.nan, 0.0]], [[-np.inf, 0.0]]):
        with pytest.raises(InputError, match="times must"):
            network.forward(times)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 1.5])
@pytest.mark.parametrize("current", [1.2, 5.0, 28.0])
@pytest.mark.parametrize("short_of", [1e-2, 1e-4, 2.7e-7, 1e-9, 1e-12])
def test_a_crossing_just_after_an_arrival_is_as_exact_as_any(ratio, current, short_of):
    kick = mp.exp(-mp.mpf(0.2))  # left of the first input's current
    first = float((1 - short_of) / kappa(mp.mpf(0.2), ratio))
    times, weights = [0.0, 0.2], [first, float(current - first * kick)]
    network = one_layer(np.array(weights)[:, None], ratio)
    found = network.layers(network.fill(network.record(np.array([times]))))[0][0, 0]
    start = mp.mpf(0.2) + mp.mpf(short_of) / (current - 1 / mp.mpf(ratio))
    expected = mp.findroot(lambda t: voltage(t, times, weights, ratio) - 1, start, solver="newton")
    assert found == pytest.approx(float(expected), abs=2e-15 * (1.0 + 1.0 / (current - 1.0 / ratio)))
