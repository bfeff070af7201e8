"""Streaming: state carried, queues and drops, decisions, snapshots, and what bad items are answered with."""

import doctest
import gc
import os
import threading
from collections import deque, namedtuple
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventsnn as es
from eventsnn.errors import FormatError, InputError, NetworkError, ParameterError
from eventsnn.stream.decide import Judge, Rules
from eventsnn.stream.feed import ENDED, Feed
from eventsnn.stream.sources import Item
from eventsnn.stream.statistics import Latencies

Chunk = namedtuple("Chunk", "t x y p")
PERIOD = 0.06


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(3)
    layers = [es.ann.Linear(rng.normal(0.0, 0.6, (6, 8))), es.ann.ReLU(), es.ann.Linear(rng.normal(0.0, 1.0, (3, 6)))]
    return es.convert(layers, to="asnn", tau_phi=2e-3, tau_eta=20e-3, tau_beta=20e-3, tau_gamma=6e-3)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(5).uniform(0.0, 2.0, (12, 8))


def camera():
    """A network with an output neuron per pixel of a 2 x 2 sensor."""
    net = es.Network()
    net.add("input", es.Input(4))
    net.add("output", es.LIF(4, tau_mem=20e-3, tau_syn=5e-3, v_threshold=0.5))
    net.connect("input", "output", es.OneToOne(1.0))
    return net


def events(t, x, y, p=None):
    t = np.asarray(t, np.float64)
    return Chunk(t, np.asarray(x), np.asarray(y), np.ones(t.size, int) if p is None else np.asarray(p))


# --- the network goes on ---------------------------------------------------------------------------------------------


def test_equals_one_simulation_by_hand(model, frames):
    seen = []
    stream = es.Stream(model, es.FrameSource(frames, PERIOD), observer=lambda *found: seen.append(found))
    decisions = list(stream)
    simulation = es.Simulation(model.network(), record=es.Record(spikes=[]))
    at_end = []
    for k, frame in enumerate(frames):
        simulation.set("input", i_offset=frame)
        simulation.news((k + 1) * PERIOD, whole=True)
        at_end.append(simulation.state("output")["v"])
    assert len(decisions) == len(frames) and [d.item for d in decisions] == list(range(len(frames)))
    ends = [logits for item, moment, logits in seen if moment == item.end - item.start]
    assert np.array_equal(ends, at_end)
    assert [d.label for d in decisions] == [int(v.argmax()) for v in at_end]
    assert [d.margin for d in decisions] == [float(np.diff(np.sort(v))[-1]) for v in at_end]
    counts = simulation.result().counts
    found = stream.summary()
    assert (found["spikes"], found["synaptic_events"]) == (counts.spikes.total, counts.synaptic_events.total)


def test_when_the_logits_are_read_does_not_matter(model, frames):
    plain = list(es.Stream(model, es.FrameSource(frames, PERIOD)))
    for every in (1e-3, 7e-3, 1.0):
        assert list(es.Stream(model, es.FrameSource(frames, PERIOD), every=every, observer=lambda *_: None)) == plain


def test_settled_logits_are_those_of_the_ann(model, frames):
    ann = es.ann.evaluate(model.layers, frames)
    for d, logits in zip(es.Stream(model, es.FrameSource(frames, 0.3)), ann):
        if np.diff(np.sort(logits))[-1] > 0.5:
            assert d.label == logits.argmax()


def test_signed_frames(model):
    frames = np.random.default_rng(1).normal(0.0, 1.0, (4, 8))
    decisions = list(es.Stream(model, es.FrameSource(frames, 0.3, signed=True)))
    ann = es.ann.evaluate(model.layers, frames)
    assert [d.label for d in decisions] == ann.argmax(axis=1).tolist()


