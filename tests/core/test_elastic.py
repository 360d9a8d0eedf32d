"""Pools of as many agents as there is work for: growth, retirement, agents for one task."""

from __future__ import annotations

from typing import Any

import pytest
from cores import at, finish, fleet, known, rows, take

from engine.core.actions import Retire, Send, Spawn
from engine.core.core import Core
from engine.core.tasks import Options

# -- growing


def elastic(size: int = 1, most: int = 8, **more: Any) -> Core:
    return fleet(size, minimum=min(1, size), maximum=most, max_idle=10.0, **more)


@pytest.mark.parametrize(
    ("size", "shards", "least", "most"),
    [(1, 1, 2, None), (3, 1, None, 2), (1, 3, None, 2), (0, 1, None, 0), (-1, 1, -1, 4)],
)  # fmt: skip
def test_sizes_that_contradict_each_other(size: int, shards: int, least: int | None, most: int | None) -> None:
    with pytest.raises(ValueError, match="pool 'p'"):
        Core().add_pool("p", size, shards, minimum=least, maximum=most)


def test_a_pool_grows_while_tasks_wait() -> None:
    core = elastic()
    core.submit(100, 1)
    assert not take(core, Spawn)
    assert core.due() == pytest.approx(0.05)
    assert not at(core, Spawn, 0.04)
    sizes = []
    now = 0.05
    while wave := rows(at(core, Spawn, now)):
        sizes.append(len(wave))
        now += 0.05
        assert not at(core, Spawn, now), "some are coming"
        core.agents_up(wave)
        now += 0.05
    assert sizes == [1, 2, 4]
    assert core.pools[0].grown == 7
    assert core.pools[0].wanted == 8


def test_a_look_at_its_size_never_leads_to_another_at_the_same_time() -> None:
    """Regression: by an error of rounding 0.05 s had not passed when the timer for it ran out, without end."""
    core = elastic()
    core.submit(2, 1)
    core.agent_down(40.0, 0, 1, [], "", "SIGKILL")
    take(core, Send, 40.0)
    core.tick(40.0)
    take(core, Spawn, 40.0)
    due = core.due()
    assert due == 40.0 + 0.05
    at(core, Spawn, due)
    later = core.due()
    assert later is not None
    assert later > due


def test_it_grows_by_no_more_than_the_tasks_that_wait() -> None:
    core = elastic(4)
    core.submit(5, 1)
    assert len(take(core, Send)) == 4
    assert len(rows(at(core, Spawn, 0.05))) == 1


def test_it_does_not_grow_for_work_that_is_over_before() -> None:
    core = elastic()
    known(core, 0.001)
    core.submit(60, 1)
    take(core, Send)
    assert core.queued
    assert not at(core, Spawn, 0.05)
    assert core.due() is not None, "somebody looks again"


def test_it_grows_if_nobody_gets_to_what_waits() -> None:
    """A short task behind a long one that has all the agents."""
    core = elastic()
    core.submit(1, 2)
    assert take(core, Send)
    known(core, 0.001)
    core.submit(1, 1)
    assert not take(core, Spawn, 1.0)
    assert not at(core, Spawn, 1.01)
    assert len(rows(at(core, Spawn, 1.05))) == 1


def test_an_empty_pool_starts_an_agent_at_once() -> None:
    core = elastic(0)
    assert core.settled
    core.submit(3, 1)
    assert rows(take(core, Spawn)) == [(0, 1)]
    core.agents_up([(0, 1)])
    assert len(take(core, Send)) == 1
    assert core.pools[0].colds == 1


def test_growth_takes_turns_among_the_shards() -> None:
    core = fleet(1, 3, minimum=0, maximum=9)
    core.submit(100, 1)
    now = 0.0
    while core.pools[0].wanted < 9:
        now += 0.05
        core.agents_up(rows(at(core, Spawn, now)))
        up = [shard.up for shard in core.shards]
        assert max(up) - min(up) <= 1


def test_nobody_is_started_while_draining() -> None:
    core = elastic()
    core.submit(100, 1)
    core.drain()
    assert not at(core, Spawn, 1.0)


# -- shrinking


