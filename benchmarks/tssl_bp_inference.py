"""Images per second of a trained TSSL-BP network: on the event engine, in our dense loop, and in snnTorch at as many steps.

snnTorch runs a network of the same layers (its `Leaky` neurons, convolutions and pools by PyTorch) with the same weights, step
by step on batches of 100 images and one image at a time, without gradients; its neurons differ a little, so it is timed, not
compared. One thread each, runs in turn. The event engine takes one image at a time and counts every spike and synaptic event.

Usage: python benchmarks/tssl_bp_inference.py tssl-fashion-mlp tssl-mnist-cnn   (needs PyTorch and snnTorch)
"""

import argparse
import time
from importlib import metadata

import measure
import numpy as np
import snntorch
import torch

import eventsnn as es
from eventsnn.learn.blas import one_thread
from eventsnn.learn.tssl_bp.models import load_tssl
from eventsnn.learn.tssl_bp.network import DT
from eventsnn.learn.tssl_bp.recipes import data_of

BATCH = 100


class Peer(torch.nn.Module):
    """The layers of a network with snnTorch's neurons."""

    def __init__(self, network):
        super().__init__()
        self.network, self.weighted, self.pools = network, torch.nn.ModuleList(), []
        for stage, w in zip(network.stages, network.weights):
            if stage.kernel:
                layer = torch.nn.Conv2d(stage.given[2], stage.full[2], stage.kernel, padding=stage.padding, bias=False)
                w = w.reshape(stage.kernel, stage.kernel, stage.given[2], -1).transpose(3, 2, 0, 1)
            else:
                layer = torch.nn.Linear(stage.n_in, stage.n, bias=False)
                w = w.reshape(*stage.given, -1).transpose(2, 0, 1, 3).reshape(w.shape).T
            layer.weight.data = torch.tensor(np.ascontiguousarray(w), dtype=torch.float32)
            self.weighted.append(layer)
            self.pools.append(torch.nn.AvgPool2d(stage.pool) if stage.pool > 1 else None)
        self.neurons = torch.nn.ModuleList(snntorch.Leaky(beta=1.0 - 1.0 / network.constants.tau_mem) for _ in network.stages)

    def forward(self, x, steps):
        """Counts of output spikes for images [b, inputs]."""
        memories, counts = [neurons.reset_mem() for neurons in self.neurons], 0.0
        for _ in range(steps):
            now = x
            for k, (stage, layer) in enumerate(zip(self.network.stages, self.weighted)):
                shaped = now.reshape(len(x), stage.given[2], *stage.given[:2]) if stage.kernel else now.reshape(len(x), -1)
                now, memories[k] = self.neurons[k](layer(shaped), memories[k])
                if self.pools[k] is not None:
                    now = self.pools[k](now)
            counts = counts + now
        return counts


def compare(name, repeats):
    """One model."""
    network, facts = load_tssl(name)
    if not network.static:
        raise SystemExit(f"{name} does not take images")
    steps, samples, peer = network.constants.steps, data_of(facts["data"], ("test",))["test"], Peer(network)
    took = {"event engine": [], "dense loop": [], "snnTorch": [], "snnTorch, one at a time": []}
    with one_thread(), torch.no_grad():
        for k in range(repeats):
            x = samples.inputs(np.arange(BATCH) + BATCH * (k % (len(samples) // BATCH)), 0, False)
            single, tensor = x.astype(np.float32), torch.tensor(x, dtype=torch.float32)
            begin = time.perf_counter()
            net, inputs = network.to_network(x), [{"input": es.Spikes([0.0], [i])} for i in range(BATCH)]
            es.simulate_batch(net, inputs, until=(steps - 1) * DT, dt=DT, jobs=1)
            took["event engine"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            network.forward(single, dtype=np.float32, keep=False)
            took["dense loop"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            peer(tensor, steps)
            took["snnTorch"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for one in tensor.split(1):
                peer(one, steps)
            took["snnTorch, one at a time"].append(time.perf_counter() - begin)
    return {"model": name, "layers": [str(word) for word in network.layers], "steps": steps, "batch": BATCH,
            "images_per_s": {key: BATCH / min(values[1:]) for key, values in took.items()},
            "images_per_s_median": {key: BATCH / float(np.median(values[1:])) for key, values in took.items()}}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("models", nargs="+")
    words.add_argument("--repeats", type=int, default=12)
    words.add_argument("--out", default=str(measure.RESULTS / "tssl_bp_inference.json"))
    given = words.parse_args()
    torch.set_num_threads(1)
    report = {"command": measure.command(), "machine": measure.machine(),
              "versions": measure.versions() | {name: metadata.version(name) for name in ("torch", "snntorch")},
              "load": measure.load(), "rows": [compare(name, given.repeats) for name in given.models]}
    measure.write(given.out, report)
    for row in report["rows"]:
        print(row["model"], {key: round(value) for key, value in row["images_per_s"].items()}, "images/s")


if __name__ == "__main__":
    main()
