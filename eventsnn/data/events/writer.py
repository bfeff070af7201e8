"""Write events as N-MNIST ``.bin`` or SLAYER ``.bs2``: 5 bytes an event, see `packed`."""

import os

import numpy as np

from ...errors import InputError, ParameterError
from ...io import atomic_path
from .columns import MICROSECOND, Unwrap
from .packed import MARK

PERIOD, LATEST = 1 << 23, 1 << 52  # us
FORMATS = ("bin", "bs2")


def write_events(path, events, format=None):
    """Write `events` to the file `path`, atomically; `format` is "bin" or "bs2", by default what the name ends in.

    Times are rounded to whole microseconds; those of 2^23 us = 8.39 s and more wrap, and `open_events` unwraps them. Raises
    `InputError` for events that are not in order, x or y beyond 255, y = 240 in a ``bin`` (which means no event there), and
    silences that could not be told when read; `ParameterError` for other formats. Nothing is written then.

    >>> write_events("two.bs2", Events([0.1, 0.2], [3, 4], [0, 0], [1, 0]))     # doctest: +SKIP
    """
    format = format or os.path.splitext(os.fspath(path))[1].lower()[1:]
    if format not in FORMATS:
        raise ParameterError(f"format must be 'bin' or 'bs2', or what the name ends in, got {format!r}")
    events.check(width=256, height=256)
    if format == "bin" and (events.y == MARK).any():
        raise InputError(f"y of event {int(np.argmax(events.y == MARK))} is 240, which a .bin keeps for marks; write a .bs2")
    if len(events) and events.t[-1] > LATEST * MICROSECOND:
        raise InputError(f"times of a .{format} must be at most {LATEST * MICROSECOND:g} s, got {events.t[-1].item()!r}")
    microseconds = np.rint(events.t / MICROSECOND).astype(np.int64)
    kept = microseconds & PERIOD - 1
    wrong = Unwrap(PERIOD)(kept) != microseconds
    if wrong.any():
        k = int(np.argmax(wrong))
        raise InputError(f"event {k} at {events.t[k].item()!r} s would be read as an earlier one from a .{format}, whose times "
                         "wrap at multiples of 8.388608 s: begin before the first, leave no silence of 4.194304 s across one")
    data = np.empty((len(events), 5), np.uint8)
    data[:, 0], data[:, 1] = events.x, events.y
    data[:, 2] = events.p << 7 | kept >> 16
    data[:, 3], data[:, 4] = kept >> 8 & 255, kept & 255
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
