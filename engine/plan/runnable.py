"""Whether an engine can do all that a plan says."""

from __future__ import annotations

from engine.plan.gates import METRICS
from engine.plan.model import Gate
from engine.plan.ownership.matrix import prove
from engine.plan.steps import RunSpec, SpecError, Step
from engine.settings.fields import nearest


def check_runnable(where: str, spec: RunSpec) -> None:
    """Raises `SpecError`, in one line, for a plan that says what a run would not heed, or whose owners are in conflict.

    What only describes tasks (owners, teams, groups, milestones, labels, estimates, risks) hinders nobody.
    """
    conflicts = prove(spec.outline, spec.steps).conflicts
    if conflicts:
        more = f" (and {len(conflicts) - 1:,} more: shoal plan check)" if len(conflicts) > 1 else ""
        raise SpecError(f"{where}: {conflicts[0].text}{more}")
    for number, step in enumerate(spec.steps, 1):
        _check_metrics(f"{where}: tasks {number} ({step.name!r})", step)
        what = _unheeded(step)
        if what:
            raise SpecError(
                f"{where}: tasks {number} ({step.name!r}): {what}: such a plan can be checked and simulated "
                "(shoal plan), but not run yet"
            )


def _unheeded(step: Step) -> str:
    if step.call is None and step.command is None and step.gate is None:
        return "has neither a call nor a command: it is work of people"
    if step.memory is not None:
        return "says how much memory it takes, and a run does not plan by that"
    return ""


def _check_metrics(where: str, step: Step) -> None:
    """A gate that looks at what nobody measures would never let go on."""
    gate = step.gate or Gate()
    for condition in (*gate.go, *gate.pivot, *gate.stop):
        if condition.metric is not None and condition.metric not in METRICS:
            known = nearest(condition.metric, METRICS)
            raise SpecError(f"{where}: gate: a run has no metric {condition.metric!r}{known}")
