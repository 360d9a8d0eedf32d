"""The tables of the database, how an older one becomes a current one, and how it is opened for writing.

SQLite's own ``user_version`` says how many migrations a file has seen: it is read without loading anything.
The migrations run in one transaction that holds the write lock, so that two recorders may open a new file at
once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from engine.store import places

APPLICATION: Final = 0x53484F4C
"""Marks the file as ours in its header ("SHOL")."""
BUSY_MS: Final = 250
"""How long SQLite itself waits for another writer. Short: the recorder goes on taking messages between two
tries.
"""
_SMALLEST: Final = 512
"""Bytes of the smallest database."""
_PATIENCE: Final = 10.0
"""Seconds to wait for another writer while the file is opened."""

_TABLES: Final = """
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted', 'crashed')),
    started REAL NOT NULL,
    ended REAL,
    seconds REAL GENERATED ALWAYS AS (ended - started) VIRTUAL,
    tasks INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    pid INTEGER NOT NULL,
    process TEXT NOT NULL,
    seen REAL NOT NULL,
    version TEXT NOT NULL,
    command TEXT NOT NULL,
    config TEXT NOT NULL,
    machine TEXT NOT NULL,
    summary TEXT
) STRICT;
CREATE INDEX runs_by_start ON runs (started);

CREATE TABLE pools (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    pool INTEGER NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    size INTEGER NOT NULL,
    shards INTEGER NOT NULL,
    PRIMARY KEY (run, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    name TEXT NOT NULL,
    call TEXT NOT NULL,
    pool INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
    attempts INTEGER NOT NULL,
    agent TEXT,
    started REAL,
    seconds REAL,
    result TEXT,
    result_kind TEXT,
    error_kind TEXT,
    error_type TEXT,
    error_message TEXT,
    error_traceback TEXT,
    blob BLOB,
    PRIMARY KEY (run, job, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_failed ON tasks (run, job, task) WHERE state = 'failed';

CREATE TABLE attempts (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    agent TEXT,
    pid INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, job, task, attempt, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
"""

_TIME: Final = "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch')"


def _views() -> dict[str, str]:
    """For people: names in place of numbers, times that can be read (UTC)."""

    def at(column: str, name: str) -> str:
        return f"{_TIME.format(column)} AS {name}"

    return {
        "run_view": f"""
            SELECT id, name, status, {at("started", "started")}, {at("ended", "ended")},
                round(seconds, 3) AS seconds, tasks, done, failed,
                round((done + failed) / nullif(seconds, 0), 1) AS per_second, command
            FROM runs ORDER BY runs.started DESC""",
        "task_view": f"""
            SELECT t.run, r.name AS run_name, j.name AS job, p.name AS pool, t.task, t.state, t.attempts,
                t.agent, {at("t.started", "started")}, t.seconds, t.result, t.result_kind,
                t.error_kind, t.error_type, t.error_message
            FROM tasks t JOIN runs r ON r.id = t.run
                LEFT JOIN jobs j ON j.run = t.run AND j.job = t.job
                LEFT JOIN pools p ON p.run = t.run AND p.pool = j.pool""",
        "attempt_view": f"""
            SELECT a.run, j.name AS job, a.task, a.attempt, {at("a.at", "at")}, a.agent, a.pid, a.kind, a.text
            FROM attempts a LEFT JOIN jobs j ON j.run = a.run AND j.job = a.job""",
        "event_view": f"""
            SELECT run, number, {at("at", "at")}, level, kind, text, data FROM events""",
    }


def _first(db: Any) -> None:
    for statement in _TABLES.split(";"):
        if statement.strip():
            db.execute(statement)
    for name, query in _views().items():
        db.create_view(name, query, replace=True)


# A released migration is never changed: append another one.
MIGRATIONS: Final[list[Callable[[Any], None]]] = [_first]
"""Each takes a ``sqlite_utils.Database`` whose transaction is open; number n leads to version n + 1."""
VERSION: Final = len(MIGRATIONS)


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


def explain(path: Path, error: Exception) -> StoreError:
    """What SQLite or the system complains of, as one line for people."""
    code = primary(error)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError(f"{path} is not a database, or a damaged one")
    if is_busy(error):
        return StoreError(f"{path} is locked by another program")
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

    Raises `StoreError` if it isn't ours or is too new, or sqlite3.Error.
    """
    if 0 < path.stat().st_size < _SMALLEST:  # SQLite would take it for an empty one, and write over it
        raise StoreError(f"{path} is not a database, or a damaged one")
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
        for step in MIGRATIONS[done:]:
            step(db)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def open_database(path: Path) -> sqlite3.Connection:
    """Open for writing; made and migrated if need be. Transactions are begun by hand. Raises `StoreError`."""
    deadline = time.monotonic() + _PATIENCE
    try:
        places.prepare(path)
    except OSError as error:
        raise explain(path, error) from error
    while True:
        connection = None
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
            check(path, connection)  # before anything is written: it may be somebody else's
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            migrate(path, connection)
            return connection
        except (sqlite3.Error, StoreError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, StoreError):
                raise
            # Switching a new file to WAL needs it alone for a moment, and does not wait for it.
            if not is_busy(error) or time.monotonic() > deadline:
                raise explain(path, error) from error
            time.sleep(0.02)
