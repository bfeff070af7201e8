"""Weight change against the timing of one pair, and against the rate of pairing for triplets, beside the closed forms.

The target is made to spike by a strong synapse from a neuron that follows the protocol, so both trains are given.
"""

import csv

import numpy as np

from ..errors import ParameterError
from .asnn_curves import numbers
from .config import Setting

SETTINGS = {
    "a_plus": Setting(float, "pairs: potentiation, part of w_max", least=0.0),
    "a_minus": Setting(float, "pairs: depression, part of w_max", least=0.0),
    "tau_plus": Setting(float, "pairs: time constant of potentiation, s", above=0.0),
    "tau_minus": Setting(float, "pairs: time constant of depression, s", above=0.0),
    "weights": Setting(str, "pairs: weights at the start, separated by commas"),
    "longest": Setting(float, "pairs: longest time between the two spikes, s", above=0.0),
    "lags": Setting(int, "pairs: times on each side of zero", least=1),
    "rates": Setting(int, "triplets: number of rates", least=2),
    "lowest": Setting(float, "triplets: lowest rate of pairing, Hz", above=0.0),
    "highest": Setting(float, "triplets: highest rate of pairing, Hz", above=0.0),
    "pairing": Setting(float, "triplets: time between the two spikes of a pair, s", above=0.0),
    "pairs": Setting(int, "triplets: number of pairs", least=1),
    "a2_plus": Setting(float, "triplets: potentiation by pairs", least=0.0),
    "a3_plus": Setting(float, "triplets: potentiation by triplets", least=0.0),
    "a2_minus": Setting(float, "triplets: depression by pairs", least=0.0),
    "a3_minus": Setting(float, "triplets: depression by triplets", least=0.0),
    "tau_r1": Setting(float, "triplets: tau_plus, s", above=0.0),
    "tau_r2": Setting(float, "triplets: tau_x, s", above=0.0),
    "tau_o1": Setting(float, "triplets: tau_minus, s", above=0.0),
    "tau_o2": Setting(float, "triplets: tau_y, s", above=0.0),
}
COLUMNS = ("rule", "start", "time_s", "rate_hz", "change", "closed_form")
KINDS = {"additive": 0.0, "multiplicative": 1.0}  # exponent of the weight
REST = 1.0  # s, before the first spike


def paired(rule, pre, post, weight):
    """Weights [n] after the protocol: synapse j sees arrivals at ``pre[j]``, spikes of its target at ``post[j]``; s [n, k].

    `rule` : of a projection "plastic"; weight : at the start, [n]

    >>> import eventsnn as es
    >>> paired(es.STDP("plastic", a_plus=0.1, a_minus=0.1), [[1.0]], [[1.0]], [0.5])     # doctest: +SKIP
    array([0.6])
    """
    import eventsnn as es

    pre, post = np.asarray(pre, float), np.asarray(post, float)
    n, spikes = pre.shape
    net = es.Network()
    for name in ("in", "drive"):
        net.add(name, es.Input(n))
    net.add("out", es.LIF(n, tau_mem=1e-3, tau_syn=0.0, v_threshold=1e6))
    net.connect("in", "out", es.OneToOne(np.asarray(weight, float)), name="plastic")
    net.connect("drive", "out", es.OneToOne(2e6))
    who = np.repeat(np.arange(n), spikes)
    inputs = {"in": es.Spikes(pre.ravel(), who), "drive": es.Spikes(post.ravel(), who)}
    simulation = es.Simulation(net, inputs, rules=[rule], record=es.Record(spikes=None), progress=False)
    simulation.run(float(max(pre.max(), post.max())) + 1e-3)
    return simulation.weights("plastic")[2]


def pair_change(lag, weight, s, mu):
    """Change of `weight` by one pair, the target `lag` s [n] after the arrival; mu : 0 additive, 1 multiplicative.

    >>> s = {"a_plus": 0.1, "a_minus": 0.2, "tau_plus": 1.0, "tau_minus": 1.0}
    >>> pair_change(np.array([-1e-9, 1e-9]), 0.5, s, 1.0).round(6)
    array([-0.1 ,  0.05])
    """
    up = s["a_plus"] * (1.0 - weight) ** mu * np.exp(-np.maximum(lag, 0.0) / s["tau_plus"])
    down = s["a_minus"] * weight**mu * np.exp(np.minimum(lag, 0.0) / s["tau_minus"])
    return np.clip(weight + np.where(lag >= 0.0, up, -down), 0.0, 1.0) - weight


