"""What does the chip model cost? The same network with and without `hardware=`, in turn; wall time, least of the rounds.

Three networks: 256-246-10 on MNIST-like images (many short runs, prepared once), a feed-forward network of 4 x 100 neurons over
one second, and a recurrent one, which runs in steps of the latency.

Usage: python benchmarks/hardware_overhead.py
"""

import argparse
import time
from pathlib import Path

import measure
import numpy as np

import eventsnn as es

HARDWARE = es.BrainScaleS2("mnist", tau_mem_spread=0.05, tau_syn_spread=0.05, gain_spread=0.05)


def images(n=100):
    """(network, list of inputs, window)."""
    from eventsnn.learn.models import load_model

    net, _ = load_model("mnist16")
    draw = np.random.default_rng(0)
    times = np.where(draw.random((n, 256)) < 0.4, draw.uniform(0.15, 2.0, (n, 256)), np.inf)
    return net.to_network(6e-3), [net.encode_spikes(row, 6e-3) for row in times], 48e-3


def layers(until=1.0, size=100, depth=4):
    draw, net = np.random.default_rng(1), es.Network()
    net.add("input", es.Input(size))
    source = "input"
    for k in range(depth):
        net.add(f"layer{k}", es.LIF(size, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, t_ref=2e-3))
        net.connect(source, f"layer{k}", es.Dense(draw.normal(0.35, 0.3, (size, size))))
        source = f"layer{k}"
    n = draw.poisson(20.0 * until * size)
    return net, [{"input": es.Spikes(np.sort(draw.uniform(0, until, n)), draw.integers(0, size, n))}], until


def recurrent(until=0.2, size=100):
    net, inputs, _ = layers(until, size, 1)
    net.connect("layer0", "layer0", es.RandomOutdegree(20, weight=-0.2, seed=3, delay=1e-3))
    return net, inputs, until


def seconds(net, inputs, until, hardware):
    """(s for all inputs, spikes)."""
    simulation, spikes = es.Simulation(net, hardware=hardware, progress=False), 0
    started = time.perf_counter()
    for given in inputs:
        simulation.reset(given)
        spikes += simulation.run(until).counts.spikes.total
    return time.perf_counter() - started, spikes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "hardware_overhead.json")
    options = parser.parse_args()
    measure.pin(0)
    rows = []
    for name, make in (("256-246-10, 100 images", images), ("4 layers of 100, 1 s", layers), ("recurrent, 0.2 s", recurrent)):
        case = make()
        seconds(*case, None), seconds(*case, HARDWARE)
        found = [(seconds(*case, None), seconds(*case, HARDWARE)) for _ in range(options.rounds)]
        plain, chip = (min(pair[k][0] for pair in found) for k in (0, 1))
        rows.append({"network": name, "plain_s": plain, "chip_s": chip, "ratio": chip / plain, "spikes_plain": found[0][0][1],
                     "spikes_chip": found[0][1][1]})
        print(rows[-1], flush=True)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
                                "load": measure.load(), "rows": rows})


if __name__ == "__main__":
    main()
