"""What is kept of a run's course, second by second and then minute by minute."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.store import aging, queries
from engine.store.messages import PoolSample, Sampled
from engine.store.writer import Writer

from .conftest import START, began, ended, rows


def sample(at: float, done: int = 10, busy: int = 3, queued: int = 5, rate: float = 2.5) -> Sampled:
    pools = [
        PoolSample(0, done - 1, 1, queued, 1, 2, busy, 0, 4, 7),
        PoolSample(1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1 << 20),
    ]
    return Sampled(at, done, 1, rate, 7, 2, 0.5, 1 << 30, 1.25, 40, pools)


def test_a_row_for_the_run_and_one_for_each_pool(path: Path, writer: Writer, db: sqlite3.Connection) -> None:
    messages = [sample(START + 1), sample(START + 2, done=12)]
    messages += [Sampled(START + 3, 0, 0, 0.0, 0, 0, 0.0, 1, 0.0, 9, [])]
    for _ in range(2):
        assert writer.write(messages, START) == []
    with closing(queries.open_readonly(path)) as reader:
        found = queries.samples(reader, "r1")
        assert [(s.at - START, s.pool) for s in found] == [
            (1, -1), (1, 0), (1, 1), (2, -1), (2, 0), (2, 1), (3, -1),
        ]  # fmt: skip
        whole, local, wide = found[:3]
        assert (whole.done, whole.failed, whole.queued, whole.busy, whole.dead) == (10, 1, 5, 4, 4)
        assert (whole.starting, whole.idle, whole.draining, whole.restarts) == (1, 3, 1, 7)
        assert (whole.rate, whole.redelivered, whole.cpu, whole.memory_used) == (2.5, 2, 0.5, 1 << 30)
        assert (whole.load, whole.fds, whole.memory, whole.samples) == (1.25, 40, 1 << 20, 1)
        assert (local.done, local.failed, local.busy, local.memory, local.rate) == (9, 1, 3, None, None)
        assert (wide.memory, wide.cpu) == (1 << 20, None)
        assert [s.done for s in queries.samples(reader, "r1", -1)] == [10, 12, 0]
        assert [s.done for s in queries.samples(reader, "r1", 1)] == [1, 1]
    shown = rows(db, "SELECT at, pool, agents, busy, rate FROM sample_view WHERE done = 9")
    assert shown == [("2025-11-21 12:00:01.000", "local", 6, 3, None)]


def test_what_is_an_hour_old_becomes_minutes(path: Path, writer: Writer, db: sqlite3.Connection) -> None:
    begin = START + 30
    for second in range(3721):
        writer.write([sample(begin + second, done=second, busy=second % 2, queued=second % 60, rate=second % 4)], START)
    with closing(queries.open_readonly(path)) as reader:
        found = queries.samples(reader, "r1", -1)
    minutes = [one for one in found if one.samples > 1]
    assert [(one.at - START, one.samples) for one in minutes] == [(0, 30), (60, 60)]
    first, then = minutes
    assert (first.done, then.done, then.failed, then.restarts) == (29, 89, 1, 7)
    assert (then.queued, then.queued_max) == (29.5, 59)
    assert (then.busy, then.busy_max, then.rate, then.cpu) == (1.5, 2, 1.5, 0.5)
    assert [one.at - begin for one in found if one.samples == 1] == list(range(90, 3721))
    ((pools,),) = rows(db, "SELECT group_concat(DISTINCT pool) FROM samples_minute")
    assert sorted(pools.split(",")) == ["-1", "0", "1"]


def test_a_run_that_ended_a_day_ago_keeps_minutes(path: Path, writer: Writer, db: sqlite3.Connection) -> None:
    writer.write([sample(START + second) for second in range(70)], START)
    other = Writer(db)
    other.write([began("r2"), sample(START + 5), ended(at=START + 1000)], START)
    Writer(db).write([began("r3", started=START + aging.KEPT + 999)], START)
    assert rows(db, "SELECT DISTINCT run FROM samples ORDER BY 1") == [("r1",), ("r2",)]
    Writer(db).write([began("r4", started=START + aging.KEPT + 1001)], START)
    assert rows(db, "SELECT run, count(*) FROM samples GROUP BY 1") == [("r1", 210)], "one that goes on keeps its own"
    assert rows(db, "SELECT run, at - ?, pool, samples FROM samples_minute", START) == [
        ("r2", 0, -1, 1), ("r2", 0, 0, 1), ("r2", 0, 1, 1),
    ]  # fmt: skip
