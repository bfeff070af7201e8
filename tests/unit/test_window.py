"""The window scheduler: its tests overlook no crossing, its calendar keeps the order, and it gives the bits of the heap."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventsnn as es
from eventsnn import layout
from eventsnn.errors import NetworkError
from eventsnn.jit import kernel
from eventsnn.kernels import calendar, factors, memory, stream
from eventsnn.kernels.flow import decay, dot, move, read_row
from eventsnn.kernels.lane import F_TEST
from eventsnn.kernels.neuron import S_EXP, S_ROW, SCRATCH_COLUMNS, SCRATCH_ROWS
from eventsnn.schedulers.window import BUCKETS, NEAR, _chords

MS = 1e-3
EXAMPLES = settings(max_examples=15, deadline=None)


@kernel
def trips_end(m, x0, x1, x2, f):
    return stream.trips_end(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])


@kernel
def trips_cell(m, x0, x1, x2, f):
    return stream.trips_cell(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])


@kernel
def trips_chord(m, x0, x1, x2, f):
    return stream.trips_chord(m, x0, x1, x2, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8])


@kernel
def cell_factors(kin, planf, p, c, modes, test, here, there, lane, scratch):
    factors.cell_test(kin, planf, p, c, modes, test, here, there, lane, scratch)


@kernel
def pull_back(kin, c, time, x, stored, scratch):
    """Stored modes of a neuron whose modes are `x` at epoch time `time`."""
    decay(kin, c, -time, scratch[S_EXP])
    move(kin, c, -time, scratch[S_EXP], x, stored)


@kernel
def readings(kin, c, row, stored, times, values, scratch):
    """values[i] = what `row` reads from the stored modes at times[i]."""
    for i in range(times.size):
        decay(kin, c, times[i], scratch[S_EXP])
        read_row(kin, c, times[i], scratch[S_EXP], kin.f[c, row], scratch[S_ROW])
        values[i] = dot(kin, c, scratch[S_ROW], stored, 0)


class Factors(NamedTuple):
    """What `factors.cell_test` needs of a lane."""

    factor: np.ndarray


def lone(tau_mem, tau_syn, **more):
    """(scheduler, kinetics) of one LIF neuron."""
    net = es.Network()
    net.add("cell", es.LIF(1, tau_mem=tau_mem, tau_syn=tau_syn, v_threshold=1.0, t_ref=2.0 * MS, **more))
    scheduler = es.Simulation(net, scheduler="window").scheduler
    return scheduler, scheduler.lowered.kinetics


# -- the tests of crossings ----------------------------------------------------------------------------------------------


def test_tests_exist_for_every_kind_of_factor():
    """TWO where the synapse is faster and slower, PAIR where it is nearly as fast, and exactly."""
    solvers = [lone(20.0 * MS, tau * MS)[1].i[0, layout.SOLVER] for tau in (5.0, 50.0, 20.0, 21.0, 19.0)]
    assert solvers == [layout.TWO] * 2 + [layout.PAIR] * 3


def peak(a, b, v, g):
    """Largest V(t) for t >= 0 of a V with V(0) = v, V'(0) = g that decays with rates a and b."""
    if g <= 0.0:
        return v
    if abs(b - a) < 1e-6 * a:
        t = g / (a * (g + a * v))  # V = exp(-a t) (v + (g + a v) t)
        return math.exp(-a * t) * (v + (g + a * v) * t) if t > 0.0 else v
    p, q = (b * v + g) / (b - a), -(a * v + g) / (b - a)
    ratio = -b * q / (a * p) if p != 0.0 else 0.0
    t = math.log(ratio) / (b - a) if ratio > 0.0 else -1.0
    return p * math.exp(-a * t) + q * math.exp(-b * t) if t > 0.0 else v


