"""Figures of the experiment on digits: what the neurons have learned, how learning went, what is taken for what."""

import math

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style

GAP = 2  # pixels between two features


def plot_features(weights, digits, path=None):
    """The weights of every neuron as a picture, sorted by the digit it is named, which stands in its corner.

    weights : [pixels, neurons] of square pictures, >= 0; digits : [neurons], -1 for none
    Returns the `Figure`, written to `path` if given.

    >>> plot_features(weights, digits, "weights.png")     # doctest: +SKIP
    """
    pixels, n = weights.shape
    side, columns = math.isqrt(pixels), math.ceil(math.sqrt(n))
    rows, cell = -(-n // columns), side + GAP
    sheet = np.full((rows * cell - GAP, columns * cell - GAP), np.nan)
    order = np.lexsort((np.arange(n), np.where(digits < 0, digits.max(initial=0) + 1, digits)))
    with _style():
        width = min(1.8 + 0.5 * columns, 9.0)
        figure, axis = _figure((width, 0.3 + 0.86 * width * rows / columns))
        for k, neuron in enumerate(order):
            top, left = k // columns * cell, k % columns * cell
            sheet[top:top + side, left:left + side] = weights[:, neuron].reshape(side, side)
            if columns <= 20:
                name = "-" if digits[neuron] < 0 else str(digits[neuron])
                axis.text(left + 1, top + 1, name, color="white", fontsize=7.0, va="top", ha="left")
        shown = axis.imshow(sheet, cmap="inferno", vmin=0.0, interpolation="nearest")
        figure.colorbar(shown, ax=axis, shrink=0.5, label="weight / largest weight")
        axis.set_axis_off()
        axis.set_title(f"Weights of {n} neurons, sorted by the digit they are named")
        return _save(figure, path)


def plot_learning(curve, thresholds, lowest, path=None):
    """Accuracy and spikes while learning, and the thresholds at the end.

    curve : rows (images so far, accuracy, spikes per image, neurons with a name); thresholds : [neurons], mV; lowest : at first
    Returns the `Figure`, written to `path` if given.

    >>> plot_learning(curve, thresholds, 13.0, "learning.png")     # doctest: +SKIP
    """
    images, accuracy, spikes, _ = np.array(curve, np.float64).reshape(-1, 4).T
    with _style():
        figure, (left, middle, right) = _figure((9.6, 3.0), ncols=3)
        left.plot(images, 100.0 * accuracy, color=COLOURS[0], marker="o", markersize=3)
        left.set_ylabel("accuracy (%)")
        left.set_title("Images as they are learned")
        middle.plot(images, spikes, color=COLOURS[1], marker="o", markersize=3)
        middle.set_ylabel("spikes per image")
        middle.set_ylim(0.0, 1.1 * spikes.max(initial=1.0))
        middle.set_title("Activity")
        for axis in (left, middle):
            axis.set_xlabel("images shown")
            axis.grid(axis="y")
        right.hist(thresholds, 20, color=COLOURS[2])
        right.axvline(lowest, color=MUTED, linewidth=0.8)
        right.set_xlabel("threshold (mV)")
        right.set_ylabel("neurons")
        right.set_title("Thresholds at the end")
        return _save(figure, path)


def plot_confusion(confusion, digits, path=None, title=""):
    """Per cent of the images of each digit that are taken for each digit, and how many neurons are named each.

    confusion : counts [classes, classes + 1], by class and class found, the last column for none
    digits : [neurons], -1 for none
    Returns the `Figure`, written to `path` if given.

    >>> plot_confusion(confusion, digits, "confusion.png")     # doctest: +SKIP
    """
    classes = len(confusion)
    share = 100.0 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    with _style():
        figure, (left, right) = _figure((9.0, 4.0), ncols=2, width_ratios=(1.5, 1.0))
        left.imshow(share, cmap="Blues", vmin=0.0, vmax=100.0)
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.5:
                colour = "white" if value > 50.0 else INK
                left.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8.0, color=colour)
        left.set_xticks(range(classes + 1), [*map(str, range(classes)), "none"])
        left.set_yticks(range(classes))
        left.set_xlabel("taken for")
        left.set_ylabel("digit")
        left.set_title(title or "% of the images of each digit")
        right.bar(range(classes), np.bincount(digits[digits >= 0], minlength=classes), color=COLOURS[0])
        right.set_xticks(range(classes))
        right.set_xlabel("digit")
        right.set_ylabel("neurons")
        right.set_title("Neurons named after each digit")
        return _save(figure, path)
