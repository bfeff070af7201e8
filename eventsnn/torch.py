"""For PyTorch (extra `torch`): first-spike layers with exact forward and backward passes; the function of adapting neurons.

Nothing else in eventsnn needs PyTorch. Times are in units of tau_syn; inf means that a neuron does not spike. The layers run on
the CPU in double precision, whatever the type of the tensors, and answer in that type.
"""

import math

import numpy as np

from . import ann
from .errors import ParameterError, unknown_name
from .learn.first_spike.network import FirstSpikeNetwork

try:
    import torch
except ImportError as error:
    raise ImportError("eventsnn.torch needs PyTorch: pip install 'eventsnn[torch]'") from error

KINDS = (None, "axonal", "dendritic", "synaptic")


class FirstSpikes(torch.autograd.Function):
    """First spike times [n, m] of one layer: apply(times [n, n_in], weights, delays, options); see `first_spikes`."""

    @staticmethod
    def forward(ctx, times, weights, delays, options):
        """Run the layer and keep what the backward pass needs."""
        kind, tau_ratio, theta, bias_time, ctx.limit = options
        lags = None if kind is None else [(kind, _array(delays))]
        network = FirstSpikeNetwork([_array(weights)], tau_ratio=tau_ratio, theta=theta, bias_times=(bias_time,), delays=lags)
        record = network.fill(network.record(_array(times)))
        ctx.network, ctx.filled, ctx.like = network, record, (times, weights, delays)
        return torch.from_numpy(network.layers(record)[0].copy()).to(times.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, passed):
        """Exact derivatives; silent neurons pass nothing on, whatever derivative they are given."""
        delta = np.nan_to_num(_array(passed), nan=0.0, posinf=0.0, neginf=0.0)
        found = ctx.network.gradients(ctx.filled, delta, ctx.limit, inputs=True)
        grads = [torch.from_numpy(grad).reshape(like.shape).to(like.dtype) if needed else None
                 for grad, like, needed in zip((found.inputs, found.weights, found.delays), ctx.like, ctx.needs_input_grad)]
        return *grads, None


def _array(tensor):
    return tensor.detach().to("cpu", torch.float64).numpy()


def first_spikes(times, weights, delays=None, *, kind=None, tau_ratio=1.0, theta=1.0, bias_time=None,
                 max_gradient=math.inf):
    """First spike times [n, m] of LIF neurons driven by spikes at `times` [n, n_in]; differentiable in all tensors.

    weights : [n_in, m], with one row more for the bias spike if `bias_time` is a time
    delays : tensor of non-negative delays, [n_in], [m] or [n_in, m] for `kind` "axonal", "dendritic", "synaptic"
    max_gradient : where |dL/dw| of one sample exceeds it, the sample does not count for that neuron's weights. First spikes
        that nearly fail to happen have derivatives without bound; 0.2 is the published guard, inf the exact derivative

    Raises as `FirstSpikeNetwork` does. Source: Goeltz et al., Nature Machine Intelligence 3 (2021); DelGrad (2025).

    >>> import torch
    >>> first_spikes(torch.tensor([[0.0, 0.1]]), torch.full((2, 1), 2.0)).round(decimals=4)
    tensor([[0.4106]])
    """
    if kind not in KINDS:
        raise unknown_name("kind of delay", str(kind), [name for name in KINDS if name])
    if (kind is None) != (delays is None):
        raise ParameterError(f"delays and kind must be given together, got kind {kind!r}")
    return FirstSpikes.apply(times, weights, delays, (kind, tau_ratio, theta, bias_time, max_gradient))


