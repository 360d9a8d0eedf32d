"""What comes of tasks: outcomes, retries, and deaths of whoever ran them."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take, there

from engine.core.actions import RangeOver, Recall, Send, Spawn, TasksOver
from engine.core.invariants import check
from engine.core.pools import backoff, split
from engine.core.tasks import Options


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


def test_who_is_to_blame_can_be_asked() -> None:
    core = fleet()
    known(core, 0.001)
    number = core.submit(20, 1)
    first, second = take(core, Send)
    found = core.ranges[number]
    assert core.outcomes(0, first.batch, 0, 2, (), 2000)
    assert core.cancel(number, 4, running=True)
    for why in ("", "timeout", "memory", "died"):
        assert core.culprit(first.batch, 3, why) == (found, 3)
        assert core.culprit(second.batch, 3, why) == (found, second.first + 3)
        for running in (-1, 1, 4, first.count):  # none ran; it is over; it was cancelled; there is none
            assert core.culprit(first.batch, running, why) is None
        assert core.culprit(99, 0, why) is None
    assert found.attempts == {}


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
    assert (core.failed, core.over, core.accepted) == (1, 1, 0), "no agent has told how it ended"


def test_once_is_enough_with_a_limit_of_one() -> None:
    core = fleet()
    core.submit(1, 1, options=Options(crash_limit=1))
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "", "SIGKILL")
    (over,) = take(core, TasksOver)
    assert "died once" in over.text


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
    core.returned([(mine[1].batch, 0, 0), (99, 0, 0)])
    assert core.redelivered == before, "nobody died with it"
    check(core)
