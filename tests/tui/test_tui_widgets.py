"""What the panels draw, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from textual.geometry import Region
from textual.pilot import Pilot

from engine.stream.types import BUSY, DEAD, IDLE, Cells, Frame, PoolView
from tui.app import ShoalApp
from tui.view import View, fold, lose
from tui.widgets.events import event_lines
from tui.widgets.fleet_map import FleetMap, MapLine, Plan, Row, Scale, legend, map_lines, plan
from tui.widgets.header import header_line
from tui.widgets.lines import Line
from tui.widgets.pools import pool_lines
from tui.widgets.throughput import chart_lines

AppOf = Callable[..., ShoalApp]
MakeFrame = Callable[..., Frame]


def text_of(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


def agents_in(planned: Plan) -> list[int]:
    """Every agent that has a place, and every one that is said to be hidden."""
    found: list[int] = []
    for row in planned.rows:
        if row is not None:
            found += range(row.start, row.end)
            found += range(row.end, row.hidden)
    return found


@pytest.mark.parametrize("monochrome", [False, True])
@pytest.mark.parametrize(("width", "height"), [(56, 5), (76, 9), (116, 18), (196, 30), (20, 3)])
@pytest.mark.parametrize("sizes", [(3000, 363, 72), (300, 99, 36), (8,), (1, 1), (0, 5)])
def test_every_agent_has_one_place(sizes: tuple[int, ...], width: int, height: int, monochrome: bool) -> None:
    pools, first = [], 0
    for place, size in enumerate(sizes):
        pools.append((f"pool-{place}", first, size))
        first += size
    planned = plan(pools, width, height, monochrome)
    assert agents_in(planned) == list(range(first))
    assert len(planned.rows) <= height
    assert not (monochrome and planned.scale is Scale.HALF)


def test_small_fleets_are_drawn_large_and_large_ones_small() -> None:
    assert plan([("a", 0, 40)], 60, 5, False).scale is Scale.ROOMY
    assert plan([("a", 0, 400)], 60, 5, False).scale is Scale.HALF
    assert plan([("a", 0, 200)], 60, 5, True).scale is Scale.GLYPH


def test_small_pools_keep_all_their_agents() -> None:
    planned = plan([("large", 0, 3000), ("small", 3000, 60)], 60, 6, False)
    hidden = [row.hidden for row in planned.rows if row is not None and row.hidden]
    assert hidden == [3000]


def test_pools_without_a_line_are_told() -> None:
    planned = plan([(f"p{n}", n * 10, 10) for n in range(9)], 60, 4, False)
    assert planned.unseen == "+6 more pools, 60 agents"
    assert len(planned.rows) == 3


def test_hidden_agents_are_counted_and_their_dead_named() -> None:
    planned = Plan(Scale.HALF, (Row("a", "9", 0, 2, 4, hidden=9),), 2)
    agents = bytes([BUSY] * 8 + [DEAD])
    (line,) = map_lines(planned, agents)
    assert isinstance(line, MapLine)
    assert (line.tail, line.tail_ink) == (" +5 more ✕ 1", "dead")
    (line,) = map_lines(planned, bytes([BUSY] * 9))
    assert isinstance(line, MapLine)
    assert (line.tail, line.tail_ink) == (" +5 more", "quiet")


def test_the_legend_counts_and_fits() -> None:
    counts = [0, 3, 470, 2961, 0, 1]
    text = " ".join(text_of(legend(counts, 100)).split())
    assert text == "■ busy 2,961 □ idle 470 ◌ starting 3 ▽ draining 0 ✕ dead 1"
    for width in (56, 76, 116):
        assert len(text_of(legend(counts, width))) <= width
        assert len(text_of(legend([5000] * 6, width))) <= width
    assert "absent 2" in text_of(legend([2, 0, 0, 0, 0, 0], 100))


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


def test_the_pools_fit_and_sum_up(running: View) -> None:
    assert running.frame is not None
    pools = running.frame.pools
    assert [text_of(line) for line in pool_lines((), 50, 5)] == ["no pools yet"]
    for width in range(30, 120):
        lines = [text_of(line) for line in pool_lines(pools, width, 9)]
        assert {len(line) for line in lines} == {len(lines[0])}
        assert len(lines[0]) <= width
    many = [PoolView(f"p{n}", n, 1, 0, 0, 1, 0, 0, 1, 2, 0, 0) for n in range(9)]
    lines = [text_of(line) for line in pool_lines(many, 70, 5)]
    assert len(lines) == 5
    assert lines[-1].startswith("+6 more")
    assert lines[-1].split()[-5:] == ["6/6", "6", "12", "0", "0"]


def test_the_chart_has_a_line_for_each_row(running: View, starting: View) -> None:
    for view in (running, starting):
        for height in range(1, 20):
            lines = chart_lines(view, 40, height)
            assert len(lines) == height
            assert all(len(text_of(line)) <= 40 for line in lines)
    assert text_of(chart_lines(running, 40, 9)[0]).startswith("  582 now")
    assert text_of(chart_lines(starting, 40, 9)[1]).startswith("   10 ")


def test_events_are_the_newest_first(running: View) -> None:
    lines = [text_of(line) for line in event_lines(running, 40, 3)]
    assert lines[0].startswith("12:01:42 · agent micro/128 starts")
    assert all(cell_len(line) <= 40 for line in lines)
    assert len(lines) == 3


def test_the_stream_speaks_above_the_events(running: View) -> None:
    view = replace(lose(running, "the engine is gone"), missed=12, refused="not now")
    lines = [text_of(line) for line in event_lines(view, 60, 9)]
    assert lines[:3] == ["✕ the engine is gone", "▲ refused: not now", "… 12 events missed"]


def drive(app: ShoalApp, play: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int]) -> None:
    """Run an app and play with it."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await play(pilot)

    asyncio.run(session())


def test_two_agents_share_a_cell(app_of: AppOf, large: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        assert large.frame is not None
        strip = fleet.render_line(0)
        assert strip.cell_length == fleet.size.width
        cells = [segment for segment in strip if segment.text.startswith("▀")]
        width = sum(len(segment.text) for segment in cells)
        states = large.cells
        colours = {BUSY: fleet.ink("busy").color, IDLE: fleet.ink("idle").color}
        drawn = [
            (segment.style.color, segment.style.bgcolor) for segment in cells for _ in segment.text if segment.style
        ]
        assert drawn == [(colours[states[i]], colours[states[i + width]]) for i in range(width)]

    drive(app_of(large), play, (120, 36))


def test_only_lines_that_changed_are_painted(
    app_of: AppOf, feed_of: Any, large: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of(large)
    painted: list[Region] = []

    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        refresh = fleet.refresh

        def spy(*regions: Region, **options: Any) -> FleetMap:
            painted.extend(regions or [fleet.region])
            return refresh(*regions, **options)

        monkeypatch.setattr(fleet, "refresh", spy)
        feed.push(fold(large, Cells(0, bytes([DEAD]))))
        await pilot.pause()

    drive(app_of(feed), play, (120, 36))
    # The line of the agent, and the legend at the bottom.
    assert [region.y for region in painted] == [0, 18]


def test_states_of_the_future_are_drawn_as_absent(app_of: AppOf, make_frame: MakeFrame) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        assert "·" in fleet.render_line(0).text

    drive(app_of(fold(fold(View(), Cells(0, b"\x09\3")), make_frame({"micro": b"\x09\3"}))), play, (80, 24))
