"""AEDAT 3.1 (DVS Gesture, cAER): text head, then packets of 28 bytes of head and events; polarity packets are read.

Source: iniVation, "AEDAT 3.1" and the list of its event types. Polarity events are 8 bytes: valid (1 bit), polarity (1),
y (15), x (15) and the time (31 bits, us), to which the packet adds its count of turns. Little-endian. Events marked as not
valid are left out and counted; packets of other types, or of another source than that of the first polarity packet, are
passed over. A file cut anywhere but between two packets raises `FormatError`.
"""

import re

import numpy as np

from ...errors import FormatError
from .source import BLOCK

MAGIC, END = b"#!AER-DAT3.1", b"#!END-HEADER"
PACKET = np.dtype([("type", "<i2"), ("source", "<i2"), ("size", "<i4"), ("offset", "<i4"), ("turns", "<i4"),
                   ("capacity", "<i4"), ("number", "<i4"), ("valid", "<i4")])
POLARITY, SIZE = 1, 8
SENSORS = {"DVS128": (128, 128), "DAVIS128": (128, 128), "DAVIS240": (240, 180), "DAVIS346": (346, 260)}  # from the same list


class Aedat3:
    """Decoder of the format ``aedat3``."""

    format = "aedat3"

    def __init__(self, source):
        self.source, self.left_out = source, 0
        self.sensors = {}
        if not (line := source.line()).startswith(MAGIC):
            raise FormatError(f"{source.name} is not an AEDAT 3.1 file: its first line is {line.strip()!r}")
        while not line.startswith(END):
            if not line.startswith(b"#"):
                raise FormatError(f"{source.name} is damaged: its head has the line {line[:40]!r} before #!END-HEADER")
            line = source.line()
            if found := re.match(rb"#Source (\d+): *([A-Za-z]+\d*)", line):
                self.sensors[int(found[1])] = SENSORS.get(found[2].decode("ascii"), (None, None))
        alike = set(self.sensors.values())
        self.width, self.height = alike.pop() if len(alike) == 1 else (None, None)

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to `n` events each."""
        chosen = None
        while head := self.source.exactly(PACKET.itemsize, "the head of a packet", may_end=True):
            packet = {name: int(value) for name, value in zip(PACKET.names, np.frombuffer(head, PACKET)[0])}
            if packet["size"] < 1 or not 0 <= packet["number"] <= packet["capacity"] or packet["turns"] < 0:
                raise FormatError(f"{self.source.name} is damaged: a packet before byte {self.source.position} states {packet}")
            if chosen is None and packet["type"] == POLARITY:
                chosen = packet["source"]
            if packet["type"] != POLARITY or packet["source"] != chosen:
                self._pass(packet["size"] * packet["capacity"])
                continue
            if packet["size"] != SIZE:
                raise FormatError(f"{self.source.name} is damaged: it states polarity events of {packet['size']} bytes")
            left = packet["number"]
            for data in self.source.records("<u4, <i4", n, left=packet["capacity"]):
                data, left = data[:left], max(left - len(data), 0)  # what is beyond the number is room that was not used
                word, low = data["f0"], data["f1"].astype(np.int64)
                valid = (word & 1).astype(bool)
                if not valid.all():
                    self.left_out += int((~valid).sum())
                    word, low = word[valid], low[valid]
                yield (packet["turns"] << 31) + low, (word >> 17).astype(np.int32), (word >> 2 & 0x7FFF).astype(np.int32), \
                    (word >> 1 & 1).astype(np.uint8)

    def _pass(self, size):
        while size:
            part = min(size, BLOCK)
            self.source.exactly(part, "the rest of a packet")
            size -= part
