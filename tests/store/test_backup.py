"""A copy takes the place of a database that somebody uses, or has left with its log."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_runs import began, call, made, write

from engine.cli.recorded.backup import backup as command
from engine.store.backup import backup
from engine.store.queries import open_readonly
from engine.store.schema import StoreError, open_database

_HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("SELECT count(*) FROM runs").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "runs.db"
    write(found, began("new", "is to be copied"), *made("fit"))
    return found


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A database of which the run is in the log only, as kill -9 of all leaves it."""
    source, found = tmp_path / "source" / "other.db", tmp_path / "other.db"
    write(source, began("first", "is in the file"))
    with contextlib.closing(open_database(source)) as keeper:
        keeper.execute("SELECT count(*) FROM runs").fetchone()  # it will not be the last to close
        write(source, began("old", "is in the log"))
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{source}{suffix}", f"{found}{suffix}")
    return found


def runs(path: Path) -> list[str]:
    """The runs that are in a database."""
    with contextlib.closing(open_readonly(path)) as db:
        return sorted(row[0] for row in db.execute("SELECT id FROM runs"))


def files(path: Path) -> list[str]:
    """What is there beside `path` under its name, and itself."""
    return sorted(each.name for each in path.parent.glob(f"*{path.name}*"))


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program has a database open, and is doing nothing with it."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield
        holder.communicate(timeout=60)


def test_a_log_that_was_left_does_not_come_back_into_the_copy(path: Path, other: Path) -> None:
    result = call(command, other, "--db", path, "--force")
    assert (result.exit_code, files(other)) == (0, ["other.db"])
    assert runs(other) == ["new"]


def test_nor_does_one_whose_database_is_gone(path: Path, other: Path) -> None:
    other.unlink()
    result = call(command, other, "--db", path)
    assert (result.exit_code, files(other)) == (0, ["other.db"])
    assert runs(other) == ["new"]


def test_nor_does_one_of_what_is_no_database(path: Path, other: Path) -> None:
    other.write_text("mine, and long enough to have a header of a hundred bytes" * 20)
    Path(f"{other}-journal").write_text("of something else")
    assert call(command, other, "--db", path, "--force").exit_code == 0
    assert (files(other), runs(other)) == (["other.db"], ["new"])


def test_one_that_another_program_has_open_is_not_replaced(path: Path, other: Path) -> None:
    with held(other):
        result = call(command, other, "--db", path, "--force")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {other} is open in another program, and is not replaced\n"
    assert runs(other) == ["first", "old"]
    assert call(command, other, "--db", path, "--force").exit_code == 0
    assert runs(other) == ["new"]


def test_one_that_is_opened_while_the_copy_is_made_is_not_replaced(
    path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.backup._PAGES", 10)
    came = 0
    with contextlib.ExitStack() as stack, contextlib.closing(open_readonly(path)) as source:

        def come(done: int, total: int) -> None:
            nonlocal came
            came += 1
            if came == 1:
                stack.enter_context(held(other))

        with pytest.raises(StoreError, match="is open in another program, and is not replaced"):
            backup(source, other, come)
        assert came > 1
        assert files(other) == ["other.db", "other.db-shm", "other.db-wal"]
    assert runs(other) == ["first", "old"]


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_crash_in_the_midst_leaves_the_old_one_whole(
    path: Path, other: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    calls = 0

    def dies(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise KeyboardInterrupt

    monkeypatch.setattr("engine.store.backup._sync", dies)
    with contextlib.closing(open_readonly(path)) as source, contextlib.suppress(KeyboardInterrupt):
        backup(source, other, lambda done, total: None)
    assert calls == dies_at
    assert files(other) == ["other.db"], "whichever it is, no log is beside it"
    assert runs(other) == (["first", "old"] if dies_at == 1 else ["new"])


def test_a_copy_is_no_pipe(path: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = call(command, pipe, "--db", path, "--force")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {pipe} is a pipe, and no database: give the name of a file\n"
    assert pipe.is_fifo()


def test_what_is_replaced_may_have_no_log(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert call(command, copy, "--db", path).exit_code == 0
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        db.execute("UPDATE runs SET id = 'changed'")
    assert call(command, copy, "--db", path, "--force").exit_code == 0
    assert (files(copy), runs(copy)) == (["copy.db"], ["new"])
