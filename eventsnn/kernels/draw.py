"""Random rows of synapses from a counter-based generator: row s depends on the keys of its rule and on s alone.

Draw i of row s is ``mix(row_key(key, s) + (i + 1) * GAMMA)``: 64 random bits from integer arithmetic. Normal and exponential
numbers use ziggurats (Marsaglia & Tsang 2000, J. Stat. Softw. 5(8)) whose tables come from exact decimal arithmetic, so no
machine's libm enters: every machine, any number of threads and any order of the rows give the same bits.

A rule is two small arrays: `words` (uint64 [N_WORDS]) and `reals` (float64 [N_REALS]), columns below. `row_of` draws one row.
"""

from decimal import Decimal, localcontext

import numpy as np

from ..jit import inner, kernel, scalar
from .elementary import exp, log, log1p
from .poisson import mix

# words: kind of rule; partners to draw from; synapses per row (outdegree); 1: the row's own neuron is no partner;
# key of the targets; key of the values; 1: values are drawn, 0: not; 1: values are rounded to float32
KIND, PARTNERS, K, SKIP_SELF, KEY, VALUE_KEY, NORMAL, SINGLE, N_WORDS = 0, 1, 2, 3, 4, 5, 6, 7, 8
# reals: skip scale -1 / log(1 - p) (probability); normal values: mean, standard deviation, bounds, grid (0: none), the first
# and last multiple of it that may be drawn
SKIP, MEAN, STD, LOW, HIGH, STEP, FIRST, LAST, N_REALS = 0, 1, 2, 3, 4, 5, 6, 7, 8
# kinds
REPLACE, DISTINCT, PROBABILITY = 0, 1, 2

LAYERS = 256
GAMMA = np.uint64(0x9E3779B97F4A7C15)
ONE, SHIFT32, MASK32, MASK8 = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(LAYERS - 1)
NORMAL_TAIL, NORMAL_AREA = "3.65415288536100877164542972", "0.00492867323397465534736177540"
EXP_TAIL = "7.69711747013104971404462805"
FARTHEST = 14.0  # no normal number is farther from zero: the tail takes -log of at least 2^-53


def _tables():
    """Edges x and heights f(x) of the layers for exp(-x^2 / 2), then for exp(-x): correctly rounded on every machine."""
    with localcontext() as context:
        context.prec = 30
        tables = []
        for tail, height, edge in (
            (Decimal(NORMAL_TAIL), lambda x: (-x * x / 2).exp(), lambda y: (-2 * y.ln()).sqrt()),
            (Decimal(EXP_TAIL), lambda x: (-x).exp(), lambda y: -y.ln()),
        ):
            area = Decimal(NORMAL_AREA) if not tables else (tail + 1) * (-tail).exp()
            x = [area / height(tail), tail]
            while len(x) < LAYERS:
                x.append(edge(height(x[-1]) + area / x[-1]))
            x.append(Decimal(0))
            tables += [np.array([float(v) for v in x]), np.array([float(height(v)) for v in x])]
        return tables


NORMAL_X, NORMAL_F, EXP_X, EXP_F = _tables()
NORMAL_RATIO, EXP_RATIO = NORMAL_X[1:] / NORMAL_X[:-1], EXP_X[1:] / EXP_X[:-1]


@scalar
def row_key(key, row):
    """Key of the draws of row `row` in the stream `key`."""
    return mix(key + (np.uint64(row) + ONE) * GAMMA)


@scalar
def draw(row, i):
    """64 random bits: number `i` of the row with key `row`."""
    return mix(row + (np.uint64(i) + ONE) * GAMMA)


@scalar
def below(z, n):
    """floor(z n / 2^64): uniform over 0..n - 1 to one part in 2^32; n < 2^32."""
    return ((z >> SHIFT32) * n + (((z & MASK32) * n) >> SHIFT32)) >> SHIFT32


@scalar
def unit(z):
    """A number in (0, 1)."""
    return (np.float64(np.int64(z >> np.uint64(12))) + 0.5) * 2.220446049250313e-16


@inner
def _normal_rest(z):
    """`normal` with every branch."""
    while True:
        layer = z & MASK8
        u = np.float64(np.int64(z) >> np.int64(11)) * 2.220446049250313e-16
        x = u * NORMAL_X[layer]
        if abs(u) < NORMAL_RATIO[layer]:
            return x
        z = mix(z + GAMMA)
        if layer == np.uint64(0):
            while True:
                tail = -log(unit(z)) / NORMAL_X[1]
                z = mix(z + GAMMA)
                if -2.0 * log(unit(z)) > tail * tail:
                    tail += NORMAL_X[1]
                    return tail if u > 0.0 else -tail
                z = mix(z + GAMMA)
        low, high = NORMAL_F[layer], NORMAL_F[layer + ONE]
        if low + unit(z) * (high - low) < exp(-0.5 * x * x):
            return x
        z = mix(z + GAMMA)


