"""The networks on which the prototypes of the window engine were timed, for eventsnn and for the hand-written limit.

A random recurrent network of `n` LIF neurons (the first four fifths excitatory) is driven by n/10 independent Poisson trains.
Every neuron and every train has `k` synapses with random targets (repeats allowed), all with a delay of 1.5 ms; tau_mem =
20 ms, tau_syn = 5 ms, no bias, V = 0 at the start and after the refractory period of 2 ms, during which currents go on.

The prototypes write V = a - b with threshold 1, a decaying with tau_mem and b with tau_syn, and an arrival of weight w adds w
to both. In `es.LIF` an arrival of weight w raises the drive I = b (tau_mem - tau_syn) / tau_syn = 3 b by w, so their w would
be our 3 w. Potentials are therefore measured in three thresholds: the threshold is 1/3, and the float32 weights are theirs,
bit for bit. b is what goes on during refractoriness, and a = b at its end is V = 0: `v_reset=0`.
"""

from dataclasses import dataclass

import numpy as np

TAU_MEM, TAU_SYN, T_REF, DELAY = 20e-3, 5e-3, 2e-3, 1.5e-3
V_THRESHOLD = TAU_SYN / (TAU_MEM - TAU_SYN)


@dataclass(frozen=True)
class Case:
    """Neurons, synapses per row, excitatory weight (inhibitory: 4 times), weight and rate (Hz) of the trains, duration (ms)."""

    n: int
    k: int
    weight: float
    weight_input: float
    rate: float
    duration: float
    random_weights: bool = False


CASES = {
    "a20": Case(20_000, 100, 0.03, 0.18, 25.0, 500.0),
    "a100": Case(100_000, 100, 0.03, 0.18, 25.0, 300.0),
    "r20": Case(20_000, 100, 0.03, 0.18, 25.0, 500.0, True),
    "r100": Case(100_000, 100, 0.03, 0.18, 25.0, 300.0, True),
    "s20": Case(20_000, 100, 0.03, 1.5, 0.25, 4000.0),
    "s100": Case(100_000, 100, 0.03, 1.5, 0.25, 2000.0),
    "k20": Case(20_000, 1000, 0.0095, 0.024, 25.0, 300.0),
    "k100": Case(100_000, 1000, 0.0095, 0.024, 25.0, 75.0),
    "m1": Case(1_000_000, 100, 0.03, 0.18, 25.0, 75.0),
}
# spikes of the neurons (without the trains), from two independent exact programs
EXACT_SPIKES = {"a20": 54_352, "a100": 154_376, "r20": 58_086, "r100": 165_171, "s20": 12_221, "k20": 46_787}


def rows(name):
    """(weight of each row [rows], factor of each synapse [rows, k] or None, targets [rows, k]); trains come after neurons."""
    case = CASES[name]
    n_rows = case.n + case.n // 10
    targets = np.random.default_rng(1).integers(0, case.n, n_rows * case.k, dtype=np.int32).reshape(n_rows, case.k)
    weight = np.full(n_rows, case.weight, np.float32)
    weight[int(0.8 * case.n):] = -4.0 * case.weight
    weight[case.n:] = case.weight_input
    factor = None
    if case.random_weights:
        factor = np.random.default_rng(7).uniform(0.5, 1.5, targets.size).astype(np.float32).reshape(targets.shape)
    return weight, factor, targets


def trains(name):
    """Input spikes: (times in ms, sorted; index of the train of each)."""
    case = CASES[name]
    rng, n_trains = np.random.default_rng(2), case.n // 10
    count = rng.poisson(n_trains * case.rate * case.duration * 1e-3)
    times = np.sort(rng.uniform(0.0, case.duration, count))
    return times, rng.integers(0, n_trains, count)


def build(name, weights="float32"):
    """(network, inputs) for eventsnn, populations "n" and "trains"; `weights` per synapse ("float32") or per "row"."""
    import eventsnn as es

    case = CASES[name]
    weight, factor, targets = rows(name)
    if weights == "row" and factor is not None:
        raise ValueError(f"{name!r} has a weight of its own for each synapse")
    net = es.Network()
    net.add("n", es.LIF(case.n, tau_mem=TAU_MEM, tau_syn=TAU_SYN, v_threshold=V_THRESHOLD, t_ref=T_REF))
    net.add("trains", es.Input(case.n // 10))
    n_exc = int(0.8 * case.n)
    for source, name_, first, end, offset in (("n", "exc", 0, n_exc, 0), ("n", "inh", n_exc, case.n, 0),
                                              ("trains", "input", case.n, len(weight), case.n)):
        if weights == "row":
            stored = float(weight[first])
        else:
            stored = np.repeat(weight[first:end], case.k) if factor is None else (
                weight[first:end, None] * factor[first:end]).ravel()
        net.connect(source, "n", es.Sparse(np.repeat(np.arange(first, end) - offset, case.k), targets[first:end].ravel(),
                                           weight=stored, delay=DELAY), name=name_)
    times, number = trains(name)
    return net, {"trains": es.Spikes(times * 1e-3, number)}
