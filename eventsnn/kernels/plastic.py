"""Learning rules: what an arrival, a spike or a timer does to the weights of a projection.

A rule is a row of tables and up to three compiled functions f(w, x, y, s, g, p) -> w, given by their addresses: x are the
traces of the source neuron, y of the target neuron, s the variables of the synapse, g those of the network, p the parameters.
All variables decay exponentially. They are stored scaled by exp(time since the epoch of the rule began / tau), so that nothing
needs to be done between events and one exponential serves a whole row; epochs are a grid, so that no bit depends on who asks.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    B_DECAY,
    B_G,
    B_GROWTH,
    B_S,
    B_X,
    B_Y,
    CSR_F32,
    DENSE_F32,
    DENSE_F64,
    INCOMING_BITS,
    J_DELAYS,
    J_KIND,
    J_ROW,
    J_RULE,
    J_TARGET,
    J_WEIGHT,
    MARGIN,
    P_FIRST,
    R_COLUMN,
    R_FIRST,
    R_G,
    R_PARAMETERS,
    R_POST,
    R_PRE,
    R_PROJECTION,
    R_S,
    R_TARGET,
    R_TIMER,
    R_X,
    R_Y,
    RF_HIGH,
    RF_LENGTH,
    RF_LOW,
    S_THETA,
    S_V_INF,
    UNIFORM,
    V_COUNT,
    V_FIRST,
    V_SET,
    VF_RATE,
    VF_STEP,
)
from .elementary import exp
from .fanout import target_of
from .memory import load_float, store_float
from .simd import address, prefetch

AHEAD = 8  # synapses whose neurons are fetched in advance; arrays of targets are padded by more
FAR = 16  # the same of a column, whose weights lie far apart


@intrinsic
def call_rule(typing, function, w, x, y, s, g, p):
    """Call the function at address `function`; x, y, s, g, p are addresses."""

    def generate(context, builder, signature, args):
        number, pointer = ir.DoubleType(), ir.DoubleType().as_pointer()
        kind = ir.FunctionType(number, [number, *[pointer] * 5])
        given = [builder.inttoptr(a, pointer) for a in args[2:]]
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], *given])

    return types.float64(types.int64, types.float64, *[types.int64] * 5), generate


@inlined
def bring(wir, st, r, now):
    """Carry the variables of rule `r` into the epoch of `now`; their decay and growth since it began go to the buffer."""
    length, k = wir.rulef[r, RF_LENGTH], st.turn[r, 0]
    first = wir.rule[r, R_FIRST]
    n = wir.rule[r, R_X] + wir.rule[r, R_Y] + wir.rule[r, R_S] + wir.rule[r, R_G]
    while (k + 1) * length <= now:
        k += 1
        for v in range(first, first + n):
            factor = exp(-length * wir.variablef[v, VF_RATE])
            at = wir.variable[v, V_FIRST]
            for i in range(at, at + wir.variable[v, V_COUNT]):
                st.trace[i] *= factor
    st.turn[r, 0] = k
    time = now - k * length if k > 0 else now
    for v in range(n):
        rate = wir.variablef[first + v, VF_RATE]
        st.buffer[B_DECAY + v] = exp(-time * rate)
        st.buffer[B_GROWTH + v] = 1.0 / st.buffer[B_DECAY + v]


@inlined
def next_epoch(wir, r, now):
    """When the next epoch of rule `r` begins after `now`; a window that ends there sees one epoch only."""
    length = wir.rulef[r, RF_LENGTH]
    if length == np.inf:
        return length
    k = np.floor(now / length)
    while (k + 1.0) * length <= now:
        k += 1.0
    return (k + 1.0) * length


@inlined
def see(wir, st, r, skip, n, to, i):
    """Put `n` variables of rule `r`, after its first `skip`, of neuron or synapse `i` into the buffer from `to` on."""
    for m in range(n):
        v = wir.rule[r, R_FIRST] + skip + m
        st.buffer[to + m] = st.trace[wir.variable[v, V_FIRST] + i] * st.buffer[B_DECAY + skip + m]


@inlined
def keep(wir, st, r, skip, n, at, i):
    """Take variables back that a function has changed; the others are left as they are, to the last bit."""
    for m in range(n):
        v = wir.rule[r, R_FIRST] + skip + m
        place = wir.variable[v, V_FIRST] + i
        if st.buffer[at + m] != st.trace[place] * st.buffer[B_DECAY + skip + m]:
            st.trace[place] = st.buffer[at + m] * st.buffer[B_GROWTH + skip + m]


@inlined
def step(wir, st, r, skip, n, i):
    """Traces of neuron `i` after its spike: raised by their step, or set to it."""
    for m in range(n):
        v = wir.rule[r, R_FIRST] + skip + m
        place, jump = wir.variable[v, V_FIRST] + i, wir.variablef[v, VF_STEP] * st.buffer[B_GROWTH + skip + m]
        st.trace[place] = jump if wir.variable[v, V_SET] != 0 else st.trace[place] + jump


@inlined
def place_of(word):
    """Position, as in `post`, of the synapse that `word` of Wiring.incoming stands for."""
    return word & ((1 << INCOMING_BITS) - 1)


@inlined
def line_of(wir, k, source, first):
    """Index of the traces of arrivals from neuron `source` at a row that begins at `first`: one for each delay."""
    return source if wir.proj[k, J_DELAYS] == UNIFORM else first - wir.row[wir.proj[k, J_ROW]]


@inlined
def weight_index(wir, k, source, target, i):
    """Index, in the array of its precision, of the weight of the synapse at position `i`, from neuron `source` to `target`."""
    if is_dense(wir, k):
        return wir.proj[k, J_WEIGHT] + source * width_of(wir, k) + target
    return wir.proj[k, J_WEIGHT] + i


@inlined
def is_dense(wir, k):
    """Whether projection `k` has a weight for every pair of neurons."""
    return wir.proj[k, J_KIND] == DENSE_F32 or wir.proj[k, J_KIND] == DENSE_F64


@inlined
def is_single(wir, k):
    """Whether the weights of projection `k` are f4."""
    return wir.proj[k, J_KIND] == DENSE_F32 or wir.proj[k, J_KIND] == CSR_F32


@inlined
def width_of(wir, k):
    """Number of target neurons of projection `k`."""
    return wir.pop[wir.proj[k, J_TARGET] + 1, P_FIRST] - wir.pop[wir.proj[k, J_TARGET], P_FIRST]


@inlined
def within(st, r, new, old, low, high):
    """`new` kept within `low` and `high`; nan is noted, and `old` stays."""
    if new != new:
        st.turn[r, 2] = 1
        return old
    return min(max(new, low), high)


@inlined
def change(wir, st, r, function, single, at, base, p, low, high):
    """Call `function` for the weight of index `at`; its variables lie at address `base`, parameters at `p`."""
    u = np.uint64(at)
    old = np.float64(wir.w32[u]) if single else wir.w64[u]
    w = call_rule(function, old, base + 8 * B_X, base + 8 * B_Y, base + 8 * B_S, base + 8 * B_G, p)
    w = within(st, r, w, old, low, high)
    if single:
        wir.w32[u] = np.float32(w)
    else:
        wir.w64[u] = w


@inlined
def change_synapse(wir, st, r, k, function, source, target, i):
    """`change`, with the variables of the synapse put in and taken back."""
    at = weight_index(wir, k, source, target, i)
    synapse = at - wir.proj[k, J_WEIGHT]
    if not is_dense(wir, k):
        synapse -= wir.row[wir.proj[k, J_ROW]]
    ns, skip = wir.rule[r, R_S], wir.rule[r, R_X] + wir.rule[r, R_Y]
    see(wir, st, r, skip, ns, B_S, synapse)
    change(wir, st, r, function, is_single(wir, k), at, address(st.buffer), address(wir.ruled) + 8 * wir.rule[r, R_PARAMETERS],
           wir.rulef[r, RF_LOW], wir.rulef[r, RF_HIGH])
    keep(wir, st, r, skip, ns, B_S, synapse)


@inlined
def begin(wir, st, r, now):
    """Numbers of the variables x and y, and of those before g; g is put into the buffer."""
    bring(wir, st, r, now)
    nx, ny = wir.rule[r, R_X], wir.rule[r, R_Y]
    before = nx + ny + wir.rule[r, R_S]
    see(wir, st, r, before, wir.rule[r, R_G], B_G, 0)
    return nx, ny, before


@inlined
def first_trace(wir, st, r, skip):
    """Address of the first entry, and decay, of variable number `skip` of rule `r`."""
    v = wir.rule[r, R_FIRST] + skip
    return address(st.trace) + 8 * wir.variable[v, V_FIRST], st.buffer[B_DECAY + skip]


@inlined
def row_of_one(wir, st, r, k, source, first, end, function, start, low, high):
    """The arrivals of a row at synapses without variables of their own, whose targets have one trace: the common case."""
    traces, decay = first_trace(wir, st, r, wir.rule[r, R_X])
    base, p, single = address(st.buffer), address(wir.ruled) + 8 * wir.rule[r, R_PARAMETERS], is_single(wir, k)
    dense = is_dense(wir, k)
    shift = wir.proj[k, J_WEIGHT] + (source * width_of(wir, k) - start if dense else 0)
    for i in range(first, end):
        target = np.int64(i) if dense else np.int64(wir.post[np.uint64(i)])
        if not dense:
            prefetch(traces + 8 * (np.int64(wir.post[np.uint64(i + AHEAD)]) - start))
        store_float(base + 8 * B_Y, load_float(traces + 8 * (target - start)) * decay)
        change(wir, st, r, function, single, shift + i, base, p, low, high)


@inlined
def column_of_one(wir, st, r, k, target, begin_at, end_at, function, low, high):
    """A spike of neuron `target` (local) for synapses without variables of their own, whose sources have one trace."""
    traces, decay = first_trace(wir, st, r, 0)
    base, p, single = address(st.buffer), address(wir.ruled) + 8 * wir.rule[r, R_PARAMETERS], is_single(wir, k)
    weights, size = (address(wir.w32), 4) if single else (address(wir.w64), 8)
    for x in range(begin_at - FAR * (end_at > begin_at), end_at):
        soon = wir.incoming[np.uint64(min(x + FAR, end_at - 1))]
        prefetch(traces + 8 * (soon >> INCOMING_BITS))
        prefetch(weights + size * weight_index(wir, k, soon >> INCOMING_BITS, target, place_of(soon)))
        if x < begin_at:
            continue
        word = wir.incoming[np.uint64(x)]
        line, at = word >> INCOMING_BITS, place_of(word)
        store_float(base + 8 * B_X, load_float(traces + 8 * line) * decay)
        change(wir, st, r, function, single, weight_index(wir, k, line, target, at), base, p, low, high)


@inner
def learn_row(wir, st, k, source, first, end, now):
    """An arrival of neuron `source` (local) at the synapses first to end - 1 of projection `k`, before it is delivered."""
    r = wir.proj[k, J_RULE]
    nx, ny, before = begin(wir, st, r, now)
    line = line_of(wir, k, source, first)
    see(wir, st, r, 0, nx, B_X, line)
    function, start = wir.rule[r, R_PRE], wir.pop[wir.proj[k, J_TARGET], P_FIRST]
    if function != 0:
        if ny == 1 and wir.rule[r, R_S] == 0:
            row_of_one(wir, st, r, k, source, first, end, function, start, wir.rulef[r, RF_LOW], wir.rulef[r, RF_HIGH])
        else:
            for i in range(first, end):
                target = np.int64(target_of(wir, k, i)) - start
                see(wir, st, r, nx, ny, B_Y, target)
                change_synapse(wir, st, r, k, function, source, target, i)
        keep(wir, st, r, before, wir.rule[r, R_G], B_G, 0)
    step(wir, st, r, 0, nx, line)


@inner
def learn_column(wir, st, p, j, now):
    """A spike of neuron `j` of population `p`: all rules of projections onto it."""
    for r in range(wir.rule.shape[0]):
        k, target = wir.rule[r, R_PROJECTION], j - wir.pop[p, P_FIRST]
        if wir.rule[r, R_TARGET] != p:
            continue
        if k < 0:
            adapt_one(wir, st, r, target, j, now)
            continue
        nx, ny, before = begin(wir, st, r, now)
        see(wir, st, r, nx, ny, B_Y, target)
        function, at = wir.rule[r, R_POST], wir.rule[r, R_COLUMN] + target
        if function != 0:
            if nx == 1 and wir.rule[r, R_S] == 0:
                column_of_one(wir, st, r, k, target, wir.column[at], wir.column[at + 1], function, wir.rulef[r, RF_LOW],
                              wir.rulef[r, RF_HIGH])
            else:
                for x in range(wir.column[at], wir.column[at + 1]):
                    line = wir.incoming[x] >> INCOMING_BITS
                    see(wir, st, r, 0, nx, B_X, line)
                    change_synapse(wir, st, r, k, function, line, target, place_of(wir.incoming[x]))
            keep(wir, st, r, before, wir.rule[r, R_G], B_G, 0)
        step(wir, st, r, nx, ny, target)


@inner
def learn_all(wir, st, r, now):
    """A timer event of rule `r`: its function for all synapses, target by target."""
    k = wir.rule[r, R_PROJECTION]
    nx, ny, before = begin(wir, st, r, now)
    p = wir.proj[k, J_TARGET]
    for target in range(wir.pop[p + 1, P_FIRST] - wir.pop[p, P_FIRST]):
        see(wir, st, r, nx, ny, B_Y, target)
        at = wir.rule[r, R_COLUMN] + target
        for x in range(wir.column[at], wir.column[at + 1]):
            line = wir.incoming[x] >> INCOMING_BITS
            see(wir, st, r, 0, nx, B_X, line)
            change_synapse(wir, st, r, k, wir.rule[r, R_TIMER], line, target, place_of(wir.incoming[x]))
    keep(wir, st, r, before, wir.rule[r, R_G], B_G, 0)


@inlined
def adapt(wir, st, r, target, j, function, old):
    """What `function` of rule `r` makes of threshold `old` of neuron `j`, number `target` of its population."""
    ny = wir.rule[r, R_Y]
    see(wir, st, r, 0, ny, B_Y, target)
    base = address(st.buffer)
    v = call_rule(function, old, base + 8 * B_X, base + 8 * B_Y, base + 8 * B_S, base + 8 * B_G,
                  address(wir.ruled) + 8 * wir.rule[r, R_PARAMETERS])
    keep(wir, st, r, 0, ny, B_Y, target)
    return within(st, r, v, old, wir.rulef[r, RF_LOW], wir.rulef[r, RF_HIGH])


@inlined
def adapt_one(wir, st, r, target, j, now):
    """A spike of neuron `j` changes its own threshold."""
    _, ny, before = begin(wir, st, r, now)
    function = wir.rule[r, R_POST]
    if function != 0:
        st.par[j, S_THETA] = adapt(wir, st, r, target, j, function, st.par[j, S_THETA])
        if st.flag[j, 0] == ACTIVE:
            st.cell[j, MARGIN] = st.par[j, S_V_INF] - st.par[j, S_THETA]
        keep(wir, st, r, before, wir.rule[r, R_G], B_G, 0)
    step(wir, st, r, 0, ny, target)


@inner
def adapt_all(wir, st, r, now, out):
    """A timer event of rule `r` of neurons: out[i] is the new threshold of neuron number `i` of its population."""
    _, _, before = begin(wir, st, r, now)
    first = wir.pop[wir.rule[r, R_TARGET], P_FIRST]
    for i in range(out.size):
        out[i] = adapt(wir, st, r, i, first + i, wir.rule[r, R_TIMER], st.par[first + i, S_THETA])
    keep(wir, st, r, before, wir.rule[r, R_G], B_G, 0)
