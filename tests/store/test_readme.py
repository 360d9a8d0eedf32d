"""The documented data model is the one in the file, and the queries shown work."""

from __future__ import annotations

import pickle
import re
import sqlite3
from pathlib import Path

import pytest

import engine.store
from engine.store import tables
from engine.store.messages import Attempt, Happened
from engine.store.writer import Writer
from engine.stream.types import Event
from engine.wire.memory import stowed

from .conftest import START, ended, finished, opening, rows

TEXT = (Path(engine.store.__file__).parent / "README.md").read_text()
QUERIES = re.findall(r"-- (.*)\n((?:(?!--).+\n)+)", TEXT[TEXT.index("```sql") : TEXT.rindex("```")])


def test_every_table_view_and_column_is_described(db: sqlite3.Connection) -> None:
    described = set(re.findall(r"`(\w+)`", TEXT))
    for (table,) in rows(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'words_%'"):
        assert f"**`{table}`**" in TEXT or table == "words", table
        columns = {
            name for (name,) in rows(db, f"SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden IN (0, 2)")
        }
        assert columns - {"run", "text"} <= described, table
    assert set(tables.VIEWS) <= described


@pytest.mark.parametrize(("what", "query"), QUERIES)
def test_the_queries_shown_work(db: sqlite3.Connection, what: str, query: str) -> None:
    assert len(QUERIES) >= 10
    writer = Writer(db)
    writer.write(opening("4f1c"), START)
    died = Attempt(0, 1, 1, 0, 5, START, "died", "Segmentation fault")
    event = Event(1, START, "warning", "agent.died", "x", {})
    large = stowed(pickle.dumps("x" * 200_000))
    writer.write(
        [finished(0, [1, 2, large]), finished(20, [1] * 50, seconds=1e-5), died, Happened([event]), ended()], START
    )
    found = [row for statement in query.split(";\n") if statement.strip() for row in db.execute(statement).fetchall()]
    if what.startswith("forget"):
        assert rows(db, "SELECT (SELECT count(*) FROM all_tasks) + (SELECT count(*) FROM texts)") == [(0,)]
    elif not what.startswith(("why", "how the pools", "lanes")):
        assert found
