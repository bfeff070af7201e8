"""Recurrent excitation and inhibition in balance: irregular activity that sustains itself, simulated exactly.

Excitatory and inhibitory LIF neurons, each with k synapses to targets drawn uniformly. A constant drive just above
threshold keeps the network awake; strong inhibition, not the drive, decides when a neuron spikes, so it is irregular.
"""

import sys
from time import perf_counter

import numpy as np

from .config import Setting, cores

SETTINGS = {
    "n": Setting(int, "neurons", least=2),
    "k": Setting(int, "synapses that leave every neuron", least=0),
    "exc_fraction": Setting(float, "part of the neurons that is excitatory", above=0.0, most=0.999),
    "until": Setting(float, "biological time, s", above=0.0),
    "tau_mem": Setting(float, "membrane time constant, s", above=0.0),
    "tau_syn": Setting(float, "synaptic time constant, s", least=0.0),
    "v_threshold": Setting(float, "threshold above the leak potential, mV"),
    "v_reset": Setting(float, "potential after a spike, mV"),
    "t_ref": Setting(float, "refractory time, s", least=0.0),
    "i_offset": Setting(float, "constant drive, mV"),
    "weight_exc": Setting(float, "drive that an excitatory spike adds, mV"),
    "weight_inh": Setting(float, "drive that an inhibitory spike adds, mV"),
    "delay": Setting(float, "delay of every synapse, s", least=0.0),
    "scheduler": Setting(str, "order of work", choices=("auto", "heap", "window", "layered", "reference")),
}
BIN = 5e-3  # s, of the spike counts from which synchrony is computed
FEWEST = 4  # spikes a neuron needs to enter the mean CV


def build_network(settings):
    """The network of `settings`: populations "exc" and "inh", four projections.

    >>> from eventsnn.experiments.config import load_plan
    >>> list(build_network(load_plan("balanced", {"n": 100, "k": 5}).settings).populations)
    ['exc', 'inh']
    """
    import eventsnn as es

    s = settings
    n_exc = min(max(round(s["exc_fraction"] * s["n"]), 1), s["n"] - 1)
    sizes = {"exc": n_exc, "inh": s["n"] - n_exc}
    k_exc = round(s["k"] * n_exc / s["n"])
    degrees = {"exc": k_exc, "inh": s["k"] - k_exc}
    rng = np.random.default_rng([s["seed"], 1])
    net = es.Network()
    for name, size in sizes.items():
        net.add(
            name,
            es.LIF(
                size,
                tau_mem=s["tau_mem"],
                tau_syn=s["tau_syn"],
                v_threshold=s["v_threshold"],
                v_reset=s["v_reset"],
                t_ref=s["t_ref"],
                i_offset=s["i_offset"],
                v_init=rng.uniform(min(s["v_reset"], s["v_threshold"]), s["v_threshold"], size),
            ),
        )
    seeds = iter(np.random.SeedSequence([s["seed"], 2]).generate_state(4, np.uint64).tolist())
    for source in sizes:
        for target in sizes:
            rule = es.RandomOutdegree(
                degrees[target], weight=s[f"weight_{source}"], delay=s["delay"], seed=next(seeds)
            )
            net.connect(source, target, rule)
    return net


def run(settings, out, progress=False):
    """Simulate, write run.h5 and raster.png to the folder `out`, and return the summary as a dict."""
    import eventsnn as es

    from ..report.plots import plot_raster
    threads = settings["threads"] or cores()
    options = {"scheduler": settings["scheduler"], "threads": threads, "seed": settings["seed"]}
    started = perf_counter()
    small = settings | {"n": 50, "k": min(settings["k"], 5)}
    es.Simulation(build_network(small), progress=False, **options).run(until=min(settings["until"], 5e-3))
    compiled = perf_counter()
    simulation = es.Simulation(build_network(settings), progress=progress, **options)
    built = perf_counter()
    try:
        result = simulation.run(until=settings["until"])
    except KeyboardInterrupt:
        result = simulation.result()
        print(f"interrupted: the results up to {simulation.time:.6g} s are kept", file=sys.stderr)
    simulated = perf_counter()
    result.save(out / "run.h5")
    plot_raster(result, out / "raster.png", t_max=min(settings["until"], 1.0))
    events = result.counts.synaptic_events.total
    exc, inh = result.spikes["exc"], result.spikes["inh"]
    n_exc = result.populations["exc"]
    times = np.concatenate([exc.times, inh.times])
    neurons = np.concatenate([exc.neurons, inh.neurons + n_exc])
    charged = result.energy(settings["energy_profile"])
    return {
        "n": settings["n"],
        "synapses": settings["n"] * settings["k"],
        "until_s": result.duration,
        "spikes": result.counts.spikes.total,
        "synaptic_events": events,
        "rate_hz": result.counts.spikes.total / (settings["n"] * settings["until"]),
        "rate_hz_exc": result.rate("exc"),
        "rate_hz_inh": result.rate("inh"),
        "cv_isi": mean_cv(times, neurons, settings["n"]),
        "synchrony": synchrony(times, settings["until"]),
        "compile_s": compiled - started,
        "build_s": built - compiled,
        "sim_s": simulated - built,
        "ns_per_synaptic_event": 1e9 * (simulated - built) / events if events else None,
        "energy_j": charged.total,
        "energy_profile": charged.profile.name,
        "scheduler": result.scheduler,
    }


def mean_cv(times, neurons, n):
    """Mean over neurons of the coefficient of variation of their inter-spike intervals: 0 clockwork, 1 Poisson.

    `times` (s) and `neurons` are spikes in any order; neurons below 4 spikes are left out, NaN if none is left.

    >>> mean_cv(np.arange(8.0), np.zeros(8, int), 1)
    0.0
    """
    order = np.lexsort((times, neurons))
    times, neurons = times[order], neurons[order]
    gaps, owner = np.diff(times), neurons[1:]
    within = owner == neurons[:-1]
    gaps, owner = gaps[within], owner[within]
    count = np.bincount(owner, minlength=n)
    chosen = count >= FEWEST - 1
    if not chosen.any():
        return float("nan")
    mean = np.bincount(owner, gaps, n) / np.maximum(count, 1)
    spread = np.bincount(owner, (gaps - mean[owner]) ** 2, n) / np.maximum(count - 1, 1)
    return float(np.mean(np.sqrt(spread[chosen]) / mean[chosen]))


def synchrony(times, until, width=BIN):
    """Variance over mean of the network's spike count in bins of `width` s: 1 if neurons are independent Poisson.

    NaN without spikes or with fewer than two whole bins.

    >>> synchrony(np.array([0.5, 1.5, 2.5, 3.5]), 4.0, width=1.0)
    0.0
    """
    bins = int(until / width * (1.0 + 1e-12))
    counts = np.histogram(times, bins, (0.0, bins * width))[0] if bins >= 2 else np.zeros(1)
    return float(counts.var() / counts.mean()) if counts.any() else float("nan")
