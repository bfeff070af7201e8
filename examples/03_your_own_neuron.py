"""A neuron model is data: a LIF with a slow and a fast synapse and spike-triggered adaptation current, from its equations.

    tau_mem dV/dt = -V + fast + slow - a,   a grows by 0.2 at each spike and decays with 100 ms
"""

import numpy as np

import eventsnn as es

TAU_MEM, TAU_FAST, TAU_SLOW, TAU_A = 20e-3, 3e-3, 80e-3, 100e-3
neuron = es.LinearNeuron(
    50,
    tau=[TAU_MEM, TAU_FAST, TAU_SLOW, TAU_A],
    coupling={(0, 1): 1 / TAU_MEM, (0, 2): 1 / TAU_MEM, (0, 3): -1 / TAU_MEM},
    jump=[[0, 1, 0, 0], [0, 0, 1, 0]],
    v_inf=0.0,
    v_threshold=1.0,
    v_reset=0.0,
    t_ref=2e-3,
    spike_offset=[0, 0, 0, 0.2],
    variables=("v", "fast", "slow", "a"),
    port_mode=(1, 2),
)
net = es.Network()
net.add("noise", es.Poisson(100, rate=30.0))
net.add("adapting", neuron)
net.connect("noise", "adapting", es.RandomIndegree(40, weight=0.5, seed=1), port=0)
net.connect("noise", "adapting", es.RandomIndegree(40, weight=0.05, seed=2), port=1)
sim = es.Simulation(net, seed=3)
run = sim.run(until=1.0)
print(run)
print("mean adaptation:", np.round(sim.state("adapting")["a"].mean(), 3))
