"""All alerts of one rule: each of its own identity, so many at the most, and one that stands for the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from engine.alerts.states import Instance
from engine.alerts.types import SEVERITIES, Labels, Rule

MOST: Final = 1000
"""Alerts of a rule that are followed one by one, shown or not; of more than that only their number is known."""
_REST: Final[Labels] = (("", "more"),)


def fingerprint(rule: str, labels: Labels) -> str:
    """The identity of an alert: 16 hexadecimal digits, whatever the order of the labels and wherever it is made."""
    parts = [rule]
    for name, value in sorted(labels):
        parts += [name, value]
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(4, "big") + data)
    return found.hexdigest()


class Kept:
    """The alerts of one rule, by their labels."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.by_labels: dict[Labels, Instance] = {}
        self.shown = 0
        """How many fire and are shown one by one."""
        self.hidden: dict[Labels, Instance] = {}
        """Those that fire beyond that, the oldest first."""
        self.rest: Instance | None = None
        """The alert that stands for them."""
        self.uncounted = 0
        """Events of alerts that were never shown and are over, or were never followed."""

    def admit(self, labels: Labels) -> Instance | None:
        """The alert about these labels, made if there is none; None if there are too many."""
        found = self.by_labels.get(labels)
        if found is None:
            if len(self.by_labels) >= MOST and not self._make_room():
                return None
            found = self.by_labels[labels] = Instance(self.rule, labels, fingerprint(self.rule.id, labels))
        return found

    def _make_room(self) -> bool:
        """Forget one that is over."""
        for labels, instance in self.by_labels.items():
            if instance.state in ("normal", "resolved"):
                self.drop(labels)
                return True
        return False

    def drop(self, labels: Labels) -> None:
        """Forget an alert that is over."""
        self.by_labels.pop(labels, None)

    def show(self, instance: Instance) -> bool:
        """It fires: whether it is to be shown by itself."""
        if self.shown < self.rule.max_alerts:
            self.shown += 1
            return True
        instance.hidden, instance.known = True, instance.said
        self.hidden[instance.labels] = instance
        return False

    def over(self, instance: Instance) -> None:
        """It is resolved. One that nobody has heard of as such is so without a word."""
        if instance.hidden:
            instance.hidden = False
            instance.state = instance.told_state = "normal"
            del self.hidden[instance.labels]
            self.uncounted += instance.count - instance.known
            instance.count = instance.known
        else:
            self.shown -= 1

    def promote(self) -> Instance | None:
        """One that was hidden and can be shown now."""
        if not self.hidden or self.shown >= self.rule.max_alerts:
            return None
        instance = self.hidden.pop(next(iter(self.hidden)))
        instance.hidden = False
        instance.folded = True
        self.shown += 1
        return instance

    def stand_in(self) -> Instance:
        """The alert about all those that are not shown."""
        if self.rest is None:
            self.rest = Instance(self.rule, _REST, fingerprint(self.rule.id, _REST))
        return self.rest

    def update_rest(self, now: float) -> Instance | None:
        """Have the alert about those that are not shown fire as long as there are any; None if there never were."""
        if self.hidden:
            rest = self.stand_in()
            if not rest.on and not rest.recent(now):
                self.uncounted = 0
            rest.more = len(self.hidden)
            rest.hold(now, max(SEVERITIES.index(other.severity) for other in self.hidden.values()))
            if rest.happened is None:
                first = next(iter(self.hidden.values()))
                rest.happened, rest.detected = first.happened, first.detected
            rest.count = self.uncounted + sum(other.count - other.known for other in self.hidden.values())
        elif self.rest is not None and self.rest.on:
            self.rest.count = self.uncounted
            self.rest.end(now)
        return self.rest

    def all(self) -> Iterator[Instance]:
        """Every alert, with the one that stands for what is not shown."""
        yield from list(self.by_labels.values())
        if self.rest is not None:
            yield self.rest
