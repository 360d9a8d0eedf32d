"""The plan of a run that goes on: what readers of the stream are told; `status`, `explain`, and a replay."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import data, line, run
from killing import kill_all, started
from processes import wait_for

from engine.store.recording import StoredRecording
from engine.stream import places
from engine.stream.client import Client
from engine.stream.plans import PlanSeen, StepNow
from engine.stream.types import PlanNow, PlanOutline
from shoal import Engine

WORK = """
import os, time

def until(path):
    while not os.path.exists(path):
        time.sleep(0.005)
    return {"speed": 3}

def bad(path):
    raise ValueError("no")
"""
PLAN = """
name = "small"
[owners.ada]
[owners.lena]
[groups.first]
title = "The first"
[lanes.local]
limit = 1
[milestones.half]
target = "1h"
tasks = ["first"]

[[tasks]]
name = "prepare"
call = "work:until"
over = { path = ["go-1", "go-2"] }
group = "first"
owner = "ada"
lane = "local"

[[tasks]]
name = "bad"
call = "work:bad"
arguments = { path = "" }

[[tasks]]
name = "lost"
call = "work:until"
arguments = { path = "go-1" }
after = ["bad"]

[[tasks]]
name = "check"
call = "work:until"
arguments = { path = "go-3" }
after = ["prepare"]
claims = ["weights/**"]
owner = "lena"
estimate = "30s"
[tasks.gate]
go = [{ result = "speed", at_least = 4 }]
pivot = [{ result = "speed", at_least = 2 }]

[[tasks]]
name = "late"
call = "work:until"
arguments = { path = "go-1" }
after = ["prepare"]
wait = "1h"
owner = "lena"

