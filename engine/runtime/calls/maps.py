"""Ordered results of a map: what stands between a fleet and the thread that iterates."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from engine.core.claims import Claim
from engine.procs.errors import exception_for, exception_of
from engine.runtime.fleet.jobs import Group, Items
from engine.wire import values
from engine.wire.memory import Parcel


class Left(Exception):
    """Nobody wants any more results of this map."""


_Piece: TypeAlias = tuple[int, Iterable[Any]]


class _Failed:
    """A result of a map whose task failed."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class MapChunk:
    """Source and sink of one range of a map: results are read by the thread that iterates, not by the engine's."""

    def __init__(
        self, function: Callable[..., Any], star: bool, held: list[Any], how: Any,
        each: list[tuple[Claim, ...]] | None = None,
    ) -> None:  # fmt: skip
        """`how`: pool and options, as the worker takes them; `each`: what each call claims beside that."""
        self.each = each
        self.function = function
        self.star = star
        self.how = how
        self.held = held
        self.range: int | None = None
        """Its number in the core, once it is there."""
        self._items = Items(held)
        self._count = len(held)
        self._at = 0
        self._pieces: dict[int, _Piece] = {}
        """What has arrived, by its first index: how many results, and these."""
        self._failed: list[tuple[int, int, BaseException]] = []
        """What the engine ended, unless it has arrived: first, stop, and why."""
        self._arrived = threading.Condition()
        self._awaken: list[MapChunk] = []
        self._left = False
        self._wanted = -1
        """Index for which the reader waits, or is about to."""

    def began(self, number: int, awaken: list[MapChunk]) -> None:
        """It is range `number` of the core's. When what its reader waits for has arrived, it puts itself into `awaken`,
        for the engine's thread to wake the reader once it has nothing more urgent to do: a reader that is woken for
        every piece takes the interpreter's lock from the engine each time.
        """
        self.range, self._awaken = number, awaken

    def column(self, first: int, count: int, parcels: list[Parcel]) -> bytes:
        """As `jobs.Source`."""
        return self._items.column(first, count, parcels)

    def release(self, first: int, count: int) -> None:
        """As `jobs.Source`."""
        self._items.release(first, count)

    def outcomes(self, group: Group) -> None:
        """As `jobs.Sink`."""
        first, items = group.first, group.items
        if group.plain and not group.failures and not group.retried and not group.gone:
            self._put(first, len(items), items)
            return
        for index, failure in group.failures.items():
            items[index - first] = _Failed(exception_of(failure))
        for stop in sorted([*group.retried, *group.gone, group.first + len(items)]):
            if first < stop:
                part = items[first - group.first : stop - group.first]
                self._put(first, len(part), _opened(part, group.parcels))
            first = stop + 1

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """As `jobs.Sink`."""
        self._fail(first, first + count, exception_for(kind, text))

    def finished(self, failed: int) -> None:
        """As `jobs.Sink`."""

    def fail(self, error: BaseException) -> None:
        """None of it can be run at all."""
        self._fail(0, self._count, error)

    def _put(self, first: int, count: int, found: Iterable[Any]) -> None:
        self._pieces[first] = count, found
        if self._wanted == first:
            self._awaken.append(self)

    def awake(self) -> None:
        """Wake the reader."""
        with self._arrived:
            self._arrived.notify()

    def _fail(self, first: int, stop: int, error: BaseException) -> None:
        self._failed.append((first, stop, error))
        self.awake()

    def leave(self) -> None:
        """No more results are wanted: who waits for one need not."""
        self._left = True
        self.awake()

    # -- in the thread that iterates ----------------------------------------------------------------------------------

    def take(self, deadline: float | None) -> Iterable[Any] | None:
        """The next results that have arrived together, once they have; None after the last.

        To take them, or to go through them, raises a task's exception; TimeoutError once `deadline` (monotonic) has
        passed; `Left` once somebody has called `leave`.
        """
        if self._left:
            raise Left
        if self._at == self._count:
            return None
        piece = self._pieces.pop(self._at, None)
        count, found = self._wait(deadline) if piece is None else piece
        self._at += count
        return found

    def _wait(self, deadline: float | None) -> _Piece:
        at = self._at
        with self._arrived:
            self._wanted = at  # before looking again: what arrives from here on is notified
            while (piece := self._pieces.pop(at, None)) is None:
                if self._left:
                    raise Left
                for first, stop, error in self._failed:
                    if first <= at < stop:
                        raise error
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._arrived.wait(left)
            self._wanted = -1
            return piece


class Chunks:
    """The ranges of a map that have not been read to their end.

    One thread reads them; another may give the map up meanwhile.
    """

    def __init__(self) -> None:
        self._chunks: deque[MapChunk] = deque()
        self._gate = threading.Lock()
        self._left = False

    def __len__(self) -> int:
        return len(self._chunks)

    def first(self) -> MapChunk | None:
        """The one to be read now; None if there is none, or the map was given up."""
        with self._gate:
            return self._chunks[0] if self._chunks else None

    def drop(self, chunk: MapChunk) -> None:
        """The first one has been read."""
        with self._gate:
            if self._chunks and self._chunks[0] is chunk:
                self._chunks.popleft()

    def append(self, chunk: MapChunk) -> bool:
        """Take in another; False if the map was given up."""
        with self._gate:
            if not self._left:
                self._chunks.append(chunk)
            return not self._left

    def leave(self) -> list[MapChunk]:
        """Give the map up; what was still to be read."""
        with self._gate:
            self._left = True
            rest = list(self._chunks)
            self._chunks.clear()
            return rest


def _opened(items: list[Any], parcels: list[Parcel]) -> Iterator[Any]:
    """Results out of what came for them; what was given out is the caller's alone."""
    items.reverse()
    while items:
        if type(items[-1]) is _Failed:
            raise items.pop().error
        yield values.unwrap(items.pop(), parcels)
