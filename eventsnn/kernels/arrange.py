"""Arrange the synapses of one projection for delivery: each row cut into shards of targets, each part sorted by delay.

Both sorts are stable, so the arrivals at one neuron keep the order of the synapse index for any number of shards.
"""

import numpy as np

from ..jit import jit, kernel


@jit
def count_parts(indptr, target, bounds, first_target, row):
    """row[source * S + s + 1] = row[0] + number of synapses before the end of that part; bounds: i8[S + 1] target ids.

    row[0] is given: the position of the first synapse in the common store.
    """
    shards = bounds.size - 1
    total = row[0]
    count = np.zeros(shards, np.int64)
    for source in range(indptr.size - 1):
        count[:] = 0
        for i in range(indptr[source], indptr[source + 1]):
            s = 0
            while np.int64(target[i]) + first_target >= bounds[s + 1]:
                s += 1
            count[s] += 1
        for s in range(shards):
            total += count[s]
            row[source * shards + s + 1] = total


@jit
def place(indptr, target, index, classes, bounds, first_target, row, post, moved, order):
    """Write the targets of all rows to post[row[...]], global ids; order[position - row[0]] = synapse index (if order.size).

    index: class of delay of each synapse (u1 or u2 [n], or empty for a uniform delay), copied to `moved` in the new order;
    classes: how many there are.
    """
    shards = bounds.size - 1
    bins = shards * classes
    at = np.zeros(bins + 1, np.int64)
    base = row[0]
    sorted_by_delay = index.size > 0
    for source in range(indptr.size - 1):
        low, high = indptr[source], indptr[source + 1]
        at[:] = 0
        for i in range(low, high):
            s = 0
            while np.int64(target[i]) + first_target >= bounds[s + 1]:
                s += 1
            at[s * classes + (np.int64(index[i]) if sorted_by_delay else 0) + 1] += 1
        for b in range(bins):
            at[b + 1] += at[b]
        start = row[source * shards]
        for i in range(low, high):
            s = 0
            while np.int64(target[i]) + first_target >= bounds[s + 1]:
                s += 1
            b = s * classes + (np.int64(index[i]) if sorted_by_delay else 0)
            to = start + at[b]
            at[b] += 1
            post[to] = np.uint32(np.int64(target[i]) + first_target)
            if sorted_by_delay:
                moved[to - base] = index[i]
            if order.size:
                order[to - base] = i


@jit
def place_by_delay(indptr, target, delay, bounds, first_target, row, post, moved, order):
    """As `place`, for one delay per synapse: delay and moved f8[n]."""
    shards = bounds.size - 1
    base = row[0]
    for source in range(indptr.size - 1):
        low, high = indptr[source], indptr[source + 1]
        by_delay = low + np.argsort(delay[low:high], kind="mergesort")
        to = row[source * shards]
        for s in range(shards):
            for i in by_delay:
                j = np.int64(target[i]) + first_target
                if bounds[s] <= j < bounds[s + 1]:
                    post[to] = np.uint32(j)
                    moved[to - base] = delay[i]
                    order[to - base] = i
                    to += 1


@kernel
def copy_targets(target, first_target, post, at):
    """post[at:] = global ids of the targets, which need no sorting."""
    for i in range(np.uint64(target.size)):
        post[np.uint64(at) + i] = target[i] + np.uint32(first_target)
