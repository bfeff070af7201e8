"""Events as four columns, and what is checked about them."""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError

MICROSECOND = 1e-6


@dataclass(frozen=True, eq=False)
class Events:
    """Events of a camera or another address-event sensor, as four arrays of one length.

    t : time in s, float64; x, y : column and row of the pixel, int32; p : polarity, uint8, 1 for ON and 0 for OFF

    The arrays are converted to these types, but order and range are not checked: `check` does that. `len()` counts the
    events, and a slice of events is again `Events`. Raises `InputError` for arrays that are not flat, differ in length, or
    hold values that the types cannot.

    >>> events = Events([0.001, 0.002], [3, 4], [0, 0], [1, 0])
    >>> len(events), events[1:].x
    (2, array([4], dtype=int32))
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray

    def __post_init__(self):
        for name, dtype in (("t", np.float64), ("x", np.int32), ("y", np.int32), ("p", np.uint8)):
            column = np.asarray(getattr(self, name))
            if column.ndim != 1:
                raise InputError(f"{name} of Events must be a flat array, got the shape {column.shape}")
            with np.errstate(invalid="ignore"):
                converted = column.astype(dtype, copy=False)
            if not np.can_cast(column.dtype, dtype) and not np.array_equal(converted, column, equal_nan=name == "t"):
                k = int(np.argmax(converted != column))
                raise InputError(f"{name} of Events must fit into {np.dtype(dtype)}, got {column[k].item()!r} for event {k}")
            object.__setattr__(self, name, converted)
        lengths = [len(column) for column in (self.t, self.x, self.y, self.p)]
        if len(set(lengths)) > 1:
            raise InputError("t, x, y and p of Events differ in length: " + ", ".join(map(str, lengths)))

    def __len__(self):
        return len(self.t)

    def __getitem__(self, part):
        if not isinstance(part, (slice, np.ndarray)):
            raise InputError(f"Events are cut by a slice or an index array, got {part!r}")
        return Events(self.t[part], self.x[part], self.y[part], self.p[part])

    def check(self, width=None, height=None, ordered=True, first=0):
        """Return these events if they are in order: t finite, >= 0 and not falling, 0 <= x < width, 0 <= y < height, p 0 or 1.

        `width` and `height` of None mean no upper limit, `ordered=False` leaves out the order. Raises `InputError`, which
        names the first event that breaks a rule, counted from `first`.

        >>> len(Events([0.2, 0.2], [0, 1], [0, 0], [1, 1]).check(width=2, height=1))
        2
        """
        for name, size in (("t", np.inf), ("x", width), ("y", height), ("p", 2)) if len(self) else ():
            column = getattr(self, name)
            if not (column.min() >= 0 and (size is None or column.max() < size)):  # NaN fails this too
                k = int(np.argmin((column >= 0) & (True if size is None else column < size)))
                rule = "must be >= 0" if size is None else f"must lie in [0, {size})"
                raise InputError(f"{name} of event {first + k} {rule}, got {column[k].item()!r}")
        if ordered:
            refuse_unordered(self.t, first)
        return self


def refuse_unordered(t, first=0, before=-np.inf):
    """Raise `InputError` unless `t`, whose first entry is event `first` and follows the time `before`, never falls.

    >>> refuse_unordered(np.array([0.1, 0.1, 0.2]), before=0.1)
    """
    if len(t) and t[0] < before:
        raise InputError(f"event {first} is earlier than the one before it: {t[0].item()!r} s after {before.item()!r} s")
    falls = t[1:] < t[:-1]
    if falls.any():
        k = int(np.argmax(falls))
        raise InputError(f"event {first + k + 1} is earlier than the one before it: "
                         f"{t[k + 1].item()!r} s after {t[k].item()!r} s")


def joined(pieces):
    """One `Events` out of a list of them.

    >>> one = Events([0.5], [0], [0], [1])
    >>> joined([one, one]).t
    array([0.5, 0.5])
    """
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return Events([], [], [], [])
    return Events(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("t", "x", "y", "p")))


class Unwrap:
    """Undo the wrapping of a counter that has `period` states: a fall by more than half of them is a new turn.

    A smaller fall is kept, so that disorder shows as disorder. Silences longer than half a period across a turn cannot be
    told from disorder, and full turns without any event leave no trace.

    >>> Unwrap(100)(np.array([98, 3, 2, 99, 0]))
    array([ 98, 103, 102, 199, 200])
    """

    def __init__(self, period):
        self.period, self.turns, self.last = period, 0, None

    def __call__(self, counts):
        """`counts` int64 [n], the next ones, without wrapping."""
        if not len(counts):
            return counts
        last = counts[0] if self.last is None else self.last
        self.last = counts[-1]
        if counts[0] - last >= -(self.period // 2) and not self.turns and (counts[1:] >= counts[:-1]).all():
            return counts
        falls = np.diff(counts, prepend=last) < -(self.period // 2)
        turns = self.turns + np.cumsum(falls)
        self.turns = int(turns[-1])
        return counts + turns * self.period
