"""Does a network fit on the chip, and where: neuron circuits, synapse rows, event buses.

A neuron takes one circuit per 128 signed inputs of its population (circuits joined share the membrane). Every source neuron
takes two rows, one per sign, of each array in which it has targets; a target population lies in one array if it can. Source
populations divide the buses of their array among themselves; those that share one, where they are too many, queue separately.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import NetworkError
from ..model.sources import Input

ARRAYS = 2


@dataclass(frozen=True)
class Placement:
    """Where a population of neurons lies: `circuits` per neuron, and the first circuit of every neuron [n] (0 to 511)."""

    population: str
    circuits: int
    first: np.ndarray


@dataclass(frozen=True)
class Mapping:
    """A network on the chip.

    placements : {population of neurons: `Placement`}
    rows : {(source population, array): first row pair of every source neuron [n], times replication}
    used : {resource: (used, available)}
    buses : {source population: bus of every neuron [n]}; outputs : {population: neuron output of every neuron [n]}
    replication : {population: rows per source neuron}; links : {(source, target)} of all projections
    """

    placements: dict
    rows: dict
    used: dict
    buses: dict
    outputs: dict
    replication: dict = field(default_factory=dict)
    links: set = field(default_factory=set)

    def table(self):
        """The resources as lines of text."""
        width = max(map(len, self.used))
        return "\n".join(f"{name:<{width}}  {used:>6,} of {most:>6,}  {100 * used / most:5.1f} %"
                         for name, (used, most) in self.used.items())


def place(net, hardware):
    """The `Mapping` of `net` on the chip.

    Raises `NetworkError` that says which limit is exceeded, by how much, and what would help.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("input", es.Input(5))
    >>> net.add("out", es.LIF(3, tau_mem=6e-3, tau_syn=6e-3, v_threshold=1.0))
    >>> net.connect("input", "out", es.Dense(np.ones((5, 3))))
    >>> place(net, es.BrainScaleS2("yinyang")).used["neuron circuits"]
    (3, 512)
    """
    h = hardware
    per_circuit = h.rows // 2
    targets = [name for name, population in net.populations.items() if not isinstance(population, Input)]
    copies = {name: h.input_replication if isinstance(population, Input) else 1 for name, population in net.populations.items()}
    pairs = {}
    for name in targets:
        sources = {p.source for p in net.projections.values() if p.target == name}
        pairs[name] = sum(net.populations[source].n * copies[source] for source in sources)
    circuits = {name: 1 if pairs[name] <= per_circuit else ARRAYS * -(-pairs[name] // (ARRAYS * per_circuit))
                for name in targets}
    need = {name: circuits[name] * net.populations[name].n for name in targets}
    if sum(need.values()) > h.neuron_circuits:
        detail = ", ".join(f"{name!r}: {net.populations[name].n} neurons x {circuits[name]} circuits for "
                           f"{pairs[name]} signed inputs" for name in targets)
        raise NetworkError(f"the network needs {sum(need.values()):,} neuron circuits and the chip has {h.neuron_circuits:,} "
                           f"({detail}; one circuit takes {per_circuit} signed inputs): use fewer neurons, or fewer inputs per "
                           "neuron")
    half = h.neuron_circuits // ARRAYS
    fill, placements, arrays = [0] * ARRAYS, {}, {}
    for name in sorted(targets, key=lambda n: (-circuits[n], -need[n])):
        n, k = net.populations[name].n, circuits[name]
        if k == 1:
            side = next((a for a in np.argsort(fill, kind="stable").tolist() if fill[a] + n <= half), None)
            if side is None:
                first = np.concatenate([a * half + np.arange(fill[a], half) for a in range(ARRAYS)])[:n]
                for a in range(ARRAYS):
                    fill[a] += int(((first >= a * half) & (first < (a + 1) * half)).sum())
                arrays[name] = sorted({int(c) // half for c in first})
            else:
                first = side * half + fill[side] + np.arange(n)
                fill[side] += n
                arrays[name] = [side]
        else:  # joined circuits lie in both halves, so that both arrays serve the neuron
            each = k // ARRAYS
            first = max(fill) + each * np.arange(n)
            fill = [int(first[-1]) + each] * ARRAYS
            arrays[name] = list(range(ARRAYS))
        placements[name] = Placement(name, k, first)
    return _rows(net, h, placements, arrays, circuits, copies, need)


def _rows(net, h, placements, arrays, circuits, copies, need):
    pairs_per_array = h.rows // 2
    fill, rows, sides, joined = [0] * ARRAYS, {}, {}, {}
    for name, population in net.populations.items():
        onto = {p.target for p in net.projections.values() if p.source == name}
        if not onto:
            continue
        joined[name] = any(circuits[target] > 1 for target in onto)
        wanted = population.n * copies[name]
        sides[name] = list(range(ARRAYS)) if joined[name] else sorted({side for target in onto for side in arrays[target]})
        share = -(-wanted // len(sides[name])) if joined[name] else wanted
        for side in sides[name]:
            rows[name, side] = fill[side] + np.arange(share)
            fill[side] += share
    buses = {name: _buses(net.populations[name].n, copies[name], name, sides, joined[name], h) for name in sides}
    labels = 64  # sources that may share a row, told apart by their labels
    shared = [min(f, pairs_per_array) for f in fill]
    if max(fill) > pairs_per_array * labels:
        raise NetworkError(f"the network needs {max(fill):,} signed rows in one array and there are {pairs_per_array}, each of "
                           f"which {labels} sources may share: use fewer inputs")
    synapse_count = sum(p.connection.n_synapses(net.populations[p.source].n, net.populations[p.target].n) * copies[p.source]
                        for p in net.projections.values())
    used = {"neuron circuits": (sum(need.values()), h.neuron_circuits)}
    used |= {f"signed rows, array {a}": (shared[a], pairs_per_array) for a in range(ARRAYS)}
    used |= {"synapses": (2 * synapse_count, ARRAYS * h.rows * (h.neuron_circuits // ARRAYS)),
             "event buses": (len({int(b) for bus in buses.values() for b in bus}), h.buses)}
    outputs = {name: placement.first // h.circuits_per_output for name, placement in placements.items()}
    return Mapping(placements, rows, used, buses, outputs, copies, {(p.source, p.target) for p in net.projections.values()})


def _buses(n, copies, name, sides, joined, h):
    """Bus of every source neuron: its drivers lie in turn on the buses that its population has in the array."""
    per_array = max(1, h.buses // ARRAYS)
    row = np.arange(n) * copies
    used = len(sides[name]) if joined else 1
    bus = np.zeros(n, np.int64)
    for k, side in enumerate(sides[name][:used]):
        here = [other for other in sides if side in sides[other]]
        own = np.array_split(np.arange(per_array), len(here))[here.index(name)] if len(here) <= per_array else \
            np.array([here.index(name) % per_array])
        mine = row % used == k
        bus[mine] = side * per_array + own[row[mine] // used % own.size]
    return bus % h.buses
