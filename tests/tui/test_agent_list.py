"""The list of agents on its screen: what keys and mouse do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pilots import on_agents
from screen_fleets import table_of
from textual.pilot import Pilot
from textual.widgets import Input

from engine.stream.types import BUSY, DEAD, IDLE, Condition
from tui.agent_listing import AgentFilter, wanted
from tui.app import ShoalApp
from tui.screens.pools import PoolsScreen
from tui.view import Replaying, View
from tui.widgets.agent_list import AgentList
from tui.widgets.filter_line import FilterLine

AppOf = Callable[..., ShoalApp]


# -- keys --------------------------------------------------------------------------------------------------------------


def test_moving_about(app_of: AppOf, fleet: View) -> None:
    at = []

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        page = agents.size.height - 1
        for keys, wanted_at in (
            (["down", "j"], 2), (["k"], 1), (["up", "up"], 0), (["end"], 347), (["home"], 0), (["pagedown"], page),
            (["pagedown"], 2 * page), (["pageup"], page),
        ):  # fmt: skip
            await pilot.press(*keys)
            at.append((agents.listing.at, wanted_at))

    on_agents(app_of(fleet), play)
    assert [found for found, _ in at] == [expected for _, expected in at]


def test_sorting_by_keys_and_by_a_click(app_of: AppOf, fleet: View) -> None:
    seen = []

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        def note() -> None:
            seen.append((agents.listing.by, agents.listing.descending))

        await pilot.press("greater_than_sign")
        note()
        await pilot.press("I")
        note()
        await pilot.press("less_than_sign", "less_than_sign")
        note()
        heading = agents.render_line(0).text
        await pilot.click(AgentList, offset=(heading.index("done") + 2, 1))
        note()
        await pilot.click(AgentList, offset=(heading.index("done") + 2, 1))
        note()

    on_agents(app_of(fleet), play)
    assert seen == [("state", True), ("state", False), ("shard", True), ("done", True), ("done", False)]


def test_the_order_is_held_while_one_moves_and_says_so(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        agents._sort_by("done")
        await pilot.press("down", "down")
        name, order = agents.listing.current, agents.listing.names()
        assert "order held" in str(agents.border_title)
        feed.push(replace(fleet, agents=table_of(fleet, seed=99)))
        await pilot.pause()
        assert agents.listing.names() == order
        agents.release()
        assert "order held" not in str(agents.border_title)
        assert agents.listing.names() != order
        assert agents.listing.current == name
        assert name in agents.render_line(1 + agents.listing.at - agents.listing.top).text

    on_agents(app_of(feed), play)


def test_the_hold_ends_by_itself(app_of: AppOf, fleet: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AgentList, "HOLD", 0.05)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("down")
        await pilot.pause(0.3)
        assert not agents.listing.held
        assert agents.listing.current == "micro/1"

    on_agents(app_of(fleet), play)


def test_the_wheel_and_clicks(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.click(AgentList, offset=(10, 6))
        assert agents.listing.current == "micro/4"
        agents.on_mouse_scroll_down(_Wheel())  # type: ignore[arg-type]
        assert (agents.listing.top, agents.listing.current) == (3, "micro/4")
        agents.on_mouse_scroll_up(_Wheel())  # type: ignore[arg-type]
        assert agents.listing.top == 0
        await pilot.click(AgentList, offset=(10, 6), times=2)
        await pilot.pause()
        assert pilot.app.screen.agent == "micro/4"  # type: ignore[attr-defined]

    on_agents(app_of(fleet), play)


class _Wheel:
    def stop(self) -> None:
        """As an event."""


def test_columns_that_find_no_room_are_reached_by_going_right(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        assert "shard" not in agents.render_line(0).text
        await pilot.press(*["right"] * 12)
        assert "shard" in agents.render_line(0).text
        assert "agent" in agents.render_line(0).text
        await pilot.press(*["h"] * 12)
        assert "task" in agents.render_line(0).text

    on_agents(app_of(fleet), play, (60, 20))


def test_a_filter_is_applied_while_it_is_written(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        line = pilot.app.screen.query_one(FilterLine)
        await pilot.press("slash")
        assert line.has_class("-shown")
        await pilot.press(*"prime")
        await pilot.pause()
        assert len(agents.listing.order) == 8
        assert "8 of 348" in str(agents.border_title)
        assert "8 of 348" in str(line.query_one("#told").render())
        await pilot.press("comma", *"done", "greater_than_sign", "0")
        await pilot.pause()
        assert len(agents.listing.order) == 8
        await pilot.press("x")
        await pilot.pause()
        assert "✕ '0x' is no number" in str(line.query_one("#told").render())
        assert len(agents.listing.order) == 8
        await pilot.press("down", "down")
        assert agents.listing.current == "prime/2"
        await pilot.press("enter")
        assert (pilot.app.focused is agents, line.has_class("-shown")) == (True, True)
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert (pilot.app.focused is agents, line.has_class("-shown")) == (True, False)
        assert len(agents.listing.order) == 348

    on_agents(app_of(feed), play)


def test_escape_in_the_list_ends_the_filter(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("slash", *"prime", "enter")
        await pilot.pause()
        assert len(agents.listing.order) == 8
        await pilot.press("escape")
        await pilot.pause()
        assert len(agents.listing.order) == 348
        assert not pilot.app.screen.query_one(FilterLine).display

    on_agents(app_of(fleet), play)


def test_keys_of_the_app_are_letters_while_a_filter_is_written(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("slash", "q", "1", "p", "x")
        assert pilot.app.screen.query_one(Input).value == "q1px"
        assert isinstance(pilot.app.screen, PoolsScreen)

    on_agents(app_of(fleet), play)


def test_what_a_recording_does_not_know_is_told(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("slash", *"done", "greater_than_sign", "1")
        await pilot.pause()
        assert "done is not known here" in str(pilot.app.screen.query_one("#told").render())

    on_agents(app_of(replace(fleet, agents=None, replay=Replaying(1.0, 0.0, 9.0, 1.0, True))), play)


def test_copying_copies_the_row_under_the_cursor(app_of: AppOf, fleet: View) -> None:
    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("down", "y")
        assert pilot.app.clipboard.splitlines()[1].startswith("micro/1\tmicro\t")
        await pilot.press("space", "space", "y")
        assert len(pilot.app.clipboard.splitlines()) == 3

    on_agents(app_of(fleet), play)


def test_space_plays_a_replay_and_marks_nothing(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    played = []

    class Transport:
        def play(self, on: bool | None = None) -> None:
            played.append(on)

    feed = feed_of(replace(fleet, agents=None, replay=Replaying(1.0, 0.0, 9.0, 1.0, True)), Transport())

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("space")
        assert agents.listing.marks == set()

    on_agents(app_of(feed), play)
    assert played == [None]


def test_the_list_asks_for_the_agents_of_the_selected_pool(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)
    wishes: list[Any] = []

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        wishes.append(feed.wish.agents)
        await pilot.press("n", "n")
        await pilot.pause()
        wishes.append(feed.wish.agents)
        assert agents.listing.pool == "domain"
        await pilot.press("enter")
        await pilot.pause()
        wishes.append(feed.wish.agents)
        await pilot.press("escape")
        await pilot.pause()
        wishes.append(feed.wish.agents)
        await pilot.press("1")
        await pilot.pause()
        wishes.append(feed.wish.agents)

    on_agents(app_of(feed), play)
    one = (Condition("agent", "=", ["domain/0"]),)
    assert wishes == [(), wanted("domain"), one, wanted("domain"), None]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frame": None, "cells": b"", "agents": None}, "waiting for the first frame"),
        ({"idle": True, "frame": None, "cells": b"", "agents": None}, "no run is open"),
        ({"cells": b"", "agents": None}, "waiting for the agents"),
        ({"cells": bytes(348), "agents": None}, "no agents yet"),
        ({"cells": bytes(348), "agents": None, "ended": True}, "all agents have left"),
        ({"cells": b"", "agents": None, "replay": Replaying(1.0, 0.0, 9.0, 1.0, True, False)}, "were not recorded"),
    ],
)
def test_empty_lists_say_why(hang: Any, fleet: View, change: dict[str, Any], told: str) -> None:
    (lines,) = hang(replace(fleet, **change), AgentList(), size=(80, 12))
    assert told in "".join(lines)


def test_a_filter_that_fits_nobody_says_so(hang: Any, fleet: View) -> None:
    agents = AgentList()
    agents.listing.filter = AgentFilter.read("nobody")
    (lines,) = hang(fleet, agents, size=(80, 12))
    assert "no agent fits nobody" in "".join(lines)


def test_in_ascii_all_of_it_is_ascii(hang: Any, fleet: View) -> None:
    cells = bytearray(fleet.cells)
    cells[:3] = bytes([DEAD, BUSY, IDLE])
    (lines,) = hang(replace(fleet, cells=bytes(cells)), AgentList(), size=(160, 30), ascii=True)
    assert "".join(lines).isascii()
    assert lines[1].startswith(">")
