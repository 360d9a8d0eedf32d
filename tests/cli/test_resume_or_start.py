"""``shoal run --resume-or-start`` where something differs from the run that was cut off: what it says of that."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL, kill_all, over, started
from processes import wait_for

WORK = """
import os, time

def held(x):
    while x == "wait" and not os.path.exists("go"):
        time.sleep(0.005)
    return x
"""
COMMAND = (
    "run", "--resume-or-start", "work:held", "--items", "items.txt", "--batch-max", "1", "--db", "runs.db",
    "--headless",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a run in it that was killed before its last task."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "items.txt").write_text("a\nb\nwait\n")
    process = started(tmp_path, *COMMAND, "--agents", "2", "--out", "out.jsonl")
    try:
        wait_for(lambda: over(tmp_path / "runs.db") == 2, 60, "all but one are over")
    finally:
        kill_all(process)
    (tmp_path / "go").touch()
    return tmp_path


def first(folder: Path) -> str:
    db = sqlite3.connect(folder / "runs.db")
    try:
        return str(db.execute("SELECT id FROM runs ORDER BY started LIMIT 1").fetchone()[0])
    finally:
        db.close()


def told(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [*SHOAL, *COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_the_same_again(folder: Path) -> None:
    said = told(folder, "--agents", "2", "--out", "out.jsonl")
    assert said[:2] == [f"resuming run {first(folder)}", f"work:held {first(folder)}: 2 of 3 tasks were over"]


def test_options_that_are_not_heeded(folder: Path) -> None:
    said = told(folder, "--agents", "1", "--memory-limit", "500M", "--set", "pool_max_idle=7", "--out", "out.jsonl")
    text = "it goes on as it was begun, and does not heed --agents, --memory-limit, pool_max_idle as given now"
    assert said[:2] == [f"resuming run {first(folder)}", text]


def test_code_and_options_that_make_it_another_run(folder: Path) -> None:
    (folder / "work.py").write_text(f"{WORK}\n# a comment\n")
    (folder / "items.txt").write_text("a\nb\nc\n")
    said = told(folder, "--out", "other.jsonl", "--retries", "3")
    why = f"{folder / 'work.py'}, {folder / 'items.txt'} have changed since and --retries, --out are others now"
    end = f"starting one anew (shoal resume --force {first(folder)} goes on with it)"
    assert said[0] == f"run {first(folder)} of this is unfinished, but {why}: {end}"


def test_another_timeout_alone(folder: Path) -> None:
    said = told(folder, "--timeout", "60", "--out", "out.jsonl")
    why = f"--timeout is another one now: starting one anew (shoal resume {first(folder)} goes on with it)"
    assert said[0] == f"run {first(folder)} of this is unfinished, but {why}"
