"""Numbers, times and tables as people read them, for the commands that tell of what was recorded."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from typing import Final, Literal

import click

_SPARE: Final = ("RESTARTS", "PID", "RATE", "TASKS", "SHARDS", "STARTED", "TIME", "RUN TIME", "ATTEMPTS", "WHEN", "WHY")
"""Columns that a narrow terminal goes without, the first one first."""
_YIELDING: Final = ("NAME", "TEXT", "TASK")
"""Columns that are cut off rather than left out."""
_LEAST: Final = 10
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
"""What a terminal obeys: CSI, strings such as titles, two-letter escapes."""
_STYLES: Final = {
    "running": "cyan",
    "starting": "cyan",
    "paused": "yellow",
    "draining": "yellow",
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
    "crashed": "red",
}


def clock(seconds: float) -> str:
    """A time since the Unix epoch as people read it, here."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float | None) -> str:
    """``340 µs``, ``12.5 ms``, ``3.42 s``, ``5:07``, ``2:05:07``; ``-`` where it isn't known."""
    if seconds is None:
        return "-"
    for limit, unit, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (60.0, "s", 1.0)):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}" if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def countdown(seconds: float | None) -> str:
    """A time that is watched, steady in width: ``01:42``, ``2:03:04``; ``--:--`` where it isn't known."""
    if seconds is None or not math.isfinite(seconds):
        return "--:--"
    minutes, second = divmod(max(0, math.ceil(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:,}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def number(value: float) -> str:
    """A count, thousands apart; a rate with a decimal where that says something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(count: float) -> str:
    """Bytes: ``512 B``, ``1.5 MB``, in powers of 1024 as they are typed."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.1f} TB"


def several(count: int, noun: str) -> str:
    """``1 run``, ``2,000 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    """One line without what a terminal would obey: names and messages are whatever somebody wrote."""
    return " ".join("".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text).split())


def clean(text: str) -> str:
    """One line as a terminal would show it in the end, its spaces kept: escapes are taken out, a bar that was drawn
    again and again over itself (``\\r``) counts as it was last, and nothing is left that a terminal would obey.
    """
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    drawn = [part for part in text.split("\r") if part]
    text = drawn[-1] if drawn else ""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text.expandtabs()).rstrip()


def rest(left: int | None, status: str) -> str:
    """What is left of a run's tasks, to follow how many were done: `", 3 not run"`; "" for none. None: it is not known.

    `status`: of the run.
    """
    if left is None:
        return " so far" if status == "running" else ", how many more there were to be is not known"
    return f", {number(left)} {'to come' if status == 'running' else 'not run'}" if left else ""


def on_terminal() -> bool:
    """Whether a person sits at a terminal, for all three standard streams."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def can_show_screens() -> bool:
    """Whether a person sits at a terminal that screens can be drawn on: one such as an editor's that knows no escapes
    (`dumb`) is none."""
    return on_terminal() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: int, styled: int | None = None, left: int | None = None
) -> None:
    """Print a table: colours and the terminal's width on a terminal, else plain text with aligned columns.

    Columns from `right` on, and before `left`, are numbers. `styled`: the column that holds a status.
    """
    numbers = range(right, len(heads) if left is None else left)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            cells = zip(row, widths, strict=True)
            line = (text.rjust(w) if at in numbers else text.ljust(w) for at, (text, w) in enumerate(cells))
            click.echo("  ".join(line).rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    least = [min(width, _LEAST) if head in _YIELDING else width for head, width in zip(heads, widths, strict=True)]
    shown = list(range(len(heads)))
    for head in _SPARE:  # a narrow terminal: better whole columns fewer than all of them cut off
        if head in heads and sum(least[at] + 2 for at in shown) > console.width:
            shown.remove(heads.index(head))
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="")
    for at in shown:
        side: Literal["left", "right"] = "right" if at in numbers else "left"
        drawn.add_column(heads[at], justify=side, no_wrap=True, overflow="ellipsis", min_width=least[at])
    for row in rows:
        styles = [_STYLES.get(text, "") if at == styled else "" for at, text in enumerate(row)]
        # Text: a name may hold what rich takes for markup.
        drawn.add_row(*(Text(row[at], styles[at]) for at in shown))
    console.print(drawn)
