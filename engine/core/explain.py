"""Why a task is not running: what it waits for, who has that, and since when. Nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Literal, TypeAlias

from engine.core.admission import size
from engine.core.amounts import Counted
from engine.core.claims import Needs, Resource
from engine.core.core import Core
from engine.core.lines import Line
from engine.core.patterns import overlaps
from engine.core.pools import Pool
from engine.core.tasks import FINAL, READY, SENT, STATES, WAITING, Batch, Parent, TaskRange

MOST: Final = 20
"""Holders, ranges or others that are named for one reason at the most."""

Kind: TypeAlias = Literal[
    "dependency",
    "gate",
    "claim",
    "reserved",
    "lane",
    "amount",
    "held",
    "memory",
    "broken",
    "agents",
    "busy",
    "order",
    "batch",
    "subtasks",
]
"""Why a task waits: for ranges, for a decision, for a claim that somebody has, or that is reserved for somebody who has
waited long; for a place in a lane; for memory that others say they take; because nothing is sent, or only as much as
memory allows; for a pool that can't start, agents that are not there, or are all busy; because others come before it;
in its batch, behind others; or it has begun, and waits for subtasks of its own."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task that stands in somebody's way.

    Attributes:
        name: what it holds or wants, "" where that goes without saying.
        shared: it would share that.
        since: when it was sent, or is ready; None if it is neither.
    """

    range: int
    index: int
    name: str = ""
    shared: bool = False
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One of the things that a task waits for.

    Attributes:
        name: of the claim, lane or pool.
        tasks: who has it, or comes before; `MOST` at the most.
        ranges: that it comes after and that are not over, or gates that are not decided on; `MOST` at the most.
        count: how many there are of these, or places in the lane, or agents that are there.
        text: more about it, for people.
    """

    kind: Kind
    name: str = ""
    tasks: tuple[Task, ...] = ()
    ranges: tuple[int, ...] = ()
    count: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a task.

    Attributes:
        state: one of `STATES`, or ``over`` where its range is over and no more is known here.
        reasons: why it does not run, all that hold at the same time.
        since: when it was sent, or became ready.
        batch: its batch, and the shard that has it, if it was sent.
        row: of the agent that runs it, if the caller knew.
        parent: the task whose subtask it is, if it is one.
    """

    range: int
    index: int
    state: str
    reasons: tuple[Reason, ...] = ()
    since: float | None = None
    batch: int | None = None
    shard: int | None = None
    row: int | None = None
    parent: Parent | None = None


def explain(core: Core, range_id: int, index: int, running: Callable[[int], tuple[int, int] | None] | None = None) -> (
    Explanation
):  # fmt: skip
    """Why a task does not run.

    `running`: for a batch's number, which agent (row) is at it and at which offset, None where nobody is: the core does
    not know. Without it, the first task of a batch that is not over is taken to run.

    Raises IndexError if there is no such task.
    """
    found = core.ranges.get(range_id)
    if found is None:
        if not 0 < range_id <= core._last_range:
            raise IndexError(f"there is no range {range_id}")
        return Explanation(range_id, index, "over")
    if not 0 <= index < found.count:
        raise IndexError(f"no task {index} in range {range_id}")
    state = found.state[index]
    if state in FINAL:
        return Explanation(range_id, index, STATES[state])
    if state == SENT:
        return replace(_sent(core, found, index, running), parent=found.parent)
    if state == WAITING:
        return Explanation(range_id, index, "waiting", tuple(_dependencies(core, found)))
    since, reasons = _ready(core, found, index)
    return Explanation(range_id, index, "ready", reasons, since, parent=found.parent)


def holders(core: Core, of: Resource | Counted, most: int = MOST) -> list[Task]:
    """Who holds a claim, or has a place in a lane or some of the memory, `most` of them: the task that each of those
    batches is at."""
    found = []
    for number in islice(of.holders, most):
        outside = core.outside.get(number)
        if outside is not None:
            found.append(Task(number, 0, of.name, (of, False) in outside[0].claims, outside[1]))
        else:
            batch = core.batches[number]
            found.append(_at(batch, of.name, _shares(batch, of)))
    return found


# -- inside ----------------------------------------------------------------------------------------------------


def _at(batch: Batch, name: str = "", shared: bool = False) -> Task:
    at = next((at for at in range(batch.accepted, batch.count) if at not in batch.gone), batch.accepted)
    return Task(batch.range.id, batch.first + at, name, shared, batch.sent)


def _shares(batch: Batch, of: Resource | Counted) -> bool:
    return batch.needs is not None and (of, False) in batch.needs.claims


def _sent(
    core: Core, found: TaskRange, index: int, running: Callable[[int], tuple[int, int] | None] | None
) -> Explanation:
    out = (batch for batch in core.batches.values() if batch.range is found)
    batch = next(b for b in out if b.accepted <= index - b.first < b.count)
    offset = index - batch.first
    wait = None if batch.aside is None else core.aside[batch.aside]
    if wait is not None and wait.offset == offset:
        open_ones = [task for one in wait.subtasks if (task := _open(core, *one)) is not None]
        reason = Reason("subtasks", "", tuple(open_ones[:MOST]), (), len(open_ones))
        return Explanation(found.id, index, "sent", (reason,), batch.sent, batch.id, batch.shard, batch.aside)
    at = (-1, batch.accepted) if running is None else running(batch.id)
    row = None if at is None or at[1] != offset or at[0] < 0 else at[0]
    reasons: tuple[Reason, ...] = ()
    if at is None:
        others = [
            b for b in core.batches.values() if b.shard == batch.shard and b.sent <= batch.sent and b is not batch
        ]
        reasons = (Reason("busy", core.pools[found.pool].name, tuple(map(_at, others[:MOST])), (), len(others)),)
    elif at[1] < offset:
        first = Task(found.id, batch.first + at[1], since=batch.sent)
        reasons = (Reason("batch", "", (first,), (), offset - at[1]),)
    return Explanation(found.id, index, "sent", reasons, batch.sent, batch.id, batch.shard, row)


def _open(core: Core, number: int, index: int) -> Task | None:
    """A subtask that is waited for, since it was sent; None if it is over."""
    found = core.ranges.get(number)
    if found is None or found.state[index] in FINAL:
        return None
    if found.state[index] != SENT:
        return Task(number, index, "ready")
    out = (batch for batch in core.batches.values() if batch.range is found)
    batch = next(b for b in out if b.accepted <= index - b.first < b.count)
    return Task(number, index, "sent", since=batch.sent)


def _dependencies(core: Core, found: TaskRange) -> Iterator[Reason]:
    others = [other for other, waiting in core._dependents.items() if found in waiting]
    ranges = sorted(other for other in others if other in core.ranges)
    gates = sorted(other for other in others if other in core._gates)
    if ranges:
        yield Reason("dependency", "", (), tuple(ranges[:MOST]), len(ranges))
    if gates:
        yield Reason("gate", "", (), tuple(gates[:MOST]), len(gates))


def _ready(core: Core, found: TaskRange, index: int) -> tuple[float | None, tuple[Reason, ...]]:
    pool = core.pools[found.pool]
    needs = found.needs if found.needs is None or isinstance(found.needs, Needs) else found.needs[index]
    reasons: list[Reason] = []
    if needs is None:
        since, before, first = _before(pool, found, index)
    else:
        line = needs.lines[pool.id]
        since, before, first = _before_in_line(line, found, index)
        if not before:
            reasons += _barred(core, line)
    if before:
        reasons.append(Reason("order", pool.name, first, (), before))
    reasons += _of_pool(core, pool, bool(reasons), found.parent is not None)
    return since, tuple(reasons)


def _before(pool: Pool, found: TaskRange, index: int) -> tuple[float | None, int, tuple[Task, ...]]:
    """Since when a task that needs nothing but an agent is ready; how many come before it in its queue, and the
    first of these."""
    queues = [pool.ready] if pool.placement.late else [shard.ready for shard in pool.shards]
    if found.parent is not None:
        queues = [pool.subtasks]
    for queue in queues:
        before, first = 0, None
        for segment in queue:
            here = segment.range is found and segment.first <= index < segment.stop
            stop = index if here else segment.stop
            tasks = segment.range.state.count(READY, segment.first, stop)
            if tasks and first is None:
                at = segment.range.state.find(READY, segment.first, stop)
                first = Task(segment.range.id, at, since=segment.since)
            before += tasks
            if here:
                return segment.since, before, () if first is None else (first,)
    return None, 0, ()


def _before_in_line(line: Line, found: TaskRange, index: int) -> tuple[float | None, int, tuple[Task, ...]]:
    before, first = 0, None
    for lot in line.lots:
        left = lot.left()
        here = lot.range is found and index in left
        tasks = left.index(index) if here else len(left)
        if tasks and first is None:
            first = Task(lot.range.id, left[0], since=lot.since)
        before += tasks
        if here:
            return lot.since, before, () if first is None else (first,)
    return None, 0, ()


def _barred(core: Core, line: Line) -> Iterator[Reason]:
    """All that a line can't have now."""
    claims, needs, key = core.desk.claims, line.needs, line.key
    lane = needs.lane
    before = [o for o in core.desk.reserving if o is not line and o.reservation is not None and o.reservation.key < key]
    if lane is not None and lane.used >= lane.limit:
        yield Reason("lane", lane.name, tuple(holders(core, lane)), (), lane.limit)
    elif lane is not None and lane.full(1, key, line.reservation):
        yield _reserved([other for other in before if other.needs.lane is lane], lane.name, "lane")
    memory = claims.memory
    if needs.memory and memory.full(needs.memory, key, line.reservation):
        if memory.used + memory.part(needs.memory) > memory.limit:
            left = f"{size(needs.memory)} of {size(memory.limit)}, {size(memory.limit - memory.used)} free"
            yield Reason("amount", "memory", tuple(holders(core, memory)), (), len(memory.holders), left)
        else:
            yield _reserved([other for other in before if other.needs.memory], "for tasks", "memory")
    for resource, exclusive in needs.claims:
        if claims.bar(resource, exclusive, key, line.reservation) is None:
            continue
        held = _held(core, resource, exclusive)
        if held:
            yield Reason("claim", resource.name, tuple(held[:MOST]), (), len(held))
        kept = [
            other for other in before
            if any((exclusive or also) and overlaps(resource.name, own.name) for own, also in other.needs.claims)
        ]  # fmt: skip
        if kept:
            yield _reserved(kept, resource.name, "claim")


