"""Figures of local learning: curves of every layer, and what a network's activity costs and brings."""

import numpy as np

from .plots import COLOURS, MUTED, _figure, _save, _style


def plot_curves(curves, path=None):
    """Loss, accuracy on held-out samples and activity of every layer against the epoch; one thin line per seed, and the mean.

    curves : list of the `curve` of `TrainingResult`; without validation data only the loss is drawn
    Returns the `Figure`, written to `path` if given.

    >>> plot_curves([result.curve], "curves.png")     # doctest: +SKIP
    """
    shown = [("loss", "loss of a layer", 1.0), ("accuracy", "validation accuracy, %", 100.0),
             ("activity", "spikes per step and neuron", 1.0)]
    shown = [entry for entry in shown if all(np.isfinite(curve[entry[0]]).all() for curve in curves)]
    with _style():
        figure, axes = _figure((3.6 * len(shown) + 0.6, 3.3), ncols=len(shown), squeeze=False)
        for axis, (name, label, scale) in zip(axes[0], shown):
            values = np.array([scale * curve[name] for curve in curves])
            epochs = np.arange(1, values.shape[1] + 1)
            for layer in range(values.shape[2]):
                colour = COLOURS[layer % len(COLOURS)]
                for own in values[:, :, layer] if len(values) > 1 else ():
                    axis.plot(epochs, own, color=colour, linewidth=0.6, alpha=0.5)
                axis.plot(epochs, values[:, :, layer].mean(axis=0), color=colour, label=f"layer {layer + 1}",
                          marker="o" if len(epochs) < 3 else None)
            axis.set_xlabel("epoch")
            axis.set_ylabel(label)
        axes[0][0].legend(loc="best")
    return _save(figure, path)


def plot_price(rows, path=None):
    """Accuracy against activity, and time per sample of the event engine and of the clocked loop against activity.

    rows : dicts with "activity" (spikes per step and neuron), "accuracy" (of the last layer, a fraction), "event_ms",
    "clocked_ms" (times per sample)
    Returns the `Figure`, written to `path` if given.

    >>> plot_price(rows, "price.png")     # doctest: +SKIP
    """
    rows = sorted(rows, key=lambda row: row["activity"])
    x = [1e3 * row["activity"] for row in rows]
    with _style():
        figure, (left, right) = _figure((8.4, 3.4), ncols=2)
        left.plot(x, [100.0 * row["accuracy"] for row in rows], "o-", color=COLOURS[0])
        left.set_ylabel("test accuracy, last layer, %")
        right.plot(x, [row["event_ms"] for row in rows], "o-", color=COLOURS[0], label="event engine, grid time")
        right.plot(x, [row["clocked_ms"] for row in rows], "s-", color=COLOURS[1], label="clocked loop, one sample at a time")
        right.set_ylabel("ms per sample")
        right.set_yscale("log")
        right.legend(loc="best")
        for axis in (left, right):
            axis.set_xscale("log")
            axis.set_xlabel("spikes per second and neuron")
            axis.tick_params(colors=MUTED)
    return _save(figure, path)
