"""What the heap scheduler does about a verdict: fire, expect a crossing, watch; and the test of a whole delivered row."""

import numpy as np

from ..jit import inlined, inner
from ..layout import (
    ACTIVE,
    ASKED,
    DENSE_F32,
    DENSE_F64,
    GENERAL,
    J_KIND,
    J_OUT,
    J_SHARDS,
    J_TARGET,
    MARGIN,
    MODES,
    N_COUPLED,
    N_MODES,
    P_CLASS,
    P_FIRES,
    P_FIRST,
    P_GROUP,
    P_LEARNS,
    P_OUT,
    P_RANK,
    PAIR,
    S_PENDING,
    SLOW,
    SOLVER,
    TWO,
    WATCHED,
)
from .crossing import closed_crossing
from .fanout import delay_of, row_span, shards
from .flow import decay, dot
from .groups import group
from .neuron import S_HOR, S_HSLOPE, S_NOW, S_PULL, S_SLOPE, cell_end, epoch_start, margin_now, search, spike
from .plastic import learn_column
from .queue import N_ASKED, N_FREE, N_OUT, N_SEQ, N_WATCH, SEARCHES, push, push_own
from .screen import MARGIN_REL, QUIET, SEARCH, WATCH, prepare, screen


@inner
def emit(wir, st, q, j, now, amplitude, out):
    """Record a spike of neuron `j` and put it on its way, one entry per projection."""
    p = wir.who[j, 0]
    st.pop[p, 1] += 1
    n = q.n[N_OUT]
    out.time[n], out.id[n], out.amplitude[n] = now, j, amplitude
    q.n[N_OUT] = n + 1
    source = j - wir.pop[p, P_FIRST]
    for at in range(wir.pop[p, P_OUT], wir.pop[p + 1, P_OUT]):
        k = wir.proj[at, J_OUT]
        rank = np.uint64(wir.pop[wir.proj[k, J_TARGET], P_RANK])
        for shard in range(wir.proj[k, J_SHARDS]):
            first, end = row_span(wir, k, source, shard)
            if first == end:
                continue
            q.n[N_FREE] -= 1
            slot = q.free[q.n[N_FREE]]
            q.born[slot], q.amplitude[slot], q.at[slot], q.stop[slot], q.seq[slot] = now, amplitude, first, end, q.n[N_SEQ]
            q.n[N_SEQ] += 1
            key = (rank << np.uint64(52)) | (np.uint64(j) << np.uint64(20)) | np.uint64(k)
            push(q, now + delay_of(wir, k, first), key, slot)


@inlined
def watch(st, q, j):
    """Look at neuron `j` again at the next horizon."""
    if st.flag[j, 1] & WATCHED == 0:
        st.flag[j, 1] |= WATCHED
        q.watched[q.n[N_WATCH]] = j
        q.n[N_WATCH] += 1


@inlined
def ask(st, q, j):
    """Have the next crossing of neuron `j` searched by `answer` before time goes on."""
    if st.flag[j, 1] & ASKED == 0:
        st.flag[j, 1] |= ASKED
        q.asked[q.n[N_ASKED]] = j
        q.n[N_ASKED] += 1


@inlined
def expect(st, q, j, due):
    """Note when neuron `j` is due, if that is new."""
    if due != st.due[j]:
        st.due[j] = due
        if due < np.inf:
            push_own(q, due, j)


@inner
def follow(kin, wir, st, q, p, j, now, scratch):
    """All others of the group of neuron `j`, which has just spiked, change as it did."""
    first, end = group(wir, p, j)
    for m in range(first, end):
        if m == j:
            continue
        due = st.due[m]
        spike(kin, wir, st, m, now, scratch)
        if due <= now and margin_now(kin, wir, st, m, now, scratch) >= 0.0:
            expect(st, q, m, now)
        elif due < np.inf:
            ask(st, q, m)


