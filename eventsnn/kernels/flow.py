"""Flow: the closed-form motion between events.

Modes are stored pulled back to the start of the epoch: X = Phi(-T) x(T). So nothing touches a neuron between its events,
an arrival at epoch time T is X += w * pull(jump, T), and any linear reading is read(g, T) . X. Both vectors depend on the
time and the kinetic class alone, never on the neuron.
"""

from ..jit import inlined, inner
from ..layout import COUPLED, DELTA_ROW, GAIN_ROW, N_COUPLED, N_MODES, RATE_HI, RATE_LO
from .elementary import double_integral, exp_rate, expm1_over


@inlined
def decay_here(kin, c, t, e):
    """`decay`, inlined: for the places where the call would cost as much as the exponentials."""
    for k in range(kin.i[c, N_MODES]):
        if k > 0 and kin.f[c, RATE_HI, k] == kin.f[c, RATE_HI, k - 1] and kin.f[c, RATE_LO, k] == kin.f[c, RATE_LO, k - 1]:
            e[k] = e[k - 1]
        else:
            e[k] = exp_rate(-t, kin.f[c, RATE_HI, k], kin.f[c, RATE_LO, k])


@inner
def decay(kin, c, t, e):
    """e[k] = exp(-t / tau_k) of class `c`; negative `t` grows."""
    decay_here(kin, c, t, e)


@inner
def transfer(kin, c, q, t, e):
    """Entry (slave, driver) of Phi(t) for the q-th coupling; `e` is `decay` at `t`."""
    z = kin.f[c, DELTA_ROW, q] * t
    slave = kin.i[c, COUPLED + 3 * q]
    if kin.i[c, COUPLED + 3 * q + 2] == 1:
        return kin.f[c, GAIN_ROW, q] * e[slave] * t * expm1_over(z)
    return kin.f[c, GAIN_ROW, q] * e[slave] * t * t * double_integral(z)


@inner
def read_row(kin, c, t, e, g, out):
    """out = Phi(t)^T g, so that g . x(t) = out . X; `e` is `decay` at `t`."""
    for k in range(kin.i[c, N_MODES]):
        out[k] = g[k] * e[k]
    for q in range(kin.i[c, N_COUPLED]):
        out[kin.i[c, COUPLED + 3 * q + 1]] += g[kin.i[c, COUPLED + 3 * q]] * transfer(kin, c, q, t, e)


@inner
def move(kin, c, t, e, x, out):
    """out = Phi(t) x; `e` is `decay` at `t`. With t < 0 it pulls back."""
    for k in range(kin.i[c, N_MODES]):
        out[k] = x[k] * e[k]
    for q in range(kin.i[c, N_COUPLED]):
        out[kin.i[c, COUPLED + 3 * q]] += x[kin.i[c, COUPLED + 3 * q + 1]] * transfer(kin, c, q, t, e)


@inlined
def dot(kin, c, row, cell, first):
    """row . X of a neuron whose modes start at column `first` of `cell`; fixed order of summation."""
    total = row[0] * cell[first]
    for k in range(1, kin.i[c, N_MODES]):
        total += row[k] * cell[first + k]
    return total
