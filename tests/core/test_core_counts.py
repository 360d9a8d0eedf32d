"""What the core counts and says besides, for whoever measures."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take

from engine.core.actions import Send
from engine.core.batching import BYTES, MOST, Cost, Cut, why_cut
from engine.core.invariants import check
from engine.core.tasks import Options


def cost(seconds: float | None) -> Cost:
    made = Cost()
    made.seconds = seconds
    return made


@pytest.mark.parametrize(
    ("seconds", "size", "limit", "item_bytes", "end", "why"),
    [
        (0.001, 10, 10, 0, True, "full"),
        (0.001, 7, 10, 0, True, "rest"),
        (None, 1, 10, 0, False, "first"),
        (0.001, 20, 500, 0, False, "time"),
        (0.001, 9, 500, 0, False, "share"),
        (0.001, 4, 500, BYTES // 4, False, "bytes"),
        (0.0, 9, 500, 0, False, "share"),
    ],
)
def test_why_a_batch_has_no_more_tasks(
    seconds: float | None, size: int, limit: int, item_bytes: int, end: bool, why: Cut
) -> None:
    assert why_cut(cost(seconds), size, limit, item_bytes, 0.020, end) == why


def test_a_batch_says_why_it_was_cut_and_how_long_its_tasks_waited() -> None:
    core = fleet(1)
    core.submit(1000, 1)
    (first,) = take(core, Send, 1.0)
    assert (first.count, first.cut, first.waited) == (1, "first", 0.0)
    core.take(2.0)
    finish(core, first, nanoseconds=10_000)
    sends = take(core, Send, 3.5)
    assert sends[0].waited == 2.5
    assert (sends[0].count, sends[0].cut) == (MOST, "full")
    batch = core.batches[sends[0].batch]
    assert (batch.since, batch.sent, batch.found) == (1.0, 3.5, "wait")


def test_how_batches_come_by_their_agents() -> None:
    core = fleet(2)
    core.submit(1, 1)
    (hit,) = take(core, Send)
    assert core.batches[hit.batch].found == "hit"
    core.submit(2, 1)
    sends = take(core, Send)
    assert [core.batches[send.batch].found for send in sends] == ["hit"]
    finish(core, hit)
    (waited,) = take(core, Send)
    assert core.batches[waited.batch].found == "wait"


def test_counts_by_pool_and_by_shard() -> None:
    core = fleet(2, 2, strategy="hash")
    known(core, 1.0)
    before = [core.pools[0].submitted, *(shard.placed for shard in core.shards)]
    core.submit(10, 1, options=Options(key=1))
    pool, home = core.pools[0], core.pools[0].placement.place(1, core.shards)
    other = next(shard for shard in core.shards if shard is not home)
    assert pool.submitted - before[0] == 10
    assert [home.placed - before[1 + home.id], other.placed - before[1 + other.id]] == [10, 0]
    sends = take(core, Send)
    assert (home.tasks, other.tasks, other.stolen) == (1, 1, 1)
    check(core)
    mine = next(send for send in sends if send.shard == home.id)
    core.returned([(mine.batch, 0, 0)])
    assert (pool.recalled, pool.redelivered, home.tasks) == (1, 0, 0)
    theirs = next(send for send in sends if send.shard == other.id)
    core.host_down(1.0, other.id, {}, "gone")
    assert (pool.recalled, pool.redelivered, other.tasks) == (1, 1, 0)
    assert theirs.batch not in core.batches
    for number in list(core.ranges):
        core.cancel_rest(number)
    assert pool.cancelled == core.cancelled == 10
    check(core)


def test_what_a_task_takes_is_known_from_the_first_outcome_on() -> None:
    core = fleet(1)
    core.submit(2, 1)
    assert core.cost(1) is None
    assert core.cost(2) is None
    finish(core, take(core, Send)[0], nanoseconds=3_000_000)
    assert core.cost(1) == pytest.approx(0.003)