def test_events_equal_pushing_them_by_hand():
    rng = np.random.default_rng(0)
    t, x, y = np.sort(rng.uniform(0.0, 0.5, 300)), rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    chunks = [events(t[a:b], x[a:b], y[a:b]) for a, b in pairwise([0, 10, 11, 150, 300])]
    seen = []
    stream = es.Stream(camera(), es.EventSource(chunks, (2, 2), period=0.05), observer=lambda *found: seen.append(found))
    n = len(list(stream))
    simulation = es.Simulation(camera(), {"input": es.Spikes(t - t[0], 2 * y + x)}, record=es.Record(spikes=[]))
    ends = [(item.end, logits) for item, moment, logits in seen if moment == item.end - item.start]
    assert len(ends) == n == int((t[-1] - t[0]) / 0.05) + 1
    for end, logits in ends:
        simulation.news(end)
        assert np.array_equal(logits, simulation.state("output")["v"])
    assert stream.summary()["events"] == 300


def test_spike_counts_as_logits():
    t = np.arange(40) * 5e-3
    x = (t >= 0.1).astype(int)  # the left pixel first, then the right one
    stream = es.Stream(camera(), es.EventSource([events(t, x, np.zeros(40, int))], (2, 2), period=0.1), readout="spikes")
    first, second = stream
    run = es.simulate(camera(), {"input": es.Spikes(t, x)}, until=0.2)
    early = run.spikes["output"].between(-1.0, first.time)
    late = run.spikes["output"].between(first.time, second.time)
    assert (first.label, second.label) == (0, 1)
    assert first.margin == np.diff(np.sort(np.bincount(early.neurons, minlength=4)))[-1]
    assert second.margin == np.diff(np.sort(np.bincount(late.neurons, minlength=4)))[-1]


def test_pulses_of_events_stand_for_analog_values(model):
    """Regular events of rate r look like the value height * r * tau_eta, so decide like the frame that holds it."""
    value, height, n = np.array([0.0, 1.0, 2.0, 0.5, 0.0, 3.0, 0.0, 1.5]), 0.01, 8
    until = 1.0
    times = [np.arange(0.0, until, height * model.tau_eta / v) if v else np.zeros(0) for v in value]
    t, x = np.concatenate(times), np.repeat(np.arange(n), [len(part) for part in times])
    order = np.argsort(t, kind="stable")
    source = es.EventSource([events(t[order], x[order], np.zeros(t.size, int))], (1, n), period=until, height=height)
    seen = []
    list(es.Stream(model, source, observer=lambda item, moment, logits: seen.append(logits) if moment > 0.3 else None))
    ann = es.ann.evaluate(model.layers, value[None])[0]
    assert np.abs(np.mean(seen, axis=0) - ann).max() < 0.05 * np.abs(ann).max()


# --- the sources -----------------------------------------------------------------------------------------------------


def test_layout_crop_and_downsampling():
    """5 x 6 sensor, 2 x 2 input: squares of 2, one row above is cut off, one column left and right."""
    y, x = (part.ravel() for part in np.indices((5, 6)))
    source = es.EventSource([events(np.arange(30.0) / 30, x, y, np.arange(30) % 2)], (2, 2, 2), size=(5, 6), period=2.0)
    (item,) = source.items((2, 2, 2))
    wanted = [(p, yy // 2, xx // 2) for p, yy, xx in zip(np.arange(30) % 2, y, x - 1) if yy < 4 and 0 <= xx < 4]
    assert item.spikes.neurons.tolist() == [(p * 2 + yy) * 2 + xx for p, yy, xx in wanted]
    assert source.factor == 2 and source.cropped == 30 - 16


@pytest.mark.parametrize("polarity, kept", [("both", [0, 1, 2]), ("on", [0, 2]), ("off", [1])])
def test_polarities(polarity, kept):
    chunk = events([0.0, 0.1, 0.2], [0, 1, 2], [0, 0, 0], [1, -1, 1])
    (item,) = es.EventSource([chunk], (1, 3), period=1.0, polarity=polarity).items((3,))
    assert item.spikes.neurons.tolist() == kept


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=5), st.floats(0.05, 2.0))
def test_items_hold_every_event_once(times, cuts, period):
    t = np.sort(np.array(times))
    cuts = sorted({0, t.size, *(c for c in cuts if c < t.size)})
    chunks = [events(t[a:b], np.zeros(b - a, int), np.zeros(b - a, int)) for a, b in pairwise(cuts)]
    items = list(es.EventSource(chunks, (1, 1), period=period).items((1,)))
    assert [item.number for item in items] == list(range(len(items)))
    assert np.array_equal(np.concatenate([item.spikes.times for item in items]), t - t[0])
    for item in items:
        assert np.all((item.spikes.times >= item.start) & (item.spikes.times < item.end))


