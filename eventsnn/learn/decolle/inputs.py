"""Samples as spikes in steps of 1 ms: images as Poisson spikes, drawn anew in every epoch, and recordings of event cameras."""

import numpy as np

from ...errors import InputError, ParameterError
from . import kernels

DRAW, SHIFT, START = 1, 2, 3  # kinds of random numbers
TEST = 1 << 40  # the "epoch" whose spikes are those of every test


class PoissonImages:
    """Images whose pixels spike with probability `peak` times brightness in every step.

    images [n, height, width] or [n, pixels], 0 to 255 as uint8, or 0 to 1; labels [n]
    shift : in training images are moved by up to so many pixels in either direction, drawn anew in every epoch
    Spikes are a function of (seed, epoch, number of the sample, step, pixel). Raises `InputError`, `ParameterError`.

    >>> images = PoissonImages(np.ones((2, 4)), [0, 1])
    >>> images.shape, images.spikes(0, 100).shape
    ((4,), (100, 4))
    """

    def __init__(self, images, labels, *, peak=0.2, shift=0, seed=0):
        images = np.asarray(images)
        bright = images / np.float64(255.0 if images.dtype == np.uint8 else 1.0)
        if images.ndim not in (2, 3) or not images.size or not (np.isfinite(bright).all() and 0 <= bright.min()
                                                                and bright.max() <= 1):
            raise InputError(f"images must be [n, height, width] or [n, pixels] of uint8, or of numbers from 0 to 1, got "
                             f"{images.dtype} {images.shape}")
        if not 0.0 < peak <= 1.0:
            raise ParameterError(f"peak must lie in (0, 1], got {peak!r}")
        if shift and images.ndim != 3:
            raise ParameterError(f"shift must be 0 for images without places, got {shift!r}")
        self.shape = (images.shape[1:] if images.ndim == 2 else (*images.shape[1:], 1))
        self.labels = labels_of(labels, len(images))
        self.chance = np.minimum(np.rint(65536.0 * peak * bright), 65535.0).astype(np.uint16)
        self.shift, self.seed = shift, int(seed)

    def __len__(self):
        return len(self.labels)

    def begin(self, samples, epoch, steps, training):
        """A feed for `samples` (their numbers): call it as feed(step, out), out uint8 [b, n_in]."""
        epoch = epoch if training else TEST
        chance = self.chance[samples]
        if training and self.shift:
            chance = moved(chance, _draws(self.seed, SHIFT, epoch, samples, 2, 2 * self.shift + 1) - self.shift)
        chance = np.ascontiguousarray(chance.reshape(len(samples), -1))
        keys = _keys(self.seed, DRAW, epoch, samples)
        return lambda step, out: kernels.poisson(chance, keys, step, out)

    def spikes(self, sample, steps):
        """The test spikes of one sample: uint8 [steps, n_in]."""
        return _recorded(self, sample, steps)


