"""Pictures of the first screen in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from screen_runs import NOON
from textual.pilot import Pilot

from engine.stream.types import AgentRow, Hello, ShapesNow
from tui.app import ShoalApp
from tui.themes import ANSI, CONTRAST, LIGHT
from tui.view import AgentTable, Replaying, View, fold, lose

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
Size = tuple[int, int]

SMALLEST, SMALL, USUAL, HUGE = (60, 20), (80, 24), (120, 36), (200, 50)


def sizes(*of: Size) -> pytest.MarkDecorator:
    """One picture for each of them."""
    return pytest.mark.parametrize("size", of, ids=lambda size: f"{size[0]}x{size[1]}")


@sizes(SMALLEST, SMALL, USUAL, HUGE)
def test_running(snap_compare: Compare, app_of: AppOf, running: View, size: Size) -> None:
    assert snap_compare(app_of(running), terminal_size=size)


@sizes(SMALLEST, SMALL, USUAL, HUGE, (100, 40), (120, 24), (160, 40))
def test_large(snap_compare: Compare, app_of: AppOf, large: View, size: Size) -> None:
    assert snap_compare(app_of(large), terminal_size=size)


@sizes(SMALLEST, SMALL, USUAL, HUGE)
def test_alerting(snap_compare: Compare, app_of: AppOf, alerting: View, size: Size) -> None:
    assert snap_compare(app_of(alerting), terminal_size=size)


@sizes(SMALLEST, SMALL, USUAL, HUGE)
def test_few(snap_compare: Compare, app_of: AppOf, few: View, size: Size) -> None:
    assert snap_compare(app_of(few), terminal_size=size)


@sizes(SMALLEST, SMALL, USUAL)
def test_starting(snap_compare: Compare, app_of: AppOf, starting: View, size: Size) -> None:
    assert snap_compare(app_of(starting), terminal_size=size)


@sizes(USUAL, HUGE)
def test_nobody_started_lately(snap_compare: Compare, app_of: AppOf, running: View, size: Size) -> None:
    assert running.shapes is not None
    since = [shape for shape in running.shapes.shapes if shape.name != "spawn"]
    view = fold(running, ShapesNow(running.shapes.at + 90.0, running.shapes.window, tuple(since)))
    assert snap_compare(app_of(view), terminal_size=size)


@sizes(SMALL, USUAL)
def test_draining(snap_compare: Compare, app_of: AppOf, draining: View, size: Size) -> None:
    assert snap_compare(app_of(draining), terminal_size=size)


@sizes(SMALL, USUAL)
def test_ended(snap_compare: Compare, app_of: AppOf, ended: View, size: Size) -> None:
    assert snap_compare(app_of(ended), terminal_size=size)


@sizes(SMALL, USUAL)
def test_lost(snap_compare: Compare, app_of: AppOf, running: View, size: Size) -> None:
    assert snap_compare(app_of(lose(running, "the engine has ended")), terminal_size=size)


def test_run_paused(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert running.frame is not None
    frame = msgspec.structs.replace(running.frame, state="paused", rate=0.0)
    assert snap_compare(app_of(fold(running, frame)), terminal_size=USUAL)


def test_paused(snap_compare: Compare, app_of: AppOf, running: View, ended: View, feed_of: Any) -> None:
    feed = feed_of(running)

    async def pause(pilot: Pilot[Any]) -> None:
        await pilot.press("p")
        feed.push(ended)
        await pilot.pause()

    assert snap_compare(app_of(feed), run_before=pause)


@sizes(SMALL, USUAL)
def test_replay(snap_compare: Compare, app_of: AppOf, alerting: View, size: Size) -> None:
    replaying = Replaying(NOON + 102.7, NOON, NOON + 203.4, 4.0, playing=True)
    assert snap_compare(app_of(replace(alerting, replay=replaying)), terminal_size=size)


def test_replay_without_single_agents(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    replaying = Replaying(NOON + 102.7, NOON, NOON + 203.4, 1.0, playing=False, complete=False)
    assert snap_compare(app_of(replace(running, cells=b"", replay=replaying)), terminal_size=USUAL)


@sizes(SMALLEST, SMALL, USUAL)
def test_one_agent(snap_compare: Compare, app_of: AppOf, alerting: View, size: Size) -> None:
    row = AgentRow("micro/1030", "micro", 8, 48213, "starting", "fit[41031]", 93, 1, 0.0021, 812, 1, 10**7, 0.9, 1)
    view = replace(alerting, agents=AgentTable((row,), 1.0))
    assert snap_compare(app_of(view), press=["n"], terminal_size=size)


def test_one_agent_of_a_few(snap_compare: Compare, app_of: AppOf, few: View) -> None:
    assert snap_compare(app_of(few), press=["l", "l", "l"])


def test_one_pool(snap_compare: Compare, app_of: AppOf, alerting: View) -> None:
    assert snap_compare(app_of(alerting), press=["end"], terminal_size=USUAL)


def test_one_state(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["slash", "slash", "slash", "slash"], terminal_size=USUAL)


@sizes(SMALLEST, USUAL)
def test_one_state_of_a_few(snap_compare: Compare, app_of: AppOf, few: View, size: Size) -> None:
    assert snap_compare(app_of(few), press=["slash"] * 4, terminal_size=size)


def test_one_state_without_colour(
    snap_compare: Compare, app_of: AppOf, large: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(large, ascii=True), press=["slash"] * 4, terminal_size=SMALLEST)


def test_map_maximised(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["m"])


def test_histogram_maximised(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["tab"] * 3 + ["m"])


def test_help(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["question_mark"], terminal_size=USUAL)


def test_quit(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running), press=["q"])


@sizes(SMALL, USUAL, HUGE)
def test_light(snap_compare: Compare, app_of: AppOf, alerting: View, size: Size) -> None:
    assert snap_compare(app_of(alerting, theme=LIGHT.name), terminal_size=size)


@pytest.mark.parametrize("theme", [CONTRAST.name, ANSI.name, "nord"])
def test_themes(snap_compare: Compare, app_of: AppOf, alerting: View, theme: str) -> None:
    assert snap_compare(app_of(alerting, theme=theme), terminal_size=USUAL)


def test_theme_changed(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["t"], terminal_size=USUAL)


@sizes(SMALLEST, SMALL, USUAL)
def test_no_color(
    snap_compare: Compare, app_of: AppOf, alerting: View, size: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(alerting), terminal_size=size)


def test_no_color_one_agent(
    snap_compare: Compare, app_of: AppOf, running: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(running), press=["n", "n"], terminal_size=USUAL)


@sizes(SMALLEST, SMALL, USUAL)
def test_ascii(snap_compare: Compare, app_of: AppOf, alerting: View, size: Size) -> None:
    assert snap_compare(app_of(alerting, ascii=True), terminal_size=size)


def test_ascii_few(snap_compare: Compare, app_of: AppOf, few: View) -> None:
    assert snap_compare(app_of(few, ascii=True))


def test_no_agents(snap_compare: Compare, app_of: AppOf, hello: Hello, make_frame: Callable[..., Any]) -> None:
    view = fold(fold(View(), hello), make_frame({}, rate=0.0, done=0, total=None, eta=None))
    assert snap_compare(app_of(view), terminal_size=USUAL)


def test_too_small(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running), terminal_size=(40, 12))
