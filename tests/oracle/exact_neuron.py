"""One neuron, event by event, in multi-precision arithmetic: slow, obvious, and independent of the engine.

Between two events the distance to threshold is an exponential polynomial

    f(s) = V(s) - theta(s) = sum_k P_k(s) exp(-lambda_k s),       s = time since the last event,

with polynomials P_k of low degree. All its zeros in an interval are separated by the zeros of f' + mu f for any rate mu
(Rolle, applied to exp(mu s) f(s)); taking mu from the terms of f lowers the degree of one P_k, so a short chain ends at
a single term, which has no zero at s > 0. Going back up the chain, each function is monotone (up to a positive factor)
between consecutive separators and has at most one zero there, found with a bracketed Newton iteration. Nothing is
sampled, so no crossing can hide.

All parameters are doubles and are converted without rounding. `simulate` returns for every spike its time, the slope
f'(t), the magnitude of the terms that make up f at the crossing, and a bound for the error a double-precision engine
may make: 16 eps (t + sum|terms| / |f'|) for the spike itself, plus the errors of the earlier spikes of the same neuron
carried forward by the exact linearised dynamics (a later reset shifts everything that follows).
"""

import math
from dataclasses import dataclass, field

import mpmath

EPS = 2.0**-52
BOUND_FACTOR = 16.0
CONFLUENT = 0.05  # below this |tau_mem / tau_syn - 1| the terms are counted in the divided-difference form


@dataclass
class Exact:
    """What the oracle knows about one run; the lists have one entry per spike.

    `times`, `slopes` and `amplitudes` are mpf; `terms` is the sum of |terms| counted per arrival and mode (before
    arrivals cancel each other), `modes` the smaller sum counted after merging each mode; `local` the bound for this
    crossing alone and `bounds` the one with the errors of earlier spikes carried forward (seconds). `margin` is the
    smallest |V - theta| / sum|terms| met at any yes/no decision: when it is a few eps, double precision cannot know.
    """

    times: list = field(default_factory=list)
    slopes: list = field(default_factory=list)
    amplitudes: list = field(default_factory=list)
    terms: list = field(default_factory=list)
    modes: list = field(default_factory=list)
    local: list = field(default_factory=list)
    bounds: list = field(default_factory=list)
    margin: float = math.inf
    v: object = None
    drive: list = field(default_factory=list)
    adaptation: list = field(default_factory=list)


# -- exponential polynomials ------------------------------------------------------------------------------------------


