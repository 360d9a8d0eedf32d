"""A copy of the database, whatever is written to it meanwhile."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.store.schema import StoreError, is_busy, refuse_other_kinds

_PAGES: Final = 2_000
"""Pages that are copied between two calls of `progress`."""
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE})
_BUSY: Final = 0.25
"""Seconds in which a program that has the file to be replaced may let go of it."""
_BESIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite would read with the new file as if it had been left by it."""


def backup(source: sqlite3.Connection, target: Path, progress: Callable[[int, int], None]) -> int:
    """Copy all that `source` sees into a new file at `target`, which replaces what was there once it is whole.

    It is one file, for its owner alone, that needs no other beside it. `progress` is told how many pages are copied,
    and of how many. Returns its size in bytes. Raises `StoreError` or OSError where the file can't be written, or
    another program has what is there open, and sqlite3.Error of `source`.
    """
    target = Path(os.path.realpath(target))
    with _alone(target):  # at once, and not only after minutes of copying
        pass
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    # Without a transaction of its own, the copy would begin again whenever somebody else commits: never ending.
    if not source.in_transaction:
        source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(part)) as copy:
            try:
                source.backup(copy, pages=_PAGES, progress=lambda _, left, total: progress(total - left, total))
                copy.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) in _NO_ROOM:  # nothing is written to the source
                    raise StoreError(f"can't write {target}: {error}") from error
                raise
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
            size = os.fstat(fd).st_size
        finally:
            os.close(fd)
        _replace(part, target)
        return size
    finally:
        _unlink(part, "", *_BESIDE)


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[sqlite3.Connection | None]:
    """Have a database that is to be replaced for oneself; None where there is none, or one that can't be opened: it is
    to go, whatever it is. Raises `StoreError` if another program has it open.
    """
    refuse_other_kinds(target)
    if not target.exists():
        yield None
        return
    with contextlib.ExitStack() as stack:
        db: sqlite3.Connection | None = None
        try:
            db = stack.enter_context(contextlib.closing(sqlite3.connect(target, _BUSY, isolation_level=None)))
            # Whoever has a database with a log open, and be it only to read, is in the way of this.
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if is_busy(error):
                raise StoreError(f"{target} is open in another program, and is not replaced") from error
            db = None
        yield db


def _replace(part: Path, target: Path) -> None:
    """Raises `StoreError` if another program has what is there open, or OSError."""
    with _alone(target) as old:
        if old is not None:
            # What its log has is folded in first: so it is whole if the machine dies before the new one is there. Nor
            # does this connection, when it is closed, remove a log by its name, which may be the new file's by then.
            with contextlib.suppress(sqlite3.Error):
                old.execute("PRAGMA journal_mode = DELETE").fetchone()
        _unlink(target, *_BESIDE)
        # First the old files for good, then the new one: never is it beside a log that is another's.
        _sync(target.parent)
        part.replace(target)
        _sync(target.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
