"""Medians and how sure they are, against values worked out by hand and by brute force."""

from __future__ import annotations

import itertools
import statistics as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.statistics import growth, median, median_interval, ratios, slope

finite = st.floats(-1e9, 1e9)


@given(st.lists(finite, min_size=1))
def test_the_median_is_the_standard_one(values: list[float]) -> None:
    assert median(values) == pytest.approx(standard.median(values))


@pytest.mark.parametrize(
    ("count", "low", "high", "confidence"),
    [
        (1, 0, 0, 0.0),
        (3, 0, 2, 0.75),
        (5, 0, 4, 0.9375),
        (6, 0, 5, 0.96875),
        (7, 0, 6, 0.984375),
        (9, 1, 7, 0.9609375),
        (20, 5, 14, 0.9586),  # as printed in tables of the sign test
        (70, 26, 43, 0.9586),
    ],
)
def test_intervals_as_in_tables(count: int, low: int, high: int, confidence: float) -> None:
    found = median_interval([float(value) for value in reversed(range(count))])
    assert (found.low, found.high) == (low, high)
    assert found.confidence == pytest.approx(confidence, abs=1e-4)


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("asked", [0.5, 0.8, 0.95])
def test_the_confidence_is_the_share_of_all_ways_to_fall(count: int, asked: float) -> None:
    found = median_interval([float(value) for value in range(count)], asked)
    cut = int(found.low)
    # Each value falls above or below the true median like a coin; the interval misses it if too few fall on a side.
    ways = [sum(way) for way in itertools.product((0, 1), repeat=count)]

    def share(cut: int) -> float:
        return sum(cut < below < count - cut for below in ways) / len(ways)

    assert found.confidence == pytest.approx(share(cut))
    assert found.confidence >= asked or cut == 0
    if 2 * (cut + 1) < count:
        assert share(cut + 1) < asked, "a narrower one would have done"


@given(st.lists(finite, min_size=1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_an_interval_holds_the_median(values: list[float], asked: float) -> None:
    found = median_interval(values, asked)
    assert found.low <= median(values) <= found.high
    assert {found.low, found.high} <= set(values)
    assert 0 <= found.confidence < 1


@given(st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6)), min_size=1), st.floats(0.5, 2.0))
def test_ratios_scale_and_what_slows_a_whole_round_leaves_no_trace(
    pairs: list[tuple[float, float]], slower: float
) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    plain = ratios(ours, theirs)
    assert ratios([a * slower for a in ours], [b * slower for b in theirs]) == pytest.approx(plain)
    assert ratios([a * slower for a in ours], theirs) == pytest.approx([r * slower for r in plain])


@given(st.lists(st.integers(-1000, 1000), min_size=2, unique=True), st.integers(-50, 50), st.integers(-50, 50))
def test_the_slope_of_a_line(xs: list[int], rise: int, start: int) -> None:
    assert slope(xs, [start + rise * x for x in xs]) == pytest.approx(rise, abs=1e-6)


def test_growth_is_between_quarters_and_blind_to_what_comes_and_goes_between() -> None:
    assert growth([1, 1, 50, 2, 0, 9, 3, 5]) == 3
    assert growth([1, 2, 3, 7]) == 6


@given(st.lists(st.floats(0, 1e6), min_size=4), st.floats(-1e6, 1e6))
def test_growth_of_what_stays_is_nothing(values: list[float], more: float) -> None:
    assert growth([more] * len(values)) == pytest.approx(0, abs=1e-6)
    assert growth(values) == pytest.approx(-growth(values[::-1]), abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: median([]),
        lambda: median_interval([]),
        lambda: median_interval([1.0], 1.0),
        lambda: ratios([1.0], [1.0, 2.0]),
        lambda: ratios([1.0], [0.0]),
        lambda: slope([1, 1], [1, 2]),
        lambda: slope([1, 2], [1]),
        lambda: growth([1, 2, 3]),
    ],
)
def test_what_has_no_answer_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"\w"):
        call()
