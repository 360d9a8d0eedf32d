"""The last words of a run: how it ended, how long its tasks took, how its agents fared."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.cli.progress import Progress
from engine.cli.words import clean, duration, several, size

if TYPE_CHECKING:
    from engine.store.queries import Durations

_SECONDS: Final = 2.0
"""The database may take so long for it; a run of millions of tasks is not held up by its summary."""


class Times(NamedTuple):
    """What the record knows of the tasks of a run."""

    durations: Durations
    slowest: str
    """``job[index]``"""
    memory: int | None
    """Bytes that its agents held, at the most; None if that was not measured."""


def ask(database: Path, run: str) -> Times | None:
    """What the record knows; None where it does not answer in time, or at all, or no task has run."""
    import sqlite3

    from engine.store import queries
    from engine.store.schema import FAULTS, StoreError

    until = time.monotonic() + _SECONDS
    try:
        with contextlib.closing(queries.open_readonly(database)) as db:
            db.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            found = queries.durations(db, run)[-1]
            slowest = queries.slowest(db, run, 1) if found.count else []
            if not slowest:
                return None
            return Times(found, f"{slowest[0].job}[{slowest[0].task}]", queries.peak_memory(db, run))
    except (*FAULTS, StoreError, sqlite3.Error):
        return None


def share_name(share: float) -> str:
    """``p50``, ``p99.9``."""
    return f"p{share * 100:.10g}"


def quantiles(found: Mapping[float, float | None]) -> str:
    """``p50 12 ms, p90 20 ms, p99 (n too small)``: of seconds by share, None where there are too few to say."""
    return ", ".join(
        f"{share_name(share)} {'(n too small)' if seconds is None else duration(seconds)}"
        for share, seconds in found.items()
    )


def lines(summary: Mapping[str, Any], progress: Progress, times: Times | None, recorded: bool) -> list[str]:
    """The summary for people, below its first line. `times` is None where they are not known."""
    found = []
    if times is not None:
        over = summary["done"] + summary["failed"]
        of = "" if times.durations.count == over else f" (of {several(times.durations.count, 'task')})"
        slowest = f"max {duration(times.durations.most)} ({clean(times.slowest)})"
        found.append(f"  run time  {quantiles(times.durations.quantiles)}, {slowest}{of}")
    elif not recorded and summary["done"]:
        found.append("  run time  not known: nothing was recorded")
    elif summary["done"]:
        found.append(f"  run time  shoal report {summary['run']}")
    facts = []
    if progress.busy is not None:
        facts.append(f"{progress.busy:.0%} busy")
    deaths = {"died": progress.died, "host": progress.hosts_died}
    if deaths["died"]:
        facts.append(f"{progress.died:,} died")
    if deaths["host"]:
        facts.append(f"{several(progress.hosts_died, 'host')} died")
    if times is not None and times.memory:
        facts.append(f"{size(times.memory)} of memory at the peak")
    if facts:
        found.append(f"  agents    {', '.join(facts)}")
    if live := progress.alerts.live:
        found.append(f"  alerts    {several(len(live), 'alert')} not resolved: {clean(live[0].text)}")
    return found


def data(progress: Progress, times: Times | None) -> dict[str, Any]:
    """The same for programs; what is not known is null."""
    found: dict[str, Any] = {
        "busy": None if progress.busy is None else round(progress.busy, 4),
        "died": progress.died, "hosts_died": progress.hosts_died, "run_seconds": None, "slowest": None,
        "peak_memory": None,
    }  # fmt: skip
    if times is not None:
        of = times.durations
        shares = {share_name(share): seconds for share, seconds in of.quantiles.items()}
        found["run_seconds"] = {"count": of.count, "mean": of.mean, **shares, "max": of.most}
        found |= {"slowest": times.slowest, "peak_memory": times.memory}
    return found
