"""What a run without a screen tells of itself: progress and warnings on stderr, events on stdout if asked for."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any, Final

from engine.runtime.results import to_json
from engine.stream.types import Event, Frame, Level

_LINE_SECONDS: Final = 10.0
"""Seconds between progress lines where stderr is no terminal."""


def say(text: str) -> None:
    """One line of narration. A reader of stderr that has left is no reason to stop."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def duration(seconds: float | None) -> str:
    """Seconds for people: ``0.42 s``, ``12.3 s``, ``01:42``, ``2:03:04``."""
    if seconds is None:
        return "--:--"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


class Reporter:
    """Tells of progress: one line that is rewritten on a terminal, a line now and then elsewhere, JSON lines if asked
    for.

    Attributes:
        failed: why data can't be written to stdout any more; its reader may have left.
    """

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.failed: OSError | None = None
        self._json = as_json
        self._quiet = quiet
        self._terminal = not as_json and not quiet and sys.stderr.isatty()
        self._said = time.monotonic()
        self._width = 0
        self._last = ""
        """The last event that was written."""

    def writes(self, level: Level, kind: str) -> bool:
        """Whether such an event is written."""
        if self._json:
            return True
        if kind.startswith("run."):
            return False  # the summary says so
        return level != "info" or kind.startswith(("agent.std", "recorder."))

    def event(self, event: Event) -> None:
        """Pass an event on."""
        if self._json:
            self.line({"event": event.kind, "at": event.at, "level": event.level, "text": event.text, **event.data})
        elif self.writes(event.level, event.kind) and not self._is_said(event):
            self.clear()
            self._last = event.text
            say(event.text if event.level == "info" else f"{event.level}: {event.text}")

    def _is_said(self, event: Event) -> bool:
        """An alert about one event, which comes right after it, would only say it again."""
        return event.kind == "alert.firing" and bool(self._last) and self._last in event.text

    def line(self, data: dict[str, Any]) -> None:
        """One line of data on stdout."""
        self.text(to_json(data))

    def text(self, text: str) -> None:
        """Text on stdout. It does not raise: in the middle of a run nobody could do anything about it."""
        if self.failed is None:
            try:
                print(text, flush=True)
            except OSError as error:
                self.failed = error

    def frame(self, frame: Frame) -> None:
        """Show progress."""
        if self._quiet:
            return
        now = time.monotonic()
        if not self._terminal and now - self._said < _LINE_SECONDS:
            return
        self._said = now
        over = frame.done + frame.failed
        if self._json:
            self.line(
                {
                    "event": "progress", "at": frame.at, "done": frame.done, "failed": frame.failed,
                    "tasks": frame.total, "tasks_per_second": round(frame.rate, 1), "eta": frame.eta,
                }
            )  # fmt: skip
            return
        total = f"/{frame.total:,}" if frame.total is not None else ""
        share = f" {over / frame.total:4.0%}" if frame.total else ""
        failed = f"  {frame.failed:,} failed" if frame.failed else ""
        text = f"{over:,}{total}{share}  {frame.rate:,.0f} tasks/s  ETA {duration(frame.eta)}{failed}"
        if self._terminal:
            text = f"{duration(frame.elapsed)}  {text}"
            padded = text.ljust(self._width)
            self._width = len(text)
            with contextlib.suppress(OSError):
                sys.stderr.write("\r" + padded)
                sys.stderr.flush()
        else:
            say(text)

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._terminal and self._width:
            with contextlib.suppress(OSError):
                sys.stderr.write("\r" + " " * self._width + "\r")
                sys.stderr.flush()
            self._width = 0
