"""Agents on loan: calls that come one at a time go to one of them past its host, and nothing else is any different."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from inside import Heard, agents, cared, core_of, fleet_of, host_pids, kill
from processes import wait_for

from engine.core.invariants import check
from engine.procs import agent
from engine.procs.errors import RemoteError
from engine.procs.scoreboard import HEAD, TAIL
from engine.runtime.fleet import loans
from engine.workloads import coordination
from shoal import Engine, TaskPoisoned

pytestmark = pytest.mark.needs("pooling")

MOST = 20_000
"""Calls, one after the other, of which one must have led to a loan: where loans were of no use it takes many."""


def on_loan(engine: Engine) -> loans.Loan | None:
    """The agent of the first shard that has lent one."""
    return next(iter(fleet_of(engine).hosts.loans.out.values()), None)


def borrow(engine: Engine) -> loans.Loan:
    """Make calls one at a time until an agent is on loan for them."""
    engine.wait_ready(30)
    for number in range(MOST):
        loan = on_loan(engine)
        if loan is not None:
            return loan
        assert engine.submit(remote.same, number).result(30) == number
    raise AssertionError(f"nobody is on loan after {MOST} calls")


def in_order(engine: Engine) -> None:
    """Everything that was ever submitted is over, once, and the core's books say so."""
    core = core_of(engine)

    def looked(_: Any) -> None:
        check(core)
        assert not core.ranges
        assert not core.batches
        assert core.over == core.submitted
        assert core.stale == 0

    engine._ask(looked)


def has_heard(heard: Heard, deaths: int) -> bool:
    """Whether so many agents have died."""
    return len(heard.kinds("agent.died")) == deaths


@pytest.fixture(params=[1, 2])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with Engine(request.param, attachable=False) as engine:
        yield engine


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def one(heard: Heard) -> Iterator[Engine]:
    """An engine of one agent, which is on loan."""
    with Engine(1, attachable=False, on_event=heard) as engine:
        borrow(engine)
        yield engine


def test_calls_that_come_one_at_a_time_go_past_the_host(engine: Engine) -> None:
    loan = borrow(engine)
    before = loan.served
    assert [engine.submit(remote.same, number).result(30) for number in range(300)] == list(range(300))
    if on_loan(engine) is loan:  # nothing else was said to the host meanwhile: a machine that is held up may time out
        assert loan.served == before + 300
    in_order(engine)


@pytest.mark.parametrize(
    "value",
    [None, 1 << 70, "text", [1, {"a": b"b"}], pytest.param(b"x" * (1 << 20), id="large"), remote.Point(1, 2)],
)
def test_values_of_every_kind_go_by_it(engine: Engine, value: Any) -> None:
    borrow(engine)
    for _ in range(3):
        assert engine.submit(remote.same, value).result(30) == value
    in_order(engine)


def test_other_functions_arguments_and_closures_go_by_it(engine: Engine) -> None:
    borrow(engine)
    for number in range(20):
        assert engine.submit(remote.double, number).result(30) == 2 * number
        assert engine.submit(remote.keywords, a=number).result(30) == {"a": number}
        assert engine.submit(lambda x, number=number: x + number, 1).result(30) == 1 + number
    in_order(engine)


def test_what_is_raised_comes_back(one: Engine) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as raised:
            one.submit(remote.reciprocal, 0).result(30)
        assert "reciprocal" in str(raised.value.__cause__)
    with pytest.raises(SystemExit):
        one.submit(remote.raise_this, SystemExit(3)).result(30)
    with pytest.raises((RemoteError, TypeError)):
        one.submit(remote.make_lock).result(30)
    in_order(one)


def test_an_agent_that_dies_on_loan_costs_its_task_an_attempt(one: Engine, heard: Heard, tmp_path: Path) -> None:
    assert one.submit(remote.die_once, str(tmp_path / "died")).result(30)
    in_order(one)
    assert core_of(one).redelivered == 1
    assert len(heard.kinds("agent.died")) == 1


