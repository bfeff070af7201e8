"""Weights of pair STDP against NEST's `stdp_synapse`, on prescribed spikes (parrot neurons), where NEST is installed.

NEST's delay is dendritic: a spike of the target reaches the synapse after it, an arrival at once. Ours is axonal. So a pair at
distance (post + d) - pre there is one at the same distance here, with the target's spikes moved by d.
"""

import numpy as np
import pytest

import eventsnn as es

nest = pytest.importorskip("nest", reason="NEST is not installed")
STEP, UNTIL, DELAY = 0.1, 600.0, 1.5  # ms


def trains(seed, n):
    draw = np.random.default_rng(seed)
    steps = draw.choice(np.arange(20, round(UNTIL / STEP) - 100), 2 * n, replace=False)
    # no arrival at the instant at which a spike of the target reaches the synapse
    pre = np.sort(steps[:n])
    post = np.setdiff1d(np.sort(steps[n:]), pre - round(DELAY / STEP))
    return np.append(pre, round(UNTIL / STEP) - 20) * STEP, post * STEP


@pytest.mark.parametrize("mu_plus, mu_minus", [(0.0, 0.0), (1.0, 1.0), (0.4, 0.6)])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_those_of_nest(seed, mu_plus, mu_minus):
    pre, post = trains(seed, 60)
    rate, alpha, high, start = 0.02, 1.1, 2.0, 0.9
    nest.ResetKernel()
    nest.SetKernelStatus({"resolution": STEP})
    nest.set_verbosity("M_ERROR")
    source, target = nest.Create("parrot_neuron"), nest.Create("parrot_neuron", params={"tau_minus": 34.0})
    # generators reach their parrots after a delay of one step
    for neuron, times in ((source, pre), (target, post)):
        generator = nest.Create("spike_generator", params={"spike_times": np.round(times - STEP, 1)})
        nest.Connect(generator, neuron, syn_spec={"delay": STEP})
    nest.Connect(source, target, syn_spec={"synapse_model": "stdp_synapse", "weight": start, "delay": DELAY, "tau_plus": 17.0,
                                           "lambda": rate, "alpha": alpha, "mu_plus": mu_plus, "mu_minus": mu_minus,
                                           "Wmax": high, "receptor_type": 1})
    nest.Simulate(UNTIL + 10.0)
    expected = nest.GetConnections(source, target).get("weight")
    net = es.Network()
    for name in ("in", "drive"):
        net.add(name, es.Input(1))
    net.add("out", es.LIF(1, tau_mem=1e-3, tau_syn=0.0, v_threshold=1e6))
    net.connect("in", "out", es.Sparse([0], [0], weight=[start]), name="plastic")
    net.connect("drive", "out", es.OneToOne(2e6))
    rule = es.STDP("plastic", a_plus=rate * high, a_minus=alpha * rate * high, tau_plus=17e-3, tau_minus=34e-3, w_max=high,
                   mu_plus=mu_plus, mu_minus=mu_minus)
    inputs = {"in": es.Spikes(pre * 1e-3, np.zeros(pre.size, int)),
              "drive": es.Spikes((post + DELAY) * 1e-3, np.zeros(post.size, int))}
    simulation = es.Simulation(net, inputs, rules=[rule])
    simulation.run(pre[-1] * 1e-3)
    assert abs(expected - start) > 1e-3
    assert simulation.weights("plastic")[2][0] == pytest.approx(expected, abs=1e-9)
