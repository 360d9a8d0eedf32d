"""Whatever is told again, by an engine whose recorder died, leaves what telling it once would have left."""

from __future__ import annotations

import array
import contextlib
import itertools
import pickle
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.messages import (
    Attempt,
    Ended,
    Failed,
    Finished,
    Happened,
    Moment,
    PoolSample,
    Sampled,
    SpecPart,
    ToRecorder,
)
from engine.store.writer import Writer
from engine.stream.types import Event
from engine.wire.memory import stowed

from .conftest import START, ended, opening, rows

LARGE = [stowed(pickle.dumps(letter * size)) for letter, size in (("a", 200_000), ("b", 400_000))]
TABLES = ("pools", "jobs", "tasks", "pieces", "blocks", "attempts", "events", "samples", "moments", "specs", "texts")


@st.composite
def groups(draw: st.DrawFn) -> Finished:
    count = draw(st.integers(1, 20))
    first = draw(st.integers(0, 40))
    times = array.array("Q", [draw(st.sampled_from([1_000, 5_000_000]))] * count)
    odd = draw(st.sets(st.integers(first, first + count - 1), max_size=2)) if draw(st.booleans()) else set()
    failures = [Failed(index, "exception", "E", f"bad {index % 3}", "") for index in odd if index % 2]
    skipped = [index for index in odd if not index % 2]
    results = [draw(st.sampled_from([1, "a", 0.5, *LARGE])) for _ in range(count)]
    return Finished(
        draw(st.integers(0, 1)), first, draw(st.integers(0, 8)), START + 1, times.tobytes(), results, failures, skipped,
        {},
    )  # fmt: skip


numbers = st.integers(1, 6)
messages: st.SearchStrategy[ToRecorder] = st.one_of(
    groups(),
    st.builds(Ended, st.integers(0, 1), st.integers(0, 40), st.integers(1, 30), st.just("pool"), st.text(max_size=2),
              st.just(START)),
    st.builds(Attempt, st.integers(0, 1), st.integers(0, 40), numbers, st.just(0), st.just(5), st.just(START),
              st.just("died"), st.sampled_from(["one", "two"])),
    st.builds(lambda n: Happened([Event(n, START, "info", "x", f"text {n % 4}", {})]), numbers),
    st.builds(lambda n: Moment(START + n, n, n % 3 == 0, bytes([n])), numbers),
    st.builds(lambda n: Sampled(START + n, n, 0, 0, 0, 0, 0, 0, 0, 0, [PoolSample(0, n, *[0] * 8)]), numbers),
    st.builds(lambda n: SpecPart(n, 6, f"part {n}"), numbers),
)  # fmt: skip


def kept(db: sqlite3.Connection, run: str) -> dict[str, list[tuple[Any, ...]]]:
    """What is in the database of a run; not by whom, which number of all rows it has, or to the last digit of sums."""
    found = {}
    for table in TABLES:
        columns = [row[1] for row in rows(db, f"PRAGMA table_info({table})") if row[1] not in ("run", "id", "seconds")]
        found[table] = sorted(rows(db, f"SELECT {', '.join(columns)} FROM {table} WHERE run = ?", run), key=repr)
    found["runs"] = rows(db, "SELECT status, ended, tasks, done, failed, resumed, seen FROM runs WHERE id = ?", run)
    return found


def test_told_again_in_any_pieces(db: sqlite3.Connection) -> None:
    numbers = itertools.count()

    @settings(deadline=None, max_examples=150)
    @given(st.lists(messages, max_size=12), st.lists(st.tuples(st.integers(0, 14), st.integers(1, 6)), max_size=5))
    def pieces(told: list[ToRecorder], tries: list[tuple[int, int]]) -> None:
        once, often = (f"{name}{next(numbers)}" for name in ("once", "often"))
        assert Writer(db).write([*opening(once), *told, ended()], START) == []
        sent = 0
        for back, count in tries:  # each a recorder that dies: what it had not acknowledged is told again
            at = max(0, min(sent, back))
            assert Writer(db).write([*opening(often), *told[at : at + count]], START) == []
            sent = max(sent, at + count)
        last = Writer(db)
        last.write([*opening(often), *told[sent:]], START)
        last.write([ended()], START)
        assert kept(db, once) == kept(db, often)
        for run in (once, often):
            state = "count(t.task) FILTER (WHERE t.state = '{}')"
            summed = rows(
                db, f"SELECT j.job, {state.format('done')}, {state.format('failed')}, total(t.seconds) FROM jobs j "
                "LEFT JOIN all_tasks t ON t.run = j.run AND t.job = j.job WHERE j.run = ? GROUP BY j.job", run
            )  # fmt: skip
            counted = rows(db, "SELECT job, done, failed, seconds FROM jobs WHERE run = ?", run)
            assert [row[:3] for row in counted] == [row[:3] for row in summed]
            assert [row[3] for row in counted] == pytest.approx([row[3] for row in summed])
            twice = "SELECT job, task FROM all_tasks WHERE run = ? GROUP BY 1, 2 HAVING count(*) > 1"
            assert rows(db, twice, run) == []

    pieces()


def test_the_log_of_a_database_is_bounded_once_nobody_reads(db: sqlite3.Connection) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as plain:
        assert rows(plain, "PRAGMA journal_size_limit") == [(-1,)]
    assert rows(db, "PRAGMA journal_size_limit") == [(64 << 20,)]
