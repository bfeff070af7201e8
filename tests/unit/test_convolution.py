"""Convolutional connections against the same synapses written out, and against the reference layer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import eventsnn as es
from eventsnn.ann import Conv2d as Layer
from eventsnn.errors import ParameterError


@some.composite
def convolutions(draw):
    groups = draw(some.integers(1, 2))
    channels, outs = groups * draw(some.integers(1, 2)), groups * draw(some.integers(1, 3))
    pair = lambda low, high: (draw(some.integers(low, high)), draw(some.integers(low, high)))  # noqa: E731
    size, stride, padding, dilation = pair(3, 7), pair(1, 3), pair(0, 2), pair(1, 2)
    tall = [draw(some.integers(1, min(3, (n + 2 * p - 1) // d + 1))) for n, p, d in zip(size, padding, dilation)]
    kernel = np.random.default_rng(draw(some.integers(0, 99))).normal(0.0, 1.0, (outs, channels // groups, *tall))
    return es.Conv2d(kernel.astype(draw(some.sampled_from([np.float32, np.float64]))), (channels, *size), stride, padding,
                     dilation=dilation, groups=groups)


def written_out(conv):
    """The matrix [n_source, n_target], from the reference layer applied to unit vectors."""
    layer = Layer(conv.kernel, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    units = np.eye(int(np.prod(conv.input_shape))).reshape(-1, *conv.input_shape)
    return layer(units).reshape(len(units), -1)


def network(connection, n_source, n_target):
    net = es.Network()
    net.add("in", es.Input(n_source))
    net.add("out", es.LIF(n_target, tau_mem=20e-3, tau_syn=5e-3, v_threshold=0.3, t_ref=1e-3))
    net.connect("in", "out", connection)
    return net


@settings(max_examples=40, deadline=None)
@given(convolutions(), some.integers(0, 99))
def test_the_same_bits_as_the_same_synapses_written_out(conv, seed):
    matrix = written_out(conv)
    n_source, n_target = matrix.shape
    assert n_target == np.prod(conv.output_shape)
    draw = np.random.default_rng(seed)
    spikes = {"in": es.Spikes(np.sort(draw.uniform(0.0, 0.03, 60)), draw.integers(0, n_source, 60))}
    pre, post = np.nonzero(matrix)
    listed = es.Sparse(pre, post, weight=matrix[pre, post])
    expected = es.simulate(network(listed, n_source, n_target), spikes, until=0.05)
    assert conv.n_synapses(n_source, n_target) == pre.size
    for scheduler in ("window", "heap", "reference"):
        found = es.simulate(network(conv, n_source, n_target), spikes, until=0.05, scheduler=scheduler)
        np.testing.assert_array_equal(found.spikes["out"].times, expected.spikes["out"].times)
        np.testing.assert_array_equal(found.spikes["out"].neurons, expected.spikes["out"].neurons)
        assert found.counts == expected.counts


def clocked(connection, n_source, n_target, scale):
    net = es.Network()
    net.add("in", es.Input(n_source))
    net.add("out", es.grid.Leaky(n_target, beta=0.9, threshold=scale))
    net.connect("in", "out", connection)
    return net


@settings(max_examples=40, deadline=None)
@given(convolutions(), some.integers(0, 99))
def test_in_grid_time_rows_are_added_up_as_if_written_out(conv, seed):
    """Every neuron gets something in every step, so the target is swept; three threads have rows in shards."""
    matrix = written_out(conv)
    draw = np.random.default_rng(seed)
    spikes = {"in": es.Spikes(np.repeat(np.arange(30) * 1e-3, 20), draw.integers(0, len(matrix), 600))}
    pre, post = np.nonzero(matrix)
    runs = [es.simulate(clocked(kind, *matrix.shape, 2.0), spikes, until=0.05, dt=1e-3, threads=threads)
            for kind, threads in ((es.Sparse(pre, post, weight=matrix[pre, post]), 1), (conv, 1), (conv, 3))]
    assert runs[1].diagnostics["swept"] > 16 * matrix.shape[1]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.spikes["out"].times, runs[0].spikes["out"].times)
        np.testing.assert_array_equal(run.spikes["out"].neurons, runs[0].spikes["out"].neurons)
        assert run.counts == runs[0].counts


@settings(max_examples=20, deadline=None)
@given(convolutions(), some.booleans(), some.integers(0, 99))
def test_in_grid_time_a_convolution_shares_its_port_with_other_synapses(conv, convolved, seed):
    """Sums of a neuron then mix two projections in the order of the spikes: the bits are those of synapses written out."""
    matrix = written_out(conv)
    draw = np.random.default_rng(seed)
    steps = np.repeat(np.arange(30) * 1e-3, 20)
    spikes = {name: es.Spikes(steps, draw.integers(0, len(matrix), 600)) for name in ("in", "more")}
    dense = es.Dense(draw.normal(size=matrix.shape))
    pre, post = np.nonzero(matrix)
    listed = es.Sparse(pre, post, weight=matrix[pre, post])
    runs = []
    for first, second in ((conv, conv if convolved else dense), (listed, listed if convolved else dense)):
        net = clocked(first, *matrix.shape, 2.0)
        net.add("more", es.Input(len(matrix)))
        net.connect("more", "out", second)
        simulation = es.Simulation(net, spikes, dt=1e-3)
        simulation.run(until=0.05)
        runs.append((simulation.result(), simulation.voltage("out")))
    (found, v), (expected, written) = runs
    assert found.diagnostics["swept"] > 16 * matrix.shape[1]
    np.testing.assert_array_equal(found.spikes["out"].times, expected.spikes["out"].times)
    np.testing.assert_array_equal(found.spikes["out"].neurons, expected.spikes["out"].neurons)
    np.testing.assert_array_equal(v, written)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_grid_time_tiles_are_the_same_neurons_in_another_order(dtype):
    draw = np.random.default_rng(2)
    kernel = draw.normal(0.1, 0.4, (3, 2, 3, 3)).astype(dtype)
    plain, tiled = (es.Conv2d(kernel, (2, 9, 9), padding=1, tile=tile) for tile in (1, (2, 3)))
    at, who = np.repeat(np.arange(40) * 1e-3, 10), draw.integers(0, 162, 400)
    runs = [es.simulate(clocked(conv, 162, n, 1.5), {"in": es.Spikes(at, who)}, until=0.05, dt=1e-3)
            for conv, n in ((plain, 3 * 81), (tiled, 3 * 72))]
    number = np.full((9, 9), -1)  # of a place in the tiled order
    number[:8] = np.arange(72).reshape(4, 3, 2, 3).transpose(0, 2, 1, 3).reshape(8, 9)
    channel, place = np.divmod(runs[0].spikes["out"].neurons, 81)
    mapped = np.where(number.ravel()[place] >= 0, channel * 72 + number.ravel()[place], -1)
    kept = mapped >= 0
    expected = np.stack([runs[0].spikes["out"].times[kept], mapped[kept]])
    found = np.stack([runs[1].spikes["out"].times, runs[1].spikes["out"].neurons])
    assert found.shape[1] > 50
    np.testing.assert_array_equal(found, expected[:, np.lexsort(expected[::-1])])


def test_threads_share_the_kernel_and_change_no_bit():
    draw = np.random.default_rng(0)
    conv = es.Conv2d(draw.normal(0.05, 0.1, (8, 3, 5, 5)), (3, 16, 16), stride=2, padding=2, delay=1e-3)
    spikes = {"in": es.Spikes(np.sort(draw.uniform(0.0, 0.1, 8000)), draw.integers(0, 768, 8000))}
    one, two = (es.simulate(network(conv, 768, 512), spikes, until=0.12, threads=k) for k in (1, 2))
    assert len(one.spikes["out"]) > 100
    np.testing.assert_array_equal(one.spikes["out"].times, two.spikes["out"].times)


def test_only_the_kernel_is_stored():
    conv = es.Conv2d(np.ones((32, 16, 3, 3), np.float32), (16, 64, 64), padding=1)
    net = network(conv, 16 * 64 * 64, 32 * 64 * 64)
    simulation = es.Simulation(net)
    wiring = simulation.lowered.wiring
    assert conv.n_synapses(65536, 131072) > 1.8e7 and sum(a.nbytes for a in wiring[5:]) < 1e5


@pytest.mark.parametrize("change, words", [
    ({"kernel": np.ones((2, 3, 3))}, "kernel of Conv2d has shape"),
    ({"kernel": np.full((2, 1, 3, 3), np.nan)}, r"contains .*nan"),
    ({"input_shape": (2, 5, 5)}, "1 x 1 input channels; input_shape has 2"),
    ({"input_shape": (1, 2, 2)}, "larger than its input"), ({"input_shape": 25}, "input_shape"),
    ({"stride": 0}, "stride of Conv2d is 0"), ({"padding": -1}, "padding of Conv2d is -1"), ({"dilation": 1.5}, "dilation"),
    ({"groups": 3}, "groups of Conv2d is 3"), ({"delay": np.inf}, "delay of Conv2d is inf"),
])
def test_what_does_not_fit_is_refused(change, words):
    with pytest.raises(ParameterError, match=words):
        es.Conv2d(**({"kernel": np.ones((2, 1, 3, 3)), "input_shape": (1, 5, 5)} | change)).output_shape  # noqa: B018


def test_populations_of_another_size_are_refused():
    with pytest.raises(ParameterError, match="needs 2 x 3 x 3 = 18"):
        network(es.Conv2d(np.ones((2, 1, 3, 3)), (1, 5, 5)), 25, 17)
