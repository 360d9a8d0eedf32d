"""Items that came to a run by a stream, and were kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec


class Inputs(msgspec.Struct, frozen=True):
    """What is known of the items of a stream."""

    count: int
    """Items that are kept, from the first on."""
    ended: bool
    """Whether these are all there were."""
    cut: bool
    """Whether more came than are kept."""


def inputs(db: sqlite3.Connection, run: str) -> Inputs:
    """What is kept of the items that a run was given by a stream."""
    query = "SELECT first, count FROM inputs WHERE run = ? ORDER BY first, count DESC"
    count, ended, cut = 0, False, False
    for first, size in db.execute(query, (run,)):
        cut = cut or first < 0
        ended = ended or (first == count and not size)
        count += size if first == count else 0
    return Inputs(count, ended and not cut, cut)


def input_items(db: sqlite3.Connection, run: str) -> Iterator[str]:
    """The items that are kept, in order. Read piece by piece as they are asked for, so that no reader lasts."""
    at = 0
    while True:
        row = db.execute("SELECT text FROM inputs WHERE run = ? AND first = ? AND count > 0", (run, at)).fetchone()
        if row is None:
            return
        items = msgspec.json.decode(row[0], type=list[str])
        yield from items
        at += len(items)