@inner
def fire(kin, wir, st, q, j, now, out, max_rounds, scratch):
    """Neuron `j` spikes now, and again while it stays at or above threshold. False beyond `max_rounds` or out of room."""
    p = wir.who[j, 0]
    fan = (wir.pop[p + 1, P_OUT] - wir.pop[p, P_OUT]) * shards(wir)
    for _ in range(max_rounds):
        if q.n[N_OUT] == out.time.size or q.n[N_FREE] < fan:
            return False
        emit(wir, st, q, j, now, spike(kin, wir, st, j, now, scratch), out)
        if wir.pop[p, P_LEARNS]:
            learn_column(wir, st, p, j, now)
        if wir.pop[p, P_GROUP] > 1:
            follow(kin, wir, st, q, p, j, now, scratch)
        if st.flag[j, 0] != ACTIVE:
            if st.due[j] < np.inf:
                push_own(q, st.due[j], j)
            return True
        if margin_now(kin, wir, st, j, now, scratch) < 0.0:
            ask(st, q, j)
            return True
    return False


@inlined
def renew_horizon(wir, st, p, now):
    """Make the horizon of population `p` lie after `now`: the end of the cell."""
    if st.horizon[p] <= now:
        st.horizon[p] = cell_end(wir, st, p, now)


@inner
def act(st, q, j, verdict):
    """Act on the verdict of a screen on active neuron `j`."""
    if verdict == SEARCH:
        ask(st, q, j)
        return
    st.due[j] = np.inf
    if verdict == WATCH:
        watch(st, q, j)


@inner
def answer(kin, wir, st, q, now, scratch):
    """Search the next crossing of every neuron asked for. Those beyond the horizon are not queued but watched.

    The only place of the loops that holds the whole solver: each function that holds it is compiled with all of it.
    """
    for i in range(q.n[N_ASKED]):
        j = q.asked[i]
        st.flag[j, 1] &= WATCHED
        if st.flag[j, 0] != ACTIVE:
            continue
        q.n[SEARCHES] += 1
        p = wir.who[j, 0]
        renew_horizon(wir, st, p, now)
        due = search(kin, wir, st, j, now, scratch)
        if due < np.inf:
            expect(st, q, j, due)
            continue
        st.due[j] = np.inf
        watch(st, q, j)
    q.n[N_ASKED] = 0


@inlined
def look(kin, wir, st, q, j, now, scratch):
    """Look ahead for one active neuron below its threshold."""
    p, c = wir.who[j, 0], wir.who[j, 1]
    renew_horizon(wir, st, p, now)
    start = epoch_start(wir, st, p)
    drive, slow = prepare(kin, c, now - start, st.horizon[p] - start, scratch)
    act(st, q, j, screen(kin, c, st.cell[j], st.horizon[p] - now, drive, slow, scratch))


@inlined
def is_dense(wir, k):
    """Whether projection `k` has a weight for every pair of neurons."""
    return wir.proj[k, J_KIND] == DENSE_F32 or wir.proj[k, J_KIND] == DENSE_F64


@inner
def _test_two(kin, wir, st, q, k, c, post, first, end, who, now, drive, slow, scratch):
    """`test_row` (k >= 0) or `test_list` (k < 0) for one class of two modes: the same screen, all in registers."""
    row, slope, hor, hslope = scratch[S_NOW], scratch[S_SLOPE], scratch[S_HOR], scratch[S_HSLOPE]
    r0, r1, s0, s1 = row[0], row[1], slope[0], slope[1]
    h0, h1, g0, g1 = hor[0], hor[1], hslope[0], hslope[1]
    cell, flag = st.cell, st.flag
    p = wir.proj[k, J_TARGET] if k >= 0 else wir.who[who[first], 0]
    start = epoch_start(wir, st, p)
    horizon = st.horizon[p]
    ahead = horizon - now
    two = kin.i[c, SOLVER] == TWO
    i_slow = MODES + kin.i[c, SLOW]
    i_fast = MODES + 1 - kin.i[c, SLOW] if two else MODES + 1
    frozen = two and drive == np.inf
    listed = k < 0
    dense = not listed and is_dense(wir, k)
    for i in range(np.uint64(first), np.uint64(end)):
        j = i
        if listed:
            j = np.uint64(who[i])
        elif not dense:
            j = np.uint64(post[i])
        margin = cell[j, MARGIN]
        if margin == -np.inf:
            continue
        a, b = cell[j, MODES], cell[j, MODES + 1]
        f = margin + (r0 * a + r1 * b)
        verdict = QUIET
        if f >= 0.0:
            verdict = SEARCH
        elif margin <= 0.0:
            if frozen:
                if margin + cell[j, i_slow] > 0.0:
                    verdict = SEARCH
            elif drive * cell[j, i_fast] >= -margin and (not two or slow * cell[j, i_slow] >= -margin):
                verdict = SEARCH
        else:
            slack = -MARGIN_REL * (margin + abs(h0 * a) + abs(h1 * b))
            rise = s0 * a + s1 * b
            peak = (rise > 0.0) & (g0 * a + g1 * b <= 0.0) & (f + rise * ahead >= slack)
            verdict = SEARCH if peak | (margin + h0 * a + h1 * b >= slack) else WATCH
        if verdict == SEARCH:
            q.n[SEARCHES] += 1
            t = closed_crossing(kin, c, margin, a, b, now - start, horizon - start)
            if t < np.inf:
                due = max(start + t, now)
                if due != st.due[j]:
                    st.due[j] = due
                    push_own(q, due, np.int64(j))
                continue
            verdict = WATCH
        if st.due[j] != np.inf:
            st.due[j] = np.inf
        if verdict == WATCH and flag[j, 1] & WATCHED == 0:
            watch(st, q, np.int64(j))


