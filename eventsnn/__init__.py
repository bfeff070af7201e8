"""eventsnn: exact, event-by-event simulation of spiking neural networks.

Names are loaded when first used: importing the package imports neither Numba nor NumPy-heavy modules.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Network": "model.network",
    "LinearNeuron": "model.neurons",
    "LIF": "model.neurons",
    "IF": "model.neurons",
    "LI": "model.neurons",
    "AdaptiveLIF": "model.neurons",
    "ASNN": "model.neurons",
    "GridNeuron": "model.grid_neurons",
    "Input": "model.sources",
    "Poisson": "model.sources",
    "Sparse": "model.connections",
    "Dense": "model.connections",
    "OneToOne": "model.connections",
    "RandomOutdegree": "model.random_rules",
    "RandomIndegree": "model.random_rules",
    "RandomProbability": "model.random_rules",
    "RandomTotal": "model.random_rules",
    "Procedural": "model.procedural",
    "Conv2d": "model.convolution",
    "Normal": "model.distributions",
    "Spikes": "types",
    "Record": "record",
    "Run": "run",
    "Simulation": "engine",
    "simulate": "engine",
    "simulate_batch": "engine",
    "convert": "conversion.entry",
    "open_events": "data.events.recording",
    "Stream": "stream.stream",
    "FrameSource": "stream.sources",
    "EventSource": "stream.sources",
    "Decision": "stream.decide",
    "Arousal": "stream.decide",
    "Rule": "rules.rule",
    "NeuronRule": "rules.rule",
    "Variable": "rules.rule",
    "STDP": "rules.stdp",
    "TripletSTDP": "rules.stdp",
    "RewardSTDP": "rules.stdp",
    "TsodyksMarkram": "rules.other",
    "Scaling": "rules.other",
    "IntrinsicPlasticity": "rules.other",
    "Delta": "rules.other",
    "BrainScaleS2": "hardware.profile",
    "load_profile": "energy",
    "list_profiles": "energy",
}

_MODULES = {"ann": "ann", "grid": "model.grid_neurons"}  # reached as es.ann, es.grid

__all__ = ["__version__", *_HOME]


def __getattr__(name):
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f".{_MODULES[name]}", __name__)
    raise AttributeError(f"module 'eventsnn' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
