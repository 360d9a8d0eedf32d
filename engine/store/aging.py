"""What is told each second becomes less once it is old: the history of a run of weeks has a bounded size.

Samples of a second become samples of a minute; of moments, keyframes are left. The seconds of the last hour of each run
stay until a day after its end.
"""

from __future__ import annotations

import sqlite3
from typing import Final

RECENT: Final = 3600.0
"""Seconds of a run that goes on of which everything is kept."""
KEPT: Final = 86_400.0
"""Seconds after its end until a run keeps minutes and keyframes alone."""
_RUNS: Final = 4
"""Runs that are looked after at once: each that begins looks after more than it will leave behind."""
_MOMENTS: Final = 400
"""Moments that are deleted at once, some 60 ms: more than are told in a minute, so that what there is gets less."""

# Counts only go up, so the largest is the last.
_ROLL_UP: Final = """
INSERT OR IGNORE INTO samples_minute
SELECT run, CAST(at / 60 AS INTEGER) * 60.0, pool, count(*), max(done), max(failed),
    avg(queued), max(queued), avg(starting), avg(idle), avg(busy), max(busy), avg(draining), avg(dead),
    max(restarts), max(memory), avg(rate), max(redelivered), avg(cpu), max(memory_used), avg(load), max(fds)
FROM samples WHERE run = ? AND at < ? GROUP BY 2, pool"""
_SAMPLED: Final = """
SELECT id FROM runs WHERE ended < ? AND EXISTS (SELECT 1 FROM samples WHERE run = runs.id) ORDER BY ended LIMIT ?"""
_TOLD: Final = """
SELECT id FROM runs WHERE ended < ? AND EXISTS (SELECT 1 FROM moments WHERE run = runs.id AND NOT keyframe)
ORDER BY ended LIMIT ?"""
_BETWEEN: Final = """
DELETE FROM moments WHERE rowid IN (
    SELECT rowid FROM moments WHERE run = ? AND at < ? AND NOT keyframe ORDER BY at LIMIT ?)"""


def running(db: sqlite3.Connection, run: str, now: float) -> None:
    """Once a minute: make less of what a run that goes on told more than an hour ago, and of what others left. In the
    transaction that is open.
    """
    whole = (now - RECENT) // 60 * 60
    _roll_up(db, run, whole)
    db.execute(_BETWEEN, (run, whole, _MOMENTS))
    _thin_ended(db, now)


def ended(db: sqlite3.Connection, now: float) -> None:
    """Make less of some runs that ended long ago. In the transaction that is open."""
    for (run,) in db.execute(_SAMPLED, (now - KEPT, _RUNS)).fetchall():
        _roll_up(db, run, (now + 60) // 60 * 60)
    _thin_ended(db, now)


def _roll_up(db: sqlite3.Connection, run: str, before: float) -> None:
    db.execute(_ROLL_UP, (run, before))
    db.execute("DELETE FROM samples WHERE run = ? AND at < ?", (run, before))


def _thin_ended(db: sqlite3.Connection, now: float) -> None:
    left = _MOMENTS
    for (run,) in db.execute(_TOLD, (now - KEPT, _RUNS)).fetchall():
        left -= db.execute(_BETWEEN, (run, now, left)).rowcount
        if left <= 0:
            return
