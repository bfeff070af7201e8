"""What learning costs: the balanced network W1 (N = 20,000 x 100) static and with STDP on its excitatory synapses.

Per synaptic event, on the window and the heap scheduler, for pair STDP as built in, the same rule written by a user, and the
static network. Rounds are interleaved; medians are taken.

Usage: python benchmarks/plasticity.py [--n 20000] [--until 0.3] [--rounds 3] [--out FILE]
"""

import argparse
from statistics import median
from time import perf_counter

import measure

import eventsnn as es
from eventsnn.experiments.bench import network_of

MEAN = 162.0  # of the excitatory weights, in the units of W1


def depress(w, x, y, s, g, p):
    return w - p[1] * y[0]


def potentiate(w, x, y, s, g, p):
    return w + p[0] * x[0]


def rules():
    """Small steps, so that the activity stays that of the static network."""
    plus, minus, high = 1e-4 * MEAN, 1.05e-4 * MEAN, 2.0 * MEAN
    own = es.Rule("exc", on_pre=depress, on_post=potentiate, pre={"x": 20e-3}, post={"y": 20e-3}, parameters=[plus, minus],
                  w_min=0.0, w_max=high)
    return {"static": (), "stdp": (es.STDP("exc", a_plus=plus, a_minus=minus, w_max=high),), "user": (own,)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--until", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default=measure.RESULTS / "plasticity.json")
    options = parser.parse_args()
    net, found, rates = network_of(options.n, "eq"), {}, {}
    cases = {f"{name}, {scheduler}": (scheduler, rule) for scheduler in ("window", "heap") for name, rule in rules().items()}
    for _ in range(options.rounds):
        for name, (scheduler, rule) in cases.items():
            simulation = es.Simulation(net, scheduler=scheduler, rules=rule, record=es.Record(spikes=[]), progress=False)
            simulation.run(0.02)
            before, start = simulation.result().counts, perf_counter()
            simulation.run(options.until)
            seconds, counts = perf_counter() - start, simulation.result().counts
            n = counts.synaptic_events.total - before.synaptic_events.total
            found.setdefault(name, []).append(1e9 * seconds / n)
            rates[name] = (counts.spikes.total - before.spikes.total) / options.n / (options.until - 0.02)
    cost = {name: median(values) for name, values in found.items()}
    report = {
        "command": measure.command(), "machine": measure.machine(), "load": measure.load(), "versions": measure.versions(),
        "n": options.n, "until_s": options.until, "ns_per_synaptic_event": cost, "rate_hz": rates, "rounds": found,
        **{f"{a}_over_{b}, {s}": cost[f"{a}, {s}"] / cost[f"{b}, {s}"]
           for a, b in (("stdp", "static"), ("user", "stdp")) for s in ("window", "heap")}}
    measure.write(options.out, report)
    print({key: value for key, value in report.items() if "over" in key or key in ("ns_per_synaptic_event", "rate_hz", "load")})


if __name__ == "__main__":
    main()