@scalar
def normal(z):
    """A standard normal number from the random bits `z`; where they do not decide, from others derived from them."""
    layer = z & MASK8
    u = np.float64(np.int64(z) >> np.int64(11)) * 2.220446049250313e-16
    if abs(u) < NORMAL_RATIO[layer]:
        return u * NORMAL_X[layer]
    return _normal_rest(z)


@inner
def _exponential_rest(z):
    """`exponential` with every branch."""
    beyond = 0.0
    while True:
        layer = z & MASK8
        u = unit(z)
        x = u * EXP_X[layer]
        if u < EXP_RATIO[layer]:
            return beyond + x
        z = mix(z + GAMMA)
        if layer == np.uint64(0):  # the tail has the shape of the whole
            beyond += EXP_X[1]
            continue
        low, high = EXP_F[layer], EXP_F[layer + ONE]
        if low + unit(z) * (high - low) < exp(-x):
            return beyond + x
        z = mix(z + GAMMA)


@scalar
def exponential(z):
    """A number > 0 with density exp(-x), from the random bits `z` as in `normal`."""
    layer = z & MASK8
    u = unit(z)
    if u < EXP_RATIO[layer]:
        return u * EXP_X[layer]
    return _exponential_rest(z)


@inner
def _skip_scale(p):
    """See `skip_scale`, which is this for callers from Python."""
    return np.inf if p == 0.0 else -1.0 / log1p(-p)


@kernel
def skip_scale(p):
    """Scale of the exponential numbers whose floor is the number of pairs skipped between synapses of probability `p`."""
    return _skip_scale(p)


@scalar
def skip(place, scale, z):
    """The next place after `place` that a Bernoulli process takes; `scale` as in `skip_scale`."""
    return place + 1.0 + np.floor(exponential(z) * scale)


@inner
def _distinct(row, k, n, at, out):
    """Write `k` distinct numbers of 0..n - 1, ascending, all subsets equally likely, to out[at:at + k]."""
    if k == 0:
        return
    found = 0
    if n <= 8 * k:  # pass over the partners and take each with the probability that it is among those still missing
        i = 0
        while found < k:
            if below(draw(row, i), np.uint64(n - i)) < np.uint64(k - found):
                out[at + found] = np.uint32(i)
                found += 1
            i += 1
        return
    # take every partner with a probability that gives a few more than k, count them, then keep k of them in a second pass
    scale = _skip_scale((k + 2.0 * np.sqrt(k) + 1.0) / n)
    start, many = 0, -1
    while many < k:
        start += many + 1
        many, place = 0, skip(-1.0, scale, draw(row, start))
        while place < n:
            many += 1
            place = skip(place, scale, draw(row, start + many))
    choice, place, i = mix(row), -1.0, 0
    while found < k:
        place = skip(place, scale, draw(row, start + i))
        if below(draw(choice, i), np.uint64(many - i)) < np.uint64(k - found):
            out[at + found] = np.uint32(np.int64(place))
            found += 1
        i += 1


@inner
def pick(kind, key, source, k, n, skip_self, at, out):
    """Write `k` of `n` partners of neuron `source` to out[at:at + k]; its own number is left out if `skip_self`."""
    row, own = row_key(key, source), np.uint64(source)
    if kind == REPLACE:
        stop, many, first = np.uint64(k), np.uint64(n), np.uint64(at)
        bump = own if skip_self else np.uint64(0xFFFFFFFF)
        for i in range(stop):
            target = below(draw(row, i), many)
            out[first + i] = np.uint32(target + np.uint64(target >= bump))
        return
    _distinct(row, k, n, at, out)
    if skip_self:
        for i in range(at, at + k):
            out[i] += np.uint32(out[i] >= own)


@inner
def _skips(row, scale, n, own, at, out):
    """Write the partners of 0..n - 1 that are drawn, without the number `own`; returns how many, -1 if `out` is too short."""
    count, place, i = at, -1.0, 0
    while True:
        place = skip(place, scale, draw(row, i))
        if not place < n:
            return count - at
        if count == out.size:
            return -1
        target = np.int64(place)
        out[count] = np.uint32(target + (target >= own))
        count += 1
        i += 1


@scalar
def bounded(z, mean, std, low, high, single):
    """A normal number in low..high, after rounding to float32 if `single`."""
    while True:
        x = mean + std * normal(z)
        if single:
            x = np.float64(np.float32(x))
        if low <= x <= high:
            return x
        z = mix(z + GAMMA)


