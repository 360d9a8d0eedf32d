"""Tasks that need claims, a lane or memory, in lines: those of one pool that need the same wait together, in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.core.amounts import Counted
from engine.core.claims import Key, Needs, Reservation, Resource
from engine.core.tasks import READY, TaskRange

if TYPE_CHECKING:
    from engine.core.pools import Pool


class Lot:
    """Tasks of one range that need the same, ready since a moment, in order of their index. Some may have ended
    meanwhile (`holes`).

    Attributes:
        key: of the first that is left.
    """

    __slots__ = ("_at", "_indexes", "key", "range", "since")

    def __init__(self, found: TaskRange, indexes: Sequence[int], since: float = 0.0) -> None:
        """`indexes`: a range, or an array of numbers that grow."""
        self.range = found
        self.since = since
        self._indexes = indexes
        self._at = 0
        self.key: Key = (-found.options.priority, found.id, indexes[0])

    def skip(self, tasks: int) -> bool:
        """Go on by so many tasks, and past those that ended while they waited; whether any is left."""
        at, indexes, state = self._at + tasks, self._indexes, self.range.state
        if self.range.holes:
            if isinstance(indexes, range):
                if at < len(indexes):
                    found = state.find(READY, indexes[at], indexes.stop)
                    at = len(indexes) if found < 0 else found - indexes.start
            else:
                while at < len(indexes) and state[indexes[at]] != READY:
                    at += 1
        self._at = at
        if at >= len(indexes):
            return False
        self.key = (*self.key[:2], indexes[at])
        return True

    def run(self, limit: int) -> int:
        """How many tasks from the first on follow each other, so that one batch can have them; `limit` at the most."""
        at, indexes = self._at, self._indexes
        first = indexes[at]
        if isinstance(indexes, range):
            stop = min(indexes.stop, first + limit)
            return next(self.range.runs_of(READY, first, stop))[1] - first if self.range.holes else stop - first
        limit = min(limit, len(indexes) - at)
        size, state = 1, self.range.state
        while size < limit and indexes[at + size] == first + size and state[first + size] == READY:
            size += 1
        return size

    def left(self) -> list[int]:
        """The tasks that are left and ready."""
        return [index for index in self._indexes[self._at :] if self.range.state[index] == READY]


class Line:
    """All tasks of a pool that have the same needs and are ready.

    It is *open* while they may be free, as far as is known; else it waits in the queue of one thing that is not.

    Attributes:
        tasks: how many there are.
        ticket: of its only entry that counts, wherever it stands.
        queue: in which it waits, None while it is open.
        origin: the queue from which it was called to be tried. If it does not take what it was called for, the next of
            that queue is called.
        calls: how often somebody let go of what its first task waited for.
        weight: what it counts in `Pool.able`.
    """

    __slots__ = ("_lots", "calls", "needs", "origin", "pool", "queue", "reservation", "tasks", "ticket", "weight")

    def __init__(self, needs: Needs, pool: Pool) -> None:
        self.needs = needs
        self.pool = pool
        self.tasks = 0
        self.ticket = 0
        self.queue: Queue | None = None
        self.origin: Queue | None = None
        self.calls = 0
        self.reservation: Reservation | None = None
        self.weight = 0
        self._lots: list[tuple[Key, Lot]] = []

    @property
    def key(self) -> Key:
        """Of its first task."""
        return self._lots[0][0]

    @property
    def lots(self) -> list[Lot]:
        """What it is made of, in order."""
        return [lot for _, lot in sorted(self._lots, key=lambda entry: entry[0])]

    def push(self, lot: Lot, tasks: int) -> bool:
        """Add tasks; whether they come first."""
        self.tasks += tasks
        heapq.heappush(self._lots, (lot.key, lot))
        return self._lots[0][1] is lot

    def head(self) -> Lot:
        """The lot that is next, cut to where a ready task is. There must be one."""
        while True:
            key, lot = self._lots[0]
            if not lot.range.holes:
                return lot
            if not lot.skip(0):
                heapq.heappop(self._lots)
            elif lot.key == key:
                return lot
            else:
                heapq.heapreplace(self._lots, (lot.key, lot))

    def cut(self, size: int) -> None:
        """Take `size` tasks away from the front of `head`."""
        lot = self._lots[0][1]
        self.tasks -= size
        if lot.skip(size):
            heapq.heapreplace(self._lots, (lot.key, lot))
        else:
            heapq.heappop(self._lots)

    def clear(self) -> None:
        """Forget everything."""
        self._lots.clear()
        self.tasks = 0


class Queue:
    """Lines of one pool that wait for one thing, the first first. Entries of lines that stand elsewhere by now are
    passed over.

    Attributes:
        wish: how they want it: of a claim whether exclusively, of what is counted how much.
    """

    __slots__ = ("heap", "of", "pool", "wish")

    def __init__(self, of: Resource | Counted, pool: int, wish: int) -> None:
        self.of = of
        self.pool = pool
        self.wish = wish
        self.heap: list[tuple[Key, int, Line]] = []

    def push(self, line: Line) -> None:
        heapq.heappush(self.heap, (line.key, line.ticket, line))

    def first(self) -> Line | None:
        """Who comes first here; None if nobody waits."""
        while self.heap:
            key, ticket, line = self.heap[0]
            if line.ticket != ticket:
                heapq.heappop(self.heap)
                continue
            line.head()
            if line.key == key:
                return line
            heapq.heapreplace(self.heap, (line.key, ticket, line))
        return None

    def lines(self) -> Iterator[Line]:
        """All that wait here, in no order."""
        return (line for _, ticket, line in self.heap if line.ticket == ticket)
