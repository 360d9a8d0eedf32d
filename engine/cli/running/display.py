"""Progress on a terminal: a few lines at its bottom, drawn again and again; whatever else is told scrolls above.

Nothing about the terminal is changed, so nothing has to be restored, however the run ends: the cursor stays visible
and rests below the lines, and they are plain text that the next line of a shell follows.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from engine.cli.running.progress import LiveAlert, Progress, severity_rank
from engine.cli.words import clean, countdown
from engine.stream.types import Frame, PoolView

_POOLS: Final = 4
_ALERTS: Final = 3
_BAR: Final = 40
"""Cells of the bar at the most; it gives way to words."""
_SHORT_BAR: Final = 8
_NAME: Final = 16
_RED: Final = "red"
_YELLOW: Final = "yellow"
_DIM: Final = "dim"


class Glyphs(NamedTuple):
    """What is drawn with."""

    full: str
    failed: str
    rest: str
    edges: tuple[str, str]
    cut: str
    alert: str


UNICODE: Final = Glyphs("━", "━", "─", ("", ""), "…", "▲")
ASCII: Final = Glyphs("#", "x", "-", ("[", "]"), "~", "!")


def is_unicode(encoding: str, environment: Mapping[str, str]) -> bool:
    """Whether glyphs beyond ASCII may be drawn: by the stream's encoding and by the locale.

    Python writes UTF-8 in the C locale, too, which does not mean that the terminal can show it.
    """
    if not encoding.lower().replace("_", "-").startswith("utf"):
        return False
    locale = next((found for name in ("LC_ALL", "LC_CTYPE", "LANG") if (found := environment.get(name))), "")
    return "utf8" in locale.lower().replace("-", "")


def _fit(text: Text, width: int, glyphs: Glyphs) -> Text:
    """A line in at most `width` cells; where it is cut is shown."""
    if glyphs is ASCII and not text.plain.isascii():
        plain = text.plain
        escaped = [one if one.isascii() else one.encode("ascii", "backslashreplace").decode() for one in plain]
        made = Text("".join(escaped), text.style)
        starts = [0]
        for one in escaped:
            starts.append(starts[-1] + len(one))
        for span in text.spans:
            made.stylize(span.style, starts[min(span.start, len(plain))], starts[min(span.end, len(plain))])
        text = made
    if cell_len(text.plain) <= width:
        return text
    kept = set_cell_size(text.plain, max(0, width - 1)).rstrip()
    cut = text[: len(kept)] if text.plain.startswith(kept) else text[: max(0, len(kept) - 1)]
    return Text.assemble(cut, glyphs.cut) if width > 0 else Text()


def _bar(frame: Frame, total: int, width: int, glyphs: Glyphs) -> Text:
    inner = width - len(glyphs.edges[0]) - len(glyphs.edges[1])
    over = min(frame.done + frame.failed, total)
    full = inner * over // total if total else inner
    failed = min(full, -(-inner * frame.failed // total)) if frame.failed and total else 0
    return Text.assemble(
        glyphs.edges[0], (glyphs.full * (full - failed), "green"), (glyphs.failed * failed, _RED),
        (glyphs.rest * (inner - full), _DIM), glyphs.edges[1],
    )  # fmt: skip


def _head(frame: Frame, width: int, glyphs: Glyphs) -> list[Text]:
    """How far it is: a line with a bar, or two where it is narrow."""
    over = frame.done + frame.failed
    count = f"{over:,}" if frame.total is None else f"{over:,}/{frame.total:,}"
    share = f"{over * 100 // frame.total}%" if frame.total else ""
    first: list[str | tuple[str, str]] = [(count, "bold")]
    if share:
        first += ["  ", share]
    if frame.failed:
        first += ["  ", (f"{frame.failed:,} failed", _RED)]
    second: list[str | tuple[str, str]] = []
    if frame.state not in ("running", "ended"):
        second += [(frame.state, _YELLOW), "  "]
    second += [f"{frame.rate:,.0f} tasks/s" if frame.rate >= 10 or not frame.rate else f"{frame.rate:.2g} tasks/s"]
    if frame.total is not None:
        second += ["  ", f"ETA {countdown(frame.eta)}"]
    second += ["  ", (countdown(frame.elapsed), _DIM)]
    counts, speed = Text.assemble(*first), Text.assemble(*second)
    used = counts.cell_len + 2 + speed.cell_len
    room = width - used - 2
    if frame.total is None:
        return [Text.assemble(counts, "  ", speed)] if used <= width else [counts, speed]
    if room >= _SHORT_BAR:
        return [Text.assemble(_bar(frame, frame.total, min(_BAR, room), glyphs), "  ", counts, "  ", speed)]
    room = width - counts.cell_len - 2
    if room >= _SHORT_BAR:
        return [Text.assemble(_bar(frame, frame.total, min(_BAR, room), glyphs), "  ", counts), speed]
    return [counts, speed]


def _pool_lines(pools: Sequence[PoolView], width: int, glyphs: Glyphs) -> list[Text]:
    """A line for each pool, its numbers below each other; columns that are nought for all are left out."""
    columns = [
        ("busy", [pool.busy for pool in pools], ""),
        ("idle", [pool.idle for pool in pools], ""),
        ("queued", [pool.queued for pool in pools], ""),
        ("starting", [pool.starting for pool in pools], _YELLOW),
        ("restarts", [pool.restarts for pool in pools], _YELLOW),
        ("draining", [pool.draining for pool in pools], _YELLOW),
        ("dead", [pool.dead for pool in pools], _RED),
    ]
    shown = [column for at, column in enumerate(columns) if at < 3 or any(column[1])]
    names = [clean(pool.name) for pool in pools]
    length = min(_NAME, max(map(cell_len, names)))
    lines = [Text(set_cell_size(name, length)) for name in names]
    for word, numbers, style in shown:
        digits = max(len(f"{number:,}") for number in numbers)
        for line, number in zip(lines, numbers, strict=True):
            shown_word = word[:-1] + " " if number == 1 and word.endswith("s") else word
            line.append(f"  {number:>{digits},} {shown_word}", style if number else _DIM)
    for line in lines:
        line.rstrip()
    return [_fit(line, width, glyphs) for line in lines]


def _alert_line(alert: LiveAlert, now: float, glyphs: Glyphs) -> Text:
    style = (_RED, _YELLOW, "")[severity_rank(alert.severity)]
    age = countdown(max(0.0, now - alert.since))
    return Text.assemble(
        (f"{glyphs.alert} {clean(alert.severity)}", style), f"  {clean(alert.text)}", (f"  {age}", _DIM)
    )


def draw(progress: Progress, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[Text]:
    """The lines, none wider than `width` cells and no more than `height`: how far the run is, its pools, its alerts.

    What does not fit is counted: first pools, then alerts give way.
    """
    frame = progress.frame
    if frame is None or width < 1 or height < 1:
        return []
    head = [_fit(line, width, glyphs) for line in _head(frame, width, glyphs)][:height]
    room = height - len(head)
    alerts = progress.alerts.live
    told = [_fit(_alert_line(alert, frame.at, glyphs), width, glyphs) for alert in alerts]
    told = _most(told, min(_ALERTS + 1, room), "alert", width, glyphs)
    pools = _pool_lines(frame.pools, width, glyphs) if frame.pools else []
    pools = _most(pools, min(_POOLS + 1, room - len(told)), "pool", width, glyphs)
    return [*head, *pools, *told]


def _most(lines: list[Text], room: int, noun: str, width: int, glyphs: Glyphs) -> list[Text]:
    """As many as there is room for; the last line says how many more there are."""
    if len(lines) <= room:
        return lines
    if room <= 0:
        return []
    more = len(lines) - room + 1
    text = f"and {more:,} more {noun}{'' if more == 1 else 's'}" if room > 1 else f"{more:,} {noun}s"
    return [*lines[: room - 1], _fit(Text(text, _DIM), width, glyphs)]


class Region:
    """The lines at the bottom of a terminal as they stand there. Pure: what must be written is returned.

    The cursor is at the beginning of the line below them. Where the terminal has become narrower they are taken to be
    folded, as most terminals do.
    """

    def __init__(self) -> None:
        self._widths: list[int] = []

    def forget(self) -> None:
        """Others have written to the terminal: what stands there stays."""
        self._widths = []

    def _up(self, width: int, height: int) -> str:
        rows = sum(max(1, -(-cells // max(1, width))) for cells in self._widths)
        rows = min(rows, height - 1)
        return f"\r\x1b[{rows}A" if rows > 0 else "\r"

    def erase(self, width: int, height: int) -> str:
        """Take the lines away."""
        if not self._widths:
            return ""
        text = self._up(width, height) + "\x1b[J"
        self._widths = []
        return text

    def paint(self, lines: Sequence[tuple[str, int]], width: int, height: int) -> str:
        """Put these lines, each with its width in cells, in the place of the old ones, or below what stands there."""
        text = self._up(width, height) if self._widths else "\r"
        # Erased to the end after it is written: an empty line in between would flicker.
        text += "".join(f"{line}\x1b[K\n" for line, _ in lines) + "\x1b[J"
        self._widths = [cells for _, cells in lines]
        return text


class Live:
    """Shows progress on the terminal that stderr is."""

    def __init__(self, progress: Progress, one_line: bool = False) -> None:
        """`one_line`: others write to the terminal, too, so as little as possible is drawn over."""
        self._progress = progress
        self._one_line = one_line
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._fd = sys.stderr.fileno()
        self._glyphs = UNICODE if is_unicode(sys.stderr.encoding, os.environ) else ASCII
        self._region = Region()
        self._continued = False
        self._kept: Any = None
        self._catches = threading.current_thread() is threading.main_thread()
        if self._catches:
            self._kept = signal.signal(signal.SIGCONT, self._continue)

    @staticmethod
    def suits() -> bool:
        """Whether the terminal obeys what is needed to draw over lines."""
        return os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")

    def _continue(self, _: int, __: FrameType | None) -> None:
        # After a ctrl-z the shell has written below the lines.
        self._continued = True

    def _size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self._fd)
        except OSError:
            width = height = 0
        # A terminal that does not know its size says 0. The last column stays free: a full line may count as folded.
        return (width or 80) - 1, (height or 24) - 1

    def _ready(self) -> bool:
        """Whether it may be written to: it is not in the background, nor held up by ctrl-s."""
        try:
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                self._region.forget()
                return False
        except OSError:  # not our terminal: then there is no background either
            pass
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        return bool(poller.poll(0))

    def paint(self) -> None:
        """Draw the lines as they are now."""
        if not self._ready():
            return
        self._resume()
        width, height = self._size()
        lines = draw(self._progress, width, 1 if self._one_line else height, self._glyphs)
        self._write(self._region.paint([(self._ansi(line), line.cell_len) for line in lines], width + 1, height + 1))

    def say(self, text: str, level: str = "info", word: str = "") -> None:
        """A line above the others, begun by a word in the colour of its level; the others are drawn again by the next
        `paint`.
        """
        self._resume()
        width, height = self._size()
        style = {"error": _RED, "warning": _YELLOW}.get(level, "green")
        above = Text.assemble((f"{word}: ", style), text) if word else Text(text)
        self._write(self._region.erase(width + 1, height + 1) + self._ansi(above) + "\n")

    def clear(self) -> None:
        """Take the lines away."""
        self._resume()
        width, height = self._size()
        self._write(self._region.erase(width + 1, height + 1))

    def close(self) -> None:
        """The end: the lines are taken away. May be called twice."""
        self.clear()
        if self._catches:
            self._catches = False
            signal.signal(signal.SIGCONT, self._kept or signal.SIG_DFL)  # None: it was no handler of Python's

    def _resume(self) -> None:
        if self._continued:
            self._continued = False
            self._region.forget()

    def _ansi(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()

    def _write(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError):
                sys.stderr.write(text)
                sys.stderr.flush()
