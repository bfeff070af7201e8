"""Files of plain networks, the shipped ones, their evaluation, and the two small data sets."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import eventsnn as es
from eventsnn.conversion.files import is_plain, load_plain, plain_names, save_plain
from eventsnn.data.tables import iris, sonar
from eventsnn.errors import FormatError, ParameterError, UnknownNameError
from eventsnn.experiments.evaluate import evaluate
from eventsnn.experiments.evaluate_asnn import settled

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))


def layers():
    draw = np.random.default_rng(0)
    kernel, norm, readout = draw.normal(size=(4, 1, 3, 3)), draw.uniform(0.5, 1.0, (4, 4)), draw.normal(size=(3, 48))
    return [es.ann.Conv2d(kernel, None, (2, 1), 1), es.ann.BatchNorm(*norm), es.ann.ReLU(), es.ann.AvgPool2d((1, 2)),
            es.ann.Flatten(), es.ann.Dropout(), es.ann.Linear(readout)]


def test_a_network_survives_its_file(tmp_path):
    save_plain(tmp_path / "net.h5", layers(), (1, 6, 8), "mnist", {"seed": 3}, dtype="float32")
    back, shape, facts = load_plain(tmp_path / "net.h5")
    assert shape == (1, 6, 8) and facts == {"seed": 3, "data": "mnist"} and is_plain(tmp_path / "net.h5")
    x = np.random.default_rng(1).uniform(size=(2, 1, 6, 8))
    np.testing.assert_allclose(es.ann.evaluate(back, x), es.ann.evaluate(layers(), x), rtol=1e-5)
    assert [type(layer) for layer in back] == [type(layer) for layer in layers()] and back[0].stride == (2, 1)


def test_bad_networks_and_files_are_refused(tmp_path):
    for change, word in (({"data": "cifar"}, "data"), ({"dtype": "int8"}, "dtype"),
                         ({"layers": [es.ann.Residual()]}, "Residual"), ({"layers": [es.ann.Linear([[1e9]])]}, "float16")):
        with pytest.raises(ParameterError, match=word):
            save_plain(tmp_path / "a.h5", **({"layers": layers(), "input_shape": (1, 6, 8), "data": "mnist"} | change))
    assert not list(tmp_path.iterdir())
    with pytest.raises(UnknownNameError, match="asnn-irs"):
        load_plain("asnn-irs")
    path = tmp_path / "net.h5"
    save_plain(path, layers(), (1, 6, 8), "mnist")
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="net.h5"):
            load_plain(path)
        assert not is_plain(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(FormatError, match="version 99"):
        load_plain(path)


def test_when_a_prediction_has_settled():
    curve = np.zeros((3, 4, 2))
    curve[0, :, 1] = [1, -1, 1, 1]
    curve[1, :, 1] = [1, 1, 1, 1]
    curve[2, :, 1] = [1, 1, 1, -1]
    assert settled(curve, np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [3.0, 1.0, 4.0]


@pytest.mark.skipif(not (DATA / "sonar").is_dir(), reason="EVENTSNN_DATA holds no sonar")
def test_the_small_data_sets():
    for data, n, features, classes in ((iris(), 150, 4, 3), (sonar(), 208, 60, 2)):
        (x, y), (test, labels) = data["train"], data["test"]
        assert len(x) + len(test) == n and x.shape[1] == test.shape[1] == features
        assert set(y) == set(labels) == set(range(classes)) and len(test) == n // 3
    assert sonar()["train"][0].min() >= 0.0 and sonar()["train"][0].max() <= 1.0


@pytest.mark.skipif(not (DATA / "iris").is_dir(), reason="EVENTSNN_DATA holds no iris")
def test_the_shipped_iris_network_predicts_what_its_ann_does():
    assert "asnn-iris" in plain_names()
    found = evaluate("asnn-iris")
    assert found["same_prediction"] >= 0.99 and found["accuracy"] >= 0.94 and 0.0 < found["latency_s_mean"] < 0.05
    with pytest.raises(ParameterError, match="hardware"):
        evaluate("asnn-iris", hardware="brainscales2")


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="EVENTSNN_DATA holds no mnist")
def test_the_shipped_mnist_network_comes_near_its_ann():
    found = evaluate("asnn-mnist-mlp", limit=300)
    assert found["same_prediction"] >= 0.98 and found["spikes_per_sample"] < 2200 and found["latency_s_mean"] < 0.02
