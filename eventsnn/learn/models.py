"""Trained first-spike networks as HDF5 files, some of which are shipped with the package."""

import json
import math
from pathlib import Path

import numpy as np

from ..errors import FormatError, ParameterError, unknown_name
from ..io import atomic_path
from .first_spike.network import FirstSpikeNetwork

SHIPPED = Path(__file__).parent.parent / "models"
FORMAT, VERSION = "eventsnn first-spike network", 1
ENCODINGS = ("yinyang", "yinyang-x5", "yinyang-x5-only", "mnist", "mnist-silent", "mnist16", "fashion")


def model_names():
    """Names of the shipped models.

    >>> isinstance(model_names(), list)
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("*.h5") if not path.stem.startswith("asnn-"))


def save_model(path, network, encoding, about=None, dtype="float16"):
    """Write a `FirstSpikeNetwork` to the HDF5 file `path`, atomically.

    encoding : which data set, and how it becomes spike times: one of `ENCODINGS`
    about : dict of facts (training, selection, versions), kept as JSON
    dtype : of the stored weights and delays: "float16", "float32" or "float64"; what is read back is rounded to it

    Raises `ParameterError` for another encoding or dtype, and for weights that the dtype cannot hold.

    >>> save_model("model.h5", network, "yinyang")  # doctest: +SKIP
    """
    import h5py

    if encoding not in ENCODINGS:
        raise ParameterError(f"encoding must be one of {', '.join(map(repr, ENCODINGS))}, got {encoding!r}")
    if dtype not in ("float16", "float32", "float64"):
        raise ParameterError(f"dtype must be 'float16', 'float32' or 'float64', got {dtype!r}")
    with np.errstate(over="ignore"):
        fits = np.isfinite(network.flat.astype(dtype)).all()
    if not fits:
        raise ParameterError(f"weights do not fit into {dtype}: the largest is {np.abs(network.flat).max()!r}")
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "encoding": encoding, "tau_ratio": network.tau_ratio,
                           "theta": network.theta, "about": json.dumps(about or {})})
        file.attrs["bias_times"] = [math.nan if bias is None else bias for bias in network.bias_times]
        for k, (weights, delays) in enumerate(zip(network.weights, network.delays)):
            group = file.create_group(f"layer{k}")
            group.create_dataset("weights", data=weights.astype(dtype), compression="gzip", shuffle=True)
            if delays is not None:
                group.create_dataset("delays", data=delays[1].astype(dtype), compression="gzip", shuffle=True)
                group["delays"].attrs["kind"] = delays[0]


def _delays(group):
    if "delays" not in group:
        return None
    return str(group["delays"].attrs["kind"]), group["delays"][()].astype(np.float64)


def load_model(name):
    """(`FirstSpikeNetwork`, facts) of a shipped model or of the file at a path; facts["encoding"] says what its inputs are.

    Raises `UnknownNameError` for a name that is neither, `FormatError` for a file that is no such model, or damaged.

    >>> network, facts = load_model("yinyang")
    >>> network.fan_out.tolist(), facts["encoding"]
    ([120, 3], 'yinyang')
    """
    import h5py

    path = Path(name)
    if not path.is_file():
        path = SHIPPED / f"{name}.h5"
    if not path.is_file():
        raise unknown_name("model", str(name), model_names())
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise FormatError(f"{path.name!r} is not a first-spike network")
            if file.attrs["version"] > VERSION:
                raise FormatError(f"{path.name!r} has version {file.attrs['version']}; this eventsnn reads up to {VERSION}")
            groups = [file[f"layer{k}"] for k in range(len(file.attrs["bias_times"]))]
            weights = [group["weights"][()].astype(np.float64) for group in groups]
            delays = [_delays(group) for group in groups]
            bias_times = tuple(None if math.isnan(bias) else float(bias) for bias in file.attrs["bias_times"])
            network = FirstSpikeNetwork(weights, tau_ratio=float(file.attrs["tau_ratio"]), bias_times=bias_times,
                                        theta=float(file.attrs["theta"]), delays=delays)
            return network, json.loads(file.attrs["about"]) | {"encoding": str(file.attrs["encoding"])}
    except (OSError, KeyError, ValueError, TypeError, json.JSONDecodeError) as error:
        raise FormatError(f"{path.name!r} cannot be read: {error}") from error
