"""The NIR paper's convolutional network on real recordings: grid time against a plain loop, and how many digits are right."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es

nir = pytest.importorskip("nir")
ROOT = Path(os.environ.get("EVENTSNN_DATA", ""))
EXAMPLE = Path(__file__).parents[2] / "examples" / "06_nir_digits.py"
GRAPH = ROOT / "nir/paper/02_cnn/cnn_sinabs.nir"
pytestmark = pytest.mark.skipif(not (GRAPH.is_file() and (ROOT / "nmnist_small").is_dir()),
                                reason="needs nir and nmnist_small in EVENTSNN_DATA")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("nir_digits", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def nodes(example):
    return example.in_order(nir.read(GRAPH))


def convolve(x, weight, stride, padding):
    """Cross-correlation of x [steps, c, h, w], all steps at once."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))[:, :, ::stride[0], ::stride[1]]
    return np.einsum("tcyxij,ocij->toyx", windows, weight, optimize=True)


def loop(nodes, counts):
    """Output spikes of every IF node, layer by layer, in float64: at most one spike per step, subtract the threshold."""
    x, found = counts, []
    for node in nodes:
        kind = type(node).__name__
        if kind == "Conv2d":
            x = convolve(x, node.weight.astype(np.float64), node.stride, node.padding)
        elif kind == "SumPool2d":
            x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).sum((3, 5))
        elif kind == "Flatten":
            x = x.reshape(len(x), -1)
        elif kind == "Affine":
            x = x @ node.weight.astype(np.float64).T
        else:
            v, spikes = np.zeros(x.shape[1:]), np.zeros(x.shape)
            for t, s in enumerate(x):
                v += s
                spikes[t] = v >= 1.0
                v -= spikes[t]
            x = spikes
            found.append(spikes)
    return found


def test_the_network_in_grid_time_is_the_clocked_loop(example, nodes):
    from eventsnn.data.nmnist import nmnist_small
    events = es.open_events(nmnist_small()["test"][3][0]).read()
    at = np.floor(events.t / 1e-3 + 1e-6).astype(int)
    early = at < 60
    counts = np.zeros((65, 2, 34, 34))
    np.add.at(counts, (at[early], events.p[early].astype(int), events.y[early], events.x[early]), 1.0)
    net, shape = example.network(nodes, example.clocked)
    who = (events.p.astype(np.int64) * 34 + events.y) * 34 + events.x
    run = es.simulate(net, {"in": es.Spikes(at[early] * 1e-3, who[early])}, until=0.064, dt=1e-3)
    names = [n for n in net.populations if n != "in"]
    for name, expected in zip(names, loop(nodes, counts), strict=True):
        found = np.zeros((65, expected[0].size))
        found[np.rint(run.spikes[name].times / 1e-3).astype(int), run.spikes[name].neurons] = 1.0
        assert np.array_equal(found, expected.reshape(65, -1)), name
        assert expected.sum() > 5


@pytest.mark.parametrize("dt", [pytest.param(1e-3, id="grid"), pytest.param(None, id="continuous", marks=pytest.mark.slow)])
def test_it_reads_at_least_94_of_100_digits(example, nodes, dt):
    from eventsnn.data.nmnist import nmnist_small
    assert example.classify(nodes, nmnist_small()["test"], dt)["right"] >= 94
