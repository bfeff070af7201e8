"""The brain of a fly larva: a sensory stimulus spreads through the complete connectome.

2,952 neurons with the synapses of Winding et al. (2023) and the leaky integrate-and-fire constants of the adult fly
brain (Shiu et al. 2024). The data hold no transmitters: which cell types inhibit is an assumption, a setting.
"""

import sys
from time import perf_counter

import numpy as np

from ..data.larval_brain import larval_brain
from ..errors import unknown_name
from .config import Setting, cores
from .memory import peak_memory

SETTINGS = {
    "stimulus": Setting(str, "cell type or annotation of the neurons that are driven"),
    "stimulus_rate": Setting(float, "Poisson input to each of them, Hz", least=0.0),
    "stimulus_weight": Setting(float, "what an input spike adds to their potential, mV"),
    "w_syn": Setting(float, "drive that a spike adds per contact, mV", least=0.0),
    "inhibitory": Setting(str, "cell types that inhibit, separated by commas; all others excite"),
    "synapses": Setting(str, "kinds of contacts that count, of aa, ad, da, dd, separated by commas"),
    "until": Setting(float, "biological time, s", above=0.0),
    "tau_mem": Setting(float, "membrane time constant, s", above=0.0),
    "tau_syn": Setting(float, "synaptic time constant, s", above=0.0),
    "v_threshold": Setting(float, "threshold above rest, mV", above=0.0),
    "t_ref": Setting(float, "refractory time of the neurons that are not driven, s", least=0.0),
    "delay": Setting(float, "delay of every synapse, s", least=0.0),
    "scheduler": Setting(str, "order of work", choices=("auto", "heap", "window", "reference")),
}
INTERVALS = 20  # of the time course in the summary
SYNAPSE, JUMP = 0, 1  # ports


