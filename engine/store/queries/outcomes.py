"""What came of each task of a job, and which have no outcome yet: what a resumption and an export go by."""

from __future__ import annotations

import heapq
import operator
import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec

from engine.store import blocks


class Outcome(msgspec.Struct, frozen=True):
    """One task that is over. The fields are those of the table ``tasks``; see the README of the store."""

    task: int
    """Its index in the job."""
    state: str
    attempts: int
    agent: str | None
    started: float | None
    seconds: float | None
    result: str | None = None
    result_kind: str | None = None
    blob: bytes | None = None
    error_kind: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None


_ROWS: Final = """
SELECT task, state, attempts, agent, started, seconds, result, result_kind, blob,
    error_kind, error_type, error_message, error_traceback
FROM tasks WHERE run = ? AND job = ? ORDER BY task"""
_BLOCKS: Final = f"SELECT {blocks.COLUMNS} FROM blocks WHERE run = ? AND job = ? ORDER BY first"


def _of_blocks(db: sqlite3.Connection, run: str, job: int) -> Iterator[Outcome]:
    for row in db.execute(_BLOCKS, (run, job)):
        for one in blocks.expand(row):
            yield Outcome(one.task, "done", 1, one.agent, one.started, one.seconds, one.result, one.result_kind)


def outcomes(db: sqlite3.Connection, run: str, job: int) -> Iterator[Outcome]:
    """The tasks of a job that are over, in the order of their indexes, each once.

    Read as they are asked for, a bounded number at a time, however many there are.
    """
    rows = (Outcome(*row) for row in db.execute(_ROWS, (run, job)))
    return heapq.merge(rows, _of_blocks(db, run, job), key=operator.attrgetter("task"))


def unfinished(db: sqlite3.Connection, run: str, job: int, total: int) -> list[range]:
    """Which of the tasks 0..total-1 of a job have no outcome, in order."""
    tasks = db.execute("SELECT task FROM tasks WHERE run = ? AND job = ? ORDER BY task", (run, job))
    single = ((task, 1) for (task,) in tasks)
    many = db.execute("SELECT first, count FROM blocks WHERE run = ? AND job = ? ORDER BY first", (run, job))
    found: list[range] = []
    at = 0
    for first, count in heapq.merge(single, map(tuple, many)):
        if first >= total:
            break
        if first > at:
            found.append(range(at, first))
        at = max(at, first + count)
    if at < total:
        found.append(range(at, total))
    return found
