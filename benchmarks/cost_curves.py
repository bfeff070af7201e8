"""How does the cost of a synaptic event depend on the network? Schedulers `window` and `heap`, one thread.

A recurrent network with random targets (four fifths of the neurons excitatory) is driven by Poisson trains, one per ten
neurons. From a base case one property is changed at a time: neurons, spike rate, delay, synapses per neuron, and how many
delays there are (one; ten; a different one for each synapse). "crossover" crosses small sizes with short delays and low rates,
where the heap may win, and says what "auto" chose there. Schedulers run in turn on the same network and must count the same
spikes. CPU time of `run`, median over the repeats; JSON, CSV and a figure.

Usage: python benchmarks/cost_curves.py [--curves neurons rate delay synapses delays crossover] [--schedulers window heap]
       [--events 2e6] [--repeats 3] [--large]
"""

import argparse
import csv
import itertools
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import measure
import numpy as np
from tqdm import tqdm

import eventsnn as es
from eventsnn.errors import NotAvailableError

DELAY_KINDS = ("one", "ten", "each its own")
DELAY_RANGE = 0.5e-3, 5e-3  # s, of "ten" and "each its own"
DRIVES = ((0.1, 1.5), (0.25, 1.5), (2.0, 0.7), (10.0, 0.33), (25.0, 0.18), (50.0, 0.12), (100.0, 0.085))  # Hz, weight
SYNAPSES = ((10, 1.0), (30, 0.48), (100, 0.18), (300, 0.072), (1_000, 0.024))  # per neuron, weight of the trains


@dataclass(frozen=True)
class Point:
    """Neurons, synapses per neuron, delay (s), kind of delays, rate (Hz) and weight of the trains."""

    n: int = 20_000
    k: int = 100
    delay: float = 1.5e-3
    delays: str = "one"
    drive_hz: float = 25.0
    drive: float = 0.18


BASE = Point()


def curves(large):
    """Curve -> (name of the x axis, points)."""
    sizes = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000] + ([300_000, 1_000_000] if large else [])
    drives = [replace(BASE, drive_hz=hz, drive=weight) for hz, weight in DRIVES]
    small = itertools.product((30, 100, 1_000, 10_000), (0.05e-3, 0.5e-3, 1.5e-3), DRIVES[1::3])
    return {
        "neurons": ("n", [replace(BASE, n=n) for n in sizes]),
        "rate": ("rate_hz", drives),
        "delay": ("delay", [replace(BASE, delay=d) for d in (0.05e-3, 0.1e-3, 0.3e-3, 0.5e-3, 1e-3, 1.5e-3, 5e-3, 20e-3)]),
        "synapses": ("k", [replace(BASE, k=k, drive=weight) for k, weight in SYNAPSES]),
        "delays": ("delays", [replace(BASE, delays=kind) for kind in DELAY_KINDS]),
        "crossover": ("n", [Point(n=n, delay=d, drive_hz=hz, drive=weight) for n, d, (hz, weight) in small]),
    }


def delay_of(point, count, rng):
    low, high = DELAY_RANGE
    if point.delays == "ten":
        return rng.choice(np.linspace(low, high, 10), count)
    return rng.uniform(low, high, count) if point.delays == "each its own" else point.delay


