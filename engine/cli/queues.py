"""Queues and distributions as text and as JSON: what the screens draw, for `shoal watch` and `shoal status`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from engine.cli.live import LiveProblem
from engine.cli.words import duration, number, printable, several, size

if TYPE_CHECKING:
    from engine.stream.client import Client
    from engine.stream.plans import PlanSeen
    from engine.stream.types import PoolQueue, QueuesNow, Shape, ShapesNow, ShardView, Spread, Topic, ToReader

F = TypeVar("F", bound=Callable[..., Any])

_NAMES: Final = {
    "run": "run time of tasks", "wait": "wait of tasks until they were sent", "assign": "assignment of batches",
    "spawn": "start of agents", "batch_out": "tasks in a batch", "batch_back": "outcomes in a message",
    "linger": "wait of outcomes for others of their message",
}  # fmt: skip
_CUTS: Final = {
    "full": "full", "time": "enough work", "bytes": "enough bytes", "share": "an even share",
    "first": "times not known", "rest": "no more ready",
}  # fmt: skip


def options(command: F) -> F:
    """The options of a command that can tell of more than frames."""
    command = click.option(
        "--shapes", is_flag=True, help="Also how times and sizes of batches are distributed, over the last minute."
    )(command)
    command = click.option(
        "--plan", is_flag=True, help="Also the plan: its steps, what they wait for, what the end hangs on, its gates."
    )(command)
    return click.option(
        "--queues", is_flag=True, help="Also each shard's queue, and how each pool hands out tasks and gets its agents."
    )(command)


class Newest:
    """The newest that an engine has told of queues, shapes and its plan, as far as that is asked for."""

    def __init__(self, queues: bool, shapes: bool, plan: bool) -> None:
        self._told: dict[Topic, QueuesNow | ShapesNow | PlanSeen | None] = {}
        if queues:
            self._told["queues"] = None
        if shapes:
            self._told["shapes"] = None
        if plan:
            from engine.stream.plans import PlanSeen

            self._told["plan"] = PlanSeen()

    def subscribe(self, client: Client, topics: list[Topic], hz: float) -> None:
        """Be told of this, and of these topics. Raises `LiveProblem` where the engine knows no such topic."""
        reply = client.subscribe([*topics, *self._told], hz)
        if not reply.ok:
            raise LiveProblem(reply.text)

    def take(self, message: ToReader | None) -> None:
        """Something was told, whether or not it is asked for."""
        from engine.stream.plans import PlanSeen
        from engine.stream.types import PlanNow, PlanOutline, QueuesNow, ShapesNow

        if isinstance(message, QueuesNow) and "queues" in self._told:
            self._told["queues"] = message
        elif isinstance(message, ShapesNow) and "shapes" in self._told:
            self._told["shapes"] = message
        elif isinstance(message, PlanOutline | PlanNow) and isinstance(seen := self._told.get("plan"), PlanSeen):
            self._told["plan"] = seen.heard(message)

    @property
    def missing(self) -> list[Topic]:
        """What is asked for and was not told yet."""
        from engine.stream.plans import PlanSeen

        return [
            topic for topic, told in self._told.items()
            if told is None or (isinstance(told, PlanSeen) and not told.complete)
        ]  # fmt: skip

    def lines(self) -> Iterator[str]:
        """As text, for people."""
        from engine.cli.plans import plan_lines
        from engine.stream.types import QueuesNow, ShapesNow

        for told in self._told.values():
            if isinstance(told, QueuesNow):
                yield from _queue_lines(told)
            elif isinstance(told, ShapesNow):
                yield from _shape_lines(told)
            elif told is not None and told.complete:
                yield from plan_lines(told)

    def as_objects(self) -> dict[str, Any]:
        """All of it by name; None for what was not told yet."""
        from engine.cli.plans import plan_object
        from engine.stream.plans import PlanSeen

        found: dict[str, Any] = {}
        for topic, told in self._told.items():
            if isinstance(told, PlanSeen):
                found[topic] = plan_object(told) if told.complete else None
            else:
                found[topic] = plain(told)
        return found


def plain(value: Any) -> Any:
    """A message with every struct in it as an object with names."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: plain(held) for name, held in msgspec.structs.asdict(value).items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value


# -- queues -------------------------------------------------------------------------------------------------------


def _queue_lines(now: QueuesNow) -> Iterator[str]:
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
        f"wait {_spread(shard.wait, duration)}; {number(shard.placed)} placed, {number(shard.sent)} sent, "
        f"{number(shard.stolen)} stolen; balance {shard.balance:.2f}"
    )


# -- shapes -------------------------------------------------------------------------------------------------------


def _shape_lines(now: ShapesNow) -> Iterator[str]:
    pools: dict[str, list[Shape]] = {}
    for shape in now.shapes:
        pools.setdefault(shape.pool, []).append(shape)
    for pool, shapes in pools.items():
        yield f"distributions of {printable(pool)}, last {duration(now.window)}:"
        for shape in shapes:
            told = duration if shape.unit == "seconds" else _count
            yield f"  {printable(_NAMES.get(shape.name, shape.name))}: {_spread(shape.spread, told)}"
    if now.left:
        yield f"distributions: {several(now.left, 'pool')} more"


def _spread(spread: Spread, told: Callable[[float], str]) -> str:
    """What quantiles are known, and of how many values."""
    if not spread.count:
        return "none"
    values = (("p50", spread.p50), ("p90", spread.p90), ("p95", spread.p95), ("p99", spread.p99), ("max", spread.max))
    known = " ".join(f"{name} {told(value)}" for name, value in values if value is not None)
    return f"{known} of {number(spread.count)}"


def _count(value: float) -> str:
    return number(round(value))
