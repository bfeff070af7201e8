"""Figures: raster, learning curve, decision map, energy.

Each function returns a matplotlib `Figure` and, given a path, writes it there atomically (format by suffix). Figures
are built without pyplot, so no display is needed and no global state is left behind.
"""

import math
import os

import numpy as np

from ..energy import load_profile, si
from ..errors import InputError, unknown_name
from ..io.atomic import atomic_path

MAX_NEURONS = 200  # drawn per population in a raster
MAX_POINTS = 200_000  # drawn per raster
COLOURS = ("#2f5d8a", "#c8693a", "#4d8b6b", "#8a6aa3", "#b0903a", "#5b6770", "#a8505f", "#3f8c96")
INK, MUTED, GRID = "#24292f", "#6b7280", "#e5e7eb"
STYLE = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.0,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
}


def plot_raster(run, path=None, populations=None, t_max=None):
    """Spikes over time, one band per population, and below the mean rate of a neuron of each.

    `run` is a `Run`; `populations` a list of names (default: all recorded ones, in order); `t_max` in s cuts the time
    axis (default: the duration). At most 200 neurons of a population (evenly spread) and 200,000 points are drawn, and
    the figure says so; rates always use all recorded spikes. Returns the `Figure`. Raises `UnknownNameError` for an
    unknown population and `InputError` for an empty list or a `t_max` that is not > 0.

    >>> plot_raster(run, "raster.png", populations=["exc", "inh"], t_max=0.2)     # doctest: +SKIP
    """
    names = list(run.spikes) if populations is None else list(populations)
    for name in names:
        if name not in run.spikes:
            raise unknown_name("population", name, run.spikes)
    if not names:
        raise InputError("populations of plot_raster is empty; give the name of at least one recorded population")
    end = _time_limit(run, t_max)
    times, unit = _time_unit(end)
    with _style():
        figure, (raster, rates) = _figure((8.0, 5.2), nrows=2, sharex=True, height_ratios=[3.2, 1.0])
        bands, notes, rows = _bands(run, names, end)
        stride = max(1, math.ceil(sum(t.size for _, _, t, _ in bands) / MAX_POINTS))
        if stride > 1:
            notes.append(f"one spike in {stride} drawn")
        pitch = 250.0 / max(rows, 1)  # points between rows
        dash = {"marker": "|", "s": min(0.8 * pitch, 10.0) ** 2, "linewidths": 0.9}
        dot = {"marker": ".", "s": 7.0, "linewidths": 0.0}
        ticks = []
        for (_, height, t, y), colour in zip(bands, _colours(len(bands))):
            raster.scatter(t[::stride] * times, y[::stride], c=colour, **(dash if pitch >= 3.0 else dot))
            ticks.append((height[0] + height[1]) / 2.0)
            if height[0] > 0:
                raster.axhline(height[0] - 0.5, color=GRID, linewidth=0.8)
        raster.set_yticks(ticks, [_short(name) for name in names])
        for label, colour in zip(raster.get_yticklabels(), _colours(len(names))):
            label.set_color(colour)
        raster.tick_params(axis="y", length=0)
        raster.set_ylim(-0.5 - 0.01 * rows, max(rows, 1) - 0.5 + 0.01 * rows)
        raster.invert_yaxis()
        raster.set_title("Spikes")
        if notes:
            raster.text(1.0, 1.02, "; ".join(notes), transform=raster.transAxes, ha="right", color=MUTED, fontsize=8)
        width = _bin_width(end, [run.spikes[name].between(-1.0, end) for name in names])
        edges = width * np.arange(max(1, math.floor(end / width * (1.0 + 1e-12))) + 1)
        for name, colour in zip(names, _colours(len(names))):
            histogram = np.histogram(run.spikes[name].times, edges)[0]
            rates.stairs(histogram / (max(_size(run, name), 1) * width), edges * times, color=colour, baseline=None)
        rates.set_ylim(bottom=0.0)
        rates.set_xlim(0.0, end * times)
        rates.set_ylabel("rate (Hz)")
        rates.set_xlabel(f"time ({unit}), rate per neuron in bins of {width * times:.3g} {unit}")
        rates.grid(axis="y")
        figure.align_ylabels()
        return _save(figure, path)


