"""What is always true of claims, lanes, memory and who waits for them, counted anew from the batches that are out: the
part of `invariants` that is about those."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from engine.core.amounts import Counted
from engine.core.claims import Needs, Resource
from engine.core.lines import Line
from engine.core.patterns import overlaps
from engine.core.tasks import READY

if TYPE_CHECKING:
    from engine.core.core import Core


def check_claims(core: Core) -> None:
    """Raise AssertionError, with what is wrong, unless no claim is held twice, no lane is exceeded, and everybody who
    waits does so for something."""
    _check_held(core)
    _check_uses(core)
    _check_lines(core)
    _check_queues(core)


def conflict(one: Needs, other: Needs) -> str:
    """What two tasks can't have at the same time, lanes aside; "" if nothing."""
    for first, alone in one.claims:
        for second, also in other.claims:
            if (alone or also) and overlaps(first.name, second.name):
                return first.name
    return ""


def check_nothing_left(core: Core) -> None:
    """After a scheduling pass: raise AssertionError if a task could run where an agent is idle."""
    if core.crowded or core.quota == 0:
        return
    for pool in core.pools:
        idle = any(shard.batches < shard.up for shard in pool.shards) and not pool.full
        assert not (idle and pool.nested), f"pool {pool.name} has idle agents and {pool.nested} subtasks"
    if core.holding:
        return
    out = [needs for _, needs in _out(core)]
    for pool in core.pools:
        if pool.full or not any(shard.batches < shard.up for shard in pool.shards):
            continue
        assert pool.queued == pool.lined, f"pool {pool.name} has idle agents and {pool.queued - pool.lined} tasks"
        for line in _lines(core):
            if line.pool is not pool:
                continue
            before = [
                o for o in core.desk.reserving if o is not line and o.reservation and o.reservation.key < line.key
            ]
            barred = any(conflict(line.needs, needs) for needs in (*out, *(other.needs for other in before)))
            full = False
            for of, amount in line.needs.amounts:
                kept = sum(of.part(some) for other in before for one, some in other.needs.amounts if one is of)
                full = full or of.used + kept + of.part(amount) > of.limit
            assert barred or full, f"task {line.key[2]} of range {line.key[1]} could run, and an agent is idle"


def _out(core: Core) -> list[tuple[int, Needs]]:
    """All that is held: by batches that are out, and from outside."""
    batches = [(batch.id, batch.needs) for batch in core.batches.values() if batch.needs is not None]
    return [*batches, *((number, needs) for number, (needs, _) in core.outside.items())]


def _lines(core: Core) -> list[Line]:
    return [line for needs in core.desk.claims._needs.values() for line in needs.lines.values()]


def _check_held(core: Core) -> None:
    claims = core.desk.claims
    out = _out(core)
    for (first, one), (second, other) in combinations(out, 2):
        twice = conflict(one, other)
        assert not twice, f"batches {first} and {second} both hold {twice}"
    alone: Counter[str] = Counter()
    shared: Counter[str] = Counter()
    taken: Counter[Counted] = Counter()
    for number, needs in out:
        for of, amount in needs.amounts:
            assert of.holders[number] == amount, f"batch {number} has another part of {of.name}"
            taken[of] += of.holders[number]
        for resource, exclusive in needs.claims:
            (alone if exclusive else shared).update([resource.name])
            assert number in resource.holders, f"batch {number} is no holder of {resource.name}"
    for name, resource in claims.resources.items():
        assert resource.exclusive == alone[name], f"{name}: {resource.exclusive} exclusive, should be {alone[name]}"
        assert resource.shared == shared[name], f"{name}: {resource.shared} shared, should be {shared[name]}"
        assert len(resource.holders) == alone[name] + shared[name], f"{name}: holders that hold nothing"
        others = [o for o in claims.resources.values() if o is not resource and overlaps(name, o.name)]
        patterns = sorted(o.name for o in others if o.is_pattern)
        assert sorted(o.name for o in resource.patterns) == patterns, f"{name}: patterns should be {patterns}"
        below = [o for o in others if not o.is_pattern] if resource.is_pattern else []
        counted = sum(alone[o.name] for o in below), sum(shared[o.name] for o in below)
        assert (resource.below_exclusive, resource.below_shared) == counted, f"{name}: below it are {counted}"
        kept = {(who, o.name): also for o in below for who, also in o.reserved.items()}
        assert resource.below_reserved == kept, f"{name}: reservations below it"
    assert not (alone + shared).keys() - claims.resources.keys(), "something is held that nobody knows"
    limited: list[Counted] = [*claims.lanes.values(), claims.memory]
    for limit in limited:
        used = limit.used
        assert used == taken[limit] == sum(limit.holders.values()), f"{limit.name}: {used} used, not {taken[limit]}"
        assert used <= limit.most, f"{limit.name}: {used} is out, {limit.most} may be"


