"""What is kept of a run's course, second by second and then minute by minute."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.store import queries
from engine.store.messages import PoolSample, Sampled
from engine.store.writer import Writer

from .conftest import START, rows


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
