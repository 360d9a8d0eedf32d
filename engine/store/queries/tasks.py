"""The tasks of a run that somebody may want to look at: the slowest, those that failed."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

import msgspec

from engine.store import blocks


class Task(msgspec.Struct, frozen=True):
    """One task that is over."""

    job: str
    task: int
    """Its index in the job."""
    state: str
    attempts: int
    agent: str | None
    started: float | None
    seconds: float | None
    error_kind: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None


_FAILED: Final = " INDEXED BY tasks_failed"
"""Without being told, SQLite reads all tasks of the run to find the few that failed."""
_TASK: Final = """
    SELECT t.job, coalesce(nullif(j.name, ''), 'job ' || t.job), t.task, t.state, t.attempts, t.agent,
        t.started, t.seconds,
        t.error_kind, t.error_type, t.error_message, t.error_traceback
    FROM tasks t{} LEFT JOIN jobs j ON j.run = t.run AND j.job = t.job WHERE t.run = ?"""


def slowest(db: sqlite3.Connection, run: str, limit: int = 10) -> list[Task]:
    """The tasks that ran longest. Reads all rows of tasks of the run: 0.1 s for a million."""
    # Found by their keys first: the rest of a million rows need not be sorted along.
    query = f"""{_TASK.format("")} AND (t.job, t.task) IN (
            SELECT job, task FROM tasks WHERE run = ? AND seconds IS NOT NULL
            ORDER BY seconds DESC, job, task LIMIT ?)"""
    found = [(row[0], Task(*row[1:])) for row in db.execute(query, (run, run, limit))]
    # What is among the slowest is in one of as many blocks, those whose slowest task was slowest.
    query = f"""
        SELECT {blocks.COLUMNS}, (SELECT nullif(name, '') FROM jobs j WHERE j.run = b.run AND j.job = b.job) AS name
        FROM blocks b WHERE run = ? ORDER BY slowest DESC, job, first LIMIT ?"""
    for row in db.execute(query, (run, limit)):
        job, name = row["job"], row["name"] or f"job {row['job']}"
        found.extend(
            (job, Task(name, one.task, "done", 1, one.agent, one.started, one.seconds)) for one in blocks.expand(row)
        )
    found.sort(key=lambda each: (-(each[1].seconds or 0.0), each[0], each[1].task))
    return [task for _, task in found[:limit]]


def tasks_of(db: sqlite3.Connection, run: str, agent: str, limit: int = 20) -> list[Task]:
    """The last tasks that an agent ran to their end, the newest first. Reads all rows of tasks of the run: 0.1 s for a
    million.
    """
    query = f"""{_TASK.format("")} AND (t.job, t.task) IN (
            SELECT job, task FROM tasks WHERE run = ? AND agent = ?
            ORDER BY started DESC, job DESC, task DESC LIMIT ?)"""
    found = [(row[0], Task(*row[1:])) for row in db.execute(query, (run, run, agent, limit))]
    # As many blocks have as many tasks, each of them one at least.
    query = f"""
        SELECT {blocks.COLUMNS}, (SELECT nullif(name, '') FROM jobs j WHERE j.run = b.run AND j.job = b.job) AS name
        FROM blocks b WHERE run = ? AND agent = ? ORDER BY started DESC, job DESC, first DESC LIMIT ?"""
    for row in db.execute(query, (run, agent, limit)):
        job, name = row["job"], row["name"] or f"job {row['job']}"
        found.extend(
            (job, Task(name, one.task, "done", 1, one.agent, one.started, one.seconds)) for one in blocks.expand(row)
        )
    found.sort(key=lambda each: (-(each[1].started or 0.0), -each[0], -each[1].task))
    return [task for _, task in found[:limit]]


class FailureGroup(msgspec.Struct, frozen=True):
    """Failed tasks of one kind whose messages begin with the same line, but for numbers in it."""

    kind: str
    """The exception, or else the kind of failure."""
    count: int
    example: Task
    """The first of them."""

    @property
    def line(self) -> str:
        """The first line of the example's message."""
        return next(iter((self.example.error_message or "").strip().splitlines()), "")


_LINE: Final = 300
"""Characters of a message by which failures are told apart."""
_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")
_GROUPS: Final = f"""
    SELECT coalesce(nullif(error_type, ''), error_kind, 'failed') AS kind, alike(error_message) AS line, count(*) AS n,
        min(job << 40 | task) AS first, count(*) OVER () AS groups
    FROM tasks{_FAILED} WHERE run = ? AND state = 'failed' GROUP BY 1, 2 ORDER BY n DESC, first LIMIT ?"""


def _alike(message: str | None) -> str:
    """What messages have in common that say the same of different things."""
    line = next(iter((message or "")[: 4 * _LINE].strip().splitlines()), "")
    return _NUMBERS.sub("#", line[:_LINE])


def failure_groups(db: sqlite3.Connection, run: str, limit: int = 10) -> tuple[list[FailureGroup], int]:
    """Failed tasks by kind and first line of the message, the most frequent first; and how many such groups there are.

    Reads all failed tasks of the run, of which only the groups are kept.
    """
    db.create_function("alike", 1, _alike, deterministic=True)
    rows = db.execute(_GROUPS, (run, limit)).fetchall()
    one = f"{_TASK.format('')} AND t.job = ? AND t.task = ?"
    found = []
    for kind, _, count, first, _ in rows:
        row = db.execute(one, (run, first >> 40, first & (1 << 40) - 1)).fetchone()
        found.append(FailureGroup(kind, count, Task(*row[1:])))
    return found, rows[0]["groups"] if rows else 0


def failures(db: sqlite3.Connection, run: str, limit: int = 10) -> list[Task]:
    """The first failed tasks, in the order of the jobs."""
    query = f"{_TASK.format(_FAILED)} AND t.state = 'failed' ORDER BY t.job, t.task LIMIT ?"
    return [Task(*row[1:]) for row in db.execute(query, (run, limit))]


def failure_kinds(db: sqlite3.Connection, run: str) -> dict[str, int]:
    """How many tasks failed, by exception or else by kind, the most frequent first."""
    query = f"""
        SELECT coalesce(nullif(error_type, ''), error_kind), count(*) AS n
        FROM tasks{_FAILED} WHERE run = ? AND state = 'failed' GROUP BY 1 ORDER BY n DESC, 1"""
    return dict(map(tuple, db.execute(query, (run,))))


def redelivered(db: sqlite3.Connection, run: str) -> int:
    """Attempts that came to nothing."""
    return int(db.execute("SELECT count(*) FROM attempts WHERE run = ?", (run,)).fetchone()[0])