class ExpPoly:
    """sum over rates of P(s) exp(-rate s); `terms` maps rate -> [c0, c1, ...] (mpf), without zero leading entries."""

    def __init__(self, ctx, terms=()):
        self.ctx = ctx
        self.terms = dict(terms)

    def add(self, rate, coefficients):
        old = self.terms.get(rate, [])
        size = max(len(old), len(coefficients))
        zero = self.ctx.zero
        merged = [(old[i] if i < len(old) else zero) + (coefficients[i] if i < len(coefficients) else zero)
                  for i in range(size)]
        while merged and merged[-1] == 0:
            merged.pop()
        if merged:
            self.terms[rate] = merged
        else:
            self.terms.pop(rate, None)

    def annihilate(self, mu):
        """f' + mu f: one degree less at rate mu, the same terms elsewhere."""
        result = ExpPoly(self.ctx)
        for rate, c in self.terms.items():
            gap = mu - rate
            derived = [gap * c[i] + ((i + 1) * c[i + 1] if i + 1 < len(c) else 0) for i in range(len(c))]
            result.add(rate, derived)
        return result

    def derivative(self):
        return self.annihilate(self.ctx.zero)

    def scaled_parts(self, s):
        """The single terms c_i s^i exp(-rate s) at s."""
        parts = []
        for rate, c in self.terms.items():
            factor = self.ctx.exp(-rate * s) if rate else self.ctx.one
            for coefficient in c:
                if coefficient:
                    parts.append(coefficient * factor)
                factor = factor * s
        return parts

    def __call__(self, s):
        total = self.ctx.zero
        for rate, c in self.terms.items():
            value = c[-1]
            for coefficient in reversed(c[:-1]):
                value = value * s + coefficient
            total += value * self.ctx.exp(-rate * s) if rate else value
        return total

    def magnitude(self, s):
        return sum((abs(part) for part in self.scaled_parts(s)), self.ctx.zero)

    def upper_bound(self, length):
        """A value that f cannot exceed on [0, length], from the extremes of the single terms."""
        bound = self.ctx.zero
        for rate, c in self.terms.items():
            end = self.ctx.exp(-rate * length) if rate else self.ctx.one
            power = self.ctx.one
            for i, coefficient in enumerate(c):
                at_start = self.ctx.one if i == 0 else self.ctx.zero
                at_end = power * end
                if coefficient < 0:
                    bound += coefficient * min(at_start, at_end)
                elif coefficient > 0:
                    top = max(at_start, at_end)
                    if i and rate and i < rate * length:
                        top = (self.ctx.mpf(i) / rate) ** i * self.ctx.exp(-i)
                    bound += coefficient * top
                power *= length
        return bound

    def _single(self):
        return sum(len([x for x in c if x]) for c in self.terms.values()) <= 1

    def _one_sign(self):
        signs = {x > 0 for c in self.terms.values() for x in c if x}
        return len(signs) <= 1

    def zeros(self, length):
        """All zeros with a change of sign in (0, length), ascending."""
        if self._single() or self._one_sign():
            return []
        mu = min(self.terms)
        lower = self.annihilate(mu)
        points = [self.ctx.zero, *lower.zeros(length), self.ctx.mpf(length)]
        found = []
        left, f_left = points[0], self(points[0])
        for right in points[1:]:
            f_right = self(right)
            if (f_left < 0 < f_right) or (f_right < 0 < f_left):
                found.append(self.solve(lower, mu, left, right, f_left, f_right))
            elif f_right == 0 and right < length:
                found.append(right)
            left, f_left = right, f_right
        return found

    def solve(self, lower, mu, left, right, f_left, f_right):
        """The zero between `left` and `right`, where f has opposite signs and exp(mu s) f(s) is monotone.

        Newton on g(s) = exp(mu s) f(s), whose derivative is exp(mu s) (f' + mu f), kept inside a shrinking bracket and
        replaced by bisection whenever it leaves the bracket or fails to halve the step.
        """
        ctx = self.ctx
        rising = f_right > 0
        tolerance = (right - left) * ctx.eps * 1024
        guess = left - f_left * (right - left) / (f_right - f_left)
        if not left < guess < right:
            guess = (left + right) / 2
        step_before = right - left
        for _ in range(40 * ctx.dps):
            value = self(guess)
            if value == 0:
                return guess
            if (value > 0) == rising:
                right = guess
            else:
                left = guess
            if right - left <= tolerance:
                break
            slope = lower(guess)
            step = value / slope if slope else step_before
            candidate = guess - step
            if not left < candidate < right or 2 * abs(step) > step_before:
                candidate = (left + right) / 2
                step = guess - candidate
            step_before = abs(step)
            guess = candidate
            if step_before <= tolerance:
                break
        return guess


def first_crossing(f, length, tolerance, magnitude=None):
    """(s, margin): the first s in (0, length] with f(s) >= 0, or None; f(0) < 0 is assumed.

    `margin` is the smallest |f| / magnitude at the points that decided (the peaks and the right end), where
    `magnitude(s)` is the sum of |terms| that double precision would meet (default: the terms of f). A peak within
    `tolerance` (relative, the rounding of the multi-precision terms) of zero is a touch and fires.
    """
    magnitude = magnitude or f.magnitude
    bound = f.upper_bound(length)
    if f._one_sign() and bound <= 0:
        return None, math.inf
    if bound < 0:
        gap = float(-bound / max(magnitude(length), magnitude(f.ctx.zero)))
        if gap > 1e-6:  # otherwise go on, for an honest margin
            return None, gap
    mu = min(f.terms)
    lower = f.annihilate(mu)
    points = [*lower.zeros(length), f.ctx.mpf(length)]
    left, f_left, margin = f.ctx.zero, f(f.ctx.zero), math.inf
    for right in points:
        f_right = f(right)
        size = f.magnitude(right)
        if size:
            margin = min(margin, float(abs(f_right) / magnitude(right)))
        if f_right > 0 and f_left < 0:
            return f.solve(lower, mu, left, right, f_left, f_right), margin
        if f_right >= -tolerance * size:
            return right, margin
        left, f_left = right, f_right
    return None, margin


