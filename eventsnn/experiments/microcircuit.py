"""The cortical microcircuit: four layers of excitatory and inhibitory neurons with the published connectivity.

Potjans and Diesmann (2014): 77,169 neurons and 298,880,968 synapses at full scale, and any fraction of them. The rates
of the eight populations are compared with the published ones.
"""

import sys
from time import perf_counter

import numpy as np

from ..data.potjans_diesmann import DRIVES, circuit, facts
from ..errors import ParameterError
from .balanced import mean_cv, synchrony
from .config import Setting, cores
from .memory import peak_memory

SETTINGS = {
    "scale": Setting(float, "fraction of the neurons", above=0.0, most=1.0),
    "k_scale": Setting(float, "fraction of the synapses that a neuron receives; 0 means scale", least=0.0, most=1.0),
    "drive": Setting(str, "background: Poisson spikes or a constant (dc, which needs k_scale near 1)", choices=DRIVES),
    "initial": Setting(str, "initial potentials; optimized ones settle sooner", choices=("optimized", "original")),
    "until": Setting(float, "biological time, s", above=0.0),
    "presim": Setting(float, "part of it, at the start, that is left out of rates and CV, s", least=0.0),
    "scheduler": Setting(str, "order of work", choices=("auto", "heap", "window", "reference")),
}
BIN = 3e-3  # s, of the spike counts from which synchrony is computed, as in the paper
SMALL = 2e-3  # scale of the network that compiles the kernels


def circuit_of(settings):
    """The `Circuit` that `settings` ask for."""
    return circuit(settings["scale"], settings["k_scale"] or None, settings["drive"])


def build_network(settings):
    """The network of `settings`: populations "L23E" to "L6I", and with Poisson drive "ext_L23E" to "ext_L6I".

    Potentials are in mV above the leak. Raises as `circuit` does.

    >>> from eventsnn.experiments.config import load_plan
    >>> list(build_network(load_plan("microcircuit", {"scale": 0.01, "drive": "dc"}).settings).populations)
    ['L23E', 'L23I', 'L4E', 'L4I', 'L5E', 'L5I', 'L6E', 'L6I']
    """
    import eventsnn as es

    shape, known = circuit_of(settings), facts()
    neuron, synapse, initial = known["neuron"], known["synapse"], known["initial_mV"][settings["initial"]]
    rng = np.random.default_rng([settings["seed"], 1])
    net = es.Network()
    for k, (name, n) in enumerate(zip(shape.populations, shape.neurons.tolist())):
        net.add(
            name,
            es.LIF(
                n,
                tau_mem=1e-3 * neuron["tau_mem_ms"],
                tau_syn=1e-3 * neuron["tau_syn_ms"],
                v_threshold=neuron["v_threshold_mV"] - neuron["v_leak_mV"],
                v_reset=neuron["v_reset_mV"] - neuron["v_leak_mV"],
                t_ref=1e-3 * neuron["t_ref_ms"],
                i_offset=float(shape.i_offset[k]),
                v_init=rng.normal(initial["mean"][k] - neuron["v_leak_mV"], initial["std"][k], n),
            ),
        )
    seeds = iter(np.random.SeedSequence([settings["seed"], 2]).generate_state(shape.synapses.size, np.uint64).tolist())
    for b, target in enumerate(shape.populations):
        for a, source in enumerate(shape.populations):
            seed = next(seeds)  # drawn for every pair, so that a projection keeps its own at every scale
            if shape.synapses[b, a]:
                weight, delay = _weight(float(shape.weight[b, a]), synapse), _delay(shape.weight[b, a] > 0.0, synapse)
                count = int(shape.synapses[b, a])
                net.connect(source, target, es.RandomTotal(count, weight, delay, seed=seed, weight_dtype="float32"))
    for name, n, rate in zip(shape.populations, shape.neurons.tolist(), shape.rate_ext.tolist()):
        if rate > 0.0:
            net.add(f"ext_{name}", es.Poisson(n, rate=rate))
            delay = 1e-3 * known["background"]["delay_ms"]
            net.connect(f"ext_{name}", name, es.OneToOne(shape.weight_ext, delay))
    return net


