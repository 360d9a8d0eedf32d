"""One recorded run, told on as many lines as it takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tui import draw, runs
from tui import format as fmt
from tui.alerts import titled
from tui.archive import PastAlert, PastTask, RunSummary, TaskTimes
from tui.widgets.columns import Column, table, wrapped
from tui.widgets.lines import Line, Piece

SEVERITIES: Final[dict[str, Piece]] = {
    "info": ("·", "quiet"),
    "warning": ("▲", "warning"),
    "critical": ("●", "error"),
    "error": ("●", "error"),
}
_CHART: Final = 4
"""Lines of the chart of the throughput."""


def summary_lines(found: RunSummary, width: int) -> list[Line]:
    """All of it, section by section."""
    lines: list[Line] = list(runs.about(found.run, width))
    counted = [f"{fmt.count(found.restarts)} restarts", f"{fmt.count(found.redelivered)} redelivered"]
    if found.memory is not None:
        counted.append(f"{fmt.size(found.memory)}B of memory at the peak")
    lines.append((("agents   ", "quiet"), (fmt.fit(", ".join(counted), width - 9), "")))
    for section in (_throughput, _times, _pools, _shards, _slowest, _failures, _alerts, _events, _facts):
        made = list(section(found, width))
        if made:
            lines += [(), *made]
    return lines


def _title(text: str, more: str = "") -> Line:
    return ((text, "brand"), (f"  {more}" if more else "", "quiet"))


def _throughput(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.rates:
        return
    most = max(found.rates)
    yield _title("throughput", f"tasks/s, highest {fmt.si(most)}, a step is {fmt.age(found.step)}")
    each = max(1, min(width, 120) * 2 // len(found.rates))
    values = [rate for rate in found.rates for _ in range(each)]
    cells = (len(values) + 1) // 2
    for text in draw.area(values, draw.nice_top(most, 1.0), cells, _CHART):
        yield ((text, "busy"),)


def times_lines(times: TaskTimes, width: int) -> Iterator[Line]:
    """Quantiles, on as many lines as it takes; where there are too few tasks for one, it is not there."""
    cells = [
        (f"{name} ", fmt.duration(value))
        for name, value in (
            ("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("mean", times.mean), ("max", times.most),
        )
        if value is not None
    ]  # fmt: skip
    pieces: list[Piece] = []
    for name, value in [*cells, ("of ", fmt.count(times.count))]:
        if pieces and sum(len(text) for text, _ in pieces) + len(name) + len(value) + 3 > width:
            yield tuple(pieces)
            pieces = []
        pieces += [("   " if pieces else "", ""), (name, "quiet"), (value, "")]
    yield tuple(pieces)


def _times(found: RunSummary, width: int) -> Iterator[Line]:
    if found.times is not None:
        yield _title("task time")
        yield from times_lines(found.times, width)


_POOLS: Final = (
    Column("pool", "pool", 10, 100, grow=1, most=24),
    Column("agents", "agents", 7, 70, right=True),
    Column("shards", "shards", 6, 40, right=True),
    Column("done", "done", 9, 95, right=True),
    Column("failed", "failed", 7, 90, right=True),
    Column("p50", "p50", 8, 60, right=True),
    Column("p99", "p99", 8, 65, right=True),
    Column("mean", "a task", 8, 80, right=True),
    Column("seconds", "run time", 8, 50, right=True),
)


def _failed(count: int) -> Piece:
    return fmt.count(count), "error" if count else "quiet"


def _pools(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.pools:
        return
    rows = []
    for pool in found.pools:
        times, over = pool.times, pool.done + pool.failed
        rows.append(
            {
                "pool": (pool.name, "strong"), "agents": (fmt.count(pool.agents), ""),
                "shards": (fmt.count(pool.shards), ""), "done": (fmt.count(pool.done), ""),
                "failed": _failed(pool.failed), "seconds": (fmt.duration(pool.seconds), ""),
                "mean": (fmt.duration(pool.seconds / over) if over else "-", ""),
                "p50": (_known(times.p50 if times else None), ""), "p99": (_known(times.p99 if times else None), ""),
            }
        )  # fmt: skip
    yield _title("pools")
    yield from table(_POOLS, rows, width)


def _known(seconds: float | None) -> str:
    return "-" if seconds is None else fmt.duration(seconds)


_SHARDS: Final = (
    Column("pool", "pool", 10, 100, grow=1, most=24),
    Column("shard", "shard", 5, 99, right=True),
    Column("worked", "worked", 11, 80, right=True),
    Column("done", "done", 9, 95, right=True),
    Column("failed", "failed", 7, 90, right=True),
    Column("died", "died", 6, 85, right=True),
    Column("seconds", "run time", 8, 50, right=True),
)


def _shards(found: RunSummary, width: int) -> Iterator[Line]:
    if not any(pool.shards > 1 for pool in found.pools):  # or else its row would say it once more
        return
    rows = [
        {
            "pool": (one.pool, ""), "shard": (str(one.shard), "strong"),
            "worked": (f"{fmt.count(one.worked)}/{fmt.count(one.agents)}", ""), "done": (fmt.count(one.done), ""),
            "failed": _failed(one.failed), "died": _failed(one.died), "seconds": (fmt.duration(one.seconds), ""),
        }
        for one in found.shards
    ]  # fmt: skip
    yield _title("shards", "worked: agents that ran a task to its end")
    yield from table(_SHARDS, rows, width)


_TASKS: Final = (
    Column("task", "task", 14, 100, grow=1, most=40),
    Column("state", "state", 8, 80),
    Column("agent", "agent", 12, 70, grow=1, most=24),
    Column("attempts", "attempts", 8, 50, right=True),
    Column("time", "time", 8, 95, right=True),
)


def _slowest(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.slowest:
        return
    rows = [
        {
            "task": (task.name, "strong"),
            "state": (f"✕ {task.state}", "error") if task.state == "failed" else (f"✓ {task.state}", "good"),
            "agent": (task.agent or "-", ""), "attempts": (fmt.count(task.attempts), ""),
            "time": (_known(task.seconds), ""),
        }
        for task in found.slowest
    ]  # fmt: skip
    yield _title("slowest tasks")
    yield from table(_TASKS, rows, width)


def _failures(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.failures:
        return
    kinds = ", ".join(f"{kind} {fmt.count(count)}" for kind, count in found.failure_kinds)
    yield _title("failures", fmt.fit(kinds, width - 10))
    for task in found.failures:
        yield from _failure(task, width)
    more = found.run.failed - len(found.failures)
    if more > 0:
        yield ((f"and {fmt.count(more)} more", "quiet"),)


def _failure(task: PastTask, width: int) -> Iterator[Line]:
    where = f" on {task.agent}" if task.agent else ""
    tries = f" after {task.attempts} attempts" if task.attempts > 1 else ""
    yield (("✕ ", "error"), (fmt.fit(task.name, width - 2), "strong"), (fmt.fit(where + tries, width // 2), "quiet"))
    for text in wrapped(task.error, max(20, width - 2)):
        yield (("  ", ""), (text, ""))
    for line in task.words:
        indent = len(line) - len(line.lstrip())
        yield ((fmt.fit(f"    {' ' * min(indent, 8)}{line.strip()}", width), "quiet"),)


_ALERTS: Final = (
    Column("severity", "severity", 10, 95),
    Column("fired", "fired", 8, 90),
    Column("lasted", "lasted", 8, 60, right=True),
    Column("count", "count", 6, 50, right=True),
    Column("text", "text", 20, 100, grow=1),
)


def severity(name: str) -> Piece:
    """Glyph and word."""
    glyph, ink = SEVERITIES.get(name, ("·", "quiet"))
    return f"{glyph} {name}", ink


def lasted(alert: PastAlert, over: bool) -> str:
    """From when it fired until it was resolved. `over`: whether its run has ended."""
    began = alert.fired if alert.fired is not None else alert.happened
    if alert.resolved is None:
        return "to end" if over else "so far"
    return fmt.duration(max(0.0, alert.resolved - began))


def _alerts(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.alerts:
        return
    rows = [
        {
            "severity": severity(alert.severity),
            "fired": (fmt.of_day(alert.fired if alert.fired is not None else alert.happened), "quiet"),
            "lasted": (lasted(alert, found.run.ended is not None), ""), "count": (fmt.si(alert.count), ""),
            "text": (titled(alert.title, alert.text), ""),
        }
        for alert in found.alerts
    ]  # fmt: skip
    yield _title("alerts")
    yield from table(_ALERTS, rows, width)


def _events(found: RunSummary, width: int) -> Iterator[Line]:
    if not found.events:
        return
    yield _title("events")
    for event in found.events:
        glyph, ink = SEVERITIES.get(event.level, ("·", "quiet"))
        yield (
            (fmt.of_day(event.at), "quiet"), (" ", ""), (glyph, ink), (" ", ""), (fmt.fit(event.text, width - 11), ""),
        )  # fmt: skip


def _facts(found: RunSummary, width: int) -> Iterator[Line]:
    facts = [*found.facts, ("shoal", found.run.version)]
    wide = min(24, max(len(name) for name, _ in facts))
    yield _title("settings and machine")
    for name, value in facts:
        first, *rest = wrapped(value, max(10, width - wide - 2))
        yield ((fmt.pad(name, wide), "quiet"), ("  ", ""), (first, ""))
        for text in rest:
            yield ((" " * (wide + 2), ""), (text, ""))
