"""Closed forms and the Rolle chain against mpmath: whether V reaches the threshold, and when."""

import math

import mpmath as mp
import numpy as np
import pytest

import eventsnn as es
from eventsnn import layout
from eventsnn.kernels.crossing import cross_one, cross_pair, cross_three, cross_two
from eventsnn.model.kinetics import _rates, classes_of, pack

EPS = float(np.finfo(float).eps)
SIGNS = [(c, p, q) for c in (-1, 0, 1) for p in (-1, 1) for q in (-1, 1)]
SLACK = 16.0
mp.mp.dps = 40


class Curve:
    """c + sum of amplitude exp(-rate t), in mpmath; rates differ pairwise."""

    def __init__(self, c, terms):
        self.c, self.terms = mp.mpf(c), [(mp.mpf(a), mp.mpf(r)) for a, r in terms]

    def __call__(self, t):
        t = mp.mpf(t)
        return self.c + sum(a * mp.exp(-r * t) for a, r in self.terms)

    def slope(self, t):
        t = mp.mpf(t)
        return -sum(a * r * mp.exp(-r * t) for a, r in self.terms)

    def size(self, t):
        """Sum of the terms' magnitudes, plus what an error of t in the last bit does to each."""
        t = mp.mpf(t)
        return abs(self.c) + sum(abs(a) * mp.exp(-r * t) * (1 + abs(r * t) / 16) for a, r in self.terms)

    def uncertain(self, t):
        """Whether rounding of the inputs alone decides the sign at t."""
        return abs(self(t)) <= SLACK * EPS * self.size(t)


class Confluent(Curve):
    """c + exp(-a t) (x0 + x1 gain (exp(d t) - 1)/d), d = a - b possibly 0."""

    def __init__(self, c, x0, x1, a, b, gain):
        self.c, self.x0, self.x1, self.a, self.gain = (mp.mpf(v) for v in (c, x0, x1, a, gain))
        self.d = self.a - mp.mpf(b)

    def _phi(self, t):
        return mp.expm1(self.d * t) / self.d if self.d else t

    def __call__(self, t):
        t = mp.mpf(t)
        return self.c + mp.exp(-self.a * t) * (self.x0 + self.x1 * self.gain * self._phi(t))

    def slope(self, t):
        t = mp.mpf(t)
        drive = self.x1 * self.gain
        return mp.exp(-self.a * t) * (drive * mp.exp(self.d * t) - self.a * (self.x0 + drive * self._phi(t)))

    def size(self, t):
        t = mp.mpf(t)
        total = abs(self.x0) + abs(self.x1 * self.gain * self._phi(t))
        return abs(self.c) + mp.exp(-self.a * t) * total * (1 + abs(self.a * t) / 16)


def zero(curve, low, high):
    """The zero between low (negative) and high (not), by bisection to 25 digits."""
    low, high = mp.mpf(low), mp.mpf(high)
    for _ in range(100):
        middle = (low + high) / 2
        if curve(middle) >= 0:
            high = middle
        else:
            low = middle
    return high


def expected(curve, extremum, now):
    """(first crossing after `now` or inf, whether it is a close call), for a curve with one extremum at most."""
    if extremum is not None and extremum > now and curve(extremum) >= 0:
        return zero(curve, now, extremum), curve.uncertain(extremum)
    close = extremum is not None and extremum > now and curve.uncertain(extremum)
    if curve.c <= 0:
        return mp.inf, close
    high = mp.mpf(max(now, extremum or 0))
    step = mp.mpf(1) / 1000
    while curve(high + step) < 0:
        step *= 2
    return zero(curve, high if curve(high) < 0 else now, high + step), False


def check(curve, extremum, now, got, about):
    """Existence, and the time within 16 eps of the summed terms."""
    want, close = expected(curve, extremum, now)
    if close:
        if got < math.inf:
            assert curve.uncertain(got) or abs(curve(got)) <= SLACK * EPS * curve.size(extremum), about
        return math.inf
    assert (got < math.inf) == (want < mp.inf), (about, got, mp.nstr(want, 17))
    if got < math.inf:
        value = abs(curve(got))
        allowed = SLACK * EPS * (curve.size(want) + abs(want * curve.slope(want)))
        error = abs(mp.mpf(got) - want)
        assert value <= allowed or error <= SLACK * EPS * abs(want), (about, got, mp.nstr(want, 17))
    return got


def starts(rng, curve, scale):
    """A few times at which f is safely negative."""
    found = [t for t in (0.0, *(scale * 10.0 ** rng.uniform(-3.0, 1.0, 2))) if curve(t) < 0 and not curve.uncertain(t)]
    return [float(t) for t in found]


