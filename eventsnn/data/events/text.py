"""Events as lines of text: ``x y t p`` with blanks between and comments after #, or JSON objects with these keys; t in s.

For pipes: a line counts as soon as it is complete. A last line without an end of line is taken if it holds a whole event;
whether its last number was cut short cannot be told. Anything that is no event raises `FormatError` with the number of its
line.
"""

import io
import json
import warnings
from operator import itemgetter

import numpy as np

from ...errors import FormatError

COLUMNS = ("x", "y", "t", "p")
LONGEST = 1 << 16  # bytes of a line
TYPICAL = 24


class Lines:
    """Decoder of the formats ``text`` and ``jsonl``; times are float64 in s, not whole microseconds."""

    width = height = None
    left_out = 0

    def __init__(self, source, format):
        self.source, self.format = source, format
        self.rows = _json_rows if format == "jsonl" else _number_rows

    def pieces(self, n):
        """Yield (t in s, x, y, p) of the complete lines of a block of about `n` events, or of those that are there."""
        line, rest = 1, b""
        while data := self.source.some(TYPICAL * n):
            data = rest + data
            end = data.rfind(b"\n") + 1
            block, rest = data[:end], data[end:]
            if len(rest) > LONGEST:
                raise FormatError(f"{self.source.name} has a line of more than {LONGEST} bytes")
            if block:
                yield self._columns(block, line)
                line += block.count(b"\n")
        yield self._columns(rest, line)

    def _columns(self, block, first):
        """(t, x, y, p) of the lines in `block`, the first of which is line `first`."""
        found = self.rows(block)
        if found is None:
            for line, text in enumerate(block.split(b"\n"), first):
                if self.rows(text) is None:
                    raise FormatError(f"line {line} of {self.source.name} is no event: {text[:80].decode('latin-1')!r}; x and "
                                      "y must be whole numbers >= 0, t a finite number of seconds >= 0, p 0 or 1")
            raise FormatError(f"{self.source.name} has no readable events from line {first} on")
        x, y, t, p = found.T
        return t, x.astype(np.int32), y.astype(np.int32), p.astype(np.uint8)


def _number_rows(block):
    """Rows [n, 4] of the lines in `block`; None if one of them is no event."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        try:
            return _valid(np.loadtxt(io.BytesIO(block), ndmin=2, encoding="ascii"))
        except ValueError:
            return None


def _json_rows(block):
    """Rows [n, 4] of the JSON objects in `block`, one a line; None if one of them is no event."""
    lines = [line for line in block.splitlines() if line.strip()]
    try:
        objects = json.loads(b"[" + b",".join(lines) + b"]")
        if len(objects) != len(lines):
            return None
        rows = np.array(list(map(itemgetter(*COLUMNS), objects)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return _valid(rows.astype(np.float64)) if rows.dtype.kind in "iuf" else None


def _valid(rows):
    """`rows` if every one is an event."""
    if not rows.size:
        return np.empty((0, len(COLUMNS)))
    if rows.ndim != 2 or rows.shape[1] != len(COLUMNS):
        return None
    x, y, t, p = rows.T
    whole = (x == np.floor(x)) & (y == np.floor(y)) & (x >= 0) & (y >= 0) & (x < 2**31) & (y < 2**31)
    return rows if (whole & (t >= 0) & (t < np.inf) & ((p == 0) | (p == 1))).all() else None
