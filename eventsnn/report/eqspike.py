"""Figures of EqSpike: accuracy over the epochs, and the weight change of a pair of spikes against its timing."""

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style


def plot_training(curves, path=None, labels=None, title="Validation accuracy"):
    """Accuracy over the epochs; `curves` is a list of arrays of fractions, one per network, `labels` their names.

    Returns the `Figure`, written to `path` if given.

    >>> plot_training([[0.91, 0.94]], "training.png")     # doctest: +SKIP
    """
    with _style():
        figure, axis = _figure((4.6, 3.2))
        for k, curve in enumerate(curves):
            values = 100.0 * np.asarray(curve, float)
            name = f"{'network' if labels is None else labels[k]}: {values[-1]:.2f} % at the end"
            axis.plot(np.arange(1, values.size + 1), values, "o-", color=COLOURS[k % len(COLOURS)], linewidth=1.4, markersize=3,
                      label=name)
        axis.set_xlabel("epoch")
        axis.set_ylabel("accuracy (%)")
        axis.set_title(title)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(axis="y")
        axis.legend(loc="lower right")
        return _save(figure, path)


def plot_pair_window(windows, path=None):
    """Weight change of one pair of spikes against its timing; measured: points, closed form: lines.

    windows : {name: (time of the target's spike after the source's [n] s, measured [n], closed form [n])}
    Returns the `Figure`, written to `path` if given.

    >>> plot_pair_window({"hidden - output": (lag, change, closed)}, "window.png")     # doctest: +SKIP
    """
    with _style():
        figure, axes = _figure((4.2 * len(windows), 3.2), ncols=len(windows))
        for axis, (name, (lag, change, closed)), colour in zip(np.atleast_1d(axes), windows.items(), COLOURS):
            for side in (lag < 0.0, lag >= 0.0):
                axis.plot(1e3 * lag[side], closed[side], color=INK, linewidth=1.0)
            axis.plot(1e3 * lag, change, "o", color=colour, markersize=3.0)
            axis.axhline(0.0, color=MUTED, linewidth=0.8)
            axis.axvline(0.0, color=MUTED, linewidth=0.8)
            axis.set_xlabel("spike of the target after that of the source (ms)")
            axis.set_ylabel("weight change / (rate · charge²) (s⁻²)")
            axis.set_title(name)
        return _save(figure, path)
