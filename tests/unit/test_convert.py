"""Conversion of ReLU networks to adapting spiking ones: folding is exact, decoding as in the fact tables, errors by name."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.ann import evaluate
from eventsnn.conversion.decode import heights
from eventsnn.conversion.stages import fold
from eventsnn.errors import InputError, NotAvailableError, ParameterError, UnknownNameError

DRAW = np.random.default_rng(0)


def dense(*sizes, seed=0):
    draw, layers = np.random.default_rng(seed), []
    for n, m in zip(sizes, sizes[1:]):
        layers += [es.ann.Linear(draw.normal(0.0, 1.5 / np.sqrt(n), (m, n)), draw.normal(0.0, 0.1, m)), es.ann.ReLU()]
    return layers[:-1]


def images_net(seed=0):
    draw = np.random.default_rng(seed)
    return [es.ann.Conv2d(draw.normal(0.0, 0.4, (6, 1, 3, 3)), draw.normal(0.1, 0.1, 6), padding=1),
            es.ann.BatchNorm(draw.uniform(0.8, 1.2, 6), draw.normal(0.0, 0.1, 6), draw.normal(0.0, 0.1, 6),
                             draw.uniform(0.5, 1.5, 6)),
            es.ann.ReLU(), es.ann.AvgPool2d(2), es.ann.Dropout(),
            es.ann.Conv2d(draw.normal(0.0, 0.3, (8, 3, 3, 3)), None, stride=2, groups=2), es.ann.ReLU(),
            es.ann.AvgPool2d((1, 2)), es.ann.Flatten(), es.ann.Linear(draw.normal(0.0, 0.5, (5, 8 * 3 * 1))), es.ann.Softmax()]


def pooled_net(seed=0, early=False):
    """Max pools after and before ReLUs, then a linear map of what was pooled."""
    draw = np.random.default_rng(seed)
    return [es.ann.Conv2d(draw.normal(0.0, 0.4, (6, 2, 3, 3)), draw.normal(0.1, 0.1, 6), padding=1), es.ann.ReLU(),
            es.ann.MaxPool2d((2, 3)), es.ann.Conv2d(draw.normal(0.0, 0.3, (8, 6, 3, 3)), draw.normal(0.1, 0.1, 8), padding=1),
            *([es.ann.MaxPool2d(2), es.ann.ReLU()] if early else [es.ann.ReLU(), es.ann.MaxPool2d(2)]), es.ann.Flatten(),
            es.ann.Linear(draw.normal(0.0, 0.5, (5, 8 * 3 * 2)), draw.normal(0.0, 0.1, 5))]


def residual_net(seed=0):
    """A block with an identity, one with a convolution beside it, a mean at the end; and one that begins with a ReLU."""
    draw = np.random.default_rng(seed)

    def conv(out, channels, size, **options):
        return es.ann.Conv2d(draw.normal(0.0, 0.7 / np.sqrt(channels * size**2), (out, channels, size, size)),
                             draw.normal(0.05, 0.05, out), padding=size // 2, **options)

    return [conv(4, 1, 3), es.ann.ReLU(), es.ann.Residual([conv(4, 4, 3), es.ann.ReLU(), conv(4, 4, 3)]), es.ann.ReLU(),
            es.ann.Residual([conv(6, 4, 3, stride=2), es.ann.ReLU(), conv(6, 6, 3)], [conv(6, 4, 1, stride=2)]),
            es.ann.Residual([es.ann.ReLU(), conv(6, 6, 3)]), es.ann.ReLU(), es.ann.AvgPool2d(4), es.ann.Flatten(),
            es.ann.Linear(draw.normal(0.0, 0.5, (3, 6)))]


NETS = {"dense": (dense(12, 20, 15, 4), (12,)), "images": (images_net(), (1, 14, 14)), "max": (pooled_net(), (2, 13, 13)),
        "max first": (pooled_net(1, True), (2, 13, 13)), "residual": (residual_net(), (1, 8, 8)),
        "front": ([es.ann.MaxPool2d(2), es.ann.BatchNorm([2.0], [0.1], [0.4], [1.0]), *images_net()], (1, 28, 28))}


@pytest.mark.parametrize("name", NETS)
def test_folded_stages_compute_what_the_layers_do(name):
    layers, shape = NETS[name]
    x = DRAW.uniform(0.0, 1.0, (4, *shape))
    front, stages = fold(layers, shape)
    outputs = [evaluate(front, x)]
    for stage in stages[1:]:
        outputs.append(stage(outputs))
        assert outputs[-1].shape[1:] == stage.out_shape and stage.depth > 0
    wanted = evaluate(layers[:-1] if isinstance(layers[-1], es.ann.Softmax) else layers, x)
    np.testing.assert_allclose(outputs[-1], wanted, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_logits_tend_to_those_of_the_ann_with_precision(name):
    layers, shape = NETS[name]
    x = np.random.default_rng(1).uniform(0.0, 1.0, (6, *shape))
    wanted = evaluate(layers[:-1] if isinstance(layers[-1], es.ann.Softmax) else layers, x)
    errors = []
    for m_f in (0.02, 0.2):
        model = es.convert(layers, input_shape=shape, m_f=m_f)
        times = np.arange(0.3, 0.5, 0.002)
        run = model.run(x, until=0.5, times=times)
        errors.append(np.abs(run.curve.mean(axis=1) - wanted).max() / np.abs(wanted).max())
        assert run.curve.shape == (6, times.size, wanted.shape[1])
        assert np.array_equal(run.predictions, run.logits.argmax(axis=1))
    assert errors[0] < 0.02 and errors[1] < 0.2 and errors[0] < errors[1]


def test_layers_decode_their_activations():
    x = np.random.default_rng(2).uniform(0.0, 1.0, (3, 30))
    for m_f, low, most in ((0.1, 0.97, 0.06), (0.3, 0.9, 0.2)):
        for report in es.convert(dense(30, 40, 40, 5), m_f=m_f).report(x):
            assert low < report.slope < 1.02 and report.rms < most and report.rate > 0.0


def saturating_net(*sizes, seed=0):
    draw, layers = np.random.default_rng(seed), [es.ann.Saturation(0.1, cutoff=0.05)]
    for n, m in zip(sizes, sizes[1:]):
        layers += [es.ann.Linear(draw.normal(0.0, 2.0 / np.sqrt(n), (m, n)), draw.normal(0.1, 0.1, m)), es.ann.Saturation(0.1)]
    return layers[:-1]


def test_the_saturating_function_and_its_network_of_binary_pulses():
    f = es.ann.Saturation(0.1)
    assert f.height == pytest.approx(0.12443, abs=5e-6) and f(np.array([1.0]))[0] == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(f(np.array([0.5, 2.0, 5.0, 10.0])), [0.564, 1.628, 2.607, 3.261], atol=5e-4)
    assert f(np.array([f.theta_0 / 2]))[0] == pytest.approx(f.height / 2)
    assert es.ann.Saturation(0.03).height == pytest.approx(0.03847, abs=5e-6)
    assert es.ann.Saturation(0.3).height == pytest.approx(0.34672, abs=5e-6)
    layers, x = saturating_net(20, 30, 25, 4), np.random.default_rng(8).uniform(0.0, 2.0, (5, 20))
    model = es.convert(layers, m_f=0.1)
    for report in model.report(x):
        assert report.slope == pytest.approx(1.0, abs=0.04) and report.rms < 0.08
    logits = model.run(x, until=0.5, times=np.arange(0.3, 0.5, 0.002)).curve.mean(axis=1)
    wanted = evaluate(layers, x)
    assert np.abs(logits - wanted).max() < 0.15 * np.abs(wanted).max()
    wrong = [es.ann.ReLU() if isinstance(layer, es.ann.Saturation) else layer for layer in layers][1:]
    assert np.abs(logits - evaluate(wrong, x)).max() > 2.0 * np.abs(logits - wanted).max()
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from eventsnn.torch import Saturation
    z = torch.linspace(-0.5, 8.0, 400, dtype=torch.float64, requires_grad=True)
    y = Saturation(0.2, cutoff=0.1)(z)
    np.testing.assert_allclose(y.detach(), es.ann.Saturation(0.2, cutoff=0.1)(z.detach().numpy()), atol=1e-14)
    assert torch.autograd.grad(y.sum(), z)[0].isfinite().all()


def test_pulse_heights_follow_from_spike_times():
    x = np.random.default_rng(9).uniform(0.0, 1.5, (1, 12))
    model = es.convert(dense(12, 20, 4), m_f=0.2)
    sim = es.Simulation(model.network(), record=es.Record(spikes=["input", "layer1"]), progress=False)
    model._drive(sim, x[0])
    run = sim.run(0.15)
    for name in ("input", "layer1"):
        spikes = run.spikes[name]
        height = heights(spikes.times, spikes.neurons, m_f=0.2, theta_0=0.2, tau_gamma=15e-3)
        decoded = np.bincount(spikes.neurons, height * np.exp(-(0.15 - spikes.times) / 50e-3), run.populations[name])
        assert len(spikes) > 50
        np.testing.assert_allclose(decoded, sim.state(name)["s_hat"], rtol=1e-12, atol=1e-14)


def test_negative_inputs_go_through_a_twin():
    layers = dense(10, 20, 3)
    x = np.random.default_rng(3).normal(0.0, 1.0, (4, 10))
    model = es.convert(layers, m_f=0.02)
    run = model.run(x, until=0.4, times=np.arange(0.2, 0.4, 0.002))
    assert "input-" in model.network(True).populations and "input-" not in model.network().populations
    np.testing.assert_allclose(run.curve.mean(axis=1), evaluate(layers, x), atol=0.05)
    reports = model.report(x)
    assert reports[0].slope == pytest.approx(1.0, abs=0.02) and reports[0].rms < 0.03


@pytest.mark.parametrize("name", ["images", "max", "residual"])
def test_the_same_bits_for_any_number_of_threads_and_scheduler(name):
    layers, shape = NETS[name]
    x = np.random.default_rng(4).uniform(0.0, 1.0, (5, *shape))
    model = es.convert(layers, input_shape=shape)
    one = model.run(x, until=0.03, jobs=1)
    for other in (model.run(x, until=0.03, jobs=3), model.run(x, until=0.03, jobs=1, scheduler="heap")):
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.spikes_per_image, other.spikes_per_image)
        assert one.counts == other.counts
    alone = model.run(x[3:4], until=0.03)
    np.testing.assert_array_equal(alone.logits[0], one.logits[3])
    assert one.counts.spikes.total == one.spikes_per_image.sum() > 0
    assert one.counts.synaptic_events.total == one.synaptic_events_per_image.sum() > 0


def test_a_torch_network_is_read_layer_by_layer():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()), nn.AvgPool2d(2),
                        nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 25, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3))
    net(torch.rand(20, 1, 10, 10))  # statistics of the norms
    net.eval()
    x = np.random.default_rng(5).uniform(0.0, 1.0, (3, 1, 10, 10))
    model = es.convert(net, input_shape=(1, 10, 10), m_f=0.02)
    wanted = net(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(evaluate(model.layers, x), wanted, atol=1e-5)
    np.testing.assert_allclose(model.run(x, until=0.5, times=np.arange(0.3, 0.5, 0.01)).curve.mean(axis=1), wanted, atol=0.03)
    with pytest.raises(NotAvailableError, match="layer Tanh"):
        es.convert(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    with pytest.raises(NotAvailableError, match="stride"):
        es.convert(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AvgPool2d(2, 1)), input_shape=(1, 4, 4))


@pytest.mark.parametrize("layers, shape, error, words", [
    ([es.ann.ReLU(), es.ann.Linear([[1.0]])], (1,), NotAvailableError, "layer 0 .ReLU. must follow"),
    ([es.ann.Linear([[1.0]]), es.ann.Linear([[1.0]])], None, NotAvailableError, "layer 1 .Linear. follows"),
    ([es.ann.Linear([[1.0]]), es.ann.ReLU()], None, NotAvailableError, "last layer with weights must be the readout"),
    ([es.ann.Linear([[1.0]]), es.ann.ReLU(), es.ann.Linear([[1.0, 2.0]])], None, ParameterError, "layer 2 .Linear. takes 2"),
    ([es.ann.Conv2d(np.ones((1, 1, 2, 2)))], None, ParameterError, "input_shape must be given"),
    ([es.ann.Conv2d(np.ones((1, 1, 2, 2))), es.ann.MaxPool2d(2), es.ann.Flatten(), es.ann.Linear([[1.0]])],
     (1, 3, 3), NotAvailableError, "layer 2 .Flatten. follows a MaxPool2d"),
    ([es.ann.Linear([[1.0]]), es.ann.ReLU(), es.ann.MaxPool2d(2), es.ann.Linear([[1.0]])], None, NotAvailableError,
     "of images"),
    ([es.ann.Linear([[1.0]]), es.ann.ReLU(), es.ann.BatchNorm([1.0], [0.0], [0.0], [1.0])], (1,), NotAvailableError,
     "must follow a Linear"),
    ([es.ann.Conv2d(np.ones((1, 1, 1, 1))), es.ann.ReLU(), es.ann.Residual([es.ann.MaxPool2d(2)])], (1, 4, 4),
     NotAvailableError, "layer 0 .MaxPool2d. in layer 2 .Residual. must directly follow"),
    ([es.ann.Linear([[1.0]]), es.ann.ReLU(), es.ann.Residual([es.ann.Linear([[1.0], [2.0]])])], None, NotAvailableError,
     "adds"),
    ([es.ann.Linear([[1.0]]), es.ann.Saturation(), es.ann.Linear([[1.0]])], None, NotAvailableError, "must begin with one"),
    ([es.ann.Saturation(), es.ann.Linear([[1.0]]), es.ann.ReLU(), es.ann.Linear([[1.0]])], (1,), NotAvailableError, "no ReLU"),
    ([], None, ParameterError, "no layers"), (3, None, ParameterError, "got int"),
])
def test_what_cannot_be_converted_is_named(layers, shape, error, words):
    with pytest.raises(error, match=words):
        es.convert(layers, input_shape=shape)


@pytest.mark.parametrize("change, error", [({"m_f": 0.0}, ParameterError), ({"tau_phi": np.nan}, ParameterError),
                                           ({"theta_0": -1.0}, ParameterError), ({"to": "lif"}, UnknownNameError),
                                           ({"dtype": "float16"}, ParameterError)])
def test_bad_constants_are_named(change, error):
    with pytest.raises(error, match=next(iter(change)) if "to" not in change else "lif"):
        es.convert(dense(3, 2), **change)


def test_bad_images_are_refused():
    model = es.convert(dense(3, 4, 2))
    with pytest.raises(InputError, match=r"shape \[n, 3\], got \[2, 4\]"):
        model.run(np.zeros((2, 4)))
    with pytest.raises(InputError, match="finite, got .*nan"):
        model.run([[0.0, np.nan, 0.0]])
    with pytest.raises(InputError, match="0 <= start < until, got 0.3, 0.2"):
        model.report(np.zeros((1, 3)), start=0.3, until=0.2)
    with pytest.raises(InputError, match="times must increase"):
        model.run(np.zeros((1, 3)), times=[0.02, 0.01])
    assert model.run(np.zeros((0, 3))).logits.shape == (0, 2)


@pytest.mark.parametrize("values, words", [
    (lambda: es.ann.Linear([1.0]), "weight of Linear must have 2"), (lambda: es.ann.Linear([[np.inf]]), "must be finite"),
    (lambda: es.ann.Linear([[1.0]], [1.0, 2.0]), "bias of Linear must have 1"),
    (lambda: es.ann.Conv2d(np.ones((3, 1, 2, 2)), groups=2), "groups"), (lambda: es.ann.AvgPool2d(0), "kernel of AvgPool2d"),
    (lambda: es.ann.BatchNorm([1.0], [0.0], [0.0], [-1.0]), "var"),
])
def test_bad_layers_are_refused(values, words):
    with pytest.raises(ParameterError, match=words):
        values()


def clocked(layers, x, until, dt, m_f=0.3, taus=(5e-3, 50e-3, 15e-3)):
    """Logits of the same network in steps of `dt`: membrane, decay of what was decoded, pulses, adaptation, in this order.

    The bias of layer k begins after k time constants of the membrane.
    """
    phi, eta, gamma = np.exp(-dt / np.array(taus))
    weights = [(layer.weight, layer.bias) for layer in layers if isinstance(layer, es.ann.Linear)]
    sizes = [x.size, *(len(w) for w, _ in weights)]
    s, r, a, current = ([np.zeros(n) for n in sizes] for _ in range(4))
    for step in range(round(until / dt)):
        drive = x
        for k, (w, b) in enumerate(weights):
            s[k] = phi * s[k] + (1.0 - phi) * drive
            r[k] *= eta
            height = m_f + a[k]
            pulse = height * (s[k] - r[k] > 0.5 * height)
            r[k] += pulse
            a[k] = gamma * (a[k] + m_f * pulse)
            current[k + 1] = eta * current[k + 1] + w @ pulse
            drive = current[k + 1] + b * (step * dt >= (k + 1) * taus[0] - 0.5 * dt)
        s[-1] = phi * s[-1] + (1.0 - phi) * current[-1]
    return s[-1] + weights[-1][1]


def test_the_network_in_small_steps_tends_to_the_events():
    layers, x = dense(8, 10, 3, seed=5), np.random.default_rng(6).uniform(0.2, 1.0, 8)
    model = es.convert(layers, m_f=0.3, dtype="float64")
    times = np.array([0.01, 0.02, 0.03])
    exact = model.run(x[None], until=0.03, times=times).curve[0]
    off = [max(np.abs(clocked(layers, x, t, dt) - exact[k]).max() for k, t in enumerate(times)) for dt in (2e-4, 2e-5, 2e-6)]
    assert off[0] > off[1] > off[2] and off[2] < 0.02 * off[0] + 1e-4
