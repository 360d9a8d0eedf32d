"""The settings of a run and of its pools, as plain data with their defaults.

Meanings and ranges are written once, here: `shoal config show` and the checks of every source read them from the
types. None stands for ``auto`` in settings, and for "as the run has it" in pools.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Strategy: TypeAlias = Literal["least-loaded", "hash", "round-robin", "random"]
Durability: TypeAlias = Literal["off", "normal", "full"]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
Size: TypeAlias = Annotated[int, Meta(ge=1, extra={"size": True})]
"""Bytes, which people may write as ``500M``."""
Reserve: TypeAlias = Annotated[int, Meta(ge=0, extra={"size": True, "off": True})]
"""A size, or 0, which people write as ``off``."""
Reference: TypeAlias = Annotated[str, Meta(extra={"reference": True})]
"""``module:function``."""
FilePath: TypeAlias = Annotated[str, Meta(extra={"path": True})]
"""Of a file, from the folder that one is in; ``~`` is one's own. "" for none."""
Limits: TypeAlias = Annotated[dict[str, int], Meta(extra={"limits": True})]
"""Numbers of at least 0 by name, which people may write as ``local=1 cloud=10``. Those of a higher source are put over
those of a lower one, name by name."""
Command: TypeAlias = Annotated[tuple[str, ...], Meta(extra={"command": True})]
"""A program and its arguments, which people may write as a line; () for none."""
Address: TypeAlias = Annotated[str, Meta(extra={"address": True})]
"""Of a web server; "" for none."""


