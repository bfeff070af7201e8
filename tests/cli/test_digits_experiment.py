"""The experiment on digits: what it writes, that it goes on where it was, and that its figures of merit are what they say."""

import csv
import doctest
import json
import os
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import ParameterError
from eventsnn.experiments import digit_features, run_experiment, stdp_digits
from eventsnn.experiments.config import describe, load_plan
from eventsnn.report.digits import plot_features

DATA = Path(os.environ.get("EVENTSNN_DATA", "")) / "mnist"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="EVENTSNN_DATA does not hold mnist")
TIMES = {"wall_s", "learn_s", "learn_cpu_s", "test_s", "test_cpu_s", "ns_per_synaptic_event_test"}
TINY = {"neurons": 6, "images": 30, "checkpoint": 8}


def settings_of(**changes):
    return load_plan("stdp-digits", TINY | changes).settings


def bars(n, seed=0):
    """Pictures uint8 [n, 25] of one bright row of a square with some noise, and the number of the row."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n)
    pictures = rng.integers(0, 40, (n, 5, 5)).astype(np.uint8)
    pictures[np.arange(n), labels] = 255
    return pictures.reshape(n, 25), labels


def untimed(found):
    return {k: v for k, v in found.items() if k not in TIMES}


@pytest.mark.parametrize("module", [digit_features, stdp_digits])
def test_examples(module):
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0


def test_listed_with_presets():
    assert describe("stdp-digits")[1] == ["paper", "paper-400", "quick"]
    assert load_plan("stdp-digits").preset == "quick"
    assert load_plan("stdp-digits", {"preset": "paper"}).settings["images"] == 60_000
    assert load_plan("stdp-digits", {"preset": "paper-400"}).settings["neurons"] == 400


@needs_data
def test_runs_on_mnist_and_says_what_it_wrote(tmp_path):
    changes = {"neurons": 10, "images": 120, "label_images": 60, "test_images": 50, "held_out": 10_000}
    found = run_experiment("stdp-digits", changes, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == found
    assert sorted(p.name for p in tmp_path.iterdir()) == ["confusion.png", "learning.csv", "learning.png", "summary.json",
                                                          "weights.npz", "weights.png"]
    with np.load(tmp_path / "weights.npz") as file:
        weights, confusion, digits = file["weights"], file["confusion"], file["digits"]
    assert weights.shape == (784, 10) and weights.min() >= 0.0 and weights.max() <= 1.0
    assert np.linalg.norm(weights, axis=0) == pytest.approx(7.0, rel=0.02)  # as far as no weight is at its largest
    assert confusion.sum() == found["n_test"] == 50 and np.trace(confusion) / 50 == found["accuracy"] > 0.25
    assert np.bincount(digits[digits >= 0], minlength=10).tolist() == found["neurons_by_digit"]
    assert found["synaptic_events_per_image"] == pytest.approx(10 * found["input_spikes_per_image"], rel=0.05)
    joules = found["energy_j_per_image"] - found["energy_j_per_image_events"]
    assert joules == pytest.approx(0.104)  # Loihi, one second
    with open(tmp_path / "learning.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 19 and int(rows[-1]["images"]) == 120 and float(rows[-1]["accuracy"]) == found["accuracy_last_learned"]
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("weights.png", "learning.png", "confusion.png"))


@needs_data
@pytest.mark.parametrize("rescale", [1, 3])
def test_goes_on_after_an_interrupt_with_the_same_bits(tmp_path, monkeypatch, capsys, rescale):
    changes = TINY | {"label_images": 20, "test_images": 10, "rescale": rescale}
    whole = run_experiment("stdp-digits", changes, tmp_path / "whole")
    trigger = es.Simulation.trigger

    def interrupted(self, name, **values):
        if self.time > 20.5:
            raise KeyboardInterrupt
        return trigger(self, name, **values)

    monkeypatch.setattr(es.Simulation, "trigger", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_experiment("stdp-digits", changes, tmp_path / "parts")
    assert "goes on from there" in capsys.readouterr().err
    monkeypatch.undo()
    kept, beside = sorted((tmp_path / "parts").iterdir())
    assert es.Simulation.resume(kept).time == pytest.approx(16.0) and np.load(beside).shape == (16, 6)
    again = run_experiment("stdp-digits", changes, tmp_path / "parts")
    assert untimed(again) == untimed(whole) and not kept.exists() and not beside.exists()
    with np.load(tmp_path / "whole" / "weights.npz") as a, np.load(tmp_path / "parts" / "weights.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in a.files)


def test_neurons_learn_the_bars_they_see(tmp_path):
    s = settings_of(images=300, length=2.0, psp=2.0, neurons=8, checkpoint=1000)
    pictures, labels = bars(300)
    simulation, _ = digit_features.learn(s, pictures, tmp_path / "c.h5")
    weights, thresholds = digit_features.weights_now(simulation, s), simulation.state("exc")["threshold"]
    rows = weights.reshape(5, 5, 8).mean(axis=1)  # mean weight of each row of pixels, for each neuron
    best = np.sort(rows, axis=0)
    clear = best[-1] > 3.0 * best[-2]
    assert clear.sum() >= 5 and set(rows.argmax(axis=0)[clear]) == set(range(5))
    known, _ = digit_features.respond(s, weights, thresholds, pictures[:100], digit_features.LABEL)
    digits = digit_features.names(digit_features.mean_responses(known, labels[:100]))
    assert np.array_equal(digits[clear], rows.argmax(axis=0)[clear])
    new, new_labels = bars(100, seed=1)
    found, counts = digit_features.respond(s, weights, thresholds, new, digit_features.TEST)
    assert (digit_features.classify(found, digits) == new_labels).mean() > 0.95
    assert found.sum() == counts.spikes["exc"]


def test_the_state_after_an_image_follows_from_its_spikes(tmp_path, monkeypatch):
    s = settings_of(images=3, length=2.0, psp=2.0, eta_end=0.02)
    pictures, _ = bars(3)
    news, seen = es.Simulation.news, []

    def noted(self, *args, **options):
        found = news(self, *args, **options)
        seen.append(found["exc"])
        return found

    monkeypatch.setattr(es.Simulation, "news", noted)
    simulation, shown = digit_features.learn(s, pictures, tmp_path / "c.h5")
    high = digit_features.largest_weight(s)
    weights = digit_features.first_weights(s, 25) * high
    thresholds = np.full(6, s["v_threshold"])
    arrivals = digit_features.image_spikes(s, pictures, [0, 1, 2], digit_features.LEARN, 0.0)
    for k in range(3):
        for t, neuron in zip(seen[k].times, seen[k].neurons):
            before = arrivals.times <= t
            ages = t - arrivals.times[before]
            rate = np.bincount(arrivals.neurons[before], np.exp(-ages / s["tau_trace"]), 25) / (s["rate"] * s["tau_trace"])
            weights[:, neuron] = np.clip(weights[:, neuron] + s["eta"] * (high * rate - weights[:, neuron]), 0.0, high)
            thresholds[neuron] += s["theta_plus"]
        weights = np.clip(weights * (s["length"] * high / np.linalg.norm(weights, axis=0)), 0.0, high)
        thresholds = s["v_threshold"] + (thresholds - s["v_threshold"]) * np.exp(-1.0 / s["tau_theta"])
    assert np.array_equal(shown, [np.bincount(spikes.neurons, minlength=6) for spikes in seen]) and shown.sum() > 5
    assert simulation.state("exc")["threshold"] == pytest.approx(thresholds, rel=1e-12)
    assert digit_features.weights_now(simulation, s) * high == pytest.approx(weights, rel=1e-9)


@pytest.mark.parametrize("scheduler", ["window", "auto"])
def test_the_network_that_does_not_learn_answers_the_same_from_every_scheduler(scheduler):
    s = settings_of(psp=2.0, length=2.0)
    pictures, _ = bars(60)
    weights, thresholds = digit_features.first_weights(s, 25), np.full(6, 13.0)
    first, counts = digit_features.respond(s | {"scheduler": "heap"}, weights, thresholds, pictures, digit_features.TEST)
    second, others = digit_features.respond(s | {"scheduler": scheduler}, weights, thresholds, pictures, digit_features.TEST)
    assert first.sum() > 0 and np.array_equal(first, second) and counts == others
    alone, _ = digit_features.respond(s, weights, thresholds, pictures[:7], digit_features.TEST)
    assert np.array_equal(alone, first[:7])


def test_spikes_of_an_image_depend_on_its_number_only():
    s = settings_of()
    pictures, _ = bars(200)
    spikes = digit_features.image_spikes(s, pictures, np.arange(200), digit_features.LEARN, 0.0)
    part = digit_features.image_spikes(s, pictures[3:5], [3, 4], digit_features.LEARN, 3.0)
    mine = (spikes.times >= 3.0) & (spikes.times < 5.0)
    assert np.array_equal(spikes.neurons[mine], part.neurons)
    assert np.allclose(spikes.times[mine], part.times, rtol=0.0, atol=1e-12)
    other = digit_features.image_spikes(s, pictures[3:5], [3, 4], digit_features.TEST, 3.0)
    assert not np.array_equal(other.times, part.times)
    assert (spikes.times % 1.0).max() < s["shown"]
    expected = pictures.sum(dtype=float) / 255.0 * s["rate"] * s["shown"]
    assert abs(len(spikes) - expected) < 5.0 * np.sqrt(expected)


def test_classes_are_voted_by_the_mean_of_their_neurons():
    rng = np.random.default_rng(2)
    spikes, digits = rng.poisson(1.0, (50, 12)), rng.integers(-1, 4, 12)
    found = digit_features.classify(spikes, digits, 4)
    for row, answer in zip(spikes, found):
        means = {c: row[digits == c].mean() for c in range(4) if np.any(digits == c)}
        assert answer == (max(means, key=means.get) if max(means.values()) > 0.0 else -1)


def test_a_picture_of_every_number_of_neurons_can_be_drawn(tmp_path):
    for n in (1, 5, 200):
        plot_features(np.random.default_rng(n).random((25, n)), np.full(n, -1), tmp_path / f"{n}.png")
        assert (tmp_path / f"{n}.png").stat().st_size > 5_000


@needs_data
@pytest.mark.parametrize("change, words", [
    ({"label_images": 50_001, "held_out": 10_000}, "label_images of experiment 'stdp-digits' is 50001; there are 50000"),
    ({"test_images": 10_001}, "test_images of experiment 'stdp-digits' is 10001; there are 10000"),
])
def test_more_images_than_there_are_are_refused(tmp_path, change, words):
    with pytest.raises(ParameterError, match=words):
        run_experiment("stdp-digits", change, tmp_path)
    assert not list(tmp_path.iterdir())
