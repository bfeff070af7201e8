"""Recordings of event cameras: the entrance, pipes, zips, text, the writer, order and range, and real files."""

import doctest
import gzip
import hashlib
import importlib
import io
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventsnn as es
from eventsnn.data.events import EventFile, Events, open_events, write_events
from eventsnn.data.nmnist import nmnist_small
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
EVENT = bytes([3, 4, 128, 0, 250])
ROWS = [(250, 3, 4, 1)]


def real(folder, name):
    """The path of a real file, or a skip that says which is missing."""
    if not os.environ.get("EVENTSNN_DATA") or not (DATA / folder / name).is_file():
        pytest.skip(f"EVENTSNN_DATA does not hold {folder}/{name}")
    return str(DATA / folder / name)


def rows(events):
    return list(zip(np.rint(events.t * 1e6).astype(int).tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist()))


def same(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in "txyp")


def draw(n, seed=1, last=3.0):
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, int(last * 1e6), n)) * 1e-6
    return Events(t, random.integers(0, 256, n), random.integers(0, 240, n), random.integers(0, 2, n))


# --- real files: what is known about them, and every format whole and in chunks

SAMPLES = {  # (format, width, height, events, first and last time in us); counts as in the notes on the data sets
    "sample_nmnist.bin": ("bin", None, None, 4_325, 654, 311_175),
    "sample_ncars.dat": ("dat", None, None, 2_009, 0, 99_952),
    "evt2_sample.raw": ("evt2", None, None, 367_855 + 171_626, 1_317_888, 1_367_888),
    "evt3_sample.raw": ("evt3", None, None, 219_596, 11_718_656, 11_727_457),
    "dvs.es": ("es", 320, 240, 473_225, 0, 999_000),
    "NTIDIGITS_1.bs1": ("bs1", None, None, 898, 0, 1_079_040),
    # the count and all four columns agree with the decoder of the package aedat 2.3.0 (59 packets of events)
    "sample.aedat4": ("aedat4", 320, 240, 111_954, 1_605_537_493_718_345, 1_605_537_494_308_262),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_real_recordings(name):
    format, width, height, count, first, last = SAMPLES[name]
    path = real("event_samples", name)
    if format == "aedat4":
        pytest.importorskip("lz4.frame")
    file = open_events(path)
    assert (file.format, file.width, file.height) == (format, width, height)
    events = file.read()
    assert len(events) == count and file.left_out == 0
    assert events.t[0] == first * 1e-6 and events.t[-1] == last * 1e-6
    for n in (65_536, 1_000):
        chunks = list(file.chunks(n))
        assert {len(chunk) for chunk in chunks[:-1]} <= {n} and len(chunks) == -(-count // n)
        assert same(Events(*(np.concatenate([getattr(chunk, c) for chunk in chunks]) for c in "txyp")), events)
    with open(path, "rb") as stream:
        assert same(open_events(stream, None if format in ("es", "aedat4") else format).read(), events)


def test_the_polarities_of_evt2():
    p = open_events(real("event_samples", "evt2_sample.raw")).read().p
    assert (np.count_nonzero(p), np.count_nonzero(p == 0)) == (367_855, 171_626)


def test_evt3_against_the_other_decoding_of_the_same_file():
    """x, y, p and the lower 12 bits of the time are those of evt3_sample.npy.gz, field by field.

    It adds a turn wherever the lower bits fall, eleven times; the words of the upper bits, which the specification says to
    take, move at two of these falls and not at nine, of 3 or 11 us. The package evt3 0.4.1 gives the times found here.
    """
    events = open_events(real("event_samples", "evt3_sample.raw")).read()
    with gzip.open(real("event_samples", "evt3_sample.npy.gz")) as packed:
        other = np.load(io.BytesIO(packed.read()))
    for name in "xyp":
        assert np.array_equal(getattr(events, name), other[name])
    ours = np.rint(events.t * 1e6).astype(np.int64)
    assert np.array_equal(ours & 0xFFF, other["t"] & 0xFFF)
    turns = (other["t"] - ours) >> 12
    assert turns[0] == 0 and turns[-1] == 11 and set(np.diff(turns).tolist()) == {0, 1}


def test_evt3_times_are_those_of_the_words():
    path = real("event_samples", "evt3_sample.raw")
    data = Path(path).read_bytes()
    words = np.frombuffer(data[data.index(b"% system_ID 48\n") + 15:], "<u2").tolist()
    times, high, low = [], None, None
    for word in words:
        kind, rest = word >> 12, word & 0xFFF
        high, low = rest if kind == 8 else high, rest if kind == 6 else low
        count = {2: 1, 4: rest.bit_count(), 5: (rest & 255).bit_count()}.get(kind, 0)
        times += [(high << 12) + low] * count if count else []
    assert np.array_equal(open_events(path).read().t, np.array(times) * 1e-6)


def test_aedat4_holds_what_another_decoder_finds():
    """The SHA-256 sum is that of t in us, x, y (int64) and the polarity (uint8) as the package aedat 2.3.0 gives them."""
    pytest.importorskip("lz4.frame")
    events = open_events(real("event_samples", "sample.aedat4")).read()
    columns = (np.rint(events.t * 1e6).astype("<i8"), events.x.astype("<i8"), events.y.astype("<i8"), events.p)
    found = hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()
    assert found == "0aaa22499ce9f605496fc5f7325b6fc79642832b57db2f1507e6fff50d7b58d2"


def test_gesture_in_two_formats():
    two = open_events(real("dvs_gesture10", "dvs_gesture10_bs2.zip") + "::1.bs2").read()
    three = open_events(real("event_samples", "dvs_gesture_1.bs3")).read()
    assert len(two) == 63_471 and same(two, three)


def test_all_gestures():
    path = real("dvs_gesture10", "dvs_gesture10_bs2.zip")
    counts = []
    for k in range(1, 11):
        events = open_events(f"{path}::{k}.bs2").read().check(128, 128)
        assert events.t[-1] < 1.45
        counts.append(len(events))
    assert (min(counts), max(counts)) == (63_471, 181_179)


def test_nmnist_and_its_labels():
    real("nmnist_small", "NMNISTsmall_bs2.zip")
    data = nmnist_small()
    assert {split: len(pairs) for split, pairs in data.items()} == {"train": 1000, "test": 100}
    counts, latest = [], 0.0
    for path, _ in data["train"] + data["test"]:
        events = open_events(path).read().check(34, 34)
        counts.append(len(events))
        latest = max(latest, events.t[-1])
    assert sum(counts) == 4_518_827 and (min(counts), max(counts)) == (1_069, 7_152) and latest == 336_040 * 1e-6


def test_nmnist_has_the_labels_of_mnist():
    real("nmnist_small", "NMNISTsmall_bs2.zip")
    real("mnist", "train-labels-idx1-ubyte.gz")
    from eventsnn.data.mnist import mnist
    for split, pairs in nmnist_small().items():
        assert [label for _, label in pairs] == mnist()[split][1][:len(pairs)].tolist()


@pytest.mark.parametrize("content, message", [
    (None, "was not found"), (b"no zip", "is not a zip file"), ({}, "has no file 'NMNISTsmall/train1K.txt'"),
    ({"NMNISTsmall/train1K.txt": "head\n1 5\n"}, "must hold 1000 lines"),
    ({"NMNISTsmall/train1K.txt": "head\nx\n"}, "1000 lines")])
def test_an_incomplete_nmnist_is_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    (tmp_path / "nmnist_small").mkdir()
    place = tmp_path / "nmnist_small" / "NMNISTsmall_bs2.zip"
    if isinstance(content, dict):
        zipped(place, content)
    elif content is not None:
        place.write_bytes(content)
    with pytest.raises((FormatError, UnknownNameError), match=message):
        nmnist_small()


# --- the entrance

@pytest.mark.parametrize("name, data, format", [
    ("a.bin", EVENT, "bin"), ("a.bs2", EVENT, "bs2"), ("A.BS2", EVENT, "bs2"), ("a.bs1", EVENT, "bs1"),
    ("a.bs3", bytes(7), "bs3"),
    ("a.bs2", b"% \x80\0\0", "bs2"), ("a.bin", b"E\4\x80\0\0", "bin"), ("a.bin", b"#\4\x80\0\0", "bin"),
    ("a.raw", b"% evt 3.0\n", "evt3"), ("a", b"% evt 2.0\n", "evt2"), ("a.dat", b"% Version 2\n\0\x08", "dat"),
    ("a.bin", b"Event Stream\2\0\0\1\1\0\1\0", "es"), ("a", b"#!AER-DAT3.1\r\n#!END-HEADER\r\n", "aedat3"),
    ("a", b"1 2 0.5 1\n", "text"), ("a", b"# x y t p\n", "text"), ("a.txt", b" 1 2 0.5 1\n", "text"),
    ("a", b'{"x": 1', "jsonl"), ("a.ndjson", b"", "jsonl")])
def test_formats_are_recognised(name, data, format, tmp_path):
    (tmp_path / name).write_bytes(data)
    assert open_events(tmp_path / name).format == format
    assert repr(open_events(str(tmp_path / name))).startswith(f"EventFile({str(tmp_path / name)!r}, format={format!r}")


@pytest.mark.parametrize("name, data, message", [
    ("a", b"", "is not recognised"), ("a", b"\x93NUMPY", r"is not recognised .*\(b'\\x93'\)"),
    ("a.zip", b"PK\3\4", "a.zip::NAME"),
    ("a.raw", b"\0\0", "names no encoding"), ("a", b"#!AER-DAT2.0\r\n", "AEDAT 2.0; only 3.1 and 4.0")])
def test_other_files_are_refused(name, data, message, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=message):
        open_events(tmp_path / name)


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown format 'evt4'; did you mean 'evt"):
        open_events("a", "evt4")
    with pytest.raises(ParameterError, match="unsorted must be one of 'refuse', 'sort', 'keep', got 'drop'"):
        open_events("a", unsorted="drop")
    with pytest.raises(ParameterError, match="path must be a path or a binary stream, got 7"):
        open_events(7)
    with pytest.raises(FileNotFoundError):
        open_events(tmp_path / "none.bs2")
    with pytest.raises(InputError, match="gave str instead of bytes"):
        open_events(io.StringIO("1 2 3 4"))
    file = open_events(io.BytesIO(EVENT), "bs2")
    for n in (0, -1, 1.5, True, "8"):
        with pytest.raises(ParameterError, match="n of chunks must be a whole number >= 1"):
            file.chunks(n)


def test_the_entrance_is_at_the_top():
    assert es.open_events is open_events and isinstance(open_events(io.BytesIO(EVENT), "bs2"), EventFile)


@pytest.mark.parametrize("module", ["columns", "source", "recording"])
def test_the_examples_in_the_docstrings(module):
    found = doctest.testmod(importlib.import_module(f"eventsnn.data.events.{module}"))
    assert found.failed == 0 and found.attempted


# --- zips

def zipped(path, members, how=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def test_a_recording_in_a_zip(tmp_path):
    path = zipped(tmp_path / "set.zip", {"set/1.bs2": EVENT, "set/2.bs2": EVENT * 2})
    file = open_events(path + "::set/2.bs2")
    assert rows(file.read()) == ROWS * 2 and rows(file.read()) == ROWS * 2 and file.format == "bs2"
    with pytest.raises(UnknownNameError, match="has no file 'set/3.bs2' among its 2; did you mean 'set/"):
        open_events(path + "::set/3.bs2")
    with pytest.raises(FileNotFoundError):
        open_events(str(tmp_path / "none.zip::1.bs2"))


def test_a_zip_that_changes_is_opened_again(tmp_path):
    path = zipped(tmp_path / "set.zip", {"1.bs2": EVENT})
    assert len(open_events(path + "::1.bs2").read()) == 1
    zipped(tmp_path / "new.zip", {"1.bs2": EVENT * 3})
    os.replace(tmp_path / "new.zip", path)
    assert len(open_events(path + "::1.bs2").read()) == 3


def test_damage_in_a_zip_is_an_error_of_ours(tmp_path):
    content = draw(2000)
    write_events(tmp_path / "1.bs2", content)
    whole = Path(zipped(tmp_path / "set.zip", {"1.bs2": (tmp_path / "1.bs2").read_bytes()})).read_bytes()
    for place in range(45, 8000, 997):
        (tmp_path / "bad.zip").write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1:])
        with pytest.raises(FormatError, match="bad.zip::1.bs2 cannot be unpacked"):
            open_events(str(tmp_path / "bad.zip::1.bs2"), unsorted="keep").read()
    (tmp_path / "bad.zip").write_bytes(whole[:-30])
    with pytest.raises(FormatError, match="is not a zip file, or damaged"):
        open_events(str(tmp_path / "bad.zip::1.bs2"))


# --- order and range

def test_disorder_is_refused_sorted_or_kept():
    times = [5, 9, 7, 7, 20, 3]
    data = b"".join(bytes([k, 0, 0, 0, t]) for k, t in enumerate(times))

    def read(unsorted):
        return open_events(io.BytesIO(data), "bs2", unsorted)

    message = "event 2 is earlier than the one before it: 7e-06 s after 9"
    with pytest.raises(InputError, match=message):
        read("refuse").read()
    for n in (1, 2, 3, 6):
        with pytest.raises(InputError, match=message):
            list(read("refuse").chunks(n))
    assert [(t, x) for t, x, _, _ in rows(read("sort").read())] == [(3, 5), (5, 0), (7, 2), (7, 3), (9, 1), (20, 4)]
    assert [t for t, *_ in rows(read("keep").read())] == times
    chunks = read("sort").chunks(4)
    assert [t for t, *_ in rows(next(chunks))] == [5, 7, 7, 9]
    with pytest.raises(InputError, match="event 4 is earlier than the one before it: 3e-06 s after 9"):
        next(chunks)


def test_a_real_recording_out_of_order():
    path = real("event_samples", "oxford_output.bs1")
    with pytest.raises(InputError, match="event 3 is earlier than the one before it: 0.004947 s after 0.005131"):
        open_events(path).read()
    kept, ordered = open_events(path, unsorted="keep").read(), open_events(path, unsorted="sort").read()
    assert sorted(rows(kept)) == sorted(rows(ordered)) and (np.diff(ordered.t) >= 0).all() and len(kept) == 51_805 // 5


@pytest.mark.parametrize("column, value, message", [
    ("t", np.nan, r"t of event 12 must lie in \[0, inf\), got nan"), ("t", np.inf, "got inf"), ("t", -1e-9, "got -1e-09"),
    ("x", -1, r"x of event 12 must lie in \[0, 256\), got -1"), ("x", 256, "got 256"),
    ("y", 240, r"y of event 12 .*\[0, 240\)"),
    ("p", 2, r"p of event 12 must lie in \[0, 2\), got 2")])
def test_events_are_checked(column, value, message):
    good = draw(5)
    assert good.check(256, 240) is good and len(Events([], [], [], []).check(1, 1)) == 0
    columns = {name: getattr(good, name).copy() for name in "txyp"}
    columns[column][2] = value
    with pytest.raises(InputError, match=message):
        Events(**columns).check(256, 240, ordered=False, first=10)


def test_coordinates_without_a_sensor_are_only_bounded_below():
    assert len(Events([0.0], [2**31 - 1], [0], [0]).check()) == 1
    with pytest.raises(InputError, match="y of event 0 must be >= 0, got -1"):
        Events([0.0], [0], [-1], [0]).check()


@pytest.mark.parametrize("columns, message", [
    (([0.0], [0, 1], [0], [0]), "differ in length: 1, 2, 1, 1"),
    (([[0.0]], [0], [0], [0]), r"t of Events must be a flat array"),
    (([0.0], [0.5], [0], [0]), "x of Events must fit into int32, got 0.5 for event 0"),
    (([0.0], [0], [2**40], [0]), "y of Events must fit into int32"),
    (([0.0], [0], [0], [-1]), "p of Events must fit into uint8"),
    (([0.0], [0], [np.nan], [0]), "y of Events must fit into int32, got nan")])
def test_columns_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        Events(*columns)


def test_events_are_cut_by_slices():
    events = draw(10)
    assert same(events[2:5], Events(events.t[2:5], events.x[2:5], events.y[2:5], events.p[2:5]))
    with pytest.raises(InputError, match="cut by a slice or an index array, got 3"):
        events[3]


# --- pipes and memory

def test_a_pipe_is_passed_on_as_it_comes():
    end, start = os.pipe()
    with os.fdopen(end, "rb") as receiver, os.fdopen(start, "wb", buffering=0) as sender:
        sender.write(EVENT + EVENT[:3])
        chunks = open_events(receiver, "bs2").chunks()
        assert rows(next(chunks)) == ROWS  # nothing more has been sent: this must not wait
        sender.write(EVENT[3:] + EVENT[:1])
        assert rows(next(chunks)) == ROWS
        sender.close()
        with pytest.raises(FormatError, match="its last record has 1 of 5 bytes"):
            next(chunks)


def test_lines_from_a_pipe_are_passed_on_as_they_come():
    end, start = os.pipe()
    with os.fdopen(end, "rb") as receiver, os.fdopen(start, "wb", buffering=0) as sender:
        sender.write(b"3 4 0.00025 1\n3 4")
        chunks = open_events(receiver).chunks()
        assert rows(next(chunks)) == ROWS
        sender.write(b" 0.00025 1\n")
        assert rows(next(chunks)) == ROWS


def test_a_named_pipe_and_a_stream_are_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.bs2")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe.bs2").write_bytes(EVENT * 1000))
    writer.start()
    file = open_events(tmp_path / "pipe.bs2")
    assert rows(file.read()) == ROWS * 1000
    writer.join()
    for stream in (file, open_events(io.BytesIO(EVENT), "bs2")):
        found = [] if stream is file else stream.read()
        with pytest.raises(InputError, match="is a stream and was read before"):
            stream.read()
        assert len(found) == (stream is not file)


