"""What people ask of a run that is going on: to wait, to end, to have more or fewer agents, to do things otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from engine.core.actions import End, Leave, Recall
from engine.core.claims import Claim, Needs
from engine.core.overdue import Overdue
from engine.core.placement import Placement
from engine.core.pools import Agent, Pool
from engine.core.queues import Segment
from engine.settings.types import Strategy

_GONE: Final = "{name} is not there"


class Steering(Overdue):
    """Stimuli that come from outside at any time. What can't be done raises ValueError, with a text for people."""

    _batch_seconds: float
    """Work that a batch aims at."""

    def drain(self) -> None:
        """Send nothing any more, and call back what no agent has begun."""
        if not self.draining:
            self.draining = True
            self._call_back()

    def pause(self) -> None:
        """Send nothing until `resume`, and call back what no agent has begun; what runs goes on to its end."""
        if not self.paused:
            self.paused = True
            self._call_back()

    def resume(self) -> None:
        """Send again, after `pause`."""
        self.paused = False

    def set_lane(self, name: str, limit: int) -> None:
        """No more than `limit` batches of a lane's tasks, of all pools together, are out at a time from now on; it may
        be a new lane. What is out above a smaller limit goes on to its end."""
        self.desk.set_lane(name, limit)

    def set_memory(self, limit: int) -> None:
        """Tasks that say what memory they take never take more than `limit` bytes together from now on; what is out
        above a smaller limit goes on to its end, and who takes more than it runs alone."""
        self.desk.set_memory(limit)

    def hold(self, now: float, claims: Iterable[Claim], lane: str | None = None) -> tuple[int, str]:
        """Somebody outside, no agent, takes claims and a place in a lane, all of it at once, if it is free, and nobody
        who is known by now has it reserved. The number under which he has it, to `let_go`; or 0, and the name of what
        is not free. Raises ValueError as `submit` does."""
        needs = self.desk.claims.wanted(1, claims, lane, None)
        if needs is None:
            raise ValueError("nothing is claimed")
        assert isinstance(needs, Needs)
        bar = self.desk.hold(needs, self._last_range + 1, (0, self._last_range + 1, 0))
        if bar is not None:
            self.desk.claims.done_with(needs)
            return 0, bar.name
        self._last_range += 1
        self.outside[self._last_range] = needs, now
        return self._last_range, ""

    def let_go(self, number: int) -> None:
        """What somebody outside has taken is free again."""
        needs, _ = self.outside.pop(number)
        self.desk.release(needs, number)
        self.desk.claims.done_with(needs)

    def resize(self, pool_id: int, minimum: int, maximum: int) -> None:
        """Have a pool of at least and at most so many agents. Those that are too many end after their task; those that
        are missing are started."""
        pool = self.pools[pool_id]
        if pool.broken is not None:
            raise ValueError(f"pool {pool.name} can't start: {pool.broken}")
        if not 0 <= minimum <= maximum or maximum < 1:
            raise ValueError(f"{minimum:,} to {maximum:,} agents is no size of a pool")
        if maximum > len(pool.rows):
            room = f"{len(pool.rows):,} agents at the most, as large as it was begun"
            raise ValueError(f"pool {pool.name} has room for {room}: not for {maximum:,}")
        pool.minimum, pool.maximum = 0 if pool.on_demand else minimum, maximum
        self._dismiss(pool, pool.wanted - pool.standins - pool.leaving - maximum)
        pool.grown += self._want(pool, pool.minimum + pool.standins - pool.wanted)

    def recycle(self, row: int) -> None:
        """Have a fresh agent take the place of one, once the task that it runs is over. One that starts may be at work
        before that is known here; if it is not, it is fresh, and stays."""
        agent = self.agents[row]
        if not (agent.up or agent.starting):
            raise ValueError(_GONE.format(name=self._name(row)))
        if not agent.leaving:
            self._actions.append(Leave(agent.shard, row, agent.generation, "recycled"))

    def kill(self, row: int) -> None:
        """End an agent at once. Its task runs again and is not blamed; another agent takes its place."""
        agent = self.agents[row]
        if not (agent.up or agent.starting):
            raise ValueError(_GONE.format(name=self._name(row)))
        self._actions.append(End(agent.shard, row, agent.generation))

    def tune(
        self, *, spawn_limit: int | None = None, spawn_retries: int | None = None, batch_seconds: float | None = None
    ) -> None:
        """Change what `Core` was made with, from now on."""
        if spawn_limit is not None:
            self._limit = max(1, spawn_limit)
            self._window = self._limit
            self._most_starting = max(self._limit, self.starting)
        if spawn_retries is not None:
            self._retries = spawn_retries
        if batch_seconds is not None:
            self._batch_seconds = batch_seconds

    def set_batching(self, range_id: int, batch_max: int | None, batch_size: int | None) -> None:
        """Batches of a range that are still to be sent have so many tasks at the most, or just so many; as `Options`
        has them."""
        found = self.ranges.get(range_id)
        if found is not None:
            found.options = replace(found.options, batch_max=batch_max, batch_size=batch_size)

    def set_max_idle(self, pool_id: int, seconds: float, now: float) -> None:
        """How long agents of a pool beyond its minimum may be idle."""
        pool = self.pools[pool_id]
        pool.max_idle = seconds
        if pool.idle_at is not None:
            self._watch_idle(pool, now)

    def set_strategy(self, pool_id: int, strategy: Strategy) -> None:
        """Place tasks of a pool on its shards in another way; those that wait are placed anew."""
        pool = self.pools[pool_id]
        queues = [pool.ready, *(shard.ready for shard in pool.shards)]
        waiting: list[Segment] = [segment for queue in queues for segment in queue]
        for queue in queues:
            queue.clear()
        pool.placement = Placement(strategy)
        for segment in waiting:
            if pool.placement.late:
                pool.ready.push(segment)
            else:
                self._place(pool, segment)

    # -- inside ----------------------------------------------------------------------------------------------

    def _call_back(self) -> None:
        """Have every shard give back what no agent has begun."""
        rests: dict[int, list[int]] = {shard.id: [] for shard in self.shards if shard.batches}
        for batch in self.batches.values():
            if self._divisible(batch):
                rests.setdefault(batch.shard, []).append(batch.id)
        self._actions.extend(Recall(shard, tuple(rest)) for shard, rest in rests.items())

    def _dismiss(self, pool: Pool, agents: int) -> None:
        """Have so many agents end: of the shards with most, those of the last rows."""
        staying = [
            [agent for row in shard.rows if (agent := self.agents[row]).wanted and not agent.leaving]
            for shard in pool.shards
        ]
        for _ in range(agents):
            self._let_go(pool, max(reversed(staying), key=len).pop())

    def _let_go(self, pool: Pool, agent: Agent) -> None:
        if not (agent.up or agent.starting):  # it was only to be started
            self._unwant(pool, agent, smaller=True)
            return
        agent.leaving = True
        pool.leaving += 1
        if agent.up:  # else it is told once it is
            self._actions.append(Leave(agent.shard, agent.row, agent.generation, "retired"))

    def _name(self, row: int) -> str:
        pool = self.pools[self.shards[self.agents[row].shard].pool]
        return f"agent {pool.name}/{row - pool.rows.start}"