def test_unsorted_events():
    chunks = [events([0.0, 0.3, 0.2], [0] * 3, [0] * 3), events([0.25, 0.4], [0] * 2, [0] * 2)]
    with pytest.raises(InputError, match=r"event 2 is at 0\.2 s, after one at 0\.3 s"):
        list(es.EventSource(chunks, (1, 1)).items((1,)))
    source = es.EventSource(chunks, (1, 1), period=1.0, late="drop")
    (item,) = source.items((1,))
    assert item.spikes.times.tolist() == [0.0, 0.3, 0.4] and source.late_events == 2


@pytest.mark.parametrize("chunk, message", [
    (events([0.0, 0.1], [0, 2], [0, 0]), "event 1 has x = 2, y = 0.*2 columns and 1 rows"),
    (events([0.0], [0], [-1]), "event 0 has x = 0, y = -1"),
    (events([0.0, np.nan], [0, 0], [0, 0]), "event 1 has .*t = nan s"),
    (events([np.inf], [0], [0]), "event 0 has .*t = inf s"),
    (events([0.0], [0.5], [0]), "event 0 has x = 0.5, y = 0"),
    (events([0.0], ["a"], [0]), "x of a chunk must be numbers; after event 0 came <U1"),
    (Chunk(np.zeros(2), np.zeros(1), np.zeros(2), np.zeros(2)), "equal length; after event 0 came 2, 1, 2, 2"),
    ([1, 2, 3, 4], "must have t, x, y, p"),
])
def test_bad_events(chunk, message):
    with pytest.raises(InputError, match=message):
        list(es.EventSource([chunk], (1, 2)).items((2,)))


@pytest.mark.parametrize("options, message", [
    ({"shape": (3, 4, 4)}, "shape"), ({"shape": (4, 0)}, "shape"), ({"shape": (4, 4), "size": (3, 9)}, "size"),
    ({"shape": (4, 4), "period": 0.0}, "period"), ({"shape": (4, 4), "late": "keep"}, "late"),
    ({"shape": (4, 4), "polarity": "ON"}, "polarity"), ({"shape": (4, 4), "height": np.inf}, "height"),
])
def test_bad_event_sources(options, message):
    with pytest.raises(ParameterError, match=f"{message} of EventSource"):
        es.EventSource([], **options)


@pytest.mark.parametrize("frame, message", [
    (np.zeros(7), r"frame 1 has shape \[7\]; the network takes \[8\]"), (np.full(8, np.nan), "frame 1 holds nan; values must"),
    (np.full(8, np.inf), "frame 1 holds inf"), (np.full(8, -1.0), "frame 1 holds -1.0; .*signed=True"),
    ("words", "frame 1 is not an array of numbers"),
])
def test_bad_frames_stop_the_stream_in_their_place(model, frame, message):
    stream = es.Stream(model, es.FrameSource([np.ones(8), frame, np.ones(8)], PERIOD))
    assert next(stream).item == 0
    with pytest.raises(InputError, match=message):
        next(stream)
    assert stream.summary()["decisions"] == 1


def test_labels_that_end_too_early(model, frames):
    stream = es.Stream(model, es.FrameSource(frames, PERIOD, labels=[0]))
    next(stream)
    with pytest.raises(InputError, match="labels of FrameSource end before frame 1"):
        next(stream)


def test_errors_of_the_source_come_through(model):
    def broken():
        yield np.ones(8)
        raise OSError("the camera is gone")

    stream = es.Stream(model, es.FrameSource(broken(), PERIOD))
    next(stream)
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)


# --- queue, pacing, drops --------------------------------------------------------------------------------------------


class FakeClock:
    """Time goes on only while the source sleeps; a consumer that needs `service` s per item lives within these sleeps."""

    def __init__(self, service):
        self.now, self.service, self.free, self.feed, self.taken = 0.0, service, 0.0, None, []

    def __call__(self):
        return self.now

    def serve(self, until):
        while self.free <= until and len(self.feed):
            item, due = self.feed.take(0.0)
            begun = max(self.free, due)
            self.taken.append((item.number, begun))
            self.free = begun + self.service

    def sleep(self, seconds):
        self.now += seconds
        self.serve(np.nextafter(self.now, 0.0))


