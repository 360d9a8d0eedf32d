"""What readers are shown of queues: each shard at this moment, how each pool hands out tasks and gets its agents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Final, TypeAlias

from engine.core.pools import Pool
from engine.metrics.snapshot import Labels, Snapshot
from engine.metrics.stack import Change
from engine.metrics.windows import Window, Windows
from engine.runtime.meters.book import SHARD
from engine.runtime.meters.spreads import spreads
from engine.runtime.meters.view import RECENT
from engine.stream.types import MESSAGE_MAX, PoolQueue, QueuesNow, ShardView, encoder

Shards: TypeAlias = Mapping[str, Mapping[Labels, float]]

_WAIT: Final = "shoal_queue_wait_seconds"
_HEAD: Final = 64
"""Bytes of a message beside its shards and pools, at the most."""
_REST: Final = 160
"""Bytes of a shard that stands for many, beside its pool's name, at the most."""


def queues(
    windows: Windows, pools: Iterable[Pool], each_shard: Shards, at: float, room: int = MESSAGE_MAX
) -> QueuesNow:
    """The queues as of the newest sample; `each_shard`: what is told of shards, by metric; `at`: seconds since the Unix
    epoch.

    If all of them take more than `room` bytes, so many shards of each pool are told of one by one as fit, the first
    ones, and the rest as one.
    """
    recent = windows.over(RECENT)
    found = [*_pools(windows.newest, pools)]
    shards = _shards([pool for pool, _ in found], each_shard, recent)
    told = [(queue, [*islice(shards, len(pool.shards))]) for pool, queue in found]
    whole = _message(at, told)
    return whole if len(encoder.encode(whole)) <= room else _fitting(at, told, recent, room)


def _message(at: float, told: Sequence[tuple[PoolQueue, Sequence[ShardView]]], left: int = 0) -> QueuesNow:
    shards = tuple(shard for _, some in told for shard in some)
    return QueuesNow(at, shards, tuple(queue for queue, _ in told), left)


def _pools(snapshot: Snapshot, pools: Iterable[Pool]) -> Iterator[tuple[Pool, PoolQueue]]:
    values = snapshot.values
    flushes, found, refills, exits, starts = (
        _by_pool(values.get(f"shoal_{name}_total", {}))
        for name in ("batch_flushes", "pool_acquires", "pool_refills", "agent_exits", "agent_spawns")
    )
    occupancy = values.get("shoal_pool_occupancy_seconds", {})
    nothing: dict[str, int] = {}
    for pool in pools:
        name = pool.name
        batches, started = found.get(name), starts.get(name)
        if batches is None or started is None:  # it was not there yet, or no longer
            continue
        grown, redelivered, recalled, memory = (
            int(values[f"shoal_{told}"][name,])
            for told in (
                "pool_grown_agents_total", "tasks_redelivered_total", "tasks_recalled_total", "pool_memory_bytes"
            )
        )  # fmt: skip
        yield pool, PoolQueue(
            name, pool.placement.strategy, flushes.get(name, nothing),
            batches["hit"], batches["wait"], batches["cold"], refills.get(name, nothing), exits.get(name, nothing),
            started["started"], started["failed"], grown, redelivered, recalled, occupancy.get((name,)), memory,
        )  # fmt: skip


def _by_pool(series: Mapping[Labels, float]) -> dict[str, dict[str, int]]:
    """A counter with the labels of a pool and something else: by that, for each pool."""
    found: dict[str, dict[str, int]] = {}
    for (pool, what), value in series.items():
        found.setdefault(pool, {})[what] = int(value)
    return found


def _shards(pools: Sequence[Pool], each_shard: Shards, recent: Window) -> Iterator[ShardView]:
    columns = [each_shard[name] for name in SHARD]
    shards = [(pool.name, shard) for pool in pools for shard in pool.shards]
    waits = spreads(_WAIT, [_waits(recent, pool, shard.id) for pool, shard in shards])
    for (pool, shard), wait in zip(shards, waits, strict=True):
        labels = pool, str(shard.id)
        depth, placed, sent, stolen, used, balance = (column[labels] for column in columns)
        yield ShardView(
            pool, shard.id, shard.up, int(depth), int(placed), int(sent), int(stolen), used, balance, wait
        )  # fmt: skip


def _waits(recent: Window, pool: str, *shards: int) -> list[Change]:
    return recent.changes(_WAIT, *((pool, str(shard), "ready") for shard in shards))


# -- many ---------------------------------------------------------------------------------------------------------


def _fitting(at: float, told: Sequence[tuple[PoolQueue, Sequence[ShardView]]], recent: Window, room: int) -> QueuesNow:
    # What each pool takes at the least: itself, and one shard for all.
    least = [len(encoder.encode(queue)) + len(queue.pool.encode()) + _REST for queue, _ in told]
    fit = bisect_right(list(accumulate(least)), room - _HEAD)
    sizes = [[0, *accumulate(len(encoder.encode(shard)) for shard in shards)] for _, shards in told[:fit]]
    left = room - _HEAD - sum(least[:fit])

    def size(each: int) -> int:
        return sum(sums[min(each, len(sums) - 1)] for sums in sizes)

    most = max((len(sums) - 1 for sums in sizes), default=0)
    each = bisect_right(range(most + 1), left, key=size) - 1
    cut = [(queue, [*shards[:each], *_rest(shards[each:], recent)]) for queue, shards in told[:fit]]
    return _message(at, cut, len(told) - fit)


def _rest(shards: Sequence[ShardView], recent: Window) -> Sequence[ShardView]:
    """These as one."""
    if len(shards) < 2:
        return shards
    agents = sum(shard.agents for shard in shards)
    (wait,) = spreads(_WAIT, [_waits(recent, shards[0].pool, *(shard.shard for shard in shards))])
    return [
        ShardView(
            shards[0].pool, -1, agents, sum(shard.depth for shard in shards), sum(shard.placed for shard in shards),
            sum(shard.sent for shard in shards), sum(shard.stolen for shard in shards),
            sum(shard.used * shard.agents for shard in shards) / agents if agents else 0.0,
            sum(shard.balance for shard in shards) / len(shards), wait, len(shards),
        )
    ]  # fmt: skip
