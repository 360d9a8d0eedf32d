"""What a pool comes to, from its own settings and those of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.runtime.limits import cores, default_shards
from engine.runtime.nest import Image
from engine.settings.types import PoolSettings, Settings
from engine.wire import frames


@dataclass(slots=True)
class PoolSpec:
    """A pool as a fleet is asked for it."""

    settings: PoolSettings
    image: Image = field(default_factory=Image)
    initializer: bytes = b""
    """A pickled ``(function, args)`` for each agent to call before its first task, b"" for none."""


@dataclass(slots=True, frozen=True)
class Sizes:
    """How many agents a pool has: at the start, at the least, at the most; and on how many hosts."""

    size: int
    minimum: int
    maximum: int
    shards: int
    max_idle: float


def sizes(pool: PoolSettings, settings: Settings) -> Sizes:
    """What a pool's numbers come to. Raises ValueError where they contradict each other."""
    size = pool.size or settings.pool_size
    least = settings.pool_min_size if pool.min_size is None else pool.min_size
    if size is None:
        size = max(cores(), least or 0)
        if pool.max_size is not None:
            size = min(size, pool.max_size)
    most = size if pool.max_size is None else pool.max_size
    if pool.min_size is None:  # the run's minimum is for pools that are as large
        least = size if least is None else min(least, size)
    assert least is not None
    if not 0 <= least <= size <= most or most < 1:
        raise ValueError(
            f"pool {pool.name}: {size} agents do not lie between its minimum of {least} and maximum of {most}"
        )
    shards = pool.shards or settings.shard_count or default_shards(most)
    if not settings.enable_sharding:
        shards = 1
    max_idle = settings.pool_max_idle if pool.max_idle is None else pool.max_idle
    return Sizes(size, least, most, min(shards, most), max_idle)


def care(spec: PoolSpec, settings: Settings) -> frames.Care:
    """What the hosts of a pool see to."""
    pool = spec.settings
    return frames.Care(
        spawn_timeout=settings.spawn_timeout,
        warmup_timeout=settings.pool_warmup_time if pool.warmup_timeout is None else pool.warmup_timeout,
        flush_after=settings.batch_timeout / 2,
        max_tasks=(pool.max_tasks or 0) if settings.enable_pooling else 1,
        max_bytes=pool.max_bytes or 0,
        memory_limit=pool.memory_limit or 0,
        bundle=settings.enable_batching,
        fresh=None if settings.enable_pooling else list(spec.image.preload),
    )


def batch_limit(pool: PoolSettings, settings: Settings, asked: int | None = None) -> int:
    """Tasks in one batch at the most, for a pool: none outlives its agent."""
    if not (settings.enable_batching and settings.enable_pooling):
        return 1
    return min(asked or settings.batch_max_size, pool.max_tasks or settings.batch_max_size)
