"""Connections given synapse by synapse: `Sparse`, `Dense`, `OneToOne`; and `Edges`, the form all of them build.

A connection is a description. `validate` checks it against the sizes of the two populations when it is connected,
`build` turns it into rows by source neuron. The rules that draw synapses at random are in `random_rules`.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .distributions import resolve, weight_type


@dataclass(frozen=True, eq=False)
class Edges:
    """Synapses in rows by source neuron, within a row in the order of the synapse index.

    Row s holds the entries ``indptr[s]:indptr[s + 1]`` (int64 [n_source + 1]) of `target` (uint32 [n_synapses]),
    `weight` (float32 or float64 [n_synapses], or one float for all) and `delay` (float64 [n_synapses] in seconds, or
    one float for all). `position[k]` is the synapse index of entry k; None where that is k itself. No array shares
    memory with those the user gave.

    >>> from eventsnn.model.connections import Sparse
    >>> edges = Sparse([1, 0, 1], [0, 2, 1], weight=[0.1, 0.2, 0.3]).build(2, 3, False, "projection 'a->b'")
    >>> edges.indptr, edges.position
    (array([0, 1, 3]), array([1, 0, 2]))
    """

    indptr: np.ndarray
    target: np.ndarray
    weight: np.ndarray | float
    delay: np.ndarray | float
    position: np.ndarray | None

    @property
    def n_synapses(self):
        """Number of synapses."""
        return self.target.size


@dataclass(frozen=True, eq=False)
class DenseEdges:
    """All-to-all synapses with one delay: `weight` [n_source, n_target], C-contiguous float32 or float64; `delay` in s.

    >>> from eventsnn.model.connections import Dense
    >>> Dense([[0.1, 0.2, 0.3]]).build(1, 3, False, "projection 'a->b'").weight.shape
    (1, 3)
    """

    weight: np.ndarray
    delay: float

    @property
    def n_synapses(self):
        """Number of synapses."""
        return self.weight.size


@dataclass(frozen=True, eq=False)
class Sparse:
    """A list of synapses: number i goes from neuron ``source[i]`` to neuron ``target[i]``.

    `source` and `target` [n_synapses] hold neuron numbers of any integer dtype (floats only if they are whole). The
    list may be in any order; duplicates and self-connections are kept, and i is the synapse index everywhere.
    `weight` (unit of the potential) and `delay` (seconds, >= 0) are numbers, arrays [n_synapses] or `Normal`, which is
    drawn with `seed`. Weights keep float32 and are float64 otherwise; ``weight_dtype="float32"`` saves memory.

    Raises `ParameterError` for unequal lengths, numbers outside the populations, weights that are not finite and
    delays that are not finite or negative.

    >>> from eventsnn.model.connections import Sparse
    >>> Sparse(source=[0, 0, 2], target=[1, 1, 0], weight=0.5, delay=1.5e-3).n_synapses(3, 2)
    3
    """

    source: Any
    target: Any
    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    weight_dtype: Any = None
    seed: int = 0

    def n_synapses(self, n_source, n_target):
        """Number of synapses, whatever the sizes of the populations."""
        return int(np.size(self.source))

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        source = neuron_ids(self.source, n_source, "source", where)
        target = neuron_ids(self.target, n_target, "target", where)
        if source.size != target.size:
            raise ParameterError(
                f"source and target of {where} have {source.size} and {target.size} entries; they must be equally long"
            )
        check_parameters(self, (source.size,), where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where)
        source = neuron_ids(self.source, n_source, "source", where)
        target = neuron_ids(self.target, n_target, "target", where)
        _, rng_weight, rng_delay = streams(self.seed)
        return edges_of_list(self, source, target, n_source, rng_weight, rng_delay, where)


@dataclass(frozen=True, eq=False)
class Dense:
    """All-to-all: the synapse from neuron s to neuron t has weight ``weight[s, t]``.

    `weight` (unit of the potential) is an array [n_source, n_target], a number or `Normal`; `delay` (seconds, >= 0) a
    number, an array [n_source, n_target] or `Normal`. The synapse index is ``s * n_target + t``. Weights keep float32
    and are float64 otherwise; ``weight_dtype="float32"`` saves memory. `seed` is that of `Normal`.

    Raises `ParameterError` for other shapes, weights that are not finite and delays that are not finite or negative.

    >>> import numpy as np
    >>> from eventsnn.model.connections import Dense
    >>> Dense(np.ones((4, 3), np.float32), delay=1e-3).n_synapses(4, 3)
    12
    """

    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    weight_dtype: Any = None
    seed: int = 0

    def n_synapses(self, n_source, n_target):
        """Number of synapses: one per pair of neurons."""
        return n_source * n_target

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        check_parameters(self, (n_source, n_target), where)

    def build(self, n_source, n_target, same_population, where):
        """Return `DenseEdges` where one delay holds for all and the weights are an array, `Edges` otherwise."""
        self.validate(n_source, n_target, where)
        _, rng_weight, rng_delay = streams(self.seed)
        weight, delay = drawn_parameters(self, (n_source, n_target), rng_weight, rng_delay, where)
        if not isinstance(weight, float):
            weight = np.ascontiguousarray(weight)
            if isinstance(delay, float):
                return DenseEdges(weight, delay)
            weight = weight.ravel()
        return Edges(
            indptr=np.arange(n_source + 1, dtype=np.int64) * n_target,
            target=np.tile(np.arange(n_target, dtype=np.uint32), n_source),
            weight=weight,
            delay=delay if isinstance(delay, float) else delay.ravel(),
            position=None,
        )


@dataclass(frozen=True, eq=False)
class OneToOne:
    """Neuron i of the source to neuron i of the target, which has the same size; i is the synapse index.

    `weight` (unit of the potential) and `delay` (seconds, >= 0) are numbers, arrays [n] or `Normal`, drawn with
    `seed`. Weights keep float32 and are float64 otherwise; ``weight_dtype="float32"`` saves memory.

    Raises `ParameterError` for populations of different size, arrays of another length, weights that are not finite
    and delays that are not finite or negative.

    >>> from eventsnn.model.connections import OneToOne
    >>> OneToOne(2.0).build(3, 3, False, "projection 'a->b'").target
    array([0, 1, 2], dtype=uint32)
    """

    weight: Any
    delay: Any = 0.0
    _: KW_ONLY
    weight_dtype: Any = None
    seed: int = 0

    def n_synapses(self, n_source, n_target):
        """Number of synapses: one per neuron."""
        return n_source

    def validate(self, n_source, n_target, where, same_population=False):
        """Raise `ParameterError` if this cannot connect `n_source` to `n_target` neurons; `where` names the place."""
        if n_source != n_target:
            raise ParameterError(
                f"OneToOne of {where} connects populations of {n_source} and {n_target} neurons; "
                "they must be of the same size"
            )
        check_parameters(self, (n_source,), where)

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        self.validate(n_source, n_target, where)
        _, rng_weight, rng_delay = streams(self.seed)
        weight, delay = drawn_parameters(self, (n_source,), rng_weight, rng_delay, where)
        return Edges(
            indptr=np.arange(n_source + 1, dtype=np.int64),
            target=np.arange(n_source, dtype=np.uint32),
            weight=weight,
            delay=delay,
            position=None,
        )


def streams(seed):
    """Three independent generators, for targets, weights and delays: changing one rule never changes the others."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(int(seed)).spawn(3)]


