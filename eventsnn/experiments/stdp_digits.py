"""Handwritten digits without labels: neurons that compete learn features of MNIST by STDP, and are named afterwards.

After Diehl and Cook 2015 (Front. Comput. Neurosci. 9:99). Labels only name the neurons once learning is over.
"""

import csv
import hashlib
import json
import sys
from time import perf_counter, process_time

import numpy as np

from ..errors import ParameterError
from .config import COMMON, Setting
from .digit_features import (
    LABEL,
    TEST,
    classify,
    learn,
    mean_responses,
    names,
    respond,
    weights_now,
)

SETTINGS = {
    "neurons": Setting(int, "neurons that learn", least=1),
    "images": Setting(int, "images shown while learning, in the order of the file, over and over", least=1),
    "label_images": Setting(int, "training images that name the neurons, the last ones; 0 means all", least=0),
    "test_images": Setting(int, "images for the accuracy, the first ones; 0 means all", least=0),
    "held_out": Setting(int, "last training images, kept from learning and tested in place of the test set; 0: test set",
                        least=0, most=50_000),
    "rate": Setting(float, "rate of a white pixel, Hz", above=0.0),
    "shown": Setting(float, "time that an image is shown, s", above=0.0),
    "rest": Setting(float, "time without input after it, s", above=0.0),
    "psp": Setting(float, "largest weight: about the potential that one spike causes, mV", above=0.0),
    "length": Setting(float, "root of the summed squares of the weights of a neuron, parts of the largest weight", above=0.0),
    "rescale": Setting(int, "images between two scalings of the weights to this length", least=1),
    "tau_mem": Setting(float, "membrane time constant, s", above=0.0),
    "tau_syn": Setting(float, "synaptic time constant, s", above=0.0),
    "v_threshold": Setting(float, "threshold before learning, mV above the leak potential", above=0.0),
    "t_ref": Setting(float, "refractory time, s", least=0.0),
    "inhibition": Setting(float, "how far a spike lowers the potential of all other neurons, mV", least=0.0),
    "delay": Setting(float, "delay of inhibition, s", least=0.0),
    "theta_plus": Setting(float, "rise of the threshold at a spike, mV", least=0.0),
    "tau_theta": Setting(float, "time constant of its way back, s", above=0.0),
    "eta": Setting(float, "part of its way that a weight goes at a spike, at first", above=0.0, most=1.0),
    "eta_end": Setting(float, "the same at the end; in between it falls exponentially", above=0.0, most=1.0),
    "tau_trace": Setting(float, "time constant of the estimated rates of the pixels, s", above=0.0),
    "scheduler": Setting(str, "of the networks that do not learn", choices=("auto", "heap", "window")),
    "checkpoint": Setting(int, "images between two checkpoints", least=1),
}
AFTER = {"label_images", "test_images", "scheduler", "checkpoint", *COMMON} - {"seed"}  # have no part in learning
CURVE = 20  # points of the learning curve
COLUMNS = ("images", "accuracy", "spikes_per_image", "neurons_named")


def split(s):
    """{"learn", "label", "test": (images uint8 [n, 784], labels [n])} of MNIST; raises `ParameterError` for sizes beyond it."""
    from ..data.mnist import SIZE, mnist, splits

    parts = splits(mnist(), s["held_out"])
    flat = {name: (images.reshape(len(images), SIZE * SIZE), labels) for name, (images, labels) in parts.items()}
    tested = flat["validation" if s["held_out"] else "test"]
    for key, (_, labels) in (("label_images", flat["train"]), ("test_images", tested)):
        if s[key] > len(labels):
            raise ParameterError(f"{key} of experiment 'stdp-digits' is {s[key]!r}; there are {len(labels)} such images")
    first = len(flat["train"][1]) - s["label_images"] if s["label_images"] else 0
    return {"learn": flat["train"], "label": tuple(a[first:] for a in flat["train"]),
            "test": tuple(a[:s["test_images"] or None] for a in tested)}


def learning_curve(spikes, labels):
    """Rows (images so far, accuracy, spikes per image, neurons with a name), one for each part of the run but the first.

    The neurons are named by their spikes in the part before, and the images of the part classified by the spikes they caused
    while they were learned. spikes : [n, neurons]; labels : [n], of the images as shown

    >>> spikes = np.tile([[3, 0], [0, 2]], (100, 1))
    >>> learning_curve(spikes, np.tile([4, 7], 100))[-1]
    (200, 1.0, 2.5, 2)
    """
    edges = np.linspace(0, len(labels), min(CURVE, len(labels)) + 1).astype(np.int64)
    rows = []
    for before, start, end in zip(edges, edges[1:], edges[2:]):
        digits = names(mean_responses(spikes[before:start], labels[before:start]))
        right = classify(spikes[start:end], digits) == labels[start:end]
        rows.append((int(end), float(right.mean()), float(spikes[start:end].sum() / (end - start)), int((digits >= 0).sum())))
    return rows


