"""The order of things that come after each other, and the circle that makes one impossible. Pure, of any size."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


class Circle(ValueError):
    """Things that come after each other in a circle. `path`: their numbers, each before the next, the first one again
    at the end."""

    def __init__(self, path: list[int]) -> None:
        super().__init__(path)
        self.path = path


def followers(before: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each, those that come after it: `before` has for each those that it comes after."""
    after: list[list[int]] = [[] for _ in before]
    for number, others in enumerate(before):
        for other in others:
            after[other].append(number)
    return after


def topological(before: Sequence[Sequence[int]]) -> list[int]:
    """All of them, each after those that it comes after, otherwise as they are numbered (Kahn, CACM 1962, with the
    least number first). Raises `Circle`."""
    open_ = [len(others) for others in before]
    after = followers(before)
    free = [number for number, count in enumerate(open_) if not count]
    heapq.heapify(free)
    found: list[int] = []
    while free:
        number = heapq.heappop(free)
        found.append(number)
        for other in after[number]:
            open_[other] -= 1
            if not open_[other]:
                heapq.heappush(free, other)
    if len(found) < len(before):
        raise Circle(_circle(before, open_))
    return found


def _circle(before: Sequence[Sequence[int]], open_: Sequence[int]) -> list[int]:
    """A circle among those that are open: each of them comes after another one of them."""
    at = next(number for number, count in enumerate(open_) if count)
    seen: dict[int, int] = {}
    path: list[int] = []
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(other for other in before[at] if open_[other])
    found = path[seen[at] :][::-1]
    least = found.index(min(found))  # the same circle is always told in the same words
    found = found[least:] + found[:least]
    return [*found, found[0]]
