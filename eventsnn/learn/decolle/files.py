"""DECOLLE networks as HDF5 files, some of which are shipped with the package."""

import json

import numpy as np

from ...errors import ParameterError
from ...io import SHIPPED, atomic_path, open_model
from .network import Constants, DecolleNetwork

FORMAT, VERSION = "eventsnn DECOLLE network", 1
ENCODINGS = ("digits", "mnist", "nmnist", "gesture")
DTYPES = ("float16", "float32", "float64")


def decolle_names():
    """Names of the shipped DECOLLE networks.

    >>> "decolle-mnist" in decolle_names()
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("decolle-*.h5"))


def save_decolle(path, network, encoding, about=None, dtype="float16"):
    """Write a `DecolleNetwork` to the HDF5 file `path`, atomically.

    encoding : the data it is for, one of `ENCODINGS`; about : dict of facts, kept as JSON, of which "config" says how the data
    become spikes; dtype : of the stored arrays: "float16", "float32" or "float64"; what is read back is rounded to it

    Raises `ParameterError` for another encoding or dtype, and for weights that the dtype cannot hold.

    >>> save_decolle("model.h5", network, "mnist")  # doctest: +SKIP
    """
    import h5py

    if encoding not in ENCODINGS:
        raise ParameterError(f"encoding must be one of {', '.join(map(repr, ENCODINGS))}, got {encoding!r}")
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, got {dtype!r}")
    with np.errstate(over="ignore"):
        fits = np.isfinite(network.parameters.flat.astype(dtype)).all()
    if not fits:
        raise ParameterError(f"weights do not fit into {dtype}: the largest is {np.abs(network.parameters.flat).max()!r}")
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "encoding": encoding, "about": json.dumps(about or {}),
                           "shape": network.shape, "layers": json.dumps(network.layers)})
        file.attrs.update(network.constants._asdict())
        for layer in range(len(network.stages)):
            group = file.create_group(f"layer{layer}")
            arrays = {"weights": network.weights[layer], "biases": network.biases[layer], "readout": network.readouts[layer][0],
                      "readout_bias": network.readouts[layer][1]}
            for name, array in arrays.items():
                group.create_dataset(name, data=array.astype(dtype), compression="gzip", shuffle=True)


def load_decolle(name):
    """(`DecolleNetwork`, facts) of a shipped model or of the file at a path; facts["encoding"] says what its inputs are.

    Raises `UnknownNameError` for a name that is neither, `FormatError` for a file that is no such model, or damaged.

    >>> network, facts = load_decolle("decolle-mnist")
    >>> network.shape, facts["encoding"]
    ((28, 28, 1), 'mnist')
    """
    with open_model(name, FORMAT, VERSION, decolle_names()) as file:
        layers = json.loads(file.attrs["layers"])
        groups = [file[f"layer{layer}"] for layer in range(len(layers))]
        weights, biases, readout, offset = ([group[key][()] for group in groups]
                                            for key in ("weights", "biases", "readout", "readout_bias"))
        constants = Constants(*(float(file.attrs[key]) for key in Constants._fields))
        network = DecolleNetwork(tuple(int(n) for n in file.attrs["shape"]), layers, weights, biases,
                                 list(zip(readout, offset)), constants)
        return network, json.loads(file.attrs["about"]) | {"encoding": str(file.attrs["encoding"])}
