"""Subtasks in the core: who steps aside, who stands in, what goes first, and what comes of it when all wait."""

from __future__ import annotations

import pytest
from cores import at, finish, fleet, known, rows, take, there

from engine.core.actions import Extended, Recall, Retire, Send, Spawn, StandAside, TasksOver
from engine.core.aside import FIRST, Awaited
from engine.core.claims import Claim
from engine.core.core import Core
from engine.core.explain import Reason, Task, explain
from engine.core.tasks import Options, Parent
from engine.core.wording import describe

ONE = Options(batch_max=1)


def said(core: Core, number: int) -> list[str]:
    """The words for one task, at the time 10."""
    return describe(explain(core, number, 0), "r{}[{}]".format, "r{}".format, 10.0)


def nested(core: Core, send: Send, row: int = 0, tasks: int = 1, pool: int = 0, offset: int = 0) -> int:
    """Subtasks of a task that the agent of a row runs."""
    parent = core.parent(row, send.batch, offset)
    assert parent is not None
    return core.submit_subtasks(tasks, 2, pool, ONE, parent)


def waits(core: Core, send: Send, number: int, row: int = 0, now: float = 1.0, offset: int = 0) -> None:
    assert core.step_aside(now, row, send.batch, offset, (Awaited(number, 0),))


def begun(core: Core, now: float = 0.0) -> Send:
    """A task that was just sent."""
    core.submit(1, 1, options=ONE)
    (send,) = take(core, Send, now)
    return send


def test_one_agent_and_a_task_that_waits_for_its_own_pool() -> None:
    core = fleet(1, spare=3)
    send = begun(core)
    number = nested(core, send)
    assert take(core, Send) == [], "the only agent is busy"
    waits(core, send, number)
    assert core.pools[0].up == core.pools[0].out == core.shards[0].batches == 0
    actions = core.take(1.0)
    assert StandAside(0, 0, 1) in actions
    assert Extended(0) in actions
    assert rows([action for action in actions if isinstance(action, Spawn)]) == [(1, 1)]
    core.agents_up([(1, 1)])
    (child,) = take(core, Send, 1.1)
    assert (child.range, child.prefetch) == (number, 0)
    finish(core, child, row=1)
    core.step_back(0)
    pool = core.pools[0]
    assert (pool.up, pool.out, pool.wanted, pool.standins, pool.aside) == (2, 1, 2, 1, 0)
    core.submit(3, 1, options=ONE)
    assert take(core, Send, 1.2) == [], "one works at a time, though two are there"
    finish(core, send)
    assert len(take(core, Send, 1.3)) == 1


def test_a_stand_in_that_nobody_needs_any_more_is_retired_soon() -> None:
    core = fleet(2, spare=3)
    send = begun(core)
    waits(core, send, nested(core, send, tasks=2))
    assert rows(take(core, Spawn, 1.0)) == [(2, 1)], "one for the other subtask"
    core.agents_up([(2, 1)])
    for child in take(core, Send, 1.0):
        finish(core, child, row=2)
    for child in take(core, Send, 1.0):
        finish(core, child, row=2)
    core.step_back(0)
    finish(core, send)
    assert at(core, Retire, 1.1) == []
    retired = [action for now in (3.5, 6.0, 8.5) for action in at(core, Retire, now)]
    assert retired == [Retire(0, 1)]
    core.agent_down(8.6, 2, 1, (), "retired", "")
    assert take(core, Spawn, 8.7) == []
    assert (core.pools[0].wanted, core.pools[0].standins) == (2, 0)
    assert core.settled


def test_nobody_stands_in_where_nothing_waits() -> None:
    core = fleet(1, spare=3)
    core.add_pool("gpu", 1, 1)
    there(core)
    core.take(0.0)
    core.agents_up([(4, 1)])
    send = begun(core)
    number = nested(core, send, pool=1)
    (child,) = take(core, Send)
    waits(core, send, number)
    assert take(core, Spawn, 2.0) == []
    core.submit(1, 1, options=ONE)
    assert rows(take(core, Spawn, 3.0)) == [(1, 1)], "now somebody waits for an agent of that pool"
    assert child.shard == 1


def test_subtasks_go_before_all_others_and_the_deepest_first() -> None:
    core = fleet(2, spare=4)
    first = begun(core)
    core.submit(3, 3, options=Options(priority=9, batch_max=1))
    (other,) = take(core, Send)
    child = nested(core, first)
    finish(core, other, row=1, nanoseconds=10**9)
    (send,) = take(core, Send)
    assert send.range == child
    deeper = nested(core, send, row=1)
    beside = nested(core, first)
    assert core.parent(1, send.batch, 0) == Parent(child, 0, 2)
    assert [core.ranges[number].options.priority - FIRST for number in (child, deeper, beside)] == [1, 2, 1]
    waits(core, send, deeper, row=1)
    core.take(1.0)
    core.agents_up([(2, 1)])
    assert [send.range for send in take(core, Send, 1.0)] == [deeper]


def test_subtasks_are_sent_while_nothing_else_is() -> None:
    core = fleet(2)
    send = begun(core)
    core.pause()
    core.submit(1, 1)
    number = nested(core, send)
    assert [send.range for send in take(core, Send)] == [number]
    core.drain()
    more = nested(core, send)
    assert said(core, more)[1].startswith("all agents of pool p are busy")
    core.crowded = True
    assert said(core, more)[1] == "nothing is sent: draining"