@inner
def _test_three(kin, wir, st, q, k, c, post, first, end, now, scratch):
    """`test_row` for one GENERAL class of three uncoupled modes: the same screen, all in registers."""
    row, slope, hor, hslope = scratch[S_NOW], scratch[S_SLOPE], scratch[S_HOR], scratch[S_HSLOPE]
    r0, r1, r2, s0, s1, s2 = row[0], row[1], row[2], slope[0], slope[1], slope[2]
    h0, h1, h2, g0, g1, g2 = hor[0], hor[1], hor[2], hslope[0], hslope[1], hslope[2]
    cell, flag = st.cell, st.flag
    p = wir.proj[k, J_TARGET]
    ahead = st.horizon[p] - now
    dense = is_dense(wir, k)
    for i in range(np.uint64(first), np.uint64(end)):
        j = i
        if not dense:
            j = np.uint64(post[i])
        margin = cell[j, MARGIN]
        if margin == -np.inf:
            continue
        x0, x1, x2 = cell[j, MODES], cell[j, MODES + 1], cell[j, MODES + 2]
        a0, a1, a2, b0, b1, b2 = r0 * x0, r1 * x1, r2 * x2, h0 * x0, h1 * x1, h2 * x2
        f = margin + (a0 + a1 + a2)
        there = margin + b0 + b1 + b2
        slack = -MARGIN_REL * (abs(margin) + abs(a0) + abs(a1) + abs(a2))
        verdict = WATCH
        if f >= 0.0 or there >= slack:
            verdict = SEARCH
        else:
            u0, u1, u2, v0, v1, v2 = s0 * x0, s1 * x1, s2 * x2, g0 * x0, g1 * x1, g2 * x2
            rise = max(u0, v0) + max(u1, v1) + max(u2, v2)
            fall = min(u0, v0) + min(u1, v1) + min(u2, v2)
            later = margin + max(a0, b0) + max(a1, b1) + max(a2, b2)
            apart = f * -fall + rise * (there - fall * ahead) >= slack * (rise - fall)
            if (rise > 0.0) & (fall < 0.0) & (later >= slack) & apart:
                verdict = SEARCH
            elif margin < 0.0 and margin + max(a0, 0.0) + max(a1, 0.0) + max(a2, 0.0) < slack:
                verdict = QUIET
        if verdict != SEARCH and st.due[j] == np.inf and (verdict == QUIET or flag[j, 1] & WATCHED):
            continue
        act(st, q, np.int64(j), verdict)


