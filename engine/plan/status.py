"""How far a plan is: what is done, what goes on, what is next, what waits for what. Pure: counts go in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from engine.plan.analysis.network import work_of
from engine.plan.order import topological
from engine.plan.steps import RunSpec, Step, numbers

State: TypeAlias = Literal["done", "failed", "begun", "next", "blocked"]


class Count(msgspec.Struct, frozen=True):
    """What came of the tasks of a step so far."""

    done: int = 0
    failed: int = 0


class StepState(msgspec.Struct, frozen=True):
    """How far a step is."""

    name: str
    state: State
    tasks: int
    done: int
    failed: int
    work: float
    """Seconds, of all its tasks."""
    blocked_by: tuple[str, ...] = ()
    """Steps that it comes after and that are not done; of a blocked one."""

    @property
    def share(self) -> float:
        """Of its tasks that are done."""
        return self.done / self.tasks if self.tasks else 1.0


class Sum(msgspec.Struct, frozen=True):
    """Several steps together."""

    name: str
    title: str
    steps: int
    steps_done: int
    tasks: int
    done: int
    failed: int
    work: float
    work_done: float

    @property
    def share(self) -> float:
        """Of the work that is done; of the tasks where no work was estimated."""
        if self.work:
            return self.work_done / self.work
        return self.done / self.tasks if self.tasks else 0.0


def states(spec: RunSpec, counts: Mapping[str, Count]) -> list[StepState]:
    """Of each step, in the order of the plan. `counts`: of those that were begun, by name."""
    steps = spec.steps
    before = numbers(steps)
    found: list[StepState | None] = [None] * len(steps)
    for number in topological(before):
        step, count = steps[number], counts.get(steps[number].name)
        tasks = step.total or 1
        open_ = tuple(
            steps[other].name for other in before[number] if (one := found[other]) is None or one.state != "done"
        )
        done, failed = (0, 0) if count is None else (count.done, count.failed)
        state: State
        if done >= tasks:
            state = "done"
        elif done + failed >= tasks:
            state = "failed"
        elif count is not None:
            state = "begun"
        else:
            state = "blocked" if open_ else "next"
        blocked = open_ if state == "blocked" else ()
        found[number] = StepState(step.name, state, tasks, done, failed, work_of(step), blocked)
    return [one for one in found if one is not None]


def total(name: str, title: str, found: Iterable[StepState]) -> Sum:
    """Of some steps."""
    kept = list(found)
    return Sum(
        name, title, len(kept), sum(one.state == "done" for one in kept), sum(one.tasks for one in kept),
        sum(one.done for one in kept), sum(one.failed for one in kept), sum(one.work for one in kept),
        sum(one.work * one.share for one in kept),
    )  # fmt: skip


def by_group(spec: RunSpec, found: Sequence[StepState]) -> list[Sum]:
    """Of each group, in the order of the plan; those without a group last, if there are any beside others."""
    members: dict[str, list[StepState]] = {name: [] for name in spec.outline.groups}
    rest: list[StepState] = []
    for step, one in zip(spec.steps, found, strict=True):
        (rest if step.group is None else members[step.group]).append(one)
    sums = [total(name, spec.outline.groups[name].title, kept) for name, kept in members.items() if kept]
    return [*sums, total("", "others", rest)] if rest and sums else sums


def by_owner(spec: RunSpec, found: Sequence[StepState]) -> list[Sum]:
    """Of each owner."""
    members: dict[str, list[StepState]] = {name: [] for name in spec.outline.owners}
    for step, one in zip(spec.steps, found, strict=True):
        if step.owner is not None:
            members[step.owner].append(one)
    return [total(name, spec.outline.owners[name].title, kept) for name, kept in members.items()]


def by_milestone(spec: RunSpec, found: Sequence[StepState]) -> list[Sum]:
    """Of each milestone."""
    known = {one.name: one for one in found}
    return [total(one.name, one.title, [known[name] for name in one.tasks]) for one in spec.outline.milestones.values()]


def members(spec: RunSpec, names: Iterable[str]) -> list[Step]:
    """The steps that are meant by names of steps and of groups."""
    wanted = set(names)
    return [step for step in spec.steps if step.name in wanted or step.group in wanted]