def whole_number(value, name, where):
    """Return `value` as an int >= 0 or raise `ParameterError`; floats are accepted where they are whole."""
    integral = isinstance(value, int | np.integer) and not isinstance(value, bool)
    integral = integral or (isinstance(value, float | np.floating) and float(value).is_integer())
    if not integral or value < 0:
        raise ParameterError(f"{name} of {where} is {value!r}; it must be a whole number >= 0")
    return int(value)


def neuron_ids(ids, n, name, where):
    """Return the neuron numbers `ids` as an integer array, after checking that they are whole and in 0..n - 1."""
    ids = np.atleast_1d(np.asarray(ids))
    if ids.ndim != 1:
        raise ParameterError(f"{name} of {where} has shape {ids.shape}; it must be a list of neuron numbers")
    if not ids.size:
        return np.zeros(0, np.int64)
    if ids.dtype.kind not in "iuf":
        raise ParameterError(f"{name} of {where} must hold whole numbers, got dtype {ids.dtype}")
    if ids.dtype.kind == "f":
        whole = np.isfinite(ids) & (ids == np.floor(ids))
        if not whole.all():
            k = int(np.flatnonzero(~whole)[0])
            raise ParameterError(f"{name} of synapse {k} of {where} is {ids[k]}; neuron numbers must be whole")
    if ids.min() < 0 or ids.max() >= n:
        k = int(np.flatnonzero((ids < 0) | (ids >= n))[0])
        allowed = f"it must be in 0..{n - 1}" if n else "the population is empty"
        raise ParameterError(f"{name} of synapse {k} of {where} is {ids[k]}; {allowed}")
    return ids.astype(np.int64) if ids.dtype.kind == "f" else ids


