"""The tables and views of the database, and the steps by which an older file gets them.

A step that was released is never changed: append another one. Views hold no data, so they are not part of any step:
after the last one they are made anew, all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

_FIRST: Final = """
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted', 'crashed')),
    started REAL NOT NULL,
    ended REAL,
    seconds REAL GENERATED ALWAYS AS (ended - started) VIRTUAL,
    tasks INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    pid INTEGER NOT NULL,
    process TEXT NOT NULL,
    seen REAL NOT NULL,
    version TEXT NOT NULL,
    command TEXT NOT NULL,
    config TEXT NOT NULL,
    machine TEXT NOT NULL,
    summary TEXT
) STRICT;
CREATE INDEX runs_by_start ON runs (started);

CREATE TABLE pools (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    pool INTEGER NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    size INTEGER NOT NULL,
    shards INTEGER NOT NULL,
    PRIMARY KEY (run, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    name TEXT NOT NULL,
    call TEXT NOT NULL,
    pool INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
    attempts INTEGER NOT NULL,
    agent TEXT,
    started REAL,
    seconds REAL,
    result TEXT,
    result_kind TEXT,
    error_kind TEXT,
    error_type TEXT,
    error_message TEXT,
    error_traceback TEXT,
    blob BLOB,
    PRIMARY KEY (run, job, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_failed ON tasks (run, job, task) WHERE state = 'failed';

CREATE TABLE attempts (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    agent TEXT,
    pid INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, job, task, attempt, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
"""

# A block is too long for a b-tree of keys, so `blocks` keeps its rowid; the same goes for `texts` and `specs`.
_SECOND: Final = """
ALTER TABLE runs ADD COLUMN resumed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN resumed_at REAL;
ALTER TABLE runs ADD COLUMN worked REAL NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN events_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs DROP COLUMN seconds;
ALTER TABLE runs ADD COLUMN seconds REAL
    GENERATED ALWAYS AS (worked + ended - coalesce(resumed_at, started)) VIRTUAL;
CREATE INDEX runs_by_status ON runs (status, started);
CREATE INDEX runs_by_name ON runs (name, started);
CREATE INDEX events_by_kind ON events (run, kind);

CREATE TABLE specs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, part)
) STRICT;

CREATE TABLE inputs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, first, count)
) STRICT;

CREATE TABLE blocks (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    agent TEXT,
    started REAL NOT NULL,
    seconds REAL NOT NULL,
    slowest REAL NOT NULL,
    ends TEXT NOT NULL,
    results TEXT NOT NULL,
    kinds TEXT,
    PRIMARY KEY (run, job, first)
) STRICT;

