"""Pictures of what opens over a screen: help, settings, questions, the palette; and of a replay's line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from measured_views import measured
from textual.pilot import Pilot

from tui.app import ShoalApp
from tui.screens.confirm import Question
from tui.view import Replaying, View

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]

SIZES = [(60, 20), (80, 24), (120, 36)]
QUESTION = Question(
    "Kill 3 agents?", "micro/12, micro/13 and domain/4 end at once; their tasks run again.", "kill them"
)


def named(value: Any) -> str:
    return f"{value[0]}x{value[1]}"


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_help(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(measured(running)), press=["3", "question_mark"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_settings(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(running), press=["O"], terminal_size=size)


def test_settings_where_one_may_only_look(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running, read_only=True), press=["O"])


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_a_question(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ShoalApp)
        app.order("kill", "micro/12", question=QUESTION)
        await pilot.pause()

    assert snap_compare(app_of(running), run_before=ask, terminal_size=size)


def test_modals_in_ascii(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running, ascii=True), press=["question_mark"])


def test_modals_in_the_light(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running, theme="shoal-light"), press=["O"])


@pytest.mark.parametrize("state", ["playing", "held", "end"])
def test_the_line_of_a_replay(snap_compare: Compare, app_of: AppOf, running: View, state: str) -> None:
    assert running.frame is not None
    at = running.frame.at
    end = at if state == "end" else at + 120
    replay = Replaying(at, at - 103, end, 4.0 if state == "playing" else 1.0, state == "playing")
    assert snap_compare(app_of(replace(measured(running), replay=replay)), terminal_size=(120, 36))
