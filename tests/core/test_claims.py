"""Claims and lanes: what is taken together, by whom it is held, and that it is free again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest
from cores import finish, fleet, known, take, there

from engine.core import patterns
from engine.core.actions import Recall, Send, Spawn, TasksOver
from engine.core.claims import Claim
from engine.core.core import Core
from engine.core.invariants import check
from engine.core.patterns import overlaps
from engine.core.tasks import READY, SENT, Options


def claims(*names: str) -> list[Claim]:
    """Claims by name; those with a + in front are shared."""
    return [Claim(name.lstrip("+"), name.startswith("+")) for name in names]


def sent(core: Core, now: float = 0.0) -> dict[int, Send]:
    """What is sent now, by range."""
    return {send.range: send for send in take(core, Send, now)}


def pools(*agents: int) -> Core:
    """A core with so many pools, all agents of which are up."""
    core = Core()
    for number, size in enumerate(agents):
        core.add_pool(f"p{number}", size, 1)
    there(core)
    take(core, object)
    core.agents_up((agent.row, 1) for agent in core.agents)
    return core


def gone(core: Core) -> bool:
    """Nothing is held, wanted or known any more."""
    known = core.desk.claims
    return not (known.resources or known._needs or core.desk) and not any(lane.used for lane in known.lanes.values())


# -- claims ------------------------------------------------------------------------------------------------------


def test_an_exclusive_claim_is_held_by_one_at_a_time() -> None:
    core = fleet(4)
    one, two, other, free = (core.submit(1, 1, claims=claims(name)) for name in ("a", "a", "b", "c"))
    first = sent(core)
    assert set(first) == {one, other, free}
    assert not sent(core), "nothing has changed"
    finish(core, first[other])
    assert not sent(core)
    finish(core, first[one])
    (last,) = sent(core).values()
    assert last.range == two
    finish(core, last)
    finish(core, first[free])
    assert gone(core)


def test_those_who_share_do_so_and_who_comes_behind_them_is_let_in_by_turns() -> None:
    core = fleet(5)
    one, two, alone, three = (core.submit(1, 1, claims=claims(name)) for name in ("+a", "+a", "a", "+a"))
    first = sent(core)
    assert set(first) == {one, two, three}, "whoever can run, runs"
    finish(core, first[one])
    finish(core, first[three])
    assert not sent(core)
    finish(core, first[two])
    late = core.submit(1, 1, claims=claims("+a"))
    assert set(sent(core)) == {alone}, "both can, and this one came first"
    assert late in core.ranges


TOGETHER = pytest.mark.parametrize(
    ("held", "wanted", "together"),
    [
        (["src/gpu/**"], ["src/gpu/kernel.rs"], False),
        (["src/gpu/kernel.rs"], ["src/gpu/**"], False),
        (["+src/gpu/**"], ["+src/gpu/kernel.rs"], True),
        (["+src/gpu/**"], ["src/gpu/kernel.rs"], False),
        (["src/gpu/**"], ["src/core/**", "Cargo.toml"], True),
        (["src/**"], ["src/*/mod.rs"], False),
        (["a", "b"], ["c", "b"], False),
        (["./a//b"], ["a/b"], False),
        (["+a", "a"], ["+a"], False),
        (["src/**", "+src/lib.rs"], ["docs/**"], True),
        ([], [], True),
    ],
)


@TOGETHER
@pytest.mark.parametrize("later", [False, True])
def test_what_can_be_held_together(held: list[str], wanted: list[str], together: bool, later: bool) -> None:
    """Also if what is wanted has never been heard of before the other is held."""
    core = fleet(2)
    one = core.submit(1, 1, claims=claims(*held))
    first = sent(core) if later else {}
    two = core.submit(1, 1, claims=claims(*wanted))
    first |= sent(core)
    assert set(first) == ({one, two} if together else {one})
    finish(core, first[one])
    if not together:
        first |= sent(core)
        assert two in first
    finish(core, first[two])
    assert gone(core)


def test_all_is_taken_at_once_or_nothing() -> None:
    core = fleet(4)
    holder = core.submit(1, 1, claims=claims("a"))
    both = core.submit(1, 1, claims=claims("a", "b"))
    other = core.submit(1, 1, claims=claims("b"))
    first = sent(core)
    assert set(first) == {holder, other}, "who waits for a holds no b"
    finish(core, first[holder])
    assert not sent(core)
    finish(core, first[other])
    assert set(sent(core)) == {both}


def test_two_who_want_the_same_in_another_order_do_not_wait_for_each_other() -> None:
    core = fleet(2)
    ranges = [core.submit(1, 1, claims=claims(*names)) for names in (("a", "b"), ("b", "a")) for _ in range(5)]
    for number in ranges:
        (send,) = sent(core).values()
        assert send.range == number
        finish(core, send)
    assert gone(core)


def test_names_that_tasks_hold_one_by_one_within_a_range() -> None:
    core = fleet(8)
    known(core, 1.0)
    own = [claims(f"n{index % 3}") for index in range(9)]
    number = core.submit(9, 1, each=own, claims=claims("+all"))
    sends = take(core, Send)
    assert [(s.first, s.count) for s in sends] == [(0, 1), (1, 1), (2, 1)]
    alone = core.submit(1, 1, claims=claims("all"))
    finish(core, sends[1])
    assert [s.first for s in take(core, Send)] == [4]
    assert core.cancel(number, 3)
    finish(core, sends[0])
    assert [s.first for s in take(core, Send)] == [6], "past the one that was cancelled"
    assert alone in core.ranges
    core.cancel_rest(number)
    check(core)
    assert not take(core, Send)


def test_a_batch_of_tasks_that_need_the_same_holds_it_once() -> None:
    core = fleet(3)
    known(core, 0.001)
    number = core.submit(40, 1, claims=claims("a"))
    other = core.submit(40, 1, each=[claims("b")] * 20 + [claims("c")] * 20)
    first = sent(core)
    assert (first[number].count, first[number].prefetch) == (20, 0)
    runs = [(b.first, b.count) for b in core.batches.values() if b.range.id == other]
    assert runs == [(0, 10), (20, 10)], "a batch has one set of claims"
    assert core.outcomes(0, first[number].batch, 0, 19, (), 19_000_000)
    assert not sent(core), "the last of it still runs"
    assert core.outcomes(0, first[number].batch, 19, 1, (), 1_000_000)
    assert sent(core)[number].first == 20


def test_tasks_with_claims_do_not_wait_in_the_queues_of_busy_agents() -> None:
    core = fleet(1)
    known(core, 0.0001)
    core.submit(1, 1, claims=claims("a"))
    other = core.submit(1, 1, claims=claims("b"))
    plain = core.submit(5, 1)
    (first,) = take(core, Send)
    assert not take(core, Send), "nor do those who come behind go there, or there would never be an idle agent"
    finish(core, first)
    sends = take(core, Send)
    assert [s.range for s in sends] == [other, *[plain] * (len(sends) - 1)]


def test_who_came_before_goes_before_with_claims_or_without() -> None:
    core = fleet(1)
    known(core, 1.0)
    order = [
        core.submit(1, 1),
        core.submit(1, 1, claims=claims("a")),
        core.submit(1, 1),
        core.submit(1, 1, claims=claims("a")),
    ]
    high = core.submit(1, 1, claims=claims("b"), options=Options(priority=1))
    higher = core.submit(1, 1, options=Options(priority=2))
    seen = []
    while core.ranges:
        (send,) = take(core, Send)
        seen.append(send.range)
        finish(core, send)
    assert seen == [higher, high, *order]


def test_a_claim_goes_to_the_highest_priority_of_all_pools() -> None:
    core = pools(1, 1, 1)
    holder = core.submit(1, 1, 0, claims=claims("a"))
    (first,) = take(core, Send)
    assert first.range == holder
    low = core.submit(1, 1, 1, Options(priority=1), claims=claims("a"))
    high = core.submit(1, 1, 2, Options(priority=2), claims=claims("a"))
    finish(core, first)
    (second,) = take(core, Send)
    assert second.range == high
    core.agent_down(0.0, 2, 1, [(second.batch, 0)], "", "died")
    assert [s.range for s in take(core, Send)] == [low], "there is nobody for the other"


# -- how they are free again -------------------------------------------------------------------------------------


def holding(*wanted: str) -> tuple[Core, Send, int]:
    """One holds a claim and another waits for it."""
    core = fleet(3, 3)
    known(core, 0.001)
    core.submit(8, 1, claims=claims(*wanted), options=Options(crash_limit=3))
    (send,) = take(core, Send)
    waits = core.submit(1, 1, claims=claims(*wanted), options=Options(priority=1))
    assert not take(core, Send)
    return core, send, waits


@pytest.mark.parametrize("why", ["", "timeout", "memory", "killed", "stopped", "recycled", "health"])
def test_the_end_of_an_agent_frees_its_claims(why: str) -> None:
    core, send, waits = holding("a")
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], why, "gone")
    assert waits in sent(core)


def test_the_end_of_a_host_frees_its_claims() -> None:
    core, send, waits = holding("a/**")
    core.host_down(0.0, send.shard, {}, "gone")
    assert waits in sent(core)


def test_what_is_given_back_unbegun_frees_its_claims() -> None:
    core, send, waits = holding("a")
    core.pause()
    assert take(core, Recall) == [Recall(send.shard, (send.batch,))]
    core.returned([(send.batch, 3, 0)])
    core.resume()
    assert not sent(core), "three of them still run"
    assert core.outcomes(0, send.batch, 0, 3, (), 3000)
    assert waits in sent(core)


def test_a_failure_that_is_tried_again_frees_its_claims() -> None:
    core = fleet(2)
    one = core.submit(1, 1, claims=claims("a"), options=Options(retries=1))
    (send,) = take(core, Send)
    two = core.submit(1, 1, claims=claims("a"), options=Options(priority=1))
    finish(core, send, failed=(0,))
    (send,) = take(core, Send)
    assert send.range == two
    finish(core, send)
    assert one in sent(core)


def test_a_task_that_is_called_off_holds_its_claim_until_it_is_over() -> None:
    core = fleet(2)
    one = core.submit(1, 1, claims=claims("a"))
    (send,) = take(core, Send)
    two = core.submit(1, 1, claims=claims("a"))
    assert core.cancel(one, 0, running=True)
    assert one not in core.ranges
    assert not sent(core), "its agent may still write there"
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "cancelled", "stopped")
    assert set(sent(core)) == {two}


def test_what_an_earlier_attempt_says_late_touches_nothing() -> None:
    core, send, waits = holding("a")
    core.agent_down(0.0, 0, 1, [(send.batch, -1)], "", "gone")
    now = sent(core)
    assert set(now) == {waits}
    assert core.outcomes(0, send.batch, 0, 8, (), 1000) is None
    core.agent_down(0.0, 0, 1, [(send.batch, 0)], "", "gone")
    core.returned([(send.batch, 0, 0)])
    assert not sent(core)
    check(core)


def test_a_broken_pool_lets_others_have_what_it_waited_for() -> None:
    core = pools(1, 1)
    core.submit(1, 1, 0, claims=claims("a"))
    (first,) = take(core, Send)
    core.submit(2, 1, 0, claims=claims("a"))
    other = core.submit(1, 1, 1, claims=claims("a"))
    core.break_pool(0, "no such module")
    finish(core, first)
    (last,) = take(core, Send)
    assert last.range == other
    finish(core, last)
    assert gone(core)


# -- lanes -------------------------------------------------------------------------------------------------------


def test_a_lane_is_a_limit_over_all_pools() -> None:
    core = pools(3, 3)
    core.desk.set_lane("cloud", 2)
    known(core, 1.0)
    one, two = (core.submit(3, 1, pool, lane="cloud") for pool in (0, 1))
    sends = take(core, Send)
    assert [s.range for s in sends] == [one, one]
    finish(core, sends[0])
    sends += take(core, Send)
    assert [s.range for s in sends[2:]] == [one]
    core.desk.set_lane("cloud", 5)
    sends += take(core, Send)
    assert [s.range for s in sends[3:]] == [two] * 3
    core.desk.set_lane("cloud", 1)
    for send in sends[1:5]:
        finish(core, send)
    assert core.desk.claims.lanes["cloud"].used == 1
    assert not take(core, Send)
    finish(core, sends[5])
    assert gone(core)


def test_a_lane_of_nothing_waits_and_an_unknown_one_is_refused() -> None:
    core = fleet()
    core.desk.set_lane("local", 0)
    number = core.submit(1, 1, lane="local")
    assert not take(core, Send)
    with pytest.raises(ValueError, match=r"no lane 'loco'; there is 'local'"):
        core.submit(1, 1, lane="loco")
    with pytest.raises(ValueError, match="a limit of -1"):
        core.desk.set_lane("local", -1)
    core.desk.set_lane("local", 1)
    assert set(sent(core)) == {number}


def test_a_place_in_a_lane_is_taken_together_with_claims() -> None:
    core = fleet(4)
    core.desk.set_lane("local", 1)
    holder = core.submit(1, 1, claims=claims("a"))
    both = core.submit(1, 1, claims=claims("a"), lane="local")
    lane = core.submit(1, 1, lane="local")
    first = sent(core)
    assert set(first) == {holder, lane}, "who waits for a claim takes no place"
    finish(core, first[holder])
    assert not sent(core)
    finish(core, first[lane])
    assert set(sent(core)) == {both}


def test_a_batch_takes_one_place_because_one_agent_runs_it() -> None:
    core = fleet(4)
    known(core, 0.001)
    core.desk.set_lane("local", 2)
    core.submit(100, 1, lane="local")
    assert [s.count for s in take(core, Send)] == [20, 20]


# -- what they cost others ---------------------------------------------------------------------------------------


def test_pools_do_not_grow_for_tasks_that_can_not_run() -> None:
    core = fleet(1, maximum=9, minimum=1)
    known(core, 1.0)
    core.submit(20, 1, claims=claims("a"))
    take(core, Send)
    for now in (0.0, 0.1, 0.2, 1.0):
        assert not take(core, Spawn, now)
    core.submit(5, 1, claims=claims("+b"))
    take(core, Spawn, 1.1)
    assert sum(len(s.agents) for now in (1.2, 1.3, 1.4) for s in take(core, Spawn, now)), "these could"


def test_an_agent_that_is_started_on_demand_is_started_for_what_can_run() -> None:
    core = fleet(1, maximum=9, on_demand=True, up=False)
    core.submit(5, 1, claims=claims("a"))
    assert sum(len(s.agents) for s in take(core, Spawn)) == 1


def test_bad_claims_leave_no_trace() -> None:
    core = fleet()
    for bad in (
        {"claims": claims("a", "..")}, {"each": [claims("b"), claims("/")]}, {"each": [claims("b")]},
        {"each": [[], []], "lane": "none"}, {"claims": claims("")},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"claim|lane"):
            core.submit(2, 1, **bad)
    assert core.submit(1, 1, claims=claims("a")) == 1
    assert set(core.desk.claims.resources) == {"a"}


def test_what_nobody_claims_any_more_is_forgotten() -> None:
    core = fleet(2)
    pattern = core.submit(1, 1, claims=claims("d/*"))
    for name in ("d/x", "d/y", "e"):
        core.submit(1, 1, claims=claims(name))
    assert {o.name for o in core.desk.claims.resources["d/x"].patterns} == {"d/*"}
    core.cancel_rest(pattern)
    check(core)
    assert set(core.desk.claims.resources) == {"d/x", "d/y", "e"}
    assert not core.desk.claims.resources["d/x"].patterns


def test_ten_thousand_names_and_a_pattern_over_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is compared with it when it comes up and when it goes, and nobody looks at all of them in between."""
    compared = count()
    monkeypatch.setattr(patterns, "overlaps", lambda *texts: next(compared) >= 0 and overlaps(*texts))
    core = fleet(4)
    known(core, 1e-6)
    names = 10_000
    core.submit(1, 1, claims=claims("f/**"))
    number = core.submit(names, 1, each=[claims(f"f/{index}") for index in range(names)])
    last = core.submit(1, 1, claims=claims("f/**"))
    order = []
    while core.ranges:
        for action in core.take(0.0):
            if isinstance(action, Send):
                order.append(action.range)
                core.outcomes(0, action.batch, 0, action.count, (), 1000)
    assert order == [1, *[number] * names, last], "it comes after all of them"
    assert gone(core)
    assert names <= next(compared) <= 3 * names


