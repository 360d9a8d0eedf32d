"""What a recorder is told, as rows: many messages in one transaction, and all of them or none.

It knows no clock and no channel. Whatever one message says, it never keeps the others
from being written; what the *database* says (busy, full) is raised, nothing has changed then, and the same
messages can be written again.
"""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from typing import Any, Final

from engine.store import blocks
from engine.store.columns import as_json, clean, stored
from engine.store.messages import (
    Attempt,
    Ended,
    Failed,
    Finished,
    Flush,
    Happened,
    JobMade,
    PoolMade,
    RunBegan,
    RunEnded,
    Sampled,
    SpecPart,
    ToRecorder,
)
from engine.store.places import identity, is_gone
from engine.store.schema import StoreError

_DONE: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    result, result_kind, blob)
VALUES (?, ?, ?, 'done', ?, ?, ?, ?, ?, ?, ?)"""
_FAILED: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    error_kind, error_type, error_message, error_traceback)
VALUES (?, ?, ?, 'failed', ?, ?, ?, ?, ?, ?, ?, ?)"""
_BLOCK: Final = "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_THERE: Final = "SELECT EXISTS (SELECT 1 FROM tasks WHERE run = ? AND job = ? AND task BETWEEN ? AND ?)"
_BLOCKS_THERE: Final = "SELECT first, count FROM blocks WHERE run = ? AND job = ? AND first <= ? ORDER BY first DESC"
_RECOUNT: Final = """
UPDATE jobs SET (done, failed, seconds) = (
    SELECT t.done + b.done, t.failed, t.seconds + b.seconds FROM
        (SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
            total(seconds) AS seconds FROM tasks WHERE run = :run AND job = :job) t,
        (SELECT ifnull(sum(count), 0) AS done, total(seconds) AS seconds FROM blocks
            WHERE run = :run AND job = :job) b)
WHERE run = :run AND job = :job"""
_RECOUNT_RUN: Final = """
UPDATE runs SET (done, failed) = (SELECT sum(done), sum(failed) FROM jobs WHERE run = :run) WHERE id = :run"""
_COUNT_JOB: Final = """
INSERT INTO jobs (run, job, name, call, pool, done, failed, seconds) VALUES (?, ?, '', '', 0, ?, ?, ?)
ON CONFLICT DO UPDATE SET done = done + ?, failed = failed + ?, seconds = seconds + ?"""


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
        self._events = 0
        """Events that were recorded before the run was resumed."""
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
        before = self.run, self.ended, list(self._agents), self._events
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
            self.run, self.ended, self._agents, self._events = before
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
            case Flush():
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
                before = self._events
                rows = (
                    (run, before + e.number, e.at, e.level, e.kind, clean(e.text), as_json(e.data))
                    for e in message.events
                )
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
            case Sampled():
                self._sampled(run, message)
            case SpecPart() as spec:
                self._spec(run, spec.part, spec.parts, spec.text)
            case RunEnded() as end:
                told = end.summary.get("tasks")
                db.execute(
                    "UPDATE runs SET status = ?, ended = ?, summary = ?, tasks = max(tasks, ?) WHERE id = ?",
                    (end.status, end.ended, as_json(end.summary), told if type(told) is int else 0, run),
                )
                self.ended = True

    def _began(self, run: RunBegan) -> None:
        old = self._db.execute(
            "SELECT status, started, ended, pid, process, seen, resumed, resumed_at, events_before "
            "FROM runs WHERE id = ?", (run.run,),
        ).fetchone()  # fmt: skip
        events = 0
        if old is None:
            if run.resumed:
                raise StoreError(f"there is no run {run.run} in the database")
            self._insert_run(run)
        else:
            status, started, ended, pid, process, seen, resumed, resumed_at, events = old
            since = started if resumed_at is None else resumed_at
            if (resumed, since, pid) == (run.resumed, run.started, run.pid):
                # Told again, because a commit was reported as failed and had not, or a recorder died; it may also have
                # thought that its engine had.
                query = "UPDATE runs SET status = 'running', ended = NULL WHERE id = ? AND status = 'crashed'"
                self._db.execute(query, (run.run,))
            elif not run.resumed:
                raise StoreError(f"there is another run {run.run} in the database")
            elif status == "running" and not is_gone(pid, process):
                raise StoreError(f"run {run.run} is still running (process {pid})")
            elif resumed != run.resumed - 1:
                raise StoreError(f"run {run.run} was resumed by another process meanwhile")
            else:
                events = self._resume_run(run, max(0.0, (seen if ended is None else ended) - since))
        if run.spec:
            self._spec(run.run, 0, 1, run.spec)
        over = old is not None and old[0] not in ("running", "crashed") and old[6] == run.resumed
        self.run, self.ended, self._agents, self._events = run.run, over, [], events

    def _insert_run(self, run: RunBegan) -> None:
        self._db.execute(
            "INSERT INTO runs (id, name, status, started, pid, process, seen, version, command, config, "
            "machine) VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.run, clean(run.name), run.started, run.pid, identity(run.pid), run.started, run.version,
                as_json(run.command), as_json(run.config), as_json(run.machine),
            ),
        )  # fmt: skip

    def _resume_run(self, run: RunBegan, worked: float) -> int:
        """Say that a run goes on; `worked`: the seconds of its time until now. Returns how many events it has.

        What it was begun with stays: name, command, settings.
        """
        (events,) = self._db.execute("SELECT ifnull(max(number), 0) FROM events WHERE run = ?", (run.run,)).fetchone()
        self._db.execute(
            "UPDATE runs SET status = 'running', ended = NULL, summary = NULL, pid = ?, process = ?, resumed = ?, "
            "resumed_at = ?, worked = worked + ?, seen = max(seen, ?), events_before = ? WHERE id = ?",
            (run.pid, identity(run.pid), run.resumed, run.started, worked, run.started, events, run.run),
        )
        return int(events)

    def _spec(self, run: str, part: int, parts: int, text: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO specs VALUES (?, ?, ?, ?)", (run, part, parts, clean(text)))

    def _sampled(self, run: str, sample: Sampled) -> None:
        pools = sample.pools
        agents = zip(*((p.starting, p.idle, p.busy, p.draining, p.dead) for p in pools), strict=True)
        states = map(sum, agents) if pools else [0] * 5
        memory = [p.memory for p in pools if p.memory is not None]
        whole = (
            run, sample.at, -1, sample.done, sample.failed, sum(p.queued for p in pools), *states,
            sample.restarts, sum(memory) if memory else None, sample.rate, sample.redelivered, sample.cpu,
            sample.memory_used, sample.load, sample.fds,
        )  # fmt: skip
        each = [
            (
                run, sample.at, p.pool, p.done, p.failed, p.queued, p.starting, p.idle, p.busy, p.draining, p.dead,
                p.restarts, p.memory, None, None, None, None, None, None,
            )
            for p in pools
        ]  # fmt: skip
        query = f"INSERT OR IGNORE INTO samples VALUES ({', '.join('?' * len(whole))})"
        self._db.executemany(query, [whole, *each])

    def agent(self, row: int) -> str | None:
        """``pool/number`` of the agent of a scoreboard row; None where no pool has it."""
        for rows, name in self._agents:
            if row in rows:
                return f"{name}/{row - rows.start}"
        return None

    def _finished(self, run: str, group: Finished) -> None:
        count, job, first = len(group.results), group.job, group.first
        times = memoryview(group.nanoseconds).cast("Q")
        if len(times) != count:
            raise ValueError(f"{count} results with {len(times)} run times")
        if not count:
            return
        agent = self.agent(group.row)
        ends = list(accumulate(times))
        there = self._blocks_there(run, job, first, count)
        if not there and blocks.suits(group, times) and self._block(run, group, agent, times, ends):
            return
        started = (group.started + begin / 1e9 for begin in chain((0,), ends))
        seconds = [ns / 1e9 for ns in times]
        tries: Iterable[int] = repeat(1)
        if group.attempts:
            tries = [group.attempts.get(index, 1) for index in range(first, first + count)]
        columns = (repeat(agent), started, seconds)
        rows = zip(repeat(run), repeat(job), range(first, first + count), tries, *columns)
        if not group.failures and not group.skipped and not there:
            full = map(operator.add, rows, map(stored, group.results))
            self._insert(_DONE, job, full, done=count, seconds=sum(seconds))
            return
        failures = {failure.index: failure for failure in group.failures}
        skipped = there.union(group.skipped)
        over = failures.keys() | skipped
        kept = [(row, result) for row, result in zip(rows, group.results, strict=False)]
        good = [(*row, *stored(result)) for row, result in kept if row[2] not in over]
        self._insert(_DONE, job, good, done=len(good), seconds=sum(row[6] for row in good))
        bad = [(*row, *_why(failures[row[2]])) for row, _ in kept if row[2] in failures and row[2] not in skipped]
        self._insert(_FAILED, job, bad, failed=len(bad), seconds=sum(row[6] for row in bad))

    def _block(self, run: str, group: Finished, agent: str | None, times: memoryview, ends: list[int]) -> bool:
        """Write a group as one row; False if it can't be one: for its results, or because some have a row already."""
        last = group.first + len(ends) - 1
        if self._db.execute(_ROWS_THERE, (run, group.job, group.first, last)).fetchone()[0]:
            return False
        packed = blocks.pack(group.results)
        if packed is None:
            return False
        seconds, slowest = ends[-1] / 1e9, max(times) / 1e9
        columns = (agent, group.started, seconds, slowest, as_json(ends), *packed)
        self._db.execute(_BLOCK, (run, group.job, group.first, len(ends), *columns))
        self._tally.add(group.job, len(ends), 0, seconds)
        return True

    def _blocks_there(self, run: str, job: int, first: int, count: int) -> set[int]:
        """Which of these tasks are in blocks already: their outcome stands."""
        found: set[int] = set()
        wanted = range(first, first + count)
        if not wanted:
            return found
        for begin, size in self._db.execute(_BLOCKS_THERE, (run, job, wanted[-1])):
            if begin + size <= first:
                break
            found.update(range(max(begin, first), min(begin + size, wanted.stop)))
        return found

    def _ended(self, run: str, end: Ended) -> None:
        columns = (None, end.at, None, end.kind, None, clean(end.text), None)
        tries = dict(
            self._db.execute(
                "SELECT task, max(attempt) FROM attempts "
                "WHERE run = ? AND job = ? AND task BETWEEN ? AND ? GROUP BY task",
                (run, end.job, end.first, end.first + end.count - 1),
            )
        )
        there = self._blocks_there(run, end.job, end.first, end.count)
        rows = (
            (run, end.job, task, tries.get(task, 0), *columns)
            for task in range(end.first, end.first + end.count)
            if task not in there
        )
        self._insert(_FAILED, end.job, rows, failed=end.count - len(there))

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
