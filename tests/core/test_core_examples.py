"""Each stimulus of the core, by example."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take, there

from engine.core import ledger
from engine.core.actions import Happened, RangeOver, Recall, Send, Spawn, StartHost, TasksOver
from engine.core.batching import BYTES, DEEPEST, LEAST, Cost, ahead, batch_size
from engine.core.core import Core
from engine.core.invariants import check
from engine.core.pools import backoff, split
from engine.core.tasks import CANCELLED, FAILED, READY, SENT, WAITING, Options

# -- pools and submissions


def test_a_pool_starts_its_hosts_and_then_all_agents() -> None:
    core = Core()
    core.add_pool("p", 3, 2)
    assert take(core, object) == [StartHost(0), StartHost(1)]
    core.host_up(0.0, 0)
    assert take(core, object) == [Spawn(0, ((0, 1), (1, 1)))]
    core.host_up(0.0, 1)
    core.host_up(0.0, 1)
    assert take(core, object) == [Spawn(1, ((2, 1),))]
    assert core.starting == core.spawned == 3
    assert core.idle
    assert core.due() is None


@pytest.mark.parametrize(("size", "shards"), [(0, 1), (1, 0), (1, 2)])
def test_bad_pools(size: int, shards: int) -> None:
    with pytest.raises(ValueError, match="pool 'p'"):
        Core().add_pool("p", size, shards)


def test_bad_submissions_leave_no_trace() -> None:
    core = fleet()
    for tasks, pool, after in ((0, 0, ()), (1, 1, ()), (1, -1, ()), (1, 0, (1,)), (1, 0, (0,))):
        with pytest.raises(ValueError, match=r"range|pool"):
            core.submit(tasks, 1, pool, None, after)
    assert core.submit(1, 1) == 1
    with pytest.raises(ValueError, match="earlier"):
        core.submit(1, 1, after=[2])
    assert core.submit(1, 1) == 2


def test_batch_ids_carry_the_epoch() -> None:
    core = Core(epoch=7)
    core.add_pool("p", 1, 1)
    core.agents_up([(0, 1)])
    core.submit(1, 1)
    assert [s.batch for s in take(core, Send)] == [(7 << 40) + 1]
    assert core.outcomes(0, (6 << 40) + 1, 0, 1, (), 1) is None
    assert core.stale == 1


def test_what_is_remembered_of_failures_is_bounded_and_never_lets_run_what_must_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "REMEMBERED", 3)
    core = fleet()
    fine = core.submit(1, 1)
    finish(core, take(core, Send)[0])
    failed = []
    for _ in range(5):
        failed.append(core.submit(1, 1))
        finish(core, take(core, Send)[0], failed=(0,))
        core.submit(1, 1, after=failed[:1])  # it is named again and again, and stays known; this one fails as well
    assert len(core._not_ok) == 3
    assert failed[0] in core._not_ok
    assert failed[1] not in core._not_ok
    for other in failed:
        core.submit(1, 1, after=[other])
        assert not take(core, Send)
    core.submit(1, 1, after=[fine])
    assert not take(core, Send), "older than what is known"
    later = core.submit(1, 1)
    finish(core, take(core, Send)[0])
    core.submit(1, 1, after=[later])
    assert len(take(core, Send)) == 1


@pytest.mark.parametrize(
    ("names", "again"),
    [
        ((), True),
        (("TaskTimeout",), True),
        (("shoal.TaskTimeout", "ValueError"), True),
        (("builtins.TimeoutError",), True),
        (("Exception",), True),
        (("ValueError",), False),
        (("mine.TimeoutError",), False),
    ],
)
def test_a_timeout_is_tried_again_if_it_is_among_what_is_worth_it(names: tuple[str, ...], again: bool) -> None:
    core = fleet()
    core.submit(1, 1, options=Options(retries=1, retry_on=names, timeout=1.0))
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "timeout", "")
    assert bool(core.ranges) == again
    assert [over.kind for over in take(core, TasksOver)] == ([] if again else ["timeout"])


# -- sending


def test_an_unknown_function_goes_one_by_one_and_teaches() -> None:
    core = fleet(2)
    core.submit(1000, 1)
    sends = take(core, Send)
    assert [(s.first, s.count, s.prefetch) for s in sends] == [(0, 1, 0), (1, 1, 0)]
    finish(core, sends[0], nanoseconds=1_000_000)
    assert [s.count for s in take(core, Send)][:1] == [20]


def test_batch_sizes() -> None:
    cost = Cost()
    assert batch_size(cost, 1000, 1, 500, 0) == 1
    cost.learn(0.0, 10)
    assert batch_size(cost, 10_000, 1, 500, 0) == 500
    assert batch_size(cost, 10, 5, 500, 0) == 500  # an even share of nothing is not worth a message
    cost.seconds = LEAST / 4
    assert batch_size(cost, 10, 5, 500, 0) == 4
    assert batch_size(cost, 10, 5, 3, 0) == 3
    assert batch_size(cost, 100, 5, 500, 0) == 10
    cost.seconds = LEAST
    assert batch_size(cost, 10, 5, 500, 0) == 1
    assert batch_size(cost, 10, 0, 500, 0) == 1
    cost.seconds = 0.0
    assert batch_size(cost, 10_000, 1, 500, BYTES // 3) == 3
    assert batch_size(cost, 10_000, 1, 500, BYTES * 2) == 1
    cost.learn(10.0, 10)
    assert cost.seconds == 0.5
    cost.learn(0.0, 1)
    assert cost.seconds == pytest.approx(0.4)


def test_how_many_batches_wait_behind_another_depends_on_their_length() -> None:
    cost = Cost()
    assert ahead(cost, 1) == 0
    cost.seconds = 0.001
    assert [ahead(cost, count) for count in (50, 49, 20, 1)] == [0, 1, 1, 1]
    cost.seconds = 1e-6
    assert ahead(cost, 500) == 1, "a few tasks prove nothing"
    cost.learn(32e-6, 32)
    assert [ahead(cost, count) for count in (500, 300, 1)] == [3, 4, DEEPEST]
    cost.seconds = 0.0
    assert ahead(cost, 500) == DEEPEST


def test_two_short_batches_an_agent_but_one_long() -> None:
    core = fleet(2)
    known(core, 0.001)
    core.submit(1000, 1)
    assert [s.prefetch for s in take(core, Send)] == [1] * 4
    slow = fleet(2)
    known(slow, 1.0)
    slow.submit(1000, 1)
    assert [s.count for s in take(slow, Send)] == [1, 1]
    assert slow.queued == 998


def test_the_least_loaded_shard_is_served() -> None:
    core = fleet(3, 2)
    known(core, 1.0)
    core.submit(10, 1)
    assert sorted(s.shard for s in take(core, Send)) == [0, 0, 1]


def test_nothing_is_sent_where_no_agent_is_up() -> None:
    core = fleet(up=False)
    core.submit(3, 1)
    assert not take(core, Send)
    core.agents_up([(0, 2)])
    assert not take(core, Send), "another generation"
    core.agents_up([(0, 1), (0, 1)])
    assert len(take(core, Send)) == 1


# -- outcomes


def test_duplicates_overlaps_and_nonsense() -> None:
    core = fleet()
    known(core, 0.001)
    number = core.submit(20, 1)
    (send, *_) = take(core, Send)
    assert send.count == 10
    got = core.outcomes(0, send.batch, 0, 4, (), 4000)
    assert got is not None
    assert (got.first, got.count, got.skip) == (0, 4, 0)
    assert core.outcomes(0, send.batch, 0, 4, (), 4000) is None
    got = core.outcomes(0, send.batch, 2, 4, (3, 5, 5, 9), 4000)
    assert got is not None
    assert (got.range, got.first, got.count, got.skip) == (number, 4, 2, 2)
    assert core.failed == 1, "3 is over, 9 is not in the group, 5 counts once"
    assert core.stale == 6
    for offset, tasks in ((6, 0), (6, 5), (-1, 8)):
        assert core.outcomes(0, send.batch, offset, tasks, (), 1) is None
    check(core)


def test_lost_outcomes_run_again() -> None:
    """Regression: outcomes after a gap were dropped; a batch whose last was among them never ended."""
    core = fleet()
    known(core, 1e-6)
    core.submit(10, 1)
    (send, *_) = take(core, Send)
    got = core.outcomes(0, send.batch, 2, send.count - 2, (), 1000)
    assert got is not None
    assert (got.first, got.skip) == (2, 0)
    assert send.batch not in core.batches
    assert core.redelivered == 2
    assert next((s.first, s.count) for s in take(core, Send)) == (0, 2)


def test_failures_are_retried_with_numbered_attempts() -> None:
    core = fleet()
    number = core.submit(1, 1, options=Options(retries=1))
    (send,) = take(core, Send)
    got = core.outcomes(0, send.batch, 0, 1, (0,), 1)
    assert got is not None
    assert (got.retried, got.attempts) == (frozenset({0}), {})
    (send,) = take(core, Send)
    got = core.outcomes(0, send.batch, 0, 1, (0,), 1)
    assert got is not None
    assert (got.retried, got.attempts) == (frozenset(), {0: 2})
    assert take(core, RangeOver) == [RangeOver(number, 1)]
    assert (core.failed, core.accepted, core.done) == (1, 1, 0)


# -- deaths


def test_only_the_task_that_ran_is_blamed() -> None:
    core = fleet()
    known(core, 0.001)
    number = core.submit(10, 1)
    send, other = take(core, Send)[:2]
    assert core.outcomes(0, send.batch, 0, 2, (), 2000)
    core.agent_down(1.0, 0, 1, [(send.batch, 3), (other.batch, -1), (99, 0)], "", "SIGKILL")
    found = core.ranges[number]
    assert found.attempts == {3: 1}
    assert core.redelivered == send.count - 2 + other.count
    core.agent_down(1.0, 0, 1, [], "", "the same again")
    assert core.due() == 1.0, "its first early death, or none: no wait"
    core.tick(1.0)
    assert take(core, Spawn) == [Spawn(0, ((0, 2),))]
    assert core.restarts == 1


def test_blame_beyond_the_batch_is_nobodys() -> None:
    core = fleet()
    core.submit(1, 1)
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 7)], "", "its row was overwritten")
    assert core.ranges[1].attempts == {}
    check(core)


def test_a_task_whose_outcome_was_accepted_is_not_blamed() -> None:
    """An agent may die between an outcome and the word in its row that it has moved on."""
    core = fleet()
    known(core, 1e-6)
    number = core.submit(20, 1)
    (send, *_) = take(core, Send)
    assert core.outcomes(0, send.batch, 0, 3, (), 3000)
    core.agent_down(0.0, 0, 1, [(send.batch, 2)], "", "SIGKILL")
    check(core)
    assert core.ranges[number].attempts == {}
    assert core.redelivered == send.count - 3


def test_five_deaths_poison() -> None:
    core = fleet()
    number = core.submit(1, 1)
    now = 0.0
    for generation in range(1, 6):
        core.agents_up([(0, generation)])
        (send,) = take(core, Send)
        core.agent_down(now, 0, generation, [(send.batch, 0)], "", "SIGSEGV")
        due = core.due()
        assert due is not None
        assert due == now  # it died within a task: no sign of an agent that can't start, so no back-off
        core.tick(now := due)
    text = "its agent died 5 times while it ran; the last: SIGSEGV"
    kept = take(core, object)
    assert TasksOver(number, 0, 1, "poisoned", text) in kept
    assert RangeOver(number, 1) in kept


def test_once_is_enough_with_a_limit_of_one() -> None:
    core = fleet()
    core.submit(1, 1, options=Options(crash_limit=1))
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "", "SIGKILL")
    (over,) = take(core, TasksOver)
    assert "died once" in over.text


def test_timeouts_are_retried_and_then_final() -> None:
    core = fleet()
    core.submit(1, 1, options=Options(retries=1, timeout=2.0))
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "timeout", "")
    core.tick(0.0)
    core.agents_up([(0, 2)])
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 2, [(send.batch, 0)], "timeout", "")
    assert take(core, TasksOver) == [TasksOver(1, 0, 1, "timeout", "took longer than its timeout of 2 s")]


def test_a_proven_agent_is_replaced_at_once() -> None:
    core = fleet()
    core.agents[0].early_deaths = 6
    core.submit(1, 1)
    (send,) = take(core, Send)
    finish(core, send)
    core.agent_down(5.0, 0, 1, [], "", "SIGKILL")
    assert core.due() == 5.0
    assert [backoff(n) for n in (0, 1, 2, 3, 100)] == [0.0, 0.0, 0.05, 0.1, 10.0]
    assert split(range(2, 7), 2) == [range(2, 5), range(5, 7)]


def test_a_host_takes_its_batches_along_and_comes_back_with_all_agents() -> None:
    core = fleet(2)
    known(core, 1.0)
    core.submit(4, 1)
    one, two = take(core, Send)
    core.host_down(1.0, 0, {one.batch: 0}, "was killed")
    core.host_down(1.0, 0, {}, "twice")
    assert core.ranges[1].attempts == {0: 1}
    waiting = [(segment.first, segment.stop) for segment in core.pools[0].ready]
    assert waiting == [(0, 1), (1, 2), (2, 4)], "in order"
    core.agent_down(1.0, 0, 1, [(two.batch, 0)], "", "too late")
    core.tick(1.0)
    assert there(core, 1.0) == [0]
    assert take(core, object)[0] == Spawn(0, ((0, 2), (1, 2)))
    assert core.due() is None
    assert core.pools[0].restarts == 2
    core.host_down(2.0, 0, {}, "again")
    assert core.due() == pytest.approx(2.05)


def test_a_dead_hosts_timers_start_nobody() -> None:
    """Regression: an agent's old timer cut short the back-off of its successor under the next host."""
    core = fleet()
    core.agents[0].early_deaths = 20
    core.agent_down(0.0, 0, 1, [], "", "")
    assert core.due() == 10.0
    core.host_down(1.0, 0, {}, "")
    core.tick(1.0)
    assert there(core, 1.0) == [0]
    assert take(core, object) == [Spawn(0, ((0, 3),))]
    core.agent_down(2.0, 0, 3, [], "", "")
    core.tick(10.0)
    assert not take(core, Spawn)
    core.tick(12.0)
    assert take(core, Spawn) == [Spawn(0, ((0, 4),))]


