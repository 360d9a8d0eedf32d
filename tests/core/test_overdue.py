"""Batches that take longer than was thought: what they have not begun comes back, where that helps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from cores import at, finish, fleet, known, take

from engine.core.actions import Recall, Send, Spawn
from engine.core.batching import Cost
from engine.core.core import Core
from engine.core.overdue import MOST_PATIENCE, OVERDUE
from engine.core.tasks import CANCELLED, DONE, READY, SENT, Options

SLOW = 100_000_000
"""Nanoseconds of a task that was thought to be trivial."""


def trivial(agents: int = 4, shards: int = 1, tasks: int = 8, **options: Any) -> tuple[Core, list[Send]]:
    """Tasks of a function that was trivial so far are sent."""
    core = fleet(agents, shards)
    known(core, 1e-6)
    core.submit(tasks, 1, options=Options(**options))
    return core, take(core, Send)


def test_what_an_agent_has_not_begun_is_spread_over_those_that_are_idle() -> None:
    core, (send,) = trivial()
    assert send.count == 8, "an even share of them is not worth a message"
    assert core.due() == OVERDUE
    assert at(core, Recall, OVERDUE) == [Recall(0, (send.batch,))]
    core.returned([(send.batch, 1, SLOW)])
    assert [(s.first, s.count) for s in take(core, Send)] == [(1, 1), (2, 1), (3, 1)]
    assert core.queued == 4
    assert core.outcomes(0, send.batch, 0, 1, (), SLOW)
    assert send.batch not in core.batches
    assert core.redelivered == core.stale == 0


def test_nobody_is_called_back_while_all_are_busy() -> None:
    core, sends = trivial(2, tasks=20_000)
    assert len(sends) > 2
    assert core.due() is None
    assert not at(core, Recall, 10.0)


def test_single_tasks_are_left_alone() -> None:
    core = fleet(3)
    known(core, 1.0)
    core.submit(2, 1)
    assert len(take(core, Send)) == 2
    assert core.due() is None


def test_a_batch_that_is_over_in_time_is_not_called_back() -> None:
    core, (send,) = trivial()
    finish(core, send)
    assert not at(core, Recall, OVERDUE)
    assert core.due() is None


def test_a_batch_is_overdue_by_its_own_age() -> None:
    core, (first,) = trivial()
    core.submit(8, 1)
    (second,) = take(core, Send, 0.05)
    assert at(core, Recall, OVERDUE) == [Recall(0, (first.batch,))]
    assert not at(core, Recall, 2 * OVERDUE), "it was just asked"
    assert at(core, Recall, 0.31) == [Recall(0, (first.batch, second.batch))]


def test_an_idle_agent_of_another_shard_helps() -> None:
    core, (send,) = trivial(2, 2)
    assert at(core, Recall, OVERDUE) == [Recall(send.shard, (send.batch,))]
    core.returned([(send.batch, 2, SLOW)])
    (other,) = take(core, Send)
    assert (other.shard, other.first, other.count) == (1 - send.shard, 2, 1)


def test_the_more_urgent_comes_before_what_was_sent_and_has_not_begun() -> None:
    core, sends = trivial(1, tasks=20_000)
    one, *waiting = sends
    known(core, 1e-6, 2)
    core.submit(1, 2, options=Options(priority=0))
    assert not at(core, Recall, 1.0), "it is as urgent as they are"
    core.submit(1, 2, options=Options(priority=9))
    assert not take(core, Send, 1.0)
    assert core.due() == 1.0 + OVERDUE
    (recall,) = at(core, Recall, 1.0 + OVERDUE)
    assert recall == Recall(0, tuple(send.batch for send in sends))
    core.returned([(one.batch, 1, SLOW), *((send.batch, 0, 0) for send in waiting)])
    assert core.outcomes(0, one.batch, 0, 1, (), SLOW)
    urgent, *_ = take(core, Send, 1.2)
    assert (urgent.range, urgent.count) == (3, 1)
    finish(core, urgent)
    again, *_ = take(core, Send, 1.2)
    assert (again.range, again.first, again.count) == (1, 1, 1)


def test_what_is_as_urgent_itself_is_left_alone() -> None:
    core, sends = trivial(1, tasks=500, priority=9)
    core.submit(500, 1, options=Options(priority=5))
    sends += take(core, Send)
    known(core, 1e-6, 2)
    core.submit(1, 2, options=Options(priority=9))
    while (due := core.due()) is not None and due < 1.0:
        for recall in at(core, Recall, due):
            assert sends[0].batch not in recall.rest


@pytest.mark.parametrize("size", [4, 8])
def test_batches_whose_size_was_asked_for_stay_whole_but_do_not_wait_behind_others(size: int) -> None:
    core, sends = trivial(2, 2, tasks=4 * size, batch_size=size)
    assert [send.count for send in sends] == [size] * 4
    for send in sends:
        if send.shard == 0:
            finish(core, send)
    take(core, object)
    assert at(core, Recall, OVERDUE) == [Recall(1)]
    waiting = [send for send in sends if send.shard == 1][1]
    core.returned([(waiting.batch, 0, 0)])
    (moved,) = take(core, Send)
    assert (moved.shard, moved.first, moved.count) == (0, waiting.first, size)
    assert not at(core, Recall, 10.0)


def test_a_shard_is_asked_ever_more_seldom_while_it_does_not_help() -> None:
    core, (send,) = trivial()
    asked = []
    for tick in range(1, 800):
        asked += [tick / 10] * len(at(core, Recall, tick / 10))
    gaps = [after - before for before, after in pairwise(asked)]
    assert gaps[0] < 4 * OVERDUE
    assert all(after > before - 2 * OVERDUE for before, after in pairwise(gaps))
    assert gaps[-1] == pytest.approx(MOST_PATIENCE, abs=2 * OVERDUE)
    finish(core, send)
    core.tick(99.0)
    assert core.due() is None
    core.submit(8, 1)
    (send,) = take(core, Send, 200.0)
    assert at(core, Recall, 200.0 + OVERDUE)
    assert core.shards[0].patience == 2 * OVERDUE


def test_a_pool_grows_by_what_comes_back() -> None:
    core = fleet(1, minimum=1, maximum=4)
    known(core, 1e-6)
    core.submit(8, 1)
    (send,) = take(core, Send)
    assert at(core, Recall, OVERDUE) == [Recall(0, (send.batch,))]
    core.returned([(send.batch, 1, SLOW)])
    assert not take(core, Send, 0.2)
    assert len(at(core, Spawn, 0.3)) == 1


def test_draining_calls_back_the_rest_at_once_and_nothing_later() -> None:
    core, (send,) = trivial()
    core.drain()
    assert take(core, Recall) == [Recall(0, (send.batch,))]
    assert not at(core, Recall, 1.0)
    assert core.due() is None
    core.returned([(send.batch, 3, 0)])
    assert core.outcomes(0, send.batch, 0, 3, (), 3)
    assert core.idle
    assert core.queued == 5


# -- what comes back


def test_the_rest_comes_back_after_some_outcomes_and_stands_first() -> None:
    core, (send,) = trivial(1)
    core.submit(2, 1)
    assert core.outcomes(0, send.batch, 0, 2, (), 2)
    core.returned([(send.batch, 5, 0)])
    found = core.ranges[1]
    assert list(found.state) == [DONE] * 2 + [SENT] * 3 + [READY] * 3
    assert core.outcomes(0, send.batch, 2, 4, (), 4) is None, "it is no task of the batch any more"
    assert core.outcomes(0, send.batch, 2, 3, (), 3)
    (again, later) = take(core, Send)
    assert (again.range, again.first, again.count, later.range) == (1, 5, 3, 2)


@pytest.mark.parametrize("offset", [2, 4])
def test_a_batch_whose_begun_tasks_are_all_over_is_forgotten(offset: int) -> None:
    core, (send,) = trivial()
    assert core.outcomes(0, send.batch, 0, 4, (), 4)
    core.returned([(send.batch, offset, 0)])
    assert not core.batches
    assert core.queued == 4
    core.returned([(send.batch, offset, 0)])
    assert core.queued == 4


def test_what_is_said_twice_counts_once_and_less_may_be_left_later() -> None:
    core, (send,) = trivial()
    for offset, queued in ((5, 3), (5, 3), (7, 3), (3, 5), (8, 5)):
        core.returned([(send.batch, offset, 0)])
        assert core.queued == queued


@pytest.mark.parametrize("cancelled", [1, 6])
def test_cancelled_tasks_of_a_batch_do_not_come_back(cancelled: int) -> None:
    core, (send,) = trivial(1)
    assert core.cancel(1, cancelled, running=True)
    core.returned([(send.batch, 4, 0)])
    assert core.queued == 4 - (cancelled == 6)
    done = core.outcomes(0, send.batch, 0, 4, (), 4)
    assert done is not None
    assert done.gone == ({1} if cancelled == 1 else set())
    for again in take(core, Send):
        finish(core, again)
    assert (core.done, core.cancelled) == (7, 1)
    assert not core.ranges


def test_who_dies_after_it_gave_back_loses_only_what_it_kept() -> None:
    core, (send,) = trivial(1)
    core.returned([(send.batch, 4, 0)])
    assert core.culprit(send.batch, 5, "") is None
    core.agent_down(0.0, 0, 1, [(send.batch, 1)], "", "killed")
    assert core.redelivered == 4
    assert core.queued == 8
    assert core.ranges[1].attempts == {1: 1}
    assert CANCELLED not in core.ranges[1].state


def test_what_a_running_task_has_taken_is_believed_and_forgotten_again() -> None:
    cost = Cost()
    cost.at_least(0.1)
    assert cost.seconds == 0.1
    cost.at_least(0.01)
    assert cost.seconds == 0.1
    for _ in range(60):
        cost.learn(1e-6, 1)
    assert cost.seconds < 2e-6