class SettingsError(ValueError):
    """A setting that can't be. The text is one line: where it was given, what is allowed, what was given."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for a whole run. Times are in seconds."""

    pool_size: Annotated[
        Count | None,
        Meta(description="Agents of a pool that does not say how many; auto: as many as there are cores."),
    ] = None
    pool_min_size: Annotated[
        Count | None,
        Meta(description="Agents that an elastic pool never falls below; auto: as many as its size."),
    ] = None
    pool_max_idle: Annotated[
        Seconds,
        Meta(description="How long an agent beyond the minimum may wait for work before it is retired."),
    ] = 300.0
    pool_warmup_time: Annotated[
        Seconds,
        Meta(description="How long an agent may take to import and initialise before it counts as failed."),
    ] = 60.0
    batch_size: Annotated[
        Count | None,
        Meta(description="Tasks in every batch; auto: as many as their measured durations suggest."),
    ] = None
    batch_timeout: Annotated[
        Seconds,
        Meta(
            description="How long a finished result may wait behind a slow neighbour in its batch, and the most work "
            "that one batch may hold where batches size themselves."
        ),
    ] = 0.1
    batch_max_size: Annotated[
        Count | None,
        Meta(
            description="Tasks in one batch at the most; auto: 500, and up to 2,500 of those that together take less "
            "than a millisecond."
        ),
    ] = None
    spawn_parallelism: Annotated[Count, Meta(description="Agents that may be starting at the same time.")] = 50
    spawn_max_retry: Annotated[
        int,
        Meta(ge=0, description="How often a start that failed is tried again before that agent is given up."),
    ] = 3
    spawn_timeout: Annotated[
        Seconds,
        Meta(description="How long a starting agent may stand still, without progress, before its start has failed."),
    ] = 5.0
    shard_count: Annotated[
        Count | None,
        Meta(description="Hosts that fork and feed the agents of a pool; auto: by their number."),
    ] = None
    shard_strategy: Annotated[Strategy, Meta(description="How tasks are placed on shards.")] = "least-loaded"
    frame_rate: Annotated[
        int,
        Meta(ge=1, le=20, description="How often a second those who watch are shown how the run is, at the most."),
    ] = 10
    record_durability: Annotated[
        Durability,
        Meta(
            description="What a result that is passed on has outlived: off nothing, normal the death of every process, "
            "full that of the machine."
        ),
    ] = "normal"
    record_result_max: Annotated[
        Size,
        Meta(
            description="Bytes of the largest result that the record keeps; a larger one is only recorded as done. "
            "What takes less than 128 KiB is kept in any case."
        ),
    ] = 64 << 20
    record_moments: Annotated[
        bool,
        Meta(
            description="Whether the record keeps what screens show, once a second, for a replay; off: it has samples "
            "alone."
        ),
    ] = True
    alert_rules: Annotated[
        FilePath | None,
        Meta(
            description="File of your own alert rules; auto: alerts.toml beside the config file, if it is there; "
            "none: only the built-in ones."
        ),
    ] = None
    alert_command: Annotated[
        Command,
        Meta(description="Program that is run for each alert, which it reads as JSON; none: no program."),
    ] = ()
    alert_webhook: Annotated[
        Address,
        Meta(description="Address that each alert is posted to as JSON; none: nowhere."),
    ] = ""
    lanes: Annotated[
        Limits,
        Meta(description="How many tasks of a lane run at a time, by the lane's name; none: there are no lanes."),
    ] = {}
    memory_reserve: Annotated[
        Reserve | None,
        Meta(
            description="Memory that is to stay free, by the machine and by each limit of a cgroup. With less, no more "
            "tasks are begun until some are over; auto: 5 %, at most 2G; off: not looked at."
        ),
    ] = None
    memory_tasks: Annotated[
        Size | None,
        Meta(
            description="Memory that tasks which say how much they take may take together; auto: what the machine and "
            "the limits of its cgroups have, less memory_reserve."
        ),
    ] = None
    plan_people: Annotated[
        Literal["refuse", "wait", "skip"],
        Meta(
            description="Tasks of a plan that people do: refuse such a plan; wait until shoal ctl done or failed says "
            "what came of them; or skip them, as if they were done."
        ),
    ] = "refuse"
    plan_gates: Annotated[
        Literal["wait", "fail"] | None,
        Meta(
            description="A gate that is held: wait until shoal ctl gate decides, or have what comes after it fail; "
            "auto: wait where a person sits at the terminal or a screen."
        ),
    ] = None
    metrics_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="Port at which metrics are served for Prometheus, 0 for any that is free; auto: not served."),
    ] = None
    metrics_host: Annotated[
        str,
        Meta(description="Address of that port; 127.0.0.1 is reached from this machine alone."),
    ] = "127.0.0.1"
    enable_pooling: Annotated[bool, Meta(description="Off: a freshly executed process for every task.")] = True
    enable_batching: Annotated[bool, Meta(description="Off: a message for every task and every outcome.")] = True
    enable_parallel_spawn: Annotated[bool, Meta(description="Off: agents start one at a time, each awaited.")] = True
    enable_sharding: Annotated[bool, Meta(description="Off: one host for each pool.")] = True


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pool. None takes the run's setting of the same meaning."""

    name: str = "main"
    size: Count | None = None
    """Agents at the start."""
    min_size: Count | None = None
    """Fewer are refilled at once, and never retired. None: the size, if the run does not say."""
    max_size: Count | None = None
    """It grows up to so many while tasks wait. None: the size."""
    shards: Count | None = None
    """Hosts that fork and feed its agents."""
    preload: tuple[str, ...] = ()
    """Modules that are imported once, before the first fork."""
    warmup: Reference | None = None
    """``module:function`` called once before the first fork: it compiles kernels for all."""
    init: Reference | None = None
    """``module:function`` called in each agent before its first task."""
    warmup_timeout: Seconds | None = None
    """How long an agent may take to import and initialise, in seconds."""
    max_idle: Seconds | None = None
    """How long an agent beyond the minimum may wait for work, in seconds."""
    max_tasks: Count | None = None
    """An agent is replaced after so many tasks."""
    max_bytes: Size | None = None
    """An agent is replaced after a task that left it with more bytes of its own than this."""
    memory_limit: Size | None = None
    """An agent that holds more bytes of its own than this is killed, and the task that ran in it is blamed."""
