"""How accurate is first-spike learning on Yin-Yang? Trains five seeds by the 300-epoch recipe and writes the figures.

Usage: python benchmarks/yinyang_paper.py [--preset paper] [--seeds 5] [--threads 1] [--out FILE.json]
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import numba
import numpy as np

from eventsnn.learn.fast_and_deep import Config, train


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "yinyang_paper.json")
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        result = train(Config.preset(options.preset, seed=seed, threads=options.threads), progress=sys.stderr.isatty())
        rows.append({
            "seed": seed,
            "test_accuracy": result.test_accuracy,
            "validation_accuracy": result.validation_accuracy,
            "epoch": result.best_epoch + 1,
            "final_test_accuracy": result.final_test_accuracy,
            "silent_hidden": float(result.curve["silent"][-1]),
            "bump_share": float(result.curve["bumps"].mean()),
            "seconds": round(result.seconds, 1),
        })
        print(json.dumps(rows[-1]), flush=True)
        write(options, rows)


def write(options, rows):
    tests = [row["test_accuracy"] for row in rows]
    report = {
        "command": f"python benchmarks/yinyang_paper.py --preset {options.preset} --seeds {options.seeds} "
        f"--threads {options.threads}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__},
        "cores": os.cpu_count(),
        "config": asdict(Config.preset(options.preset, threads=options.threads)),
        "test_accuracy_mean": float(np.mean(tests)),
        "test_accuracy_std": float(np.std(tests, ddof=1)) if len(tests) > 1 else None,
        "final_test_accuracy_mean": float(np.mean([row["final_test_accuracy"] for row in rows])),
        "seeds": rows,
    }
    partial = options.out.with_suffix(".part")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(partial, options.out)


if __name__ == "__main__":
    main()
