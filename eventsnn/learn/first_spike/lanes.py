"""Eight neurons at a time: add one input or four to their running sums and test whether any may cross.

Written with generic LLVM vectors, so any processor runs them; strict arithmetic, no contraction: the same bits everywhere. What
an input with weight w does, with the factors g, f, p and bound that all neurons share: a += g w; b += f w; flagged if
b + a p >= bound.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
_F64 = ir.DoubleType()
_V = ir.VectorType(_F64, LANES)
_MASK = ir.VectorType(_I1, LANES)


def _splat(builder, value):
    single = builder.insert_element(ir.Constant(_V, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _load(builder, address, lanes):
    """Eight doubles at `address`; with `lanes`, that many and zeros, so that nothing beyond is read."""
    pointer = builder.inttoptr(address, _V.as_pointer())
    if lanes is None:
        return builder.load(pointer, align=8)
    bits = builder.trunc(builder.sub(builder.shl(_I64(1), lanes), _I64(1)), ir.IntType(LANES))
    kind = ir.FunctionType(_V, [_V.as_pointer(), _I32, _MASK, _V])
    read = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f64.p0")
    return builder.call(read, [pointer, _I32(8), builder.bitcast(bits, _MASK), ir.Constant(_V, [0.0] * LANES)])


def _generate(inputs, partial):
    """The code of a step over eight neurons and `inputs` inputs; `partial`: only the first `lanes` weights exist."""

    def generate(context, builder, signature, args):
        a, b, lanes = args[:3]
        rows, factors = args[3:3 + inputs], [_splat(builder, f) for f in args[3 + inputs:]]
        here = [builder.inttoptr(address, _V.as_pointer()) for address in (a, b)]
        x, y = (builder.load(pointer, align=8) for pointer in here)
        flags = ir.Constant(_MASK, [0] * LANES)
        for k in range(inputs):
            w = _load(builder, rows[k], lanes if partial else None)
            g, f, p, bound = factors[4 * k:4 * k + 4]
            x = builder.fadd(x, builder.fmul(g, w))
            y = builder.fadd(y, builder.fmul(f, w))
            own = builder.fcmp_ordered(">=", builder.fadd(y, builder.fmul(x, p)), bound)
            flags = builder.or_(flags, own)
        mask = builder.zext(builder.bitcast(flags, ir.IntType(LANES)), _I64)
        keep = builder.icmp_unsigned("==", mask, _I64(0)) if inputs > 1 else _I1(1)
        with builder.if_then(keep, likely=True):
            for value, pointer in zip((x, y), here):
                builder.store(value, pointer, align=8)
        return mask

    return generate


def _one(partial):
    def step(typing, a, b, lanes, row, g, f, p, bound):
        """Add one input: `a`, `b` addresses of the sums of the first neuron, `row` of its weight -> bit mask of the flagged."""
        return types.int64(*[types.int64] * 4, *[types.float64] * 4), _generate(1, partial)

    return intrinsic(step)


def _four(partial):
    def step(typing, a, b, lanes, row0, row1, row2, row3, g0, f0, p0, bound0, g1, f1, p1, bound1, g2, f2, p2, bound2, g3, f3,
             p3, bound3):
        """Add four inputs one after the other; if any neuron is flagged on the way nothing is stored."""
        return types.int64(*[types.int64] * 7, *[types.float64] * 16), _generate(4, partial)

    return intrinsic(step)


one_full, one_partial, four_full, four_partial = _one(False), _one(True), _four(False), _four(True)


@intrinsic
def lowest(typing, mask):
    """Index of the lowest set bit."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], _I1(1))

    return types.int64(types.int64), generate
