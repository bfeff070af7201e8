"""The weight change of one pair of spikes against its timing, measured on the EqSpike kernels, beside its closed form.

Neurons without connections spike once each while the network learns: a neuron with bias I spikes when it has charged to the
threshold, after tau_mem log(I / (I - theta)), and not again, because t_ref is longer than the protocol.
"""

import csv

import numpy as np

from .config import Setting

SETTINGS = {
    "tau_filter": Setting(float, "time constant of both filters, s", above=0.0),
    "longest": Setting(float, "longest time between the two spikes, s", above=0.0),
    "lags": Setting(int, "times on each side of zero", least=1),
}
THETA, TAU_MEM, FIRST = 0.05, 0.04, 0.02  # s: the earlier spike
CHARGE = 1.0  # of a spike in units of rate: t_ref, s


def window(lag, tau):
    """Weight change / charge^2 of a pair `lag` s apart: the derivative of the double filter's answer to one spike.

    >>> float(window(0.02, 0.02))
    0.0
    """
    x = np.abs(lag) / tau
    return (1.0 - x) * np.exp(-x) / tau**2


def hidden_output_pair(lag, tau):
    """Change of the weight between a hidden neuron and an output that spikes `lag` s after it, before it if negative."""
    return _pair(FIRST + max(-lag, 0.0), FIRST + max(lag, 0.0), None, tau)[1]


def input_hidden_pair(lag, tau):
    """Change of the weight from an input to a hidden neuron that spikes `lag` s after it; momentary changes of rate."""
    return _pair(FIRST + max(lag, 0.0), None, FIRST + max(-lag, 0.0), tau)[0]


def _pair(hidden, output, given, tau):
    """Changes (w1, w2) where the three neurons spike at these times, None: not at all."""
    from ..learn.eqspike.events import input_events
    from ..learn.eqspike.network import EqSpikeNetwork
    from ..learn.eqspike.probe import presentation

    bias = [0.0 if t is None else THETA / -np.expm1(-t / TAU_MEM) for t in (hidden, output)]
    network = EqSpikeNetwork(np.zeros((1, 1)), np.zeros((1, 1)), bias, tau_mem=TAU_MEM, t_ref=CHARGE, theta=THETA)
    until, key, x = max(t or 0.0 for t in (hidden, output, given)) + 1e-3, 0, 0.0
    if given is not None:  # the phase is hashed: a rate that puts the first spike there, and a key that keeps the second away
        while (phase := input_events(np.ones(1), np.uint64(key), CHARGE, CHARGE)[0][0] / CHARGE) > 0.9 * given / until:
            key += 1
        x = CHARGE * phase / given
    phases = np.array([[until, 0.0, 1.0, 1.0]])
    found = presentation(network, [x], key, phases, -1, tau_filter=tau)
    return found.w1[0, 0] / CHARGE**2, found.w2[0, 0] / CHARGE**2


def run(settings, out, progress=False):
    """Measure both windows; write eqspike_window.csv and eqspike_window.png to `out`; return the summary."""
    from ..io import atomic_path
    from ..report.eqspike import plot_pair_window

    tau = settings["tau_filter"]
    side = settings["longest"] * (np.arange(settings["lags"]) + 0.5) / settings["lags"]
    lag = np.concatenate([-side[::-1], side])
    closed = window(lag, tau)
    found = {
        "hidden - output: both spikes act": (lag, np.array([hidden_output_pair(t, tau) for t in lag]), closed),
        "input - hidden: spikes of the input act": (lag, np.array([input_hidden_pair(t, tau) for t in lag]),
                                                    np.where(lag < 0.0, closed, 0.0)),
    }
    with atomic_path(out / "eqspike_window.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("pair", "time_s", "change", "closed_form"))
        writer.writerows((name.partition(":")[0], *row) for name, curves in found.items() for row in zip(*curves))
    plot_pair_window(found, out / "eqspike_window.png")
    largest = float(np.abs(closed).max())
    return {"tau_filter": tau, "pairs": 2 * lag.size, "changes_sign_at_s": tau,
            "difference": max(float(np.abs(change - exact).max()) for _, change, exact in found.values()) / largest}
