"""An alert as it is now, for whoever wants to know."""

from __future__ import annotations

from engine.alerts.states import Instance
from engine.alerts.types import Alert, Timeline
from engine.alerts.wording import amount, duration, fill


def alert_of(instance: Instance) -> Alert:
    """The alert of an instance."""
    rule = instance.rule
    threshold = None
    if rule.signal and rule.mode != "absence":
        threshold = next(found.raised for found in rule.thresholds if found.severity == instance.severity)
    named = dict(instance.labels)
    return Alert(
        fingerprint=instance.fingerprint,
        number=instance.number,
        rule=rule.id,
        title=rule.title,
        area=rule.area,
        labels={} if instance.more else named,
        state=instance.state,
        severity=instance.severity,
        text=_text(instance, named, threshold),
        hint=rule.hint,
        action=rule.action,
        unit=rule.unit,
        mode=rule.mode,
        value=instance.value,
        threshold=threshold,
        peak=instance.peak,
        count=instance.count,
        timeline=Timeline(
            instance.happened, instance.detected, instance.fired, instance.shown, instance.last, instance.resolved
        ),
        samples=tuple(instance.samples),
        ack=instance.ack,
        silence=instance.silence,
        inhibited_by=instance.inhibited_by,
        flapping=instance.flapping,
        reopened=instance.reopened,
        more=instance.more,
    )


def _text(instance: Instance, named: dict[str, str], threshold: float | None) -> str:
    rule = instance.rule
    if instance.more:
        return f"and {instance.more:,} more: {rule.title}"
    if instance.forced:
        return f"{rule.title}: {instance.forced}"

    def written(value: float | None) -> str:
        if value is None:
            return "unknown"
        return f"{amount(value * 60, rule.unit)}/min" if rule.mode == "rate" else amount(value, rule.unit)

    words = {
        "value": written(instance.value),
        "threshold": written(threshold),
        "count": f"{instance.count:,}",
        "text": instance.text or rule.title,
        "window": duration(rule.window),
    }
    return fill(rule.summary, named, words)
