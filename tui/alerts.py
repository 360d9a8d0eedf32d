"""Alerts as a list: those that fire, those that may, what is silenced, and what has been. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.stream.types import AlertView, SilenceView
from tui.archive import PastAlert
from tui.view import View

Group: TypeAlias = Literal["firing", "pending", "silences", "resolved", "earlier"]

_RANK: Final = {"critical": 0, "warning": 1, "info": 2}
_GROUPS: Final[dict[str, Group]] = {
    "firing": "firing", "recovering": "firing", "error": "firing", "nodata": "firing", "pending": "pending",
    "resolved": "resolved", "normal": "resolved",
}  # fmt: skip
TITLES: Final[dict[Group, str]] = {
    "firing": "firing",
    "pending": "pending  it is true, and not yet for long enough",
    "silences": "silences in force",
    "resolved": "resolved",
    "earlier": "earlier",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the list: an alert of now, one of the record, or a silence.

    Attributes:
        key: its identity, whatever becomes of it.
        group: under which heading it stands.
        severity: ``info``, ``warning``, ``critical``; "" for a silence.
        state: a word for how it is.
        rule: whose it is; of a silence, what it is about.
        at: when it fired, or began, in seconds since the Unix epoch.
        text: what it says, one line.
        unit: of its values, as `format.amount` has it.
        run: of one of the record, its run.
    """

    key: str
    group: Group
    severity: str
    state: str
    rule: str
    at: float | None
    text: str
    count: int = 0
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    run: str = ""
    alert: AlertView | None = None
    past: PastAlert | None = None
    silence: SilenceView | None = None

    @property
    def agent(self) -> str:
        """The agent that it is about, "" for none."""
        named = "" if self.alert is None else self.alert.labels.get("agent", "")
        return named or ("" if self.past is None else self.past.agent)

    @property
    def can_acknowledge(self) -> bool:
        """Whether somebody may take it on: it fires, and nobody has."""
        return self.alert is not None and self.group == "firing" and self.alert.number > 0 and self.alert.ack is None

    @property
    def can_silence(self) -> bool:
        """Whether one may ask for silence about it."""
        return self.alert is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back: a silence, or an acknowledgement."""
        if self.silence is not None:
            return True
        return self.alert is not None and (self.alert.silence is not None or self.alert.ack is not None)


def titled(title: str, text: str) -> str:
    """The text of an alert, with its title before it where that says more."""
    return text if not title or title.lower() in text.lower() else f"{title}: {text}"


def unit_of(alert: AlertView | PastAlert) -> str:
    """The unit of its values, as `format.amount` has it: of how fast something grows, that of a minute."""
    by_minute = alert.mode == "rate"
    if not alert.mode and alert.value is not None and "/min" in alert.text:
        # An older version did not say it: its text did, as the engine writes it.
        told = alert.value * 60
        forms = f"{told:.3g}", f"{told:,.0f}", f"{told * 100:.3g}%", f"{told:.3g}x"
        by_minute = any(f"{form}/min" in alert.text for form in forms)
    return f"{alert.unit}/min" if by_minute else alert.unit


def _state(alert: AlertView) -> str:
    """How it is in a word; what people have done about it counts more than that it fires."""
    if alert.state in ("resolved", "normal", "pending"):
        return "resolved" if alert.state == "normal" else alert.state
    if alert.ack is not None:
        return "acknowledged"
    if alert.silence is not None:
        return "silenced"
    if alert.inhibited_by is not None:
        return "inhibited"
    return {"nodata": "no data", "error": "can't tell"}.get(alert.state, alert.state)


def of_now(alert: AlertView, past: PastAlert | None = None) -> Entry:
    """The row of an alert of the run on view; `past`: what is recorded of the same."""
    at = alert.fired if alert.fired is not None else alert.happened
    return Entry(
        f"alert:{alert.fingerprint}", _GROUPS.get(alert.state, "firing"), alert.severity, _state(alert), alert.rule,
        at, titled(alert.title, alert.text), alert.count, alert.value, alert.threshold, unit_of(alert), "", alert, past,
    )  # fmt: skip


def of_record(alert: PastAlert) -> Entry:
    """The row of an alert of the record."""
    at = alert.fired if alert.fired is not None else alert.happened
    state = "resolved" if alert.resolved is not None else "not resolved"
    return Entry(
        f"past:{alert.run}/{alert.number}", "earlier", alert.severity, state, alert.rule, at,
        titled(alert.title, alert.text), alert.count, alert.value, alert.threshold, unit_of(alert), alert.run, None,
        alert,
    )  # fmt: skip


def of_silence(silence: SilenceView) -> Entry:
    """The row of a silence."""
    what = " ".join(f"{name}={value}" for name, value in silence.matchers.items())
    text = f"{silence.reason}  ({silence.by})"
    return Entry(f"silence:{silence.id}", "silences", "", "silence", what, silence.since, text, silence=silence)


def entries(view: View, past: Sequence[PastAlert], here: str = "") -> list[Entry]:
    """All rows, group by group; in each the most severe first, and of these the newest. `past`: what the record has;
    `here`: the run on view, whose alerts are not told of twice.

    A replay knows nothing of what came after the moment that it shows.
    """
    known = {alert.number: alert for alert in past if alert.run == here}
    shown: set[int] = set()
    found: list[Entry] = []
    for alert in view.alerts.values():
        if alert.state == "normal" and not alert.number:
            continue  # it never fired
        recorded = known.get(alert.number) if alert.number else None
        if recorded is not None and recorded.rule == alert.rule:
            shown.add(alert.number)
        else:
            recorded = None
        found.append(of_now(alert, recorded))
    found += map(of_silence, view.silences)
    now = None if view.replay is None else view.replay.at
    for one in past:
        began = one.fired if one.fired is not None else one.happened
        if (one.run == here and one.number in shown) or (now is not None and began > now):
            continue
        found.append(of_record(one))
    order = list(TITLES)
    return sorted(found, key=lambda entry: (order.index(entry.group), *_place(entry)))


def _place(entry: Entry) -> tuple[float, float]:
    """Within its group: what has been by time alone, what is by severity before that."""
    at = -(entry.at or 0.0)
    return (0.0, at) if entry.group in ("earlier", "silences") else (float(_RANK.get(entry.severity, 3)), at)


def grouped(found: Iterable[Entry]) -> dict[Group, list[Entry]]:
    """Rows by their groups, in order; only groups that have some."""
    groups: dict[Group, list[Entry]] = {}
    for entry in found:
        groups.setdefault(entry.group, []).append(entry)
    return groups


def matchers(alert: AlertView, whole_rule: bool) -> list[str]:
    """What a silence about an alert is to match: its rule, and unless it is about all of that, its labels."""
    labels: Mapping[str, str] = {} if whole_rule else alert.labels
    # A label is a pattern there: what would leave something open stands for itself.
    return [alert.rule, *(f"{name}={_literal(value)}" for name, value in labels.items() if name and value)]


def _literal(value: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in value)


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span(text: str) -> float:
    """Seconds of ``90s``, ``10m``, ``1h``, ``2d``; minutes where no unit is given. Raises ValueError with one line."""
    text = text.strip().lower()
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "m")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        raise ValueError(f"{text!r} is no time such as 90s, 10m, 1h or 2d") from None
    if not 0 < seconds < 1e9:
        raise ValueError(f"{text!r} is no time such as 90s, 10m, 1h or 2d")
    return seconds
