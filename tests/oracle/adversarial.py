"""Seeded generators of hard single-neuron cases: grazing peaks, hidden crossings, near-confluent modes, exact instants.

Every case is a `Case(model, arrivals, until, kind)`; `model` holds the keywords of the constructor plus "kind" (and no
neuron count), `arrivals` are (time, weight, port) with exact double times. Time constants come from a short palette, so
that many cases can share one population.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from .exact_neuron import peak, simulate

SHORT, LATE, CHIP = 0.15, 1.3, 2e-4  # the only values of `until`, so that cases can share a run


@dataclass(frozen=True)
class Case:
    model: dict
    arrivals: list
    until: float
    kind: str


NEAR = [sign * delta for delta in (1e-12, 1e-9, 1e-6, 1e-3, 0.03, 0.2) for sign in (1, -1)]

ONE_PORT = [
    (20e-3, (5e-3,)),
    (10e-3, (5e-3,)),
    (15e-3, (5e-3,)),
    (10e-3, (10e-3,)),
    (5e-3, (20e-3,)),
    (5e-3, (10e-3,)),
    (7e-3, (4.3e-3,)),
    (30e-3, (0.5e-3,)),
]
NEAR_EQUAL = [(10e-3, (10e-3 * (1.0 + delta),)) for delta in [0.0, *NEAR]]
DELTA = [(20e-3, (0.0,)), (10e-3, (0.0,))]
TWO_PORTS = [
    (20e-3, (5e-3, 10e-3)),
    (20e-3, (5e-3, 5e-3)),
    (10e-3, (10e-3, 3e-3)),
    (10e-3, (10e-3 * (1.0 + 1e-6), 5e-3)),
    (6e-3, (2e-3, 30e-3)),
    (8e-3, (0.0, 5e-3)),
]
THREE_PORTS = [(20e-3, (2e-3, 5e-3, 12e-3)), (9e-3, (9e-3, 4e-3, 25e-3))]
ALPHA = [(20e-3, (5e-3,)), (10e-3, (10e-3,)), (5e-3, (20e-3,))]
ALPHA_NEAR = [(10e-3, (10e-3 * (1.0 + delta),)) for delta in (1e-12, -1e-6, 1e-3, -0.03)]
ALPHA_TWO = [(20e-3, (5e-3, 8e-3))]


def _pick(rng, options):
    return options[int(rng.integers(len(options)))]


def _lif(rng, palette, **more):
    tau_mem, tau_syn = _pick(rng, palette)
    model = {"kind": "LIF", "tau_mem": tau_mem, "tau_syn": tau_syn if len(tau_syn) > 1 else tau_syn[0],
             "v_threshold": 1.0, "t_ref": _pick(rng, [0.0, 2e-3, 5e-3, math.inf])}
    model.update(more)
    return model


def _adaptive(rng, palette=ONE_PORT):
    model = _lif(rng, palette, kind="AdaptiveLIF", adaptation=float(rng.uniform(0.05, 0.6)))
    model["tau_adapt"] = _pick(rng, [100e-3, 30e-3, model["tau_mem"]])
    return model


def _if(rng):
    return {"kind": "IF", "tau_syn": _pick(rng, [5e-3, 0.0]), "v_threshold": 1.0,
            "t_ref": _pick(rng, [0.0, 2e-3, math.inf])}


def _asnn(rng):
    taus = _pick(rng, [{}, {"tau_phi": 2.5e-3}, {"tau_beta": 20e-3, "tau_eta": 30e-3}])
    return {"kind": "ASNN", "m_f": _pick(rng, [0.1, 0.3]), "theta_0": 0.25, "bias": 0.0, "i_offset": 0.0, **taus}


def _any_model(rng):
    roll = rng.random()
    if roll < 0.30:
        return _lif(rng, ONE_PORT)
    if roll < 0.45:
        return _lif(rng, NEAR_EQUAL)
    if roll < 0.60:
        return _lif(rng, TWO_PORTS)
    if roll < 0.66:
        return _lif(rng, THREE_PORTS)
    if roll < 0.78:
        return _lif(rng, _pick(rng, [ALPHA, ALPHA_NEAR, ALPHA_TWO]), synapse="alpha")
    if roll < 0.88:
        return _adaptive(rng, _pick(rng, [ONE_PORT, NEAR_EQUAL, TWO_PORTS]))
    if roll < 0.94:
        return _asnn(rng)
    return _if(rng)


def ports(model):
    """The synaptic time constants of a model as a tuple."""
    if model["kind"] == "ASNN":
        return (model.get("tau_beta", 50e-3),)
    tau_syn = model["tau_syn"]
    return tau_syn if isinstance(tau_syn, tuple) else (tau_syn,)


def _unit(model, port):
    """About the weight that alone lifts the membrane by one threshold (0.125 for ASNN)."""
    tau = ports(model)[port]
    if tau == 0.0:
        return 1.0
    if model["kind"] == "IF":
        return 1.0 / tau
    membrane = model.get("tau_phi", 5e-3) if model["kind"] == "ASNN" else model["tau_mem"]
    ratio = tau / membrane
    height = math.exp(-1.0) if abs(ratio - 1.0) < 1e-6 else ratio ** (1.0 / (1.0 - ratio))
    if model.get("synapse") == "alpha":
        height *= 1.6
    return (0.125 if model["kind"] == "ASNN" else 1.0) / height


def _arrival(rng, model, t, low, high, inhibitory=0.0):
    port = int(rng.integers(len(ports(model))))
    sign = -1.0 if rng.random() < inhibitory else 1.0
    return (float(t), sign * float(rng.uniform(low, high)) * _unit(model, port), port)


def _train(rng, model, n, start, stop, low, high, inhibitory=0.0):
    times = np.sort(rng.uniform(start, stop, n))
    return [_arrival(rng, model, t, low, high, inhibitory) for t in times]


def _set_threshold(model, height, rest=0.0):
    key, factor = ("theta_0", 2.0) if model["kind"] == "ASNN" else ("v_threshold", 1.0)
    return {**model, key: float(factor * height), **({"v_leak": rest, "v_reset": rest} if rest else {})}


def grazing(rng):
    """The highest point over the whole run is theta (1 + eps) in exact arithmetic, 1e-12 <= |eps| <= 1e-2."""
    model = _any_model(rng)
    while model["kind"] == "IF" and model["tau_syn"] == 0.0:
        model = _any_model(rng)
    arrivals = _train(rng, model, int(rng.integers(1, 5)), 0.0, 0.03, 0.2, 1.5)
    if rng.random() < 0.3 or model["kind"] == "IF":
        arrivals.append(_arrival(rng, model, rng.uniform(0.03, 0.05), 0.3, 2.0, 1.0))
    eps = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -2.0))
    if model["kind"] == "LIF" and rng.random() < 0.25:
        model = {**model, "v_leak": -70.0, "v_reset": -70.0}
        rest = -70.0
    elif model["kind"] in ("LIF", "AdaptiveLIF") and rng.random() < 0.25:
        model, rest = {**model, "i_offset": float(rng.uniform(-1.0, 0.3))}, 0.0
    else:
        rest = 0.0
    _, height = peak(model, arrivals, SHORT)
    if height <= rest:
        return grazing(rng)
    threshold = rest + (height - rest) / (1 + eps)
    if rest == 0.0 and not model.get("i_offset") and model["kind"] == "LIF" and rng.random() < 0.5:
        arrivals = [(t, float(w / threshold), p) for t, w, p in arrivals]
    else:
        model = _set_threshold(model, threshold)
    return Case(model, arrivals, SHORT, "grazing")


def grazing_after_spike(rng):
    """The same after a first spike and its refractoriness, with the drive of the first arrival still on."""
    tau_mem, tau_syn = _pick(rng, [p for p in ONE_PORT + NEAR_EQUAL if p[1][0] >= 4e-3])
    model = {"kind": "LIF", "tau_mem": tau_mem, "tau_syn": tau_syn[0], "v_threshold": 1.0, "t_ref": 2e-3}
    weight = float(rng.uniform(3.0, 8.0)) * _unit(model, 0)
    first = simulate({**model, "t_ref": math.inf}, [(0.001, weight, 0)], SHORT, digits=30)
    release = float(first.times[0]) + model["t_ref"]
    left = weight * math.exp(-(release - 0.001) / tau_syn[0])
    second = (release, left, 0)
    shape = {**model, "v_threshold": math.inf}
    _, height = peak(shape, [second], SHORT)
    eps = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-9.0, -3.0))
    extra = float(_unit(model, 0) * ((1 + eps) - float(height)))
    return Case(model, [(0.001, weight, 0), (release + 1e-4, extra, 0)], SHORT, "grazing_after_spike")


def double_crossing(rng):
    """V rises above theta and would fall again long before the next event; short refractoriness."""
    model = _any_model(rng)
    if model["kind"] != "ASNN":
        model["t_ref"] = _pick(rng, [0.0, 1e-4, 5e-4, 2e-3])
    height = 1.0 + float(10.0 ** rng.uniform(-6.0, 0.3))
    arrivals = [(float(rng.uniform(0.0, 0.01)), height * _unit(model, 0), 0),
                _arrival(rng, model, rng.uniform(0.1, 0.14), 0.1, 1.2)]
    return Case(model, arrivals, SHORT, "double_crossing")


def inhibition(rng):
    """Strong inhibition arrives a hair before or after the crossing or the peak."""
    model = _any_model(rng)
    if model["kind"] != "ASNN":
        model["t_ref"] = _pick(rng, [2e-3, math.inf])
    arrivals = _train(rng, model, int(rng.integers(1, 4)), 0.0, 0.01, 0.8, 2.0)
    if rng.random() < 0.5:
        never = {**model, "v_threshold": math.inf} if model["kind"] != "ASNN" else model
        moment, _ = peak(never, arrivals, SHORT)
    else:
        free = simulate(model, arrivals, SHORT, digits=30)
        if not free.times:
            return inhibition(rng)
        moment = free.times[0]
    offset = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -2.0))
    t = float(moment) * (1.0 + offset)
    port = int(rng.integers(len(ports(model))))
    arrivals = sorted([*arrivals, (t, -float(rng.uniform(1.0, 20.0)) * _unit(model, port), port)])
    return Case(model, arrivals, SHORT, "inhibition")


def near_equal(rng):
    """tau_mem and tau_syn equal or nearly so, for plain, adaptive and alpha neurons."""
    roll = rng.random()
    if roll < 0.6:
        model = _lif(rng, NEAR_EQUAL)
    elif roll < 0.8:
        model = _lif(rng, ALPHA_NEAR, synapse="alpha")
    else:
        model = _adaptive(rng, NEAR_EQUAL)
    arrivals = _train(rng, model, int(rng.integers(1, 7)), 0.0, 0.1, 0.2, 2.5, 0.2)
    return Case(model, arrivals, SHORT, "near_equal")


def many_modes(rng):
    """Two or three ports, alpha currents, adaptation: three to seven exponential terms."""
    roll = rng.random()
    if roll < 0.4:
        model = _lif(rng, TWO_PORTS + THREE_PORTS, i_offset=float(rng.uniform(-0.5, 0.9)))
    elif roll < 0.6:
        model = _lif(rng, ALPHA + ALPHA_TWO, synapse="alpha", i_offset=float(rng.uniform(-0.5, 0.9)))
    elif roll < 0.8:
        model = _adaptive(rng, TWO_PORTS)
    else:
        model = _asnn(rng)
    arrivals = _train(rng, model, int(rng.integers(3, 12)), 0.0, 0.12, 0.2, 2.0, 0.3)
    return Case(model, arrivals, SHORT, "many_modes")


def coincident(rng):
    """Several arrivals at each of a few instants, excitation and inhibition mixed."""
    model = _any_model(rng)
    arrivals = []
    for t in np.sort(rng.uniform(0.0, 0.1, int(rng.integers(1, 5)))):
        arrivals += [_arrival(rng, model, t, 0.2, 2.0, 0.4) for _ in range(int(rng.integers(2, 7)))]
    return Case(model, arrivals, SHORT, "coincident")


def touch(rng):
    """Delta synapses with dyadic weights: the sum of one instant is the threshold, one step below, or one above."""
    model = _lif(rng, DELTA, t_ref=_pick(rng, [2e-3, math.inf]))
    parts = [float(x) / 64.0 for x in rng.integers(-16, 17, int(rng.integers(1, 6)))]
    step = float(rng.choice([0.0, 2.0**-30, -(2.0**-30)]))
    parts.append(1.0 - sum(parts) + step)
    rng.shuffle(parts)
    t = float(rng.uniform(0.0, 0.1))
    return Case(model, [(t, p, 0) for p in parts], SHORT, "touch")


def refractory_end(rng):
    """A spike at an exact instant, then arrivals before, at and after the end of refractoriness, drive on."""
    t_ref = _pick(rng, [2e-3, 5e-3, 0.01])
    model = {"kind": "LIF", "tau_mem": _pick(rng, [8e-3, 20e-3]), "tau_syn": (0.0, 5e-3), "v_threshold": 1.0,
             "t_ref": t_ref, "v_reset": _pick(rng, [0.0, 0.5, 1.0 - 2.0**-20])}
    t0 = float(rng.uniform(0.0, 0.05))
    end = t0 + t_ref
    arrivals = [(t0, 1.5, 0)]
    if rng.random() < 0.7:
        arrivals.insert(0, (float(t0 * rng.uniform(0.9, 1.0)), float(rng.uniform(0.1, 1.0)), 1))
        arrivals[0] = (arrivals[0][0], arrivals[0][1] * float(rng.choice([-1.0, 1.0, 5.0])), 1)
        arrivals[1] = (t0, 3.0, 0)
    for _ in range(int(rng.integers(1, 4))):
        t = _pick(rng, [end, end, float(np.nextafter(end, 0.0)), float(np.nextafter(end, 1.0)), end - 1e-9, end + 1e-9,
                        t0 + 0.5 * t_ref, t0])
        arrivals.append((t, float(rng.uniform(-0.5, 2.0)), int(rng.integers(2))))
    return Case(model, sorted(arrivals, key=lambda a: a[0]), SHORT, "refractory_end")


def after_refractoriness(rng):
    """The drive of a strong input outlasts refractoriness: the next crossing comes at or just after its end."""
    model = _lif(rng, ONE_PORT + TWO_PORTS[:5], t_ref=_pick(rng, [1e-4, 1e-3, 2e-3, 5e-3]))
    model["v_reset"] = _pick(rng, [0.0, 0.9, 1.0 - 1e-3, 1.0 - 1e-6, 1.0 - 1e-9])
    arrivals = _train(rng, model, int(rng.integers(1, 4)), 0.0, 0.02, 1.0, 3.0)
    if rng.random() < 0.4:
        arrivals.append(_arrival(rng, model, rng.uniform(0.02, 0.04), 1.0, 4.0, 1.0))
    return Case(model, arrivals, SHORT, "after_refractoriness")


def biased(rng):
    """A constant drive above the threshold, at it, or just below, with a few arrivals of both signs."""
    offset = float(_pick(rng, [1.0 + 1e-9, 1.0 + 1e-6, 1.001, 1.05, 1.5, 3.0, 1.0 - 1e-9, 0.99, 1.0]))
    roll = rng.random()
    if roll < 0.55:
        model = _lif(rng, ONE_PORT + NEAR_EQUAL + DELTA + TWO_PORTS, i_offset=offset)
    elif roll < 0.7:
        model = {**_adaptive(rng), "i_offset": offset}
    elif roll < 0.8:
        model = _lif(rng, ALPHA, synapse="alpha", i_offset=offset)
    elif roll < 0.9:
        model = {**_if(rng), "i_offset": float(rng.choice([-1.0, 1.0])) * 30.0 * offset}
    else:
        model = {**_asnn(rng), _pick(rng, ["bias", "i_offset"]): float(rng.uniform(0.05, 0.6))}
    if model["t_ref" if "t_ref" in model else "kind"] == 0.0:
        model["t_ref"] = 1e-3
    arrivals = _train(rng, model, int(rng.integers(0, 5)), 0.0, 0.12, 0.1, 1.0, 0.6)
    return Case(model, arrivals, SHORT, "biased")


def asymptote(rng):
    """The constant drive equals the distance to threshold: V climbs for ever and never arrives."""
    rest = float(_pick(rng, [0.0, -64.0, 2.0]))
    model = _lif(rng, ONE_PORT + NEAR_EQUAL, v_leak=rest, v_threshold=rest + 1.0, i_offset=1.0, v_reset=rest,
                 v_init=rest - float(rng.uniform(0.0, 3.0)))
    arrivals = [] if rng.random() < 0.5 else _train(rng, model, 1, 0.0, 0.02, 0.1, 2.0, 1.0)
    return Case(model, arrivals, LATE if rng.random() < 0.5 else SHORT, "asymptote")


def late(rng):
    """Everything happens about one second after the start; some activity before, or a long silence."""
    model = _any_model(rng)
    arrivals = []
    if rng.random() < 0.7:
        arrivals = _train(rng, model, int(rng.integers(1, 4)), 0.0, 0.3, 0.2, 1.5, 0.2)
    arrivals += _train(rng, model, int(rng.integers(1, 6)), 0.95, 1.2, 0.2, 2.0, 0.2)
    return Case(model, arrivals, LATE, "late")


def long_gap(rng):
    """A grazing peak after a second of silence."""
    model = _lif(rng, ONE_PORT + NEAR_EQUAL, t_ref=math.inf)
    start = float(rng.uniform(0.9, 1.1))
    arrivals = [(float(rng.uniform(0.0, 0.01)), 0.3 * _unit(model, 0), 0), (start, _unit(model, 0), 0),
                (start + float(rng.uniform(0.0, 5e-3)), 0.5 * _unit(model, 0), 0)]
    eps = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-11.0, -3.0))
    _, height = peak(model, arrivals, LATE)
    return Case({**model, "v_threshold": float(height / (1 + eps))}, arrivals, LATE, "long_gap")


def chip(rng):
    """Time constants of microseconds, as on accelerated hardware."""
    tau_mem = _pick(rng, [6e-6, 12e-6])
    model = {"kind": "LIF", "tau_mem": tau_mem, "tau_syn": 6e-6, "v_threshold": 1.0,
             "t_ref": _pick(rng, [math.inf, 2e-6, 0.0])}
    arrivals = _train(rng, model, int(rng.integers(2, 12)), 0.0, 60e-6, 0.1, 1.0, 0.2)
    return Case(model, arrivals, CHIP, "chip")


def dense(rng):
    """Many arrivals at all times."""
    model = _any_model(rng)
    arrivals = _train(rng, model, int(rng.integers(15, 40)), 0.0, 0.14, 0.1, 0.8, 0.3)
    return Case(model, arrivals, SHORT, "dense")


def start_above(rng):
    """At or above threshold before anything has arrived."""
    model = _lif(rng, ONE_PORT + TWO_PORTS, v_init=float(_pick(rng, [1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-40, 2.5])))
    arrivals = _train(rng, model, int(rng.integers(0, 4)), 0.0, 0.1, 0.3, 1.5, 0.2)
    return Case(model, arrivals, SHORT, "start_above")


GENERATORS = [grazing, grazing, grazing, double_crossing, inhibition, inhibition, near_equal, many_modes, coincident,
              touch, refractory_end, after_refractoriness, biased, asymptote, late, long_gap, chip, dense, start_above,
              grazing_after_spike]


def cases(n, seed):
    """`n` cases, the generators in turn, each case from its own stream: case i does not depend on `n`."""
    return [generator(np.random.default_rng([seed, i])) for i, generator in
            zip(range(n), itertools.cycle(GENERATORS))]
