"""What readers were told, second by second: written once, made less of when it is old, gone with its run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from stream_frames import frame

from engine.store import aging, pruning, queries
from engine.store.messages import Happened, Moment
from engine.store.queries import moments as kept
from engine.store.writer import Writer
from engine.stream.moments import KEYFRAME, pack
from engine.stream.types import Event

from .conftest import START, began, ended, rows
from .test_samples import sample


def moment(second: float, event: int = 0, keyframe: bool = True) -> Moment:
    return Moment(START + second, event, keyframe, pack([frame(second)]))


def test_told_twice_it_is_there_once(writer: Writer, db: sqlite3.Connection) -> None:
    for _ in range(2):
        assert writer.write([moment(1), moment(2, keyframe=False)], START) == []
    assert rows(db, "SELECT run, at - ?, resumed, event, keyframe FROM moments", START) == [
        ("r1", 1, 0, 0, 1), ("r1", 2, 0, 0, 0),
    ]  # fmt: skip


def test_of_a_resumed_run_events_go_on_being_numbered(writer: Writer, db: sqlite3.Connection) -> None:
    happened = [Happened([Event(n, START + n, "info", "x", "", {}) for n in (1, 2, 3)])]
    writer.write([*happened, moment(4, event=3), ended("interrupted", at=START + 5)], START)
    again = began("r1", started=START + 10)
    again = type(again)(again.run, again.name, again.started, again.pid, [], {}, "0", {}, resumed=1)
    later = Writer(db)
    assert later.write([again, Happened([Event(1, START + 11, "info", "x", "", {})]), moment(12, event=1)], START) == []
    assert rows(db, "SELECT at - ?, resumed, event FROM moments", START) == [(4, 0, 3), (12, 1, 4)]
    assert kept.parts(db, "r1") == [kept.Part(0, START + 4, START + 4), kept.Part(1, START + 12, START + 12)]
    assert [kept.events_until(db, "r1", START + at) for at in (0, 1, 2.5, 4, 10, 11, 99)] == [0, 1, 2, 3, 3, 4, 4]


def test_after_an_hour_keyframes_are_left(writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([moment(n, keyframe=not n % KEYFRAME) for n in range(200)], START)
    writer.write([sample(START + aging.RECENT + 100)], START)
    left = [round(at) for (at,) in rows(db, "SELECT at - ? FROM moments ORDER BY at", START)]
    assert left == [*range(0, 60, KEYFRAME), *range(60, 200)], "by whole minutes, as samples"
    writer.write([sample(START + aging.RECENT + 159)], START)
    assert rows(db, "SELECT count(*) FROM moments") == [(146,)], "not more often than once a minute"
    writer.write([sample(START + aging.RECENT + 180)], START)
    assert rows(db, "SELECT count(*) FROM moments") == [(38,)]


def test_a_day_after_its_end_a_run_has_keyframes_alone(db: sqlite3.Connection) -> None:
    for run in ("one", "two"):
        told = [moment(n, keyframe=not n % KEYFRAME) for n in range(30)]
        Writer(db).write([began(run), *told, ended(at=START + (30 if run == "one" else 5000))], START)
    Writer(db).write([began("next", started=START + aging.KEPT + 60)], START)
    assert rows(db, "SELECT run, count(*) FROM moments GROUP BY 1") == [("one", 3), ("two", 30)]


def test_what_is_much_goes_in_parts(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who records waits for long: some when a run begins, and some in each minute of it."""
    monkeypatch.setattr(aging, "_MOMENTS", 20)
    for run, seconds in (("one", 60), ("two", 30)):
        told = [moment(n, keyframe=not n % KEYFRAME) for n in range(seconds)]
        Writer(db).write([began(run), *told, ended(at=START + seconds)], START)
    begin = START + aging.KEPT + 100
    writer = Writer(db)
    left = []
    for minute in range(4):
        writer.write([began("next", started=begin) if not minute else sample(begin + 60 * minute)], START)
        left.append(
            rows(db, "SELECT count(*) FILTER (WHERE run = 'one'), count(*) FILTER (WHERE run = 'two') FROM moments")
        )
    assert left == [[(60, 10)], [(47, 3)], [(27, 3)], [(7, 3)]]


def test_what_is_old_is_found_without_reading_what_is_left(db: sqlite3.Connection) -> None:
    for query, given in ((aging._BETWEEN, ("r1", START, 9)), (aging._TOLD, (START, 9))):
        plan = str(rows(db, f"EXPLAIN QUERY PLAN {query}", *given))
        assert "INDEX moments_between" in plan


def test_they_go_with_their_run(path: Path, writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([moment(1), moment(2), ended()], START)
    Writer(db).write([began("other"), moment(1), ended()], START)
    assert pruning.remove(db, "r1")
    assert rows(db, "SELECT run FROM moments") == [("other",)]
    with closing(queries.open_readonly(path)) as reader:
        assert [old.size for old in pruning.candidates(reader)] > [0]