def test_stopped_agents_stay_away_and_blame_nobody() -> None:
    core = fleet(2, 2)
    known(core, 1.0)
    core.submit(4, 1)
    sends = {s.shard: s for s in take(core, Send)}
    core.agent_down(0.0, 0, 1, [(sends[0].batch, 0)], "stopped", "")
    assert core.ranges[1].attempts == {}
    core.host_down(1.0, 0, {}, "")
    assert core.due() is None, "a host without agents is not wanted"
    check(core)


def test_what_waits_at_a_shard_without_agents_is_called_back() -> None:
    """Regression: it stayed there for the whole back-off, or for good if they were stopped."""
    core = fleet(2, 2)
    known(core, 0.001)
    core.submit(100, 1)
    mine = [s for s in take(core, Send) if s.shard == 0]
    assert len(mine) == 2
    core.agent_down(0.0, 0, 1, [(mine[0].batch, -1)], "stopped", "")
    assert take(core, Recall) == [Recall(0)]
    before = core.redelivered
    core.returned([mine[1].batch, 99])
    assert core.redelivered == before, "nobody died with it"
    check(core)


# -- cancelling and dependencies


def test_cancel() -> None:
    core = fleet()
    known(core, 1.0)
    first = core.submit(4, 1)
    second = core.submit(2, 1, after=[first])
    assert len(take(core, Send)) == 1
    assert not core.cancel(first, 0), "sent"
    assert core.cancel(first, 2)
    assert not core.cancel(first, 2), "over"
    assert core.cancel(second, 0), "waiting"
    assert not core.cancel(99, 0)
    for index in (-1, 4):
        with pytest.raises(IndexError):
            core.cancel(first, index)
    assert list(core.ranges[first].state) == [SENT, READY, CANCELLED, READY]
    finish(core, Send(0, (1 << 40) + 1, first, 0, 1, False))
    (send,) = take(core, Send)
    assert (send.first, send.count) == (1, 1)
    finish(core, send)
    (send,) = take(core, Send)
    assert (send.first, send.count) == (3, 1), "around the hole"
    finish(core, send)
    assert take(core, RangeOver) == [RangeOver(first, 1), RangeOver(second, 2)]
    assert core.cancelled == 2


