"""Poisson rate-coded conversion: rates are activations within sampling error, trains are Poisson, errors by name."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.ann import evaluate
from eventsnn.conversion.poisson import poisson_spikes
from eventsnn.errors import InputError, ParameterError

SIZES = (12, 20, 15, 4)


def dense(*sizes, seed=0, bias=0.1):
    draw, layers = np.random.default_rng(seed), []
    for n, m in zip(sizes, sizes[1:]):
        layers += [es.ann.Linear(draw.normal(0.0, 1.5 / np.sqrt(n), (m, n)), draw.normal(0.0, bias, m)), es.ann.ReLU()]
    return layers[:-1]


def images(n=6, shape=(12,), seed=1):
    return np.random.default_rng(seed).uniform(0.1, 1.0, (n, *shape))


def converted(layers, shape=(12,), **options):
    return es.convert(layers, to="poisson", input_shape=shape, calibration=images(50, shape, 2), **options)


def test_trains_are_poisson_with_rates_in_proportion():
    values, until, rate = np.array([0.0, 0.2, 1.0, 0.0, 2.5, 0.0]), 20.0, 300.0
    spikes = poisson_spikes(values, rate, until, [3, 1])
    counts = np.bincount(spikes.neurons, minlength=6)
    assert np.all(counts[values == 0.0] == 0) and spikes.times[-1] <= until and np.all(np.diff(spikes.times) >= 0.0)
    mean = (values * rate * until)[values > 0.0]
    assert np.sum((counts[values > 0.0] - mean) ** 2 / mean) < 16.3  # chi-square of 3, 99.9 %
    for neuron in (1, 2, 4):
        gaps = np.diff(spikes.times[spikes.neurons == neuron])
        assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=4.0 / np.sqrt(gaps.size))
    assert len(poisson_spikes(np.zeros(3), rate, until, [0])) == 0


def test_longer_trains_begin_with_shorter_ones_and_rates_stretch_time():
    values = np.random.default_rng(0).uniform(0.0, 1.0, 30)
    long = poisson_spikes(values, 1000.0, 2.0, [5])
    for until in (0.001, 0.1, 1.7):
        short, n = poisson_spikes(values, 1000.0, until, [5]), np.searchsorted(long.times, until, side="right")
        np.testing.assert_array_equal(short.times, long.times[:n])
        np.testing.assert_array_equal(short.neurons, long.neurons[:n])
    slow = poisson_spikes(values, 250.0, 8.0, [5])
    np.testing.assert_array_equal(slow.times, 4.0 * long.times)
    assert not np.array_equal(poisson_spikes(values, 1000.0, 2.0, [6]).neurons[:20], long.neurons[:20])


def test_rates_are_activations_within_sampling_error():
    """Counts are a linear map of Poisson counts where units are active, so their variance is known (Jacobian squared)."""
    layers, x, until = dense(*SIZES), images(), 20.0
    model = converted(layers)
    outputs, all_z = evaluate(layers, x, each=True), []
    for k, row in enumerate(x):
        ticks = np.arange(1, int(until * model.rate) + 1) / model.rate
        inputs = {"input": poisson_spikes(row, model.rate, until, [0, k]),
                  "bias": es.Spikes(ticks, np.zeros(ticks.size, np.int64))}
        run = es.simulate(model.network(), inputs, until=until, progress=False,
                          record=es.Record(v={"output": "all"}, v_times=[until]))
        jacobian = np.eye(12)
        for affine, relu, name, scale in zip(layers[0::2], outputs[1::2], model.names, model.scales):
            active = relu[k] > 0.0
            jacobian = active[:, None] * (affine.weight @ jacobian)
            rate = np.bincount(run.spikes[name].neurons, minlength=active.size) / (model.rate * until) * scale
            spread = np.sqrt((jacobian**2 @ row) / (model.rate * until) + (scale / (model.rate * until)) ** 2)
            all_z.append(((rate - relu[k]) / spread)[relu[k] > 0.1 * scale])
            assert np.all(np.abs(rate - relu[k]) < 6.0 * spread.max() + scale * 3.0 / (model.rate * until))
        spread = np.sqrt((layers[-1].weight @ jacobian) ** 2 @ row / (model.rate * until))
        logits = run.v["output"].values[-1] / (model.rate * until)
        all_z.append((logits - outputs[-1][k]) / spread)
    z = np.concatenate(all_z)
    assert z.size > 100 and np.abs(z).max() < 5.0 and 0.5 < np.mean(z**2) < 1.7


def test_logits_of_run_tend_to_those_of_the_ann():
    layers, x = dense(*SIZES), images()
    wanted, model = evaluate(layers, x), converted(layers)
    run = model.run(x, until=10.0, times=[0.1, 10.0])
    errors = np.sqrt(((run.curve - wanted[:, None]) ** 2).mean(axis=(0, 2)))
    assert errors[1] < 0.25 * errors[0] and errors[1] < 0.03 * np.abs(wanted).max()
    np.testing.assert_array_equal(run.curve[:, -1], run.logits)
    np.testing.assert_array_equal(run.spikes_curve[:, -1], run.spikes_per_image)


def test_images_through_convolutions_norms_and_pools():
    draw = np.random.default_rng(3)
    layers = [es.ann.Conv2d(draw.normal(0.0, 0.5, (4, 1, 3, 3)), draw.normal(0.1, 0.1, 4), padding=1),
              es.ann.BatchNorm(*(draw.uniform(0.5, 1.5, 4) for _ in range(4))), es.ann.ReLU(), es.ann.AvgPool2d(2),
              es.ann.Flatten(), es.ann.Linear(draw.normal(0.0, 0.4, (3, 36)))]
    x = images(3, (1, 6, 6))
    wanted, run = evaluate(layers, x), converted(layers, (1, 6, 6)).run(x, until=20.0)
    np.testing.assert_allclose(run.logits, wanted, atol=0.03 * np.abs(wanted).max())


def test_the_same_bits_for_any_jobs_scheduler_and_parts():
    layers, x = dense(*SIZES), images()
    model, times = converted(layers), [0.05, 0.2]
    one = model.run(x, until=0.2, times=times, jobs=1, seed=4)
    for options in ({"jobs": 2}, {"jobs": 1, "scheduler": "heap"}, {"jobs": 1, "scheduler": "window"}):
        other = model.run(x, until=0.2, times=times, seed=4, **options)
        for field in ("logits", "curve", "spikes_curve", "spikes_per_image", "synaptic_events_per_image"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        assert one.counts == other.counts
    np.testing.assert_array_equal(model.run(x[4:], until=0.2, seed=4, first=4).logits, one.logits[4:])
    assert not np.array_equal(model.run(x, until=0.2, seed=5).logits, one.logits)


def test_another_rate_stretches_time_only():
    layers, x = dense(*SIZES), images()
    fast = converted(layers, rate=1000.0).run(x, until=0.25)
    slow = converted(layers, rate=250.0).run(x, until=1.0)
    np.testing.assert_array_equal(fast.logits, slow.logits)
    assert fast.counts == slow.counts


def test_bias_pulses_add_up_to_the_current_and_are_not_counted():
    linear, x = [es.ann.Linear([[0.5, 1.0], [-0.5, 2.0]], [0.3, -0.7])], np.array([[0.4, 0.9]])
    flat = [es.convert(linear, to="poisson", calibration=x, bias=bias, dtype="float64").run(x, until=0.5)
            for bias in ("pulses", "current")]
    np.testing.assert_allclose(flat[0].logits, flat[1].logits, rtol=1e-12)
    assert flat[0].counts == flat[1].counts
    assert set(flat[0].counts.spikes) == {"input", "output"} and list(flat[0].counts.synaptic_events) == ["input->output"]
    layers, x = dense(*SIZES), images()
    deep = [converted(layers, bias=bias).run(x, until=5.0) for bias in ("pulses", "current")]
    np.testing.assert_allclose(deep[0].logits, deep[1].logits, atol=0.02 * np.abs(deep[1].logits).max())
    np.testing.assert_allclose(deep[0].spikes_per_image, deep[1].spikes_per_image, rtol=2e-3)
    assert deep[0].counts.neuron_updates.total == deep[0].counts.synaptic_events.total + deep[0].counts.spikes.total


def test_reset_to_zero_loses_what_subtraction_keeps():
    layers, x = dense(*SIZES), images()
    wanted = evaluate(layers, x)
    errors = {reset: np.abs(converted(layers, reset=reset, percentile=90.0).run(x, until=10.0).logits - wanted).mean()
              for reset in ("subtraction", "zero")}
    assert errors["zero"] > 2.0 * errors["subtraction"]


def test_v_init_brings_the_first_spikes_forward():
    layers, x = dense(*SIZES), images()
    early = [converted(layers, v_init=v).run(x, until=0.01).counts.spikes for v in (-1.0, 0.0, 0.9)]
    first = [counts["layer1"] for counts in early]
    assert first[0] < first[1] < first[2] and early[0]["input"] == early[2]["input"]


def test_scales_are_percentiles_of_activations_above_zero():
    layers, x = dense(*SIZES), images(50, seed=2)
    outputs = evaluate(layers, x, each=True)
    assert converted(layers, percentile=100.0).scales == pytest.approx([outputs[1].max(), outputs[3].max()])
    assert converted(layers, percentile=50.0).scales[0] == pytest.approx(np.median(outputs[1][outputs[1] > 0.0]))
    silent = [es.ann.Linear([[-1.0]]), es.ann.ReLU(), es.ann.Linear([[1.0]], [2.0])]
    model = es.convert(silent, to="poisson", calibration=[[1.0]])
    assert model.scales == [1.0] and model.run([[1.0]], until=0.1).logits == pytest.approx(2.0)


@pytest.mark.parametrize("change, words", [
    ({"calibration": None}, "calibration"), ({"rate": 0.0}, "rate"), ({"percentile": 101.0}, "percentile"),
    ({"percentile": 0.0}, "percentile"), ({"reset": "soft"}, "'subtraction' or 'zero', got 'soft'"),
    ({"v_init": 1.0}, "v_init"),
    ({"v_init": np.nan}, "v_init"), ({"bias": "filtered"}, "'pulses' or 'current'"), ({"m_f": 0.2}, "m_f .* to='asnn'"),
    ({"to": "asnn"}, "calibration .* to='poisson'"), ({"dtype": "float16"}, "dtype"),
])
def test_bad_constants_are_named(change, words):
    with pytest.raises(ParameterError, match=words):
        es.convert(dense(3, 2), **({"to": "poisson", "calibration": np.ones((2, 3))} | change))


def test_bad_images_are_refused():
    model = es.convert(dense(3, 4, 2), to="poisson", calibration=np.ones((2, 3)))
    with pytest.raises(InputError, match="calibration must have shape"):
        es.convert(dense(3, 4, 2), to="poisson", calibration=np.ones((2, 4)))
    with pytest.raises(InputError, match=r"shape \[n, 3\], got \[2, 4\]"):
        model.run(np.zeros((2, 4)))
    for bad in (-0.1, np.nan, np.inf):
        with pytest.raises(InputError, match=f">= 0, since rates are, got {bad!r}"):
            model.run([[0.0, bad, 0.0]])
    for until in (0.0, np.inf, "long"):
        with pytest.raises(InputError, match="until"):
            model.run(np.zeros((1, 3)), until=until)
    for times in ([0.02, 0.01], [0.0], [0.2]):
        with pytest.raises(InputError, match="times must increase"):
            model.run(np.zeros((1, 3)), until=0.1, times=times)
    assert model.run(np.zeros((0, 3))).logits.shape == (0, 2)


def test_adapting_networks_tell_their_spikes_over_time_too():
    model, x = es.convert(dense(*SIZES)), images()
    run = model.run(x, until=0.05, times=[0.01, 0.03, 0.05])
    np.testing.assert_array_equal(run.spikes_curve[:, -1], run.spikes_per_image)
    np.testing.assert_array_equal(run.spikes_curve[:, 0], model.run(x, until=0.01).spikes_per_image)
