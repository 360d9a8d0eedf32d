"""Small cores for tests, whose books are checked at every step."""

from __future__ import annotations

from typing import Any, TypeVar

from engine.core.actions import Send, Spawn, StartHost
from engine.core.batching import Cost
from engine.core.core import Core
from engine.core.invariants import check

A = TypeVar("A")


def fleet(agents: int = 1, shards: int = 1, *, up: bool = True, spawn_limit: int = 50, **pool: Any) -> Core:
    """A core with one pool, whose agents are up."""
    core = Core(spawn_limit=spawn_limit)
    rows = core.add_pool("p", agents, shards, **pool).rows
    there(core)
    take(core, object)
    if up:
        core.agents_up((row, 1) for row in rows if core.agents[row].wanted)
    return core


def take(core: Core, kind: type[A], now: float = 0.0) -> list[A]:
    """The actions of a kind that the core wants carried out."""
    check(core)
    actions = core.take(now)
    check(core)
    return [a for a in actions if isinstance(a, kind)]


def there(core: Core, now: float = 0.0) -> list[int]:
    """The hosts that the core asks for are there at once; the shards of those."""
    shards = [action.shard for action in take(core, StartHost, now)]
    for shard in shards:
        core.host_up(now, shard)
    check(core)
    return shards


def known(core: Core, seconds: float, function: int = 1) -> None:
    """Have the core know what a task of the function takes."""
    core._costs.setdefault(function, Cost()).seconds = seconds


def finish(core: Core, send: Send, row: int = 0, failed: tuple[int, ...] = (), nanoseconds: int = 1000) -> None:
    """A whole batch is done."""
    assert core.outcomes(row, send.batch, 0, send.count, failed, nanoseconds)
    check(core)


def at(core: Core, kind: type[A], now: float) -> list[A]:
    """What the core wants at a time, when what is due by then was done."""
    core.tick(now)
    return take(core, kind, now)


def rows(spawns: list[Spawn]) -> list[tuple[int, int]]:
    """The agents, by row and generation, that these start."""
    return [agent for spawn in spawns for agent in spawn.agents]
