"""The plain arrays that the network lowers to and the kernels run on: named tuples and the names of their columns.

Neurons of all populations are numbered in one range, in the order of `Network.add` (inputs included). Few wide tables
instead of many arrays, because Numba's compile time grows with the number of arrays a function takes.
C kinetic classes (distinct time constants), M modes at most, N neurons, K projections.
"""

from typing import NamedTuple

import numpy as np

MAX_MODES = 8

# solver of a kinetic class
NEVER, ONE, TWO, PAIR, GENERAL = 0, 1, 2, 3, 4
# storage of a projection
CSR_SCALAR, CSR_F32, CSR_F64, DENSE_F32, DENSE_F64 = 0, 1, 2, 3, 4
PROCEDURAL = 5  # nothing: each row is drawn again whenever a spike delivers it; its position is the number of the shard
CONVOLUTION = 3  # a kind of rule in Wiring.words, beside those of `kernels.draw`
# its delays: one for all, one byte or two per synapse into a table, or one float per synapse
UNIFORM, CLASS8, CLASS16, EACH = 0, 1, 2, 3
# columns of State.cell: V_inf - threshold (-inf: cannot fire), modes; padded so that no record straddles a cache line
MARGIN, MODES = 0, 1
CELL_COLUMNS = (4, 8, 16)
# State.flag[:, 0]
ACTIVE, REFRACTORY = 0, 1
# bits of State.flag[:, 1]: may cross after the horizon; crossing search pending in this instant
WATCHED, ASKED = 1, 2

# Kinetics.f[c, row, mode]
RATE_HI, RATE_LO = 0, 1  # 1/tau as an unevaluated sum
MARGIN_ROW = 2  # V - threshold = margin + MARGIN_ROW . x
SLOPE_ROW = 3  # its time derivative
VOLT_ROW = 4  # V = v_inf + VOLT_ROW . x
AMP_ROW, AMP0_ROW = 5, 6  # amplitude of a spike = [AMP0_ROW, 0] + AMP_ROW . x
OFFSET_ROW = 7  # c of x := M x + c at a spike
GAIN_ROW, DELTA_ROW = 8, 9  # per coupling: its rate, and rate of slave - rate of driver
DV_ROW = 10  # per port: jump of V of a unit arrival
MATRIX_ROW = 11  # M of x := M x + c
LEVEL_ROW = MATRIX_ROW + MAX_MODES  # Rolle chain (GENERAL)
JUMP_ROW = LEVEL_ROW + MAX_MODES + 1  # per port: jump of the modes, without that of V
# Kinetics.i[c, ...]
N_MODES, N_COUPLED, SOLVER, SLOW, N_LEVELS = 0, 1, 2, 3, 4  # SLOW: the mode of smaller rate (TWO)
SPIKE_ROW = 5  # per mode: 1 where a spike changes it
COUPLED = SPIKE_ROW + MAX_MODES  # per coupling: slave, driver, order of the divided difference

# Wiring.pop[p, ...] and popf
P_FIRST, P_OUT, P_FIRES, P_JUMPS, P_CLASS, P_RESET, P_RANK, P_GROUP, P_LEARNS, P_COLUMNS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
P_EPOCH, P_HORIZON = 0, 1
# Wiring.proj[k, ...] and projf
J_OUT, J_SOURCE, J_TARGET, J_PORT, J_KIND, J_ROW, J_WEIGHT, J_DELAYS, J_TABLE, J_AT, J_SHARDS, J_RULE, J_COLUMNS = range(13)
# (PROCEDURAL: J_ROW is a row of `words` and `reals`, J_AT the length of the longest row)
J_SCALAR, J_DELAY = 0, 1
# State.par[j, ...]
S_V_INF, S_THETA, S_V_RESET, S_T_REF, S_PENDING = 0, 1, 2, 3, 4

