"""Figures of the cortical microcircuit: the raster of all layers, and rates beside the published ones."""

import numpy as np

from .plots import COLOURS, GRID, INK, MUTED, _figure, _save, _style

SHARE = 0.05  # of the neurons is drawn
FEWEST_ROWS = 1500  # drawn at least, if there are as many neurons
WINDOW = 0.4  # s drawn at most
EXC, INH = COLOURS[0], COLOURS[1]


def _colour(name):
    return EXC if name.endswith("E") else INH


def _label(name):
    """"L23E" as "L2/3E"."""
    return name.replace("L23", "L2/3")


def plot_circuit_raster(run, path=None, start=0.0):
    """Spikes of the populations of `run`, stacked from layer 2/3 down to 6, and below the rate of the two kinds.

    Drawn are 0.4 s from `start` (s) and 5 % of the neurons of each population, or more of a small circuit; names that
    end in "E" are excitatory. Returns the `Figure`, written to `path` if given.

    >>> plot_circuit_raster(run, "raster.png", start=0.5)     # doctest: +SKIP
    """
    stop = max(min(run.duration, start + WINDOW), start + 1e-3)
    names = list(run.spikes)
    sizes = np.array([run.populations[name] for name in names])
    share = min(1.0, max(SHARE, FEWEST_ROWS / max(sizes.sum(), 1)))
    rows = np.maximum(1, np.rint(share * sizes)).astype(np.int64)
    top = np.concatenate([[0], np.cumsum(rows)])
    with _style():
        figure, (raster, rates) = _figure((7.2, 6.4), nrows=2, sharex=True, height_ratios=[4.2, 1.0])
        size = float(np.clip(4500.0 / top[-1], 0.5, 4.0))
        for k, name in enumerate(names):
            spikes = run.spikes[name].between(start, stop)
            drawn = spikes.neurons < rows[k]
            raster.scatter(1e3 * spikes.times[drawn], top[k] + spikes.neurons[drawn], s=size, c=_colour(name),
                           linewidths=0.0, marker="o")
            if k and name[:-1] != names[k - 1][:-1]:
                raster.axhline(top[k] - 0.5, color="#9ca3af", linewidth=0.7)
        raster.set_yticks((top[:-1] + top[1:]) / 2.0, [_label(name) for name in names])
        for label, name in zip(raster.get_yticklabels(), names):
            label.set_color(_colour(name))
        raster.tick_params(axis="y", length=0)
        raster.set_ylim(top[-1] - 0.5, -0.5)
        raster.set_title("Spikes of the microcircuit")
        note = f"{top[-1]:,} of {sizes.sum():,} neurons"
        raster.text(1.0, 1.015, note, transform=raster.transAxes, ha="right", color=MUTED, fontsize=8)
        bins = max(1, int(round((stop - start) / 3e-3)))
        for kind, label, colour in (("E", "excitatory", EXC), ("I", "inhibitory", INH)):
            chosen = [name for name in names if name.endswith(kind)]
            n = sum(run.populations[name] for name in chosen)
            times = np.concatenate([np.zeros(0), *(run.spikes[name].times for name in chosen)])
            count, edges = np.histogram(times, bins, (start, stop))
            rates.stairs(count / (max(n, 1) * np.diff(edges)), 1e3 * edges, color=colour, baseline=None, label=label)
        rates.set_ylim(bottom=0.0)
        rates.set_xlim(1e3 * start, 1e3 * stop)
        rates.set_ylabel("rate (Hz)")
        rates.set_xlabel("time (ms); rates in bins of 3 ms")
        rates.grid(axis="y")
        rates.legend(ncols=2, loc="upper right", bbox_to_anchor=(1.0, 1.32), borderpad=0.0)
        figure.align_ylabels()
        return _save(figure, path)


def plot_rates(names, rates, published, cv, path=None):
    """Rate of every population (Hz) beside the `published` one, and the mean CV of its inter-spike intervals.

    The lists are in the order of `names`; NaN leaves a gap. Returns the `Figure`, written to `path` if given.

    >>> plot_rates(["L4E"], [4.3], [4.4], [0.9], "rates.png")     # doctest: +SKIP
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    place, colours = np.arange(len(names)), [_colour(name) for name in names]
    with _style():
        figure, (left, right) = _figure((9.0, 3.1), ncols=2, width_ratios=[1.15, 1.0])
        left.bar(place, rates, 0.62, color=colours)
        left.plot(place, published, ls="", marker="D", ms=5.5, mfc="white", mec=INK, mew=1.1, zorder=3)
        left.set_ylabel("rate (Hz)")
        left.set_title("Mean rates")
        right.bar(place, cv, 0.62, color=colours)
        right.axhline(1.0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        right.text(len(names) - 0.45, 1.01, "Poisson", color=MUTED, fontsize=8, ha="right", va="bottom")
        right.set_ylim(0.0, max(1.15, 1.1 * np.nanmax([*cv, 0.0])))
        right.set_ylabel("CV of the intervals")
        right.set_title("Irregularity")
        for axis in (left, right):
            axis.set_xticks(place, [_label(name) for name in names])
            axis.tick_params(axis="x", length=0)
            axis.grid(axis="y", color=GRID)
        handles = [Patch(color=EXC, label="excitatory"), Patch(color=INH, label="inhibitory")]
        diamond = {"marker": "D", "ms": 5.5, "mfc": "white", "mec": INK, "mew": 1.1}
        handles.append(Line2D([], [], ls="", **diamond, label="published, full scale"))
        figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.0)
        return _save(figure, path)
