"""Questions to the database, on a connection that can only read: never in the way of a recorder.

Nothing heavy is imported, and every answer is a plain struct, so that a command, a screen or a test may ask.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.store.places import is_gone
from engine.store.schema import NoDatabaseError, StoreError, check, explain

_BUSY_SECONDS: Final = 5.0
STATUSES: Final = ("running", "done", "failed", "interrupted", "crashed")


class Run(msgspec.Struct, frozen=True):
    """One run, as far as it is known now. Times are seconds since the Unix epoch."""

    id: str
    name: str
    status: str
    """One of `STATUSES`. ``crashed`` if engine and recorder are both gone, whatever the file says."""
    started: float
    ended: float | None
    seconds: float
    """From its start to its end, or until now."""
    tasks: int
    done: int
    failed: int
    pid: int
    version: str
    command: list[str]
    config: dict[str, Any]
    machine: dict[str, Any]
    summary: dict[str, Any]
    """What the engine said at the end; empty before."""

    @property
    def rate(self) -> float:
        """Tasks that were over per second of the run."""
        return (self.done + self.failed) / self.seconds if self.seconds > 0 else 0.0


class Pool(msgspec.Struct, frozen=True):
    """One pool of a run and what came of its tasks."""

    name: str
    size: int
    shards: int
    done: int
    failed: int
    seconds: float
    """Run time of its tasks together."""


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


class StoredEvent(msgspec.Struct, frozen=True):
    """Something that happened to a run."""

    number: int
    at: float
    level: str
    kind: str
    text: str
    data: dict[str, Any]


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open the database. Raises `NoDatabaseError` where there is none (yet), else `StoreError`."""
    if not path.exists():
        raise NoDatabaseError(f"no runs recorded yet at {path}")
    address = path.absolute().as_uri() + "?mode=ro"
    connection = None
    try:
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)
        try:
            version = check(path, connection)
        except sqlite3.OperationalError:
            # In a folder that can't be written, SQLite can't make the files it shares with writers; nobody
            # else can either.
            if path.with_name(path.name + "-wal").exists():
                raise
            connection.close()
            connection = sqlite3.connect(address + "&immutable=1", uri=True)
            version = check(path, connection)
    except (sqlite3.Error, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise explain(path, error) from error
    if version == 0:  # made this very moment, or an empty file
        connection.close()
        raise NoDatabaseError(f"no runs recorded yet at {path}")
    connection.row_factory = sqlite3.Row
    return connection


_RUN_COLUMNS: Final = (
    "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, "
    "command, config, machine, summary"
)


def _run(row: sqlite3.Row, now: float) -> Run:
    status, ended = row["status"], row["ended"]
    if status == "running" and is_gone(row["pid"], row["process"]):
        status, ended = "crashed", max(row["started"], row["seen"])
    until = now if ended is None else ended
    decode = msgspec.json.decode
    return Run(
        row["id"], row["name"], status, row["started"], ended, max(0.0, until - row["started"]),
        row["tasks"], row["done"], row["failed"], row["pid"], row["version"],
        decode(row["command"]), decode(row["config"]), decode(row["machine"]), decode(row["summary"] or "{}"),
    )  # fmt: skip


def runs(db: sqlite3.Connection, status: str | None = None, name: str | None = None, limit: int = 20) -> list[Run]:
    """Runs, the newest first. `name`: text that the name contains, case aside; `limit` 0: all of them."""
    query = f"SELECT {_RUN_COLUMNS} FROM runs WHERE (? IS NULL OR instr(lower(name), lower(?)))"
    if status is not None:
        # One that says it is running may turn out to have crashed.
        query += " AND status IN (?, 'running')" if status == "crashed" else " AND status = ?"
    found: list[Run] = []
    now = time.time()
    arguments = [name, name, *([] if status is None else [status])]
    for row in db.execute(query + " ORDER BY started DESC, rowid DESC", arguments):
        run = _run(row, now)
        if status is None or run.status == status:
            found.append(run)
            if len(found) == limit:
                break
    return found


def find(db: sqlite3.Connection, text: str) -> Run:
    """The run with this id, or whose id alone begins so; ``last`` is the newest. Raises `StoreError`."""
    if text == "last":
        newest = runs(db, limit=1)
        if not newest:
            raise StoreError("no runs recorded yet")
        return newest[0]
    query = (
        f"SELECT {_RUN_COLUMNS} FROM runs WHERE substr(id, 1, length(:text)) = :text "
        "ORDER BY id = :text DESC, id LIMIT 4"
    )
    rows = db.execute(query, {"text": text}).fetchall() if text else []
    if not rows:
        raise StoreError(f"no run {text!r} (`shoal runs` lists them)")
    if rows[0]["id"] != text and len(rows) > 1:
        raise StoreError(
            f"{text!r} could be {', '.join(row['id'] for row in rows[:3])}{' ...' if len(rows) > 3 else ''}"
        )
    return _run(rows[0], time.time())


def pools(db: sqlite3.Connection, run: str) -> list[Pool]:
    """The pools of a run, with the counts of their jobs."""
    query = """
        SELECT p.name, p.size, p.shards,
            coalesce(sum(j.done), 0), coalesce(sum(j.failed), 0), total(j.seconds)
        FROM pools p LEFT JOIN jobs j ON j.run = p.run AND j.pool = p.pool
        WHERE p.run = ? GROUP BY p.pool ORDER BY p.pool"""
    return [Pool(*row) for row in db.execute(query, (run,))]


_FAILED: Final = " INDEXED BY tasks_failed"
"""Without being told, SQLite reads all tasks of the run to find the few that failed."""
_TASK: Final = """
    SELECT coalesce(nullif(j.name, ''), 'job ' || t.job), t.task, t.state, t.attempts, t.agent,
        t.started, t.seconds,
        t.error_kind, t.error_type, t.error_message, t.error_traceback
    FROM tasks t{} LEFT JOIN jobs j ON j.run = t.run AND j.job = t.job WHERE t.run = ?"""


def slowest(db: sqlite3.Connection, run: str, limit: int = 10) -> list[Task]:
    """The tasks that ran longest. Reads all tasks of the run: 0.1 s for a million."""
    # Found by their keys first: the rest of a million rows need not be sorted along.
    query = f"""{_TASK.format("")} AND (t.job, t.task) IN (
            SELECT job, task FROM tasks WHERE run = ? AND seconds IS NOT NULL
            ORDER BY seconds DESC, job, task LIMIT ?)
        ORDER BY t.seconds DESC, t.job, t.task"""
    return [Task(*row) for row in db.execute(query, (run, run, limit))]


def failures(db: sqlite3.Connection, run: str, limit: int = 10) -> list[Task]:
    """The first failed tasks, in the order of the jobs."""
    query = f"{_TASK.format(_FAILED)} AND t.state = 'failed' ORDER BY t.job, t.task LIMIT ?"
    return [Task(*row) for row in db.execute(query, (run, limit))]


def failure_kinds(db: sqlite3.Connection, run: str) -> dict[str, int]:
    """How many tasks failed, by exception or else by kind, the most frequent first."""
    query = f"""
        SELECT coalesce(nullif(error_type, ''), error_kind), count(*) AS n
        FROM tasks{_FAILED} WHERE run = ? AND state = 'failed' GROUP BY 1 ORDER BY n DESC, 1"""
    return dict(map(tuple, db.execute(query, (run,))))


def redelivered(db: sqlite3.Connection, run: str) -> int:
    """Attempts that came to nothing."""
    return int(db.execute("SELECT count(*) FROM attempts WHERE run = ?", (run,)).fetchone()[0])


def deaths(db: sqlite3.Connection, run: str) -> int:
    """Agents that died."""
    query = "SELECT count(*) FROM events WHERE run = ? AND kind = 'agent.died'"
    return int(db.execute(query, (run,)).fetchone()[0])


def _event(number: int, at: float, level: str, kind: str, text: str, data: str) -> StoredEvent:
    return StoredEvent(number, at, level, kind, text, msgspec.json.decode(data))


def events(
    db: sqlite3.Connection, run: str, *, after: int = 0, notable: bool = False, limit: int = 1000
) -> list[StoredEvent]:
    """Events in order, from the one after number `after`.

    `notable`: only those that are more than information, and of them the last ones.
    """
    wanted = "AND level <> 'info' ORDER BY number DESC" if notable else "ORDER BY number"
    columns = "number, at, level, kind, text, data"
    query = f"SELECT {columns} FROM events WHERE run = ? AND number > ? {wanted} LIMIT ?"
    rows = db.execute(query, (run, after, limit)).fetchall()
    found = [_event(*row) for row in rows]
    return found[::-1] if notable else found
