"""The thread behind an `Engine`: it owns the run, and takes what callers want from an inbox.

Tasks that were submitted one by one are found in a row there, and travel together.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, Final

from engine.core.tasks import Options
from engine.procs.agent import APPLY
from engine.runtime.futures import FutureTasks, MapChunk, TaskFuture
from engine.runtime.jobs import Job
from engine.runtime.run import Run
from engine.wire import values

CHUNK: Final = 5_000
"""Tasks that travel as one range at the most."""
_DEFINITIONS: Final = 200
"""Callables that are defined once for every agent; lambdas beyond that travel with their arguments, lest they pile up.
"""


class Call:
    """One submitted task on its way to the worker thread."""

    __slots__ = ("function", "future", "held", "star")

    def __init__(self, function: Callable[..., Any], star: bool, held: Any, future: TaskFuture) -> None:
        self.function = function
        self.star = star
        self.held = held
        self.future = future


class Chunk:
    """A range of a map on its way."""

    __slots__ = ("chunk", "function", "size", "star")

    def __init__(self, function: Callable[..., Any], star: bool, size: int, chunk: MapChunk) -> None:
        self.function = function
        self.star = star
        self.size = size
        self.chunk = chunk


class Worker:
    """The thread that owns the run.

    Knows nothing of the `Engine` object, so that one that is forgotten can be collected.
    """

    def __init__(self, run: Run, options: Options) -> None:
        self.run = run
        self.pid = os.getpid()
        self.inbox: deque[Call | Chunk | TaskFuture | MapChunk] = deque()
        self.signalled = False
        self.closing = False
        self.cancel_all = False
        self.broken: str | None = None
        self._options = options
        self._gate = threading.Lock()
        self._ended = False
        self.thread = threading.Thread(target=self._main, name=f"shoal-{run.id}", daemon=True)
        self.thread.start()

    def post(self, thing: Call | Chunk | TaskFuture | MapChunk) -> None:
        """Hand something to the thread. Once that has ended, calls fail at once."""
        with self._gate:
            if not self._ended:
                self.inbox.append(thing)
                self.wake()
                return
        self._refuse(thing)

    def wake(self) -> None:
        """Have the thread look at what has changed."""
        if not self.signalled:
            self.signalled = True
            self.run.fleet.loop.wake()

    def close(self, cancel: bool) -> None:
        """Have it end once all work is done; with `cancel`, all that has not been sent is cancelled."""
        self.closing = True
        self.cancel_all = self.cancel_all or cancel
        self.signalled = False  # it may be about to wait for the last time
        self.wake()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        run = self.run
        try:
            while True:
                self.signalled = False
                while self.inbox:
                    self._take()
                run.fleet.settle()
                core = run.fleet.core
                if run.fleet.error is not None and self.broken is None:
                    self.broken = run.fleet.error
                elif core.pools[0].broken is not None:
                    self.broken = core.pools[0].broken
                if self.closing or run.stop_asked:
                    if self.cancel_all or run.stop_asked:
                        self._cancel_ready()
                        run.fleet.settle()
                    if not self.inbox and (not core.ranges or run.stop_asked == "stop"):
                        break
                run.step(None if not self.inbox else 0.0)
        except BaseException as error:  # a bug of ours must not leave anybody waiting
            self.broken = f"the engine failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._end()

    def _end(self) -> None:
        self.closing = True
        why = self.broken or "the engine was stopped"
        for number in list(self.run.fleet.core.ranges):
            job = self.run.fleet.job(number)
            if job is not None:
                job.sink.ended(0, job.count, "pool", why)
        with self._gate:
            self._ended = True
        while self.inbox:
            self._refuse(self.inbox.popleft())
        core = self.run.fleet.core
        status = "failed" if core.failed else "done"
        summary = {
            "tasks": core.submitted,
            "done": core.done,
            "failed": core.failed,
            "seconds": self.run.sampler.elapsed,
        }
        try:
            self.run.finish(status, summary)
        finally:
            self.run.close()

    def _refuse(self, thing: Call | Chunk | TaskFuture | MapChunk) -> None:
        error = BrokenProcessPool(self.broken or "the engine was stopped")
        if isinstance(thing, Call):
            if thing.future.claim():
                thing.future.set_exception(error)
        elif isinstance(thing, Chunk):
            thing.chunk.fail(error)

    def _take(self) -> None:
        thing = self.inbox.popleft()
        core = self.run.fleet.core
        if isinstance(thing, TaskFuture):
            if thing.place is not None:
                core.cancel(*thing.place)
        elif isinstance(thing, MapChunk):
            if thing.place is not None and thing.place in core.ranges:
                for index in range(core.ranges[thing.place].count):
                    if core.cancel(thing.place, index) and thing.place not in core.ranges:
                        break
        elif isinstance(thing, Chunk):
            number, star, held = self._number(thing.function), thing.star, thing.chunk.held
            if number is None:
                number, star = self._applied(thing.function, star, held)
            if isinstance(number, BaseException):
                thing.chunk.fail(number)
                return
            options = replace(self._options, item_bytes=values.mean_size(held))
            job = Job(number, len(held), thing.chunk, thing.chunk, star=star, options=options)
            thing.chunk.place = self.run.submit(job)
        else:
            self._take_calls(thing)

    def _take_calls(self, first: Call) -> None:
        """Calls of one function that came in a row become one range."""
        calls = [first]
        while self.inbox and len(calls) < CHUNK:
            following = self.inbox[0]
            if not isinstance(following, Call):
                break
            if following.function is not first.function or following.star is not first.star:
                break
            calls.append(following)
            self.inbox.popleft()
        calls = [call for call in calls if not (call.future.cancelled() and not call.future.claim())]
        if not calls:
            return
        number = self._number(first.function)
        star, held = first.star, [call.held for call in calls]
        if number is None:
            number, star = self._applied(first.function, star, held)
        if isinstance(number, BaseException):
            for call in calls:
                if call.future.claim():
                    call.future.set_exception(number)
            return
        tasks = FutureTasks(held, [call.future for call in calls])
        options = replace(self._options, item_bytes=values.mean_size(held))
        place = self.run.submit(Job(number, len(calls), tasks, tasks, star=star, options=options))
        for index, call in enumerate(calls):
            call.future.place = (place, index)
            if call.future.cancelled():  # in between: it could not know its place
                self.run.fleet.core.cancel(place, index)

    def _number(self, function: Callable[..., Any]) -> int | BaseException | None:
        """The function's number; the error why it can't have one; None if it is to travel with its arguments.

        What travels by value is pickled anew each time: what it closes over may have changed since.
        """
        fleet = self.run.fleet
        reference = values.by_reference(function)
        body = b""
        try:
            if reference is None:
                body = values.dumps(function)
                if fleet.functions.by_value >= _DEFINITIONS and not fleet.functions.knows("", body):
                    return None
            number = fleet.functions.define(reference or "", body)
            if fleet.phase == "new":
                if reference is not None:
                    fleet.image.hints.append(reference.partition(":")[0])
                fleet.start()
        except BaseException as error:
            return error
        return number

    def _applied(self, function: Callable[..., Any], star: bool, held: list[Any]) -> tuple[int | BaseException, bool]:
        """Put the function among the arguments, in place; the number of what then calls it, or why that can't be."""
        try:
            for at, item in enumerate(held):
                value = values.value_of(item)
                args, kwargs = value if star else ((value,), {})
                held[at] = values.hold(((function, *args), kwargs))
        except BaseException as error:
            return error, True
        return self.run.fleet.functions.define(APPLY), True

    def _cancel_ready(self) -> None:
        core = self.run.fleet.core
        for number, found in list(core.ranges.items()):
            for index in range(found.count):
                if core.cancel(number, index) and number not in core.ranges:
                    break
