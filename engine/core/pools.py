"""Pools, their shards, and the agents of each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from engine.core.tasks import TaskRange

FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 10.0
GIVE_UP: Final = 3
"""Failed starts in a row after which a pool that never had an agent is broken."""


def backoff(deaths: int) -> float:
    """Seconds to wait before another start, after so many deaths in a row before a first task."""
    if deaths <= 1:
        return 0.0
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(deaths - 2, 30)))


@dataclass(slots=True)
class Agent:
    """One slot on the scoreboard, and the agent of the moment in it."""

    row: int
    shard: int
    generation: int = 1
    up: bool = False
    proven: bool = False
    """This one has finished a task: its death is no sign of a pool that can't start. Nor is a death within a task."""
    early_deaths: int = 0
    """In a row, before a first task."""
    stopped: bool = False
    """Ended on request: nobody takes its place, not even when its host starts anew."""


@dataclass(slots=True)
class Shard:
    """A queue and the agents it feeds."""

    id: int
    pool: int
    rows: range
    up: int = 0
    """Agents that can work."""
    batches: int = 0
    """Batches out at this shard."""
    running: bool = False
    """Its host was asked for and has not died."""
    early_deaths: int = 0


@dataclass(slots=True)
class Pool:
    """Agents that share what they have imported, fed with the same tasks."""

    id: int
    name: str
    rows: range
    shards: list[Shard]
    ready: deque[tuple[TaskRange, int, int]] = field(default_factory=deque)
    """Segments (range, first, stop) of tasks to send, the next at the left."""
    queued: int = 0
    """Ready tasks in those segments."""
    ever_up: bool = False
    failed_starts: int = 0
    """In a row, of any of its agents, before one came up."""
    broken: str | None = None
    """Why it can't start, once that is certain."""
    up: int = 0
    sent: int = 0
    """Tasks out in batches."""
    done: int = 0
    failed: int = 0
    restarts: int = 0

    def pick(self) -> Shard | None:
        """The shard with the smallest share of work that has room for a batch without prefetch or with; None
        if all are full."""
        best: Shard | None = None
        least = 2.0
        for shard in self.shards:
            if shard.up and shard.batches < 2 * shard.up:
                load = shard.batches / shard.up
                if load < least:
                    best, least = shard, load
        return best


def split(rows: range, parts: int) -> list[range]:
    """Even, contiguous slices of rows, the larger ones first."""
    size, extra = divmod(len(rows), parts)
    slices, at = [], rows.start
    for part in range(parts):
        stop = at + size + (part < extra)
        slices.append(range(at, stop))
        at = stop
    return slices
