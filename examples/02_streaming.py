"""Push spikes into a running network, watch its state, save it and go on elsewhere with the same bits."""

import tempfile
from pathlib import Path

import numpy as np

import eventsnn as es

net = es.Network()
net.add("input", es.Input(10))
net.add("out", es.LIF(5, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, t_ref=1e-3))
net.connect("input", "out", es.Dense(np.random.default_rng(0).normal(0.8, 0.5, (10, 5))))

sim = es.Simulation(net)
rng = np.random.default_rng(1)
for block in range(5):
    times = sim.time + np.sort(rng.uniform(0.0, 0.02, 40))
    sim.push({"input": es.Spikes(times, rng.integers(0, 10, 40))})
    run = sim.run(until=0.02 * (block + 1))
    print(f"{sim.time:.2f} s: {run.counts.spikes['out']} spikes, next event at {sim.peek():.5f} s")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "state.h5")
    sim.checkpoint(path)
    twin = es.Simulation.resume(path)
assert np.array_equal(sim.run(until=0.2).spikes["out"].times, twin.run(until=0.2).spikes["out"].times)
print("resumed with the same spikes")
