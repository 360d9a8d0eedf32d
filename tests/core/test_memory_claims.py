"""Memory that tasks say they take: counted, taken together with claims and lanes, and kept for who waited long."""

from __future__ import annotations

import pytest
from cores import finish, fleet, take
from hypothesis import given
from hypothesis import strategies as st

from engine.core.actions import Send
from engine.core.claims import Claim
from engine.core.core import Core
from engine.core.desk import PATIENCE
from engine.core.explain import explain
from engine.core.tasks import Options
from engine.core.wording import describe

GIB = 1 << 30
ONE = Options(batch_size=1)


def sent(core: Core) -> dict[int, Send]:
    return {send.range: send for send in take(core, Send)}


def test_what_runs_at_once_takes_no_more_than_there_is() -> None:
    core = fleet(8)
    core.set_memory(6)
    big, small, plain = core.submit(2, 1, 0, ONE, memory=4), core.submit(3, 1, 0, ONE, memory=1), core.submit(1, 1)
    out = take(core, Send)
    assert sorted(send.range for send in out) == [big, small, small, plain], "one big, and as many small ones as fit"
    assert core.desk.claims.memory.used == 6
    finish(core, next(send for send in out if send.range == big))
    assert [send.range for send in take(core, Send)] == [big], "first come, first served"
    assert core.desk.claims.memory.used == 6


def test_an_agent_that_dies_gives_its_memory_back() -> None:
    core = fleet(2)
    core.set_memory(4)
    core.submit(1, 1, 0, ONE, memory=3)
    (send,) = take(core, Send)
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "", "died")
    assert not core.desk.claims.memory.holders
    assert len(take(core, Send)) == 1, "it runs again"
    assert core.desk.claims.memory.used == 3


def test_it_is_taken_with_all_else_or_not_at_all() -> None:
    core = fleet(4)
    core.set_memory(4)
    core.set_lane("l", 1)
    holder = core.submit(1, 1, claims=[Claim("a")])
    both = core.submit(1, 1, claims=[Claim("a")], lane="l", memory=4)
    other = core.submit(1, 1, memory=4)
    first = sent(core)
    assert set(first) == {holder, other}, "who waits for a claim takes no memory"
    finish(core, first[holder])
    assert not sent(core)
    finish(core, first[other])
    assert set(sent(core)) == {both}


def test_who_takes_more_than_there_ever_is_is_refused() -> None:
    core = fleet(1)
    core.set_memory(4)
    with pytest.raises(ValueError, match="5 bytes of memory can't be had: there are 4 for tasks"):
        core.submit(1, 1, memory=5)
    with pytest.raises(ValueError, match="can't be"):
        core.set_memory(0)
    assert not core.ranges


def test_who_takes_more_than_there_is_by_now_runs_alone() -> None:
    core = fleet(4)
    core.set_memory(4)
    big, small = core.submit(1, 1, 0, ONE, memory=4), core.submit(2, 1, 0, ONE, memory=1)
    core.set_memory(2)
    first = take(core, Send)
    assert [send.range for send in first] == [big]
    assert (core.desk.claims.memory.used, core.desk.claims.memory.most) == (4, 4)
    finish(core, first[0])
    assert [send.range for send in take(core, Send)] == [small, small]


def test_a_big_one_is_not_passed_over_for_ever() -> None:
    core = fleet(4)
    core.set_memory(4)
    core.submit(4, 1, 0, ONE, memory=1)
    out = take(core, Send)
    big = core.submit(1, 1, 0, ONE, memory=4)
    for _ in range(PATIENCE + 5):
        core.submit(1, 1, 0, ONE, memory=1)
        finish(core, out.pop(0))
        out += take(core, Send)
        if any(send.range == big for send in out):
            return
    raise AssertionError("small ones passed it over again and again")


def test_why_it_waits_is_told() -> None:
    core = fleet(4)
    core.set_memory(6 * GIB)
    core.submit(1, 1, memory=5 * GIB)
    waits = core.submit(1, 1, memory=2 * GIB)
    core.take(1.0)
    lines = describe(explain(core, waits, 0), lambda number, at: f"r{number}[{at}]", str, 3.0)
    assert lines == ["ready for 2.0 s", "waits for memory: 2.0 GiB of 6.0 GiB, 1.0 GiB free; held by r1[0] for 2.0 s"]


@given(
    tasks=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(-1, 1)), min_size=1, max_size=15),
    choices=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    agents=st.integers(1, 6),
    limits=st.lists(st.integers(9, 20), min_size=1, max_size=5),
)
def test_never_more_than_there_is_and_everybody_runs(
    tasks: list[tuple[int, int, int]], choices: list[int], agents: int, limits: list[int]
) -> None:
    core = fleet(agents)
    core.set_memory(limit := limits[0])
    takes = {}
    for count, memory, priority in tasks:
        takes[core.submit(count, 1, 0, Options(batch_size=1, priority=priority), memory=memory)] = memory
    out, turn, seen = take(core, Send), 0, 0
    while out:
        seen += 1
        used = sum(takes[send.range] for send in out)
        assert used == core.desk.claims.memory.used
        assert used <= max(limit, core.desk.claims.memory.most)
        finish(core, out.pop(choices[turn % len(choices)] % len(out)))
        if turn % 7 == 6:
            core.set_memory(limit := limits[turn % len(limits)])
        out += take(core, Send)
        turn += 1
    assert seen == sum(count for count, _, _ in tasks)
    assert not core.desk.claims.memory.holders


def test_what_somebody_outside_holds_keeps_tasks_waiting() -> None:
    core = fleet(2)
    core.set_lane("l", 1)
    number, bar = core.hold(0.0, [Claim("src/**")], "l")
    assert (bool(number), bar) == (True, "")
    assert core.hold(0.0, [Claim("src/a")]) == (0, "src/a")
    assert core.hold(0.0, [], "l") == (0, "l")
    waits = core.submit(1, 1, claims=[Claim("src/a")])
    assert not sent(core)
    lines = describe(explain(core, waits, 0), lambda number, at: f"r{number}[{at}]", str, 2.0)
    assert lines[1] == f"claim src/a is held by r{number}[0] (as src/**) for 2.0 s"
    core.let_go(number)
    assert set(sent(core)) == {waits}
    assert core.hold(0.0, [Claim("src/**")]) == (0, "src/**")
