"""What a recorder is told, as rows: many messages in one transaction, and all of them or none.

It knows no clock and no channel. Whatever one message says, it never keeps the others
from being written; what the *database* says (busy, full) is raised, nothing has changed then, and the same
messages can be written again.
"""

from __future__ import annotations

import json
import math
import operator
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat
from typing import Any, Final

import msgspec

from engine.store.messages import (
    Attempt,
    Ended,
    Failed,
    Finished,
    Happened,
    JobMade,
    PoolMade,
    RunBegan,
    RunEnded,
    ToRecorder,
)
from engine.store.places import identity
from engine.store.schema import StoreError

_DONE: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    result, result_kind, blob)
VALUES (?, ?, ?, 'done', ?, ?, ?, ?, ?, ?, ?)"""
_FAILED: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    error_kind, error_type, error_message, error_traceback)
VALUES (?, ?, ?, 'failed', ?, ?, ?, ?, ?, ?, ?, ?)"""
_RECOUNT: Final = """
UPDATE jobs SET (done, failed, seconds) = (
    SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'failed'), total(seconds)
    FROM tasks WHERE run = :run AND job = :job)
WHERE run = :run AND job = :job"""
_RECOUNT_RUN: Final = """
UPDATE runs SET (done, failed) = (SELECT sum(done), sum(failed) FROM jobs WHERE run = :run) WHERE id = :run"""
_COUNT_JOB: Final = """
INSERT INTO jobs (run, job, name, call, pool, done, failed, seconds) VALUES (?, ?, '', '', 0, ?, ?, ?)
ON CONFLICT DO UPDATE SET done = done + ?, failed = failed + ?, seconds = seconds + ?"""

Stored = tuple[str | None, str | None, bytes | None]
"""The columns ``result``, ``result_kind`` and ``blob``."""

_quote = json.encoder.encode_basestring
_quote_ascii = json.encoder.encode_basestring_ascii


