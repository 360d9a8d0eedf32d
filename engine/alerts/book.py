"""The book of all alerts: what has become of each, who is to be told, and when to look at it again."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

from engine.alerts.kept import Kept
from engine.alerts.overlays import Inhibition, Silences
from engine.alerts.snapshots import alert_of
from engine.alerts.states import FLAP_WINDOW, FLAPS, REOPENED_WITHIN, Instance, rises
from engine.alerts.types import Change, Severity, State, Transition

UPDATE_EVERY: Final = 1.0
"""Seconds between transitions that only say that a count or a value has changed."""
_BLIND: Final = frozenset({"nodata", "error"})
_FEW: Final = 1000
LIVE: Final = frozenset({"pending", "firing", "recovering", "nodata", "error"})


class Book:
    """What is known of all alerts.

    Attributes:
        kept: the alerts of each rule, by its id.
        changes: what has changed, in order.
    """

    def __init__(self, kept: Mapping[str, Kept]) -> None:
        """Of these rules."""
        self.kept = kept
        self.changes: list[Transition] = []
        self.silences = Silences()
        self.last_number = 0
        """Of the last alert that has fired."""
        self._inhibition = Inhibition(kept)
        self._numbers = itertools.count(1)
        self._wakes: list[tuple[float, int, Kept, Instance]] = []
        self._order = itertools.count()
        self._most = _FEW
        """Entries of that heap from which on it is looked through for those that count no more."""
        self.crowded: set[str] = set()
        """Rules of which alerts are hidden, or were a moment ago."""

    def due(self) -> float | None:
        """When an alert is to be looked at though nothing happens."""
        while self._wakes and self._wakes[0][3].wake != self._wakes[0][0]:
            heapq.heappop(self._wakes)
        return self._wakes[0][0] if self._wakes else None

    def woken(self, now: float) -> list[tuple[Kept, Instance]]:
        """Those to be looked at because time has passed, once each."""
        found = []
        while self._wakes and self._wakes[0][0] <= now:
            at, _, kept, instance = heapq.heappop(self._wakes)
            if instance.wake == at:  # else it was looked at meanwhile
                instance.wake = None
                found.append((kept, instance))
        return found

    def settle(self, now: float, kept: Kept, instance: Instance) -> None:
        """After anything that may have changed an alert."""
        if instance.on is not instance.told_on:
            self._turned(now, kept, instance)
        if instance.hidden:
            self.crowded.add(kept.rule.id)
        else:
            self._compare(now, kept, instance)
            self._remind(now, kept, instance)
        self.schedule(now, kept, instance)

    def _turned(self, now: float, kept: Kept, instance: Instance) -> None:
        """It has begun to fire, or it is resolved."""
        instance.told_on = instance.on
        instance.repeat_at = None
        if instance is not kept.rest:
            if not instance.on:
                kept.over(instance)
                if kept.hidden or kept.rest is not None:
                    self.crowded.add(kept.rule.id)
            elif not kept.show(instance):
                if instance.told_state == "pending":
                    self.tell(now, kept, instance, "state", "normal", why="one of so many more")
                self._expose(now, kept, instance)
        if instance.on and not instance.number:
            self.last_number += 1
            instance.number = self.last_number
        for target in self._inhibition.targets(kept.rule):
            for other in target.all():
                if other.told_on:
                    self._look_at_inhibition(now, target, other)

    def _expose(self, now: float, kept: Kept, instance: Instance) -> None:
        """One more is hidden: if nobody has silenced it, people are told of what stands for all of them."""
        rest = kept.rest
        if rest is not None and rest.silence is not None and self.silences.of(kept, instance) is None:
            rest.silence = None
            self.tell(now, kept, rest, "unsilenced", why="one of them is not silenced")
            self.schedule(now, kept, rest)

    def _compare(self, now: float, kept: Kept, instance: Instance) -> None:
        """Tell of a state or a severity that is new."""
        severity = instance.told_severity if instance.told_state in LIVE else instance.severity
        self._note_change(now, kept, instance)
        before, after = instance.told_state, instance.state
        if after == before:
            if instance.on and instance.severity != instance.told_severity:
                self._new_severity(now, kept, instance)
            return
        turned = instance.on is not (before in ("firing", "recovering"))
        if instance.flapping and not turned and _BLIND.isdisjoint((before, after)):
            if instance.on and instance.severity != instance.told_severity:
                self._new_severity(now, kept, instance)
            return  # it is known to swing; how it is in the end will be told
        if after == "pending" and not instance.on and len(kept.by_labels) > 2 * kept.rule.max_alerts:
            return
        if turned and instance.on:
            instance.silence, instance.inhibited_by = self.silences.of(kept, instance), self._inhibition.of(instance)
        ack, over = instance.ack, after == "resolved"
        if over or (instance.on and rises(severity, instance.severity)):
            instance.ack = None
        notify = over and instance.notified and instance.silence is None and instance.inhibited_by is None
        if over:
            instance.notified = False
        self.tell(now, kept, instance, "state", after, severity, notify)
        if ack is not None and instance.ack is None:
            self.tell(now, kept, instance, "unacknowledged", why="resolved" if over else "more severe")
        if over:
            instance.silence = instance.inhibited_by = None

    def _new_severity(self, now: float, kept: Kept, instance: Instance) -> None:
        before, ack = instance.told_severity, instance.ack
        if rises(before, instance.severity):
            instance.notified = False
            instance.ack = None
        if self.silences.by_id:
            instance.silence = self.silences.of(kept, instance)
        self.tell(now, kept, instance, "severity", severity_before=before)
        if ack is not None and instance.ack is None:
            self.tell(now, kept, instance, "unacknowledged", why="more severe")

    def _note_change(self, now: float, kept: Kept, instance: Instance) -> None:
        """Count changes of state, to see whether there are too many."""
        before, instance.seen = instance.seen, instance.state
        if before == instance.state or not _BLIND.isdisjoint((before, instance.state)):
            return
        history = instance.history
        history.append(now)
        if not instance.flapping and len(history) > FLAPS and now - history[0] <= FLAP_WINDOW:
            instance.flapping = True
            self.tell(now, kept, instance, "flapping")

    def _remind(self, now: float, kept: Kept, instance: Instance) -> None:
        """What is told, or ends, though its state is the same."""
        if instance.flapping and now >= instance.history[-1] + FLAP_WINDOW:
            instance.flapping = False
            instance.history.clear()
            self.tell(now, kept, instance, "steady", instance.state)
        if not instance.on:
            return
        ack = instance.ack
        if ack is not None and ack.until is not None and now >= ack.until:
            instance.notified = False
            instance.ack = None
            self.tell(now, kept, instance, "unacknowledged", why="expired")
        if instance.repeat_at is not None and now >= instance.repeat_at:
            instance.repeat_at = None
            if instance.state == "firing" and not self._quiet(now, instance):
                self.tell(now, kept, instance, "repeat", notify=True)
        if self._owed(now, instance) or (instance.updated and now >= instance.told_at + UPDATE_EVERY):
            self.tell(now, kept, instance, "update")

    def _quiet(self, now: float, instance: Instance) -> bool:
        """Whether nobody is to be told of it now."""
        swings = instance.flapping and instance.reopened and now < instance.again + FLAP_WINDOW
        overlaid = instance.ack is not None or instance.silence is not None or instance.inhibited_by is not None
        return bool(overlaid or instance.hidden or instance.folded or swings)

    def _owed(self, now: float, instance: Instance) -> bool:
        """Whether people do not know yet that it fires, and are to."""
        return instance.on and instance.state == "firing" and not instance.notified and not self._quiet(now, instance)

    def look_at_silences(self, now: float, why: str) -> None:
        """After a silence began or ended."""
        for kept, instance in self.instances():
            found = self.silences.of(kept, instance) if instance.told_on else None
            if found != instance.silence:
                instance.silence = found
                self.tell(now, kept, instance, "unsilenced" if found is None else "silenced", why=why)
                self.schedule(now, kept, instance)

    def _look_at_inhibition(self, now: float, kept: Kept, instance: Instance) -> None:
        found = self._inhibition.of(instance)
        if found != instance.inhibited_by:
            instance.inhibited_by = found
            if not instance.hidden:
                self.tell(now, kept, instance, "uninhibited" if found is None else "inhibited", why=found or "")
                self.schedule(now, kept, instance)

    def uncrowd(self, now: float) -> None:
        """See to the alerts that are hidden, because there are too many of their rule."""
        for name in list(self.crowded):
            kept = self.kept[name]
            while (instance := kept.promote()) is not None:
                self.settle(now, kept, instance)
            rest = kept.update_rest(now)
            if rest is not None:
                rest.updated = True
                self.settle(now, kept, rest)
            if not kept.hidden:
                self.crowded.discard(name)

    def tell(
        self,
        now: float,
        kept: Kept,
        instance: Instance,
        change: Change,
        after: State | None = None,
        severity_before: Severity | None = None,
        notify: bool = False,
        why: str = "",
    ) -> None:
        """Put down a transition; people are told if they do not know yet that it fires."""
        if self._owed(now, instance) and change != "flapping":
            notify = instance.notified = True
            instance.repeat_at = None if kept.rule.repeat is None else now + kept.rule.repeat
        elif change == "repeat" and kept.rule.repeat is not None:
            instance.repeat_at = now + kept.rule.repeat
        before = instance.told_state
        if after is not None:
            instance.told_state = after
        instance.told_at = now
        instance.said = instance.count
        instance.updated = False
        self.changes.append(
            Transition(
                number=next(self._numbers),
                at=now,
                change=change,
                before=before,
                after=instance.told_state,
                severity_before=instance.severity if severity_before is None else severity_before,
                severity=instance.severity,
                notify=notify,
                why=why,
                alert=alert_of(instance),
            )
        )
        if change in ("state", "severity", "steady"):
            instance.told_severity = instance.severity

    # -- which there are -----------------------------------------------------------------------------------------------

    def instances(self) -> Iterator[tuple[Kept, Instance]]:
        """All that are not hidden."""
        for kept in self.kept.values():
            for instance in list(kept.by_labels.values()):
                if not instance.hidden:
                    yield kept, instance
            if kept.rest is not None:
                yield kept, kept.rest

    def schedule(self, now: float, kept: Kept, instance: Instance) -> None:
        """See that it is looked at when time alone changes it, and forgotten once nothing is to be known of it."""
        times = [instance.due()]
        if instance.flapping and not instance.hidden:
            times.append(instance.history[-1] + FLAP_WINDOW)
        if instance.on and not instance.hidden:
            if instance.ack is not None:
                times.append(instance.ack.until)
            times.append(instance.repeat_at)
            if instance.updated:
                times.append(instance.told_at + UPDATE_EVERY)
            if not instance.notified and instance.flapping and instance.again + FLAP_WINDOW > now:
                times.append(instance.again + FLAP_WINDOW)
        elif not instance.on and instance.state in ("normal", "resolved") and not instance.flapping:
            ends = [instance.history[-1] + FLAP_WINDOW] if instance.history else []
            if instance.resolved is not None:
                ends.append(instance.resolved + REOPENED_WITHIN)
            if not ends or max(ends) <= now:
                if kept.by_labels.get(instance.labels) is instance:
                    kept.drop(instance.labels)
                instance.wake = None
                return
            times.append(max(ends))
        wake = min((at for at in times if at is not None), default=None)
        if wake != instance.wake:
            instance.wake = wake
            if wake is not None:
                heapq.heappush(self._wakes, (wake, next(self._order), kept, instance))
                if len(self._wakes) > self._most:
                    self._sift()

    def _sift(self) -> None:
        """Forget what an alert was to be looked at for before it was put off."""
        self._wakes = list({id(entry[3]): entry for entry in self._wakes if entry[3].wake == entry[0]}.values())
        heapq.heapify(self._wakes)
        self._most = 2 * len(self._wakes) + _FEW
