"""A NIR graph in grid time and in continuous time: a convolutional network of IF neurons classifies event-camera digits.

Needs the package nir (pip install nir) and, in the folder EVENTSNN_DATA, nir/paper/02_cnn/cnn_sinabs.nir of the NIR paper
(Pedersen et al. 2024, Nat. Commun. 15:8122) and the recordings of `nmnist_small`. In grid time a neuron spikes once per step at
most and keeps what is left over; in continuous time events are taken one by one as they come.

Usage: python examples/06_nir_digits.py [recordings]
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import eventsnn as es
from eventsnn.data.nmnist import nmnist_small

DT = 1e-3
GRAPH = "nir/paper/02_cnn/cnn_sinabs.nir"


def in_order(graph):
    """The nodes of a NIR graph that is a chain, from after the input to before the output."""
    following = dict(graph.edges)
    name, nodes = following["input"], []
    while name != "output":
        nodes.append(graph.nodes[name])
        name = following[name]
    return nodes


def network(nodes, neurons):
    """(network, input shape) of a chain of Conv2d, SumPool2d, Flatten, Affine and IF nodes; `neurons` makes a population of n.

    A sum pool has no neurons: it becomes part of the connection that follows, whose kernel is repeated within each window.
    """
    shape = tuple(int(n) for n in nodes[0].input_type["input"])
    first, before, pool = shape, "in", (1, 1)
    net = es.Network()
    net.add("in", es.Input(int(np.prod(shape))))
    for k, node in enumerate(nodes):
        kind = type(node).__name__
        if kind == "SumPool2d":
            pool = tuple(int(n) for n in node.kernel_size)
        elif kind == "Conv2d":
            stride, padding = ([int(n) * p for n, p in zip(values, pool)] for values in (node.stride, node.padding))
            connection = es.Conv2d(np.repeat(np.repeat(node.weight, pool[0], 2), pool[1], 3), shape, stride, padding)
            shape, pool = connection.output_shape, (1, 1)
        elif kind == "Affine":
            weight = node.weight.reshape(-1, shape[0], *(n // p for n, p in zip(shape[1:], pool)))
            weight = np.repeat(np.repeat(weight, pool[0], 2), pool[1], 3)
            connection = es.Dense(np.ascontiguousarray(weight.reshape(len(weight), -1).T))
            shape, pool = (len(weight), 1, 1), (1, 1)
        elif kind == "IF":
            threshold = np.unique(node.v_threshold)
            if threshold.size > 1 or np.any(node.r != 1.0) or np.any(nodes[k - 1].bias):
                raise SystemExit("this example takes IF nodes of one threshold with r = 1, fed by nodes without bias")
            net.add(f"layer{k}", neurons(int(np.prod(shape)), float(threshold[0])))
            net.connect(before, f"layer{k}", connection)
            before = f"layer{k}"
        elif kind != "Flatten":
            raise SystemExit(f"this example cannot translate a NIR node of type {kind}")
    return net, first


def clocked(n, threshold):
    """One spike per step at most."""
    return es.grid.IF(n, threshold=threshold)


def continuous(n, threshold):
    """Fires at the very event that takes it to its threshold, as often as it must."""
    return es.LinearNeuron(n, tau=[np.inf], coupling={}, jump=[[1.0]], v_inf=0.0, v_threshold=threshold,
                           spike_offset=[-threshold])


def classify(nodes, recordings, dt):
    """Run all recordings; returns a dict of what it took and how many decisions (most output spikes) were right."""
    net, (_, height, width) = network(nodes, continuous if dt is None else clocked)
    last = list(net.populations)[-1]
    sim = es.Simulation(net, dt=dt, scheduler="heap" if dt is None else "auto", record=es.Record(spikes=[last]), progress=False)
    right, totals, spent = 0, np.zeros(3), []
    for path, label in recordings:
        events = es.open_events(path).read()
        times = events.t if dt is None else np.floor(events.t / dt + 1e-6) * dt
        sim.reset({"in": es.Spikes(times, (events.p.astype(np.int64) * height + events.y) * width + events.x)})
        begin = time.perf_counter()
        run = sim.run(float(times[-1]) + (0.0 if dt is None else 10 * dt))
        spent.append(time.perf_counter() - begin)
        right += int(np.argmax(np.bincount(run.spikes[last].neurons, minlength=10))) == label
        hidden = run.counts.spikes.total - run.counts.spikes["in"]
        totals += run.counts.spikes["in"], hidden, run.counts.synaptic_events.total
    return {"right": right, "recordings": len(recordings), "input_spikes": totals[0] / len(recordings),
            "spikes": totals[1] / len(recordings), "synaptic_events": totals[2] / len(recordings),
            "seconds": float(np.median(spent))}


def main(limit=100):
    import nir

    nodes = in_order(nir.read(Path(os.environ["EVENTSNN_DATA"], GRAPH)))
    recordings = nmnist_small()["test"][:limit]
    found = {}
    for name, dt in (("grid time, 1 ms", DT), ("continuous time", None)):
        r = found[name] = classify(nodes, recordings, dt)
        print(f"{name}: {r['right']} of {r['recordings']} right; per recording {r['input_spikes']:.0f} input spikes, "
              f"{r['spikes']:.0f} spikes, {r['synaptic_events'] / 1e6:.2f} million synaptic events, "
              f"{1e3 * r['seconds']:.0f} ms")
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
