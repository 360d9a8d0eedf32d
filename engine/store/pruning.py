"""Old runs are deleted, in steps that nobody who records or reads meanwhile has to wait for.

First a run is taken off the list, in one transaction: from then on nobody sees it. Then its rows go, a bounded number
at a time. Who is interrupted in between leaves rows of a run that is no more; `sweep_up` takes them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from engine.store.liveness import forget, is_gone
from engine.store.schema import is_busy, primary

_STEP: Final = 0.05
"""Seconds that a transaction should take."""
_PAUSE: Final = 0.01
"""Seconds between two of them, for recorders to have theirs."""
_TRIES: Final = 1.0
"""Seconds to try and fold in the log while somebody reads, or writes."""
_FEWER: Final = {"pieces": 50}
"""Rows that are deleted in the first transaction, of tables whose rows are long."""
_PAGES: Final = 1_000
"""Pages that are given back in one transaction."""


class Old(msgspec.Struct, frozen=True):
    """A run that may be deleted."""

    id: str
    name: str
    status: str
    started: float
    ended: float
    """When it was last seen alive, seconds since the Unix epoch."""
    tasks: int
    size: int
    """About how many bytes its rows take."""


class _Reference(msgspec.Struct, frozen=True):
    """A column of a table that says which run a row belongs to."""

    table: str
    column: str
    key: str
    """The columns of its primary key."""
    owned: bool
    """Whether the row goes with its run."""


def _references(db: sqlite3.Connection) -> list[_Reference]:
    """As the schema has them, so that a table that is added to it is not forgotten here."""
    found = []
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for foreign in db.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,)).fetchall():
            if foreign[2] == "runs":
                keys = db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))
                found.append(_Reference(table, foreign[3], ", ".join(key for (key,) in keys), foreign[6] == "CASCADE"))
    return found


def used(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages, free, size = (
        db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _sizes(db: sqlite3.Connection) -> dict[str, float]:
    """What the rows of each run take: their share of the file by the length of what is in them. Reads all of them."""
    weights: dict[str, float] = {}
    for reference in _references(db):
        if not reference.owned:
            continue
        columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (reference.table,))]
        lengths = " + ".join(f'ifnull(length("{name}"), 0)' for name in columns)
        query = f"SELECT {reference.column}, total({lengths}) FROM {reference.table} GROUP BY 1"
        for run, weight in db.execute(query):
            weights[run] = weights.get(run, 0.0) + weight
    whole = sum(weights.values())
    return {run: used(db) * weight / whole for run, weight in weights.items()} if whole else {}


def _going_on(db: sqlite3.Connection) -> list[str]:
    """The runs whose engine may be alive."""
    query = "SELECT id, resumed, pid, process FROM runs WHERE status = 'running'"
    return [row[0] for row in db.execute(query).fetchall() if not is_gone(db, *row)]


def _read_by_others(db: sqlite3.Connection) -> set[str]:
    """The runs that one that goes on may read from: what was done in them is not run again in it, and items that came
    on standard input are there alone.
    """
    ahead = _going_on(db)
    found: set[str] = set()
    while ahead:
        run = ahead.pop()
        origin = db.execute("SELECT origin FROM runs WHERE id = ?", (run,)).fetchone()
        for one in (None if origin is None else origin[0], _stream_of(db, run)):
            if one is not None and one not in found:
                found.add(one)
                ahead.append(one)
    return found


class _Spec(msgspec.Struct, frozen=True):
    """What concerns us of a spec (`engine.plan.kept.Kept`)."""

    stream_of: str | None = None


def _stream_of(db: sqlite3.Connection, run: str) -> str | None:
    """The run that has the items of this one."""
    text = "".join(part for (part,) in db.execute("SELECT text FROM specs WHERE run = ? ORDER BY part", (run,)))
    try:
        return msgspec.json.decode(text, type=_Spec).stream_of
    except msgspec.DecodeError:  # none was kept, or not yet all of it
        return None


def candidates(db: sqlite3.Connection, sized: bool = True) -> list[Old]:
    """The runs that are not going on, and that none that goes on reads from, the oldest first. `sized`: with their
    sizes, for which all rows are read.
    """
    kept = _read_by_others(db)
    sizes = _sizes(db) if sized else {}
    query = """
        SELECT id, name, status, started, coalesce(ended, max(started, seen)) AS last, tasks
        FROM runs ORDER BY last, id"""
    going_on = set(_going_on(db))
    return [
        Old(run, name, "crashed" if status == "running" else status, started, last, tasks, int(sizes.get(run, 0)))
        for run, name, status, started, last, tasks in db.execute(query)
        if run not in kept and run not in going_on
    ]


def choose(old: list[Old], size: int, before: float | None, most: int | None) -> list[Old]:
    """Of `candidates`, those that were over `before` a moment, and the oldest ones until no more than `most` bytes of
    `size` are left.
    """
    chosen = []
    for run in old:
        too_old = before is not None and run.ended < before
        if not too_old and (most is None or size <= most):
            break
        chosen.append(run)
        size -= run.size
    return chosen


def remove(db: sqlite3.Connection, run: str) -> bool:
    """Delete a run, unless it is going on, one that is reads from it, or it is no more. Raises sqlite3.Error.

    `db` is in autocommit mode, open for writing, and without ``foreign_keys``.
    """
    references = _references(db)
    with _transaction(db):
        if not db.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            return False
        if run in _going_on(db) or run in _read_by_others(db):
            return False
        for reference in references:
            if not reference.owned:
                query = f"UPDATE {reference.table} SET {reference.column} = NULL WHERE {reference.column} = ?"
                db.execute(query, (run,))
        db.execute("DELETE FROM runs WHERE id = ?", (run,))
    forget(db, run)
    _remove_rows(db, references, run)
    return True


def _remove_rows(db: sqlite3.Connection, references: list[_Reference], run: str) -> None:
    """Delete the rows of a run that is no more."""
    for table, column, key, owned in map(msgspec.structs.astuple, references):
        if not owned:
            continue
        limit = least = _FEWER.get(table, 1_000)
        query = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {column} = ? LIMIT ?)"
        while True:
            begun = time.monotonic()
            with _transaction(db):
                # Its id may have been given to another run meanwhile, whose rows these then are.
                if db.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
                    return
                if db.execute(query, (run, limit)).rowcount < limit:
                    break
            limit = max(least // 10, min(100_000, limit * 2 if time.monotonic() - begun < _STEP else limit // 2))
            time.sleep(_PAUSE)


def sweep_up(db: sqlite3.Connection) -> None:
    """Delete what an interrupted `remove` has left. Raises sqlite3.Error."""
    references = _references(db)
    left: set[str] = set()
    for table, column, _, owned in map(msgspec.structs.astuple, references):
        run = "" if owned else None
        while run is not None:  # from one run to the next, past all of its rows at once
            (run,) = db.execute(f"SELECT min({column}) FROM {table} WHERE {column} > ?", (run,)).fetchone()
            if run is not None and not db.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
                left.add(run)
    for run in left:
        _remove_rows(db, references, run)


def give_back(db: sqlite3.Connection) -> str:
    """Make the file smaller by what is free in it. Returns why that could not be done, or not yet; "" if it was.

    Raises sqlite3.Error.
    """
    _merge_words(db)
    (mode,) = db.execute("PRAGMA auto_vacuum").fetchone()
    try:
        if mode == 2:
            _free_pages(db)
        elif db.execute("PRAGMA freelist_count").fetchone()[0]:
            if _going_on(db):
                return "the file was made by an older Shoal, and gives nothing back while runs are recorded"
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("VACUUM")
        busy = not _folded(db)
    except sqlite3.Error as error:
        if is_busy(error):
            return "somebody else writes to it just now"
        if primary(error) == sqlite3.SQLITE_FULL:
            return "there is no room for the copy that this takes"
        raise
    return "somebody reads it just now; it shrinks once they have finished" if busy else ""


def _folded(db: sqlite3.Connection) -> bool:
    """Whether the log could be folded in and cut off. Nobody is waited for in the midst of it: that would be with the
    lock that whoever writes needs.
    """
    (patience,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")
    try:
        until = time.monotonic() + _TRIES
        while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > until:
                return False
            time.sleep(_STEP)
        return True
    finally:
        db.execute(f"PRAGMA busy_timeout = {patience}")


def _merge_words(db: sqlite3.Connection) -> None:
    """Let go of what the index of words still has about texts that are gone."""
    pages = -500  # negative: begin
    while True:
        before = db.total_changes
        db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
        if db.total_changes - before < 2:  # as FTS5's manual has it: there was nothing left to do
            return
        pages = 500
        time.sleep(_PAUSE)


def _free_pages(db: sqlite3.Connection) -> None:
    while db.execute("PRAGMA freelist_count").fetchone()[0]:
        db.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        time.sleep(_PAUSE)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
