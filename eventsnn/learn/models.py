"""Trained first-spike networks as HDF5 files, some of which are shipped with the package."""

import json
import math

import numpy as np

from ..errors import ParameterError
from ..io import SHIPPED, atomic_path, open_model
from .first_spike.network import FirstSpikeNetwork

OTHERS = ("asnn", "decolle", "eqspike", "tssl")  # first words of the names of other kinds of shipped models
FORMAT, VERSION = "eventsnn first-spike network", 1
ENCODINGS = ("yinyang", "yinyang-x5", "yinyang-x5-only", "mnist", "mnist-silent", "mnist16", "fashion")


def model_names():
    """Names of the shipped first-spike networks.

    >>> isinstance(model_names(), list)
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("*.h5") if path.stem.partition("-")[0] not in OTHERS)


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
    with open_model(name, FORMAT, VERSION, model_names()) as file:
        groups = [file[f"layer{k}"] for k in range(len(file.attrs["bias_times"]))]
        weights = [group["weights"][()].astype(np.float64) for group in groups]
        delays = [_delays(group) for group in groups]
        bias_times = tuple(None if math.isnan(bias) else float(bias) for bias in file.attrs["bias_times"])
        network = FirstSpikeNetwork(weights, tau_ratio=float(file.attrs["tau_ratio"]), bias_times=bias_times,
                                    theta=float(file.attrs["theta"]), delays=delays)
        return network, json.loads(file.attrs["about"]) | {"encoding": str(file.attrs["encoding"])}