@pytest.mark.parametrize("tau_syn", [1.0, 5.0, 10.0, 17.0, 18.5, 20.0, 20.0000001, 21.9, 24.0, 50.0, 200.0])
def test_chords_never_call_a_crossing_quiet(tau_syn):
    """States in units of the distance to threshold, many of them such that V will just touch it."""
    rng = np.random.default_rng(1)
    _, kinetics = lone(20.0 * MS, tau_syn * MS)
    chords = _chords(kinetics, 0)
    a, b = sorted(kinetics.f[0, layout.RATE_HI, :2])
    quiet = calm = 0
    for _ in range(4000):
        v, g = rng.uniform(-3.0, 1.0), a * rng.normal() * 10.0 ** rng.uniform(-1.0, 1.5)
        height = peak(a, b, v, g)
        if rng.random() < 0.5 and 0.0 < height < math.inf:  # scaled so that the peak is close to the threshold
            scale = (1.0 + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -1.0)) / height
            v, g, height = v * scale, g * scale, height * scale
        distance = 10.0 ** rng.uniform(-3.0, 3.0)
        if v >= 1.0:
            continue
        # factors as at epoch time 0, with modes (V, V') instead of the eigenmodes
        trips = trips_chord(-distance, v * distance, g * distance, 0.0, np.array([*chords, -1e-9 * distance, 0.0, 0.0]))
        assert trips or height <= 1.0 + 1e-9, (tau_syn, v, g, height)
        calm += height < 0.9
        quiet += height < 0.9 and not trips
    assert quiet > 0.8 * calm > 400


KINDS = {
    "two": (20.0, 5.0), "slow synapse": (10.0, 30.0), "equal": (20.0, 20.0), "near": (20.0, 20.5), "near too": (20.0, 19.0),
    "three": (20.0, (5.0, 10.0)), "three slow": (8.0, (20.0, 40.0)),
}


@pytest.mark.parametrize("name, kind", [(name, kind) for name in ("END", "CELL") for kind in KINDS
                                        if name == "CELL" or not kind.startswith("three")])  # END is for two modes
def test_a_cell_that_is_called_quiet_is_quiet(name, kind):
    """Random states at a random time within a cell, their constants such that V comes close to the threshold."""
    rng = np.random.default_rng(2)
    tau_mem, tau_syn = KINDS[kind]
    scheduler, kinetics = lone(tau_mem * MS, tuple(np.array(tau_syn) * MS) if np.ndim(tau_syn) else tau_syn * MS)
    modes, step = int(kinetics.i[0, layout.N_MODES]), scheduler.lowered.wiring.popf[0, layout.P_HORIZON]
    lane, scratch = Factors(np.zeros((8, 12))), np.zeros((SCRATCH_ROWS, SCRATCH_COLUMNS))
    plan = np.zeros((1, factors.WF_COLUMNS))
    plan[0, factors.W_NEAR] = NEAR
    quiet = calm = 0
    for _ in range(1500):
        here = float(rng.integers(0, 4)) * step + rng.uniform(0.0, 1.0) * step
        there = (math.floor(here / step) + 1.0) * step
        test = stream.END if name == "END" else stream.CELL
        cell_factors(kinetics, plan, 0, 0, modes, test, here, there, lane, scratch)
        x, stored = np.zeros(4), np.zeros(4)
        x[:modes] = rng.normal(0.0, 1.0, modes) * 10.0 ** rng.uniform(-1.0, 1.0, modes)
        pull_back(kinetics, 0, here, x, stored, scratch)
        times = np.linspace(here, there, 301)
        values = np.empty(times.size)
        readings(kinetics, 0, layout.MARGIN_ROW, stored, times, values, scratch)
        if name == "END" and values.max() > 0.0:  # a margin above zero is asked for
            stored, values = -stored, -values
        margin = -values.max() * (1.0 + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, 0.5))
        if name == "END" and not margin > 0.0 or margin + values[0] >= 0.0:
            continue
        trips = {"END": trips_end, "CELL": trips_cell}[name](margin, *stored[:3], lane.factor[F_TEST])
        highest = (margin + values).max()
        assert trips or highest < 0.0, (here, there, margin, stored, highest)
        clearly = highest < -0.05 * (abs(margin) + np.abs(values).max())
        calm += clearly
        quiet += clearly and not trips
    assert quiet > 0.6 * calm > 20


# -- the same bits as the heap -------------------------------------------------------------------------------------------


def same(a, b):
    assert a.counts == b.counts
    for name in a.spikes:
        assert np.array_equal(a.spikes[name].times, b.spikes[name].times), name
        assert np.array_equal(a.spikes[name].neurons, b.spikes[name].neurons), name


def agree(net, inputs=None, until=0.1, least=100, other="heap"):
    """Run both schedulers; returns the simulation of the window."""
    sim = es.Simulation(net, inputs, scheduler="window")
    run = sim.run(until=until)
    same(run, es.simulate(net, inputs, until=until, scheduler=other))
    assert run.counts.spikes.total >= least
    return sim


