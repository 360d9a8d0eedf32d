"""Time that passes before tasks begin, though all that they come after is over."""

from __future__ import annotations

from collections.abc import Callable

from engine.plan.effort import Calendar, span_text
from engine.plan.steps import Step
from engine.runtime.run import Run


class Waits:
    """When steps of a run may begin."""

    def __init__(self, run: Run, calendar: Calendar) -> None:
        self._run = run
        self._calendar = calendar
        self._due: dict[str, float] = {}

    def over(self, step: Step, now: float, begun: Callable[[], bool]) -> bool:
        """Whether what is to pass before a step has passed. Asked for the first time, `now`, what it comes after has
        just come to its end; `begun` says whether the step had already begun before the run was resumed: then it waits
        no more."""
        if step.wait is None:
            return True
        due = self._due.get(step.name)
        if due is None:
            seconds = 0.0 if begun() else step.wait.likely
            due = self._due[step.name] = now + seconds
            if seconds:
                text = f"{step.name} begins in {span_text(seconds, self._calendar)}"
                self._run.fleet.event("info", "tasks.waiting", text, job=step.name, seconds=seconds)
        if now < due:
            return False
        del self._due[step.name]
        return True

    def due(self, name: str) -> float | None:
        """When a step may begin, by the monotonic clock; None: nobody has asked for it yet, or it has begun."""
        return self._due.get(name)

    def left(self, now: float) -> float | None:
        """Seconds until the first of those that were asked for may begin; None where none waits."""
        return max(0.0, min(self._due.values()) - now) if self._due else None
