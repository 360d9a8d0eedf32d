"""How the database is opened for writing, and how an older one becomes a current one.

SQLite's own ``user_version`` says how many migrations a file has seen: it is read without loading anything.
The migrations run in one transaction that holds the write lock, so that two recorders may open a new file at
once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.store import places
from engine.store.tables import MIGRATIONS, VERSION, VIEWS

APPLICATION: Final = 0x53484F4C
"""Marks the file as ours in its header ("SHOL")."""
BUSY_MS: Final = 250
"""How long SQLite itself waits for another writer. Short: the recorder goes on taking messages between two
tries.
"""
_SMALLEST: Final = 512
"""Bytes of the smallest database."""
_ROOM: Final = 64 << 10
"""Bytes that SQLite needs at the least to open a database: for what readers and writers share."""
_PATIENCE: Final = 10.0
"""Seconds to wait for another writer while the file is opened."""
_JOURNAL: Final = 64 << 20
"""Bytes that the write-ahead log keeps on disk once it could be emptied: it grows for as long as somebody reads."""
DURABILITIES: Final = {"off": "OFF", "normal": "NORMAL", "full": "FULL"}
"""What each is in SQLite's words. ``normal`` outlives the death of every process, ``full`` a power cut, too; ``off``
leaves it to the system when anything reaches the disk, so that a power cut may damage the file.
"""


DAMAGE: Final = (UnicodeDecodeError, msgspec.MsgspecError)
"""What a statement, and reading its rows, may raise beside an error of SQLite's where the file is damaged: its text is
no text, or its JSON none.
"""
FAULTS: Final = (sqlite3.Error, *DAMAGE)
"""What a question to the database may raise."""


class StoreError(Exception):
    """The database can't be used; the text is one line that says why."""


class NoDatabaseError(StoreError):
    """There is no such file."""


def primary(error: BaseException) -> int:
    """SQLite's primary code of an error, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another connection is in the way, for now."""
    return primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(path: Path, error: BaseException) -> bool:
    """Whether it is for want of room on its disk that a database can't be opened, or takes nothing. SQLite itself knows
    that of the file and its log, and not of the one beside them that readers and writers share.
    """
    code = primary(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
        return True
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    blocks = found.f_bavail if os.geteuid() else found.f_bfree
    return blocks * found.f_frsize < _ROOM or (found.f_files > 0 and not found.f_favail)


def damaged(path: Path) -> StoreError:
    """What is there can't be read."""
    return StoreError(f"{path} is not a database, or a damaged one")


def explain(path: Path, error: Exception) -> StoreError:
    """What SQLite or the system complains of, as one line for people."""
    code = primary(error)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or isinstance(error, DAMAGE):
        return damaged(path)
    if is_busy(error):
        return StoreError(f"{path} is locked by another program")
    if is_full(path, error):
        return StoreError(f"no room on the disk of {path}: make some")
    reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return StoreError(f"can't open {path}: {reason}")


@contextlib.contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read is of one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.OperationalError):  # a grave error has ended it already
            connection.execute("ROLLBACK")


def check(path: Path, connection: sqlite3.Connection) -> int:
    """The version of an open file, 0 if it is empty.

    Raises `StoreError` if it isn't ours or is too new, or one of `FAULTS`.
    """
    if 0 < path.stat().st_size < _SMALLEST:  # SQLite would take it for an empty one, and write over it
        raise damaged(path)
    with _snapshot(connection):  # or else another recorder may make the tables between two of these questions
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION:
        if version or application or tables:
            raise StoreError(f"{path} is a database of another program")
        return 0
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer Shoal (version {version}, this one knows {VERSION}): update it"
        )
    return int(version)


def migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Bring an open database up to date; one that is stays as it is. Raises `StoreError` or sqlite3.Error."""
    if check(path, connection) == VERSION:
        return
    from sqlite_utils import Database  # 100 ms, and only a new file needs it

    connection.execute("BEGIN IMMEDIATE")
    try:
        done = check(path, connection)  # again: another recorder may have been faster
        db = Database(connection, execute_plugins=False)
        for name in VIEWS:  # a table that a view of another version looks at could not be changed
            connection.execute(f"DROP VIEW IF EXISTS {name}")
        for step in MIGRATIONS[done:]:
            step(db)
        for name, query in VIEWS.items():
            db.create_view(name, query)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_other_kinds(path: Path) -> None:
    """Raise `StoreError` if what is there is no regular file: SQLite would wait for somebody to write to a pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever opens it will say so
        return
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise StoreError(f"{path} is {kind}, and no database: give the name of a file")


def open_database(path: Path, durability: str = "normal") -> sqlite3.Connection:
    """Open for writing; made and migrated if need be. Transactions are begun by hand. Raises `StoreError`.

    `durability`: what a commit outlives, one of `DURABILITIES`.
    """
    synchronous = DURABILITIES[durability]
    deadline = time.monotonic() + _PATIENCE
    refuse_other_kinds(path)
    try:
        places.prepare(path)
    except OSError as error:
        raise explain(path, error) from error
    while True:
        connection = None
        try:
            # Absolute: SQLite takes some names, such as ":memory:", for no file at all.
            connection = sqlite3.connect(path.absolute(), isolation_level=None, timeout=BUSY_MS / 1000)
            check(path, connection)  # before anything is written: it may be somebody else's
            # Only a new file heeds it: what forgotten runs leave can then be given back without copying the rest.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL}")
            migrate(path, connection)
            return connection
        except (*FAULTS, StoreError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, StoreError):
                raise
            # Switching a new file to WAL needs it alone for a moment, and does not wait for it.
            if not is_busy(error) or time.monotonic() > deadline:
                raise explain(path, error) from error
            time.sleep(0.02)


def give_back(connection: sqlite3.Connection) -> None:
    """Give the space of rows that were deleted back to the file system. Raises sqlite3.Error.

    A file that was made by the first version is copied for it, which takes as much space again.
    """
    (kind,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    # A script takes all steps of a statement; `execute` takes one, which here is one page.
    connection.executescript("PRAGMA incremental_vacuum" if kind else "VACUUM")