def test_cancelling_all_that_is_ready_empties_the_queue() -> None:
    core = fleet(up=False)
    number = core.submit(2, 1)
    assert core.cancel(number, 0)
    assert core.cancel(number, 1)
    assert not list(core.pools[0].ready)
    assert take(core, RangeOver) == [RangeOver(number, 2)]


def test_a_range_all_cancelled_while_it_waits() -> None:
    core = fleet()
    first = core.submit(1, 1)
    second = core.submit(1, 1, after=[first])
    third = core.submit(1, 1, after=[second])
    assert core.cancel(second, 0)
    assert third not in core.ranges
    (send,) = take(core, Send)
    finish(core, send)
    assert not core.ranges


def test_holes_in_front_are_skipped() -> None:
    core = fleet()
    known(core, 1e-6)
    number = core.submit(3, 1, options=Options(batch_max=1))
    other = core.submit(1, 1)
    for index in range(3):
        core.cancel(number, index)
    assert [s.range for s in take(core, Send)] == [other]


def test_dependents_wait_for_all() -> None:
    core = fleet(2)
    one, two = core.submit(1, 1), core.submit(1, 1)
    last = core.submit(3, 1, after=[one, two])
    sends = take(core, Send)
    finish(core, sends[0])
    assert core.ranges[last].state[0] == WAITING
    assert not take(core, Send)
    finish(core, sends[1])
    assert take(core, Send)[0].range == last
    assert core.submit(1, 1, after=[one]) in core.ranges


