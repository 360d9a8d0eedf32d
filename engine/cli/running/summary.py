"""The last words of a run: how it ended, how long its tasks took, how its agents fared."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.cli.running.progress import Progress
from engine.cli.words import clean, duration, several, size

if TYPE_CHECKING:
    from engine.plan.steps import Step
    from engine.runtime.fleet.jobs import Group
    from engine.runtime.run import Run
    from engine.store.queries import Durations

_SECONDS: Final = 2.0
"""The database may take so long for it; a run of millions of tasks is not held up by its summary."""

_GATES: Final = 10
"""Gates that are told of; those that do not let go on come first."""


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


class Watch:
    """Run times of a run that is not recorded, folded as outcomes come."""

    def __init__(self, run: Run, steps: Sequence[Step]) -> None:
        from engine.store.queries import Spread

        self._run = run
        self._steps = steps
        self._spread = Spread()
        self._slowest = -1, "", 0
        run.fleet.recorders.append(self._outcomes)

    def _outcomes(self, range_id: int, group: Group) -> int:
        """Keeps none of the group's bytes, which is what a recorder says."""
        times = group.nanoseconds
        again = [index - group.first for index in (*group.retried, *group.gone)]
        for place in sorted(again, reverse=True):
            del times[place]
        if not times:
            return 0
        self._spread.add(times)
        longest = max(times)
        if longest > self._slowest[0]:
            job = self._run.fleet.job(range_id)
            number, base = (0, 0) if job is None else job.record
            known = "" if job is None else job.name
            name = self._steps[number - 1].name if 0 < number <= len(self._steps) else known or f"job {number}"
            place = times.index(longest)
            for skipped in sorted(again):
                place += skipped <= place
            self._slowest = longest, name, base + group.first + place
        return 0

    @property
    def times(self) -> Times | None:
        """What is known; None before any task was over."""
        _, name, index = self._slowest
        return Times(self._spread.told(), f"{name}[{index}]", None) if self._spread.count else None


def share_name(share: float) -> str:
    """``p50``, ``p99.9``."""
    return f"p{share * 100:.10g}"


def quantiles(found: Mapping[float, float | None]) -> str:
    """``p50 12 ms, p90 20 ms, p99 (n too small)``: of seconds by share, None where there are too few to say."""
    return ", ".join(
        f"{share_name(share)} {'(n too small)' if seconds is None else duration(seconds)}"
        for share, seconds in found.items()
    )


def lines(summary: Mapping[str, Any], progress: Progress, times: Times | None) -> list[str]:
    """The summary for people, below its first line. `times` is None where they are not known."""
    found = []
    if times is not None:
        over = summary["done"] + summary["failed"]
        count = times.durations.count
        known = " on record" if count > over else ""  # of some that it has, there may be no items any more
        of = "" if count == over else f" (of {several(count, 'task')}{known})"
        slowest = f"max {duration(times.durations.most)} ({clean(times.slowest)})"
        found.append(f"  run time  {quantiles(times.durations.quantiles)}, {slowest}{of}")
    elif summary["done"]:  # the database did not say in time
        found.append(f"  run time  shoal report {summary['run']}")
    if (below := summary.get("subtasks")) is not None:
        ends = [f"{below[how]:,} {how}" for how in ("failed", "cancelled") if below[how]]
        found.append(f"  subtasks  {', '.join((several(below['tasks'], 'task'), *ends))}")
    gates = sorted(summary.get("gates", ()), key=lambda gate: bool(gate["decided"] == "go"))
    found += [f"  gate      {clean(gate['text'].removeprefix('gate '))}" for gate in gates[:_GATES]]
    if len(gates) > _GATES:
        found.append(f"  gate      and {len(gates) - _GATES:,} more")
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
    if live := [alert for alert in progress.alerts.live if alert.worst != "info"]:  # those were told as they came
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
