"""A trained ReLU network as adapting spiking neurons, weights unchanged: accuracy, spikes and latency on its test set.

Time to classification is the first millisecond at which the accuracy on the set is within 1 % or 0.1 % of the ANN's.
"""

import csv

from .asnn_curves import classification, images_of, show, steps
from .config import Setting, cores

SETTINGS = {
    "model": Setting(str, "a shipped plain network or an HDF5 file of one"),
    "m_f": Setting(float, "precision: strength of adaptation, and resting threshold", above=0.0),
    "until": Setting(float, "s per image", above=0.0),
    "step": Setting(float, "s between two readings of the logits", above=0.0),
    "images": Setting(int, "test images; 0 means all", least=0),
    "report_images": Setting(int, "images for the report on the layers", least=1),
}
COLUMNS = ("time_s", "accuracy", "spikes_per_image", "logits_rms")


def run(settings, out, progress=False):
    """Show the test set; write asnn_mnist.csv and accuracy.png to `out`; return the summary."""
    from ..conversion.entry import convert
    from ..energy import energy
    from ..errors import ParameterError
    from ..io import atomic_path
    from ..report.asnn import plot_accuracy

    s = settings
    times = steps(s["until"], s["step"])
    if not times.size:
        raise ParameterError(f"until of the experiment is {s['until']!r} s; it must be at least step = {s['step']!r} s")
    layers, shape, images, labels, logits = images_of(s["model"], s["images"])
    model, jobs = convert(layers, to="asnn", input_shape=shape, m_f=s["m_f"]), s["threads"] or cores()
    shown = show(model, images, labels, logits, times, jobs, progress)
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    few = model.run(images[:s["report_images"]], float(times[-1]), jobs=jobs)
    joules = energy(few.counts, float(times[-1]) * len(few.logits), s["energy_profile"]).total / len(few.logits)
    reports = model.report(images[:s["report_images"]])
    with atomic_path(out / "asnn_mnist.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *zip(times, shown.accuracy, shown.spikes, shown.rms)])
    plot_accuracy(shown, accuracy, reports, out / "accuracy.png", title=f"{s['model']}, m_f = {s['m_f']:g}")
    return {
        "model": s["model"], "m_f": s["m_f"], "n_test": len(labels), "until_s": float(times[-1]), "accuracy_ann": accuracy,
        "accuracy": float(shown.accuracy[-1]), "same_prediction": shown.same, **classification(shown, accuracy),
        "spikes_per_sample": float(shown.spikes[-1]), "synaptic_events_per_sample": shown.events,
        "logits_rms": float(shown.rms[-1]),
        "energy_j_per_sample": joules, "energy_profile": s["energy_profile"],
        "layers": {r.layer: {"neurons": r.neurons, "slope": r.slope, "rms": r.rms, "rate_hz": r.rate} for r in reports},
    }
