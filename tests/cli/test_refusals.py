"""A database that can't be used from the start: one line that says why, exit code 2, and it stays as it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.store.schema import open_database
from engine.store.tables import VERSION


def refused(folder: Path, database: Path) -> str:
    """What a run says that is to be recorded there."""
    (folder / "items.txt").write_text("1\n")
    done = subprocess.run(
        [
            sys.executable, "-P", "-m", "engine.cli", "run", "operator:neg", "--items", "items.txt", "--db",
            str(database), "--out", "out.jsonl",
        ],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert not (folder / "out.jsonl").exists(), "nothing has run"
    (line,) = done.stderr.splitlines()
    told, hint, end = line.partition(" (--db FILE takes another database, --no-record none)")
    assert hint, line
    assert not end
    return told


def newer(path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")


def damaged(path: Path) -> None:
    open_database(path).close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(size - 100))


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer": (
        newer,
        f"shoal: {{path}} was written by a newer Shoal (version {VERSION + 1}, this one knows {VERSION}): update it",
    ),
    "of another program": (foreign, "shoal: {path} is a database of another program"),
    "no database": (lambda path: path.write_text("notes\n" * 200), "shoal: {path} is not a database, or a damaged one"),
    "cut off": (lambda path: path.write_bytes(b"SQLite"), "shoal: {path} is not a database, or a damaged one"),
    "damaged": (damaged, "shoal: {path} is not a database, or a damaged one"),
    "a folder": (lambda path: path.mkdir(), "shoal: {path} is a folder, and no database: give the name of a file"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_database_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    make, told = CASES[case]
    path = tmp_path / "runs.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert refused(tmp_path, path) == told.format(path=path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_one_that_another_program_does_not_let_go(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_database(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert refused(tmp_path, path) == f"shoal: {path} is locked by another program"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own, with these options."""
    folder = tmp_path / "disk"

    def mount(options: str) -> Path:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "shoal-test", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_can_only_be_read(mounted: Callable[[str], Path], tmp_path: Path) -> None:
    folder = mounted("size=2m")
    open_database(folder / "runs.db").close()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    for name in ("runs.db", "new.db"):
        path = folder / name
        assert refused(tmp_path, path) == f"shoal: can't open {path}: Read-only file system"


def test_a_disk_that_is_full(mounted: Callable[[str], Path], tmp_path: Path) -> None:
    path = mounted("size=64k") / "runs.db"
    assert refused(tmp_path, path) == f"shoal: no room on the disk of {path}: make some"
