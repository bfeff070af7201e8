"""From a `LinearNeuron` to kinetic classes: the basis in which modes decay independently.

A slave driven by a mode of clearly different rate is decoupled, y = x_slave - beta x_driver. Where the two rates lie within
`NEAR` of each other beta would be huge and V a small difference of large numbers; such pairs stay coupled and are
propagated by divided differences, which are continuous into equal rates (t exp(-t/tau)).
"""

import numpy as np

from .. import layout
from ..errors import ParameterError

NEAR = 0.125  # relative distance of rates below which a pair stays coupled
LONG_EPOCH = 128.0  # epoch in units of the fastest time constant: far from overflow, exponents keep their low part
SHORT_EPOCH = {1: 4.0, 2: 0.75}  # the same with coupled pairs and triples, whose propagators grow with the epoch time
CELL = 0.45  # length of a cell in units of the fastest time constant: short enough for sharp bounds, long enough to be rare
DRIFT_EPOCH = 1.0  # s, for models with constant modes only that drift


def _rates(tau):
    """1/tau as an unevaluated sum of two doubles."""
    if np.isinf(tau):
        return 0.0, 0.0
    high = 1.0 / tau
    split = 134217729.0
    a1 = split * high - (split * high - high)
    b1 = split * tau - (split * tau - tau)
    a2, b2 = high - a1, tau - b1
    product = high * tau
    error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    return high, ((1.0 - product) - error) / tau


def _difference(tau_a, tau_b):
    """1/tau_a - 1/tau_b without cancellation."""
    if np.isinf(tau_a) or np.isinf(tau_b):
        return _rates(tau_a)[0] - _rates(tau_b)[0]
    return (tau_b - tau_a) / (tau_a * tau_b)


def _near(tau_a, tau_b):
    if np.isinf(tau_a) or np.isinf(tau_b):
        return np.isinf(tau_a) and np.isinf(tau_b)
    return abs(tau_a / tau_b - 1.0) <= NEAR


def _invert_unit_upper(matrix):
    m = len(matrix)
    inverse = np.eye(m)
    for k in range(m - 1, -1, -1):
        for j in range(k + 1, m):
            inverse[k] -= matrix[k, j] * inverse[j]
    return inverse


class _Class:
    """One kinetic class: scalars only. See `layout` for the meaning of the attributes."""

    def __init__(self, tau, coupling, neuron, amp0, offset):
        m = len(tau)
        k_matrix = np.zeros((m, m))
        for (k, j), value in coupling.items():
            k_matrix[k, j] = value
        basis = np.eye(m)
        for k in range(m - 1, -1, -1):
            for j in range(k + 1, m):
                if k_matrix[k, j] == 0.0 or _near(tau[k], tau[j]):
                    continue
                beta = k_matrix[k, j] / _difference(tau[k], tau[j])
                k_matrix[k, j] = 0.0
                k_matrix[k, j + 1:] -= beta * k_matrix[j, j + 1:]
                k_matrix[:k, j] += beta * k_matrix[:k, k]
                basis[:, j] += beta * basis[:, k]
        self.tau, self.m, self.basis = tau, m, basis
        self.couplings = self._couplings(k_matrix, neuron.kind)
        inverse = _invert_unit_upper(basis)
        full = k_matrix - np.diag([_rates(t)[0] for t in tau])
        volt = np.eye(m)[0]
        self.volt = basis.T @ volt
        self.margin = basis.T @ (volt - neuron.thr)
        self.slope = full.T @ self.margin
        jump = neuron.jump.copy()
        self.dv = jump[:, 0].copy()
        jump[:, 0] = 0.0
        self.jump = jump @ inverse.T
        self.amp0, self.ampv = amp0, basis.T @ neuron.amplitude[1]
        self.spike_matrix = inverse @ neuron.spike_matrix @ basis
        self.spike_offset = inverse @ offset
        self.spike_row = np.any(self.spike_matrix != np.eye(m), axis=1) | (self.spike_offset != 0.0)
        self.levels = self._levels(full)
        self.solver, self.slow = self._solver()

    def _couplings(self, k_matrix, kind):
        found = []
        for k, j in zip(*np.nonzero(k_matrix)):
            found.append((k, j, 1, k_matrix[k, j], _difference(self.tau[k], self.tau[j])))
            for last in np.flatnonzero(k_matrix[j]):
                if self.tau[j] != self.tau[last] or np.any(k_matrix[last]):
                    raise ParameterError(f"tau of {kind}: modes {k}, {j}, {last} form a chain of nearly equal but "
                                         f"different time constants; the last two must be equal or differ by more "
                                         f"than {NEAR:.1%}")
                found.append((k, last, 2, k_matrix[k, j] * k_matrix[j, last],
                              _difference(self.tau[k], self.tau[j])))
        return found

    def _levels(self, full):
        """The Rolle chain: vectors g_j with g_0 = margin and each next one killing one more mode."""
        levels, g = [self.margin], self.slope.copy()
        while np.any(g):
            levels.append(g)
            k = int(np.flatnonzero(g)[0])
            g = full.T @ g + _rates(self.tau[k])[0] * g
            g[: k + 1] = 0.0
        return levels

    def _solver(self):
        pairs = [(k, j) for k, j, *_ in self.couplings]
        if self.m == 1:
            return layout.ONE, 0
        if self.m == 2 and not pairs and self.tau[0] != self.tau[1]:
            return layout.TWO, int(self.tau[1] > self.tau[0])
        if self.m == 2 and pairs and self.margin[0] == 1.0 and self.margin[1] == 0.0 and np.isfinite(self.tau[0]):
            return layout.PAIR, 0
        return layout.GENERAL, 0

    @property
    def epoch(self):
        finite = [t for t in self.tau if np.isfinite(t)]
        if not finite:
            return DRIFT_EPOCH if self.couplings else np.inf
        length = min([LONG_EPOCH, *(SHORT_EPOCH[order] for _, _, order, _, _ in self.couplings)])
        return length * min(finite)

    @property
    def horizon(self):
        finite = [t for t in self.tau if np.isfinite(t)]
        return CELL * min(finite) if finite else self.epoch


