"""Which alerts come first where they are listed."""

from __future__ import annotations

from typing import Final

from engine.alerts.types import SEVERITIES, Alert, State

_RANK: Final[dict[State, int]] = {
    "firing": 0, "error": 1, "nodata": 2, "recovering": 3, "pending": 4, "resolved": 5, "normal": 6,
}  # fmt: skip


def order(alert: Alert) -> tuple[int, int, int, float]:
    """What to sort by: what fires and nobody has seen to, then the most severe, then the newest."""
    quiet = alert.ack is not None or alert.silence is not None or alert.inhibited_by is not None
    timeline = alert.timeline
    at = timeline.fired or timeline.detected or 0.0
    return _RANK[alert.state], int(quiet), -SEVERITIES.index(alert.severity), -at
