"""Lowering: from a `Network` to the plain arrays of `layout`, once per network."""

from dataclasses import dataclass, field, replace

import numpy as np

from .. import layout
from ..errors import NetworkError
from . import kinetics
from .convolution import ConvEdges
from .graph import ranks
from .neurons import LinearNeuron
from .plastic import no_rules, with_weights
from .procedural import ProceduralEdges


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network as arrays, with the names needed to talk about it."""

    names: tuple  # of populations
    populations: tuple
    projections: tuple  # of Projection
    first: np.ndarray  # [n_pop + 1] global id of each population's first neuron
    kinetics: layout.Kinetics
    wiring: layout.Wiring
    cell_columns: int
    bases: tuple  # per class [m, m]: physical variables = basis @ modes
    least_delay: tuple  # per projection, s; inf without synapses
    shards: int  # parts that every row is cut into, one per thread
    known: dict = field(default_factory=dict, compare=False)  # what schedulers found out about it and may keep

    @property
    def n(self):
        return int(self.first[-1])

    def pop(self, name):
        return self.names.index(name)

    def edges(self):
        """(source, target) population numbers of all projections."""
        return [tuple(row) for row in self.wiring.proj[:, [layout.J_SOURCE, layout.J_TARGET]].tolist()]

    def basis_of(self, part):
        """Basis of each neuron of `part` (a slice within one population) [n, m, m]."""
        classes = self.wiring.who[part, 1]
        low = classes.min()
        return np.stack(self.bases[low:classes.max() + 1])[classes - low]

    def locate(self, neuron):
        """(population name, local id) of a global id."""
        p = int(np.searchsorted(self.first, neuron, side="right")) - 1
        return self.names[p], int(neuron - self.first[p])


SPARE = 64  # entries after the last target: the hot loops read ahead
WORD_COLUMNS, REAL_COLUMNS = 24, 8  # room for the rules of `kernels.draw` and `kernels.convolution`


class _Store:
    """Collects the synapses of all projections into shared arrays, each written once into its final place."""

    def __init__(self, first, group, shards):
        self.first, self.group, self.shards = first, group, shards
        self.parts = {"row": [], "d8": [], "d16": [], "delay": [], "post": [], "w32": [], "w64": []}
        self.used = dict.fromkeys(self.parts, 0)
        self.words, self.reals = [], []

    def _put(self, name, values):
        """Offset of `values` in the array `name`."""
        at = self.used[name]
        self.used[name] += values.size
        self.parts[name].append(values)
        return at

    def _weights(self, weight):
        return self._put("w32" if weight.dtype == np.float32 else "w64", weight.ravel())

    def bounds(self, p):
        """First neuron of each shard of population `p`, and the end."""
        size = self.group[p]
        n = int(self.first[p + 1] - self.first[p]) // size
        return self.first[p] + np.arange(self.shards + 1) * n // self.shards * size

    def dense(self, edges):
        """Table entries of a dense projection."""
        kind = layout.DENSE_F32 if edges.weight.dtype == np.float32 else layout.DENSE_F64
        return {layout.J_KIND: kind, layout.J_ROW: -1, layout.J_WEIGHT: self._weights(edges.weight)}, 0.0, edges.delay

    def csr(self, edges, p):
        """Table entries of a projection onto population `p` that is given by its synapses."""
        from ..kernels import arrange

        first, bounds, base = int(self.first[p]), self.bounds(p), self.used["post"]
        n = edges.target.size
        row = np.empty((len(edges.indptr) - 1) * self.shards + 1, np.int64)
        row[0] = base
        post = np.empty(n, np.uint32)
        table = {layout.J_ROW: self.used["row"], layout.J_DELAYS: layout.UNIFORM}
        delay, local = edges.delay, row
        if self.shards == 1:
            row[:] = edges.indptr + base
        else:
            arrange.count_parts(edges.indptr, edges.target, bounds, first, row)
        local = row - base
        sorted_away = np.ndim(edges.weight) > 0
        order = np.empty(n if sorted_away else 0, np.int64)
        if isinstance(delay, float) and self.shards == 1:
            arrange.copy_targets(edges.target, first, post, 0)
            order = None
        elif isinstance(delay, float):
            none = np.zeros(0, np.uint8)
            arrange.place(edges.indptr, edges.target, none, 1, bounds, first, local, post, none, order)
        elif isinstance(delay, np.ndarray):
            order, moved = np.empty(n, np.int64), np.empty(n)
            arrange.place_by_delay(edges.indptr, edges.target, delay, bounds, first, local, post, moved, order)
            table |= {layout.J_DELAYS: layout.EACH, layout.J_AT: self._put("delay", moved) - base}
            delay = -1.0
        else:
            index, moved = delay.index, np.empty_like(delay.index)
            arrange.place(edges.indptr, edges.target, index, delay.table.size, bounds, first, local, post, moved, order)
            small = index.dtype == np.uint8
            table |= {layout.J_DELAYS: layout.CLASS8 if small else layout.CLASS16,
                      layout.J_TABLE: self._put("delay", delay.table),
                      layout.J_AT: self._put("d8" if small else "d16", moved) - base}
            delay = -1.0
        self._put("row", row)
        self._put("post", post)
        scalar = 0.0
        if np.ndim(edges.weight) == 0:
            table[layout.J_KIND], scalar = layout.CSR_SCALAR, float(edges.weight)
        else:
            table[layout.J_KIND] = layout.CSR_F32 if edges.weight.dtype == np.float32 else layout.CSR_F64
            weight = edges.weight if order is None else edges.weight[order]
            table[layout.J_WEIGHT] = self._weights(weight) - base
        return table, scalar, delay

    def procedural(self, edges):
        """Table entries of a projection whose rows are drawn again for every spike: its rule alone is kept."""
        self.words.append(edges.words)
        self.reals.append(edges.reals)
        table = {layout.J_KIND: layout.PROCEDURAL, layout.J_ROW: len(self.words) - 1, layout.J_DELAYS: layout.UNIFORM,
                 layout.J_AT: edges.longest_row}
        return table, 0.0 if edges.weight is None else edges.weight, edges.delay

    def convolution(self, edges):
        """Table entries of a convolution: its rule and its kernel are kept; reals[0] says in which precision."""
        self.words.append(edges.words)
        self.reals.append(np.array([float(edges.kernel.dtype == np.float64)]))
        table = {layout.J_KIND: layout.PROCEDURAL, layout.J_ROW: len(self.words) - 1, layout.J_DELAYS: layout.UNIFORM,
                 layout.J_AT: edges.longest_row, layout.J_WEIGHT: self._weights(edges.kernel)}
        return table, 0.0, edges.delay

    def arrays(self):
        """The shared arrays by the names of `layout.Wiring`."""
        types = {"row": np.int64, "d8": np.uint8, "d16": np.uint16, "delay": np.float64, "post": np.uint32,
                 "w32": np.float32, "w64": np.float64}
        joined = {}
        for name in ("post", "d8"):
            self.parts[name].append(np.zeros(SPARE, types[name]))
            self.used[name] += SPARE
        for name, dtype in types.items():
            parts = self.parts.pop(name)
            whole = parts[0] if len(parts) == 1 else np.empty(self.used[name], dtype)
            if len(parts) != 1:
                at = 0
                while parts:
                    part = parts.pop(0)
                    whole[at:at + part.size] = part
                    at += part.size
            joined[name] = np.ascontiguousarray(whole)
        for name, rows, columns, dtype in (("words", self.words, WORD_COLUMNS, np.uint64),
                                           ("reals", self.reals, REAL_COLUMNS, np.float64)):
            joined[name] = np.zeros((len(rows), columns), dtype)
            for row, values in zip(joined[name], rows):
                row[:values.size] = values
        return joined


def _min_delay(edges):
    if edges.n_synapses == 0:
        return np.inf
    delay = edges.delay
    return float(delay) if np.ndim(delay) == 0 and isinstance(delay, float) else float(
        (delay if isinstance(delay, np.ndarray) else delay.table).min())


def lower(network, shards=1, plastic=()):
    """Build the arrays of `network`, with rows cut into `shards` parts. Raises `NetworkError` for an empty one.

    plastic : names of projections whose synapses all need a weight of their own
    """
    if not network.populations:
        raise NetworkError("the network is empty: add a population first")
    names, populations = tuple(network.populations), tuple(network.populations.values())
    first = np.concatenate([[0], np.cumsum([p.n for p in populations])]).astype(np.int64)
    if first[-1] >= 2**32:
        raise NetworkError(f"the network has {first[-1]} neurons; at most {2**32 - 1} are supported")
    n_pop = len(names)
    classes, cls = [], np.full(first[-1], -1, np.int64)
    pop = {key: np.zeros(n_pop, np.int64) for key in ("fires", "jumps", "reset")}
    pop_class, epoch, horizon = np.full(n_pop, -1, np.int64), np.full(n_pop, np.inf), np.full(n_pop, np.inf)
    n_ports = 1
    for p, population in enumerate(populations):
        if not isinstance(population, LinearNeuron):
            continue
        own, number = kinetics.classes_of(population)
        cls[first[p]:first[p + 1]] = number + len(classes)
        pop_class[p] = len(classes) if len(own) == 1 else -1
        classes += own
        epoch[p], horizon[p] = min(c.epoch for c in own), min(c.horizon for c in own)
        pop["fires"][p] = bool(np.any(np.isfinite(population.v_threshold)))
        pop["jumps"][p] = bool(np.any(population.jump[:, 0]))
        pop["reset"][p] = population.v_reset is not None
        n_ports = max(n_ports, population.n_ports)
    group = [getattr(population, "group", 1) for population in populations]
    store, zero_delay = _Store(first, group, shards), []
    table = np.zeros((len(network.projections), layout.J_COLUMNS), np.int64)
    reals, least = np.zeros((len(network.projections), 2)), []
    for k, projection in enumerate(network.projections.values()):
        a, b = names.index(projection.source), names.index(projection.target)
        edges = projection.connection.build(populations[a].n, populations[b].n, a == b,
                                            f"projection {projection.name!r}")
        if projection.name in plastic:
            edges = with_weights(edges, projection.name)
        if isinstance(edges, ProceduralEdges):
            entries, *reals[k] = store.procedural(edges)
        elif isinstance(edges, ConvEdges):
            entries, *reals[k] = store.convolution(edges)
        else:
            entries, *reals[k] = store.csr(edges, b) if hasattr(edges, "indptr") else store.dense(edges)
        entries |= {layout.J_SOURCE: a, layout.J_TARGET: b, layout.J_PORT: projection.port, layout.J_SHARDS: shards,
                    layout.J_RULE: -1}
        table[k, list(entries)] = list(entries.values())
        least.append(_min_delay(edges))
        if least[-1] == 0.0:
            zero_delay.append((a, b))
        del edges
    table[:, layout.J_OUT] = np.argsort(table[:, layout.J_SOURCE], kind="stable")
    pop_table = np.zeros((n_pop + 1, layout.P_COLUMNS), np.int64)
    pop_table[:, layout.P_FIRST] = first
    pop_table[:, layout.P_OUT] = np.searchsorted(np.sort(table[:, layout.J_SOURCE]), np.arange(n_pop + 1))
    for column, values in ((layout.P_FIRES, pop["fires"]), (layout.P_JUMPS, pop["jumps"]), (layout.P_CLASS, pop_class),
                           (layout.P_RESET, pop["reset"]), (layout.P_RANK, ranks(n_pop, zero_delay)), (layout.P_GROUP, group)):
        pop_table[:n_pop, column] = values
    whose = np.repeat(np.arange(n_pop), np.diff(first))
    wiring = layout.Wiring(pop=pop_table, popf=np.column_stack([epoch, horizon]), who=np.column_stack([whose, cls]),
                           proj=table, projf=reals, **store.arrays(), **no_rules())
    widest = max([1, *(c.m for c in classes)])
    light = tuple(replace(p, connection=None) for p in network.projections.values())
    return Lowered(names, populations, light, first, kinetics.pack(classes, n_ports), wiring,
                   next(c for c in layout.CELL_COLUMNS if c >= layout.MODES + widest), tuple(c.basis for c in classes),
                   tuple(least), shards)