def test_one_mode():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        a = 10.0 ** rng.uniform(-3.0, 5.0)
        c, p = rng.choice([-1.0, 1.0], 2) * 10.0 ** rng.uniform(-6.0, 6.0, 2)
        curve = Curve(c, [(p, a)])
        if curve(0) < 0:
            check(curve, None, 0.0, cross_one(c, p, a), (c, p, a))
    assert cross_one(0.0, -1.0, 2.0) == math.inf
    assert cross_one(1.0, -1.0, 0.0) == math.inf


def nudge(rng, low):
    """1 plus or minus something between 10^low and 10^-0.3."""
    return 1 + mp.mpf(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(low, -0.3))


def two_curve(rng, sign, style):
    """Random rates and amplitudes. tangent: c from the height of the extremum; flat: a bound on the crossing close to it."""
    slow = 10.0 ** rng.uniform(-3.0, 0.0)
    fast = slow / (1.13 * 10.0 ** (rng.uniform(0.0, 1.0) ** 2 * 3.9))
    rates = *_rates(slow), *_rates(fast)
    a, b = 1 / mp.mpf(slow), 1 / mp.mpf(fast)
    scale = 10.0 ** rng.uniform(-4.0, 4.0)
    c, p, q = (s * scale * 10.0 ** rng.uniform(-2.0, 2.0) for s in sign)
    extremum = mp.log(-b * mp.mpf(q) / (a * mp.mpf(p))) / (b - a) if p * q < 0 else None
    if style == "tangent" and extremum is not None:
        height = Curve(0, [(p, a), (q, b)])(extremum)
        c = float(-height * (1 + mp.mpf(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -2.0))))
    elif style == "flat" and extremum is not None:
        level = mp.log(-mp.mpf(q) / mp.mpf(p)) / (b - a)
        bound = -q * mp.exp(-b * extremum) - p * mp.exp(-a * level) if p > 0 else -p * mp.exp(-a * extremum)
        c = float(bound * nudge(rng, -8.0))
    return c, p, q, rates, Curve(c, [(p, a), (q, b)]), extremum, slow


def check_span(curve, want, close, now, until, got, about):
    """`check` for a search that begins at `now` and ends at `until`: first crossing in between, or inf."""
    if close or curve.uncertain(until) and curve(now) < 0:
        if got < math.inf:
            assert now <= got <= until and abs(curve(got)) <= SLACK * EPS * curve.size(now), about
        return
    assert (got < math.inf) == (want <= until), (about, got, mp.nstr(want, 17))
    if got < math.inf:
        assert now <= got <= until, (about, got)
        allowed = SLACK * EPS * (curve.size(want) + abs(want * curve.slope(want)))
        error = abs(mp.mpf(got) - want)
        assert abs(curve(got)) <= allowed or error <= SLACK * EPS * abs(want), (about, got, mp.nstr(want, 17))


@pytest.mark.parametrize("style", ["random", "tangent", "flat"])
@pytest.mark.parametrize("sign", SIGNS, ids=str)
def test_two_modes(sign, style):
    """Searches of at most one fast time constant: up to before the crossing, around it, just to it, and after it."""
    rng = np.random.default_rng(100 + SIGNS.index(sign))
    for _ in range(150):
        c, p, q, rates, curve, extremum, slow = two_curve(rng, sign, style)
        cell = 1.0 / rates[2]
        for now in starts(rng, curve, slow):
            want, close = expected(curve, extremum, now)
            spans = [(now, now + cell * rng.uniform(0.01, 1.0)) for _ in range(2)]
            if want < mp.inf:
                for share in (0.999, 0.5, 0.01):
                    begin = max(now, float(want) - share * cell)
                    spans += [(begin, begin + cell), (begin, float(want) * (1.0 + 1e-9)), (begin, 0.5 * (begin + float(want)))]
            for begin, until in spans:
                if begin < until and curve(begin) < 0 and not curve.uncertain(begin):
                    got = cross_two(c, p, q, *rates, begin, until)
                    check_span(curve, want, close, begin, until, got,
                               f"cross_two({c!r}, {p!r}, {q!r}, {rates}, {begin!r}, {until!r})")


def test_two_modes_on_an_empty_interval():
    numbers = (1.0, -2.0, 0.5, 50.0, 0.0, 200.0, 0.0)
    assert cross_two(*numbers, 1e-3, 1e-3) == math.inf
    assert cross_two(*numbers, 2e-3, 1e-3) == math.inf


