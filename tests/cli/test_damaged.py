"""The database turns out to be damaged once a run goes on that reads from it: a line is seen, and no traceback."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL

_WORK = """
def step(x):
    if x.startswith("bad"):
        raise ValueError(x)
    return x
"""
_ONE = ("--batch-max", "1", "--agents", "2", "--db", "runs.db", "--headless")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(_WORK)
    (tmp_path / "items.txt").write_text("a\nbad 1\nb\n")
    return tmp_path


def shoal(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SHOAL, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=90, check=False
    )


def execute(folder: Path, statement: str) -> None:
    db = sqlite3.connect(folder / "runs.db")
    with db:
        assert db.execute(statement).rowcount
    db.close()


def first(folder: Path) -> str:
    """Id of the first run."""
    db = sqlite3.connect(folder / "runs.db")
    (run,) = db.execute("SELECT id FROM runs ORDER BY started LIMIT 1").fetchone()
    db.close()
    return str(run)


def rerun(folder: Path) -> list[str]:
    """What is said on the way to a rerun that can't read what was done, but for what is about to happen."""
    done = shoal(folder, "rerun", first(folder), "--failed", "--db", "runs.db", "--headless", "--out", "out.jsonl")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    return done.stderr.splitlines()[1:]


def damaged(folder: Path) -> str:
    return f"{folder / 'runs.db'} is not a database, or a damaged one"


def test_what_was_done_can_not_be_read(folder: Path) -> None:
    assert shoal(folder, "run", "work:step", "--items", "items.txt", *_ONE).returncode == 1
    before = "shoal: nothing more can be begun, for what was done before can't be read: "
    execute(folder, "UPDATE tasks SET result = '{' WHERE task = 2")
    assert rerun(folder)[-1] == before + damaged(folder)
    db = sqlite3.connect(folder / "runs.db")
    (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'blocks'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (folder / "runs.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"garbage!" * 512)
    (told,) = [line for line in rerun(folder) if line.startswith("shoal: ")]
    assert told == before + damaged(folder)


def test_items_of_standard_input_can_not_be_read(folder: Path) -> None:
    assert shoal(folder, "run", "work:step", "--items", "-", *_ONE, stdin="a\nbad 1\n").returncode == 1
    execute(folder, "UPDATE inputs SET text = '[1, ' WHERE count > 0")
    told = f"shoal: items that came on standard input can't be read: {damaged(folder)}"
    assert rerun(folder)[-1] == told


def test_the_list_of_runs_can_not_be_read(folder: Path) -> None:
    assert shoal(folder, "run", "work:step", "--items", "items.txt", *_ONE).returncode == 1
    execute(folder, "UPDATE runs SET command = '['")
    for command in (
        ("resume", "last"),
        ("rerun", "last"),
        ("run", "--resume-or-start", "work:step", "--items", "items.txt"),
    ):
        done = shoal(folder, *command, "--db", "runs.db", "--headless")
        assert (done.returncode, done.stderr) == (2, f"shoal: {damaged(folder)}\n")
