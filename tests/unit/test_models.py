"""Files of trained networks, the shipped ones, and their evaluation by the event engine."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from eventsnn.errors import FormatError, ParameterError, UnknownNameError
from eventsnn.experiments.evaluate import evaluate
from eventsnn.learn.first_spike.network import FirstSpikeNetwork
from eventsnn.learn.models import load_model, model_names, save_model

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
IMAGES = {"mnist": ([784, 350, 10], 0.971), "mnist16": ([256, 246, 10], 0.9788),
          "mnist-best": ([784, 600, 10], 0.9841)}  # layers, accuracy of the shipped file on all 10,000 images
POINTS = {"yinyang": 0.955, "yinyang-delays": 0.97}  # floors of the shipped files on the 1,000 test points


def small(delays=None):
    draw = np.random.default_rng(0)
    return FirstSpikeNetwork([draw.normal(1.5, 0.8, (5, 12)), draw.normal(0.6, 0.5, (13, 3))], delays=delays)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", [None, "axonal", "dendritic", "synaptic"])
def test_a_model_survives_its_file(tmp_path, kind, dtype):
    shape = {None: None, "axonal": 5, "dendritic": 12, "synaptic": (5, 12)}[kind]
    network = small(None if kind is None else [(kind, np.full(shape, 0.3)), None])
    path = tmp_path / "model.h5"
    save_model(path, network, "yinyang", {"seed": 3}, dtype)
    back, facts = load_model(path)
    assert facts == {"seed": 3, "encoding": "yinyang"}
    assert np.array_equal(back.flat, network.flat.astype(dtype).astype(float))
    assert np.array_equal(back.lags, network.lags.astype(dtype).astype(float))
    assert back.bias_times == network.bias_times and back.kinds.tolist() == network.kinds.tolist()


def test_bad_models_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="encoding"):
        save_model(tmp_path / "a.h5", small(), "cifar")
    with pytest.raises(ParameterError, match="float16"):
        network = small()
        network.flat[0] = 1e6
        save_model(tmp_path / "a.h5", network, "yinyang")
    with pytest.raises(ParameterError, match="int8"):
        save_model(tmp_path / "a.h5", small(), "yinyang", dtype="int8")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UnknownNameError, match="yinyan"):
        load_model("yinyan")


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "model.h5"
    save_model(path, small(), "yinyang")
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="model.h5"):
            load_model(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(FormatError, match="99"):
        load_model(path)
    with h5py.File(path, "a") as file:
        file.attrs["format"] = "something else"
    with pytest.raises(FormatError, match="not a first-spike network"):
        load_model(path)
    with h5py.File(path, "a") as file:
        file.attrs.update({"format": "eventsnn first-spike network", "version": 1})
        del file["layer1/weights"]
    with pytest.raises(FormatError, match="cannot be read"):
        load_model(path)


def test_shipped_models_say_how_they_were_chosen():
    assert set(POINTS) <= set(model_names())
    for name in model_names():
        network, facts = load_model(name)
        assert {"config", "validation_accuracy", "selected"} <= set(facts), name
        assert json.dumps(facts) and np.isfinite(network.flat).all()


@pytest.mark.parametrize("scheduler", ["auto", "heap"])
@pytest.mark.parametrize("name", POINTS)
def test_shipped_point_models_by_the_event_engine(name, scheduler):
    found = evaluate(name, scheduler=scheduler)
    assert found["n_test"] == 1000 and found["times_agree"]
    assert found["accuracy"] == found["accuracy_kernels"] >= POINTS[name]
    assert 0.5 < found["latency_tau_syn_mean"] < found["latency_tau_syn_p95"] < 4.0
    assert found["spikes_per_sample"] > 4.0 and found["energy_j_per_sample"] > 0.0


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="EVENTSNN_DATA does not hold mnist")
@pytest.mark.parametrize("name", IMAGES)
def test_shipped_image_models_on_the_first_images(name):
    found = evaluate(name, limit=100)
    assert found["times_agree"] and found["accuracy"] == found["accuracy_kernels"] >= 0.95
    assert found["layers"] == IMAGES[name][0]


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="EVENTSNN_DATA does not hold mnist")
@pytest.mark.parametrize("scheduler", ["layered", "heap"])
@pytest.mark.parametrize("name", IMAGES)
def test_shipped_image_models_on_all_images(name, scheduler):
    found = evaluate(name, scheduler=scheduler)
    assert found["n_test"] == 10_000 and found["times_agree"]
    assert found["accuracy"] == found["accuracy_kernels"] == IMAGES[name][1]


def test_a_limit_takes_the_first_samples_and_must_be_positive():
    assert evaluate("yinyang", limit=7)["n_test"] == 7
    with pytest.raises(ParameterError, match="limit"):
        evaluate("yinyang", limit=0)
