"""Figures of activity that spreads through a brain: latencies by cell type, and a raster sorted by latency."""

import numpy as np

from .plots import COLOURS, GRID, INK, MAX_POINTS, MUTED, _figure, _save, _style, _time_unit

EXC, INH, DRIVEN = COLOURS[0], COLOURS[1], COLOURS[2]
SILENT = "#b8bec6"
BINS = 120  # of the spike counts below the raster


def plot_spread(first, cell_types, driven, inhibitory, duration, path=None, stimulus="stimulus"):
    """First spikes by cell type, the earliest type on top, and the number of neurons reached over time.

    first : s, time of the first spike of every neuron, inf for silent ones [n]; cell_types : [n]; driven : the neurons
    that receive the stimulus, which get a row of their own; inhibitory : names of the cell types that inhibit;
    duration : s. Returns the `Figure`, written to `path` if given.

    >>> plot_spread(first, brain.cell_types, brain.select("visual"), ["LN"], 0.5, "spread.png")     # doctest: +SKIP
    """
    own = np.zeros(first.size, bool)
    own[driven] = True
    kinds = np.unique(cell_types[~own])
    groups = [(kind, ~own & (cell_types == kind), INH if kind in inhibitory else EXC) for kind in kinds]
    late = [np.median(first[mine & np.isfinite(first)]) if np.isfinite(first[mine]).any() else np.inf
            for _, mine, _ in groups]
    size = [-int(mine.sum()) for _, mine, _ in groups]
    groups = [(f"{stimulus} (driven)", own, DRIVEN), *(groups[k] for k in np.lexsort((size, late)))]
    duration = duration or 1e-3  # of a run that was interrupted at once
    times, unit = _time_unit(duration)
    jitter = np.random.default_rng(0).uniform(-0.27, 0.27, first.size)
    with _style():
        figure, (left, right) = _figure((9.0, 0.9 + 0.27 * len(groups)), ncols=2, width_ratios=[1.45, 1.0])
        for row, (_, mine, colour) in enumerate(groups):
            active = mine & np.isfinite(first)
            left.scatter(times * first[active], row + jitter[active], s=5.0, c=colour, linewidths=0.0, alpha=0.55)
            if active.any():
                median = times * np.median(first[active])
                left.plot([median, median], [row - 0.38, row + 0.38], color=INK, linewidth=1.6, solid_capstyle="butt")
            share = f"{int(active.sum())} of {int(mine.sum())}"
            left.text(1.015, row, share, transform=left.get_yaxis_transform(), va="center", fontsize=8,
                      color=MUTED if active.any() else SILENT)
        left.set_yticks(range(len(groups)), [name for name, _, _ in groups])
        for label, (_, mine, colour) in zip(left.get_yticklabels(), groups):
            label.set_color(colour if np.isfinite(first[mine]).any() else SILENT)
        left.tick_params(axis="y", length=0)
        left.set_ylim(len(groups) - 0.4, -0.6)
        left.set_xlim(0.0, times * duration)
        left.grid(axis="x", color=GRID)
        left.set_xlabel(f"first spike ({unit}); bar: median")
        left.set_title("Latency by cell type")
        left.text(1.015, 1.012, "active", transform=left.transAxes, fontsize=8, color=MUTED)
        inhibits = np.isin(cell_types, inhibitory)
        for mine, colour, name in ((own, DRIVEN, "driven"), (~own & ~inhibits, EXC, "excitatory"),
                                   (~own & inhibits, INH, "inhibitory")):
            reached = np.sort(first[mine & np.isfinite(first)])
            steps = np.concatenate([[0.0], reached, [duration]])
            share = 100.0 * np.concatenate([[0.0], np.arange(1, reached.size + 1), [reached.size]]) / max(mine.sum(), 1)
            right.step(times * steps, share, where="post", color=colour, linewidth=1.5, label=name)
        right.set_xlim(0.0, times * duration)
        right.set_ylim(0.0, 104.0)
        right.set_ylabel("neurons reached (%)")
        right.set_xlabel(f"time ({unit})")
        right.set_title(f"{int(np.isfinite(first).sum()):,} of {first.size:,} neurons active")
        right.grid(axis="y", color=GRID)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return _save(figure, path)


def plot_sorted_raster(spikes, first, cell_types, driven, inhibitory, duration, path=None):
    """Spikes of all active neurons, the earliest first, and below the number of spikes per millisecond.

    Arguments as in `plot_spread`; `spikes` are `Spikes` of the whole brain. Beyond 200,000 spikes only every k-th is
    drawn, and the figure says so. Returns the `Figure`, written to `path` if given.

    >>> plot_sorted_raster(spikes, first, brain.cell_types, driven, ["LN"], 0.5, "raster.png")     # doctest: +SKIP
    """
    active = int(np.isfinite(first).sum())
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    group = np.where(np.isin(cell_types, inhibitory), 2, 1)
    group[driven] = 0
    names, colours = ("driven", "excitatory", "inhibitory"), np.array([DRIVEN, EXC, INH])
    duration = duration or 1e-3
    times, unit = _time_unit(duration)
    stride = max(1, -(-len(spikes) // MAX_POINTS))
    shown, rows = spikes.times[::stride], spikes.neurons[::stride]
    with _style():
        figure, (raster, rates) = _figure((7.6, 5.6), nrows=2, sharex=True, height_ratios=[4.0, 1.0])
        dot = float(np.clip(3.0e4 / max(shown.size, 1), 0.25, 5.0))
        raster.scatter(times * shown, rank[rows], s=dot, c=colours[group[rows]].tolist(), linewidths=0.0)
        raster.set_ylim(max(active, 1) - 0.5 + 0.01 * active, -0.5 - 0.01 * active)
        raster.set_ylabel("neuron, by first spike")
        raster.set_title("Spikes, sorted by latency")
        note = f"{active:,} active neurons" + (f"; one spike in {stride} drawn" if stride > 1 else "")
        raster.text(1.0, 1.015, note, transform=raster.transAxes, ha="right", color=MUTED, fontsize=8)
        edges = np.linspace(0.0, duration, BINS + 1)
        for k, name in enumerate(names):
            count = np.histogram(spikes.times[group[spikes.neurons] == k], edges)[0]
            rates.stairs(1e-3 * count / np.diff(edges), times * edges, color=colours[k], baseline=None, label=name)
        rates.set_ylim(bottom=0.0)
        rates.set_xlim(0.0, times * duration)
        rates.set_ylabel("spikes per ms")
        rates.set_xlabel(f"time ({unit})")
        rates.grid(axis="y", color=GRID)
        figure.legend(*rates.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.align_ylabels()
        return _save(figure, path)
