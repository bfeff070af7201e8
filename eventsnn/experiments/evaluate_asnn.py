"""Classify a test set with an adapting spiking network made from a shipped ANN, and compare it with that ANN."""

import numpy as np

from ..errors import ParameterError, unknown_name

UNTIL, STEP = 50e-3, 1e-3  # s per sample; s between two readings of the logits
BLOCK = 200  # samples at a time


def samples(data, shape):
    """(inputs [n, *shape], labels) of the test set `data` names, in the ANN's own range."""
    from ..data.mnist import fashion_mnist, mnist
    from ..data.tables import iris, sonar

    sets = {"mnist": mnist, "fashion": fashion_mnist, "iris": iris, "sonar": sonar}
    if data not in sets:
        raise unknown_name("data set", data, sets)
    inputs, labels = sets[data]()["test"]
    scale = 255.0 if inputs.dtype == np.uint8 else 1.0
    return inputs.reshape(-1, *shape) / scale, labels


def settled(curve, times):
    """From when on the prediction is that of the last time: s [n], for a `curve` [n, T, classes] of logits.

    >>> settled(np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]]), np.array([0.1, 0.2, 0.3]))
    array([0.2])
    """
    found = curve.argmax(axis=2)
    other = found != found[:, -1:]
    last = np.where(other.any(axis=1), found.shape[1] - np.argmax(other[:, ::-1], axis=1), 0)
    return times[last]


def evaluate_asnn(name, scheduler="auto", limit=None, jobs=0, profile="loihi", progress=False, until=None, **constants):
    """Show the test set of a plain network (shipped name or file), converted, for `until` s a sample; returns a summary dict.

    `until` and `constants`, those of `es.convert`: what is not given is what the file says, else 50 ms and the usual ones.
    Latency is the time from which the prediction stays what it is at the end. Raises `ParameterError` for a limit below 1,
    and as `load_plain` does.
    """
    from ..ann import evaluate
    from ..conversion.entry import convert
    from ..conversion.files import load_plain
    from ..energy import energy
    from ..progress import over

    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    layers, shape, facts = load_plain(name)
    inputs, labels = (part[:limit] for part in samples(facts["data"], shape))
    until = until or facts.get("until", UNTIL)
    model = convert(layers, to="asnn", input_shape=shape, **(facts.get("convert", {}) | constants))
    times = np.arange(1, round(until / STEP) + 1) * STEP
    right, same, spikes, events, joules, latencies = 0, 0, 0, 0, 0.0, []
    blocks = range(0, len(labels), BLOCK)
    right_ann = 0
    for start in over(blocks, len(blocks), progress):
        x, y = inputs[start:start + BLOCK], labels[start:start + BLOCK]
        run, ann = model.run(x, until, times=times, jobs=jobs, scheduler=scheduler), evaluate(layers, x).argmax(axis=1)
        right, right_ann, same = (total + int(np.sum(a == b)) for total, a, b in (
            (right, run.predictions, y), (right_ann, ann, y), (same, run.predictions, ann)))
        spikes, events = spikes + run.counts.spikes.total, events + run.counts.synaptic_events.total
        joules += energy(run.counts, until * len(x), profile).total
        latencies.append(settled(run.curve, times))
    n, latency = len(labels), np.concatenate(latencies)
    return {
        "model": str(name), "input_shape": list(shape), "n_test": n, "scheduler": scheduler, "m_f": model.m_f, "until_s": until,
        "accuracy": right / n, "accuracy_ann": right_ann / n, "same_prediction": same / n, "spikes_per_sample": spikes / n,
        "synaptic_events_per_sample": events / n, "latency_s_mean": float(latency.mean()),
        "latency_s_p95": float(np.quantile(latency, 0.95)), "energy_j_per_sample": joules / n, "energy_profile": profile,
    }
