"""How many samples per second do the first-spike kernels take, forward and backward? Every input spikes, at its own time.

Beside them the plain matrix product of the same shape (float64, NumPy), as the speed of light. Least of the repeats, wall time.

Usage: python benchmarks/first_spike.py [--threads 1 2] [--repeats 9]
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
import numpy as np

from eventsnn.learn.first_spike.network import FirstSpikeNetwork

# layers, bias times, mean and spread of the weights, samples
SHAPES = {
    "5-120-3": ((4, 120, 3), (0.9, 0.9), (1.5, 0.5), (0.8, 0.8), 150),
    "256-246-10": ((256, 246, 10), (None, None), (0.1, 0.6), (0.4, 0.8), 80),
    "784-350-10": ((784, 350, 10), (None, None), (0.05, 0.15), (0.8, 0.8), 80),
}


def least(repeats, work):
    """Shortest wall time of `work` in s."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure_shape(name, ratio, threads, repeats):
    sizes, bias, mean, spread, n = SHAPES[name]
    draw = np.random.default_rng(0)
    weights = [draw.normal(m, s, (a + (b is not None), c)) for m, s, a, b, c in zip(mean, spread, sizes, bias, sizes[1:])]
    network = FirstSpikeNetwork(weights, bias_times=bias, tau_ratio=ratio)
    record, delta = network.record(draw.uniform(0.15, 2.0, (n, sizes[0]))), 0.01 * draw.normal(size=(n, sizes[-1]))
    with ThreadPoolExecutor(threads) as executor:
        pool = executor if threads > 1 else None
        network.fill(record, pool, threads)
        network.gradient(record, delta, 0.2, pool, threads)
        forward = least(repeats, lambda: network.fill(record, pool, threads))
        backward = least(repeats, lambda: network.gradient(record, delta, 0.2, pool, threads))
    inputs = [draw.normal(size=(n, w.shape[0])) for w in weights]
    product = least(repeats, lambda: [x @ w for x, w in zip(inputs, weights)])
    return {"shape": name, "tau_ratio": ratio, "threads": threads, "forward_us": 1e6 * forward / n,
            "backward_us": 1e6 * backward / n, "training_samples_per_s": n / (forward + backward),
            "forward_samples_per_s": n / forward, "matrix_product_us": 1e6 * product / n,
            "hidden_fired": float(np.isfinite(network.layers(record)[0]).mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "first_spike.json")
    options = parser.parse_args()
    rows = []
    for name in SHAPES:
        for ratio in (1.0, 2.0, 3.0):
            for threads in options.threads:
                rows.append(measure_shape(name, ratio, threads, options.repeats))
                print({k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
                                "load": measure.load(), "rows": rows})


if __name__ == "__main__":
    main()
