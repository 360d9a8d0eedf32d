"""What is always true of a core, between any two stimuli. For tests, and for whoever suspects a bug."""

from __future__ import annotations

from collections import Counter

from engine.core.claiming import check_claims
from engine.core.core import Core
from engine.core.pools import Pool, Shard
from engine.core.tasks import CANCELLED, DONE, FAILED, FINAL, READY, SENT, STATES, WAITING, TaskRange


def check(core: Core) -> None:
    """Raise AssertionError, with what is wrong, unless the books of a core agree with each other."""
    for found in core.ranges.values():
        _check_range(core, found)
    _check_batches(core)
    for pool in core.pools:
        _check_pool(core, pool)
    for shard in core.shards:
        _check_shard(core, shard)
    _check_totals(core)
    check_claims(core)


def _check_range(core: Core, found: TaskRange) -> None:
    name = f"range {found.id}"
    states = Counter(found.state)
    _same(len(found.state), found.count, f"{name}: states")
    _same(found.remaining, sum(n for s, n in states.items() if s not in FINAL), f"{name}: remaining")
    _same(found.failed, states[FAILED] + states[CANCELLED], f"{name}: failed")
    assert found.remaining, f"{name} is over, yet it is still there"
    known = core.ranges.keys() | core._gates
    open_now = sum(found in waiting for other, waiting in core._dependents.items() if other in known)
    _same(found.open_dependencies, open_now, f"{name}: open dependencies")
    if found.open_dependencies:
        begun = set(states) - {WAITING, CANCELLED}
        assert not begun, f"{name} waits for others, yet has tasks that are {[STATES[s] for s in begun]}"
    else:
        assert not states[WAITING], f"{name}: {states[WAITING]} tasks wait for nothing"
    for index, deaths in found.attempts.items():
        limit = max(1, found.options.crash_limit)
        assert deaths <= limit, f"{name}: task {index} was blamed {deaths} times"
        if deaths == limit:
            assert found.state[index] == FAILED, f"{name}: task {index} should be poisoned"
    for index, tries in found.tries.items():
        assert tries <= found.options.retries, f"{name}: task {index} was retried {tries} times"


def _check_batches(core: Core) -> None:
    """Each task that is sent is in one batch, and nothing else is in any."""
    out: Counter[tuple[int, int]] = Counter()
    for batch in core.batches.values():
        name = f"batch {batch.id}"
        found = batch.range
        assert 0 <= batch.accepted < batch.count, f"{name} has nothing left, yet it is out"
        assert batch.left == 0 or core.ranges.get(found.id) is found, f"{name} is of a range that is over"
        assert all(batch.accepted <= at < batch.count for at in batch.gone), (
            f"{name}: {batch.gone} is gone outside of it"
        )
        assert core.shards[batch.shard].pool == found.pool, f"{name} is at a shard of another pool"
        assert core.shards[batch.shard].running, f"{name} is at a shard without a host"
        for index in range(batch.first + batch.accepted, batch.first + batch.count):
            state = STATES[found.state[index]]
            if index - batch.first in batch.gone:
                assert state == "cancelled", f"{name}: task {index} of range {found.id} is gone, yet {state}"
                continue
            assert state == "sent", f"{name}: task {index} of range {found.id} is {state}"
            out[found.id, index] += 1
    for row, wait in core.aside.items():
        assert core.agents[row].up, f"agent {row} has stepped aside, yet it is not up"
        assert core.batches[wait.batch].aside == row, f"agent {row} has stepped aside from another batch"
    _same(len(core.aside), sum(b.aside is not None for b in core.batches.values()), "agents aside")
    for key, times in out.items():
        assert times == 1, f"task {key[1]} of range {key[0]} is in {times} batches"
    _same(len(out), sum(r.state.count(SENT) for r in core.ranges.values()), "tasks sent")


