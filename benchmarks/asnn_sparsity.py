"""Spikes and time to equal accuracy: adapting spiking neurons beside the Poisson rate-coded conversion of the same network.

Runs the experiments asnn-mnist and asnn-sparsity, whose figures and tables go to out/, and keeps their summaries.

Usage: python benchmarks/asnn_sparsity.py [--preset paper] [--threads 1] [--seed 0]     (paper: ten minutes on one core)
"""

import argparse
from pathlib import Path

import measure

from eventsnn.experiments import run_experiment


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("out"), help="of figures and tables")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "asnn_sparsity.json")
    options = parser.parse_args()
    found = {}
    for name in ("asnn-mnist", "asnn-sparsity"):
        changes = {"preset": options.preset, "threads": options.threads}
        found[name] = run_experiment(name, changes, options.folder / f"{name}-{options.preset}", options.seed)
        print(found[name], flush=True)
    measure.write(options.out, {"command": measure.command(), "machine": measure.machine(), "load": measure.load(),
                                "versions": measure.versions(), "seed": options.seed, **found})


if __name__ == "__main__":
    main()