def loop(n=77, seed=1, k=9, delay=1.5 * MS, dtype=np.float64, weight=2.5, tau_syn=5.0 * MS, **neuron):
    """A population that drives itself, with weights of both signs."""
    rng = np.random.default_rng(seed)
    values = {"tau_mem": 20.0 * MS, "tau_syn": tau_syn, "v_threshold": 1.0, "t_ref": 2.0 * MS, "i_offset": 1.2,
              "v_init": rng.uniform(0.0, 1.0, n), **neuron}
    net = es.Network()
    net.add("n", es.LIF(n, **values))
    m = n * k
    delays = delay(rng, m) if callable(delay) else delay
    net.connect("n", "n", es.Sparse(rng.integers(0, n, m), rng.integers(0, n, m),
                                    (rng.uniform(-1.0, 0.6, m) * weight / k).astype(dtype), delays))
    return net


LOOPS = {
    "t_ref below the delay": {"t_ref": 0.4 * MS, "delay": 2.0 * MS},
    "t_ref equal to the delay": {"t_ref": 1.5 * MS},
    "t_ref above the delay": {"t_ref": 5.0 * MS},
    "no refractoriness": {"t_ref": 0.0},
    "refractory for ever": {"t_ref": math.inf},
    "refractory periods that differ": {"t_ref": np.linspace(0.5, 4.0, 77) * MS},
    "slow synapses": {"tau_syn": 40.0 * MS},
    "equal time constants": {"tau_syn": 20.0 * MS},
    "nearly equal ones": {"tau_syn": 20.3 * MS},
    "threshold above rest": {"i_offset": 0.98, "v_init": np.linspace(0.8, 1.4, 77), "weight": -12.0},
    "thresholds on both sides": {"i_offset": np.linspace(0.8, 1.3, 77)},
    "thresholds that differ": {"v_threshold": np.linspace(0.7, 1.1, 77)},
    "float32 weights": {"dtype": np.float32},
    "classes of delays": {"delay": lambda rng, m: rng.integers(1, 15, m) * 0.25 * MS},
    "many classes": {"delay": lambda rng, m: 0.3 * MS + rng.integers(0, 400, m) * 0.01 * MS},
    "continuous delays": {"delay": lambda rng, m: rng.uniform(0.3, 6.0, m) * MS},
    "two synapses": {"tau_syn": (5.0 * MS, 11.0 * MS)},
    "one neuron": {"n": 1, "k": 2, "weight": 0.1},
    "four neurons": {"n": 4}, "five neurons": {"n": 5}, "sixty-seven neurons": {"n": 67},
}


@pytest.mark.parametrize("case", LOOPS)
def test_window_gives_the_bits_of_the_heap(case):
    options = LOOPS[case]
    n = options.get("n", 77)
    agree(loop(**options), until=0.15, least=min(n, 60) if n > 5 else n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [64, 67])
def test_dense_weights(dtype, n):
    rng = np.random.default_rng(n)
    net = es.Network()
    net.add("input", es.Input(5))
    net.add("n", es.LIF(n, tau_mem=10.0 * MS, tau_syn=4.0 * MS, v_threshold=1.0, t_ref=2.0 * MS, i_offset=0.9))
    net.add("three", es.LIF(n, tau_mem=10.0 * MS, tau_syn=(2.0 * MS, 4.0 * MS), v_threshold=1.0, t_ref=1.0 * MS))
    net.connect("input", "n", es.Dense(rng.uniform(-0.2, 1.0, (5, n)).astype(dtype)))
    net.connect("n", "n", es.Dense((rng.normal(0.0, 6.0, (n, n)) / n).astype(dtype), delay=1.0 * MS))
    for port in (0, 1):
        net.connect("n", "three", es.Dense((rng.uniform(-0.2, 1.0, (n, n)) * 20.0 / n).astype(dtype)), port=port)
    times = rng.uniform(0.0, 0.1, 200)
    agree(net, {"input": es.Spikes(times, rng.integers(0, 5, 200))})


def several(pattern, weight, n, **neuron):
    """Every input reaches the same few neurons, again and again in the order of `pattern`."""
    net = es.Network()
    net.add("input", es.Input(8))
    net.add("n", es.LIF(n, **{"tau_mem": 10.0 * MS, "tau_syn": 4.0 * MS, "v_threshold": 1.0, "t_ref": 1.0 * MS, **neuron}))
    target = np.tile(np.array(pattern) % n, 8)
    net.connect("input", "n", es.Sparse(np.repeat(np.arange(8), len(pattern)), target, weight, 1.0 * MS))
    return net


