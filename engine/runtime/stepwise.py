"""Why a step of a plan does not go on, as people are told."""

from __future__ import annotations

import time
from typing import Any, Final

from engine.core.tasks import READY, SENT, WAITING
from engine.core.wording import seconds
from engine.runtime.claimed import explained, explained_data
from engine.runtime.fleet import Fleet
from engine.runtime.planned import Planned
from engine.stream.plans import OVER, StepNow, StepOutline

_NAMED: Final = 10
"""Steps that it waits for that are named."""


def step_explained(planned: Planned, fleet: Fleet, name: str) -> dict[str, Any] | None:
    """What is known of a step: ``task``, ``state``, ``reasons`` and ``lines`` as of a task, `claimed.explained_data`.
    Where it has begun, also why the first of its tasks that wait does not run, as ``example``. None: there is no such
    step.
    """
    number = planned.number(name)
    if number is None:
        return None
    now = planned.now()
    step, written = now.steps[number], planned.outline.steps[number]
    data: dict[str, Any] = {
        "task": written.name,
        "state": step.state,
        "reasons": [],
        "lines": [_summary(written, step)],
    }
    if step.state in OVER:
        if step.why:
            data["lines"].append(step.why)
    elif step.state == "delayed":
        left = max(0.0, (step.until or 0.0) - time.time())
        data["reasons"] = [{"kind": "time", "seconds": round(left, 3)}]
        data["lines"].append(f"time has to pass first: {seconds(left)} are left")
    elif step.state in ("waiting", "held"):
        _waits(planned, now.steps, number, data)
    elif (found := _example(planned, fleet, name)) is not None:
        explanation, lines = explained(fleet, *found)
        data["example"] = example = explained_data(fleet, explanation, lines)
        data["reasons"] = example["reasons"]
        data["lines"] += [f"{example['task']}: {example['lines'][0]}", *example["lines"][1:]]
    return data


def _summary(written: StepOutline, step: StepNow) -> str:
    over = step.done + step.failed
    parts = [f"{step.state}: {over:,} {'tasks' if written.total is None else f'of {written.total:,}'} over"]
    if step.failed:
        parts.append(f"{step.failed:,} failed")
    if step.running:
        parts.append(f"{step.running:,} run{'s' if step.running == 1 else ''}")
    return ", ".join(parts)


def _waits(planned: Planned, steps: tuple[StepNow, ...], number: int, data: dict[str, Any]) -> None:
    step = steps[number]
    for other in planned.open_before(number)[:_NAMED]:
        name = planned.outline.steps[other].name if other < len(steps) else planned.name(other)
        if step.state == "held":
            data["reasons"].append({"kind": "gate", "name": name})
            data["lines"].append(f"gate {name} waits for an answer")
        else:
            data["reasons"].append({"kind": "dependency", "name": name})
            so_far = f" ({_summary(planned.outline.steps[other], steps[other])})" if other < len(steps) else ""
            data["lines"].append(f"it comes after {name}{so_far}")
    more = len(planned.open_before(number)) - _NAMED
    if more > 0:
        data["lines"].append(f"and after {more:,} more")


def _example(planned: Planned, fleet: Fleet, name: str) -> tuple[int, int] | None:
    """The first task of a step that waits, or else one that was sent: its range, and its index there."""
    number = planned.job(name)
    best: tuple[int, int, int] | None = None
    for range_id, job in fleet.jobs():
        if job.record[0] != number:
            continue
        found = fleet.core.ranges.get(range_id)
        if found is None:
            continue
        for worth, state in enumerate((READY, WAITING, SENT)):
            at = found.state.find(state)
            if at >= 0 and (best is None or worth < best[0]):
                best = worth, range_id, at
        if best is not None and best[0] == 0:
            break
    return None if best is None else best[1:]
