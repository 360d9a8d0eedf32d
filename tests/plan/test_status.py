"""How far a plan is, by what came of its tasks; and what is said of a plan that is looked through."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import TASK, plan_of, task

from engine.plan.review import review
from engine.plan.status import Count, by_group, by_milestone, by_owner, members, states, total

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

PLAN = (
    task("a", 'group = "g"\nowner = "o"\nestimate = "2h"\nover = { x = [1, 2] }')
    + task("b", 'group = "g"\nowner = "o"\nestimate = "1h"\nafter = ["a"]')
    + task("c", 'after = ["b", "d"]\nmilestone = "m"')
    + task("d", 'owner = "o"')
    + '[owners.o]\ntitle = "O"\n[owners.idle]\n[groups.g]\ntitle = "G"\n[milestones.m]\n'
)


def test_of_a_plan_alone_what_can_begin_is_next(tmp_path: Path) -> None:
    found = states(plan_of(PLAN, tmp_path), {})
    assert [(one.name, one.state, one.blocked_by) for one in found] == [
        ("a", "next", ()), ("b", "blocked", ("a",)), ("c", "blocked", ("b", "d")), ("d", "next", ()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"a": Count(1, 0)}, ["begun", "blocked", "blocked", "next"]),
        ({"a": Count(2, 0)}, ["done", "next", "blocked", "next"]),
        ({"a": Count(1, 1)}, ["failed", "blocked", "blocked", "next"]),
        ({"a": Count(2, 0), "b": Count()}, ["done", "begun", "blocked", "next"]),
        ({"a": Count(2, 0), "b": Count(1), "d": Count(0, 1)}, ["done", "done", "blocked", "failed"]),
        ({"a": Count(2, 0), "b": Count(1), "c": Count(1), "d": Count(1)}, ["done"] * 4),
    ],
)
def test_of_a_run_by_what_was_recorded(counts: dict[str, Count], told: list[str], tmp_path: Path) -> None:
    assert [one.state for one in states(plan_of(PLAN, tmp_path), counts)] == told


def test_what_steps_come_to_together(tmp_path: Path) -> None:
    spec = plan_of(PLAN, tmp_path)
    found = states(spec, {"a": Count(1, 1), "d": Count(1)})
    group, others = by_group(spec, found)
    assert (group.name, group.title, group.steps, group.tasks, group.done, group.failed) == ("g", "G", 2, 3, 1, 1)
    assert (group.work / 3600, group.work_done / 3600, group.share) == (5, 2, 2 / 5)
    assert (others.title, others.steps_done, others.share) == ("others", 1, 1 / 2)
    owner, idle = by_owner(spec, found)
    assert (owner.title, owner.steps, owner.steps_done, idle.steps, idle.share) == ("O", 3, 1, 0, 0)
    (milestone,) = by_milestone(spec, found)
    assert (milestone.steps, milestone.share) == (1, 0)
    assert total("", "", found).tasks == 5
    assert [step.name for step in members(spec, ["g", "c"])] == ["a", "b", "c"]


def test_what_may_not_be_meant_is_remarked(tmp_path: Path) -> None:
    text = (
        task("a", 'owner = "x"\nestimate = "3h"') + task("b", 'owner = "y"\nafter = ["a"]')
        + task("c", 'owner = "x"\nafter = ["b"]')
        + '[owners.x]\neffort = "2h"\n[owners.y]\n[milestones.m]\n[groups.g]\n[merge]\norder = ["y", "x"]'
    )  # fmt: skip
    circle = "c of x comes after b of y; b of y comes after a of x"
    assert review(plan_of(text, tmp_path)).remarks == (
        "owner x has 3 h of work, and 2 h of effort",
        "without an estimate, and so of no time: b, c",
        "milestone m gathers nothing",
        "group g has no tasks",
        f"owners build on each other in a circle, so no merge order suits all: {circle}",
    )


def test_the_merge_order_that_is_not_kept_is_remarked(tmp_path: Path) -> None:
    text = task("a", 'owner = "x"') + task("b", 'owner = "y"\nafter = ["a"]')
    found = review(plan_of(text + '[owners.x]\n[owners.y]\n[merge]\norder = ["y", "x"]', tmp_path))
    assert found.merge.order == ("x", "y")
    assert found.remarks == ("the merge order that is preferred is not kept: b of y comes after a of x",)


def test_what_a_plan_amounts_to(tmp_path: Path) -> None:
    text = TASK + 'estimate = "1h"\nover = { x = [1, 2, 3] }\n' + task("b", 'estimate = "2h"\nafter = ["a"]')
    found = review(plan_of(text, tmp_path))
    assert (found.sets, found.tasks, found.work / 3600, found.length / 3600, found.path) == (2, 4, 5, 3, ("a", "b"))
    assert (found.owners, found.remarks, found.contention) == ((), (), ())
    assert [(one.name, one.seconds / 3600) for one in found.gains] == [("b", 2), ("a", 1)]
