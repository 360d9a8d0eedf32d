"""Amounts of work as people write them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.effort import Calendar, Estimate, effort_text, parse_effort, span_text

HOUR = 3600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("300ms", 0.3),
        ("20 min", 1200),
        ("60h", 60 * HOUR),
        ("1h 30min", 1.5 * HOUR),
        ("2d", 16 * HOUR),
        ("3w", 120 * HOUR),
        ("1w1d", 48 * HOUR),
        (" 1.5h ", 1.5 * HOUR),
        (60, 60 * HOUR),
        (0, 0),
        (0.5, 1800),
        ("0h", 0),
    ],
)
def test_what_is_read(value: Any, seconds: float) -> None:
    assert parse_effort(value, Calendar()) == pytest.approx(seconds)


def test_days_and_weeks_are_those_of_the_calendar() -> None:
    assert parse_effort("1w 1d", Calendar(6 * HOUR, 24 * HOUR)) == 30 * HOUR


@pytest.mark.parametrize(
    "value",
    [
        "",
        "h",
        "3",
        "3 weeks",
        "3m",
        "-1h",
        "1h-",
        "1e3h",
        "h3",
        True,
        -1,
        math.inf,
        math.nan,
        None,
        [],
        1e300,
        10**400,
        "9" * 12 + "w",
    ],
)
def test_what_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^a time such as 90s, 20min, 60h, 2d or 3w, not .{1,60}$"):
        parse_effort(value, Calendar())


@given(st.floats(0, 1e9))
def test_what_is_written_is_near_and_can_be_read(seconds: float) -> None:
    text = effort_text(seconds).replace(",", "")
    assert parse_effort(text, Calendar()) == pytest.approx(seconds, rel=0.06, abs=1e-6)


def test_long_spans_are_in_weeks() -> None:
    assert [span_text(hours * HOUR, Calendar()) for hours in (472, 80, 79, 0.25, 0)] == [
        "11.8 weeks",
        "2 weeks",
        "79 h",
        "15 min",
        "0 h",
    ]
    assert effort_text(1820 * HOUR) == "1,820 h"
    assert effort_text(0.0305) == "30.5 ms"


def test_factors_leave_what_is_most_likely() -> None:
    found = Estimate(10, 10, 10).scaled(0.5, 2)
    assert found == Estimate(5, 10, 20)
    assert not found.certain
