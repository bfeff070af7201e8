"""What each thread of the window scheduler keeps: its part of the calendar, and the lists of its neurons.

Every population is cut into one part per lane. Lists that hold a neuron at most once lie in arrays of N entries, each lane in
the segment of its own neurons; they are shared by all lanes, and so is the state. `Lanes` stacks what each has of its own.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inlined
from ..layout import State

# columns of Lane.pool and Lane.batch
H_MARGIN, H_X, H_LAST, H_DUE, H_ID, H_COLUMNS = 0, 1, 4, 5, 6, 8
MAX_KEPT = 3  # modes kept in the pool; populations with more are handled before an arrival is added
# columns of Lane.pops: lengths of the lists; first of its neurons, and the end
L_HOT, L_REST, L_BATCH, L_WATCH, L_BASE, L_STOP, L_COLUMNS = 0, 1, 2, 3, 4, 5, 6
# Lane.n
FREE_ENTRY, N_WAITING, LANE_SEARCHES, LANE_ROWS, LANE_HOT_EVENTS, LANE_WINDOWS, LANE_INSTANT, LANE_RUNAWAY = range(8)
LANE_SIDE, LANE_SHARD, N_LANE = 8, 9, 10  # which of the two stores of spikes is being filled; number of the lane
# rows of Lane.factor: of the test, of V now, of its fall, jump of the modes, growth of the modes since the epoch began
F_TEST, F_NOW, F_FALL, F_JUMP, F_GROWTH, F_ROWS = 0, 1, 2, 3, 4, 5
BATCH = 1024  # rows whose exponentials are computed together


class Lane(NamedTuple):
    """One lane."""

    n: np.ndarray  # i8[N_LANE] counters
    mem: np.ndarray  # i8[N_STORES, 3] growable stores
    head: np.ndarray  # i8[n_pop, 2 * buckets] first and last entry of each bucket
    count: np.ndarray  # i8[bins + 1] of the sorts
    pops: np.ndarray  # i8[n_pop, L_COLUMNS]
    listed: np.ndarray  # i8[longest row]
    arrived: np.ndarray  # i8[K] synaptic events
    spikes: np.ndarray  # i8[n_pop]
    factor: np.ndarray  # f8[F_ROWS, 12]
    ahead: np.ndarray  # f8[4, BATCH] growth of each mode, and time, of the next rows
    behind: np.ndarray  # f8[4, BATCH] decay of each mode, and minus the time, of the next ends of refractoriness
    slot: np.ndarray  # i8[N] place of a hot neuron in the pool
    pool: np.ndarray  # f8[N, H_COLUMNS]
    batch: np.ndarray  # f8[N, H_COLUMNS] neurons that have crossed in this window
    rest: np.ndarray  # f8[N, 2] end of refractoriness, neuron
    ending: np.ndarray  # f8[N, 2] those that end within the window
    watch: np.ndarray  # i8[N] neurons to look at again at the next cell
    touched: np.ndarray  # i8[N]
    noise: np.ndarray  # i8[rows, N_COLUMNS] private noise, see `private`
    noise_f: np.ndarray  # f8[n, 2]
    noise_u: np.ndarray  # u8[n, 2]
    drawn_id: np.ndarray  # u4[longest procedural row] targets of the row being delivered
    drawn_weight: np.ndarray  # f8[longest procedural row]
    own: np.ndarray  # f8[rows, N] constants of neurons of mixed populations, see `mixed`
    ends: np.ndarray  # f8[N, 4] and the factors of their tests
    block: np.ndarray  # f8[rows, n] room for their exponentials


class Lanes(NamedTuple):
    """All lanes: the first of them stacked along their first axis, the others shared."""

    n: np.ndarray
    mem: np.ndarray
    head: np.ndarray
    count: np.ndarray
    pops: np.ndarray
    listed: np.ndarray
    arrived: np.ndarray
    spikes: np.ndarray
    factor: np.ndarray
    ahead: np.ndarray
    behind: np.ndarray
    epoch: np.ndarray  # i8[lanes, n_pop, 2] State.pop of each lane
    scratch: np.ndarray  # f8[lanes, rows, columns]
    slot: np.ndarray
    pool: np.ndarray
    batch: np.ndarray
    rest: np.ndarray
    ending: np.ndarray
    watch: np.ndarray
    touched: np.ndarray
    noise: np.ndarray
    noise_f: np.ndarray
    noise_u: np.ndarray
    drawn_id: np.ndarray  # u4[lanes, longest procedural row]
    drawn_weight: np.ndarray  # f8[lanes, longest procedural row]
    own: np.ndarray
    ends: np.ndarray
    block: np.ndarray  # f8[lanes, rows, n]


@inlined
def lane_of(lanes, s):
    """Lane number `s`."""
    return Lane(lanes.n[s], lanes.mem[s], lanes.head[s], lanes.count[s], lanes.pops[s], lanes.listed[s], lanes.arrived[s],
                lanes.spikes[s], lanes.factor[s], lanes.ahead[s], lanes.behind[s], lanes.slot, lanes.pool, lanes.batch,
                lanes.rest, lanes.ending, lanes.watch, lanes.touched, lanes.noise, lanes.noise_f, lanes.noise_u,
                lanes.drawn_id[s], lanes.drawn_weight[s], lanes.own, lanes.ends, lanes.block[s])


@inlined
def state_of(st, lanes, s):
    """The state as lane number `s` sees it: the epochs are its own."""
    return State(st.cell, st.due, st.par, st.flag, st.stamp, lanes.epoch[s], st.horizon, st.arrived, st.trace,
                 st.turn, st.buffer)
