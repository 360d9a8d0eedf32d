"""Small groups of outcomes that follow each other, gathered into one message while it waits to be sent."""

from __future__ import annotations

from array import array
from typing import Any, Final

from engine.runtime.fleet.jobs import Group
from engine.store import messages
from engine.store.blocks import FEWEST

MOST: Final = 256
"""Tasks in one message."""
_FEW: Final = FEWEST - 1
"""Tasks of a group that is gathered: one of more may be kept as a block, and the times between groups are in none."""
_SMALL: Final = frozenset({int, float, bool, type(None)})
"""Types of results of which so many are never too long for a message."""


class Gathered:
    """Outcomes of consecutive tasks that one agent ran, all of them well and at the first attempt.

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
        self._started = group.started
        self._offset = offset
        self._results: list[Any] = []
        self._nanoseconds = array("Q")
        self._next = self._first
        self._starts = array("Q")
        self.closed = False
        self.add(group)

    def continues(self, job: int, base: int, group: Group) -> bool:
        """Whether a group is of the tasks right after these."""
        return (
            not self.closed and base + group.first == self._next and job == self._job
            and group.started >= self._started and len(self._results) + len(group.items) <= MOST
        )  # fmt: skip

    def add(self, group: Group) -> None:
        """Take a group in that `continues`."""
        self._results += group.items
        self._nanoseconds += group.nanoseconds
        self._next += len(group.items)
        after = group.started - self._started
        self._starts.append(after)
        try:
            self._starts += array("Q", [end - group.started + after for end in group.ends[:-1]])
        except OverflowError:  # a task has tampered with them: they do not follow each other
            self._starts.extend([after] * (len(group.items) - 1))

    def encoded(self) -> bytes:
        """The message; nothing can be added any more."""
        self.closed = True
        message = messages.Finished(
            self._job, self._first, self._row, (self._started + self._offset) / 1e9, self._nanoseconds.tobytes(),
            self._results, [], [], {}, self._starts.tobytes(),
        )  # fmt: skip
        return messages.encode(message)


def small(group: Group) -> bool:
    """Whether a group may be gathered with others."""
    return (
        group.plain and 0 < len(group.items) <= _FEW
        and not (group.failures or group.attempts or group.retried or group.gone)
        and _SMALL.issuperset(map(type, group.items))
    )  # fmt: skip
