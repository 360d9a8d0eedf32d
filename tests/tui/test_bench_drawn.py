"""Bars, figures, the course of a line, and what is made of a benchmark's messages."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from bench_running import speed
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.stream.benchmarks import Begun, Ended, Failed, Measured, Planned, Row, Said
from tui.bench import figures, running, trend
from tui.bench.axis import MUST, ONE, POINT, RANGE, SURE, Axis, axis_for, bar
from tui.bench.progress_lines import progress_lines
from tui.bench.record import End, How, Line, Point, SessionRow, SessionTold, Trend, Wanted
from tui.bench.row_lines import card_lines, detail_lines
from tui.bench.running import Running, fold

# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.431, "s", "431 ms"), (182e-6, "s", "182 µs"), (4.61, "s", "4.61 s"), (0.0, "s", "0 ns"),
        (0.9999, "s", "1.00 s"), (0.0009999, "s", "1.00 ms"), (3_700.0, "s", "1:01:40"), (700.0, "s", "11:40 m"),
        (98_100.0, "/s", "98.1k/s"), (1_310_000.0, "/s", "1.31M/s"), (999.9, "/s", "1.00k/s"),
        (9.8e6, "B", "9.80 MB"), (412e6, "B", "412 MB"), (0.0135, "%", "1.35 %"), (1.0, "%", "100 %"),
        (0.982, "x", "0.982x"), (12.345, "x", "12.3x"), (1.08, "", "1.08"), (123_456.0, "", "123k"),
        (None, "s", "-"), (math.nan, "s", "-"), (math.inf, "B", "-"),
    ],
)  # fmt: skip
def test_values_have_three_digits(value: float | None, unit: str, text: str) -> None:
    assert figures.value(value, unit) == text


@example(0.0078125, "/s")
@given(st.floats(1e-9, 3e5), st.sampled_from(["s", "/s", "B", "x", "%", ""]))
def test_values_are_short(value: float, unit: str) -> None:
    assert len(figures.value(value, unit)) <= (8 if unit != "%" else 14)


@pytest.mark.parametrize(
    ("factor", "text"), [(2.912, "2.91×"), (0.99996, "1.00×"), (0.04312, "0.0431×"), (1300.0, "1.30k×"), (None, "-")]
)
def test_factors(factor: float | None, text: str) -> None:
    assert figures.times(factor) == text


def test_an_interval_may_be_open() -> None:
    line = Line("a", "a", factor=2.0, factor_low=1.5, factor_high=2.5)
    assert figures.interval(line) == "1.50–2.50×"
    assert figures.interval(replace(line, factor_high=None)) == "above 1.50×"
    assert figures.interval(replace(line, factor_low=None)) == "below 2.50×"
    assert figures.interval(replace(line, factor_low=None, factor_high=None)) == ""


@pytest.mark.parametrize(
    ("line", "ink"),
    [
        (Line("a", "a", must=Wanted("m", True, True)), "good"), (Line("a", "a"), ""),
        (Line("a", "a", must=Wanted("m", True, False)), "warning"),
        (Line("a", "a", must=Wanted("m", False, True)), "error"),
        (Line("a", "a", factor=2.0, factor_low=1.1, factor_high=3.0), "good"),
        (Line("a", "a", factor=0.5, factor_low=0.4, factor_high=0.9), "error"),
        (Line("a", "a", factor=1.1, factor_low=0.9, factor_high=1.2), "quiet"),
    ],
)  # fmt: skip
def test_colours_say_whether_it_is_so(line: Line, ink: str) -> None:
    assert figures.ink_of(line) == ink


# -- bars --------------------------------------------------------------------------------------------------------------


def drawn(line: Line, axis: Axis) -> str:
    return "".join(text for text, _ in bar(line, axis, "good"))


def test_a_bar_goes_from_1x_to_where_its_interval_begins() -> None:
    axis = Axis(0.5, 50.0, 41)
    one, low, point, high = (axis.at(value) for value in (1.0, 5.0, 8.0, 12.0))
    text = drawn(Line("a", "a", factor=8.0, factor_low=5.0, factor_high=12.0), axis)
    assert text[one] == ONE
    assert set(text[one + 1 : low]) == {SURE}
    assert text[point] == POINT
    assert set(text[low : high + 1]) == {RANGE, POINT}
    assert text[:one].strip() == text[high + 1 :].strip() == ""


def test_what_is_worse_goes_to_the_left() -> None:
    axis = Axis(0.1, 10.0, 41)
    text = drawn(Line("a", "a", factor=0.3, factor_low=0.2, factor_high=0.5), axis)
    high, one = axis.at(0.5), axis.at(1.0)
    assert set(text[high + 1 : one]) == {SURE}
    assert text[one + 1 :].strip() == ""


def test_an_interval_across_1x_has_nothing_that_is_sure() -> None:
    axis = Axis(0.5, 2.0, 41)
    text = drawn(Line("a", "a", factor=1.05, factor_low=0.9, factor_high=1.2), axis)
    assert SURE not in text
    assert text[axis.at(1.0)] == ONE


def test_what_it_must_is_marked_where_it_is() -> None:
    axis = Axis(0.5, 50.0, 41)
    line = Line("a", "a", factor=20.0, must=Wanted("m", True, None, 5.0), aim=Wanted("a", True, None, 10.0))
    text = drawn(line, axis)
    assert text[axis.at(5.0)] == MUST
    assert text[axis.at(10.0)] == "◇"
    assert drawn(replace(line, factor=None), axis).strip() != ""


def test_what_is_beyond_the_axis_is_pointed_at() -> None:
    axis = Axis(0.5, 2.0, 21)
    assert drawn(Line("a", "a", factor=9.0), axis)[-1] == "▸"
    assert drawn(Line("a", "a", factor=0.1), axis)[0] == "◂"


factors = st.one_of(st.none(), st.floats(1e-3, 1e3))


@given(factors, factors, factors, factors, st.integers(4, 120))
def test_a_bar_is_as_wide_as_its_axis(
    factor: float | None, low: float | None, high: float | None, must: float | None, cells: int
) -> None:
    wanted = None if must is None else Wanted("m", True, None, must)
    line = Line("a", "a", factor=factor, factor_low=low, factor_high=high, must=wanted)
    axis = axis_for([line], cells)
    assert axis.low <= 0.5
    assert axis.high >= 2.0
    assert sum(cell_len(text) for text, _ in bar(line, axis, "")) == cells
    assert len(axis.ruler()) == cells


@given(st.floats(1.1, 1e4), st.floats(1e-4, 0.9), st.integers(8, 200))
def test_labels_of_the_axis_keep_apart(high: float, low: float, cells: int) -> None:
    axis = axis_for([Line("a", "a", factor=high), Line("b", "b", factor=low)], cells)
    ticks = axis.ticks()
    assert "1x" in [text for _, text in ticks]
    for (left, text), (right, _) in itertools.pairwise(ticks):
        assert left + len(text) + 1 < right


# -- over sessions -----------------------------------------------------------------------------------------------------


def course(*values: float, **more: object) -> Trend:
    return Trend(tuple(Point(f"{at}", at, value) for at, value in enumerate(values)), **more)  # type: ignore[arg-type]


def test_noise_does_not_fill_the_chart() -> None:
    """A percent up and down is a flat line, whatever the height."""
    lines = trend.chart(course(1.0, 1.01, 0.99, 1.0, 1.005), "s", 60, 7)
    rows = ["".join(text for text, _ in line) for line in lines]
    assert [row.count("●") for row in rows] == [0, 0, 0, 5, 0, 0, 0]
    assert rows[3].startswith("  1.00 s")


def test_the_chart_marks_baselines_regressions_steps_and_what_is_looked_at() -> None:
    points = (
        Point("a", 1, 1.0, names=("v1",)), Point("b", 2, 1.02), Point("c", 3, 1.5, state="regression"),
        Point("d", 4, 1.5),
    )  # fmt: skip
    lines = trend.chart(Trend(points, at=("c",)), "s", 40, 6, chosen="d")
    text = "\n".join("".join(part for part, _ in line) for line in lines)
    assert text.count("◆") == text.count("▼") == 1
    assert text.count("●") == 2
    assert "╎" in text
    assert [ink for line in lines for part, ink in line if part == "●"].count("strong") == 1


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=90), st.integers(4, 90), st.integers(1, 9))
def test_charts_fit(values: list[float], width: int, height: int) -> None:
    for line in trend.chart(course(*values), "s", width, height):
        assert sum(cell_len(text) for text, _ in line) <= width
    assert len(trend.chart(course(*values), "s", width, height)) in (0, height)


# -- what measures -----------------------------------------------------------------------------------------------------


def after(*messages: object, how: How | None = None) -> Running:
    state = Running("speed", how or How(), began=100.0)
    for at, message in enumerate(messages):
        state = fold(state, message, 100.0 + at)  # type: ignore[arg-type]
    return state


ROW = Row(name="a", title="row", unit="s", better="low", beside="Pool", must="faster", must_at=1.0)
PLAN = Planned(
    suite="speed", quick=False, steps=4, rounds=3,
    rows=(ROW, Row(name="b", title="b", unit="B", better="low", bound=30e6)),
)  # fmt: skip


def test_how_far_it_is() -> None:
    state = after(PLAN, Begun(step=1, round=0, row="a"), Measured(step=1, round=0, row="a", seconds=2.0, left=6.0))
    assert (state.phase, state.done, state.steps, state.share) == ("measuring", 1, 4, 0.25)
    assert state.remaining(103.0) == 5.0
    assert state.remaining(999.0) == 0.0
    state = fold(state, Begun(step=2, round=1, row="b", left=6.0), 110.0)
    assert (state.done, state.row, state.round, state.remaining(111.0)) == (1, "b", 1, 5.0)
    assert state.elapsed(130.0) == 30.0


def test_values_become_lines_with_factors() -> None:
    taken = [
        Measured(step=n, round=n, row="a", seconds=1.0, values={"ours": [1.0], "peer": [n + 1.0]}) for n in (1, 2, 3)
    ]
    state = after(PLAN, *taken, Measured(step=4, round=1, row="b", seconds=1.0, values={"ours": [10e6]}))
    ours, memory = running.lines(state)
    assert (ours.rounds, ours.value, ours.other, ours.of) == (3, 1.0, 3.0, "beside")
    assert (ours.factor, ours.factor_low, ours.factor_high) == pytest.approx((3.0, 2.0, 4.0))
    assert ours.must == Wanted("faster", True, None, 1.0)
    assert (memory.of, memory.factor_low) == ("must", None)
    assert memory.factor == pytest.approx(3.0)


def test_where_more_is_better_a_higher_rate_is_a_higher_factor() -> None:
    row = Row(name="a", title="row", unit="/s", better="high", beside="Pool")
    plan = Planned(suite="speed", quick=False, steps=1, rounds=1, rows=(row,))
    taken = Measured(step=1, round=1, row="a", seconds=1.0, values={"ours": [90.0], "peer": [30.0]})
    (line,) = running.lines(after(plan, taken))
    assert line.factor == pytest.approx(3.0)


def test_values_of_nothing_have_no_factor() -> None:
    taken = Measured(step=1, round=1, row="a", seconds=1.0, values={"ours": [0.0], "peer": [1.0]})
    assert running.lines(after(PLAN, taken))[0].factor is None


@pytest.mark.parametrize(
    ("messages", "how", "end", "phase", "words"),
    [
        ([PLAN, Ended(code=0, session="s")], How(), End(0), "done", ""),
        ([PLAN, Ended(code=1, session="s")], How(), End(1), "done", ""),  # something that was wanted is not so
        ([PLAN, Ended(code=1, session="s", failures={"a": "gone"})], How(), End(1), "failed", "a: gone"),
        ([PLAN, Failed(row="a", why="gone", steps=2)], How(), End(-9), "failed", "a: gone"),
        ([PLAN], How(), End(-9), "failed", "ended by signal 9"),
        ([PLAN], How(), End(1, "MemoryError"), "failed", "MemoryError"),
        ([], How(), End(2, "no such baseline"), "refused", "no such baseline"),
        ([], How(), End(2), "refused", "exit code 2"),
        ([], How(), End(1, "Traceback"), "failed", "Traceback"),
        ([PLAN, Ended(code=1, session="s", verdict="regression: a")], How(baseline="last-good"), End(1), "regression",
         "regression: a"),
        ([PLAN, Ended(code=2, session="s", verdict="not measured: a")], How(baseline="last-good"), End(2), "done",
         "not measured: a"),
    ],
)  # fmt: skip
def test_how_it_ends(messages: list[object], how: How, end: End, phase: str, words: str) -> None:
    state = running.end(after(*messages, how=how), end, 200.0)
    assert (state.phase, state.words) == (phase, words)
    assert state.over
    assert state.elapsed(999.0) == 100.0


def test_one_that_was_stopped_has_not_failed() -> None:
    state = running.end(running.stopping(after(PLAN)), End(143), 200.0)
    assert state.phase == "stopped"
    assert running.stopping(state) == state


def test_a_rerun_keeps_the_rows_and_the_values() -> None:
    taken = Measured(step=1, round=1, row="a", seconds=1.0, values={"ours": [1.0], "peer": [2.0]})
    again = Planned(suite="speed", quick=False, steps=7, rounds=6, rows=(ROW,), again=True)
    state = after(PLAN, taken, again)
    assert state.again
    assert [line.name for line in running.lines(state)] == ["a", "b"]
    assert running.lines(state)[0].rounds == 1


@given(st.integers(0, 25), st.integers(20, 200))
def test_its_lines_fit(until: int, width: int) -> None:
    for state in (after(*speed(until)), running.end(after(*speed(until)), End(2, "x" * 300), 200.0)):
        lines = progress_lines(state, 150.0, width)
        assert 2 <= len(lines) <= 3
        assert all(sum(cell_len(text) for text, _ in line) <= width for line in lines)


def test_what_is_said_meanwhile_is_told_until_something_is_measured() -> None:
    state = after(Said(text="calibrating"))
    assert "calibrating" in str(progress_lines(state, 1.0, 80))


def test_one_that_measures_has_the_history_of_those_before() -> None:
    before = SessionTold(SessionRow("s", "speed", 1.0, 1.0), (), trends={"a": course(1.0, 1.1)})
    taken = Measured(step=1, round=1, row="a", seconds=1.0, values={"ours": [1.2], "peer": [2.0]})
    told = running.told(after(PLAN, taken), before, 9.0)
    assert [point.value for point in told.trends["a"].points] == [1.0, 1.1, 1.2]
    assert running.told(after(PLAN, taken, how=How(quick=True)), before, 9.0).trends == {}


# -- one line, all of it -----------------------------------------------------------------------------------------------


@given(st.integers(24, 160), st.integers(3, 30))
def test_lines_about_a_line_fit(width: int, height: int) -> None:
    state = after(*speed(25))
    told = running.told(state, None, 9.0)
    for line in told.lines:
        for drawn_ in (card_lines(line, told, width, height), detail_lines(line, told, width)):
            assert all(sum(cell_len(text) for text, _ in one) <= width for one in drawn_)
