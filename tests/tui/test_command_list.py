"""One list of commands: keys, footer, help, palette, and what may be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.screen import Screen

from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.commands import EVERYWHERE, REPLAY, SCREENS, Command
from tui.pace import Pace
from tui.palette import ShoalCommands
from tui.screens.base import LiveScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.screens.settings import SettingsScreen
from tui.view import Replaying, View, fold
from tui.widgets.keys import Key, Keys, fitting
from tui.widgets.lines import LineWidget, Panel

AppOf = Callable[..., ShoalApp]
Drive = Callable[..., Any]


def every_class(root: type[Any]) -> set[type[Any]]:
    children: list[type[Any]] = root.__subclasses__()
    return {root}.union(*(every_class(child) for child in children))


def every_command() -> list[Command]:
    owners: list[Any] = [*every_class(Screen), *every_class(Panel)]
    found = [*EVERYWHERE, *REPLAY]
    for owner in owners:
        if "OFFERS" in vars(owner) and str(owner.__module__).startswith("tui."):
            found += owner.OFFERS
    return found


def test_every_command_has_an_id_of_its_own_and_says_what_it_does() -> None:
    commands = every_command()
    ids = [command.id for command in commands]
    assert len(set(ids)) == len(ids)
    for command in commands:
        assert command.text
        assert not command.text.endswith(".")
        assert command.label or not command.weight
        assert command.place
        assert command.id.count(".") == 1


def test_what_everywhere_means_has_one_key() -> None:
    keys = [key for command in EVERYWHERE for key in command.keys.split(",") if key]
    assert len(set(keys)) == len(keys)


def test_the_footer_drops_what_weighs_least() -> None:
    commands = [Command(f"x.{n}", "a", "a", "Label", "Text", weight) for n, weight in enumerate((10, 0, 30, 20))]
    keys = [Key("a", command, None) for command in commands]
    width = keys[0].width
    assert [key.command.weight for key in fitting(keys, width * 3)] == [10, 30, 20]
    assert [key.command.weight for key in fitting(keys, width * 3 - 1)] == [30, 20]
    assert [key.command.weight for key in fitting(keys, width)] == [30]
    assert fitting(keys, width - 1) == []


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_footer_of_every_screen_has_the_way_out(
    app_of: AppOf, running: View, drive: Drive, name: str, width: int
) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press(str(SCREENS.index(name) + 1))
        await pilot.pause()
        assert pilot.app.current_mode == name
        text = pilot.app.screen.query_one(Keys).render_line(0).text
        assert "? Help" in text
        assert "q Quit" in text

    drive(app_of(running), play, (width, 24))


def test_other_keys_by_ids(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "f9 Help" in pilot.app.screen.query_one(Keys).render_line(0).text
        await pilot.press("f9")
        await pilot.pause()
        assert pilot.app.screen.query("#help")

    drive(app_of(running, keys={"app.help": "f9"}), play)


def test_help_tells_the_keys_that_hold_here(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, HelpScreen)
        text = "\n".join(str(widget.render()) for widget in pilot.app.screen.query(".place"))
        for told in ("everywhere", "Leave; asks once", "Hold the view", "8 bench"):
            assert told in text
        assert "One second back" not in text  # of replays alone
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, LiveScreen)

    drive(app_of(running), play)


def test_the_palette_offers_what_makes_sense_now(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        provider = ShoalCommands(app.screen)
        everything = [hit.text async for hit in provider.discover()]
        assert "Alerts" in everything
        assert "Play" not in everything  # of replays alone
        hits = [hit async for hit in provider.search("alerts")]
        best = max(hits, key=lambda hit: hit.score)
        assert best.text == "Alerts"
        await best.command()
        await pilot.pause()
        assert app.current_mode == "alerts"

    drive(app_of(running), play)


def test_the_palette_opens_and_closes(app_of: AppOf, running: View, drive: Drive) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(pilot.app.screen, CommandPalette)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, LiveScreen)

    drive(app_of(running), play)


def test_an_order_is_sent_and_its_answer_told(app_of: AppOf, feed_of: Any, running: View, drive: Drive) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("P")
        await pilot.pause()
        assert feed.commands == [("pause",)]
        feed.push(fold(feed.view, Reply(1, True, "paused: what runs finishes, nothing is begun")))
        while not pilot.app._notifications:
            await pilot.pause()
        assert [note.message for note in pilot.app._notifications] == ["paused: what runs finishes, nothing is begun"]
        feed.push(replace(feed.view))
        await pilot.pause()
        assert len(pilot.app._notifications) == 1  # told once

    drive(app_of(feed), play)


def test_what_ends_a_run_is_asked_first(app_of: AppOf, feed_of: Any, running: View, drive: Drive) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ShoalApp)
        for answer, sent in (("n", []), ("escape", []), ("enter", []), ("y", [("drain",)])):
            app.action_order("drain")
            await pilot.pause()
            assert isinstance(app.screen, ConfirmScreen)
            await pilot.press(answer)
            await pilot.pause()
            assert feed.commands == sent

    drive(app_of(feed), play)


@pytest.mark.parametrize("how", ["read-only", "replay", "ended"])
def test_nothing_is_changed_where_one_may_only_look(
    app_of: AppOf, feed_of: Any, running: View, ended: View, drive: Drive, how: str
) -> None:
    view = running
    if how == "replay":
        view = replace(running, replay=Replaying(10.0, 0.0, 20.0, 1.0, True))
    elif how == "ended":
        view = ended
    feed = feed_of(view)

    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ShoalApp)
        await pilot.press("P", "R")
        app.order("stop")
        await pilot.pause()
        assert feed.commands == []

    drive(app_of(feed, read_only=how == "read-only"), play)


def test_settings_hold_at_once(app_of: AppOf, feed_of: Any, running: View, drive: Drive) -> None:
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ShoalApp)
        await pilot.press("O")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, SettingsScreen)
        screen.query_one("#theme").value = "shoal-light"  # type: ignore[attr-defined]
        screen.query_one("#rate").value = 2  # type: ignore[attr-defined]
        screen.query_one("#ascii").value = True  # type: ignore[attr-defined]
        await pilot.pause()
        assert (app.theme, app.pace.asked, app.ascii) == ("shoal-light", 2, True)
        screen.query_one("#knob").focus()
        await pilot.press(*"batch_timeout 0.05", "enter")
        await pilot.pause()
        assert feed.commands == [("set", "batch_timeout", "0.05")]
        await pilot.press("escape")
        await pilot.pause()
        assert feed.wish.hz == 2
        for widget in app.screen.query(LineWidget):
            for y in range(widget.size.height):
                assert widget.render_line(y).text.isascii()

    drive(app_of(feed), play, (120, 36))


def test_a_view_is_looked_at_as_often_as_it_makes_sense() -> None:
    pace = Pace(10)
    assert pace.hz == 10
    pace.focused = False
    assert pace.hz == 1
    pace.focused = True
    pace.drawn(waiting=20)
    assert (pace.hz, pace.held_back) == (5, True)
    pace.drawn(waiting=20)
    assert pace.hz == 2.5
    for _ in range(60):
        pace.drawn(waiting=0)
    assert (pace.hz, pace.held_back) == (10, False)
    assert pace.faster(-1) == 5
    assert pace.faster(-5) == 1
    assert pace.faster(1) == 2
