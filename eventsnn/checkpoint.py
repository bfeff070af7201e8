"""Checkpoints: the complete state of a `Simulation` in one HDF5 file; resuming continues with the same bits."""

import pickle

import numpy as np

from .errors import FormatError, InputError
from .io.atomic import atomic_path

KIND, VERSION = "eventsnn checkpoint", 2


def _flatten(sim):
    scheduler = sim.scheduler
    data = {f"state/{k}": v for k, v in zip(scheduler.state._fields, scheduler.state)}
    data |= {f"scheduler/{k}": v for k, v in scheduler.snapshot().items()}
    data |= {f"settings/{p}/{k}": v for p, known in enumerate(scheduler.settings) for k, v in known.items()}
    data |= {f"sources/{k}": v for k, v in scheduler.sources.snapshot().items()}
    sim.result()
    data["run/times"], data["run/ids"] = sim._times[0], sim._ids[0]
    n = sum(ids.size for ids in sim._probes.values())
    data["run/sample_times"] = np.concatenate([np.zeros(0), *sim._sample_times])
    data["run/samples"] = np.concatenate([np.zeros((0, n)), *sim._samples])
    return data


def write_checkpoint(sim, path):
    """Write `sim` to `path`; a file already there is replaced only when the new one is complete."""
    import h5py
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w") as file:
            file.attrs["kind"], file.attrs["version"] = KIND, VERSION
            file.attrs["time"], file.attrs["seed"] = sim.time, sim.seed
            file.attrs["scheduler"], file.attrs["inputs_never"] = sim.scheduler.name, sim.inputs_never
            file.attrs["max_rounds"] = sim._max_rounds
            if sim.dt is not None:
                file.attrs["dt"] = sim.dt
            network = _pickled(sim)
            file.create_dataset("network", data=np.frombuffer(network, np.uint8), fletcher32=True)
            for key, value in _flatten(sim).items():
                value = np.asarray(value)
                file.create_dataset(key, data=value, **({"fletcher32": True} if value.ndim and value.size else {}))


def _pickled(sim):
    try:
        return pickle.dumps((sim.lowered, sim.record, sim.rules, sim._plain), protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(f"the simulation cannot be written: {error}; functions of rules must be defined at the top level of "
                         f"a module") from error


def read_checkpoint(cls, path):
    """Rebuild the simulation of class `cls` from `path`.

    The network travels as a pickle: resume only files that you wrote yourself. Raises `FormatError` for files that are
    not checkpoints, damaged or newer.
    """
    import h5py
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("kind") != KIND:
                raise FormatError(f"{path} is not an eventsnn checkpoint")
            if file.attrs["version"] > VERSION:
                raise FormatError(f"{path} was written by a newer eventsnn (checkpoint version {file.attrs['version']}; "
                                  f"this one reads up to {VERSION}): update eventsnn")
            attrs = dict(file.attrs)
            network = file["network"][()].tobytes()
            data = {}
            file.visititems(lambda name, item: data.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset)
                            else None)
    except FileNotFoundError:
        raise
    except FormatError:
        raise
    except (OSError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path} cannot be read as a checkpoint: {error}; it is damaged or not an HDF5 file") from None
    try:
        return _rebuild(cls, attrs, network, data)
    except (KeyError, TypeError, ValueError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise FormatError(f"{path} lacks a part of a checkpoint or holds a damaged one: {error}") from None


def _rebuild(cls, attrs, network, data):
    """The simulation described by the contents of a checkpoint."""
    from .layout import R_POST, R_PRE, R_TIMER, State
    from .schedulers import choose
    lowered, record, rules, plain = pickle.loads(network)
    sim = cls.__new__(cls)
    sim.rules, sim._plain = rules, plain
    for row, rule in zip(lowered.wiring.rule, rules):
        row[[R_PRE, R_POST, R_TIMER]] = rule.addresses()
    sim.lowered, sim.record, sim.seed = lowered, record, int(attrs["seed"])
    sim._keep, sim._probes, sim._progress = record.wants(lowered), record.probes(lowered), False
    sim._max_rounds = int(attrs["max_rounds"])
    sim.dt = float(attrs["dt"]) if "dt" in attrs else None
    sim._kind = choose(str(attrs["scheduler"]), lowered, sim.dt)
    part = lambda name: {k[len(name) + 1:]: v for k, v in data.items() if k.startswith(name + "/")}  # noqa: E731
    state = State(**part("state"))
    sim.scheduler = sim._kind(lowered, seed=sim.seed, max_rounds=sim._max_rounds, state=state, wanted=sim._keep)
    sim.scheduler.time = float(attrs["time"])
    sim.scheduler.sources.restore(part("sources"))
    sim.scheduler.restore(part("scheduler"))
    for key, value in part("settings").items():
        p, name = key.split("/")
        sim.scheduler.settings[int(p)][name] = value
    sim.inputs_never = int(attrs["inputs_never"])
    run = part("run")
    sim._times, sim._ids = [run["times"]], [run["ids"]]
    sim._n_spikes = run["times"].size
    sim._sample_times, sim._samples = [run["sample_times"]], [run["samples"]]
    if not run["sample_times"].size:
        sim._sample_times, sim._samples = [], []
    return sim
