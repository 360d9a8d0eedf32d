"""Pictures of the pools and of their agents in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from screen_fleets import crowd, manned, spoken
from textual.pilot import Pilot

from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.themes import ANSI, CONTRAST, LIGHT
from tui.view import Replaying, View, lose
from tui.widgets.agent_list import AgentList

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
SIZES = [(60, 20), (80, 24), (120, 36), (200, 50)]
TWO = [(80, 24), (120, 36)]


def size_id(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is held for as long as a picture takes, however long that is."""
    monkeypatch.setattr(AgentList, "HOLD", 3600.0)


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_running(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(running)), press=["2"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_one_pool(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(large)), press=["2", "n", "greater_than_sign"], terminal_size=size)


@pytest.mark.parametrize("size", [(80, 40), (120, 24), (200, 24), (60, 40)], ids=size_id)
def test_unusual_sizes(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(large)), press=["2", "n"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_held_and_marked(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    keys = ["2", *["greater_than_sign"] * 4, "down", "space", "down", "space", "down", "down"]
    assert snap_compare(app_of(manned(large)), press=keys, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_filter(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    keys = ["2", "slash", *"failed", "greater_than_sign", *"0, fit"]
    keys = ["space" if key == " " else "comma" if key == "," else key for key in keys]
    assert snap_compare(app_of(manned(large)), press=keys, terminal_size=size)


@pytest.mark.parametrize("size", SIZES[:3], ids=size_id)
def test_filter_that_is_wrong(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    keys = ["2", "slash", *"memry", "greater_than_sign", *"5"]
    assert snap_compare(app_of(manned(running)), press=keys, terminal_size=size)


def test_filter_that_fits_nobody(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(manned(running)), press=["2", "slash", *"nobody", "enter"])


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_starting(snap_compare: Compare, app_of: AppOf, starting: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(starting), press=["2"], terminal_size=size)


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_loading(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    view = manned(running)
    view = replace(view, agents=None, queues=None, shapes=None, metrics=None)
    assert snap_compare(app_of(view), press=["2"], terminal_size=size)


def test_idle(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(View(idle=True)), press=["2"])


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_draining(snap_compare: Compare, app_of: AppOf, draining: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(draining)), press=["2"], terminal_size=size)


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_ended(snap_compare: Compare, app_of: AppOf, ended: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(replace(manned(ended), agents=None)), press=["2"], terminal_size=size)


def test_ended_with_details(snap_compare: Compare, app_of: AppOf, ended: View) -> None:
    assert snap_compare(app_of(manned(ended)), press=["2"], terminal_size=(120, 36))


def test_lost(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(lose(manned(running), "the engine has ended")), press=["2"])


def test_paused(snap_compare: Compare, app_of: AppOf, feed_of: Any, running: View, ended: View) -> None:
    feed = feed_of(manned(running))

    async def pause(pilot: Pilot[Any]) -> None:
        await pilot.press("2", "p")
        feed.push(manned(ended))
        await pilot.pause()

    assert snap_compare(app_of(feed), run_before=pause)


def test_run_paused(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    view = manned(running)
    assert view.frame is not None
    view = replace(view, frame=msgspec.structs.replace(view.frame, state="paused"))
    assert snap_compare(app_of(view), press=["2"])


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_replay(snap_compare: Compare, app_of: AppOf, running: View, size: tuple[int, int]) -> None:
    at = running.frame.at if running.frame is not None else 0.0
    view = spoken(manned(running), "micro/2")
    view = replace(view, agents=None, replay=Replaying(at, at - 102, at + 60, 4.0, True))
    assert snap_compare(app_of(view), press=["2"], terminal_size=size)


def test_replay_without_states(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    at = running.frame.at if running.frame is not None else 0.0
    replay = Replaying(at, at - 102, at + 60, 1.0, False, complete=False)
    assert snap_compare(app_of(replace(manned(running), agents=None, cells=b"", replay=replay)), press=["2"])


def test_read_only(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert snap_compare(app_of(manned(running), read_only=True), press=["2"], terminal_size=(120, 36))


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_light(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(large), theme=LIGHT.name), press=["2", "n"], terminal_size=size)


@pytest.mark.parametrize("theme", [CONTRAST.name, ANSI.name, "nord"])
def test_other_themes(snap_compare: Compare, app_of: AppOf, running: View, theme: str) -> None:
    keys = ["2", "n", "down", "space"]
    assert snap_compare(app_of(manned(running), theme=theme), press=keys, terminal_size=(120, 36))


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_no_color(
    snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(manned(large)), press=["2", "n", "down", "space"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES[:3], ids=size_id)
def test_ascii(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(large), ascii=True), press=["2", "n", "down", "space"], terminal_size=size)


def many_pools() -> View:
    """Fourteen pools of all sizes, some with names that are hard to fit."""
    names = ["heart-rate-variability-long", "魚群", "a[b]c", *(f"stage-{n}" for n in range(11))]
    return manned(crowd({name: 4 + 13 * n for n, name in enumerate(names)}))


@pytest.mark.parametrize("size", SIZES, ids=size_id)
def test_many_pools(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(many_pools()), press=["2", *["n"] * 12], terminal_size=size)


def test_hard_names(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(many_pools()), press=["2", "n", "n", "n", "slash", "a"], terminal_size=(120, 36))


def test_one_small_pool(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(manned(crowd({"default": 4}))), press=["2"])


def test_the_table_has_the_focus(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    keys = ["2", "shift+tab", "shift+tab", "shift+tab", "down", "down"]
    assert snap_compare(app_of(manned(running)), press=keys)


@pytest.mark.parametrize("size", TWO, ids=size_id)
def test_maximised(snap_compare: Compare, app_of: AppOf, large: View, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(manned(large)), press=["2", "m"], terminal_size=size)


def pressing(*keys: str) -> Callable[[Pilot[Any]], Any]:
    """Press one after the other, with time for a screen to come up."""

    async def play(pilot: Pilot[Any]) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

    return play


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("act", ["2", "down", "x"]),
        ("act-many", ["2", *["space"] * 30, "x"]),
        ("kill", ["2", "down", "x", "k"]),
        ("recycle-many", ["2", *["space"] * 30, "x", "r"]),
        ("pool", ["2", "n", "shift+tab", "shift+tab", "shift+tab", "x"]),
        ("shrink", ["2", "n", "G"]),
        ("size", ["2", "n", "s"]),
        ("size-wrong", ["2", "n", "s", "backspace", "full_stop", "full_stop", "2"]),
        ("help", ["2", "question_mark"]),
        ("choose-pool", ["2", "g"]),
    ],
)
def test_modals(snap_compare: Compare, app_of: AppOf, running: View, name: str, keys: Sequence[str]) -> None:
    assert snap_compare(app_of(manned(running)), run_before=pressing(*keys))


@pytest.mark.parametrize("name", ["act-many", "size"])
def test_modals_in_little_room(snap_compare: Compare, app_of: AppOf, running: View, name: str) -> None:
    keys = ["2", *["space"] * 30, "x", "k"] if name == "act-many" else ["2", "n", "s"]
    app = app_of(manned(running), ascii=name == "size")
    assert snap_compare(app, run_before=pressing(*keys), terminal_size=(60, 20))


@pytest.mark.parametrize("size", [(60, 20), (120, 36)], ids=size_id)
def test_telling_many(snap_compare: Compare, app_of: AppOf, feed_of: Any, running: View, size: tuple[int, int]) -> None:
    view = manned(running)
    feed = feed_of(view)

    async def play(pilot: Pilot[Any]) -> None:
        await pressing("2", *["space"] * 30, "x", "r", "y")(pilot)
        feed.push(replace(view, replies=tuple(Reply(n, True, "ok") for n in range(1, 6))))
        await pilot.pause()

    assert snap_compare(app_of(feed), run_before=play, terminal_size=size)
