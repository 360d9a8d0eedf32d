"""Intervals: against figures of textbooks, and whether they hold what they say they hold."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.recorded import intervals
from engine.cli.recorded.intervals import (
    _binomial_interval,
    _student,
    below,
    of_failures,
    of_quantiles,
    of_rates,
    ranks,
)


@pytest.mark.parametrize(("freedom", "wanted"), [(4, 2.776), (7, 2.365), (10, 2.228), (19, 2.093), (30, 2.042)])
def test_quantiles_of_students_distribution(freedom: int, wanted: float) -> None:
    assert _student(freedom) == pytest.approx(wanted, rel=0.004)


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_binomial_tails_are_exact(count: int, share: float) -> None:
    total = 0.0
    for most in range(count):
        total += math.comb(count, most) * share**most * (1 - share) ** (count - most)
        assert below(most, count, share) == pytest.approx(total, abs=1e-9)
    assert below(count, count, share) == 1.0
    assert below(-1, count, share) == 0.0


def test_binomial_tails_of_many() -> None:
    assert below(500_000, 1_000_000, 0.5) == pytest.approx(0.5004, abs=1e-4)
    assert below(400_000, 1_000_000, 0.5) == 0.0
    assert below(600_000, 1_000_000, 0.5) == 1.0


def test_shares_as_clopper_and_pearson_have_them() -> None:
    low, high = _binomial_interval(3, 10)
    assert (round(low, 4), round(high, 4)) == (0.0667, 0.6525)
    assert _binomial_interval(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert _binomial_interval(10, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_ranks_of_a_median_as_tables_have_them() -> None:
    assert [ranks(count, 0.5) for count in (5, 6, 10, 20, 100)] == [None, (1, 6), (2, 9), (6, 15), (40, 61)]
    assert ranks(100, 0.99) is None
    assert ranks(1_000, 0.99) == (983, 997)


@given(st.integers(1, 3_000), st.sampled_from([0.5, 0.9, 0.99]), st.sampled_from([0.9, 0.95, intervals.each()]))
def test_ranks_are_the_narrowest_that_hold_enough(count: int, share: float, confidence: float) -> None:
    outside = (1 - confidence) / 2
    found = ranks(count, share, confidence)
    if found is None:
        assert below(0, count, share) > outside or 1 - below(count - 1, count, share) > outside
        return
    low, high = found
    assert 1 <= low < high <= count
    assert below(low - 1, count, share) <= outside < below(low, count, share)
    assert 1 - below(high - 1, count, share) <= outside < 1 - below(high - 2, count, share)


def test_a_ratio_of_quantiles_is_held_as_often_as_is_said() -> None:
    chance = random.Random(5)
    true = 1.7
    held = 0
    for _ in range(300):
        sides = []
        for scale in (1.0, true):
            values = sorted(scale * chance.lognormvariate(0.0, 1.0) for _ in range(150))
            found = ranks(len(values), 0.5, intervals.each())
            assert found is not None
            sides.append(intervals.Interval(values[found[0] - 1], values[found[1] - 1]))
        low, high = of_quantiles(*sides)
        held += low <= true <= high
    assert held >= 285


def test_a_ratio_of_quantiles_that_may_be_nothing_is_open() -> None:
    assert of_quantiles(intervals.Interval(0.0, 2.0), intervals.Interval(1.0, 4.0)) == (0.5, math.inf)
    assert of_quantiles(intervals.Interval(0.0, 0.0), intervals.Interval(0.0, 4.0)) == (0.0, math.inf)


def test_ratios_of_failures() -> None:
    assert of_failures((0, 100), (0, 50)) is None
    assert of_failures((0, 0), (3, 50)) is None
    found = of_failures((10, 1_000), (30, 1_000))
    assert found is not None
    assert found.low == pytest.approx(1.42, abs=0.03)
    assert found.high == pytest.approx(6.87, abs=0.1)
    found = of_failures((12, 1_000), (0, 1_000))
    assert found is not None
    assert found.low == 0.0
    assert 0.3 < found.high < 0.4
    found = of_failures((0, 1_000), (12, 1_000))
    assert found is not None
    assert 2.5 < found.low < 3.5
    assert found.high == math.inf
    twice = of_failures((10, 2_000), (30, 1_000))
    assert twice is not None
    assert twice.low == pytest.approx(2 * 1.42, abs=0.06)


def test_a_ratio_of_failures_is_held_as_often_as_is_said() -> None:
    chance = random.Random(6)
    held = 0
    for _ in range(300):
        few, many = (sum(chance.random() < share for _ in range(400)) for share in (0.02, 0.05))
        found = of_failures((few, 400), (many, 400))
        held += found is not None and found.low <= 2.5 <= found.high
    assert held >= 285


def test_rates_that_can_be_told_apart_or_not() -> None:
    chance = random.Random(7)
    left = [500 + chance.gauss(0, 50) for _ in range(40)]
    right = [550 + chance.gauss(0, 50) for _ in range(40)]
    found = of_rates(left, right)
    assert found is not None
    middle = sum(right) / sum(left)
    assert middle * found.low > 1, "ten per cent more, over forty stretches"
    assert found.low == pytest.approx(1 / found.high)
    short = of_rates(left[:8], right[:8])
    assert short is not None
    assert short.high > found.high, "the fewer, the less one knows"
    assert of_rates(left[:7], right) is None
    assert of_rates(left, [0.0] * 40) is None
    assert of_rates([3.0] * 9, [4.0] * 9) == (1.0, 1.0), "it does not swing at all"


def test_a_ratio_of_rates_that_swing_slowly_is_held() -> None:
    chance = random.Random(8)
    held = 0
    for _ in range(300):
        sides = []
        for mean in (100.0, 130.0):
            level, values = 0.0, []
            for _ in range(60):  # each stretch is like the one before
                level = 0.5 * level + chance.gauss(0, 6)
                values.append(mean + level)
            sides.append(values)
        found = of_rates(*sides)
        assert found is not None
        middle = sum(sides[1]) / sum(sides[0])
        held += middle * found.low <= 1.3 <= middle * found.high
    assert held >= 270, "as often as is said, but for what two neighbours still have in common"


def test_none_of_many_says_how_few_it_may_be() -> None:
    assert intervals.most_of_none(300) == pytest.approx(0.01, rel=0.01)
