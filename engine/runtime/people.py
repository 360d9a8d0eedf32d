"""Work of people in a run: what waits to be done by whom, until somebody says that it is, or that it failed."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple, Protocol

from engine.plan.steps import RunSpec
from engine.runtime.opened import Opened
from engine.runtime.run import Run
from engine.wire import frames

KIND: Final = "people"
"""Of failures that somebody has said."""


class Hears(Protocol):
    """Who is told what came of such work."""

    def said(self, opened: Opened, index: int, line: int, value: Any, failure: frames.Failure | None) -> None:
        """A task is done, or failed; `line` is its own in the results."""


class Work(NamedTuple):
    """A task that is waited for."""

    line: int
    """Its own in the results."""
    since: float
    """Seconds since the Unix epoch."""


class People:
    """What a run waits for.

    Attributes:
        open: by step, and by number of the task in it.
    """

    def __init__(self, run: Run, spec: RunSpec, hears: Hears) -> None:
        self._run = run
        self._skips = spec.settings.plan_people == "skip"
        self._hears = hears
        self._opened: dict[str, Opened] = {}
        self.open: dict[str, dict[int, Work]] = {}

    def wait_for(self, opened: Opened, first: int, stop: int, line: int) -> None:
        """All that comes before tasks first..stop-1 of a step is over: it is people's turn. Where their work is
        skipped, they are done."""
        name, step = opened.step.name, opened.step
        if self._skips:
            for index in range(first, stop):
                self._done(opened, index, Work(line + index - first, time.time()), {"skipped": True})
            return
        self._opened[name] = opened
        known = self.open.setdefault(name, {})
        now = time.time()
        known.update((index, Work(line + index - first, now)) for index in range(first, stop))
        tasks = "waits" if stop - first == 1 else f"{stop - first:,} tasks wait"
        whom = f" by {step.owner}" if step.owner else ""
        example = name if step.total == 1 else f"{name}[{first}]"
        text = f"{name}: {tasks} to be done{whom}: shoal ctl done {example}"
        self._run.fleet.event("info", "work.open", text, job=name, owner=step.owner, tasks=stop - first)

    def done(self, name: str, index: int, who: str, note: str = "") -> None:
        """Somebody says that a task is done."""
        value = {"by": who, "at": round(time.time(), 3), **({"note": note} if note else {})}
        self._done(self._opened[name], index, self._take(name, index), value)

    def failed(self, name: str, index: int, who: str, why: str) -> None:
        """Somebody says that a task can't be done, or was in vain."""
        opened, work = self._opened[name], self._take(name, index)
        text = f"{why} (said by {who})"
        self._run.keep_said(opened.job, index, time.time(), None, (KIND, text))
        self._hears.said(opened, index, work.line, None, frames.Failure(0, KIND, "", text, "", b""))

    def _done(self, opened: Opened, index: int, work: Work, value: dict[str, Any]) -> None:
        self._run.keep_said(opened.job, index, time.time(), value, None)
        self._hears.said(opened, index, work.line, value, None)

    def _take(self, name: str, index: int) -> Work:
        work = self.open[name].pop(index)
        if not self.open[name]:
            del self.open[name]
        return work