class Recordings:
    """Recordings of an event camera: their events, sorted by time, in bins of `bin` s; a bin is a step.

    recordings : `data.events.Events`, one after the other; labels [n]; size : pixels on a side of the sensor
    side : pixels on a side that are left after adding up blocks; what is beyond side x (size // side) is cut off on all sides
    most : counts per bin and pixel are cut to this
    shift : as in `PoissonImages`, in pixels that are left. random_start : training windows begin anywhere between 0 and the end
    of the recording minus `random_start` windows (0: always at its start)
    Raises `InputError`, `ParameterError`.

    >>> from eventsnn.data.events import Events
    >>> film = Recordings([Events([0.0005, 0.0025], [0, 3], [0, 3], [1, 0])], [1], size=4, side=2)
    >>> film.shape, film.spikes(0, 3).sum(axis=1).tolist()
    ((2, 2, 2), [1, 0, 1])
    """

    def __init__(self, recordings, labels, *, size, side, bin=1e-3, most=1, shift=0, random_start=0, seed=0):
        if not 1 <= side <= size:
            raise ParameterError(f"side must be from 1 to size = {size}, got {side!r}")
        if not 0.0 < bin < np.inf or not 1 <= most <= 255:
            raise ParameterError(f"bin must be > 0 and most from 1 to 255, got {bin!r} and {most!r}")
        self.shape = (side, side, 2)
        self.most, self.shift, self.random_start, self.seed = most, shift, random_start, int(seed)
        block = size // side
        edge = (size - block * side) // 2
        steps, index = [], []
        for events in recordings:
            events.check(size, size)
            x, y = (events.x - edge) // block, (events.y - edge) // block
            inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
            steps.append(np.floor(events.t[inside] / bin + 1e-6).astype(np.int32))
            index.append(((y * side + x) * 2 + events.p)[inside].astype(np.int32))
        self.labels = labels_of(labels, len(steps))
        self.first = np.concatenate([[0], np.cumsum([len(s) for s in steps])]).astype(np.int64)
        self.step, self.index = np.concatenate(steps), np.concatenate(index)
        self.lengths = np.array([s[-1] + 1 if len(s) else 0 for s in steps])

    def __len__(self):
        return len(self.labels)

    def begin(self, samples, epoch, steps, training):
        """A feed for `samples` (their numbers), windows of `steps` steps: call it as feed(step, out), in order of the steps."""
        samples = np.asarray(samples)
        start, step, index = np.zeros(len(samples), np.int64), self.step, self.index
        at, end = self.first[samples], self.first[samples + 1]
        if training and self.random_start:
            room = np.maximum(self.lengths[samples] - self.random_start * steps, 0) + 1
            start = _keys(self.seed, START, epoch, samples) % room.astype(np.uint64)
            start = start.astype(np.int64)
        if training and self.shift:
            moves = _draws(self.seed, SHIFT, epoch, samples, 2, 2 * self.shift + 1) - self.shift
            parts = [slice(a, b) for a, b in zip(at, end)]
            step = np.concatenate([self.step[part] for part in parts])
            index = np.concatenate([_moved_index(self.index[part], *move, self.shape[0]) for part, move in zip(parts, moves)])
            end = np.cumsum(end - at)
            at = np.concatenate([[0], end[:-1]])
        at = at.copy()
        return lambda now, out: kernels.gather_events(step, index, at, end, start + now, self.most, out)

    def spikes(self, sample, steps):
        """The test window of one sample: uint8 [steps, n_in]."""
        return _recorded(self, sample, steps)


def labels_of(labels, n):
    """Labels int64 [n]; raises `InputError` unless they are whole numbers >= 0, one per sample."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or not n or labels.min() < 0:
        raise InputError(f"labels must be {n} whole numbers >= 0, one per sample, got {labels.dtype} {labels.shape}")
    return labels.astype(np.int64)


def moved(images, moves):
    """images [b, height, width], each moved by moves [b, 2] (rows, columns); zeros come in.

    >>> moved(np.eye(2)[None], [[0, 1]])[0].tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    b, height, width = images.shape
    edge = int(np.abs(moves).max(initial=0))
    wide = np.zeros((b, height + 2 * edge, width + 2 * edge), images.dtype)
    wide[:, edge:edge + height, edge:edge + width] = images
    rows = edge - np.asarray(moves)[:, :1] + np.arange(height)
    columns = edge - np.asarray(moves)[:, 1:] + np.arange(width)
    return wide[np.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _moved_index(index, down, right, side):
    place = index >> 1
    y, x = place // side + down, place % side + right
    inside = (y >= 0) & (y < side) & (x >= 0) & (x < side)
    return np.where(inside, ((y * side + x) << 1) + (index & 1), -1).astype(np.int32)


def _keys(seed, kind, epoch, samples):
    out = np.empty(len(samples), np.uint64)
    kernels.keys_of(seed, kind, epoch, np.asarray(samples, np.int64), out)
    return out


def _draws(seed, kind, epoch, samples, count, below):
    """Whole numbers 0 ... below - 1: [n, count]."""
    keys = _keys(seed, kind, epoch, samples)
    return np.stack([(keys >> np.uint64(16 * k)) % np.uint64(below) for k in range(count)], axis=1).astype(np.int64)


def _recorded(data, sample, steps):
    n = int(np.prod(data.shape))
    feed, found = data.begin(np.array([sample]), 0, steps, False), np.zeros((steps, n), np.uint8)
    for step in range(steps):
        feed(step, found[step:step + 1])
    return found
