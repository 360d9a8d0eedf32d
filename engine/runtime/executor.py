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
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Final

from engine.core.tasks import Options
from engine.runtime import futures
from engine.runtime.futures import TaskFuture
from engine.runtime.limits import cores
from engine.runtime.maps import MapChunk
from engine.runtime.nest import Image
from engine.runtime.run import ControlError, Run, RunOptions
from engine.runtime.sizes import PoolSpec
from engine.runtime.worker import CHUNK, Call, Worker
from engine.settings.types import PoolSettings
from engine.stream.places import UnsafeFolder
from engine.stream.types import Event
from engine.wire import values

_live: weakref.WeakSet[Worker] = weakref.WeakSet()
"""Whose threads the interpreter's exit must wait for."""


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
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
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
            mp_context: accepted for compatibility; agents always come from a process of their own that forks them.
            initializer: called with `initargs` in each agent before its first task.
            max_tasks_per_child: tasks after which an agent is replaced by a fresh one; None for never.
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
            TypeError: for an initializer that is not callable, or what is no context or number of tasks.
            StartError: if the record can't be opened, or no process be started.
        """
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if mp_context is not None and not isinstance(mp_context, BaseContext):
            raise TypeError("mp_context must be a multiprocessing context or None")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        if batch_max < 1 or retries < 0 or crash_limit < 1 or (timeout is not None and timeout <= 0):
            raise ValueError("batch_max and crash_limit are at least 1, retries at least 0, and timeout above 0")
        self._max_workers = max_workers or cores()
        self._max_tasks_per_child = max_tasks_per_child
        image = Image(preload=list(preload))
        hook = b""
        if initializer is not None:
            import cloudpickle

            hook = cloudpickle.dumps((initializer, initargs), 5)
        database = Path(record) if record is not None else None
        run_options = RunOptions(name, database, attachable, config={"agents": self._max_workers})
        pools = [PoolSpec(PoolSettings(size=self._max_workers, shards=shards), image, hook)]
        try:
            run = Run(pools, run_options)
        except (UnsafeFolder, ControlError):  # then nobody can attach; that is no reason not to work
            run_options.control = False
            run = Run(pools, run_options)
        if on_event is not None:
            run.fleet.listeners.append(on_event)
        options = Options(retries=retries, crash_limit=crash_limit, timeout=timeout, batch_max=batch_max)
        self._worker = Worker(run, options)
        _live.add(self._worker)
        self._lock = threading.Lock()
        self._shut = False
        self._closer = weakref.finalize(self, self._worker.close, False)
        self._closer.atexit = False  # `_close_all` does that, and waits

    @property
    def run_id(self) -> str:
        """Id of the run, for ``shoal attach`` and ``shoal show``."""
        return self._worker.run.id

    def _refusal(self) -> Exception | None:
        """Why nothing can be submitted any more, if so."""
        worker = self._worker
        if worker.forked:
            return RuntimeError("this engine belongs to the process that this one was forked from")
        if self._shut:
            return RuntimeError("cannot schedule new futures after shutdown")
        if worker.broken is not None:
            return BrokenProcessPool(worker.broken)
        if worker.closing:
            return RuntimeError("cannot schedule new futures: the engine was stopped")
        return None

    def _post(self, thing: Call | MapChunk) -> None:
        worker = self._worker
        if worker.forked or worker.closing or worker.broken is not None:
            raise self._refusal() or RuntimeError("cannot schedule new futures")
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            worker.post(thing)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFuture:
        """Schedule ``fn(*args, **kwargs)``. What can't be pickled is the future's exception."""
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        future = TaskFuture(self._worker)
        star = len(args) != 1 or bool(kwargs)
        held: Any = (args, kwargs) if star else args[0]
        if type(held) not in _AS_IS:
            try:
                held = values.hold(held)
            except BaseException as error:
                future.set_exception(error)
                return future
        self._post((future, fn, star, held))
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
        size = CHUNK if buffersize is None else max(1, min(CHUNK, buffersize // 2))
        ahead = None if buffersize is None else max(1, buffersize // size)
        while (ahead is None or len(chunks) < ahead) and (chunk := self._chunk(fn, star, items, size)):
            chunks.append(chunk)
        return self._results(fn, star, items, size, chunks, deadline, ahead is not None)

    def _chunk(self, fn: Callable[..., Any], star: bool, items: Iterator[Any], size: int) -> MapChunk | None:
        found = list(itertools.islice(items, size))
        if not found:
            return None
        held = found if not star and values.is_plain(found) else [values.hold(value) for value in found]
        chunk = MapChunk(fn, star, held)
        self._post(chunk)
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
                while (piece := chunks[0].take(deadline)) is not None:
                    yield from piece
                chunks.popleft()
                if refill and (chunk := self._chunk(fn, star, items, size)):
                    chunks.append(chunk)
        finally:
            for chunk in chunks:
                self._worker.retract(chunk, False)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; end the agents when all are done.

        With `cancel_futures`, those that were not sent are cancelled.
        """
        if self._worker.forked:  # the lock may be held by a thread that is not here
            return
        with self._lock:
            self._shut = True
            self._worker.close(cancel_futures)
        if wait and threading.current_thread() is not self._worker.thread:
            self._worker.thread.join()


_AS_IS: Final = frozenset({int, float, bool, type(None)})
"""Types whose values need no look before they are sent."""


def _forked() -> None:
    """In a child of the caller: the thread is not there, and whoever held a lock neither."""
    futures.renew_lock()
    for worker in list(_live):
        worker.forked = True


os.register_at_fork(after_in_child=_forked)


@atexit.register
def _close_all() -> None:
    """At the interpreter's exit: let what was submitted finish, as every executor does."""
    for worker in list(_live):
        if not worker.forked:
            worker.close(False)
            worker.thread.join()
