"""Drives a run by its spec: feeds each step's arguments in as there is room, collects what comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from engine.core.tasks import Options
from engine.plan.steps import RunSpec, SpecError, Step
from engine.procs.agent import COMMAND
from engine.runtime.earlier import Earlier, Known, is_large, item_of, line_of
from engine.runtime.jobs import Group, Items, Job
from engine.runtime.results import OrderedWriter, Unreadable, row, to_json, value_of
from engine.runtime.run import Run
from engine.wire import frames, values
from engine.wire.memory import Parcel

CHUNK: Final = 2_000
"""Arguments taken from a step at once, as one range."""
READY: Final = 20_000
"""Tasks that wait in the core at most, before more are taken: so endless arguments need constant memory."""
AHEAD: Final = 200_000
"""Results that may wait for an earlier one before nothing more is taken."""
_LOOKED_UP: Final = 10 * CHUNK
"""Tasks whose outcomes are looked up at once, where a run is resumed, before others have their turn."""


@dataclass(slots=True)
class _Open:
    """A step that runs."""

    step: Step
    job: int
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


class _Sink:
    """Hears of one range of a step."""

    __slots__ = ("_base", "_driver", "_first_line", "_open", "range")

    def __init__(self, driver: Driver, opened: _Open, base: int, first_line: int) -> None:
        self._driver = driver
        self._open = opened
        self._base = base
        self._first_line = first_line
        self.range = 0

    def outcomes(self, group: Group) -> None:
        opened, driver = self._open, self._driver
        over = len(group.items) - len(group.retried) - len(group.gone)
        opened.over += over
        opened.failed += len(group.failures)
        if driver.writer is None and not opened.keep and not opened.step.report:
            return
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
        opened, driver = self._open, self._driver
        opened.over += count
        opened.failed += count
        if driver.writer is not None:
            failure = frames.Failure(0, kind, "", text, "", b"")
            for index in range(first, first + count):
                line = row(self._base + index, driver.label(opened), None, [], failure)
                driver.writer.put(self._first_line + index, line)

    def finished(self, failed: int) -> None:
        if failed:
            self._open.last_failed = self.range


class Driver:
    """Runs a spec to its end.

    Attributes:
        writer: where results go, None for nowhere.
        reports: values of the steps that are the run's report.
        problem: why the arguments can't be read any further; the run is then drained.
        more: there is more to be fed at once.
        again: tasks that run again though they were done, because their results are too large for the database.
    """

    def __init__(self, run: Run, spec: RunSpec, writer: OrderedWriter | None, earlier: Earlier | None = None) -> None:
        """`earlier`: what came of tasks before this run was begun, or resumed."""
        self._run = run
        self._spec = spec
        self.writer = writer
        self.reports: list[Any] = []
        self.problem: SpecError | None = None
        self.more = False
        self.again = 0
        self._earlier = earlier
        self._lines = 0
        self._kept_all = True
        self._told_unreadable = False
        self._pools = {pool.name: number for number, pool in enumerate(spec.pools)}
        self._waiting = list(spec.steps)
        self._steps: dict[str, _Open] = {}
        self._kept = {step.gather for step in spec.steps if step.gather}
        totals = [step.total for step in spec.steps]
        run.total = None if None in totals else sum(total or 0 for total in totals)

    def label(self, opened: _Open) -> str | None:
        """Name of a step in a results file, None where there is only one."""
        return opened.step.name if len(self._spec.steps) > 1 else None

    def read(self, item: Any, group: Group) -> Any:
        """The value of a result; None, and once a warning, for one that can't be read in this process."""
        return self._value(item, group.parcels)

    def _value(self, item: Any, parcels: list[Parcel]) -> Any:
        try:
            return value_of(item, parcels)
        except Unreadable as error:
            if not self._told_unreadable:
                self._told_unreadable = True
                text = f"a result can't be read here, and counts as None: {error}"
                self._run.fleet.event("warning", "result.unreadable", text)
            return None

    @property
    def resumes(self) -> bool:
        """Whether something may be known of its tasks from before."""
        return self._earlier is not None

    @property
    def over(self) -> bool:
        """Every task of every step is over."""
        return not self._waiting and all(s.exhausted and s.over >= s.submitted for s in self._steps.values())

    @property
    def settled(self) -> bool:
        """The same, but results may still wait until they are in the database."""
        exhausted = not self._waiting and all(opened.exhausted for opened in self._steps.values())
        return exhausted and not self._run.fleet.core.ranges

    def feed(self) -> None:
        """Take in more arguments, where there is room for more tasks."""
        core = self._run.fleet.core
        if core.draining or self.problem is not None:
            return
        self.more = False
        self._open_steps()
        begun = sum(self._run.before)
        for opened in self._steps.values():
            while not opened.exhausted and not self._run.crowded:
                if core.pools[opened.pool].queued >= READY or core.submitted - core.over > AHEAD:
                    break
                if self.writer is not None and self.writer.waiting > AHEAD:
                    break
                try:
                    if not self._take(opened):
                        break
                except SpecError as error:  # what was done before can't be asked for
                    self.problem = error
                    return
                if sum(self._run.before) - begun >= _LOOKED_UP:
                    self.more = True
                    return
        # Those that come after a step of which nothing was left to be run.
        self.more = sum(self._run.before) > begun and bool(self._waiting)

    def _open_steps(self) -> None:
        for step in list(self._waiting):
            before = [self._steps.get(name) for name in step.after]
            if any(s is None or not s.exhausted or s.over < s.submitted for s in before):
                continue
            self._waiting.remove(step)
            fleet = self._run.fleet
            if step.command is not None:
                function = fleet.functions.define(COMMAND, values.encode(step.command))
                call = " ".join(step.command)
            else:
                assert step.call is not None
                function, call = fleet.functions.define(step.call), step.call
            pool = self._pools[step.pool]
            keep = step.name in self._kept
            # Numbered as in the plan: the order in which they begin may be another one when the run is resumed.
            number = self._spec.steps.index(step) + 1
            job = self._run.add_job(step.name, call, pool, number, exact=keep or step.report)
            arguments = iter(step.arguments)
            if step.gather is not None:
                source = self._steps[step.gather]
                arguments = iter([(source.kept_arguments, source.kept_values)])
            self._steps[step.name] = _Open(step, job, function, arguments, pool, keep=keep)

    def _take(self, opened: _Open) -> bool:
        """Submit one more chunk; False if there is nothing to be had now."""
        found: list[Any] = []
        try:
            for value in opened.arguments:
                if value is NOTHING_YET:
                    break
                found.append(value)
                if len(found) == CHUNK:
                    break
            else:
                opened.exhausted = True
        except SpecError as error:
            self.problem = error
        step = opened.step
        if not found:
            if opened.exhausted and step.stream:
                self._keep(opened.submitted, [], True)
            return False
        star = step.command is not None or step.keywords or step.gather is not None
        if step.command is not None:
            held = [
                values.hold(((None if item is None else command_text(item), opened.submitted + n), {}))
                for n, item in enumerate(found, 1)
            ]
        elif step.keywords:
            held = [values.hold(((), keywords)) for keywords in found]
        elif step.gather is not None:
            held = [values.hold((arguments, {})) for arguments in found]
        else:
            held = found if values.is_plain(found) else [values.hold(value) for value in found]
        if opened.keep:
            opened.kept_arguments.extend(found)
            opened.kept_values.extend([None] * len(found))
        options = Options(
            retries=step.retries, crash_limit=step.crash_limit, timeout=step.timeout, item_bytes=_mean_bytes(held),
            batch_max=self._spec.settings.batch_max_size, soft_timeout=step.soft_timeout,
            retry_on=tuple(step.retry_on), priority=step.priority,
        )  # fmt: skip
        after = tuple(s.last_failed for s in (self._steps[name] for name in step.after) if s.last_failed)
        base, line = opened.submitted, self._lines
        opened.submitted += len(held)
        self._lines += len(held)
        if step.stream:
            self._keep(base, found, opened.exhausted)
        for first, stop in self._left(opened, base, len(held), line):
            sink = _Sink(self, opened, base + first, line + first)
            part = held[first:stop]
            job = Job(opened.function, len(part), Items(part), sink, step.name, star, opened.pool, options, after)
            sink.range = self._run.submit(job, opened.job, base + first)
        return len(found) == CHUNK and self.problem is None

    def _keep(self, first: int, items: list[str], all_of_them: bool) -> None:
        """Have items that come by a stream recorded, for nobody can read them again."""
        if items and not self._run.keep_items(first, items) and self._kept_all:
            self._kept_all = False
            text = "there is more on standard input than the database keeps: this run can't be resumed"
            self._run.fleet.event("warning", "items.dropped", text)
        if all_of_them and self._kept_all:
            self._run.keep_items(first + len(items), [])

    def _left(self, opened: _Open, base: int, count: int, line: int) -> Iterator[tuple[int, int]]:
        """Which of `count` tasks from number `base` on are to be run: pieces, counted from there. `line` is the first
        one's in the results. What is known of the others passes on.
        """
        at = 0
        if self._earlier is not None:
            needed = self.writer is not None or opened.keep or opened.step.report
            for known in self._earlier.outcomes(opened.job, base, base + count):
                if needed:
                    known = known._replace(outcome=self._earlier.filled(known, opened.job))
                    if is_large(known.outcome):
                        self.again += 1
                        continue
                index = known.outcome.task - base
                self._known(opened, known, line + index)
                if index > at:
                    yield at, index
                at = index + 1
        if at < count:
            yield at, count

    def _known(self, opened: _Open, known: Known, line: int) -> None:
        """A task was over before."""
        outcome = known.outcome
        failed = outcome.state == "failed"
        opened.over += 1
        self._run.before[failed] += 1
        self._run.taken += known.taken
        if failed:
            opened.failed += 1
            opened.last_failed = opened.last_failed or self._run.fleet.core.failed_before()
        elif opened.keep or opened.step.report:
            value = self._value(item_of(outcome), [])
            if opened.keep:
                opened.kept_values[outcome.task] = value
            if opened.step.report:
                self.reports.append(value)
        if self.writer is not None:
            self.writer.put(line, line_of(outcome, self.label(opened)))

    def rest(self) -> Iterator[str]:
        """Lines of results of tasks that were over before, and to which a run that was cut off has not come again.

        Raises as `Earlier.outcomes` does.
        """
        if self._earlier is None:
            return
        label = len(self._spec.steps) > 1
        for job, step in enumerate(self._spec.steps, 1):
            opened = self._steps.get(step.name)
            at = 0 if opened is None else opened.submitted
            while at < (step.total or 0):
                for known in self._earlier.outcomes(job, at, at + CHUNK):
                    outcome = self._earlier.filled(known, job)
                    if not is_large(outcome):
                        yield line_of(outcome, step.name if label else None)
                at += CHUNK

    def failures(self) -> int:
        """Tasks that failed so far."""
        return sum(opened.failed for opened in self._steps.values())


class _NothingYet:
    """Marks that arguments will come, but none are there now."""


NOTHING_YET: Final = _NothingYet()


def command_text(item: Any) -> str:
    """An item as a command gets it: text as it is, anything else as compact JSON, which other programs can read."""
    if isinstance(item, str):
        return item
    text = to_json(item)
    return str(json.loads(text)) if text.startswith('"') else text  # a date, say: JSON would only put quotes around it


def _mean_bytes(held: list[Any]) -> int:
    """About how long an argument is on the wire, by the first few."""
    sample = held[:50]
    return sum(map(values.size, sample)) // len(sample)


def report_text(value: Any) -> str:
    """A report as it is printed: its own text where it has one."""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=repr)
