"""Frames of a run whose moments were not kept, made of its samples: what these do not tell is left open."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.store.queries.runs import Run
from engine.stream.types import Frame, MachineView, PoolView

# A minute is told of at its end, which its counts are of, or at that of the run.
_SAMPLED: Final = """(
SELECT run, at, pool, done, failed, queued, starting, idle, busy, draining, dead, restarts, rate, redelivered, cpu,
    memory_used, load, fds FROM samples
UNION ALL
SELECT m.run, min(m.at + 60, ifnull(r.ended, m.at + 60)), m.pool, m.done, m.failed, m.queued, m.starting, m.idle,
    m.busy, m.draining, m.dead, m.restarts, m.rate, m.redelivered, m.cpu, m.memory_used, m.load, m.fds
FROM samples_minute m JOIN runs r ON r.id = m.run)"""
_COUNTS: Final = ("done", "failed", "restarts", "redelivered")


class _Base(msgspec.Struct, frozen=True):
    """What the engines of a run had counted before another one began to."""

    at: float
    """When the first sample of that one was."""
    done: int = 0
    failed: int = 0
    restarts: int = 0
    redelivered: int = 0


def sampled(db: sqlite3.Connection, run: str) -> tuple[float, float] | None:
    """When the first and the last sample of a run were, seconds since the Unix epoch; None without any."""
    query = f"SELECT min(at), max(at) FROM {_SAMPLED} WHERE run = ? AND pool = -1"
    first, last = db.execute(query, (run,)).fetchone()
    return None if first is None else (first, last)


class Rebuilt:
    """Makes the frames of one run."""

    def __init__(self, db: sqlite3.Connection, run: Run) -> None:
        """Ask for what all of them need; `db` is not kept."""
        self._run = run
        query = "SELECT pool, name, first, size FROM pools WHERE run = ? ORDER BY pool"
        self._pools = {number: (name, first, size) for number, name, first, size in db.execute(query, (run.id,))}
        query = "SELECT level, fired, resolved FROM alerts WHERE run = ? AND fired IS NOT NULL ORDER BY fired"
        self._alerts: list[tuple[str, float, float | None]] = [tuple(row) for row in db.execute(query, (run.id,))]
        self._bases = _bases(db, run)

    def frames(self, db: sqlite3.Connection, since: float, until: float) -> Iterator[Frame]:
        """Those after `since`, and until then, in order."""
        query = f"SELECT * FROM {_SAMPLED} WHERE run = ? AND at > ? AND at <= ? ORDER BY at, pool"
        rows = db.execute(query, (self._run.id, since, until)).fetchall()
        for at, together in itertools.groupby(rows, lambda row: row["at"]):
            found = {row["pool"]: row for row in together}
            if -1 in found:
                yield self._frame(at, found)

    def _frame(self, at: float, found: dict[int, sqlite3.Row]) -> Frame:
        run, whole = self._run, found[-1]
        base = next((base for base in reversed(self._bases) if base.at <= at), self._bases[0])
        pools = tuple(_pool(found[number], *pool) for number, pool in self._pools.items() if number in found)
        done, failed = base.done + whole["done"], base.failed + whole["failed"]
        total = max(run.tasks, done + failed) if run.known else None
        rate = whole["rate"] or 0.0
        left = None if total is None else total - done - failed
        elapsed = max(0.0, at - run.started)
        return Frame(
            int(elapsed) + 1, at, elapsed, "running", max(run.tasks, done + failed), total, done, failed,
            round(whole["queued"]), round(whole["busy"]), rate, None if left is None or rate <= 0 else left / rate, 1.0,
            base.restarts + whole["restarts"], base.redelivered + (whole["redelivered"] or 0), pools,
            _machine(run.machine, whole), self._firing(at),
        )  # fmt: skip

    def _firing(self, at: float) -> tuple[int, int]:
        firing = [level for level, fired, resolved in self._alerts if fired <= at and (resolved or at + 1) > at]
        return firing.count("warning"), firing.count("critical")

    def last(self, newest: Frame | None) -> Frame:
        """The frame of the end of a run that has ended. `newest`: the one before."""
        run = self._run
        at = run.started + run.seconds if run.ended is None else run.ended
        whole = Frame(
            1, at, max(0.0, at - run.started), "ended", run.tasks, run.tasks, run.done, run.failed, 0, 0, run.rate,
            None, 1.0, 0, 0, (), MachineView(0.0, 0, 0, 0, 0.0, 0), self._firing(at),
        )  # fmt: skip
        if newest is None:
            return whole
        return msgspec.structs.replace(
            whole, number=newest.number + 1, restarts=newest.restarts, redelivered=newest.redelivered,
            pools=newest.pools, machine=newest.machine,
        )  # fmt: skip


def _bases(db: sqlite3.Connection, run: Run) -> list[_Base]:
    """The counts of samples begin anew with each engine."""
    found = [_Base(run.started)]
    if not run.resumed:
        return found
    query = f"SELECT at, {', '.join(_COUNTS)} FROM {_SAMPLED} WHERE run = ? AND pool = -1 ORDER BY at"
    before = [0] * len(_COUNTS)
    for at, *counts in db.execute(query, (run.id,)):
        now = [count or 0 for count in counts]
        if sum(now[:2]) < sum(before[:2]):
            found.append(_Base(at, *(getattr(found[-1], name) + n for name, n in zip(_COUNTS, before, strict=True))))
        before = now
    return found


def _pool(row: sqlite3.Row, name: str, first: int, size: int) -> PoolView:
    starting, idle, busy, draining, dead = (
        round(row[state]) for state in ("starting", "idle", "busy", "draining", "dead")
    )
    return PoolView(
        name, first, size, starting, idle, busy, draining, dead, round(row["queued"]), row["done"], row["failed"],
        row["restarts"], size, size,
    )  # fmt: skip


def _machine(known: dict[str, Any], row: sqlite3.Row) -> MachineView:
    cores, memory = (int(known.get(name) or 0) for name in ("cores", "memory"))
    return MachineView(
        row["cpu"] or 0.0, cores, row["memory_used"] or 0, memory, row["load"] or 0.0, row["fds"] or 0
    )  # fmt: skip
