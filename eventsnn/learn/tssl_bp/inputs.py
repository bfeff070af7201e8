"""Samples for TSSL-BP: images that stay for all steps, recordings of event cameras in bins, and spike trains with given
targets."""

import numpy as np

from ...errors import InputError, ParameterError

SACCADE, UP, ACROSS = 105e-3, 7.0, 3.5  # s; pixels that a saccade of N-MNIST moves the digit, down and sideways


class Images:
    """Images, normalised: (x - mean) / std; x from 0 to 1 if uint8.

    images [n, height, width], [n, height, width, channels] or [n, inputs]; labels [n]; mean, std : numbers or one per channel
    crop : in training images are cut from their place in a frame of so many zeros (before normalisation), at random
    flip : in training every other image, at random, is mirrored
    Raises `InputError`.

    >>> Images(np.zeros((3, 2, 2), np.uint8), [0, 1, 1], mean=0.5).inputs(np.array([0]), 0, False).tolist()
    [[-0.5, -0.5, -0.5, -0.5]]
    """

    static = True

    def __init__(self, images, labels, *, mean=0.0, std=1.0, crop=0, flip=False, seed=0):
        images = np.asarray(images)
        if images.ndim not in (2, 3, 4) or not images.size or images.dtype.kind not in "uif" or not np.isfinite(images).all():
            raise InputError(f"images must be finite [n, height, width], with channels behind, or [n, inputs]; got "
                             f"{images.dtype} {images.shape}")
        if (crop or flip) and images.ndim == 2:
            raise ParameterError(f"crop and flip need images with places, got crop {crop!r}, flip {flip!r} for [n, inputs]")
        self.images, self.labels = images, labels_of(labels, len(images))
        self.shape = {2: (1, 1, *images.shape[1:]), 3: (*images.shape[1:], 1), 4: images.shape[1:]}[images.ndim]
        self.mean, self.std = np.float64(mean), np.float64(std)
        if not np.all(self.std > 0.0) or not np.all(np.isfinite(self.std) & np.isfinite(self.mean)):
            raise ParameterError(f"mean and std must be finite, std > 0, got {mean!r} and {std!r}")
        self.crop, self.flip, self.seed = int(crop), bool(flip), int(seed)

    def __len__(self):
        return len(self.labels)

    def inputs(self, samples, epoch, training, dtype=np.float64):
        """[b, inputs] of the samples with these numbers; in training changed at random, by (seed, epoch, number)."""
        found = self.images[samples].reshape(len(samples), *self.shape)
        if training and (self.crop or self.flip):
            found = self._moved(found, samples, epoch)
        scale = 255.0 if self.images.dtype == np.uint8 else 1.0
        a, b = 1.0 / (scale * self.std), self.mean / self.std
        return (found * a - b).astype(dtype).reshape(len(samples), -1)

    def _moved(self, found, samples, epoch):
        high, wide = self.shape[:2]
        draws = _draws(self.seed, epoch, samples)
        if self.crop:
            edge = self.crop
            framed = np.pad(found, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
            rows = draws[:, :1] % (2 * edge + 1) + np.arange(high)
            columns = draws[:, 1:2] % (2 * edge + 1) + np.arange(wide)
            found = framed[np.arange(len(found))[:, None, None], rows[:, :, None], columns[:, None, :]]
        if self.flip:
            found = np.where((draws[:, 2] % 2 == 1)[:, None, None, None], found[:, :, ::-1], found)
        return found


class Recordings:
    """Recordings of an event camera in steps of `bin` s: at most one spike per pixel, polarity and step.

    recordings : `data.events.Events`, one per label; labels [n]; size : pixels on a side; steps : bins that are kept, from time
        0
    stabilised : the three saccades of N-MNIST, 105 ms each, are undone
    shift : in training recordings are moved by up to so many pixels in either direction, anew in every epoch, by `seed`
    Channels are the polarities (off, on). Raises `InputError`, `ParameterError`.

    >>> from eventsnn.data.events import Events
    >>> film = Recordings([Events([0.001, 0.002, 0.004], [0, 0, 1], [1, 1, 1], [1, 1, 0])], [1], size=2, steps=2)
    >>> film.inputs(np.array([0]), 0, False)[0].nonzero()
    (array([0, 1]), array([5, 6]))
    """

    static = False

    def __init__(self, recordings, labels, *, size, steps, bin=3e-3, stabilised=False, shift=0, seed=0):
        if not 0.0 < bin < np.inf or not 1 <= size or not 1 <= steps:
            raise ParameterError(f"bin must be > 0, size and steps >= 1, got {bin!r}, {size!r} and {steps!r}")
        if isinstance(shift, bool) or not isinstance(shift, int) or not 0 <= shift < size:
            raise ParameterError(f"shift must be a whole number of pixels from 0 to {size - 1}, got {shift!r}")
        self.shape, self.steps, self.shift, self.seed, found = (size, size, 2), int(steps), shift, int(seed), []
        for events in recordings:
            events.check(size, size)
            x, y = events.x.astype(np.float64), events.y.astype(np.float64)
            if stabilised:
                dx, dy = saccades(events.t)
                x, y = np.rint(x + dx), np.rint(y + dy)
            step = np.floor(events.t / bin + 1e-6).astype(np.int64)
            kept = (step < steps) & (x >= 0) & (x < size) & (y >= 0) & (y < size)
            place = ((y[kept] * size + x[kept]) * 2 + events.p[kept]).astype(np.int64)
            found.append(np.unique(step[kept] * (2 * size * size) + place).astype(np.int32))
        self.labels = labels_of(labels, len(found))
        self.first = np.concatenate([[0], np.cumsum([len(index) for index in found])])
        self.index = np.concatenate(found)

    def __len__(self):
        return len(self.labels)

    def inputs(self, samples, epoch, training, dtype=np.float64):
        """Spikes uint8 [b, steps, inputs] of the samples with these numbers."""
        found = np.zeros((len(samples), self.steps, int(np.prod(self.shape))), np.uint8)
        moves = np.zeros((len(samples), 2), np.int64)
        if training and self.shift:
            moves = _draws(self.seed, epoch, samples)[:, :2] % (2 * self.shift + 1) - self.shift
        for row, k, move in zip(found, samples, moves):
            index = self.index[self.first[k]:self.first[k + 1]]
            row.ravel()[self._moved(index, *move) if move.any() else index] = 1
        return found

    def _moved(self, index, down, right):
        size = self.shape[0]
        lines, place = np.divmod(index // 2, size)
        steps, y = np.divmod(lines, size)
        y, x = y + down, place + right
        kept = (y >= 0) & (y < size) & (x >= 0) & (x < size)
        return (((steps * size + y) * size + x) * 2 + index % 2)[kept]


class Trains:
    """Input spike trains [n, steps, inputs] (0 or 1) with the output trains [n, steps, outputs] to be learned.

    Raises `InputError`.

    >>> Trains(np.eye(3)[None], np.zeros((1, 3, 1))).shape
    (1, 1, 3)
    """

    static = False

    def __init__(self, inputs, targets):
        self.spikes, self.targets = (_trains(name, value) for name, value in (("inputs", inputs), ("targets", targets)))
        if self.spikes.shape[:2] != self.targets.shape[:2]:
            raise InputError(f"inputs and targets must have the same samples and steps, got {self.spikes.shape} and "
                             f"{self.targets.shape}")
        self.shape, self.steps, self.labels = (1, 1, self.spikes.shape[2]), self.spikes.shape[1], None

    def __len__(self):
        return len(self.spikes)

    def inputs(self, samples, epoch, training, dtype=np.float64):
        """Spikes uint8 [b, steps, inputs] of the samples with these numbers."""
        return self.spikes[samples]


def _draws(seed, epoch, samples):
    """Three numbers [b, 3] for every sample, by (seed, epoch, its number)."""
    return np.array([np.random.default_rng([seed, 3, epoch, k]).integers(0, 1 << 30, 3) for k in samples])


def _trains(name, value):
    value = np.asarray(value)
    if value.ndim != 3 or not value.size or not np.isin(value, (0, 1)).all():
        raise InputError(f"{name} must be spike trains [n, steps, neurons] of 0 and 1, got {value.dtype} {value.shape}")
    return value.astype(np.uint8)


def labels_of(labels, n):
    """Labels int64 [n]; raises `InputError` unless they are whole numbers >= 0, one per sample."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or not n or labels.min() < 0:
        raise InputError(f"labels must be {n} whole numbers >= 0, one per sample, got {labels.dtype} {labels.shape}")
    return labels.astype(np.int64)


def saccades(t):
    """By how much the three saccades of N-MNIST have moved the digit at times `t` [n] (s), to be added: (dx, dy) in pixels.

    The camera goes down a triangle: right and down, right and up, back left. Source: Orchard et al. (2015), section 2.2.

    >>> [shift.tolist() for shift in saccades(np.array([0.0525, 0.105, 0.21]))]
    [[-1.75, -3.5, -7.0], [-3.5, -7.0, -0.0]]
    """
    first, second, third = (np.clip(t - k * SACCADE, 0.0, SACCADE) / SACCADE for k in range(3))
    return -ACROSS * (first + second - 2.0 * third), -UP * (first - second)
