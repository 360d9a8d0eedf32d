"""The questions that commands and screens ask."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.store import queries
from engine.store.messages import AlertNow, Attempt, Failed, Happened
from engine.store.schema import StoreError
from engine.store.writer import Writer
from engine.stream.types import Event

from .conftest import START, began, ended, finished, opening, rows


@pytest.fixture
def reader(path: Path, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(queries.open_readonly(path)) as connection:
        yield connection


def test_runs_are_listed_and_filtered(db: sqlite3.Connection, reader: sqlite3.Connection, gone: int) -> None:
    Writer(db).write([began("aa1", name="Alpha"), ended("done")], START)
    Writer(db).write([began("aa2", name="beta", started=START + 1), ended("failed")], START)
    Writer(db).write([began("bb3", name="alphabet", started=START + 2)], START)
    Writer(db).write([began("cc4", pid=gone, started=START + 3)], START + 7)
    assert [run.id for run in queries.runs(reader)] == ["cc4", "bb3", "aa2", "aa1"]
    assert [run.id for run in queries.runs(reader, limit=2)] == ["cc4", "bb3"]
    assert [run.id for run in queries.runs(reader, name="ALPHA")] == ["bb3", "aa1"]
    assert [run.id for run in queries.runs(reader, status="failed")] == ["aa2"]
    assert [run.id for run in queries.runs(reader, status="running")] == ["bb3"]
    crashed = queries.runs(reader, status="crashed")
    assert [(run.id, run.ended, run.seconds) for run in crashed] == [("cc4", START + 7, 4.0)]


def test_a_run_is_found_by_what_is_enough(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    with pytest.raises(StoreError, match="no runs recorded yet"):
        queries.find(reader, "last")
    for at, run in enumerate(["aa", "aab1", "aab2", "c_"]):
        Writer(db).write([began(run, started=START - at), ended()], START)
    assert queries.find(reader, "last").id == "aa"
    assert queries.find(reader, "aa").id == "aa", "the whole id, though others begin so"
    assert queries.find(reader, "aab1").id == "aab1"
    assert queries.find(reader, "c").id == "c_"
    with pytest.raises(StoreError, match=r"could be aab1, aab2$"):
        queries.find(reader, "aab")
    for unknown in ("", "AAB1", "c%", "zzz"):
        with pytest.raises(StoreError, match="no run"):
            queries.find(reader, unknown)


def test_what_is_known_of_a_run(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    failures = [Failed(2, "exception", "ValueError", "bad", "tb"), Failed(3, "timeout", "", "late", "")]
    writer = Writer(db)
    writer.write(opening(), START)
    writer.write([finished(0, [1, 2], seconds=2.0), finished(0, [1], job=1, row=4, seconds=9.0)], START)
    writer.write([finished(2, [None, None], failures=failures, seconds=0.1)], START)
    writer.write([Attempt(0, 3, 1, 0, 5, START, "died", "killed")], START)
    died = Event(2, START, "warning", "agent.died", "agent local/0 was killed", {"pid": 5})
    writer.write([Happened([Event(1, START, "info", "a", "b", {}), died]), ended()], START)

    run = queries.find(reader, "r1")
    assert (run.done, run.failed, run.tasks, run.seconds, run.rate) == (3, 2, 5, 10.0, 0.5)
    assert (run.pid, run.command[0], run.machine) == (os.getpid(), "shoal", {"cores": 2})
    local, wide = queries.pools(reader, "r1")
    assert (local.name, local.size, local.done, local.failed) == ("local", 4, 2, 2)
    assert local.seconds == pytest.approx(4.2)
    assert wide.seconds == 9.0
    assert (wide.done, wide.failed) == (1, 0)
    slowest = queries.slowest(reader, "r1", 2)
    assert [(task.job, task.task, task.agent, task.seconds) for task in slowest] == [
        ("score", 0, "wide/0", 9.0), ("fit", 0, "local/1", 2.0),
    ]  # fmt: skip
    assert [(t.task, t.error_type, t.error_message) for t in queries.failures(reader, "r1")] == [
        (2, "ValueError", "bad"), (3, "", "late"),
    ]  # fmt: skip
    assert queries.failure_kinds(reader, "r1") == {"ValueError": 1, "timeout": 1}
    assert (queries.redelivered(reader, "r1"), queries.deaths(reader, "r1")) == (1, 1)
    assert [event.number for event in queries.events(reader, "r1")] == [1, 2]
    assert [event.number for event in queries.events(reader, "r1", after=1)] == [2]
    assert [event.data for event in queries.events(reader, "r1", notable=True)] == [{"pid": 5}]


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (lambda db: queries.failures(db, "r1"), "tasks_failed"),
        (lambda db: queries.failure_kinds(db, "r1"), "tasks_failed"),
        (lambda db: queries.runs(db, status="failed"), "runs_by_status"),
        (lambda db: queries.runs(db), "runs_by_start"),
        (lambda db: queries.latest(db, "sweep"), "runs_by_name"),
        (lambda db: queries.deaths(db, "r1"), "events_by_kind"),
        (lambda db: queries.events(db, "r1", after=5), "PRIMARY KEY"),
        (lambda db: queries.redelivered(db, "r1"), "PRIMARY KEY"),
        (lambda db: list(queries.outcomes(db, "r1", 0)), "PRIMARY KEY"),
        (lambda db: list(queries.outcomes(db, "r1", 0)), "sqlite_autoindex_blocks_1"),
        (lambda db: queries.unfinished(db, "r1", 0, 5), "sqlite_autoindex_blocks_1"),
        (lambda db: queries.samples(db, "r1"), "PRIMARY KEY"),
        (lambda db: queries.search(db, "words"), "VIRTUAL TABLE"),
    ],
)
def test_nothing_is_read_that_was_not_asked_for(
    reader: sqlite3.Connection, question: Callable[[sqlite3.Connection], object], index: str
) -> None:
    asked: list[str] = []
    reader.set_trace_callback(asked.append)
    question(reader)
    reader.set_trace_callback(None)
    asked = [text for text in asked if not text.startswith("--")]  # what a virtual table asks for itself
    plans = [row[-1] for text in asked for row in reader.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert any(index in step for step in plans), plans
    tables = "|".join(name for (name,) in rows(reader, "SELECT name FROM sqlite_master WHERE type = 'table'"))
    assert not [step for step in plans if re.fullmatch(f"SCAN ({tables}|[a-z])", step)], plans


def test_the_latest_of_a_name(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    assert queries.latest(reader, "sweep") is None
    for at, (run, name) in enumerate([("a", "sweep"), ("b", "sweep"), ("c", "Sweep"), ("d", "sweeps")]):
        Writer(db).write([began(run, name=name, started=START + at)], START)
    found = queries.latest(reader, "sweep")
    assert found is not None
    assert found.id == "b"


def test_views_read_well(db: sqlite3.Connection, writer: Writer) -> None:
    writer.write([finished(0, [1]), ended()], START)
    found = rows(db, "SELECT run_name, job, pool, task, agent, started, result FROM task_view")
    assert found == [("sweep", "fit", "local", 0, "local/1", "2025-11-21 12:00:01.000", "1")]
    assert rows(db, "SELECT id, status, started, seconds, per_second FROM run_view") == [
        ("r1", "done", "2025-11-21 12:00:00.000", 10.0, 0.1)
    ]


def test_failures_are_grouped_by_what_they_say(
    db: sqlite3.Connection, writer: Writer, reader: sqlite3.Connection
) -> None:
    texts = ["item 17 at 0xff is bad\nand more", "item 3 at 0x1 is bad", "other", "", "item 4 at 0x2 is bad"]
    failures = [Failed(at, "exception", "ValueError", text, "") for at, text in enumerate(texts)]
    failures.append(Failed(5, "exit", "", "other", ""))
    writer.write([*opening(), finished(0, [None] * 6, failures=failures)], START)
    found, groups = queries.failure_groups(reader, "r1", 2)
    assert groups == 4
    assert [(group.kind, group.count, group.example.task, group.line) for group in found] == [
        ("ValueError", 3, 0, "item 17 at 0xff is bad"), ("ValueError", 1, 2, "other"),
    ]  # fmt: skip
    assert queries.failure_groups(reader, "r2") == ([], 0)


def test_events_are_grouped_by_kind(db: sqlite3.Connection, writer: Writer, reader: sqlite3.Connection) -> None:
    told = [
        ("agent.died", "warning"), ("fleet.ready", "info"), ("host.died", "error"), ("agent.died", "warning"),
        ("alert.fired", "error"), ("alert.resolved", "info"), ("run.ended", "warning"),
    ]  # fmt: skip
    events = [Event(at, START + at, level, kind, f"text {at}", {"id": at}) for at, (kind, level) in enumerate(told, 1)]  # type: ignore[arg-type]
    writer.write([began("r1"), Happened(events)], START)
    found = [
        (group.kind, group.count, group.first, group.last, group.text) for group in queries.event_groups(reader, "r1")
    ]
    assert found == [
        ("agent.died", 2, START + 1, START + 4, "text 4"), ("host.died", 1, START + 3, START + 3, "text 3"),
    ]  # fmt: skip
    alerts = queries.events_of(reader, "r1", "alert.")
    assert [(event.kind, event.data) for event in alerts] == [("alert.fired", {"id": 5}), ("alert.resolved", {"id": 6})]
    assert [event.number for event in queries.events_of(reader, "r1", "alert.", limit=1)] == [6]
    assert queries.peak_memory(reader, "r1") is None


def alert(number: int, **changed: Any) -> AlertNow:
    known = AlertNow(
        number, "depth", "warning", 1, None, START + 1, START + 2, None, None, 120.0, 100.0, "120 wait", '{"count": 1}'
    )
    return msgspec.structs.replace(known, **changed)


def test_an_alert_is_kept_as_it_was_told_last(writer: Writer, reader: sqlite3.Connection) -> None:
    assert (queries.alerts(reader, "r1"), queries.last_alert(reader, "r1")) == ([], 0)
    later = {"level": "critical", "value": 900.0, "threshold": 500.0, "text": "900 wait", "evidence": '{"count": 7}'}
    writer.write([alert(1), alert(2, pool=None, agent="local/3"), alert(1, acknowledged=START + 3)], START)
    writer.write([alert(1, began=0.0, fired=0.0, resolved=START + 9, **later)], START)
    first, second = queries.alerts(reader, "r1")
    assert first == queries.StoredAlert(
        1, "depth", "critical", "wide", None, START + 1, START + 2, START + 9, START + 3, 900.0, 500.0, "900 wait",
        {"count": 7},
    ), "but for its beginning, and for who took it on"  # fmt: skip
    assert (second.pool, second.agent, second.resolved, second.evidence) == (None, "local/3", None, {"count": 1})
    assert queries.alerts(reader, "r1", 1) == [second], "the last ones"
    assert queries.last_alert(reader, "r1") == 2
    assert queries.last_alert(reader, "r2") == 0
