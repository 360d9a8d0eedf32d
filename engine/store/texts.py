"""What was said in a run, so that words can be found in it: each text once, where it was said first.

A thousand tasks that fail in the same way are one text: that is what keeps the index small, and a run whose tasks all
fail fast.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any, Final

MOST: Final = 100_000
"""Texts of a run and source that are kept, so that a program that prints without end does not fill the disk twice."""
_LONGEST: Final = 8_000
"""Characters of a text, the middle of a longer one is left out."""
_RECENT: Final = 4_096
"""Texts that are known to be there without asking the database."""
_INSERT: Final = """
INSERT OR IGNORE INTO texts (run, source, digest, at, job, task, number, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


class Texts:
    """Takes the texts of a run and writes them, a transaction's together; it never begins or ends one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._recent: set[tuple[str, str, int]] = set()
        self._new: dict[tuple[str, str, int], tuple[Any, ...]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(
        self,
        run: str,
        source: str,
        text: str,
        at: float,
        job: int | None = None,
        task: int | None = None,
        number: int | None = None,
    ) -> None:
        """Take a text that SQLite takes. `source`, `job`, `task`, `number`: as the table ``texts`` has them."""
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"
        key = run, source, int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
        if key not in self._recent and key not in self._new:
            self._new[key] = (*key, at, job, task, number, text)

    def write(self) -> None:
        """Write what was added since `done`. Raises sqlite3.Error."""
        for run, source in {key[:2] for key in self._new}:
            rows = [row for key, row in self._new.items() if key[:2] == (run, source)]
            count = self._count(run, source)
            if count < MOST:
                self._counts[run, source] = count + self._db.executemany(_INSERT, rows[: MOST - count]).rowcount

    def _count(self, run: str, source: str) -> int:
        found = self._counts.get((run, source))
        if found is None:
            query = "SELECT count(*) FROM texts WHERE run = ? AND source = ?"
            (found,) = self._db.execute(query, (run, source)).fetchone()
        return int(found)

    def done(self, committed: bool) -> None:
        """The transaction is over: what was added is written, or forgotten."""
        if not committed:
            self._counts.clear()
        else:
            if len(self._recent) + len(self._new) > _RECENT:
                self._recent.clear()
            self._recent.update(self._new)
        self._new.clear()