def listed(text):
    """The parts of a list separated by commas.

    >>> listed("ad, aa")
    ['ad', 'aa']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


def wiring(brain, settings):
    """(pre, post, weight in mV) of every connected pair: contacts times w_syn, negative where the sender inhibits.

    Raises `UnknownNameError` for inhibitory cell types that the brain does not have, `ParameterError` for unknown kinds.
    """
    inhibitory = listed(settings["inhibitory"])
    for kind in inhibitory:
        if kind not in brain.cell_types:
            raise unknown_name("inhibitory cell type", kind, sorted(set(brain.cell_types)))
    pre, post, contacts = brain.pairs(listed(settings["synapses"]))
    sign = np.where(np.isin(brain.cell_types, inhibitory), -1.0, 1.0)
    return pre, post, settings["w_syn"] * sign[pre] * contacts


def build_network(settings, brain):
    """The network of `settings` on the `Connectome` `brain`: populations "stimulus" and "brain".

        tau_mem dV/dt = -V + g,     tau_syn dg/dt = -g,     arrival: g += w (brain), V += w (stimulus)
        spike at V >= v_threshold:  V = 0 for t_ref, g = 0

    V and g in mV above rest. Raises `UnknownNameError` for cell types that `brain` does not have.
    """
    import eventsnn as es

    s = settings
    driven = brain.select(s["stimulus"])
    t_ref = np.full(brain.n, s["t_ref"])
    t_ref[driven] = 0.0
    net = es.Network()
    net.add("stimulus", es.Poisson(driven.size, rate=s["stimulus_rate"]))
    net.add(
        "brain",
        es.LinearNeuron(
            brain.n,
            tau=(s["tau_mem"], s["tau_syn"]),
            coupling={(0, 1): 1.0 / s["tau_mem"]},
            jump=((0.0, 1.0), (1.0, 0.0)),
            v_inf=0.0,
            v_threshold=s["v_threshold"],
            v_reset=0.0,
            t_ref=t_ref,
            spike_matrix=((1.0, 0.0), (0.0, 0.0)),
            variables=("v", "g"),
        ),
    )
    inputs = es.Sparse(np.arange(driven.size), driven, weight=s["stimulus_weight"])
    net.connect("stimulus", "brain", inputs, port=JUMP)
    pre, post, weight = wiring(brain, s)
    net.connect("brain", "brain", es.Sparse(pre, post, weight, s["delay"]), port=SYNAPSE)
    return net


def run(settings, out, progress=False):
    """Simulate, write run.h5, spread.png and raster.png to the folder `out`, and return the summary as a dict."""
    import eventsnn as es

    from ..report.larval_brain import plot_sorted_raster, plot_spread

    started = perf_counter()
    brain = larval_brain()
    options = {"scheduler": settings["scheduler"], "threads": settings["threads"] or cores(), "seed": settings["seed"]}
    simulation = es.Simulation(build_network(settings, brain), progress=progress, **options)
    built = perf_counter()
    try:
        result = simulation.run(until=settings["until"])
    except KeyboardInterrupt:
        result = simulation.result()
        print(f"interrupted: the results up to {simulation.time:.6g} s are kept", file=sys.stderr)
    simulated = perf_counter()
    memory = peak_memory()
    result.save(out / "run.h5")
    driven = brain.select(settings["stimulus"])
    spikes = result.spikes["brain"]
    first = first_spikes(spikes, brain.n)
    measured = spread(spikes, first, brain.cell_types, driven, result.duration)
    inhibitory = listed(settings["inhibitory"])
    plot_spread(first, brain.cell_types, driven, inhibitory, result.duration, out / "spread.png", settings["stimulus"])
    plot_sorted_raster(spikes, first, brain.cell_types, driven, inhibitory, result.duration, out / "raster.png")
    contacts = brain.pairs(listed(settings["synapses"]))[2]
    events = result.counts.synaptic_events
    charged = result.energy(settings["energy_profile"])
    return {
        "stimulus": settings["stimulus"],
        "driven_neurons": driven.size,
        "neurons": brain.n,
        "connections": contacts.size,
        "contacts": int(contacts.sum()),
        "inhibitory": inhibitory,
        "inhibitory_neurons": int(np.isin(brain.cell_types, inhibitory).sum()),
        "until_s": result.duration,
        "spikes": result.counts.spikes["brain"],
        "input_spikes": result.counts.spikes["stimulus"],
        "synaptic_events": events.total,
        **measured,
        "build_s": built - started,
        "sim_s": simulated - built,
        "peak_memory_bytes": memory,
        "energy_j": charged.total,
        "energy_profile": charged.profile.name,
        "scheduler": result.scheduler,
    }


def first_spikes(spikes, n):
    """Time of the first spike of each of `n` neurons in s [n]; inf for those that stay silent.

    >>> import eventsnn as es
    >>> first_spikes(es.Spikes([0.1, 0.2, 0.3], [1, 1, 0]), 3)
    array([0.3, 0.1, inf])
    """
    first = np.full(n, np.inf)
    np.minimum.at(first, spikes.neurons, spikes.times)
    return first


def spread(spikes, first, cell_types, driven, duration):
    """How far activity went, as a dict: in all, over time (20 intervals), and by cell type without the `driven` neurons.

    `first` are the times of first spikes in s [n]. Lists by cell type are in the order of "cell_types"; latencies are
    the median over the neurons of a type that spiked, NaN if none did.
    """
    spiked = np.isfinite(first)
    other = np.ones(first.size, bool)
    other[driven] = False
    rate = np.bincount(spikes.neurons, minlength=first.size) / duration if duration > 0.0 else np.full(first.size, np.nan)
    kinds = np.unique(cell_types[other])
    groups = [other & (cell_types == kind) for kind in kinds]
    ends = duration * np.arange(1, INTERVALS + 1) / INTERVALS
    starts = np.concatenate([[-1.0], ends[:-1]])
    return {
        "active_neurons": int(spiked.sum()),
        "latency_s_median": _median(first[other & spiked]),
        "rate_hz": float(rate.mean()),
        "cell_types": kinds,
        "cell_type_neurons": [int(mine.sum()) for mine in groups],
        "cell_type_active": [int((mine & spiked).sum()) for mine in groups],
        "cell_type_latency_s": [_median(first[mine & spiked]) for mine in groups],
        "cell_type_rate_hz": [float(rate[mine].mean()) for mine in groups],
        "time_s": ends,
        "reached_neurons": [int((first <= end).sum()) for end in ends],
        "spiking_neurons": [int(np.unique(spikes.between(a, b).neurons).size) for a, b in zip(starts, ends)],
    }


def _median(values):
    return float(np.median(values)) if values.size else float("nan")
