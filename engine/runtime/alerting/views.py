"""Alerts as readers of the stream get them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from engine.alerts.types import Ack, Alert, Silence, Transition
from engine.stream.types import MESSAGE_MAX, AckView, AlertChanged, AlertsNow, AlertView, SilenceView, encoder

_HEAD: Final = 100
"""Bytes of a message beside its alerts and silences."""
_LONGEST: Final = 1000
"""Characters of what rules say for people: a file of one's own may say anything."""
_SILENCES: Final = 100
"""Silences of one message, the last ones ..."""
_SILENCES_BYTES: Final = MESSAGE_MAX // 4
"""... and their bytes."""


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
        _ack(alert.ack, epoch), alert.silence, alert.inhibited_by, alert.mode,
    )  # fmt: skip


def _ack(ack: Ack | None, epoch: float) -> AckView | None:
    if ack is None:
        return None
    return AckView(ack.by, ack.at + epoch, ack.note, None if ack.until is None else ack.until + epoch)


def changed(transition: Transition, epoch: float) -> AlertChanged:
    """What has become of an alert."""
    return AlertChanged(
        transition.at + epoch, transition.change, transition.before, transition.notify, transition.why,
        view(transition.alert, epoch), transition.number,
    )  # fmt: skip


def now(
    alerts: Iterable[Alert], silences: Iterable[Silence], at: float, epoch: float, last: int = 0
) -> list[AlertsNow]:
    """All there are, in as many messages as it takes. `at`: by the clock of the alerts; `last`: the number of the last
    transition."""
    quiet, used = _last([_silence(one, epoch) for one in silences])
    parts: list[list[AlertView]] = [[]]
    room = most = MESSAGE_MAX - _HEAD - used
    for alert in alerts:
        shown = view(alert, epoch)
        size = len(encoder.encode(shown))
        if size > room and parts[-1]:
            parts.append([])
            room = most
        parts[-1].append(shown)
        room -= size
    return [AlertsNow(at + epoch, part, quiet, number, len(parts), number=last) for number, part in enumerate(parts)]


def _silence(one: Silence, epoch: float) -> SilenceView:
    return SilenceView(one.id, dict(one.matchers), one.since + epoch, one.until + epoch, one.by, one.reason)


def _last(silences: Sequence[SilenceView]) -> tuple[list[SilenceView], int]:
    """As many of the last ones as there is room for, and their bytes."""
    used, first = 0, len(silences)
    while first > max(0, len(silences) - _SILENCES):
        size = len(encoder.encode(silences[first - 1]))
        if used + size > _SILENCES_BYTES:
            break
        used, first = used + size, first - 1
    return list(silences[first:]), used
