"""Lowering of clocked neurons: from the rules of `GridNeuron` to arrays, and what a network must be to run on a lattice."""

from typing import NamedTuple

import numpy as np

from ..errors import NetworkError
from ..layout import CLASS8, CLASS16, J_AT, J_DELAY, J_DELAYS, J_TABLE, P_RANK, UNIFORM
from .graph import find_cycle
from .grid_neurons import RESETS, GridNeuron
from .neurons import LinearNeuron

TOLERANCE = 1e-9  # of a step, or four units in the last place of the time


class Rules(NamedTuple):
    """The clocked neurons of a network: C distinct rules of M modes at most."""

    matrix: np.ndarray  # f8[C, M, M]
    jump: np.ndarray  # f8[C, ports, M]
    read: np.ndarray  # f8[C, M]
    who: np.ndarray  # i8[N] rule of each neuron, -1: none
    first: np.ndarray  # f8[N, M] x before step 0
    par: np.ndarray  # f8[N, 2] threshold, amount of the reset
    order: np.ndarray  # i8[n_pop] populations in the order of one step
    longest: int  # delay, steps


def steps_of(times, dt):
    """(whole steps [n], whether each time lies on one): times / dt, rounded."""
    exact = np.asarray(times, np.float64) / dt
    steps = np.rint(exact)
    return steps.astype(np.int64), np.abs(exact - steps) <= np.maximum(TOLERANCE, 9e-16 * steps)


def check(lowered, dt):
    """Raise `NetworkError` where a population, a delay or a cycle does not fit grid time with step `dt`."""
    for name, population in zip(lowered.names, lowered.populations):
        if isinstance(population, LinearNeuron):
            raise NetworkError(f"population {name!r} ({population.kind}) is continuous in time and cannot run with "
                               f"dt = {dt!r}: use a clocked neuron of es.grid, or leave dt out")
        made = getattr(population, "dt", None)
        if made is not None and made != dt:
            raise NetworkError(f"population {name!r} ({population.kind}) was made for dt = {made!r} s, but the simulation has "
                               f"dt = {dt!r} s")
    for projection, delays in zip(lowered.projections, _delays(lowered)):
        bad = np.flatnonzero(~steps_of(delays, dt)[1])
        if bad.size:
            raise NetworkError(f"projection {projection.name!r} has a delay of {float(delays[bad[0]])!r} s; with dt = {dt!r} s "
                               f"delays must be whole multiples of it")
    zero = [edge for edge, least in zip(lowered.edges(), lowered.least_delay) if least == 0.0]
    cycle = find_cycle(len(lowered.names), zero)
    if cycle:
        names = [lowered.names[p] for p in (*cycle, cycle[0])]
        raise NetworkError(f"{' -> '.join(names)} is a cycle without delay; in grid time every cycle needs a delay of at least "
                           f"one step, dt = {dt!r} s")


def _delays(lowered):
    """Per projection an array of the delays that occur in it, s."""
    wiring = lowered.wiring
    for k, row in enumerate(wiring.proj):
        kind = row[J_DELAYS]
        if kind == UNIFORM:
            yield wiring.projf[k, J_DELAY:J_DELAY + 1]
            continue
        first, end = _positions(lowered, k)
        part = slice(row[J_AT] + first, row[J_AT] + end)
        if kind in (CLASS8, CLASS16):
            classes = np.unique((wiring.d8 if kind == CLASS8 else wiring.d16)[part])
            yield wiring.delay[row[J_TABLE] + classes.astype(np.int64)]
        else:
            yield wiring.delay[part]


def _positions(lowered, k):
    """(first, end) of the synapses of projection `k`, which is given row by row, in `post`."""
    from ..layout import J_ROW, J_SOURCE

    row = lowered.wiring.proj[k]
    n = lowered.populations[row[J_SOURCE]].n
    return lowered.wiring.row[row[J_ROW]], lowered.wiring.row[row[J_ROW] + n * lowered.shards]


def rules(lowered, dt):
    """The `Rules` of a network that `check` has passed."""
    grids = [p if isinstance(p, GridNeuron) else None for p in lowered.populations]
    m = max((p.n_modes for p in grids if p), default=1)
    ports = max((p.n_ports for p in grids if p), default=1)
    matrix, jump, read = [], [], []
    who, first = np.full(lowered.n, -1, np.int64), np.zeros((lowered.n, m))
    par = np.tile([np.inf, 0.0], (lowered.n, 1))
    count = 0
    for p, population in enumerate(grids):
        if population is None:
            continue
        a, b, r, x = population.system()
        k, part = a.shape[-1], slice(lowered.first[p], lowered.first[p + 1])
        both, number = np.unique(np.concatenate([a.reshape(len(a), -1), b.reshape(len(b), -1)], 1), axis=0, return_inverse=True)
        own = len(both)
        for store, shape, values in ((matrix, (own, m, m), both[:, :k * k].reshape(own, k, k)),
                                     (jump, (own, ports, m), both[:, k * k:].reshape(own, -1, k)), (read, (own, m), r)):
            padded = np.zeros(shape)
            padded[(..., *(slice(n) for n in values.shape[1 if values.ndim == 3 else 0:]))] = values
            store.append(padded)
        who[part] = count + number.ravel()
        first[part, :k] = x
        par[part, 0], par[part, 1] = population.threshold, population.amount
        count += own
    empty = [np.zeros((0, m, m))], [np.zeros((0, ports, m))], [np.zeros((0, m))]
    order = np.argsort(lowered.wiring.pop[:len(grids), P_RANK], kind="stable")
    longest = max((int(steps_of(d, dt)[0].max(initial=0)) for d in _delays(lowered)), default=0)
    return Rules(*(np.concatenate([*e, *s]) for e, s in zip(empty, (matrix, jump, read))), who, first, par, order, longest)


def reset_number(population):
    """Number of the kind of reset, as `kernels.lattice_neuron` counts them."""
    return RESETS.index(population.reset)
