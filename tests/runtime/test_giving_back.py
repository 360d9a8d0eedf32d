"""Tasks of a function that was trivial and now is not: others do what was sent with them, or the urgent come first."""

from __future__ import annotations

from pathlib import Path

import pytest
import remote_functions as remote
from inside import agents, core_of, counts, fleet_of, host_pids, kill
from processes import wait_for

from engine.procs.outlet import REST
from engine.procs.scoreboard import BATCH
from shoal import Engine, TaskPoisoned

pytestmark = pytest.mark.needs("pooling", "batching")


def trivial_so_far(engine: Engine, now: str) -> None:
    """Have the engine take `wait_until` for a function that ends at once."""
    engine.wait_ready(30)
    assert set(engine.map(remote.wait_until, [now] * 5000)) == {now}
    for cost in core_of(engine)._costs.values():
        cost.seconds = 1e-6  # whatever else the machine did meanwhile


def busy(engine: Engine) -> int:
    """Agents that have begun a batch."""
    return sum(number > 0 for number in fleet_of(engine).board.column(BATCH))


@pytest.fixture
def now(tmp_path: Path) -> str:
    path = tmp_path / "now"
    path.touch()
    return str(path)


@pytest.mark.parametrize("shards", [1, 4])
def test_everybody_gets_some_of_a_batch_that_turns_out_to_be_long(shards: int, tmp_path: Path, now: str) -> None:
    gate = tmp_path / "gate"
    with Engine(4, shards=shards, attachable=False) as engine:
        trivial_so_far(engine, now)
        found = engine.map(remote.wait_until, [str(gate)] * 8)
        wait_for(lambda: busy(engine) == 4, what="all four to be at it")
        gate.touch()
        assert list(found) == [str(gate)] * 8
        assert core_of(engine).redelivered == 0


@pytest.mark.parametrize("tasks", [8, 3000])
def test_the_urgent_need_not_wait_for_what_was_sent_before(tasks: int, tmp_path: Path, now: str) -> None:
    first, then = tmp_path / "first", tmp_path / "then"
    with Engine(1, attachable=False) as engine:
        trivial_so_far(engine, now)
        paths = [str(first), *[str(then)] * (tasks - 1)]
        found = engine.map(remote.wait_until, paths)
        wait_for(lambda: busy(engine) == 1)
        urgent = engine.using(priority=9).submit(abs, -1)
        wait_for(lambda: counts(engine)["queued"] == tasks, what="all but the first to come back")
        first.touch()
        assert urgent.result(20) == 1
        assert not then.exists()
        then.touch()
        assert list(found) == paths
        assert core_of(engine).redelivered == 0


def test_an_agent_that_is_killed_after_it_gave_back_loses_one_task(tmp_path: Path, now: str) -> None:
    gate = tmp_path / "gate"
    with Engine(2, attachable=False) as engine:
        trivial_so_far(engine, now)
        found = engine.map(remote.wait_until, [str(gate)] * 8)
        wait_for(lambda: busy(engine) == 2)
        wait_for(lambda: counts(engine)["queued"] == 6)
        kill(agents(engine)[0])
        wait_for(lambda: core_of(engine).redelivered, what="the death to be known")
        wait_for(lambda: busy(engine) == 2)
        gate.touch()
        assert list(found) == [str(gate)] * 8
        assert core_of(engine).redelivered == 1


@pytest.mark.parametrize("rest", [b"", bytes(19), bytes(21)])
def test_an_agent_that_gives_back_what_makes_no_sense_is_ended(rest: bytes) -> None:
    """User code that finds its agent's channel costs no more than the agent."""
    with Engine(1, attachable=False) as engine:
        engine.wait_ready(30)
        hosts = host_pids(engine)
        with pytest.raises(TaskPoisoned):
            engine.using(crash_limit=1).submit(remote.babble, bytes((REST,)) + rest, 60.0).result(20)
        assert engine.submit(abs, -1).result(20) == 1
        assert host_pids(engine) == hosts


@pytest.mark.parametrize("rest", [bytes(20), b"\xff" * 20])
def test_what_an_agent_gives_back_that_it_does_not_have_is_nothing(rest: bytes) -> None:
    with Engine(1, attachable=False) as engine:
        engine.wait_ready(30)
        before = agents(engine)
        engine.submit(remote.babble, bytes((REST,)) + rest, 0.0).result(20)
        assert engine.submit(abs, -1).result(20) == 1
        assert agents(engine) == before
