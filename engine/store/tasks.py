"""Outcomes of tasks as rows and blocks, and the counts of their jobs: the first outcome of a task stands."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Iterable
from itertools import accumulate, chain, repeat
from typing import Any, Final

import msgspec

from engine.store import blocks
from engine.store.columns import as_json, clean, stored
from engine.store.messages import PIECE, Ended, Failed, Finished, Piece
from engine.store.texts import Texts
from engine.wire.memory import Parcel

_DONE: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    result, result_kind, blob)
VALUES (?, ?, ?, 'done', ?, ?, ?, ?, ?, ?, ?)"""
_FAILED: Final = """
INSERT OR IGNORE INTO tasks (run, job, task, state, attempts, agent, started, seconds,
    error_kind, error_type, error_message, error_traceback, result)
VALUES (?, ?, ?, 'failed', ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_BLOCK: Final = "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_THERE: Final = "SELECT EXISTS (SELECT 1 FROM tasks WHERE run = ? AND job = ? AND task BETWEEN ? AND ?)"
_PIECE: Final = "INSERT OR IGNORE INTO pieces VALUES (?, ?, ?, ?, ?)"
_PIECES_GONE: Final = "DELETE FROM pieces WHERE run = ? AND job = ? AND task = ?"
_PIECES_THERE: Final = "SELECT EXISTS (SELECT 1 FROM pieces WHERE run = ? AND job = ? AND task = ?)"
_BLOCKS_THERE: Final = "SELECT first, count FROM blocks WHERE run = ? AND job = ? AND first <= ? ORDER BY first DESC"
_ANY_BLOCK: Final = "SELECT EXISTS (SELECT 1 FROM blocks WHERE run = ? AND job = ?)"
_RECOUNT: Final = """
UPDATE jobs SET (done, failed, seconds) = (
    SELECT t.done + b.done, t.failed, t.seconds + b.seconds FROM
        (SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
            total(seconds) AS seconds FROM tasks WHERE run = :run AND job = :job) t,
        (SELECT ifnull(sum(count), 0) AS done, total(seconds) AS seconds FROM blocks
            WHERE run = :run AND job = :job) b)
WHERE run = :run AND job = :job"""
_RECOUNT_RUN: Final = """
UPDATE runs SET (done, failed, tasks) = (
    SELECT sum(done), sum(failed), max(runs.tasks, sum(done) + sum(failed)) FROM jobs WHERE run = :run)
WHERE id = :run"""
_COUNT_RUN: Final = """
UPDATE runs SET seen = max(seen, :now), done = done + :done, failed = failed + :failed,
    tasks = max(tasks, done + :done + failed + :failed)