def test_failures_cascade() -> None:
    core = fleet()
    one = core.submit(1, 1)
    two = core.submit(2, 1, after=[one])
    three = core.submit(1, 1, after=[two])
    (send,) = take(core, Send)
    finish(core, send, failed=(0,))
    text = f"range {one} that it comes after had failures"
    actions = take(core, object)
    assert TasksOver(two, 0, 2, "dependency", text) in actions
    assert [a.range for a in actions if isinstance(a, RangeOver)] == [one, two, three]
    late = core.submit(5, 1, after=[one])
    assert late not in core.ranges
    assert core.queued == 0, "regression: they were counted as queued, less than nothing"
    assert core.failed == 9
    check(core)


def test_long_chains_fail_too() -> None:
    """Regression: each link took some of the stack."""
    core = fleet()
    last = core.submit(1, 1)
    for _ in range(5000):
        last = core.submit(1, 1, after=[last])
    (send,) = core.take(0.0)
    assert isinstance(send, Send)
    core.outcomes(0, send.batch, 0, 1, (0,), 1)
    assert not core.ranges
    assert core.failed == 5001


# -- draining


def test_drain() -> None:
    core = fleet()
    known(core, 0.001)
    number = core.submit(100, 1, options=Options(retries=1))
    one, two = take(core, Send)
    core.drain()
    core.drain()
    assert take(core, Recall) == [Recall(0)]
    core.returned([two.batch])
    assert list(core.batches) == [one.batch]
    finish(core, one, failed=(0,))
    assert core.idle
    assert not take(core, Send)
    assert core.ranges[number].state[0] == READY, "it may still succeed, when the run is resumed"
    assert core.failed == 0


