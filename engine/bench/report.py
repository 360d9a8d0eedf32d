"""The findings as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.bench.aligned import aligned
from engine.bench.verdicts import Finding, Verdict

_HEADS = ("WHAT", "OURS", "PEER", "RATIO", "95 %", "N", "MUST", "", "AIM", "")


def figure(value: float | None, unit: str) -> str:
    """A value with its unit, three digits of it: ``340 µs``, ``410,000/s``, ``14.2 MB``, ``1.35 %``; "" for None."""
    if value is None:
        return ""
    if unit == "s":
        for limit, name, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3)):
            if abs(value) < limit:
                return f"{value * factor:.3g} {name}"
        return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    if unit == "x":
        return f"{value:.4g}x"
    if unit == "%":
        return f"{value * 100:.3g} %"
    if unit == "B":
        return f"{value / 1e6:,.1f} MB"
    digits = max(0, len(str(int(abs(value)))) - 3)
    return f"{round(value, -digits):,.0f}{unit}"


def between(low: float | None, high: float | None, unit: str) -> str:
    """An interval, of ratios where there is no unit; "" where it is not known."""
    if low is None or high is None:
        return ""
    if unit:
        return f"{figure(low, unit)} - {figure(high, unit)}"
    return f"{low:.3g}-{high:.3g}"


def table(findings: Sequence[Finding], failures: dict[str, str]) -> str:
    """One row a line; what failed follows, then what was measured besides."""
    rows = [list(_HEADS), *(_cells(found) for found in findings)]
    lines = [aligned(rows, (0, 6, 8))]
    lines += [f"{name}: not measured: {why}" for name, why in failures.items()]
    notes = [note for found in findings if (note := _note(found))]
    return "\n".join([*lines, "", *notes]) if notes else "\n".join(lines)


def _cells(found: Finding) -> list[str]:
    interval = found.interval
    ratio = "" if found.ratio is None else f"{found.ratio:.3g}x"
    limits = ""
    if interval is not None:
        limits = between(interval.low, interval.high, "" if found.row.peer else found.row.unit)
        if interval.confidence < 0.95:
            limits += f" ({interval.confidence:.0%})"
    cells = [found.title, figure(found.ours, found.row.unit), figure(found.peer, found.row.unit), ratio, limits]
    return [*cells, str(found.pairs), *_verdict(found.must), *_verdict(found.aim)]


def _verdict(verdict: Verdict | None) -> tuple[str, str]:
    return ("", "") if verdict is None else (verdict.text, verdict.short)


UNITS: Final = {
    "rate": "/s", "spread": "B", "per_million": "B", "resident": "B", "nursery": "B", "hosts": "B", "engine": "B",
    "engine_cpu": "s", "recorder_cpu": "s", "p99": "s", "processor": "x", "gross": "x", "alone": "%", "watcher": "%",
    "observer": "%", "agents": "x", "gross_low": "x", "gross_high": "x", "left": "x",
    "elsewhere": "%", "memory": "B", "written": "B", "switch": "s", "first_switch": "s", "attach": "x", "seconds": "s",
    "import": "s", **{f"screen_{number}": "%" for number in range(2, 9)}, "p50": "s", "worst": "s", "failed": "%",
    "hits": "%", "balance": "%", "until_all_met": "s", "submitting": "s", "shutdown": "s",
}  # fmt: skip
"""Of what measurements give besides their value, by name."""


def _note(found: Finding) -> str:
    told = [
        f"{name.replace('_', ' ')} {figure(value, UNITS[name]) if name in UNITS else format(value, '.3g')}"
        for name, value in found.figures.items()
    ]
    return f"{found.row.name}: {', '.join(told)}" if told else ""


def best_shards(findings: Sequence[Finding]) -> str:
    """Which number of shards has the shortest wait, of those that surely have a shorter one than a single shard."""
    sure = [
        found
        for found in findings
        if found.row.peer
        and found.interval is not None
        and found.interval.high < 1
        and found.interval.confidence >= 0.95
    ]
    if not sure:
        return "best: one shard; no other number is measurably better here"
    found = min(sure, key=lambda found: found.ratio or 0)
    return f"best: {found.row.size['shards']} shards, with {found.ratio:.3g} times the wait of one"


def peers(found: dict[str, Any]) -> str:
    """What a script of other tools printed: a line for each tool, a column for each figure."""
    names = list(dict.fromkeys(key for row in found.values() if isinstance(row, dict) for key in row))
    rows = [["PEER", *names]]
    for name, row in found.items():
        values = row if isinstance(row, dict) else {}
        rows.append([name, *("" if values.get(key) is None else _plain(values[key]) for key in names)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(names) + 1)]
    return "\n".join(
        "  ".join(text.ljust(width) if not at else text.rjust(width)
                  for at, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip


def _plain(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, int | float) else " ".join(str(value).split())[:60]
