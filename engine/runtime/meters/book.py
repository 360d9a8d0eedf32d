"""What the core and the scoreboard say at one moment, as gauges and counters."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import numpy as np

from engine.core.core import Core
from engine.core.pools import Pool
from engine.core.queues import ReadyQueue
from engine.metrics.snapshot import Builder, Labels
from engine.runtime.meters.board import Board
from engine.runtime.meters.meter import Meter
from engine.runtime.meters.processes import Processes
from engine.stream.types import PoolView

_SEGMENTS: Final = 64
"""Of a queue, whose work is added up; that of the others is taken to be alike."""
_OFTEN: Final = 450_000_000
"""Nanoseconds between two looks at all shards."""
SHARD: Final = (
    "shoal_shard_depth_messages", "shoal_shard_enqueued_total", "shoal_shard_dequeued_total",
    "shoal_shard_stolen_total",
    "shoal_shard_utilization_ratio", "shoal_shard_balance_ratio",
)  # fmt: skip
"""What is told of a shard."""
_STATES: Final = ("starting", "idle", "busy", "draining", "dead")


class Book:
    """Pools and shards, and all that is known of them at a moment."""

    def __init__(self, core: Core, meter: Meter, rows: int) -> None:
        self._core = core
        self._meter = meter
        self._owners = np.zeros(rows, np.int64)
        """The shard of each row."""
        for shard in core.shards:
            self._owners[list(shard.rows)] = shard.id
        self._shards = len(core.shards)
        self._busy: Any = np.zeros(self._shards)
        self._at = 0
        self._told: dict[str, dict[Labels, float]] = {}
        self._used: Any = np.zeros(self._shards)
        """Busy share of each shard's agents between the last two looks that were a while apart."""

    def pools(
        self, builder: Builder, pools: list[Pool], views: tuple[PoolView, ...], board: Board, processes: Processes
    ) -> None:
        """All of each of these pools; `views` are of all pools."""
        put, meter = builder.set, self._meter
        names = {pool.name for pool in pools}
        for pool in pools:
            view, name, rows = views[pool.id], pool.name, slice(pool.rows.start, pool.rows.start + pool.extent)
            for state in _STATES:
                put("shoal_pool_agents", getattr(view, state), name, state)
            for bound, agents in (("min", pool.minimum), ("max", pool.maximum), ("target", pool.wanted)):
                put("shoal_pool_agents_limit", agents, name, bound)
            put("shoal_pool_deficit_agents", max(0, pool.coming), name)
            put("shoal_pool_pending_requests", pool.queued, name)
            for found, batches in (("hit", pool.hits), ("wait", pool.waits), ("cold", pool.colds)):
                put("shoal_pool_acquires_total", batches, name, found)
            put("shoal_pool_busy_seconds_total", float(board.busy[rows].sum()) * 1e-9, name)
            put("shoal_pool_grown_agents_total", pool.grown, name)
            waiting = self._waiting(pool)
            if waiting is not None:
                put("shoal_pool_occupancy_seconds", waiting, name)
            put("shoal_pool_memory_bytes", int(board.memory[rows].sum()), name)
            put("shoal_agent_spawns_total", meter.started[name], name, "started")
            put("shoal_agent_spawns_total", meter.failed[name], name, "failed")
            put("shoal_agent_spawns_running", view.starting, name)
            put("shoal_agent_restarts_total", pool.restarts, name)
            put("shoal_tasks_submitted_total", pool.submitted, name)
            for result, tasks in (("done", pool.done), ("failed", pool.failed), ("cancelled", pool.cancelled)):
                put("shoal_tasks_finished_total", tasks, name, result)
            put("shoal_tasks_redelivered_total", pool.redelivered, name)
            put("shoal_tasks_recalled_total", pool.recalled, name)
            ages = board.ages[rows]
            put("shoal_work_unfinished_seconds", float(ages.sum()) * 1e-9, name)
            put("shoal_work_longest_running_seconds", float(ages.max(initial=0)) * 1e-9, name)
            put("shoal_runqueue_wait_seconds_total", processes.waited[pool.id], name)
            for kind, number in zip(("voluntary", "involuntary"), processes.switches[pool.id], strict=True):
                put("shoal_context_switches_total", number, name, kind)
        for (name, cut), batches in meter.cuts.items():
            if name in names:
                put("shoal_batch_flushes_total", batches, name, cut)
        for (name, reason), agents in meter.exits.items():
            if name in names:
                put("shoal_agent_exits_total", agents, name, reason)
        for (name, reason), agents in meter.refills.items():
            if name in names:
                put("shoal_pool_refills_total", agents, name, reason)
        put("shoal_agent_spawns_limit", self._core.spawn_window)

    def shards(self, builder: Builder, pools: list[Pool], board: Board, now: int) -> None:
        """All of each shard of these pools, as it was half a second ago at the most; `now` in nanoseconds, as `board`
        was read."""
        if now - self._at >= _OFTEN:
            busy = np.bincount(self._owners, board.busy, self._shards)
            up = np.array([max(1, shard.up) for shard in self._core.shards])
            # At the first look it is known who works, and not for how long.
            share = (busy - self._busy) / (now - self._at) if self._at else self._working(board)
            self._used = np.clip(share / up, 0.0, 1.0)
            self._busy, self._at = busy, now
            self._told = self.each_shard(pools, board)
        builder.set_all(self._told)

    def each_shard(self, pools: list[Pool], board: Board) -> dict[str, dict[Labels, float]]:
        """All of each shard of these pools at this moment, by metric and labels; only how busy it is may be of half a
        second ago."""
        told: dict[str, dict[Labels, float]] = {name: {} for name in SHARD}
        working = self._working(board).tolist()
        for pool in pools:
            mean = sum(shard.sent for shard in pool.shards) / len(pool.shards)
            for shard in pool.shards:
                labels = pool.name, str(shard.id)
                values = (
                    shard.ready.tasks + max(0, shard.tasks - working[shard.id]), shard.placed, shard.sent, shard.stolen,
                    float(self._used[shard.id]), shard.sent / mean if mean else 1.0,
                )  # fmt: skip
                for held, value in zip(told.values(), values, strict=True):
                    held[labels] = value
        return told

    def _working(self, board: Board) -> Any:
        """Agents of each shard that run a task."""
        return np.bincount(self._owners[board.ages > 0], minlength=self._shards)

    def _waiting(self, pool: Pool) -> float | None:
        """Seconds of work that wait in a pool."""
        if not pool.queued:
            return 0.0
        tasks, seconds = 0, 0.0
        for queue in self._queues(pool):
            for segment in islice(queue, _SEGMENTS):
                cost = self._core.cost(segment.range.function)
                if cost is not None:
                    tasks += segment.stop - segment.first
                    seconds += cost * (segment.stop - segment.first)
        return seconds / tasks * pool.queued if tasks else None

    @staticmethod
    def _queues(pool: Pool) -> list[ReadyQueue]:
        return [pool.ready] if pool.placement.late else [shard.ready for shard in pool.shards]