def classes_of(neuron):
    """(list of classes, class number of each neuron [n]) of a `LinearNeuron`."""
    amp0, _ = neuron.amplitude
    keys = list(neuron.coupling)
    columns = [*neuron.tau, *(neuron.coupling[k] for k in keys), amp0, *neuron.spike_offset]
    m = len(neuron.tau)

    def make(row):
        return _Class([float(t) for t in row[:m]], dict(zip(keys, row[m:m + len(keys)])), neuron,
                      float(row[m + len(keys)]), np.array(row[m + len(keys) + 1:], dtype=np.float64))

    if all(np.ndim(c) == 0 for c in columns):
        return [make(columns)], np.zeros(neuron.n, np.int32)
    table = np.column_stack([np.broadcast_to(c, neuron.n) for c in columns])
    rows, number = np.unique(table, axis=0, return_inverse=True)
    return [make(row) for row in rows], number.ravel().astype(np.int32)


def pack(classes, n_ports):
    """All classes of a network as one `layout.Kinetics`."""
    count = max(len(classes), 1)
    columns = max([n_ports, *(c.m for c in classes), *(len(c.couplings) for c in classes)])
    f = np.zeros((count, layout.JUMP_ROW + n_ports, columns))
    i = np.zeros((count, layout.COUPLED + 3 * max([1, *(len(c.couplings) for c in classes)])), np.int64)
    for table, integers, c in zip(f, i, classes):
        n = c.m
        for j, tau in enumerate(c.tau):
            table[[layout.RATE_HI, layout.RATE_LO], j] = _rates(tau)
        for row, vector in ((layout.MARGIN_ROW, c.margin), (layout.SLOPE_ROW, c.slope), (layout.VOLT_ROW, c.volt),
                            (layout.AMP_ROW, c.ampv), (layout.OFFSET_ROW, c.spike_offset), (layout.DV_ROW, c.dv)):
            table[row, :len(vector)] = vector
        table[layout.AMP0_ROW, 0] = c.amp0
        table[layout.MATRIX_ROW:layout.MATRIX_ROW + n, :n] = c.spike_matrix
        table[layout.LEVEL_ROW:layout.LEVEL_ROW + len(c.levels), :n] = c.levels
        table[layout.JUMP_ROW:layout.JUMP_ROW + len(c.jump), :n] = c.jump
        integers[[layout.N_MODES, layout.N_COUPLED, layout.SOLVER, layout.SLOW, layout.N_LEVELS]] = (
            n, len(c.couplings), c.solver, c.slow, len(c.levels))
        integers[layout.SPIKE_ROW:layout.SPIKE_ROW + n] = c.spike_row
        for q, (slave, driver, order, gain, delta) in enumerate(c.couplings):
            integers[layout.COUPLED + 3 * q:layout.COUPLED + 3 * q + 3] = slave, driver, order
            table[[layout.GAIN_ROW, layout.DELTA_ROW], q] = gain, delta
    return layout.Kinetics(f, i)
