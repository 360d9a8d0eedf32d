"""Events without gaps: what a reader that fell behind has missed is filled in from the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.stream.types import Event

Fill = Callable[[int, int], list[Event]]
"""Events with numbers from the first to before the second, as far as they can still be had, in order."""


@dataclass(slots=True, frozen=True)
class Missed:
    """Events that can't be had any more: those from number `first` to before `stop`."""

    first: int
    stop: int


class Follower:
    """Puts events in a row.

    Attributes:
        last: the number of the newest event so far.
    """

    def __init__(self, fill: Fill, last: int | None = None) -> None:
        """`last`: the number after which events are wanted; None: from the first one that comes."""
        self._fill = fill
        self.last = last

    def put(self, event: Event) -> Iterator[Event | Missed]:
        """An event has come: it, and before it what was missed since the last one; nothing if it was told before."""
        if self.last is not None:
            if event.number <= self.last:
                return
            if event.number > self.last + 1:
                yield from self._between(self.last + 1, event.number)
        self.last = event.number
        yield event

    def _between(self, first: int, stop: int) -> Iterator[Event | Missed]:
        for event in self._fill(first, stop):
            if first <= event.number < stop:
                if event.number > first:
                    yield Missed(first, event.number)
                yield event
                first = event.number + 1
        if first < stop:
            yield Missed(first, stop)
