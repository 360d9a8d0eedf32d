"""Agents and hosts come and go: waves of starts, failed ones, how they end."""

from __future__ import annotations

import pytest
from cores import at, finish, fleet, known, rows, take, there

from engine.core.actions import Happened, Recall, Send, Spawn, StartHost, TasksOver
from engine.core.core import Core
from engine.core.pools import HOPELESS, PROVEN_AFTER
from engine.core.staff import DESERTED
from engine.core.tasks import Options

# -- waves


def test_starts_come_in_waves() -> None:
    core = fleet(8, 2, up=False, spawn_limit=3)
    assert (core.starting, core.spawned) == (3, 3)
    assert not take(core, Spawn)
    core.agents_up([(0, 1)])
    assert len(rows(take(core, Spawn))) == 1
    while core.starting:
        core.agents_up([(a.row, 1) for a in core.agents if a.starting])
        take(core, Spawn)
    assert core.settled
    assert core.spawned == 8


def test_a_core_is_restless_while_something_is_to_be_taken_or_started() -> None:
    core = fleet(4, up=False, spawn_limit=2)
    found = [core.restless]  # two wait for the others
    core.agents_up([(0, 1), (1, 1)])
    core.agents_up(rows(take(core, Spawn)))
    found.append(core.restless)
    core.cancel(core.submit(1, 1), 0)  # there is something to tell
    found.append(core.restless)
    take(core, object)
    assert [*found, core.restless] == [True, False, True, False]


def test_a_pool_whose_hosts_are_not_there_keeps_nobody_else_from_starting() -> None:
    """Its image may take minutes, or never come."""
    core = Core(spawn_limit=4)
    core.add_pool("slow", 60, 2)
    core.add_pool("p", 2, 1)
    take(core, object)
    core.host_up(0.0, 2)
    assert rows(take(core, Spawn)) == [(60, 1), (61, 1)]
    core.agents_up([(60, 1), (61, 1)])
    core.break_pool(0, "no such module")
    core.host_up(0.0, 0)
    assert not take(core, Spawn)
    assert core.starting == 0


def test_what_is_wanted_of_a_host_that_is_not_there_is_asked_for_once_it_is() -> None:
    core = Core()
    core.add_pool("p", 1, 1, minimum=0, maximum=3)
    take(core, object)
    core.submit(9, 1)
    assert not take(core, Spawn)
    assert not at(core, Spawn, 0.05)
    core.host_up(0.0, 0)
    assert rows(take(core, Spawn, 0.05)) == [(0, 1)]
    core.host_down(0.1, 0, {}, "OOM")
    core.host_up(0.0, 0)
    assert at(core, object, 0.1) == [StartHost(0)]
    core.host_up(0.0, 0)
    assert rows(take(core, Spawn, 0.1)) == [(0, 2)]


def test_after_an_error_one_starts_at_a_time_and_then_more_and_more() -> None:
    core = fleet(12, spawn_limit=8, up=False)
    for row in range(8):
        core.agents_up([(row, 1)]) if row else core.agent_down(0.0, 0, 1, [], "spawn", "no memory")
    core.agent_down(0.0, 7, 1, [], "", "SIGKILL")
    assert core.spawn_failures == 1
    core._window = 1
    waves = []
    while wave := rows(at(core, Spawn, 1.0)):
        waves.append(len(wave))
        core.agents_up(wave)
    assert waves == [1, 2, 3], "6 are missing"


def test_a_pressed_machine_starts_fewer_at_a_time() -> None:
    core = Core(spawn_limit=10)
    core.press(0.3)
    core.add_pool("p", 20, 1)
    there(core)
    assert len(rows(take(core, Spawn))) == 3
    core.press(-1.0)
    core.agents_up([(0, 1), (1, 1)])
    assert not take(core, Spawn), "one is still starting"
    core.agents_up([(2, 1)])
    assert len(rows(take(core, Spawn))) == 1
    core.press(2.0)
    assert len(rows(take(core, Spawn))) == 9


