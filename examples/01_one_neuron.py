"""One neuron, a few arrivals: when exactly does it fire, and what does its membrane do in between?"""

import numpy as np

import eventsnn as es

net = es.Network()
net.add("input", es.Input(1))
net.add("cell", es.LIF(1, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, t_ref=2e-3))
net.connect("input", "cell", es.Dense([[3.0]]), name="synapse")

arrivals = es.Spikes([0.010, 0.012, 0.020], np.zeros(3, int))
run = es.simulate(net, {"input": arrivals}, until=0.1, record=es.Record(v={"cell": [0]}, v_interval=1e-3))

for time in run.spikes["cell"].times:
    print(f"spike at {time:.17g} s")
trace = run.v["cell"]
peak = trace.values[:, 0].argmax()
print(f"highest sample: V = {trace.values[peak, 0]:.4f} at {trace.times[peak]:.3f} s")
print(f"synaptic events: {run.counts.synaptic_events['synapse']}")
