"""What the experiments on converted networks share: accuracy, spikes and precision over time."""

from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError

BLOCK = 200  # images at a time
MARGINS = {"1pct": 0.01, "01pct": 0.001}  # how far below the ANN's accuracy


@dataclass
class Shown:
    """Images as a converted network saw them: at `times` [T] (s) its `accuracy`, and spikes per image up to then, `spikes`.

    rms [T] : of logits less those of the ANN, relative to the rms of these
    same : part of the images with the ANN's prediction at the end; events : synaptic events per image up to the end
    """

    times: np.ndarray
    accuracy: np.ndarray
    spikes: np.ndarray
    rms: np.ndarray
    same: float
    events: float


def show(model, images, labels, logits, times, jobs, progress=False, **options):
    """`Shown` for images [n, ...] with `logits` [n, classes] of the ANN; `options` of `model.run`.

    With a `seed` among them, the model is told which images of the set it sees.
    """
    from ..progress import over

    right, spikes, square = (np.zeros(times.size) for _ in range(3))
    same, events = 0, 0
    blocks = range(0, len(labels), BLOCK)
    for start in over(blocks, len(blocks), progress):
        part = slice(start, start + BLOCK)
        mine = options | ({"first": start} if "seed" in options else {})
        run = model.run(images[part], float(times[-1]), times=times, jobs=jobs, **mine)
        right += (run.curve.argmax(axis=2) == labels[part, None]).sum(axis=0)
        spikes += run.spikes_curve.sum(axis=0)
        square += ((run.curve - logits[part, None]) ** 2).sum(axis=(0, 2))
        same += int((run.predictions == logits[part].argmax(axis=1)).sum())
        events += run.counts.synaptic_events.total
    n = len(labels)
    return Shown(times, right / n, spikes / n, np.sqrt(square / (logits**2).sum()), same / n, events / n)


def first_at_least(values, wanted):
    """Index of the first of `values` that is >= `wanted`, or None.

    >>> first_at_least([0.1, 0.9, 0.8], 0.85), first_at_least([0.1], 0.5)
    (1, None)
    """
    found = np.flatnonzero(np.asarray(values) >= wanted)
    return int(found[0]) if found.size else None


def classification(shown, accuracy_ann):
    """Time (s) and spikes per image to within `MARGINS` of the ANN's accuracy: t_1pct_s, spikes_1pct, ...; None: not reached.

    The time is the first of `shown.times` at which the accuracy of the set is that high.
    """
    found = {}
    for name, margin in MARGINS.items():
        k = first_at_least(shown.accuracy, accuracy_ann - margin - 1e-12)
        found[f"t_{name}_s"] = None if k is None else float(shown.times[k])
        found[f"spikes_{name}"] = None if k is None else float(shown.spikes[k])
    return found


def steps(until, step):
    """Times step, 2 step, ... up to `until` (s)."""
    return np.arange(1, round(until / step) + 1) * step


def images_of(name, limit):
    """(layers, shape, inputs, labels, logits of the ANN) of a plain network; the first `limit` test samples, 0: all."""
    from ..ann import Softmax, evaluate
    from ..conversion.files import load_plain
    from .evaluate_asnn import samples

    layers, shape, facts = load_plain(name)
    inputs, labels = (part[:limit or None] for part in samples(facts["data"], shape))
    plain = [layer for layer in layers if not isinstance(layer, Softmax)]
    return layers, shape, inputs, labels, np.concatenate([evaluate(plain, inputs[k:k + BLOCK])
                                                          for k in range(0, len(inputs), BLOCK)])


def numbers(text, name, above=0.0):
    """The numbers of a setting such as "0.1, 0.3". Raises `ParameterError` where there is none, or one not > `above`.

    >>> numbers("0.1, 0.3", "m_f")
    [0.1, 0.3]
    """
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(np.isfinite(v) and v > above for v in found):
        raise ParameterError(f"{name} of the experiment is {text!r}; it must be numbers > {above:g}, separated by commas")
    return found
