"""Rules, alerts and what becomes of them, as plain data.

All times are seconds of one clock, that of whoever feeds the core: it has none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

Severity: TypeAlias = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""The least first."""
Mode: TypeAlias = Literal["event", "level", "rate", "ratio", "absence"]
Area: TypeAlias = Literal["crash", "latency", "saturation", "error", "regression", "stale", "capacity", "self"]
"""What a rule is about."""
Policy: TypeAlias = Literal["ok", "tell", "alert"]
"""What a missing or unreadable value counts as: as one that is well; as a state of its own; as an alert."""
State: TypeAlias = Literal["normal", "pending", "firing", "recovering", "resolved", "nodata", "error"]
Unit: TypeAlias = Literal["ratio", "seconds", "bytes", "count"]

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, sorted by name: what an alert is about."""
Signals: TypeAlias = Mapping[str, Mapping[Labels, float]]
"""Values now, by the name of the signal and by labels. What is not known is left out."""
NOTHING: Final[Labels] = ()
"""The labels of what there is one of."""


def labels(**named: str) -> Labels:
    """Labels by name. Whoever feeds the core makes them once, and uses them again and again."""
    return tuple(sorted(named.items()))


class Threshold(msgspec.Struct, frozen=True):
    """From where on a value is this severe. Between the two bounds, it stays what it was."""

    severity: Severity
    raised: float
    """Beyond this the condition is true."""
    cleared: float
    """At this, or on the good side of it, it is no more."""


class Match(msgspec.Struct, frozen=True):
    """Events of a kind whose labels, where they are named, have one of the values."""

    event: str
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. Times are in seconds."""

    id: str
    title: str
    area: Area = msgspec.field(name="class")
    mode: Mode
    source: str
    """Where it is from: ``built-in``, or a file."""
    signal: str = ""
    unit: Unit = "count"
    """Of the value that is compared; a rate is in so much a second."""
    of: str = ""
    """What `signal` is a part of, where the rule is about a ratio."""
    counts: bool = False
    """The signals of a ratio, or of a rate, only ever grow."""
    on: tuple[Match, ...] = ()
    until: tuple[Match, ...] = ()
    """Events that end the alert."""
    below: bool = False
    """Little is bad, and not much."""
    thresholds: tuple[Threshold, ...] = ()
    """The least severe first."""
    window: float = 0.0
    """Over which a rate or the ratio of two counts is taken, or events are counted; how long what is absent may be."""
    relative: bool = False
    """A rate is in parts of the mean over the window; of a count, of what it was at the beginning."""
    lasting: float = msgspec.field(name="for", default=0.0)
    """How long the condition must be true without a break."""
    keep_for: float | None = 30.0
    """How long it must be false, or nothing more must have happened, for the alert to be resolved. None: for ever."""
    min_samples: int = 1
    """Events within the window; increments of `of` within the window; or evaluations in a row."""
    load: str = ""
    """A signal below `min_load` of which nothing is judged, and nothing counted."""
    min_load: float = 0.0
    by: tuple[str, ...] = ()
    """Of events: labels each set of which has an alert of its own."""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of signals: only those whose labels have one of the values."""
    inhibits: tuple[str, ...] = ()
    """Rules whose alerts are not told while this one fires."""
    equal: tuple[str, ...] = ()
    """Labels that must be the same in both for that."""
    max_alerts: int = 20
    """Beyond so many that fire, the rest is one alert: and so many more."""
    repeat: float | None = None
    """Tell again as long as it fires, this often."""
    no_data: Policy = "tell"
    on_error: Policy = "tell"
    stale_after: float = 10.0
    """How long a value may be missing."""
    summary: str
    """A line for people; ``{value}``, ``{count}`` and the names of labels in braces are filled in."""
    hint: str = ""
    """What is most likely the cause."""
    action: str = ""
    """What to do, for example a command."""
    enabled: bool = True


class Timeline(msgspec.Struct, frozen=True):
    """When what became known of an alert. None: not (yet)."""

    happened: float | None = None
    """When the cause came about, where that is known; else when it was seen first."""
    detected: float | None = None
    """When the core was told."""
    fired: float | None = None
    shown: float | None = None
    """When somebody could see it."""
    last: float | None = None
    """When the condition was true, or something happened, for the last time."""
    resolved: float | None = None


class Ack(msgspec.Struct, frozen=True):
    """Somebody has taken it on. Ends when it is resolved or gets more severe, and at `until`."""

    by: str
    at: float
    note: str = ""
    until: float | None = None


class Silence(msgspec.Struct, frozen=True):
    """Alerts that are not told for a while."""

    id: int
    matchers: dict[str, str]
    """By ``rule``, ``class``, ``severity`` or the name of a label: a text, ``*`` and ``?`` leave something open."""
    since: float
    until: float
    by: str
    reason: str


class Sample(msgspec.Struct, frozen=True):
    """An event that made an alert, or a value."""

    at: float
    text: str = ""
    value: float | None = None
    labels: dict[str, str] = {}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is at one moment."""

    fingerprint: str
    """The same for the same rule and labels, always."""
    number: int
    """Counts up with each alert that fires; what comes back soon after it was resolved keeps its number. 0: not yet."""
    rule: str
    title: str
    area: Area = msgspec.field(name="class")
    labels: dict[str, str]
    state: State
    severity: Severity
    text: str
    """One line."""
    hint: str
    action: str
    unit: Unit
    mode: Mode
    """Values of ``rate`` are of a second."""
    value: float | None
    threshold: float | None
    """The bound that the value is beyond, or was."""
    peak: float | None
    """The worst value so far."""
    count: int
    """Events that are folded in; how often it has fired, if it is not about events."""
    timeline: Timeline
    samples: tuple[Sample, ...]
    """The first events, and the last one."""
    ack: Ack | None
    silence: int | None
    """The id of a silence."""
    inhibited_by: str | None
    """The fingerprint of an alert."""
    flapping: bool
    reopened: int
    """How often it has come back soon after it was resolved."""
    more: int
    """Alerts that this one stands for, because there are too many of the rule."""


Change: TypeAlias = Literal[
    "state", "severity", "acknowledged", "unacknowledged", "silenced", "unsilenced", "inhibited", "uninhibited",
    "flapping", "steady", "update", "repeat",
]  # fmt: skip


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What changed about an alert."""

    number: int
    """Counts up from 1 without gaps."""
    at: float
    change: Change
    before: State
    after: State
    severity_before: Severity
    severity: Severity
    notify: bool
    """Whether people are to be told; the rest is for whoever keeps account."""
    why: str
    """Where that is not plain: who did it, or what ended it."""
    alert: Alert
    """As it is right after it."""

    @property
    def fingerprint(self) -> str:
        """Of the alert."""
        return self.alert.fingerprint
