"""How fast and how lean are networks built, rule by rule and for the full-scale cortical microcircuit?

Every case runs in a process of its own: once small, to compile, then in full. Speed is synapses per CPU second of `build`
(best of the repeats), page faults of fresh memory included; "user" is without the time in the system, nearly all of it page
faults, which cost more on some virtual machines than drawing the synapses. Bytes per synapse are those of the result, and
peak is the most memory the process held beyond what it held before, results and input lists included. "procedural" draws
every row once into the same scratch.

The microcircuit (Potjans & Diesmann 2014, Cereb. Cortex 24) has 77,169 neurons in eight populations, 64 projections with a
given total number of synapses, normal float32 weights and delays normal on a grid of 0.1 ms.

Usage: python benchmarks/construction.py [--millions 20] [--repeats 3]
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from pathlib import Path

import measure
import numpy as np
from tqdm import tqdm

import eventsnn as es
from eventsnn.jit import jit
from eventsnn.kernels import draw
from eventsnn.model.distributions import DelayClasses

N = 100_000  # neurons on either side
WHERE = "projection 'a->b'"
SLOW = es.Normal(1.5e-3, 0.75e-3, low=0.1e-3, step=0.1e-3)  # delays of excitatory synapses
FAST = es.Normal(0.75e-3, 0.375e-3, low=0.1e-3, step=0.1e-3)  # and of inhibitory ones
SIZES = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)  # L2/3e, L2/3i, L4e, L4i, L5e, L5i, L6e, L6i
PROBABILITIES = (  # row: target, column: source
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)


def sparse(k, weight, delay):
    """A list of N * k synapses in random order."""
    rng = np.random.default_rng(1)
    ends = rng.integers(0, N, (2, N * k), dtype=np.int32)
    weights = rng.random(N * k, dtype=np.float32) if weight else 0.5
    return es.Sparse(*ends, weights, rng.integers(1, 80, N * k) * 1e-4 if delay else 1e-3)


NORMAL = {"weight": es.Normal(0.5, 0.1), "weight_dtype": "float32"}
CASES = {  # name: connection of N to N neurons with k synapses each
    "RandomOutdegree": lambda k: es.RandomOutdegree(k, 0.5, 1e-3),
    "RandomOutdegree, no autapses": lambda k: es.RandomOutdegree(k, 0.5, 1e-3, autapses=False),
    "RandomOutdegree, distinct": lambda k: es.RandomOutdegree(k, 0.5, 1e-3, replace=False),
    "RandomIndegree": lambda k: es.RandomIndegree(k, 0.5, 1e-3),
    "RandomProbability": lambda k: es.RandomProbability(k / N, 0.5, 1e-3),
    "RandomTotal": lambda k: es.RandomTotal(k * N, 0.5, 1e-3),
    "RandomTotal, distinct": lambda k: es.RandomTotal(k * N, 0.5, 1e-3, replace=False),
    "RandomOutdegree, normal float32 weights": lambda k: es.RandomOutdegree(k, **NORMAL, delay=1e-3),
    "RandomOutdegree, delays on a grid": lambda k: es.RandomOutdegree(k, 0.5, SLOW),
    "RandomTotal, normal weights, delays on a grid": lambda k: es.RandomTotal(k * N, **NORMAL, delay=SLOW),
    "Sparse": lambda k: sparse(k, False, False),
    "Sparse, float32 weights": lambda k: sparse(k, True, False),
    "Sparse, float32 weights, 79 delays": lambda k: sparse(k, True, True),
    "procedural RandomOutdegree": lambda k: es.Procedural(es.RandomOutdegree(k, 0.5, 1e-3)),
    "procedural RandomOutdegree, normal float32 weights": lambda k: es.Procedural(es.RandomOutdegree(k, **NORMAL)),
    "procedural RandomProbability": lambda k: es.Procedural(es.RandomProbability(k / N, 0.5, 1e-3)),
}


@jit(cache=False)
def draw_all(words, reals, n, targets, weights):
    """Draw the rows of `n` neurons into the same scratch; returns the number of synapses."""
    total = 0
    for source in range(n):
        total += draw.row_of(words, reals, source, 0, targets, weights)
    return total


def stored_bytes(edges):
    """Memory of the arrays of `edges`."""
    delay = [edges.delay.table, edges.delay.index] if isinstance(edges.delay, DelayClasses) else [edges.delay]
    parts = [edges.indptr, edges.target, edges.weight, *delay]
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


def measure_rule(name, millions, repeats):
    """Figures of one case of `CASES`."""
    k = max(millions * 1_000_000 // N, 1)
    seconds, base = [], 0
    for size in [1] + [k] * repeats:
        connection = CASES[name](size)
        started = spent()
        edges = connection.build(N, N, True, WHERE)
        if isinstance(connection, es.Procedural):
            scratch = np.zeros(edges.longest_row, np.uint32), np.zeros(edges.longest_row, np.float32)
            started = spent()
            n, held = draw_all(edges.words, edges.reals, N, *scratch), edges.words.nbytes + edges.reals.nbytes
        else:
            n, held = edges.n_synapses, stored_bytes(edges)
        seconds.append(spent() - started)
        base = base or resident()
        del edges, connection
    return n, min(seconds[1:], key=np.sum), held, base


def measure_microcircuit():
    """Figures of the whole microcircuit, all projections held at once."""
    kept, n, held = [], 0, 0
    es.RandomTotal(10, **NORMAL, delay=SLOW).build(5, 5, False, WHERE)
    base, started = resident(), spent()
    for t, row in enumerate(PROBABILITIES):
        for s, p in enumerate(row):
            if p == 0.0:
                continue
            total = round(math.log1p(-p) / math.log1p(-1.0 / (SIZES[s] * SIZES[t])))
            excites = s % 2 == 0
            weight = es.Normal(87.8, 8.78, low=0.0) if excites else es.Normal(-351.2, 35.12, high=0.0)
            rule = es.RandomTotal(total, weight, SLOW if excites else FAST, seed=8 * t + s, weight_dtype="float32")
            kept.append(rule.build(SIZES[s], SIZES[t], s == t, WHERE))
            n, held = n + total, held + stored_bytes(kept[-1])
    return n, spent() - started, held, base


def spent():
    """CPU seconds of this process so far: in user code, in the system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([usage.ru_utime, usage.ru_stime])


