"""Figures of networks on BrainScaleS-2: accuracy chip by chip, and where a network lies on the two synapse arrays."""

import numpy as np

from .plots import COLOURS, MUTED, _colours, _figure, _save, _style

OWN, NONE, OTHER = COLOURS[0], COLOURS[1], COLOURS[2]


def plot_chips(rows, published=None, path=None):
    """Test accuracy of every network on the chip it was trained on, without a chip, and on another chip.

    rows : as the experiments write them; `published` : accuracy on the real chip, a dashed line
    Returns the `Figure`, written to `path` if given.

    >>> plot_chips(rows, 0.95, "chips.png")     # doctest: +SKIP
    """
    with _style():
        figure, axis = _figure((max(6.0, 0.7 * len(rows)), 3.4))
        x = np.arange(len(rows))
        for column, label, colour, marker in ((3, "the chip it was trained on", OWN, "o"), (5, "another chip", OTHER, "^"),
                                              (4, "ideal neurons, exact weights", NONE, "s")):
            axis.plot(x, [100.0 * row[column] for row in rows], marker, color=colour, label=label, markersize=5)
        if published is not None:
            axis.axhline(100.0 * published, color=MUTED, linestyle="--", linewidth=1.0)
            axis.annotate("published, real chip", (0, 100.0 * published), (4, 3), textcoords="offset points", color=MUTED,
                          fontsize=8)
        axis.set_xticks(x, [f"chip {row[0]}\nseed {row[1]}" for row in rows])
        axis.set_ylabel("test accuracy, %")
        axis.set_title("Trained with the chip in the loop")
        axis.legend(loc="best")
    return _save(figure, path)


def plot_mapping(mapping, hardware, path=None):
    """Both synapse arrays: columns are neuron circuits, rows pairs of synapse rows; colours are projections' sources.

    Returns the `Figure`, written to `path` if given.

    >>> plot_mapping(mapping, hardware, "mapping.png")     # doctest: +SKIP
    """
    half, pairs = hardware.neuron_circuits // 2, hardware.rows // 2
    with _style():
        figure, axes = _figure((8.2, 3.9), ncols=2, sharey=True)
        sources = list(dict.fromkeys(name for name, _ in mapping.rows))
        colours = dict(zip(sources, _colours(len(sources))))
        for side, axis in enumerate(axes):
            axis.set_xlim(0, half)
            axis.set_ylim(pairs, 0)
            axis.set_title(f"synapse array {side}")
            axis.set_xlabel("neuron circuit", labelpad=16)
            for name, placement in mapping.placements.items():
                width = max(placement.circuits // 2, 1)
                inside = placement.first[(placement.first // half == side) | (placement.circuits > 1)] % half
                if not inside.size:
                    continue
                low, high = int(inside.min()), int(inside.max()) + width
                axis.text((low + high) / 2, pairs + 15, name, ha="center", fontsize=8, color=MUTED, clip_on=False)
                for source, where in mapping.rows:
                    if where != side or (source, name) not in mapping.links:
                        continue
                    rows = np.unique(mapping.rows[source, side] % pairs)
                    axis.fill_between([low, high], rows.min(), rows.max() + 1, color=colours[source], alpha=0.55, linewidth=0,
                                      label=source)
        axes[0].set_ylabel("pair of rows (one sign each)")
        found = [axis.get_legend_handles_labels() for axis in axes]
        handles = {label: handle for part in found for handle, label in zip(*part)}
        axes[1].legend(handles.values(), handles, loc="upper right", title="from")
    return _save(figure, path)


def plot_calibration(calibration, path=None):
    """Histograms of actual over wanted value of time constants and thresholds, before and after calibration.

    Returns the `Figure`, written to `path` if given.

    >>> plot_calibration(calibrate(es.BrainScaleS2()), "calibration.png")     # doctest: +SKIP
    """
    with _style():
        figure, axes = _figure((8.2, 2.8), ncols=len(calibration.before), sharey=True)
        for axis, (name, before) in zip(axes, calibration.before.items()):
            edges = np.linspace(0.0, 2.0, 61)
            for values, label, colour in ((before, "before", OTHER), (calibration.after[name], "after", OWN)):
                axis.hist(values, edges, color=colour, alpha=0.65, label=f"{label}: spread {100 * values.std():.1f} %")
            axis.set_title(name)
            axis.set_xlabel("actual / wanted")
            axis.legend(loc="upper right", fontsize=7)
        axes[0].set_ylabel("neurons")
    return _save(figure, path)
