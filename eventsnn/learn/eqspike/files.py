"""Trained EqSpike networks as HDF5 files, some of which are shipped with the package."""

import json

import numpy as np

from ...errors import ParameterError
from ...io import SHIPPED, atomic_path, open_model
from .network import CONSTANTS, EqSpikeNetwork

FORMAT, VERSION = "eventsnn EqSpike network", 1
DATA = ("digits", "mnist")
PARTS = ("w1", "w2", "bias")


def eqspike_names():
    """Names of the shipped EqSpike networks.

    >>> isinstance(eqspike_names(), list)
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("eqspike-*.h5"))


def save_eqspike(path, network, data, until, about=None):
    """Write an `EqSpikeNetwork` to the HDF5 file `path`, atomically, its weights as float32.

    data : what it is to be tested with, one of `DATA`; until : s a sample is shown for; about : dict of facts, kept as JSON

    Raises `ParameterError` for other data, `until` that is not > 0, and weights that float32 cannot hold.

    >>> save_eqspike("net.h5", network, "digits", 0.2)  # doctest: +SKIP
    """
    import h5py

    if data not in DATA:
        raise ParameterError(f"data must be one of {', '.join(map(repr, DATA))}, got {data!r}")
    if not 0.0 < until < np.inf:
        raise ParameterError(f"until must be a finite number > 0 s, got {until!r}")
    with np.errstate(over="ignore"):
        stored = {name: getattr(network, name).astype(np.float32) for name in PARTS}
    for name, values in stored.items():
        if not np.isfinite(values).all():
            raise ParameterError(f"{name} does not fit into float32")
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "data": data, "until": until})
        file.attrs["about"] = json.dumps(about or {})
        file.attrs.update({name: getattr(network, name) for name in CONSTANTS})
        for name, values in stored.items():
            file.create_dataset(name, data=values, compression="gzip", shuffle=True)


def load_eqspike(name):
    """(`EqSpikeNetwork`, facts) of a shipped model or of the file at a path; facts["data"] and ["until"] say how to test it.

    Raises `UnknownNameError` for a name that is neither, `FormatError` for a file that is no such model, or damaged.

    >>> network, facts = load_eqspike("eqspike-mnist100")  # doctest: +SKIP
    """
    with open_model(name, FORMAT, VERSION, eqspike_names()) as file:
        parts = [file[part][()] for part in PARTS]
        network = EqSpikeNetwork(*parts, **{key: float(file.attrs[key]) for key in CONSTANTS})
        return network, json.loads(file.attrs["about"]) | {"data": str(file.attrs["data"]), "until": float(file.attrs["until"])}