def confusion_of(labels, found, classes=10):
    """Counts [classes, classes + 1] of images by class and by the class found, the last column for none (-1).

    >>> confusion_of(np.array([0, 1, 1]), np.array([0, 1, -1]), 2).tolist()
    [[1, 0, 0], [0, 1, 1]]
    """
    columns = np.where(found < 0, classes, found)
    return np.bincount(labels * (classes + 1) + columns, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def _checkpoint(s, out):
    """Where learning with these settings is kept."""
    learned = {key: value for key, value in s.items() if key not in AFTER}
    return out / f"learning-{hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()[:12]}.h5"


def run(settings, out, progress=False):
    """Learn, name the neurons, test; write weights.npz, learning.csv and three figures to `out`; return the summary.

    After Ctrl-C, or worse, the same command goes on from the last checkpoint in `out`; it is removed at the end.
    """
    from ..energy import energy
    from ..io import atomic_path
    from ..report.digits import plot_confusion, plot_features, plot_learning

    s = settings
    data, path = split(s), _checkpoint(s, out)
    images, labels = data["learn"]
    started, worked = perf_counter(), process_time()
    try:
        simulation, shown = learn(s, images, path, progress)
    except KeyboardInterrupt:
        kept = f"learning is kept in {path.name}, and" if path.exists() else "there is no checkpoint yet;"
        print(f"interrupted: {kept} the same command goes on from there", file=sys.stderr)
        raise
    learned, seconds, cpu = simulation.result().counts, perf_counter() - started, process_time() - worked
    weights, thresholds = weights_now(simulation, s), simulation.state("exc")["threshold"]
    period = s["shown"] + s["rest"]
    curve = learning_curve(shown, labels[np.arange(s["images"]) % len(labels)])

    means = mean_responses(respond(s, weights, thresholds, data["label"][0], LABEL, progress)[0], data["label"][1])
    digits = names(means)
    tested = perf_counter(), process_time()
    spikes, counts = respond(s, weights, thresholds, data["test"][0], TEST, progress)
    tested = perf_counter() - tested[0], process_time() - tested[1]
    confusion = confusion_of(data["test"][1], classify(spikes, digits))
    n = len(spikes)

    with atomic_path(out / "weights.npz") as file:
        np.savez(file, weights=weights, thresholds=thresholds, digits=digits, responses=means, confusion=confusion)
    with atomic_path(out / "learning.csv") as file, open(file, "w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([COLUMNS, *curve])
    accuracy = float(np.trace(confusion) / n)
    plot_features(weights, digits, out / "weights.png")
    plot_learning(curve, thresholds, s["v_threshold"], out / "learning.png")
    title = f"{s['neurons']} neurons, {100.0 * accuracy:.2f} % of {n:,} images"
    plot_confusion(confusion, digits, out / "confusion.png", title)
    for file in (path, path.with_suffix(".npy")):
        file.unlink()
    charged = energy(counts, period * n, s["energy_profile"])
    return {
        "neurons": s["neurons"], "images": s["images"], "label_images": len(data["label"][1]), "n_test": n,
        "tested_on": "held-out training images" if s["held_out"] else "test images",
        "accuracy": accuracy, "standard_error": float(np.sqrt(accuracy * (1.0 - accuracy) / n)),
        "undecided": int(confusion[:, -1].sum()),
        "accuracy_by_digit": np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1),
        "neurons_by_digit": np.bincount(digits[digits >= 0], minlength=10), "neurons_silent": int((digits < 0).sum()),
        "spikes_per_image": float(spikes.sum() / n), "input_spikes_per_image": counts.spikes["in"] / n,
        "synaptic_events_per_image": counts.synaptic_events.total / n,
        "spikes_per_image_learning": float(shown.sum() / s["images"]),
        "synaptic_events_per_image_learning": learned.synaptic_events.total / s["images"],
        "threshold_mean": float(thresholds.mean()), "accuracy_last_learned": curve[-1][1] if curve else None,
        "energy_j_per_image": charged.total / n, "energy_profile": charged.profile.name,
        "energy_j_per_image_events": charged.dynamic / n,
        "learn_s": seconds, "learn_cpu_s": cpu, "test_s": tested[0], "test_cpu_s": tested[1],
        "ns_per_synaptic_event_test": 1e9 * tested[1] / max(counts.synaptic_events.total, 1),
    }
