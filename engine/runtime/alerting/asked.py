"""What people write when they mean an alert, or alerts that they want to hear nothing of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, get_args

from engine.runtime.control.refusal import Refusal

if TYPE_CHECKING:
    from engine.alerts.core import AlertCore
    from engine.alerts.types import Alert, Rule

_FAMILIAR: Final = 100
"""Characters of what somebody wrote that are said again."""


def named(core: AlertCore, text: str) -> Alert:
    """The alert that fires and has this number, or whose fingerprint begins so. Raises `Refusal`."""
    firing = [alert for alert in core.alerts() if alert.number]
    found = [alert for alert in firing if text == str(alert.number)] or [
        alert for alert in firing if text and alert.fingerprint.startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refusal(f"{text[:_FAMILIAR]!r} could be {' or '.join(alert.fingerprint for alert in found)}")
    known = ", ".join(str(alert.number) for alert in firing[:20])
    raise Refusal(f"no alert {text[:_FAMILIAR]!r} fires" + (f"; those that do: {known}" if known else "; none does"))


def matchers_of(words: Iterable[str], rules: Mapping[str, Rule]) -> dict[str, str]:
    """``RULE`` and ``LABEL=VALUE`` as the matchers of a silence; all of them must match. Raises `Refusal`."""
    from engine.alerts.types import SEVERITIES, Area

    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            name, value = "rule", word
        if not name or not value:
            raise Refusal(f"{word[:_FAMILIAR]!r} is neither the name of a rule nor such as pool=main")
        if name in found:
            raise Refusal(f"{name} is named twice: one silence for each")
        if name == "rule":
            _check(value, rules, "rule")
        elif name == "severity":
            _check(value, SEVERITIES, "severity")
        elif name == "class":
            _check(value, get_args(Area), "class")
        else:
            _check(name, labels_of(rules.values()), "label of any alert is called")
        found[name] = value
    return found


def labels_of(rules: Iterable[Rule]) -> list[str]:
    """The names of labels that alerts of these rules may have."""
    from engine.alerts.signals import SIGNALS

    found: set[str] = set()
    for rule in rules:
        found.update(rule.by, SIGNALS[rule.signal].labels if rule.signal else ())
    return sorted(found)


def _check(value: str, known: Collection[str], what: str) -> None:
    from engine.settings.fields import nearest

    if value not in known and not any(sign in value for sign in "*?["):
        raise Refusal(f"no {what} {value[:_FAMILIAR]!r}{nearest(value, known)}")
