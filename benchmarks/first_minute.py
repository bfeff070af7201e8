"""How long until the first result? Import, and the commands `eventsnn run balanced` and `eventsnn run yinyang`, each in a
process of its own: cold (empty cache of compiled kernels) and warm. Wall time; run it on an idle machine.

Import is the median wall time of `python -c "import eventsnn"` minus that of bare Python.

Usage: python benchmarks/first_minute.py [--repeats 5] [--cold 1] [--skip-yinyang]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
from tqdm import tqdm

EXPERIMENTS = ("balanced", "yinyang")


def wall(arguments, cache):
    """(seconds, last line of the output) of `python arguments` with its compiled kernels in folder `cache`."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=os.environ | {"NUMBA_CACHE_DIR": cache}, text=True,
                          capture_output=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return seconds, (done.stdout.strip().splitlines() or [""])[-1]


def summary(seconds):
    return {"median_s": statistics.median(seconds), "least_s": min(seconds), "all_s": seconds}


def import_times(repeats, cache, progress):
    """Wall time of bare Python, of `import eventsnn`, and of what the command line imports before it does anything."""
    codes = {"python": "pass", "import_eventsnn": "import eventsnn", "import_cli": "import eventsnn.cli",
             "import_simulate": "import eventsnn; eventsnn.simulate"}
    seconds = {name: [] for name in codes}
    for _ in range(2 * repeats):
        for name, code in codes.items():
            seconds[name].append(wall(["-c", code], cache)[0])
            progress.update()
    found = {name: summary(values) for name, values in seconds.items()}
    for name in list(codes)[1:]:
        found[name]["above_python_s"] = found[name]["median_s"] - found["python"]["median_s"]
    return found


def run_times(experiment, options, cache, progress):
    """Cold and warm wall times of `eventsnn run experiment --json`, and the last summary."""
    times = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as out:
        for kind, count in (("cold", options.cold), ("warm", options.repeats)):
            for number in range(count):
                fresh = Path(cache) / f"{experiment}-{number if kind == 'cold' else 0}"
                target = Path(out) / f"{kind}-{number}"
                seconds, last = wall(["-m", "eventsnn.cli", "run", experiment, "--json", "--out", str(target)], str(fresh))
                times[kind].append(seconds)
                progress.update()
    kept = {key: value for key, value in json.loads(last).items() if not isinstance(value, str)}
    return {kind: summary(seconds) for kind, seconds in times.items()} | {"summary": kept}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="warm runs; imports are timed twice as often")
    parser.add_argument("--cold", type=int, default=1, help="cold runs per experiment, at least 1")
    parser.add_argument("--skip-yinyang", action="store_true")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "first_minute.json")
    options = parser.parse_args()
    experiments = EXPERIMENTS[:1] if options.skip_yinyang else EXPERIMENTS
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "load_before": measure.load()}
    total = 8 * options.repeats + len(experiments) * (options.cold + options.repeats)
    with tempfile.TemporaryDirectory() as cache, tqdm(total=total, disable=None) as progress:
        report |= import_times(options.repeats, cache, progress)
        for experiment in experiments:
            progress.set_postfix_str(experiment)
            report[experiment] = run_times(experiment, options, cache, progress)
            measure.write(options.out, report | {"load_after": measure.load()})
    lines = [(name, f"{report[name]['above_python_s']:.3f}") for name in ("import_eventsnn", "import_cli", "import_simulate")]
    for name in experiments:
        lines += [(f"run {name}, {kind}", f"{report[name][kind]['median_s']:.2f}") for kind in ("cold", "warm")]
    print(measure.table(["what", "s"], lines))


if __name__ == "__main__":
    main()
