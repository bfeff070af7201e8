"""AEDAT 4.0 (DV): packets of FlatBuffers, each compressed by LZ4 or Zstandard (extra ``events``) or not.

Source: iniVation, "AEDAT 4.0" and the schemas of its data types. After the head (compression, place of the table of contents,
XML about the streams) come packets: stream (4 bytes), size (4), a FlatBuffer. Of several event streams the one of the lowest
number is read.
Packets are decoded one by one, so memory grows with the largest, of `MOST` bytes when unpacked. A file cut anywhere raises
`FormatError`, unless it has no table of contents (a recording that was broken off) and is cut between two packets.
"""

from xml.etree import ElementTree

import numpy as np

from ...errors import FormatError, MissingExtraError
from .flatbuffer import Table

MAGIC = b"#!AER-DAT4.0\r\n"
HEAD, EVENTS = b"IOHE", b"EVTS"
NONE, LZ4, LZ4_HIGH, ZSTD, ZSTD_HIGH = range(5)
MOST_HEAD, MOST, PART = 1 << 24, 1 << 28, 1 << 12  # bytes
EVENT = np.dtype({"names": ["t", "x", "y", "on"], "formats": ["<i8", "<i2", "<i2", "u1"], "offsets": [0, 8, 10, 12],
                  "itemsize": 16})


class Aedat4:
    """Decoder of the format ``aedat4``."""

    format, left_out = "aedat4", 0

    def __init__(self, source):
        self.source = source
        if (magic := source.exactly(len(MAGIC), "the head")) != MAGIC:
            raise FormatError(f"{source.name} is not an AEDAT 4.0 file: it starts with {magic!r}")
        size = int.from_bytes(source.exactly(4, "the head"), "little")
        if size > MOST_HEAD:
            raise FormatError(f"{source.name} is damaged: it states a head of {size} bytes")
        head = Table.root(source.exactly(size, "the head"), HEAD, source.name)
        self.compression, self.end = head.number(0, "i", NONE), head.number(1, "q", -1)
        self.unpack = _unpacker(self.compression, source.name)
        if 0 <= self.end < source.position:
            raise FormatError(f"{source.name} is damaged: it states that its packets end at byte {self.end}, within its head")
        self.stream, self.width, self.height = self._event_stream(head.vector(2, 1))

    def _event_stream(self, xml):
        """(number, width, height) of the first stream of events in the description `xml`; sizes that it lacks are None."""
        found = {}
        try:
            for node in ElementTree.fromstring(xml).iter("node"):
                attributes = {attr.get("key"): attr.text for attr in node.findall("attr")}
                if attributes.get("typeIdentifier") == EVENTS.decode():
                    found[int(node.get("name"))] = {attr.get("key"): attr.text for attr in node.iter("attr")}
            number = min(found, default=None)
            sizes = [found[number].get(key) for key in ("sizeX", "sizeY")] if found else []
            width, height = (None if size is None else int(size) for size in sizes or (None, None))
        except (ElementTree.ParseError, ValueError, TypeError) as error:
            raise FormatError(f"{self.source.name} is damaged: its description cannot be read: {error}") from error
        if number is None:
            raise FormatError(f"{self.source.name} holds no stream of events ({EVENTS.decode()})")
        return number, width, height

    def pieces(self, n):
        """Yield (t in us, x, y, p) of one packet each."""
        source = self.source
        while self.end < 0 or source.position < self.end:
            head = source.exactly(8, "the head of a packet", may_end=self.end < 0)
            if not head:
                return
            stream, size = np.frombuffer(head, "<i4").tolist()
            if not 0 <= size <= MOST or (self.end >= 0 and source.position + size > self.end):
                raise FormatError(f"{source.name} is damaged: a packet at byte {source.position - 8} states {size} bytes")
            data = source.exactly(size, "a packet")
            if stream != self.stream:
                continue
            data = self.unpack(data)
            if len(data) < 12 or int.from_bytes(data[:4], "little") > len(data) - 4:
                raise FormatError(f"{source.name} is damaged: a packet before byte {source.position} is too short")
            events = np.frombuffer(Table.root(data[4:], EVENTS, source.name).vector(0, EVENT.itemsize), EVENT)
            yield (events["t"], events["x"].astype(np.int32), events["y"].astype(np.int32),
                   (events["on"] != 0).astype(np.uint8))


def _unpacker(compression, name):
    """The function that unpacks one packet. Raises `MissingExtraError` where the package for it is not installed."""
    if compression == NONE:
        return bytes
    if compression in (LZ4, LZ4_HIGH):
        try:
            import lz4.frame
        except ImportError as error:
            raise MissingExtraError(f"{name} is compressed by LZ4: install the extra for it, eventsnn[events]") from error

        def unpack(data):
            unpacker = lz4.frame.LZ4FrameDecompressor()
            unpacked = unpacker.decompress(data, max_length=MOST)
            return unpacked if unpacker.eof else None
        faults = (RuntimeError,)
    elif compression in (ZSTD, ZSTD_HIGH):
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtraError(f"{name} is compressed by Zstandard: install the extra for it, eventsnn[events]") from error

        def unpack(data):
            unpacker, parts, left = zstandard.ZstdDecompressor().decompressobj(), [], MOST
            for start in range(0, len(data), PART):  # in parts, so that a small packet cannot fill the memory
                parts.append(unpacker.decompress(data[start:start + PART]))
                left -= len(parts[-1])
                if unpacker.eof or left < 0:
                    break
            return b"".join(parts) if unpacker.eof and left >= 0 else None
        faults = (zstandard.ZstdError,)
    else:
        raise FormatError(f"{name} is compressed in the unknown way {compression}")

    def checked(data):
        try:
            unpacked = unpack(data)
        except faults as error:
            raise FormatError(f"{name} is damaged: a packet cannot be unpacked: {error}") from error
        if unpacked is None:
            raise FormatError(f"{name} is damaged: a packet is cut short or would take more than {MOST} bytes unpacked")
        return unpacked
    return checked
