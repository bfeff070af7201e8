"""Adapting spiking neurons beside the Poisson rate-coded conversion of the same network: spikes and time at equal accuracy.

The Poisson side is tried as published (reset by subtraction, percentile 99.9) and in forms that are quicker. It is run
once, at 1000 Hz: another maximal rate stretches time and changes nothing else.
"""

import csv

import numpy as np

from .asnn_curves import MARGINS, classification, first_at_least, images_of, show, steps
from .config import Setting, cores

SETTINGS = {
    "model": Setting(str, "a shipped plain network or an HDF5 file of one"),
    "m_f": Setting(str, "precisions of the adapting neurons, separated by commas"),
    "rates": Setting(str, "maximal rates of the Poisson inputs, Hz, separated by commas"),
    "images": Setting(int, "test images; 0 means all", least=0),
    "until": Setting(float, "s per image, adapting neurons", least=1e-3),
    "until_poisson": Setting(float, "s per image, Poisson at 1000 Hz", least=1e-3),
    "images_precise": Setting(int, "images on which the precision of the logits is compared", least=1),
    "until_precise": Setting(float, "s per image for that", least=1e-3),
}
STEP, RATE = 1e-3, 1000.0  # s between two readings; Hz
CALIBRATION = 1000  # images, the first of the training set
EVENTS = 500  # images on which synaptic events to classification are counted
PUBLISHED = "as published"
VARIANTS = {
    PUBLISHED: {},
    "reset to zero": {"reset": "zero"},
    "start at 1/2": {"v_init": 0.5},
    "start at 1/2, percentile 99": {"v_init": 0.5, "percentile": 99.0},
}
COLUMNS = ("network", "time_s", "accuracy", "spikes_per_image")


def calibration(data, shape):
    """The first training images of the data set `data`, [n, *shape], as the ANN sees them."""
    from ..data.mnist import fashion_mnist, mnist
    from ..errors import ParameterError

    sets = {"mnist": mnist, "fashion": fashion_mnist}
    if data not in sets:
        raise ParameterError(f"model of the experiment is for {data!r}; it must be for one of {', '.join(sets)}")
    return sets[data]()["train"][0][:CALIBRATION].reshape(-1, *shape) / 255.0


def best_of(rows, names, margin):
    """The one of `names` whose row has the fewest spikes at `margin`, or None where none gets there."""
    reached = {name: rows[name][f"spikes_{margin}"] for name in names if rows[name][f"spikes_{margin}"] is not None}
    return min(reached, key=reached.get) if reached else None


def compare(rows, asnn, rates, margin):
    """Every Poisson network over the best adapting one of `asnn` at `margin`: ratios of spikes, events and, per rate, time."""
    best = best_of(rows, asnn, margin)
    poisson = [name for name in rows if name not in asnn]
    found = {"asnn": best, "best_poisson": best_of(rows, poisson, margin)}
    for name in poisson:
        ours, theirs = rows.get(best), rows[name]
        if ours is not None and theirs[f"spikes_{margin}"] is not None:
            time = theirs[f"t_{margin}_s"] / ours[f"t_{margin}_s"]
            found[name] = {"spikes": theirs[f"spikes_{margin}"] / ours[f"spikes_{margin}"],
                           "synaptic_events": theirs[f"events_{margin}"] / ours[f"events_{margin}"],
                           "time": {f"{rate:g}": time * RATE / rate for rate in rates}}
    return found


def run(settings, out, progress=False):
    """Show the test set to all networks; write sparsity.csv and sparsity.png to `out`; return the summary."""
    from ..conversion.entry import convert
    from ..conversion.files import load_plain
    from ..conversion.poisson import PoissonModel
    from ..io import atomic_path
    from ..report.asnn import plot_sparsity
    from .asnn_curves import numbers

    s = settings
    values, rates = numbers(s["m_f"], "m_f"), numbers(s["rates"], "rates")
    _, shape, facts = load_plain(s["model"])
    training, jobs = calibration(facts["data"], shape), s["threads"] or cores()
    layers, _, images, labels, logits = images_of(s["model"], s["images"])
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    models = {f"m_f = {m_f:g}": convert(layers, input_shape=shape, m_f=m_f) for m_f in values}
    asnn = list(models)
    models |= {name: convert(layers, to="poisson", input_shape=shape, calibration=training, rate=RATE, **change)
               for name, change in VARIANTS.items()}
    shown, rows, precise = {}, {}, {}

    def show_to(model, until, part):
        options = {"seed": s["seed"]} if isinstance(model, PoissonModel) else {}
        return show(model, images[part], labels[part], logits[part], steps(until, STEP), jobs, progress, **options)

    few = slice(0, s["images_precise"])
    for name, model in models.items():
        shown[name] = show_to(model, s["until" if name in asnn else "until_poisson"], slice(None))
        rows[name] = classification(shown[name], accuracy)
        for margin in MARGINS:
            until = rows[name][f"t_{margin}_s"]
            rows[name][f"events_{margin}"] = None if until is None else show_to(model, until, slice(0, EVENTS)).events
        precise[name] = show_to(model, s["until_precise"], few)
    with atomic_path(out / "sparsity.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *((name, *row) for name, found in shown.items()
                                               for row in zip(found.times, found.accuracy, found.spikes))])
    plot_sparsity(shown, precise, asnn, PUBLISHED, accuracy, rates, out / "sparsity.png", title=s["model"])
    return {
        "model": s["model"], "n_test": len(labels), "accuracy_ann": accuracy, "rates_hz": rates,
        "networks": {name: {**row, "accuracy": float(shown[name].accuracy[-1]), "until_s": float(shown[name].times[-1]),
                            "spikes_per_sample": float(shown[name].spikes[-1])} for name, row in rows.items()},
        "ratios": {margin: compare(rows, asnn, rates, margin) for margin in MARGINS},
        "n_precise": len(labels[few]), "precision": at_equal_precision(precise, asnn, s["until"]),
    }


def at_equal_precision(precise, asnn, at):
    """Per adapting network its rms of logits and spikes at `at` (s), and the spikes until each Poisson one is that precise."""
    found = {}
    for name in asnn:
        mine = precise[name]
        k = min(int(np.searchsorted(mine.times, at * (1.0 - 1e-9))), mine.times.size - 1)
        found[name] = {"time_s": float(mine.times[k]), "logits_rms": float(mine.rms[k]), "spikes": float(mine.spikes[k])}
        for other, theirs in precise.items():
            if other not in asnn:
                j = first_at_least(-theirs.rms, -mine.rms[k])
                found[name][other] = {"least_rms": float(theirs.rms.min())} if j is None else {
                    "time_s_at_1000_hz": float(theirs.times[j]), "spikes": float(theirs.spikes[j]),
                    "times_the_spikes": float(theirs.spikes[j] / mine.spikes[k])}
    return found