def _reserved(lines: list[Line], name: str, what: str) -> Reason:
    firsts = [(line.lots[0], line.key[2]) for line in lines]
    tasks = [Task(lot.range.id, index, since=lot.since) for lot, index in firsts]
    return Reason("reserved", name, tuple(tasks[:MOST]), (), len(tasks), what)


def _held(core: Core, wanted: Resource, exclusive: bool) -> list[Task]:
    found: Iterable[Resource] = [wanted, *wanted.patterns]
    if wanted.is_pattern and (wanted.below_exclusive or wanted.below_shared):
        found = (r for r in core.desk.claims.resources.values() if r.holders and overlaps(r.name, wanted.name))
    every = (task for resource in found for task in holders(core, resource, len(resource.holders)))
    return [task for task in every if exclusive or not task.shared]


def _of_pool(core: Core, pool: Pool, waits: bool, nested: bool) -> Iterator[Reason]:
    """What holds for all tasks of a pool. `waits`: something else keeps this one from running, busy agents do not;
    `nested`: it is a subtask, which is sent though others are not."""
    if pool.broken is not None:
        yield Reason("broken", pool.name, text=pool.broken)
        return
    if core.crowded or (core.holding and not nested):
        why = "draining" if core.draining else "paused" if core.paused else "results are being written"
        yield Reason("held", pool.name, text=why)
    elif core.quota is not None:
        yield Reason("memory", pool.name, count=core.quota)
    if not pool.up:
        coming = sum(core.agents[row].starting for row in pool.rows)
        if pool.aside:
            coming_text = f", {coming:,} {'is' if coming == 1 else 'are'} starting" if coming else ""
            text = f"{pool.aside:,} {'waits' if pool.aside == 1 else 'wait'} for subtasks{coming_text}"
            yield Reason("agents", pool.name, text=text)
            return
        text = f"{coming:,} are starting" if coming else f"{pool.wanted:,} are to be started" if pool.wanted else ""
        yield Reason("agents", pool.name, text=text)
    elif not waits and (pool.full or all(shard.batches >= shard.up for shard in pool.shards)):
        out = (batch for batch in core.batches.values() if batch.range.pool == pool.id and batch.aside is None)
        yield Reason("busy", pool.name, tuple(map(_at, islice(out, MOST))), (), pool.up)
