"""One clocked neuron: advance it over silent steps at once, and find the next step in which it may fire.

Powers of the update matrix A are kept for d 8^l steps, d = 1 .. 7, so k steps take one small product per octal digit. What
A^k contributes to U is the row read . A^k; `gain` holds, per variable, its largest and smallest value over the next 1, 2,
4, ... steps and over all time. Hence a bound of U over any such block of steps: one sum. Blocks whose bound stays below the
threshold are skipped whole, others are halved; a block of one step has an exact bound. Nothing is passed over, whatever the
signs, equal decays and slow modes included, and a silent neuron is usually settled by two sums.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inlined, inner, kernel

LEVELS = 6  # octal digits
FURTHEST = 8**LEVELS
UNBOUNDED = 1e300  # unlike inf, nothing times it is nothing
NEAR = 1e-9  # steps with |U - threshold| below this are counted and listed
# Grid.pop[p, ...]; G_CONVOLUTION: the projection, a convolution, that alone feeds one of its ports, or -1; G_ALIKE: neurons
# share one rule, without refractory steps, and no population has more than four variables
(G_MODES, G_PORTS, G_STRICT, G_RESET, G_RESET_MODE, G_LATE, G_REFRACTORY, G_MULTI, G_STATEFUL, G_CONVOLUTION, G_ALIKE,
 G_COLUMNS) = range(12)
NO_RESET, TO_VALUE, SUBTRACT = 0, 1, 2
# State.par[j, ...] of clocked neurons
L_THETA, L_AMOUNT, L_FREE = 0, 1, 2  # L_FREE: the last step in which x_0 is held
# State.flag[j, 0]
OPEN_RESET = 1  # the reset of the spike in the last step done is still to come


class Grid(NamedTuple):
    """Update rules of all clocked neurons: C classes (distinct rules), M modes at most."""

    pop: np.ndarray  # i8[n_pop, G_COLUMNS]
    who: np.ndarray  # i8[N] class of each neuron, -1: none
    power: np.ndarray  # f8[C, 7 LEVELS, M, M] A^(d 8^level) at 7 level + d - 1
    gain: np.ndarray  # f8[C, blocks + 1, 2, M] largest and smallest of (read . A^k) over k = 1 .. 2^block; last: over all k
    read: np.ndarray  # f8[C, M]
    jump: np.ndarray  # f8[C, ports, M]
    order: np.ndarray  # i8[n_pop] populations in the order of their ranks


@kernel
def fill_tables(matrix, read, power, gain, longest, scratch):
    """Fill `power` and `gain` [C, ...] from A [C, M, M]; `longest` [C]: steps after which every transient is gone.

    scratch : f8[2, M]
    """
    m = matrix.shape[1]
    for c in range(matrix.shape[0]):
        for a in range(m):
            for b in range(m):
                power[c, 0, a, b] = matrix[c, a, b]
        for i in range(1, power.shape[1]):
            one = (i - 1) // 7 * 7  # the power that d counts; of a new digit it is that of the digit before
            for a in range(m):
                for b in range(m):
                    total = 0.0
                    for k in range(m):
                        total += power[c, i - 1, a, k] * power[c, one, k, b]
                    power[c, i, a, b] = total
        _fill_gains(matrix[c], read[c], gain[c], longest[c], scratch)


@inner
def _fill_gains(a, read, gain, longest, scratch):
    m, blocks = a.shape[0], gain.shape[0] - 1
    now, new = scratch[0], scratch[1]
    for i in range(m):
        now[i] = read[i]
        gain[blocks, 0, i], gain[blocks, 1, i] = -np.inf, np.inf
    block, k, settled, size = 0, 0, False, 0.0
    while block < blocks or not settled and k < longest:
        if not settled:
            k += 1
            change = 0.0
            for i in range(m):
                total = 0.0
                for j in range(i + 1):
                    total += now[j] * a[j, i]
                new[i] = total
                gain[blocks, 0, i] = max(gain[blocks, 0, i], total)
                gain[blocks, 1, i] = min(gain[blocks, 1, i], total)
                change, size = max(change, abs(total - now[i])), max(size, abs(total))
            for i in range(m):
                now[i] = new[i]
            settled = change <= 1e-22 * size
        while block < blocks and (settled or k == 1 << block):
            for i in range(m):
                gain[block, 0, i], gain[block, 1, i] = gain[blocks, 0, i], gain[blocks, 1, i]
            block += 1
    if not settled:
        for i in range(m):
            gain[blocks, 0, i], gain[blocks, 1, i] = UNBOUNDED, -UNBOUNDED


@inlined
def bound(gain, c, block, y, m):
    """The most that U can be within the next 2^block steps without arrivals; exact for block 0."""
    total = 0.0
    for i in range(m):
        total += y[i] * (gain[c, block, 0, i] if y[i] > 0.0 else gain[c, block, 1, i])
    return total


@inlined
def multiply(power, c, i, y, m):
    """y <- power i times y, in place; A is upper triangular."""
    for a in range(m):
        total = power[c, i, a, a] * y[a]
        for b in range(a + 1, m):
            total += power[c, i, a, b] * y[b]
        y[a] = total


@inlined
def advance(power, c, n, y, m):
    """y <- A^n y in place."""
    while n >= FURTHEST:
        multiply(power, c, 7 * LEVELS - 1, y, m)
        n -= FURTHEST // 8 * 7
    i = -1
    while n > 0:
        if n & 7:
            multiply(power, c, i + (n & 7), y, m)
        n >>= 3
        i += 7


@inlined
def reading(read, c, y, m):
    """U = read . y."""
    total = 0.0
    for i in range(m):
        total += read[c, i] * y[i]
    return total


@inlined
def reset(kind, mode, amount, count, y):
    """Reset after `count` spikes in one step."""
    if kind == TO_VALUE:
        y[mode] = amount
    elif kind == SUBTRACT:
        y[mode] -= count * amount


@inlined
def next_candidate(grid, c, y, m, level):
    """Steps until U may exceed `level`: (k, True) exact, (k, False): not before step k + 1, (0, False): never. Changes y."""
    last = grid.gain.shape[1] - 1
    block, done, all_steps = 0, np.int64(0), np.int64(1) << (last - 1)
    while True:
        while bound(grid.gain, c, block, y, m) >= level:
            if block == 0:
                return done + 1, True
            block -= 1
        if done & 1 == 0 and bound(grid.gain, c, last, y, m) < level:
            return np.int64(0), False
        done += np.int64(1) << block
        if done >= all_steps:
            return all_steps, False
        multiply(grid.power, c, block // 3 * 7 + (1 << block % 3) - 1, y, m)
        while done & ((np.int64(2) << block) - 1) == 0:
            block += 1


@kernel
def candidate(grid, y, m, level):
    """`next_candidate` of class 0, for Python."""
    return next_candidate(grid, 0, y, m, level)
