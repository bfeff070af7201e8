"""`eventsnn stream`: sources by name and through a pipe, JSON lines, snapshots, Ctrl-C, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import eventsnn as es
from eventsnn.cli import app
from eventsnn.conversion.files import load_plain, save_plain
from eventsnn.errors import ParameterError
from eventsnn.stream.command import time_constants
from eventsnn.stream.inputs import image_shape
from eventsnn.stream.view import Lines, Screen, amount

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
needs_mnist = pytest.mark.skipif(not (DATA / "mnist" / "t10k-images-idx3-ubyte.gz").is_file(),
                                 reason="EVENTSNN_DATA does not hold mnist")
SIDE, CLASSES = 3, 4


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(2)
    layers = [es.ann.Linear(rng.normal(0.0, 0.5, (5, SIDE * SIDE))), es.ann.ReLU(),
              es.ann.Linear(rng.normal(0.0, 1.0, (CLASSES, 5)))]
    path = tmp_path / "small.h5"
    save_plain(path, layers, (SIDE * SIDE,), "mnist", dtype="float32")
    return path


@pytest.fixture
def frames():
    return np.random.default_rng(4).integers(0, 256, (7, SIDE, SIDE), dtype=np.uint8)


def invoke(*arguments, given=None):
    return CliRunner().invoke(app, ["stream", *[str(a) for a in arguments]], input=given)


def objects(result, kind):
    assert result.exit_code == 0, result.stderr
    return [found for found in map(json.loads, result.stdout.splitlines()) if found["type"] == kind]


def expected(model, frames, period=0.15, **options):
    """Labels and margins from the library, for the constants that the command takes by default."""
    layers, shape, _ = load_plain(model)
    network = es.convert(layers, to="asnn", input_shape=shape, **time_constants("0.02"))
    return [(d.label, d.margin) for d in es.Stream(network, es.FrameSource(frames, period), **options)]


def answers(result):
    return [(d["label"], d["margin"]) for d in objects(result, "decision")]


def test_frames_of_an_array(model, frames, tmp_path):
    np.save(tmp_path / "frames.npy", frames)
    result = invoke(model, "--source", tmp_path / "frames.npy", "--json-lines")
    assert answers(result) == expected(model, frames / 255.0)
    (summary,) = objects(result, "summary")
    assert summary["decisions"] == summary["items"] == 7 and summary["accuracy"] is None
    assert json.loads(result.stdout.splitlines()[-1]) == summary
    rows = objects(result, "second")
    assert sum(row["decisions"] for row in rows) == 7
    assert len(result.stdout.splitlines()) == 7 + len(rows) + 1
    limited = invoke(model, "--source", tmp_path / "frames.npy", "--json-lines", "--limit", 3, "--period", 0.1, "--margin", 0.5)
    assert answers(limited) == expected(model, frames[:3] / 255.0, 0.1, margin=0.5)


def test_frames_through_standard_input(model, frames):
    numbers = frames.reshape(len(frames), -1) / 255.0
    text = "\n\n".join(" ".join(repr(float(v)) for v in row) for row in numbers)
    commas = "".join(",".join(repr(float(v)) for v in row) + "\n" for row in numbers)
    lists = "".join(json.dumps(row.tolist()) + "\n" for row in numbers)
    wanted = expected(model, numbers)
    for given in (text, commas, lists):
        assert answers(invoke(model, "--source", "-", "--json-lines", given=given)) == wanted


@pytest.mark.parametrize("given, message", [
    ("1 2 3\n", "frame 0 has shape [3]; the network takes [9]"), ("one two\n", "line 1 of the input is not a list of numbers"),
    ("1 1 1 1 1 1 1 1 nan\n", "frame 0 holds nan"), ("\n[1, 2\n", "line 2 of the input is not a list of numbers"),
    ("1 1 1 1 1 1 1 1 -1\n", "frame 0 holds -1.0; negative values need"),
])
def test_bad_lines(model, given, message):
    result = invoke(model, "--source", "-", "--json-lines", given=given)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()] == ["summary"]


def test_signed_lines(model):
    result = invoke(model, "--source", "-", "--json-lines", "--signed", given="1 1 1 1 1 1 1 1 -1\n")
    assert len(objects(result, "decision")) == 1


def test_a_pipe_that_goes_on(model, frames):
    """Answers come while the input is still open; then Ctrl-C ends the stream in order."""
    command = [sys.executable, "-c", "from eventsnn.cli import main; main()", "stream", str(model), "--source", "-",
               "--json-lines"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(300.0, process.kill)
        timer.start()
        found = []
        for row in frames.reshape(len(frames), -1) / 255.0:
            process.stdin.write(" ".join(repr(float(v)) for v in row) + "\n")
            process.stdin.flush()
            while True:
                line = json.loads(process.stdout.readline())
                if line["type"] == "decision":
                    found.append((line["label"], line["margin"]))
                    break
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
        timer.cancel()
        assert process.wait() == 0 and process.stderr.read() == ""
    assert found == expected(model, frames / 255.0)
    assert rest[-1]["type"] == "summary" and rest[-1]["decisions"] == len(frames)


def test_snapshot_and_resume(model, frames, tmp_path):
    for name, part in (("first", frames[:4]), ("all", frames)):
        np.save(tmp_path / f"{name}.npy", part)
    options = ["--json-lines", "--snapshot", tmp_path / "state.h5", "--resume"]
    first = invoke(model, "--source", tmp_path / "first.npy", *options)
    second = invoke(model, "--source", tmp_path / "all.npy", *options)
    assert answers(first) + answers(second) == expected(model, frames / 255.0)
    assert objects(second, "summary")[0]["items"] == 7


@needs_mnist
def test_mnist_with_arousal():
    result = invoke("asnn-mnist-mlp", "--source", "mnist", "--limit", 20, "--margin", 3, "--arousal", 0.1)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    table = dict(line.split() for line in lines if line.startswith("  "))
    assert table["decisions"] == "20" and float(table["accuracy"]) >= 0.95 and "decisions/s" in lines[0]


def test_recordings_of_events(model):
    """N-MNIST bytes through a pipe: 34 x 34 pixels, the middle 33 x 33 of them as 3 x 3."""
    pytest.importorskip("eventsnn.data.events", reason="this version reads no recordings")
    rng = np.random.default_rng(0)
    t, x, y, p = np.sort(rng.integers(0, 300_000, 500)), *rng.integers(0, 34, (2, 500)), rng.integers(0, 2, 500)
    data = np.array([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], np.uint8).T.tobytes()
    result = invoke(model, "--source", "-", "--format", "bin", "--json-lines", "--period", 0.1, "--height", 0.2, given=data)
    layers, shape, _ = load_plain(model)
    network = es.convert(layers, to="asnn", input_shape=shape, **time_constants("0.02"))
    source = es.EventSource([(x, y, t * 1e-6, p)], (SIDE, SIDE), size=(34, 34), period=0.1, height=0.2)
    assert answers(result) == [(d.label, d.margin) for d in es.Stream(network, source)]
    (summary,) = objects(result, "summary")
    assert summary["items"] == 3 and summary["events"] == 500 - source.cropped


@pytest.mark.parametrize("arguments, message", [
    (["--source", "none.npy"], "cannot read none.npy as an array"), (["--source", "mnist", "--rate", -1], "rate of Stream"),
    (["--source", "mnist", "--limit", 0], "limit must be >= 1"), (["--source", "-", "--tau", "1,2"], "tau must be tau_eta"),
    (["--source", "-", "--resume"], "resume needs a snapshot"), (["--source", "-", "--arousal", 0.1], "arousal needs a margin"),
    (["--source", "-", "--drop", "some"], "drop of Stream must be one of block, oldest, newest"),
    (["--source", "-", "--size", "34"], "size must be WIDTHxHEIGHT"), (["--source", "-", "--tau", "0"], "tau_phi of convert"),
])
def test_mistakes_are_one_line(model, arguments, message):
    if "mnist" in arguments and needs_mnist.args[0]:
        pytest.skip(needs_mnist.kwargs["reason"])
    result = invoke(model, *arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1, result.stderr


def test_damaged_arrays(model, frames, tmp_path):
    path = tmp_path / "cut.npy"
    np.save(path, frames)
    path.write_bytes(path.read_bytes()[:-5])
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    for name, message in (("cut.npy", "cannot read"), ("words.npy", "must hold frames")):
        result = invoke(model, "--source", tmp_path / name)
        assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("shape, image", [((2, 5, 7), (2, 5, 7)), ((1, 5, 7), (1, 5, 7)), ((49,), (1, 7, 7)),
                                          ((98,), (2, 7, 7))])
def test_images_of_networks(shape, image):
    assert image_shape(shape) == image


@pytest.mark.parametrize("shape", [(51,), (3, 5, 5), (4, 4)])
def test_networks_without_an_image(shape):
    with pytest.raises(ParameterError, match="events need a network whose input is one or two images"):
        image_shape(shape)


def test_the_screen_shows_what_was_counted():
    from rich.console import Console

    rng = np.random.default_rng(2)
    network = es.convert([es.ann.Linear(rng.normal(0.0, 1.0, (CLASSES, 4)))], to="asnn")
    console, rows = Console(width=80, record=True, file=open(os.devnull, "w")), []
    screen = Screen("a network", console)
    lines = []
    plain = Lines(lines.append)
    stream = es.Stream(network, es.FrameSource(rng.uniform(0, 1, (30, 4)), 0.1, labels=[0] * 30),
                       each_second=lambda row: [rows.append(row), screen.second(row), plain.second(row)])
    screen.begin(stream)
    found = list(stream)
    for decision in found:
        screen.decision(decision)
    screen.end(stream.summary())
    console.print(screen._table())
    text = console.export_text()
    assert "a network" in text and " ".join(str(d.label) for d in found[-20:]) in " ".join(text.replace("│", " ").split())
    right = sum(d.label == 0 for d in found) / 30
    assert f"{100 * right:.2f} %" in text and "30" in text
    assert len(lines) == len(rows) and lines[0].startswith(f"{rows[0]['stream']:.1f} s, ")


@pytest.mark.parametrize("number, text", [(0, "0"), (999.4, "999.4"), (10_000, "10 k"), (2.5e6, "2.5 M"), (3e9, "3 G"),
                                          (4e13, "40 T")])
def test_amounts(number, text):
    assert amount(number) == text


@needs_mnist
def test_the_streaming_experiment(tmp_path):
    """A small network with random weights: the curves end where the decisions are, ratios follow from the counts."""
    from eventsnn.data.mnist import mnist
    from eventsnn.experiments import run_experiment
    from eventsnn.experiments.asnn_streaming import SPEEDS, constants

    rng = np.random.default_rng(0)
    layers = [es.ann.Linear(rng.normal(0.0, 0.06, (20, 784))), es.ann.ReLU(), es.ann.Linear(rng.normal(0.0, 0.5, (10, 20)))]
    save_plain(tmp_path / "small.h5", layers, (784,), "mnist", dtype="float32")
    found = run_experiment("asnn-streaming", {"images": 9, "model": str(tmp_path / "small.h5"), "margin": 0.5}, tmp_path / "s")
    assert found["macs_of_ann"] == 784 * 20 + 20 * 10
    images, labels = (part[:9] for part in mnist()["test"])
    for speed, (tau, period) in zip(found["speeds"], SPEEDS):
        network = es.convert(load_plain(tmp_path / "small.h5")[0], m_f=0.3, **constants(tau))
        stream = es.Stream(network, es.FrameSource(images / 255.0, period, labels))
        assert speed["accuracy"] == np.mean([d.label == d.truth for d in stream][1:])
        assert speed["spikes_per_image"] == stream.summary()["spikes_per_item"]
        ratio = stream.summary()["synaptic_events_per_item"] / found["macs_of_ann"]
        assert speed["events_per_mac_one_ann_per_image"] == ratio
        assert np.isclose(speed["events_per_mac_one_ann_per_ms"] * 1e3 * period, ratio, rtol=1e-12)
    spikes = [found["decisions"][name]["spikes_per_item"] for name in ("coarse", "margin", "fine")]
    assert spikes == sorted(spikes) and spikes[0] < found["decisions"]["arousal"]["spikes_per_item"]
    lines = (tmp_path / "s" / "streaming.csv").read_text().splitlines()
    assert lines[0] == "tau_eta_ms,ms_per_image,ms,accuracy" and len(lines) == 1 + 300 + 150 + 100
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"summary.json", "streaming.csv", "streaming.png"}


@pytest.mark.parametrize("change, message", [
    ({"fine": 0.7}, "fine of experiment .asnn-streaming. is 0.7; it must be below coarse"), ({"images": 1}, "images of exp"),
])
def test_settings_of_the_streaming_experiment(tmp_path, change, message):
    from eventsnn.experiments import run_experiment

    with pytest.raises(ParameterError, match=message):
        run_experiment("asnn-streaming", change, tmp_path / "s")