def test_a_stream_is_read_from_where_it_stands():
    stream = io.BytesIO(b"other" + EVENT)
    stream.seek(5)
    assert rows(open_events(stream, "bs2").read()) == ROWS


def test_large_files_are_read_in_bounded_memory(tmp_path):
    (tmp_path / "large.bs2").write_bytes(EVENT * 2_000_000)
    file = open_events(tmp_path / "large.bs2")
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in file.chunks(10_000)) == 2_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000 * 1.5  # bytes: blocks of 65,536 events; the file is 10 MB and its columns 34 MB


# --- text

def lines(events, pattern="{x} {y} {t!r} {p}"):
    return [pattern.format(t=t, x=x, y=y, p=p) for t, x, y, p in zip(*(getattr(events, name).tolist() for name in "txyp"))]


def json_lines(events):
    return lines(events, '{{"x": {x}, "y": {y}, "t": {t!r}, "p": {p}, "more": null}}')


@pytest.mark.parametrize("write", [lines, json_lines])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_lines_give_the_events_bit_for_bit(write, end):
    events = Events(np.sort(np.random.default_rng(2).random(500)), *(getattr(draw(500), name) for name in "xyp"))
    text = end.join(write(events)).encode()
    assert same(open_events(io.BytesIO(text)).read(), events)
    assert same(open_events(io.BytesIO(text + end.encode())).read(), events)