def expected(n, period, service, size, drop):
    """(numbers served, how many were lost), event by event."""
    free, waiting, served, lost = 0.0, deque(), [], 0

    def catch_up(until):
        nonlocal free
        while waiting and free < until:
            k = waiting.popleft()
            free = max(free, k * period) + service
            served.append(k)

    for k in range(n):
        catch_up(k * period)
        if len(waiting) == size:
            lost += 1
            if drop == "newest":
                continue
            waiting.popleft()
        waiting.append(k)
    catch_up(np.inf)
    return served, lost


@pytest.mark.parametrize("drop", ["oldest", "newest"])
@pytest.mark.parametrize("size, service", [(1, 0.25), (3, 0.37), (2, 0.05), (4, 1.3)])
def test_drops_are_counted_exactly_under_a_slow_consumer(drop, size, service):
    n, period = 40, 0.1
    clock = FakeClock(service)
    items = [Item(k, k * period, (k + 1) * period, k * period) for k in range(n)]
    clock.feed = feed = Feed(iter(items), size=size, drop=drop, rate=1.0, clock=clock, sleep=clock.sleep)
    feed.produce()
    clock.serve(np.inf)
    served, lost = expected(n, period, service, size, drop)
    assert ([k for k, _ in clock.taken], feed.dropped) == (served, lost)
    assert feed.take(0.0) is ENDED and len(served) + lost == n
    assert (lost > 0) == (service > period)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_items_enter_when_they_are_due(rate):
    clock = FakeClock(0.0)
    clock.now = 7.0
    items = [Item(k, k * 0.1, (k + 1) * 0.1, (k + 1) * 0.1) for k in range(3, 8)]
    clock.feed = feed = Feed(iter(items), size=9, rate=rate, clock=clock, sleep=lambda s: setattr(clock, "now", clock.now + s))
    feed.produce()
    dues = [feed.take(0.0)[1] for _ in items]
    assert np.allclose(dues, 7.0 + (np.arange(5) + 1) * 0.1 / rate, rtol=0.0, atol=1e-12) and clock.now == dues[-1]


def test_a_full_queue_holds_the_source_back(model, frames):
    """Back-pressure: never more than the queue, one in the hand of the source and one being worked on."""
    read = []

    def slowly():
        for k, frame in enumerate(np.tile(frames, (4, 1))):
            read.append(k)
            yield frame

    stream, ahead = es.Stream(model, es.FrameSource(slowly(), PERIOD), queue=3), []
    for decision in stream:
        ahead.append(len(read) - 1 - decision.item)
    assert len(ahead) == 48 and stream.summary()["dropped"] == 0
    assert max(ahead) <= 3 + 1


@pytest.mark.parametrize("drop, kept", [("oldest", [0, 8, 9, 10, 11]), ("newest", [0, 1, 2, 3, 4])])
def test_dropped_frames_take_no_time(model, frames, drop, kept):
    taken, ended = threading.Event(), threading.Event()

    def source():
        yield frames[0]
        taken.wait(30.0)
        yield from frames[1:]
        ended.set()

    stream = es.Stream(model, es.FrameSource(source(), PERIOD), queue=4, drop=drop)
    decisions = [next(stream)]
    taken.set()
    assert ended.wait(30.0)
    decisions += list(stream)
    assert [d.item for d in decisions] == kept
    assert stream.summary()["dropped"] == 12 - 5 and stream.summary()["items"] == 5
    whole = list(es.Stream(model, es.FrameSource(frames[kept], PERIOD)))
    assert [d.label for d in decisions] == [d.label for d in whole]
    assert np.allclose([d.margin for d in decisions], [d.margin for d in whole], rtol=0.0, atol=1e-9)
    assert np.allclose([d.time for d in decisions], (np.array(kept) + 1) * PERIOD, rtol=0.0, atol=1e-12)


