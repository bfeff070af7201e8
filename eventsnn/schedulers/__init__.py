"""Strategies for one semantics: `reference` (pure Python), `heap`, `window`; `lattice` for grid time. `choose` picks."""

import math
from functools import partial

import numpy as np

from .. import layout
from ..errors import NetworkError, unknown_name
from ..model.graph import find_cycle, strong_components
from ..model.grid_neurons import GridNeuron

NAMES = ("reference", "heap", "layered", "window")
TYPICAL_RATE = 5.0  # Hz, of which nothing is known before the run
SMALL = 2000  # synapses of an acyclic network, below which both take about as long, and the heap compiles in half the time
FEW = 3.0  # synaptic events per window below which the heap is faster (benchmarks/cost_curves.py)


def cycle_of(lowered):
    """Names of the populations on one cycle of the network, or None."""
    edges = lowered.edges()
    cycle = find_cycle(len(lowered.names), edges)
    return [lowered.names[p] for p in cycle] if cycle else None


def _thin(lowered, longest):
    """Whether windows of `longest` s would hold next to nothing: few synapses (within cycles, if any), and short delays."""
    wiring, total = lowered.wiring, 0
    number = strong_components(len(lowered.names), lowered.edges())
    for (source, target), row in zip(lowered.edges(), wiring.proj):
        n, first = lowered.first[source + 1] - lowered.first[source], row[layout.J_ROW]
        if longest < math.inf and number[source] != number[target]:
            continue
        if row[layout.J_KIND] == layout.PROCEDURAL:
            return False
        if row[layout.J_KIND] in (layout.DENSE_F32, layout.DENSE_F64):
            total += n * (lowered.first[target + 1] - lowered.first[target])
        else:
            total += wiring.row[first + n * lowered.shards] - wiring.row[first]
    return total < SMALL if longest == math.inf else longest * TYPICAL_RATE * total < FEW


def _local(lowered):
    """Whether all rules, if any, are such that `window` can carry them: what they read belongs to one synapse."""
    wiring = lowered.wiring
    grouped = (wiring.pop[:, layout.P_LEARNS] > 0) & (wiring.pop[:, layout.P_GROUP] > 1)
    of_neurons = wiring.rule[:, layout.R_PROJECTION] < 0
    return not (np.any(wiring.rule[:, layout.R_G]) or grouped.any() or of_neurons.any())


def _odd_groups(lowered):
    """Name of a population of groups that `window` cannot carry, or None."""
    from .window import four_modes

    for p, name in enumerate(lowered.names):
        if lowered.wiring.pop[p, layout.P_GROUP] > 1 and not four_modes(lowered, p):
            return name
    return None


def _on_the_lattice(name, lowered, dt):
    if name not in ("auto", "lattice"):
        raise NetworkError(f"scheduler {name!r} works in continuous time; with dt = {dt!r} use 'auto'")
    from .lattice import Lattice
    return partial(Lattice, dt=dt)


def choose(name, lowered, dt=None):
    """The scheduler for `name`; "auto" takes `window` unless a cycle has no delay or little to do, then `heap`.

    With `dt` it is that of grid time. Raises `NetworkError` for a cycle under "layered" and for one without delay under
    "window", naming it, and for clocked neurons without dt.
    """
    if dt is not None:
        return _on_the_lattice(name, lowered, dt)
    for key, population in zip(lowered.names, lowered.populations):
        if isinstance(population, GridNeuron):
            raise NetworkError(f"population {key!r} ({population.kind}) is clocked: give the step, dt=..., s")
    if name == "auto":
        from .window import longest_window
        longest = longest_window(lowered)
        only_heap = longest == 0.0 or _odd_groups(lowered) or not _local(lowered)
        name = "heap" if only_heap or _thin(lowered, longest) else "window"
    if name not in NAMES:
        raise unknown_name("scheduler", name, ("auto", *NAMES))
    if name in ("window", "layered"):
        from .window import Layered, Window, longest_window
        if not _local(lowered):
            raise NetworkError(f"scheduler {name!r} carries only local rules of synapses, without variables of the network, "
                               f"and not those of neurons in groups; use 'heap' or 'auto'")
        odd = _odd_groups(lowered)
        if odd:
            raise NetworkError(f"scheduler {name!r} carries groups only of neurons that share four distinct time constants, "
                               f"unlike population {odd!r}; use 'heap' or 'auto'")
        if name == "window" and longest_window(lowered) > 0.0:
            return Window
        cycle = cycle_of(lowered)
        if not cycle:
            return Layered if name == "layered" else Window
        what = "without cycles" if name == "layered" else "whose cycles all have a delay"
        raise NetworkError(f"scheduler {name!r} needs a network {what}, but there is {' -> '.join([*cycle, cycle[0]])}; "
                           f"use 'heap' or 'auto'")
    if name == "heap":
        from .heap import Heap
        return Heap
    from .reference import Reference
    return Reference