def test_comments_and_blank_lines_are_no_events():
    text = b"# x y t p\n\n1 2 0.5 1 # the first\n   \n#\n3 4 0.75 0"
    assert rows(open_events(io.BytesIO(text)).read()) == [(500_000, 1, 2, 1), (750_000, 3, 4, 0)]
    assert len(open_events(io.BytesIO(b"# none\n")).read()) == 0


@pytest.mark.parametrize("bad", ["1 2 0.5", "1 2 0.5 1 9", "1 2 x 1", "1 2 nan 1", "1 2 inf 1", "1 2 -0.5 1", "1.5 2 0.5 1",
                                 "-1 2 0.5 1", "1 2 0.5 2", "1 2 0.5 -1", "3000000000 2 0.5 1", "1,2,0.5,1", "é 2 0.5 1"])
def test_lines_that_are_no_events_are_named(bad):
    text = f"# head\n1 2 0.25 1\n\n{bad}\n1 2 0.75 1\n".encode()
    with pytest.raises(FormatError, match="line 4 of the stream is no event"):
        open_events(io.BytesIO(text)).read()


@pytest.mark.parametrize("bad", ['{"x": 1, "y": 2, "t": 0.5}', '{"x": 1, "y": 2, "t": NaN, "p": 1}', "[1, 2, 0.5, 1]",
                                 '{"x": 1', "7", "nonsense",
                                 '{"x": "1", "y": 2, "t": 0.5, "p": 1}', '{"x": 1, "y": 2, "t": null, "p": 1}',
                                 '{"x": 1, "y": 2, "t": 0.5, "p": 1}, {"x": 1, "y": 2, "t": 0.5, "p": 1}', "[" * 5000,
                                 '{"x": 1e400, "y": 2, "t": 0.5, "p": 1}', '{"x": [1], "y": [2], "t": [0.5], "p": [1]}'])
