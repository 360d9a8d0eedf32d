"""Starts of agents: so many at a time, tried again where they fail, and given up where that does not help."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from inside import STARTING, Heard, agents, children, core_of, counts, fleet_of, host_pids, module
from processes import wait_for

from engine.procs.scoreboard import STATE
from engine.runtime.fleet import pressure
from engine.runtime.fleet.fleet import Fleet
from shoal import Engine

pytestmark = pytest.mark.needs("pooling")  # forks of what was started once: without it there are none

FEW_FORKS = """
import os
really_fork = os.fork
results = {results}  # of the forks of each host, by turns; the last one goes on for ever
def fork():
    with open("/proc/self/comm") as name:
        if name.read() == "shoal-host\\n":
            result = results.pop(0) if len(results) > 1 else results[0]
            if not result:
                raise OSError(11, "Resource temporarily unavailable")
    return really_fork()
os.fork = fork
"""

STANDS_STILL = """
import os, signal
from engine.procs import system
really = system.set_name
def set_name(name):
    if name == "shoal-agent":
        for n in range({times}):
            try:
                os.close(os.open({flag!r} + str(n), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            signal.pause()
    really(name)
system.set_name = set_name
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules agents can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture(autouse=True)
def no_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine has to do is none of these tests' business."""
    monkeypatch.setattr(pressure, "measure", lambda: 1.0)


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """(starting, up, failed starts) whenever an engine has carried out what its core wants."""
    seen: list[tuple[int, int, int]] = []
    settle = Fleet.settle

    def watched(fleet: Fleet) -> None:
        settle(fleet)
        core = fleet.core
        seen.append((core.starting, sum(pool.up for pool in core.pools), core.spawn_failures))

    monkeypatch.setattr(Fleet, "settle", watched)
    return seen


def starting(engine: Engine) -> int:
    """Agents that exist and are not up, by the scoreboard."""
    fleet = fleet_of(engine)
    return fleet.board.column(STATE).count(STARTING) if fleet.phase == "running" else 0


def hold_starts(gate: Path, **more: Any) -> Engine:
    """An engine whose agents come up once there is a gate."""
    return Engine(initializer=remote.wait_until, initargs=(str(gate),), attachable=False, **more)


def start(engine: Engine) -> None:
    """Have its agents start, without waiting for them."""
    with pytest.raises(TimeoutError):
        engine.wait_ready(0.001)


@pytest.mark.parametrize(
    ("settings", "most"),
    [({"spawn_parallelism": 3}, 3), ({"spawn_parallelism": 3, "enable_parallel_spawn": False}, 1)],
)
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.needs("parallel_spawn")
def test_no_more_agents_start_at_a_time_than_are_allowed(
    settings: dict[str, Any], most: int, shards: int, tmp_path: Path, history: list[tuple[int, int, int]]
) -> None:
    gate = tmp_path / "gate"
    with hold_starts(gate, max_workers=10, shards=shards, settings=settings) as engine:
        start(engine)
        wait_for(lambda: sum(len(children(host)) for host in host_pids(engine)) == most, what="the first wave")
        assert starting(engine) == most
        gate.touch()
        assert engine.wait_ready(30) == 10
        assert engine.stats()["spawn"] == {"asked": 10, "failed": 0, "now": 0}
    assert max(at_once for at_once, _, _ in history) == most


@pytest.mark.needs("parallel_spawn")
def test_a_machine_under_pressure_starts_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "measure", lambda: 0.0)
    gate = tmp_path / "gate"
    # The first wave is on its way when the pressure is looked at; what follows it comes one by one.
    with hold_starts(gate, max_workers=8, settings={"spawn_parallelism": 4}) as engine:
        start(engine)
        wait_for(lambda: starting(engine) == 4)
        engine.submit(abs, -1)  # whatever happens next: nobody looks while nothing does
        wait_for(lambda: core_of(engine)._throttle == 0.0)
        gate.touch()
        assert engine.wait_ready(30) == 8


@pytest.mark.needs("parallel_spawn")
def test_failed_forks_are_tried_again_one_after_the_other(modules: Path, history: list[tuple[int, int, int]]) -> None:
    heard = Heard()
    name = module(modules, "few_forks", FEW_FORKS.format(results=[False] * 4 + [True]))
    with Engine(4, preload=[name], on_event=heard, attachable=False) as engine:
        assert engine.wait_ready(30) == 4
        assert engine.stats()["spawn"] == {"asked": 8, "failed": 4, "now": 0}
        assert list(engine.map(abs, range(-50, 0))) == list(range(50, 0, -1))
    failed = [event for event in heard if event.kind == "agent.failed"]
    assert len(failed) == 4
    assert "can't fork: Resource temporarily unavailable" in failed[0].text
    after = [at_once for at_once, up, failures in history if failures == 4 and not up]
    assert after
    assert max(after) == 1


def test_a_pool_that_cannot_fork_at_all_is_broken_and_says_why(modules: Path) -> None:
    name = module(modules, "no_forks", FEW_FORKS.format(results=[False]))
    with Engine(2, preload=[name], settings={"spawn_max_retry": 1}, attachable=False) as engine:
        future = engine.submit(abs, -1)
        with pytest.raises(BrokenProcessPool, match="can't fork: Resource temporarily unavailable"):
            future.result(30)
        with pytest.raises(BrokenProcessPool, match="can't fork"):
            engine.wait_ready(30)


def test_agents_that_cannot_be_started_hold_up_nobody(modules: Path) -> None:
    heard = Heard()
    name = module(modules, "two_forks", FEW_FORKS.format(results=[True, True, False]))
    with Engine(4, preload=[name], settings={"spawn_max_retry": 2}, on_event=heard, attachable=False) as engine:
        futures = [engine.submit(abs, -n) for n in range(50)]
        assert engine.wait_ready(30) == 2
        assert [future.result(20) for future in futures] == list(range(50))
        assert len(agents(engine)) == 2
        given_up = [event for event in heard if event.kind == "agent.given_up"]
        assert len(given_up) == 2
        assert "can't fork" in given_up[0].text
        assert counts(engine)["size"] == 2
        assert engine.stats()["spawn"]["failed"] == 6


def test_a_start_that_stands_still_is_tried_again(modules: Path, tmp_path: Path) -> None:
    heard = Heard()
    name = module(modules, "stands_still", STANDS_STILL.format(times=2, flag=str(tmp_path / "stood")))
    with Engine(2, preload=[name], settings={"spawn_timeout": 0.2}, on_event=heard, attachable=False) as engine:
        assert engine.wait_ready(30) == 2
        assert list(engine.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert engine.stats()["spawn"] == {"asked": 4, "failed": 2, "now": 0}
    assert len(heard.why("spawn")) == 2
    assert "stood still for 0.2 s while it started" in heard.why("spawn")[0].text


def test_starts_that_always_stand_still_break_the_pool(modules: Path, tmp_path: Path) -> None:
    name = module(modules, "stands_still", STANDS_STILL.format(times=1000, flag=str(tmp_path / "stood")))
    settings = {"spawn_timeout": 0.1, "spawn_max_retry": 1}
    with (
        Engine(1, preload=[name], settings=settings, attachable=False) as engine,
        pytest.raises(BrokenProcessPool, match=r"stood still for 0\.1 s"),
    ):
        engine.submit(abs, -1).result(30)


def test_agents_that_die_while_they_initialise_are_started_again(modules: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with Engine(1, initializer=remote.die_once, initargs=(str(flag),), attachable=False) as engine:
        assert engine.wait_ready(30) == 1
        assert flag.exists()
        assert engine.submit(abs, -1).result(20) == 1
        assert engine.stats()["spawn"]["failed"] == 1