# -- the neuron -------------------------------------------------------------------------------------------------------


class _Port:
    """One receptor: drive `i` (and `j`, its source, for alpha currents), with the sums of absolute contributions."""

    def __init__(self, ctx, tau, alpha):
        self.delta = tau == 0
        self.alpha = alpha
        self.rate = ctx.zero if self.delta else 1 / ctx.mpf(tau)
        self.i = self.j = self.mass_i = self.mass_j = ctx.zero
        self.ctx = ctx

    def arrive(self, weight):
        if self.alpha:
            self.j += weight * self.ctx.e
            self.mass_j += abs(weight) * self.ctx.e
        else:
            self.i += weight
            self.mass_i += abs(weight)

    def flow(self, s):
        decay = self.ctx.exp(-self.rate * s)
        growth = self.rate * s
        self.i, self.j = (self.i + self.j * growth) * decay, self.j * decay
        self.mass_i, self.mass_j = (self.mass_i + self.mass_j * growth) * decay, self.mass_j * decay

    def source(self):
        """(alpha, beta, mass of alpha, mass of beta) with I(s) = (alpha + beta s) exp(-rate s)."""
        return self.i, self.j * self.rate, self.mass_i, self.mass_j * self.rate


class Neuron:
    """State and closed-form motion of one neuron; `model` is a dict with the constructor's keywords and "kind".

    Kinds: LIF, IF, AdaptiveLIF, ASNN. The membrane is kept as u = V - rest, its distance from where it settles without
    drive, so that an approach to the threshold from below never rounds to a touch: u' = -rate u + gain (drive + drift).
    `extras` are the adaptation modes [value, rate, factor in f]: x_a for AdaptiveLIF; r and a for ASNN.
    """

    def __init__(self, ctx, model):
        self.ctx = ctx
        m = ctx.mpf
        self.kind = model["kind"]
        get = model.get
        self.extras, self.mass_extras = [], []
        self.held = False
        if self.kind == "ASNN":
            m_f = get("m_f", 0.1)
            self.m_f = m(m_f)
            theta_0 = get("theta_0")
            self.theta_0 = m(m_f if theta_0 is None else theta_0)
            self.rate = self.gain = 1 / m(get("tau_phi", 5e-3))
            self.ports = [_Port(ctx, get("tau_beta", 50e-3), False)]
            self.rest, self.drift = m(get("i_offset", 0.0)), m(0)
            self.mass_rest = abs(self.rest)
            self.level = m(get("bias", 0.0)) - self.theta_0 / 2
            self.mass_level = abs(m(get("bias", 0.0))) + abs(self.theta_0 / 2)
            self.extras = [[m(0), 1 / m(get("tau_eta", 50e-3)), m(-1)],
                           [m(0), 1 / m(get("tau_gamma", 15e-3)), -m(1) / 2]]
            self.u = -self.rest
            self.v_reset = None
            self.never = False
            self.t_ref = 0.0
        else:
            tau_syn = get("tau_syn", 0.0)
            tau_syn = tau_syn if isinstance(tau_syn, (tuple, list)) else (tau_syn,)
            self.ports = [_Port(ctx, tau, get("synapse", "exp") == "alpha") for tau in tau_syn]
            if self.kind == "IF":
                self.rate, self.gain = m(0), m(1)
                leak = self.rest = self.mass_rest = m(0)
                self.drift = m(get("i_offset", 0.0))
            else:
                self.rate = self.gain = 1 / m(get("tau_mem"))
                leak, offset = m(get("v_leak", 0.0)), m(get("i_offset", 0.0))
                self.rest, self.drift = leak + offset, m(0)
                self.mass_rest = abs(leak) + abs(offset)
            self.level = -m(get("v_threshold")) if not math.isinf(get("v_threshold")) else -m(0)
            self.never = math.isinf(get("v_threshold"))
            self.mass_level = abs(self.level)
            v_init = get("v_init")
            self.v_reset = m(get("v_reset", 0.0))
            start = self.v_reset if self.kind == "IF" else leak
            self.u = (start if v_init is None else m(v_init)) - self.rest
            self.t_ref = get("t_ref", 0.0)
            if self.kind == "AdaptiveLIF":
                self.b = m(get("adaptation"))
                self.extras = [[m(0), 1 / m(get("tau_adapt")), m(-1)]]
        self.mass_extras = [m(0) for _ in self.extras]
        self.mass_v = abs(self.u)

    @property
    def v(self):
        return self.u + self.rest

    # closed form ------------------------------------------------------------------------------------------------

    def _split(self, alpha, beta, mu):
        """u driven by (alpha + beta s) exp(-mu s) from u(0) = 0, as [(rate, coefficients)]."""
        gap = self.rate - mu
        if gap == 0:
            return [(mu, [self.ctx.zero, self.gain * alpha, self.gain * beta / 2])]
        c1 = self.gain * beta / gap
        c0 = (self.gain * alpha - c1) / gap
        return [(mu, [c0, c1]), (self.rate, [-c0])]

    def membrane(self):
        """u(s) without further events, as ExpPoly (not while held at reset)."""
        u = ExpPoly(self.ctx)
        u.add(self.rate, [self.u])
        sources = [(self.drift, self.ctx.zero, self.ctx.zero)]
        for port in self.ports:
            if not port.delta:
                alpha, beta, _, _ = port.source()
                sources.append((alpha, beta, port.rate))
        for alpha, beta, mu in sources:
            if alpha or beta:
                for rate, coefficients in self._split(alpha, beta, mu):
                    u.add(rate, coefficients)
        return u

    def distance(self):
        """f(s) = V(s) - theta(s)."""
        f = self.membrane()
        f.add(self.ctx.zero, [self.rest + self.level])
        for value, rate, factor in self.extras:
            if value:
                f.add(rate, [factor * value])
        return f

    def f_now(self):
        value = self.u + (self.rest + self.level)
        for x, _, factor in self.extras:
            value += factor * x
        return value

    def membrane_slope(self):
        return -self.rate * self.u + self.gain * sum((port.i for port in self.ports), self.drift)

    def slope_now(self):
        slope = self.membrane_slope()
        for x, rate, factor in self.extras:
            slope -= factor * x * rate
        return slope

    # masses: the same flow for absolute values ------------------------------------------------------------------

    def _is_confluent(self, port):
        return self.rate != 0 and abs(port.rate / self.rate - 1) < CONFLUENT

    def _mass_gain(self, port):
        """|coefficient| of the membrane mode per unit of mass_i and mass_j (zero in the divided-difference form)."""
        if port.delta or self._is_confluent(port):
            return self.ctx.zero, self.ctx.zero
        gap = abs(self.rate - port.rate)
        return self.gain / gap, self.gain * port.rate / gap**2

    def mass_membrane(self, s):
        """Sum of |terms| of V at s, each arrival and mode counted by itself."""
        total = self.mass_v * self.ctx.exp(-self.rate * s)
        total += self.mass_rest + abs(self.drift) * s
        for port in self.ports:
            if port.delta:
                continue
            alpha, beta, mass_alpha, mass_beta = port.source()
            if self._is_confluent(port):
                sample = ExpPoly(self.ctx)
                for rate, coefficients in self._split(mass_alpha, mass_beta, port.rate):
                    sample.add(rate, coefficients)
                total += sample(s)
            else:
                gap = abs(self.rate - port.rate)
                c1 = self.gain * mass_beta / gap
                c0 = (self.gain * mass_alpha + c1) / gap
                total += (c0 + c1 * s) * self.ctx.exp(-port.rate * s)
        return total

    def mass_total(self, s):
        total = self.mass_membrane(s) + self.mass_level
        for mass, (_, rate, factor) in zip(self.mass_extras, self.extras):
            total += abs(factor) * mass * self.ctx.exp(-rate * s)
        return total

    def modes_total(self, s):
        """Sum of |terms| of f at s after merging each mode; divided differences where time constants nearly agree."""
        ctx = self.ctx
        plain, total = ExpPoly(ctx), ctx.zero
        plain.add(self.rate, [self.u])
        for port in self.ports:
            if port.delta:
                continue
            alpha, beta, _, _ = port.source()
            kernel = ExpPoly(ctx)
            for rate, coefficients in self._split(alpha, beta, port.rate):
                (kernel if self._is_confluent(port) else plain).add(rate, coefficients)
            total += abs(kernel(s))
        total += plain.magnitude(s) + self.mass_rest + abs(self.drift) * s + self.mass_level
        for value, rate, factor in self.extras:
            total += abs(factor * value) * ctx.exp(-rate * s)
        return total

    # motion -----------------------------------------------------------------------------------------------------

    def flow(self, s):
        if s == 0:
            return
        ctx = self.ctx
        if not self.held:
            mass = self.ctx.exp(-self.rate * s) * self.mass_v
            for port in self.ports:
                if self._is_confluent(port) and not port.delta:
                    sample = ExpPoly(ctx)
                    for rate, coefficients in self._split(*port.source()[2:], port.rate):
                        sample.add(rate, coefficients)
                    mass += sample(s)
            self.u, self.mass_v = self.membrane()(s), mass + abs(self.drift) * s
        for port in self.ports:
            if not port.delta:
                port.flow(s)
        for k, extra in enumerate(self.extras):
            decay = ctx.exp(-extra[1] * s)
            extra[0] *= decay
            self.mass_extras[k] *= decay

    def arrive(self, weight, port):
        port = self.ports[port]
        if port.delta:
            if not self.held:
                self.u += weight
                self.mass_v += abs(weight)
            return
        if not self.held:
            gain_i, gain_j = self._mass_gain(port)
            self.mass_v += abs(weight) * (gain_j * self.ctx.e if port.alpha else gain_i)
        port.arrive(weight)

    def spike(self):
        """Apply the jump of a spike now; returns the amplitude."""
        if self.kind == "ASNN":
            r, a = self.extras
            q = self.theta_0 + a[0]
            r[0] += q
            a[0] += self.m_f * q
            self.mass_extras[0] += q
            self.mass_extras[1] += self.m_f * q
            return q
        self.u = self.v_reset - self.rest
        if self.kind == "AdaptiveLIF":
            self.extras[0][0] += self.b
            self.mass_extras[0] += abs(self.b)
        self.held = self.t_ref > 0
        if not self.held:
            self._restart_mass()
        return self.ctx.one

    def release(self):
        self.held = False
        self.u = self.v_reset - self.rest
        self._restart_mass()

    def _restart_mass(self):
        mass = abs(self.u)
        for port in self.ports:
            gain_i, gain_j = self._mass_gain(port)
            mass += gain_i * port.mass_i + gain_j * port.mass_j
        self.mass_v = mass


