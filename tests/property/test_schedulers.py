"""Random networks: every scheduler, every cut of the run and every way of giving the input yields the same bits."""

import math
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import eventsnn as es
from eventsnn.model.lower import lower
from eventsnn.schedulers.window import longest_window

MS = 1e-3
UNTIL = 0.06
N_INPUT, N_NOISE = 6, 3
EXAMPLES = settings(max_examples=25, deadline=None)
KINDS = ("lif", "lif_delta", "lif_alpha", "lif_ports", "lif_port_delta", "lif_equal", "lif_near", "lif_mismatch", "if",
         "if_drift", "if_exp", "adaptive", "asnn", "li")


class Cell(NamedTuple):
    """A population, the weight per port that moves V by about the threshold, and whether an instant fires it once."""

    neuron: es.LinearNeuron
    unit: tuple
    once: bool


class Case(NamedTuple):
    net: es.Network
    spikes: es.Spikes
    acyclic: bool
    record: es.Record


def cell(rng, kind, n, recurrent):
    """One population of `kind` with random parameters. Loops have refractory periods: without, rates may explode."""
    t_ref = float(rng.choice([1.0 * MS if recurrent else 0.0, 1.0 * MS, 2.5 * MS, math.inf], p=[0.4, 0.2, 0.3, 0.1]))
    tau_mem = rng.choice([5.0, 10.0, 20.0]) * MS
    tau_syn = rng.choice([1.0, 2.5, 5.0]) * MS * rng.choice([1.0, rng.uniform(1.2, 1.7)])
    tau_syn = tau_syn if abs(tau_syn / tau_mem - 1.0) > 0.2 else 0.4 * tau_mem
    common = {"v_threshold": 1.0, "v_reset": float(rng.choice([0.0, -0.4])), "t_ref": t_ref,
              "i_offset": float(rng.choice([0.0, 0.5, 1.3]))}
    psp = 4.0 * max(tau_mem / tau_syn, 1.0) ** 0.5
    if kind == "lif_delta":
        return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=0.0, **common), (1.0,), t_ref > 0.0)
    if kind == "lif_alpha":
        return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=tau_syn, synapse="alpha", **common), (3.0,), t_ref > 0.0)
    if kind == "lif_ports":
        both = (tau_syn, rng.choice([tau_syn, 1.9 * tau_syn, 3.1 * tau_syn]))
        return Cell(es.LIF(n, tau_mem=4.1 * tau_syn, tau_syn=both, **common), (psp, psp), t_ref > 0.0)
    if kind == "lif_port_delta":
        return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=(tau_syn, 0.0), **common), (psp, 1.0), t_ref > 0.0)
    if kind == "lif_equal":
        return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=tau_mem, **common), (3.0,), t_ref > 0.0)
    if kind == "lif_near":
        near = tau_mem * (1.0 + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-13.0, -1.1))
        return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=near, **common), (3.0,), t_ref > 0.0)
    if kind == "lif_mismatch":
        wobble = lambda: rng.uniform(0.8, 1.2, n)  # noqa: E731
        refs = np.where(rng.random(n) < 0.5, 1.0 * MS if recurrent else 0.0, 2.0 * MS)
        neuron = es.LIF(n, tau_mem=tau_mem * wobble(), tau_syn=tau_syn * wobble(), v_threshold=wobble(), v_reset=-wobble(),
                        t_ref=refs, i_offset=rng.uniform(0.0, 1.4, n), v_init=rng.uniform(-0.5, 1.1, n),
                        v_leak=0.1 * wobble())
        return Cell(neuron, (psp,), False)
    if kind == "if":
        return Cell(es.IF(n, v_threshold=1.0, t_ref=t_ref), (1.0,), t_ref > 0.0)
    if kind == "if_drift":
        drift = rng.choice([-8.0, 30.0, 60.0]) * (rng.uniform(0.5, 1.5, n) if rng.random() < 0.5 else 1.0)
        return Cell(es.IF(n, v_threshold=1.0, t_ref=t_ref, i_offset=drift), (1.0,), t_ref > 0.0)
    if kind == "if_exp":
        drift = float(rng.choice([0.0, 25.0]))
        return Cell(es.IF(n, v_threshold=1.0, t_ref=t_ref, tau_syn=tau_syn, i_offset=drift), (1.0 / tau_syn,), t_ref > 0.0)
    if kind == "adaptive":
        neuron = es.AdaptiveLIF(n, tau_mem=tau_mem, tau_syn=float(rng.choice([tau_syn, 0.0, tau_mem])), tau_adapt=30.0 * MS,
                                adaptation=rng.uniform(0.0, 0.5, n) if rng.random() < 0.5 else 0.3, **common)
        return Cell(neuron, (1.0,), t_ref > 0.0)
    if kind == "asnn":
        return Cell(es.ASNN(n, bias=rng.uniform(0.0, 0.3, n)), (0.8,), False)
    if kind == "li":
        return Cell(es.LI(n, tau_mem=tau_mem, tau_syn=tau_syn), (psp,), True)
    return Cell(es.LIF(n, tau_mem=tau_mem, tau_syn=tau_syn, **common), (psp,), t_ref > 0.0)


