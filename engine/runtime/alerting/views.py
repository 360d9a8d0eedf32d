"""Alerts as readers of the stream get them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from engine.alerts.types import Ack, Alert, Silence, Transition
from engine.stream.types import AckView, AlertChanged, AlertsNow, AlertView, SilenceView

_MANY: Final = 25
"""Alerts of one message: with the longest texts there can be, it still fits."""
_LONGEST: Final = 1000
"""Characters of what rules say for people: a file of one's own may say anything."""
_SILENCES: Final = 100
"""Silences of one message."""


def view(alert: Alert, epoch: float) -> AlertView:
    """An alert, its times in seconds since the Unix epoch. `epoch`: what that clock says when the alert's is 0."""

    def wall(at: float | None) -> float | None:
        return None if at is None else at + epoch

    line = alert.timeline
    return AlertView(
        alert.number, alert.fingerprint, alert.rule, alert.title[:_LONGEST], alert.area, alert.severity, alert.state,
        alert.text, alert.labels, alert.hint[:_LONGEST], alert.action[:_LONGEST], alert.unit, alert.value,
        alert.threshold, alert.peak, alert.count, alert.more, alert.reopened, alert.flapping, wall(line.happened),
        wall(line.detected), wall(line.fired), wall(line.shown), wall(line.last), wall(line.resolved),
        _ack(alert.ack, epoch), alert.silence, alert.inhibited_by,
    )  # fmt: skip


def _ack(ack: Ack | None, epoch: float) -> AckView | None:
    if ack is None:
        return None
    return AckView(ack.by, ack.at + epoch, ack.note, None if ack.until is None else ack.until + epoch)


def changed(transition: Transition, epoch: float) -> AlertChanged:
    """What has become of an alert."""
    return AlertChanged(
        transition.at + epoch, transition.change, transition.before, transition.notify, transition.why,
        view(transition.alert, epoch),
    )  # fmt: skip


def now(alerts: Sequence[Alert], silences: Iterable[Silence], at: float, epoch: float) -> list[AlertsNow]:
    """All there are, in as many messages as it takes. `at`: by the clock of the alerts."""
    quiet = [
        SilenceView(one.id, dict(one.matchers), one.since + epoch, one.until + epoch, one.by, one.reason)
        for one in silences
    ][-_SILENCES:]
    parts = [alerts[first : first + _MANY] for first in range(0, len(alerts), _MANY)] or [[]]
    return [
        AlertsNow(at + epoch, [view(alert, epoch) for alert in part], quiet, number, len(parts))
        for number, part in enumerate(parts)
    ]