# -- errors of earlier spikes, carried forward ----------------------------------------------------------------------


class _Errors:
    """First-order effect of each earlier spike-time error on the present state: rows [source][V, extras...]."""

    def __init__(self, neuron):
        self.neuron = neuron
        self.rows = []
        self.shifts = []  # shift of the last spike by source, waiting for the end of refractoriness

    def flow(self, s):
        n = self.neuron
        decay_v = math.exp(-float(n.rate * s))
        decays = [math.exp(-float(rate * s)) for _, rate, _ in n.extras]
        for row in self.rows:
            row[0] = 0.0 if n.held else row[0] * decay_v
            for k, decay in enumerate(decays):
                row[1 + k] *= decay

    def crossing(self, slope, local):
        """Shifts of a spike found by crossing, by source, including the new one; call before the jump."""
        factors = [1.0] + [float(factor) for _, _, factor in self.neuron.extras]
        shifts = [-sum(f * e for f, e in zip(factors, row)) / slope for row in self.rows]
        self.rows.append([0.0] * len(factors))
        return [*shifts, local]

    def fixed(self, shifts=None):
        """Shifts of a spike at an instant that is itself exact (an arrival) or the end of refractoriness."""
        self.rows.append([0.0] * (1 + len(self.neuron.extras)))
        shifts = list(shifts or [])
        return shifts + [0.0] * (len(self.rows) - len(shifts))

    def jump(self, shifts):
        """Update the rows across the spike (adaptation only); call before `Neuron.spike`."""
        n = self.neuron
        for row, shift in zip(self.rows, shifts):
            if n.kind == "AdaptiveLIF":
                row[1] += shift * float(n.extras[0][1] * n.b)
            elif n.kind == "ASNN":
                (r, rate_r, _), (a, rate_a, _) = n.extras
                m_f, q = n.m_f, n.theta_0 + a
                e_a = row[2]
                row[1] += e_a + shift * float(rate_r * q - rate_a * a)
                row[2] = float(1 + m_f) * e_a + shift * float(rate_a * (m_f * q - m_f * a))
        self.shifts = shifts

    def release(self):
        """V starts from reset later or earlier by the shift of the spike; call after `Neuron.release`."""
        n = self.neuron
        slope = float(n.membrane_slope())
        for row, shift in zip(self.rows, self.shifts):
            row[0] = -slope * shift


