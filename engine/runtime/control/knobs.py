"""Settings that can be changed while a run goes on, and why the others can't."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet.fleet import Fleet, batch_seconds
from engine.settings.fields import fields, nearest, shown
from engine.settings.types import Settings

Change = Callable[[Fleet, Settings, Settings], None]
"""Called with the settings before and after, once the fleet has these."""


def _as_adopted(fleet: Fleet, before: Settings, after: Settings) -> None:
    """What hosts and batches go by has been changed with the settings themselves."""


def _spawning(fleet: Fleet, before: Settings, after: Settings) -> None:
    limit = after.spawn_parallelism if after.enable_parallel_spawn else 1
    fleet.core.tune(spawn_limit=limit, spawn_retries=after.spawn_max_retry)


def _batch_timeout(fleet: Fleet, before: Settings, after: Settings) -> None:
    fleet.core.tune(batch_seconds=batch_seconds(after))


def _max_idle(fleet: Fleet, before: Settings, after: Settings) -> None:
    """Of pools that do not say otherwise."""
    now = time.monotonic()
    for pool, spec in zip(fleet.core.pools, fleet.specs, strict=True):
        if spec.settings.max_idle == before.pool_max_idle:
            spec.settings = msgspec.structs.replace(spec.settings, max_idle=after.pool_max_idle)
            fleet.core.set_max_idle(pool.id, after.pool_max_idle, now)


def _strategy(fleet: Fleet, before: Settings, after: Settings) -> None:
    for pool in fleet.core.pools:
        fleet.core.set_strategy(pool.id, after.shard_strategy)


LIVE: Final[dict[str, Change]] = {
    "frame_rate": _as_adopted,
    "batch_size": _as_adopted,
    "batch_max_size": _as_adopted,
    "batch_timeout": _batch_timeout,
    "enable_batching": _as_adopted,
    "pool_max_idle": _max_idle,
    "pool_warmup_time": _as_adopted,
    "spawn_timeout": _as_adopted,
    "spawn_parallelism": _spawning,
    "spawn_max_retry": _spawning,
    "enable_parallel_spawn": _spawning,
    "memory_reserve": _as_adopted,
    "memory_tasks": _as_adopted,
    "shard_strategy": _strategy,
    "record_moments": _as_adopted,
}
"""By name, what else is to be done."""
FIXED: Final[dict[str, str]] = {
    "pool_size": "pools are scaled one by one: shoal ctl scale POOL N",
    "pool_min_size": "pools are scaled one by one: shoal ctl scale POOL MIN..MAX",
    "shard_count": "hosts are made when a run begins",
    "enable_sharding": "hosts are made when a run begins",
    "enable_pooling": "agents are made in another way when a run begins",
    "metrics_port": "metrics are served from the beginning of a run on, or not at all",
    "metrics_host": "metrics are served from the beginning of a run on, or not at all",
    "record_durability": "the recorder is started with it",
    "record_result_max": "the recorder is started with it",
    "lanes": "lanes are changed one by one: shoal ctl lane LANE LIMIT",
    "plan_people": "the plan was begun with it",
    "plan_gates": "the plan was begun with it",
    "alert_rules": "rules are read when a run begins",
    "alert_command": "rules are read when a run begins",
    "alert_webhook": "rules are read when a run begins",
}
"""By name, why it can't be changed."""


def change(fleet: Fleet, name: str, written: str) -> tuple[Any, Any]:
    """Change a setting to what people wrote; its value before and after. Raises `Refusal`."""
    field = fields().get(name)
    if field is None:
        raise Refusal(f"no setting {name!r}{nearest(name, fields())}")
    if name not in LIVE:
        raise Refusal(f"{name} can't be changed while a run goes on: {FIXED.get(name, 'nothing looks at it again')}")
    try:
        value = field.parse(written, written=True)
    except ValueError as error:
        raise Refusal(f"{name} is {error}") from None
    before = fleet.settings
    after = msgspec.structs.replace(before, **{name: value})
    size, most = after.batch_size, after.batch_max_size
    if size is not None and most is not None and size > most:
        raise Refusal(f"batch_size would be {shown(size)}, above batch_max_size, which would be {shown(most)}")
    old = getattr(before, name)
    if value != old:
        fleet.adopt(after)
        LIVE[name](fleet, before, after)
    return old, value
