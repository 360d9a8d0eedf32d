"""How a step of a run has gone so far: when its tasks began and ended, and how long they took."""

from __future__ import annotations

import time
from dataclasses import dataclass

from engine.runtime.fleet.jobs import Group


@dataclass(slots=True)
class Course:
    """Of one step. Moments are seconds since the Unix epoch."""

    began: float | None = None
    """When the first of its tasks that are over began."""
    ended: float | None = None
    """When the last of them ended."""
    seconds: float = 0.0
    """That they took, all together."""
    tasks: int = 0
    """Of which that is known."""
    why: str = ""
    """Why its tasks were ended that never began, of the first of them."""

    @property
    def mean(self) -> float | None:
        """Seconds that a task took on average, None where that is not known of any."""
        return self.seconds / self.tasks if self.tasks else None

    def hear(self, group: Group) -> None:
        """Tasks have had their outcomes, one after the other on the same agent."""
        behind = time.time() - time.monotonic()
        began, ended = group.started / 1e9 + behind, group.ends[-1] / 1e9 + behind
        if ended >= began:  # a task may have tampered with them
            self.add(began, ended - began, len(group.items))

    def add(self, began: float, seconds: float, tasks: int = 1) -> None:
        """Tasks began at a moment, and took so long together."""
        self.began = began if self.began is None else min(self.began, began)
        self.ended = began + seconds if self.ended is None else max(self.ended, began + seconds)
        self.seconds += seconds
        self.tasks += tasks

    def know(self, began: float | None, seconds: float | None) -> None:
        """A task is over that was not run by this engine: before the run was resumed, or by people. None: nobody knows
        when it began, or how long it took; it is over now, as far as anybody knows."""
        if began is not None and seconds is not None:
            self.add(began, seconds)
        else:
            self.ended = began or time.time()

    def lose(self, why: str) -> None:
        """The engine has ended tasks."""
        self.ended = time.time()
        self.why = self.why or why
