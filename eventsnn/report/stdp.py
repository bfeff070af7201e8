"""Figures of plasticity: windows of learning rules, and weights and rates of a neuron that learns."""

import numpy as np

from .plots import COLOURS, INK, MUTED, _figure, _save, _style

POINTS = 25  # markers per curve


def _curve(axis, x, change, closed, colour, label, **line):
    step = max(1, -(-x.size // POINTS))
    axis.plot(x, closed, color=colour, linewidth=1.2, **line)
    axis.plot(x[step // 2::step], change[step // 2::step], "o", color=colour, markersize=3.0, label=label)


def plot_window(pairs, triplets, path=None):
    """Weight change against the time from arrival to spike, and against the rate of pairing: engine (points), closed form (lines).

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