# -- gates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("go", [True, False])
def test_what_comes_after_a_gate_waits_for_a_decision(go: bool) -> None:
    core = fleet(3)
    first = core.submit(1, 1)
    gate = core.open_gate()
    after = core.submit(2, 1, after=[first, gate])
    later = core.submit(1, 1, after=[after])
    send = sent(core)[first]
    core.decide(gate, go, "" if go else "gate week-4 said stop: 0.82 is below 0.9")
    check(core)
    if go:
        assert after in core.ranges
        finish(core, send)
        assert after in sent(core)
    else:
        assert set(core.ranges) == {first}
        texts = [(a.range, a.text) for a in take(core, TasksOver)]
        assert texts[0] == (after, "gate week-4 said stop: 0.82 is below 0.9")
        assert texts[1][0] == later
        late = core.submit(1, 1, after=[gate])
        assert late not in core.ranges
    with pytest.raises(ValueError, match=f"no gate {gate}"):
        core.decide(gate, go)


def test_after_a_gate_that_is_open_already_nobody_waits() -> None:
    core = fleet()
    gate = core.open_gate()
    core.decide(gate, True)
    number = core.submit(1, 1, after=[gate])
    assert core.ranges[number].state[0] == READY
    assert set(sent(core)) == {number}
    assert core.ranges[number].state[0] == SENT


def test_priorities_may_be_as_many_as_tasks() -> None:
    core = fleet()
    known(core, 1.0)
    wanted: Iterable[int] = [7, -3, 12, 0, 99, 5]
    ranges = {core.submit(1, 1, options=Options(priority=priority)): priority for priority in wanted}
    seen = []
    while core.ranges:
        (send,) = take(core, Send)
        seen.append(ranges[send.range])
        finish(core, send)
    assert seen == sorted(wanted, reverse=True)
