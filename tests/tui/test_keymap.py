"""Other keys for commands: those that can be had, and what they do then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from past_runs import FakeArchive, runs_of
from pilots import drive
from textual.pilot import Pilot

from tui import keymap
from tui.app import ShoalApp
from tui.commands import EVERYWHERE, REPLAY
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.view import View
from tui.widgets.header import Header
from tui.widgets.keys import active
from tui.widgets.runs_table import RunsTable

AppOf = Callable[..., ShoalApp]


def test_every_command_can_have_another_key() -> None:
    known = keymap.ids()
    assert {command.id for command in (*EVERYWHERE, *REPLAY)} <= known
    assert {command.id for command in keymap.commands()} == known
    assert {"runs.mark", "alerts.acknowledge", "list.down", "page.up", "confirm.yes", "silence.leave"} <= known
    assert {"app.drain", "replay.start", "pools.recycle"} <= known, "those that have none, too"


def test_no_two_commands_of_a_place_have_the_same_key() -> None:
    keymap.check(dict.fromkeys(["app.pause"], "f19"))
    for place in keymap._places():
        keys = [(keymap._long(key), command) for command, key in keymap._keys(place)]
        assert len({key for key, _ in keys}) == len(keys), place


@pytest.mark.parametrize(
    "key", ["q", "?", "f5", "ctrl+k", "question_mark", "ctrl+shift+up", "space", "ü", "+", "ctrl+@"]
)
def test_keys(key: str) -> None:
    assert keymap.is_key(key)


@pytest.mark.parametrize("key", ["", "qq", "ctrl+", "+k", "strg+k", "ctrl+nothing", "f99"])
def test_what_is_no_key(key: str) -> None:
    assert not keymap.is_key(key)


def test_two_may_change_keys() -> None:
    keymap.check({"app.pause": "t", "app.theme": "p"})
    with pytest.raises(ValueError, match=r"^app.theme: '\?' is app.help already"):
        keymap.check({"app.theme": "?"})


def test_a_key_does_what_it_was_given_for(app_of: AppOf, running: View) -> None:
    keys = {"app.pause": "f9", "runs.mark": "M"}

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("p")
        assert "PAUSED" not in pilot.app.screen.query_one(Header).text()
        await pilot.press("f9")
        assert "PAUSED" in pilot.app.screen.query_one(Header).text()
        await pilot.press("7", "M")
        await pilot.pause()
        assert pilot.app.screen.query_one(RunsTable).marked == ["7f3a"]

    keymap.check(keys)
    drive(app_of(running, FakeArchive(runs_of(3)), keys=keys), play)


def test_a_command_without_a_key_can_be_given_one(app_of: AppOf, feed_of: Any, running: View) -> None:
    keys = {"app.drain": "f8", "pools.recycle": "f7"}
    feed = feed_of(running)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("f8")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("y")
        assert feed.commands == [("drain",)]
        await pilot.press("2", "f7")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("escape")
        held = {command.id: binding.binding.key for binding, command in active(pilot.app.screen)}
        assert (held["app.drain"], held["pools.recycle"]) == ("f8", "f7")
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        told = [line for lines in pilot.app.screen._keys.values() for line in lines]
        assert ("f8", "Finish what runs, then end the run") in told

    keymap.check(keys)
    drive(app_of(feed, keys=keys), play)


def test_what_has_no_key_is_told_of_no_key(app_of: AppOf, running: View) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        held = {command.id for _, command in active(pilot.app.screen)}
        assert "app.pause" in held
        assert "app.drain" not in held

    drive(app_of(running), play)
