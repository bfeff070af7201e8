"""Lowering: from a `Network` to the plain arrays of `layout`, once per network."""

from dataclasses import dataclass, replace

import numpy as np

from .. import layout
from ..errors import NetworkError
from . import kinetics
from .graph import ranks
from .neurons import LinearNeuron


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
    positions: tuple  # per projection: synapse index of each stored synapse, or None
    bases: tuple  # per class [m, m]: physical variables = basis @ modes

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


class _Store:
    """Collects the synapses of all projections into shared arrays."""

    def __init__(self):
        self.post, self.w32, self.w64, self.row = [], [], [], []
        self.group_delay, self.group_start = [], []
        self.n_post = self.n_w32 = self.n_w64 = self.n_row = self.n_group = 0

    def weights(self, weight):
        """Offset of the stored weights in their array."""
        if weight.dtype == np.float32:
            at, self.n_w32 = self.n_w32, self.n_w32 + weight.size
            self.w32.append(weight.ravel())
        else:
            at, self.n_w64 = self.n_w64, self.n_w64 + weight.size
            self.w64.append(weight.ravel())
        return at

    def dense(self, edges):
        kind = layout.DENSE_F32 if edges.weight.dtype == np.float32 else layout.DENSE_F64
        return kind, -1, self.weights(edges.weight), 0.0, edges.delay, -1, None

    def csr(self, edges, first_target):
        post, weight, delay, position = edges.target, edges.weight, edges.delay, edges.position
        group_first = -1
        if np.ndim(delay):
            rows = np.repeat(np.arange(len(edges.indptr) - 1), np.diff(edges.indptr))
            order = np.lexsort((delay, rows))
            post, delay = post[order], delay[order]
            weight = weight[order] if np.ndim(weight) else weight
            position = order if position is None else position[order]
            new = np.ones(len(post), bool)
            new[1:] = (rows[1:] != rows[:-1]) | (delay[1:] != delay[:-1])
            starts = np.flatnonzero(new)
            group_first, self.n_row = self.n_row, self.n_row + len(edges.indptr)
            self.row.append(np.searchsorted(starts, edges.indptr) + self.n_group)
            self.group_delay.append(delay[starts])
            self.group_start.append(starts + self.n_post)
            self.n_group += len(starts)
            delay = -1.0
        if np.ndim(weight) == 0:
            kind, at, scalar = layout.CSR_SCALAR, 0, float(weight)
        else:
            kind = layout.CSR_F32 if weight.dtype == np.float32 else layout.CSR_F64
            at, scalar = self.weights(weight) - self.n_post, 0.0
        row_first, self.n_row = self.n_row, self.n_row + len(edges.indptr)
        self.row.append(edges.indptr + self.n_post)
        self.post.append((post + np.uint32(first_target)).astype(np.uint32, copy=False))
        self.n_post += len(post)
        return kind, row_first, at, scalar, delay, group_first, position

    def arrays(self):
        def join(parts, dtype):
            if len(parts) == 1 and parts[0].dtype == dtype:
                return np.ascontiguousarray(parts[0])
            return np.concatenate([*parts, np.zeros(0)]).astype(dtype) if not parts else np.concatenate(parts).astype(
                dtype, copy=False)

        group_start = join([*self.group_start, np.array([self.n_post], np.int64)], np.int64)
        return {"row": join(self.row, np.int64),
                "group_delay": join(self.group_delay, np.float64), "group_start": group_start,
                "post": join(self.post, np.uint32), "w32": join(self.w32, np.float32),
                "w64": join(self.w64, np.float64)}


def _min_delay(edges):
    delay = np.asarray(edges.delay)
    return float(delay.min()) if delay.size else np.inf


def lower(network):
    """Build the arrays of `network`. Raises `NetworkError` for an empty one."""
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
    store, rows, positions, zero_delay = _Store(), [], [], []
    for projection in network.projections.values():
        a, b = names.index(projection.source), names.index(projection.target)
        edges = projection.connection.build(populations[a].n, populations[b].n, a == b,
                                            f"projection {projection.name!r}")
        dense = not hasattr(edges, "indptr")
        kind, row_first, at, scalar, delay, group_first, position = (
            store.dense(edges) if dense else store.csr(edges, first[b]))
        rows.append((a, b, projection.port, kind, row_first, at, scalar, delay, group_first))
        positions.append(position)
        if _min_delay(edges) == 0.0:
            zero_delay.append((a, b))
    table, reals = np.zeros((len(rows), layout.J_COLUMNS), np.int64), np.zeros((len(rows), 2))
    for k, (a, b, port, kind, row_first, at, scalar, delay, group_first) in enumerate(rows):
        table[k] = 0, a, b, port, kind, row_first, at, group_first
        reals[k] = scalar, delay
    table[:, layout.J_OUT] = np.argsort(table[:, layout.J_SOURCE], kind="stable")
    pop_table = np.zeros((n_pop + 1, layout.P_COLUMNS), np.int64)
    pop_table[:, layout.P_FIRST] = first
    pop_table[:, layout.P_OUT] = np.searchsorted(np.sort(table[:, layout.J_SOURCE]), np.arange(n_pop + 1))
    for column, values in ((layout.P_FIRES, pop["fires"]), (layout.P_JUMPS, pop["jumps"]), (layout.P_CLASS, pop_class),
                           (layout.P_RESET, pop["reset"]), (layout.P_RANK, ranks(n_pop, zero_delay))):
        pop_table[:n_pop, column] = values
    whose = np.repeat(np.arange(n_pop), np.diff(first))
    wiring = layout.Wiring(pop=pop_table, popf=np.column_stack([epoch, horizon]), who=np.column_stack([whose, cls]),
                           proj=table, projf=reals, **store.arrays())
    general = any(c.solver == layout.GENERAL for c in classes)
    widest = max([1, *(c.m for c in classes)])
    light = tuple(replace(p, connection=None) for p in network.projections.values())
    return Lowered(names, populations, light, first, kinetics.pack(classes, n_ports), wiring,
                   layout.MODES + widest + general, tuple(positions), tuple(c.basis for c in classes))
