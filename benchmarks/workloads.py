"""The two reference workloads of the benchmarks: W1, a balanced network that keeps itself awake, and W2, the same network
almost silent.

LIF neurons with exponential synaptic currents, four fifths of them excitatory, every synapse with the same delay:

    C dV/dt = -(C/tau_mem) (V - E) + I + I_exc + I_inh,    dI_x/dt = -I_x/tau_x

Numbers are in ms, mV, pA, pF. The random numbers are three numpy streams of one seed, so every simulator can be given
literally the same network; the spike counts of exact simulation are known (`EXACT_SPIKES`).
"""

from dataclasses import dataclass

import numpy as np

CAPACITANCE, TAU_MEM, V_LEAK, V_THRESHOLD, V_RESET, T_REF = 200.0, 20.0, -70.0, -50.0, -60.0, 2.0
DELAY = 1.5
UNIT = 0.01  # mV, unit of potentials in the networks built for eventsnn
W1_CURRENT = 210.0  # rheobase: 200 pA
W2_STIMULATED, W2_RATE_HZ, W2_WEIGHT = 1000, 10.0, 1600.0  # every input spike elicits one spike


@dataclass(frozen=True)
class Variant:
    """Time constants of the two synaptic currents and the weights; inhibition carries the same charge in all variants."""

    tau_exc: float
    tau_inh: float
    weight_exc: float
    weight_inh: float


VARIANTS = {"eq": Variant(5.0, 5.0, 16.2, -180.0), "cuba": Variant(5.0, 10.0, 16.2, -90.0)}
# (workload, variant, neurons): spikes in the first second of seed 1, from NEST's precise model at h = 0.1 ms (at h = 0.5 ms
# it loses two of W2: it does not see V rise above the threshold and fall back within a step)
EXACT_SPIKES = {
    ("w1", "eq", 4_000): 27_889, ("w1", "eq", 20_000): 119_593, ("w1", "eq", 100_000): 593_757,
    ("w1", "cuba", 4_000): 24_442, ("w1", "cuba", 20_000): 105_320, ("w1", "cuba", 100_000): 520_774,
    ("w2", "eq", 100_000): 11_228,
}  # fmt: skip


def out_degree(n):
    """Synapses per neuron: 2 % of the smallest network, 100 in larger ones."""
    return 80 if n <= 4_000 else 100


def excitatory(n):
    """Number of excitatory neurons, which come first."""
    return int(0.8 * n)


def target_table(n, k, seed):
    """Targets of each neuron [n, k], uniform with replacement."""
    return np.random.default_rng([seed, 2]).integers(0, n, size=(n, k), dtype=np.int32)


def start_voltage(n, seed, workload="w1"):
    """V at t = 0: W1 uniform between reset and threshold, W2 at rest."""
    if workload == "w2":
        return np.full(n, V_LEAK)
    return np.random.default_rng([seed, 1]).uniform(V_RESET, V_THRESHOLD, n)


def input_trains(n, duration, seed):
    """W2: (stimulated neurons, sorted spike times in ms of each one's private Poisson train)."""
    rng = np.random.default_rng([seed, 3])
    chosen = np.sort(rng.choice(n, size=W2_STIMULATED, replace=False))
    trains = []
    for _ in chosen:
        count = rng.poisson(W2_RATE_HZ * duration / 1000.0)
        trains.append(np.sort(rng.uniform(1.0, duration - 10.0, count)))
    return chosen, trains


def build(workload, variant, n, k=None, seed=1, duration=1000.0, weights="float64"):
    """(network, inputs) for eventsnn: one population "n", projections "exc" and "inh".

    `weights` says how they are stored: one per synapse in "float64" or "float32", or one per row of synapses ("row"). Drives,
    weights and potentials are in units of `UNIT` mV, where all weights are whole numbers and so exact in float32 too.
    """
    import eventsnn as es

    k = out_degree(n) if k is None else k
    v, scale = VARIANTS[variant], TAU_MEM / CAPACITANCE / UNIT

    def stored(weight, count):
        return weight * scale if weights == "row" else np.full(count, weight * scale, weights)

    net = es.Network()
    net.add("n", es.LIF(
        n, tau_mem=TAU_MEM * 1e-3, tau_syn=(v.tau_exc * 1e-3, v.tau_inh * 1e-3), v_threshold=V_THRESHOLD / UNIT,
        v_reset=V_RESET / UNIT, v_leak=V_LEAK / UNIT, t_ref=T_REF * 1e-3,
        i_offset=(W1_CURRENT if workload == "w1" else 0.0) * scale, v_init=start_voltage(n, seed, workload) / UNIT))
    table, n_exc = target_table(n, k, seed), excitatory(n)
    for port, name, first, end, weight in ((0, "exc", 0, n_exc, v.weight_exc), (1, "inh", n_exc, n, v.weight_inh)):
        net.connect("n", "n", es.Sparse(
            np.repeat(np.arange(first, end), k), table[first:end].ravel(), weight=stored(weight, (end - first) * k),
            delay=DELAY * 1e-3), port=port, name=name)
    if workload == "w1":
        return net, {}
    chosen, trains = input_trains(n, duration, seed)
    net.add("stimulus", es.Input(chosen.size))
    net.connect("stimulus", "n", es.Sparse(np.arange(chosen.size), chosen, weight=stored(W2_WEIGHT, chosen.size),
                                           delay=DELAY * 1e-3), port=0)
    lengths = [train.size for train in trains]
    return net, {"stimulus": es.Spikes(np.concatenate(trains) * 1e-3, np.repeat(np.arange(chosen.size), lengths))}
