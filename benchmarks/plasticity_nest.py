"""NEST's `stdp_synapse` on the balanced network W1 (N = 20,000 x 100), beside eventsnn's STDP on the same network.

All excitatory synapses are plastic, one thread. The steps are small, so that both networks fire as the static one does.

Usage: python benchmarks/plasticity_nest.py [--n 20000] [--until 0.3] [--out FILE]     (needs NEST)
"""

import argparse
from time import perf_counter

import measure
import nest
import numpy as np
from plasticity import MEAN, rules

import eventsnn as es
from eventsnn.experiments.bench import DELAY, EXC_FRACTION, UNIT, V_RESET, V_THRESHOLD, VARIANTS, network_of, out_degree

FIRST = 20.0  # ms, not timed


def in_nest(n, until, plastic):
    """(seconds, synaptic events, rate in Hz) of W1 with iaf_psc_exp on a grid of 0.1 ms; weights in mV per the drive of W1."""
    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.set(resolution=0.1, local_num_threads=1)
    (tau, _), weights = VARIANTS["eq"]
    k, n_exc = out_degree(n), int(EXC_FRACTION * n)
    start = np.random.default_rng([1, 1]).uniform(V_RESET - 70.0, V_THRESHOLD - 70.0, n)
    table = np.random.default_rng([1, 2]).integers(0, n, size=(n, k), dtype=np.int32)
    neurons = nest.Create("iaf_psc_exp", n, {
        "C_m": 250.0, "tau_m": 20.0, "tau_syn_ex": 1e3 * tau, "tau_syn_in": 1e3 * tau, "t_ref": 2.0, "E_L": -70.0,
        "V_th": V_THRESHOLD - 70.0, "V_reset": V_RESET - 70.0, "I_e": 21.0 * 250.0 / 20.0, "V_m": start, "tau_minus": 20.0})
    first = neurons[0].global_id
    current = 250.0 / 20.0  # pA per mV of drive
    for port, (begin, end) in enumerate(((0, n_exc), (n_exc, n))):
        weight = weights[port] * current
        spec = {"synapse_model": "static_synapse", "weight": np.full((end - begin) * k, weight)}
        if plastic and port == 0:
            high = 2.0 * MEAN * UNIT * current
            spec |= {"synapse_model": "stdp_synapse", "tau_plus": np.full((end - begin) * k, 20.0),
                     "lambda": np.full((end - begin) * k, 0.5e-4), "alpha": np.full((end - begin) * k, 1.05),
                     "mu_plus": np.zeros((end - begin) * k), "mu_minus": np.zeros((end - begin) * k),
                     "Wmax": np.full((end - begin) * k, high)}
        spec["delay"] = np.full((end - begin) * k, 1e3 * DELAY)
        targets = table[begin:end].ravel().astype(np.int64) + first
        nest.Connect(np.repeat(np.arange(begin, end), k) + first, targets, "one_to_one", spec)
    nest.Prepare()
    nest.Run(FIRST)
    began = perf_counter()
    nest.Run(1e3 * until - FIRST)
    seconds, spikes = perf_counter() - began, int(nest.local_spike_counter)
    nest.Cleanup()
    return seconds, spikes * k, spikes / n / (until - 1e-3 * FIRST)


def here(n, until, rule):
    """The same of eventsnn."""
    simulation = es.Simulation(network_of(n, "eq"), rules=rule, record=es.Record(spikes=[]), progress=False)
    simulation.run(1e-3 * FIRST)
    before, began = simulation.result().counts, perf_counter()
    simulation.run(until)
    seconds, counts = perf_counter() - began, simulation.result().counts
    spikes = counts.spikes.total - before.spikes.total
    return seconds, counts.synaptic_events.total - before.synaptic_events.total, spikes / n / (until - 1e-3 * FIRST)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--until", type=float, default=0.3)
    parser.add_argument("--out", default=measure.RESULTS / "plasticity_nest.json")
    options = parser.parse_args()
    cases = {"nest static": lambda: in_nest(options.n, options.until, False),
             "nest stdp": lambda: in_nest(options.n, options.until, True),
             "eventsnn stdp": lambda: here(options.n, options.until, rules()["stdp"])}
    found = {name: case() for name, case in cases.items()}
    cost = {name: 1e9 * seconds / events for name, (seconds, events, _) in found.items()}
    report = {"command": measure.command(), "machine": measure.machine(), "load": measure.load(), "nest": nest.__version__,
              "versions": measure.versions(), "ns_per_synaptic_event": cost, "rate_hz": {k: v[2] for k, v in found.items()},
              "times_faster_than_nest": cost["nest stdp"] / cost["eventsnn stdp"]}
    measure.write(options.out, report)
    print({key: report[key] for key in ("ns_per_synaptic_event", "rate_hz", "times_faster_than_nest", "load")})


if __name__ == "__main__":
    main()
