"""A simulation as the stream sees it: items in, time forward, logits out."""

import pickle

import numpy as np

from .. import ann
from ..conversion.asnn import INPUT, OUTPUT, TWIN, AsnnModel
from ..engine import Simulation
from ..errors import NetworkError, ParameterError
from ..record import Record

SETTLE = 2.5  # tau_eta: by then a converted network has forgotten the frame before


class Machine:
    """Carries a `Simulation` with populations "input" and "output" through the items of a stream.

    Frames are the i_offset of "input" (and of its twin "input-", for negative values); events are its spikes. Items that were
    dropped take no simulated time: the network goes from the item before them to the one after.
    """

    def __init__(self, simulation, shape, readout):
        self.simulation, self.shape, self.readout = simulation, tuple(shape), readout
        names = simulation.lowered.names
        self.signed = TWIN in names
        first, p = simulation.lowered.first, simulation.lowered.pop(OUTPUT)
        self.outputs = np.arange(first[p], first[p + 1])
        self.n_out = self.outputs.size
        self.counts = np.zeros(self.n_out)
        self.skipped = 0.0  # s of the stream that were not simulated
        self.before = np.zeros(2, np.int64)  # spikes and synaptic events before the last reset

    @property
    def time(self):
        """Where the network is, s of the stream."""
        return self.simulation.time + self.skipped

    def begin(self, item, follows):
        """Put `item` in; `follows`: it comes right after the one before."""
        simulation = self.simulation
        if not follows:
            self.skipped = item.start - simulation.time
        if item.spikes is not None:
            times = np.maximum(item.spikes.times - self.skipped, simulation.time)
            simulation.push({INPUT: type(item.spikes).in_order(times, item.spikes.neurons)})
        else:
            self.show(item.values)
        self.counts[:] = 0.0

    def show(self, values):
        """Hold a frame [n] from now on."""
        if self.signed:
            self.simulation.set(INPUT, i_offset=np.maximum(values, 0.0))
            self.simulation.set(TWIN, i_offset=np.maximum(-values, 0.0))
        else:
            self.simulation.set(INPUT, i_offset=values)

    def advance(self, time):
        """Go on to `time` of the stream."""
        until = max(time - self.skipped, self.simulation.time)
        spikes = self.simulation.news(until, whole=True, keep=False)
        if self.readout == "spikes":
            self.counts += np.bincount(spikes[OUTPUT].neurons, minlength=self.n_out)

    def read(self):
        """The logits [classes]: V of "output" now, or its spikes since the onset of the item."""
        return self.counts.copy() if self.readout == "spikes" else self.simulation.scheduler.voltage(self.outputs)

    def again(self):
        """Back to rest and t = 0; what has been counted stays counted."""
        self.before = self.work()
        self.simulation.reset()

    def work(self):
        """Spikes and synaptic events so far."""
        counts = self.simulation.result().counts
        return self.before + (counts.spikes.total, counts.synaptic_events.total)

    def warm(self):
        """Compile what the stream will call, on a copy."""
        simulation = Simulation(self.simulation.lowered, record=self.simulation.record, progress=False)
        copy = Machine(simulation, self.shape, self.readout)
        copy.advance(1e-6)
        copy.read()

    def packed(self):
        """The network as bytes; with `unpacked`, a machine at rest."""
        return pickle.dumps((self.simulation.lowered, self.simulation.record, self.shape, self.readout), protocol=5)

    @classmethod
    def unpacked(cls, data):
        """Inverse of `packed`."""
        lowered, record, shape, readout = pickle.loads(data)
        return cls(Simulation(lowered, record=record, progress=False), shape, readout)


def machine_of(model, source, readout, seed=0):
    """The `Machine` of `model`, an `AsnnModel` or a `Network`, for a source; raises `NetworkError` if they do not fit."""
    if isinstance(model, AsnnModel):
        if any(not isinstance(layer, ann.Dropout) for layer in model.front):
            names = ", ".join(type(layer).__name__ for layer in model.front)
            raise NetworkError(f"the network begins with {names}: apply these to the frames (es.ann.evaluate(model.front, "
                               f"frames)) and convert the layers after them")
        if source.kind == "events":
            net = model.network(events=model.m_f if source.height is None else float(source.height))
        else:
            net = model.network(source.signed)
        shape = model.shape
    else:
        net, shape = model, None
        if source.kind == "events" and source.height is not None:
            raise ParameterError(f"height of EventSource is for converted networks; in your own, weights say it; got "
                                 f"{source.height!r}")
    if readout == "spikes" and isinstance(model, AsnnModel):
        raise ParameterError("readout of Stream must be 'v' for a converted network: its output does not spike")
    simulation = Simulation(net, record=Record(spikes=[OUTPUT] if readout == "spikes" else []), seed=seed, progress=False)
    population = _population(simulation, INPUT)
    _population(simulation, OUTPUT)
    if source.kind == "events" and population.kind != "Input":
        raise NetworkError(f"events need an es.Input as population {INPUT!r}, the network has {population.kind}")
    if source.kind == "frames" and "i_offset" not in getattr(population, "set_map", {}):
        raise NetworkError(f"frames need neurons with an i_offset as population {INPUT!r}, the network has {population.kind}")
    if source.signed and TWIN not in simulation.lowered.names:
        raise NetworkError(f"signed frames need a population {TWIN!r} for negative values")
    machine = Machine(simulation, (population.n,) if shape is None else shape, readout)
    if machine.n_out < 2:
        raise NetworkError(f"population {OUTPUT!r} must have at least 2 neurons to decide between, it has {machine.n_out}")
    return machine


def _population(simulation, name):
    low = simulation.lowered
    if name not in low.names:
        raise NetworkError(f"a stream needs a population {name!r}; the network has {', '.join(low.names)}")
    return low.populations[low.pop(name)]


def finer(model, m_f):
    """`model` converted with the precision `m_f`."""
    if not isinstance(model, AsnnModel):
        raise ParameterError("arousal of Stream needs a converted network (es.convert)")
    if not m_f < model.m_f:
        raise ParameterError(f"m_f of Arousal must be below that of the network, {model.m_f!r}, got {m_f!r}")
    return AsnnModel(model.layers, model.shape, m_f=m_f, theta_0=model.theta_0 * m_f / model.m_f, tau_phi=model.tau_phi,
                     tau_eta=model.tau_eta, tau_beta=model.tau_beta, tau_gamma=model.tau_gamma, tau_readout=model.tau_readout,
                     bias=model.bias, dtype=model.dtype)
