"""What is asked of a core while it works: to wait, to be larger or smaller, to do things otherwise."""

from __future__ import annotations

import pytest
from cores import at, finish, fleet, known, rows, take, there

from engine.core.actions import End, Leave, Recall, Send, Spawn
from engine.core.core import Core
from engine.core.tasks import Options

# -- waiting


def test_nothing_is_sent_while_it_is_paused_and_what_was_not_begun_comes_back() -> None:
    core = fleet(1)
    known(core, 0.001)
    core.submit(100, 1)
    first, *others = take(core, Send)
    core.pause()
    (recall,) = take(core, Recall)
    assert first.batch in recall.rest
    core.returned([(first.batch, 5, 0), *((send.batch, 0, 0) for send in others)])
    assert core.outcomes(0, first.batch, 0, 5, (), 1000)
    assert core.idle
    core.submit(5, 1)
    assert not take(core, Send)
    core.resume()
    assert sum(send.count for send in take(core, Send)) > 0


def test_a_pause_asked_for_twice_calls_back_once() -> None:
    core = fleet(1)
    core.submit(100, 1)
    take(core, Send)
    core.pause()
    core.pause()
    assert len(take(core, Recall)) == 1
    core.resume()
    core.resume()
    assert not core.holding


def test_a_crowd_and_a_pause_do_not_end_each_other() -> None:
    core = fleet(1)
    core.submit(1, 1)
    core.pause()
    core.crowded = False
    assert not take(core, Send)
    core.resume()
    core.crowded = True
    assert not take(core, Send)
    core.crowded = False
    assert take(core, Send)


def test_a_paused_pool_does_not_grow_and_refills_what_dies() -> None:
    core = fleet(1, minimum=1, maximum=4)
    core.submit(100, 1)
    core.pause()
    assert not at(core, Spawn, 5.0)
    core.agent_down(5.0, 0, 1, [], "", "SIGKILL")
    assert rows(at(core, Spawn, 6.0)) == [(0, 2)]


# -- sizes


def test_a_pool_that_is_made_larger_starts_agents_in_spare_rows() -> None:
    core = fleet(2, 2, spare=6)
    pool = core.pools[0]
    assert (list(pool.shards[0].rows), list(pool.shards[1].rows)) == ([0, 2, 4, 6], [1, 3, 5, 7])
    core.resize(0, 5, 5)
    assert (pool.minimum, pool.maximum, pool.extent) == (5, 5, 5)
    assert sorted(rows(take(core, Spawn))) == [(2, 1), (3, 1), (4, 1)]
    assert pool.grown == 3


@pytest.mark.parametrize(("least", "most"), [(0, 0), (3, 2), (1, 9), (-1, 2)])
def test_a_size_that_cannot_be(least: int, most: int) -> None:
    core = fleet(2, spare=6)
    with pytest.raises(ValueError, match="pool"):
        core.resize(0, least, most)
    assert core.pools[0].maximum == 2


def test_a_broken_pool_has_no_size() -> None:
    core = fleet(2)
    core.break_pool(0, "no such module")
    with pytest.raises(ValueError, match="no such module"):
        core.resize(0, 1, 1)


def test_a_pool_that_is_made_smaller_lets_the_last_of_each_shard_finish() -> None:
    core = fleet(6, 2)
    core.submit(6, 1, options=Options(batch_size=1))
    sends = take(core, Send)
    core.resize(0, 2, 2)
    left = take(core, Leave)
    assert sorted(leave.row for leave in left) == [1, 2, 4, 5]
    assert all(leave.why == "retired" for leave in left)
    pool = core.pools[0]
    assert (pool.wanted, pool.leaving) == (6, 4)
    core.agent_down(1.0, 5, 1, [], "retired", "")
    core.agent_down(1.0, 4, 1, [(sends[-1].batch, 0)], "", "SIGKILL")  # one that dies instead of leaving
    core.agent_down(1.0, 2, 1, [], "health", "")
    core.agent_down(1.0, 1, 1, [], "killed", "")
    assert not at(core, Spawn, 100.0)
    assert (pool.wanted, pool.leaving, pool.retired) == (2, 0, 1)


def test_agents_that_start_leave_once_they_are_up_and_those_to_be_started_never_are() -> None:
    core = fleet(4, up=False, spawn_limit=2)
    core.resize(0, 1, 1)
    assert (core.pools[0].wanted, core.pools[0].leaving) == (2, 1)
    assert not take(core, Leave)
    core.agents_up([(0, 1), (1, 1)])
    assert [leave.row for leave in take(core, Leave)] == [1]
    core.agent_down(0.0, 1, 1, [], "retired", "")
    assert not take(core, Spawn)
    assert core.settled


def test_a_host_that_dies_starts_without_those_that_were_leaving() -> None:
    core = fleet(3)
    core.resize(0, 1, 1)
    take(core, Leave)
    core.host_down(0.0, 0, {}, "SIGKILL")
    assert core.pools[0].wanted == 1
    there(core, 0.0)
    core.tick(1.0)
    there(core, 1.0)
    assert len(rows(take(core, Spawn, 1.0))) <= 1
    assert core.pools[0].leaving == 0


