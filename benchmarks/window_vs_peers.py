"""How fast is the exact engine, next to NEST and Brian2, on the same networks (W1, W2)? One second of biological time.

All systems run the same tables of synapses, in turn, in as many rounds as --repeats says; each run is a process of its own
on one core (two for two threads). Times are those of the simulate phase alone: CPU time for one thread, wall time for two.
Building, compiling and the time to the first spike stand beside them. The spike counts of eventsnn are checked against the
exact ones. Peers are run by --peers-python, which must have them, and are left out without it.

Usage: python benchmarks/window_vs_peers.py [--peers-python PYTHON] [--workloads w1-eq w1-cuba w2-eq] [--sizes 4000 20000]
       [--only window heap brian2] [--repeats 5] [--nest-repeats 1]
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
import workloads
from systems import NEST, OURS, TITLES
from tqdm import tqdm

WORKLOADS = ("w1-eq", "w1-cuba", "w2-eq")
SIZES = (4_000, 20_000, 100_000)


def cases_of(options):
    """(workload, variant, n, k); W2 runs at its one size."""
    for name in options.workloads:
        workload, variant = name.split("-")
        for n in options.sizes:
            if workload == "w1" or n == max(options.sizes):
                yield workload, variant, n, workloads.out_degree(n)


def possible(system, case):
    """NEST's lossless model wants equal time constants."""
    return system != "nest-lossless" or case[1] == "eq"


def repeats_of(system, case, options):
    few = options.nest_repeats and system in NEST and case[2] >= 100_000
    return options.nest_repeats if few else options.repeats


def run_once(system, case, options, folder, cache=None):
    """One run in a process of its own: its answer with load averages before and after. Raises RuntimeError."""
    workload, variant, n, k = case
    python = sys.executable if system in OURS else options.peers_python
    cores = {options.core, options.core ^ 1} if system in OURS and OURS[system][1] == 2 else {options.core}
    before = measure.load()
    done = subprocess.run(
        [python, Path(__file__).parent / "systems.py", system, "--workload", workload, "--variant", variant, "--n", str(n),
         "--seed", str(options.seed), "--folder", str(folder), "--started", repr(time.time())],
        capture_output=True, text=True, preexec_fn=lambda: measure.pin(*cores),
        env=os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {}))
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a message"])[-1])
    answer = json.loads(done.stdout)
    answer.setdefault("events", answer["spikes"] * k)
    exact = workloads.EXACT_SPIKES.get((workload, variant, n)) if options.seed == 1 else None
    if system in OURS and exact is not None and answer["spikes"] != exact:
        raise SystemExit(f"{TITLES[system]}, {case}: {answer['spikes']} spikes, the exact count is {exact}")
    return answer | {"load_before": before, "load_after": measure.load()}


def row_of(system, case, runs):
    """Medians over the runs of one system; the time that counts is CPU time for one thread."""
    workload, variant, n, k = case
    clock = "sim_s" if system in OURS and OURS[system][1] > 1 else "sim_cpu_s"
    row = {"system": system, "title": TITLES[system], "workload": workload, "variant": variant, "n": n, "k": k, "clock": clock,
           "spikes": runs[0]["spikes"], "events": runs[0]["events"], "seconds": statistics.median(r[clock] for r in runs),
           "seconds_least": min(r[clock] for r in runs)}
    row["ns_per_event"] = 1e9 * row["seconds"] / row["events"]
    for key in ("build_s", "compile_s", "first_spike_s"):
        row[key] = statistics.median(r[key] for r in runs)
    return row | {"runs": runs}


def measure_case(case, options, folder, progress, report):
    """Rows of one case, systems in alternation."""
    systems = [s for s in options.only if possible(s, case) and (s in OURS or options.peers_python)]
    runs = {system: [] for system in systems}
    for turn in range(options.repeats):
        for system in list(runs):
            progress.set_postfix_str(f"{'-'.join(case[:2])} {case[2]} {system}")
            if turn < repeats_of(system, case, options):
                try:
                    runs[system].append(run_once(system, case, options, folder / "-".join(map(str, (system, *case)))))
                except RuntimeError as error:
                    print(f"{TITLES[system]}, {case}: left out: {error}", file=sys.stderr)
                    del runs[system]
                    continue
                report["versions"][TITLES[system].split()[0]] = runs[system][-1].pop("version")
            progress.update()
    return [row_of(system, case, found) for system, found in runs.items() if found]


def cold_compile(options, report):
    """Seconds to compile with an empty cache, per scheduler."""
    for system in options.only:
        if system in OURS and OURS[system][1] == 1:
            with tempfile.TemporaryDirectory() as cache:
                try:
                    answer = run_once(system, ("w1", "eq", 4_000, 80), options, cache, cache)
                except RuntimeError as error:
                    print(f"{TITLES[system]}, cold: left out: {error}", file=sys.stderr)
                    continue
            report["cold_compile_s"][system] = answer["compile_s"]


def ratios(rows):
    """Time of each peer / time of each of ours, on the same workload; ours are exact, so spikes differ a little."""
    found = {}
    for row in rows:
        if row["system"] in OURS:
            peers = [r for r in rows if r["system"] != row["system"] and all(r[key] == row[key]
                                                                            for key in ("workload", "variant", "n"))]
            found["-".join((row["system"], row["workload"], row["variant"], str(row["n"])))] = {
                r["system"]: r["seconds"] / row["seconds"] for r in peers}
    return found


def show(rows):
    """One table per case; the last column is relative to the first system."""
    for case in dict.fromkeys((row["workload"], row["variant"], row["n"]) for row in rows):
        own = [row for row in rows if (row["workload"], row["variant"], row["n"]) == case]
        print(f"\n{case[0].upper()} {case[1]}, N = {case[2]:,}")
        print(measure.table(
            ["system", "spikes", "s", "ns per event", "build s", "compile s", "first spike s", "time / first"],
            [[r["title"], r["spikes"], f"{r['seconds']:.3g}", f"{r['ns_per_event']:.3g}", f"{r['build_s']:.2f}",
              f"{r['compile_s']:.2f}", f"{r['first_spike_s']:.2f}", f"{r['seconds'] / own[0]['seconds']:.3g}"] for r in own]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="interpreter that has NEST and Brian2; without it only eventsnn runs")
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="neurons; W2 takes the largest")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nest-repeats", type=int, default=0, help="runs of NEST at N >= 100,000; 0: as all others")
    parser.add_argument("--cold", action="store_true", help="also compile once with an empty cache")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=0, help="the core everything runs on; two threads: and its neighbour")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "window_vs_peers.json")
    options = parser.parse_args()
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "seed": options.seed, "cold_compile_s": {}, "rows": [], "ratios": {}}
    cases = list(cases_of(options))
    if options.cold:
        cold_compile(options, report)
    total = len(cases) * len(options.only) * options.repeats
    with tempfile.TemporaryDirectory() as folder, tqdm(total=total, disable=None) as progress:
        for case in cases:
            report["rows"] += measure_case(case, options, Path(folder), progress, report)
            report["ratios"] = ratios(report["rows"])
            measure.write(options.out, report)
    show(report["rows"])


if __name__ == "__main__":
    main()