def _check_pool(core: Core, pool: Pool) -> None:
    """Each ready task is in one segment of its pool's queue; nothing else is but where holes are noted."""
    name = f"pool {pool.name}"
    queued: Counter[tuple[int, int]] = Counter()
    queues = [pool.ready, pool.subtasks, *(shard.ready for shard in pool.shards)]
    for queue in queues:
        _same(queue.tasks, sum(s.stop - s.first for s in queue), f"{name}: tasks in a queue")
    for segment in (s for queue in queues for s in queue):
        found, first, stop = segment.range, segment.first, segment.stop
        _same(found.pool, pool.id, f"{name}: pool of a segment")
        assert 0 <= first < stop <= found.count, f"{name}: segment {first}..{stop} of range {found.id}"
        for index in range(first, stop):
            if found.state[index] == READY:
                queued[found.id, index] += 1
            else:
                gone = found.id not in core.ranges
                assert found.holes or gone, f"{name}: task {index} of range {found.id} is queued, not ready"
    for key, times in queued.items():
        assert times == 1, f"{name}: task {key[1]} of range {key[0]} is in {times} segments"
    ranges = [r for r in core.ranges.values() if r.pool == pool.id]
    nested = sum(r.state.count(READY) for r in ranges if r.parent is not None)
    ready = sum(r.state.count(READY) for r in ranges if r.needs is None) - nested
    lined = sum(r.state.count(READY) for r in ranges if r.needs is not None)
    _same(len(queued), ready + nested, f"{name}: ready tasks in segments")
    _same(pool.nested, nested, f"{name}: ready subtasks")
    assert all(s.range.parent is not None for s in pool.subtasks), f"{name}: no subtask, yet among them"
    _same(pool.aside, sum(row in core.aside for row in pool.rows), f"{name}: agents aside")
    assert 0 <= pool.standins <= pool.wanted, f"{name}: {pool.standins} stand-ins of {pool.wanted} agents"
    _same(pool.queued, ready + lined, f"{name}: queued")
    _same(pool.lined, lined, f"{name}: tasks in lines")
    _same(pool.sent, sum(b.left for b in core.batches.values() if b.range.pool == pool.id), f"{name}: sent")
    _same(pool.out, sum(shard.batches for shard in pool.shards), f"{name}: batches out")
    _same(pool.wanted, sum(core.agents[row].wanted for row in pool.rows), f"{name}: agents wanted")
    _same(pool.leaving, sum(core.agents[row].leaving for row in pool.rows), f"{name}: agents that leave")
    staying = pool.wanted - pool.standins - pool.leaving
    assert staying <= pool.maximum, f"{name} has {staying} agents that stay, and may have {pool.maximum}"
    assert all(not core.agents[row].wanted for row in pool.rows[pool.extent :]), f"{name}: agents beyond its extent"
    held = sum(core.agents[row].barred or core.agents[row].stopped for row in pool.rows)
    _same(pool.held, held, f"{name}: agents that may not be started")
    there = sum(core.agents[row].up and row not in core.aside for row in pool.rows)
    _same(pool.up, there, f"{name}: agents up")
    assert pool.ever_up or not pool.up, f"{name} has agents up, yet never had"
    batches = [b for b in core.batches.values() if b.range.pool == pool.id and b.aside is None]
    priorities = [b.range.options.priority for b in batches]
    assert pool.lowest <= min(priorities, default=pool.lowest), f"{name}: {pool.lowest} is not the lowest priority out"
    if pool.broken is not None:
        assert not pool.queued, f"{name} is broken, yet {pool.queued} tasks are ready"
        assert all(not r.state.count(WAITING) for r in ranges), f"{name} is broken, yet tasks wait"


def _check_shard(core: Core, shard: Shard) -> None:
    name = f"shard {shard.id}"
    agents = [core.agents[row] for row in shard.rows]
    batches = [b for b in core.batches.values() if b.shard == shard.id]
    _same(shard.batches, sum(b.aside is None for b in batches), f"{name}: batches")
    _same(shard.tasks, sum(b.left for b in core.batches.values() if b.shard == shard.id), f"{name}: tasks out")
    assert shard.placed + shard.stolen >= shard.sent, f"{name} was sent tasks that were not placed there"
    _same(shard.up, sum(agent.up and agent.row not in core.aside for agent in agents), f"{name}: agents up")
    assert shard.running or not shard.up, f"{name} has no host, yet agents are up"
    assert shard.running or not shard.there, f"{name} has no host, yet it is there"
    for agent in agents:
        _same(agent.shard, shard.id, f"{name}: shard of agent {agent.row}")
        assert not (agent.up and agent.stopped), f"agent {agent.row} was stopped, yet it is up"
        assert not (agent.up and agent.starting), f"agent {agent.row} is up, yet it starts"
        assert not (agent.wanted and (agent.barred or agent.stopped)), f"agent {agent.row} is held, yet wanted"
        assert agent.wanted or not agent.up, f"agent {agent.row} is up, yet not wanted"
        assert not agent.leaving or agent.up or agent.starting, f"agent {agent.row} leaves, yet is not there"
        assert shard.there or not agent.starting, f"agent {agent.row} starts without a host"


def _check_totals(core: Core) -> None:
    left = sum(found.remaining for found in core.ranges.values())
    _same(
        core.over + left,
        core.submitted,
        "done, failed, cancelled and open tasks",
    )
    _same(core.done, sum(pool.done for pool in core.pools), "done in all pools")
    _same(core.failed, sum(pool.failed for pool in core.pools), "failed in all pools")
    _same(core.submitted, sum(pool.submitted for pool in core.pools), "submitted to all pools")
    _same(core.cancelled, sum(pool.cancelled for pool in core.pools), "cancelled in all pools")
    _same(core.redelivered, sum(pool.redelivered for pool in core.pools), "redelivered in all pools")
    assert core.done <= core.accepted <= core.done + core.failed, f"{core.accepted} tasks accepted"
    open_done = sum(found.state.count(DONE) for found in core.ranges.values())
    assert open_done <= core.done, f"{open_done} tasks are done, {core.done} were counted"
    _same(core.starting, sum(agent.starting for agent in core.agents), "agents that start")
    assert core.starting <= core._most_starting, f"{core.starting} agents start, {core._most_starting} may"
    _same(core.idle, not core.batches, "idle")
    assert not core._over, "a range is over, and what waits for it was not told"


def _same(actual: int, expected: int, what: str) -> None:
    assert actual == expected, f"{what}: {actual}, should be {expected}"
