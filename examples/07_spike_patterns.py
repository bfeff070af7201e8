"""Teach a network to answer each of three input patterns with given spikes of four outputs, at given times, by TSSL-BP.

Input patterns are frozen Poisson spikes of 200 neurons over 100 steps of 1 ms; the targets are five spikes per output and
pattern. After training the network runs on the event engine in grid time, and its output trains are compared with the targets
by the distances of van Rossum (tau = 5 ms) and of Victor and Purpura (0.2 per ms that a spike is moved).

Usage: python examples/07_spike_patterns.py [epochs]
"""

import sys

import numpy as np

import eventsnn as es
from eventsnn.learn.distances import van_rossum, victor_purpura
from eventsnn.learn.tssl_bp.config import Config
from eventsnn.learn.tssl_bp.inputs import Trains
from eventsnn.learn.tssl_bp.network import DT
from eventsnn.learn.tssl_bp.training import Trainer, train

PATTERNS, STEPS, INPUTS, HIDDEN, OUTPUTS, SPIKES = 3, 100, 200, 300, 4, 5
TAU, COST = 5e-3, 200.0  # s; 1/s


def patterns(seed=5):
    """(inputs, targets): 0 or 1, [pattern, step, neuron]."""
    draw = np.random.default_rng(seed)
    inputs = draw.random((PATTERNS, STEPS, INPUTS)) < 0.05
    targets = np.zeros((PATTERNS, STEPS, OUTPUTS))
    for k in range(PATTERNS):
        for j in range(OUTPUTS):
            targets[k, draw.choice(np.arange(8, STEPS, 4), SPIKES, replace=False), j] = 1
    return inputs.astype(int), targets.astype(int)


def answers(network, inputs):
    """Per pattern the output spikes of the event engine."""
    net = network.to_network()
    runs = [es.simulate(net, {"input": network.to_spikes(x)}, until=(STEPS - 1) * DT, dt=DT, progress=False) for x in inputs]
    return [run.spikes[f"layer{len(network.layers) - 1}"] for run in runs]


def compare(found, targets):
    """Mean distances per output train, (van Rossum, Victor-Purpura), and how many target spikes are met in the very step."""
    rossum, victor, met = [], [], 0
    for spikes, target in zip(found, targets):
        for j in range(OUTPUTS):
            own, wanted = spikes.times[spikes.neurons == j], np.flatnonzero(target[:, j]) * DT
            rossum.append(van_rossum(own, wanted, TAU))
            victor.append(victor_purpura(own, wanted, COST))
            met += np.intersect1d(np.rint(own / DT), np.rint(wanted / DT)).size
    return float(np.mean(rossum)), float(np.mean(victor)), met


def main(epochs=3000):
    inputs, targets = patterns()
    samples = Trains(inputs, targets)
    config = Config(layers=(HIDDEN, OUTPUTS), steps=STEPS, tau_mem=5.0, tau_syn=2.0, batch=PATTERNS, parts=1, rate=5e-4,
                    epochs=epochs, schedule="cosine", checkpoint_every=epochs)
    before = compare(answers(Trainer(config, samples).network(), inputs), targets)
    result = train(config, {"train": samples}, progress=sys.stderr.isatty())
    found = answers(result.final_network, inputs)
    after = compare(found, targets)
    for name, (rossum, victor, met) in (("before", before), ("after", after)):
        print(f"{name} training: van Rossum {rossum:.3f}, Victor-Purpura {victor:.3f} per train; {met} of "
              f"{targets.sum()} target spikes in the very step")
    for j in range(OUTPUTS):
        own = np.rint(found[0].times[found[0].neurons == j] / DT).astype(int)
        print(f"pattern 0, output {j}: {own.tolist()}, wanted {np.flatnonzero(targets[0, :, j]).tolist()}")
    return before, after


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
