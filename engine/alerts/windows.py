"""How much a value grew over the last so many seconds, in memory that does not depend on how often it is read."""

from __future__ import annotations

from collections import deque
from typing import Final

_PARTS: Final = 32
"""The oldest value is older than the window by so much of it at the most."""


class Window:
    """The growth of a value, or of two together, over a window that moves on."""

    __slots__ = ("_kept", "_last", "_step", "_sum", "span")

    def __init__(self, span: float) -> None:
        """`span`: seconds."""
        self.span = span
        self._step = span / _PARTS
        self._kept: deque[tuple[float, float, float]] = deque()
        self._last: tuple[float, float] | None = None
        self._sum = (0.0, 0.0)

    def grown(self, now: float, first: float, second: float) -> tuple[float, float, float, float]:
        """Take in two values, and say how much they grew over the window: (seconds, first, second, first at the start).

        The seconds are fewer than those of the window until it is full.
        """
        kept = self._kept
        edge = now - self.span
        while len(kept) > 1 and kept[1][0] <= edge:
            kept.popleft()
        if not kept or now - kept[-1][0] >= self._step:
            kept.append((now, first, second))
        at, one, two = kept[0]
        return now - at, first - one, second - two, one

    def counted(self, now: float, part: float, whole: float, counting: bool) -> tuple[float, float]:
        """Take in two counts, and say by how much they grew over the window, while `counting`.

        A count that is smaller than before began anew, and so does the window.
        """
        last, self._last = self._last, (part, whole)
        if last is None or part < last[0] or whole < last[1]:
            self._kept.clear()
            self._sum = (0.0, 0.0)
        elif counting:
            self._sum = (self._sum[0] + part - last[0], self._sum[1] + whole - last[1])
        _, one, two, _ = self.grown(now, *self._sum)
        return one, two
