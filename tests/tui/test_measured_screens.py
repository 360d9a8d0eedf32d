"""Pictures of the screens of queues and analysis, in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from measured_views import measured

from tui.app import ShoalApp
from tui.view import Replaying, View, lose

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]

SIZES = [(60, 20), (80, 24), (120, 36), (200, 50)]
KEYS = {"queues": "3", "analysis": "6"}


def named(value: Any) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("name", KEYS)
def test_running(snap_compare: Compare, app_of: AppOf, running: View, name: str, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(measured(running)), press=[KEYS[name]], terminal_size=size)


@pytest.mark.parametrize("name", KEYS)
def test_before_anything_is_measured(snap_compare: Compare, app_of: AppOf, starting: View, name: str) -> None:
    assert snap_compare(app_of(starting), press=[KEYS[name]])


@pytest.mark.parametrize("name", ["queues", "analysis"])
def test_many_shards_and_agents(snap_compare: Compare, app_of: AppOf, large: View, name: str) -> None:
    assert snap_compare(app_of(measured(large, shards=14)), press=[KEYS[name]], terminal_size=(120, 36))


@pytest.mark.parametrize("name", ["queues", "analysis"])
@pytest.mark.parametrize("theme", ["shoal-light", "shoal-contrast"])
def test_themes(snap_compare: Compare, app_of: AppOf, running: View, name: str, theme: str) -> None:
    assert snap_compare(app_of(measured(running), theme=theme), press=[KEYS[name]], terminal_size=(120, 36))


@pytest.mark.parametrize("name", ["queues", "analysis"])
def test_ascii(snap_compare: Compare, app_of: AppOf, running: View, name: str) -> None:
    assert snap_compare(app_of(measured(running), ascii=True), press=[KEYS[name]], terminal_size=(120, 36))


@pytest.mark.parametrize("name", ["queues", "analysis"])
def test_no_color(
    snap_compare: Compare, app_of: AppOf, running: View, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(measured(running)), press=[KEYS[name]])


def test_nothing_fires(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(measured(running, alerts=False)), press=["6"], terminal_size=(120, 36))


def test_a_replay_without_them(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert running.frame is not None
    at = running.frame.at
    replay = Replaying(at, at - 103, at + 300, 4.0, True, complete=False)
    assert snap_compare(app_of(replace(running, replay=replay)), press=["3"])


def test_lost(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(lose(measured(running), "the engine is gone")), press=["3"])


def test_no_run_is_open(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(None), press=["3"])
