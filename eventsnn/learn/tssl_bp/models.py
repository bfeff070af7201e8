"""Trained TSSL-BP networks as HDF5 files, some of which are shipped with the package."""

import json
from dataclasses import asdict

import numpy as np

from ...errors import FormatError, ParameterError
from ...io import SHIPPED, atomic_path, open_model
from .network import Constants, TSSLNetwork

FORMAT, VERSION = "eventsnn TSSL-BP network", 1
DTYPES = ("float16", "float32", "float64")


def tssl_names():
    """Names of the shipped TSSL-BP networks.

    >>> isinstance(tssl_names(), list)
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("tssl-*.h5"))


def save_tssl(path, network, data, about=None, dtype="float16"):
    """Write a `TSSLNetwork` to the HDF5 file `path`, atomically.

    data : what it is to be tested with, one of `recipes.DATA`; about : dict of facts, kept as JSON; dtype : of the stored
        weights,
    "float16", "float32" or "float64"; what is read back is rounded to it

    Raises `ParameterError` for other data or dtypes, and for weights that the dtype cannot hold.

    >>> save_tssl("net.h5", network, "digits")  # doctest: +SKIP
    """
    import h5py

    from .recipes import DATA

    if data not in DATA:
        raise ParameterError(f"data must be one of {', '.join(map(repr, DATA))}, got {data!r}")
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, got {dtype!r}")
    with np.errstate(over="ignore"):
        stored = [w.astype(dtype) for w in network.weights]
    if not all(np.isfinite(w).all() for w in stored):
        largest = max(np.abs(w).max() for w in network.weights)
        raise ParameterError(f"weights do not fit into {dtype}: the largest is {largest!r}")
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "data": data, "shape": network.shape, "static": network.static,
                           "layers": json.dumps(network.layers), "constants": json.dumps(asdict(network.constants)),
                           "about": json.dumps(about or {})})
        for k, matrix in enumerate(stored):
            file.create_dataset(f"weights{k}", data=matrix, compression="gzip", shuffle=True)


def load_tssl(name):
    """(`TSSLNetwork`, facts) of a shipped model or of the file at a path; facts["data"] says how to test it.

    Raises `UnknownNameError` for a name that is neither, `FormatError` for a file that is no such model, or damaged.

    >>> network, facts = load_tssl("tssl-fashion-mlp")  # doctest: +SKIP
    """
    with open_model(name, FORMAT, VERSION, tssl_names()) as file:
        layers = json.loads(file.attrs["layers"])
        try:
            network = TSSLNetwork(file.attrs["shape"].tolist(), layers, [file[f"weights{k}"][()] for k in range(len(layers))],
                                  Constants(**json.loads(file.attrs["constants"])), bool(file.attrs["static"]))
        except ParameterError as error:
            raise FormatError(f"{str(name)!r} cannot be read: {error}") from error
        return network, json.loads(file.attrs["about"]) | {"data": str(file.attrs["data"])}
