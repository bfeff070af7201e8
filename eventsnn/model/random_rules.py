"""Connections drawn at random: a fixed number per source, per target or in total, or a probability per pair.

Targets, weights and delays come from independent streams of a counter-based generator under one seed (`kernels.draw`),
in integer and IEEE arithmetic only, so the same seed gives the same network on every machine. Two projections of equal
shape, rule and seed get the same synapses: give each its own seed.

Arguments they share: `weight` (unit of the potential) and `delay` (seconds, >= 0) are numbers, arrays with one value
per synapse index, or `Normal`. ``replace=True`` allows several synapses between the same two neurons.
``autapses=False`` keeps neurons from connecting to themselves; it matters only within one population. `seed` is a
whole number >= 0. Weights keep float32 and are float64 otherwise; ``weight_dtype="float32"`` saves memory.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .connections import Edges, by_rows, check_parameters, edges_of_list, whole_number
from .distributions import COUNTS, DELAYS, TARGETS, WEIGHTS, Normal, keys, stored_delay, stored_weight, weight_type


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
        return _drawn_rows(self, n_source, n_target, same_population, n_source * int(self.k), where)


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
        from ..kernels import draw

        k = int(self.k)
        source = np.empty(n_target * k, np.uint32)
        words = _words(self, n_source, same_population)
        draw.fill_given(words, np.arange(n_target + 1, dtype=np.int64) * k, source)
        target = np.arange(n_target if k else 0, dtype=np.uint32)
        return edges_of_list(self, source, target, n_source, n_target, where)


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
        pairs = n_source * (n_target - _excluded(self, same_population))
        room = pairs * self.p + 8.0 * math.sqrt(pairs * self.p * (1.0 - self.p)) + 64.0
        return _drawn_rows(self, n_source, n_target, same_population, min(pairs, int(room)), where)


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
        from ..kernels import draw

        total, words = int(self.total), _words(self, n_target, same_population)
        spread = words.copy()
        spread[draw.KEY] = keys(self.seed)[COUNTS]
        indptr, target = np.zeros(n_source + 1, np.int64), np.empty(total, np.uint32)
        draw.count_rows(spread, total, not self.replace, indptr)
        draw.fill_given(words, indptr, target)
        return Edges(indptr, target, *by_rows(self, indptr, (total,), where))


def rule_arrays(rule, n_target, same_population, where):
    """(words, reals, weight, delay, weight dtype) of a `RandomOutdegree` or `RandomProbability`.

    `words` and `reals` are as `kernels.draw.row_of` takes them, weight and delay as `resolve` returns them.
    """
    from ..kernels import draw

    weight, delay = check_parameters(rule, None, where)
    dtype = np.dtype(weight_type(rule.weight_dtype, where) or np.float64)
    words, reals = np.zeros(draw.N_WORDS, np.uint64), np.zeros(draw.N_REALS)
    if isinstance(weight, Normal):
        words, reals = weight.arrays(keys(rule.seed)[WEIGHTS], dtype)
    own = _words(rule, n_target, same_population)
    words[: draw.VALUE_KEY] = own[: draw.VALUE_KEY]
    if isinstance(rule, RandomProbability):
        reals[draw.SKIP] = draw.skip_scale(float(rule.p))
    return words, reals, weight, delay, dtype


def _words(rule, n_partners, same_population):
    """The columns of `words` that say which partners are drawn."""
    from ..kernels import draw

    words, fewer = np.zeros(draw.N_WORDS, np.uint64), _excluded(rule, same_population)
    if isinstance(rule, RandomProbability):
        words[draw.KIND] = draw.PROBABILITY
    else:
        words[draw.KIND] = draw.REPLACE if rule.replace else draw.DISTINCT
        words[draw.K] = getattr(rule, "k", 0)
    words[draw.PARTNERS] = max(n_partners - fewer, 0)
    words[draw.SKIP_SELF] = fewer
    words[draw.KEY] = keys(rule.seed)[TARGETS]
    return words


def _drawn_rows(rule, n_source, n_target, same_population, room, where):
    """`Edges` of a rule drawn row by row; `room` is the number of synapses, or one that is hardly ever exceeded."""
    from ..kernels import draw

    words, reals, weight, _, dtype = rule_arrays(rule, n_target, same_population, where)
    drawn = isinstance(weight, Normal)
    indptr, n = np.empty(n_source + 1, np.int64), -1
    while n < 0:
        target, values = np.empty(room, np.uint32), np.empty(room if drawn else 0, dtype)
        n, room = draw.fill_rows(words, reals, indptr, target, values), 2 * room
    target.resize(n, refcheck=False)  # gives back the end, without a copy
    values.resize(n if drawn else 0, refcheck=False)
    weight, delay = check_parameters(rule, (n,), where)
    streams = keys(rule.seed)
    if not drawn:
        values = stored_weight(weight, indptr, streams[WEIGHTS], dtype)
    return Edges(indptr, target, values, stored_delay(delay, indptr, streams[DELAYS], where))


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
