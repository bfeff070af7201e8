"""Plain networks as HDF5 files, to be converted when they are loaded; some are shipped with the package."""

import json
from dataclasses import fields

import numpy as np

from .. import ann
from ..errors import ParameterError
from ..io import SHIPPED, atomic_path, model_kind, open_model

FORMAT, VERSION = "eventsnn plain network", 1
DATA = ("mnist", "fashion", "iris", "sonar")
KINDS = {layer.__name__: layer for layer in ann.LAYERS if layer is not ann.Residual}


def save_plain(path, layers, input_shape, data, about=None, dtype="float16"):
    """Write `layers` (of `es.ann`, no `Residual`) to the HDF5 file `path`, atomically.

    input_shape : of one input; data : what it is to be tested with, one of `DATA`; about : dict of facts, kept as JSON
    dtype : of the stored arrays, "float16" or "float32"

    Raises `ParameterError` for other layers, data and dtypes, and numbers that the dtype cannot hold.

    >>> save_plain("net.h5", [ann.Linear([[1.0]])], (1,), "iris")  # doctest: +SKIP
    """
    import h5py

    if data not in DATA:
        raise ParameterError(f"data must be one of {', '.join(map(repr, DATA))}, got {data!r}")
    if dtype not in ("float16", "float32"):
        raise ParameterError(f"dtype must be 'float16' or 'float32', got {dtype!r}")
    for layer in layers:
        if type(layer).__name__ not in KINDS:
            raise ParameterError(f"a layer {type(layer).__name__} cannot be written")
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "data": data, "input_shape": list(input_shape),
                           "layers": len(layers), "about": json.dumps(about or {})})
        for k, layer in enumerate(layers):
            group = file.create_group(f"layer{k}")
            group.attrs["kind"] = type(layer).__name__
            for field in fields(layer):
                value = getattr(layer, field.name)
                if isinstance(value, np.ndarray):
                    with np.errstate(over="ignore"):
                        stored = value.astype(dtype)
                    if not np.isfinite(stored).all():
                        raise ParameterError(f"{field.name} of layer {k} does not fit into {dtype}")
                    group.create_dataset(field.name, data=stored, compression="gzip", shuffle=True)
                else:
                    group.attrs[field.name] = value


def plain_names():
    """Names of the shipped plain networks."""
    return sorted(path.stem for path in SHIPPED.glob("asnn-*.h5"))


def is_plain(name):
    """Whether `name`, a path or a shipped name, is a file of a plain network."""
    return model_kind(name) == FORMAT


def load_plain(name):
    """(layers, input shape, facts) of a shipped network or of the file at a path; facts["data"] says what its inputs are.

    Raises `UnknownNameError` for a name that is neither, `FormatError` for a file that is no such network, or damaged.

    >>> layers, shape, facts = load_plain("asnn-iris")
    >>> shape, facts["data"]
    ((4,), 'iris')
    """
    with open_model(name, FORMAT, VERSION, plain_names()) as file:
        layers = []
        for k in range(file.attrs["layers"]):
            group = file[f"layer{k}"]
            values = {key: group[key][()].astype(np.float64) for key in group}
            values |= {key: _plain(value) for key, value in group.attrs.items() if key != "kind"}
            layers.append(KINDS[group.attrs["kind"]](**values))
        facts = json.loads(file.attrs["about"]) | {"data": str(file.attrs["data"])}
        return layers, tuple(int(n) for n in file.attrs["input_shape"]), facts


def _plain(value):
    return tuple(int(v) for v in value) if np.ndim(value) else value.item() if hasattr(value, "item") else value