# -- broken pools


def broken(core: Core) -> list[str]:
    return [a.text for a in take(core, Happened)]


def test_failed_starts_break_a_pool_that_never_had_an_agent() -> None:
    core = fleet(4, up=False)
    number = core.submit(3, 1)
    for row in range(3):
        core.agent_down(0.0, row, 1, [], "start", "no module named x")
    assert core.pools[0].broken == "no module named x"
    actions = take(core, object)
    assert TasksOver(number, 0, 3, "pool", "no module named x") in actions
    core.agent_down(0.0, 3, 1, [], "start", "no module named x")
    core.tick(100.0)
    assert not take(core, Spawn)
    late = core.submit(2, 1)
    assert core.queued == 0
    assert RangeOver(late, 2) in take(core, object)


def test_an_agent_that_dies_in_silence_whenever_it_starts_breaks_it_too() -> None:
    """Regression: one that crashed while it imported was started anew for ever, and its tasks waited."""
    core = fleet(up=False)
    core.submit(1, 1)
    for generation in range(1, 5):
        assert core.pools[0].broken is None
        core.agent_down(0.0, 0, generation, [], "", "SIGSEGV")
        core.tick(60.0)
    assert broken(core) == ["pool p can't start: SIGSEGV"]
    assert not core.ranges