def test_a_task_that_kills_each_of_them_is_given_up_and_no_other(one: Engine, heard: Heard) -> None:
    with pytest.raises(TaskPoisoned):
        one.using(crash_limit=2).submit(remote.crash, "kill").result(30)
    assert one.submit(remote.same, 1).result(30) == 1
    in_order(one)
    assert len(heard.kinds("agent.died")) == 2


def test_an_agent_that_dies_while_it_waits_costs_nothing(one: Engine, heard: Heard) -> None:
    loan = on_loan(one)
    assert loan is not None
    kill(agents(one)[0])
    wait_for(lambda: heard.kinds("agent.died"))
    assert one.submit(remote.same, 1).result(30) == 1
    in_order(one)
    assert core_of(one).redelivered == 0


def test_a_call_that_an_agent_dies_before_is_made_by_another(one: Engine, heard: Heard, tmp_path: Path) -> None:
    """Killed and called at once, time and again: whatever the order of things, the call is made once."""
    for number in range(10):
        borrow(one)
        kill(agents(one)[0])
        assert one.submit(remote.same, number).result(30) == number
        wait_for(partial(has_heard, heard, number + 1))
    in_order(one)


def test_a_host_that_dies_takes_its_loan_along(one: Engine, heard: Heard, tmp_path: Path) -> None:
    held = Held(one, tmp_path / "go").begin()
    board = fleet_of(one).board
    # Or what it has just passed on comes a second time, and is dropped.
    wait_for(
        lambda: board.get(0, HEAD) == board.get(0, TAIL), what="the host to be done with what came before the loan"
    )
    kill(host_pids(one)[0])
    wait_for(lambda: heard.kinds("host.died"))
    assert on_loan(one) is None
    held.release()
    assert held.future.result(30) == str(held.path)
    in_order(one)


