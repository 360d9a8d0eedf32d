"""One alert, or one silence, told on as many lines as it takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tui import format as fmt
from tui.alerts import Entry
from tui.archive import PastAlert
from tui.run_lines import severity
from tui.widgets.columns import wrapped
from tui.widgets.lines import Line, Piece

_NAME: Final = 9
"""Cells of the names at the left."""


def detail_lines(entry: Entry, width: int, now: float) -> list[Line]:
    """All that is known of it. `now`: seconds since the Unix epoch, to say how long ago things were."""
    if entry.silence is not None:
        return _silence(entry, width, now)
    lines: list[Line] = [_head(entry, width)]
    lines += [((text, "strong"),) for text in wrapped(entry.text, width)]
    for name, told in (
        ("value", _value(entry)), ("timeline", _timeline(entry)), ("counts", _counts(entry)),
        ("labels", _labels(entry)), ("taken on", _acknowledged(entry, now)), ("silence", _silenced(entry)),
    ):  # fmt: skip
        lines += _named(name, told, width)
    alert, past = entry.alert, entry.past
    hint = alert.hint if alert is not None else past.hint if past is not None else ""
    action = alert.action if alert is not None else past.action if past is not None else ""
    lines += _named("likely", hint, width)
    lines += _named("to do", action, width)
    if past is not None and past.samples:
        lines += _evidence(past, entry.unit, width)
    return lines


def _named(name: str, told: str, width: int, ink: str = "") -> Iterator[Line]:
    """A name at the left and a text beside it, if there is one."""
    if not told:
        return
    for number, text in enumerate(wrapped(told, max(10, width - _NAME - 1))):
        yield ((fmt.pad("" if number else name, _NAME), "quiet"), (" ", ""), (text, ink))


def _head(entry: Entry, width: int) -> Line:
    word, ink = severity(entry.severity)
    alert, past = entry.alert, entry.past
    number = alert.number if alert is not None else past.number if past is not None else 0
    pieces: list[Piece] = [(word, ink), ("  ", ""), (entry.state, state_ink(entry)), ("  ", "")]
    pieces.append((fmt.clean(entry.rule), "brand"))
    if number:
        pieces.append((f"  #{number}", "quiet"))
    mark = alert.fingerprint if alert is not None else past.fingerprint if past is not None else ""
    used = sum(len(text) for text, _ in pieces)
    if mark and used + 10 <= width:
        pieces.append((f"  {mark[:8]}", "quiet"))
    if past is not None and alert is None and used + 12 + len(past.run) <= width:
        pieces.append((f"  run {fmt.clean(past.run)}", "quiet"))
    return tuple(pieces)


def state_ink(entry: Entry) -> str:
    """The colour of the word for how it is."""
    if entry.group != "firing":
        return "good" if entry.state == "resolved" else "quiet"
    return "strong" if entry.state in ("firing", "recovering", "can't tell", "no data") else "quiet"


def value_of(entry: Entry) -> str:
    """``93.2% / 90%``: the value, and what it is measured by."""
    if entry.value is None:
        return ""
    value = fmt.amount(entry.value, entry.unit)
    return value if entry.threshold is None else f"{value} / {fmt.amount(entry.threshold, entry.unit)}"


def _value(entry: Entry) -> str:
    if entry.value is None:
        return ""
    told = fmt.amount(entry.value, entry.unit)
    if entry.threshold is not None:
        told += f", the threshold is {fmt.amount(entry.threshold, entry.unit)}"
    peak = entry.alert.peak if entry.alert is not None else entry.past.peak if entry.past is not None else None
    if peak is not None and peak != entry.value:
        told += f"; at the worst {fmt.amount(peak, entry.unit)}"
    return told


def _timeline(entry: Entry) -> str:
    """Happened, detected, fired, shown, resolved: the moment of the first, and how long after it each of the others."""
    source = entry.alert if entry.alert is not None else entry.past
    if source is None:
        return ""
    parts: list[str] = []
    began = source.happened
    for name, at in (
        ("happened", source.happened), ("detected", source.detected), ("fired", source.fired), ("shown", source.shown),
        ("resolved", source.resolved),
    ):  # fmt: skip
        if at is None:
            continue
        if not parts:
            began = at
            parts.append(f"{name} {fmt.of_day(at)}.{int(at * 1000) % 1000:03d}")
        else:
            assert began is not None
            parts.append(f"{name} +{delay(at - began)}")
    return " → ".join(parts)


def delay(seconds: float) -> str:
    """A delay in milliseconds, from ten seconds on as a duration."""
    return f"{seconds * 1000:.1f} ms" if abs(seconds) < 10 else fmt.duration(seconds)


def _counts(entry: Entry) -> str:
    parts = [_times(entry.count)] if entry.count > 1 else []
    alert, past = entry.alert, entry.past
    reopened = alert.reopened if alert is not None else past.reopened if past is not None else 0
    if reopened:
        parts.append(f"came back {_times(reopened)}")
    if alert is not None:
        if alert.more:
            parts.append(f"stands for {fmt.count(alert.more)} more")
        if alert.flapping:
            parts.append("flapping")
    return ", ".join(parts)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{fmt.count(count)} times"


def _labels(entry: Entry) -> str:
    source = entry.alert if entry.alert is not None else entry.past
    return "" if source is None else "  ".join(f"{name}={value}" for name, value in source.labels.items() if name)


def _acknowledged(entry: Entry, now: float) -> str:
    alert, past = entry.alert, entry.past
    if alert is not None:
        if alert.ack is None:
            return ""
        note = f": {alert.ack.note}" if alert.ack.note else ""
        until = f", until {fmt.of_day(alert.ack.until)}" if alert.ack.until is not None else ""
        return f"by {alert.ack.by}, {fmt.age(now - alert.ack.at)} ago{until}{note}"
    if past is not None and past.acknowledged is not None:
        return f"by {past.by}, {fmt.date(past.acknowledged)}" + (f": {past.note}" if past.note else "")
    return ""


def _silenced(entry: Entry) -> str:
    alert = entry.alert
    if alert is None:
        return ""
    if alert.silence is not None:
        return f"nobody is told of it: silence {alert.silence} (u ends that)"
    return "" if alert.inhibited_by is None else "nobody is told of it: another alert is its cause"


def _evidence(past: PastAlert, unit: str, width: int) -> Iterator[Line]:
    yield (("evidence", "brand"), (f"  the last {len(past.samples)}" if len(past.samples) > 1 else "", "quiet"))
    for sample in past.samples:
        value = "" if sample.value is None else fmt.amount(sample.value, unit)
        head = f"{fmt.of_day(sample.at)}.{int(sample.at * 1000) % 1000:03d}"
        told = "  ".join(filter(None, (value, sample.text, sample.agent if sample.agent not in sample.text else "")))
        yield ((head, "quiet"), ("  ", ""), (fmt.fit(told, width - len(head) - 2), ""))


def _silence(entry: Entry, width: int, now: float) -> list[Line]:
    silence = entry.silence
    assert silence is not None
    lines: list[Line] = [
        (("silence", "strong"), (f"  #{silence.id}", "quiet"), ("  ", ""), (fmt.fit(entry.rule, width - 14), "brand"))
    ]
    left = fmt.age(silence.until - now)
    lines += _named("until", f"{fmt.date(silence.until)}, {left} more", width)
    lines += _named("since", fmt.date(silence.since), width)
    lines += _named("because", silence.reason, width)
    lines += _named("by", silence.by, width)
    return lines
