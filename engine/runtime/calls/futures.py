"""Futures for tasks that were submitted one by one, and what stands between them and a fleet."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, InvalidStateError
from typing import Any, Final, Protocol

from engine.procs.errors import exception_for, exception_of
from engine.runtime.fleet.jobs import Group, Items
from engine.wire import values
from engine.wire.memory import Parcel

_PENDING: Final = "PENDING"
_RUNNING: Final = "RUNNING"
_FINISHED: Final = "FINISHED"
_CANCELLED: Final = frozenset({"CANCELLED", "CANCELLED_AND_NOTIFIED"})
_OVER: Final = _CANCELLED | {_FINISHED}

_TOMBSTONE: Final = values.Ext(9, b"")
"""Argument of a task that was cancelled in the very moment it was sent: the agent can't read it, and nobody waits for
that.
"""

_unwatched = threading.RLock()
"""Held while futures change their state that nobody watches, and while somebody begins to watch one.

Reentrant, because a signal handler or a finalizer may look at a future in the very thread that holds it.
"""


def renew_lock() -> None:
    """In the child of a fork: whoever held the lock is not there."""
    global _unwatched
    _unwatched = threading.RLock()


class Owner(Protocol):
    """Who runs a future's task.

    Attributes:
        woken: somebody who waited for one of its futures was told.
    """

    woken: bool

    def retract(self, future: TaskFuture, running: bool) -> None:
        """The future was cancelled."""


class _Lazily:
    """The condition of a future that nobody has watched before: made when it is first asked for."""

    def __get__(self, future: TaskFuture, kind: type[TaskFuture]) -> threading.Condition:
        mine = future.__dict__  # setdefault can't be interrupted, so two who come at once get the same
        mine.setdefault("_waiters", [])
        mine.setdefault("_done_callbacks", [])
        with _unwatched:
            future._watched = True  # before anybody can hold the condition, under which alone it then changes
            gate, future._gate = future._gate, None
        if gate is not None:
            gate.release()  # whoever waits there waits under the condition from now on
        made: threading.Condition = mine.setdefault("_condition", threading.Condition())
        return made


class TaskFuture(Future[Any]):
    """A future whose cancellation reaches the engine.

    Most futures are only asked for their result once they are done. So one has neither lock nor lists until somebody
    cancels it, adds a callback, or waits for several: until then its state changes under `_unwatched`, from then on
    under its condition, as `concurrent.futures` has it. Who waits for its result, alone, does so at a gate.
    """

    _state: str = _PENDING
    _result: Any = None
    _exception: BaseException | None = None
    _condition: threading.Condition = _Lazily()  # type: ignore[assignment]
    _watched = False
    _gate: threading.Lock | None = None
    """Closed, where somebody waits until it is over, or watched. Taken away, and opened, by whoever sees to that."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner  # all else that the base class would set is made when it is needed
        self.tasks: FutureTasks | None = None
        """The range that it is in, once there is one."""

    def done(self) -> bool:
        """Whether it is over: finished or cancelled."""
        return self._state in _OVER

    def running(self) -> bool:
        """Whether it was sent to an agent, and is not over."""
        return self._state == _RUNNING

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state in _CANCELLED

    def result(self, timeout: float | None = None) -> Any:
        """What the task returned; raises what it raised, CancelledError, or TimeoutError after `timeout` seconds."""
        if self._state == _FINISHED and self._exception is None:
            return self._result
        try:
            if not self._watched:
                timeout = self._wait_alone(timeout)
                if self._state == _FINISHED and self._exception is None:
                    return self._result
            return super().result(timeout)
        finally:
            del self  # else an exception would hold the frame that holds the future that holds the exception

    def _wait_alone(self, timeout: float | None) -> float | None:
        """Wait until it is over, or watched, if nobody else waits for that; what is left of `timeout`."""
        gate = threading.Lock()
        gate.acquire()  # closed before anybody can see it: a signal's handler may look at this very future
        with _unwatched:
            if self._watched or self._gate is not None or self._state == _FINISHED:
                return timeout
            self._gate = gate
        if timeout is None:
            gate.acquire()
            return None
        until = time.monotonic() + timeout
        if timeout > 0:
            gate.acquire(timeout=timeout)
        return until - time.monotonic()

    def claim(self) -> bool:
        """Mark it as running. False if it was cancelled before, which whoever waits for it is told by this."""
        with self._condition:
            if self._state == _RUNNING:
                return True
            return self._state in (_PENDING, "CANCELLED") and self.set_running_or_notify_cancel()

    def start(self) -> bool:
        """As `claim`, and cheap where nobody watches."""
        with _unwatched:
            if not self._watched:
                self._state = _RUNNING
                return True
        return self.claim()

    def cancel(self, *, running: bool = False) -> bool:
        """Cancel the task if it has not been sent to an agent.

        With `running`, also if it has: whatever comes of it then is dropped. False if it is over.
        """
        before = self._state
        if running:
            with self._condition:
                before = self._state
                if before == _RUNNING:
                    self._state = "CANCELLED"
                    self.set_running_or_notify_cancel()  # tells `wait` and `as_completed`
                    self._condition.notify_all()
            if before == _RUNNING:
                self.owner.retract(self, True)
                self._invoke_callbacks()  # type: ignore[attr-defined]
                return True
        if not super().cancel():
            return False
        if before == _PENDING:
            self.owner.retract(self, False)
        return True

    def settle(self, value: Any, error: BaseException | None) -> None:
        """Give it its end, unless it was cancelled. What its callbacks raise, SystemExit too, is theirs, and not the
        end of the engine.
        """
        with _unwatched:
            watched, gate = self._watched, self._gate
            if not watched:
                self._result, self._exception = value, error
                self._state = _FINISHED
                self._gate = None
        if not watched:
            if gate is not None:
                self.owner.woken = True
                gate.release()
            return
        if self._state in _CANCELLED:
            return
        self.owner.woken = True
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except InvalidStateError:
            pass  # cancelled in this very moment
        except BaseException:
            logging.getLogger("shoal").exception("a callback of a future failed")


