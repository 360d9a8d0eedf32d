"""Whether an engine lives: by its process where that can be seen, by the lock of its run where it can't."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.store.liveness import Life, forget, identity, is_gone, lock_file
from engine.store.messages import RunBegan
from engine.store.schema import StoreError
from engine.store.writer import Writer

from .conftest import START, began, rows

ELSEWHERE = "pid:[1]"
"""A pid namespace that this process is not in."""
HOLDS = """
import sys
from pathlib import Path
from engine.store.liveness import Life
life = Life(Path(sys.argv[1]), "r1", 0)
print(life.held, flush=True)
input()
"""


def in_a_container(run: str = "r1", resumed: int = 0) -> RunBegan:
    """A beginning by an engine whose processes can't be seen from here, and which has the lock of its run."""
    boot, _, tick, locked = identity(os.getpid(), locked=True).split(" ")
    process = f"{boot} {ELSEWHERE} {tick} {locked}"
    return msgspec.structs.replace(began(run), process=process, started=START + resumed, resumed=resumed)


def test_processes_are_told_apart(db: sqlite3.Connection, gone: int) -> None:
    known = identity(os.getpid())
    assert known == identity(os.getpid()) != ""
    assert not is_gone(db, "r1", 0, os.getpid(), known)
    boot, space, tick = known.split(" ")
    assert is_gone(db, "r1", 0, os.getpid(), f"{boot} {space} {int(tick) + 1}"), "the pid is another process's now"
    assert is_gone(db, "r1", 0, os.getpid(), f"earlier-boot {space} {tick}")
    assert not is_gone(db, "r1", 0, gone, f"{boot} {ELSEWHERE} {tick}"), "a container's: it can't be seen from here"
    assert not is_gone(db, "r1", 0, gone, f"{boot} {ELSEWHERE} {tick} locked"), "nor is there a lock to ask for"
    assert identity(gone) == ""
    assert is_gone(db, "r1", 0, gone, "")


def test_a_run_of_another_container_is_gone_once_nobody_has_its_lock(path: Path, db: sqlite3.Connection) -> None:
    life = Life(path, "r1", 0)
    assert life.held
    assert lock_file(path, "r1").stat().st_mode & 0o777 == 0o600
    Writer(db).write([in_a_container()], START)
    resumption = in_a_container(resumed=1)
    with pytest.raises(StoreError, match="run r1 is still running"):
        Writer(db).write([resumption], START)
    holder = subprocess.Popen(  # as a recorder does, which outlives its engine
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        life.close()
        assert not is_gone(db, "r1", 0, 1, resumption.process), "its recorder still writes"
        holder.kill()
    assert lock_file(path, "r1").exists(), "nobody was there to remove it"
    assert is_gone(db, "r1", 0, 1, resumption.process)

    # Two are about to resume it: the lock of one is not taken for that of the engine before.
    first, second = Life(path, "r1", 1), Life(path, "r1", 1)
    Writer(db).write([resumption], START + 1)
    with pytest.raises(StoreError, match="run r1 is still running"):
        Writer(db).write([msgspec.structs.replace(resumption, started=START + 2)], START + 2)
    second.close()
    assert not is_gone(db, "r1", 1, 1, resumption.process), "who was refused takes nothing away"
    first.close()
    assert rows(db, "SELECT resumed FROM runs") == [(1,)]
    assert not lock_file(path, "r1").exists()


def test_the_file_of_a_run_that_crashed_goes_once_that_is_noted(path: Path, db: sqlite3.Connection) -> None:
    lock_file(path, "r1").touch()  # whoever held it is gone, and has not removed it
    life = Life(path, "r2", 3)
    forget(db, "r1")
    forget(db, "r2")
    assert not lock_file(path, "r1").exists()
    assert lock_file(path, "r2").exists(), "somebody has it"
    life.close()
    life.close()
    forget(db, "r3")
    assert sorted(file.name for file in path.parent.glob("*.lock")) == []


def test_where_no_lock_can_be_had_nothing_is_said_of_one(path: Path) -> None:
    assert not Life(path / "nowhere", "r1", 0).held
    lock_file(path, "r1").parent.mkdir()
    lock_file(path, "r1").symlink_to("elsewhere")
    assert not Life(path, "r1", 0).held


def test_nobody_is_seen_where_proc_is_of_another_namespace(
    path: Path, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.readlink
    monkeypatch.setattr(os, "readlink", lambda name: "1" if name == "/proc/self" else read(name))
    assert identity(os.getpid()) == ""
    known = identity(os.getpid(), locked=True)
    life = Life(path, "r1", 0)
    assert not is_gone(db, "r1", 0, os.getpid(), known)
    life.close()
    lock_file(path, "r1").touch()
    assert is_gone(db, "r1", 0, os.getpid(), known)