def test_real_time(model, frames):
    """With the clock of the stream in the hands of the test: five frames at rate 2 take 4 periods / 2."""
    now, lock = [100.0], threading.Lock()

    def sleep(seconds):
        with lock:
            now[0] += seconds

    stream = es.Stream(model, es.FrameSource(frames[:5], PERIOD), rate=2.0, clock=lambda: now[0], sleep=sleep)
    decisions = list(stream)
    assert np.isclose(now[0], 100.0 + 4 * PERIOD / 2.0, rtol=0.0, atol=1e-9)
    assert all(0.0 <= d.wall <= 4 * PERIOD / 2.0 + 1e-9 for d in decisions)


def test_close_and_stop(model, frames):
    def endless():
        while True:
            yield from frames

    stream = es.Stream(model, es.FrameSource(endless(), PERIOD), margin=0.1, settle=0.0)
    next(stream)
    stream.stop()
    assert list(stream) == [] and stream.summary()["items"] == 1
    stream = es.Stream(model, es.FrameSource(endless(), PERIOD))
    next(stream)
    stream.close()
    assert list(stream) == [] and stream.summary()["items"] == 0


def test_streams_that_nobody_uses_any_more_are_given_up(model, frames):
    def endless():
        while True:
            yield from frames

    readers = lambda: [t for t in threading.enumerate() if t.name == "eventsnn stream source"]  # noqa: E731
    stream = es.Stream(model, es.FrameSource(endless(), PERIOD), queue=2)
    next(stream)
    mine = readers()
    assert len(mine) >= 1
    del stream
    gc.collect()
    for reader in mine:
        reader.join(10.0)
    assert not any(reader.is_alive() for reader in mine)


def test_frames_may_lack_axes_of_length_one():
    image = es.ann.Conv2d(np.ones((2, 1, 3, 3)))
    layers = [image, es.ann.ReLU(), es.ann.Flatten(), es.ann.Linear(np.eye(2))]
    network = es.convert(layers, input_shape=(1, 3, 3))
    assert [d.item for d in es.Stream(network, es.FrameSource([np.ones((3, 3))], 0.1))] == [0]
    with pytest.raises(InputError, match=r"frame 0 has shape \[9\]; the network takes \[1, 3, 3\]"):
        list(es.Stream(network, es.FrameSource([np.ones(9)], 0.1)))


# --- decisions -------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 2.0)), min_size=1, max_size=40), st.integers(0, 6))
def test_the_judge_against_brute_force(readings, steps):
    judge, times = Judge(1.0, steps * 1e-3), np.arange(len(readings)) * 1e-3
    for k, (time, (label, margin)) in enumerate(zip(times, readings)):
        past = readings[max(k - steps, 0):k + 1]
        wanted = k >= steps and all(found == label and lead >= 1.0 for found, lead in past)
        assert judge.confident(time, label, margin) == wanted


def test_decisions_come_at_the_first_time_the_margin_has_held(model, frames):
    every, hold, settle, margin, seen = 1e-3, 4e-3, 0.02, 1.5, {}
    note = lambda item, moment, logits: seen.setdefault(item.number, []).append((moment, logits))  # noqa: E731
    list(es.Stream(model, es.FrameSource(frames, PERIOD), observer=note))
    decisions = list(es.Stream(model, es.FrameSource(frames, PERIOD), margin=margin, hold=hold, settle=settle, every=every))
    assert 0 < sum(d.confident for d in decisions) < len(frames)
    for d in decisions:
        ok = [(t, v.argmax(), np.diff(np.sort(v))[-1] >= margin and t >= settle - 1e-9) for t, v in seen[d.item]]
        n = round(hold / every)
        held = [all(good and label == ok[k][1] for _, label, good in ok[k - n:k + 1]) for k in range(n, len(ok))]
        first = held.index(True) + n if any(held) else None
        assert d.confident == (first is not None)
        assert np.isclose(d.latency, PERIOD if first is None else ok[first][0], rtol=0.0, atol=1e-9)
        assert d.label == ok[-1 if first is None else first][1]


