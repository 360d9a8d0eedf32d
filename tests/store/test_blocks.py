"""Groups of trivial tasks are one row each, and nobody who asks for a task can tell."""

from __future__ import annotations

import array
import contextlib
import itertools
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.store import blocks, queries
from engine.store.messages import Ended, Failed, Finished, ToRecorder
from engine.store.writer import Writer

from .conftest import START, ended, finished, opening, rows

MANY = 40


def trivial(first: int, results: list[Any], **more: Any) -> Finished:
    return finished(first, results, seconds=1e-5, **more)


def kept(db: sqlite3.Connection) -> tuple[int, int]:
    """How many tasks have rows of their own, and how many blocks there are."""
    ((tasks, groups),) = rows(db, "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM blocks)")
    return tasks, groups


@pytest.fixture
def reader(path: Path, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(queries.open_readonly(path)) as connection:
        yield connection


def test_a_group_of_trivial_tasks_is_one_row(writer: Writer, db: sqlite3.Connection) -> None:
    assert writer.write([trivial(10, list(range(MANY)))], START) == []
    assert kept(db) == (0, 1)
    assert rows(db, "SELECT run, job, first, count, agent, started, seconds, slowest, kinds FROM blocks") == [
        ("r1", 0, 10, MANY, "local/1", START + 1, 4e-4, 1e-5, None)
    ]
    assert rows(db, "SELECT done, failed, seconds FROM jobs WHERE job = 0") == [(MANY, 0, 4e-4)]
    assert rows(db, "SELECT tasks, done, failed FROM runs") == [(MANY, MANY, 0)]


@pytest.mark.parametrize(
    "group",
    [
        trivial(0, [1] * (blocks.FEWEST - 1)),
        trivial(0, [1] * MANY, failures=[Failed(3, "exception", "E", "", "")]),
        trivial(0, [1] * MANY, skipped=[3]),
        trivial(0, [1] * MANY, attempts={3: 2}),
        trivial(0, [*[1] * MANY, b"bytes"]),
        trivial(0, [*[1] * MANY, ["pickle", b"x"]]),
        trivial(0, [*[1] * MANY, ["large", b""]]),
        trivial(0, [*[1] * MANY, ["json", "[" * 600 + "]" * 600]]),
        trivial(0, [*[1] * MANY, {"a": 1}]),
        trivial(0, [*[1] * MANY, "\ud800"]),
        trivial(0, [*[1] * MANY, ["json", "1,2"]]),
        trivial(0, [*[1] * MANY, ["json", "{"]]),
        finished(0, [1] * MANY, seconds=0.0011),
    ],
)
def test_other_groups_are_rows(writer: Writer, db: sqlite3.Connection, group: Finished) -> None:
    assert writer.write([group], START) == []
    assert kept(db) == (len(group.results) - len(group.skipped), 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
results = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters()),
    st.sampled_from(
        [0.1, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, -0.0, "null", "\0", 'a"\\\n\x7f\u2028', "\ud800"]
    ),
    json_values.map(lambda value: ["json", msgspec.json.encode([value]).decode()]),
)


def odd(value: object) -> bool:
    """Whether it is a text that UTF-8 can't hold."""
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


instants = st.floats(0, 1e10)
COLUMNS = (
    "task, state, attempts, agent, started, seconds, result, result_kind, blob, "
    "error_kind, error_type, error_message, error_traceback"
)


def test_a_block_reads_like_its_rows(db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    numbers = itertools.count()

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.tuples(results, st.integers(0, 1_000_000)), min_size=blocks.FEWEST, max_size=60), st.floats(0, 1e10)
    )
    @example([(math.nan, 0)] * 8, 0.0)
    @example([(1.0, 1)] * 8 + [("null", 1)], 0.1)
    def both_ways(tasks: list[tuple[Any, int]], started: float) -> None:
        values = [value for value, _ in tasks]
        times = array.array("Q", [ns for _, ns in tasks]).tobytes()
        group = Finished(0, 5, 2, started, times, values, [], [], {})
        one, other = (f"{name}{next(numbers)}" for name in ("block", "rows"))
        assert Writer(db).write([*opening(one), group], START) == []
        assert Writer(db).write([*opening(other), msgspec.structs.replace(group, attempts={5: 1})], START) == []
        assert rows(db, "SELECT run FROM blocks WHERE run IN (?, ?)", one, other) == [(one,)] or any(map(odd, values))
        shown = [rows(db, f"SELECT {COLUMNS} FROM all_tasks WHERE run = ? ORDER BY task", run) for run in (one, other)]
        assert shown[0] == shown[1]
        read = [list(queries.outcomes(reader, run, 0)) for run in (one, other)]
        assert read[0] == read[1]
        assert [msgspec.structs.astuple(found) for found in read[0]] == shown[0]
        sums = rows(db, "SELECT seconds FROM jobs WHERE run IN (?, ?) AND job = 0", one, other)
        assert sums[0] == pytest.approx(sums[1])

    both_ways()