def clean(text: str) -> str:
    """Text that SQLite and its shell take: lone surrogates and NULs as escapes."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def as_json(value: object) -> str:
    """Any value as JSON, always; what JSON does not know is written as null (NaN) or as its repr."""
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # lone surrogates, huge integers, odd keys
        try:
            return json.dumps(value, default=repr, skipkeys=True)
        except (TypeError, ValueError, RecursionError):
            return _quote_ascii(repr(value))


def _string(value: str) -> Stored:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON can escape a lone surrogate, UTF-8 can't hold it
            return _quote_ascii(value), None, None
    return _quote(value), None, None


def _float(value: float) -> Stored:
    if math.isfinite(value):
        return repr(value), None, None
    # JSON has no NaN, and one bare NaN would make SQLite's JSON functions refuse the whole query.
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"', "float", None


def _list(value: list[Any]) -> Stored:
    match value:
        case ["pickle", bytes() as data]:
            return None, "pickle", data
        case ["large", bytes()]:
            return None, "large", None
        case ["json", str() as text]:  # a container, which the engine has read and written as JSON
            return text, "json", None
        case _:
            return as_json(value), None, None


_STORED: Final[dict[type, Callable[[Any], Stored]]] = {
    int: lambda value: (int.__repr__(value), None, None),
    float: _float,
    bool: lambda value: ("true" if value else "false", None, None),
    type(None): lambda value: ("null", None, None),
    str: _string,
    bytes: lambda value: (None, "bytes", value),
    list: _list,
}


def stored(value: object) -> Stored:
    """One result as its three columns. See the README of this package for what each kind means."""
    found = _STORED.get(type(value))
    return (as_json(value), None, None) if found is None else found(value)


class _Tally:
    """What one transaction adds to the counts of its jobs: apart, so that a rollback undoes it."""

    def __init__(self) -> None:
        self.jobs: dict[int, list[float]] = {}
        self.recount: set[int] = set()

    def add(self, job: int, done: int, failed: int, seconds: float) -> None:
        counts = self.jobs.setdefault(job, [0, 0, 0.0])
        counts[0] += done
        counts[1] += failed
        counts[2] += seconds


class Writer:
    """Writes the messages of one run. The connection is in autocommit mode (``isolation_level=None``)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._tally = _Tally()
        self._agents: list[tuple[range, str]] = []
        self.run: str | None = None
        """Id of the run, once it is in the database."""
        self.ended = False
        """Whether the run's own end is in the database."""

    def write(self, messages: Sequence[ToRecorder], now: float) -> list[str]:
        """Write messages in one transaction; returns complaints of those that can't be written, one line
        each.

        `now`, seconds since the Unix epoch, is kept as the time when the run was last seen alive. Raises
        sqlite3.Error where the database does not take them now, or `StoreError` where the run's id is another
        run's: then none is written.
        """
        try:
            self._transaction(messages, now, None)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            pass
        except (TypeError, ValueError, OverflowError, LookupError):
            pass
        else:
            return []
        # One of them is at fault: again, each by itself. Never on the way of a healthy run, so it may be
        # slow.
        complaints: list[str] = []
        self._transaction(messages, now, complaints)
        return complaints

    def _transaction(self, messages: Sequence[ToRecorder], now: float, complaints: list[str] | None) -> None:
        before = self.run, self.ended, list(self._agents)
        self._tally = _Tally()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for message in messages:
                if complaints is None:
                    self._apply(message)
                else:
                    self._apply_alone(message, complaints)
            self._count(now)
            db.execute("COMMIT")
        except BaseException:
            self.run, self.ended, self._agents = before
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _apply_alone(self, message: ToRecorder, complaints: list[str]) -> None:
        db = self._db
        kept = {job: list(counts) for job, counts in self._tally.jobs.items()}
        db.execute("SAVEPOINT one")
        try:
            self._apply(message)
        except sqlite3.OperationalError:
            raise
        except (sqlite3.Error, TypeError, ValueError, OverflowError, LookupError) as error:
            self._tally.jobs = kept
            db.execute("ROLLBACK TO one")
            text = " ".join(str(error).split())
            complaints.append(f"a message was not recorded ({type(message).__name__}: {type(error).__name__}: {text})")
        db.execute("RELEASE one")

    def _apply(self, message: ToRecorder) -> None:
        match message:
            case RunBegan():
                self._began(message)
                return
        run = self.run
        if run is None:
            raise ValueError("it came before the beginning of a run")
        db = self._db
        match message:
            case Finished():
                self._finished(run, message)
            case Ended():
                self._ended(run, message)
            case Attempt() as tried:
                row = run, tried.job, tried.index, tried.attempt, tried.at, self.agent(tried.row), tried.pid
                db.execute(
                    "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, tried.kind, clean(tried.text)),
                )
            case Happened():
                rows = ((run, e.number, e.at, e.level, e.kind, clean(e.text), as_json(e.data)) for e in message.events)
                db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            case PoolMade() as pool:
                db.execute(
                    "INSERT OR REPLACE INTO pools VALUES (?, ?, ?, ?, ?, ?)",
                    (run, pool.pool, clean(pool.name), pool.first, pool.size, pool.shards),
                )
                # The newest first: a pool that has grown is told of again.
                self._agents.insert(0, (range(pool.first, pool.first + pool.size), clean(pool.name)))
            case JobMade() as job:
                db.execute(
                    "INSERT INTO jobs (run, job, name, call, pool) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE "
                    "SET name = excluded.name, call = excluded.call, pool = excluded.pool",
                    (run, job.job, clean(job.name), clean(job.call), job.pool),
                )
            case RunEnded() as end:
                told = end.summary.get("tasks")
                db.execute(
                    "UPDATE runs SET status = ?, ended = ?, summary = ?, tasks = max(tasks, ?) WHERE id = ?",
                    (end.status, end.ended, as_json(end.summary), told if type(told) is int else 0, run),
                )
                self.ended = True

    def _began(self, run: RunBegan) -> None:
        # Written twice by the same engine if a commit was reported as failed and had not.
        rows = self._db.execute(
            "INSERT INTO runs (id, name, status, started, pid, process, seen, version, command, config, "
            "machine) VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET status = 'running' "
            "WHERE started = excluded.started AND pid = excluded.pid",
            (
                run.run, clean(run.name), run.started, run.pid, identity(run.pid), run.started, run.version,
                as_json(run.command), as_json(run.config), as_json(run.machine),
            ),
        ).rowcount  # fmt: skip
        if rows != 1:
            raise StoreError(f"there is another run {run.run} in the database")
        self.run, self.ended, self._agents = run.run, False, []

    def agent(self, row: int) -> str | None:
        """``pool/number`` of the agent of a scoreboard row; None where no pool has it."""
        for rows, name in self._agents:
            if row in rows:
                return f"{name}/{row - rows.start}"
        return None

    def _finished(self, run: str, group: Finished) -> None:
        count = len(group.results)
        times = memoryview(group.nanoseconds).cast("Q")
        if len(times) != count:
            raise ValueError(f"{count} results with {len(times)} run times")
        agent = self.agent(group.row)
        seconds = [ns / 1e9 for ns in times]
        started = accumulate(seconds, initial=group.started)
        tries: Iterable[int] = repeat(1)
        if group.attempts:
            tries = [group.attempts.get(index, 1) for index in range(group.first, group.first + count)]
        columns = (repeat(agent), started, seconds)
        rows = zip(repeat(run), repeat(group.job), range(group.first, group.first + count), tries, *columns)
        if not group.failures and not group.skipped:
            full = map(operator.add, rows, map(stored, group.results))
            self._insert(_DONE, group.job, full, done=count, seconds=sum(seconds))
            return
        failures = {failure.index: failure for failure in group.failures}
        over = failures.keys() | set(group.skipped)
        kept = [(row, result) for row, result in zip(rows, group.results, strict=False)]
        good = [(*row, *stored(result)) for row, result in kept if row[2] not in over]
        self._insert(_DONE, group.job, good, done=len(good), seconds=sum(row[6] for row in good))
        skipped = set(group.skipped)
        bad = [(*row, *_why(failures[row[2]])) for row, _ in kept if row[2] in failures and row[2] not in skipped]
        self._insert(_FAILED, group.job, bad, failed=len(bad), seconds=sum(row[6] for row in bad))

    def _ended(self, run: str, end: Ended) -> None:
        columns = (None, end.at, None, end.kind, None, clean(end.text), None)
        tries = dict(
            self._db.execute(
                "SELECT task, max(attempt) FROM attempts "
                "WHERE run = ? AND job = ? AND task BETWEEN ? AND ? GROUP BY task",
                (run, end.job, end.first, end.first + end.count - 1),
            )
        )
        rows = ((run, end.job, task, tries.get(task, 0), *columns) for task in range(end.first, end.first + end.count))
        self._insert(_FAILED, end.job, rows, failed=end.count)

    def _insert(
        self,
        query: str,
        job: int,
        rows: Iterable[tuple[Any, ...]],
        done: int = 0,
        failed: int = 0,
        seconds: float = 0.0,
    ) -> None:
        if self._db.executemany(query, rows).rowcount == done + failed or not done + failed:
            self._tally.add(job, done, failed, seconds)
        else:  # some were there already: the first outcome of a task stands
            self._tally.recount.add(job)

    def _count(self, now: float) -> None:
        run, tally = self.run, self._tally
        if run is None:
            return
        db = self._db
        added = [0, 0]
        for job, (done, failed, seconds) in tally.jobs.items():
            counts = int(done), int(failed), seconds
            db.execute(_COUNT_JOB, (run, job, *counts, *counts))
            added[0] += counts[0]
            added[1] += counts[1]
        db.execute(
            "UPDATE runs SET seen = max(seen, ?), done = done + ?, failed = failed + ? WHERE id = ?",
            (now, *added, run),
        )
        for job in tally.recount:
            db.execute(_RECOUNT, {"run": run, "job": job})
        if tally.recount:
            db.execute(_RECOUNT_RUN, {"run": run})
        if tally.jobs or tally.recount:
            db.execute("UPDATE runs SET tasks = max(tasks, done + failed) WHERE id = ?", (run,))

    def crash(self, at: float) -> None:
        """Say that the run was cut off. Raises sqlite3.Error."""
        self._db.execute(
            "UPDATE runs SET status = 'crashed', ended = max(started, ?) WHERE id = ? AND status = 'running'",
            (at, self.run),
        )


def _why(failure: Failed) -> tuple[str, str, str, str]:
    return failure.kind, clean(failure.type), clean(failure.message), clean(failure.traceback)
