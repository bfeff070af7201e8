"""Digits by STDP without labels: accuracy on all test images, cost per image, and heap beside window scheduler.

Runs presets of the experiment stdp-digits, whose figures and tables go to out/, and keeps their summaries. A folder that
already holds the summary of its preset is not run again. The schedulers are timed on the learned networks, without learning
and with the rule of the synapses alone, which both can carry (rules of thresholds are for the heap).

Usage: python benchmarks/stdp_digits.py [--presets paper] [--images 200] [--rounds 3] [--folder out]
"""

import argparse
import json
from pathlib import Path
from statistics import median
from time import process_time

import measure
import numpy as np

import eventsnn as es
from eventsnn.experiments import digit_features as features
from eventsnn.experiments import run_experiment
from eventsnn.experiments.config import load_plan
from eventsnn.experiments.stdp_digits import split


def follow(w, x, y, s, g, p):
    """As in the experiment, with a constant step."""
    return w + p[1] * (p[0] * x[0] - w)


def summary_of(preset, folder):
    path = folder / f"stdp-digits-{preset}"
    if (path / "summary.json").exists():
        found = json.loads((path / "summary.json").read_text())
        if found["preset"] == preset:
            return found
    return run_experiment("stdp-digits", {"preset": preset}, path, progress=True)


def cost(s, weights, thresholds, images, scheduler, learning):
    """(CPU time of carrying the network per synaptic event, ns; spikes of every neuron)."""
    high, period = features.largest_weight(s), s["shown"] + s["rest"]
    trace = es.Variable(s["tau_trace"], step=1.0 / (s["rate"] * s["tau_trace"]))
    rule = es.Rule("in->exc", on_post=follow, pre={"x": trace}, parameters=[high, s["eta_end"]], w_min=0.0, w_max=high)
    simulation = es.Simulation(features.build_network(s, weights, thresholds), scheduler=scheduler, progress=False,
                               rules=[rule] if learning else [], record=es.Record(spikes=["exc"]))
    simulation.push({"in": features.image_spikes(s, images, np.arange(len(images)), features.TEST, 0.0)})
    simulation.news(1.0 * period, whole=True)
    before, started = simulation.result().counts.synaptic_events.total, process_time()
    simulation.news(len(images) * period, whole=True)
    seconds, result = process_time() - started, simulation.result()
    return (1e9 * seconds / (result.counts.synaptic_events.total - before),
            np.bincount(result.spikes["exc"].neurons, minlength=s["neurons"]))


def schedulers(preset, folder, images, rounds):
    """{"static" or "learning": {scheduler: ns per synaptic event}} of the learned network."""
    s = load_plan("stdp-digits", {"preset": preset}).settings
    with np.load(folder / f"stdp-digits-{preset}" / "weights.npz") as file:
        weights, thresholds = file["weights"], file["thresholds"]
    shown, taken, spikes = split(s)["test"][0][:images], {}, {}
    for _ in range(rounds):
        for learning in ("static", "learning"):
            for scheduler in ("heap", "window"):
                ns, now = cost(s, weights, thresholds, shown, scheduler, learning == "learning")
                taken.setdefault(learning, {}).setdefault(scheduler, []).append(ns)
                if not np.array_equal(spikes.setdefault(learning, now), now):
                    raise SystemExit(f"{scheduler} gives other spikes: no time is reported")
    return {learning: {scheduler: median(values) for scheduler, values in found.items()} for learning, found in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", default="paper")
    parser.add_argument("--images", type=int, default=200, help="for the times of the schedulers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("out"), help="of figures and tables")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "stdp_digits.json")
    options = parser.parse_args()
    report = {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
              "versions": measure.versions(),
              "chosen_on": "3,000 of the last 10,000 training images, after learning from the first 5,000", "presets": {}}
    for preset in options.presets.split(","):
        found = summary_of(preset, options.folder)
        found["ns_per_synaptic_event_by_scheduler"] = schedulers(preset, options.folder, options.images, options.rounds)
        report["presets"][preset] = found
        print({key: found[key] for key in ("accuracy", "spikes_per_image", "ns_per_synaptic_event_by_scheduler")}, flush=True)
    measure.write(options.out, report)


if __name__ == "__main__":
    main()
