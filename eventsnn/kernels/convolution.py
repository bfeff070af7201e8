"""Rows of convolutions: the targets of one neuron and their weights, from the kernel that all neurons share."""

import numpy as np

from ..jit import inner

# columns of Wiring.words: KIND and PARTNERS as in `draw`, then shapes and steps
C_IN, C_HIGH, C_WIDE, C_OUT, C_OUT_HIGH, C_OUT_WIDE, C_TALL, C_BROAD = 2, 3, 4, 5, 6, 7, 8, 9
C_STEP, C_PAD, C_SPACE, C_GROUPS = 10, 12, 14, 16  # stride, padding, dilation: vertical, horizontal
C_TILE, C_SHARE = 17, 19  # tiles of the target, vertical, horizontal; neurons of the source per place


@inner
def convolution_row(words, kernel, source, targets, weights):
    """Write the row of neuron `source` to `targets` (u4), `weights`; return its length. kernel: [in, kh, kw, out / groups]."""
    high, wide = np.int64(words[C_HIGH]), np.int64(words[C_WIDE])
    out_high, out_wide = np.int64(words[C_OUT_HIGH]), np.int64(words[C_OUT_WIDE])
    tall, broad = np.int64(words[C_TALL]), np.int64(words[C_BROAD])
    groups, channels = np.int64(words[C_GROUPS]), np.int64(words[C_IN])
    outs = np.int64(words[C_OUT]) // groups
    tile_high, tile_wide = np.int64(words[C_TILE]), np.int64(words[C_TILE + 1])
    tile = tile_high * tile_wide
    out_high, out_wide = out_high // tile_high * tile_high, out_wide // tile_wide * tile_wide
    source //= np.int64(words[C_SHARE])
    channel, place = source // (high * wide), source % (high * wide)
    first = channel // (channels // groups) * outs
    y, x = place // wide + np.int64(words[C_PAD]), place % wide + np.int64(words[C_PAD + 1])
    plane, n = out_high * out_wide, 0
    for i in range(tall):
        row = y - i * np.int64(words[C_SPACE])
        down = row // np.int64(words[C_STEP])
        if row < 0 or down >= out_high or down * np.int64(words[C_STEP]) != row:
            continue
        for j in range(broad):
            column = x - j * np.int64(words[C_SPACE + 1])
            along = column // np.int64(words[C_STEP + 1])
            if column < 0 or along >= out_wide or along * np.int64(words[C_STEP + 1]) != column:
                continue
            spot = down * out_wide + along
            if tile > 1:
                spot = ((down // tile_high * (out_wide // tile_wide) + along // tile_wide) * tile
                        + down % tile_high * tile_wide + along % tile_wide)
            at, target = ((channel * tall + i) * broad + j) * outs, first * plane + spot
            for o in range(outs):
                targets[np.uint64(n)] = np.uint32(target + o * plane)
                weights[np.uint64(n)] = kernel[np.uint64(at + o)]
                n += 1
    return n
