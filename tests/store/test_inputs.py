"""Items that came by a stream, and outcomes asked for in pieces."""

from __future__ import annotations

import sqlite3

from engine.store import queries
from engine.store.messages import ItemsRead
from engine.store.queries import Inputs
from engine.store.writer import Writer

from .conftest import START, finished, opening


def test_items_are_kept_in_order_and_once(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    writer = Writer(db)
    assert queries.inputs(db, "r1") == Inputs(0, ended=False, cut=False)
    first, second = ItemsRead(0, ["a", "é\0"]), ItemsRead(2, ["c"])
    writer.write([*opening(), first, second], START)
    assert queries.inputs(db, "r1") == Inputs(3, ended=False, cut=False)
    assert writer.write([first, second, ItemsRead(3, [])], START) == []
    assert queries.inputs(db, "r1") == Inputs(3, ended=True, cut=False)
    assert list(queries.input_items(db, "r1")) == ["a", "é\0", "c"]
    writer.write([ItemsRead(-1, [])], START)
    assert queries.inputs(db, "r1") == Inputs(3, ended=False, cut=True)
    assert list(queries.input_items(db, "other")) == []


def test_outcomes_in_pieces_are_those_of_the_whole(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    writer = Writer(db)
    groups = [(0, 100), (100, 3), (103, 100), (210, 1), (300, 50)]
    writer.write([*opening(), *(finished(first, list(range(first, first + n))) for first, n in groups)], START)
    whole = list(queries.outcomes(db, "r1", 0))
    assert [one.task for one in whole] == [task for first, n in groups for task in range(first, first + n)]
    for size in (1, 7, 64, 1000):
        pieces = [one for at in range(0, 400, size) for one in queries.outcomes(db, "r1", 0, at, at + size)]
        assert pieces == whole, size
