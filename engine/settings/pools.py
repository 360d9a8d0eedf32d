"""A pool's settings: checked, and filled in from those of the run."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.settings.fields import fields, shown
from engine.settings.types import PoolSettings, Settings, SettingsError


def pool_value(name: str, value: object) -> Any:
    """The value of one field of `PoolSettings` as a file gives it. Raises ValueError with what follows "is"."""
    return fields(PoolSettings)[name].parse(value, written=False)


def checked(pool: PoolSettings) -> PoolSettings:
    """The pool with its values as they are meant: ``"500M"`` as bytes. Raises `SettingsError` for one that can't be."""
    values = {}
    for name in PoolSettings.__struct_fields__:
        try:
            values[name] = pool_value(name, getattr(pool, name))
        except ValueError as error:
            raise SettingsError(f"pool {shown(pool.name)}: {name} is {error}") from None
    if not pool.name or "/" in pool.name or not pool.name.isprintable():  # it is part of addresses, as in main/3
        raise SettingsError(f"pool {shown(pool.name)}: a name is of one line, not empty, and without a slash")
    return PoolSettings(**values)


def complete(pool: PoolSettings, settings: Settings, cores: int) -> PoolSettings:
    """The pool with nothing left open that the run's settings or the machine's `cores` decide.

    What stays None then is not limited, and `shards` goes by the number of agents. A size that the pool does not say is
    kept between its minimum and its maximum, and a minimum that only the run says never exceeds the size. Raises
    `SettingsError` if a value can't be, or if the pool's own minimum, size and maximum are not in this order.
    """
    pool = checked(pool)
    least, size = pool.min_size or settings.pool_min_size, pool.size
    if size is None:  # what the pool does not say itself bends to what it does say
        size = max(settings.pool_size or cores, least or 1)
        size = min(size, pool.max_size or size)
    least = pool.min_size or min(least or size, size)
    most = pool.max_size or size
    for low, less, high, more in (("minimum", least, "size", size), ("size", size, "maximum", most)):
        if less > more:
            raise SettingsError(f"pool {pool.name!r}: its {low} of {less:,} agents is above its {high} of {more:,}")
    return msgspec.structs.replace(
        pool,
        size=size,
        min_size=least,
        max_size=most,
        shards=(pool.shards or settings.shard_count) if settings.enable_sharding else 1,
        warmup_timeout=pool.warmup_timeout or settings.pool_warmup_time,
        max_idle=pool.max_idle or settings.pool_max_idle,
    )
