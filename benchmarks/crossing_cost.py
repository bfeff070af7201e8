"""What does one search for the next threshold crossing cost, by solver and by how hard the case is?

Neurons start at random voltages below threshold with random drives, scaled so that the peak of V lies well above the
threshold ("crosses"), 1e-10 of its height above ("grazes") or below it ("misses"); "bias" has its resting potential above
the threshold. CPU time per call over a table of neurons, least and median over the repeats.

Usage: python benchmarks/crossing_cost.py [--neurons 2000] [--repeats 15]
"""

import argparse
import statistics
import time
from pathlib import Path

import measure
import numpy as np
from tqdm import tqdm

import eventsnn as es
from eventsnn.jit import jit
from eventsnn.kernels.flow import decay, read_row
from eventsnn.kernels.neuron import SCRATCH_COLUMNS, SCRATCH_ROWS
from eventsnn.kernels.single import search
from eventsnn.layout import MARGIN, MARGIN_ROW, MODES, N_MODES, P_EPOCH
from eventsnn.model.lower import lower

SOLVERS = {  # name: (tau_mem, tau_syn) in s
    "one": (20e-3, 0.0),
    "two": (20e-3, 5e-3),
    "pair, equal": (20e-3, 20e-3),
    "pair, near": (20e-3, 19e-3),
    "general, 3 modes": (20e-3, (5e-3, 10e-3)),
    "general, coupled": (20e-3, (20e-3, 5e-3)),
}
KINDS = {"crosses": 0.3, "grazes": 1e-10, "misses": -1e-10, "bias": None}


@jit(cache=False)
def value(kin, x, t, work):
    """V - resting potential at epoch time t from modes x."""
    decay(kin, 0, t, work[0])
    read_row(kin, 0, t, work[0], kin.f[0, MARGIN_ROW], work[1])
    total = 0.0
    for k in range(kin.i[0, N_MODES]):
        total += work[1, k] * x[k]
    return total


@jit(cache=False)
def peak(kin, x, until, work):
    """Maximum of `value` over [0, until]: the best of a grid, refined by thirds."""
    best, n = 0, 400
    for i in range(n + 1):
        if value(kin, x, until * i / n, work) > value(kin, x, until * best / n, work):
            best = i
    low, high = until * max(best - 1, 0) / n, until * min(best + 1, n) / n
    for _ in range(80):
        a, b = low + (high - low) / 3.0, high - (high - low) / 3.0
        if value(kin, x, a, work) < value(kin, x, b, work):
            low = a
        else:
            high = b
    return value(kin, x, 0.5 * (low + high), work)


@jit(cache=False)
def search_all(kin, wir, st, scratch, found):
    """One search per neuron, at the start of the epoch."""
    for j in range(found.size):
        found[j] = search(kin, wir, st, j, 0.0, scratch)


def cases(lowered, kind, n, until, rng):
    """(margins [n], modes [n, m]) of neurons below threshold whose peak is as `KINDS` says."""
    kin, m = lowered.kinetics, len(lowered.bases[0])
    work = np.zeros((SCRATCH_ROWS, SCRATCH_COLUMNS))
    physical = np.zeros((n, m))
    physical[:, 0] = rng.uniform(-5.0, 0.0, n)
    physical[:, 1:] = rng.uniform(40.0, 60.0, (n, m - 1))
    physical[:, 2:] *= -rng.uniform(0.1, 0.3, physical[:, 2:].shape)  # inhibition
    if kind == "bias":
        physical[:, 0] = rng.uniform(-20.0, -2.0, n)
        physical[:, 1:] *= rng.uniform(-0.5, 0.1, (n, m - 1))
    modes = np.linalg.solve(lowered.bases[0], physical.T).T.copy()
    if kind == "bias":
        return np.full(n, 1.0), modes
    height = np.array([peak(kin, x, until, work) for x in modes])
    modes *= (20.0 * (1.0 + KINDS[kind]) / height)[:, None]
    return np.full(n, -20.0), modes


def measure_case(name, kind, options):
    """A row of the report, or None where the solver has no such case."""
    tau_mem, tau_syn = SOLVERS[name]
    if name == "one" and kind != "bias":
        return None  # a single mode rises through the threshold only towards a resting potential above it
    net = es.Network()
    net.add("n", es.LIF(options.neurons, tau_mem=tau_mem, tau_syn=tau_syn, v_threshold=20.0))
    lowered = lower(net)
    state = es.Simulation(lowered).scheduler.state
    until = min(float(lowered.wiring.popf[0, P_EPOCH]), 0.2)
    margin, modes = cases(lowered, kind, options.neurons, until, np.random.default_rng(options.seed))
    state.cell[:, MARGIN] = margin
    state.cell[:, MODES:MODES + modes.shape[1]] = modes
    scratch, found = np.zeros((SCRATCH_ROWS, SCRATCH_COLUMNS)), np.zeros(options.neurons)
    arguments = lowered.kinetics, lowered.wiring, state, scratch, found
    search_all(*arguments)
    cost = []
    for _ in range(options.repeats):
        started = time.process_time_ns()
        search_all(*arguments)
        cost.append((time.process_time_ns() - started) / options.neurons)
    return {"solver": name, "case": kind, "found": float(np.isfinite(found).mean()),
            "ns_per_call_least": min(cost), "ns_per_call_median": statistics.median(cost)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "crossing_cost.json")
    options = parser.parse_args()
    measure.pin(options.core)
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "seed": options.seed, "load_before": measure.load()}
    rows = [measure_case(name, kind, options)
            for name, kind in tqdm([(name, kind) for name in SOLVERS for kind in KINDS], disable=None)]
    report["rows"] = [row for row in rows if row]
    measure.write(options.out, report)
    cost = {(row["solver"], row["case"]): row for row in report["rows"]}
    print(measure.table(["ns per search", *KINDS], [
        [name, *(f"{cost[name, kind]['ns_per_call_least']:.0f}" if (name, kind) in cost else "-" for kind in KINDS)]
        for name in SOLVERS]))


if __name__ == "__main__":
    main()
