"""The alerts: what their keys do, and pictures of them in every state and size that was designed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from live_alerts import NOW, alerting
from past_runs import FakeArchive, past_alert, runs_of
from pilots import once_seen, pressing
from textual.pilot import Pilot

from tui.app import ShoalApp
from tui.themes import ANSI, CONTRAST, LIGHT
from tui.view import Replaying, View, lose

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
SIZES = pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")


@pytest.fixture(autouse=True)
def _long_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the order is held must not depend on how fast this machine is."""
    monkeypatch.setattr("tui.widgets.listing.HOLD", 3600.0)


def archive() -> FakeArchive:
    """A record with alerts of two runs."""
    past = [past_alert(number) for number in range(12, 5, -1)]
    past += [past_alert(number, "93f3cfc7", resolved=number > 2, at=1_763_700_000.0) for number in range(5, 0, -1)]
    return FakeArchive(runs_of(20), past)


@SIZES
def test_firing(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(alerting(running), archive()), terminal_size=size, run_before=pressing("5"))


@SIZES
def test_silencing(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    app = app_of(alerting(running), archive())
    assert snap_compare(app, terminal_size=size, run_before=pressing("5", "down z"))


@SIZES
def test_one(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    app = app_of(alerting(running), archive())
    assert snap_compare(app, terminal_size=size, run_before=pressing("5", "end enter"))


@SIZES
def test_all_is_well(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    view = alerting(running, (), ())
    assert snap_compare(app_of(view, FakeArchive([])), terminal_size=size, run_before=pressing("5"))


@SIZES
def test_taking_on(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    app = app_of(alerting(running), archive())
    assert snap_compare(app, terminal_size=size, run_before=pressing("5", "a m i n e"))


@SIZES
def test_without_a_run(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(None, archive()), terminal_size=size, run_before=pressing("5", "down"))


def test_of_all_runs(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    app = app_of(alerting(running), archive())
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("5", "A", "end"))


def test_reading(snap_compare: Compare, app_of: AppOf, running: View, monkeypatch: pytest.MonkeyPatch) -> None:
    record = archive()
    record.waits = threading.Event()

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("5")
        await pilot.pause()

    app = app_of(alerting(running, (), ()), record)
    assert snap_compare(once_seen(app, record.waits.set, monkeypatch), run_before=play)


def test_no_record(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    record = archive()
    record.error = "/data/runs.db is damaged: `shoal db check` tells more"
    assert snap_compare(app_of(alerting(running), record), run_before=pressing("5"))


def test_recorded_nowhere(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    view = replace(running, alerts=alerting(running).alerts)
    assert snap_compare(app_of(view, archive()), run_before=pressing("5"))


def test_starting(snap_compare: Compare, app_of: AppOf, starting: View) -> None:
    assert snap_compare(app_of(starting, FakeArchive([])), run_before=pressing("5"))


def test_lost(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    view = lose(alerting(running), "the engine is gone")
    assert snap_compare(app_of(view, archive()), run_before=pressing("5"))


def test_replayed(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    at = Replaying(NOW - 660.0, NOW - 2_000.0, NOW, 4.0, True)
    view = replace(alerting(running), replay=at)
    assert snap_compare(app_of(view, archive()), run_before=pressing("5"), terminal_size=(120, 36))


def test_read_only(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    app = app_of(alerting(running), archive(), read_only=True)
    assert snap_compare(app, run_before=pressing("5", "down"))


@pytest.mark.parametrize("theme", [LIGHT.name, CONTRAST.name, ANSI.name])
def test_themes(snap_compare: Compare, app_of: AppOf, running: View, theme: str) -> None:
    app = app_of(alerting(running), archive(), theme=theme)
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("5", "down"))


@pytest.mark.parametrize("size", [(60, 20), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_ascii(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    app = app_of(alerting(running), archive(), ascii=True)
    assert snap_compare(app, terminal_size=size, run_before=pressing("5", "down"))


def test_no_color(snap_compare: Compare, app_of: AppOf, running: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(alerting(running), archive())
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("5", "down"))
