"""How the screens write numbers, durations, texts, bars and charts."""

from __future__ import annotations

import math

import pytest

from tui import draw
from tui import format as fmt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (8.44, "8.4"),
        (99.96, "100"),
        (999, "999"),
        (999.6, "1.0k"),
        (1234, "1.2k"),
        (58_234, "58.2k"),
        (99_949, "99.9k"),
        (99_999, "100k"),
        (182_000, "182k"),
        (999_999, "1.0M"),
        (4_600_000_000, "4.6G"),
        (-1500, "-1.5k"),
        (math.nan, "-"),
    ],
)
def test_si(value: float, text: str) -> None:
    assert fmt.si(value) == text


def test_si_is_never_wider_than_its_column() -> None:
    values = [10**exponent * digit for exponent in range(18) for digit in (1, 5, 9.99, 9.9999)]
    assert max(len(fmt.si(value)) for value in values) <= 5


def test_count() -> None:
    assert [fmt.count(n) for n in (0, 999, 41_203, 9_999_999)] == ["0", "999", "41,203", "9,999,999"]
    assert fmt.count(12_345_678) == "12.3M"


def test_percent_says_all_only_of_all() -> None:
    assert fmt.percent(1.0) == "100%"
    assert fmt.percent(0.999999) == "99%"
    assert fmt.percent(99_999_999 / 100_000_000, 2) == "99.99%"
    assert fmt.percent(0.29, 0) == "29%"  # 0.29 * 100 is a hair below 29


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00:00"), (102.7, "00:01:42"), (359_999, "99:59:59"), (360_000, "100:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert fmt.clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "--:--"), (math.inf, "--:--"), (0, "00:00"), (147.2, "02:28"), (3600, "1:00:00"), (1e6, ">99 h")],
)
def test_remaining(seconds: float | None, text: str) -> None:
    assert fmt.remaining(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.8e-6, "1.8µs"),
        (182e-6, "182µs"),
        (1.2e-3, "1.2ms"),
        (0.0084, "8.4ms"),
        (8.44, "8.4s"),
        (99.95, "00:01:39"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert fmt.duration(seconds) == text


def test_of_day_is_local_time() -> None:
    assert fmt.of_day(1_763_726_400.0) == "12:00:00"


def test_texts_are_cut_by_cells_and_never_obeyed() -> None:
    assert fmt.fit("micro", 5) == "micro"
    assert fmt.fit("domain", 5) == "doma…"
    assert fmt.fit("魚の群れ", 5) == "魚の…"
    assert fmt.fit("x", 0) == ""
    assert fmt.pad("魚", 4) == "魚  "
    assert fmt.clean("a\x1b[2J\nb") == "a [2J b"


def test_bar_is_full_only_at_the_whole() -> None:
    assert draw.bar(0, 4) == "    "
    assert draw.bar(0.5, 4) == "██  "
    assert draw.bar(0.9999, 4) == "███▉"
    assert draw.bar(1.0, 4) == "████"
    assert draw.bar(7.0, 4) == "████"


def test_shares_show_the_few_among_the_many() -> None:
    assert draw.shares([2999, 1], 10) == [9, 1]
    assert draw.shares([0, 0], 10) == [0, 0]
    assert draw.shares([1, 1, 1], 2) in ([1, 1, 0], [1, 0, 1], [0, 1, 1])
    for parts in ([1, 2, 3], [5, 0, 995, 1, 1], [1, 1, 1, 1, 1], [7]):
        for width in range(1, 40):
            assert sum(draw.shares(parts, width)) == width


def test_axis_has_round_ends_and_a_minimum() -> None:
    assert draw.nice_top(0, 10) == 10
    assert draw.nice_top(3, 10) == 10
    assert draw.nice_top(582, 10) == 600
    assert draw.nice_top(600, 10) == 600
    assert draw.nice_top(51_700, 10) == 60_000
    assert draw.nice_top(99_999, 10) == 100_000


def test_area_stands_at_the_right_and_tells_nothing_from_zero() -> None:
    assert draw.area([], 10, 3, 1) == ["   "]
    assert draw.area([10, 10], 10, 2, 2) == [" ⣿", " ⣿"]
    assert draw.area([0, 0], 10, 1, 2) == [" ", "⣀"]
    assert draw.area([math.nan, 5], 10, 1, 1) == ["⢠"]
    assert draw.area([5, 10, 20], 10, 1, 1) == ["⣿"]
    assert draw.area([1], 10, 0, 3) == []
