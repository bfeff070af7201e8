"""TSSL-BP on the small digits: accuracy of several seeds, with the sign turned, without the surrogate; the cost of the backward
sweep beside its event form, and of a convolution by three routes.

20 epochs of 64-100-10, five steps; the rate was chosen on held-out training images, the test set is looked at once per network.

Usage: python benchmarks/tssl_bp.py
"""

import argparse
import time

import measure
import numpy as np

from eventsnn.jit import jit
from eventsnn.learn.blas import one_thread
from eventsnn.learn.tssl_bp import kernels
from eventsnn.learn.tssl_bp.layers import ROWS, Buffers
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


@jit
def direct(x, w, out):
    """out [m, H', W', channels] of maps `x` [m, H, W, C] and w [k, k, C, channels], by plain loops, the last one vectorised."""
    m, rows, columns, channels = out.shape
    size, _, inputs, _ = w.shape
    for i in range(m):
        for y in range(rows):
            for x0 in range(columns):
                to = out[i, y, x0]
                to[:] = 0.0
                for dy in range(size):
                    for dx in range(size):
                        for c in range(inputs):
                            value, row = x[i, y + dy, x0 + dx, c], w[dy, dx, c]
                            for k in range(channels):
                                to[k] += value * row[k]


def by_windows(x, w, out):
    """The route of training: windows unrolled block by block, products by BLAS."""
    size, _, inputs, channels = w.shape
    places = out.shape[1] * out.shape[2]
    step = max(1, ROWS // places)
    columns = np.empty((step * places, size * size * inputs), np.float32)
    for low in range(0, len(x), step):
        part = x[low:low + step]
        kernels.unroll(part.reshape(*part.shape[:2], -1), size, inputs, columns)
        rows = len(part) * places
        np.matmul(columns[:rows], w.reshape(-1, channels), out=out[low:low + step].reshape(rows, channels))


def by_fourier(x, w, out):
    """Products of Fourier transforms."""
    shape = x.shape[1:3]
    transformed = np.fft.rfft2(x, axes=(1, 2))
    kernel = np.conj(np.fft.rfft2(w, shape, axes=(0, 1)))
    found = np.fft.irfft2(np.einsum("myxc,yxck->myxk", transformed, kernel, optimize=True), shape, axes=(1, 2))
    out[:] = found[:, :out.shape[1], :out.shape[2]]


def convolutions(repeats=5):
    """ms per sample and step of the second layers of the MNIST and Fashion-MNIST networks, forwards, float32, one thread."""
    draw, found = np.random.default_rng(0), {}
    for name, shape, channels in (("15C5 on 28 x 28", (28, 28, 1), 15), ("40C5 on 15 x 12 x 12", (12, 12, 15), 40),
                                  ("64C5 on 32 x 18 x 18", (18, 18, 32), 64)):
        x = draw.random((40, *shape), np.float32)
        w = draw.normal(0.0, 0.1, (5, 5, shape[2], channels)).astype(np.float32)
        outs, took = [], {}
        with one_thread():
            for route in (by_windows, direct, by_fourier):
                out, times = np.empty((40, shape[0] - 4, shape[1] - 4, channels), np.float32), []
                for _ in range(repeats):
                    begin = time.perf_counter()
                    route(x, w, out)
                    times.append(time.perf_counter() - begin)
                took[route.__name__] = 1e3 * min(times) / 40
                outs.append(out)
        if not all(np.allclose(out, outs[0], atol=1e-3) for out in outs):
            raise SystemExit(f"the routes disagree on {name}")
        found[name] = took
    return found


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--out", default=str(measure.RESULTS / "tssl_bp.json"))
    given = words.parse_args()
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "load": measure.load(), "digits": digits(given.seeds),
              "ns_per_neuron_and_step": {str(rate): sweeps(rate) for rate in (0.3, 0.1, 0.02, 0.005)},
              "convolution_ms": convolutions()}
    measure.write(given.out, report)
    for name, found in report["digits"].items():
        print(f"{name}: {100 * found['mean']:.1f} % {[round(100 * v, 1) for v in found['test_accuracy_last_epoch']]}")
    print(report["ns_per_neuron_and_step"])
    print(report["convolution_ms"])


if __name__ == "__main__":
    main()
