"""Accuracy against hidden spikes: Fashion-MNIST 784-400-400-10 with TSSL-BP and a price of every hidden spike.

50,000 training images; accuracies of the last epoch, on the 10,000 validation images (by which one would choose the price) and
once on the test images. A run that was interrupted goes on from its checkpoint in the folder --work.

Usage: python benchmarks/tssl_bp_sparsity.py [--epochs 20]
"""

import argparse
from pathlib import Path

import measure
import numpy as np

from eventsnn.experiments.evaluate_tssl import dense_macs
from eventsnn.learn.tssl_bp.recipes import data_of, recipe
from eventsnn.learn.tssl_bp.training import train
from eventsnn.report.plots import COLOURS, MUTED, STYLE

COSTS = (0.0, 3e-5, 1e-4, 3e-4, 5e-4, 7e-4, 1e-3)
FIGURE = Path(__file__).parents[1] / "docs" / "img" / "tssl_sparsity.png"


def describe(network, samples, block=1000):
    """Test accuracy, spikes and silent neurons per layer, products that spikes need, float32."""
    right, spikes, silent, n = 0, 0.0, 0.0, len(samples)
    for start in range(0, n, block):
        group = np.arange(start, min(start + block, n))
        found = network.forward(samples.inputs(group, 0, False, np.float32), dtype=np.float32)
        right += int((found.predictions == samples.labels[group]).sum())
        spikes = spikes + np.array([layer.sum() for layer in found.spikes])
        silent = silent + np.array([(~layer.any(axis=1)).sum() for layer in found.spikes])
    neurons = n * np.array([stage.n for stage in network.stages])
    operations = sum(float(s) * stage.n for s, stage in zip(spikes, network.stages[1:])) / n
    return {"test_accuracy": right / n, "spikes_per_neuron_and_step": (spikes / (neurons * network.constants.steps)).tolist(),
            "silent_share": (silent / neurons).tolist(), "hidden_spikes_per_image": float(spikes[:-1].sum() / n),
            "synaptic_events_per_image": operations, "macs_saved": dense_macs(network) / operations}


def run(cost, epochs, seed, work):
    """One training."""
    data = data_of("fashion")
    config = recipe("tssl-fashion", "paper", spike_cost=cost, epochs=epochs, schedule="cosine", seed=seed)[1]
    file = work / f"sparsity-{cost:g}-{epochs}-{seed}.npz"
    result = train(config, {name: data[name] for name in ("train", "validation")}, progress=False, checkpoint=file,
                   resume=file if file.exists() else None)
    found = describe(result.final_network, data["test"])
    return {"spike_cost": cost, "seed": seed, "validation_accuracy": float(result.curve["accuracy"][-1])} | found


def draw(rows, path, least=0.8):
    """The figure, without networks of less than `least` accuracy, which have fallen silent."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.2), layout="constrained")
        axes = figure.subplots()
        rows = [row for row in rows if row["test_accuracy"] >= least]
        spikes = [row["hidden_spikes_per_image"] for row in rows]
        for key, label, style in (("test_accuracy", "test", "o-"), ("validation_accuracy", "validation", "s:")):
            colour = COLOURS[0] if label == "test" else MUTED
            axes.plot(spikes, [100.0 * row[key] for row in rows], style, color=colour, ms=4, label=label)
        for row in rows:
            axes.annotate(f"{row['spike_cost']:g}", (row["hidden_spikes_per_image"], 100.0 * row["test_accuracy"]), (0, -13),
                          textcoords="offset points", ha="center", fontsize=7.5)
        axes.set(xscale="log", xlabel="hidden spikes per image (price of a spike beside the points)", ylabel="accuracy (%)")
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.15 * (high - low), high)
        axes.grid(True)
        axes.legend()
        figure.savefig(path)


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--epochs", type=int, default=20)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--work", type=Path, default=Path("tssl-sparsity"))
    words.add_argument("--out", default=str(measure.RESULTS / "tssl_bp_sparsity.json"))
    words.add_argument("--figure", default=str(FIGURE))
    given = words.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for cost in COSTS:
        rows.append(run(cost, given.epochs, given.seed, given.work))
        print(rows[-1], flush=True)
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions()}
    measure.write(given.out, report | {"epochs": given.epochs, "rows": rows})
    draw(rows, given.figure)


if __name__ == "__main__":
    main()
