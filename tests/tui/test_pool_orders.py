"""What is done to pools from their screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pilots import on_pools
from textual.pilot import Pilot
from textual.widgets import Input

from tui.app import ShoalApp
from tui.screens.choose import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.pools import PoolsScreen
from tui.screens.size import SizeScreen
from tui.view import View
from tui.widgets.histogram import Histogram
from tui.widgets.pool_card import PoolCard
from tui.widgets.pool_table import PoolTable

AppOf = Callable[..., ShoalApp]


def test_growing_is_done_at_once_and_shrinking_asks(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        await pilot.press("n", "n", "g")
        await pilot.pause()
        assert feed.commands == [("scale", "domain", "44")]
        await pilot.press("G")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert "pool domain to 36 agents" in str(pilot.app.screen.query_one("#title").render())
        await pilot.press("n")
        await pilot.pause()
        assert len(feed.commands) == 1
        await pilot.press("G", "y")
        await pilot.pause()
        assert feed.commands[1:] == [("scale", "domain", "36")]

    on_pools(app_of(feed), play)


def test_a_size_is_written_and_what_is_none_is_told(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        await pilot.press("n", "s")
        await pilot.pause()
        asked = pilot.app.screen
        assert isinstance(asked, SizeScreen)
        assert asked.query_one(Input).value == "75..300"
        asked.query_one(Input).value = "9..4"
        await pilot.press("enter")
        await pilot.pause()
        assert "is more than" in str(asked.query_one("#wrong").render())
        assert isinstance(pilot.app.screen, SizeScreen)
        asked.query_one(Input).value = "100..400"
        await pilot.press("enter")
        await pilot.pause()
        assert feed.commands == [("scale", "micro", "100..400")]
        await pilot.press("s", "escape")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1
        assert len(feed.commands) == 1

    on_pools(app_of(feed), play)


def test_without_a_pool_one_is_asked_for(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        await pilot.press("g", "s")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert [note.message for note in pilot.app._notifications] == ["n selects a pool"] * 2

    on_pools(app_of(feed), play)
    assert feed.commands == []


def test_all_agents_of_a_pool_are_recycled_a_few_at_a_time(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        screen.table.focus()
        await pilot.press("down", "down", "x")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ChooseScreen)
        assert "pool domain" in str(pilot.app.screen.query_one("#title").render())
        await pilot.press("r")
        await pilot.pause()
        assert "pool domain" in str(pilot.app.screen.query_one("#title").render())
        await pilot.press("y")
        await pilot.pause()
        assert len(feed.commands) == 8
        assert {name for name, _ in feed.commands} == {"recycle"}
        assert all(agent.startswith("domain/") for _, agent in feed.commands)

    on_pools(app_of(feed), play)


def test_the_selected_pool_is_what_all_panels_show(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        def shown() -> list[str]:
            shown = {str(panel.pool) for panel in (screen.table, screen.query_one(PoolCard), screen.agents.listing)}
            return sorted(shown | {histogram.pool or "None" for histogram in screen.query(Histogram)})

        assert shown() == ["None"]
        await pilot.press("n")
        await pilot.pause()
        assert shown() == ["micro"]
        await pilot.press("N", "N")
        await pilot.pause()
        assert shown() == ["prime"]
        await pilot.press("n")
        await pilot.pause()
        assert shown() == ["None"]
        await pilot.click(PoolTable, offset=(8, 4))
        await pilot.pause()
        assert shown() == ["domain"]
        screen.table.focus()
        await pilot.press("enter")
        assert pilot.app.focused is screen.agents

    on_pools(app_of(fleet), play)


def test_a_pool_that_vanishes_is_selected_no_more(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        await pilot.press("n", "n", "n")
        await pilot.pause()
        assert screen.table.pool == "prime"
        assert fleet.frame is not None
        frame = msgspec.structs.replace(fleet.frame, pools=fleet.frame.pools[:2])
        feed.push(replace(fleet, frame=frame))
        await pilot.pause()
        pools = [screen.table.pool, screen.agents.listing.pool]
        feed.push(replace(fleet, frame=msgspec.structs.replace(frame, pools=frame.pools[:1])))
        await pilot.pause()
        pools.append(screen.table.pool)
        assert pools == [None, None, "micro"]

    on_pools(app_of(feed), play)


def test_the_screen_asks_for_what_it_shows(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        assert {"cells", "metrics", "queues", "shapes"} <= feed.wish.topics

    on_pools(app_of(feed), play)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 24), (120, 36), (200, 24), (200, 50), (60, 60), (300, 80)])
def test_nothing_overlaps_and_the_list_has_room(app_of: AppOf, fleet: View, size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[Any], screen: PoolsScreen) -> None:
        panels = [panel for panel in screen.query(".panel") if panel.display and panel.region]
        for number, panel in enumerate(panels):
            assert screen.region.contains_region(panel.region)
            assert not any(panel.region.overlaps(other.region) for other in panels[number + 1 :])
        assert screen.agents.size.height >= 6
        assert screen.table.size.height >= 3

    on_pools(app_of(fleet), play, size)
