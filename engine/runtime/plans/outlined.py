"""A plan as it is written, as readers are told of it. Pure."""

from __future__ import annotations

from typing import Final

from engine.plan.gates import written
from engine.plan.steps import RunSpec, Step
from engine.stream.plans import STEPS_MAX, MilestoneOutline, OwnerOutline, PlanOutline, StepOutline

_TEXT: Final = 200
"""Characters of a name or a title."""
_FEW: Final = 4
"""Claims, labels and milestones of a step that are told of."""
_AFTER: Final = 20
"""Steps that one comes after that are told of."""
_SUMS: Final = 100
"""Groups, owners and milestones that are told of."""


def is_people(step: Step) -> bool:
    """Whether it is work of people."""
    return step.call is None and step.command is None and step.gate is None


def outlined(spec: RunSpec) -> PlanOutline:
    """All of it, in one message that may be too long for a reader."""
    at = {step.name: number for number, step in enumerate(spec.steps)}
    outline = spec.outline
    belongs: dict[str, list[int]] = {}
    milestones = list(outline.milestones.values())[:_SUMS]
    for place, milestone in enumerate(milestones):
        for name in milestone.tasks:
            belongs.setdefault(name, []).append(place)
    steps = [_step(step, at, tuple(belongs.get(step.name, ())[:_FEW])) for step in spec.steps[:STEPS_MAX]]
    return PlanOutline(
        0, len(steps), tuple(steps), (outline.title or spec.name)[:_TEXT], len(spec.steps) - len(steps),
        tuple((one.name[:_TEXT], one.title[:_TEXT]) for one in list(outline.groups.values())[:_SUMS]),
        tuple(OwnerOutline(o.name[:_TEXT], o.title[:_TEXT], o.workers) for o in list(outline.owners.values())[:_SUMS]),
        tuple(MilestoneOutline(m.name[:_TEXT], m.title[:_TEXT], m.target, len(m.tasks)) for m in milestones),
        outline.calendar.day, outline.calendar.week,
    )  # fmt: skip


def _step(step: Step, at: dict[str, int], milestones: tuple[int, ...]) -> StepOutline:
    after = [number for name in step.after if (number := at[name]) < STEPS_MAX]
    what = " ".join(step.command) if step.command is not None else step.call or ""
    return StepOutline(
        step.name[:_TEXT], step.title[:_TEXT], what[:_TEXT], step.total, tuple(after[:_AFTER]),
        max(0, len(step.after) - len(after[:_AFTER])), step.pool[:_TEXT], (step.owner or "")[:_TEXT],
        (step.team or "")[:_TEXT], (step.group or "")[:_TEXT], milestones, (step.lane or "")[:_TEXT],
        tuple(("shared " if claim.shared else "") + claim.what[:_TEXT] for claim in step.claims[:_FEW]),
        tuple(label[:_TEXT] for label in step.labels[:_FEW]),
        None if step.estimate is None else step.estimate.likely, 0.0 if step.wait is None else step.wait.likely,
        None if step.gate is None else tuple(line[:_TEXT] for line in written(step.gate)), step.priority,
        step.memory or 0, is_people(step),
    )  # fmt: skip
