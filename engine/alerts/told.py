"""How an alert is told: to people as a line, to programs as JSON, to the stream as an event, to the database as a row.

Times of the core become seconds since the Unix epoch by adding `epoch`: what the epoch's clock says when the core's
is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from engine.alerts.types import SEVERITIES, Alert, Severity, State, Transition
from engine.alerts.wording import duration

_LEVELS: Final[dict[Severity, Literal["info", "warning", "error"]]] = {
    "info": "info", "warning": "warning", "critical": "error",
}  # fmt: skip


_STATES: Final[Mapping[State, str]] = {
    "pending": "perhaps", "recovering": "recovering", "normal": "no more", "nodata": "no data",
    "error": "can't be judged",
}  # fmt: skip


def line(transition: Transition) -> str:
    """For people: severity, what it is, and what became of it."""
    text = _sentence(transition)
    return text if transition.after == "resolved" else f"{transition.severity}: {text}"


def _sentence(transition: Transition) -> str:
    """The same without the severity, which events have beside the text."""
    alert = transition.alert
    timeline = alert.timeline
    if transition.after == "resolved" and transition.change == "state":
        took = "" if timeline.fired is None else f" after {duration(transition.at - timeline.fired)}"
        return f"over{took}: {_titled(alert)}"
    if transition.change == "repeat" and timeline.fired is not None:
        return f"{_titled(alert)} (for {duration(transition.at - timeline.fired)} now)"
    text = _named(alert)
    match transition.change:
        case "state" if transition.after in _STATES:
            return f"{_STATES[transition.after]}: {text}"
        case "severity":
            before, now = map(SEVERITIES.index, (transition.severity_before, transition.severity))
            return f"{'more' if now > before else 'less'} severe: {text}"
        case "acknowledged":
            return f"acknowledged by {transition.why}: {text}"
        case "unacknowledged" | "silenced" | "unsilenced":
            why = f" ({transition.why})" if transition.why else ""
            return (
                f"{'not ' if transition.change[:2] == 'un' else ''}{transition.change.removeprefix('un')}{why}: {text}"
            )
        case "inhibited":
            return f"not told while another one fires ({transition.why}): {text}"
        case "uninhibited":
            return f"told again: {text}"
        case "flapping":
            return f"comes and goes: {text}"
        case "steady":
            return f"steady again: {text}"
    return text


def described(transition: Transition, epoch: float, run: str = "") -> dict[str, Any]:
    """For programs: plain values, times in seconds since the Unix epoch."""
    found: dict[str, Any] = msgspec.to_builtins(transition)
    alert = found["alert"]
    found["at"] += epoch
    alert["timeline"] = _timeline(transition.alert, epoch)
    for sample in alert["samples"]:
        sample["at"] += epoch
    ack = alert["ack"]
    if ack is not None:
        ack["at"] += epoch
        ack["until"] = None if ack["until"] is None else ack["until"] + epoch
    return {"run": run, "line": line(transition), **found}


def _titled(alert: Alert) -> str:
    text = alert.text
    return text if alert.title.lower() in text.lower() else f"{alert.title}: {text}"


def _named(alert: Alert) -> str:
    """What it is, and how often."""
    text = _titled(alert)
    if alert.count > 1 and f"{alert.count:,}" not in text and not alert.more:
        text += f" ({alert.count:,} times)"
    return text


def as_event(
    transition: Transition, epoch: float
) -> tuple[Literal["info", "warning", "error"], str, str, dict[str, Any]]:
    """Level, kind, text and data of the event of the stream that tells of it: ``alert.firing``, ``alert.resolved``,
    ``alert.acknowledged`` ... Its data has what the alert is about, without what became of it, as ``summary``, and as
    much of the alert's timeline as there is by then.
    """
    kind = transition.after if transition.change == "state" else transition.change
    level = _LEVELS[transition.severity] if transition.notify and transition.after != "resolved" else "info"
    data = _data(transition.alert, epoch) | {
        "severity": transition.severity, "state": transition.after, "notify": transition.notify,
    }  # fmt: skip
    if transition.why:
        data["why"] = transition.why
    return level, f"alert.{kind}", _sentence(transition), data


def as_update(alert: Alert, epoch: float) -> tuple[Literal["info"], str, str, dict[str, Any]]:
    """The event that only says how an alert is now, as of a transition ``update``."""
    return "info", "alert.update", _named(alert), _data(alert, epoch)


def _data(alert: Alert, epoch: float) -> dict[str, Any]:
    return {
        "rule": alert.rule, "fingerprint": alert.fingerprint, "alert": alert.number, "severity": alert.severity,
        "state": alert.state, "summary": _named(alert), "labels": alert.labels, "count": alert.count, "notify": False,
        "timeline": _timeline(alert, epoch),
    }  # fmt: skip


def _timeline(alert: Alert, epoch: float) -> dict[str, float | None]:
    found = msgspec.structs.asdict(alert.timeline)
    return {name: None if at is None else at + epoch for name, at in found.items()}


def as_row(alert: Alert, epoch: float, pools: Mapping[str, int]) -> dict[str, Any]:
    """The row of the table ``alerts`` about it, but for its run. `pools`: the numbers of pools by name."""
    timeline = alert.timeline
    began = timeline.happened if timeline.happened is not None else timeline.fired

    def wall(at: float | None) -> float | None:
        return None if at is None else at + epoch

    evidence = {
        "fingerprint": alert.fingerprint, "labels": alert.labels, "count": alert.count, "peak": alert.peak,
        "reopened": alert.reopened, "detected": wall(timeline.detected), "shown": wall(timeline.shown),
        "samples": [msgspec.to_builtins(sample) | {"at": sample.at + epoch} for sample in alert.samples],
        "ack": None if alert.ack is None else {"by": alert.ack.by, "note": alert.ack.note},
        "last": wall(timeline.last), "title": alert.title, "unit": alert.unit, "hint": alert.hint,
        "action": alert.action, "mode": alert.mode,
    }  # fmt: skip
    pool = pools.get(alert.labels.get("pool", ""))
    return {
        "number": alert.number, "rule": alert.rule, "level": alert.severity, "pool": pool,
        "agent": alert.labels.get("agent"), "began": wall(began) or 0.0, "fired": wall(timeline.fired),
        "resolved": wall(timeline.resolved), "acknowledged": None if alert.ack is None else wall(alert.ack.at),
        "value": alert.value, "threshold": alert.threshold, "text": alert.text,
        "evidence": msgspec.json.encode(evidence).decode(),
    }  # fmt: skip
