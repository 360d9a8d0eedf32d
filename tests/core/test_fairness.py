"""Whoever can run, runs; and whoever waits, for however much, has its turn, though others never cease to come."""

from __future__ import annotations

from itertools import cycle

import pytest
from cores import fleet, known, take
from hypothesis import given
from hypothesis import strategies as st

from engine.core import desk
from engine.core.actions import Send
from engine.core.claiming import check_nothing_left, conflict
from engine.core.claims import Claim, Needs
from engine.core.core import Core
from engine.core.desk import PATIENCE
from engine.core.tasks import Options

NAMES = ("a", "b", "c", "d/x", "d/y", "d/*")
SECOND = 1_000_000_000


class Crowd:
    """A core, and the batches that are out, in the order in which they were sent."""

    def __init__(self, agents: int = 8) -> None:
        self.core: Core = fleet(agents)
        known(self.core, 1.0)
        self.out: list[Send] = []
        self.seen: list[int] = []
        self.core.desk.set_lane("l", 1)

    def submit(self, *claims: Claim | str, priority: int = 0, lane: str | None = None) -> int:
        all_of_it = [Claim(claim) if isinstance(claim, str) else claim for claim in claims]
        return self.core.submit(1, 1, options=Options(priority=priority), claims=all_of_it, lane=lane)

    def take(self) -> None:
        for action in self.core.take(0.0):
            if isinstance(action, Send):
                self.out.append(action)
                self.seen.append(action.range)
        check_nothing_left(self.core)

    def end(self, number: int) -> None:
        self.finish(next(at for at, send in enumerate(self.out) if send.range == number))

    def finish(self, which: int) -> None:
        send = self.out.pop(which % len(self.out))
        self.core.outcomes(0, send.batch, 0, send.count, (), SECOND)
        self.take()


def in_turns(crowd: Crowd, wanted: int, *streams: Claim | str | None, most: int) -> int:
    """Of each stream one runs while the other ends, so that they are never free together; how often, until `wanted`
    has its turn. None: a stream of those who want a place in the lane."""
    for turn in range(most):
        for claim in streams:
            if claim is None:
                crowd.submit(lane="l")
            else:
                crowd.submit(claim)
        crowd.take()
        if wanted in crowd.seen:
            return turn
        crowd.finish(0)
    return most


def test_who_wants_two_things_has_both_though_they_are_never_free_together() -> None:
    crowd = Crowd()
    for name in ("a", "b"):
        crowd.submit(name)
    crowd.take()
    both = crowd.submit("a", "b")
    assert PATIENCE // 2 <= in_turns(crowd, both, "a", "b", most=1000) <= 2 * PATIENCE + 4


def test_without_a_reservation_it_would_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PATIENCE", 1 << 60)
    crowd = Crowd()
    for name in ("a", "b"):
        crowd.submit(name)
    crowd.take()
    assert in_turns(crowd, crowd.submit("a", "b"), "a", "b", most=200) == 200


def test_who_wants_it_alone_has_it_though_others_share_it_without_a_break() -> None:
    crowd = Crowd()
    crowd.submit(Claim("a", True))
    crowd.take()
    alone = crowd.submit("a")
    assert PATIENCE // 2 <= in_turns(crowd, alone, Claim("a", True), most=1000) <= 2 * PATIENCE + 4


def test_who_wants_a_whole_folder_has_it_though_its_files_are_never_all_free() -> None:
    crowd = Crowd()
    for name in ("d/x", "d/y"):
        crowd.submit(name)
    crowd.take()
    folder = crowd.submit("d/**")
    assert in_turns(crowd, folder, "d/x", "d/y", most=1000) <= 2 * PATIENCE + 4


def test_a_place_in_a_lane_is_kept_for_who_waited_long() -> None:
    crowd = Crowd()
    crowd.submit("a")
    crowd.submit(lane="l")
    crowd.take()
    both = crowd.submit("a", lane="l")
    assert PATIENCE // 2 <= in_turns(crowd, both, "a", None, most=1000) <= 2 * PATIENCE + 4


@pytest.mark.parametrize("known_before", [False, True])
def test_what_is_reserved_is_so_against_patterns_that_mean_it(known_before: bool) -> None:
    crowd = Crowd()
    if known_before:
        crowd.submit("e")
        crowd.submit("d/*", "e", priority=-1)
    held = {name: crowd.submit(name) for name in ("d/x", "b")}
    crowd.take()
    both = crowd.submit("d/x", "b")
    for name in cycle(("d/x", "b")):
        following = crowd.submit(name)
        crowd.end(held.pop(name))
        if crowd.core.desk.reserving:
            break
        held[name] = following
    assert list(held) == ["b"], "the file is free, and reserved"
    pattern = crowd.submit("d/*")
    crowd.take()
    assert pattern not in crowd.seen
    assert both not in crowd.seen
    crowd.end(held["b"])
    assert both in crowd.seen


