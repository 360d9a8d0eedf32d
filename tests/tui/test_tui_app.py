"""Keys, leaving, and what a view does to the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from engine.stream.client import StreamEnded
from engine.stream.types import Frame
from tui.app import ShoalApp
from tui.screens.alerts import AlertsScreen
from tui.screens.base import LiveScreen
from tui.screens.quit import QuitScreen
from tui.screens.runs import RunsScreen
from tui.themes import OURS
from tui.view import View, fold, lose
from tui.widgets.header import Header

AppOf = Callable[..., ShoalApp]


def drive(app: ShoalApp, play: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> Any:
    """Run an app, play with it, and return how it ended."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await play(pilot)

    asyncio.run(session())
    return app.return_value


def pressing(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Press some keys."""

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        await pilot.pause()

    return play


@pytest.mark.parametrize(
    ("keys", "outcome", "commands"),
    [
        (["q", "d"], "detached", []),
        (["q", "s"], "stopped", [("stop",)]),
        (["q", "enter"], "detached", []),
        (["q", "down", "enter"], "stopped", [("stop",)]),
        (["q", "escape"], None, []),
        (["q", "q"], None, []),
        (["q", "escape", "ctrl+q", "d"], "detached", []),
        (["p", "q", "d"], "detached", []),
    ],
)
def test_leaving_asks_once(
    app_of: AppOf, feed_of: Any, running: View, keys: list[str], outcome: str | None, commands: list[str]
) -> None:
    feed = feed_of(running)
    assert drive(app_of(feed), pressing(*keys)) == outcome
    assert feed.commands == commands
    assert feed.stopped


def test_the_mouse_answers_too(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("q")
        await pilot.click("#stop")
        await pilot.pause()

    assert drive(app_of(feed), play) == "stopped"
    assert feed.commands == [("stop",)]


def test_an_ended_run_is_left_at_once(app_of: AppOf, ended: View) -> None:
    assert drive(app_of(ended), pressing("q")) == "ended"


def test_a_lost_run_is_left_at_once(app_of: AppOf, running: View) -> None:
    assert drive(app_of(lose(running, "the engine is gone")), pressing("q")) == "lost"


def test_an_end_while_asking_counts(app_of: AppOf, feed_of: Any, running: View, ended: View) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("q")
        feed.push(ended)
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()

    assert drive(app_of(feed), play) == "ended"
    assert feed.commands == []


def test_a_stop_that_nobody_hears_does_not_leave(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(running)
    feed.refuses = StreamEnded("the engine is gone")
    seen = []

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("q", "s")
        await pilot.pause()
        seen.append(isinstance(pilot.app.screen, LiveScreen))

    assert drive(app_of(feed), play) is None
    assert seen == [True]


def header_of(app: ShoalApp) -> str:
    """The text of the first line."""
    return app.screen.query_one(Header).render_line(0).text


def test_pause_holds_the_view_and_counts_on(
    app_of: AppOf, feed_of: Any, running: View, make_frame: Callable[..., Frame]
) -> None:
    feed = feed_of(running)
    texts = []

    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ShoalApp)
        await pilot.press("p")
        for behind in range(1, 43):
            later = make_frame({"micro": b"\3"}, number=1027 + behind, elapsed=200.0, done=99_000)
            feed.push(fold(feed.view, later))
        await pilot.pause()
        texts.append(header_of(app))
        await pilot.press("p")
        await pilot.pause()
        texts.append(header_of(app))

    drive(app_of(feed), play, (120, 36))
    held, followed = texts
    assert "‖ PAUSED 42 behind" in held
    assert "41,203/100,000" in held
    assert "● LIVE" in followed
    assert "99,000/100,000" in followed


def test_the_themes_take_turns(app_of: AppOf, running: View) -> None:
    themes = []

    async def play(pilot: Pilot[Any]) -> None:
        for _ in range(len(OURS) + 1):
            themes.append(pilot.app.theme)
            await pilot.press("t")

    drive(app_of(running), play)
    assert themes == [theme.name for theme in OURS] + [OURS[0].name]


def test_a_small_terminal_says_so_until_it_grows(app_of: AppOf, running: View) -> None:
    shown = []

    async def play(pilot: Pilot[Any]) -> None:
        for size in ((59, 20), (60, 19), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            shown.append((pilot.app.query_one("#too-small").display, pilot.app.query_one("#body").display))

    drive(app_of(running), play)
    assert shown == [(True, False), (True, False), (False, True)]


def test_the_question_fits_the_smallest_screen(app_of: AppOf, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, QuitScreen)
        for button in pilot.app.screen.query(Button):
            assert pilot.app.screen.region.contains_region(button.region)

    drive(app_of(running), play, (60, 20))


@pytest.mark.parametrize("screen", [RunsScreen, AlertsScreen])
def test_a_screen_that_is_not_there_offers_nothing(app_of: AppOf, running: View, screen: type[LiveScreen]) -> None:
    actions = [command.action.partition("(")[0] for command in screen.OFFERS]
    assert {screen().check_action(action, ()) for action in actions} == {False}, "without an app"
    seen = []

    async def play(pilot: Pilot[Any]) -> None:
        seen.append({screen().check_action(action, ()) for action in actions})
        kept = screen()
        await pilot.app.push_screen(kept)
        await pilot.pause()
        assert kept.check_action("open", ()) is not None
        kept.dismiss()
        await pilot.pause()
        seen.append({kept.check_action(action, ()) for action in actions})

    drive(app_of(running), play)
    assert seen == [{False}, {False}]
