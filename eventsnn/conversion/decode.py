"""What a receiver makes of the spikes of adapting neurons, from their times alone: pulse heights, and decoded activity."""

import numpy as np


def heights(times, neurons, *, m_f, theta_0, tau_gamma):
    """Height of the pulse of every spike [k], of neurons that started at rest: theta_0 + a, then a += m_f (theta_0 + a).

    times : s, sorted; neurons : numbers [k] (of a group: the same for all its members). The sender's own threshold follows
    from its spike times, so that a pulse needs to carry no number. Source: Zambrano and Bohte, arXiv 1609.02053.

    >>> heights(np.array([0.0, 0.0]), np.array([3, 3]), m_f=0.1, theta_0=0.1, tau_gamma=15e-3)
    array([0.1 , 0.11])
    """
    raised, last, found = {}, {}, np.empty(len(times))
    for i, (t, j) in enumerate(zip(times.tolist(), neurons.tolist())):
        a = raised.get(j, 0.0) * np.exp(-(t - last.get(j, t)) / tau_gamma)
        found[i] = theta_0 + a
        raised[j], last[j] = a + m_f * found[i], t
    return found


def mean_decoded(times, neurons, height, n, start, until, tau_eta):
    """Mean over `start` to `until` of the sum of height x exp(-(t - spike time) / tau_eta), per neuron [n].

    >>> mean_decoded(np.array([0.0]), np.array([1]), np.array([2.0]), 2, 0.0, 1.0, 1e-3).round(6)
    array([0.   , 0.002])
    """
    begin = np.maximum(start, times)
    area = np.where(times < until, np.exp(-(begin - times) / tau_eta) * -np.expm1(-(until - begin) / tau_eta), 0.0)
    return np.bincount(neurons, height * area, n) * tau_eta / (until - start)
