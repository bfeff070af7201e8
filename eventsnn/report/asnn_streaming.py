"""Figure of the streaming experiment: accuracy within an image, and the work against that of an ANN."""

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style


def plot_streaming(speeds, curves, found, ann, path=None, model=""):
    """Accuracy against time since the onset of an image, and synaptic events per multiply-accumulate of the ANN.

    speeds : (tau_eta, s per image) each; curves : (times [T] s, share right [T]) of each; found : dict of each with the ratios
    events_per_mac_one_ann_per_image and events_per_mac_one_ann_per_ms; ann : accuracy of the ANN
    Returns the `Figure`, written to `path` if given.

    >>> plot_streaming(SPEEDS, curves, found, 0.98, "streaming.png")     # doctest: +SKIP
    """
    with _style():
        figure, (left, right) = _figure((8.4, 3.4), ncols=2, width_ratios=[1.7, 1.0])
        left.axhline(100.0 * ann, color=MUTED, linewidth=0.9, linestyle="--")
        left.annotate("ANN", (1.0, 100.0 * ann), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
                      ha="right", color=MUTED, fontsize=8.5)
        names = [f"{1e3 * tau:g} ms, {1e3 * period:g} ms per image" for tau, period in speeds]
        for name, (times, curve), colour in zip(names, curves, COLOURS):
            left.plot(1e3 * times, 100.0 * curve, color=colour, linewidth=1.6, label=name)
        left.set_xlabel("time since the onset of an image, ms")
        left.set_ylabel("test accuracy, %")
        left.set_ylim(0.0, 104.0)
        left.set_xlim(0.0, None)
        left.set_title("after the image before, without a reset")
        left.legend(loc="lower right", title="$\\tau_\\eta$, presentation", title_fontsize=8.5)
        x, width = np.arange(len(speeds)), 0.38
        for shift, key, label, hatch in ((-0.5, "events_per_mac_one_ann_per_image", "an ANN once per image", None),
                                         (0.5, "events_per_mac_one_ann_per_ms", "an ANN every 1 ms", "////")):
            values = [row[key] for row in found]
            right.bar(x + shift * width, values, width, color=COLOURS[:len(speeds)] if hatch is None else "white",
                      edgecolor=COLOURS[:len(speeds)], hatch=hatch)
            for place, value in zip(x + shift * width, values):
                right.annotate(f"{value:.2g}", (place - width / 2, value), xytext=(1, 2), textcoords="offset points",
                               fontsize=7.5, color=INK)
            right.bar([0], [0], color="white" if hatch else MUTED, edgecolor=MUTED, hatch=hatch, label=label)
        right.axhline(1.0, color=MUTED, linewidth=0.9, linestyle="--")
        right.set_yscale("log")
        right.set_ylim(1e-3, 100.0)
        right.set_xticks(x, [f"{1e3 * tau:g} ms" for tau, _ in speeds])
        right.set_ylabel("synaptic events per MAC")
        right.set_title("work against")
        right.legend(loc="upper left")
        if model:
            figure.text(0.995, 0.995, model, ha="right", va="top", color=MUTED, fontsize=8)
    return _save(figure, path)