def _check_uses(core: Core) -> None:
    claims = core.desk.claims
    users: Counter[Needs] = Counter(needs for _, needs in _out(core))
    users.update(needs for needs, _ in core.outside.values())
    for found in core.ranges.values():
        users.update({found.needs} if isinstance(found.needs, Needs) else set(found.needs or ()))
    named = Counter(resource for needs in claims._needs.values() for resource, _ in needs.claims)
    for needs in claims._needs.values():
        assert needs.uses == users[needs] > 0, f"{needs.key} has {needs.uses} users, should have {users[needs]}"
    for resource in claims.resources.values():
        assert resource.uses == named[resource] > 0, f"{resource.name}: {resource.uses} uses, not {named[resource]}"
    assert len(users) == len(claims._needs), "needs that are in use are forgotten"


def _check_lines(core: Core) -> None:
    lined: set[tuple[int, int]] = set()
    for line in _lines(core):
        name = f"line of {line.needs.key} in pool {line.pool.name}"
        left = [(lot.range, index) for lot in line.lots for index in lot.left()]
        assert line.tasks == len(left) > 0, f"{name}: {line.tasks} tasks, should be {len(left)}"
        for found, index in left:
            own = found.needs if isinstance(found.needs, Needs) else (found.needs or [])[index]
            assert own is line.needs, f"{name}: task {index} of range {found.id} needs something else"
            assert (found.id, index) not in lined, f"task {index} of range {found.id} is in two lines"
            lined.add((found.id, index))
            assert found.pool == line.pool.id, f"{name}: a task of another pool"
        queue = line.queue
        assert queue is None or queue.of.queues.get((queue.pool, queue.wish)) is queue, f"{name}: nobody calls it"
        entries = core.desk._open.get(line.pool.id, []) if line.queue is None else line.queue.heap
        stands = [key for key, ticket, other in entries if other is line and ticket == line.ticket]
        line.head()
        assert len(stands) == 1, f"{name} stands in {len(stands)} places"
        assert stands[0] <= line.key, f"{name} stands too far behind"
        weight = 0 if line.queue is not None else min(line.tasks, line.needs.width)
        assert line.weight == weight or line.needs.amounts, f"{name}: weight {line.weight}, not {weight}"
        assert (line.reservation is not None) == (line in core.desk.reserving), f"{name}: reservation"
        assert line.reservation is None or line.pool.up, f"{name}: a reservation where there is no agent"
    for pool in core.pools:
        able = sum(line.weight for line in _lines(core) if line.pool is pool)
        assert pool.able == able, f"pool {pool.name}: {pool.able} tasks are able, should be {able}"
    ready = sum(r.state.count(READY) for r in core.ranges.values() if r.needs is not None)
    assert len(lined) == ready, f"{len(lined)} tasks are in lines, {ready} should be"


def _check_queues(core: Core) -> None:
    """Nobody waits in vain: who is first in a queue waits for what is not free, or for one who was called before."""
    claims = core.desk.claims
    lines = _lines(core)
    everything: list[Resource | Counted] = [*claims.resources.values(), *claims.lanes.values(), claims.memory]
    for of in everything:
        for (pool, wish), queue in of.queues.items():
            line = queue.first()
            if line is None:
                continue
            if any(o.queue is None and o.pool.id == pool and _wants(o.needs, of, wish) for o in lines):
                continue
            who = f"who waits for {of.name} waits in vain: {line.needs.key}"
            if isinstance(of, Counted):
                assert of.full(wish, line.key, line.reservation), who
                continue
            exclusive = bool(wish)
            bar = claims.bar(of, exclusive, line.key, line.reservation)
            assert bar is not None, who
            # One of all that bar it must call it: what that one was is asked when it is free.
            calls = [o for o in of.patterns if of in o.watchers and _bars(o, exclusive, line)]
            assert bar is of or calls, f"{who}, for nobody will tell it that {bar.name} is free"


def _wants(needs: Needs, of: object, wish: int) -> bool:
    return (of, wish) in needs.amounts or (of, wish) in needs.claims


def _bars(pattern: Resource, exclusive: bool, line: Line) -> bool:
    """Whether a pattern is held, or reserved, against a line that wants something that it means."""
    if pattern.exclusive or (exclusive and pattern.shared):
        return True
    reserved = pattern.reserved.items()
    return any(who.key < line.key and who is not line.reservation and (exclusive or also) for who, also in reserved)
