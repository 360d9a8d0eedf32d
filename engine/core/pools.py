"""Pools, their shards, and the agents of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from engine.core.placement import Placement
from engine.core.queues import ReadyQueue

FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 10.0
PROVEN_AFTER: Final = LONGEST_DELAY
"""Seconds after which a host has proved that it can live, even if there was nothing to do."""
HOPELESS: Final = 8
"""Hosts in a row, of each of its shards, that have died before they proved themselves, after which a pool is broken."""
SLOW: Final = 1.0
"""Seconds that a start is put off from which on that is told."""
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
    wanted: bool = False
    """It is to be there: it is up, or starting, or will be started."""
    starting: bool = False
    """Its host was asked to start it, and has not said how that ended."""
    up: bool = False
    proven: bool = False
    """This one has finished a task: its death is no sign of a pool that can't start. Nor is a death within a task."""
    early_deaths: int = 0
    """In a row, before a first task."""
    failed_starts: int = 0
    """In a row."""
    barred: bool = False
    """Its starts have failed too often: nothing is tried for a while."""
    stopped: bool = False
    """Ended on request: nobody takes its place, not even when its host starts anew."""
    leaving: bool = False
    """It ends after its task, because its pool is to be smaller: nobody takes its place for now."""

    @property
    def free(self) -> bool:
        """It is not there, and may be started."""
        return not (self.wanted or self.barred or self.stopped)


@dataclass(slots=True)
class Shard:
    """A queue and the agents it feeds."""

    id: int
    pool: int
    rows: Sequence[int]
    ready: ReadyQueue = field(default_factory=ReadyQueue)
    """Tasks placed here, the next first; empty where tasks are placed when they are sent."""
    up: int = 0
    """Agents that can work."""
    batches: int = 0
    """Batches out at this shard."""
    running: bool = False
    """Its host was asked for and has not died."""
    there: bool = False
    """Its host can be spoken to: until then no agent is asked of it."""
    restarting: bool = False
    """Its host has died, and another will be asked for."""
    since: float = 0.0
    """When its host was there."""
    early_deaths: int = 0
    """Hosts that died in a row before any of their outcomes was accepted, each soon."""
    retiring: int = 0
    """Agents that its host was asked to retire, and of which it has not told."""
    retiring_since: float = 0.0
    """When it was last asked."""
    sent: int = 0
    """Tasks ever sent to it."""
    waited: float = 0.0
    """Seconds that those had waited, in all."""
    tasks: int = 0
    """Tasks out at this shard."""
    placed: int = 0
    """Tasks ever placed on it."""
    stolen: int = 0
    """Of those, tasks that had been placed on another shard."""
    recalled: float = 0.0
    """When it was last asked to give back what is overdue."""
    patience: float = 0.0
    """Seconds from then on in which it is not asked again."""

    @property
    def load(self) -> float:
        """Batches out for each agent; infinite without any."""
        return self.batches / self.up if self.up else inf


