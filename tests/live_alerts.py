"""Alerts of a run that goes on, as an engine tells of them."""

from __future__ import annotations

from dataclasses import replace

from engine.stream.types import AckView, AlertView, SilenceView
from tui.view import View

NOON = 1_763_726_400.0
"""Friday, 21 November 2025, 12:00:00 UTC."""
NOW = NOON + 102.7
"""When the views of the tests are."""


def alert_of(
    number: int,
    rule: str,
    title: str,
    severity: str,
    state: str,
    text: str,
    ago: float,
    *,
    labels: dict[str, str] | None = None,
    unit: str = "count",
    value: float | None = None,
    threshold: float | None = None,
    peak: float | None = None,
    count: int = 1,
    ack: AckView | None = None,
    silence: int | None = None,
    inhibited_by: str | None = None,
    flapping: bool = False,
) -> AlertView:
    """One that fired so many seconds ago."""
    mark = (number + 90) * 0x9E3779B97F4A7C15 % 2**64
    fired = None if state == "pending" else NOW - ago
    return AlertView(
        number=number, fingerprint=f"{mark:016x}", rule=rule, title=title, area="crash",
        severity=severity, state=state, text=text, labels=labels or {}, hint="", action="", unit=unit, value=value,
        threshold=threshold, peak=peak, count=count, more=0, reopened=0, flapping=flapping, happened=NOW - ago - 0.0083,
        detected=NOW - ago - 0.0042, fired=fired, shown=None if fired is None else fired + 0.0119, last=NOW - ago / 2,
        resolved=NOW - ago / 3 if state == "resolved" else None, ack=ack, silence=silence, inhibited_by=inhibited_by,
    )  # fmt: skip


CRASH = alert_of(
    3, "agent-crash", "agent crashed", "warning", "firing", "agent micro/131 killed by SIGKILL, 1 task redelivered",
    1.3, labels={"pool": "micro", "agent": "micro/131"}, count=6,
)  # fmt: skip
MEMORY = alert_of(
    4, "memory", "memory is short", "critical", "firing", "93.2% of the memory is in use, 22.4 GB of 24 GB", 64.0,
    unit="ratio", value=0.932, threshold=0.9, peak=0.961,
)  # fmt: skip
ALERTS = (
    MEMORY,
    CRASH,
    alert_of(
        2, "queue-growing", "queue grows", "warning", "firing", "pool domain: 2,130 tasks wait, 12%/min more", 88.0,
        labels={"pool": "domain"}, unit="ratio", value=0.12, threshold=0.1,
        ack=AckView("root", NOW - 40.0, "a larger batch came in, it drains by one o'clock", NOW + 3_600.0),
    ),
    alert_of(
        5, "agent-silent", "no sign of life from an agent", "warning", "firing",
        "pool prime: an agent has given no sign of life for 12.4 s", 9.0, labels={"pool": "prime"}, unit="seconds",
        value=12.4, threshold=10.0, silence=7,
    ),
    alert_of(
        0, "hit-rate", "few tasks find an idle agent", "warning", "pending",
        "pool micro: 66% of batches find an idle agent at once", 12.0, labels={"pool": "micro"}, unit="ratio",
        value=0.66, threshold=0.7,
    ),
    alert_of(
        1, "long-task", "a task runs very long", "info", "resolved", "pool domain: a task has been running for 61 min",
        95.0, labels={"pool": "domain"}, unit="seconds", value=3_660.0, threshold=3_600.0,
    ),
)  # fmt: skip
HINTS = {
    "memory": (
        "Agents together hold more than the machine has; the kernel will kill the largest of them.",
        "fewer agents (shoal ctl scale), or --memory-limit, which bounds what one can take",
    ),
    "agent-crash": (
        "The task that ran in it is tried again. Its last words, the signal and its memory are in the text.",
        "shoal show last: the task, and what became of it; --memory-limit bounds what one can take",
    ),
}
SILENCE = SilenceView(
    7, {"rule": "agent-silent", "pool": "prime"}, NOW - 200.0, NOW + 1_600.0, "root", "known: debugger"
)


def alerting(
    view: View, alerts: tuple[AlertView, ...] = ALERTS, silences: tuple[SilenceView, ...] = (SILENCE,)
) -> View:
    """A view with these alerts."""
    from msgspec.structs import replace as changed

    found = []
    for alert in alerts:
        hint, action = HINTS.get(alert.rule, ("", ""))
        found.append(changed(alert, hint=hint, action=action))
    firing = [alert for alert in found if alert.state == "firing"]
    counts = tuple(sum(alert.severity == name for alert in firing) for name in ("warning", "critical"))
    frame = None if view.frame is None else changed(view.frame, alerts=counts)
    hello = None if view.hello is None else changed(view.hello, database="/data/runs.db")
    return replace(
        view, hello=hello, alerts={alert.fingerprint: alert for alert in found}, silences=silences, frame=frame
    )