def three_curve(rng, style):
    """Random rates, terms and length of a cell; grazing: the maximum, or the value at the end, is close to zero."""
    tau = 20e-3 / np.cumprod(np.concatenate([[1.0], rng.uniform(1.2, 4.0, 2)]))
    rates = 1.0 / rng.permutation(tau)
    x = rng.normal(0.0, 1.0, 3) * 10.0 ** rng.uniform(-1.0, 1.0, 3)
    c = float(rng.normal())
    length = float(tau.min() * rng.uniform(0.05, 1.0))
    grid = np.linspace(0.0, length, 2001)
    values = np.exp(-np.outer(grid, rates)) @ x
    if style == "grazing":
        height = values.max() if rng.random() < 0.5 else values[-1]
        c = float(-height * (1.0 + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-11.0, -2.0)))
    return c, x.tolist(), rates.tolist(), length, Curve(c, list(zip(x.tolist(), rates.tolist()))), c + values


@pytest.mark.parametrize("style", ["random", "grazing"])
def test_three_modes(style):
    """Never inf where there is a crossing, never a time where there is none; mostly one of the two."""
    rng = np.random.default_rng(300)
    decided, crossed, asked = 0, 0, 0
    for _ in range(1500):
        c, x, rates, length, curve, values = three_curve(rng, style)
        if values[0] >= 0.0 or curve.uncertain(0.0):
            continue
        asked += 1
        got = cross_three(c, *x, *rates, length)
        decided += got >= 0.0
        if got < 0.0:
            continue
        about = f"cross_three({c!r}, {x}, {rates}, {length!r}) = {got!r}"
        size = float(curve.size(0.0))
        above = np.flatnonzero(values >= 0.0)
        if above.size == 0 and values.max() < -1e-4 * size:
            assert got == math.inf, about
            continue
        ups = [t for t in zeros([(mp.mpf(c), mp.mpf(0)), *curve.terms], length) if curve.slope(t) > 0]
        if got == math.inf:
            assert not ups or above.size == 0 and curve(length) <= SLACK * EPS * size, (about, ups)
            continue
        crossed += 1
        assert ups, about
        allowed = SLACK * EPS * (curve.size(ups[0]) + ups[0] * curve.slope(ups[0]))
        assert 0.0 <= got <= length and abs(curve(got)) <= allowed, (about, mp.nstr(ups[0], 17))
        assert abs(got - ups[0]) <= 1e-6 * length, (about, mp.nstr(ups[0], 17))
    assert crossed > 15
    assert decided > (0.9 if style == "random" else 0.6) * asked, (decided, asked)


def test_three_modes_leave_a_start_above_the_threshold_open():
    assert cross_three(1.0, -0.5, 0.1, 0.1, 50.0, 100.0, 200.0, 1e-3) == -1.0


def pair_class(tau_mem, tau_syn):
    """The numbers of the coupled class of a LIF neuron."""
    table = pack(classes_of(es.LIF(1, tau_mem=tau_mem, tau_syn=tau_syn, v_threshold=1.0))[0], 1)
    assert table.i[0, layout.SOLVER] == layout.PAIR
    f = table.f[0]
    return (f[layout.RATE_HI, 0], f[layout.RATE_LO, 0], f[layout.RATE_HI, 1], f[layout.GAIN_ROW, 0],
            f[layout.DELTA_ROW, 0])


@pytest.mark.parametrize("style", ["random", "tangent", "flat"])
@pytest.mark.parametrize("sign", SIGNS, ids=str)
def test_coupled_pair(sign, style):
    rng = np.random.default_rng(200 + SIGNS.index(sign))
    for _ in range(150):
        tau_mem = 10.0 ** rng.uniform(-3.0, 0.0)
        offset = rng.choice([0.0, 1.0, -1.0]) * 10.0 ** rng.uniform(-13.0, -1.0)
        tau_syn = tau_mem * (1.0 + offset)
        numbers = pair_class(tau_mem, tau_syn)
        a, b, gain = 1 / mp.mpf(tau_mem), 1 / mp.mpf(tau_syn), mp.mpf(numbers[3])
        scale = 10.0 ** rng.uniform(-4.0, 4.0)
        c, x0, x1 = (s * scale * 10.0 ** rng.uniform(-1.5, 1.5) for s in sign)
        curve = Confluent(c, x0, x1, a, b, gain)
        phi = (gain * mp.mpf(x1) - a * mp.mpf(x0)) / (b * gain * mp.mpf(x1))
        inside = 1 + curve.d * phi
        extremum = (mp.log(inside) / curve.d if curve.d else phi) if inside > 0 else None
        if style == "tangent" and extremum is not None:
            height = curve(extremum) - curve.c
            c = float(-height * (1 + mp.mpf(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -2.0))))
        elif style == "flat" and extremum is not None:
            c = float(-x0 * mp.exp(-a * extremum) * nudge(rng, -8.0))
        curve.c = mp.mpf(c)
        for now in starts(rng, curve, tau_mem):
            got = cross_pair(c, x0, x1, *numbers, now)
            call = f"cross_pair({c!r}, {x0!r}, {x1!r}, {', '.join(repr(float(v)) for v in numbers)}, {now!r})"
            got = check(curve, extremum, now, got, call)
            if got < math.inf:
                later = now + 0.7 * (got - now)
                if curve(later) < 0 and not curve.uncertain(later):
                    assert cross_pair(c, x0, x1, *numbers, later) == got, call