def test_the_first_outcome_stands(writer: Writer, db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    group = trivial(100, list(range(MANY)))
    messages: list[ToRecorder] = [
        group,
        group,
        trivial(100 + MANY // 2, ["late"] * MANY),
        trivial(80, ["early"] * MANY),
        trivial(90, ["over all"] * 3 * MANY),
        finished(110, ["a row"]),
        finished(70, ["before", "all"]),
        Ended(0, 60, 300, "cancelled", "", START),
        trivial(60, [None] * MANY, failures=[Failed(61, "exception", "E", "", "")]),
    ]
    for message in messages:
        assert writer.write([message], START) == []
    assert writer.write(messages, START) == [], "told again, together"
    found = list(queries.outcomes(reader, "r1", 0))
    assert [one.task for one in found] == list(range(60, 360))
    assert [one.result for one in found[40:80]] == [str(n) for n in range(MANY)]
    assert [one.result for one in found[80:100]] == ['"late"'] * 20
    assert [one.result for one in found[20:40]] == ['"early"'] * 20
    assert [one.result for one in found[100:150]] == ['"over all"'] * 50
    assert [one.result for one in found[10:12]] == ['"before"', '"all"']
    assert {one.state for one in found[:10] + found[12:20] + found[150:]} == {"failed"}
    done, failed = 2 + 20 + 40 + 20 + 50, 10 + 8 + 150
    assert rows(db, "SELECT tasks, done, failed FROM runs") == [(300, done, failed)]
    ((job_done, job_failed, seconds),) = rows(db, "SELECT done, failed, seconds FROM jobs WHERE job = 0")
    assert (job_done, job_failed) == (done, failed)
    assert seconds == pytest.approx(1.0 + 130e-5)
    assert queries.unfinished(reader, "r1", 0, 400) == [range(60), range(360, 400)]


def test_tasks_that_have_rows_keep_a_block_from_being_one(writer: Writer, db: sqlite3.Connection) -> None:
    assert writer.write([finished(5, ["first"]), trivial(0, [1] * MANY), trivial(MANY, [2] * MANY)], START) == []
    assert kept(db) == (MANY, 1)
    assert rows(db, "SELECT task, result FROM all_tasks WHERE task IN (4, 5, 40) ORDER BY 1") == [
        (4, "1"), (5, '"first"'), (40, "2"),
    ]  # fmt: skip


def test_blocks_are_apart_by_run_and_job(writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([trivial(0, [1] * MANY), trivial(0, [2] * MANY, job=1)], START)
    assert Writer(db).write([*opening("r2"), trivial(0, [3] * MANY), ended()], START) == []
    assert kept(db) == (0, 3)


def test_the_slowest_are_found_wherever_they_are(writer: Writer, reader: sqlite3.Connection) -> None:
    messages: list[ToRecorder] = []
    for group in range(5):
        times = array.array("Q", [1000 * (group + 1)] * MANY)
        times[7] = 500_000 + group
        messages.append(Finished(0, group * MANY, 1, START, times.tobytes(), [0] * MANY, [], [], {}))
    writer.write([*messages, finished(300, [1, 2], seconds=0.5), finished(0, [1], job=1, seconds=0.0005)], START)
    assert [(task.job, task.task, task.seconds) for task in queries.slowest(reader, "r1", 5)] == [
        ("fit", 300, 0.5), ("fit", 301, 0.5), ("fit", 167, 0.000500004), ("fit", 127, 0.000500003),
        ("fit", 87, 0.000500002),
    ]  # fmt: skip
    assert [task.task for task in queries.slowest(reader, "r1", 8)[5:]] == [47, 7, 0]
    assert len(queries.slowest(reader, "r1", 1000)) == 5 * MANY + 3


def test_a_block_that_no_reader_expects_is_rolled_back_with_the_rest(path: Path, db: sqlite3.Connection) -> None:
    writer = Writer(db)
    writer.write(opening(), START)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    group = trivial(0, ["x" * 1000] * 500)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.write([group], START)
    assert kept(db) == (0, 0)
    db.execute("PRAGMA max_page_count = 1000000")
    assert writer.write([group, group], START) == []
    assert kept(db) == (0, 1)
    assert rows(db, "SELECT tasks, done FROM runs") == [(500, 500)]
