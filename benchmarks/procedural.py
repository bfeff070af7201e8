"""A million neurons with a thousand procedural synapses each: memory, and cost per synaptic event at low activity.

Poisson spikes drive some of the neurons, which pass each on to 1,000 neurons drawn anew for every spike. The builds with and
without drawn weights run in processes of their own, so that the peak resident memory is that of one network; compiled code
comes from the cache. The time per event is CPU time; the state of a million neurons is far larger than the caches.

Usage: python benchmarks/procedural.py [--neurons 1000000] [--synapses 1000] [--driven 1000] [--rate 10] [--duration 0.2]
"""

import argparse
import json
import subprocess
import sys
import time

import measure

LIMIT = 1e9  # bytes of peak resident memory that the run must stay below
WEIGHTS = ("one", "normal float32")
WARM_UP = 1e-3  # s simulated first: loads the compiled code


def network(args, weights):
    """Inputs onto the first neurons of one population, which is connected to itself at random."""
    import numpy as np

    import eventsnn as es

    net = es.Network()
    net.add("input", es.Poisson(args.driven, rate=args.rate))
    net.add("cells", es.LIF(args.neurons, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, t_ref=2e-3))
    driven = np.arange(args.driven)
    net.connect("input", "cells", es.Sparse(driven, driven, weight=8.0, delay=1e-3))
    weight = es.Normal(1e-3, 2e-4) if weights == "normal float32" else 1e-3
    rule = es.RandomOutdegree(args.synapses, weight, 1.5e-3, seed=1, weight_dtype="float32" if weights != "one" else None)
    net.connect("cells", "cells", es.Procedural(rule), name="procedural")
    return net


def measured(args, weights):
    """Figures of one build and run, in this process."""
    import eventsnn as es
    from eventsnn.experiments.memory import peak_memory

    begin = time.process_time()
    sim = es.Simulation(network(args, weights), progress=False)
    built = time.process_time() - begin
    sim.run(WARM_UP)
    begin = time.process_time()
    run = sim.run(args.duration)
    seconds = time.process_time() - begin
    events = run.counts.synaptic_events["procedural"]
    low, state = sim.lowered, sim.scheduler.state
    arrays = {f"state.{k}": a.nbytes for k, a in zip(state._fields, state)}
    arrays |= {f"wiring.{k}": a.nbytes for k, a in zip(low.wiring._fields, low.wiring)}
    arrays |= {f"lane.{k}": a.nbytes for k, a in zip(sim.scheduler.lanes._fields, sim.scheduler.lanes)}
    per_neuron = {k: round(v / args.neurons, 1) for k, v in sorted(arrays.items(), key=lambda item: -item[1])
                  if v >= args.neurons}
    return {"weights": weights, "synapses": args.neurons * args.synapses, "scheduler": run.scheduler,
            "spikes of the population": int(run.counts.spikes["cells"]), "synaptic events": int(events),
            "CPU seconds to build": round(built, 3), "CPU seconds to run": round(seconds, 3),
            "ns per synaptic event": round(1e9 * seconds / events, 2), "peak resident bytes": peak_memory(),
            "bytes per neuron reserved": per_neuron}


def main():
    """Measure each kind of weights in a process of its own; write a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=1_000_000)
    parser.add_argument("--synapses", type=int, default=1000)
    parser.add_argument("--driven", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--duration", type=float, default=0.2)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", default=measure.RESULTS / "procedural.json")
    parser.add_argument("--only", choices=WEIGHTS, help="measure this in the present process and print JSON")
    args = parser.parse_args()
    measure.pin(args.core)
    if args.only:
        print(json.dumps(measured(args, args.only)))
        return
    results = []
    for weights in WEIGHTS:
        words = [sys.executable, __file__, *sys.argv[1:], "--only", weights]
        for _ in range(2):  # the first may compile, which takes memory
            line = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        results.append(json.loads(line))
    rows = [[r["weights"], f"{r['synapses']:.2g}", r["synaptic events"], r["CPU seconds to build"], r["ns per synaptic event"],
             round(r["peak resident bytes"] / 1e6)] for r in results]
    print(measure.table(["weights", "synapses", "events", "build (s)", "ns per event", "peak RSS (MB)"], rows))
    measure.write(args.out, {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
                             "load": measure.load(), "results": results})
    if max(r["peak resident bytes"] for r in results) > LIMIT:
        sys.exit(f"peak memory above {LIMIT:.0e} bytes")


if __name__ == "__main__":
    main()