@pytest.mark.parametrize("i_offset", [0.0, 1.05])
@pytest.mark.parametrize("pattern", [[0, 0], [3, 3, 3, 3], [1, 2, 1, 2], [5, 0, 0, 5, 5, 5, 7], [2, 2, 2, 4, 4, 4, 4, 6, 6]],
                         ids=str)
def test_equal_targets_within_a_row(pattern, i_offset):
    """Vector groups of four synapses that hold the same neuron two to four times."""
    rng = np.random.default_rng(len(pattern))
    weights = rng.uniform(-0.5, 2.0, 8 * len(pattern))
    inputs = {"input": es.Spikes(rng.uniform(0.0, 0.1, 400), rng.integers(0, 8, 400))}
    for weight in (weights, weights.astype(np.float32), 0.6):
        agree(several(pattern, weight, 9, i_offset=i_offset), inputs, least=401)


@EXAMPLES
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 2**31), st.booleans(), st.booleans())
def test_random_rows_of_few_targets(pattern, seed, three, biased):
    rng = np.random.default_rng(seed)
    net = several(pattern, rng.uniform(-1.0, 2.5, 8 * len(pattern)), 7, i_offset=1.02 if biased else 0.0,
                  tau_syn=(4.0 * MS, 9.0 * MS) if three else 4.0 * MS)
    times = np.round(rng.uniform(0.0, 0.05, 100), 3)  # many at once
    agree(net, {"input": es.Spikes(times, rng.integers(0, 8, 100))}, until=0.06, least=100, other="reference")


def test_amplitudes_scale_the_rows():
    rng = np.random.default_rng(4)
    net = es.Network()
    net.add("code", es.ASNN(12, bias=rng.uniform(0.1, 0.6, 12)))
    net.add("n", es.LIF(70, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0, t_ref=2.0 * MS))
    net.connect("code", "n", es.RandomOutdegree(30, weight=es.Normal(40.0, 8.0), delay=1.0 * MS, seed=1))
    net.connect("code", "n", es.Dense(np.full((12, 70), 6.0, np.float32), delay=0.5 * MS))
    net.connect("n", "n", es.RandomOutdegree(10, weight=-0.4, delay=2.0 * MS, seed=2))
    sim = agree(net)
    assert sim.result().counts.spikes["n"] > 50


def test_silence_and_inputs_alone():
    net = es.Network()
    net.add("input", es.Input(3))
    only = es.Spikes([0.01, 0.02, 0.02], [2, 0, 1])
    assert agree(net, {"input": only}, least=3).result().spikes["input"].times.tolist() == [0.01, 0.02, 0.02]
    net.add("n", es.LIF(70, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0))
    assert agree(net, {"input": only}, least=3).peek() == math.inf
    net.connect("input", "n", es.Dense(np.zeros((3, 70)), delay=1.0 * MS))
    net.connect("n", "n", es.RandomOutdegree(3, weight=1.0, delay=1.0 * MS, seed=1))
    sim = agree(net, None, least=0, until=10.0)
    assert sim.result().counts.spikes.total == 0
    assert sim.result().diagnostics["windows"] < 5000  # nothing on its way: windows are not cut


def test_a_cycle_without_delay_is_refused_by_name():
    net = es.Network()
    for name in ("ping", "pong"):
        net.add(name, es.IF(1, v_threshold=1.0))
    net.connect("ping", "pong", es.OneToOne(1.0, 0.0))
    net.connect("pong", "ping", es.OneToOne(1.0, 0.0))
    with pytest.raises(NetworkError, match="ping -> pong -> ping"):
        es.simulate(net, until=0.1, scheduler="window")
    assert es.simulate(net, until=0.1, scheduler="auto").scheduler == "heap"


@pytest.mark.parametrize("n, delay, chosen", [(30, 0.05, "heap"), (30, 1.5, "window"), (1000, 0.05, "window")])
def test_auto_takes_the_heap_where_windows_would_be_empty(n, delay, chosen):
    net = es.Network()
    net.add("n", es.LIF(n, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0))
    net.connect("n", "n", es.RandomOutdegree(100, weight=0.1, delay=delay * MS, seed=1))
    assert es.simulate(net, until=1.0 * MS).scheduler == chosen


@pytest.mark.parametrize("rule, chosen", [("dense", "window"), ("procedural", "window"), ("none", "heap"),
                                          ("forward", "window")])
