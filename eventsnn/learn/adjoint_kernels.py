"""Compiled sweeps of `adjoint`: the drives at every spike, forwards, and the adjoint of every spike, backwards.

A neuron's spikes t_k and the ends of its refractory periods r_k = t_k + t_ref cut its time into held intervals
[t_k, r_k), in which V rests at v_reset, and free ones [r_k, t_{k+1}). An arrival at time a acts through the first spike
*after* a and through nothing else, so neither sweep keeps a queue: both look up the interval of `a` and take one step in
closed form. With l_V = dL/dV and l_g = dL/dg (drive), tau_mem dV/dt = v_inf - V + g and tau_syn dg/dt = -g,

    free, back by h:     l_V -> l_V e^(-h/tau_mem),   l_g -> l_g e^(-h/tau_syn) + l_V K(h)
    held, back by h:     l_V = 0,                     l_g -> l_g e^(-h/tau_syn)
    arrival (w, a):      dL/dw += l_g,   dL/da = w (l_g / tau_syn - l_V / tau_mem)
    release r:           dL/dr = -l_V(r) V'(r)
    spike t:             D = dL/dt + sum of dL/da + dL/dr,   l_V(t-) = -D / V'(t-),   l_g(t-) = l_g(t+)

where K(h) is what a unit of drive adds to V after h, and V' of a spike excludes arrivals of its very instant.
Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829, extended to delays and refractoriness.
"""

from ..jit import inlined, kernel
from ..kernels.elementary import exp, expm1

# columns of `spike`: time; end of the previous refractory period (-1 for a neuron's first spike); dL/dV and dL/dg just
# before it; dL/dg at START; drive at START; drive just before it, replaced backwards by dL/dV at START; dL/dtime
TIME, START, ADJ_V, ADJ_G, ADJ_START, DRIVE_START, DRIVE, TOTAL, SPIKE_COLUMNS = range(9)
ADJ_V_START = DRIVE
# columns of `neuron` (populations that only emit: 0); RATE_SLOW: smaller of RATE_MEM and RATE_SYN; RATE_GAP: their distance
RATE_MEM, RATE_SYN, RATE_SLOW, RATE_GAP, V_INF, V_THRESHOLD, V_RESET, DRIVEN, NEURON_COLUMNS = range(9)
# columns of `table`, per projection: where its rows begin in `row`, its targets in `target`, its weights and delays; steps
# between weights and between delays (0: one for all); first neuron of the target population
ROW, POST, WEIGHT, WEIGHT_STEP, DELAY, DELAY_STEP, TARGET, TABLE_COLUMNS = range(8)
# columns of `parameter`
PARAMETERS = ("v_threshold", "v_reset", "i_offset", "t_ref", "v_init")
D_THRESHOLD, D_RESET, D_OFFSET, D_REF, D_INIT = range(5)


@inlined
def _flow(neuron, j, h):
    """(e^(-h/tau_mem), e^(-h/tau_syn), K(h)) of neuron `j`; exact into equal time constants."""
    slow = exp(-neuron[j, RATE_SLOW] * h)
    gap = neuron[j, RATE_GAP]
    if gap == 0.0:
        return slow, slow, neuron[j, RATE_MEM] * h * slow
    rest = expm1(-gap * h)
    transfer = -neuron[j, RATE_MEM] * slow * rest / gap
    fast = slow + slow * rest
    if neuron[j, RATE_MEM] < neuron[j, RATE_SYN]:
        return slow, fast, transfer
    return fast, slow, transfer


@inlined
def _after(spike, k, end, time):
    """First spike of k..end - 1 that is later than `time`, or `end`: doubling steps, then bisection."""
    if k == end or spike[k, TIME] > time:
        return k
    low, step = k, 1
    while low + step < end and spike[low + step, TIME] <= time:
        low += step
        step *= 2
    high = min(low + step, end)
    while high - low > 1:
        middle = (low + high) // 2
        if spike[middle, TIME] > time:
            high = middle
        else:
            low = middle
    return high


