import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsnn.errors import FormatError, ParameterError, UnknownNameError
from eventsnn.io import atomic_path, save_run, write_json
from eventsnn.io.run_file import _to_milliseconds, _to_seconds
from eventsnn.run import Run
from eventsnn.types import Counts, Spikes, Tally, Trace


def make_run(n_spikes=3000, **changes):
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0.0, 0.5, n_spikes))
    spikes = {
        "exc": Spikes(times, rng.integers(0, 80, n_spikes)),
        "a/b %2F.": Spikes([0.1, 0.1, 1 / 3], [2, 0, 1]),
        "silent": Spikes([], []),
        "": Spikes([5e-324, 0.25], [0, 0]),
        "..": Spikes([0.0], [0]),
    }
    steps = np.arange(40) * 1e-3
    v = {
        "exc": Trace(steps, np.array([0, 1, 7]), rng.normal(size=(40, 3))),
        "silent": Trace(np.array([0.0, 0.1, 0.15]), np.array([0]), rng.normal(size=(3, 1))),
        "..": Trace(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 0))),
    }
    counts = Counts(
        Tally("population", {name: len(s) for name, s in spikes.items()}),
        Tally("projection", {"exc->exc": 2**60 + 1, "in->exc": 0}),
        Tally("population", {"exc": 12}),
    )
    arguments = dict(
        spikes=spikes,
        v=v,
        counts=counts,
        duration=0.1 + 0.2,
        populations={"exc": 80, "a/b %2F.": 3, "silent": 5, "": 1, "..": 1},
        diagnostics={"windows": 333, "share": 0.1, "lost": np.int64(4), "reason": "cycle, delay 1.5 ms"},
        seed=2**64 - 1,
        scheduler="window",
        inputs_never=2,
    )
    return Run(**{**arguments, **changes})


def assert_same(a, b):
    assert list(a.spikes) == list(b.spikes) and list(a.v) == list(b.v)
    for name in a.spikes:
        for field in ("times", "neurons"):
            x, y = getattr(a.spikes[name], field), getattr(b.spikes[name], field)
            assert x.dtype == y.dtype and x.tobytes() == y.tobytes()
    for name in a.v:
        for field in ("times", "neurons", "values"):
            x, y = getattr(a.v[name], field), getattr(b.v[name], field)
            assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    assert a.counts == b.counts
    for field in ("duration", "seed", "scheduler", "inputs_never", "populations", "diagnostics"):
        assert getattr(a, field) == getattr(b, field), field


def test_round_trip_is_bit_exact(tmp_path):
    run = make_run()
    run.save(tmp_path / "run.h5")
    again = Run.load(tmp_path / "run.h5")
    assert_same(run, again)
    again.save(tmp_path / "again.h5")
    assert_same(run, Run.load(tmp_path / "again.h5"))
    assert again.energy("loihi").total == run.energy("loihi").total
    assert sorted(os.listdir(tmp_path)) == ["again.h5", "run.h5"]


def test_round_trip_of_an_empty_run(tmp_path):
    counts = Counts(Tally("population"), Tally("projection"), Tally("population"))
    run = Run(spikes={}, counts=counts, duration=0.0, populations={})
    save_run(run, tmp_path / "empty.h5")
    assert_same(run, Run.load(tmp_path / "empty.h5"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(min_value=0.0, allow_nan=False), min_size=1, max_size=20))
def test_milliseconds_give_back_the_exact_seconds(values):
    times = np.array(values)
    milliseconds, ulps = _to_milliseconds(times)
    assert _to_seconds(milliseconds, ulps).tobytes() == times.tobytes()
    if times.max() < 1e300:
        assert ulps.dtype == np.int8


def test_voltages_in_float32_stay_float32(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    run = make_run(v={"exc": Trace(np.arange(4) * 0.5, np.array([3, 1]), values)})
    run.save(tmp_path / "run.h5")
    assert_same(run, Run.load(tmp_path / "run.h5"))


def test_voltages_in_unusual_arrays(tmp_path):
    values = np.asfortranarray(np.arange(8.0).reshape(4, 2))
    run = make_run(v={"exc": Trace([0, 1, 2, 3], np.array([3, 1], np.int32), values)}, diagnostics={"x": (1, 2.5)})
    run.save(tmp_path / "run.h5")
    again = Run.load(tmp_path / "run.h5")
    assert again.v["exc"].times.dtype == np.float64 and again.v["exc"].neurons.dtype == np.int64
    np.testing.assert_array_equal(again.v["exc"].values, values)
    assert again.diagnostics == {"x": [1, 2.5]}


# --- what other SONATA readers see


def test_sonata_layout(tmp_path):
    run = make_run()
    run.save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        assert file.attrs["magic"] == 0x0A7A and file.attrs.get_id("magic").dtype == np.uint32
        assert list(file.attrs["version"]) == [0, 1] and file.attrs["version"].dtype == np.uint32
        group = file["spikes/exc"]
        enum = h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)
        assert enum == {"none": 0, "by_id": 1, "by_time": 2}
        assert group.attrs["sorting"] == enum["by_time"]
        assert group["timestamps"].attrs["units"] == "ms"
        assert group["timestamps"].dtype == np.float64 and group["node_ids"].dtype == np.uint64
        np.testing.assert_allclose(group["timestamps"][...], run.spikes["exc"].times * 1e3, rtol=1e-15)
        np.testing.assert_array_equal(group["node_ids"][...], run.spikes["exc"].neurons)
        assert group["timestamps"].compression == "gzip" and group["timestamps"].shuffle
        assert len(file["spikes"]) == 5


