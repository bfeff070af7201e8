"""Files of Prophesee's cameras: a head of lines that begin with "% ", then DAT version 2, EVT 2.0 or EVT 3.0, little-endian.

Source: Prophesee, "File formats" and "Encoding formats" (docs.prophesee.ai). EVT is the stream of a sensor, which may be
joined at any moment: events that come before the first word of time (in EVT 3.0: of time, row, and base of a vector) have no
defined place, so they are left out and counted. Words of other kinds (triggers, counters) are passed over.
A word that is cut short raises `FormatError`; a file cut between two words looks like a shorter recording.
"""

import re

import numpy as np

from ...errors import FormatError
from .columns import Unwrap
from .evt3 import Evt3

DAT_TYPES = (0x00, 0x0C)  # both hold time (32 bits), x (14), y (14), polarity (4), in 8 bytes
CD_OFF, CD_ON, TIME_HIGH = 0x0, 0x1, 0x8  # the kinds of EVT 2.0 words that matter here
UNKNOWN = -1


def decoder(source, format=None):
    """The decoder for what the head of `source` says; `format` must be given where it says nothing.

    Raises `FormatError` for heads that name another encoding, or none, or one that is not `format`.
    """
    head = _head(source)
    stated = _stated(head)
    if stated is None and format is None:
        raise FormatError(f"the head of {source.name} names no encoding; give format='dat', 'evt2' or 'evt3'")
    if stated is not None and stated not in DECODERS:
        raise FormatError(f"{source.name} is in the encoding {stated!r}; those of Prophesee that can be read are "
                          f"{', '.join(DECODERS)}")
    if format is not None and stated not in (None, format):
        raise FormatError(f"the head of {source.name} says {stated!r}, not {format!r}")
    found = DECODERS[format or stated](source, head)
    found.width, found.height = _size(head, source)
    return found


def _head(source):
    """Dict of the lines "% key value" of the head, keys in lower case; the line "% end" ends it."""
    head = {}
    while source.peek(2) == b"% ":
        key, _, value = source.line()[2:].decode("latin-1").strip().partition(" ")
        if key.lower() == "end":
            break
        head[key.lower()] = value.strip()
    return head


def _stated(head):
    named = (head.get("format") or head.get("evt") or "").split(";")[0].strip().lower()
    if named:
        return named if named in DECODERS else {"2.0": "evt2", "3.0": "evt3"}.get(named, f"EVT {named}")
    return "dat" if "data" in head or "version" in head else None


def _size(head, source):
    """(width, height) of a head that says "geometry 1280x720", "format EVT3;height=720;width=1280" or "width 304"."""
    text = " ".join(f"{key} {value}" for key, value in head.items()).lower()
    if both := re.search(r"\bgeometry (\d+)x(\d+)", text):
        sizes = both.groups()
    else:
        found = [re.search(rf"\b{name}[ =](\d+)", text) for name in ("width", "height")]
        sizes = [match and match[1] for match in found]
    if any(size is not None and not 0 < int(size) < 1 << 16 for size in sizes):
        raise FormatError(f"{source.name} states a sensor of {sizes[0]} x {sizes[1]} pixels")
    return tuple(None if size is None else int(size) for size in sizes)


class Dat:
    """Decoder of DAT version 2: event type and size, one byte each, then events of 8 bytes; times unwrap at 2^32 us."""

    format, left_out = "dat", 0

    def __init__(self, source, head):
        self.source = source
        if head.get("version", "2") != "2":
            raise FormatError(f"{source.name} is DAT version {head['version']}; only version 2 can be read")
        kind, size = source.exactly(2, "the type and size of events")
        if kind not in DAT_TYPES or size != 8:
            raise FormatError(f"{source.name} holds events of type {kind} in {size} bytes; "
                              "those that can be read are of type 0 or 12 in 8 bytes")

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to `n` events each."""
        unwrap = Unwrap(1 << 32)
        for data in self.source.records(np.dtype("<u4, <u4"), n):
            word = data["f1"].astype(np.uint32)
            yield (unwrap(data["f0"].astype(np.int64)), (word & 0x3FFF).astype(np.int32),
                   (word >> 14 & 0x3FFF).astype(np.int32), (word >> 28 & 1).astype(np.uint8))


class Evt2:
    """Decoder of EVT 2.0: words of 32 bits; the upper 28 bits of the time have words of their own. Unwraps at 2^34 us."""

    format = "evt2"

    def __init__(self, source, head):
        self.source, self.left_out = source, 0

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to `n` events each."""
        unwrap, high = Unwrap(1 << 28), UNKNOWN
        for data in self.source.records("<u4", n):
            words = data.astype(np.uint32, copy=False)
            kind = words >> 28
            is_time = kind == TIME_HIGH
            events = np.flatnonzero(kind <= CD_ON)
            highs = np.concatenate([[high], unwrap((words[is_time] & 0xFFFFFFF).astype(np.int64))])
            high = highs[-1]
            own = highs[np.cumsum(is_time)[events]]
            if highs[0] == UNKNOWN and (lost := int((own == UNKNOWN).sum())):
                self.left_out += lost
                events, own = events[lost:], own[lost:]
            words = words[events]
            yield (own << 6 | words >> 22 & 0x3F, (words >> 11 & 0x7FF).astype(np.int32),
                   (words & 0x7FF).astype(np.int32), kind[events].astype(np.uint8))


DECODERS = {"dat": Dat, "evt2": Evt2, "evt3": Evt3}
