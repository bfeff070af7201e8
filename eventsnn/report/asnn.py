"""Figures of converted networks: accuracy over time and over spikes, and how layers decode."""

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style

BLUE, WARM = ("#8db4d6", "#4d84b5", "#1d466e", "#10283f"), ("#8a3d16", "#c8693a", "#e0a27f", "#b0903a", "#a8505f")
DASHES = ((), (4, 2), (1, 1.5), (4, 1, 1, 1))
LOWEST = 90.0  # %, of the axes of accuracy


def _accuracy_axis(axis, accuracy, lowest):
    axis.axhline(100.0 * accuracy, color=INK, linewidth=0.9, linestyle="--", label=f"ANN, {100.0 * accuracy:.2f} %")
    axis.axhspan(100.0 * accuracy - 1.0, 100.0 * accuracy, color=MUTED, alpha=0.12, linewidth=0)
    axis.set_ylim(lowest, 100.0)
    axis.set_ylabel("test accuracy, %")
    axis.grid(axis="y")


def plot_accuracy(shown, accuracy, reports, path=None, title=""):
    """Accuracy (fraction) and spikes over time, and how far the decoded activations of every layer are from the ANN's.

    shown : with `times` [T] s, `accuracy` [T], `spikes` [T]; accuracy : the ANN's; reports : `LayerReport`s
    Returns the `Figure`, written to `path` if given.

    >>> plot_accuracy(shown, 0.98, model.report(images), "accuracy.png")     # doctest: +SKIP
    """
    times = 1e3 * shown.times
    with _style():
        figure, (left, middle, right) = _figure((9.6, 3.0), ncols=3, width_ratios=[1.4, 1.2, 1.0])
        left.plot(times, 100.0 * shown.accuracy, "-", color=COLOURS[0], label="spiking")
        _accuracy_axis(left, accuracy, min(LOWEST, 100.0 * accuracy - 5.0))
        left.set_title("Accuracy; grey: within 1 % of the ANN")
        left.legend(loc="lower right")
        middle.plot(times, shown.spikes, color=COLOURS[1])
        middle.set_ylim(bottom=0.0)
        middle.set_title("Spikes per image up to then")
        middle.grid(axis="y")
        for axis in (left, middle):
            axis.set_xlim(0.0, times[-1])
            axis.set_xlabel("time (ms)")
        rows = np.arange(len(reports))
        right.barh(rows, [100.0 * (r.slope - 1.0) for r in reports], height=0.36, color=COLOURS[0], label="slope less 1")
        right.barh(rows + 0.36, [100.0 * r.rms for r in reports], height=0.36, color=COLOURS[2], label="rms of difference")
        right.axvline(0.0, color=INK, linewidth=0.8)
        right.set_yticks(rows + 0.18, [r.layer for r in reports])
        right.tick_params(axis="y", length=0)
        right.invert_yaxis()
        right.set_xlabel("% of the ANN's activations")
        right.set_title("Decoded activations")
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2, handlelength=1.0)
        if title:
            figure.text(0.005, 0.005, title, color=MUTED, fontsize=8)
        return _save(figure, path)


def plot_sparsity(shown, precise, asnn, published, accuracy, rates, path=None, title=""):
    """Accuracy against time, and against spikes; precision of the logits against spikes: adapting neurons and Poisson.

    shown, precise : {network: curves with `times`, `accuracy`, `spikes`, `rms`}; asnn : the adapting ones; published : the
    Poisson one that is drawn at all `rates` (Hz), as is the last; accuracy : the ANN's
    Returns the `Figure`, written to `path` if given.

    >>> plot_sparsity(shown, precise, ["m_f = 0.3"], "as published", 0.98, [1000.0], "sparsity.png")     # doctest: +SKIP
    """
    poisson = [name for name in shown if name not in asnn]
    colour = {name: shades[k % len(shades)] for names, shades in ((asnn, BLUE), (poisson, WARM))
              for k, name in enumerate(names)}
    fastest = poisson[-1]
    with _style():
        figure, (time, spikes, rms) = _figure((10.4, 3.9), ncols=3)
        longest = 1e3 * max(shown[name].times[-1] for name in asnn)
        for name in asnn:
            time.plot(1e3 * shown[name].times, 100.0 * shown[name].accuracy, color=colour[name])
        for k, rate in enumerate(sorted(rates, reverse=True)):
            line = {"dashes": DASHES[k % len(DASHES)], "linewidth": 1.2}
            for name in (published, fastest):
                found = shown[name]
                time.plot(1e6 / rate * found.times, 100.0 * found.accuracy, color=colour[name], **line)
            time.plot([], [], color=MUTED, label=f"Poisson, {rate:g} Hz", **line)
        time.set_xlim(0.0, longest)
        time.set_xlabel("time (ms)")
        time.set_title("Accuracy and time")
        for name, found in shown.items():
            spikes.plot(found.spikes, 100.0 * found.accuracy, color=colour[name],
                        label=name if name in asnn else f"Poisson, {name}")
            rms.plot(precise[name].spikes, precise[name].rms, color=colour[name])
        low = min(LOWEST, 100.0 * accuracy - 5.0)
        handles = time.get_legend_handles_labels()
        for axis in (time, spikes):
            _accuracy_axis(axis, accuracy, low)
        for axis in (spikes, rms):
            axis.set_xscale("log")
            axis.set_xlim(left=50.0)
            axis.set_xlabel("spikes per image up to then")
        spikes.set_title("Accuracy and spikes")
        rms.set_yscale("log")
        rms.set_ylim(top=1.5)
        rms.set_ylabel("rms error of the logits, relative")
        rms.set_title("Precision and spikes")
        rms.grid(axis="y")
        time.legend(*handles, loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")
        figure.legend(*spikes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        if title:
            figure.text(0.995, 0.995, title, ha="right", va="top", color=MUTED, fontsize=8)
        return _save(figure, path)
