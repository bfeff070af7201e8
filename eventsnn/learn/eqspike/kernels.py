"""Compiled: one presentation of an EqSpike network, event by event, and the weight changes that its spikes drive.

All neurons share tau_syn and tau_mem = 2 tau_syn, so with y = exp(-t / tau_mem)

    V = I + A y + B y^2,    S (synaptic current) = -B y^2,    r1 = P z,    r2 = (Q + P t / tau_f) z,    z = exp(-t / tau_f)

A, B, P, Q are constant between the events of a neuron: an event costs a few exponentials, whatever the number of neurons. Times
count from the start of the phase. Hidden neurons 0 ... n_hidden - 1, then outputs, then neurons without input that fill the
last vector. A = -inf marks a refractory neuron.
"""

import math

import numpy as np

from ...jit import inlined, kernel, scalar
from .events import fill_events

SYN = 0.5  # tau_syn / tau_mem
WORK = 10  # rows of scratch
BLOCK = 16  # neurons looked at together
ALL, INPUT, HIDDEN, OUTPUT = 4, 0, 1, 2  # columns of the counts


@scalar
def first_root(a, b, c, least):
    """Largest y in [least, 1] with a y + b y^2 + c >= 0, 0 without one; the sum is at or below 0 at y = 1 but for rounding."""
    if a + b + c >= 0.0:
        return 1.0
    square = a * a - 4.0 * b * c
    if square < 0.0:
        return 0.0
    q = -0.5 * (a + math.copysign(math.sqrt(square), a))
    found = 0.0
    if b != 0.0:
        y = q / b
        if least <= y <= 1.0:
            found = y
    if q != 0.0:
        y = c / q
        if least <= y <= 1.0 and y > found:
            found = y
    return found


@inlined
def _may_cross(a, b, current, first, last, y_end, length, tau_mem, theta):
    """Whether any of the neurons may reach theta within `length` before the time of y_end.

    From its maximum on V is concave for tau_mem ln 2, so it lies below the end point's tangent: V_end - length V'_end bounds
    it.
    """
    square = y_end * y_end
    ka, kb = y_end * length / tau_mem, 2.0 * square * length / tau_mem
    a, b, current = a[first:last], b[first:last], current[first:last]  # counted from 0, so that the loop is vectorised
    hot = 0
    for i in range(last - first):
        v = current[i] + a[i] * y_end + b[i] * square
        fall = a[i] * ka + b[i] * kb
        hot |= int(v >= theta) | int(v + fall >= theta)
    return hot != 0


@inlined
def _search(a, b, current, first, last, t, h, y, y_end, theta, tau_mem, due, who, n_due):
    """Add the crossings of neurons first ... last - 1 in [t, h] to the list of those due; returns its length."""
    least = y_end / y
    for block in range(first, last, BLOCK):
        stop = min(block + BLOCK, last)
        if _may_cross(a, b, current, block, stop, y_end, h - t, tau_mem, theta):
            for i in range(block, stop):
                if _may_cross(a, b, current, i, i + 1, y_end, h - t, tau_mem, theta):
                    root = first_root(a[i] * y, b[i] * y * y, current[i] - theta, least)
                    if root > 0.0:
                        due[n_due], who[n_due] = min(t - tau_mem * math.log(root), h), i
                        n_due += 1
    return n_due


@inlined
def _deliver_and_test(a, b, current, weights, fa, fb, y_end, length, tau_mem, theta):
    """Add weights [n] to all neurons and ask `_may_cross`, in one pass."""
    square = y_end * y_end
    ka, kb = y_end * length / tau_mem, 2.0 * square * length / tau_mem
    hot = 0
    for i in range(weights.size):
        a_i, b_i = a[i] + fa * weights[i], b[i] - fb * weights[i]
        a[i], b[i] = a_i, b_i
        v = current[i] + a_i * y_end + b_i * square
        fall = a_i * ka + b_i * kb
        hot |= int(v >= theta) | int(v + fall >= theta)
    return hot != 0


