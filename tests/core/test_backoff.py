"""Agents that die before they begin a task: each start waits longer than the one before, which is told in the end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from cores import fleet, take
from hypothesis import given
from hypothesis import strategies as st

from engine.core.actions import Happened, Send, Spawn
from engine.core.core import Core
from engine.core.pools import FIRST_DELAY, LONGEST_DELAY, SLOW, backoff
from engine.core.staff import DESERTED


def die(core: Core, now: float, row: int = 0, why: str = "", running: int | None = None) -> list[Happened]:
    """An agent dies, in a task of the batch `running` if there is one; what is told of that."""
    batches = [] if running is None else [(running, 0)]
    core.agent_down(now, row, core.agents[row].generation, batches, why, "SIGKILL")
    return take(core, Happened, now)


def start(core: Core, row: int = 0) -> float:
    """The next agent comes up, as soon as it may; when that is."""
    now = core.due()
    assert now is not None
    core.tick(now)
    (spawn,) = take(core, Spawn, now)
    assert spawn.agents == ((row, core.agents[row].generation),)
    core.agents_up(spawn.agents)
    return now


# -- how long ----------------------------------------------------------------------------------------------------------


@given(st.integers(-1, 10_000))
def test_each_wait_is_twice_the_one_before_up_to_the_longest(deaths: int) -> None:
    wait, after = backoff(deaths), backoff(deaths + 1)
    assert 0.0 <= wait <= after <= LONGEST_DELAY
    if deaths <= 0:
        assert wait == after == 0.0, "the first death may be by chance"
    elif deaths == 1:
        assert after == FIRST_DELAY
    else:
        assert after == min(2 * wait, LONGEST_DELAY)


def test_an_agent_that_dies_time_and_again_is_started_ever_later() -> None:
    core = fleet()
    now, waits = 0.0, []
    for _ in range(12):
        die(core, now)
        waits.append(start(core) - now)
        now += waits[-1]
    assert waits == pytest.approx([backoff(deaths) for deaths in range(1, 13)])
    assert waits[-1] == pytest.approx(LONGEST_DELAY)


# -- what is told ------------------------------------------------------------------------------------------------------


def test_it_is_told_once_a_start_waits_for_a_while_and_then_seldom() -> None:
    core = fleet()
    now, told = 0.0, []
    while now < 100.0:
        found = die(core, now)
        begun = start(core)
        told += [(now, begun - now, event) for event in found]
        now = begun
    (at, wait, first), *later = told
    assert (first.level, first.kind, first.data) == ("warning", "pool.backoff", {"pool": "p", "row": 0})
    assert wait >= SLOW > wait / 2, "at the first one that is long"
    assert first.text == f"agents of pool p die before they begin a task: the next start of p/0 waits {wait:g} s"
    times = [at, *(time for time, _, _ in later)]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps
    assert all(DESERTED <= gap <= DESERTED + LONGEST_DELAY for gap in gaps)
    assert later[-1][2].text.endswith(f"waits {LONGEST_DELAY:g} s")


@pytest.mark.parametrize("why", ["killed", "retired", "stopped"])
def test_what_is_asked_for_is_no_sign_of_that(why: str) -> None:
    core = fleet()
    core.agents[0].early_deaths = 20
    assert die(core, 1.0, why=why) == []
    assert core.agents[0].early_deaths == 0


def test_who_has_begun_a_task_does_not_count() -> None:
    """A task that kills agents has a limit of its own."""
    core = fleet()
    core.submit(1, 1)
    core.agents[0].early_deaths = 20
    (send,) = take(core, Send)
    assert die(core, 1.0, running=send.batch) == []
    assert start(core) == 1.0, "its place is taken at once"


def test_agents_are_told_of_by_pool() -> None:
    core = fleet(2)
    other = core.add_pool("q", 1, 1)
    core.host_up(0.0, 1)
    (row,) = other.rows
    core.agents_up([(row, 1)])
    for each in (0, 1, row):
        core.agents[each].early_deaths = 20
    assert [event.data for event in die(core, 1.0, 0)] == [{"pool": "p", "row": 0}]
    assert die(core, 1.0, 1) == [], "one of them says enough"
    assert [event.data for event in die(core, 1.0, row)] == [{"pool": "q", "row": row}]
