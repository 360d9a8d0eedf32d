"""What the agents of each shard did: the record knows agents, and which of them a shard has follows from the pool."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import Final

import msgspec


class Shard(msgspec.Struct, frozen=True):
    """One shard of a pool and what its agents did."""

    pool: str
    shard: int
    """Its number in the pool."""
    agents: int
    """Places for agents that it has."""
    worked: int
    """Agents that ran a task to its end."""
    done: int
    failed: int
    seconds: float
    """Run time of its tasks together."""
    deaths: int
    """Attempts that ended with their agent."""


_AGENTS: Final = """
SELECT agent, sum(done), sum(failed), total(seconds) FROM (
    SELECT agent, count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
        total(seconds) AS seconds FROM tasks WHERE run = :run AND agent IS NOT NULL GROUP BY agent
    UNION ALL
    SELECT agent, sum(count), 0, total(seconds) FROM blocks WHERE run = :run AND agent IS NOT NULL GROUP BY agent
) GROUP BY agent"""
_DEATHS: Final = """
SELECT agent, count(*) FROM attempts WHERE run = ? AND kind = 'died' AND agent IS NOT NULL GROUP BY agent"""


def _slices(size: int, parts: int) -> list[range]:
    """The agents of each shard: even slices, the larger ones first, as `engine.core.pools.split` makes them."""
    each, extra = divmod(size, parts)
    starts = [part * each + min(part, extra) for part in range(parts + 1)]
    return [range(*pair) for pair in pairwise(starts)]


def shards(db: sqlite3.Connection, run: str) -> list[Shard]:
    """The shards of a run's pools, in order. Reads all rows of tasks of the run: 0.5 s for a million."""
    work = {row[0]: tuple(row)[1:] for row in db.execute(_AGENTS, {"run": run})}
    died = dict(map(tuple, db.execute(_DEATHS, (run,))))
    found = []
    for name, size, parts in db.execute("SELECT name, size, shards FROM pools WHERE run = ? ORDER BY pool", (run,)):
        for number, rows in enumerate(_slices(size, max(1, parts))):
            names = [f"{name}/{row}" for row in rows]
            theirs = [work[agent] for agent in names if agent in work]
            done, failed, seconds = (sum(column) for column in zip(*theirs, strict=True)) if theirs else (0, 0, 0.0)
            deaths = sum(died.get(agent, 0) for agent in names)
            found.append(Shard(name, number, len(rows), len(theirs), done, failed, seconds, deaths))
    return found
