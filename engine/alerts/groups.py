"""Alerts as rows: many of a rule are one, which shows the worst of them and opens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engine.alerts.types import SEVERITIES, Alert, Group, Labels, Rule, State

_RANK: Final[dict[State, int]] = {
    "firing": 0, "error": 1, "nodata": 2, "recovering": 3, "pending": 4, "resolved": 5, "normal": 6,
}  # fmt: skip


def order(alert: Alert) -> tuple[int, int, int, float]:
    """What to sort by: what fires and nobody has seen to, then the most severe, then the newest."""
    quiet = alert.ack is not None or alert.silence is not None or alert.inhibited_by is not None
    timeline = alert.timeline
    at = timeline.fired or timeline.detected or 0.0
    return _RANK[alert.state], int(quiet), -SEVERITIES.index(alert.severity), -at


def grouped(alerts: Iterable[Alert], rules: Mapping[str, Rule]) -> list[Group]:
    """Rows for alerts, the most urgent first."""
    found: dict[tuple[str, Labels], list[Alert]] = {}
    for alert in sorted(alerts, key=order):
        names = rules[alert.rule].group_by
        key = tuple((name, alert.labels[name]) for name in names if name in alert.labels)
        found.setdefault((alert.rule, key), []).append(alert)
    return [_group(dict(key), members) for (_, key), members in found.items()]


def _group(named: dict[str, str], members: list[Alert]) -> Group:
    first = members[0]
    many = sum(max(1, alert.more) for alert in members)
    text = first.text if len(members) == 1 else f"{many} × {first.title}: {first.text}"
    return Group(
        rule=first.rule,
        title=first.title,
        labels=named,
        severity=max((alert.severity for alert in members), key=SEVERITIES.index),
        state=first.state,
        text=text,
        count=sum(alert.count for alert in members),
        quiet=all(order(alert)[1] for alert in members),
        alerts=tuple(members),
    )
