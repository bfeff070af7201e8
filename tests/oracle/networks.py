"""Many single-neuron cases in one network, and the comparison of its spikes with the oracle's."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

import eventsnn as es

from . import exact_neuron
from .adversarial import ports

SCHEDULERS = ("reference", "heap", "layered", "window")
UNDECIDABLE = 64 * exact_neuron.EPS  # below this relative margin double precision may answer either way
EXACT_KINDS = ("touch", "asymptote", "start_above", "refractory_end")  # no rounding involved, or a plain sign argument

ARRAYS = {
    "LIF": {"v_threshold": None, "v_reset": 0.0, "v_leak": 0.0, "t_ref": 0.0, "i_offset": 0.0},
    "IF": {"v_threshold": None, "v_reset": 0.0, "t_ref": 0.0, "i_offset": 0.0},
    "ASNN": {"theta_0": None, "bias": 0.0, "i_offset": 0.0},
}
ARRAYS["AdaptiveLIF"] = {**ARRAYS["LIF"], "adaptation": None}
TAUS = {
    "LIF": {"tau_mem": None},
    "IF": {},
    "AdaptiveLIF": {"tau_mem": None, "tau_adapt": None},
    "ASNN": {"tau_phi": 5e-3, "tau_eta": 50e-3, "tau_beta": 50e-3, "tau_gamma": 15e-3},
}


def _start(model):
    if model.get("v_init") is not None:
        return model["v_init"]
    return model.get("v_reset", 0.0) if model["kind"] == "IF" else model.get("v_leak", 0.0)


def group_key(case, mixed):
    """Cases with the same key share a population: all time constants equal, or (`mixed`) only the structure."""
    model = case.model
    structure = (model["kind"], model.get("synapse", "exponential"), model.get("m_f", 0.1))
    if mixed:
        return (*structure, tuple(tau == 0.0 for tau in ports(model)))
    taus = tuple(model.get(name, default) for name, default in TAUS[model["kind"]].items())
    return (*structure, ports(model), taus)


def population(cases):
    """One population for cases of one structure, every parameter an array [n]."""
    models = [case.model for case in cases]
    kind, n = models[0]["kind"], len(models)
    arguments = {name: np.array([m.get(name, default) for m in models], dtype=np.float64)
                 for name, default in (ARRAYS[kind] | TAUS[kind]).items()}
    if kind == "ASNN":
        return es.ASNN(n, m_f=models[0].get("m_f", 0.1), **arguments)
    taus = np.array([ports(m) for m in models])
    arguments["tau_syn"] = tuple(taus.T) if taus.shape[1] > 1 else taus[:, 0]
    arguments["v_init"] = np.array([_start(m) for m in models])
    return getattr(es, kind)(n, synapse=models[0].get("synapse", "exponential"), **arguments)


def _sent(t, k):
    """(spike time, delay) of the input that arrives at exactly t; every second arrival travels with a delay."""
    delay = 0.25 * t
    if k % 2 == 0 or (t - delay) + delay != t:
        return t, 0.0
    return t - delay, delay


@dataclass
class Batch:
    """A network of many cases with the same `until`: `members[population]` are the numbers of its cases."""

    net: object
    inputs: dict
    until: float
    members: dict


def build(cases, mixed=False):
    """Networks that hold all `cases`, one per value of `until`."""
    batches = []
    for until in sorted({case.until for case in cases}):
        groups = defaultdict(list)
        for number, case in enumerate(cases):
            if case.until == until:
                groups[group_key(case, mixed)].append(number)
        net, times, members = es.Network(), [], {}
        todo = []
        for g, numbers in enumerate(groups.values()):
            name = f"group{g}"
            members[name] = numbers
            todo.append((name, population([cases[i] for i in numbers])))
            synapses = defaultdict(list)
            for neuron, i in enumerate(numbers):
                for t, weight, port in cases[i].arrivals:
                    spike, delay = _sent(t, len(times))
                    synapses[port].append((len(times), neuron, weight, delay))
                    times.append(spike)
            todo[-1] += (synapses,)
        net.add("input", es.Input(max(1, len(times))))
        for name, neurons, synapses in todo:
            net.add(name, neurons)
            for port, rows in sorted(synapses.items()):
                source, target, weight, delay = zip(*rows)
                net.connect("input", name, es.Sparse(source=np.array(source), target=np.array(target),
                                                     weight=np.array(weight), delay=np.array(delay)), port=port)
        inputs = {"input": es.Spikes(np.array(times), np.arange(len(times)))} if times else {}
        batches.append(Batch(net, inputs, until, members))
    return batches


def spike_trains(batch, run):
    """Case number -> its spike times, in one run of its batch."""
    trains = {}
    for name, numbers in batch.members.items():
        spikes = run.spikes[name]
        order = np.argsort(spikes.neurons, kind="stable")
        parts = np.split(spikes.times[order], np.cumsum(np.bincount(spikes.neurons, minlength=len(numbers)))[:-1])
        trains.update(zip(numbers, parts))
    return trains


@dataclass
class Verdict:
    """Outcome of a comparison: what failed, what could not be decided, and how much of the bound was used at most."""

    failures: list = field(default_factory=list)
    undecidable: int = 0
    worst: float = 0.0
    spikes: int = 0

    def report(self):
        lines = [f"{len(self.failures)} of the cases disagree with the exact solution (largest |dt| / bound: "
                 f"{self.worst:.3g}, undecidable: {self.undecidable}):"]
        return "\n".join(lines + self.failures[:12])


def judge(verdict, number, case, exact, times):
    """Compare one spike train with the oracle and note the outcome in `verdict`."""
    if len(times) != len(exact.times):
        if exact.margin < UNDECIDABLE and case.kind not in EXACT_KINDS:
            verdict.undecidable += 1
            return
        verdict.failures.append(f"case {number} ({case.kind}, margin {exact.margin:.2g}): spikes at {list(times)}, "
                                f"exact {[float(t) for t in exact.times]}; {case.model} {case.arrivals}")
        return
    verdict.spikes += len(times)
    for k, (t, right, bound) in enumerate(zip(times, exact.times, exact.bounds)):
        error = abs(float(right - float(t)))
        ratio = error / bound if bound else (0.0 if error == 0.0 else np.inf)
        verdict.worst = max(verdict.worst, ratio)
        if ratio > 1.0:
            verdict.failures.append(f"case {number} ({case.kind}, margin {exact.margin:.2g}): spike {k} at {t!r} is off"
                                    f" by {error:.3g} s, allowed {bound:.3g}; {case.model} {case.arrivals}")
            return
