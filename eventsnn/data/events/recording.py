"""Recordings of event cameras and other address-event sensors: one entrance for all formats."""

import os

import numpy as np

from ...errors import FormatError, InputError, ParameterError, unknown_name
from . import prophesee
from .aedat3 import MAGIC as AEDAT3
from .aedat3 import Aedat3
from .aedat4 import MAGIC as AEDAT4
from .aedat4 import Aedat4
from .columns import MICROSECOND, Events, joined, refuse_unordered
from .event_stream import MAGIC as EVENT_STREAM
from .event_stream import EventStream
from .packed import SIZE as PACKED
from .packed import Packed
from .source import MEMBER, Source, is_regular, opened
from .text import Lines

FORMATS = {
    **{name: Packed for name in PACKED},
    **{name: prophesee.decoder for name in prophesee.DECODERS},
    "aedat3": lambda source, format: Aedat3(source),
    "aedat4": lambda source, format: Aedat4(source),
    "es": lambda source, format: EventStream(source),
    "text": Lines,
    "jsonl": Lines,
}
MAGIC = {AEDAT3: "aedat3", AEDAT4.strip(): "aedat4", EVENT_STREAM: "es"}
SUFFIXES = {**{"." + name: name for name in PACKED}, ".txt": "text", ".jsonl": "jsonl", ".ndjson": "jsonl"}
PROPHESEE = (".dat", ".raw")
AEDAT = b"#!AER-DAT"
BLOCK = 1 << 16  # events or words decoded at once
UNSORTED = ("refuse", "sort", "keep")


def open_events(path, format=None, unsorted="refuse"):
    """Open the recording at `path` and return it as an `EventFile`; the format is told by its content, else by its name.

    path : a file, a file within a zip as "archive.zip::member", or a binary stream that is read from where it stands and
        once, such as `sys.stdin.buffer`
    format : one of bin (N-MNIST), bs1, bs2, bs3 (SLAYER), dat, evt2, evt3 (Prophesee), aedat3, aedat4 (iniVation), es (Event
        Stream), text (lines "x y t p"), jsonl (a JSON object a line); needed where neither content nor name tells it
    unsorted : what to do with events earlier than the one before: "refuse" them with an error; "sort" them within the chunk,
        or in `read` within the whole; "keep" them as they are

    Raises `FormatError` for files that are not recognised, damaged, or not of `format`; `MissingExtraError` for compressed
    AEDAT 4.0 without the extra ``events``; `UnknownNameError` for other formats and names that a zip does not hold;
    FileNotFoundError if there is no such file.

    >>> import io
    >>> open_events(io.BytesIO(bytes([3, 4, 128, 0, 250])), format="bs2").read().t
    array([0.00025])
    """
    if format is not None and format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if unsorted not in UNSORTED:
        raise ParameterError(f"unsorted must be one of {', '.join(map(repr, UNSORTED))}, got {unsorted!r}")
    return EventFile(path, format, unsorted)


