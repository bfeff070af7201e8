"""Connections that are drawn again whenever a neuron spikes, and never stored: `Procedural`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .distributions import Normal
from .random_rules import RandomOutdegree, RandomProbability, rule_arrays


@dataclass(frozen=True, eq=False)
class ProceduralEdges:
    """Synapses given by a rule: row s is what ``kernels.draw.row_of(words, reals, s, ...)`` writes.

    `words` (uint64) and `reals` (float64) have the columns of `kernels.draw`. `weight` is the weight of all synapses,
    None where weights are drawn with `weight_dtype`. `delay` (s) is that of all. No row is longer than `longest_row`.

    >>> from eventsnn.model.random_rules import RandomOutdegree
    >>> edges = Procedural(RandomOutdegree(3, weight=0.5, seed=1)).build(4, 10, False, "projection 'a->b'")
    >>> edges.longest_row, edges.n_synapses, edges.row(2)[0].size
    (3, 12, 3)
    """

    words: np.ndarray
    reals: np.ndarray
    n_source: int
    n_target: int
    n_synapses: int | None
    longest_row: int
    weight: float | None
    weight_dtype: np.dtype
    delay: float

    def row(self, source):
        """Targets (uint32) and weights (None if all are `weight`) of the synapses of neuron `source`."""
        from ..kernels import draw

        targets = np.empty(self.longest_row, np.uint32)
        weights = np.empty(self.longest_row if self.weight is None else 0, self.weight_dtype)
        n = draw.row_of(self.words, self.reals, source, 0, targets, weights)
        return targets[:n], weights[:n] if self.weight is None else None


@dataclass(frozen=True, eq=False)
class Procedural:
    """The synapses of `rule`, drawn again for every spike instead of stored: no memory per synapse.

    `rule` is a `RandomOutdegree` or `RandomProbability` whose weight is a number or `Normal` and whose delay is one
    number (s). The network is the same, bit by bit, as with `rule` itself.

    Raises `ParameterError` for other rules, weights and delays, and for whatever `rule` refuses.

    >>> from eventsnn.model.random_rules import RandomOutdegree
    >>> Procedural(RandomOutdegree(1000, weight=0.1, delay=1e-3)).n_synapses(1_000_000, 1_000_000)
    1000000000
    """

    rule: Any

    def n_synapses(self, n_source, n_target):
        """Number of synapses; None where only drawing them would tell."""
        return self.rule.n_synapses(n_source, n_target)

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        if not isinstance(self.rule, RandomOutdegree | RandomProbability):
            raise ParameterError(
                f"rule of Procedural of {where} is {type(self.rule).__name__}; it must be RandomOutdegree or RandomProbability"
            )
        self.rule.validate(n_source, n_target, where, same_population)
        if np.ndim(self.rule.weight):
            raise ParameterError(f"weight of Procedural of {where} is an array; it must be a number or Normal(...)")
        if isinstance(self.rule.delay, Normal) or np.ndim(self.rule.delay):
            raise ParameterError(
                f"delay of Procedural of {where} is not one number; store the synapses (without Procedural) for several delays"
            )

    def build(self, n_source, n_target, same_population, where):
        """Return the rule as `ProceduralEdges`."""
        self.validate(n_source, n_target, where, same_population)
        rule, own = self.rule, same_population and not self.rule.autapses
        words, reals, weight, delay, dtype = rule_arrays(rule, n_target, same_population, where)
        return ProceduralEdges(
            words, reals, n_source, n_target, rule.n_synapses(n_source, n_target),
            longest_row=int(rule.k) if isinstance(rule, RandomOutdegree) else n_target - own,
            weight=None if isinstance(weight, Normal) else weight, weight_dtype=dtype, delay=delay,
        )
