"""The plan in lines: arranged as a tree, drawn over time, told in words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned_views import (
    AT,
    BEGAN,
    CLAIMS,
    OUTLINE,
    blocked_now,
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
from rich.cells import cell_len

from engine.stream.plans import PlanNow, PlanOutline
from engine.stream.types import LaneView
from tui.plan import chart
from tui.plan.chart import Scale, scale_of, step_bar, tick_text
from tui.plan.details import step_lines
from tui.plan.facts import Plan, plan_of, reason
from tui.plan.tree import StepFilter, Tree, kinds
from tui.plan.words import claim_lines, mark_lines, owner_lines, path_lines
from tui.view import View
from tui.widgets.lines import Line


def of(view: View) -> Plan:
    plan = plan_of(view)
    assert plan is not None
    return plan


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line)


def texts(lines: list[Line]) -> str:
    return "\n".join(text(line).rstrip() for line in lines)


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_branches_by_what_the_plan_has() -> None:
    assert kinds(of(running_plan())) == ["group", "owner", "milestone", "pool", "order"]
    assert kinds(of(one_step())) == ["order"]
    rows = Tree().rows(of(running_plan()))
    assert [(row.name, row.depth) for row in rows][:4] == [("data", 0), ("prepare", 1), ("index", 1), ("model", 0)]
    by_milestone = Tree(by="milestone").rows(of(running_plan()))
    assert [row.name for row in by_milestone if row.branch is not None] == ["model-ready", "shipped", "no milestone"]
    assert [row.name for row in Tree(by="order").rows(of(running_plan()))] == [step.name for step in OUTLINE.steps]


def test_what_a_branch_comes_to() -> None:
    rows = Tree().rows(of(running_plan()))
    model = next(row.branch for row in rows if row.name == "model")
    assert model is not None
    assert (model.tasks, model.done, model.failed, model.running) == (1241, 812, 1, 10)
    assert (model.state, model.critical, model.began, model.ends) == ("running", True, BEGAN + 31.2, BEGAN + 162.0)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", ["prepare", "index", "embed", "train", "check-accuracy", "report", "docs", "release"]),
        ("RE", ["prepare", "report", "release"]),
        ("running", ["index", "embed", "docs"]),
        ("waiting critical", ["train", "check-accuracy", "report", "release"]),
        ("gate", ["check-accuracy"]),
        ("owner=lena", ["report", "docs", "release"]),
        ("owner=lena|ada, running", ["index", "docs"]),
        ("lane=local", ["index", "release"]),
        ("claim=docs", ["docs"]),
        ("owner=", ["prepare", "index", "embed", "train", "check-accuracy", "report", "docs", "release"]),
        ("fetch", ["prepare"]),
        ("nobody", []),
    ],
)
def test_filters(written: str, found: list[str]) -> None:
    tree = Tree(by="order", filter=StepFilter.read(written))
    assert [row.name for row in tree.rows(of(running_plan()))] == found


def test_a_filter_that_asks_for_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="no 'age'; known: state, owner, team"):
        StepFilter.read("age=3")


def test_a_filter_unfolds_all() -> None:
    found = Tree(filter=StepFilter.read("task-09")).rows(of(many_steps()))
    assert [row.name for row in found if row.step is not None][:2] == ["task-096", "task-097"]


# -- over time ---------------------------------------------------------------------------------------------------------


def bar(plan: Plan, name: str, cells: int = 30) -> str:
    step = next(step for step in plan.steps if step.name == name)
    return text(step_bar(plan, step, Scale(BEGAN, BEGAN + 300.0, cells, BEGAN, None if plan.ended else plan.at)))


def test_what_was_and_what_may_be() -> None:
    plan = of(running_plan())
    assert bar(plan, "prepare") == "████      │                   "
    assert bar(plan, "embed") == "   ███████▒▒▒▒                "
    assert bar(plan, "index") == "         ▄│░╌╌                "
    assert bar(plan, "train") == "          │  ▒▒▒              "
    assert bar(plan, "check-accuracy") == "          │    ▒┃             "


def test_of_a_run_that_is_over_nothing_is_to_come() -> None:
    plan = of(finished_plan())
    assert bar(plan, "docs") == "   ▄▄▄▄▄▄▄▄                   "
    assert bar(plan, "report") == "                ✗             "
    assert bar(plan, "check-accuracy") == "                ┃             "


def test_the_scale_stands_still_while_the_end_moves_a_little() -> None:
    now = running_now()
    scales = set()
    for more in (0.0, 3.0, 9.0):
        moved = msgspec.structs.replace(now, ends=BEGAN + 187.0 + more)
        scales.add(scale_of(of(planned(moved)), BEGAN, 60))
    (scale,) = scales
    assert (scale.start, scale.end) == (BEGAN, BEGAN + 200.0)


def test_zoomed_in_now_is_in_sight() -> None:
    plan = of(running_plan())
    for zoom in chart.ZOOMS:
        scale = scale_of(plan, BEGAN, 60, zoom)
        assert 0 <= scale.cell(plan.at) < 60
        assert scale.end - scale.start == pytest.approx(200.0 / zoom)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0"), (0.5, "0.5s"), (0.02, "0.02s"), (2, "2s"), (30, "30s"), (60, "1m"), (90, "1m30"), (5400, "1h30"),
        (7200, "2h"), (86_400, "1d"), (129_600, "1d12h"), (604_800, "1w"), (8_467_200, "14w"),
    ],
)  # fmt: skip
def test_ticks(seconds: float, told: str) -> None:
    assert tick_text(seconds) == told


@given(st.floats(0.001, 1e8), st.integers(1, 200), st.floats(0, 1e6))
def test_a_ruler_is_as_wide_as_its_chart(span: float, cells: int, late: float) -> None:
    scale = Scale(BEGAN + late, BEGAN + late + span, cells, BEGAN, None)
    assert len(scale.ruler()) == cells


moments = st.one_of(st.none(), st.floats(-50, 500))


@given(
    st.sampled_from(["waiting", "running", "ready", "done", "failed", "barred"]), moments, moments, moments, moments,
    st.integers(1, 120), st.sampled_from(chart.ZOOMS),
)  # fmt: skip
def test_whatever_is_told_a_bar_is_as_wide_as_its_chart(
    state: str,
    began: float | None,
    ended: float | None,
    starts: float | None,
    ends: float | None,
    cells: int,
    zoom: int,
) -> None:
    step = now_of(0, state, began=began, ended=ended, starts=starts, ends=ends, slack=7.0)
    plan = of(planned(PlanNow(AT, (step,), True, None), PlanOutline(0, 1, (step_of("a"),)), None))
    scale = scale_of(plan, BEGAN, cells, zoom)
    assert cell_len(text(step_bar(plan, plan.steps[0], scale))) == cells


# -- in words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("prepare", ""), ("index", "1 failed"),
        ("check-accuracy", "‖ waits for an answer: error is 3.2e-09, not <= 1e-12"),
        ("report", "an answer: gate check-accuracy"), ("docs", "claim docs/**"), ("release", "after report, docs"),
    ],
)  # fmt: skip
def test_why_a_step_does_not_go_on(name: str, why: str) -> None:
    view = blocked_plan()
    plan = of(view)
    step = next(step for step in plan.steps if step.name == name)
    assert reason(plan, step, view.claims)[0] == why


@pytest.mark.parametrize(
    ("state", "more", "why"),
    [
        ("delayed", {"until": 107.7}, "in 5s"), ("people", {}, "to be done by people"),
        ("ready", {}, "lane cloud: 10/10"),
        ("barred", {"why": "gate x: stop"}, "gate x: stop"), ("barred", {}, "what it comes after has failed"),
    ],
)  # fmt: skip
def test_other_reasons(state: str, more: dict[str, float], why: str) -> None:
    step = step_of("embed", lane="cloud")
    view = planned(PlanNow(AT, (now_of(0, state, **more),), True), PlanOutline(0, 1, (step,)))
    plan = of(view)
    assert reason(plan, plan.steps[0], view.claims)[0] == why


def test_what_the_end_hangs_on() -> None:
    told = texts(path_lines(running_plan(), 40))
    assert "the end in 01:25  at 12:03:07" in told
    assert "✓ 1 step is over" in told
    assert [line.split()[1] for line in told.splitlines()[3:8]] == [
        "embed",
        "train",
        "check-accuracy",
        "report",
        "release",
    ]
    assert told.splitlines()[3].split()[2:] == ["00:01:44", "-1.0s"]
    assert "index" in told.partition("by their slack")[2]


def test_of_a_run_that_is_over_the_chain_is_what_it_was() -> None:
    told = texts(path_lines(finished_plan(), 40))
    assert told.startswith("the run is over")
    assert [line.split()[1] for line in told.splitlines()[2:]] == [
        "prepare", "embed", "train", "check-accuracy", "report", "release",
    ]  # fmt: skip


def test_gates_and_milestones() -> None:
    told = texts(mark_lines(blocked_plan(), 60))
    assert "‖ check-accuracy  held: waits for an answer" in told
    assert "    error is 3.2e-09, not <= 1e-12" in told
    assert "reached 12:01:31  59.0s early" in told
    to_come = texts(mark_lines(running_plan(), 60))
    assert "┃ check-accuracy  to come" in to_come
    assert "    stop if error > 0.001" in to_come
    assert "in 01:00  12.0s late" in to_come
    assert "can't be reached" in texts(mark_lines(finished_plan(), 60))


def test_who_holds_what() -> None:
    told = texts(claim_lines(running_plan(), 60)).splitlines()
    assert told[0].startswith("lane local ██████ 1/1")
    assert told[1] == "  ■ index[0]  12s"
    assert told[2].endswith("10/10  377 wait")
    assert "    and 7 more" in told
    assert "claim docs/**  held  3 wait" in told
    assert "    next docs[3]" in told
    assert "claim data/**  shared" in told
    assert claim_lines(finished_plan(), 60) == []
    memory = msgspec.structs.replace(CLAIMS, memory=LaneView("memory", 2 << 30, 1 << 30, (), 3, ""))
    assert "memory ███    1.0GB/2.0GB  3 wait" in texts(claim_lines(planned(running_now(), claims=memory), 60))


def test_owners() -> None:
    told = texts(owner_lines(running_plan(), 80))
    assert "grace" in told
    assert "812/1.2k" in told
    assert "10 at work" in told
    assert owner_lines(one_step(), 80) == []


def test_all_of_a_step() -> None:
    plan = of(running_plan())
    told = texts(step_lines(plan, plan.steps[2], None, ["running: 813 of 1,200 over"], 80))
    for line in (
        "■ running  embed  ● the end hangs on it", "why         running: 813 of 1,200 over",
        "each        870ms measured, 500ms estimated", "belongs to  group model, owner grace, milestone model-ready",
        "lane        cloud", "  ✓ prepare  done  4/4  ●", "  · train  waiting  0/40  ●",
    ):  # fmt: skip
        assert line in told.splitlines(), line
    assert "1 s shorter moves the end by 1.0s" in told.replace("\n            ", " ")


@pytest.mark.parametrize("width", [20, 40, 58, 80, 140])
@pytest.mark.parametrize("view", [running_plan, blocked_plan, finished_plan, one_step, many_steps])
def test_nothing_is_wider_than_its_panel(view: object, width: int) -> None:
    made = view()  # type: ignore[operator]
    plan = of(made)
    lines = [line for teller in (mark_lines, claim_lines, owner_lines) for line in teller(made, width)]
    if width >= 36:
        lines += path_lines(made, width)
    assert [text(line) for line in lines if cell_len(text(line)) > width] == []
    lines = [line for step in plan.steps[:12] for line in step_lines(plan, step, made.claims, None, width)]
    assert [text(line) for line in lines if cell_len(text(line)) > width] == []


def test_texts_of_others_are_no_orders_to_the_terminal() -> None:
    steps = tuple(msgspec.structs.replace(step, name=f"{step.name}\x1b[31m\n") for step in OUTLINE.steps)
    view = planned(blocked_now(), msgspec.structs.replace(OUTLINE, steps=steps))
    plan = of(view)
    lines = [*path_lines(view, 60), *mark_lines(view, 60), *step_lines(plan, plan.steps[7], None, None, 60)]
    assert all(text(line).isprintable() for line in lines)
    assert all(row.name.isprintable() for row in Tree().rows(plan))
