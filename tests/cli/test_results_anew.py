"""Results of a run that is over, written from its record: nothing runs again, and the file is as the run's own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from killing import SHOAL

WORK = '''
def held(x):
    """Says that it ran."""
    with open("ran.txt", "a") as file:
        file.write(f"{x}\\n")
    if str(x).startswith("bad"):
        raise ValueError(f"bad item {x}")
    if str(x).startswith("large"):
        return "x" * 200_000
    return {"tuple": (x, 1.5), 7: None, "of my own": Mine()}

def plain(x):
    return len(str(x))

def last(x):
    return held(x)

class Mine:
    def __repr__(self):
        return "<mine>"
'''
PLAN = """
[pools.main]
agents = 2
[[tasks]]
name = "after"
call = "work:last"
items = [1, 2]
after = ["first"]
[[tasks]]
name = "first"
call = "work:held"
items = [1, "two", 3.5]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    return tmp_path


def shoal(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SHOAL, *arguments, "--db", str(folder / "runs.db"), "--headless"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def begun(folder: Path, *given: str, call: str = "held", out: str = "out.jsonl") -> subprocess.CompletedProcess[str]:
    """A run over these items."""
    (folder / "items.txt").write_text("".join(f"{item}\n" for item in given))
    return shoal(folder, "run", f"work:{call}", "--items", "items.txt", "--agents", "2", "--out", out)


def asked(folder: Path, query: str) -> Any:
    db = sqlite3.connect(folder / "runs.db")
    try:
        return db.execute(query).fetchone()[0]
    finally:
        db.close()


def refused(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    """The one line; ``RUN`` stands for the run's id."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line.replace(asked(folder, "SELECT id FROM runs"), "RUN")


@pytest.mark.parametrize(("bad", "code"), [(False, 0), (True, 1)])
def test_a_results_file_that_could_not_be_written(folder: Path, bad: bool, code: int) -> None:
    given = ["a", "b", *(["bad"] if bad else []), *map(str, range(30))]
    straight = begun(folder, *given, out="straight.jsonl")
    assert straight.returncode == code, straight.stderr
    (folder / "runs.db").unlink()
    os.symlink("/dev/full", folder / "out.jsonl")
    done = begun(folder, *given)
    assert done.returncode == 2
    assert "shoal: can't write out.jsonl: No space left on device\n" in done.stderr
    run = asked(folder, "SELECT id FROM runs")
    hint = f"once there is room for it: shoal resume {run} --db {folder / 'runs.db'} (--out FILE)"
    assert done.stderr.splitlines()[-1] == f"what was done is recorded; {hint}"
    assert asked(folder, "SELECT status FROM runs") == "failed"
    (folder / "ran.txt").unlink()

    again = shoal(folder, "resume", "last")
    assert refused(again, folder).startswith(f"shoal: can't write {folder / 'out.jsonl'}: No space left on device")
    if not bad:
        nothing = shoal(folder, "rerun", "--failed", "last")
        why = f"but its results were not all written (shoal resume {run})"
        assert (nothing.returncode, nothing.stderr) == (
            0, f"run {run} has no failed tasks, {why}: nothing is run again\n",
        )  # fmt: skip
    os.unlink(folder / "out.jsonl")
    again = shoal(folder, "resume", "last")
    assert (again.returncode, again.stdout) == (code, ""), again.stderr
    told = f"work:held {run}: {len(given)} results written to {folder / 'out.jsonl'} from the record; nothing ran again"
    assert again.stderr == f"{told}\n"
    assert (folder / "out.jsonl").read_bytes() == (folder / "straight.jsonl").read_bytes()
    assert not (folder / "ran.txt").exists()
    assert asked(folder, "SELECT status FROM runs") == ("failed" if bad else "done")
    assert sorted(each.name for each in folder.glob("runs.db*")) == ["runs.db"]

    anew = "shoal resume RUN --out FILE writes its results anew"
    why = f"done: nothing is left to resume ({anew})"
    if bad:
        why = "over, and 1 of its tasks has failed: nothing is left to resume "
        why += f"(shoal rerun --failed RUN runs what failed, {anew})"
    assert refused(shoal(folder, "resume", "last"), folder) == f"shoal: run RUN is {why}"


@pytest.mark.needs("pooling")  # thousands of tasks
def test_another_file_whatever_became_of_items_and_code(folder: Path) -> None:
    assert begun(folder, "a", "b", "bad", *map(str, range(3000)), call="plain").returncode == 0
    first = (folder / "out.jsonl").read_bytes()
    (folder / "items.txt").unlink()
    (folder / "work.py").unlink()
    (folder / "other.jsonl").write_text("what was there")
    done = shoal(folder, "resume", "last", "--out", "other.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert (folder / "other.jsonl").read_bytes() == first
    summary = json.loads(done.stdout)
    assert [summary[name] for name in ("event", "status", "tasks", "done")] == ["summary", "done", 3003, 3003]
    done = shoal(folder, "resume", "last", "--out", "-")
    assert (done.returncode, done.stdout.encode()) == (0, first)
    assert asked(folder, "SELECT resumed FROM runs") == 0
    line = f"shoal: --out {folder / 'runs.db'} would overwrite {folder / 'runs.db'}, which this run uses"
    assert refused(shoal(folder, "resume", "last", "--out", str(folder / "runs.db")), folder) == line


def test_a_plan_in_the_order_in_which_its_steps_began(folder: Path) -> None:
    (folder / "p.toml").write_text(PLAN)
    assert shoal(folder, "run", "p.toml", "--out", "out.jsonl").returncode == 0
    done = shoal(folder, "resume", "last", "--out", "other.jsonl")
    assert done.returncode == 0, done.stderr
    assert (folder / "other.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()


def test_what_failed_and_ran_again_and_what_was_taken_over(folder: Path) -> None:
    assert begun(folder, "a", "bad", "large 1").returncode == 1
    (folder / "work.py").write_text(WORK.replace("raise ValueError", "return str"))
    assert shoal(folder, "rerun", "--failed", "last", "--force").returncode == 0
    done = shoal(folder, "resume", "last", "--out", "other.jsonl")
    assert done.returncode == 0, done.stderr
    assert (folder / "other.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()


def test_results_that_are_not_in_the_record(folder: Path) -> None:
    given = ["--items", "items.txt", "--set", "record_result_max=100K"]
    (folder / "items.txt").write_text("a\nlarge 1\n")
    assert shoal(folder, "run", "work:held", *given).returncode == 0
    why = "some are not in the database, which they were too large for (record_result_max)"
    line = f"shoal: results of run RUN can't be written anew: {why}: shoal rerun runs all of it again"
    assert refused(shoal(folder, "resume", "last", "--out", "other.jsonl"), folder) == line
    assert not (folder / "other.jsonl").exists()


def test_a_scheduler_has_them_written(folder: Path) -> None:
    os.symlink("/dev/full", folder / "out.jsonl")
    command = ["run", "work:plain", "--items", "items.txt", "--out", "out.jsonl", "--resume-or-start"]
    (folder / "items.txt").write_text("a\nb\n")
    assert shoal(folder, *command).returncode == 2
    os.unlink(folder / "out.jsonl")
    done = shoal(folder, *command)
    assert done.returncode == 0, done.stderr
    assert len((folder / "out.jsonl").read_text().splitlines()) == 2
    assert asked(folder, "SELECT count(*) FROM runs") == 1