def test_json_lines_that_are_no_events_are_named(bad):
    good = '{"x": 1, "y": 2, "t": 0.25, "p": 1}'
    with pytest.raises(FormatError, match="line 3 of the stream is no event"):
        open_events(io.BytesIO(f"{good}\n\n{bad}\n{good}\n".encode())).read()


def test_a_line_without_end_is_refused():
    with pytest.raises(FormatError, match="has a line of more than 65536 bytes"):
        open_events(io.BytesIO(b"1" * 3_000_000), "text").read()


@pytest.mark.parametrize("write", [lines, json_lines])
def test_a_cut_text_gives_whole_events_or_an_error(write):
    events = draw(4)
    text = "\n".join(write(events)).encode()
    for length in range(len(text)):
        try:
            found = open_events(io.BytesIO(text[:length]), "text" if write is lines else "jsonl").read()
        except FormatError as error:
            assert "is no event" in str(error)
        else:
            assert same(found, events[:len(found)]) and len(found) == len(text[:length].splitlines())


# --- the writer

@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, (1 << 22) - 1), st.integers(0, 255), st.integers(0, 239), st.integers(0, 1))),
       st.sampled_from(["bin", "bs2"]))
def test_what_is_written_is_read(tmp_path_factory, columns, format):
    path = tmp_path_factory.mktemp("written") / f"a.{format}"
    gaps, x, y, p = zip(*columns) if columns else ((), (), (), ())
    events = Events(np.cumsum(gaps, dtype=np.int64) * 1e-6, x, y, p)
    write_events(path, events)
    assert same(open_events(path).read(), events) and path.stat().st_size == 5 * len(events)