WHERE id = :run"""
_COUNT_JOB: Final = """
INSERT INTO jobs (run, job, name, call, pool, done, failed, seconds) VALUES (?, ?, '', '', 0, ?, ?, ?)
ON CONFLICT DO UPDATE SET done = done + ?, failed = failed + ?, seconds = seconds + ?"""


_LARGE: Final = frozenset({Parcel, list})
"""Types of results among which a large one may be."""


def _came_before(result: Any) -> bool:
    """Whether it is said to have come in messages of type `Piece`."""
    return type(result) is list and result[:1] == ["pieces"]


class Tally:
    """What one transaction adds to the counts of its jobs: apart, so that a rollback undoes it."""

    def __init__(self) -> None:
        self.jobs: dict[int, list[float]] = {}
        self.recount: set[int] = set()

    def add(self, job: int, done: int, failed: int, seconds: float) -> None:
        counts = self.jobs.setdefault(job, [0, 0, 0.0])
        counts[0] += done
        counts[1] += failed
        counts[2] += seconds

    def copy(self) -> Tally:
        found = Tally()
        found.jobs = {job: list(counts) for job, counts in self.jobs.items()}
        found.recount = set(self.recount)
        return found


class Tasks:
    """Writes outcomes in the transaction that is open; `begin` and `count` are its first and its last."""

    def __init__(self, connection: sqlite3.Connection, texts: Texts, recount_last: bool = False) -> None:
        """`recount_last`: jobs of which some tasks were there already are not counted anew in each transaction, but by
        `recount`.
        """
        self._db = connection
        self._recount_last = recount_last
        self._uncounted: set[int] = set()
        """Jobs that are to be counted in the end."""
        self._texts = texts
        self._tally = Tally()
        self._held: dict[int, list[tuple[Any, ...]]] = {}
        """Rows by their jobs that are still to be inserted: groups are small, and a statement for each is dear."""
        self._without_blocks: set[tuple[str, int]] = set()
        """Jobs that have no block, so that nobody need look for one."""
        self.unread: list[str] = []
        """What large results could not be read, and are not kept, in this transaction: one line each."""

    def begin(self) -> None:
        """Nothing is counted yet."""
        self._tally = Tally()
        self._held.clear()  # of a transaction that came to nothing
        self._without_blocks.clear()
        self.unread.clear()

    def mark(self) -> Tally:
        """What is written and counted until now, for `back_to`. Raises sqlite3.Error."""
        self.flush()
        return self._tally.copy()

    def back_to(self, mark: Tally) -> None:
        """What was written since `mark` is undone: count it no more."""
        self._tally = mark
        self._held.clear()
        self._without_blocks.clear()

    def flush(self) -> None:
        """Insert the rows that are held. Raises sqlite3.Error."""
        held, self._held = self._held, {}
        for job, rows in held.items():
            self._insert(_DONE, job, rows, done=len(rows), seconds=sum(row[6] for row in rows))

    def finished(self, run: str, group: Finished, agent: str | None) -> None:
        """Write a group that an agent ran. Raises sqlite3.Error, ValueError if it contradicts itself."""
        count, job, first = len(group.results), group.job, group.first
        times = memoryview(group.nanoseconds).cast("Q")
        if len(times) != count:
            raise ValueError(f"{count} results with {len(times)} run times")
        if not count:
            return
        ends = list(accumulate(times))
        there = self._blocks_there(run, job, first, count)
        if not _LARGE.isdisjoint(map(type, group.results)):
            group = self._with_pieces(run, group, there)
        if not there and blocks.suits(group, times) and self._block(run, group, agent, times, ends):
            return
        begins: Iterable[int] = chain((0,), ends)
        if group.starts:
            begins = memoryview(group.starts).cast("Q")
            if len(begins) != count:
                raise ValueError(f"{count} results with {len(begins)} beginnings")
        started = (group.started + begin / 1e9 for begin in begins)
        seconds = [ns / 1e9 for ns in times]
        tries: Iterable[int] = repeat(1)
        if group.attempts:
            tries = [group.attempts.get(index, 1) for index in range(first, first + count)]
        columns = (repeat(agent), started, seconds)
        rows = zip(repeat(run), repeat(job), range(first, first + count), tries, *columns)
        if not group.failures and not group.skipped and not there:
            self._held.setdefault(job, []).extend(map(operator.add, rows, map(stored, group.results)))
            return
        self.flush()
        failures = {failure.index: failure for failure in group.failures}
        skipped = there.union(group.skipped)
        over = failures.keys() | skipped
        kept = [(row, result) for row, result in zip(rows, group.results, strict=False)]
        good = [(*row, *stored(result)) for row, result in kept if row[2] not in over]
        self._insert(_DONE, job, good, done=len(good), seconds=sum(row[6] for row in good))
        bad = [(*row, *_why(failures[row[2]])) for row, _ in kept if row[2] in failures and row[2] not in skipped]
        self._insert(_FAILED, job, bad, failed=len(bad), seconds=sum(row[6] for row in bad))
        for _, _, task, _, _, at, _, kind, type_, message, traceback, _ in bad:
            self._texts.add(run, "failure", f"{type_ or kind}: {message}\n{traceback}", at, job, task)

    def _with_pieces(self, run: str, group: Finished, there: set[int]) -> Finished:
        """The group once its large results lie in pieces; `there`: tasks that have an outcome, which stands."""
        large = [at for at, result in enumerate(group.results) if type(result) is Parcel or _came_before(result)]
        if not large:
            return group
        results = list(group.results)
        over = there.union(group.skipped)
        for at in large:
            result, key = results[at], (run, group.job, group.first + at)
            if key[2] in over or self._is_there(*key):
                continue
            if type(result) is Parcel:
                kept = self._keep(key, result)
            else:  # told before, or lost on the way
                kept = bool(self._db.execute(_PIECES_THERE, key).fetchone()[0])
                if not kept:
                    self.unread.append(f"a large result did not come: that of task {key[2]} of job {key[1]}")
            results[at] = ["pieces" if kept else "large", b""]
        return msgspec.structs.replace(group, results=results)

    def _keep(self, key: tuple[str, int, int], parcel: Parcel) -> bool:
        """Write a large result; False if it can't be read."""
        self._db.execute(_PIECES_GONE, key)  # of one that was not told to its end
        try:
            self._db.executemany(_PIECE, ((*key, n, data) for n, data in enumerate(parcel.pickled(PIECE))))
        except ValueError as error:
            self._db.execute(_PIECES_GONE, key)
            self.unread.append(f"a large result was not recorded, that of task {key[2]} of job {key[1]}: {error}")
            return False
        return True

    def _is_there(self, run: str, job: int, task: int) -> bool:
        """Whether a task has a row."""
        self.flush()
        return bool(self._db.execute(_ROWS_THERE, (run, job, task, task)).fetchone()[0])

    def piece(self, run: str, piece: Piece) -> None:
        """Write a piece of a large result, whose outcome is still to come. Raises sqlite3.Error."""
        if not self._is_there(run, piece.job, piece.task) and not self._blocks_there(run, piece.job, piece.task, 1):
            self._db.execute(_PIECE, (run, piece.job, piece.task, piece.piece, piece.data))

    def forget_pieces(self, run: str) -> None:
        """Delete pieces of results whose outcomes never came. Raises sqlite3.Error."""
        self.flush()
        self._db.execute(
            "DELETE FROM pieces WHERE run = ? AND (job, task) NOT IN (SELECT job, task FROM tasks WHERE run = ? "
            "AND result_kind = 'pieces')", (run, run),
        )  # fmt: skip

    def _block(self, run: str, group: Finished, agent: str | None, times: memoryview, ends: list[int]) -> bool:
        """Write a group as one row; False if it can't be one: for its results, or because some have a row already."""
        last = group.first + len(ends) - 1
        self.flush()
        if self._db.execute(_ROWS_THERE, (run, group.job, group.first, last)).fetchone()[0]:
            return False
        packed = blocks.pack(group.results)
        if packed is None:
            return False
        seconds, slowest = ends[-1] / 1e9, max(times) / 1e9
        columns = (agent, group.started, seconds, slowest, as_json(ends), *packed)
        self._without_blocks.discard((run, group.job))
        self._db.execute(_BLOCK, (run, group.job, group.first, len(ends), *columns))
        self._tally.add(group.job, len(ends), 0, seconds)
        return True

    def _blocks_there(self, run: str, job: int, first: int, count: int) -> set[int]:
        """Which of these tasks are in blocks already: their outcome stands."""
        found: set[int] = set()
        wanted = range(first, first + count)
        if not wanted or (run, job) in self._without_blocks:
            return found
        if not self._db.execute(_ANY_BLOCK, (run, job)).fetchone()[0]:
            self._without_blocks.add((run, job))
            return found
        for begin, size in self._db.execute(_BLOCKS_THERE, (run, job, wanted[-1])):
            if begin + size <= first:
                break
            found.update(range(max(begin, first), min(begin + size, wanted.stop)))
        return found

    def ended(self, run: str, end: Ended) -> None:
        """Write what the engine itself ended. Raises sqlite3.Error."""
        self.flush()
        columns = (None, end.at, None, end.kind, None, clean(end.text), None, None)
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
        if len(there) < end.count:
            task = next(task for task in range(end.first, end.first + end.count) if task not in there)
            self._texts.add(run, "failure", f"{end.kind}: {clean(end.text)}", end.at, end.job, task)

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

    def count(self, run: str, now: float) -> None:
        """Write what is held, and add what was written to the counts of the jobs and the run, which was seen alive
        `now`. Raises sqlite3.Error."""
        self.flush()
        tally = self._tally
        db = self._db
        added = [0, 0]
        for job, (done, failed, seconds) in tally.jobs.items():
            counts = int(done), int(failed), seconds
            db.execute(_COUNT_JOB, (run, job, *counts, *counts))
            added[0] += counts[0]
            added[1] += counts[1]
        db.execute(_COUNT_RUN, {"run": run, "now": now, "done": added[0], "failed": added[1]})
        self._uncounted |= tally.recount
        if not self._recount_last:
            self.recount(run)

    def recount(self, run: str) -> None:
        """Count those jobs anew of which some tasks were there already. Raises sqlite3.Error."""
        for job in self._uncounted:
            self._db.execute(_RECOUNT, {"run": run, "job": job})
        if self._uncounted:
            self._db.execute(_RECOUNT_RUN, {"run": run})
        self._uncounted.clear()


def _why(failure: Failed) -> tuple[str, str, str, str, str | None]:
    detail = clean(failure.detail) if failure.detail else None
    return failure.kind, clean(failure.type), clean(failure.message), clean(failure.traceback), detail
