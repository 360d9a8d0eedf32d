"""The keys of a rule: which there are, in which modes, and what each may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from engine.alerts.reading import Table, closest
from engine.alerts.signals import EVENTS, SIGNALS, Signal
from engine.alerts.types import SEVERITIES, Area, Match, Mode, Policy, Rule, Severity, Threshold, Unit
from engine.alerts.values import parse_amount, parse_rate
from engine.alerts.wording import amount, unknown_field
from engine.settings.fields import nearest, shown

_MODES: Final = frozenset(get_args(Mode))
_MEASURED: Final = frozenset({"level", "rate", "ratio"})
_SIGNALS: Final = _MEASURED | {"absence"}
_EVENTS: Final = frozenset({"event", "absence"})
_KEYS: Final[dict[str, frozenset[str]]] = {
    "title": _MODES, "class": _MODES, "mode": _MODES, "enabled": _MODES, "summary": _MODES, "hint": _MODES,
    "action": _MODES, "keep_for": _MODES, "inhibits": _MODES, "equal": _MODES,
    "max_alerts": _MODES, "repeat": _MODES,
    "signal": _SIGNALS, "where": _SIGNALS,
    "of": frozenset({"ratio"}), "relative": frozenset({"rate"}),
    "when": _MEASURED, "info": _MEASURED, "warning": _MEASURED, "critical": _MEASURED, "for": _MEASURED,
    "load": _MEASURED, "min_load": _MEASURED, "no_data": _MEASURED, "on_error": _MEASURED,
    "stale_after": _MEASURED,
    "on": _EVENTS, "by": _EVENTS, "severity": _EVENTS, "until": frozenset({"event"}),
    "within": frozenset({"absence"}), "min_samples": _MODES - {"absence"},
    "window": frozenset({"event", "rate", "ratio"}),
}  # fmt: skip
"""Each key, and the modes that have it."""
_LARGEST_CAP: Final = 500
_LARGEST_COUNT: Final = 1_000_000


def known_keys() -> Mapping[str, frozenset[str]]:
    """All keys of rules, and the modes that have them."""
    return _KEYS


class Reader(Table):
    """Makes a rule of a table, and puts down all that is wrong with it."""

    def __init__(self, name: str, table: Mapping[str, Any], source: str) -> None:
        super().__init__(table)
        self._name = name
        self._source = source

    def rule(self) -> Rule | None:
        """The rule, None if something is wrong with it."""
        mode = self._choice("mode", Mode, None)
        if mode is None:
            if "mode" not in self._table:
                self._say("mode", f"is missing; one of {', '.join(get_args(Mode))}")
            return None
        for key in self._table:
            if mode not in _KEYS[key]:
                self._say(key, f"mode {mode} has no such key; that is for {', '.join(sorted(_KEYS[key]))}")
        rule = self._make(mode)
        return None if self.wrong else rule

    # -- the rule as a whole -------------------------------------------------------------------------------------------

    def _make(self, mode: Mode) -> Rule:
        signal, of = self._signals(mode)
        on, until = self._matches("on"), self._matches("until")
        self._need(mode, on)
        relative = self._switch("relative", False)
        unit = self._unit(mode, signal, relative)
        below = self._choice_of("when", ("above", "below"), "above") == "below"
        thresholds = self._thresholds(mode, unit, below, signal)
        window = self._span("within" if mode == "absence" else "window", 0.0 if mode == "level" else 60.0, least=0.001)
        labels = self._labels(mode, signal, on)
        return Rule(
            id=self._name,
            title=self._text("title", self._name.replace("-", " ")),
            area=self._choice("class", Area, "saturation") or "saturation",
            mode=mode,
            source=self._source,
            signal="" if signal is None else self._table["signal"],
            unit=unit,
            of="" if of is None else self._table["of"],
            counts=signal is not None and signal.counts,
            on=on,
            until=until,
            below=below,
            thresholds=thresholds,
            window=window,
            relative=relative,
            lasting=self._span("for", 0.0),
            keep_for=self._keep_for(mode, bool(until)),
            min_samples=self._whole("min_samples", 1, _LARGEST_COUNT if mode == "ratio" else 10_000),
            load=self._load(signal),
            min_load=self._min_load(),
            by=self._by(mode, labels),
            where=self._where(labels),
            inhibits=self._texts("inhibits"),
            equal=self._names("equal", None),
            max_alerts=self._whole("max_alerts", 20, _LARGEST_CAP),
            repeat=self._span("repeat", 0.0, least=1.0) or None,
            no_data=self._choice("no_data", Policy, "tell") or "tell",
            on_error=self._choice("on_error", Policy, "tell") or "tell",
            stale_after=self._span("stale_after", 10.0),
            summary=self._summary(mode, labels),
            hint=self._text("hint", ""),
            action=self._text("action", ""),
            enabled=self._switch("enabled", True),
        )

    def _need(self, mode: Mode, on: tuple[Match, ...]) -> None:
        if mode == "event" and not on and "on" not in self._table:
            self._say("on", 'is missing: the events it is about, such as on = ["agent.died"]')
        if mode == "absence" and ("on" in self._table) == ("signal" in self._table):
            self._say("on", "absence is of a signal, or of events: give signal or on")
        if mode == "absence" and "within" not in self._table:
            self._say("within", 'is missing: how long it may stay away, such as within = "10s"')
        if mode == "event" and self._table.get("min_samples", 1) != 1 and "window" not in self._table:
            self._say("window", f"is missing: min_samples = {shown(self._table['min_samples'])} within how long?")
        if mode == "rate" and "window" not in self._table:
            self._say("window", 'is missing: over how long the rate is taken, such as window = "30s"')

    def _signals(self, mode: Mode) -> tuple[Signal | None, Signal | None]:
        signal = self._signal("signal", required=mode in _MEASURED)
        of = self._signal("of", required=mode == "ratio")
        if mode == "level" and signal is not None and signal.counts:
            self._say("signal", f"{self._table['signal']} only ever grows: take its rate, or a ratio")
        if mode == "ratio" and signal is not None and of is not None:
            if signal.counts is not of.counts:
                one, other = (self._table[key] for key in (("signal", "of") if signal.counts else ("of", "signal")))
                self._say("of", f"{one} counts, and {other} does not: a ratio is of two that are alike")
            elif signal.labels != of.labels:
                self._say("of", f"{self._table['signal']} and {self._table['of']} have different labels")
            elif signal.counts and "window" not in self._table:
                self._say("window", 'is missing: over how long they are counted, such as window = "30s"')
        return signal, of

    def _signal(self, key: str, required: bool) -> Signal | None:
        name = self._table.get(key)
        if name is None:
            if required:
                self._say(key, "is missing: the name of a signal, such as queue_depth")
            return None
        if not isinstance(name, str):
            self._say(key, f"the name of a signal, not {shown(name)}")
            return None
        found = SIGNALS.get(name)
        if found is None:
            self._say(key, f"no signal {name!r}{closest(name, SIGNALS)}")
        return found

    def _unit(self, mode: Mode, signal: Signal | None, relative: bool) -> Unit:
        if mode == "ratio" or relative:
            return "ratio"
        if mode == "absence":
            return "seconds"
        return "count" if signal is None else signal.unit

    # -- thresholds ----------------------------------------------------------------------------------------------------

    def _thresholds(self, mode: Mode, unit: Unit, below: bool, signal: Signal | None) -> tuple[Threshold, ...]:
        if mode in _EVENTS:
            return (Threshold(self._choice("severity", Severity, "warning") or "warning", 0.0, 0.0),)
        found: list[Threshold] = []
        most = (
            1.0 if mode == "ratio" and signal is not None and signal.counts else None if signal is None else signal.most
        )
        for severity in SEVERITIES:
            table = self._table.get(severity)
            if table is None or table is False:
                continue
            one = self._threshold(mode, severity, table, unit, below, most)
            if one is not None:
                self._check_beside(found[-1] if found else None, one, unit, below)
                found.append(one)
        if not found and not any(key.partition(".")[0] in SEVERITIES for key, _ in self.wrong):
            self._say("warning", 'is missing (or critical, info): such as warning = { raise = "90%", clear = "85%" }')
        return tuple(found)

    def _threshold(
        self, mode: Mode, severity: Severity, table: object, unit: Unit, below: bool, most: float | None
    ) -> Threshold | None:
        if not isinstance(table, dict):
            self._say(severity, f'such as {{ raise = "90%", clear = "85%" }}, not {shown(table)}')
            return None
        bad = False
        for key in table:
            if key not in ("raise", "clear"):
                self._say(f"{severity}.{key}", f"unknown key{nearest(key, ['raise', 'clear'])}")
                bad = True
        bounds: dict[str, float] = {}
        for key in ("raise", "clear"):
            if key not in table:
                self._say(f"{severity}.{key}", "is missing: a condition begins at raise, and is over at clear")
                continue
            try:
                value = parse_rate(table[key], unit) if mode == "rate" else parse_amount(table[key], unit)
                if most is not None and not 0 <= value <= most:
                    raise ValueError(f"from 0 to {most:g} (100%), not {shown(table[key])}")
                bounds[key] = value
            except ValueError as error:
                self._say(f"{severity}.{key}", str(error))
        if bad or len(bounds) < 2:
            return None
        raised, cleared = bounds["raise"], bounds["clear"]
        if (cleared <= raised) if below else (cleared >= raised):
            side, when = ("above", "above") if below else ("below", "below")
            hint = f', or say when = "{when}"' if cleared != raised else ""
            self._say(f"{severity}.clear", f"must lie {side} raise, which is {shown(table['raise'])}{hint}")
            return None
        return Threshold(severity, raised, cleared)

    def _check_beside(self, lower: Threshold | None, upper: Threshold, unit: Unit, below: bool) -> None:
        if lower is None:
            return
        sign = -1.0 if below else 1.0
        if sign * upper.raised <= sign * lower.raised:
            text = f"must lie beyond that of {lower.severity}, which is {amount(lower.raised, unit)}"
            self._say(f"{upper.severity}.raise", text)
        elif sign * upper.cleared < sign * lower.cleared:
            text = f"must not lie on the good side of that of {lower.severity}, which is {amount(lower.cleared, unit)}"
            self._say(f"{upper.severity}.clear", text)

    def _load(self, signal: Signal | None) -> str:
        found = self._signal("load", required="min_load" in self._table)
        if found is None:
            return ""
        name: str = self._table["load"]
        if found.counts:
            self._say("load", f"{name} only ever grows: how much is going on is told by what goes up and down")
        elif found.labels and signal is not None and found.labels != signal.labels:
            self._say("load", f"{name} and {self._table['signal']} have different labels")
        if "min_load" not in self._table:
            self._say("min_load", f"is missing: below which {name} nothing is judged")
        return name

    def _min_load(self) -> float:
        name = self._table.get("load")
        found = SIGNALS.get(name) if isinstance(name, str) else None
        if found is None or "min_load" not in self._table:
            return 0.0
        return self._parsed("min_load", lambda value: parse_amount(value, found.unit), 0.0)

    def _keep_for(self, mode: Mode, ended: bool) -> float | None:
        value = self._table.get("keep_for")
        if value == "forever":
            return None
        if value is None:
            return None if ended else 30.0
        return self._span("keep_for", 30.0, least=0.001 if mode == "event" else 0.0)

    # -- labels --------------------------------------------------------------------------------------------------------

    def _labels(self, mode: Mode, signal: Signal | None, on: tuple[Match, ...]) -> tuple[str, ...] | None:
        """What the alerts of the rule can be told apart by; None if that is not known."""
        if signal is not None:
            return signal.labels
        if not on:
            return None
        return tuple(dict.fromkeys(label for match in on for label in EVENTS[match.event]))

    def _matches(self, key: str) -> tuple[Match, ...]:
        value = self._table.get(key)
        if value is None:
            return ()
        example = 'a list of events such as ["agent.died", { event = "agent.died", why = ["memory"] }]'
        if not isinstance(value, list) or not value:
            self._say(key, f"{example}, not {shown(value)}")
            return ()
        found: list[Match] = []
        for one in value:
            table = {"event": one} if isinstance(one, str) else one
            if not isinstance(table, dict) or not isinstance(table.get("event"), str):
                self._say(key, f"{example}, not {shown(one)}")
                continue
            kinds = self._kinds(key, table["event"])
            if kinds:
                rest = {name: wanted for name, wanted in table.items() if name != "event"}
                known = tuple(dict.fromkeys(label for kind in kinds for label in EVENTS[kind]))
                where = self._patterns(key, rest, known)
                found += [Match(kind, where) for kind in kinds]
        return tuple(found)

    def _kinds(self, key: str, name: str) -> list[str]:
        if name in EVENTS:
            return [name]
        kinds = [kind for kind in EVENTS if name.endswith(".*") and kind.startswith(name[:-1])]
        if not kinds:
            self._say(key, f"no event {name!r}{closest(name, EVENTS)}")
        return kinds

    def _where(self, labels: tuple[str, ...] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
        value = self._table.get("where")
        if value is None:
            return ()
        if not isinstance(value, dict):
            self._say("where", f'labels and their values, such as {{ pool = ["main"] }}, not {shown(value)}')
            return ()
        return self._patterns("where", value, labels)

    def _patterns(
        self, key: str, table: Mapping[str, Any], labels: tuple[str, ...] | None
    ) -> tuple[tuple[str, tuple[str, ...]], ...]:
        found = []
        for name, value in table.items():
            values = [value] if isinstance(value, str) else value
            if labels is not None and name not in labels:
                self._say(key, f"no label {name!r}{nearest(name, labels)}")
            elif not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
                self._say(key, f"{name} is a text or a list of texts, not {shown(value)}")
            else:
                found.append((name, tuple(values)))
        return tuple(found)

    def _by(self, mode: Mode, labels: tuple[str, ...] | None) -> tuple[str, ...]:
        if "by" in self._table:
            return tuple(sorted(self._names("by", labels)))
        if mode not in _EVENTS:
            return ()
        known = labels or ()
        return tuple(sorted(known)) if mode == "absence" and "signal" in self._table else tuple({"pool"} & set(known))

    def _summary(self, mode: Mode, labels: tuple[str, ...] | None) -> str:
        text = self._text("summary", "{text}" if mode == "event" else f"{self._text('title', self._name)}: {{value}}")
        try:
            name = unknown_field(text, labels or ())
        except ValueError as error:
            self._say("summary", str(error))
            return text
        if name is not None:
            known = ("value", "count", "threshold", "text", "window", *(labels or ()))
            self._say("summary", f"nothing is known by the name {name!r}{nearest(name, known)}")
        return text
