"""``Engine``: a `concurrent.futures.Executor` on a fleet of agents.

Callers in any thread put what they want into an inbox; one thread owns the run and takes it from there, so that tasks
submitted one by one travel together.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from msgspec import structs

from engine.core.tasks import Options
from engine.runtime.calls import arguments, futures
from engine.runtime.calls.calls import Calls
from engine.runtime.calls.inbox import Barrier, Call, Errand, How
from engine.runtime.calls.maps import MapChunk
from engine.runtime.calls.worker import Worker
from engine.runtime.fleet.specs import Exceptions, main_pool, options_with, spec
from engine.runtime.options import ControlError, RunOptions
from engine.runtime.run import Run
from engine.settings.resolve import checked, resolve
from engine.settings.sources import Source, misspelt
from engine.settings.types import Durability, PoolSettings, Settings, Strategy
from engine.store.places import default_database
from engine.stream.places import UnsafeFolder
from engine.stream.types import Event

_live: weakref.WeakSet[Worker] = weakref.WeakSet()
"""Whose threads the interpreter's exit must wait for."""


class Engine(Calls):
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
        min_workers: int | None = None,
        name: str = "engine",
        shards: int | None = None,
        strategy: Strategy | None = None,
        batch_max: int | None = None,
        timeout: float | None = None,
        soft_timeout: float | None = None,
        retries: int = 0,
        retry_on: Exceptions = (),
        crash_limit: int = 5,
        preload: Iterable[str] | str = (),
        warmup: str | None = None,
        max_idle: float | None = None,
        memory_limit: int | str | None = None,
        pools: Iterable[PoolSettings] = (),
        lanes: Mapping[str, int] | None = None,
        settings: Settings | Mapping[str, object] | None = None,
        record: str | Path | bool | None = None,
        durability: Durability | None = None,
        attachable: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Prepare the agents; they start with the first call, or with `wait_ready`.

        Args:
            max_workers: agents of the pool ``main``; None for what the settings say, by default as many as this process
                may use cores.
            mp_context: accepted for compatibility; agents always come from a process of their own that forks them.
            initializer: called with `initargs` in each agent before its first task.
            max_tasks_per_child: tasks after which an agent is replaced by a fresh one; None for never.
            min_workers: with so many agents the pool begins; it grows up to `max_workers` while tasks wait, and falls
                back to these when there is nothing to do for long. None: it always has `max_workers`.
            name: what the run is called in ``shoal attach`` and in the record.
            shards: hosts that fork and feed the agents, at most one for each; None to go by their number.
            strategy: how tasks are placed on shards.
            batch_max: tasks in one batch at the most.
            timeout: seconds that one task may take before its agent is killed, None for no limit.
            soft_timeout: seconds after which `SoftTimeout` is raised in a task, so that it can tidy up; None for never.
            retries: how often a task that raised is tried again.
            retry_on: exceptions, as classes or names, that are worth a retry, one or several; empty for all.
            crash_limit: how many agents a task may kill before it is given up.
            preload: modules, one or several, to import once, before any agent is forked.
            warmup: ``module:function`` to call once before any agent is forked: it compiles kernels for all of them.
            max_idle: seconds that an agent beyond `min_workers` may be idle.
            memory_limit: bytes of its own (also written such as ``500M``) beyond which an agent is killed, and its task
                blamed.
            pools: more pools beside ``main``; `using` sends calls to them.
            lanes: limits, by name, on how many calls run at a time, in all pools together, of those that are made with
                such a `lane` (`using`); over those of the settings.
            settings: values for this engine, by name, over those of the environment and the config file; or all of
                them, as they stand.
            record: database to record the run in; True for the usual one, None or False for no record.
            durability: what a result that a future has is sure to have outlived, where there is a record: ``off``
                nothing, ``normal`` the death of every process, ``full`` that of the machine.
            attachable: whether ``shoal attach`` finds this engine.
            on_event: called, in the engine's thread, with every event: deaths, lines that agents print, and so on.

        Raises:
            ValueError: for an argument that can't be, and `TooMany` for more agents than fit this machine. For alert
                rules it has a line for each thing that is wrong.
            TypeError: for an argument of another type than it can be.
            StartError: if the record can't be opened, the metrics not be served, or no process be started.
        """
        if mp_context is not None and not isinstance(mp_context, BaseContext):
            raise TypeError("mp_context must be a multiprocessing context or None")
        if on_event is not None and not callable(on_event):
            raise TypeError("on_event must be a callable")
        if record is not None and not isinstance(record, str | os.PathLike | bool):
            raise TypeError(f"record must be a path, True or None, not {type(record).__name__}")
        known = _settings(settings, batch_max, strategy, durability)
        options = options_with(
            Options(batch_max=known.batch_max_size), timeout=timeout, soft_timeout=soft_timeout, retries=retries,
            retry_on=retry_on, crash_limit=crash_limit,
        )  # fmt: skip
        main = main_pool(
            known, max_workers=max_workers, min_workers=min_workers, max_tasks_per_child=max_tasks_per_child,
            shards=shards, preload=preload, warmup=warmup, max_idle=max_idle, memory_limit=memory_limit,
        )  # fmt: skip
        specs = [spec(main, _hook(initializer, initargs)), *map(spec, arguments.pools("pools", pools))]
        if len({one.settings.name for one in specs}) < len(specs):
            raise ValueError("every pool needs a name of its own, and 'main' is taken")
        database = None if record is None or record is False else default_database() if record is True else Path(record)
        limits = known.lanes | ({} if lanes is None else arguments.lanes("lanes", lanes))
        run_options = RunOptions(arguments.text("name", name), database, attachable, settings=known, lanes=limits)
        try:
            run = Run(specs, run_options)
        except (UnsafeFolder, ControlError):  # then nobody can attach; that is no reason not to work
            run_options.control = False
            run = Run(specs, run_options)
        run.fleet.listeners.append(_tell_why_futures_wait)
        if on_event is not None:
            run.fleet.listeners.append(on_event)
            run.alerting.attend()
        self._max_workers = specs[0].settings.max_size or 1
        self._how = How(0, options)
        self._worker = Worker(run)
        _live.add(self._worker)
        self._lock = threading.Lock()
        self._shut = False
        self._closer = weakref.finalize(self, self._worker.close, False)
        self._closer.atexit = False  # `_close_all` does that, and waits

    @property
    def run_id(self) -> str:
        """Id of the run, for ``shoal attach`` and ``shoal show``."""
        return self._worker.run.id

    @property
    def metrics_url(self) -> str | None:
        """Where this engine's metrics are served; None unless the setting ``metrics_port`` asks for that."""
        return self._worker.run.metrics_url

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

    def set_lane(self, name: str, limit: int) -> None:
        """From now on no more than `limit` calls of a lane run at a time, and it may be a new lane; those above a
        smaller limit run to their end. Raises ValueError for a limit below 0."""
        lane, most = arguments.text("name", name), arguments.whole("limit", limit, 0)
        self._ask(lambda run: run.fleet.core.set_lane(lane, most))

    def _post(self, thing: Call | MapChunk | Barrier | Errand) -> None:
        worker = self._worker
        if worker.forked or worker.closing or worker.broken is not None:
            raise self._refusal() or RuntimeError("cannot schedule new futures")
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            worker.post(thing)

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


