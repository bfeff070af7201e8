"""The neuron family: between two events every neuron is a sum of decaying exponentials.

A `LinearNeuron` is data, not code. Its variables x (mode 0 is the membrane, measured from v_inf) obey

    dx_k/dt = -x_k / tau_k + sum_j coupling[k, j] x_j          (coupling above the diagonal: slaves first, drivers later)
    V = v_inf + x_0,    threshold = v_threshold + thr . x

and change at events only:

    arrival of weight w and amplitude q at port p:   x += w q jump[p]
    spike (first instant with V >= threshold):       q = q0 + qv . x, then x := M x + c
    reset to v_reset (if any):                       V is held at v_reset for t_ref, everything else goes on

`LIF`, `IF`, `LI`, `AdaptiveLIF` and `ASNN` return such data. Parameters are scalars or arrays [n]; times in seconds.
Conductance-based synapses multiply a state by a state and are not in the family.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import ParameterError
from ..layout import MAX_MODES
from .checks import count, real


@dataclass(frozen=True, eq=False)
class LinearNeuron:
    """A population of `n` neurons given by its linear equations (see the module's text for the symbols).

    n : number of neurons
    tau : time constants [m], each a scalar or array [n], seconds; inf means a constant mode
    coupling : {(k, j): rate}, j > k, scalars or arrays [n], 1/s: how mode j drives mode k
    jump : per port a vector [m] (scalars): what an arrival of weight 1 adds
    v_inf, v_threshold : scalars or arrays [n]; v_threshold = inf never fires
    v_reset : scalar or array [n], or None for models without reset by value
    t_ref : refractory time, s; inf means one spike only
    v_init : initial V; None means v_inf
    thr : threshold weights [m]; amplitude : (q0, qv [m]) of an emitted spike
    spike_matrix, spike_offset : M [m, m] and c [m] applied at a spike
    state_init : initial x [m] of the modes other than 0 (scalars or arrays [n])
    variables : names of the modes; port_mode : the mode that shows the drive of each port
    group : 1; see `ASNN`
    set_map : how a settable parameter enters, {"i_offset": gain of v_inf} or {"i_offset": mode}

    Raises `ParameterError` for values out of range.

    >>> import eventsnn as es
    >>> leaky = es.LinearNeuron(3, tau=[20e-3, 5e-3], coupling={(0, 1): 50.0}, jump=[[0.0, 1.0]], v_inf=0.0,
    ...                         v_threshold=1.0, v_reset=0.0)
    """

    n: int
    tau: tuple
    coupling: dict
    jump: tuple
    v_inf: np.ndarray
    v_threshold: np.ndarray
    v_reset: np.ndarray | None = None
    t_ref: np.ndarray = 0.0
    v_init: np.ndarray | None = None
    thr: tuple | None = None
    amplitude: tuple | None = None
    spike_matrix: np.ndarray | None = None
    spike_offset: tuple | None = None
    state_init: dict = field(default_factory=dict)
    variables: tuple = ()
    port_mode: tuple = ()
    set_map: dict = field(default_factory=dict)
    kind: str = "LinearNeuron"
    group: int = 1

    def __post_init__(self):
        owner, n = self.kind, count(self.n, "n", self.kind)
        if not isinstance(self.group, int | np.integer) or self.group < 1 or n % self.group:
            raise ParameterError(f"group of {owner} must be a whole number >= 1 that divides n = {n}, got {self.group!r}")
        if self.group > 1 and owner != "ASNN":
            raise ParameterError(f"group of {owner} must be 1, got {self.group!r}: only ASNN neurons form groups")
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        m = len(self.tau)
        if not 1 <= m <= MAX_MODES:
            raise ParameterError(f"tau of {owner} must name 1 to {MAX_MODES} modes, got {m}")
        put("n", n)
        put("tau", tuple(real(t, f"tau[{k}]", owner, n, above=0.0, infinite=True) for k, t in enumerate(self.tau)))
        for k, j in self.coupling:
            if not 0 <= k < j < m:
                raise ParameterError(f"coupling {(k, j)} of {owner} must have 0 <= slave < driver < {m}")
        put("coupling", {kj: real(c, f"coupling{list(kj)}", owner, n) for kj, c in self.coupling.items()})
        jump = np.atleast_2d(np.asarray(self.jump, dtype=np.float64))
        if jump.shape[1] != m or not np.isfinite(jump).all():
            raise ParameterError(f"jump of {owner} must be finite with {m} columns, got shape {jump.shape}")
        put("jump", jump)
        put("v_inf", real(self.v_inf, "v_inf", owner, n))
        put("v_threshold", real(self.v_threshold, "v_threshold", owner, n, infinite=True))
        put("t_ref", real(self.t_ref, "t_ref", owner, n, least=0.0, infinite=True))
        if self.v_reset is not None:
            put("v_reset", real(self.v_reset, "v_reset", owner, n))
            check_reset(self.v_reset, self.v_threshold, owner)
        elif np.any(self.t_ref > 0.0):
            raise ParameterError(f"t_ref of {owner} must be 0 where v_reset is None, got {self.t_ref!r}")
        put("v_init", self.v_inf if self.v_init is None else real(self.v_init, "v_init", owner, n))
        put("thr", self._vector(self.thr, "thr", m))
        q0, qv = self.amplitude if self.amplitude is not None else (1.0, None)
        put("amplitude", (real(q0, "amplitude", owner, n), self._vector(qv, "amplitude vector", m)))
        matrix = np.eye(m) if self.spike_matrix is None else np.asarray(self.spike_matrix, dtype=np.float64)
        if matrix.shape != (m, m) or not np.isfinite(matrix).all():
            raise ParameterError(f"spike_matrix of {owner} must be finite with shape {(m, m)}, got {matrix.shape}")
        put("spike_matrix", matrix)
        offset = [0.0] * m if self.spike_offset is None else list(self.spike_offset)
        if len(offset) != m:
            raise ParameterError(f"spike_offset of {owner} must have {m} entries, got {len(offset)}")
        put("spike_offset", tuple(real(c, f"spike_offset[{k}]", owner, n) for k, c in enumerate(offset)))
        put("state_init", {k: real(x, f"state_init[{k}]", owner, n) for k, x in self.state_init.items()})
        put("variables", tuple(self.variables) or tuple(f"x{k}" for k in range(m)))
        put("port_mode", tuple(self.port_mode) or tuple(int(np.flatnonzero(row)[-1]) if row.any() else 0
                                                        for row in jump))

    def _vector(self, value, name, m):
        if value is None:
            return np.zeros(m)
        vector = np.asarray(value, dtype=np.float64)
        if vector.shape != (m,) or not np.isfinite(vector).all():
            raise ParameterError(f"{name} of {self.kind} must be finite with {m} entries, got {value!r}")
        return vector

    @property
    def n_ports(self):
        """Number of synaptic ports."""
        return self.jump.shape[0]

    def __repr__(self):
        return f"{self.kind}(n={self.n})"


def check_reset(v_reset, v_threshold, owner):
    """Refuse v_reset >= v_threshold, naming the neuron."""
    reset, threshold = np.broadcast_arrays(v_reset, v_threshold)
    bad = np.flatnonzero(np.atleast_1d(reset >= threshold))
    if bad.size:
        k = int(bad[0])
        where = f"[{k}]" if reset.ndim else ""
        raise ParameterError(f"v_reset{where} of {owner} is {reset.flat[k]!r}; it must be below "
                             f"v_threshold = {threshold.flat[k]!r}")


def _ports(tau_syn, owner, n):
    """Per port its time constant; ports of equal tau share one mode. Returns (taus of the modes, mode of each port)."""
    values = tau_syn if isinstance(tau_syn, (tuple, list)) else (tau_syn,)
    if len(values) == 0:
        raise ParameterError(f"tau_syn of {owner} must name at least one port, got ()")
    if isinstance(tau_syn, list) and len(values) == n and n > 1 and all(np.ndim(v) == 0 for v in values):
        raise ParameterError(f"tau_syn of {owner} is a list of {n} numbers, which could mean {n} ports or {n} neurons: "
                             f"give a tuple for ports or a numpy array for neurons")
    name = "tau_syn" if len(values) == 1 else "tau_syn[{}]"
    taus = [real(v, name.format(p), owner, n, least=0.0) for p, v in enumerate(values)]
    modes, of_port = [], []
    for p, tau in enumerate(taus):
        if np.any(tau == 0.0) and not np.all(tau == 0.0):
            raise ParameterError(f"{name.format(p)} of {owner} mixes 0 (delta) with positive values in one population")
        same = [k for k, other in enumerate(modes) if np.array_equal(other, tau)]
        of_port.append(same[0] if same else len(modes))
        if not same:
            modes.append(tau)
    return modes, of_port


def _membrane(kind, n, tau_mem, rate_in, tau_syn, synapse):
    """Modes of a membrane with synaptic ports: (tau, coupling, jump, variables, port_mode)."""
    if synapse not in ("exponential", "alpha"):
        raise ParameterError(f"synapse of {kind} must be 'exponential' or 'alpha', got {synapse!r}; conductance-based "
                             f"synapses are not linear and are not supported")
    modes, of_port = _ports(tau_syn, kind, n)
    tau, coupling, variables, first = [tau_mem], {}, ["v"], []
    for k, ts in enumerate(modes):
        first.append(len(tau))
        if np.all(ts == 0.0):
            first[-1] = 0
            continue
        coupling[0, len(tau)] = rate_in
        variables.append(f"drive_{k}")
        tau.append(ts)
        if synapse == "alpha":
            coupling[len(tau) - 1, len(tau)] = 1.0 / ts
            variables.append(f"rise_{k}")
            tau.append(ts)
    jump = np.zeros((len(of_port), len(tau)))
    for p, k in enumerate(of_port):
        entry = first[k]
        if synapse == "alpha" and entry:
            jump[p, entry + 1] = np.e
        else:
            jump[p, entry] = 1.0
    if len(tau) > MAX_MODES - 1:
        raise ParameterError(f"tau_syn of {kind} needs {len(tau)} modes; at most {MAX_MODES - 1} are supported")
    return tau, coupling, jump, variables, tuple(first[k] for k in of_port)


def LIF(n, *, tau_mem, tau_syn, v_threshold, v_reset=0.0, v_leak=0.0, t_ref=0.0, i_offset=0.0, v_init=None,
        synapse="exponential"):
    """Leaky integrate-and-fire neurons with current synapses.

        tau_mem dV/dt = (v_leak - V) + sum_p I_p + i_offset,      tau_syn_p dI_p/dt = -I_p

    A spike of weight w raises the drive I_p of its port by w (V and I share one unit of your choice). tau_syn = 0: V
    jumps by w. ``tau_syn=(e, i)`` makes ports 0 and 1. ``synapse="alpha"``: I = w e (s/tau_syn) exp(-s/tau_syn), peak w.
    At V >= v_threshold the neuron spikes, V is held at v_reset for t_ref seconds (half-open) while drives go on.

    n : number of neurons; all others scalars or arrays [n]; times in s; v_init None means v_leak.
    Raises `ParameterError` naming the parameter, its value and the allowed range.
    Source: Rotter & Diesmann 1999, Biol. Cybern. 81:381 (exact integration of linear neurons).

    >>> import eventsnn as es
    >>> exc = es.LIF(800, tau_mem=20e-3, tau_syn=5e-3, v_threshold=20.0, t_ref=2e-3)
    """
    n = count(n, "n", "LIF")
    tau_mem = real(tau_mem, "tau_mem", "LIF", n, above=0.0)
    tau, coupling, jump, variables, port_mode = _membrane("LIF", n, tau_mem, 1.0 / tau_mem, tau_syn, synapse)
    v_leak = real(v_leak, "v_leak", "LIF", n)
    i_offset = real(i_offset, "i_offset", "LIF", n)
    return LinearNeuron(n, tau, coupling, jump, v_inf=v_leak + i_offset, v_threshold=v_threshold, v_reset=v_reset,
                        t_ref=t_ref, v_init=v_leak if v_init is None else v_init, variables=variables,
                        port_mode=port_mode, set_map={"v_leak": v_leak, "i_offset": i_offset}, kind="LIF")


def IF(n, *, tau_syn=0.0, v_threshold, v_reset=0.0, t_ref=0.0, i_offset=0.0, v_init=None, synapse="exponential"):
    """Integrate-and-fire neurons without leak: dV/dt = sum_p I_p + i_offset.

    tau_syn = 0 (default): V jumps by the weight w; tau_syn > 0: V rises by w tau_syn in all, per arrival. Other
    parameters as in `LIF`; v_init None means v_reset. Raises `ParameterError`.

    >>> import eventsnn as es
    >>> counter = es.IF(10, v_threshold=3.0)
    """
    n = count(n, "n", "IF")
    tau, coupling, jump, variables, port_mode = _membrane("IF", n, np.inf, 1.0, tau_syn, synapse)
    i_offset = real(i_offset, "i_offset", "IF", n)
    state_init = {}
    if np.any(i_offset != 0.0):
        coupling[0, len(tau)] = 1.0
        state_init[len(tau)] = i_offset
        tau.append(np.inf)
        variables.append("drift")
        jump = np.hstack([jump, np.zeros((len(jump), 1))])
    return LinearNeuron(n, tau, coupling, jump, v_inf=0.0, v_threshold=v_threshold, v_reset=v_reset, t_ref=t_ref,
                        v_init=v_reset if v_init is None else v_init, state_init=state_init, variables=variables,
                        port_mode=port_mode, kind="IF")


def LI(n, *, tau_mem, tau_syn, v_leak=0.0, i_offset=0.0, v_init=None, synapse="exponential"):
    """Leaky integrators: `LIF` without threshold, for readouts. They never fire.

    >>> import eventsnn as es
    >>> readout = es.LI(10, tau_mem=20e-3, tau_syn=5e-3)
    """
    n = count(n, "n", "LI")
    tau_mem = real(tau_mem, "tau_mem", "LI", n, above=0.0)
    tau, coupling, jump, variables, port_mode = _membrane("LI", n, tau_mem, 1.0 / tau_mem, tau_syn, synapse)
    v_leak = real(v_leak, "v_leak", "LI", n)
    i_offset = real(i_offset, "i_offset", "LI", n)
    return LinearNeuron(n, tau, coupling, jump, v_inf=v_leak + i_offset, v_threshold=np.inf,
                        v_init=v_leak if v_init is None else v_init, variables=variables, port_mode=port_mode,
                        set_map={"v_leak": v_leak, "i_offset": i_offset}, kind="LI")


def AdaptiveLIF(n, *, tau_mem, tau_syn, v_threshold, tau_adapt, adaptation, v_reset=0.0, v_leak=0.0, t_ref=0.0,
                i_offset=0.0, v_init=None, synapse="exponential"):
    """`LIF` with an adaptive threshold: threshold = v_threshold + a, tau_adapt da/dt = -a, a += adaptation at a spike.

    adaptation : step of the threshold per spike, >= 0, scalar or array [n].
    Source: Bellec et al. 2018, NeurIPS (LSNN).

    >>> import eventsnn as es
    >>> alif = es.AdaptiveLIF(5, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0, tau_adapt=0.2, adaptation=0.3)
    """
    owner = "AdaptiveLIF"
    n = count(n, "n", owner)
    tau_mem = real(tau_mem, "tau_mem", owner, n, above=0.0)
    tau, coupling, jump, variables, port_mode = _membrane(owner, n, tau_mem, 1.0 / tau_mem, tau_syn, synapse)
    adaptation = real(adaptation, "adaptation", owner, n, least=0.0)
    m = len(tau)
    thr = np.zeros(m + 1)
    thr[m] = 1.0
    v_leak = real(v_leak, "v_leak", owner, n)
    i_offset = real(i_offset, "i_offset", owner, n)
    return LinearNeuron(n, [*tau, real(tau_adapt, "tau_adapt", owner, n, above=0.0)], coupling,
                        np.hstack([jump, np.zeros((len(jump), 1))]), v_inf=v_leak + i_offset,
                        v_threshold=v_threshold, v_reset=v_reset, t_ref=t_ref,
                        v_init=v_leak if v_init is None else v_init, thr=thr, spike_offset=[0.0] * m + [adaptation],
                        variables=[*variables, "adaptation"], port_mode=port_mode,
                        set_map={"v_leak": v_leak, "i_offset": i_offset}, kind=owner)


def ASNN(n, *, m_f=0.1, tau_phi=5e-3, tau_eta=50e-3, tau_beta=50e-3, tau_gamma=15e-3, theta_0=None, bias=0.0,
         i_offset=0.0, height=None, group=1):
    """Adaptive spiking neurons: asynchronous pulsed sigma-delta coding with multiplicative adaptation.

        tau_phi dS/dt = -(S - bias) + i + i_offset,    tau_beta di/dt = -i,    arrival: i += w q
        spike when S - S_hat >= theta/2, with theta = theta_0 + a:
            amplitude q = theta;  S_hat += q,  a += m_f q,      tau_eta dS_hat/dt = -S_hat,  tau_gamma da/dt = -a

    V is the signal S; `bias` acts at once, `i_offset` (injected current) through the membrane filter tau_phi. Every
    spike carries the sender's threshold at firing as its amplitude (the ReLU drop-in variant). theta_0 None means m_f.

    height : None, or the amplitude of every spike (binary pulses, for networks trained with the saturating function)
    group : neurons of every `group` consecutive numbers share S_hat and theta; whoever's S reaches them first spikes for all
        (max pooling: the group encodes the largest S). At one instant the lowest number goes first
    Source: Zambrano & Bohte 2016, arXiv 1609.02053; Bohte 2012, NIPS.

    >>> import eventsnn as es
    >>> relu = es.ASNN(300, m_f=0.1, bias=0.5)
    """
    owner = "ASNN"
    n = count(n, "n", owner)
    m_f = real(m_f, "m_f", owner, None, above=0.0)
    theta_0 = m_f if theta_0 is None else real(theta_0, "theta_0", owner, n, above=0.0)
    tau_phi = real(tau_phi, "tau_phi", owner, n, above=0.0)
    bias = real(bias, "bias", owner, n)
    i_offset = real(i_offset, "i_offset", owner, n)
    matrix = np.eye(4)
    matrix[2, 3] = 1.0
    matrix[3, 3] = 1.0 + m_f
    return LinearNeuron(n, [tau_phi, real(tau_beta, "tau_beta", owner, n, above=0.0),
                            real(tau_eta, "tau_eta", owner, n, above=0.0),
                            real(tau_gamma, "tau_gamma", owner, n, above=0.0)],
                        {(0, 1): 1.0 / tau_phi}, [[0.0, 1.0, 0.0, 0.0]], v_inf=bias + i_offset,
                        v_threshold=0.5 * theta_0, v_init=bias, thr=[0.0, 0.0, 1.0, 0.5],
                        amplitude=(theta_0, [0.0, 0.0, 0.0, 1.0]) if height is None else (
                            real(height, "height", owner, None, above=0.0), None), spike_matrix=matrix,
                        spike_offset=[0.0, 0.0, theta_0, m_f * theta_0], group=group,
                        variables=("s", "drive_0", "s_hat", "adaptation"), port_mode=(1,),
                        set_map={"bias": bias, "i_offset": i_offset}, kind=owner)
