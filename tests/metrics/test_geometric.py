"""Histograms in few buckets, against the values themselves."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.metrics.buckets import BITS, LIMIT, PRECISION
from engine.metrics.geometric import PER_DECADE, RATIO, geometric
from engine.metrics.histogram import Histogram

BOUND = 2.0 ** -(PRECISION + 1)
EDGES = st.integers(0, BITS).flatmap(lambda k: st.sampled_from([(1 << k) - 1, 1 << k, (1 << k) + 1]))
TENS = st.integers(0, 14).flatmap(lambda k: st.sampled_from([10**k - 1, 10**k, 10**k + 1]))
VALUE = st.one_of(st.integers(0, 200), st.integers(0, LIMIT - 1), EDGES, TENS).map(lambda v: min(v, LIMIT - 1))
VALUES = st.lists(VALUE, min_size=1, max_size=120)
LEAST = st.sampled_from([1, 100])


def bars(histogram: Histogram, least: int) -> tuple[int, list[int]]:
    (used,) = histogram.counts.nonzero()
    first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
    return geometric(first, histogram.counts[first:stop], least)


@given(VALUES, LEAST)
@example([0], 100)
def test_each_value_is_in_one_bucket_and_within_the_bound_of_it(values: list[int], least: int) -> None:
    first, counts = bars(Histogram.of(values), least)
    assert sum(counts) == len(values)
    assert counts[0]
    assert counts[-1]
    assert first >= 0
    for at, count in enumerate(counts, first):
        low = least * RATIO**at if at else 0.0
        high = least * RATIO ** (at + 1)
        surely = sum(low * (1 + BOUND) <= value < high * (1 - BOUND) for value in values)
        perhaps = sum(low * (1 - BOUND) <= value <= high * (1 + BOUND) for value in values)
        assert surely <= count <= perhaps


@given(VALUES, LEAST)
def test_quantiles_lie_in_the_buckets_that_have_their_rank(values: list[int], least: int) -> None:
    histogram = Histogram.of(values)
    first, counts = bars(histogram, least)
    places = [at for at, count in enumerate(counts, first) for _ in range(count)]
    assert len(places) == len(values)
    for rank, at in enumerate(places, 1):
        found = histogram.at_rank(rank)
        assert found >= least * RATIO**at * (1 - BOUND) or not at
        assert found <= least * RATIO ** (at + 1) * (1 + BOUND)


@given(VALUES, VALUES, LEAST)
def test_buckets_of_two_histograms_add_up_to_those_of_both(one: list[int], other: list[int], least: int) -> None:
    found: dict[int, int] = {}
    for values in (one, other):
        first, counts = bars(Histogram.of(values), least)
        for at, count in enumerate(counts, first):
            found[at] = found.get(at, 0) + count
    first, counts = bars(Histogram.of(one + other), least)
    assert {at: count for at, count in enumerate(counts, first) if count} == {at: n for at, n in found.items() if n}


def test_none() -> None:
    assert bars(Histogram(), 100) == (0, [])


@pytest.mark.parametrize(("value", "decades"), [(1, 0), (10, 1), (100, 2)])
def test_powers_of_ten_are_edges(value: int, decades: int) -> None:
    assert bars(Histogram.of([value]), 1) == (PER_DECADE * decades, [1])
    assert bars(Histogram.of([9 * value // 10]), 1)[0] == max(0, PER_DECADE * decades - 1)


def test_what_is_below_the_least_counts_in_the_first() -> None:
    assert bars(Histogram.of([0, 1, 99, 100, 2000]), 100) == (0, [4, *[0] * 9, 1])
