"""Plans whose tasks say what memory they take: what runs at once never takes more than there is."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL, kill_all, kill_some, over, started
from processes import wait_for

PLAN = """
[pools.main]
agents = 4
[[tasks]]
name = "big"
call = "time:sleep"
items = [BIG]
memory = "3G"
crash_limit = 50
[[tasks]]
name = "small"
call = "time:sleep"
items = [SMALL]
memory = "1GB"
crash_limit = 50
"""
BIG, SMALL = 8, 24
LIMIT = 5
OPTIONS = ("--db", "runs.db", "--headless", "--set", f"memory_tasks={LIMIT}G")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plan = PLAN.replace("[BIG]", str([0.03] * BIG)).replace("[SMALL]", str([0.02] * SMALL))
    (tmp_path / "p.toml").write_text(plan)
    return tmp_path


def intervals(folder: Path) -> list[tuple[float, float, int]]:
    """When tasks ran, and what they took then."""
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        query = "SELECT t.started, t.started + t.seconds, j.name FROM all_tasks t JOIN jobs j USING (run, job)"
        return [(began, ended, 3 if name == "big" else 1) for began, ended, name in db.execute(query)]


def most(found: list[tuple[float, float, int]]) -> int:
    edges = sorted([(began, takes) for began, _, takes in found] + [(ended, -takes) for _, ended, takes in found])
    used = highest = 0
    for _, change in edges:
        used += change
        highest = max(highest, used)
    return highest


@pytest.mark.needs("pooling")
def test_it_holds_while_agents_are_killed_and_after_all_was(folder: Path) -> None:
    process = started(folder, "run", "p.toml", *OPTIONS)
    try:
        kill_some(process, folder / "runs.db", 12, 6)
    finally:
        kill_all(process)
    assert over(folder / "runs.db") >= 12
    process = started(folder, "resume", "last", "--db", "runs.db")
    try:
        _, told = process.communicate(timeout=90)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
    found = intervals(folder)
    assert len(found) == BIG + SMALL
    assert 3 < most(found) <= LIMIT


def test_a_task_that_takes_more_than_there_is_is_refused_in_one_line(folder: Path) -> None:
    words = [*SHOAL, "run", "p.toml", "--db", "runs.db", "--headless", "--set", "memory_tasks=2G"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "shoal: p: tasks 1 ('big'): takes 3.0 GiB of memory, and all tasks together may take 2.0 GiB here: the "
        "machine's less memory_reserve, or --set memory_tasks=SIZE\n"
    )
    assert not (folder / "runs.db").exists()


@pytest.mark.needs("pooling")
def test_who_waits_for_memory_is_told_so(folder: Path) -> None:
    plan = '[pools.main]\nagents = 2\n[[tasks]]\nname = "a"\ncall = "time:sleep"\nitems = [60]\nmemory = "4G"\n'
    (folder / "p.toml").write_text(plan + '[[tasks]]\nname = "b"\ncall = "builtins:abs"\nitems = [1]\nmemory = "2G"\n')
    process = started(folder, "run", "p.toml", *OPTIONS)
    wanted = "waits for memory: 2.0 GiB of 5.0 GiB, 1.0 GiB free; held by a[0] for"

    def told() -> bool:
        done = subprocess.run(
            [*SHOAL, "explain", "b", "--run", "p"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        return wanted in done.stdout

    try:
        wait_for(told, 60)
        subprocess.run([*SHOAL, "ctl", "--run", "p", "stop"], cwd=folder, timeout=60, check=True)
        process.communicate(timeout=60)
    finally:
        kill_all(process)
