"""TSSL-BP written plainly in PyTorch, beside ours: training images per second and agreement; and snnTorch, where it is
installed.

The plain way: a layer is a torch.autograd.Function of the filtered spikes that come in; the product of all steps at once
(`F.linear`, `F.conv2d` on samples times steps), then a loop over the steps of tensor operations forwards, and the same
backwards, with the rule as published; AdamW and the norm of gradients by PyTorch. The same weights, images and float32 on both
sides, as many threads for both, runs in turn. snnTorch trains a network of the same size by its own rule (surrogate gradients
through all steps).

Usage: python benchmarks/tssl_bp_vs_torch.py   (needs PyTorch)
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util

import measure
import numpy as np
import torch
import torch.nn.functional as F

from eventsnn.learn.blas import one_thread
from eventsnn.learn.tssl_bp.config import Config
from eventsnn.learn.tssl_bp.inputs import Images
from eventsnn.learn.tssl_bp.losses import class_train, filtered
from eventsnn.learn.tssl_bp.training import Trainer

SHAPES = {"784-400-400-10": ((400, 400, 10), 100), "15C5-P2-40C5-P2-300-10": (("15c5s2", "40c5s2", 300, 10), 50),
          "32C5-P2-64C5-P2-256-10": (("32c5p2s2", "64c5p2s2", 256, 10), 50)}
TAU_MEM, TAU_SYN, STEPS, WIDTH = 5.0, 3.0, 5, 0.2


class Neurons(torch.autograd.Function):
    """Spiking neurons: weighted inputs [steps, b, ...] -> filtered spikes."""

    @staticmethod
    def forward(ctx, drive):
        """Step by step."""
        rest, psc = torch.zeros_like(drive[0]), torch.zeros_like(drive[0])
        us, ss, aa, dus = [], [], [], []
        for current in drive:
            du = current - rest / TAU_MEM
            u = rest + du
            s = (u > 1.0).to(u.dtype)
            rest = u * (1.0 - s)
            psc = psc * (1.0 - 1.0 / TAU_SYN) + s / TAU_SYN
            for kept, value in zip((us, ss, aa, dus), (u, s, psc, du)):
                kept.append(value)
        u, s, a, du = (torch.stack(kept) for kept in (us, ss, aa, dus))
        ctx.save_for_backward(u, s, a, du)
        return a

    @staticmethod
    def backward(ctx, passed):
        """The published rule, backwards step by step."""
        u, s, a, du = ctx.saved_tensors
        kappa = s * torch.clamp(1.0 / du, 0.0, 8.0)
        z = torch.exp(torch.clamp((1.0 - u) / WIDTH, -8.0, 8.0))
        bell = z / (WIDTH * (1.0 + z)**2)
        quiet = a < 1.0 / (4.0 * TAU_SYN)
        leak, delta = 1.0 - 1.0 / TAU_MEM, torch.empty_like(u)
        heard, later = torch.zeros_like(u[0]), torch.zeros_like(u[0])
        for t in range(len(u) - 1, -1, -1):
            heard = passed[t] / TAU_SYN + (1.0 - 1.0 / TAU_SYN) * heard
            later = kappa[t] * (heard + u[t] / TAU_MEM * later) + (1.0 - s[t]) * leak * later
            delta[t] = torch.where(quiet[t], heard * bell[t], later)
        return delta


class Plain(torch.nn.Module):
    """A network with the weights of a `Trainer`'s."""

    def __init__(self, network):
        super().__init__()
        self.stages = network.stages
        tensors = []
        for stage, w in zip(network.stages, network.weights):
            before = self.stages[len(tensors) - 1] if tensors else None
            if stage.kernel:
                w = w.reshape(stage.kernel, stage.kernel, stage.given[2], -1).transpose(3, 2, 0, 1)
            else:
                if before is not None and before.places > 1:
                    w = w.reshape(*stage.given, -1).transpose(2, 0, 1, 3).reshape(w.shape)
                w = w.T
            tensors.append(torch.nn.Parameter(torch.tensor(np.ascontiguousarray(w), dtype=torch.float32)))
        self.tensors = torch.nn.ParameterList(tensors)

    def forward(self, images):
        """Images [b, 784] -> filtered output spikes [steps, b, 10]."""
        share = 1.0 - (1.0 - 1.0 / TAU_SYN) ** torch.arange(1, STEPS + 1, dtype=torch.float32)
        x = share[:, None, None] * images
        for stage, w in zip(self.stages, self.tensors):
            if stage.kernel:
                x = x.reshape(-1, stage.given[2], *stage.given[:2])
                x = F.conv2d(x, w, padding=stage.padding)
            else:
                x = F.linear(x.reshape(STEPS * len(images), -1), w)
            a = Neurons.apply(x.reshape(STEPS, len(images), *x.shape[1:]))
            if stage.pool > 1:
                a = 1.1 * stage.pool**2 * F.avg_pool2d(a.reshape(-1, *a.shape[2:]), stage.pool)
            x = a
        return x


