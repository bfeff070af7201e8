"""Formats of event recordings against slow decoders that go word by word, on random bytes, cut and damaged files."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsnn.data.events import Events, open_events
from eventsnn.errors import FormatError, InputError, MissingExtraError

EVT2_HEAD, EVT3_HEAD = b"% evt 2.0\n% end\n", b"% format EVT3;height=720;width=1280\n% geometry 1280x720\n% end\n"
DAT_HEAD = b"% Data file containing CD events.\n% Version 2\n% Height 40\n% Width 80\n\x0c\x08"
ES_HEAD = b"Event Stream\x02\x00\x00\x01\xff\xff\xff\xff"
AEDAT3_HEAD = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2017-03-24 10:00:00\r\n#!END-HEADER\r\n"
FIXED = {"bin": 5, "bs1": 5, "bs2": 5, "bs3": 7}


class Trickle(io.RawIOBase):
    """A pipe that gives `sizes` bytes at a time, in turn."""

    def __init__(self, data, sizes):
        self.data, self.sizes, self.calls = data, sizes, 0

    def read(self, n=-1):
        n = min(n, self.sizes[self.calls % len(self.sizes)])
        self.calls += 1
        part, self.data = self.data[:n], self.data[n:]
        return part


def rows(events):
    """Events as a list of (t in us, x, y, p)."""
    return list(zip(np.rint(events.t * 1e6).astype(int).tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist()))


def chunked(data, format, sizes=(1 << 20,), n=1 << 16):
    """(all rows that came, the error that came after them or None) of `data` as a pipe."""
    found = []
    try:
        for events in open_events(Trickle(data, sizes), format, unsorted="keep").chunks(n):
            assert 0 < len(events) <= n
            found += rows(events)
    except FormatError as error:
        return found, str(error)
    return found, None


# --- slow decoders: one record or word after the other

def slow_packed(data, format):
    size, period = FIXED[format], 1 << (24 if format == "bs3" else 23)
    found, turns, last, passed = [], 0, 0, 0
    for k in range(0, len(data) - size + 1, size):
        number = int.from_bytes(data[k:k + size], "big")
        t = number % period
        turns += k > 0 and t - last < -(period // 2)
        last = t
        if format == "bs3":
            event = (number >> 44, number >> 32 & 0xFFF, number >> 24 & 0xFF)
        elif format == "bs1":
            event = (number >> 24, 0, number >> 23 & 1)
        else:
            event = (number >> 32, number >> 24 & 0xFF, number >> 23 & 1)
        if format == "bin" and event[1] == 240:
            passed += 1 << 13
        else:
            found.append((t + turns * period + passed, *event))
    return found


def slow_dat(data):
    found, turns, last = [], 0, 0
    for k, (t, word) in enumerate(struct.iter_unpack("<II", data[:len(data) // 8 * 8])):
        turns += k > 0 and t - last < -(1 << 31)
        last = t
        found.append((t + (turns << 32), word % (1 << 14), word // (1 << 14) % (1 << 14), word >> 28 & 1))
    return found


def slow_evt2(data):
    found, high, turns, lost = [], None, 0, 0
    for (word,) in struct.iter_unpack("<I", data[:len(data) // 4 * 4]):
        kind, rest = word >> 28, word % (1 << 28)
        if kind == 8:
            turns += high is not None and rest - high < -(1 << 27)
            high = rest
        elif kind in (0, 1) and high is None:
            lost += 1
        elif kind in (0, 1):
            found.append(((turns << 34) + (high << 6) + (rest >> 22), rest >> 11 & 2047, rest & 2047, kind))
    return found, lost


def slow_evt3(data):
    found, lost, turns = [], 0, 0
    high = low = row = base = on = None
    for (word,) in struct.iter_unpack("<H", data[:len(data) // 2 * 2]):
        kind, rest = word >> 12, word & 0xFFF
        if kind == 0:
            row = rest & 2047
        elif kind == 3:
            base, on = rest & 2047, rest >> 11
        elif kind == 6:
            low = rest
        elif kind == 8:
            turns += high is not None and rest - high < -2048
            high = rest
        elif kind in (2, 4, 5):
            if kind == 2:
                pixels = [(rest & 2047, rest >> 11)]
            else:
                width = 12 if kind == 4 else 8
                pixels = [(None if base is None else base + k, on) for k in range(width) if rest >> k & 1]
                base = None if base is None else base + width
            for x, p in pixels:
                if None in (high, low, row, x):
                    lost += 1
                else:
                    found.append(((turns << 24) + (high << 12) + low, x, row, p))
    return found, lost


def slow_es(data):
    found, t, k = [], 0, 0
    while k < len(data):
        if data[k] >= 0xFE:
            t += 127 * (data[k] == 0xFF)
            k += 1
        elif k + 5 > len(data):
            return found, True
        else:
            t += data[k] >> 1
            found.append((t, data[k + 1] + 256 * data[k + 2], data[k + 3] + 256 * data[k + 4], data[k] & 1))
            k += 5
    return found, False


# --- random bytes: whatever they say, both decoders say the same, however the bytes arrive

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=5)
some_bytes = st.binary(max_size=400) | st.lists(st.sampled_from([0, 1, 0x7F, 0x80, 0xF0, 0xFE, 0xFF]), max_size=400).map(bytes)
three_bytes = st.binary(min_size=3, max_size=3)


def words(kinds, code, bits):
    """Bytes of words of `bits` bits, little-endian, whose upper 4 bits are mostly one of `kinds`."""
    word = st.tuples(st.sampled_from(kinds) | st.integers(0, 15), st.integers(0, (1 << bits - 4) - 1) | st.sampled_from([0, 1]))
    return st.lists(word, max_size=120).map(lambda all: b"".join(struct.pack(code, k << bits - 4 | v) for k, v in all))


@settings(deadline=None, max_examples=60)
@given(some_bytes, sizes, st.sampled_from(["bin", "bs1", "bs2"]))
def test_records_without_a_head(data, sizes, format):
    found, error = chunked(data, format, sizes)
    assert found == slow_packed(data, format)
    assert (error is not None) == (len(data) % 5 != 0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(three_bytes, st.integers(0, 1), three_bytes), max_size=60), sizes)
def test_records_with_a_channel(records, sizes):
    data = b"".join(first + bytes([channel]) + last for first, channel, last in records)
    assert chunked(data, "bs3", sizes) == (slow_packed(data, "bs3"), None)


@settings(deadline=None, max_examples=60)
@given(some_bytes, sizes)
def test_dat(data, sizes):
    found, error = chunked(DAT_HEAD.replace(b"40", b"65535").replace(b"80", b"65535") + data, None, sizes)
    assert found == slow_dat(data) and (error is not None) == (len(data) % 8 != 0)


@settings(deadline=None, max_examples=60)
@given(words([0, 1, 8], "<I", 32), sizes)
def test_evt2(data, sizes):
    file = open_events(Trickle(EVT2_HEAD + data, sizes), unsorted="keep")
    found = rows(file.read())
    assert (found, file.left_out) == slow_evt2(data)


@settings(deadline=None, max_examples=60)
@given(words([0, 2, 3, 4, 5, 6, 8], "<H", 16), sizes)
def test_evt3(data, sizes):
    expected, lost = slow_evt3(data)
    data = b"% evt 3.0\n" + data
    if any(x > 2047 for _, x, _, _ in expected):
        with pytest.raises(FormatError, match="reaches column 20|reaches column 21|EVT 3.0 has 2048"):
            open_events(Trickle(data, sizes), unsorted="keep").read()
        return
    file = open_events(Trickle(data, sizes), unsorted="keep")
    assert (rows(file.read()), file.left_out) == (expected, lost)


@settings(deadline=None, max_examples=60)
@given(some_bytes, sizes)
def test_event_stream(data, sizes):
    expected, cut = slow_es(data)
    if any(x == 65535 or y == 65535 for _, x, y, _ in expected):  # the sensor of ES_HEAD has 65,535 pixels on a side
        with pytest.raises(InputError, match=r"must lie in \[0, 65535\), got 65535"):
            chunked(ES_HEAD + data, None, sizes)
        return
    found, error = chunked(ES_HEAD + data, None, sizes)
    assert found == expected and (error is not None) == cut


@pytest.mark.parametrize("cut, whole", [(b"", True), (b"\x02", False), (b"\x02\0\0\0", False), (b"\xff\xfe", True)])
def test_the_end_of_an_event_stream(cut, whole):
    found, error = chunked(ES_HEAD + b"\x03\x05\0\x07\0" + cut, "es")
    assert found == [(1, 5, 7, 1)] and (error is None) == whole


# --- times that wrap

@pytest.mark.parametrize("format, bits", [("bin", 23), ("bs1", 23), ("bs2", 23), ("bs3", 24)])
def test_wrapped_times_grow_on(format, bits):
    times = np.arange(0, 5 << bits, (1 << bits) // 3)
    pad = FIXED[format] - 3
    data = b"".join(bytes(pad) + int(t % (1 << bits)).to_bytes(3, "big") for t in times)
    assert np.array_equal(open_events(io.BytesIO(data), format).read().t, times * 1e-6)


def test_wrapped_words_of_time_grow_on():
    times = np.arange(0, 5 << 34, (1 << 34) // 3 & ~63)
    data = b"".join(struct.pack("<II", 8 << 28 | int(t >> 6) % (1 << 28), 1 << 28 | 3 << 11 | 4) for t in times)
    assert np.array_equal(open_events(io.BytesIO(EVT2_HEAD + data)).read().t, times * 1e-6)
    times = np.arange(0, 5 << 24, (1 << 24) // 3)
    words = [(8 << 12 | int(t) >> 12 & 4095, 6 << 12 | int(t) & 4095, 0x2001) for t in times]
    data = b"\0\0" + b"".join(struct.pack("<HHH", *three) for three in words)
    assert np.array_equal(open_events(io.BytesIO(EVT3_HEAD + data)).read().t, times * 1e-6)
    times = np.arange(0, 5 << 32, (1 << 32) // 3)
    data = b"".join(struct.pack("<II", int(t) % (1 << 32), 1 << 28) for t in times)
    assert np.array_equal(open_events(io.BytesIO(DAT_HEAD + data)).read().t, times * 1e-6)


def test_a_mark_in_nmnist_is_time_that_passed():
    event, mark = bytes([3, 4, 0x80, 0, 10]), bytes([0, 240, 0, 0, 10])
    assert rows(open_events(io.BytesIO(event + mark + mark + event), "bin").read()) == [(10, 3, 4, 1), (10 + 2 * 8192, 3, 4, 1)]
    assert rows(open_events(io.BytesIO(event + mark), "bs2").read()) == [(10, 3, 4, 1), (10, 0, 240, 0)]


# --- AEDAT 3.1

def aedat3_packet(events, kind=1, source=1, turns=0, size=8, spare=0):
    head = struct.pack("<hhiiiiii", kind, source, size, 4, turns, len(events) + spare, len(events), len(events))
    words = [struct.pack("<Ii", valid | p << 1 | y << 2 | x << 17, t) for t, x, y, p, valid in events]
    return head + b"".join(words) + b"\1" * 8 * spare


pixel = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 127), st.integers(0, 127), st.integers(0, 1), st.integers(0, 1))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(pixel, max_size=6), st.sampled_from([1, 1, 1, 0, 3]), st.integers(1, 2), st.integers(0, 3),
                          st.integers(0, 2)), max_size=6), sizes)
def test_aedat3(packets, sizes):
    data, expected, chosen, lost = AEDAT3_HEAD, [], None, 0
    for events, kind, source, turns, spare in packets:
        data += aedat3_packet(events, kind, source, turns, spare=spare)
        chosen = source if kind == 1 and chosen is None else chosen
        if kind == 1 and source == chosen:
            expected += [(t + turns * 2**31, x, y, p) for t, x, y, p, valid in events if valid]
            lost += sum(not event[-1] for event in events)
    file = open_events(Trickle(data, sizes), unsorted="keep")
    assert (file.width, file.height, file.format) == (128, 128, "aedat3")
    assert rows(file.read()) == expected and file.left_out == lost


def test_every_cut_of_an_aedat3_file_is_seen_except_between_packets():
    events = [(k, k, k, 1, 1) for k in range(3)]
    packets = [aedat3_packet(events), aedat3_packet([(9, 1, 1, 0, 1)], kind=0), aedat3_packet(events[:2], turns=1)]
    data = AEDAT3_HEAD + b"".join(packets)
    ends = np.cumsum([len(AEDAT3_HEAD), *map(len, packets)]).tolist()
    whole = rows(open_events(io.BytesIO(data), unsorted="keep").read())
    for length in range(len(data)):
        try:
            found, error = chunked(data[:length], "aedat3")
        except FormatError:
            found, error = [], "in the head"
        assert (error is None) == (length in ends) and found == whole[:len(found)]


@pytest.mark.parametrize("change, message", [
    ({"size": 0}, "a packet before byte"), ({"size": 16}, "polarity events of 16 bytes"),
    ({"turns": -1}, "a packet before byte"), ({"spare": -1}, "a packet before byte")])
def test_damaged_packets_of_aedat3(change, message):
    with pytest.raises(FormatError, match=message):
        open_events(io.BytesIO(AEDAT3_HEAD + aedat3_packet([(1, 1, 1, 1, 1)], **change)), "aedat3").read()


@pytest.mark.parametrize("head, message", [
    (b"#!AER-DAT3.1\r\nnot a head\r\n", "the line b'not a head"),
    (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "line of its head does not end"),
    (b"#!AER-DAT3.1\r\n#" + b"x" * 70_000, "line of its head does not end"), (b"#!AER-DAT2.0\r\n", "only 3.1 and 4.0")])
def test_damaged_heads_of_aedat(head, message):
    with pytest.raises(FormatError, match=message):
        open_events(io.BytesIO(head))


def test_the_size_of_unknown_sensors_is_unknown():
    for name, width in ((b"DAVIS346", 346), (b"Nonesuch9", None)):
        assert open_events(io.BytesIO(AEDAT3_HEAD.replace(b"DVS128", name))).width == width


# --- AEDAT 4.0

def flat_table(identifier, fields):
    """A FlatBuffer of one table; `fields`: list of (struct code, number) or bytes for a vector, given with its item count."""
    inline, offset = [], 4
    for field in fields:
        width = struct.calcsize("<" + field[0]) if isinstance(field[0], str) else 4
        offset += -offset % width
        inline.append(offset)
        offset += width
    table = 8 + 4 + 2 * len(fields)
    table += -table % 8 + 4
    vtable = struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), offset, *inline)
    data = bytearray(struct.pack("<I", table) + identifier)
    data += bytes(table - len(data) - len(vtable)) + vtable
    start = len(data)
    assert start == table
    data += struct.pack("<i", len(vtable)) + bytes(offset - 4)
    for field, place in zip(fields, inline):
        if isinstance(field[0], str):
            struct.pack_into("<" + field[0], data, start + place, field[1])
        else:
            data += bytes(-(len(data) + 4) % 8)
            struct.pack_into("<I", data, start + place, len(data) - start - place)
            data += struct.pack("<I", field[1]) + field[0]
    return bytes(data)


XML = (b'<dv version="2.0"><node name="outInfo" path="/"><node name="2" path="/2/"><attr key="typeIdentifier">IMUS</attr>'
       b'</node><node name="5" path="/5/"><attr key="typeIdentifier">EVTS</attr><node name="info" path="/5/info/">'
       b'<attr key="sizeX" type="int">346</attr><attr key="sizeY" type="int">260</attr></node></node></node></dv>')


def packed_by(compression):
    if compression in (1, 2):
        return pytest.importorskip("lz4.frame").compress
    if compression in (3, 4):
        return pytest.importorskip("zstandard").compress
    return bytes


def aedat4(packets, compression=0, table=True, xml=XML):
    """(bytes of a file, ends of its packets); `packets`: list of (stream, list of events)."""
    pack = packed_by(compression)
    ends, body = [], b""

    def head(end):
        buffer = flat_table(b"IOHE", [("i", compression), ("q", end), (xml, len(xml))])
        return b"#!AER-DAT4.0\r\n" + struct.pack("<i", len(buffer)) + buffer

    start = len(head(-1))
    for stream, events in packets:
        vector = b"".join(struct.pack("<qhhB3x", *event) for event in events)
        buffer = flat_table(b"EVTS", [(vector, len(events))])
        content = pack(struct.pack("<i", len(buffer)) + buffer)
        body += struct.pack("<ii", stream, len(content)) + content
        ends.append(start + len(body))
    return (head(start + len(body)) + body + b"table of contents" if table else head(-1) + body), [start, *ends]


PACKETS = [(5, [(10, 1, 2, 1), (11, 345, 259, 0)]), (2, [(3, 3, 3, 0)]), (5, []),
           (5, [(12 + k, k, 0, k & 1) for k in range(60)])]
OURS = [event for stream, events in PACKETS if stream == 5 for event in events]


@pytest.mark.parametrize("compression", range(5))
@pytest.mark.parametrize("table", [True, False])
def test_aedat4(compression, table):
    data, _ = aedat4(PACKETS, compression, table)
    file = open_events(io.BytesIO(data))
    assert (file.width, file.height, file.format) == (346, 260, "aedat4") and rows(file.read()) == OURS
    assert chunked(data, None, (7, 100), n=11) == (OURS, None)


@pytest.mark.parametrize("compression", [0, 1, 3])
@pytest.mark.parametrize("table", [True, False])
def test_every_cut_of_an_aedat4_file_is_seen(compression, table):
    data, ends = aedat4(PACKETS, compression, table)
    for length in range(ends[-1]):
        try:
            found, error = chunked(data[:length], "aedat4")
        except FormatError:
            found, error = [], "in the head"
        assert found == OURS[:len(found)] and (error is None) == (length in ends and not table)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([0, 1]))
def test_flipped_bits_in_aedat4_give_events_or_an_error_of_ours(data, compression):
    whole = bytearray(aedat4(PACKETS, compression)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(14, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        open_events(io.BytesIO(bytes(whole)), "aedat4", unsorted="keep").read()
    except (FormatError, InputError):
        pass


def test_aedat4_without_events_or_in_an_unknown_packing():
    with pytest.raises(FormatError, match="holds no stream of events"):
        open_events(io.BytesIO(aedat4([], xml=XML.replace(b"EVTS", b"FRME"))[0]))
    with pytest.raises(FormatError, match="description cannot be read"):
        open_events(io.BytesIO(aedat4([], xml=XML[:-9])[0]))
    with pytest.raises(FormatError, match="compressed in the unknown way 9"):
        open_events(io.BytesIO(aedat4([], 9)[0]))
    plain = XML.replace(b'<attr key="sizeX" type="int">346</attr>', b"")
    assert open_events(io.BytesIO(aedat4(PACKETS, xml=plain)[0])).width is None


@pytest.mark.parametrize("compression, package", [(1, "lz4"), (2, "lz4"), (3, "zstandard"), (4, "zstandard")])
def test_a_missing_package_is_named(compression, package, monkeypatch):
    data, _ = aedat4(PACKETS, compression)
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.setitem(__import__("sys").modules, package + ".frame", None)
    with pytest.raises(MissingExtraError, match=r"eventsnn\[events\]"):
        open_events(io.BytesIO(data))


@pytest.mark.parametrize("compression", [1, 3])
def test_a_packet_that_grows_beyond_the_limit_is_refused(compression, monkeypatch):
    data, _ = aedat4(PACKETS, compression)
    monkeypatch.setattr("eventsnn.data.events.aedat4.MOST", 900)
    with pytest.raises(FormatError, match="more than 900 bytes unpacked"):
        open_events(io.BytesIO(data)).read()


# --- heads of Prophesee

@pytest.mark.parametrize("head, size", [
    (b"% evt 3.0\n", (None, None)), (EVT3_HEAD, (1280, 720)), (b"% format EVT2;height=480;width=640\n% end\n", (640, 480)),
    (b"% Width 304\n% Height 240\n% evt 2.0\n", (304, 240))])
def test_the_size_of_the_sensor_is_in_the_head(head, size):
    file = open_events(io.BytesIO(head))
    assert (file.width, file.height) == size and len(file.read()) == 0


@pytest.mark.parametrize("data, format, message", [
    (b"% Date 2020\n", None, "names no encoding"), (b"% evt 2.1\n", None, "in the encoding 'EVT 2.1'"),
    (b"% format EVT21;width=3\n", None, "in the encoding 'EVT evt21'"), (EVT2_HEAD, "evt3", "says 'evt2', not 'evt3'"),
    (b"% geometry 0x720\n% evt 3.0\n", None, "a sensor of 0 x 720"), (b"% Version 1\n\0\x08", None, "DAT version 1"),
    (b"% Version 2\n\x28\x08", None, "events of type 40 in 8 bytes"), (b"% Version 2\n\0", None, "cut short"),
    (b"% evt 2.0", None, "does not end")])
def test_heads_that_cannot_be_read(data, format, message):
    with pytest.raises(FormatError, match=message):
        open_events(io.BytesIO(data), format)


def test_a_format_can_be_given_where_the_head_is_silent():
    word = struct.pack("<II", 8 << 28 | 1, 1 << 28 | 5 << 11 | 6)
    for head in (b"", b"% Date 2020\n"):
        assert rows(open_events(io.BytesIO(head + word), "evt2").read()) == [(64, 5, 6, 1)]


@pytest.mark.parametrize("head, change, message", [
    (b"Event Strean\2\0\0\1\1\0\1\0", "es", "is not an Event Stream"),
    (b"Event Stream\1\0\0\1\1\0\1\0", None, "Event Stream 1.0.0"),
    (b"Event Stream\2\0\0\2\1\0\1\0", None, r"ATIS events \(type 2\)"),
    (b"Event Stream\2\0\0\1\1\0\1", None, "cut short")])
def test_event_streams_that_cannot_be_read(head, change, message):
    with pytest.raises(FormatError, match=message):
        open_events(io.BytesIO(head), change)


def test_events_outside_the_sensor_are_named():
    data = ES_HEAD[:16] + b"\x04\0\x03\0" + b"\x02\3\0\2\0" * 3 + b"\x02\4\0\2\0"
    with pytest.raises(InputError, match=r"x of event 3 must lie in \[0, 4\), got 4"):
        open_events(io.BytesIO(data)).read()
    with pytest.raises(InputError, match=r"x of event 3 must lie in \[0, 4\), got 4"):
        list(open_events(io.BytesIO(data)).chunks(2))


def test_channels_beyond_polarities_are_refused():
    with pytest.raises(FormatError, match="channel 2 at event 1; only 0 and 1"):
        open_events(io.BytesIO(bytes(7) + bytes([0, 0, 0, 2, 0, 0, 0])), "bs3").read()


def test_the_columns_have_their_types():
    for data, format in ((bytes(5), "bs1"), (bytes(5), "bs2"), (bytes(7), "bs3"), (DAT_HEAD + bytes(8), None),
                         (ES_HEAD + bytes(5), None), (EVT3_HEAD + bytes.fromhex("0080006000000120"), None),
                         (aedat4(PACKETS)[0], None), (b"1 2 0.5 1", "text"), (b'{"x": 1, "y": 2, "t": 3, "p": 1}', None)):
        events = open_events(io.BytesIO(data), format).read()
        assert [getattr(events, name).dtype for name in "txyp"] == [np.float64, np.int32, np.int32, np.uint8] and len(events)
        assert isinstance(events, Events)