def test_real_recordings_are_written_as_they_were(tmp_path):
    path = real("event_samples", "sample_nmnist.bin")
    write_events(tmp_path / "copy.bin", open_events(path).read())
    assert (tmp_path / "copy.bin").read_bytes() == Path(path).read_bytes()


@pytest.mark.parametrize("name, format, columns, message", [
    ("a.bs2", None, ([0.1, 0.05], [0, 0], [0, 0], [0, 0]), "event 1 is earlier"),
    ("a.bs2", None, ([0.1], [256], [0], [0]), "x of event 0"), ("a.bs2", None, ([0.1], [0], [256], [0]), "y of event 0"),
    ("a.bs2", None, ([np.nan], [0], [0], [0]), "t of event 0"),
    ("a.bs2", None, ([0.1], [0], [0], [2]), "p of event 0"), ("a.bin", None, ([0.1], [0], [240], [0]), "keeps for marks"),
    ("a.bs2", None, ([9.0], [0], [0], [0]), "event 0 at 9.0 s would be read as an earlier one"),
    ("a.bs2", None, ([8.0, 13.0], [0, 0], [0, 0], [0, 0]), "event 1 at 13.0 s would be read"),
    ("a.bs2", None, ([1e30], [0], [0], [0]), "times of a .bs2 must be at most"),
    ("a.es", None, ([0.1], [0], [0], [0]), "format must be 'bin' or 'bs2', .* got 'es'"),
    ("a.bs2", "dat", ([], [], [], []), "got 'dat'")])
def test_what_cannot_be_written_leaves_no_file(name, format, columns, message, tmp_path):
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises((InputError, ParameterError), match=message):
        write_events(tmp_path / name, Events(*columns), format)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_bytes() == b"old"


def test_times_are_rounded_to_microseconds(tmp_path):
    write_events(tmp_path / "a", Events([1.4e-6, 1.6e-6], [0, 0], [0, 0], [0, 1]), "bs2")
    assert rows(open_events(tmp_path / "a", "bs2").read()) == [(1, 0, 0, 0), (2, 0, 0, 1)]