def plain_step(model, optimiser, x, goals):
    """One batch; returns the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss = 0.5 * ((model(x) - goals)**2).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    with torch.no_grad():
        for w in model.parameters():
            w.clamp_(-4.0, 4.0)
    return float(loss.detach())


def goals_of(labels):
    """[steps, b, 10]."""
    train = filtered(class_train(STEPS)[None, :, None], TAU_SYN, np.float32)[0]
    goals = np.zeros((STEPS, len(labels), 10), np.float32)
    goals[:, np.arange(len(labels)), labels] = train
    return torch.from_numpy(goals)


def snntorch_step(sizes, batch):
    """A function that trains a dense network of snnTorch on one batch, or None without snnTorch."""
    if util.find_spec("snntorch") is None:
        return None
    import snntorch as snn

    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(a, b, bias=False), snn.Leaky(beta=0.8, init_hidden=False)]
    model = torch.nn.ModuleList(layers)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4)

    def step(x, labels):
        memories, counts = [layer.reset_mem() for layer in layers[1::2]], 0.0
        for _ in range(STEPS):
            spikes = x
            for k, (linear, neurons) in enumerate(zip(layers[::2], layers[1::2])):
                spikes, memories[k] = neurons(linear(spikes), memories[k])
            counts = counts + spikes
        loss = F.cross_entropy(counts, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def compare(name, repeats, threads):
    """One shape: batches in turn on both sides."""
    layers, batch = SHAPES[name]
    draw = np.random.default_rng(0)
    pixels, labels = (draw.random((4 * batch, 28, 28))**3 * 255).astype(np.uint8), draw.integers(0, 10, 4 * batch)
    images = Images(pixels, labels, mean=0.1307, std=0.3081)
    trainer = Trainer(Config(layers=layers, batch=batch, threads=threads), images)
    model = Plain(trainer.network())
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
    rival = snntorch_step([784, *layers], batch) if all(isinstance(n, int) for n in layers) else None
    torch.set_num_threads(threads)
    times = {"ours": [], "plain PyTorch": [], "snnTorch": []}
    losses = []
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        run = pool.map if threads > 1 else map
        for k in range(repeats):
            samples = np.arange(batch) + batch * (k % 4)
            begin = time.perf_counter()
            loss, _, parts = trainer.gradient(samples, 0, run)
            trainer.update(parts, 5e-4, run)
            times["ours"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            x = torch.from_numpy(images.inputs(samples, 0, True, np.float32))
            other = plain_step(model, optimiser, x, goals_of(labels[samples]))
            times["plain PyTorch"].append(time.perf_counter() - begin)
            losses.append((loss, other))
            if rival is not None:
                begin = time.perf_counter()
                rival(x, torch.from_numpy(labels[samples]))
                times["snnTorch"].append(time.perf_counter() - begin)
    speed = {key: batch / min(values[1:]) for key, values in times.items() if values}
    middle = {key: batch / float(np.median(values[1:])) for key, values in times.items() if values}
    return {"network": name, "batch": batch, "threads": threads, "images_per_s": speed, "images_per_s_median": middle,
            "ours_over_plain": speed["ours"] / speed["plain PyTorch"],
            "ours_over_plain_median": middle["ours"] / middle["plain PyTorch"],
            "first_loss": losses[0], "largest_relative_difference_of_the_first_three_losses":
                max(abs(a - b) / b for a, b in losses[:3])}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--repeats", type=int, default=30)
    words.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    words.add_argument("--networks", nargs="+", default=list(SHAPES))
    words.add_argument("--out", default=str(measure.RESULTS / "tssl_bp_vs_torch.json"))
    given = words.parse_args()
    begin = measure.load()
    rows = [compare(name, given.repeats, threads) for name in given.networks for threads in given.threads]
    packages = [name for name in ("torch", "snntorch") if util.find_spec(name)]
    report = {"command": measure.command(), "machine": measure.machine(),
              "versions": measure.versions() | {name: metadata.version(name) for name in packages},
              "load_before": begin, "load_after": measure.load(), "rows": rows}
    measure.write(given.out, report)
    for row in rows:
        speeds = ", ".join(f"{key} {value:.0f}" for key, value in row["images_per_s"].items())
        print(f"{row['network']}, {row['threads']} threads: {speeds} images/s; {row['ours_over_plain']:.2f} x "
              f"(median {row['ours_over_plain_median']:.2f} x); losses {row['first_loss']}")


if __name__ == "__main__":
    main()
