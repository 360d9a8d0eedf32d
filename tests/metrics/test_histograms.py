"""Histograms against the values themselves, sorted."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics import buckets
from engine.metrics.buckets import BITS, LIMIT
from engine.metrics.histogram import Histogram

EDGES = st.integers(0, BITS).flatmap(lambda k: st.sampled_from([(1 << k) - 1, 1 << k, (1 << k) + 1]))
VALUE = st.one_of(st.integers(0, 200), st.integers(0, LIMIT - 1), EDGES).map(lambda value: min(value, LIMIT - 1))
VALUES = st.lists(VALUE, min_size=1, max_size=120)
PRECISION = st.integers(0, 10)
ASKED = ["0.01", "0.1", "0.5", "0.7", "0.9", "0.95", "0.99", "0.999", "0.9999"]


def bound(p: int) -> float:
    return 2.0 ** -(p + 1)


def one_by_one(values: list[int], p: int = 5) -> Histogram:
    made = Histogram(p)
    for value in values:
        made.record(value)
    return made


@pytest.mark.parametrize("p", range(11))
def test_buckets_follow_each_other_and_powers_of_two_are_edges(p: int) -> None:
    size, at = buckets.size(p), 0
    for index in range(size):
        assert buckets.low(index, p) == at
        last = at + buckets.width(index, p) - 1
        assert buckets.index(at, p) == buckets.index(last, p) == index
        at = last + 1
    assert at == LIMIT
    lows = {buckets.low(index, p) for index in range(size)}
    assert {1 << k for k in range(BITS)} <= lows


def test_the_usual_precision() -> None:
    assert (buckets.PRECISION, buckets.size()) == (5, 1408)
    assert bound(buckets.PRECISION) <= 0.016
    # Up to 2**40 this is 1152 buckets, as the layout has it whatever the greatest value.
    assert buckets.index((1 << 40) - 1) == 1151


@given(VALUES, PRECISION)
def test_every_rank_is_within_the_bound_of_the_sorted_value(values: list[int], p: int) -> None:
    histogram = Histogram.of(values, p)
    for rank, exact in enumerate(sorted(values), 1):
        found = histogram.at_rank(rank)
        assert abs(found - exact) <= bound(p) * exact
        if exact < 2 << p:
            assert found == exact


@given(VALUES, st.sampled_from(ASKED), st.integers(1, 100))
def test_a_quantile_is_the_value_that_so_many_do_not_exceed(values: list[int], q: str, times: int) -> None:
    everything = sorted(values * times)
    told = Histogram()
    for value in values:
        told.record(value, times)
    share = Fraction(q)
    found = told.quantile(float(q))
    if len(everything) < 10 / min(share, 1 - share):
        assert found is None
    else:
        exact = everything[max(1, ceil(share * len(everything))) - 1]
        assert found is not None
        assert abs(found - exact) <= 0.016 * exact


@pytest.mark.parametrize("shape", ["lognormal", "uniform", "two humps", "constant"])
def test_quantiles_of_many_values(shape: str) -> None:
    chance, n = np.random.default_rng(3), 200_000
    values = {
        "lognormal": chance.lognormal(13, 2, n),
        "uniform": chance.uniform(0, 1e9, n),
        "two humps": np.where(chance.random(n) < 0.3, chance.normal(1e4, 100, n), chance.normal(5e8, 1e6, n)),
        "constant": np.full(n, 123_456_789.0),
    }[shape].astype(np.int64)
    histogram, exact = Histogram.of(values), np.sort(values)
    for k in range(1, 10_000, 7):
        found = histogram.quantile(k / 10_000)
        assert found is None or abs(found - exact[ceil(Fraction(k, 10_000) * n) - 1]) <= 0.016 * found
    assert histogram.quantile(0.9999) is not None


@pytest.mark.parametrize(("q", "enough"), [(0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10_000), (0.1, 100)])
def test_too_few_values_have_no_quantile(q: float, enough: int) -> None:
    assert buckets.needed(q) == enough
    histogram = Histogram()
    histogram.record(7, enough - 1)
    assert histogram.quantile(q) is None
    histogram.record(7)
    assert histogram.quantile(q) == 7


@pytest.mark.parametrize("q", [0, 1, -0.5, 1.5])
def test_a_quantile_lies_between_none_and_all(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Histogram.of([1] * 100).quantile(q)


@given(VALUES, PRECISION)
def test_all_at_once_is_the_same_as_one_by_one(values: list[int], p: int) -> None:
    assert Histogram.of(values, p) == one_by_one(values, p)
    assert Histogram.of(np.array(values, np.uint64), p) == one_by_one(values, p)


@given(VALUES, VALUES, VALUES, PRECISION)
def test_merging_is_exact_in_any_order(a: list[int], b: list[int], c: list[int], p: int) -> None:
    whole = Histogram.of(a + b + c, p)
    one, two, three = (Histogram.of(values, p) for values in (a, b, c))
    assert Histogram.union([one, two, three], p) == whole
    assert Histogram.union([three.frozen(), Histogram.union([two, one], p).frozen()], p) == whole
    assert Histogram.union([], p) == Histogram(p)


@given(VALUES, VALUES)
def test_a_difference_is_what_came_since(before: list[int], since: list[int]) -> None:
    earlier, later = Histogram.of(before), Histogram.of(before + since)
    for left in (later - earlier, later.frozen() - earlier, later - earlier.frozen()):
        alone = Histogram.of(since)
        assert (left.count, left.sum) == (alone.count, alone.sum)
        assert np.array_equal(left.counts, alone.counts)
        assert left.min is not None
        assert left.max is not None
        assert left.min <= min(since) <= max(since) <= left.max
        for rank, exact in enumerate(sorted(since), 1):
            assert abs(left.at_rank(rank) - exact) <= 0.016 * exact
    nothing = later - later
    assert (nothing.count, nothing.sum, nothing.min, nothing.max) == (0, 0, None, None)
    assert nothing == Histogram()


def test_only_an_earlier_state_can_be_taken_away() -> None:
    with pytest.raises(ValueError, match="earlier state"):
        Histogram.of([1, 2]) - Histogram.of([1, 2, 3])
    with pytest.raises(ValueError, match="earlier state"):
        Histogram.of([1, 1000, 1000]) - Histogram.of([500])


@given(VALUES, st.integers(1, 10))
def test_folding_is_exact(values: list[int], p: int) -> None:
    histogram = Histogram.of(values, p)
    for coarser in range(p - 1, -1, -1):
        histogram = histogram.fold()
        assert histogram == Histogram.of(values, coarser)
    with pytest.raises(ValueError, match="no coarser"):
        histogram.fold()


@given(VALUES)
def test_how_many_are_below_a_power_of_two_is_exact(values: list[int]) -> None:
    expected = [sum(value < 1 << k for value in values) for k in range(BITS + 1)]
    histogram = Histogram.of(values)
    assert histogram.below(range(BITS + 1)) == expected
    assert histogram.frozen().below(range(BITS + 1)) == expected
    assert Histogram().frozen().below(range(3)) == [0, 0, 0]
    with pytest.raises(ValueError, match="no edge"):
        histogram.below([BITS + 1])


@given(VALUES)
def test_frozen_is_equal_and_takes_nothing(values: list[int]) -> None:
    histogram = Histogram.of(values)
    frozen = histogram.frozen()
    assert frozen == histogram
    assert frozen.frozen() is frozen
    assert frozen.nbytes <= histogram.nbytes
    with pytest.raises(ValueError, match="frozen"):
        frozen.record(1)
    with pytest.raises(ValueError, match="frozen"):
        frozen.record_array([1])
    with pytest.raises(ValueError, match="frozen"):
        frozen.merge(Histogram.of([1]))
    before = frozen.counts.copy()
    histogram.record(values[0], 5)
    assert np.array_equal(frozen.counts, before)


def test_counts_are_exact_beyond_four_bytes() -> None:
    histogram = Histogram.of([3, 1000])
    histogram.record(70, 1 << 40)
    for each in (histogram, histogram.frozen(), Histogram.union([histogram.frozen()])):
        assert each == histogram
        assert each.below([6, 7]) == [1, (1 << 40) + 1]
    few = Histogram.of([3, 1000]).frozen()
    twice = Histogram.union([histogram.frozen(), few])
    assert twice - few == histogram
    assert twice.count == (1 << 40) + 4


def test_sums_are_exact_beyond_eight_bytes() -> None:
    values = [(1 << 62) + 1, (1 << 62) + 3, (1 << 63) - 1, 5]
    assert Histogram.of(values).sum == sum(values) == one_by_one(values).sum


def test_beyond_the_limit_the_extremes_are_known() -> None:
    values = [5, LIMIT, 3 * LIMIT]
    histogram = Histogram.of(values)
    assert histogram == one_by_one(values)
    assert (histogram.count, histogram.sum, histogram.min, histogram.max) == (3, sum(values), 5, 3 * LIMIT)
    assert histogram.below([BITS]) == [3]
    assert (histogram - Histogram.of([5])).max == 3 * LIMIT
    assert Histogram.of([3 * LIMIT]).at_rank(1) == 3 * LIMIT


def test_what_is_negative_counts_as_nothing() -> None:
    wrapped = np.array([3], np.uint64) - np.array([5], np.uint64)
    assert Histogram.of(wrapped) == Histogram.of([-2]) == one_by_one([-2]) == Histogram.of([0])


def test_what_is_no_count_is_refused() -> None:
    with pytest.raises(TypeError, match="integers, not float64"):
        Histogram.of([0.5])
    with pytest.raises(ValueError, match="can't come -1 times"):
        Histogram().record(1, -1)
    with pytest.raises(ValueError, match="0 to 10 bits, not 11"):
        Histogram(11)
    with pytest.raises(ValueError, match="fold the finer"):
        Histogram(5).merge(Histogram.of([1], 4))
    with pytest.raises(ValueError, match="no value has rank 1 among 0"):
        Histogram().at_rank(1)
    empty = Histogram.of(np.array([], np.int64))
    empty.record(3, 0)
    assert empty == Histogram()
    assert empty.mean is None
    assert Histogram.of([1, 2]).mean == 1.5


@given(st.lists(st.tuples(st.integers(-5, 1 << 50), st.integers(0, 1 << 20)), max_size=20))
def test_values_that_came_several_times(told: list[tuple[int, int]]) -> None:
    together, one_by_one = Histogram(), Histogram()
    together.record_array(np.array([v for v, _ in told], np.int64), np.array([n for _, n in told], np.int64))
    for value, times in told:
        one_by_one.record(value, times)
    assert together == one_by_one