def test_starts_that_fail_are_tried_again_with_back_off_and_then_given_up_for_a_while() -> None:
    core = fleet(2)
    core.agent_down(0.0, 1, 1, [], "", "SIGKILL")
    now, delays = 0.0, []
    for generation in range(2, 6):
        due = core.due()
        assert due is not None
        delays.append(round(due - now, 3))
        now = due
        assert rows(at(core, Spawn, now)) == [(1, generation)]
        core.agent_down(now, 1, generation, [], "spawn", "no memory")
    assert delays == [0.0, 0.05, 0.1, 0.2]
    (told,) = take(core, Happened, now)
    assert (told.kind, told.level) == ("agent.given_up", "warning")
    assert told.text == "agent 1 of pool p is given up for 10 s: no memory"
    assert core.settled, "nobody else is wanted for now"
    assert not at(core, Spawn, now + 9.9)
    assert rows(at(core, Spawn, now + 10.0)) == [(1, 6)]
    core.agents_up([(1, 6)])
    assert core.agents[1].failed_starts == 0


def deserted(agents: int) -> Core:
    """A pool whose agents have all died, which none was to blame for."""
    core = fleet(agents)
    for row in range(agents):
        core.agent_down(0.0, row, 1, [], "", "SIGKILL")
    return core


def fail(core: Core, seconds: float, now: float = 0.0) -> float:
    """All starts fail until then; when the last did."""
    last = now
    while (due := core.due()) is not None and due <= seconds:
        now = max(now, due)
        for row, generation in rows(at(core, Spawn, now)):
            last = now
            core.agent_down(now, row, generation, [], "spawn", "no memory")
    return last


def test_a_pool_that_nobody_comes_up_in_any_more_is_broken_in_the_end() -> None:
    core = deserted(2)
    core.submit(2, 1, after=[core.submit(1, 1)])
    now = fail(core, DESERTED)
    assert [core.pools[0].broken] == [None]
    assert fail(core, 100.0, now) < 2 * DESERTED
    assert [core.pools[0].broken] == ["no memory"]
    assert not core.ranges
    assert core.failed == 3
    assert not at(core, Spawn, 200.0)
    assert core.due() is None


def test_a_whole_wave_of_failed_forks_says_no_more_than_one() -> None:
    core = fleet(6, up=False)
    for row in range(6):
        core.agent_down(0.0, row, 1, [], "spawn", "no memory")
    now = 0.0
    while not core.pools[0].broken:
        for row, generation in rows(at(core, Spawn, now)):
            assert core.starting == 1
            core.agent_down(now, row, generation, [], "spawn", "no memory")
        now += 0.01
    assert now > 0.0
    assert core.pools[0].broken == "no memory"
    assert 4 <= max(agent.generation for agent in core.agents) - 1 <= 5
    assert core.spawn_failures <= 6 * 4


def test_failed_forks_break_no_pool_while_another_of_its_agents_is_starting() -> None:
    core = fleet(2, up=False)
    for now in range(4):
        core.agent_down(now, 1, core.agents[1].generation, [], "spawn", "no memory")
        assert core.pools[0].broken is None
        at(core, Spawn, now + 0.9)
    core.agents_up([(0, 1)])
    assert core.settled
    assert core.pools[0].wanted == 1


def test_one_success_starts_the_count_anew() -> None:
    core = deserted(1)
    fail(core, DESERTED - 1.0)
    now = core.due()
    assert now is not None
    (who,) = rows(at(core, Spawn, now))
    core.agents_up([who])
    core.agent_down(now, *who, [], "", "SIGKILL")
    fail(core, now + DESERTED, now)
    assert core.pools[0].broken is None


def test_a_pool_is_not_deserted_while_one_is_still_starting() -> None:
    core = deserted(2)
    assert rows(at(core, Spawn, 0.0)) == [(0, 2), (1, 2)]
    now, given_up = 0.0, 0
    while given_up < 10:  # one takes its time over its start; the other never makes it
        core.agent_down(now, 0, core.agents[0].generation, [], "spawn", "no memory")
        core._window = 2  # as after successes elsewhere
        while not core.agents[0].starting:
            due = core.due()
            assert due is not None
            core.tick(now := due)
            given_up += len(take(core, Happened, now))
    assert now > 2 * DESERTED
    assert core.pools[0].broken is None


def test_a_broken_pool_starts_nobody_of_those_still_to_be_started() -> None:
    core = fleet(9, up=False, spawn_limit=3)
    for row in range(3):
        core.agent_down(0.0, row, 1, [], "start", "no module named x")
    assert core.pools[0].broken
    assert not at(core, Spawn, 60.0)
    assert core.settled


# -- how agents end


