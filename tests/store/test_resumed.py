"""A run that is resumed goes on where it was; who may do so, and what is left to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import queries
from engine.store.messages import Ended, Happened, JobMade, RunBegan, SpecPart, ToRecorder
from engine.store.schema import StoreError
from engine.store.writer import Writer
from engine.stream.types import Event

from .conftest import START, began, ended, finished, opening, rows


@pytest.fixture
def reader(path: Path, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(queries.open_readonly(path)) as connection:
        yield connection


def again(number: int, at: float = START + 1000, pid: int | None = None) -> RunBegan:
    pid = os.getpid() if pid is None else pid
    return RunBegan("r1", "", at, pid, [], {}, "0.2.0", {}, resumed=number)


def event(number: int, kind: str = "x.y") -> Event:
    return Event(number, START, "info", kind, f"{kind} {number}", {})


def test_a_run_goes_on(db: sqlite3.Connection, reader: sqlite3.Connection, gone: int) -> None:
    writer = Writer(db)
    writer.write([*opening(pid=gone), finished(0, [1, 2]), Happened([event(1), event(2)])], START + 20)
    assert queries.find(reader, "r1").status == "crashed"
    assert queries.unfinished(reader, "r1", 0, 4) == [range(2, 4)]

    second = Writer(db)
    messages: list[ToRecorder] = [
        again(1), JobMade(0, "fit", "m:fit", 0), finished(2, [3]), Happened([event(1), event(2)]),
    ]  # fmt: skip
    assert second.write(messages, START + 1010) == []
    run = queries.find(reader, "r1")
    assert (run.status, run.ended, run.resumed, run.pid, run.name) == ("running", None, 1, os.getpid(), "sweep")
    assert (run.done, run.config) == (3, {"agents": 8})
    assert [e.number for e in queries.events(reader, "r1")] == [1, 2, 3, 4]

    assert Writer(db).write([*messages, ended(at=START + 1010)], START + 1010) == []
    run = queries.find(reader, "r1")
    assert (run.status, run.resumed, run.done) == ("done", 1, 3)
    assert run.seconds == 30.0, "20 before it crashed, 10 since it was resumed"
    assert rows(db, "SELECT seconds FROM runs") == [(30.0,)]
    assert [e.number for e in queries.events(reader, "r1")] == [1, 2, 3, 4]


def test_whoever_tells_it_twice_changes_nothing(db: sqlite3.Connection) -> None:
    Writer(db).write([*opening(), ended("interrupted")], START)
    Writer(db).write([again(1), ended("done", at=START + 1005)], START + 1005)
    before = rows(db, "SELECT * FROM runs")
    writer = Writer(db)
    writer.write([again(1)], START + 1005)
    assert writer.ended, "its end was written already"
    assert rows(db, "SELECT * FROM runs") == before
    writer.crash(START + 2000)
    assert rows(db, "SELECT * FROM runs") == before
    assert writer.write([again(2, START + 3000)], START + 3000) == []
    assert rows(db, "SELECT status, resumed, worked, events_before FROM runs") == [("running", 2, 15.0, 0)]


def test_a_recorder_that_thought_too_soon_that_its_engine_was_gone(db: sqlite3.Connection) -> None:
    for first in (opening(), [again(1)]):
        writer = Writer(db)
        writer.write(first, START)
        writer.crash(START + 5)
        Writer(db).write(first, START)
        assert rows(db, "SELECT status, ended FROM runs") == [("running", None)]
        writer.crash(START + 5)


def test_one_at_a_time(db: sqlite3.Connection) -> None:
    with pytest.raises(StoreError, match="no run r1"):
        Writer(db).write([again(1)], START)
    Writer(db).write(opening(), START)
    with pytest.raises(StoreError, match=f"r1 is still running \\(process {os.getpid()}\\)"):
        Writer(db).write([again(1)], START)
    Writer(db).write([began(), ended("interrupted")], START)
    assert Writer(db).write([again(1), ended("interrupted")], START) == []
    with pytest.raises(StoreError, match="resumed by another process"):
        Writer(db).write([again(1, pid=1)], START)
    assert rows(db, "SELECT status, resumed, pid FROM runs") == [("interrupted", 1, os.getpid())]


def test_what_it_takes_is_kept(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    text = '{"plan":"é\\u0000","items":[1,2]}'
    assert queries.spec(reader, "r1") is None
    Writer(db).write([RunBegan("r1", "a", START, os.getpid(), [], {}, "", {}, spec=text), ended()], START)
    assert queries.spec(reader, "r1") == text
    writer = Writer(db)
    Writer(db).write([again(1)], START)
    assert queries.spec(reader, "r1") == text
    writer.write([began("r2"), *(SpecPart(n, 3, text[n * 9 : n * 9 + 9]) for n in (0, 1))], START)
    assert queries.spec(reader, "r2") is None, "the engine died before it had told all"
    writer.write([began("r2"), *(SpecPart(n, 3, text[n * 9 : n * 9 + 9]) for n in (1, 2))], START)
    assert queries.spec(reader, "r2") == text[:27]


def test_outcomes_and_what_is_left(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    writer = Writer(db)
    writer.write([*opening(), finished(4, [b"x", "five"], seconds=0.25), finished(0, [0])], START)
    writer.write([Ended(0, 7, 2, "poisoned", "died", START), finished(30, [1]), finished(2, [1], job=1)], START)
    found = list(queries.outcomes(reader, "r1", 0))
    assert [(o.task, o.state, o.result, o.result_kind, o.blob) for o in found] == [
        (0, "done", "0", None, None),
        (4, "done", None, "bytes", b"x"),
        (5, "done", '"five"', None, None),
        (7, "failed", None, None, None),
        (8, "failed", None, None, None),
        (30, "done", "1", None, None),
    ]
    assert (found[1].started, found[1].seconds, found[1].agent) == (START + 1, 0.25, "local/1")
    assert (found[3].error_kind, found[3].error_message, found[3].attempts) == ("poisoned", "died", 0)
    left = queries.unfinished(reader, "r1", 0, 12)
    assert left == [range(1, 4), range(6, 7), range(9, 12)]
    assert queries.unfinished(reader, "r1", 0, 6) == [range(1, 4)]
    assert queries.unfinished(reader, "r1", 1, 2) == [range(2)]
    assert queries.unfinished(reader, "none", 0, 2) == [range(2)]
    assert queries.unfinished(reader, "none", 0, 0) == []
    assert [(j.job, j.name, j.call, j.pool, j.done, j.failed) for j in queries.jobs(reader, "r1")] == [
        (0, "fit", "m:fit", 0, 4, 2), (1, "score", "m:score", 1, 1, 0),
    ]  # fmt: skip
