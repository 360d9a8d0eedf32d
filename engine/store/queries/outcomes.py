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
FROM tasks WHERE run = :run AND job = :job AND task >= :first AND task < :stop ORDER BY task"""
_BLOCKS: Final = f"""
SELECT {blocks.COLUMNS} FROM blocks WHERE run = :run AND job = :job AND first < :stop AND first >= ifnull(
    (SELECT max(first) FROM blocks WHERE run = :run AND job = :job AND first <= :first), :first)
ORDER BY first"""
_ALL: Final = 1 << 62


def _of_blocks(db: sqlite3.Connection, wanted: dict[str, str | int]) -> Iterator[Outcome]:
    first, stop = wanted["first"], wanted["stop"]
    for row in db.execute(_BLOCKS, wanted):
        for one in blocks.expand(row):
            if not first <= one.task < stop:  # type: ignore[operator]
                continue
            yield Outcome(one.task, "done", 1, one.agent, one.started, one.seconds, one.result, one.result_kind)


def outcomes(db: sqlite3.Connection, run: str, job: int, first: int = 0, stop: int | None = None) -> Iterator[Outcome]:
    """The tasks first..stop-1 of a job that are over, in the order of their indexes, each once.

    Read as they are asked for, a bounded number at a time, however many there are.
    """
    wanted: dict[str, str | int] = {"run": run, "job": job, "first": first, "stop": _ALL if stop is None else stop}
    rows = (Outcome(*row) for row in db.execute(_ROWS, wanted))
    return heapq.merge(rows, _of_blocks(db, wanted), key=operator.attrgetter("task"))


def pickled(db: sqlite3.Connection, run: str, job: int, task: int) -> bytes | None:
    """The pickle of a result whose kind is ``pieces``; None where some of it is missing."""
    query = "SELECT piece, data FROM pieces WHERE run = ? AND job = ? AND task = ? ORDER BY piece"
    found: list[bytes] = []
    for piece, data in db.execute(query, (run, job, task)):
        if piece != len(found):
            return None
        found.append(data)
    return b"".join(found) if found else None


def filled(db: sqlite3.Connection, run: str, job: int, outcome: Outcome) -> Outcome:
    """The outcome, with its result where that lies in pieces: a ``pickle``; ``large`` where some are missing."""
    if outcome.result_kind != "pieces":
        return outcome
    data = pickled(db, run, job, outcome.task)
    return msgspec.structs.replace(outcome, result_kind="large" if data is None else "pickle", blob=data)


class LargeResults(msgspec.Struct, frozen=True):
    """The large results of a run."""

    kept: int
    """Those whose values are in the database."""
    bytes: int
    """Of these, as pickles."""
    left_out: int
    """Those that were too large for that."""


def large_results(db: sqlite3.Connection, run: str) -> LargeResults:
    """How many large results there are. Reads all rows of tasks of the run."""
    sizes = "SELECT total(length(data)) AS size FROM pieces WHERE run = ? GROUP BY job, task"
    kept, size = db.execute(f"SELECT count(*), total(size) FROM ({sizes})", (run,)).fetchone()
    (left,) = db.execute("SELECT count(*) FROM tasks WHERE run = ? AND result_kind = 'large'", (run,)).fetchone()
    return LargeResults(kept, int(size), left)


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
