"""Run workload W1 on NEST or Brian2, in the interpreter that has them. Started by `heap_vs_peers.py`.

Builds what can be built once, then answers each line on stdin with one repetition, as a line of JSON on stdout:
{"cpu_s", "wall_s", "spikes"} of the simulate phase alone. The first line on stdout tells the version.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time

import numpy as np
import workloads as w


def nest_runner(model, h):
    """One repetition = reset, create, connect the shared table, prepare; then Run is timed."""
    import nest

    nest.set_verbosity("M_ERROR")

    def build(options):
        v, n, k = w.VARIANTS[options.variant], options.n, w.out_degree(options.n)
        table, n_exc = w.target_table(n, k, options.seed), w.excitatory(n)

        def repeat():
            nest.ResetKernel()
            nest.set(resolution=h, local_num_threads=1, overwrite_files=True)
            neurons = nest.Create(model, n, {
                "C_m": w.CAPACITANCE, "tau_m": w.TAU_MEM, "E_L": w.V_LEAK, "V_th": w.V_THRESHOLD, "V_reset": w.V_RESET,
                "t_ref": w.T_REF, "I_e": w.W1_CURRENT, "tau_syn_ex": v.tau_exc, "tau_syn_in": v.tau_inh})
            neurons.set({"V_m": w.start_voltage(n, options.seed)})
            first = neurons[0].global_id
            for begin, end, weight in ((0, n_exc, v.weight_exc), (n_exc, n, v.weight_inh)):
                source = np.repeat(np.arange(begin, end), k) + first
                nest.Connect(source, table[begin:end].ravel().astype(np.int64) + first, "one_to_one", {
                    "synapse_model": "static_synapse", "weight": np.full(source.size, weight),
                    "delay": np.full(source.size, w.DELAY)})
            nest.Prepare()
            before = nest.local_spike_counter
            cpu, wall = time.process_time(), time.perf_counter()
            nest.Run(1000.0)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            spikes = nest.local_spike_counter - before
            nest.Cleanup()
            return {"cpu_s": cpu, "wall_s": wall, "spikes": int(spikes)}

        return repeat

    return nest.__version__, build


def brian2_runner(dt):
    """C++ standalone: compiled once with the default flags; each repetition runs the program, which times its own loop."""
    import brian2 as b

    def build(options):
        v, n, k = w.VARIANTS[options.variant], options.n, w.out_degree(options.n)
        folder = tempfile.mkdtemp(prefix="brian2-")
        b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        b.defaultclock.dt = dt * b.ms
        currents = {"i_exc": v.tau_exc, "i_inh": v.tau_inh} if v.tau_exc != v.tau_inh else {"i_exc": v.tau_exc}
        drive = " + ".join(currents)
        equations = f"dv/dt = (v_leak - v + (i_offset + {drive}) * tau_mem / capacitance) / tau_mem : volt (unless refractory)"
        for name in currents:
            equations += f"\nd{name}/dt = -{name} / tau_{name} : amp"
        constants = {
            "tau_mem": w.TAU_MEM * b.ms, "capacitance": w.CAPACITANCE * b.pF, "v_leak": w.V_LEAK * b.mV,
            "v_threshold": w.V_THRESHOLD * b.mV, "v_reset": w.V_RESET * b.mV, "i_offset": w.W1_CURRENT * b.pA,
            **{f"tau_{name}": tau * b.ms for name, tau in currents.items()}}
        neurons = b.NeuronGroup(n, equations, threshold="v >= v_threshold", reset="v = v_reset", method="exact",
                                refractory=w.T_REF * b.ms, namespace=constants)
        neurons.v = w.start_voltage(n, options.seed) * b.mV
        table, n_exc = w.target_table(n, k, options.seed), w.excitatory(n)
        weights = np.repeat(np.where(np.arange(n) < n_exc, v.weight_exc, v.weight_inh), k)
        parts = ((0, n_exc, "i_exc"), (n_exc, n, "i_inh")) if len(currents) == 2 else ((0, n, "i_exc"),)
        synapses = []
        for begin, end, name in parts:
            made = b.Synapses(neurons, neurons, "weight : amp", on_pre=f"{name}_post += weight", delay=w.DELAY * b.ms)
            made.connect(i=np.repeat(np.arange(begin, end), k), j=table[begin:end].ravel())
            made.weight = weights[begin * k:end * k] * b.pA
            synapses.append(made)
        counter = b.SpikeMonitor(neurons, record=False)
        b.Network(neurons, counter, *synapses).run(1000.0 * b.ms)
        b.device.build(directory=folder, compile=True, run=False, debug=False)

        def repeat():
            wall = time.perf_counter()
            b.device.run(directory=folder, with_output=False)
            wall = time.perf_counter() - wall
            # the program times its own loop, in CPU time; the wall time is that of the whole program
            return {"cpu_s": b.device._last_run_time, "wall_s": wall, "spikes": int(counter.num_spikes)}

        return repeat

    return b.__version__, build


RUNNERS = {
    "nest-grid": lambda: nest_runner("iaf_psc_exp", 0.1),
    "nest-exact-0.5": lambda: nest_runner("iaf_psc_exp_ps", 0.5),
    "nest-exact-0.1": lambda: nest_runner("iaf_psc_exp_ps", 0.1),
    "brian2": lambda: brian2_runner(0.1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=RUNNERS)
    parser.add_argument("--variant", choices=w.VARIANTS, default="eq")
    parser.add_argument("--n", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the simulators print goes to stderr
    with contextlib.redirect_stdout(sys.stderr):
        version, build = RUNNERS[options.system]()
        print(json.dumps({"version": version}), file=answers, flush=True)
        repeat = None
        for _ in sys.stdin:
            repeat = repeat or build(options)
            print(json.dumps(repeat()), file=answers, flush=True)


if __name__ == "__main__":
    main()
