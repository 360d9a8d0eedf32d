"""When everything happened in a simulation, in columns: a million tasks are a few arrays."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import Final

NEVER: Final = inf
AT_ONCE, BUSY, HELD = range(3)
"""Why a task began when it did: it could; somebody came free; what it needs was given back."""


@dataclass(slots=True)
class Schedule:
    """Times in seconds from the beginning. Tasks are counted through all steps.

    Attributes:
        first: the first task of each step; and how many there are in all.
        ready: by step, when all that it comes after was over.
        begin: by step, when its first task could begin.
        finish: by step, when its last task was over.
        start, end: by task.
        worker: by task, who did it, counted through all resources.
        blamed: by task, the one for whose end it waited, -1 where it began once it could.
        why: by task, `AT_ONCE`, `BUSY` or `HELD`.
        skipped: steps that did not run, because a gate did not let them.
        length: when all was over.
    """

    first: list[int]
    ready: list[float]
    begin: list[float]
    finish: list[float]
    start: array[float]
    end: array[float]
    worker: array[int]
    blamed: array[int]
    why: bytearray
    skipped: set[int] = field(default_factory=set)
    length: float = 0.0

    @classmethod
    def empty(cls, tasks: Sequence[int]) -> Schedule:
        """Nothing has happened. `tasks`: how many each step has."""
        first = [0, *accumulate(tasks)]
        count, steps = first[-1], len(tasks)
        return cls(
            first, [NEVER] * steps, [NEVER] * steps, [0.0] * steps, array("d", bytes(8 * count)),
            array("d", bytes(8 * count)), array("q", bytes(8 * count)), array("q", [-1]) * count, bytearray(count),
        )  # fmt: skip

    def close(self) -> None:
        """All has happened."""
        done = [finish for number, finish in enumerate(self.finish) if number not in self.skipped]
        self.length = max(done, default=0.0)

    def step_of(self, task: int) -> int:
        """The step of a task."""
        return bisect_right(self.first, task) - 1

    def tasks(self, step: int) -> range:
        """The tasks of a step."""
        return range(self.first[step], self.first[step + 1])

    def waited(self, step: int) -> float:
        """Seconds that its tasks could have begun and did not, in all."""
        return sum(self.start[task] - self.begin[step] for task in self.tasks(step))

    def worked(self, step: int) -> float:
        """Seconds that its tasks took, in all."""
        return sum(self.end[task] - self.start[task] for task in self.tasks(step))
