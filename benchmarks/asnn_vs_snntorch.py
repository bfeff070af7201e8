"""Event-driven ASNN inference beside snnTorch, a clocked LIF network of the same shape, on one core.

784-300-300-10 in both, 50 ms per image. snnTorch: `Leaky` neurons of threshold 1 that decay by exp(-1/20) per step of 1 ms and
are reset by subtraction, inputs and biases as constant currents, the class with most spikes of the readout. The weights are
those of asnn-mnist-mlp, scaled layer by layer so that a large activation means a spike per step. At batch 1 and at batch 128.

Usage: python benchmarks/asnn_vs_snntorch.py [--images 128] [--rounds 3]     (needs PyTorch and snntorch)
"""

import argparse
import time
from importlib import metadata
from pathlib import Path

import measure
import numpy as np
import snntorch
import torch

import eventsnn as es
from eventsnn.conversion.files import load_plain
from eventsnn.experiments.asnn_sparsity import calibration
from eventsnn.experiments.evaluate_asnn import samples

STEPS, DECAY, M_F, BATCH = 50, float(np.exp(-1.0 / 20.0)), 0.3, 128
READOUT = 20.0  # logit shown by a spike per step


def network(layers, scales):
    """Linear maps and `Leaky` neurons, in turn; `scales`: activations of the layers shown by a spike per step."""
    parts, below = [], 1.0
    for layer, scale in zip((layer for layer in layers if isinstance(layer, es.ann.Linear)), [*scales, READOUT]):
        linear = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(layer.weight * below / scale))
            linear.bias.copy_(torch.tensor(layer.bias / scale))
        parts += [linear, snntorch.Leaky(beta=DECAY, threshold=1.0, reset_mechanism="subtract")]
        below = scale
    return parts


def loop(parts, x):
    """(spikes of the output summed over STEPS steps [n, 10], spikes per image of all layers) for a batch `x` [n, 784]."""
    neurons = parts[1::2]
    with torch.no_grad():
        potentials, total, spikes = [neuron.init_leaky() for neuron in neurons], 0.0, 0.0
        for _ in range(STEPS):
            drive = x
            for k, (linear, neuron) in enumerate(zip(parts[0::2], neurons)):
                drive, potentials[k] = neuron(linear(drive), potentials[k])
                spikes = spikes + drive.sum()
            total = total + drive
    return total, float(spikes) / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=BATCH)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "asnn_vs_snntorch.json")
    options = parser.parse_args()
    measure.pin(0)
    torch.set_num_threads(1)
    layers, shape, facts = load_plain("asnn-mnist-mlp")
    x, y = (part[:options.images] for part in samples("mnist", shape))
    scales = es.convert(layers, to="poisson", calibration=calibration(facts["data"], shape)).scales
    parts, tensor, model = network(layers, scales), torch.tensor(x, dtype=torch.float32), es.convert(layers, m_f=M_F)
    model.run(x[:2], until=STEPS * 1e-3, jobs=1), loop(parts, tensor[:1])
    rows = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        ours = model.run(x, until=STEPS * 1e-3, jobs=1)
        middle = time.perf_counter()
        single = [loop(parts, tensor[k:k + 1]) for k in range(len(x))]
        late = time.perf_counter()
        many = [loop(parts, part) for part in tensor.split(BATCH)]
        rows.append([len(x) / t for t in (middle - started, late - middle, time.perf_counter() - late)])
        print([f"{rate:.0f} images/s" for rate in rows[-1]], flush=True)
    best = np.array(rows).max(axis=0)
    decided = [torch.cat([counts for counts, _ in found]).argmax(1).numpy() for found in (single, many)]
    found = {"images": len(x), "steps": STEPS, "m_f": M_F, "batch": min(BATCH, len(x)),
             "images_per_s": dict(zip(("eventsnn", "snntorch_batch_1", f"snntorch_batch_{min(BATCH, len(x))}"), best.tolist())),
             "times_faster_than_batch_1": float(best[0] / best[1]), "times_faster_than_batch": float(best[0] / best[2]),
             "rounds": rows, "accuracy": float(np.mean(ours.predictions == y)),
             "accuracy_snntorch": float(np.mean(decided[0] == y)),
             "same_in_both_batches": float(np.mean(decided[0] == decided[1])),
             "spikes_per_image": float(ours.spikes_per_image.mean()),
             "synaptic_events_per_image": float(ours.synaptic_events_per_image.mean()),
             "spikes_per_image_snntorch": float(np.mean([spikes for _, spikes in single]))}
    print(found)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions() | {"torch": torch.__version__,
                                                                  "snntorch": metadata.version("snntorch")}, **found})


if __name__ == "__main__":
    main()