def test_a_pool_made_smaller_and_larger_again_ends_up_as_large() -> None:
    core = fleet(4)
    core.resize(0, 1, 1)
    core.resize(0, 4, 4)
    leaving = take(core, Leave)
    for leave in leaving:
        core.agent_down(1.0, leave.row, leave.generation, [], "retired", "")
    assert len(rows(take(core, Spawn, 1.0))) == 3


def test_an_elastic_pool_grows_to_its_new_maximum_and_no_further() -> None:
    core = fleet(1, minimum=1, maximum=1, spare=8)
    core.submit(1000, 1)
    core.resize(0, 1, 3)
    now, started = 0.0, 0
    for _ in range(20):
        now += 0.1
        wave = rows(at(core, Spawn, now))
        started += len(wave)
        core.agents_up(wave)
    assert (started, core.pools[0].up) == (2, 3)


# -- agents


def test_an_agent_is_replaced_after_its_task() -> None:
    core = fleet(2)
    core.recycle(1)
    assert take(core, Leave) == [Leave(0, 1, 1, "recycled")]
    core.agent_down(1.0, 1, 1, [], "recycled", "")
    assert rows(take(core, Spawn, 1.0)) == [(1, 2)]
    assert core.pools[0].recycled == 1
    core.recycle(1)  # it starts, and may be at work before that is known
    core.resize(0, 1, 1)
    core.agent_down(2.0, 1, 2, [], "spawn", "")
    with pytest.raises(ValueError, match="agent p/1 is not there"):
        core.recycle(1)


def test_an_agent_that_is_killed_costs_its_task_nothing() -> None:
    core = fleet(1)
    core.submit(1, 1, options=Options(crash_limit=1))
    (send,) = take(core, Send)
    core.kill(0)
    assert take(core, End) == [End(0, 0, 1)]
    assert core.culprit(send.batch, 0, "killed") is None
    core.agent_down(1.0, 0, 1, [(send.batch, 0)], "killed", "was killed on request")
    assert rows(take(core, Spawn, 1.0)) == [(0, 2)], "at once"
    core.agents_up([(0, 2)])
    (again,) = take(core, Send, 1.0)
    finish(core, again)
    assert (core.done, core.failed, core.restarts, core.redelivered) == (1, 0, 1, 1)


def test_agents_killed_before_their_first_task_do_not_break_their_pool() -> None:
    core = fleet(1, up=False)
    for generation in range(1, 20):
        core.kill(0)
        assert len(take(core, End)) == 1
        core.agent_down(float(generation), 0, generation, [], "killed", "")
        assert rows(take(core, Spawn, float(generation))) == [(0, generation + 1)]
    assert core.pools[0].broken is None
    assert core.spawn_failures == 0
    with pytest.raises(ValueError, match="is not there"):
        fleet(1, minimum=0, maximum=1, on_demand=True).kill(0)


# -- how


def test_batches_that_are_still_to_be_sent_go_by_other_limits() -> None:
    core = fleet(1)
    number = core.submit(20, 1, options=Options(batch_size=1))
    assert [send.count for send in take(core, Send)] == [1]
    core.set_batching(number, 500, 7)
    core.agents_up([])
    core.outcomes(0, next(iter(core.batches)), 0, 1, (), 1)
    assert {send.count for send in take(core, Send)} == {7}
    core.set_batching(99, 1, None)  # one that is over


def test_fewer_agents_start_at_a_time() -> None:
    core = fleet(8, up=False, spawn_limit=4)
    core.tune(spawn_limit=1, spawn_retries=0, batch_seconds=0.001)
    take(core, Spawn)
    assert core.starting == 4
    core.agents_up([(0, 1), (1, 1), (2, 1), (3, 1)])
    assert len(rows(take(core, Spawn))) == 1


def test_idle_agents_are_retired_sooner() -> None:
    core = fleet(1, minimum=1, maximum=4, max_idle=1000.0)
    core.resize(0, 1, 4)
    core.submit(4, 1, options=Options(batch_size=1))
    take(core, Send)
    wave = rows(at(core, Spawn, 1.0))
    core.agents_up(wave)
    take(core, Send, 1.0)
    due = core.pools[0].idle_at
    assert due is not None
    assert due > 400
    core.set_max_idle(0, 2.0, 1.0)
    assert core.pools[0].idle_at == 2.0


@pytest.mark.parametrize("before", ["least-loaded", "hash", "random"])
@pytest.mark.parametrize("after", ["least-loaded", "hash", "round-robin"])
def test_tasks_that_wait_are_placed_anew(before: str, after: str) -> None:
    core = Core()
    core.add_pool("p", 2, 2, strategy=before)  # type: ignore[arg-type]
    there(core)
    core.submit(100, 1)
    core.submit(3, 1, options=Options(priority=5))
    core.submit(9, 1, options=Options(key=7))
    core.cancel(1, 50)
    take(core, object)
    core.set_strategy(0, after)  # type: ignore[arg-type]
    take(core, object)
    pool = core.pools[0]
    assert pool.queued == 111
    late = after == "least-loaded"
    assert (pool.ready.head() is not None) == late
    assert all((shard.ready.head() is None) == late for shard in pool.shards)
    core.agents_up([(0, 1), (1, 1)])
    while core.ranges:
        for send in take(core, Send):
            finish(core, send, core.shards[send.shard].rows[0])
    assert (core.done, core.cancelled) == (111, 1)
