"""What a pool comes to, from its own settings and those of the run."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from engine.core.tasks import Options
from engine.runtime.limits import cores, default_shards
from engine.runtime.nest import Image
from engine.settings.pools import complete
from engine.settings.types import PoolSettings, Settings
from engine.wire import frames


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
    most = min(options.batch_max, pool.max_tasks or options.batch_max)
    if not (settings.enable_batching and settings.enable_pooling):
        most = 1
    size = options.batch_size or settings.batch_size
    if most == options.batch_max and size == options.batch_size:
        return options
    return replace(options, batch_max=most, batch_size=size)


def spec(pool: PoolSettings, initializer: bytes = b"") -> PoolSpec:
    """A pool of an `Engine`: with an image of its own, and with `initializer`, or what the pool names as one."""
    image = Image(list(pool.preload), warm=[pool.warmup] if pool.warmup else [])
    if pool.init:
        image.check.append(pool.init)
    return PoolSpec(pool, image, initializer or (f"!{pool.init}".encode() if pool.init else b""))


def options_with(
    base: Options,
    *,
    priority: int | None = None,
    timeout: float | None = None,
    soft_timeout: float | None = None,
    retries: int | None = None,
    retry_on: Iterable[type[BaseException] | str] | None = None,
    crash_limit: int | None = None,
    key: object = None,
) -> Options:
    """Options with those changed that are not None. Raises ValueError for numbers out of range, TypeError for what is
    no exception or no key."""
    if not isinstance(key, str | bytes | int | None):
        raise TypeError(f"a key is of text, bytes or an integer, not {type(key).__name__}")
    changed: dict[str, Any] = {
        "priority": priority, "timeout": timeout, "soft_timeout": soft_timeout, "retries": retries,
        "retry_on": None if retry_on is None else tuple(map(_exception_name, retry_on)), "crash_limit": crash_limit,
        "key": None if key is None else zlib.crc32(repr(key).encode()),
    }  # fmt: skip
    found = replace(base, **{name: value for name, value in changed.items() if value is not None})
    if (
        found.retries < 0
        or found.crash_limit < 1
        or any(seconds is not None and not 0 < seconds < math.inf for seconds in (found.timeout, found.soft_timeout))
    ):
        raise ValueError("crash_limit is at least 1, retries at least 0, and timeouts are finite and above 0")
    return found


def _exception_name(given: type[BaseException] | str) -> str:
    if isinstance(given, str):
        return given
    if not issubclass(given, BaseException):
        raise TypeError(f"{given!r} is neither an exception's class nor its name")
    return f"{given.__module__}.{given.__qualname__}"
