"""What the fleet's thread writes down while it works: no numpy, nothing for a task, less than a microsecond a message.

Times are CLOCK_MONOTONIC; those of the core are seconds, those of hosts and agents nanoseconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias, get_args

from engine.core.actions import Send
from engine.core.batching import Cut
from engine.core.core import Core
from engine.core.tasks import Batch, Found
from engine.metrics.pending import Pending
from engine.metrics.series import Series
from engine.runtime.fleet.jobs import Group
from engine.runtime.meters.log import Log
from engine.wire.memory import Parcel

Reason: TypeAlias = Literal[
    "crash", "oom", "timeout", "start", "health", "cancelled", "recycled", "idle", "scale_in", "killed"
]
_REASONS: Final[dict[str, Reason]] = {
    "": "crash", "memory": "oom", "timeout": "timeout", "start": "start", "spawn": "start", "health": "health",
    "cancelled": "cancelled", "recycled": "recycled", "retired": "idle", "killed": "killed",
}  # fmt: skip
"""By why a host says that an agent ended."""

FOUND: Final[tuple[Found, ...]] = get_args(Found)
CUTS: Final[tuple[Cut, ...]] = get_args(Cut)
FIRST: Final = 1
"""In `flags` of a row of outcomes: it has the first of its batch. Above `LAST`: how the batch came by its agent."""
LAST: Final = 2
"""Likewise: it has the last."""
OUTCOMES: Final = (
    "shard", "flags", "count", "started", "first_end", "last_end", "accepted", "bytes", "decoding", "batch", "sent",
    "since",
)  # fmt: skip
"""A message of outcomes. `decoding` is nanoseconds; `sent` and `since` are seconds, the others as they are."""
SENDS: Final = ("shard", "count", "bytes", "encoding", "waited")
"""A batch on its way out; `waited` is seconds."""
_FLAGS: Final = {found: at << 2 for at, found in enumerate(FOUND)}

_clock = time.monotonic_ns


class Meter:
    """Of one fleet, whose thread alone calls it.

    Attributes:
        outcomes_log, sends_log: what waits to be counted.
        cuts: batches sent, by pool and why they had no more tasks.
        started, failed: starts of agents that were well, and that were not, by pool.
        exits, refills: ends of agents, and those of them that were asked for anew, by pool and reason.
        lag: how late the loop was, the last time that something was due.
        firing: alerts that fire, by severity; None where nobody knows.
    """

    def __init__(self, core: Core, pending: Pending, count: Callable[[], None], cold: bool) -> None:
        """`count`: counts what is in the logs. `cold`: agents are executed, and not forked."""
        self._core = core
        self._pending = pending
        self._start = "cold" if cold else "warm"
        self.outcomes_log = Log("qqqQQQqqqQdd", count)
        self.sends_log = Log("qqqqd", count)
        self.cuts: Counter[tuple[str, str]] = Counter()
        self.started: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.exits: Counter[tuple[str, Reason]] = Counter()
        self.refills: Counter[tuple[str, Reason]] = Counter()
        self.lag = 0
        self.firing: Mapping[Literal["info", "warning", "critical"], int] | None = None
        self._runs: dict[tuple[int, bool], Series] = {}
        self._asked: dict[int, int] = {}
        """By row, when the start of its agent was asked for."""
        self._missing: dict[int, int] = {}
        """By row, since when an agent is missing that is to be replaced."""

    # -- messages: the hot path ---------------------------------------------------------------------------------------

    def sent(self, action: Send, size: int, began: int, parcels: list[Parcel]) -> None:
        """A batch is on its way: so many bytes, of which the encoding `began` then."""
        log = self.sends_log
        at = log.at
        log.pack(log.buffer, at, action.shard, action.count, size, _clock() - began, action.waited)
        log.at = at + 40
        if at >= log.last:
            log.full()
        pool = self._core.pools[self._core.shards[action.shard].pool].name
        self.cuts[pool, action.cut] += 1
        if parcels:
            self._payload(pool, "out", parcels)

    def outcomes(self, group: Group, batch: Batch, command: bool, size: int, began: int, parcels: list[Parcel]) -> None:
        """A message of outcomes of `size` bytes was accepted, whose decoding `began` then. `command`: of commands."""
        now = _clock()
        pool = batch.range.pool
        series = self._runs.get((pool, command))
        if series is None:
            series = self._series(pool, command)
        started, ends = group.started, group.ends
        self._pending.group(series, started, ends)
        flags = _FLAGS[batch.found]
        if group.first == batch.first:
            flags |= FIRST
        if batch.accepted == batch.count:
            flags |= LAST
        log = self.outcomes_log
        at = log.at
        log.pack(
            log.buffer, at, batch.shard, flags, len(ends), started, ends[0], ends[-1], now, size, group.decoded - began,
            batch.id, batch.sent, batch.since,
        )  # fmt: skip
        log.at = at + 96
        if at >= log.last:
            log.full()
        if parcels:
            self._payload(self._core.pools[pool].name, "back", parcels)

    def _series(self, pool: int, command: bool) -> Series:
        labels = self._core.pools[pool].name, "command" if command else "call"
        made = self._runs[pool, command] = ("shoal_task_run_seconds", labels)
        return made

    def _payload(self, pool: str, direction: str, parcels: list[Parcel]) -> None:
        series = "shoal_payload_bytes", (pool, direction)
        for parcel in parcels:
            self._pending.value(series, parcel.size())

    # -- agents -------------------------------------------------------------------------------------------------------

    def asked(self, rows: Iterable[tuple[int, int]]) -> None:
        """Agents, as (row, generation), are to be started."""
        now = _clock()
        for row, _ in rows:
            self._asked[row] = now

    def up(self, rows: Iterable[tuple[int, int, int]], times: Iterable[tuple[int, int]]) -> None:
        """Agents are up, as their host says; to be told before the core is."""
        now = _clock()
        for (row, generation, _), (begun, heard) in zip(rows, times, strict=True):
            agent = self._core.agents[row]
            if agent.generation != generation or agent.up:
                continue
            pool = self._pool(row)
            self.started[pool] += 1
            missing = self._missing.pop(row, None)
            if missing is not None:
                self._pending.value(("shoal_pool_refill_seconds", (pool,)), now - missing)
            asked = self._asked.pop(row, None)
            if asked is None:
                continue
            phases = {"fork": begun - asked, "init": heard - begun, "handshake": now - heard, "total": now - asked}
            for phase, nanoseconds in phases.items():
                self._pending.value(("shoal_agent_spawn_seconds", (pool, phase, self._start)), nanoseconds)

    def down(self, row: int, why: str, up: bool, leaving: bool, wanted: bool) -> None:
        """An agent is gone, which was `up` or starting, and `leaving` because its pool is to be smaller. `wanted`:
        another one takes its place."""
        pool = self._pool(row)
        self._asked.pop(row, None)
        reason = "scale_in" if leaving else _REASONS.get(why, "killed")
        if not up and why != "killed":
            self.failed[pool] += 1
        self.exits[pool, reason] += 1
        if wanted:
            self.refills[pool, reason] += 1
            self._missing.setdefault(row, _clock())
        else:
            self._missing.pop(row, None)

    def _pool(self, row: int) -> str:
        return self._core.pools[self._core.shards[self._core.agents[row].shard].pool].name

    # -- the loop -----------------------------------------------------------------------------------------------------

    def late(self, seconds: float) -> None:
        """The loop came so much later than something was due."""
        self.lag = nanoseconds = max(0, int(seconds * 1e9))
        self._pending.value(("shoal_loop_lag_seconds", ()), nanoseconds)

    def alerted(self, area: str, seconds: float) -> None:
        """There is an alert of this class, so long after what it is about."""
        self._pending.value(("shoal_alert_detect_seconds", (area,)), max(0, int(seconds * 1e9)))

    def committed(self, seconds: float) -> None:
        """The recorder has committed, which took so long."""
        self._pending.value(("shoal_store_commit_seconds", ()), int(seconds * 1e9))

    @property
    def dropped(self) -> int:
        """Measurements that were never counted, because nobody sampled."""
        return self._pending.skipped + self.outcomes_log.dropped + self.sends_log.dropped

    def sample(self, sampled: bool) -> None:
        """Somebody counts what is written down here from now on, or nobody does any more."""
        self._pending.sampled = sampled
        self.outcomes_log.sample(sampled)
        self.sends_log.sample(sampled)
