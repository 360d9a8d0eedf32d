"""The gate between a fleet and its sinks: what came of a task is told only once it would survive the death of all.

The core does not wait for it: tasks that come after others begin as soon as these are over, and only who is told of
results (a future, a results file) hears of them a commit later, in the order in which the core said so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol


class Log(Protocol):
    """Where messages are written down, in order."""

    told: int
    """Messages given to it so far."""

    safe: int
    """How many of them, from the first on, are where no death of a process reaches them."""


class Gate:
    """Holds back what sinks are to be told until all that was written down before it is safe.

    One queue for all sinks, so that outcomes, ends and the last word of a range come in their order.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: deque[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = deque()
        self._open = False
        self.bytes = 0
        """Held for what waits, beside the messages themselves."""

    def __len__(self) -> int:
        return len(self._waiting)

    def tell(self, size: int, sink: Callable[..., None], *said: Any) -> None:
        """Call `sink` with `said`, which takes `size` bytes, once all that is in the log now is safe; at once if it is.

        It must not raise.
        """
        if self._open or (not self._waiting and self._log.safe >= self._log.told):
            sink(*said)
            return
        self.bytes += size
        self._waiting.append((self._log.told, size, sink, said))

    def follow(self, sink: Callable[..., None], *said: Any) -> None:
        """Call `sink` with `said`, of which nothing was written down, right after what was told before."""
        if self._waiting:
            self._waiting.append((self._waiting[-1][0], 0, sink, said))
        else:
            sink(*said)

    def look(self) -> None:
        """Tell what has become safe."""
        waiting = self._waiting
        while waiting and (self._open or waiting[0][0] <= self._log.safe):
            _, size, sink, said = waiting.popleft()
            self.bytes -= size
            sink(*said)

    def open(self) -> None:
        """Tell everything, now and from here on: nothing will ever be safe again, or nobody wants to wait for it."""
        self._open = True
        self.look()
