"""The settings of a run and of its pools, as plain data with their defaults."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Strategy: TypeAlias = Literal["least-loaded", "hash", "round-robin", "random"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for a whole run. Times are in seconds; None stands for ``auto``."""

    pool_size: int | None = None
    """Agents of a pool that does not say how many; None: as many as there are cores."""
    pool_min_size: int | None = None
    """Agents that an elastic pool never falls below; None: as many as its size."""
    pool_max_idle: float = 300.0
    """How long an agent beyond the minimum may wait for work before it is retired."""
    pool_warmup_time: float = 60.0
    """How long an agent may take to import and initialise before it counts as failed."""
    batch_size: int | None = None
    """Tasks in every batch; None: as many as their measured durations suggest."""
    batch_timeout: float = 0.1
    """How long a finished result may wait behind a slow neighbour in its batch, and the most work that one batch may
    hold where batches size themselves."""
    batch_max_size: int = 500
    """Tasks in one batch at the most."""
    spawn_parallelism: int = 50
    """Agents that may be starting at the same time."""
    spawn_max_retry: int = 3
    """How often a start that failed is tried again before that agent is given up."""
    spawn_timeout: float = 5.0
    """How long a starting agent may stand still, without progress, before its start has failed."""
    shard_count: int | None = None
    """Hosts that fork and feed the agents of a pool; None: by their number."""
    shard_strategy: Strategy = "least-loaded"
    """How tasks are placed on shards."""
    enable_pooling: bool = True
    """Off: a freshly executed process for every task."""
    enable_batching: bool = True
    """Off: a message for every task and every outcome."""
    enable_parallel_spawn: bool = True
    """Off: agents start one at a time, each awaited."""
    enable_sharding: bool = True
    """Off: one host for each pool."""


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pool. None takes the run's setting of the same meaning."""

    name: str = "main"
    size: int | None = None
    """Agents at the start."""
    min_size: int | None = None
    """Fewer are refilled at once, and never retired. None: the size, if the run does not say."""
    max_size: int | None = None
    """It grows up to so many while tasks wait. None: the size."""
    shards: int | None = None
    preload: tuple[str, ...] = ()
    """Modules that are imported once, before the first fork."""
    warmup: str | None = None
    """``module:function`` called once before the first fork: it compiles kernels for all."""
    init: str | None = None
    """``module:function`` called in each agent before its first task."""
    warmup_timeout: float | None = None
    """How long an agent may take to import and initialise, in seconds."""
    max_idle: float | None = None
    """How long an agent beyond the minimum may wait for work, in seconds."""
    max_tasks: int | None = None
    """An agent is replaced after so many tasks."""
    max_bytes: int | None = None
    """An agent is replaced after a task that left it with more resident bytes than this."""
    memory_limit: int | None = None
    """An agent that holds more resident bytes than this is killed, and the task that ran in it is blamed."""