def build(point, duration, seed=1):
    """(network, inputs). Weights as in prototype_networks.py, less for more synapses; float32, one per synapse."""
    rng, n, k = np.random.default_rng(seed), point.n, point.k
    n_exc, n_trains = int(0.8 * n), max(n // 10, 1)
    weight = 0.03 * (100 / k) ** 0.5
    net = es.Network()
    net.add("n", es.LIF(n, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1 / 3, t_ref=2e-3))
    net.add("trains", es.Input(n_trains))
    for source, name, first, end, value in (("n", "exc", 0, n_exc, weight), ("n", "inh", n_exc, n, -4.0 * weight),
                                            ("trains", "input", 0, n_trains, point.drive)):
        count = (end - first) * k
        net.connect(source, "n", es.Sparse(
            np.repeat(np.arange(first, end), k), rng.integers(0, n, count), weight=np.full(count, value, np.float32),
            delay=delay_of(point, count, rng)), name=name)
    spikes = rng.poisson(n_trains * point.drive_hz * duration)
    return net, {"trains": es.Spikes(rng.uniform(0.0, duration, spikes), rng.integers(0, n_trains, spikes))}


def duration_of(point, events):
    """Seconds in which about `events` synapses are crossed, if neurons spike at 5 Hz (0.2 Hz where the drive is sparse)."""
    rate = 5.0 if point.drive_hz > 1.0 else 0.2
    return float(np.clip(events / (point.n * point.k * (rate + 0.1 * point.drive_hz)), 0.2, 20.0))


def measure_point(point, options, left_out):
    """One row per scheduler."""
    duration = duration_of(point, options.events)
    net, inputs = build(point, duration)
    lowered = es.Simulation(net, inputs).lowered
    runs, load = {name: [] for name in options.schedulers}, measure.load()
    for _ in range(options.repeats):
        for name in list(runs):
            try:
                sim = es.Simulation(lowered, inputs, scheduler=name, progress=False)
            except NotAvailableError as error:
                left_out[name] = str(error)
                del runs[name]
                continue
            before = time.process_time()
            run = sim.run(until=duration)
            runs[name].append((time.process_time() - before, run.counts.spikes["n"], run.counts.synaptic_events.total))
    spikes = {found[0][1] for found in runs.values()}
    if len(spikes) > 1:
        raise SystemExit(f"{point}: the schedulers disagree on the spikes: {spikes}")
    auto = type(es.Simulation(lowered, inputs).scheduler).__name__.lower()
    return [asdict(point) | {
        "duration": duration, "scheduler": name, "auto": auto, "spikes": found[0][1], "events": found[0][2],
        "rate_hz": found[0][1] / point.n / duration, "load": load,
        "ns_per_event": 1e9 * statistics.median(seconds for seconds, _, _ in found) / max(found[0][2], 1),
        "ns_per_event_least": 1e9 * min(found)[0] / max(found[0][2], 1)} for name, found in runs.items()]


def crossovers(rows):
    """Points of the curve "crossover" with the cost of both schedulers: what is faster, and what "auto" takes."""
    found = []
    for _, group in itertools.groupby([row for row in rows if row["curve"] == "crossover"], lambda row: row["point"]):
        own = list(group)
        first, cost = own[0], {row["scheduler"]: row["ns_per_event"] for row in own}
        if len(cost) > 1:
            best = min(cost, key=cost.get)
            found.append({key: first[key] for key in ("n", "delay", "rate_hz", "auto")} | cost | {
                "best": best, "auto_over_best": cost.get(first["auto"], np.nan) / cost[best]})
    return found


def draw(rows, path):
    """One panel per curve: ns per event against what was changed, one line per scheduler."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    titles = {"neurons": "neurons", "rate": "spike rate (Hz)", "delay": "delay (ms)", "synapses": "synapses per neuron",
              "delays": "different delays"}
    axis = {name: x for name, (x, _) in curves(False).items()}
    shown = [name for name in titles if any(row["curve"] == name for row in rows)]
    if not shown:
        return
    figure, axes = plt.subplots(1, len(shown), figsize=(2.6 * len(shown), 2.8), sharey=True, squeeze=False)
    colours = {"window": "#0072b2", "heap": "#d55e00"}
    for panel, name in zip(axes[0], shown):
        for scheduler in dict.fromkeys(row["scheduler"] for row in rows):
            own = [row for row in rows if row["curve"] == name and row["scheduler"] == scheduler]
            x = [row[axis[name]] * (1e3 if name == "delay" else 1) for row in own] if name != "delays" else range(len(own))
            panel.plot(x, [row["ns_per_event"] for row in own], "o-", ms=4, lw=1.4, label=scheduler,
                       color=colours.get(scheduler))
        panel.set_yscale("log")
        if name == "delays":
            panel.set_xticks(range(len(DELAY_KINDS)), DELAY_KINDS)
            panel.set_xlim(-0.4, len(DELAY_KINDS) - 0.6)
        else:
            panel.set_xscale("log")
        panel.set_xlabel(titles[name])
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", alpha=0.3, lw=0.6)
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
             if 0.6 * min(r["ns_per_event"] for r in rows) < t < 1.6 * max(r["ns_per_event"] for r in rows)]
    axes[0, 0].set_yticks(ticks, [f"{t:,}" for t in ticks])
    axes[0, 0].minorticks_off()
    axes[0, 0].set_ylabel("ns per synaptic event")
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=160)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", nargs="+", choices=curves(False), default=list(curves(False)))
    parser.add_argument("--schedulers", nargs="+", default=["window", "heap"])
    parser.add_argument("--events", type=float, default=2e6, help="synaptic events per run, about")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="up to 1,000,000 neurons")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "cost_curves.json", help="also .csv and .png")
    options = parser.parse_args()
    measure.pin(options.core)
    report = {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(), "rows": []}
    tasks, left_out = [(name, point) for name in options.curves for point in curves(options.large)[name][1]], {}
    for kind in DELAY_KINDS:  # compiles
        measure_point(Point(n=100, k=10, delays=kind), options, left_out)
    for number, (name, point) in enumerate(tqdm(tasks, disable=None)):
        found = measure_point(point, options, left_out)
        report["rows"] += [{"curve": name, "point": number} | row for row in found]
        measure.write(options.out, report | {"crossover": crossovers(report["rows"])})
    for name, error in left_out.items():
        print(f"{name}: left out: {error}", file=sys.stderr)
    rows = report["rows"]
    with open(options.out.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out.with_suffix(".png"))
    print(measure.table(
        ["curve", "N", "K", "delay ms", "delays", "rate Hz", "scheduler", "ns per event"],
        [[r["curve"], r["n"], r["k"], f"{r['delay'] * 1e3:g}", r["delays"], f"{r['rate_hz']:.3g}", r["scheduler"],
          f"{r['ns_per_event']:.3g}"] for r in rows]))
    for row in crossovers(rows):
        if row["auto_over_best"] > 1.1:
            print(f"auto takes {row['auto']}, {row['auto_over_best']:.2f}x the cost of {row['best']}: N = {row['n']}, delay "
                  f"{row['delay'] * 1e3:g} ms, {row['rate_hz']:.3g} Hz")


if __name__ == "__main__":
    main()