def test_auto_counts_every_kind_of_synapse(rule, chosen):
    net = es.Network()
    net.add("n", es.LIF(300, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0))
    if rule == "dense":
        net.connect("n", "n", es.Dense(np.full((300, 300), 0.01), delay=0.05 * MS))
    elif rule == "procedural":
        net.connect("n", "n", es.Procedural(es.RandomOutdegree(1, weight=0.1, delay=0.05 * MS, seed=1)))
    elif rule == "forward":
        net.add("out", es.LIF(10, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0))
        net.connect("n", "out", es.Dense(np.ones((300, 10))))
    assert es.simulate(net, until=1.0 * MS).scheduler == chosen


# -- the calendar --------------------------------------------------------------------------------------------------------


def test_delays_longer_than_the_ring():
    """The shortest delay makes the buckets, the longest takes several turns of the ring."""
    rng = np.random.default_rng(5)
    net = es.Network()
    net.add("n", es.LIF(20, tau_mem=20.0 * MS, tau_syn=5.0 * MS, v_threshold=1.0, t_ref=2.0 * MS, i_offset=1.4,
                        v_init=rng.uniform(0.0, 1.0, 20)))
    delay = np.concatenate([[0.005 * MS], rng.uniform(0.01, 60.0, 79) * MS])
    net.connect("n", "n", es.Sparse(rng.integers(0, 20, 80), rng.integers(0, 20, 80), rng.uniform(-0.5, 0.5, 80), delay))
    sim = agree(net, until=0.12, least=80)
    assert sim.scheduler.lanes.head.shape[-1] == 2 * BUCKETS
    assert 60.0 * MS * sim.scheduler._settings[0] > 2 * BUCKETS


def test_arrivals_at_one_time_are_added_in_order():
    """Sums in another order would differ in the last bits: sources, projections and synapses at exactly one time."""
    rng = np.random.default_rng(6)
    net = es.Network()
    net.add("late", es.Input(30))
    net.add("n", es.LIF(9, tau_mem=10.0 * MS, tau_syn=4.0 * MS, v_threshold=1.0, t_ref=0.5 * MS))
    net.add("input", es.Input(30))
    for source in ("input", "late"):
        for _ in range(2):
            weight = rng.normal(0.0, 0.3, 200) * 10.0 ** rng.uniform(-3.0, 0.5, 200)
            net.connect(source, "n", es.Sparse(rng.integers(0, 30, 200), rng.integers(0, 9, 200), weight,
                                               rng.choice([0.0, 1.0, 2.0], 200) * 2.0**-10))
    trains = [es.Spikes(rng.integers(0, 64, 500) * 2.0**-10, rng.integers(0, 30, 500)) for _ in range(2)]
    inputs = dict(zip(("input", "late"), trains))
    for other in ("heap", "reference"):
        agree(net, inputs, least=1020, other=other)


def test_stores_grow():
    """Thousands of spikes on their way and of records in one window, from stores that begin small."""
    rng = np.random.default_rng(7)
    n = 3000
    net = es.Network()
    net.add("input", es.Input(n))
    net.add("n", es.LIF(80, tau_mem=10.0 * MS, tau_syn=4.0 * MS, v_threshold=1.0, t_ref=1.0 * MS))
    net.connect("input", "n", es.Sparse(np.arange(n), rng.integers(0, 80, n), rng.uniform(0.0, 0.4, n), 3.0 * MS))
    net.connect("n", "n", es.RandomOutdegree(5, weight=0.2, delay=3.0 * MS, seed=1))
    times = rng.uniform(1.0, 2.0, n) * MS
    sim = agree(net, {"input": es.Spikes(times, np.arange(n))}, until=0.05, least=n + 80)
    mem = sim.scheduler.lanes.mem
    assert (mem[..., [calendar.ENTRIES, calendar.RECORDS, calendar.KEPT], memory.CAPACITY] > 256).all()
    assert sim.result().diagnostics["in_flight"] <= 80


def test_a_snapshot_holds_what_is_on_its_way(tmp_path):
    net = loop(delay=lambda rng, m: rng.uniform(1.0, 40.0, m) * MS)
    whole = es.simulate(net, until=0.1, scheduler="window")
    sim = es.Simulation(net, scheduler="window")
    sim.run(until=0.043)
    assert sim.result().diagnostics["in_flight"] > 20
    sim.checkpoint(tmp_path / "c.h5")
    same(whole, es.Simulation.resume(tmp_path / "c.h5").run(until=0.1))
