"""How fast is eventsnn here: the balanced network W1 of `benchmarks/`, timed part by part.

LIF neurons, four fifths of them excitatory, 100 synapses each (80 up to 4,000 neurons) with a float32 weight each, one delay of
1.5 ms, about 6 Hz for one second. In variant "eq" all synapses have the same time constant; in "cuba" inhibition is slower, so
every neuron has three modes instead of two. The random numbers are numpy streams of one seed, as in `benchmarks/workloads.py`,
so the spike counts of 4,000 and of 20,000 neurons are known from other exact simulators.
"""

import sys
from statistics import median
from time import perf_counter

import numpy as np

from ..errors import unknown_name
from ..model.checks import count
from .config import cores
from .memory import peak_memory

UNTIL = 1.0  # s, biological
FIRST = 5e-3  # s, by which the network has spiked
UNIT = 0.01  # mV, of potentials and weights: whole numbers, exact in float32
EXC_FRACTION, DELAY, V_RESET, V_THRESHOLD = 0.8, 1.5e-3, 10.0, 20.0  # s; mV above the leak
VARIANTS = {  # (time constants of exc and inh, s; weights, mV): inhibition carries the same charge in both
    "eq": ((5e-3, 5e-3), (1.62, -18.0)),
    "cuba": ((5e-3, 10e-3), (1.62, -9.0)),
}


def out_degree(n):
    """Synapses per neuron."""
    return 80 if n <= 4_000 else 100


def network_of(n, variant, k=None, seed=1):
    """W1 with `n` neurons and `k` synapses each: population "n", projections "exc" and "inh".

    >>> list(network_of(100, "cuba", k=5).projections)
    ['exc', 'inh']
    """
    import eventsnn as es

    if variant not in VARIANTS:
        raise unknown_name("variant", variant, VARIANTS)
    tau_syn, weights = VARIANTS[variant]
    k, n_exc = out_degree(n) if k is None else k, int(EXC_FRACTION * n)
    start = np.random.default_rng([seed, 1]).uniform(V_RESET - 70.0, V_THRESHOLD - 70.0, n)  # mV; the leak is at -70
    targets = np.random.default_rng([seed, 2]).integers(0, n, size=(n, k), dtype=np.int32)
    net = es.Network()
    net.add("n", es.LIF(n, tau_mem=20e-3, tau_syn=tau_syn, v_leak=-70.0 / UNIT, v_threshold=(V_THRESHOLD - 70.0) / UNIT,
                        v_reset=(V_RESET - 70.0) / UNIT, t_ref=2e-3, i_offset=21.0 / UNIT, v_init=start / UNIT))
    for port, (first, end) in enumerate(((0, n_exc), (n_exc, n))):
        weight = np.full((end - first) * k, round(weights[port] / UNIT), np.float32)
        synapses = es.Sparse(np.repeat(np.arange(first, end), k), targets[first:end].ravel(), weight=weight, delay=DELAY)
        net.connect("n", "n", synapses, port=port, name=("exc", "inh")[port])
    return net


def bench(n=20_000, variant="eq", threads=1, repeats=5, progress=False):
    """Time W1 and return a dict of plain numbers: seconds are wall time, `first_spike_s` counts everything before it too.

    threads : 0 means all cores. `progress` says on stderr what is being done. Raises `ParameterError` and
    `UnknownNameError` for wrong arguments.
    """
    started = perf_counter()
    n, repeats = count(n, "n", "bench", minimum=2), count(repeats, "repeats", "bench")
    threads = count(threads, "threads", "bench", minimum=0) or cores()
    tell = (lambda what: print(f"bench: {what}", file=sys.stderr, flush=True)) if progress else (lambda what: None)
    tiny = network_of(1_000, variant, k=10)
    tell("compiling")
    import eventsnn as es

    options = {"threads": threads, "record": es.Record(), "progress": False}
    es.Simulation(tiny, **options).run(until=FIRST)
    compiled = perf_counter()
    tell("building")
    net = network_of(n, variant)
    simulation = es.Simulation(net, **options)
    built = perf_counter()
    simulation.run(until=FIRST)
    first_spike = perf_counter()
    seconds = []
    for k in range(repeats):
        tell(f"run {k + 1} of {repeats}")
        simulation = es.Simulation(simulation.lowered, **options)
        begun = perf_counter()
        run = simulation.run(until=UNTIL)
        seconds.append(perf_counter() - begun)
    events, spikes = run.counts.synaptic_events.total, run.counts.spikes.total
    synapses = n * out_degree(n)
    return {
        "n": n,
        "variant": variant,
        "synapses": synapses,
        "scheduler": run.scheduler,
        "threads": threads,
        "until_s": UNTIL,
        "compile_s": compiled - started,
        "build_s": built - compiled,
        "synapses_per_s": synapses / (built - compiled),
        "first_spike_s": first_spike - started,
        "repeats": repeats,
        "sim_s": median(seconds),
        "sim_s_min": min(seconds),
        "ns_per_synaptic_event": 1e9 * median(seconds) / events if events else None,
        "ns_per_synaptic_event_min": 1e9 * min(seconds) / events if events else None,
        "spikes": spikes,
        "synaptic_events": events,
        "rate_hz": spikes / (n * UNTIL),
        "peak_memory_bytes": peak_memory(),
    }
