"""How one moves about on the fleet map, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from screen_runs import cells_of, states_of
from textual.pilot import Pilot

from engine.stream.types import DEAD, AgentRow, Cells, Condition, Frame
from tui.app import ShoalApp
from tui.view import AgentTable, View, fold
from tui.widgets.agent_grid import AgentGrid
from tui.widgets.fleet_map import FleetMap
from tui.widgets.histogram import Histogram
from tui.widgets.pools import Pools

AppOf = Callable[..., ShoalApp]
Drive = Callable[..., Any]
MakeFrame = Callable[..., Frame]


async def shown(pilot: Pilot[Any], feed: Any) -> None:
    """Wait until what was pushed last is on the map."""
    while pilot.app.query_one(FleetMap).view is not feed.view:
        await pilot.pause()


async def settle(pilot: Pilot[Any]) -> None:
    """A click becomes a message of the grid, that one of the map, and that is for the screen: each takes a turn."""
    for _ in range(4):
        await pilot.pause()


def cursor(pilot: Pilot[Any]) -> tuple[str, int] | None:
    """The agent under the cursor."""
    return pilot.app.query_one(FleetMap).cursor


def spot(pilot: Pilot[Any]) -> int | None:
    """The state that is shown alone."""
    return pilot.app.query_one(AgentGrid).spot


def note(pilot: Pilot[Any]) -> str:
    """The line under the map about the agent that is pointed at."""
    return pilot.app.query_one(FleetMap).notes.render_line(0).text.strip()


def inks_of(grid: AgentGrid, glyph: str) -> set[Any]:
    """The styles in which a glyph is drawn."""
    strips = (grid.render_line(y) for y in range(grid.size.height))
    return {segment.style for strip in strips for segment in strip if glyph in segment.text}


def test_the_keys_move_from_agent_to_agent(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        assert fleet.has_focus
        assert cursor(pilot) is None
        await pilot.press("l")
        assert note(pilot) == "▸ micro/0  ■ busy"
        for keys, where in (
            (["right", "l"], ("micro", 2)),
            (["left", "h"], ("micro", 0)),
            (["end"], ("prime", 35)),
            (["pageup"], ("prime", 0)),
            (["pageup"], ("domain", 0)),
            (["pagedown"], ("prime", 0)),
            (["home"], ("micro", 0)),
        ):
            await pilot.press(*keys)
            assert cursor(pilot) == where
        await pilot.press("j")
        assert fleet.grid.plan is not None
        assert cursor(pilot) == ("micro", fleet.grid.plan.rows[1].first)
        await pilot.press("down", "k", "up")
        assert cursor(pilot) == ("micro", 0)
        await pilot.press("escape")
        assert cursor(pilot) is None
        assert not note(pilot).startswith("▸")

    drive(app_of(running), play, (120, 36))


def test_the_cursor_stays_with_its_agent_when_pools_grow(
    app_of: AppOf, drive: Drive, feed_of: Any, make_frame: MakeFrame, running: View
) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("end")
        assert cursor(pilot) == ("prime", 35)
        pools = {
            "micro": states_of(320, 0.8, seed=4),
            "domain": states_of(99, 0.9, seed=2),
            "prime": bytes([DEAD] * 36),
        }
        feed.push(fold(fold(running, Cells(0, cells_of(pools))), make_frame(pools)))
        await shown(pilot, feed)
        assert cursor(pilot) == ("prime", 35)
        assert note(pilot) == "▸ prime/35  ✕ dead"
        gone = {"micro": pools["micro"]}
        feed.push(fold(fold(running, Cells(0, cells_of(gone))), make_frame(gone)))
        await shown(pilot, feed)
        assert not note(pilot).startswith("▸")

    drive(app_of(feed), play, (120, 36))


def test_n_goes_to_the_next_agent_in_trouble(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        assert cursor(pilot) == ("micro", 128)
        await pilot.press("n", "n", "n")
        assert note(pilot) == "▸ micro/131  ✕ dead"
        await pilot.press("N")
        assert cursor(pilot) == ("micro", 130)

    drive(app_of(running), play, (120, 36))


def test_slash_shows_one_state_after_the_other_alone(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        await pilot.press("slash")
        assert spot(pilot) == DEAD
        assert inks_of(fleet.grid, "✕") == {fleet.grid.ink("dead")}
        assert inks_of(fleet.grid, "■") == {fleet.grid.ink("track")}, "dimmed, and still there"
        assert fleet.grid.text().count("✕") == 6
        assert fleet.border_title == " fleet  435 agents  only dead lit, esc: all "
        await pilot.press("n")
        assert cursor(pilot) == ("micro", 131)
        await pilot.press("escape")
        assert spot(pilot) is None
        assert inks_of(fleet.grid, "■") == {fleet.grid.ink("busy")}
        assert fleet.border_title == " fleet  435 agents "
        await pilot.press(*["slash"] * 6)
        assert spot(pilot) is None

    drive(app_of(running), play, (120, 36))


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)], ids=str)
def test_agents_of_other_states_keep_their_words(app_of: AppOf, drive: Drive, few: View, size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        before = fleet.grid.text()
        await pilot.press("slash")
        assert fleet.grid.text() == before
        assert "absent" not in before
        title = str(fleet.border_title)
        assert title == " fleet  8 agents  only dead lit, esc: all "
        assert len(title) <= fleet.size.width

    drive(app_of(few), play, size)


def test_the_title_fits_where_many_share_a_mark(app_of: AppOf, drive: Drive, large: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        assert "to a mark" in str(fleet.border_title)
        for _ in range(5):
            await pilot.press("slash")
            assert str(fleet.border_title).endswith(" lit, esc: all ")
            assert len(str(fleet.border_title)) <= fleet.size.width

    drive(app_of(large), play, (60, 20))


def test_the_mouse_points_and_opens(
    app_of: AppOf, drive: Drive, running: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(ShoalApp, "open_agent", lambda app, name: opened.append(name), raising=False)

    async def play(pilot: Pilot[Any]) -> None:
        fleet = pilot.app.query_one(FleetMap)
        plan_ = fleet.grid.plan
        assert plan_ is not None
        x = plan_.labels + 2 * plan_.scale.wide
        await pilot.hover(AgentGrid, offset=(x, 1))
        await settle(pilot)
        agent = plan_.rows[1].first + 2
        assert note(pilot).startswith(f"▸ micro/{agent} ")
        assert cursor(pilot) is None
        await pilot.hover("#throughput")
        await settle(pilot)
        assert not note(pilot).startswith("▸")
        await pilot.click(AgentGrid, offset=(x, 1))
        await settle(pilot)
        assert opened == [f"micro/{agent}"]
        assert cursor(pilot) == ("micro", agent)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert opened[1:] == [f"micro/{agent + 1}"]
        await pilot.click(AgentGrid, offset=(0, 1))
        await settle(pilot)
        assert len(opened) == 2

    drive(app_of(running), play, (120, 36))


def test_enter_does_nothing_before_an_agent_is_chosen(
    app_of: AppOf, drive: Drive, running: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(ShoalApp, "open_agent", lambda app, name: opened.append(name), raising=False)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("enter")
        await settle(pilot)
        assert opened == []

    drive(app_of(running), play, (80, 24))


def test_of_two_agents_in_a_cell_the_mouse_means_the_one_in_trouble(app_of: AppOf, drive: Drive, large: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        grid = pilot.app.query_one(AgentGrid)
        assert grid.worst(range(1039, 1041)) == 1040
        assert grid.worst(range(1046, 1048)) == 1046
        assert grid.worst(range(0)) is None

    drive(app_of(large), play, (120, 36))


def test_the_details_of_the_agent_that_is_pointed_at_are_asked_for(
    app_of: AppOf, drive: Drive, feed_of: Any, running: View
) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        before = feed.wish.agents
        assert before is None
        await pilot.press("n")
        assert isinstance(pilot.app, ShoalApp)
        pilot.app.want()
        assert feed.wish.agents == (Condition("agent", "=", ["micro/128"]),)
        row = AgentRow("micro/128", "micro", 0, 48213, "starting", "", 0, -1, 0.0, 812, 0, 10**7, 0.9, 1)
        feed.push(replace(running, agents=AgentTable((row,), 1.0)))
        await shown(pilot, feed)
        assert note(pilot) == "▸ micro/128  ◌ starting · pid 48213 · 812 done · 1 restart"
        await pilot.press("right")
        assert note(pilot) == "▸ micro/129  ◌ starting"

    drive(app_of(feed), play, (120, 36))


def test_the_histograms_show_the_pool_under_the_cursor(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        times = pilot.app.screen.query_one("#run-times", Histogram)
        pools = pilot.app.query_one(Pools)
        assert times.border_title == " task time "
        await pilot.press("end")
        await settle(pilot)
        assert times.border_title == " task time  prime "
        assert pools.picked == "prime"
        await pilot.press("tab", "tab")
        assert pools.has_focus
        await pilot.press("k")
        await settle(pilot)
        assert times.border_title == " task time  domain "
        assert times.text().splitlines()[-1].startswith("p50 ")
        await pilot.press("escape")
        await settle(pilot)
        assert times.border_title == " task time "
        assert "≈" in times.text()

    drive(app_of(running), play, (120, 36))


def test_from_the_pools_one_comes_to_their_screen(app_of: AppOf, drive: Drive, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.click(Pools, offset=(3, 2))
        await settle(pilot)
        assert pilot.app.query_one(Pools).picked == "micro"
        await pilot.press("enter")
        await settle(pilot)
        assert pilot.app.current_mode == "pools"

    drive(app_of(running), play, (120, 36))
