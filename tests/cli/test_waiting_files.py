"""What a file has that stands in for the database: who asks hears of it, and who goes on with a run finds it."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL

from engine.store import liveness
from engine.store.aside import Aside
from engine.store.messages import Finished, JobMade, PoolMade, RunBegan, encode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a database in it, and a run that is not in there, for it was put aside from the first on."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "items.txt").write_text("1\n2\n3\n")
    done = shoal(tmp_path, "run", "operator:not_", "--items", "items.txt", "--out", "out.jsonl", "--headless")
    assert done.returncode == 0, done.stderr
    db = sqlite3.connect(tmp_path / "runs.db")
    (run,), (spec,) = db.execute("SELECT id FROM runs").fetchone(), db.execute("SELECT text FROM specs").fetchone()
    with db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM runs WHERE id = ?", (run,))
    db.close()
    boot, space, tick = liveness.identity(1).split(" ")
    began = RunBegan(run, "lost", 5.0, 1, [], {}, "0", {}, spec, process=f"{boot} {space} {int(tick) + 1}")
    put(tmp_path, run, began, PoolMade(0, "main", 0, 2, 1), JobMade(1, "tasks", "operator:not_", 0),
        Finished(1, 0, 0, 5.0, bytes(16), [False, False], [], [], {}))  # fmt: skip
    return tmp_path


def put(folder: Path, run: str, *messages: object) -> Path:
    aside = Aside(folder / "runs.db", run, durable=False)
    aside.append(map(encode, messages))
    aside.close()
    return aside.path


def shoal(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SHOAL, *arguments, "--db", str(folder / "runs.db")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def test_who_asks_hears_of_it(folder: Path) -> None:
    (path,) = folder.glob("*.aside")
    end = f"stands in for {folder / 'runs.db'}: what it has is not told here; the next run or resumption takes it in"
    for command in (("runs",), ("search", "x"), ("backup", "copy.db"), ("export", "last"), ("show", "last")):
        assert shoal(folder, *command).stderr.splitlines()[0] == f"{path} {end}"
    second = put(folder, "zz")
    assert shoal(folder, "runs").stderr.splitlines()[0] == f"{path} and 1 more {end}"
    assert shoal(folder, "db", "check").stderr.splitlines()[:2] == [
        f"{one} stands in for it: the next run takes it in" for one in (path, second)
    ]


@pytest.mark.parametrize("database", ["there", "gone"])
def test_a_run_that_is_there_alone_goes_on(folder: Path, database: str) -> None:
    (path,) = folder.glob("*.aside")
    if database == "gone":
        (folder / "runs.db").unlink()
    run = path.name.split(".")[2]
    done = shoal(folder, "resume", run, "--headless")
    assert done.returncode == 0, done.stderr
    taken, over = f"{path} was taken into {folder / 'runs.db'}", f"lost {run}: 2 of 3 tasks were over"
    assert done.stderr.splitlines()[:2] == [taken, over]
    assert len((folder / "out.jsonl").read_text().splitlines()) == 3
    assert shoal(folder, "runs").stderr == ""


def test_a_large_one_is_told_of_before_the_run_begins(folder: Path) -> None:
    path = put(folder, "large", RunBegan("large", "large", 5.0, 1, [], {}, "0", {}), JobMade(1, "tasks", "f", 0),
               *(Finished(1, at, 0, 5.0, bytes(8), ["x" * 100_000], [], [], {}) for at in range(50)))  # fmt: skip
    done = shoal(folder, "run", "operator:not_", "--items", "items.txt", "--headless")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"taking in what was put aside in {path}: 0 of 4 MiB"
