"""A learning rule of your own: plain functions that run at arrivals, at spikes and every 0.1 s. See docs/plasticity.md."""

import numpy as np

import eventsnn as es


def on_pre(w, x, y, s, g, p):            # an arrival: heterosynaptic decay, and anti-Hebbian after a spike of the target
    return w - p[0] * y[0] - p[1] * w


def on_post(w, x, y, s, g, p):           # a spike of the target: the synapses that were active before it grow
    return w + p[2] * x[0] * (1.0 - w)


def on_timer(w, x, y, s, g, p):          # every 0.1 s: drift towards 1/2
    return w + p[3] * (0.5 - w)


rule = es.Rule("in->out", on_pre=on_pre, on_post=on_post, on_timer=on_timer, every=0.1, pre={"x": 20e-3}, post={"y": 20e-3},
               parameters=[0.01, 1e-4, 0.012, 1e-3], w_min=0.0, w_max=1.0)

net = es.Network()
net.add("in", es.Input(100))
net.add("out", es.LIF(10, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
net.connect("in", "out", es.Dense(np.random.default_rng(0).uniform(0.0, 0.3, (100, 10))))
times = np.sort(np.random.default_rng(1).uniform(0.0, 5.0, 20_000))
simulation = es.Simulation(net, {"in": es.Spikes(times, np.arange(20_000) % 100)}, rules=[rule])
simulation.run(5.0)
print(simulation.weights("in->out")[2].round(3))
