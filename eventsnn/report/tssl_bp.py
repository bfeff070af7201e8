"""Learning curves of TSSL-BP."""

import numpy as np

from .plots import COLOURS, _figure, _save, _style

LONG = 30  # from so many epochs on, points are not marked


def plot_curves(curves, path=None, published=None):
    """Loss, accuracy and spikes per neuron and step of every layer against the epoch; one line per seed.

    curves : list of the `curve` of `TrainingResult`. Lines of training data are dashed, those of validation data, where there
    are any, drawn through. published : an accuracy (0 to 1) to draw a level at.
    Returns the `Figure`, written to `path` if given.

    >>> plot_curves([result.curve], "curves.png")     # doctest: +SKIP
    """
    curves = [{name: np.asarray(values, np.float64) for name, values in curve.items()} for curve in curves]
    validated = all(np.isfinite(curve["validation_loss"]).all() for curve in curves)
    labelled = all(np.isfinite(curve["train_accuracy"]).all() for curve in curves)
    panels = ["loss"] + ["accuracy"] * labelled + ["activity"] * validated
    with _style():
        figure, axes = _figure((3.5 * len(panels) + 0.4, 3.1), ncols=len(panels), squeeze=False)
        for axis, panel in zip(axes[0], panels):
            for seed, curve in enumerate(curves):
                for values, label, line in _lines(panel, curve, validated):
                    marker = "o" if len(values) <= LONG else None
                    axis.plot(np.arange(1, len(values) + 1), values, marker=marker, markersize=3,
                              label=label if seed == 0 else None, **line)
            axis.set_xlabel("epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(axis="y")
        axes[0][0].set_title("Loss per sample")
        axes[0][0].set_yscale("log")
        if labelled:
            axes[0][1].set_title("Accuracy, %")
            if published is not None:
                axes[0][1].axhline(100.0 * published, color="0.5", linewidth=1, linestyle=":", label="published")
        if validated:
            axes[0][-1].set_title("Spikes per neuron and step")
            axes[0][-1].set_ylim(bottom=0.0)
        for axis in axes[0]:
            axis.legend(loc="best", fontsize=8)
    return _save(figure, path)


def _lines(panel, curve, validated):
    """(values, label, style) of every line of a panel."""
    dashed = {"color": COLOURS[0], "linestyle": "--", "linewidth": 1.2}
    whole = {"color": COLOURS[2], "linewidth": 1.4}
    if panel == "activity":
        layers = curve["activity"].T
        return [(layer, f"layer {k + 1}", {"color": COLOURS[k % len(COLOURS)]}) for k, layer in enumerate(layers)]
    scale, trained, held = {"loss": (1.0, "loss", "validation_loss"), "accuracy": (100.0, "train_accuracy", "accuracy")}[panel]
    found = [(scale * curve[trained], "training", dashed)]
    return found + [(scale * curve[held], "validation", whole)] if validated else found
