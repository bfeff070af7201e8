"""The PyTorch bridge: gradcheck, the same numbers as the kernels, and learning."""

import numpy as np
import pytest

from eventsnn.errors import InputError, ParameterError, UnknownNameError
from eventsnn.learn.first_spike.network import FirstSpikeNetwork
from eventsnn.learn.losses import first_spike_cross_entropy as compiled_loss

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra `torch`)")
from eventsnn.torch import FirstSpikeLayer, first_spike_cross_entropy, first_spikes  # noqa: E402


def tensors(kind=None, seed=0, n=3, m=4, bias=False):
    draw = np.random.default_rng(seed)
    shape = {None: None, "axonal": n + bias, "dendritic": m, "synaptic": (n + bias, m)}[kind]
    values = [draw.uniform(0.0, 1.5, (5, n)), draw.normal(1.5, 0.3, (n + bias, m))]
    if shape is not None:
        values.append(draw.uniform(0.1, 0.9, shape))
    return [torch.tensor(v, requires_grad=True) for v in values]


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.3, 0.6])
@pytest.mark.parametrize("kind", [None, "axonal", "dendritic", "synaptic"])
@pytest.mark.parametrize("bias", [None, 0.4])
def test_gradcheck(ratio, kind, bias):
    inputs = tensors(kind, bias=bias is not None)
    with torch.no_grad():
        inputs[1] *= 2.0 if ratio < 1.0 else 1.0
    options = dict(kind=kind, tau_ratio=ratio, bias_time=bias)
    assert torch.isfinite(first_spikes(*inputs, **options)).all()
    assert torch.autograd.gradcheck(lambda *x: first_spikes(*x, **options), inputs, eps=1e-6, atol=1e-6)


def test_two_layers_have_the_gradient_of_the_network():
    draw = np.random.default_rng(3)
    weights = [draw.normal(1.5, 0.8, (5, 12)), draw.normal(0.5, 0.8, (13, 3))]
    network = FirstSpikeNetwork(weights, bias_times=(0.9, 0.9))
    x, labels = draw.uniform(0.15, 2.0, (30, 4)), draw.integers(0, 3, 30)
    record = network.fill(network.record(x))
    delta = np.empty((30, 3))
    loss = compiled_loss(network.layers(record)[-1], labels, 0.2, 0.005, 1.0, delta)
    expected = network.gradients(record, delta, inputs=True)
    parameters = [torch.tensor(w, requires_grad=True) for w in weights]
    times = torch.tensor(x, requires_grad=True)
    out = first_spikes(first_spikes(times, parameters[0], bias_time=0.9), parameters[1], bias_time=0.9)
    ours = first_spike_cross_entropy(out, torch.tensor(labels))
    ours.backward()
    ours = ours.detach()
    assert np.array_equal(out.detach().numpy(), network.layers(record)[-1])
    assert float(ours) == pytest.approx(loss, rel=1e-12)
    grads = np.concatenate([p.grad.numpy().ravel() for p in parameters])
    assert np.allclose(grads, expected.weights, rtol=1e-9, atol=1e-12)
    assert np.allclose(times.grad.numpy(), expected.inputs, rtol=1e-9, atol=1e-12)


def test_silent_neurons_give_inf_and_no_gradient():
    times = torch.tensor([[0.0, 0.5], [np.inf, 0.2]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[3.0, 0.1], [3.0, 0.1]], dtype=torch.float64, requires_grad=True)
    out = first_spikes(times, weights)
    assert torch.isfinite(out[:, 0]).all() and torch.isinf(out[:, 1]).all()
    first_spike_cross_entropy(out, torch.tensor([1, 0])).backward()
    assert torch.isfinite(weights.grad).all() and (weights.grad[:, 1] == 0.0).all()
    assert times.grad[1, 0] == 0.0


@pytest.mark.parametrize("kind", [None, "axonal", "synaptic"])
def test_a_module_learns(kind):
    torch.manual_seed(0)
    x = torch.rand(200, 4) * 1.8 + 0.2
    labels = (x[:, 0] > 1.1).long()
    model = torch.nn.Sequential(FirstSpikeLayer(4, 20, mean=1.5, std=0.8, bias_time=0.9, delays=kind, max_gradient=0.2),
                                FirstSpikeLayer(20, 2, mean=0.5, std=0.8, bias_time=0.9, max_gradient=0.2))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(100):
        optimiser.zero_grad()
        first_spike_cross_entropy(model(x), labels).backward()
        optimiser.step()
    out = model(x)
    assert out.dtype == torch.float32
    assert (out.argmin(dim=1) == labels).float().mean() > 0.85  # chance: 0.54
    assert all(not torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_bad_values_are_named():
    times, weights = torch.zeros(1, 2), torch.ones(2, 1)
    with pytest.raises(UnknownNameError, match="axonl"):
        first_spikes(times, weights, torch.zeros(2), kind="axonl")
    with pytest.raises(ParameterError, match="kind"):
        first_spikes(times, weights, torch.zeros(2))
    with pytest.raises(ParameterError, match="delays"):
        first_spikes(times, weights, torch.full((2,), -1.0), kind="axonal")
    with pytest.raises(InputError, match="times"):
        first_spikes(torch.tensor([[np.nan, 0.0]]), weights)
    with pytest.raises(ParameterError, match="n_out"):
        FirstSpikeLayer(2, 0)
    with pytest.raises(UnknownNameError, match="all"):
        FirstSpikeLayer(2, 2, delays="all")
    with pytest.raises(ParameterError, match="delay_scale"):
        FirstSpikeLayer(2, 2, delay_scale=0.0)
