"""Parts and groups of a population: what one thread carries, and neurons that spike as one."""

from ..jit import inlined
from ..layout import P_FIRST, P_GROUP


@inlined
def part(wir, p, shard, shards):
    """(first, end) of the neurons of population `p` in `shard`; no group is cut."""
    first, size = wir.pop[p, P_FIRST], wir.pop[p, P_GROUP]
    n = (wir.pop[p + 1, P_FIRST] - first) // size
    return first + n * shard // shards * size, first + n * (shard + 1) // shards * size


@inlined
def group(wir, p, j):
    """(first, end) of the group of neuron `j`: a spike of one of them changes the modes of all."""
    size = wir.pop[p, P_GROUP]
    first = j - (j - wir.pop[p, P_FIRST]) % size
    return first, first + size
