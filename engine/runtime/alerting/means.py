"""Small statistics over the last seconds, of values that come at any rate."""

from __future__ import annotations

from collections import deque


class Mean:
    """The mean over the last seconds, each of which counts the same, however many values it had."""

    __slots__ = ("_count", "_second", "_seconds", "_sum")

    def __init__(self, seconds: int = 10) -> None:
        self._seconds: deque[tuple[int, float]] = deque(maxlen=seconds)
        self._second = -1
        self._sum = 0.0
        self._count = 0

    def add(self, now: float, value: float) -> float:
        """The mean, with this value."""
        second = int(now)
        if second != self._second:
            if self._count:
                self._seconds.append((self._second, self._sum / self._count))
            self._second, self._sum, self._count = second, 0.0, 0
        self._sum += value
        self._count += 1
        least = second - (self._seconds.maxlen or 1)
        means = [mean for at, mean in self._seconds if at > least]
        return (sum(means) + self._sum / self._count) / (len(means) + 1)


class Worst:
    """The largest value of the last seconds."""

    __slots__ = ("_seconds", "_values")

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._values: deque[tuple[float, float]] = deque()

    def add(self, now: float, value: float) -> None:
        """Take a value in."""
        values = self._values
        while values and values[-1][1] <= value:  # no longer the largest of any second to come
            values.pop()
        values.append((now, value))

    def value(self, now: float) -> float:
        """The largest, 0 without any."""
        values = self._values
        while values and values[0][0] <= now - self._seconds:
            values.popleft()
        return values[0][1] if values else 0.0
