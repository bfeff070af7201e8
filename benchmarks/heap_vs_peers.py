"""What does a synaptic event cost, next to NEST and Brian2? Workload W1, one thread, the simulate phase alone.

All systems run the same network (same table of targets, weights, initial voltages), one after the other on one core, in
as many rounds as --repeats says; the figure is CPU time / (spikes x synapses per neuron), median and least over the rounds.
The spike counts of eventsnn are checked against the exact ones. Peers are run by --peers-python, which must have them
(`pip install "eventsnn[bench]"`), and are left out without it.

Usage: python benchmarks/heap_vs_peers.py [--peers-python PYTHON] [--n 4000 20000] [--variants eq cuba] [--repeats 5]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import workloads
from tqdm import tqdm

SCHEDULERS = ("heap", "auto")
PEERS = {
    "nest-grid": "NEST iaf_psc_exp, grid 0.1 ms",
    "nest-exact-0.5": "NEST iaf_psc_exp_ps, h = 0.5 ms",
    "nest-exact-0.1": "NEST iaf_psc_exp_ps, h = 0.1 ms",
    "brian2": "Brian2 C++ standalone, grid 0.1 ms",
}


class Ours:
    """eventsnn: the network is lowered once; each repetition makes a new `Simulation`, and only `run` is timed."""

    def __init__(self, scheduler, lowered, case):
        self.scheduler, self.lowered, self.case = scheduler, lowered, case
        self.name = f"eventsnn {scheduler}"
        self._simulation().run(until=1e-3)  # compiles

    def _simulation(self):
        import eventsnn as es

        return es.Simulation(self.lowered, scheduler=self.scheduler)

    def repeat(self):
        simulation = self._simulation()
        cpu, wall = time.process_time(), time.perf_counter()
        run = simulation.run(until=1.0)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        spikes, events = run.counts.spikes["n"], run.counts.synaptic_events.total
        variant, n, seed = self.case
        exact = workloads.EXACT_SPIKES.get(("w1", variant, n))
        if seed == 1 and exact is not None and spikes != exact:
            raise SystemExit(f"{self.name}, {variant}, N = {n}: {spikes} spikes, the exact count is {exact}")
        return {"cpu_s": cpu, "wall_s": wall, "spikes": spikes, "events": events}

    def close(self):
        self.lowered = None


class Peer:
    """A peer in a process of its own, which answers one line per repetition."""

    def __init__(self, system, python, case):
        variant, n, seed = case
        self.name, self.k = PEERS[system], workloads.out_degree(n)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, Path(__file__).parent / "peers.py", system, "--variant", variant, "--n", str(n), "--seed", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.version = self._answer()["version"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError((self.errors.read().strip().splitlines() or ["it ended without an answer"])[-1])
        return json.loads(line)

    def repeat(self):
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer | {"events": answer["spikes"] * self.k}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def contestants(options, case, found):
    """The systems of one case; versions of the peers go to `found`."""
    from eventsnn.model.lower import lower

    variant, n, seed = case
    lowered = lower(workloads.build("w1", variant, n, seed=seed)[0])
    systems = [Ours(scheduler, lowered, case) for scheduler in options.schedulers]
    for system in options.peers if options.peers_python else ():
        try:
            systems.append(Peer(system, options.peers_python, case))
            found[system] = systems[-1].version
        except RuntimeError as error:
            print(f"{PEERS[system]} left out: {error}", file=sys.stderr)
    return systems


def measure_case(options, case, progress, found):
    """One row per system of workload W1 in one variant and size."""
    systems = contestants(options, case, found)
    samples = {system.name: [] for system in systems}
    for _ in range(options.repeats):
        for system in systems:
            progress.set_postfix_str(f"{case[0]} {case[1]} {system.name}")
            samples[system.name].append(system.repeat() | {"load": measure.load()})
            progress.update()
    rows = []
    for system in systems:
        system.close()
        runs = samples[system.name]
        cost = [1e9 * run["cpu_s"] / run["events"] for run in runs]
        rows.append({
            "system": system.name, "variant": case[0], "n": case[1], "k": workloads.out_degree(case[1]),
            "spikes": runs[0]["spikes"], "events": runs[0]["events"], "ns_per_event_median": statistics.median(cost),
            "ns_per_event_least": min(cost), "runs": runs})
    return rows


def show(rows):
    """Markdown: one line per system, one column per case; relative to the first system."""
    cases = list(dict.fromkeys((row["variant"], row["n"]) for row in rows))
    names = list(dict.fromkeys(row["system"] for row in rows))
    cost = {(row["system"], row["variant"], row["n"]): row for row in rows}
    lines = []
    for name in names:
        line = [name]
        for case in cases:
            row, first = cost.get((name, *case)), cost[names[0], *case]
            ratio = row["ns_per_event_median"] / first["ns_per_event_median"] if row else 0.0
            line.append(f"{row['ns_per_event_median']:.1f} / {row['ns_per_event_least']:.1f} ({ratio:.2g}x)" if row else "-")
        lines.append(line)
    print(measure.table(["ns per synaptic event: median / least", *(f"{v}, N = {n:,}" for v, n in cases)], lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="interpreter that has NEST and Brian2; without it only eventsnn runs")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--schedulers", nargs="+", default=list(SCHEDULERS))
    parser.add_argument("--n", nargs="+", type=int, default=[4_000, 20_000])
    parser.add_argument("--variants", nargs="+", choices=workloads.VARIANTS, default=list(workloads.VARIANTS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=0, help="the core everything runs on")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "heap_vs_peers.json")
    options = parser.parse_args()
    measure.pin(options.core)
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "seed": options.seed, "load_before": measure.load(), "rows": []}
    cases = [(variant, n, options.seed) for n in options.n for variant in options.variants]
    per_case = len(options.schedulers) + (len(options.peers) if options.peers_python else 0)
    with tqdm(total=len(cases) * per_case * options.repeats, disable=None) as progress:
        for case in cases:
            report["rows"] += measure_case(options, case, progress, report["versions"])
            measure.write(options.out, report)
    show(report["rows"])


if __name__ == "__main__":
    main()