class FirstSpikeLayer(torch.nn.Module):
    """A layer of LIF neurons of which only the first spike counts: times [n, n_in] -> times [n, n_out].

    mean, std : of the normal weights at the start; the bias row, if there is one, is drawn like the others
    delays : None, "axonal", "dendritic" or "synaptic": learned delays in (0, delay_scale), tau_syn
    The others are those of `first_spikes`. Parameters: `weight` [n_in (+ 1), n_out] and, with delays, `delay_state`.

    Raises `ParameterError` for sizes below 1 and as `first_spikes` does.

    >>> layer = FirstSpikeLayer(4, 3, mean=1.0, std=0.1, bias_time=0.9)
    >>> layer.weight.shape
    torch.Size([5, 3])
    """

    def __init__(self, n_in, n_out, *, mean=1.0, std=0.8, tau_ratio=1.0, theta=1.0, bias_time=None, delays=None,
                 delay_scale=1.0, max_gradient=math.inf):
        super().__init__()
        for name, value in (("n_in", n_in), ("n_out", n_out)):
            if value < 1:
                raise ParameterError(f"{name} must be >= 1, got {value!r}")
        if delays not in KINDS:
            raise unknown_name("kind of delay", str(delays), [name for name in KINDS if name])
        if not 0.0 < delay_scale < math.inf:
            raise ParameterError(f"delay_scale must be finite and > 0, got {delay_scale!r}")
        rows = n_in + (bias_time is not None)
        self.weight = torch.nn.Parameter(mean + std * torch.randn(rows, n_out))
        shape = {None: None, "axonal": (rows,), "dendritic": (n_out,), "synaptic": (rows, n_out)}[delays]
        self.delay_state = torch.nn.Parameter(0.25 * torch.randn(*shape)) if shape else None
        self.kind, self.delay_scale = delays, delay_scale
        self.options = {"tau_ratio": tau_ratio, "theta": theta, "bias_time": bias_time, "max_gradient": max_gradient}

    def delays(self):
        """The delays, or None."""
        return None if self.kind is None else self.delay_scale * torch.sigmoid(self.delay_state)

    def forward(self, times):
        """First spike times [n, n_out] for input `times` [n, n_in]."""
        return first_spikes(times, self.weight, self.delays(), kind=self.kind, **self.options)


def first_spike_cross_entropy(times, labels, xi=0.2, alpha=0.005, beta=1.0):
    """Mean loss of output `times` [n, classes] for `labels` [n]: the earlier the right neuron before the others, the smaller.

    Per sample with the right class c: ln sum_k exp(-(t_k - t_c) / xi) + alpha exp(t_c / beta); 100, without a derivative,
    where c is silent. Source: Goeltz et al. 2021, equation 7.

    >>> import torch
    >>> first_spike_cross_entropy(torch.ones(1, 2), torch.tensor([0]), alpha=0.0).round(decimals=4)
    tensor(0.6931)
    """
    own = times.gather(1, labels[:, None])[:, 0]
    heard = torch.isfinite(own)
    safe = torch.where(heard, own, torch.zeros_like(own))
    exponents = torch.where(torch.isfinite(times), -times / xi, torch.full_like(times, -math.inf))
    exponents = torch.where(heard[:, None], exponents, torch.zeros_like(exponents))
    loss = torch.logsumexp(exponents, dim=1) + safe / xi + alpha * torch.exp(safe / beta)
    return torch.where(heard, loss, torch.full_like(loss, 100.0)).mean()


class Saturation(torch.nn.Module):
    """The saturating function of an adapting neuron, to train networks that `es.convert` turns into ones with binary pulses.

    A network begins with one, which stands for the encoding of its inputs. Parameters and source: see `es.ann.Saturation`.

    >>> import torch
    >>> Saturation(0.1)(torch.tensor([0.0, 1.0, 5.0])).round(decimals=3)
    tensor([0.0000, 1.0000, 2.6070])
    """

    def __init__(self, m_f=0.1, tau_eta=50e-3, tau_gamma=15e-3, theta_0=None, cutoff=0.0):
        super().__init__()
        self.plain = ann.Saturation(m_f, tau_eta, tau_gamma, theta_0, cutoff)
        self.m_f, self.tau_eta, self.tau_gamma, self.theta_0, self.cutoff = m_f, tau_eta, tau_gamma, self.plain.theta_0, cutoff

    def forward(self, x):
        """The function of every element of `x`."""
        c1, c2, c3, c4 = self.plain.line()
        safe = x.clamp(min=0.0)
        shift = 0.5 - self.plain.trace(0.5 * self.theta_0)
        found = self.plain.height * (1.0 / torch.expm1((c1 * safe + c2) / (c3 * safe + c4)) + shift)
        return torch.where(x > self.cutoff, found.clamp(min=0.0), torch.zeros_like(x))
