"""Compile everything once, and tell what this installation consists of."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from time import perf_counter

import numpy as np

from ..errors import NotAvailableError
from .config import cores

SCHEDULERS = ("heap", "window", "layered")
PACKAGES = ("numpy", "numba", "h5py", "matplotlib", "typer")


def warm_up(progress=False):
    """Run tiny networks through every scheduler and one training step; return {what: seconds}.

    Kernels that are in the cache already only load. `progress` names each part on stderr as it starts. A part that is
    not available in this version is left out of the result.
    """
    from .yinyang import training_step

    parts = {f"scheduler {name}": lambda name=name: _schedule(name) for name in SCHEDULERS}
    parts["several samples"] = samples
    parts["training step"] = training_step
    seconds = {}
    for name, part in parts.items():
        if progress:
            print(f"compiling: {name}", file=sys.stderr, flush=True)
        started = perf_counter()
        try:
            part()
        except NotAvailableError:
            continue
        seconds[name] = round(perf_counter() - started, 3)
    seconds["total"] = round(sum(seconds.values()), 3)
    return seconds


def _schedule(name):
    """A tiny network with every kind of connection and synapse that `name` compiles separately."""
    import eventsnn as es

    feed_forward = name == "layered"
    net = es.Network()
    net.add("input", es.Input(2))
    neuron = {"tau_mem": 20e-3, "v_threshold": 1.0, "t_ref": 2e-3}
    net.add("exponential", es.LIF(4, tau_syn=5e-3, **neuron))
    net.add("two", es.LIF(4, tau_syn=(5e-3, 10e-3), **neuron))
    net.add("equal", es.LIF(4, tau_syn=20e-3, **neuron))
    net.add("delta", es.LIF(4, tau_syn=0.0, **neuron))
    net.add("readout", es.LI(2, tau_mem=20e-3, tau_syn=5e-3))
    net.connect("input", "exponential", es.Dense(np.full((2, 4), 3.0)))
    net.connect("input", "exponential", es.Dense(np.full((2, 4), 3.0, np.float32)))
    net.connect("exponential", "two", es.RandomOutdegree(2, weight=2.0, delay=1e-3, seed=1), port=1)
    net.connect("exponential", "equal", es.OneToOne(np.full(4, 3.0), delay=[1e-3, 2e-3, 1e-3, 2e-3]))
    net.connect("equal", "delta", es.OneToOne(np.full(4, 2.0, np.float32), delay=1e-3))
    net.connect("exponential", "readout", es.Dense(np.ones((4, 2))))
    if not feed_forward:
        net.connect("two", "exponential", es.RandomOutdegree(2, weight=-0.1, delay=1e-3, seed=2))
    spikes = {"input": es.Spikes([1e-3, 2e-3, 3e-3, 4e-3], [0, 1, 0, 1])}
    record = es.Record(spikes="all", v={"readout": [0]}, v_interval=1e-3)
    es.simulate(net, spikes, until=20e-3, scheduler=name, record=record, progress=False)


def samples():
    """A tiny network on two samples."""
    import eventsnn as es

    net = es.Network()
    net.add("input", es.Input(2))
    net.add("output", es.LIF(2, tau_mem=6e-3, tau_syn=6e-3, v_threshold=1.0, t_ref=np.inf))
    net.connect("input", "output", es.Dense(np.full((2, 2), 3.0)))
    es.simulate_batch(net, [{"input": es.Spikes([1e-3], [0])}, {"input": es.Spikes([1e-3], [1])}], until=48e-3)


def environment():
    """Versions, cache directory, cores and data folders of this installation, as a dict.

    Data and golden files are looked for where EVENTSNN_DATA and EVENTSNN_GOLDEN point.
    """
    from .. import __version__
    from ..jit import cache_dir

    found = {"eventsnn": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    found |= {"system": f"{platform.system()} {platform.machine()}", "cores": cores(), "cache_dir": cache_dir()}
    for key, variable in (("data", "EVENTSNN_DATA"), ("golden", "EVENTSNN_GOLDEN")):
        folder = os.environ.get(variable)
        found[key] = folder if folder and Path(folder).is_dir() else None
    return found
