"""Look up fields in a FlatBuffer: tables by their field number, vectors, strings. Every offset is checked against the end.

Source: "FlatBuffers internals" (flatbuffers.dev). Offsets and numbers are little-endian. A damaged buffer raises `FormatError`.
"""

import struct

from ...errors import FormatError


class Table:
    """The table at `position` of `data` (bytes); `name` appears in errors."""

    def __init__(self, data, position, name):
        self.data, self.position, self.name = data, position, name
        self.fields = position - self._number("i", position)
        self.size = self._number("H", self.fields)

    @classmethod
    def root(cls, data, identifier, name):
        """The root table of a buffer of the type `identifier` (4 bytes)."""
        if data[4:8] != identifier:
            raise FormatError(f"{name} is damaged: expected a buffer of type {identifier!r}, found {bytes(data[4:8])!r}")
        return cls(data, struct.unpack_from("<I", data)[0], name)

    def _number(self, code, position):
        if not 0 <= position <= len(self.data) - struct.calcsize(code):
            raise FormatError(f"{self.name} is damaged: an offset leads to byte {position} of {len(self.data)}")
        return struct.unpack_from("<" + code, self.data, position)[0]

    def _place(self, field):
        slot = 4 + 2 * field
        offset = self._number("H", self.fields + slot) if slot + 2 <= self.size else 0
        return self.position + offset if offset else None

    def number(self, field, code, default):
        """The scalar `field`, of the `struct` type `code`; `default` where it is not stored."""
        place = self._place(field)
        return default if place is None else self._number(code, place)

    def vector(self, field, item):
        """The bytes of the vector or string `field`, whose entries take `item` bytes; b"" where it is not stored."""
        place = self._place(field)
        if place is None:
            return b""
        start = place + self._number("I", place)
        length = self._number("I", start) * item
        if start + 4 + length > len(self.data):
            raise FormatError(f"{self.name} is damaged: a vector of {length} bytes begins at byte {start} of {len(self.data)}")
        return self.data[start + 4:start + 4 + length]