def _hook(initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> bytes:
    """What each agent calls first, pickled; nothing if there is none."""
    if initializer is None:
        return b""
    if not callable(initializer):
        raise TypeError("initializer must be a callable")
    if not isinstance(initargs, Iterable):
        raise TypeError(f"initargs must be a tuple, not {type(initargs).__name__}")
    import cloudpickle

    return bytes(cloudpickle.dumps((initializer, tuple(initargs)), 5))


def _tell_why_futures_wait(event: Event) -> None:
    """Say it, or that they will not be recorded: by logging, which writes to stderr unless it is told otherwise."""
    if event.kind.startswith(("recorder.", "memory.")):
        level = logging.getLevelName(event.level.upper())
        logging.getLogger("shoal").log(level, "%s", event.text)


def _settings(given: Any, batch_max: int | None, strategy: str | None, durability: str | None) -> Settings:
    """The settings in force, with what was said by arguments of their own over all others."""
    named: dict[str, Any] = {
        "batch_max_size": batch_max, "shard_strategy": strategy, "record_durability": durability,
    }  # fmt: skip
    named = {name: value for name, value in named.items() if value is not None}
    if batch_max is not None:
        named["batch_max_size"] = arguments.whole("batch_max", batch_max)
    if isinstance(given, Settings):
        return checked(structs.replace(given, **named))
    if given is not None and (not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given)):
        raise TypeError("settings must be a mapping of names to values, or a Settings")
    for line in misspelt(os.environ):
        warnings.warn(line, RuntimeWarning, stacklevel=3)
    values = {**(given or {}), **named}
    names = {"batch_max_size": "batch_max", "shard_strategy": "strategy", "record_durability": "durability"}
    return resolve(
        Source(values, {name: names[name] if name in named else f"setting {name}" for name in values})
    ).settings


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
