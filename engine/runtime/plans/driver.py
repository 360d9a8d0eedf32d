"""Drives a run by its spec: feeds each step's arguments in as there is room, collects what comes out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from engine.plan.claims import Held
from engine.plan.model import Decided
from engine.plan.steps import NOTHING_YET, RunSpec, SpecError, Step
from engine.procs.agent import COMMAND
from engine.runtime.calls.held import claims_of, held, options_of, with_more
from engine.runtime.fleet.jobs import Group, Items, Job
from engine.runtime.plans.decisions import GIVES_BACK, Gates
from engine.runtime.plans.opened import Opened, Sink
from engine.runtime.plans.people import People
from engine.runtime.plans.turns import NOBODY, Turns, place
from engine.runtime.record.earlier import Earlier, Known, is_large, item_of, line_of, rest
from engine.runtime.results import OrderedWriter, Readable, row
from engine.runtime.run import Run
from engine.wire import frames, values

CHUNK: Final = 2_000
"""Arguments taken from a step at once, as one range."""
READY: Final = 20_000
"""Tasks that wait in the core at most, before more are taken: so endless arguments need constant memory."""
AHEAD: Final = 200_000
"""Results that may wait for an earlier one before nothing more is taken."""
FED: Final = 100
"""Steps of a pool that are fed at a time, at the most: the next begins once all tasks of one of them are taken."""
_LOOKED_UP: Final = 10 * CHUNK
"""Tasks whose outcomes are looked up at once, where a run is resumed, before others have their turn."""


class Driver:
    """Runs a spec to its end.

    Attributes:
        writer: where results go, None for nowhere.
        reports: values of the steps that are the run's report.
        problem: why the arguments can't be read any further; the run is then drained.
        more: there is more to be fed at once.
        again: tasks that run again though they were done, because their results are too large for the database.
        gates: what was decided.
        people: what they are waited for.
        steps: those that have begun, by name.
        turns: the others.
    """

    def __init__(
        self, run: Run, spec: RunSpec, writer: OrderedWriter | None, earlier: Earlier | None = None, asks: bool = False
    ) -> None:  # fmt: skip
        """`earlier`: what came of tasks before this run was begun, or resumed. `asks`: gates that are held wait for
        somebody to decide."""
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
        self._readable = Readable(lambda text: run.fleet.event("warning", "result.unreadable", text))
        self._pools = {pool.name: number for number, pool in enumerate(spec.pools)}
        self.steps: dict[str, Opened] = {}
        self._fed: dict[Opened, None] = {}
        """Steps of which not all tasks are taken."""
        self._feeds = dict.fromkeys((*self._pools, NOBODY), 0)
        """How many of these there are, by pool."""
        self._over: deque[Opened] = deque()
        """Steps just over, of which those that come after them are still to hear."""
        self._unfinished = self._unpassed = len(spec.steps)
        answers = () if earlier is None or not any(step.gate for step in spec.steps) else earlier.answers()
        self.gates = Gates(run, spec.steps, asks, answers)
        self.people = People(run, spec, self)
        self.turns = Turns(run.fleet, spec, self._begun, lambda step: bool(self._bar(step)))
        self._kept = {name for step in spec.steps for name in (step.gather, *step.results.values()) if name}
        self._kept |= self.gates.kept
        totals = [step.total for step in spec.steps]
        run.total = None if None in totals else sum(filter(None, totals))
        run.tell_total()

    def label(self, opened: Opened) -> str | None:
        """Name of a step in a results file, None where there is only one."""
        return opened.step.name if len(self._spec.steps) > 1 else None

    def read(self, item: Any, group: Group) -> Any:
        """The value of a result; None, and once a warning, for one that can't be read in this process."""
        return self._readable.value(item, group.parcels)

    @property
    def resumes(self) -> bool:
        """Whether something may be known of its tasks from before."""
        return self._earlier is not None

    @property
    def over(self) -> bool:
        """Every task of every step is over."""
        return not self._unfinished

    @property
    def settled(self) -> bool:
        """Every task of every step is over, but results may still wait until they are in the database. Gates that may
        have to wait for somebody are decided on."""
        if self.turns.left or self._fed or self._run.fleet.core.ranges or self.people.waits:
            return False
        return not self._unpassed if self.gates.asks else True

    def feed(self) -> None:
        """Take in more arguments, where there is room for more tasks."""
        if self._run.fleet.core.draining or self.problem is not None:
            return
        self.more = False
        begun = sum(self._run.before)
        try:
            self.decide()
            while True:
                for number in self.turns.ready(time.monotonic(), self._is_full):
                    self._open(number)
                if not self._feed(begun):
                    self.more = True
                    return
                self.people.look()
                if not self._over and not self.turns.waits(self._is_full):
                    return
                self.decide()
        except SpecError as error:  # what was done before can't be asked for, say
            self.problem = error

    def _feed(self, begun: int) -> bool:
        """Take in more of the steps that have begun. False if others are to have their turn: many tasks were done
        before. `begun`: how many of these there were."""
        run, core = self._run, self._run.fleet.core
        for opened in list(self._fed):
            while not opened.exhausted and not run.crowded:
                full = core.pools[opened.pool].queued >= READY and not opened.step.of_people
                if full or core.submitted - core.over > AHEAD:
                    break
                if self.writer is not None and self.writer.waiting > AHEAD:
                    break
                if not self._take(opened):
                    break
                if sum(run.before) - begun >= _LOOKED_UP:
                    return False
            if opened.exhausted:
                del self._fed[opened]
                self._feeds[place(opened.step)] -= 1
        return True

    def _is_full(self, pool: str) -> bool:
        return self._feeds[pool] >= FED

    def see(self, opened: Opened) -> None:
        """As `opened.Hears`."""
        if not opened.passed and opened.finished:
            opened.passed = True
            self._unfinished -= 1
            self._over.append(opened)

    def decide(self) -> None:
        """Decide on the gates that are over, and pass on that steps are."""
        while self._over:
            opened = self._over.popleft()
            name = opened.step.name
            if opened.step.gate is not None and not opened.barred:
                bars = self.gates.decide(name, opened.failed, self.result)
                if bars is None:
                    continue  # it is held, and waits for somebody
                opened.bars = bars
            elif opened.step.gate is not None:
                opened.bars = opened.barred
            self._pass(opened)

    def conclude(self) -> None:
        """Nothing more is fed: decide on what was over last."""
        try:
            self.decide()
        except SpecError as error:
            self.problem = self.problem or error

    def close(self) -> None:
        """Take no more arguments: what they come from is closed, such as a file."""
        for opened in self._fed:
            opened.close()

    def answer(self, name: str, decided: Decided, why: str, who: str) -> str:
        """Somebody has decided on a gate that is held; what was decided, as a line."""
        opened = self.steps[name]
        opened.bars = self.gates.answer(name, decided, why, who)
        self._pass(opened)
        return self.gates.told(name)

    def _pass(self, opened: Opened) -> None:
        self._unpassed -= 1
        self.turns.over(opened.job - 1)

    def _bar(self, step: Step) -> str:
        """The gate that does not let a step be begun, and why; "" for none. What it comes after must be over."""
        return next((opened.bars for opened in map(self.steps.__getitem__, step.after) if opened.bars), "")

    def _begun(self, number: int) -> bool:
        """Whether a step had begun before this run was resumed."""
        total = self._spec.steps[number].total or 1
        return self._earlier is not None and any(self._earlier.outcomes(number + 1, 0, total))

    def _open(self, number: int) -> None:
        """A step begins."""
        written = self._spec.steps[number]
        barred = self._bar(written)
        step = self.gates.step(written, self.result)
        fleet = self._run.fleet
        if step.command is not None:
            function = fleet.functions.define(COMMAND, values.encode(step.command))
            call = " ".join(step.command)
        else:
            call = step.call or GIVES_BACK  # nobody calls it where it is work of people
            function = fleet.functions.define(call)
        pool = self._pools[step.pool]
        keep = step.name in self._kept
        # Numbered as in the plan: the order in which they begin may be another one when the run is resumed.
        job = self._run.books.add_job(
            step.name, "" if step.of_people else call, pool, number + 1, exact=keep or step.report
        )  # fmt: skip
        arguments = iter(step.arguments)
        if step.gather is not None:
            source = self.steps[step.gather]
            arguments = iter([(source.kept_arguments, source.kept_values)])
        elif step.results:
            found = {name: self.result(other) for name, other in step.results.items()}
            arguments = with_more(arguments, found)
        opened = Opened(step, job, function, arguments, pool, keep=keep, barred=barred, bars=barred)
        self.steps[step.name] = opened
        self._fed[opened] = None
        self._feeds[place(step)] += 1

    @property
    def pause(self) -> float:
        """Seconds after which `feed` may have something to do though nothing has happened, a second at the most."""
        if self.more:
            return 0.0
        left = self.turns.pause(time.monotonic())
        return 1.0 if left is None else min(1.0, left)

    def result(self, name: str) -> Any:
        """What came of a step that is over: its result, or of several tasks a list of theirs."""
        opened = self.steps[name]
        return opened.kept_values[0] if opened.step.total == 1 else opened.kept_values

    def _take(self, opened: Opened) -> bool:
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
            self.see(opened)
            return False
        arguments, star = held(step, found, opened.submitted)
        if opened.keep:
            opened.kept_arguments.extend(found)
            opened.kept_values.extend([None] * len(found))
        after = tuple(s.last_failed for s in (self.steps[name] for name in step.after) if s.last_failed)
        base, line = opened.submitted, self._lines
        wait_for_people = step.of_people and not opened.barred and not after
        claims = claims_of(step, found, base)
        opened.submitted += len(arguments)
        self._lines += len(arguments)
        if step.stream:
            self._keep(base, found, opened.exhausted)
        left = self._left(opened, base, len(arguments), line)
        if wait_for_people:
            for first, stop in left:
                self.people.wait_for(opened, base + first, base + stop, line + first, claims, first)
        else:
            self._submit(opened, (arguments, star), claims, left, after, (base, line))
        self.see(opened)
        return len(found) == CHUNK and self.problem is None

    def _submit(
        self, opened: Opened, found: tuple[list[Any], bool], wanted: Held, left: Iterator[tuple[int, int]],
        after: tuple[int, ...], at: tuple[int, int],
    ) -> None:  # fmt: skip
        """Hand tasks to the core: those `left` of a chunk. `found`: the arguments as they are held, and whether each is
        several; `wanted`: what they claim; `at`: number of the first in its step, and among the results."""
        step, (arguments, star), (claims, each), (base, line) = opened.step, found, wanted, at
        options = options_of(step, self._spec.settings.batch_max_size, arguments)
        core = self._run.fleet.core
        bar = core.open_gate() if opened.barred else 0
        for first, stop in left:
            sink = Sink(self, opened, base + first, line + first)
            part = arguments[first:stop]
            job = Job(
                opened.function, len(part), Items(part), sink, step.name, star, opened.pool, options,
                (bar,) if bar else after, claims,
                None if each is None else each[first:stop], step.lane, step.memory or 0,
            )  # fmt: skip
            sink.range = self._run.submit(job, opened.job, base + first)
        if bar:
            core.decide(bar, go=False, why=opened.barred)

    def said(self, opened: Opened, index: int, line: int, value: Any, failure: frames.Failure | None) -> None:
        """As `people.Hears`."""
        failed = failure is not None
        opened.know(None, None)
        self._run.said[failed] += 1
        if failed:
            opened.failed += 1
            opened.last_failed = opened.last_failed or self._run.fleet.core.failed_before()
        elif opened.step.report:
            self.reports.append(value)
        if opened.keep:
            opened.kept_values[index] = value
        if self.writer is not None:
            self.writer.put(line, row(index, self.label(opened), value, [], failure))
        self.see(opened)

    def _keep(self, first: int, items: list[str], all_of_them: bool) -> None:
        """Have items that come by a stream recorded, for nobody can read them again."""
        if items and not self._run.books.keep_items(first, items) and self._kept_all:
            self._kept_all = False
            text = "there is more on standard input than the database keeps: this run can't be resumed"
            self._run.fleet.event("warning", "items.dropped", text)
        if all_of_them and self._kept_all:
            self._run.books.keep_items(first + len(items), [])

    def _left(self, opened: Opened, base: int, count: int, line: int) -> Iterator[tuple[int, int]]:
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

    def _known(self, earlier: Earlier, opened: Opened, known: Known, line: int) -> None:
        """A task was over before. Raises `SpecError`."""
        outcome = known.outcome
        failed = outcome.state == "failed"
        opened.know(outcome.started, outcome.seconds)
        self._run.before[failed] += 1
        self._run.taken += known.taken
        if failed:
            opened.failed += 1
            opened.last_failed = opened.last_failed or self._run.fleet.core.failed_before()
        elif opened.keep or opened.step.report:
            with earlier.reading():
                item = item_of(outcome)
            value = self._readable.value(item, [])
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
        begun = {name: opened.submitted for name, opened in self.steps.items()}
        return iter(()) if self._earlier is None else rest(self._earlier, self._spec.steps, begun, CHUNK)
