"""Whose turn it is among the steps of a run: what comes after what, and the time that passes before some begin."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from typing import Final

from engine.plan.effort import span_text
from engine.plan.readiness import Readiness
from engine.plan.steps import RunSpec, Step, numbers
from engine.runtime.fleet.fleet import Fleet

NOBODY: Final = ""
"""In place of a pool, where a step needs no agent."""


class Turns:
    """Steps that are not opened, in the order of the plan.

    Attributes:
        left: how many there are.
    """

    def __init__(
        self, fleet: Fleet, spec: RunSpec, begun: Callable[[int], bool], barred: Callable[[Step], bool]
    ) -> None:
        """`begun`: whether a step had begun before the run was resumed, and so has waited. `barred`: whether it will
        fail, for a gate does not let it be begun, and so need not wait."""
        self._fleet = fleet
        self._spec = spec
        self._begun = begun
        self._barred = barred
        self._readiness = Readiness(numbers(spec.steps))
        self._ready: dict[str, list[int]] = {}
        self._timed: list[tuple[float, int]] = []
        self.left = len(spec.steps)
        self._due: dict[str, float] = {}
        for number in self._readiness.first:
            self._may_begin(number)

    def over(self, number: int) -> None:
        """A step is over."""
        for other in self._readiness.over(number):
            self._may_begin(other)

    def due(self, name: str) -> float | None:
        """When a step begins for which nothing but time has to pass, by the monotonic clock; None for any other."""
        return self._due.get(name)

    def comes_after(self, number: int) -> int:
        """How many steps are to be over before one."""
        return self._readiness.left(number)

    def ready(self, now: float, crowded: Callable[[str], bool]) -> Iterator[int]:
        """Steps whose turn it is, each once. `crowded`: of which pools no step is to be had now."""
        while self._timed and self._timed[0][0] <= now:
            _, number = heapq.heappop(self._timed)
            del self._due[self._spec.steps[number].name]
            self._stand(number)
        while True:
            heads = [(heap[0], pool) for pool, heap in self._ready.items() if heap and not crowded(pool)]
            if not heads:
                return
            number, pool = min(heads)
            heapq.heappop(self._ready[pool])
            self.left -= 1
            yield number

    def waits(self, crowded: Callable[[str], bool]) -> bool:
        """Whether it is some step's turn."""
        return any(heap and not crowded(pool) for pool, heap in self._ready.items())

    def pause(self, now: float) -> float | None:
        """Seconds until the first of those that wait for a time may begin; None where none does."""
        return max(0.0, self._timed[0][0] - now) if self._timed else None

    def _may_begin(self, number: int) -> None:
        step = self._spec.steps[number]
        if step.wait is not None and not self._barred(step):
            seconds = 0.0 if self._begun(number) else step.wait.likely
            if seconds:
                due = self._due[step.name] = time.monotonic() + seconds
                heapq.heappush(self._timed, (due, number))
                if self._fleet.core.draining:
                    return
                text = f"{step.name} begins in {span_text(seconds, self._spec.outline.calendar)}"
                self._fleet.event("info", "tasks.waiting", text, job=step.name, seconds=seconds)
                return
        self._stand(number)

    def _stand(self, number: int) -> None:
        heapq.heappush(self._ready.setdefault(place(self._spec.steps[number]), []), number)


def place(step: Step) -> str:
    """Where a step stands: with those of its pool, or with those that need no agent."""
    return NOBODY if step.of_people else step.pool
