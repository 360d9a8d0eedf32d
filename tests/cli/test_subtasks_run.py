"""Plans whose tasks have subtasks: what is recorded and told, and what becomes of them when a run is cut off."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import data, run
from killing import SHOAL, kill_all, kill_some, over, started
from processes import wait_for

WORK = """
import os, time
from shoal import ask, submit, using

def note(name, text):
    with open(name, "a") as file:
        file.write(f"{text}\\n")

def compile(n):
    note("compiled.txt", n)
    while n == 3 and os.path.exists("hold"):
        time.sleep(0.005)
    return 10 * n

def design(n):
    note("designed.txt", n)
    return ask("KERNEL", compile, n).result() + 1

def tree(n, depth=3):
    if not depth:
        time.sleep(0.002)
        return 1
    several = [using(crash_limit=50).submit(tree, n, depth - 1) for _ in range(2)]
    return sum(one.result() for one in several)

def bad(n):
    raise ValueError(f"bad {n}")

def copes(n):
    try:
        return submit(bad, n).result()
    except ValueError:
        return "coped"
"""
PLAN = """
[pools.main]
agents = 1
[pools.gpu]
agents = 1
[owners.gpu]
[requests.KERNEL]
answered_by = "gpu"
[[tasks]]
name = "design"
call = "work:design"
items = [1, 2, 3, 4]
"""
TREE = """
[pools.main]
agents = 3
[[tasks]]
name = "tree"
call = "work:tree"
items = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
crash_limit = 50
"""
OPTIONS = ("--db", "runs.db", "--headless")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def shoal(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHOAL, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(folder / "runs.db")
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def results(text: str) -> dict[int, Any]:
    return {line["index"]: line["result"] for line in map(json.loads, text.splitlines())}


def noted(folder: Path, name: str) -> list[int]:
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


JOBS = """SELECT j.name, p.name, count(*) FROM all_tasks t JOIN jobs j ON (j.run, j.job) = (t.run, t.job)
    JOIN pools p ON (p.run, p.pool) = (j.run, j.pool) WHERE t.state = 'done' GROUP BY 1, 2 ORDER BY 1"""


def test_requests_are_answered_by_the_pool_of_their_owner_and_recorded_as_jobs_of_their_own(folder: Path) -> None:
    done = shoal(folder, "run", "plan.toml", *OPTIONS, "--json", "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert results((folder / "out.jsonl").read_text()) == {0: 11, 1: 21, 2: 31, 3: 41}
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["tasks"], summary["done"], summary["failed"]) == (8, 8, 0)
    assert summary["subtasks"] == {"tasks": 4, "failed": 0, "cancelled": 0}
    assert ask(folder, JOBS) == [("design", "main", 4), ("design/KERNEL", "gpu", 4)]
    shown = shoal(folder, "show", "last", "--db", "runs.db")
    assert shown.returncode == 0
    assert "design/KERNEL" in shown.stdout


def test_what_a_task_copes_with_is_no_failure_of_the_run(folder: Path) -> None:
    (folder / "items.txt").write_text("1\n2\n3\n")
    done = shoal(folder, "run", "work:copes", "--items", "items.txt", *OPTIONS, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["status"] == "done"
    assert summary["subtasks"] == {"tasks": 3, "failed": 3, "cancelled": 0}


@pytest.fixture
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that stands at the third task, whose subtask runs until there is no file ``hold``."""
    (folder / "hold").touch()
    process = started(folder, "run", "plan.toml", *OPTIONS, "--json", "--out", "out.jsonl")
    try:
        wait_for(lambda: 3 in noted(folder, "compiled.txt"), 30)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.needs("pooling")
def test_who_waits_for_whom_is_told(folder: Path, held: subprocess.Popen[str]) -> None:
    def waiting() -> dict[str, Any]:
        (found,) = data(run("status", "--json"))
        return dict(found)

    wait_for(lambda: any(one["task"] == "design[2]" for one in waiting()["waits"]))
    told = waiting()
    one = next(one for one in told["waits"] if one["task"] == "design[2]")
    assert (one["pool"], one["subtasks"], one["count"], one["pools"], one["kinds"]) == (
        "main", ["design/KERNEL[2]"], 1, ["gpu"], ["KERNEL"],
    )  # fmt: skip
    assert told["asked"]["KERNEL"] >= 3
    text = run("status").stdout
    assert "waiting for subtasks: " in text
    assert "design[2] waits for design/KERNEL[2] (KERNEL) in gpu, sent, for " in text
    first, second = run("explain", "design[2]").stdout.splitlines()
    assert first.startswith("design[2]  waits for subtasks of its own, sent for ")
    assert second.startswith("  it waits for design/KERNEL[2], sent ")
    assert run("explain", "design/KERNEL[2]").stdout.splitlines()[-1] == "  it is a subtask of design[2]"
    (folder / "hold").unlink()
    assert held.wait(60) == 0


@pytest.mark.needs("pooling")
def test_an_interrupted_run_lets_who_runs_have_its_answer(folder: Path, held: subprocess.Popen[str]) -> None:
    wait_for(lambda: 3 in noted(folder, "designed.txt"))
    held.send_signal(signal.SIGINT)
    (folder / "hold").unlink()
    assert held.wait(60) == 130
    rows = results((folder / "out.jsonl").read_text())
    assert rows[2] == 31
    done = shoal(folder, "resume", "last", *OPTIONS, "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert results((folder / "out.jsonl").read_text()) == {0: 11, 1: 21, 2: 31, 3: 41}


def test_a_run_that_was_killed_makes_subtasks_anew_of_those_alone_that_were_not_over(
    folder: Path, held: subprocess.Popen[str]
) -> None:
    wait_for(lambda: over(folder / "runs.db") >= 4, 30, "two tasks and their subtasks to be recorded")
    wait_for(lambda: ask(folder, "SELECT total FROM runs") == [(8,)], 30, "all four subtasks to be counted")
    known = {task for job, task in ask(folder, "SELECT job, task FROM all_tasks WHERE state = 'done'") if job == 1}
    kill_all(held)
    (folder / "hold").unlink()
    before = noted(folder, "designed.txt")
    done = shoal(folder, "resume", "last", *OPTIONS, "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert results((folder / "out.jsonl").read_text()) == {0: 11, 1: 21, 2: 31, 3: 41}
    again = noted(folder, "designed.txt")[len(before) :]
    assert {n - 1 for n in again} == {0, 1, 2, 3} - known
    assert len(again) == len(set(again))


@pytest.mark.needs("pooling")
def test_deaths_of_agents_leave_a_run_that_is_whole(folder: Path) -> None:
    (folder / "tree.toml").write_text(TREE)
    process = started(folder, "run", "tree.toml", *OPTIONS, "--json", "--out", "out.jsonl")
    kill_some(process, folder / "runs.db", 100, 12)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert results((folder / "out.jsonl").read_text()) == dict.fromkeys(range(12), 8)
    summary = json.loads(stdout.splitlines()[-1])
    tasks, failed, cancelled = (summary["subtasks"][name] for name in ("tasks", "failed", "cancelled"))
    assert failed == 0
    assert summary["done"] == 12 + tasks - cancelled
    assert os.path.exists(folder / "runs.db")
    states = dict(ask(folder, "SELECT state, count(*) FROM all_tasks GROUP BY state"))
    assert states["done"] == summary["done"]
