"""What happened in the course of a run, second by second, and the words in what was said."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from engine.store.messages import AlertKept


class StoredEvent(msgspec.Struct, frozen=True):
    """Something that happened to a run."""

    number: int
    at: float
    level: str
    kind: str
    text: str
    data: dict[str, Any]


class Sample(msgspec.Struct, frozen=True):
    """How a run, or one of its pools, was in a second or, where that is long ago, in a minute.

    Of a minute, the numbers of tasks that wait and of agents in each state are means.
    """

    at: float
    """Seconds since the Unix epoch; a minute's beginning."""
    pool: int
    """-1: the whole run."""
    samples: int
    """Of how many this is made: 1, or those of a minute."""
    done: int
    """Since the engine began, as are `failed`, `restarts` and `redelivered`."""
    failed: int
    queued: float
    queued_max: int
    starting: float
    idle: float
    busy: float
    busy_max: int
    draining: float
    dead: float
    restarts: int
    memory: int | None
    """Bytes that the agents held, at the most; None where that was not measured."""
    rate: float | None
    """Tasks finished per second. This and what follows is known of the whole run alone."""
    redelivered: int | None
    cpu: float | None
    memory_used: int | None
    load: float | None
    fds: int | None


_SAMPLE: Final = ", ".join(Sample.__struct_fields__)


def samples(db: sqlite3.Connection, run: str, pool: int | None = None) -> list[Sample]:
    """The samples of a run in order of time. `pool`: a number, -1 for the whole run; None for all of these."""
    query = f"SELECT {_SAMPLE} FROM all_samples WHERE run = :run AND (:pool IS NULL OR pool = :pool) ORDER BY at, pool"
    return [Sample(*row) for row in db.execute(query, {"run": run, "pool": pool})]


def peak_memory(db: sqlite3.Connection, run: str) -> int | None:
    """Bytes that the agents of a run held, at the most; None if it was not measured."""
    found = db.execute("SELECT max(memory) FROM all_samples WHERE run = ? AND pool = -1", (run,)).fetchone()[0]
    return None if found is None else int(found)


class Found(msgspec.Struct, frozen=True):
    """A text in which words were found."""

    run: str
    run_name: str
    source: str
    """``failure``, ``attempt``, ``output`` or ``event``."""
    at: float | None
    """Seconds since the Unix epoch, when it was first said in this run."""
    job: str | None
    task: int | None
    """Of a failure or an attempt: whose."""
    number: int | None
    """Of an event or a line of output: the event's number."""
    text: str
    excerpt: str
    """Where in the text they were found, in one line."""


class StoredAlert(AlertKept[str | None, dict[str, Any]], frozen=True):
    """An alert of a run, its pool by name."""


def alerts(db: sqlite3.Connection, run: str, limit: int = 1000) -> list[StoredAlert]:
    """The alerts of a run, in the order in which they fired first; with more than `limit`, the last ones."""
    query = (
        "SELECT a.number, a.rule, a.level, p.name, a.agent, a.began, a.fired, a.resolved, a.acknowledged, a.value, "
        "a.threshold, a.text, a.evidence FROM alerts a LEFT JOIN pools p ON p.run = a.run AND p.pool = a.pool "
        "WHERE a.run = ? ORDER BY a.number DESC LIMIT ?"
    )
    rows = db.execute(query, (run, limit))
    found = [StoredAlert(*(*row[:-1], msgspec.json.decode(row[-1]))) for row in rows]
    return found[::-1]


def last_alert(db: sqlite3.Connection, run: str) -> int:
    """The number of the last alert of a run, 0 if it has none: an engine that resumes the run goes on from there."""
    return int(db.execute("SELECT ifnull(max(number), 0) FROM alerts WHERE run = ?", (run,)).fetchone()[0])


def alerts_of_all(db: sqlite3.Connection, limit: int = 1000) -> list[tuple[str, str, StoredAlert]]:
    """The last alerts of all runs, the newest first: id and name of the run, and the alert."""
    query = (
        "SELECT r.id, r.name, a.number, a.rule, a.level, p.name, a.agent, a.began, a.fired, a.resolved, "
        "a.acknowledged, a.value, a.threshold, a.text, a.evidence "
        "FROM alerts a JOIN runs r ON r.id = a.run LEFT JOIN pools p ON p.run = a.run AND p.pool = a.pool "
        "ORDER BY coalesce(a.fired, a.began) DESC, r.started DESC, a.number DESC LIMIT ?"
    )
    rows = db.execute(query, (limit,))
    return [(row[0], row[1], StoredAlert(*(*row[2:-1], msgspec.json.decode(row[-1])))) for row in map(tuple, rows)]


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


def events_before(db: sqlite3.Connection, run: str) -> int:
    """How many events a run had when it was last resumed: its engine of now counts on from 1, the record from there."""
    row = db.execute("SELECT events_before FROM runs WHERE id = ?", (run,)).fetchone()
    return 0 if row is None else int(row[0] or 0)


class EventGroup(msgspec.Struct, frozen=True):
    """Events of one kind and level."""

    kind: str
    level: str
    count: int
    first: float
    """Seconds since the Unix epoch, as is `last`."""
    last: float
    text: str
    """Of the last one."""


def event_groups(db: sqlite3.Connection, run: str) -> list[EventGroup]:
    """Events that are more than information by kind and level, in the order in which these first came; without alerts,
    and without the end of the run.
    """
    query = """
        SELECT g.kind, g.level, g.n, g.first, g.last, e.text FROM (
            SELECT kind, level, count(*) AS n, min(at) AS first, max(at) AS last, max(number) AS newest
            FROM events WHERE run = :run AND level <> 'info' AND kind <> 'run.ended' AND kind NOT LIKE 'alert.%'
            GROUP BY kind, level
        ) g JOIN events e ON e.run = :run AND e.number = g.newest ORDER BY g.first, g.newest"""
    return [EventGroup(*row) for row in db.execute(query, {"run": run})]


def events_of(db: sqlite3.Connection, run: str, beginning: str, limit: int = 10_000) -> list[StoredEvent]:
    """The last events whose kind begins so, such as ``alert.``, in order."""
    columns = "number, at, level, kind, text, data"
    query = f"""
        SELECT {columns} FROM events WHERE run = ? AND kind >= ? AND kind < ?
        ORDER BY number DESC LIMIT ?"""
    rows = db.execute(query, (run, beginning, beginning + "\U0010ffff", limit)).fetchall()
    return [_event(*row) for row in reversed(rows)]


_SEARCH: Final = """
SELECT t.run, r.name, t.source, t.at, coalesce(nullif(j.name, ''), 'job ' || t.job), t.task, t.number, t.text,
    snippet(words, 0, '', '', ' ... ', 16)
FROM words w JOIN texts t ON t.id = w.rowid JOIN runs r ON r.id = t.run
    LEFT JOIN jobs j ON j.run = t.run AND j.job = t.job
WHERE words MATCH :words AND (:run IS NULL OR t.run = :run)
ORDER BY r.started DESC, t.id LIMIT :limit"""


def search(db: sqlite3.Connection, text: str, run: str | None = None, limit: int = 50) -> list[Found]:
    """Failures, attempts, output and events that have all these words, or words that begin so, the newest run first.

    Capitals and accents make no difference. A text that was said again and again in a run is found once, where it was
    said first.
    """
    words = " ".join(f'"{word}"*' for word in text.replace('"', " ").replace("\0", " ").split())
    if not words:
        return []
    rows = db.execute(_SEARCH, {"words": words, "run": run, "limit": limit})
    return [Found(*(*row[:-1], " ".join(row[-1].split()))) for row in rows]
