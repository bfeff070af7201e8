"""Does the chip model cover what a real BrainScaleS-2 chip did? Spike times recorded from a network trained on it (20-30-3).

Two numbers are fitted, on half of the samples: the nominal threshold in weight units, and one factor on all fixed mismatch
(thresholds 3.1 %, tau_mem, tau_syn and gains 5 % each). What is compared, chip by chip: per output the mean and the spread of
the residual against the ideal network at threshold 2.6, and the silent share. The fit is the likeliest: normal distributions
with mean and spread of 24 virtual chips. The other half of the samples then tells whether the fitted model covers the chip.

Usage: python benchmarks/chip_recordings.py     (needs EVENTSNN_GOLDEN)
"""

import argparse
import os
from pathlib import Path

import measure
import numpy as np

import eventsnn as es
from eventsnn.hardware.first_spike import FirstSpikeChip
from eventsnn.learn.first_spike.network import FirstSpikeNetwork, first_to_spike

STEP, MOST = 30.0, 63
THRESHOLDS, FACTORS, CHIPS = (2.3, 2.4, 2.5, 2.6, 2.7), (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), 24
NAMES = ("mean residual", "spread of residual", "silent share")


def network(golden, theta):
    weights = [np.clip(np.rint(golden[key] * STEP), -MOST, MOST) / STEP for key in ("p0", "p2")]
    return FirstSpikeNetwork(weights, bias_times=(None, None), theta=theta)


def statistics(outputs, ideal):
    """[9]: per output the mean and the spread of the residual, and the silent share."""
    both = np.isfinite(outputs) & np.isfinite(ideal)
    residual = np.where(both, outputs, np.nan) - np.where(both, ideal, np.nan)
    return np.concatenate([np.nanmean(residual, axis=0), np.nanstd(residual, axis=0), np.isinf(outputs).mean(axis=0)])


def virtual(golden, theta, factor):
    """Outputs [chips, samples, 3] of the model."""
    net, found = network(golden, theta), []
    for chip in range(CHIPS):
        hardware = es.BrainScaleS2("default", chip_seed=chip, threshold_codes=STEP * theta, threshold_shift=0.0,
                                   threshold_spread=0.0308 * factor, tau_mem_spread=0.05 * factor, tau_syn_spread=0.05 * factor,
                                   gain_spread=0.05 * factor)
        on = FirstSpikeChip(net, hardware)
        found.append(on.actual.layers(on.fill(on.actual.record(golden["test_inputs"]), np.random.default_rng(chip)))[-1].copy())
    return np.array(found)


def surprise(recorded, chips, ideal):
    """Minus the mean log-likelihood of the recorded chip among the virtual ones, and its z-scores."""
    mine, others = statistics(recorded, ideal), np.array([statistics(chip, ideal) for chip in chips])
    floor = 0.01  # below a hundredth of tau_syn, or of the samples, nothing is told apart
    spread = np.maximum(others.std(axis=0), floor)
    z = (mine - others.mean(axis=0)) / spread
    return float((0.5 * z**2 + np.log(spread)).mean()), z


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "chip_recordings.json")
    options = parser.parse_args()
    golden = np.load(Path(os.environ["EVENTSNN_GOLDEN"]) / "fast_and_deep" / "chip_30_weights.npz")
    recorded, labels = golden["test_spiketimes"], golden["test_labels"]
    ideal = network(golden, 2.6).forward(golden["test_inputs"])[-1]
    fit, rest = np.arange(0, len(labels), 2), np.arange(1, len(labels), 2)
    rows = []
    for theta in THRESHOLDS:
        for factor in FACTORS:
            chips = virtual(golden, theta, factor)
            rows.append({"threshold": theta, "mismatch": factor,
                         "fitted": surprise(recorded[fit], chips[:, fit], ideal[fit])[0],
                         "held out": surprise(recorded[rest], chips[:, rest], ideal[rest])[0]})
            print(rows[-1], flush=True)
    best = min(rows, key=lambda row: row["fitted"])
    chips = virtual(golden, best["threshold"], best["mismatch"])
    z = surprise(recorded[rest], chips[:, rest], ideal[rest])[1].reshape(3, 3)
    accuracies = [float(np.mean(first_to_spike(chip[rest]) == labels[rest])) for chip in chips]
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(), "best": best,
              "z_held_out": {name: row.tolist() for name, row in zip(NAMES, z)},
              "recorded": dict(zip(NAMES, statistics(recorded[rest], ideal[rest]).reshape(3, 3).tolist())),
              "accuracy_recorded": float(np.mean(first_to_spike(recorded) == labels)),
              "accuracy_of_its_weights_on_virtual_chips": {
                  "mean": float(np.mean(accuracies)), "spread": float(np.std(accuracies)), "least": min(accuracies),
                  "most": max(accuracies)}, "rows": rows}
    measure.write(options.out, report)
    print({key: report[key] for key in ("best", "z_held_out", "recorded", "accuracy_of_its_weights_on_virtual_chips")})


if __name__ == "__main__":
    main()