def check_parameters(connection, shape, where):
    """Check weight, delay, weight_dtype and seed of `connection`; `shape` is that of arrays, None if not yet known."""
    whole_number(connection.seed, "seed", where)
    resolve(connection.weight, "weight", where, shape, weight_type(connection.weight_dtype, where))
    resolve(connection.delay, "delay", where, shape, np.float64)


def drawn_parameters(connection, shape, rng_weight, rng_delay, where, copy=True):
    """Weight and delay of `connection` in stored form; delays that are all equal become one number.

    With `copy` an array shares no memory with the one the user gave.
    """
    dtype = weight_type(connection.weight_dtype, where)
    weight = resolve(connection.weight, "weight", where, shape, dtype, rng_weight)
    delay = resolve(connection.delay, "delay", where, shape, np.float64, rng_delay)
    if not isinstance(delay, float):
        first = delay.flat[0] if delay.size else 0.0
        if (delay == first).all():
            delay = float(first)
    if not copy:
        return weight, delay
    return _own(weight, connection.weight), _own(delay, connection.delay)


def _own(value, given):
    shared = isinstance(value, np.ndarray) and isinstance(given, np.ndarray) and np.may_share_memory(value, given)
    return value.copy() if shared else value


def edges_of_list(connection, source, target, n_source, rng_weight, rng_delay, where):
    """`Edges` of the synapses ``source[i] -> target[i]``, i being the synapse index of weight and delay."""
    indptr = np.zeros(n_source + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=n_source), out=indptr[1:])
    position = stable_order(source)
    weight, delay = drawn_parameters(connection, (source.size,), rng_weight, rng_delay, where, copy=position is None)
    if position is None:
        return Edges(indptr, target.astype(np.uint32), weight, delay, None)
    weight = weight if isinstance(weight, float) else weight[position]
    delay = delay if isinstance(delay, float) else delay[position]
    return Edges(indptr, target.astype(np.uint32, copy=False)[position], weight, delay, position)


def stable_order(keys):
    """The permutation that sorts the whole numbers `keys` and keeps ties in order, or None if they are sorted."""
    if keys.size < 2 or (keys[1:] >= keys[:-1]).all():
        return None
    shift = int(keys.size - 1).bit_length()
    if shift + int(keys.max()).bit_length() > 63:
        return np.argsort(keys, kind="stable")
    packed = keys.astype(np.int64)  # key and place in one number: plain sorting of integers is the fastest
    packed <<= shift
    packed |= np.arange(keys.size)
    packed.sort()
    packed &= (1 << shift) - 1
    return packed
