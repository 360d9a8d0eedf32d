"""``Engine``: a `concurrent.futures.Executor` on a fleet of agents.

Callers in any thread put what they want into an inbox; one thread owns the run and takes it from there, so that tasks
submitted one by one travel together.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final

from engine.core.tasks import Options
from engine.procs.agent import APPLY
from engine.runtime.fleet import PoolSpec
from engine.runtime.futures import FutureTasks, MapChunk, TaskFuture
from engine.runtime.jobs import Job
from engine.runtime.limits import cores
from engine.runtime.nest import Image, StartError
from engine.runtime.run import Run, RunOptions
from engine.stream.places import UnsafeFolder
from engine.stream.types import Event
from engine.wire import values

_CHUNK: Final = 5_000
"""Items of a map that travel as one range."""
_DEFINITIONS: Final = 200
"""Callables that are defined once for every agent; lambdas beyond that travel with their arguments, lest they pile up.
"""

_live: weakref.WeakSet[_Worker] = weakref.WeakSet()


class _Call:
    """One submitted task on its way to the worker thread."""

    __slots__ = ("function", "future", "held", "star")

    def __init__(self, function: Callable[..., Any], star: bool, held: Any, future: TaskFuture) -> None:
        self.function = function
        self.star = star
        self.held = held
        self.future = future


class _Chunk:
    """A range of a map on its way."""

    __slots__ = ("chunk", "function", "size", "star")

    def __init__(self, function: Callable[..., Any], star: bool, size: int, chunk: MapChunk) -> None:
        self.function = function
        self.star = star
        self.size = size
        self.chunk = chunk


class _Worker:
    """The thread that owns the run.

    Knows nothing of the `Engine` object, so that one that is forgotten can be collected.
    """

    def __init__(self, run: Run, options: Options) -> None:
        self.run = run
        self.pid = os.getpid()
        self.inbox: deque[_Call | _Chunk | TaskFuture | MapChunk] = deque()
        self.signalled = False
        self.closing = False
        self.cancel_all = False
        self.broken: str | None = None
        self._options = options
        self._numbers: dict[int, tuple[Callable[..., Any], int]] = {}
        self._apply: int | None = None
        self.thread = threading.Thread(target=self._main, name=f"shoal-{run.id}", daemon=True)
        _live.add(self)
        self.thread.start()

    def post(self, thing: _Call | _Chunk | TaskFuture | MapChunk) -> None:
        """Hand something to the thread."""
        self.inbox.append(thing)
        self.wake()

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
        while self.inbox:
            thing = self.inbox.popleft()
            if isinstance(thing, _Call):
                if thing.future.claim():
                    thing.future.set_exception(BrokenProcessPool(why))
            elif isinstance(thing, _Chunk):
                thing.chunk.fail(BrokenProcessPool(why))
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
        _live.discard(self)

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
        elif isinstance(thing, _Chunk):
            number = self._number(thing.function, by_value=True)
            if isinstance(number, BaseException) or number is None:
                thing.chunk.fail(number or RuntimeError("no number"))
                return
            job = Job(number, thing.size, thing.chunk, thing.chunk, star=thing.star, options=self._options)
            thing.chunk.place = self.run.submit(job)
        else:
            self._take_calls(thing)

    def _take_calls(self, first: _Call) -> None:
        """Calls of one function that came in a row become one range."""
        calls = [first]
        while self.inbox and len(calls) < _CHUNK:
            following = self.inbox[0]
            if not isinstance(following, _Call):
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
            number, star = self._applied(), True
            for at, call in enumerate(calls):
                try:
                    args, kwargs = values.unwrap(call.held, []) if call.star else ((values.unwrap(call.held, []),), {})
                    held[at] = values.hold(((call.function, *args), kwargs))
                except BaseException as error:
                    number = error
        if isinstance(number, BaseException):
            for call in calls:
                if call.future.claim():
                    call.future.set_exception(number)
            return
        tasks = FutureTasks(held, [call.future for call in calls])
        place = self.run.submit(Job(number, len(calls), tasks, tasks, star=star, options=self._options))
        for index, call in enumerate(calls):
            call.future.place = (place, index)
            if call.future.cancelled():  # in between: it could not know its place
                self.run.fleet.core.cancel(place, index)

    def _number(self, function: Callable[..., Any], by_value: bool = False) -> int | BaseException | None:
        """The function's number; the error why it can't have one; None if it is to travel with its arguments.

        `by_value`: it is to have a number whatever their count.
        """
        known = self._numbers.get(id(function))
        if known is not None:
            return known[1]
        fleet = self.run.fleet
        try:
            reference = values.by_reference(function)
            if reference is None and not by_value and len(self._numbers) >= _DEFINITIONS:
                return None
            number = fleet.define(function)
        except BaseException as error:
            return error
        self._numbers[id(function)] = (function, number)
        if fleet.phase == "new":
            if reference is not None:
                fleet.image.hints.append(reference.partition(":")[0])
            fleet.start()
        return number

    def _applied(self) -> int:
        if self._apply is None:
            self._apply = self.run.fleet.define(APPLY)
        return self._apply

    def _cancel_ready(self) -> None:
        core = self.run.fleet.core
        for number, found in list(core.ranges.items()):
            for index in range(found.count):
                if core.cancel(number, index) and number not in core.ranges:
                    break


class Engine(Executor):
    """Runs calls on warm agents: processes that survive each other's crashes.

    As `concurrent.futures.ProcessPoolExecutor`, but: an agent that is killed costs its task a retry, not the pool;
    lambdas, closures and what is defined in a script or a notebook work; no main guard is needed; tasks are batched as
    their measured times suggest.

    A future may raise, beside what the task raised: `TaskPoisoned` (it killed its agent `crash_limit` times),
    `TaskTimeout`, `RemoteError` (it raised something that can't be carried over), BrokenProcessPool (no agent could be
    started at all).
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        name: str = "engine",
        shards: int | None = None,
        batch_max: int = 500,
        timeout: float | None = None,
        retries: int = 0,
        crash_limit: int = 5,
        preload: Iterable[str] = (),
        record: str | Path | None = None,
        attachable: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Prepare the agents; they start with the first call.

        Args:
            max_workers: agents; None for as many as this process may use cores.
            initializer: called with `initargs` in each agent before its first task.
            name: what the run is called in ``shoal attach`` and in the record.
            shards: hosts that fork and feed the agents; None to go by their number.
            batch_max: tasks in one batch at the most.
            timeout: seconds that one task may take, None for no limit.
            retries: how often a task that raised is tried again.
            crash_limit: how many agents a task may kill before it is given up.
            preload: modules to import once, before any agent is forked.
            record: database to record the run in; None for no record.
            attachable: whether ``shoal attach`` finds this engine.
            on_event: called, in the engine's thread, with every event: deaths, lines that agents print, and so on.

        Raises:
            ValueError: for numbers out of range, and `TooMany` for more agents than fit this machine.
            TypeError: for an initializer that is not callable.
            StartError: if the record can't be opened, or no process be started.
        """
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if batch_max < 1 or retries < 0 or crash_limit < 1 or (timeout is not None and timeout <= 0):
            raise ValueError("batch_max and crash_limit are at least 1, retries at least 0, and timeout above 0")
        self._max_workers = max_workers or cores()
        image = Image(preload=list(preload))
        if initializer is not None:
            import cloudpickle

            image.initializer = cloudpickle.dumps((initializer, initargs), 5)
        database = Path(record) if record is not None else None
        run_options = RunOptions(name, database, attachable, config={"agents": self._max_workers})
        pools = [PoolSpec("main", self._max_workers, shards)]
        try:
            run = Run(pools, image, run_options)
        except UnsafeFolder:  # then nobody can attach; that is no reason not to work
            run_options.control = False
            run = Run(pools, image, run_options)
        if on_event is not None:
            run.fleet.listeners.append(on_event)
        options = Options(retries=retries, crash_limit=crash_limit, timeout=timeout, batch_max=batch_max)
        self._worker = _Worker(run, options)
        self._lock = threading.Lock()
        self._shut = False
        self._closer = weakref.finalize(self, self._worker.close, False)
        self._closer.atexit = False  # `_close_all` does that, and waits

    @property
    def run_id(self) -> str:
        """Id of the run, for ``shoal attach`` and ``shoal show``."""
        return self._worker.run.id

    def _check(self) -> _Worker:
        worker = self._worker
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if worker.broken is not None:
            raise BrokenProcessPool(worker.broken)
        if worker.pid != os.getpid():
            raise RuntimeError("this engine belongs to the process that this one was forked from")
        if worker.closing:
            raise RuntimeError("cannot schedule new futures: the engine was stopped")
        return worker

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule ``fn(*args, **kwargs)``. What can't be pickled is the future's exception."""
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        star = bool(kwargs) or len(args) != 1
        value = (args, kwargs) if star else args[0]
        worker = self._worker
        future = TaskFuture(worker.post)
        try:
            held = value if type(value) in _AS_IS else values.hold(value)
        except BaseException as error:
            future.set_exception(error)
            return future
        with self._lock:
            worker = self._check()
            worker.post(_Call(fn, star, held, future))
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Results of ``fn`` over the items, in order.

        Args:
            timeout: seconds from now after which waiting for the next result raises TimeoutError.
            chunksize: accepted for compatibility; batches size themselves by measured times.
            buffersize: items taken ahead of the results that were asked for. None takes all items at once, as always.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be >= 1 or None")
        deadline = None if timeout is None else time.monotonic() + timeout
        star = len(iterables) != 1
        items: Iterator[Any] = ((args, {}) for args in zip(*iterables, strict=False)) if star else iter(iterables[0])
        chunks: deque[MapChunk] = deque()
        size = _CHUNK if buffersize is None else max(1, min(_CHUNK, buffersize // 2))
        ahead = None if buffersize is None else max(1, buffersize // size)
        while (ahead is None or len(chunks) < ahead) and (chunk := self._chunk(fn, star, items, size)):
            chunks.append(chunk)
        return self._results(fn, star, items, size, chunks, deadline, ahead is not None)

    def _chunk(self, fn: Callable[..., Any], star: bool, items: Iterator[Any], size: int) -> MapChunk | None:
        found = list(itertools.islice(items, size))
        if not found:
            return None
        held = found if not star and values.is_plain(found) else [values.hold(value) for value in found]
        chunk = MapChunk(held)
        with self._lock:
            self._check().post(_Chunk(fn, star, len(found), chunk))
        return chunk

    def _results(
        self,
        fn: Callable[..., Any],
        star: bool,
        items: Iterator[Any],
        size: int,
        chunks: deque[MapChunk],
        deadline: float | None,
        refill: bool,
    ) -> Iterator[Any]:
        try:
            while chunks:
                yield from chunks[0].results(deadline)
                chunks.popleft()
                if refill and (chunk := self._chunk(fn, star, items, size)):
                    chunks.append(chunk)
        finally:
            for chunk in chunks:
                self._worker.post(chunk)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; end the agents when all are done.

        With `cancel_futures`, those that were not sent are cancelled.
        """
        with self._lock:
            self._shut = True
            if self._worker.pid != os.getpid():
                return
            self._worker.close(cancel_futures)
        if wait and threading.current_thread() is not self._worker.thread:
            self._worker.thread.join()


_AS_IS: Final = frozenset({float, bool, type(None)})
"""Types whose values need no look before they are sent."""


@atexit.register
def _close_all() -> None:
    """At the interpreter's exit: let what was submitted finish, as every executor does."""
    for worker in list(_live):
        if worker.pid == os.getpid():
            worker.close(False)
            worker.thread.join()


__all__ = ["Engine", "StartError"]
