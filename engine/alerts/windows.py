"""How a value went over the last so many seconds, in memory that does not depend on how often it is read."""

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


class Trend:
    """The slope of a value that goes up and down: that of the straight line through its means over parts of the window.

    By least squares, for the difference of two single values would be their noise.
    """

    __slots__ = ("_began", "_closed", "_count", "_step", "_sums", "_times", "_values", "span")

    def __init__(self, span: float) -> None:
        """`span`: seconds."""
        self.span = span
        self._step = span / _PARTS
        self._closed: deque[tuple[float, int, float, float]] = deque()
        """Of each part that is over: when it began, how many values it had, the means of their times and of them."""
        self._sums = (0, 0.0, 0.0, 0.0, 0.0)
        """Of the closed parts: how many values, and the sums of t, v, t*t and t*v, with t from `_began` on."""
        self._began: float | None = None
        self._count = 0
        self._times = self._values = 0.0

    def slope(self, now: float, value: float) -> tuple[float, float, float]:
        """Take in a value, and say: (seconds that are known of, growth a second, mean)."""
        began = self._began
        if began is None:
            self._began = began = now
        elif now - began >= self._step:
            self._close(began)
            self._began = began = now
            edge = now - self.span
            while len(self._closed) > 1 and self._closed[1][0] <= edge:
                self._closed.popleft()
            self._add_up(now)
        self._count += 1
        self._times += now - began
        self._values += value
        n, t, v, tt, tv = self._sums
        at = self._times / self._count
        times, values = self._times, self._values
        n, t, v, tt, tv = n + self._count, t + times, v + values, tt + at * times, tv + at * values
        below = n * tt - t * t
        first = self._closed[0][0] if self._closed else began
        return now - first, (n * tv - t * v) / below if below > 0 else 0.0, v / n

    def _close(self, began: float) -> None:
        count = self._count
        self._closed.append((began, count, began + self._times / count, self._values / count))
        self._count, self._times, self._values = 0, 0.0, 0.0

    def _add_up(self, origin: float) -> None:
        """Anew each time: sums that are kept up to date would drift away."""
        n, t, v, tt, tv = 0, 0.0, 0.0, 0.0, 0.0
        for _, count, at, value in self._closed:
            at -= origin
            n += count
            t += count * at
            v += count * value
            tt += count * at * at
            tv += count * at * value
        self._sums = (n, t, v, tt, tv)
