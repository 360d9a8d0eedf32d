"""Subtasks: tasks that run submit others and wait for them, and their agent's place is somebody else's meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
import subtask_functions as sub
from holding import Held
from inside import Heard, core_of, fleet_of, pool_of
from processes import scaled, wait_for
from test_claims_held import most_at_once

import shoal
from engine.core.invariants import check
from engine.runtime.fleet import limits
from shoal import Engine, NoAgent, PoolSettings, TaskPoisoned, TaskTimeout


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(2, attachable=False) as engine:
        yield engine
        check(core_of(engine))


def told(engine: Engine) -> tuple[int, int, int]:
    """Subtasks so far: submitted, failed, cancelled."""
    submitted, failed, cancelled = core_of(engine).nested
    return submitted, failed, cancelled


def all_accounted_for(engine: Engine) -> bool:
    """Every task is over, once; nobody waits."""
    core = core_of(engine)
    check(core)
    return core.over == core.submitted and not core.aside and not fleet_of(engine).subtasks.parents


def test_a_task_has_a_subtask_and_waits_for_it(engine: Engine) -> None:
    values: tuple[Any, ...] = (20, "text", (1, 2), [None], bytes(300_000))
    for value in values:
        assert engine.submit(sub.of_one, value).result(30) == value + value
    assert told(engine) == (5, 0, 0)


def test_arguments_of_all_kinds(engine: Engine) -> None:
    assert engine.submit(sub.of_keywords).result(30) == 2
    assert engine.submit(sub.by_value, 4).result(30) == 5
    assert engine.submit(lambda: shoal.submit(lambda: shoal.submit(sub.double, 4).result()).result()).result(30) == 8
    assert engine.submit(sub.of_map_of_two).result(30) == [(3, 1), (2, 2)]


def test_a_map_of_thousands(engine: Engine) -> None:
    tasks = scaled(5000)
    assert engine.submit(sub.of_map, tasks).result(60) == 2 * sum(range(tasks))
    assert told(engine) == (tasks, 0, 0)


def test_large_values_both_ways(engine: Engine) -> None:
    n = 1 << 17
    assert engine.submit(sub.large, n).result(60) == (4 * n + 3, n + 1)


@pytest.mark.needs("pooling")  # an interpreter for each would take minutes
def test_more_large_results_than_descriptors(engine: Engine) -> None:
    assert engine.submit(sub.many_large, 400, 1 << 14).result(120) == 400 << 14


@pytest.mark.needs("pooling")
def test_a_large_result_that_was_left_unread_is_gone_with_its_task() -> None:
    """And who asks for it then is told so."""
    with Engine(1, pools=[PoolSettings(name="gpu", size=1)], attachable=False) as engine:
        engine.submit(sub.leaves_a_large_one, 1 << 17).result(30)
        text = "a large result that was not fetched is gone when its task ends: this is another"
        assert engine.submit(sub.reads_what_was_left).result(30) == text


def test_one_agent_alone_runs_the_subtasks_of_its_own_task() -> None:
    """Its task waits, so another one is started in its place; both are one at a time."""
    with Engine(1, attachable=False) as engine:
        assert engine.submit(sub.of_one, 4).result(30) == 8
        assert list(engine.map(sub.of_one, range(20))) == [2 * x for x in range(20)]


@pytest.mark.parametrize("strategy", ["least-loaded", "hash"])
def test_recursion(strategy: Any) -> None:
    with Engine(2, shards=2, strategy=strategy, attachable=False) as engine:
        assert engine.submit(sub.fib, 8).result(60) == 21
        assert told(engine) == (66, 0, 0)
        wait_for(lambda: all_accounted_for(engine))


def test_recursion_back_and_forth_between_two_pools_of_one() -> None:
    with Engine(1, pools=[PoolSettings(name="gpu", size=1)], attachable=False) as engine:
        assert engine.submit(sub.back_and_forth, 20, ("main", "gpu")).result(60) == 20


def test_with_pooling_off() -> None:
    with Engine(2, settings={"enable_pooling": False}, attachable=False) as engine:
        assert engine.submit(sub.fib, 3).result(60) == 2


def test_elastic_pools() -> None:
    pools = [PoolSettings(name="gpu", size=1, min_size=1, max_size=3)]
    with Engine(3, min_workers=1, pools=pools, attachable=False) as engine:
        assert engine.submit(sub.fib, 5).result(60) == 5
        assert engine.submit(sub.of_one, 3, "gpu").result(60) == 6


@pytest.mark.needs("pooling")
def test_no_more_work_at_a_time_than_the_pool_has_agents(tmp_path: Path) -> None:
    """But for who goes on after a wait, of whom nobody knows before how long that takes: they only work before here."""
    with Engine(2, attachable=False) as engine:
        futures = [engine.submit(sub.works_and_waits, str(tmp_path), str(at)) for at in range(12)]
        assert [future.result(60) for future in futures] == [2] * 12
        check(core_of(engine))
    spans = [tuple(map(int, file.read_text().split())) for file in tmp_path.glob("*.*-*")]
    assert len(spans) == 36
    assert most_at_once([(began, ended) for began, ended in spans]) == 2


@pytest.mark.needs("pooling")
def test_who_waits_gives_the_place_of_its_agent_to_others(tmp_path: Path) -> None:
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    pools = [PoolSettings(name="gpu", size=1)]
    with Engine(1, pools=pools, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, note, mine, gate, "gpu")
        wait_for(lambda: core_of(engine).aside)
        (row,) = core_of(engine).aside
        others = list(engine.map(sub.where, range(3)))  # by another agent of that pool of one
        assert {name for name, _ in others} == {"main/1"}
        assert engine.stats()["pools"]["main"]["aside"] == 1
        Path(gate).touch()
        assert waiting.result(30) == int(Path(note).read_text())
        assert row == pool_of(engine).rows.start
        wait_for(lambda: pool_of(engine).wanted == 1, what="the stand-in to be retired")


def test_failures_are_raised_where_they_are_waited_for(engine: Engine) -> None:
    assert engine.submit(sub.of_failing, "gone").result(30) == "gone RemoteTraceback True False"
    with pytest.raises(LookupError, match="gone"):
        engine.submit(sub.let_fail, "gone").result(30)
    assert told(engine) == (2, 2, 0)
    with pytest.raises(TaskPoisoned, match="its agent died 2 times"):
        engine.submit(sub.of_dying, 2).result(60)


def test_a_subtask_that_takes_too_long(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(TaskTimeout, match=r"timeout of 0\.1 s"):
        engine.submit(sub.of_slow, 0.1, str(tmp_path / "gate")).result(30)


def test_a_subtask_is_retried_by_its_own_rule(engine: Engine, tmp_path: Path) -> None:
    assert engine.submit(sub.of_dying_once, str(tmp_path / "died")).result(30) == 7
    assert engine.submit(sub.of_failing_once, str(tmp_path / "failed")).result(30) == 8
    assert told(engine) == (2, 0, 0)


def test_what_can_not_be_asked(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no pool 'tpu'; there are main"):
        engine.submit(sub.no_such_pool, "tpu").result(30)
    with pytest.raises(TypeError, match="3 is not callable"):
        engine.submit(sub.not_callable).result(30)
    with pytest.raises(TypeError, match="the handle of a subtask can't be sent anywhere"):
        engine.submit(sub.sends_a_handle).result(30)
    several: list[dict[str, Any]] = [
        {"timeout": 0}, {"soft_timeout": -1}, {"retries": -1}, {"crash_limit": 0}, {"kind": "x" * 100},
    ]  # fmt: skip
    for wrong in several:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            shoal.using(**wrong)
    with pytest.raises(ValueError, match="return_when must be"):
        shoal.wait([], return_when="SOMETIME")  # type: ignore[arg-type]


def test_outside_of_a_task_there_are_no_subtasks(engine: Engine) -> None:
    text = "submit, using, ask and wait are for tasks: this process is no agent"
    with pytest.raises(NoAgent, match=text):
        shoal.submit(sub.double, 1)
    with pytest.raises(NoAgent, match=text):
        shoal.ask("KERNEL", sub.double, 1)
    assert engine.submit(sub.in_a_fork).result(30) == 5


def test_other_threads_of_a_task_have_none(engine: Engine) -> None:
    told = engine.submit(sub.in_a_thread).result(30)
    assert told == "subtasks are for the thread that runs the task, and not for others that it starts"


def test_waiting_for_some_and_cancelling_others(engine: Engine, tmp_path: Path) -> None:
    assert engine.submit(sub.first_of, str(tmp_path / "gate")).result(30) == (1, 1, 2)
    wait_for(lambda: all_accounted_for(engine))
    assert told(engine) == (2, 0, 1)


def test_a_wait_that_times_out(engine: Engine, tmp_path: Path) -> None:
    text = "the subtask is not over after 0.05 s"
    assert engine.submit(sub.impatient, str(tmp_path / "gate")).result(30) == text
    wait_for(lambda: all_accounted_for(engine))
    assert told(engine) == (1, 0, 1)  # nobody waited for it any more


def test_a_soft_timeout_is_raised_in_a_wait(engine: Engine, tmp_path: Path) -> None:
    future = engine.using(soft_timeout=1.0).submit(sub.soft, str(tmp_path / "gate"))
    assert future.result(30) == "told, and went on"


def test_what_a_task_has_not_waited_for_when_it_ends_is_cancelled(tmp_path: Path) -> None:
    heard = Heard()
    note, gate = tmp_path / "note", tmp_path / "gate"
    with Engine(2, on_event=heard, attachable=False) as engine:
        assert engine.submit(sub.leaves_one, str(note), str(gate)).result(30) == "over"
        wait_for(lambda: heard.why("cancelled"), what="its agent to be ended")
        wait_for(lambda: all_accounted_for(engine))
        assert told(engine) == (1, 0, 1)


def test_cancelling_a_task_cancels_its_subtasks(tmp_path: Path) -> None:
    heard = Heard()
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    with Engine(2, on_event=heard, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, note, mine, gate)
        wait_for(lambda: Path(note).exists() and core_of(engine).aside)
        assert waiting.cancel(running=True)
        wait_for(lambda: len(heard.why("cancelled")) == 2, what="both agents to be ended")
        with pytest.raises(CancelledError):
            waiting.result(0)
        wait_for(lambda: all_accounted_for(engine))
        assert told(engine) == (1, 0, 1)


def test_a_task_that_takes_too_long_while_it_waits(engine: Engine, tmp_path: Path) -> None:
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    with pytest.raises(TaskTimeout):
        engine.using(timeout=0.3).submit(sub.holds_a_subtask, note, mine, gate).result(30)
    wait_for(lambda: all_accounted_for(engine))
    assert told(engine) == (1, 0, 1)


def test_a_shutdown_that_cancels_lets_who_runs_have_its_subtasks(tmp_path: Path) -> None:
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    engine = Engine(1, attachable=False)
    waiting = engine.submit(sub.holds_a_subtask, note, mine, gate)
    wait_for(lambda: Path(note).exists())
    behind = engine.submit(sub.holds_a_subtask, note, mine, gate)
    held = [engine.submit(sub.double, 1) for _ in range(5)]
    engine.shutdown(wait=False, cancel_futures=True)
    Path(gate).touch()
    engine.shutdown()
    assert waiting.result(0) == int(Path(note).read_text().split()[0])
    assert all(future.cancelled() or future.result(0) for future in (behind, *held))


@pytest.mark.needs("pooling")
def test_while_the_run_is_paused_or_drained_who_runs_goes_on(tmp_path: Path) -> None:
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    with Engine(1, attachable=False) as engine:
        held = Held(engine, tmp_path / "held").begin()
        waiting = engine.submit(sub.holds_a_subtask, note, mine, gate)
        held.release()
        wait_for(lambda: Path(mine).exists())
        engine._ask(lambda run: run.fleet.core.pause())
        behind = engine.submit(sub.double, 1)
        wait_for(lambda: Path(note).exists(), what="the subtask to be sent though nothing else is")
        Path(gate).touch()
        assert waiting.result(30) > 0
        assert not behind.running()
        engine._ask(lambda run: run.fleet.core.resume())
        assert behind.result(30) == 2


@pytest.mark.needs("pooling")
def test_explained(tmp_path: Path) -> None:
    note, mine, gate = (str(tmp_path / name) for name in ("note", "mine", "gate"))
    with Engine(1, pools=[PoolSettings(name="gpu", size=1)], attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, note, mine, gate, "gpu")
        wait_for(lambda: Path(note).exists() and core_of(engine).aside)
        first, second = engine.explain(waiting)
        assert first.startswith("waits for subtasks of its own, sent ")
        assert first.endswith(" on agent main/0")
        assert second.startswith("it waits for holds_a_subtask/wait_and_tell[0], sent ")
        Path(gate).touch()
        waiting.result(30)


@pytest.mark.needs("pooling")
def test_where_all_wait_and_there_is_room_for_nobody_the_deepest_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "spare", lambda agents: 2)
    with Engine(1, attachable=False) as engine:
        assert engine.submit(sub.back_and_forth, 2, ("main", "main")).result(30) == 2
        with pytest.raises(RecursionError, match=r"every agent of pool main waits for subtasks \(3 do\)"):
            engine.submit(sub.back_and_forth, 3, ("main", "main")).result(30)
        assert engine.submit(sub.back_and_forth, 2, ("main", "main")).result(30) == 2
        wait_for(lambda: all_accounted_for(engine))


def test_requests_of_another_team() -> None:
    with Engine(1, pools=[PoolSettings(name="gpu", size=1)], attachable=False) as engine:
        assert engine.submit(sub.asks, "KERNEL", "gpu").result(30)[0] == "gpu/0"
        assert engine.submit(sub.asks, "QUESTION", None).result(30)[0].startswith("main/")
        engine._ask(lambda run: run.fleet.subtasks.answers.update(REVIEW="gpu"))
        assert engine.submit(sub.asks, "REVIEW", None).result(30)[0] == "gpu/0"
        with pytest.raises(ValueError, match="no request 'KERNAL'; there are KERNEL, QUESTION, BLOCKER, INTEGRATION"):
            engine.submit(sub.asks, "KERNAL", None).result(30)
        assert fleet_of(engine).subtasks.asked == {"KERNEL": 1, "QUESTION": 1, "REVIEW": 1}
