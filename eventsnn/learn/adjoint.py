"""Exact gradients through recurrent and delayed networks with any number of spikes per neuron.

A loss L of the recorded spike times is differentiated by weights, delays, input times and neuron parameters, at a fixed
set of spikes. The equations are in `adjoint_kernels`.

Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (EventProp), extended to delays and refractoriness.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, NetworkError, unknown_name
from ..model.connections import Dense, Sparse
from ..model.distributions import DelayClasses, Normal
from ..model.neurons import LinearNeuron
from ..model.procedural import Procedural
from ..model.random_rules import RandomIndegree
from ..model.sources import Input
from ..run import Run
from ..types import NamedResults, Spikes
from . import adjoint_kernels as k


@dataclass(frozen=True, eq=False)
class SpikeGradients:
    """Derivatives of a loss L of spike times, in the unit of L over that of what L is differentiated by (s for times).

    weights : projection -> dL/dw, in the shape of the weights given: [n_synapses] in the order of the synapse index,
        [n_source, n_target] for `Dense`; a float (the sum over its synapses) where the weight is one number
    delays : projection -> dL/ddelay, by the same rule
    inputs : input population -> dL/dt [n] of each spike of ``inputs[population]``; 0 for spikes that never came
    neurons : LIF population -> {"v_threshold", "v_reset", "i_offset", "t_ref", "v_init": dL/dparameter [n]}. dL/dv_leak is
        "i_offset", plus "v_init" where v_init was not given
    grazing : number of spikes at which V did not rise (one touch, within rounding): their derivative is infinite and was
        taken as 0
    """

    weights: dict
    delays: dict
    inputs: dict
    neurons: dict
    grazing: int


def spike_gradients(net, inputs, run, targets):
    """Differentiate a loss of the spike times of `run`; returns `SpikeGradients`.

    net : `Network` of `Input` and `LIF` populations, exponential synapses of one tau_syn (any other model is refused)
    inputs : {population: `Spikes`}, all that the simulation was given
    run : the `Run` of `net` from t = 0, all spikes recorded, no parameter changed on the way
    targets : {population: dL/dt [n], the partial derivative of L by each time in ``run.spikes[population].times``}; a
        population left out has none

    Time O(spikes + synaptic events), memory O(spikes + synapses); the same bits every time. The set of spikes is taken as
    fixed: that a spike appears or disappears has no derivative. Derivatives by the time of an arrival that coincides with a
    spike of its target are those from the side of the engine's order (the spike first).

    Raises `NetworkError` for other models, several ports and procedural connections, `InputError` for a run or inputs that
    do not belong to the network, spikes not recorded, and targets that are not finite or of another length,
    `UnknownNameError` for unknown populations.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("in", es.Input(1))
    >>> net.add("out", es.LIF(1, tau_mem=10e-3, tau_syn=10e-3, v_threshold=1.0, t_ref=1.0))
    >>> net.connect("in", "out", es.Dense([[4.0]]))
    >>> inputs = {"in": es.Spikes([1e-3], [0])}
    >>> run = es.simulate(net, inputs, until=0.1)
    >>> spike_gradients(net, inputs, run, {"out": [1.0]}).inputs["in"].round(9)
    array([1.])
    """
    return Adjoint(net).gradients(inputs, run, targets)


class Adjoint:
    """The arrays of a `Network` that `spike_gradients` needs, built once for many runs with the same weights.

    ``Adjoint(net).gradients(inputs, run, targets)`` is ``spike_gradients(net, inputs, run, targets)``.
    """

    def __init__(self, net):
        self.populations = dict(net.populations)
        self.sizes = {name: p.n for name, p in self.populations.items()}
        self.first = np.concatenate([[0], np.cumsum(list(self.sizes.values()), dtype=np.int64)]).astype(np.int64)
        self.whose = np.repeat(np.arange(len(self.sizes)), np.diff(self.first))
        self.part = {name: slice(a, b) for name, a, b in zip(self.sizes, self.first[:-1].tolist(), self.first[1:].tolist())}
        self.neuron, self.t_ref = np.zeros((self.first[-1], k.NEURON_COLUMNS)), np.zeros(self.first[-1])
        for name, population in self.populations.items():
            if not isinstance(population, Input):
                _check_model(name, population)
                self._fill(self.part[name], population)
        self.projections = [_Synapses(p, self.populations) for p in net.projections.values()]
        self._join()

    def _fill(self, part, population):
        own = self.neuron[part]
        own[:, k.RATE_MEM], own[:, k.RATE_SYN] = 1.0 / population.tau[0], 1.0 / population.tau[1]
        own[:, k.RATE_SLOW] = own[:, [k.RATE_MEM, k.RATE_SYN]].min(axis=1)
        own[:, k.RATE_GAP] = abs(own[:, k.RATE_MEM] - own[:, k.RATE_SYN])
        own[:, k.V_INF], own[:, k.V_RESET] = population.v_inf, population.v_reset
        own[:, k.V_THRESHOLD], own[:, k.DRIVEN] = population.v_threshold, 1.0
        self.t_ref[part] = population.t_ref

    def _join(self):
        """Put all projections into shared arrays, each with its row of `table`."""
        names = list(self.sizes)
        self.table = np.zeros((len(self.projections), k.TABLE_COLUMNS), np.int64)
        parts = {"row": [np.zeros(0, np.int64)], "target": [np.zeros(0, np.uint32)], "weight": [np.zeros(0)],
                 "delay": [np.zeros(0)]}
        used = dict.fromkeys(parts, 0)
        for at, s in zip(self.table, self.projections):
            at[[k.ROW, k.POST, k.WEIGHT, k.DELAY]] = list(used.values())
            at[[k.WEIGHT_STEP, k.DELAY_STEP]] = s.weight_shape != (), s.delay_shape != ()
            at[k.TARGET] = self.part[s.target_name].start
            for name in parts:
                parts[name].append(getattr(s, name))
                used[name] += parts[name][-1].size
                setattr(s, name, None)
        self.arrays = [np.concatenate(part) for part in parts.values()]
        source = np.array([names.index(s.source_name) for s in self.projections], np.int64)
        self.out = np.argsort(source, kind="stable")
        self.out_first = np.searchsorted(source[self.out], np.arange(len(names) + 1))

    def gradients(self, inputs, run, targets):
        """`SpikeGradients` of one run; arguments and errors as in `spike_gradients`."""
        inputs = {} if inputs is None else inputs
        self._check_run(run)
        given = {name: self._order_of(name, inputs.get(name), run) for name in self._sources(inputs)}
        spike, first, order, who, places = self._spikes(run, self._check_targets(targets, run))
        shared = (spike, first, order, who, self.whose, self.first, self.out_first, self.out, self.table, *self.arrays,
                  self.neuron, np.empty(self.first[-1], np.int64))
        d_weight, d_delay = np.zeros(self.arrays[2].size), np.zeros(self.arrays[3].size)
        parameter = np.zeros((self.first[-1], len(k.PARAMETERS)))
        k.forward(*shared)
        grazing = k.backward(*shared, d_weight, d_delay, parameter)
        weights, delays = NamedResults("projection"), NamedResults("projection")
        for at, s in zip(self.table, self.projections):
            weights[s.name] = s.as_given(d_weight[at[k.WEIGHT]:], s.weight_shape)
            delays[s.name] = s.as_given(d_delay[at[k.DELAY]:], s.delay_shape)
        times = NamedResults("input population")
        for name, placed in given.items():
            times[name] = np.zeros(len(inputs[name]) if name in inputs else 0)
            times[name][placed] = spike[places[name], k.TOTAL]
        neurons = NamedResults("LIF population")
        for name, population in self.populations.items():
            if isinstance(population, LinearNeuron):
                neurons[name] = dict(zip(k.PARAMETERS, parameter[self.part[name]].T.copy()))
        return SpikeGradients(weights, delays, times, neurons, int(grazing))

    def _sources(self, inputs):
        names = [name for name, p in self.populations.items() if isinstance(p, Input)]
        for name, spikes in inputs.items():
            if name not in names:
                raise unknown_name("input population", name, names)
            if not isinstance(spikes, Spikes):
                raise InputError(f"inputs[{name!r}] must be es.Spikes, got {type(spikes).__name__}")
        return names

    def _check_run(self, run):
        if not isinstance(run, Run):
            raise InputError(f"run must be an es.Run, got {type(run).__name__}")
        if dict(run.populations) != self.sizes:
            raise InputError(f"run is of another network: its populations are {dict(run.populations)}, those of the network "
                             f"{self.sizes}")
        for name in self.sizes:
            kept, count = len(run.spikes[name]) if name in run.spikes else 0, run.counts.spikes.get(name, 0)
            if kept != count:
                raise InputError(f"run has recorded {kept} of {count} spikes of population {name!r}; gradients need all")

    def _check_targets(self, targets, run):
        checked = {}
        for name, values in targets.items():
            if name not in self.sizes:
                raise unknown_name("population", name, self.sizes)
            try:
                values = np.asarray(values, np.float64)
            except (TypeError, ValueError):
                raise InputError(f"targets[{name!r}] must be an array of numbers, got {values!r}") from None
            n = run.counts.spikes.get(name, 0)
            if values.shape != (n,):
                raise InputError(f"targets[{name!r}] has shape {values.shape}; run.spikes[{name!r}] has {n} spikes")
            if not np.isfinite(values).all():
                at = int(np.flatnonzero(~np.isfinite(values))[0])
                raise InputError(f"targets[{name!r}][{at}] is {values[at]}; it must be finite")
            checked[name] = values
        return checked

    def _order_of(self, name, spikes, run):
        """Index into the given input `spikes` of every recorded one."""
        spikes = Spikes([], []) if spikes is None else spikes
        came = np.flatnonzero(spikes.times <= run.duration)
        placed = came[np.lexsort((spikes.neurons[came], spikes.times[came]))]
        times, neurons = (run.spikes[name].times, run.spikes[name].neurons) if name in run.spikes else (np.zeros(0),) * 2
        if not (np.array_equal(times, spikes.times[placed]) and np.array_equal(neurons, spikes.neurons[placed])):
            raise InputError(f"inputs[{name!r}] are not the {times.size} spikes that the run recorded up to {run.duration} s")
        return placed

    def _spikes(self, run, targets):
        """Table of all spikes by (neuron, time) for the kernels, and per population the places of its recorded ones."""
        names = [name for name in self.sizes if name in run.spikes]
        who = np.concatenate([np.zeros(0, np.int64), *(run.spikes[n].neurons + self.part[n].start for n in names)])
        sort = np.argsort(who, kind="stable")
        spike = np.zeros((who.size, k.SPIKE_COLUMNS))
        spike[:, k.TIME] = np.concatenate([np.zeros(0), *(run.spikes[n].times for n in names)])[sort]
        direct = [targets.get(n, np.zeros(len(run.spikes[n]))) for n in names]
        spike[:, k.TOTAL] = np.concatenate([np.zeros(0), *direct])[sort]
        who = who[sort]
        first = np.searchsorted(who, np.arange(self.first[-1] + 1))
        spike[1:, k.START] = spike[:-1, k.TIME] + self.t_ref[who[:-1]]
        spike[first[:-1][first[1:] > first[:-1]], k.START] = -1.0
        place = np.empty(who.size, np.int64)
        place[sort] = np.arange(who.size)
        ends = np.cumsum([0, *(len(run.spikes[n]) for n in names)])
        places = {n: place[a:b] for n, a, b in zip(names, ends[:-1], ends[1:])}
        places |= {n: np.zeros(0, np.int64) for n in self.sizes if n not in places}
        return spike, first, np.argsort(spike[:, k.TIME], kind="stable"), who, places


class _Synapses:
    """One projection, by rows: `row` [n_source + 1], `target`, `weight`, `delay` ([1] where the user gave one number)."""

    def __init__(self, projection, populations):
        connection, where = projection.connection, f"projection {projection.name!r}"
        if isinstance(connection, Procedural):
            raise NetworkError(f"connection of {where} is Procedural, which stores no synapses; give its rule itself")
        self.name, self.source_name, self.target_name = projection.name, projection.source, projection.target
        sizes = populations[projection.source].n, populations[projection.target].n
        arguments = (*sizes, projection.source == projection.target, where)
        edges = connection.build(*arguments)
        n = edges.n_synapses
        if hasattr(edges, "indptr"):
            self.row, self.target = edges.indptr, edges.target
        else:
            self.row = np.arange(sizes[0] + 1, dtype=np.int64) * sizes[1]
            self.target = np.tile(np.arange(sizes[1], dtype=np.uint32), sizes[0])
        shape = sizes if isinstance(connection, Dense) else (n,)
        self.weight_shape, self.delay_shape = (() if _one_number(v) else shape for v in (connection.weight, connection.delay))
        delay = edges.delay.values() if isinstance(edges.delay, DelayClasses) else edges.delay
        self.weight, self.delay = _spread(edges.weight, self.weight_shape, n), _spread(delay, self.delay_shape, n)
        self.index = None  # of the synapse at each place, where rows are in another order
        if isinstance(connection, Sparse | RandomIndegree) and (self.weight_shape or self.delay_shape):
            numbered = replace(connection, weight=np.arange(n, dtype=np.float64), weight_dtype="float64").build(*arguments)
            self.index = numbered.weight.astype(np.int64)

    def as_given(self, values, shape):
        """`values`, which begin with those of this projection by rows, as the user gave the parameter."""
        if not shape:
            return float(values[0])
        values = values[:np.prod(shape)]
        if self.index is None:
            return values.reshape(shape).copy()
        given = np.empty(shape)
        given[self.index] = values
        return given


def _one_number(value):
    """Whether a weight or delay was given as one number for all synapses."""
    return np.ndim(value) == 0 and not isinstance(value, Normal)


def _spread(value, shape, n):
    """The stored `value` as float64: [1] for one number given, else one per synapse."""
    return np.broadcast_to(np.asarray(value, np.float64).ravel(), n if shape else 1)


def _check_model(name, population):
    """Refuse populations that the adjoint does not cover."""
    where = f"population {name!r}"
    if not isinstance(population, LinearNeuron) or population.kind != "LIF":
        raise NetworkError(f"{where} is {population.kind}; gradients are available for Input and LIF populations")
    if population.n_ports != 1:
        raise NetworkError(f"{where} has {population.n_ports} ports; gradients need one tau_syn")
    if population.variables != ("v", "drive_0"):
        kind = "delta synapses (tau_syn = 0)" if len(population.tau) == 1 else "alpha synapses"
        raise NetworkError(f"{where} has {kind}; gradients need exponential ones")
