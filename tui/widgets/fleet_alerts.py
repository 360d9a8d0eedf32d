"""What asks for attention: the alerts that fire, and while there is room, what happened last."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.cells import cell_len, set_cell_size

from engine.stream.types import AlertView
from tui import format as fmt
from tui.view import View
from tui.widgets.events import event_lines, stream_lines, told_of
from tui.widgets.lines import Line, Panel, Piece

_RECENT: Final = 300.0
"""Seconds for which it is told that an alert is over."""
_FIRING: Final = ("firing", "recovering", "nodata", "error")
_SEVERITIES: Final = ("critical", "warning", "info")
_GLYPHS: Final[dict[str, Piece]] = {"critical": ("●", "error"), "warning": ("▲", "warning"), "info": ("·", "quiet")}
_AGE: Final = 6
_DELAY_MIN: Final = 50
"""Width from which on it is told how soon an alert was known of."""


def firing(view: View) -> list[AlertView]:
    """The alerts that people are to be told of, the most severe first, of these the newest; those that nobody is told
    of, since somebody took them on or wants to hear nothing, last.
    """
    found = [alert for alert in view.alerts.values() if alert.state in _FIRING]
    return sorted(found, key=lambda alert: (_hushed(alert) != "", _rank(alert), -(alert.fired or 0.0)))


def passing(view: View) -> list[AlertView]:
    """Those that may fire soon, then those that no longer do, the newest first."""
    at = view.frame.at if view.frame is not None else 0.0
    pending = [alert for alert in view.alerts.values() if alert.state == "pending"]
    over = [alert for alert in view.alerts.values() if alert.state == "resolved" and alert.resolved is not None]
    recent = [alert for alert in over if at - (alert.resolved or 0.0) <= _RECENT]
    return [*pending, *sorted(recent, key=lambda alert: -(alert.resolved or 0.0))]


def _rank(alert: AlertView) -> int:
    return _SEVERITIES.index(alert.severity) if alert.severity in _SEVERITIES else len(_SEVERITIES)


def _hushed(alert: AlertView) -> str:
    if alert.ack is not None:
        return f"taken on by {alert.ack.by}"
    if alert.silence is not None:
        return "silenced"
    return "follows from another" if alert.inhibited_by is not None else ""


def alert_lines(alert: AlertView, at: float, width: int, lines: int = 1, hint: bool = False) -> list[Line]:
    """``▲  42s  pool micro: 3 agents crashed   8ms``: glyph, age, what, and after how long it was known of; its text in
    `lines` at the most; then the most likely cause, with `hint`. `at`: the moment of the view.
    """
    hushed = _hushed(alert)
    glyph, ink = _GLYPHS.get(alert.severity, _GLYPHS["info"])
    since = alert.fired if alert.fired is not None else alert.detected
    age = fmt.age(at - since) if since is not None else "-"
    tail = ""
    if hushed:
        tail = f"  {hushed}"
    elif width >= _DELAY_MIN and alert.detected is not None and alert.happened is not None:
        tail = f"  {fmt.duration(max(alert.detected - alert.happened, 0.0)):>5}"
    indent = _AGE + 3
    first, *rest = _folded(alert.text or alert.title, max(width - indent - len(tail), 1), max(width - indent, 1), lines)
    ink_of_text = "quiet" if hushed else ""
    told: list[Line] = [
        (
            (glyph, "quiet" if hushed else ink), (f"{age:>{_AGE}}  ", "quiet"),
            (fmt.pad(first, max(width - indent - len(tail), 0)), ink_of_text), (tail, "quiet"),
        ),
        *(((" " * indent + more, ink_of_text),) for more in rest),
    ]  # fmt: skip
    if hint and alert.hint and not hushed:
        told.append((("└ ".rjust(indent), "track"), (fmt.fit(alert.hint, width - indent), "quiet")))
    return told


def _folded(text: str, first: int, others: int, lines: int) -> list[str]:
    """A text in so many lines at the most, between its words; the last is cut if it must be."""
    text = fmt.clean(text)
    found: list[str] = []
    while lines > 1 and cell_len(text) > (first if not found else others):
        room = first if not found else others
        head = set_cell_size(text, room + 1)
        at = head.rfind(" ")
        if at <= 0:
            break
        found.append(text[:at])
        text = text[at + 1 :]
        lines -= 1
    return [*found, fmt.fit(text, first if not found else others)]


def _passing_line(alert: AlertView, at: float, width: int) -> Line:
    over = alert.state == "resolved"
    glyph, word = ("✓", "over") if over else ("◌", "may fire")
    since = alert.resolved if over else alert.detected
    age = fmt.age(at - since) if since is not None else "-"
    text = fmt.pad(alert.text or alert.title, max(width - 5 - _AGE - len(word), 0))
    return ((glyph, "good" if over else "starting"), (f"{age:>{_AGE}}  {text}  {word}", "quiet"))


def alerts_lines(view: View, width: int, height: int, with_events: bool = True) -> list[Line]:
    """What the stream says of itself, then what fires, each with its most likely cause where there is room for it;
    then what happened last.
    """
    told = stream_lines(view, width)
    found = firing(view)
    at = view.frame.at if view.frame is not None else 0.0
    room = height - len(told)
    alerts: list[Line] = []
    for lines_each, hints in ((3, True), (2, True), (3, False), (2, False), (1, False)):
        alerts = [line for alert in found for line in alert_lines(alert, at, width, lines_each, hints)]
        if len(alerts) <= room:
            break
    if len(alerts) > room > 0:
        hidden = len(alerts) - room + 1
        alerts = [*alerts[: room - 1], ((fmt.fit(f"… {hidden} more alerts: 5 shows all", width), "warning"),)]
    if not found and view.frame is not None and not view.over:
        alerts = [(("✓ ", "good"), ("nothing fires", "quiet"))]
    for alert in passing(view)[: max(room - len(alerts) - 1, 0)]:
        alerts.append(_passing_line(alert, at, width))
    lines = [*told, *alerts]
    if with_events and height - len(lines) >= (2 if lines else 1) and view.events:
        if lines:
            lines.append((("─" * width, "track"),) if height - len(lines) >= 3 else ())
        lines += event_lines(view, width, height - len(lines))
    return lines or [(("nothing has happened yet", "quiet"),)]


class FleetAlerts(Panel[Line]):
    """What fires, and the last events."""

    BORDER_TITLE = " alerts "
    HELP: ClassVar[str] = (
        "The alerts that fire, the most severe first: since when, what, and how long after its cause the engine knew. "
        "Below them the last events. Screen 5 has all there is to know of an alert."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.with_events = True

    def made_of(self, view: View) -> object:
        """Alerts and events, and how long ago they were, in seconds."""
        return told_of(view), view.alerts, view.frame is None or int(view.frame.at)

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """As much as fits."""
        count = len(firing(view))
        title = f" alerts  {count} firing " if count else " alerts "
        if title != self.border_title:
            self.border_title = title
        return alerts_lines(view, width, height, self.with_events)
