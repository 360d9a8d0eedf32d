"""The plan of a run as text and as JSON, as `shoal watch` and `shoal status` tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from engine.cli.words import countdown, duration, number, printable, several

if TYPE_CHECKING:
    from engine.stream.plans import GateNow, PlanSeen, StepNow, StepOutline

_MOST: Final = 40
"""Steps that have a line each; of more, those that are of interest."""
_NAMED: Final = 8
"""Of the steps that the end hangs on, those that are named."""


def plan_lines(plan: PlanSeen) -> Iterator[str]:
    """All of it, for people."""
    from engine.stream.plans import OVER

    outline, told = plan.outline, plan.told
    if outline is None or told is None:
        return
    if not outline.count:
        yield "plan: none, for this run is part of a program"
        return
    now = [step for step in plan.now if step is not None]
    counts = {state: sum(step.state == state for step in now) for state in dict.fromkeys(step.state for step in now)}
    ends = "" if told.ends is None else f"; {_when(told.ends, told.at)}"
    yield (
        f"plan {printable(outline.title)}: {several(outline.count + outline.left, 'step')}: "
        f"{', '.join(f'{number(n)} {state}' for state, n in counts.items())}{ends}"
    )
    shown = now if len(now) <= _MOST else [step for step in now if step.state not in (*OVER, "waiting")][:_MOST]
    for step in shown:
        yield f"  {_step(plan, plan.steps[step.number], step, told.at)}"
    if len(shown) < len(now):
        yield f"  {several(len(now) - len(shown), 'step')} more"
    chain = [one for one in told.chain if one < len(now) and now[one].state not in OVER]
    if chain and not told.guessed:
        names = " -> ".join(printable(plan.steps[one].name) for one in chain[:_NAMED])
        yield f"  the end hangs on {names}" + (f" and {len(chain) - _NAMED} more" if len(chain) > _NAMED else "")
    for gate in told.gates:
        yield f"  {_gate(plan, gate)}"
    for written, one in zip(outline.milestones, told.milestones, strict=False):
        target = "" if written.target is None else f", target {duration(written.target)}"
        slack = "" if one.slack is None else f", {duration(abs(one.slack))} {'early' if one.slack >= 0 else 'late'}"
        when = "" if one.ends is None else f", {'reached' if one.reached else _when(one.ends, told.at)}"
        so_far = f"{number(one.done)}/{number(one.tasks)} tasks done"
        yield f"  milestone {printable(written.name)}: {so_far}{target}{when}{slack}"
    for owner, doing in zip(outline.owners, told.owners, strict=False):
        left = "" if doing.left is None else f", {duration(doing.left)} of work left"
        yield f"  owner {printable(owner.name)}: {number(doing.done)}/{number(doing.tasks)} tasks done{left}"


def _when(ends: float, at: float) -> str:
    return f"ends in about {countdown(ends - at)}" if ends > at else f"ended {countdown(at - ends)} ago"


def _step(plan: PlanSeen, written: StepOutline, step: StepNow, at: float) -> str:
    whole = "" if written.total is None else f"/{number(written.total)}"
    parts = [f"{printable(written.name)}: {step.state}, {number(step.done)}{whole} done"]
    if step.failed:
        parts.append(f"{number(step.failed)} failed")
    if step.running:
        parts.append(f"{number(step.running)} running")
    if step.state == "running" and step.began is not None:
        parts.append(f"for {countdown(at - step.began)}")
    if step.mean is not None:
        parts.append(f"{duration(step.mean)} each")
    if step.waits_for:
        names = ", ".join(printable(plan.steps[one].name) for one in step.waits_for)
        parts.append(f"waits for {names}" + (f" and {step.more} more" if step.more else ""))
    if step.until is not None:
        parts.append(f"begins in {countdown(step.until - at)}")
    if step.why:
        parts.append(printable(step.why))
    if step.critical and step.slack is not None:
        parts.append("critical")
    elif step.slack:
        parts.append(f"{duration(step.slack)} of slack")
    return ", ".join(parts)


def _gate(plan: PlanSeen, gate: GateNow) -> str:
    why = f" ({'; '.join(map(printable, gate.reasons))})" if gate.reasons else ""
    waits = ", and waits for an answer" if gate.waits else ""
    return f"gate {printable(plan.steps[gate.step].name)}: {gate.decided}{waits}{why}"


def plan_object(plan: PlanSeen) -> dict[str, Any]:
    """All of it by name: steps with how they are written and how they are; what they come after by name."""
    from engine.cli.live.objects import plain

    outline, told = plan.outline, plan.told
    assert outline is not None
    assert told is not None
    names = [step.name for step in plan.steps]
    steps = []
    for written, step in zip(plan.steps, plan.now, strict=False):
        after, waits = (
            tuple(names[one] for one in numbers) for numbers in (written.after, step.waits_for if step else ())
        )
        made = {**plain(written), **plain(step), "after": list(after), "waits_for": list(waits)}
        made["milestones"] = [outline.milestones[place].name for place in written.milestones]
        del made["number"]
        steps.append(made)
    return {
        "title": outline.title, "at": told.at, "ends": told.ends, "guessed": told.guessed, "steps": steps,
        "left": outline.left, "chain": [names[one] for one in told.chain],
        "gates": [{**plain(gate), "step": names[gate.step]} for gate in told.gates],
        "milestones": [
            {**plain(written), **plain(one)} for written, one in zip(outline.milestones, told.milestones, strict=False)
        ],
        "owners": [{**plain(owner), **plain(one)} for owner, one in zip(outline.owners, told.owners, strict=False)],
    }  # fmt: skip
