"""Event-driven ASNN inference beside a plain PyTorch loop of the same network in steps of 1 ms, on one core.

The loop is the clocked form of the same neurons (papers' update order), all images of a batch together. 50 ms per image.

Usage: python benchmarks/asnn_vs_torch.py [--images 200] [--rounds 3]     (needs PyTorch)
"""

import argparse
import time
from pathlib import Path

import measure
import numpy as np
import torch

import eventsnn as es
from eventsnn.conversion.files import load_plain
from eventsnn.experiments.evaluate_asnn import samples

STEPS, M_F = 50, 0.3
PHI, ETA, GAMMA = (float(np.exp(-1.0 / tau)) for tau in (5.0, 50.0, 15.0))


def loop(layers, x):
    """Logits of a batch after STEPS steps."""
    weights = [(torch.tensor(layer.weight.T, dtype=torch.float32).contiguous(), torch.tensor(layer.bias, dtype=torch.float32))
               for layer in layers if isinstance(layer, es.ann.Linear)]
    sizes = [x.shape[1], *(w.shape[1] for w, _ in weights)]
    new = lambda n: torch.zeros(len(x), n)  # noqa: E731
    s, r, a, current = ([new(n) for n in sizes] for _ in range(4))
    with torch.no_grad():
        for _ in range(STEPS):
            drive = x
            for k, (w, b) in enumerate(weights):
                s[k].mul_(PHI).add_(drive, alpha=1.0 - PHI)
                r[k].mul_(ETA)
                height = a[k] + M_F
                pulse = height * (s[k] - r[k] > 0.5 * height)
                r[k].add_(pulse)
                a[k].add_(pulse, alpha=M_F).mul_(GAMMA)
                current[k + 1].mul_(ETA).add_(pulse @ w)
                drive = current[k + 1] + b
            s[-1].mul_(PHI).add_(current[-1], alpha=1.0 - PHI)
    return s[-1] + weights[-1][1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "asnn_vs_torch.json")
    options = parser.parse_args()
    measure.pin(0)
    torch.set_num_threads(1)
    layers, shape, _ = load_plain("asnn-mnist-mlp")
    x, y = (part[:options.images] for part in samples("mnist", shape))
    tensor, model = torch.tensor(x, dtype=torch.float32), es.convert(layers, m_f=M_F)
    model.run(x[:2], until=0.05, jobs=1), loop(layers, tensor[:1])
    rows = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        ours = model.run(x, until=STEPS * 1e-3, jobs=1)
        middle = time.perf_counter()
        single = torch.cat([loop(layers, tensor[k:k + 1]) for k in range(len(x))])
        late = time.perf_counter()
        many = torch.cat([loop(layers, part) for part in tensor.split(128)])
        rows.append([1e3 * t / len(x) for t in (middle - started, late - middle, time.perf_counter() - late)])
        print(rows[-1], flush=True)
    best = np.array(rows).min(axis=0)
    found = {"ms_per_image": dict(zip(("eventsnn", "torch_batch_1", "torch_batch_128"), best.tolist())),
             "times_faster_than_batch_1": float(best[1] / best[0]), "accuracy": float(np.mean(ours.predictions == y)),
             "accuracy_torch": float(np.mean(single.argmax(1).numpy() == y)), "rounds": rows,
             "same_prediction": float(np.mean(ours.predictions == many.argmax(1).numpy())),
             "spikes_per_image": float(ours.spikes_per_image.mean()),
             "synaptic_events_per_image": float(ours.synaptic_events_per_image.mean())}
    print(found)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions() | {"torch": torch.__version__}, **found})


if __name__ == "__main__":
    main()