class FutureTasks:
    """Source and sink of one range of submitted tasks."""

    __slots__ = ("_futures", "_items", "_places", "_raw", "range")

    def __init__(self, held: list[Any], futures: list[TaskFuture | None]) -> None:
        self._raw = held
        self._items = Items(held)
        self._futures = futures
        self._places: dict[int, int] = {}
        self.range = 0
        """Its number in the core."""
        for future in futures:
            if future is not None:
                future.tasks = self

    def place(self, future: TaskFuture) -> int | None:
        """Index of a future that the engine has not ended, else None."""
        if not self._places:  # few ranges ever see a cancellation
            self._places = {id(found): index for index, found in enumerate(self._futures)}
        index = self._places.get(id(future))
        return index if index is not None and self._futures[index] is future else None

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        """As `jobs.Source`. From here on a task can't be cancelled any more."""
        watched: list[tuple[int, TaskFuture | None]] = []
        with _unwatched:
            for index, future in enumerate(self._futures[first : first + count], first):
                if future is not None and not future._watched:
                    future._state = _RUNNING
                else:
                    watched.append((index, future))
        for index, future in watched:
            if future is None or not future.claim():
                self._raw[index] = _TOMBSTONE
        return self._items.column(first, count, parcels)

    def release(self, first: int, count: int) -> None:
        """As `jobs.Source`."""
        self._items.release(first, count)

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        first, items = group.first, group.items
        if group.failures or group.retried or not group.plain:
            self._one_by_one(group)
            return
        if len(items) == 1:
            future, self._futures[first] = self._futures[first], None
            if future is not None:
                future.settle(items[0], None)
            return
        futures = self._futures[first : first + len(items)]
        self._futures[first : first + len(items)] = [None] * len(items)
        watched: list[tuple[TaskFuture, Any]] = []
        with _unwatched:
            for future, value in zip(futures, items, strict=True):
                if future is None:
                    continue
                if not future._watched and future._gate is None:
                    future._result = value
                    future._state = _FINISHED
                else:
                    watched.append((future, value))
        for future, value in watched:
            future.settle(value, None)

    def _one_by_one(self, group: Group) -> None:
        for index, item in enumerate(group.items, group.first):
            future = self._futures[index]
            if future is None or index in group.retried:
                continue
            self._futures[index] = None
            if future.cancelled():
                continue
            failure = group.failures.get(index)
            if failure is not None:
                future.settle(None, exception_of(failure))
                continue
            try:
                value = values.unwrap(item, group.parcels)
            except BaseException as error:
                future.settle(None, error)
            else:
                future.settle(value, None)

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        for index in range(first, first + count):
            future = self._futures[index]
            self._futures[index] = None
            if future is None:
                continue
            if kind == "cancelled":
                _cancel(future)
            elif future.claim():
                future.settle(None, exception_for(kind, text))

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""


def _cancel(future: TaskFuture) -> None:
    """The engine has cancelled it, so nobody is to be asked: nor whether it was sent, for then it has come back."""
    try:
        with future._condition:
            if future._state == _RUNNING:
                future._state = _PENDING
        Future.cancel(future)
        future.claim()
    except BaseException:
        logging.getLogger("shoal").exception("a callback of a future failed")
