"""Who works: hosts and agents, started in waves, and replaced when they die."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import count, zip_longest
from typing import Final

from engine.core.actions import Extended, Happened, Leave, Spawn, StartHost
from engine.core.aside import Aside
from engine.core.placement import Placement
from engine.core.pools import (
    GIVE_UP,
    HOPELESS,
    LONGEST_DELAY,
    PROVEN_AFTER,
    SLOW,
    Agent,
    Pool,
    Shard,
    backoff,
    split,
)
from engine.settings.types import Strategy

DESERTED: Final = 2 * LONGEST_DELAY
"""Seconds after which a pool without any agent is broken if its starts still fail."""


class Staff(Aside):
    """The agents of all pools. Starts are asked for in waves: never more than `spawn_limit` at the same time."""

    def __init__(self, spawn_limit: int = 50, spawn_retries: int = 3) -> None:
        """Nobody yet.

        Args:
            spawn_limit: agents that may be starting at the same time.
            spawn_retries: how often a start that failed is tried again before that agent is given up for a while.
        """
        super().__init__()
        self.restarts = 0
        """Agents started in place of dead ones."""
        self.spawned = 0
        """Starts that were asked for."""
        self.spawn_failures = 0
        self.starting = 0
        """Agents that are being started at this moment."""
        self._limit = max(1, spawn_limit)
        self._most_starting = self._limit
        """The limit, or what it was when these began to start."""
        self._window = self._limit
        """Starts at the same time: one after an error, then more and more again."""
        self._throttle = 1.0
        self._retries = spawn_retries
        self._to_spawn: deque[tuple[int, int]] = deque()
        """(row, generation) of agents whose start is to be asked for."""
        self._timers: list[tuple[float, int, str, int, int]] = []
        """Heap of (due, tie-breaker, what, its number, generation of the agent). What: ``host``, ``agent`` or ``again``
        to start one, ``look``, ``idle`` or ``overdue`` for a pool."""
        self._tie = count()

    # -- what there is to work with --------------------------------------------------------------------------

    def add_pool(
        self,
        name: str,
        size: int,
        shards: int,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        max_idle: float = 300.0,
        strategy: Strategy = "least-loaded",
        on_demand: bool = False,
        spare: int = 0,
    ) -> Pool:
        """A pool of `size` agents on `shards` hosts, started at once.

        It never has fewer than `minimum` agents (None: `size`) for longer than it takes to start them, nor more than
        `maximum` (None: `size`); beyond the minimum they are retired after `max_idle` seconds without work. With
        `on_demand` none is started before tasks wait for it. `spare`: rows beyond the maximum, should it ever be
        raised.

        Raises ValueError for sizes that contradict each other.
        """
        most = size if maximum is None else maximum
        least = 0 if on_demand else min(size, most) if minimum is None else minimum
        if most < 1 or not 0 <= least <= size <= most or not 1 <= shards <= most:
            raise ValueError(f"pool {name!r}: {size} agents, from {least} to {most}, on {shards} shards")
        first = len(self.agents)
        rows = range(first, first + most + spare)
        pool = Pool(len(self.pools), name, rows, [], Placement(strategy), least, most, max_idle, on_demand)
        pool.extent = most
        self.pools.append(pool)
        self.agents.extend(Agent(row, -1) for row in rows)
        for part in split(rows[:most], shards, rows[most:]):
            shard = Shard(len(self.shards), pool.id, part)
            self.shards.append(shard)
            pool.shards.append(shard)
            for row in part:
                self.agents[row].shard = shard.id
            self._start_host(shard)
        self._want(pool, 0 if on_demand else size)
        return pool

    def host_up(self, now: float, shard_id: int) -> None:
        """A host that was asked for can be spoken to: it is asked for the agents that are wanted there.

        Not before: those of an image that takes its time, or never comes, would count as starting, and keep the agents
        of other pools from it.
        """
        shard = self.shards[shard_id]
        if shard.running and not shard.there:
            shard.there, shard.since = True, now
            self._to_spawn.extend((agent.row, agent.generation) for agent in self._wanted(shard))

    def agents_up(self, rows: Iterable[tuple[int, int]]) -> None:
        """Agents (row, generation) wait for work. Those of an older generation are ignored."""
        for row, generation in rows:
            agent = self.agents[row]
            if agent.generation == generation and not agent.up:
                shard = self.shards[agent.shard]
                pool = self.pools[shard.pool]
                agent.up = True
                agent.failed_starts = 0
                self._started(agent)
                self._window = min(self._limit, 2 * self._window)
                shard.up += 1
                pool.up += 1
                pool.ever_up = True
                pool.fresh += pool.waiting_since is not None
                pool.failed_starts = 0
                pool.deserted = None
                if agent.leaving:
                    self._actions.append(Leave(shard.id, row, generation, "retired"))

    def press(self, throttle: float) -> None:
        """Say how hard the machine is pressed, as the share of the usual starts at a time that it can bear: 1 for all,
        0 for one at a time."""
        self._throttle = min(1.0, max(0.0, throttle))

    @property
    def settled(self) -> bool:
        """Every agent that is wanted is up: nothing is starting, or about to start again."""
        return all(pool.broken is not None or pool.coming <= 0 for pool in self.pools)

    @property
    def restless(self) -> bool:
        """Something is to be done that nobody has taken yet."""
        return bool(self._actions or self._to_spawn)

    # -- deaths ----------------------------------------------------------------------------------------------

    def _gone(self, now: float, agent: Agent, why: str, text: str, began: bool) -> None:
        """An agent that was up, or starting, is gone: see whether another takes its place, and when."""
        shard = self.shards[agent.shard]
        pool = self.pools[shard.pool]
        was_up, leaving = agent.up, agent.leaving
        self._down(agent)
        if why == "killed":  # by a person, which says nothing of the pool
            began = True
        agent.early_deaths = 0 if began else agent.early_deaths + 1
        agent.proven = False
        if why == "stopped":
            agent.stopped = True
            pool.held += 1
        if why == "retired":
            pool.retired += 1
            if not leaving:
                shard.retiring = max(0, shard.retiring - 1)
        pool.recycled += why == "recycled"
        if leaving or why in ("stopped", "retired"):
            agent.early_deaths = 0
            self._unwant(pool, agent, leaving)
            return
        if not was_up and why != "killed":
            self.spawn_failures += 1
            self._window = 1  # one after the other, until it goes well again
        if pool.broken is not None:
            return
        if not pool.ever_up and why != "killed" and self._hopeless(pool, agent, why):
            self._break(pool, text)
            return
        if was_up and began and pool.on_demand:
            self._unwant(pool, agent)
            return
        if why == "killed" or (why == "recycled" and agent.early_deaths <= 1):
            self._restart(pool, why == "killed")
            self._to_spawn.append((agent.row, agent.generation))
            return
        if not was_up:
            agent.failed_starts += 1
            if agent.failed_starts > self._retries:
                self._give_up(now, pool, agent, text)
                return
        delay = backoff(agent.early_deaths)
        if delay >= SLOW and (pool.slowed is None or now >= pool.slowed + DESERTED):
            pool.slowed = now
            name = f"{pool.name}/{agent.row - pool.rows.start}"
            told = (
                f"agents of pool {pool.name} die before they begin a task: the next start of {name} waits {delay:g} s"
            )
            self._actions.append(Happened("warning", "pool.backoff", told, {"pool": pool.name, "row": agent.row}))
        self._at(now + delay, "agent", agent.row, agent.generation)

    def _hopeless(self, pool: Pool, agent: Agent, why: str) -> bool:
        """Whether a pool that never had an agent will not have one, now that another start has failed.

        What keeps agents from starting by themselves keeps all of them. But forks that fail are a matter of the moment:
        a whole wave of them says no more than one, and while somebody else is starting nothing is lost.
        """
        if why == "start":
            pool.failed_starts += 1
            return pool.failed_starts >= min(GIVE_UP, pool.wanted)
        others = any(self.agents[row].starting for row in pool.rows)
        return agent.failed_starts >= self._retries and not others

    def _give_up(self, now: float, pool: Pool, agent: Agent, text: str) -> None:
        """Its start has failed too often: go on without it, and try again later. A pool that has nobody, and goes on
        losing agents in this way, is broken."""
        self._unwant(pool, agent)
        agent.failed_starts = 0
        agent.barred = True
        pool.held += 1
        self._at(now + LONGEST_DELAY, "again", agent.row, 0)
        told = f"agent {agent.row - pool.rows.start} of pool {pool.name} is given up for {LONGEST_DELAY:g} s: {text}"
        self._actions.append(Happened("warning", "agent.given_up", told, {"pool": pool.name, "row": agent.row}))
        if not pool.up and not any(self.agents[row].starting for row in pool.rows):
            if pool.deserted is None:
                pool.deserted = now
            elif now - pool.deserted >= DESERTED:
                self._break(pool, text)

    def _down(self, agent: Agent) -> None:
        self.step_back(agent.row)
        agent.generation += 1
        if agent.leaving:
            agent.leaving = False
            self.pools[self.shards[agent.shard].pool].leaving -= 1
        self._started(agent)
        if agent.up:
            agent.up = False
            shard = self.shards[agent.shard]
            shard.up -= 1
            pool = self.pools[shard.pool]
            pool.up -= 1
            if not pool.up and self.desk.reserving:
                self.desk.desert(pool.id)
            self._note_idle(pool)

    def _note_idle(self, pool: Pool) -> None:
        """Fewer agents may be idle than a moment ago."""
        idle = pool.up - pool.out
        if idle < pool.spare[0]:
            pool.spare[0] = max(0, idle)

    def _started(self, agent: Agent) -> None:
        if agent.starting:
            agent.starting = False
            self.starting -= 1
            self._most_starting = max(self._limit, min(self._most_starting, self.starting))

    def _host_gone(self, now: float, shard: Shard, text: str, began: bool) -> None:
        """A host is gone and its agents with it: another is started, later each time that one has done nothing.

        `began`: tasks ran in it. They are bounded by their own limit, so their pool is not broken for it.
        """
        if shard.there and now - shard.since >= PROVEN_AFTER:
            shard.early_deaths = 0
        shard.running = shard.there = False
        shard.retiring = 0
        pool = self.pools[shard.pool]
        for row in shard.rows:
            agent = self.agents[row]
            leaving = agent.leaving
            self._down(agent)
            agent.proven = False
            if leaving:
                self._unwant(pool, agent, leaving)
        if pool.broken is not None or not self._wanted(shard):
            return
        shard.early_deaths += 1
        shard.restarting = True
        many = HOPELESS if pool.ever_up else GIVE_UP
        shards = [other for other in pool.shards if self._wanted(other)] if pool.ever_up else [shard]
        if not began and all(other.early_deaths >= many for other in shards):
            self._break(pool, text)
        else:
            self._at(now + backoff(shard.early_deaths), "host", shard.id, 0)

    # -- starts ----------------------------------------------------------------------------------------------

    def _wanted(self, shard: Shard) -> list[Agent]:
        return [agent for row in shard.rows if (agent := self.agents[row]).wanted]

    def _want(self, pool: Pool, agents: int) -> int:
        """Have so many more agents, taking turns among the shards; how many there will be."""
        agents = min(agents, pool.room)
        if agents <= 0:
            return 0
        free = [[agent for row in shard.rows if (agent := self.agents[row]).free] for shard in pool.shards]
        order = sorted(zip(pool.shards, free, strict=True), key=lambda pair: len(pair[0].rows) - len(pair[1]))
        turns = [a for turn in zip_longest(*(agents for _, agents in order)) for a in turn if a is not None]
        edge = pool.rows.start + pool.extent
        found = sorted(turns, key=lambda a: max(a.row, edge))[
            :agents
        ]  # rows that never had anybody come last, in order
        extent = max((1 + agent.row - pool.rows.start for agent in found), default=0)
        if extent > pool.extent:
            pool.extent = extent
            if pool.standins:
                self._actions.append(Extended(pool.id))
        for agent in found:
            agent.wanted = True
            self._to_spawn.append((agent.row, agent.generation))
            shard = self.shards[agent.shard]
            if not shard.running and not shard.restarting:
                self._start_host(shard)
        pool.wanted += len(found)
        return len(found)

    def _unwant(self, pool: Pool, agent: Agent, smaller: bool = False) -> None:
        """An agent need not be there any more; `smaller`: because the pool is to be smaller."""
        agent.wanted = False
        pool.wanted -= 1
        if pool.standins and not smaller:
            pool.standins -= 1

    def _start_host(self, shard: Shard) -> None:
        shard.running, shard.restarting = True, False
        self._actions.append(StartHost(shard.id))

    def _restart(self, pool: Pool, agents: int) -> None:
        self.restarts += agents
        pool.restarts += agents

    @property
    def spawn_window(self) -> int:
        """Agents that may be starting at the same time now."""
        return max(1, int(min(self._window, self._limit * self._throttle)))

    def _spawn(self) -> None:
        """Ask for as many starts as may go on at the same time."""
        window = self.spawn_window
        room = window - self.starting
        if room < min(window // 4, len(self._to_spawn)):
            return  # a wave is worth a message to the hosts
        wave: dict[int, list[tuple[int, int]]] = {}
        while self._to_spawn and room > 0:
            row, generation = self._to_spawn.popleft()
            agent = self.agents[row]
            shard = self.shards[agent.shard]
            if agent.generation != generation or not agent.wanted or agent.starting or agent.up:
                continue  # it has died meanwhile, or is in the queue twice
            if not shard.there:
                continue  # `host_up` puts it in the queue again
            if self.pools[shard.pool].broken is not None:
                continue
            agent.starting = True
            self.starting += 1
            self.spawned += 1
            room -= 1
            wave.setdefault(shard.id, []).append((row, generation))
        self._actions.extend(Spawn(shard, tuple(rows)) for shard, rows in wave.items())

    # -- time ------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When `tick` must be called, None if no timer runs."""
        return self._timers[0][0] if self._timers else None

    def tick(self, now: float) -> None:
        """Do what has become due."""
        while self._timers and self._timers[0][0] <= now:
            _, _, what, number, generation = heapq.heappop(self._timers)
            if what in ("look", "idle", "overdue"):  # what follows this, the scheduling pass, looks
                if what == "look":
                    self.pools[number].look_at = None
                continue
            if what == "again":
                self.agents[number].barred = False
                self.pools[self.shards[self.agents[number].shard].pool].held -= 1
                continue
            shard = self.shards[number if what == "host" else self.agents[number].shard]
            pool = self.pools[shard.pool]
            if pool.broken is not None:
                continue
            if what == "host":
                self._start_host(shard)
                self._restart(pool, len(self._wanted(shard)))
            elif self.agents[number].generation == generation and self.agents[number].wanted:
                # Else its host died meanwhile, and all its agents start with the next one.
                self._to_spawn.append((number, generation))
                self._restart(pool, 1)

    def _at(self, when: float, what: str, number: int, generation: int) -> None:
        heapq.heappush(self._timers, (when, next(self._tie), what, number, generation))

    def _look(self, pool: Pool, when: float) -> None:
        """Look at a pool's size again, at that time or before."""
        if pool.look_at is None or pool.look_at > when:
            pool.look_at = when
            self._at(when, "look", pool.id, 0)
