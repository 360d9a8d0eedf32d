"""What each message becomes in the database, and that one bad message or a busy database loses nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.store import queries
from engine.store.columns import as_json, clean, stored
from engine.store.messages import (
    Attempt,
    Distribution,
    Ended,
    Failed,
    Happened,
    JobMade,
    Measured,
    PoolMade,
    ToRecorder,
)
from engine.store.schema import StoreError, open_database
from engine.store.writer import Writer
from engine.stream.types import Event

from .conftest import START, began, ended, finished, opening, rows

NAN = math.nan


def counts(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT tasks, done, failed FROM runs")


def test_a_run_and_its_parts(writer: Writer, db: sqlite3.Connection) -> None:
    assert writer.run == "r1"
    assert rows(db, "SELECT name, status, ended, json_extract(config, '$.agents') FROM runs") == [
        ("sweep", "running", None, 8)
    ]
    assert rows(db, "SELECT name, first, size, shards FROM pools") == [("local", 0, 4, 1), ("wide", 4, 4, 2)]
    assert rows(db, "SELECT name, call, pool FROM jobs") == [("fit", "m:fit", 0), ("score", "m:score", 1)]
    writer.write([ended("failed", tasks=7, seconds=NAN)], START)
    assert writer.ended
    assert rows(db, "SELECT status, ended, seconds, tasks, summary FROM runs") == [
        ("failed", START + 10, 10.0, 7, '{"tasks":7,"seconds":null}')
    ]


def test_a_group_becomes_rows(writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([finished(10, [1, "two"], job=1, row=6)], START + 2)
    assert rows(db, "SELECT job, task, state, attempts, agent, started, seconds, result FROM tasks") == [
        (1, 10, "done", 1, "wide/2", START + 1, 0.5, "1"),
        (1, 11, "done", 1, "wide/2", START + 1.5, 0.5, '"two"'),
    ]
    assert counts(db) == [(2, 2, 0)]
    assert rows(db, "SELECT done, failed, seconds FROM jobs") == [(0, 0, 0.0), (2, 0, 1.0)]
    assert rows(db, "SELECT seen FROM runs") == [(START + 2,)]


def test_failed_and_skipped_tasks_of_a_group(writer: Writer, db: sqlite3.Connection) -> None:
    failure = Failed(1, "exception", "ValueError", "no \0 such \ud800 thing", "Traceback ...")
    group = finished(0, [5, None, None, 8], failures=[failure], skipped=[2], attempts={1: 3})
    assert writer.write([group], START) == []
    assert rows(db, "SELECT task, state, attempts, started - ?, result, error_message FROM tasks", START) == [
        (0, "done", 1, 1.0, "5", None),
        (1, "failed", 3, 1.5, None, "no \\x00 such \\ud800 thing"),
        (3, "done", 1, 2.5, "8", None),
    ]
    assert counts(db) == [(3, 2, 1)]
    writer.write([finished(2, [7], attempts={2: 2})], START)
    assert rows(db, "SELECT attempts, result FROM tasks WHERE task = 2") == [(2, "7")]
    assert counts(db) == [(4, 3, 1)]


def test_tasks_that_the_engine_ended(writer: Writer, db: sqlite3.Connection) -> None:
    tried = [Attempt(0, 4, attempt, 3, 99, START + attempt, "died", "killed\0") for attempt in (1, 2)]
    writer.write([*tried, Ended(0, 4, 2, "poisoned", "died twice", START + 5)], START)
    assert rows(db, "SELECT task, state, attempts, started, seconds, error_kind, error_message FROM tasks") == [
        (4, "failed", 2, START + 5, None, "poisoned", "died twice"),
        (5, "failed", 0, START + 5, None, "poisoned", "died twice"),
    ]
    assert rows(db, "SELECT task, attempt, agent, pid, kind, text FROM attempts") == [
        (4, 1, "local/3", 99, "died", "killed\\x00"),
        (4, 2, "local/3", 99, "died", "killed\\x00"),
    ]
    assert counts(db) == [(2, 0, 2)]


def test_events(writer: Writer, db: sqlite3.Connection) -> None:
    data: dict[Any, Any] = {"agent": "local/1", "load": NAN, "raw": b"\xff", 5: "five"}
    events = [Event(1, START, "info", "run.began", "began", {}), Event(2, START, "warning", "x", "y", data)]
    assert writer.write([Happened(events)], START) == []
    assert rows(db, "SELECT number, level, kind, text, data -> '$.agent' FROM events") == [
        (1, "info", "run.began", "began", None),
        (2, "warning", "x", "y", '"local/1"'),
    ]


@pytest.mark.parametrize(
    "value",
    [0, -1, 1 << 63, (1 << 64) - 1, 1 << 200, 0.1, 1e300, True, False, None, "", 'é\n\t"\\\0', "\ud800"],
)
def test_plain_results_are_json_that_gives_them_back(db: sqlite3.Connection, value: object) -> None:
    text, kind, blob = stored(value)
    assert (kind, blob) == (None, None)
    assert text is not None
    assert json.loads(text) == value
    assert type(json.loads(text)) is type(value)
    assert rows(db, "SELECT json_valid(?), ?", text, text) == [(1, text)]


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (NAN, ('"NaN"', "float", None)),
        (math.inf, ('"Infinity"', "float", None)),
        (-math.inf, ('"-Infinity"', "float", None)),
        (b"\x00\xff", (None, "bytes", b"\x00\xff")),
        (["pickle", b"\x80\x05N."], (None, "pickle", b"\x80\x05N.")),
        (["large", b""], (None, "large", None)),
        (["other", 1], ('["other",1]', None, None)),
        ({"a": 1}, ('{"a":1}', None, None)),
    ],
)
def test_other_results_say_what_they_are(writer: Writer, db: sqlite3.Connection, value: object, columns: Any) -> None:
    assert stored(value) == columns
    writer.write([finished(0, [value])], START)
    assert rows(db, "SELECT result, result_kind, blob FROM tasks") == [columns]


def test_anything_can_be_written_as_json() -> None:
    loop: list[object] = []
    loop.append(loop)
    for value in (NAN, {1: {2}}, object, "\ud800", {(1, 2): 3}, loop, 1 << 99):
        json.loads(as_json(value))
    assert clean("plain") == "plain"
    assert clean("é") == "é"


def test_the_first_outcome_of_a_task_stands(writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([finished(0, ["a", "b"])], START)
    failure = Failed(1, "exception", "E", "", "")
    writer.write([finished(1, [None, "c"], failures=[failure]), Ended(0, 2, 2, "cancelled", "", START)], START)
    assert rows(db, "SELECT task, state, result FROM tasks") == [
        (0, "done", '"a"'), (1, "done", '"b"'), (2, "done", '"c"'), (3, "failed", None),
    ]  # fmt: skip
    assert counts(db) == [(4, 3, 1)]
    assert rows(db, "SELECT done, failed, seconds FROM jobs WHERE job = 0") == [(3, 1, 1.5)]


def test_a_bad_message_is_named_and_the_others_are_written(writer: Writer, db: sqlite3.Connection) -> None:
    short = finished(0, [1, 2])
    short.results.append(3)
    odd = JobMade(9, "name", "call", 1 << 70)
    complaints = writer.write([finished(10, [1]), short, odd, finished(20, [2]), ended()], START)
    assert len(complaints) == 2
    assert all("\n" not in line for line in complaints)
    assert "Finished" in complaints[0]
    assert "JobMade" in complaints[1]
    assert rows(db, "SELECT task FROM tasks") == [(10,), (20,)]
    assert counts(db) == [(2, 2, 0)]
    assert writer.ended


def test_nothing_is_written_before_a_run(db: sqlite3.Connection) -> None:
    writer = Writer(db)
    assert len(writer.write([finished(0, [1])], START)) == 1
    assert rows(db, "SELECT * FROM tasks") == []


def test_messages_before_their_job_and_pools_that_grow(db: sqlite3.Connection) -> None:
    writer = Writer(db)
    writer.write([began(), finished(0, [1], job=3, row=7)], START)
    writer.write([PoolMade(0, "p", 0, 4, 1), PoolMade(0, "p", 0, 8, 1), JobMade(3, "late", "", 0)], START)
    writer.write([finished(1, [1], job=3, row=7)], START)
    assert rows(db, "SELECT agent FROM tasks ORDER BY task") == [(None,), ("p/7",)]
    assert rows(db, "SELECT name, done FROM jobs") == [("late", 2)]
    assert rows(db, "SELECT size FROM pools") == [(8,)]


def test_a_busy_database_loses_nothing(path: Path, db: sqlite3.Connection) -> None:
    writer = Writer(db)
    messages = [*opening(), finished(0, [1, 2]), ended()]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        db.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            writer.write(messages, START)
        assert writer.run is None
        other.execute("ROLLBACK")
    assert writer.write(messages, START) == []
    assert counts(db) == [(2, 2, 0)]


def test_a_full_disk_loses_nothing(writer: Writer, db: sqlite3.Connection) -> None:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    messages: list[ToRecorder] = [finished(0, ["x" * 1000] * 500), ended()]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.write(messages, START)
    assert not writer.ended
    assert counts(db) == [(0, 0, 0)]
    db.execute("PRAGMA max_page_count = 1000000")
    assert writer.write(messages, START) == []
    assert counts(db) == [(500, 500, 0)]


def test_a_commit_that_is_repeated_changes_nothing(writer: Writer, db: sqlite3.Connection) -> None:
    messages = [*opening(), finished(0, [1, 2]), Attempt(0, 4, 1, 3, 99, START, "died", "")]
    for _ in range(2):
        assert Writer(db).write(messages, START) == []
    assert counts(db) == [(2, 2, 0)]
    assert rows(db, "SELECT count(*) FROM attempts") == [(1,)]


def test_another_run_of_the_same_id_is_refused(writer: Writer, db: sqlite3.Connection) -> None:
    with pytest.raises(StoreError, match="another run r1"):
        Writer(db).write([began(started=START + 1)], START)
    assert rows(db, "SELECT started FROM runs") == [(START,)]


def test_a_crash_is_told_once(writer: Writer, db: sqlite3.Connection) -> None:
    writer.crash(START - 5)
    assert rows(db, "SELECT status, ended FROM runs") == [("crashed", START)]
    writer.write([ended()], START)
    writer.crash(START + 50)
    assert rows(db, "SELECT status, ended FROM runs") == [("done", START + 10)]


def test_many_rows(path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        writer = Writer(db)
        writer.write([*opening(), *(finished(first, list(range(500))) for first in range(0, 20_000, 500))], START)
        assert counts(db) == [(20_000, 20_000, 0)]
        assert rows(db, "SELECT count(*), count(DISTINCT result) FROM tasks") == [(20_000, 500)]
    with contextlib.closing(queries.open_readonly(path)) as reader:
        assert queries.find(reader, "last").done == 20_000


def distribution(count: int, packed: bytes = b"x", name: str = "run") -> Distribution:
    return Distribution(name, 0, count, 10 * count, 5, 5 + count, packed)


def test_how_times_are_distributed_is_told_anew_and_kept_by_engine(writer: Writer, db: sqlite3.Connection) -> None:
    query = (
        "SELECT name, pool, unit, count, total, least, most, json_array_length(buckets) FROM histograms ORDER BY name"
    )
    assert writer.write([Measured([distribution(3), distribution(4, name="queue_wait")])], START) == []
    writer.write([Measured([distribution(7, b"yes")])], START)
    for _ in range(2):  # as another recorder is told again
        writer.write([Measured([distribution(7, b"yes")])], START)
    assert rows(db, query) == [("queue_wait", 0, "ns", 4, 40.0, 5.0, 9.0, 1), ("run", 0, "ns", 7, 70.0, 5.0, 12.0, 1)]
    writer.write([ended("interrupted")], START)
    other = Writer(db)
    other.write([msgspec.structs.replace(began(started=START + 50), resumed=1)], START + 50)
    for count in (1, 2):
        other.write([Measured([distribution(count)])], START + 50)
    assert rows(db, query)[1] == ("run", 0, "ns", 9, 90.0, 5.0, 12.0, 2)
    (text,) = rows(db, "SELECT buckets FROM histograms WHERE name = 'run'")[0]
    assert [(part["resumed"], part["count"], part["packed"]) for part in json.loads(text)] == [
        (0, 7, base64.b64encode(b"yes").decode()), (1, 2, base64.b64encode(b"x").decode())
    ]  # fmt: skip
