"""Construction: statistics of the random draws, delay classes, and rules that are drawn again instead of stored."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventsnn as es
from eventsnn.errors import ParameterError
from eventsnn.kernels import draw
from eventsnn.kernels.elementary import log
from eventsnn.model import procedural
from eventsnn.model.distributions import DelayClasses, keys

WHERE = "projection 'input->exc'"
QUICK = settings(max_examples=40, deadline=None)


def build(connection, n_source, n_target, same=False):
    return connection.build(n_source, n_target, same, WHERE)


def sources(edges):
    return np.repeat(np.arange(edges.indptr.size - 1), np.diff(edges.indptr))


def chi_square(counts, expected):
    """Deviation of chi-square from its mean in standard deviations: beyond 5 only by mistake."""
    counts, expected = np.asarray(counts, float).ravel(), np.broadcast_to(expected, np.shape(counts)).ravel()
    free = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - free) / math.sqrt(2.0 * free)


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1] * math.sqrt(len(a))


# --- targets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize("n", [7, 1000, 1024])
def test_targets_are_uniform_within_and_across_rows(seed, n):
    rows, k = 4000, 100
    target = build(es.RandomOutdegree(k, 1.0, seed=seed), rows, n).target.reshape(rows, k)
    assert abs(chi_square(np.bincount(target.ravel(), minlength=n), rows * k / n)) < 5.0
    for column in (0, k - 1):
        assert abs(chi_square(np.bincount(target[:, column], minlength=n), rows / n)) < 5.0
    for shift in (1, 2, 17):
        assert abs(correlation(target[shift:, 0], target[:-shift, 0])) < 5.0
        assert abs(correlation(target[:, shift], target[:, 0])) < 5.0
    pairs = np.histogram2d(target[:, 0:-1:2].ravel(), target[:, 1::2].ravel(), bins=7, range=[[0, n], [0, n]])[0]
    sizes = np.histogram(np.arange(n), 7, (0, n))[0] / n
    assert abs(chi_square(pairs, np.outer(sizes, sizes) * rows * k / 2)) < 5.0


@pytest.mark.parametrize("k, n", [(3, 40), (3, 8), (8, 8), (1, 1), (60, 1000), (60, 470)])
def test_distinct_partners_come_from_all_subsets_equally(k, n):
    rows = 20000
    drawn = build(es.RandomOutdegree(k, 1.0, seed=5, replace=False), rows, n).target.reshape(rows, k).astype(np.int64)
    assert (np.diff(drawn, axis=1) > 0).all()
    expected = rows * k / n
    assert abs(np.bincount(drawn.ravel(), minlength=n) - expected).max() <= 5.0 * math.sqrt(expected)
    together = ((drawn == 0).any(axis=1) & (drawn == n - 1).any(axis=1)).mean() if n > 1 else 1.0
    p = k * (k - 1) / (n * (n - 1)) if n > 1 else 1.0
    assert abs(together - p) < 5.0 * math.sqrt(p * (1 - p) / rows) + 1e-12
    if (k, n) == (3, 8):
        counts = np.unique(drawn @ [64, 8, 1], return_counts=True)[1]
        assert counts.size == 56 and abs(chi_square(counts, rows / 56)) < 5.0


def test_long_rows_without_replacement_are_sorted_and_distinct():
    for n in (1_000_000, 200_000):
        target = build(es.RandomOutdegree(50_000, 1.0, seed=2, replace=False), 3, n).target.reshape(3, -1).astype(np.int64)
        assert (np.diff(target, axis=1) > 0).all() and target.max() < n
        assert abs(target.mean() / n - 0.5) < 5.0 / math.sqrt(12 * target.size)


@pytest.mark.parametrize("n_source, n_target, p", [(2000, 1000, 0.1), (2000, 50, 0.97), (2000, 100_000, 1e-4)])
def test_probability_gives_binomial_rows_and_geometric_gaps(n_source, n_target, p):
    edges = build(es.RandomProbability(p, 1.0, seed=2), n_source, n_target)
    degree = np.diff(edges.indptr)
    mean, variance = n_target * p, n_target * p * (1 - p)
    assert abs(degree.mean() - mean) < 5.0 * math.sqrt(variance / n_source)
    assert abs(degree.var() - variance) < 5.0 * variance * math.sqrt((2.0 + 1.0 / variance) / n_source)
    place = sources(edges) * n_target + edges.target.astype(np.int64)
    gaps = np.diff(place)
    assert (gaps > 0).all()
    longest = max(int(math.log(20 / gaps.size) / math.log(1 - p)), 1)
    counts = np.bincount(np.minimum(gaps, longest + 1))[1:]
    expected = np.append(p * (1 - p) ** np.arange(longest), (1 - p) ** longest) * gaps.size
    assert abs(chi_square(counts, expected[: counts.size])) < 5.0
    in_degree = np.bincount(edges.target, minlength=n_target)
    assert abs(in_degree - n_source * p).max() < 7.0 * math.sqrt(n_source * p * (1 - p)) + 6.0


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("fill", [0.2, 0.9])
def test_degrees_of_a_given_total_have_the_right_spread(replace, fill):
    n, m = 3000, 60
    total = int(fill * n * m)
    degree = np.diff(build(es.RandomTotal(total, 1.0, seed=3, replace=replace), n, m).indptr)
    variance = total / n * (1.0 if replace else 1.0 - fill)
    assert degree.sum() == total and (replace or degree.max() <= m)
    assert abs(degree.var() - variance) < 6.0 * variance * math.sqrt(2.0 / n)


def test_sources_of_an_indegree_are_uniform():
    degree = np.diff(build(es.RandomIndegree(50, 1.0, seed=4), 1000, 4000).indptr)
    assert abs(chi_square(degree, 200.0)) < 5.0


def test_self_connections_are_left_out_and_the_others_stay_uniform():
    n, k = 50, 2000
    target = build(es.RandomOutdegree(k, 1.0, seed=1, autapses=False), n, n, True).target.reshape(n, k)
    counts = np.array([np.bincount(row, minlength=n) for row in target])
    assert not counts.diagonal().any()
    assert abs(chi_square(counts[~np.eye(n, dtype=bool)], k / (n - 1))) < 5.0
    kept = build(es.RandomOutdegree(k, 1.0, seed=1, autapses=False), n, n, False).target.reshape(n, k)
    assert (kept == np.arange(n)[:, None]).any()


def test_streams_and_seeds_are_independent():
    def drawn(seed):
        edges = build(es.RandomOutdegree(100, es.Normal(0.0, 1.0), es.Normal(5.0, 1.0, 0.0), seed=seed), 200, 1000)
        return edges.target.astype(float), edges.weight, edges.delay

    a, b = drawn(1), drawn(2)
    parts = [*a, *b]
    for i in range(len(parts)):
        for j in range(i):
            assert abs(correlation(parts[i], parts[j])) < 5.0
            assert abs(correlation(abs(parts[i] - parts[i].mean()), abs(parts[j] - parts[j].mean()))) < 5.0
    assert np.unique([keys(seed) for seed in range(500)]).size == 2000


# --- values ------------------------------------------------------------------------------------------------------


def phi(x):
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def test_normal_numbers_have_the_right_distribution():
    values = es.Normal(0.0, 1.0).draw(3, 2_000_000)
    edges = np.linspace(-4.5, 4.5, 181)
    counts = np.histogram(values, [-np.inf, *edges, np.inf])[0]
    expected = np.diff([0.0, *map(phi, edges), 1.0]) * values.size
    assert abs(chi_square(counts, expected)) < 5.0
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((values**power).mean() - moment) < 5.0 * math.sqrt(variance / values.size)
    beyond = (abs(values) > 3.6541528853610088).sum()  # where the ziggurat ends
    expected = 2.0 * phi(-3.6541528853610088) * values.size
    assert abs(beyond - expected) < 5.0 * math.sqrt(expected) and abs(values).max() < 7.0
    assert abs(correlation(values[1:], values[:-1])) < 5.0


def test_tables_of_the_ziggurats_close_and_have_equal_areas():
    for x, f in ((draw.NORMAL_X, draw.NORMAL_F), (draw.EXP_X, draw.EXP_F)):
        areas = x[1:-1] * np.diff(f[1:])
        assert areas == pytest.approx(np.full(draw.LAYERS - 1, areas[0]), rel=1e-12) and (np.diff(x) < 0).all()
        assert x[0] * f[1] == pytest.approx(areas[0], rel=1e-12)
    assert draw.skip_scale(0.5) == -1.0 / log(0.5) and draw.skip_scale(1.0) == 0.0 and draw.skip_scale(0.0) == math.inf


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("low, high", [(-0.5, 2.0), (0.0, math.inf), (1.0, 1.1)])
def test_truncation_keeps_the_shape_within_the_bounds(dtype, low, high):
    normal = es.Normal(0.0, 1.0, low, high)
    values = normal.draw(7, 200_000, dtype)
    assert values.dtype == dtype and values.min() >= low and values.max() <= high
    edges = np.linspace(low, min(high, 3.0), 21)
    counts = np.histogram(values, [*edges[:-1], np.inf])[0]
    expected = np.diff([*map(phi, edges[:-1]), phi(high)]) / normal.mass() * values.size
    assert abs(chi_square(counts, expected)) < 5.0


def test_float32_values_are_the_rounded_float64_ones():
    rule = [build(es.RandomOutdegree(10, es.Normal(0.3, 0.1), weight_dtype=d, seed=1), 50, 9).weight for d in ("f4", "f8")]
    assert rule[0].dtype == np.float32 and np.array_equal(rule[0], rule[1].astype(np.float32))


@QUICK
@given(st.integers(0, 2**63), st.sampled_from([1e-4, 3e-4, 0.1, 7.0]), st.integers(-3, 20), st.integers(0, 12),
       st.floats(0.1, 3.0), st.sampled_from(["f4", "f8"]))
def test_steps_give_whole_multiples_within_the_bounds(seed, step, first, width, std, dtype):
    low, high = first * step, (first + width) * step
    try:
        normal = es.Normal((first + width / 2) * step, std * step, low, high, step)
    except ParameterError as error:
        assert "must remain" in str(error)
        return
    numbers = normal.draw(seed, 200, dtype).astype(float) / step
    assert abs(numbers - np.round(numbers)).max() < 1e-4
    assert set(np.round(numbers)) <= set(range(first, first + width + 1))
    drawn = normal.draw(seed, 200, dtype)
    assert drawn.min() >= np.dtype(dtype).type(low) and drawn.max() <= np.dtype(dtype).type(high)


def test_steps_round_to_the_nearest_multiple():
    normal = es.Normal(1.5e-3, 0.75e-3, low=1e-4, step=1e-4)
    delay = build(es.RandomOutdegree(100, 1.0, normal, seed=2), 2000, 10).delay
    assert isinstance(delay, DelayClasses) and delay.index.dtype == np.uint8
    number = np.round(delay.table * 1e4).astype(int)
    assert number[0] == 1 and np.array_equal(number, np.arange(1, number[-1] + 1)[np.isin(range(1, number[-1] + 1), number)])
    counts = np.bincount(number[delay.index], minlength=50)[1:50]
    upper = [phi((m + 0.5 - 15.0) / 7.5) for m in range(50)]
    expected = np.diff(upper) / (1.0 - upper[0]) * 200_000
    assert abs(chi_square(counts[:40], expected[:40])) < 5.0
    assert es.Normal(1.26, 0.0, step=0.5).constant() == 1.5


# --- delay classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distinct, n, dtype", [
    (2, 2, np.uint8), (256, 256, np.uint8), (257, 257, None), (257, 2000, np.uint16), (60_000, 300_000, np.uint16),
    (70_000, 300_000, None),
])
def test_delays_given_one_by_one_become_classes_where_that_saves_memory(distinct, n, dtype):
    rng = np.random.default_rng(4)
    delay = np.concatenate([np.arange(distinct), rng.integers(0, distinct, n - distinct)]) * 1e-5
    rng.shuffle(delay)
    source = rng.integers(0, 50, n)
    edges = build(es.Sparse(source, np.zeros(n, int), 1.0, delay), 50, 1)
    expected = delay[np.argsort(source, kind="stable")]
    if dtype is None:
        assert np.array_equal(edges.delay, expected)
    else:
        assert edges.delay.index.dtype == dtype and np.array_equal(edges.delay.values(), expected)
        assert edges.delay.table.size == distinct and (np.diff(edges.delay.table) > 0).all()


def test_delay_classes_know_one_zero_only():
    classes = DelayClasses.of(np.array([0.0, -0.0, 1.0, -0.0]))
    assert classes.table.tolist() == [0.0, 1.0] and classes.index.tolist() == [0, 0, 1, 0]


def test_many_drawn_classes_take_two_bytes():
    delay = build(es.RandomOutdegree(100, 1.0, es.Normal(5e-3, 1e-3, 0.0, step=1e-6)), 300, 10).delay
    assert delay.index.dtype == np.uint16 and np.array_equal(np.unique(delay.index), np.arange(delay.table.size))
    assert delay.values().std() == pytest.approx(1e-3, rel=0.05) and delay.values().mean() == pytest.approx(5e-3, rel=0.01)


# --- lists of synapses -------------------------------------------------------------------------------------------


def test_lists_may_be_views_of_one_table():
    table = np.array([[2, 0], [0, 1], [2, 2]], np.int32)
    table.flags.writeable = False
    edges = build(es.Sparse(table[:, 0], table[:, 1], [1.0, 2.0, 3.0]), 3, 3)
    assert edges.indptr.tolist() == [0, 1, 1, 3] and edges.target.tolist() == [1, 0, 2] and edges.weight.tolist() == [2, 1, 3]
    swapped = build(es.Sparse(table[:, 0].astype(">i4"), table[:, 1].astype(">u8"), 1.0), 3, 3)
    assert swapped.target.tolist() == [1, 0, 2]


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64, np.float32, np.int8])
@pytest.mark.parametrize("end", ["source", "target"])
def test_numbers_out_of_range_are_refused_in_every_dtype(dtype, end):
    good, bad = np.array([0, 2, 1], dtype), np.array([0, 3, 1], dtype)
    ends = (bad, good) if end == "source" else (good, bad)
    connection = es.Sparse(*ends, 1.0)
    with pytest.raises(ParameterError, match=f"{end} of synapse 1 of .* is 3.*; it must be in 0..2"):
        build(connection, 3, 3)
    with pytest.raises(ParameterError, match=f"{end} of synapse 1 of .* is 3.*; it must be in 0..2"):
        connection.validate(3, 3, WHERE)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_huge_numbers_are_named(number):
    with pytest.raises(ParameterError, match=f"source of synapse 0 of .* is {number}; it must be in 0..2"):
        build(es.Sparse(np.array([number], np.uint64), [0], 1.0), 3, 3)
    with pytest.raises(ParameterError, match="target of synapse 0 of .* is 1e.30; it must be in 0..2"):
        build(es.Sparse([0], [1e30], 1.0), 3, 3)


def test_a_list_changed_after_connecting_is_checked_again():
    source = np.array([0, 1])
    connection = es.Sparse(source, [0, 1], 1.0)
    connection.validate(2, 2, WHERE)
    source[1] = 5
    with pytest.raises(ParameterError, match="source of synapse 1 .* is 5"):
        build(connection, 2, 2)


# --- procedural --------------------------------------------------------------------------------------------------

weights = st.sampled_from([0.5, es.Normal(1.0, 0.2), es.Normal(1.0, 0.5, 0.0, 1.5), es.Normal(1.0, 0.5, step=0.25)])


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.data(), weights, st.sampled_from([None, "float32"]), st.integers(0, 2**64),
       st.booleans(), st.booleans())
def test_procedural_rows_are_the_stored_ones(n_source, n_target, data, weight, dtype, seed, same, autapses):
    n_target = n_source if same else n_target
    partners = n_target - (same and not autapses)
    kind = data.draw(st.sampled_from([draw.REPLACE, draw.DISTINCT, draw.PROBABILITY]))
    more = {"delay": 1e-3, "seed": seed, "autapses": autapses, "weight_dtype": dtype}
    if kind == draw.PROBABILITY:
        rule = es.RandomProbability(data.draw(st.floats(0, 1)), weight, **more)
    else:
        k = data.draw(st.integers(0, partners if kind == draw.DISTINCT else 50 * (partners > 0)))
        rule = es.RandomOutdegree(k, weight, replace=kind == draw.REPLACE, **more)
    stored, drawn = build(rule, n_source, n_target, same), build(es.Procedural(rule), n_source, n_target, same)
    assert drawn.delay == stored.delay == 1e-3 and drawn.words[draw.KIND] == kind
    targets, wide = np.zeros(drawn.longest_row, np.uint32), np.zeros(drawn.longest_row)
    for s in range(n_source):
        row = slice(*stored.indptr[s : s + 2])
        target, own = drawn.row(s)
        assert np.array_equal(target, stored.target[row])
        if own is None:
            assert drawn.weight == stored.weight == weight
        else:
            assert own.dtype == stored.weight.dtype and np.array_equal(own, stored.weight[row])
        n = draw.row_of(drawn.words, drawn.reals, s, 0, targets, wide)
        assert np.array_equal(targets[:n], target) and (own is None or np.array_equal(wide[:n], own))


def test_rows_that_do_not_fit_are_refused():
    edges = build(es.Procedural(es.RandomOutdegree(5, es.Normal(0, 1))), 3, 10)
    short, weights = np.zeros(4, np.uint32), np.zeros(5)
    assert draw.row_of(edges.words, edges.reals, 0, 0, short, weights) == -1
    assert draw.row_of(edges.words, edges.reals, 0, 0, np.zeros(5, np.uint32), weights[:4]) == -1
    edges = build(es.Procedural(es.RandomProbability(1.0, 1.0)), 3, 10)
    assert draw.row_of(edges.words, edges.reals, 0, 0, short, weights) == -1


def test_procedural_holds_a_few_numbers_whatever_the_size():
    edges = build(es.Procedural(es.RandomOutdegree(1000, 0.1, 1e-3)), 10**8, 10**8)
    assert edges.n_synapses == 10**11 and edges.words.nbytes + edges.reals.nbytes < 200
    targets = edges.row(10**8 - 1)[0].astype(float)
    assert targets.size == 1000 and abs(targets.mean() / 10**8 - 0.5) < 5.0 / math.sqrt(12_000)


@pytest.mark.parametrize("rule, message", [
    (es.RandomTotal(5, 1.0), "rule of Procedural of projection 'input->exc' is RandomTotal; it must be RandomOutdegree or"),
    (3, "rule of Procedural of projection 'input->exc' is int"),
    (es.RandomOutdegree(1, [1.0, 2.0]), "weight of Procedural of projection 'input->exc' is an array"),
    (es.RandomOutdegree(1, 1.0, [1.0, 2.0]), "delay of Procedural of projection 'input->exc' is not one number"),
    (es.RandomOutdegree(1, 1.0, es.Normal(1.0, 0.1, step=0.1)), "delay of Procedural of .* is not one number"),
    (es.RandomOutdegree(-1, 1.0), "k of projection 'input->exc' is -1"),
    (es.RandomProbability(2.0, 1.0), "p of projection 'input->exc' is 2.0"),
    (es.RandomProbability(0.5, math.nan), "weight of projection 'input->exc' is nan"),
])
def test_procedural_refuses_what_it_cannot_draw_again(rule, message):
    for method in (lambda c: c.validate(2, 2, WHERE), lambda c: build(c, 2, 2)):
        with pytest.raises(ParameterError, match=message):
            method(es.Procedural(rule))


def test_examples_of_docstrings():
    assert doctest.testmod(procedural).failed == 0