def test_sonata_voltage_report_of_equidistant_samples(tmp_path):
    run = make_run()
    run.save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        report = file["report/exc"]
        mapping = report["mapping"]
        np.testing.assert_array_equal(report["data"][...], run.v["exc"].values)
        np.testing.assert_array_equal(mapping["node_ids"][...], [0, 1, 7])
        np.testing.assert_array_equal(mapping["index_pointers"][...], [0, 1, 2, 3])
        np.testing.assert_allclose(mapping["time"][...], [0.0, 40.0, 1.0], rtol=1e-12)
        assert mapping["time"].attrs["units"] == "ms"
        assert mapping["element_ids"].dtype == np.uint32 and mapping["element_pos"].shape == (3,)
        assert file["eventsnn/v/exc/values"] == report["data"]  # one dataset, two names
        assert list(file["report"]) == ["exc"]  # the others are not equidistant or have no samples


def test_same_layout_as_the_sonata_sample_file(tmp_path):
    folder = os.environ.get("EVENTSNN_DATA")
    sample = Path(folder or ".", "sonata/src/pysonata/sonata/tests/reports/spike_trains/spike_files/spikes.one_pop.h5")
    if not folder or not sample.is_file():
        pytest.skip("the SONATA sample files are not here (set EVENTSNN_DATA to the folder of data sets)")
    with h5py.File(sample) as theirs:
        times, ids = theirs["spikes/v1/timestamps"][...], theirs["spikes/v1/node_ids"][...]
        order = np.argsort(times, kind="stable")
        run = make_run(spikes={"v1": Spikes(times[order] / 1e3, ids[order])}, v={})
        run.save(tmp_path / "run.h5")
        with h5py.File(tmp_path / "run.h5") as ours:
            for key in ("magic", "version"):
                np.testing.assert_array_equal(ours.attrs[key], theirs.attrs[key])
                assert ours.attrs.get_id(key).dtype == theirs.attrs.get_id(key).dtype
            assert list(ours["spikes"]) == list(theirs["spikes"])
            assert set(ours["spikes/v1"]) == set(theirs["spikes/v1"])
            assert set(ours["spikes/v1"].attrs) == set(theirs["spikes/v1"].attrs)
            for name in ("timestamps", "node_ids"):
                assert ours["spikes/v1"][name].dtype == theirs["spikes/v1"][name].dtype
                assert ours["spikes/v1"][name].shape == theirs["spikes/v1"][name].shape
                assert set(ours["spikes/v1"][name].attrs) == set(theirs["spikes/v1"][name].attrs)
            np.testing.assert_allclose(ours["spikes/v1/timestamps"][...], times[order], rtol=1e-15)
    assert_same(run, Run.load(tmp_path / "run.h5"))
    with pytest.raises(FormatError, match="SONATA spikes of another program"):
        Run.load(sample)


# --- files that are not right


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(FormatError, match=r"none\.h5: there is no such file"):
        Run.load(tmp_path / "none.h5")
    with pytest.raises(FormatError, match="no such file"):
        Run.load(tmp_path)
    (tmp_path / "empty.h5").touch()
    with pytest.raises(FormatError, match=r"empty\.h5: the file is empty"):
        Run.load(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("these are not the bytes of a run\n" * 100)
    with pytest.raises(FormatError, match=r"text\.h5: this is not an HDF5 file"):
        Run.load(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="/eventsnn is missing"):
        Run.load(tmp_path / "other.h5")


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_truncated_files(tmp_path, share):
    make_run().save(tmp_path / "run.h5")
    content = (tmp_path / "run.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: max(1, min(int(share * len(content)), len(content) - 1))])
    with pytest.raises(FormatError, match=r"cannot load run .*cut\.h5: .*; (restore|give)"):
        Run.load(tmp_path / "cut.h5")


def test_flipped_bits_in_the_spikes_are_noticed(tmp_path):
    make_run().save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        start = file["spikes/exc/timestamps"].id.get_chunk_info(0).byte_offset
    content = bytearray((tmp_path / "run.h5").read_bytes())
    content[start + 100] ^= 0x40
    (tmp_path / "run.h5").write_bytes(content)
    with pytest.raises(FormatError, match=r"run\.h5: the file is damaged"):
        Run.load(tmp_path / "run.h5")


def test_changed_small_parts_are_noticed_by_the_checksum(tmp_path):
    run = make_run()
    for change in ("duration", "times"):
        run.save(tmp_path / "run.h5")
        with h5py.File(tmp_path / "run.h5", "a") as file:
            if change == "duration":
                file["eventsnn"].attrs["duration"] = np.nextafter(run.duration, 1.0)
            else:
                file["eventsnn/v/silent/times"][1] = 0.11
        with pytest.raises(FormatError, match="damaged.*checksum"):
            Run.load(tmp_path / "run.h5")


@pytest.mark.parametrize("part", ["spikes", "spikes/exc/node_ids", "eventsnn/spikes/exc/ulps", "eventsnn/v/exc/times"])
def test_missing_parts(tmp_path, part):
    make_run().save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "a") as file:
        del file[part]
    with pytest.raises(FormatError, match=r"run\.h5: a part is missing"):
        Run.load(tmp_path / "run.h5")


@pytest.mark.parametrize("key", ["format_version", "counts", "seed", "populations"])
def test_missing_attributes(tmp_path, key):
    make_run().save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "a") as file:
        del file["eventsnn"].attrs[key]
    with pytest.raises(FormatError, match=f"a part is missing.*{key}"):
        Run.load(tmp_path / "run.h5")