def test_hosts_that_die_early_break_it_too_but_not_once_an_agent_came_up() -> None:
    core = fleet(up=False)
    for _ in range(3):
        core.host_down(0.0, 0, {}, "OOM")
        core.tick(60.0)
    assert core.pools[0].broken == "OOM"
    other = fleet()
    for generation in range(2, 9):
        other.host_down(0.0, 0, {}, "OOM")
        other.tick(60.0)
        other.agent_down(60.0, 0, generation * 2 - 2, [], "start", "x")
    assert other.pools[0].broken is None


def test_break_pool_with_work_out() -> None:
    """Regression: what was out when its pool broke became ready again, or stayed where all agents died."""
    core = fleet(2)
    known(core, 0.001)
    number = core.submit(200, 1, options=Options(retries=3))
    sends = take(core, Send)
    core.break_pool(0, "gone")
    core.break_pool(0, "twice")
    actions = take(core, object)
    assert Recall(0) in actions
    core.returned([sends[3].batch])
    finish(core, sends[0], failed=(0,))
    assert core.ranges[number].state[0] == FAILED
    core.agent_down(0.0, 0, 1, [(sends[1].batch, 0)], "", "SIGKILL")
    core.host_down(0.0, 0, {sends[2].batch: 1}, "SIGKILL")
    assert core.due() is None
    assert not core.ranges
    assert core.done + core.failed == 200
    assert take(core, RangeOver) == [RangeOver(number, 200 - core.done)]


def test_a_break_stops_starts_that_are_due() -> None:
    core = fleet()
    core.agent_down(0.0, 0, 1, [], "", "")
    core.break_pool(0, "gone")
    core.tick(1.0)
    assert not take(core, Spawn)


def test_many_holes_are_cheap() -> None:
    """Regression: with one task cancelled, each batch looked through all that was left of the range."""
    core = fleet()
    known(core, 1e-6)
    number = core.submit(2_000_000, 1)
    core.cancel(number, 1_999_999)
    for _ in range(200):
        for action in core.take(0.0):
            if isinstance(action, Send):
                core.outcomes(0, action.batch, 0, action.count, (), 1000)
    assert core.done >= 100_000
