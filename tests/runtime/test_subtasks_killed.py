"""Subtasks where parents, children and hosts are killed: nothing is lost, and nothing runs for nobody."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import subtask_functions as sub
from inside import Heard, agents, core_of, fleet_of, host_pids, kill, pool_of
from processes import scaled, wait_for
from test_subtasks import all_accounted_for, told

from engine.core.invariants import check
from shoal import Engine, PoolSettings, TaskPoisoned

GPU = [PoolSettings(name="gpu", size=1)]


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("pool", [None, "gpu"])
def test_a_killed_parent_has_its_subtasks_anew(pool: str | None, tmp_path: Path) -> None:
    """Its agent dies: the subtask that runs is ended, for nobody wants it, and the parent submits another one."""
    heard = Heard()
    note, mine, gate = tmp_path / "note", tmp_path / "mine", tmp_path / "gate"
    with Engine(2, pools=GPU, on_event=heard, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, str(note), str(mine), str(gate), pool)
        wait_for(lambda: pids(note) and core_of(engine).aside)
        (parent,), (child,) = pids(mine), pids(note)
        kill(parent)
        wait_for(lambda: gone(child), what="the subtask to be ended")
        wait_for(lambda: len(pids(note)) == 2, what="the next attempt to have one of its own")
        gate.touch()
        assert waiting.result(30) == pids(note)[1]
        assert len(pids(mine)) == 2
        wait_for(lambda: all_accounted_for(engine))
        assert told(engine) == (2, 0, 1)
        assert len(heard.why("cancelled")) == 1


def test_a_killed_parent_that_is_given_up_takes_its_subtasks_with_it(tmp_path: Path) -> None:
    note, mine, gate = tmp_path / "note", tmp_path / "mine", tmp_path / "gate"
    with Engine(2, crash_limit=1, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, str(note), str(mine), str(gate))
        wait_for(lambda: pids(note))
        kill(pids(mine)[0])
        with pytest.raises(TaskPoisoned):
            waiting.result(30)
        wait_for(lambda: gone(pids(note)[0]), what="the subtask to be ended")
        wait_for(lambda: all_accounted_for(engine))
        assert told(engine) == (1, 0, 1)


def test_a_killed_child_runs_again_while_its_parent_waits(tmp_path: Path) -> None:
    note, mine, gate = tmp_path / "note", tmp_path / "mine", tmp_path / "gate"
    with Engine(1, pools=GPU, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, str(note), str(mine), str(gate), "gpu")
        wait_for(lambda: pids(note))
        kill(pids(note)[0])
        wait_for(lambda: len(pids(note)) == 2, what="the subtask to run again")
        gate.touch()
        assert waiting.result(30) == pids(note)[1]
        assert len(pids(mine)) == 1, "the parent went on"
        assert told(engine) == (1, 0, 0)


@pytest.mark.parametrize("whose", ["child", "parent"])
def test_a_host_is_killed(whose: str, tmp_path: Path) -> None:
    note, mine, gate = tmp_path / "note", tmp_path / "mine", tmp_path / "gate"
    with Engine(1, pools=GPU, attachable=False) as engine:
        waiting = engine.submit(sub.holds_a_subtask, str(note), str(mine), str(gate), "gpu")
        wait_for(lambda: pids(note) and core_of(engine).aside)
        kill(host_pids(engine)[pool_of(engine, "gpu" if whose == "child" else "main").shards[0].id])
        wait_for(lambda: len(pids(note)) == 2, what="the subtask to run again")
        gate.touch()
        assert waiting.result(30) == pids(note)[1]
        assert len(pids(mine)) == (1 if whose == "child" else 2)
        wait_for(lambda: all_accounted_for(engine))
        assert told(engine) == ((1, 0, 0) if whose == "child" else (2, 0, 1))


@pytest.mark.needs("pooling")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_over_trees_of_tasks(seed: int, tmp_path: Path) -> None:
    """Agents and hosts, of whoever waits or works, are killed at random: each tree has all its leaves, each task is
    over once, and in the end nobody waits."""
    chance = random.Random(seed)
    with Engine(4, shards=2, crash_limit=100, attachable=False) as engine:
        folders = [tmp_path / str(number) for number in range(scaled(8))]
        for folder in folders:
            folder.mkdir()
        futures = [engine.submit(sub.tree, 3, 0, str(folder)) for folder in folders]
        kills = 0
        until = time.monotonic() + 20
        while kills < 25 and time.monotonic() < until and not all(future.done() for future in futures):
            time.sleep(chance.uniform(0.005, 0.04))
            several = host_pids(engine) if chance.random() < 0.08 else agents(engine)
            if several:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(several), signal.SIGKILL)
                    kills += 1
        assert [future.result(120) for future in futures] == [27] * len(futures)
        assert kills > 3, "nothing was tried"
        wait_for(lambda: all_accounted_for(engine))
        core = core_of(engine)
        check(core)
        assert core.failed == 0
        assert core.done == core.submitted - core.cancelled == len(futures) + told(engine)[0] - told(engine)[2]
        for folder in folders:
            assert sorted(int(leaf.name) for leaf in folder.iterdir()) == list(range(27))
        assert not fleet_of(engine).core.aside
