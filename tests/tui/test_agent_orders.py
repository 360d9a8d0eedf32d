"""What is done to agents from the screens: asked by name, told a few at a time, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pilots import on_agents
from textual.pilot import Pilot

from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.orders import IN_FLIGHT, Orders
from tui.screens.choose import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.pools import PoolsScreen
from tui.view import Replaying, View
from tui.widgets.agent_list import AgentList

AppOf = Callable[..., ShoalApp]


def test_an_agent_is_killed_by_name_once_the_user_says_yes(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("down", "x")
        assert isinstance(pilot.app.screen, ChooseScreen)
        assert "micro/1" in str(pilot.app.screen.query_one("#title").render())
        await pilot.press("k")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert "micro/1" in str(pilot.app.screen.query_one("#title").render())
        assert feed.commands == []
        await pilot.press("y")
        await pilot.pause()
        assert feed.commands == [("kill", "micro/1")]

    on_agents(app_of(feed), play)


@pytest.mark.parametrize("keys", [["escape"], ["r", "n"], ["r", "enter"], ["k", "escape"], ["q"], ["end", "enter"]])
def test_nothing_is_done_without_a_yes(app_of: AppOf, feed_of: Any, fleet: View, keys: list[str]) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("x")
        if keys[0] == "end":
            await pilot.press("up")
        for key in keys:
            await pilot.press("enter" if key == "end" else key)
            await pilot.pause()
            if key == "end":
                break

    on_agents(app_of(feed), play)
    assert feed.commands == []


def test_marked_agents_are_named_and_told_a_few_at_a_time(app_of: AppOf, feed_of: Any, fleet: View) -> None:
    feed = feed_of(fleet)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press(*["space"] * 20)
        assert "20 marked" in str(agents.border_title)
        await pilot.press("x", "r")
        await pilot.pause()
        told = str(pilot.app.screen.query_one("#told").render())
        assert told.startswith("micro/0, micro/1, ")
        assert "8 more" in told
        await pilot.press("y")
        await pilot.pause()
        assert feed.commands == [("recycle", f"micro/{n}") for n in range(8)]
        feed.push(replace(fleet, replies=tuple(Reply(n, n != 3, "no agent" if n == 3 else "ok") for n in range(1, 6))))
        await pilot.pause()
        assert len(feed.commands) == 13
        assert "recycle 5/20" in str(pilot.app.screen.query_one("#table").border_title)
        await pilot.press("c")
        await pilot.pause()
        feed.push(replace(fleet, replies=tuple(Reply(n, True, "ok") for n in range(6, 14))))
        await pilot.pause()
        assert len(feed.commands) == 13
        (toast,) = [note.message for note in pilot.app._notifications if "recycle" in note.message]
        assert toast == "recycle: 12 of 20 agents; 1 not: no agent"

    on_agents(app_of(feed), play)


@pytest.mark.parametrize("why", ["read-only", "replay", "ended"])
def test_where_one_may_only_look_nothing_can_be_done(app_of: AppOf, feed_of: Any, fleet: View, why: str) -> None:
    view = fleet
    if why == "replay":
        view = replace(fleet, agents=None, replay=Replaying(1.0, 0.0, 9.0, 1.0, True))
    elif why == "ended":
        view = replace(fleet, ended=True)
    feed = feed_of(view)

    async def play(pilot: Pilot[Any], agents: AgentList) -> None:
        await pilot.press("x", "g", "G", "s", "n", "x", "g", "s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PoolsScreen)
        keys = pilot.app.screen.query_one("#keys").render_line(0).text
        assert "Act" not in keys
        assert "Grow" not in keys

    on_agents(app_of(feed, read_only=why == "read-only"), play)
    assert feed.commands == []


# -- rounds ------------------------------------------------------------------------------------------------------------


def send_all(orders: Orders, number: int) -> tuple[list[str], int]:
    """Send what is due, numbered from `number` on; to whom, and the next number."""
    whom = []
    while (due := orders.due()) is not None:
        orders.sent(number, due[0])
        whom.append(due[1])
        number += 1
    return whom, number


def test_a_round_goes_on_as_it_is_answered() -> None:
    orders = Orders()
    orders.begin("recycle", [f"a/{n}" for n in range(20)])
    whom, number = send_all(orders, 1)
    assert whom == [f"a/{n}" for n in range(IN_FLIGHT)]
    assert orders.progress == "recycle 0/20"
    assert orders.answered([Reply(1, True, "ok"), Reply(2, False, "no agent a/1"), Reply(99, True, "of others")]) == []
    whom, number = send_all(orders, number)
    assert whom == ["a/8", "a/9"]
    assert orders.progress == "recycle 2/20"
    found = []
    while orders.progress:
        found += orders.answered([Reply(n, True, "ok") for n in range(1, number)])
        _, number = send_all(orders, number)
    assert [reply.text for reply in found] == ["recycle: 19 of 20 agents; 1 not: no agent a/1"]
    assert not found[0].ok
    assert orders.due() is None


def test_single_orders_go_beside_a_round() -> None:
    orders = Orders()
    orders.begin("kill", ["a/0", "a/1"])
    _, number = send_all(orders, 1)
    orders.sent(number)
    assert [reply.text for reply in orders.answered([Reply(number, True, "paused")])] == ["paused"]
    done = orders.answered([Reply(1, True, "ok"), Reply(2, True, "ok")])
    assert [reply.text for reply in done] == ["kill: 2 agents"]


def test_a_round_that_is_halted_is_over_once_what_was_sent_is_answered() -> None:
    orders = Orders()
    orders.begin("recycle", [f"a/{n}" for n in range(20)])
    assert orders.halt()[0].text == "recycle: 0 of 20 agents"
    orders.begin("recycle", [f"a/{n}" for n in range(20)])
    send_all(orders, 1)
    assert orders.halt() == []
    assert orders.due() is None
    replies = orders.answered([Reply(n, True, "ok") for n in range(1, 9)])
    assert [reply.text for reply in replies] == ["recycle: 8 of 20 agents"]
    orders.begin("recycle", ["a/1"])
    orders.forget()
    assert (orders.progress, orders.due()) == ("", None)
