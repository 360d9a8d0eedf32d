"""A record of runs that nobody has run: what the screens of the past are drawn from."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import Any

from tui.archive import (
    AlertSample,
    ArchiveError,
    Comparison,
    Figure,
    PastAlert,
    PastEvent,
    PastPool,
    PastShard,
    PastTask,
    RunRow,
    RunSummary,
    Status,
    TaskTimes,
)
from tui.feed import Feed

NOON = 1_763_726_400.0
"""Friday, 21 November 2025, 12:00:00 UTC."""
_PLANS = ("heart-and-breath", "prime-sweep", "render-nightly", "fit-curves", "ksg-estimates", "thumbnails")


def run_of(number: int, chance: random.Random) -> RunRow:
    """One of a long history; 0 is the newest that has ended."""
    name = _PLANS[chance.randrange(len(_PLANS))]
    tasks = chance.choice((240, 5_000, 12_800, 100_000, 1_200_000))
    status: Status = chance.choices(("done", "failed", "interrupted", "crashed"), (80, 12, 5, 3))[0]
    failed = chance.randrange(1, max(2, tasks // 300)) if status == "failed" else 0
    over = tasks if status in ("done", "failed") else chance.randrange(tasks // 5, tasks)
    seconds = round(tasks / chance.choice((80.0, 420.0, 5_800.0, 41_000.0)) + chance.random() * 9, 2)
    started = NOON - 5_400 - number * 7_740 - chance.randrange(3_000)
    return RunRow(
        id=f"{chance.getrandbits(32):08x}", name=name, status=status, started=started, ended=started + seconds,
        seconds=seconds, tasks=tasks, done=over - failed, failed=failed,
        resumed=chance.choices((0, 1, 2), (92, 6, 2))[0], command=f"shoal run plans/{name}.toml --agents 435",
        version="0.1.0",
    )  # fmt: skip


def runs_of(count: int, *, live: bool = True) -> list[RunRow]:
    """A history, the newest first; above it two runs that go on, one of which is recorded nowhere."""
    chance = random.Random(41)
    found = [run_of(number, chance) for number in range(count)]
    if not live:
        return found
    going = [
        RunRow(
            "7f3a", "heart-and-breath", "running", NOON, None, 102.7, 100_000, 41_200, 3, live=True,
            command="shoal run plans/heart-and-breath.toml", version="0.1.0",
        ),
        RunRow("c0ffee12", "notebook", "running", NOON - 4_000, None, 4_102.7, 900, 410, 0, live=True, recorded=False),
    ]  # fmt: skip
    return [*going, *found]


def summary_of(run: RunRow) -> RunSummary:
    """All there is to tell of a run."""
    chance = random.Random(7)
    times = TaskTimes(run.done, 0.0121, 0.00018, 0.0012, 0.0084, 4.31)
    trace = ('  File "fit.py", line 118, in fit', "    return solve(matrix, target)", "ValueError: matrix is singular")
    failures = tuple(
        PastTask(
            f"fit[{number}]", "failed", 3, run.started + number / 100, 0.81,
            "ValueError: matrix is singular: the columns 3 and 7 of the design are the same, so that no fit is better "
            "than another one", f"micro/{number % 300}", trace,
        )
        for number in (1_043, 2_216)
    )  # fmt: skip
    return RunSummary(
        run=run,
        facts=(
            ("agents", '{"micro":300,"domain":99,"prime":36}'), ("retries", "2"), ("machine cores", "2"),
            ("machine memory", "25769803776"), ("pid", "4711"),
        ),
        times=times,
        pools=(
            PastPool("micro", 300, 4, 71_203, run.failed, 812.0, TaskTimes(71_203, 0.0114, 0.00016, 1e-3, 0.0079, 1.2)),
            PastPool("domain", 99, 2, 22_112, 0, 7_204.0, TaskTimes(22_112, 0.32, 0.21, 0.8, 2.4, 4.31)),
            PastPool("prime", 36, 1, 24, 0, 91.0, TaskTimes(24, 3.8, 3.6, None, None, 4.2)),
        ),
        shards=tuple(
            PastShard("micro", number, 75, 75 - number, 17_800 + number * 31, number, number % 2, 203.0)
            for number in range(4)
        ),
        slowest=tuple(
            PastTask(f"domain[{number}]", "done", 1 + number % 2, run.started, 4.31 - number / 9, "", "domain/17")
            for number in range(5)
        ),
        failure_kinds=(("ValueError", 190), ("exit", 10)),
        failures=failures,
        alerts=(past_alert(12), past_alert(11)),
        events=(
            PastEvent(run.started + 48.2, "warning", "pool micro waits for memory"),
            PastEvent(run.started + 101.4, "error", "agent micro/131 killed by SIGKILL, 1 task redelivered"),
        ),
        restarts=7,
        redelivered=9,
        memory=3_221_225_472,
        rates=tuple(480 + 90 * chance.random() - (200 if 20 < second < 25 else 0) for second in range(60)),
        step=5.0,
    )  # fmt: skip


def past_alert(number: int, run: str = "7f3a", *, resolved: bool = True, at: float = NOON) -> PastAlert:
    """An alert that has fired."""
    kinds = (
        ("agent-crash", "agent crashed", "warning", "agent micro/131 killed by SIGKILL, 1 task redelivered", "count"),
        ("memory", "memory is short", "critical", "93.2% of the memory is in use", "ratio"),
        ("long-task", "a task runs very long", "info", "pool domain: a task has been running for 61 min", "seconds"),
    )
    rule, title, severity, text, unit = kinds[number % len(kinds)]
    value, threshold, peak = {"ratio": (0.932, 0.9, 0.961), "seconds": (3660.0, 3600.0, 3704.0)}.get(
        unit, (3.0, None, 3.0)
    )
    fired = at - 600 - number * 71.5
    mark = (number + 90) * 0x9E3779B97F4A7C15 % 2**64
    return PastAlert(
        run=run, run_name="heart-and-breath", number=number, rule=rule, title=title, severity=severity, text=text,
        count=1 + number % 4, happened=fired - 0.0083, fired=fired, resolved=fired + 42.5 if resolved else None,
        fingerprint=f"{mark:016x}", labels={"pool": "micro"}, unit=unit, value=value, threshold=threshold,
        peak=peak, reopened=number % 2, detected=fired - 0.0042, shown=fired + 0.0119,
        acknowledged=fired + 12.0 if number % 2 else None, by="root" if number % 2 else "",
        note="known: the batch of Tuesday" if number % 2 else "",
        hint="The task that ran in it is tried again. Its last words, the signal and its memory are in the text.",
        action="shoal show last: the task, and what became of it; --memory-limit bounds what one can take",
        samples=tuple(
            AlertSample(fired - 0.0083 + more, "agent micro/131 killed by SIGKILL", None, f"micro/{131 + more}")
            for more in range(1 + number % 4)
        ),
    )  # fmt: skip


def comparison_of(left: RunRow, right: RunRow) -> Comparison:
    """Two runs side by side, with every kind of figure."""
    one = "one value each"
    return Comparison(
        left,
        right,
        (
            Figure("throughput", "rate", 480.2, 612.4, "more", 1.275, 1.21, 1.342),
            Figure("task time p50", "seconds", 0.00018, 0.000182, "less", 1.011, 0.985, 1.036),
            Figure("task time p90", "seconds", 0.0012, 0.00096, "less", 0.8, 0.774, 0.83),
            Figure("task time p99", "seconds", 0.0084, 0.0119, "less", 1.417, 1.09, 1.95),
            Figure("failed", "ratio", 0.002, 0.0, "less", 0.0, 0.0, 0.019),
            Figure("time", "seconds", 208.0, 163.0, "less", 0.784, note=one),
            Figure("tasks", "count", 100_000, 100_000, "", 1.0, note=one),
            Figure("agents", "count", 435, 435, "", 1.0, note=one),
            Figure("agents died", "count", 0, 7, "less", note=one),
            Figure("peak memory", "bytes", None, 3_221_225_472, "less", note="not measured"),
        ),
        (
            ("command", left.command, "shoal run plans/heart-and-breath.toml --agents 435 --batch-max 50"),
            ("batch_max_size", "-", "50"),
        ),
    )


class FakeArchive:
    """A record that says what it was given, at once; with `waits`, not before that is set."""

    def __init__(self, runs: list[RunRow], alerts: list[PastAlert] | None = None) -> None:
        self.found = runs
        self.past = alerts or []
        self.error = ""
        self.waits: threading.Event | None = None
        self.feeds: dict[str, Feed] = {}
        self.asked: list[str] = []
        self.benches: Any = None

    def prepare(self) -> None:
        """Nothing is to be loaded."""

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.waits is not None:
            assert self.waits.wait(30.0)
        if self.error:
            raise ArchiveError(self.error)

    def _run(self, run: str) -> RunRow:
        return next(row for row in self.found if row.id == run)

    def runs(self) -> list[RunRow]:
        self._ask("runs")
        return list(self.found)

    def summary(self, run: str) -> RunSummary:
        self._ask(f"summary {run}")
        return summary_of(self._run(run))

    def compare(self, left: str, right: str) -> Comparison:
        self._ask(f"compare {left} {right}")
        return comparison_of(self._run(left), self._run(right))

    def alerts(self, run: str | None = None, limit: int = 500) -> list[PastAlert]:
        self._ask(f"alerts {run}")
        return [alert for alert in self.past if run in (None, alert.run)][:limit]

    def tasks_of(self, run: str, agent: str, limit: int = 20) -> list[PastTask]:
        self._ask(f"tasks {run} {agent}")
        return [replace(task, agent=agent) for task in summary_of(self._run(run)).slowest][:limit]

    def open(self, run: str) -> Feed:
        self._ask(f"open {run}")
        return self.feeds[run]

    def attach(self, run: str) -> Feed:
        self._ask(f"attach {run}")
        return self.feeds[run]

    def report(self, run: str) -> str:
        self._ask(f"report {run}")
        return f"# Run {run}\n"

    def moment(self, text: str, last: bool = False) -> float:
        if text == "1d":
            return NOON - 86_400
        raise ArchiveError(f"{text!r} is no time such as 2h, 3d, 2026-01-31 or '2026-01-31 14:00'")
