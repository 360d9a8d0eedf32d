"""How values and alerts read."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Mapping
from typing import Final

from engine.alerts.types import Match, Rule, Unit

_WORDS: Final = ("value", "count", "threshold", "text", "window")
"""What a summary may name beside labels."""


def amount(value: float, unit: Unit) -> str:
    """A value with its unit: ``12.5%``, ``340 ms``, ``1.5 GB``, ``1,200``."""
    if not math.isfinite(value):
        return str(value)
    match unit:
        case "ratio":
            return f"{value * 100:.3g}%" if abs(value) < 10 else f"{value:.3g}x"
        case "seconds":
            return duration(value)
        case "bytes":
            for name in ("B", "KB", "MB", "GB"):
                if abs(value) < 1000:
                    return f"{value:.3g} {name}"
                value /= 1024
            return f"{value:,.1f} TB"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def duration(seconds: float) -> str:
    """``250 ms``, ``10 s``, ``5 min``, ``2 h``, ``30 d``."""
    for limit, name, factor in (
        (1.0, "ms", 1e3),
        (120.0, "s", 1.0),
        (7200.0, "min", 1 / 60),
        (172_800.0, "h", 1 / 3600),
    ):
        if abs(seconds) < limit:
            return f"{seconds * factor:.3g} {name}" if seconds else "0 s"
    days = seconds / 86_400
    return f"{days:.3g} d" if abs(days) < 1000 else f"{days:,.0f} d"


def condition(rule: Rule) -> str:
    """When it fires: ``pool_hits / pool_assigned < 70%`` ..."""
    if rule.mode == "event":
        found = ", ".join(dict.fromkeys(map(_match, rule.on)))
        return f"{found}, {rule.min_samples} times in {duration(rule.window)}" if rule.min_samples > 1 else found
    what = rule.signal or ", ".join(dict.fromkeys(map(_match, rule.on)))
    if rule.mode == "absence":
        return f"no {what} for {duration(rule.window)}"
    if rule.mode == "ratio":
        what += f" / {rule.of}"
    bounds = []
    for threshold in rule.thresholds:
        if rule.mode == "rate":
            bounds.append(f"{amount(threshold.raised * 60, rule.unit)}/min")
        else:
            bounds.append(amount(threshold.raised, rule.unit))
    return f"{what} {'grows by' if rule.mode == 'rate' else '<' if rule.below else '>'} {', '.join(bounds)}"


def _match(match: Match) -> str:
    where = "; ".join(f"{name}: {' or '.join(values)}" for name, values in match.where)
    return f"{match.event} ({where})" if where else match.event


def fields_of(summary: str) -> list[str]:
    """The names in braces. Raises ValueError with a text for people where the braces are not right."""
    names = []
    try:
        for _, name, form, conversion in string.Formatter().parse(summary):
            if name is None:
                continue
            if not name.isidentifier() or form or conversion:
                raise ValueError
            names.append(name)
    except ValueError:
        raise ValueError(f"a text with names in braces such as {{value}}, not {summary!r}") from None
    return names


def unknown_field(summary: str, labels: Iterable[str]) -> str | None:
    """A name in braces that nothing is known for."""
    known = {*_WORDS, *labels}
    return next((name for name in fields_of(summary) if name not in known), None)


def fill(summary: str, labels: Mapping[str, str], words: Mapping[str, str]) -> str:
    """The summary with names filled in; what an alert has no label for is a question mark."""
    parts = []
    for text, name, _, _ in string.Formatter().parse(summary):
        parts.append(text)
        if name is not None:
            parts.append(words.get(name) or labels.get(name, "?"))
    return one_line("".join(parts))


def one_line(text: str, most: int = 300) -> str:
    """Without line ends and control characters, and not longer than that."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return text if len(text) <= most else text[: most - 1] + "…"