@scalar
def multiple(z, mean, std, step, first, last):
    """The number m in first..last of the multiple m * step that is nearest to a normal number."""
    while True:
        m = np.floor((mean + std * normal(z)) / step + 0.5)
        if first <= m <= last:
            return m
        z = mix(z + GAMMA)


@inner
def values_of(words, reals, source, n, at, out):
    """Write the `n` normal values of row `source` to out[at:at + n] (float32 or float64)."""
    row, single = row_key(words[VALUE_KEY], source), words[SINGLE] != np.uint64(0)
    mean, std, low, high, step = reals[MEAN], reals[STD], reals[LOW], reals[HIGH], reals[STEP]
    first, last = reals[FIRST], reals[LAST]
    if step > 0.0:
        for i in range(n):
            x = min(max(multiple(draw(row, i), mean, std, step, first, last) * step, low), high)
            out[at + i] = np.float64(np.float32(x)) if single else x
    else:
        for i in range(n):
            out[at + i] = bounded(draw(row, i), mean, std, low, high, single)


@inner
def draw_row(words, reals, source, at, targets, weights):
    """See `row_of`, which is this for callers from Python."""
    n = np.int64(words[PARTNERS])
    skip_self = words[SKIP_SELF] != np.uint64(0)
    if words[KIND] == np.uint64(PROBABILITY):
        own = source if skip_self else n
        count = _skips(row_key(words[KEY], source), reals[SKIP], n, own, at, targets)
    else:
        count = np.int64(words[K])
        if at + count > targets.size:
            return -1
        pick(np.int64(words[KIND]), words[KEY], source, count, n, skip_self, at, targets)
    if words[NORMAL] != np.uint64(0) and count > 0:
        if at + count > weights.size:
            return -1
        values_of(words, reals, source, count, at, weights)
    return count


@kernel
def row_of(words, reals, source, at, targets, weights):
    """Draw the row of neuron `source` into ``targets[at:at + n]`` (uint32) and return n, or -1 where `targets` is too short.

    With drawn weights (``words[NORMAL]``) they go to the same places of `weights` (float32 or float64, the same values up to
    that rounding); without, `weights` is not touched and may be empty.
    """
    return draw_row(words, reals, source, at, targets, weights)


@kernel
def fill_rows(words, reals, indptr, targets, weights):
    """Draw all rows one after the other and fill `indptr`; returns the number of synapses, -1 if `targets` is too short."""
    at = 0
    indptr[0] = 0
    for source in range(indptr.size - 1):
        count = draw_row(words, reals, source, at, targets, weights)
        if count < 0:
            return -1
        at += count
        indptr[source + 1] = at
    return at


@kernel
def fill_given(words, indptr, targets):
    """Draw the targets of rows whose lengths `indptr` gives."""
    n, kind, skip_self = np.int64(words[PARTNERS]), np.int64(words[KIND]), words[SKIP_SELF] != np.uint64(0)
    for source in range(indptr.size - 1):
        at = indptr[source]
        pick(kind, words[KEY], source, indptr[source + 1] - at, n, skip_self, at, targets)


@kernel
def fill_values(words, reals, indptr, out):
    """Draw the normal values of all rows."""
    for source in range(indptr.size - 1):
        values_of(words, reals, source, indptr[source + 1] - indptr[source], indptr[source], out)


@kernel
def fill_classes(words, reals, indptr, out):
    """Draw normal values on a grid as uint8 or uint16: multiples of it, counted from the first that may be drawn."""
    mean, std, step, first, last = reals[MEAN], reals[STD], reals[STEP], reals[FIRST], reals[LAST]
    for source in range(indptr.size - 1):
        row, start = row_key(words[VALUE_KEY], source), indptr[source]
        for i in range(start, indptr[source + 1]):
            out[i] = np.int64(multiple(draw(row, i - start), mean, std, step, first, last) - first)


@kernel
def count_rows(words, total, distinct, indptr):
    """Spread `total` synapses over the rows; `indptr`, given as zeros, receives the row pointers.

    With `distinct`, every row holds PARTNERS distinct pairs: the places already taken in a row may be thought of as its first
    ones, so a draw is a repetition when its place lies among them. Beyond half of all pairs those left out are drawn.
    """
    rows, n = np.uint64(indptr.size - 1), np.int64(words[PARTNERS])
    pairs = np.int64(rows) * n
    few = not distinct or total <= pairs // 2
    missing, i = total if few else pairs - total, 0
    while missing > 0:
        z = draw(words[KEY], i)
        i += 1
        row = np.int64(below(z, rows)) + 1
        if not distinct or np.int64(below(mix(z + GAMMA), np.uint64(n))) >= indptr[row]:
            indptr[row] += 1
            missing -= 1
    for row in range(1, indptr.size):
        indptr[row] = indptr[row - 1] + (indptr[row] if few else n - indptr[row])
