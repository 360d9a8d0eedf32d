"""What stands between a fleet and callers in other threads: futures for tasks, and ordered results of a map."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final

from engine.runtime.errors import exception_for, exception_of
from engine.runtime.jobs import Group, Items
from engine.wire import values
from engine.wire.memory import Parcel

_TOMBSTONE: Final = values.Ext(9, b"")
"""Argument of a task that was cancelled in the very moment it was sent: the agent can't read it, and nobody waits for
that.
"""


class TaskFuture(Future[Any]):
    """A future whose cancellation reaches the engine's queue."""

    def __init__(self, cancelled: Callable[[TaskFuture], None]) -> None:
        super().__init__()
        self._told = cancelled
        self._claimed = False
        self.place: tuple[int, int] | None = None
        """(range, index), once it is in the core."""

    def claim(self) -> bool:
        """Mark it as running, once; False if it was cancelled before, which whoever waits for it is told by this."""
        if not self._claimed:
            self._claimed = True
            return self.set_running_or_notify_cancel()
        return not self.cancelled()

    def cancel(self) -> bool:
        """Cancel the task if it has not been sent to an agent."""
        before = self.done()
        if not super().cancel():
            return False
        if not before:
            self._told(self)
        return True


def _settle(future: Future[Any], value: Any, error: BaseException | None) -> None:
    """Give a future its end. What its callbacks raise, SystemExit too, is theirs, and not the end of the engine."""
    try:
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
    except BaseException:
        logging.getLogger("shoal").exception("a callback of a future failed")


class FutureTasks:
    """Source and sink of one range of submitted tasks."""

    __slots__ = ("_futures", "_items", "_raw")

    def __init__(self, held: list[Any], futures: list[TaskFuture | None]) -> None:
        self._raw = held
        self._items = Items(held)
        self._futures = futures

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        """As `jobs.Source`. From here on a task can't be cancelled any more."""
        for index in range(first, first + count):
            future = self._futures[index]
            if future is None or not future.claim():
                self._raw[index] = _TOMBSTONE
        return self._items.column(first, count, parcels)

    def release(self, first: int, count: int) -> None:
        """As `jobs.Source`."""
        self._items.release(first, count)

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        for index, item in enumerate(group.items, group.first):
            future = self._futures[index]
            if future is None or index in group.retried:
                continue
            self._futures[index] = None
            if future.cancelled():
                continue
            failure = group.failures.get(index)
            if failure is not None:
                _settle(future, None, exception_of(failure))
                continue
            try:
                value = values.unwrap(item, group.parcels)
            except BaseException as error:
                _settle(future, None, error)
            else:
                _settle(future, value, None)

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        for index in range(first, first + count):
            future = self._futures[index]
            self._futures[index] = None
            if future is None:
                continue
            if kind == "cancelled":
                Future.cancel(future)
                future.claim()
            elif future.claim():
                _settle(future, None, exception_for(kind, text))

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""


_PENDING: Final = object()


class _Failed:
    """A slot of a map whose task failed."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Large:
    """A slot whose value lies in a parcel."""

    __slots__ = ("item", "parcels")

    def __init__(self, item: Any, parcels: list[Parcel]) -> None:
        self.item = item
        self.parcels = parcels


class MapChunk:
    """Source and sink of one range of a map: results are read by the thread that iterates, not by the engine's."""

    def __init__(self, held: list[Any]) -> None:
        self.held = held
        self._items = Items(held)
        self._slots: list[Any] = [_PENDING] * len(held)
        self._arrived = threading.Condition()
        self.place: int | None = None
        """Its range, once it is in the core."""

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        """As `jobs.Source`."""
        return self._items.column(first, count, parcels)

    def release(self, first: int, count: int) -> None:
        """As `jobs.Source`."""
        self._items.release(first, count)

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        items: list[Any] = group.items
        if group.parcels:
            items = [_Large(item, group.parcels) if type(item) is values.Ext else item for item in items]
        for index in group.retried:
            items[index - group.first] = _PENDING
        for index, failure in group.failures.items():
            items[index - group.first] = _Failed(exception_of(failure))
        with self._arrived:
            self._slots[group.first : group.first + len(items)] = items
            self._arrived.notify_all()

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        error = exception_for(kind, text)
        with self._arrived:
            for index in range(first, first + count):
                if self._slots[index] is _PENDING:
                    self._slots[index] = _Failed(error)
            self._arrived.notify_all()

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""

    def fail(self, error: BaseException) -> None:
        """None of it can be run at all."""
        with self._arrived:
            self._slots = [_Failed(error)] * len(self._slots)
            self._arrived.notify_all()

    def results(self, deadline: float | None) -> Iterator[Any]:
        """Results in order, as they come.

        Raises a task's exception, or TimeoutError once `deadline` (monotonic) has passed.
        """
        for index in range(len(self._slots)):
            found = self._slots[index]
            if found is _PENDING:
                with self._arrived:
                    while (found := self._slots[index]) is _PENDING:
                        left = None if deadline is None else deadline - time.monotonic()
                        if left is not None and left <= 0:
                            raise TimeoutError
                        self._arrived.wait(left)
            self._slots[index] = None  # what was given out is the caller's alone
            kind = type(found)
            if kind is _Failed:
                raise found.error
            if kind is _Large:
                yield values.unwrap(found.item, found.parcels)
            elif kind is values.Ext:
                yield values.unwrap(found, [])
            else:
                yield found
