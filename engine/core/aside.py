"""Agents that step aside: their task waits for subtasks of its own, and meanwhile they count neither as there nor as
busy.

A subtask belongs to the attempt of the task that submitted it, its parent. Only the parent can wait for it, and it
claims nothing and needs no lane: so who waits for whom is a forest, and there is no circle in it. What could still
stand in the way is that all agents of a pool wait; see `engine.core.standins`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from engine.core.actions import Recall, StandAside
from engine.core.ledger import Ledger
from engine.core.tasks import Batch, Options, Parent

FIRST: Final = 1 << 40
"""Priority of subtasks, to which the depth of their nesting is added: what they are part of has begun, so they go
before all else; and the deepest first, so that few tasks wait at the same time."""


class Awaited(NamedTuple):
    """A subtask that somebody waits for."""

    range: int
    task: int
    """Which one of that."""


@dataclass(slots=True)
class Wait:
    """A task that waits for subtasks of its own."""

    batch: int
    offset: int
    since: float
    subtasks: tuple[Awaited, ...] = ()


class Aside(Ledger):
    """Who has stepped aside. Agents and batches are taken out of the counts that say who could do more, and put back
    before anything else is done with them."""

    def __init__(self) -> None:
        super().__init__()
        self.aside: dict[int, Wait] = {}
        """By row, agents whose tasks wait for subtasks."""
        self.stood_in = False
        """Whether anybody ever stood in for one of those."""

    def parent(self, row: int, batch_id: int, offset: int) -> Parent | None:
        """The task at an offset of a batch, as the parent of subtasks; None where the agent of that row can't be
        running it: it is over, was cancelled, or is another's."""
        batch, agent = self.batches.get(batch_id), self.agents[row]
        if batch is None or batch.shard != agent.shard or not agent.up or offset in batch.gone:
            return None
        if not batch.accepted <= offset < batch.count:
            return None
        above = batch.range.parent
        return Parent(batch.range.id, batch.first + offset, 1 if above is None else above.depth + 1)

    def submit_subtasks(self, tasks: int, function: int, pool: int, options: Options, parent: Parent) -> int:
        """Take in subtasks of a task that runs. As `submit`, but that they go before everything else of their pool,
        also while nothing else is sent: the deepest first, then as they come."""
        return self._take_in(tasks, function, pool, replace(options, priority=FIRST + parent.depth, key=None), parent)

    def step_aside(self, now: float, row: int, batch_id: int, offset: int, subtasks: tuple[Awaited, ...]) -> bool:
        """The task at an offset of a batch, which the agent of a row runs, waits for subtasks from now on. False where
        that can't be."""
        if row in self.aside or self.parent(row, batch_id, offset) is None:
            return False
        batch = self.batches[batch_id]
        if batch.aside is not None:
            return False
        self.aside[row] = Wait(batch_id, offset, now, subtasks)
        batch.aside = row
        shard, pool = self.shards[batch.shard], self.pools[batch.range.pool]
        pool.aside += 1
        pool.up -= 1
        pool.out -= 1
        shard.up -= 1
        shard.batches -= 1
        if not pool.up and self.desk.reserving:
            self.desk.desert(pool.id)
        divisible = _divisible(batch)
        if divisible or shard.batches > shard.up:  # what stands behind it would wait, too
            self._actions.append(Recall(shard.id, (batch_id,) if divisible else ()))
        self._actions.append(StandAside(shard.id, row, self.agents[row].generation))
        return True

    def step_back(self, row: int) -> None:
        """The task of an agent waits no longer; nothing if it did not wait."""
        wait = self.aside.pop(row, None)
        if wait is None:
            return
        batch = self.batches[wait.batch]
        batch.aside = None
        shard, pool = self.shards[batch.shard], self.pools[batch.range.pool]
        pool.aside -= 1
        if not pool.out or batch.range.options.priority < pool.lowest:
            pool.lowest = batch.range.options.priority
        pool.up += 1
        pool.out += 1
        shard.up += 1
        shard.batches += 1


def _divisible(batch: Batch) -> bool:
    """As `overdue` has it: not where the user has said how long a batch is to be."""
    return batch.count - batch.accepted > 1 and batch.range.options.batch_size is None
