"""What the stream tells of measurements: windows of pools, queues by shard, shapes of distributions."""

from __future__ import annotations

import msgspec


class Spread(msgspec.Struct, frozen=True, array_like=True):
    """How some values were distributed, to within 1.6 %: times in seconds, where nothing else is said. What too few
    values say nothing about is None.
    """

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    """None only without any."""
    p95: float | None = None


class PoolMetrics(msgspec.Struct, frozen=True, array_like=True):
    """One pool within one window."""

    pool: str
    window: float
    """Seconds that were asked for, 0 for all since the run began."""
    seconds: float
    """That it is about: less in a younger run."""
    done: int
    """Tasks, as `failed`."""
    failed: int
    rate: float | None
    """Tasks finished per second."""
    hits: float | None
    """Share of the batches that found an idle agent, 0..1; None without any."""
    run: Spread
    """Of tasks."""
    wait: Spread
    """Of tasks: ready, until they were sent."""
    assign: Spread
    """Of tasks: sent, until the first of their message began."""


class MetricsNow(msgspec.Struct, frozen=True, array_like=True, tag="metrics"):
    """What was measured within the last seconds: sampled, as frames are, though not as often."""

    at: float
    """Seconds since the Unix epoch."""
    windows: tuple[PoolMetrics, ...]
    """Of each pool 10 s, a minute, and all."""
    observer: float | None
    """Processor time that watching has cost within the last 10 s, as a share of one core; None before it is known."""
    lag: Spread
    """How late the engine's loop was for what was due, within the last 10 s."""
    skipped: int = 0
    """Measurements of this run that were never counted, for nobody watched: distributions of all of it lack them."""
    part: int = 0
    """From 0 on: very many pools come in several messages, each with some of them."""
    parts: int = 1


class ShardView(msgspec.Struct, frozen=True, array_like=True):
    """One shard at one moment."""

    pool: str
    shard: int
    """Its number, as agents and metrics have it; -1 of one that stands for several."""
    agents: int
    """Those that can work."""
    depth: int
    """Tasks that wait at it, or were sent to it and do not run."""
    placed: int
    """Tasks that it was ever given to, as are `sent` and `stolen`."""
    sent: int
    """Tasks that went to its agents."""
    stolen: int
    """Of those placed, tasks that it took from other shards."""
    used: float
    """Busy share of its agents within the last half second, 0..1."""
    balance: float
    """What was sent to it, by the mean of its pool's shards: 1 where nobody has more than others."""
    wait: Spread
    """Of tasks, within the last 10 s: ready, until they were sent."""
    more: int = 0
    """Shards that this one stands for, because they are too many for a message: all those of its pool behind the others
    that are told of. Counts are sums, shares are means."""


class PoolQueue(msgspec.Struct, frozen=True, array_like=True):
    """How a pool hands out tasks, and where its agents come from. Counts are since the run began."""

    pool: str
    strategy: str
    """How tasks are placed on shards, as the setting ``shard_strategy`` has it."""
    flushes: dict[str, int]
    """Batches sent, by what ended them: ``full``, ``time``, ``bytes``, ``share``, ``first``, ``rest``."""
    hits: int
    """Batches that found an idle agent."""
    waits: int
    """Batches that waited for an agent to come free."""
    colds: int
    """Batches that waited for an agent to be started."""
    refills: dict[str, int]
    """Agents asked for in place of others, by how those ended."""
    exits: dict[str, int]
    """Agents that ended, by how: ``crash``, ``oom``, ``timeout``, ``idle`` ..."""
    started: int
    """Starts of agents that went well."""
    unstarted: int
    """Starts that failed."""
    grown: int
    """Agents asked for because tasks waited."""
    redelivered: int
    """Tasks sent again, because an agent or a host died."""
    recalled: int
    """Tasks given back by agents that had not begun them."""
    occupancy: float | None
    """Seconds of one agent's work that wait; None where that is not known."""
    memory: int
    """Bytes that its agents share with nobody, as they last told."""


class QueuesNow(msgspec.Struct, frozen=True, array_like=True, tag="queues"):
    """All queues at one moment: sampled, twice a second at the most."""

    at: float
    """Seconds since the Unix epoch."""
    shards: tuple[ShardView, ...]
    """Pool by pool, in the order of their numbers. Of very many the first of each pool, and one for the rest of it."""
    pools: tuple[PoolQueue, ...]
    left: int = 0
    """Pools that are not told of, because all of them do not fit a message: the last ones."""


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """How some values of a pool were distributed: as many as would draw it."""

    name: str
    """``run``, ``wait``, ``assign``, ``spawn``, ``batch_out``, ``batch_back`` or ``linger``."""
    pool: str
    unit: str
    """``seconds`` or ``count``, of all values here."""
    spread: Spread
    low: float
    """Where the first bucket begins."""
    ratio: float
    """Each bucket ends at so many times its beginning, where the next one begins."""
    counts: list[int]
    """Values in each bucket, from the first to the last in use; empty without any."""


class ShapesNow(msgspec.Struct, frozen=True, array_like=True, tag="shapes"):
    """What was measured within the last minute, as histograms: sampled, once a second at the most."""

    at: float
    """Seconds since the Unix epoch."""
    window: float
    """Seconds that it is about: 60 or little more, less in a younger run."""
    shapes: tuple[Shape, ...]
    """Pool by pool; of what was ever measured."""
    left: int = 0
    """Pools that are not told of, because all of them do not fit a message: the last ones."""
