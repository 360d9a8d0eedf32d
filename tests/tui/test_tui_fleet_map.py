"""The fleet map: what it draws, what it costs, and how one moves about in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from rich.segment import Segment
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING, AgentRow, Cells, Frame
from tui.app import ShoalApp
from tui.painting import PaintingScreen
from tui.places import HALF, height_of, plan
from tui.view import View, fold
from tui.widgets.agent_grid import AgentGrid, GridLine, grid_lines, lit, ranked
from tui.widgets.fleet_map import FleetMap
from tui.widgets.lines import Line
from tui.widgets.map_notes import agent_line, legend

AppOf = Callable[..., ShoalApp]
Drive = Callable[..., Any]
MakeFrame = Callable[..., Frame]
_SGR = re.compile(r"\x1b\[([\d;]*)m")


def text_of(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


# -- its lines --------------------------------------------------------------------------------------------------------


def test_agents_that_share_a_place_show_what_is_worst_or_how_many_are_busy() -> None:
    planned = plan([("a", 0, 8)], 7, 1, True)
    assert planned.scale.per == 3
    rank = {state: ranked(bytes([state]))[0] for state in range(6)}
    assert sorted(rank, key=lambda state: rank[state]) == [ABSENT, IDLE, BUSY, DRAINING, STARTING, DEAD]
    cells = bytes([BUSY, DEAD, IDLE, IDLE, IDLE, BUSY, BUSY, BUSY])
    (line,) = grid_lines(planned, ranked(cells), None)
    assert line.ranks == bytes([rank[DEAD], (2 * rank[IDLE] + rank[BUSY]) // 3, rank[BUSY]])
    assert rank[IDLE] < line.ranks[1] < rank[BUSY]


def test_one_state_that_is_lit_dims_the_others() -> None:
    ranks = ranked(bytes([BUSY, DEAD, IDLE, DEAD]))
    busy, dead, idle, other = ranks.translate(lit(DEAD))
    assert dead == other == ranks[1]
    assert len({busy, idle, 0, *ranks}) == 6, "each has a rank of its own, none is absent"


def test_what_is_pointed_at_is_marked_in_its_line_alone() -> None:
    planned = plan([("a", 0, 600)], 63, 8, False)
    assert planned.scale == HALF
    lines = grid_lines(planned, ranked(bytes([BUSY]) * 600), planned.rows[1].first + 7)
    assert [line.mark for line in lines[:3]] == [-1, 7, -1]


def test_of_agents_that_share_a_place_one_that_is_lit_is_shown() -> None:
    planned = plan([("a", 0, 4000)], 63, 8, False)
    per = planned.scale.per
    assert per > 1
    states = bytes([BUSY] * per + [IDLE] + [BUSY] * (per - 1) + [DEAD] + [ABSENT] * (4000 - 2 * per - 1))
    shown = grid_lines(planned, ranked(states).translate(lit(IDLE)), None)[0].ranks
    line = b"".join(grid_lines(planned, ranked(states).translate(lit(IDLE)), None)[0].ranks[at::2] for at in (0, 1))
    assert ranked(bytes([IDLE]))[0] in line, shown
    assert ranked(bytes([BUSY]))[0] not in line
    assert ranked(bytes([DEAD]))[0] not in line
    assert ranked(bytes([ABSENT]))[0] in line


def test_the_legend_counts_and_fits() -> None:
    counts = [0, 3, 470, 2961, 0, 1]
    text = " ".join(text_of(legend(counts, 100)).split())
    assert text == "■ busy 2,961 □ idle 470 ◌ starting 3 ▽ draining 0 ✕ dead 1"
    for width in (56, 76, 116):
        assert len(text_of(legend(counts, width))) <= width
        assert len(text_of(legend([5000] * 6, width))) <= width
    assert "absent 2" in text_of(legend([2, 0, 0, 0, 0, 0], 100))
    brand = [text.strip() for text, ink in legend(counts, 100, spot=IDLE) if ink == "brand"]
    assert brand == ["idle"]


def test_an_agent_is_told_of_as_far_as_there_is_room() -> None:
    row = AgentRow("micro/7", "micro", 0, 4711, "busy", "fit[12]", 3, 1, 0.25, 1200, 2, 10**7, 0.9, 1)
    full = "▸ micro/7  ■ busy · fit[12] for 250ms · pid 4711 · 1,200 done · 2 failed · 1 restart"
    assert text_of(agent_line("micro/7", BUSY, 0, row, 120)) == full
    for width in range(8, 100):
        assert len(text_of(agent_line("micro/7", BUSY, 0, row, width))) <= width
    assert text_of(agent_line("micro/7", DEAD, 2, None, 60)) == "▸ micro/7  ✕ dead · and 2 more here"


# -- drawing ----------------------------------------------------------------------------------------------------------


async def shown(pilot: Pilot[Any], feed: Any) -> None:
    """Wait until what was pushed last is on the map."""
    while pilot.app.query_one(FleetMap).view is not feed.view:
        await pilot.pause()


def colours(segments: list[Segment]) -> list[tuple[Any, Any]]:
    """Of the upper and the lower half of each cell."""
    found = []
    for segment in segments:
        assert segment.style is not None
        below = segment.style.bgcolor
        above = segment.style.color if segment.text.startswith("▀") else below
        found += [(above, below)] * len(segment.text)
    return found


def test_two_agents_share_a_cell(app_of: AppOf, drive: Drive, large: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        grid = pilot.app.query_one(AgentGrid)
        assert grid.plan is not None
        assert grid.plan.scale == HALF
        strip = grid.render_line(0)
        assert strip.cell_length == grid.size.width == sum(len(segment.text) for segment in strip)
        ink = {BUSY: grid.ink("busy").color, IDLE: grid.ink("idle").color}
        cells = strip.crop(grid.plan.labels, grid.plan.labels + grid.plan.rows[0].end // 2)
        states = large.cells
        assert colours([*cells]) == [(ink[states[i]], ink[states[i + 1]]) for i in range(0, grid.plan.rows[0].end, 2)]

    drive(app_of(large), play, (120, 36))


def what_it_does(written: str) -> list[tuple[str, str, str, bool]]:
    """What a terminal shows of it: each character with its colours, and whether it stands out."""
    shown, fore, back, bold = [], "", "", False
    at = 0
    for match in [*_SGR.finditer(written), None]:
        end = match.start() if match else len(written)
        shown += [(char, fore if char != " " else "", back, bold) for char in written[at:end]]
        if match is None:
            break
        at = match.end()
        codes = match[1].split(";")
        while codes:
            code = codes.pop(0)
            if code in ("38", "48"):
                colour, codes = ";".join(codes[:4]), codes[4:]
                fore, back = (colour, back) if code == "38" else (fore, colour)
            elif code == "0":
                fore, back, bold = "", "", False
            elif code in ("1", "7"):
                bold = True
            elif code[-2] in "39" and len(code) == 2:
                fore = code
            else:
                back = code
    return shown


@pytest.mark.parametrize("size", [(60, 20), (120, 36), (200, 50)], ids=str)
def test_the_short_way_to_the_terminal_shows_the_same(
    app_of: AppOf, drive: Drive, large: View, size: tuple[int, int]
) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        grid = pilot.app.query_one(AgentGrid)
        await pilot.press("n")
        for y in range(grid.size.height):
            strip = grid.render_line(y)
            long_way = Strip([*strip]).render(pilot.app.console)
            assert what_it_does(strip.render(pilot.app.console)) == what_it_does(long_way)

    drive(app_of(large), play, size)


def test_only_lines_that_changed_are_painted(
    app_of: AppOf, drive: Drive, feed_of: Any, large: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of(large)
    painted: list[int] = []

    async def play(pilot: Pilot[Any]) -> None:
        grid, screen = pilot.app.query_one(AgentGrid), pilot.app.screen
        assert isinstance(screen, PaintingScreen)
        changed = screen.lines_changed

        def spy(widget: Widget, lines: Iterable[int]) -> None:
            painted.extend(lines if widget is grid else ())
            changed(widget, lines)

        monkeypatch.setattr(screen, "lines_changed", spy)
        feed.push(fold(large, Cells(0, bytes([DEAD]))))
        await shown(pilot, feed)
        assert painted == [0]
        painted.clear()
        feed.push(fold(large, Cells(0, bytes([DEAD]))))
        await shown(pilot, feed)
        assert painted == []

    drive(app_of(feed), play, (120, 36))


def test_a_change_of_hundreds_of_agents_costs_little(
    app_of: AppOf, drive: Drive, large: View, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line is drawn at most once, and no run of equal cells is put into words twice. The time is only printed:
    `pytest -s`.
    """
    import random

    async def play(pilot: Pilot[Any]) -> None:
        fleet, grid = pilot.app.query_one(FleetMap), pilot.app.query_one(AgentGrid)
        drawn: list[GridLine | Line] = []
        draw = grid.draw

        def counted(line: GridLine | Line, width: int) -> Strip:
            drawn.append(line)
            return draw(line, width)

        monkeypatch.setattr(grid, "draw", counted)
        chance, states, spent, bytes_ = random.Random(5), bytearray(large.cells), [], 0
        for _ in range(50):
            for _ in range(400):
                agent = chance.randrange(len(states))
                states[agent] = BUSY if states[agent] == IDLE else IDLE
            view = fold(large, Cells(0, bytes(states)))
            drawn.clear()
            began = time.thread_time()
            fleet.view = view
            written = [strip.render(pilot.app.console) for strip in grid.render_lines(grid.size.region)]
            spent.append(time.thread_time() - began)
            bytes_ += sum(map(len, written))
            assert len(drawn) <= grid.size.height
        runs = sum(len(of.written) for of in grid._runs.values())
        assert runs < 600
        median = sorted(spent)[len(spent) // 2]
        print(
            f"\n{len(states)} agents, 400 changes: {median * 1e3:.2f} ms and {bytes_ / len(spent) / 1e3:.1f} kB a frame"
        )

    drive(app_of(large), play, (120, 36))


def test_states_of_the_future_are_drawn_as_absent(app_of: AppOf, drive: Drive, make_frame: MakeFrame) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        assert "· 0 absent" in pilot.app.query_one(AgentGrid).text()

    drive(app_of(fold(fold(View(), Cells(0, b"\x09\3")), make_frame({"micro": b"\x09\3"}))), play, (80, 24))


def test_in_ascii_each_state_has_its_letter(app_of: AppOf, drive: Drive, make_frame: MakeFrame) -> None:
    states = bytes([BUSY, IDLE, STARTING, DRAINING, DEAD, ABSENT]) * 50
    view = fold(fold(View(), Cells(0, states)), make_frame({"micro": states}))

    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        lines = [fleet.grid.render_line(y).text for y in range(fleet.grid.size.height)]
        assert all(line.isascii() for line in lines)
        assert lines[0].startswith("micro # _ o v x . # _ o v x .")

    drive(app_of(view, ascii=True), play, (120, 36))


@pytest.mark.parametrize("ascii", [False, True])
def test_in_every_size_the_whole_map_and_its_legend_are_seen(
    app_of: AppOf,
    drive: Drive,
    feed_of: Any,
    few: View,
    large: View,
    ascii: bool,  # noqa: A002
) -> None:
    feed = feed_of(few)

    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        for width, height in ((200, 50), (60, 20), (120, 36), (80, 24), (110, 31), (76, 32), (160, 24), (75, 44)):
            await pilot.resize_terminal(width, height)
            for view in (large, few):
                feed.push(view)
                await shown(pilot, feed)
                await pilot.pause()
                grid, notes = fleet.grid.region, fleet.notes.region
                assert (grid.bottom, notes.bottom) == (notes.y, fleet.content_region.bottom)
                assert fleet.grid.plan is not None
                assert height_of(fleet.grid.plan) <= grid.height
                assert "dead" in fleet.notes.text().splitlines()[-1]
                assert fleet.notes.size.height == len(fleet.notes._lines)

    drive(app_of(feed, ascii=ascii), play, (120, 36))


def test_a_few_agents_are_named_with_their_states(app_of: AppOf, drive: Drive, few: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        grid = pilot.app.query_one(AgentGrid)
        await pilot.press("l", "l", "l")
        first, named, last, *_ = [grid.render_line(y) for y in range(3)]
        assert named.text.split() == ["8", "■", "0", "busy", "■", "1", "busy", "▸□", "2", "idle", "■", "3", "busy"]
        assert {strip.cell_length for strip in (first, named, last)} == {grid.size.width}
        idle = next(segment for segment in named if "idle" in segment.text)
        assert idle.style is not None
        assert idle.style.bgcolor == grid.ink("idle").color
        assert idle.style.color == grid.ink("strong").color  # light on dark; on the bright busy it is dark

    drive(app_of(few), play, (120, 36))


def test_a_small_fleet_leaves_room_for_events(app_of: AppOf, drive: Drive, few: View, large: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        if fleet.view is few:
            assert fleet.size.height < 12
            assert pilot.app.screen.query_one("#events").size.height > 10
        else:
            assert pilot.app.screen.query_one("#events").size.height == 0

    drive(app_of(few), play, (120, 36))
    drive(app_of(large), play, (120, 36))


def test_the_copied_map_names_every_agents_state(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        lines = pilot.app.query_one(FleetMap).copied().splitlines()
        assert lines[0] == "micro  300 agents"
        assert [len(line) for line in lines[1:4]] == [100, 100, 100]
        assert lines[2][28:37] == "◌◌◌✕✕✕✕✕✕"
        assert lines[-1].startswith("■ busy")

    drive(app_of(running), play, (120, 36))
