"""Why an alert that fires is not told: silences, and alerts that inhibit others. Its state stays what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from typing import Final

from engine.alerts.kept import Kept
from engine.alerts.states import Instance
from engine.alerts.types import Rule, Severity, Silence

SILENCES: Final = 1000
"""That can be in force at the same time."""


LONGEST: Final = 200
"""Characters of a reason, a note, or a pattern."""


class RefusedError(ValueError):
    """A silence, or an acknowledgement, that can't be. The text is one line."""


class UnknownAlertError(LookupError):
    """There is no such alert, or it is over. The text is one line."""


def check_length(what: str, text: str) -> None:
    """Raises `RefusedError` for more than `LONGEST` characters: all readers are told of them, again and again."""
    if len(text) > LONGEST:
        raise RefusedError(f"{what} has {LONGEST} characters at the most, not {len(text):,}")


class Silences:
    """Those in force."""

    def __init__(self) -> None:
        self._next = 1
        self.by_id: dict[int, Silence] = {}

    def add(self, matchers: Mapping[str, str], now: float, until: float, by: str, reason: str) -> Silence:
        """Begin one. Raises `RefusedError` without a matcher, an author, a reason, or an end that is to come."""
        if not matchers or not all(name and pattern for name, pattern in matchers.items()):
            raise RefusedError("a silence needs something to match, such as rule=memory or pool=main")
        if not by.strip():
            raise RefusedError("a silence needs somebody whose it is")
        if not reason.strip():
            raise RefusedError("a silence needs a reason")
        for what, text in (("a reason", reason), *((f"what {name} is to be", text) for name, text in matchers.items())):
            check_length(what, text)
        if not now < until < float("inf"):
            raise RefusedError("a silence needs an end, which is to come")
        if len(self.by_id) >= SILENCES:
            raise RefusedError(f"there are {SILENCES} silences already")
        silence = Silence(self._next, dict(matchers), now, until, by, reason)
        self._next += 1
        self.by_id[silence.id] = silence
        return silence

    def ended(self, now: float) -> list[Silence]:
        """Take out those that are over."""
        over = [silence for silence in self.by_id.values() if silence.until <= now]
        for silence in over:
            del self.by_id[silence.id]
        return over

    def due(self) -> float | None:
        """When the next one ends."""
        return min((silence.until for silence in self.by_id.values()), default=None)

    def of(self, kept: Kept, instance: Instance) -> int | None:
        """The silence that an alert is under: the one that lasts longest. What stands for others is under one if all of
        them are.
        """
        if not self.by_id:
            return None
        if instance is kept.rest:
            each = [self.of(kept, other) for other in kept.hidden.values()]
            return min((one for one in each if one is not None), key=self._end, default=None) if all(each) else None
        named = dict(instance.labels)
        found = [s for s in self.by_id.values() if _matches(s.matchers, instance.rule, instance.severity, named)]
        return max((silence.id for silence in found), key=self._end, default=None)

    def _end(self, silence: int) -> tuple[float, int]:
        return self.by_id[silence].until, silence


def _matches(matchers: Mapping[str, str], rule: Rule, severity: Severity, named: Mapping[str, str]) -> bool:
    fixed = {"rule": rule.id, "class": rule.area, "severity": severity}
    values = ((fixed.get(name) or named.get(name), pattern) for name, pattern in matchers.items())
    return all(value is not None and fnmatchcase(value, pattern) for value, pattern in values)


class Inhibition:
    """Which alerts keep which others from being told."""

    def __init__(self, kept: Mapping[str, Kept]) -> None:
        self._kept = kept
        self._sources: dict[str, list[Kept]] = {}
        for source in kept.values():
            for target in source.rule.inhibits:
                self._sources.setdefault(target, []).append(source)

    def targets(self, rule: Rule) -> Iterable[Kept]:
        """The rules whose alerts may change when one of this rule begins or ends to fire."""
        return (self._kept[name] for name in rule.inhibits if name in self._kept)

    def of(self, instance: Instance) -> str | None:
        """The fingerprint of an alert that inhibits this one."""
        sources = self._sources.get(instance.rule.id)
        if not sources:
            return None
        named = dict(instance.labels)
        for source in sources:
            equal = source.rule.equal
            for other in source.by_labels.values():
                if other.on and other is not instance:
                    theirs = dict(other.labels)
                    if all(theirs.get(name, "") == named.get(name, "") for name in equal):
                        return other.fingerprint
        return None


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """Rules such that those that inhibit others come before them. Raises ValueError if they do so in a circle."""
    by_id = {rule.id: rule for rule in rules}
    sorter = TopologicalSorter[str]({rule.id: () for rule in rules})
    for rule in rules:
        for target in rule.inhibits:
            if target in by_id:
                sorter.add(target, rule.id)
    try:
        return [by_id[name] for name in sorter.static_order()]
    except CycleError as error:
        raise ValueError(f"{', '.join(dict.fromkeys(error.args[1]))} inhibit each other in a circle") from None
