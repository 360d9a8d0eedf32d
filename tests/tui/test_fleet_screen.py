"""Pictures of the first screen in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tui.app import ShoalApp
from tui.themes import LIGHT
from tui.view import View, lose

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_running(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(running), terminal_size=size)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_large(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(large), terminal_size=size)


def test_starting(snap_compare: Compare, app_of: AppOf, starting: View) -> None:
    assert snap_compare(app_of(starting))


def test_draining(snap_compare: Compare, app_of: AppOf, draining: View) -> None:
    assert snap_compare(app_of(draining))


def test_ended(snap_compare: Compare, app_of: AppOf, ended: View) -> None:
    assert snap_compare(app_of(ended))


def test_lost(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(lose(running, "the engine has ended")))


def test_paused(snap_compare: Compare, app_of: AppOf, running: View, ended: View, feed_of: Any) -> None:
    feed = feed_of(running)

    async def pause(pilot: Pilot[Any]) -> None:
        await pilot.press("p")
        feed.push(ended)
        await pilot.pause()

    assert snap_compare(app_of(feed), run_before=pause)


def test_quit(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running), press=["q"])


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_light(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(running, theme=LIGHT.name), terminal_size=size)


def test_light_large(snap_compare: Compare, app_of: AppOf, large: View) -> None:
    assert snap_compare(app_of(large), press=["t"], terminal_size=(120, 36))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_no_color(
    snap_compare: Compare,
    app_of: AppOf,
    large: View,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(large), terminal_size=size)


def test_other_theme(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running, theme="nord"))


def test_too_small(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(running), terminal_size=(40, 12))
