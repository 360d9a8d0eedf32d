"""Ready tasks in the order in which they are to be sent: by priority, then as they came."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.tasks import READY, TaskRange


@dataclass(slots=True)
class Segment:
    """Tasks first..stop-1 of a range that wait together, since a moment. Some may have ended meanwhile (`holes`)."""

    range: TaskRange
    first: int
    stop: int
    since: float


class ReadyQueue:
    """Segments of ready tasks.

    Attributes:
        tasks: how many tasks its segments span, those that were cancelled while they waited included.
    """

    __slots__ = ("_levels", "_order", "tasks")

    def __init__(self) -> None:
        self.tasks = 0
        self._levels: dict[int, Segment | deque[Segment]] = {}
        """By priority. There may be as many as tasks, and a deque is half a kilobyte: one alone stands for itself."""
        self._order: list[int] = []
        """Heap of the priorities in use, negated: the highest comes first."""

    def __iter__(self) -> Iterator[Segment]:
        for priority in sorted(self._order):
            level = self._levels[-priority]
            if isinstance(level, Segment):
                yield level
            else:
                yield from level

    def push(self, segment: Segment, *, front: bool = False) -> None:
        """Add a segment behind the others of its priority; or before them."""
        priority = segment.range.options.priority
        level = self._levels.get(priority)
        if level is None:
            self._levels[priority] = segment
            heapq.heappush(self._order, -priority)
        elif isinstance(level, Segment):
            self._levels[priority] = deque((segment, level) if front else (level, segment))
        elif front:
            level.appendleft(segment)
        else:
            level.append(segment)
        self.tasks += segment.stop - segment.first

    def head(self) -> Segment | None:
        """The segment that is next, cut at its front to where a ready task is; None if there is none."""
        while self._order:
            level = self._levels[-self._order[0]]
            segment = level if isinstance(level, Segment) else level[0]
            if not segment.range.holes:
                return segment
            start, _ = next(segment.range.runs_of(READY, segment.first, segment.stop, 1), (segment.stop, 0))
            self.tasks -= start - segment.first
            segment.first = start
            if start < segment.stop:
                return segment
            self._drop(level)
        return None

    def cut(self, size: int) -> None:
        """Take `size` tasks away from the front of `head`."""
        level = self._levels[-self._order[0]]
        segment = level if isinstance(level, Segment) else level[0]
        segment.first += size
        self.tasks -= size
        if segment.first >= segment.stop:
            self._drop(level)

    def clear(self) -> None:
        """Forget everything."""
        self._levels.clear()
        self._order.clear()
        self.tasks = 0

    def _drop(self, first: Segment | deque[Segment]) -> None:
        """The first segment of the first level is used up."""
        if not isinstance(first, Segment):
            first.popleft()
            if first:
                return
        del self._levels[-heapq.heappop(self._order)]