@inlined
def test_row(kin, wir, st, q, k, post, first, end, now, scratch):
    """Look ahead for the targets of one delivered row of projection `k`; their V did not jump.

    Targets are post[first:end]; of dense projections first to end - 1 themselves.
    """
    p = wir.proj[k, J_TARGET]
    if wir.pop[p, P_FIRES] == 0:
        return
    known = wir.pop[p, P_CLASS]
    renew_horizon(wir, st, p, now)
    start = epoch_start(wir, st, p)
    ahead = st.horizon[p] - now
    drive, slow = 0.0, 0.0
    if known >= 0:
        drive, slow = prepare(kin, known, now - start, st.horizon[p] - start, scratch)
        if kin.i[known, N_MODES] == 2 and (kin.i[known, SOLVER] == TWO or kin.i[known, SOLVER] == PAIR):
            _test_two(kin, wir, st, q, k, known, post, first, end, q.watched, now, drive, slow, scratch)
            return
        if kin.i[known, N_MODES] == 3 and kin.i[known, SOLVER] == GENERAL and kin.i[known, N_COUPLED] == 0:
            _test_three(kin, wir, st, q, k, known, post, first, end, now, scratch)
            return
    dense = is_dense(wir, k)
    for i in range(first, end):
        j = np.uint64(i) if dense else np.uint64(post[i])
        if st.flag[j, 0] != ACTIVE:
            continue
        if wir.who[j, 1] != known:
            known = wir.who[j, 1]
            drive, slow = prepare(kin, known, now - start, st.horizon[p] - start, scratch)
        verdict = screen(kin, known, st.cell[j], ahead, drive, slow, scratch)
        if st.due[j] == np.inf and (verdict == QUIET or (verdict == WATCH and st.flag[j, 1] & WATCHED)):
            continue
        act(st, q, np.int64(j), verdict)


@inner
def test_list(kin, wir, st, q, who, n, now, out, max_rounds, scratch):
    """Look ahead for neurons who[:n], whose V may have jumped in this instant. Returns -1, or the one that ran away.

    The same operations as `reaches`, with the rows of a class prepared once.
    """
    known, of = np.int64(-1), np.int64(-1)
    drive, slow, ahead = 0.0, 0.0, 0.0
    for i in range(n):
        j = who[i]
        p, c = wir.who[j, 0], wir.who[j, 1]
        if st.flag[j, 0] != ACTIVE:
            st.par[j, S_PENDING] = 0.0
            continue
        if c != known or p != of:
            known, of = c, p
            renew_horizon(wir, st, p, now)
            ahead = st.horizon[p] - now
            start = epoch_start(wir, st, p)
            decay(kin, c, start - now, scratch[S_PULL])
            drive, slow = prepare(kin, c, now - start, st.horizon[p] - start, scratch)
        jump = st.par[j, S_PENDING]
        if jump != 0.0:
            f = st.cell[j, MARGIN] + dot(kin, c, scratch[S_NOW], st.cell[j], MODES)
            st.par[j, S_PENDING] = 0.0
            st.cell[j, MODES] += jump * scratch[S_PULL, 0]
            if f + jump >= 0.0:
                known = np.int64(-1)
                if not fire(kin, wir, st, q, j, now, out, max_rounds, scratch):
                    return j
                continue
        if wir.pop[p, P_FIRES] == 0:
            continue
        verdict = screen(kin, c, st.cell[j], ahead, drive, slow, scratch)
        if st.due[j] == np.inf and (verdict == QUIET or (verdict == WATCH and st.flag[j, 1] & WATCHED)):
            continue
        act(st, q, j, verdict)
    return np.int64(-1)


@inner
def watch_again(kin, wir, st, q, who, n, now, scratch):
    """At a horizon: look at the active ones of who[:n] that are not due, up to the next horizon."""
    first = np.int64(0)
    while first < n:
        p, c = wir.who[who[first], 0], wir.who[who[first], 1]
        end = first
        while end < n and wir.who[who[end], 0] == p and wir.who[who[end], 1] == c:
            end += 1
        renew_horizon(wir, st, p, now)
        start = epoch_start(wir, st, p)
        drive, slow = prepare(kin, c, now - start, st.horizon[p] - start, scratch)
        if kin.i[c, N_MODES] == 2 and (kin.i[c, SOLVER] == TWO or kin.i[c, SOLVER] == PAIR):
            _test_two(kin, wir, st, q, np.int64(-1), c, wir.post, first, end, who, now, drive, slow, scratch)
        else:
            for i in range(first, end):
                verdict = screen(kin, c, st.cell[who[i]], st.horizon[p] - now, drive, slow, scratch)
                act(st, q, who[i], verdict)
        first = end
