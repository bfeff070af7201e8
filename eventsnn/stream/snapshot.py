"""Snapshots of a stream: the checkpoint of its simulation, with where the stream is and what it has counted, in one file."""

import json

import numpy as np

from ..engine import Simulation
from ..errors import FormatError
from ..io.atomic import atomic_path, plain

VERSION = 1


def write_snapshot(path, simulation, facts, fine=None):
    """Write `simulation`, the dict `facts` and the bytes `fine` (a packed network) to `path`, all or nothing."""
    import h5py

    with atomic_path(path) as temporary:
        simulation.checkpoint(temporary)
        with h5py.File(temporary, "a") as file:
            group = file.create_group("stream")
            text = np.frombuffer(json.dumps(facts, default=plain).encode(), np.uint8)
            group.create_dataset("facts", data=text, fletcher32=True)
            group.attrs["version"] = VERSION
            if fine is not None:
                group.create_dataset("fine", data=np.frombuffer(fine, np.uint8), fletcher32=True)


def read_snapshot(path):
    """(simulation, facts, fine or None) of `path`. Raises `FormatError` for other, damaged or newer files.

    Networks travel as pickles: resume only files that you wrote.
    """
    import h5py

    simulation = Simulation.resume(path)
    try:
        with h5py.File(path, "r") as file:
            if "stream" not in file:
                raise FormatError(f"{path} is the checkpoint of a simulation, not of a stream")
            group = file["stream"]
            if group.attrs["version"] > VERSION:
                raise FormatError(f"{path} was written by a newer eventsnn: update eventsnn")
            facts = json.loads(group["facts"][()].tobytes())
            return simulation, facts, group["fine"][()].tobytes() if "fine" in group else None
    except FormatError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as a snapshot of a stream: {error}") from None
