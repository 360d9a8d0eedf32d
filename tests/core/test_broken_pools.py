"""Pools that can't start: when they are given up, and what becomes of their tasks."""

from __future__ import annotations

from cores import finish, fleet, known, take

from engine.core.actions import Happened, RangeOver, Recall, Send, Spawn, TasksOver
from engine.core.core import Core
from engine.core.tasks import FAILED, Options


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
    core.returned([(sends[3].batch, 0, 0)])
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
