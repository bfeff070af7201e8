"""Files of trained networks: found by name among the shipped ones or by path, opened, and checked."""

from contextlib import contextmanager
from pathlib import Path

from ..errors import FormatError, unknown_name

SHIPPED = Path(__file__).parent.parent / "models"


def model_path(name):
    """The file at the path `name`, or where the shipped model of this name would lie.

    >>> model_path("yinyang").name
    'yinyang.h5'
    """
    return Path(name) if Path(name).is_file() else SHIPPED / f"{name}.h5"


def model_kind(name):
    """The "format" of the model file `name` (path or shipped name); None if there is no such file or it cannot be read.

    >>> model_kind("yinyang")
    'eventsnn first-spike network'
    """
    import h5py

    try:
        with h5py.File(model_path(name), "r") as file:
            return file.attrs.get("format")
    except OSError:
        return None


@contextmanager
def open_model(name, kind, version, known):
    """The HDF5 file of a model, open for reading.

    kind : its attribute "format"; version : the newest that is understood; known : names to suggest. Raises `UnknownNameError`
    for a name that is no file, `FormatError` for another kind of file, a newer version, and whatever of it cannot be read.

    >>> with open_model("yinyang", "eventsnn first-spike network", 1, []) as file:
    ...     str(file.attrs["encoding"])
    'yinyang'
    """
    import h5py

    path = model_path(name)
    if not path.is_file():
        raise unknown_name("model", str(name), known)
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != kind:
                raise FormatError(f"{path.name!r} is not a {kind.removeprefix('eventsnn ')}")
            if file.attrs["version"] > version:
                raise FormatError(f"{path.name!r} has version {file.attrs['version']}; this eventsnn reads up to {version}")
            yield file
    except FormatError:
        raise
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"{path.name!r} cannot be read: {error}") from error
