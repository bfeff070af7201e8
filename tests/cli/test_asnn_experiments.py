"""Experiments on converted networks: what they write, and that their figures of merit are what they say."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from eventsnn.errors import ParameterError
from eventsnn.experiments import run_experiment
from eventsnn.experiments.asnn_curves import Shown, classification, first_at_least, images_of, numbers, steps
from eventsnn.experiments.asnn_sparsity import at_equal_precision, compare

DATA = Path(os.environ.get("EVENTSNN_DATA", "")) / "mnist"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="EVENTSNN_DATA does not hold mnist")
SMALL = {"images": 20, "until": 0.03, "until_poisson": 0.015, "images_precise": 2, "until_precise": 0.03, "m_f": "0.3,0.6"}


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_data
def test_asnn_mnist_writes_its_table_and_figure(tmp_path):
    found = run_experiment("asnn-mnist", {"preset": "quick", "images": 40}, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == found and found["n_test"] == 40
    rows = table(tmp_path / "asnn_mnist.csv")
    assert len(rows) == 50 and float(rows[-1]["accuracy"]) == found["accuracy"] > 0.95
    assert found["t_1pct_s"] == min(float(r["time_s"]) for r in rows if float(r["accuracy"]) >= found["accuracy_ann"] - 0.01)
    assert found["spikes_1pct"] < found["spikes_per_sample"] < found["synaptic_events_per_sample"]
    assert list(found["layers"]) == ["input", "layer1", "layer2"]
    assert all(0.9 < layer["slope"] < 1.01 and layer["rms"] < 0.1 for layer in found["layers"].values())
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000


@needs_data
def test_asnn_sparsity_writes_its_table_and_figure_and_does_not_depend_on_threads(tmp_path):
    found = run_experiment("asnn-sparsity", SMALL | {"threads": 1}, tmp_path / "here")
    assert json.loads((tmp_path / "here" / "summary.json").read_text()) == found
    rows = table(tmp_path / "here" / "sparsity.csv")
    assert {row["network"] for row in rows} == set(found["networks"]) and len(rows) == 2 * 30 + 4 * 15
    best = found["ratios"]["1pct"]
    mine, other = found["networks"][best["asnn"]], found["networks"][best["best_poisson"]]
    ratio = best[best["best_poisson"]]
    assert ratio["spikes"] == pytest.approx(other["spikes_1pct"] / mine["spikes_1pct"])
    assert ratio["time"]["100"] == pytest.approx(10.0 * other["t_1pct_s"] / mine["t_1pct_s"])
    assert (tmp_path / "here" / "sparsity.png").stat().st_size > 10_000
    again = run_experiment("asnn-sparsity", SMALL | {"threads": 2}, tmp_path / "again")
    assert {k: v for k, v in again.items() if k != "wall_s"} == {k: v for k, v in found.items() if k != "wall_s"}


@pytest.mark.parametrize("change, words", [
    ({"m_f": "0.1, many"}, "m_f of the experiment is '0.1, many'"), ({"rates": "0"}, "rates .* > 0"), ({"rates": ""}, "rates"),
    ({"model": "asnn-iris"}, "is for 'iris'"),
])
def test_bad_settings_are_named(tmp_path, change, words):
    with pytest.raises(ParameterError, match=words):
        run_experiment("asnn-sparsity", SMALL | change, tmp_path)


def test_too_short_a_run_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="until of the experiment is 0.0001 s; it must be at least step"):
        run_experiment("asnn-mnist", {"until": 1e-4}, tmp_path)


def curve(accuracy, spikes, rms=None):
    times = steps(len(accuracy) * 1e-3, 1e-3)
    rms = np.ones(times.size) if rms is None else np.array(rms)
    return Shown(times, np.array(accuracy), np.array(spikes, float), rms, 1.0, 0.0)


def test_time_to_classification_is_the_first_reading_within_the_margin():
    shown = curve([0.5, 0.97, 0.96, 0.98], [1, 20, 30, 40])
    found = classification(shown, 0.98)
    assert (found["t_1pct_s"], found["spikes_1pct"]) == (0.002, 20.0)
    assert (found["t_01pct_s"], found["spikes_01pct"]) == (0.004, 40.0)
    assert classification(shown, 0.99)["t_01pct_s"] is None
    assert first_at_least([], 0.5) is None and numbers(" 1,2.5", "m_f") == [1.0, 2.5]


def test_ratios_are_of_the_best_adapting_network():
    row = lambda t, spikes, events: {"t_1pct_s": t, "spikes_1pct": spikes, "events_1pct": events}  # noqa: E731
    rows = {"a": row(0.01, 100.0, 1000.0), "b": row(0.02, 50.0, 400.0), "p": row(0.005, 200.0, 4000.0),
            "q": row(None, None, None)}
    found = compare(rows, ["a", "b"], [100.0, 1000.0], "1pct")
    assert (found["asnn"], found["best_poisson"]) == ("b", "p") and "q" not in found
    assert found["p"] == {"spikes": 4.0, "synaptic_events": 10.0, "time": {"100": 2.5, "1000": 0.25}}
    silent = compare({"a": row(None, None, None), "p": rows["p"]}, ["a"], [100.0], "1pct")
    assert silent == {"asnn": None, "best_poisson": "p"}


def test_spikes_at_equal_precision():
    precise = {"a": curve([1.0] * 3, [1, 2, 4], [0.5, 0.3, 0.1]), "p": curve([1.0] * 3, [10, 20, 30], [0.4, 0.2, 0.1]),
               "q": curve([1.0] * 3, [10, 20, 30], [0.9, 0.8, 0.7])}
    found = at_equal_precision(precise, ["a"], 2e-3)["a"]
    assert found["logits_rms"] == 0.3 and found["p"]["spikes"] == 20.0 and found["p"]["times_the_spikes"] == 10.0
    assert found["q"] == {"least_rms": 0.7}


@needs_data
def test_images_come_with_the_logits_of_the_ann():
    layers, shape, inputs, labels, logits = images_of("asnn-mnist-mlp", 300)
    assert inputs.shape == (300, 784) and shape == (784,) and len(layers) >= 5
    assert np.mean(logits.argmax(axis=1) == labels) > 0.97
