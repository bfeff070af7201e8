"""Training EqSpike networks: it learns, resumes exactly, does not depend on threads; files, tasks, evaluation by the engine."""

import json
import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from eventsnn.data.digits import digits
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.experiments.evaluate import evaluate
from eventsnn.experiments.training import train_task
from eventsnn.learn.eqspike import training
from eventsnn.learn.eqspike.config import EqSpikeConfig
from eventsnn.learn.eqspike.files import eqspike_names, load_eqspike, save_eqspike
from eventsnn.learn.eqspike.network import EqSpikeNetwork
from eventsnn.learn.eqspike.recipes import data_of, recipe
from eventsnn.learn.eqspike.training import accuracy, counted, train

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
SMALL = EqSpikeConfig(hidden=12, epochs=2, free=0.08, nudged=0.05, rates=(0.5, 0.1), batch=10, chunk=3, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def data():
    pixels, labels = data_of("digits")["train"]
    return {"train": (pixels[:95], labels[:95]), "validation": (pixels[95:150], labels[95:150])}


def same(a, b):
    return all(np.array_equal(getattr(a.network, name), getattr(b.network, name)) for name in ("w1", "w2", "bias"))


@pytest.mark.parametrize("changes", [
    {}, {"phases": "three", "sign": "fixed", "inputs": "spikes"}, {"at_once": True, "batch": 1},
    {"loss": "softmax", "phases": "swing", "optimiser": "adam", "rates": (0.003, 0.002), "output_scale": 0.3},
])
def test_threads_and_interruptions_change_no_bit(data, tmp_path, monkeypatch, changes):
    config = replace(SMALL, **changes)
    whole = train(config, data=data, progress=False)
    assert same(whole, train(replace(config, threads=2), data=data, progress=False))
    assert not same(whole, train(replace(config, seed=1), data=data, progress=False))
    step, calls, file = training._apply, [], tmp_path / "c.npz"

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 14:
            raise KeyboardInterrupt
        step(*arguments)

    monkeypatch.setattr(training, "_apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, data=data, progress=False, checkpoint=file)
    monkeypatch.setattr(training, "_apply", step)
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]
    again = train(replace(config, threads=2), data=data, progress=False, checkpoint=file, resume=file)
    assert same(whole, again) and np.array_equal(whole.curve["validation_accuracy"], again.curve["validation_accuracy"])
    assert whole.counts == again.counts
    assert same(whole, train(config, data=data, progress=False, resume=file))


def test_foreign_and_damaged_checkpoints_are_refused(data, tmp_path):
    file = tmp_path / "c.npz"
    train(replace(SMALL, epochs=1), data=data, progress=False, checkpoint=file)
    with pytest.raises(FormatError, match="beta: 0.5 there, 1.0 here"):
        train(replace(SMALL, epochs=1, beta=1.0), data=data, progress=False, resume=file)
    with pytest.raises(FormatError, match="optimiser: 'plain' there, 'adam' here"):
        train(replace(SMALL, epochs=1, optimiser="adam"), data=data, progress=False, resume=file)
    with pytest.raises(FormatError, match="shapes differ"):
        part = {"train": tuple(each[data["train"][1] < 9] for each in data["train"])}
        train(replace(SMALL, epochs=1), data=part, progress=False, resume=file)
    whole = file.read_bytes()
    for damaged in (b"", b"no archive", whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(FormatError, match="is not a checkpoint"):
            train(SMALL, data=data, progress=False, resume=file)


def test_it_learns():
    pixels, labels = data_of("digits")["train"]
    few = labels < 4
    pixels, labels = pixels[few], labels[few]
    config = EqSpikeConfig(hidden=30, epochs=3, rates=(0.5, 0.1))
    result = train(config, data={"train": (pixels[:400], labels[:400]), "test": (pixels[400:], labels[400:])}, progress=False)
    assert result.test_accuracy > 0.9
    assert result.test_accuracy == accuracy(result.network, pixels[400:], labels[400:], config.free)
    assert result.counts["weight_updates"] == result.counts["synaptic_operations_learning"] > 0.0


@pytest.mark.parametrize("change", [
    {"hidden": 0}, {"hidden": 1.5}, {"beta": 0.0}, {"beta": float("nan")}, {"rates": (0.1,)}, {"rates": (0.1, -1.0)},
    {"tau_mem": float("inf")}, {"phases": "four"}, {"sign": "both"}, {"inputs": "none"}, {"seed": -1}, {"theta": 0.0},
    {"batch": True}, {"free": 9.0}, {"epochs": 0}, {"loss": "hinge"}, {"steepness": 0.0}, {"least_error": -0.1},
    {"optimiser": "sgd"}, {"bias_output": float("inf")}, {"output_scale": float("nan")},
])
def test_bad_settings_name_the_parameter(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        EqSpikeConfig(**change)


def test_changes_at_once_need_single_samples():
    with pytest.raises(ParameterError, match="batch must be 1"):
        EqSpikeConfig(at_once=True)
    with pytest.raises(ParameterError, match="optimiser must be 'plain'"):
        EqSpikeConfig(at_once=True, batch=1, optimiser="adam")


def test_bad_data_are_named(data):
    pixels, labels = data["train"]
    for bad in ((pixels / 255.0, labels), (pixels, labels[:-1]), (pixels, -labels), (pixels[:0], labels[:0])):
        with pytest.raises(InputError, match="train"):
            train(SMALL, data={"train": bad}, progress=False)
    with pytest.raises(InputError, match="validation"):
        train(SMALL, data=data | {"validation": (pixels, labels + 1)}, progress=False)


def test_networks_check_their_parts():
    with pytest.raises(ParameterError, match="w1, w2, bias"):
        EqSpikeNetwork(np.zeros((2, 3)), np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ParameterError, match="w2 must be finite"):
        EqSpikeNetwork(np.zeros((2, 3)), np.full((3, 1), np.nan), np.zeros(4))
    with pytest.raises(ParameterError, match="theta"):
        EqSpikeNetwork(np.zeros((2, 3)), np.zeros((3, 1)), np.zeros(4), theta=0.0)
    with pytest.raises(InputError, match="pixels"):
        EqSpikeNetwork(np.zeros((2, 3)), np.zeros((3, 1)), np.zeros(4)).free_phases(np.zeros((1, 3), np.uint8), 0.1)


def test_counts_follow_the_fan_out():
    found = counted(np.array([[10, 3, 2, 0], [5, 1, 1, 0]]), (8, 7, 4))
    assert found == {"spikes_free": 15, "spikes_learning": 7, "synaptic_operations_free": 10 * 7 + 3 * 4 + 2 * 7,
                     "synaptic_operations_learning": 5 * 7 + 4 + 7, "weight_updates": 5 * 7 + 4 + 7}


def test_a_task_trains_writes_a_model_and_the_engine_agrees(tmp_path):
    out = tmp_path / "net.h5"
    found = train_task("eqspike-digits", seeds=2, out=out, threads=2, changes={"epochs": 1, "hidden": 20})
    assert [path.name for path in tmp_path.iterdir()] == ["net.h5"] and len(found["test_accuracy_per_seed"]) == 2
    network, facts = load_eqspike(out)
    assert network.sizes == (64, 20, 10) and facts["data"] == "digits" and facts["config"]["epochs"] == 1
    seen = evaluate(str(out), limit=40, jobs=2)
    assert seen["layers"] == [64, 20, 10] and seen["n_test"] == 40
    assert seen["same_output_spike_counts"] == 1.0 and seen["accuracy"] == seen["accuracy_kernels"]
    pixels, labels = data_of("digits")["test"]
    assert seen["accuracy"] == accuracy(network, pixels[:40], labels[:40], facts["until"])
    with pytest.raises(ParameterError, match="hardware"):
        evaluate(str(out), hardware="brainscales2")
    with pytest.raises(ParameterError, match="limit"):
        evaluate(str(out), limit=0)


def test_validation_leaves_the_test_data_alone(tmp_path):
    found = train_task("eqspike-digits", out=tmp_path / "v.h5", changes={"epochs": 1, "hidden": 10, "validation": True})
    assert "test_accuracy" not in found and len(found["validation_accuracy_per_epoch"][0]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.h5", "v.png"]


def test_models_survive_their_files_and_damage_is_named(tmp_path):
    draw = np.random.default_rng(0)
    path = tmp_path / "n.h5"
    network = EqSpikeNetwork(draw.normal(size=(64, 5)), draw.normal(size=(5, 10)), draw.normal(size=15))
    save_eqspike(path, network, "digits", 0.2, {"seed": 3})
    back, facts = load_eqspike(path)
    assert facts == {"seed": 3, "data": "digits", "until": 0.2}
    assert np.array_equal(back.w1, network.w1.astype(np.float32)) and back.constants().tolist() == network.constants().tolist()
    for bad in ({"data": "cifar"}, {"until": 0.0}):
        with pytest.raises(ParameterError, match=next(iter(bad))):
            save_eqspike(tmp_path / "b.h5", network, **({"data": "digits", "until": 0.2} | bad))
    network.w1[0, 0] = 1e300
    with pytest.raises(ParameterError, match="float32"):
        save_eqspike(tmp_path / "b.h5", network, "digits", 0.2)
    assert [each.name for each in tmp_path.iterdir()] == ["n.h5"]
    with h5py.File(path, "a") as file:
        del file["w2"]
    with pytest.raises(FormatError, match="n.h5"):
        load_eqspike(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match="n.h5"):
        load_eqspike(path)
    with pytest.raises(UnknownNameError, match="model"):
        load_eqspike("eqspike-nothing")


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="EVENTSNN_DATA does not hold mnist")
@pytest.mark.parametrize(("name", "hidden"), [("eqspike-mnist100", 100), ("eqspike-mnist300", 300)])
def test_shipped_networks_classify_and_the_engine_agrees(name, hidden):
    assert name in eqspike_names()
    network, facts = load_eqspike(name)
    assert network.sizes == (784, hidden, 10)
    pixels, labels = data_of("mnist")["test"]
    few = accuracy(network, pixels[:600], labels[:600], facts["until"])
    assert abs(few - facts["test_accuracy"]) < 4.0 * np.sqrt(few * (1.0 - few) / 600)
    seen = evaluate(name, limit=20, jobs=1)
    assert seen["same_output_spike_counts"] == 1.0 and seen["accuracy"] == accuracy(network, pixels[:20], labels[:20], 0.2)


def test_recipes_refuse_what_they_do_not_know():
    for arguments, word in ((("eqspike-digit",), "eqspike-digits"), (("eqspike-mnist", "paler"), "paper")):
        with pytest.raises(UnknownNameError, match=word):
            recipe(*arguments)
    with pytest.raises(UnknownNameError, match="hidden"):
        recipe("eqspike-mnist", hiden=3)
    with pytest.raises(UnknownNameError, match="eqspike-digits"):
        train_task("eqspike-letters")


def test_digits_are_whole_and_damage_is_named(tmp_path):
    found = digits()
    assert {name: part[0].shape for name, part in found.items()} == {"train": (1437, 8, 8), "test": (360, 8, 8)}
    labels = np.r_[found["train"][1], found["test"][1]]
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    path = tmp_path / "digits.npz"
    np.savez(path, images=np.zeros((2, 8, 8), np.uint8) + 17, labels=np.zeros(2))
    with pytest.raises(FormatError, match="digits.npz"):
        digits(path)
    path.write_bytes(b"PK")
    with pytest.raises(FormatError, match="digits.npz"):
        digits(path)


def test_the_window_experiment(tmp_path):
    from eventsnn.experiments import run_experiment

    summary = run_experiment("eqspike-window", {"lags": 4}, tmp_path / "w")
    assert summary["difference"] < 1e-9
    assert {"eqspike_window.csv", "eqspike_window.png", "summary.json"} <= {path.name for path in (tmp_path / "w").iterdir()}
    assert json.loads((tmp_path / "w" / "summary.json").read_text())["pairs"] == 16
