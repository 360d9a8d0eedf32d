"""What was decided on the gates of a run, as its events tell it."""

from __future__ import annotations

import sqlite3

import msgspec


class StoredDecision(msgspec.Struct, frozen=True):
    """The last that was decided on a gate."""

    gate: str
    decided: str
    """``go``, ``pivot``, ``stop`` or ``hold``."""
    at: float
    """Seconds since the Unix epoch."""
    reasons: tuple[str, ...] = ()
    """A line for each condition that counted."""
    by: str = ""
    """Who decided; "" for the plan's own conditions."""
    why: str = ""
    """As that one said."""


_DECIDED = "SELECT at, data FROM events WHERE run = ? AND kind IN ('gate.decided', 'gate.answered') ORDER BY number"


def decisions(db: sqlite3.Connection, run: str) -> list[StoredDecision]:
    """Of each gate of a run, in the order in which they were reached."""
    found: dict[str, StoredDecision] = {}
    for at, data in db.execute(_DECIDED, (run,)):
        told = msgspec.json.decode(data)
        if not isinstance(told, dict) or not isinstance(told.get("gate"), str):
            continue
        found[told["gate"]] = msgspec.convert({**told, "at": at}, StoredDecision, strict=False)
    return list(found.values())