@pytest.mark.parametrize("lane", [None, "l"])
def test_what_is_reserved_is_kept_until_an_agent_is_idle(lane: str | None) -> None:
    """The agent is busy whenever it is free, and it is not free whenever the agent is idle."""
    core = Core()
    for name in ("p", "q"):
        core.add_pool(name, 1, 1)
    core.desk.set_lane("l", 1)
    core.take(0.0)
    for shard in (0, 1):
        core.host_up(0.0, shard)
    core.agents_up((row, 1) for row in range(2))
    known(core, 1.0)
    claims = [] if lane else [Claim("a")]
    out: dict[int, Send] = {}
    core.submit(1, 1, 1, lane=lane, claims=claims)
    core.submit(1, 1, 0)
    wanted = 3
    for turn in range(50):
        out |= {send.shard: send for send in take(core, Send)}
        if not turn:
            assert core.submit(1, 1, 0, lane=lane, claims=claims) == wanted
        core.submit(1, 1, 0)
        core.submit(1, 1, 1, lane=lane, claims=claims)
        if any(send.range == wanted for send in out.values()):
            assert turn <= 2 * PATIENCE + 2
            return
        send = out.pop(1 - turn % 2, None)
        if send is not None:
            core.outcomes(send.shard, send.batch, 0, 1, (), SECOND)
    raise AssertionError("it never has its turn")


def test_a_reservation_is_void_in_a_pool_without_agents() -> None:
    core = Core()
    for name in ("p", "q"):
        core.add_pool(name, 2, 1)
    core.take(0.0)
    for shard in (0, 1):
        core.host_up(0.0, shard)
    core.agents_up((row, 1) for row in range(4))
    known(core, 1.0)
    out = {}

    def go() -> None:
        for send in take(core, Send):
            out[send.range] = send
        check_nothing_left(core)

    def end(number: int) -> None:
        send = out.pop(number)
        core.outcomes(0, send.batch, 0, 1, (), SECOND)

    names = ["a", "b"]
    last = [core.submit(1, 1, 1, claims=[Claim(name)]) for name in names]
    go()
    both = core.submit(1, 1, 0, claims=[Claim(name) for name in names])
    for _ in range(PATIENCE // 2 + 1):
        for at, name in enumerate(names):
            following = core.submit(1, 1, 1, claims=[Claim(name)])
            end(last[at])
            go()
            last[at] = following
            if core.desk.reserving:
                break
        if core.desk.reserving:
            break
    assert core.desk.reserving
    assert both in core.ranges
    for row in (0, 1):
        core.agent_down(0.0, row, 1, (), "", "died")
    assert not core.desk.reserving
    go()
    assert not core.pools[1].queued, "they go on where there are agents"


def test_who_asks_only_when_something_may_be_free_hears_of_a_reservation_that_is_gone() -> None:
    core = fleet(2)
    known(core, 1.0)
    names = cycle(["a", "b"])
    held, _ = core.hold(0.0, [Claim(next(names))])
    both = core.submit(1, 1, 0, claims=[Claim("a"), Claim("b")])
    while not core.desk.reserving:
        following, bar = core.hold(0.0, [Claim(next(names))])
        assert not bar
        core.let_go(held)
        held = following
        take(core, Send)
    free = Claim(next(names))
    assert core.hold(0.0, [free]) == (0, free.name)
    before = core.desk.releases
    core.cancel(both, 0)
    assert core.desk.releases > before
    assert core.hold(0.0, [free])[0]


CLAIMS = st.lists(st.builds(Claim, st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=3)


@given(
    before=st.lists(CLAIMS, max_size=5),
    wanted=CLAIMS,
    stream=st.lists(CLAIMS, min_size=1, max_size=6),
    choices=st.lists(st.integers(0, 7), min_size=1, max_size=12),
    agents=st.integers(1, 8),
)
def test_nobody_is_passed_over_for_ever(
    before: list[list[Claim]], wanted: list[Claim], stream: list[list[Claim]], choices: list[int], agents: int
) -> None:
    """Whatever comes behind it in an endless stream, and whoever ends next, as long as each does so some day: it runs
    after so many ends at the most."""
    crowd = Crowd(agents)
    for claims in before:
        crowd.submit(*claims)
    crowd.take()
    waits = crowd.submit(*wanted)
    crowd.take()
    # Each before it may have to be patient itself, and each end of others may concern another name.
    patience = 2 * (agents + (PATIENCE + 2) * (len(before) + 1) * (len(NAMES) + agents))
    for turn in range(patience):
        if waits in crowd.seen:
            return
        while crowd.core.pools[0].queued < 2 * len(stream) + agents:
            for claims in stream:
                crowd.submit(*claims)
        crowd.take()
        crowd.finish(choices[turn % len(choices)] if turn % 2 else 0)
    raise AssertionError(f"{wanted} was passed over for {patience} ends")


@given(
    tasks=st.lists(st.tuples(CLAIMS, st.integers(0, 2), st.sampled_from([None, None, "l"])), max_size=20),
    choices=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    agents=st.integers(1, 8),
)
def test_everybody_runs_and_never_beside_one_who_wants_the_same(
    tasks: list[tuple[list[Claim], int, str | None]], choices: list[int], agents: int
) -> None:
    crowd = Crowd(agents)
    needs: dict[int, Needs] = {}
    for claims, priority, lane in tasks:
        number = crowd.submit(*claims, priority=priority, lane=lane)
        found = crowd.core.ranges[number].needs
        assert isinstance(found, Needs)
        needs[number] = found
    crowd.take()
    turn = 0
    while crowd.out:
        out = [needs[send.range] for send in crowd.out]
        for at, one in enumerate(out):
            assert not any(conflict(one, other) for other in out[at + 1 :])
        assert sum(one.lane is not None for one in out) <= 1
        crowd.finish(choices[turn % len(choices)])
        turn += 1
    assert sorted(crowd.seen) == sorted(needs)
    assert not crowd.core.desk.claims.resources