# -- the simulation ---------------------------------------------------------------------------------------------------


def working_digits(model, digits):
    """Digits to compute with: nearly equal time constants cancel, twice for alpha currents."""
    if model["kind"] in ("IF", "ASNN"):
        return digits
    tau_syn = model.get("tau_syn", 0.0)
    extra = 0.0
    for tau in tau_syn if isinstance(tau_syn, (tuple, list)) else (tau_syn,):
        if tau and tau != model["tau_mem"]:
            gap = abs(tau - model["tau_mem"]) / max(tau, model["tau_mem"])
            extra = max(extra, -math.log10(gap))
    return digits + math.ceil(extra * (3 if model.get("synapse", "exp") == "alpha" else 1.5))


def simulate(model, arrivals, until, *, digits=50, max_rounds=1000):
    """Exact spikes of one neuron in [0, until]; `arrivals` are (time, weight) or (time, weight, port)."""
    ctx = mpmath.mp.clone()
    ctx.dps = working_digits(model, digits)
    tolerance = ctx.mpf(10) ** (-(ctx.dps - 10))
    mpf = ctx.mpf
    n = Neuron(ctx, model)
    errors = _Errors(n)
    out = Exact()
    queue = sorted(((float(a[0]), float(a[1]), a[2] if len(a) > 2 else 0) for a in arrivals), key=lambda a: a[0])
    queue = [a for a in queue if a[0] <= until]
    now, end = mpf(0), mpf(until)
    release_at, at, rounds = None, 0, 0

    def fire(kind, shifts_of_release=None):
        nonlocal release_at
        t = float(now)
        slope = n.slope_now()
        terms, modes = n.mass_total(mpf(0)), n.modes_total(mpf(0))
        out.times.append(+now)
        out.slopes.append(slope)
        out.terms.append(float(terms))
        out.modes.append(float(modes))
        if kind == "crossing":
            steep = abs(float(slope))
            local = BOUND_FACTOR * EPS * (t + (float(terms) / steep if steep else math.inf))
            shifts = errors.crossing(float(slope) or math.inf, local)
        else:
            local = 0.0 if kind == "arrival" else EPS * t
            shifts = errors.fixed(shifts_of_release)
        out.local.append(local)
        out.bounds.append(sum(abs(s) for s in shifts) + (local if kind != "crossing" else 0.0))
        errors.jump(shifts)
        out.amplitudes.append(n.spike())
        if n.held:
            if math.isinf(n.t_ref):
                release_at = mpf("inf")
            elif kind == "arrival":
                release_at = mpf(t + n.t_ref)  # an instant that is a double: the end is the rounded double sum
            else:
                release_at = now + mpf(n.t_ref)
        elif n.kind != "ASNN":
            errors.release()

    def test(kind, shifts=None):
        """The threshold test of one instant, repeated while a spike leaves the neuron at or above threshold."""
        nonlocal rounds
        while not n.held and not n.never:
            f = n.f_now()
            size = n.mass_total(mpf(0))
            if f and size:
                out.margin = min(out.margin, float(abs(f) / size))
            if f < -tolerance * size:
                return
            rounds += 1
            if rounds > max_rounds:
                raise RuntimeError("the neuron goes on spiking within one instant")
            fire(kind, shifts)

    def deliver():
        nonlocal at
        jumped = False
        while at < len(queue) and mpf(queue[at][0]) == now:
            n.arrive(mpf(queue[at][1]), queue[at][2])
            jumped = jumped or n.ports[queue[at][2]].delta
            at += 1
        return jumped

    deliver()
    test("arrival")
    while True:
        target = mpf(queue[at][0]) if at < len(queue) else end
        if n.held and release_at < target:
            target = release_at
        length = target - now
        if length > 0 and not n.held and not n.never:
            s, margin = first_crossing(n.distance(), length, tolerance, n.modes_total)
            out.margin = min(out.margin, margin)
            if s is not None:
                n.flow(s)
                errors.flow(s)
                now += s
                rounds = 0
                fire("crossing")
                continue
        if length > 0:
            n.flow(length)
            errors.flow(length)
            rounds = 0
        now = target
        kind, shifts = "arrival", None
        if n.held and release_at <= now:
            n.release()
            errors.release()
            shifts = list(errors.shifts)
            kind = "release"
        jumped = deliver()
        if jumped or kind == "release":  # otherwise V is continuous, and the crossing search has decided
            test(kind, shifts)
        if now >= end and at >= len(queue) and not (n.held and release_at <= end):
            break
    out.v = +n.v
    out.drive = [+port.i for port in n.ports]
    out.adaptation = [+extra[0] for extra in n.extras]
    return out