def test_a_task_is_cancelled_with_its_agent(one: Engine, heard: Heard, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    future = one.submit(remote.begin_and_wait, str(begun), str(tmp_path / "never"))
    wait_for(begun.exists)
    assert future.cancel(running=True)
    wait_for(lambda: heard.why("cancelled"))
    assert one.submit(remote.same, 1).result(30) == 1
    in_order(one)


def test_what_takes_long_is_the_hosts_affair(one: Engine, tmp_path: Path) -> None:
    held = Held(one, tmp_path / "go").begin()
    wait_for(lambda: on_loan(one) is None)
    others = [one.submit(remote.same, number) for number in range(20)]
    held.release()
    assert [future.result(30) for future in (held.future, *others)] == [str(held.path), *range(20)]
    in_order(one)


def test_others_come_while_one_runs(engine: Engine, tmp_path: Path) -> None:
    for round_ in range(5):
        borrow(engine)
        held = Held(engine, tmp_path / f"go-{round_}")
        others = [engine.submit(remote.same, number) for number in range(50)]
        found = engine.map(remote.double, range(500))
        assert on_loan(engine) is None or not others[0].running()
        held.release()
        assert held.future.result(30) == str(held.path)
        assert [future.result(30) for future in others] == list(range(50))
        assert list(found) == [2 * number for number in range(500)]
    in_order(engine)


def test_an_agent_that_no_task_comes_for_is_handed_back(one: Engine) -> None:
    wait_for(lambda: on_loan(one) is None)
    assert list(one.map(remote.same, range(100))) == list(range(100))
    borrow(one)
    in_order(one)


def test_several_who_call_one_at_a_time(engine: Engine) -> None:
    found: dict[int, list[int]] = {}

    def calls(caller: int) -> None:
        found[caller] = [engine.submit(remote.same, number).result(30) for number in range(200)]

    borrow(engine)
    threads = [threading.Thread(target=calls, args=(caller,)) for caller in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {caller: list(range(200)) for caller in range(3)}
    in_order(engine)


def test_a_callback_may_call_again(engine: Engine) -> None:
    borrow(engine)
    done = threading.Event()

    def again(future: Any) -> None:
        if (number := future.result()) < 100:
            engine.submit(remote.same, number + 1).add_done_callback(again)
        else:
            done.set()

    engine.submit(remote.same, 0).add_done_callback(again)
    assert done.wait(30)
    in_order(engine)


def close_all() -> str:
    """Close every descriptor that this agent has."""
    os.closerange(3, 1 << 16)
    return "closed"


def test_a_task_that_closes_what_its_agent_has_is_heard_all_the_same(one: Engine) -> None:
    assert one.submit(close_all).result(30) == "closed"
    assert one.submit(remote.same, 1).result(30) == 1
    in_order(one)


def test_what_an_agent_of_others_tasks_says_is_not_believed(one: Engine, heard: Heard) -> None:
    """User code has found the channel, and says that a batch is over that it does not run."""
    with pytest.raises(TaskPoisoned):
        one.using(crash_limit=1).submit(tell_lies).result(30)
    assert heard.kinds("agent.garbage")
    assert one.submit(remote.same, 1).result(30) == 1
    in_order(one)


def tell_lies() -> None:
    import socket

    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            socket.socket(fileno=os.dup(fd)).send(b"\1" * 64)
    threading.Event().wait(30)


def test_agents_that_are_looked_after_are_not_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    cared(monkeypatch, memory_limit=1 << 40)
    with Engine(1, attachable=False) as engine:
        with pytest.raises(AssertionError, match="nobody is on loan"):
            borrow(engine)
        in_order(engine)


def test_calls_that_need_more_than_an_agent_get_it(engine: Engine) -> None:
    """Calls that claim something, take memory or run in a lane: each is in the books before it is sent."""
    engine.set_lane("narrow", 1)
    for view in (engine.using(claims="a"), engine.using(lane="narrow"), engine.using(memory="1M")):
        borrow(engine)
        assert [view.submit(remote.same, number).result(30) for number in range(100)] == list(range(100))
        assert engine._worker._alone._known is None
        in_order(engine)


def test_a_call_with_a_timeout_goes_to_the_host(one: Engine) -> None:
    loan = on_loan(one)
    assert one.using(timeout=30).submit(remote.same, 1).result(30) == 1
    assert on_loan(one) is not loan
    in_order(one)


def test_a_pool_in_use_shrinks_and_grows(tmp_path: Path) -> None:
    with Engine(4, min_workers=1, max_idle=0.2, attachable=False) as engine:
        for _ in range(3):
            borrow(engine)
            assert sorted(engine.map(coordination.sleep, [0.02] * 40)) == [0.02] * 40
        wait_for(lambda: len(agents(engine)) == 1)
        assert engine.submit(remote.same, 1).result(30) == 1
        in_order(engine)


def test_shutting_down_waits_for_what_runs(tmp_path: Path) -> None:
    with Engine(1, attachable=False) as engine:
        borrow(engine)
        future = engine.submit(remote.nap, 0.05)
    assert future.result(0) == 0.05


class TellsItsEnd:
    """Standard output of an agent, which says when it is flushed for the last time: then the agent has ended itself."""

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        if sys._getframe(1).f_code is agent.main.__code__:
            Path(self._path).touch()


def have_the_end_told(path: str) -> None:
    sys.stdout = TellsItsEnd(path)


def test_a_fork_of_the_caller_keeps_no_agent_from_ending(tmp_path: Path) -> None:
    """Regression: it had a copy of the channel of an agent on loan, which was then killed, half a second later."""
    ended = tmp_path / "ended"
    gone, stays = os.pipe()
    with Engine(1, attachable=False) as engine:
        borrow(engine)
        engine.submit(have_the_end_told, str(ended)).result(30)
        borrow(engine)
        pid = os.fork()
        if pid == 0:
            os.close(stays)
            os.read(gone, 1)
            os._exit(0)
    os.close(stays)
    os.waitpid(pid, 0)
    os.close(gone)
    assert ended.exists()


def test_calls_that_are_recorded(tmp_path: Path) -> None:
    with Engine(1, record=tmp_path / "runs.db", attachable=False) as engine:
        borrow(engine)
        assert [engine.submit(remote.same, number).result(30) for number in range(100)] == list(range(100))
        in_order(engine)
