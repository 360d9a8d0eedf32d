"""What a pool comes to, from its own settings and those of the run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec

from engine.core.tasks import Options
from engine.runtime.calls import arguments
from engine.runtime.fleet.limits import cores, default_shards
from engine.runtime.fleet.nest import Image
from engine.settings.pools import checked, complete
from engine.settings.types import PoolSettings, Settings
from engine.wire import frames

Exceptions: TypeAlias = Iterable[type[BaseException] | str] | type[BaseException] | str
"""Exceptions as classes or by name, one or several."""


@dataclass(slots=True)
class PoolSpec:
    """A pool as a fleet is asked for it."""

    settings: PoolSettings
    image: Image = field(default_factory=Image)
    initializer: bytes = b""
    """A pickled ``(function, args)``, or ``!module:function``, for each agent to call before its first task."""


def completed(pool: PoolSettings, settings: Settings) -> PoolSettings:
    """The pool with no number left open. Raises `SettingsError` where they contradict each other."""
    whole = complete(pool, settings, cores())
    most = whole.max_size or 1
    return msgspec.structs.replace(whole, shards=min(whole.shards or default_shards(most), most))


def clipped(pools: Iterable[PoolSpec], settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """What `completed` makes less of than was asked for, each as a line and its details: more shards than agents.

    Raises `SettingsError` as `completed`.
    """
    told = []
    for spec in pools:
        asked = complete(spec.settings, settings, cores()).shards
        pool = completed(spec.settings, settings)
        if asked is not None and pool.shards is not None and asked > pool.shards:
            shards = "1 shard" if pool.shards == 1 else f"{pool.shards:,} shards"
            text = f"pool {pool.name} gets {shards}, not {asked:,}: it never has more agents"
            told.append((text, {"pool": pool.name, "shards": pool.shards, "asked": asked}))
    return told


def care(spec: PoolSpec, settings: Settings) -> frames.Care:
    """What the hosts of a pool see to."""
    pool = spec.settings
    return frames.Care(
        spawn_timeout=settings.spawn_timeout,
        warmup_timeout=pool.warmup_timeout or settings.pool_warmup_time,
        flush_after=settings.batch_timeout / 2,
        max_tasks=(pool.max_tasks or 0) if settings.enable_pooling else 1,
        max_bytes=pool.max_bytes or 0,
        memory_limit=pool.memory_limit or 0,
        bundle=settings.enable_batching,
        fresh=None if settings.enable_pooling else list(spec.image.preload),
    )


def limited(options: Options, pool: PoolSettings, settings: Settings) -> Options:
    """A range's options within what the run and its pool allow: no batch outlives its agent."""
    most = min(filter(None, (options.batch_max, pool.max_tasks)), default=None)
    if not (settings.enable_batching and settings.enable_pooling):
        most = 1
    size = options.batch_size or settings.batch_size
    if most == options.batch_max and size == options.batch_size:
        return options
    return replace(options, batch_max=most, batch_size=size)


def image_for(pool: PoolSettings, path: list[str] | None = None) -> Image:
    """What the agents of a pool are forked from. `path`: where modules are found; None: as in this process."""
    return Image(list(pool.preload), warm=[pool.warmup] if pool.warmup else [], path=path)


def spec(pool: PoolSettings, initializer: bytes = b"", image: Image | None = None) -> PoolSpec:
    """A pool as a fleet takes it: with `initializer`, or what the pool names as one, and with an image of its own or
    one that it shares with others.

    Raises `SettingsError` for a value that can't be.
    """
    pool = checked(pool)
    image = image or image_for(pool)
    if pool.init and pool.init not in image.check:
        image.check.append(pool.init)
    return PoolSpec(pool, image, initializer or (f"!{pool.init}".encode() if pool.init else b""))


def main_pool(
    settings: Settings,
    *,
    max_workers: int | None,
    min_workers: int | None,
    max_tasks_per_child: int | None,
    shards: int | None,
    preload: Iterable[str] | str,
    warmup: str | None,
    max_idle: float | None,
    memory_limit: int | str | None,
) -> PoolSettings:
    """The pool ``main`` of an `Engine`, from its arguments. Raises TypeError and ValueError, naming what can't be."""
    found = arguments.counts(
        max_workers=max_workers, min_workers=min_workers, max_tasks_per_child=max_tasks_per_child, shards=shards
    )
    most, least = found["max_workers"], found["min_workers"]
    if least is not None and most is None:
        most = max(settings.pool_size or cores(), least)
    if least is not None and most is not None and least > most:
        raise ValueError(f"min_workers is {least:,}, above max_workers, which is {most:,}")
    return PoolSettings(
        size=most if least is None else least,
        min_size=least,
        max_size=most,
        shards=found["shards"],
        preload=arguments.modules("preload", preload),
        warmup=None if warmup is None else arguments.reference("warmup", warmup),
        max_idle=None if max_idle is None else arguments.seconds("max_idle", max_idle),
        max_tasks=found["max_tasks_per_child"],
        memory_limit=None if memory_limit is None else arguments.size("memory_limit", memory_limit),
    )


def options_with(
    base: Options,
    *,
    priority: int | None = None,
    timeout: float | None = None,
    soft_timeout: float | None = None,
    retries: int | None = None,
    retry_on: Exceptions | None = None,
    crash_limit: int | None = None,
    key: object = None,
) -> Options:
    """Options with those changed that are not None. Raises TypeError and ValueError, naming what can't be."""
    if not isinstance(key, str | bytes | int | None):
        raise TypeError(f"key must be a text, bytes or an integer, not {type(key).__name__}")
    changed: dict[str, Any] = {}
    numbers = (("priority", priority, -arguments.MOST), ("retries", retries, 0), ("crash_limit", crash_limit, 1))
    for name, number, least in numbers:
        if number is not None:
            changed[name] = arguments.whole(name, number, least)
    for name, limit in (("timeout", timeout), ("soft_timeout", soft_timeout)):
        if limit is not None:
            changed[name] = arguments.seconds(name, limit)
    if retry_on is not None:
        changed["retry_on"] = arguments.exceptions("retry_on", retry_on)
    if key is not None:
        changed["key"] = zlib.crc32(repr(key).encode())
    found = replace(base, **changed)
    if found.timeout is not None and found.soft_timeout is not None and found.soft_timeout >= found.timeout:
        told = f"soft_timeout ({found.soft_timeout:g} s) must be less than timeout ({found.timeout:g} s)"
        raise ValueError(f"{told}, which ends the task")
    return found
