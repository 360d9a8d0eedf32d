"""Dozens of histograms at once, against each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.buckets import BITS, LIMIT
from engine.metrics.histogram import Histogram
from engine.metrics.stack import Change, Stack

EDGES = st.integers(0, BITS).flatmap(lambda k: st.sampled_from([(1 << k) - 1, 1 << k, (1 << k) + 1]))
VALUES = st.lists(st.one_of(st.integers(0, 200), st.integers(0, LIMIT), EDGES), max_size=60)
SHARES = (0.5, 0.9, 0.95)


@st.composite
def change(draw: st.DrawFn) -> Change:
    """What was there, or nothing, and what came."""
    before, came = draw(VALUES), draw(VALUES)
    if draw(st.booleans()):
        return Histogram.of(before + came).frozen(), Histogram.of(before).frozen()
    return Histogram.of(came).frozen(), None


def by_itself(row: list[Change]) -> Histogram:
    return Histogram.union(now if earlier is None else now - earlier for now, earlier in row)


@given(st.lists(st.lists(change(), max_size=3), max_size=6))
def test_each_row_is_as_its_histograms_are_by_themselves(rows: list[list[Change]]) -> None:
    stack = Stack(rows)
    assert len(stack.numbers) == len(rows)
    for at, (row, quantiles) in enumerate(zip(rows, stack.quantiles(SHARES), strict=True)):
        alone = by_itself(row)
        assert stack.numbers[at] == alone.count
        first, counts = stack.counts(at)
        (used,) = alone.counts.nonzero()
        assert (first, first + len(counts)) == ((used[0], used[-1] + 1) if len(used) else (0, 0))
        assert counts.tolist() == alone.counts[first : first + len(counts)].tolist()
        # Where several are merged, the bounds of each may be closer than those of all.
        close = 0.0 if len(row) < 2 else 1 / 32
        if alone.min is not None and alone.max is not None:
            assert stack.least[at] == pytest.approx(alone.min, rel=close)
            assert stack.greatest[at] == pytest.approx(alone.max, rel=close)
        exact = [alone.quantile(share) for share in SHARES]
        assert quantiles == [None if value is None else pytest.approx(value, rel=close) for value in exact]


def test_what_is_as_it_was_adds_nothing() -> None:
    held = Histogram.of([5, 6]).frozen()
    stack = Stack([[(held, held)], []])
    assert stack.numbers == [0, 0]
    assert stack.quantiles(SHARES) == [[None] * 3] * 2
    assert [len(stack.counts(row)[1]) for row in range(2)] == [0, 0]


def test_what_began_anew_counts_as_a_whole() -> None:
    stack = Stack(
        [[(Histogram.of([7] * 20).frozen(), Histogram.of([9] * 30).frozen()), (Histogram.of([9] * 30), None)]]
    )
    assert stack.numbers == [50]
    assert stack.quantiles((0.25, 0.5)) == [[7.0, 9.0]]


def test_none() -> None:
    assert Stack([]).quantiles(SHARES) == []
