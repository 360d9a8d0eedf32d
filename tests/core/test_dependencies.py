"""Tasks that others wait for, tasks that are cancelled, and what follows for those that come after."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take, there

from engine.core import ledger
from engine.core.actions import RangeOver, Send, TasksOver
from engine.core.core import Core
from engine.core.dispatch import EPOCH_SHIFT
from engine.core.invariants import check
from engine.core.tasks import CANCELLED, READY, SENT, WAITING, Options


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
    assert (core.failed, core.barred, core.accepted) == (9, 8, 1)
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


def test_cancelling_the_rest_of_a_range_is_told_in_runs() -> None:
    core = fleet()
    known(core, 1.0)
    first = core.submit(6, 1)
    second = core.submit(3, 1, after=[first])
    (send,) = take(core, Send)
    assert core.cancel(first, 3)
    core.take(0.0)
    core.cancel_rest(second)
    core.cancel_rest(first)
    assert list(core.ranges[first].state) == [SENT, *[CANCELLED] * 5]
    assert (core.queued, core.cancelled) == (0, 8)
    actions = core.take(0.0)
    over = [(a.range, a.first, a.count, a.kind) for a in actions if isinstance(a, TasksOver)]
    assert over == [(second, 0, 3, "cancelled"), (first, 1, 2, "cancelled"), (first, 4, 2, "cancelled")]
    finish(core, send)
    assert take(core, RangeOver) == [RangeOver(first, 5)]
    core.cancel_rest(first)
    assert not core.take(0.0)


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


def test_what_failed_before_this_engine_began() -> None:
    """A run that is resumed: the tasks after those that had failures fail, and nothing else does."""
    core = fleet()
    before = core.failed_before()
    last = core.submit(2, 1, after=[before])
    text = f"range {before} that it comes after had failures"
    assert TasksOver(last, 0, 2, "dependency", text) in take(core, object)
    fine = core.submit(1, 1)
    assert take(core, Send)[0].range == fine
    check(core)


def test_batches_of_another_epoch_are_strangers() -> None:
    core = Core(2)
    rows = core.add_pool("p", 1, 1).rows
    there(core)
    core.agents_up((row, 1) for row in rows)
    core.submit(1, 1)
    (send,) = take(core, Send)
    assert send.batch >> EPOCH_SHIFT == 2
    assert core.outcomes(0, send.batch - (1 << EPOCH_SHIFT), 0, 1, (), 1) is None
    assert core.stale == 1
    finish(core, send)
    assert core.done == 1
