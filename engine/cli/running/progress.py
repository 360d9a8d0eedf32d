"""What events and frames add up to, for whoever tells of a run: the latest frame, the alerts that are live, deaths, how
busy the agents were. Pure: times come with events and frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.stream.types import Event, Frame

_SEVERITY: Final[Mapping[str, int]] = {"critical": 0, "error": 0, "warning": 1, "info": 2}
_BURST: Final = 10
"""Warnings and errors of one kind that are told one by one, within `_SPAN`."""
_SPAN: Final = 10.0
_FIRST_LINE: Final = 10.0
_SLOWEST_LINE: Final = 600.0


class LiveAlert(NamedTuple):
    """An alert that has fired and is not resolved."""

    id: str
    severity: str
    text: str
    """What it is about, as of when it fired."""
    worst: str
    """The worst severity that it had so far."""
    since: float
    """Seconds since the Unix epoch."""


class AlertNews(NamedTuple):
    """What an event says of an alert."""

    id: str
    severity: str
    text: str
    """What it is about, and not what became of it."""
    state: str
    """``firing``, ``recovering``, ``resolved`` ...; "" if the event says nothing of that."""
    hidden: bool | None
    """Whether somebody has silenced it, or a worse one hides it; None if the event says nothing of that."""
    notify: bool | None
    """Whether people are to be told of it by this; None if the event says nothing of that."""
    fresh: bool
    """The text is of how it is now that it fires."""

    @property
    def live(self) -> bool:
        """It fires, and is not over."""
        return self.state in ("firing", "recovering")

    def text_after(self, before: str | None) -> str:
        """What to show of it, where it was `before`, or not at all: how it was as it fired, for while it recovers, or
        comes and goes, all may look well.
        """
        return self.text if before is None or self.fresh else before


_STATES: Final = {"alert.fired": "firing", "alert.firing": "firing", "alert.resolved": "resolved"}
_FRESH: Final = frozenset({"alert.fired", "alert.firing", "alert.severity", "alert.update", "alert.repeat"})
_HIDES: Final = {
    "alert.silenced": True, "alert.inhibited": True, "alert.unsilenced": False, "alert.uninhibited": False,
}  # fmt: skip


def alert_news(event: Event) -> AlertNews | None:
    """What an event ``alert.*`` says, None for one of another kind.

    Of its data, `fingerprint` (or `id`, or `rule`) tells alerts apart, `summary` says what it is about, `state` whether
    it fires, and `severity` how bad that is.
    """
    if not event.kind.startswith("alert."):
        return None
    data = event.data
    name = str(data.get("fingerprint") or data.get("id") or data.get("rule") or event.text)
    severity = str(data.get("severity") or event.level)
    text = str(data.get("summary") or event.text)
    state = str(data.get("state") or _STATES.get(event.kind, ""))
    fresh = state == "firing" and event.kind in _FRESH
    return AlertNews(name, severity, text, state, _HIDES.get(event.kind), data.get("notify"), fresh)


class Alerts:
    """The alerts that are live, from events ``alert.*``."""

    def __init__(self) -> None:
        self._live: dict[str, LiveAlert] = {}
        self._hidden: set[str] = set()

    def event(self, event: Event) -> None:
        """Take in an event; those of other kinds change nothing."""
        news = alert_news(event)
        if news is None:
            return
        before = self._live.get(news.id)
        if news.notify or news.hidden is False:
            self._hidden.discard(news.id)
        elif news.hidden or (news.live and before is None and news.notify is False):  # it was silenced before it fired
            self._hidden.add(news.id)
        if news.live:
            text = news.text_after(None if before is None else before.text)
            worst = news.severity if before is None else worse(before.worst, news.severity)
            since = event.at if before is None else before.since
            self._live[news.id] = LiveAlert(news.id, news.severity, text, worst, since)
        elif news.state:
            self._live.pop(news.id, None)
            self._hidden.discard(news.id)

    @property
    def live(self) -> list[LiveAlert]:
        """Those that are not hidden, the most severe first, of these the latest."""
        shown = [alert for alert in self._live.values() if alert.id not in self._hidden]
        return sorted(shown, key=lambda alert: (severity_rank(alert.severity), -alert.since))


def severity_rank(severity: str) -> int:
    """0 for the worst."""
    return _SEVERITY.get(severity, 1)


def worse(one: str, other: str) -> str:
    """The worse one of two severities."""
    return min(one, other, key=severity_rank)


class Progress:
    """A fold over the stream of a run.

    Attributes:
        frame: the latest, None before the first.
        alerts: those that are live.
        died: agents that died.
        hosts_died: hosts that did.
    """

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.alerts = Alerts()
        self.died = 0
        self.hosts_died = 0
        self._busy = self._up = 0.0

    def event(self, event: Event) -> None:
        """Take in an event."""
        self.alerts.event(event)
        if event.kind == "agent.died":
            self.died += 1
        elif event.kind == "host.died":
            self.hosts_died += 1

    def frame_came(self, frame: Frame) -> None:
        """Take in a frame. What it says counts as true since the one before."""
        if self.frame is not None and frame.state != "ended":
            seconds = max(0.0, frame.elapsed - self.frame.elapsed)
            for pool in frame.pools:
                self._busy += seconds * pool.busy
                self._up += seconds * (pool.busy + pool.idle + pool.draining)
        self.frame = frame

    @property
    def busy(self) -> float | None:
        """Of the time that agents were up, the share that they spent in batches; None before that can be said."""
        return self._busy / self._up if self._up else None


class Thinning:
    """Which warnings are told one by one: of each kind ten within ten seconds. The rest is counted."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._told: dict[str, int] = {}
        self._left: dict[str, int] = {}

    def admits(self, kind: str, at: float) -> bool:
        """Whether one of this kind, at this moment, is told."""
        if not 0 <= at - self._since.get(kind, -_SPAN) < _SPAN:
            self._since[kind], self._told[kind] = at, 0
        self._told[kind] += 1
        if self._told[kind] <= _BURST:
            return True
        self._left[kind] = self._left.get(kind, 0) + 1
        return False

    def due(self, now: float | None = None) -> dict[str, int]:
        """How many were left out, by kind, of each kind whose ten seconds are over (None: of all), and forget them."""
        found = {
            kind: count for kind, count in self._left.items() if now is None or not 0 <= now - self._since[kind] < _SPAN
        }  # fmt: skip
        for kind in found:
            del self._left[kind]
        return found


class Pace:
    """When lines of progress are due in a log: after ten seconds, then ever more seldom (a tenth of the time that it
    runs, ten minutes at the most), and where the state has changed. So a day makes two hundred lines.
    """

    def __init__(self) -> None:
        self._last = 0.0
        self._state = ""

    def due(self, frame: Frame) -> bool:
        """Whether this frame is told; the next one is counted from it if so."""
        changed = self._state not in ("", frame.state) and "starting" not in (self._state, frame.state)
        self._state = frame.state
        if frame.state == "ended":  # the summary says so
            return False
        if changed or frame.elapsed - self._last >= min(max(_FIRST_LINE, self._last / 10), _SLOWEST_LINE):
            self._last = frame.elapsed
            return True
        return False
