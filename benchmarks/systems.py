"""Run workload W1 or W2 once, on eventsnn, NEST or Brian2, in this process. Started by `window_vs_peers.py`.

The last line of stdout is a JSON object. Seconds, wall time unless it says CPU:
  build_s        make the network, and the tables of the simulator
  compile_s      eventsnn: run a tiny network, so load (or make) its compiled code; Brian2: generate code and compile
  first_spike_s  from the start of this process until the first spike of the workload is simulated
  sim_s, sim_cpu_s  the second of biological time alone
  spikes, events, version

Brian2 writes a program: `--folder` says where; if the program is there already, it is run, not made. It times its own loop
(in CPU time), and everything else it does is building.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import workloads as w

FIRST_MS = 5.0  # by then both workloads have spiked


def clocks():
    return time.perf_counter(), time.process_time()


class Watch:
    """Wall time since the process was started (`started`: time.time()) and laps."""

    def __init__(self, started):
        self.offset = time.time() - started if started else 0.0
        self.begun = self.last = time.perf_counter()

    def lap(self):
        now, before = time.perf_counter(), self.last
        self.last = now
        return now - before

    def total(self):
        return self.offset + time.perf_counter() - self.begun


def run_eventsnn(scheduler, threads, weights, options, watch):
    import eventsnn as es

    watch.lap()
    tiny, inputs = w.build(options.workload, options.variant, 1000, k=10, weights=weights)
    es.Simulation(tiny, inputs, scheduler=scheduler, threads=threads, progress=False).run(until=5e-3)
    compile_s = watch.lap()
    net, inputs = w.build(options.workload, options.variant, options.n, seed=options.seed, weights=weights)
    sim = es.Simulation(net, inputs, scheduler=scheduler, threads=threads, progress=False)
    build_s = watch.lap()
    sim.run(until=FIRST_MS * 1e-3)
    first_spike_s = watch.total()
    sim = es.Simulation(sim.lowered, inputs, scheduler=scheduler, threads=threads, progress=False)
    wall, cpu = clocks()
    run = sim.run(until=1.0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"build_s": build_s, "compile_s": compile_s, "first_spike_s": first_spike_s, "sim_s": wall, "sim_cpu_s": cpu,
            "spikes": run.counts.spikes["n"], "events": run.counts.synaptic_events.total, "version": es.__version__}


def nest_network(nest, model, options):
    """Create and connect the shared table; W2 adds its trains."""
    v, n, k = w.VARIANTS[options.variant], options.n, w.out_degree(options.n)
    table, n_exc = w.target_table(n, k, options.seed), w.excitatory(n)
    neurons = nest.Create(model, n, {
        "C_m": w.CAPACITANCE, "tau_m": w.TAU_MEM, "E_L": w.V_LEAK, "V_th": w.V_THRESHOLD, "V_reset": w.V_RESET,
        "t_ref": w.T_REF, "I_e": w.W1_CURRENT if options.workload == "w1" else 0.0, "tau_syn_ex": v.tau_exc,
        "tau_syn_in": v.tau_inh})
    neurons.set({"V_m": w.start_voltage(n, options.seed, options.workload)})
    first = neurons[0].global_id
    for begin, end, weight in ((0, n_exc, v.weight_exc), (n_exc, n, v.weight_inh)):
        source = w.np.repeat(w.np.arange(begin, end), k) + first
        nest.Connect(source, table[begin:end].ravel().astype(w.np.int64) + first, "one_to_one", {
            "synapse_model": "static_synapse", "weight": w.np.full(source.size, weight),
            "delay": w.np.full(source.size, w.DELAY)})
    if options.workload == "w2":
        exact = model != "iaf_psc_exp"
        chosen, trains = w.input_trains(n, 1000.0, options.seed)
        for neuron, train in zip(chosen, trains):
            if not train.size:
                continue
            settings = {"spike_times": train} | ({"precise_times": True} if exact else {"allow_offgrid_times": True})
            nest.Connect(nest.Create("spike_generator", 1, settings), neurons[int(neuron)],
                         syn_spec={"weight": w.W2_WEIGHT, "delay": w.DELAY})


def run_nest(model, h, options, watch):
    import nest

    nest.set_verbosity("M_ERROR")
    nest.set(resolution=h, local_num_threads=1, overwrite_files=True)
    watch.lap()
    nest_network(nest, model, options)
    nest.Prepare()
    build_s = watch.lap()
    wall, cpu = clocks()
    nest.Run(FIRST_MS)
    first_spike_s, spikes = watch.total(), nest.local_spike_counter  # which counts the spikes of the last `Run`
    nest.Run(1000.0 - FIRST_MS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    spikes += nest.local_spike_counter
    nest.Cleanup()
    return {"build_s": build_s, "compile_s": 0.0, "first_spike_s": first_spike_s, "sim_s": wall, "sim_cpu_s": cpu,
            "spikes": int(spikes), "version": nest.__version__}


def write_brian2(dt, options, folder):
    """Make and compile the C++ program of one workload."""
    import brian2 as b

    v, n, k = w.VARIANTS[options.variant], options.n, w.out_degree(options.n)
    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b.defaultclock.dt = dt * b.ms
    currents = {"i_exc": v.tau_exc, "i_inh": v.tau_inh} if v.tau_exc != v.tau_inh else {"i_exc": v.tau_exc}
    equations = ("dv/dt = (v_leak - v + (i_offset + " + " + ".join(currents) + ") * tau_mem / capacitance) / tau_mem : volt "
                 "(unless refractory)")
    for name in currents:
        equations += f"\nd{name}/dt = -{name} / tau_{name} : amp"
    offset = w.W1_CURRENT if options.workload == "w1" else 0.0
    constants = {
        "tau_mem": w.TAU_MEM * b.ms, "capacitance": w.CAPACITANCE * b.pF, "v_leak": w.V_LEAK * b.mV,
        "v_threshold": w.V_THRESHOLD * b.mV, "v_reset": w.V_RESET * b.mV, "i_offset": offset * b.pA,
        **{f"tau_{name}": tau * b.ms for name, tau in currents.items()}}
    neurons = b.NeuronGroup(n, equations, threshold="v >= v_threshold", reset="v = v_reset", method="exact",
                            refractory=w.T_REF * b.ms, namespace=constants)
    neurons.v = w.start_voltage(n, options.seed, options.workload) * b.mV
    table, n_exc = w.target_table(n, k, options.seed), w.excitatory(n)
    weights = w.np.repeat(w.np.where(w.np.arange(n) < n_exc, v.weight_exc, v.weight_inh), k)
    parts = ((0, n_exc, "i_exc"), (n_exc, n, "i_inh")) if len(currents) == 2 else ((0, n, "i_exc"),)
    parts = [(neurons, name, w.np.repeat(w.np.arange(begin, end), k), table[begin:end].ravel(), weights[begin * k:end * k])
             for begin, end, name in parts]
    if options.workload == "w2":
        chosen, trains = w.input_trains(n, 1000.0, options.seed)
        numbers, times = w.np.repeat(w.np.arange(chosen.size), [train.size for train in trains]), w.np.concatenate(trains)
        # two spikes of one train in one step are refused: the later one is left out
        _, kept = w.np.unique([numbers, w.np.floor(times / dt + 1e-3)], axis=1, return_index=True)
        generator = b.SpikeGeneratorGroup(chosen.size, numbers[kept], times[kept] * b.ms)
        parts.append((generator, "i_exc", w.np.arange(chosen.size), chosen, w.np.full(chosen.size, w.W2_WEIGHT)))
    objects = [neurons, b.SpikeMonitor(neurons, record=False)]
    for source, name, pre, post, strength in parts:
        made = b.Synapses(source, neurons, "weight : amp", on_pre=f"{name}_post += weight", delay=w.DELAY * b.ms)
        made.connect(i=pre, j=post)
        made.weight = strength * b.pA
        objects += [made] if source is neurons else [made, source]
    b.Network(*objects).run(1000.0 * b.ms)
    b.device.build(directory=folder, compile=True, run=False, debug=False)


def run_brian2(dt, options, watch):
    from importlib import metadata
    from subprocess import DEVNULL, run

    folder = Path(options.folder)
    made = folder / "made.json"
    if not made.exists():
        write_brian2(dt, options, str(folder))
        made.write_text(json.dumps(watch.lap()))
    compile_s = json.loads(made.read_text())
    watch.lap()
    run([str((folder / "main").resolve())], cwd=folder, stdout=DEVNULL, check=True)
    whole = watch.lap()
    loop = float((folder / "results" / "last_run_info.txt").read_text().split()[0])
    counter = next((folder / "results").glob("_array_spikemonitor_N_*"))
    return {"build_s": whole - loop, "compile_s": compile_s,
            "first_spike_s": compile_s + whole - loop * (1.0 - FIRST_MS * 1e-3), "sim_s": loop, "sim_cpu_s": loop,
            "spikes": int(w.np.fromfile(counter, w.np.int32)[0]), "version": metadata.version("brian2")}


OURS = {  # name: (scheduler, threads, weights)
    "window": ("window", 1, "float32"), "window-row": ("window", 1, "row"), "window-2": ("window", 2, "float32"),
    "window-row-2": ("window", 2, "row"), "heap": ("heap", 1, "float32"),
}
NEST = {"nest-grid": ("iaf_psc_exp", 0.1), "nest-exact": ("iaf_psc_exp_ps", 0.5),
        "nest-lossless": ("iaf_psc_exp_ps_lossless", 0.5)}
TITLES = {
    "window": "eventsnn window, 1 thread", "window-row": "eventsnn window, 1 thread, one weight per row",
    "window-2": "eventsnn window, 2 threads", "window-row-2": "eventsnn window, 2 threads, one weight per row",
    "heap": "eventsnn heap", "nest-grid": "NEST iaf_psc_exp, grid 0.1 ms", "nest-exact": "NEST iaf_psc_exp_ps, h = 0.5 ms",
    "nest-lossless": "NEST iaf_psc_exp_ps_lossless, h = 0.5 ms", "brian2": "Brian2 C++ standalone, grid 0.1 ms",
}


def run(options, watch):
    if options.system in OURS:
        return run_eventsnn(*OURS[options.system], options, watch)
    if options.system in NEST:
        return run_nest(*NEST[options.system], options, watch)
    return run_brian2(0.1, options, watch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=TITLES)
    parser.add_argument("--workload", choices=("w1", "w2"), default="w1")
    parser.add_argument("--variant", choices=w.VARIANTS, default="eq")
    parser.add_argument("--n", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where Brian2's program is, or is to be")
    parser.add_argument("--started", type=float, default=0.0, help="time.time() when this process was started")
    options = parser.parse_args()
    watch = Watch(options.started)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the simulators print goes to stderr
    with contextlib.redirect_stdout(sys.stderr):
        answer = run(options, watch)
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
