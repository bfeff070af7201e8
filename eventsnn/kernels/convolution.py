"""Rows of convolutions: the targets of one neuron and their weights, from the kernel that all neurons share, written out or
added up at once."""

import numpy as np

from ..jit import inlined, inner

# columns of Wiring.words: KIND and PARTNERS as in `draw`, then shapes and steps
C_IN, C_HIGH, C_WIDE, C_OUT, C_OUT_HIGH, C_OUT_WIDE, C_TALL, C_BROAD = 2, 3, 4, 5, 6, 7, 8, 9
C_STEP, C_PAD, C_SPACE, C_GROUPS = 10, 12, 14, 16  # stride, padding, dilation: vertical, horizontal
C_TILE, C_SHARE = 17, 19  # tiles of the target, vertical, horizontal; neurons of the source per place


NONE = np.int64(1) << 40  # beyond every kernel


@inlined
def _taps(words, axis, place):
    """Rows (axis 0) or columns (1) of the kernel under which a neuron at `place` lies: (first, distance, target, step).

    The target of the first is `target` in the output, that of the next `target - step`; both may lie outside.
    """
    stride, space = np.int64(words[C_STEP + axis]), np.int64(words[C_SPACE + axis])
    place += np.int64(words[C_PAD + axis])
    if stride == 1:
        return np.int64(0), np.int64(1), place, space
    hop = np.int64(1)
    while hop * space % stride != 0:
        hop += 1
    for i in range(hop):
        if (place - i * space) % stride == 0:
            return i, hop, (place - i * space) // stride, hop * space // stride
    return NONE, hop, np.int64(0), np.int64(0)


@inlined
def _cut(n, tile):
    """The largest multiple of `tile` that is at most n."""
    return n if tile == 1 else n // tile * tile


@inlined
def _shape(words, source):
    """(channel, vertical and horizontal place of neuron `source`, height and width of the output, channels per group, first
    output channel of its group)."""
    wide, outs, groups = np.int64(words[C_WIDE]), np.int64(words[C_OUT]), np.int64(words[C_GROUPS])
    plane, first = np.int64(words[C_HIGH]) * wide, np.int64(0)
    if words[C_SHARE] > 1:
        source //= np.int64(words[C_SHARE])
    channel = source // plane
    place = source - channel * plane
    y = place // wide
    if groups > 1:
        outs //= groups
        first = channel // (np.int64(words[C_IN]) // groups) * outs
    high = _cut(np.int64(words[C_OUT_HIGH]), np.int64(words[C_TILE]))
    return channel, y, place - y * wide, high, _cut(np.int64(words[C_OUT_WIDE]), np.int64(words[C_TILE + 1])), outs, first


@inlined
def _spot(words, down, along, wide):
    """Number of a place of the output within its channel."""
    tall, broad = np.int64(words[C_TILE]), np.int64(words[C_TILE + 1])
    if tall * broad == 1:
        return down * wide + along
    return (down // tall * (wide // broad) + along // broad) * tall * broad + down % tall * broad + along % broad


@inner
def convolution_row(words, kernel, source, targets, weights):
    """Write the row of neuron `source` to `targets` (u4), `weights`; return its length. kernel: [in, kh, kw, out / groups]."""
    channel, y, x, high, wide, outs, first = _shape(words, source)
    tall, broad, plane, n = np.int64(words[C_TALL]), np.int64(words[C_BROAD]), high * wide, 0
    i0, i_hop, down, i_step = _taps(words, 0, y)
    j0, j_hop, along0, j_step = _taps(words, 1, x)
    for i in range(i0, tall, i_hop):
        along = along0
        for j in range(j0, broad, j_hop):
            if 0 <= down < high and 0 <= along < wide:
                at, target = ((channel * tall + i) * broad + j) * outs, first * plane + _spot(words, down, along, wide)
                for o in range(outs):
                    targets[np.uint64(n)] = np.uint32(target + o * plane)
                    weights[np.uint64(n)] = kernel[np.uint64(at + o)]
                    n += 1
            along -= j_step
        down -= i_step
    return n


@inner
def convolution_sum(words, kernel, source, amplitude, sums):
    """Add the row of neuron `source`, times `amplitude`, to `sums` [places, channels]; return its length."""
    channel, y, x, high, wide, outs, first = _shape(words, source)
    tall, broad, n = np.int64(words[C_TALL]), np.int64(words[C_BROAD]), np.int64(0)
    i0, i_hop, down, i_step = _taps(words, 0, y)
    j0, j_hop, along0, j_step = _taps(words, 1, x)
    for i in range(i0, tall, i_hop):
        along = along0
        for j in range(j0, broad, j_hop):
            if 0 <= down < high and 0 <= along < wide:
                at = np.uint64(((channel * tall + i) * broad + j) * outs)
                to = np.uint64(_spot(words, down, along, wide) * np.int64(words[C_OUT]) + first)
                for o in range(np.uint64(outs)):
                    sums[to + o] += kernel[at + o] * amplitude
                n += outs
            along -= j_step
        down -= i_step
    return n


@inner
def unfold(words, sums, found):
    """Add `sums` [places, channels] of `convolution_sum` to `found` [channels, places], and empty them."""
    channels = np.uint64(words[C_OUT])
    places = np.uint64(found.size) // channels
    for place in range(places):
        for channel in range(channels):
            found[channel * places + place] += sums[place * channels + channel]
            sums[place * channels + channel] = 0.0
