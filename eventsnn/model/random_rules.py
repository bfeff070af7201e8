"""Connections drawn at random: a fixed number per source, per target or in total, or a probability per pair.

Targets, weights and delays come from three independent streams of numpy's PCG64 under one seed. Synapses are drawn
with integer and IEEE arithmetic only, so the same seed gives the same network on every machine. Two projections of
equal shape, rule and seed get the same synapses: give each its own seed.

Arguments they share: `weight` (unit of the potential) and `delay` (seconds, >= 0) are numbers, arrays with one value
per synapse index, or `Normal`. ``replace=True`` allows several synapses between the same two neurons.
``autapses=False`` keeps neurons from connecting to themselves; it matters only within one population. `seed` is a
whole number >= 0. Weights keep float32 and are float64 otherwise; ``weight_dtype="float32"`` saves memory.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .connections import Edges, check_parameters, drawn_parameters, edges_of_list, streams, whole_number

BLOCK = 1 << 22  # pairs laid out at a time where nearly all partners are drawn
LONGEST_SKIP = 1 << 16  # entries of the table of skips between synapses


@dataclass(frozen=True, eq=False)
class RandomOutdegree:
    """Every source neuron gets exactly `k` synapses to targets drawn uniformly.

    Synapse index ``s * k + i`` is number i of source s; without replacement the targets of a source are ascending.
    The other arguments are those of the module. Raises `ParameterError` for a negative `k`, or one that exceeds the
    number of targets when ``replace=False``, and for bad weights, delays and seeds.

    >>> from eventsnn.model.random_rules import RandomOutdegree
    >>> edges = RandomOutdegree(3, weight=0.5, seed=1, replace=False).build(4, 10, False, "projection 'a->b'")
    >>> edges.indptr
    array([ 0,  3,  6,  9, 12])
    """

    k: int
    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    seed: int = 0
    replace: bool = True
    autapses: bool = True
    weight_dtype: Any = None

    def n_synapses(self, n_source, n_target):
        """Number of synapses."""
        return n_source * int(self.k)

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        k = whole_number(self.k, "k", where)
        _check_count("k", k, n_source, n_target - _excluded(self, same_population), self.replace, "targets", where)
        check_parameters(self, (n_source * k,), where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where, same_population)
        rng, rng_weight, rng_delay = streams(self.seed)
        k, fewer = int(self.k), _excluded(self, same_population)
        target = draw_rows(rng, n_source, k, n_target - fewer, self.replace)
        if fewer:
            target += target >= np.arange(n_source, dtype=np.uint32)[:, None]
        weight, delay = drawn_parameters(self, (n_source * k,), rng_weight, rng_delay, where)
        return Edges(np.arange(n_source + 1, dtype=np.int64) * k, target.ravel(), weight, delay, None)


@dataclass(frozen=True, eq=False)
class RandomIndegree:
    """Every target neuron gets exactly `k` synapses from sources drawn uniformly.

    Synapse index ``t * k + i`` is number i of target t; without replacement the sources of a target are ascending.
    The other arguments are those of the module. Raises `ParameterError` for a negative `k`, or one that exceeds the
    number of sources when ``replace=False``, and for bad weights, delays and seeds.

    >>> import numpy as np
    >>> from eventsnn.model.random_rules import RandomIndegree
    >>> edges = RandomIndegree(3, weight=0.5, seed=1).build(10, 4, False, "projection 'a->b'")
    >>> np.bincount(edges.target)
    array([3, 3, 3, 3])
    """

    k: int
    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    seed: int = 0
    replace: bool = True
    autapses: bool = True
    weight_dtype: Any = None

    def n_synapses(self, n_source, n_target):
        """Number of synapses."""
        return n_target * int(self.k)

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        k = whole_number(self.k, "k", where)
        _check_count("k", k, n_target, n_source - _excluded(self, same_population), self.replace, "sources", where)
        check_parameters(self, (n_target * k,), where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where, same_population)
        rng, rng_weight, rng_delay = streams(self.seed)
        k, fewer = int(self.k), _excluded(self, same_population)
        source = draw_rows(rng, n_target, k, n_source - fewer, self.replace)
        if fewer:
            source += source >= np.arange(n_target, dtype=np.uint32)[:, None]
        target = np.repeat(np.arange(n_target, dtype=np.uint32), k)
        return edges_of_list(self, source.ravel(), target, n_source, rng_weight, rng_delay, where)


@dataclass(frozen=True, eq=False)
class RandomProbability:
    """Every pair of neurons is connected with probability `p`, independently of the others.

    The synapse index counts by source, then by target. The number of synapses is known only once they are drawn, so
    prefer numbers or `Normal` to arrays. Time and memory are proportional to the synapses, not to the pairs. The other
    arguments are those of the module. Raises `ParameterError` for a `p` outside 0..1 and for bad weights, delays and
    seeds.

    >>> from eventsnn.model.random_rules import RandomProbability
    >>> RandomProbability(1.0, weight=0.5, autapses=False).build(3, 3, True, "projection 'a->a'").target
    array([1, 2, 0, 2, 0, 1], dtype=uint32)
    """

    p: float
    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    seed: int = 0
    autapses: bool = True
    weight_dtype: Any = None

    def n_synapses(self, n_source, n_target):
        """None: the number is drawn by `build`."""
        return None

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        if not isinstance(self.p, int | float | np.number) or not 0.0 <= self.p <= 1.0:
            raise ParameterError(f"p of {where} is {self.p!r}; it must be a probability in 0..1")
        check_parameters(self, None, where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where, same_population)
        rng, rng_weight, rng_delay = streams(self.seed)
        fewer = _excluded(self, same_population)
        row = n_target - fewer
        pairs = bernoulli_places(rng, n_source * row, float(self.p))
        return _edges_of_pairs(self, pairs, n_source, row, fewer, rng_weight, rng_delay, where)


class RandomTotal:
    """Exactly `n_synapses` synapses between pairs drawn uniformly from all pairs of neurons.

    The synapse index counts by source; without replacement the targets of a source are ascending. The other arguments
    are those of the module. Raises `ParameterError` for a negative number, or one that exceeds the number of pairs
    when ``replace=False``, and for bad weights, delays and seeds.

    >>> from eventsnn.model.random_rules import RandomTotal
    >>> RandomTotal(1000, weight=0.5, delay=1e-3).build(50, 20, False, "projection 'a->b'").n_synapses
    1000
    """

    def __init__(self, n_synapses, weight, delay=0.0, *, seed=0, replace=True, autapses=True, weight_dtype=None):
        # not a dataclass: this argument shares its name with the method that every connection has
        self.total, self.weight, self.delay = n_synapses, weight, delay
        self.seed, self.replace, self.autapses, self.weight_dtype = seed, replace, autapses, weight_dtype

    def n_synapses(self, n_source, n_target):
        """Number of synapses, whatever the sizes of the populations."""
        return int(self.total)

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        total = whole_number(self.total, "n_synapses", where)
        pairs = n_source * (n_target - _excluded(self, same_population))
        _check_count("n_synapses", total, 1, pairs, self.replace, "pairs of neurons", where)
        check_parameters(self, (total,), where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where, same_population)
        rng, rng_weight, rng_delay = streams(self.seed)
        total, fewer = int(self.total), _excluded(self, same_population)
        row = n_target - fewer
        if not self.replace:
            pairs = draw_distinct(rng, 1, total, n_source * row)[0]
            return _edges_of_pairs(self, pairs, n_source, row, fewer, rng_weight, rng_delay, where)
        indptr = np.zeros(n_source + 1, np.int64)
        if total:
            np.cumsum(np.bincount(rng.integers(0, n_source, total), minlength=n_source), out=indptr[1:])
        target = draw_rows(rng, 1, total, row, True)[0]
        if fewer:
            target += target >= np.repeat(np.arange(n_source, dtype=np.uint32), np.diff(indptr))
        weight, delay = drawn_parameters(self, (total,), rng_weight, rng_delay, where)
        return Edges(indptr, target, weight, delay, None)


def draw_rows(rng, n_rows, k, n, replace):
    """Draw `k` of the numbers 0..n - 1 for every row: uint32 [n_rows, k], ascending and distinct without `replace`."""
    if n_rows * k == 0:
        return np.zeros((n_rows, k), np.uint32)
    if replace:
        return rng.integers(0, n, size=(n_rows, k), dtype=np.uint32)
    return draw_distinct(rng, n_rows, k, n).astype(np.uint32, copy=False)


def draw_distinct(rng, n_rows, k, n):
    """Draw `k` distinct numbers of 0..n - 1 for every row, all subsets equally likely; ascending, [n_rows, k].

    Few of many: draw, sort, replace what came twice, until nothing did. Otherwise shuffle all `n`, a block of rows at
    a time, and keep the first `k`.
    """
    dtype = np.uint32 if n <= 1 << 32 else np.int64
    if k == 0 or n_rows == 0:
        return np.zeros((n_rows, k), dtype)
    if 4 * k > n:
        drawn = np.empty((n_rows, k), dtype)
        step = max(1, BLOCK // n)
        for start in range(0, n_rows, step):
            stop = min(start + step, n_rows)
            everything = np.tile(np.arange(n, dtype=dtype), (stop - start, 1))
            drawn[start:stop] = rng.permuted(everything, axis=1, out=everything)[:, :k]
        drawn.sort(axis=1)
        return drawn
    drawn = rng.integers(0, n, size=(n_rows, k), dtype=dtype)
    drawn.sort(axis=1)
    rows = np.arange(n_rows)
    while True:
        part = drawn[rows] if rows.size < n_rows else drawn
        twice = part[:, 1:] == part[:, :-1]
        touched = twice.any(axis=1)
        if not touched.any():
            return drawn
        rows, part, twice = rows[touched], part[touched], twice[touched]
        part[:, 1:][twice] = rng.integers(0, n, size=int(twice.sum()), dtype=dtype)
        part.sort(axis=1)
        drawn[rows] = part


def bernoulli_places(rng, n, p):
    """The places of 0..n - 1 that are drawn, each with probability `p`: ascending int64.

    The distance to the next place is looked up in the table 1 - (1 - p)^j, built by multiplication so that no
    machine's logarithm enters. A draw beyond the table moves on by its length without placing anything, which is exact
    because the distance has no memory.
    """
    if n == 0 or p == 0.0:
        return np.zeros(0, np.int64)
    length = int(min(max(4.0 / p, 1.0), LONGEST_SKIP))
    table = 1.0 - np.cumprod(np.full(length, 1.0 - p))
    advance = length - float(table.sum()) + 1.0  # about the mean step of a draw, for the size of the batches
    found, reached = [], -1
    while reached < n - 1:
        draws = int(min(1.05 * (n - reached) / advance + 100, BLOCK))
        skip = np.searchsorted(table, rng.random(draws), side="right")
        placed = skip < length
        places = reached + np.cumsum(skip + placed)
        reached = int(places[-1])
        places = places[placed]
        found.append(places[: np.searchsorted(places, n)])
    return np.concatenate(found)


def _excluded(connection, same_population):
    return int(same_population and not connection.autapses)


def _check_count(name, count, n_takers, n_partners, replace, partners, where):
    """Can every one of `n_takers` get `count` of `n_partners`?"""
    if n_takers == 0 or count == 0:
        return
    if n_partners <= 0:
        raise ParameterError(f"{name} of {where} is {count}, but there are no {partners} to choose from")
    if not replace and count > n_partners:
        raise ParameterError(
            f"{name} of {where} is {count}; without replacement it must be in 0..{n_partners}, the number of {partners}"
        )


def _edges_of_pairs(connection, pairs, n_source, row, fewer, rng_weight, rng_delay, where):
    """`Edges` of the ascending pair numbers ``source * row + column``; `fewer` is 1 if columns leave out the source."""
    indptr = np.searchsorted(pairs, np.arange(n_source + 1, dtype=np.int64) * row).astype(np.int64)
    source = np.repeat(np.arange(n_source, dtype=np.int64), np.diff(indptr))
    target = pairs - source * row
    if fewer:
        target += target >= source
    weight, delay = drawn_parameters(connection, (target.size,), rng_weight, rng_delay, where)
    return Edges(indptr, target.astype(np.uint32), weight, delay, None)