def test_arousal_asks_the_precise_network(model, frames):
    arousal = es.Arousal(m_f=0.05, after=0.04, margin=1.0)
    plain = list(es.Stream(model, es.FrameSource(frames, PERIOD), margin=1.0))
    stream = es.Stream(model, es.FrameSource(frames, PERIOD), margin=1.0, arousal=arousal)
    decisions = list(stream)
    constants = {"tau_phi": 2e-3, "tau_eta": 20e-3, "tau_beta": 20e-3, "tau_gamma": 6e-3}
    fine = es.convert(model.layers, to="asnn", m_f=0.05, **constants)
    aroused = [d for d in decisions if d.aroused]
    assert 0 < len(aroused) < len(frames)
    spikes = 0
    for d in aroused:
        run = fine.run(frames[d.item][None], until=(d.item + 1) * PERIOD - (d.item * PERIOD + 0.04))
        assert d.label == run.predictions[0] and d.margin == np.diff(np.sort(run.logits[0]))[-1]
        assert d.confident == (d.margin >= 1.0) and d.time == (d.item + 1) * PERIOD
        spikes += run.counts.spikes.total
    assert [d for d in decisions if not d.aroused] == [p for p, d in zip(plain, decisions) if not d.aroused]
    coarse = es.Stream(model, es.FrameSource(frames, PERIOD))
    list(coarse)
    assert stream.summary()["spikes"] == coarse.summary()["spikes"] + spikes
    assert stream.summary()["aroused"] == len(aroused)


@pytest.mark.parametrize("options, message", [
    ({"every": 0.0}, "every"), ({"margin": 0.0}, "margin"), ({"hold": -1.0}, "hold"), ({"settle": np.nan}, "settle"),
    ({"readout": "rate"}, "readout"), ({"readout": "spikes"}, "readout"), ({"rate": -1.0}, "rate"), ({"queue": 0}, "queue"),
    ({"drop": "all"}, "drop"), ({"arousal": 0.1}, "arousal"), ({"snapshot_every": -1.0}, "snapshot_every"),
])
def test_bad_arguments(model, frames, options, message):
    with pytest.raises(ParameterError, match=f"{message} of Stream"):
        es.Stream(model, es.FrameSource(frames), **options)


def test_bad_arousal(model, frames):
    with pytest.raises(ParameterError, match="m_f of Arousal must be below that of the network, 0.3, got 0.3"):
        es.Stream(model, es.FrameSource(frames), arousal=es.Arousal(0.3, 0.1, 1.0))
    with pytest.raises(ParameterError, match="after of Arousal"):
        es.Arousal(0.1, 0.0, 1.0)
    with pytest.raises(ParameterError, match="arousal of Stream is for frames"):
        es.Stream(model, es.EventSource([], (1, 8)), arousal=es.Arousal(0.1, 0.1, 1.0))


def test_networks_that_do_not_fit(model, frames):
    with pytest.raises(ParameterError, match="source of Stream must be an es.FrameSource"):
        es.Stream(model, iter(frames))
    with pytest.raises(NetworkError, match="frames need neurons with an i_offset"):
        es.Stream(camera(), es.FrameSource([np.zeros(4)]))
    with pytest.raises(NetworkError, match="events need an es.Input"):
        es.Stream(model.network(), es.EventSource([], (1, 8)))
    net = es.Network()
    net.add("input", es.Input(4))
    with pytest.raises(NetworkError, match="needs a population 'output'; the network has input"):
        es.Stream(net, es.EventSource([], (2, 2)))
    net.add("output", es.IF(1, v_threshold=1.0))
    with pytest.raises(NetworkError, match="at least 2 neurons"):
        es.Stream(net, es.EventSource([], (2, 2)))
    with pytest.raises(InputError, match=r"makes 6 inputs; the network takes \[4\]"):
        list(es.Stream(camera(), es.EventSource([events([0.0], [0], [0])], (2, 3))))


def test_frames_into_a_network_of_your_own():
    net = es.Network()
    net.add("input", es.LIF(2, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, v_reset=0.0))
    net.add("output", es.LIF(2, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, v_reset=0.0))
    net.connect("input", "output", es.OneToOne(3.0))
    found = list(es.Stream(net, es.FrameSource([[3.0, 0.0], [0.0, 3.0], [3.0, 1.5]], period=0.2), readout="spikes"))
    assert [d.label for d in found] == [0, 1, 0] and all(d.margin > 0 for d in found)


