"""A step of a run that has begun, and who hears what comes of its tasks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.plan.steps import Step
from engine.runtime.fleet.jobs import Group
from engine.runtime.plans.course import Course
from engine.runtime.results import OrderedWriter, row
from engine.wire import frames


@dataclass(slots=True, eq=False)
class Opened:
    """A step that has begun."""

    step: Step
    job: int
    """Its number in the record, which is its number in the plan, from 1."""
    function: int
    arguments: Iterator[Any]
    pool: int
    submitted: int = 0
    over: int = 0
    failed: int = 0
    exhausted: bool = False
    last_failed: int = 0
    """A range that had failures, 0 if none had."""
    keep: bool = False
    kept_arguments: list[Any] = field(default_factory=list)
    kept_values: list[Any] = field(default_factory=list)
    barred: str = ""
    """The gate that does not let its tasks be begun, and why."""
    bars: str = ""
    """The gate that does not let be begun what comes after it, and why."""
    first_failed: str = ""
    """The task of it that was the first to fail, and why, as one line; "" if none has."""
    passed: bool = False
    """It is over, and that was said."""
    course: Course = field(default_factory=Course)
    """How it has gone so far."""

    def close(self) -> None:
        """Let go of what its arguments come from."""
        if isinstance(self.arguments, Generator):
            self.arguments.close()

    @property
    def finished(self) -> bool:
        """All its tasks are over."""
        return self.exhausted and self.over >= self.submitted

    def know(self, began: float | None, seconds: float | None) -> None:
        """A task is over that was not run by this engine. None: nobody knows when it began, or how long it took."""
        self.over += 1
        self.course.know(began, seconds)


class Hears(Protocol):
    """What drives a run, as far as its sinks know it."""

    writer: OrderedWriter | None
    reports: list[Any]

    def read(self, item: Any, group: Group) -> Any:
        """The value of a result."""

    def label(self, opened: Opened) -> str | None:
        """Name of a step in a results file, None where there is only one."""

    def see(self, opened: Opened) -> None:
        """Some of its tasks are over; perhaps it is."""


class Sink:
    """Hears of one range of a step."""

    __slots__ = ("_base", "_driver", "_first_line", "_open", "range")

    def __init__(self, driver: Hears, opened: Opened, base: int, first_line: int) -> None:
        self._driver = driver
        self._open = opened
        self._base = base
        self._first_line = first_line
        self.range = 0

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        opened, driver = self._open, self._driver
        opened.over += len(group.items) - len(group.retried) - len(group.gone)
        opened.failed += len(group.failures)
        opened.course.hear(group)
        if group.failures and not opened.first_failed:
            index, failure = next(iter(group.failures.items()))
            told = f"{failure.type}: {failure.message}" if failure.type else failure.message
            opened.first_failed = f"{opened.step.name}[{self._base + index}]: {told}"
        if driver.writer is not None or opened.keep or opened.step.report:
            self._pass_on(group)
        driver.see(opened)

    def _pass_on(self, group: Group) -> None:
        opened, driver = self._open, self._driver
        for at, item in enumerate(group.items):
            index = group.first + at
            if index in group.retried or index in group.gone:
                continue
            failure = group.failures.get(index)
            if opened.keep:
                opened.kept_values[self._base + index] = None if failure else driver.read(item, group)
            if opened.step.report and failure is None:
                driver.reports.append(driver.read(item, group))
            if driver.writer is not None:
                line = row(self._base + index, driver.label(opened), item, group.parcels, failure)
                driver.writer.put(self._first_line + index, line)

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        opened, driver = self._open, self._driver
        opened.over += count
        opened.failed += count
        opened.course.lose(text)
        opened.first_failed = opened.first_failed or f"{opened.step.name}[{self._base + first}]: {text}"
        if driver.writer is not None:
            failure = frames.Failure(0, kind, "", text, "", b"")
            for index in range(first, first + count):
                line = row(self._base + index, driver.label(opened), None, [], failure)
                driver.writer.put(self._first_line + index, line)
        driver.see(opened)

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""
        if failed:
            self._open.last_failed = self.range
