"""Pictures of the history of runs in every state and size that was designed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from past_runs import FakeArchive, runs_of
from pilots import once_seen, pressing
from textual.pilot import Pilot

from tui.app import ShoalApp
from tui.themes import ANSI, CONTRAST, LIGHT
from tui.view import View

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
SIZES = pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")


@pytest.fixture(autouse=True)
def _steady_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown must not depend on how fast this machine is."""
    monkeypatch.setattr("tui.widgets.listing.HOLD", 3600.0)
    monkeypatch.setattr("tui.screens.runs.REST", 0.0)


@SIZES
def test_history(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(1_240)))
    assert snap_compare(app, terminal_size=size, run_before=pressing("down down down"))


@SIZES
def test_beside_a_run(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    app = app_of(running, FakeArchive(runs_of(12)))
    assert snap_compare(app, terminal_size=size, run_before=pressing("7"))


@SIZES
def test_details(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(40)))
    assert snap_compare(app, terminal_size=size, run_before=pressing("down down d"))


def test_details_end(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(40)))
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("down down d", "G"))


@SIZES
def test_compared(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(40)))
    assert snap_compare(app, terminal_size=size, run_before=pressing("down down space down down space c"))


@SIZES
def test_marked(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(40)))

    async def play(pilot: Pilot[Any]) -> None:
        await pressing("down down space down down space")(pilot)
        app.screen.query_one("#runs").release()  # type: ignore[attr-defined]
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=play)


@SIZES
def test_filtered(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(300)))
    assert snap_compare(app, terminal_size=size, run_before=pressing("slash", f"{' '.join('failed')} space s w e"))


def test_filter_that_is_wrong(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(300)))
    assert snap_compare(app, run_before=pressing("slash", f"{' '.join('since')} equals_sign x"))


def test_filter_that_nothing_fits(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(300)))
    assert snap_compare(app, run_before=pressing("slash", "x y z enter"))


def test_sorted(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(60)))
    keys = "less_than_sign less_than_sign"
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing(keys))


@SIZES
def test_no_runs_yet(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(None, FakeArchive([])), terminal_size=size, run_before=pressing())


def test_reading(snap_compare: Compare, app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    record = FakeArchive([])
    record.waits = threading.Event()

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.pause()

    app = app_of(None, record)
    assert snap_compare(once_seen(app, record.waits.set, monkeypatch), run_before=play)


def test_no_record(snap_compare: Compare, app_of: AppOf) -> None:
    record = FakeArchive([])
    record.error = "/data/runs.db is damaged: `shoal db check` tells more"
    assert snap_compare(app_of(None, record), run_before=pressing())


def test_not_up_to_date(snap_compare: Compare, app_of: AppOf) -> None:
    record = FakeArchive(runs_of(12))
    app = app_of(None, record)

    async def play(pilot: Pilot[Any]) -> None:
        await pressing()(pilot)
        record.error = "/data/runs.db is locked by another program"
        app.screen.read()  # type: ignore[attr-defined]
        await pressing()(pilot)

    assert snap_compare(app, run_before=play)


def test_details_that_cannot_be_had(snap_compare: Compare, app_of: AppOf) -> None:
    record = FakeArchive(runs_of(12))
    app = app_of(None, record)

    async def play(pilot: Pilot[Any]) -> None:
        await pressing("down down")(pilot)
        record.error = "no run '93f3cfc7' (`shoal runs` lists them)"
        await pressing("d")(pilot)

    assert snap_compare(app, run_before=play)


@pytest.mark.parametrize("theme", [LIGHT.name, CONTRAST.name, ANSI.name])
def test_themes(snap_compare: Compare, app_of: AppOf, theme: str) -> None:
    app = app_of(None, FakeArchive(runs_of(60)), theme=theme)
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("down space down"))


def test_light_comparison(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(60)), theme=LIGHT.name)
    keys = "down down space down down space c"
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing(keys))


@pytest.mark.parametrize("size", [(60, 20), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_ascii(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    app = app_of(None, FakeArchive(runs_of(60)), ascii=True)
    assert snap_compare(app, terminal_size=size, run_before=pressing("down space down"))


def test_ascii_comparison(snap_compare: Compare, app_of: AppOf) -> None:
    app = app_of(None, FakeArchive(runs_of(60)), ascii=True)
    keys = "down down space down down space c"
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing(keys))


def test_no_color(snap_compare: Compare, app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(None, FakeArchive(runs_of(60)))
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("down space down"))
