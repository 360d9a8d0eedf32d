"""Drives a run by its spec: feeds each step's arguments in as there is room, collects what comes out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from engine.core.tasks import Options
from engine.plan.claims import to_hold
from engine.plan.steps import NOTHING_YET, RunSpec, SpecError, Step
from engine.procs.agent import COMMAND
from engine.runtime.decisions import Gates
from engine.runtime.earlier import Earlier, Known, is_large, item_of, line_of
from engine.runtime.held import held, mean_bytes, with_more
from engine.runtime.jobs import Group, Items, Job
from engine.runtime.planned import Planned
from engine.runtime.results import OrderedWriter, Unreadable, row, value_of
from engine.runtime.run import Run
from engine.runtime.waits import Waits
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
    barred: str = ""
    """The gate that does not let its tasks be begun, and why."""
    bars: str = ""
    """The gate that does not let be begun what comes after it, and why."""

    @property
    def finished(self) -> bool:
        return self.exhausted and self.over >= self.submitted


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
        driver.planned.course(opened.step.name).hear(group)
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
        driver.planned.course(opened.step.name).lose(text)
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
        gates: what was decided.
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
        self._numbers = {step.name: number for number, step in enumerate(spec.steps, 1)}
        self._waits = Waits(run, spec.outline.calendar)
        self._steps: dict[str, _Open] = {}
        self.gates = Gates(run, spec.steps)
        self.planned = run.plan = Planned(run.fleet, spec, self._steps, self.gates, self._waits)
        self._kept = {name for step in spec.steps for name in (step.gather, *step.results.values()) if name}
        self._kept |= self.gates.kept
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
        return not self._waiting and all(opened.finished for opened in self._steps.values())

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
        self.decide()
        try:
            self._open_steps()
        except SpecError as error:
            self.problem = error
            return
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

    def decide(self) -> None:
        """Decide on the gates that are over."""
        for name in self.gates.left:
            opened = self._steps.get(name)
            if opened is not None and opened.finished:
                opened.bars = opened.barred or self.gates.decide(name, opened.failed, self._result)

    def _open_steps(self) -> None:
        for written in list(self._waiting):
            before = [self._steps.get(name) for name in written.after]
            if any(opened is None or not opened.finished for opened in before):
                continue
            barred = next((opened.bars for opened in before if opened is not None and opened.bars), "")
            # Numbered as in the plan: the order in which they begin may be another one when the run is resumed.
            number = self._numbers[written.name]
            if not barred and not self._waited(written, number):
                continue
            self._waiting.remove(written)
            step = self.gates.step(written, self._result)
            fleet = self._run.fleet
            if step.command is not None:
                function = fleet.functions.define(COMMAND, values.encode(step.command))
                call = " ".join(step.command)
            else:
                assert step.call is not None
                function, call = fleet.functions.define(step.call), step.call
            pool = self._pools[step.pool]
            keep = step.name in self._kept
            job = self._run.add_job(step.name, call, pool, number, exact=keep or step.report)
            arguments = iter(step.arguments)
            if step.gather is not None:
                source = self._steps[step.gather]
                arguments = iter([(source.kept_arguments, source.kept_values)])
            elif step.results:
                found = {name: self._result(other) for name, other in step.results.items()}
                arguments = with_more(arguments, found)
            self._steps[step.name] = _Open(step, job, function, arguments, pool, keep=keep, barred=barred, bars=barred)

    @property
    def pause(self) -> float:
        """Seconds after which `feed` may have something to do though nothing has happened, a second at the most."""
        if self.more:
            return 0.0
        left = self._waits.left(time.monotonic())
        return 1.0 if left is None else min(1.0, left)

    def _waited(self, step: Step, number: int) -> bool:
        """Whether what is to pass before a step has passed, since what it comes after was over."""

        def begun() -> bool:
            return self._earlier is not None and any(self._earlier.outcomes(number, 0, step.total or 1))

        return self._waits.over(step, time.monotonic(), begun)

    def _result(self, name: str) -> Any:
        """What came of a step that is over: its result, or of several tasks a list of theirs."""
        opened = self._steps[name]
        return opened.kept_values[0] if opened.step.total == 1 else opened.kept_values

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
        arguments, star = held(step, found, opened.submitted)
        if opened.keep:
            opened.kept_arguments.extend(found)
            opened.kept_values.extend([None] * len(found))
        options = Options(
            retries=step.retries, crash_limit=step.crash_limit, timeout=step.timeout, item_bytes=mean_bytes(arguments),
            batch_max=self._spec.settings.batch_max_size, soft_timeout=step.soft_timeout,
            retry_on=tuple(step.retry_on), priority=step.priority,
        )  # fmt: skip
        core = self._run.fleet.core
        bar = core.open_gate() if opened.barred else 0
        after = tuple(s.last_failed for s in (self._steps[name] for name in step.after) if s.last_failed)
        base, line = opened.submitted, self._lines
        try:
            claims, each = to_hold(step.claims, found, step.keywords, base)
        except ValueError as error:
            raise SpecError(f"tasks {step.name!r}: can't claim what their arguments make: {error}") from None
        opened.submitted += len(arguments)
        self._lines += len(arguments)
        if step.stream:
            self._keep(base, found, opened.exhausted)
        for first, stop in self._left(opened, base, len(arguments), line):
            sink = _Sink(self, opened, base + first, line + first)
            part = arguments[first:stop]
            job = Job(
                opened.function, len(part), Items(part), sink, step.name, star, opened.pool, options,
                (bar,) if bar else after, claims,
                None if each is None else each[first:stop], step.lane,
            )  # fmt: skip
            sink.range = self._run.submit(job, opened.job, base + first)
        if bar:
            core.decide(bar, go=False, why=opened.barred)
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
                self._known(self._earlier, opened, known, line + index)
                if index > at:
                    yield at, index
                at = index + 1
        if at < count:
            yield at, count

    def _known(self, earlier: Earlier, opened: _Open, known: Known, line: int) -> None:
        """A task was over before. Raises `SpecError`."""
        outcome = known.outcome
        failed = outcome.state == "failed"
        opened.over += 1
        self.planned.course(opened.step.name).know(outcome.started, outcome.seconds)
        self._run.before[failed] += 1
        self._run.taken += known.taken
        if failed:
            opened.failed += 1
            opened.last_failed = opened.last_failed or self._run.fleet.core.failed_before()
        elif opened.keep or opened.step.report:
            with earlier.reading():
                item = item_of(outcome)
            value = self._value(item, [])
            if opened.keep:
                opened.kept_values[outcome.task] = value
            if opened.step.report:
                self.reports.append(value)
        if self.writer is not None:
            with earlier.reading():
                text = line_of(outcome, self.label(opened))
            self.writer.put(line, text)

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
                        with self._earlier.reading():
                            text = line_of(outcome, step.name if label else None)
                        yield text
                at += CHUNK
