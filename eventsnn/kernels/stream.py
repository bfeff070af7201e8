"""Deliver one row of synapses to a population and list the neurons that may cross: the hot loops of the window scheduler.

Three tests, each a function of margin = v_inf - threshold and the stored modes alone, with factors that are prepared once per
cell or row:

- END: V at the end of the cell, for populations whose every threshold lies below rest (two modes): once V has crossed, it stays
  above until the next arrival, so this is all that can happen.
- CELL: the same, raised by the steepest fall on the way back from the end of the cell; any thresholds, two or three modes.
- CHORD: for thresholds above rest. A state crosses at some later time exactly if it lies outside a convex set; chords of its
  boundary and a bound on the slow mode enclose it from inside. Silent neurons need no other attention until the epoch ends.

All keep a distance from the threshold (CELL 1e-9 of the sum of the terms, the others a fixed one) that is far above rounding:
they only choose which neurons are looked at more closely.
"""

import numpy as np

from ..jit import inlined, inner
from .memory import load_float, load_id, load_single, store_float, store_int
from .simd import LOOKS, SLACK, STEPS, SYNAPSES_AHEAD, prefetch

END, CELL, CHORD = 0, 1, 2
LOWEST = np.array([0, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0])  # number of the lowest bit set


@inlined
def trips_end(m, x0, x1, x2, f0, f1, f2, f3, f4, f5, f6, f7, f8):
    """END for one neuron."""
    return m + f0 * x0 + (f1 * x1 + f2 * x2) >= f3


@inlined
def trips_cell(m, x0, x1, x2, f0, f1, f2, f3, f4, f5, f6, f7, f8):
    """CELL for one neuron."""
    a, b, c = f0 * x0, f1 * x1, f2 * x2
    fall = max(f3 * x0, f6 * x0) + max(f4 * x1, f7 * x1) + max(f5 * x2, f8 * x2)
    return (m + (a + b + c)) + max(fall, 0.0) + SLACK * (abs(m) + abs(a) + abs(b) + abs(c)) >= 0.0


@inlined
def trips_chord(m, x0, x1, x2, f0, f1, f2, f3, f4, f5, f6, f7, f8):
    """CHORD for one neuron."""
    return m + max(max(f0 * x0 + f1 * x1, f2 * x0 + f3 * x1), f4 * x0 + f5 * x1) >= f6


@inlined
def trips(test, m, x0, x1, x2, f):
    """Whether one neuron with finite margin `m` may cross, by the test named."""
    if test == END:
        return trips_end(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])
    if test == CELL:
        return trips_cell(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])
    return trips_chord(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])


def _make(weight, name, one):
    step = STEPS[weight, name]
    size = {"row": 0, "f4": 4, "f8": 8}[weight]
    load_weight = load_single if weight == "f4" else load_float

    @inner
    def stream(cell, shift, targets, following, weights, n, q, jump, factor, listed):
        """Add `n` arrivals; list places of neurons that trip (2 i, plus 1 if they were hot). Returns how many.

        All but q are addresses or numbers, so the call costs little: of the states, of the first target, of that of
        the row that follows, of the first weight, of the three jumps, of the nine factors of the test, of the list.
        """
        near = max(n - SYNAPSES_AHEAD, np.int64(0))
        j0, j1, j2 = load_float(jump), load_float(jump + 8), load_float(jump + 16)
        f0, f1, f2 = load_float(factor), load_float(factor + 8), load_float(factor + 16)
        f3, f4, f5 = load_float(factor + 24), load_float(factor + 32), load_float(factor + 40)
        f6, f7, f8 = load_float(factor + 48), load_float(factor + 56), load_float(factor + 64)
        found = np.int64(0)
        i = np.int64(0)
        while i + 4 <= n:
            ahead = targets + 4 * (i + SYNAPSES_AHEAD) if i + SYNAPSES_AHEAD < n else following + 4 * (i - near)
            flags = step(cell, shift, targets + 4 * i, ahead, weights + size * i, q, j0, j1, j2, f0, f1, f2, f3, f4, f5, f6, f7,
                         f8)
            while flags:
                lane = i + LOWEST[flags]
                flags &= flags - 1
                hot = load_float(cell + (load_id(targets + 4 * lane) << shift)) == np.inf
                store_int(listed + 8 * found, 2 * lane + (1 if hot else 0))
                found += 1
            i += 4
        while i < n:
            prefetch(cell + (load_id(following + 4 * (i - near)) << shift))
            a = cell + (load_id(targets + 4 * i) << shift)
            w = q if size == 0 else load_weight(weights + size * i) * q
            m = load_float(a)
            x0, x1, x2 = load_float(a + 8) + w * j0, load_float(a + 16) + w * j1, load_float(a + 24) + w * j2
            store_float(a + 8, x0)
            store_float(a + 16, x1)
            store_float(a + 24, x2)
            if m != -np.inf and one(m, x0, x1, x2, f0, f1, f2, f3, f4, f5, f6, f7, f8):
                store_int(listed + 8 * found, 2 * i + (1 if m == np.inf else 0))
                found += 1
            i += 1
        return found

    return stream


row_end, row_cell, row_chord = (_make("row", n, o) for n, o in
                                (("end", trips_end), ("cell", trips_cell), ("chord", trips_chord)))
f4_end, f4_cell, f4_chord = (_make("f4", n, o) for n, o in
                             (("end", trips_end), ("cell", trips_cell), ("chord", trips_chord)))
f8_end, f8_cell, f8_chord = (_make("f8", n, o) for n, o in
                             (("end", trips_end), ("cell", trips_cell), ("chord", trips_chord)))


def _make_sweep(name, one):
    look = LOOKS[name]

    @inner
    def sweep(first, shift, n, factor, listed):
        """List which of the `n` neurons at address `first` trip, hot and refractory ones left out. Returns how many."""
        f0, f1, f2 = load_float(factor), load_float(factor + 8), load_float(factor + 16)
        f3, f4, f5 = load_float(factor + 24), load_float(factor + 32), load_float(factor + 40)
        f6, f7, f8 = load_float(factor + 48), load_float(factor + 56), load_float(factor + 64)
        found = np.int64(0)
        i = np.int64(0)
        while i + 4 <= n:
            flags = look(first + (i << shift), shift, f0, f1, f2, f3, f4, f5, f6, f7, f8)
            while flags:
                j = i + LOWEST[flags]
                flags &= flags - 1
                if load_float(first + (j << shift)) < np.inf:
                    store_int(listed + 8 * found, j)
                    found += 1
            i += 4
        while i < n:
            a = first + (i << shift)
            m = load_float(a)
            if abs(m) < np.inf and one(m, load_float(a + 8), load_float(a + 16), load_float(a + 24), f0, f1, f2, f3, f4, f5, f6,
                                       f7, f8):
                store_int(listed + 8 * found, i)
                found += 1
            i += 1
        return found

    return sweep


sweep_end, sweep_cell, sweep_chord = (_make_sweep(n, o) for n, o in
                                      (("end", trips_end), ("cell", trips_cell), ("chord", trips_chord)))
