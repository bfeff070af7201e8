"""Learning rules lowered: the tables that `kernels.plastic` reads, and the synapses of every target neuron."""

from dataclasses import replace

import numpy as np

from .. import layout
from ..errors import NotAvailableError, ParameterError, unknown_name


def no_rules():
    """The arrays of `layout.Wiring` for a network without rules."""
    integers = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    return {"rule": integers(0, layout.R_COLUMNS), "rulef": np.zeros((0, layout.RF_COLUMNS)), "ruled": np.zeros(0),
            "variable": integers(0, layout.V_COLUMNS), "variablef": np.zeros((0, layout.VF_COLUMNS)), "begun": np.zeros(0),
            "column": integers(0), "incoming": integers(0)}


def with_weights(edges, name):
    """`edges` with one weight per synapse. Raises `NotAvailableError` for connections whose weights are not stored."""
    if not hasattr(edges, "weight") or hasattr(edges, "words"):
        raise NotAvailableError(f"projection {name!r} cannot learn: its synapses are not stored one by one")
    if np.ndim(edges.weight) == 0:
        return replace(edges, weight=np.full(edges.n_synapses, float(edges.weight)))
    return edges


def attach(lowered, rules):
    """`lowered` with `rules` (of `eventsnn.rules`), and weights of its own.

    Raises `UnknownNameError` for an unknown projection or population, `ParameterError` for two rules on one and for neurons
    without thresholds, `NotAvailableError` for neurons in groups.
    """
    wiring, names = lowered.wiring, [p.name for p in lowered.projections]
    proj, pop = wiring.proj.copy(), wiring.pop.copy()
    tables = {name: [] for name in no_rules()}
    used = 0
    for number, rule in enumerate(rules):
        row = np.zeros(layout.R_COLUMNS, np.int64)
        row[[layout.R_PRE, layout.R_POST, layout.R_TIMER]] = rule.addresses()
        row[layout.R_FIRST] = len(tables["variable"])
        row[layout.R_PARAMETERS] = sum(len(part) for part in tables["ruled"])
        row[layout.R_COLUMN] = sum(len(part) for part in tables["column"])
        k, target, weight, n_lines = -1, None, np.zeros(0), 0
        if rule.projection is None:
            target = _neurons(lowered, rule, tables["rule"])
        else:
            if rule.projection not in names:
                raise unknown_name("projection", rule.projection, names)
            k = names.index(rule.projection)
            if proj[k, layout.J_RULE] >= 0:
                raise ParameterError(f"projection {rule.projection!r} has two rules; it can have one")
            target, weight = int(proj[k, layout.J_TARGET]), weights(wiring, lowered.first, k)[2]
            n_lines, proj[k, layout.J_RULE] = _synapses(lowered, k, tables), number
        row[layout.R_PROJECTION], row[layout.R_TARGET] = k, target
        n_target = int(lowered.first[target + 1] - lowered.first[target])
        for column, kind, size in ((layout.R_X, rule.pre, n_lines), (layout.R_Y, rule.post, n_target),
                                   (layout.R_S, rule.synapse, weight.size), (layout.R_G, rule.network, 1)):
            row[column] = len(kind)
            for trace in kind.values():
                tables["variable"].append([used, size, column, int(trace.nearest)])
                tables["variablef"].append([1.0 / trace.tau, trace.step])
                first = weight if trace.start == "weight" else np.full(size, trace.start)
                tables["begun"].append(first.astype(np.float64))
                used += size
        tables["rule"].append(row)
        tables["rulef"].append([rule.epoch, rule.w_min, rule.w_max])
        tables["ruled"].append(rule.parameters)
        pop[target, layout.P_LEARNS] = 1
    arrays = no_rules()
    for name, parts in tables.items():
        joined = np.concatenate([arrays[name], *parts]) if name in ("ruled", "begun", "column", "incoming") else np.array(parts)
        arrays[name] = np.ascontiguousarray(joined, arrays[name].dtype).reshape(-1, *arrays[name].shape[1:])
    wiring = wiring._replace(proj=proj, pop=pop, w32=wiring.w32.copy(), w64=wiring.w64.copy(), **arrays)
    return replace(lowered, wiring=wiring, known={})


