"""Small groups of outcomes that follow each other, gathered into one message while it waits to be sent."""

from __future__ import annotations

from array import array
from typing import Any, Final

from engine.runtime.jobs import Group
from engine.store import messages

MOST: Final = 256
"""Tasks in one message."""
_SMALL: Final = frozenset({int, float, bool, type(None)})
"""Types of results of which so many are never too long for a message."""


class Gathered:
    """Outcomes of tasks that one agent ran one after the other, all of them well and at the first attempt.

    Attributes:
        closed: it has been encoded, and takes nothing more.
    """

    def __init__(self, job: int, base: int, group: Group, offset: int) -> None:
        """`base`: index in the job of the range's first task; `offset`: what makes CLOCK_MONOTONIC the Unix time, in
        ns. The group must be `small`.
        """
        self._job = job
        self._first = base + group.first
        self._row = group.row
        self._started = (group.started + offset) / 1e9
        self._results: list[Any] = []
        self._nanoseconds = array("Q")
        self._next = self._first
        self._end = group.started
        self.closed = False
        self.add(group)

    def continues(self, job: int, base: int, group: Group) -> bool:
        """Whether a group is of the tasks right after these, which began when these had ended."""
        return (
            not self.closed and base + group.first == self._next and group.started == self._end
            and job == self._job and len(self._results) + len(group.items) <= MOST
        )  # fmt: skip

    def add(self, group: Group) -> None:
        """Take a group in that `continues`."""
        self._results += group.items
        self._nanoseconds += group.nanoseconds
        self._next += len(group.items)
        self._end = group.ends[-1]

    def encoded(self) -> bytes:
        """The message; nothing can be added any more."""
        self.closed = True
        nanoseconds = self._nanoseconds.tobytes()
        message = messages.Finished(
            self._job, self._first, self._row, self._started, nanoseconds, self._results, [], [], {}
        )
        return messages.encode(message)


def small(group: Group) -> bool:
    """Whether a group may be gathered with others."""
    return (
        group.plain and 0 < len(group.items) <= MOST // 2
        and not (group.failures or group.attempts or group.retried or group.gone)
        and _SMALL.issuperset(map(type, group.items))
    )  # fmt: skip
