"""What DECOLLE costs: memory and time of learning beside backpropagation through time, and what activity costs and brings.

Parts, chosen by --parts:
  memory   peak memory of one batch of learning (784-400-300-200, 50 samples) against the length of the window; in PyTorch the
           same network, trained by backpropagation through time with the same surrogate (--torch: a Python that has PyTorch)
  price    digits, 64-120-120: the activity regulariser from none to strong; test accuracy, spikes per step and neuron,
           time per sample in the event engine and in a compiled loop that steps every neuron and delivers only the spikes
           that there are

Every measurement of memory is a process of its own. Usage: python benchmarks/decolle.py [--parts memory price] [--torch PYTHON]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import measure
import numpy as np

LENGTHS = (25, 50, 100, 200, 400)
SIZES, BATCH = (784, 400, 300, 200), 50
STRENGTHS = (0.0, 0.1, 1.0, 5.0)
SEEDS, SAMPLES = 1, 60


def peak():
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def learn_local(steps):
    """(MB, s) of one batch with our rule, beyond what the same with 12 steps has taken before."""
    from eventsnn.learn.decolle.config import Config
    from eventsnn.learn.decolle.inputs import PoissonImages
    from eventsnn.learn.decolle.training import new_state, train_batch

    draw = np.random.default_rng(0)
    images = PoissonImages(draw.random((BATCH, SIZES[0])) * 0.3, draw.integers(0, 10, BATCH))
    config = Config(layers=SIZES[1:], batch=BATCH, steps=12, burn_in=0)
    state = new_state(config, images)
    before = peak()
    train_batch(state, config, images, np.arange(BATCH), np.float32(1e-4))
    config = Config(layers=SIZES[1:], batch=BATCH, steps=steps, burn_in=0, test_steps=steps)
    begin = time.perf_counter()
    train_batch(state, config, images, np.arange(BATCH), np.float32(1e-4))
    return peak() - before, time.perf_counter() - begin


def learn_through_time(steps):
    """(MB, s) of one batch by backpropagation through time in PyTorch: same neurons, box surrogate, losses of all layers."""
    import torch

    torch.set_num_threads(1)

    class Box(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u >= 0).to(u.dtype)

        @staticmethod
        def backward(ctx, grad):
            (u,) = ctx.saved_tensors
            return grad * ((u > -0.5) & (u <= 0.5))

    def batch(count):
        inputs = torch.rand(count, BATCH, SIZES[0]) < 0.06
        labels = torch.nn.functional.one_hot(torch.randint(0, 10, (BATCH,)), 10).float()
        p, q = ([torch.zeros(BATCH, n) for n in SIZES[:-1]] for _ in range(2))
        r, s = ([torch.zeros(BATCH, n) for n in SIZES[1:]] for _ in range(2))
        loss = 0.0
        for step in range(count):
            given = inputs[step].float()
            for k, layer in enumerate(layers):
                p[k], q[k] = 0.97 * p[k] + 0.03 * q[k], 0.92 * q[k] + 0.08 * 20.0 * given
                r[k] = 0.65 * r[k] - s[k]
                given = s[k] = Box.apply(layer(p[k]) + r[k])
                loss = loss + torch.nn.functional.smooth_l1_loss(readouts[k](given), labels)
        loss.backward()
        optimiser.step()

    layers = [torch.nn.Linear(a, b) for a, b in zip(SIZES, SIZES[1:])]
    readouts = [torch.nn.Linear(n, 10) for n in SIZES[1:]]
    optimiser = torch.optim.Adamax([p for layer in layers for p in layer.parameters()], lr=1e-4, betas=(0.0, 0.95))
    before = peak()
    batch(2)
    begin = time.perf_counter()
    batch(steps)
    return peak() - before, time.perf_counter() - begin


def clocked_loop():
    """A compiled loop over one sample: every neuron is stepped, rows of the spikes that there are are added; float64."""
    import numba

    @numba.njit(cache=False)
    def loop(inputs, weights, biases, sizes, state, spikes):
        counted = 0
        for step in range(inputs.shape[0]):
            for k in range(len(sizes) - 1):
                n, m, w = sizes[k], sizes[k + 1], weights[k]
                p, q, r, old = state[k, 0], state[k, 1], state[k, 2], spikes[k + 1]
                for i in range(m):
                    p[i] = 0.97 * p[i] + 0.03 * q[i]
                    q[i] = 0.92 * q[i]
                    r[i] = 0.65 * r[i] - old[i]
                for j in range(n):
                    if inputs[step, j] if k == 0 else spikes[k, j] != 0.0:
                        for i in range(m):
                            q[i] += w[j, i]
                for i in range(m):
                    old[i] = 1.0 if p[i] + biases[k, i] + r[i] >= 0.0 else 0.0
                    counted += old[i] != 0.0
        return counted

    return loop


def price():
    """Rows of accuracy, activity and times, one per strength of the regulariser."""
    import eventsnn as es
    from eventsnn.learn.decolle.recipes import data_of, recipe
    from eventsnn.learn.decolle.training import accuracy, train

    loop, rows = clocked_loop(), []
    for strength in STRENGTHS:
        found = []
        for seed in range(SEEDS):
            encoding, config = recipe("decolle-digits", "quick", activity=strength, seed=seed)
            data = data_of(encoding, config, ("train", "test"))
            result = train(config, data, progress=False)
            score, activity = accuracy(result.network, data["test"], steps=config.test_steps, burn_in=config.burn_in)
            found.append((result.network, score, activity))
        net, sizes = found[0][0], [64, *config.layers]
        shown = [data["test"].spikes(k, config.test_steps) for k in range(SAMPLES)]
        built = es.Simulation(net.to_network(), {"input": net.encode(shown[0])}, dt=1e-3, progress=False)
        until, times = (config.test_steps - 1) * 1e-3, {"event": [], "clocked": []}
        weights = numba_list([np.ascontiguousarray(config.gain * 0.08 * w.T) for w in net.weights])
        loop(shown[0], weights, np.array(net.biases), sizes, np.zeros((2, 3, 120)), np.zeros((3, 120)))
        agree = True
        for one in shown:
            spikes = net.encode(one)
            begin = time.perf_counter()
            built.reset({"input": spikes})
            run = built.run(until)
            times["event"].append(time.perf_counter() - begin)
            state, memory = np.zeros((2, 3, 120)), np.zeros((3, 120))
            begin = time.perf_counter()
            counted = loop(one, weights, np.array(net.biases), sizes, state, memory)
            times["clocked"].append(time.perf_counter() - begin)
            agree &= counted == run.counts.spikes["layer0"] + run.counts.spikes["layer1"]
        rows.append({"regulariser": strength, "accuracy_per_seed": [f[1].tolist() for f in found],
                     "activity_per_seed": [f[2].tolist() for f in found],
                     "accuracy": float(np.mean([f[1][-1] for f in found])), "activity": float(np.mean([f[2] for f in found])),
                     "event_ms": 1e3 * float(np.min(times["event"])), "clocked_ms": 1e3 * float(np.min(times["clocked"])),
                     "event_ms_median": 1e3 * float(np.median(times["event"])),
                     "clocked_ms_median": 1e3 * float(np.median(times["clocked"])), "same_number_of_spikes": bool(agree)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def numba_list(arrays):
    """A typed list of `arrays`, as compiled code takes it."""
    import numba

    return numba.typed.List(arrays)


def memory(python):
    """Rows of memory and time per length of the window, each in a process of its own."""
    rows = []
    for steps in LENGTHS:
        row = {"steps": steps}
        for name, executable in (("local", sys.executable), ("through_time", python)):
            if executable is not None:
                command = [executable, __file__, "--one", name, str(steps)]
                out = subprocess.run(command, capture_output=True, text=True, check=True)
                row[f"{name}_mb"], row[f"{name}_s"] = json.loads(out.stdout.splitlines()[-1])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", default=["memory", "price"], choices=["memory", "price"])
    parser.add_argument("--torch", default=None, help="Python executable that can import torch")
    parser.add_argument("--one", nargs=2, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        learn = {"local": learn_local, "through_time": learn_through_time}[arguments.one[0]]
        print(json.dumps(learn(int(arguments.one[1]))))
        return
    path = measure.RESULTS / "decolle.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    report |= {"command": measure.command(), "machine": measure.machine(), "versions": measure.versions(),
               "load": measure.load()}
    if "memory" in arguments.parts:
        report["memory"] = {"sizes": SIZES, "batch": BATCH, "rows": memory(arguments.torch)}
    if "price" in arguments.parts:
        report["price"] = {"task": "decolle-digits", "preset": "quick", "seeds": SEEDS, "rows": price()}
        from eventsnn.report.decolle import plot_price

        plot_price(report["price"]["rows"], Path(__file__).parent.parent / "docs" / "img" / "decolle_price.png")
    measure.write(path, report)


if __name__ == "__main__":
    main()