def test_pair_does_not_start_newton_at_the_peak():
    """The drive is small against the bias, so a bound on the crossing lies close to the peak, where V is flat."""
    arguments = (0.30000000000000004, -7.608254794817005, 3.391892288815816, 200.0, -4.163336342344337e-15,
                 200.2362026761712, 200.0, -0.23620267617118035, 0.005482281051033107)
    c, x0, x1, a, _, b, gain, delta, now = arguments
    t = cross_pair(*arguments)
    f = c + math.exp(-a * t) * (x0 + x1 * gain * math.expm1(delta * t) / delta)
    assert now < t < 0.0162
    assert abs(f) < 1e-14


# -- the Rolle chain -----------------------------------------------------------------------------------------------------


def zeros(terms, end):
    """All sign changes of sum a exp(-r t) in (0, end), by the chain of derivatives, in mpmath."""
    if len(terms) < 2:
        return []
    first = terms[0][1]
    inner = zeros([(a * (first - r), r) for a, r in terms[1:]], end)
    curve, found = Curve(0, terms), []
    marks = [mp.mpf(0), *inner, mp.mpf(end)]
    for low, high in zip(marks, marks[1:]):
        if (curve(low) < 0) != (curve(high) < 0):
            flipped = Curve(0, [(-a, r) for a, r in terms])
            found.append(zero(curve if curve(low) < 0 else flipped, low, high))
    return found


@pytest.mark.parametrize("scheduler", ["reference", "heap", "layered", "window"])
@pytest.mark.parametrize("modes", [3, 4, 5])
def test_rolle_chain(modes, scheduler):
    rng = np.random.default_rng(modes)
    tau = 20e-3 / np.cumprod(np.concatenate([[1.0], rng.uniform(1.25, 3.0, modes - 1)]))
    rng.shuffle(tau)
    n, end = 60, 0.2
    thr = np.concatenate([[0.0], rng.choice([-1.0, 1.0], modes - 1)])
    x = rng.normal(0.0, 1.0, (n, modes)) * 10.0 ** rng.uniform(-1.0, 1.0, (n, 1))
    v_inf = rng.choice([0.0, 0.5, 1.2, 3.0], n)
    neurons = es.LinearNeuron(n, tau=list(tau), coupling={}, jump=[[1.0] + [0.0] * (modes - 1)], v_inf=v_inf,
                              v_threshold=1.0, v_reset=-1.0, t_ref=math.inf, v_init=v_inf + x[:, 0], thr=list(thr),
                              state_init={k: x[:, k] for k in range(1, modes)})
    net = es.Network()
    net.add("cells", neurons)
    spikes = es.simulate(net, until=end, scheduler=scheduler).spikes["cells"]
    got = dict(zip(spikes.neurons.tolist(), spikes.times.tolist()))
    crossed = 0
    for j in range(n):
        margin = mp.mpf(v_inf[j]) - 1
        start = (mp.mpf(v_inf[j]) + mp.mpf(x[j, 0])) - mp.mpf(v_inf[j])
        terms = [((start if k == 0 else -mp.mpf(thr[k]) * mp.mpf(x[j, k])), 1 / mp.mpf(tau[k])) for k in range(modes)]
        curve = Curve(margin, terms)
        if curve(0) >= 0:
            assert got.get(j) == 0.0
            continue
        ups = [t for t in zeros([(margin, mp.mpf(0)), *terms], end) if curve.slope(t) > 0]
        assert (j in got) == bool(ups), (j, got.get(j), ups)
        if ups:
            crossed += 1
            allowed = SLACK * EPS * (curve.size(ups[0]) + ups[0] * curve.slope(ups[0]))
            assert abs(curve(got[j])) <= 2 * allowed, (j, got[j], mp.nstr(ups[0], 17))
    assert crossed > n / 8
