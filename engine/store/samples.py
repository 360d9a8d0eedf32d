"""Samples of a second become samples of a minute once they are old: the history of a run of weeks has a bounded size.

The seconds of the last hour of each run stay until a day after its end.
"""

from __future__ import annotations

import sqlite3
from typing import Final

RECENT: Final = 3600.0
"""Seconds of a run that goes on of which every sample is kept."""
KEPT: Final = 86_400.0
"""Seconds after its end until a run keeps minutes alone."""
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
SELECT id FROM runs WHERE ended < ? AND EXISTS (SELECT 1 FROM samples WHERE run = runs.id)
ORDER BY ended LIMIT ?"""


def roll_up(db: sqlite3.Connection, run: str, before: float) -> None:
    """Replace a run's samples from before that minute by those of minutes. In the transaction that is open."""
    whole = before // 60 * 60
    db.execute(_ROLL_UP, (run, whole))
    db.execute("DELETE FROM samples WHERE run = ? AND at < ?", (run, whole))


def roll_up_ended(db: sqlite3.Connection, now: float) -> None:
    """Replace all samples of some runs that ended long ago. In the transaction that is open."""
    for (run,) in db.execute(_OLD, (now - KEPT, _RUNS)).fetchall():
        roll_up(db, run, now + 60)
