"""Runs, their pools and jobs, and how the database is opened to ask for them."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.store.liveness import is_gone
from engine.store.schema import (
    FAULTS,
    NoDatabaseError,
    StoreError,
    check,
    explain,
    is_busy,
    open_database,
    refuse_other_kinds,
)
from engine.store.tables import VERSION
from engine.store.typed import typed

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
    """From its start to its end, or until now; without the time from an end to a resumption."""
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
    resumed: int = 0
    """How often it was resumed."""
    origin: str | None = None
    """The run whose tasks it ran again; None: it is no rerun."""
    rerun: str | None = None
    """Which of these it ran: ``failed`` (then what was done before is not in its counts) or ``all``."""
    total: int | None = None
    """How many tasks it has, as its engine said while it ran; None: that was not known, or never said."""

    @property
    def rate(self) -> float:
        """Tasks that were over per second of the run."""
        return (self.done + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def known(self) -> bool:
        """Whether `tasks` are all that there are, or were to be: an engine knows at the end, if not before."""
        return self.total is not None or self.status not in ("running", "crashed")

    @property
    def left(self) -> int | None:
        """Tasks that are not over: they are to come, or if the run has ended never ran. None: not known how many."""
        left = max(0, self.tasks - self.done - self.failed)
        return left if left or self.known else None


class JobRow(msgspec.Struct, frozen=True):
    """One job of a run and what came of its tasks so far."""

    job: int
    name: str
    call: str
    pool: int
    done: int
    failed: int
    seconds: float
    """Run time of its tasks together."""


class Pool(msgspec.Struct, frozen=True):
    """One pool of a run and what came of its tasks."""

    name: str
    size: int
    shards: int
    done: int
    failed: int
    seconds: float
    """Run time of its tasks together."""


def open_readonly(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open the database; one of an older version is brought up to date first. `any_thread`: for use by one thread after
    the other, and not only by this one.

    Raises `NoDatabaseError` where there is none (yet), else `StoreError`.
    """
    connection, version = _open(path, any_thread)
    if 0 < version < VERSION:
        connection.close()
        try:
            open_database(path).close()
        except StoreError as error:
            text = f"{path} was written by an older Shoal and can't be brought up to date: {error}"
            raise StoreError(text) from error
        connection, version = _open(path, any_thread)
    if version == 0:  # made this very moment, or an empty file
        connection.close()
        raise NoDatabaseError(f"no runs recorded yet at {path}")
    connection.row_factory = sqlite3.Row
    return connection


def _open(path: Path, any_thread: bool) -> tuple[sqlite3.Connection, int]:
    if not path.exists():
        raise NoDatabaseError(f"no runs recorded yet at {path}")
    refuse_other_kinds(path)
    address = path.absolute().as_uri() + "?mode=ro"
    connection = None
    try:
        same = not any_thread
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=same)
        try:
            return connection, check(path, connection)
        except sqlite3.OperationalError as error:
            # In a folder that can't be written, or on a full disk, SQLite can't make the files it shares with
            # writers; nobody else can either. Who has tried that may have left a log with nothing in it.
            if is_busy(error) or _has_log(path):
                raise
            connection.close()
            connection = sqlite3.connect(address + "&immutable=1", uri=True, check_same_thread=same)
            return connection, check(path, connection)
    except (*FAULTS, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise explain(path, error) from error


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


_RUN_COLUMNS: Final = (
    "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, "
    "command, config, machine, summary, resumed, resumed_at, worked, origin, rerun, total"
)


def _run(db: sqlite3.Connection, row: sqlite3.Row, now: float) -> Run:
    status, ended = row["status"], row["ended"]
    since = row["started"] if row["resumed_at"] is None else row["resumed_at"]
    if status == "running" and is_gone(db, row["id"], row["resumed"], row["pid"], row["process"]):
        status, ended = "crashed", max(since, row["seen"])
    seconds = row["worked"] + max(0.0, (now if ended is None else ended) - since)
    decode = msgspec.json.decode
    return Run(
        row["id"], row["name"], status, row["started"], ended, seconds,
        row["tasks"], row["done"], row["failed"], row["pid"], row["version"],
        typed(decode(row["command"])), decode(row["config"]), decode(row["machine"]), decode(row["summary"] or "{}"),
        row["resumed"], row["origin"], row["rerun"], row["total"],
    )  # fmt: skip


def runs(
    db: sqlite3.Connection,
    status: str | None = None,
    name: str | None = None,
    limit: int = 20,
    *,
    since: float | None = None,
    until: float | None = None,
) -> list[Run]:
    """Runs, the newest first. `name`: text that the name contains, case aside; `limit` 0: all of them.

    `since`, `until`: when they began, seconds since the Unix epoch.
    """
    query = f"SELECT {_RUN_COLUMNS} FROM runs WHERE (? IS NULL OR instr(lower(name), lower(?)))"
    arguments: list[object] = [name, name]
    if status is not None:
        # One that says it is running may turn out to have crashed.
        query += " AND status IN (?, 'running')" if status == "crashed" else " AND status = ?"
        arguments.append(status)
    for moment, condition in ((since, "started >= ?"), (until, "started < ?")):
        if moment is not None:
            query += f" AND {condition}"
            arguments.append(moment)
    found: list[Run] = []
    now = time.time()
    for row in db.execute(query + " ORDER BY started DESC, rowid DESC", arguments):
        run = _run(db, row, now)
        if status is None or run.status == status:
            found.append(run)
            if len(found) == limit:
                break
    return found


def latest(db: sqlite3.Connection, name: str) -> Run | None:
    """The newest run of just this name."""
    query = f"SELECT {_RUN_COLUMNS} FROM runs WHERE name = ? ORDER BY started DESC, rowid DESC LIMIT 1"
    row = db.execute(query, (name,)).fetchone()
    return None if row is None else _run(db, row, time.time())


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
    return _run(db, rows[0], time.time())


def of_id(db: sqlite3.Connection, run: str) -> Run | None:
    """The run of just this id."""
    row = db.execute(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", (run,)).fetchone()
    return None if row is None else _run(db, row, time.time())


def reruns(db: sqlite3.Connection, run: str) -> list[str]:
    """Ids of the runs that ran tasks of this one again, in order of time."""
    rows = db.execute("SELECT id FROM runs WHERE origin = ? ORDER BY started, rowid", (run,))
    return [identity for (identity,) in rows]


def pools(db: sqlite3.Connection, run: str) -> list[Pool]:
    """The pools of a run, with the counts of their jobs."""
    query = """
        SELECT p.name, p.size, p.shards,
            coalesce(sum(j.done), 0), coalesce(sum(j.failed), 0), total(j.seconds)
        FROM pools p LEFT JOIN jobs j ON j.run = p.run AND j.pool = p.pool
        WHERE p.run = ? GROUP BY p.pool ORDER BY p.pool"""
    return [Pool(*row) for row in db.execute(query, (run,))]


def jobs(db: sqlite3.Connection, run: str) -> list[JobRow]:
    """The jobs of a run, in order."""
    query = "SELECT job, name, call, pool, done, failed, seconds FROM jobs WHERE run = ? ORDER BY job"
    return [JobRow(*row) for row in db.execute(query, (run,))]


def spec(db: sqlite3.Connection, run: str) -> str | None:
    """What its engine said that a resumption needs, as JSON; None if it said nothing, or died in the midst of it."""
    rows = db.execute("SELECT parts, text FROM specs WHERE run = ? ORDER BY part", (run,)).fetchall()
    if not rows or len(rows) != rows[0]["parts"]:
        return None
    return "".join(row["text"] for row in rows)