# --- snapshots -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arousal", [None, es.Arousal(m_f=0.05, after=0.04, margin=1.0)])
@pytest.mark.parametrize("at", [2, 7, 12])
def test_resumed_streams_decide_the_same(model, frames, tmp_path, at, arousal):
    path, options = tmp_path / "state.h5", {"margin": 1.0, "arousal": arousal}
    straight = es.Stream(model, es.FrameSource(frames, PERIOD, labels=range(12)), **options)
    whole = list(straight)
    first = es.Stream(model, es.FrameSource(frames, PERIOD, labels=range(12)), snapshot=path, snapshot_every=0.0, **options)
    done = [next(first) for _ in range(at)]
    if at < 12:
        first.close()  # in the middle of an item: the file is that of the end of the one before
    else:
        assert list(first) == []
    second = es.Stream.resume(path, es.FrameSource(frames, PERIOD, labels=range(12)), snapshot=path)
    rest = list(second)
    begun = at - 1 if at < 12 else 12
    assert done[:begun] + rest == whole and len(rest) == 12 - begun
    keys = ("items", "decisions", "right", "aroused", "spikes", "synaptic_events", "stream_s")
    assert [second.summary()[k] for k in keys] == [straight.summary()[k] for k in keys]
    third = es.Stream.resume(path, es.FrameSource(frames, PERIOD, labels=range(12)))
    assert list(third) == [] and third.summary()["items"] == 12


def test_resumed_with_what_comes_next(tmp_path):
    rng = np.random.default_rng(0)
    t, x = np.arange(100) * 1e-2, rng.integers(0, 2, 100)
    source = lambda a, b: es.EventSource([events(t[a:b], x[a:b], x[a:b])], (2, 2), period=0.1)  # noqa: E731
    whole = list(es.Stream(camera(), source(0, 100), readout="spikes"))
    list(es.Stream(camera(), source(0, 40), snapshot=tmp_path / "s.h5", readout="spikes"))
    rest = list(es.Stream.resume(tmp_path / "s.h5", source(40, 100), skip=False))
    assert [(d.item, d.label, d.margin) for d in rest] == [(d.item, d.label, d.margin) for d in whole[4:]]


def test_bad_snapshots(model, frames, tmp_path):
    path, source = tmp_path / "s.h5", es.FrameSource(frames, PERIOD)
    list(es.Stream(model, source, snapshot=path))
    with pytest.raises(InputError, match=r"goes on with frames of period 0.06 s, got frames of 0.1 s"):
        es.Stream.resume(path, es.FrameSource(frames, 0.1))
    content = path.read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:len(content) // 2])
    with pytest.raises(FormatError, match="cut.h5"):
        es.Stream.resume(tmp_path / "cut.h5", source)
    es.Simulation(camera()).checkpoint(tmp_path / "plain.h5")
    with pytest.raises(FormatError, match="checkpoint of a simulation, not of a stream"):
        es.Stream.resume(tmp_path / "plain.h5", source)
    with pytest.raises(FileNotFoundError):
        es.Stream.resume(tmp_path / "none.h5", source)
    assert {p.name for p in tmp_path.iterdir()} == {"s.h5", "cut.h5", "plain.h5"}


# --- what is counted -------------------------------------------------------------------------------------------------


def test_rows_add_up(model, frames):
    now, rows = [0.0], []

    def clock():
        now[0] += 1e-3  # every look at the clock takes a millisecond
        return now[0]

    stream = es.Stream(model, es.FrameSource(np.tile(frames, (9, 1)), PERIOD, labels=np.tile(np.arange(12) % 3, 9)),
                       clock=clock, each_second=rows.append, observer=lambda *_: None)
    decisions = list(stream)
    summary = stream.summary()
    assert len(rows) > 3
    for key in ("items", "decisions"):
        assert sum(row[key] for row in rows) == summary[key] == 108
    for key, total in (("spikes_per_s", "spikes"), ("synaptic_events_per_s", "synaptic_events")):
        assert np.isclose(sum(row[key] * row["seconds"] for row in rows), summary[total], rtol=1e-12)
    assert summary["right"] == sum(d.label == d.truth for d in decisions) and summary["known"] == 108
    assert all(row["seconds"] >= 1.0 for row in rows[:-1])
    assert summary["stream_s"] == 108 * PERIOD and rows[-1]["stream"] == summary["stream_s"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-5, 1e2), min_size=1, max_size=200), st.sampled_from([50, 95, 99]))
