"""Plans whose tasks hold claims and run in lanes, by real processes: the record has the intervals, and the kernel
is the judge of what is held."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import claimed_functions
import pytest
from killing import SHOAL, kill_all, kill_some, over, started
from processes import scaled

import engine.store

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (Path(engine.store.__file__).parent / "README.md").read_text()
LANES = re.search(r"-- lanes of a plan.*\n((?:(?!--).+\n)+)", TEXT)
OPTIONS = ("--db", "runs.db", "--headless")

WORK = """
import time
from claimed_functions import held, in_lane

def alone(folder, shard, n):
    with held(folder, "all", shared=True), held(folder, f"db-{shard}"):
        time.sleep(0.004)
    return n

def together(folder, shard, n):
    with held(folder, "all", shared=True), held(folder, f"db-{shard}", shared=True):
        time.sleep(0.004)
    return n

def everything(folder, n):
    with held(folder, "all"):
        time.sleep(0.004)
    return n

def sensitive(folder, n):
    in_lane(folder, "local", 1, 0.004, n)
    return n

def bulk(folder, n, at):
    in_lane(folder, "cloud", 3, 0.01, n)
    return n
"""
PLAN = """
[pools.main]
agents = 5
[pools.other]
agents = 3
[lanes.local]
limit = 1
labels = ["sensitive"]
[lanes.cloud]
limit = 3
labels = ["bulk"]
pool = "other"

[[tasks]]
name = "sensitive"
call = "work:sensitive"
labels = ["sensitive"]
crash_limit = 50
over = { n = { from = 1, to = 30 } }
arguments = { folder = "." }
[[tasks]]
name = "bulk"
call = "work:bulk"
labels = ["bulk"]
crash_limit = 50
over = { n = { from = 1, to = 60 } }
arguments = { folder = ".", at = "other" }
[[tasks]]
name = "bulk-here"
call = "work:bulk"
lane = "cloud"
pool = "main"
crash_limit = 50
over = { n = { from = 61, to = 90 } }
arguments = { folder = ".", at = "main" }
[[tasks]]
name = "alone"
call = "work:alone"
crash_limit = 50
claims = ["db/{shard}", { shared = "all" }]
over = { shard = [1, 2], n = { from = 1, to = 15 } }
arguments = { folder = "." }
[[tasks]]
name = "together"
call = "work:together"
crash_limit = 50
claims = [{ shared = "db/{shard}" }, { shared = "all" }]
over = { shard = [1, 2], n = { from = 1, to = 15 } }
arguments = { folder = "." }
[[tasks]]
name = "everything"
call = "work:everything"
crash_limit = 50
claims = ["db/**", "all"]
over = { n = { from = 1, to = 8 } }
arguments = { folder = "." }
[[tasks]]
name = "last"
call = "work:sensitive"
after = ["sensitive", "bulk"]
labels = ["sensitive"]
arguments = { folder = ".", n = 0 }
"""
TASKS = 30 + 60 + 30 + 30 + 30 + 8 + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(claimed_functions.__file__, tmp_path)
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "p.toml").write_text(PLAN)
    return tmp_path


def rows(folder: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        return db.execute(query).fetchall()


def most(folder: Path) -> dict[str, int]:
    """How many tasks of each lane ran at a time, by the query that the store's README shows."""
    ((run,),) = rows(folder, "SELECT id FROM runs")
    assert LANES is not None
    return dict(rows(folder, LANES[1].replace("4f1c", run)))


@pytest.mark.needs("pooling")
def test_claims_and_lanes_hold_while_agents_are_killed_and_after_all_was(folder: Path) -> None:
    process = started(folder, "run", "p.toml", *OPTIONS)
    try:
        killed = kill_some(process, folder / "runs.db", 60, 15)
    finally:
        kill_all(process)
    before = over(folder / "runs.db")
    assert 60 <= before < TASKS
    assert killed > 0
    process = started(folder, "resume", "last", "--db", "runs.db")
    try:
        kill_some(process, folder / "runs.db", TASKS, 15)
        _, told = process.communicate(timeout=90)
    finally:
        kill_all(process)
    assert process.returncode == 0, told
    assert rows(folder, "SELECT tasks, done, failed FROM runs") == [(TASKS, TASKS, 0)]
    assert rows(folder, "SELECT count(*), min(state), max(state) FROM all_tasks") == [(TASKS, "done", "done")]
    found = most(folder)
    assert found["local"] == 1
    assert 1 < found["cloud"] <= 3
    (died,) = rows(folder, "SELECT count(*) FROM events WHERE kind = 'agent.died'")
    assert died[0] > 0


def test_a_rerun_keeps_them_and_so_do_many_tasks_in_one_batch(folder: Path) -> None:
    """Trivial tasks, which an agent is given many of at once, run one after the other."""
    plan = '[pools.main]\nagents = 4\n[lanes.l]\nlimit = 1\n[[tasks]]\nname = "a"\nlane = "l"\n'
    plan += 'call = "builtins:abs"\nitems = [' + ", ".join(map(str, range(scaled(500)))) + "]\n"
    (folder / "p.toml").write_text(plan)
    for words in (["run", "p.toml", *OPTIONS], ["rerun", "last", "--db", "runs.db"]):
        done = subprocess.run([*SHOAL, *words], cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
    assert LANES is not None
    runs = [run for (run,) in rows(folder, "SELECT id FROM runs")]
    assert len(runs) == 2
    assert [rows(folder, LANES[1].replace("4f1c", run)) for run in runs] == [[("l", 1)], [("l", 1)]]


def test_a_claim_that_a_tasks_arguments_make_no_name_of_ends_the_run_with_a_line(folder: Path) -> None:
    plan = '[[tasks]]\nname = "a"\ncall = "builtins:len"\nitems = ["x", "../y"]\nclaims = ["src/{}"]\n'
    (folder / "p.toml").write_text(plan.replace("src/{}", "{}"))
    done = subprocess.run(
        [*SHOAL, "run", "p.toml", *OPTIONS], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("shoal: tasks 'a': can't claim what their arguments make: '../y'")


@pytest.mark.needs("pooling")
def test_the_fleet_of_twelve_teams_at_a_small_size(folder: Path) -> None:
    """The shipped plan of 3,435 agents, with fewer of them: both lanes are used, and never more than they allow."""
    plan = (ROOT / "fixtures" / "plans" / "augur.toml").read_text()
    for pool, size, small in (("microagents", 3000, 24), ("koshas-domain", 363, 12), ("koshas-prime", 72, 6)):
        assert f"[pools.{pool}]\nagents = {size}\n" in plan
        plan = plan.replace(f"[pools.{pool}]\nagents = {size}\n", f"[pools.{pool}]\nagents = {small}\n")
    (folder / "augur.toml").write_text(plan)
    words = ["run", "augur.toml", *OPTIONS, "--json", "--set", "agents_of_a_team=5"]
    done = subprocess.run([*SHOAL, *words], cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    summary = json.loads(done.stdout.splitlines()[-1])
    tasks = 2 * 60 + 363 + 72 + 4
    assert (summary["tasks"], summary["done"] + summary["failed"]) == (tasks, tasks)
    (gate,) = summary["gates"]
    assert gate["gate"] == "evidence"
    # How much faster it is depends on who else works here; what was found does not.
    assert gate["decided"] in ("go", "hold")
    assert done.returncode == (0 if gate["decided"] == "go" else 1)
    assert summary["failed"] == (0 if gate["decided"] == "go" else 1)
    found = most(folder)
    assert found["local"] == 1
    assert 1 < found["cloud"] <= 10
