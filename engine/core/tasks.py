"""Tasks as columnar ranges: ten million tasks are a few byte arrays, not ten million objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from engine.core.claims import Needs

WAITING, READY, SENT, DONE, FAILED, CANCELLED = range(6)
"""States of a task, one byte each. WAITING for a dependency; SENT to a shard, in a batch; the last three are
final."""
STATES: Final = ("waiting", "ready", "sent", "done", "failed", "cancelled")
FINAL: Final = frozenset({DONE, FAILED, CANCELLED})
_OTHER: Final = tuple(re.compile(b"[^%c]" % state) for state in range(len(STATES)))
"""What ends a run of each state, found at the speed of C: a run may be millions long."""


@dataclass(slots=True, frozen=True)
class Options:
    """How the tasks of a range are treated.

    Attributes:
        retries: how often a task that failed by itself (raised, timed out) is tried again.
        crash_limit: attempts, counted only against the task that ran when its agent died, after which it is
            poisoned.
        timeout: seconds one task may run, None for no limit.
        soft_timeout: seconds after which a task is told that its time is up, None for never.
        retry_on: names of exceptions (``Name`` or ``module.Name``) that are worth a retry; empty for all.
        batch_max: tasks in one batch at the most; None for as many as suit the function (`batching.most`).
        batch_size: tasks in every batch; None to go by their measured durations.
        item_bytes: mean size of an item on the wire, to keep batches below a frame; 0 where unknown or small.
        priority: tasks with a higher one are sent before all others of their pool.
        key: what places the range on a shard, where that goes by hash; None to place by the tasks' numbers.
    """

    retries: int = 0
    crash_limit: int = 5
    timeout: float | None = None
    batch_max: int | None = None
    item_bytes: int = 0
    soft_timeout: float | None = None
    retry_on: tuple[str, ...] = ()
    batch_size: int | None = None
    priority: int = 0
    key: int | None = None


class Parent(NamedTuple):
    """The task that has submitted others while it ran: they are its subtasks."""

    range: int
    task: int
    """Which one of that."""
    depth: int
    """How deep its subtasks are nested: 1 where it is no subtask itself."""


class TaskRange:
    """Tasks 0..count-1 of one submission: same function, same pool, same options."""

    __slots__ = (
        "attempts",
        "count",
        "failed",
        "function",
        "holes",
        "id",
        "needs",
        "open_dependencies",
        "options",
        "parent",
        "pool",
        "remaining",
        "state",
        "tries",
    )

    def __init__(
        self,
        number: int,
        count: int,
        function: int,
        pool: int,
        options: Options,
        waits: int,
        needs: Needs | list[Needs] | None = None,
        parent: Parent | None = None,
    ) -> None:
        self.id = number
        self.count = count
        self.function = function
        self.pool = pool
        self.options = options
        self.state = bytearray(count)  # WAITING, until it is put in a queue
        self.remaining = count
        """Tasks that are not final."""
        self.failed = 0
        """Tasks that failed or were cancelled."""
        self.open_dependencies = waits
        self.needs = needs
        """What its tasks hold while they run, claims and a lane: all the same, each its own, or nothing."""
        self.parent = parent
        """Whose subtasks they are; None: nobody's."""
        self.holes = False
        """Some task ended while ready: segments must be looked through."""
        self.attempts: dict[int, int] = {}
        """Deaths of an agent while it ran the task, by task; absent is 0."""
        self.tries: dict[int, int] = {}
        """Failures that were retried, by task; absent is 0."""

    def set(self, first: int, count: int, state: int) -> None:
        """Put `count` tasks from `first` on into one state."""
        if count == 1:
            self.state[first] = state
        else:
            self.state[first : first + count] = bytes((state,)) * count

    def runs_of(self, state: int, first: int, stop: int, longest: int = 1 << 62) -> Iterator[tuple[int, int]]:
        """The maximal runs (start, stop) of tasks in `state` within first..stop-1, cut where `longest`."""
        at = first
        while (at := self.state.find(state, at, stop)) >= 0:
            limit = min(stop, at + longest)
            other = _OTHER[state].search(self.state, at, limit)
            end = other.start() if other else limit
            yield at, end
            at = end


Found: TypeAlias = Literal["hit", "wait", "cold"]
"""How a batch came by its agent: one was idle at once, came free, or had to be started."""


@dataclass(slots=True)
class Batch:
    """Tasks of one range on their way: tasks first..first+count-1, of which the first `accepted` are no
    longer its concern, nor those that are `gone`."""

    id: int
    range: TaskRange
    first: int
    count: int
    shard: int
    sent: float
    since: float = 0.0
    """When its tasks were ready."""
    found: Found = "hit"
    accepted: int = 0
    gone: set[int] = field(default_factory=set)
    """Offsets, from `accepted` on, of tasks that were cancelled while they were out."""
    needs: Needs | None = None
    """What it holds until nothing of it is out."""
    aside: int | None = None
    """The row of the agent that runs it, while its task waits for subtasks."""

    @property
    def left(self) -> int:
        """Tasks it still stands for."""
        return self.count - self.accepted - len(self.gone)
