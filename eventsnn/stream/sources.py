"""What a stream reads: frames, or the events of a camera, as numbered items on one time axis."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, ParameterError
from ..types import Spikes

LATE = ("refuse", "drop")
POLARITIES = ("both", "on", "off")


@dataclass(frozen=True, eq=False)
class Item:
    """A piece of a stream from `start` to `end` (s): `values` of a frame [n], or `spikes` of events (times as in the stream).

    number : counts from 0; label : the right answer, None if not known; due : s, when all of it has arrived
    """

    number: int
    start: float
    end: float
    due: float
    values: np.ndarray | None = None
    spikes: Spikes | None = None
    label: int | None = None


def seconds(value, name, owner):
    """`value` as a float; raises `ParameterError` unless it is a finite number > 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) \
            or not np.isfinite(value) or not value > 0.0:
        raise ParameterError(f"{name} of {owner} must be a finite number of seconds > 0, got {value!r}")
    return float(value)


class FrameSource:
    """Frames of a video or images one after the other; each is held for `period` s, and the network goes on without a reset.

    frames : iterable of arrays in the range that the network was trained on, in its input shape, of which axes of length 1 may
        be missing (of any shape with as many numbers, if the network takes a plain vector)
    labels : iterable of the right answers, or None; with them the stream counts accuracy
    signed : frames may hold negative values, for which the network gets a second input population

    Frames are read when they are needed. A frame of another size, NaN or infinite raises `InputError` with its number.

    >>> import numpy as np, eventsnn as es
    >>> source = es.FrameSource([np.zeros((2, 2)), np.ones((2, 2))], period=0.1)
    >>> [(item.number, item.start, item.values.tolist()) for item in source.items((4,))]
    [(0, 0.0, [0.0, 0.0, 0.0, 0.0]), (1, 0.1, [1.0, 1.0, 1.0, 1.0])]
    """

    kind = "frames"

    def __init__(self, frames, period=0.15, labels=None, signed=False):
        self.frames, self.labels, self.signed = frames, labels, bool(signed)
        self.period = seconds(period, "period", "FrameSource")

    def items(self, shape, first=0):
        """The `Item`s for a network of input `shape`, numbered from `first`."""
        labels = None if self.labels is None else iter(self.labels)
        for number, frame in enumerate(self.frames, first):
            start = number * self.period
            label = None if labels is None else self._label(labels, number)
            values = self._checked(frame, shape, number)
            yield Item(number, start, (number + 1) * self.period, start, values=values, label=label)

    def _label(self, labels, number):
        label = next(labels, None)
        if label is None:
            raise InputError(f"labels of FrameSource end before frame {number}")
        return int(label)

    def _checked(self, frame, shape, number):
        try:
            values = np.asarray(frame, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"frame {number} is not an array of numbers: {type(frame).__name__}") from None
        if _squeezed(values.shape) != _squeezed(shape) and (len(shape) != 1 or values.size != shape[0]):
            raise InputError(f"frame {number} has shape {list(values.shape)}; the network takes {list(shape)}")
        values = values.ravel()
        if not np.isfinite(values).all():
            raise InputError(f"frame {number} holds {values[~np.isfinite(values)][0]}; values must be finite")
        if not self.signed and values.min(initial=0.0) < 0.0:
            raise InputError(f"frame {number} holds {values.min()}; negative values need FrameSource(..., signed=True)")
        return values


