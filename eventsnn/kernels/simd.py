"""Four synapses at a time: raw addresses, prefetch, and the step that adds four arrivals and tests their neurons.

Written with generic LLVM vectors, so any processor runs them; on most, four neurons take little more time than one. The
arithmetic of the state is that of `fanout.deliver`, operation by operation, without contraction: the same bits.

A neuron is a record that begins with four doubles {margin, x0, x1, x2}, at address `cell + (id << shift)`. Tests are safe
(see `stream`); a margin of -inf never trips them and one of +inf always does.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I1, _I8, _I32, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_F32, _F64 = ir.FloatType(), ir.DoubleType()
_V4 = ir.VectorType(_F64, 4)
SYNAPSES_AHEAD = 16  # how far ahead the states of targets are fetched; arrays of targets are padded by as many entries
SLACK = 1e-9  # relative distance that the tests keep from the threshold


@intrinsic
def address(typing, array):
    """Address of the first element."""

    def generate(context, builder, signature, args):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), generate


def _at(builder, base, offset, kind):
    return builder.inttoptr(builder.add(base, offset) if offset is not None else base, kind.as_pointer())


def _load_id(builder, address, k):
    return builder.zext(builder.load(_at(builder, address, _I64(4 * k), _I32)), _I64)


def _prefetch(builder, address, write):
    kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.inttoptr(address, _I8.as_pointer()), _I32(write), _I32(3), _I32(1)])


@intrinsic
def same_bytes(typing, address, value):
    """How many of the 16 bytes at `address` equal `value` before the first that does not, without a branch."""

    def generate(context, builder, signature, args):
        wide = ir.VectorType(_I8, 16)
        found = builder.load(builder.inttoptr(args[0], wide.as_pointer()), align=1)
        single = builder.insert_element(ir.Constant(wide, ir.Undefined), args[1], _I32(0))
        same = builder.icmp_unsigned("!=", found, builder.shuffle_vector(single, single,
                                                                         ir.Constant(ir.VectorType(_I32, 16), [0] * 16)))
        bits = builder.zext(builder.bitcast(same, ir.IntType(16)), _I64)
        return builder.cttz(builder.or_(bits, _I64(1 << 16)), _I1(1))

    return types.int64(types.int64, types.uint8), generate


@intrinsic
def prefetch(typing, address):
    """Ask for the cache line at `address`."""

    def generate(context, builder, signature, args):
        _prefetch(builder, args[0], 0)
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _splat(builder, value):
    single = builder.insert_element(ir.Constant(_V4, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(_I32, 4), [0] * 4))


def _shuffle(builder, a, b, order):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, 4), order))


def _transpose(builder, rows):
    """Four records as four columns."""
    low01, high01 = _shuffle(builder, rows[0], rows[1], [0, 4, 2, 6]), _shuffle(builder, rows[0], rows[1], [1, 5, 3, 7])
    low23, high23 = _shuffle(builder, rows[2], rows[3], [0, 4, 2, 6]), _shuffle(builder, rows[2], rows[3], [1, 5, 3, 7])
    return (_shuffle(builder, low01, low23, [0, 1, 4, 5]), _shuffle(builder, high01, high23, [0, 1, 4, 5]),
            _shuffle(builder, low01, low23, [2, 3, 6, 7]), _shuffle(builder, high01, high23, [2, 3, 6, 7]))


def _absolute(builder, vector):
    bits = builder.bitcast(vector, ir.VectorType(_I64, 4))
    mask = ir.Constant(ir.VectorType(_I64, 4), [(1 << 63) - 1] * 4)
    return builder.bitcast(builder.and_(bits, mask), _V4)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _mask(builder, trips):
    return builder.zext(builder.bitcast(trips, ir.IntType(4)), _I64)


def _reaches(builder, value, slack):
    zero = ir.Constant(_V4, [0.0] * 4)
    return builder.fcmp_ordered(">=", builder.fadd(value, slack), zero)


def _slack(builder, margin, products):
    size = _absolute(builder, margin)
    for product in products:
        size = builder.fadd(size, _absolute(builder, product))
    return builder.fmul(size, ir.Constant(_V4, [SLACK] * 4))


def _linear(builder, columns, factors):
    """(margin + sum of factor * mode, the products)."""
    products = [builder.fmul(_splat(builder, f), x) for f, x in zip(factors, columns[1:])]
    total = products[0]
    for product in products[1:]:
        total = builder.fadd(total, product)
    return builder.fadd(columns[0], total), products


def _test_end(builder, rows, args):
    """V at the end of the cell (three factors) against a fixed distance below threshold (the fourth)."""
    factors = ir.Constant(_V4, [1.0] * 4)
    for k in range(3):
        factors = builder.insert_element(factors, args[k], _I32(1 + k))
    terms = [builder.fmul(row, factors) for row in rows]
    pairs = [builder.fadd(_shuffle(builder, terms[k], terms[k + 1], [0, 4, 2, 6]),
                          _shuffle(builder, terms[k], terms[k + 1], [1, 5, 3, 7])) for k in (0, 2)]
    value = builder.fadd(_shuffle(builder, *pairs, [0, 1, 4, 5]), _shuffle(builder, *pairs, [2, 3, 6, 7]))
    return builder.fcmp_ordered(">=", value, _splat(builder, args[3]))


def _test_cell(builder, rows, args):
    """V at the end of the cell, raised by the steepest fall on the way (three factors, six of the fall)."""
    columns = _transpose(builder, rows)
    value, products = _linear(builder, columns, args[:3])
    fall = ir.Constant(_V4, [0.0] * 4)
    for k, x in enumerate(columns[1:]):
        late, early = (builder.fmul(_splat(builder, args[3 + 3 * s + k]), x) for s in (0, 1))
        fall = builder.fadd(fall, _larger(builder, late, early))
    value = _larger(builder, value, builder.fadd(value, fall))
    return _reaches(builder, value, _slack(builder, columns[0], products))


def _test_chord(builder, rows, args):
    """The margin and the largest of three linear forms of x0, x1 (two factors each) against a fixed distance (the seventh)."""
    margin, x0, x1, _ = _transpose(builder, rows)
    best = None
    for k in range(3):
        a, b = (_splat(builder, f) for f in args[2 * k:2 * k + 2])
        value = builder.fadd(builder.fmul(a, x0), builder.fmul(b, x1))
        best = value if best is None else _larger(builder, best, value)
    return builder.fcmp_ordered(">=", builder.fadd(margin, best), _splat(builder, args[6]))


def _make_step(weight, test):
    """A step over four synapses: (cell, shift, target, ahead, weight, q, j0, j1, j2, nine factors of the test) -> flags.

    target, weight: addresses of the first of four; ahead: address of four targets whose states will be needed soon; `weight`
    "f4" or "f8", or "row": then `q` is weight times amplitude and the address is not read. Bits 0-3: which neurons trip the
    test.
    """

    def step(typing, cell, shift, target, ahead, weights, q, j0, j1, j2, f0, f1, f2, f3, f4, f5, f6, f7, f8):
        def generate(context, builder, signature, args):
            cell, shift, target, ahead, weights, q = args[:6]
            jump = ir.Constant(_V4, [0.0] * 4)
            for k in range(3):
                jump = builder.insert_element(jump, args[6 + k], _I32(1 + k))
            for k in range(4):
                _prefetch(builder, builder.add(cell, builder.shl(_load_id(builder, ahead, k), shift)), 1)
            rows = []
            for k in range(4):
                pointer = _at(builder, cell, builder.shl(_load_id(builder, target, k), shift), _V4)
                if weight == "row":
                    w = q
                elif weight == "f4":
                    w = builder.fmul(builder.fpext(builder.load(_at(builder, weights, _I64(4 * k), _F32)), _F64), q)
                else:
                    w = builder.fmul(builder.load(_at(builder, weights, _I64(8 * k), _F64)), q)
                row = builder.fadd(builder.load(pointer, align=32), builder.fmul(_splat(builder, w), jump))
                builder.store(row, pointer, align=32)
                rows.append(row)
            return _mask(builder, test(builder, rows, args[9:]))

        number = types.float64
        return types.int64(*[types.int64] * 5, *[number] * 13), generate

    return intrinsic(step)


def _sums(builder, a, b):
    """(sum of the four lanes of a, of b)."""
    pairs = builder.fadd(_shuffle(builder, a, b, [0, 4, 2, 6]), _shuffle(builder, a, b, [1, 5, 3, 7]))
    lanes = [builder.extract_element(pairs, _I32(k)) for k in range(4)]
    return builder.fadd(lanes[0], lanes[2]), builder.fadd(lanes[1], lanes[3])


@intrinsic
def wide_arrival(typing, neuron, weight, jump, factors):
    """Add weight * jump to the four modes of the neuron whose record is at address `neuron`; test it (see `wide`).

    jump, factors: addresses of four and of twelve doubles. Returns 0 where a crossing within the cell is ruled out. The sum is
    that of `fanout.deliver`.
    """

    def generate(context, builder, signature, args):
        neuron, weight, jump, factors = args
        pointer = _at(builder, neuron, _I64(8), _V4)
        step = builder.fmul(_splat(builder, weight), builder.load(_at(builder, jump, None, _V4), align=8))
        x = builder.fadd(builder.load(pointer, align=8), step)
        builder.store(x, pointer, align=8)
        margin = builder.load(_at(builder, neuron, None, _F64))
        now, late, early = (builder.fmul(x, builder.load(_at(builder, factors, _I64(32 * k), _V4), align=8)) for k in range(3))
        value, fall = _sums(builder, now, _larger(builder, late, early))
        zero = ir.Constant(_V4, [0.0] * 4)
        size, _ = _sums(builder, _absolute(builder, now), zero)
        above = builder.fadd(builder.fadd(margin, value),
                             builder.select(builder.fcmp_ordered(">", fall, _F64(0.0)), fall, _F64(0.0)))
        width = builder.select(builder.fcmp_ordered("<", margin, _F64(0.0)), builder.fneg(margin), margin)
        slack = builder.fmul(_F64(SLACK), builder.fadd(width, size))
        return builder.zext(builder.fcmp_ordered(">=", builder.fadd(above, slack), _F64(0.0)), _I64)

    return types.int64(types.int64, types.float64, types.int64, types.int64), generate


def _gathered(builder, cell, size, offset):
    """One double of each of the four records that follow each other from address `cell`."""
    found = ir.Constant(_V4, ir.Undefined)
    for k in range(4):
        at = builder.add(cell, builder.add(builder.mul(size, _I64(k)), _I64(offset)))
        found = builder.insert_element(found, builder.load(_at(builder, at, None, _F64)), _I32(k))
    return found


@intrinsic
def wide_column(typing, cell, size, table, n, offset, factors, skip):
    """Rows of arrivals at the four neurons whose records of `size` bytes begin at address `cell`, until one trips the test.

    table : address of `n` >= 1 records of 64 bytes {address of the weights (f4), amplitude, jumps of the modes}; the weight of
    the first neuron lies `offset` bytes after that address. factors : address of the twelve of the test `wide.wide_test`. Only
    the first two modes change, by the sums of `wide_arrival`. Neurons whose bit is set in `skip` are left alone. Returns
    16 x (rows added) + the neurons that the last one trips.
    """

    def generate(context, builder, signature, args):
        cell, size, table, n, offset, factors, skip = args
        margin, s, i, r, a = (_gathered(builder, cell, size, 8 * k) for k in range(5))
        left = builder.bitcast(builder.trunc(skip, ir.IntType(4)), ir.VectorType(_I1, 4))
        margin = builder.select(left, ir.Constant(_V4, [float("-inf")] * 4), margin)
        f = [_splat(builder, builder.load(_at(builder, factors, _I64(8 * k), _F64))) for k in range(12)]
        mul, add = builder.fmul, builder.fadd
        products = [mul(f[2], r), mul(f[3], a)]
        base = add(margin, add(*products))
        low = add(_larger(builder, mul(f[6], r), mul(f[10], r)), _larger(builder, mul(f[7], a), mul(f[11], a)))
        narrow = _slack(builder, margin, products)
        before = builder.block
        loop, done = builder.append_basic_block("rows"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        row, slow, fast = builder.phi(_I64), builder.phi(_V4), builder.phi(_V4)
        entry = builder.add(table, builder.shl(row, _I64(6)))
        weights = builder.add(builder.load(_at(builder, entry, None, _I64)), offset)
        q, j0, j1 = (_splat(builder, builder.load(_at(builder, entry, _I64(8 * k), _F64))) for k in (1, 2, 3))
        w = builder.load(_at(builder, weights, None, ir.VectorType(_F32, 4)), align=4)
        w = mul(builder.fpext(w, _V4), q)
        x, y = add(slow, mul(w, j0)), add(fast, mul(w, j1))
        terms = [mul(f[0], x), mul(f[1], y)]
        fall = add(low, add(_larger(builder, mul(f[4], x), mul(f[8], x)), _larger(builder, mul(f[5], y), mul(f[9], y))))
        value = add(add(base, add(*terms)), _larger(builder, fall, ir.Constant(_V4, [0.0] * 4)))
        slack = mul(add(_absolute(builder, terms[0]), _absolute(builder, terms[1])), ir.Constant(_V4, [SLACK] * 4))
        trips = _mask(builder, _reaches(builder, value, add(narrow, slack)))
        following = builder.add(row, _I64(1))
        for phi, first, later in ((row, _I64(0), following), (slow, s, x), (fast, i, y)):
            phi.add_incoming(first, before)
            phi.add_incoming(later, builder.block)
        over = builder.or_(builder.icmp_signed("!=", trips, _I64(0)), builder.icmp_signed(">=", following, n))
        builder.cbranch(over, done, loop)
        builder.position_at_end(done)
        x, y = builder.select(left, s, x), builder.select(left, i, y)
        for k in range(4):
            at = builder.add(cell, builder.mul(size, _I64(k)))
            builder.store(builder.extract_element(x, _I32(k)), _at(builder, at, _I64(8), _F64))
            builder.store(builder.extract_element(y, _I32(k)), _at(builder, at, _I64(16), _F64))
        return builder.or_(builder.shl(following, _I64(4)), trips)

    return types.int64(*[types.int64] * 7), generate


STEPS = {(w, t.__name__[6:]): _make_step(w, t) for w in ("row", "f4", "f8") for t in (_test_end, _test_cell, _test_chord)}


def _make_look(test):
    """A look at the four neurons at address `first`, which changes nothing: (first, shift, nine factors) -> flags."""

    def look(typing, first, shift, f0, f1, f2, f3, f4, f5, f6, f7, f8):
        def generate(context, builder, signature, args):
            rows = [builder.load(_at(builder, args[0], builder.shl(_I64(k), args[1]), _V4), align=32) for k in range(4)]
            return _mask(builder, test(builder, rows, args[2:]))

        return types.int64(types.int64, types.int64, *[types.float64] * 9), generate

    return intrinsic(look)


LOOKS = {t.__name__[6:]: _make_look(t) for t in (_test_end, _test_cell, _test_chord)}