[[tasks]]
name = "ship"
call = "work:until"
arguments = { path = "go-1" }
after = ["check"]
owner = "lena"
estimate = "20s"
"""


def begun(folder: Path, plan: str = PLAN) -> subprocess.Popen[str]:
    """A run in the background."""
    (folder / "work.py").write_text(WORK)
    (folder / "plan.toml").write_text(plan)
    return started(folder, "run", "plan.toml", "--headless", "--db", "runs.db", "--agents", "2", "--name", "small")


@contextmanager
def going(folder: Path, plan: str = PLAN) -> Iterator[subprocess.Popen[str]]:
    """The same, ended at the end."""
    process = begun(folder, plan)
    try:
        yield process
    finally:
        end(folder, process)


def end(folder: Path, process: subprocess.Popen[str]) -> None:
    """Let what runs finish, and begin nothing more."""
    for number in (1, 2, 3):
        (folder / f"go-{number}").touch()
    process.terminate()
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        kill_all(process)
        raise


def socket_of(process: subprocess.Popen[str]) -> Path:
    """Where a run is served, once it is."""
    found: list[Path] = []

    def there() -> bool:
        for path in places.runtime_folder().glob("*.sock"):
            try:
                with closing(Client(path)) as client:
                    if client.hello.pid == process.pid:
                        found.append(path)
                        return True
            except Exception:  # of another test's engine, which has just ended
                continue
        return False

    wait_for(there, 60, "it is served")
    return found[0]


class Reader:
    """Somebody who reads of the plan of a run."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen = PlanSeen()
        assert client.subscribe(["plan"], 10).ok

    def until(self, fits: Callable[[dict[str, StepNow]], object]) -> dict[str, StepNow]:
        """Its steps, once they are as they are to be."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.receive(1.0)
            if isinstance(message, PlanOutline | PlanNow):
                self.seen = self.seen.heard(message)
                if self.seen.complete:
                    pairs = zip(self.seen.steps, self.seen.now, strict=True)
                    steps = {one.name: now for one, now in pairs if now is not None}
                    if fits(steps):
                        return steps
        raise AssertionError(f"never so: {self.seen.now}")

    @property
    def outline(self) -> PlanOutline:
        assert self.seen.outline is not None
        return self.seen.outline

    @property
    def told(self) -> PlanNow:
        assert self.seen.told is not None
        return self.seen.told


@contextmanager
def reading(process: subprocess.Popen[str]) -> Iterator[Reader]:
    """A reader of a run in the background."""
    with closing(Client(socket_of(process))) as client:
        yield Reader(client)


def states(steps: dict[str, StepNow]) -> dict[str, str]:
    return {name: step.state for name, step in steps.items()}


def test_readers_are_told_how_each_step_is(tmp_path: Path) -> None:
    with going(tmp_path) as process, reading(process) as reader:
        steps = reader.until(lambda now: now["prepare"].running == 1 and now["lost"].state == "barred")
        assert states(steps) == {
            "prepare": "running", "bad": "failed", "lost": "barred", "check": "waiting", "late": "waiting",
            "ship": "waiting",
        }  # fmt: skip
        assert (reader.outline.title, reader.outline.groups) == ("small", (("first", "The first"),))
        assert [owner.name for owner in reader.outline.owners] == ["ada", "lena"]
        written = {step.name: step for step in reader.seen.steps}
        assert (written["prepare"].total, written["prepare"].lane, written["prepare"].group) == (2, "local", "first")
        assert written["check"].claims == ("weights/**",)
        assert written["check"].gate == ("go if speed >= 4", "pivot if speed >= 2")
        assert (written["late"].wait, written["ship"].estimate) == (3600.0, 20.0)
        assert [reader.seen.steps[number].name for number in written["ship"].after] == ["check"]
        prepare = steps["prepare"]
        assert (prepare.done, prepare.running, prepare.taken) == (0, 1, 2), "the lane lets one run at a time"
        assert prepare.began is not None
        assert prepare.began <= reader.told.at
        assert [reader.seen.steps[number].name for number in steps["ship"].waits_for] == ["check"]
        assert steps["bad"].failed == 1
        (milestone,) = reader.told.milestones
        assert (milestone.tasks, milestone.done, milestone.reached) == (2, 0, False)
        assert [reader.seen.steps[number].name for number in reader.told.chain] == ["prepare", "late"]
        assert (steps["late"].critical, steps["check"].critical) == (True, False)
        assert steps["check"].slack == pytest.approx(3550.0, abs=2.0)
        assert (steps["check"].rank, steps["ship"].rank) == (50.0, 20.0)
        assert (steps["late"].gain, steps["check"].gain) == (1.0, 0.0), "the other has slack"

        for number in (1, 2):
            (tmp_path / f"go-{number}").touch()
        steps = reader.until(lambda now: now["late"].state == "delayed" and now["check"].running)
        assert states(steps)["prepare"] == "done"
        assert steps["prepare"].ended is not None
        assert steps["prepare"].mean is not None
        assert steps["late"].until == pytest.approx(steps["prepare"].ended + 3600, abs=5)
        (milestone,) = reader.told.milestones
        assert milestone.reached
        assert milestone.slack == pytest.approx(3600, abs=70)

        (tmp_path / "go-3").touch()
        steps = reader.until(lambda now: now["ship"].state == "barred")
        (gate,) = reader.told.gates
        assert (reader.seen.steps[gate.step].name, gate.decided, gate.reasons, gate.waits) == (
            "check", "pivot", ("speed is 3, >= 2",), False,
        )  # fmt: skip
        assert steps["ship"].why == "gate check: pivot (speed is 3, >= 2)"


def test_it_is_told_as_text_and_as_json(tmp_path: Path) -> None:
    with going(tmp_path) as process, reading(process) as reader:
        reader.until(lambda now: now["prepare"].running == 1 and now["lost"].state == "barred")
        told = run("status", "small", "--plan").stdout
        for text in (
            "plan small: 6 steps: 1 running, 1 failed, 1 barred, 3 waiting", "prepare: running, 0/2 done, 1 running",
            "lost: barred, 0/1 done, 1 failed", "ship: waiting, 0/1 done, waits for check",
            "milestone half: 0/2 tasks done", "the end hangs on prepare -> late", "owner ada: 0/2 tasks done",
        ):  # fmt: skip
            assert text in told, told
        (found,) = data(run("status", "small", "--plan", "--json"))
        steps = {step["name"]: step for step in found["plan"]["steps"]}
        assert steps["ship"]["waits_for"] == ["check"]
        assert steps["ship"]["after"] == ["check"]
        assert (steps["bad"]["state"], steps["bad"]["failed"]) == ("failed", 1)
        assert found["plan"]["chain"] == ["prepare", "late"]
        assert steps["prepare"]["milestones"] == ["half"]
        (first,) = data(run("status", "small", "--json"))
        assert "plan" not in first


def test_why_a_step_does_not_go_on(tmp_path: Path) -> None:
    with going(tmp_path) as process, reading(process) as reader:
        reader.until(lambda now: now["prepare"].running == 1 and now["lost"].state == "barred")
        lines = run("explain", "ship").stdout.splitlines()
        assert lines == [
            "ship  waits for what it comes after",
            "  it comes after check, which has not begun",
        ]
        first, second, third = run("explain", "prepare").stdout.splitlines()
        assert first == "prepare  running: 0 of 2 over, 1 runs"
        assert second.startswith("  prepare[1]: ready for ")
        assert third.startswith("  lane local is full, 1 at a time: prepare[0] for ")
        (told,) = data(run("explain", "prepare", "--json"))
        assert (told["task"], told["state"], told["example"]["task"]) == ("prepare", "running", "prepare[1]")
        assert [reason["kind"] for reason in told["reasons"]] == ["lane"]
        assert "  bad, which it comes after, has failed" in run("explain", "lost").stdout.splitlines()
        assert run("explain", "prepare[0]").stdout.startswith("prepare[0]  runs, sent for ")
        assert line(run("explain", "nothing")).startswith("no task 'nothing' that is not over")
        for number in (1, 2):
            (tmp_path / f"go-{number}").touch()
        reader.until(lambda now: now["late"].state == "delayed")
        assert run("explain", "late").stdout.startswith("late  begins in ")
        assert run("explain", "prepare").stdout == "prepare  done: 2 of 2 over\n"


def test_a_run_that_is_resumed_knows_what_was_before(tmp_path: Path) -> None:
    process = begun(tmp_path)
    try:
        with reading(process) as reader:
            (tmp_path / "go-1").touch()
            before = reader.until(lambda now: now["prepare"].done == 1)
    finally:
        kill_all(process)
    resumed = started(tmp_path, "resume", "last", "--headless", "--db", "runs.db")
    try:
        with reading(resumed) as reader:
            after = reader.until(lambda now: now["prepare"].running == 1)
            assert after["prepare"].done == 1
            assert after["prepare"].began == pytest.approx(before["prepare"].began, abs=0.01)
    finally:
        end(tmp_path, resumed)


def test_a_replay_has_it(tmp_path: Path) -> None:
    plan = PLAN.replace("1h", "1ms").replace('"go-3"', '"go-1"').replace('"go-2"', '"go-1"')
    (tmp_path / "go-1").touch()
    with going(tmp_path, plan) as process:
        process.wait(timeout=90)
    recording = StoredRecording(tmp_path / "runs.db", "last")
    seen = PlanSeen()
    for _, messages in recording.window(recording.start, recording.end):
        for message in messages:
            if isinstance(message, PlanOutline | PlanNow):
                seen = seen.heard(message)
    assert seen.complete
    found = {one.name: now.state for one, now in zip(seen.steps, seen.now, strict=True) if now is not None}
    assert found == {
        "prepare": "done", "bad": "failed", "lost": "barred", "check": "done", "late": "done", "ship": "barred",
    }  # fmt: skip
    result = run("replay", "last", "--db", str(tmp_path / "runs.db"), "--plan")
    assert "gate check: pivot (speed is 3, >= 2)" in result.stdout
    last = data(run("replay", "last", "--db", str(tmp_path / "runs.db"), "--plan", "--json"))[-1]
    assert {step["name"]: step["state"] for step in last["plan"]["steps"]} == found


def test_a_callable_over_items_is_a_plan_of_one_step(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "items").write_text("go-1\n" * 3)
    process = started(tmp_path, "run", "work:until", "--items", "items", "--headless", "--no-record", "--agents", "2")
    try:
        with reading(process) as reader:
            steps = reader.until(lambda now: now["tasks"].running)
            assert (reader.outline.title, reader.outline.count) == ("work:until", 1)
            assert (reader.seen.steps[0].total, reader.seen.steps[0].what) == (3, "work:until")
            assert steps["tasks"].done == 0
    finally:
        end(tmp_path, process)


def test_a_run_of_a_program_has_none_and_says_so() -> None:
    with Engine(1, name="live") as engine:
        engine.wait_ready(60)
        told = run("status", "live", "--plan")
        assert told.exit_code == 0
        assert "plan: none, for this run is part of a program" in told.stdout
        (found,) = data(run("status", "live", "--plan", "--json"))
        assert found["plan"]["steps"] == []


def test_nobody_asks_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def telling(at: float) -> list[Any]:
        made.append(at)
        return []

    monkeypatch.setattr("engine.runtime.showing.no_plan", telling)
    with Engine(1) as engine:
        engine.wait_ready(60)
        with closing(Client(places.runtime_folder() / f"{engine.run_id}.sock")) as client:
            client.subscribe(["frames"], 20)
            for _ in range(5):
                assert client.receive(5.0) is not None
            assert made == []
            client.subscribe(["frames", "plan"], 20)
            wait_for(lambda: client.receive(1.0) and made)
