"""What the core wants done. The runtime carries these out, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(slots=True, frozen=True)
class StartHost:
    """Start the host of a shard, with these agents (row, generation)."""

    shard: int
    agents: tuple[tuple[int, int], ...]


@dataclass(slots=True, frozen=True)
class SpawnAgent:
    """Have a shard's host start one agent."""

    shard: int
    row: int
    generation: int


@dataclass(slots=True, frozen=True)
class Send:
    """Send a batch to a shard."""

    shard: int
    batch: int
    range: int
    first: int
    count: int
    prefetch: bool


@dataclass(slots=True, frozen=True)
class Recall:
    """Have a shard give back the batches that no agent has begun."""

    shard: int


@dataclass(slots=True, frozen=True)
class TasksOver:
    """The core itself ended tasks, which no outcome did: they are final now.

    `kind` is ``poisoned``, ``timeout``, ``dependency``, ``pool`` or ``cancelled``; `text` one line for
    people.
    """

    range: int
    first: int
    count: int
    kind: Literal["poisoned", "timeout", "dependency", "pool", "cancelled"]
    text: str


@dataclass(slots=True, frozen=True)
class RangeOver:
    """Every task of a range is final; nothing about it will come again."""

    range: int
    failed: int


@dataclass(slots=True, frozen=True)
class Happened:
    """Something worth an event. `kind` and `data` are for programs, `text` for people."""

    level: Literal["info", "warning", "error"]
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


Action: TypeAlias = StartHost | SpawnAgent | Send | Recall | TasksOver | RangeOver | Happened


@dataclass(slots=True, frozen=True)
class Accepted:
    """The core's word on a group of outcomes: tasks first..first+count-1 of the range are final but for
    `retried`.

    `skip` outcomes at the group's head had been accepted before and must be left out.
    """

    range: int
    first: int
    count: int
    skip: int
    retried: frozenset[int] = frozenset()
    """Indexes in the range of the failed tasks that will run again."""
    attempts: dict[int, int] = field(default_factory=dict)
    """Attempt that this outcome belongs to, by index, where it isn't the first."""
