"""Tasks that take too long, are tried again, overtake each other, or are called off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from inside import Heard, agents, counts, fleet_of
from processes import wait_for

from shoal import Engine, Event, SoftTimeout, TaskPoisoned, TaskTimeout


@contextmanager
def together(engine: Engine) -> Iterator[None]:
    """What is submitted in here is taken in at once, and so in as few batches as can be."""
    busy, go_on = threading.Event(), threading.Event()

    def wait(event: Event) -> None:
        if event.data.get("line") == "now":
            busy.set()
            go_on.wait(20)

    listeners = fleet_of(engine).listeners
    listeners.append(wait)
    engine.submit(print, "now")
    assert busy.wait(20)
    try:
        yield
    finally:
        go_on.set()
        listeners.remove(wait)


@pytest.fixture
def never(tmp_path: Path) -> str:
    return str(tmp_path / "never")


@pytest.fixture
def now(tmp_path: Path) -> str:
    """A path that is there."""
    path = tmp_path / "now"
    path.touch()
    return str(path)


# -- timeouts ----------------------------------------------------------------------------------------------------------


def test_a_task_may_tidy_up_after_its_soft_timeout(never: str, now: str) -> None:
    heard = Heard()
    with Engine(1, soft_timeout=0.1, timeout=60, attachable=False, on_event=heard) as engine:
        told = engine.submit(remote.tidy_up, never, now).result(20)
        assert told == "SoftTimeout: the task has run for its soft timeout of 0.1 s"
        assert engine.submit(abs, -1).result(20) == 1
        with pytest.raises(SoftTimeout, match=r"soft timeout of 0\.1 s"):
            engine.submit(remote.wait_until, never).result(20)
        assert engine.submit(abs, -1).result(20) == 1
    assert not heard.why("timeout")


def test_a_soft_timeout_is_told_until_it_is_heard(never: str) -> None:
    with Engine(1, soft_timeout=0.1, timeout=60, attachable=False) as engine:
        told = engine.submit(remote.tidy_up_though_deaf, 0.5, never).result(20)
        assert told == "SoftTimeout: the task has run for its soft timeout of 0.1 s"


def test_who_does_not_come_to_an_end_after_it_is_killed_by_the_hard_one(never: str) -> None:
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        limited = engine.using(soft_timeout=0.05, timeout=0.3)
        with pytest.raises(TaskTimeout, match=r"longer than its timeout of 0\.3 s"):
            limited.submit(remote.tidy_up, never, never).result(20)
        assert engine.submit(abs, -1).result(20) == 1
    assert len(heard.why("timeout")) == 1


def test_a_timeout_hits_one_task_of_a_batch(never: str, now: str) -> None:
    with Engine(1, timeout=0.3, settings={"batch_size": 5}, attachable=False) as engine:
        with together(engine):
            futures = [engine.submit(remote.wait_until, path) for path in (now, now, never, now, now)]
        with pytest.raises(TaskTimeout):
            futures.pop(2).result(20)
        assert [future.result(20) for future in futures] == [now] * 4


def test_a_task_that_timed_out_is_tried_again_as_often_as_it_may(tmp_path: Path, never: str) -> None:
    log = tmp_path / "log"
    with Engine(1, timeout=0.1, retries=2, attachable=False) as engine, pytest.raises(TaskTimeout):
        engine.submit(remote.log_and_wait, str(log), "ran", never).result(20)
    assert log.read_text() == "ran\n" * 3


# -- retries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_on", "error", "runs"),
    [
        ((), ValueError("x"), 3),
        ([ValueError], ValueError("x"), 3),
        ([LookupError], KeyError("x"), 3),
        ([Exception], KeyError("x"), 3),
        (["KeyError"], KeyError("x"), 3),
        (["LookupError"], KeyError("x"), 3),
        (["builtins.LookupError"], KeyError("x"), 3),
        ([OSError, "no_such.Error", ValueError], ValueError("x"), 3),
        ([remote.Odd], remote.Odd(1, 2), 3),
        (["Odd"], remote.Odd(1, 2), 3),
        (["remote_functions.Odd"], remote.Odd(1, 2), 3),
        ([KeyError], LookupError("x"), 1),
        (["elsewhere.KeyError"], KeyError("x"), 1),
        ([OSError, "TypeError"], ValueError("x"), 1),
        ([KeyError], SystemExit(3), 1),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_worth_a_retry(retry_on: list[Any], error: BaseException, runs: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Engine(1, attachable=False) as engine:
        calls = engine.using(retries=2, retry_on=retry_on)
        found = calls.submit(remote.log_and_raise, str(log), error).exception(20)
        assert type(found) is type(error)
    assert log.read_text() == "ran\n" * runs


@pytest.mark.parametrize(("retry_on", "runs"), [([SoftTimeout], 2), ([TimeoutError], 2), ([ValueError], 1)])
def test_a_soft_timeout_counts_as_an_exception(retry_on: list[Any], runs: int, tmp_path: Path, never: str) -> None:
    log = tmp_path / "log"
    with Engine(1, attachable=False) as engine:
        calls = engine.using(retries=1, retry_on=retry_on, soft_timeout=0.05)
        with pytest.raises(SoftTimeout):
            calls.submit(remote.log_and_wait, str(log), "ran", never).result(20)
    assert log.read_text() == "ran\n" * runs


def test_how_many_agents_a_task_may_kill() -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises(TaskPoisoned, match="died once"):
            engine.using(crash_limit=1).submit(remote.crash, "_exit").result(20)
        with pytest.raises(TaskPoisoned, match="died 3 times"):
            engine.using(crash_limit=3).submit(remote.crash, "_exit").result(20)


# -- priorities --------------------------------------------------------------------------------------------------------


def test_higher_priorities_overtake(tmp_path: Path, now: str) -> None:
    log = tmp_path / "log"
    with Engine(1, attachable=False) as engine:
        held = Held(engine, tmp_path / "go").begin()
        futures = [
            engine.using(priority=priority).submit(remote.log_and_wait, str(log), str(priority), now)
            for priority in (0, -1, 5, 0, 2, 5, -1, 2)
        ]
        wait_for(lambda: counts(engine)["queued"] == 8)
        held.release()
        for future in futures:
            future.result(20)
    assert log.read_text().split() == ["5", "5", "2", "2", "0", "0", "-1", "-1"]


# -- calling off -------------------------------------------------------------------------------------------------------


def test_cancelling_a_running_task_frees_its_agent(tmp_path: Path, never: str) -> None:
    heard = Heard()
    attempts: list[Any] = []
    begun = tmp_path / "begun"
    with Engine(1, crash_limit=1, on_event=heard, attachable=False) as engine:
        fleet_of(engine).attempts.append(lambda *told: attempts.append(told))
        future = engine.submit(remote.begin_and_wait, str(begun), never)
        wait_for(begun.exists)
        assert not future.cancel()
        assert future.cancel(running=True)
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result(1)
        assert engine.submit(remote.pid_of, 0).result(20) != int(begun.read_text())
    assert [event.data["pid"] for event in heard.why("cancelled")] == [int(begun.read_text())]
    assert not [event for event in heard if event.level != "info"]
    assert not attempts, "it was cancelled, and did not come to nothing"


@pytest.mark.needs("batching", "pooling")
def test_its_neighbours_in_the_batch_survive(tmp_path: Path, never: str, now: str) -> None:
    begun = tmp_path / "begun"
    with Engine(1, crash_limit=1, settings={"batch_size": 7}, attachable=False) as engine:
        with together(engine):
            before = [engine.submit(remote.begin_and_wait, f"{begun}.{n}", now) for n in range(3)]
            future = engine.submit(remote.begin_and_wait, str(begun), never)
            after = [engine.submit(remote.begin_and_wait, f"{begun}.{n}", now) for n in range(3, 6)]
        wait_for(begun.exists)
        assert future.cancel(running=True)
        assert {f.result(20) for f in before} == {int(begun.read_text())}
        assert int(begun.read_text()) not in {f.result(20) for f in after}


@pytest.mark.needs("batching", "pooling")
def test_a_task_that_was_sent_and_not_begun_is_called_off(tmp_path: Path, never: str, now: str) -> None:
    gate = tmp_path / "gate"
    with Engine(1, crash_limit=1, settings={"batch_size": 4}, attachable=False) as engine:
        with together(engine):
            futures = [engine.submit(remote.wait_until, path) for path in (str(gate), never, now, never)]
        wait_for(lambda: all(future.running() for future in futures))
        assert futures[1].cancel(running=True)
        assert futures[3].cancel(running=True)
        gate.touch()
        assert futures[0].result(20) == str(gate)
        assert futures[2].result(20) == now
        assert engine.submit(abs, -1).result(20) == 1


@pytest.mark.needs("pooling")
def test_a_batch_in_the_queue_of_a_busy_agent_is_taken_back(tmp_path: Path, never: str, now: str) -> None:
    heard = Heard()
    gate = tmp_path / "gate"
    with Engine(1, on_event=heard, settings={"batch_size": 1}, attachable=False) as engine:
        list(engine.map(remote.wait_until, [now] * 200))  # now they are known as short
        before = agents(engine)
        running = engine.submit(remote.wait_until, str(gate))
        wait_for(running.running)
        behind = engine.submit(remote.wait_until, never)
        wait_for(behind.running, what="it to be sent ahead")
        assert behind.cancel(running=True)
        wait_for(lambda: fleet_of(engine).core.pools[0].out == 1, what="it to come back")
        gate.touch()
        assert running.result(20) == str(gate)
        assert list(engine.map(remote.wait_until, [now] * 50)) == [now] * 50
        assert agents(engine) == before
    assert not heard.why("cancelled")


def test_closing_a_map_calls_off_what_was_not_sent(tmp_path: Path, now: str) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    with Engine(1, batch_max=1, attachable=False) as engine:
        paths = [now, *[str(gate)] * 50]
        results = engine.map(remote.log_and_wait, [str(log)] * 51, map(str, range(51)), paths)
        assert next(results) == "0"
        results.close()
        wait_for(lambda: counts(engine)["queued"] == 0)
        gate.touch()
        assert engine.submit(abs, -1).result(20) == 1
    assert len(log.read_text().splitlines()) <= 3  # one was running then, one may have been sent ahead


# -- results that wait for others --------------------------------------------------------------------------------------


@pytest.mark.needs("batching", "pooling")
@pytest.mark.parametrize("wait", [remote.wait_until, remote.sleep_if_absent])
def test_results_do_not_wait_for_a_slow_neighbour(wait: Any, tmp_path: Path, now: str) -> None:
    gate = tmp_path / "gate"
    with Engine(1, attachable=False) as engine:
        assert list(engine.map(wait, [now] * 3000)) == [now] * 3000  # their outcomes are written together from now on
        with together(engine):
            before = [engine.submit(wait, now) for _ in range(20)]
            slow = engine.submit(wait, str(gate))
            after = [engine.submit(wait, now) for _ in range(3)]
        wait_for(slow.running)
        assert [future.result(20) for future in before] == [now] * 20
        assert not slow.done()
        assert not any(future.done() for future in after)
        gate.touch()
        assert [future.result(20) for future in [slow, *after]] == [str(gate), now, now, now]
