"""Files of bare records without a head: N-MNIST ``.bin`` and SLAYER's ``.bs1``, ``.bs2``, ``.bs3``. Big-endian, times in us.

Sources: Orchard et al. (2015), "Converting static image datasets to spiking neuromorphic datasets using saccades", and its
readers for Python; Shrestha and Orchard (2018), SLAYER, and its module for spike files. A record that is cut short raises
`FormatError`; a file cut between two records looks like a shorter recording.

========  =======================================================================================
``bin``   5 bytes: x, y, polarity (1 bit), time (23 bits); y = 240 is no event but 2^13 us passed
``bs2``   the same, and y = 240 is a row like any other
``bs1``   5 bytes: address (16 bits, becomes x), polarity (1 bit), time (23 bits)
``bs3``   7 bytes: x (12 bits), y (12 bits), channel (8 bits, becomes the polarity), time (24 bits)
========  =======================================================================================

Times are unwrapped: a fall by more than half of 2^23 or 2^24 us is a new turn of the counter.
"""

import numpy as np

from ...errors import FormatError
from .columns import Unwrap

SIZE = {"bin": 5, "bs1": 5, "bs2": 5, "bs3": 7}
MARK, MARKED = 240, 1 << 13  # the row that says that time has passed, and how much


class Packed:
    """Decoder of the formats ``bin``, ``bs1``, ``bs2`` and ``bs3``."""

    width = height = None
    left_out = 0

    def __init__(self, source, format):
        self.source, self.format = source, format

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to `n` events each."""
        record = np.dtype((np.uint8, SIZE[self.format]))
        unwrap, passed, first = Unwrap(1 << (24 if self.format == "bs3" else 23)), 0, 0
        for data in self.source.records(record, n):
            if self.format == "bs3":
                high, middle, low = data[:, 0].astype(np.int32), data[:, 1].astype(np.int32), data[:, 2].astype(np.int32)
                x, y, p = high << 4 | middle >> 4, (middle & 15) << 8 | low, data[:, 3]
                if p.max() > 1:
                    k = int(np.argmax(p > 1))
                    raise FormatError(f"{self.source.name} has channel {p[k]} at event {first + k}; only 0 and 1 can be read")
                top = data[:, 4].astype(np.int64)
            else:
                x, y, p = data[:, 0], data[:, 1], data[:, 2] >> 7
                if self.format == "bs1":
                    x, y = x.astype(np.int32) << 8 | y, np.zeros(len(data), np.int32)
                top = (data[:, 2] & 127).astype(np.int64)
            t = unwrap(top << 16 | data[:, -2].astype(np.int64) << 8 | data[:, -1])
            if self.format == "bin" and (marks := y == MARK).any():
                t = t + passed + MARKED * np.cumsum(marks)
                passed += MARKED * int(marks.sum())
                keep = ~marks
                t, x, y, p = t[keep], x[keep], y[keep], p[keep]
            else:
                t = t + passed if passed else t
            first += len(data)
            yield t, x, y, p
