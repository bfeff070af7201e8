"""Event Stream ``.es``, major version 2, streams of DVS events: little-endian, times as differences in us.

Source: the specification of github.com/neuromorphic-paris/event_stream. An event is 5 bytes: time since the one before (7 bits)
and polarity (1 bit), x (16 bits), y (16 bits). In the place of its first byte there may be 0xFF, 127 us more, or 0xFE, which
means nothing. An event that is cut short raises `FormatError`; a file cut between two events looks like a shorter recording.
"""

import numpy as np

from ...errors import FormatError

MAGIC = b"Event Stream"
KINDS = {0: "generic", 1: "DVS", 2: "ATIS", 3: "display", 4: "colour"}
DVS, SIZE = 1, 5
RESET, OVERFLOW = 0xFE, 0xFF
LONGEST = 127  # us that an overflow stands for


class EventStream:
    """Decoder of the format ``es``."""

    format, left_out = "es", 0

    def __init__(self, source):
        self.source = source
        head = source.exactly(len(MAGIC) + 4, "the head")
        if not head.startswith(MAGIC):
            raise FormatError(f"{source.name} is not an Event Stream file: it starts with {head[:12]!r}")
        if head[12] != 2:
            raise FormatError(f"{source.name} is Event Stream {head[12]}.{head[13]}.{head[14]}; only version 2 can be read")
        if head[15] != DVS:
            raise FormatError(f"{source.name} holds {KINDS.get(head[15], 'unknown')} events (type {head[15]}); only DVS "
                              "events (type 1) can be read")
        self.width, self.height = (int(size) for size in np.frombuffer(source.exactly(4, "the size of the sensor"), "<u2"))

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to `n` events each."""
        time, rest = 0, b""
        while data := self.source.some(SIZE * n):
            data = np.frombuffer(rest + data, np.uint8)
            special = _special(data)
            bare = data if not special.size else np.delete(data, special)
            count = bare.size // SIZE
            rest = bare[count * SIZE:].tobytes()
            events = bare[:count * SIZE].reshape(count, SIZE)
            late = (special - np.arange(special.size))[data[special] == OVERFLOW] // SIZE  # the event each overflow precedes
            passed = LONGEST * np.bincount(late, minlength=count + 1)
            passed[:count] += events[:, 0] >> 1
            times = time + np.cumsum(passed)
            time = times[-1]
            if count:
                yield (times[:-1], events[:, 1] | events[:, 2].astype(np.int32) << 8,
                       events[:, 3] | events[:, 4].astype(np.int32) << 8, events[:, 0] & 1)
        if rest:
            raise FormatError(f"{self.source.name} is cut short: its last event has {len(rest)} of {SIZE} bytes")


def _special(data):
    """Positions of the resets and overflows in `data`, which begins where an event may begin.

    A byte of such a value may also lie within an event. Without special bytes events begin at every fifth byte, so after one
    at q the next is the first candidate at q + 1, q + 6, q + 11, ...: a linked list, which is followed from the start.
    """
    candidates = np.flatnonzero(data >= RESET)
    phase = candidates % SIZE
    end = candidates.size
    following = np.full(end + 1, end)
    first = end
    for k in range(SIZE):
        members = np.flatnonzero(phase == k)
        before = np.flatnonzero(phase == (k - 1) % SIZE)
        place = np.searchsorted(candidates[members], candidates[before] + 1)
        following[before] = np.append(members, end)[place]
        if k == 0 and members.size:
            first = members[0]
    chain, following, at = [], following.tolist(), int(first)
    while at < end:
        chain.append(at)
        at = following[at]
    return candidates[chain] if chain else candidates[:0]
