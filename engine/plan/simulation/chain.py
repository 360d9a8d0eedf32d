"""The chain of tasks that the end of a simulation hangs on: each began when the one before it was over, because it
comes after it, needed the one who did it, or what it held. With few workers this is not the critical path of the plan.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from engine.plan.simulation.model import Model
from engine.plan.simulation.schedule import AT_ONCE, BUSY, Schedule

Why: TypeAlias = Literal["beginning", "after", "worker", "claim"]


class Link(msgspec.Struct, frozen=True):
    """A stretch of the chain: one task, or time that passes before a step."""

    step: int
    task: int
    """Its index in the step; -1 where nobody works: a wait, or a step without work."""
    start: float
    end: float
    why: Why
    """Why it began no sooner: it is the first; it comes after the one before; nobody was free; what it claims, or its
    lane, was taken."""


def chain(model: Model, schedule: Schedule) -> list[Link]:
    """From the beginning to the end. Where several end last, that counts which comes after most others; where several
    let something begin, the first."""
    done = [number for number in range(len(model.nodes)) if number not in schedule.skipped]
    if not done:
        return []
    place = {number: at for at, number in enumerate(model.order)}
    last = max(done, key=lambda number: (schedule.finish[number], place[number]))
    links: list[Link] = []
    step, task = last, _last_task(schedule, last)
    while True:
        if task >= 0:
            start, end = schedule.start[task], schedule.end[task]
            index = task - schedule.first[step]
            why, blamed = schedule.why[task], schedule.blamed[task]
            if why != AT_ONCE and blamed >= 0:
                links.append(Link(step, index, start, end, "worker" if why == BUSY else "claim"))
                step, task = schedule.step_of(blamed), blamed
                continue
            if schedule.begin[step] > schedule.ready[step]:  # a wait lies before it
                links.append(Link(step, index, start, end, "after"))
                task = -1
                continue
        else:
            index = -1
            start, end = schedule.ready[step], schedule.begin[step]
        before = _latest(model, schedule, step)
        links.append(Link(step, index, start, end, "beginning" if before < 0 else "after"))
        if before < 0:
            return links[::-1]
        step, task = before, _last_task(schedule, before)


def _last_task(schedule: Schedule, step: int) -> int:
    """The task that ends a step; -1 where nobody works on it."""
    tasks = schedule.tasks(step)
    return next((task for task in tasks if schedule.end[task] == schedule.finish[step]), -1)


def _latest(model: Model, schedule: Schedule, step: int) -> int:
    """Of those that a step comes after, the one that is over last; -1 if there are none."""
    return min(model.before[step], key=lambda other: (-schedule.finish[other], other), default=-1)
