"""How many work: a pool is refilled below its minimum, grows while tasks wait, and shrinks when agents are idle."""

from __future__ import annotations

from typing import Final

from engine.core.actions import Retire
from engine.core.pools import LONGEST_DELAY, Pool
from engine.core.standins import IDLE, StandIns

GROW_AFTER: Final = 0.05
"""Seconds that tasks wait before an elastic pool grows, and before it grows again."""
_DRAINED_IN: Final = 0.1
"""Seconds of waiting work, by its measured cost, that are not worth another agent."""


class Elastic(StandIns):
    """Pools of as many agents as there is work for, within their bounds."""

    def _adjust(self, pool: Pool, now: float) -> None:
        """After a scheduling pass: see how large the pool is to be, and that somebody looks again."""
        if pool.broken is not None:
            return
        eager = pool.queued - pool.lined + pool.able + pool.nested
        if not eager:
            pool.waiting_since, pool.fresh = None, 0
        elif pool.waiting_since is None:
            pool.waiting_since = now
        if pool.wanted - pool.standins < pool.minimum:
            self._restart(pool, self._want(pool, pool.minimum + pool.standins - pool.wanted))
        if pool.aside > pool.standins and eager:
            self._stand_in(pool)
        held = self.holding and (self.crowded or not pool.nested)
        if eager and pool.room and not held and self.quota != 0:
            self._grow(pool, now)
        if pool.idle_at is not None:
            if pool.idle_at <= now:
                self._shrink(pool, now)
        elif pool.wanted > pool.minimum and not pool.on_demand:
            pool.spare = [max(0, pool.up - pool.out), 0]
            self._watch_idle(pool, now)

    def _grow(self, pool: Pool, now: float) -> None:
        assert pool.waiting_since is not None
        coming = pool.coming
        if pool.on_demand:
            most = pool.eager if self.quota is None else min(pool.eager, self.quota - (pool.up - pool.out))
            pool.grown += self._want(pool, max(0, most - coming))
            return
        if self.quota is not None and pool.wanted:  # more agents could not be given anything for now
            return
        if pool.wanted and now < pool.waiting_since + GROW_AFTER:  # as the timer has it, to the last bit
            self._look(pool, pool.waiting_since + GROW_AFTER)
            return
        pool.waiting_since = now
        self._look(pool, now + GROW_AFTER)
        if not coming and (not pool.wanted or self._worth(pool, now)):
            pool.grown += self._want(pool, min(pool.eager, max(1, pool.wanted)))

    def _worth(self, pool: Pool, now: float) -> bool:
        """Whether what waits would keep the agents that are there busy for a while, or they do not get to it."""
        if now - pool.sent_at > _DRAINED_IN:
            return True
        heads = [
            head
            for queue in (pool.ready, pool.subtasks, *(s.ready for s in pool.shards))
            if (head := queue.head()) is not None
        ]
        ranges = [head.range for head in heads]
        line = self.desk.first(pool.id) if pool.lined else None
        if line is not None:
            ranges.append(line.head().range)
        for found in ranges:
            seconds = self._costs[found.function].seconds
            if seconds is None or pool.eager * seconds > _DRAINED_IN * max(1, pool.up):
                return True
        return False

    def _shrink(self, pool: Pool, now: float) -> None:
        """Half of `max_idle` has passed: retire what was idle all through the last two halves."""
        pool.idle_at = None
        spare, pool.spare = min(pool.spare), [max(0, pool.up - pool.out), pool.spare[0]]
        for shard in pool.shards:
            if now - shard.retiring_since >= LONGEST_DELAY:  # it found nobody idle any more
                shard.retiring = 0
        count = min(spare, pool.up - pool.minimum) - sum(shard.retiring for shard in pool.shards)
        if pool.standins:  # looked at sooner than `max_idle` says: only for who is there beyond the pool's size
            count = min(count, pool.standins - pool.aside)
        if pool.wanted > pool.minimum:
            self._watch_idle(pool, now)
        for shard in sorted(pool.shards, key=lambda s: s.batches - s.up):
            some = min(count, shard.up - shard.batches - shard.retiring)
            if some > 0:
                shard.retiring += some
                shard.retiring_since = now
                self._actions.append(Retire(shard.id, some))
                count -= some

    def _watch_idle(self, pool: Pool, now: float) -> None:
        """Look for idle agents after half of `max_idle`; not so soon that looking is all that is done."""
        seconds = min(pool.max_idle, IDLE) if pool.standins else pool.max_idle
        pool.idle_at = now + max(0.05, seconds / 2)
        self._at(pool.idle_at, "idle", pool.id, 0)
