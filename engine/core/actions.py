"""What the core wants done. The runtime carries these out, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from engine.core.batching import Cut


@dataclass(slots=True, frozen=True)
class StartHost:
    """Start the host of a shard, without agents as yet."""

    shard: int


@dataclass(slots=True, frozen=True)
class Spawn:
    """Have a shard's host start agents (row, generation)."""

    shard: int
    agents: tuple[tuple[int, int], ...]


@dataclass(slots=True, frozen=True)
class Retire:
    """Have a shard's host end up to so many agents that wait for work."""

    shard: int
    count: int


@dataclass(slots=True, frozen=True)
class Leave:
    """Have a shard's host end an agent once the task that it runs is over."""

    shard: int
    row: int
    generation: int
    why: Literal["recycled", "retired"]


@dataclass(slots=True, frozen=True)
class End:
    """Have a shard's host end an agent at once; nobody is to blame for it."""

    shard: int
    row: int
    generation: int


@dataclass(slots=True, frozen=True)
class StopTask:
    """Have a shard's host end a task of a batch, if it runs, and its agent with it."""

    shard: int
    batch: int
    offset: int


@dataclass(slots=True, frozen=True)
class Send:
    """Send a batch to a shard."""

    shard: int
    batch: int
    range: int
    first: int
    count: int
    prefetch: int
    """Batches that may wait in the queue of a busy agent, this one included; 0 for none."""
    cut: Cut = "rest"
    """Why it has no more tasks."""
    waited: float = 0.0
    """Seconds that its tasks were ready before."""


@dataclass(slots=True, frozen=True)
class Recall:
    """Have a shard give back the batches that no agent has begun."""

    shard: int
    rest: tuple[int, ...] = ()
    """Batches of which the tasks that no agent has begun are to come back, too, though the batch itself has begun."""


@dataclass(slots=True, frozen=True)
class StandAside:
    """Have a shard's host know that the task of an agent waits: nothing is to be put behind it."""

    shard: int
    row: int
    generation: int


@dataclass(slots=True, frozen=True)
class Extended:
    """A pool has, or will have, agents in rows where it never had any."""

    pool: int


@dataclass(slots=True, frozen=True)
class TasksOver:
    """The core itself ended tasks, which no outcome did: they are final now.

    `kind` is ``poisoned``, ``timeout``, ``dependency``, ``pool``, ``cancelled`` or ``depth`` (subtasks that nobody
    could ever run); `text` one line for people.
    """

    range: int
    first: int
    count: int
    kind: Literal["poisoned", "timeout", "dependency", "pool", "cancelled", "depth"]
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


Action: TypeAlias = (
    StartHost
    | Spawn
    | Retire
    | Leave
    | End
    | StopTask
    | Send
    | Recall
    | StandAside
    | Extended
    | TasksOver
    | RangeOver
    | Happened
)


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
    gone: frozenset[int] = frozenset()
    """Indexes in the range of tasks that had been cancelled: what came of them counts for nothing."""
    attempts: dict[int, int] = field(default_factory=dict)
    """Attempt that this outcome belongs to, by index, where it isn't the first."""
