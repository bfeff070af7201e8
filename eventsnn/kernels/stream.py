"""Deliver one row of synapses to a population and list the neurons that may cross: the hot loops of the window scheduler.

Three tests, each a function of margin = v_inf - threshold and the stored modes alone, with factors that are prepared once per
cell or row:

- END: V at the end of the cell, for populations whose every threshold lies below rest (two modes): once V has crossed, it stays
  above until the next arrival, so this is all that can happen.
- CELL: the same, raised by the steepest fall on the way back from the end of the cell; any thresholds, two or three modes.
- CHORD: for thresholds above rest. A state crosses at some later time exactly if it lies outside a convex set; chords of its
  boundary and a bound on the slow mode enclose it from inside. Silent neurons need no other attention until the epoch ends.

All keep a relative distance of 1e-9 from the threshold: they only choose which neurons are looked at more closely.
"""

import numpy as np

from ..jit import inlined
from ..layout import MARGIN, MODES
from .simd import SLACK, STEPS

END, CELL, CHORD = 0, 1, 2


@inlined
def trips_end(m, x0, x1, x2, f):
    """END for one neuron."""
    a, b, c = f[0] * x0, f[1] * x1, f[2] * x2
    return (m + (a + b + c)) + SLACK * (abs(m) + abs(a) + abs(b) + abs(c)) >= 0.0


@inlined
def trips_cell(m, x0, x1, x2, f):
    """CELL for one neuron."""
    a, b, c = f[0] * x0, f[1] * x1, f[2] * x2
    fall = max(f[3] * x0, f[6] * x0) + max(f[4] * x1, f[7] * x1) + max(f[5] * x2, f[8] * x2)
    return (m + (a + b + c)) + max(fall, 0.0) + SLACK * (abs(m) + abs(a) + abs(b) + abs(c)) >= 0.0


@inlined
def trips_chord(m, x0, x1, x2, f):
    """CHORD for one neuron."""
    p0, q0, p1, q1, p2, q2 = f[1] * x0, f[2] * x1, f[4] * x0, f[5] * x1, f[7] * x0, f[8] * x1
    best = max(f[0] * m + (p0 + q0), max(f[3] * m + (p1 + q1), f[6] * m + (p2 + q2)))
    size = abs(m) + (abs(p0) + abs(q0)) + (abs(p1) + abs(q1)) + (abs(p2) + abs(q2))
    return best + SLACK * size >= 0.0


@inlined
def trips(test, m, x0, x1, x2, f):
    """Whether one neuron with finite margin `m` may cross, by the test named."""
    if test == END:
        return trips_end(m, x0, x1, x2, f)
    if test == CELL:
        return trips_cell(m, x0, x1, x2, f)
    return trips_chord(m, x0, x1, x2, f)


def _make(weight, name, one):
    step = STEPS[weight, name]
    size = {"row": 0, "f4": 4, "f8": 8}[weight]

    @inlined
    def stream(cells, cell, shift, post, at, targets, values, first, weights, n, q, j, f, listed):
        """Add `n` arrivals; list positions of neurons that trip (2 i, plus 1 if they were hot). Returns how many.

        cells, post, values : arrays of states, targets, weights; at, first : where the first target and weight lie in them;
        cell, targets, weights : addresses of the states, of that target and of that weight.
        """
        j0, j1, j2 = j[0], j[1], j[2]
        f0, f1, f2, f3, f4, f5, f6, f7, f8 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]
        found = 0
        i = 0
        while i + 4 <= n:
            flags = step(cell, shift, targets + 4 * i, weights + size * i, q, j0, j1, j2, f0, f1, f2, f3, f4, f5, f6, f7, f8)
            if flags & 15:
                for lane in range(4):
                    if (flags >> lane) & 1:
                        listed[found] = 2 * (i + lane) + ((flags >> (4 + lane)) & 1)
                        found += 1
            i += 4
        while i < n:
            to = np.uint64(post[np.uint64(at + i)])
            w = q if size == 0 else np.float64(values[np.uint64(first + i)]) * q
            m = cells[to, MARGIN]
            x0, x1, x2 = cells[to, MODES] + w * j0, cells[to, MODES + 1] + w * j1, cells[to, MODES + 2] + w * j2
            cells[to, MODES], cells[to, MODES + 1], cells[to, MODES + 2] = x0, x1, x2
            if m != -np.inf and one(m, x0, x1, x2, f):
                listed[found] = 2 * i + (1 if m == np.inf else 0)
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
