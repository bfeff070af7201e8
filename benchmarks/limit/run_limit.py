"""What does a synaptic event cost in hand-written C++, and what does accumulating alone cost? See README.md.

Compiles `window.cpp` (needs g++ or the compiler in $CXX), runs it on W1 and on the prototype networks, checks the spike
counts and prints ns per synaptic event: the whole algorithm, and the floors with 32 and 16 bytes of state per neuron.

Usage: python benchmarks/limit/run_limit.py [--networks w1-20000 a20 r20] [--repeats 5] [--core 0]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import measure  # noqa: E402
import prototype_networks  # noqa: E402
import workloads  # noqa: E402

FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=off"]
NETWORKS = ("w1-4000", "w1-20000", "w1-100000", "a20", "a100", "r20", "r100", "s20", "k20")


def w1(n, seed=1):
    """W1 with equal time constants, in the units of `workloads.build`: what `write` takes."""
    v, k, scale = workloads.VARIANTS["eq"], workloads.out_degree(n), workloads.TAU_MEM / workloads.CAPACITANCE / workloads.UNIT
    targets = workloads.target_table(n, k, seed)
    weight = np.where(np.arange(n) < workloads.excitatory(n), v.weight_exc, v.weight_inh) * scale
    unit = workloads.UNIT
    cell = [workloads.TAU_MEM * 1e-3, v.tau_exc * 1e-3, workloads.V_THRESHOLD / unit,
            workloads.V_LEAK / unit + workloads.W1_CURRENT * scale, workloads.V_RESET / unit, workloads.T_REF * 1e-3,
            workloads.DELAY * 1e-3, 1.0]
    return (cell, targets, np.broadcast_to(weight[:, None], targets.shape), workloads.start_voltage(n, seed) / unit,
            np.zeros(0), np.zeros(0, np.int64))


def prototype(name):
    case = prototype_networks.CASES[name]
    weight, factor, targets = prototype_networks.rows(name)
    weights = np.broadcast_to(weight[:, None], targets.shape) if factor is None else weight[:, None] * factor
    times, number = prototype_networks.trains(name)
    p = prototype_networks
    cell = [p.TAU_MEM, p.TAU_SYN, p.V_THRESHOLD, 0.0, 0.0, p.T_REF, p.DELAY, case.duration * 1e-3]
    return cell, targets, weights, np.zeros(case.n), times * 1e-3, number + case.n


def write(path, cell, targets, weights, v_init, times, input_rows):
    """The network as one binary file, in the order `Engine::load` reads it."""
    n_rows, k = targets.shape
    with open(path, "wb") as file:
        for array, dtype in (([v_init.size, n_rows, targets.size, times.size], np.int64), (cell, np.float64),
                             (np.arange(n_rows + 1) * k, np.int64), (targets, np.uint32), (weights, np.float32),
                             (v_init, np.float64), (times, np.float64), (input_rows, np.int64)):
            np.ascontiguousarray(array, dtype).tofile(file)


def exact_spikes(network):
    if network.startswith("w1-"):
        return workloads.EXACT_SPIKES.get(("w1", "eq", int(network[3:])))
    return prototype_networks.EXACT_SPIKES.get(network)


def run(program, network, path, repeats):
    """Figures of one run of the compiled program: key -> list of numbers."""
    found = {}
    for line in subprocess.run([program, path, str(repeats)], capture_output=True, text=True, check=True).stdout.splitlines():
        key, value = line.split()
        found.setdefault(key, []).append(float(value))
    spikes, exact = int(found["spikes"][0]), exact_spikes(network)
    if exact is not None and spikes != exact:
        raise SystemExit(f"{network}: {spikes} spikes, the exact count is {exact}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--horizon", type=int, default=2, help="windows between two searches for neurons driven by their bias")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "limit.json")
    options = parser.parse_args()
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise SystemExit("no C++ compiler: install g++ or set CXX")
    measure.pin(options.core)
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    report = {"command": measure.command(), "machine": measure.machine(), "versions": {"compiler": version}, "flags": FLAGS,
              "horizon": options.horizon, "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        programs = {8: f"{folder}/window8", 4: f"{folder}/window4"}
        for size, program in programs.items():
            extra = [f"-DHORIZON={options.horizon}", *(["-DROW_WEIGHT"] if size == 4 else [])]
            subprocess.run([compiler, *FLAGS, *extra, Path(__file__).parent / "window.cpp", "-o", program], check=True)
        for network in tqdm(options.networks, disable=None):
            path = f"{folder}/{network}.bin"
            write(path, *(w1(int(network[3:])) if network.startswith("w1-") else prototype(network)))
            for size, program in programs.items():
                if size == 4 and network.startswith("r"):
                    continue  # its weights differ within a row
                load = measure.load()
                found = run(program, network, path, options.repeats)
                row = {"network": network, "bytes_per_synapse": size, "spikes": int(found["spikes"][0]),
                       "events": int(found["events"][0]), "load_before": load, "load_after": measure.load()}
                for key in ("full", "floor32", "floor16"):
                    row[key] = {"ns_median": statistics.median(found[key]), "ns_least": min(found[key]), "ns": found[key]}
                report["rows"].append(row)
                measure.write(options.out, report)
            os.remove(path)
    print(measure.table(
        ["network", "bytes per synapse", "spikes", "full", "floor, 32 B state", "floor, 16 B state", "full / floor (16 B)"],
        [[r["network"], r["bytes_per_synapse"], r["spikes"],
          *(f"{r[key]['ns_median']:.2f} ({r[key]['ns_least']:.2f})" for key in ("full", "floor32", "floor16")),
          f"{r['full']['ns_median'] / r['floor16']['ns_median']:.2f}"] for r in report["rows"]]))
    print("\nns per synaptic event, CPU time: median (least)")


if __name__ == "__main__":
    main()
