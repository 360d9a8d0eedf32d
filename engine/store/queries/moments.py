"""What readers of a run were told, second by second."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec


class StoredMoment(msgspec.Struct, frozen=True):
    """What readers were told within a second."""

    at: float
    """Seconds since the Unix epoch."""
    resumed: int
    """Which of the run's engines told it: 0 the first, n that of its n-th resumption."""
    data: bytes
    """As `engine.stream.moments` has it."""


class Part(msgspec.Struct, frozen=True):
    """What one engine of a run has told."""

    resumed: int
    first: float
    """When its first moment was, seconds since the Unix epoch."""
    last: float


_COLUMNS: Final = ", ".join(StoredMoment.__struct_fields__)


def moments(db: sqlite3.Connection, run: str, since: float, until: float, limit: int = 60) -> list[StoredMoment]:
    """The first moments after `since`, and until then, in order."""
    query = f"SELECT {_COLUMNS} FROM moments WHERE run = ? AND at > ? AND at <= ? ORDER BY at LIMIT ?"
    return [StoredMoment(*row) for row in db.execute(query, (run, since, until, limit))]


def moment_at(db: sqlite3.Connection, run: str, at: float) -> StoredMoment | None:
    """The newest moment up to then."""
    query = f"SELECT {_COLUMNS} FROM moments WHERE run = ? AND at <= ? ORDER BY at DESC LIMIT 1"
    row = db.execute(query, (run, at)).fetchone()
    return None if row is None else StoredMoment(*row)


def moment_after(db: sqlite3.Connection, run: str, at: float) -> float | None:
    """When the first moment after that time was."""
    row = db.execute("SELECT min(at) FROM moments WHERE run = ? AND at > ?", (run, at)).fetchone()
    return None if row[0] is None else float(row[0])


def parts(db: sqlite3.Connection, run: str) -> list[Part]:
    """The engines of a run that moments are kept of, in order of time."""
    ends = db.execute("SELECT min(at), max(at) FROM moments WHERE run = ?", (run,)).fetchone()
    if ends[0] is None:
        return []
    query = "SELECT resumed FROM moments WHERE run = ? AND at = ?"
    first, last = (db.execute(query, (run, at)).fetchone()[0] for at in ends)
    if first == last:  # of a run that was never resumed not every row is looked at
        return [Part(first, *ends)]
    query = "SELECT resumed, min(at), max(at) FROM moments WHERE run = ? GROUP BY resumed ORDER BY min(at)"
    return [Part(*row) for row in db.execute(query, (run,))]


def events_until(db: sqlite3.Connection, run: str, at: float) -> int:
    """Number of the newest event up to then, 0 without any: with moments, it is not searched among all events."""
    query = "SELECT event FROM moments WHERE run = ? AND at <= ? ORDER BY at DESC LIMIT 1"
    row = db.execute(query, (run, at)).fetchone()
    known = 0 if row is None else int(row[0])
    query = "SELECT min(number) FROM events WHERE run = ? AND number > ? AND at > ?"
    later = db.execute(query, (run, known, at)).fetchone()[0]
    if later is not None:
        return int(later) - 1
    return int(db.execute("SELECT ifnull(max(number), 0) FROM events WHERE run = ?", (run,)).fetchone()[0])
