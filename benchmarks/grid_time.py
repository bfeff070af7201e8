"""From how little activity on does grid time beat the loop that steps every neuron, and by how much?

A population of clocked neurons, each fed by ten sources (`--fan`); the share of steps in which a source spikes goes from
0.003 % to 30 %. Both sides deliver spikes along the same sparse rows and are compiled; the clocked side then steps every neuron
in every step, in loops that the compiler may vectorise. The spikes must be the same. Activity is the share of (neuron, step)
pairs at which something arrives; neuron updates are neurons visited or swept on our side, neurons times steps on the other.
Times are the processor time of the one thread that works, which is wall time on an idle machine.
"""

import argparse
import time

import numba
import numpy as np
from measure import RESULTS, command, load, machine, pin, table, versions, write

import eventsnn as es

DT = 1e-3
SHARES = (3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.3)
GAIN = {"Leaky": 1.0, "Synaptic": 0.3, "DECOLLE": 6.0}


@numba.njit
def arrive(sums, row, post, weight, ids):
    sums[:] = 0.0
    for source in ids:
        for i in range(row[source], row[source + 1]):
            sums[post[i]] += weight[i]


@numba.njit
def clocked_leaky(n, steps, at, ids, row, post, weight, out_step, out_id):
    mem, sums, spiked, count = np.zeros(n), np.zeros(n), np.zeros(n), 0
    for t in range(steps):
        arrive(sums, row, post, weight, ids[at[t]:at[t + 1]])
        fired = 0.0
        for j in range(n):
            mem[j] = 0.9 * mem[j] + sums[j] - spiked[j]
            spiked[j] = 1.0 if mem[j] > 1.0 else 0.0
            fired += spiked[j]
        if fired > 0.0:
            for j in range(n):
                if spiked[j] > 0.0:
                    out_step[count], out_id[count] = t, j
                    count += 1
    return count


@numba.njit
def clocked_synaptic(n, steps, at, ids, row, post, weight, out_step, out_id):
    mem, syn, sums, spiked, count = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), 0
    for t in range(steps):
        arrive(sums, row, post, weight, ids[at[t]:at[t + 1]])
        fired = 0.0
        for j in range(n):
            syn[j] = 0.8 * syn[j] + sums[j]
            mem[j] = 0.9 * mem[j] + syn[j] - spiked[j]
            spiked[j] = 1.0 if mem[j] > 1.0 else 0.0
            fired += spiked[j]
        if fired > 0.0:
            for j in range(n):
                if spiked[j] > 0.0:
                    out_step[count], out_id[count] = t, j
                    count += 1
    return count


@numba.njit
def clocked_decolle(n, steps, at, ids, row, post, weight, out_step, out_id):
    p, q, r, sums, spiked, count = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), 0
    for t in range(steps):
        arrive(sums, row, post, weight, ids[at[t]:at[t + 1]])
        fired = 0.0
        for j in range(n):
            p[j] = 0.97 * p[j] + 0.03 * q[j]
            q[j] = 0.92 * q[j] + 0.08 * sums[j]
            r[j] = 0.65 * r[j] - spiked[j]
            spiked[j] = 1.0 if p[j] - 0.1 + r[j] >= 0.0 else 0.0
            fired += spiked[j]
        if fired > 0.0:
            for j in range(n):
                if spiked[j] > 0.0:
                    out_step[count], out_id[count] = t, j
                    count += 1
    return count


SIDES = {"Leaky": (clocked_leaky, {"beta": 0.9}), "Synaptic": (clocked_synaptic, {"alpha": 0.8, "beta": 0.9}),
         "DECOLLE": (clocked_decolle, {"bias": -0.1})}


def best(repeat, call):
    """(least seconds, last result) of `repeat` calls."""
    times = []
    for _ in range(repeat):
        begin = time.thread_time()
        result = call()
        times.append(time.thread_time() - begin)
    return min(times), result


