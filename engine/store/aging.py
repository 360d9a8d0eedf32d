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

# Counts only go up, so the largest is the last.
_ROLL_UP: Final = """
INSERT OR IGNORE INTO samples_minute
SELECT run, CAST(at / 60 AS INTEGER) * 60.0, pool, count(*), max(done), max(failed),
    avg(queued), max(queued), avg(starting), avg(idle), avg(busy), max(busy), avg(draining), avg(dead),
    max(restarts), max(memory), avg(rate), max(redelivered), avg(cpu), max(memory_used), avg(load), max(fds)
FROM samples WHERE run = ? AND at < ? GROUP BY 2, pool"""
_OLD: Final = """
SELECT id FROM runs WHERE ended < ? AND (EXISTS (SELECT 1 FROM samples WHERE run = runs.id)
    OR EXISTS (SELECT 1 FROM moments WHERE run = runs.id AND NOT keyframe))
ORDER BY ended LIMIT ?"""


def running(db: sqlite3.Connection, run: str, now: float) -> None:
    """Make less of what a run that goes on told more than an hour ago. In the transaction that is open."""
    _age(db, run, now - RECENT)


def ended(db: sqlite3.Connection, now: float) -> None:
    """Make less of some runs that ended long ago. In the transaction that is open."""
    for (run,) in db.execute(_OLD, (now - KEPT, _RUNS)).fetchall():
        _age(db, run, now + 60)


def _age(db: sqlite3.Connection, run: str, before: float) -> None:
    """Do so with what was told before that minute."""
    whole = before // 60 * 60
    db.execute(_ROLL_UP, (run, whole))
    db.execute("DELETE FROM samples WHERE run = ? AND at < ?", (run, whole))
    db.execute("DELETE FROM moments WHERE run = ? AND at < ? AND NOT keyframe", (run, whole))
