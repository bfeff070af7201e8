"""Lists of synapses to rows by source neuron (a stable counting sort), and delays to classes."""

import numpy as np

from ..jit import kernel

HASH = np.uint64(0x9E3779B97F4A7C15)


@kernel
def count_sources(source, n_source, indptr):
    """Row pointers of a list of source numbers into `indptr`, given as zeros.

    Returns 0, or -1 - i if entry i lies outside 0..n_source - 1.
    """
    limit = np.uint64(n_source)
    for i in range(source.size):
        s = np.uint64(source[i])  # a negative number becomes a huge one
        if s >= limit:
            return -1 - i
        indptr[s + np.uint64(1)] += 1
    for row in range(1, indptr.size):
        indptr[row] += indptr[row - 1]
    return 0


@kernel
def place(source, target, n_target, cursor, out, slot):
    """Write the target of every synapse to its place in the rows, `out`; `cursor` holds the start of each row and moves on.

    `slot` receives the places, unless it is empty. One entry of `target` stands for a block of synapses where there are fewer
    of them than sources. Returns 0, or -1 - i if target i lies outside 0..n_target - 1.
    """
    limit, keep = np.uint64(n_target), slot.size > 0
    block = source.size // max(target.size, 1)
    for j in range(target.size):
        t = np.uint64(target[j])
        if t >= limit:
            return -1 - j
        for i in range(j * block, j * block + block):
            s = np.uint64(source[i])
            at = cursor[s]
            cursor[s] = at + 1
            out[np.uint64(at)] = np.uint32(t)
            if keep:
                slot[i] = at
    return 0


@kernel
def scatter(values, slot, out):
    """out[slot[i]] = values[i]. A pass per array: writing several to random places at once takes longer than one by one."""
    for i in range(values.size):
        out[np.uint64(slot[i])] = values[i]


@kernel
def find_classes(values, bits, most, slots, table, index):
    """Number the distinct `values` by first appearance: numbers into `index`, the values into `table`; returns how many.

    `bits` are the same values as uint64, without negative zeros. `slots` is a hash table of a power of two of entries, all -1,
    more than `most`; -1 is returned as soon as more than `most` values have appeared.
    """
    mask, count = np.uint64(slots.size - 1), 0
    for i in range(values.size):
        at = ((bits[i] * HASH) >> np.uint64(40)) & mask
        while True:
            number = slots[at]
            if number < 0:
                if count == most:
                    return -1
                slots[at] = number = count
                table[count] = values[i]
                count += 1
                break
            if table[number] == values[i]:
                break
            at = (at + np.uint64(1)) & mask
        index[i] = number
    return count


@kernel
def renumber(index, numbers, out):
    """out[i] = numbers[index[i]]."""
    for i in range(index.size):
        out[i] = numbers[index[i]]


@kernel
def count_classes(index, count):
    """Add how often each class occurs to `count`."""
    for i in range(index.size):
        count[index[i]] += 1
