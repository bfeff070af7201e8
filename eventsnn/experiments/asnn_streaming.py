"""Digits one after the other, without a reset, through an adapting spiking network: accuracy over time, work against the ANN.

Three speeds, that is, time constants and milliseconds per image. Then the middle one again with decisions by margin, and with a
coarse network whose uncertain images a fine one looks at (arousal). Zambrano and Bohte, arXiv 1609.02053 and 1710.04838.
"""

import csv

import numpy as np

from .config import Setting

SETTINGS = {
    "model": Setting(str, "a plain network for images, shipped or an HDF5 file"),
    "images": Setting(int, "images of the test set", least=2),
    "m_f": Setting(float, "precision: threshold at rest and strength of adaptation", above=0.0),
    "margin": Setting(float, "lead of the largest logit at which the stream decides early", above=0.0),
    "coarse": Setting(float, "m_f of the network that asks for help", above=0.0),
    "fine": Setting(float, "m_f of the network that helps", above=0.0),
}
SPEEDS = ((50e-3, 0.3), (20e-3, 0.15), (10e-3, 0.1))  # tau_eta = tau_beta, s per image; tau_gamma and tau_phi follow
GAMMA, PHI = 0.3, 0.1  # of tau_eta
STEP = 1e-3  # s between two readings, and per frame of an ANN that runs all the time
MIDDLE = 1  # the speed at which decisions and arousal are tried
BELOW = 0.01  # the network is as good as the ANN once it is within this
COLUMNS = ("tau_eta_ms", "ms_per_image", "ms", "accuracy")


def constants(tau):
    """The time constants of `es.convert` for tau_eta = `tau`.

    >>> constants(0.02)["tau_phi"]
    0.002
    """
    return {"tau_eta": tau, "tau_beta": tau, "tau_gamma": GAMMA * tau, "tau_phi": PHI * tau}


def multiplications(stages):
    """Multiply-accumulates of one evaluation of an ANN, from its `Stage`s."""
    return sum(int(np.prod(s.shape)) * int(np.prod(b.affine.weight.shape[1:])) for s in stages for b in s.branches if b.affine)


def first_within(curve, target):
    """From which reading on the accuracy stays at `target` or above, as an index into `curve`; None if it is not at the end.

    >>> first_within(np.array([0.1, 0.9, 0.5, 0.9, 0.95]), 0.9)
    3
    """
    below = np.flatnonzero(curve < target)
    if below.size and below[-1] == curve.size - 1:
        return None
    return int(below[-1]) + 1 if below.size else 0


def show(model, images, labels, period, progress, **options):
    """Stream all images; returns (summary, share that is right at every reading [n], of all images but the first)."""
    import eventsnn as es

    from ..progress import over

    n = round(period / STEP)
    right = np.zeros(n)

    def note(item, moment, logits):
        if item.number:
            right[round(moment / STEP) - 1] += logits.argmax() == item.label

    stream = es.Stream(model, es.FrameSource(images, period, labels), every=STEP, observer=None if options else note, **options)
    for _ in over(stream, len(images), progress):
        pass
    return stream.summary(), right / (len(images) - 1)


def run(settings, out, progress=False):
    """Stream at every speed; write streaming.csv and streaming.png to `out`; return the summary."""
    from ..ann import evaluate
    from ..conversion.entry import convert
    from ..conversion.files import load_plain
    from ..errors import ParameterError
    from ..io import atomic_path
    from ..report.asnn_streaming import plot_streaming
    from ..stream.decide import Arousal
    from .evaluate_asnn import samples

    s = settings
    if not s["fine"] < s["coarse"]:
        raise ParameterError(f"fine of experiment 'asnn-streaming' is {s['fine']!r}; it must be below coarse = {s['coarse']!r}")
    layers, shape, facts = load_plain(s["model"])
    images, labels = (part[:s["images"]] for part in samples(facts["data"], shape))
    n, ann = len(labels), evaluate(layers, images).argmax(axis=1)
    ann_accuracy = float(np.mean(ann[1:] == labels[1:]))
    found, curves, rows = [], [], []
    for tau, period in SPEEDS:
        model = convert(layers, to="asnn", input_shape=shape, m_f=s["m_f"], **constants(tau))
        summary, curve = show(model, images, labels, period, progress)
        times = np.arange(1, curve.size + 1) * STEP
        within = first_within(curve, ann_accuracy - BELOW)
        events, macs = summary["synaptic_events_per_item"], multiplications(model.stages)
        found.append({
            "tau_eta_s": tau, "s_per_image": period, "accuracy": float(curve[-1]),
            "accuracy_below_ann": ann_accuracy - float(curve[-1]),
            "s_to_ann_less_1_percent": None if within is None else times[within],
            "accuracy_at_20_50_100_ms": [float(curve[k - 1]) for k in (20, 50, 100)],
            "spikes_per_image": summary["spikes_per_item"],
            "synaptic_events_per_image": events, "events_per_mac_one_ann_per_image": events / macs,
            "events_per_mac_one_ann_per_ms": events / macs * STEP / period,
        })
        curves.append((times, curve))
        rows += [(1e3 * tau, 1e3 * period, 1e3 * t, a) for t, a in zip(times, curve)]
    tau, period = SPEEDS[MIDDLE]
    arousal = Arousal(s["fine"], (2.5 * tau + period) / 2, s["margin"])
    tried = {"margin": (s["m_f"], None), "coarse": (s["coarse"], None), "arousal": (s["coarse"], arousal),
             "fine": (s["fine"], None)}
    decided = {}
    for name, (m_f, helped) in tried.items():
        model = convert(layers, to="asnn", input_shape=shape, m_f=m_f, **constants(tau))
        summary, _ = show(model, images, labels, period, progress, margin=s["margin"], arousal=helped)
        decided[name] = {"m_f": m_f, **{key: summary[key] for key in (
            "accuracy", "confident_share", "latency_s_mean", "aroused_share", "spikes_per_item", "synaptic_events_per_item",
            "synaptic_events_per_s", "real_time_factor")}}
    with atomic_path(out / "streaming.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    plot_streaming(SPEEDS, curves, found, ann_accuracy, out / "streaming.png", model=str(s["model"]))
    return {"model": s["model"], "images": n, "m_f": s["m_f"], "macs_of_ann": multiplications(model.stages),
            "accuracy_ann": ann_accuracy, "speeds": found, "margin": s["margin"], "decisions": decided,
            "aroused_spikes_of_always_fine": decided["arousal"]["spikes_per_item"] / decided["fine"]["spikes_per_item"]}