def delays(rng, n, zero):
    """Scalar, a few classes or continuous; zeros only where `zero`."""
    least = 0.0 if zero else 0.3 * MS
    style = rng.integers(4)
    if style == 0:
        return least
    if style == 1:
        return float(rng.choice([1.0, 2.0])) * MS
    if style == 2:
        return rng.choice([least, 1.0 * MS, 2.0 * MS], n)
    return np.where(rng.random(n) < 0.2, least, rng.uniform(0.3, 4.0, n) * MS)


def connection(rng, n_source, n_target, unit, zero, strength):
    """Any rule; a source moves V of all its targets together by at most about `strength` thresholds."""
    rule = rng.integers(6)
    if rule == 5 and n_source == n_target:
        return es.OneToOne(rng.uniform(-0.3, 1.0, n_source) * unit * strength, delays(rng, n_source, zero))
    if rule == 1:
        weight = rng.uniform(-0.5, 1.0, (n_source, n_target)) * unit * strength / n_target
        constant = (0.0 if zero else 0.3 * MS) if rng.random() < 0.5 else 1.5 * MS
        return es.Dense(weight.astype(rng.choice([np.float32, np.float64])), delay=constant)
    if rule == 2:
        return es.RandomOutdegree(2, weight=es.Normal(0.3 * unit * strength, 0.2 * unit * strength),
                                  delay=es.Normal(1.5 * MS, 1.0 * MS, low=0.3 * MS), seed=int(rng.integers(1000)))
    if rule == 3:
        return es.RandomProbability(min(1.0, 2.0 / n_target), weight=0.4 * unit * strength, delay=1.0 * MS,
                                    seed=int(rng.integers(1000)))
    n = int(rng.integers(1, 2 * n_source + 2))
    weight = rng.uniform(-0.5, 1.0, n) * unit * strength / 2.0 if rng.random() < 0.7 else 0.3 * unit * strength
    return es.Sparse(rng.integers(0, n_source, n), rng.integers(0, n_target, n), weight, delays(rng, n, zero))


def build(kinds, recurrent, seed):
    """A network of populations `kinds`; connections against their order only if `recurrent`."""
    rng = np.random.default_rng(seed)
    net = es.Network()
    sizes, cells = {"input": N_INPUT, "noise": N_NOISE}, {}
    late = rng.random() < 0.5  # sources added last: ids and order of processing differ
    if not late:
        net.add("input", es.Input(N_INPUT))
    for k, kind in enumerate(kinds):
        name = f"{kind}{k}"
        sizes[name] = int(rng.integers(1, 6))
        cells[name] = cell(rng, kind, sizes[name], recurrent)
        net.add(name, cells[name].neuron)
    if late:
        net.add("input", es.Input(N_INPUT))
    net.add("noise", es.Poisson(N_NOISE, rate=rng.choice([30.0, 200.0], N_NOISE)))
    names = list(cells)
    for name in names:
        for port, unit in enumerate(cells[name].unit):
            net.connect("input", name, connection(rng, N_INPUT, sizes[name], unit, True, 2.0), port=port)
        if rng.random() < 0.5:
            net.connect("noise", name, connection(rng, N_NOISE, sizes[name], cells[name].unit[0], True, 1.0))
    loops = False
    for a, source in enumerate(names):
        for b, target in enumerate(names):
            backward = b <= a
            if rng.random() < (0.4 if backward else 0.7) and (recurrent or not backward) and kinds[a] != "li":
                port = int(rng.integers(len(cells[target].unit)))
                zero = cells[target].once or not backward
                net.connect(source, target, connection(rng, sizes[source], sizes[target], cells[target].unit[port], zero,
                                                       0.6), port=port)
                loops = loops or backward
    grid = rng.integers(0, 50, 40) * MS
    free = rng.uniform(0.0, UNTIL, 20)
    times = np.concatenate([grid, free, grid[:6]])
    spikes = es.Spikes(times, rng.integers(0, N_INPUT, times.size))
    probed = {name: "all" for name in names[:2]}
    interval = float(rng.choice([1.0 * MS, rng.uniform(0.4, 4.0) * MS]))
    return Case(net, spikes, not loops, es.Record(v=probed, v_interval=interval))