def peak(model, arrivals, until, *, digits=50):
    """(time, height) of the highest point over [0, until] of the quantity compared with the constant threshold.

    That is V minus the adaptation for the LIF family, S - Shat for ASNN, of a neuron that never fires: the exact value
    that a threshold must have to be just touched.
    """
    ctx = mpmath.mp.clone()
    ctx.dps = working_digits(model, digits)
    n = Neuron(ctx, model)
    n.mass_level = n.level = ctx.mpf(model.get("bias", 0.0)) if n.kind == "ASNN" else ctx.zero
    queue = sorted((a for a in arrivals if a[0] <= until), key=lambda a: a[0])
    now, best = ctx.mpf(0), (ctx.zero, n.f_now())
    at = 0
    while True:
        while at < len(queue) and ctx.mpf(queue[at][0]) == now:
            n.arrive(ctx.mpf(float(queue[at][1])), queue[at][2] if len(queue[at]) > 2 else 0)
            at += 1
        if n.f_now() > best[1]:
            best = (now, n.f_now())
        target = ctx.mpf(queue[at][0]) if at < len(queue) else ctx.mpf(until)
        length = target - now
        f = n.distance()
        for s in [*f.derivative().zeros(length), length]:
            value = f(s)
            if value > best[1]:
                best = (now + s, value)
        n.flow(length)
        now = target
        if at >= len(queue) and now >= until:
            return best
