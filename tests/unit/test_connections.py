"""Connections: degrees, order, reproducibility, dtypes, and the text of every error."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsnn.errors import ParameterError
from eventsnn.model import connections, distributions, random_rules
from eventsnn.model.connections import Dense, DenseEdges, OneToOne, Sparse
from eventsnn.model.distributions import DelayClasses, Normal
from eventsnn.model.random_rules import RandomIndegree, RandomOutdegree, RandomProbability, RandomTotal

WHERE = "projection 'input->exc'"
QUICK = settings(max_examples=40, deadline=None)
sizes = st.integers(1, 30)
seeds = st.integers(0, 2**63)
flags = st.booleans()


def build(connection, n_source, n_target, same=False):
    return connection.build(n_source, n_target, same, WHERE)


def sources(edges):
    return np.repeat(np.arange(edges.indptr.size - 1), np.diff(edges.indptr))


def delays(edges):
    """Delays one by one."""
    if isinstance(edges.delay, DelayClasses):
        return edges.delay.values()
    return np.full(edges.n_synapses, edges.delay) if isinstance(edges.delay, float) else edges.delay


def check_form(edges, n_source, n_target):
    """The promises of `Edges` that the engine relies on for memory safety."""
    assert edges.indptr.dtype == np.int64 and edges.target.dtype == np.uint32
    assert edges.indptr.shape == (n_source + 1,) and edges.indptr[0] == 0 and edges.indptr[-1] == edges.target.size
    assert (np.diff(edges.indptr) >= 0).all()
    assert edges.target.size == 0 or edges.target.max() < n_target
    classes = isinstance(edges.delay, DelayClasses)
    for values in (edges.weight, edges.delay.index if classes else edges.delay):
        assert isinstance(values, float) or (values.shape == edges.target.shape and values.flags.c_contiguous)
    if classes:
        table, index = edges.delay.table, edges.delay.index
        assert table.dtype == np.float64 and (np.diff(table) > 0).all() and table[0] >= 0.0 and table.size > 1
        assert index.dtype == (np.uint8 if table.size <= 256 else np.uint16)
        assert np.array_equal(np.unique(index), np.arange(table.size))


def distinct_pairs(edges, n_target):
    pairs = sources(edges) * n_target + edges.target
    return np.unique(pairs).size == pairs.size


@pytest.mark.parametrize("module", [connections, distributions, random_rules])
def test_examples_of_docstrings(module):
    assert doctest.testmod(module).failed == 0


# --- given synapse by synapse ------------------------------------------------------------------------------------


@QUICK
@given(st.data(), sizes, sizes, st.sampled_from([np.int8, np.uint8, np.int32, np.uint64, np.int64, np.float64]))
def test_sparse_keeps_every_synapse_in_stable_order(data, n_source, n_target, dtype):
    m = data.draw(st.integers(0, 60))
    rng = np.random.default_rng(data.draw(seeds))
    source, target = rng.integers(0, n_source, m), rng.integers(0, n_target, m)
    weight, delay = rng.normal(size=m), rng.random(m)
    connection = Sparse(source.astype(dtype), target.astype(dtype), weight, delay)
    edges = build(connection, n_source, n_target)
    check_form(edges, n_source, n_target)
    position = np.argsort(source, kind="stable")
    assert np.array_equal(sources(edges), source[position])
    assert np.array_equal(edges.target, target[position])
    assert np.array_equal(edges.weight, weight[position])
    assert np.array_equal(delays(edges), delay[position])
    assert connection.n_synapses(n_source, n_target) == m == edges.n_synapses


def test_sparse_shares_no_memory_with_the_user():
    source, target = np.array([0, 1]), np.array([1, 0], np.uint32)
    weight, delay = np.array([1.0, 2.0]), np.array([1e-3, 2e-3])
    edges = build(Sparse(source, target, weight, delay), 2, 2)
    for mine, theirs in ((target, edges.target), (weight, edges.weight)):
        assert not np.shares_memory(mine, theirs)


def test_sparse_source_may_be_one_neuron_and_lists_may_be_empty():
    assert build(Sparse(0, 1, 0.5), 1, 2).target.tolist() == [1]
    empty = build(Sparse([], [], 0.5), 3, 2)
    check_form(empty, 3, 2)
    assert empty.indptr.tolist() == [0, 0, 0, 0]
    assert build(Sparse([], [], [], []), 0, 0).n_synapses == 0


def test_dense_with_one_delay_stays_dense():
    weight = np.asfortranarray(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    edges = build(Dense(weight, delay=1e-3), 4, 3)
    assert isinstance(edges, DenseEdges) and edges.delay == 1e-3 and edges.n_synapses == 12
    assert edges.weight.dtype == np.float32 and edges.weight.flags.c_contiguous
    assert np.array_equal(edges.weight, weight)
    own = np.ones((2, 2))
    assert not np.shares_memory(own, build(Dense(own), 2, 2).weight)


def test_dense_with_delays_becomes_rows():
    weight, delay = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3) * 1e-3
    edges = build(Dense(weight, delay), 2, 3)
    check_form(edges, 2, 3)
    assert edges.indptr.tolist() == [0, 3, 6] and edges.target.tolist() == [0, 1, 2, 0, 1, 2]
    assert edges.weight.tolist() == weight.ravel().tolist() and delays(edges).tolist() == delay.ravel().tolist()
    assert isinstance(build(Dense(weight, np.full((2, 3), 2e-3)), 2, 3), DenseEdges)


def test_dense_number_is_never_expanded():
    edges = build(Dense(0.5, 1e-3), 2, 3)
    assert edges.weight == 0.5 and edges.target.tolist() == [0, 1, 2, 0, 1, 2]


def test_one_to_one():
    edges = build(OneToOne([1.0, 2.0, 3.0], 1e-3), 3, 3)
    check_form(edges, 3, 3)
    assert edges.target.tolist() == [0, 1, 2] and edges.weight.tolist() == [1.0, 2.0, 3.0] and edges.delay == 1e-3


# --- drawn at random ---------------------------------------------------------------------------------------------


@QUICK
@given(sizes, sizes, st.integers(0, 30), seeds, flags, flags)
def test_outdegree_is_exact(n_source, n_target, k, seed, replace, same):
    n_target = n_source if same else n_target
    if k and (n_target - same < 1 or (not replace and k > n_target - same)):
        return
    connection = RandomOutdegree(k, 0.5, 1e-3, seed=seed, replace=replace, autapses=not same)
    edges = build(connection, n_source, n_target, same)
    check_form(edges, n_source, n_target)
    assert (np.diff(edges.indptr) == k).all()
    assert connection.n_synapses(n_source, n_target) == edges.n_synapses
    assert not same or not (sources(edges) == edges.target).any()
    assert replace or distinct_pairs(edges, n_target)


@QUICK
@given(sizes, sizes, st.integers(0, 30), seeds, flags, flags)
def test_indegree_is_exact(n_source, n_target, k, seed, replace, same):
    n_target = n_source if same else n_target
    if k and (n_source - same < 1 or (not replace and k > n_source - same)):
        return
    connection = RandomIndegree(k, np.arange(n_target * k) * 1.0, seed=seed, replace=replace, autapses=not same)
    edges = build(connection, n_source, n_target, same)
    check_form(edges, n_source, n_target)
    assert (np.bincount(edges.target, minlength=n_target) == k).all()
    assert connection.n_synapses(n_source, n_target) == edges.n_synapses
    if k:
        assert np.array_equal(edges.weight // k, edges.target)  # synapse index t * k + i
    assert not same or not (sources(edges) == edges.target).any()
    assert replace or distinct_pairs(edges, n_target)


@QUICK
@given(sizes, sizes, st.floats(0, 1), seeds, flags, flags)
def test_total_is_exact(n_source, n_target, fraction, seed, replace, same):
    n_target = n_source if same else n_target
    total = int(fraction * n_source * (n_target - same))
    connection = RandomTotal(total, 0.5, seed=seed, replace=replace, autapses=not same)
    edges = build(connection, n_source, n_target, same)
    check_form(edges, n_source, n_target)
    assert edges.n_synapses == total == connection.n_synapses(n_source, n_target)
    assert not same or not (sources(edges) == edges.target).any()
    assert replace or distinct_pairs(edges, n_target)


@QUICK
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), seeds, flags)
def test_probability_lies_within_binomial_bounds(n_source, n_target, p, seed, same):
    n_target = n_source if same else n_target
    edges = build(RandomProbability(p, 0.5, seed=seed, autapses=not same), n_source, n_target, same)
    check_form(edges, n_source, n_target)
    pairs = n_source * (n_target - same)
    assert abs(edges.n_synapses - p * pairs) <= 7.0 * math.sqrt(pairs * p * (1.0 - p)) + 12.0
    assert distinct_pairs(edges, n_target)
    assert not same or not (sources(edges) == edges.target).any()


def test_rules_reach_every_pair_equally():
    n, draws = 6, 4000
    rules = [
        lambda seed: RandomOutdegree(2, 1.0, seed=seed, replace=False, autapses=False),
        lambda seed: RandomOutdegree(2, 1.0, seed=seed, autapses=False),
        lambda seed: RandomIndegree(2, 1.0, seed=seed, autapses=False),
        lambda seed: RandomTotal(2 * n, 1.0, seed=seed, replace=False, autapses=False),
        lambda seed: RandomTotal(2 * n, 1.0, seed=seed, autapses=False),
        lambda seed: RandomProbability(2 / (n - 1), 1.0, seed=seed, autapses=False),
    ]
    for rule in rules:
        seen = np.zeros((n, n))
        for seed in range(draws):
            edges = build(rule(seed), n, n, True)
            np.add.at(seen, (sources(edges), edges.target), 1)
        assert not seen.diagonal().any()
        off = seen[~np.eye(n, dtype=bool)]
        expected = draws * 2 / (n - 1)
        assert abs(off - expected).max() < 5.0 * math.sqrt(expected)


def test_certain_and_impossible():
    assert build(RandomProbability(1.0, 1.0), 3, 17).target.tolist() == [*range(17)] * 3
    assert build(RandomProbability(0.0, 1.0), 5, 5).n_synapses == 0
    assert build(RandomProbability(5e-324, 1.0), 5, 5).n_synapses == 0


@pytest.mark.parametrize("rule", [
    lambda **kw: RandomOutdegree(3, **kw),
    lambda **kw: RandomIndegree(3, **kw),
    lambda **kw: RandomProbability(0.2, **kw),
    lambda **kw: RandomTotal(60, **kw),
])
def test_same_seed_same_network_and_separate_streams(rule):
    def made(**changes):
        return build(rule(**({"weight": Normal(1.0, 0.2), "delay": Normal(1e-3, 1e-4, low=0.0), "seed": 7} | changes)),
                     20, 20)

    a, b = made(), made()
    assert np.array_equal(a.target, b.target) and np.array_equal(a.indptr, b.indptr)
    assert np.array_equal(a.weight, b.weight) and np.array_equal(a.delay, b.delay)
    other = made(seed=8)
    assert other.target.size != a.target.size or not np.array_equal(a.target, other.target)
    plain = made(weight=2.0)
    assert plain.weight == 2.0 and np.array_equal(a.target, plain.target) and np.array_equal(a.delay, plain.delay)


def test_networks_do_not_change_between_versions_and_machines():
    edges = build(RandomOutdegree(3, Normal(0.0, 1.0), seed=1), 2, 1000)
    assert edges.target.tolist() == [839, 986, 125, 748, 119, 334]
    assert edges.weight[0].hex() == "0x1.5366de24bf57cp-4" and edges.weight[2].hex() == "-0x1.40279f70a5e83p-7"
    edges = build(RandomOutdegree(3, 1.0, Normal(1e-3, 5e-4, low=1e-4, step=1e-4), seed=1, replace=False), 2, 1000)
    assert edges.target.tolist() == [87, 404, 925, 145, 456, 894]
    assert np.round(delays(edges) * 1e4).tolist() == [15, 14, 7, 12, 6, 15]
    assert build(RandomProbability(0.01, 1.0, seed=1), 1, 500).target.tolist() == [64, 256, 301, 385, 432, 446]
    edges = build(RandomTotal(6, 1.0, seed=1, replace=False), 4, 3)
    assert edges.indptr.tolist() == [0, 1, 3, 4, 6] and edges.target.tolist() == [2, 1, 2, 0, 0, 1]
    edges = build(RandomIndegree(2, 1.0, seed=1), 50, 3)
    assert sources(edges).tolist() == [1, 5, 37, 41, 48, 49] and edges.target.tolist() == [2, 1, 1, 0, 2, 0]


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_dtype, asked, expected", [
    (np.float32, None, np.float32), (np.float64, None, np.float64), (np.int16, None, np.float64),
    (np.float16, None, np.float64), (np.float64, "float32", np.float32), (np.float32, "float64", np.float64),
    (np.float32, np.float64, np.float64),
])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_weights_keep_their_dtype(given_dtype, asked, expected, order):
    edges = build(Sparse(order, order, np.array([1, 2, 3], given_dtype), weight_dtype=asked), 3, 3)
    assert edges.weight.dtype == expected and sorted(edges.weight.tolist()) == [1.0, 2.0, 3.0]


def test_numbers_are_kept_once():
    edges = build(RandomOutdegree(5, np.float32(0.1), 1e-3), 10, 10)
    assert type(edges.weight) is float and edges.weight == float(np.float32(0.1)) and type(edges.delay) is float
    assert build(OneToOne(0.1, weight_dtype="float32"), 2, 2).weight == float(np.float32(0.1))


def test_equal_delays_become_one_number():
    assert build(Sparse([1, 0], [0, 0], 1.0, [2e-3, 2e-3]), 2, 1).delay == 2e-3
    assert build(RandomOutdegree(2, 1.0, Normal(2e-3, 0.0)), 2, 3).delay == 2e-3
    assert build(RandomOutdegree(0, 1.0, []), 2, 3).delay == 0.0


@QUICK
@given(st.floats(-5, 5), st.floats(0.01, 3), st.floats(-4, 4), st.floats(0, 4), seeds, st.sampled_from(["f4", "f8"]))
def test_normal_stays_within_bounds(mean, std, low, width, seed, dtype):
    try:
        normal = Normal(mean, std, low, low + width)
    except ParameterError as error:
        assert "at least 0.001 must remain" in str(error)
        return
    values = normal.draw(seed, 300, dtype)
    assert values.dtype == dtype and (values >= low).all() and (values <= low + width).all()


def test_normal_has_its_moments_and_mass():
    values = Normal(2.0, 0.5).draw(0, 100_000)
    assert values.mean() == pytest.approx(2.0, abs=0.01) and values.std() == pytest.approx(0.5, abs=0.01)
    assert Normal(0.0, 1.0).mass() == 1.0 and Normal(0.0, 1.0, low=0.0).mass() == 0.5
    assert Normal(0.0, 1.0, 1.0, 2.0).mass() == pytest.approx(Normal(0.0, 1.0, -2.0, -1.0).mass()) == pytest.approx(
        0.13590512198327787)
    half = Normal(0.0, 1.0, low=0.0).draw(0, 100_000)
    assert half.mean() == pytest.approx(math.sqrt(2 / math.pi), abs=0.01)


def test_given_synapses_may_draw_their_values():
    edges = build(Sparse([0, 1], [0, 1], Normal(1.0, 0.1), Normal(1e-3, 1e-4, low=0), weight_dtype="float32", seed=3),
                  2, 2)
    assert edges.weight.dtype == np.float32 and delays(edges).shape == (2,)
    assert build(Dense(Normal(0.0, 1.0), seed=1), 3, 4).weight.shape == (3, 4)
    a, b = (build(OneToOne(Normal(0.0, 1.0), seed=s), 3, 3).weight for s in (1, 2))
    assert not np.array_equal(a, b)


# --- errors ------------------------------------------------------------------------------------------------------

nan, inf = math.nan, math.inf
BAD = [
    (lambda: Sparse([0, 1], [0, 1], 1.0, [1e-3, -0.0002]), 2, 2,
     "delay of synapse 1 of projection 'input->exc' is -0.0002; it must be finite and >= 0 s"),
    (lambda: Sparse([0, 1], [0, 1], 1.0, -1e-3), 2, 2,
     "delay of projection 'input->exc' is -0.001; it must be finite and >= 0 s"),
    (lambda: Sparse([0], [0], 1.0, inf), 2, 2, "delay of projection 'input->exc' is inf; it must be finite"),
    (lambda: Sparse([0, 0], [0, 0], 1.0, [0.0, inf]), 2, 2, "delay of synapse 1 of projection 'input->exc' is inf"),
    (lambda: Sparse([0], [0], 1.0, [nan]), 2, 2, "delay of synapse 0 of projection 'input->exc' is nan"),
    (lambda: Sparse([0], [0], nan), 2, 2, "weight of projection 'input->exc' is nan; it must be finite"),
    (lambda: Sparse([0, 0], [0, 0], [1.0, -inf]), 2, 2, "weight of synapse 1 of projection 'input->exc' is -inf"),
    (lambda: Sparse([0], [0], "heavy"), 2, 2, "weight of projection 'input->exc' is 'heavy'; it must be a number"),
    (lambda: Sparse([0], [0], [1e300], weight_dtype="float32"), 1, 1, "weight of synapse 0 of .* is inf"),
    (lambda: Sparse([0], [0], 1e300, weight_dtype="float32"), 1, 1, "weight of projection 'input->exc' is inf"),
    (lambda: Sparse([0], [0], 1.0, weight_dtype="int8"), 1, 1, "weight_dtype of .* is 'int8'; it must be 'float32'"),
    (lambda: Sparse([0], [0], 1.0, weight_dtype="abc"), 1, 1, "weight_dtype of .* is 'abc'; it must be 'float32'"),
    (lambda: Sparse([0], [0], 1.0, seed=-1), 1, 1, "seed of projection 'input->exc' is -1; it must be a whole number"),
    (lambda: Sparse([0, 2], [0, 1], 1.0), 2, 2, "source of synapse 1 of projection 'input->exc' is 2; .* in 0..1"),
    (lambda: Sparse([0, 1], [-1, 1], 1.0), 2, 2, "target of synapse 0 of projection 'input->exc' is -1; .* in 0..1"),
    (lambda: Sparse([0], [0], 1.0), 1, 0, "target of synapse 0 .* is 0; the population is empty"),
    (lambda: Sparse([0.5], [0], 1.0), 2, 2, "source of synapse 0 .* is 0.5; neuron numbers must be whole"),
    (lambda: Sparse([nan], [0], 1.0), 2, 2, "source of synapse 0 .* is nan; neuron numbers must be whole"),
    (lambda: Sparse([True], [0], 1.0), 2, 2, "source of .* must hold whole numbers, got dtype bool"),
    (lambda: Sparse(["a"], [0], 1.0), 2, 2, "source of .* must hold whole numbers, got dtype <U1"),
    (lambda: Sparse([[0]], [0], 1.0), 2, 2, r"source of .* has shape \(1, 1\); it must be a list"),
    (lambda: Sparse([0, 1], [0], 1.0), 2, 2, "source and target of .* have 2 and 1 entries; they must be equally long"),
    (lambda: Sparse([0, 1], [0, 1], [1.0] * 3), 2, 2, "weight of .* has 3 values; it must be a number or 2, one per"),
    (lambda: Sparse([0, 1], [0, 1], 1.0, [[1.0]]), 2, 2, r"delay of .* has shape \(1, 1\); it must be a number or 2"),
    (lambda: Dense(np.ones((3, 2))), 2, 3,
     r"weight of .* has shape \(3, 2\); it must be a number or have shape \(n_source, n_target\) = \(2, 3\)"),
    (lambda: Dense(np.ones((2, 3)), [0.0, 1.0]), 2, 3, r"delay of .* has shape \(2,\); it must be a number or have"),
    (lambda: Dense([[1.0, 2.0], [nan, 1.0]]), 2, 2, r"weight\[1, 0\] of projection 'input->exc' is nan; it must be f"),
    (lambda: OneToOne(1.0), 2, 3, "OneToOne of projection 'input->exc' connects populations of 2 and 3 neurons"),
    (lambda: OneToOne([1.0]), 2, 2, "weight of .* has 1 values; it must be a number or 2, one per synapse"),
    (lambda: RandomOutdegree(-1, 1.0), 2, 2, "k of projection 'input->exc' is -1; it must be a whole number >= 0"),
    (lambda: RandomOutdegree(1.5, 1.0), 2, 2, "k of projection 'input->exc' is 1.5; it must be a whole number >= 0"),
    (lambda: RandomIndegree(True, 1.0), 2, 2, "k of projection 'input->exc' is True; it must be a whole number"),
    (lambda: RandomOutdegree("3", 1.0), 2, 2, "k of projection 'input->exc' is '3'; it must be a whole number"),
    (lambda: RandomOutdegree(4, 1.0, replace=False), 9, 3,
     "k of projection 'input->exc' is 4; without replacement it must be in 0..3, the number of targets"),
    (lambda: RandomIndegree(4, 1.0, replace=False), 3, 9, "k of .* is 4; .* 0..3, the number of sources"),
    (lambda: RandomTotal(10, 1.0, replace=False), 3, 3, "n_synapses of .* is 10; .* 0..9, the number of pairs"),
    (lambda: RandomTotal(-2, 1.0), 3, 3, "n_synapses of projection 'input->exc' is -2; it must be a whole number"),
    (lambda: RandomOutdegree(1, 1.0), 3, 0, "k of .* is 1, but there are no targets to choose from"),
    (lambda: RandomTotal(1, 1.0), 0, 3, "n_synapses of .* is 1, but there are no pairs of neurons to choose from"),
    (lambda: RandomProbability(1.1, 1.0), 3, 3, "p of projection 'input->exc' is 1.1; it must be a probability"),
    (lambda: RandomProbability(nan, 1.0), 3, 3, "p of projection 'input->exc' is nan; it must be a probability"),
    (lambda: RandomProbability("x", 1.0), 3, 3, "p of projection 'input->exc' is 'x'; it must be a probability"),
    (lambda: RandomOutdegree(1, 1.0, seed=1.5), 3, 3, "seed of .* is 1.5; it must be a whole number >= 0"),
    (lambda: RandomOutdegree(1, 1.0, seed=None), 3, 3, "seed of .* is None; it must be a whole number >= 0"),
    (lambda: RandomOutdegree(2, 1.0, Normal(1e-3, 1e-3, 0.0, step=1e-8)), 3, 3,
     "step of delay of projection 'input->exc' is 1e-08, which makes 1000001 different delays; at most 65536"),
    (lambda: RandomOutdegree(2, [1.0]), 3, 3, "weight of .* has 1 values; it must be a number or 6, one per synapse"),
]


@pytest.mark.parametrize("make, n_source, n_target, message", BAD)
def test_errors_say_what_where_and_what_is_allowed(make, n_source, n_target, message):
    connection = make()
    with pytest.raises(ParameterError, match=message):
        connection.validate(n_source, n_target, WHERE)
    with pytest.raises(ParameterError, match=message):
        connection.build(n_source, n_target, False, WHERE)


def test_errors_found_while_building():
    with pytest.raises(ParameterError, match="k of .* is 3; without replacement it must be in 0..2"):
        build(RandomOutdegree(3, 1.0, replace=False, autapses=False), 3, 3, True)
    with pytest.raises(ParameterError, match="weight of .* has 2 values; it must be a number or"):
        build(RandomProbability(0.5, [1.0, 2.0]), 30, 30)
    for step in (None, 1e-4):
        with pytest.raises(ParameterError, match=r"delay of synapse \d+ of .* is -.*; give Normal a low >= 0"):
            build(RandomOutdegree(3, 1.0, Normal(1e-3, 1e-3, step=step)), 30, 30)


@pytest.mark.parametrize("arguments, message", [
    ((nan, 1.0), "mean of Normal is nan; it must be finite"),
    ((0.0, -1.0), "std of Normal is -1.0; it must be finite and >= 0"),
    ((0.0, inf), "std of Normal is inf; it must be finite and >= 0"),
    ((0.0, 1.0, nan), "low and high of Normal are nan and inf; they must not be NaN"),
    ((0.0, "wide"), "std of Normal is 'wide'; it must be a number"),
    ((0.0, 1.0, -inf, inf, 0.0), "step of Normal is 0.0; it must be finite and > 0"),
    ((0.0, 1.0, -inf, inf, nan), "step of Normal is nan; it must be finite and > 0"),
    ((0.0, 1.0, -inf, inf, "fine"), "step of Normal is 'fine'; it must be a number"),
    ((1.0, 1.0, -inf, inf, 1e-20), "step of Normal is 1e-20; it is too small"),
    ((0.5, 0.1, 0.2, 0.8, 1.0), "which leaves 0 of the distribution"),
    ((0.0, 1.0, 2.0, 1.0), "low and high of Normal.* are 2.0 and 1.0, which leaves 0 of the distribution"),
    ((0.0, 1.0, 8.0), "which leaves 6.2.e-16 of the distribution; at least 0.001 must remain"),
    ((0.0, 0.0, 1.0), "which leaves 0 of the distribution"),
])
def test_errors_of_normal(arguments, message):
    with pytest.raises(ParameterError, match=message):
        Normal(*arguments)
