"""Connections given synapse by synapse: `Sparse`, `Dense`, `OneToOne`; and `Edges`, the form all of them build.

A connection is a description. `validate` checks it against the sizes of the two populations when it is connected,
`build` turns it into rows by source neuron. The rules that draw synapses at random are in `random_rules`.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .distributions import (
    DELAYS,
    WEIGHTS,
    DelayClasses,
    check_delay_classes,
    in_classes,
    keys,
    resolve,
    stored_delay,
    stored_weight,
    weight_type,
)


@dataclass(frozen=True, eq=False)
class Edges:
    """Synapses in rows by source neuron, within a row in the order of the synapse index.

    Row s holds the entries ``indptr[s]:indptr[s + 1]`` (int64 [n_source + 1]) of `target` (uint32 [n_synapses]),
    `weight` (float32 or float64 [n_synapses], or one float for all) and `delay` in seconds: one float for all;
    `DelayClasses` where there are at most 256 distinct delays, or at most 65,536 that four synapses or more share on
    average; float64 [n_synapses] otherwise. No array shares memory with those the user gave.

    >>> from eventsnn.model.connections import Sparse
    >>> edges = Sparse([1, 0, 1], [0, 2, 1], weight=[0.1, 0.2, 0.3]).build(2, 3, False, "projection 'a->b'")
    >>> edges.indptr, edges.weight
    (array([0, 1, 3]), array([0.2, 0.1, 0.3]))
    """

    indptr: np.ndarray
    target: np.ndarray
    weight: np.ndarray | float
    delay: DelayClasses | np.ndarray | float

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
        source, target = self._ends(where)
        check_range(source, self.source, n_source, "source", where)
        check_range(target, self.target, n_target, "target", where)
        check_parameters(self, (source.size,), where)

    def _ends(self, where):
        source, target = neuron_ids(self.source, "source", where), neuron_ids(self.target, "target", where)
        if source.size != target.size:
            raise ParameterError(
                f"source and target of {where} have {source.size} and {target.size} entries; they must be equally long"
            )
        return source, target

    def build(self, n_source, n_target, same_population, where):
        """Return the synapses as `Edges`."""
        source, target = self._ends(where)
        return edges_of_list(self, source, target, n_source, n_target, where)


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
        indptr = np.arange(n_source + 1, dtype=np.int64) * n_target
        weight, delay = by_rows(self, indptr, (n_source, n_target), where)
        if not isinstance(weight, float) and isinstance(delay, float):
            return DenseEdges(weight.reshape(n_source, n_target), delay)
        return Edges(indptr, np.tile(np.arange(n_target, dtype=np.uint32), n_source), weight, delay)


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
        indptr = np.arange(n_source + 1, dtype=np.int64)
        weight, delay = by_rows(self, indptr, (n_source,), where)
        return Edges(indptr, np.arange(n_source, dtype=np.uint32), weight, delay)


def whole_number(value, name, where):
    """Return `value` as an int >= 0 or raise `ParameterError`; floats are accepted where they are whole."""
    integral = isinstance(value, int | np.integer) and not isinstance(value, bool)
    integral = integral or (isinstance(value, float | np.floating) and float(value).is_integer())
    if not integral or value < 0:
        raise ParameterError(f"{name} of {where} is {value!r}; it must be a whole number >= 0")
    return int(value)


def neuron_ids(ids, name, where):
    """Return the neuron numbers `ids` as a contiguous array of int32, uint32 or int64, after checking that they are whole."""
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
        ids = np.where(abs(ids) < 2.0**62, ids, -1.0)  # out of range, whatever the population
    kept = ids.dtype.newbyteorder("=") if ids.dtype.kind in "iu" and ids.dtype.itemsize == 4 else np.int64
    return np.ascontiguousarray(ids, kept)


def check_range(ids, given, n, name, where):
    """Raise `ParameterError` unless all `ids` are in 0..n - 1; `given` are the numbers as the user wrote them."""
    if ids.size and (ids.min() < 0 or ids.max() >= n):
        k = int(np.flatnonzero((ids < 0) | (ids >= n))[0])
        allowed = f"it must be in 0..{n - 1}" if n else "the population is empty"
        raise ParameterError(f"{name} of synapse {k} of {where} is {np.atleast_1d(given)[k]}; {allowed}")


def check_parameters(connection, shape, where):
    """Check weight, delay, weight_dtype and seed of `connection`; `shape` is that of arrays, None if not yet known."""
    whole_number(connection.seed, "seed", where)
    check_delay_classes(connection.delay, where)
    return (
        resolve(connection.weight, "weight", where, shape, weight_type(connection.weight_dtype, where)),
        resolve(connection.delay, "delay", where, shape, np.float64),
    )


def by_rows(connection, indptr, shape, where):
    """Stored weight and delay of `connection`, whose synapse index runs along the rows; arrays have `shape`."""
    weight, delay = check_parameters(connection, shape, where)
    streams, dtype = keys(connection.seed), weight_type(connection.weight_dtype, where)
    return (
        stored_weight(weight, indptr, streams[WEIGHTS], dtype),
        stored_delay(delay, indptr, streams[DELAYS], where),
    )


def edges_of_list(connection, source, target, n_source, n_target, where):
    """`Edges` of the synapses ``source[i] -> target[i]``, i being the synapse index of weight and delay.

    Where `target` is shorter than `source`, each of its entries stands for as many synapses in a row.
    """
    from ..kernels import edges

    indptr = np.zeros(n_source + 1, np.int64)
    if edges.count_sources(source, n_source, indptr) < 0:
        check_range(source, connection.source, n_source, "source", where)
    weight, delay = check_parameters(connection, (source.size,), where)
    if isinstance(delay, np.ndarray):
        delay = in_classes(delay)
    listed = isinstance(weight, np.ndarray) or isinstance(delay, DelayClasses | np.ndarray)
    slot = np.empty(source.size if listed else 0, np.uint32 if source.size < 1 << 32 else np.int64)
    targets = np.empty(source.size, np.uint32)
    if edges.place(source, target, n_target, indptr[:-1].copy(), targets, slot) < 0:
        check_range(target, connection.target, n_target, "target", where)

    def by_row(values):
        out = np.empty_like(values)
        edges.scatter(values, slot, out)
        return out

    streams = keys(connection.seed)
    if isinstance(weight, np.ndarray):
        weight = by_row(np.ascontiguousarray(weight))
    else:
        weight = stored_weight(weight, indptr, streams[WEIGHTS], weight_type(connection.weight_dtype, where))
    if isinstance(delay, DelayClasses):
        delay = DelayClasses(delay.table, by_row(delay.index))
    elif isinstance(delay, np.ndarray):
        delay = by_row(np.ascontiguousarray(delay))
    else:
        delay = stored_delay(delay, indptr, streams[DELAYS], where)
    return Edges(indptr, targets, weight, delay)