# columns of Wiring.rule: projection (-1: a rule of neurons), addresses of its functions (0: none), first variable, number of
# each kind
R_PROJECTION, R_TARGET, R_PRE, R_POST, R_TIMER, R_FIRST, R_X, R_Y, R_S, R_G, R_PARAMETERS, R_COLUMN, R_COLUMNS = range(13)
RF_LENGTH, RF_LOW, RF_HIGH, RF_COLUMNS = 0, 1, 2, 3
V_FIRST, V_COUNT, V_KIND, V_SET, V_COLUMNS = 0, 1, 2, 3, 4  # Wiring.variable
VF_RATE, VF_STEP, VF_COLUMNS = 0, 1, 2
INCOMING_BITS = 38  # of a position
MAX_VARIABLES = 4  # of each kind
# State.buffer: the variables that a rule sees, and the decay and growth of each since the epoch began
B_X, B_Y, B_S, B_G = 0, MAX_VARIABLES, 2 * MAX_VARIABLES, 3 * MAX_VARIABLES
B_DECAY, B_GROWTH, B_SIZE = 4 * MAX_VARIABLES, 8 * MAX_VARIABLES, 12 * MAX_VARIABLES


class Kinetics(NamedTuple):
    """Equations of the kinetic classes, in a basis where only nearly equal rates stay coupled."""

    f: np.ndarray  # f8[C, rows, columns]
    i: np.ndarray  # i8[C, entries]


class Wiring(NamedTuple):
    """Populations and projections. Static; shared by all simulations of a network."""

    # first neuron, first outgoing, fires?, V jumps?, its class or -1, reset?, rank, size of its groups,
    # does a rule learn from its spikes?
    pop: np.ndarray  # i8[n_pop + 1, P_COLUMNS]
    popf: np.ndarray  # f8[n_pop, 2] length of an epoch and of the cells it is cut into for searching crossings, s
    who: np.ndarray  # i8[N, 2] population, class
    proj: np.ndarray  # i8[K, J_COLUMNS]; column J_OUT lists projections by source population
    projf: np.ndarray  # f8[K, 2] uniform weight, uniform delay
    row: np.ndarray  # i8 row pointers into `post`, at J_ROW + source * J_SHARDS + shard; rows are sorted by delay
    d8: np.ndarray  # u1 delay classes, at J_AT + position in `post` (CLASS8)
    d16: np.ndarray  # u2 (CLASS16)
    delay: np.ndarray  # f8 tables of delays, at J_TABLE + class; delays, at J_AT + position (EACH)
    post: np.ndarray  # u4 targets, global ids
    w32: np.ndarray  # f4 weights, at J_WEIGHT + position in `post` (CSR)
    w64: np.ndarray  # f8
    words: np.ndarray  # u8[n_procedural, columns] rules of the procedural projections, see `kernels.draw`, `convolution`
    reals: np.ndarray  # f8[n_procedural, draw.N_REALS]
    rule: np.ndarray  # i8[R, R_COLUMNS] learning rules, see `kernels.plastic`
    rulef: np.ndarray  # f8[R, RF_COLUMNS] length of an epoch, s; smallest and largest weight
    ruled: np.ndarray  # f8 parameters of the rules, from R_PARAMETERS on
    variable: np.ndarray  # i8[V, 4] variables of the rules: first entry in State.trace, number of entries, kind, set or added
    variablef: np.ndarray  # f8[V, 2] rate of decay, 1/s; step at a spike
    begun: np.ndarray  # f8 State.trace at t = 0
    column: np.ndarray  # i8 per rule and target neuron, from R_COLUMN on: first of its synapses in `incoming`; the end
    incoming: np.ndarray  # i8[n] index of the traces of its arrivals << INCOMING_BITS | position of the synapse as in `post`


class State(NamedTuple):
    """Everything that changes while a network runs, except the queues."""

    cell: np.ndarray  # f8[N, columns]
    due: np.ndarray  # f8[N] time of the neuron's own next event, inf: none known
    par: np.ndarray  # f8[N, 5] v_inf, threshold, v_reset, t_ref, jump of V collected in this instant
    flag: np.ndarray  # u1[N, 2] ACTIVE or REFRACTORY; WATCHED and ASKED bits
    stamp: np.ndarray  # i8[N] instant that the collected jump belongs to
    pop: np.ndarray  # i8[n_pop, 2] number of the current epoch, spikes so far
    horizon: np.ndarray  # f8[n_pop] time up to which crossings have been looked for
    arrived: np.ndarray  # i8[K] synaptic events so far
    trace: np.ndarray  # f8 variables of the learning rules, scaled by the epoch of the rule
    turn: np.ndarray  # i8[R, 3] number of the rule's epoch, of its timer events so far, whether a function gave nan
    buffer: np.ndarray  # f8 room for the variables that a rule sees, and their factors
