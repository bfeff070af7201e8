"""The sigma-delta neuron under constant input: transfer table, identities, limits and graded pulses."""

import math

import numpy as np
import pytest

import eventsnn as es

TAU_PHI, TAU_ETA, TAU_GAMMA = 5e-3, 50e-3, 15e-3
DURATION = 16.0
SIGNALS = np.array([0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
RATES = {
    0.1: [18.2, 90.4, 160.8, 261.9, 419.4, 524.4],
    0.3: [0.0, 30.9, 57.1, 94.1, 151.8, 190.2],
    0.03: [65.1, 293.9, 520.3, 845.6, 1353.0, 1692.0],
}
DECODED = {0.1: [0.910, 0.996, 0.9987, 0.9995, 0.9998, 0.9999], 0.3: [0.0, 0.967, 0.990, 0.996, 0.9986, 0.9991]}
TOP_RATE = {0.1: 699.5, 0.3: 254.1, 0.03: 2255.0}


def pulses(times, m_f, theta_0=None):
    """Amplitudes of a spike train, integrated by the receiver from the times alone."""
    theta_0 = m_f if theta_0 is None else theta_0
    amplitudes, a, before = [], 0.0, 0.0
    for t in times:
        a *= math.exp(-(t - before) / TAU_GAMMA)
        q = theta_0 + a
        amplitudes.append(q)
        a += m_f * q
        before = t
    return np.array(amplitudes)


@pytest.fixture(scope="module")
def trains():
    """m_f -> list of spike trains, one per signal, over 16 s of constant S."""
    net = es.Network()
    for k, m_f in enumerate(RATES):
        net.add(f"level{k}", es.ASNN(len(SIGNALS), m_f=m_f, bias=SIGNALS))
    run = es.simulate(net, None, until=DURATION, scheduler="heap", progress=False)
    result = {}
    for k, m_f in enumerate(RATES):
        spikes = run.spikes[f"level{k}"]
        result[m_f] = [spikes.times[spikes.neurons == i] for i in range(len(SIGNALS))]
    return result


@pytest.mark.parametrize("m_f", RATES)
def test_rates(trains, m_f):
    """The table gives the periodic state: the burst that a signal applied at once causes at t = 0 is left out."""
    for train, rate in zip(trains[m_f], RATES[m_f]):
        if rate == 0.0:
            assert len(train) == 0
            continue
        assert (train.size - np.count_nonzero(train == 0.0)) / DURATION == pytest.approx(rate, rel=5e-3)
        settled = train[train > 1.0]
        assert (settled.size - 1) / (settled[-1] - settled[0]) == pytest.approx(rate, rel=5e-3)


@pytest.mark.parametrize("m_f", DECODED)
def test_decoded_output(trains, m_f):
    """The mean of S_hat over the 16 s, relative to S."""
    for train, signal, right in zip(trains[m_f], SIGNALS, DECODED[m_f]):
        area = pulses(train, m_f) * TAU_ETA * -np.expm1(-(DURATION - train) / TAU_ETA)
        assert area.sum() / DURATION / signal == pytest.approx(right, rel=2e-3 + 5e-4, abs=1e-12)


@pytest.mark.parametrize("m_f", RATES)
def test_periodic_identity(trains, m_f):
    """S = theta / 2 coth(x / 2) and theta = theta_0 / (1 - m_f g / (1 - g)) hold for the measured interval."""
    for train, signal in zip(trains[m_f], SIGNALS):
        if signal <= m_f / 2:
            continue
        interval = (train[-1] - train[-9]) / 8
        theta = pulses(train, m_f)[-1]
        assert theta / 2 / math.tanh(interval / TAU_ETA / 2) == pytest.approx(signal, rel=1e-9)
        g = math.exp(-interval / TAU_GAMMA)
        assert m_f / (1 - m_f * g / (1 - g)) == pytest.approx(theta, rel=1e-9)


@pytest.mark.parametrize("scheduler", ["reference", "layered", "window"])
def test_other_schedulers_give_the_same_trains(trains, scheduler):
    net = es.Network()
    net.add("level", es.ASNN(len(SIGNALS), m_f=0.1, bias=SIGNALS))
    run = es.simulate(net, None, until=2.0, scheduler=scheduler, progress=False)
    for i, train in enumerate(trains[0.1]):
        own = run.spikes["level"].times[run.spikes["level"].neurons == i]
        assert np.array_equal(own, train[train <= 2.0])


@pytest.mark.parametrize("scheduler", ["reference", "heap", "layered", "window"])
def test_dead_zone(scheduler):
    """At S = theta_0 / 2 exactly: the bias touches the threshold once, at t = 0; the injected current never does."""
    net = es.Network()
    net.add("biased", es.ASNN(3, bias=np.array([0.0, 0.049, 0.05])))
    net.add("injected", es.ASNN(3, i_offset=np.array([0.01, 0.049, 0.05])))
    run = es.simulate(net, None, until=20.0, scheduler=scheduler, progress=False)
    assert run.spikes["biased"].neurons.tolist() == [2]
    assert run.spikes["biased"].times.tolist() == [0.0]
    assert len(run.spikes["injected"]) == 0


@pytest.mark.parametrize("m_f", TOP_RATE)
def test_top_rate(m_f):
    net = es.Network()
    net.add("loud", es.ASNN(1, m_f=m_f, bias=1e6))
    times = es.simulate(net, None, until=2.0, scheduler="heap", progress=False).spikes["loud"].times
    interval = (times[-1] - times[-101]) / 100
    assert interval == pytest.approx(TAU_GAMMA * math.log1p(m_f), rel=1e-5)
    assert 1 / interval == pytest.approx(TOP_RATE[m_f], rel=5e-4)


@pytest.mark.parametrize("scheduler", ["reference", "heap", "layered", "window"])
def test_onset_latency(scheduler):
    currents = np.array([0.0500001, 0.051, 0.06, 0.1, 1.0, 10.0, 1e4])
    net = es.Network()
    net.add("cells", es.ASNN(currents.size, i_offset=currents, tau_phi=TAU_PHI))
    spikes = es.simulate(net, None, until=0.1, scheduler=scheduler, progress=False).spikes["cells"]
    for i, current in enumerate(currents):
        first = spikes.times[spikes.neurons == i][0]
        right = -TAU_PHI * math.log1p(-0.05 / current)
        slope = (current - 0.05) / TAU_PHI
        eps = 2.0**-52
        assert abs(first - right) <= 16 * eps * (right + (2 * current + 0.05) / slope)


@pytest.mark.parametrize("scheduler", ["reference", "heap", "layered", "window"])
def test_graded_pulses_reach_the_receiver(scheduler):
    """A readout integrates sum of w q kernel; the same sum from the spike times alone agrees."""
    weights, tau_mem, tau_syn, delay, until = np.array([0.7, -0.4]), 10e-3, 50e-3, 1e-3, 0.4
    net = es.Network()
    net.add("code", es.ASNN(2, bias=np.array([0.8, 0.0]), i_offset=np.array([0.0, 1.7])))
    net.add("out", es.LI(1, tau_mem=tau_mem, tau_syn=tau_syn))
    net.connect("code", "out", es.Dense(weights[:, None], delay=delay))
    sim = es.Simulation(net, None, scheduler=scheduler)
    run = sim.run(until=until)
    drive = v = 0.0
    for i, w in enumerate(weights):
        times = run.spikes["code"].times[run.spikes["code"].neurons == i]
        q = pulses(times, 0.1)
        s = until - (times + delay)
        q, s = q[s >= 0], s[s >= 0]
        drive += float(np.sum(w * q * np.exp(-s / tau_syn)))
        v += float(np.sum(w * q * tau_syn / (tau_syn - tau_mem) * (np.exp(-s / tau_syn) - np.exp(-s / tau_mem))))
    state = sim.state("out")
    assert state["v"][0] == pytest.approx(v, rel=1e-11)
    assert state["drive_0"][0] == pytest.approx(drive, rel=1e-11)
