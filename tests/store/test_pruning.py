"""Space that is given back while others read and write."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

from engine.store import pruning, queries
from engine.store.schema import open_database
from engine.store.writer import Writer

from .conftest import START, finished, opening


def test_who_writes_is_not_held_up_by_who_reads(path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write([*opening(), *(finished(first, ["x" * 500] * 100) for first in range(0, 2000, 100))], START)
    with (
        contextlib.closing(queries.open_readonly(path)) as reader,
        contextlib.closing(open_database(path)) as recorder,
        contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as pruner,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchone()
        pruner.execute("PRAGMA busy_timeout = 10000")
        recorder.execute("PRAGMA busy_timeout = 2000")
        said: list[str] = []
        thread = threading.Thread(target=lambda: said.append(pruning.give_back(pruner)))
        thread.start()
        writes = 0
        while thread.is_alive():  # raises where the lock is not to be had for two seconds
            recorder.execute("INSERT INTO events VALUES ('r1', ?, 1, 'info', 'x', '', '{}')", (writes + 1,))
            writes += 1
        thread.join()
        assert said == ["somebody reads it just now; it shrinks once they have finished"]
        assert writes > 1
        assert pruner.execute("PRAGMA busy_timeout").fetchone() == (10000,)
        reader.execute("ROLLBACK")
        assert pruning.give_back(pruner) == ""
