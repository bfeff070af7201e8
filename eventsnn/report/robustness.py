"""Figure of the robustness experiment: accuracy against how far the substrate departs from the ideal."""

import numpy as np

from .plots import COLOURS, MUTED, _figure, _save, _style


def plot_robustness(rows, levels, path=None, model=""):
    """One panel per distortion: mean and range of the test accuracy over chips, as loaded and after training there.

    rows : (distortion, level, chip, trained, accuracy) each; levels : {distortion: (label, levels from none to severe)}
    Returns the `Figure`, written to `path` if given.

    >>> plot_robustness(rows, LEVELS, "robustness.png")     # doctest: +SKIP
    """
    with _style():
        figure, axes = _figure((8.4, 5.0), nrows=2, ncols=3, sharey=True)
        for axis, (kind, (label, steps)) in zip(axes.flat, levels.items()):
            for trained, name, colour in ((0, "loaded as it is", COLOURS[1]), (1, "trained on the substrate", COLOURS[0])):
                found = [[100.0 * row[4] for row in rows if row[:2] == (kind, step) and row[3] == trained] for step in steps]
                x = np.arange(len(steps))
                axis.fill_between(x, [min(f) for f in found], [max(f) for f in found], color=colour, alpha=0.15, linewidth=0)
                axis.plot(x, [np.mean(f) for f in found], "o-", color=colour, markersize=3.5, label=name)
            axis.set_xticks(x, [f"{step:g}" for step in steps])
            axis.set_xlabel(label)
            axis.set_title(kind.replace("_", " "))
        for axis in axes[:, 0]:
            axis.set_ylabel("test accuracy, %")
        axes.flat[0].legend(loc="lower left")
        if model:
            figure.text(0.995, 0.995, model, ha="right", va="top", color=MUTED, fontsize=8)
    return _save(figure, path)
