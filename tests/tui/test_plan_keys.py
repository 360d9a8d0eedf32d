"""What the keys of the plan do, and where they are not offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as changed
from pilots import drive, settled
from planned_views import (
    AT,
    BEGAN,
    OUTLINE,
    blocked_plan,
    finished_plan,
    many_steps,
    now_of,
    one_step,
    planned,
    running_now,
    running_plan,
    step_of,
)
from textual.pilot import Pilot

from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.screens.plan import PlanScreen
from tui.screens.step import StepScreen
from tui.view import Replaying, View, fold
from tui.widgets.filter_line import FilterLine
from tui.widgets.keys import active
from tui.widgets.pager import Pager
from tui.widgets.plan_list import PlanList
from tui.widgets.plan_words import PlanWords

AppOf = Callable[..., ShoalApp]


def steps(pilot: Pilot[Any]) -> PlanList:
    return pilot.app.screen.query_one(PlanList)


def offered(pilot: Pilot[Any]) -> set[str]:
    """Ids of the screen's own commands that can be used now."""
    return {command.id.partition(".")[2] for _, command in active(pilot.app.screen) if command.place == "plan"}


async def opened(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press("4")
    await settled(pilot)
    for key in keys:
        await pilot.press(*key.split())
        await settled(pilot)


def under(pilot: Pilot[Any]) -> str:
    row = steps(pilot).under_cursor
    return "" if row is None else row.name


def test_it_asks_for_the_plan_and_the_claims(app_of: AppOf, feed_of: Any) -> None:
    feed = feed_of(running_plan())

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert {"plan", "claims"} <= feed.wish.topics
        await pilot.press("1")
        await settled(pilot)
        assert not {"plan", "claims"} & feed.wish.topics, "it costs nothing while nobody looks at it"

    drive(app_of(feed), play)


def test_branches_are_folded_and_unfolded(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert under(pilot) == "data"
        rows = len(steps(pilot).text().splitlines())
        await pilot.press("left")
        assert len(steps(pilot).text().splitlines()) == rows - 2
        await pilot.press("down", "down", "down", "h")
        assert under(pilot) == "model", "of a step, the cursor goes to its branch"
        await pilot.press("up", "right")
        assert len(steps(pilot).text().splitlines()) == rows
        await pilot.press("enter")
        assert len(steps(pilot).text().splitlines()) == rows - 2

    drive(app_of(running_plan()), play)


def test_many_steps_are_folded_at_first(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert [row.name for row in steps(pilot)._rows()] == [f"week-{n}" for n in range(1, 13)]
        await pilot.press("l")
        assert len(steps(pilot)._rows()) == 12 + 25

    drive(app_of(many_steps()), play)


def test_the_cursor_stays_on_its_step(app_of: AppOf, feed_of: Any) -> None:
    feed = feed_of(running_plan())

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "down down down down")
        assert under(pilot) == "embed"
        await pilot.press("v")
        assert under(pilot) == "embed"
        await pilot.press("b")
        await settled(pilot)
        assert under(pilot) == "embed"
        feed.push(blocked_plan())
        await settled(pilot)
        assert under(pilot) == "embed"

    drive(app_of(feed), play)


def test_to_what_the_end_hangs_on(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "c")
        assert under(pilot) == "embed", "the first of the chain that is not over"

    drive(app_of(running_plan()), play)


def test_a_filter_and_all_again(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "slash", "o w n e r equals_sign l e n a", "enter")
        assert [row.name for row in steps(pilot)._rows()] == ["ship", "report", "docs", "release"]
        assert "all" in offered(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert len(steps(pilot)._rows()) == 11
        assert "all" not in offered(pilot)
        await pilot.press("slash", *"run", "equals_sign", "1")
        await settled(pilot)
        assert pilot.app.screen.query_one(FilterLine).has_class("-wrong")
        assert steps(pilot).tree_.filter.text == "run", "what can't be read changes nothing"

    drive(app_of(running_plan()), play)


def test_what_makes_no_sense_is_not_offered(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert offered(pilot) >= {"open", "look", "filter"}
        assert not offered(pilot) & {"by", "fold", "unfold", "panel", "larger", "all"}
        await pilot.press("v")
        assert "larger" in offered(pilot)

    drive(app_of(one_step()), play, (80, 24))

    async def nothing(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert offered(pilot) == set()

    drive(app_of(View()), nothing)


def test_panels_one_after_the_other_where_there_is_room_for_one(app_of: AppOf) -> None:
    def shown(pilot: Pilot[Any]) -> list[str]:
        return [str(panel.id) for panel in pilot.app.screen.query(PlanWords) if panel.display]

    async def narrow(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        seen = [shown(pilot)]
        for _ in range(4):
            await pilot.press("n")
            await settled(pilot)
            seen.append(shown(pilot))
        assert seen == [["path"], ["marks"], ["claims"], ["owners"], ["path"]]

    drive(app_of(running_plan()), narrow, (80, 24))

    async def wide(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert shown(pilot) == ["path", "marks", "claims", "owners"]
        assert "panel" not in offered(pilot)

    drive(app_of(running_plan()), wide, (120, 36))

    async def silent(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert shown(pilot) == ["path"], "what has nothing to say is not there"

    drive(app_of(one_step()), silent, (120, 36))


def test_zoom_has_ends(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "v", "Z")
        assert steps(pilot).zoom == 1
        await pilot.press(*"z" * 9)
        assert steps(pilot).zoom == 64
        assert "64x" in str(steps(pilot).border_subtitle)

    drive(app_of(running_plan()), play)


def test_a_gate_that_is_held_is_decided_on(app_of: AppOf, feed_of: Any) -> None:
    feed = feed_of(blocked_plan())

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "c")
        assert under(pilot) == "report"
        assert "answer" in offered(pilot)
        await pilot.press("x", "g")
        await settled(pilot)
        assert feed.commands == [("gate", "check-accuracy", "go")], "of a step that waits, it is the gate's"
        await pilot.press("up", "up", "x", "s")
        await settled(pilot)
        assert len(feed.commands) == 1, "what lets all fail is asked about"
        await pilot.press("y")
        await settled(pilot)
        assert feed.commands[1:] == [("gate", "check-accuracy", "stop")]
        await pilot.press("up")
        assert "answer" not in offered(pilot)

    drive(app_of(feed), play)

    async def look(pilot: Pilot[Any]) -> None:
        await opened(pilot, "c")
        assert "answer" not in offered(pilot)

    drive(app_of(blocked_plan(), read_only=True), look)


def test_work_of_people_is_done(app_of: AppOf, feed_of: Any) -> None:
    now = running_now()
    steps_ = (*now.steps[:6], now_of(6, "people", taken=1), now.steps[7])
    written = (*OUTLINE.steps[:6], step_of("docs", (0,), total=1, group="ship", what="", people=True), OUTLINE.steps[7])
    feed = feed_of(planned(changed(now, steps=steps_), changed(OUTLINE, steps=written)))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "end", "up")
        assert under(pilot) == "docs"
        await pilot.press("x")
        await settled(pilot)
        await pilot.press("y")
        await settled(pilot)
        assert feed.commands == [("done", "docs")]

    drive(app_of(feed), play)


# -- one step ----------------------------------------------------------------------------------------------------------


def told(pilot: Pilot[Any]) -> str:
    assert isinstance(pilot.app.screen, StepScreen)
    return pilot.app.screen.query_one(Pager).copied()


def test_the_engine_is_asked_why(app_of: AppOf, feed_of: Any) -> None:
    view = blocked_plan()
    feed = feed_of(view)

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "c", "enter")
        assert feed.commands == [("explain", "report")]
        assert "asking the engine" in told(pilot)
        lines = ["held: 0 of 1 over", "gate check-accuracy waits for an answer"]
        feed.push(replace(view, replies=(Reply(1, True, "", {"lines": lines}),)))
        await settled(pilot)
        assert all(line in told(pilot) for line in lines)
        await pilot.press("right")
        assert feed.commands[1:] == [("explain", "docs")]
        feed.push(replace(view, replies=(Reply(2, False, "no such task"),)))
        await settled(pilot)
        assert "no such task" in told(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(pilot.app.screen, PlanScreen)
        assert under(pilot) == "docs", "the cursor is on what was looked at last"

    drive(app_of(feed), play)


def test_it_is_asked_again_as_the_run_goes_on(app_of: AppOf, feed_of: Any) -> None:
    feed = feed_of(running_plan())

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "c", "enter")
        feed.push(replace(feed.view, replies=(Reply(1, True, "", {"lines": ["running: first"]}),)))
        await settled(pilot)
        assert len(feed.commands) == 1
        later = fold(running_plan(), running_now(AT + 3))
        assert later.frame is not None
        feed.push(replace(later, frame=changed(later.frame, elapsed=later.frame.elapsed + 3)))
        await settled(pilot)
        assert len(feed.commands) == 2
        assert "running: first" in told(pilot), "what it said before stands until it has answered"

    drive(app_of(feed), play)


def test_nobody_is_asked_about_what_is_over_or_recorded(app_of: AppOf, feed_of: Any) -> None:
    for view in (finished_plan(), replace(running_plan(), replay=Replaying(AT, BEGAN, AT, 1.0, False))):
        feed = feed_of(view)

        async def play(pilot: Pilot[Any], feed: Any = feed) -> None:
            await opened(pilot, "down down down down", "enter")
            assert "embed" in told(pilot)
            assert "asking" not in told(pilot)
            assert feed.commands == []

        drive(app_of(feed), play)