def resident():
    """Most memory this process has held so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=int, default=20, help="synapses of every case but the microcircuit, in millions")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--case", help="measure this case alone, in this process, and print its figures as JSON")
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "construction.json")
    options = parser.parse_args()
    measure.pin(options.core)
    if options.case:
        n, seconds, held, base = (measure_microcircuit() if options.case == "microcircuit"
                                  else measure_rule(options.case, options.millions, options.repeats))
        print(json.dumps({"case": options.case, "synapses": int(n), "user_s": seconds[0], "system_s": seconds[1],
                          "m_synapses_per_s": n / seconds.sum() / 1e6, "m_synapses_per_s_user": n / seconds[0] / 1e6,
                          "bytes_per_synapse": held / n, "peak_bytes_per_synapse": (resident() - base) / n,
                          "peak_rss_gb": resident() / 1e9}))
        return
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
              "load_before": measure.load(), "rows": []}
    for name in tqdm([*CASES, "microcircuit"], disable=None):
        command = [sys.executable, __file__, "--case", name, "--millions", str(options.millions),
                   "--repeats", str(options.repeats), "--core", str(options.core)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        report["rows"].append(json.loads(found))
    measure.write(options.out, report)
    header = ["case", "M synapses", "M synapses/s", "user", "bytes per synapse", "peak, bytes per synapse", "peak RSS, GB"]
    print(measure.table(header, [
        [row["case"], f"{row['synapses'] / 1e6:.0f}", f"{row['m_synapses_per_s']:.0f}",
         f"{row['m_synapses_per_s_user']:.0f}", f"{row['bytes_per_synapse']:.1f}", f"{row['peak_bytes_per_synapse']:.1f}",
         f"{row['peak_rss_gb']:.2f}"] for row in report["rows"]]))


if __name__ == "__main__":
    main()