@inlined
def _errors(rates, first, n_out, label, steep, errors):
    """Errors [n_out] of softmax(steep * rates) against the label, divided by the largest, which is returned."""
    highest, total, largest = -np.inf, 0.0, 0.0
    for k in range(n_out):
        highest = max(highest, rates[first + k])
    for k in range(n_out):
        errors[k] = math.exp(steep * (rates[first + k] - highest))
        total += errors[k]
    for k in range(n_out):
        errors[k] = (1.0 if k == label else 0.0) - errors[k] / total
        largest = max(largest, abs(errors[k]))
    if largest > 0.0:
        for k in range(n_out):
            errors[k] /= largest
    return largest


@kernel
def present(x, key, v, w1, w2, w2_back, bias, label, phases, read_from, constants, n_hidden, n_out, g1, g2, g2_back, g_bias,
            at_once, output, counts, times, sources, bins, work, lists, spike_times, spike_neurons):
    """Present one sample; returns the number of recorded spikes.

    x [n_in] : rates of the inputs in [0, 1]; key : of its random numbers; v [n] : potentials at the start
    w1 [n_in, n], w2 [n_hidden, n_out], w2_back [n_out, n_hidden] (its transpose), bias [n]; n : padded, see above
    phases [k, 4] : duration, beta, gains of changes of w1 and of w2 with the biases that belong to them (0: none); read_from :
    start of the readout within the first phase
    constants : tau_mem, tau_filter, theta, t_ref, 1 if spikes of inputs take the mean change of rate since the last one,
    steepness of the softmax (0: squared error), error below which the presentation ends where the nudge would begin
    g1, g2, g2_back, g_bias : weight changes are added to them; `at_once`: g2 and g2_back are the weights, to be kept alike
    output [3, n_out] : spikes in the readout, the first, the last; counts [2, 4] : spikes of inputs, hidden, outputs while not
    learning and while learning; times, sources, bins, work [WORK, n], lists [2, n] : scratch; spike_times, spike_neurons :
    record, if they have room
    """
    tau_mem, tau_f, theta, t_ref = constants[0], constants[1], constants[2], constants[3]
    intervals, steep, least = constants[4] != 0.0, constants[5], constants[6]
    tau_syn, n, used = SYN * tau_mem, bias.size, n_hidden + n_out
    total, plastic = 0.0, False
    for k in range(phases.shape[0]):
        total += phases[k, 0]
        plastic |= phases[k, 2] != 0.0 or phases[k, 3] != 0.0
    n_events = fill_events(x, key, total, t_ref, times, sources, bins)
    a, b, current, p, q, start2 = work[0], work[1], work[2], work[3], work[4], work[5]
    own, due, free_at, drive, who, free_who = work[6], work[7], work[8], work[9], lists[0], lists[1]
    free_first, n_held = 0, 0
    for i in range(n):
        a[i], b[i], current[i] = v[i] - bias[i], 0.0, bias[i]
        p[i] = q[i] = own[i] = 0.0
    for k in range(n_out):
        output[0, k], output[1, k], output[2, k] = 0.0, np.inf, -np.inf
    jump, jump_f = t_ref / tau_syn, t_ref / tau_f
    recorded, event, before, beta, size, known = 0, 0, 0.0, 0.0, 1.0, False
    for phase in range(phases.shape[0]):
        change = phases[phase, 1] - beta
        beta = phases[phase, 1]
        if steep > 0.0 and change != 0.0:  # the nudge: currents along the errors at its begin
            if not known:
                size, known = _errors(q, n_hidden, n_out, label, steep, drive), True
                if size < least:
                    break
            for k in range(n_out):
                current[n_hidden + k] += change * drive[k]
                a[n_hidden + k] -= change * drive[k]
        elif change != 0.0:  # or a current, and a synapse from the output to itself that knows its past
            for k in range(n_out):
                i = n_hidden + k
                a[i] -= change * own[k]
                b[i] += change * own[k]
            if label >= 0:
                current[n_hidden + label] += change
                a[n_hidden + label] -= change
        end, gain, gain2 = phases[phase, 0], size * phases[phase, 2], size * phases[phase, 3]
        learning = int(gain != 0.0 or gain2 != 0.0)
        if learning:
            for i in range(n):
                start2[i] = q[i]
        t, y, arriving = 0.0, 1.0, -1
        while True:
            upcoming = times[event] - before if event < n_events else np.inf
            h = min(min(upcoming, end), t + tau_syn)
            y_h = math.exp(-h / tau_mem)
            n_due = 0
            if arriving >= 0:
                counts[learning, INPUT] += 1
                if gain != 0.0 and not intervals:
                    z = gain * jump_f * math.exp(-t / tau_f)
                    c = z * (1.0 - t / tau_f)
                    row = g1[arriving]
                    for i in range(n_hidden):
                        row[i] += c * p[i] - z * q[i]
                f = jump / y
                hot = _deliver_and_test(a, b, current, w1[arriving], f, f / y, y_h, h - t, tau_mem, theta)
            else:
                hot = _may_cross(a, b, current, 0, n, y_h, h - t, tau_mem, theta)
            if hot:
                n_due = _search(a, b, current, 0, used, t, h, y, y_h, theta, tau_mem, due, who, n_due)
            while True:
                best, when = -1, np.inf
                for m in range(n_due):
                    if due[m] < when or (due[m] == when and who[m] < who[best]):
                        best, when = m, due[m]
                released = free_at[free_first] if n_held > 0 else np.inf
                if best < 0 and released >= h:
                    break
                if released < when:  # the end of refractoriness: V = 0 there
                    i = free_who[free_first]
                    free_first, n_held = (free_first + 1) % n, n_held - 1
                    y_now = math.exp(-released / tau_mem)
                    a[i] = -(current[i] + b[i] * y_now * y_now) / y_now
                    n_due = _search(a, b, current, i, i + 1, released, h, y_now, y_h, theta, tau_mem, due, who, n_due)
                    continue
                i = who[best]
                n_due -= 1
                due[best], who[best] = due[n_due], who[n_due]
                y_now = math.exp(-when / tau_mem)
                a[i] = -np.inf
                m = (free_first + n_held) % n
                free_at[m], free_who[m], n_held = when + t_ref, i, n_held + 1
                if recorded < spike_times.size:
                    spike_times[recorded], spike_neurons[recorded] = before + when, i
                    recorded += 1
                f = jump / y_now
                fb = f / y_now
                low, high = 0, n_hidden
                if i < n_hidden:
                    counts[learning, HIDDEN] += 1
                    low, high = n_hidden, used
                    weights, changes = w2[i], g2[i]
                else:
                    counts[learning, OUTPUT] += 1
                    k = i - n_hidden
                    weights, changes = w2_back[k], g2_back[k]
                    if phase == 0 and when >= read_from:
                        output[0, k] += 1.0
                        output[1, k], output[2, k] = min(output[1, k], when), when
                    own[k] += fb
                    if steep == 0.0:
                        b[i] += beta * fb
                if plastic:
                    e = math.exp(-when / tau_f)
                    if learning:
                        z = gain2 * jump_f * e
                        c = z * (1.0 - when / tau_f)
                        for m in range(high - low):
                            changes[m] += c * p[low + m] - z * q[low + m]
                        if at_once:
                            mirror = g2_back[:, i] if i < n_hidden else g2[:, i - n_hidden]
                            for m in range(high - low):
                                mirror[m] = changes[m]
                    p[i] += jump_f / e
                    q[i] -= jump_f / e * when / tau_f
                for m in range(high - low):
                    a[low + m] += f * weights[m]
                    b[low + m] -= fb * weights[m]
                m = 0
                while m < n_due:
                    if low <= who[m] < high:
                        n_due -= 1
                        due[m], who[m] = due[n_due], who[n_due]
                    else:
                        m += 1
                n_due = _search(a, b, current, low, high, when, h, y_now, y_h, theta, tau_mem, due, who, n_due)
            t, y, arriving = h, y_h, -1
            if upcoming <= h and upcoming < end:
                arriving = sources[event]
                event += 1
            elif h >= end:
                break
        z = math.exp(-end / tau_f)
        for i in range(n):
            a[i], b[i] = a[i] * y, b[i] * y * y
            p[i], q[i] = p[i] * z, (q[i] + p[i] * end / tau_f) * z
            if learning:
                g_bias[i] += (gain if i < n_hidden else gain2) * (q[i] - start2[i])
        if intervals and gain != 0.0:  # all spikes of an input together, and the end of the phase closes the last interval
            for j in range(x.size):
                if x[j] > 0.0:
                    row = g1[j]
                    for i in range(n_hidden):
                        row[i] += gain * x[j] * (q[i] - start2[i])
        for k in range(n_out):
            own[k] *= y * y
        for m in range(n_held):
            free_at[(free_first + m) % n] -= end
        before += end
    return recorded
