"""Random distortions of images that are given as spike times: a network that sees each image anew in every epoch learns more.

Early spikes are bright: with u = (LATE - t) / (LATE - EARLY), 0 for a silent pixel, an image is warped by reading u, between
pixels, at displaced places: an affine map plus displacements of a coarse grid of points (Simard, Steinkraus and Platt, ICDAR
2003, describe both for MNIST).
"""

import math

import numpy as np

from ..data.yin_yang import EARLY, LATE
from ..errors import InputError
from ..jit import jit

POINTS = 5  # grid points per side


@jit
def _between(values, y, x):
    """Bilinear interpolation of the square `values` at (y, x); 0 outside."""
    size = values.shape[0]
    row, column = math.floor(y), math.floor(x)
    total = 0.0
    for i in range(int(row), int(row) + 2):
        for j in range(int(column), int(column) + 2):
            if 0 <= i < size and 0 <= j < size:
                total += values[i, j] * (1.0 - abs(y - i)) * (1.0 - abs(x - j))
    return total


@jit
def _warp(times, side, matrix, shift, grid, dark, out):
    u, middle, scale = np.empty((side, side)), 0.5 * (side - 1), (POINTS - 1.0) / (side - 1)
    for n in range(times.shape[0]):
        for i in range(side):
            for j in range(side):
                t = times[n, i * side + j]
                u[i, j] = (LATE - t) / (LATE - EARLY) if t < LATE else 0.0
        for i in range(side):
            for j in range(side):
                y, x = i - middle, j - middle
                down = _between(grid[n, 0], scale * i, scale * j)
                right = _between(grid[n, 1], scale * i, scale * j)
                value = _between(u, middle + matrix[n, 0, 0] * y + matrix[n, 0, 1] * x + shift[n, 0] + down,
                                 middle + matrix[n, 1, 0] * y + matrix[n, 1, 1] * x + shift[n, 1] + right)
                out[n, i * side + j] = LATE - value * (LATE - EARLY) if value > 0.0 else dark


def warped(times, affine, shift, elastic, draw):
    """Distorted copies [n, side * side] of square images given as spike `times` [n, side * side] (units of tau_syn).

    affine : spread of the entries of the map's matrix around those of the identity
    shift, elastic : spread of the shift, and of the displacements of 5 x 5 points, in pixels
    draw : a `numpy.random.Generator`

    What lies beyond the edge is dark; dark pixels spike when the darkest of `times` does, or never.
    Raises `InputError` unless every row is a square of at least 2 x 2.

    >>> image = np.full((1, 9), 2.0); image[0, 4] = 0.15
    >>> np.array_equal(warped(image, 0.0, 0.0, 0.0, np.random.default_rng(0)), image)
    True
    """
    side = math.isqrt(times.shape[1])
    if side < 2 or side * side != times.shape[1]:
        raise InputError(f"warping needs square images of at least 2 x 2, got {times.shape[1]} inputs")
    n, out = len(times), np.empty(times.shape)
    matrix = np.eye(2) + draw.normal(0.0, affine, (n, 2, 2))
    moved, grid = draw.normal(0.0, shift, (n, 2)), draw.normal(0.0, elastic, (n, 2, POINTS, POINTS))
    _warp(times, side, matrix, moved, grid, float(times.max()), out)
    return out