CREATE TABLE samples (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    pool INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    starting INTEGER NOT NULL,
    idle INTEGER NOT NULL,
    busy INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    memory INTEGER,
    rate REAL,
    redelivered INTEGER,
    cpu REAL,
    memory_used INTEGER,
    load REAL,
    fds INTEGER,
    PRIMARY KEY (run, at, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE samples_minute (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    pool INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    queued REAL NOT NULL,
    queued_max INTEGER NOT NULL,
    starting REAL NOT NULL,
    idle REAL NOT NULL,
    busy REAL NOT NULL,
    busy_max INTEGER NOT NULL,
    draining REAL NOT NULL,
    dead REAL NOT NULL,
    restarts INTEGER NOT NULL,
    memory INTEGER,
    rate REAL,
    redelivered INTEGER,
    cpu REAL,
    memory_used INTEGER,
    load REAL,
    fds INTEGER,
    PRIMARY KEY (run, at, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE histograms (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    pool INTEGER NOT NULL,
    unit TEXT NOT NULL,
    count INTEGER NOT NULL,
    total REAL NOT NULL,
    least REAL,
    most REAL,
    buckets TEXT NOT NULL,
    PRIMARY KEY (run, name, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    rule TEXT NOT NULL,
    level TEXT NOT NULL,
    pool INTEGER,
    agent TEXT,
    began REAL NOT NULL,
    fired REAL,
    resolved REAL,
    acknowledged REAL,
    value REAL,
    threshold REAL,
    text TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_rule ON alerts (rule, began);

CREATE TABLE baselines (
    name TEXT NOT NULL,
    metric TEXT NOT NULL,
    machine TEXT NOT NULL,
    at REAL NOT NULL,
    run TEXT REFERENCES runs (id) ON DELETE SET NULL,
    version TEXT NOT NULL,
    unit TEXT NOT NULL,
    value REAL NOT NULL,
    low REAL,
    high REAL,
    samples TEXT NOT NULL,
    PRIMARY KEY (name, metric, machine)
) STRICT;

CREATE TABLE benches (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    version TEXT NOT NULL,
    machine TEXT NOT NULL,
    name TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit TEXT NOT NULL,
    value REAL,
    peer TEXT,
    peer_value REAL,
    ratio REAL,
    low REAL,
    high REAL,
    rounds INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX benches_by_name ON benches (name, at);

CREATE TABLE trials (
    study TEXT NOT NULL,
    number INTEGER NOT NULL,
    run TEXT REFERENCES runs (id) ON DELETE SET NULL,
    at REAL NOT NULL,
    settings TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit TEXT NOT NULL,
    value REAL,
    low REAL,
    high REAL,
    verdict TEXT NOT NULL CHECK (verdict IN ('running', 'kept', 'rolled back', 'failed')),
    text TEXT NOT NULL,
    PRIMARY KEY (study, number)
) STRICT;

CREATE TABLE texts (
    id INTEGER NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    source TEXT NOT NULL CHECK (source IN ('failure', 'attempt', 'output', 'event')),
    digest INTEGER NOT NULL,
    at REAL,
    job INTEGER,
    task INTEGER,
    number INTEGER,
    text TEXT NOT NULL,
    UNIQUE (run, source, digest)
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (text, content = 'texts', content_rowid = 'id');
CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN
    INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""

# Of a large result, in rows of their own: a row of `tasks` must stay short, for it lies in a b-tree of keys.
_THIRD: Final = """
ALTER TABLE runs ADD COLUMN origin TEXT;
ALTER TABLE runs ADD COLUMN rerun TEXT CHECK (rerun IN ('failed', 'all'));

CREATE TABLE pieces (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    piece INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (run, job, task, piece)
) STRICT;
"""

# Moments have kilobytes each, so they keep their rowid as blocks do.
_FOURTH: Final = """
CREATE TABLE moments (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    resumed INTEGER NOT NULL,
    event INTEGER NOT NULL,
    keyframe INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (run, at)
) STRICT;
CREATE INDEX moments_between ON moments (run, at) WHERE NOT keyframe;
"""

_FIFTH: Final = """
ALTER TABLE runs ADD COLUMN total INTEGER;
"""

_TIME: Final = "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch')"

# `->` gives the text of an element as it was written, every digit of it; `value` of json_each would be a number.
_BLOCK_TASKS: Final = """
SELECT b.run, b.job, b.first + e.key AS task, 'done' AS state, 1 AS attempts, b.agent,
    b.started + iif(e.key = 0, 0, b.ends ->> (e.key - 1)) / 1e9 AS started,
    (e.value - iif(e.key = 0, 0, b.ends ->> (e.key - 1))) / 1e9 AS seconds,
    b.results -> e.key AS result,
    CASE substr(b.kinds, e.key + 1, 1) WHEN 'f' THEN 'float' WHEN 'j' THEN 'json' END AS result_kind,
    NULL AS error_kind, NULL AS error_type, NULL AS error_message, NULL AS error_traceback, NULL AS blob
FROM blocks b, json_each(b.ends) e"""

_ALL_TASKS: Final = f"""
SELECT run, job, task, state, attempts, agent, started, seconds, result, result_kind,
    error_kind, error_type, error_message, error_traceback, blob
FROM tasks
UNION ALL {_BLOCK_TASKS}"""

_ALL_SAMPLES: Final = """
SELECT run, at, pool, 1 AS samples, done, failed, queued, queued AS queued_max, starting, idle, busy,
    busy AS busy_max, draining, dead, restarts, memory, rate, redelivered, cpu, memory_used, load, fds
FROM samples
UNION ALL
SELECT run, at, pool, samples, done, failed, queued, queued_max, starting, idle, busy,
    busy_max, draining, dead, restarts, memory, rate, redelivered, cpu, memory_used, load, fds
FROM samples_minute"""


def _at(column: str, name: str) -> str:
    return f"{_TIME.format(column)} AS {name}"


def _named_tasks(source: str) -> str:
    return f"""
        SELECT t.run, r.name AS run_name, j.name AS job, p.name AS pool, t.task, t.state, t.attempts,
            t.agent, {_at("t.started", "started")}, t.seconds, t.result, t.result_kind,
            t.error_kind, t.error_type, t.error_message
        FROM {source} t JOIN runs r ON r.id = t.run
            LEFT JOIN jobs j ON j.run = t.run AND j.job = t.job
            LEFT JOIN pools p ON p.run = t.run AND p.pool = j.pool"""


VIEWS: Final = {
    "all_tasks": _ALL_TASKS,
    "all_samples": _ALL_SAMPLES,
    # For people: names in place of numbers, times that can be read (UTC).
    "run_view": f"""
        SELECT id, name, status, {_at("started", "started")}, {_at("ended", "ended")},
            round(seconds, 3) AS seconds, tasks, done, failed,
            round((done + failed) / nullif(seconds, 0), 1) AS per_second, resumed, origin, command
        FROM runs ORDER BY runs.started DESC""",
    # Not on top of all_tasks: SQLite would put together all tasks before it shows the first.
    "task_view": " UNION ALL ".join(map(_named_tasks, ("tasks", f"({_BLOCK_TASKS})"))),
    "attempt_view": f"""
        SELECT a.run, j.name AS job, a.task, a.attempt, {_at("a.at", "at")}, a.agent, a.pid, a.kind, a.text
        FROM attempts a LEFT JOIN jobs j ON j.run = a.run AND j.job = a.job""",
    "event_view": f"""
        SELECT run, number, {_at("at", "at")}, level, kind, text, data FROM events""",
    "sample_view": f"""
        SELECT s.run, {_at("s.at", "at")}, iif(s.pool < 0, '(all)', p.name) AS pool, s.samples, s.done, s.failed,
            s.queued, s.starting + s.idle + s.busy + s.draining AS agents, s.busy, s.restarts,
            round(s.rate, 1) AS rate, round(s.cpu, 3) AS cpu, s.memory_used
        FROM all_samples s LEFT JOIN pools p ON p.run = s.run AND p.pool = s.pool""",
}


def _script(text: str) -> Callable[[Any], None]:
    """A step that runs these statements, in the transaction that is open (`executescript` would end it)."""

    def step(db: Any) -> None:
        statement = ""
        for line in text.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                db.execute(statement)
                statement = ""

    return step


MIGRATIONS: Final[list[Callable[[Any], None]]] = [_script(step) for step in (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)]
"""Each takes a ``sqlite_utils.Database`` whose transaction is open; number n leads to version n + 1."""
VERSION: Final = len(MIGRATIONS)
