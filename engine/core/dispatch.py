"""Which tasks are sent next, how many at once, and where to."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count
from typing import Final

from engine.core.actions import Send
from engine.core.batching import TARGET, Cut, ahead, batch_size, most, why_cut
from engine.core.claims import Key
from engine.core.lines import Line
from engine.core.pools import Pool, Shard
from engine.core.queues import ReadyQueue
from engine.core.steering import Steering
from engine.core.tasks import READY, SENT, Batch, Found, TaskRange

EPOCH_SHIFT: Final = 40
"""A batch's id is ``epoch << 40 | counter``: an answer to an earlier incarnation of the engine can't be
mistaken."""


class Dispatch(Steering):
    """Makes batches of ready tasks and sends them: those that need nothing but an agent, of which some may wait in the
    queues of busy ones, and those that need claims or a lane, to idle agents only."""

    def __init__(
        self, epoch: int = 1, *, spawn_limit: int = 50, spawn_retries: int = 3, batch_seconds: float = TARGET,
        prefetch: bool = True,
    ) -> None:  # fmt: skip
        """Nothing yet.

        Args:
            epoch: of the engine's incarnation.
            spawn_limit: agents that may be starting at the same time.
            spawn_retries: how often a start that failed is tried again at once.
            batch_seconds: work that a batch aims at.
            prefetch: whether short batches may wait in the queue of a busy agent.
        """
        super().__init__(spawn_limit, spawn_retries)
        self._batch_ids = count((epoch << EPOCH_SHIFT) + 1)
        self._batch_seconds = batch_seconds
        self._prefetch = prefetch

    def _next(self, pool: Pool) -> tuple[Shard, ReadyQueue] | None:
        """Who is to have the next batch, and from which queue; None if nobody can have one."""
        if pool.placement.late:
            shard = pool.least_loaded()
            return None if shard is None else (shard, pool.ready)
        for shard in sorted(pool.shards, key=lambda s: s.load):
            if not shard.up:
                return None
            if shard.ready.head() is not None:
                return shard, shard.ready
            if shard.batches < shard.up:  # nothing to do here: take from who has most and nobody idle to do it
                full = [s for s in pool.shards if s.batches >= s.up and s.ready.head() is not None]
                if full:
                    return shard, max((s.ready for s in full), key=lambda queue: queue.tasks)
        return None

    def _schedule(self, pool: Pool, now: float, before: Key | None = None) -> None:
        """Send tasks that need nothing but an agent; only those that come before a place in the order of all, if one is
        given."""
        while pool.queued > pool.lined and self.quota != 0:
            if pool.standins and pool.full:
                return
            chosen = self._next(pool)
            if chosen is None:
                return
            shard, queue = chosen
            segment = queue.head()
            assert segment is not None
            found, first, end = segment.range, segment.first, segment.stop
            options = found.options
            if before is not None and (-options.priority, found.id, first) > before:
                return
            cost = self._costs[found.function]
            limit = options.batch_max or options.batch_size or most(cost)
            if found.holes:  # some of the segment ended while it was ready: take the first run that did not
                _, end = next(found.runs_of(READY, first, end, limit))
            size = end - first
            if options.batch_size is not None:
                size = min(size, options.batch_size, limit)
            else:
                aim, ready = self._batch_seconds, pool.queued - pool.lined
                size = min(size, batch_size(cost, ready, pool.up, limit, options.item_bytes, aim))
            # A pool that can grow shows by what is queued that it should.
            prefetch = ahead(cost, size) if self._prefetch and not pool.on_demand and not pool.room else 0
            if pool.standins or pool.nested:  # whoever comes free is for subtasks, or one too many
                prefetch = 0
            if shard.batches >= (1 + prefetch) * shard.up:
                return  # long work never waits behind other work while an agent elsewhere may come free
            queue.cut(size)
            if queue is pool.ready:
                shard.placed += size
            elif queue is not shard.ready:
                shard.stolen += size
            cut = why_cut(cost, size, limit, options.item_bytes, self._batch_seconds, first + size == end)
            self._send(pool, shard, found, first, size, now, segment.since, prefetch, cut)

    def _schedule_both(self, pool: Pool, now: float) -> None:
        """Where some need claims or a lane: after `_grant`, one of them is open still only if no agent is idle. Then
        nobody who stands behind it goes to busy agents' queues, or it would never see an idle one."""
        if self.quota is not None:  # pools take turns at what there is
            self._grant([pool], now)
        line = self.desk.first(pool.id)
        self._schedule(pool, now, None if line is None else line.key)

    def _grant(self, pools: Iterable[Pool], now: float) -> None:
        """Send tasks that need claims or a lane, the first of all pools first, as long as agents are idle. Each goes
        after those of its pool that need neither and come before it."""
        desk = self.desk
        todo = [(line.key, pool.id) for pool in pools if (line := desk.first(pool.id)) is not None]
        heapq.heapify(todo)
        while todo and self.quota != 0:
            key, number = heapq.heappop(todo)
            line, pool = desk.first(number), self.pools[number]
            if line is not None and line.key == key and desk.try_to_have(line):
                if pool.queued > pool.lined:
                    self._schedule(pool, now, key)
                shard = pool.least_loaded()
                idle = shard is not None and shard.batches < shard.up and not pool.full
                if shard is not None and idle and self.quota != 0:
                    self._send_line(pool, shard, line, now)
                else:
                    continue  # nobody is idle: all others of this pool wait, too
            line = desk.first(number)
            if line is not None:
                heapq.heappush(todo, (line.key, number))

    def _send_line(self, pool: Pool, shard: Shard, line: Line, now: float) -> None:
        """Send the first tasks of a line, all of whose needs are free."""
        lot = line.head()
        found, first = lot.range, lot.key[2]
        options, needs = found.options, line.needs
        cost = self._costs[found.function]
        limit = options.batch_max or options.batch_size or most(cost)
        run = lot.run(limit)
        if options.batch_size is not None:
            size = min(run, options.batch_size, limit)
        else:  # they run one after the other, so all that a batch has to spare is for others who wait for the same
            agents = min(pool.up, needs.width)
            size = min(run, batch_size(cost, line.tasks, agents, limit, options.item_bytes, self._batch_seconds))
        shard.placed += size
        cut = why_cut(cost, size, limit, options.item_bytes, self._batch_seconds, size == run)
        batch = self._send(pool, shard, found, first, size, now, lot.since, 0, cut)
        batch.needs = needs
        self.desk.sent(line, batch.id, size)

    def _schedule_subtasks(self, pool: Pool, now: float) -> None:
        """Send subtasks, to idle agents only: in the queue of a busy one they might wait for their own parent."""
        while pool.nested and self.quota != 0 and not pool.full:
            shard = pool.least_loaded()
            if shard is None or shard.batches >= shard.up:
                return
            segment = pool.subtasks.head()
            assert segment is not None
            found, first, end = segment.range, segment.first, segment.stop
            cost = self._costs[found.function]
            limit = found.options.batch_max or found.options.batch_size or most(cost)
            if found.holes:
                _, end = next(found.runs_of(READY, first, end, limit))
            size = min(end - first, found.options.batch_size or limit, limit)
            if found.options.batch_size is None:
                aim = self._batch_seconds
                size = min(size, batch_size(cost, pool.nested, pool.up, limit, found.options.item_bytes, aim))
            pool.subtasks.cut(size)
            pool.nested -= size
            pool.queued += size  # where `_send` takes them from
            shard.placed += size
            cut = why_cut(cost, size, limit, found.options.item_bytes, self._batch_seconds, first + size == end)
            self._send(pool, shard, found, first, size, now, segment.since, 0, cut)

    def _send(
        self, pool: Pool, shard: Shard, found: TaskRange, first: int, size: int, now: float, since: float,
        prefetch: int, cut: Cut, number: int | None = None,
    ) -> Batch:  # fmt: skip
        """Send a batch; those tasks have left their queue. `number`: its id, None for the next one."""
        shard.sent += size
        shard.tasks += size
        shard.waited += (now - since) * size
        how: Found = "wait"
        if shard.batches >= shard.up:
            pool.waits += 1
        elif pool.waiting_since is None:
            pool.hits += 1
            how = "hit"
        elif pool.fresh:
            pool.fresh -= 1
            pool.colds += 1
            how = "cold"
        else:
            pool.waits += 1
        pool.sent_at = now
        pool.queued -= size
        pool.sent += size
        found.set(first, size, SENT)
        batch = Batch(
            next(self._batch_ids) if number is None else number, found, first, size, shard.id, now, since, how
        )
        self.batches[batch.id] = batch
        if not pool.out or found.options.priority < pool.lowest:
            pool.lowest = found.options.priority
        shard.batches += 1
        pool.out += 1
        idle = pool.up - pool.out
        if idle < pool.spare[0]:
            pool.spare[0] = max(0, idle)
        self._actions.append(Send(shard.id, batch.id, found.id, first, size, prefetch, cut, now - since))
        if self.quota is not None:
            self.quota -= 1
            self._turn = (pool.id + 1) % len(self.pools)
        return batch
