"""Clocked neurons: linear update rules on the lattice of steps `dt`, for `simulate(..., dt=)`.

A `GridNeuron` is data, not code. In step t (the instant t dt) its variables x, of which x_0 is the membrane, become

    x <- A x + sum_p jump[p] s_p[t] + bias_in bias          s_p[t]: weighted spikes that arrive in step t at port p
    (a reset still open from the spike of step t - 1, if `late`)
    U = read . x + bias_read bias;   a spike if U > threshold (`strict`) or U >= threshold
    the reset, unless `late`

A is upper triangular (slaves first, drivers later), so all lines of a rule that read values of the same step are written out:
i <- a i + s; u <- b u + i (the new i) is A = [[b, a], [0, a]], jump = [1, 1].

The presets say which library's rule they are, with its equations and its source: `Leaky` and `Synaptic` (snnTorch), `NorseLIF`,
`SlayerCUBA`, `DECOLLE`, `TSSLBP`, `IF` (Sinabs, NIR). Parameters are scalars or arrays [n]; decays are factors per step.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import ParameterError
from .checks import count, real

MAX_GRID_MODES = 6
RESETS = ("none", "value", "subtract")


@dataclass(frozen=True, eq=False)
class GridNeuron:
    """A population of `n` clocked neurons given by their update rule (see the module's text for the symbols).

    n : number of neurons
    matrix : A [m][m], upper triangular; every entry a scalar or an array [n], from -1 to 1 on the diagonal
    jump : per port a row [m] (entries scalars or arrays [n]): what arrivals of weight 1 add to x after A
    threshold : scalar or array [n]; inf never fires. strict : spike at U > threshold, else at U >= threshold
    reset : "none", "value" (the variable `reset_mode` becomes `amount`) or "subtract" (it is lowered by `amount`)
    amount : scalar or array [n]
    late : the reset acts in the following step, after A and the arrivals; then there is no refractory period
    refractory : steps after a spike in which x_0 is held, arrivals to it are discarded and nothing fires
    multi : a step may emit floor(U / threshold) spikes, and is reset by as many amounts (threshold > 0 and "subtract" only)
    read : [m], scalars; default x_0. bias : scalar or array [n], with bias_in [m] (as in `jump`) and bias_read
    analog : decay factors of analog inputs. Each makes a further port, numbered after the others: an arrival of weight w there
        is a current that begins with w in its step, is multiplied by the factor in each further step (1: constant until
        changed) and enters as the arrivals of port 0 do
    init : initial x {mode: value}; variables : names of the modes
    dt : the step, s, that the rule was made for; None: any

    Raises `ParameterError` for values out of range.

    >>> import eventsnn as es
    >>> es.GridNeuron(3, matrix=[[0.9]], jump=[[1.0]], threshold=1.0, strict=True, reset="subtract", amount=1.0)
    GridNeuron(n=3)
    """

    n: int
    matrix: tuple
    jump: tuple
    threshold: np.ndarray
    strict: bool = True
    reset: str = "none"
    amount: np.ndarray = 0.0
    reset_mode: int = 0
    late: bool = False
    refractory: int = 0
    multi: bool = False
    read: tuple | None = None
    bias: np.ndarray = 0.0
    bias_in: tuple | None = None
    bias_read: float = 0.0
    analog: tuple = ()
    init: dict = field(default_factory=dict)
    variables: tuple = ()
    dt: float | None = None
    kind: str = "GridNeuron"

    def __post_init__(self):
        owner, n = self.kind, count(self.n, "n", self.kind)
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("n", n)
        rows = [list(row) for row in self.matrix]
        m = len(rows)
        if m == 0 or any(len(row) != m for row in rows):
            raise ParameterError(f"matrix of {owner} must be square, got rows of length {[len(row) for row in rows]}")
        entries = {}
        for a in range(m):
            for b in range(m):
                entries[a, b] = real(rows[a][b], f"matrix[{a}][{b}]", owner, n)
                if b < a and np.any(entries[a, b]):
                    raise ParameterError(f"matrix of {owner} must be upper triangular, but matrix[{a}][{b}] is not 0")
            if np.any(np.abs(entries[a, a]) > 1.0):
                raise ParameterError(f"matrix[{a}][{a}] of {owner} is {rows[a][a]!r}; it must be from -1 to 1")
        put("matrix", tuple(tuple(entries[a, b] for b in range(m)) for a in range(m)))
        ports = [list(row) for row in self.jump]
        if not ports or any(len(row) != m for row in ports):
            raise ParameterError(f"jump of {owner} must have one row of {m} entries per port, got {self.jump!r}")
        put("jump", tuple(tuple(real(v, f"jump[{p}][{a}]", owner, n) for a, v in enumerate(row))
                          for p, row in enumerate(ports)))
        put("threshold", real(self.threshold, "threshold", owner, n, infinite=True))
        if self.reset not in RESETS:
            raise ParameterError(f"reset of {owner} must be one of {', '.join(RESETS)}, got {self.reset!r}")
        put("amount", real(self.amount, "amount", owner, n))
        put("reset_mode", count(self.reset_mode, "reset_mode", owner, minimum=0, below=m))
        put("refractory", count(self.refractory, "refractory", owner, minimum=0))
        if self.late and self.refractory:
            raise ParameterError(f"refractory of {owner} is {self.refractory}; it must be 0 where late is set")
        if self.multi and (self.reset != "subtract" or not np.all(self.threshold > 0.0) or self.late or self.refractory):
            raise ParameterError(f"multi of {owner} needs thresholds > 0, reset 'subtract', no late reset and no refractory")
        put("read", self._vector(self.read, "read", [1.0] + [0.0] * (m - 1)))
        put("bias", real(self.bias, "bias", owner, n))
        into = [0.0] * m if self.bias_in is None else list(self.bias_in)
        if len(into) != m:
            raise ParameterError(f"bias_in of {owner} must have {m} entries, got {len(into)}")
        put("bias_in", tuple(real(v, f"bias_in[{a}]", owner, n) for a, v in enumerate(into)))
        put("bias_read", real(self.bias_read, "bias_read", owner))
        factors = self.analog if isinstance(self.analog, tuple | list) else (self.analog,)
        put("analog", tuple(real(v, f"analog[{k}]", owner, n, least=0.0) for k, v in enumerate(factors)))
        for k, v in enumerate(self.analog):
            if np.any(v > 1.0):
                raise ParameterError(f"analog[{k}] of {owner} is {factors[k]!r}; it must be from 0 to 1")
        total = m + len(self.analog) + bool(np.any(self.bias != 0.0))
        if total > MAX_GRID_MODES:
            raise ParameterError(f"{owner} needs {total} modes, analog inputs and bias included; at most {MAX_GRID_MODES} "
                                 f"are supported")
        for k in self.init:
            count(k, "a mode in init", owner, minimum=0, below=m)
        put("init", {k: real(v, f"init[{k}]", owner, n) for k, v in self.init.items()})
        put("variables", tuple(self.variables) or tuple(f"x{k}" for k in range(m)))
        if self.dt is not None:
            put("dt", float(real(self.dt, "dt", owner, above=0.0)))

    def _vector(self, value, name, default):
        vector = np.asarray(default if value is None else value, dtype=np.float64)
        if vector.shape != (len(default),) or not np.isfinite(vector).all():
            raise ParameterError(f"{name} of {self.kind} must be finite with {len(default)} entries, got {value!r}")
        return vector

    @property
    def n_ports(self):
        """Number of ports, those of analog inputs included."""
        return len(self.jump) + len(self.analog)

    @property
    def n_modes(self):
        """Number of variables, with those of the analog inputs and of the bias."""
        return len(self.matrix) + len(self.analog) + bool(np.any(self.bias != 0.0))

    def system(self):
        """The whole rule as arrays: A [c, M, M], jump [c, ports, M], read [M], first x [n, M]; c is 1 or n.

        The modes are those of the rule, then one per analog input, then the bias, which never changes.
        """
        m, total = len(self.matrix), self.n_modes
        entries = [*(v for row in (*self.matrix, *self.jump) for v in row), *self.bias_in, *self.analog]
        c = self.n if any(v.ndim for v in entries) else 1
        a, jump = np.zeros((c, total, total)), np.zeros((c, self.n_ports, total))
        for k in range(m):
            for j in range(m):
                a[:, k, j] = self.matrix[k][j]
        for p, row in enumerate(self.jump):
            for k in range(m):
                jump[:, p, k] = row[k]
        first = np.zeros((self.n, total))
        for k, value in self.init.items():
            first[:, k] = value
        for e, factor in enumerate(self.analog):
            k = m + e
            a[:, k, k] = factor
            a[:, :m, k] = jump[:, 0, :m] * a[:, k, k, None]
            jump[:, len(self.jump) + e, :m] = jump[:, 0, :m]
            jump[:, len(self.jump) + e, k] = 1.0
        read = np.zeros(total)
        read[:m] = self.read
        if total > m + len(self.analog):
            a[:, -1, -1] = 1.0
            for k in range(m):
                a[:, k, -1] = self.bias_in[k]
            read[-1] = self.bias_read
            first[:, -1] = self.bias
        return a, jump, read, first

    def __repr__(self):
        return f"{self.kind}(n={self.n})"


def _factor(value, name, owner, n):
    value = real(value, name, owner, n, least=0.0)
    if np.any(value > 1.0):
        raise ParameterError(f"{name} of {owner} must be from 0 to 1, got {value!r}")
    return value


def _mechanism(name, owner):
    if name not in ("subtract", "zero", "none"):
        raise ParameterError(f"reset_mechanism of {owner} must be 'subtract', 'zero' or 'none', got {name!r}")
    return name


def Leaky(n, *, beta, threshold=1.0, reset_mechanism="subtract", analog=()):
    """snnTorch's `Leaky`, with the reset it delays by a step (reset_delay=True, its default).

        mem[t] = beta mem[t-1] + in[t] - threshold spk[t-1]      "subtract"
        mem[t] = beta (1 - spk[t-1]) mem[t-1] + in[t]            "zero"
        spk[t] = mem[t] > threshold

    beta : decay per step, 0 to 1; analog : see `GridNeuron`. With "zero" it makes no difference to the spikes when the reset
    acts; here `mem` is 0 after the spike already. Layers follow one another within a step: connect them without delay.
    Source: snnTorch 1.0.0, snntorch/_neurons/leaky.py. Raises `ParameterError`.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("in", es.Input(1))
    >>> net.add("out", es.grid.Leaky(1, beta=0.9))
    >>> net.connect("in", "out", es.Dense([[0.8]]))
    >>> es.simulate(net, {"in": es.Spikes([0.001, 0.002], [0, 0])}, until=0.01, dt=1e-3).spikes["out"].times
    array([0.002])
    """
    beta = _factor(beta, "beta", "Leaky", count(n, "n", "Leaky"))
    kind = _mechanism(reset_mechanism, "Leaky")
    reset = {"subtract": "subtract", "zero": "value", "none": "none"}[kind]
    return GridNeuron(n, ((beta,),), ((1.0,),), threshold, strict=True, reset=reset, late=kind == "subtract",
                      amount=threshold if kind == "subtract" else 0.0, analog=analog, variables=("mem",), kind="Leaky")


def Synaptic(n, *, alpha, beta, threshold=1.0, reset_mechanism="subtract", analog=()):
    """snnTorch's `Synaptic`, with the reset it delays by a step (reset_delay=True, its default).

        syn[t] = alpha syn[t-1] + in[t];      mem[t] = beta mem[t-1] + syn[t] - threshold spk[t-1]      "subtract"
        mem[t] = 0 where spk[t-1], whatever arrives                                                     "zero"
        spk[t] = mem[t] > threshold

    alpha, beta : decays per step, 0 to 1. Source: snnTorch 1.0.0, snntorch/_neurons/synaptic.py. Raises `ParameterError`.

    >>> import eventsnn as es
    >>> hidden = es.grid.Synaptic(100, alpha=0.8, beta=0.9)
    """
    n = count(n, "n", "Synaptic")
    alpha, beta = _factor(alpha, "alpha", "Synaptic", n), _factor(beta, "beta", "Synaptic", n)
    kind = _mechanism(reset_mechanism, "Synaptic")
    reset = {"subtract": "subtract", "zero": "value", "none": "none"}[kind]
    return GridNeuron(n, ((beta, alpha), (0.0, alpha)), ((1.0, 1.0),), threshold, strict=True, reset=reset,
                      late=kind != "none", amount=threshold if kind == "subtract" else 0.0, analog=analog,
                      variables=("mem", "syn"), kind="Synaptic")


def NorseLIF(n, *, tau_mem=1e-2, tau_syn=5e-3, v_leak=0.0, v_threshold=1.0, v_reset=0.0, refractory=0, dt=1e-3, analog=()):
    """Norse's `LIFCell` and `LIFRecurrentCell` (forward Euler); with `refractory` steps its `LIFRefracCell`.

        i <- i + in[t];   v <- v + dt/tau_mem ((v_leak - v) + i);   i <- i - dt/tau_syn i
        z[t] = v > v_threshold;   v <- v_reset where z[t]

    The recurrent cell adds W_rec z[t-1] to in[t]: connect the population with itself with delay dt. While refractory (for
    `refractory` steps after a spike) v is held and the current goes on. v begins at v_leak.
    Times in s; dt must be that of the simulation, and at most tau_mem and tau_syn. Source: Norse 1.1.0,
    norse/torch/functional/lif.py and lif_refrac.py. Raises `ParameterError`.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("exc", es.grid.NorseLIF(100))
    >>> net.connect("exc", "exc", es.RandomIndegree(10, weight=0.3, delay=1e-3, seed=1))
    """
    n, owner = count(n, "n", "NorseLIF"), "NorseLIF"
    dt = real(dt, "dt", owner, above=0.0)
    a = dt / real(tau_mem, "tau_mem", owner, n, above=0.0)
    b = dt / real(tau_syn, "tau_syn", owner, n, above=0.0)
    for name, value in (("tau_mem", a), ("tau_syn", b)):
        if np.any(value > 1.0):
            raise ParameterError(f"{name} of {owner} must be at least dt = {float(dt)!r} s")
    v_leak = real(v_leak, "v_leak", owner, n)
    return GridNeuron(n, ((1.0 - a, a), (0.0, 1.0 - b)), ((a, 1.0 - b),), v_threshold, strict=True, reset="value",
                      amount=v_reset, refractory=refractory, bias=v_leak, bias_in=(a, 0.0), analog=analog,
                      init={0: v_leak}, variables=("v", "i"), dt=float(dt), kind=owner)


def SlayerCUBA(n, *, threshold, current_decay, voltage_decay, bias=0.0, scale=64, analog=()):
    """The CUBA neuron of SLAYER 2 (lava-dl) in real numbers.

        u[t] = (1 - current_decay) u[t-1] + in[t];      v[t] = (1 - voltage_decay) v[t-1] + u[t] + bias
        s[t] = v[t] >= threshold + 0.01 / (64 scale);   v[t] <- 0 where s[t]

    The library rounds: the threshold down to whole 1/scale and the decays to whole 1/4096, as here, and u and v towards zero to
    whole 1/(64 scale) in every step, which a linear rule cannot do and is left out here. Its blocks delay what a layer emits by
    a step (delay_shift, on by default): give the projections delay dt, and axonal delays in whole steps.
    Source: lava-dl (commit 1789ef9), slayer/neuron/cuba.py, dynamics/leaky_integrator.py. Raises `ParameterError`.

    >>> import eventsnn as es
    >>> hidden = es.grid.SlayerCUBA(100, threshold=1.25, current_decay=0.25, voltage_decay=0.03)
    """
    owner, n = "SlayerCUBA", count(n, "n", "SlayerCUBA")
    scale = count(scale, "scale", owner)
    a, b = (1.0 - np.round(4096.0 * _factor(v, name, owner, n)) / 4096.0
            for name, v in (("current_decay", current_decay), ("voltage_decay", voltage_decay)))
    threshold = np.trunc(scale * real(threshold, "threshold", owner, n, above=0.0)) / scale + 0.01 / (64 * scale)
    return GridNeuron(n, ((b, a), (0.0, a)), ((1.0, 1.0),), threshold, strict=False, reset="value", bias=bias,
                      bias_in=(1.0, 0.0), analog=analog, variables=("v", "u"), kind=owner)


def DECOLLE(n, *, alpha=0.97, beta=0.92, gamma=0.65, rho=1.0, bias=0.0, analog=()):
    """The neuron of DECOLLE with unit gains, its traces summed over the inputs.

        P[t] = alpha P[t-1] + (1 - alpha) Q[t-1];   Q[t] = beta Q[t-1] + (1 - beta) in[t];   R[t] = gamma R[t-1] - rho S[t-1]
        U[t] = P[t] + bias + R[t];                  S[t] = U[t] >= 0

    P and Q here are W P and W Q of the paper's notation. The old Q drives P, so what arrives in step t first acts on U in step
    t + 1. There is no reset but R. The published gains (1/(1-beta), 1/(1-alpha), rho) only scale the weights.
    Source: Kaiser, Mostafa & Neftci 2020, Front. Neurosci. 14:424; code nmi-lab/decolle-public (959dbd9).
    Raises `ParameterError`.

    >>> import eventsnn as es
    >>> layer = es.grid.DECOLLE(120, bias=-0.1)
    """
    owner, n = "DECOLLE", count(n, "n", "DECOLLE")
    alpha, beta, gamma = (_factor(v, name, owner, n) for name, v in (("alpha", alpha), ("beta", beta), ("gamma", gamma)))
    return GridNeuron(n, ((alpha, 1.0 - alpha, 0.0), (0.0, beta, 0.0), (0.0, 0.0, gamma)), ((0.0, 1.0 - beta, 0.0),), 0.0,
                      strict=False, reset="subtract", amount=rho, reset_mode=2, late=True, read=(1.0, 0.0, 1.0), bias=bias,
                      bias_read=1.0, analog=analog, variables=("P", "Q", "R"), kind=owner)


def TSSLBP(n, *, tau_mem=5.0, tau_syn=3.0, threshold=1.0, analog=()):
    """The neuron of TSSL-BP; time constants in steps.

        a_pre[t] = (1 - 1/tau_syn) a_pre[t-1] + s_pre[t] / tau_syn          postsynaptic current of each input
        u[t] = (1 - 1/tau_mem) u[t-1] + W a_pre[t];   s[t] = u[t] > threshold;   u[t] <- 0 where s[t]

    The filtered inputs are kept as their sum W a. Layers follow one another within the step: connect them without delay. An
    image that is there all the time is an analog input (analog=1), whose filter is the same.
    Source: Zhang & Li 2020, NeurIPS, arXiv 2002.10085; code stonezwr/TSSL-BP (ffaac71). Raises `ParameterError`.

    >>> import eventsnn as es
    >>> layer = es.grid.TSSLBP(400, tau_mem=5.0, tau_syn=3.0)
    """
    owner, n = "TSSLBP", count(n, "n", "TSSLBP")
    p, q = (1.0 / real(v, name, owner, n, least=1.0) for name, v in (("tau_mem", tau_mem), ("tau_syn", tau_syn)))
    return GridNeuron(n, ((1.0 - p, 1.0 - q), (0.0, 1.0 - q)), ((q, q),), threshold, strict=True, reset="value",
                      analog=analog, variables=("u", "i"), kind=owner)


def IF(n, *, threshold=1.0, reset="subtract", multi=False, bias=0.0, analog=()):
    """Integrate-and-fire neurons without leak, as Sinabs' `IAF` and NIR's `IF` on a lattice.

        v[t] = v[t-1] + in[t] + bias;   s[t] = v[t] >= threshold;   v[t] <- v[t] - threshold ("subtract") or 0 ("zero")

    multi : s[t] = floor(v[t] / threshold) spikes in one step, and as many thresholds subtracted (Sinabs' `MultiSpike`);
    otherwise at most one (`SingleSpike`), and what is left over fires in the steps that follow.
    Source: Sinabs, sinabs/activation/spike_generation.py (288abf9) and reset_mechanism.py (2671a70). Raises `ParameterError`.

    >>> import eventsnn as es
    >>> layer = es.grid.IF(256, threshold=1.0)
    """
    if reset not in ("subtract", "zero"):
        raise ParameterError(f"reset of grid.IF must be 'subtract' or 'zero', got {reset!r}")
    return GridNeuron(n, ((1.0,),), ((1.0,),), threshold, strict=False, reset="subtract" if reset == "subtract" else "value",
                      amount=threshold if reset == "subtract" else 0.0, multi=multi, bias=bias, bias_in=(1.0,), analog=analog,
                      variables=("v",), kind="grid.IF")
