"""What a run without a screen tells of itself: progress and warnings on stderr, events on stdout if asked for."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

from engine.cli.running.progress import AlertNews, Pace, Progress, Thinning, alert_news
from engine.cli.words import clean, countdown, several
from engine.runtime.results import to_json
from engine.stream.types import Event, Frame, Level

if TYPE_CHECKING:
    from engine.cli.running.display import Live

_JSON_SECONDS: Final = 1.0
"""Between lines of progress for programs."""
_LEVELS: Final = {"critical": "error", "warning": "warning", "info": "info"}


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


def progress_line(frame: Frame) -> str:
    """How far a run is, in one line of a log."""
    over = frame.done + frame.failed
    total = f"/{frame.total:,}" if frame.total is not None else ""
    share = f" {over / frame.total:4.0%}" if frame.total else ""
    failed = f"  {frame.failed:,} failed" if frame.failed else ""
    state = "" if frame.state == "running" else f"  {frame.state}"
    speed = f"{frame.rate:,.0f} tasks/s  ETA {countdown(frame.eta)}"
    return f"{countdown(frame.elapsed)}  {over:,}{total}{share}  {speed}{failed}{state}"


def progress_data(frame: Frame) -> dict[str, Any]:
    """How far a run is, for programs."""
    pools = [
        {
            "pool": pool.name, "busy": pool.busy, "idle": pool.idle, "starting": pool.starting, "queued": pool.queued,
            "done": pool.done, "failed": pool.failed, "restarts": pool.restarts,
        }
        for pool in frame.pools
    ]  # fmt: skip
    return {
        "event": "progress", "at": frame.at, "state": frame.state, "elapsed": round(frame.elapsed, 3),
        "done": frame.done, "failed": frame.failed, "tasks": frame.total, "queued": frame.queued,
        "running": frame.running, "tasks_per_second": round(frame.rate, 1), "eta": frame.eta, "pools": pools,
    }  # fmt: skip


class Reporter:
    """Tells of a run as it goes on: a few lines that are drawn anew on a terminal, lines ever more seldom elsewhere,
    JSON lines if asked for. A fold over events and frames.

    Attributes:
        failed: why data can't be written to stdout any more; its reader may have left.
        progress: what events and frames add up to.
    """

    def __init__(self, as_json: bool, quiet: bool, results_on_stdout: bool = False) -> None:
        """`quiet`: no progress, for there is a screen. `results_on_stdout`: results are written there meanwhile."""
        self.failed: OSError | None = None
        self.progress = Progress()
        self._json = as_json
        self._quiet = quiet
        self._pace = Pace()
        self._thinning = Thinning()
        self._told: float | None = None
        self._alerts: set[str] = set()
        """Alerts that people were told of here, and that are not over."""
        self._said: Event | None = None
        """What was just said, while alerts about it may come: they do right after it."""
        self._live: Live | None = None
        # Results that are written to the terminal would be torn apart by lines that are drawn there.
        crossed = results_on_stdout and sys.stdout.isatty()
        if not as_json and not quiet and not crossed and sys.stderr.isatty():
            from engine.cli.running.display import Live  # 60 ms, and only a terminal needs it

            if Live.suits():
                self._live = Live(self.progress, one_line=results_on_stdout)

    def writes(self, level: Level, kind: str) -> bool:
        """Whether an alert of this level is written: as a line of its own, or with the event that it is about."""
        return self._json or (level != "info" and kind.startswith("alert."))

    def event(self, event: Event) -> None:
        """Pass an event on."""
        news = alert_news(event)
        self.progress.event(event)
        if event.kind != "alert.firing":
            self._said = None
        if self._json:
            self.line({"event": event.kind, "at": event.at, "level": event.level, "text": event.text, **event.data})
        elif event.kind == "run.ended":
            pass  # the summary says so
        elif news is not None:
            self._alert(event, news)
        elif event.level != "info":
            if self._thinning.admits(event.kind, event.at):
                self._said = event
                self.say(event.text, event.level)
        elif event.kind.startswith("work."):
            if self._thinning.admits(event.kind, event.at):
                self.say(event.text)
        elif event.kind.startswith(
            ("agent.std", "recorder.", "memory.", "pool.shards", "run.resumed", "gate.", "tasks.waiting")
        ):
            self.say(event.text)

    def _alert(self, event: Event, news: AlertNews) -> None:
        """Tell of an alert what people are to be told: that has a level, or is the end of what they were told."""
        if event.level != "info":
            if self._is_said(event):
                self._alerts.add(news.id)
                return
            kind = f"{event.kind} of {event.data.get('rule', 'one rule')}"
            if news.severity == "critical" or self._thinning.admits(kind, event.at):
                self._alerts.add(news.id)
                self.say(f"{news.severity}: {event.text}", _LEVELS.get(news.severity, event.level), "alert")
        elif event.kind == "alert.resolved":
            told = news.id in self._alerts
            self._alerts.discard(news.id)
            if told and news.notify is not False:  # not: somebody has silenced it since
                self.say(event.text, "info", "alert")

    def _is_said(self, event: Event) -> bool:
        """Whether an alert would only say again what was said of the one event that it is about."""
        said = self._said
        if said is None or said.text not in event.text or event.data.get("count", 1) != 1:
            return False
        return said.level == "error" or event.level == said.level

    def say(self, text: str, level: str = "info", word: str = "") -> None:
        """A line on stderr, above what is drawn there. `word`: what it begins with, in place of the level."""
        text, word = clean(text), word or ("" if level == "info" else level)
        if self._live is not None:
            self._live.say(text, level, word)
        else:
            say(f"{word}: {text}" if word else text)

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
        self.progress.frame_came(frame)
        if self._json:
            if not self._quiet and (self._told is None or frame.at - self._told >= _JSON_SECONDS):
                self._told = frame.at
                self.line(progress_data(frame))
            return
        self._left_out(frame.at)
        if self._quiet:
            return
        if self._live is not None:
            self._live.paint()
        elif self._pace.due(frame):
            say(progress_line(frame))

    def _left_out(self, now: float | None) -> None:
        for kind, count in self._thinning.due(now).items():
            self.say(f"and {several(count, 'more event')} of this kind: {kind}", "warning")

    def clear(self) -> None:
        """Take away what is drawn; the next frame draws it again."""
        if self._live is not None:
            self._live.clear()

    def close(self) -> None:
        """No more progress: what is said from here on is plain lines. May be called twice."""
        self._left_out(None)
        if self._live is not None:
            self._live.close()
            self._live = None
        self._quiet = True
