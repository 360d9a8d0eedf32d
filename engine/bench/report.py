"""The findings as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.bench.verdicts import Finding, Verdict

_HEADS = ("WHAT", "OURS", "PEER", "RATIO", "95 %", "N", "MUST", "", "AIM", "")


def figure(value: float | None, unit: str) -> str:
    """A value with its unit, three digits of it: ``340 µs``, ``1.25 s``, ``410,000/s``, ``14.2 MB``; "" for None."""
    if value is None:
        return ""
    if unit == "s":
        for limit, name, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3)):
            if abs(value) < limit:
                return f"{value * factor:.3g} {name}"
        return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    if unit == "x":
        return f"{value:.4g}x"
    if unit == "B":
        return f"{value / 1e6:,.1f} MB"
    digits = max(0, len(str(int(abs(value)))) - 3)
    return f"{round(value, -digits):,.0f}{unit}"


def table(findings: Sequence[Finding], failures: dict[str, str]) -> str:
    """One row a line; what failed follows, then what was measured besides."""
    rows = [list(_HEADS), *(_cells(found) for found in findings)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    lines = []
    for row in rows:
        cells = [text.ljust(width) if at in (0, 6, 8) else text.rjust(width)
                 for at, (text, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    lines += [f"{name}: not measured: {why}" for name, why in failures.items()]
    notes = [note for found in findings if (note := _note(found))]
    return "\n".join([*lines, "", *notes]) if notes else "\n".join(lines)


def _cells(found: Finding) -> list[str]:
    interval = found.interval
    ratio = "" if found.ratio is None else f"{found.ratio:.3g}x"
    if interval is None:
        between = ""
    elif found.row.peer:
        between = f"{interval.low:.3g}-{interval.high:.3g}"
    else:
        between = f"{figure(interval.low, found.row.unit)} - {figure(interval.high, found.row.unit)}"
    if interval is not None and interval.confidence < 0.95:
        between += f" ({interval.confidence:.0%})"
    cells = [found.title, figure(found.ours, found.row.unit), figure(found.peer, found.row.unit), ratio, between]
    return [*cells, str(found.pairs), *_verdict(found.must), *_verdict(found.aim)]


def _verdict(verdict: Verdict | None) -> tuple[str, str]:
    return ("", "") if verdict is None else (verdict.text, verdict.short)


_UNITS = {"rate": "/s", "spread": "B", "per_million": "B", "resident": "B", "nursery": "B", "hosts": "B", "engine": "B",
          "engine_cpu": "s", "recorder_cpu": "s", "p99": "s", "processor": "x",
          "until_all_met": "s", "submitting": "s", "shutdown": "s"}  # fmt: skip


def _note(found: Finding) -> str:
    told = [
        f"{name.replace('_', ' ')} {figure(value, _UNITS[name]) if name in _UNITS else format(value, '.3g')}"
        for name, value in found.figures.items()
    ]
    return f"{found.row.name}: {', '.join(told)}" if told else ""


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
