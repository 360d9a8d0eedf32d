"""What a view knows of a plan: each step as it is written and as it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from engine.stream.plans import OVER, GateNow, PlanNow, PlanOutline, PlanSeen, StepNow, StepOutline
from engine.stream.types import ClaimsNow
from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Piece

State: TypeAlias = Literal[
    "waiting", "delayed", "held", "people", "ready", "running", "done", "failed", "barred", "not run"
]  # fmt: skip
"""As the stream has them, and ``not run`` for what is left of a run that is over."""

GLYPHS: Final[dict[State, Piece]] = {
    "waiting": ("·", "quiet"), "delayed": ("◌", "starting"), "held": ("‖", "warning"), "people": ("◐", "starting"),
    "ready": ("□", "idle"), "running": ("■", "busy"), "done": ("✓", "good"), "failed": ("✕", "error"),
    "barred": ("✗", "dead"), "not run": ("·", "quiet"),
}  # fmt: skip
"""By state, with the ink of the glyph."""
DECISIONS: Final[dict[str, Piece]] = {
    "go": ("✓", "good"), "pivot": ("▲", "warning"), "stop": ("✕", "error"), "hold": ("‖", "warning"),
}  # fmt: skip
CRITICAL: Final = "●"
"""Marks what the end of all hangs on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    number: int
    written: StepOutline
    now: StepNow
    gate: GateNow | None
    """What was decided on, if it is a gate, and if it was."""
    ended: bool = False
    """The run is over."""

    @property
    def name(self) -> str:
        """As people call it, fit for one line."""
        return fmt.clean(self.written.name)

    @property
    def state(self) -> State:
        """How it is."""
        return self.now.state if self.now.state in OVER or not self.ended else "not run"

    @property
    def over(self) -> bool:
        """Whether nothing of it is to come."""
        return self.now.state in OVER

    @property
    def critical(self) -> bool:
        """Whether the end of all hangs on it, or did."""
        return self.now.critical

    @property
    def finished(self) -> int:
        """Tasks that are over."""
        return self.now.done + self.now.failed


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All of it, at one moment."""

    steps: tuple[Step, ...]
    outline: PlanOutline
    told: PlanNow
    ended: bool

    @property
    def at(self) -> float:
        """When it was so, in seconds since the Unix epoch."""
        return self.told.at

    @property
    def ends(self) -> float | None:
        """When all may be over, or was."""
        return None if self.ended and self.told.ends is not None and self.told.ends > self.told.at else self.told.ends

    def chain(self) -> list[Step]:
        """The steps that the end hangs on."""
        return [self.steps[number] for number in self.told.chain if number < len(self.steps)]


def plan_of(view: View) -> Plan | None:
    """What a view knows of the plan; None where it does not know all of it, or there is none."""
    seen = view.plan
    if seen is None or not seen.complete or not seen.steps:
        return None
    return _joined(seen, view.over or (view.frame is not None and view.frame.state == "ended"))


@lru_cache(maxsize=4)
def _joined(seen: PlanSeen, ended: bool) -> Plan:
    """Made once for each that was heard, however many ask."""
    assert seen.outline is not None
    assert seen.told is not None
    gates = {gate.step: gate for gate in seen.told.gates}
    steps = [
        Step(number, written, now, gates.get(number), ended)
        for number, (written, now) in enumerate(zip(seen.steps, seen.now, strict=False))
        if now is not None
    ]
    return Plan(tuple(steps), seen.outline, seen.told, ended)


def named(steps: Sequence[Step], numbers: Sequence[int], more: int = 0) -> str:
    """Steps by their names: ``a, b +2``."""
    text = ", ".join(steps[number].name for number in numbers if number < len(steps))
    return f"{text} +{more}" if more else text


def reason(plan: Plan, step: Step, claims: ClaimsNow | None) -> Piece:
    """What a step waits for, or what came of it, in a few words, with their ink."""
    now = step.now
    match step.state:
        case "waiting":
            return f"after {named(plan.steps, now.waits_for, now.more)}", "quiet"
        case "delayed":
            return ("time to pass" if now.until is None else f"in {fmt.age(now.until - plan.at)}"), "starting"
        case "held":
            return f"an answer: gate {named(plan.steps, now.waits_for, now.more)}", "warning"
        case "people":
            return f"to be done by {fmt.clean(step.written.owner) or 'people'}", "starting"
        case "ready":
            return _resource(step, claims), ""
        case "barred":
            return fmt.clean(now.why) or "what it comes after has failed", "dead"
    if step.gate is not None:
        glyph, ink = DECISIONS.get(step.gate.decided, ("?", "quiet"))
        why = f": {fmt.clean(step.gate.reasons[0])}" if step.gate.reasons and step.gate.decided != "go" else ""
        return f"{glyph} {'waits for an answer' if step.gate.waits else step.gate.decided}{why}", ink
    if now.failed:
        return f"{fmt.count(now.failed)} failed", "error"
    if step.state == "running" and now.running:
        return f"{fmt.count(now.running)} at work", "quiet"
    return "", ""


def _resource(step: Step, claims: ClaimsNow | None) -> str:
    """What a step that could run is short of, as far as the stream tells."""
    if claims is not None:
        lane = next((lane for lane in claims.lanes if lane.name == step.written.lane), None)
        if lane is not None and lane.used >= lane.limit:
            return f"lane {fmt.clean(lane.name)}: {lane.used}/{lane.limit}"
        mine = f"{step.written.name[:60]}["
        claim = next((claim for claim in claims.claims if claim.next.startswith(mine)), None)
        if claim is not None:
            return f"claim {fmt.clean(claim.name)}"
    return "an agent"


def seconds_of(plan: Plan, step: Step) -> float | None:
    """How long a step has gone on, or took; None where it has not begun."""
    now = step.now
    if now.began is None:
        return None
    end = now.ended if step.over or step.ended else plan.at
    return None if end is None else max(0.0, end - now.began)