def test_agents_idle_for_long_are_retired_but_not_below_the_minimum() -> None:
    core = fleet(4, 2, minimum=1, max_idle=10.0)
    pool = core.pools[0]
    take(core, object)
    assert core.due() == 5.0
    assert not at(core, Retire, 5.0)
    assert not at(core, Retire, 10.0), "when the first half began, they were still starting"
    orders = at(core, Retire, 15.0)
    assert sum(order.count for order in orders) == 3
    for row in (0, 1, 2):
        core.agent_down(15.0, row, 1, [], "retired", "")
    assert (pool.retired, pool.wanted, pool.up) == (3, 1, 1)
    assert not at(core, object, 20.0)
    assert core.due() is None, "it is as small as it may be"


def test_one_that_was_needed_in_between_is_kept() -> None:
    core = fleet(3, minimum=0, max_idle=10.0)
    take(core, object)
    at(core, object, 5.0)
    core.submit(2, 1)
    for send in take(core, Send, 6.0):
        finish(core, send)
    assert not at(core, Retire, 10.0)
    assert sum(order.count for order in at(core, Retire, 15.0)) == 1
    core.agent_down(15.0, 2, 1, [], "retired", "")
    assert sum(order.count for order in at(core, Retire, 20.0)) == 2


def test_those_that_were_asked_to_retire_and_have_not_gone_yet_are_not_asked_for_again() -> None:
    core = fleet(6, minimum=1, max_idle=2.0)
    take(core, object)
    at(core, object, 1.0)
    at(core, object, 2.0)
    (order,) = at(core, Retire, 3.0)
    assert order.count == 5
    assert not at(core, Retire, 4.0)
    core.agent_down(4.0, 0, 1, [], "retired", "")
    assert not at(core, Retire, 5.0)
    (order,) = at(core, Retire, 13.0)
    assert order.count == 4, "its host had nobody left who was idle"


def test_a_pool_below_its_minimum_is_refilled_by_others() -> None:
    core = fleet(2, minimum=2, maximum=4)
    core.agent_down(0.0, 0, 1, [], "retired", "")
    core.agent_down(0.0, 1, 1, [], "stopped", "")
    assert len(rows(take(core, Spawn))) == 2
    assert core.pools[0].restarts == 2
    assert core.agents[1].stopped
    assert not core.agents[1].wanted


def test_idle_agents_may_be_retired_at_once_without_end() -> None:
    core = fleet(2, minimum=1, max_idle=0.0)
    take(core, object)
    core.tick(0.0)
    assert core.due() == pytest.approx(0.05)


def test_a_broken_pool_is_not_looked_after() -> None:
    core = fleet(2, minimum=1, max_idle=1.0)
    take(core, object)
    core.break_pool(0, "gone")
    assert not at(core, Retire, 1.0)
    assert core.due() is None


# -- agents for one task


def test_on_demand_an_agent_is_started_for_each_task_and_not_kept() -> None:
    core = fleet(2, on_demand=True)
    known(core, 1e-6)
    pool = core.pools[0]
    assert core.settled
    assert not core.agents[0].wanted
    core.submit(3, 1, options=Options(batch_size=1))
    assert rows(take(core, Spawn)) == [(0, 1), (1, 1)]
    core.agents_up([(0, 1), (1, 1)])
    sends = take(core, Send)
    assert [s.prefetch for s in sends] == [0, 0], "nobody will be there for what waits behind another"
    finish(core, sends[0], 0)
    core.agent_down(0.0, 0, 1, [], "recycled", "")
    assert (pool.wanted, pool.up) == (1, 1)
    assert rows(take(core, Spawn)) == [(0, 2)]
    core.agent_down(0.0, 1, 1, [(sends[1].batch, 0)], "", "SIGKILL")
    assert rows(take(core, Spawn)) == [(1, 2)], "for the task that runs again"
    assert pool.restarts == 0


def test_on_demand_too_those_that_die_before_they_begin_must_wait() -> None:
    core = fleet(1, on_demand=True)
    core.submit(1, 1)
    take(core, Spawn)
    for generation, delay in ((1, 0.0), (2, 0.05), (3, 0.1)):
        core.agents_up([(0, generation)])
        core.agent_down(0.0, 0, generation, [], "", "SIGSEGV")
        assert not take(core, Spawn)
        assert core.due() == pytest.approx(delay)
        assert rows(at(core, Spawn, 0.1)) == [(0, generation + 1)]