def measure(name, share, n, fan, steps, repeat, seed):
    """One row: both sides on the same network and spikes."""
    draw = np.random.default_rng(seed)
    clocked, options = SIDES[name]
    post = draw.integers(0, n, n * fan)
    weight = draw.normal(0.4, 0.5, n * fan) * GAIN[name]
    source = np.repeat(np.arange(n), fan)
    active = np.sort(draw.choice(steps * n, max(int(share * steps * n), 1), replace=False))
    step_of, ids = active // n, active % n
    net = es.Network()
    net.add("in", es.Input(n))
    net.add("out", getattr(es.grid, name)(n, **options))
    net.connect("in", "out", es.Sparse(source, post, weight=weight))
    sim = es.Simulation(net, dt=DT, record=es.Record(spikes=["out"]), progress=False)

    def ours():
        begin = time.thread_time()
        sim.news((steps - 1) * DT, whole=True)
        return time.thread_time() - begin

    spent = []
    for _ in range(repeat):
        sim.reset({"in": es.Spikes(step_of * DT, ids)})
        spent.append(ours())
    run = sim.result()
    at, row = np.searchsorted(step_of, np.arange(steps + 1)), np.arange(0, n * fan + 1, fan)
    room = np.zeros(steps * n, np.int64), np.zeros(steps * n, np.int64)
    arguments = n, steps, at, ids, row, post, weight, *room
    clocked(*arguments)
    seconds, count = best(repeat, lambda: clocked(*arguments))
    found = run.spikes["out"]
    same = bool(found.times.size == count and np.array_equal(np.rint(found.times / DT), room[0][:count])
                and np.array_equal(found.neurons, room[1][:count]))
    keys = np.unique(np.repeat(step_of, fan) * n + post.reshape(n, fan)[ids].ravel())
    visits, swept = run.diagnostics["visits"], run.diagnostics["swept"]
    return {"preset": name, "source_share": share, "activity": keys.size / (n * steps),
            "spikes_per_neuron_step": count / (n * steps), "visits": visits, "swept": swept,
            "clocked_updates": n * steps, "update_ratio": n * steps / max(visits + swept, 1), "grid_s": min(spent),
            "clocked_s": seconds, "speedup": seconds / min(spent), "same_spikes": same,
            "near_threshold": run.diagnostics["near_threshold"], "load": load()}


def crossing(rows):
    """Activity at which both sides take equally long, between the measured points."""
    for before, after in zip(rows[:-1], rows[1:]):
        if before["speedup"] >= 1.0 > after["speedup"]:
            x, y = (np.log([r["activity"] for r in (before, after)]), np.log([r["speedup"] for r in (before, after)]))
            return float(np.exp(x[0] + (x[1] - x[0]) * y[0] / (y[0] - y[1])))
    return None


def at_activity(rows, activity, key):
    """`key` at an activity between the measured points, interpolated in logarithms."""
    x = np.log([r["activity"] for r in rows])
    return float(np.exp(np.interp(np.log(activity), x, np.log([r[key] for r in rows]))))


def draw_figure(rows, path):
    """Speed and updates against activity."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained")
    panels = ("speedup", "time: clocked / grid time"), ("update_ratio", "neuron updates: clocked / grid time")
    for axis, (key, title) in zip(axes, panels):
        for name, colour in zip(SIDES, ("#1b6ca8", "#d1495b", "#3a7d44")):
            own = [r for r in rows if r["preset"] == name]
            axis.loglog([100 * r["activity"] for r in own], [r[key] for r in own], "o-", color=colour, ms=4, label=name)
        axis.axhline(1.0, color="0.5", lw=1)
        axis.axvline(2.0, color="0.5", lw=1, ls=":")
        axis.set(xlabel="activity: neuron-steps with an arrival (%)", title=title)
        axis.grid(True, alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--neurons", type=int, default=5000)
    parse.add_argument("--fan", type=int, default=10)
    parse.add_argument("--steps", type=int, default=1000)
    parse.add_argument("--repeat", type=int, default=5)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--figure", help="write the figure here too")
    a = parse.parse_args()
    pin(0)
    rows = [measure(name, share, a.neurons, a.fan, a.steps, a.repeat, a.seed) for name in SIDES for share in SHARES]
    summary = {}
    for name in SIDES:
        own = [r for r in rows if r["preset"] == name]
        summary[name] = {"time_crossing_at_activity": crossing(own),
                         "update_ratio_at_2_percent": at_activity(own, 0.02, "update_ratio"),
                         "speedup_at_2_percent": at_activity(own, 0.02, "speedup")}
    print(table(["preset", "activity %", "spiking %", "updates ratio", "clocked ms", "grid ms", "speedup", "same"],
                [(r["preset"], f"{100 * r['activity']:.3g}", f"{100 * r['spikes_per_neuron_step']:.3g}",
                  f"{r['update_ratio']:.1f}", f"{1e3 * r['clocked_s']:.2f}", f"{1e3 * r['grid_s']:.2f}", f"{r['speedup']:.2f}",
                  r["same_spikes"]) for r in rows]))
    print(summary)
    write(RESULTS / "grid_time.json", {"machine": machine(), "versions": versions(), "command": command(), "settings": vars(a),
                                       "summary": summary, "rows": rows})
    if a.figure:
        draw_figure(rows, a.figure)


if __name__ == "__main__":
    main()
