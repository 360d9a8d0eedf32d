"""Why a step of a plan does not go on, as people are told."""

from __future__ import annotations

from typing import Any

from engine.core.tasks import READY, SENT, WAITING
from engine.runtime.claimed import explained, explained_data
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.plans.planned import Planned
from engine.stream.plans import OVER, StepNow, StepOutline


def step_explained(planned: Planned, fleet: Fleet, name: str) -> dict[str, Any] | None:
    """What is known of a step that has begun, or is over: ``task``, ``state``, ``reasons`` and ``lines`` as of a task,
    `claimed.explained_data`; and as ``example`` why the first of its tasks that wait does not run. None: there is no
    such step, it has not begun, or people are waited for.
    """
    number = planned.number(name)
    if number is None:
        return None
    step, written = planned.now().steps[number], planned.outline.steps[number]
    if step.state not in (*OVER, "ready", "running") or planned.is_held(number):
        return None
    data: dict[str, Any] = {
        "task": written.name, "state": step.state, "seconds": None, "agent": None, "batch": None, "shard": None,
        "reasons": [], "lines": [_summary(written, step)],
    }  # fmt: skip
    if step.state in OVER:
        if step.why:
            data["lines"].append(step.why)
        return data
    found = _example(planned, fleet, name)
    if found is None:
        return None
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
