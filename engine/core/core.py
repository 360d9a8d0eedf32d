"""The reactor. It alone owns the state of every task."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Final

from engine.core.actions import Accepted, Action, Recall, Send, SpawnAgent, StartHost
from engine.core.batching import batch_size, may_prefetch
from engine.core.ledger import Ledger
from engine.core.pools import GIVE_UP, Agent, Pool, Shard, backoff, split
from engine.core.tasks import DONE, FAILED, READY, SENT, Batch, TaskRange

EPOCH_SHIFT: Final = 40
"""A batch's id is ``epoch << 40 | counter``: an answer to an earlier incarnation of the engine can't be
mistaken."""


class Core(Ledger):
    """Tasks, batches, agents and shards of one run.

    Stimuli are methods; each takes the time it happened. They never call out: what is to be done is
    collected, and `take`
    hands it over after one scheduling pass, however many stimuli came before.

    The promise: an outcome is accepted once. A task may run again after a death, never after its outcome was
    accepted.
    """

    def __init__(self, epoch: int = 1) -> None:
        super().__init__()
        self.restarts = 0
        """Agents started in place of dead ones."""
        self._timers: list[tuple[float, int, int, int, int]] = []
        """Heap of (due, tie-breaker, shard, row or -1 for the host itself, generation of the agent to
        start)."""
        self._tie = count()
        self._batch_ids = count((epoch << EPOCH_SHIFT) + 1)

    # -- what there is to work with --------------------------------------------------------------------------

    def add_pool(self, name: str, size: int, shards: int) -> Pool:
        """A pool of `size` agents on `shards` hosts, started at once. Raises ValueError for sizes below 1."""
        if size < 1 or not 1 <= shards <= size:
            raise ValueError(f"pool {name!r}: {size} agents on {shards} shards")
        pool = Pool(len(self.pools), name, range(len(self.agents), len(self.agents) + size), [])
        self.pools.append(pool)
        for rows in split(pool.rows, shards):
            shard = Shard(len(self.shards), pool.id, rows)
            self.shards.append(shard)
            pool.shards.append(shard)
            self.agents.extend(Agent(row, shard.id) for row in rows)
            self._start_host(shard)
        return pool

    def drain(self) -> None:
        """Send nothing any more, and call back what no agent has begun."""
        if not self.draining:
            self.draining = True
            self._actions.extend(Recall(shard.id) for shard in self.shards if shard.batches)

    @property
    def idle(self) -> bool:
        """No batch is out."""
        return not self.batches

    # -- what hosts say --------------------------------------------------------------------------------------

    def agents_up(self, rows: Iterable[tuple[int, int]]) -> None:
        """Agents (row, generation) wait for work. Those of an older generation are ignored."""
        for row, generation in rows:
            agent = self.agents[row]
            if agent.generation == generation and not agent.up:
                shard = self.shards[agent.shard]
                pool = self.pools[shard.pool]
                agent.up = True
                shard.up += 1
                shard.early_deaths = 0
                pool.up += 1
                pool.ever_up = True
                pool.failed_starts = 0

    def outcomes(
        self, row: int, batch_id: int, offset: int, tasks: int, failed: Sequence[int], nanoseconds: int
    ) -> Accepted | None:
        """Outcomes of `tasks` tasks from `offset` on in a batch; `failed` are the offsets of those that
        failed by themselves.

        Returns what of it counts, or None if none does: an unknown batch, or outcomes accepted before.
        """
        batch = self.batches.get(batch_id)
        if batch is None or not 0 <= offset < offset + tasks <= batch.count or offset + tasks <= batch.accepted:
            self.stale += tasks
            return None
        found, pool = batch.range, self.pools[batch.range.pool]
        skip = max(0, batch.accepted - offset)
        self.stale += skip
        if (
            offset > batch.accepted
        ):  # outcomes before these were lost (a task may overwrite its agent's ring): run them again
            gap, batch.accepted = batch.accepted, offset
            pool.sent -= offset - gap
            self._again(found, batch.first + gap, batch.first + offset)
        first, fresh = batch.first + batch.accepted, tasks - skip
        batch.accepted += fresh
        pool.sent -= fresh
        self.agents[row].proven = True
        self.agents[row].early_deaths = 0
        self._costs[found.function].learn(nanoseconds * 1e-9, tasks)
        found.set(first, fresh, DONE)
        retried: set[int] = set()
        bad = 0
        for at in set(failed):
            index = batch.first + at
            if not first <= index < first + fresh:
                continue
            if self._retry(found, index):
                retried.add(index)
            else:
                found.state[index] = FAILED
                bad += 1
        attempts = {}
        if found.attempts or found.tries:
            for index in range(first, first + fresh):
                attempt = 1 + found.attempts.get(index, 0) + found.tries.get(index, 0) - (index in retried)
                if attempt > 1:
                    attempts[index] = attempt
        over = fresh - len(retried)
        self.accepted += over
        self.done += over - bad
        self.failed += bad
        pool.done += over - bad
        pool.failed += bad
        if not batch.left:
            self._forget(batch)
        for index in sorted(retried, reverse=True):
            self._enqueue(found, index, index + 1, front=True)
        self._final(found, over, failed=bad)
        return Accepted(found.id, first, fresh, skip, frozenset(retried), attempts)

    def agent_down(
        self, now: float, row: int, generation: int, batches: Iterable[tuple[int, int]], why: str, text: str
    ) -> None:
        """An agent is gone; all it had finished was given to `outcomes` before.

        Args:
            batches: (batch, offset of the task that ran, -1 if none did) for each batch it had.
            why: "" (it died), ``timeout``, ``start`` (it could not start) or ``stopped``.
            text: how it died, for people.
        """
        agent = self.agents[row]
        if agent.generation != generation:
            return
        shard = self.shards[agent.shard]
        pool = self.pools[shard.pool]
        began = agent.proven
        for batch_id, running in batches:
            began = began or running >= 0
            self._lost(batch_id, running, why, text)
        self._down(agent)
        if shard.batches and not shard.up:
            self._actions.append(Recall(shard.id))  # nobody there to begin them, for who knows how long
        if why == "stopped":
            agent.stopped = True
            return
        agent.early_deaths = 0 if began else agent.early_deaths + 1
        agent.proven = False
        if pool.broken is not None:
            return
        if not pool.ever_up:
            pool.failed_starts += why == "start"
            if pool.failed_starts >= min(GIVE_UP, len(pool.rows)) or agent.early_deaths >= GIVE_UP:
                self._break(pool, text)
                return
        self._at(now + backoff(agent.early_deaths), agent.shard, row, agent.generation)

    def host_down(self, now: float, shard_id: int, running: Mapping[int, int], text: str) -> None:
        """A host is gone and its agents with it; all they had finished was given to `outcomes` before.

        `running` has, by batch, the offset of the task that ran in it.
        """
        shard = self.shards[shard_id]
        if not shard.running:
            return
        shard.running = False
        for batch in [b for b in reversed(self.batches.values()) if b.shard == shard_id]:
            self._lost(batch.id, running.get(batch.id, -1), "", text)
        for row in shard.rows:
            self._down(self.agents[row])
            self.agents[row].proven = False
        pool = self.pools[shard.pool]
        if pool.broken is not None or all(self.agents[row].stopped for row in shard.rows):
            return
        shard.early_deaths += 1
        if not pool.ever_up and shard.early_deaths >= GIVE_UP:
            self._break(pool, text)
        else:
            self._at(now + backoff(shard.early_deaths), shard_id, -1, 0)

    def returned(self, batches: Iterable[int]) -> None:
        """Batches come back that no agent had begun."""
        for batch_id in batches:
            batch = self.batches.get(batch_id)
            if batch is not None:
                self._forget(batch)
                self._again(batch.range, batch.first + batch.accepted, batch.first + batch.count, lost=False)

    def break_pool(self, pool: int, why: str) -> None:
        """A pool can't start, for a reason found outside: its tasks fail."""
        self._break(self.pools[pool], why)

    # -- time ------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When `tick` must be called, None if no timer runs."""
        return self._timers[0][0] if self._timers else None

    def tick(self, now: float) -> None:
        """Do what has become due."""
        while self._timers and self._timers[0][0] <= now:
            _, _, shard_id, row, generation = heapq.heappop(self._timers)
            shard = self.shards[shard_id]
            if self.pools[shard.pool].broken is not None:
                continue
            if row < 0:
                self._restarted(shard, self._start_host(shard))
            elif (
                self.agents[row].generation == generation
            ):  # else its host died meanwhile, and starts all its agents itself
                self._actions.append(SpawnAgent(shard_id, row, generation))
                self._restarted(shard, 1)

    def take(self, now: float) -> list[Action]:
        """One scheduling pass; then everything that is to be done, in order."""
        if not self.draining:
            for pool in self.pools:
                if pool.queued:
                    self._schedule(pool, now)
        actions, self._actions = self._actions, []
        return actions

    # -- inside ----------------------------------------------------------------------------------------------

    def _schedule(self, pool: Pool, now: float) -> None:
        while pool.queued:
            shard = pool.pick()
            if shard is None:
                return
            found, first, stop = pool.ready[0]
            end = stop
            if found.holes:  # some of the segment ended while it was ready: look for the first run that did not
                first, end = next(found.runs_of(READY, first, stop, found.options.batch_max), (stop, stop))
                if first == stop:
                    pool.ready.popleft()
                    continue
            cost = self._costs[found.function]
            options = found.options
            size = min(end - first, batch_size(cost, pool.queued, pool.up, options.batch_max, options.item_bytes))
            prefetch = may_prefetch(cost, size)
            if shard.batches >= shard.up and not prefetch:
                return  # long work never waits behind other work while an agent elsewhere may come free
            pool.ready.popleft()
            if first + size < stop:
                pool.ready.appendleft((found, first + size, stop))
            pool.queued -= size
            pool.sent += size
            found.set(first, size, SENT)
            batch = Batch(next(self._batch_ids), found, first, size, shard.id, now)
            self.batches[batch.id] = batch
            shard.batches += 1
            self._actions.append(Send(shard.id, batch.id, found.id, first, size, prefetch))

    def _lost(self, batch_id: int, running: int, why: str, text: str) -> None:
        """A batch whose agent died: blame the task that ran, send the others again. Being stopped is nobody's
        fault."""
        batch = self.batches.get(batch_id)
        if batch is None:
            return
        self._forget(batch)
        found = batch.range
        start, stop = batch.first + batch.accepted, batch.first + batch.count
        if batch.accepted <= running < batch.count and why != "stopped":
            index = batch.first + running
            self._again(found, index + 1, stop)
            self._blame(found, index, why, text)
            stop = index
        self._again(found, start, stop)

    def _blame(self, found: TaskRange, index: int, why: str, text: str) -> None:
        """Count a death or a timeout against the task that ran."""
        if why == "timeout":
            if self._retry(found, index):
                self._again(found, index, index + 1)
                return
            limit = found.options.timeout or 0.0
            self.accepted += 1
            self._end(found, index, index + 1, "timeout", f"took longer than its timeout of {limit:g} s")
            return
        attempt = found.attempts[index] = found.attempts.get(index, 0) + 1
        if attempt < found.options.crash_limit:
            self._again(found, index, index + 1)
            return
        times = "once" if attempt == 1 else f"{attempt} times"
        self.accepted += 1
        self._end(found, index, index + 1, "poisoned", f"its agent died {times} while it ran; the last: {text}")

    def _forget(self, batch: Batch) -> None:
        del self.batches[batch.id]
        self.shards[batch.shard].batches -= 1
        self.pools[batch.range.pool].sent -= batch.left

    def _down(self, agent: Agent) -> None:
        agent.generation += 1
        if agent.up:
            agent.up = False
            shard = self.shards[agent.shard]
            shard.up -= 1
            self.pools[shard.pool].up -= 1

    def _at(self, when: float, shard: int, row: int, generation: int) -> None:
        heapq.heappush(self._timers, (when, next(self._tie), shard, row, generation))

    def _restarted(self, shard: Shard, agents: int) -> None:
        self.restarts += agents
        self.pools[shard.pool].restarts += agents

    def _start_host(self, shard: Shard) -> int:
        """Ask for a host with all its agents but those that were stopped; how many those are."""
        shard.running = True
        agents = [self.agents[row] for row in shard.rows if not self.agents[row].stopped]
        self._actions.append(StartHost(shard.id, tuple((agent.row, agent.generation) for agent in agents)))
        return len(agents)
