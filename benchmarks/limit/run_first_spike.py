"""The first-spike forward pass in hand-written C++ beside ours, without bias spikes: microseconds per sample, same spikes.

Usage: python benchmarks/limit/run_first_spike.py [--repeats 15] [--core 0]     (needs g++ or the compiler in $CXX)
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import measure  # noqa: E402
from first_spike import least  # noqa: E402

from eventsnn.learn.first_spike.network import FirstSpikeNetwork  # noqa: E402

FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno"]
# inputs, layers, mean and spread of the weights, samples
SHAPES = {"5-120-3": ((5, 120, 3), (1.5, 0.5), 0.8, 2000), "256-246-10": ((256, 246, 10), (0.1, 0.3), 0.4, 500),
          "784-350-10": ((784, 350, 10), (0.05, 0.15), 0.8, 300)}
ROUNDS = 5  # of ours and theirs in turn


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "first_spike_limit.json")
    options = parser.parse_args()
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise SystemExit("no C++ compiler: install g++ or set CXX")
    measure.pin(options.core)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        program, path = f"{folder}/first_spike", f"{folder}/network.bin"
        subprocess.run([compiler, *FLAGS, Path(__file__).parent / "first_spike.cpp", "-o", program], check=True)
        for name, (sizes, means, spread, n) in SHAPES.items():
            draw = np.random.default_rng(0)
            weights = [draw.normal(mean, spread, pair) for mean, pair in zip(means, zip(sizes, sizes[1:]))]
            network = FirstSpikeNetwork(weights, bias_times=(None,) * len(weights))
            times = draw.uniform(0.15, 2.0, (n, sizes[0]))
            with open(path, "wb") as file:
                np.array([n, len(weights), *sizes], np.int64).tofile(file)
                for array in (times, *weights):
                    array.tofile(file)
            record = network.fill(network.record(times))
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(1e6 * least(options.repeats, lambda: network.fill(record)) / n)  # noqa: B023
                lines = subprocess.run([program, path, str(options.repeats)], capture_output=True, text=True, check=True)
                found = dict(line.split() for line in lines.stdout.splitlines())
                theirs.append(float(found["us_per_sample"]))
            outputs = network.layers(record)[-1]
            finite = np.isfinite(outputs)
            if int(found["fired"]) != finite.sum() or abs(float(found["sum"]) - outputs[finite].sum()) > 1e-9 * finite.sum():
                raise SystemExit(f"{name}: the two do not agree")
            rows.append({"shape": name, "eventsnn_us": min(ours), "cpp_us": min(theirs), "ratio": min(ours) / min(theirs),
                         "hidden_fired": float(np.isfinite(network.layers(record)[0]).mean())})
            print(rows[-1], flush=True)
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions() | {"compiler": version}, "flags": FLAGS, "rows": rows})


if __name__ == "__main__":
    main()