def _neurons(lowered, rule, rows):
    """Number of the population of a rule of neurons; `rows`: those of the rules before it."""
    if rule.population not in lowered.names:
        raise unknown_name("population", rule.population, lowered.names)
    p = lowered.names.index(rule.population)
    if not lowered.wiring.pop[p, layout.P_FIRES] or lowered.wiring.who[lowered.first[p], 1] < 0:
        raise ParameterError(f"population {rule.population!r} has no thresholds for a rule to change")
    if lowered.wiring.pop[p, layout.P_GROUP] > 1:
        raise NotAvailableError(f"population {rule.population!r} is of groups of neurons, whose thresholds no rule can change")
    if any(row[layout.R_PROJECTION] < 0 and row[layout.R_TARGET] == p for row in rows):
        raise ParameterError(f"population {rule.population!r} has two rules; it can have one")
    return p


def _synapses(lowered, k, tables):
    """Append the synapses of projection `k` by target to `tables`; returns the number of traces of its arrivals."""
    wiring, target = lowered.wiring, lowered.wiring.proj[k, layout.J_TARGET]
    position, sources, targets = synapses(wiring, lowered.first, k)
    line, n_lines = lines(wiring, lowered.first, k)
    order = np.lexsort((sources, targets))
    before = sum(len(part) for part in tables["incoming"])
    n_target = int(lowered.first[target + 1] - lowered.first[target])
    tables["column"].append(before + np.searchsorted(targets[order], np.arange(n_target + 1)))
    tables["incoming"].append((line << layout.INCOMING_BITS | position)[order])
    return n_lines


def synapses(wiring, first, k):
    """(position as in `post`, source, target) of every synapse of projection `k`, local numbers, by source."""
    source, target = wiring.proj[k, layout.J_SOURCE], wiring.proj[k, layout.J_TARGET]
    n_source, n_target = (int(first[p + 1] - first[p]) for p in (source, target))
    if wiring.proj[k, layout.J_KIND] in (layout.DENSE_F32, layout.DENSE_F64):
        sources, targets = np.divmod(np.arange(n_source * n_target), max(n_target, 1))
        return targets + first[target], sources, targets
    at = wiring.proj[k, layout.J_ROW]
    ends = wiring.row[at:at + n_source + 1]
    position = np.arange(ends[0], ends[-1])
    return position, np.repeat(np.arange(n_source), np.diff(ends)), wiring.post[position].astype(np.int64) - first[target]


def lines(wiring, first, k):
    """(index of its traces, for every synapse of projection `k` by source; how many there are).

    One for each source; where delays differ, one for each source and delay, with the number of their first synapse.
    """
    position, sources, _ = synapses(wiring, first, k)
    source, kind, at = wiring.proj[k, [layout.J_SOURCE, layout.J_DELAYS, layout.J_AT]]
    if kind == layout.UNIFORM:
        return sources, int(first[source + 1] - first[source])
    table = {layout.CLASS8: wiring.d8, layout.CLASS16: wiring.d16, layout.EACH: wiring.delay}[kind]
    delay, number = table[at + position], np.arange(position.size)
    begins = np.ones(position.size, bool)
    begins[1:] = (delay[1:] != delay[:-1]) | (sources[1:] != sources[:-1])
    return np.maximum.accumulate(np.where(begins, number, 0)), position.size


def weights(wiring, first, k):
    """(source, target, weight) of every synapse of projection `k`, by source."""
    position, sources, targets = synapses(wiring, first, k)
    kind, at = wiring.proj[k, layout.J_KIND], wiring.proj[k, layout.J_WEIGHT]
    dense = kind in (layout.DENSE_F32, layout.DENSE_F64)
    where = at + (np.arange(position.size) if dense else position)
    if kind == layout.CSR_SCALAR:
        return sources, targets, np.full(position.size, wiring.projf[k, layout.J_SCALAR])
    return sources, targets, (wiring.w32 if kind in (layout.CSR_F32, layout.DENSE_F32) else wiring.w64)[where].copy()