def test_percentiles_are_close(values, percent):
    found = Latencies()
    for value in values:
        found.add(value)
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert exact * (1 - 1e-12) <= found.percentile(percent) <= exact * 10 ** (1 / 40) * (1 + 1e-12)


def test_memory_stays_constant_and_time_does_not_run_out():
    """A slow network: after 10,000 s of stream it decides as at the beginning, and nothing has piled up."""
    net = es.Network()
    net.add("input", es.LIF(2, tau_mem=0.5, tau_syn=0.1, v_threshold=1.0, v_reset=0.0))
    net.add("output", es.LIF(2, tau_mem=0.5, tau_syn=0.1, v_threshold=1.0, v_reset=0.0))
    net.connect("input", "output", es.OneToOne(6.0))
    period = 5.0

    def frames():
        for k in range(2000):
            yield [3.0, 0.0] if k % 2 else [0.0, 3.0]

    stream = es.Stream(net, es.FrameSource(frames(), period), readout="spikes", every=1.0)
    found = list(stream)
    simulation = stream.machine.simulation
    assert found[-1].time == 10_000.0 and [d.label for d in found] == [(k + 1) % 2 for k in range(2000)]
    assert all(abs(d.margin - found[k % 2 + 2].margin) <= 1 for k, d in enumerate(found[2:]))
    assert sum(times.size for times in simulation._times) == 0 and len(simulation._times) <= 1


@pytest.mark.parametrize("name", ["command", "decide", "feed", "inputs", "sources", "statistics", "stream", "view"])
def test_examples_of_docstrings(name):
    found = doctest.testmod(import_module(f"eventsnn.stream.{name}"))
    assert found.attempted > 0 and found.failed == 0


def test_moments_end_with_the_item():
    rules = Rules(1e-3, 1.0, 0.0, 0.02, es.Arousal(0.1, 0.0101, 1.0), "v")
    moments = rules.moments(0.0405, False)
    assert moments[0] == pytest.approx(0.011) and moments[1] == pytest.approx(0.02) and moments[-1] == 0.0405
    assert rules.moments(0.0405, True).size == 41 and np.all(np.diff(rules.moments(0.0405, True)) > 0.0)
    assert Rules(1e-3, None, 0.0, 0.0, None, "v").moments(0.0405, False).tolist() == [0.0405]


def test_layers_before_the_first_map_are_not_left_out_silently():
    layers = [es.ann.MaxPool2d(2), es.ann.Flatten(), es.ann.Linear(np.ones((2, 4)))]
    with pytest.raises(NetworkError, match="begins with MaxPool2d, Flatten: apply these to the frames"):
        es.Stream(es.convert(layers, input_shape=(1, 4, 4)), es.FrameSource([np.ones((1, 4, 4))]))


@pytest.mark.parametrize("name, size, count", [
    ("sample_nmnist.bin", (34, 34), 4325), ("sample_ncars.dat", (64, 120), 2009),
    ("evt2_sample.raw", (480, 640), 367855 + 171626), ("evt3_sample.raw", (720, 1280), 219596), ("dvs.es", (240, 320), 473225),
    ("sample.aedat4", (240, 320), 111954)])
def test_real_recordings_stream_to_the_last_event(name, size, count):
    path = Path(os.environ.get("EVENTSNN_DATA", "")) / "event_samples" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in EVENTSNN_DATA")
    if name.endswith("aedat4"):
        pytest.importorskip("lz4", reason="lz4 is not installed")
    model = es.convert([es.ann.Linear(np.ones((2, 16)))], tau_eta=20e-3, tau_beta=20e-3)
    source = es.EventSource(es.open_events(path).chunks(), shape=(4, 4), size=size, period=0.05)
    stream = es.Stream(model, source)
    decisions, found = list(stream), stream.summary()
    assert found["events"] + source.cropped == count and source.late_events == 0
    assert found["decisions"] == len(decisions) > 0
