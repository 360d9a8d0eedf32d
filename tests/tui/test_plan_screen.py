"""Pictures of the screen of the plan, in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pilots import pressing
from planned_views import (
    AT,
    BEGAN,
    OUTLINE,
    blocked_plan,
    finished_plan,
    many_steps,
    one_step,
    planned,
    running_now,
    running_plan,
)
from textual.pilot import Pilot

from engine.stream.plans import PlanNow, PlanOutline
from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.view import Replaying, View, fold

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
SIZES = pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
STATES = pytest.mark.parametrize("state", ["running", "blocked", "finished"])
VIEWS: dict[str, Callable[[], View]] = {"running": running_plan, "blocked": blocked_plan, "finished": finished_plan}


@SIZES
@STATES
def test_tree(snap_compare: Compare, app_of: AppOf, state: str, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(VIEWS[state]()), terminal_size=size, run_before=pressing("4"))


@SIZES
@STATES
def test_chart(snap_compare: Compare, app_of: AppOf, state: str, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(VIEWS[state]()), terminal_size=size, run_before=pressing("4", "v"))


EXPLAINED = [
    "held: 0 of 1 over", "gate check-accuracy waits for an answer",
]  # fmt: skip


@SIZES
def test_step(snap_compare: Compare, app_of: AppOf, feed_of: Any, size: tuple[int, int]) -> None:
    view = blocked_plan()
    feed = feed_of(view)

    async def play(pilot: Pilot[Any]) -> None:
        await pressing("4", "c enter")(pilot)
        feed.push(replace(view, replies=(Reply(len(feed.commands), True, "", {"lines": EXPLAINED}),)))
        await pilot.pause()

    assert snap_compare(app_of(feed), terminal_size=size, run_before=play)


@pytest.mark.parametrize("state", ["running", "finished"])
def test_step_that_runs_or_is_over(snap_compare: Compare, app_of: AppOf, state: str) -> None:
    keys = "down " * 5 + "enter"
    assert snap_compare(app_of(VIEWS[state]()), run_before=pressing("4", keys))


@pytest.mark.parametrize("panel", ["marks", "claims", "owners"])
@pytest.mark.parametrize("size", [(60, 20), (80, 24)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_panels(snap_compare: Compare, app_of: AppOf, panel: str, size: tuple[int, int]) -> None:
    times = ["marks", "claims", "owners"].index(panel) + 1
    assert snap_compare(app_of(running_plan()), terminal_size=size, run_before=pressing("4", "n " * times))


@SIZES
def test_one_step(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(one_step()), terminal_size=size, run_before=pressing("4"))


def test_one_step_over_time(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(one_step()), run_before=pressing("4", "v"))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("folded", []), ("unfolded", ["right"]), ("chart", ["right", "v"]), ("zoomed", ["right v z z"]),
        ("filtered", ["slash", "r u n n i n g", "enter"]), ("wrong", ["slash", "a g e equals_sign 3"]),
        ("nothing", ["slash", "x y z", "enter"]), ("as-written", ["b"]),
    ],
)  # fmt: skip
def test_many(snap_compare: Compare, app_of: AppOf, name: str, keys: list[str]) -> None:
    assert snap_compare(app_of(many_steps()), run_before=pressing("4", *keys))


@pytest.mark.parametrize("by", ["owner", "milestone", "pool", "order"])
def test_branches(snap_compare: Compare, app_of: AppOf, by: str) -> None:
    times = ["owner", "milestone", "pool", "order"].index(by) + 1
    app = app_of(running_plan())
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("4", "b " * times))


def test_waiting(snap_compare: Compare, app_of: AppOf, starting: View) -> None:
    assert snap_compare(app_of(starting), run_before=pressing("4"))


def test_no_plan(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    view = fold(fold(running, PlanOutline(0, 0, ())), PlanNow(AT, (), True))
    assert snap_compare(app_of(view), terminal_size=(120, 36), run_before=pressing("4"))


def test_not_recorded(snap_compare: Compare, app_of: AppOf, running: View) -> None:
    assert running.frame is not None
    at = running.frame.at
    view = replace(running, replay=Replaying(at, at - 103, at + 300, 4.0, True, complete=False))
    assert snap_compare(app_of(view), run_before=pressing("4"))


def test_no_run_is_open(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(None), run_before=pressing("4"))


def test_replayed(snap_compare: Compare, app_of: AppOf) -> None:
    view = replace(running_plan(), replay=Replaying(AT, BEGAN, BEGAN + 190, 1.0, False))
    assert snap_compare(app_of(view), run_before=pressing("4", "v"))


def test_nothing_is_known_of_the_times(snap_compare: Compare, app_of: AppOf) -> None:
    now = running_now()
    steps = tuple(
        msgspec.structs.replace(
            step, state="waiting" if step.number else "running", done=0, failed=0, running=int(not step.number),
            began=BEGAN + 0.2 if not step.number else None, ended=None, mean=None, starts=None, ends=None, slack=None,
            rank=None, gain=None, critical=False,
        )
        for step in now.steps
    )  # fmt: skip
    told = PlanNow(BEGAN + 1.0, steps, True, None, (0,), (), now.milestones, now.owners, True)
    bare = msgspec.structs.replace(
        OUTLINE, steps=tuple(msgspec.structs.replace(step, estimate=None) for step in OUTLINE.steps)
    )
    view = planned(told, bare, None, done=0, failed=0, rate=0.0, eta=None)
    assert snap_compare(app_of(view), terminal_size=(120, 36), run_before=pressing("4", "v"))


@pytest.mark.parametrize("theme", ["shoal-light", "shoal-contrast", "shoal-ansi"])
@pytest.mark.parametrize("look", ["tree", "chart"])
def test_themes(snap_compare: Compare, app_of: AppOf, theme: str, look: str) -> None:
    app = app_of(running_plan(), theme=theme)
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("4", *(["v"] if look == "chart" else [])))


@pytest.mark.parametrize("look", ["tree", "chart", "step"])
def test_ascii(snap_compare: Compare, app_of: AppOf, look: str) -> None:
    keys = {"tree": [], "chart": ["v"], "step": ["c enter"]}[look]
    app = app_of(blocked_plan(), ascii=True)
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressing("4", *keys))


@pytest.mark.parametrize("look", ["tree", "chart"])
def test_no_color(snap_compare: Compare, app_of: AppOf, look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_of(running_plan()), run_before=pressing("4", *(["v"] if look == "chart" else [])))


@pytest.mark.parametrize("size", [(60, 20), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_a_gate_is_decided_on(snap_compare: Compare, app_of: AppOf, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(blocked_plan()), terminal_size=size, run_before=pressing("4", "c x"))


def test_help(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(running_plan()), terminal_size=(120, 36), run_before=pressing("4", "question_mark"))
