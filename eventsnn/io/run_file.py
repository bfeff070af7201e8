"""Runs as HDF5 files that SONATA readers understand and that load back bit for bit.

Layout, format version 1::

    /                                  attributes magic = 0x0A7A, version = [0, 1]                      (SONATA)
    /spikes/<population>               attribute sorting = by_time
        timestamps [n] float64, attribute units = "ms";  node_ids [n] uint64
    /report/<population>               only where the samples are equidistant
        data [T, k] float64;  mapping/{node_ids, index_pointers, element_ids, element_pos, time}
    /eventsnn                          attributes: format_version, duration, seed, scheduler, inputs_never, checksum,
                                       and as JSON text: populations, counts, diagnostics, spikes, v
        spikes/<population>/ulps [n]   integer
        v/<population>/{times [T], neurons [k], values [T, k]}

SONATA wants milliseconds, we promise the exact seconds. Times 1000 rounds, so dividing by 1000 again may miss the
original by an ulp or two; ``ulps`` holds how many, and compresses to almost nothing:
``seconds = bits(timestamps / 1000) + ulps``. Only the IEEE product and quotient enter, which are the same everywhere.
``values`` and ``data`` of an equidistant trace are one dataset under two names. ``checksum`` is the CRC-32 of all that
`read_run` gives back; HDF5 itself would hand out a damaged small array or attribute without complaint.

A population name is used as it is, except that "/", "%" and names HDF5 cannot hold are percent-encoded; the JSON lists
in /eventsnn keep the true names and their order.
"""

import json
import os
import zlib

import numpy as np

from ..errors import FormatError, ParameterError
from ..types import Counts, Spikes, Tally, Trace
from .atomic import atomic_path, plain

FORMAT_VERSION = 1
SONATA_MAGIC = 0x0A7A
SONATA_VERSION = (0, 1)
SORTING = {"none": 0, "by_id": 1, "by_time": 2}
COUNT_KINDS = {"spikes": "population", "synaptic_events": "projection", "neuron_updates": "population"}


def save_run(run, path):
    """Write `run` to the HDF5 file `path`; an existing file is replaced only once the new one is complete.

    Spikes (ms) and equidistant voltage samples are in SONATA's places; see the module for the layout. Raises
    `ParameterError` if a diagnostic is not a number or string, and `OSError` if the file cannot be written.

    >>> save_run(run, "run.h5")                            # doctest: +SKIP
    """
    import h5py

    attributes = _attributes(run)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["magic"] = np.uint32(SONATA_MAGIC)
        file.attrs["version"] = np.array(SONATA_VERSION, np.uint32)
        own = file.create_group("eventsnn")
        for key, value in attributes.items():
            own.attrs[key] = value
        own.attrs["format_version"] = np.int64(FORMAT_VERSION)
        own.attrs["checksum"] = np.uint32(_checksum(attributes, run.spikes, run.v))
        file.create_group("spikes")
        own.create_group("spikes")
        own.create_group("v")
        for name, spikes in run.spikes.items():
            _write_spikes(file, _encode(name), spikes)
        for name, trace in run.v.items():
            _write_trace(file, _encode(name), trace)


