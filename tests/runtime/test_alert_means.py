"""What alerts take as the mean, and as the worst, of the last seconds: against all values, kept and looked at anew."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime.alerting.means import Mean, Worst

VALUES = st.floats(-1e6, 1e6)
STEPS = st.one_of(st.floats(0.0, 0.3), st.floats(0.0, 30.0))
"""Seconds between two values: many within one of them, or none for a while."""


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=60))
def test_each_second_of_the_mean_counts_the_same(seconds: int, given_: list[tuple[float, float]]) -> None:
    mean, now = Mean(seconds), 0.0
    by_second: dict[int, list[float]] = {}
    for step, value in given_:
        now += step
        by_second.setdefault(int(now), []).append(value)
        lately = [fmean(found) for second, found in by_second.items() if second > int(now) - seconds]
        assert mean.add(now, value) == pytest.approx(fmean(lately), abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, VALUES), min_size=1))
def test_a_mean_lies_between_the_values(given_: list[tuple[float, float]]) -> None:
    mean, now = Mean(), 0.0
    values = [value for _, value in given_]
    for step, value in given_:
        now += step
        assert min(values) - 1e-6 <= mean.add(now, value) <= max(values) + 1e-6


def test_a_second_with_many_values_counts_no_more_than_one_with_few() -> None:
    mean = Mean()
    for tick in range(20):
        mean.add(100.0 + tick / 20, 1.0)
    assert mean.add(101.0, 0.0) == pytest.approx(0.5)
    assert mean.add(110.0, 0.0) == 0.0, "what is ten seconds old counts no more"


@settings(deadline=None)
@given(st.floats(0.01, 10.0), st.lists(st.tuples(STEPS, st.one_of(st.none(), VALUES)), max_size=60))
def test_the_worst_is_that_of_all_values_which_are_young_enough(
    seconds: float, given_: list[tuple[float, float | None]]
) -> None:
    worst, now = Worst(seconds), 0.0
    values: list[tuple[float, float]] = []
    for step, value in given_:
        now += step
        if value is not None:
            worst.add(now, value)
            values.append((now, value))
        young = [value for at, value in values if at > now - seconds]
        assert worst.value(now) == max(young, default=0.0)


def test_what_is_kept_to_know_the_worst_is_only_what_may_yet_be_it() -> None:
    worst = Worst(10.0)
    for tick in range(1000):
        worst.add(tick / 1000, float(tick))
    assert len(worst._values) == 1
    assert worst.value(1.0) == 999.0
    assert worst.value(20.0) == 0.0
