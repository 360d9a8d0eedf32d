"""Why a task is not running: the reasons, and the words for them."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take, there

from engine.core.actions import Send
from engine.core.claims import Claim
from engine.core.core import Core
from engine.core.desk import PATIENCE
from engine.core.explain import Explanation, Reason, Task, explain
from engine.core.tasks import Options
from engine.core.wording import describe, seconds


def said(core: Core, number: int, index: int = 0, now: float = 10.0) -> list[str]:
    """The words for one task."""
    return describe(explain(core, number, index), "r{}[{}]".format, "r{}".format, now)


def test_a_task_that_waits_for_others_and_for_a_decision() -> None:
    core = fleet(1, up=False)
    others = [core.submit(1, 1) for _ in range(5)]
    gates = [core.open_gate()]
    number = core.submit(2, 1, after=[*others, *gates])
    assert explain(core, number, 1) == Explanation(
        number, 1, "waiting", (Reason("dependency", "", (), (1, 2, 3, 4, 5), 5), Reason("gate", "", (), (6,), 1))
    )
    assert said(core, number) == [
        "waits for what it comes after", "it comes after r1, r2, r3 and 2 more", "nobody has decided on r6",
    ]  # fmt: skip


def test_a_claim_that_others_have() -> None:
    core = fleet(4)
    known(core, 1.0)
    holder = core.submit(1, 1, claims=[Claim("src/gpu/**")])
    take(core, Send, 2.0)
    number = core.submit(3, 1, claims=[Claim("src/gpu/kernel.rs"), Claim("Cargo.toml", True)])
    take(core, Send, 4.0)
    found = explain(core, number, 0)
    assert found.state == "ready"
    assert found.since == 4.0
    assert found.reasons == (Reason("claim", "src/gpu/kernel.rs", (Task(holder, 0, "src/gpu/**", False, 2.0),), (), 1),)
    assert said(core, number) == [
        "ready for 6.0 s",
        "claim src/gpu/kernel.rs is held by r1[0] (as src/gpu/**) for 8.0 s",
    ]
    assert said(core, number, 2)[1:] == ["2 tasks come before it in pool p, next r2[0] for 6.0 s"]
    folder = core.submit(1, 1, claims=[Claim("src/**"), Claim("docs/x")])
    assert said(core, folder)[1:] == ["claim src/** is held by r1[0] (as src/gpu/**) for 8.0 s"]


def test_a_folder_of_which_others_have_files() -> None:
    core = fleet(4)
    known(core, 1.0)
    for name in ("d/x", "d/y"):
        core.submit(1, 1, claims=[Claim(name)])
    take(core, Send, 9.0)
    folder = core.submit(1, 1, claims=[Claim("d/*")])
    assert said(core, folder)[1:] == ["claim d/* is held by r1[0] (as d/x) for 1.0 s, r2[0] (as d/y) for 1.0 s"]


def test_a_claim_that_others_share() -> None:
    core = fleet(6)
    known(core, 1.0)
    for _ in range(5):
        core.submit(1, 1, claims=[Claim("a", True)])
    take(core, Send, 9.5)
    number = core.submit(1, 1, claims=[Claim("a")])
    take(core, Send, 10.0)
    assert said(core, number) == [
        "ready for 0 ms", "claim a is shared by r1[0] for 0.5 s, r2[0] for 0.5 s, r3[0] for 0.5 s and 2 more",
    ]  # fmt: skip


def test_a_claim_that_is_kept_for_who_waited_long() -> None:
    core = fleet(4)
    known(core, 1.0)
    core.submit(1, 1, claims=[Claim("a", True)])
    core.submit(1, 1, claims=[Claim("a", True)])
    sends = take(core, Send)
    alone = core.submit(1, 1, claims=[Claim("a")])
    for _ in range(PATIENCE):
        core.submit(1, 1, claims=[Claim("a", True)])
        sends += take(core, Send)
        finish(core, sends.pop(0), nanoseconds=10**9)
    number = core.submit(1, 1, claims=[Claim("a", True)])
    assert not take(core, Send)
    assert said(core, number)[1:] == [f"claim a is kept for r{alone}[0] for 10.0 s: passed over too often"]


def test_a_place_in_a_lane_that_is_kept() -> None:
    core = fleet(4)
    known(core, 1.0)
    core.desk.set_lane("l", 1)
    core.submit(1, 1, claims=[Claim("a")])
    out = take(core, Send)
    both = core.submit(1, 1, lane="l", claims=[Claim("a")])
    core.submit(1, 1, lane="l")
    out += take(core, Send)
    while not core.desk.reserving:  # one of the two is always held by somebody
        core.submit(1, 1, claims=[Claim("a")])
        core.submit(1, 1, lane="l")
        finish(core, out.pop(0), nanoseconds=10**9)
        out += take(core, Send)
    assert not core.desk.claims.lanes["l"].used
    assert not take(core, Send)
    last = core.submit(1, 1, lane="l")
    (first,) = explain(core, last, 0).reasons[0].tasks
    assert said(core, first.range)[1:] == [f"lane l is kept for r{both}[0] for 10.0 s: passed over too often"]
    assert said(core, both)[1].startswith("claim a is held by ")
    core.cancel_rest(both)
    assert first.range in {send.range for send in take(core, Send)}


def test_a_lane_that_is_full_or_closed() -> None:
    core = fleet(4)
    known(core, 1.0)
    core.desk.set_lane("local", 1)
    one, two = core.submit(1, 1, lane="local"), core.submit(1, 1, lane="local")
    take(core, Send, 7.0)
    assert explain(core, two, 0).reasons == (Reason("lane", "local", (Task(one, 0, "local", False, 7.0),), (), 1),)
    assert said(core, two) == ["ready for 3.0 s", "lane local is full, 1 at a time: r1[0] for 3.0 s"]
    core.desk.set_lane("local", 0)
    assert said(core, two)[1:] == ["lane local is closed: its limit is 0"]


def test_all_that_keeps_it_is_told_together() -> None:
    core = fleet(4)
    core.desk.set_lane("local", 1)
    core.submit(1, 1, lane="local", claims=[Claim("a"), Claim("b")])
    take(core, Send, 9.0)
    number = core.submit(1, 1, lane="local", claims=[Claim("a"), Claim("b", True), Claim("c")])
    core.pause()
    take(core, Send, 9.0)
    assert said(core, number)[1:] == [
        "lane local is full, 1 at a time: r1[0] for 1.0 s", "claim a is held by r1[0] for 1.0 s",
        "claim b is held by r1[0] for 1.0 s", "nothing is sent: paused",
    ]  # fmt: skip


def test_a_pool_whose_agents_are_busy_or_not_there() -> None:
    core = fleet(2, up=False)
    number = core.submit(3, 1)
    take(core, Send, 1.0)
    assert said(core, number) == ["ready for 9.0 s", "no agent of pool p is up: 2 are starting"]
    core.agents_up([(0, 1), (1, 1)])
    take(core, Send, 2.0)
    assert said(core, number, 2) == [
        "ready for 9.0 s",
        "all agents of pool p are busy: r1[0] for 8.0 s, r1[1] for 8.0 s",
    ]
    core.break_pool(0, "no module named x")
    assert said(core, number, 2) == ["failed"]


def test_those_that_come_before_it() -> None:
    core = fleet(1)
    known(core, 1.0)
    low = core.submit(10, 1)
    take(core, Send, 1.0)
    high = core.submit(5, 1, options=Options(priority=1))
    core.cancel(high, 2)
    take(core, Send, 3.0)
    found = explain(core, low, 3)
    assert found.reasons == (Reason("order", "p", (Task(high, 0, since=3.0),), (), 6),)
    assert said(core, low, 3)[1:] == ["6 tasks come before it in pool p, next r2[0] for 7.0 s"]


def test_memory_and_other_things_that_hold_for_all() -> None:
    core = fleet(1)
    number = core.submit(1, 1)
    core.admit(0)
    take(core, Send)
    assert said(core, number)[1:] == ["memory is short: 0 batches may be sent for now"]
    core.admit(None)
    core.crowded = True
    assert said(core, number)[1:] == ["nothing is sent: results are being written"]
    core.drain()
    assert said(core, number)[1:] == ["nothing is sent: draining"]


def test_one_that_was_sent() -> None:
    core = fleet(1)
    known(core, 0.001)
    number = core.submit(100, 1)
    first, second = take(core, Send, 9.9)
    assert said(core, number, 0) == ["runs, sent for 0.1 s"]
    assert core.outcomes(0, first.batch, 0, 3, (), 3_000_000)
    found = explain(core, number, 5)
    assert (found.state, found.batch, found.shard, found.since) == ("sent", first.batch, 0, 9.9)
    assert said(core, number, 5)[1:] == ["2 tasks are before it in its batch, which is at r1[3]"]
    assert said(core, number, 0) == ["done"]
    # The runtime knows which batch an agent is at, and where.
    running = {first.batch: (0, 4)}
    assert explain(core, number, 4, running.get).row == 0
    assert explain(core, number, 5, running.get).reasons == (Reason("batch", "", (Task(1, 4, since=9.9),), (), 1),)
    behind = explain(core, number, second.first, running.get)
    assert behind.reasons == (Reason("busy", "p", (Task(1, 3, since=9.9),), (), 1),)


def test_what_is_over_or_never_was() -> None:
    core = fleet(1)
    number = core.submit(2, 1)
    core.cancel(number, 1)
    assert said(core, number, 1) == ["cancelled"]
    finish(core, take(core, Send)[0])
    assert explain(core, number, 0) == Explanation(number, 0, "over")
    assert said(core, number) == ["over"]
    for bad, index in ((0, 0), (2, 0)):
        with pytest.raises(IndexError, match=f"no range {bad}"):
            explain(core, bad, index)
    other = core.submit(2, 1)
    with pytest.raises(IndexError, match=f"no task 2 in range {other}"):
        explain(core, other, 2)


def test_asking_changes_nothing() -> None:
    core = Core()
    core.add_pool("p", 2, 2, strategy="round-robin")
    there(core)
    core.desk.set_lane("l", 1)
    for claims in ([], [Claim("a")], [Claim("a/**", True)], [Claim("a/b")]):
        core.submit(3, 1, claims=claims, lane="l" if claims else None)
    take(core, Send)
    core.agents_up([(0, 1), (1, 1)])
    before = [(pool.queued, pool.lined, pool.able) for pool in core.pools], len(core._actions), len(core.batches)
    for number in core.ranges:
        for index in range(3):
            assert said(core, number, index)
    assert (
        [(pool.queued, pool.lined, pool.able) for pool in core.pools],
        len(core._actions),
        len(core.batches),
    ) == before
    take(core, Send)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (-1.0, "0 ms"),
        (0.0123, "12 ms"),
        (0.1, "0.1 s"),
        (99.4, "99.4 s"),
        (100.2, "1 min 40 s"),
        (7322.0, "2 h 02 min"),
    ],
)
def test_spans_of_time(span: float, text: str) -> None:
    assert seconds(span) == text
