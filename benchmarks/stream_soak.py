"""Stream MNIST images without end for some minutes: memory, latencies, synaptic events per second, as a JSON file.

Usage: python benchmarks/stream_soak.py [--minutes 30] [--rate 1.0] [--out FILE]; --rate 0: as fast as possible. The network is
asnn-mnist-mlp with tau_eta = 20 ms, 150 ms per image; a snapshot is written every minute.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import measure
import numpy as np

import eventsnn as es
from eventsnn.conversion.files import load_plain
from eventsnn.data.mnist import mnist


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--out", default=measure.RESULTS / "stream_soak.json")
    options = parser.parse_args()
    layers, shape, _ = load_plain("asnn-mnist-mlp")
    images, labels = mnist()["test"]
    frames = (images[k % len(images)].reshape(shape) / 255.0 for k in itertools.count())
    model = es.convert(layers, input_shape=shape, tau_eta=20e-3, tau_beta=20e-3, tau_gamma=6e-3, tau_phi=2e-3)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = es.FrameSource(frames, 0.15, labels=itertools.cycle(labels))
        stream = es.Stream(model, source, margin=3.0, rate=options.rate, drop="oldest", snapshot=Path(folder) / "stream.h5",
                           each_second=rows.append)
        end = time.monotonic() + 60.0 * options.minutes
        for _ in stream:
            if time.monotonic() >= end:
                break
        stream.close()
    summary = stream.summary()
    memory = np.array([row["rss"] for row in rows]) / 2**20
    minutes = [float(part.max().round(1)) for part in np.array_split(memory, max(round(options.minutes), 1))]
    measure.write(options.out, {
        "command": measure.command(), "machine": measure.machine(), "load": measure.load(), "versions": measure.versions(),
        "rate": options.rate, "minutes": options.minutes, "rss_mib_most_of_each_minute": minutes, "summary": summary})
    print(f"memory {minutes[min(1, len(minutes) - 1)]} MiB in the second minute, {minutes[-1]} in the last; {summary}")


if __name__ == "__main__":
    main()
