"""Figures of plasticity: windows of learning rules, and weights and rates of a neuron that learns."""

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style

POINTS = 25  # markers per curve
BINS = 40  # of weights


def _curve(axis, x, change, closed, colour, label, **line):
    step = max(1, -(-x.size // POINTS))
    axis.plot(x, closed, color=colour, linewidth=1.2, **line)
    axis.plot(x[step // 2::step], change[step // 2::step], "o", color=colour, markersize=3.0, label=label)


def plot_window(pairs, triplets, path=None):
    """Weight change against the timing of a pair, and against the rate of pairing; engine: points, closed form: lines.

    pairs : {(kind, weight at the start): (times [n] s, change [n], closed form [n])}
    triplets : {time of a pair, s: (rates [n] Hz, change [n], closed form [n])}
    Returns the `Figure`, written to `path` if given.

    >>> plot_window(pairs, triplets, "window.png")     # doctest: +SKIP
    """
    kinds = list(dict.fromkeys(kind for kind, _ in pairs))
    starts = list(dict.fromkeys(weight for _, weight in pairs))
    with _style():
        figure, (left, right) = _figure((8.8, 3.6), ncols=2)
        for (kind, weight), (lag, change, closed) in pairs.items():
            if kind == kinds[0] and weight != starts[0]:
                continue  # additive: the same for every weight
            colour = INK if kind == kinds[0] else COLOURS[starts.index(weight)]
            label = kind if kind == kinds[0] else f"{kind}, w = {weight:g}"
            for side in (lag < 0.0, lag > 0.0):
                _curve(left, 1e3 * lag[side], change[side], closed[side], colour, label if lag[side][0] < 0.0 else None)
        left.axvline(0.0, color=MUTED, linewidth=0.8)
        left.set_xlabel("spike of the target after the arrival (ms)")
        left.set_ylabel("weight change")
        left.set_title("One pair; points: engine, lines: closed form")
        left.legend(loc="upper left", handletextpad=0.3)
        for (lag, (rate, change, closed)), colour in zip(triplets.items(), COLOURS[1::-1]):
            _curve(right, rate, change, closed, colour, f"{1e3 * lag:+g} ms")
        right.set_xlabel("rate of pairing (Hz)")
        right.set_title("Triplet rule, all pairs of the protocol")
        right.legend(loc="upper left", handletextpad=0.3)
        for axis in (left, right):
            axis.axhline(0.0, color=MUTED, linewidth=0.8)
        return _save(figure, path)


def plot_balance(plain, common, path=None):
    """Weights at the end, output rate over time, and mean weights of a correlated group and of the others over time.

    plain : runs at several rates, with `rate`, `times`, `rates`, `group`, `others`, `weights`; common : the correlated one
    Returns the `Figure`, written to `path` if given.

    >>> plot_balance(plain, common, "balance.png")     # doctest: +SKIP
    """
    with _style():
        figure, (weights, rates, means) = _figure((10.4, 3.4), ncols=3)
        for found, colour in zip(plain, COLOURS):
            every = np.concatenate(list(found.weights.values()))
            share, edges = np.histogram(every, BINS, (0.0, 1.0))
            label = f"input {found.rate:g} Hz"
            weights.stairs(100.0 * share / every.size, edges, color=colour, linewidth=1.4, label=label)
            rates.plot(found.times, found.rates, color=colour, linewidth=1.2, label=label)
        weights.set_xlabel("weight / w_max")
        weights.set_ylabel("% of the synapses")
        weights.set_xlim(0.0, 1.0)
        weights.set_ylim(bottom=0.0)
        weights.set_title("Weights at the end")
        weights.legend(loc="upper center")
        rates.set_yscale("log")
        rates.set_ylabel("Hz")
        rates.set_title("Output rate")
        means.plot(common.times, common.group, color=COLOURS[1], label=f"group, correlation {common.correlation:g}")
        means.plot(common.times, common.others, color=COLOURS[0], label="others")
        means.set_ylim(0.0, 1.0)
        means.set_ylabel("mean weight / w_max")
        means.set_title(f"Correlated inputs win, {common.rate:g} Hz")
        for axis in (rates, means):
            axis.set_xlim(0.0, common.times[-1])
            axis.set_xlabel("time (s)")
            axis.grid(axis="y")
            axis.legend(loc="best")
        return _save(figure, path)
