"""TSSL-BP on the small digits: accuracy of several seeds, of the control with the sign turned, without the surrogate; the cost of
the backward sweep beside its event form.

20 epochs of 64-100-10, five steps; the rate was chosen on held-out training images, the test set is looked at once per network.

Usage: python benchmarks/tssl_bp.py
"""

import argparse
import time

import measure
import numpy as np

from eventsnn.learn.tssl_bp import kernels
from eventsnn.learn.tssl_bp.layers import Buffers
from eventsnn.learn.tssl_bp.network import Constants
from eventsnn.learn.tssl_bp.recipes import data_of, recipe
from eventsnn.learn.tssl_bp.training import train

VARIANTS = {"published rule": {}, "sign of the spike-time path turned": {"factor": -1.0}, "without surrogate": {"quiet": 0.0},
            "published rate 5e-4": {"rate": 5e-4}}


def digits(seeds):
    """Test accuracies and spikes per step and neuron."""
    data, found = data_of("digits"), {}
    tested = data | {"validation": data["test"]}  # for the activity; nothing is chosen by it
    for name, changes in VARIANTS.items():
        results = [train(recipe("tssl-digits", seed=seed, **changes)[1], tested, progress=False) for seed in range(seeds)]
        found[name] = {"test_accuracy_last_epoch": [r.final_test_accuracy for r in results],
                       "mean": float(np.mean([r.final_test_accuracy for r in results])),
                       "spikes_per_neuron_and_step": np.mean([r.curve["activity"][-1] for r in results], axis=0).tolist(),
                       "seconds": float(np.median([r.seconds for r in results]))}
    return found


def sweeps(rate, steps=5, n=400, b=50):
    """ns per neuron and step of the vectorised sweep and of the event form, at so many spikes per step and neuron, float32."""
    draw = np.random.default_rng(0)
    kept = Buffers(b, Constants(steps=steps), np.float32)
    u = draw.normal(0.0, 0.4, (b, steps, n)).astype(np.float32)
    u += np.float32(1.0 - np.quantile(u, 1.0 - rate))
    a, g = np.empty_like(u), draw.normal(0.0, 1.0, u.shape).astype(np.float32)
    kernels.filtered(np.ascontiguousarray(u > 1.0), kept.decay, kept.gain, a)
    out, heard = np.empty_like(u), np.empty(steps, np.float32)
    took = {"vectorised": [], "events": []}
    for _ in range(20):
        out[:] = g
        begin = time.perf_counter()
        kernels.retreat(u, a, out, kept.rule, kept.sweep)
        took["vectorised"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        kernels.retreat_events(u, a, g, kept.rule, heard, out)
        took["events"].append(time.perf_counter() - begin)
    return {name: 1e9 * min(times[1:]) / u.size for name, times in took.items()}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--out", default=str(measure.RESULTS / "tssl_bp.json"))
    given = words.parse_args()
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "load": measure.load(), "digits": digits(given.seeds),
              "ns_per_neuron_and_step": {str(rate): sweeps(rate) for rate in (0.3, 0.1, 0.02, 0.005)}}
    measure.write(given.out, report)
    for name, found in report["digits"].items():
        print(f"{name}: {100 * found['mean']:.1f} % {[round(100 * v, 1) for v in found['test_accuracy_last_epoch']]}")
    print(report["ns_per_neuron_and_step"])


if __name__ == "__main__":
    main()
