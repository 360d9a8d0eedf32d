"""Gauges, histograms, sparklines and courses over time: what each line of them says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from screen_gallery import Gallery, Hang

from engine.stream.types import Shape, ShapesNow, Spread
from tui import draw
from tui.shapes import Decades, decades_of, merged, resampled, shape_of
from tui.view import View, fold
from tui.widgets.gauge import Gauges, Reading, gauge_bar, gauge_line, gauge_lines
from tui.widgets.histogram import Histogram, histogram_lines, quantile_line
from tui.widgets.lines import Line
from tui.widgets.sparkline import sparkline
from tui.widgets.throughput import Throughput
from tui.widgets.timeseries import Scale, TimeSeries, timeseries_lines

EIGHTH = 10 ** (1 / 8)


def text_of(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


def shape(
    counts: list[int],
    *,
    low: float = 1e-4,
    name: str = "run",
    pool: str = "micro",
    unit: str = "seconds",
    **spread: Any,
) -> Shape:
    """A distribution in eighths of a decade."""
    high = low * EIGHTH ** len(counts)
    told = {"count": sum(counts), "p50": 1.82e-4, "p90": 1e-3, "p99": 8.4e-3, "max": high, "p95": 1.2e-3} | spread
    return Shape(name, pool, unit, Spread(**told), low, EIGHTH, counts)


def now(*shapes: Shape, at: float = 100.0) -> ShapesNow:
    """What the stream tells of some distributions."""
    return ShapesNow(at, 60.0, shapes)


# -- gauges -----------------------------------------------------------------------------------------------------------


def test_a_gauge_fills_in_eighths_and_marks_what_is_much() -> None:
    reading = Reading("mem", 0.3125, " 3.1/24G", warning=0.9, critical=0.97)
    assert text_of(gauge_line(reading, 29, label_width=4)) == "mem  ▕███▊      ╎╎▏   3.1/24G"


@pytest.mark.parametrize(
    ("share", "glyph", "ink"),
    [
        (0.0, " ", "bar"),
        (0.899, " ", "bar"),
        (0.9, "▲", "bar-warning"),
        (0.97, "●", "bar-error"),
        (2.0, "●", "bar-error"),
    ],
)
def test_a_level_is_told_by_glyph_and_ink(share: float, glyph: str, ink: str) -> None:
    reading = Reading("mem", share, "9G", warning=0.9, critical=0.97)
    assert reading.ink == ink
    assert text_of(gauge_line(reading, 40))[-4] == glyph
    assert any(piece[1] == ink for piece in gauge_line(reading, 40)) or share == 0.0


def test_marks_stand_only_where_the_bar_has_not_come() -> None:
    def bar(share: float) -> str:
        return text_of(gauge_bar(Reading("x", share, "", mark=0.25, warning=0.5), 8))

    assert bar(0.0) == "  ╎ ╎   "
    assert bar(0.3) == "██▍ ╎   "
    assert bar(0.55) == "████▍   "
    assert bar(1.0) == "████████"


@pytest.mark.parametrize("width", range(20, 130))
def test_gauges_stand_exactly_under_each_other(width: int) -> None:
    trend = tuple(n / 40 for n in range(40))
    readings = [
        Reading("cpu", 0.96, "  96%", trend=trend),
        Reading("memory", 0.13, "3.1/24G", 0.9, 0.97, trend=trend),
        Reading("fd", None, "7.0k"),
    ]
    for height in (1, 2, 3, 9):
        lines = [text_of(line) for line in gauge_lines(readings, width, height)]
        assert len(lines) <= height
        assert all(len(line) <= width for line in lines) or height < 3  # a third of very little is too little
    values = [line.index(reading.told) + len(reading.told) for line, reading in zip(lines, readings, strict=True)]
    assert len(set(values)) == 1


def test_gauges_are_drawn_in_ascii_as_in_blocks(hang: Hang) -> None:
    class Two(Gauges):
        def readings(self, view: View) -> Sequence[Reading]:
            return [Reading("cpu", 0.5, "50%"), Reading("mem", 0.95, "95%", 0.9, 0.97)]

    assert hang(View(), Two(), size=(20, 2)) == [["cpu ▕████▌    ▏  50%", "mem ▕████████▌▏▲ 95%"]]
    assert hang(View(), Two(), size=(20, 2), ascii=True) == [["cpu |####=    -  50%", "mem |########=-^ 95%"]]


# -- sparklines -------------------------------------------------------------------------------------------------------


def test_a_sparkline_has_a_fixed_range() -> None:
    assert sparkline([0.0, 0.5, 1.0, 9.0], 6, high=1.0) == "  ▁▄██"
    assert sparkline([0.01, 0.02], 2, high=1.0) == "▁▁"
    assert sparkline([math.nan, 5.0], 2, low=4.0, high=6.0) == " ▄"
    assert sparkline([1.0] * 9, 3, high=2.0) == "▄▄▄"
    assert sparkline([1.0], 0, high=2.0) == ""


# -- courses over time ------------------------------------------------------------------------------------------------


def test_a_course_has_a_line_for_each_row_and_stays_within_its_width() -> None:
    values = [math.nan, *(100.0 + n for n in range(99))]
    for width in range(20, 90, 7):
        for height in range(1, 20):
            lines = [text_of(line) for line in timeseries_lines(values, width, height, scale=Scale())]
            assert len(lines) == height
            assert all(len(line) <= max(width, 22) for line in lines)
    assert lines[0] == "  198 now    198 peak    149 mean"
    assert lines[1].startswith("  200 ")
    assert lines[-2].startswith("    0 ")
    assert lines[-1].split() == ["-77s", "now"]


def test_a_fixed_top_stays_and_a_soft_one_has_a_least() -> None:
    assert Scale(top=1.0).end([0.2]) == 1.0
    assert Scale(span=10.0).end([]) == 10.0
    assert Scale(span=10.0).end([0.3, math.nan]) == 10.0
    assert Scale(span=10.0).end([47.0]) == 50.0


def test_any_series_can_be_drawn(hang: Hang, running: View) -> None:
    chart = TimeSeries("cpu", title="cpu", scale=Scale(top=1.0, tell=lambda share: f"{share * 100:.0f}%"))
    (cpu, rate) = hang(running, chart, Throughput(), size=(40, 20))
    assert cpu[0].split()[1::2] == ["now", "peak", "mean"]
    assert cpu[1].startswith(" 100% ")
    assert rate[0].split()[:2] == ["582", "now"]


# -- distributions ----------------------------------------------------------------------------------------------------


def test_no_value_is_lost_on_another_axis() -> None:
    counts = [1, 0, 40, 900, 40, 7]
    for cells in (3, 8, 24, 61, 300):
        parts = resampled(shape(counts), -5, -2, cells)
        assert sum(parts) == pytest.approx(sum(counts))
    assert resampled(shape([5], low=1e-4), -4, -1, 24) == pytest.approx([5.0] + [0.0] * 23)
    assert resampled(shape([5], low=1e-3), -4, -1, 24)[8] == pytest.approx(5.0)


def test_the_axis_covers_whole_decades_and_a_least_of_them() -> None:
    assert decades_of(shape([1], low=1e-4), 3) == (-5, -2)
    assert decades_of(shape([1], low=1e-4), 1) == (-4, -3)
    assert decades_of(shape([1] * 8, low=1e-4), 1) == (-4, -3)
    assert decades_of(shape([1] * 9, low=1e-4), 1) == (-4, -2)
    assert decades_of(shape([1] * 40, low=1e-6), 3) == (-6, -1)
    assert decades_of(shape([3], low=1.0, unit="count"), 2) == (0, 2)


def test_the_axis_grows_at_once_and_shrinks_only_after_a_while() -> None:
    usual, late = shape([1] * 8, low=1e-4), shape([1] * 33, low=1e-4)
    axis = Decades(*decades_of(usual, 3)).for_(late, 10.0, 3)
    assert (axis.first, axis.last) == (-5, 1)
    for at in (11.0, 20.0, 40.9):
        axis = axis.for_(usual, at, 3)
        assert (axis.first, axis.last) == (-5, 1)
    axis = axis.for_(usual, 41.0, 3)
    assert (axis.first, axis.last) == (-5, -2)


def test_the_axis_does_not_shrink_while_the_tail_comes_and_goes() -> None:
    usual, late = shape([1] * 8, low=1e-4), shape([1] * 33, low=1e-4)
    axis = Decades(*decades_of(usual, 3))
    for at in range(0, 200, 20):
        axis = axis.for_(late, at, 3).for_(usual, at + 10.0, 3)
        assert (axis.first, axis.last) == (-5, 1)


def test_an_axis_looked_at_twice_at_one_moment_is_the_same() -> None:
    usual = shape([1] * 8, low=1e-4)
    axis = Decades(-9, 2).for_(usual, 10.0, 3)
    assert axis.for_(usual, 10.0, 3) == axis
    assert axis.for_(None, 11.0, 3) == axis
    assert axis.for_(usual, 2.0, 3).since == 2.0


def test_pools_together_add_up() -> None:
    fast, slow = shape([10, 20], low=1e-4, pool="a"), shape([5, 5], low=1e-4 * EIGHTH, pool="b", max=0.5)
    both = shape_of(now(fast, slow), "run")
    assert both is not None
    assert both.counts == [10, 25, 5]
    assert both.spread.count == 40
    assert both.spread.max == 0.5
    assert both.spread.p50 == pytest.approx(1e-4 * EIGHTH**1.4)
    assert shape_of(now(fast, slow), "run", "b") == slow
    assert shape_of(now(fast, shape([], pool="b")), "run") == fast
    assert shape_of(now(fast), "spawn") is None
    assert shape_of(None, "run") is None


def test_estimated_quantiles_lie_where_the_values_are() -> None:
    found = merged([shape([100]), shape([0, 0, 0, 100], pool="b", max=3e-4)]).spread
    assert found.p50 is not None
    assert found.p99 is not None
    assert 1e-4 <= found.p50 <= 1e-4 * EIGHTH * 1.0001
    assert found.p99 == 3e-4  # no quantile is above the largest value


@pytest.mark.parametrize("unit", ["seconds", "count"])
def test_a_histogram_has_a_line_for_each_row_and_stays_within_its_width(unit: str) -> None:
    drawn = shape([1, 2, 9, 40, 9, 3, 1, 0, 0, 1], low=1e-4 if unit == "seconds" else 1.0, unit=unit)
    first, last = decades_of(drawn, 3)
    for width in range(10, 120):
        for height in range(1, 12):
            lines = [text_of(line) for line in histogram_lines(drawn, width, height, first, last)]
            assert len(lines) == height
            assert all(len(line) <= width for line in lines)


def test_a_histogram_says_where_its_quantiles_are() -> None:
    drawn = shape([1, 2, 9, 40, 9, 3, 1, 0, 0, 1], low=1e-4)
    lines = [text_of(line) for line in histogram_lines(drawn, 48, 5, -4, -1)]
    assert lines == [
        "      ██                                        ",
        "▁▁▁▁▄▄██▄▄▁▁▁▁    ▁▁                            ",
        "┬───▴───────────┬▴────────────▴─┬──────────────┬",
        "100µs          1ms            10ms         100ms",
        "p50 182µs  p95 1.2ms  p99 8.4ms  max 1.8ms",
    ]


def test_a_single_late_value_is_seen() -> None:
    drawn = shape([10**6, 0, 0, 0, 1], low=1e-4)
    (bars, *_) = histogram_lines(drawn, 24, 2, -5, -2)
    assert text_of(bars) == "        █   ▁           "


def test_as_many_numbers_as_find_room() -> None:
    drawn = shape([900, 300_000])
    assert text_of(quantile_line(drawn, 80)) == "p50 182µs  p95 1.2ms  p99 8.4ms  max 178µs   301k values"
    assert text_of(quantile_line(drawn, 29)) == "p50 182µs p95 1.2ms p99 8.4ms"
    assert text_of(quantile_line(drawn, 22)) == "p50 182µs p99 8.4ms"
    unknown = shape([1], p50=None, p95=None, p99=None)
    assert text_of(quantile_line(unknown, 31)) == "p50     -  p95     -  p99     -"
    assert "≈" in text_of(quantile_line(merged([drawn, drawn]), 40))


def test_batches_are_counted_not_timed() -> None:
    drawn = shape([5] * 20, low=1.0, unit="count", name="batch_out", p50=12.0, p95=80.0, p99=99.0, max=100.0)
    lines = [text_of(line) for line in histogram_lines(drawn, 48, 4, 0, 4)]
    assert lines[2].split() == ["1", "10", "100", "1k", "10k"]
    assert lines[3].startswith("p50    12  p95    80")


def test_a_histogram_of_one_pool_or_all(hang: Hang) -> None:
    micro, prime = shape([5, 9, 5]), shape([9], low=1e-2, pool="prime")
    of_all, of_one, of_none = (Histogram("run", title="task time", empty="no task has ended yet") for _ in range(3))
    of_one.show_pool("prime")
    of_none.show_pool("nobody")
    view = fold(View(), now(micro, prime))
    told = hang(view, of_all, of_one, of_none, size=(40, 18))
    assert "≈" in told[0][-1]
    assert told[1][-1].startswith("p50 182µs")
    assert [line.strip() for line in told[2] if line.strip()] == ["no task has ended yet"]
    assert (of_all.border_title, of_one.border_title) == (" task time ", " task time  prime ")
    (waiting,) = hang(View(), Histogram("run", title="task time", empty="none"), size=(40, 5))
    assert waiting[2].strip() == "measuring"


def test_a_histogram_keeps_what_it_was_and_says_since_when() -> None:
    micro, prime = shape([5, 9, 5], name="spawn"), shape([4], name="spawn", pool="prime")
    none = [shape([], name="spawn", pool=pool) for pool in ("micro", "prime")]
    at_work = fold(fold(View(), now(micro, prime, at=3600.0)), now(micro, none[1], at=3601.0))
    at_rest = fold(at_work, now(*none, at=4000.0))
    again = fold(at_rest, now(micro, prime, at=4001.0))
    kept, of_one, forgot, never = (
        Histogram(name, title="spawn time", empty="no agent has started", keep=keep)
        for name, keep in (("spawn", True), ("spawn", True), ("spawn", False), ("wait", True))
    )
    of_one.show_pool("prime")
    seen = []

    async def look() -> None:
        async with Gallery(kept, of_one, forgot, never).run_test(size=(40, 24)) as pilot:
            for view in (at_work, at_rest, again):
                for widget in (kept, of_one, forgot, never):
                    widget.view = view
                await pilot.pause()
                seen.append([(str(each.border_title).strip(), each.text().split()) for each in (kept, of_one)])
                if view is at_rest:
                    assert not [ink for line in kept._lines for _, ink in line if ink.startswith("shade-")]
                    assert forgot.text().strip() == never.text().strip() == "no agent has started"

    asyncio.run(look())
    work, rest, back = seen
    assert [title for title, _ in work] == ["spawn time", "spawn time  prime  as of 01:00:00"]
    assert [title for title, _ in rest] == ["spawn time  as of 01:00:01", "spawn time  prime  as of 01:00:00"]
    assert [title for title, _ in back] == ["spawn time", "spawn time  prime"]
    assert [text for _, text in rest] == [text for _, text in work]
    assert "≈" in " ".join(back[0][1]), "of both again"


def test_histograms_have_an_ascii_form(hang: Hang) -> None:
    (lines,) = hang(
        fold(View(), now(shape([1, 5, 9]), shape([1], pool="b"))),
        Histogram("run", title="task time", empty="none"), size=(50, 6), ascii=True,
    )  # fmt: skip
    assert all(line.isascii() for line in lines)
    assert "#" in lines[0]
    assert lines[4].split() == ["10us", "100us", "1ms", "10ms"]


def test_columns_show_all_that_is_there() -> None:
    assert draw.columns([0.0, 1e-9, 0.5, 1.0, math.nan, 7.0], 2) == ["   █ █", " ▁██ █"]
