"""The plain arrays that the network lowers to and the kernels run on: named tuples, no behaviour.

Neurons of all populations are numbered in one range, in the order of `Network.add` (inputs included).
C kinetic classes (distinct time constants), M modes at most, P ports at most, N neurons, K projections.
"""

from typing import NamedTuple

import numpy as np

# solver of a kinetic class
NEVER, ONE, TWO, PAIR, GENERAL = 0, 1, 2, 3, 4
# storage of a projection
CSR_SCALAR, CSR_F32, CSR_F64, DENSE_F32, DENSE_F64 = 0, 1, 2, 3, 4
# columns of State.cell; modes follow, and the epoch time of the last own event comes last (GENERAL classes only)
MARGIN, DUE, MODES = 0, 1, 2
# State.status
ACTIVE, REFRACTORY = 0, 1


class Kinetics(NamedTuple):
    """Equations of the kinetic classes, in a basis where only nearly equal rates stay coupled."""

    n_modes: np.ndarray  # i8[C]
    rate_hi: np.ndarray  # f8[C, M] 1/tau, rounded
    rate_lo: np.ndarray  # f8[C, M] what rounding lost
    n_coupled: np.ndarray  # i8[C]
    coupled: np.ndarray  # i8[C, Q, 3] slave, driver, order (1: e^z-1 over z, 2: double integral)
    couple_gain: np.ndarray  # f8[C, Q]
    couple_delta: np.ndarray  # f8[C, Q] rate of slave - rate of driver
    solver: np.ndarray  # i8[C]
    slow: np.ndarray  # i8[C] of a TWO class: the mode with the smaller rate
    margin: np.ndarray  # f8[C, M] g: V - threshold = margin constant + g . x
    slope: np.ndarray  # f8[C, M] its time derivative, as a vector in the same basis
    volt: np.ndarray  # f8[C, M] V = v_inf + volt . x
    jump: np.ndarray  # f8[C, P, M] without the jump of V
    dv: np.ndarray  # f8[C, P] jump of V of a unit arrival
    amp0: np.ndarray  # f8[C]
    ampv: np.ndarray  # f8[C, M]
    spike_row: np.ndarray  # i8[C, M] 1 where a spike changes the mode
    spike_matrix: np.ndarray  # f8[C, M, M]
    spike_offset: np.ndarray  # f8[C, M]
    physical: np.ndarray  # f8[C, M, M] physical x = physical . modes
    n_levels: np.ndarray  # i8[C] GENERAL: levels of the Rolle chain
    level: np.ndarray  # f8[C, M + 1, M]


class Wiring(NamedTuple):
    """Populations and projections. Static; shared by all simulations of a network."""

    pop_first: np.ndarray  # i8[n_pop + 1]
    pop_fires: np.ndarray  # i8[n_pop] 1 if any neuron can reach its threshold
    pop_jumps: np.ndarray  # i8[n_pop] 1 if an arrival can make V jump
    pop_class: np.ndarray  # i8[n_pop] its class if it has one only, else -1
    pop_epoch: np.ndarray  # f8[n_pop] length of an epoch, inf: never rescaled
    pop_horizon: np.ndarray  # f8[n_pop] how far ahead crossings are looked for
    pop_reset: np.ndarray  # i8[n_pop] 1: reset by value
    pop_rank: np.ndarray  # i8[n_pop] order within one instant (zero-delay graph)
    pop_of: np.ndarray  # i4[N]
    cls: np.ndarray  # i4[N]
    out_first: np.ndarray  # i8[n_pop + 1] projections leaving a population
    out_proj: np.ndarray  # i8[K]
    source: np.ndarray  # i8[K] source population
    target: np.ndarray  # i8[K]
    port: np.ndarray  # i8[K]
    kind: np.ndarray  # i8[K]
    row_first: np.ndarray  # i8[K] where the projection's row pointers start in `row`
    row: np.ndarray  # i8[...] first synapse of each row (CSR) in `post`
    weight_first: np.ndarray  # i8[K] offset of the projection's weights minus that of its targets (CSR); start (dense)
    scalar: np.ndarray  # f8[K] the weight of CSR_SCALAR
    delay: np.ndarray  # f8[K] uniform delay, or -1
    group_first: np.ndarray  # i8[K] where the projection's group pointers start in `group_row`, or -1
    group_row: np.ndarray  # i8[...] first delay group of each row
    group_delay: np.ndarray  # f8[G]
    group_start: np.ndarray  # i8[G + 1] first synapse of each group
    post: np.ndarray  # u4[...] targets, global ids
    w32: np.ndarray  # f4[...]
    w64: np.ndarray  # f8[...]


class State(NamedTuple):
    """Everything that changes while a network runs, except the queues."""

    cell: np.ndarray  # f8[N, columns] margin constant, due time, modes, (last event)
    status: np.ndarray  # u1[N]
    watched: np.ndarray  # u1[N] 1: may cross later in this epoch, look again at the next horizon
    v_inf: np.ndarray  # f8[N]
    theta: np.ndarray  # f8[N]
    v_reset: np.ndarray  # f8[N]
    t_ref: np.ndarray  # f8[N]
    epoch: np.ndarray  # i8[n_pop] number of the current epoch
    horizon: np.ndarray  # f8[n_pop] absolute time up to which crossings have been looked for
    pending: np.ndarray  # f8[N] jump of V collected in this instant
    stamp: np.ndarray  # i8[N] instant that `pending` belongs to
    emitted: np.ndarray  # i8[n_pop] spikes so far
    arrived: np.ndarray  # i8[K] synaptic events so far