def read_run(path):
    """The keyword arguments of `Run` from a file written by `save_run`, bit for bit; used by `Run.load`.

    Raises `FormatError`, an `OSError`, that names the file and what is wrong: it does not exist, is not HDF5, is
    truncated or damaged, lacks a part, or was written by a newer version.
    """
    import h5py

    where = os.fspath(path)
    if not os.path.isfile(where):
        raise FormatError(f"cannot load run {where}: there is no such file")
    try:
        file = h5py.File(where, "r")
    except OSError as error:
        raise FormatError(f"cannot load run {where}: {_opening_problem(where, error)}") from error
    with file:
        try:
            return _read(file, where)
        except FormatError:
            raise
        except KeyError as error:
            raise FormatError(
                f"cannot load run {where}: a part is missing ({_text(error)}); save the run again with this version"
            ) from error
        except (OSError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise FormatError(
                f"cannot load run {where}: the file is damaged ({_text(error)}); restore it from a copy or run again"
            ) from error


def _attributes(run):
    counts = {kind: {str(k): int(n) for k, n in getattr(run.counts, kind).items()} for kind in COUNT_KINDS}
    for key, value in run.diagnostics.items():
        try:
            json.dumps(value, default=plain)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"diagnostics[{key!r}] must be a number or a string to be saved: {error}") from error
    return {
        "duration": np.float64(run.duration),
        "seed": str(run.seed),
        "scheduler": run.scheduler,
        "inputs_never": np.int64(run.inputs_never),
        "populations": json.dumps(dict(run.populations)),
        "counts": json.dumps(counts),
        "diagnostics": json.dumps(run.diagnostics, default=plain),
        "spikes": json.dumps(list(run.spikes)),
        "v": json.dumps(list(run.v)),
    }


def _write_spikes(file, group_name, spikes):
    import h5py

    milliseconds, ulps = _to_milliseconds(spikes.times)
    group = file["spikes"].create_group(group_name)
    enum = h5py.enum_dtype(SORTING, basetype=np.uint8)
    group.attrs.create("sorting", SORTING["by_time"], dtype=enum)
    _dataset(group, "timestamps", milliseconds).attrs["units"] = "ms"
    _dataset(group, "node_ids", spikes.neurons.astype(np.uint64))
    _dataset(file["eventsnn/spikes"].create_group(group_name), "ulps", ulps)


def _to_milliseconds(times):
    with np.errstate(over="ignore"):
        milliseconds = times * 1e3
    ulps = times.view(np.int64) - (milliseconds / 1e3).view(np.int64)
    for dtype in (np.int8, np.int64):
        if np.array_equal(ulps.astype(dtype), ulps):
            return milliseconds, ulps.astype(dtype)
    raise AssertionError("int64 holds every difference")


def _to_seconds(milliseconds, ulps):
    return ((milliseconds / 1e3).view(np.int64) + ulps.astype(np.int64)).view(np.float64)


def _write_trace(file, group_name, trace):
    times, neurons, values = _trace_arrays(trace)
    if values.shape != (times.size, neurons.size):
        raise ParameterError(
            f"values of a Trace must be [{times.size}, {neurons.size}] (times, neurons), got {list(values.shape)}"
        )
    own = file["eventsnn/v"].create_group(group_name)
    _dataset(own, "times", times)
    _dataset(own, "neurons", neurons)
    _dataset(own, "values", values)
    step = _step(times)
    if step is None:
        return
    report = file.require_group("report").create_group(group_name)
    report["data"] = own["values"]
    report["data"].attrs["units"] = "user"
    mapping = report.create_group("mapping")
    ids = mapping.create_dataset("node_ids", data=neurons.astype(np.uint64))
    ids.attrs["sorted"] = bool(np.all(neurons[1:] >= neurons[:-1]))
    mapping["index_pointers"] = np.arange(neurons.size + 1, dtype=np.uint64)
    mapping["element_ids"] = np.ones(neurons.size, np.uint32)
    mapping["element_pos"] = np.ones(neurons.size, np.float32)
    mapping["time"] = np.array([times[0], times[0] + step * times.size, step]) * 1e3
    mapping["time"].attrs["units"] = "ms"


def _trace_arrays(trace):
    return np.asarray(trace.times, np.float64), np.asarray(trace.neurons, np.int64), np.asarray(trace.values)


def _step(times):
    """Distance of equidistant sample times, or None (fewer than two samples, or not equidistant)."""
    if times.size < 2:
        return None
    step = (times[-1] - times[0]) / (times.size - 1)
    grid = times[0] + step * np.arange(times.size)
    tolerance = 1e-9 * step + 4.0 * np.spacing(abs(times[-1]))
    return step if step > 0.0 and np.all(np.abs(times - grid) <= tolerance) else None


