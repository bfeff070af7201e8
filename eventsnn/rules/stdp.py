"""Spike-timing dependent plasticity: pairs, triplets, and pairs gated by a reward."""

import numpy as np

from ..errors import ParameterError
from .rule import Rule, Variable


def _number(value, name, owner, least=0.0):
    if not isinstance(value, int | float | np.integer | np.floating) or not np.isfinite(value) or value < least:
        raise ParameterError(f"{name} of {owner} must be a finite number >= {least:g}, got {value!r}")
    return float(value)


def _depress(w, x, y, s, g, p):
    return w - p[1] * y[0]


def _potentiate(w, x, y, s, g, p):
    return w + p[0] * x[0]


def _depress_soft(w, x, y, s, g, p):
    return w - p[1] * (w / p[2]) ** p[4] * y[0]


def _potentiate_soft(w, x, y, s, g, p):
    return w + p[0] * max(1.0 - w / p[2], 0.0) ** p[3] * x[0]


def STDP(projection, *, a_plus, a_minus, tau_plus=20e-3, tau_minus=20e-3, w_max=1.0, w_min=0.0, mu_plus=0.0, mu_minus=0.0,
         nearest=False):
    """Pair-based STDP.

        arrival: w -= a_minus (w / w_max)^mu_minus y,      spike of the target: w += a_plus (1 - w / w_max)^mu_plus x

    with traces x of arrivals (tau_plus) and y of the target's spikes (tau_minus), raised by 1 (all pairs) or set to 1
    (`nearest`). mu 0: additive, 1: multiplicative. Weights stay within w_min >= 0 and w_max.
    Sources: Song, Miller, Abbott 2000, Nat. Neurosci. 3:919; Guetig et al. 2003, J. Neurosci. 23:3697.

    >>> STDP("in->out", a_plus=0.01, a_minus=0.012).parameters
    array([0.01 , 0.012, 1.   , 0.   , 0.   ])
    """
    values = [_number(v, n, "STDP") for v, n in ((a_plus, "a_plus"), (a_minus, "a_minus"), (w_max, "w_max"),
                                                 (mu_plus, "mu_plus"), (mu_minus, "mu_minus"))]
    _number(w_min, "w_min", "STDP")
    soft = mu_plus > 0.0 or mu_minus > 0.0
    if soft and not w_max > 0.0:
        raise ParameterError(f"w_max of STDP must be > 0 where mu is, got {w_max!r}")
    return Rule(projection, on_pre=_depress_soft if soft else _depress, on_post=_potentiate_soft if soft else _potentiate,
                pre={"x": Variable(tau_plus, nearest=nearest)}, post={"y": Variable(tau_minus, nearest=nearest)},
                parameters=values, w_min=w_min, w_max=w_max)


def _triplet_pre(w, x, y, s, g, p):
    return w - y[0] * (p[2] + p[3] * x[1])


def _triplet_post(w, x, y, s, g, p):
    return w + x[0] * (p[0] + p[1] * y[1])


def TripletSTDP(projection, *, a2_plus, a3_plus, a2_minus, a3_minus, tau_plus=16.8e-3, tau_x=101e-3, tau_minus=33.7e-3,
                tau_y=125e-3, w_min=0.0, w_max=1.0, nearest=False):
    """Triplet STDP: with arrivals traced by r1 (tau_plus), r2 (tau_x), spikes of the target by o1 (tau_minus), o2 (tau_y),

        arrival: w -= o1 (a2_minus + a3_minus r2),      spike of the target: w += r1 (a2_plus + a3_plus o2)

    Source: Pfister and Gerstner 2006, J. Neurosci. 26:9673; the time constants are those of their fit to visual cortex.

    >>> len(TripletSTDP("in->out", a2_plus=0.0, a3_plus=6e-3, a2_minus=7e-3, a3_minus=0.0).pre)
    2
    """
    values = [_number(v, n, "TripletSTDP") for v, n in ((a2_plus, "a2_plus"), (a3_plus, "a3_plus"), (a2_minus, "a2_minus"),
                                                        (a3_minus, "a3_minus"))]
    return Rule(projection, on_pre=_triplet_pre, on_post=_triplet_post, parameters=values, w_min=w_min, w_max=w_max,
                pre={"r1": Variable(tau_plus, nearest=nearest), "r2": Variable(tau_x, nearest=nearest)},
                post={"o1": Variable(tau_minus, nearest=nearest), "o2": Variable(tau_y, nearest=nearest)})


def _eligible_pre(w, x, y, s, g, p):
    s[0] -= p[1] * y[0]
    return w


def _eligible_post(w, x, y, s, g, p):
    s[0] += p[0] * x[0]
    return w


def _rewarded(w, x, y, s, g, p):
    return w + g[0] * s[0]


def RewardSTDP(projection, *, a_plus, a_minus, tau_plus=20e-3, tau_minus=20e-3, tau_eligibility=1.0, w_min=0.0, w_max=1.0):
    """Reward-modulated STDP: pairs change an eligibility of the synapse, which decays with tau_eligibility (s); weights wait.

    `simulation.trigger("in->out", reward=r)`: w += r x eligibility, now. Source: Izhikevich 2007, Cereb. Cortex 17:2443, with
    rewards as events.

    >>> list(RewardSTDP("in->out", a_plus=0.01, a_minus=0.012).network)
    ['reward']
    """
    values = [_number(v, n, "RewardSTDP") for v, n in ((a_plus, "a_plus"), (a_minus, "a_minus"))]
    return Rule(projection, on_pre=_eligible_pre, on_post=_eligible_post, on_timer=_rewarded, parameters=values,
                pre={"x": tau_plus}, post={"y": tau_minus}, synapse={"eligibility": tau_eligibility},
                network={"reward": np.inf}, w_min=w_min, w_max=w_max)
