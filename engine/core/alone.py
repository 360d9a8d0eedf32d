"""A task that comes while nothing else waits, and goes at once to somebody who is idle."""

from __future__ import annotations

from engine.core.actions import Send
from engine.core.batching import Cost
from engine.core.dispatch import Dispatch
from engine.core.pools import Shard
from engine.core.tasks import Options, TaskRange


class Alone(Dispatch):
    """What `submit` and `take` do of one task, for who sends it himself: he asks first where it may go, and then says
    where it went."""

    def place_for_one(self, number: int) -> Shard | None:
        """The shard of a pool to which a task that needs nothing but an agent would go at once, if nothing else is out
        there; None if there is none."""
        pool = self.pools[number]
        if pool.queued or not pool.up or self.quota is not None or self.holding or not pool.placement.late:
            return None
        if pool.nested or pool.standins:  # they go first, and more may be there than are to work
            return None
        shard = pool.shards[0] if len(pool.shards) == 1 else pool.least_loaded()
        return None if shard is None or shard.batches or pool.broken is not None else shard

    def next_batch(self) -> int:
        """The id of a batch that `sent_one` will tell of."""
        return next(self._batch_ids)

    def sent_one(self, function: int, pool: int, options: Options, shard: Shard, batch: int, now: float) -> Send:
        """A task has come, and is out as a batch at the shard that `place_for_one` has named."""
        self._last_range += 1
        found = TaskRange(self._last_range, 1, function, pool, options, 0)
        self.ranges[found.id] = found
        self.submitted += 1
        owner = self.pools[pool]
        owner.submitted += 1
        owner.queued += 1  # for no time at all
        shard.placed += 1
        if function not in self._costs:
            self._costs[function] = Cost()
        limit = options.batch_max or options.batch_size
        self._send(owner, shard, found, 0, 1, now, now, 0, "full" if limit == 1 else "rest", batch)
        sent = self._actions.pop()
        assert isinstance(sent, Send)
        return sent