def plot_learning_curve(history, path=None):
    """Training loss, validation accuracy and, if present, the share of silent hidden neurons over the epochs.

    `history` has equally long lists under "epoch" and at least one of "train_loss", "validation_accuracy" (fraction)
    and "silent_hidden" (fraction or number). Returns the `Figure`. Raises `InputError` if a list is missing or its
    length differs.

    >>> plot_learning_curve({"epoch": [1, 2], "train_loss": [1.0, 0.4]}, "curve.png")     # doctest: +SKIP
    """
    panels = (
        ("train_loss", "Training loss", "loss", COLOURS[0]),
        ("validation_accuracy", "Validation accuracy", "accuracy (%)", COLOURS[2]),
        ("silent_hidden", "Silent hidden neurons", "neurons", COLOURS[1]),
    )
    panels = [panel for panel in panels if panel[0] in history]
    if "epoch" not in history or not panels:
        raise InputError(
            "history needs 'epoch' and one of 'train_loss', 'validation_accuracy', 'silent_hidden'; "
            f"it has {', '.join(map(repr, history)) or 'nothing'}"
        )
    epoch = np.asarray(history["epoch"], np.float64)
    for key, *_ in panels:
        if len(history[key]) != epoch.size:
            raise InputError(f"history[{key!r}] has {len(history[key])} entries, 'epoch' has {epoch.size}")
    with _style():
        figure, axes = _figure((3.5 * len(panels), 2.9), ncols=len(panels))
        for axis, (key, title, label, colour) in zip(np.atleast_1d(axes), panels):
            values = np.asarray(history[key], np.float64)
            finite = values[np.isfinite(values)]
            if key == "validation_accuracy":
                values, finite = 100.0 * values, 100.0 * finite
            elif key == "silent_hidden" and finite.size and finite.max() <= 1.0 and np.any(finite % 1.0):
                values, finite, label = 100.0 * values, 100.0 * finite, "share (%)"
            axis.plot(epoch, values, color=colour, linewidth=1.5, marker="o" if epoch.size <= 30 else "", markersize=3)
            axis.set_title(title)
            axis.set_ylabel(label)
            axis.set_xlabel("epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(axis="y")
            if key == "train_loss" and finite.size and finite.min() > 0.0 and finite.max() > 10.0 * finite.min():
                axis.set_yscale("log")
            elif key == "silent_hidden":
                axis.set_ylim(bottom=0.0)
            if key == "validation_accuracy" and finite.size:
                best = int(np.nanargmax(values))
                axis.plot(epoch[best], values[best], "o", ms=6, mfc="white", mec=colour, mew=1.4)
                note = f"best {values[best]:.2f} % in epoch {epoch[best]:g}"
                axis.text(0.98, 0.06, note, transform=axis.transAxes, ha="right", fontsize=8.5)
        return _save(figure, path)


def plot_decision_map(predict, test_samples, test_labels, path=None, resolution=160):
    """Classes over the Yin-Yang disc with the test points on top; wrong ones are ringed, undecided ones crossed.

    `predict` maps samples [n, 4] (x, y, 1 - x, 1 - y, each in [0, 1]) to class ids [n], 0 to 2, or -1 if undecided; it
    is called twice: on a grid of `resolution` squared points cut to the disc of radius 0.5 around (0.5, 0.5), and on
    the test samples [n, 4] (or [n, 2]), whose labels are [n]. Returns the `Figure`. Raises `InputError` for other
    shapes.

    >>> plot_decision_map(model.predict, samples, labels, "map.png")     # doctest: +SKIP
    """
    samples, labels = np.asarray(test_samples, np.float64), np.asarray(test_labels)
    if samples.ndim != 2 or samples.shape[1] not in (2, 4) or labels.shape != samples.shape[:1]:
        got = f"{list(samples.shape)} and {list(labels.shape)}"
        raise InputError(f"test_samples must be [n, 4] or [n, 2] and test_labels [n], got {got}")
    xy = samples[:, :2]
    side = (np.arange(resolution) + 0.5) / resolution
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    inside = np.hypot(*(grid - 0.5).T) <= 0.5 + 0.71 / resolution
    image = np.full(grid.shape[0], np.nan)
    image[inside] = _classes(predict, grid[inside])
    found = _classes(predict, xy)
    wrong, undecided = (found != labels) & (found >= 0), found < 0
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle

    n_classes = int(max(3, np.nanmax(image) + 1 if inside.any() else 3, labels.max() + 1 if labels.size else 3))
    colours = _colours(n_classes)
    with _style():
        figure, axis = _figure((5.2, 5.4))
        circle = Circle((0.5, 0.5), 0.5, transform=axis.transData, facecolor="none", edgecolor=INK, linewidth=1.0)
        norm = BoundaryNorm(np.arange(-1.5, n_classes), n_classes + 1)
        picture = axis.imshow(
            image.reshape(resolution, resolution),
            extent=(0.0, 1.0, 0.0, 1.0),
            origin="lower",
            interpolation="nearest",
            cmap=ListedColormap(["#ffffff", *(_pale(c) for c in colours)]),
            norm=norm,
        )
        axis.add_patch(circle)
        picture.set_clip_path(circle)
        point = np.array(colours)[np.clip(labels.astype(np.int64), 0, n_classes - 1)] if labels.size else []
        small = 9.0 if labels.size <= 1500 else 5.0
        axis.scatter(*xy.T, s=small, c=point, linewidths=0, zorder=3)
        axis.scatter(*xy[wrong].T, s=34, facecolors="none", edgecolors=INK, linewidths=0.9, zorder=4)
        axis.scatter(*xy[undecided].T, s=30, c=INK, marker="x", linewidths=0.9, zorder=4)
        axis.set_xlim(-0.02, 1.02)
        axis.set_ylim(-0.02, 1.02)
        axis.set_aspect("equal")
        axis.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
        axis.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
        axis.set_xlabel("x")
        axis.set_ylabel("y")
        right = int(np.sum(found == labels))
        share = f": {100.0 * right / labels.size:.1f} % of {labels.size:,} test points right" if labels.size else ""
        axis.set_title(f"Decisions{share}")
        titles = ("yin", "yang", "dot") if n_classes == 3 else [f"class {k}" for k in range(n_classes)]
        handles = [Line2D([], [], marker="o", ls="", ms=5, color=c, label=t) for c, t in zip(colours, titles)]
        if wrong.any():
            ring = {"marker": "o", "ls": "", "ms": 6, "mfc": "none", "color": INK}
            handles.append(Line2D([], [], **ring, label=f"wrong ({int(wrong.sum())})"))
        if undecided.any():
            cross = {"marker": "x", "ls": "", "ms": 5, "color": INK}
            handles.append(Line2D([], [], **cross, label=f"undecided ({int(undecided.sum())})"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handletextpad=0.2)
        return _save(figure, path)


def plot_energy(run, profiles, path=None):
    """Energy of a run on several profiles: the totals on a logarithmic axis, and what each consists of.

    `profiles` is a list of names, TOML paths or `EnergyProfile` objects. Returns the `Figure`. Raises `InputError` for
    an empty list, and as `Run.energy` does.

    >>> plot_energy(run, ["loihi", "brainscales2"], "energy.png")     # doctest: +SKIP
    """
    energies = [run.energy(load_profile(profile)) for profile in profiles]
    if not energies:
        raise InputError("profiles of plot_energy is empty; give at least one name, such as 'loihi'")
    causes = (("spikes", "spikes"), ("synaptic_events", "synaptic events"), ("neuron_updates", "neuron updates"))
    causes = (*causes, ("static", "static power"))
    shades = (COLOURS[1], COLOURS[0], COLOURS[2], "#b8bec6")
    rows = np.arange(len(energies))
    totals = np.array([e.total for e in energies])
    with _style():
        figure, (left, right) = _figure((8.4, 1.5 + 0.42 * len(energies)), ncols=2, sharey=True, width_ratios=[1.25, 1])
        positive = totals[totals > 0.0]
        low, high = (positive.min(), positive.max()) if positive.size else (1e-12, 1e-9)
        bottom = 10.0 ** (math.floor(math.log10(low)) - 1)
        left.set_xscale("log")
        left.barh(rows, np.maximum(totals - bottom, 0.0), left=bottom, height=0.55, color="#44546a")
        left.set_xlim(bottom, high * (high / bottom) ** 0.28)
        for row, e in zip(rows, energies):
            left.text(max(e.total, bottom) * 1.25, row, si(e.total, "J"), va="center", fontsize=8.5)
        left.set_yticks(rows, [_short(e.profile.name) for e in energies])
        left.tick_params(axis="y", length=0)
        left.xaxis.set_major_formatter(lambda x, _: si(x, "J"))
        left.xaxis.get_major_locator().set_params(numticks=6)
        left.minorticks_off()
        left.grid(axis="x")
        left.invert_yaxis()
        left.set_xlabel("energy")
        left.set_title(f"Energy of {si(run.duration, 's')}")
        start = np.zeros(len(energies))
        for (key, label), colour in zip(causes, shades):
            share = np.array([100.0 * e.items[key] / e.total if e.total > 0.0 else 0.0 for e in energies])
            right.barh(rows, share, left=start, height=0.55, color=colour, label=label)
            start += share
        right.set_xlim(0.0, 100.0)
        right.set_xlabel("share (%)")
        right.set_title("Made up of")
        right.tick_params(axis="y", length=0)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=1.0)
        return _save(figure, path)


def _style():
    import matplotlib

    return matplotlib.rc_context(STYLE)


def _figure(size, nrows=1, ncols=1, **options):
    from matplotlib.figure import Figure

    ratios = {key: options.pop(key) for key in ("height_ratios", "width_ratios") if key in options}
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(nrows, ncols, **options, **ratios)


def _save(figure, path):
    if path is not None:
        suffix = os.path.splitext(os.fspath(path))[1][1:] or "png"
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix)
    return figure


