"""An agent by itself: what its tasks come to, what it holds back, and what it is asked by signals and frames."""

from __future__ import annotations

import os
import pickle
import signal
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import Alone
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import wait_for

from engine.procs.scoreboard import ASK_FLUSH, ASK_REST, ASK_SOFT, BATCH, OFFSET, PONG
from engine.wire import frames
from shoal import SoftTimeout


def echo(value: Any) -> Any:
    return value


def act(what: Any) -> Any:
    """Raise, or return what is asked for."""
    kind, value = what
    if kind == "raise":
        raise value
    if kind == "gate":
        return wait_at(value)
    if kind == "unpicklable":
        return lambda: (yield), iter([1]), (x for x in [1])
    return value


def act_on_bytes(what: bytes) -> Any:
    """As `act`, for arguments that need no unwrapping: such tasks have a loop of their own, if they are trivial."""
    return act(pickle.loads(what))


def wait_at(gate: Any) -> Any:
    """Return at once, or wait for a file to appear if it is the path of one."""
    if isinstance(gate, str):
        while not os.path.exists(gate):
            time.sleep(0.002)
    return gate


def tidy(path: str) -> str:
    try:
        while True:
            time.sleep(10)
    except SoftTimeout:
        Path(path).touch()
        return "tidied up"


def linger(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def take_signal(_: Any) -> int:
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    return os.getpid()


@pytest.fixture
def agent() -> Iterator[Alone]:
    alone = Alone()
    yield alone
    alone.close()


def prove(agent: Alone, function: int, item: Any) -> None:
    """Have the agent learn that a function is trivial."""
    for _ in range(8):
        agent.run(function, [item] * 40)


things = st.one_of(
    st.tuples(st.just("return"), st.integers(-(1 << 70), 1 << 70)),
    st.tuples(st.just("return"), st.text(max_size=5) | st.binary(max_size=5) | st.none() | st.floats(allow_nan=False)),
    st.tuples(st.just("return"), st.lists(st.integers(), max_size=3)),
    st.tuples(st.just("return"), st.sampled_from([20_000, 140_000]).map(lambda size: b"x" * size)),
    st.tuples(st.just("raise"), st.sampled_from([ValueError("no"), KeyError(3), SystemExit(2), SoftTimeout("mine")])),
    st.tuples(st.just("unpicklable"), st.none()),
)


def test_grouped_or_not_the_outcomes_are_the_same() -> None:
    slow, quick = Alone(), Alone()
    try:
        for agent in (slow, quick):
            agent.define(1, act)
        quick.define(2, act_on_bytes)
        prove(quick, 1, ("return", 1))
        prove(quick, 2, pickle.dumps(("return", 1)))

        @settings(deadline=None, max_examples=40)
        @given(st.lists(things, min_size=1, max_size=12))
        def same(items: list[Any]) -> None:
            slow.define(1, act)
            one = slow.run(1, items)
            for other in (quick.run(1, items), quick.run(2, [pickle.dumps(item) for item in items])):
                assert [type(found) for found in one] == [type(found) for found in other]
                for (kind, value), a, b in zip(items, one, other, strict=True):
                    if kind == "return":
                        assert a == b == value
                        assert type(a) is type(value)
                    else:
                        assert (a.kind, a.type, a.message, a.bases) == (b.kind, b.type, b.message, b.bases)

        same()
    finally:
        slow.close()
        quick.close()


def test_a_failure_names_the_classes_of_its_exception(agent: Alone) -> None:
    agent.define(1, act)
    (failed,) = agent.run(1, [("raise", FileNotFoundError("gone"))])
    assert (failed.kind, failed.type) == ("exception", "FileNotFoundError")
    assert failed.bases == [
        "builtins.FileNotFoundError", "builtins.OSError", "builtins.Exception", "builtins.BaseException"
    ]  # fmt: skip


def test_what_has_finished_behind_a_slow_task_is_written_when_asked_for(agent: Alone, tmp_path: Path) -> None:
    agent.define(1, wait_at)
    prove(agent, 1, 1)
    gate = tmp_path / "gate"
    batch = agent.work(1, [1, 2, 3, str(gate), 4])
    agent.reach(batch, 3)
    assert agent.outcomes(batch) == []
    assert agent.held == 1
    agent.ask(ASK_FLUSH)
    wait_for(lambda: agent.outcomes(batch) == [1, 2, 3], what="the finished ones")
    wait_for(lambda: agent.held == 4)
    agent.ask(ASK_FLUSH)  # there is nothing more: nothing comes of it
    gate.touch()
    wait_for(lambda: agent.outcomes(batch) == [1, 2, 3, str(gate), 4])
    wait_for(lambda: agent.held == 0)


@pytest.mark.parametrize("wrapped", [True, False])
def test_asking_all_the_time_changes_no_outcome(agent: Alone, wrapped: bool) -> None:
    agent.define(1, act if wrapped else act_on_bytes)
    prove(agent, 1, ("return", 1) if wrapped else pickle.dumps(("return", 1)))
    items: list[Any] = [("raise", ValueError(n)) if n % 7 == 0 else ("return", n) for n in range(400)]
    items = items if wrapped else [pickle.dumps(item) for item in items]
    for _ in range(10):
        batch = agent.work(1, items)
        while len(agent.outcomes(batch)) < len(items):
            agent.ask(ASK_FLUSH | ASK_SOFT)
        found = agent.outcomes(batch)
        assert [f.message if isinstance(f, frames.Failure) else f for f in found] == [
            str(n) if n % 7 == 0 else n for n in range(400)
        ]
        ends = [body.ends for number, _, body, _ in agent.records if number == batch]
        stamps = array("Q", b"".join(ends)).tolist()
        assert len(stamps) == len(items)
        assert stamps == sorted(stamps)


def test_what_has_not_begun_is_given_back_when_asked_for(agent: Alone, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    agent.define(1, wait_at)
    batch = agent.work(1, [1, 2, str(gate), 3, 4, 5])
    agent.reach(batch, 2)
    agent.ask(ASK_REST, batch)
    wait_for(lambda: agent.outcomes(batch) == [1, 2] and agent.given_back, what="the rest")
    agent.ask(ASK_REST, batch)  # there is nothing more: nothing comes of it
    gate.touch()
    wait_for(lambda: agent.outcomes(batch) == [1, 2, str(gate)])
    assert agent.run(1, [6, 7]) == [6, 7]
    ((number, offset, age),) = agent.given_back
    assert (number, offset) == (batch, 3)
    assert age > 0


def test_the_rest_of_another_batch_is_not_given_back(agent: Alone, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    agent.define(1, wait_at)
    batch = agent.work(1, [str(gate), 1, 2])
    agent.reach(batch, 0)
    for other in (0, batch + 1, batch + 256):
        agent.ask(ASK_REST, other)
    agent.ask(ASK_SOFT, batch)
    gate.touch()
    wait_for(lambda: agent.outcomes(batch) == [str(gate), 1, 2])
    assert not agent.given_back


def test_what_is_given_back_in_a_group_leaves_the_outcomes_before_it_whole(agent: Alone, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    agent.define(1, wait_at)
    prove(agent, 1, 0)
    batch = agent.work(1, [1, 2, str(gate), 3, 4, 5])
    agent.reach(batch, 2)
    agent.ask(ASK_REST, batch)
    wait_for(lambda: agent.outcomes(batch) == [] and agent.given_back, what="the rest")
    agent.ask(ASK_FLUSH | ASK_REST, batch)
    wait_for(lambda: agent.outcomes(batch) == [1, 2])
    gate.touch()
    wait_for(lambda: agent.outcomes(batch) == [1, 2, str(gate)])
    assert [given[:2] for given in agent.given_back] == [(batch, 3)]


@pytest.mark.parametrize(("trivial", "wrapped"), [(False, True), (True, True), (True, False)])
def test_giving_back_at_any_moment_loses_no_task_and_runs_none_of_those_given_back(
    trivial: bool, wrapped: bool, tmp_path: Path
) -> None:
    agent, gate = Alone(), tmp_path / "gate"

    def at_the_gate(batch: int, offset: int) -> bool:
        return (agent.board.get(0, BATCH), agent.board.get(0, OFFSET)) == (batch, offset + 1)

    def given_back_of(batch: int) -> list[int]:
        agent.take()
        return [offset for number, offset, _ in agent.given_back if number == batch]

    try:
        agent.define(1, act if wrapped else act_on_bytes)
        if trivial:
            prove(agent, 1, ("return", 1) if wrapped else pickle.dumps(("return", 1)))

        @settings(deadline=None, max_examples=60)
        @given(
            st.lists(st.sampled_from(["return", "return", "hold", "raise"]), min_size=1, max_size=60),
            st.lists(st.sampled_from(["return", "return", "hold", "raise"]), max_size=60),
            st.sampled_from([ASK_REST, ASK_REST | ASK_FLUSH, ASK_REST | ASK_FLUSH | ASK_SOFT]),
            st.integers(0, 20),
        )
        def whole(before: list[str], after: list[str], what: int, early: int) -> None:
            gate.unlink(missing_ok=True)
            items: list[Any] = [
                (kind, {"raise": ValueError(n), "hold": [n], "gate": str(gate)}.get(kind, n))
                for n, kind in enumerate([*before, "gate", *after])
            ]
            batch = agent.work(1, items if wrapped else [pickle.dumps(item) for item in items])
            for _ in range(early):
                agent.ask(what, batch)
                agent.take()
            wait_for(lambda: at_the_gate(batch, len(before)) or given_back_of(batch))
            agent.ask(what, batch)
            gate.touch()
            found = agent.finish(what, batch, len(items))
            mine = given_back_of(batch)
            assert mine or not after
            assert [f.message if isinstance(f, frames.Failure) else f for f in found] == [
                str(value) if kind == "raise" else value for kind, value in items[: len(found)]
            ]
            assert len(mine) <= 1
            assert len(found) >= 1

        whole()
    finally:
        agent.close()


def test_giving_back_between_two_tasks_leaves_one_outcome_to_come(agent: Alone) -> None:
    """Built-in functions take no signal: it finds its way between them, where all that has begun may be written."""
    agent.define(1, abs)
    prove(agent, 1, -1)
    for _ in range(60):
        batch = agent.work(1, [*range(-10_000, 0)])
        found = agent.finish(ASK_REST | ASK_FLUSH, batch, 10_000)
        assert found == [*range(10_000, 0, -1)][: len(found)]
    assert agent.given_back


def dive(margin: int) -> int:
    """Work for a moment with hardly any stack left."""

    def down(levels: int) -> int:
        if levels:
            return down(levels - 1)
        for _ in range(2_000_000):
            pass
        return margin

    def room() -> int:
        try:
            return 1 + room()
        except RecursionError:
            return 0

    return down(room() - margin) if margin else 0


def test_asking_does_no_harm_to_a_task_that_has_used_the_stack_up(agent: Alone) -> None:
    agent.define(1, dive)
    prove(agent, 1, 0)
    for margin in range(4, 12):
        batch = agent.work(1, [0, 0, margin, 0])
        agent.insist(ASK_FLUSH | ASK_SOFT, batch, 4)
        assert agent.outcomes(batch) == [0, 0, margin, 0]


def test_giving_back_does_no_harm_to_a_task_that_has_used_the_stack_up(agent: Alone) -> None:
    agent.define(1, dive)
    prove(agent, 1, 0)
    for margin in range(4, 12):
        batch = agent.work(1, [0, margin, 0, 0, 0])
        agent.reach(batch, 1)
        found = agent.finish(ASK_FLUSH | ASK_REST, batch, 5)
        assert found == [0, margin, 0, 0, 0][: len(found)]
    assert agent.given_back
    assert agent.run(1, [0, 0]) == [0, 0]


def test_a_soft_timeout_lets_the_task_tidy_up(agent: Alone, tmp_path: Path) -> None:
    agent.define(1, tidy)
    batch = agent.work(1, [str(tmp_path / "a")], soft=0.05)
    agent.reach(batch, 0)
    agent.insist(ASK_SOFT, batch, 1)
    assert agent.outcomes(batch) == ["tidied up"]
    assert (tmp_path / "a").exists()


def test_a_soft_timeout_that_is_not_caught_is_a_timeout_of_that_task_alone(agent: Alone) -> None:
    agent.define(1, linger)
    batch = agent.work(1, [0.0, 1000.0, 0.0], soft=1.0)  # the third is asked all the time: it must be over before that
    agent.reach(batch, 1)
    agent.insist(ASK_SOFT, batch, 3)
    before, failed, after = agent.outcomes(batch)
    assert (before, after) == (0.0, 0.0)
    assert (failed.kind, failed.type) == ("timeout", "SoftTimeout")
    assert "1 s" in failed.message


def test_a_soft_timeout_comes_to_nobody_who_has_not_reached_his(agent: Alone, tmp_path: Path) -> None:
    agent.define(1, wait_at)
    gate = tmp_path / "gate"
    for soft in (0.0, 1000.0):
        batch = agent.work(1, [str(gate)], soft=soft)
        agent.reach(batch, 0)
        for _ in range(20):
            agent.ask(ASK_SOFT)
        gate.touch()
        wait_for(lambda batch=batch: agent.outcomes(batch) == [str(gate)])  # type: ignore[misc]
        gate.unlink()


def test_a_task_has_the_signal_to_itself_for_a_batch_only(agent: Alone, tmp_path: Path) -> None:
    agent.define(1, take_signal)
    agent.define(2, tidy)
    assert agent.run(1, [0]) == [agent.pid]
    batch = agent.work(2, [str(tmp_path / "a")], soft=0.01)
    agent.reach(batch, 0)
    agent.insist(ASK_SOFT, batch, 1)
    assert agent.outcomes(batch) == ["tidied up"]


def test_a_ping_is_answered_in_a_cell(agent: Alone) -> None:
    agent.send(frames.Ping(7))
    wait_for(lambda: agent.board.get(0, PONG) == 7)


def test_a_retired_agent_ends_well(agent: Alone) -> None:
    agent.define(1, echo)
    batch = agent.work(1, [1, 2])
    agent.send(frames.Retire())
    assert agent.wait() == 0
    assert agent.outcomes(batch) == [1, 2]