def test_newer_version_is_refused_and_older_read(tmp_path):
    run = make_run()
    run.save(tmp_path / "run.h5")
    for version in (99, 0):
        with h5py.File(tmp_path / "run.h5", "a") as file:
            file["eventsnn"].attrs["format_version"] = version
        if version == 99:
            with pytest.raises(FormatError, match="version 99, written by a newer eventsnn.*update"):
                Run.load(tmp_path / "run.h5")
        else:
            assert_same(run, Run.load(tmp_path / "run.h5"))


# --- atomic writing


def test_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    run = make_run()
    run.save(tmp_path / "run.h5")
    before = (tmp_path / "run.h5").read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("eventsnn.io.run_file._write_trace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.save(tmp_path / "run.h5")
    assert os.listdir(tmp_path) == ["run.h5"]
    assert (tmp_path / "run.h5").read_bytes() == before


def test_failed_first_save_leaves_nothing(tmp_path):
    bad = make_run(v={"exc": Trace(np.zeros(3), np.zeros(2, np.int64), np.zeros((2, 2)))})
    with pytest.raises(ParameterError, match=r"\[3, 2\].*\[2, 2\]"):
        bad.save(tmp_path / "run.h5")
    assert os.listdir(tmp_path) == []


def test_diagnostics_that_cannot_be_saved_are_named(tmp_path):
    with pytest.raises(ParameterError, match=r"diagnostics\['x'\]"):
        make_run(diagnostics={"x": object()}).save(tmp_path / "run.h5")
    assert os.listdir(tmp_path) == []


def test_atomic_path(tmp_path):
    target = tmp_path / "file.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".txt"
        temporary.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("two")
        raise RuntimeError
    assert target.read_text() == "one"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_atomic_path_keeps_rights_and_links(tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_atomic_path_needs_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"), atomic_path(tmp_path / "no" / "file.txt"):
        pass
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path):
        pass


def test_write_json(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": np.float64(0.1), "b": np.arange(3), "c": Path("d"), "d": "µ"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 0.1, "b": [0, 1, 2], "c": "d", "d": "µ"}
    with pytest.raises(TypeError, match="object"):
        write_json(path, {"a": object()})
    assert os.listdir(tmp_path) == ["x.json"]


# --- the object


def test_unknown_populations_suggest():
    run = make_run()
    with pytest.raises(UnknownNameError, match="did you mean 'exc'"):
        run.spikes["exx"]
    with pytest.raises(UnknownNameError, match="population 'siletn'; did you mean 'silent'"):
        run.v["siletn"]
    with pytest.raises(UnknownNameError):
        run.rate("nobody")


def test_rate_and_summary():
    run = make_run()
    assert run.rate("exc") == 3000 / (80 * run.duration)
    assert run.rate("silent") == 0.0
    assert np.isnan(make_run(duration=0.0).rate("exc"))
    summary = json.loads(json.dumps(make_run(diagnostics={"a": 1}).summary()))
    assert summary["spikes"] == 3006 and summary["synaptic_events"] == 2**60 + 1
    assert summary["populations"]["exc"] == {"neurons": 80, "spikes": 3000, "rate_hz": run.rate("exc")}


def test_repr_is_helpful():
    text = repr(make_run())
    for part in ("window", "exc", "80 neurons", "3,000 spikes", "Hz", "2 input spikes"):
        assert part in text
    many = {f"p{k}": 1 for k in range(30)}
    assert "10 more populations" in repr(make_run(populations=many))


def test_constructor_checks():
    with pytest.raises(TypeError):
        Run({}, None)
    with pytest.raises(ParameterError, match="Counts"):
        make_run(counts={})
    with pytest.raises(ParameterError, match=r"spikes\['a'\]"):
        make_run(spikes={"a": [1, 2]})
    with pytest.raises(ParameterError, match="duration"):
        make_run(duration=-1.0)
