"""DECOLLE: model files, data readers, and the commands train and evaluate."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from eventsnn.cli import app
from eventsnn.data.dvs_gesture import dvs_gesture, dvs_gesture_small, gesture_events
from eventsnn.data.events import Events, open_events
from eventsnn.data.nmnist import nmnist
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.learn.decolle.files import decolle_names, load_decolle, save_decolle
from eventsnn.learn.decolle.inputs import Recordings
from eventsnn.learn.decolle.network import Constants, DecolleNetwork
from eventsnn.learn.decolle.recipes import data_of, recipe

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))


def invoke(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments])


def network():
    return DecolleNetwork.draw((5, 4, 2), ["3c2m2", 6], 3, np.random.default_rng(0), constants=Constants(gain=3.0))


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_network_survives_its_file(tmp_path, dtype):
    net, path = network(), tmp_path / "model.h5"
    save_decolle(path, net, "nmnist", {"seed": 3}, dtype)
    back, facts = load_decolle(path)
    assert facts == {"seed": 3, "encoding": "nmnist"} and back.layers == net.layers and back.constants == net.constants
    assert np.array_equal(back.parameters.flat, net.parameters.flat.astype(dtype).astype(float))
    assert np.array_equal(back.readouts[0][0], net.readouts[0][0].astype(dtype).astype(float))


def test_bad_files_are_named(tmp_path):
    net, path = network(), tmp_path / "model.h5"
    for bad in ({"encoding": "cifar"}, {"encoding": "mnist", "dtype": "int8"}):
        with pytest.raises(ParameterError, match=bad.get("dtype", "cifar")):
            save_decolle(path, net, **bad)
    net.weights[0][0, 0] = 1e6
    with pytest.raises(ParameterError, match="float16"):
        save_decolle(path, net, "mnist")
    assert not list(tmp_path.iterdir())
    save_decolle(path, net, "mnist", dtype="float64")
    whole = path.read_bytes()
    for size in (0, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="model.h5"):
            load_decolle(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["layer0/weights"][0, 0] = np.nan
    with pytest.raises((FormatError, ParameterError), match="finite"):
        load_decolle(path)
    with h5py.File(path, "a") as file:
        del file["layer0/weights"]
    with pytest.raises(FormatError, match="cannot be read"):
        load_decolle(path)
    with pytest.raises(UnknownNameError, match="decolle-mnist"):
        load_decolle("decolle-mnst")


def test_the_shipped_model_is_small_and_says_how_it_was_chosen():
    assert "decolle-mnist" in decolle_names()
    net, facts = load_decolle("decolle-mnist")
    from eventsnn.io import model_path

    assert model_path("decolle-mnist").stat().st_size <= 2_000_000
    assert facts["task"] == "decolle-mnist" and "held out" in facts["selected"] and net.classes == 10


# --- recordings ----------------------------------------------------------------------------------------------------


def film(seed=0, n=500, size=12, until=0.05):
    draw = np.random.default_rng(seed)
    return Events(np.sort(draw.random(n)) * until, draw.integers(0, size, n), draw.integers(0, size, n), draw.integers(0, 2, n))


@pytest.mark.parametrize("side, most", [(12, 1), (5, 1), (5, 255), (4, 2)])
def test_bins_of_recordings(side, most):
    events = [film(0), film(1)]
    data = Recordings(events, [1, 0], size=12, side=side, bin=2e-3, most=most)
    block = 12 // side
    edge = (12 - block * side) // 2
    for k, own in enumerate(events):
        expected = np.zeros((25, side, side, 2), int)
        for t, x, y, p in zip(own.t, own.x, own.y, own.p):
            column, row = (x - edge) // block, (y - edge) // block
            if 0 <= row < side and 0 <= column < side:
                expected[int(t / 2e-3), row, column, p] += 1
        assert np.array_equal(data.spikes(k, 25), np.minimum(expected, most).reshape(25, -1))


def test_shifted_and_cut_windows():
    data = Recordings([film(0), film(1)], [1, 0], size=12, side=12, shift=2, random_start=1)
    still = [data.spikes(k, 50).reshape(50, 12, 12, 2) for k in range(2)]
    starts = set()
    for epoch in range(12):
        feed, out = data.begin(np.array([1, 0]), epoch, 20, True), np.zeros((20, 2, 288), np.uint8)
        for step in range(20):
            feed(step, out[step])
        for k, sample in enumerate((1, 0)):
            found = out[:, k].reshape(20, 12, 12, 2)
            fits = [(start, dy, dx) for start in range(31) for dy in range(-2, 3) for dx in range(-2, 3)
                    if np.array_equal(still[sample][start:start + 20, max(-dy, 0):12 - max(dy, 0), max(-dx, 0):12 - max(dx, 0)],
                                      found[:, max(dy, 0):12 + min(dy, 0), max(dx, 0):12 + min(dx, 0)])]
            assert len(fits) == 1
            starts.add(fits[0])
    assert len({s for s, _, _ in starts}) > 5 and len({move[1:] for move in starts}) > 5


def test_recordings_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="event 0"):
        Recordings([Events([0.1], [12], [0], [1])], [0], size=12, side=12)
    for bad in ({"side": 13}, {"side": 12, "bin": 0.0}, {"side": 12, "most": 0}):
        with pytest.raises(ParameterError, match=[*bad][-1]):
            Recordings([film()], [0], size=12, **bad)
    with pytest.raises(InputError, match="labels"):
        Recordings([film()], [0, 1], size=12, side=12)


def aedat3(path, events):
    """Write polarity events as AEDAT 3.1, one packet."""
    head = b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
    micro = np.rint(events.t * 1e6).astype(np.uint32)
    word = 1 | events.p.astype(np.uint32) << 1 | events.y.astype(np.uint32) << 2 | events.x.astype(np.uint32) << 17
    n = len(micro)
    packet = np.array([1 | 1 << 16, 8, 4, 0, n, n, n], "<u4").tobytes()
    path.write_bytes(head + packet + np.column_stack([word, micro]).astype("<u4").tobytes())


def test_the_whole_gesture_set_as_distributed(tmp_path, monkeypatch):
    """Two recordings with tables and lists, in AEDAT 3.1: gestures are cut out of them and keep their order."""
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    with pytest.raises(FormatError, match="trials_to_train"):
        dvs_gesture("train")
    folder = tmp_path / "dvs_gesture"
    folder.mkdir()
    events = film(3, 3000, 128, 3.0)
    for name in ("user01_led", "user02_lab"):
        aedat3(folder / f"{name}.aedat", events)
        (folder / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n1,500000,1200000\n11,1500000,2900000\n")
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\n\n")
    (folder / "trials_to_test.txt").write_text("user02_lab.aedat\n")
    gestures = dvs_gesture("train")
    assert [(g.label, g.start, g.end) for g in gestures] == [(0, 0.5, 1.2), (10, 1.5, 2.9)]
    whole = open_events(folder / "user01_led.aedat").read()
    for own, gesture in zip(gesture_events(gestures), gestures):
        inside = (whole.t >= gesture.start) & (whole.t < gesture.end)
        assert np.array_equal(own.x, whole.x[inside]) and np.allclose(own.t, whole.t[inside] - gesture.start)
    done = invoke("train", "decolle-gesture", "--preset", "paper", "--set", "epochs=1", "--set", 'layers=["2c5m4", 8]', "--set",
                  "steps=30", "--set", "burn_in=5", "--set", "test_steps=30", "--out", tmp_path / "g.h5", "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.output.splitlines()[-1])["test_accuracy_per_layer"]) == 2
    (folder / "user02_lab_labels.csv").write_text("class,startTime_usec,endTime_usec\n12,1,2\n")
    with pytest.raises(FormatError, match="class 1 to 11"):
        dvs_gesture("test")
    (folder / "trials_to_test.txt").write_text("user03_lab.aedat\n")
    with pytest.raises(FormatError, match="user03"):
        dvs_gesture("test")


def test_the_whole_nmnist_as_distributed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    with pytest.raises(FormatError, match="Train/0"):
        nmnist()
    for split in ("Train", "Test"):
        for label in range(10):
            (tmp_path / "nmnist" / split / str(label)).mkdir(parents=True)
            for number in (2, 1):
                (tmp_path / "nmnist" / split / str(label) / f"0000{number}.bin").write_bytes(bytes([3, 4, 128, 0, number]))
    found = nmnist()
    assert [label for _, label in found["test"]] == sorted(2 * list(range(10)))
    assert open_events(found["train"][1][0]).read().t[0] == 2e-6
    data = data_of("nmnist", recipe("decolle-nmnist", side=34)[1], ("train", "test"), small=False)
    assert data["train"].spikes(1, 2).sum() == 1


@pytest.mark.skipif(not (DATA / "dvs_gesture10").is_dir(), reason="the ten gestures are not in EVENTSNN_DATA")
def test_the_ten_gestures():
    assert [label for _, label in dvs_gesture_small()] == list(range(10))
    data = data_of("gesture", recipe("decolle-gesture")[1])
    assert [*data] == ["train"] and len(data["train"]) == 10 and data["train"].shape == (16, 16, 2)
    assert 0.01 < data["train"].spikes(0, 100).mean() < 0.9


# --- commands ------------------------------------------------------------------------------------------------------


def test_digits_are_learnt_and_evaluated_in_grid_time(tmp_path):
    """The recipe in short: above 93 % in both layers; the event engine gives the spikes of the clocked model."""
    out = tmp_path / "digits.h5"
    done = invoke("train", "decolle-digits", "--set", "epochs=6", "--set", "rate=2e-3", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output.splitlines()[-1])
    assert min(summary["test_accuracy_per_layer"]) > 0.93
    assert summary["test_accuracy_per_layer"][1] > summary["test_accuracy_per_layer"][0] - 0.01
    assert out.with_suffix(".png").stat().st_size > 5000 and not list(tmp_path.glob("*.npz"))
    done = invoke("evaluate", out, "--limit", "20", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output.splitlines()[-1])
    assert found["n_test"] == 20 and found["differing"] == 0
    assert found["accuracy_per_layer"] == found["accuracy_clocked_per_layer"] and found["accuracy"] > 0.8
    assert found["latency_s_mean"] < found["steps"] * 1e-3 and found["energy_j_per_sample"] > 0.0


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="MNIST is not in EVENTSNN_DATA")
def test_the_shipped_model_classifies():
    done = invoke("evaluate", "decolle-mnist", "--limit", "60", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output.splitlines()[-1])
    assert found["accuracy"] > 0.9 and found["differing"] == 0 and len(found["accuracy_per_layer"]) == 3


@pytest.mark.parametrize("arguments, word", [
    (("train", "decolle-digit"), "decolle-digits"), (("train", "decolle-digits", "--preset", "best"), "paper"),
    (("train", "decolle-digits", "--set", "epoch=3"), "epochs"),
    (("train", "decolle-digits", "--set", "held_out=9999"), "held_out"),
    (("train", "decolle-digits", "--seeds", "0"), "seeds"), (("train", "decolle-digits", "--set", "test=1"), "test"),
    (("evaluate", "decolle-mnist", "--limit", "0"), "limit"),
    (("evaluate", "decolle-mnist", "--scheduler", "heap"), "grid time"),
    (("evaluate", "decolle-mnist", "--hardware", "brainscales2"), "hardware"),
])
def test_bad_arguments_are_one_line(arguments, word):
    done = invoke(*arguments)
    assert done.exit_code == 2 and word in done.output and len(done.output.strip().splitlines()) == 1