def _weight(mean, synapse):
    """Weights that keep their sign."""
    import eventsnn as es

    bound = {"low": 0.0} if mean > 0.0 else {"high": 0.0}
    return es.Normal(mean, synapse["weight_relative_std"] * abs(mean), **bound)


def _delay(excitatory, synapse):
    """Delays on the grid of the published model."""
    import eventsnn as es

    mean = 1e-3 * synapse["delay_exc_ms" if excitatory else "delay_inh_ms"]
    step = 1e-3 * synapse["resolution_ms"]
    return es.Normal(mean, synapse["delay_relative_std"] * mean, low=step, step=step)


def run(settings, out, progress=False):
    """Simulate, write run.h5, raster.png and rates.png to the folder `out`, and return the summary as a dict."""
    import eventsnn as es

    from ..report.microcircuit import plot_circuit_raster, plot_rates

    if settings["presim"] >= settings["until"]:
        raise ParameterError(f"presim of experiment 'microcircuit' is {settings['presim']:g} s; it must be below until = "
                             f"{settings['until']:g} s")
    shape = circuit_of(settings)
    names = list(shape.populations)
    options = {"scheduler": settings["scheduler"], "threads": settings["threads"] or cores(), "seed": settings["seed"],
               "record": es.Record(spikes=names)}
    started = perf_counter()
    small = settings | {"scale": min(settings["scale"], SMALL)}
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
    memory = peak_memory()
    result.save(out / "run.h5")
    measured = figures_of_merit(result, settings["presim"])
    published = facts()["rate_hz"]
    plot_circuit_raster(result, out / "raster.png", start=min(settings["presim"], result.duration))
    plot_rates(names, measured["rate_hz"], published, measured["cv_isi"], out / "rates.png")
    events = result.counts.synaptic_events
    recurrent = sum(count for name, count in events.items() if not name.startswith("ext_"))
    neurons, spikes = int(shape.neurons.sum()), sum(result.counts.spikes[name] for name in names)
    charged = result.energy(settings["energy_profile"])
    return {
        "scale": settings["scale"],
        "k_scale": settings["k_scale"] or settings["scale"],
        "drive": settings["drive"],
        "neurons": neurons,
        "synapses": int(shape.synapses.sum()),
        "until_s": result.duration,
        "presim_s": settings["presim"],
        "spikes": spikes,
        "input_spikes": result.counts.spikes.total - spikes,
        "synaptic_events": events.total,
        "synaptic_events_recurrent": recurrent,
        "populations": names,
        **measured,
        "published_rate_hz": published,
        "rate_deviation_hz": [a - b for a, b in zip(measured["rate_hz"], published)],
        "compile_s": compiled - started,
        "build_s": built - compiled,
        "sim_s": simulated - built,
        "real_time_factor": (simulated - built) / result.duration if result.duration > 0.0 else None,
        "ns_per_synaptic_event": 1e9 * (simulated - built) / events.total if events.total else None,
        "peak_memory_bytes": memory,
        "energy_j": charged.total,
        "energy_profile": charged.profile.name,
        "scheduler": result.scheduler,
    }


def figures_of_merit(run, presim):
    """Rate (Hz), CV of the intervals and synchrony of each recorded population of `run` after `presim` s: three lists.

    Synchrony is the variance over the mean of the spike count in bins of 3 ms. NaN where there is too little to say.

    >>> figures_of_merit(run, 0.5)["rate_hz"]     # doctest: +SKIP
    """
    span = run.duration - presim
    found = {"rate_hz": [], "cv_isi": [], "synchrony": []}
    for name, spikes in run.spikes.items():
        n, kept = run.populations[name], spikes.between(presim, run.duration)
        found["rate_hz"].append(len(kept) / (n * span) if span > 0.0 else float("nan"))
        found["cv_isi"].append(mean_cv(kept.times, kept.neurons, n))
        found["synchrony"].append(synchrony(kept.times - presim, span, BIN) if span > 0.0 else float("nan"))
    return found
