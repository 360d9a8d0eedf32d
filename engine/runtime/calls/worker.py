"""The thread behind an `Engine`: it owns the run, and takes what callers want from an inbox.

Tasks that were submitted one by one are found in a row there, and travel together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, Final

from engine.core.batching import BYTES, MOST_TRIVIAL
from engine.core.claims import Claim
from engine.core.tasks import Options
from engine.procs.agent import APPLY
from engine.runtime.calls.alone import BREATH, Alone
from engine.runtime.calls.futures import FutureTasks, TaskFuture
from engine.runtime.calls.imports import imports_of
from engine.runtime.calls.inbox import Barrier, Errand, How, Retract, Thing
from engine.runtime.calls.maps import MapChunk
from engine.runtime.fleet.jobs import Job
from engine.runtime.run import Run
from engine.wire import values

CHUNK: Final = 5_000
"""Tasks that travel as one range at the most."""
_TAKEN: Final = 16
"""Ranges taken from the inbox before agents are heard again."""
_DEFINITIONS: Final = 200
"""Callables that are defined once for every agent; lambdas beyond that travel with their arguments, lest they pile up.
"""


class Worker:
    """The thread that owns the run.

    Knows nothing of the `Engine` object, so that one that is forgotten can be collected.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.forked = False
        """Whether this is a copy in a child of the process that has the thread."""
        self.inbox: deque[Thing] = deque()
        self.signalled = False
        self.woken = False
        """As `futures.Owner`: since the last pass."""
        self.closing = False
        self.cancel_all = False
        self.broken: str | None = None
        self._barriers: list[Barrier] = []
        self._awaken: list[MapChunk] = []
        """Maps whose readers have something to read since this pass."""
        self.in_hand: MapChunk | list[TaskFuture | None] = []
        """Taken from the inbox, and not yet the core's: should the thread fail now, nobody else knows of it."""
        self._alone = Alone(run, self)
        self._ended = False
        self.thread = threading.Thread(target=self._main, name=f"shoal-{run.id}", daemon=True)
        self.thread.start()

    def post(self, thing: Thing) -> None:
        """Hand something to the thread. Once that has ended, calls fail at once."""
        self.inbox.append(thing)
        if not self.signalled:
            self.wake()
        if self._ended:  # perhaps since before this was there: then nobody else would look at it
            self._refuse_all()

    def retract(self, what: TaskFuture | MapChunk, running: bool) -> None:
        """Something was cancelled: what has not been sent never will be."""
        self.post(Retract(what, running))

    def wake(self) -> None:
        """Have the thread look at what has changed."""
        if not self.signalled and not self.forked:
            self.signalled = True
            self.run.fleet.loop.wake()

    def close(self, cancel: bool) -> None:
        """Have it end once all work is done; with `cancel`, all that has not been sent is cancelled."""
        if self.forked:
            return
        self.closing = True
        self.cancel_all = self.cancel_all or cancel
        self.signalled = False  # it may be about to wait for the last time
        self.wake()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        run = self.run
        try:
            core = run.fleet.core
            while True:
                run.step(None if not self.inbox or run.crowded else 0.0, self._take_some)
                self._wake_readers()
                if self.broken is None and all(pool.broken is not None for pool in core.pools):
                    self.broken = run.fleet.error or core.pools[0].broken
                if self._barriers and (self.broken is not None or (core.settled and run.fleet.phase == "running")):
                    self._pass()
                if self.closing or run.stop_asked:
                    if self.cancel_all or run.stop_asked:
                        for number, found in list(core.ranges.items()):
                            if found.parent is None or run.stop_asked:  # else who runs may go on, and needs them
                                core.cancel_rest(number)
                        run.fleet.settle()
                    if not self.inbox and (not core.ranges or run.stop_asked == "stop"):
                        break
        except BaseException as error:  # a bug of ours must not leave anybody waiting
            self.broken = f"the engine failed: {type(error).__name__}: {error}"
            raise
        finally:
            try:
                run.settle()
            finally:
                self._end()

    def _wake_readers(self) -> None:
        for chunk in self._awaken:
            chunk.awake()
        self._awaken.clear()

    def _pass(self) -> None:
        for barrier in self._barriers:
            barrier.passed.set()
        self._barriers.clear()

    def _end(self) -> None:
        self.closing = True
        self._pass()
        self._wake_readers()
        why = self.broken or "the engine was stopped"
        for number in list(self.run.fleet.core.ranges):
            job = self.run.fleet.job(number)
            if job is not None:
                job.sink.ended(0, job.count, "pool", why)
        _fail(self.in_hand, BrokenProcessPool(why))
        self._ended = True
        self._refuse_all()
        core = self.run.fleet.core
        status = "failed" if core.failed > core.nested[1] else "done"
        summary: dict[str, Any] = {
            "tasks": core.submitted,
            "done": core.done,
            "failed": core.failed,
            "seconds": self.run.sampler.elapsed,
        }
        if core.nested[0]:
            summary["subtasks"] = dict(zip(("tasks", "failed", "cancelled"), core.nested, strict=True))
        try:
            self.run.finish(status, summary)
        finally:
            self._wake_readers()
            self.run.close()

    def _refuse_all(self) -> None:
        """Fail whatever is in the inbox. Several threads may be at it at once."""
        while True:
            try:
                thing = self.inbox.popleft()
            except IndexError:
                return
            error = BrokenProcessPool(self.broken or "the engine was stopped")
            if isinstance(thing, MapChunk):
                thing.fail(error)
            elif isinstance(thing, Barrier):
                thing.passed.set()
            elif isinstance(thing, Errand):
                thing.error = error
                thing.over.set()
            elif not isinstance(thing, Retract) and thing[0].claim():
                thing[0].settle(None, error)

    def _take_some(self) -> None:
        """Take from the inbox, but not for so long that agents starve: callers may fill it as fast."""
        self.signalled = False
        if self.woken:
            self.woken = False
            if not self.inbox and not self.run.fleet.core.queued:
                self.run.fleet.loop.step(BREATH)
                self.signalled = False
        self._alone.serve()
        for _ in range(_TAKEN):
            if not self.inbox or self.run.crowded:
                return
            thing = self.inbox[0]
            if isinstance(thing, tuple):
                self._take_calls(thing[1], thing[2], thing[4])
                self.in_hand = []
                continue
            self.inbox.popleft()
            if isinstance(thing, Retract):
                self._retracted(thing)
            elif isinstance(thing, Errand):
                thing.run(self.run)
            elif isinstance(thing, Barrier):
                self._barriers.append(thing)
                self.run.fleet.start()
            else:
                self._take_map(thing)
                self.in_hand = []

    def _retracted(self, thing: Retract) -> None:
        core, what = self.run.fleet.core, thing.what
        if isinstance(what, TaskFuture):
            place = what.tasks.place(what) if what.tasks is not None else None
            if what.tasks is not None and place is not None:
                core.cancel(what.tasks.range, place, running=thing.running)
        elif what.range is not None:
            core.cancel_rest(what.range)

    def _take_map(self, chunk: MapChunk) -> None:
        how: How = chunk.how
        self.in_hand = chunk
        number, star = self._number(chunk.function, chunk.star, chunk.held, how)
        if isinstance(number, BaseException):
            chunk.fail(number)
            return
        options = _sized(how.options, chunk.held)
        job = Job(
            number, len(chunk.held), chunk, chunk, star=star, pool=how.pool, options=options, claims=how.claims,
            each=chunk.each, lane=how.lane, memory=how.memory,
        )  # fmt: skip
        chunk.began(self._submit(job, chunk.function), self._awaken)

    def _take_calls(self, function: Callable[..., Any], star: bool, how: How) -> None:
        """Calls of one function that came in a row become one range."""
        inbox = self.inbox
        futures: list[TaskFuture | None] = []
        self.in_hand = futures
        held: list[Any] = []
        own: list[tuple[Claim, ...]] = []
        while inbox and len(held) < CHUNK:
            call = inbox[0]
            if not isinstance(call, tuple) or call[1] is not function or call[2] is not star or call[4] is not how:
                break
            inbox.popleft()
            future = call[0]
            if not future.cancelled() or future.claim():
                futures.append(future)
                held.append(call[3])
                own.append(call[5])
        if not held:
            return
        number, called = self._number(function, star, held, how)
        if isinstance(number, BaseException):
            _fail(futures, number)
            return
        tasks = FutureTasks(held, futures)
        options = _sized(how.options, held)
        job = Job(
            number, len(held), tasks, tasks, star=called, pool=how.pool, options=options, claims=how.claims,
            each=None if how.each is None else own, lane=how.lane, memory=how.memory,
        )  # fmt: skip
        tasks.range = self._submit(job, function)
        if job.count == 1:
            self._alone.know(function, star, how, job, tasks.range)

    def _submit(self, job: Job, function: Callable[..., Any]) -> int:
        """Hand a range to the core; calls of one name are one job in the record."""
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
        call = f"{module}:{name}" if module and name else type(function).__qualname__
        job.name = name or type(function).__qualname__
        return self.run.submit(job, *self.run.books.place(call, job.pool, job.count))

    def _number(
        self, function: Callable[..., Any], star: bool, held: list[Any], how: How
    ) -> tuple[int | BaseException, bool]:
        """The number of what is to be called, and whether its arguments are ``(args, kwargs)``; or why there is none.

        What travels by value is pickled anew each time: what it closes over may have changed since. Where too many do,
        it is put among the arguments, in place.
        """
        fleet = self.run.fleet
        reference = values.by_reference(function)
        body = b""
        try:
            if reference is None:
                body = values.dumps(function)
                if fleet.functions.by_value >= _DEFINITIONS and not fleet.functions.knows("", body):
                    return self._applied(function, star, held)
            number = fleet.functions.define(reference or "", body)
            if fleet.phase == "new":
                used = imports_of(function) if reference is None else [reference.partition(":")[0]]
                fleet.hosts.image_of(how.pool).hints += used
                fleet.start()
        except BaseException as error:
            return error, star
        return number, star

    def _applied(self, function: Callable[..., Any], star: bool, held: list[Any]) -> tuple[int, bool]:
        """Put the function among the arguments; the number of what then calls it. Raises what pickling them raises."""
        for at, item in enumerate(held):
            value = values.value_of(item)
            args, kwargs = value if star else ((value,), {})
            held[at] = values.hold(((function, *args), kwargs))
        return self.run.fleet.functions.define(APPLY), True


def _fail(what: MapChunk | list[TaskFuture | None], error: BaseException) -> None:
    """None of it can be run."""
    if isinstance(what, MapChunk):
        what.fail(error)
        return
    for future in what:
        if future is not None and future.claim():
            future.settle(None, error)


def _sized(options: Options, held: list[Any]) -> Options:
    """The options of a range, with the mean size of its arguments where that matters to a frame."""
    size = values.mean_size(held)
    return options if size * (options.batch_max or MOST_TRIVIAL) <= BYTES else replace(options, item_bytes=size)
