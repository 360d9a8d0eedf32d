"""What the panels draw, line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from engine.stream.types import AlertView, Frame, PoolView
from tui.app import ShoalApp
from tui.view import View, fold, lose
from tui.widgets.events import event_lines, stream_lines
from tui.widgets.fleet_alerts import alerts_lines
from tui.widgets.header import header_line
from tui.widgets.lines import Line
from tui.widgets.machine import readings
from tui.widgets.pools import PoolRow, pool_lines, pool_rows

AppOf = Callable[..., ShoalApp]
MakeFrame = Callable[..., Frame]


def text_of(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


@pytest.mark.parametrize("phase", ["starting", "live", "draining", "ended", "lost"])
def test_the_header_fits_and_cuts_no_number(running: View, phase: Any) -> None:
    for behind in (None, 42, 123_456):
        for width in range(60, 200):
            line = header_line(running, phase, behind, width)
            assert cell_len(text_of(line)) <= width
            words = text_of(line).replace("/", " ").split()
            known = {"41,203", "100,000", "41%", "00:01:42", "01:41", "99.99%", "3", "7f3a", "42", "123k"}
            assert {word for word in words if word[0].isdigit()} <= known
            assert "41,203" in words
            assert "00:01:42" in words


def test_the_header_of_a_run_without_an_end(draining: View) -> None:
    text = text_of(header_line(draining, "draining", None, 100))
    assert "◐ DRAINING" in text
    assert "41,203 done" in text
    assert "ETA" not in text


def test_the_header_says_paused_and_ended(ended: View) -> None:
    text = text_of(header_line(ended, "ended", 7, 120))
    assert "‖ PAUSED 7 behind  ■ ENDED" in text


def test_nothing_jumps_in_the_header(make_frame: MakeFrame, running: View) -> None:
    starts = set()
    for done in (0, 9, 99, 999, 9_999, 99_999, 100_000):
        frame = make_frame({"micro": b"\3"}, done=done)
        text = text_of(header_line(fold(running, frame), "live", None, 100))
        starts.add((len(text), text.index("/100,000"), text.index("ETA")))
    assert len(starts) == 1


def rows_of(*pools: PoolView) -> list[PoolRow]:
    """Rows of pools of which nothing was measured."""
    return [PoolRow(pool) for pool in pools]


def test_the_pools_fit_and_sum_up(running: View) -> None:
    rows = pool_rows(running)
    assert [text_of(line) for line in pool_lines((), 50, 5)] == ["no pools yet"]
    for width in range(30, 120):
        lines = [text_of(line) for line in pool_lines(rows, width, 9)]
        assert {len(line) for line in lines} == {len(lines[0])}
        assert len(lines[0]) <= width
    many = rows_of(*(PoolView(f"p{n}", n, 1, 0, 0, 1, 0, 0, 1, 2, 0, 0) for n in range(9)))
    lines = [text_of(line) for line in pool_lines(many, 90, 5)]
    assert len(lines) == 5
    assert lines[-1].strip().startswith("+5 more")
    assert lines[-1].split()[-8:] == ["5/5", "5", "-", "0", "-", "-", "0", "10"]


def test_pools_have_a_heading_where_there_is_room(running: View) -> None:
    rows = pool_rows(running)
    heading, *_ = [text_of(line) for line in pool_lines(rows, 100, 4)]
    assert heading.split() == ["busy/size", "queued", "hits", "failed", "per", "s", "p99", "restarts", "done"]
    first, *_ = [text_of(line) for line in pool_lines(rows, 100, 3)]
    assert first.split()[0] == "micro"
    assert len(pool_lines(rows, 100, 3)) == 3


def test_pools_tell_what_was_measured_last(running: View) -> None:
    line = text_of(pool_lines(pool_rows(running), 100, 4)[1])
    assert line.split()[-8:] == ["245/300", "18.2k", "99.2%", "3", "401", "9.7ms", "3", "28.4k"]
    assert text_of(pool_lines(pool_rows(replace(running, metrics=None)), 100, 4)[1]).split()[-6] == "-"


def test_the_pool_that_is_picked_is_marked(running: View) -> None:
    lines = [text_of(line) for line in pool_lines(pool_rows(running), 60, 4, picked="domain")]
    assert [line[0] for line in lines] == [" ", " ", "▸", " "]


def test_events_are_the_newest_first(running: View) -> None:
    lines = [text_of(line) for line in event_lines(running, 40, 3)]
    assert lines[0].startswith("12:01:42 · agent micro/128 starts")
    assert all(cell_len(line) <= 40 for line in lines)
    assert len(lines) == 3
    assert event_lines(running, 40, 0) == []


def test_the_stream_speaks_of_itself(running: View) -> None:
    view = replace(lose(running, "the engine is gone"), missed=12, refused="not now")
    lines = [text_of(line) for line in stream_lines(view, 60)]
    assert lines == ["✕ the engine is gone", "▲ refused: not now", "… 12 events missed"]
    assert stream_lines(replace(running, ended=True, lost="gone"), 60) == []


# -- what asks for attention ------------------------------------------------------------------------------------------


def told(view: View, width: int, height: int, with_events: bool = True) -> list[str]:
    """The lines of the alerts of a view."""
    lines = [text_of(line) for line in alerts_lines(view, width, height, with_events)]
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def test_what_fires_comes_first_and_what_somebody_took_on_last(alerting: View) -> None:
    lines = told(alerting, 60, 4)
    assert [line[0] for line in lines] == ["●", "▲", "▲", "·"]
    assert lines[0] == "●    4s  pool micro: 14 agents crashed; the last: mi…  8.0ms"
    assert lines[2] == "▲   38s  pool micro: tasks wait 2.3s"
    assert lines[3].endswith("taken on by lena")


def test_alerts_that_find_no_room_are_counted(alerting: View) -> None:
    assert told(alerting, 60, 2)[1] == "… 3 more alerts: 5 shows all"
    assert told(alerting, 60, 1) == ["… 4 more alerts: 5 shows all"]


def test_where_there_is_room_the_likely_cause_and_the_last_events_are_told(alerting: View) -> None:
    lines = told(alerting, 90, 14)
    assert lines[1].strip().startswith("└ One kind of task kills whoever runs it")
    assert lines[8].endswith("· pool micro asks for 10 agents: 18,240 tasks wait")
    assert not any("asks for" in line for line in told(alerting, 90, 14, with_events=False))


def test_when_all_is_well_it_says_so(running: View, ended: View, starting: View) -> None:
    assert told(running, 42, 3)[0] == "✓ nothing fires"
    assert told(starting, 42, 3) == ["nothing has happened yet"]
    assert told(ended, 42, 1)[0].startswith("12:03:23 · 100,000 tasks done")
    assert "nothing fires" not in told(ended, 42, 4)[0]


def test_what_may_fire_and_what_is_over_is_told_below(running: View, make_alert: Callable[..., AlertView]) -> None:
    assert running.frame is not None
    at = running.frame.at
    alerts = [
        make_alert(1, "warning", "pool micro: slow", 90.0, at=at, state="resolved", resolved=at - 12),
        make_alert(2, "warning", "pool prime: slow", 3.0, at=at, state="pending"),
        make_alert(3, "warning", "long ago", 900.0, at=at, state="resolved", resolved=at - 600),
    ]
    view = replace(running, alerts={alert.fingerprint: alert for alert in alerts})
    assert told(view, 42, 4, with_events=False) == [
        "✓ nothing fires",
        "◌    3s  pool prime: slow         may fire",
        "✓   12s  pool micro: slow             over",
    ]


# -- the machine ------------------------------------------------------------------------------------------------------


def test_the_machine_says_how_busy_it_is(running: View, starting: View) -> None:
    cpu, memory, load = readings(running)
    assert (cpu.label, cpu.share, cpu.told.strip()) == ("cpu", 0.96, "96%")
    assert (memory.share, memory.told.strip(), memory.warning) == (0.125, "3.0/24G", 0.9)
    assert load.share == pytest.approx(4.1 / 2 / 4)
    assert load.note == "fd  7.0k"
    assert readings(starting) == []
    assert len({len(reading.told) for reading in readings(running)}) == 1
