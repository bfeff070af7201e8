"""Short-term plasticity, homeostasis of synapses and of thresholds, and the delta rule."""

import numpy as np

from ..errors import ParameterError
from .rule import NeuronRule, Rule, Variable


def _within(value, name, owner, least, most=np.inf, open_below=False):
    low = value > least if open_below and isinstance(value, int | float | np.floating) else True
    if not isinstance(value, int | float | np.integer | np.floating) or not least <= value <= most or not low \
            or not np.isfinite(value):
        limits = f"{'>' if open_below else '>='} {least:g}" + (f" and <= {most:g}" if most < np.inf else "")
        raise ParameterError(f"{name} of {owner} must be a finite number {limits}, got {value!r}")
    return float(value)


def _use(w, x, y, s, g, p):
    u = s[1] + p[0] * (1.0 - s[1])
    left = 1.0 - s[0]
    s[1] = u
    s[0] += u * left
    return s[2] * u * left


def _depress_only(w, x, y, s, g, p):
    left = 1.0 - s[0]
    s[0] += p[0] * left
    return s[1] * p[0] * left


def TsodyksMarkram(projection, *, U, tau_rec, tau_fac=0.0):
    """Short-term depression and facilitation: an arrival delivers A u R, with A the weight given to the projection.

        arrival: u += U (1 - u);  delivered A u R;  R -= u R;      between: du/dt = -u / tau_fac,  dR/dt = (1 - R) / tau_rec

    u on the right of R is the new one; u = 0 and R = 1 at first. tau_fac = 0: u is U always (depression only).
    U : in (0, 1]; tau_rec, tau_fac : s. `Simulation.weights` shows what each synapse delivered last. Signs are kept.
    Sources: Tsodyks, Pawelzik, Markram 1998, Neural Comput. 10:821; Tsodyks, Uziel, Markram 2000, J. Neurosci. 20:RC50.

    >>> list(TsodyksMarkram("in->out", U=0.5, tau_rec=0.8, tau_fac=0.1).synapse)
    ['used', 'u', 'weight']
    """
    U = _within(U, "U", "TsodyksMarkram", 0.0, 1.0, open_below=True)
    tau_rec = _within(tau_rec, "tau_rec", "TsodyksMarkram", 0.0, open_below=True)
    tau_fac = _within(tau_fac, "tau_fac", "TsodyksMarkram", 0.0)
    base = Variable(np.inf, start="weight")
    if tau_fac == 0.0:
        return Rule(projection, on_pre=_depress_only, synapse={"used": tau_rec, "weight": base}, parameters=[U])
    return Rule(projection, on_pre=_use, synapse={"used": tau_rec, "u": tau_fac, "weight": base}, parameters=[U])


def _scale(w, x, y, s, g, p):
    return w + p[0] * w * (p[1] - y[0])


def Scaling(projection, *, rate, strength, tau=10.0, every=0.1, w_min=0.0, w_max=np.inf):
    """Homeostatic scaling: all weights onto a neuron grow or shrink in proportion until it spikes at `rate` (Hz).

    Every `every` s: w += strength every w (rate - r), with r the mean rate of the target, estimated over `tau` s (its spikes,
    each decaying with tau, over tau). strength : 1 / spikes. Source: van Rossum, Bi, Turrigiano 2000, J. Neurosci. 20:8812.

    >>> Scaling("in->out", rate=5.0, strength=0.01).every
    0.1
    """
    rate = _within(rate, "rate", "Scaling", 0.0)
    strength = _within(strength, "strength", "Scaling", 0.0)
    tau = _within(tau, "tau", "Scaling", 0.0, open_below=True)
    every = _within(every, "every", "Scaling", 0.0, open_below=True)
    return Rule(projection, on_timer=_scale, every=every, post={"rate": Variable(tau, step=1.0 / tau)},
                parameters=[strength * every, rate], w_min=w_min, w_max=w_max)


def _excite(v, x, y, s, g, p):
    return v + p[0] * (y[0] - p[1])


def IntrinsicPlasticity(population, *, rate, strength, tau=10.0, every=0.1, v_min=-np.inf, v_max=np.inf):
    """Homeostasis of excitability: the threshold of each neuron rises or falls until it spikes at `rate` (Hz).

    Every `every` s: threshold += strength every (r - rate), with r its mean rate, estimated over `tau` s as in `Scaling`.
    strength : V per spike. v_min, v_max : limits of the threshold, V. Source: the threshold form of Lazar, Pipa, Triesch 2009,
    Front. Comput. Neurosci. 3:23, with time continuous.

    >>> IntrinsicPlasticity("out", rate=5.0, strength=1e-3).every
    0.1
    """
    rate = _within(rate, "rate", "IntrinsicPlasticity", 0.0)
    strength = _within(strength, "strength", "IntrinsicPlasticity", 0.0)
    tau = _within(tau, "tau", "IntrinsicPlasticity", 0.0, open_below=True)
    every = _within(every, "every", "IntrinsicPlasticity", 0.0, open_below=True)
    return NeuronRule(population, on_timer=_excite, every=every, variables={"rate": Variable(tau, step=1.0 / tau)},
                      parameters=[strength * every, rate], v_min=v_min, v_max=v_max)


def _correct(w, x, y, s, g, p):
    return w + p[0] * (y[1] - y[0]) * x[0]


def Delta(projection, *, rate, tau=0.1, every=10e-3, w_min=-np.inf, w_max=np.inf):
    """Delta rule: weights follow the error of their target's rate, times the rate of their source.

    Every `every` s: w += rate every (d - r) x, with r and x the rates of target and source (Hz), estimated over `tau` s, and d
    the wanted rate, `simulation.set_learning("in->out", wanted=[...])`, one for each target or for all, 0 at first.
    rate : weight per spike and Hz. Source: Widrow and Hoff 1960, IRE WESCON Convention Record 4:96.

    >>> list(Delta("in->out", rate=1e-4).post)
    ['rate', 'wanted']
    """
    rate = _within(rate, "rate", "Delta", 0.0)
    tau = _within(tau, "tau", "Delta", 0.0, open_below=True)
    every = _within(every, "every", "Delta", 0.0, open_below=True)
    trace = Variable(tau, step=1.0 / tau)
    return Rule(projection, on_timer=_correct, every=every, pre={"x": trace},
                post={"rate": trace, "wanted": Variable(np.inf, 0.0)}, parameters=[rate * every], w_min=w_min, w_max=w_max)
