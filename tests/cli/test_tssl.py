"""`eventsnn train tssl-digits` and `eventsnn evaluate` on what it wrote."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eventsnn.cli import app
from eventsnn.data.events import Events
from eventsnn.learn.tssl_bp.models import load_tssl, tssl_names

FOLDERS = {"mnist": "mnist", "fashion": "fashion_mnist", "nmnist": "nmnist_small"}


def run(*words):
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    file = tmp_path_factory.mktemp("tssl") / "digits.h5"
    return file, run("train", "tssl-digits", "--set", "epochs=8", "--set", "validation=200", "--seeds", "2", "--out", str(file))


def test_training_writes_a_model_and_its_curves(trained):
    file, summary = trained
    assert summary["trained_on"] == 1237 and len(summary["validation_accuracy_per_seed"]) == 2
    assert 0.75 < summary["test_accuracy"] < 1.0
    curves = json.loads(file.with_suffix(".curves.json").read_text())
    assert sorted(curves) == ["0", "1"] and len(curves["0"]["loss"]) == 8 and np.shape(curves["1"]["activity"]) == (8, 2)
    assert summary["figure"] == str(file.with_suffix(".png")) and Path(summary["figure"]).stat().st_size > 10_000
    assert not list(file.parent.glob("*.npz"))


def test_the_model_is_evaluated_on_the_event_engine_with_the_same_spikes(trained):
    file, summary = trained
    found = run("evaluate", str(file), "--limit", "120")
    assert found["same_spikes"] is True and found["different_spikes"] == 0 and found["n_test"] == 120
    assert found["accuracy"] == found["accuracy_dense"] > 0.7
    assert len(found["spikes_per_neuron_and_step"]) == 2 and 0.0 < found["spikes_per_neuron_and_step"][1] < 0.3
    spikes = 5 * (100 * found["spikes_per_neuron_and_step"][0] + 10 * found["spikes_per_neuron_and_step"][1])
    assert found["spikes_per_sample"] == pytest.approx(spikes)
    assert found["dense_macs_per_sample"] == 5 * 1000 and len(found["silent_share"]) == 2
    # every hidden spike meets ten synapses; those of images, 100 per sample, are left out
    assert found["macs_saved"] == pytest.approx(5000 / (10 * 5 * 100 * found["spikes_per_neuron_and_step"][0]))
    assert 1.0 - 5 * found["spikes_per_neuron_and_step"][0] <= found["silent_share"][0] < 1.0


def test_an_interrupted_training_goes_on(trained, tmp_path):
    from eventsnn.experiments.train_tssl import train_task
    from eventsnn.learn.tssl_bp.recipes import data_of, recipe
    from eventsnn.learn.tssl_bp.training import train

    out = tmp_path / "digits.h5"
    data = data_of("digits", validation=200)
    train(recipe("tssl-digits", epochs=3)[1], data, progress=False, checkpoint=tmp_path / "digits-seed0.npz")
    train_task("tssl-digits", out=out, changes={"epochs": 8, "validation": 200})
    curves = [json.loads(path.with_suffix(".curves.json").read_text())["0"] for path in (trained[0], out)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("words, text", [
    (["train", "tssl-moons"], "unknown task 'tssl-moons'"), (["train", "tssl-digits", "--preset", "slow"], "unknown preset"),
    (["train", "tssl-digits", "--set", "speed=1"], "unknown setting"),
    (["train", "tssl-digits", "--seeds", "0"], "seeds must be"),
    (["train", "tssl-digits", "--set", "validation=-1"], "validation must be"),
])
def test_mistakes_are_named(words, text, tmp_path):
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "x.h5")])
    assert result.exit_code == 2 and text in result.output
    assert not list(tmp_path.iterdir())


def test_a_limit_below_one_is_refused(trained):
    result = CliRunner().invoke(app, ["evaluate", str(trained[0]), "--limit", "0"])
    assert result.exit_code == 2 and "limit must be >= 1" in result.output


@pytest.mark.parametrize("name", tssl_names())
def test_shipped_models_spike_as_the_dense_loop_does(name):
    facts = load_tssl(name)[1]
    if not (Path(os.environ.get("EVENTSNN_DATA", "")) / FOLDERS[facts["data"]]).is_dir():
        pytest.skip(f"EVENTSNN_DATA does not hold {FOLDERS[facts['data']]}")
    found = run("evaluate", name, "--limit", "40")
    assert found["different_spikes"] == 0 and found["accuracy"] == found["accuracy_dense"] > 0.8
    assert found["macs_saved"] > 1.0 and all(0.0 < share < 1.0 for share in found["silent_share"])


def test_recordings_are_binned_as_they_were_in_training(tmp_path, monkeypatch):
    from eventsnn.learn.tssl_bp import recipes
    from eventsnn.learn.tssl_bp.inputs import Recordings

    draw, bins = np.random.default_rng(0), []

    def films(x, y, bin):
        bins.append(bin)
        found = [Events(np.sort(draw.uniform(0.0, 0.1, 50)), draw.integers(0, 4, 50), draw.integers(0, 4, 50),
                        draw.integers(0, 2, 50)) for _ in x]
        return Recordings(found, y, size=4, steps=5, bin=bin)

    files = {split: (np.arange(n), np.arange(n) % 3) for split, n in (("train", 30), ("test", 12))}
    monkeypatch.setitem(recipes.SETS, "nmnist", lambda steps, shift, seed, bin: (files, lambda x, y: films(x, y, bin)))
    file = tmp_path / "films.h5"
    small = [word for change in ("layers=[10, 3]", "steps=5", "epochs=1", "bin=0.02") for word in ("--set", change)]
    run("train", "tssl-nmnist", *small, "--out", str(file))
    assert run("evaluate", str(file))["different_spikes"] == 0
    assert bins == [0.02] * 3