@kernel
def forward(spike, first, order, who, whose, pop_first, out_first, out, table, row, target, weight, delay, neuron, near):
    """Fill DRIVE_START and DRIVE of `spike` [n, SPIKE_COLUMNS], sorted by (neuron, time).

    `first` [N + 1]: first spike of each neuron; `order` [n]: spikes by time; `who` [n]: their neurons; `whose` [N]:
    populations; `pop_first` [P + 1]: first neurons; `out[out_first[p]:out_first[p + 1]]`: projections of population p;
    `near` [N]: scratch. Other arguments: see the columns above.
    """
    for j in range(near.size):
        near[j] = first[j]
    for s in order:
        j, time = who[s], spike[s, TIME]
        near[j] = s + 1
        pop = whose[j]
        for q in range(out_first[pop], out_first[pop + 1]):
            c = out[q]
            at = table[c, ROW] + j - pop_first[pop]
            for p in range(row[at], row[at + 1]):
                i = table[c, TARGET] + target[table[c, POST] + p]
                arrival = time + delay[table[c, DELAY] + p * table[c, DELAY_STEP]]
                k = _after(spike, near[i], first[i + 1], arrival)
                if k == first[i + 1]:
                    continue
                w = weight[table[c, WEIGHT] + p * table[c, WEIGHT_STEP]]
                if arrival < spike[k, START]:
                    spike[k, DRIVE_START] += w * exp((arrival - spike[k, START]) * neuron[i, RATE_SYN])
                else:
                    spike[k, DRIVE] += w * exp((arrival - spike[k, TIME]) * neuron[i, RATE_SYN])
    for j in range(near.size):
        for k in range(first[j] + 1, first[j + 1]):
            rate = neuron[j, RATE_SYN]
            spike[k, DRIVE_START] += spike[k - 1, DRIVE] * exp((spike[k - 1, TIME] - spike[k, START]) * rate)
            spike[k, DRIVE] += spike[k, DRIVE_START] * exp((spike[k, START] - spike[k, TIME]) * rate)


@inlined
def _own(spike, s, last, neuron, j, parameter):
    """Take the adjoint of neuron `j` through its spike `s`, back to START of `s`; returns whether V' is not positive."""
    total, time, held = spike[s, TOTAL], spike[s, TIME], 0.0
    if not last:
        after = spike[s + 1, ADJ_V_START]
        fall = after * neuron[j, RATE_MEM] * (neuron[j, V_RESET] - neuron[j, V_INF] - spike[s + 1, DRIVE_START])
        total += fall
        parameter[j, D_RESET] += after
        parameter[j, D_REF] += fall
        held = spike[s + 1, ADJ_START] * exp((time - spike[s + 1, START]) * neuron[j, RATE_SYN])
    slope = neuron[j, RATE_MEM] * (neuron[j, V_INF] - neuron[j, V_THRESHOLD] + spike[s, DRIVE])
    adjoint = 0.0
    if time > 0.0 and slope > 0.0:  # a neuron that starts above its threshold fires at 0, whatever happens
        adjoint = -total / slope
        parameter[j, D_THRESHOLD] -= adjoint
    begin = spike[s, START]
    membrane, synapse, transfer = _flow(neuron, j, time - max(begin, 0.0))
    spike[s, TOTAL] = total
    spike[s, ADJ_V], spike[s, ADJ_G] = adjoint, held
    spike[s, ADJ_START] = held * synapse + adjoint * transfer
    spike[s, ADJ_V_START] = adjoint * membrane
    parameter[j, D_OFFSET] += adjoint * (1.0 - membrane)
    if begin < 0.0:
        parameter[j, D_INIT] = adjoint * membrane
    return time > 0.0 and not slope > 0.0


@kernel
def backward(spike, first, order, who, whose, pop_first, out_first, out, table, row, target, weight, delay, neuron, near,
             d_weight, d_delay, parameter):
    """Adjoint of every spike, latest first; returns the number of spikes whose V' is not positive.

    TOTAL of `spike` holds the direct dL/dt and receives the total. `d_weight` and `d_delay` are laid out like `weight`
    and `delay`, `parameter` [N, 5] like PARAMETERS; all three must be zero. Other arguments: see `forward`, which goes first.
    """
    grazing = 0
    for j in range(near.size):
        near[j] = first[j + 1]
    for rank in range(order.size - 1, -1, -1):
        s = order[rank]
        j, time = who[s], spike[s, TIME]
        total = spike[s, TOTAL]
        pop = whose[j]
        for q in range(out_first[pop], out_first[pop + 1]):
            c = out[q]
            at = table[c, ROW] + j - pop_first[pop]
            for p in range(row[at], row[at + 1]):
                i = table[c, TARGET] + target[table[c, POST] + p]
                d = table[c, DELAY] + p * table[c, DELAY_STEP]
                arrival = time + delay[d]
                k = _after(spike, near[i], first[i + 1], arrival)
                if k == first[i + 1]:
                    continue
                if arrival < spike[k, START]:
                    adj_v, adj_g = 0.0, spike[k, ADJ_START] * exp((arrival - spike[k, START]) * neuron[i, RATE_SYN])
                else:
                    membrane, synapse, transfer = _flow(neuron, i, spike[k, TIME] - arrival)
                    adj_v = spike[k, ADJ_V] * membrane
                    adj_g = spike[k, ADJ_G] * synapse + spike[k, ADJ_V] * transfer
                w = table[c, WEIGHT] + p * table[c, WEIGHT_STEP]
                change = weight[w] * (adj_g * neuron[i, RATE_SYN] - adj_v * neuron[i, RATE_MEM])
                d_weight[w] += adj_g
                d_delay[d] += change
                total += change
        spike[s, TOTAL] = total
        if neuron[j, DRIVEN] > 0.0:
            grazing += _own(spike, s, s + 1 == first[j + 1], neuron, j, parameter)
        near[j] = s
    return grazing
