"""Threads and private noise: the same bits as one thread, as the heap, and as noise whose spikes are recorded."""

import numpy as np
import pytest

import eventsnn as es

MS = 1e-3


def assert_same(a, b, names):
    assert a.counts == b.counts
    for name in names:
        assert np.array_equal(a.spikes[name].times, b.spikes[name].times), name
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons), name


def balanced(n=4000, k=100):
    """A network busy enough for a team: several thousand synaptic events per window."""
    rng = np.random.default_rng(1)
    net = es.Network()
    net.add("n", es.LIF(n, tau_mem=20 * MS, tau_syn=5 * MS, v_threshold=20.0, v_reset=10.0, t_ref=2 * MS, i_offset=40.0,
                        v_init=rng.uniform(10.0, 20.0, n)))
    weight = np.repeat(np.where(np.arange(n) < 0.8 * n, 0.4, -2.0), k).astype(np.float32)
    net.connect("n", "n", es.RandomOutdegree(k, weight=weight, delay=1.5 * MS, seed=1))
    return net


@pytest.mark.parametrize("threads", [2, 3])
def test_a_team_yields_the_same_bits(threads):
    one = es.simulate(balanced(), until=0.2, scheduler="window")
    sim = es.Simulation(balanced(), scheduler="window", threads=threads)
    asked = []
    hands = type(sim.scheduler)._stop

    def note(self, code, time):
        asked.append(self._hands)
        return hands(self, code, time)

    sim.scheduler._stop = note.__get__(sim.scheduler)
    many = sim.run(until=0.2)
    from eventsnn.kernels.run import MORE_HANDS
    assert MORE_HANDS in asked  # the test is about a team, not about one thread with several lanes
    assert one.counts.spikes["n"] > 2000
    assert_same(one, many, ["n"])


@pytest.mark.parametrize("scheduler", ["heap", "window"])
def test_shards_of_a_small_network(scheduler):
    net = lambda: balanced(50, 7)  # noqa: E731
    assert_same(es.simulate(net(), until=0.3, scheduler="heap"), es.simulate(net(), until=0.3, scheduler=scheduler, threads=3),
                ["n"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scheduler", ["heap", "window", "auto"])
def test_shards_of_dense_rows(scheduler, dtype):
    """A part of a dense row has the weights of its own targets, whatever population comes before."""
    draw = np.random.default_rng(3)
    net = es.Network()
    net.add("in", es.Input(7))
    net.add("a", es.LIF(9, tau_mem=20 * MS, tau_syn=5 * MS, v_threshold=1.0))
    net.add("b", es.AdaptiveLIF(5, tau_mem=20 * MS, tau_syn=5 * MS, v_threshold=1.0, tau_adapt=50 * MS, adaptation=0.1))
    net.connect("in", "a", es.Dense(draw.normal(0.6, 0.4, (7, 9)).astype(dtype)))
    net.connect("a", "b", es.Dense(draw.normal(0.6, 0.4, (9, 5)).astype(dtype), delay=1 * MS))
    inputs = {"in": es.Spikes(np.sort(draw.uniform(0.0, 0.2, 200)), draw.integers(0, 7, 200))}
    one = es.simulate(net, inputs, until=0.25, scheduler="reference")
    assert min(len(one.spikes["a"]), len(one.spikes["b"])) > 10
    for threads in (1, 2, 3):
        assert_same(es.simulate(net, inputs, until=0.25, scheduler=scheduler, threads=threads), one, ("a", "b"))


def noisy(n=300):
    net = es.Network()
    net.add("p", es.Poisson(n, rate=np.linspace(0.0, 4000.0, n)))
    net.add("e", es.LIF(n, tau_mem=10 * MS, tau_syn=2 * MS, v_threshold=1.0, t_ref=2 * MS))
    net.connect("p", "e", es.OneToOne(0.25, delay=1.5 * MS))
    net.connect("e", "e", es.RandomOutdegree(20, weight=-0.05, delay=1 * MS, seed=2))
    return net


@pytest.mark.parametrize("threads", [1, 2])
def test_private_noise(threads, tmp_path):
    heap = es.simulate(noisy(), until=0.2, scheduler="heap", seed=4)
    assert heap.counts.spikes["p"] > 50_000
    private = es.Simulation(noisy(), scheduler="window", threads=threads, seed=4, record=es.Record(spikes=["e"]))
    assert len(private.scheduler.lanes.noise) == 1
    assert_same(heap, private.run(until=0.2), ["e"])
    recorded = es.Simulation(noisy(), scheduler="window", threads=threads, seed=4)
    assert len(recorded.scheduler.lanes.noise) == 0
    assert_same(heap, recorded.run(until=0.2), ["p", "e"])


def test_private_noise_in_pieces(tmp_path):
    whole = es.simulate(noisy(), until=0.2, scheduler="heap", seed=4)
    sim = es.Simulation(noisy(), scheduler="window", seed=4, record=es.Record(spikes=["e"]))
    twin = es.Simulation(noisy(), scheduler="heap", seed=4)
    for until in (0.01, 0.0777):
        part, other = sim.run(until=until), twin.run(until=until)
        assert part.counts == other.counts
        assert sim.peek() == twin.peek() > until
    sim.checkpoint(tmp_path / "noise.h5")
    assert_same(whole, es.Simulation.resume(tmp_path / "noise.h5").run(until=0.2), ["e"])


def test_more_arrivals_in_a_window_than_bins_of_the_sort():
    net = es.Network()
    net.add("p", es.Poisson(400, rate=20_000.0))
    net.add("e", es.LIF(400, tau_mem=10 * MS, tau_syn=5 * MS, v_threshold=1e6))
    net.connect("p", "e", es.OneToOne(0.25, delay=1.5 * MS))
    runs = [es.simulate(net, until=0.05, scheduler=s, record=es.Record(spikes=[], v={"e": [0, 399]}, v_interval=0.05))
            for s in ("heap", "window")]
    assert runs[0].counts.synaptic_events.total > 300_000
    assert np.array_equal(runs[0].v["e"].values, runs[1].v["e"].values)
