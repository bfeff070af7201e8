"""One chip with a network on it: what is fixed about its neurons and synapses, and the network that they make.

The network stays in biological time and in its own units; time constants and thresholds become arrays, weights become what the
chip's codes stand for. Everything fixed is drawn from the chip's seed and the place in the network, so the same chip gives the
same neurons in every run.
"""

import math
import zlib
from dataclasses import replace

import numpy as np

from ..errors import NetworkError, ParameterError
from ..model.connections import DenseEdges, Sparse
from ..model.neurons import LinearNeuron

LEAST = 0.1  # factors drawn below are replaced by it: time constants and thresholds stay positive
CLOCK_STEPS, COUNTER = 16, 255  # of the refractory counter: clock dividers 2^(s + 1), largest count


def generator(hardware, *where):
    """The random generator of something fixed: of this chip and of the words `where`."""
    return np.random.default_rng([hardware.chip_seed, *(zlib.crc32(str(word).encode()) for word in where)])


def factors(hardware, spread, n, *where):
    """1 + spread N(0, 1) [n], at least 0.1; exactly 1 without spread."""
    if spread == 0.0:
        return 1.0
    return np.maximum(1.0 + spread * generator(hardware, *where).standard_normal(n), LEAST)


def gains(hardware, n, name):
    """Gain of each of the `n` synapses of the projection called `name`: array [n], or one number."""
    return hardware.gain * factors(hardware, hardware.gain_spread, n, name, "gain")


def refractory(t_ref, hardware):
    """The nearest refractory times that the chip's counter can hold, s of hardware time; inf stays inf.

    >>> from eventsnn.hardware.profile import BrainScaleS2
    >>> float(refractory(np.float64(1.0001e-6), BrainScaleS2("default")))
    1e-06
    """
    if not hardware.refractory_clock:
        return t_ref
    result = np.array(t_ref, dtype=np.float64)
    flat = result.reshape(-1)
    for k, wanted in enumerate(flat):
        if not 0.0 < wanted < math.inf:
            continue
        for step in range(CLOCK_STEPS):
            divider = 2.0 ** (step + 1)
            ticks = wanted * hardware.refractory_clock / divider
            if ticks <= COUNTER or step == CLOCK_STEPS - 1:
                flat[k] = min(max(round(ticks), 1), COUNTER) * divider / hardware.refractory_clock
                break
    return result if result.ndim else np.float64(result)


def way(population):
    """Distance of leak and threshold [n] or scalar, without `i_offset`; 1 where there is no threshold or no distance."""
    distance = np.abs(population.v_threshold - population.set_map["v_leak"])
    return np.where(np.isfinite(distance) & (distance > 0.0), distance, 1.0)


def neurons(population, name, hardware, noise=None):
    """The population of LIF (or LI) neurons `name` as the chip has it; `noise` are factors of this run's thresholds.

    Time constants vary with the leak conductance, so a synaptic current charges the same capacitance as fast as before.
    Raises `NetworkError` for other models, `ParameterError` where a threshold comes to lie below the reset.
    """
    if not isinstance(population, LinearNeuron) or population.kind not in ("LIF", "LI"):
        kind = getattr(population, "kind", type(population).__name__)
        raise NetworkError(f"population {name!r} is {kind}; BrainScaleS-2 takes LIF, LI and Input populations")
    n, h = population.n, hardware
    mem = factors(h, h.tau_mem_spread, n, name, "tau_mem")
    change = [mem]
    for k in range(1, len(population.tau)):  # both modes of an alpha synapse change together
        rises = k > 1 and (k - 1, k) in population.coupling
        change.append(change[-1] if rises else factors(h, h.tau_syn_spread, n, name, "tau_syn", k - 1))
    tau = [t * factor for t, factor in zip(population.tau, change)]
    coupling = {(k, j): rate / (change[k] if k else 1.0) for (k, j), rate in population.coupling.items()}
    scale = np.maximum(factors(h, h.threshold_spread, n, name, "threshold") + h.threshold_shift, LEAST)
    scale = scale if noise is None else scale * noise
    same = np.all(scale == 1.0)
    threshold = population.v_threshold if same else population.v_threshold + way(population) * (scale - 1.0)
    shift = 0.0
    if h.leak_spread:
        shift = h.leak_spread * way(population) * generator(h, name, "leak").standard_normal(n)
    t_ref = population.t_ref
    if h.refractory_clock:
        t_ref = refractory(t_ref / h.acceleration, h) * h.acceleration
    try:
        return replace(population, tau=tuple(tau), coupling=coupling, v_threshold=threshold, v_inf=population.v_inf + shift,
                       v_init=population.v_init + shift, t_ref=t_ref)
    except ParameterError as error:
        raise ParameterError(f"population {name!r} on chip {h.chip_seed}: {error}") from None


def charge_unit(target, port):
    """Weight that is one way from leak to threshold of the target, in charge: scalar or array [n]."""
    mode = target.port_mode[port]
    return way(target) if mode == 0 else way(target) * target.tau[0] / target.tau[mode]


def synapses(projection, source, target, hardware, replication=1):
    """`Sparse` connection with the weights that the chip's codes stand for, times the gain of each synapse.

    Weights beyond the largest code, times `replication`, are clipped. With an ideal profile, the connection itself.
    """
    h = hardware
    if not h.weight_levels and not h.gain_spread and h.gain == 1.0:
        return projection.connection
    name = f"projection {projection.name!r}"
    edges = projection.connection.build(source.n, target.n, projection.source == projection.target, name)
    if isinstance(edges, DenseEdges):
        pre, post = (index.ravel() for index in np.indices(edges.weight.shape))
        weight, delay = edges.weight.ravel().astype(np.float64), edges.delay
    elif hasattr(edges, "indptr"):
        pre = np.repeat(np.arange(source.n), np.diff(edges.indptr))
        post, delay = edges.target.astype(np.int64), edges.delay
        weight = np.broadcast_to(np.asarray(edges.weight, np.float64), post.shape)
        if not isinstance(delay, float | np.ndarray):
            delay = delay.table[delay.index]
    else:
        raise NetworkError(f"{name} is procedural; BrainScaleS-2 stores every synapse")
    unit = np.broadcast_to(charge_unit(target, projection.port), target.n)[post]
    if h.weight_levels:
        most = h.weight_levels * replication
        weight = np.clip(np.rint(weight / unit * h.threshold_codes), -most, most) * unit / h.threshold_codes
    weight = weight * gains(h, weight.size, projection.name)
    return Sparse(pre, post, weight=weight, delay=delay)
