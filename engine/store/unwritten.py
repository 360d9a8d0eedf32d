"""A run whose results file could not be written, and was written later, from the record."""

from __future__ import annotations

import sqlite3


def settle(db: sqlite3.Connection, run: str, resumed: int, status: str) -> None:
    """It has ended as its tasks did, if it was not resumed since: `resumed` is how often it was. Raises
    sqlite3.Error.
    """
    db.execute(
        "UPDATE runs SET status = :status, "
        "summary = json_set(json_remove(summary, '$.unwritten'), '$.status', :status) "
        "WHERE id = :run AND resumed = :resumed AND status = 'failed'",
        {"run": run, "resumed": resumed, "status": status},
    )
