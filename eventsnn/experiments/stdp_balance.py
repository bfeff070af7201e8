"""Competition of inputs by STDP: weights part into strong and weak, the rate stays the same, correlated inputs win.

Poisson inputs onto leaky integrate-and-fire neurons with additive pair STDP, as in Song, Miller and Abbott 2000 (Nat. Neurosci.
3:919), with currents in place of conductances. The neurons share their inputs and begin with weights of their own.
"""

import csv
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from ..errors import ParameterError
from .asnn_curves import numbers
from .config import Setting

SETTINGS = {
    "inputs": Setting(int, "plastic excitatory inputs", least=2),
    "group": Setting(int, "inputs that are correlated in the last run", least=1),
    "inhibitory": Setting(int, "inhibitory inputs, not plastic", least=1),
    "rates": Setting(str, "rates of the excitatory inputs, Hz, separated by commas: a run each"),
    "rate_inhibitory": Setting(float, "rate of the inhibitory inputs, Hz", least=0.0),
    "correlated_rate": Setting(float, "rate of the excitatory inputs in the run with correlations, Hz", above=0.0),
    "correlation": Setting(float, "part of its spikes that two of the group have in common", above=0.0, most=1.0),
    "jitter": Setting(float, "mean lag behind the common spike, s", least=0.0),
    "neurons": Setting(int, "neurons that learn", least=1),
    "until": Setting(float, "time, s", above=0.0),
    "slices": Setting(int, "looks at the weights", least=5),
    "a_plus": Setting(float, "potentiation, part of w_max", least=0.0),
    "ratio": Setting(float, "depression over potentiation", least=0.0),
    "tau_plus": Setting(float, "time constant of potentiation, s", above=0.0),
    "tau_minus": Setting(float, "time constant of depression, s", above=0.0),
    "w_max": Setting(float, "largest excitatory weight, mV", above=0.0),
    "weight_inhibitory": Setting(float, "inhibitory weight, mV", most=0.0),
    "tau_mem": Setting(float, "membrane time constant, s", above=0.0),
    "tau_syn": Setting(float, "synaptic time constant, s", least=0.0),
    "v_threshold": Setting(float, "threshold above the leak potential, mV"),
    "v_reset": Setting(float, "potential after a spike, mV"),
    "t_ref": Setting(float, "refractory time, s", least=0.0),
}
COLUMNS = ("input_rate_hz", "correlation", "time_s", "rate_hz", "mean_weight_group", "mean_weight_others")
END = 0.2  # part of the time, at its end, of the final rate
EDGE = 0.1  # of w_max: weights nearer than that to a bound count as weak, or strong
GROUPS = ("group", "others")


@dataclass
class Learned:
    """A run: input `rate` (Hz), `correlation`; at `times` [T] (s, ends of slices) output `rates` [T] (Hz, in the slice) and
    mean weights of `group` and `others` [T] (parts of w_max); `weights` {"group", "others": at the end [n], parts of w_max};
    synaptic `events`, wall time `seconds` and processor time `cpu` (s).
    """

    rate: float
    correlation: float
    times: np.ndarray
    rates: np.ndarray
    group: np.ndarray
    others: np.ndarray
    weights: dict
    events: int
    seconds: float
    cpu: float


def correlated_trains(n, rate, correlation, until, rng, jitter=0.0):
    """`Spikes` of `n` Poisson processes at `rate` (Hz) up to `until` (s), two of which share `correlation` of their spikes.

    Each copies every spike of one parent at rate / correlation with that probability, with an exponential lag of mean `jitter`
    (s), so that each is Poisson. Source: Kuhn, Aertsen and Rotter 2003, Neural Comput. 15:67.

    >>> spikes = correlated_trains(10, 20.0, 0.5, 100.0, np.random.default_rng(0))
    >>> np.unique(spikes.times).size < 0.5 * len(spikes)
    True
    """
    import eventsnn as es

    parent = rng.uniform(0.0, until, rng.poisson(rate / correlation * until))
    copies = rng.binomial(parent.size, correlation, n)
    times = np.concatenate([rng.choice(parent, k, replace=False) for k in copies])
    times += jitter * rng.standard_exponential(times.size)
    kept = times <= until
    return es.Spikes(times[kept], np.repeat(np.arange(n), copies)[kept])