def triplet_change(rate, lag, s):
    """Change of weight by pairs, the target `lag` s after each arrival, at `rate` Hz [n]: a geometric series for every trace.

    Needs |lag| below the time between arrivals, so that all but the first event of a pair are in turn.

    >>> s = dict(pairs=1, a2_plus=1.0, a3_plus=9.0, a2_minus=1.0, a3_minus=0.0, tau_r1=1.0, tau_r2=1.0, tau_o1=1.0, tau_o2=1.0)
    >>> triplet_change(np.array([1e-3]), 1.0, s).round(4)
    array([0.3679])
    """
    period, before = 1.0 / np.asarray(rate)[:, None], np.arange(s["pairs"])

    def earlier(tau):
        """Trace of the spikes 1, 2, ... periods ago."""
        q = np.exp(-period / tau)
        return q * (1.0 - q**before) / (1.0 - q)

    r1, r2, o1, o2 = (earlier(s[key]) for key in ("tau_r1", "tau_r2", "tau_o1", "tau_o2"))
    r1 = np.exp(-lag / s["tau_r1"]) * (r1 + (lag > 0.0))
    o1 = np.exp(lag / s["tau_o1"]) * (o1 + (lag < 0.0))
    up, down = r1 * (s["a2_plus"] + s["a3_plus"] * o2), o1 * (s["a2_minus"] + s["a3_minus"] * r2)
    return (up - down).sum(axis=1)


def windows(s):
    """{(kind, start): (lags [n] s, change [n], closed form [n])} of pair STDP."""
    import eventsnn as es

    starts = numbers(s["weights"], "weights")
    if max(starts) > 1.0:
        raise ParameterError(f"weights of the experiment is {s['weights']!r}; weights must be at most w_max = 1")
    side = s["longest"] * np.arange(1, s["lags"] + 1) / s["lags"]
    lag = np.concatenate([-side[::-1], side])
    pre, found = np.full(lag.size, REST + s["longest"]), {}
    for kind, mu in KINDS.items():
        rule = es.STDP("plastic", mu_plus=mu, mu_minus=mu, **{k: s[k] for k in ("a_plus", "a_minus", "tau_plus", "tau_minus")})
        weight = np.repeat(starts, lag.size)
        after = paired(rule, np.tile(pre, len(starts))[:, None], np.tile(pre + lag, len(starts))[:, None], weight)
        for w, change in zip(starts, (after - weight).reshape(len(starts), -1)):
            found[kind, w] = lag, change, pair_change(lag, w, s, mu)
    return found


def frequencies(s):
    """{lag: (rates [n] Hz, change [n], closed form [n])} of the triplet rule."""
    import eventsnn as es

    if not s["lowest"] < s["highest"] or s["highest"] * s["pairing"] >= 1.0:
        raise ParameterError(f"highest of the experiment is {s['highest']!r} Hz; it must be above lowest = {s['lowest']!r} Hz "
                             f"and below 1 / pairing = {1.0 / s['pairing']:g} Hz")
    rate = np.linspace(s["lowest"], s["highest"], s["rates"])
    high = 10.0 * s["pairs"]  # far from the bounds, which the closed form has not
    rule = es.TripletSTDP("plastic", **{k: s[k] for k in ("a2_plus", "a3_plus", "a2_minus", "a3_minus")}, tau_plus=s["tau_r1"],
                          tau_x=s["tau_r2"], tau_minus=s["tau_o1"], tau_y=s["tau_o2"], w_min=-high, w_max=high)
    pre, found = REST + np.arange(s["pairs"]) / rate[:, None], {}
    for lag in (-s["pairing"], s["pairing"]):
        found[lag] = rate, paired(rule, pre, pre + lag, np.zeros(rate.size)), triplet_change(rate, lag, s)
    return found


def _worst(curves):
    return max(float(np.abs(change - closed).max()) for _, change, closed in curves.values())


def run(settings, out, progress=False):
    """Simulate both protocols; write stdp_window.csv and stdp_window.png to `out`; return the summary."""
    from ..io import atomic_path
    from ..report.stdp import plot_window

    pairs, triplets = windows(settings), frequencies(settings)
    rows = [(kind, w, row[0], "", *row[1:]) for (kind, w), curves in pairs.items() for row in zip(*curves)]
    rows += [("triplet", 0.0, lag, *row) for lag, curves in triplets.items() for row in zip(*curves)]
    with atomic_path(out / "stdp_window.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    plot_window(pairs, triplets, out / "stdp_window.png")
    crossing = {}
    for lag, (rate, change, _) in triplets.items():
        turns = np.flatnonzero((change[:-1] < 0.0) & (change[1:] >= 0.0))
        crossing[f"{1e3 * lag:+g} ms"] = float(rate[turns[0] + 1]) if turns.size else None
    return {
        "difference_pairs": _worst(pairs), "difference_triplets": _worst(triplets),
        "protocols": len(rows), "pairs": settings["pairs"], "potentiation_from_hz": crossing,
        "change_at_highest_rate": {f"{1e3 * lag:+g} ms": float(change[-1]) for lag, (_, change, _) in triplets.items()},
    }
