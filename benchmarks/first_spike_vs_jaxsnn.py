"""A Yin-Yang epoch of jaxsnn (its own layered EventProp example, 120 hidden neurons) beside ours, taken in turn.

jaxsnn lives in an environment of its own: give its Python. An epoch's time is the difference between runs of few and of many
epochs, so compilation does not count; ours is that of `train`, with update and validation, after one run that compiles.

Usage: python benchmarks/first_spike_vs_jaxsnn.py --python /path/to/python-with-jaxsnn
"""

import argparse
import subprocess
import time
from pathlib import Path

import measure

from eventsnn.learn.config import Config
from eventsnn.learn.fast_and_deep import train

SAMPLES, BATCH, FEW, MANY = 4950, 150, 2, 12
CODE = """
import time
from importlib.metadata import version
from jaxsnn.examples.event.yinyang_layered_event_prop import get_parser, main
def seconds(epochs):
    words = f"--hidden-size 120 --n-spikes-hidden 125 --n-spikes-output 123 --epochs {{epochs}}"
    words += " --trainset-size {0} --testset-size {1} --batch-size {1}"
    arguments = get_parser().parse_args(words.split())
    started = time.perf_counter()
    main(arguments)
    return time.perf_counter() - started
few, many = seconds({2}), seconds({3})
print("found", (many - few) / ({3} - {2}), version("jaxsnn"), version("jax"))
"""


def jaxsnn_epoch(python):
    """(s per epoch, version of jaxsnn, of jax)."""
    code = CODE.format(SAMPLES, BATCH, FEW, MANY)
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env={"JAX_PLATFORMS": "cpu"})
    seconds, *versions = done.stdout.split("found ")[1].split()
    return float(seconds), *versions


def our_epoch(epochs=20):
    """s per epoch."""
    train(Config(epochs=1), progress=False)
    times = []
    for count in (1, 1 + epochs):
        started = time.perf_counter()
        train(Config(epochs=count), progress=False)
        times.append(time.perf_counter() - started)
    return (times[1] - times[0]) / epochs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "first_spike_vs_jaxsnn.json")
    options = parser.parse_args()
    measure.pin(options.core)
    ours, theirs = [], []
    for _ in range(options.rounds):
        theirs.append(jaxsnn_epoch(options.python))
        ours.append(our_epoch())
        print(f"jaxsnn {SAMPLES / theirs[-1][0]:.0f} samples/s, eventsnn {5000 / ours[-1]:.0f}", flush=True)
    rates = {"jaxsnn_training_samples_per_s": [SAMPLES / seconds for seconds, *_ in theirs],
             "eventsnn_training_samples_per_s": [5000 / seconds for seconds in ours]}
    ratio = max(rates["eventsnn_training_samples_per_s"]) / max(rates["jaxsnn_training_samples_per_s"])
    measure.write(options.out, {"command": "python benchmarks/first_spike_vs_jaxsnn.py --python PYTHON",
                                "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions() | dict(zip(("jaxsnn", "jax"), theirs[0][1:])),
                                **rates, "times_faster": ratio})
    print(f"{ratio:.1f} times faster")


if __name__ == "__main__":
    main()
