"""How tasks that are not over are called, as people read and write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.runtime.fleet.fleet import Fleet

_NAME_MAX: Final = 60
"""Characters of a task's name."""
_TOLD: Final = 200
"""Characters of what was written that are said again."""
_TASK: Final = re.compile(r"(.+?)(?:\[(\d{1,12})\])?", re.DOTALL | re.ASCII)
_NUMBERED: Final = re.compile(r"(\d{1,15}):(\d{1,12})", re.ASCII)


class Unknown(ValueError):
    """No task, or several, are called so. The text is one line for people."""


def task_name(fleet: Fleet, number: int, index: int) -> str:
    """``job[number]`` of a task, by its range and its index there; ``range:index`` of one that is known no more."""
    if number in fleet.outside:
        return fleet.outside[number]
    job = fleet.job(number)
    return f"{number}:{index}" if job is None else f"{job.name[:_NAME_MAX] or 'task'}[{job.record[1] + index}]"


def range_name(fleet: Fleet, number: int) -> str:
    """Of a range that others come after, or of a gate."""
    job = fleet.job(number)
    if job is None:
        return f"gate {number}"
    name = job.name[:_NAME_MAX] or "task"
    return f"{name}[{job.record[1]}]" if job.count == 1 else f"{name} ({job.count:,} tasks)"


def find(fleet: Fleet, written: str) -> tuple[int, int]:
    """The range and index of a task that is not over, as somebody has written it: ``job[number]``, the job alone where
    it has one task, or ``range:index``. Raises `Unknown`."""
    if (match := _NUMBERED.fullmatch(written)) is not None:
        number, index = int(match[1]), int(match[2])
        job = fleet.job(number)
        if job is None or index >= job.count:
            raise Unknown(f"no task {written} is known: it is over, or never was")
        return number, index
    match = _TASK.fullmatch(written)
    name, at = (match[1], match[2]) if match is not None else (written, None)
    named = [(number, job) for number, job in fleet.jobs() if job.name == name]
    found = [
        (number, 0 if at is None else int(at) - job.record[1])
        for number, job in named
        if (job.count == 1 if at is None else 0 <= int(at) - job.record[1] < job.count)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(f"{number}:{index}" for number, index in found[:5])
        raise Unknown(f"{len(found):,} tasks are called {written[:_TOLD]}: say which, {several} ...")
    if at is None and named:
        first = named[0][1].record[1]
        raise Unknown(f"{name[:_TOLD]} has several tasks: say which, such as {name[:_TOLD]}[{first}]")
    raise Unknown(f"no task {written[:_TOLD]!r} that is not over; they are called NAME[NUMBER]")