def _colours(n):
    return [COLOURS[k % len(COLOURS)] for k in range(n)]


def _pale(colour, weight=0.34):
    from matplotlib.colors import to_rgb

    return tuple(weight * channel + 1.0 - weight for channel in to_rgb(colour))


def _short(name, limit=18):
    text = str(name)
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


def _time_limit(run, t_max):
    if t_max is not None and not (t_max > 0.0 and math.isfinite(t_max)):
        raise InputError(f"t_max must be a finite time > 0 s, got {t_max!r}")
    if t_max is not None:
        return float(t_max)
    if 0.0 < run.duration < math.inf:
        return run.duration
    return max((float(s.times[-1]) for s in run.spikes.values() if len(s)), default=0.0) or 1.0


def _time_unit(end):
    for factor, unit, limit in ((1.0, "s", 2.0), (1e3, "ms", 2e-3), (1e6, "us", 2e-6)):
        if end >= limit:
            return factor, unit
    return 1e9, "ns"


def _size(run, name):
    neurons = run.spikes[name].neurons
    return run.populations.get(name, int(neurons.max()) + 1 if neurons.size else 1)


def _bands(run, names, end):
    """Per population (name, first and last row, times, rows) of what is drawn; notes on what is not; number of rows."""
    bands, notes, start = [], [], 0
    for name in names:
        spikes, n = run.spikes[name], _size(run, name)
        shown = min(n, MAX_NEURONS)
        row_of = np.full(max(n, 1), -1, np.int64)
        row_of[np.linspace(0, max(n - 1, 0), shown).round().astype(np.int64)] = start + np.arange(shown)
        keep = (spikes.times <= end) & (row_of[np.minimum(spikes.neurons, row_of.size - 1)] >= 0)
        if shown < n:
            notes.append(f"{shown} of {n:,} {_short(name)}")
        bands.append((name, (start, start + max(shown, 1) - 1), spikes.times[keep], row_of[spikes.neurons[keep]]))
        start += max(shown, 1)
    return bands, ["neurons shown: " + ", ".join(notes)] if notes else [], start


def _bin_width(end, spikes):
    """A round width (1, 2 or 5 times a power of ten): up to 100 bins, fewer if a middling population has few spikes."""
    sizes = [len(s) for s in spikes if len(s)] or [0]
    finest = end / np.clip(np.median(sizes) / 5.0, 20.0, 100.0)
    power = 10.0 ** math.floor(math.log10(finest))
    return power * next((k for k in (1.0, 2.0, 5.0) if k * power >= finest), 10.0)


def _classes(predict, xy):
    if not len(xy):
        return np.zeros(0, np.int64)
    found = np.asarray(predict(np.concatenate([xy, 1.0 - xy], axis=1)))
    if found.shape != (len(xy),):
        raise InputError(f"predict must return one class id per sample, [{len(xy)}], got {list(found.shape)}")
    return found.astype(np.int64)
