"""What all schedulers share: the initial state, the spikes collected so far, the sources, errors about runaways."""

import numpy as np

from .. import layout
from ..errors import RunawayError
from ..kernels import single
from ..kernels.neuron import SCRATCH_COLUMNS, SCRATCH_ROWS
from ..model.neurons import LinearNeuron
from .sources import Sources

SPARE = 64  # entries after the longest procedural row: the hot loops read ahead


def aligned(shape):
    """Zeros (float64) that begin at a cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 8)
    skip = (-raw.ctypes.data // 8) % 8
    return raw[skip:skip + size].reshape(shape)


def new_state(lowered):
    """A `layout.State` at t = 0, before any event."""
    if "state" not in lowered.known:
        lowered.known["state"] = _first_state(lowered)
    return copy_of(lowered.known["state"])


def _first_state(lowered):
    n, n_pop = lowered.n, len(lowered.names)
    state = layout.State(
        cell=aligned((n, lowered.cell_columns)), due=np.full(n, np.inf), par=np.zeros((n, 5)), flag=np.zeros((n, 2), np.uint8),
        trace=lowered.wiring.begun.copy(),
        turn=np.zeros((len(lowered.wiring.rule), 3), np.int64), buffer=np.zeros(layout.B_SIZE),
        stamp=np.full(n, -1, np.int64), pop=np.zeros((n_pop, 2), np.int64), horizon=np.zeros(n_pop),
        arrived=np.zeros(len(lowered.projections), np.int64))
    state.par[:, layout.S_THETA] = np.inf
    for p, population in enumerate(lowered.populations):
        if not isinstance(population, LinearNeuron):
            continue
        part = slice(lowered.first[p], lowered.first[p + 1])
        reset = population.v_reset if population.v_reset is not None else np.nan
        for column, value in ((layout.S_V_INF, population.v_inf), (layout.S_THETA, population.v_threshold),
                              (layout.S_V_RESET, reset), (layout.S_T_REF, population.t_ref)):
            state.par[part, column] = value
        m = len(population.tau)
        modes = state.cell[part, layout.MODES:layout.MODES + m]
        modes[:, 0] = np.broadcast_to(population.v_init, population.n) - state.par[part, layout.S_V_INF]
        for k, value in population.state_init.items():
            modes[:, k] = value
        basis = lowered.basis_of(part)
        for k in range(m - 1, -1, -1):
            for j in range(k + 1, m):
                modes[:, k] -= basis[:, k, j] * modes[:, j]
    state.cell[:, layout.MARGIN] = state.par[:, layout.S_V_INF] - state.par[:, layout.S_THETA]
    _start(lowered, state)
    return state


def longest_drawn(wiring):
    """Length of the longest row of the procedural projections."""
    drawn = wiring.proj[:, layout.J_KIND] == layout.PROCEDURAL
    return int(wiring.proj[drawn, layout.J_AT].max(initial=0))


def drawn_arrays(wiring):
    """Room for the targets and weights of one procedural row; the hot loops read ahead."""
    n = longest_drawn(wiring) + SPARE
    return np.zeros(n, np.uint32), np.zeros(n)


def copy_of(state):
    """An independent copy of a `layout.State`."""
    cell = aligned(state.cell.shape)
    cell[:] = state.cell
    return layout.State(cell, *(a.copy() for a in state[1:]))


def _start(lowered, state):
    """The test at t = 0: neurons at or above threshold are due at once, all others are watched."""
    wiring = lowered.wiring
    active = np.flatnonzero(wiring.who[:, 1] >= 0)
    active = active[wiring.pop[wiring.who[active, 0], layout.P_FIRES] == 1]
    classes = wiring.who[active, 1]
    value = np.zeros(active.size)
    for k in range(state.cell.shape[1] - layout.MODES):
        if k < lowered.kinetics.f.shape[2]:
            value += lowered.kinetics.f[classes, layout.MARGIN_ROW, k] * state.cell[active, layout.MODES + k]
    above = state.cell[active, layout.MARGIN] + value >= 0.0
    state.due[active[above]] = 0.0
    state.flag[active[~above], 1] = layout.WATCHED


class Scheduler:
    """Carries one network through time. Subclasses implement `advance` and the part of the snapshot that is theirs."""

    name = "abstract"

    def __init__(self, lowered, *, seed=0, max_rounds=1000, state=None, wanted=None):
        """`wanted`: names of the populations whose spikes are asked for; None: all. The others may be left out."""
        self.lowered, self.max_rounds, self.wanted = lowered, max_rounds, wanted
        self.state = new_state(lowered) if state is None else copy_of(state)
        self.sources = Sources(lowered, seed)
        self.time = 0.0
        self.scratch = np.zeros((SCRATCH_ROWS, SCRATCH_COLUMNS))
        self.settings = [dict(getattr(population, "set_map", {})) for population in lowered.populations]

    def push(self, times, ids):
        """Add spikes of sources (global ids), none before the current time."""
        self.sources.push(times, ids)

    def voltage(self, ids):
        """V of neurons `ids` (global) at the current time."""
        found = np.empty(len(ids))
        single.voltages(self.lowered.kinetics, self.lowered.wiring, self.state, np.asarray(ids, np.int64), self.time,
                        self.scratch, found)
        return found

    def modes(self, ids):
        """Modes of neurons `ids` (global) at the current time [len(ids), M]."""
        width = self.lowered.cell_columns - layout.MODES
        result = np.zeros((len(ids), width))
        single.modes_of(self.lowered.kinetics, self.lowered.wiring, self.state, np.asarray(ids, np.int64), self.time,
                        self.scratch, result)
        return result

    def place(self, times, name):
        """Input times [n] of population `name` as the scheduler keeps them: as they are."""
        return times

    def describe(self, p):
        """State of population `p` at the current time, a dict of arrays; see `Simulation.state`."""
        low, state, population = self.lowered, self.state, self.lowered.populations[p]
        ids = np.arange(low.first[p], low.first[p + 1])
        modes = self.modes(ids)
        m = len(population.tau)
        physical = np.einsum("nkj,nj->nk", low.basis_of(slice(ids[0], ids[-1] + 1)), modes[:, :m])
        result = {"v": self.voltage(ids)}
        for port, mode in enumerate(population.port_mode):
            result[f"drive_{port}"] = physical[:, mode] if mode else np.zeros(population.n)
        for k in range(1, m):
            result.setdefault(population.variables[k], physical[:, k])
        result["threshold"] = state.par[ids, layout.S_THETA] + physical @ population.thr
        refractory = state.flag[ids, 0] == layout.REFRACTORY
        result["refractory_until"] = np.where(refractory, state.due[ids], -np.inf)
        return result

    def change(self, p, new):
        """Change parameters of population `p` now: arrays [n] by name. V is continuous, except under `bias`."""
        lowered, state, now = self.lowered, self.state, self.time
        args = lowered.kinetics, lowered.wiring, state
        part = slice(lowered.first[p], lowered.first[p + 1])
        for name, column in (("v_threshold", layout.S_THETA), ("v_reset", layout.S_V_RESET), ("t_ref", layout.S_T_REF)):
            if name in new:
                state.par[part, column] = new[name]
        self.settings[p].update({k: v for k, v in new.items() if k in self.settings[p]})
        v_inf = state.par[part, layout.S_V_INF]
        if self.settings[p]:
            v_inf = sum(np.broadcast_to(v, part.stop - part.start) for v in self.settings[p].values())
        single.change(*args, int(part.start), np.array(v_inf, np.float64), "bias" in new, now, self.scratch)
        self.requeue()

    def bring(self, r):
        """Carry the variables of rule `r` to the current time: State.buffer has their decay."""
        single.bring(self.lowered.wiring, self.state, r, self.time)

    def learn_all(self, r):
        """A timer event of rule `r` now."""
        wiring = self.lowered.wiring
        if wiring.rule[r, layout.R_PROJECTION] >= 0:
            single.learn_all(wiring, self.state, r, self.time)
            return
        p = int(wiring.rule[r, layout.R_TARGET])
        thresholds = np.empty(self.lowered.first[p + 1] - self.lowered.first[p])
        single.adapt_all(wiring, self.state, r, self.time, thresholds)
        self.change(p, {"v_threshold": thresholds})

    def set_variable(self, r, m, values):
        """Variable number `m` of rule `r` becomes `values` now, a number or one for each of its owners."""
        self.bring(r)
        v = self.lowered.wiring.rule[r, layout.R_FIRST] + m
        at, n = self.lowered.wiring.variable[v, [layout.V_FIRST, layout.V_COUNT]]
        self.state.trace[at:at + n] = values * self.state.buffer[layout.B_GROWTH + m]

    def requeue(self):
        """Rebuild the queue of own events from the due times in the state."""

    def runaway(self, ids):
        """The error for neurons that go on spiking within one instant."""
        names = sorted({"{}[{}]".format(*self.lowered.locate(int(j))) for j in ids})
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return RunawayError(f"more than max_rounds = {self.max_rounds} rounds of spikes at t = {self.time!r} s without "
                            f"time passing: {shown}. Give the cycle a delay, a refractory period, or weaker weights")