@dataclass(slots=True)
class Pool:
    """Agents that share what they have imported, fed with the same tasks."""

    id: int
    name: str
    rows: range
    """As many as it may ever have: those up to its first maximum, then what is kept for a larger one."""
    shards: list[Shard]
    placement: Placement
    minimum: int
    maximum: int
    max_idle: float
    on_demand: bool = False
    """No agent is kept: each is started for the tasks that wait."""
    wanted: int = 0
    """Agents that are up, starting or to be started."""
    ready: ReadyQueue = field(default_factory=ReadyQueue)
    """Tasks that wait for any agent; empty where tasks are placed as they come."""
    queued: int = 0
    """Ready tasks, wherever they wait."""
    lined: int = 0
    """Of those, tasks that need claims or a lane."""
    subtasks: ReadyQueue = field(default_factory=ReadyQueue)
    """Subtasks of tasks that run, which wait for any agent: they go before all others."""
    nested: int = 0
    """Of those, tasks that are ready; they do not count among the `queued`."""
    aside: int = 0
    """Agents whose tasks wait for subtasks: they count neither among those that are `up` nor do their batches among
    those that are `out`."""
    standins: int = 0
    """Agents wanted beyond its size, in place of those."""
    able: int = 0
    """Of those in turn, tasks that could run at once as far as is known, if there were agents for them."""
    ever_up: bool = False
    failed_starts: int = 0
    """In a row, of any of its agents, before one came up."""
    leaving: int = 0
    """Of those, agents that end after their task."""
    extent: int = 0
    """Rows from the first on beyond which there never was an agent, nor might there have been."""
    held: int = 0
    """Agents that may not be started: given up for a while, or stopped."""
    deserted: float | None = None
    """Since when it has nobody and its agents are given up, one after the other."""
    broken: str | None = None
    """Why it can't start, once that is certain."""
    slowed: float | None = None
    """When it was last told that its starts wait ever longer."""
    up: int = 0
    sent: int = 0
    """Tasks out in batches."""
    out: int = 0
    """Batches out."""
    submitted: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    redelivered: int = 0
    """Tasks to be sent again because whoever had them died, or their outcome was lost."""
    recalled: int = 0
    """Tasks that were given back unbegun."""
    restarts: int = 0
    """Agents started in place of dead ones: refills."""
    hits: int = 0
    """Batches that found an idle agent at once."""
    waits: int = 0
    """Batches that had to wait for an agent to come free."""
    colds: int = 0
    """Batches that had to wait for an agent to be started."""
    recycled: int = 0
    """Agents replaced because of their age or size."""
    retired: int = 0
    grown: int = 0
    """Agents started because tasks waited."""
    sent_at: float = 0.0
    """When the last batch was sent."""
    fresh: int = 0
    """Agents that came up while tasks waited, and had no batch yet."""
    waiting_since: float | None = None
    """Since when tasks wait for an agent without a break; None if none does."""
    look_at: float | None = None
    """When its size is looked at again, for growth."""
    idle_at: float | None = None
    """When it is looked for agents to retire, while there are more than the minimum."""
    lowest: int = 0
    """No batch has a lower priority of those that are out."""
    overdue_at: float | None = None
    """When it is looked for batches that are overdue, while they may be and that would matter."""
    spare: list[int] = field(default_factory=lambda: [0, 0])
    """Fewest idle agents in the last half of `max_idle`, and in the one before."""

    @property
    def room(self) -> int:
        """Agents that could be started beyond those that are wanted."""
        return max(0, self.maximum + self.standins - self.wanted - self.held)

    @property
    def coming(self) -> int:
        """Agents that are wanted and not there."""
        return self.wanted - self.up - self.aside

    @property
    def full(self) -> bool:
        """As many work as may at a time, though more are there: those that stood in for others that go on now."""
        return self.standins > 0 and self.out >= self.wanted - self.standins

    @property
    def eager(self) -> int:
        """Ready tasks that wait for nothing but an agent."""
        return self.queued - self.lined + self.able + self.nested

    def least_loaded(self) -> Shard | None:
        """The shard with the fewest batches for each agent, and of equals the one that was sent the fewest tasks for
        each: else the first one would have all of what comes one by one. None if nobody can work.
        """
        best: Shard | None = None
        least, fewest = inf, inf
        for shard in self.shards:
            if shard.up:
                load = shard.batches / shard.up
                if load < least:
                    best, least, fewest = shard, load, shard.sent / shard.up
                elif load == least and shard.sent / shard.up < fewest:
                    best, fewest = shard, shard.sent / shard.up
        return best


def split(rows: range, parts: int, kept: range = range(0)) -> list[Sequence[int]]:
    """Even, contiguous slices of rows, the larger ones first; and of those that are `kept`, one each in turn."""
    size, extra = divmod(len(rows), parts)
    slices: list[Sequence[int]] = []
    at = rows.start
    for part in range(parts):
        stop = at + size + (part < extra)
        slices.append((*range(at, stop), *kept[part::parts]) if kept else range(at, stop))
        at = stop
    return slices
