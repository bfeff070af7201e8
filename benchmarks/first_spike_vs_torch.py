"""The original first-spike algorithm, written plainly in PyTorch, beside ours: training samples per second, memory, agreement.

The plain way (Goeltz et al. 2021): sort the inputs, cumulative sums over them, the crossing in closed form (Lambert W) for
*every* prefix of the inputs as if no further input came, and the first of these candidates that lies before the next input. All
neurons, prefixes and samples at once, as tensors; the backward pass is the published derivative by weights and input times.

Usage: python benchmarks/first_spike_vs_torch.py   (needs PyTorch)
"""

import argparse
import math
import resource
import time
from pathlib import Path

import measure
import numpy as np
import torch
from first_spike import SHAPES, least

from eventsnn.learn.first_spike.network import FirstSpikeNetwork

HALLEY = 12  # steps of the Lambert function: full double precision from the start used here


def lambert(z):
    """The principal branch for -1/e <= z, by Halley's method from the series at the branch point and log1p."""
    p = torch.sqrt(torch.clamp(2.0 * (math.e * z + 1.0), min=0.0))
    w = torch.where(z < 0.5, -1.0 + p - p * p / 3.0 + 11.0 / 72.0 * p**3, torch.log1p(torch.clamp(z, min=0.0)))
    for _ in range(HALLEY):
        e = torch.exp(w)
        f = w * e - z
        step = f / (e * (w + 1.0) - (w + 2.0) * f / (2.0 * w + 2.0) + 1e-300)
        w = w - torch.where(torch.isfinite(step), step, torch.zeros_like(step))
    return w


class PlainLayer(torch.autograd.Function):
    """First spike times [n, m] for input times [n, k] and weights [k, m], tau_mem = tau_syn = 1, threshold 1."""

    @staticmethod
    def forward(ctx, times, weights):
        """All candidates, then the first that is valid."""
        ordered, order = times.sort(dim=1)
        w = weights[order]  # [n, k, m]
        rise = torch.exp(ordered)[:, :, None]
        a1 = torch.cumsum(w * rise, dim=1)
        b = torch.cumsum(w * rise * ordered[:, :, None], dim=1)
        ratio = b / a1
        z = -torch.exp(ratio) / a1
        found = ratio - lambert(torch.clamp(z, min=-1.0 / math.e))
        after = torch.cat([ordered[:, 1:], torch.full_like(ordered[:, :1], math.inf)], dim=1)[:, :, None]
        valid = (z >= -1.0 / math.e) & (a1 > 0.0) & (found >= ordered[:, :, None]) & (found < after)
        out = torch.where(valid, found, torch.full_like(found, math.inf)).min(dim=1).values
        ctx.save_for_backward(times, weights, out)
        return out

    @staticmethod
    def backward(ctx, passed):
        """The published derivative, over all pairs."""
        times, weights, out = ctx.saved_tensors
        gap = out[:, None, :] - times[:, :, None]
        before = (gap > 0.0) & torch.isfinite(gap)
        gap = torch.where(before, gap, torch.zeros_like(gap))
        decay = torch.where(before, torch.exp(-gap), torch.zeros_like(gap))
        speed = (weights * (1.0 - gap) * decay).sum(dim=1)
        scaled = torch.where(torch.isfinite(out), passed / speed, torch.zeros_like(out))[:, None, :]
        return (scaled * weights * (1.0 - gap) * decay).sum(dim=2), -(scaled * gap * decay).sum(dim=0)


def plain_step(times, weights, bias, delta):
    """Forward through all layers and back; returns (output times, gradients of the weights)."""
    weights = [torch.tensor(w, requires_grad=True) for w in weights]
    x = torch.tensor(times)
    for w, at in zip(weights, bias):
        if at is not None:
            x = torch.cat([x, torch.full((len(x), 1), at, dtype=x.dtype)], dim=1)
        x = PlainLayer.apply(x, w)
    x.backward(torch.tensor(delta))
    return x.detach().numpy(), [w.grad.numpy() for w in weights]


def compare(name, batch, repeats):
    """One shape: both ways on the same batch."""
    sizes, bias, mean, spread, n = SHAPES[name]
    draw = np.random.default_rng(0)
    weights = [draw.normal(m, s, (a + (b is not None), c)) for m, s, a, b, c in zip(mean, spread, sizes, bias, sizes[1:])]
    network = FirstSpikeNetwork(weights, bias_times=bias)
    many = draw.uniform(0.15, 2.0, (n, sizes[0]))
    delta = 0.01 * draw.normal(size=(n, sizes[-1]))
    record = network.fill(network.record(many))

    def ours():
        network.fill(record)
        network.gradient(record, delta)

    ours()
    fast = least(repeats, ours) / n
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    out, grads = plain_step(many[:batch], weights, bias, delta[:batch])
    slow = (time.perf_counter() - started) / batch
    if slow * batch < 5.0:
        slow = least(3, lambda: plain_step(many[:batch], weights, bias, delta[:batch])) / batch
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    expected = network.layers(record)[-1][:batch]
    part = network.fill(network.record(many[:batch]))
    exact = network.gradient(part, delta[:batch])
    both = np.isfinite(out) & np.isfinite(expected)
    return {"shape": name, "batch_plain": batch, "plain_training_samples_per_s": 1.0 / slow,
            "plain_mb_per_sample": grown / 1024.0 / batch, "eventsnn_training_samples_per_s": 1.0 / fast,
            "eventsnn_kb_per_sample": record.nbytes / 1024.0 / n, "times_faster": slow / fast,
            "same_outputs": bool((np.isfinite(out) == np.isfinite(expected)).all()),
            "largest_time_difference": float(np.abs(out[both] - expected[both]).max()),
            "largest_gradient_difference": float(np.abs(np.concatenate([g.ravel() for g in grads]) - exact).max()
                                                 / np.abs(exact).max())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "first_spike_vs_torch.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, batch in (("5-120-3", 150), ("784-350-10", 4)):
        rows.append(compare(name, batch, options.repeats))
        print(rows[-1], flush=True)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions() | {"torch": torch.__version__}, "rows": rows})


if __name__ == "__main__":
    main()
