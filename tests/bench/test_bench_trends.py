"""Steps in the history of a cell."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.guard import trend


def levels(random: random.Random, *parts: tuple[int, float], spread: float = 0.01) -> list[float]:
    return [random.gauss(level, spread) for count, level in parts for _ in range(count)]


@pytest.mark.parametrize("seed", range(10))
def test_a_step_is_found_where_it_is(seed: int) -> None:
    (step,) = trend.steps(levels(random.Random(seed), (8, 1.0), (7, 1.06)))
    assert step.at == 8
    assert step.effect == pytest.approx(0.06, abs=0.02)
    assert step.p < 0.001


def test_a_slow_decline_that_no_pair_of_sessions_shows() -> None:
    slow = [1.0 + 0.008 * at + noise for at, noise in enumerate(levels(random.Random(1), (24, 0.0), spread=0.005))]
    assert max(b - a for a, b in itertools.pairwise(slow)) < math.log(1.03)
    found = trend.steps(slow)
    assert found
    assert all(step.effect > 0 for step in found)


def test_two_steps_are_told_apart() -> None:
    found = trend.steps(levels(random.Random(2), (10, 0.0), (10, 0.1), (10, 0.0)))
    assert [step.at for step in found] == [10, 20]
    assert [step.effect > 0 for step in found] == [True, False]


def test_a_steady_history_has_none() -> None:
    found = [trend.steps(levels(random.Random(seed), (30, 2.0), spread=0.05)) for seed in range(300)]
    assert sum(map(bool, found)) <= 2  # a thousandth of them may


def test_a_single_odd_session_is_none() -> None:
    steady = levels(random.Random(3), (20, 1.0))
    steady[9] += 0.5
    assert trend.steps(steady) == []


def test_of_seven_sessions_nothing_is_said() -> None:
    assert trend.steps([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) == []
    assert [step.at for step in trend.steps([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])] == [4]


def test_what_is_smaller_than_three_percent_is_none() -> None:
    assert trend.steps([0.0] * 10 + [0.02] * 10) == []
    assert trend.steps([0.0] * 10 + [0.04] * 10) != []


@given(st.lists(st.floats(-2, 2), max_size=40))
def test_steps_are_in_order_and_leave_three_on_either_side(values: list[float]) -> None:
    places = [0, *(step.at for step in trend.steps(values)), len(values)]
    assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(places)) or len(places) == 2


@given(st.lists(st.floats(-2, 2), min_size=8, max_size=30), st.floats(-5, 5))
def test_where_they_are_does_not_depend_on_the_unit(values: list[float], shift: float) -> None:
    before = [step.at for step in trend.steps([round(value, 3) for value in values])]
    assert [step.at for step in trend.steps([round(value, 3) + round(shift, 3) for value in values])] == before