def test_what_stands_behind_a_task_that_waits_is_called_back() -> None:
    core = fleet(2, spare=2)
    known(core, 0.0001)
    number = core.submit(8, 1)
    sends = take(core, Send)
    send = sends[0]
    assert send.count > 1
    child = nested(core, send, offset=1)
    assert core.outcomes(0, send.batch, 0, 1, (), 1000)
    assert core.step_aside(1.0, 0, send.batch, 1, (Awaited(child, 0),))
    assert Recall(0, (send.batch,)) in core.take(1.0)
    core.returned([(send.batch, 2, 0)])
    assert number in core.ranges
    again = take(core, Send, 1.0)
    assert {one.batch for one in again}.isdisjoint({one.batch for one in sends})


def test_the_death_of_who_waits_and_a_late_word_of_it() -> None:
    core = fleet(1, spare=3)
    send = begun(core)
    number = nested(core, send)
    waits(core, send, number)
    core.take(1.0)
    core.agent_down(2.0, 0, 1, [(send.batch, 0)], "", "killed")
    assert not core.aside
    assert core.parent(0, send.batch, 0) is None, "it is another one that runs it now, if anybody"
    assert not core.step_aside(2.0, 0, send.batch, 0, ())
    core.step_back(0)
    core.cancel_rest(number)
    assert core.nested == [1, 0, 1]
    assert [over.kind for over in take(core, TasksOver, 2.0)] == ["cancelled"]
    assert core.pools[0].nested == 0


def test_a_host_dies_while_a_task_of_it_waits() -> None:
    core = fleet(1, spare=3)
    send = begun(core)
    waits(core, send, nested(core, send))
    core.take(1.0)
    core.host_down(2.0, 0, {send.batch: 0}, "killed")
    take(core, object, 2.0)
    assert not core.aside
    assert core.pools[0].up == core.pools[0].out == 0


def test_what_can_not_be_a_parent() -> None:
    core = fleet(2, spare=2)
    core.add_pool("gpu", 1, 1)
    there(core)
    core.take(0.0)
    core.agents_up([(4, 1)])
    number = core.submit(1, 1)
    (send,) = take(core, Send)
    assert core.parent(0, send.batch, 1) is None, "its batch has one task"
    assert core.parent(4, send.batch, 0) is None, "the batch is at another shard"
    assert core.parent(3, send.batch, 0) is None, "that agent is not there"
    assert core.parent(0, send.batch + 1, 0) is None
    assert core.cancel(number, 0, running=True)
    assert core.parent(0, send.batch, 0) is None, "it was cancelled"


def test_claims_are_kept_while_a_task_waits() -> None:
    core = fleet(2, spare=2)
    core.submit(1, 1, claims=[Claim("a")])
    (send,) = take(core, Send)
    number = nested(core, send)
    (child,) = take(core, Send)
    waits(core, send, number)
    core.submit(1, 1, claims=[Claim("a")])
    assert take(core, Send, 1.0) == []
    finish(core, child, row=1)
    core.step_back(0)
    finish(core, send)
    assert len(take(core, Send, 1.0)) == 1


def test_where_all_wait_and_there_is_room_for_nobody_the_deepest_fails() -> None:
    core = fleet(1)
    send = begun(core)
    number = nested(core, send)
    waits(core, send, number)
    (over,) = take(core, TasksOver, 1.0)
    assert (over.range, over.kind) == (number, "depth")
    assert over.text == "every agent of pool p waits for subtasks (1 do), and it has room for no more"
    assert core.nested == [1, 1, 0]


@pytest.mark.parametrize("quota", [0, None])
def test_while_memory_is_short_nobody_is_given_up(quota: int | None) -> None:
    core = fleet(1)
    send = begun(core)
    core.admit(quota)
    waits(core, send, nested(core, send))
    assert bool(take(core, TasksOver, 1.0)) == (quota is None)


def test_an_elastic_pool_grows_for_subtasks_also_when_drained() -> None:
    core = fleet(1)
    pool = core.add_pool("gpu", 0, 1, minimum=0, maximum=2)
    there(core)
    core.take(0.0)
    send = begun(core)
    core.drain()
    waits(core, send, nested(core, send, pool=pool.id))
    assert rows(take(core, Spawn, 1.0)) == [(1, 1)]


def test_a_smaller_pool_while_tasks_wait() -> None:
    core = fleet(2, spare=4)
    sends = []
    for _ in range(2):
        core.submit(1, 1, options=ONE)
        sends += take(core, Send)
    for row, send in enumerate(sends):
        waits(core, send, nested(core, send, row=row), row=row)
    assert rows(take(core, Spawn, 1.0)) == [(2, 1), (3, 1)]
    core.agents_up([(2, 1), (3, 1)])
    children = take(core, Send, 1.0)
    core.resize(0, 1, 1)
    take(core, object, 1.0)
    assert core.pools[0].leaving == 1
    assert len(children) == 2


def test_the_words_for_who_waits() -> None:
    core = fleet(2, spare=2)
    send = begun(core)
    child = nested(core, send, tasks=2)
    (one,) = take(core, Send, 2.0)
    assert core.step_aside(3.0, 0, send.batch, 0, (Awaited(child, 0), Awaited(child, 1)))
    found = explain(core, 1, 0)
    tasks = (Task(child, 0, "sent", False, 2.0), Task(child, 1, "ready"))
    assert found.reasons == (Reason("subtasks", "", tasks, (), 2),)
    assert found.row == 0
    assert said(core, 1) == [
        "waits for subtasks of its own, sent for 10.0 s", "it waits for r2[0], sent 8.0 s ago, r2[1], which is ready",
    ]  # fmt: skip
    assert said(core, child)[-1] == "it is a subtask of r1[0]"
    finish(core, one, row=1)
    assert said(core, 1)[1] == "it waits for r2[1], which is ready"
