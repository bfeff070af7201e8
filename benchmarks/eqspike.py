"""EqSpike: gradient check, ablations on digits, seeds, counts and energy of the shipped models, learning curves on MNIST.

Usage: python benchmarks/eqspike.py [--parts gradient,digits,ablation,energy,curves] [--out FILE.json]; other parts in the file
stay. `curves` draws docs/img/eqspike_curves.png from benchmarks/results/eqspike_validation_*.json, the summaries of
`eventsnn train eqspike-mnist --set validation=true --json`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from measure import RESULTS, command, load, machine, versions, write

from eventsnn.energy import load_profile
from eventsnn.learn.eqspike.config import EqSpikeConfig
from eventsnn.learn.eqspike.files import load_eqspike
from eventsnn.learn.eqspike.rate import cosine, mean_update, updates
from eventsnn.learn.eqspike.recipes import data_of, recipe
from eventsnn.learn.eqspike.training import counted, initial_network, train
from eventsnn.report.eqspike import plot_training

GPU_JOULES_PER_OPERATION = 2e-11  # about 5e10 multiplications and additions per joule: a data-centre GPU at its peak, 32 bit
GPU_WATTS, GPU_SECONDS = 250.0, 1e-4  # a GPU that is waited for, and one small network run on it, of one image at a time
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "img"
WRITES = {"memristive synapse, 1 pJ per write": 1e-12, "as one synaptic event": None}


def gradient(options):
    """Cosine between the mean update of single samples and rate-based equilibrium propagation, initial weights."""
    pixels, labels = data_of("digits")["train"]
    found = {}
    for name, changes in (("plain rule", {"inputs": "spikes", "beta": 0.5}), ("intervals", {"beta": 0.5}),
                          ("intervals, tau_filter 40 ms", {"beta": 0.5, "tau_filter": 0.04, "free": 0.4, "nudged": 0.3}),
                          ("three phases, beta 2", {"phases": "three", "sign": "fixed", "beta": 2.0}),
                          ("softmax, swing, beta 1", {"loss": "softmax", "phases": "swing", "sign": "fixed", "beta": 1.0,
                                                      "least_error": 0.0}),
                          ("softmax, swing, beta 0.25", {"loss": "softmax", "phases": "swing", "sign": "fixed", "beta": 0.25,
                                                         "least_error": 0.0})):
        config = EqSpikeConfig(**changes)
        network = initial_network(config, 64, 10)
        x, y = pixels[:options.samples] / 255.0, labels[:options.samples]
        exact, pairs = updates(network, x, y, steepness=config.steepness if config.loss == "softmax" else 0.0), []
        for k in range(options.samples):
            mean = mean_update(network, x[k], y[k], config, options.runs)
            pairs.append([cosine(a, b[k]) for a, b in zip(mean, exact)])
        pairs = np.array(pairs)
        found[name] = {"median_w1": float(np.median(pairs[:, 0])), "median_w2": float(np.median(pairs[:, 1])),
                       "least_w1": float(pairs[:, 0].min()), "least_w2": float(pairs[:, 1].min()), "samples": options.samples,
                       "runs_per_sample": options.runs, **changes}
        print(name, found[name], flush=True)
    return found


def digits(options):
    """Test accuracy of the paper preset, three seeds."""
    data, rows = data_of("digits"), []
    for seed in range(3):
        result = train(recipe("eqspike-digits", "paper", seed=seed, threads=options.threads)[1], data=data, progress=False)
        rows.append({"seed": seed, "test_accuracy": result.test_accuracy, "seconds": round(result.seconds, 1),
                     "counts": result.counts})
        print(rows[-1], flush=True)
    return {"config": recipe("eqspike-digits", "paper")[1].__dict__, "seeds": rows,
            "test_accuracy_mean": float(np.mean([row["test_accuracy"] for row in rows]))}


PLAIN = {"optimiser": "plain", "rates": (1.0, 0.1)}
SQUARED = PLAIN | {"loss": "squared", "phases": "three", "beta": 2.0, "batch": 8, "bias_output": None, "output_scale": 1.0}
WEAK = {"phases": "two", "beta": 0.5, "rates": (0.3, 0.03)}
ABLATIONS = (
    ("softmax, as it is", {}), ("random sign", {"sign": "random"}), ("small errors taught too", {"least_error": 0.0}),
    ("momentary changes at spikes of inputs", {"inputs": "spikes"}), ("three phases", {"phases": "three"}),
    ("two phases, random sign", {"phases": "two", "sign": "random"}), ("two phases, fixed sign", {"phases": "two"}),
    ("plain steps", PLAIN), ("plain steps, batch 1", PLAIN | {"rates": (0.3, 0.03), "batch": 1}),
    ("weights changed at the spike, batch 1", PLAIN | {"rates": (0.3, 0.03), "batch": 1, "at_once": True}),
    ("squared error, three phases", SQUARED), ("squared error, two phases, random sign", SQUARED | WEAK | {"sign": "random"}),
    ("squared error, two phases, fixed sign", SQUARED | WEAK),
    ("squared error, momentary changes at spikes of inputs", SQUARED | {"inputs": "spikes"}),
)


def ablation(options):
    """Validation accuracy of the recipe on digits, 20 epochs, where one thing is changed."""
    data, found = data_of("digits", validation=True), {}
    del data["test"]
    for name, changes in ABLATIONS:
        scores = []
        for seed in range(options.seeds):
            config = recipe("eqspike-digits", "quick", seed=seed, threads=options.threads, epochs=20, **changes)[1]
            scores.append(train(config, data=data, progress=False).curve["validation_accuracy"][-1])
        found[name] = {"validation_accuracy_per_seed": [float(score) for score in scores],
                       "validation_accuracy": float(np.mean(scores)), **changes}
        print(name, found[name]["validation_accuracy_per_seed"], flush=True)
    return found


def energy(options):
    """Counts of inference and training with the shipped models, and what they cost on a chip and on a GPU."""
    found = {}
    for name in options.models.split(","):
        network, facts = load_eqspike(name)
        pixels, _ = data_of(facts["data"])["test"]
        counts = network.free_phases(pixels[:options.images], facts["until"])[1]
        inference = {key: value / len(counts) for key, value in counted(counts.sum(axis=0), network.sizes).items()}
        training, loihi = facts["counts_per_presentation"], load_profile("loihi")
        weights = network.w1.size + network.w2.size

        def joules(spikes, operations, loihi=loihi):
            return spikes * loihi.e_spike + operations * loihi.e_synop

        once = joules(inference["spikes_free"], inference["synaptic_operations_free"])
        learn = joules(training["spikes_free"] + training["spikes_learning"],
                       training["synaptic_operations_free"] + training["synaptic_operations_learning"])
        writes = {key: learn + training["weight_updates"] * (cost or loihi.e_synop) for key, cost in WRITES.items()}
        gpu = {"peak arithmetic": 2.0 * weights * GPU_JOULES_PER_OPERATION, "one image at a time": GPU_WATTS * GPU_SECONDS}
        found[name] = {"inference": inference, "training": training, "inference_joules_loihi": once,
                       "training_joules": writes, "gpu_inference_joules": gpu,
                       "gpu_training_joules": {key: 3.0 * value for key, value in gpu.items()},
                       "gpu_over_chip_inference": {key: value / once for key, value in gpu.items()}}
        print(name, json.dumps(found[name], indent=1), flush=True)
    return found


def curves(options):
    """Accuracy on the 10,000 validation images of MNIST over the epochs."""
    files = sorted(RESULTS.glob("eqspike_validation_*.json"))
    found = {path.stem: json.loads(path.read_text()) for path in files}
    plot_training([each["validation_accuracy_per_epoch"][0] for each in found.values()], IMAGES / "eqspike_curves.png",
                  [each["label"] for each in found.values()], "MNIST, 10,000 validation images")
    return {"final": {name: each["validation_accuracy"] for name, each in found.items()}}


PARTS = {"gradient": gradient, "digits": digits, "ablation": ablation, "energy": energy, "curves": curves}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--models", default="eqspike-mnist100,eqspike-mnist300")
    parser.add_argument("--out", type=Path, default=RESULTS / "eqspike.json")
    options = parser.parse_args()
    report = json.loads(options.out.read_text()) if options.out.exists() else {}
    for part in options.parts.split(","):
        begun, busy = time.perf_counter(), load()
        report[part] = PARTS[part](options) | {"command": command(), "machine": machine(), "versions": versions(),
                                               "load_before": busy, "seconds": round(time.perf_counter() - begun, 1)}
        write(options.out, report)


if __name__ == "__main__":
    main()
