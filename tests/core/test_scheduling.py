"""What is taken in, and how it is sent: batches, shards, draining."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take

from engine.core.actions import Recall, Send, Spawn, StartHost
from engine.core.batching import BYTES, DEEPEST, LEAST, MOST, MOST_TRIVIAL, PROVEN, Cost, ahead, batch_size, most
from engine.core.core import Core
from engine.core.tasks import READY, Options


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


def test_trivial_tasks_travel_in_larger_batches_unless_a_limit_is_set() -> None:
    cost = Cost()
    assert most(cost) == MOST
    cost.learn(1e-7 * (PROVEN - 1), PROVEN - 1)
    assert most(cost) == MOST  # a few may be the only short ones
    cost.learn(1e-7, 1)
    assert most(cost) == MOST_TRIVIAL
    cost.at_least(1e-6)
    assert most(cost) == 1000
    cost.at_least(1e-4)
    assert most(cost) == MOST
    for options, size in (
        (Options(), MOST_TRIVIAL), (Options(batch_max=300), 300), (Options(batch_size=700), 700),
        (Options(batch_size=7, batch_max=300), 7),
    ):  # fmt: skip
        core = fleet(1)
        core.submit(100_000, 1, options=options)
        core._costs[1].learn(1e-7 * PROVEN, PROVEN)
        assert take(core, Send)[0].count == size


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


def test_tasks_that_fail_at_once_do_not_make_a_function_look_short() -> None:
    """Regression: the first of a map raised at once, and hundreds that take long were sent before it was cancelled."""
    core = fleet(2)
    core.submit(1000, 1)
    for _ in range(20):
        send = take(core, Send)[0]
        assert send.count == 1
        finish(core, send, failed=(0,), nanoseconds=1000)
    (send,) = take(core, Send)
    finish(core, send, nanoseconds=10_000_000)
    (send, *_) = take(core, Send)
    assert send.count == 2
    finish(core, send, failed=(1, 1, 2), nanoseconds=10_000_000)  # one worked; the third is none of its tasks
    assert core._costs[1].seconds == pytest.approx(0.01)


def test_tasks_that_take_long_to_fail_are_not_sent_by_the_hundred() -> None:
    cost = Cost()
    cost.learn(0.001, 10, 10)
    assert cost.seconds is None
    cost.learn(0.001, 10, 0)
    cost.learn(0.0001, 10, 10)
    assert cost.seconds == pytest.approx(0.0001)
    cost.learn(10.0, 10, 10)
    assert cost.seconds == pytest.approx(0.5, rel=0.01)


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


def test_of_equally_loaded_shards_the_one_that_was_sent_least_is_served() -> None:
    """Regression: what came one by one all went to the first one, and the others were never used."""
    core = fleet(6, 3)
    known(core, 1e-5)
    before = max(shard.sent for shard in core.shards)
    for _ in range(3 * before + 30):
        core.submit(1, 1)
        (send,) = take(core, Send)
        core.outcomes(send.shard, send.batch, 0, send.count, (), 1000)
    sent = [shard.sent for shard in core.shards]
    assert min(sent) > before
    assert max(sent) - min(sent) <= 1


def test_nothing_is_sent_where_no_agent_is_up() -> None:
    core = fleet(up=False)
    core.submit(3, 1)
    assert not take(core, Send)
    core.agents_up([(0, 2)])
    assert not take(core, Send), "another generation"
    core.agents_up([(0, 1), (0, 1)])
    assert len(take(core, Send)) == 1


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


def test_drain() -> None:
    core = fleet()
    known(core, 0.001)
    number = core.submit(100, 1, options=Options(retries=1))
    one, two = take(core, Send)
    core.drain()
    core.drain()
    assert take(core, Recall) == [Recall(0, (one.batch, two.batch))]
    core.returned([(two.batch, 0, 0)])
    assert list(core.batches) == [one.batch]
    finish(core, one, failed=(0,))
    assert core.idle
    assert not take(core, Send)
    assert core.ranges[number].state[0] == READY, "it may still succeed, when the run is resumed"
    assert core.failed == 0
