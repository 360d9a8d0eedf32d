"""What people write when they mean an alert, or alerts that they want to hear nothing of."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.runtime.control.refusal import Refusal

if TYPE_CHECKING:
    from engine.alerts.core import AlertCore
    from engine.alerts.types import Alert

_FAMILIAR: Final = 100
"""Characters of what somebody wrote that are said again."""
_CLASSES: Final = ("info", "warning", "critical")


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


def matchers_of(words: Iterable[str], rules: Mapping[str, Any]) -> dict[str, str]:
    """``RULE`` and ``LABEL=VALUE`` as the matchers of a silence; all of them must match. Raises `Refusal`."""
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
            _check(value, _CLASSES, "severity")
        found[name] = value
    return found


def _check(value: str, known: Container[str], what: str) -> None:
    from engine.settings.fields import nearest

    if value not in known and not any(sign in value for sign in "*?["):
        names = known if isinstance(known, Iterable) else ()
        raise Refusal(f"no {what} {value[:_FAMILIAR]!r}{nearest(value, names)}")
