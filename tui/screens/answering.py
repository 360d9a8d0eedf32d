"""What people can say to a plan from the screens: decide on a gate that is held, or that work of theirs is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import format as fmt
from tui.plan.facts import Plan, Step
from tui.screens.choose import ChooseScreen, Way
from tui.screens.confirm import Question

if TYPE_CHECKING:
    from tui.app import ShoalApp


def held_gate(plan: Plan, step: Step) -> Step | None:
    """The gate that is held, if a step is one, or waits for one."""
    if step.gate is not None and step.gate.waits:
        return step
    if step.state != "held":
        return None
    gates = [plan.steps[number] for number in step.now.waits_for if number < len(plan.steps)]
    return next((gate for gate in gates if gate.gate is not None and gate.gate.waits), None)


def can_answer(plan: Plan, step: Step) -> bool:
    """Whether there is anything to be said about a step."""
    return held_gate(plan, step) is not None or (step.state == "people" and step.written.total == 1)


def answer(app: ShoalApp, plan: Plan, step: Step) -> None:
    """Have the user choose what to say about a step."""
    gate = held_gate(plan, step)
    if gate is not None:
        decide(app, gate)
    elif can_answer(plan, step):
        name = step.written.name
        question = Question(f"Is {step.name} done?", "What comes after it begins.", "done")
        app.order("done", name, question=question)


def decide(app: ShoalApp, gate: Step) -> None:
    """Have the user decide on a gate."""
    name = gate.written.name
    told = "\n".join(map(fmt.clean, gate.gate.reasons)) if gate.gate is not None else ""

    def stop(decided: str) -> None:
        question = Question(f"{decided.capitalize()} at gate {gate.name}?", "All that comes after it fails.", decided)
        app.order("gate", name, decided, question=question)

    ways = [
        Way("g", "go: what comes after it begins", lambda: app.order("gate", name, "go")),
        Way("p", "pivot: what comes after it fails", lambda: stop("pivot")),
        Way("s", "stop: what comes after it fails", lambda: stop("stop")),
    ]
    ChooseScreen.ask(app, f"gate {gate.name} is held", told, ways)
