"""A copy of the database, whatever is written to it meanwhile."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.store.schema import StoreError

_PAGES: Final = 2_000
"""Pages that are copied between two calls of `progress`."""
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE})


def backup(source: sqlite3.Connection, target: Path, progress: Callable[[int, int], None]) -> int:
    """Copy all that `source` sees into a new file at `target`, which replaces what was there once it is whole.

    It is one file, for its owner alone, that needs no other beside it. `progress` is told how many pages are copied,
    and of how many. Returns its size in bytes. Raises `StoreError` or OSError where the file can't be written, and
    sqlite3.Error of `source`.
    """
    target = Path(os.path.realpath(target))
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
        part.replace(target)
        return size
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{part}{suffix}")