def schedulers(case):
    names = ["reference", "heap"]
    if longest_window(lower(case.net)) > 0.0:
        names.append("window")
    return [*names, "layered"] if case.acyclic else names


def assert_same(a, b, voltages=True):
    assert a.counts == b.counts
    assert set(a.spikes) == set(b.spikes)
    for name, spikes in a.spikes.items():
        assert np.array_equal(spikes.times, b.spikes[name].times), name
        assert np.array_equal(spikes.neurons, b.spikes[name].neurons), name
    if voltages:
        for name, trace in a.v.items():
            assert np.array_equal(trace.times, b.v[name].times), name
            assert np.array_equal(trace.values, b.v[name].values), name


def whole(case, scheduler, record=None):
    return es.simulate(case.net, {"input": case.spikes}, until=UNTIL, scheduler=scheduler, seed=3,
                       record=case.record if record is None else record)


networks = st.builds(build, st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), st.booleans(),
                     st.integers(0, 2**32 - 1))


@EXAMPLES
@given(networks)
def test_schedulers_agree_to_the_bit(case):
    first, *others = (whole(case, s) for s in schedulers(case))
    for other in others:
        note(other.scheduler)
        assert_same(first, other)
    for name, trace in first.v.items():
        assert np.isfinite(trace.values).all(), name


@EXAMPLES
@given(networks, st.data())
def test_cutting_a_run_changes_nothing(case, data):
    scheduler = data.draw(st.sampled_from(schedulers(case)))
    full = whole(case, scheduler)
    events = [full.spikes[name].times for name in full.spikes]
    marks = np.unique(np.concatenate([*events, full.v[next(iter(full.v))].times]))  # event times and sample times
    ends = st.one_of(st.floats(0.0, UNTIL), st.sampled_from(marks.tolist()))
    sim = es.Simulation(case.net, {"input": case.spikes}, scheduler=scheduler, seed=3, record=case.record)
    for until in sorted(data.draw(st.lists(ends, min_size=1, max_size=5))):
        part = sim.run(until=until)
        assert part.duration == sim.time == until
        if data.draw(st.booleans()):
            assert sim.peek() > until
    assert_same(full, sim.run(until=UNTIL))


@EXAMPLES
@given(networks, st.data())
def test_input_may_come_late(case, data):
    scheduler = data.draw(st.sampled_from(schedulers(case)))
    first, second = sorted(data.draw(st.tuples(st.floats(0.0, UNTIL), st.floats(0.0, UNTIL))))
    now = data.draw(st.floats(0.0, 1.0)) * first
    sim = es.Simulation(case.net, {"input": case.spikes.between(-1.0, first)}, scheduler=scheduler, seed=3,
                        record=case.record)
    sim.run(until=now)
    sim.push({"input": case.spikes.between(second, math.inf)})
    sim.push({"input": case.spikes.between(first, second)})
    assert_same(whole(case, scheduler), sim.run(until=UNTIL))


@EXAMPLES
@given(networks, st.data())
def test_checkpoint_continues_with_the_same_bits(case, data):
    scheduler = data.draw(st.sampled_from(schedulers(case)))
    sim = es.Simulation(case.net, {"input": case.spikes}, scheduler=scheduler, seed=3, record=case.record)
    sim.run(until=data.draw(st.floats(0.0, UNTIL)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "middle.h5"
        sim.checkpoint(path)
        resumed = es.Simulation.resume(path)
    assert resumed.time == sim.time
    assert_same(sim.result(), resumed.result())
    full = whole(case, scheduler)
    assert_same(full, resumed.run(until=UNTIL))
    assert_same(full, sim.run(until=UNTIL))


@EXAMPLES
@given(networks, st.data())
def test_recording_changes_nothing(case, data):
    scheduler = data.draw(st.sampled_from(schedulers(case)))
    assert_same(whole(case, scheduler, es.Record()), whole(case, scheduler), voltages=False)
    nothing = whole(case, scheduler, es.Record(spikes=None))
    assert not nothing.spikes and nothing.counts == whole(case, scheduler).counts


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_are_lively(kind):
    """The comparisons above are not comparisons of silence."""
    counts = [whole(build([kind, kind], True, seed), "heap").counts for seed in range(6)]
    assert sum(c.synaptic_events.total for c in counts) > 200
    if kind != "li":
        assert sum(n for c in counts for name, n in c.spikes.items() if name.startswith(kind)) > 10
