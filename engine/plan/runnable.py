"""Whether an engine can do all that a plan says, here and now."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.admission import size
from engine.plan.gates import METRICS
from engine.plan.model import Gate
from engine.plan.ownership.matrix import prove
from engine.plan.steps import RunSpec, SpecError, Step
from engine.settings.fields import nearest


def check_runnable(where: str, spec: RunSpec) -> None:
    """Raises `SpecError`, in one line, for a plan whose owners are in conflict, or with work of people where nobody
    said what is to become of that.

    What only describes tasks (owners, teams, groups, milestones, labels, estimates, risks) hinders nobody.
    """
    conflicts = prove(spec.outline, spec.steps).conflicts
    if conflicts:
        more = f" (and {len(conflicts) - 1:,} more: shoal plan check)" if len(conflicts) > 1 else ""
        raise SpecError(f"{where}: {conflicts[0].text}{more}")
    for number, step in enumerate(spec.steps, 1):
        _check_metrics(f"{where}: tasks {number} ({step.name!r})", step)
    people = [step for step in spec.steps if step.of_people]
    if people and spec.settings.plan_people == "refuse":
        number = spec.steps.index(people[0]) + 1
        others = len(people) - 1
        more = f", as are {others:,} more sets" if others > 1 else ", as is 1 more set" if others else ""
        raise SpecError(
            f"{where}: tasks {number} ({people[0].name!r}): neither a call nor a command: it is work of people{more}: "
            "--people wait waits until `shoal ctl done` says it is done, --people skip goes on as if it were"
        )


def check_memory(where: str, steps: Sequence[Step], limit: int | None) -> None:
    """Raises `SpecError`, in one line, for tasks that say they take more than `limit` bytes; None: nobody knows how
    much there is."""
    for number, step in enumerate(steps, 1):
        if limit is not None and (step.memory or 0) > limit:
            raise SpecError(
                f"{where}: tasks {number} ({step.name!r}): takes {size(step.memory or 0)} of memory, and all tasks "
                f"together may take {size(limit)} here: the machine's less memory_reserve, or --set memory_tasks=SIZE"
            )


def _check_metrics(where: str, step: Step) -> None:
    """A gate that looks at what nobody measures would never let go on."""
    gate = step.gate or Gate()
    for condition in (*gate.go, *gate.pivot, *gate.stop):
        if condition.metric is not None and condition.metric not in METRICS:
            known = nearest(condition.metric, METRICS)
            raise SpecError(f"{where}: gate: a run has no metric {condition.metric!r}{known}")
