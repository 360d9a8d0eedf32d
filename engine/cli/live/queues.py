"""Queues and distributions as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from engine.cli.live.measures import spread
from engine.cli.words import duration, number, printable, several, size

if TYPE_CHECKING:
    from engine.stream.types import PoolQueue, QueuesNow, Shape, ShapesNow, ShardView

_NAMES: Final = {
    "run": "run time of tasks", "wait": "wait of tasks until they were sent", "assign": "assignment of batches",
    "spawn": "start of agents", "batch_out": "tasks in a batch", "batch_back": "outcomes in a message",
    "linger": "wait of outcomes for others of their message",
}  # fmt: skip
_CUTS: Final = {
    "full": "full", "time": "enough work", "bytes": "enough bytes", "share": "an even share",
    "first": "times not known", "rest": "no more ready",
}  # fmt: skip


# -- queues -------------------------------------------------------------------------------------------------------


def queue_lines(now: QueuesNow) -> Iterator[str]:
    for pool in now.pools:
        yield from _pool(pool)
        for shard in now.shards:
            if shard.pool == pool.pool:
                yield _shard(shard)
    if now.left:
        yield f"queues: {several(now.left, 'pool')} more"


def _pool(pool: PoolQueue) -> Iterator[str]:
    work = "unknown work" if pool.occupancy is None else f"{duration(pool.occupancy)} of work"
    yield (
        f"queues of {printable(pool.pool)}: {pool.strategy}; {work} waiting; "
        f"{number(pool.redelivered)} tasks sent again, {number(pool.recalled)} given back"
    )
    flushes = {_CUTS.get(cut, cut): batches for cut, batches in pool.flushes.items()}
    yield (
        f"  batches by what ended them: {_counts(flushes)}; {number(pool.hits)} found an idle agent, "
        f"{number(pool.waits)} waited for one, {number(pool.colds)} had one started"
    )
    yield (
        f"  agents: {number(pool.started)} started, {number(pool.unstarted)} failed to start, "
        f"{number(pool.grown)} because tasks waited; ended: {_counts(pool.exits)}; replaced: {_counts(pool.refills)}; "
        f"{size(pool.memory)} of their own"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number(count)} {printable(name)}" for name, count in counts.items() if count) or "none"


def _shard(shard: ShardView) -> str:
    name = several(shard.more, "more shard") if shard.more else f"shard {shard.shard}"
    return (
        f"  {name}: {several(shard.agents, 'agent')} {shard.used:.0%} busy; {number(shard.depth)} waiting; "
        f"wait {spread(shard.wait, duration)}; {number(shard.placed)} placed, {number(shard.sent)} sent, "
        f"{number(shard.stolen)} stolen; balance {shard.balance:.2f}"
    )


# -- shapes -------------------------------------------------------------------------------------------------------


def shape_lines(now: ShapesNow) -> Iterator[str]:
    pools: dict[str, list[Shape]] = {}
    for shape in now.shapes:
        pools.setdefault(shape.pool, []).append(shape)
    for pool, shapes in pools.items():
        yield f"distributions of {printable(pool)}, last {duration(now.window)}:"
        for shape in shapes:
            told = duration if shape.unit == "seconds" else _count
            yield f"  {printable(_NAMES.get(shape.name, shape.name))}: {spread(shape.spread, told)}"
    if now.left:
        yield f"distributions: {several(now.left, 'pool')} more"


def _count(value: float) -> str:
    return number(round(value))
