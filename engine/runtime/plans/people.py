"""Work of people in a run: what waits to be done by whom, until somebody says that it is, or that it failed.

It takes no agent, but it holds what it claims, and its place in its lane, from when people are told of it until then.
Tasks of agents that wait for the same come before it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from engine.core.claims import Claim
from engine.plan.claims import Held
from engine.plan.steps import RunSpec
from engine.runtime.plans.opened import Opened
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
    hold: int
    """Under which number it holds what it claims, 0 where that is nothing."""


_Wanted: TypeAlias = tuple[tuple[Claim, ...], str | None]


class _Barred:
    """Tasks that claim the same, and can't have it yet."""

    def __init__(self) -> None:
        self.tasks: deque[tuple[Opened, int, int]] = deque()
        """With their numbers, and their lines in the results."""
        self.bar = ""
        """What is not free."""


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
        self._barred: dict[_Wanted, _Barred] = {}
        self._releases = -1

    @property
    def waits(self) -> bool:
        """Something is to be done."""
        return bool(self.open or self._barred)

    def bar(self, name: str, index: int | None) -> str | None:
        """What a task, or some task of a step, can't have yet that it claims; None where none waits for that."""
        for barred in self._barred.values():
            if any(opened.step.name == name and index in (None, at) for opened, at, _ in barred.tasks):
                return barred.bar
        return None

    def wait_for(self, opened: Opened, first: int, stop: int, line: int, claims: Held, offset: int) -> None:
        """All that comes before tasks first..stop-1 of a step is over: it is people's turn. Where their work is
        skipped, they are done. `claims`: what they claim, from the task `offset` of these on."""
        step = opened.step
        common, each = claims
        if self._skips:
            for index in range(first, stop):
                self._done(opened, index, Work(line + index - first, time.time(), 0), {"skipped": True})
            return
        self._opened[step.name] = opened
        if not common and each is None and step.lane is None:
            now = time.time()
            known = self.open.setdefault(step.name, {})
            known.update((index, Work(line + index - first, now, 0)) for index in range(first, stop))
            self._tell(opened, first, stop - first)
            return
        for index in range(first, stop):
            wanted = common + (() if each is None else each[offset + index - first]), step.lane
            self._barred.setdefault(wanted, _Barred()).tasks.append((opened, index, line + index - first))
        self._releases = -1

    def look(self) -> None:
        """Begin what can have by now all that it claims."""
        core = self._run.fleet.core
        if not self._barred or self._releases == core.desk.releases:
            return
        self._releases = core.desk.releases
        for wanted, barred in list(self._barred.items()):
            while barred.tasks:
                number, barred.bar = core.hold(time.monotonic(), *wanted) if any(wanted) else (0, "")
                if barred.bar:
                    break
                opened, index, line = barred.tasks.popleft()
                name = opened.step.name
                if number:
                    self._run.fleet.outside[number] = name if opened.step.total == 1 else f"{name}[{index}]"
                self.open.setdefault(name, {})[index] = Work(line, time.time(), number)
                self._tell(opened, index, 1)
            if not barred.tasks:
                del self._barred[wanted]

    def _tell(self, opened: Opened, first: int, count: int) -> None:
        step = opened.step
        tasks = "waits" if count == 1 else f"{count:,} tasks wait"
        whom = f" by {step.owner}" if step.owner else ""
        name = step.name if step.total == 1 else f"{step.name}[{first}]"
        text = f"{name if count == 1 else step.name}: {tasks} to be done{whom}: shoal ctl done {name}"
        self._run.fleet.event("info", "work.open", text, job=step.name, owner=step.owner, tasks=count)

    def done(self, name: str, index: int, who: str, note: str = "", found: Mapping[str, Any] | None = None) -> None:
        """Somebody says that a task is done, and what was `found`: gates, and tasks that take its result, see it."""
        value = {**(found or {}), "by": who, "at": round(time.time(), 3), **({"note": note} if note else {})}
        self._done(self._opened[name], index, self._take(name, index), value)

    def failed(self, name: str, index: int, who: str, why: str) -> None:
        """Somebody says that a task can't be done, or was in vain."""
        opened, work = self._opened[name], self._take(name, index)
        text = f"{why} (said by {who})"
        self._run.books.keep_said(opened.job, index, time.time(), None, (KIND, text))
        self._hears.said(opened, index, work.line, None, frames.Failure(0, KIND, "", text, "", b""))

    def _done(self, opened: Opened, index: int, work: Work, value: dict[str, Any]) -> None:
        self._run.books.keep_said(opened.job, index, time.time(), value, None)
        self._hears.said(opened, index, work.line, value, None)

    def _take(self, name: str, index: int) -> Work:
        work = self.open[name].pop(index)
        if not self.open[name]:
            del self.open[name]
        if work.hold:
            self._run.fleet.core.let_go(work.hold)
            del self._run.fleet.outside[work.hold]
        return work
