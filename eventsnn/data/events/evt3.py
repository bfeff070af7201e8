"""Prophesee EVT 3.0: words of 16 bits that each change one part of a state; a vector word stands for up to 12 events.

Source: Prophesee, "EVT 3.0 format" (docs.prophesee.ai). The state (row, upper and lower half of the time, base of vectors) is
filled forward from the words that set it, so a block of words is decoded at once.
"""

import numpy as np

from ...errors import FormatError
from .columns import Unwrap

ROW, SINGLE, BASE, VECTOR_12, VECTOR_8, TIME_LOW, TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
STEP = np.zeros(16, np.int32)  # by how much a word of each kind moves the base of vectors
STEP[VECTOR_12], STEP[VECTOR_8] = 12, 8  # as many as it has columns
UNKNOWN = -1 << 30  # the state before it was set: stays below 0 whatever is added
BEYOND = 1 << 11  # columns that EVT 3.0 can address
COUNT = np.array([bin(mask).count("1") for mask in range(1 << 12)], np.int32)  # events of a vector word, by its mask
START = np.cumsum(COUNT, dtype=np.int32) - COUNT  # where in BITS the columns of a mask begin
BITS = np.nonzero(np.arange(1 << 12)[:, None] >> np.arange(12) & 1)[1].astype(np.int32)


class Evt3:
    """Decoder of EVT 3.0; times unwrap at 2^24 us."""

    format = "evt3"

    def __init__(self, source, head):
        self.source, self.left_out = source, 0

    def pieces(self, n):
        """Yield (t in us, x, y, p) of up to 12 `n` events each, from `n` words."""
        unwrap = Unwrap(1 << 12)
        row = low = high = base = UNKNOWN
        on = 0
        for data in self.source.records("<u2", n):
            words = data.astype(np.int32)
            kind = (data >> 12).astype(np.uint8)
            step = STEP[kind]
            moved = np.cumsum(step, dtype=np.int32)
            at = np.flatnonzero((kind == SINGLE) | (step > 0))
            is_row, is_low, is_high, is_base = (kind == k for k in (ROW, TIME_LOW, TIME_HIGH, BASE))

            def latest(before, values, which, at=at):
                """At each event the latest of the `values` that the words `which` set, and the one to carry on."""
                states = np.concatenate([np.array([before], values.dtype), values])
                return states[np.cumsum(which, dtype=np.int32)[at]], int(states[-1])

            y, row = latest(row, words[is_row] & 0x7FF, is_row)
            lower, low = latest(low, words[is_low] & 0xFFF, is_low)
            upper, high = latest(high, unwrap((words[is_high] & 0xFFF).astype(np.int64)), is_high)
            start, base = latest(base, (words[is_base] & 0x7FF) - moved[is_base], is_base)
            p, on = latest(on, words[is_base] >> 11 & 1, is_base)
            base = min(base + int(moved[-1]), BEYOND) if base + int(moved[-1]) >= 0 else UNKNOWN

            word, kind, step = words[at], kind[at], step[at]
            single = step == 0
            x = np.where(single, word & 0x7FF, start + moved[at] - step)
            p = np.where(single, word >> 11 & 1, p)
            mask = np.where(single, 1, word & (1 << step) - 1)
            t = (upper << 12) + lower
            count = COUNT[mask]
            known = (y >= 0) & (lower >= 0) & (upper >= 0) & (x >= 0)
            if not known.all():
                self.left_out += int(count[~known].sum())
                count = np.where(known, count, 0)
            of = np.repeat(np.arange(at.size), count)
            bits = np.arange(of.size) - np.repeat(np.cumsum(count) - count - START[mask], count)
            columns = x[of] + BITS[bits]
            if columns.size and columns.max() >= BEYOND:
                raise FormatError(f"{self.source.name} is damaged: a vector before byte {self.source.position} reaches column "
                                  f"{columns.max()}; EVT 3.0 has 2048")
            yield t[of], columns, y[of], p[of].astype(np.uint8)
