"""Batches that turn out to be long: what they have not begun is called back where somebody else could do it now.

How long a batch takes is only ever an estimate, and one agent alone pays for it. Nobody minds as long as all are busy.
But if somebody is idle, or something more urgent waits, tasks must not stand behind another in a batch or in an agent's
own queue.
"""

from __future__ import annotations

from math import inf
from typing import Final

from engine.core.actions import Recall
from engine.core.elastic import Elastic
from engine.core.pools import Pool
from engine.core.tasks import Batch

OVERDUE: Final = 0.1
"""Seconds after which a batch is overdue: five times what it aims at."""
MOST_PATIENCE: Final = 10.0
"""Seconds between two recalls of one shard at the most."""


class Overdue(Elastic):
    """Looks for batches that are overdue, while there is somebody who could help or something that can't wait."""

    def _see_overdue(self, pool: Pool, now: float) -> None:
        """After a scheduling pass: look if it is time to, and see that somebody does. Not at once when it begins to
        matter: most of what is late where processors are scarce is over a moment later."""
        if pool.overdue_at is not None:
            if pool.overdue_at > now:
                return
            pool.overdue_at = None
            if self._matters(pool):
                self._recall_overdue(pool, now)
        if self._matters(pool):
            pool.overdue_at = now + OVERDUE
            self._at(pool.overdue_at, "overdue", pool.id, 0)

    def _matters(self, pool: Pool) -> bool:
        """Whether tasks of a pool wait behind others that were sent, and one of them could run at once elsewhere, or
        should before them. Asked after each scheduling pass: it must cost next to nothing."""
        if not pool.out or self.holding or pool.broken is not None or self.quota is not None:
            return False
        if pool.sent <= pool.out and all(shard.batches <= shard.up for shard in pool.shards):
            return False
        return _helpers(pool) or self._urgency(pool) > pool.lowest

    def _recall_overdue(self, pool: Pool, now: float) -> None:
        """Call back what is overdue, from each shard ever more seldom while that happens time and again: where there
        are many more agents than processors, all is late, and calling it back helps nobody."""
        below = inf if _helpers(pool) else self._urgency(pool)
        late: dict[int, list[int]] = {}
        for batch in self.batches.values():
            if batch.sent > now - OVERDUE:
                break  # they were sent in this order
            found, shard = batch.range, self.shards[batch.shard]
            if found.pool == pool.id and found.options.priority < below and now >= shard.recalled + shard.patience:
                rest = late.setdefault(shard.id, [])
                if self._divisible(batch):
                    rest.append(batch.id)
        for number, rest in late.items():
            shard = self.shards[number]
            if rest or shard.batches > shard.up:
                again = now < shard.recalled + 4 * shard.patience
                shard.patience = min(MOST_PATIENCE, 2 * shard.patience) if again else 2 * OVERDUE
                shard.recalled = now
                self._actions.append(Recall(number, tuple(rest)))

    def _urgency(self, pool: Pool) -> float:
        """The highest priority of what waits in a pool for an agent alone; minus infinity if nothing does."""
        if not pool.eager:
            return -inf
        queues = [pool.ready] if pool.placement.late else [shard.ready for shard in pool.shards]
        line = self.desk.first(pool.id) if pool.lined else None
        lined = -inf if line is None else line.head().range.options.priority
        return max(lined, *(head.range.options.priority for q in queues if (head := q.head()) is not None), -inf)

    def _divisible(self, batch: Batch) -> bool:
        """Whether a batch may be cut in two: not where the user has said how long it is to be."""
        return batch.count - batch.accepted > 1 and batch.range.options.batch_size is None


def _helpers(pool: Pool) -> bool:
    """Whether somebody is idle, or could be started."""
    return any(shard.batches < shard.up for shard in pool.shards) or bool(pool.room and not pool.on_demand)