@pytest.mark.parametrize("why", ["cancelled", "health", "recycled", "retired", "stopped"])
def test_some_ends_are_nobodys_fault(why: str) -> None:
    core = fleet(2, minimum=1)
    core.submit(1, 1)
    (send,) = take(core, Send)
    assert core.culprit(send.batch, 0, why) is None
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], why, "")
    assert core.ranges[1].attempts == {}
    pool = core.pools[0]
    assert (pool.recycled, pool.retired) == (why == "recycled", why == "retired")
    back = rows(at(core, Spawn, 0.0))
    assert back == ([(0, 2)] if why in ("cancelled", "health", "recycled") else [])
    assert pool.restarts == (why in ("cancelled", "health"))


def test_a_task_that_took_too_much_memory_is_blamed() -> None:
    core = fleet()
    core.submit(1, 1, options=Options(crash_limit=1))
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "memory", "it took 3 GB")
    (over,) = take(core, TasksOver)
    assert over.kind == "poisoned"
    assert "3 GB" in over.text


def test_one_that_is_recycled_before_it_has_done_anything_must_wait() -> None:
    """It would be so for ever, and as fast as the machine can."""
    core = fleet()
    for generation in (1, 2, 3):
        core.agents_up([(0, generation)])
        core.agent_down(0.0, 0, generation, [], "recycled", "too large")
        if generation == 1:
            assert rows(take(core, Spawn)) == [(0, 2)]
        else:
            assert not take(core, Spawn)
            assert core.due() == pytest.approx(0.05 * (generation - 1))
            at(core, Spawn, 0.1)
    assert core.pools[0].recycled == 3


def test_what_waits_for_one_that_was_retired_is_called_back() -> None:
    """It was sent when the host had already chosen whom to retire: a long task would wait behind another."""
    core = fleet(2, minimum=1)
    known(core, 1.0)
    core.submit(2, 1)
    assert len(take(core, Send)) == 2
    core.agent_down(0.0, 1, 1, [], "retired", "")
    assert take(core, Recall) == [Recall(0)]


# -- hosts


def test_a_host_without_agents_dies_unmissed_until_one_is_wanted() -> None:
    core = fleet(1, 2, minimum=0, maximum=4)
    core.host_down(0.0, 1, {}, "OOM")
    assert core.due() is None or not at(core, StartHost, 1.0)
    core.submit(9, 1)
    take(core, Send, 1.0)
    assert at(core, StartHost, 1.05) == [StartHost(1)]


def host_back(core: Core) -> float:
    """Another host comes as soon as it may, with its agents; when."""
    now = core.due()
    assert now is not None
    core.tick(now)
    assert there(core, now) == [0]
    core.agents_up(rows(take(core, Spawn, now)))
    return now


def test_hosts_that_die_before_they_have_done_anything_must_wait_and_then_break_their_pool() -> None:
    core = fleet()
    now, delays = 0.0, []
    for _ in range(HOPELESS - 1):
        core.host_down(now, 0, {}, "OOM")
        delays.append(host_back(core) - now)
        now += delays[-1]
    assert delays == pytest.approx([0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
    assert core.pools[0].broken is None
    core.host_down(now, 0, {}, "OOM")
    assert core.pools[0].broken == "OOM"


def test_a_host_that_has_done_something_or_lived_for_long_has_proved_itself() -> None:
    core = fleet()
    now = 0.0
    for number in range(3 * HOPELESS):
        core.submit(1, 1)
        (send,) = take(core, Send, now)
        if number % 2:
            now += PROVEN_AFTER
        finish(core, send) if number % 2 == 0 else core.returned([(send.batch, 0, 0)])
        core.cancel(number + 1, 0)
        core.host_down(now, 0, {}, "OOM")
        assert core.shards[0].early_deaths == 1
        now = host_back(core)
    assert core.pools[0].broken is None


def test_a_task_that_kills_hosts_makes_them_wait_but_breaks_no_pool() -> None:
    core = fleet()
    core.submit(1, 1, options=Options(crash_limit=2 * HOPELESS))
    now = 0.0
    for _ in range(2 * HOPELESS - 1):
        (send,) = take(core, Send, now)
        core.host_down(now, 0, {send.batch: 0}, "OOM")
        now = host_back(core)
    assert now > PROVEN_AFTER
    assert core.pools[0].broken is None


def test_one_shard_without_a_host_breaks_no_pool_that_has_another() -> None:
    core = fleet(2, 2)
    now = 0.0
    for _ in range(2 * HOPELESS):
        core.host_down(now, 0, {}, "OOM")
        now = host_back(core)
    assert core.pools[0].broken is None