def _dataset(group, name, values):
    options = {}
    if values.size >= 256:
        options = {"chunks": True, "compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
    return group.create_dataset(name, data=values, **options)


def _read(file, where):
    if "eventsnn" not in file:
        hint = "it holds SONATA spikes of another program" if "spikes" in file else "it is another kind of HDF5 file"
        raise FormatError(f"cannot load run {where}: the group /eventsnn is missing ({hint}); give a file of Run.save")
    own = file["eventsnn"]
    version = int(own.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise FormatError(
            f"cannot load run {where}: it has format version {version}, written by a newer eventsnn; this one reads "
            f"versions up to {FORMAT_VERSION}; update eventsnn"
        )
    counts = json.loads(own.attrs["counts"])
    result = {
        "duration": float(own.attrs["duration"]),
        "seed": int(own.attrs["seed"]),
        "scheduler": str(own.attrs["scheduler"]),
        "inputs_never": int(own.attrs["inputs_never"]),
        "populations": json.loads(own.attrs["populations"]),
        "diagnostics": json.loads(own.attrs["diagnostics"]),
        "counts": Counts(**{kind: Tally(unit, counts[kind]) for kind, unit in COUNT_KINDS.items()}),
        "spikes": {name: _read_spikes(file, _encode(name)) for name in json.loads(own.attrs["spikes"])},
        "v": {name: _read_trace(own["v"][_encode(name)]) for name in json.loads(own.attrs["v"])},
    }
    attributes = {key: value for key, value in own.attrs.items() if key not in ("format_version", "checksum")}
    if _checksum(attributes, result["spikes"], result["v"]) != own.attrs["checksum"]:
        raise ValueError("its content does not match its checksum")
    return result


def _checksum(attributes, spikes, traces):
    """CRC-32 of the attributes (in the order of their names) and of all arrays."""
    text = "\n".join(f"{key}={float(v).hex() if key == 'duration' else v}" for key, v in sorted(attributes.items()))
    crc = zlib.crc32(text.encode())
    arrays = [array for item in spikes.values() for array in (item.times, item.neurons)]
    arrays += [array for item in traces.values() for array in _trace_arrays(item)]
    for array in arrays:
        crc = zlib.crc32(f"{array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.tobytes(), crc)
    return crc


def _read_spikes(file, group_name):
    group = file["spikes"][group_name]
    milliseconds, ulps = group["timestamps"][...], file["eventsnn/spikes"][group_name]["ulps"][...]
    if milliseconds.shape != ulps.shape:
        raise ValueError(f"timestamps and ulps of {group_name!r} differ in length")
    return Spikes(_to_seconds(milliseconds, ulps), group["node_ids"][...].astype(np.int64))


def _read_trace(group):
    return Trace(*_trace_arrays(Trace(group["times"][...], group["neurons"][...], group["values"][...])))


def _encode(name):
    """HDF5 link name of a population: percent-encoding for "/", "%" and NUL, and for the names "", "." and ".."."""
    text = str(name).replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    if text.strip(".") == "":
        text = text.replace(".", "%2E") or "%"
    return text


def _opening_problem(where, error):
    size = os.path.getsize(where)
    with open(where, "rb") as stream:
        signature = stream.read(8)
    if size == 0:
        return "the file is empty; run again or restore it from a copy"
    if "truncated" in str(error):
        return f"the file is truncated ({size} bytes are left); restore it from a copy or run again"
    if signature != b"\x89HDF\r\n\x1a\n":
        return "this is not an HDF5 file; give a file written by Run.save"
    return f"the file is truncated or damaged ({size} bytes, {_text(error)}); restore it from a copy or run again"


def _text(error):
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return " ".join(text.split()) or type(error).__name__