class EventFile:
    """A recording: `width`, `height` of the sensor (None where the file does not say), `format`, and its events.

    Made by `open_events`. `read` gives all events at once, `chunks` some at a time in bounded memory. A file may be read
    again and again, a pipe or stream once. Times are in s, made of whole microseconds t as t * 1e-6, and where the counter of
    a format wraps they go on growing. `left_out` counts the events of the last reading that had no defined time or place or
    were marked as not valid by their file.

    >>> file = open_events("shapes.es")                           # doctest: +SKIP
    >>> file, len(file.read())                                    # doctest: +SKIP
    (EventFile('shapes.es', format='es', 320 x 240), 473225)
    """

    def __init__(self, path, format, unsorted):
        if not (hasattr(path, "read") or isinstance(path, (str, os.PathLike))):
            raise ParameterError(f"path must be a path or a binary stream, got {path!r}")
        self.name = str(getattr(path, "name", "the stream")) if hasattr(path, "read") else os.fspath(path)
        self._path, self._unsorted, self._stream = path, unsorted, None
        if hasattr(path, "read"):
            self._stream = path
        elif not is_regular(path):
            self._stream = open(path, "rb")  # a named pipe: closed where it ends
        if self._stream is None:
            with opened(path) as stream:
                self._decoder = _decoder(Source(stream, self.name), format)
        else:
            self._decoder = _decoder(Source(self._stream, self.name), format)
        self._spent = False
        self.width, self.height, self.format = self._decoder.width, self._decoder.height, self._decoder.format

    def __repr__(self):
        size = "" if self.width is None else f", {self.width} x {self.height}"
        return f"EventFile({self.name!r}, format={self.format!r}{size})"

    @property
    def left_out(self):
        """How many events the last reading left out."""
        return self._decoder.left_out

    def read(self):
        """All events, as one `Events`. Raises what `chunks` raises.

        >>> import io
        >>> len(open_events(io.BytesIO(b"0 0 0.5 1\\n3 2 0.5 0\\n"), format="text").read())
        2
        """
        events = joined(list(self._pieces()))
        if self._unsorted == "sort":
            events = _sorted(events)
        return events.check(self.width, self.height, ordered=self._unsorted != "keep")

    def chunks(self, n=65536):
        """Iterate over the events as `Events` of at most `n`, in bounded memory.

        All chunks of a file but the last hold exactly `n`; those of a pipe what has arrived. What is whole before a damaged
        place is given before the error is raised.

        Raises `FormatError` where the file is damaged or cut short; `InputError` for a time earlier than the one before, or a
        pixel outside the sensor, naming the event by its number; `ParameterError` unless n is a whole number >= 1.

        >>> import io
        >>> stream = io.BytesIO(b"0 0 0.5 1\\n3 2 0.5 0\\n1 1 0.7 0\\n")
        >>> [chunk.x.tolist() for chunk in open_events(stream, format="text").chunks(2)]
        [[0, 3], [1]]
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ParameterError(f"n of chunks must be a whole number >= 1, got {n!r}")
        return self._chunks(int(n))

    def _chunks(self, n):
        pieces = self._pieces()
        cut = _as_they_come if self._stream is not None else _regrouped
        first, before = 0, np.float64(-np.inf)
        for events in cut(pieces, n):
            if self._unsorted == "sort":
                events = _sorted(events)
            events.check(self.width, self.height, ordered=False, first=first)
            if self._unsorted != "keep":
                refuse_unordered(events.t, first, before)
            first, before = first + len(events), events.t[-1]
            yield events

    def _pieces(self):
        """`Events` as the decoder yields them, not checked, none of them empty."""
        if self._stream is None:
            with opened(self._path) as stream:
                self._decoder = _decoder(Source(stream, self.name), self.format)
                yield from _in_seconds(self._decoder.pieces(BLOCK))
            return
        if self._spent:
            raise InputError(f"{self.name} is a stream and was read before; open it again")
        self._spent = True
        yield from _in_seconds(self._decoder.pieces(BLOCK))
        if self._stream is not self._path:
            self._stream.close()


def _decoder(source, format):
    name = format or _recognised(source)
    if name is None:  # the head of Prophesee's files says which
        return prophesee.decoder(source)
    return FORMATS[name](source, name)


def _recognised(source):
    """The format of `source`, None where the head of a file of Prophesee is to say it. Raises `FormatError` for others."""
    suffix = os.path.splitext(source.name)[1].lower()
    start = source.peek(1)
    if start in (b"#", b"E"):
        start = source.peek(max(map(len, MAGIC)))
        for magic, name in MAGIC.items():
            if start.startswith(magic):
                return name
        if start.startswith(AEDAT):
            raise FormatError(f"{source.name} is AEDAT {start[len(AEDAT):].decode('latin-1')}; only 3.1 and 4.0 can be read")
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in PROPHESEE or (start == b"%" and source.peek(2) == b"% "):
        return None
    if start == b"{":
        return "jsonl"
    if start[:1].isdigit() or start[:1] == b"#":
        return "text"
    if suffix == ".zip":
        raise FormatError(f"{source.name} is a zip: name the recording in it, {source.name}{MEMBER}NAME")
    raise FormatError(f"{source.name} is not recognised as a recording by its content ({start!r}) or its name; if it is one, "
                      f"give format=, one of {', '.join(FORMATS)}")


def _in_seconds(pieces):
    for t, x, y, p in pieces:
        if len(t):
            yield Events(t if t.dtype.kind == "f" else t * MICROSECOND, x, y, p)


def _sorted(events):
    order = np.argsort(events.t, kind="stable")
    return events[order]


def _as_they_come(pieces, n):
    """Cut `pieces` to at most `n` events each."""
    for events in pieces:
        for start in range(0, len(events), n):
            yield events[start:start + n]


def _regrouped(pieces, n):
    """Cut and join `pieces` to exactly `n` events each, the last excepted; an error comes after what was whole before it."""
    held, size, fault = [], 0, None
    try:
        for events in pieces:
            start = 0
            while size + len(events) - start >= n:
                held.append(events[start:start + n - size])
                start += n - size
                yield joined(held)
                held, size = [], 0
            if start < len(events):
                held.append(events[start:])
                size += len(events) - start
    except FormatError as error:
        fault = error
    if held:
        yield joined(held)
    if fault is not None:
        raise fault