def build_network(settings, rate, correlation=0.0):
    """The network at one `rate` of the inputs (Hz): "group", "others", "inh" onto "out"; a correlated group is an `Input`.

    >>> from eventsnn.experiments.config import load_plan
    >>> list(build_network(load_plan("stdp-balance").settings, 10.0).projections)
    ['group->out', 'others->out', 'inh->out']
    """
    import eventsnn as es

    s = settings
    n, rng = s["neurons"], np.random.default_rng([s["seed"], 1])
    net = es.Network()
    net.add("group", es.Input(s["group"]) if correlation else es.Poisson(s["group"], rate=rate))
    net.add("others", es.Poisson(s["inputs"] - s["group"], rate=rate))
    net.add("inh", es.Poisson(s["inhibitory"], rate=s["rate_inhibitory"]))
    membrane = {key: s[key] for key in ("tau_mem", "tau_syn", "v_threshold", "v_reset", "t_ref")}
    net.add("out", es.LIF(n, **membrane))
    for name, size in (("group", s["group"]), ("others", s["inputs"] - s["group"])):
        net.connect(name, "out", es.Dense(rng.uniform(0.0, s["w_max"], (size, n))))
    net.connect("inh", "out", es.Dense(s["weight_inhibitory"]))
    return net


def learn(settings, rate, correlation=0.0, progress=False):
    """`Learned` for inputs at `rate` (Hz), the group with `correlation`."""
    import eventsnn as es

    from ..progress import over

    s = settings
    rules = [es.STDP(f"{name}->out", a_plus=s["a_plus"] * s["w_max"], a_minus=s["ratio"] * s["a_plus"] * s["w_max"],
                     tau_plus=s["tau_plus"], tau_minus=s["tau_minus"], w_max=s["w_max"]) for name in GROUPS]
    rng = np.random.default_rng([s["seed"], 2])
    trains = correlated_trains(s["group"], rate, correlation, s["until"], rng, s["jitter"]) if correlation else None
    simulation = es.Simulation(build_network(s, rate, correlation), rules=rules, seed=s["seed"], progress=False,
                               record=es.Record(spikes=["out"]))
    times = s["until"] * np.arange(1, s["slices"] + 1) / s["slices"]
    spikes, means = [], []
    started, worked = perf_counter(), process_time()
    for before, time in over(zip([-1.0, *times], times), times.size, progress):
        if trains is not None:
            part = slice(*np.searchsorted(trains.times, (before, time), "right"))
            simulation.push({"group": es.Spikes(trains.times[part], trains.neurons[part])})
        spikes.append(len(simulation.news(time, whole=True, keep=False)["out"]))
        weights = {name: simulation.weights(f"{name}->out")[2] / s["w_max"] for name in GROUPS}
        means.append([weights[name].mean() for name in GROUPS])
    seconds, cpu = perf_counter() - started, process_time() - worked
    means = np.array(means)
    return Learned(rate, correlation, times, np.array(spikes) / (s["neurons"] * times[0]), means[:, 0], means[:, 1], weights,
                   simulation.result().counts.synaptic_events.total, seconds, cpu)


def facts(found):
    """What there is to say about a `Learned`, a dict: output rates at the start and at the end, and the weights at the end."""
    weights = np.concatenate(list(found.weights.values()))
    last = found.times > (1.0 - END) * found.times[-1]
    return {
        "input_rate_hz": found.rate, "correlation": found.correlation, "rate_hz_start": float(found.rates[0]),
        "rate_hz_end": float(found.rates[last].mean()), "share_weak": float((weights < EDGE).mean()),
        "share_strong": float((weights > 1.0 - EDGE).mean()), "mean_weight_group": float(found.group[-1]),
        "mean_weight_others": float(found.others[-1]), "synaptic_events": found.events, "sim_s": found.seconds,
        "cpu_s": found.cpu, "ns_per_synaptic_event": 1e9 * found.seconds / found.events if found.events else None,
    }


def run(settings, out, progress=False):
    """Learn at every rate and with correlations; write stdp_balance.csv and stdp_balance.png to `out`; return the summary."""
    from ..io import atomic_path
    from ..report.stdp import plot_balance

    s = settings
    if s["group"] >= s["inputs"]:
        raise ParameterError(f"group of experiment 'stdp-balance' is {s['group']!r}; it must be below inputs = {s['inputs']!r}")
    rates = numbers(s["rates"], "rates")
    learn(s | {"until": 0.01, "slices": 1}, rates[0])  # compiles the kernels
    plain = [learn(s, rate, progress=progress) for rate in rates]
    common = learn(s, s["correlated_rate"], s["correlation"], progress)
    rows = [(r.rate, r.correlation, *row) for r in (*plain, common) for row in zip(r.times, r.rates, r.group, r.others)]
    with atomic_path(out / "stdp_balance.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    plot_balance(plain, common, out / "stdp_balance.png")
    return {"inputs": s["inputs"], "group": s["group"], "neurons": s["neurons"], "until_s": s["until"],
            "rates": [facts(found) for found in plain], "correlated": facts(common)}