class EventSource:
    """Events of a camera as input spikes, cut into items of `period` s, each of which gets a decision.

    chunks : iterable of chunks, each an object with arrays t (s), x, y, p of equal length, or a tuple (x, y, t, p); p > 0 is on
    shape : (height, width) or (1, height, width) of the network's input, all events alike; (2, height, width): by polarity. The
        input neuron of an event is (polarity * height + y) * width + x, with polarity 0 for off and 1 for on
    size : (height, width) of the sensor, None: as `shape`. The largest whole multiple of the network's input that fits is cut
        out of its middle, and squares of that many pixels go to one neuron; events outside are counted in `cropped`
    polarity : "both", "on" or "off": which events count
    height : of the pulse that an event gives to the first layer of a converted network, None: its m_f. Events at rate r look
        like the analog value height * r * tau_eta
    late : "refuse" or "drop" events that are earlier than one before them; those dropped are counted in `late_events`

    The first event is at t = 0 of the stream. Events off the sensor and times that are not finite raise `InputError` with the
    number of the event.

    >>> import eventsnn as es
    >>> source = es.EventSource([([0, 1], [0, 0], [5.0, 5.15], [1, 0])], shape=(1, 2), period=0.1)
    >>> [(item.number, item.spikes.neurons.tolist()) for item in source.items((2,))]
    [(0, [0]), (1, [1])]
    """

    kind = "events"
    signed = False

    def __init__(self, chunks, shape, *, size=None, period=0.1, polarity="both", height=None, late="refuse"):
        self.chunks = chunks
        self.shape = tuple(_whole(n, "shape") for n in shape)
        if len(self.shape) not in (2, 3) or len(self.shape) == 3 and self.shape[0] not in (1, 2):
            raise ParameterError(f"shape of EventSource must be (height, width) or (1 or 2, height, width), got {shape!r}")
        self.size = self.shape[-2:] if size is None else tuple(_whole(n, "size") for n in size)
        if len(self.size) != 2 or any(s < n for s, n in zip(self.size, self.shape[-2:])):
            raise ParameterError(f"size of EventSource must be (height, width), at least {self.shape[-2:]}, got {size!r}")
        if polarity not in POLARITIES:
            raise ParameterError(f"polarity of EventSource must be one of {', '.join(POLARITIES)}, got {polarity!r}")
        if late not in LATE:
            raise ParameterError(f"late of EventSource must be one of {', '.join(LATE)}, got {late!r}")
        self.period = seconds(period, "period", "EventSource")
        if height is not None and (isinstance(height, bool) or not isinstance(height, int | float) or not np.isfinite(height)):
            raise ParameterError(f"height of EventSource must be a finite number, got {height!r}")
        self.polarity, self.height, self.late = polarity, height, late
        self.factor = min(s // n for s, n in zip(self.size, self.shape[-2:]))
        self.cropped = self.late_events = 0

    @property
    def n(self):
        """Number of input neurons."""
        return int(np.prod(self.shape))

    def items(self, shape, first=0):
        """The `Item`s for a network of input `shape`, numbered from `first`; raises `InputError` if `shape` does not fit."""
        if int(np.prod(shape)) != self.n:
            raise InputError(f"shape {self.shape} of EventSource makes {self.n} inputs; the network takes {list(shape)}")
        number, times, neurons = first, [], []
        for now, t, ids in self._events(first):
            while now >= (number + 1) * self.period:
                here = int(np.searchsorted(t, (number + 1) * self.period, side="left"))
                yield self._item(number, [*times, t[:here]], [*neurons, ids[:here]])
                t, ids, times, neurons, number = t[here:], ids[here:], [], [], number + 1
            times.append(t)
            neurons.append(ids)
        if times:
            yield self._item(number, times, neurons)

    def _item(self, number, times, neurons):
        start, end = number * self.period, (number + 1) * self.period
        return Item(number, start, end, end, spikes=Spikes.in_order(np.concatenate(times), np.concatenate(neurons)))

    def _events(self, first):
        """(time of the last event, times in the stream, neurons) of every chunk, in order."""
        origin, last, seen = None, -np.inf, 0
        for chunk in self.chunks:
            t, x, y, p = self._columns(chunk, seen)
            if not t.size:
                continue
            self._check(t, x, y, seen)
            latest = np.maximum.accumulate(np.concatenate([[last], t]))
            behind = t < latest[:-1]
            if behind.any() and self.late == "refuse":
                k = int(np.flatnonzero(behind)[0])
                raise InputError(f"event {seen + k} is at {t[k]} s, after one at {latest[k]} s; events must be in order of "
                                 f"time, or EventSource(..., late='drop')")
            self.late_events += int(behind.sum())
            seen, last = seen + t.size, latest[-1]
            origin = t[~behind][0] - first * self.period if origin is None else origin
            yield last - origin, *self._placed(t[~behind] - origin, x[~behind], y[~behind], p[~behind])

    def _columns(self, chunk, seen):
        if hasattr(chunk, "t"):
            columns = chunk.t, chunk.x, chunk.y, chunk.p
        elif isinstance(chunk, tuple) and len(chunk) == 4:
            columns = chunk[2], chunk[0], chunk[1], chunk[3]
        else:
            raise InputError(f"chunks of EventSource must have t, x, y, p or be tuples (x, y, t, p); after event {seen} came "
                             f"{type(chunk).__name__}")
        t, x, y, p = (np.atleast_1d(np.asarray(column)) for column in columns)
        if not t.shape == x.shape == y.shape == p.shape or t.ndim != 1:
            sizes = ", ".join(str(column.size) for column in (t, x, y, p))
            raise InputError(f"t, x, y, p of a chunk must be lists of equal length; after event {seen} came {sizes}")
        for name, column in (("t", t), ("x", x), ("y", y), ("p", p)):
            if column.dtype.kind not in "iufb":
                raise InputError(f"{name} of a chunk must be numbers; after event {seen} came {column.dtype}")
        return t.astype(np.float64), x, y, p

    def _check(self, t, x, y, seen):
        height, width = self.size
        wrong = ~np.isfinite(t) | ~((x >= 0) & (x < width) & (y >= 0) & (y < height)) | (np.floor(x) != x) | (np.floor(y) != y)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise InputError(f"event {seen + k} has x = {x[k]}, y = {y[k]}, t = {t[k]} s; the sensor has {width} columns and "
                             f"{height} rows, and times must be finite")

    def _placed(self, t, x, y, p):
        """The events that fall on the network's input, with their neurons."""
        rows, columns = self.shape[-2:]
        top, left = ((s - n * self.factor) // 2 for s, n in zip(self.size, (rows, columns)))
        y, x = (y.astype(np.int64) - top), (x.astype(np.int64) - left)
        inside = (y >= 0) & (x >= 0) & (y < rows * self.factor) & (x < columns * self.factor)
        self.cropped += int(t.size - inside.sum())
        on = p > 0
        if self.polarity != "both":
            inside &= on if self.polarity == "on" else ~on
        side = on[inside].astype(np.int64) if self.shape[0] == 2 and len(self.shape) == 3 else 0
        return t[inside], (side * rows + y[inside] // self.factor) * columns + x[inside] // self.factor


def _squeezed(shape):
    return [n for n in shape if n != 1]


def _whole(value, name):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(f"{name} of EventSource must be whole numbers >= 1, got {value!r}")
    return int(value)
